//! The statuses in use.

/// How a request ends; never with 503 or 429, for clients retry neither well (G5, T22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Served.
    Ok = 200,
    /// A head that contradicts itself, or a time to live that is none.
    BadRequest = 400,
    /// A metadata token is needed, and this is none.
    Unauthorized = 401,
    /// Not from there, or not there.
    Forbidden = 403,
    /// No such item.
    NotFound = 404,
    /// Not by this method.
    NotAllowed = 405,
    /// Nobody waits for our consent.
    ExpectationFailed = 417,
    /// More than a head may measure (F19).
    HeadTooLarge = 431,
    /// Nothing valid is held.
    InternalServerError = 500,
}

impl Status {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The reason phrase where it is not the usual one (F10).
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::NotAllowed => Some("Not Allowed"),
            _ => None,
        }
    }
}
