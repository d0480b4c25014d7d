//! Who gets what, and which of two refusals a client sees.

use proptest::prelude::*;

use super::*;
use crate::container::Prospect;
use crate::imds::ReplyField;

#[track_caller]
fn is((found, said): (u16, String), status: u16, code: &str) {
    assert_eq!((found, said), (status, code.to_owned()));
}

#[test]
fn s5_the_right_secret_gets_the_document() {
    let world = World::new();
    let reply = world.reply(&world.get(ROLE));
    let json: serde_json::Value = serde_json::from_slice(&reply.body()).unwrap();
    assert_eq!((reply.status(), &json["AccessKeyId"]), (200, &"ASIAEXAMPLE".into()));
    let head = imds::Request { method: Method::Head, ..world.get(ROLE).head };
    assert_eq!(world.reply(&Request { head, ..world.get(ROLE) }), reply);
}

#[test]
fn s9_one_path_has_many_spellings() {
    let world = World::new();
    for path in [
        "/v1/credentials/dev/",
        "//v1///credentials//dev",
        "/v1/credentials/dev//",
        "/v1/credentials/d%65v",
    ] {
        assert_eq!(world.reply(&world.get(path)).status(), 200, "{path}");
    }
}

#[test]
fn s9_an_id_in_the_query_is_the_secret_of_a_path() {
    let world = World::new();
    let secret = world.path.rsplit('/').next().unwrap();
    let told = |query: &str| world.told(&Request { query: Some(query), ..bare("/v1/credentials") });
    assert_eq!(told(&format!("a=b&id={secret}")).0, 200);
    is(told("id=guess"), 400, "InvalidIdInRequest");
    is(told("id="), 400, "NoIdInRequest");
    is(told("id"), 401, "Unauthorized");
}

#[test]
fn s5_a_missing_or_wrong_secret_is_401_whatever_is_asked() {
    let world = World::new();
    let secret = world.secret.expose();
    let bearer = format!("Bearer {secret}");
    let of_path = world.path.rsplit('/').next().unwrap();
    let wrong: [Field<'_>; 7] = [
        Field::Absent,
        Field::Many,
        Field::One(b""),
        Field::One(b"guess"),
        Field::One(&secret.as_bytes()[1..]),
        Field::One(bearer.as_bytes()),
        Field::One(of_path.as_bytes()),
    ];
    for authorization in wrong {
        for path in [ROLE, "/", "/v1/credentials", "/v1/credentials/prod", "/latest/meta-data/"] {
            let told = world.told(&Request { authorization, ..bare(path) });
            is(told, 401, "Unauthorized");
        }
    }
}

#[test]
fn s10_errors_are_worded_as_the_agent_does() {
    let world = World::new();
    for path in ["/v1/credentials", "/v1/credentials/", "//v1//credentials//"] {
        is(world.told(&world.get(path)), 400, "NoIdInRequest");
    }
    for path in ["/v1/credentials/prod", "/v1/credentials/Dev", "/v1/credentials/dev/x"] {
        is(world.told(&world.get(path)), 400, "InvalidIdInRequest");
    }
    for path in ["/", "/v1", "/v1/credentialsdev", "/latest/meta-data/", "/v1/credentials/%00", "*"]
    {
        is(world.told(&world.get(path)), 404, "NotFound");
    }
    for method in [Method::Put, Method::Options, Method::Other] {
        let head = imds::Request { method, ..world.get(ROLE).head };
        let reply = world.reply(&Request { head, ..world.get(ROLE) });
        is(told(&reply), 405, "MethodNotAllowed");
        assert_eq!(reply.fields().next(), Some(ReplyField::Allow("GET, HEAD")));
    }
}

#[test]
fn a_role_that_is_gone_is_as_unknown_as_anothers() {
    let mut world = World::new();
    world.secret = {
        world.consumers.revoke(&"lost".parse().unwrap());
        let lost = Order { role: "gone".into(), ..order("lost") };
        world.consumers.mint(lost, &[9; 32], START).unwrap()
    };
    is(world.told(&world.get("/v1/credentials/gone")), 400, "InvalidIdInRequest");
    is(world.told(&world.get(ROLE)), 400, "InvalidIdInRequest");
}

#[test]
fn s9_a_secret_in_the_path_needs_no_header() {
    let world = World::new();
    assert_eq!(world.reply(&bare(&world.path)).status(), 200);
    assert_eq!(world.reply(&world.get(&world.path)).status(), 200, "nor does one disturb");
    assert_eq!(world.reply(&bare(&format!("/{}/", world.path))).status(), 200);
    let of_header = format!("/v2/credentials/{}", world.secret.expose());
    is(world.told(&bare(&of_header)), 400, "InvalidIdInRequest");
    is(world.told(&bare(&world.path[..world.path.len() - 1])), 400, "InvalidIdInRequest");
    is(world.told(&bare("/v2/credentials/")), 400, "NoIdInRequest");
}

#[test]
fn f17_f18_strangers_are_turned_away_before_anything_is_looked_at() {
    let world = World::new();
    let asked = world.get(ROLE);
    let with = |head| world.told(&Request { head, ..asked });
    is(with(imds::Request { host: Field::One(b"evil.example"), ..asked.head }), 403, "");
    is(with(imds::Request { host: Field::Many, ..asked.head }), 400, "");
    is(with(imds::Request { host: Field::Absent, ..asked.head }), 400, "");
    is(with(imds::Request { authority: Some("evil.example"), ..asked.head }), 403, "");
    is(with(imds::Request { browser: true, ..asked.head }), 403, "");
    is(with(imds::Request { forwarded: true, ..asked.head }), 403, "");
    is(with(imds::Request { expects: true, ..asked.head }), 417, "");
    for host in [&b"169.254.170.2"[..], b"localhost:1", b"127.0.0.1"] {
        is(with(imds::Request { host: Field::One(host), ..asked.head }), 200, "");
    }
}

#[test]
fn where_nothing_is_valid_the_last_outcome_chooses() {
    let after = |document: Document| {
        let mut world = World::with(document);
        world.now = later(3600);
        world.told(&world.get(ROLE))
    };
    let held = || Document::of(&snapshot(), &grant());
    is(after(Document::awaited()), 503, "CredentialsUninitialized");
    is(after(held()), 500, "InternalServerError");
    is(after(held().with(Prospect::Refused)), 403, "AccessDenied");
    is(after(Document::awaited().with(Prospect::Refused)), 403, "AccessDenied");
    is(after(Document::awaited().with(Prospect::Locked)), 403, "AccessDenied");
    is(after(held().with(Prospect::Refused).with(Prospect::Hopeful)), 500, "InternalServerError");
}

#[test]
fn what_is_valid_is_served_after_a_refusal_too() {
    let mut world = World::with(Document::of(&snapshot(), &grant()).with(Prospect::Refused));
    world.now = later(3599);
    assert_eq!(world.reply(&world.get(ROLE)).status(), 200);
}

#[test]
fn only_a_consumer_waits_and_it_tells_for_what() {
    let mut world = World::with(Document::awaited());
    world.patient = true;
    assert!(
        matches!(world.answer(&world.get(ROLE)), Answer::Wait(consumer) if &*consumer.role == "dev")
    );
    assert!(matches!(world.answer(&bare(ROLE)), Answer::Reply(_)));
    let prod = "/v1/credentials/prod";
    assert!(matches!(world.answer(&world.get(prod)), Answer::Reply(_)));
    world.document = Document::awaited().with(Prospect::Locked);
    assert!(matches!(world.answer(&world.get(ROLE)), Answer::Reply(_)), "nothing can come");
}

#[test]
fn debug_shows_no_secret() {
    let world = World::new();
    let by_path = bare(&world.path);
    let shown = format!(
        "{by_path:?} {:?} {:?} {:?}",
        world.get(ROLE),
        world.reply(&by_path),
        world.consumers
    );
    for secret in [world.secret.expose(), world.path.rsplit('/').next().unwrap(), "wJal", "IQoJ"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

proptest! {
    #[test]
    fn no_path_gives_credentials_to_somebody_without_a_secret(path in "(/|v1|v2|credentials|dev|%2e|\\.|[ -~]){0,12}") {
        let world = World::new();
        let reply = world.reply(&bare(&path));
        prop_assert!(matches!(reply, Reply::Refusal(_)), "{}", path);
    }
}
