//! Over a socket, byte by byte.

use std::sync::Mutex;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::canonical::signature;
use super::wire::Request;
use super::*;
use crate::clock::{BootTime, Now};
use crate::secret::Secret;

const ASSUME: &str = "Action=AssumeRole&Version=2011-06-15&RoleSessionName=me\
    &RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fdeploy";
const WHOAMI: &str = "Action=GetCallerIdentity&Version=2011-06-15";

#[derive(Debug)]
struct HandSet(Mutex<Timestamp>);

impl Clock for HandSet {
    fn now(&self) -> Now {
        Now { wall: *locked(&self.0), boot: BootTime::default() }
    }
}

/// An STS at eight o'clock, and whoever asks it.
struct World {
    sts: Emulator,
    clock: Arc<HandSet>,
    shutdown: CancellationToken,
}

/// Keys to sign with.
struct Keys<'a>(&'a str, &'a str, Option<&'a str>);

const DEMO: Keys<'_> = Keys(DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, None);

fn world() -> World {
    let clock = Arc::new(HandSet(Mutex::new("2026-11-25T08:00:00Z".parse().unwrap())));
    let shutdown = CancellationToken::new();
    let options = Options { clock: clock.clone(), scripted: true, shutdown: shutdown.clone() };
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    World { sts: start(listener, Script::default(), options).unwrap(), clock, shutdown }
}

fn faulty(fault: Fault) -> World {
    let world = world();
    world.sts.script(|script| script.next.push_back(Some(fault)));
    world
}

impl World {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.sts.address()).await.unwrap()
    }

    /// Sends one request, and reads until the connection ends.
    async fn exchange(&self, request: &str) -> io::Result<String> {
        let mut socket = self.connect().await;
        socket.write_all(request.as_bytes()).await?;
        let mut reply = Vec::new();
        socket.read_to_end(&mut reply).await?;
        Ok(String::from_utf8_lossy(&reply).into_owned())
    }

    async fn ask(&self, keys: &Keys<'_>, form: &str) -> String {
        self.exchange(&self.signed(keys, form)).await.unwrap()
    }

    fn signed(&self, Keys(id, secret, token): &Keys<'_>, form: &str) -> String {
        let time = self.clock.now().wall.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut fields = vec![("host".to_owned(), "sts".into()), ("x-amz-date".to_owned(), time)];
        if let Some(token) = token {
            fields.push(("x-amz-security-token".to_owned(), (*token).to_owned()));
        }
        let names: Vec<_> = fields.iter().map(|(name, _)| name.clone()).collect();
        let scope = format!("{}/eu-west-1/sts/aws4_request", &fields[1].1[..8]);
        let request = Request {
            method: "POST".into(),
            path: "/".into(),
            query: String::new(),
            fields: fields.iter().map(|(n, v)| (n.clone(), v.clone().into_bytes())).collect(),
            body: form.into(),
            keep_alive: false,
        };
        let signature = signature(&request, &names, (&fields[1].1, &scope), &Secret::new(*secret));
        let head: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        format!(
            "POST / HTTP/1.1\r\n{}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={id}/{scope}, \
             SignedHeaders={}, Signature={signature}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{form}",
            head.join("\r\n"),
            names.join(";"),
            form.len()
        )
    }
}

fn text<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("{name}: {xml}"));
    rest.split_once(&format!("</{name}>")).unwrap().0
}

fn body(reply: &str) -> &str {
    reply.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn a_role_is_assumed_and_knows_itself() {
    let world = world();
    let reply = world.ask(&DEMO, ASSUME).await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\nx-amzn-RequestId: "), "{reply}");
    assert!(reply.contains("\r\nContent-Type: text/xml\r\n"));
    assert!(reply.contains("\r\nDate: Wed, 25 Nov 2026 08:00:00 GMT\r\n"));
    assert!(body(&reply).starts_with(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleResult>"
    ));
    assert!(reply.contains(text(&reply, "RequestId")));

    let keys = Keys(
        text(&reply, "AccessKeyId"),
        text(&reply, "SecretAccessKey"),
        Some(text(&reply, "SessionToken")),
    );
    let identity = world.ask(&keys, WHOAMI).await;
    assert_eq!(text(&identity, "Arn"), text(&reply, "Arn"));
    assert_eq!(text(&identity, "UserId"), text(&reply, "AssumedRoleId"));
    assert_eq!(text(&identity, "Account"), "123456789012");

    *locked(&world.clock.0) = "2026-11-25T09:00:00Z".parse().unwrap();
    let expired = world.ask(&keys, WHOAMI).await;
    assert!(expired.starts_with("HTTP/1.1 403 "));
    assert_eq!(text(&expired, "Code"), "ExpiredToken");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_so() {
    let world = world();
    let other = Keys(DEMO_ACCESS_KEY_ID, "another secret", None);
    let unknown = Keys("AKIAUNKNOWN", DEMO_SECRET_ACCESS_KEY, None);
    for (reply, status, code) in [
        (world.ask(&other, WHOAMI).await, 403, "SignatureDoesNotMatch"),
        (world.ask(&unknown, WHOAMI).await, 403, "InvalidClientTokenId"),
        (world.ask(&DEMO, "Action=Dance&Version=2011-06-15").await, 400, "InvalidAction"),
        (world.ask(&DEMO, "Action=GetCallerIdentity").await, 400, "InvalidAction"),
        (world.ask(&DEMO, "Version=2011-06-15").await, 400, "MissingAction"),
        (world.ask(&DEMO, "Action=%zz").await, 400, "MalformedQueryString"),
    ] {
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
        assert_eq!((text(&reply, "Code"), text(&reply, "Type")), (code, "Sender"));
    }
    let get = format!("GET /?{WHOAMI} HTTP/1.1\r\nHost: sts\r\nConnection: close\r\n\r\n");
    let reply = world.exchange(&get).await.unwrap();
    assert_eq!(text(&reply, "Code"), "MissingAuthenticationToken");
    let refused: Vec<_> = world.sts.asked().into_iter().map(|asked| asked.refused).collect();
    assert_eq!(refused.len(), 7);
    assert_eq!(refused[0], Some(Code::SignatureDoesNotMatch));
}

#[tokio::test]
async fn requests_follow_one_another_on_one_connection() {
    let world = world();
    let signed = world.signed(&DEMO, WHOAMI);
    let (head, body) = signed.split_once("\r\n\r\n").unwrap();
    let head = head.replace("Connection: close\r\n", "");
    let length = format!("Content-Length: {}", body.len());
    let chunked = head.replace(&length, "Transfer-Encoding: chunked");
    let (first, second) = body.split_at(9);
    let requests = format!(
        "{head}\r\nExpect: 100-continue\r\n\r\n{body}\
         {chunked}\r\n\r\n9;x=y\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\nTrailer: x\r\n\r\n{signed}",
        second.len()
    );
    let replies = world.exchange(&requests).await.unwrap();
    assert!(replies.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
    assert_eq!(replies.matches("HTTP/1.1 200 OK\r\n").count(), 3);
    assert_eq!(replies.matches("Connection: close").count(), 1);
    assert_eq!(world.sts.count("GetCallerIdentity"), 3);
}

#[tokio::test]
async fn what_is_no_request_is_turned_away() {
    let world = world();
    let huge = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    let fields = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(65));
    for (request, status) in [
        ("no HTTP at all\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 400000\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", 413),
        // Found by a fuzz target: the sum of the sizes has to fit, too.
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nffffffffffffffff\r\n",
            413,
        ),
        ("POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na", 400),
        (&*fields, 413),
        ("GET /elsewhere HTTP/1.0\r\n\r\n", 404),
        ("DELETE / HTTP/1.0\r\n\r\n", 405),
    ] {
        let reply = world.exchange(request).await.unwrap();
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {reply}");
    }
    // What is left unread makes the end a reset, so only the end is certain.
    let _ = world.exchange(&huge).await;
    assert_eq!(world.sts.total(), 0);
}

#[tokio::test]
async fn a_fault_below_http_is_seen_below_http() {
    let world = faulty(Fault::Reset);
    let error = world.exchange(&world.signed(&DEMO, ASSUME)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

    let reply = faulty(Fault::Cut).ask(&DEMO, ASSUME).await;
    let (_, rest) = reply.split_once("Content-Length: ").unwrap();
    let length: usize = rest.split_once("\r\n").unwrap().0.parse().unwrap();
    assert_eq!(body(&reply).len(), length / 2);
}

#[tokio::test]
async fn a_hang_ends_with_the_emulator_and_not_before() {
    let world = faulty(Fault::Hang);
    let mut socket = world.connect().await;
    socket.write_all(world.signed(&DEMO, ASSUME).as_bytes()).await.unwrap();
    world.sts.reached(1).await;
    world.shutdown.cancel();
    world.sts.stopped().await;
    assert_eq!(socket.read(&mut [0; 16]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_delayed_reply_still_comes() {
    let world = faulty(Fault::Delay(Duration::from_millis(1)));
    let reply = world.ask(&DEMO, ASSUME).await;
    assert!(reply.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_spoilt_reply_is_still_well_framed() {
    for (fault, seen) in [
        (Fault::EntityBomb, "<!ENTITY e9 \"&e8;"),
        (Fault::Nested, "<nested><nested>"),
        (Fault::WrongRoot, "<html xmlns"),
        (Fault::Empty, "<SecretAccessKey></SecretAccessKey>"),
        (Fault::Expired, "<Expiration>2026-11-25T07:59:00Z<"),
        (Fault::Garbage, "\u{fffd}\u{fffd}"),
        (Fault::MissingFields, "</SessionToken></Credentials>"),
    ] {
        let reply = faulty(fault).ask(&DEMO, ASSUME).await;
        assert!(reply.starts_with("HTTP/1.1 200 OK"), "{fault}");
        assert!(body(&reply).contains(seen), "{fault}: {reply}");
        let length = format!("Content-Length: {}\r\n", body(&reply).len());
        assert!(reply.contains(&length) || fault == Fault::Garbage, "{fault}");
    }
    let reply = faulty(Fault::Truncated).ask(&DEMO, ASSUME).await;
    assert!(!reply.contains("</AssumeRoleResponse>"));
    assert!(reply.contains(&format!("Content-Length: {}\r\n", body(&reply).len())));
}

#[tokio::test]
async fn an_error_comes_with_its_own_status() {
    for (code, status, fault) in [
        (Code::Throttling, 400, "Sender"),
        (Code::InternalFailure, 500, "Receiver"),
        (Code::ServiceUnavailable, 503, "Receiver"),
        (Code::AccessDenied, 403, "Sender"),
    ] {
        let reply = faulty(Fault::Error(code)).ask(&DEMO, ASSUME).await;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
        assert_eq!(text(&reply, "Code"), code.to_string());
        assert_eq!(text(&reply, "Type"), fault);
    }
    let throttled = faulty(Fault::Error(Code::Throttling)).ask(&DEMO, ASSUME).await;
    assert_eq!(text(&throttled, "Message"), "Rate exceeded");
}

#[tokio::test]
async fn a_skewed_clock_is_skewed_in_all_it_says() {
    let world = world();
    world.sts.script(|script| script.skew = SignedDuration::from_mins(10));
    let reply = world.ask(&DEMO, ASSUME).await;
    assert!(reply.contains("Date: Wed, 25 Nov 2026 08:10:00 GMT\r\n"));
    assert_eq!(text(&reply, "Expiration"), "2026-11-25T09:10:00Z");
    world.sts.script(|script| script.skew = SignedDuration::from_mins(20));
    let reply = world.ask(&DEMO, ASSUME).await;
    assert_eq!(text(&reply, "Code"), "SignatureDoesNotMatch");
    assert!(text(&reply, "Message").starts_with("Signature expired: "));

    let reply = faulty(Fault::Date(SignedDuration::from_hours(-1))).ask(&DEMO, ASSUME).await;
    assert!(reply.contains("Date: Wed, 25 Nov 2026 07:00:00 GMT\r\n"));
    assert_eq!(text(&reply, "Expiration"), "2026-11-25T09:00:00Z");
}

#[tokio::test]
async fn the_script_is_changed_over_the_wire() {
    let world = world();
    let script = r#"{"session": "2m", "next": ["Throttling"]}"#;
    let put = |json: &str| {
        let length = json.len();
        format!(
            "PUT /script HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{json}"
        )
    };
    assert!(world.exchange(&put(script)).await.unwrap().starts_with("HTTP/1.1 200 "));
    assert!(world.exchange(&put("{")).await.unwrap().starts_with("HTTP/1.1 400 "));
    assert_eq!(text(&world.ask(&DEMO, ASSUME).await, "Code"), "Throttling");
    let reply = world.ask(&DEMO, ASSUME).await;
    assert_eq!(text(&reply, "Expiration"), "2026-11-25T08:02:00Z");

    let get = "GET /requests?after=2 HTTP/1.0\r\n\r\n";
    let reply = world.exchange(get).await.unwrap();
    let told: serde_json::Value = serde_json::from_str(body(&reply)).unwrap();
    assert_eq!(told["total"], 2);
    assert_eq!(told["actions"]["AssumeRole"], 2);
    assert_eq!(told["last"][0]["fault"], "Throttling");
    assert_eq!(told["last"][1]["parameters"]["RoleSessionName"], "me");
    assert_eq!(told["last"][1]["region"], "eu-west-1");
    assert!(!reply.contains(DEMO_SECRET_ACCESS_KEY));
}

#[tokio::test]
async fn the_script_is_not_changed_over_the_wire_unless_that_was_asked_for() {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let options = Options::new(Arc::new(crate::clock::SystemClock));
    let shutdown = options.shutdown.clone();
    let sts = start(listener, Script::default(), options).unwrap();
    let world = World { sts, clock: world().clock, shutdown };
    for request in ["PUT /script", "GET /requests"] {
        let reply = world.exchange(&format!("{request} HTTP/1.0\r\n\r\n")).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 404 "), "{reply}");
    }
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    for address in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        let refused = bind(address.parse().unwrap()).unwrap_err();
        assert!(matches!(refused, NotStarted::NotLoopback(_)), "{refused}");
    }
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    let options = Options::new(Arc::new(crate::clock::SystemClock));
    let refused = start(everywhere, Script::default(), options).unwrap_err();
    assert!(refused.to_string().contains("listens on loopback only, and 0.0.0.0:"), "{refused}");

    let taken = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let refused = bind(taken.local_addr().unwrap()).unwrap_err();
    assert!(matches!(refused, NotStarted::Bind(..)) && refused.hint().contains("taken"));
}
