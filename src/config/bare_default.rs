//! A shared file whose default profile gives no credentials: for programs that
//! shall ask an endpoint, and would take the default profile first.

use super::profile::SharedFile;
use crate::secret::Secret;

/// Keys of a profile that give credentials, or mean nothing without one of those.
const CREDENTIALS: &[&str] = &[
    "credential_process",
    "credential_source",
    "duration_seconds",
    "external_id",
    "login_session",
    "mfa_serial",
    "role_arn",
    "role_session_name",
    "source_profile",
    "web_identity_token_file",
];

/// The same text without them; `None` where there are none to leave out.
#[must_use]
pub fn without_default_credentials(file: &SharedFile) -> Option<Secret> {
    let mut kept = String::with_capacity(file.text.expose().len());
    let (mut in_default, mut left_out, mut any) = (false, false, false);
    for line in file.text.expose().split_inclusive('\n') {
        if let Some(header) = line.trim_start().strip_prefix('[') {
            let name = header.split(']').next().unwrap_or_default();
            in_default = name.split_whitespace().collect::<Vec<_>>().join(" ") == "default"
                || name.split_whitespace().eq(["profile", "default"]);
            left_out = false;
        } else if line.starts_with([' ', '\t']) && !line.trim().is_empty() {
            // What is indented belongs to the key above it.
        } else {
            left_out = in_default && gives_credentials(line);
        }
        if left_out {
            any = true;
        } else {
            kept.push_str(line);
        }
    }
    any.then(|| Secret::new(kept))
}

fn gives_credentials(line: &str) -> bool {
    let key = line.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
    key.starts_with("aws_") || key.starts_with("sso_") || CREDENTIALS.contains(&key.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(text: &str) -> Option<String> {
        let file = SharedFile::new("config", text.as_bytes().to_vec());
        without_default_credentials(&file).map(|text| text.expose().to_owned())
    }

    #[test]
    fn only_the_default_profile_loses_its_credentials_and_nothing_else() {
        let text = "# mine\n[default]\nregion = eu-west-1\nAWS_Access_Key_Id=AKIA\n\
                    aws_secret_access_key = s\ns3 =\n  max = 1\n[profile dev]\nrole_arn = x\n";
        let expected = "# mine\n[default]\nregion = eu-west-1\ns3 =\n  max = 1\n\
                        [profile dev]\nrole_arn = x\n";
        assert_eq!(bare(text).as_deref(), Some(expected));
        assert_eq!(bare(expected), None);
    }

    #[test]
    fn every_way_to_write_it_is_known_and_what_is_indented_goes_too() {
        let text = "[ profile  default ]\nsso_session = my\nrole_arn =\n  x\n\noutput = json\n";
        assert_eq!(bare(text).as_deref(), Some("[ profile  default ]\n\noutput = json\n"));
        assert_eq!(
            bare("[default ] # it\ncredential_process = x"),
            Some("[default ] # it\n".into())
        );
        assert_eq!(bare("[defaults]\nrole_arn = x\n"), None);
    }
}
