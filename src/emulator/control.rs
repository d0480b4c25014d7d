//! The script over the wire, for tests that run the whole binary.
//!
//! Off unless asked for: whoever can reach the port can then change what this
//! STS does. `PUT /script` changes what its JSON names and nothing else;
//! `GET /requests` tells what was asked, once `after` so many requests.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::form::pairs;
use super::mfa::Mfa;
use super::record::{Asked, locked};
use super::script::{Idp, Role, Script, Trust};
use super::sts::Sts;
use super::wire::{Reply, Request};

/// Answers what is addressed to the script; `None` is for STS itself.
pub(super) async fn answer(sts: &Sts, request: &Request) -> Option<Reply> {
    match (request.method.as_str(), request.path.as_str()) {
        ("PUT", "/script") => Some(put(sts, &request.body)),
        ("GET", "/requests") => Some(requests(sts, &request.query).await),
        _ => None,
    }
}

fn put(sts: &Sts, body: &[u8]) -> Reply {
    let mut script = locked(&sts.script);
    match changed(&script, body) {
        Ok(new) => {
            *script = new;
            Reply::text(200, "done")
        }
        Err(why) => Reply::text(400, &why),
    }
}

async fn requests(sts: &Sts, query: &str) -> Reply {
    let after = pairs(query).find(|(name, _)| *name == "after").map(|(_, count)| count.parse());
    match after {
        Some(Err(_)) => return Reply::text(400, "after is a number of requests"),
        Some(Ok(count)) => sts.record.reached(count).await,
        None => {}
    }
    let told = json!({
        "total": sts.record.total(),
        "actions": sts.record.counts(),
        "last": sts.record.last().iter().map(shown).collect::<Vec<_>>(),
    });
    let mut reply = Reply::text(200, &told.to_string());
    reply.fields = vec![("Content-Type", "application/json".to_owned())];
    reply
}

fn shown(asked: &Asked) -> Value {
    json!({
        "action": asked.action,
        "parameters": asked.parameters,
        "digests": asked.digests,
        "access_key_id": asked.access_key_id,
        "region": asked.region,
        "fault": asked.fault.map(|fault| fault.to_string()),
        "refused": asked.refused.map(|code| code.to_string()),
    })
}

/// The script after a change, all of it or none.
fn changed(script: &Script, body: &[u8]) -> Result<Script, String> {
    let body: Value = serde_json::from_slice(body).map_err(|e| format!("no JSON: {e}"))?;
    let mut script = script.clone();
    for (key, value) in object("the script", &body)? {
        match key.as_str() {
            "session" => script.session = optional(key, value, span)?,
            "skew" => script.skew = signed_span(key, value)?,
            "standing" => script.standing = fault(key, value)?,
            "next" => {
                let faults = value.as_array().ok_or("next is a list of faults")?;
                script.next = faults.iter().map(|v| fault(key, v)).collect::<Result<_, _>>()?;
            }
            "roles" => {
                let roles = object(key, value)?;
                script.roles.known = roles
                    .iter()
                    .map(|(arn, v)| Ok((arn.clone(), role(v)?)))
                    .collect::<Result<_, String>>()?;
            }
            "mfa" => script.mfa = optional(key, value, mfa)?.unwrap_or_default(),
            "others" => script.roles.others = optional(key, value, |_, v| role(v))?,
            other => return Err(format!("unknown key {other}")),
        }
    }
    Ok(script)
}

/// One demand at most, as `{"external_id": "x"}`, and `"max_session"` and `"session"`.
fn role(value: &Value) -> Result<Role, String> {
    let (mut role, mut demands) = (Role::default(), Vec::new());
    for (key, value) in object("a role", value)? {
        match (key.as_str(), value) {
            ("external_id", Value::String(id)) => demands.push(Trust::ExternalId(id.clone())),
            ("mfa", Value::Bool(true)) => demands.push(Trust::Mfa),
            ("idp", value) => demands.push(Trust::Idp(idp(value)?)),
            ("refuse", Value::Bool(true)) => demands.push(Trust::Nobody),
            ("mfa" | "refuse", Value::Bool(false)) => {}
            ("max_session", span_text) => role.max_session = span(key, span_text)?,
            ("session", span_text) => role.session = optional(key, span_text, span)?,
            (other, _) => return Err(format!("{other} is no key of a role, or has no such value")),
        }
    }
    if demands.len() > 1 {
        return Err("a role has one of external_id, mfa, idp and refuse".to_owned());
    }
    role.trust = demands.pop().unwrap_or(Trust::Anyone);
    Ok(role)
}

/// `{"issuer": "https://idp", "audience": "x", "subject": "me"}`, or some of these.
fn idp(value: &Value) -> Result<Idp, String> {
    let mut idp = Idp::default();
    for (key, value) in object("idp", value)? {
        let part = match key.as_str() {
            "issuer" => &mut idp.issuer,
            "audience" => &mut idp.audience,
            "subject" => &mut idp.subject,
            other => return Err(format!("{other} is no key of idp")),
        };
        *part = optional(key, value, text)?;
    }
    Ok(idp)
}

/// `{"serial": "arn:aws:iam::123456789012:mfa/me", "codes": ["123456"]}`, or one of these.
fn mfa(_: &str, value: &Value) -> Result<Mfa, String> {
    let mut mfa = Mfa::default();
    for (key, value) in object("mfa", value)? {
        match key.as_str() {
            "serial" => mfa.serial = optional(key, value, text)?,
            "codes" => {
                let codes = |key: &str, value: &Value| {
                    let codes = value.as_array().ok_or("codes is a list of six digits each")?;
                    codes.iter().map(|code| text(key, code)).collect()
                };
                mfa.codes = optional(key, value, codes)?;
            }
            other => return Err(format!("{other} is no key of mfa")),
        }
    }
    Ok(mfa)
}

fn text(key: &str, value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{key} takes text"))
}

/// A fault by its name; `null` and `"ok"` are none.
fn fault(key: &str, value: &Value) -> Result<Option<Fault>, String> {
    match value.as_str() {
        _ if value.is_null() => Ok(None),
        Some("ok") => Ok(None),
        Some(name) => name.parse().map(Some).map_err(|e| format!("{key}: {name}: {e}")),
        None => Err(format!("{key} takes the name of a fault")),
    }
}

fn optional<T>(
    key: &str,
    value: &Value,
    read: impl FnOnce(&str, &Value) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if value.is_null() { Ok(None) } else { read(key, value).map(Some) }
}

fn span(key: &str, value: &Value) -> Result<Duration, String> {
    Duration::try_from(signed_span(key, value)?).map_err(|_| format!("{key} is not negative"))
}

fn signed_span(key: &str, value: &Value) -> Result<SignedDuration, String> {
    let text = value.as_str().and_then(|text| text.parse().ok());
    text.ok_or_else(|| format!("{key} takes a span such as \"2m\""))
}

fn object<'a>(what: &str, value: &'a Value) -> Result<&'a Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{what} is a JSON object"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::refusal::Code;

    const ARN: &str = "arn:aws:iam::123456789012:role/deploy";

    #[test]
    fn a_change_touches_what_it_names_and_nothing_else() {
        let body = format!(
            r#"{{"session": "2m", "skew": "-20m", "next": ["ok", "Throttling", null, "delay=2s"],
                "mfa": {{"codes": ["123456"]}}, "others": null,
                "roles": {{"{ARN}": {{"external_id": "x", "max_session": "1h", "session": "5m"}}}}}}"#
        );
        let script = changed(&Script::default(), body.as_bytes()).unwrap();
        assert_eq!(script.session, Some(Duration::from_mins(2)));
        assert_eq!(script.skew, SignedDuration::from_mins(-20));
        let delay = Fault::Delay(Duration::from_secs(2));
        assert_eq!(script.next, [None, Some(Fault::Error(Code::Throttling)), None, Some(delay)]);
        let role = &script.roles.known[ARN];
        assert_eq!(role.trust, Trust::ExternalId("x".into()));
        assert_eq!((role.max_session, &script.roles.others), (Duration::from_hours(1), &None));

        assert_eq!(role.session, Some(Duration::from_mins(5)));
        assert_eq!(script.mfa, Mfa { serial: None, codes: Some(["123456".to_owned()].into()) });

        let reset = br#"{"session": null, "others": {}, "mfa": null}"#;
        let script = changed(&script, reset).unwrap();
        assert_eq!(script.mfa, Mfa::default());
        assert_eq!((script.session, script.roles.others), (None, Some(Role::default())));
        assert_eq!(script.next.len(), 4);
    }

    #[test]
    fn a_role_makes_one_demand() {
        let trust = |role_text: &str| {
            role(&serde_json::from_str(role_text).unwrap()).map(|role| role.trust)
        };
        assert_eq!(trust(r#"{"mfa": true, "refuse": false}"#), Ok(Trust::Mfa));
        assert_eq!(trust(r#"{"refuse": true, "mfa": false}"#), Ok(Trust::Nobody));
        let idp = Idp { issuer: Some("https://idp".into()), ..Idp::default() };
        assert_eq!(
            trust(r#"{"idp": {"issuer": "https://idp", "subject": null}}"#),
            Ok(Trust::Idp(idp))
        );
        assert!(trust(r#"{"mfa": true, "external_id": "x"}"#).is_err());
    }

    #[test]
    fn a_change_that_is_not_understood_says_why() {
        for (body, why) in [
            ("", "no JSON"),
            ("[]", "the script is a JSON object"),
            (r#"{"sesion": "2m"}"#, "unknown key sesion"),
            (r#"{"session": "-2m"}"#, "session is not negative"),
            (r#"{"session": 120}"#, "session takes a span"),
            (r#"{"next": ["hung"]}"#, "next: hung: no such fault"),
            (r#"{"next": "hang"}"#, "next is a list"),
            (r#"{"standing": 5}"#, "standing takes the name of a fault"),
            (r#"{"roles": {"a": {"refuse": 1}}}"#, "refuse is no key of a role"),
            (r#"{"roles": {"a": {"idp": {"iss": "x"}}}}"#, "iss is no key of idp"),
            (r#"{"mfa": {"codes": "123456"}}"#, "codes is a list"),
            (r#"{"mfa": {"codes": [123456]}}"#, "codes takes text"),
            (r#"{"mfa": {"code": []}}"#, "code is no key of mfa"),
        ] {
            let told = changed(&Script::default(), body.as_bytes()).unwrap_err();
            assert!(told.starts_with(why), "{told}");
        }
    }
}
