"""What identity providers would issue: an OIDC token and a SAML response, unsigned.

No STS here looks at signatures of identity providers, and none could.
"""

import base64
import json
import time

ISSUER = "https://idp.example.com"
PROVIDER = "arn:aws:iam::123456789012:saml-provider/corp"
CLAIM = "https://aws.amazon.com/SAML/Attributes"


def id_token(life=300, audience="sts.amazonaws.com"):
    """A JSON web token that ends so many seconds from now."""
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": "me", "aud": audience, "iat": now - 600, "exp": now + life}
    parts = [{"alg": "RS256", "kid": "1"}, claims]
    words = [json.dumps(part).encode() for part in parts] + [b"signature"]
    return ".".join(base64.urlsafe_b64encode(word).rstrip(b"=").decode() for word in words)


def saml_response(role, life=300, recipient="https://signin.aws.amazon.com/saml"):
    """A response of the identity provider for this role, as it is posted."""
    issued, ends = clock(0), clock(life)
    return base64.b64encode(f"""<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1"
 Version="2.0" IssueInstant="{issued}" Destination="{recipient}">
<Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">{ISSUER}</Issuer>
<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>
<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="_2" Version="2.0" IssueInstant="{issued}">
<Issuer>{ISSUER}</Issuer>
<Subject><NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">me</NameID>
<SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
<SubjectConfirmationData NotOnOrAfter="{ends}" Recipient="{recipient}"/></SubjectConfirmation></Subject>
<Conditions NotBefore="{issued}" NotOnOrAfter="{ends}"><AudienceRestriction>
<Audience>urn:amazon:webservices</Audience></AudienceRestriction></Conditions>
<AuthnStatement AuthnInstant="{issued}"/><AttributeStatement>
<Attribute Name="{CLAIM}/Role"><AttributeValue>{role},{PROVIDER}</AttributeValue></Attribute>
<Attribute Name="{CLAIM}/RoleSessionName"><AttributeValue>probe</AttributeValue></Attribute>
<Attribute Name="{CLAIM}/SessionDuration"><AttributeValue>3600</AttributeValue></Attribute>
</AttributeStatement></Assertion></samlp:Response>""".encode()).decode()


def clock(after):
    """The time so many seconds from now, as SAML writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + after))
