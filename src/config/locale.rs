//! The Region: that of the tree, and that whose STS is asked.

use super::file::{Document, Table};
use super::mistake::{Mistake, Mistakes, Warning};
use super::profile::{Profiles, Section};
use super::setting::Setting;
use crate::environment::Environment;
use crate::role::{Partition, Region};

/// What decides about Region and endpoint of a role.
pub(super) struct Locale<'a> {
    pub(super) flag: Option<&'a str>,
    pub(super) environment: &'a Environment,
    pub(super) document: &'a Document,
    /// The role's table in the settings file.
    pub(super) table: Option<&'a Table>,
    pub(super) profiles: &'a Profiles,
    /// The profiles on the way to the role, the served one first.
    pub(super) sections: &'a [&'a Section],
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
        mistakes.note(region_of(setting, partition))
    }

    /// The Region whose STS is asked for it.
    pub(super) fn sts_region(&self, own: &Region, mistakes: &mut Mistakes) -> Option<Region> {
        let own_table = self.table.and_then(|table| table.get("sts_region"));
        match own_table.or_else(|| self.of_profile("sts_region")) {
            None => Some(own.clone()),
            Some(setting) => mistakes.note(region_of(setting, Some(own.partition()))),
        }
    }

    fn region_setting(&self) -> Option<Setting<'a>> {
        self.flag
            .map(|text| Setting::flag("--region", text))
            .or_else(|| Setting::variable(self.environment, "AWS_REGION"))
            .or_else(|| Setting::variable(self.environment, "AWS_DEFAULT_REGION"))
            .or_else(|| self.table?.get("region"))
            .or_else(|| self.sections.iter().find_map(|section| of_section(section, "region")))
    }

    /// A key of the served profile.
    pub(super) fn of_profile(&self, key: &'a str) -> Option<Setting<'a>> {
        of_section(self.sections.first()?, key)
    }
}

fn of_section<'a>(section: &'a Section, key: &'a str) -> Option<Setting<'a>> {
    section.get(key).map(|value| Setting::of(key, value))
}

fn region_of(setting: Setting<'_>, partition: Option<Partition>) -> Result<Region, Mistake> {
    let region: Region = setting.parse()?;
    match partition {
        Some(partition) if partition != region.partition() => Err(setting
            .mistake(format!(
                "a Region of partition {}, but the role belongs to {}",
                region.partition().as_str(),
                partition.as_str()
            ))
            .hint("name a Region of the role's partition")),
        _ => Ok(region),
    }
}
