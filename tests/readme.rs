//! The quick start of README.md, typed as it is printed there, against the embedded STS.
//!
//! Numbers, times and the home directory may differ; everything else may not.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::client::Client;
use common::program::Home;
use common::stand::{Sts, keys, sessions_of};

const README: &str = include_str!("../README.md");

/// The fenced block under `<!-- NAME -->`.
fn block(name: &str) -> &'static str {
    let (_, rest) = README.split_once(&format!("<!-- {name} -->\n```")).expect(name);
    rest.split_once('\n').unwrap().1.split("```").next().unwrap()
}

/// Each command of a transcript, and the output below it.
fn transcript(block: &str) -> Vec<(&str, String)> {
    let mut steps: Vec<(&str, String)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push((command, String::new())),
            (None, Some((_, output))) => writeln!(output, "{line}").unwrap(),
            (None, None) => panic!("output without a command: {line}"),
        }
    }
    steps
}

/// The output with `#` for each number, so that spans such as `1h 2m` are one `#`.
fn shape(output: &str) -> String {
    let word = |word: &str| {
        if ["arn:", "eu-"].iter().any(|exact| word.starts_with(exact)) {
            return word.to_owned();
        }
        let mut shape = word.split(|c: char| c.is_ascii_digit()).collect::<Vec<_>>().join("#");
        while shape.contains("##") {
            shape = shape.replace("##", "#");
        }
        if ["#h", "#m", "#s", "now"].contains(&shape.as_str()) { "#span".to_owned() } else { shape }
    };
    let line = |line: &str| {
        let mut words: Vec<String> = line.split(' ').map(word).collect();
        words.dedup_by(|next, word| next == word && word == "#span");
        words.join(" ").replace("#span ago", "#span")
    };
    output.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A user's shell, with the README's profile and an STS that answers.
struct Shell {
    home: Home,
    sts: Sts,
}

impl Shell {
    /// Runs one command, and returns all that it prints.
    fn run(&self, command: &str) -> Output {
        let folder = Path::new(env!("CARGO_BIN_EXE_assumed")).parent().unwrap();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let environment = self.home.command(&[]);
        let mut shell = Command::new("sh");
        shell.env_clear().envs(environment.get_envs().filter_map(|(name, v)| Some((name, v?))));
        shell.env("PATH", path).env("AWS_ENDPOINT_URL_STS", self.sts.emulator.endpoint_url());
        shell.args(["-c", &format!("exec 2>&1; {command}")]).stdin(Stdio::null());
        shell.output().unwrap()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.run("assumed stop");
    }
}

#[test]
fn the_quick_start_prints_what_the_readme_shows() {
    let home = Home::new().with_credentials(&keys("me")).with_config(block("profile"));
    assert_eq!(block("profile").lines().count(), 4);
    let shell = Shell { home, sts: Sts::start(sessions_of(3600)) };
    let steps = transcript(block("quick start"));
    assert!(steps.len() >= 3, "{steps:?}");
    let mut printed = String::new();
    for (command, expected) in steps {
        // The port of the README may be taken here.
        let command = command.replace("assumed run ", "assumed run --listen 127.0.0.1:0 ");
        let output = shell.run(&command);
        printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{command}: {printed}");
        let printed = printed.replace(shell.home.path().to_str().unwrap(), "/home/alice");
        assert_eq!(shape(&printed), shape(&expected), "{command}");
    }
    // The last step prints the endpoint, and clients get credentials there.
    let (_, rest) = printed.split_once("http://").unwrap();
    let client = Client::new(rest.split('/').next().unwrap().parse().unwrap());
    assert_eq!(client.credentials().json()["Code"], "Success");
}
