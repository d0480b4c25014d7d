//! One thing wrong at a time, and the case that names it must see it.
//!
//! A row: the section, the rule that is broken, and how. The report of each is
//! searched for every secret that the server gave away.

use std::thread;
use std::time::Duration;

use super::server::{Reply, Seen, Server, Spoil};
use super::{Limits, Options, Report, Verdict, try_on};

const DOCUMENT: &str = "/latest/meta-data/iam/security-credentials/a-role";

fn is_document(seen: &Seen, reply: &Reply) -> bool {
    seen.path.contains("security-credentials") && reply.text().contains("SecretAccessKey")
}

fn is_grant(seen: &Seen, reply: &Reply) -> bool {
    seen.method == "PUT" && reply.code == 200
}

const TTL: &str = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds";

const SPOILS: &[(&str, &str, Spoil)] = &[
    ("framing", "H0a", |_, reply| reply.version = "HTTP/1.0"),
    ("framing", "F2", |_, reply| reply.drop("Date")),
    ("framing", "F2", |_, reply| reply.set("Server", "hyper")),
    ("framing", "F2", |_, reply| {
        let body = reply.text();
        reply.drop("Content-Length");
        reply.set("Transfer-Encoding", "chunked");
        let chunk =
            if body.is_empty() { String::new() } else { format!("{:x}\r\n{body}\r\n", body.len()) };
        reply.body = format!("{chunk}0\r\n\r\n").into_bytes();
    }),
    ("framing", "F3", |_, reply| {
        reply.drop("Connection");
        reply.keep = true;
    }),
    ("framing", "F3", |_, reply| reply.keep = true),
    ("framing", "F4", |_, reply| reply.keep = false),
    ("framing", "F4", |_, reply| {
        if reply.keep {
            reply.set("Connection", "keep-alive");
        }
    }),
    ("framing", "F5", |_, reply| reply.fields.sort()),
    ("framing", "F6", |_, reply| {
        for (name, _) in &mut reply.fields {
            name.make_ascii_lowercase();
        }
    }),
    ("framing", "F7", |_, reply| {
        if reply.code == 417 {
            (reply.code, reply.reason) = (200, "OK".to_owned());
        }
    }),
    ("framing", "F9", |seen, reply| {
        if seen.method == "HEAD" {
            reply.set("Content-Length", "0");
        }
    }),
    ("framing", "F10", |_, reply| {
        if reply.code == 405 {
            reply.reason = "Method Not Allowed".to_owned();
        }
    }),
    ("framing", "F10", |_, reply| reply.reason.make_ascii_lowercase()),
    ("framing", "F10", |_, reply| reply.drop("Allow")),
    ("framing", "F11", |seen, reply| {
        if seen.method == "POST" && seen.path == DOCUMENT {
            reply.put("{\"SecretAccessKey\" : \"x\"}");
        }
    }),
    ("framing", "F12", |seen, reply| {
        if seen.method == "OPTIONS" {
            reply.code = 204;
        }
    }),
    ("framing", "F13", |_, reply| reply.set("Access-Control-Allow-Origin", "*")),
    ("framing", "F13", |_, reply| reply.set("X-Content-Type-Options", "nosniff")),
    ("framing", "F16", |_, reply| {
        if reply.code == 200 && reply.text().starts_with('{') {
            reply.put(&" ".repeat(65_536));
        }
    }),
    ("guard", "F17", |_, reply| {
        if reply.code == 403 {
            reply.code = 401;
        }
    }),
    ("guard", "F18", |seen, reply| {
        if seen.method == "PUT" && reply.code == 403 {
            reply.code = 200;
        }
    }),
    ("guard", "T5", |seen, reply| {
        if seen.method == "PUT" && reply.code == 403 {
            (reply.code, reply.reason) = (400, "Bad Request".to_owned());
        }
    }),
    ("guard", "T19", |seen, reply| {
        if seen.method == "GET" && reply.code == 403 {
            reply.code = 200;
        }
    }),
    ("paths", "P1", |seen, reply| {
        if seen.path == "/" {
            reply.edit("latest", "latest\n");
        }
    }),
    ("paths", "P2", |seen, reply| {
        if seen.path == "/" {
            reply.edit("2016-04-19\n", "");
        }
    }),
    ("paths", "P3", |seen, reply| {
        if seen.path == "/latest/" {
            reply.put("api\ndynamic\nmeta-data");
        }
    }),
    ("paths", "P4", |seen, reply| {
        if seen.path == "/2016-04-19/meta-data/instance-id" {
            reply.put("i-00000000");
        }
    }),
    ("paths", "P5", |seen, reply| {
        if seen.path.starts_with("/2099") {
            (reply.code, reply.reason) = (200, "OK".to_owned());
        }
    }),
    ("paths", "P6", |seen, reply| {
        if seen.path == "/2021-07-15/api/token" {
            (reply.code, reply.reason) = (404, "Not Found".to_owned());
        }
    }),
    ("paths", "P7", |seen, reply| {
        if seen.path == "/latest/api/token/" {
            (reply.code, reply.reason) = (200, "OK".to_owned());
        }
    }),
    ("paths", "P8", |seen, reply| {
        if seen.path.ends_with("availability-zone/") {
            (reply.code, reply.reason) = (404, "Not Found".to_owned());
        }
    }),
    ("paths", "P9", |seen, reply| {
        if seen.path == "/latest/meta-data" {
            (reply.code, reply.reason) = (404, "Not Found".to_owned());
        }
    }),
    ("paths", "P10", |seen, reply| {
        if seen.path.contains("//") && seen.method != "PUT" {
            (reply.code, reply.reason) = (301, "Moved Permanently".to_owned());
            reply.set("Location", "http://169.254.169.254/latest/");
        }
    }),
    ("paths", "P11", |seen, reply| {
        if seen.path.contains("..") {
            (reply.code, reply.reason) = (200, "OK".to_owned());
        }
    }),
    ("paths", "P12", |seen, reply| {
        if seen.path.contains("LATEST") {
            (reply.code, reply.reason) = (200, "OK".to_owned());
        }
    }),
    ("tokens", "T1", |seen, reply| {
        if is_grant(seen, reply) {
            reply.set(TTL, "300");
        }
    }),
    ("tokens", "T2", |_, reply| {
        if reply.code == 400 {
            (reply.code, reply.reason) = (200, "OK".to_owned());
        }
    }),
    ("tokens", "T3", |_, reply| {
        if reply.code == 400 {
            reply.put("bad request");
        }
    }),
    ("tokens", "T6", |seen, reply| {
        if is_grant(seen, reply) {
            let body = reply.text() + "\n";
            reply.put(&body);
        }
    }),
    ("tokens", "T7", |seen, reply| {
        if is_grant(seen, reply) {
            let body = reply.text() + "123456789";
            reply.put(&body);
        }
    }),
    ("tokens", "T8", |seen, reply| {
        if is_grant(seen, reply) {
            reply.drop(TTL);
        }
    }),
    ("tokens", "T10", |seen, reply| {
        if is_grant(seen, reply) {
            reply.put("one-token-for-all");
        }
    }),
    ("tokens", "T15", |_, reply| {
        if reply.code == 401 {
            (reply.code, reply.reason) = (403, "Forbidden".to_owned());
        }
    }),
    ("tokens", "T16", |_, reply| {
        if reply.code == 401 {
            reply.set("WWW-Authenticate", "Basic");
        }
    }),
    ("tokens", "T18", |_, reply| {
        if reply.code == 404 {
            reply.drop(TTL);
        }
    }),
    ("tokens", "T18", |seen, reply| {
        // Rises with the request, as a clock that runs backwards would make it.
        if seen.method == "GET" && reply.code == 200 {
            reply.set(TTL, if seen.path == "/" { "21599" } else { "21000" });
        }
    }),
    ("tokens", "T22", |seen, reply| {
        if is_grant(seen, reply) {
            (reply.code, reply.reason) = (503, "Slow Down".to_owned());
        }
    }),
    ("data", "G1", |_, reply| {
        if reply.text().starts_with('{') {
            reply.set("Content-Type", "application/json");
        }
    }),
    ("data", "G1", |_, reply| {
        if reply.code == 200 {
            reply.set("Content-Type", "text/plain; charset=utf-8");
        }
    }),
    ("data", "G3", |_, reply| {
        if reply.code == 404 {
            reply.put("404 page not found\n");
        }
    }),
    ("data", "G6", |_, reply| reply.set("Last-Modified", "Fri, 31 Dec 2100 23:59:59 GMT")),
    ("data", "G7", |_, reply| reply.set("ETag", "\"0\"")),
    ("data", "G9", |_, reply| reply.set("Vary", "Accept-Encoding")),
    ("data", "G10", |seen, reply| {
        if seen.path == "/latest/meta-data/placement/region" {
            reply.put("eu-west-1\n");
        }
    }),
    ("data", "G11", |seen, reply| {
        if seen.path == "/latest/meta-data/iam/" {
            reply.put("security-credentials/\ninfo");
        }
    }),
    ("data", "G12", |seen, reply| {
        if seen.path == "/latest/meta-data/" {
            reply.edit("profile", "profile\nspot/");
        }
    }),
    ("credentials", "C2", |seen, reply| {
        if seen.path == "/latest/meta-data/iam/" {
            reply.put("info\nsecurity-credentials-extended/\nsecurity-credentials/");
        }
    }),
    ("credentials", "C3", |seen, reply| {
        if seen.path.ends_with("iam/info") {
            reply.edit(" : ", ": ");
        }
    }),
    ("credentials", "C4", |seen, reply| {
        if seen.path.ends_with("security-credentials/") && reply.code == 200 {
            reply.put("a-role\n");
        }
    }),
    ("credentials", "C5", |seen, reply| {
        if is_document(seen, reply) {
            reply.edit("\n}", ",\n  \"AccountId\" : \"123456789012\"\n}");
        }
    }),
    ("credentials", "C6", |seen, reply| {
        if is_document(seen, reply) {
            reply.edit("Z\"", ".000Z\"");
        }
    }),
    ("credentials", "C7", |seen, reply| {
        if is_document(seen, reply) {
            reply.edit("Success", "success");
        }
    }),
    ("credentials", "C8", |seen, reply| {
        if is_document(seen, reply) {
            reply.edit("FEMI/K7", "FEMI\\/K7");
        }
    }),
    ("credentials", "C12", |seen, reply| {
        if reply.code == 404 && seen.path.contains("security-credentials/") {
            (reply.code, reply.reason) = (403, "Forbidden".to_owned());
        }
    }),
    ("credentials", "C14", |seen, reply| {
        if is_document(seen, reply) {
            let body = reply.text();
            let at = body.find("Expiration").unwrap_or_default();
            reply.put(&format!("{}Expiration\" : \"2020-04-02T00:49:51Z\"\n}}", &body[..at]));
        }
    }),
    ("credentials", "C17", |seen, reply| {
        if is_document(seen, reply) {
            reply.edit("LastUpdated\" : \"20", "LastUpdated\" : \"21");
        }
    }),
    ("credentials", "X2", |seen, reply| {
        if seen.path.contains("-extended") {
            (reply.code, reply.reason) = (400, "Bad Request".to_owned());
        }
    }),
    ("tree", "M4", |seen, reply| {
        if seen.path.ends_with("instance-identity/document") {
            reply.edit("\n}", ",\n  \"extra\" : null\n}");
        }
    }),
    ("tree", "4.1", |seen, reply| {
        if seen.path == "/latest/meta-data/placement/availability-zone" {
            reply.put("us-east-1a");
        }
    }),
    ("tree", "M6", |seen, reply| {
        if seen.path.ends_with("/pkcs7") {
            (reply.code, reply.reason) = (200, "OK".to_owned());
        }
    }),
    ("errors", "E1", |_, reply| {
        if reply.code == 404 {
            reply.edit("\t\t \"", "\t\"");
        }
    }),
    ("errors", "E3", |_, reply| {
        if reply.code == 401 {
            reply.put("401 - Unauthorized");
        }
    }),
    ("errors", "E5", |_, reply| reply.set("x-amzn-RequestId", "0")),
    ("errors", "Z1", |seen, reply| {
        if seen.method == "DELETE" {
            (reply.code, reply.reason) = (200, "OK".to_owned());
        }
    }),
];

fn is_caught(report: &Report, rule: &str) -> bool {
    report.findings.iter().any(|finding| {
        finding.rules.iter().any(|own| own == rule)
            && matches!(finding.verdict, Verdict::Failed { .. })
    })
}

/// What went wrong with one spoil, if anything.
fn missed((section, rule, spoil): &(&str, &str, Spoil)) -> Option<String> {
    let server = Server::start(false, *spoil);
    let only = Options {
        rule: Some((*rule).to_owned()),
        section: Some((*section).to_owned()),
        // Shorter than the server's own patience, so that open is open.
        limits: Limits { silence: Duration::from_millis(150), ..Limits::default() },
        ..Options::default()
    };
    let report = try_on(&server, &only);
    let shown = format!("{report}{report:?}{}", report.json());
    if server.secrets().iter().any(|secret| shown.contains(secret.trim())) {
        return Some(format!("{section} {rule} shows a secret: {shown}"));
    }
    (!is_caught(&report, rule)).then(|| format!("{section} {rule} is not caught: {report}"))
}

#[test]
fn each_spoiled_thing_is_caught_by_the_rule_that_names_it() {
    let mut all_missed = Vec::new();
    for some in SPOILS.chunks(8) {
        all_missed.extend(thread::scope(|scope| {
            let started: Vec<_> =
                some.iter().map(|spoil| scope.spawn(move || missed(spoil))).collect();
            let ended = started.into_iter().filter_map(|thread| thread.join().unwrap());
            ended.collect::<Vec<_>>()
        }));
    }
    assert!(all_missed.is_empty(), "{all_missed:#?}");
}

#[test]
fn every_section_has_a_spoil() {
    for section in super::super::sections() {
        assert!(SPOILS.iter().any(|(own, ..)| *own == section), "{section}");
    }
}
