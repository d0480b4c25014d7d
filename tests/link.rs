//! `assumed link` in a network namespace of its own, where it may do as it likes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr)]

mod common;

use std::process::Command;

use common::program::Home;

/// Runs this script as root of an empty network, with the program as `$A`.
fn script(home: &Home, script: &str) -> Option<(bool, String)> {
    let inside = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net", "sh", "-ec", script]);
        command.env("HOME", home.path()).env_remove("XDG_STATE_HOME");
        command.env("A", env!("CARGO_BIN_EXE_assumed"));
        command.output()
    };
    if !inside("true").is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: no namespaces without rights here");
        return None;
    }
    let output = inside(&format!("exec 2>&1; {script}")).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Some((output.status.success(), text))
}

#[test]
fn what_is_put_up_is_taken_down_and_what_was_there_stays() {
    let home = Home::new();
    let told = script(
        &home,
        "$A link up fd00:ec2::254
         $A link up 169.254.169.254 fd00:ec2::254
         $A link status
         $A link down
         $A link status
         $A link down",
    );
    let Some((well, told)) = told else { return };
    assert!(well, "{told}");
    let expected = "\
fd00:ec2::254 is on lo
169.254.169.254 is on lo
fd00:ec2::254 was already on lo
169.254.169.254  on lo
169.254.170.2    not on this machine
169.254.170.23   not on this machine
fd00:ec2::254    on lo
fd00:ec2::23     not on this machine
fd00:ec2::254 is no longer on lo
169.254.169.254 is no longer on lo
169.254.169.254  not on this machine
169.254.170.2    not on this machine
169.254.170.23   not on this machine
fd00:ec2::254    not on this machine
fd00:ec2::23     not on this machine
nothing of ours is on lo
";
    assert_eq!(told, expected);
}

#[test]
fn what_somebody_else_added_is_left_alone() {
    if Command::new("ip").arg("-V").output().is_err() {
        eprintln!("SKIPPED: iproute2 is not here");
        return;
    }
    let home = Home::new();
    let told = script(
        &home,
        "ip addr add 169.254.170.2/32 dev lo
         $A link up 169.254.170.2
         $A link down
         $A link status | grep 170.2",
    );
    let Some((well, told)) = told else { return };
    assert!(well, "{told}");
    let expected = "\
169.254.170.2 was already on lo
nothing of ours is on lo
169.254.170.2    on lo, not by us
169.254.170.23   not on this machine
";
    assert_eq!(told, expected);
}

#[test]
fn another_owner_of_the_address_is_not_hidden() {
    if Command::new("ip").arg("-V").output().is_err() {
        eprintln!("SKIPPED: iproute2 is not here");
        return;
    }
    let home = Home::new();
    let told = script(
        &home,
        "ip link add v0 type veth peer name v1
         ip link set v0 up; ip addr add 169.254.169.254/32 dev v0
         if $A link up; then echo done; else echo \"ended with $?\"; fi
         $A link up --force",
    );
    let Some((well, told)) = told else { return };
    assert!(well, "{told}");
    let expected = "\
assumed: 169.254.169.254 is on v0 already
hint: --force hides it from this machine's programs
ended with 69
169.254.169.254 is on lo
";
    assert_eq!(told, expected);
}

#[test]
fn other_addresses_are_a_mistake_and_rights_are_asked_for() {
    let home = Home::new();
    let told = script(
        &home,
        "if $A link up 10.0.0.1; then echo done; else echo \"ended with $?\"; fi
         if setpriv --bounding-set=-all --inh-caps=-all $A link up; then echo done; else echo \"ended with $?\"; fi",
    );
    let Some((_, told)) = told else { return };
    assert!(
        told.contains("known ones are 169.254.169.254, ") && told.contains("ended with 64"),
        "{told}"
    );
    assert!(
        told.contains("hint: this takes CAP_NET_ADMIN") && told.contains("ended with 69"),
        "{told}"
    );
}
