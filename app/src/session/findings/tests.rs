use super::*;
use crate::{event::*, session::samples::*};

const ROOT: ProcessKey = ProcessKey { start: 10, tgid: 100 };
const CHILD: ProcessKey = ProcessKey { start: 20, tgid: 101 };
const OTHER: ProcessKey = ProcessKey { start: 21, tgid: 102 };
const OBSERVER_PID: i32 = 90;

/// A shell with two children, and what they do.
fn session(events: impl IntoIterator<Item = Event>) -> Session {
    let mut first = exec("sh", key(1, 1), 1000);
    first.is_root = true;
    let mut session = Session::new();
    session.observed_by(OBSERVER_PID as u32);
    let begin = [
        event(11, ROOT, EventKind::Exec(Box::new(first))),
        event(20, ROOT, fork(CHILD, ROOT, 1000)),
        event(21, ROOT, fork(OTHER, ROOT, 1000)),
    ];
    begin.into_iter().chain(events).for_each(|event| session.apply(&event));
    session
}

/// Rules and severities of what is found.
fn found(events: impl IntoIterator<Item = Event>) -> Vec<(&'static str, Severity)> {
    session(events).findings().list.iter().map(|one| (one.rule.id, one.severity)).collect()
}

#[track_caller]
fn check(kind: EventKind, expected: &[(&'static str, Severity)]) {
    assert_eq!(found([event(30, CHILD, kind.clone())]), expected, "{kind:?}");
}

fn call(action: Action, number: u64, target: i32, result: i64) -> EventKind {
    called(1, action, Some(number), Some(Target::Process(target)), result)
}

fn renamed(name: &str) -> EventKind {
    let mut kind = called(1, Action::Rename, None, None, 0);
    if let EventKind::Called(called) = &mut kind {
        called.text = Some(Observed::Complete(name.as_bytes().to_vec()));
    }
    kind
}

fn opened_for_writing(name: &str) -> EventKind {
    let seen = FileSeen { open_flags: 1, ..file_seen(1, name, 3, AccessTotals::default()) };
    EventKind::FileSeen(Box::new(seen))
}

const EPERM: i64 = -1;
const ATTACH: u64 = 16;
const TERM: u64 = 15;

#[test]
fn signals() {
    check(call(Action::Signal, TERM, OBSERVER_PID, EPERM), &[("observer_attacked", Severity::High)]);
    check(call(Action::Signal, 0, OBSERVER_PID, EPERM), &[("observer_attacked", Severity::Low)]);
    check(call(Action::Signal, TERM, -1, 0), &[("signals_everyone", Severity::Medium)]);
    check(call(Action::Signal, TERM, 1, 0), &[("signals_others", Severity::Medium)]);
    check(call(Action::Signal, TERM, 1, EPERM), &[("signals_others", Severity::Low)]);
    // Those of the run are its own affair, as are groups and questions.
    for (number, target) in [(TERM, 100), (TERM, 101), (TERM, 0), (TERM, -7), (0, 1)] {
        check(call(Action::Signal, number, target, 0), &[]);
    }
}

#[test]
fn control_of_others() {
    check(call(Action::Trace, ATTACH, 1, 0), &[("process_injection", Severity::High)]);
    check(call(Action::Trace, ATTACH, 1, EPERM), &[("process_injection", Severity::Medium)]);
    check(call(Action::Trace, ATTACH, 102, 0), &[("process_injection", Severity::Medium)]);
    check(called(1, Action::Trace, Some(0), Some(Target::Process(0)), 0), &[("tracing", Severity::Low)]);
    let of_root = event(30, ROOT, called(1, Action::Trace, Some(0), Some(Target::Process(0)), 0));
    assert_eq!(found([of_root]), [("observer_attacked", Severity::Medium)]);
    check(call(Action::WriteMemory, 0, 1, 8), &[("process_injection", Severity::High)]);
    check(call(Action::ReadMemory, 0, 1, 8), &[("memory_read", Severity::Medium)]);
    // Perhaps a thread of the run.
    check(call(Action::Trace, ATTACH, 200, 0), &[("process_injection", Severity::Medium)]);
    check(call(Action::WriteMemory, 0, 200, 8), &[("process_injection", Severity::Medium)]);
    check(call(Action::ReadMemory, 0, 200, 8), &[("memory_read", Severity::Low)]);
    check(opened_for_writing("/proc/1/mem"), &[("process_injection", Severity::High)]);
    check(opened_for_writing("/proc/101/mem"), &[]);
    check(opened_for_writing("/proc/90/mem"), &[("observer_attacked", Severity::High)]);
    // A debugger and what it has started.
    let attach = call(Action::Trace, ATTACH, 101, 0);
    assert_eq!(found([event(30, ROOT, attach)]), [("process_injection", Severity::Low)]);
}

#[test]
fn calls_that_are_answered() {
    check(called(1, Action::Filter, Some(1), None, 0), &[("answered_calls", Severity::Info)]);
    check(called(1, Action::Filter, Some(1), None, EPERM), &[]);
    check(called(1, Action::Filter, Some(2), None, 0), &[]);
    check(called(1, Action::SetOption, Some(22), None, 0), &[]);
    let set = [("tracing", Severity::Low), ("answered_calls", Severity::Info)];
    check(called(1, Action::Trace, Some(31), Some(Target::Process(101)), 0), &set);
}

#[test]
fn the_kernel() {
    check(called(1, Action::LoadModule, None, None, EPERM), &[("kernel_module", Severity::Medium)]);
    check(called(1, Action::RemoveModule, None, None, 0), &[("kernel_module", Severity::High)]);
    check(called(1, Action::LoadKernel, None, None, EPERM), &[("kernel_replaced", Severity::Medium)]);
    check(called(1, Action::KernelProgram, Some(5), None, 3), &[("kernel_program", Severity::High)]);
    check(called(1, Action::KernelProgram, Some(0), None, EPERM), &[("kernel_program", Severity::Low)]);
    check(called(1, Action::Reboot, Some(0), None, EPERM), &[("reboot", Severity::Medium)]);
    check(called(1, Action::UsePorts, None, None, EPERM), &[("hardware_ports", Severity::Medium)]);
    check(called(1, Action::SetClock, None, None, 0), &[("clock_set", Severity::Medium)]);
    check(called(1, Action::MakeRing, None, None, 3), &[("io_uring", Severity::Info)]);
    check(opened_for_writing("/proc/sys/kernel/core_pattern"), &[("kernel_helper", Severity::High)]);
    check(seen(1, "/proc/sys/kernel/core_pattern", 3, read(10)), &[]);
    let refused = file_failed(1, FileOperation::Open, "/proc/sys/kernel/core_pattern", 13, 1);
    check(refused, &[("kernel_helper", Severity::Medium)]);
}

#[test]
fn names() {
    check(renamed("[kworker/0:1]"), &[("kernel_thread_name", Severity::High)]);
    check(renamed("worker"), &[]);
    let mut posing = exec("x", ROOT, 1000);
    posing.argv = Observed::Complete(strings(&["[kworker/0:1]", "-x"]));
    check(EventKind::Exec(Box::new(posing)), &[("kernel_thread_name", Severity::High)]);
    check(called(1, Action::SetOption, Some(35), None, 0), &[("arguments_moved", Severity::Medium)]);
    let mut closed = called(1, Action::SetOption, Some(4), None, 0);
    check(closed.clone(), &[]);
    if let EventKind::Called(called) = &mut closed {
        called.value = Some(0);
    }
    check(closed, &[("not_dumpable", Severity::Low)]);
}

#[test]
fn work_for_others() {
    check(opened_for_writing("/etc/cron.d/job"), &[("scheduled_job", Severity::Medium)]);
    check(
        change(FileOperation::Rename, "/etc/systemd/system/x.service"),
        &[("service_unit", Severity::Medium)],
    );
    check(opened_for_writing("/etc/ld.so.preload"), &[("loader_preload", Severity::High)]);
    check(opened_for_writing("/sys/fs/cgroup/cgroup.procs"), &[("control_group", Severity::High)]);
    let talk = |name: &[u8]| unix(unix_socket(1, SocketOperation::Connect, Some(name)));
    check(talk(b"/var/run/docker.sock"), &[("container_daemon", Severity::High)]);
    check(talk(b"/run/user/1000/bus"), &[("message_bus", Severity::Low)]);
    let refused = |errno| {
        let name = SocketAddress::Unix(Observed::Complete(b"/run/docker.sock".to_vec()));
        socket_failed(1, name, errno, 2)
    };
    check(refused(13), &[("container_daemon", Severity::Medium)]);
    check(refused(2), &[("container_daemon", Severity::Low)]);
}

#[test]
fn what_is_executed() {
    let mut fileless = exec("x", ROOT, 1000);
    fileless.image.path.unreachable = true;
    check(EventKind::Exec(Box::new(fileless.clone())), &[("fileless_execution", Severity::High)]);
    (fileless.image.path.unreachable, fileless.image.path.unlinked) = (false, true);
    check(EventKind::Exec(Box::new(fileless)), &[("fileless_execution", Severity::Medium)]);
    let run = EventKind::Exec(Box::new(exec("x", ROOT, 1000)));
    let events = [event(30, CHILD, run), event(31, CHILD, change(FileOperation::Delete, "/bin/x"))];
    assert_eq!(found(events.clone()), [("deletes_itself", Severity::Medium)]);
    let elsewhere = events.map(|one| Event { process: if one.at == 31 { OTHER } else { CHILD }, ..one });
    assert_eq!(found(elsewhere), []);
}

#[test]
fn where_a_process_lives() {
    let mut other = credentials(1000);
    other.namespaces = Namespaces { user: 5, mnt: 6, ..Namespaces::default() };
    let state = |mnt| {
        let mut credentials = other;
        credentials.namespaces.mnt = mnt;
        EventKind::Credentials(CredentialCall { call: SETUID, credentials })
    };
    assert_eq!(found([event(30, CHILD, state(6))]), [], "what was not known before is not new");
    let events = [event(30, CHILD, state(6)), event(31, CHILD, state(7))];
    assert_eq!(found(events), [("new_namespaces", Severity::Low)]);
    check(change(FileOperation::ChangeRoot, "/srv"), &[("root_changed", Severity::Low)]);
    let mut mount = changed(FileOperation::Mount, ChangeTarget::None);
    mount.new_path = Some(argument("/mnt"));
    check(EventKind::FileChanged(Box::new(mount.clone())), &[("mounted", Severity::Low)]);
    // One mount is one, whatever it has for a source, and a change of propagation is none.
    mount.target = ChangeTarget::Path(argument("/etc/cron.d"));
    let mounts = session([event(30, CHILD, EventKind::FileChanged(Box::new(mount.clone())))]).findings().list;
    assert_eq!(mounts.len(), 1, "{mounts:?}");
    let mount_point = Evidence { fact: Fact::Path(Arc::from(b"/mnt".as_slice())), errno: None };
    assert_eq!(
        (mounts[0].rule.id, mounts[0].count, &*mounts[0].evidence),
        ("mounted", 1, &[mount_point][..])
    );
    let (private, remount, bind) = (1 << 18 | 1 << 14, 1 << 5, 1 << 12);
    for (flags, expected) in [(private, 0), (remount, 1), (bind, 1), (bind | private, 1)] {
        mount.detail.flags = Some(flags);
        let kind = EventKind::FileChanged(Box::new(mount.clone()));
        assert_eq!(found([event(30, CHILD, kind)]).len(), expected, "{flags:#x}");
    }
    let mut left = session([event(40, ROOT, exit(0)), event(41, OTHER, exit(0))]);
    left.observation_ended(&[CHILD]);
    let findings = left.findings();
    assert_eq!(findings.list.len(), 1);
    assert_eq!((findings.list[0].rule.id, findings.list[0].process), ("left_running", CHILD));
}

#[test]
fn hits_of_one_process_are_one_finding_and_evidence_is_capped() {
    let many = (0..MAX_EVIDENCE as u64 + 5).map(|at| {
        let kind = FileSeen { open_flags: 1, ..file_seen(at, &format!("/etc/cron.d/{at}"), at, wrote(1)) };
        event(50 - at, CHILD, EventKind::FileSeen(Box::new(kind)))
    });
    let findings = session(many).findings();
    assert_eq!(findings.list.len(), 1);
    let finding = &findings.list[0];
    assert_eq!((finding.count, finding.evidence.len()), (21, MAX_EVIDENCE));
    assert_eq!(finding.first_at, 50 - 20);
    assert!(finding.succeeded);
}

#[test]
fn calls_that_are_only_counted() {
    let [native, compat] = processes::OPEN_BY_HANDLE_AT;
    let name = "open_by_handle_at";
    assert_eq!(crate::syscalls::name(native), name);
    assert_eq!(crate::syscalls::name(compat), format!("{}{name}", crate::syscalls::COMPAT_PREFIX));
    let counts = |refused| {
        let end = [event(40, CHILD, totals(&[(native.number, 3), (0, 9)])), event(50, CHILD, exit(0))];
        let denied = (refused > 0).then(|| event(30, CHILD, denied(native.number, 1, refused)));
        let findings = session(denied.into_iter().chain(end)).findings();
        findings.list.iter().map(|one| (one.rule.id, one.severity, one.count)).collect::<Vec<_>>()
    };
    let (done, refused) = (Severity::Medium, Severity::Low);
    assert_eq!(counts(0), [("opened_by_handle", done, 3)]);
    assert_eq!(counts(1), [("opened_by_handle", done, 2), ("opened_by_handle", refused, 1)]);
    assert_eq!(counts(3), [("opened_by_handle", refused, 3)]);
    let kind = EventKind::SyscallTotals(vec![(compat, 1)]);
    check(kind, &[("opened_by_handle", done), ("calls_of_32_bit", Severity::Info)]);
}

#[test]
fn findings_are_capped_and_worst_come_first() {
    let events = (0..MAX_FINDINGS as u64 + 3).flat_map(|at| {
        let process = key(1_000 + at, 1_000 + at as u32);
        let port = called(at, Action::UsePorts, None, None, 0);
        [event(1_000 + at, ROOT, fork(process, ROOT, 0)), event(5_000 - at, process, port)]
    });
    let kill = called(9_999, Action::Signal, Some(9), Some(Target::Process(OBSERVER_PID)), EPERM);
    let findings = session(events.chain([event(9_000, CHILD, kill)])).findings();
    assert_eq!(findings.tally, Tally { seen: MAX_FINDINGS as u64 + 4, kept: MAX_FINDINGS as u64 });
    assert_eq!(findings.list[0].rule.id, "observer_attacked");
    assert!(findings.list[1..].is_sorted_by_key(|one| one.first_at));
}

/// Each rule has a name, says what it is about, and is tried above.
#[test]
fn rules_are_told_apart_and_tested() {
    let source = include_str!("tests.rs");
    for (index, rule) in RULES.iter().enumerate() {
        assert!(RULES[..index].iter().all(|other| other.id != rule.id), "{}", rule.id);
        assert!(source.contains(&format!("\"{}\"", rule.id)), "no test of {}", rule.id);
        assert!(rule.attack.iter().all(|id| id.starts_with('T')), "{}", rule.id);
    }
}
