//! `glasshouse schema`: prints the JSON Schema of the receipt.

use std::io::{self, Write};

/// Writes the schema.
pub fn write(_out: &mut dyn Write) -> io::Result<()> {
    Ok(())
}
