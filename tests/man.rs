//! The manual pages in `man/` are those of the table of verbs.
//!
//! `MAN=write cargo test --test man` writes them anew.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// What the table of verbs does not know, for the page of the program itself.
const SECTIONS: &[(&str, &[(&str, &str)])] = &[
    (
        "EXIT STATUS",
        &[
            ("0", "All went well."),
            ("64", "The command line was wrong."),
            ("69", "No daemon answers, or credentials were not there in time."),
            ("70", "A bug of ours."),
            ("75", "A human is needed: a code, a login, an assertion, an unlock."),
            ("77", "STS refused, or the daemon does not take orders from this user."),
            ("78", "The settings are wrong."),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            (
                "AWS_PROFILE",
                "The profile that run serves, where neither a flag nor a settings file names one.",
            ),
            (
                "ASSUMED_CONTROL",
                "The control socket, for the daemon and for the verbs that steer it.",
            ),
            (
                "ASSUMED_INSIDE",
                "Set for the commands that the daemon runs; credential-process refuses under it.",
            ),
            ("NO_COLOR", "Without colour, unless it is empty."),
        ],
    ),
    (
        "SIGNALS",
        &[
            ("SIGTERM, SIGINT", "Finish what is in hand, and end; a second one ends at once."),
            ("SIGHUP", "Read the settings again, and open the log file anew."),
            ("SIGUSR1", "Rotate now."),
        ],
    ),
    (
        "FILES",
        &[
            (
                "~/.config/assumed/config.toml, /etc/assumed/config.toml",
                "The settings; none are needed.",
            ),
            ("~/.aws/config, ~/.aws/credentials", "Profiles and base credentials."),
            ("~/.local/state/assumed", "The lock, the token key, and what outlives a restart."),
            (
                "$XDG_RUNTIME_DIR/assumed/control.sock, /run/assumed/control.sock",
                "The control socket.",
            ),
        ],
    ),
];

/// Every page by its name.
fn pages() -> BTreeMap<String, String> {
    let mut command = assumed::cli::command();
    command.build();
    let mut pages = BTreeMap::new();
    let mut own = rendered(&command);
    let mut more = Roff::new();
    for (name, entries) in SECTIONS {
        more.control("SH", [*name]);
        for (term, meaning) in *entries {
            more.control("TP", []);
            more.text([bold(*term)]);
            more.text([roman(*meaning)]);
        }
    }
    own.push_str(&more.render());
    pages.insert("assumed.1".to_owned(), own);
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = format!("assumed-{}", verb.get_name());
        let page = rendered(&verb.clone().name(&*name.clone().leak()));
        pages.insert(format!("{name}.1"), page);
    }
    pages
}

fn rendered(command: &clap::Command) -> String {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page).unwrap();
    String::from_utf8(page).unwrap()
}

#[test]
fn the_pages_are_those_of_the_table_of_verbs() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("man");
    let pages = pages();
    if std::env::var_os("MAN").is_some_and(|word| word == "write") {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in &pages {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let found: BTreeMap<String, String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&pages));
    for (name, text) in &pages {
        assert!(
            found[name] == *text,
            "man/{name} is old; write them anew: MAN=write cargo test --test man"
        );
    }
}

#[test]
fn every_verb_shows_an_example() {
    for verb in assumed::cli::command().get_subcommands() {
        let help = verb.clone().render_long_help().to_string();
        assert!(help.contains("Example: "), "{}:\n{help}", verb.get_name());
    }
}
