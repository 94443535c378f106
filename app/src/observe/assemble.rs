//! From records to events: joins each record with the texts that were sent before it. Pure.

pub(super) mod arguments;
mod calls;
pub(super) mod files;
pub(super) mod network;
mod texts;

use std::sync::Arc;

use glasshouse_common::{
    self as abi, CredentialsRecord, ExecFailedRecord, ExecRecord, ExitRecord, Family, ForkRecord, Header,
    SyscallsRecord, TextRecord, flags, kind,
    limits::{ARGV_BYTES, ENV_BYTES},
    syscall::{ABI_NATIVE, ABI_RING},
};

use files::Requests;
use texts::{Strings, Text, Texts, path_from_argument, plain_text, resolved_path, strings};

use super::decode::{DecodeError, Record, SyscallCounts, next_record};
use crate::{
    event::{
        Abi, BootNs, CredentialCall, Credentials, Event, EventKind, Exec, ExecFailed, ExecutedFile, Exit,
        FileFacts, Fork, Namespaces, Observed, ProcessKey, RootBegan, Syscall,
    },
    maps::HashMap,
    syscalls::Table,
};

/// Threads whose texts wait for their record. A text whose record was lost waits until its thread sends another;
/// past this many the texts of some thread are given up, and its record, should it come, says `lost`.
const MAX_PENDING: usize = 1_024;
/// Bytes of distinct environments that are remembered, so that equal ones are kept once.
const MAX_ENVIRONMENT_BYTES: usize = 4 << 20;
/// `AT_FDCWD` of `linux/fcntl.h`.
const AT_FDCWD: i32 = -100;

#[derive(Debug, Default)]
struct Pending {
    at: u64,
    texts: Texts,
}

/// Whose texts wait: the process, its thread, and the family that they came with. What comes by one ring says nothing of
/// what is still to come by another.
type Waiting = (ProcessKey, u32, Family);

/// Uses of files of a process that has ended, of which the kernel side has not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The process.
    pub process: ProcessKey,
    /// When it ended.
    pub at: BootNs,
    /// The number of the first; each names the next one.
    pub first: u64,
}

/// Puts records together.
pub struct Assembler {
    pending: HashMap<Waiting, Pending>,
    environments: HashMap<Vec<u8>, Arc<[Vec<u8>]>>,
    environment_bytes: usize,
    /// What the root was before its first exec, which is still to come.
    root: Option<(ProcessKey, RootBegan)>,
    /// File names of execs of which it is not known yet what becomes of them.
    prepared: HashMap<ProcessKey, Text>,
    /// Requests through rings whose result is still to come.
    requests: Requests,
    /// What processes have left.
    left: Vec<Left>,
    native: Table,
    compat: Table,
    page_bytes: u64,
    undecodable: u64,
    first_error: Option<DecodeError>,
}

impl Assembler {
    /// `page_bytes` is the size of a page, in which the kernel counts memory.
    pub fn new(native: Table, compat: Table, page_bytes: u64) -> Self {
        Self {
            pending: HashMap::default(),
            environments: HashMap::default(),
            environment_bytes: 0,
            root: None,
            prepared: HashMap::default(),
            requests: Requests::default(),
            left: Vec::new(),
            native,
            compat,
            page_bytes,
            undecodable: 0,
            first_error: None,
        }
    }

    /// Records that could not be understood, and what was wrong with the first.
    pub fn undecodable(&self) -> (u64, Option<DecodeError>) {
        (self.undecodable, self.first_error)
    }

    /// What was asked for and had no result when observation ended.
    pub fn unfinished(&mut self) -> Vec<Event> {
        self.requests.unfinished()
    }

    /// What processes have left since this was asked the last time.
    pub fn take_left(&mut self) -> Vec<Left> {
        std::mem::take(&mut self.left)
    }

    /// Events of a run of records.
    pub fn events(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) {
        while let Some(record) = next_record(&mut bytes) {
            match record {
                Ok(record) => events.extend(self.record(record)),
                Err(error) => {
                    self.undecodable += 1;
                    self.first_error.get_or_insert(error);
                }
            }
        }
    }

    fn record(&mut self, record: Record<'_>) -> Option<Event> {
        match record {
            Record::Text(text, bytes) => {
                self.text(&text, bytes);
                None
            }
            Record::Fork(fork) => Some(event(&fork.header, EventKind::Fork(self::fork(&fork)))),
            Record::Exec(exec) => {
                let texts = self.take_texts(&exec.header);
                let kind = EventKind::Exec(Box::new(self.exec(&exec, texts)));
                Some(event(&exec.header, kind))
            }
            Record::ExecFailed(failed) => {
                let mut texts = self.take_texts(&failed.header);
                let kind = EventKind::ExecFailed(self.exec_failed(&failed, &mut texts));
                Some(event(&failed.header, kind))
            }
            Record::Exit(exit) => {
                let ended = key(&exit.header);
                self.prepared.remove(&ended);
                self.pending
                    .retain(|(process, _, family), _| *process != ended || *family != Family::Process);
                Some(event(&exit.header, EventKind::Exit(self::exit(&exit, self.page_bytes))))
            }
            Record::Credentials(call) => {
                Some(event(&call.header, EventKind::Credentials(credential_call(&call))))
            }
            Record::RootCredentials(before) => {
                self.root = Some((key(&before.header), root_began(&before)));
                None
            }
            Record::Syscalls(record, counts) => {
                Some(event(&record.header, EventKind::SyscallTotals(self.totals(&record, counts))))
            }
            Record::File(file, components) => {
                let mut texts = self.take_texts(&file.header);
                files::seen(&file, components, &mut texts).map(|kind| event(&file.header, kind))
            }
            Record::Left(left) => {
                let Header { at, .. } = left.header;
                self.left.push(Left { process: key(&left.header), at, first: left.first });
                None
            }
            Record::FileTotals(totals) => {
                Some(event(&totals.header, files::file_totals(totals.access, &totals.totals)))
            }
            Record::FileChange(change) => {
                let mut texts = self.take_texts(&change.header);
                files::changed(&change, &mut texts, &self.native, &self.compat)
                    .map(|kind| event(&change.header, kind))
            }
            Record::RingRequest(request) => {
                let mut texts = self.take_texts(&request.header);
                self.requests.add(&request, &mut texts, &self.native, &self.compat)
            }
            Record::RingResult(result) => self.requests.complete(&result),
            Record::Flow(flow) => Some(event(&network::owned(&flow.header), network::flow(&flow))),
            Record::SocketUsed(used) => Some(event(&used.header, network::used(&used))),
            Record::UnixSocket(unix) => {
                let mut texts = self.take_texts(&unix.header);
                Some(event(&unix.header, network::unix(&unix, &mut texts)))
            }
            Record::Call(call) => calls::called(&call).map(|kind| event(&call.header, kind)),
            Record::SocketFailed(failed) => Some(event(&failed.header, network::failed(&failed))),
            Record::Packet(packet, bytes) => Some(event(&packet.header, network::payload(&packet, bytes))),
            Record::FileFailed(failed, argument) => {
                let mut texts = self.take_texts(&failed.header);
                files::failed(&failed, argument, &mut texts, &self.native, &self.compat)
                    .map(|kind| event(&failed.header, kind))
            }
        }
    }

    fn text(&mut self, record: &TextRecord, bytes: &[u8]) {
        let family = kind::family(kind::TEXT, record.text);
        if record.text == kind::TEXT_PREPARED {
            self.prepare(record, bytes);
            return;
        }
        let key = (key(&record.header), record.header.tid, family);
        if self.pending.len() >= MAX_PENDING && !self.pending.contains_key(&key) {
            let oldest = self.pending.iter().min_by_key(|(_, pending)| pending.at).map(|(key, _)| *key);
            oldest.map(|key| self.pending.remove(&key));
        }
        let pending = self.pending.entry(key).or_default();
        if pending.at != record.header.at {
            *pending = Pending { at: record.header.at, texts: Texts::default() };
        }
        let text = pending.texts.of(record.text);
        text.flags |= record.flags;
        text.errno = text.errno.max(record.errno);
        text.total = record.total;
        text.in_root = record.in_root;
        if record.offset as usize == text.bytes.len() {
            text.bytes.extend_from_slice(bytes);
        } else {
            // A piece in between is missing: what came before it is all there is.
            text.flags |= flags::TEXT_TRUNCATED;
        }
    }

    /// Keeps the file name of an exec. It comes in one piece, and waits as others do.
    fn prepare(&mut self, record: &TextRecord, bytes: &[u8]) {
        let key = key(&record.header);
        if self.prepared.len() >= MAX_PENDING && !self.prepared.contains_key(&key) {
            return;
        }
        let &TextRecord { flags, errno, total, in_root, .. } = record;
        self.prepared.insert(key, Text { bytes: bytes.to_vec(), flags, errno, total, in_root });
    }

    fn take_texts(&mut self, header: &Header) -> Texts {
        // Most records have none.
        if self.pending.is_empty() {
            return Texts::default();
        }
        let family = kind::family(header.kind, 0);
        match self.pending.remove(&(key(header), header.tid, family)) {
            Some(pending) if pending.at == header.at => pending.texts,
            _ => Texts::default(),
        }
    }

    fn exec(&mut self, record: &ExecRecord, mut texts: Texts) -> Exec {
        let cwd = resolved_path(texts.remove(kind::TEXT_CWD));
        let filename = self.filename(&record.header, record.flags & flags::EXEC_NAMED != 0, &mut texts);
        let image = ExecutedFile {
            path: resolved_path(texts.remove(kind::TEXT_IMAGE_PATH)),
            facts: file_facts(&record.image),
        };
        let script =
            (record.flags & flags::EXEC_INTERPRETED != 0).then(|| match file_facts(&record.script) {
                Some(facts) if is_named(record, &filename, texts.get(kind::TEXT_ARGV)) => ExecutedFile {
                    path: resolved_path(texts.remove(kind::TEXT_SCRIPT_PATH)),
                    facts: Some(facts),
                },
                _ => ExecutedFile { path: path_from_argument(&filename, &cwd), facts: None },
            });
        let argv = texts.remove(kind::TEXT_ARGV);
        let environment = texts.remove(kind::TEXT_ENV);
        Exec {
            is_root: record.flags & flags::EXEC_ROOT != 0,
            parent: ProcessKey { start: record.parent_start, tgid: record.parent_tgid },
            namespace_pid: record.ns_pid,
            pid_namespace: record.pid_ns,
            argv_bytes: argv.as_ref().map_or(0, |text| u64::from(text.total)),
            environment_bytes: environment.as_ref().map_or(0, |text| u64::from(text.total)),
            argv: strings(argv, record.argc, ARGV_BYTES).map(|strings| strings.split()),
            environment: strings(environment, record.envc, ENV_BYTES).map(|strings| self.intern(strings)),
            image,
            script,
            filename,
            cwd,
            credentials: credentials(&record.credentials),
            credentials_before: self
                .root
                .take_if(|(root, _)| *root == key(&record.header))
                .map(|(_, began)| began.credentials),
            call: syscall(record.abi, record.call),
            from_thread: (record.flags & flags::EXEC_FROM_THREAD != 0).then_some(record.old_tid),
            comm: name(&record.comm),
        }
    }

    fn exec_failed(&mut self, record: &ExecFailedRecord, texts: &mut Texts) -> ExecFailed {
        let is_late = record.flags & flags::EXEC_FAILED_LATE != 0;
        let root = self.root.take_if(|(root, _)| is_late && *root == key(&record.header));
        ExecFailed {
            filename: self.filename(&record.header, record.flags & flags::EXEC_FAILED_NAMED != 0, texts),
            errno: record.errno as i32,
            call: syscall(record.abi, record.call),
            dirfd: (record.dirfd != AT_FDCWD).then_some(record.dirfd),
            root: root.map(|(_, began)| Box::new(began)),
        }
    }

    /// The file name of an exec, which was sent with it or before.
    fn filename(&mut self, header: &Header, is_prepared: bool, texts: &mut Texts) -> Observed<Vec<u8>> {
        let text = texts.remove(kind::TEXT_FILENAME);
        plain_text(if is_prepared { self.prepared.remove(&key(header)) } else { text })
    }

    /// Keeps equal environments once.
    fn intern(&mut self, environment: Strings) -> Arc<[Vec<u8>]> {
        // The same beginning may be that of another environment.
        if environment.cut.is_some() {
            return environment.split().into();
        }
        if let Some(known) = self.environments.get(&environment.bytes) {
            return known.clone();
        }
        let strings: Arc<[Vec<u8>]> = environment.split().into();
        let bytes = environment.bytes;
        if self.environment_bytes + bytes.len() > MAX_ENVIRONMENT_BYTES {
            self.environments.clear();
            self.environment_bytes = 0;
        }
        self.environment_bytes += bytes.len();
        self.environments.insert(bytes, strings.clone());
        strings
    }

    fn totals(&self, record: &SyscallsRecord, counts: SyscallCounts<'_>) -> Vec<(Syscall, u64)> {
        let (abi, table) = if record.flags & flags::SYSCALLS_COMPAT == 0 {
            (Abi::Native, &self.native)
        } else {
            (Abi::Compat, &self.compat)
        };
        counts
            .filter_map(|entry| {
                table.number_of_slot(entry.slot).map(|number| (Syscall { abi, number }, entry.count))
            })
            .collect()
    }
}

fn key(header: &Header) -> ProcessKey {
    ProcessKey { start: header.start, tgid: header.tgid }
}

fn event(header: &Header, kind: EventKind) -> Event {
    Event { at: header.at, process: key(header), tid: header.tid, kind }
}

/// A call by its ABI and number, as the kernel side numbers them.
pub(super) fn syscall(abi: u32, number: u32) -> Syscall {
    let abi = match abi {
        ABI_NATIVE => Abi::Native,
        ABI_RING => Abi::Ring,
        _ => Abi::Compat,
    };
    Syscall { abi, number }
}

fn name(comm: &[u8; 16]) -> Vec<u8> {
    comm.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

fn credentials(record: &abi::Credentials) -> Credentials {
    Credentials {
        uid: record.uid,
        euid: record.euid,
        suid: record.suid,
        fsuid: record.fsuid,
        gid: record.gid,
        egid: record.egid,
        sgid: record.sgid,
        fsgid: record.fsgid,
        effective: record.effective,
        permitted: record.permitted,
        inheritable: record.inheritable,
        bounding: record.bounding,
        ambient: record.ambient,
        securebits: record.securebits,
        namespaces: Namespaces {
            user: record.user_ns,
            mnt: record.mnt_ns,
            pid_for_children: record.pid_ns_for_children,
            net: record.net_ns,
            uts: record.uts_ns,
            ipc: record.ipc_ns,
            cgroup: record.cgroup_ns,
        },
    }
}

/// `I_CTIME_QUERIED` of `linux/fs.h` (Linux 6.13): a flag in the nanoseconds of the change time.
const CTIME_FLAG: u32 = 1 << 31;

/// Major and minor of the kernel's own encoding of a device, `MKDEV` of `linux/kdev_t.h`.
pub(super) fn device(encoded: u32) -> (u32, u32) {
    (encoded >> 20, encoded & 0xf_ffff)
}

fn file_facts(record: &abi::FileFacts) -> Option<FileFacts> {
    (record.flags & flags::FILE_PRESENT != 0).then_some(FileFacts {
        device: device(record.device),
        inode: record.inode,
        size: record.size,
        mtime: (record.mtime_s, record.mtime_ns),
        ctime: (record.ctime_s, record.ctime_ns & !CTIME_FLAG),
        mode: record.mode,
        links: record.links,
        unlinked: record.flags & flags::FILE_UNLINKED != 0,
        unreachable: record.flags & flags::FILE_UNREACHABLE != 0,
    })
}

fn fork(record: &ForkRecord) -> Fork {
    Fork {
        child: ProcessKey { start: record.child_start, tgid: record.child_tgid },
        parent: ProcessKey { start: record.parent_start, tgid: record.parent_tgid },
        namespace_pid: record.child_ns_pid,
        pid_namespace: record.child_pid_ns,
        clone_flags: record.clone_flags,
        credentials: credentials(&record.credentials),
        comm: name(&record.comm),
    }
}

fn root_began(record: &CredentialsRecord) -> RootBegan {
    RootBegan {
        at: record.header.at,
        namespace_pid: record.argument as u32,
        pid_namespace: (record.argument >> 32) as u32,
        credentials: credentials(&record.credentials),
    }
}

/// Whether the file that an exec was found to interpret is the one that the caller named. One that the kernel has left to the
/// interpreter may be the interpreter of a script: it is not if the interpreter was given the caller's own name for it.
fn is_named(record: &ExecRecord, filename: &Observed<Vec<u8>>, argv: Option<&Text>) -> bool {
    let given = argv.and_then(|argv| argv.bytes.split(|byte| *byte == 0).nth(1));
    record.flags & flags::EXEC_KEPT == 0 || given == filename.value().map(Vec::as_slice)
}

fn credential_call(record: &CredentialsRecord) -> CredentialCall {
    CredentialCall { call: syscall(record.abi, record.call), credentials: credentials(&record.credentials) }
}

fn exit(record: &ExitRecord, page_bytes: u64) -> Exit {
    let signal = (record.status & 0x7f) as u8;
    let (user_ns, system_ns) = scaled(record.user_ns, record.system_ns, record.runtime_ns);
    Exit {
        code: (signal == 0).then_some((record.status >> 8) as u8),
        signal: (signal != 0).then_some(signal),
        core_dumped: record.status & 0x80 != 0,
        user_ns,
        system_ns,
        max_rss_bytes: record.max_rss_pages.saturating_mul(page_bytes),
        threads_started: record.threads_started,
        comm: name(&record.comm),
    }
}

/// Splits the precise total as the ticks fell, as `cputime_adjust` of the kernel does for `getrusage`.
fn scaled(user: u64, system: u64, total: u64) -> (u64, u64) {
    let ticks = u128::from(user) + u128::from(system);
    if ticks == 0 {
        return (total, 0);
    }
    let system = (u128::from(total) * u128::from(system) / ticks) as u64;
    (total - system, system)
}

#[cfg(test)]
mod tests;
