//! One attempt: the base's credentials, then each role of the chain in turn.
//!
//! Decides what is asked of whom, and in which order. Does not retry, does not
//! judge how long credentials live: both are rotation's affair.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_credential_types::Credentials as Signer;
use jiff::Timestamp;

use super::base::Bases;
use super::client::Client;
use super::network::Network;
use super::request::Source;
use crate::clock::Clock;
use crate::credentials::{Credentials, Grant};
use crate::failure::{Failure, Kind};
use crate::role::{AccountId, RoleArn};
use crate::rotation::port::{Assume, Attempt};
use crate::secret::Secret;

/// A base and the roles assumed in turn, the last of which is served.
///
/// Made once per role and kept: what it learns (the offset of our clock, the
/// account behind a key) helps the next attempt.
#[derive(Debug, Clone)]
pub struct RoleChain(Arc<Links>);

#[derive(Debug)]
struct Links {
    source: Arc<Source>,
    bases: Bases,
    client: Client,
    /// Whose the access key id is, for sources served as they are.
    owner: Mutex<Option<(String, AccountId)>>,
}

impl RoleChain {
    /// Reads nothing and calls nobody yet.
    #[must_use]
    pub fn new(source: Source, clock: Arc<dyn Clock>) -> Self {
        let source = Arc::new(source);
        let network = Network::new(source.timeouts, source.route.clone());
        let client = Client::new(&source, &network, Arc::clone(&clock));
        let bases = Bases::new(Arc::clone(&source), network, client.clone(), clock);
        Self(Arc::new(Links { source, bases, client, owner: Mutex::new(None) }))
    }
}

impl Assume for RoleChain {
    fn attempt(&self) -> Attempt {
        let links = Arc::clone(&self.0);
        Box::pin(async move { links.grant().await })
    }
}

impl Links {
    async fn grant(&self) -> Result<Grant, Failure> {
        let base = self.bases.credentials().await?;
        match self.source.hops.split_last() {
            None => self.as_it_is(base).await,
            Some((last, on_the_way)) => {
                let mut signer = base;
                for role in on_the_way {
                    let step = self.client.assume_role(role, signer).await;
                    let step = step.map_err(|failure| on_the_way_to(&role.role_arn, failure))?;
                    signer = signer_with(&step.credentials);
                }
                self.client.assume_role(last, signer).await
            }
        }
    }

    /// Serves the base itself, where it is temporary (surface section 4).
    async fn as_it_is(&self, base: Signer) -> Result<Grant, Failure> {
        let credentials = temporary(&base)?;
        let account = match base.account_id().map(|id| id.as_str().parse()) {
            Some(Ok(account)) => Some(account),
            _ => self.owner_of(base).await,
        };
        Ok(Grant { credentials, date: None, account, role_arn: None })
    }

    /// Asks STS once per access key; a failure here must not stop anything.
    async fn owner_of(&self, base: Signer) -> Option<AccountId> {
        let key_id = base.access_key_id().to_owned();
        if let Some((known, account)) = &*self.owner()
            && *known == key_id
        {
            return Some(account.clone());
        }
        let account = self.client.caller_account(base).await.ok()?;
        *self.owner() = Some((key_id, account.clone()));
        Some(account)
    }

    fn owner(&self) -> MutexGuard<'_, Option<(String, AccountId)>> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Long-lived keys are never served raw: whoever took them would have them for good.
fn temporary(base: &Signer) -> Result<Credentials, Failure> {
    let (Some(session_token), Some(expiry)) = (base.session_token(), base.expiry()) else {
        return Err(Failure::new(
            Kind::NoBase,
            "the source holds long-lived keys, or keys without an expiration, which are not served as they are",
        )
        .hint("set role_arn, so that a role is assumed with them"));
    };
    let expiration = Timestamp::try_from(expiry)
        .map_err(|_| Failure::new(Kind::NoBase, "the expiration of the source is out of range"))?;
    Credentials::new(
        base.access_key_id().to_owned(),
        Secret::new(base.secret_access_key()),
        Secret::new(session_token),
        expiration,
    )
    .map_err(|hollow| Failure::new(Kind::NoBase, format!("the source gave {hollow}")))
}

fn signer_with(credentials: &Credentials) -> Signer {
    Signer::new(
        credentials.access_key_id(),
        credentials.secret_access_key().expose(),
        Some(credentials.session_token().expose().to_owned()),
        None,
        "assumed",
    )
}

fn on_the_way_to(role: &RoleArn, mut failure: Failure) -> Failure {
    failure.message = format!("at {role} in the chain: {}", failure.message);
    failure
}
