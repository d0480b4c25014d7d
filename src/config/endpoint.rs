//! Which STS is asked (A15 to A17), and on which way.
//!
//! The order is that of the SDKs: the environment before the profile, and in
//! each what is said of STS before what is said of all services. The settings
//! file stands between the two.

use super::locale::Locale;
use super::mistake::{Mistake, Mistakes, Warning};
use super::route;
use super::setting::Setting;
use super::values;
use crate::role::{Partition, Region};
use crate::sts::request::Route;

/// Regions whose STS was the global one before there were others (A16).
const LEGACY_GLOBAL: &[&str] = &[
    "ap-northeast-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

const GLOBAL_STS: &str = "https://sts.amazonaws.com";

/// Whom the STS client talks to.
pub(super) struct Endpoint {
    /// For which requests are signed.
    pub(super) region: Region,
    /// Where this is not what the Region alone would say.
    pub(super) url: Option<String>,
    pub(super) route: Route,
}

/// The endpoint of that Region, or the one that is set.
pub(super) fn find(
    locale: &Locale<'_>,
    region: Region,
    mistakes: &mut Mistakes,
    warnings: &mut Vec<Warning>,
) -> Option<Endpoint> {
    let search = Search { locale };
    let found = search.endpoint(region, warnings);
    mistakes.note(found)
}

struct Search<'a> {
    locale: &'a Locale<'a>,
}

impl<'a> Search<'a> {
    fn endpoint(&self, region: Region, warnings: &mut Vec<Warning>) -> Result<Endpoint, Mistake> {
        let fips = self.switch("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint")?;
        let dual = self.switch("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")?;
        let route = Route {
            use_fips_endpoint: fips.is_some(),
            use_dualstack_endpoint: dual.is_some(),
            ..route::find(self.locale)?
        };
        let switch = fips.or(dual);
        if let Some(configured) = self.configured_url()? {
            return match switch {
                None => Ok(Endpoint { region, url: Some(checked(configured, warnings)?), route }),
                Some(switch) => Err(switch
                    .mistake("stands beside the URL of an endpoint")
                    .hint("keep one of the two, for the URL says all")),
            };
        }
        if switch.is_none() && self.is_legacy()? && LEGACY_GLOBAL.contains(&region.as_str()) {
            let region = Partition::Aws.default_region();
            return Ok(Endpoint { region, url: Some(GLOBAL_STS.to_owned()), route });
        }
        Ok(Endpoint { region, url: None, route })
    }

    fn configured_url(&self) -> Result<Option<Setting<'a>>, Mistake> {
        let ignores = self.ignores_configured_urls()?;
        let variable = ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"]
            .into_iter()
            .find_map(|name| Setting::variable(self.locale.environment, name));
        if variable.is_some() && !ignores {
            return Ok(variable);
        }
        let file =
            self.of_table("endpoint_url").or_else(|| self.locale.document.get("sts.endpoint_url"));
        if file.is_some() || ignores {
            return Ok(file);
        }
        Ok(match self.services_url()? {
            Some(url) => Some(url),
            None => self.locale.of_profile("endpoint_url"),
        })
    }

    fn services_url(&self) -> Result<Option<Setting<'a>>, Mistake> {
        let Some(name) = self.locale.of_profile("services") else {
            return Ok(None);
        };
        let services = self.locale.profiles.services(name.text).ok_or_else(|| {
            name.mistake("there is no such services section")
                .hint("add [services NAME] to the config file, or drop this key")
        })?;
        Ok(services.nested("sts", "endpoint_url").map(|value| Setting::of("endpoint_url", value)))
    }

    fn ignores_configured_urls(&self) -> Result<bool, Mistake> {
        let variable = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
        self.switch(variable, "ignore_configured_endpoint_urls").map(|on| on.is_some())
    }

    fn is_legacy(&self) -> Result<bool, Mistake> {
        let setting = Setting::variable(self.locale.environment, "AWS_STS_REGIONAL_ENDPOINTS")
            .or_else(|| self.locale.of_profile("sts_regional_endpoints"));
        match setting {
            None => Ok(false),
            Some(setting) if setting.text.eq_ignore_ascii_case("legacy") => Ok(true),
            Some(setting) if setting.text.eq_ignore_ascii_case("regional") => Ok(false),
            Some(setting) => Err(setting.mistake("not a choice").hint("write regional or legacy")),
        }
    }

    /// A choice between true and false; the setting that says true.
    fn switch(&self, variable: &'a str, key: &'a str) -> Result<Option<Setting<'a>>, Mistake> {
        let setting = Setting::variable(self.locale.environment, variable)
            .or_else(|| self.of_table(key))
            .or_else(|| self.locale.of_profile(key));
        match setting {
            None => Ok(None),
            Some(setting) if setting.text.eq_ignore_ascii_case("true") => Ok(Some(setting)),
            Some(setting) if setting.text.eq_ignore_ascii_case("false") => Ok(None),
            Some(setting) => Err(setting.mistake("not a choice").hint("write true or false")),
        }
    }

    fn of_table(&self, key: &str) -> Option<Setting<'a>> {
        self.locale.table?.get(key)
    }
}

fn checked(configured: Setting<'_>, warnings: &mut Vec<Warning>) -> Result<String, Mistake> {
    let url = values::url(configured.text).map_err(|wrong| configured.malformed(&wrong))?;
    if !url.encrypted && !url.loopback {
        warnings.push(
            configured
                .mistake("STS is asked without encryption, so anybody on the way can read the credentials")
                .hint("use an https URL"),
        );
    }
    Ok(configured.text.to_owned())
}
