//! The four JSON documents of the tree: their members, in their order.

use bytes::Bytes;
use jiff::Timestamp;

use super::facts::Facts;
use super::instance::Instance;
use super::layout::Value::{Null, Text, Time};
use super::layout::render;
use crate::credentials::Snapshot;
use crate::role::AccountId;

/// `iam/info` (C3). The profile has the name of its role, as the console makes them.
pub(super) fn info(facts: &Facts, instance: &Instance, last_updated: Timestamp) -> Bytes {
    let arn = format!(
        "arn:{}:iam::{}:instance-profile/{}",
        instance.partition.as_str(),
        facts.account,
        facts.role_name
    );
    render(&[
        ("Code", Text("Success")),
        ("LastUpdated", Time(last_updated)),
        ("InstanceProfileArn", Text(&arn)),
        ("InstanceProfileId", Text(&instance.instance_profile_id)),
    ])
}

/// `iam/security-credentials/ROLE` (C5).
pub(super) fn security_credentials(facts: &Facts, snapshot: &Snapshot) -> Bytes {
    let held = &snapshot.credentials;
    let mut members = vec![
        ("Code", Text("Success")),
        ("LastUpdated", Time(snapshot.obtained)),
        ("Type", Text("AWS-HMAC")),
        ("AccessKeyId", Text(held.access_key_id())),
        ("SecretAccessKey", Text(held.secret_access_key().expose())),
        ("Token", Text(held.session_token().expose())),
        ("Expiration", Time(held.expiration())),
    ];
    // No account id is better than that of nobody.
    if facts.account_id_in_document && facts.account != AccountId::unknown() {
        members.push(("AccountId", Text(facts.account.as_str())));
    }
    render(&members)
}

/// The same after a refusal: SDKs tell this code from an outage (C9).
pub(super) fn refusal(facts: &Facts, at: Timestamp) -> Bytes {
    let message = format!(
        "The role {} cannot be assumed: AWS STS refused the request. \
         Its trust policy, and the log of the credential daemon on this host, say more.",
        facts.role_name
    );
    render(&[
        ("Code", Text("AssumeRoleUnauthorizedAccess")),
        ("Message", Text(&message)),
        ("LastUpdated", Time(at)),
    ])
}

/// `dynamic/instance-identity/document` (M4); nobody but AWS could sign it (M6).
pub(super) fn identity(facts: &Facts, instance: &Instance) -> Bytes {
    render(&[
        ("accountId", Text(facts.account.as_str())),
        ("architecture", Text(&instance.architecture)),
        ("availabilityZone", Text(&instance.availability_zone)),
        ("billingProducts", Null),
        ("devpayProductCodes", Null),
        ("marketplaceProductCodes", Null),
        ("imageId", Text(&instance.ami_id)),
        ("instanceId", Text(&instance.instance_id)),
        ("instanceType", Text(&instance.instance_type)),
        ("kernelId", Null),
        ("pendingTime", Time(instance.pending_time)),
        ("privateIp", Text(&instance.local_ipv4)),
        ("ramdiskId", Null),
        ("region", Text(instance.region.as_str())),
        ("version", Text("2017-09-30")),
    ])
}
