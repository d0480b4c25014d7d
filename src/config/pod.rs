//! Which pod may have which role, as it is written.

use std::path::PathBuf;

use super::file::{Document, Item, Table};
use super::listen::not_served;
use super::mistake::{Mistake, Mistakes};
use super::parts;
use super::values;
use crate::environment::Environment;

/// What tokens for the agent of EKS are for (K3).
const AUDIENCE: &str = "pods.eks.amazonaws.com";

/// One entry of `[[pod]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRule {
    /// Who made the token: the issuer of the cluster.
    pub issuer: String,
    /// Where the issuer's public keys stand; asked of the issuer itself, if absent.
    pub jwks_file: Option<PathBuf>,
    /// For whom the token is.
    pub audience: String,
    /// The service account, as `system:serviceaccount:NAMESPACE:NAME`; `*` stands for anything.
    pub subject: String,
    /// What it may have.
    pub role: String,
}

impl PodRule {
    /// Whether this service account is meant.
    #[must_use]
    pub fn is_about(&self, subject: &str) -> bool {
        let mut parts = self.subject.split('*');
        let Some(mut rest) = parts.next().and_then(|first| subject.strip_prefix(first)) else {
            return false;
        };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            let Some((_, behind)) = rest.split_once(part) else { return false };
            rest = behind;
        }
        rest.ends_with(last)
    }
}

/// Every entry, in the order in which they are tried. `served` are the roles that they may name.
pub(super) fn find(
    environment: &Environment,
    document: &Document,
    served: Option<&[&str]>,
    mistakes: &mut Mistakes,
) -> Vec<PodRule> {
    let entries = document.list("pod").iter();
    entries.filter_map(|item| rule(environment, item, item.table()?, served, mistakes)).collect()
}

fn rule(
    environment: &Environment,
    item: &Item,
    table: &Table,
    served: Option<&[&str]>,
    mistakes: &mut Mistakes,
) -> Option<PodRule> {
    let mut needed = |key: &str, hint: &str| {
        let found = table.get(key);
        if found.is_none() {
            let mistake = Mistake::new(format!("an entry without {key}"));
            mistakes.push(mistake.at(&item.place).key(&item.key).hint(hint));
        }
        found
    };
    let issuer = needed(
        "issuer",
        "it is what `kubectl get --raw /.well-known/openid-configuration` calls issuer",
    );
    let subject = needed("subject", "add subject = \"system:serviceaccount:NAMESPACE:NAME\"");
    let role = needed("role", "add the name of a role that is served");
    let named = table.get("jwks_file");
    let jwks_file = named.map(|file| parts::path(file, environment)).transpose();
    let jwks_file = mistakes.note(jwks_file).flatten();
    if let Some(issuer) = issuer.filter(|_| named.is_none()) {
        let encrypted = values::url(issuer.text).is_ok_and(|url| url.encrypted || url.loopback);
        if !encrypted {
            mistakes.push(
                issuer
                    .mistake("its keys cannot be asked of it: that takes https")
                    .hint("name jwks_file, a file with them: `kubectl get --raw /openid/v1/jwks`"),
            );
        }
    }
    if let (Some(role), Some(served)) = (role, served)
        && !served.contains(&role.text)
    {
        mistakes.push(not_served(role, served));
    }
    Some(PodRule {
        issuer: issuer?.text.to_owned(),
        jwks_file,
        audience: table.get("audience").map_or(AUDIENCE, |audience| audience.text).to_owned(),
        subject: subject?.text.to_owned(),
        role: role?.text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_subject_stands_for_anything() {
        let is_about = |subject: &str, whose: &str| {
            let text = String::new;
            let (issuer, audience, role) = (text(), text(), text());
            let subject = subject.to_owned();
            PodRule { issuer, jwks_file: None, audience, subject, role }.is_about(whose)
        };
        assert!(is_about("a:shop:web", "a:shop:web"));
        assert!(!is_about("a:shop:web", "a:shop:webs") && !is_about("a:shop:web", "a:shop:we"));
        assert!(is_about("a:shop:*", "a:shop:web") && is_about("a:shop:*", "a:shop:"));
        assert!(!is_about("a:shop:*", "a:shoppers:web"));
        assert!(is_about("*", "") && is_about("*:web", "a:shop:web"));
        assert!(is_about("a:*:web-*", "a:shop:web-1") && !is_about("a:*:web-*", "a:shop:web"));
        assert!(!is_about("ab*ba", "aba"), "the ends do not overlap");
    }
}
