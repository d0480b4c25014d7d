//! Whole resolutions: flags, environment and profiles in, settings or mistakes out.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::imds::{HttpEndpoint, HttpTokens, Options};
use crate::secret::Secret;
use crate::sts::request::{Base, BaseKind, Start};

const ARN: &str = "arn:aws:iam::123456789012:role/team/deploy";

/// Inputs under construction.
#[derive(Clone)]
struct Given(Inputs);

fn config(text: &str) -> Given {
    let environment = Environment::default().with("HOME", "/home/jane");
    Given(Inputs {
        environment: Arc::new(environment),
        shared_files: SharedFiles {
            config: Some(SharedFile::new("config", text.as_bytes().to_vec())),
            credentials: Some(SharedFile::new(
                "credentials",
                b"[base]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n".to_vec(),
            )),
        },
        caller: Caller { user: "jane".to_owned(), host: "laptop".to_owned(), pid: 42 },
        ..Inputs::default()
    })
}

impl Given {
    fn flags(mut self, set: impl FnOnce(&mut Overrides)) -> Self {
        set(&mut self.0.overrides);
        self
    }

    fn profile(self, name: &str) -> Self {
        self.flags(|flags| flags.profile = Some(name.to_owned()))
    }

    fn role(self, arn: &str) -> Self {
        self.flags(|flags| flags.role_arn = Some(arn.to_owned()))
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        let environment = (*self.0.environment).clone().with(name, value);
        self.0.environment = Arc::new(environment);
        self
    }

    fn file(mut self, text: &str) -> Self {
        let text = Secret::new(text);
        self.0.config_file = Some(ConfigFile { path: "config.toml".into(), text });
        self
    }

    fn settings(&self) -> Settings {
        Settings::resolve(&self.0).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    fn only_role(&self) -> RoleSettings {
        self.settings().roles.remove(0)
    }

    fn mistakes(&self) -> String {
        Settings::resolve(&self.0).unwrap_err().to_string()
    }

    fn warnings(&self) -> Vec<String> {
        let warnings = self.settings().warnings;
        warnings.iter().map(ToString::to_string).collect()
    }
}

fn arns(role: &RoleSettings) -> Vec<&str> {
    let hops = role.source.hops.iter();
    hops.map(|hop| hop.role_arn.as_str()).collect()
}

fn keys_of(name: &str) -> Start {
    Base::Profile { name: name.to_owned(), kind: BaseKind::Keys }.into()
}

/// A profile `dev` with a good role and source, and `more`.
fn dev(more: &str) -> Given {
    config(&format!(
        "[profile dev]\nrole_arn = {ARN}\nsource_profile = base\nregion = eu-west-1\n{more}"
    ))
    .profile("dev")
}

#[test]
fn a_profile_gives_its_role_and_everything_about_the_call() {
    let role = dev("external_id = ab:cd\nrole_session_name = ci-{pid}\nduration_seconds = 7200\n")
        .only_role();
    assert_eq!(role.name, "dev");
    assert_eq!(role.role_name.as_str(), "deploy");
    assert_eq!(role.account.unwrap().as_str(), "123456789012");
    assert_eq!(role.region.as_str(), "eu-west-1");
    assert_eq!(role.source.start, keys_of("base"));
    let [hop] = role.source.hops.as_slice() else { panic!("one hop") };
    assert_eq!(hop.role_arn.as_str(), ARN);
    assert_eq!(hop.role_session_name.as_str(), "ci-42");
    assert_eq!(hop.duration.get(), Duration::from_hours(2));
    assert_eq!(hop.external_id.as_ref().unwrap().as_str(), "ab:cd");
    assert_eq!(role.source.endpoint_url, None);
}

#[test]
fn what_nobody_sets_has_a_default() {
    let given = dev("");
    let settings = given.settings();
    assert_eq!(settings.listen, [Listen::default()]);
    assert_eq!(settings.listen[0].address.to_string(), "127.0.0.1:1338");
    assert_eq!(settings.state_dir.to_str(), Some("/home/jane/.local/state/assumed"));
    assert_eq!(settings.ready_timeout, Duration::from_secs(30));
    assert_eq!(settings.log, Log::default());
    assert!(settings.warnings.is_empty());
    let hop = &settings.roles[0].source.hops[0];
    assert_eq!(hop.role_session_name.as_str(), "jane@laptop");
    assert_eq!(hop.duration.get(), Duration::from_hours(1));
}

#[test]
fn flags_beat_the_profile() {
    let role = dev("external_id = old\nduration_seconds = 900\n")
        .variable("AWS_REGION", "eu-north-1")
        .flags(|flags| {
            flags.external_id = Some("new".to_owned());
            flags.duration = Some("2h".to_owned());
            flags.session_name = Some("me".to_owned());
            flags.region = Some("eu-central-1".to_owned());
        })
        .only_role();
    let hop = &role.source.hops[0];
    assert_eq!(hop.external_id.as_ref().unwrap().as_str(), "new");
    assert_eq!(hop.duration.get(), Duration::from_hours(2));
    assert_eq!(hop.role_session_name.as_str(), "me");
    assert_eq!(role.region.as_str(), "eu-central-1");
}

#[test]
fn the_profile_is_the_flags_then_the_environments_then_the_default_one() {
    let text = format!(
        "[default]\nrole_arn = {ARN}\nsource_profile = base\n[profile a]\nrole_arn = {ARN}\nsource_profile = base\n\
         [profile b]\nrole_arn = {ARN}\nsource_profile = base\n"
    );
    assert_eq!(config(&text).only_role().name, "default");
    let given = config(&text).variable("AWS_PROFILE", "a");
    assert_eq!(given.only_role().name, "a");
    assert_eq!(given.profile("b").only_role().name, "b");
}

#[test]
fn a_chain_is_walked_to_its_base_and_called_from_there() {
    let role = config(
        "[profile c]\nrole_arn = arn:aws:iam::123456789012:role/c\nsource_profile = b\n\
         [profile b]\nrole_arn = arn:aws:iam::123456789012:role/b\nsource_profile = a\nduration_seconds = 900\n\
         [profile a]\nrole_arn = arn:aws:iam::123456789012:role/a\nsource_profile = base\nregion = eu-west-1\n",
    )
    .profile("c")
    .only_role();
    assert_eq!(
        arns(&role),
        [
            "arn:aws:iam::123456789012:role/a",
            "arn:aws:iam::123456789012:role/b",
            "arn:aws:iam::123456789012:role/c",
        ]
    );
    assert_eq!(role.source.start, keys_of("base"));
    assert_eq!(role.role_name.as_str(), "c");
    assert_eq!(role.region.as_str(), "eu-west-1");
    let asked = role.source.hops.iter().map(|hop| hop.duration.get());
    assert!(asked.eq([3600, 900, 3600].map(Duration::from_secs)));
}

#[test]
fn a_profile_may_be_its_own_source_where_it_holds_keys() {
    let own = format!(
        "[profile own]\nrole_arn = {ARN}\nsource_profile = own\naws_access_key_id = AKIA\naws_secret_access_key = s\n"
    );
    let role = config(&own).profile("own").only_role();
    assert_eq!(role.source.start, keys_of("own"));
    assert_eq!(arns(&role), [ARN]);
}

#[test]
fn a_sources_own_keys_come_before_its_role() {
    let role = config(&format!(
        "[profile dev]\nrole_arn = {ARN}\nsource_profile = both\n\
         [profile both]\nrole_arn = {ARN}\nsource_profile = dev\naws_access_key_id = AKIA\naws_secret_access_key = s\n"
    ))
    .profile("dev")
    .only_role();
    assert_eq!(role.source.start, keys_of("both"));
    assert_eq!(arns(&role).len(), 1);
}

#[test]
fn a_role_of_flags_takes_named_source_then_environment_then_usual_profile() {
    let text = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = s\nregion = eu-west-1\n\
                [profile named]\ncredential_process = x\n";
    let given = config(text).role(ARN);
    let role = given.only_role();
    assert_eq!(role.name, "deploy");
    assert_eq!(role.source.start, keys_of("default"));
    assert_eq!(role.region.as_str(), "eu-west-1");
    let given = given.variable("AWS_ACCESS_KEY_ID", "AKIA").variable("AWS_SECRET_ACCESS_KEY", "s");
    assert_eq!(given.only_role().source.start, Base::Environment.into());
    let given = given.flags(|flags| flags.source_profile = Some("named".to_owned()));
    assert_eq!(
        given.only_role().source.start,
        Base::Profile { name: "named".to_owned(), kind: BaseKind::Process }.into()
    );
}

#[test]
fn temporary_credentials_without_a_role_are_served_as_they_are() {
    let text = format!(
        "[profile sso]\nsso_session = corp\nsso_account_id = 210987654321\nsso_role_name = ReadOnly\n\
         [sso-session corp]\nsso_start_url = https://corp\nsso_region = eu-west-1\n\
         [profile my/tool]\ncredential_process = x\n\
         [profile web]\nrole_arn = {ARN}\nweb_identity_token_file = /token\n\
         [profile console]\nlogin_session = arn:aws:iam::123456789012:user/jane\n"
    );
    let given = |name| config(&text).profile(name).only_role();
    let kind = |role: &RoleSettings| match &role.source.start {
        Start::Base(Base::Profile { kind, .. }) => *kind,
        other => panic!("{other}"),
    };
    let sso = given("sso");
    assert_eq!(kind(&sso), BaseKind::Sso);
    assert_eq!(sso.role_name.as_str(), "ReadOnly");
    assert_eq!(sso.account.unwrap().as_str(), "210987654321");
    assert!(sso.source.hops.is_empty());
    let tool = given("my/tool");
    assert_eq!(kind(&tool), BaseKind::Process);
    assert_eq!(tool.role_name.as_str(), "my-tool");
    let web = given("web");
    assert_eq!(web.source.start.to_string(), "web identity token of /token");
    assert_eq!(web.role_name.as_str(), "deploy");
    assert!(web.source.hops.is_empty());
    assert_eq!(kind(&given("console")), BaseKind::Login);
}

#[test]
fn the_region_is_the_first_that_is_set_else_the_partitions_with_a_warning() {
    let text = |region: &str| {
        format!(
            "[profile dev]\nrole_arn = arn:aws-cn:iam::123456789012:role/r\nsource_profile = base\n{region}"
        )
    };
    let given = config(&text("")).profile("dev");
    assert_eq!(given.only_role().region.as_str(), "cn-north-1");
    assert_eq!(
        given.warnings(),
        [
            "no Region is set; going to cn-north-1\nhint: set --region, AWS_REGION, or region in the profile"
        ]
    );
    let given = config(&text("region = cn-northwest-1\n")).profile("dev");
    assert_eq!(given.only_role().region.as_str(), "cn-northwest-1");
    let given = given.variable("AWS_DEFAULT_REGION", "cn-a-1");
    assert_eq!(given.only_role().region.as_str(), "cn-a-1");
    let given = given.variable("AWS_REGION", "cn-b-1");
    assert_eq!(given.only_role().region.as_str(), "cn-b-1");
}

#[test]
fn the_endpoint_is_found_in_the_order_of_the_sdks() {
    let url = |given: &Given| given.only_role().source.endpoint_url;
    let own = dev("endpoint_url = https://profile\n");
    assert_eq!(url(&own).as_deref(), Some("https://profile"));
    let services = dev(
        "endpoint_url = https://profile\nservices = local\n[services local]\nsts =\n  endpoint_url = https://services\n",
    );
    assert_eq!(url(&services).as_deref(), Some("https://services"));
    let all = services.variable("AWS_ENDPOINT_URL", "https://all");
    assert_eq!(url(&all).as_deref(), Some("https://all"));
    let sts = all.variable("AWS_ENDPOINT_URL_STS", "https://sts");
    assert_eq!(url(&sts).as_deref(), Some("https://sts"));
    let ignored = sts.variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    assert_eq!(url(&ignored), None);
    let in_profile =
        dev("endpoint_url = https://profile\nignore_configured_endpoint_urls = True\n");
    assert_eq!(url(&in_profile), None);
}

#[test]
fn a_legacy_endpoint_is_the_global_one_for_the_older_regions_only() {
    let given = dev("sts_regional_endpoints = legacy\n");
    let role = given.only_role();
    assert_eq!(role.region.as_str(), "eu-west-1");
    assert_eq!(role.source.region.as_str(), "us-east-1");
    assert_eq!(role.source.endpoint_url.as_deref(), Some("https://sts.amazonaws.com"));
    let newer = given.clone().variable("AWS_REGION", "eu-south-1").only_role();
    assert_eq!(newer.source.region.as_str(), "eu-south-1");
    assert_eq!(newer.source.endpoint_url, None);
    let regional = given.variable("AWS_STS_REGIONAL_ENDPOINTS", "regional");
    assert_eq!(regional.only_role().source.endpoint_url, None);
}

#[test]
fn an_endpoint_without_encryption_is_warned_of_unless_it_is_our_own_host() {
    assert!(dev("endpoint_url = http://127.0.0.1:5000\n").warnings().is_empty());
    assert_eq!(
        dev("endpoint_url = http://sts.example.com\n").warnings(),
        [
            "config:5:16: endpoint_url: STS is asked without encryption, so anybody on the way can read the credentials\n\
          hint: use an https URL"
        ]
    );
}

#[test]
fn the_state_directory_is_the_first_that_is_named() {
    let place = |given: &Given| given.settings().state_dir.to_str().unwrap().to_owned();
    let given = dev("").variable("XDG_STATE_HOME", "/xdg");
    assert_eq!(place(&given), "/xdg/assumed");
    let relative = dev("").variable("XDG_STATE_HOME", "xdg");
    assert_eq!(place(&relative), "/home/jane/.local/state/assumed");
    let given = given.variable("STATE_DIRECTORY", "/var/lib/a:/var/lib/b");
    assert_eq!(place(&given), "/var/lib/a");
    let given = given.flags(|flags| flags.state_dir = Some("here".into()));
    assert_eq!(place(&given), "here");
}

#[test]
fn listeners_and_logs_are_as_the_flags_say() {
    let settings = dev("")
        .flags(|flags| {
            flags.listen = vec!["169.254.169.254:80".to_owned(), "[::1]:0".to_owned()];
            flags.log_level = Some("debug".to_owned());
            flags.log_format = Some("json".to_owned());
            flags.exit_on_refusal = true;
        })
        .settings();
    let addresses = settings.listen.iter().map(|l| l.address.to_string());
    assert!(addresses.eq(["169.254.169.254:80", "[::1]:0"]));
    assert_eq!(settings.log.level, LogLevel::Debug);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert!(settings.exit_on_refusal);
}

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

/// Each profile, and the one mistake it makes.
#[test]
#[allow(clippy::too_many_lines)] // a table
fn each_mistake_of_a_profile_is_named_with_its_line_and_what_to_do() {
    let cases = [
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
    for (text, expected) in cases {
        let given = config(&text.replace("ARN", ARN)).profile("p");
        assert_eq!(given.mistakes(), expected, "{text}");
    }
}

#[test]
fn each_mistake_of_the_flags_is_named_by_its_flag() {
    let role = || config("").role(ARN);
    let source = |flags: &mut Overrides| flags.source_profile = Some("base".to_owned());
    let cases = [
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
        (
            config("[profile p]\ncredential_process = x\n")
                .profile("p")
                .flags(|flags| flags.duration = Some("1h".to_owned())),
            "--duration: without effect, for this profile is served as it is\n\
             hint: leave it out, or name a profile with a role_arn and a source",
        ),
        (
            dev("").flags(|flags| flags.listen = vec!["127.0.0.1:80".to_owned(); 2]),
            "--listen: 127.0.0.1:80 comes twice",
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
    ];
    for (given, expected) in cases {
        assert_eq!(given.mistakes(), expected);
    }
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

const TABLE: &str = "[role.dev]\nrole_arn = \"arn:aws:iam::123456789012:role/team/deploy\"\nsource_profile = \"base\"\nregion = \"eu-west-1\"\n";

#[test]
fn the_example_file_is_a_whole_set_of_settings() {
    let settings = config("").file(include_str!("../../docs/assumed.example.toml")).settings();
    let role = &settings.roles[0];
    assert_eq!(role.name, "dev");
    assert_eq!(role.region.as_str(), "eu-central-1");
    assert_eq!(role.source.region.as_str(), "eu-west-1");
    assert_eq!(role.source.start, keys_of("base"));
    assert_eq!(role.metadata["instance_id"], "i-0123456789abcdef0");
    assert_eq!(role.metadata["instance_type"], "m7i.large");
    assert_eq!(settings.listen[1].address.to_string(), "172.17.0.1:1338");
    assert!(settings.listen[1].allow_from[0].contains([172, 17, 3, 4].into()));
    assert_eq!(settings.listen[1].kind, ListenKind::Imds);
    assert_eq!(settings.listen[2].kind, ListenKind::Container);
    assert_eq!(settings.imds, Options::default());
    assert_eq!(settings.hosts, ["host.docker.internal"]);
    assert_eq!(settings.state_dir.to_str(), Some("/var/lib/assumed"));
    assert!(settings.warnings.is_empty());
}

#[test]
fn a_listener_that_is_open_to_everybody_is_worth_a_warning() {
    let listen = |allow: &str| {
        config("").file(&format!(
            "listen = [{{ address = \"0.0.0.0:1338\", allow_from = [{allow}] }}]\n{TABLE}"
        ))
    };
    assert_eq!(
        listen("\"10.0.0.0/8\", \"0.0.0.0/0\"").warnings(),
        [
            "config.toml:1:23: listen.address: every host that reaches this listener may take the credentials\n\
          hint: narrow its allow_from to the networks that are meant"
        ]
    );
    assert!(listen("\"10.0.0.0/8\", \"fd00::/8\"").warnings().is_empty());
    assert!(listen("").warnings().is_empty(), "for this host only");
}

#[test]
fn a_flag_for_imds_leaves_container_listeners_alone() {
    let file = format!(
        "listen = [\"127.0.0.1:1\", {{ address = \"127.0.0.1:2\", kind = \"container\" }}]\n{TABLE}"
    );
    let given = config("[profile base]\n").file(&file);
    let settings = given.flags(|flags| flags.listen = vec!["127.0.0.1:3".to_owned()]).settings();
    let listen = settings.listen.iter().map(|listen| (listen.address.port(), listen.kind));
    let expected = [(3, ListenKind::Imds), (2, ListenKind::Container)];
    assert_eq!(listen.collect::<Vec<_>>(), expected);
}

#[test]
fn flags_beat_the_file_and_the_file_beats_the_profile() {
    let given = config("[default]\naws_access_key_id = A\naws_secret_access_key = s\nregion = eu-north-1\n")
        .file(&format!(
            "state_dir = \"/file\"\nlisten = [\"127.0.0.1:1\"]\n[log]\nlevel = \"warn\"\nformat = \"json\"\n{TABLE}duration_seconds = \"30m\"\n"
        ));
    let settings = given.settings();
    assert_eq!(settings.state_dir.to_str(), Some("/file"));
    assert_eq!(settings.listen[0].address.to_string(), "127.0.0.1:1");
    assert_eq!(settings.log.level, LogLevel::Warn);
    let role = &settings.roles[0];
    assert_eq!(role.source.hops[0].duration.get(), Duration::from_mins(30));
    assert_eq!(role.region.as_str(), "eu-west-1");
    let settings = given
        .variable("AWS_REGION", "eu-central-1")
        .flags(|flags| {
            flags.state_dir = Some("/flag".into());
            flags.listen = vec!["127.0.0.1:2".to_owned()];
            flags.log_level = Some("error".to_owned());
            flags.duration = Some("1h".to_owned());
        })
        .settings();
    assert_eq!(settings.state_dir.to_str(), Some("/flag"));
    assert_eq!(settings.listen.len(), 1);
    assert_eq!(settings.listen[0].address.to_string(), "127.0.0.1:2");
    assert_eq!(settings.log.level, LogLevel::Error);
    assert_eq!(settings.log.format, LogFormat::Json);
    let role = &settings.roles[0];
    assert_eq!(role.source.hops[0].duration.get(), Duration::from_hours(1));
    assert_eq!(role.region.as_str(), "eu-central-1");
}

#[test]
fn a_profile_named_by_a_flag_or_in_roles_is_served_beside_tables() {
    let profile =
        format!("[profile p]\nrole_arn = {ARN}\nsource_profile = base\nregion = eu-west-1\n");
    let given = config(&profile).file(TABLE);
    assert_eq!(given.only_role().name, "dev");
    assert_eq!(given.clone().profile("p").only_role().name, "p");
    let listed = given.file(&format!("roles = [\"profile:p\"]\n{TABLE}"));
    assert_eq!(listed.only_role().name, "p");
}

#[test]
fn metadata_options_and_limits_come_from_the_file() {
    let settings = dev("")
        .file(
            "ready_timeout = 5\n[imds]\nhttp_endpoint = \"disabled\"\nhttp_tokens = \"optional\"\n\
             http_put_response_hop_limit = 2\naccount_id = true\n[sts]\nconnect_timeout = \"1s\"\noperation_timeout = \"1m\"\n",
        )
        .settings();
    assert_eq!(settings.ready_timeout, Duration::from_secs(5));
    let expected = Options {
        http_endpoint: HttpEndpoint::Disabled,
        http_tokens: HttpTokens::Optional,
        hop_limit: 2,
        account_id: true,
    };
    assert_eq!(settings.imds, expected);
    let timeouts = settings.roles[0].source.timeouts;
    assert_eq!(timeouts.connect, Duration::from_secs(1));
    assert_eq!(timeouts.operation, Duration::from_mins(1));
}

#[test]
fn an_endpoint_of_the_file_stands_between_environment_and_profile() {
    let url = |given: &Given| given.only_role().source.endpoint_url;
    let given =
        dev("endpoint_url = https://profile\n").file("[sts]\nendpoint_url = \"https://file\"\n");
    assert_eq!(url(&given).as_deref(), Some("https://file"));
    let ignoring = given.clone().variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    assert_eq!(url(&ignoring).as_deref(), Some("https://file"));
    let given = given.variable("AWS_ENDPOINT_URL", "https://environment");
    assert_eq!(url(&given).as_deref(), Some("https://environment"));
    let own = config("").file(&format!(
        "{TABLE}endpoint_url = \"https://role\"\n[sts]\nendpoint_url = \"https://file\"\n"
    ));
    assert_eq!(url(&own).as_deref(), Some("https://role"));
}

#[test]
fn a_special_endpoint_is_chosen_by_variable_file_or_profile() {
    let choice = |given: &Given| {
        let source = given.only_role().source;
        (source.route.use_fips_endpoint, source.route.use_dualstack_endpoint, source.endpoint_url)
    };
    let fips = dev("use_fips_endpoint = true\nsts_regional_endpoints = legacy\n");
    assert_eq!(choice(&fips), (true, false, None));
    let off = fips.variable("AWS_USE_FIPS_ENDPOINT", "false");
    assert_eq!(choice(&off), (false, false, Some("https://sts.amazonaws.com".to_owned())));
    let dual = dev("").variable("AWS_USE_DUALSTACK_ENDPOINT", "true");
    assert_eq!(choice(&dual), (false, true, None));
    let file = config("").file(&format!("{TABLE}use_fips_endpoint = true\n"));
    assert_eq!(choice(&file), (true, false, None));
}

#[test]
fn the_way_to_sts_is_the_environments_then_the_files_then_the_profiles() {
    let way = |given: &Given| {
        let route = given.only_role().source.route;
        (
            route.ca_bundle.map(|path| path.to_str().unwrap().to_owned()).unwrap_or_default(),
            route.proxy.map(|url| url.expose().to_owned()).unwrap_or_default(),
        )
    };
    let words = |bundle: &str, proxy: &str| (bundle.to_owned(), proxy.to_owned());
    let given = dev("ca_bundle = /profile.pem\n");
    assert_eq!(way(&given), words("/profile.pem", ""));
    let given = given.file("[sts]\nca_bundle = \"/file.pem\"\nproxy = \"http://me:pass@file:1\"\n");
    assert_eq!(way(&given), words("/file.pem", "http://me:pass@file:1"));
    let shown = format!("{:?} {:?}", given.0, given.settings());
    assert!(!shown.contains("pass@"), "{shown}");
    let given = given
        .variable("AWS_CA_BUNDLE", "/variable.pem")
        .variable("HTTPS_PROXY", "http://variable:1");
    assert_eq!(way(&given), words("/variable.pem", "http://variable:1"));
}

const SEVERAL: &str = "\
[profile a]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\nregion = eu-west-1\n\
[profile b]\nrole_arn = arn:aws:iam::123456789012:role/y\nsource_profile = base\n\
[profile plain]\nregion = eu-west-2\n";

#[test]
fn several_roles_are_served_the_active_one_first() {
    let names = |given: &Given| -> Vec<String> {
        given.settings().roles.into_iter().map(|role| role.name).collect()
    };
    let tables = "[role.dev]\nrole_arn = \"arn:aws:iam::123456789012:role/d\"\nsource_profile = \"base\"\n\
                  [role.prod]\nrole_arn = \"arn:aws:iam::123456789012:role/p\"\nsource_profile = \"base\"\n";
    let file = |text: &str| config(SEVERAL).file(text);
    assert_eq!(names(&file(tables)), ["dev", "prod"], "every table");
    assert_eq!(names(&file(&tables.replace("dev", "zeta"))), ["zeta", "prod"], "in their order");
    assert_eq!(names(&file(&format!("active = \"prod\"\n{tables}"))), ["prod", "dev"]);
    let guarded = tables.replace("[role.prod]", "protected = true\n[role.prod]");
    assert_eq!(names(&file(&guarded)), ["prod", "dev"], "the first that may be active");
    let listed =
        format!("roles = [\"profile:b\", \"dev\", \"profile:*\"]\nactive = \"a\"\n{tables}");
    assert_eq!(names(&file(&listed)), ["a", "b", "dev"], "each profile once, at its place");
    assert_eq!(names(&file(&listed).profile("a")), ["a"], "flags name one");
}

#[test]
fn roles_say_when_they_rotate_and_who_may_have_them() {
    let dev = "role_arn = \"arn:aws:iam::123456789012:role/d\"\nsource_profile = \"base\"\n";
    let text = format!(
        "idle_after = \"5m\"\nmax_in_flight = 2\n\
         listen = [\"127.0.0.1:1\", {{ address = \"127.0.0.1:2\", role = \"prod\" }}]\n\
         [role.dev]\n{dev}eager = true\n[role.prod]\n{dev}protected = true\n"
    );
    let settings = config("").file(&text).settings();
    assert_eq!((settings.idle_after, settings.max_in_flight), (Duration::from_mins(5), 2));
    let roles: Vec<_> = settings.roles.iter().map(|role| (role.eager, role.protected)).collect();
    assert_eq!(roles, [(true, false), (false, true)]);
    let own: Vec<_> = settings.listen.iter().map(|listen| listen.role.as_deref()).collect();
    assert_eq!(own, [None, Some("prod")]);
}

#[test]
fn flags_about_a_role_need_one_that_they_are_about() {
    let given = config(SEVERAL).file("roles = [\"profile:*\"]\n");
    let given = given.flags(|flags| flags.external_id = Some("partner".to_owned()));
    assert_eq!(
        given.mistakes(),
        "--external-id: which of the roles is meant?\n\
         hint: name it with --profile, or write this into its table"
    );
}

/// Each file, and what is wrong with its meaning.
#[test]
#[allow(clippy::too_many_lines)] // a table
fn each_mistake_of_the_files_meaning_is_named_with_its_line() {
    let arn = "role_arn = \"arn:aws:iam::123456789012:role/x\"\nsource_profile = \"base\"\n";
    let two = format!("[role.a]\n{arn}[role.base]\n{arn}");
    let cases = [
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
            format!(
                "[[listen]]\naddress = \"127.0.0.1:1\"\nkind = \"container\"\nrole = \"dev\"\n{TABLE}"
            ),
            "config.toml:4:8: listen.role: without effect, for each consumer has a role of its own\n\
             hint: leave it out; `assumed token create` gives a consumer its role",
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
            format!("[[listen]]\nkind = \"imds\"\n{TABLE}"),
            "config.toml:1:1: listen: a listener without an address\n\
             hint: add address = \"127.0.0.1:1338\"",
        ),
        (
            format!("listen = [\"127.0.0.1:1\", \"localhost:1\"]\n{TABLE}"),
            "config.toml:1:26: listen: 127.0.0.1:1 comes twice",
        ),
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
             hint: known ones here are landlock, seccomp",
        ),
        (
            format!("{TABLE}[sandbox]\nlandlock = \"of\"\n"),
            "config.toml:6:12: sandbox.landlock: not one of the choices\n\
             hint: did you mean \"off\"?",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(config("").file(&text).mistakes(), expected, "{text}");
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

#[test]
fn the_sandbox_is_closed_as_far_as_it_goes_unless_the_file_says_otherwise() {
    let sandbox = |file: &str| dev("").file(file).settings().sandbox;
    assert_eq!(sandbox(""), Sandbox { landlock: Landlock::Auto, seccomp: true });
    for (word, landlock) in [("auto", Landlock::Auto), ("on", Landlock::On), ("off", Landlock::Off)]
    {
        let file = format!("[sandbox]\nlandlock = \"{word}\"\nseccomp = false\n");
        assert_eq!(sandbox(&file), Sandbox { landlock, seccomp: false });
    }
}

#[test]
fn a_command_is_known_wherever_it_stands() {
    let role = format!("[profile dev]\nregion = eu-west-1\nrole_arn = {ARN}\n");
    let provider = "principal_arn = arn:aws:iam::123456789012:saml-provider/corp\n";
    let mfa = "mfa_serial = arn:aws:iam::123456789012:mfa/jane\n";
    let runs = |text: &str| config(text).profile("dev").settings().runs_commands();
    for without in [
        format!("{role}source_profile = base\n{mfa}"),
        format!("{role}web_identity_token_file = /token\n"),
        format!("{role}{provider}saml_assertion_file = /saml\n"),
    ] {
        assert!(!runs(&without), "{without}");
    }
    for with in [
        format!("{role}source_profile = base\n{mfa}mfa_command = totp\n"),
        format!("{role}source_profile = tool\n[profile tool]\ncredential_process = x\n"),
        format!("{role}web_identity_token_command = fetch\n"),
        format!("{role}{provider}saml_assertion_command = fetch\n"),
        "[profile dev]\ncredential_process = x\nregion = eu-west-1\n".to_owned(),
        format!(
            "[profile dev]\naction = get-session-token\nsource_profile = base\n\
             region = eu-west-1\n{mfa}mfa_command = totp\n"
        ),
    ] {
        assert!(runs(&with), "{with}");
    }
    let told = dev("").file("[events]\ncommand = [\"tell\"]\n").settings();
    assert!(told.runs_commands());
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
