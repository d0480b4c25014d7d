//! Every key of the settings file: its shape, what it means, its default.
//!
//! The reader judges a file by this table, `docs/configuration.md` and the
//! example are tested against it. `*` stands for a name of the user's own,
//! `[]` for an entry of a list.

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// From the top of the file, parted by dots.
    pub path: &'static str,
    /// What may stand behind the `=`.
    pub kind: Kind,
    /// What it is for, as a fragment.
    pub meaning: &'static str,
    /// What holds without it, in words or as it would be written.
    pub default: &'static str,
    /// A value as it is written.
    pub example: &'static str,
}

/// What may stand behind a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text; whoever uses it judges it.
    Text,
    /// Any text, which counts even where it is empty.
    Verbatim,
    /// Whole seconds, or a text such as `"15m"`.
    Span,
    /// A whole number, from and to these.
    Number(i64, i64),
    /// `true` or `false`.
    Flag,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// `"HOST:PORT"`
    Address,
    /// An address, or a network as `"10.0.0.0/8"`.
    Network,
    /// A value of the metadata tree.
    Leaf,
}

const fn key(
    path: &'static str,
    kind: Kind,
    meaning: &'static str,
    default: &'static str,
    example: &'static str,
) -> Key {
    Key { path, kind, meaning, default, example }
}

const LISTEN_KINDS: &[&str] = &["imds", "container", "pod-identity", "metrics"];
const SOURCES: &[&str] = &["Environment", "EcsContainer", "Ec2InstanceMetadata"];
const ACTIONS: &[&str] = &["assume-role", "get-session-token", "get-federation-token"];
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// All of them, in the order in which they are documented.
#[rustfmt::skip] // A table.
pub const KEYS: &[Key] = &[
    key("roles[]", Kind::Text, "the roles to serve: tables below, or profiles as `profile:NAME`; `profile:*` is every profile with a `role_arn`", "every `[role.*]`", "\"dev\""),
    key("active", Kind::Text, "the role that listeners without one of their own serve", "the first that is not `protected`", "\"dev\""),
    key("listen[]", Kind::Address, "where to listen: an address, or a table", "`127.0.0.1:1338`", "\"127.0.0.1:1338\""),
    key("listen[].address", Kind::Address, "where this listener is bound", "none", "\"169.254.169.254:80\""),
    key("listen[].kind", Kind::Choice(LISTEN_KINDS), "what it speaks", "`imds`", "\"imds\""),
    key("listen[].role", Kind::Text, "the role that an `imds` listener serves, whatever is active", "`active`", "\"dev\""),
    key("listen[].allow_from[]", Kind::Network, "who may connect besides this host", "nobody", "\"172.17.0.0/16\""),
    key("listen[].max_connections", Kind::Number(16, 65_536), "how many connections it may have; when that many are open, idle ones are closed for new ones", "`1024`", "256"),
    key("state_dir", Kind::Text, "where the token key and the lock live", "`$STATE_DIRECTORY`, else `$XDG_STATE_HOME/assumed`, else `~/.local/state/assumed`", "\"/var/lib/assumed\""),
    key("ready_timeout", Kind::Span, "how long being ready waits for the first credentials", "`30s`", "\"30s\""),
    key("max_in_flight", Kind::Number(1, 64), "how many roles ask STS at once", "`4`", "4"),
    key("idle_after", Kind::Span, "a role that nobody asked for so long stops rotating until it is asked for, unless it is active or `eager`", "`1h`", "\"1h\""),

    key("role.*.role_arn", Kind::Text, "the role to assume", "none", "\"arn:aws:iam::123456789012:role/deploy\""),
    key("role.*.source_profile", Kind::Text, "the profile whose credentials sign the call", "none", "\"base\""),
    key("role.*.credential_source", Kind::Choice(SOURCES), "where they come from instead", "none", "\"Environment\""),
    key("role.*.credential_source_endpoint", Kind::Text, "the endpoint of `EcsContainer` or `Ec2InstanceMetadata`, never one of our own", "none", "\"http://192.0.2.1/credentials\""),
    key("role.*.action", Kind::Choice(ACTIONS), "what STS is asked for", "`assume-role`", "\"get-session-token\""),
    key("role.*.role_session_name", Kind::Text, "the name in CloudTrail, with `{user}`, `{host}` and `{pid}` filled in", "`{user}@{host}`", "\"{user}@{host}\""),
    key("role.*.duration_seconds", Kind::Span, "how long each session lasts, 15 minutes to 12 hours; to 36 hours for the two `get-` actions", "`1h`, or `12h`", "3600"),
    key("role.*.external_id", Kind::Text, "what the role's trust policy may demand", "none", "\"partner-4711\""),
    key("role.*.source_identity", Kind::Text, "a name that stays through role chains", "none", "\"jane\""),
    key("role.*.policy", Kind::Text, "a session policy: what the session may do less than the role", "none", "'{\"Version\": \"2012-10-17\", \"Statement\": []}'"),
    key("role.*.policy_file", Kind::Text, "a file with a session policy, read for each attempt", "none", "\"/etc/assumed/policy.json\""),
    key("role.*.policy_arns[]", Kind::Text, "managed session policies, ten at most", "none", "\"arn:aws:iam::aws:policy/ReadOnlyAccess\""),
    key("role.*.tags.*", Kind::Verbatim, "session tags", "none", "\"blue\""),
    key("role.*.transitive_tag_keys[]", Kind::Text, "the session tags that stay through role chains", "none", "\"team\""),
    key("role.*.mfa_serial", Kind::Text, "the MFA device whose code is wanted", "none", "\"arn:aws:iam::123456789012:mfa/jane\""),
    key("role.*.mfa_command[]", Kind::Verbatim, "a command that prints the code", "none", "\"totp\""),
    key("role.*.mfa_session", Kind::Span, "how long one code serves, for all roles with the same keys and device", "`12h`", "\"12h\""),
    key("role.*.web_identity_token_file", Kind::Text, "a file with an OIDC token, read for each attempt", "none", "\"/run/secrets/token\""),
    key("role.*.web_identity_token_command[]", Kind::Verbatim, "a command that prints an OIDC token", "none", "\"fetch-token\""),
    key("role.*.principal_arn", Kind::Text, "the SAML provider", "none", "\"arn:aws:iam::123456789012:saml-provider/corp\""),
    key("role.*.saml_assertion_file", Kind::Text, "a file with a SAML response, read for each attempt", "none", "\"/run/user/1000/saml\""),
    key("role.*.saml_assertion_command[]", Kind::Verbatim, "a command that prints a SAML response", "none", "\"fetch-assertion\""),
    key("role.*.federation_name", Kind::Text, "the name of a federated user", "none", "\"guest\""),
    key("role.*.region", Kind::Text, "the Region, for clients and for STS", "that of the profile", "\"eu-central-1\""),
    key("role.*.sts_region", Kind::Text, "the Region whose STS is asked", "`region`", "\"eu-west-1\""),
    key("role.*.use_fips_endpoint", Kind::Flag, "asks the FIPS endpoint of STS", "`false`", "false"),
    key("role.*.use_dualstack_endpoint", Kind::Flag, "asks the endpoint of STS that has IPv6 too", "`false`", "false"),
    key("role.*.endpoint_url", Kind::Text, "asks this STS for this role", "`sts.endpoint_url`", "\"https://sts.example.com\""),
    key("role.*.credential_process_timeout", Kind::Span, "how long a command may take", "`20s`", "\"20s\""),
    key("role.*.metadata.*", Kind::Leaf, "as `[metadata]`, for this role", "none", "\"i-0123456789abcdef0\""),
    key("role.*.eager", Kind::Flag, "assumes it at the start, not at first use, and rotates it always; so is the active role", "`false`", "true"),
    key("role.*.protected", Kind::Flag, "never the active role: only a listener or a consumer of its own gets it", "`false`", "true"),

    key("imds.http_endpoint", Kind::Choice(&["enabled", "disabled"]), "whether metadata is served at all", "`enabled`", "\"enabled\""),
    key("imds.http_tokens", Kind::Choice(&["required", "optional"]), "whether requests need a metadata token; `optional` serves IMDSv1 too", "`required`", "\"required\""),
    key("imds.http_put_response_hop_limit", Kind::Number(1, 64), "how many hops a metadata token may travel", "`1`", "1"),
    key("imds.hosts[]", Kind::Text, "more names by which clients may call us", "none", "\"host.docker.internal\""),
    key("imds.account_id", Kind::Flag, "adds `AccountId` to the credential document", "`false`", "false"),

    key("metadata.*", Kind::Leaf, "a value of the metadata tree, its name with `_` for `-`", "made up, stable per installation", "\"i-0123456789abcdef0\""),

    key("sts.endpoint_url", Kind::Text, "asks this STS", "the Region's own", "\"https://sts.example.com\""),
    key("sts.connect_timeout", Kind::Span, "for a connection to STS", "`3s`", "\"3s\""),
    key("sts.attempt_timeout", Kind::Span, "for one attempt of one call", "`5s`", "\"5s\""),
    key("sts.operation_timeout", Kind::Span, "for one call in all", "`10s`", "\"10s\""),
    key("sts.ca_bundle", Kind::Text, "a PEM file with the only authorities to trust", "`$AWS_CA_BUNDLE`, else the profile's `ca_bundle`, else the system's", "\"/etc/ssl/corporate.pem\""),
    key("sts.proxy", Kind::Text, "the proxy on the way to STS", "`$HTTPS_PROXY`", "\"http://proxy.example.com:3128\""),

    key("control.path", Kind::Text, "where the control socket is", "`$XDG_RUNTIME_DIR/assumed/control.sock`, else `/run/assumed/control.sock`, else the state directory", "\"/run/assumed/control.sock\""),
    key("control.group", Kind::Text, "the group whose members may open the control socket", "none", "\"aws\""),
    key("control.uids[]", Kind::Number(0, 4_294_967_295), "users who may steer besides owner and root; with a group, the only ones of it", "none", "1000"),

    key("events.command[]", Kind::Verbatim, "a command that is told when a human is needed", "none", "\"/usr/local/bin/tell-me\""),
    key("events.notify", Kind::Flag, "shows a notification on the desktop, where there is one", "`true`", "true"),
    key("events.lead", Kind::Span, "how long before a session with MFA ends it is told", "`15m`", "\"15m\""),
    key("events.suspend", Kind::Choice(&["ignore", "lock", "forget"]), "what is done before the machine sleeps", "`ignore`", "\"lock\""),

    key("access[].uid", Kind::Number(0, 4_294_967_295), "about programs of this user", "any", "1000"),
    key("access[].gid", Kind::Number(0, 4_294_967_295), "about programs of users of this group", "any", "100"),
    key("access[].from", Kind::Network, "about callers of this network", "any", "\"172.17.0.0/16\""),
    key("access[].listen", Kind::Address, "about whoever calls this listener", "any", "\"127.0.0.1:1338\""),
    key("access[].roles[]", Kind::Text, "the roles that those may have; none with `[]`", "`role`", "\"dev\""),
    key("access[].role", Kind::Text, "the role that IMDS gives them, whatever is active", "`active`", "\"dev\""),

    key("pod[].issuer", Kind::Text, "the issuer of the cluster's tokens", "none", "\"https://oidc.example.com/cluster\""),
    key("pod[].jwks_file", Kind::Text, "a file with its public keys", "asked of the issuer", "\"/etc/assumed/jwks.json\""),
    key("pod[].audience", Kind::Text, "for whom tokens have to be", "`pods.eks.amazonaws.com`", "\"pods.eks.amazonaws.com\""),
    key("pod[].subject", Kind::Text, "the service accounts that are meant; `*` is any text without a colon", "none", "\"system:serviceaccount:shop:*\""),
    key("pod[].role", Kind::Text, "the role that they get", "none", "\"dev\""),

    key("sandbox.landlock", Kind::Choice(&["auto", "on", "off"]), "whether the daemon may write only in directories of its own; `on` confines commands too, and fails if the kernel cannot", "`auto`", "\"auto\""),
    key("sandbox.seccomp", Kind::Flag, "whether system calls are denied that the daemon, or a command of yours, does not need", "`true`", "true"),
    key("sandbox.commands", Kind::Flag, "whether commands that the daemon runs have a sandbox, too", "`true`", "true"),

    key("log.level", Kind::Choice(LEVELS), "how much is logged", "`info`", "\"info\""),
    key("log.format", Kind::Choice(&["text", "json", "journal"]), "how log lines look", "`text`", "\"text\""),
    key("log.file", Kind::Text, "a file instead of standard error", "none", "\"/var/log/assumed.log\""),
];

/// The values of the metadata tree that `[metadata]` sets.
pub const LEAVES: &[&str] = &[
    "ami_id",
    "architecture",
    "availability_zone",
    "availability_zone_id",
    "domain",
    "hostname",
    "instance_action",
    "instance_id",
    "instance_life_cycle",
    "instance_profile_id",
    "instance_type",
    "local_hostname",
    "local_ipv4",
    "mac",
    "partition",
    "pending_time",
    "profile",
    "region",
    "reservation_id",
    "security_groups",
];

/// The key at a path, where one value stands.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// True where a table or list stands at a path.
pub(super) fn is_parent(path: &str) -> bool {
    KEYS.iter().any(|key| below(key.path, path).is_some())
}

/// The path of a name in the table at `parent`, where the table has it.
pub(super) fn child(parent: &str, name: &str) -> Option<String> {
    let own = join(parent, name);
    if !name.contains(['.', '*', '[']) && (find(&own).is_some() || is_parent(&own)) {
        return Some(own);
    }
    let any = join(parent, "*");
    let closed = find(&any).is_some_and(|key| key.kind == Kind::Leaf);
    let fits = !closed || LEAVES.contains(&name);
    (fits && (find(&any).is_some() || is_parent(&any))).then_some(any)
}

/// The names that the table at `parent` may hold.
pub(super) fn names(parent: &str) -> Vec<&'static str> {
    let mut names: Vec<&str> = KEYS
        .iter()
        .filter_map(|key| below(key.path, parent)?.strip_prefix('.').or(Some(key.path)))
        .filter_map(|rest| rest.split(['.', '[']).next())
        .flat_map(|name| if name == "*" { LEAVES } else { std::slice::from_ref(&name) }.to_vec())
        .collect();
    names.dedup();
    names
}

/// What of `path` lies below `parent`.
fn below<'a>(path: &'a str, parent: &str) -> Option<&'a str> {
    if parent.is_empty() {
        return Some(path);
    }
    path.strip_prefix(parent).filter(|rest| rest.starts_with(['.', '[']))
}

pub(super) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}
