//! The names of AWS identities: parsed once, valid ever after.
//!
//! Patterns and lengths are those of the STS service model (docs/rules.md, STS parameters).
//! Nothing here knows whether a role exists.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a text is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not {expected}: {why}")]
pub struct Malformed {
    /// What was asked for, with its article: `a role ARN`.
    pub expected: &'static str,
    /// What is wrong, never quoting the text.
    pub why: &'static str,
}

const fn malformed(expected: &'static str, why: &'static str) -> Malformed {
    Malformed { expected, why }
}

/// The first part of every ARN, and what it decides about host names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Partition {
    /// `aws`, the commercial Regions.
    Aws,
    /// `aws-cn`, the Regions in China.
    AwsCn,
    /// `aws-us-gov`, the `GovCloud` Regions.
    AwsUsGov,
}

impl Partition {
    /// As it stands in an ARN and in `services/partition`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsCn => "aws-cn",
            Self::AwsUsGov => "aws-us-gov",
        }
    }

    /// The DNS suffix of its endpoints, as in `services/domain`.
    #[must_use]
    pub const fn domain(self) -> &'static str {
        match self {
            Self::Aws | Self::AwsUsGov => "amazonaws.com",
            Self::AwsCn => "amazonaws.com.cn",
        }
    }

    /// The Region to use when none is set; the user gets a warning.
    #[must_use]
    pub fn default_region(self) -> Region {
        Region(
            match self {
                Self::Aws => "us-east-1",
                Self::AwsCn => "cn-north-1",
                Self::AwsUsGov => "us-gov-west-1",
            }
            .to_owned(),
        )
    }
}

impl FromStr for Partition {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text {
            "aws" => Ok(Self::Aws),
            "aws-cn" => Ok(Self::AwsCn),
            "aws-us-gov" => Ok(Self::AwsUsGov),
            _ => Err(malformed("a partition", "known ones are aws, aws-cn and aws-us-gov")),
        }
    }
}

/// Twelve digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AccountId(String);

impl AccountId {
    /// What is shown until the account is known; no account has this number.
    #[must_use]
    pub fn unknown() -> Self {
        Self("000000000000".to_owned())
    }
}

impl FromStr for AccountId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(malformed("an account id", "it has twelve digits"))
        }
    }
}

/// The last path segment of a role's ARN: what IMDS lists (C4, A11).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RoleName(String);

impl FromStr for RoleName {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected = "a role name";
        if text.is_empty() || text.len() > 64 {
            return Err(malformed(expected, "it has 1 to 64 characters"));
        }
        if !text.bytes().all(is_name_byte) {
            return Err(malformed(expected, "allowed are letters, digits and _+=,.@-"));
        }
        Ok(Self(text.to_owned()))
    }
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)
}

/// `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`, 20 to 2048 characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RoleArn {
    text: String,
    partition: Partition,
    account: AccountId,
    name: RoleName,
}

impl RoleArn {
    /// The partition, which the Region must belong to.
    #[must_use]
    pub const fn partition(&self) -> Partition {
        self.partition
    }

    /// The account that owns the role.
    #[must_use]
    pub const fn account(&self) -> &AccountId {
        &self.account
    }

    /// The name without its path.
    #[must_use]
    pub const fn name(&self) -> &RoleName {
        &self.name
    }
}

impl FromStr for RoleArn {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected = "a role ARN";
        if !(20..=2048).contains(&text.len()) {
            return Err(malformed(expected, "it has 20 to 2048 characters"));
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &[arn, partition, service, region, account, resource] = parts.as_slice() else {
            return Err(malformed(expected, "it looks like arn:aws:iam::123456789012:role/NAME"));
        };
        if arn != "arn" || service != "iam" || !region.is_empty() {
            return Err(malformed(expected, "it begins with arn:PARTITION:iam::"));
        }
        let Some(path) = resource.strip_prefix("role/") else {
            return Err(malformed(expected, "its resource begins with role/"));
        };
        if !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(malformed(expected, "it holds no blanks and no control characters"));
        }
        Ok(Self {
            text: text.to_owned(),
            partition: partition.parse()?,
            account: account.parse()?,
            name: path.rsplit('/').next().unwrap_or_default().parse()?,
        })
    }
}

/// A Region's name, such as `eu-central-1`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Region(String);

impl Region {
    /// The partition that a Region of this name belongs to.
    #[must_use]
    pub fn partition(&self) -> Partition {
        if self.0.starts_with("cn-") {
            Partition::AwsCn
        } else if self.0.starts_with("us-gov-") {
            Partition::AwsUsGov
        } else {
            Partition::Aws
        }
    }
}

impl FromStr for Region {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected = "a Region";
        let words: Vec<&str> = text.split('-').collect();
        let lower = |w: &&str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase());
        match words.as_slice() {
            [head @ .., number]
                if head.len() >= 2
                    && head.iter().all(lower)
                    && (1..=2).contains(&number.len())
                    && number.bytes().all(|b| b.is_ascii_digit()) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(malformed(expected, "it looks like eu-central-1")),
        }
    }
}

/// The role session name: 2 to 64 of `[A-Za-z0-9_+=,.@-]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionName(String);

impl SessionName {
    /// The nearest valid name: foreign characters become `-`, length is cut or padded.
    #[must_use]
    pub fn nearest(text: &str) -> Self {
        let mut name: String = text
            .chars()
            .take(64)
            .map(|c| if c.is_ascii() && is_name_byte(c as u8) { c } else { '-' })
            .collect();
        while name.len() < 2 {
            name.push('-');
        }
        Self(name)
    }
}

impl FromStr for SessionName {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected = "a role session name";
        if !(2..=64).contains(&text.len()) {
            return Err(malformed(expected, "it has 2 to 64 characters"));
        }
        if !text.bytes().all(is_name_byte) {
            return Err(malformed(expected, "allowed are letters, digits and _+=,.@-"));
        }
        Ok(Self(text.to_owned()))
    }
}

macro_rules! shown_as_text {
    ($($name:ident . $field:tt),*) => {$(
        impl $name {
            /// As text, the way AWS writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.$field
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.$field)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.$field)
            }
        }
    )*};
}
shown_as_text!(AccountId.0, RoleName.0, RoleArn.text, Region.0, SessionName.0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_arn_gives_its_parts_and_drops_the_path() {
        let arn: RoleArn = "arn:aws-cn:iam::123456789012:role/team/blue/deploy".parse().unwrap();
        assert_eq!(arn.partition(), Partition::AwsCn);
        assert_eq!(arn.account().as_str(), "123456789012");
        assert_eq!(arn.name().as_str(), "deploy");
    }

    #[test]
    fn what_is_no_role_arn_is_refused() {
        for text in [
            "",
            "deploy",
            "arn:aws:iam::123456789012:user/deploy",
            "arn:aws:sts::123456789012:assumed-role/deploy/me",
            "arn:aws:iam::12345678901:role/deploy",
            "arn:aws:iam:eu-west-1:123456789012:role/deploy",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/de ploy",
            "arn:mars:iam::123456789012:role/deploy",
        ] {
            assert!(text.parse::<RoleArn>().is_err(), "{text}");
        }
    }

    #[test]
    fn regions_know_their_partition() {
        let partition = |text: &str| text.parse::<Region>().unwrap().partition();
        assert_eq!(partition("eu-central-1"), Partition::Aws);
        assert_eq!(partition("cn-northwest-1"), Partition::AwsCn);
        assert_eq!(partition("us-gov-west-1"), Partition::AwsUsGov);
        for text in
            ["", "eu", "eu-central", "EU-central-1", "eu--1", "eu-central-1b", "eu-central-123"]
        {
            assert!(text.parse::<Region>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_nearest_session_name_is_always_a_valid_one() {
        for text in ["", "x", "jane doe@laptop", "läptop", &"n".repeat(80)] {
            let name = SessionName::nearest(text);
            assert_eq!(name.as_str().parse::<SessionName>().unwrap(), name);
        }
    }
}
