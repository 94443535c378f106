//! What the integration tests share: the programs they watch, the run of glasshouse, the receipt, and the ground truth.
//!
//! Environment variables, all optional:
//! - `GLASSHOUSE_BIN`: the binary under test instead of the one cargo built;
//! - `GLASSHOUSE_PRIVILEGED=require`: a missing privilege or tool is a failure instead of a visible skip;
//! - `GLASSHOUSE_TEST_PROGRAMS`: a folder with the test programs already built, where there is no compiler;
//! - `GLASSHOUSE_TEST_SLOWNESS`: a factor for every time-out (an emulated machine needs some 20);
//! - `GLASSHOUSE_TEST_WITHOUT`: names of tools, comma-separated, whose absence is known and accepted.

pub(crate) mod differences;
pub(crate) mod file_trace;
pub(crate) mod files;
pub(crate) mod findings;
pub(crate) mod namespaces;
pub(crate) mod network;
pub(crate) mod network_trace;
pub(crate) mod privilege;
pub(crate) mod programs;
pub(crate) mod pty;
pub(crate) mod receipt;
pub(crate) mod strace;
pub(crate) mod watch;
pub(crate) mod wire;

use std::time::{Duration, Instant};

pub(crate) use files::{calls, calls_32};
pub(crate) use namespaces::Namespace;
pub(crate) use programs::{program, public_program, real};
pub(crate) use receipt::{Execution, Process, Receipt};
pub(crate) use watch::{Run, Running, watch};

/// A generous time-out, made longer on slow machines.
pub(crate) fn patience(seconds: u64) -> Duration {
    Duration::from_secs(seconds).mul_f64(slowness())
}

/// How many times slower than an ordinary machine this one is said to be.
pub(crate) fn slowness() -> f64 {
    match std::env::var("GLASSHOUSE_TEST_SLOWNESS") {
        Ok(text) => text.parse().expect("GLASSHOUSE_TEST_SLOWNESS is a number"),
        Err(_) => 1.0,
    }
}

/// Polls until `ready` gives a value; panics with `what` when it never does.
pub(crate) fn wait_until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience(30);
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "gave up waiting for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `name=value` facts that a test program printed.
pub(crate) fn fact(output: &str, name: &str) -> u64 {
    let text = output
        .split_whitespace()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        .unwrap_or_else(|| panic!("no {name}= in {output:?}"));
    text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}"))
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
