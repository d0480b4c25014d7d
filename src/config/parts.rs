//! The parts that several actions of STS share, each with its limits checked.
//!
//! Whatever is wrong is noted, and `None` given, so that the rest of a call is
//! judged all the same.

use std::path::PathBuf;
use std::time::Duration;

use super::inputs::Caller;
use super::mistake::{Mistake, Mistakes};
use super::role_keys::Keys;
use super::session_name;
use super::setting::Setting;
use super::values::duration;
use crate::environment::Environment;
use crate::role::{Malformed, Partition, SessionName};
use crate::secret::Secret;
use crate::sts::request::{
    CommandLine, Mfa, MfaSerial, Policies, PolicyArn, PolicySource, Tag, TagKey, Tags, TextSource,
    UserSessionDuration,
};

/// The span under a key, within the limits of `T`; the default where it is not set.
pub(super) fn span<T>(key: &str, keys: &Keys<'_>) -> Result<T, Mistake>
where
    T: TryFrom<Duration, Error = Malformed> + Default,
{
    let Some(asked) = keys.get(key) else {
        return Ok(T::default());
    };
    duration(asked.text).and_then(T::try_from).map_err(|wrong| asked.malformed(&wrong))
}

/// How long a command may take.
pub(super) fn process_timeout(keys: &Keys<'_>) -> Result<Option<Duration>, Mistake> {
    let limit = keys.get("credential_process_timeout");
    limit.map(|limit| duration(limit.text).map_err(|wrong| limit.malformed(&wrong))).transpose()
}

/// The role session name, placeholders filled in.
pub(super) fn session_name(keys: &Keys<'_>, caller: &Caller) -> Result<SessionName, Mistake> {
    let template = keys
        .get("role_session_name")
        .unwrap_or(Setting::flag("role_session_name", session_name::DEFAULT));
    session_name::expand(template.text, caller).map_err(|wrong| template.malformed(&wrong))
}

/// `policy` or `policy_file`, and `policy_arns`, for a session in `partition`.
pub(super) fn policies(
    keys: &Keys<'_>,
    partition: Option<Partition>,
    environment: &Environment,
    mistakes: &mut Mistakes,
) -> Option<Policies> {
    let inline = match (keys.get("policy"), keys.get("policy_file")) {
        (Some(_), Some(file)) => Err(beside(file, "policy")),
        (Some(text), None) => text.parse().map(PolicySource::Text).map(Some),
        (None, Some(file)) => path(file, environment).map(PolicySource::File).map(Some),
        (None, None) => Ok(None),
    };
    let inline = mistakes.note(inline);
    let listed = keys.list("policy_arns");
    if let Some(surplus) = listed.get(PolicyArn::MOST) {
        mistakes.push(
            surplus.mistake("more than ten").hint("STS takes ten managed session policies at most"),
        );
    }
    let managed: Vec<Option<PolicyArn>> = listed
        .iter()
        .map(|setting| {
            let arn: PolicyArn = mistakes.note(setting.parse())?;
            mistakes.note(same_partition(setting, arn.partition(), partition))?;
            Some(arn)
        })
        .collect();
    let (inline, managed) = (inline?, managed.into_iter().collect::<Option<Vec<_>>>()?);
    let text = inline.as_ref().and_then(PolicySource::text);
    if let Some(last) = listed.last().copied().or_else(|| keys.get("policy")) {
        mistakes.note(Policies::fit(text, &managed).map_err(|wrong| last.malformed(&wrong)));
    }
    Some(Policies { inline, managed })
}

/// A mistake where the ARN that a setting holds lies in another partition than the role.
pub(super) fn same_partition(
    setting: &Setting<'_>,
    own: Partition,
    roles: Option<Partition>,
) -> Result<(), Mistake> {
    match roles {
        Some(other) if other != own => Err(setting
            .mistake(format!(
                "an ARN of partition {}, but the role belongs to {}",
                own.as_str(),
                other.as_str()
            ))
            .hint("both belong to one partition")),
        _ => Ok(()),
    }
}

/// `tags` and `transitive_tag_keys` (A1).
pub(super) fn tags(keys: &Keys<'_>, mistakes: &mut Mistakes) -> Option<Tags> {
    let pairs = keys.pairs("tags").into_iter();
    let all: Vec<Option<Tag>> = pairs
        .map(|(name, value)| {
            mistakes.note(Tag::new(name, value.text).map_err(|wrong| value.malformed(&wrong)))
        })
        .collect();
    let staying = keys.list("transitive_tag_keys");
    let staying: Vec<Option<TagKey>> =
        staying.iter().map(|key| mistakes.note(key.parse())).collect();
    let all = all.into_iter().collect::<Option<_>>()?;
    let staying = staying.into_iter().collect::<Option<_>>()?;
    let Some(blamed) = keys.get("transitive_tag_keys").or_else(|| keys.get("tags")) else {
        return Some(Tags::default());
    };
    mistakes.note(Tags::new(all, staying).map_err(|wrong| blamed.malformed(&wrong)))
}

/// `mfa_serial` with its companions; `None` too where something is wrong, which is noted.
pub(super) fn mfa(keys: &Keys<'_>, mistakes: &mut Mistakes) -> Option<Mfa> {
    let Some(serial) = keys.get("mfa_serial") else {
        for key in ["mfa_command", "mfa_session"] {
            if let Some(lonely) = keys.get(key) {
                mistakes.push(
                    lonely
                        .mistake("stands without mfa_serial")
                        .hint("add mfa_serial, which names the device"),
                );
            }
        }
        return None;
    };
    let command = command("mfa_command", keys);
    let session: Option<UserSessionDuration> = mistakes.note(span("mfa_session", keys));
    let serial: Option<MfaSerial> = mistakes.note(serial.parse());
    Some(Mfa { serial: serial?, command, session: session? })
}

/// The file under one key or the command under the other.
pub(super) fn text_source<'a>(
    [file_key, command_key]: [&'a str; 2],
    keys: &Keys<'a>,
    environment: &Environment,
) -> Result<Option<TextSource>, Mistake> {
    let command = command(command_key, keys).map(TextSource::Command);
    match (keys.get(file_key), command) {
        (Some(file), Some(_)) => Err(beside(file, command_key)),
        (Some(file), None) => path(file, environment).map(TextSource::File).map(Some),
        (None, command) => Ok(command),
    }
}

fn command(key: &str, keys: &Keys<'_>) -> Option<CommandLine> {
    let line = keys.get(key)?;
    Some(match keys.words(key) {
        Some(words) => CommandLine::Words(words.into_iter().map(Secret::new).collect()),
        None => CommandLine::Line(Secret::new(line.text)),
    })
}

/// From the root or from home: a daemon's working directory is nobody's guess.
pub(super) fn path(setting: Setting<'_>, environment: &Environment) -> Result<PathBuf, Mistake> {
    let path = match (setting.text.strip_prefix("~/"), environment.home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(setting.text),
    };
    if path.is_absolute() {
        return Ok(path);
    }
    Err(setting.mistake("not the whole path of a file").hint("it begins with / or ~/"))
}

fn beside(setting: Setting<'_>, other: &str) -> Mistake {
    setting.mistake(format!("stands beside {other}")).hint("keep one of the two")
}
