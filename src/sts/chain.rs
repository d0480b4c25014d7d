//! One attempt: the first credentials, then each role of the chain in turn.
//!
//! Decides what is asked of whom, and in which order. Does not retry, does not
//! judge how long credentials live: both are rotation's affair.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_credential_types::Credentials as Signer;
use jiff::Timestamp;

use super::base::Bases;
use super::client::{Client, Enclosed};
use super::command::CommandRunner;
use super::input::{self, Named};
use super::keepsake::Device;
use super::network::Network;
use super::reception::Reception;
use super::request::{
    AssumeRole, Base, FederationToken, Mfa, Saml, SessionToken, Source, Start, WebIdentity,
};
use super::{jwt, saml};
use crate::clock::Clock;
use crate::credentials::{Credentials, Grant};
use crate::failure::{Failure, Kind};
use crate::role::{AccountId, RoleArn};
use crate::rotation::port::{Assume, Attempt};
use crate::secret::Secret;

const TOKEN: Named =
    Named { file: "web_identity_token_file", command: "web_identity_token_command" };
const ASSERTION: Named = Named { file: "saml_assertion_file", command: "saml_assertion_command" };

/// A start and the roles assumed in turn, the last of which is served.
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
    clock: Arc<dyn Clock>,
    reception: Reception,
    /// Whose the access key id is, for sources that do not tell.
    owner: Mutex<Option<(String, AccountId)>>,
}

impl RoleChain {
    /// Shares what humans give with nobody. Reads nothing and calls nobody yet.
    #[must_use]
    pub fn new(source: Source, clock: Arc<dyn Clock>) -> Self {
        Self::at(Reception::default(), source, clock)
    }

    /// Takes what humans hand in there, and shares its MFA sessions with every other
    /// chain of the same reception.
    #[must_use]
    pub fn at(reception: Reception, source: Source, clock: Arc<dyn Clock>) -> Self {
        let source = Arc::new(source);
        let network = Network::new(source.timeouts, source.route.clone());
        let client = Client::new(&source, &network, Arc::clone(&clock));
        let commands = reception.commands.clone();
        let bases = Bases::new(Arc::clone(&source), network, Arc::clone(&clock), commands);
        Self(Arc::new(Links { source, bases, client, clock, reception, owner: Mutex::new(None) }))
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
        let Some((last, on_the_way)) = self.source.hops.split_last() else {
            return self.served().await;
        };
        let mut signer = self.signer().await?;
        for role in on_the_way {
            let step = self.assume(role, signer).await;
            let step = step.map_err(|failure| on_the_way_to(&role.role_arn, failure))?;
            signer = signer_with(&step.credentials);
        }
        self.assume(last, signer).await
    }

    fn runner(&self) -> CommandRunner<'_> {
        self.reception.runner(self.source.timeouts.process)
    }

    /// The first credentials, to sign a call with.
    async fn signer(&self) -> Result<Signer, Failure> {
        let grant = match &self.source.start {
            Start::Base(base) => return self.bases.credentials(base).await,
            Start::WebIdentity(call) => self.web_identity(call).await,
            Start::Saml(call) => self.saml(call).await,
            Start::Session(base, call) => {
                let user = self.user(base).await?;
                self.session(call, user).await
            }
            Start::Federation(base, call) => self.federation(base, call).await,
        };
        Ok(signer_with(&grant?.credentials))
    }

    /// The first credentials, to be served themselves.
    async fn served(&self) -> Result<Grant, Failure> {
        match &self.source.start {
            Start::Base(base) => self.as_it_is(self.bases.credentials(base).await?).await,
            Start::WebIdentity(call) => self.web_identity(call).await,
            Start::Saml(call) => self.saml(call).await,
            Start::Session(base, call) => {
                let user = self.user(base).await?;
                let grant = self.session(call, user.clone()).await?;
                Ok(Grant { account: self.owner_of(user).await, ..grant })
            }
            Start::Federation(base, call) => self.federation(base, call).await,
        }
    }

    async fn web_identity(&self, call: &WebIdentity) -> Result<Grant, Failure> {
        let token = input::text(&call.token, TOKEN, self.runner()).await?;
        jwt::check(&token)?;
        let policy = input::policy(&call.policies)?;
        let grant = self.client.assume_role_with_web_identity(call, &token, policy.as_ref()).await;
        grant.map_err(|mut failure| {
            if failure.code.is_some() && failure.kind != Kind::Throttled {
                let remark = jwt::remark(&token, self.clock.now().wall);
                failure.message = format!("{} ({remark})", failure.message);
            }
            failure
        })
    }

    async fn saml(&self, call: &Saml) -> Result<Grant, Failure> {
        if let Some(response) = self.reception.take_assertion(&call.role_arn) {
            return self.saml_with(call, response).await.map_err(asked_again);
        }
        let text = input::text(&call.assertion, ASSERTION, self.runner()).await?;
        self.saml_with(call, text).await
    }

    async fn saml_with(&self, call: &Saml, response: Secret) -> Result<Grant, Failure> {
        let assertion = saml::encoded(&response)?;
        saml::check(&assertion, call, self.clock.now().wall)?;
        let policy = input::policy(&call.policies)?;
        self.client.assume_role_with_saml(call, &assertion, policy.as_ref()).await
    }

    async fn federation(&self, base: &Base, call: &FederationToken) -> Result<Grant, Failure> {
        let user = self.user(base).await?;
        let policy = input::policy(&call.policies)?;
        self.client.federation_token(call, policy.as_ref(), user).await
    }

    /// With MFA the session that there is, else a new one.
    async fn session(&self, call: &SessionToken, user: Signer) -> Result<Grant, Failure> {
        let Some(mfa) = &call.mfa else {
            return self.client.session_token(call, None, user).await;
        };
        let device = self.device(mfa, &user);
        let open = async {
            let code = self.reception.sessions.code(mfa, self.runner()).await?;
            self.client.session_token(call, Some(&code), user).await
        };
        self.reception.sessions.session(device, || self.clock.now(), open).await
    }

    async fn assume(&self, role: &AssumeRole, signer: Signer) -> Result<Grant, Failure> {
        let mut enclosed = Enclosed { policy: input::policy(&role.policies)?, code: None };
        let signer = match &role.mfa {
            None => signer,
            Some(mfa) if signer.session_token().is_some() => {
                enclosed.code = Some(self.reception.sessions.code(mfa, self.runner()).await?);
                signer
            }
            Some(mfa) => {
                let call = SessionToken { duration: mfa.session, mfa: Some(mfa.clone()) };
                signer_with(&self.session(&call, signer).await?.credentials)
            }
        };
        let key_id = signer.access_key_id().to_owned();
        let grant = self.client.assume_role(role, enclosed, signer).await;
        if grant.as_ref().is_err_and(is_about_the_signer) {
            self.reception.sessions.forget(&key_id).await;
        }
        grant
    }

    /// A user's own keys, which alone may ask for some things (A6).
    async fn user(&self, base: &Base) -> Result<Signer, Failure> {
        let signer = self.bases.credentials(base).await?;
        if signer.session_token().is_none() {
            return Ok(signer);
        }
        Err(Failure::new(Kind::NoBase, format!("{base} holds temporary credentials"))
            .hint("GetSessionToken and GetFederationToken take the long-lived keys of an IAM user"))
    }

    fn device(&self, mfa: &Mfa, user: &Signer) -> Device {
        let sts = self.source.endpoint_url.as_deref();
        Device {
            serial: mfa.serial.clone(),
            access_key_id: user.access_key_id().to_owned(),
            sts: sts.unwrap_or_else(|| self.source.region.partition().as_str()).to_owned(),
        }
    }

    /// Serves the base itself, where it is temporary; long-lived keys are never served.
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

/// Whoever handed it in can hand in another.
fn asked_again(mut failure: Failure) -> Failure {
    if matches!(failure.kind, Kind::Refused | Kind::NoBase) {
        failure.kind = Kind::NeedsHuman;
    }
    failure
}

fn on_the_way_to(role: &RoleArn, mut failure: Failure) -> Failure {
    failure.message = format!("at {role} in the chain: {}", failure.message);
    failure
}

/// True where STS rejects whoever signed, and not what was asked.
fn is_about_the_signer(failure: &Failure) -> bool {
    let codes = ["ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId"];
    failure.code.as_deref().is_some_and(|code| codes.contains(&code))
}
