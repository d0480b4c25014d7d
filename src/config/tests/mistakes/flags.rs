//! What is wrong with flags and the environment.

use super::super::*;

fn told<'a>(cases: impl IntoIterator<Item = (Given, &'a str)>) {
    for (given, expected) in cases {
        assert_eq!(given.mistakes(), expected);
    }
}

#[test]
fn a_role_that_no_flag_or_variable_leads_to() {
    let role = || config("").role(ARN);
    let source = |flags: &mut Overrides| flags.source_profile = Some("base".to_owned());
    told([
        (
            config(&format!("[profile dev]\nrole_arn = {ARN}\n")),
            "no role to serve\nhint: name one with --profile: dev",
        ),
        (
            config(""),
            "no role to serve\n\
             hint: name one with --role-arn, or write a profile for it and name that with --profile",
        ),
        (
            config("").profile("bas"),
            "--profile: there is no such profile\nhint: did you mean base?",
        ),
        (
            config("").variable("AWS_PROFILE", "production"),
            "AWS_PROFILE: there is no such profile\nhint: known ones are base",
        ),
        (
            role().profile("base"),
            "--role-arn: a role, but --profile names one as well\n\
             hint: the profile whose credentials sign the call is named by --source-profile",
        ),
        (
            config("").flags(source),
            "--source-profile: a source without a role\n\
             hint: name the role with --role-arn, or use --profile",
        ),
        (
            role(),
            "--role-arn: a role, but nothing to sign the call with\n\
             hint: name a profile with --source-profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (
            role().variable("AWS_ACCESS_KEY_ID", "AKIA"),
            "AWS_ACCESS_KEY_ID: AWS_SECRET_ACCESS_KEY is not set in this environment\n\
             hint: set it for the daemon, or name a source_profile",
        ),
    ]);
}

#[test]
fn flags_and_variables_that_say_what_cannot_be() {
    told([
        (
            config("[profile p]\ncredential_process = x\n")
                .profile("p")
                .flags(|flags| flags.duration = Some("1h".to_owned())),
            "--duration: without effect, for this profile is served as it is\n\
             hint: leave it out, or name a profile with a role_arn and a source",
        ),
        (
            dev("").flags(|flags| flags.listen = vec!["127.0.0.1:80".to_owned(); 2]),
            "--listen: 127.0.0.1:80 comes twice\nhint: leave one of them out, or give it a port of its own",
        ),
        (
            dev("").variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "maybe"),
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: not a choice\nhint: write true or false",
        ),
        (
            dev("").variable("HOME", ""),
            "--state-dir: nowhere to keep the token key and the lock\n\
             hint: name a directory, for HOME is not set",
        ),
    ]);
}
