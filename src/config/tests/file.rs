//! What the settings file adds.

use super::*;

#[test]
fn the_example_file_is_a_whole_set_of_settings() {
    let settings = config("").file(include_str!("../../../docs/assumed.example.toml")).settings();
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
fn the_sandbox_is_closed_as_far_as_it_goes_unless_the_file_says_otherwise() {
    let sandbox = |file: &str| dev("").file(file).settings().sandbox;
    assert_eq!(sandbox(""), Sandbox { landlock: Landlock::Auto, seccomp: true, commands: true });
    for (word, landlock) in [("auto", Landlock::Auto), ("on", Landlock::On), ("off", Landlock::Off)]
    {
        let file = format!("[sandbox]\nlandlock = \"{word}\"\nseccomp = false\ncommands = false\n");
        assert_eq!(sandbox(&file), Sandbox { landlock, seccomp: false, commands: false });
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

#[test]
fn entries_say_which_caller_may_have_what_in_their_order() {
    let settings = dev("")
        .file(
            "[[access]]\nuid = 7\nlisten = \"localhost:1338\"\nrole = \"dev\"\n\
             [[access]]\ngid = 70\nfrom = \"10.0.0.0/8\"\nroles = [\"dev\"]\n\
             [[access]]\nroles = []\n[[access]]\nroles = [\"dev\"]\n",
        )
        .settings();
    let [own, group, nobody, _] = settings.access.as_slice() else { panic!("four") };
    assert_eq!((own.uid, own.gid, own.role.as_deref()), (Some(7), None, Some("dev")));
    assert_eq!(own.listen, Some("127.0.0.1:1338".parse().unwrap()));
    assert_eq!(own.roles, ["dev"], "the role alone is also all that may be had");
    assert_eq!((group.gid, group.from), (Some(70), Some("10.0.0.0/8".parse().unwrap())));
    assert_eq!(*nobody, AccessRule::default());
    assert_eq!(
        settings.warnings[0].to_string(),
        "config.toml:6:7: access.gid: never matches together with from: only local callers have a user\n\
         hint: write two entries, one with uid or gid and one with from"
    );
    assert_eq!(
        settings.warnings[1].to_string(),
        "config.toml:11:1: access: never reached: an entry above it is about everybody\n\
         hint: the first entry that fits decides; move this one up"
    );
}

#[test]
fn entries_say_which_pod_gets_what_and_where_its_issuers_keys_are() {
    let told = |more: &str| {
        let entry = "[[pod]]\nsubject = \"system:serviceaccount:shop:*\"\nrole = \"dev\"\n";
        dev("").file(&format!("{entry}{more}")).settings().pods.remove(0)
    };
    let asked = told("issuer = \"https://oidc.example.com\"\n");
    assert_eq!((asked.jwks_file, &*asked.audience), (None, "pods.eks.amazonaws.com"));
    let local =
        told("issuer = \"cluster\"\njwks_file = \"/etc/jwks.json\"\naudience = \"assumed\"\n");
    assert_eq!(local.jwks_file.unwrap().to_str(), Some("/etc/jwks.json"));
    assert_eq!((&*local.issuer, &*local.audience), ("cluster", "assumed"));
}
