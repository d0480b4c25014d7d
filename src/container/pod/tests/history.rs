//! What one token or one source leaves behind for the next: the limit of invalid tokens, tokens
//! that were verified before, and keys that grow old.

use super::*;

const TOO_MANY: Refusal = Refusal::TOO_MANY_REQUESTS;

/// Shows so many forged tokens, each another one; how many were looked at.
fn flood(world: &World, evil: &Cluster, tokens: std::ops::Range<u32>) -> usize {
    let forged = tokens.map(|number| evil.token(&json!({"jti": number})));
    forged.filter(|token| world.shown(token) != Answer::Reply(Reply::Refusal(TOO_MANY))).count()
}

fn status(world: &World, token: &str) -> u16 {
    told(world.shown(token)).0
}

#[test]
fn k9_a_flood_of_forged_tokens_is_not_looked_at_and_other_pods_are_served() {
    let mut world = World::new();
    let evil = Cluster::new("one");
    assert_eq!(flood(&world, &evil, 0..500), 50);
    assert_eq!(told(world.shown(&evil.token(&json!({})))), (429, "Too Many Requests\n".to_owned()));
    let flooder = std::mem::replace(&mut world.source, "10.0.0.10".parse().unwrap());
    let known = world.cluster.token(&json!({}));
    assert_eq!(status(&world, &known), 200, "another pod");
    world.source = flooder;
    assert_eq!(status(&world, &known), 200, "a token that was verified a moment ago");
    let unknown = world.cluster.token(&json!({"jti": "new"}));
    assert_eq!(status(&world, &unknown), 429, "a new one of the same source");
    world.now = later(1);
    assert_eq!(status(&world, &unknown), 200, "a second later");
    assert_eq!(flood(&world, &evil, 0..500), 10, "ten a second");
}

#[test]
fn whatever_is_wrong_with_a_token_it_counts() {
    let start = START.wall.as_second();
    let tokens: [fn(&World, i64) -> String; 6] = [
        |_, _| "a.b.c".to_owned(),
        |_, _| "x".repeat(20_000),
        |world, start| world.cluster.token(&json!({"exp": start - 600})),
        |world, _| world.cluster.token(&json!({"iss": "https://evil.example"})),
        |_, _| Cluster::new("one").token(&json!({})),
        |_, _| Cluster::new("unknown").token(&json!({})),
    ];
    for (case, token) in tokens.into_iter().enumerate() {
        let world = World::new();
        let answers: Vec<u16> = (0..60).map(|_| status(&world, &token(&world, start))).collect();
        assert_eq!(answers.iter().filter(|status| **status == 429).count(), 10, "case {case}");
        assert!(answers[..50].iter().all(|status| *status == 400), "case {case}");
    }
}

#[test]
fn valid_tokens_never_reach_the_limit() {
    let mut world = World::new();
    for number in 0..200 {
        assert_eq!(world.with(&json!({"jti": number})).0, 200);
        assert_eq!(
            world.with(&json!({"sub": "system:serviceaccount:ops:x", "jti": number})).0,
            404
        );
    }
    // Those that had to wait for a new key first neither.
    let newer = Cluster::new("two");
    let both = json!({"keys": [world.cluster.key(), newer.key()]}).to_string();
    let before = world.cluster.keyring();
    for number in 0..200 {
        world.waits = true;
        world.fetch(before.clone());
        let token = newer.token(&json!({"jti": number}));
        assert_eq!(world.shown(&token), Answer::Fetch(ISSUER.to_owned()), "{number}");
        world.fetch(Keyring::read(&both).unwrap());
        assert_eq!(told(second_look(&world, &token)).0, 200, "{number}");
    }
}

/// The look after a wait for keys.
fn second_look(world: &World, token: &str) -> Answer {
    let usable = world.keys.usable(world.now.boot);
    let view = View {
        names: &HostNames::of_pod_agent([], []),
        local: "10.0.0.1".parse().unwrap(),
        source: world.source,
        history: &world.history,
        rules: &world.rules,
        keys: &|issuer| usable.filter(|_| issuer == ISSUER),
        document: &|role| (role == "dev").then(|| world.document.clone()),
        now: world.now,
        fetches: false,
        patient: true,
    };
    answer(&request("/v1/credentials", "169.254.170.23", Field::One(token.as_bytes())), &view)
}

#[test]
fn a_flood_of_unknown_keys_asks_for_few_fetches() {
    let mut world = World::new();
    world.waits = true;
    let unknown = |number: u32| Cluster::new("unknown").token(&json!({"jti": number}));
    let asked =
        (0..200).filter(|number| matches!(world.shown(&unknown(*number)), Answer::Fetch(_)));
    assert_eq!(asked.count(), 50, "the others wait for nothing and hold no connection");
}

#[test]
fn only_the_signature_of_a_verified_token_is_not_checked_again() {
    let mut world = World::new();
    let token = world.cluster.token(&json!({"exp": START.wall.as_second() + 100}));
    assert_eq!(status(&world, &token), 200);
    world.rules.remove(1);
    assert_eq!(status(&world, &token), 404, "rules are those of now");
    world.rules.insert(0, rule(WEB, "dev"));
    assert_eq!(status(&world, &token), 200);
    world.rules[0].audience = "assumed".to_owned();
    assert_eq!(status(&world, &token), 400);
    world.rules[0] = rule(WEB, "dev");
    let head = token.rsplit_once('.').unwrap().0;
    let digest = "the digest is that of the whole token";
    assert_eq!(status(&world, &format!("{head}.AAAA")), 400, "{digest}");
    for (seconds, expected) in [(99, 200), (159, 200), (160, 400)] {
        world.now = later(seconds);
        assert_eq!(status(&world, &token), expected, "after {seconds} s");
    }
}

#[test]
fn a_key_that_is_removed_opens_nothing_from_that_moment() {
    let mut world = World::new();
    let token = world.cluster.token(&json!({}));
    assert_eq!(status(&world, &token), 200);
    let other = Cluster::new("two");
    world.fetch(other.keyring());
    assert_eq!(status(&world, &token), 400);
    let both = json!({"keys": [other.key(), world.cluster.key()]}).to_string();
    world.fetch(Keyring::read(&both).unwrap());
    assert_eq!(status(&world, &token), 200, "it is back");
    world.fetch(Keyring::read("{\"keys\": []}").unwrap());
    assert_eq!(status(&world, &token), 400);
}

#[test]
fn keys_count_for_an_hour_of_the_boot_clock_also_for_verified_tokens() {
    let mut world = World::new();
    let token = world.cluster.token(&json!({"exp": START.wall.as_second() + 9000}));
    let hours = |world: &World| {
        let (status, text) = told(world.shown(&token));
        (status, text.contains("no valid keys of the issuer"))
    };
    // Credentials that live longer than the keys.
    let mut snapshot = snapshot();
    snapshot.deadline = later(9000).boot;
    let mut grant = grant();
    grant.credentials = crate::credentials::Credentials::new(
        "ASIAEXAMPLE".to_owned(),
        crate::secret::Secret::new("s"),
        crate::secret::Secret::new("t"),
        later(9000).wall,
    )
    .unwrap();
    snapshot.credentials = grant.credentials.clone();
    world.document = Document::of(&snapshot, &grant);
    assert_eq!(hours(&world), (200, false));
    world.now = later(3599);
    assert_eq!(hours(&world), (200, false));
    world.now = later(3600);
    assert_eq!(hours(&world), (503, true));
    // A wall clock that is set back changes nothing: the machine was suspended all the time.
    world.now.wall = START.wall;
    assert_eq!(hours(&world), (503, true));
    world.waits = true;
    assert_eq!(world.shown(&token), Answer::Fetch(ISSUER.to_owned()), "they are asked for");
    world.fetch(world.cluster.keyring());
    assert_eq!(hours(&world), (200, false));
}
