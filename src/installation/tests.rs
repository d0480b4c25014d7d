use super::*;

fn machine(scope: &Scope, folder: &str) -> Machine {
    Machine {
        version: 252,
        program: "/usr/local/bin/assumed".into(),
        folder: folder.into(),
        home: "/home/alice".into(),
        texts: BTreeMap::new(),
        foreign: BTreeMap::new(),
        units: scope.units().into_iter().map(|name| unit(&name, "not-found", "inactive")).collect(),
        others: Vec::new(),
        has_account: false,
        belongings: Vec::new(),
        state: "/var/lib/assumed".into(),
    }
}

fn unit(name: &str, load: &str, active: &str) -> UnitState {
    let load = load.to_owned();
    UnitState { name: name.to_owned(), load, active: active.to_owned(), ..UnitState::default() }
}

fn users() -> Machine {
    machine(&Scope::User, "/home/alice/.config/systemd/user")
}

fn of(scope: &Scope) -> Machine {
    machine(scope, MACHINE)
}

fn wish(scope: Scope) -> Wish {
    Wish { scope, profile: None, config: None, variables: Vec::new() }
}

fn told(steps: &[Step]) -> String {
    let steps = steps.iter().filter(|step| !matches!(step, Step::Note { .. }));
    let lines: Vec<String> = steps.map(ToString::to_string).chain([String::new()]).collect();
    lines.join("\n")
}

/// The machine after all files of this plan are written and all units run.
fn after(mut machine: Machine, steps: &[Step]) -> Machine {
    for step in steps {
        if let Step::Write { path, text } = step {
            machine.texts.insert(path.clone(), text.clone());
        }
    }
    for unit in &mut machine.units {
        unit.load = "loaded".into();
        unit.active = "active".into();
        unit.enabled = "enabled".into();
    }
    machine.has_account = true;
    machine
}

fn written<'a>(steps: &'a [Step], name: &str) -> &'a str {
    let text = steps.iter().find_map(|step| match step {
        Step::Write { path, text } if path.ends_with(name) => Some(text),
        _ => None,
    });
    text.unwrap_or_else(|| panic!("{name} is not written: {steps:?}"))
}

#[test]
fn a_user_gets_two_units_and_no_root_is_needed() {
    let steps = install(&wish(Scope::User), &users());
    let expected = "\
write    /home/alice/.config/systemd/user/assumed.socket
write    /home/alice/.config/systemd/user/assumed.service
run      systemctl --user daemon-reload
run      systemctl --user enable assumed.socket assumed.service
run      systemctl --user start assumed.socket
run      systemctl --user start assumed.service
";
    assert_eq!(told(&steps), expected);
    let service = written(&steps, "assumed.service");
    assert!(service.contains("\nExecStart=/usr/local/bin/assumed "), "{service}");
    assert!(!service.contains("/usr/bin/assumed"), "{service}");
}

#[test]
fn the_machine_gets_an_account_a_link_and_its_daemon() {
    let steps = install(&wish(Scope::Machine), &of(&Scope::Machine));
    let expected = "\
write    /etc/sysusers.d/assumed.conf
write    /etc/tmpfiles.d/assumed.conf
write    /etc/systemd/system/assumed-link.service
write    /etc/systemd/system/assumed-suspend.service
write    /etc/systemd/system/assumed.socket
write    /etc/systemd/system/assumed.service
run      systemd-sysusers /etc/sysusers.d/assumed.conf
run      systemd-tmpfiles --create /etc/tmpfiles.d/assumed.conf
run      systemctl daemon-reload
run      systemctl enable assumed-link.service assumed.socket assumed.service
run      systemctl start assumed-link.service assumed.socket
run      systemctl start assumed.service
";
    assert_eq!(told(&steps), expected);
}

#[test]
fn a_developer_gets_a_choice_of_its_own_beside_the_template() {
    let scope = Scope::Developer("alice".into());
    let wish = Wish {
        profile: Some("dev".into()),
        variables: vec![("HTTPS_PROXY".into(), "http://proxy:3128".into())],
        ..wish(scope.clone())
    };
    let machine = Machine { home: "/srv/alice".into(), ..of(&scope) };
    let steps = install(&wish, &machine);
    let choices = written(&steps, "assumed@alice.service.d/service-install.conf");
    let (_, choices) = choices.split_once('\n').unwrap();
    let expected = "\
[Service]
ExecStart=
ExecStart=/usr/local/bin/assumed run --exit-on-refusal --profile dev
Environment=\"HTTPS_PROXY=http://proxy:3128\"
ReadWritePaths=-/srv/alice/.aws
";
    assert_eq!(choices.replace(" --log-format journal", ""), expected);
    assert!(
        told(&steps)
            .contains("run      systemctl enable assumed-link.service assumed@alice.socket\n")
    );
    written(&steps, "assumed@.service");
}

#[test]
fn a_newer_systemd_gets_what_it_can() {
    let machine = Machine { version: 257, ..users() };
    let steps = install(&wish(Scope::User), &machine);
    let drop_in = written(&steps, "assumed.service.d/notify-reload.conf");
    assert!(drop_in.contains("Type=notify-reload"));
}

#[test]
fn twice_is_once() {
    for (scope, machine) in [
        (Scope::User, users()),
        (Scope::Machine, of(&Scope::Machine)),
        (Scope::Developer("alice".into()), of(&Scope::Developer("alice".into()))),
    ] {
        let wish = Wish { profile: Some("dev".into()), ..wish(scope) };
        let steps = install(&wish, &machine);
        assert!(steps.iter().any(Step::changes));
        let again = install(&wish, &after(machine, &steps));
        assert!(!again.iter().any(Step::changes), "{}", told(&again));
    }
}

#[test]
fn another_choice_restarts_the_daemon_and_leaves_its_socket_open() {
    let steps = install(&wish(Scope::User), &users());
    let machine = after(users(), &steps);
    let steps = install(&Wish { profile: Some("dev".into()), ..wish(Scope::User) }, &machine);
    let expected = "\
already  /home/alice/.config/systemd/user/assumed.socket
already  /home/alice/.config/systemd/user/assumed.service
write    /home/alice/.config/systemd/user/assumed.service.d/service-install.conf
run      systemctl --user daemon-reload
already  assumed.socket assumed.service enabled
run      systemctl --user restart assumed.service
";
    assert_eq!(told(&steps), expected);
    let machine = after(machine, &steps);
    let steps = install(&wish(Scope::User), &machine);
    let gone = "remove   /home/alice/.config/systemd/user/assumed.service.d/service-install.conf\n";
    assert!(told(&steps).contains(gone), "{}", told(&steps));
}

#[test]
fn units_of_a_package_are_used_and_not_written_over() {
    let mut machine = of(&Scope::Machine);
    for unit in &mut machine.units {
        unit.load = "loaded".into();
        unit.file = Some(Path::new("/usr/lib/systemd/system").join(&unit.name));
        let text = "[Service]\nExecStart=/usr/bin/assumed run --config /etc/assumed/config.toml\n";
        machine.foreign.insert(unit.name.clone(), text.to_owned());
    }
    machine.has_account = true;
    let steps = install(&Wish { profile: Some("dev".into()), ..wish(Scope::Machine) }, &machine);
    let files: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Write { path, .. } => Some(path.display().to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(files, ["/etc/systemd/system/assumed.service.d/service-install.conf"]);
    let choices = written(&steps, "service-install.conf");
    assert!(choices.contains("ExecStart=/usr/bin/assumed run --profile dev\n"), "{choices}");
    let text = told(&steps);
    assert!(text.contains("keep     /usr/lib/systemd/system/assumed.service: it was there before"));

    let steps = uninstall(&Scope::Machine, &after(machine, &steps));
    let removed = told(&steps).lines().filter(|line| line.starts_with("remove   /etc")).count();
    assert_eq!(removed, 1, "{}", told(&steps));
}

#[test]
fn what_somebody_changed_is_kept_and_said() {
    let steps = install(&wish(Scope::User), &users());
    let mut machine = after(users(), &steps);
    let path = PathBuf::from("/home/alice/.config/systemd/user/assumed.service");
    machine.texts.get_mut(&path).unwrap().push_str("Nice=5\n");
    let kept = "keep     /home/alice/.config/systemd/user/assumed.service: it was changed since";
    assert!(told(&install(&wish(Scope::User), &machine)).contains(kept));
    let steps = uninstall(&Scope::User, &machine);
    assert!(told(&steps).contains(kept));
    assert!(!steps.contains(&Step::Remove { path }));
}

#[test]
fn an_uninstallation_takes_away_what_was_written_and_nothing_else() {
    let machine = after(users(), &install(&wish(Scope::User), &users()));
    let expected = "\
run      systemctl --user disable --now assumed.socket assumed.service
run      systemctl --user reset-failed assumed.socket assumed.service
remove   /home/alice/.config/systemd/user/assumed.socket
remove   /home/alice/.config/systemd/user/assumed.service
run      systemctl --user daemon-reload
remove   /var/lib/assumed: lock, token.key, locked, container.port, consumers.json, control.sock
";
    assert_eq!(told(&uninstall(&Scope::User, &machine)), expected);
    let again = uninstall(&Scope::User, &users());
    assert_eq!(told(&again), "already  nothing of ours is installed\n");
}

#[test]
fn the_account_goes_with_the_last_of_its_files() {
    let mut machine =
        after(of(&Scope::Machine), &install(&wish(Scope::Machine), &of(&Scope::Machine)));
    assert!(told(&uninstall(&Scope::Machine, &machine)).contains("run      userdel assumed\n"));
    let settings = [PathBuf::from("/etc/assumed/config.toml")];
    let state = ["lock", "token.key", ".aws"].map(|name| Path::new("/var/lib/assumed").join(name));
    machine.belongings = belongings(&settings, &state);
    assert_eq!(machine.belongings.len(), 2);
    let kept = told(&uninstall(&Scope::Machine, &machine));
    assert!(
        kept.contains("keep     /etc/assumed/config.toml: so the user assumed stays"),
        "{kept}"
    );
    assert!(!kept.contains("run      userdel"), "{kept}");
}

#[test]
fn an_account_that_was_there_before_stays() {
    let machine = Machine { has_account: true, ..of(&Scope::Machine) };
    let steps = install(&wish(Scope::Machine), &machine);
    assert!(!told(&steps).contains("sysusers"));
    assert!(!told(&uninstall(&Scope::Machine, &after(machine, &steps))).contains("userdel"));
}

#[test]
fn what_another_developer_needs_stays() {
    let scope = Scope::Developer("alice".into());
    let machine = after(of(&scope), &install(&wish(scope.clone()), &of(&scope)));
    let machine = Machine { others: vec!["assumed@bob.socket".into()], ..machine };
    let text = told(&uninstall(&scope, &machine));
    assert!(text.starts_with(
        "run      systemctl disable --now assumed@alice.socket assumed@alice.service\n"
    ));
    assert!(text.contains("run      systemctl enable assumed-suspend.service\n"));
    let files =
        ["assumed-link.service", "assumed-suspend.service", "assumed@.socket", "assumed@.service"];
    for file in files {
        assert!(text.contains(&format!("keep     {MACHINE}/{file}: others need it\n")), "{text}");
    }
}
