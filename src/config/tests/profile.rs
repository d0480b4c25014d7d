//! What a profile, the environment and flags make of a role.

use super::*;

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
