//! What can be made to go wrong, by name.
//!
//! A fault replaces a reply, spoils one that would have been good, or hinders
//! it on its way. Which request it meets is for the script to say.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::iso;
use super::refusal::Code;
use super::wire::Delivery;
use super::xml::{Content, Element};

const NESTING: usize = 1 << 17;

/// One fault, for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This code with its status, whatever was asked: `Throttling`, `InternalFailure`.
    Error(Code),
    /// Read the request and never answer it: `hang`.
    Hang,
    /// Answer well, but late: `delay=2s`.
    Delay(Duration),
    /// Reset the connection in the middle of the body: `reset`.
    Reset,
    /// Close the connection in the middle of the body: `cut`.
    Cut,
    /// Half of the XML, well framed by HTTP: `truncated`.
    Truncated,
    /// A DTD that grows without bound in a naive parser: `entity-bomb`.
    EntityBomb,
    /// A megabyte of elements, each inside the last: `nested`.
    Nested,
    /// The right parts in the wrong document: `wrong-root`.
    WrongRoot,
    /// Credentials without a secret key and an expiration: `missing-fields`.
    MissingFields,
    /// Bytes that are no text: `garbage`.
    Garbage,
    /// Credentials whose three parts are empty: `empty`.
    Empty,
    /// Credentials that ended a minute ago: `expired`.
    Expired,
    /// A `Date` field that is off by this much, and nothing else: `date=-20m`.
    Date(SignedDuration),
}

/// A name that no fault has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "no such fault; there are {}, delay=SPAN, date=SPAN and the error codes of STS",
    PLAIN.map(|(name, _)| name).join(", ")
)]
pub struct UnknownFault;

const PLAIN: [(&str, Fault); 11] = [
    ("hang", Fault::Hang),
    ("reset", Fault::Reset),
    ("cut", Fault::Cut),
    ("truncated", Fault::Truncated),
    ("entity-bomb", Fault::EntityBomb),
    ("nested", Fault::Nested),
    ("wrong-root", Fault::WrongRoot),
    ("missing-fields", Fault::MissingFields),
    ("garbage", Fault::Garbage),
    ("empty", Fault::Empty),
    ("expired", Fault::Expired),
];

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        if let Some((_, fault)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Ok(*fault);
        }
        match text.split_once('=') {
            None => text.parse().map(Self::Error).map_err(|()| UnknownFault),
            Some(("delay", span)) => span
                .parse::<SignedDuration>()
                .ok()
                .and_then(|span| Duration::try_from(span).ok())
                .map(Self::Delay)
                .ok_or(UnknownFault),
            Some(("date", span)) => span.parse().map(Self::Date).map_err(|_| UnknownFault),
            Some(_) => Err(UnknownFault),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(code) => code.fmt(f),
            Self::Delay(span) => write!(f, "delay={:#}", span_of(*span)),
            Self::Date(span) => write!(f, "date={span:#}"),
            plain => {
                let found = PLAIN.iter().find(|(_, fault)| fault == plain);
                f.write_str(found.map_or("", |(name, _)| name))
            }
        }
    }
}

fn span_of(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}

impl Fault {
    /// Spoils a good reply before it is written down.
    pub(super) fn spoil(self, reply: &mut Element, now: Timestamp) {
        match self {
            Self::WrongRoot => "html".clone_into(&mut reply.name),
            Self::MissingFields => reply.each(&mut |e| {
                if let Content::Elements(parts) = &mut e.content {
                    parts.retain(|p| !["SecretAccessKey", "Expiration"].contains(&&*p.name));
                }
            }),
            Self::Empty => set(reply, &["AccessKeyId", "SecretAccessKey", "SessionToken"], ""),
            Self::Expired => {
                let past = now.saturating_sub(Duration::from_mins(1)).unwrap_or(now);
                set(reply, &["Expiration"], &iso(past));
            }
            _ => {}
        }
    }

    /// Replaces what was written down.
    pub(super) fn corrupt(self, body: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Truncated => body.split_at(body.len() / 2).0.to_vec(),
            Self::EntityBomb => entity_bomb().into_bytes(),
            Self::Nested => {
                format!("<AssumeRoleResponse>{}", "<nested>".repeat(NESTING)).into_bytes()
            }
            Self::Garbage => (0..=u8::MAX).rev().cycle().take(4096).collect(),
            _ => body,
        }
    }

    pub(super) const fn delivery(self) -> Delivery {
        match self {
            Self::Reset => Delivery::Reset,
            Self::Cut => Delivery::Cut,
            _ => Delivery::Whole,
        }
    }
}

fn set(reply: &mut Element, names: &[&str], text: &str) {
    reply.each(&mut |e| {
        if names.contains(&&*e.name) {
            e.content = Content::Text(text.to_owned());
        }
    });
}

/// Ten to the ninth power of the first entity's text, were anybody to expand it.
fn entity_bomb() -> String {
    let layers: Vec<String> = (1..=9)
        .map(|n| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10)))
        .collect();
    format!(
        "<?xml version=\"1.0\"?><!DOCTYPE AssumeRoleResponse [<!ENTITY e0 \"assumed\">{}]>\
         <AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>&e9;</AccessKeyId>\
         </Credentials></AssumeRoleResult></AssumeRoleResponse>",
        layers.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_found_by_its_name() {
        let named = PLAIN.iter().map(|(_, fault)| *fault);
        let others = [
            Fault::Error(Code::Throttling),
            Fault::Delay(Duration::from_millis(2500)),
            Fault::Date(SignedDuration::from_mins(-20)),
        ];
        for fault in named.chain(others) {
            assert_eq!(fault.to_string().parse(), Ok(fault), "{fault}");
        }
        for text in ["", "hung", "delay", "delay=-2s", "delay=x", "date=", "hang=2s"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
        assert!(UnknownFault.to_string().contains("there are hang, reset, "));
    }

    #[test]
    fn a_bomb_is_small_until_it_is_expanded() {
        let bomb = Fault::EntityBomb.corrupt(Vec::new());
        assert!(bomb.len() < 2000);
        assert!(Fault::Nested.corrupt(Vec::new()).len() > 1 << 20);
    }
}
