//! Whatever a pod shows and whatever an issuer publishes: nothing panics, and no token counts but
//! the one that was signed.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// One change of a text.
#[derive(Debug, Clone)]
enum Mutation {
    Replace(Index, u8),
    Remove(Index),
    Insert(Index, u8),
    Swap(Index, Index),
    Truncate(Index),
    Repeat(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<Index>;
    // What base64, JSON and JWT are made of, and anything else.
    let byte =
        || prop_oneof![prop::sample::select(b"AZaz09-_.={}[]\",:\\ \n/+".to_vec()), any::<u8>()];
    prop_oneof![
        (index(), byte()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        index().prop_map(Mutation::Remove),
        (index(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        (index(), index()).prop_map(|(a, b)| Mutation::Swap(a, b)),
        index().prop_map(Mutation::Truncate),
        (index(), index()).prop_map(|(a, b)| Mutation::Repeat(a, b)),
    ]
}

fn mutated(text: &str, mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for mutation in mutations {
        let length = bytes.len();
        if length == 0 {
            break;
        }
        match mutation {
            Mutation::Replace(at, byte) => bytes[at.index(length)] = *byte,
            Mutation::Remove(at) => drop(bytes.remove(at.index(length))),
            Mutation::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Mutation::Swap(a, b) => bytes.swap(a.index(length), b.index(length)),
            Mutation::Truncate(at) => bytes.truncate(at.index(length)),
            Mutation::Repeat(a, b) => {
                let (a, b) = (a.index(length), b.index(length));
                let piece = bytes[a.min(b)..=a.max(b)].to_vec();
                bytes.splice(a..a, piece);
            }
        }
    }
    bytes
}

fn opens(world: &World, token: impl AsRef<[u8]>) -> bool {
    matches!(world.shown_bytes(token.as_ref()), Answer::Reply(Reply::Credentials(_)))
}

proptest! {
    #[test]
    fn nothing_that_a_pod_shows_is_taken_for_a_token(token in prop_oneof![
        "\\PC{0,200}".prop_map(String::into_bytes),
        "[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..300),
    ]) {
        prop_assert!(!opens(&World::new(), token));
    }

    #[test]
    fn a_changed_token_opens_nothing(mutations in prop::collection::vec(mutation(), 1..4)) {
        let mut world = World::new();
        let rsa = json!({"kty": "RSA", "kid": "r", "n": MODULUS, "e": "AQAB"});
        let set = json!({"keys": [world.cluster.key(), rsa]}).to_string();
        world.fetch(Keyring::read(&set).unwrap());
        for token in [world.cluster.token(&json!({})), SIGNED_BY_RSA.to_owned()] {
            let changed = mutated(&token, &mutations);
            prop_assert_eq!(opens(&world, &changed), changed == token.as_bytes());
            // Neither before nor after the token itself was seen.
            prop_assert!(opens(&world, &token));
            prop_assert_eq!(opens(&world, &changed), changed == token.as_bytes());
        }
    }

    #[test]
    fn any_json_in_the_parts_of_a_signed_token_is_read_or_refused(
        header in json_text(), claims in json_text(),
    ) {
        let world = World::new();
        let _ = world.shown(&world.cluster.signed_text(&header, &claims));
        let _ = world.shown(&world.cluster.signed_text(r#"{"alg":"ES256","kid":"one"}"#, &claims));
        let _ = world.shown(&world.cluster.signed_text(&header, &super::claims(&json!({})).to_string()));
    }

    #[test]
    fn no_changed_key_set_makes_a_stranger_count(mutations in prop::collection::vec(mutation(), 0..6)) {
        let mut world = World::new();
        let rsa = json!({"kty": "RSA", "kid": "r", "n": MODULUS, "e": "AQAB"});
        let set = json!({"keys": [rsa, world.cluster.key()]}).to_string();
        let changed = mutated(&set, &mutations);
        if let Ok(text) = str::from_utf8(&changed)
            && let Ok(keyring) = Keyring::read(text)
        {
            world.fetch(keyring);
            let foreign = Cluster::new("one").token(&json!({}));
            prop_assert!(!opens(&world, foreign));
            if opens(&world, SIGNED_BY_RSA) {
                prop_assert!(text.contains(MODULUS));
            }
        }
    }
}

/// JSON in the names that tokens use, and what is nearly JSON.
fn json_text() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "alg", "kid", "crit", "b64", "iss", "sub", "aud", "exp", "nbf", "iat", "x",
    ]);
    let value = prop::sample::select(vec![
        "null",
        "true",
        "1e999",
        "-0",
        "1.5",
        "18446744073709551616",
        "\"ES256\"",
        "\"one\"",
        "[]",
        "{}",
        "[[[]]]",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "[\"a\",1]",
        "",
        "NaN",
    ]);
    let member = (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
    prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
}
