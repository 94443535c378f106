//! The header that every record begins with.

record! {
    /// Who did it, when, and what follows.
    Header, 32, {
        /// Time of the record in nanoseconds of `CLOCK_BOOTTIME`.
        at: u64,
        /// `start_boottime` of the thread group's leader, nanoseconds. With `tgid` it identifies the process.
        start: u64,
        /// Thread group id in the initial pid namespace.
        tgid: u32,
        /// Thread id in the initial pid namespace.
        tid: u32,
        /// One of the constants in [`crate::kind`].
        kind: u32,
        /// Length of the whole record in bytes, this header included.
        size: u32,
    }
}
