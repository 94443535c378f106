//! What the kernel side counts about itself.

/// Families of records whose loss is accounted for separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Family {
    /// Process lifecycle: fork, exec and its texts, exit, credentials.
    Process = 0,
    /// System-call counts of processes that ended.
    Syscalls = 1,
    /// What is done with files, what fails, and the texts of it.
    Files = 2,
    /// What is done with sockets, and what goes through them.
    Network = 3,
}

/// Number of families.
pub const FAMILIES: usize = 4;

record! {
    /// Of all CPUs.
    Counters, 168, {
        /// Records the kernel side wanted to send, by [`Family`].
        emitted: [u64; 4],
        /// Records that found no room, by [`Family`].
        dropped: [u64; 4],
        /// Processes that could not be put in scope.
        scope_full: u64,
        /// Rare system-call facts that found no room.
        rare_full: u64,
        /// Failed attempts and calls that could be neither counted nor told.
        access_full: u64,
        /// Dropped records of files whose facts a later one brought.
        files_recovered: u64,
        /// Sockets that found no room.
        sockets_full: u64,
        /// Sockets made by processes in scope outside of the workload's control group.
        sockets_outside: u64,
        /// Changes of connections' states that nobody saw, found when the socket was closed.
        states_missed: u64,
        /// Flows that made room for others, their totals sent.
        flows_evicted: u64,
        /// Dropped records of flows whose facts a later one brought.
        flows_recovered: u64,
        /// Uses of files that found no room, each of which was told by itself.
        accesses_single: u64,
        /// Dropped records of totals, which are asked for in the end if no later one brings them.
        files_late: u64,
        /// Waits for room in a ring.
        waits: u64,
        /// Their total, nanoseconds.
        waited_ns: u64,
    }
}
