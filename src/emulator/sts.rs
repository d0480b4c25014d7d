//! One request in, one answer out: script, signature, action, fault, in that order.
//!
//! No socket here; what an answer wants done below HTTP it only says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::action::{Action, Answer as Answering, Call};
use super::caller::Caller;
use super::fault::Fault;
use super::form::Parameters;
use super::ids::request_id;
use super::keys::look_up;
use super::mfa::UsedCodes;
use super::record::{Asked, Record, locked};
use super::refusal::{Code, Refusal};
use super::script::Script;
use super::signature::Signature;
use super::wire::{Delivery, Reply, Request};
use super::xml::Element;
use crate::clock::Clock;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The STS behind all connections.
#[derive(Debug)]
pub(super) struct Sts {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) script: Mutex<Script>,
    pub(super) record: Record,
    used: UsedCodes,
}

/// A reply, and what is to happen to it on its way.
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) delivery: Delivery,
    /// `None`: it is never sent.
    pub(super) after: Option<Duration>,
}

impl Answer {
    pub(super) const fn at_once(reply: Reply) -> Self {
        Self { reply, delivery: Delivery::Whole, after: Some(Duration::ZERO) }
    }
}

impl Sts {
    pub(super) fn new(script: Script, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            script: Mutex::new(script),
            record: Record::new(),
            used: UsedCodes::default(),
        }
    }

    pub(super) fn answer(&self, request: &Request) -> Answer {
        let form = match request.method.as_str() {
            _ if request.path != "/" => {
                return Answer::at_once(Reply::text(404, "<UnknownOperationException/>"));
            }
            "POST" if !request.body.is_empty() => request.body.as_slice(),
            // Some sign a URL for POST and send it bare.
            "POST" | "GET" => request.query.as_bytes(),
            _ => return Answer::at_once(Reply::text(405, "STS is asked by POST, or by GET")),
        };
        let (fault, script) = {
            let mut script = locked(&self.script);
            (script.turn(), script.clone())
        };
        let now = self.clock.now().wall;
        let now = now.saturating_add(script.skew).unwrap_or(now);
        let parameters = Parameters::parse(form);
        let mut asked = parameters.as_ref().map(Asked::of).unwrap_or_default();
        asked.fault = fault;
        let exchange = Exchange { request, script: &script, used: &self.used, fault, now };
        let outcome = parameters.and_then(|parameters| exchange.decide(&parameters, &mut asked));
        asked.refused = outcome.as_ref().err().map(|refusal| refusal.code);
        tracing::debug!(action = asked.action, refused = ?asked.refused, ?fault, "asked");
        self.record.add(asked);
        exchange.answer(outcome)
    }
}

/// What is fixed while one request is answered.
struct Exchange<'a> {
    request: &'a Request,
    script: &'a Script,
    used: &'a UsedCodes,
    fault: Option<Fault>,
    now: Timestamp,
}

impl Exchange<'_> {
    /// The result element of the action, or why there is none.
    fn decide(
        &self,
        parameters: &Parameters,
        asked: &mut Asked,
    ) -> Result<(&'static str, Vec<Element>), Refusal> {
        let signature = Signature::of(self.request);
        if let Ok(signature) = &signature {
            asked.access_key_id = Some(signature.access_key_id.clone());
            asked.region = Some(signature.region().to_owned());
        }
        if let Some(Fault::Error(code)) = self.fault {
            return Err(Refusal::plain(code));
        }
        let action = Action::of(parameters)?;
        let (script, used, now) = (self.script, self.used, self.now);
        let call = Call { parameters, script, used, now };
        let result = match action.answer {
            Answering::Signed(answer) => answer(&call, &self.caller(&signature?)?),
            Answering::Unsigned(answer) => answer(&call),
        };
        result.map(|result| (action.name, result))
    }

    fn caller(&self, signature: &Signature) -> Result<Caller, Refusal> {
        let (id, token) = (&signature.access_key_id, signature.session_token.as_deref());
        let (caller, secret) = look_up(id, token)?;
        signature.check(self.request, &secret, self.now)?;
        match caller.expires() {
            Some(expires) if expires <= self.now => Err(Refusal::plain(Code::ExpiredToken)),
            _ => Ok(caller),
        }
    }

    fn answer(&self, outcome: Result<(&'static str, Vec<Element>), Refusal>) -> Answer {
        let id = request_id().unwrap_or_default();
        let (status, mut document) = match outcome {
            Ok((action, result)) => (200, success(action, result, &id)),
            Err(refusal) => (refusal.code.status(), failure(&refusal, &id)),
        };
        if let Some(fault) = self.fault {
            fault.spoil(&mut document, self.now);
        }
        let mut body = document.render().into_bytes();
        if let Some(fault) = self.fault {
            body = fault.corrupt(body);
        }
        let reply = Reply {
            status,
            fields: vec![
                ("x-amzn-RequestId", id),
                ("Content-Type", "text/xml".to_owned()),
                ("Date", self.date()),
            ],
            body,
        };
        Answer {
            reply,
            delivery: self.fault.map_or(Delivery::Whole, Fault::delivery),
            after: match self.fault {
                Some(Fault::Hang) => None,
                Some(Fault::Delay(span)) => Some(span),
                _ => Some(Duration::ZERO),
            },
        }
    }

    fn date(&self) -> String {
        let date = match self.fault {
            Some(Fault::Date(by)) => self.now.saturating_add(by).unwrap_or(self.now),
            _ => self.now,
        };
        httpdate::fmt_http_date(date.into())
    }
}

fn success(action: &str, result: Vec<Element>, id: &str) -> Element {
    let metadata = Element::of("ResponseMetadata", vec![Element::text("RequestId", id)]);
    let result = Element::of(&format!("{action}Result"), result);
    Element::of(&format!("{action}Response"), vec![result, metadata]).namespace(NAMESPACE)
}

fn failure(refusal: &Refusal, id: &str) -> Element {
    let parts = vec![refusal.element(), Element::text("RequestId", id)];
    Element::of("ErrorResponse", parts).namespace(NAMESPACE)
}
