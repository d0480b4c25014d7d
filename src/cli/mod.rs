//! The command line: one table of verbs, from which parsing and `--help` come.
//!
//! Reads arguments, environment and files, hands values to the floors below,
//! and turns what comes back into words and an exit code.

// Doc comments on arguments are help texts, not Markdown.
#![allow(clippy::doc_markdown)]

mod check;
#[cfg(feature = "completions")]
mod completions;
mod conformance;
mod console;
mod demo;
mod detached;
mod doctor;
mod env;
mod exec;
mod give;
mod inputs;
mod link;
mod narrow;
mod orders;
mod outlook;
mod private;
mod reach;
mod roles;
mod run;
mod secret_variables;
#[cfg(feature = "service")]
mod service;
mod shell;
mod status;
mod token;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, CommandFactory, Parser, Subcommand};
use serde_json::json;

use crate::config::{Log, Overrides};
use crate::fatal::{Exit, Fatal};
use crate::log::{self, Logging, Output};
use crate::role::Malformed;

/// Has an AWS role assumed, and serves its credentials where every SDK looks
#[derive(Debug, Parser)]
#[command(name = "assumed", version, disable_help_subcommand = true, max_term_width = 80)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Args)]
struct Globals {
    /// The settings file [default: ~/.config/assumed/config.toml, else /etc/assumed/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the token key and the lock live
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The socket by which a daemon is steered [default: the first that is there]
    #[arg(long, global = true, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Print JSON, errors included
    #[arg(long, global = true)]
    json: bool,
    /// How much is logged: error, warn, info, debug or trace [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// How log lines look: text, json, or journal for fields in systemd's journal [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Log into this file; it is opened anew on SIGHUP [default: standard error]
    #[arg(long, global = true, value_name = "FILE")]
    log_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Run),
    Check(check::Check),
    Status(status::Show),
    Roles(roles::Roles),
    Use(roles::Use),
    Health(status::Health),
    Refresh(orders::Refresh),
    Reload(orders::Reload),
    Stop(orders::Stop),
    Mfa(give::Mfa),
    Saml(give::Saml),
    Login(give::Login),
    Lock(orders::Lock),
    Unlock(orders::Unlock),
    Exec(exec::Exec),
    Env(env::Env),
    CredentialProcess(env::CredentialProcess),
    Console(console::Console),
    Token(token::Token),
    Doctor(doctor::Doctor),
    Link(link::Link),
    #[cfg(feature = "service")]
    Service(service::Service),
    Demo(demo::Demo),
    Conformance(conformance::Conformance),
    #[cfg(feature = "completions")]
    Completions(completions::Completions),
}

/// Runs the program and says how it ended.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && wants_json(&arguments) => {
            return end(&misused(&error), true);
        }
        Err(error) => return usage(&error),
    };
    let json = cli.globals.json;
    carry_out(cli.verb, &cli.globals).unwrap_or_else(|fatal| end(&fatal, json))
}

fn carry_out(verb: Verb, globals: &Globals) -> Result<ExitCode, Fatal> {
    match verb {
        Verb::Run(run) => run::main(run, globals),
        Verb::Check(check) => check::main(check, globals),
        Verb::Status(show) => status::main(&show, globals),
        Verb::Roles(_) => roles::list(globals),
        Verb::Use(order) => roles::activate(&order, globals),
        Verb::Health(health) => status::health(&health, globals),
        Verb::Refresh(refresh) => orders::refresh(&refresh, globals),
        Verb::Reload(_) => orders::reload(globals),
        Verb::Stop(_) => orders::stop(globals),
        Verb::Mfa(mfa) => give::mfa(mfa, globals),
        Verb::Saml(saml) => give::saml(&saml, globals),
        Verb::Login(login) => give::login(&login, globals),
        Verb::Lock(lock) => orders::lock(&lock, globals),
        Verb::Unlock(_) => orders::unlock(globals),
        Verb::Exec(exec) => exec::main(&exec, globals),
        Verb::Env(env) => env::env(&env, globals),
        Verb::Console(console) => console::main(&console, globals),
        Verb::CredentialProcess(order) => env::credential_process(&order, globals),
        Verb::Token(token) => token::main(&token, globals),
        Verb::Doctor(doctor) => doctor::main(&doctor, globals),
        Verb::Link(link) => link::main(&link, globals),
        #[cfg(feature = "service")]
        Verb::Service(service) => service::main(&service, globals),
        Verb::Demo(demo) => demo::main(&demo, globals),
        Verb::Conformance(conformance) => conformance::main(conformance, globals),
        #[cfg(feature = "completions")]
        Verb::Completions(completions) => Ok(completions::main(&completions)),
    }
}

/// The table itself: help, completions and manual pages are made from it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Help and version are no mistakes; the rest is `EX_USAGE`.
fn usage(error: &clap::Error) -> ExitCode {
    // Nobody is left to be told when the terminal is gone.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS }
}

/// What comes after `--` is not for us.
fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

/// The same for programs: the first line is the mistake, a tip the hint.
fn misused(error: &clap::Error) -> Fatal {
    let text = error.render().to_string();
    let lines = || text.lines().map(str::trim);
    let message = lines().next().unwrap_or_default();
    let fatal = Fatal::new(Exit::Usage, message.strip_prefix("error: ").unwrap_or(message));
    fatal.hint(lines().find_map(|line| line.strip_prefix("tip: ")).unwrap_or("--help shows how"))
}

fn end(fatal: &Fatal, json: bool) -> ExitCode {
    let text = if json { as_json(fatal) } else { format!("assumed: {fatal}") };
    let _ = writeln!(io::stderr(), "{text}");
    fatal.exit.into()
}

fn as_json(fatal: &Fatal) -> String {
    let Fatal { exit, message, hint } = fatal;
    json!({"exit": *exit as u8, "message": message, "hint": hint}).to_string()
}

impl Globals {
    /// What these say to the settings; a verb adds its own.
    fn overrides(&self, state_dir: Option<&Path>) -> Overrides {
        Overrides {
            state_dir: state_dir.map(Path::to_owned).or_else(|| self.state_dir.clone()),
            log_level: self.log_level.clone(),
            log_format: self.log_format.clone(),
            log_file: self.log_file.clone(),
            control: self.control.clone(),
            ..Overrides::default()
        }
    }

    /// For verbs without settings.
    fn log(&self) -> Result<Log, Fatal> {
        Ok(Log {
            level: parsed(self.log_level.as_deref())?,
            format: parsed(self.log_format.as_deref())?,
            file: self.log_file.clone(),
        })
    }
}

/// Opens what the log needs, and starts it.
fn start_log(log: &Log) -> Result<Logging, Fatal> {
    Ok(log::start(&Output::open(log).map_err(|error| no_log(&error))?))
}

fn no_log(error: &io::Error) -> Fatal {
    Fatal::new(Exit::Settings, error.to_string())
        .hint("may this user write there? --log-file and --log-format choose another place")
}

fn parsed<T: Default + FromStr<Err = Malformed>>(text: Option<&str>) -> Result<T, Fatal> {
    let wrong = |malformed: Malformed| Fatal::new(Exit::Usage, malformed.to_string());
    text.map_or_else(|| Ok(T::default()), |text| text.parse().map_err(wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_verbs_is_sound() {
        Cli::command().debug_assert();
    }
}
