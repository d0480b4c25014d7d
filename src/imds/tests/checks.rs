//! Who gets which status: the guard, the methods, the tokens, and their order.

use std::time::Duration;

use proptest::prelude::*;

use super::super::{Field, HttpEndpoint, HttpTokens, Method, Options, ReplyField, Request};
use super::*;

const REGION: &str = "/latest/meta-data/placement/region";
const TOKEN: &str = "/latest/api/token";

fn optional() -> World {
    let mut world = World::new();
    world.options.http_tokens = HttpTokens::Optional;
    world
}

fn by(method: Method, path: &str) -> Request<'_> {
    Request { method, ..get(path) }
}

fn stated(reply: &Reply) -> Option<u32> {
    reply.fields().find_map(|field| match field {
        ReplyField::Ttl(seconds) => Some(seconds),
        _ => None,
    })
}

fn allowed(reply: &Reply) -> Option<&'static str> {
    reply.fields().find_map(|field| match field {
        ReplyField::Allow(methods) => Some(methods),
        _ => None,
    })
}

#[test]
fn f17_a_host_is_needed_once_and_must_be_ours() {
    let world = optional();
    let host = |host| Request { host, ..get(REGION) };
    assert_eq!(world.code(&host(Field::One(b"localhost"))), 200);
    assert_eq!(world.code(&host(Field::Absent)), 400);
    assert_eq!(world.code(&host(Field::Many)), 400);
    assert_eq!(world.code(&host(Field::One(b""))), 403);
    assert_eq!(world.code(&host(Field::One(b"rebound.example:1338"))), 403);
    let old = |host| Request { http_10: true, host, ..get(REGION) };
    assert_eq!(world.code(&old(Field::Absent)), 200);
    assert_eq!(world.code(&old(Field::Many)), 400);
    assert_eq!(world.code(&old(Field::One(b"rebound.example"))), 403);
}

#[test]
fn f19_the_authority_of_an_absolute_target_is_judged_too() {
    let world = optional();
    let with = |authority, host| Request { authority: Some(authority), host, ..get(REGION) };
    assert_eq!(world.code(&with("localhost:1338", Field::One(b"localhost"))), 200);
    assert_eq!(world.code(&with("rebound.example", Field::One(b"localhost"))), 403);
    assert_eq!(world.code(&with("user@localhost", Field::One(b"localhost"))), 403);
    assert_eq!(world.code(&with("localhost", Field::One(b"rebound.example"))), 403);
    assert_eq!(world.code(&with("localhost", Field::Absent)), 400);
}

#[test]
fn f17_f18_a_stranger_is_told_nothing_whatever_it_brings() {
    let world = World::new();
    let token = world.token();
    for path in [REGION, TOKEN, "/nowhere"] {
        for method in [Method::Get, Method::Head, Method::Put, Method::Options, Method::Other] {
            let request = with_token(&Request { method, ..put(path) }, &token);
            for strange in [
                Request { host: Field::One(b"rebound.example"), ..request },
                Request { browser: true, ..request },
            ] {
                let reply = world.reply(&strange);
                assert_eq!((reply.status.code(), text(&reply).as_str()), (403, ""));
                assert_eq!((stated(&reply), allowed(&reply)), (None, None));
            }
        }
    }
}

#[test]
fn g4_a_disabled_endpoint_refuses_everything() {
    let mut world = World::new();
    world.options = Options { http_endpoint: HttpEndpoint::Disabled, ..Options::default() };
    let token = world.token();
    for request in [get(REGION), put(TOKEN), by(Method::Options, TOKEN), by(Method::Other, "/")] {
        assert_eq!(world.code(&request), 403);
        assert_eq!(world.code(&with_token(&request, &token)), 403);
    }
}

#[test]
fn f7_an_expectation_fails() {
    let world = World::new();
    let token = world.token();
    for request in [put(TOKEN), with_token(&get(REGION), &token)] {
        let reply = world.reply(&Request { expects: true, ..request });
        assert_eq!((reply.status.code(), text(&reply).as_str()), (417, ""));
    }
}

#[test]
fn t1_t2_t6_t8_t9_a_token_is_granted_for_the_time_asked() {
    let world = World::new();
    for (asked, seconds) in [("1", 1), ("300", 300), ("21600", 21_600)] {
        let reply = world.reply(&Request { ttl: Field::One(asked.as_bytes()), ..put(TOKEN) });
        assert_eq!(reply.status.code(), 200);
        assert_eq!(stated(&reply), Some(seconds));
        assert!(reply.is_grant());
        let token = text(&reply);
        assert_eq!(world.key.remaining(token.as_bytes(), world.now.boot), Some(seconds));
    }
    for ttl in [
        Field::Absent,
        Field::Many,
        Field::One(b""),
        Field::One(b"0"),
        Field::One(b"-1"),
        Field::One(b"21601"),
        Field::One(b"abc"),
        Field::One(b"60.0"),
    ] {
        let reply = world.reply(&Request { ttl, ..put(TOKEN) });
        assert_eq!((reply.status.code(), text(&reply).as_str()), (400, ""), "{ttl:?}");
        assert!(!reply.is_grant());
    }
}

#[test]
fn a_granted_token_opens_the_tree_until_it_ends() {
    let mut world = World::new();
    let granted = world.reply(&Request { ttl: Field::One(b"10"), ..put(TOKEN) });
    let token = text(&granted);
    let request = with_token(&get(REGION), token.as_bytes());
    assert_eq!(world.code(&request), 200);
    world.pass(Duration::from_millis(9999));
    assert_eq!((world.code(&request), stated(&world.reply(&request))), (200, Some(0)));
    world.pass(Duration::from_millis(1));
    assert_eq!((world.code(&request), stated(&world.reply(&request))), (401, None));
}

#[test]
fn t5_t19_what_a_proxy_passed_on_is_refused() {
    let forwarded = |request: Request<'static>| Request { forwarded: true, ..request };
    let world = World::new();
    let token = world.token();
    for request in [put(TOKEN), get(REGION), by(Method::Head, REGION), by(Method::Options, REGION)]
    {
        let request = forwarded(request);
        assert_eq!(world.code(&request), 403);
        assert_eq!(world.code(&with_token(&request, &token)), 403);
    }
    let bad_ttl = Request { ttl: Field::One(b"0"), ..forwarded(put(TOKEN)) };
    assert_eq!(world.code(&bad_ttl), 403);

    let world = optional();
    assert_eq!(world.code(&forwarded(put(TOKEN))), 403);
    assert_eq!(world.code(&forwarded(get(REGION))), 200, "v1 through a proxy");
    assert_eq!(world.code(&with_token(&forwarded(get(REGION)), &token)), 403);
    assert_eq!(world.code(&with_token(&forwarded(get(REGION)), b"INVALID")), 403);
}

#[test]
fn t15_two_tokens_are_a_broken_request() {
    for world in [World::new(), optional()] {
        for request in [get(REGION), put(TOKEN), by(Method::Options, "/"), by(Method::Other, "/")] {
            assert_eq!(world.code(&Request { token: Field::Many, ..request }), 400);
        }
    }
}

#[test]
fn t15_t16_t17_without_a_good_token_nothing_is_read() {
    let mut world = World::new();
    for path in [REGION, "/", "/latest", "/nowhere", "/latest/api/token/", CREDENTIALS, "*", ""] {
        for method in [Method::Get, Method::Head] {
            let request = by(method, path);
            for request in [request, with_token(&request, b"INVALID"), with_token(&request, b"")] {
                let reply = world.reply(&request);
                assert_eq!((reply.status.code(), text(&reply).as_str()), (401, ""), "{path}");
                assert_eq!(stated(&reply), None);
            }
        }
    }
    world.options.http_tokens = HttpTokens::Optional;
    assert_eq!(world.code(&get(REGION)), 200);
    assert_eq!(world.code(&with_token(&get(REGION), b"INVALID")), 401);
    assert_eq!(world.code(&with_token(&get("/nowhere"), b"INVALID")), 401);
}

#[test]
fn t18_the_holder_of_a_token_is_told_what_is_left_on_every_reply() {
    let mut world = World::new();
    let token = world.token();
    world.pass(Duration::from_millis(16_500));
    for (request, code) in [
        (get(REGION), 200),
        (get("/nowhere"), 404),
        (by(Method::Head, REGION), 200),
        (by(Method::Options, REGION), 200),
        (by(Method::Other, REGION), 405),
        (by(Method::Get, TOKEN), 405),
        (put("/latest/api/token/"), 403),
        (Request { ttl: Field::Absent, ..put(TOKEN) }, 400),
        (Request { forwarded: true, ..get(REGION) }, 403),
        (Request { expects: true, ..get(REGION) }, 417),
    ] {
        let reply = world.reply(&with_token(&request, &token));
        assert_eq!((reply.status.code(), stated(&reply)), (code, Some(21_583)), "{request:?}");
    }
    let grant = world.reply(&with_token(&put(TOKEN), &token));
    assert_eq!(stated(&grant), Some(21_600), "the new token's, not the old one's");
}

#[test]
fn f10_f11_f12_t20_methods_are_judged_before_tokens() {
    let world = World::new();
    for (method, path, code, methods) in [
        (Method::Get, TOKEN, 405, "OPTIONS, PUT"),
        (Method::Head, TOKEN, 405, "OPTIONS, PUT"),
        (Method::Other, TOKEN, 405, "OPTIONS, PUT"),
        (Method::Options, TOKEN, 200, "OPTIONS, PUT"),
        (Method::Other, REGION, 405, "OPTIONS, GET, HEAD"),
        (Method::Other, "/latest/api/token/", 405, "OPTIONS, GET, HEAD"),
        (Method::Other, "", 405, "OPTIONS, GET, HEAD"),
        (Method::Other, CREDENTIALS, 405, "OPTIONS, GET, HEAD"),
        (Method::Options, REGION, 200, "OPTIONS, GET, HEAD"),
        (Method::Options, "*", 200, "OPTIONS, GET, HEAD"),
    ] {
        let reply = world.reply(&by(method, path));
        assert_eq!((reply.status.code(), allowed(&reply)), (code, Some(methods)), "{path}");
        assert_eq!(text(&reply), "");
    }
}

#[test]
fn p6_p7_a_put_elsewhere_is_forbidden() {
    let world = optional();
    for path in [
        "/latest/api/token/",
        "/2021-07-15/api/token",
        "/latest/api",
        REGION,
        "/",
        "*",
        "",
        "/latest/./api/token",
        "/latest/api%2ftoken",
    ] {
        let reply = world.reply(&put(path));
        assert_eq!((reply.status.code(), text(&reply).as_str()), (403, ""), "{path}");
    }
    assert_eq!(world.code(&put("//latest/api//token")), 200, "P10");
}

proptest! {
    #[test]
    fn whatever_comes_without_a_token_reads_nothing(
        path in "(/(latest|meta-data|iam|api|token|[a-z%.]{0,4})){0,5}/?", method in 0_usize..5,
        host in field(), token in field(), ttl in field(), flags in any::<[bool; 4]>(),
        authority in prop::option::of(".{0,12}"), patient in any::<bool>(),
    ) {
        let methods = [Method::Get, Method::Head, Method::Put, Method::Options, Method::Other];
        let [http_10, forwarded, browser, expects] = flags;
        let request = Request {
            method: methods[method],
            path: &path,
            authority: authority.as_deref(),
            http_10,
            host: borrowed(&host),
            token: borrowed(&token),
            ttl: borrowed(&ttl),
            forwarded,
            browser,
            expects,
        };
        let mut world = World::new();
        world.patient = patient;
        let reply = world.reply(&request);
        prop_assert!(reply.status.code() != 404, "the path is judged last (T20)");
        if !reply.is_grant() {
            prop_assert_eq!(text(&reply), "");
        }
    }
}

/// A field of a head: absent, doubled, ours or somebody's.
fn field() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let value = prop_oneof![
        Just(b"localhost".to_vec()),
        Just(b"60".to_vec()),
        prop::collection::vec(any::<u8>(), 0..60),
    ];
    prop::collection::vec(value, 0..3)
}

fn borrowed(values: &[Vec<u8>]) -> Field<'_> {
    match values {
        [] => Field::Absent,
        [one] => Field::One(one),
        _ => Field::Many,
    }
}
