use std::fmt::Write as _;

use proptest::collection::btree_map;
use proptest::prelude::*;

use super::*;
use crate::sts::request::BaseKind;

fn config(text: &str) -> SharedFiles {
    SharedFiles {
        config: Some(SharedFile::new("config", text.as_bytes().to_vec())),
        credentials: None,
    }
}

fn read(files: &SharedFiles) -> Profiles {
    let mut mistakes = Mistakes::default();
    let profiles = Profiles::read(files, &mut mistakes);
    assert!(mistakes.is_empty(), "{mistakes}");
    profiles
}

fn mistakes(files: &SharedFiles) -> String {
    let mut mistakes = Mistakes::default();
    Profiles::read(files, &mut mistakes);
    mistakes.to_string()
}

fn value<'a>(profiles: &'a Profiles, profile: &str, key: &str) -> Option<&'a str> {
    profiles.profile(profile)?.get(key).map(Value::text)
}

#[test]
fn values_know_their_line_and_column() {
    let profiles = read(&config("[default]\n\n[profile dev]\nregion =  eu-west-1\n"));
    let section = profiles.profile("dev").unwrap();
    assert_eq!(section.place.to_string(), "config:3:1");
    let region = section.get("region").unwrap();
    assert_eq!(region.text(), "eu-west-1");
    assert_eq!(region.place.to_string(), "config:4:11");
}

#[test]
fn comments_crlf_and_byte_order_mark_are_no_part_of_a_value() {
    let profiles = read(&config(
        "\u{feff}# top\r\n[default] ; here\r\n; there\r\nregion = eu-west-1 # or not\r\nother=a#b;c\r\nempty =\r\n",
    ));
    assert_eq!(value(&profiles, "default", "region"), Some("eu-west-1"));
    assert_eq!(value(&profiles, "default", "other"), Some("a#b;c"));
    assert_eq!(value(&profiles, "default", "empty"), None);
}

#[test]
fn quotes_hold_blanks_and_brackets_in_a_name() {
    let profiles = read(&config(
        "[profile \"my dev\"]\na = 1\n[ profile 'x]y' ]\na = 2\n[profile plain]\nA = 3\n",
    ));
    assert_eq!(value(&profiles, "my dev", "a"), Some("1"));
    assert_eq!(value(&profiles, "x]y", "a"), Some("2"));
    assert_eq!(value(&profiles, "plain", "a"), Some("3"));
}

#[test]
fn indented_lines_continue_or_nest_as_in_the_cli() {
    let profiles = read(&config(
        "[services local]\nsts =\n  endpoint_url = http://127.0.0.1:1\n\n  # one more\n  region = x\ns3 =\n  endpoint_url = y\n\
         [profile dev]\ncredential_process = a\n   b\n",
    ));
    let services = profiles.services("local").unwrap();
    let url = services.nested("sts", "endpoint_url").unwrap();
    assert_eq!(url.text(), "http://127.0.0.1:1");
    assert_eq!(url.place.to_string(), "config:3:18");
    assert_eq!(services.nested("s3", "endpoint_url").unwrap().text(), "y");
    assert!(services.nested("sts", "s3").is_none());
    assert_eq!(value(&profiles, "dev", "credential_process"), Some("a\nb"));
}

#[test]
fn a_file_indented_throughout_is_read_as_the_cli_reads_it() {
    let profiles = read(&config("[default]\n  a = 1\n  b = 2\n"));
    assert_eq!(value(&profiles, "default", "a"), Some("1"));
    assert_eq!(value(&profiles, "default", "b"), Some("2"));
}

#[test]
fn what_comes_twice_is_merged_and_the_credentials_file_wins() {
    let profiles = read(&SharedFiles {
        config: Some(SharedFile::new(
            "config",
            b"[profile dev]\na = 1\nb = 1\n[profile dev]\nb = 2\nc = 2\n".to_vec(),
        )),
        credentials: Some(SharedFile::new("credentials", b"[dev]\nc = 3\n".to_vec())),
    });
    assert_eq!(value(&profiles, "dev", "a"), Some("1"));
    assert_eq!(value(&profiles, "dev", "b"), Some("2"));
    assert_eq!(value(&profiles, "dev", "c"), Some("3"));
    let section = profiles.profile("dev").unwrap();
    assert_eq!(section.get("b").unwrap().file, FileKind::Config);
    assert_eq!(section.get("c").unwrap().file, FileKind::Credentials);
}

#[test]
fn profile_default_replaces_default() {
    let profiles = read(&config("[default]\na = 1\n[profile default]\nb = 2\n"));
    assert_eq!(value(&profiles, "default", "a"), None);
    assert_eq!(value(&profiles, "default", "b"), Some("2"));
}

#[test]
fn sections_under_the_wrong_name_are_remembered_for_hints() {
    let files = SharedFiles {
        credentials: Some(SharedFile::new("credentials", b"[profile b]\nx=1\n".to_vec())),
        ..config("[a]\nx=1\n[profile two words]\nx=1\n[plugins]\nx=1\n[what ever]\n")
    };
    let profiles = read(&files);
    assert_eq!(profiles.names().count(), 0);
    let hint = |name: &str| profiles.misplaced(name).unwrap().hint.clone();
    assert_eq!(hint("a"), "in the config file its line reads [profile NAME]");
    assert_eq!(hint("b"), "in the credentials file its line reads [NAME], without profile");
    assert_eq!(hint("two words"), "a name with blanks stands in quotes: [profile \"NAME\"]");
}

#[test]
fn every_broken_line_is_named_and_the_rest_still_read() {
    let files = config(
        "early = 1\n[profile dev\nswallowed = 1\n[]\n[default] region = x\n[default]\nnonsense\n = 1\nsts =\n  broken\nregion = eu-west-1\n",
    );
    assert_eq!(
        mistakes(&files),
        "config:1:1: a key before any section\n\
         hint: put a line such as [default] above it\n\
         config:2:1: not a section name\n\
         hint: a section begins with [profile NAME]; a NAME with blanks stands in quotes\n\
         config:4:1: not a section name\n\
         hint: a section begins with [profile NAME]; a NAME with blanks stands in quotes\n\
         config:5:1: not a section name\n\
         hint: a section begins with [profile NAME]; a NAME with blanks stands in quotes\n\
         config:7:1: neither a section nor a key with a value\n\
         hint: write key = value, or put a # before a comment\n\
         config:8:2: a value without a key\n\
         hint: write key = value\n\
         config:10:3: neither a section nor a key with a value\n\
         hint: write key = value, or put a # before a comment"
    );
    let profiles = Profiles::read(&files, &mut Mistakes::default());
    assert_eq!(value(&profiles, "default", "region"), Some("eu-west-1"));
}

#[test]
fn bytes_that_are_no_text_are_a_mistake_of_their_line() {
    let files = SharedFiles {
        config: Some(SharedFile::new("config", b"# caf\xe9\n[default]\nregion = \xff\n".to_vec())),
        credentials: None,
    };
    assert_eq!(mistakes(&files), "config:3:1: not UTF-8 text\nhint: save the file as UTF-8");
}

#[test]
fn an_excerpt_holds_the_base_and_nothing_that_leads_elsewhere() {
    let profiles = read(&config(
        "[profile \"my dev\"]\nrole_arn = r\nsource_profile = my dev\naws_access_key_id = AKIA\naws_secret_access_key = s\nregion = eu-west-1\n\
         [profile sso]\nsso_session = corp\nsso_start_url = old\nsso_account_id = 1\nsso_role_name = n\n\
         [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = new\n",
    ));
    let excerpt = |name, kind| profiles.excerpt(name, kind).map(|text| text.expose().to_owned());
    assert_eq!(
        excerpt("my dev", BaseKind::Keys).unwrap(),
        "[profile base]\nregion = eu-west-1\naws_access_key_id = AKIA\naws_secret_access_key = s\n"
    );
    assert_eq!(
        excerpt("sso", BaseKind::Sso).unwrap(),
        "[profile base]\nsso_account_id = 1\nsso_role_name = n\nsso_session = corp\n\
         [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = new\n"
    );
    assert_eq!(excerpt("gone", BaseKind::Keys), None);
}

#[test]
fn debug_shows_no_value() {
    let files = config("[default]\naws_secret_access_key = wJalrXUtnFEMI\n");
    let shown = format!("{files:?} {:?}", read(&files));
    assert!(!shown.contains("wJal"), "{shown}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(
        config in prop::collection::vec(any::<u8>(), 0..400),
        credentials in "(\\[|\\]|profile|sso-session|\"|'|=|#|;|\\n|\\r| |\t|a|é){0,120}",
    ) {
        let files = SharedFiles {
            config: Some(SharedFile::new("config", config)),
            credentials: Some(SharedFile::new("credentials", credentials.into_bytes())),
        };
        let mut mistakes = Mistakes::default();
        let profiles = Profiles::read(&files, &mut mistakes);
        for name in profiles.names() {
            prop_assert!(!name.is_empty());
        }
        for mistake in &mistakes {
            prop_assert!(mistake.place.is_some());
        }
    }

    #[test]
    fn what_is_written_is_what_is_read(
        sections in btree_map(
            "[a-z][a-z0-9._@ -]{0,8}[a-z]",
            btree_map("[a-z_]{1,8}", "[!-\"$-:<-~]([ -\"$-:<-~]{0,9}[!-\"$-:<-~])?", 0..4),
            0..4,
        ),
        end in prop_oneof![Just("\n"), Just("\r\n"), Just(" # remark\n"), Just("\n\n; remark\n")],
    ) {
        let mut text = String::new();
        for (name, keys) in &sections {
            write!(text, "[profile '{name}']{end}").unwrap();
            for (key, value) in keys {
                write!(text, "{key} = {value}{end}").unwrap();
            }
        }
        let profiles = read(&config(&text));
        prop_assert!(profiles.names().eq(sections.keys().map(String::as_str)));
        for (name, keys) in &sections {
            for (key, written) in keys {
                prop_assert_eq!(value(&profiles, name, key), Some(written.as_str()));
            }
        }
    }
}
