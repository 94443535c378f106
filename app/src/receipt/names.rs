//! Names of errors and signals.

use nix::{errno::Errno, sys::signal::Signal};

/// Name of an errno: `ENOENT`, or `errno_N` for one without a name.
pub(super) fn errno(errno: i32) -> String {
    match Errno::from_raw(errno) {
        Errno::UnknownErrno => format!("errno_{errno}"),
        known => format!("{known:?}"),
    }
}

/// Name of a signal: `SIGKILL`, `SIGRTMIN+3`, or `signal_N` for those that the C library keeps for itself.
pub(super) fn signal(signal: i32) -> String {
    /// The first one that programs may use, in glibc and musl alike.
    const RTMIN: i32 = 34;
    /// `_NSIG` of Linux.
    const LAST: i32 = 64;
    match Signal::try_from(signal) {
        Ok(known) => known.as_str().to_owned(),
        Err(_) if (RTMIN..=LAST).contains(&signal) => format!("SIGRTMIN+{}", signal - RTMIN),
        Err(_) => format!("signal_{signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_unknown_ones() {
        assert_eq!([errno(2), errno(13), errno(9_999)], ["ENOENT", "EACCES", "errno_9999"]);
        assert_eq!(
            [signal(9), signal(34), signal(33), signal(64)],
            ["SIGKILL", "SIGRTMIN+0", "signal_33", "SIGRTMIN+30"]
        );
    }
}
