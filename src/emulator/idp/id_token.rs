//! A web identity token: a JWT, its shape and its times checked, its signature not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{invalid, is_to_come, source_identity};
use crate::emulator::refusal::{Code, Refusal};
use crate::emulator::script::Idp;
use crate::emulator::tags::Tags;

/// A7
const ALGORITHMS: [&str; 6] = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"];
const TAGS: &str = "https://aws.amazon.com/tags";
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";
const NO_JWT: &str = "The ID Token provided is not a valid JWT. \
    (You may see this error if you sent an Access Token)";

/// What a good token says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::emulator) struct IdToken {
    pub(in crate::emulator) issuer: String,
    pub(in crate::emulator) audience: String,
    pub(in crate::emulator) subject: String,
    pub(in crate::emulator) tags: Tags,
    pub(in crate::emulator) source_identity: Option<String>,
}

impl IdToken {
    /// Reads a token, and holds it against the clock.
    pub(in crate::emulator) fn read(text: &str, now: Timestamp) -> Result<Self, Refusal> {
        let claims = Claims::of(text).ok_or_else(|| invalid(NO_JWT))?;
        let token = Self {
            issuer: claims.required("iss")?,
            audience: claims.audience()?,
            subject: claims.required("sub")?,
            tags: claims.tags()?,
            source_identity: claims.source_identity()?,
        };
        claims.check_times(now).map(|()| token)
    }

    /// As a trust policy sees it.
    pub(in crate::emulator) fn idp(&self) -> Idp {
        let text = |text: &String| Some(text.clone());
        Idp {
            issuer: text(&self.issuer),
            audience: text(&self.audience),
            subject: text(&self.subject),
        }
    }
}

struct Claims(Map<String, Value>);

impl Claims {
    fn of(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let &[header, claims, signature] = parts.as_slice() else {
            return None;
        };
        let decoded = |part: &str| BASE64_URL.decode(part).ok().filter(|bytes| !bytes.is_empty());
        let object = |part| serde_json::from_slice::<Map<String, Value>>(&decoded(part)?).ok();
        decoded(signature)?;
        let header = object(header)?;
        let algorithm = header.get("alg")?.as_str()?;
        ALGORITHMS.contains(&algorithm).then(|| object(claims).map(Self))?
    }

    fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(_) => Err(invalid(format!("The claim {name} is not a text"))),
        }
    }

    fn required(&self, name: &str) -> Result<String, Refusal> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// Of several audiences only `azp` says which one is meant.
    fn audience(&self) -> Result<String, Refusal> {
        let audience = match self.0.get("aud") {
            Some(Value::Array(several)) => several.first().and_then(Value::as_str),
            Some(one) => one.as_str(),
            None => return Err(missing("aud")),
        };
        let audience = audience.ok_or_else(|| invalid("The claim aud is not a text"))?;
        Ok(self.text("azp")?.unwrap_or_else(|| audience.to_owned()))
    }

    /// A7: timestamps are integers.
    fn time(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        let Some(claim) = self.0.get(name) else {
            return Ok(None);
        };
        let time = claim.as_i64().and_then(|second| Timestamp::from_second(second).ok());
        time.map(Some).ok_or_else(|| invalid(format!("The claim {name} is not an integer")))
    }

    fn check_times(&self, now: Timestamp) -> Result<(), Refusal> {
        let expires = self.time("exp")?.ok_or_else(|| missing("exp"))?;
        for name in ["iat", "nbf"] {
            if self.time(name)?.is_some_and(|start| is_to_come(start, now)) {
                return Err(invalid(format!("The token is not valid yet: {name} is to come")));
            }
        }
        if expires > now {
            return Ok(());
        }
        let (now, expires) = (now.as_second(), expires.as_second());
        let message = format!(
            "Token expired: current date/time {now} must be before the expiration date/time {expires}"
        );
        Err(Refusal::new(Code::ExpiredTokenException, message))
    }

    /// `{"principal_tags": {KEY: [VALUE]}, "transitive_tag_keys": [KEY]}`
    fn tags(&self) -> Result<Tags, Refusal> {
        let Some(claim) = self.0.get(TAGS) else {
            return Ok(Tags::default());
        };
        let tags = tags(claim).filter(Tags::are_within_limits);
        let tags = tags.ok_or_else(|| invalid("The session tags of the token are not valid"))?;
        tags.check(&[]).map(|()| tags).map_err(|refusal| invalid(refusal.message))
    }

    fn source_identity(&self) -> Result<Option<String>, Refusal> {
        self.text(SOURCE_IDENTITY)?.map(source_identity).transpose()
    }
}

fn tags(claim: &Value) -> Option<Tags> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let own = claim.get("principal_tags")?.as_object()?.iter().map(|(key, values)| {
        let [value] = values.as_array()?.as_slice() else {
            return None;
        };
        Some((key.clone(), text(value)?))
    });
    let transitive = match claim.get("transitive_tag_keys") {
        None => Vec::new(),
        Some(keys) => keys.as_array()?.iter().map(text).collect::<Option<_>>()?,
    };
    Some(Tags { own: own.collect::<Option<_>>()?, transitive })
}

fn missing(name: &str) -> Refusal {
    invalid(format!("Missing a required claim: {name}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::emulator::idp::samples::jwt;

    const NOW: i64 = 1_800_000_000;

    fn claims(changes: &Value) -> Value {
        let mut claims = json!({
            "iss": "https://idp.example.com", "sub": "me", "aud": "sts.amazonaws.com",
            "exp": NOW + 60, "iat": NOW - 60, "nbf": NOW - 60,
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims
    }

    fn read(text: &str) -> Result<IdToken, Refusal> {
        IdToken::read(text, Timestamp::from_second(NOW).unwrap())
    }

    fn with(changes: &Value) -> Result<IdToken, Refusal> {
        read(&jwt(&json!({ "alg": "RS256" }), &claims(changes)))
    }

    #[test]
    fn a_token_says_whose_it_is() {
        let token = with(&json!({})).unwrap();
        assert_eq!(token.issuer, "https://idp.example.com");
        assert_eq!((&*token.subject, &*token.audience), ("me", "sts.amazonaws.com"));
        assert_eq!((token.tags, token.source_identity), (Tags::default(), None));
        let several = with(&json!({ "aud": ["a", "b"], "azp": "b", "nbf": null, "iat": null }));
        assert_eq!(several.unwrap().audience, "b");
        assert_eq!(with(&json!({ "aud": ["a"] })).unwrap().audience, "a");
    }

    #[test]
    fn a7_six_algorithms_are_known_and_none_is_not_one() {
        for algorithm in ALGORITHMS {
            assert!(read(&jwt(&json!({ "alg": algorithm }), &claims(&json!({})))).is_ok());
        }
        for header in [json!({ "alg": "none" }), json!({ "alg": "HS256" }), json!({}), json!([])] {
            let refused = read(&jwt(&header, &claims(&json!({})))).unwrap_err();
            assert_eq!((refused.code, &*refused.message), (Code::InvalidIdentityToken, NO_JWT));
        }
    }

    #[test]
    fn what_has_not_the_shape_of_a_token_is_invalid() {
        let good = jwt(&json!({ "alg": "ES256" }), &claims(&json!({})));
        let unsigned = good.replace("c2lnbmF0dXJl", "");
        let standard = good.replace("c2lnbmF0dXJl", "c2lnbmF0dXJlMQ==");
        let four = format!("{good}.");
        for text in ["", "....", "a.b", "a.b.c", &*unsigned, &*standard, &*four, "e30.e30.e30"] {
            assert_eq!(read(text).unwrap_err().message, NO_JWT, "{text}");
        }
    }

    #[test]
    fn what_a_token_must_say_is_told() {
        for (changes, told) in [
            (json!({ "iss": null }), "Missing a required claim: iss"),
            (json!({ "sub": null }), "Missing a required claim: sub"),
            (json!({ "aud": null }), "Missing a required claim: aud"),
            (json!({ "exp": null }), "Missing a required claim: exp"),
            (json!({ "sub": 7 }), "The claim sub is not a text"),
            (json!({ "sub": "" }), "The claim sub is not a text"),
            (json!({ "aud": [] }), "The claim aud is not a text"),
            (json!({ "exp": 1_800_000_060.5 }), "The claim exp is not an integer"),
            (json!({ "exp": "1800000060" }), "The claim exp is not an integer"),
            (json!({ "exp": i64::MAX }), "The claim exp is not an integer"),
            (json!({ "iat": "now" }), "The claim iat is not an integer"),
            (json!({ "nbf": NOW + 301 }), "The token is not valid yet: nbf is to come"),
        ] {
            let refused = with(&changes).unwrap_err();
            assert_eq!((refused.code, &*refused.message), (Code::InvalidIdentityToken, told));
        }
        assert!(with(&json!({ "nbf": NOW + 300 })).is_ok());
    }

    #[test]
    fn a_token_ends_on_the_second() {
        assert!(with(&json!({ "exp": NOW + 1 })).is_ok());
        let refused = with(&json!({ "exp": NOW })).unwrap_err();
        assert_eq!(refused.code, Code::ExpiredTokenException);
        assert_eq!(
            refused.message,
            "Token expired: current date/time 1800000000 \
             must be before the expiration date/time 1800000000"
        );
    }

    #[test]
    fn a_token_may_bring_tags_and_a_source_identity() {
        let tags = json!({
            "principal_tags": { "team": ["blue"], "stage": ["test"] },
            "transitive_tag_keys": ["team"],
        });
        let token = with(&json!({ TAGS: tags, SOURCE_IDENTITY: "me" })).unwrap();
        let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(token.tags.own, [tag("stage", "test"), tag("team", "blue")]);
        assert_eq!(token.tags.handed_on(&[]), [tag("team", "blue")]);
        assert_eq!(token.source_identity.as_deref(), Some("me"));
        for changes in [
            json!({ TAGS: {} }),
            json!({ TAGS: { "principal_tags": { "team": "blue" } } }),
            json!({ TAGS: { "principal_tags": { "te*m": ["blue"] } } }),
            json!({ TAGS: { "principal_tags": { "team": ["a"], "Team": ["b"] } } }),
            json!({ SOURCE_IDENTITY: "aws:me" }),
            json!({ SOURCE_IDENTITY: "m e" }),
        ] {
            assert_eq!(with(&changes).unwrap_err().code, Code::InvalidIdentityToken, "{changes}");
        }
    }
}
