use crate::{
    event::{FileOperation::*, *},
    session::{samples::*, tests::session, *},
};

const ONE: ProcessKey = ProcessKey { start: 10, tgid: 100 };
const TWO: ProcessKey = ProcessKey { start: 20, tgid: 101 };

fn at(at: BootNs, kind: EventKind) -> Event {
    event(at, ONE, kind)
}

fn name(text: &Text) -> String {
    text.value().map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_else(|| "?".into())
}

/// What is left, as `path change inode`.
fn left(events: &[Event]) -> Vec<String> {
    let session = session(events);
    let show = |left: &LeftBehind| {
        let guess = match left.standing {
            Standing::Known => "",
            Standing::Unsure => "~",
            Standing::Guess => "?",
        };
        let change = match (left.change, left.replaces) {
            (LeftChange::Created, false) => "created",
            (LeftChange::Created, true) => "replaces",
            (LeftChange::Modified, _) => "modified",
        };
        let inode = left.identity.map_or("-".into(), |(_, inode)| inode.to_string());
        format!("{}{guess} {change} {inode}", name(&left.path))
    };
    session.left_behind().iter().map(show).collect()
}

fn transient(events: &[Event]) -> Vec<String> {
    let session = session(events);
    session.files().entries.iter().filter(|entry| entry.transient).map(|entry| name(&entry.path)).collect()
}

#[test]
fn processes_that_use_one_file_are_one_entry() {
    let session = session(&[
        event(30, TWO, seen(2, "/etc/a", 7, read(5))),
        event(20, ONE, seen(1, "/etc/a", 7, read(10))),
        event(40, ONE, file_totals(1, AccessTotals { last_at: 35, reads: 3, ..read(30) })),
        event(41, ONE, file_totals(1, read(20))),
        event(50, ONE, seen(3, "/etc/a", 7, wrote(1))),
        event(60, ONE, seen(4, "/etc/a", 8, read(1))),
    ]);
    let files = session.files();
    assert_eq!(files.entries.len(), 2);
    let entry = &files.entries[0];
    assert_eq!((name(&entry.path), entry.identity), ("/etc/a".into(), Some(((8, 1), 7))));
    assert_eq!((entry.first_at, entry.last_at), (20, 50));
    assert_eq!((entry.kind, entry.origin), (Some(FileKind::Regular), Some(FileOrigin::Opened)));
    let uses = files.uses(entry);
    assert_eq!(uses.iter().map(|one| one.process).collect::<Vec<_>>(), [ONE, TWO]);
    assert_eq!(uses[0].operations, [(Open, 2), (Read, 3), (Write, 1)]);
    assert_eq!((uses[0].bytes_read, uses[0].bytes_written, uses[1].bytes_read), (30, 1, 5));
}

#[test]
fn totals_may_come_first_or_alone() {
    let session = session(&[
        at(40, file_totals(1, read(30))),
        at(41, file_totals(2, read(1))),
        at(42, file_totals(3, AccessTotals { failures: 9, last_at: 42, ..AccessTotals::default() })),
        at(20, seen(1, "/etc/a", 7, read(10))),
        at(21, file_failed(3, Stat, "/etc/b", 2, 1)),
    ]);
    assert_eq!(session.unannounced_accesses(), 1);
    let files = session.files();
    assert_eq!(files.uses(&files.entries[0])[0].bytes_read, 30);
    assert!(files.failed().next().is_some_and(|first| (first.count, first.last_at) == (9, 42)));
}

#[test]
fn an_unreadable_path_leaves_device_and_inode_until_it_comes() {
    let mut nameless = file_seen(1, "", 7, read(1));
    nameless.path.path = Observed::Unreadable(Unreadable::Lost);
    let nameless = at(20, EventKind::FileSeen(Box::new(nameless)));
    let named = at(30, seen(1, "/etc/a", 7, read(2)));
    let session = session(std::slice::from_ref(&nameless));
    assert_eq!(name(&session.files().entries[0].path), "?");
    for events in [[nameless.clone(), named.clone()], [named, nameless]] {
        let session = crate::session::tests::session(&events);
        let files = session.files();
        assert_eq!(files.entries.len(), 1);
        assert_eq!((name(&files.entries[0].path), files.entries[0].first_at), ("/etc/a".into(), 20));
    }
}

#[test]
fn counts_beyond_32_bits_are_kept() {
    let many = AccessTotals { reads: 1 << 40, ..read(1) };
    let session = session(&[at(20, seen(1, "/a", 1, read(1))), at(30, file_totals(1, many))]);
    let files = session.files();
    assert_eq!(files.uses(&files.entries[0])[0].operations, [(Open, 1), (Read, 1 << 40)]);
}

/// Where another thread could have exchanged the descriptor, what was opened through a symbolic link is not known for sure
/// to be what was asked for; that the process has opened it is.
#[test]
fn what_is_done_with_a_file_that_another_name_was_asked_for_is_done_with_that() {
    let raced = |access| {
        let mut opened =
            file_seen(access, "/target", 7, AccessTotals { opens: 1, ..AccessTotals::default() });
        (opened.path.source, opened.asked) = (PathSource::Raced, Some(Observed::Complete(b"link".to_vec())));
        EventKind::FileSeen(Box::new(opened))
    };
    let used = |access, origin| {
        let totals = AccessTotals { opens: 0, ..read(5) };
        EventKind::FileSeen(Box::new(FileSeen { origin, ..file_seen(access, "/target", 7, totals) }))
    };
    let entries = |events: &[Event]| {
        let session = session(events);
        let files = session.files();
        let entries = files.entries.iter();
        entries.map(|entry| (entry.source, entry.origin, files.uses(entry).len())).collect::<Vec<_>>()
    };
    let (opened, received) = (Some(FileOrigin::Opened), Some(FileOrigin::Received));
    let use_of_it = used(2, FileOrigin::Received);
    let events = [at(20, raced(1)), at(21, use_of_it.clone())];
    assert_eq!(entries(&events), [(PathSource::Raced, opened, 1)]);
    assert_eq!(entries(&[events[1].clone(), events[0].clone()]), entries(&events));
    let both = [(PathSource::Kernel, received, 1), (PathSource::Raced, opened, 1)];
    assert_eq!(entries(&[at(20, raced(1)), event(21, TWO, use_of_it.clone())]), both);
    assert_eq!(entries(&[at(20, raced(1)), at(19, use_of_it)]), both);
}

#[test]
fn an_executed_file_is_the_same_file() {
    let run = EventKind::Exec(Box::new(exec("cc", TWO, 0)));
    let session = session(&[at(20, run.clone()), at(30, seen(1, "/bin/cc", 2, read(9))), at(40, run)]);
    let files = session.files();
    let [entry] = &files.entries[..] else { panic!("{:?}", files.entries) };
    assert_eq!(files.uses(entry)[0].operations, [(Open, 1), (Read, 1), (Execute, 2)]);
    assert_eq!((entry.first_at, entry.last_at), (20, 40));
}

#[test]
fn changes_and_failures_belong_to_the_one_file_of_their_path() {
    let session = session(&[
        at(20, seen(1, "/a", 1, read(1))),
        at(21, seen(2, "/b", 2, read(1))),
        at(22, seen(3, "/b", 3, read(1))),
        at(30, change(ChangeMode, "/a")),
        at(31, change(ChangeMode, "/b")),
        at(32, change(ChangeMode, "/c")),
        at(33, file_failed(9, Open, "/a", 13, 4)),
        event(34, TWO, file_failed(10, Open, "/a", 13, 1)),
        at(35, file_failed(11, Open, "/c", 2, 1)),
        at(36, change(MakeDirectory, "/d")),
    ]);
    let files = session.files();
    let shown: Vec<_> = files
        .entries
        .iter()
        .map(|entry| {
            let operations: Vec<_> =
                files.uses(entry).iter().flat_map(|one| &one.operations).map(|(one, _)| *one).collect();
            (name(&entry.path), entry.identity.map(|(_, inode)| inode), operations, entry.errors.clone())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("/a".into(), Some(1), vec![Open, Read, ChangeMode], vec![(13, 5)]),
            ("/b".into(), None, vec![ChangeMode], vec![]),
            ("/b".into(), Some(2), vec![Open, Read], vec![]),
            ("/b".into(), Some(3), vec![Open, Read], vec![]),
            ("/c".into(), None, vec![ChangeMode], vec![(2, 1)]),
            ("/d".into(), None, vec![MakeDirectory], vec![]),
        ]
    );
    assert_eq!(files.entries[5].kind, Some(FileKind::Directory));
    assert_eq!(files.failed_count(), 3);
}

#[test]
fn a_change_names_its_file_whenever_that_is_known() {
    let session = session(&[at(30, create(1)), at(31, seen(1, "/new", 1, made(3))), at(20, create(2))]);
    let files = session.files();
    let paths: Vec<_> = files.changes().map(|change| change.path.map(|(path, _)| name(&path))).collect();
    assert_eq!(paths, [Some("?".into()), Some("/new".into())]);
    assert_eq!(files.uses(&files.entries[0])[0].operations, [(Open, 1), (Create, 1), (Write, 1)]);
}

#[test]
fn what_is_made_or_written_is_left() {
    let events = [
        at(20, create(1)),
        at(20, seen(1, "/new", 1, made(3))),
        at(30, seen(2, "/old", 2, wrote(3))),
        at(40, seen(3, "/read", 3, read(3))),
        at(50, symlink("/link", "/new")),
        at(60, change(MakeNode, "/node")),
        at(70, change(Truncate, "/cut")),
    ];
    let expected =
        ["/cut modified -", "/link created -", "/new created 1", "/node created -", "/old modified 2"];
    assert_eq!(left(&events), expected);
}

#[test]
fn what_has_no_content_of_its_own_is_not() {
    let of = |access, name: &str, mode, file_system, unreachable| {
        let mut seen = file_seen(access, name, access, wrote(1));
        (seen.facts.mode, seen.file_system, seen.facts.unreachable) = (mode, file_system, unreachable);
        at(20, EventKind::FileSeen(Box::new(seen)))
    };
    let events = [
        of(1, "/dev/null", 0o020_666, 0x0102_1994, false),
        of(2, "", 0o010_600, 0x5049_5045, false),
        of(3, "TCP", 0o140_777, 0x534f_434b, false),
        of(4, "/proc/self/comm", 0o100_644, 0x9fa0, false),
        of(5, "/memfd:x", 0o100_777, 0x0102_1994, true),
        of(6, "/sys/fs/cgroup/x", 0o100_644, 0x6367_7270, false),
    ];
    assert_eq!(left(&events), [""; 0]);
    let session = session(&events);
    let names: Vec<_> = session.files().entries.iter().map(|entry| name(&entry.path)).collect();
    assert_eq!(
        names,
        ["/dev/null", "/memfd:x", "/proc/self/comm", "/sys/fs/cgroup/x", "pipe:[2]", "socket:[3]"]
    );
}

#[test]
fn names_are_followed() {
    let check = |what: &[EventKind], expected: &[&str]| {
        let mut events =
            vec![at(20, create(1)), at(20, seen(1, "/d/a", 1, made(3))), at(21, seen(2, "/b", 2, wrote(1)))];
        events.extend((30..).zip(what).map(|(time, kind)| at(time, kind.clone())));
        assert_eq!(left(&events), expected, "{what:?}");
    };
    let rename = |from, to| change_to(Rename, from, to, 0);
    check(&[], &["/b modified 2", "/d/a created 1"]);
    check(&[rename("/d/a", "/c")], &["/b modified 2", "/c created 1"]);
    check(&[rename("/d/a", "/b")], &["/b replaces 1"]);
    check(&[rename("/d", "/e"), rename("/e", "/x/y")], &["/b modified 2", "/x/y/a created 1"]);
    check(&[change_to(Rename, "/d/a", "/b", 2)], &["/b replaces 1", "/d/a modified 2"]);
    check(&[change_to(Rename, "/d", "/b", 2)], &["/b/a created 1", "/d modified 2"]);
    check(&[change(Delete, "/d/a"), change(RemoveDirectory, "/d")], &["/b modified 2"]);
    check(&[change_to(Link, "/d/a", "/h", 0)], &["/b modified 2", "/d/a created 1", "/h created 1"]);
    check(&[change_to(Link, "/d/a", "/h", 0), change(Delete, "/d/a")], &["/b modified 2", "/h created 1"]);
    // Two names of one file: the kernel renames nothing.
    check(
        &[change_to(Link, "/d/a", "/h", 0), rename("/d/a", "/h"), change(Delete, "/h")],
        &["/b modified 2", "/d/a created 1"],
    );
    // What no kernel does.
    check(&[rename("/d", "/d/a/x")], &["/b modified 2", "/d/a created 1"]);
    check(&[rename("/d/a", "/d")], &["/b modified 2", "/d/a created 1"]);
    check(&[rename("/other", "/fresh")], &["/b modified 2", "/d/a created 1"]);
    check(&[change_to(Link, "/etc/hosts", "/h", 0)], &["/b modified 2", "/d/a created 1"]);
}

/// Its first use may be told with a time before that of its making.
#[test]
fn what_is_made_with_the_number_of_another_file_is_the_only_one() {
    let read_before = event(20, TWO, seen(1, "/a", 7, read(3)));
    let made = [at(30, seen(2, "/a", 7, made(3))), at(31, create(2))];
    assert_eq!(left(&[std::slice::from_ref(&read_before), &made[..]].concat()), ["/a created 7"]);
    let removed = event(25, TWO, change(Delete, "/l/a"));
    assert_eq!(left(&[&[read_before, removed], &made[..]].concat()), ["/a created 7"]);
}

#[test]
fn what_is_made_in_the_place_of_another_file_says_so() {
    let check = |before: &[EventKind], expected: &str| {
        let mut events: Vec<_> = (20..).zip(before).map(|(time, kind)| at(time, kind.clone())).collect();
        events.extend([at(40, create(9)), at(40, seen(9, "/a", 9, made(3)))]);
        let left = left(&events);
        assert!(left.contains(&format!("/a {expected} 9")), "{left:?} after {before:?}");
    };
    let rename = |from, to| change_to(Rename, from, to, 0);
    let link = |from, to| change_to(Link, from, to, 0);
    check(&[], "created");
    check(&[change(Delete, "/a")], "replaces");
    check(&[seen(1, "/a", 1, read(3)), change(Delete, "/a")], "replaces");
    check(&[seen(1, "/a", 1, read(3))], "replaces");
    check(&[seen(1, "/a", 1, read(3)), rename("/a", "/b")], "replaces");
    check(&[seen(1, "/a", 1, read(3)), rename("/b", "/a"), change(Delete, "/a")], "replaces");
    // It may have been a directory.
    check(&[rename("/a", "/b")], "created");
    // What the run has put there itself was not there before.
    check(&[create(1), seen(1, "/a", 1, made(3)), change(Delete, "/a")], "created");
    check(&[rename("/b", "/a"), change(Delete, "/a")], "created");
    check(&[link("/b", "/a"), change(Delete, "/a")], "created");
    check(&[seen(1, "/b", 1, read(3)), rename("/b", "/a"), rename("/a", "/c")], "created");
    check(&[change(RemoveDirectory, "/a")], "created");
    // Nor may that have been which has that name under another path.
    check(&[rename("/l/b", "/l/a"), change(Delete, "/a")], "created");
    check(&[rename("/l/b", "/l/a"), seen(1, "/a", 1, read(3))], "created");
    check(&[link("/l/b", "/l/a"), change(Delete, "/a")], "created");
    check(&[change(MakeNode, "/l/a"), change(Delete, "/a")], "created");
    check(&[change_to(Rename, "/l/b", "/a", 2), change(Delete, "/b")], "created");
    let mount = change_to(Mount, "/s", "/m", 0);
    check(&[mount, seen(1, "/a", 1, read(3)), change(Delete, "/a")], "created");
}

#[test]
fn a_used_inode_number_is_another_file() {
    let events = [
        at(20, create(1)),
        at(20, seen(1, "/a", 1, made(3))),
        at(30, change(Delete, "/a")),
        at(40, create(2)),
        at(40, seen(2, "/b", 1, made(3))),
    ];
    assert_eq!(left(&events), ["/b created 1"]);
    assert_eq!(transient(&events), ["/a"]);
}

/// `echo 1 > a; rm a; echo 2 > b; mv b a`, where the second file gets the number of the first.
#[test]
fn what_is_left_under_a_used_name_and_number_did_not_go() {
    let events = [
        at(20, create(1)),
        at(20, seen(1, "/a", 1, made(3))),
        at(30, change(Delete, "/a")),
        at(40, create(2)),
        at(40, seen(2, "/b", 1, made(3))),
        at(50, change_to(Rename, "/b", "/a", 0)),
    ];
    assert_eq!(left(&events), ["/a created 1"]);
    assert_eq!(transient(&events), [""; 0]);
}

#[test]
fn what_nobody_opened_may_come_and_go() {
    let check = |what: &[EventKind], expected: &[&str]| {
        let events: Vec<_> = (20..).zip(what).map(|(time, kind)| at(time, kind.clone())).collect();
        assert_eq!(transient(&events), expected, "{what:?}");
    };
    let rename = |from, to| change_to(Rename, from, to, 0);
    let (make, remove) = (change(MakeDirectory, "/d"), change(RemoveDirectory, "/d"));
    check(&[make.clone(), remove.clone()], &["/d"]);
    check(&[make.clone(), remove.clone(), make.clone()], &[]);
    check(&[remove.clone(), make.clone()], &[]);
    check(&[remove.clone(), make.clone(), remove.clone()], &[]);
    check(std::slice::from_ref(&remove), &[]);
    check(&[make.clone(), rename("/d", "/e")], &[]);
    check(&[make.clone(), rename("/d", "/e"), change(RemoveDirectory, "/e")], &["/d", "/e"]);
    let mut opened = file_seen(1, "/d", 7, read(0));
    opened.facts.mode = 0o040_755;
    check(&[make, EventKind::FileSeen(Box::new(opened)), remove], &["/d"]);
    check(&[symlink("/l", "/d"), change(Delete, "/l")], &["/l"]);
    check(&[change(MakeNode, "/n"), change(Delete, "/n")], &["/n"]);
    // The file that it was made as has its name still.
    check(&[change(MakeNode, "/n"), seen(1, "/n", 7, wrote(1))], &[]);
    check(&[create(1), seen(1, "/a", 1, made(1)), rename("/a", "/b"), change(Delete, "/b")], &["/a", "/b"]);
}

/// A file that never has a name is gone when it is closed, and its number is free.
#[test]
fn the_number_of_a_file_without_a_name_is_used_again() {
    let unnamed = |access| {
        let mut seen = file_seen(access, "/#7", 7, made(3));
        (seen.path.unlinked, seen.facts.unlinked) = (true, true);
        EventKind::FileSeen(Box::new(seen))
    };
    // The first use comes a moment before the making.
    let events = [
        at(20, unnamed(1)),
        at(21, create(1)),
        at(30, seen(2, "/a", 7, made(3))),
        at(31, create(2)),
        at(40, change_to(Rename, "/a", "/b", 0)),
        at(50, seen(3, "/a", 8, made(3))),
        at(51, create(3)),
    ];
    assert_eq!(left(&events), ["/a created 8", "/b created 7"]);
    assert_eq!(transient(&events), ["/#7"]);
    let other_way = [
        at(20, seen(1, "/a", 7, wrote(3))),
        at(30, change(Delete, "/a")),
        at(40, unnamed(2)),
        at(41, create(2)),
    ];
    assert_eq!(left(&other_way), [""; 0]);
    assert_eq!(transient(&other_way), ["/#7"]);
    // It was given a name in a way that is not told, and is read under it.
    let named = [at(20, unnamed(1)), at(21, create(1)), at(30, seen(2, "/a", 7, read(3)))];
    assert_eq!(left(&named), ["/a~ created 7"]);
}

/// In a mount namespace of its own a program sees other files under names that others know.
#[test]
fn where_something_was_mounted_it_may_be_the_place_of_another() {
    let mount = |flags| change_to(Mount, "/src/r", "/etc/hostname", flags);
    let made_it = [at(20, create(1)), at(20, seen(1, "/src/r", 1, made(3)))];
    let check = |what: &[EventKind], expected: &[&str]| {
        let rest = (30..).zip(what).map(|(time, kind)| at(time, kind.clone()));
        let events: Vec<_> = made_it.iter().cloned().chain(rest).collect();
        assert_eq!(left(&events), expected, "{what:?}");
    };
    let bind = 0x1000;
    check(&[seen(2, "/etc/hostname", 1, read(3))], &["/etc/hostname~ created 1", "/src/r created 1"]);
    let written = seen(2, "/etc/hostname", 1, wrote(3));
    check(std::slice::from_ref(&written), &["/etc/hostname created 1", "/src/r created 1"]);
    check(&[mount(bind), written.clone()], &["/etc/hostname~ created 1", "/src/r created 1"]);
    // A mount that only becomes private.
    check(&[mount(1 << 18), written], &["/etc/hostname created 1", "/src/r created 1"]);
    let read_first = [seen(2, "/etc/hostname", 1, read(3)), seen(3, "/etc/hostname", 1, wrote(3))];
    check(&read_first, &["/etc/hostname created 1", "/src/r created 1"]);
    let below = change_to(Mount, "tmpfs", "/etc/apt", 0);
    check(
        &[below, seen(2, "/etc/apt/a/b", 9, wrote(1)), seen(3, "/etc/aptx", 8, wrote(1))],
        &["/etc/apt/a/b~ modified 9", "/etc/aptx modified 8", "/src/r created 1"],
    );
}

#[test]
fn the_first_use_may_come_a_moment_before_the_making() {
    let events = [at(20, seen(1, "/a", 1, made(3))), at(21, create(1))];
    assert_eq!(left(&events), ["/a created 1"]);
    let replaced = [
        at(20, seen(1, "/a", 1, wrote(3))),
        at(30, change(Delete, "/a")),
        at(31, create(1)),
        at(32, change(Delete, "/a")),
    ];
    assert_eq!(left(&replaced), [""; 0]);
    assert_eq!(transient(&replaced), [""; 0]);
}

#[test]
fn a_file_without_a_name_is_left_once_it_is_given_one() {
    let unnamed = || {
        let mut seen = file_seen(1, "/tmp/#1", 1, made(3));
        (seen.path.unlinked, seen.facts.unlinked) = (true, true);
        vec![at(20, create(1)), at(20, EventKind::FileSeen(Box::new(seen)))]
    };
    assert_eq!(left(&unnamed()), [""; 0]);
    assert_eq!(transient(&unnamed()), ["/tmp/#1"]);
    let mut named = unnamed();
    let mut link = changed(Link, ChangeTarget::Access(1));
    link.new_path = Some(argument("/tmp/x"));
    named.push(at(30, EventKind::FileChanged(Box::new(link))));
    assert_eq!(left(&named), ["/tmp/x created 1"]);
    let mut named = unnamed();
    named.push(at(30, change_to(Link, "/proc/self/fd/3", "/tmp/y", 0)));
    assert_eq!(left(&named), ["/tmp/y created 1"]);
    assert_eq!(transient(&named), [""; 0]);
    let mut other = file_seen(2, "/tmp/#2", 2, made(3));
    (other.path.unlinked, other.facts.unlinked) = (true, true);
    let mut two = unnamed();
    two.extend([at(21, create(2)), at(21, EventKind::FileSeen(Box::new(other)))]);
    two.push(at(30, change_to(Link, "/proc/self/fd/3", "/tmp/y", 0)));
    assert_eq!(left(&two), ["/tmp/y created -"]);
}

#[test]
fn a_file_that_another_took_the_place_of_is_still_named() {
    let events = [at(20, create(1)), at(20, seen(1, "/a", 1, made(3))), at(30, seen(2, "/a", 2, wrote(3)))];
    assert_eq!(left(&events), ["/a created 1", "/a modified 2"]);
}

#[test]
fn a_path_too_deep_to_follow_is_left_as_it_was() {
    let deep = "/d".repeat(2_000);
    let events = [
        at(20, create(1)),
        at(20, seen(1, &deep, 1, made(3))),
        at(30, change_to(Rename, &deep, "/a", 0)),
        at(31, change_to(Rename, "/a", &deep, 0)),
        at(32, change(Delete, &deep)),
    ];
    assert_eq!(left(&events), [format!("{deep} created 1")]);
}

/// All but the last name of a path.
#[test]
fn links_that_the_run_made_are_followed() {
    let check = |links: &[(&str, &str)], what: EventKind, expected: &[&str]| {
        let mut events: Vec<_> =
            (10..).zip(links).map(|(time, (name, target))| at(time, symlink(name, target))).collect();
        events.extend([at(20, create(1)), at(20, seen(1, "/d/a/f", 1, made(3))), at(30, what)]);
        let left = left(&events);
        let files: Vec<_> = left.iter().filter(|line| line.contains(" 1")).collect();
        assert_eq!(files, expected, "{links:?}");
    };
    let rename = |from, to| change_to(Rename, from, to, 0);
    check(&[("/l", "d")], rename("/l/a/f", "/l/a/g"), &["/d/a/g created 1"]);
    check(&[("/l", "d")], change(Delete, "/l/a/f"), &[]);
    check(&[("/l", "/d/a")], change(Delete, "/l/f"), &[]);
    check(&[("/x/l", "../d/./a")], rename("/x/l/f", "/x/l/g"), &["/d/a/g created 1"]);
    check(&[("/k", "d"), ("/l", "k/a")], rename("/l", "/d/a/l"), &["/d/a/f created 1"]);
    check(&[("/k", "d"), ("/l", "k/a")], rename("/l/f", "/k/g"), &["/d/g created 1"]);
    check(&[("/l", "d")], rename("/l/a", "/l/b"), &["/d/b/f created 1"]);
    // Where a link is, the kernel walked through a directory: it is one by now.
    check(&[("/d", "/e")], change(Delete, "/d/a/f"), &[]);
    // They lead nowhere.
    check(&[("/l", "/l")], change(Delete, "/l/f"), &["/d/a/f created 1"]);
    check(&[("/l", "m"), ("/m", "l")], rename("/l/f", "/g"), &["/d/a/f created 1"]);
}

/// `/var/run` is `/run`, which nobody told.
#[test]
fn what_was_moved_through_an_unknown_link_may_be_there() {
    let made_in = |path: &str| [at(20, create(1)), at(20, seen(1, path, 1, made(3)))].to_vec();
    let rename = |from, to| change_to(Rename, from, to, 0);
    let mut moved = made_in("/run/x.tmp");
    moved
        .extend([at(30, rename("/var/run/x.tmp", "/var/run/y")), at(31, rename("/var/run/y", "/var/run/x"))]);
    assert_eq!(left(&moved), ["/run/x.tmp created 1", "/var/run/x? created 1"]);
    let mut linked = made_in("/run/x.tmp");
    linked.push(at(30, change_to(Link, "/var/run/x.tmp", "/var/run/x", 0)));
    assert_eq!(left(&linked), ["/run/x.tmp created 1", "/var/run/x? created 1"]);
    // Something else, and a name that is known to be of another file.
    let mut other = made_in("/run/x.tmp");
    other.extend([
        at(30, rename("/var/run/y", "/var/run/z")),
        at(31, rename("/var/run/x.tmp", "/run/x")),
        at(32, seen(2, "/run/x", 2, wrote(1))),
    ]);
    assert_eq!(left(&other), ["/run/x modified 2", "/run/x.tmp created 1"]);
    // Of many, those whose paths have most of its end.
    let mut many = made_in("/run/b/5/x.tmp");
    let names: Vec<_> = (0..100).map(|number| format!("/var/run/b/{number}/x")).collect();
    for (time, name) in (30..).zip(&names) {
        many.push(at(time, change_to(Rename, &format!("{name}.tmp"), name, 0)));
    }
    let left = left(&many);
    assert!(left.contains(&"/var/run/b/5/x? created 1".into()), "{left:?}");
    assert!(left.len() < 20, "{left:?}");
}

#[test]
fn what_may_not_have_happened_takes_no_name_away() {
    let unconfirmed = |kind: EventKind| {
        let EventKind::FileChanged(mut change) = kind else { unreachable!() };
        change.unconfirmed = Some(Unconfirmed::Ended);
        EventKind::FileChanged(change)
    };
    let events = [
        at(20, create(1)),
        at(20, seen(1, "/a", 1, made(3))),
        at(30, unconfirmed(change(Delete, "/a"))),
        at(31, unconfirmed(change_to(Rename, "/a", "/b", 0))),
        at(32, unconfirmed(change(Create, "/c"))),
        at(33, change(Create, "/d")),
    ];
    assert_eq!(left(&events), ["/a created 1", "/b created 1", "/c created -", "/d created -"]);
}

/// A filter of its own may have said so: also that of a process which came from the one that set it up.
#[test]
fn what_need_not_have_happened_takes_no_name_away() {
    let events = |action, number| {
        [
            event(10, ONE, called(9, action, Some(number), None, 0)),
            event(11, ONE, fork(TWO, ONE, 1000)),
            event(20, TWO, create(1)),
            event(20, TWO, seen(1, "/a", 1, made(3))),
            event(30, TWO, change_to(Rename, "/a", "/b", 0)),
            event(31, TWO, change(Delete, "/b")),
        ]
    };
    assert_eq!(left(&events(Action::Filter, 1)), ["/a created 1", "/b created 1"]);
    assert_eq!(transient(&events(Action::Filter, 1)), [""; 0]);
    // PTRACE_SYSEMU, PTRACE_CONT, and a question for what filters can do.
    assert_eq!(left(&events(Action::Trace, 31)).len(), 2);
    assert_eq!(left(&events(Action::Trace, 7)), [""; 0]);
    assert_eq!(left(&events(Action::Filter, 2)), [""; 0]);
}

#[test]
fn who_changed_it_last_is_told() {
    let session = session(&[
        at(20, create(1)),
        at(20, seen(1, "/a", 1, made(3))),
        event(30, TWO, seen(2, "/a", 1, AccessTotals { last_at: 90, ..wrote(3) })),
        at(40, file_totals(1, AccessTotals { last_at: 80, ..made(5) })),
    ]);
    assert_eq!(session.left_behind()[0].process, TWO);
}

/// An attempt is told by itself, and when it is made again under a number: together they are one kind.
#[test]
fn attempts_that_are_told_in_several_ways_are_one_kind() {
    let mut session = session(&[
        at(20, file_failed(0, Open, "/a", 2, 1)),
        at(30, file_failed(9, Open, "/a", 2, 1)),
        at(31, file_failed(0, Open, "/b", 2, 1)),
        at(40, file_totals(9, AccessTotals { failures: 5, last_at: 39, ..AccessTotals::default() })),
        at(41, file_totals(9, AccessTotals { failures: 3, last_at: 35, ..AccessTotals::default() })),
        at(50, file_failed(0, Open, "/a", 2, 1)),
    ]);
    assert_eq!(session.file_rows().failed_first(), None, "it was known");
    session.apply(&at(51, file_failed(10, Open, "/a", 2, 1)));
    let kinds: Vec<_> = session
        .files()
        .failed()
        .map(|kind| (name(&kind.path), kind.count, kind.first_at, kind.last_at))
        .collect();
    assert_eq!(kinds, [("/a".into(), 8, 20, 51), ("/b".into(), 1, 31, 31)]);
    let rows = session.file_rows();
    assert_eq!(rows.counts(), [0, 0, 2]);
    assert_eq!(rows.of_access(9), rows.of_access(10));
    session.apply(&at(52, file_failed(0, Open, "/c", 2, 1)));
    assert_eq!(session.file_rows().failed_first(), Some(FileRowId::Failed(2)));
}

/// As a mount does.
#[test]
fn an_attempt_to_mount_belongs_to_its_mount_point() {
    let mount = |source: &str, point: &str, errno| {
        let EventKind::FileFailed(mut failed) = file_failed(0, Mount, source, errno, 1) else {
            unreachable!()
        };
        failed.new_path = Some(argument(point));
        EventKind::FileFailed(failed)
    };
    let session = session(&[
        at(20, mount("tmpfs", "/a", 1)),
        at(21, mount("tmpfs", "/b", 1)),
        at(22, mount("tmpfs", "/b", 2)),
        at(23, file_failed(0, Open, "tmpfs", 2, 1)),
    ]);
    let files = session.files();
    let entries: Vec<_> =
        files.entries.iter().map(|entry| (name(&entry.path), entry.errors.clone())).collect();
    assert_eq!(
        entries,
        [("/a".into(), vec![(1, 1)]), ("/b".into(), vec![(1, 1), (2, 1)]), ("tmpfs".into(), vec![(2, 1)])]
    );
    let failed: Vec<_> =
        files.failed().map(|failed| (name(&failed.path), failed.new_path.is_some())).collect();
    assert_eq!(failed[0], ("tmpfs".into(), false));
    assert_eq!(failed.len(), 4);
}

/// Beyond the cap no kinds are added, and those that are there still count.
#[test]
fn a_kind_within_the_cap_counts_on() {
    let mut session = Session::with_caps(Caps { file_failures: 1, ..Caps::default() });
    for event in [
        at(20, file_failed(0, Open, "/a", 2, 1)),
        at(21, file_failed(0, Open, "/b", 2, 1)),
        at(22, file_failed(0, Open, "/a", 2, 1)),
        at(23, file_failed(7, Open, "/a", 2, 3)),
        at(24, file_failed(0, Open, "/a", 13, 1)),
    ] {
        session.apply(&event);
    }
    let kinds: Vec<_> = session.files().failed().map(|kind| (name(&kind.path), kind.count)).collect();
    assert_eq!(kinds, [("/a".into(), 5)]);
    let tally = session.limits().into_iter().find(|one| one.list == "filesystem.failed").map(|one| one.tally);
    assert_eq!(tally.map(|tally| (tally.seen, tally.kept)), Some((2, 1)));
}

#[test]
fn what_is_beyond_a_cap_of_files_is_counted() {
    let caps = Caps {
        files: 1,
        accesses: 2,
        file_changes: 1,
        file_failures: 1,
        file_text_bytes: 8,
        ..Caps::default()
    };
    let mut session = Session::with_caps(caps);
    for event in [
        at(20, seen(1, "/a", 1, read(1))),
        at(21, seen(2, "/b", 2, read(1))),
        at(22, seen(3, "/a", 1, read(1))),
        at(23, seen(4, "/a", 1, read(1))),
        at(24, file_totals(4, read(1))),
        at(25, change(Delete, "/a")),
        at(26, change(Delete, "/a")),
        at(27, file_failed(5, Open, "/c", 2, 1)),
        at(28, file_failed(6, Open, "/long/path", 2, 1)),
    ] {
        session.apply(&event);
    }
    let tallies: Vec<_> =
        session.limits()[7..12].iter().map(|one| (one.tally.seen, one.tally.kept)).collect();
    assert_eq!(tallies, [(2, 1), (4, 2), (2, 1), (2, 1), (6, 6)]);
    assert_eq!(session.unannounced_accesses(), 0);
}
