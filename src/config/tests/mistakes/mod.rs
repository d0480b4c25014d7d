//! Every mistake at once, each in its place, and none that quotes a value.

mod files;
mod flags;
mod profiles;

use proptest::prelude::*;

use super::*;

#[test]
fn every_mistake_is_told_at_once_in_reading_order() {
    let given = config(
        "[profile dev]\nrole_arn = nonsense\nsource_profile = mid\nexternal_id = a b\nduration_seconds = 10\n\
         role_session_name = {shell}\nmfa_serial = x\n\
         [profile mid]\nbroken\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = basse\n",
    )
    .profile("dev")
    .flags(|flags| {
        flags.listen = vec!["1338".to_owned()];
        flags.log_level = Some("loud".to_owned());
    });
    assert_eq!(
        given.mistakes(),
        "config:2:12: role_arn: not a role ARN\n\
         hint: it has 20 to 2048 characters\n\
         config:4:15: external_id: not an external ID\n\
         hint: allowed are letters, digits and _+=,.@:/-\n\
         config:5:20: duration_seconds: not a session duration\n\
         hint: it is 900 to 43200 whole seconds\n\
         config:6:21: role_session_name: not a role session name\n\
         hint: its placeholders are {user}, {host} and {pid}\n\
         config:7:14: mfa_serial: not an MFA serial\n\
         hint: it has 9 to 256 characters\n\
         config:9:1: neither a section nor a key with a value\n\
         hint: write key = value, or put a # before a comment\n\
         config:10:12: role_arn: not an account id\n\
         hint: it has twelve digits\n\
         config:11:18: source_profile: there is no such profile\n\
         hint: did you mean base?\n\
         --listen: not an address to listen on\n\
         hint: it looks like 127.0.0.1:1338 or [::1]:1338\n\
         --log-level: not a log level\n\
         hint: known ones are error, warn, info, debug and trace"
    );
}

#[test]
fn no_mistake_quotes_a_value() {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let keys = [
        "role_arn",
        "source_profile",
        "external_id",
        "duration_seconds",
        "role_session_name",
        "mfa_serial",
        "region",
        "endpoint_url",
        "services",
        "sts_regional_endpoints",
        "credential_source",
        "sso_session",
        "sso_account_id",
        "sso_role_name",
        "aws_access_key_id",
        "web_identity_token_file",
        "ignore_configured_endpoint_urls",
    ];
    for key in keys {
        for rest in [format!("role_arn = {ARN}\nsource_profile = base\n"), String::new()] {
            let text = format!("[profile p]\n{rest}{key} = {secret}\n{secret}\n");
            let told = config(&text).profile("p").mistakes();
            assert!(!told.contains("wJal"), "{told}");
            let given = config(&text).profile("p");
            assert!(!format!("{:?}", given.0).contains("wJal"));
        }
    }
}

#[test]
fn all_files_and_flags_are_judged_in_one_run() {
    let given = dev("external_id = a b\n")
        .file("access = 3\nready_timeout = \"soon\"\n")
        .flags(|flags| flags.listen = vec!["1338".to_owned()]);
    assert_eq!(
        given.mistakes(),
        "config:5:15: external_id: not an external ID\n\
         hint: allowed are letters, digits and _+=,.@:/-\n\
         config.toml:1:10: access: a number, where a list belongs\n\
         hint: write access = [ … ]\n\
         config.toml:2:17: ready_timeout: not a duration\n\
         hint: write whole seconds, or 90s, 15m, 1h\n\
         --listen: not an address to listen on\n\
         hint: it looks like 127.0.0.1:1338 or [::1]:1338"
    );
}

proptest! {
    #[test]
    fn there_are_settings_or_there_is_a_reason(
        shared in "(\\[default\\]\n|\\[profile [ab]\\]\n|role_arn = arn:aws:iam::123456789012:role/x\n|source_profile = (a|b|base|default)\n|credential_process = x\n|credential_source = Environment\n|region = eu-west-1\n|sso_role_name = x\n|web_identity_token_file = x\n){0,9}",
        file in "(|roles = \\[\"(a|profile:a)\"\\]\n)(|\\[role.a\\]\n)(role_arn = \"arn:aws:iam::123456789012:role/x\"\n|source_profile = \"(a|base)\"\n){0,2}",
        profile in prop::option::of("[abc]"),
        role in prop::option::of(Just(ARN.to_owned())),
    ) {
        let given = config(&shared).file(&file).flags(|flags| {
            flags.profile = profile;
            flags.role_arn = role;
        });
        match Settings::resolve(&given.0) {
            Ok(settings) => prop_assert!(!settings.roles.is_empty()),
            Err(mistakes) => prop_assert!(!mistakes.is_empty()),
        }
    }
}
