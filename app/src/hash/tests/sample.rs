//! A made-up exec, for the tests here and for those of `tests/hash.rs`, which include this file.

use std::{os::unix::ffi::OsStrExt, path::Path, sync::Arc};

use crate::event::{
    Abi, BootNs, Credentials, Event, EventKind, Exec, ExecutableHashed, ExecutedFile, FileFacts, Observed,
    PathSource, ProcessKey, ResolvedPath, Syscall,
};

pub(crate) fn file(path: &Path, facts: Option<FileFacts>) -> ExecutedFile {
    ExecutedFile { path: resolved(path), facts }
}

fn resolved(path: &Path) -> ResolvedPath {
    ResolvedPath {
        path: Observed::Complete(path.as_os_str().as_bytes().to_vec()),
        in_root: None,
        source: PathSource::Kernel,
        unlinked: false,
        unreachable: false,
    }
}

/// An exec by a process that is gone, so that only paths lead to the files.
pub(crate) fn exec(at: BootNs, image: ExecutedFile, script: Option<ExecutedFile>) -> Event {
    let process = ProcessKey { start: 1, tgid: u32::MAX };
    let exec = Exec {
        is_root: false,
        parent: process,
        namespace_pid: u32::MAX,
        pid_namespace: 0,
        filename: image.path.path.clone(),
        image,
        script,
        argv: Observed::Complete(Vec::new()),
        argv_bytes: 0,
        environment: Observed::Complete(Arc::new([])),
        environment_bytes: 0,
        cwd: resolved(Path::new("/")),
        credentials: Credentials::default(),
        credentials_before: None,
        call: Syscall { abi: Abi::Native, number: 59 },
        from_thread: None,
        comm: Vec::new(),
    };
    Event { at, process, tid: process.tgid, kind: EventKind::Exec(Box::new(exec)) }
}

/// The answer that an event is.
pub(crate) fn hashed(event: Event) -> ExecutableHashed {
    match event.kind {
        EventKind::ExecutableHashed(hashed) => hashed,
        other => panic!("not an answer: {other:?}"),
    }
}
