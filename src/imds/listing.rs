//! Directories, which are nothing but what lies below them.
//!
//! Because every listing is made from the leaves, a listed name can always be
//! fetched (G12), and what is empty is not there at all (G16).

use std::collections::{BTreeMap, BTreeSet};

/// The path and the listing of each directory above these leaves, the top one first.
///
/// Names stand in the order of their bytes, with a line feed between two of
/// them; directories end in a slash (G11), but for those at the top (P3).
pub(super) fn directories<'a>(leaves: impl IntoIterator<Item = &'a str>) -> Vec<(String, String)> {
    let mut children: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for leaf in leaves {
        let (mut parent, name) = leaf.rsplit_once('/').unwrap_or(("", leaf));
        children.entry(parent).or_default().insert(name.to_owned());
        while !parent.is_empty() {
            let (above, name) = parent.rsplit_once('/').unwrap_or(("", parent));
            let slash = if above.is_empty() { "" } else { "/" };
            children.entry(above).or_default().insert(format!("{name}{slash}"));
            parent = above;
        }
    }
    let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join("\n");
    children.into_iter().map(|(path, names)| (path.to_owned(), list(names))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g11_p3_listings_follow_from_the_leaves() {
        let made =
            directories(["meta-data/mac", "meta-data/iam/info", "meta-data/ami-id", "dynamic/a/b"]);
        let made: Vec<_> = made.iter().map(|(path, list)| (path.as_str(), list.as_str())).collect();
        assert_eq!(
            made,
            [
                ("", "dynamic\nmeta-data"),
                ("dynamic", "a/"),
                ("dynamic/a", "b"),
                ("meta-data", "ami-id\niam/\nmac"),
                ("meta-data/iam", "info"),
            ]
        );
    }
}
