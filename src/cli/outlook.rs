//! Settings as their reader wants to see them: whose role, from where, for whom.
//!
//! No secret is shown, nor what may hold one: of a proxy only that there is one.

use serde_json::{Value, json};

use crate::config::{Listen, RoleSettings, Settings};
use crate::imds::{HttpEndpoint, HttpTokens};
use crate::sts;
use crate::sts::request::AssumeRole;
use crate::sys::state::Outlook;

pub(super) fn json(settings: &Settings, key: Outlook) -> Value {
    let imds = settings.imds;
    json!({
        "roles": settings.roles.iter().map(role).collect::<Vec<_>>(),
        "active": settings.roles.first().map(|role| &role.name),
        "listen": settings.listen.iter().map(listen).collect::<Vec<_>>(),
        "state_dir": settings.state_dir.display().to_string(),
        "token_key": key_word(key),
        "imds": {
            "http_endpoint": endpoint_word(imds.http_endpoint),
            "http_tokens": tokens_word(imds.http_tokens),
            "http_put_response_hop_limit": imds.hop_limit,
            "account_id": imds.account_id,
            "hosts": settings.hosts,
        },
        "log": {
            "level": format!("{:?}", settings.log.level).to_lowercase(),
            "format": format!("{:?}", settings.log.format).to_lowercase(),
            "file": settings.log.file.as_ref().map(|path| path.display().to_string()),
        },
        "ready_timeout": settings.ready_timeout.as_secs(),
        "exit_on_refusal": settings.exit_on_refusal,
    })
}

fn role(role: &RoleSettings) -> Value {
    let source = &role.source;
    json!({
        "name": role.name,
        "role_name": role.role_name.as_str(),
        "role_arn": role.role_arn.as_ref().map(ToString::to_string),
        "account": role.account.as_ref().map(ToString::to_string),
        "region": role.region.as_str(),
        "metadata": role.metadata,
        "eager": role.eager,
        "protected": role.protected,
        "base": source.start.to_string(),
        "chain": source.hops.iter().map(hop).collect::<Vec<_>>(),
        "sts": {
            "region": source.region.as_str(),
            "endpoint": sts::endpoint(source),
            "proxy": source.route.proxy.is_some(),
            "ca_bundle": source.route.ca_bundle.as_ref().map(|path| path.display().to_string()),
        },
    })
}

fn hop(hop: &AssumeRole) -> Value {
    json!({
        "role_arn": hop.role_arn.to_string(),
        "role_session_name": hop.role_session_name.as_str(),
        "duration_seconds": hop.duration.get().as_secs(),
        "external_id": hop.external_id.is_some(),
    })
}

fn listen(listen: &Listen) -> Value {
    json!({
        "address": listen.address.to_string(),
        "kind": listen.kind.as_str(),
        "role": listen.role,
        "allow_from": listen.allow_from.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// The same in lines for people, each with its name.
pub(super) fn rows(settings: &Settings, key: Outlook) -> Vec<(&'static str, String)> {
    let mut rows: Vec<_> = settings.roles.iter().flat_map(role_rows).collect();
    let listeners: Vec<String> = settings.listen.iter().map(listen_words).collect();
    let imds = settings.imds;
    let mut options = format!(
        "http_endpoint {}, http_tokens {}, hop limit {}",
        endpoint_word(imds.http_endpoint),
        tokens_word(imds.http_tokens),
        imds.hop_limit
    );
    if !settings.hosts.is_empty() {
        options = format!("{options}\nalso called {}", settings.hosts.join(", "));
    }
    rows.extend([
        ("listen", listeners.join("\n")),
        ("imds", options),
        ("state", format!("{}\n{}", settings.state_dir.display(), key_words(key))),
        (
            "log",
            settings
                .log
                .file
                .as_ref()
                .map_or_else(|| "standard error".to_owned(), |path| path.display().to_string()),
        ),
    ]);
    rows
}

fn role_rows(role: &RoleSettings) -> Vec<(&'static str, String)> {
    let source = &role.source;
    let account = role.account.as_ref().map_or_else(
        || "an account that its source will tell".to_owned(),
        |account| format!("account {account}"),
    );
    let mut steps = vec![source.start.to_string()];
    steps.extend(source.hops.iter().map(hop_words));
    let mut asked = format!(
        "{} for {}",
        sts::endpoint(source).unwrap_or_else(|| "no known endpoint".to_owned()),
        source.region
    );
    if source.route.proxy.is_some() {
        asked += "\nthrough a proxy, unless NO_PROXY spares it";
    }
    if let Some(path) = &source.route.ca_bundle {
        asked = format!("{asked}\ntrusting only {}", path.display());
    }
    let bounds = match (role.eager, role.protected) {
        (true, true) => ", eager and protected",
        (true, false) => ", eager",
        (false, true) => ", protected",
        (false, false) => "",
    };
    let (name, region) = (&role.name, &role.region);
    vec![
        ("role", format!("{name} ({}) of {account}, in {region}{bounds}", role.role_name)),
        ("source", steps.join("\n")),
        ("sts", asked),
    ]
}

fn hop_words(hop: &AssumeRole) -> String {
    let external = if hop.external_id.is_some() { ", with an external ID" } else { "" };
    format!(
        "then {} as {} for {} s{external}",
        hop.role_arn,
        hop.role_session_name,
        hop.duration.get().as_secs()
    )
}

fn listen_words(listen: &Listen) -> String {
    let mut text = format!("{} ({})", listen.address, listen.kind.as_str());
    if let Some(role) = &listen.role {
        text = format!("{text}, always {role}");
    }
    if !listen.allow_from.is_empty() {
        let networks: Vec<String> = listen.allow_from.iter().map(ToString::to_string).collect();
        text = format!("{text}, also for {}", networks.join(", "));
    }
    text
}

const fn endpoint_word(endpoint: HttpEndpoint) -> &'static str {
    match endpoint {
        HttpEndpoint::Enabled => "enabled",
        HttpEndpoint::Disabled => "disabled",
    }
}

const fn tokens_word(tokens: HttpTokens) -> &'static str {
    match tokens {
        HttpTokens::Required => "required",
        HttpTokens::Optional => "optional",
    }
}

const fn key_word(key: Outlook) -> &'static str {
    match key {
        Outlook::Kept => "kept",
        Outlook::New => "new",
        Outlook::Passing => "in memory",
    }
}

const fn key_words(key: Outlook) -> &'static str {
    match key {
        Outlook::Kept => "metadata tokens of before go on working",
        Outlook::New => "a new key for metadata tokens would be made",
        Outlook::Passing => "not writable: metadata tokens would end with the process",
    }
}
