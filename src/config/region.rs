//! The Region, and the STS that is asked there (A15 to A17).

use super::mistake::{Mistake, Mistakes, Warning};
use super::profile::{Profiles, Section};
use super::setting::Setting;
use super::values;
use crate::environment::Environment;
use crate::role::{Partition, Region};

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

/// What decides about Region and endpoint, strongest first.
pub(super) struct Locale<'a> {
    pub(super) flag: Option<&'a str>,
    pub(super) environment: &'a Environment,
    pub(super) profiles: &'a Profiles,
    /// The profiles on the way to the role, the served one first.
    pub(super) sections: &'a [&'a Section],
}

/// Whom the STS client talks to.
pub(super) struct Endpoint {
    /// For which requests are signed.
    pub(super) region: Region,
    pub(super) url: Option<String>,
}

impl<'a> Locale<'a> {
    /// The Region to serve: what is set first, else the partition's own, with a warning.
    pub(super) fn region(
        &self,
        partition: Option<Partition>,
        mistakes: &mut Mistakes,
        warnings: &mut Vec<Warning>,
    ) -> Option<Region> {
        let Some(setting) = self.region_setting() else {
            let region = partition.unwrap_or(Partition::Aws).default_region();
            warnings.push(
                Warning::new(format!("no Region is set; going to {region}"))
                    .hint("set --region, AWS_REGION, or region in the profile"),
            );
            return Some(region);
        };
        let region: Region = mistakes.note(setting.parse())?;
        if let Some(partition) = partition
            && partition != region.partition()
        {
            mistakes.push(
                setting
                    .mistake(format!(
                        "a Region of partition {}, but the role belongs to {}",
                        region.partition().as_str(),
                        partition.as_str()
                    ))
                    .hint("name a Region of the role's partition"),
            );
        }
        Some(region)
    }

    fn region_setting(&self) -> Option<Setting<'a>> {
        self.flag
            .map(|text| Setting::flag("--region", text))
            .or_else(|| Setting::variable(self.environment, "AWS_REGION"))
            .or_else(|| Setting::variable(self.environment, "AWS_DEFAULT_REGION"))
            .or_else(|| self.sections.iter().find_map(|section| setting(section, "region")))
    }

    /// The endpoint for that Region.
    pub(super) fn endpoint(
        &self,
        region: Region,
        mistakes: &mut Mistakes,
        warnings: &mut Vec<Warning>,
    ) -> Option<Endpoint> {
        if let Some(configured) = mistakes.note(self.configured_url())? {
            let url = values::url(configured.text);
            let url = mistakes.note(url.map_err(|malformed| configured.malformed(&malformed)))?;
            if !url.encrypted && !url.loopback {
                warnings.push(
                    configured
                        .mistake("STS is asked without encryption, so anybody on the way can read the credentials")
                        .hint("use an https URL"),
                );
            }
            return Some(Endpoint { region, url: Some(configured.text.to_owned()) });
        }
        if mistakes.note(self.is_legacy())? && LEGACY_GLOBAL.contains(&region.as_str()) {
            return Some(Endpoint {
                region: Partition::Aws.default_region(),
                url: Some(GLOBAL_STS.to_owned()),
            });
        }
        Some(Endpoint { region, url: None })
    }

    /// In the order of the SDKs: the environment before the profile, and in each
    /// what is said of STS before what is said of all services.
    fn configured_url(&self) -> Result<Option<Setting<'a>>, Mistake> {
        if self.ignores_configured_urls()? {
            return Ok(None);
        }
        let variable = Setting::variable(self.environment, "AWS_ENDPOINT_URL_STS")
            .or_else(|| Setting::variable(self.environment, "AWS_ENDPOINT_URL"));
        if variable.is_some() {
            return Ok(variable);
        }
        Ok(match self.services_url()? {
            Some(url) => Some(url),
            None => self.of_profile("endpoint_url"),
        })
    }

    fn services_url(&self) -> Result<Option<Setting<'a>>, Mistake> {
        let Some(name) = self.of_profile("services") else {
            return Ok(None);
        };
        let services = self.profiles.services(name.text).ok_or_else(|| {
            name.mistake("there is no such services section")
                .hint("add [services NAME] to the config file, or drop this key")
        })?;
        Ok(services.nested("sts", "endpoint_url").map(|value| Setting::of("endpoint_url", value)))
    }

    fn ignores_configured_urls(&self) -> Result<bool, Mistake> {
        let setting = Setting::variable(self.environment, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
            .or_else(|| self.of_profile("ignore_configured_endpoint_urls"));
        match setting {
            None => Ok(false),
            Some(setting) if setting.text.eq_ignore_ascii_case("true") => Ok(true),
            Some(setting) if setting.text.eq_ignore_ascii_case("false") => Ok(false),
            Some(setting) => Err(setting.mistake("not a choice").hint("write true or false")),
        }
    }

    fn is_legacy(&self) -> Result<bool, Mistake> {
        let setting = Setting::variable(self.environment, "AWS_STS_REGIONAL_ENDPOINTS")
            .or_else(|| self.of_profile("sts_regional_endpoints"));
        match setting {
            None => Ok(false),
            Some(setting) if setting.text.eq_ignore_ascii_case("legacy") => Ok(true),
            Some(setting) if setting.text.eq_ignore_ascii_case("regional") => Ok(false),
            Some(setting) => Err(setting.mistake("not a choice").hint("write regional or legacy")),
        }
    }

    fn of_profile(&self, key: &'a str) -> Option<Setting<'a>> {
        setting(self.sections.first()?, key)
    }
}

fn setting<'a>(section: &'a Section, key: &'a str) -> Option<Setting<'a>> {
    section.get(key).map(|value| Setting::of(key, value))
}
