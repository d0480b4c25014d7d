//! Tokens that their issuer never meant: what is known of attacks on JWT (RFC 8725), and tricks
//! with the claims. Where an attacker could not sign, the issuer does it for him here, so that it
//! is the rule that refuses and not the signature.

use super::*;

/// True for a refusal with this status.
fn refused(world: &World, token: &str) -> bool {
    told(world.shown_first(token)).0 == 400
}

#[test]
fn critical_extensions_are_refused_whatever_they_are() {
    let world = World::new();
    for crit in [
        json!(["exp"]),
        json!(["b64"]),
        json!(["http://example.com/x"]),
        json!(["alg"]),
        json!([]),
        json!(null),
        json!("exp"),
        json!({}),
        json!(false),
        json!([1]),
        json!([""]),
        json!([[]]),
    ] {
        let header = json!({"alg": "ES256", "kid": "one", "crit": crit, "exp": 1, "b64": true});
        let token = world.cluster.signed(&header, &claims(&json!({})));
        assert_eq!(
            told(world.shown(&token)),
            (400, "Service account token cannot be parsed: its header has critical extensions, and none is known\n".to_owned()),
            "{crit}"
        );
    }
    let text = claims(&json!({})).to_string();
    let twice = world.cluster.signed_text(r#"{"alg":"ES256","crit":[],"crit":[]}"#, &text);
    assert!(refused(&world, &twice));
    let extended = json!({"alg": "ES256", "kid": "one", "typ": "JWT", "x": [1], "b64": true});
    let token = world.cluster.signed(&extended, &claims(&json!({})));
    assert_eq!(told(world.shown(&token)).0, 200, "what is not critical is ignored");
}

#[test]
fn a_payload_is_encoded() {
    let world = World::new();
    for b64 in [json!(false), json!(null), json!("true"), json!(0)] {
        let header = json!({"alg": "ES256", "kid": "one", "b64": b64});
        assert!(refused(&world, &world.cluster.signed(&header, &claims(&json!({})))), "{b64}");
    }
}

#[test]
fn keys_that_a_token_brings_along_are_ignored() {
    let (world, evil) = (World::new(), Cluster::new("one"));
    for (name, value) in [
        ("jwk", evil.key()),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/chain.pem")),
        ("x5c", json!(["AAAA"])),
    ] {
        for kid in [
            json!("one"),
            json!("../../etc/passwd"),
            json!("' OR 1=1 --"),
            json!("/dev/null"),
            json!(null),
        ] {
            let header = json!({"alg": "ES256", "kid": kid, name: value});
            assert!(refused(&world, &evil.signed(&header, &claims(&json!({})))), "{name} {kid}");
            let own = world
                .cluster
                .signed(&json!({"alg": "ES256", "kid": "one", name: value}), &claims(&json!({})));
            assert_eq!(told(world.shown(&own)).0, 200, "{name} changes nothing");
        }
    }
}

#[test]
fn no_algorithm_is_confused_with_another() {
    let mut world = World::new();
    let both = json!({"keys": [world.cluster.key(), {"kty": "RSA", "kid": "r", "n": MODULUS, "e": "AQAB"}]});
    world.fetch(Keyring::read(&both.to_string()).unwrap());
    let public = [MODULUS.to_owned(), world.cluster.key().to_string(), both.to_string()];
    for kid in ["one", "r"] {
        for alg in [
            "none", "None", "NONE", "", "HS256", "HS384", "HS512", "ES384", "ES256K", "PS256",
            "RS1", "EdDSA", "dir", "es256",
        ] {
            let header = json!({"alg": alg, "kid": kid}).to_string();
            let text = format!("{}.{}", BASE64_URL.encode(header), encoded(&claims(&json!({}))));
            assert!(refused(&world, &format!("{text}.")), "{alg} without a signature");
            for secret in &public {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
                let tag = BASE64_URL.encode(ring::hmac::sign(&key, text.as_bytes()));
                assert!(
                    refused(&world, &format!("{text}.{tag}")),
                    "{alg} with a public key as its secret"
                );
            }
        }
    }
}

#[test]
fn a_signature_is_one_number_pair_in_one_encoding() {
    let world = World::new();
    let token = world.cluster.token(&json!({}));
    let (text, signature) = token.rsplit_once('.').unwrap();
    let bytes = BASE64_URL.decode(signature).unwrap();
    for forged in [
        vec![],
        vec![0; 64],
        vec![0xff; 64],
        vec![0; 63],
        [&bytes[..], &[0]].concat(),
        bytes[..63].to_vec(),
        [&[0; 32][..], &bytes[32..]].concat(),
        [&bytes[..32], &[0; 32]].concat(),
        [&bytes[32..], &bytes[..32]].concat(),
    ] {
        assert!(refused(&world, &format!("{text}.{}", BASE64_URL.encode(&forged))), "{forged:?}");
    }
    for spelling in [
        format!("{token}="),
        format!("{token}=="),
        format!("{token}\n"),
        format!(" {token}"),
        format!("{token}."),
        token.replacen('.', "..", 1),
    ] {
        assert!(refused(&world, &spelling), "{spelling}");
    }
    // The last character has bits that no byte uses.
    let last = token.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for other in alphabet.chars().filter(|other| *other != last) {
        assert!(refused(&world, &format!("{}{other}", &token[..token.len() - 1])), "{other}");
    }
}

#[test]
fn claims_that_are_said_twice_or_strangely_are_unreadable() {
    let world = World::new();
    let (start, end) = (START.wall.as_second(), START.wall.as_second() + 600);
    let header = r#"{"alg":"ES256","kid":"one"}"#;
    let good = format!(
        r#""iss":"{ISSUER}","sub":"{WEB}","aud":"pods.eks.amazonaws.com","nbf":{start},"exp":{end}"#
    );
    assert_eq!(
        told(world.shown(&world.cluster.signed_text(header, &format!("{{{good}}}")))).0,
        200
    );
    let deep = format!("{{{good},\"x\":{}{}}}", "[".repeat(3000), "]".repeat(3000));
    assert_eq!(
        told(world.shown(&world.cluster.signed_text(header, &deep))).0,
        200,
        "depth costs nothing"
    );
    for more in [
        r#""sub":"system:serviceaccount:shop:admin""#,
        r#""iss":"https://evil.example""#,
        r#""exp":9999999999"#,
        r#""aud":"x""#,
        r#""nbf":1"#,
        r#""s\u0075b":"system:serviceaccount:shop:admin""#,
    ] {
        for text in [format!("{{{good},{more}}}"), format!("{{{more},{good}}}")] {
            assert!(refused(&world, &world.cluster.signed_text(header, &text)), "{more}");
        }
    }
    let unclosed = format!("{{{good},\"x\":{}", "[".repeat(8000));
    for claims in [
        "",
        "null",
        "[]",
        "1",
        "\"x\"",
        "{",
        &format!("{{{good}}}x"),
        &format!("{{{good}}}{{}}"),
        &unclosed,
        &format!("[{good}]"),
        &format!(r#"["{ISSUER}","{WEB}","pods.eks.amazonaws.com",{end},{start},{start}]"#),
    ] {
        assert!(refused(&world, &world.cluster.signed_text(header, claims)), "{claims:.60}");
    }
    let claims = format!("{{{good}}}");
    for header in [
        "",
        "null",
        "[]",
        "{}",
        r#"["ES256","one"]"#,
        r#"{"alg":null}"#,
        r#"{"alg":["ES256"]}"#,
        r#"{"alg":"ES256","kid":1}"#,
        r#"{"alg":"none","alg":"ES256"}"#,
        r#"{"alg":"ES256","kid":"one","kid":"one"}"#,
        r#"{"kid":"one"}"#,
    ] {
        assert!(refused(&world, &world.cluster.signed_text(header, &claims)), "{header}");
    }
    for (name, value) in [
        ("iss", json!([ISSUER])),
        ("sub", json!(1)),
        ("sub", json!([WEB])),
        ("aud", json!([1])),
        ("aud", json!({})),
        ("aud", json!([["pods.eks.amazonaws.com"]])),
    ] {
        assert_eq!(world.with(&json!({name: value})).0, 400, "{name} {value}");
    }
}

#[test]
fn an_issuer_is_compared_byte_by_byte() {
    let world = World::new();
    for issuer in [
        "https://oidc.example.com/c/",
        "https://oidc.example.com/C",
        "HTTPS://oidc.example.com/c",
        "http://oidc.example.com/c",
        "https://oidc.example.com/c ",
        " https://oidc.example.com/c",
        "https://oidc.example.com/c\0",
        "https://oidc.example.com:443/c",
        "https://oidc.ex\u{430}mple.com/c",
        "https://oidc.example.com/%63",
        "https://oidc.example.com//c",
        "https://oidc.example.com/x/../c",
        "",
    ] {
        let (status, text) = world.with(&json!({"iss": issuer}));
        assert!(status == 400 && text.contains("(InvalidTokenException)"), "{issuer:?}");
    }
    let text = claims(&json!({})).to_string().replace("https://", "https:\\/\\/");
    let escaped = world.cluster.signed_text(r#"{"alg":"ES256","kid":"one"}"#, &text);
    assert_eq!(told(world.shown(&escaped)).0, 200, "after JSON is decoded");
}

#[test]
fn a_subject_opens_no_more_than_its_pattern_says() {
    let world = World::new();
    for subject in [
        "system:serviceaccount:shop:web:x",
        "system:serviceaccount:shopping:web",
        "x:system:serviceaccount:shop:web",
        "system:serviceaccount:SHOP:web",
        "system:serviceaccount:shop",
        "system:serviceaccount:*:web",
        "*",
        "shop:web",
        "",
        "system:serviceaccount:ops:shop:web",
        "system:serviceaccount:shop\u{200b}:web",
        "system\u{ff1a}serviceaccount\u{ff1a}shop\u{ff1a}web",
    ] {
        assert_eq!(world.with(&json!({"sub": subject})).0, 404, "{subject:?}");
    }
}

#[test]
fn a_token_is_bounded_before_it_is_decoded() {
    let world = World::new();
    let long = world.cluster.token(&json!({"x": "x".repeat(13_000)}));
    assert!(long.len() > 16 * 1024);
    let (status, text) = told(world.shown(&long));
    assert_eq!((status, text.contains("token is too long")), (400, true));
    let fits = world.cluster.token(&json!({"x": "x".repeat(11_000)}));
    assert_eq!(told(world.shown(&fits)).0, 200);
}
