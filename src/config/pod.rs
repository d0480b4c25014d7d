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

/// Any subject.
const ANY: &str = "*";

/// What the subject of a service account begins with; a namespace and a name follow.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// One entry of `[[pod]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRule {
    /// Who made the token: the issuer of the cluster.
    pub issuer: String,
    /// Where the issuer's public keys stand; asked of the issuer itself, if absent.
    pub jwks_file: Option<PathBuf>,
    /// For whom the token is.
    pub audience: String,
    /// The service account, as `system:serviceaccount:NAMESPACE:NAME`. `*` is any text without
    /// a colon; alone, it is any subject.
    pub subject: String,
    /// What it may have.
    pub role: String,
}

impl PodRule {
    /// True if this service account is meant. A `*` never reaches from the namespace into
    /// the name: whoever may choose one must not get what the other is for.
    #[must_use]
    pub fn is_about(&self, subject: &str) -> bool {
        if self.subject == ANY {
            return true;
        }
        let parts = || self.subject.split(':').zip(subject.split(':'));
        self.subject.matches(':').count() == subject.matches(':').count()
            && parts().all(|(pattern, part)| fits(pattern, part))
    }
}

/// True if the text is the pattern, each `*` of which stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, behind)) = rest.split_once(piece) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
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
    if let Some(subject) = subject.filter(|subject| !can_exist(subject.text)) {
        mistakes.push(
            subject
                .mistake("no service account has such a subject")
                .hint("it is system:serviceaccount:NAMESPACE:NAME; * is any text without a colon"),
        );
    }
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

/// False for what looks like a service account but has too few or too many parts to be one.
fn can_exist(subject: &str) -> bool {
    let rest = subject.strip_prefix(SERVICE_ACCOUNT);
    rest.is_none_or(|rest| {
        matches!(rest.split_once(':'), Some((namespace, name))
        if !namespace.is_empty() && !name.is_empty() && !name.contains(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_about(subject: &str, whose: &str) -> bool {
        let text = String::new;
        let (issuer, audience, role) = (text(), text(), text());
        let subject = subject.to_owned();
        PodRule { issuer, jwks_file: None, audience, subject, role }.is_about(whose)
    }

    #[test]
    fn a_star_in_a_subject_is_any_text_of_its_part() {
        assert!(is_about("a:shop:web", "a:shop:web"));
        assert!(!is_about("a:shop:web", "a:shop:webs") && !is_about("a:shop:web", "a:shop:we"));
        assert!(is_about("a:shop:*", "a:shop:web") && is_about("a:shop:*", "a:shop:"));
        assert!(!is_about("a:shop:*", "a:shoppers:web"));
        assert!(is_about("*", "") && is_about("*", "a:shop:web"), "alone, it is any subject");
        assert!(is_about("a:*:web", "a:shop:web"));
        assert!(is_about("a:*:web-*", "a:shop:web-1") && !is_about("a:*:web-*", "a:shop:web"));
        assert!(!is_about("ab*ba", "aba"), "the ends do not overlap");
        assert!(is_about("a*b*c", "a-b-b-c") && !is_about("a*b*c", "a-c"));
    }

    #[test]
    fn who_chooses_one_part_of_a_subject_does_not_reach_the_others() {
        for (subject, whose) in [
            ("a:*:web", "a:evil:shop:web"),
            ("a:shop:*", "a:shop:x:y"),
            ("a:shop*", "a:shop-evil:admin"),
            ("*:web", "a:evil:web"),
            ("a:*", "a:shop:web"),
            ("a:shop:web", "a:shop:web:"),
            ("a:shop:web", ":a:shop:web"),
            ("a:shop:web", "a:shop:web\0"),
            ("a:shop:web", "a:shop:WEB"),
            ("a:shop:web", "a\u{ff1a}shop:web"),
        ] {
            assert!(!is_about(subject, whose), "{subject} {whose:?}");
        }
    }
}
