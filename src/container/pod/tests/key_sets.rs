//! What a key set may be, and what a key in it is good for.

use super::*;

fn set(key: &Value) -> Keyring {
    Keyring::read(&json!({"keys": [key]}).to_string()).unwrap()
}

fn rsa() -> Value {
    json!({"kty": "RSA", "kid": "r", "n": MODULUS, "e": "AQAB"})
}

fn changed(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

#[test]
fn a_key_of_rsa_is_good_too() {
    let mut world = World::new();
    world.fetch(set(&rsa()));
    assert_eq!(told(world.shown(SIGNED_BY_RSA)).0, 200);
    for (name, value) in
        [("alg", json!("RS256")), ("use", json!("sig")), ("key_ops", json!(["verify"]))]
    {
        world.fetch(set(&changed(rsa(), name, value)));
        assert_eq!(told(world.shown(SIGNED_BY_RSA)).0, 200, "{name}");
    }
    for alg in ["RS512", "PS256", "ES256", "none", "HS256", "", "rs256"] {
        world.fetch(set(&changed(rsa(), "alg", json!(alg))));
        assert_eq!(told(world.shown(SIGNED_BY_RSA)).0, 400, "a key for {alg}");
    }
    world.fetch(set(&changed(rsa(), "kid", json!("R"))));
    assert_eq!(told(world.shown(SIGNED_BY_RSA)).0, 400, "a key of another name");
}

#[test]
fn keys_that_cannot_be_used_are_left_out() {
    let cluster = Cluster::new("one");
    let ec = cluster.key();
    let modulus = BASE64_URL.decode(MODULUS).unwrap();
    let short = BASE64_URL.encode(&modulus[..255]);
    let weak = BASE64_URL.encode(&modulus[..128]);
    let long = BASE64_URL.encode([&modulus[..], &[1; 1024]].concat());
    let padded = BASE64_URL.encode([&[0][..], &modulus[..255]].concat());
    for key in [
        changed(rsa(), "use", json!("enc")),
        changed(rsa(), "key_ops", json!(["encrypt"])),
        changed(rsa(), "key_ops", json!([])),
        changed(rsa(), "kty", json!("oct")),
        changed(rsa(), "e", json!("")),
        changed(rsa(), "n", json!("")),
        changed(rsa(), "n", json!(short)),
        changed(rsa(), "n", json!(weak)),
        changed(rsa(), "n", json!(long)),
        changed(rsa(), "n", json!(padded)),
        changed(rsa(), "n", json!("no base64!")),
        changed(rsa(), "kid", json!(1)),
        changed(ec.clone(), "crv", json!("P-521")),
        changed(ec.clone(), "crv", json!("P-384")),
        changed(ec.clone(), "crv", json!("secp256k1")),
        changed(ec.clone(), "x", json!("AAAA")),
        changed(ec.clone(), "x", json!(null)),
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}),
        json!([]),
        json!(null),
    ] {
        // `e` is looked at with each signature only.
        let is_empty = key["e"] != json!("");
        let keyring = set(&key);
        assert_eq!(keyring.is_empty(), is_empty, "{key}");
        let mut world = World::new();
        world.fetch(keyring);
        assert_eq!(told(world.shown(SIGNED_BY_RSA)).0, 400, "{key}");
        assert_eq!(told(world.shown(&cluster.token(&json!({})))).0, 400, "{key}");
    }
    let mixed = json!({"keys": [{"kty": "oct", "k": "AAAA"}, 5, ec, {"kty": "RSA"}]}).to_string();
    let mut world = World::new();
    world.cluster = cluster;
    world.fetch(Keyring::read(&mixed).unwrap());
    assert_eq!(world.with(&json!({})).0, 200, "beside others");
}

#[test]
fn a_point_that_is_not_on_the_curve_verifies_nothing() {
    let mut world = World::new();
    let zero = BASE64_URL.encode([0; 32]);
    for (x, y) in [(&zero, &zero), (&BASE64_URL.encode([1; 32]), &BASE64_URL.encode([2; 32]))] {
        let key = changed(changed(world.cluster.key(), "x", json!(x)), "y", json!(y));
        world.fetch(set(&key));
        assert_eq!(world.with(&json!({})).0, 400);
    }
}

#[test]
fn what_is_no_key_set_is_refused_and_an_empty_one_has_no_keys() {
    let deep = "[".repeat(100_000);
    let one = Cluster::new("one").key().to_string();
    for text in [
        "",
        "<html>",
        "null",
        "[]",
        "{}",
        "{\"keys\": {}}",
        "{\"keys\": null}",
        "\"keys\"",
        &deep,
        &format!("{{\"keys\": [{one}], \"keys\": []}}"),
        &format!("{{\"keys\": [{one}]}} trailing"),
        &format!("{{\"keys\": {deep}"),
    ] {
        assert_eq!(Keyring::read(text), Err(InvalidKeySet), "{text:.40}");
    }
    let mut world = World::new();
    for text in ["{\"keys\": []}", "{\"keys\": [{\"kty\": \"oct\"}]}"] {
        let keyring = Keyring::read(text).unwrap();
        assert!(keyring.is_empty());
        world.fetch(keyring);
        assert_eq!(world.with(&json!({})).0, 400, "all keys were removed");
    }
}

#[test]
fn two_keys_of_one_name_both_count() {
    let (old, new) = (Cluster::new("one"), Cluster::new("one"));
    let text = json!({"keys": [old.key(), new.key()]}).to_string();
    let mut world = World::new();
    world.fetch(Keyring::read(&text).unwrap());
    for cluster in [old, new] {
        assert_eq!(told(world.shown(&cluster.token(&json!({})))).0, 200);
        let unnamed = cluster.signed(&json!({"alg": "ES256"}), &claims(&json!({})));
        assert_eq!(told(world.shown(&unnamed)).0, 200, "a token need not name its key");
    }
}
