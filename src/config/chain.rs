//! From a profile to the calls that give its role: a start, then hops.
//!
//! Follows `source_profile` and `credential_source` as the AWS CLI does. It
//! goes on after a mistake as far as the chain can be seen, and calls nobody.

use super::action::Action;
use super::base::{self, Identity};
use super::draft::Draft;
use super::hop::{self, Hop};
use super::inputs::Caller;
use super::mistake::{Mistake, Mistakes};
use super::profile::{Profiles, Section};
use super::role_keys::Keys;
use super::setting::Setting;
use super::start;
use super::unknown::{unknown_profile, without_source};
use super::{neighbour, values};
use crate::environment::Environment;
use crate::sts::request::{AssumeRole, Base, Start};

/// What a walk looks at.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) profiles: &'a Profiles,
    pub(super) environment: &'a Environment,
    pub(super) caller: &'a Caller,
}

/// Everything that a role's calls are made of.
pub(super) struct Calls {
    pub(super) start: Start,
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
    /// Where somebody else's endpoint is set, which must not be ours.
    pub(super) neighbour: Option<Setting<'a>>,
}

/// Walks from the role that `draft` describes.
pub(super) fn walk<'a>(
    ground: Ground<'a>,
    draft: &Draft<'a>,
    mistakes: &mut Mistakes,
) -> Chain<'a> {
    let mut walk = Walk {
        ground,
        hops: Vec::new(),
        trail: draft.section.map(|section| Step { section, onward: None }).into_iter().collect(),
        neighbour: None,
        mistakes,
    };
    let start = walk.descend(&draft.keys);
    walk.finish(start, draft.name)
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
    neighbour: Option<Setting<'a>>,
    mistakes: &'m mut Mistakes,
}

impl<'a> Walk<'a, '_> {
    fn descend(&mut self, first: &Keys<'a>) -> Option<Start> {
        let mut keys = first.clone();
        let mut is_source = false;
        loop {
            let action = self.mistakes.note(Action::of(&keys))?;
            // A source's own keys come before its role, in the CLI as in the SDKs.
            let stays = is_source && holds_keys(&keys) && !keys.has("action");
            if stays || action == Action::None {
                let section = self.trail.last()?.section;
                return self.base_of(section).map(Start::Base);
            }
            action.check(&keys, self.mistakes);
            self.mistakes.note(neighbour::check_alone(&keys));
            if action != Action::AssumeRole {
                return self.start(action, &keys);
            }
            let Ground { caller, environment, .. } = self.ground;
            self.hops.push(hop::of(&keys, caller, environment, self.mistakes));
            match self.next(&keys)? {
                Next::Base(base) => return Some(base.into()),
                Next::Profile(section) => keys = Keys::of(section),
            }
            is_source = true;
        }
    }

    /// An action that needs no role before it.
    fn start(&mut self, action: Action, keys: &Keys<'a>) -> Option<Start> {
        let Ground { caller, environment, .. } = self.ground;
        match action {
            Action::None | Action::AssumeRole => None,
            Action::WebIdentity => {
                let call = start::web_identity(keys, caller, environment, self.mistakes);
                call.map(Start::WebIdentity)
            }
            Action::Saml => start::saml(keys, environment, self.mistakes).map(Start::Saml),
            Action::SessionToken => {
                let call = start::session_token(keys, self.mistakes);
                Some(Start::Session(self.user(keys)?, call?))
            }
            Action::FederationToken => {
                if let Some(said) = keys.get("action").filter(|_| !self.hops.is_empty()) {
                    self.mistakes.push(
                        said.mistake("a federated user can assume no role")
                            .hint("take the role out, or use get-session-token here"),
                    );
                }
                let call = start::federation_token(keys, environment, self.mistakes);
                Some(Start::Federation(self.user(keys)?, call?))
            }
        }
    }

    /// The keys of an IAM user that sign the two calls which nobody else may make (A6).
    fn user(&mut self, keys: &Keys<'a>) -> Option<Base> {
        let sourced = keys.has("source_profile") || keys.has("credential_source");
        if !sourced && holds_keys(keys) {
            let section = self.trail.last()?.section;
            return self.base_of(section);
        }
        let source = keys.get("source_profile").or_else(|| keys.get("credential_source"));
        let base = match self.next(keys)? {
            Next::Base(base) => base,
            Next::Profile(section) => {
                let own = Keys::of(section);
                if !holds_keys(&own) && Action::of(&own) != Ok(Action::None) {
                    self.mistakes.push(base::no_user(source?));
                    return None;
                }
                self.base_of(section)?
            }
        };
        let Ground { profiles, environment, .. } = self.ground;
        if base::is_temporary(&base, profiles, environment) {
            self.mistakes.push(base::no_user(source?));
        }
        Some(base)
    }

    fn base_of(&mut self, section: &Section) -> Option<Base> {
        let kind = base::kind(section, self.ground.profiles, self.mistakes)?;
        Some(Base::Profile { name: section.name.clone(), kind })
    }

    fn next(&mut self, keys: &Keys<'a>) -> Option<Next<'a>> {
        let step = match (keys.get("source_profile"), keys.get("credential_source")) {
            (Some(source), None) => self.source_profile(source),
            (None, Some(source)) => self.credential_source(source, keys).map(Next::Base),
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

    fn credential_source(&mut self, source: Setting<'a>, keys: &Keys<'a>) -> Result<Base, Mistake> {
        let endpoint = keys.get("credential_source_endpoint");
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
            "Ec2InstanceMetadata" | "EcsContainer" => {
                self.neighbour = endpoint;
                neighbour::base(source, endpoint)
            }
            other => Err(source.mistake("not a credential source").hint(
                match values::nearest(other, ["Environment", "Ec2InstanceMetadata", "EcsContainer"])
                {
                    Some(near) => format!("did you mean {near}?"),
                    None => "without an endpoint of its own it is Environment".to_owned(),
                },
            )),
        }
    }

    fn finish(self, start: Option<Start>, name: Option<&str>) -> Chain<'a> {
        let sections: Vec<&Section> = self.trail.iter().map(|step| step.section).collect();
        let hops: Option<Vec<Hop<'_>>> = self.hops.into_iter().collect();
        let calls = start.zip(hops).and_then(|(start, hops)| {
            hop::check_chaining(&hops, &start, self.mistakes);
            hop::check_mfa(&hops, &start, self.mistakes);
            hop::check_partitions(&hops, self.mistakes);
            let identity = if let Some(served) = hops.first() {
                Identity::of_role(&served.call.role_arn)
            } else {
                let section = sections.first().copied();
                base::identity(&start, name.unwrap_or_default(), section, self.mistakes)?
            };
            let hops = hops.into_iter().rev().map(|hop| hop.call).collect();
            Some(Calls { start, hops, identity })
        });
        Chain { calls, sections, neighbour: self.neighbour }
    }
}

fn holds_keys(keys: &Keys<'_>) -> bool {
    keys.get("aws_access_key_id").is_some() || keys.get("aws_secret_access_key").is_some()
}
