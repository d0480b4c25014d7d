//! A SAML response: whose it is, what it allows and until when. Its signature is not checked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};

use super::{invalid, is_to_come, source_identity};
use crate::emulator::refusal::{Code, Refusal};
use crate::emulator::script::Idp;
use crate::emulator::tags::Tags;
use crate::markup::{Document, Place};
use crate::role::{RoleArn, SessionName};

const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const ATTRIBUTES: &str = "https://aws.amazon.com/SAML/Attributes/";
/// How long after its making a response is taken, whatever it says itself.
const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// What a good response says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::emulator) struct Assertion {
    pub(in crate::emulator) issuer: String,
    pub(in crate::emulator) subject: String,
    /// The format of the subject, in the words of the result (A10).
    pub(in crate::emulator) subject_type: String,
    /// Whom it was sent to: the result calls this the audience.
    pub(in crate::emulator) recipient: String,
    /// Pairs of a role's and a provider's ARN, in whatever order.
    roles: Vec<(String, String)>,
    pub(in crate::emulator) session_name: SessionName,
    /// No session is to last longer than the one at the provider.
    pub(in crate::emulator) session_ends: Option<Timestamp>,
    pub(in crate::emulator) tags: Tags,
    pub(in crate::emulator) source_identity: Option<String>,
}

impl Assertion {
    /// Reads a response as it is sent, and holds it against the clock.
    pub(in crate::emulator) fn read(base64: &str, now: Timestamp) -> Result<Self, Refusal> {
        let text: String = base64.split_ascii_whitespace().collect();
        let bytes = BASE64.decode(text).map_err(|_| unreadable("it is not base64"))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| unreadable("it is not UTF-8"))?;
        let document = Document::read(text).map_err(unreadable)?;
        let response = document.root(PROTOCOL, "Response");
        let response = response.ok_or_else(|| unreadable("it is not a Response"))?;
        let status =
            response.child(PROTOCOL, "Status").and_then(|s| s.child(PROTOCOL, "StatusCode"));
        if status.and_then(|status| status.attribute("Value")) != Some(SUCCESS) {
            return Err(unreadable("its status is not success"));
        }
        let assertion = response.child(ASSERTION, "Assertion");
        let assertion = assertion.ok_or_else(|| unreadable("it has not one Assertion"))?;
        Parts(assertion).read(now)
    }

    /// Whether the response lets its subject have this role by this provider.
    pub(in crate::emulator) fn allows(&self, role: &RoleArn, provider: &str) -> bool {
        let wanted = (role.as_str(), provider);
        self.roles.iter().any(|(a, b)| (&**a, &**b) == wanted || (&**b, &**a) == wanted)
    }

    /// As a trust policy sees it.
    pub(in crate::emulator) fn idp(&self) -> Idp {
        let text = |text: &String| Some(text.clone());
        Idp {
            issuer: text(&self.issuer),
            audience: text(&self.recipient),
            subject: text(&self.subject),
        }
    }
}

fn unreadable(why: &str) -> Refusal {
    invalid(format!("Invalid SAML response: {why}"))
}

/// The `Assertion` element, asked for its parts.
struct Parts<'a>(Place<'a>);

impl<'a> Parts<'a> {
    fn read(&self, now: Timestamp) -> Result<Assertion, Refusal> {
        let subject = self.child("Subject")?;
        let name = subject.child(ASSERTION, "NameID").filter(|name| !name.text().is_empty());
        let name = name.ok_or_else(|| unreadable("its subject has no NameID"))?;
        let confirmation = confirmation(subject)?;
        self.check_times(confirmation, now)?;
        self.check_audience()?;
        let recipient = confirmation.attribute("Recipient").unwrap_or_default();
        if !is_aws(recipient) {
            return Err(unreadable("its recipient is not AWS's sign-in"));
        }
        Ok(Assertion {
            issuer: self.child("Issuer")?.text().to_owned(),
            subject: name.text().to_owned(),
            subject_type: subject_type(name.attribute("Format")),
            recipient: recipient.to_owned(),
            roles: self.roles()?,
            session_name: self.session_name()?,
            session_ends: self.session_ends(now)?,
            tags: self.tags()?,
            source_identity: self.one("SourceIdentity").map(source_identity).transpose()?,
        })
    }

    fn child(&self, name: &str) -> Result<Place<'a>, Refusal> {
        let child = self.0.child(ASSERTION, name);
        child.ok_or_else(|| unreadable(&format!("its assertion has not one {name}")))
    }

    /// All that says until when the response itself may be used.
    fn check_times(&self, confirmation: Place<'_>, now: Timestamp) -> Result<(), Refusal> {
        let issued = time(self.0, "IssueInstant")?
            .ok_or_else(|| unreadable("its assertion has no IssueInstant"))?;
        let conditions = self.0.child(ASSERTION, "Conditions");
        let mut start = Some(issued);
        let mut ends = vec![issued.saturating_add(FRESH).unwrap_or(issued)];
        for place in conditions.into_iter().chain([confirmation]) {
            start = start.max(time(place, "NotBefore")?);
            ends.extend(time(place, "NotOnOrAfter")?);
        }
        if start.is_some_and(|start| is_to_come(start, now)) {
            return Err(unreadable("it is not valid yet"));
        }
        if ends.iter().any(|end| *end <= now) {
            return Err(expired());
        }
        Ok(())
    }

    fn check_audience(&self) -> Result<(), Refusal> {
        let conditions = self.0.children(ASSERTION, "Conditions");
        let mut all = conditions.flat_map(|c| c.children(ASSERTION, "AudienceRestriction"));
        let is_ours = |restriction: Place<'_>| {
            let mut audiences = restriction.children(ASSERTION, "Audience");
            audiences.any(|a| a.text() == "urn:amazon:webservices" || is_aws(a.text()))
        };
        if all.all(is_ours) {
            Ok(())
        } else {
            Err(invalid("Response does not contain the required audience."))
        }
    }

    fn roles(&self) -> Result<Vec<(String, String)>, Refusal> {
        let pair = |text: &str| {
            let (one, other) = text.split_once(',')?;
            Some((one.trim().to_owned(), other.trim().to_owned()))
        };
        let roles: Vec<_> = self.all("Role").filter_map(pair).collect();
        if roles.is_empty() {
            return Err(unreadable("it has no Role attribute of ARNs in pairs"));
        }
        Ok(roles)
    }

    fn session_name(&self) -> Result<SessionName, Refusal> {
        let name = self.one("RoleSessionName");
        let name = name.ok_or_else(|| invalid("RoleSessionName is required in AuthnResponse"))?;
        name.parse().map_err(|_| {
            invalid("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
        })
    }

    fn session_ends(&self, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
        let statements = self.0.children(ASSERTION, "AuthnStatement");
        let ends: Vec<_> =
            statements.map(|s| time(s, "SessionNotOnOrAfter")).collect::<Result<_, _>>()?;
        match ends.into_iter().flatten().min() {
            Some(end) if end <= now => Err(expired()),
            end => Ok(end),
        }
    }

    fn tags(&self) -> Result<Tags, Refusal> {
        let own = self.attributes().filter_map(|(name, value)| {
            Some((name.strip_prefix("PrincipalTag:")?.to_owned(), value.to_owned()))
        });
        let transitive = self.all("TransitiveTagKeys").map(str::to_owned);
        let tags = Tags { own: own.collect(), transitive: transitive.collect() };
        if !tags.are_within_limits() {
            return Err(unreadable("its session tags are not valid"));
        }
        tags.check(&[]).map(|()| tags).map_err(|refusal| invalid(refusal.message))
    }

    /// The value of an attribute that has exactly one.
    fn one(&self, name: &str) -> Option<String> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none()).map(str::to_owned)
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.attributes().filter(move |(n, _)| *n == name).map(|(_, value)| value)
    }

    /// AWS's attributes by the last part of their names, each value for itself.
    fn attributes(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let statements = self.0.children(ASSERTION, "AttributeStatement");
        let attributes = statements.flat_map(|s| s.children(ASSERTION, "Attribute"));
        attributes.flat_map(|attribute| {
            let name = attribute.attribute("Name").and_then(|name| name.strip_prefix(ATTRIBUTES));
            let values = attribute.children(ASSERTION, "AttributeValue");
            values.filter_map(move |value| Some((name?, value.text())))
        })
    }
}

/// The data of the bearer's confirmation, which AWS asks for.
fn confirmation(subject: Place<'_>) -> Result<Place<'_>, Refusal> {
    let mut all = subject.children(ASSERTION, "SubjectConfirmation");
    all.find(|confirmation| confirmation.attribute("Method") == Some(BEARER))
        .and_then(|bearer| bearer.child(ASSERTION, "SubjectConfirmationData"))
        .ok_or_else(|| unreadable("its subject is not confirmed as the bearer"))
}

fn time(place: Place<'_>, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let time = place.attribute(name).map(str::parse).transpose();
    time.map_err(|_| unreadable(&format!("{name} is not a time")))
}

fn expired() -> Refusal {
    Refusal::new(Code::ExpiredTokenException, "Token must be redeemed within 5 minutes of issuance")
}

/// `https://signin.aws.amazon.com/saml` and its likes in Regions and partitions.
fn is_aws(url: &str) -> bool {
    let host = url.strip_prefix("https://").and_then(|rest| rest.strip_suffix("/saml"));
    let ends = ["signin.aws.amazon.com", "signin.amazonaws-us-gov.com", "signin.amazonaws.cn"];
    host.is_some_and(|host| {
        ends.iter().any(|end| {
            host.strip_suffix(end).is_some_and(|region| {
                (region.is_empty() || region.ends_with('.')) && !region.contains('/')
            })
        })
    })
}

/// `transient` for SAML 2.0's own formats, the whole name for all others.
fn subject_type(format: Option<&str>) -> String {
    let format = format.unwrap_or("urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified");
    let own = format.strip_prefix("urn:oasis:names:tc:SAML:2.0:nameid-format:");
    own.unwrap_or(format).to_owned()
}

#[cfg(test)]
mod tests;
