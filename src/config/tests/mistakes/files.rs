//! What is wrong in the settings file, told with line and column.

use super::super::*;

fn told<'a>(cases: impl IntoIterator<Item = (String, &'a str)>) {
    for (text, expected) in cases {
        assert_eq!(config("").file(&text).mistakes(), expected, "{text}");
    }
}

#[test]
fn roles_that_cannot_be_served() {
    let arn = "role_arn = \"arn:aws:iam::123456789012:role/x\"\nsource_profile = \"base\"\n";
    let two = format!("[role.a]\n{arn}[role.base]\n{arn}");
    told([
        (
            format!("roles = [\"a\", \"base\", \"profile:base\"]\n{two}"),
            "config.toml:1:23: roles: two roles are called base\n\
             hint: name each once, and call no table like a profile",
        ),
        (
            format!("roles = [\"a\", \"a\"]\n{two}"),
            "config.toml:1:15: roles: two roles are called a\n\
             hint: name each once, and call no table like a profile",
        ),
        (
            "roles = [\"profile:*\"]\n".to_owned(),
            "config.toml:1:10: roles: no profile has a role_arn\n\
             hint: add one to ~/.aws/config, or name a profile",
        ),
        (
            format!("active = \"bass\"\n{two}"),
            "config.toml:1:10: active: not a role that is served\n\
             hint: did you mean base?",
        ),
        (
            format!("active = \"base\"\n{two}protected = true\n"),
            "config.toml:1:10: active: a protected role is never the active one\n\
             hint: give it a listener of its own, or take protected from it",
        ),
        (
            format!("{TABLE}protected = true\n"),
            "roles: every role is protected, so that none can be the active one\n\
             hint: take protected from one of them, or add another role",
        ),
        (
            "roles = [\"base\"]\n".to_owned(),
            "config.toml:1:10: roles: there is no such role\n\
             hint: a profile is named with its kind: \"profile:base\"",
        ),
        (
            "roles = [\"profile:bas\"]\n".to_owned(),
            "config.toml:1:10: roles: there is no such profile\nhint: did you mean base?",
        ),
        (
            format!("roles = [\"deev\"]\n{TABLE}"),
            "config.toml:1:10: roles: there is no such role\nhint: did you mean dev?",
        ),
        (
            format!("active = \"prod\"\n{TABLE}"),
            "config.toml:1:10: active: not a role that is served\n\
             hint: the one that is served is dev",
        ),
    ]);
}

#[test]
fn session_policies_that_are_too_much_together() {
    told([(
        format!(
            "{TABLE}policy = '{{\"Version\": \"{}\"}}'\npolicy_arns = [\"arn:aws:iam::aws:policy/{}\"]\n",
            "x".repeat(1500),
            "y".repeat(600),
        ),
        "config.toml:6:16: role.dev.policy_arns: not session policies that STS takes\n\
             hint: together they have 2048 characters at most",
    )]);
}

#[test]
fn a_wrong_role_hides_no_mistake_about_names() {
    told([(
        "active = \"prod\"\n[role.dev]\nrole_arn = \"nonsense\"\nsource_profile = \"base\"\n\
             [[access]]\nrole = \"ops\"\n"
            .to_owned(),
        "config.toml:1:10: active: not a role that is served\n\
             hint: the one that is served is dev\n\
             config.toml:3:12: role.dev.role_arn: not a role ARN\n\
             hint: it has 20 to 2048 characters\n\
             config.toml:6:8: access.role: not a role that is served\n\
             hint: the one that is served is dev",
    )]);
}

#[test]
fn listeners_that_cannot_be_opened() {
    told([
        (
            format!(
                "[[listen]]\naddress = \"127.0.0.1:1\"\nkind = \"container\"\nrole = \"dev\"\n{TABLE}"
            ),
            "config.toml:4:8: listen.role: without effect, for each consumer has a role of its own\n\
             hint: leave it out; `assumed token create` gives a consumer its role",
        ),
        (
            format!("[[listen]]\naddress = \"127.0.0.1:1\"\nrole = \"prod\"\n{TABLE}"),
            "config.toml:3:8: listen.role: not a role that is served\n\
             hint: the one that is served is dev",
        ),
        (
            format!(
                "[[listen]]\naddress = \"127.0.0.1:1\"\nkind = \"metrics\"\nrole = \"dev\"\n{TABLE}"
            ),
            "config.toml:4:8: listen.role: without effect, for metrics are about all roles\n\
             hint: leave it out",
        ),
        (
            format!("[[listen]]\nkind = \"imds\"\n{TABLE}"),
            "config.toml:1:1: listen: a listener without an address\n\
             hint: add address = \"127.0.0.1:1338\"",
        ),
        (
            format!("listen = [\"127.0.0.1:1\", \"localhost:1\"]\n{TABLE}"),
            "config.toml:1:26: listen: 127.0.0.1:1 comes twice\nhint: leave one of them out, or give it a port of its own",
        ),
    ]);
}

#[test]
fn entries_that_are_about_nobody_or_give_nothing() {
    told([
        (
            format!("{TABLE}[[access]]\nuid = 1\n"),
            "config.toml:5:1: access: an entry that says nothing about roles\n\
             hint: add roles = [\"dev\"], or role = \"dev\"; roles = [] refuses whoever it is about",
        ),
        (
            format!(
                "{TABLE}[[access]]\nlisten = \"127.0.0.1:9\"\nroles = [\"prod\"]\nrole = \"dev\"\n"
            ),
            "config.toml:6:10: access.listen: no listener of this address\n\
             hint: name the address of a listener of kind imds or container\n\
             config.toml:7:10: access.roles: not a role that is served\n\
             hint: the one that is served is dev\n\
             config.toml:8:8: access.role: not among the roles of its entry\n\
             hint: add it to them",
        ),
        (
            format!("{TABLE}[[pod]]\nissuer = \"http://10.0.0.1\"\nrole = \"prod\"\n"),
            "config.toml:5:1: pod: an entry without subject\n\
             hint: add subject = \"system:serviceaccount:NAMESPACE:NAME\"\n\
             config.toml:6:10: pod.issuer: its keys cannot be asked of it: that takes https\n\
             hint: name jwks_file, a file with them: `kubectl get --raw /openid/v1/jwks`\n\
             config.toml:7:8: pod.role: not a role that is served\n\
             hint: the one that is served is dev",
        ),
        (
            format!(
                "{TABLE}[[pod]]\nissuer = \"c\"\nsubject = \"s\"\nrole = \"dev\"\njwks_file = \"jwks.json\"\n"
            ),
            "config.toml:9:13: pod.jwks_file: not the whole path of a file\n\
             hint: it begins with / or ~/",
        ),
        (
            format!("{TABLE}[[pod]]\nissuer = \"\"\nsubject = \"\"\nrole = \"dev\"\n"),
            "config.toml:5:1: pod: an entry without issuer\n\
             hint: it is what `kubectl get --raw /.well-known/openid-configuration` calls issuer\n\
             config.toml:5:1: pod: an entry without subject\n\
             hint: add subject = \"system:serviceaccount:NAMESPACE:NAME\"",
        ),
        (
            format!(
                "{TABLE}[[pod]]\nissuer = \"https://c\"\nsubject = \"system:serviceaccount:shop*\"\nrole = \"dev\"\n"
            ),
            "config.toml:7:11: pod.subject: no service account has such a subject\n\
             hint: it is system:serviceaccount:NAMESPACE:NAME; * is any text without a colon",
        ),
    ]);
}

#[test]
fn keys_of_a_role_that_do_not_fit() {
    told([
        (
            format!("{TABLE}duration_seconds = 60\n"),
            "config.toml:5:20: role.dev.duration_seconds: not a session duration\n\
             hint: it is 900 to 43200 whole seconds",
        ),
        (
            "[role.dev]\nsource_profile = \"base\"\n".to_owned(),
            "config.toml:1:1: role.dev: a role without role_arn\n\
             hint: add it; a profile that is served as it is stands in roles as profile:NAME",
        ),
        (
            "[role.dev]\nrole_arn = 1\n".to_owned(),
            "config.toml:2:12: role.dev.role_arn: a number, where a text belongs\n\
             hint: write it as in role_arn = \"arn:aws:iam::123456789012:role/deploy\"",
        ),
        (
            format!("{TABLE}sts_region = \"cn-north-1\"\n"),
            "config.toml:5:14: role.dev.sts_region: a Region of partition aws-cn, but the role belongs to aws\n\
             hint: name a Region of the role's partition",
        ),
        (
            format!("{TABLE}use_fips_endpoint = true\nendpoint_url = \"https://x\"\n"),
            "config.toml:5:21: role.dev.use_fips_endpoint: stands beside the URL of an endpoint\n\
             hint: keep one of the two, for the URL says all",
        ),
    ]);
}

#[test]
fn sections_with_values_of_another_kind() {
    told([
        (
            format!("{TABLE}[imds]\nhosts = [\"host:80\"]\n"),
            "config.toml:6:10: imds.hosts: not a host\n\
             hint: it is a name or an address, without a port",
        ),
        (
            format!("{TABLE}[metadata]\nmac = \"02\"\n"),
            "config.toml:6:7: metadata.mac: not a MAC address\n\
             hint: it looks like 02:0a:0b:0c:0d:0e",
        ),
        (
            format!("{TABLE}[metadata]\navailability_zone = \"us-east-1a\"\n"),
            "config.toml:6:21: metadata.availability_zone: not a zone of eu-west-1, the Region that is served\n\
             hint: it looks like eu-west-1a; or set region beside it",
        ),
        (
            format!("{TABLE}[metadata]\nhostname = \"a\\nb\"\n"),
            "config.toml:6:12: metadata.hostname: not a value of the tree\n\
             hint: it is one line of at most 256 bytes",
        ),
        (
            format!("{TABLE}[sts]\nconnect_timeout = \"1m\"\n"),
            "config.toml:6:19: sts.connect_timeout: these limits leave no time\n\
             hint: connect_timeout ≤ attempt_timeout ≤ operation_timeout, none of them 0",
        ),
        (
            format!("{TABLE}[sts]\nproxy = \"proxy:3128\"\n"),
            "config.toml:6:9: sts.proxy: not the URL of a proxy\n\
             hint: it looks like http://proxy.example.com:3128",
        ),
        (
            format!("{TABLE}[log]\nformat = \"xml\"\n"),
            "config.toml:6:10: log.format: not one of the choices\n\
             hint: known ones are text, json, journal",
        ),
        (
            format!("{TABLE}[sandbox]\nlandlock = true\nseccomp = \"on\"\nnetwork = \"off\"\n"),
            "config.toml:6:12: sandbox.landlock: true or false, where a text belongs\n\
             hint: write it as in landlock = \"auto\"\n\
             config.toml:7:11: sandbox.seccomp: a text, where true or false belongs\n\
             hint: write it as in seccomp = true\n\
             config.toml:8:1: sandbox.network: no such key\n\
             hint: known ones here are landlock, seccomp, commands",
        ),
        (
            format!("{TABLE}[sandbox]\nlandlock = \"of\"\n"),
            "config.toml:6:12: sandbox.landlock: not one of the choices\n\
             hint: did you mean \"off\"?",
        ),
    ]);
}
