//! What an attempt fetches before it calls: tokens, assertions and policies, from
//! files that others replace and from commands.
//!
//! Every size is bounded, and no text is ever repeated in a failure.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use super::command::{CommandRunner, Program};
use super::request::{Policies, PolicySource, SessionPolicy, TextSource};
use crate::failure::{Failure, Kind};
use crate::secret::Secret;

/// The longest file that is read: the longest assertion, and some.
const LONGEST_FILE: usize = 128 * 1024;

/// The keys under which a text of this sort is set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub(super) file: &'static str,
    pub(super) command: &'static str,
}

/// The text as it is now, without the blanks around it.
pub(super) async fn text(
    source: &TextSource,
    named: Named,
    runner: CommandRunner<'_>,
) -> Result<Secret, Failure> {
    match source {
        TextSource::File(path) => read(path, named.file),
        TextSource::Command(command) => {
            let program = Program { key: named.command, command, runner, keys_of: None };
            let output = program.output().await?;
            let text = std::str::from_utf8(&output)
                .map_err(|_| program.broken("printed something that is no text"))?;
            Ok(Secret::new(text.trim()))
        }
        TextSource::HandedIn => {
            Err(Failure::new(Kind::NeedsHuman, "a SAML response is waited for").hint(
                "sign in at the identity provider, and hand its response in: assumed saml FILE",
            ))
        }
    }
}

/// The inline policy of a call as it is now, within its limits.
pub(super) fn policy(policies: &Policies) -> Result<Option<Secret>, Failure> {
    match &policies.inline {
        None => Ok(None),
        Some(PolicySource::Text(policy)) => Ok(Some(policy.text().clone())),
        Some(PolicySource::File(path)) => {
            let text = read(path, "policy_file")?;
            let judged = text.expose().parse().and_then(|policy: SessionPolicy| {
                Policies::fit(Some(&policy), &policies.managed).map(|()| policy)
            });
            let policy = judged.map_err(|wrong| {
                Failure::new(
                    Kind::NoBase,
                    format!("policy_file {} is not {}", path.display(), wrong.expected),
                )
                .hint(wrong.why)
            })?;
            Ok(Some(policy.text().clone()))
        }
    }
}

/// Regular files only: a pipe that nobody writes to would hold everything up.
fn read(path: &Path, key: &str) -> Result<Secret, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::new(Kind::NoBase, format!("cannot read {}: {why}", path.display()))
            .hint(format!("{key} names this file; may this user read it?"))
    };
    let found = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if !found.is_file() {
        return Err(failed(&"it is no regular file"));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let most = u64::try_from(LONGEST_FILE + 1).unwrap_or(u64::MAX);
    let file = File::open(path).map_err(|error| failed(&error))?;
    file.take(most).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    if bytes.len() > LONGEST_FILE {
        return Err(failed(&"it is longer than 128 KiB"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| failed(&"it is no UTF-8 text"))?;
    Ok(Secret::new(text.trim().trim_start_matches('\u{feff}')))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NAMED: Named = Named { file: "some_file", command: "some_command" };

    #[tokio::test]
    async fn a_file_is_read_anew_each_time_and_only_so_much_of_it() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("token");
        let source = TextSource::File(path.clone());
        let runner = CommandRunner { starter: None, limit: Duration::from_secs(1) };
        let told = async || text(&source, NAMED, runner).await.map(|text| text.expose().to_owned());
        let gone = told().await.unwrap_err();
        assert!(gone.message.contains("No such file"), "{gone}");
        assert!(gone.hint.unwrap().starts_with("some_file names"));
        std::fs::write(&path, "\u{feff}one\n").unwrap();
        assert_eq!(told().await.unwrap(), "one");
        std::fs::write(&path, " two ").unwrap();
        assert_eq!(told().await.unwrap(), "two");
        for (content, why) in
            [(vec![b'x'; LONGEST_FILE + 1], "longer than 128 KiB"), (vec![0xff], "no UTF-8 text")]
        {
            std::fs::write(&path, content).unwrap();
            assert!(told().await.unwrap_err().message.contains(why));
        }
        let folder = TextSource::File(room.path().to_owned());
        let failure = text(&folder, NAMED, runner).await.unwrap_err();
        assert!(failure.message.ends_with("it is no regular file"), "{failure}");
    }

    #[test]
    fn a_policy_file_is_judged_when_it_is_read_and_never_repeated() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("policy.json");
        let policies =
            Policies { inline: Some(PolicySource::File(path.clone())), ..Policies::default() };
        std::fs::write(&path, "{\"Version\": \"2012-10-17\"}\n").unwrap();
        let text = policy(&policies).unwrap().unwrap();
        assert_eq!(text.expose(), "{\"Version\": \"2012-10-17\"}");
        std::fs::write(&path, "hush").unwrap();
        let failure = policy(&policies).unwrap_err();
        assert!(failure.message.ends_with("policy.json is not a session policy"), "{failure}");
        assert!(!format!("{failure:?}").contains("hush"));
    }
}
