//! What the kernel side counts about itself.

/// Families of records whose loss is accounted for separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Family {
    /// Process lifecycle: fork, exec and its texts, exit, credentials.
    Process = 0,
    /// System-call counts of processes that ended.
    Syscalls = 1,
}

/// Number of families.
pub const FAMILIES: usize = 2;

record! {
    /// Per CPU; user space adds them up.
    Counters, 48, {
        /// Records the kernel side wanted to send, by [`Family`].
        emitted: [u64; 2],
        /// Records that found no room, by [`Family`].
        dropped: [u64; 2],
        /// Processes that could not be put in scope.
        scope_full: u64,
        /// Rare system-call facts that found no room.
        rare_full: u64,
    }
}
