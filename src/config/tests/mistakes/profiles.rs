//! What is wrong with a profile.

use super::super::*;

/// A profile `p`, and the one mistake that it makes; ARN stands for a good one.
type Case = (&'static str, &'static str);

/// Roles and profiles that nothing signs for.
const WITHOUT_A_SOURCE: &[Case] = &[
    (
        "[profile p]\nregion = eu-west-1\n",
        "config:1:1: p: a profile without credentials and without a role\n\
         hint: it needs role_arn with source_profile, sso_session, credential_process, or keys",
    ),
    (
        "[profile p]\nrole_anr = x\nsource_profile = base\n",
        "config:1:1: p: a profile without credentials and without a role\n\
         hint: line 2 may mean role_arn",
    ),
    (
        "[profile p]\ncredential_source = Environment\n",
        "config:1:1: p: a profile without credentials and without a role\n\
         hint: line 2 needs a role_arn beside it",
    ),
    (
        "[profile p]\nrole_arn = ARN\n",
        "config:2:12: role_arn: a role without a source\n\
         hint: add source_profile = NAME, or credential_source = Environment",
    ),
    (
        "[profile p]\nrole_arn = ARN\nsourceprofile = base\n",
        "config:2:12: role_arn: a role without a source\n\
         hint: line 3 may mean source_profile",
    ),
    (
        "[profile p]\nrole_arn = ARN\nsource_profile = base\ncredential_source = Environment\n",
        "config:4:21: credential_source: stands beside source_profile\n\
         hint: keep one of the two",
    ),
    (
        "[profile p]\nrole_arn = ARN\ncredential_source = Ec2InstanceMetadata\n",
        "config:3:21: credential_source: this daemon serves metadata and asks none for its own credentials, unless told where\n\
         hint: name a source_profile, or set credential_source_endpoint to an endpoint that is not this daemon's",
    ),
    (
        "[profile p]\nrole_arn = ARN\ncredential_source = EcsContainer\n",
        "config:3:21: credential_source: this daemon serves metadata and asks none for its own credentials, unless told where\n\
         hint: name a source_profile, or set credential_source_endpoint to an endpoint that is not this daemon's",
    ),
    (
        "[profile p]\nrole_arn = ARN\ncredential_source = environment\n",
        "config:3:21: credential_source: not a credential source\n\
         hint: did you mean Environment?",
    ),
    (
        "[profile p]\nrole_arn = ARN\ncredential_source = Environment\n",
        "config:3:21: credential_source: AWS_ACCESS_KEY_ID is not set in this environment\n\
         hint: set it for the daemon, or name a source_profile",
    ),
    (
        "[profile p]\nrole_arn = ARN\nsource_profile = p\n",
        "config:3:18: source_profile: a profile that is its own source, but holds no keys\n\
         hint: name the profile that holds them",
    ),
];

/// Chains that lead nowhere, or to the wrong place.
const CHAINS: &[Case] = &[
    (
        "[profile p]\nrole_arn = ARN\nsource_profile = q\n[profile q]\nrole_arn = ARN\nsource_profile = r\n\
         [profile r]\nrole_arn = ARN\nsource_profile = q\n",
        "config:9:18: source_profile: a loop of source profiles: q (config:6), r (config:9)\n\
         hint: one of them has to hold credentials of its own",
    ),
    (
        "[profile p]\nrole_arn = ARN\nsource_profile = q\n[q]\nrole_arn = ARN\n",
        "config:3:18: source_profile: the section at config:4 is no profile\n\
         hint: in the config file its line reads [profile NAME]",
    ),
    (
        "[profile p]\nrole_arn = ARN\nsource_profile = q\nduration_seconds = 7200\n\
         [profile q]\nrole_arn = ARN\nsource_profile = base\nduration_seconds = 7200\n",
        "config:4:20: duration_seconds: more than an hour, for a role assumed with the credentials of another\n\
         hint: STS limits role chaining to an hour: write 3600 or less",
    ),
    (
        "[profile p]\nrole_arn = ARN\nsource_profile = q\nduration_seconds = 3601\n\
         [profile q]\nsso_start_url = u\nsso_region = eu-west-1\nsso_account_id = 123456789012\nsso_role_name = r\n",
        "config:4:20: duration_seconds: more than an hour, for a role assumed with the credentials of another\n\
         hint: STS limits role chaining to an hour: write 3600 or less",
    ),
    (
        "[profile p]\nrole_arn = ARN\nsource_profile = q\n[profile q]\nrole_arn = arn:aws-cn:iam::123456789012:role/q\nsource_profile = base\n",
        "config:5:12: role_arn: a role of partition aws-cn cannot assume one of aws\n\
         hint: all roles of a chain belong to one partition",
    ),
    (
        "[profile p]\nrole_arn = ARN\nsource_profile = base\nregion = cn-north-1\n",
        "config:4:10: region: a Region of partition aws-cn, but the role belongs to aws\n\
         hint: name a Region of the role's partition",
    ),
];

/// Keys, sessions and endpoints that are not whole.
const PARTS: &[Case] = &[
    (
        "[profile p]\naws_access_key_id = AKIA\naws_secret_access_key = s\n",
        "config:2:21: aws_access_key_id: long-lived keys are never served as they are\n\
         hint: have a role assumed with them: --role-arn ARN --source-profile p",
    ),
    (
        "[profile p]\naws_access_key_id = ASIA\naws_secret_access_key = s\naws_session_token = t\n",
        "config:2:21: aws_access_key_id: keys that end at an unknown time cannot be rotated, so they are not served\n\
         hint: have a role assumed with them: --role-arn ARN --source-profile p",
    ),
    (
        "[profile p]\nrole_arn = ARN\nsource_profile = q\n[profile q]\naws_access_key_id = AKIA\n",
        "config:5:21: aws_access_key_id: stands without aws_secret_access_key\n\
         hint: add aws_secret_access_key to the same profile",
    ),
    (
        "[profile p]\nweb_identity_token_file = /token\n",
        "config:2:27: web_identity_token_file: stands without role_arn\n\
         hint: add role_arn to the same profile",
    ),
    (
        "[profile p]\nsso_session = corq\nsso_account_id = 123456789012\nsso_role_name = r\n[sso-session corp]\n",
        "config:2:15: sso_session: there is no such SSO session\n\
         hint: did you mean corp?",
    ),
    (
        "[profile p]\nsso_session = corp\nsso_role_name = r\nsso_account_id = 123456789012\n[sso-session corp]\nsso_region = eu-west-1\n",
        "config:5:1: corp: has no sso_start_url\n\
         hint: aws configure sso writes all that is needed",
    ),
    (
        "[profile p]\nrole_arn = ARN\nsource_profile = base\nservices = s\n",
        "config:4:12: services: there is no such services section\n\
         hint: add [services NAME] to the config file, or drop this key",
    ),
    (
        "[profile p]\nrole_arn = ARN\nsource_profile = base\nendpoint_url = sts\n",
        "config:4:16: endpoint_url: not the URL of an endpoint\n\
         hint: it begins with https:// or http://",
    ),
    (
        "[profile p]\nrole_arn = ARN\nsource_profile = base\nsts_regional_endpoints = local\n",
        "config:4:26: sts_regional_endpoints: not a choice\n\
         hint: write regional or legacy",
    ),
];

#[test]
fn each_mistake_of_a_profile_is_named_with_its_line_and_what_to_do() {
    for (text, expected) in [WITHOUT_A_SOURCE, CHAINS, PARTS].concat() {
        let given = config(&text.replace("ARN", ARN)).profile("p");
        assert_eq!(given.mistakes(), expected, "{text}");
    }
}
