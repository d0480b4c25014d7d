//! Session policies: whether they are policies, and how much room they take (A2).

use serde_json::Value;

use crate::emulator::form::Parameters;
use crate::emulator::limits::{Check, POLICY, POLICY_ARN, POLICY_LENGTH};
use crate::emulator::refusal::{Code, Refusal};
use crate::emulator::tags::Tags;

/// The real packed form is AWS's secret (A2); this stands in for its space.
const PACKED: usize = 4096;

/// Looks at the lengths and characters of all session policies.
pub(super) fn limits(check: &mut Check<'_>) {
    check.text(&POLICY);
    check.list("PolicyArns", 10, &POLICY_ARN);
}

/// How much of the packed form's space policies and tags take, in per cent, rounded up.
pub(super) fn packed(parameters: &Parameters, tags: &Tags) -> Result<usize, Refusal> {
    let policy = parameters.get("Policy");
    if policy.is_some_and(|text| !is_policy(text)) {
        return Err(Refusal::plain(Code::MalformedPolicyDocument));
    }
    let arns = (1..=parameters.members("PolicyArns"))
        .filter_map(|n| parameters.get(&format!("PolicyArns.member.{n}.arn")));
    let plain = policy.map_or(0, characters) + arns.map(characters).sum::<usize>();
    let percent = ((plain + tags.size()) * 100).div_ceil(PACKED);
    // The plain text of all session policies together has a limit of its own.
    if percent > 100 || plain > POLICY_LENGTH {
        return Err(Refusal::new(
            Code::PackedPolicyTooLarge,
            format!(
                "Packed policy consumes {}% of allotted space, please use smaller policy.",
                percent.max(101)
            ),
        ));
    }
    Ok(percent)
}

fn characters(text: &str) -> usize {
    text.chars().count()
}

fn is_policy(text: &str) -> bool {
    let policy: Option<Value> = serde_json::from_str(text).ok();
    let statement = policy.as_ref().and_then(|policy| policy.get("Statement"));
    matches!(statement, Some(Value::Array(_) | Value::Object(_)))
}
