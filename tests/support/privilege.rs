//! Which privileges and tools there are, and what it means when one is missing.

use std::io::Write;
use std::path::PathBuf;

/// Can glasshouse observe here? Panics when it cannot and `GLASSHOUSE_PRIVILEGED=require`.
pub(crate) fn privileged() -> bool {
    let root = nix::unistd::geteuid().is_root();
    root || lacking("these tests need root: run them with sudo")
}

/// Is this tool there? Panics when it is not, `GLASSHOUSE_PRIVILEGED=require`, and nobody said that it would be missing.
pub(crate) fn has_tool(name: &str) -> bool {
    if find_tool(name).is_some() {
        return true;
    }
    let accepted = std::env::var("GLASSHOUSE_TEST_WITHOUT").unwrap_or_default();
    if accepted.split(',').any(|other| other == name) {
        skip(&format!("{name} is not installed, as expected here"));
        return false;
    }
    lacking(&format!("{name} is not installed"))
}

/// Where PATH has a tool; the system folders count even when PATH leaves them out, as it may for ordinary users.
pub(crate) fn find_tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/local/sbin:/usr/sbin:/sbin";
    path.split(':').map(|folder| PathBuf::from(folder).join(name)).find(|file| file.is_file())
}

fn lacking(what: &str) -> bool {
    assert!(std::env::var_os("GLASSHOUSE_PRIVILEGED").is_none_or(|value| value != "require"), "{what}");
    skip(what);
    false
}

/// Says on the real stderr, which the test runner does not capture, that a test was left out.
pub(crate) fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "skipped {test}: {why}");
}

/// Ends the test here, visibly, unless glasshouse can observe and every named tool is there.
macro_rules! needs {
    ($($tool:expr),*) => {
        if !$crate::support::privilege::privileged() $(|| !$crate::support::privilege::has_tool($tool))* {
            return;
        }
    };
}
pub(crate) use needs;
