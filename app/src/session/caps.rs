//! How much of a run is kept. What is beyond is counted and stands in the receipt's `limits`: a hostile command
//! must not exhaust the observer, and must not hide behind its limits either.

/// Processes. A long build has some 20,000; at about 1 KiB each this many stay within half a GiB.
pub const MAX_PROCESSES: u64 = 500_000;
/// Successful execs of the whole run: mostly one per process, but a process can exec itself without end.
pub const MAX_EXECUTIONS: u64 = 500_000;
/// Distinct (file name, errno, call) of failed execs of one process: a PATH search makes a dozen.
pub const MAX_FAILED_EXECUTIONS_PER_PROCESS: usize = 1_000;
/// The same of the whole run.
pub const MAX_FAILED_EXECUTIONS: u64 = 200_000;
/// Credential changes of one process: a login makes a few, a loop over `seteuid` has no end.
pub const MAX_CREDENTIAL_CHANGES_PER_PROCESS: usize = 1_000;
/// The same of the whole run.
pub const MAX_CREDENTIAL_CHANGES: u64 = 200_000;
/// Distinct system calls of one process: all that two ABIs have, and as many again that do not exist.
pub const MAX_SYSCALLS_PER_PROCESS: usize = 2_048;
/// Distinct (call, errno) of denied calls of one process.
pub const MAX_DENIED_PER_PROCESS: usize = 2_048;
/// Bytes of distinct texts: arguments, environments, paths. One exec alone can carry 2 MiB of its own; a build of
/// 20,000 processes has some 3 MiB in all.
pub const MAX_TEXT_BYTES: u64 = 128 * 1024 * 1024;
/// Distinct files: path, device and inode. A large build touches some 50,000.
pub const MAX_FILES: u64 = 500_000;
/// Uses of a file by a process under one path: this many take some 150 MiB, and the receipt of them half as much again.
pub const MAX_ACCESSES: u64 = 1_000_000;
/// Changes of files: an unpacked archive makes two or three of each file.
pub const MAX_FILE_CHANGES: u64 = 1_000_000;
/// Failed attempts by process, path, operation, errno and call: a start of Python makes some hundred.
pub const MAX_FILE_FAILURES: u64 = 500_000;
/// Bytes of distinct texts about files: paths, targets of symbolic links, names of attributes.
pub const MAX_FILE_TEXT_BYTES: u64 = 128 * 1024 * 1024;
/// Connections and listeners: this many take some 150 MiB, and the receipt of them twice as much.
pub const MAX_CONNECTIONS: u64 = 500_000;
/// Further processes by socket: a server with forked workers has one per worker and connection.
pub const MAX_SOCKET_USERS: u64 = 100_000;
/// Unix sockets by process and name: a desktop session has a few hundred.
pub const MAX_UNIX_SOCKETS: u64 = 50_000;
/// Sockets of other families that are open at once, and kinds of them by process.
pub const MAX_OTHER_SOCKETS: u64 = 20_000;
/// Failed calls on sockets by process, call, address and errno: a scan of all ports of one host makes 65,536.
pub const MAX_SOCKET_FAILURES: u64 = 500_000;
/// Calls that matter by themselves, by process, call, arguments and errno: who signals all processes of a machine makes
/// some hundred.
pub const MAX_CALLS: u64 = 100_000;
/// Questions to name servers: a large crawl asks for some 10,000 names.
pub const MAX_DNS: u64 = 500_000;
/// Records of their answers: most have fewer than ten.
pub const MAX_DNS_ANSWERS: u64 = 500_000;
/// Bytes of distinct texts about sockets: names of hosts and of unix sockets, targets of requests.
pub const MAX_NETWORK_TEXT_BYTES: u64 = 64 * 1024 * 1024;
/// Results of hashing that came before their exec, per process. They should not: two files of a few execs.
pub(super) const MAX_EARLY_HASHES: usize = 64;

/// The caps of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// See [`MAX_PROCESSES`].
    pub processes: u64,
    /// See [`MAX_EXECUTIONS`].
    pub executions: u64,
    /// See [`MAX_FAILED_EXECUTIONS_PER_PROCESS`].
    pub failed_executions_per_process: usize,
    /// See [`MAX_FAILED_EXECUTIONS`].
    pub failed_executions: u64,
    /// See [`MAX_CREDENTIAL_CHANGES_PER_PROCESS`].
    pub credential_changes_per_process: usize,
    /// See [`MAX_CREDENTIAL_CHANGES`].
    pub credential_changes: u64,
    /// See [`MAX_SYSCALLS_PER_PROCESS`].
    pub syscalls_per_process: usize,
    /// See [`MAX_DENIED_PER_PROCESS`].
    pub denied_per_process: usize,
    /// See [`MAX_TEXT_BYTES`].
    pub text_bytes: u64,
    /// See [`MAX_FILES`].
    pub files: u64,
    /// See [`MAX_ACCESSES`].
    pub accesses: u64,
    /// See [`MAX_FILE_CHANGES`].
    pub file_changes: u64,
    /// See [`MAX_FILE_FAILURES`].
    pub file_failures: u64,
    /// See [`MAX_FILE_TEXT_BYTES`].
    pub file_text_bytes: u64,
    /// See [`MAX_CONNECTIONS`].
    pub connections: u64,
    /// See [`MAX_SOCKET_USERS`].
    pub socket_users: u64,
    /// See [`MAX_UNIX_SOCKETS`].
    pub unix_sockets: u64,
    /// See [`MAX_OTHER_SOCKETS`].
    pub other_sockets: u64,
    /// See [`MAX_SOCKET_FAILURES`].
    pub socket_failures: u64,
    /// See [`MAX_CALLS`].
    pub calls: u64,
    /// See [`MAX_DNS`].
    pub dns: u64,
    /// See [`MAX_DNS_ANSWERS`].
    pub dns_answers: u64,
    /// See [`MAX_NETWORK_TEXT_BYTES`].
    pub network_text_bytes: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            processes: MAX_PROCESSES,
            executions: MAX_EXECUTIONS,
            failed_executions_per_process: MAX_FAILED_EXECUTIONS_PER_PROCESS,
            failed_executions: MAX_FAILED_EXECUTIONS,
            credential_changes_per_process: MAX_CREDENTIAL_CHANGES_PER_PROCESS,
            credential_changes: MAX_CREDENTIAL_CHANGES,
            syscalls_per_process: MAX_SYSCALLS_PER_PROCESS,
            denied_per_process: MAX_DENIED_PER_PROCESS,
            text_bytes: MAX_TEXT_BYTES,
            files: MAX_FILES,
            accesses: MAX_ACCESSES,
            file_changes: MAX_FILE_CHANGES,
            file_failures: MAX_FILE_FAILURES,
            file_text_bytes: MAX_FILE_TEXT_BYTES,
            connections: MAX_CONNECTIONS,
            socket_users: MAX_SOCKET_USERS,
            unix_sockets: MAX_UNIX_SOCKETS,
            other_sockets: MAX_OTHER_SOCKETS,
            socket_failures: MAX_SOCKET_FAILURES,
            calls: MAX_CALLS,
            dns: MAX_DNS,
            dns_answers: MAX_DNS_ANSWERS,
            network_text_bytes: MAX_NETWORK_TEXT_BYTES,
        }
    }
}

/// How many there were, and how many of them were kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All.
    pub seen: u64,
    /// Those kept.
    pub kept: u64,
}

impl Tally {
    /// Counts `amount`, as kept or not; gives back which.
    pub(super) fn count(&mut self, amount: u64, kept: bool) -> bool {
        self.seen = self.seen.saturating_add(amount);
        if kept {
            self.kept = self.kept.saturating_add(amount);
        }
        kept
    }
}

/// A list of the session and how it stands to its cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Name of the list, as in the receipt.
    pub list: &'static str,
    /// How many there were, and how many are in the list.
    pub tally: Tally,
}
