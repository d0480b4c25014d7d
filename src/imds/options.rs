//! The metadata options of an instance, under the names of the EC2 API.

/// Whether the endpoint answers at all (G4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpEndpoint {
    /// It serves.
    #[default]
    Enabled,
    /// It refuses everything with 403.
    Disabled,
}

/// Whether requests without a metadata token are served (T15, T17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpTokens {
    /// IMDSv2 only, as on a new instance.
    #[default]
    Required,
    /// IMDSv1 too.
    Optional,
}

/// What the owner of the endpoint decides about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// On or off.
    pub http_endpoint: HttpEndpoint,
    /// IMDSv2 only, or IMDSv1 too.
    pub http_tokens: HttpTokens,
    /// How many hops a granted metadata token may travel, 1 to 64 (T12).
    pub hop_limit: u8,
    /// Adds `AccountId` to the credential document (C5).
    pub account_id: bool,
}

impl Options {
    /// The same, turned off: everything is refused with 403 (G4).
    #[must_use]
    pub const fn off(self) -> Self {
        Self { http_endpoint: HttpEndpoint::Disabled, ..self }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            http_endpoint: HttpEndpoint::default(),
            http_tokens: HttpTokens::default(),
            hop_limit: 1,
            account_id: false,
        }
    }
}
