//! Limits on resources: glasshouse takes for itself what it may have of them, and the command gets what the caller had set.

use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// Those whose soft limit is raised to the hard one: the sizes of files, for the receipt is as long as it is, and the number
/// of descriptors, of which an observation takes some eighty.
const RAISED: [Resource; 2] = [Resource::RLIMIT_FSIZE, Resource::RLIMIT_NOFILE];

/// What the caller had set, soft and hard, of those that could be raised.
static CALLERS: OnceLock<[Option<(rlim_t, rlim_t)>; RAISED.len()]> = OnceLock::new();

/// Raises this process's soft limits. Where that is refused they stay.
pub fn raise() {
    CALLERS.get_or_init(|| {
        RAISED.map(|resource| {
            let (soft, hard) = getrlimit(resource).ok()?;
            setrlimit(resource, hard, hard).is_ok().then_some((soft, hard))
        })
    });
}

/// Sets the limits that the caller had. Only makes system calls.
pub(super) fn restore() {
    for (resource, limit) in RAISED.into_iter().zip(CALLERS.get().into_iter().flatten()) {
        if let Some((soft, hard)) = *limit {
            let _ = setrlimit(resource, soft, hard);
        }
    }
}
