//! The groups of a user, by the files of the user database.

use std::borrow::Cow;
use std::fs;

use crate::access::permit::Groups;

/// Sources of groups in nsswitch.conf(5) that add nothing to `/etc/group` for the users of
/// `/etc/passwd`: systemd has only users of its own.
const ADD_NOTHING: [&str; 3] = ["files", "compat", "systemd"];

/// The primary group first. Nothing is known of a user who is not in `/etc/passwd`.
#[must_use]
pub fn groups(uid: u32) -> Groups {
    let files = Files {
        passwd: fs::read("/etc/passwd").ok(),
        group: fs::read("/etc/group").ok(),
        nsswitch: fs::read("/etc/nsswitch.conf").unwrap_or_default(),
    };
    files.groups(uid)
}

struct Files {
    /// `None` if the file cannot be read.
    passwd: Option<Vec<u8>>,
    group: Option<Vec<u8>>,
    /// Without this file there are no other sources.
    nsswitch: Vec<u8>,
}

impl Files {
    fn groups(&self, uid: u32) -> Groups {
        let passwd = text(self.passwd.as_deref());
        let Some((name, primary)) = user(&passwd, uid) else { return Groups::default() };
        let group = text(self.group.as_deref());
        let others = group.lines().filter_map(|line| {
            let mut fields = line.split(':').skip(2);
            let gid = fields.next()?.parse().ok()?;
            fields.next()?.split(',').any(|member| member.trim() == name).then_some(gid)
        });
        Groups { known: std::iter::once(primary).chain(others).collect(), complete: self.are_all() }
    }

    /// Whether no other source than `/etc/group` has groups.
    fn are_all(&self) -> bool {
        let group = text(self.group.as_deref());
        // A line that begins with a plus sign stands for NIS.
        let has_nis = group.lines().any(|line| line.starts_with('+'));
        self.group.is_some() && !has_nis && names_only_files(&text(Some(&self.nsswitch)))
    }
}

fn text(file: Option<&[u8]>) -> Cow<'_, str> {
    String::from_utf8_lossy(file.unwrap_or_default())
}

/// Name and primary group; `None` unless exactly one line has this uid.
fn user(passwd: &str, uid: u32) -> Option<(&str, u32)> {
    let mut lines = passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| (name, fields.next()))
    });
    let (name, primary) = lines.next()?;
    lines.next().is_none().then_some((name, primary?.parse().ok()?))
}

fn names_only_files(nsswitch: &str) -> bool {
    nsswitch.lines().all(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let Some((database, sources)) = line.split_once(':') else { return true };
        let others = !matches!(database.trim(), "group" | "initgroups");
        others || sources_of(sources).all(|source| ADD_NOTHING.contains(&source))
    })
}

/// The words outside brackets, which hold what to do with a source's answer.
fn sources_of(text: &str) -> impl Iterator<Item = &str> {
    let outside = text.split('[').enumerate().filter_map(|(index, part)| {
        if index == 0 { Some(part) } else { part.split_once(']').map(|(_, rest)| rest) }
    });
    outside.flat_map(str::split_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\njane:x:1000:100::/home/jane:/bin/sh\nbroken\n\
        toor:x:7:0::/:/bin/sh\nrotor:x:7:0::/:/bin/sh\nodd:x:8:users::/:/bin/sh\n";
    const GROUP: &str =
        "users:x:100:\naws:x:7:joe,jane\nmary:x:8:janet\nbroken:x\nwheel:x:10:jane\n";

    fn files(nsswitch: &str) -> Files {
        Files { passwd: Some(PASSWD.into()), group: Some(GROUP.into()), nsswitch: nsswitch.into() }
    }

    #[test]
    fn the_groups_of_a_user_are_the_primary_one_and_those_that_list_it() {
        let complete = |known: &[u32]| Groups { known: known.to_vec(), complete: true };
        assert_eq!(files("").groups(1000), complete(&[100, 7, 10]));
        assert_eq!(files("").groups(0), complete(&[0]));
    }

    #[test]
    fn nothing_is_known_of_a_user_who_is_missing_or_ambiguous() {
        for uid in [4711, 7, 8] {
            assert_eq!(files("").groups(uid), Groups::default(), "{uid}");
        }
        let unreadable = Files { passwd: None, ..files("") };
        assert_eq!(unreadable.groups(1000), Groups::default());
    }

    #[test]
    fn a_group_file_that_cannot_be_read_or_stands_for_nis_is_not_all() {
        let unreadable = Files { group: None, ..files("") };
        assert_eq!(unreadable.groups(1000), Groups { known: vec![100], complete: false });
        let nis = Files { group: Some(format!("{GROUP}+:::\n").into()), ..files("") };
        assert_eq!(nis.groups(1000), Groups { known: vec![100, 7, 10], complete: false });
    }

    #[test]
    fn another_source_of_groups_may_know_more() {
        for (nsswitch, complete) in [
            ("passwd: files sss\n", true),
            ("# group: ldap\ngroup: files # not ldap\n", true),
            ("group:\tfiles [SUCCESS=merge] systemd\n", true),
            ("group: files [!UNAVAIL=return SUCCESS=merge]systemd\n", true),
            ("group: compat\n", true),
            ("group: files sss\n", false),
            ("group: sss [NOTFOUND=return] files\n", false),
            ("group: files\ninitgroups: files ldap\n", false),
            ("group: files [SUCCESS=merge\n", true),
        ] {
            assert_eq!(files(nsswitch).groups(1000).complete, complete, "{nsswitch}");
        }
    }
}
