//! What a request asks for: method, path and body in, an order out.
//!
//! Strict: a member that nobody knows is a mistake, for it might have been
//! meant to narrow something down.

use serde::Deserialize;

use super::consumer::Wanted;
use super::port::Gift;
use super::refusal::{Code, Refusal};
use crate::secret::Secret;

/// The most that a body may measure.
pub(super) const MOST_BYTES: usize = 64 * 1024;
/// The same where a SAML response is handed in.
const MOST_OF_A_RESPONSE: usize = 256 * 1024;

/// The most that a body for this path may measure.
pub(super) fn most_bytes(path: &str) -> usize {
    if path == "/v1/saml" { MOST_OF_A_RESPONSE } else { MOST_BYTES }
}

/// Something to do, or to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    Status,
    Roles,
    Activate(String),
    Events,
    Health(Option<String>),
    Metrics,
    Refresh(Option<String>),
    Reload,
    Stop,
    Lock { forget: bool },
    Suspend,
    Unlock,
    Credentials(Option<String>),
    Consumers,
    Mint(Wanted),
    Revoke(String),
    HandIn(Option<String>, Gift),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Role {
    role: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MfaCode {
    role: Option<String>,
    code: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Assertion {
    role: Option<String>,
    assertion: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    #[serde(default)]
    forget: bool,
}

/// What one of them is below.
const TOKENS: &str = "/v1/tokens/";

/// The methods of each path.
const PATHS: &[(&str, &str)] = &[
    ("/v1/status", "GET"),
    ("/v1/roles", "GET"),
    ("/v1/active", "PUT"),
    ("/v1/events", "GET"),
    ("/v1/health", "GET"),
    ("/v1/metrics", "GET"),
    ("/v1/refresh", "POST"),
    ("/v1/reload", "POST"),
    ("/v1/stop", "POST"),
    ("/v1/lock", "POST"),
    ("/v1/suspend", "POST"),
    ("/v1/unlock", "POST"),
    ("/v1/credentials", "POST"),
    ("/v1/tokens", "GET and POST"),
    ("/v1/mfa", "POST"),
    ("/v1/saml", "POST"),
];

impl Order {
    /// Reads a request.
    pub(super) fn read(
        method: &str,
        path: &str,
        query: Option<&str>,
        body: &[u8],
    ) -> Result<Self, Refusal> {
        let role = || members::<Role>(body).map(|order| order.role);
        let order = match (method, path) {
            ("GET", "/v1/status") => Self::Status,
            ("GET", "/v1/roles") => Self::Roles,
            ("PUT", "/v1/active") => Self::Activate(named(role()?)?),
            ("GET", "/v1/events") => Self::Events,
            ("GET", "/v1/metrics") => Self::Metrics,
            ("GET", "/v1/health") => return Ok(Self::Health(role_in(query)?)),
            ("POST", "/v1/refresh") => Self::Refresh(role()?),
            ("POST", "/v1/credentials") => Self::Credentials(role()?),
            ("POST", "/v1/lock") => Self::Lock { forget: members::<Lock>(body)?.forget },
            ("POST", "/v1/mfa") => code(body)?,
            ("POST", "/v1/saml") => assertion(body)?,
            ("POST", "/v1/reload") => bare(body, Self::Reload)?,
            ("POST", "/v1/stop") => bare(body, Self::Stop)?,
            ("POST", "/v1/suspend") => bare(body, Self::Suspend)?,
            ("POST", "/v1/unlock") => bare(body, Self::Unlock)?,
            ("GET", "/v1/tokens") => Self::Consumers,
            ("POST", "/v1/tokens") => Self::Mint(members(body)?),
            ("DELETE", path) if path.starts_with(TOKENS) => {
                Self::Revoke(decoded(path.strip_prefix(TOKENS).unwrap_or_default())?)
            }
            _ => return Err(unknown(method, path)),
        };
        match query {
            None | Some("") => Ok(order),
            Some(_) => Err(bad("this path takes no query")),
        }
    }
}

impl Order {
    /// Its name in the log; `None` for what changes nothing and tells no secret.
    pub(super) const fn name(&self) -> Option<&'static str> {
        match self {
            Self::Status
            | Self::Roles
            | Self::Events
            | Self::Health(_)
            | Self::Metrics
            | Self::Consumers => None,
            Self::Activate(_) => Some("use"),
            Self::Refresh(_) => Some("refresh"),
            Self::Reload => Some("reload"),
            Self::Stop => Some("stop"),
            Self::Lock { .. } => Some("lock"),
            Self::Suspend => Some("suspend"),
            Self::Unlock => Some("unlock"),
            Self::Credentials(_) => Some("credentials"),
            Self::HandIn(_, Gift::Code(_)) => Some("mfa"),
            Self::HandIn(_, Gift::Assertion(_)) => Some("saml"),
            Self::Mint(_) => Some("mint"),
            Self::Revoke(_) => Some("revoke"),
        }
    }
}

fn unknown(method: &str, path: &str) -> Refusal {
    if path.starts_with(TOKENS) {
        return Refusal::new(Code::MethodNotAllowed, format!("{method} is not for this path"))
            .hint("it takes DELETE");
    }
    match PATHS.iter().find(|(known, _)| *known == path) {
        Some((_, allowed)) => {
            Refusal::new(Code::MethodNotAllowed, format!("{method} is not for this path"))
                .hint(format!("it takes {allowed}"))
        }
        None => Refusal::new(Code::NotFound, "no such path")
            .hint("docs/control.md has all of them; is the daemon of the same version?"),
    }
}

/// `role=NAME`, percent-encoded, or nothing.
fn role_in(query: Option<&str>) -> Result<Option<String>, Refusal> {
    match query {
        None | Some("") => Ok(None),
        Some(query) => match query.strip_prefix("role=") {
            Some(name) if !name.contains('&') => decoded(name).map(Some),
            _ => Err(bad("the query is role=NAME, or nothing")),
        },
    }
}

/// The text behind a percent-encoded one.
fn decoded(text: &str) -> Result<String, Refusal> {
    let wrong = || bad("the query is not percent-encoded UTF-8");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let (digits, after) = rest.split_at_checked(2).ok_or_else(wrong)?;
            let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

fn named(role: Option<String>) -> Result<String, Refusal> {
    role.ok_or_else(|| bad("the member role is missing"))
}

fn code(body: &[u8]) -> Result<Order, Refusal> {
    let MfaCode { role, code } = members(body)?;
    let code = code.ok_or_else(|| bad("the member code is missing"))?;
    Ok(Order::HandIn(role, Gift::Code(Secret::new(code))))
}

fn assertion(body: &[u8]) -> Result<Order, Refusal> {
    let Assertion { role, assertion } = members(body)?;
    let response = assertion.ok_or_else(|| bad("the member assertion is missing"))?;
    Ok(Order::HandIn(role, Gift::Assertion(Secret::new(response))))
}

fn bare(body: &[u8], order: Order) -> Result<Order, Refusal> {
    members::<Nothing>(body).map(|Nothing {}| order)
}

/// The members of the body; an empty body has none.
fn members<'a, T: Default + Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    match body.trim_ascii().first() {
        None => return Ok(T::default()),
        Some(b'{') => {}
        // serde would take a list for a struct.
        Some(_) => return Err(bad("the body is no JSON object")),
    }
    // The error names members and places, never values.
    serde_json::from_slice(body)
        .map_err(|error| bad(format!("the body is not as it should be: {error}")))
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, target: &str, body: &str) -> Result<Order, Code> {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        Order::read(method, path, query, body.as_bytes()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn an_order_is_a_method_a_path_and_members() {
        assert_eq!(read("GET", "/v1/status", ""), Ok(Order::Status));
        assert_eq!(read("GET", "/v1/health", ""), Ok(Order::Health(None)));
        let named = Some("a b/ü".to_owned());
        assert_eq!(read("GET", "/v1/health?role=a%20b/%C3%BC", ""), Ok(Order::Health(named)));
        let dev = Some("dev".to_owned());
        assert_eq!(read("POST", "/v1/refresh", "{\"role\":\"dev\"}"), Ok(Order::Refresh(dev)));
        assert_eq!(read("POST", "/v1/refresh", " "), Ok(Order::Refresh(None)));
        assert_eq!(read("POST", "/v1/lock", "{}"), Ok(Order::Lock { forget: false }));
        assert_eq!(read("POST", "/v1/lock", "{\"forget\":true}"), Ok(Order::Lock { forget: true }));
        assert_eq!(read("POST", "/v1/stop", ""), Ok(Order::Stop));
        let dev = Order::Activate("dev".to_owned());
        assert_eq!(read("PUT", "/v1/active", "{\"role\":\"dev\"}"), Ok(dev));
        let wanted = Wanted { kept: true, ..Wanted::default() };
        assert_eq!(read("POST", "/v1/tokens", "{\"kept\":true}"), Ok(Order::Mint(wanted)));
        assert_eq!(read("DELETE", "/v1/tokens/a%40b", ""), Ok(Order::Revoke("a@b".to_owned())));
        let given = read("POST", "/v1/mfa", "{\"code\":\"123456\"}").unwrap();
        assert_eq!(given, Order::HandIn(None, Gift::Code(Secret::new("123456"))));
        assert!(!format!("{given:?}").contains("123456"));
    }

    #[test]
    fn what_does_not_read_as_an_order_is_told_why() {
        for (method, target, body, code) in [
            ("GET", "/", "", Code::NotFound),
            ("GET", "/v2/status", "", Code::NotFound),
            ("GET", "/v1/status/", "", Code::NotFound),
            ("POST", "/v1/status", "", Code::MethodNotAllowed),
            ("GET", "/v1/stop", "", Code::MethodNotAllowed),
            ("GET", "/v1/status?role=dev", "", Code::BadRequest),
            ("GET", "/v1/health?rôle=dev", "", Code::BadRequest),
            ("GET", "/v1/health?role=a&role=b", "", Code::BadRequest),
            ("GET", "/v1/health?role=%f", "", Code::BadRequest),
            ("GET", "/v1/health?role=%ff", "", Code::BadRequest),
            ("POST", "/v1/refresh", "{\"roles\":\"dev\"}", Code::BadRequest),
            ("POST", "/v1/refresh", "{\"role\":7}", Code::BadRequest),
            ("POST", "/v1/refresh", "dev", Code::BadRequest),
            ("POST", "/v1/stop", "{\"force\":true}", Code::BadRequest),
            ("POST", "/v1/lock", "[]", Code::BadRequest),
            ("GET", "/v1/tokens/ci", "", Code::MethodNotAllowed),
            ("DELETE", "/v1/tokens", "", Code::MethodNotAllowed),
            ("POST", "/v1/tokens", "{\"lifetime\":7}", Code::BadRequest),
            ("POST", "/v1/mfa", "{}", Code::BadRequest),
            ("POST", "/v1/saml", "{\"code\":\"123456\"}", Code::BadRequest),
            ("GET", "/v1/mfa", "", Code::MethodNotAllowed),
            ("PUT", "/v1/active", "", Code::BadRequest),
            ("POST", "/v1/active", "{\"role\":\"dev\"}", Code::MethodNotAllowed),
            ("POST", "/v1/tokens", "{\"narrowing\":{\"policy\":\"x\"}}", Code::BadRequest),
        ] {
            assert_eq!(read(method, target, body), Err(code), "{method} {target} {body}");
        }
    }
}
