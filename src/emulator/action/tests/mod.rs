//! Each action by its call, without a socket and without a signature.

mod assume_role;
mod identity;
mod user;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::emulator::caller::{Holder, Session};
use crate::emulator::form::encoded;
use crate::emulator::keys::look_up;
use crate::emulator::mfa::UsedCodes;
use crate::emulator::script::{Role, Script, Trust};

const ARN: &str = "arn:aws:iam::210987654321:role/team/deploy";

/// A call by the demo user, with what is usual unless `given` says otherwise.
struct Given {
    action: &'static str,
    caller: Caller,
    script: Script,
    used: UsedCodes,
    parameters: BTreeMap<String, String>,
}

fn given(action: &'static str, usual: &[(&str, &str)], parameters: &[(&str, &str)]) -> Given {
    let all = [("Action", action), ("Version", VERSION)];
    let all = all.iter().chain(usual).chain(parameters);
    Given {
        action,
        caller: Caller::User,
        script: Script::default(),
        used: UsedCodes::default(),
        parameters: all.map(|(name, value)| ((*name).into(), (*value).into())).collect(),
    }
}

impl Given {
    fn role(mut self, role: Role) -> Self {
        self.script.roles.known.insert(ARN.into(), role);
        self
    }

    fn trust(self, trust: Trust) -> Self {
        self.role(Role { trust, ..Role::default() })
    }

    fn by(mut self, holder: Holder) -> Self {
        self.caller = Caller::Session(Session { holder, expires: Timestamp::MAX });
        self
    }

    fn result(&self) -> Outcome {
        let form: Vec<_> =
            self.parameters.iter().map(|(n, v)| format!("{n}={}", encoded(v))).collect();
        let parameters = Parameters::parse(form.join("&").as_bytes()).unwrap();
        let call =
            Call { parameters: &parameters, script: &self.script, used: &self.used, now: now() };
        let action = Action::of(&parameters)?;
        assert_eq!(action.name, self.action);
        match action.answer {
            Answer::Signed(answer) => answer(&call, &self.caller),
            Answer::Unsigned(answer) => answer(&call),
        }
    }

    fn answer(&self) -> Result<String, (Code, String)> {
        self.result()
            .map(|result| Element::of("Result", result).render())
            .map_err(|refusal| (refusal.code, refusal.message))
    }

    fn refused(&self) -> (Code, String) {
        self.answer().unwrap_err()
    }

    /// Who holds what was issued, as a session token would say it.
    fn holder(&self) -> Holder {
        let xml = self.answer().unwrap();
        let (id, token) = (text(&xml, "AccessKeyId"), text(&xml, "SessionToken"));
        match look_up(id, Some(token)).unwrap().0 {
            Caller::Session(session) => session.holder,
            Caller::User => unreachable!("issued keys have a session"),
        }
    }
}

fn now() -> Timestamp {
    "2026-11-25T08:00:00.9Z".parse().unwrap()
}

fn text<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("{name}: {xml}"));
    rest.split_once(&format!("</{name}>")).unwrap().0
}
