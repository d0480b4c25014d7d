//! What is read where: listings, values, documents, and what time does to them.

use std::time::Duration;

use super::super::{Facts, Outcome, ReplyBody, ReplyField, Status};
use super::*;
use crate::config::LEAVES;
use crate::credentials::Grant;
use crate::role::AccountId;

const META_DATA: &str = "ami-id\nhostname\niam/\ninstance-action\ninstance-id\n\
    instance-life-cycle\ninstance-type\nlocal-hostname\nlocal-ipv4\nmac\nplacement/\nprofile\n\
    reservation-id\nsecurity-groups\nservices/";

fn ok(text: &str) -> (u16, String) {
    (200, text.to_owned())
}

fn missing(world: &World, path: &str) {
    let (code, page) = world.read(path);
    assert_eq!((code, page.len()), (404, 339), "{path}");
}

fn tree(facts: &Facts, refused: bool) -> World {
    let at = clock::later(START.wall, Duration::from_secs(65));
    let outcome = if refused { Outcome::Refused { at } } else { Outcome::Hopeful };
    World::with_tree(Tree::new(facts, None, &outcome))
}

#[test]
fn p1_p2_the_root_lists_29_versions_with_the_latest_last() {
    let (code, list) = World::new().read("/");
    assert_eq!(code, 200);
    assert!(list.starts_with("1.0\n2007-01-19\n") && list.ends_with("\n2024-04-11\nlatest"));
    assert_eq!(list.lines().count(), 29);
    assert!(list.lines().is_sorted());
}

#[test]
fn p3_p4_every_version_lists_the_same_two() {
    let world = World::new();
    for version in world.read("/").1.lines() {
        for path in [format!("/{version}"), format!("/{version}/")] {
            assert_eq!(world.read(&path), ok("dynamic\nmeta-data"), "{path}");
        }
    }
}

#[test]
fn p5_p6_p12_x2_m6_what_is_not_there_is_404() {
    let world = World::new();
    for path in [
        "/2099-01-01/meta-data/",
        "/Latest/meta-data/",
        "/latest/Meta-Data/",
        "/latest/user-data",
        "/latest/api",
        "/latest/api/token/",
        "/2021-07-15/api/token",
        "/latest/meta-data/nothing",
        "/latest/meta-data/mac/x",
        "/latest/meta-data/iam/security-credentials/Deploy",
        "/latest/meta-data/iam/security-credentials/other",
        "/latest/meta-data/iam/security-credentials-extended",
        "/latest/meta-data/iam/security-credentials-extended/",
        "/latest/meta-data/iam/security-credentials-extended/deploy",
        "/latest/dynamic/instance-identity/pkcs7",
        "/latest/dynamic/instance-identity/signature",
        "/latest/../latest",
        "/latest/meta-data%2Fmac",
        "*",
        "",
    ] {
        missing(&world, path);
    }
}

#[test]
fn g11_c2_c4_listings_have_no_line_feed_at_the_end() {
    let world = World::new();
    for (path, list) in [
        ("/latest/meta-data", META_DATA),
        ("/latest/meta-data/iam", "info\nsecurity-credentials/"),
        ("/latest/meta-data/iam/security-credentials", "deploy"),
        ("/latest/meta-data/placement", "availability-zone\navailability-zone-id\nregion"),
        ("/latest/meta-data/services", "domain\npartition"),
        ("/latest/dynamic", "instance-identity/"),
        ("/latest/dynamic/instance-identity", "document"),
    ] {
        assert_eq!(world.read(path), ok(list), "{path}");
        assert_eq!(world.read(&format!("{path}/")), ok(list), "P9 {path}/");
    }
}

#[test]
fn g10_p8_p10_values_are_bare_however_the_path_is_spelled() {
    let world = World::new();
    for path in [
        "/latest/meta-data/placement/region",
        "/latest/meta-data/placement/region/",
        "/latest//meta-data//placement/region",
        "//2009-04-04/meta-data/placement/region",
        "/latest/meta-data/placement/r%65gion",
    ] {
        assert_eq!(world.read(path), ok("eu-central-1"), "{path}");
    }
    for (name, value) in [
        ("placement/availability-zone", "eu-central-1a"),
        ("placement/availability-zone-id", "euc1-az1"),
        ("services/domain", "amazonaws.com"),
        ("services/partition", "aws"),
        ("instance-action", "none"),
        ("instance-life-cycle", "on-demand"),
        ("profile", "default-hvm"),
        ("security-groups", "default"),
    ] {
        assert_eq!(world.read(&format!("/latest/meta-data/{name}")), ok(value));
    }
    assert_eq!(
        world.read("/latest/meta-data/hostname"),
        world.read("/latest/meta-data/local-hostname")
    );
}

#[test]
fn services_are_those_of_the_partition() {
    let facts = Facts {
        partition: "aws-cn".parse().unwrap(),
        region: "cn-north-1".parse().unwrap(),
        ..facts()
    };
    let world = tree(&facts, false);
    assert_eq!(world.read("/latest/meta-data/services/domain"), ok("amazonaws.com.cn"));
    assert_eq!(world.read("/latest/meta-data/services/partition"), ok("aws-cn"));
    let (_, info) = world.read("/latest/meta-data/iam/info");
    assert!(info.contains("\"arn:aws-cn:iam::123456789012:instance-profile/deploy\""), "{info}");
}

/// Walks as cloud-init does: what ends in a slash, and what the top lists, is a directory.
fn walk(world: &World, path: &str, seen: &mut Vec<String>) {
    let (code, text) = world.read(path);
    assert_eq!(code, 200, "{path}");
    assert!(!text.ends_with('\n'), "G10 {path}");
    seen.push(path.to_owned());
    let is_directory = path.ends_with('/') || path.matches('/').count() == 2;
    if is_directory {
        for name in text.lines() {
            walk(world, &format!("{}/{name}", path.trim_end_matches('/')), seen);
        }
    }
}

#[test]
fn g12_whatever_is_listed_can_be_fetched() {
    for version in ["latest", "2009-04-04"] {
        let mut seen = Vec::new();
        walk(&World::new(), &format!("/{version}/"), &mut seen);
        assert_eq!(seen.len(), 1 + 2 + 15 + 2 + 1 + 3 + 2 + 2, "{seen:#?}");
        assert!(seen.iter().any(|path| path.ends_with("/iam/security-credentials/deploy")));
    }
}

#[test]
fn c5_c6_c17_the_credential_document_to_the_byte() {
    let expected = "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"2027-01-15T08:00:00Z\",\n  \
        \"Type\" : \"AWS-HMAC\",\n  \"AccessKeyId\" : \"ASIAEXAMPLE\",\n  \
        \"SecretAccessKey\" : \"wJal/rXU+tn\",\n  \"Token\" : \"IQoJ//b3+Jp==\",\n  \
        \"Expiration\" : \"2027-01-15T09:00:00Z\"\n}";
    let world = World::new();
    assert_eq!(world.read(CREDENTIALS), ok(expected));
    assert_eq!(world.read(&format!("{CREDENTIALS}/")), ok(expected), "C13");
    let read: serde_json::Value = serde_json::from_str(expected).unwrap();
    assert_eq!(read.as_object().unwrap().len(), 7);
    assert_eq!(read["Token"], "IQoJ//b3+Jp==");
}

#[test]
fn c5_the_account_id_is_last_if_asked_for_and_known() {
    let read = |account: &str| {
        let account = account.parse().unwrap();
        let facts = Facts { account, account_id_in_document: true, ..facts() };
        let tree = Tree::new(&facts, Some(&snapshot()), &Outcome::Hopeful);
        World::with_tree(tree).read(CREDENTIALS).1
    };
    assert!(read("123456789012").ends_with("Z\",\n  \"AccountId\" : \"123456789012\"\n}"));
    assert!(read("000000000000").ends_with("T09:00:00Z\"\n}"));
}

#[test]
fn c3_the_profile_document_to_the_byte() {
    let (code, text) = World::new().read("/latest/meta-data/iam/info");
    let id = text.split('"').find(|part| part.starts_with("AIPA")).unwrap();
    let expected = format!(
        "{{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"2027-01-15T08:00:00Z\",\n  \
         \"InstanceProfileArn\" : \"arn:aws:iam::123456789012:instance-profile/deploy\",\n  \
         \"InstanceProfileId\" : \"{id}\"\n}}"
    );
    assert_eq!((code, text.as_str(), id.len()), (200, expected.as_str(), 21));
}

#[test]
fn m4_m7_the_identity_document_to_the_byte() {
    let world = World::new();
    let value = |path: &str| world.read(&format!("/latest/meta-data/{path}")).1;
    let (_, text) = world.read("/latest/dynamic/instance-identity/document");
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    let pending: Timestamp = read["pendingTime"].as_str().unwrap().parse().unwrap();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let expected = format!(
        "{{\n  \"accountId\" : \"123456789012\",\n  \"architecture\" : \"{architecture}\",\n  \
         \"availabilityZone\" : \"eu-central-1a\",\n  \"billingProducts\" : null,\n  \
         \"devpayProductCodes\" : null,\n  \"marketplaceProductCodes\" : null,\n  \
         \"imageId\" : \"{}\",\n  \"instanceId\" : \"{}\",\n  \"instanceType\" : \"{}\",\n  \
         \"kernelId\" : null,\n  \"pendingTime\" : \"{pending}\",\n  \"privateIp\" : \"{}\",\n  \
         \"ramdiskId\" : null,\n  \"region\" : \"eu-central-1\",\n  \"version\" : \"2017-09-30\"\n}}",
        value("ami-id"),
        value("instance-id"),
        value("instance-type"),
        value("local-ipv4"),
    );
    assert_eq!(text, expected);
    assert!(pending < START.wall);
}

#[test]
fn c11_expired_credentials_are_500_and_no_success_again() {
    let mut world = World::new();
    world.pass(HOUR.checked_sub(Duration::from_nanos(1)).unwrap());
    assert_eq!(world.read(CREDENTIALS).0, 200, "to the true end");
    world.pass(Duration::from_nanos(1));
    assert_eq!(world.read(CREDENTIALS), (500, String::new()));
    let list = "/latest/meta-data/iam/security-credentials/";
    assert_eq!(world.read(list), ok("deploy"), "the listing stays");
}

#[test]
fn either_clock_ends_the_validity_as_the_snapshot_has_it() {
    let held = snapshot();
    for wall in [-7200, -1, 0, 3599, 3600, 7200] {
        for boot in [0, 3599, 3600, 7200] {
            let mut world = World::new();
            world.now.wall = START.wall + jiff::SignedDuration::from_secs(wall);
            world.now.boot = START.boot.plus(Duration::from_secs(boot));
            let expected = if held.is_valid(world.now) { 200 } else { 500 };
            assert_eq!(world.read(CREDENTIALS).0, expected, "{wall} {boot}");
        }
    }
}

#[test]
fn a_patient_reader_waits_for_credentials_and_for_nothing_else() {
    for refused in [false, true] {
        let mut world = tree(&facts(), refused);
        world.patient = true;
        let token = world.token();
        for method in [Method::Get, Method::Head] {
            let request = Request { method, ..with_token(&get(CREDENTIALS), &token) };
            assert!(matches!(world.answer(&request), Answer::Wait));
        }
        assert_eq!(world.code(&get(CREDENTIALS)), 401);
        assert_eq!(world.read("/latest/meta-data/iam/info").0, 200);
        assert_eq!(world.read("/latest/meta-data/iam/security-credentials/").0, 200);
        missing(&world, "/latest/meta-data/iam/security-credentials/other");
    }
    let mut world = World::new();
    world.patient = true;
    assert_eq!(world.read(CREDENTIALS).0, 200);
}

#[test]
fn c9_after_a_refusal_the_document_says_so_with_200() {
    let (code, text) = tree(&facts(), true).read(CREDENTIALS);
    let message = text.split('"').nth(7).unwrap();
    let expected = format!(
        "{{\n  \"Code\" : \"AssumeRoleUnauthorizedAccess\",\n  \"Message\" : \"{message}\",\n  \
         \"LastUpdated\" : \"2027-01-15T08:01:05Z\"\n}}"
    );
    assert_eq!((code, text.as_str()), (200, expected.as_str()));
    assert!(message.contains("deploy"));
}

#[test]
fn what_is_valid_is_served_after_a_refusal_too() {
    let outcome = Outcome::Refused { at: START.wall };
    let mut world = World::with_tree(Tree::new(&facts(), Some(&snapshot()), &outcome));
    assert!(world.read(CREDENTIALS).1.contains("\"Success\""));
    world.pass(HOUR);
    assert!(world.read(CREDENTIALS).1.contains("\"AssumeRoleUnauthorizedAccess\""));
}

#[test]
fn before_the_first_credentials_the_start_is_the_last_update() {
    let world = tree(&facts(), false);
    let (code, info) = world.read("/latest/meta-data/iam/info");
    assert_eq!(code, 200);
    assert!(info.contains("\"LastUpdated\" : \"2027-01-15T08:00:00Z\""), "{info}");
    assert_eq!(world.tree.modified(), START.wall);
    assert_eq!(World::new().tree.modified(), snapshot().obtained);
}

#[test]
fn c18_a_role_swap_changes_listing_and_document_together() {
    let facts = Facts { role_name: "other".parse().unwrap(), ..facts() };
    let world = World::with_tree(Tree::new(&facts, Some(&snapshot()), &Outcome::Hopeful));
    let list = "/latest/meta-data/iam/security-credentials/";
    assert_eq!(world.read(list), ok("other"));
    assert_eq!(world.read(&format!("{list}other")).0, 200);
    missing(&world, CREDENTIALS);
}

#[test]
fn a_source_that_knows_its_role_only_now_is_believed() {
    let mut facts = Facts { account: AccountId::unknown(), ..facts() };
    let mut grant = Grant {
        credentials: snapshot().credentials,
        date: None,
        account: None,
        role_arn: Some("arn:aws-us-gov:iam::210987654321:role/path/elsewhere".parse().unwrap()),
    };
    facts.learn(&grant);
    assert_eq!((facts.account.as_str(), facts.partition.as_str()), ("210987654321", "aws-us-gov"));
    assert_eq!(facts.role_name.as_str(), "deploy", "C4: what is listed does not change");
    grant.account = Some("111111111111".parse().unwrap());
    facts.learn(&grant);
    assert_eq!(facts.account.as_str(), "111111111111");
}

#[test]
fn f9_head_differs_from_get_in_nothing_that_is_decided_here() {
    let world = World::new();
    let token = world.token();
    for path in ["/", "/latest/meta-data/", CREDENTIALS, "/nowhere"] {
        let get = world.reply(&with_token(&get(path), &token));
        let head =
            world.reply(&Request { method: Method::Head, ..with_token(&super::get(path), &token) });
        assert!(get.fields().eq(head.fields()), "{path}");
        assert!(get.fields().any(|field| field == ReplyField::ContentLength(get.body().len())));
    }
}

#[test]
fn two_readers_share_the_bytes() {
    let world = World::new();
    let token = world.token();
    let body = || match world.reply(&with_token(&get(CREDENTIALS), &token)).body() {
        ReplyBody::Shared(bytes) => bytes.as_ptr(),
        other => panic!("{other:?}"),
    };
    assert_eq!(body(), body());
}

#[test]
fn debug_shows_no_secret() {
    let world = World::new();
    let token = world.token();
    let request = with_token(&get(CREDENTIALS), &token);
    let answer = world.answer(&request);
    let shown = format!("{answer:?} {request:?} {:?} {:?} {:?}", world.tree, world.key, facts());
    for secret in ["wJal", "IQoJ", "AQAEA", "3, 3, 3"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(world.reply(&request).status, Status::Ok);
}

#[test]
fn every_value_that_can_be_set_stands_somewhere_in_the_tree() {
    for name in LEAVES {
        let text = match *name {
            "architecture" => "i386",
            "partition" => "aws-us-gov",
            "pending_time" => "2019-01-02T03:04:05Z",
            "region" => "ap-south-1",
            _ => "set-by-the-user",
        };
        let metadata = [((*name).to_owned(), text.to_owned())].into();
        let world = tree(&Facts { metadata, ..facts() }, true);
        let documents = ["dynamic/instance-identity/document", "meta-data/iam/info"];
        let own = ["", "placement/", "services/"]
            .map(|directory| format!("meta-data/{directory}{}", name.replace('_', "-")));
        let paths = documents.map(str::to_owned).into_iter().chain(own);
        let found = paths.filter(|path| world.read(&format!("/latest/{path}")).1.contains(text));
        assert!(found.count() > 0, "{name}");
    }
}

#[test]
fn m4_the_identity_document_follows_what_is_set() {
    let set = [
        ("ami_id", "ami-1"),
        ("availability_zone", "eu-central-1b"),
        ("instance_id", "i-1"),
        ("instance_type", "m7g.large"),
        ("local_ipv4", "10.1.2.3"),
        ("region", "eu-central-1"),
    ];
    let metadata = set.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let world = tree(&Facts { metadata, ..facts() }, true);
    let (_, document) = world.read("/latest/dynamic/instance-identity/document");
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    for (member, text) in [
        ("imageId", "ami-1"),
        ("availabilityZone", "eu-central-1b"),
        ("instanceId", "i-1"),
        ("instanceType", "m7g.large"),
        ("architecture", "arm64"),
        ("privateIp", "10.1.2.3"),
        ("region", "eu-central-1"),
    ] {
        assert_eq!(document[member], text);
    }
}
