//! What people read at the end of a run.

use std::io::{self, Write};

use crate::receipt::{Receipt, write::Written};

/// Writes the summary of a run.
pub fn write(_out: &mut dyn Write, _receipt: &Receipt, _written: Option<&Written>) -> io::Result<()> {
    Ok(())
}

/// Makes bytes that a program chose safe to print: control characters, invalid UTF-8 and invisible or direction
/// changing characters are shown as escapes.
pub fn escape(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
