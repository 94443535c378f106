//! The real binary, the real kernel, and small programs that do one thing each: what happened against what the
//! receipt says. These tests need root; see `tests/support` for the environment variables that they heed.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

/// A command line: words of any kind of text.
macro_rules! command {
    ($($word:expr),* $(,)?) => { vec![$(std::ffi::OsString::from($word)),*] };
}

mod cleanup;
mod credentials;
mod evasion;
mod evasion_ordinary;
mod events;
mod executions;
mod exits;
mod failures;
mod files_artifacts;
mod files_bytes;
mod files_changes;
mod files_failed;
mod files_ground_truth;
mod files_mounts;
mod files_names;
mod files_open;
mod files_races;
mod files_uring;
mod freezing;
mod ground_truth;
mod hostile;
mod identity;
mod interface;
mod network_again;
mod network_ground_truth;
mod network_hostile;
mod network_names;
mod network_other;
mod network_payloads;
mod network_routes;
mod network_shared;
mod network_tcp;
mod network_udp;
mod network_without_cgroup;
mod processes;
mod raw_tracepoints;
mod recordings;
mod redaction;
mod scripts;
mod side_by_side;
mod signals;
mod storms;
mod syscalls;
