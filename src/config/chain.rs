//! From a profile to the calls that give its role: a base, then hops.
//!
//! Follows `source_profile` and `credential_source` as the AWS CLI does. It
//! goes on after a mistake as far as the chain can be seen, and calls nobody.

use super::base::{self, Identity};
use super::hop::{self, Hop};
use super::inputs::Caller;
use super::mistake::{Mistake, Mistakes};
use super::profile::{Profiles, Section};
use super::setting::{Keys, Setting};
use super::values::nearest;
use crate::environment::Environment;
use crate::sts::request::{AssumeRole, Base};

/// What a walk looks at.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) profiles: &'a Profiles,
    pub(super) environment: &'a Environment,
    pub(super) caller: &'a Caller,
}

/// Everything that a role's calls are made of.
pub(super) struct Calls {
    pub(super) base: Base,
    /// In the order in which they are made.
    pub(super) hops: Vec<AssumeRole>,
    pub(super) identity: Identity,
}

/// What a walk has seen.
pub(super) struct Chain<'a> {
    /// Absent where a mistake stood in the way.
    pub(super) calls: Option<Calls>,
    /// The profiles on the way, the served one first.
    pub(super) sections: Vec<&'a Section>,
}

/// Walks from the role that is described by `keys`; `section` is its profile, if it has one.
pub(super) fn walk<'a>(
    ground: Ground<'a>,
    section: Option<&'a Section>,
    keys: &Keys<'a>,
    mistakes: &mut Mistakes,
) -> Chain<'a> {
    let mut walk = Walk {
        ground,
        hops: Vec::new(),
        trail: section.map(|section| Step { section, onward: None }).into_iter().collect(),
        mistakes,
    };
    let base = walk.descend(keys);
    walk.finish(base)
}

struct Step<'a> {
    section: &'a Section,
    /// The `source_profile` that leads on from here.
    onward: Option<Setting<'a>>,
}

enum Next<'a> {
    Base(Base),
    Profile(&'a Section),
}

struct Walk<'a, 'm> {
    ground: Ground<'a>,
    /// The role to serve first; `None` where something is wrong with a hop.
    hops: Vec<Option<Hop<'a>>>,
    trail: Vec<Step<'a>>,
    mistakes: &'m mut Mistakes,
}

impl<'a> Walk<'a, '_> {
    fn descend(&mut self, first: &Keys<'a>) -> Option<Base> {
        let mut keys = first.clone();
        let mut is_source = false;
        loop {
            // A source's own keys come before its role, in the CLI as in the SDKs.
            let stays = is_source && holds_keys(&keys);
            if stays || !assumes(&keys) {
                let section = self.trail.last()?.section;
                return self.base_of(section);
            }
            self.hops.push(hop::of(&keys, self.ground.caller, self.mistakes));
            match self.next(&keys)? {
                Next::Base(base) => return Some(base),
                Next::Profile(section) => keys = Keys::of(section),
            }
            is_source = true;
        }
    }

    fn base_of(&mut self, section: &Section) -> Option<Base> {
        let kind = base::kind(section, self.ground.profiles, self.mistakes)?;
        Some(Base::Profile { name: section.name.clone(), kind })
    }

    fn next(&mut self, keys: &Keys<'a>) -> Option<Next<'a>> {
        let step = match (keys.get("source_profile"), keys.get("credential_source")) {
            (Some(source), None) => self.source_profile(source),
            (None, Some(source)) => self.credential_source(source).map(Next::Base),
            (Some(_), Some(source)) => {
                Err(source.mistake("stands beside source_profile").hint("keep one of the two"))
            }
            (None, None) => Err(without_source(keys)),
        };
        self.mistakes.note(step)
    }

    fn source_profile(&mut self, source: Setting<'a>) -> Result<Next<'a>, Mistake> {
        let profiles = self.ground.profiles;
        let section =
            profiles.profile(source.text).ok_or_else(|| unknown_profile(source, profiles))?;
        if let Some(here) = self.trail.last_mut() {
            here.onward = Some(source);
            // Allowed where it means: my own keys.
            if here.section.name == section.name {
                return if holds_keys(&Keys::of(section)) {
                    Ok(Next::Profile(section))
                } else {
                    Err(source
                        .mistake("a profile that is its own source, but holds no keys")
                        .hint("name the profile that holds them"))
                };
            }
        }
        if let Some(start) = self.position(section) {
            return Err(self.never_ending(source, start));
        }
        self.trail.push(Step { section, onward: None });
        Ok(Next::Profile(section))
    }

    fn position(&self, section: &Section) -> Option<usize> {
        self.trail.iter().position(|step| step.section.name == section.name)
    }

    fn never_ending(&self, source: Setting<'a>, start: usize) -> Mistake {
        let round: Vec<String> = self
            .trail
            .iter()
            .skip(start)
            .map(|step| {
                let place = step.onward.and_then(|onward| onward.place);
                place.map_or_else(
                    || step.section.name.clone(),
                    |place| {
                        format!("{} ({}:{})", step.section.name, place.file.display(), place.line)
                    },
                )
            })
            .collect();
        source
            .mistake(format!("a loop of source profiles: {}", round.join(", ")))
            .hint("one of them has to hold credentials of its own")
    }

    fn credential_source(&self, source: Setting<'a>) -> Result<Base, Mistake> {
        match source.text {
            "Environment" => {
                for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
                    if self.ground.environment.get(name).is_none() {
                        return Err(source
                            .mistake(format!("{name} is not set in this environment"))
                            .hint("set it for the daemon, or name a source_profile"));
                    }
                }
                Ok(Base::Environment)
            }
            "Ec2InstanceMetadata" | "EcsContainer" => Err(source
                .mistake("this daemon serves metadata and never asks any for its own credentials")
                .hint("name a source_profile, or use credential_source = Environment")),
            other => Err(source.mistake("not a credential source").hint(
                match nearest(other, ["Environment", "Ec2InstanceMetadata", "EcsContainer"]) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "the one that can be used here is Environment".to_owned(),
                },
            )),
        }
    }

    fn finish(self, base: Option<Base>) -> Chain<'a> {
        let sections: Vec<&Section> = self.trail.iter().map(|step| step.section).collect();
        let hops: Option<Vec<Hop<'_>>> = self.hops.into_iter().collect();
        let calls = base.zip(hops).and_then(|(base, hops)| {
            hop::check_chaining(&hops, &base, self.mistakes);
            hop::check_partitions(&hops, self.mistakes);
            let identity = match (hops.first(), &base) {
                (Some(served), _) => Identity::of_role(&served.call.role_arn),
                (None, Base::Profile { kind, .. }) => {
                    base::identity(sections.first()?, *kind, self.mistakes)?
                }
                (None, Base::Environment) => return None,
            };
            let hops = hops.into_iter().rev().map(|hop| hop.call).collect();
            Some(Calls { base, hops, identity })
        });
        Chain { calls, sections }
    }
}

/// True where the profile is a role of its own; with a web identity it is a base.
fn assumes(keys: &Keys<'_>) -> bool {
    keys.get("role_arn").is_some() && keys.get("web_identity_token_file").is_none()
}

fn holds_keys(keys: &Keys<'_>) -> bool {
    keys.get("aws_access_key_id").is_some() || keys.get("aws_secret_access_key").is_some()
}

fn without_source(keys: &Keys<'_>) -> Mistake {
    let mistake = keys.get("role_arn").map_or_else(
        || Mistake::new("a role without a source"),
        |arn| arn.mistake("a role without a source"),
    );
    for written in keys.names() {
        for known in ["source_profile", "credential_source"] {
            if nearest(written, [known]).is_some()
                && let Some(place) = keys.get(written).and_then(|value| value.place)
            {
                return mistake.hint(format!("line {} may mean {known}", place.line));
            }
        }
    }
    mistake.hint("add source_profile = NAME, or credential_source = Environment")
}

/// The mistake of naming a profile that is not there, with what may have been meant.
pub(super) fn unknown_profile(named: Setting<'_>, profiles: &Profiles) -> Mistake {
    if let Some(misplaced) = profiles.misplaced(named.text) {
        let place = &misplaced.place;
        return named
            .mistake(format!(
                "the section at {}:{} is no profile",
                place.file.display(),
                place.line
            ))
            .hint(misplaced.hint.clone());
    }
    let mistake = named.mistake("there is no such profile");
    if let Some(near) = nearest(named.text, profiles.names()) {
        return mistake.hint(format!("did you mean {near}?"));
    }
    let known: Vec<&str> = profiles.names().collect();
    mistake.hint(if known.is_empty() {
        "there is no profile at all; aws configure makes the first".to_owned()
    } else {
        format!("known ones are {}", known.join(", "))
    })
}
