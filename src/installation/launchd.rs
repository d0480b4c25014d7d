//! The same plans for macOS: property lists instead of units, and `launchctl`.
//!
//! launchd has no order of jobs and no account of ours: the list of the link
//! loads that of the daemon, which runs as a developer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::plan::settled;
use super::removal::STATE;
use super::step::{Order, Step};
use super::{Scope, Seal, UnitState, Wish};

/// Where the shipped lists expect the program.
const PROGRAM: &str = "/usr/local/bin/assumed";
const LINK: &str = "/Library/LaunchDaemons/assumed.link.plist";
const DAEMON: &str = "/etc/assumed/assumed.daemon.plist";
/// Where the link remembers what it added.
const MEMORY: &str = "/var/db/assumed";

/// What a plan has to know about a Mac.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mac {
    /// This program, absolute.
    pub program: PathBuf,
    /// Whom the daemon runs as.
    pub user: String,
    /// That user's number.
    pub uid: u32,
    /// That user's home.
    pub home: PathBuf,
    /// What is in the files at our places, as far as they are there.
    pub texts: BTreeMap<PathBuf, String>,
    /// How our jobs stand, that of the daemon last.
    pub jobs: Vec<UnitState>,
}

/// Our jobs by label, in the order in which they are loaded.
#[must_use]
pub const fn labels(scope: &Scope) -> &'static [&'static str] {
    if scope.is_user() { &["assumed.agent"] } else { &["assumed.link", "assumed.daemon"] }
}

/// Where launchd keeps the jobs of this scope.
#[must_use]
pub fn domain(scope: &Scope, uid: u32) -> String {
    if scope.is_user() { format!("gui/{uid}") } else { "system".to_owned() }
}

/// Where the daemon's lines go.
#[must_use]
pub fn log(home: &Path) -> PathBuf {
    home.join("Library/Logs/assumed.log")
}

/// Every place that may have a file of ours.
#[must_use]
pub fn lists(scope: &Scope, home: &Path) -> Vec<PathBuf> {
    shipped(scope, home).into_iter().map(|(path, _)| path).collect()
}

/// What `launchctl print` says of a job; nothing where it is not loaded.
#[must_use]
pub fn job(label: &str, print: Option<&str>) -> UnitState {
    let name = label.to_owned();
    let Some(print) = print else {
        let (load, active) = ("not-found".to_owned(), "inactive".to_owned());
        return UnitState { name, load, active, ..UnitState::default() };
    };
    let says = |key: &str| {
        let lines = print.lines().filter_map(|line| line.trim().split_once(" = "));
        lines.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
    };
    let state = says("state").unwrap_or_default();
    let active = if state == "running" { "active" } else { "inactive" };
    UnitState {
        name,
        load: "loaded".to_owned(),
        active: active.to_owned(),
        sub: state,
        enabled: "enabled".to_owned(),
        file: says("path").map(PathBuf::from),
        status: None,
        exit: says("last exit code").and_then(|code| code.parse().ok()),
    }
}

/// From a Mac as it is to a daemon that serves.
#[must_use]
pub fn install(wish: &Wish, mac: &Mac) -> Vec<Step> {
    let scope = &wish.scope;
    let mut steps: Vec<Step> = shipped(scope, &mac.home)
        .into_iter()
        .map(|(path, text)| settled(path, &rendered(text, wish, mac), &mac.texts))
        .collect();
    let changed = steps.iter().any(Step::changes);
    if mac.jobs.iter().all(UnitState::is_there) && !changed {
        steps.push(Step::Already { what: format!("{} loaded", labels(scope).join(" ")) });
        return steps;
    }
    // A list is read when it is loaded, and never again.
    steps.extend(unload(scope, mac));
    let domain = domain(scope, mac.uid);
    // The link's list loads the daemon's.
    if let (Some(label), Some(path)) = (labels(scope).first(), lists(scope, &mac.home).first()) {
        let path = path.display().to_string();
        steps.push(launchctl("enable", vec![format!("{domain}/{label}")]));
        steps.push(launchctl("bootstrap", vec![domain, path]));
    }
    steps
}

/// And back: what an installation wrote goes, and nothing else.
#[must_use]
pub fn uninstall(scope: &Scope, mac: &Mac) -> Vec<Step> {
    let ours = lists(scope, &mac.home).into_iter().filter_map(|path| {
        let seal = Seal::of(mac.texts.get(&path)?);
        Some((path, seal))
    });
    let files: Vec<Step> = ours
        .filter_map(|(path, seal)| match seal {
            Seal::Ours => Some(Step::Remove { path }),
            Seal::Changed => {
                let why = "it was changed since; remove it yourself".to_owned();
                Some(Step::Keep { path, why })
            }
            Seal::Foreign => None,
        })
        .collect();
    let mut steps = unload(scope, mac);
    if steps.is_empty() && files.is_empty() {
        return vec![Step::Already { what: "nothing of ours is installed".to_owned() }];
    }
    if !scope.is_user() {
        let words = ["--state-dir", MEMORY, "link", "down"].map(str::to_owned).to_vec();
        let program = mac.program.display().to_string();
        steps.push(Step::Run(Order::new(program, words).may_fail()));
        steps.push(Step::Clear { folder: MEMORY.into(), names: vec!["link".to_owned()] });
    }
    steps.extend(files);
    let folder = mac.home.join(".local/state/assumed");
    steps.push(Step::Clear { folder, names: STATE.map(str::to_owned).to_vec() });
    steps
}

fn unload(scope: &Scope, mac: &Mac) -> Vec<Step> {
    let domain = domain(scope, mac.uid);
    let loaded = mac.jobs.iter().filter(|job| job.is_there()).rev();
    loaded.map(|job| launchctl("bootout", vec![format!("{domain}/{}", job.name)])).collect()
}

fn launchctl(verb: &str, words: Vec<String>) -> Step {
    let words = [vec![verb.to_owned()], words].concat();
    Step::Run(Order::new("launchctl", words))
}

fn shipped(scope: &Scope, home: &Path) -> Vec<(PathBuf, &'static str)> {
    if scope.is_user() {
        let path = home.join("Library/LaunchAgents/assumed.agent.plist");
        return vec![(path, include_str!("../../launchd/assumed.agent.plist"))];
    }
    vec![
        (LINK.into(), include_str!("../../launchd/assumed.link.plist")),
        (DAEMON.into(), include_str!("../../launchd/assumed.daemon.plist")),
    ]
}

/// A shipped list for this program, user, home and choice.
fn rendered(text: &str, wish: &Wish, mac: &Mac) -> String {
    let path = wish.variables.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path);
    let mut lines: Vec<String> = Vec::new();
    let mut before = "";
    for line in text.lines() {
        let (indent, bare) = line.split_at(line.len() - line.trim_start().len());
        lines.push(match path {
            Some(path) if before == "<key>PATH</key>" => format!("{indent}{}", string(path)),
            _ if bare.starts_with("<string>") => replaced(line, mac),
            _ => line.to_owned(),
        });
        let more = match bare {
            "<string>run</string>" => flags(wish),
            "<dict>" if before == "<key>EnvironmentVariables</key>" => variables(wish),
            _ => Vec::new(),
        };
        lines.extend(more.into_iter().map(|line| format!("{indent}{line}")));
        before = bare;
    }
    lines.join("\n") + "\n"
}

fn replaced(line: &str, mac: &Mac) -> String {
    let text = |path: &Path| escaped(&path.display().to_string());
    let user = format!(">{}<", escaped(&mac.user));
    line.replace(PROGRAM, &text(&mac.program))
        .replace("/Users/USER", &text(&mac.home))
        .replace(">USER<", &user)
}

fn flags(wish: &Wish) -> Vec<String> {
    let config = wish.config.as_ref().map(|path| path.display().to_string());
    let flags = [("--config", config), ("--profile", wish.profile.clone())];
    let given = flags.into_iter().filter_map(|(flag, value)| Some([flag.to_owned(), value?]));
    given.flatten().map(|word| string(&word)).collect()
}

fn variables(wish: &Wish) -> Vec<String> {
    let variables = wish.variables.iter().filter(|(name, _)| name != "PATH");
    let pair = |(name, value): &(String, String)| {
        [format!("\t<key>{}</key>", escaped(name)), format!("\t{}", string(value))]
    };
    variables.flat_map(pair).collect()
}

fn string(text: &str) -> String {
    format!("<string>{}</string>", escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(scope: &Scope) -> Mac {
        Mac {
            program: "/opt/homebrew/bin/assumed".into(),
            user: "alice".into(),
            uid: 501,
            home: "/Users/alice".into(),
            texts: BTreeMap::new(),
            jobs: labels(scope).iter().map(|label| job(label, None)).collect(),
        }
    }

    fn wish(scope: Scope) -> Wish {
        let variables = [("HTTPS_PROXY", "http://proxy/?a&b"), ("PATH", "/opt/bin:/bin")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Wish { scope, profile: Some("dev".into()), config: None, variables: variables.to_vec() }
    }

    fn told(steps: &[Step]) -> Vec<String> {
        steps.iter().map(ToString::to_string).collect()
    }

    /// The Mac after all of this is done.
    fn after(mut mac: Mac, steps: &[Step]) -> Mac {
        for step in steps {
            if let Step::Write { path, text } = step {
                mac.texts.insert(path.clone(), text.clone());
            }
        }
        let print = "x = {\n\tpath = /a\n\tstate = running\n\tlast exit code = 0\n}";
        mac.jobs = mac.jobs.iter().map(|it| job(&it.name, Some(print))).collect();
        mac
    }

    #[test]
    fn a_login_gets_an_agent_that_sees_what_its_shell_saw() {
        let steps = install(&wish(Scope::User), &mac(&Scope::User));
        let path = "/Users/alice/Library/LaunchAgents/assumed.agent.plist";
        let expected = [
            format!("write    {path}"),
            "run      launchctl enable gui/501/assumed.agent".to_owned(),
            format!("run      launchctl bootstrap gui/501 {path}"),
        ];
        assert_eq!(told(&steps), expected);
        let Some(Step::Write { text, .. }) = steps.first() else { panic!("{steps:?}") };
        for part in [
            "<string>/opt/homebrew/bin/assumed</string>\n\t\t<string>run</string>\n\t\t<string>--profile</string>\n\t\t<string>dev</string>\n\t</array>",
            "\t<dict>\n\t\t<key>HTTPS_PROXY</key>\n\t\t<string>http://proxy/?a&amp;b</string>\n",
            "<key>PATH</key>\n\t\t<string>/opt/bin:/bin</string>\n",
            "<string>/Users/alice/Library/Logs/assumed.log</string>",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("<string>/Users/USER"), "{text}");
    }

    #[test]
    fn a_developer_gets_a_daemon_that_the_link_loads() {
        let scope = Scope::Developer("alice".into());
        let steps = install(&wish(scope.clone()), &mac(&scope));
        let told = told(&steps);
        assert_eq!(told[0], format!("write    {LINK}"));
        assert_eq!(told[1], format!("write    {DAEMON}"));
        assert_eq!(told.last().unwrap(), &format!("run      launchctl bootstrap system {LINK}"));
        let Step::Write { text, .. } = &steps[1] else { panic!("{steps:?}") };
        assert!(text.contains("<key>UserName</key>\n\t<string>alice</string>"), "{text}");
    }

    #[test]
    fn twice_is_once_and_back_is_all_the_way() {
        for scope in [Scope::User, Scope::Developer("alice".into())] {
            let steps = install(&wish(scope.clone()), &mac(&scope));
            let there = after(mac(&scope), &steps);
            let again = install(&wish(scope.clone()), &there);
            assert!(!again.iter().any(Step::changes), "{again:?}");
            let back = uninstall(&scope, &there);
            for path in there.texts.keys() {
                assert!(back.contains(&Step::Remove { path: path.clone() }), "{back:?}");
            }
            let orders = told(&back).into_iter().filter(|step| step.contains("bootout")).count();
            assert_eq!(orders, labels(&scope).len());
            assert!(!uninstall(&scope, &mac(&scope)).iter().any(Step::changes));
        }
    }

    #[test]
    fn a_changed_list_is_loaded_anew() {
        let there = after(mac(&Scope::User), &install(&wish(Scope::User), &mac(&Scope::User)));
        let other = Wish { profile: Some("prod".into()), ..wish(Scope::User) };
        let told = told(&install(&other, &there));
        assert!(told[1].ends_with("bootout gui/501/assumed.agent"), "{told:?}");
        assert!(told[3].contains("bootstrap"), "{told:?}");
    }

    #[test]
    fn a_job_is_read_as_launchctl_prints_it() {
        let print = "gui/501/assumed.agent = {\n\tactive count = 0\n\tpath = /a/b.plist\n\tstate = not running\n\n\tlast exit code = 78\n}\n";
        let job = job("assumed.agent", Some(print));
        assert!(job.is_there() && !job.is_active());
        assert_eq!((job.sub.as_str(), job.exit), ("not running", Some(78)));
        assert_eq!(job.file, Some("/a/b.plist".into()));
    }
}
