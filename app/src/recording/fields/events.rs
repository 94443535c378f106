//! Events: of processes and files.

use serde::{Serializer, ser::SerializeMap};
use serde_json::Value;

use super::{Field, Malformed, Object, Written, objects, refuse, tagged, write_tagged};
use crate::event::{
    Abi, AccessTotals, Called, ChangeDetail, ChangeTarget, CredentialCall, Credentials, Denied, EventKind,
    Exec, ExecFailed, ExecutableHashed, ExecutedFile, Exit, FileChanged, FileFacts, FileFailed, FileSeen,
    FileTotals, Fork, Namespaces, ProcessKey, ResolvedPath, RootBegan, Syscall, Target,
};

/// The kinds of events, each under its name.
macro_rules! kinds {
    ($($name:literal = $variant:ident),* $(,)?) => {
        /// Adds what happened to the members of a line.
        pub(in crate::recording) fn write_kind<M: SerializeMap>(
            map: &mut M,
            kind: &EventKind,
        ) -> Result<(), M::Error> {
            match kind {
                $(EventKind::$variant(event) => map.serialize_entry($name, &Written(event)),)*
                EventKind::Payload(_) => Err(serde::ser::Error::custom("payloads are not recorded")),
            }
        }

        /// What happened, from the members of a line; `None` if it is no event.
        pub(in crate::recording) fn kind_of(object: &mut Object) -> Option<Result<EventKind, Malformed>> {
            $(if let Some(value) = object.remove($name) {
                let event = Field::read(value).map(EventKind::$variant);
                return Some(event.map_err(|malformed| malformed.within($name)));
            })*
            None
        }
    };
}

kinds! {
    "fork" = Fork,
    "exec" = Exec,
    "exec_failed" = ExecFailed,
    "exit" = Exit,
    "credentials" = Credentials,
    "syscalls" = SyscallTotals,
    "denied" = Denied,
    "executable_hashed" = ExecutableHashed,
    "file_seen" = FileSeen,
    "file_totals" = FileTotals,
    "file_changed" = FileChanged,
    "file_failed" = FileFailed,
    "flow" = Flow,
    "socket_used" = SocketUsed,
    "unix_socket" = UnixSocket,
    "socket_failed" = SocketFailed,
    "dns" = Dns,
    "said" = Said,
    "called" = Called,
}

objects! {
    ProcessKey { tgid, start }
    ResolvedPath { path, in_root, source, unlinked, unreachable }
    FileFacts { device, inode, size, mtime, ctime, mode, links, unlinked, unreachable }
    Credentials {
        uid, euid, suid, fsuid, gid, egid, sgid, fsgid, effective, permitted, inheritable, bounding, ambient,
        securebits, namespaces,
    }
    Namespaces { user, mnt, pid_for_children, net, uts, ipc, cgroup }
    Fork { child, parent, namespace_pid, pid_namespace, clone_flags, credentials, comm }
    Exec {
        is_root, parent, namespace_pid, pid_namespace, image, script, filename, argv, argv_bytes, environment,
        environment_bytes, cwd, credentials, credentials_before, call, from_thread, comm,
    }
    ExecutedFile { path, facts }
    ExecFailed { filename, errno, call, dirfd, root }
    RootBegan { at, namespace_pid, pid_namespace, credentials }
    Exit { code, signal, core_dumped, user_ns, system_ns, max_rss_bytes, threads_started, comm }
    CredentialCall { call, credentials }
    Denied { call, errno, count }
    ExecutableHashed { exec_at, role, sha256, size_bytes }
    FileSeen { access, path, asked, origin, facts, file_system, open_flags, totals }
    AccessTotals {
        opens, creates, truncates, reads, writes, directory_reads, executable_maps, writable_maps, failures,
        bytes_read, bytes_written, last_at,
    }
    FileTotals { access, totals }
    FileChanged { operation, target, new_path, text, detail, call, unconfirmed }
    ChangeDetail {
        flags,
        mode,
        uid,
        gid,
        length,
        device,
        named,
        inode_flags,
        extended_flags,
        set,
        cleared,
        propagation,
    }
    FileFailed { access, operation, errno, path, new_path, call, totals }
    Called { access, totals, call, action, number, value, target, text, result }
}

/// The table and the number: `native:59`.
impl Field for Syscall {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let table = match self.abi {
            Abi::Native => "native",
            Abi::Compat => "compat",
            Abi::Ring => "ring",
        };
        serializer.collect_str(&format_args!("{table}:{}", self.number))
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        let wrong = Malformed::new("expected a call, such as native:59");
        let Some((table, number)) = value.as_str().and_then(|text| text.split_once(':')) else {
            return Err(wrong);
        };
        let abi = match table {
            "native" => Abi::Native,
            "compat" => Abi::Compat,
            "ring" => Abi::Ring,
            _ => return Err(wrong),
        };
        number.parse().map(|number| Self { abi, number }).map_err(|_| wrong)
    }
}

impl Field for Target {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Process(pid) => write_tagged(serializer, "process", pid),
            Self::Thread(tid) => write_tagged(serializer, "thread", tid),
            Self::Descriptor(pid) => write_tagged(serializer, "descriptor", pid),
        }
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        match tagged(value)? {
            (tag, value) if tag == "process" => Field::read(value).map(Self::Process),
            (tag, value) if tag == "thread" => Field::read(value).map(Self::Thread),
            (tag, value) if tag == "descriptor" => Field::read(value).map(Self::Descriptor),
            _ => Err(Malformed::new("expected a process, a thread or a descriptor")),
        }
    }
}

impl Field for ChangeTarget {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Access(access) => write_tagged(serializer, "access", access),
            Self::Path(path) => write_tagged(serializer, "path", path),
            Self::None => refuse::<S>("nothing is left out"),
        }
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        if value.is_null() {
            return Ok(Self::None);
        }
        match tagged(value)? {
            (tag, value) if tag == "access" => Field::read(value).map(Self::Access),
            (tag, value) if tag == "path" => Field::read(value).map(Self::Path),
            _ => Err(Malformed::new("expected an access or a path")),
        }
    }

    fn is_absent(&self) -> bool {
        *self == Self::None
    }
}
