//! Every limit of the kernel side, with its reason.

/// Bytes of argument strings sent per exec. `execve` itself accepts a quarter of the stack limit (2 MiB by default);
/// the true length is always sent beside what was kept.
pub const ARGV_BYTES: u32 = 256 * 1024;
/// Bytes of environment strings sent per exec.
pub const ENV_BYTES: u32 = 256 * 1024;
/// Bytes of text in one record: large enough that nearly all argument lists travel in one piece.
pub const TEXT_CHUNK: u32 = 16 * 1024;
/// Bytes of a path (`PATH_MAX`); longer ones lack their beginning, and carry their true length.
pub const PATH_BYTES: u32 = 4096;
/// Bytes of one path component with its NUL (`NAME_MAX` + 1).
pub const COMPONENT_BYTES: u32 = 256;
/// Components of a path, mounts crossed included. Of a path that is deeper, the length is a lower bound.
pub const PATH_STEPS: u32 = 16_384;
/// Threads whose CPU time is summed when a process ends; nearly always one.
pub const EXIT_THREADS: u32 = 4_096;
/// Pending task works looked at to find a script's file.
pub const TASK_WORKS: u32 = 256;
/// Processes alive at the same time that can be in scope. `pid_max` is 32,768 on small machines.
pub const SCOPE_ENTRIES: u32 = 32_768;
/// Processes alive at the same time whose counters lie ready; those of others are allocated, which costs each
/// microseconds. More than builds and test suites run at once, and allocated in a fraction of a millisecond.
pub const POOL_ENTRIES: u32 = 256;
/// Distinct (process, call, errno) facts: denied calls and calls outside of the table.
pub const RARE_ENTRIES: u32 = 16_384;
/// Executed files that the kernel side remembers. One that has fallen out costs a wake-up when it is executed again.
pub const EXECUTED_ENTRIES: u32 = 1_024;
/// Bytes of the ring of process records.
pub const PROCESS_RING_BYTES: u32 = 2 * 1024 * 1024;
/// Bytes of the ring of activity records. 400 programs that start at once send 6 MiB.
pub const ACTIVITY_RING_BYTES: u32 = 8 * 1024 * 1024;
/// Uses of files, and failed attempts that are made again, that are counted at the same time: of processes that are alive. A
/// program that packs or searches a large tree opens so many. Beyond, each of them is told by itself. The kernel takes 14 ns to
/// make a place and as long to clear it away: twice as many would take two milliseconds longer at every start, and at every end.
pub const ACCESS_ENTRIES: u32 = 131_072;
/// Uses of files that the end of a process tells of; more are left in the map, and fetched from there. Nothing else runs on
/// that CPU meanwhile: some 1.5 ms.
pub const ENDED_ENTRIES: u32 = 4_096;
/// Failed attempts that are remembered, so that one that is made again is counted in an entry and not told again. Those that
/// look for a file along a path make some hundreds, and begin anew with each process.
pub const FAILED_LATELY: usize = 8_192;
/// The least time between two records of one use of a file, nanoseconds.
pub const ACCESS_INTERVAL_NS: u64 = 100_000_000;
/// Bytes of the text of a call that matters by itself, its NUL included: more than the name of a task (16) or of a module
/// (`MODULE_NAME_LEN`, 56) has.
pub const CALL_TEXT_BYTES: u32 = 64;
/// Descriptors looked at when observation starts.
pub const INHERITED_FDS: u32 = 1_024;
/// Open files that are remembered to have been opened under another path than the first. What is done with one that
/// has fallen out is attributed to the first.
pub const MOVED_FILES: u32 = 2_048;
/// Requests made through rings that wait for their completion and are followed.
pub const RING_REQUESTS: u32 = 16_384;
/// How long a task waits at a time for room in a ring, nanoseconds.
pub const WAIT_NS: u32 = 100_000;
/// Sockets that are followed at the same time. The oldest make room for new ones, their totals sent, and come back when
/// they are used again.
pub const SOCKET_ENTRIES: u32 = 16_384;
/// Sockets that have ended and rest, so that nothing that still works on one of them finds another in its place.
pub const RESTING_SOCKETS: u32 = 2_048;
/// What sockets exchange with further peers, as many at the same time.
pub const FLOW_ENTRIES: u32 = 4_096;
/// Processes that use a socket that another one made, and names that datagrams of unix sockets went to, which were told. What
/// has fallen out is told again.
pub const SOCKET_USERS: u32 = 1_024;
/// Bytes of the ring of what is done with sockets, and of packets.
pub const NETWORK_RING_BYTES: u32 = 2 * 1024 * 1024;
/// The least time between two records of one flow, nanoseconds.
pub const FLOW_INTERVAL_NS: u64 = 100_000_000;
/// Bytes of one packet's payload that are looked at.
pub const PACKET_BYTES: u32 = 4_096;
/// The same of one that is not large, as those of TLS are.
pub const MIDDLE_PACKET_BYTES: u32 = 2_048;
/// The same of a small one, as most are.
pub const SMALL_PACKET_BYTES: u32 = 512;
/// Bytes of payload that are looked at at the beginning of a connection, in each direction.
pub const BEGINNING_BYTES: u32 = 16 * 1024;
/// The same where the connection is one of the port of DNS.
pub const DNS_STREAM_BYTES: u32 = 64 * 1024;
/// Kinds of requests (`IORING_OP_*`) that are told apart.
pub const RING_OPCODES: usize = 128;
