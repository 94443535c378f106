//! The boot clock, as the kernel's events are stamped with it.
//!
//! In a time namespace the clock that a process reads is another one, and so are the times that /proc tells it.

use std::{fs, sync::OnceLock, time::Duration};

use nix::time::{ClockId, clock_gettime};

use crate::event::BootNs;

/// Nanoseconds of the host's `CLOCK_BOOTTIME`.
pub fn boot_time() -> BootNs {
    let here = clock_gettime(ClockId::CLOCK_BOOTTIME).map(|time| Duration::from(time).as_nanos());
    let here = here.ok().and_then(|time| u64::try_from(time).ok()).unwrap_or_default();
    here.saturating_add_signed(offset().saturating_neg())
}

/// A time of the host's clock as this process would have read it, and as /proc gives it.
pub(crate) fn seen_here(time: BootNs) -> BootNs {
    time.saturating_add_signed(offset())
}

/// How far the clock of this process's time namespace is ahead of the host's, ns.
fn offset() -> i64 {
    static OFFSET: OnceLock<i64> = OnceLock::new();
    *OFFSET.get_or_init(|| {
        let namespace = |name| fs::read_link(format!("/proc/self/ns/{name}")).ok();
        // The file tells those of the namespace that children are to have. An exec goes there as well, but on old kernels.
        if namespace("time") != namespace("time_for_children") {
            return 0;
        }
        fs::read_to_string("/proc/self/timens_offsets").ok().and_then(|text| boot_offset(&text)).unwrap_or(0)
    })
}

/// The line of the boot clock, of which seconds may be negative (time_namespaces(7)).
fn boot_offset(text: &str) -> Option<i64> {
    let mut words = text.lines().find(|line| line.starts_with("boottime"))?.split_ascii_whitespace().skip(1);
    let mut number = || words.next()?.parse::<i64>().ok();
    number()?.checked_mul(1_000_000_000)?.checked_add(number()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read() {
        let text = |boot: &str| format!("monotonic         5         6\n{boot}\n");
        assert_eq!(boot_offset(&text("boottime      86400         7")), Some(86_400_000_000_007));
        assert_eq!(boot_offset(&text("boottime         -2 500000000")), Some(-1_500_000_000));
        assert_eq!(boot_offset(&text("boottime")), None);
        assert_eq!(boot_offset(""), None);
    }

    #[test]
    fn it_is_the_clock_that_others_read() {
        assert!(boot_time() > 0 && boot_time() <= boot_time());
        assert!(seen_here(boot_time()) > 0);
    }
}
