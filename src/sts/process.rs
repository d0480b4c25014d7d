//! `credential_process`: a program prints the credentials, as JSON.

use aws_credential_types::Credentials as Signer;
use jiff::Timestamp;
use serde_json::Value;

use super::command::{CommandRunner, Program};
use super::request::CommandLine;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::secret::Secret;

const KEY: &str = "credential_process";

/// Runs the command line and reads what it prints. It gets the AWS keys of `environment`, as
/// the AWS CLI would hand them on.
pub(super) async fn credentials(
    line: &str,
    runner: CommandRunner<'_>,
    environment: &Environment,
) -> Result<Signer, Failure> {
    let command = CommandLine::Line(Secret::new(line));
    let program = Program { key: KEY, command: &command, runner, keys_of: Some(environment) };
    parse(&program.output().await?, program)
}

pub(super) fn parse(text: &[u8], program: Program<'_>) -> Result<Signer, Failure> {
    let garbage = |what: &str| {
        program.broken(format!("printed {what}"))
            .hint("it prints a JSON object with Version 1, AccessKeyId, SecretAccessKey, SessionToken and Expiration")
    };
    let Ok(Value::Object(object)) = serde_json::from_slice(text) else {
        return Err(garbage("something that is no JSON object"));
    };
    if object.get("Version").and_then(Value::as_u64) != Some(1) {
        return Err(garbage("a Version other than 1"));
    }
    let field =
        |name: &str| object.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
    let need = |name: &str| field(name).ok_or_else(|| garbage(&format!("no {name}")));
    let mut signer = Signer::builder()
        .access_key_id(need("AccessKeyId")?)
        .secret_access_key(need("SecretAccessKey")?)
        .provider_name("Process");
    signer.set_session_token(field("SessionToken").map(str::to_owned));
    signer.set_account_id(field("AccountId").map(Into::into));
    if let Some(text) = field("Expiration") {
        let expiration: Timestamp =
            text.parse().map_err(|_| garbage("an Expiration that is no time"))?;
        signer.set_expiry(Some(expiration.into()));
    }
    Ok(signer.build())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sys::command_helper::CommandHelper;

    const LIMIT: Duration = Duration::from_mins(1);

    async fn of(line: &str) -> Result<Signer, Failure> {
        let helper = CommandHelper::in_thread().unwrap();
        let runner = CommandRunner { starter: Some(&helper), limit: LIMIT };
        credentials(line, runner, &Environment::default()).await
    }

    #[tokio::test]
    async fn what_it_prints_is_taken() {
        let line = r#"echo '{"Version": 1, "AccessKeyId": "ASIA", "SecretAccessKey": "k",
            "SessionToken": "t", "Expiration": "2026-07-01T00:00:00Z", "AccountId": "123456789012"}'"#;
        let signer = of(line).await.unwrap();
        assert_eq!(signer.access_key_id(), "ASIA");
        assert_eq!(signer.session_token(), Some("t"));
        assert_eq!(signer.account_id().unwrap().as_str(), "123456789012");
        let expiration: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
        assert_eq!(signer.expiry(), Some(expiration.into()));
    }

    #[tokio::test]
    async fn garbage_is_not_repeated() {
        let failure = of("echo secret garbage").await.unwrap_err();
        assert_eq!(failure.message, "credential_process printed something that is no JSON object");
    }

    #[test]
    fn an_incomplete_answer_is_no_answer() {
        let command = CommandLine::Line(Secret::new("x"));
        let runner = CommandRunner { starter: None, limit: LIMIT };
        let program = Program { key: KEY, command: &command, runner, keys_of: None };
        let parsed = |text: &str| {
            parse(text.as_bytes(), program).map(drop).map_err(|failure| failure.message)
        };
        let said = |what: &str| Err(format!("credential_process printed {what}"));
        assert_eq!(parsed("[1]"), said("something that is no JSON object"));
        assert_eq!(parsed(r#"{"Version": 2}"#), said("a Version other than 1"));
        assert_eq!(parsed(r#"{"Version": 1, "AccessKeyId": ""}"#), said("no AccessKeyId"));
        assert_eq!(parsed(r#"{"Version": 1, "AccessKeyId": "A"}"#), said("no SecretAccessKey"));
        let soon =
            r#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "k", "Expiration": "soon"}"#;
        assert_eq!(parsed(soon), said("an Expiration that is no time"));
    }
}
