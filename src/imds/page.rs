//! The page that goes with 404, to the byte (E1).
//!
//! Its blanks are those of the recorded one, odd as they are. It is markup, so
//! that no client takes it for the name of a role (C12).

/// The page, as bytes.
pub(super) const NOT_FOUND: &[u8] = TEXT.as_bytes();

const TEXT: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n",
    "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n",
    "\t\t \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n",
    "<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n",
    " <head>\n",
    "  <title>404 - Not Found</title>\n",
    " </head>\n",
    " <body>\n",
    "  <h1>404 - Not Found</h1>\n",
    " </body>\n",
    "</html>\n",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e1_the_page_is_the_recorded_one() {
        let digest = ring::digest::digest(&ring::digest::SHA256, NOT_FOUND);
        let recorded = "3f92bfc0961a4bf4e83938c708afb562018c698f4a2775acc4d59879c33aa39c";
        assert_eq!(format!("{digest:?}"), format!("SHA256:{recorded}"));
        assert_eq!(NOT_FOUND.len(), 339);
    }
}
