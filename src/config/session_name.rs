//! The role session name, which may hold placeholders.

use super::inputs::Caller;
use crate::role::{Malformed, SessionName};

/// What a role without a `role_session_name` gets.
pub(super) const DEFAULT: &str = "{user}@{host}";

const EXPECTED: &str = "a role session name";

/// The name with `{user}`, `{host}` and `{pid}` filled in; what they stand for
/// is made to fit, what the user wrote is not.
pub(super) fn expand(template: &str, caller: &Caller) -> Result<SessionName, Malformed> {
    if !template.contains(['{', '}']) {
        return template.parse();
    }
    let mut name = String::new();
    let mut rest = template;
    while let Some((literal, opened)) = rest.split_once('{') {
        name.push_str(checked(literal)?);
        let (placeholder, behind) = opened.split_once('}').ok_or_else(unknown)?;
        match placeholder {
            "user" => name.push_str(&caller.user),
            "host" => name.push_str(&caller.host),
            "pid" => name.push_str(&caller.pid.to_string()),
            _ => return Err(unknown()),
        }
        rest = behind;
    }
    name.push_str(checked(rest)?);
    Ok(SessionName::nearest(&name))
}

const fn unknown() -> Malformed {
    Malformed { expected: EXPECTED, why: "its placeholders are {user}, {host} and {pid}" }
}

fn checked(literal: &str) -> Result<&str, Malformed> {
    if literal.contains('}') {
        return Err(unknown());
    }
    let kept = SessionName::nearest(&format!("xx{literal}"));
    if !literal.is_empty() && !kept.as_str().ends_with(literal) {
        return Err(Malformed {
            expected: EXPECTED,
            why: "it has at most 64 letters, digits and _+=,.@-",
        });
    }
    Ok(literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(template: &str) -> Result<String, Malformed> {
        let caller =
            Caller { user: "jane doe".to_owned(), host: "läptop.example".to_owned(), pid: 42 };
        expand(template, &caller).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn placeholders_are_filled_in_and_made_to_fit() {
        assert_eq!(expanded("plain").unwrap(), "plain");
        assert_eq!(expanded(DEFAULT).unwrap(), "jane-doe@l-ptop.example");
        assert_eq!(expanded("ci-{pid}").unwrap(), "ci-42");
        assert_eq!(expanded(&"{host}".repeat(9)).unwrap().len(), 64);
    }

    #[test]
    fn what_the_user_wrote_must_fit_by_itself() {
        for template in [
            "x",
            "a b",
            "a b{user}",
            "{user} ",
            "{user",
            "user}",
            "{}",
            "{shell}",
            "{{user}}",
            &"n".repeat(65),
        ] {
            assert!(expanded(template).is_err(), "{template}");
        }
    }
}
