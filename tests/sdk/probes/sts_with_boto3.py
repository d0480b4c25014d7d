"""boto3 at an STS itself: every action, done well and done wrong.

Answers with the ARN of whoever the credentials are, or with the code of the
error. Who signs is what the variables say: the user with the keys of the demo.
"""

import os

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from answers import serve

ROLE = "arn:aws:iam::123456789012:role/dev"
SERIAL = "arn:aws:iam::123456789012:mfa/me"
POLICY = '{"Version": "2012-10-17", "Statement": []}'
TAGS = [{"Key": "team", "Value": "blue"}]
# What boto3 would refuse by itself is to be refused by STS.
UNCHECKED = Config(parameter_validation=False)
user = boto3.client("sts", config=UNCHECKED)


def of(keys):
    """A client that signs with what was issued."""
    return boto3.client("sts", config=UNCHECKED, aws_access_key_id=keys["AccessKeyId"],
                        aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])


def role(client=None, **more):
    return (client or user).assume_role(RoleArn=ROLE, RoleSessionName="probe", **more)["Credentials"]


def web(token, **more):
    asked = {"RoleArn": ROLE, "RoleSessionName": "probe", "WebIdentityToken": token} | more
    return user.assume_role_with_web_identity(**asked)["Credentials"]


def saml(response, **more):
    asked = {"RoleArn": ROLE, "PrincipalArn": os.environ["PROVIDER"], "SAMLAssertion": response} | more
    return user.assume_role_with_saml(**asked)["Credentials"]


def session(client=None, **more):
    return (client or user).get_session_token(**more)["Credentials"]


def guest(client=None, **more):
    return (client or user).get_federation_token(**({"Name": "guest"} | more))["Credentials"]


def env(name):
    return os.environ[name]


def outcome(call):
    def ask():
        try:
            return of(call()).get_caller_identity()["Arn"]
        except ClientError as error:
            return error.response["Error"]["Code"]
    return ask


CALLS = {
    "role": lambda: role(ExternalId="agreed", Policy=POLICY, Tags=TAGS, TransitiveTagKeys=["team"], SourceIdentity="me"),
    "role-by-role": lambda: role(of(role())),
    "role-by-role-too-long": lambda: role(of(role()), DurationSeconds=3601),
    "role-too-short": lambda: role(DurationSeconds=899),
    "role-bad-policy": lambda: role(Policy="{"),
    "role-too-many-tags": lambda: role(Tags=[{"Key": f"k{n}", "Value": "v"} for n in range(51)]),
    "role-wrong-code": lambda: role(SerialNumber=SERIAL, TokenCode="000000"),
    "web": lambda: web(env("TOKEN")),
    "web-expired": lambda: web(env("EXPIRED_TOKEN")),
    "web-garbage": lambda: web("a.b.c"),
    "saml": lambda: saml(env("RESPONSE")),
    "saml-expired": lambda: saml(env("EXPIRED_RESPONSE")),
    "saml-for-others": lambda: saml(env("FOREIGN_RESPONSE")),
    "saml-garbage": lambda: saml("bm90IHhtbA=="),
    "session": session,
    "session-with-code": lambda: session(SerialNumber=SERIAL, TokenCode="314159"),
    "session-same-code": lambda: session(SerialNumber=SERIAL, TokenCode="314159"),
    "session-wrong-code": lambda: session(SerialNumber=SERIAL, TokenCode="000000"),
    "session-by-session": lambda: session(of(session())),
    "session-role": lambda: role(of(session())),
    "guest": lambda: guest(Policy=POLICY, Tags=TAGS),
    "guest-by-role": lambda: guest(of(role())),
    "guest-name-too-short": lambda: guest(Name="g"),
    "guest-role": lambda: role(of(guest())),
}

serve(**{name: outcome(call) for name, call in CALLS.items()})
