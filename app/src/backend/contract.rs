//! The contract of [`Backend`], as tests that every backend must pass. None of them needs privileges.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::{Backend, ExecutionMetadata, ProcessBackend, Reach};
use crate::launch::{Command, Ended, Identity, LaunchError, Signals};

/// Other tests' children would inherit our pipes between fork and exec, and hold them open.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(crate) fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end<B: Backend>(mut backend: B) -> Result<Ended, LaunchError> {
    backend.prepare()?;
    backend.start(None)?;
    let ended = backend.wait().unwrap();
    assert_eq!(backend.wait().unwrap(), ended, "waiting again says the same");
    backend.cleanup().unwrap();
    Ok(ended)
}

fn is_gone(pid: u32) -> bool {
    kill(Pid::from_raw(pid.cast_signed()), None) == Err(Errno::ESRCH)
}

fn eventually(what: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !what() {
        assert!(Instant::now() < until, "it did not come true in ten seconds");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn exit_codes<B: Backend>(make: impl Fn(&[&str]) -> B) {
    for code in [0, 1, 42, 255] {
        let ended = end(make(&["sh", "-c", &format!("exit {code}")])).unwrap();
        assert_eq!((ended.code, ended.signal), (Some(code), None));
        assert!(ended.resources.max_rss_bytes > 0);
    }
}

fn death_by_signal<B: Backend>(make: impl Fn(&[&str]) -> B) {
    for signal in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGSEGV] {
        let ended = end(make(&["sh", "-c", &format!("kill -{} $$", signal as i32)])).unwrap();
        assert_eq!((ended.code, ended.signal), (None, Some(signal as i32)));
    }
}

fn not_found<B: Backend>(make: impl Fn(&[&str]) -> B) {
    for name in ["no-such-command", "/no/such/file", "./no-such-file", ""] {
        let error = end(make(&[name])).unwrap_err();
        assert!(matches!(error, LaunchError::NotFound(_)), "{name}: {error:?}");
        assert_eq!(error.exit_code(), 127);
    }
}

fn not_executable<B: Backend>(make: impl Fn(&[&str]) -> B) {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, content: &str, mode| {
        let path = folder.path().join(name);
        fs::File::create(&path).unwrap().write_all(content.as_bytes()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let cases: [(PathBuf, &str); 5] = [
        (file("plain", "#!/bin/sh\n", 0o644), "chmod +x"),
        (folder.path().to_owned(), "is a directory"),
        (file("no-line", "exit 0\n", 0o755), "sh "),
        (file("interpreter", "#!/no/such/interpreter -x\n", 0o755), "'/no/such/interpreter' is missing"),
        (file("text", "\u{1}\u{2}", 0o755), "#!"),
    ];
    for (path, hint) in cases {
        let error = end(make(&[path.to_str().unwrap()])).unwrap_err();
        assert_eq!(error.exit_code(), 126, "{error:?}");
        assert!(error.to_string().contains(hint), "{error} should contain {hint}");
        let LaunchError::NotExecutable { path: found, .. } = error else { panic!("{error:?}") };
        assert_eq!(found, path.as_os_str().as_encoded_bytes());
    }
}

fn cleanup_without_start_leaves_no_child<B: Backend>(make: impl Fn(&[&str]) -> B) {
    let marker = TempDir::new().unwrap();
    let file = marker.path().join("it-ran");
    let mut backend = make(&["touch", file.to_str().unwrap()]);
    let pid = backend.prepare().unwrap().pid;
    assert!(!is_gone(pid));
    backend.cleanup().unwrap();
    assert!(is_gone(pid));
    backend.cleanup().unwrap();
    assert!(backend.start(None).is_err(), "there is nothing to start any more");

    let mut backend = make(&["touch", file.to_str().unwrap()]);
    let pid = backend.prepare().unwrap().pid;
    drop(backend);
    assert!(is_gone(pid), "dropping cleans up");
    assert!(!file.exists());
}

fn cleanup_lets_survivors_run<B: Backend>(make: impl Fn(&[&str]) -> B) {
    let mut backend = make(&["sleep", "100"]);
    backend.prepare().unwrap();
    let root = backend.start(None).unwrap();
    backend.cleanup().unwrap();
    backend.cleanup().unwrap();
    assert!(!is_gone(root.pid));
    backend.kill(Signal::SIGKILL.into(), Reach::Root).unwrap();
    assert_eq!(backend.wait().unwrap().signal, Some(Signal::SIGKILL as i32));
}

fn signals_reach_the_root<B: Backend>(make: impl Fn(&[&str]) -> B) {
    for (signal, reach) in [
        (Signal::SIGTERM, Reach::Root),
        (Signal::SIGTERM, Reach::Everything),
        (Signal::SIGKILL, Reach::Everything),
    ] {
        let mut backend = make(&["sleep", "100"]);
        backend.kill(signal.into(), reach).unwrap();
        backend.prepare().unwrap();
        backend.start(None).unwrap();
        assert!(backend.is_populated());
        backend.kill(signal.into(), reach).unwrap();
        eventually(|| !backend.is_populated());
        let ended = backend.wait().unwrap();
        assert_eq!(ended.signal, Some(signal as i32), "{signal} {reach:?}");
        assert!(!backend.is_populated());
        backend.kill(signal.into(), reach).unwrap();
    }
}

fn waiting_without_start_fails<B: Backend>(make: impl Fn(&[&str]) -> B) {
    let mut backend = make(&["true"]);
    assert!(backend.wait().is_err());
    backend.prepare().unwrap();
    assert!(backend.wait().is_err());
}

/// Runs the contract against one backend.
fn contract<B: Backend>(make: impl Fn(&[&str]) -> B + Copy, metadata: &ExecutionMetadata) {
    let _alone = alone();
    exit_codes(make);
    death_by_signal(make);
    not_found(make);
    not_executable(make);
    cleanup_without_start_leaves_no_child(make);
    cleanup_lets_survivors_run(make);
    signals_reach_the_root(make);
    waiting_without_start_fails(make);
    assert_eq!(&make(&["true"]).metadata(), metadata);
}

#[test]
fn the_process_backend_keeps_the_contract() {
    let signals = Signals::take().unwrap();
    let make = |argv: &[&str]| {
        let argv = argv.iter().map(Into::into).collect();
        ProcessBackend::new(Command::new(argv, &[], None, Identity::unchanged()), signals.caller())
    };
    contract(make, &ExecutionMetadata { backend: "process", isolation: "none", gaps: Vec::new() });
}
