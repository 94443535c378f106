//! `glasshouse schema`: prints the JSON Schema of the receipt.

use std::io::{self, Write};

use crate::receipt::schema::json_schema;

/// Writes the schema.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(json_schema()?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_document_is_written() {
        let mut out = Vec::new();
        assert!(write(&mut out).is_ok());
        assert!(out.starts_with(b"{\n") && out.ends_with(b"}\n"));
    }
}
