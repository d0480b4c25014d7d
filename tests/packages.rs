//! What is packed: that it is there, and that it has the version of the program.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn documents_and_pages_have_the_version_of_the_program() {
    assert!(read("CHANGELOG.md").contains(&format!("\n## [{VERSION}] - 20")), "CHANGELOG.md");
    assert!(read("docs/install.md").contains(&format!("assumed_{VERSION}-1_")), "docs/install.md");
    assert!(read("man/assumed.1").contains(VERSION), "man/assumed.1");
    assert!(read("docs/conformance.md").contains(&format!("| assumed {VERSION} |")));
}

/// An asset is a list: where it is, where it goes, its mode.
#[test]
fn all_that_the_debian_package_takes_is_there() {
    let manifest = read("Cargo.toml");
    let manifest = toml::de::DeTable::parse(&manifest).unwrap().into_inner();
    let deb = manifest["package"].get_ref()["metadata"].get_ref()["deb"].get_ref();
    for asset in deb["assets"].get_ref().as_array().unwrap() {
        let source = asset.get_ref()[0].get_ref().as_str().unwrap();
        // packaging/prepare.sh makes those.
        if !source.starts_with("target/release/packaging/") {
            let (folder, name) = source.rsplit_once('/').unwrap_or((".", source));
            let known = if name.contains('*') { folder } else { source };
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(known).exists(), "{source}");
        }
    }
}
