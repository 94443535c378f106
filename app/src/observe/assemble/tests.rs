#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use glasshouse_common::Counters;
use proptest::prelude::*;
use zerocopy::IntoBytes;

use super::*;
use crate::event::{
    Observed, PathSource, Unreadable,
    marks::{Cut, CutBy, put_cut},
};

const WHO: Header = Header { at: 50, start: 7, tgid: 42, tid: 42, kind: 0, size: 0 };

fn assembler() -> Assembler {
    Assembler::new(Table::native(), Table::compat(), 4096)
}

fn text(which: u16, offset: u32, total: u32, bits: u16, bytes: &[u8]) -> Vec<u8> {
    let size = (size_of::<TextRecord>() + bytes.len()) as u32;
    let record = TextRecord {
        header: Header { kind: kind::TEXT, size, ..WHO },
        offset,
        length: bytes.len() as u32,
        total,
        in_root: u32::MAX,
        text: which,
        flags: bits,
        errno: 0,
    };
    [record.as_bytes(), bytes].concat()
}

fn exec_record() -> ExecRecord {
    ExecRecord {
        header: Header { kind: kind::EXEC, size: size_of::<ExecRecord>() as u32, ..WHO },
        argc: 2,
        envc: 1,
        ..ExecRecord::default()
    }
}

fn exec_of(records: &[Vec<u8>]) -> Exec {
    let mut events = Vec::new();
    assembler().events(&records.concat(), &mut events);
    assert_eq!(events.len(), 1);
    match events.remove(0).kind {
        EventKind::Exec(exec) => *exec,
        other => panic!("not an exec: {other:?}"),
    }
}

#[test]
fn an_exec_is_joined_with_its_texts() {
    let exec = exec_of(&[
        text(kind::TEXT_ARGV, 0, 6, 0, b"sh\0-c\0"),
        text(kind::TEXT_ENV, 0, 4, 0, b"A=1\0"),
        text(kind::TEXT_IMAGE_PATH, 0, 9, 0, b"dash\0bin\0usr\0"),
        text(kind::TEXT_CWD, 0, 0, 0, b""),
        text(kind::TEXT_FILENAME, 0, 7, 0, b"/bin/sh"),
        exec_record().as_bytes().to_vec(),
    ]);
    assert_eq!(exec.argv, Observed::Complete(vec![b"sh".to_vec(), b"-c".to_vec()]));
    assert_eq!(exec.environment.value().unwrap().as_ref(), [b"A=1".to_vec()]);
    assert_eq!(exec.image.path.path, Observed::Complete(b"/usr/bin/dash".to_vec()));
    assert_eq!(exec.cwd.path, Observed::Complete(b"/".to_vec()));
    assert_eq!(exec.filename, Observed::Complete(b"/bin/sh".to_vec()));
}

#[test]
fn what_did_not_arrive_is_lost_and_never_empty() {
    let exec = exec_of(&[exec_record().as_bytes().to_vec()]);
    assert_eq!(exec.argv, Observed::Unreadable(Unreadable::Lost));
    assert_eq!(exec.environment, Observed::Unreadable(Unreadable::Lost));
    assert_eq!(exec.image.path.path, Observed::Unreadable(Unreadable::Lost));
    assert_eq!(exec.cwd.path, Observed::Unreadable(Unreadable::Lost));
}

#[test]
fn no_arguments_at_all_are_complete() {
    let mut record = exec_record();
    record.argc = 0;
    let exec = exec_of(&[record.as_bytes().to_vec()]);
    assert_eq!(exec.argv, Observed::Complete(Vec::new()));
}

#[test]
fn empty_arguments_are_arguments() {
    let exec = exec_of(&[text(kind::TEXT_ARGV, 0, 4, 0, b"a\0\0\0"), exec_record().as_bytes().to_vec()]);
    assert_eq!(exec.argv, Observed::Complete(vec![b"a".to_vec(), Vec::new(), Vec::new()]));
    let exec = exec_of(&[text(kind::TEXT_ARGV, 0, 1, 0, b"\0"), exec_record().as_bytes().to_vec()]);
    assert_eq!(exec.argv, Observed::Complete(vec![Vec::new()]));
}

#[test]
fn pieces_are_joined_and_a_missing_one_cuts() {
    let exec = exec_of(&[
        text(kind::TEXT_ARGV, 0, 6, 0, b"sh\0"),
        text(kind::TEXT_ARGV, 3, 6, 0, b"-c\0"),
        exec_record().as_bytes().to_vec(),
    ]);
    assert_eq!(exec.argv, Observed::Complete(vec![b"sh".to_vec(), b"-c".to_vec()]));
    let exec = exec_of(&[
        text(kind::TEXT_ARGV, 0, 9, 0, b"sh\0"),
        text(kind::TEXT_ARGV, 6, 9, 0, b"-x\0"),
        exec_record().as_bytes().to_vec(),
    ]);
    assert_eq!(exec.argv, Observed::Truncated { value: vec![b"sh".to_vec()], length: 2 });
}

/// The last string of a list that was cut is one only as far as it goes, and says so.
#[test]
fn a_string_that_was_cut_is_marked() {
    let marked = |text: &[u8], why, length| {
        let mut text = text.to_vec();
        put_cut(&mut text, Cut { why, length });
        text
    };
    let cut = |total, bits, bytes: &[u8]| {
        let exec =
            exec_of(&[text(kind::TEXT_ARGV, 0, total, bits, bytes), exec_record().as_bytes().to_vec()]);
        let Observed::Truncated { value, length: 2 } = exec.argv else { panic!("{:?}", exec.argv) };
        value
    };
    let unreadable = flags::TEXT_UNREADABLE;
    // The second of two: what is left is its own.
    assert_eq!(cut(9, 0, b"sh\0-c"), [b"sh".to_vec(), marked(b"-c", CutBy::Lost, Some(5))]);
    assert_eq!(cut(9, unreadable, b"sh\0-c"), [b"sh".to_vec(), marked(b"-c", CutBy::Fault, Some(5))]);
    // The first of two: how long the second is, nobody knows.
    assert_eq!(cut(9, 0, b"sh"), [marked(b"sh", CutBy::Lost, None)]);
    assert_eq!(cut(9, 0, b"sh\0"), [b"sh".to_vec()], "a whole one");
    let long = vec![b'x'; ARGV_BYTES as usize];
    assert_eq!(cut(ARGV_BYTES * 2, 0, &long), [marked(&long, CutBy::Limit, None)]);
}

#[test]
fn a_text_of_another_exec_is_not_taken() {
    let mut record = exec_record();
    record.header.at += 1;
    let exec = exec_of(&[text(kind::TEXT_ARGV, 0, 3, 0, b"sh\0"), record.as_bytes().to_vec()]);
    assert_eq!(exec.argv, Observed::Unreadable(Unreadable::Lost));
}

#[test]
fn the_view_from_within_a_root_is_the_leaf_end_of_the_path() {
    let mut piece = text(kind::TEXT_CWD, 0, 12, 0, b"home\0jail\0srv\0");
    let in_root = 5u32;
    let at = std::mem::offset_of!(TextRecord, in_root);
    piece[at..at + 4].copy_from_slice(&in_root.to_ne_bytes());
    let exec = exec_of(&[piece, exec_record().as_bytes().to_vec()]);
    assert_eq!(exec.cwd.path, Observed::Complete(b"/srv/jail/home".to_vec()));
    assert_eq!(exec.cwd.in_root, Some(b"/home".to_vec()));
}

#[test]
fn a_script_without_its_file_is_named_by_argument() {
    let mut record = exec_record();
    record.flags = flags::EXEC_INTERPRETED;
    let exec = exec_of(&[
        text(kind::TEXT_CWD, 0, 4, 0, b"tmp\0"),
        text(kind::TEXT_FILENAME, 0, 6, 0, b"./a.sh"),
        record.as_bytes().to_vec(),
    ]);
    let script = exec.script.unwrap();
    assert_eq!(script.path.path, Observed::Complete(b"/tmp/a.sh".to_vec()));
    assert_eq!(script.path.source, PathSource::Argument);
    assert_eq!(script.facts, None);
}

#[test]
fn the_flag_in_the_change_time_is_not_part_of_it() {
    let record = abi::FileFacts {
        flags: flags::FILE_PRESENT,
        ctime_ns: 5 | CTIME_FLAG,
        device: 254 << 20 | 3,
        ..abi::FileFacts::default()
    };
    let facts = file_facts(&record).unwrap();
    assert_eq!(facts.ctime, (0, 5));
    assert_eq!(facts.device, (254, 3));
}

#[test]
fn wait_statuses_are_taken_apart() {
    let of = |status| exit(&ExitRecord { status, ..ExitRecord::default() }, 4096);
    assert_eq!((of(42 << 8).code, of(42 << 8).signal), (Some(42), None));
    assert_eq!((of(9).code, of(9).signal, of(9).core_dumped), (None, Some(9), false));
    assert_eq!((of(0x86).signal, of(0x86).core_dumped), (Some(6), true));
}

#[test]
fn cpu_time_is_split_as_the_ticks_fell() {
    assert_eq!(scaled(0, 0, 700), (700, 0));
    assert_eq!(scaled(3, 1, 800), (600, 200));
    assert_eq!(scaled(0, 5, 800), (0, 800));
    assert_eq!(scaled(u64::MAX, u64::MAX, u64::MAX).0.abs_diff(u64::MAX / 2), 1);
}

#[test]
fn counts_are_named_by_their_slot() {
    let native = Table::native();
    let slot = native.slot_of("openat").unwrap();
    let counts = [
        glasshouse_common::SyscallCount { count: 3, slot, reserved: 0 },
        glasshouse_common::SyscallCount { count: 1, slot: u32::MAX, reserved: 0 },
    ];
    let size = size_of::<SyscallsRecord>() + size_of_val(&counts);
    let record = SyscallsRecord {
        header: Header { kind: kind::SYSCALLS, size: size as u32, ..WHO },
        count: 2,
        flags: 0,
    };
    let mut events = Vec::new();
    assembler().events(&[record.as_bytes(), counts.as_bytes()].concat(), &mut events);
    let openat = Syscall { abi: Abi::Native, number: native.number("openat").unwrap() };
    assert_eq!(events[0].kind, EventKind::SyscallTotals(vec![(openat, 3)]));
}

#[test]
fn texts_without_a_record_are_bounded() {
    let mut assembler = assembler();
    let mut events = Vec::new();
    for tgid in 0..3 * MAX_PENDING as u32 {
        let mut piece = text(kind::TEXT_ARGV, 0, 3, 0, b"sh\0");
        piece[16..20].copy_from_slice(&tgid.to_ne_bytes());
        piece[..8].copy_from_slice(&u64::from(tgid).to_ne_bytes());
        assembler.events(&piece, &mut events);
    }
    assert!(events.is_empty());
    assert!(assembler.pending.len() <= MAX_PENDING);
}

#[test]
fn equal_environments_are_kept_once() {
    let mut assembler = assembler();
    let mut events = Vec::new();
    let piece = text(kind::TEXT_ENV, 0, 4, 0, b"A=1\0");
    let run = [piece.as_slice(), exec_record().as_bytes()].concat();
    assembler.events(&[run.as_slice(), &run].concat(), &mut events);
    let environments: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Exec(exec) => exec.environment.value(),
            _ => None,
        })
        .collect();
    assert!(Arc::ptr_eq(environments[0], environments[1]));
}

/// It is no event: what it tells of is still to be fetched.
#[test]
fn what_processes_leave_is_noted() {
    let size = size_of::<abi::LeftRecord>() as u32;
    let record = abi::LeftRecord { header: Header { kind: kind::LEFT, size, ..WHO }, first: 9 };
    let mut assembler = assembler();
    let mut events = Vec::new();
    assembler.events(record.as_bytes(), &mut events);
    assert!(events.is_empty());
    let process = ProcessKey { start: WHO.start, tgid: WHO.tgid };
    assert_eq!(assembler.take_left(), [Left { process, at: WHO.at, first: 9 }]);
    assert!(assembler.take_left().is_empty());
}

/// The counters are the one structure that user space adds up by index.
#[test]
fn every_family_has_its_counters() {
    let counters = Counters::default();
    assert_eq!(counters.emitted.len(), glasshouse_common::FAMILIES);
    assert_eq!(counters.dropped.len(), glasshouse_common::FAMILIES);
}

proptest! {
    #[test]
    fn damaged_records_never_panic(flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..24)) {
        let mut bytes = [
            text(kind::TEXT_ARGV, 0, 6, 0, b"sh\0-c\0"),
            text(kind::TEXT_CWD, 0, 4, 0, b"tmp\0"),
            exec_record().as_bytes().to_vec(),
        ]
        .concat();
        for (index, value) in flips {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        assembler().events(&bytes, &mut Vec::new());
    }
}

fn failed_of(records: &[Vec<u8>]) -> Observed<Vec<u8>> {
    let mut events = Vec::new();
    assembler().events(&records.concat(), &mut events);
    match events.remove(0).kind {
        EventKind::FileFailed(failed) => failed.path.path,
        other => panic!("not a failed attempt: {other:?}"),
    }
}

fn failed_record(operation: u32, call: u32, bits: u32, argument: &[u8]) -> Vec<u8> {
    let size = (size_of::<abi::FileFailedRecord>() + argument.len()) as u32;
    let record = abi::FileFailedRecord {
        header: Header { kind: kind::FILE_FAILED, size, ..WHO },
        access: 9,
        operation,
        call,
        errno: 2,
        flags: bits,
        length: argument.len() as u32,
        ..abi::FileFailedRecord::default()
    };
    [record.as_bytes(), argument].concat()
}

#[test]
fn a_failed_attempt_brings_its_path_or_was_sent_it() {
    let record = |bits: u32, argument: &[u8]| {
        failed_record(abi::operation::OPEN, 0, flags::CHANGE_ARGUMENT | bits, argument)
    };
    let path_of = failed_of;
    let expected = Observed::Complete(b"/etc/missing".to_vec());
    assert_eq!(path_of(&[record(flags::CHANGE_FOLLOWS, b"/etc/./missing")]), expected);
    let apart = [text(kind::TEXT_ARGUMENT, 0, 12, 0, b"/etc/missing"), record(0, b"")];
    assert_eq!(path_of(&apart), expected);
    assert_eq!(path_of(&[record(0, b"")]), Observed::Unreadable(Unreadable::Lost));
}

#[test]
fn a_failed_attempt_on_what_no_name_leads_to_has_no_path() {
    let resolved = flags::CHANGE_BASE | flags::CHANGE_RESOLVED;
    let on = |bits, components: &[u8]| {
        let base = text(kind::TEXT_BASE, 0, components.len() as u32, bits, components);
        failed_of(&[base, failed_record(abi::operation::TRUNCATE, 0, resolved, b"")])
    };
    assert_eq!(on(0, b"file\0"), Observed::Complete(b"/file".to_vec()));
    assert_eq!(on(flags::PATH_UNLINKED, b"file\0"), Observed::Complete(b"/file".to_vec()));
    for components in [b"\0".as_slice(), b"TCP\0", b"memfd:x\0", b"[eventfd]\0"] {
        let path = on(flags::PATH_UNREACHABLE, components);
        assert_eq!(path, Observed::Unreadable(Unreadable::NotAvailable), "{components:?}");
    }
}

#[test]
fn what_could_not_be_mounted_may_be_a_name() {
    let source = |call: &str, call_flags: u32, source: &[u8]| {
        let call = Table::native().number(call).unwrap();
        let bits = flags::CHANGE_BASE | flags::CHANGE_ARGUMENT | call_flags << flags::CALL_FLAGS;
        failed_of(&[
            text(kind::TEXT_BASE, 0, 5, 0, b"user\0home\0"),
            text(kind::TEXT_ARGUMENT, 0, source.len() as u32, 0, source),
            failed_record(abi::operation::MOUNT, call, bits, b""),
        ])
    };
    let path = |path: &str| Observed::Complete(path.as_bytes().to_vec());
    assert_eq!(source("mount", 0, b"tmpfs"), path("tmpfs"));
    assert_eq!(source("mount", 0, b"./tmpfs"), path("./tmpfs"));
    assert_eq!(source("mount", 0x1000, b"./tmpfs"), path("/home/user/tmpfs"));
    assert_eq!(source("mount", 0x1000, b""), path(""));
    assert_eq!(source("move_mount", 0, b"from"), path("/home/user/from"));
    assert_eq!(source("move_mount", 4, b""), path("/home/user"));
    assert_eq!(source("move_mount", 0, b""), path(""));
}
