//! The five actions that give credentials, and the one that tells whose they are.
//!
//! Each sends what its data hold and what this attempt has fetched for it. Two
//! of them are not signed: the token or the assertion speaks for itself.

use aws_credential_types::Credentials as Signer;
use aws_sdk_sts::config::{self, Config};
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};

use super::postmark::Postmark;
use super::{Client, Whose, granted};
use crate::credentials::Grant;
use crate::failure::{Failure, Kind};
use crate::role::AccountId;
use crate::secret::Secret;
use crate::sts::codes::Call;
use crate::sts::request::{
    AssumeRole, FederationToken, Mfa, Policies, Saml, SessionToken, Tags, WebIdentity,
};

/// What a call carries that was fetched for this attempt.
#[derive(Debug, Default)]
pub(in crate::sts) struct Enclosed {
    /// The inline session policy.
    pub(in crate::sts) policy: Option<Secret>,
    /// The code of the call's MFA device.
    pub(in crate::sts) code: Option<Secret>,
}

impl Client {
    /// `AssumeRole`, signed by `signer`.
    pub(in crate::sts) async fn assume_role(
        &self,
        role: &AssumeRole,
        enclosed: Enclosed,
        signer: Signer,
    ) -> Result<Grant, Failure> {
        let postmark = Postmark::default();
        let session_token = session_token_of(&signer);
        let mfa = role.mfa.as_ref().filter(|_| enclosed.code.is_some());
        let reply = self
            .sdk
            .assume_role()
            .role_arn(role.role_arn.as_str())
            .role_session_name(role.role_session_name.as_str())
            .set_duration_seconds(seconds(role.duration.get()))
            .set_external_id(role.external_id.as_ref().map(|id| id.as_str().to_owned()))
            .set_source_identity(role.source_identity.as_ref().map(|name| name.as_str().to_owned()))
            .set_policy(text(enclosed.policy.as_ref()))
            .set_policy_arns(managed(&role.policies))
            .set_tags(tags(&role.tags)?)
            .set_transitive_tag_keys(transitive(&role.tags))
            .set_serial_number(mfa.map(serial))
            .set_token_code(text(enclosed.code.as_ref()))
            .customize()
            .config_override(signed_by(signer))
            .interceptor(postmark.clone())
            .send();
        let sent = [session_token.as_ref(), enclosed.policy.as_ref(), enclosed.code.as_ref()];
        let reply = Box::pin(reply)
            .await
            .map_err(|error| self.judge(&error, Call::AssumeRole, &postmark, &sent))?;
        granted(reply.credentials, Whose::role(&role.role_arn), &postmark)
    }

    /// `AssumeRoleWithWebIdentity`, unsigned.
    pub(in crate::sts) async fn assume_role_with_web_identity(
        &self,
        call: &WebIdentity,
        token: &Secret,
        policy: Option<&Secret>,
    ) -> Result<Grant, Failure> {
        let postmark = Postmark::default();
        let reply = self
            .sdk
            .assume_role_with_web_identity()
            .role_arn(call.role_arn.as_str())
            .role_session_name(call.role_session_name.as_str())
            .web_identity_token(token.expose())
            .set_duration_seconds(seconds(call.duration.get()))
            .set_policy(text(policy))
            .set_policy_arns(managed(&call.policies))
            .customize()
            .interceptor(postmark.clone())
            .send();
        let reply = Box::pin(reply).await.map_err(|error| {
            self.judge(&error, Call::WebIdentity, &postmark, &[Some(token), policy])
        })?;
        granted(reply.credentials, Whose::role(&call.role_arn), &postmark)
    }

    /// `AssumeRoleWithSAML`, unsigned.
    pub(in crate::sts) async fn assume_role_with_saml(
        &self,
        call: &Saml,
        assertion: &Secret,
        policy: Option<&Secret>,
    ) -> Result<Grant, Failure> {
        let postmark = Postmark::default();
        let reply = self
            .sdk
            .assume_role_with_saml()
            .role_arn(call.role_arn.as_str())
            .principal_arn(call.principal_arn.as_str())
            .saml_assertion(assertion.expose())
            .set_duration_seconds(seconds(call.duration.get()))
            .set_policy(text(policy))
            .set_policy_arns(managed(&call.policies))
            .customize()
            .interceptor(postmark.clone())
            .send();
        let reply = Box::pin(reply).await.map_err(|error| {
            self.judge(&error, Call::Saml, &postmark, &[Some(assertion), policy])
        })?;
        granted(reply.credentials, Whose::role(&call.role_arn), &postmark)
    }

    /// `GetSessionToken`, signed by a user's long-lived keys.
    pub(in crate::sts) async fn session_token(
        &self,
        call: &SessionToken,
        code: Option<&Secret>,
        signer: Signer,
    ) -> Result<Grant, Failure> {
        let postmark = Postmark::default();
        let mfa = call.mfa.as_ref().filter(|_| code.is_some());
        let reply = self
            .sdk
            .get_session_token()
            .set_duration_seconds(seconds(call.duration.get()))
            .set_serial_number(mfa.map(serial))
            .set_token_code(text(code))
            .customize()
            .config_override(signed_by(signer))
            .interceptor(postmark.clone())
            .send();
        let reply = Box::pin(reply)
            .await
            .map_err(|error| self.judge(&error, Call::SessionToken, &postmark, &[code]))?;
        granted(reply.credentials, Whose::default(), &postmark)
    }

    /// `GetFederationToken`, signed by a user's long-lived keys.
    pub(in crate::sts) async fn federation_token(
        &self,
        call: &FederationToken,
        policy: Option<&Secret>,
        signer: Signer,
    ) -> Result<Grant, Failure> {
        let postmark = Postmark::default();
        let reply = self
            .sdk
            .get_federation_token()
            .name(call.name.as_str())
            .set_duration_seconds(seconds(call.duration.get()))
            .set_policy(text(policy))
            .set_policy_arns(managed(&call.policies))
            .set_tags(tags(&call.tags)?)
            .customize()
            .config_override(signed_by(signer))
            .interceptor(postmark.clone())
            .send();
        let reply = Box::pin(reply)
            .await
            .map_err(|error| self.judge(&error, Call::FederationToken, &postmark, &[policy]))?;
        let account = reply.federated_user().and_then(|user| user.arn().split(':').nth(4));
        let account = account.and_then(|account| account.parse().ok());
        granted(reply.credentials, Whose { account, role_arn: None }, &postmark)
    }

    /// `GetCallerIdentity`, which needs no permission (A10).
    pub(in crate::sts) async fn caller_account(
        &self,
        signer: Signer,
    ) -> Result<AccountId, Failure> {
        let postmark = Postmark::default();
        let session_token = session_token_of(&signer);
        let reply = self
            .sdk
            .get_caller_identity()
            .customize()
            .config_override(signed_by(signer))
            .interceptor(postmark.clone())
            .send();
        let reply = Box::pin(reply).await.map_err(|error| {
            self.judge(&error, Call::CallerIdentity, &postmark, &[session_token.as_ref()])
        })?;
        reply
            .account()
            .and_then(|account| account.parse().ok())
            .ok_or_else(|| Failure::new(Kind::Nonsense, "an identity without an account"))
    }
}

fn signed_by(signer: Signer) -> config::Builder {
    Config::builder().credentials_provider(signer).identity_cache(config::IdentityCache::no_cache())
}

fn session_token_of(signer: &Signer) -> Option<Secret> {
    signer.session_token().map(Secret::new)
}

fn seconds(span: std::time::Duration) -> Option<i32> {
    i32::try_from(span.as_secs()).ok()
}

fn text(secret: Option<&Secret>) -> Option<String> {
    secret.map(|secret| secret.expose().to_owned())
}

fn serial(mfa: &Mfa) -> String {
    mfa.serial.as_str().to_owned()
}

fn managed(policies: &Policies) -> Option<Vec<PolicyDescriptorType>> {
    let arns = policies.managed.iter();
    let arns = arns.map(|arn| PolicyDescriptorType::builder().arn(arn.as_str()).build());
    Some(arns.collect()).filter(|arns: &Vec<_>| !arns.is_empty())
}

fn tags(tags: &Tags) -> Result<Option<Vec<Tag>>, Failure> {
    let sent: Result<Vec<Tag>, _> = tags
        .all()
        .iter()
        .map(|tag| Tag::builder().key(tag.key()).value(tag.value()).build())
        .collect();
    let sent =
        sent.map_err(|_| Failure::new(Kind::NoBase, "a session tag without key or value"))?;
    Ok(Some(sent).filter(|sent| !sent.is_empty()))
}

fn transitive(tags: &Tags) -> Option<Vec<String>> {
    let keys = tags.transitive().iter().map(|key| key.as_str().to_owned());
    Some(keys.collect()).filter(|keys: &Vec<_>| !keys.is_empty())
}
