//! Which caller may have which role, as it is written.

use std::net::SocketAddr;

use super::cidr::Cidr;
use super::file::{Document, Item, Table};
use super::listen::{Listen, ListenKind, not_served};
use super::mistake::{Mistake, Mistakes, Warning};
use super::setting::Setting;
use super::values::listen_address;

/// One entry of `[[access]]`: all of its conditions hold, or it is not about this caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessRule {
    /// The user whose program it is.
    pub uid: Option<u32>,
    /// A group that this user belongs to.
    pub gid: Option<u32>,
    /// Where it calls from.
    pub from: Option<Cidr>,
    /// The listener that it calls, as the settings have it.
    pub listen: Option<SocketAddr>,
    /// What it may have; nothing, where this is empty.
    pub roles: Vec<String>,
    /// What IMDS gives it, whatever is active; one of `roles`.
    pub role: Option<String>,
}

impl AccessRule {
    const fn is_about_everybody(&self) -> bool {
        self.uid.is_none() && self.gid.is_none() && self.from.is_none() && self.listen.is_none()
    }
}

/// Every entry, in the order in which they are tried. `served` are the roles that they may name.
pub(super) fn find(
    document: &Document,
    listen: &[Listen],
    served: Option<&[&str]>,
    mistakes: &mut Mistakes,
    warnings: &mut Vec<Warning>,
) -> Vec<AccessRule> {
    let mut rules: Vec<AccessRule> = Vec::new();
    for item in document.list("access") {
        let Some(table) = item.table() else { continue };
        let entry = Entry { item, table };
        warnings.extend(entry.never_matches());
        if rules.iter().any(AccessRule::is_about_everybody) {
            let warning = entry.mistake("never reached: an entry above it is about everybody");
            warnings.push(warning.hint("the first entry that fits decides; move this one up"));
        }
        rules.push(entry.rule(listen, served, mistakes));
    }
    rules
}

struct Entry<'a> {
    item: &'a Item,
    table: &'a Table,
}

impl Entry<'_> {
    fn rule(
        &self,
        listen: &[Listen],
        served: Option<&[&str]>,
        mistakes: &mut Mistakes,
    ) -> AccessRule {
        let named = |setting: Setting<'_>, mistakes: &mut Mistakes| {
            if let Some(served) = served.filter(|served| !served.contains(&setting.text)) {
                mistakes.push(not_served(setting, served));
            }
            setting.text.to_owned()
        };
        let several = self.table.list("roles").iter().filter_map(Item::setting);
        let mut roles: Vec<_> = several.map(|setting| named(setting, mistakes)).collect();
        let given = self.table.get("role");
        if given.is_none() && !self.table.has("roles") {
            mistakes.push(self.mistake("an entry that says nothing about roles").hint(
                "add roles = [\"dev\"], or role = \"dev\"; roles = [] refuses whoever it is about",
            ));
        }
        if let Some(given) = given.filter(|_| self.table.has("roles"))
            && !roles.iter().any(|role| role == given.text)
        {
            mistakes.push(given.mistake("not among the roles of its entry").hint("add it to them"));
        }
        let role = given.map(|setting| named(setting, mistakes));
        if roles.is_empty() {
            roles.extend(role.clone());
        }
        let listen = mistakes.note(self.listener(listen)).flatten();
        let [uid, gid] = ["uid", "gid"].map(|key| mistakes.note(self.number(key)).flatten());
        let from = self.table.get("from").and_then(|from| from.text.parse().ok());
        AccessRule { uid, gid, from, listen, roles, role }
    }

    /// `from` is about other hosts and containers, so some conditions can never hold.
    fn never_matches(&self) -> Option<Warning> {
        let from = self.table.get("from")?;
        let network: Cidr = from.text.parse().ok()?;
        if network.is_loopback() {
            let warning = from
                .mistake("never matches: from is about callers from other hosts and containers");
            return Some(warning.hint(
                "match local users by uid or gid, or every caller of one listener by listen",
            ));
        }
        let with_user = self.table.get("uid").or_else(|| self.table.get("gid"))?;
        let warning =
            with_user.mistake("never matches together with from: only local callers have a user");
        Some(warning.hint("write two entries, one with uid or gid and one with from"))
    }

    fn number(&self, key: &str) -> Result<Option<u32>, Mistake> {
        let Some(setting) = self.table.get(key) else { return Ok(None) };
        if cfg!(not(target_os = "linux")) {
            return Err(setting
                .mistake("only Linux tells whose program calls")
                .hint("tell callers apart by listen, each with a listener of its own"));
        }
        Ok(setting.text.parse().ok())
    }

    fn listener(&self, listen: &[Listen]) -> Result<Option<SocketAddr>, Mistake> {
        let Some(setting) = self.table.get("listen") else { return Ok(None) };
        let address = listen_address(setting.text).map_err(|wrong| setting.malformed(&wrong))?;
        let judged = |listen: &&Listen| {
            matches!(listen.kind, ListenKind::Imds | ListenKind::Container)
                && listen.address == address
        };
        match listen.iter().find(judged) {
            Some(_) => Ok(Some(address)),
            None => Err(setting
                .mistake("no listener of this address")
                .hint("name the address of a listener of kind imds or container")),
        }
    }

    fn mistake(&self, what: &str) -> Mistake {
        Mistake::new(what).at(&self.item.place).key(&self.item.key)
    }
}
