//! Made-up events for tests: single ones, and whole runs with the rings kept apart.

mod network;

use std::sync::Arc;

use proptest::{prelude::*, sample::Index};

pub(crate) use self::network::*;
use crate::event::*;

/// Numbers that no table has a name for: what a test expects must not depend on the machine.
pub(crate) const EXECVE: Syscall = Syscall { abi: Abi::Native, number: 60_059 };
pub(crate) const SETUID: Syscall = Syscall { abi: Abi::Native, number: 60_105 };

pub(crate) fn key(start: BootNs, tgid: u32) -> ProcessKey {
    ProcessKey { start, tgid }
}

pub(crate) fn event(at: BootNs, process: ProcessKey, kind: EventKind) -> Event {
    Event { at, process, tid: process.tgid, kind }
}

pub(crate) fn path(path: &str) -> ResolvedPath {
    ResolvedPath {
        path: Observed::Complete(path.as_bytes().to_vec()),
        in_root: None,
        source: PathSource::Kernel,
        unlinked: false,
        unreachable: false,
    }
}

pub(crate) fn file(name: &str, inode: u64) -> ExecutedFile {
    let facts = FileFacts {
        device: (8, 1),
        inode,
        size: 100,
        ctime: (0, 0),
        mtime: (1, 2),
        mode: 0o100755,
        links: 1,
        unlinked: false,
        unreachable: false,
    };
    ExecutedFile { path: path(name), facts: Some(facts) }
}

pub(crate) fn credentials(uid: u32) -> Credentials {
    Credentials { uid, euid: uid, suid: uid, fsuid: uid, ..Credentials::default() }
}

pub(crate) fn strings(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// An exec of `/bin/NAME` as `uid`, with the name as its only argument.
pub(crate) fn exec(name: &str, parent: ProcessKey, uid: u32) -> Exec {
    Exec {
        is_root: false,
        parent,
        namespace_pid: 7,
        pid_namespace: 4_026_531_836,
        image: file(&format!("/bin/{name}"), name.len() as u64),
        script: None,
        filename: Observed::Complete(format!("/bin/{name}").into_bytes()),
        argv: Observed::Complete(strings(&[name])),
        argv_bytes: name.len() as u64 + 1,
        environment: Observed::Complete(Arc::from(strings(&["HOME=/root", "TOKEN=abc"]))),
        environment_bytes: 22,
        cwd: path("/srv"),
        credentials: credentials(uid),
        credentials_before: None,
        call: EXECVE,
        from_thread: None,
        comm: name.as_bytes().to_vec(),
    }
}

pub(crate) fn fork(child: ProcessKey, parent: ProcessKey, uid: u32) -> EventKind {
    EventKind::Fork(Fork {
        child,
        parent,
        namespace_pid: child.tgid,
        pid_namespace: 4_026_531_836,
        clone_flags: 0,
        credentials: credentials(uid),
        comm: b"sh".to_vec(),
    })
}

pub(crate) fn exit(code: u8) -> EventKind {
    EventKind::Exit(Exit {
        code: Some(code),
        signal: None,
        core_dumped: false,
        user_ns: 1_500_000,
        system_ns: 500_000,
        max_rss_bytes: 4096,
        threads_started: 0,
        comm: b"gone".to_vec(),
    })
}

pub(crate) fn credential_call(uid: u32) -> EventKind {
    EventKind::Credentials(CredentialCall { call: SETUID, credentials: credentials(uid) })
}

pub(crate) fn failed(name: &str, errno: i32) -> EventKind {
    EventKind::ExecFailed(ExecFailed {
        filename: Observed::Complete(name.as_bytes().to_vec()),
        errno,
        call: EXECVE,
        dirfd: None,
        root: None,
    })
}

pub(crate) fn totals(counts: &[(u32, u64)]) -> EventKind {
    let call = |number| Syscall { abi: Abi::Native, number };
    EventKind::SyscallTotals(counts.iter().map(|(number, count)| (call(*number), *count)).collect())
}

pub(crate) fn denied(number: u32, errno: i32, count: u64) -> EventKind {
    EventKind::Denied(Denied { call: Syscall { abi: Abi::Native, number }, errno, count })
}

pub(crate) fn hashed(exec_at: BootNs, byte: u8) -> EventKind {
    EventKind::ExecutableHashed(ExecutableHashed {
        exec_at,
        role: ExecutableRole::Image,
        sha256: Ok([byte; 32]),
        size_bytes: Some(u64::from(byte)),
    })
}

/// A call that matters by itself, made once.
pub(crate) fn called(
    access: AccessId,
    action: Action,
    number: Option<u64>,
    target: Option<Target>,
    result: i64,
) -> EventKind {
    let call = Syscall { abi: Abi::Native, number: 60_000 + action as u32 };
    let totals = AccessTotals { failures: 1, ..AccessTotals::default() };
    EventKind::Called(Box::new(Called {
        access,
        totals,
        call,
        action,
        number,
        value: None,
        target,
        text: None,
        result,
    }))
}

/// A use of a regular file, opened under a path that the kernel resolved.
pub(crate) fn file_seen(access: AccessId, name: &str, inode: u64, totals: AccessTotals) -> FileSeen {
    let mut facts = file(name, inode).facts.unwrap_or_else(|| unreachable!());
    facts.mode = 0o100_644;
    FileSeen {
        access,
        path: path(name),
        asked: None,
        origin: FileOrigin::Opened,
        facts,
        file_system: 0xef53,
        open_flags: 0,
        totals,
    }
}

pub(crate) fn seen(access: AccessId, name: &str, inode: u64, totals: AccessTotals) -> EventKind {
    EventKind::FileSeen(Box::new(file_seen(access, name, inode, totals)))
}

pub(crate) fn file_totals(access: AccessId, totals: AccessTotals) -> EventKind {
    EventKind::FileTotals(FileTotals { access, totals })
}

/// Opened once and read.
pub(crate) fn read(bytes: u64) -> AccessTotals {
    AccessTotals { opens: 1, reads: 1, bytes_read: bytes, ..AccessTotals::default() }
}

/// Opened once and written.
pub(crate) fn wrote(bytes: u64) -> AccessTotals {
    AccessTotals { opens: 1, writes: 1, bytes_written: bytes, ..AccessTotals::default() }
}

/// Made by opening it, and written.
pub(crate) fn made(bytes: u64) -> AccessTotals {
    AccessTotals { creates: 1, ..wrote(bytes) }
}

/// A path that a program gave.
pub(crate) fn argument(name: &str) -> ResolvedPath {
    ResolvedPath { source: PathSource::Argument, ..path(name) }
}

pub(crate) const UNLINK: Syscall = Syscall { abi: Abi::Native, number: 60_087 };

pub(crate) fn changed(operation: FileOperation, target: ChangeTarget) -> FileChanged {
    FileChanged {
        operation,
        target,
        new_path: None,
        text: None,
        detail: ChangeDetail::default(),
        unconfirmed: None,
        call: UNLINK,
    }
}

/// A change of what a path leads to.
pub(crate) fn change(operation: FileOperation, name: &str) -> EventKind {
    EventKind::FileChanged(Box::new(changed(operation, ChangeTarget::Path(argument(name)))))
}

/// The making of a file by opening it.
pub(crate) fn create(access: AccessId) -> EventKind {
    let mut created = changed(FileOperation::Create, ChangeTarget::Access(access));
    created.detail.mode = Some(0o644);
    EventKind::FileChanged(Box::new(created))
}

/// A change with two paths.
pub(crate) fn change_to(operation: FileOperation, from: &str, to: &str, flags: u64) -> EventKind {
    let mut moved = changed(operation, ChangeTarget::Path(argument(from)));
    moved.new_path = Some(argument(to));
    moved.detail.flags = Some(flags);
    EventKind::FileChanged(Box::new(moved))
}

/// A symbolic link that was made.
pub(crate) fn symlink(name: &str, target: &str) -> EventKind {
    let mut made = changed(FileOperation::Symlink, ChangeTarget::None);
    made.new_path = Some(argument(name));
    made.text = Some(Observed::Complete(target.as_bytes().to_vec()));
    EventKind::FileChanged(Box::new(made))
}

pub(crate) fn file_failed(
    access: AccessId,
    operation: FileOperation,
    name: &str,
    errno: i32,
    failures: u64,
) -> EventKind {
    EventKind::FileFailed(Box::new(FileFailed {
        access,
        operation,
        errno,
        path: argument(name),
        new_path: None,
        call: UNLINK,
        totals: AccessTotals { failures, ..AccessTotals::default() },
    }))
}

/// A run as its rings deliver it: each list is in order, the lists are in no order among themselves, and those of
/// `anywhere` not even in themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    pub(crate) process_ring: Vec<Event>,
    pub(crate) file_ring: Vec<Event>,
    pub(crate) network_ring: Vec<Event>,
    pub(crate) anywhere: Vec<Event>,
}

impl Run {
    /// One legal order of arrival: each event of `anywhere` goes where its index says, and those of the other rings
    /// go between those of the first.
    pub(crate) fn interleaved(&self, order: &[Index]) -> Vec<Event> {
        let mut events = self.process_ring.clone();
        let mut indices = order.iter().rev();
        for ring in [&self.file_ring, &self.network_ring] {
            let between = indices.by_ref().take(ring.len());
            let mut places: Vec<_> = between.map(|index| index.index(events.len() + 1)).collect();
            places.sort_unstable();
            for (number, (event, place)) in ring.iter().zip(places).enumerate() {
                events.insert(place + number, event.clone());
            }
        }
        for (event, index) in self.anywhere.iter().zip(order) {
            events.insert(index.index(events.len() + 1), event.clone());
        }
        events
    }
}

/// Runs of a few dozen steps.
pub(crate) fn runs() -> impl Strategy<Value = Run> {
    prop::collection::vec((0_u8..22, any::<Index>(), 0_u8..4), 0..60).prop_map(|steps| {
        let root = key(10, 100);
        let outside = key(1, 50);
        let mut root_exec = exec("sh", outside, 0);
        root_exec.is_root = true;
        let mut run = Run::default();
        run.process_ring.push(event(20, root, EventKind::Exec(Box::new(root_exec))));
        let mut alive = vec![(root, outside)];
        let mut at = 20;
        for (step, who, choice) in steps {
            at += 10;
            if alive.is_empty() {
                break;
            }
            let index = who.index(alive.len());
            let (process, parent) = alive[index];
            run.step(at, step, choice, (process, parent));
            match step {
                0..=2 => alive.push((key(at, 100 + at as u32), process)),
                3 => {
                    alive.remove(index);
                }
                _ => {}
            }
        }
        run
    })
}

impl Run {
    fn step(&mut self, at: BootNs, step: u8, choice: u8, (process, parent): (ProcessKey, ProcessKey)) {
        let uid = u32::from(choice % 2);
        let child = key(at, 100 + at as u32);
        if step >= 16 {
            return self.network_step(at, step, choice, process);
        }
        if step >= 10 {
            return self.file_step(at, step, choice, process);
        }
        let (ring, kind) = match step {
            // A fork, a CLONE_PARENT, and a fork whose record is lost.
            0 => (true, fork(child, process, uid)),
            1 => (true, fork(child, parent, uid)),
            2 => return,
            3 => (true, exit(choice)),
            4 => (
                true,
                EventKind::Exec(Box::new(exec(["cc", "as", "ld", "sh"][choice as usize], parent, uid))),
            ),
            5 => (true, failed(["/usr/bin/x", "/bin/x"][uid as usize], 2)),
            6 => (true, credential_call(uid)),
            7 => (false, totals(&[(u32::from(choice), at), (0, at / 2)])),
            8 if choice == 3 => {
                let target = Some(Target::Process(100 + at as i32 / 2));
                (false, called(3_000_000 + at, Action::Signal, Some(0), target, 0))
            }
            8 => (false, denied(u32::from(choice), 13, at)),
            _ => (false, hashed(at - 10, choice)),
        };
        let list = if ring { &mut self.process_ring } else { &mut self.anywhere };
        list.push(event(at, process, kind));
    }

    /// A step with one of a few files, each under one number per time and choice.
    fn file_step(&mut self, at: BootNs, step: u8, choice: u8, process: ProcessKey) {
        // None is 0, as none of the kernel side's is.
        let access = 4 + at / 50 * 4 + u64::from(choice);
        let names = ["/srv/a", "/srv/b", "/srv/d/c", "/srv/d"];
        let name = names[choice as usize];
        let other = names[(choice as usize + (at / 10) as usize) % 4];
        let failing = 1_000_000 + access;
        let (list, kind) = match step {
            10 => (&mut self.file_ring, seen(access, name, u64::from(choice), made(at))),
            11 => (&mut self.anywhere, file_totals(access, AccessTotals { last_at: at, ..wrote(at * 2) })),
            12 => (&mut self.file_ring, create(access)),
            13 => (&mut self.file_ring, change(FileOperation::Delete, name)),
            14 => {
                let flags = at / 10 % 3;
                (&mut self.file_ring, change_to(FileOperation::Rename, name, other, flags))
            }
            _ if choice == 3 => {
                let totals = AccessTotals { failures: at, last_at: at, ..AccessTotals::default() };
                (&mut self.anywhere, file_totals(failing - 1, totals))
            }
            // One of them is told by itself each time.
            _ if choice == 1 => (&mut self.file_ring, file_failed(0, FileOperation::Open, name, 2, 1)),
            _ => (&mut self.file_ring, file_failed(failing, FileOperation::Open, name, 2, at)),
        };
        list.push(event(at, process, kind));
    }
}
