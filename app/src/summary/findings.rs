//! What was found that matters.

use std::io::{self, Write};

use super::{SHOWN, line, named, plural};
use crate::receipt::{
    Receipt,
    schema::{Finding, Severity},
};

/// Writes those that matter, worst first, and how many others there are.
pub(super) fn write(out: &mut dyn Write, receipt: &Receipt) -> io::Result<()> {
    let matter: Vec<&Finding> =
        receipt.findings.iter().filter(|finding| finding.severity >= Severity::Medium).collect();
    for finding in matter.iter().take(SHOWN) {
        let label = if finding.severity == Severity::High { "finding, high" } else { "finding" };
        let process = receipt.processes.iter().find(|process| Some(process.id) == finding.process);
        let by = process.map(|process| format!(": {}", named(process))).unwrap_or_default();
        line(out, label, &format!("{}{by}", finding.title))?;
    }
    let hidden = matter.len().saturating_sub(SHOWN) as u64;
    if hidden > 0 {
        line(out, "finding", &format!("and {} more in the receipt", plural(hidden, "finding")))?;
    }
    Ok(())
}
