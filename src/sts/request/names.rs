//! The short texts of a call, each with the pattern of the service model
//! (docs/rules.md, STS parameters): parsed once, sent as they are.

use std::str::FromStr;

use crate::role::{AccountId, Malformed, Partition};

/// Letters, digits and these: what STS calls `[\w+=,.@-]`, and a little more.
fn holds_only(text: &str, more: &[u8]) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b) || more.contains(&b))
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident: $expected:literal, $least:literal..=$most:literal, $length:literal, $more:literal, $allowed:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// As it is sent.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                let expected = $expected;
                if !($least..=$most).contains(&text.len()) {
                    return Err(Malformed { expected, why: $length });
                }
                if !holds_only(text, $more) {
                    return Err(Malformed { expected, why: $allowed });
                }
                Ok(Self(text.to_owned()))
            }
        }
    )*};
}

names! {
    /// `ExternalId`: agreed with whoever owns the role.
    ExternalId: "an external ID", 2..=1224, "it has 2 to 1224 characters",
        b":/", "allowed are letters, digits and _+=,.@:/-";
    /// `SourceIdentity`: who is behind it all, through every chain. None can begin
    /// with `aws:`, for there is no colon in it.
    SourceIdentity: "a source identity", 2..=64, "it has 2 to 64 characters",
        b"", "allowed are letters, digits and _+=,.@-";
    /// `SerialNumber`: the ARN of a virtual MFA device, or the number on a real one.
    MfaSerial: "an MFA serial", 9..=256, "it has 9 to 256 characters",
        b"/:", "allowed are letters, digits and _+=/:,.@-";
    /// `Name` of `GetFederationToken`.
    FederationName: "the name of a federated user", 2..=32, "it has 2 to 32 characters",
        b"", "allowed are letters, digits and _+=,.@-";
}

/// `PrincipalArn`: the SAML provider, as IAM knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalArn {
    text: String,
    partition: Partition,
}

impl PrincipalArn {
    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The partition, which is the role's too.
    #[must_use]
    pub const fn partition(&self) -> Partition {
        self.partition
    }
}

impl FromStr for PrincipalArn {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected = "the ARN of a SAML provider";
        let shape = Malformed {
            expected,
            why: "it looks like arn:aws:iam::123456789012:saml-provider/NAME",
        };
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &["arn", partition, "iam", "", account, resource] = parts.as_slice() else {
            return Err(shape);
        };
        let name = resource.strip_prefix("saml-provider/").filter(|name| !name.is_empty());
        if name.is_none_or(|name| !holds_only(name, b"/")) || text.len() > 2048 {
            return Err(shape);
        }
        account.parse::<AccountId>()?;
        Ok(Self { text: text.to_owned(), partition: partition.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths<T: FromStr>(least: usize, most: usize) -> bool {
        let fits = |length: usize| "x".repeat(length).parse::<T>().is_ok();
        !fits(least - 1) && fits(least) && fits(most) && !fits(most + 1)
    }

    #[test]
    fn a_name_keeps_to_the_length_and_the_letters_of_the_model() {
        // docs/rules.md, STS parameters
        assert!(lengths::<ExternalId>(2, 1224));
        assert!(lengths::<SourceIdentity>(2, 64));
        assert!(lengths::<MfaSerial>(9, 256));
        assert!(lengths::<FederationName>(2, 32));
        assert!("ab:cd/ef".parse::<ExternalId>().is_ok());
        assert!("aws:someone".parse::<SourceIdentity>().is_err());
        assert!("arn:aws:iam::123456789012:mfa/jane".parse::<MfaSerial>().is_ok());
        for text in ["a b", "ä", "a\n", "a{b}"] {
            assert!(text.parse::<ExternalId>().is_err(), "{text}");
            assert!(text.parse::<FederationName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_saml_provider_is_named_by_its_arn() {
        let arn: PrincipalArn = "arn:aws-cn:iam::123456789012:saml-provider/corp".parse().unwrap();
        assert_eq!(arn.partition(), Partition::AwsCn);
        for text in [
            "",
            "corp",
            "arn:aws:iam::123456789012:saml-provider/",
            "arn:aws:iam::123456789012:oidc-provider/corp",
            "arn:aws:iam::1:saml-provider/corp",
            "arn:mars:iam::123456789012:saml-provider/corp",
            "arn:aws:iam::123456789012:saml-provider/a b",
        ] {
            assert!(text.parse::<PrincipalArn>().is_err(), "{text}");
        }
    }
}
