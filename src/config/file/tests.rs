use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::secret::Secret;

const EXAMPLE: &str = include_str!("../../../docs/assumed.example.toml");

fn file(text: &str) -> ConfigFile {
    ConfigFile { path: "config.toml".into(), text: Secret::new(text) }
}

fn read(text: &str) -> (Document, String) {
    let mut mistakes = Mistakes::default();
    let document = Document::read(Some(&file(text)), &mut mistakes);
    mistakes.sort();
    (document, mistakes.to_string())
}

fn mistakes(text: &str) -> String {
    read(text).1
}

#[test]
fn texts_numbers_and_flags_are_found_by_their_path() {
    let (document, told) = read(
        "roles = [\"a\", \"b\"]\nready_timeout = 90\n[imds]\naccount_id = true\nhttp_put_response_hop_limit = 0x02\n\
         [role.\"x.y\"]\nrole_arn = \"r\"\nduration_seconds = \"1h\"\n",
    );
    assert_eq!(told, "");
    let text = |path| document.get(path).map(|setting| setting.text.to_owned());
    assert_eq!(text("ready_timeout").unwrap(), "90");
    assert_eq!(text("imds.account_id").unwrap(), "true");
    assert_eq!(text("imds.http_put_response_hop_limit").unwrap(), "2");
    assert_eq!(text("imds.http_tokens"), None);
    let roles = document.list("roles").iter().filter_map(Item::setting);
    assert!(roles.map(|setting| setting.text).eq(["a", "b"]));
    let (name, item) = document.table("role").unwrap().tables().next().unwrap();
    assert_eq!(name, "x.y");
    let duration = item.table().unwrap().get("duration_seconds").unwrap();
    assert_eq!(duration.place.unwrap().to_string(), "config.toml:8:20");
    assert_eq!(duration.key, "role.x.y.duration_seconds");
}

#[test]
fn set_to_nothing_is_not_set() {
    let (document, told) = read("state_dir = \"\"\n[log]\nfile = \"\"\n");
    assert_eq!(told, "");
    assert!(document.get("state_dir").is_none());
    assert!(document.get("log.file").is_none());
}

/// Each file, and the one mistake in it.
const CASES: &[(&str, &str)] = &[
    (
        "redy_timeout = 3\n",
        "config.toml:1:1: redy_timeout: no such key\nhint: did you mean ready_timeout?",
    ),
    (
        "[imds]\nhttp_token = \"required\"\n",
        "config.toml:2:1: imds.http_token: no such key\nhint: did you mean http_tokens?",
    ),
    (
        "[role.dev]\nrole_anr = \"x\"\n",
        "config.toml:2:1: role.dev.role_anr: no such key\nhint: did you mean role_arn?",
    ),
    (
        "[metadata]\ninstance_typ = \"x\"\n",
        "config.toml:2:1: metadata.instance_typ: no such key\nhint: did you mean instance_type?",
    ),
    (
        "[imds]\nport = 1\n",
        "config.toml:2:1: imds.port: no such key\n\
         hint: known ones here are http_endpoint, http_tokens, http_put_response_hop_limit, hosts, account_id",
    ),
    (
        "[role.dev]\naws_access_key_id = \"AKIA\"\n",
        "config.toml:2:1: role.dev.aws_access_key_id: no such key\n\
         hint: keys do not belong here: put them into a profile, and name it as source_profile",
    ),
    (
        "state_dir = 1\n",
        "config.toml:1:13: state_dir: a number, where a text belongs\n\
         hint: write it as in state_dir = \"/var/lib/assumed\"",
    ),
    (
        "[imds]\naccount_id = \"true\"\n",
        "config.toml:2:14: imds.account_id: a text, where true or false belongs\n\
         hint: write it as in account_id = false",
    ),
    (
        "[imds]\nhttp_put_response_hop_limit = \"1\"\n",
        "config.toml:2:31: imds.http_put_response_hop_limit: a text, where a number belongs\n\
         hint: write it as in http_put_response_hop_limit = 1",
    ),
    (
        "[imds]\nhttp_put_response_hop_limit = 65\n",
        "config.toml:2:31: imds.http_put_response_hop_limit: out of range\n\
         hint: write a number from 1 to 64",
    ),
    (
        "[imds]\nhttp_tokens = \"require\"\n",
        "config.toml:2:15: imds.http_tokens: not one of the choices\n\
         hint: did you mean \"required\"?",
    ),
    (
        "[log]\nlevel = \"loud\"\n",
        "config.toml:2:9: log.level: not one of the choices\n\
         hint: known ones are error, warn, info, debug, trace",
    ),
    (
        "ready_timeout = \"soon\"\n",
        "config.toml:1:17: ready_timeout: not a duration\n\
         hint: write whole seconds, or 90s, 15m, 1h",
    ),
    (
        "ready_timeout = -1\n",
        "config.toml:1:17: ready_timeout: not a duration\n\
         hint: write whole seconds, or 90s, 15m, 1h",
    ),
    (
        "ready_timeout = 1.5\n",
        "config.toml:1:17: ready_timeout: a number, where a duration belongs\n\
         hint: write it as in ready_timeout = \"30s\"",
    ),
    (
        "roles = \"dev\"\n",
        "config.toml:1:9: roles: a text, where a list belongs\nhint: write roles = [ … ]",
    ),
    (
        "roles = [1]\n",
        "config.toml:1:10: roles: a number, where a text belongs\n\
         hint: write it as in roles = \"dev\"",
    ),
    (
        "imds = true\n",
        "config.toml:1:8: imds: true or false, where a table belongs\n\
         hint: write [imds] on a line of its own",
    ),
    (
        "listen = [\"1338\"]\n",
        "config.toml:1:11: listen: not an address to listen on\n\
         hint: it looks like 127.0.0.1:1338 or [::1]:1338",
    ),
    (
        "[[listen]]\naddress = \"[::1]:80\"\nallow_from = [\"docker0\"]\n",
        "config.toml:3:15: listen.allow_from: not a network\n\
         hint: it looks like 172.17.0.0/16 or fd00::/8",
    ),
    (
        "max_in_flight = 0\n",
        "config.toml:1:17: max_in_flight: out of range\n\
         hint: write a number from 1 to 64",
    ),
    (
        "[[access]]\nuid = -1\n",
        "config.toml:2:7: access.uid: out of range\n\
         hint: write a number from 0 to 4294967295",
    ),
];

#[test]
fn each_mistake_is_named_with_line_column_key_and_what_to_do() {
    for (text, expected) in CASES {
        assert_eq!(mistakes(text), *expected, "{text}");
    }
}

#[test]
fn bad_syntax_is_named_by_line_and_the_rest_still_judged() {
    assert_eq!(
        mistakes("state_dir = \nready_timeout = \"soon\"\n[imds\n[log]\nlevl = 1\n"),
        "config.toml:1:13: string values must be quoted, expected literal string\n\
         hint: this file is TOML: key = \"text\", or [section]\n\
         config.toml:2:17: ready_timeout: not a duration\n\
         hint: write whole seconds, or 90s, 15m, 1h\n\
         config.toml:3:6: unclosed table, expected `]`\n\
         hint: this file is TOML: key = \"text\", or [section]\n\
         config.toml:5:1: log.levl: no such key\n\
         hint: did you mean level?"
    );
}

#[test]
fn what_comes_twice_is_a_mistake() {
    let told = mistakes("state_dir = \"a\"\nstate_dir = \"b\"\n");
    assert_eq!(
        told,
        "config.toml:2:1: duplicate key\nhint: this file is TOML: key = \"text\", or [section]"
    );
}

#[test]
fn no_mistake_quotes_a_value() {
    let secret = "wJalrXUtnFEMI";
    for text in [
        format!("x = \"{secret}\"\n"),
        format!("state_dir = {secret}\n"),
        format!("state_dir = \"{secret}\n"),
        format!("ready_timeout = \"{secret}\"\n"),
        format!("listen = [\"{secret}\"]\n"),
        format!("[imds]\nhttp_tokens = \"{secret}\"\naccount_id = {secret}\n"),
        format!("{secret}\n"),
        format!("roles = [ {secret} ]\n"),
        format!("state_dir = \"\"\"{secret}\n"),
        format!("state_dir = \"\\{secret}\"\n"),
    ] {
        let told = mistakes(&text);
        assert!(!told.is_empty() && !told.contains("wJal"), "{text}{told}");
    }
}

#[test]
fn the_example_is_in_order_even_with_every_comment_made_a_setting() {
    assert_eq!(mistakes(EXAMPLE), "");
    let all: String = EXAMPLE
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(mistakes(&all), "");
    assert_ne!(all, EXAMPLE);
}

fn is_setting(line: &str) -> bool {
    line.split_once(" = ")
        .is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
}

#[test]
fn the_example_shows_every_key() {
    let mut section = String::new();
    let mut shown = BTreeSet::new();
    for line in EXAMPLE.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).replace("role.dev", "role.*");
            section += if line.starts_with("[[") { "[]" } else { "" };
        }
        let line = line.strip_prefix("# ").unwrap_or(line);
        if is_setting(line) {
            let key = line.split(" = ").next().unwrap_or_default();
            shown.insert(keys::join(&section, key));
        }
    }
    for key in KEYS {
        let path = key.path.trim_end_matches("[]").trim_end_matches(".*");
        let inline = path.strip_prefix("listen[].").is_some_and(|key| EXAMPLE.contains(key));
        let leaf = key.kind == Kind::Leaf;
        assert!(inline || leaf || shown.contains(path), "{path} is not in the example");
    }
}

#[test]
fn every_example_of_the_table_is_of_its_kind() {
    for key in KEYS {
        let path = key.path.replace("role.*", "role.x").replace('*', "instance_id");
        let text = match path.split_once("[].") {
            Some((list, name)) => match name.strip_suffix("[]") {
                Some(name) => format!("{list} = [{{ {name} = [{}] }}]", key.example),
                None => format!("{list} = [{{ {name} = {} }}]", key.example),
            },
            None => match path.strip_suffix("[]") {
                Some(path) => format!("{path} = [{}]", key.example),
                None => format!("{path} = {}", key.example),
            },
        };
        assert_eq!(mistakes(&text), "", "{text}");
        assert!(!key.meaning.is_empty() && !key.default.is_empty(), "{path}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in any::<String>(), more in
        "(roles|listen|role|imds|metadata|sts|log|access|\\.|=|\\[|\\]|\\{|\\}|\"|'|1|true|,|\n| |é){0,80}"
    ) {
        for text in [text, more] {
            let mut mistakes = Mistakes::default();
            Document::read(Some(&file(&text)), &mut mistakes);
            for mistake in &mistakes {
                prop_assert!(mistake.place.is_some());
                prop_assert!(mistake.hint.is_some());
            }
        }
    }
}
