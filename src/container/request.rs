//! One request head, with the one field more that this endpoint looks at.

use std::fmt;

use crate::imds::{self, Field};

/// One request head.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What both endpoints look at; its fields of IMDS are nothing here.
    pub head: imds::Request<'a>,
    /// `Authorization`, whole: a bare secret, no scheme before it (S3).
    pub authorization: Field<'a>,
    /// What stands behind the path.
    pub query: Option<&'a str>,
}

impl fmt::Debug for Request<'_> {
    // The path and the query may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.head.method)
            .field("authorization", &self.authorization)
            .finish_non_exhaustive()
    }
}
