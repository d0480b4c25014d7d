//! What wins over our endpoint in an SDK: things in this user's environment and
//! files that are looked at before IMDS, or keep SDKs from asking it at all.
//!
//! None of them is a mistake, and programs may well run elsewhere; they are
//! said at the start because nothing else would tell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::cidr::Cidr;
use super::inputs::Inputs;
use super::listen::{Listen, ListenKind};
use super::mistake::{Mistakes, Warning};
use super::profile::{Profiles, Section};
use super::setting::Setting;
use crate::environment::Environment;

/// Variables whose mere presence gives an SDK other credentials.
const SOURCES: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "keys in the environment come before this endpoint in every SDK"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "a web identity comes before this endpoint in every SDK"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", CONTAINER),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", CONTAINER),
];

const CONTAINER: &str = "a container's credentials come before this endpoint in every SDK";

/// Keys that make a profile a source of credentials.
const CREDENTIALS: &[&str] = &[
    "aws_access_key_id",
    "role_arn",
    "sso_account_id",
    "login_session",
    "credential_process",
    "web_identity_token_file",
];

/// All that are seen, in the order in which an SDK meets them.
#[must_use]
pub fn rivals(inputs: &Inputs, listen: &[Listen]) -> Vec<Warning> {
    let environment = &inputs.environment;
    // What is wrong in these files is told where they are read for their own sake.
    let profiles = Profiles::read(&inputs.shared_files, &mut Mistakes::default());
    let sources = SOURCES.iter().filter_map(|(variable, what)| {
        let setting = Setting::variable(environment, variable)?;
        Some(setting.mistake(*what).hint(format!("unset {variable} where your programs run")))
    });
    let ours: Vec<SocketAddr> = listen
        .iter()
        .filter(|listen| listen.kind == ListenKind::Imds)
        .map(|listen| reached_at(listen.address))
        .collect();
    sources
        .chain(profile(environment, &profiles))
        .chain(disabled(environment))
        .chain(elsewhere(environment, &ours))
        .chain(proxy(environment, &ours))
        .collect()
}

/// The profile that SDKs take by themselves, where it gives credentials.
fn profile(environment: &Environment, profiles: &Profiles) -> Option<Warning> {
    let named = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]
        .into_iter()
        .find_map(|variable| Setting::variable(environment, variable));
    let Some(named) = named else {
        let (key, value) = credentials(profiles.profile("default")?)?;
        return Some(
            Setting::of(key, value)
                .mistake("the default profile's credentials come before this endpoint in every SDK")
                .hint("give that profile another name, and name it where it is meant"),
        );
    };
    let Some(section) = profiles.profile(named.text) else {
        return Some(
            named
                .mistake("there is no such profile, and SDKs fail before they ask this endpoint")
                .hint(format!("unset {} where your programs run", named.key)),
        );
    };
    let (_, value) = credentials(section)?;
    Some(
        named
            .mistake(format!(
                "that profile's credentials ({}:{}) come before this endpoint in every SDK",
                value.place.file.display(),
                value.place.line
            ))
            .hint(format!("unset {} where your programs run", named.key)),
    )
}

fn credentials(section: &Section) -> Option<(&'static str, &super::profile::Value)> {
    CREDENTIALS.iter().find_map(|key| Some((*key, section.get(key)?)))
}

fn disabled(environment: &Environment) -> Option<Warning> {
    Setting::variable(environment, "AWS_EC2_METADATA_DISABLED")
        .filter(|setting| setting.text.eq_ignore_ascii_case("true"))
        .map(|setting| {
            setting
                .mistake("SDKs are told not to ask any metadata endpoint")
                .hint("unset AWS_EC2_METADATA_DISABLED where your programs run")
        })
}

fn elsewhere(environment: &Environment, ours: &[SocketAddr]) -> Option<Warning> {
    let setting = Setting::variable(environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT")?;
    let first = ours.first()?;
    let asked = setting.text.trim_start_matches("http://").trim_end_matches('/');
    let names = |address: &SocketAddr| {
        let local = address.ip().is_loopback().then(|| format!("localhost:{}", address.port()));
        let short = (address.port() == 80).then(|| host(address.ip()));
        [Some(address.to_string()), local, short]
    };
    let is_ours = ours.iter().flat_map(names).flatten().any(|name| name == asked);
    (!is_ours).then(|| {
        setting
            .mistake("SDKs are sent to another metadata endpoint")
            .hint(format!("set it to http://{first} where your programs run"))
    })
}

/// Most SDKs send metadata requests through a proxy for HTTP, if there is one.
fn proxy(environment: &Environment, ours: &[SocketAddr]) -> Option<Warning> {
    let proxy = ["HTTP_PROXY", "http_proxy"]
        .into_iter()
        .find_map(|variable| Setting::variable(environment, variable))?;
    let spared = environment.get("NO_PROXY").or_else(|| environment.get("no_proxy"));
    let spared: Vec<&str> = spared.unwrap_or_default().split(',').map(str::trim).collect();
    let mut exposed: Vec<String> = ours
        .iter()
        .filter(|address| !spared.iter().any(|rule| spares(rule, address.ip())))
        .map(|address| address.ip().to_string())
        .collect();
    exposed.dedup();
    (!exposed.is_empty()).then(|| {
        let hosts = exposed.join(",");
        proxy
            .mistake("SDKs send their metadata requests to the proxy, which cannot reach this host")
            .hint(format!("add {hosts} to NO_PROXY where your programs run"))
    })
}

fn spares(rule: &str, address: IpAddr) -> bool {
    rule == "*" || rule.parse::<Cidr>().is_ok_and(|network| network.contains(address))
}

/// Where programs on this host find a listener.
fn reached_at(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{SharedFile, SharedFiles};

    fn told(config: &str, variables: &[(&str, &str)], listen: &str) -> Vec<String> {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let inputs = Inputs {
            environment: Arc::new(variables.collect()),
            shared_files: SharedFiles {
                config: Some(SharedFile::new("config", config.as_bytes().to_vec())),
                credentials: None,
            },
            ..Inputs::default()
        };
        let listen = [Listen::imds(listen.parse().unwrap())];
        rivals(&inputs, &listen).iter().map(ToString::to_string).collect()
    }

    fn by_variable(name: &str, value: &str) -> Vec<String> {
        told("[profile dev]\nrole_arn = x\n", &[(name, value)], "127.0.0.1:1338")
    }

    #[test]
    fn a_bare_environment_has_no_rivals() {
        let config = "[default]\nregion = eu-west-1\n[profile dev]\nrole_arn = x\n";
        assert!(told(config, &[("NO_PROXY", ""), ("AWS_REGION", "x")], "[::1]:80").is_empty());
        assert!(by_variable("AWS_EC2_METADATA_DISABLED", "false").is_empty());
    }

    #[test]
    fn each_source_in_the_environment_is_named() {
        for (variable, what) in SOURCES {
            assert_eq!(
                by_variable(variable, "wJalrXUtnFEMI"),
                [format!("{variable}: {what}\nhint: unset {variable} where your programs run")]
            );
        }
        assert_eq!(
            by_variable("AWS_EC2_METADATA_DISABLED", "True"),
            ["AWS_EC2_METADATA_DISABLED: SDKs are told not to ask any metadata endpoint\n\
              hint: unset AWS_EC2_METADATA_DISABLED where your programs run"]
        );
    }

    #[test]
    fn the_profile_that_sdks_take_is_named_with_its_line() {
        assert_eq!(
            told("[default]\nregion = x\nsso_account_id = 1\n", &[], "127.0.0.1:1338"),
            [
                "config:3:18: sso_account_id: the default profile's credentials come before this endpoint in every SDK\n\
              hint: give that profile another name, and name it where it is meant"
            ]
        );
        assert_eq!(
            by_variable("AWS_PROFILE", "dev"),
            [
                "AWS_PROFILE: that profile's credentials (config:2) come before this endpoint in every SDK\n\
              hint: unset AWS_PROFILE where your programs run"
            ]
        );
        assert_eq!(
            by_variable("AWS_DEFAULT_PROFILE", "gone"),
            [
                "AWS_DEFAULT_PROFILE: there is no such profile, and SDKs fail before they ask this endpoint\n\
              hint: unset AWS_DEFAULT_PROFILE where your programs run"
            ]
        );
    }

    #[test]
    fn another_endpoint_is_told_from_ours() {
        let variable = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        let at = |listen, url| told("", &[(variable, url)], listen);
        assert!(at("127.0.0.1:1338", "http://127.0.0.1:1338/").is_empty());
        assert!(at("127.0.0.1:1338", "http://localhost:1338").is_empty());
        assert!(at("0.0.0.0:1338", "http://127.0.0.1:1338").is_empty());
        assert!(at("[fd00:ec2::254]:80", "http://[fd00:ec2::254]").is_empty());
        assert_eq!(
            at("127.0.0.1:1338", "http://127.0.0.1:9"),
            ["AWS_EC2_METADATA_SERVICE_ENDPOINT: SDKs are sent to another metadata endpoint\n\
              hint: set it to http://127.0.0.1:1338 where your programs run"]
        );
    }

    #[test]
    fn a_proxy_is_a_rival_unless_it_is_told_to_spare_us() {
        let with = |spared| {
            told("", &[("http_proxy", "http://p"), ("no_proxy", spared)], "169.254.169.254:80")
        };
        for spared in ["*", "a.example, 169.254.169.254", "169.254.0.0/16"] {
            assert!(with(spared).is_empty(), "{spared}");
        }
        assert_eq!(
            with("localhost"),
            [
                "http_proxy: SDKs send their metadata requests to the proxy, which cannot reach this host\n\
              hint: add 169.254.169.254 to NO_PROXY where your programs run"
            ]
        );
    }
}
