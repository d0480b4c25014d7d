//! Fuzz targets of the metadata rules: paths, host names, metadata tokens.

#![allow(clippy::missing_panics_doc, reason = "an assertion that fails is a finding")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use super::{
    Facts, Field, HostNames, Metadata, Method, Options, Outcome, Path, Reply, ReplyBody, Request,
    Shown, Status, TokenKey, Tree, Ttl, View, answer, foreign_name,
};
use crate::fuzz_targets::{START, credentials};
use crate::role::{AccountId, Partition};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A role whose account is not known yet.
pub(crate) fn facts() -> Facts {
    Facts {
        role_name: "deploy".parse().expect("a role name"),
        account: AccountId::unknown(),
        partition: Partition::Aws,
        region: Partition::Aws.default_region(),
        seed: [3; 32],
        metadata: Metadata::new(),
        since: START.wall,
        account_id_in_document: false,
    }
}

static TREE: LazyLock<Tree> =
    LazyLock::new(|| Tree::new(&facts(), Some(&credentials().0), &Outcome::Hopeful));
static KEY: LazyLock<TokenKey> = LazyLock::new(|| TokenKey::new(&[1; 32], "boot"));
static NAMES: LazyLock<HostNames> =
    LazyLock::new(|| HostNames::new([LOCAL], ["imds.internal".to_owned()]));

fn ask(method: Method, path: &str, token: Field<'_>) -> Reply {
    let request = Request {
        method,
        path,
        authority: None,
        http_10: false,
        host: Field::One(b"localhost"),
        token,
        ttl: Field::One(b"60"),
        forwarded: false,
        browser: false,
        expects: false,
    };
    let view = View {
        options: &Options::default(),
        names: &NAMES,
        local: LOCAL,
        key: &KEY,
        shown: &Shown::default(),
        tree: &TREE,
        now: START,
        nonce: 7,
        patient: false,
    };
    answer(&request, &view).into_reply()
}

/// The path of a request, as hyper passes it on.
///
/// Every spelling of a path gets what its plain spelling gets, and what has no plain spelling
/// gets 404 (P10, P11). Nothing is served without a metadata token (T15).
pub fn request_path(data: &[u8]) {
    let Ok(target) = std::str::from_utf8(data) else { return };
    let token = KEY.issue(Ttl::parse(b"60").expect("a minute"), START.boot, 1);
    let reply = ask(Method::Get, target, Field::One(&token));
    match Path::read(target) {
        None => assert_eq!(reply.status, Status::NotFound, "{target:?}"),
        Some(path) => {
            // Only the path of the metadata token minds a slash at its end (P6).
            let end = if target.ends_with('/') && !path.names().is_empty() { "/" } else { "" };
            let plain = format!("/{}{end}", path.names().replace('%', "%25"));
            assert_eq!(
                Path::read(&plain).map(|again| again.names().to_owned()),
                Some(path.names().to_owned())
            );
            let same = ask(Method::Get, &plain, Field::One(&token));
            assert_eq!((reply.status, reply.body()), (same.status, same.body()), "{target:?}");
        }
    }
    assert_ne!(ask(Method::Get, target, Field::Absent).status, Status::Ok, "{target:?}");
    let granted = ask(Method::Put, target, Field::Absent).status == Status::Ok;
    let is_token = Path::read(target).is_some_and(|path| path.is_metadata_token());
    assert_eq!(granted, is_token, "{target:?}");
}

/// The `Host` field.
///
/// A name that is taken for ours is one of ours when it is parsed in a plain way, and what
/// the log shows of any other is short and printable (F17).
pub fn host_header(data: &[u8]) {
    let owned = NAMES.owns(data, LOCAL);
    assert!(!owned || is_ours(data), "{:?}", String::from_utf8_lossy(data));
    let request = Request {
        method: Method::Get,
        path: "/",
        authority: None,
        http_10: false,
        host: Field::One(data),
        token: Field::Absent,
        ttl: Field::Absent,
        forwarded: false,
        browser: false,
        expects: false,
    };
    let shown = foreign_name(&request, &NAMES, LOCAL);
    assert_eq!(shown.is_none(), owned);
    if let Some(shown) = shown {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.:[]()".contains(&b);
        assert!(shown.len() <= 253 && shown.bytes().all(fits), "{shown:?}");
    }
}

/// Without the port, if there is one: one of the names, or one of the addresses.
fn is_ours(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let whole = [host].into_iter();
    let portless = host.rsplit_once(':').into_iter();
    let portless = portless.filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    whole.chain(portless.map(|(name, _)| name)).any(|name| {
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let addresses = ["127.0.0.1", "169.254.169.254", "fd00:ec2::254"];
        let own = addresses.map(|address| address.parse::<IpAddr>().expect("an address"));
        bare.parse::<IpAddr>().is_ok_and(|address| own.contains(&address.to_canonical()))
            || ["localhost", "imds.internal"].iter().any(|own| own.eq_ignore_ascii_case(name))
    })
}

/// The text of a metadata token; the first bytes choose a token that was issued.
///
/// Only the very text that was issued counts, and not longer than it was issued for (T9, T23).
pub fn metadata_token(data: &[u8]) {
    let Some(([nonce, high, low], shown)) = data.split_first_chunk() else { return };
    let seconds = u32::from(u16::from_be_bytes([*high, *low])) % 21_600 + 1;
    let ttl = Ttl::parse(seconds.to_string().as_bytes()).expect("within its range");
    let token = KEY.issue(ttl, START.boot, (*nonce).into());
    let life = Duration::from_secs(seconds.into());
    assert_eq!(KEY.remaining(&token, START.boot), Some(seconds));
    assert_eq!(KEY.remaining(&token, START.boot.plus(life)), None);

    let mut changed = token;
    for (byte, change) in changed.iter_mut().zip(shown) {
        *byte ^= change;
    }
    for text in [shown, changed.as_slice()] {
        let left = KEY.remaining(text, START.boot);
        // An input may repeat a token that another input issued.
        let issued = left.is_some_and(|left| text == issued_again(text, left));
        assert_eq!(left.is_some(), issued, "{:?}", String::from_utf8_lossy(text));
        assert!(issued || *text != token);
        let reply = ask(Method::Get, "/latest/meta-data/ami-id", Field::One(text));
        assert_eq!(reply.status == Status::Ok, issued);
        assert!(issued || matches!(reply.body(), ReplyBody::Static(_) | ReplyBody::Empty));
    }
    if let Some(ttl) = Ttl::parse(shown) {
        assert!((1..=21_600).contains(&ttl.as_secs()));
        assert!(shown.iter().all(u8::is_ascii_digit));
    }
}

/// The token with the nonce of this one, for so many seconds.
fn issued_again(token: &[u8], seconds: u32) -> [u8; 56] {
    let claim = URL_SAFE.decode(token).unwrap_or_default();
    let nonce = claim.get(10..16).unwrap_or_default();
    let nonce = nonce.iter().fold(0, |nonce, byte| nonce << 8 | u64::from(*byte));
    let ttl = Ttl::parse(seconds.to_string().as_bytes()).expect("within its range");
    KEY.issue(ttl, START.boot, nonce)
}
