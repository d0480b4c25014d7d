//! Keys that this STS knows, and keys that it issues.
//!
//! There is no table. A temporary secret key is a MAC of its access key id, and
//! the session token says, under a MAC, who holds it and until when: whatever
//! was issued can be checked, even after a restart, and nothing piles up.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::caller::{Caller, Session};
use super::ids::{base32, random};
use super::mac::{self, DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY};
use super::refusal::{Code, Refusal};
use crate::secret::Secret;

/// Of the token's bytes: 6 that show `+` and `/` in base64, the MAC, the claims.
const MARK: [u8; 6] = [0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff];
const MAC: usize = 32;
/// Long enough that nobody's buffer is too short only in production (A9).
const TOKEN_BYTES: usize = 520;

/// A set of temporary keys.
pub(super) struct Issued {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Secret,
    pub(super) session_token: Secret,
}

/// Makes keys for a session; fails only where the system has no random numbers.
pub(super) fn issue(session: &Session) -> Result<Issued, Refusal> {
    let access_key_id = format!("ASIA{}", base32(u128::from_be_bytes(random()?), 16));
    Ok(Issued {
        secret_access_key: derived_secret(&access_key_id),
        session_token: seal(&access_key_id, session.claims())?,
        access_key_id,
    })
}

/// Who holds this access key, and the secret that its signatures are made with.
pub(super) fn look_up(
    access_key_id: &str,
    session_token: Option<&str>,
) -> Result<(Caller, Secret), Refusal> {
    match session_token {
        None if access_key_id == DEMO_ACCESS_KEY_ID => {
            Some((Caller::User, Secret::new(DEMO_SECRET_ACCESS_KEY)))
        }
        Some(token) if access_key_id.starts_with("ASIA") => open(access_key_id, token)
            .map(|session| (Caller::Session(session), derived_secret(access_key_id))),
        _ => None,
    }
    .ok_or_else(|| Refusal::plain(Code::InvalidClientTokenId))
}

fn derived_secret(access_key_id: &str) -> Secret {
    let tag = mac::sign("secret access key", &[access_key_id.as_bytes()]);
    // 30 bytes are 40 characters of base64, the length that AWS's secrets have.
    Secret::new(BASE64.encode(tag.as_ref().split_at(30).0))
}

fn seal(access_key_id: &str, mut claims: Value) -> Result<Secret, Refusal> {
    let bare = claims.to_string().len() + r#","filler":"""#.len();
    let mut filler = String::new();
    // One byte over a multiple of three shows the padding of base64 as well.
    while (MARK.len() + MAC + bare + filler.len()) % 3 != 1 || bare + filler.len() < TOKEN_BYTES {
        filler.push_str(&base32(u128::from_be_bytes(random()?), 1));
    }
    if let Some(claims) = claims.as_object_mut() {
        claims.insert("filler".to_owned(), filler.into());
    }
    let claims = claims.to_string().into_bytes();
    let tag = mac::sign("session token", &[access_key_id.as_bytes(), &claims]);
    Ok(Secret::new(BASE64.encode([&MARK, tag.as_ref(), &claims].concat())))
}

fn open(access_key_id: &str, token: &str) -> Option<Session> {
    let bytes = BASE64.decode(token).ok()?;
    let (tag, claims) = bytes.strip_prefix(&MARK)?.split_at_checked(MAC)?;
    let genuine = mac::is_genuine("session token", &[access_key_id.as_bytes(), claims], tag);
    Session::of(&serde_json::from_slice(genuine.then_some(claims)?).ok()?)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::emulator::caller::Holder;

    fn session() -> Session {
        let expires = Timestamp::from_second(1_700_000_000).unwrap();
        Session { holder: Holder::Federated("bob".into()), expires }
    }

    #[test]
    fn issued_keys_have_the_shape_of_aws_keys() {
        for _ in 0..20 {
            let issued = issue(&session()).unwrap();
            assert_eq!(issued.access_key_id.len(), 20);
            assert!(issued.access_key_id.starts_with("ASIA"));
            assert_eq!(issued.secret_access_key.expose().len(), 40);
            let token = issued.session_token.expose();
            assert!(token.len() > 700 && token.ends_with('='));
            assert!(token.contains('+') && token.contains('/'));
        }
    }

    #[test]
    fn the_demo_keys_have_the_shape_of_aws_keys() {
        assert_eq!(DEMO_ACCESS_KEY_ID.len(), 20);
        assert_eq!(DEMO_SECRET_ACCESS_KEY.len(), 40);
    }

    #[test]
    fn issued_keys_are_known_again_without_a_table() {
        let issued = issue(&session()).unwrap();
        let token = issued.session_token.expose();
        let (caller, secret) = look_up(&issued.access_key_id, Some(token)).unwrap();
        assert_eq!(caller, Caller::Session(session()));
        assert_eq!(secret.expose(), issued.secret_access_key.expose());
    }

    #[test]
    fn keys_and_tokens_that_do_not_belong_together_are_unknown() {
        let (one, two) = (issue(&session()).unwrap(), issue(&session()).unwrap());
        let token = one.session_token.expose();
        let flipped = token.replacen('A', "B", 1);
        for (id, token) in [
            (&*two.access_key_id, Some(token)),
            (&*one.access_key_id, Some(&*flipped)),
            (&*one.access_key_id, Some("")),
            (&*one.access_key_id, None),
            (DEMO_ACCESS_KEY_ID, Some(token)),
            ("AKIAUNKNOWN", None),
        ] {
            let code = look_up(id, token).map(|_| ()).unwrap_err().code;
            assert_eq!(code, Code::InvalidClientTokenId, "{id}");
        }
    }
}
