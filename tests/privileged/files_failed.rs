//! What did not work: aggregated by path, operation and errno.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::privilege::needs;
use crate::support::{calls, calls_32, files::FailedUse, watch};

#[test]
fn ten_thousand_attempts_are_one_entry() {
    needs!();
    let watched = calls(&[
        "10000x fails ENOENT openat AT_FDCWD missing O_RDONLY",
        "7x fails ENOENT openat AT_FDCWD other O_RDONLY",
    ]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    let failed = receipt.failed_below(&folder);
    assert_eq!(failed["open ENOENT missing"], 10_000, "{failed:?}");
    assert_eq!(failed["open ENOENT other"], 7);
    let entries = receipt.failed_uses();
    let missing = entries.iter().filter(|entry| entry.path() == Some(folder.join("missing"))).count();
    assert_eq!(missing, 1, "{entries:?}");
    assert_eq!(
        receipt.files_at(folder.join("missing")).iter().map(|file| file.operation("open")).sum::<u64>(),
        0
    );
}

#[test]
fn reads_and_writes() {
    needs!();
    let watched = calls(&[
        "d=openat AT_FDCWD sub O_RDONLY|O_DIRECTORY",
        "3x fails EISDIR read d 10",
        "f=openat AT_FDCWD file O_RDONLY ; fails EBADF write f 10 ; fails EBADF pwrite64 f 10 0 ; fails ENOTDIR getdents64 f 100",
        "w=openat AT_FDCWD file O_WRONLY ; fails EBADF read w 10",
        "x=openat AT_FDCWD /dev/full O_WRONLY",
        "2x fails ENOSPC write x 10",
        "p=openat AT_FDCWD fifo O_RDWR|O_NONBLOCK ; fails EAGAIN read p 10",
        "fails EBADF read 99 10",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("file"), "").unwrap();
    fs::create_dir(folder.join("sub")).unwrap();
    nix::unistd::mkfifo(&folder.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let receipt = watched.run().complete(0);
    let failed = receipt.failed_below(&folder);
    let expected = [
        ("read EISDIR sub", 3),
        ("read EBADF file", 1),
        ("read_directory ENOTDIR file", 1),
        ("write EBADF file", 2),
    ];
    assert_eq!(failed, expected.map(|(line, count)| (line.to_owned(), count)).into());
    let uses = receipt.failed_uses();
    let full: Vec<_> = uses.iter().filter(|one| one.path() == Some("/dev/full".into())).collect();
    assert_eq!(
        full.iter().map(|one| (one.operation(), one.errno(), one.count())).collect::<Vec<_>>(),
        [("write", "ENOSPC", 2)]
    );
    assert!(!uses.iter().any(|one| one.errno() == "EAGAIN"), "{uses:?}");
}

/// Of a transfer it is known which of its two files had no room.
#[test]
fn a_transfer_that_finds_no_room() {
    needs!("python3");
    let script = "import os, resource\n\
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n\
        out = os.open('out', os.O_WRONLY | os.O_CREAT)\n\
        os.lseek(out, 4096, os.SEEK_SET)\n\
        for expected in ['EFBIG', 'EBADF']:\n\
        \ttry: os.sendfile(out, os.open('file', os.O_RDONLY), 0, 10)\n\
        \texcept OSError as error: assert os.strerror(error.errno) and error.errno in (27, 9), error\n\
        \tout = os.open('file', os.O_RDONLY)";
    let watched = watch(["python3", "-c", script]);
    let folder = watched.folder();
    fs::write(folder.join("file"), "0123456789").unwrap();
    let receipt = watched.run().complete(0);
    let failed = receipt.failed_below(&folder);
    assert_eq!(failed.get("write EFBIG out"), Some(&1), "{failed:?}");
    assert!(!failed.keys().any(|line| line.contains("EBADF")), "{failed:?}");
}

/// While one thread waits for something to read, another may give its descriptor to another file.
#[test]
fn what_another_thread_has_exchanged_meanwhile() {
    needs!("python3");
    let script = "import os, socket, struct, threading, time\n\
        server = socket.create_server(('127.0.0.1', 0))\n\
        client = socket.create_connection(server.getsockname())\n\
        peer = server.accept()[0]\n\
        def wait():\n\
        \ttry: os.read(client.fileno(), 10)\n\
        \texcept ConnectionResetError: pass\n\
        thread = threading.Thread(target=wait)\n\
        thread.start()\n\
        time.sleep(0.3)\n\
        os.dup2(os.open('file', os.O_RDONLY), client.fileno())\n\
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n\
        peer.close()\n\
        thread.join()";
    let watched = watch(["python3", "-c", script]);
    let folder = watched.folder();
    fs::write(folder.join("file"), "").unwrap();
    let receipt = watched.run().complete(0);
    let uses = receipt.failed_uses();
    let claimed: Vec<_> = uses.iter().filter(|one| one.path() == Some(folder.join("file"))).collect();
    assert_eq!(claimed.len(), 1, "{uses:?}");
    assert_eq!((claimed[0].errno(), claimed[0].0["path_source"].as_str()), ("ECONNRESET", Some("raced")));
}

#[test]
fn every_reason() {
    needs!();
    let watched = calls(&[
        "fails ENOTDIR openat AT_FDCWD file/below O_RDONLY",
        "fails ELOOP openat AT_FDCWD circle O_RDONLY",
        "fails ELOOP openat AT_FDCWD link O_RDONLY|O_NOFOLLOW",
        "fails EEXIST openat AT_FDCWD file O_WRONLY|O_CREAT|O_EXCL 0600",
        "fails EISDIR openat AT_FDCWD sub O_WRONLY",
        "fails ENOTDIR openat AT_FDCWD file O_RDONLY|O_DIRECTORY",
        "fails ENXIO openat AT_FDCWD fifo O_WRONLY|O_NONBLOCK",
        "fails EXDEV openat2 AT_FDCWD ../x O_RDONLY 0 RESOLVE_BENEATH",
        "setgid 65534 ; setuid 65534",
        "fails EACCES openat AT_FDCWD secret O_RDONLY",
        "fails EACCES openat AT_FDCWD closed/file O_RDONLY",
        "fails EACCES unlink file",
        "fails EPERM chmod file 0777",
        "fails EACCES openat AT_FDCWD new O_WRONLY|O_CREAT 0600",
    ]);
    let folder = watched.folder();
    for name in ["file", "secret"] {
        fs::write(folder.join(name), "").unwrap();
    }
    for name in ["sub", "closed"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    symlink("circle", folder.join("circle")).unwrap();
    symlink("file", folder.join("link")).unwrap();
    nix::unistd::mkfifo(&folder.join("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    fs::set_permissions(folder.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(folder.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    let receipt = watched.run().complete(0);
    let failed = receipt.failed_below(&folder);
    for line in [
        "open ENOTDIR file/below",
        "open ELOOP circle",
        "open ELOOP link",
        "open EEXIST file",
        "open EISDIR sub",
        "open ENOTDIR file",
        "open ENXIO fifo",
        "open EACCES secret",
        "open EACCES closed/file",
        "delete EACCES file",
        "chmod EPERM file",
        "open EACCES new",
    ] {
        assert_eq!(failed.get(line), Some(&1), "{line}: {failed:?}");
    }
    let outside: Vec<_> =
        receipt.failed_uses().into_iter().filter(|failed| failed.errno() == "EXDEV").collect();
    assert_eq!(outside.len(), 1);
    assert_eq!(outside[0].path(), Some(folder.parent().unwrap().join("x")));
}

/// Who only asks is reported when the answer is an error.
#[test]
fn questions_that_fail() {
    needs!();
    let watched = calls(&[
        "2x fails ENOENT stat one",
        "fails ENOENT lstat two",
        "fails ENOENT newfstatat AT_FDCWD three 0",
        "fails ENOENT statx AT_FDCWD four 0 0 256",
        "fails ENOENT access five 0",
        "fails ENOENT faccessat AT_FDCWD six 0",
        "fails ENOENT faccessat2 AT_FDCWD seven 0 0",
        "fails ENOENT readlink eight 100",
        "fails EINVAL readlinkat AT_FDCWD file 100",
        "stat file ; access file 0",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("file"), "").unwrap();
    let receipt = watched.run().complete(0);
    let failed = receipt.failed_below(&folder);
    for (line, count) in [
        ("stat ENOENT one", 2),
        ("stat ENOENT two", 1),
        ("stat ENOENT three", 1),
        ("stat ENOENT four", 1),
        ("access ENOENT five", 1),
        ("access ENOENT six", 1),
        ("access ENOENT seven", 1),
        ("readlink ENOENT eight", 1),
    ] {
        assert_eq!(failed.get(line), Some(&count), "{line}: {failed:?}");
    }
    assert_eq!(failed.get("readlink EINVAL file"), None, "that it is no link is an answer");
    assert_eq!(
        receipt.files_at(folder.join("file")).iter().map(|file| file.operation("open")).sum::<u64>(),
        0
    );
}

/// Every other call that takes the name of a file, by both ABIs.
#[test]
fn calls_that_take_a_name() {
    needs!();
    // Some of these not every kernel has.
    let sequence = [
        "d=openat AT_FDCWD sub O_RDONLY|O_DIRECTORY ; i=inotify_init1 0 ; f=fanotify_init 0 0",
        "2x fails ENOENT getxattr a user.x 10",
        "fails ENOENT lgetxattr b user.x 10",
        "fails ENOENT listxattr c 10",
        "fails ENOENT llistxattr d 10",
        "fails ENOENT inotify_add_watch i e 1",
        "fails ENOENT fanotify_mark f 1 1 d f",
        "fails ENOENT name_to_handle_at d g",
        "fails ENOENT statfs h",
        "fails ENOENT fspick d i",
        "try quotactl 0x80000500 j 0 ; try acct k ; try swapon l 0 ; try swapoff m",
        "try getxattrat d n 0 user.x 16 ; try listxattrat d o 0 100 ; try removexattrat d p 0 user.x",
        "try open_tree_attr d q 0 32 ; try file_getattr d r 24",
        "setxattr file trusted.x value 0",
        "fails ERANGE getxattr file trusted.x 1 ; fails ENODATA getxattr file trusted.y 10",
        "fails ERANGE listxattr file 1 ; fails EBADF fgetxattr 99 trusted.x 10",
    ];
    let expected = [
        ("getxattr", "getxattr", "a", 2),
        ("getxattr", "lgetxattr", "b", 1),
        ("listxattr", "listxattr", "c", 1),
        ("listxattr", "llistxattr", "d", 1),
        ("watch", "inotify_add_watch", "e", 1),
        ("watch", "fanotify_mark", "sub/f", 1),
        ("stat", "name_to_handle_at", "sub/g", 1),
        ("stat", "statfs", "h", 1),
        ("open", "fspick", "sub/i", 1),
        ("quotactl", "quotactl", "j", 1),
        ("acct", "acct", "k", 1),
        ("swapon", "swapon", "l", 1),
        ("swapoff", "swapoff", "m", 1),
        ("getxattr", "getxattrat", "sub/n", 1),
        ("listxattr", "listxattrat", "sub/o", 1),
        ("removexattr", "removexattrat", "sub/p", 1),
        ("open", "open_tree_attr", "sub/q", 1),
        ("stat", "file_getattr", "sub/r", 1),
    ];
    let mut expected = expected.map(|(operation, call, path, count)| {
        (operation.to_owned(), call.to_owned(), path.to_owned(), count)
    });
    expected.sort();
    for watched in [calls(&sequence), calls_32(&sequence)] {
        let folder = watched.folder();
        fs::create_dir(folder.join("sub")).unwrap();
        fs::write(folder.join("file"), "").unwrap();
        let receipt = watched.run().complete(0);
        let mut failed = Vec::new();
        for one in receipt.failed_uses() {
            let path = one.path().unwrap();
            let Ok(path) = path.strip_prefix(&folder) else { continue };
            assert!(["ENOENT", "ENOSYS"].contains(&one.errno()), "{one:?}");
            let call = one.call().trim_start_matches("i386:").to_owned();
            failed.push((one.operation().to_owned(), call, path.display().to_string(), one.count()));
        }
        failed.sort();
        assert_eq!(failed, expected);
    }
}

/// Who may not ask for an attribute by a descriptor is told by its file.
#[test]
fn an_attribute_that_may_not_be_read() {
    needs!();
    let watched = calls(&[
        "f=openat AT_FDCWD file O_WRONLY ; try setxattr file user.x value 0",
        "setgid 65534 ; setuid 65534 ; try fgetxattr f user.x 10 ; try getxattr file user.x 10",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("file"), "").unwrap();
    fs::set_permissions(folder.join("file"), fs::Permissions::from_mode(0o600)).unwrap();
    let receipt = watched.run().complete(0);
    let failed = receipt.failed_uses().into_iter().filter(|failed| failed.operation() == "getxattr");
    let failed: Vec<_> = failed.map(|one| (one.call(), one.errno(), one.path())).collect();
    let file = Some(folder.join("file"));
    assert_eq!(failed, [("fgetxattr", "EACCES", file.clone()), ("getxattr", "EACCES", file)]);
}

/// A file in which processes are accounted for is written by the kernel.
#[test]
fn accounting_is_a_change() {
    needs!();
    let watched = calls(&["unshare 0x20000000", "child try acct file ; try acct null"]);
    let folder = watched.folder();
    fs::write(folder.join("file"), "").unwrap();
    let receipt = watched.run().complete(0);
    if receipt.failed_uses().iter().any(|failed| failed.errno() == "ENOSYS") {
        return;
    }
    let changes: Vec<_> = receipt.changes_by("acct").iter().map(|change| change.path()).collect();
    assert_eq!(changes, [Some(folder.join("file")), None]);
}

/// What is looked up with a directory for the root, as openat2 does on demand, is below it.
#[test]
fn a_directory_that_stands_for_the_root() {
    needs!();
    let watched = calls(&[
        "d=openat AT_FDCWD sub O_PATH",
        "2x fails ENOENT openat2 d /etc/passwd O_RDONLY 0 RESOLVE_IN_ROOT",
        "fails ENOENT openat2 d ../../a O_RDONLY 0 RESOLVE_IN_ROOT",
        "fails ENOENT openat2 AT_FDCWD /b/../c O_RDONLY 0 RESOLVE_IN_ROOT",
        "fails ENOENT openat2 d d O_RDONLY 0 0 ; fails ENOENT openat2 d /nowhere/e O_RDONLY 0 0",
        "fails EXDEV openat2 d /etc/passwd O_RDONLY 0 RESOLVE_BENEATH",
        "fails EXDEV openat2 d ../f O_RDONLY 0 RESOLVE_BENEATH",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("sub")).unwrap();
    let receipt = watched.run().complete(0);
    let failed = receipt.failed_below("/".as_ref());
    let below = folder.strip_prefix("/").unwrap().display();
    for (line, count) in [
        (format!("open ENOENT {below}/sub/etc/passwd"), 2),
        (format!("open ENOENT {below}/sub/a"), 1),
        (format!("open ENOENT {below}/c"), 1),
        (format!("open ENOENT {below}/sub/d"), 1),
        ("open ENOENT nowhere/e".to_owned(), 1),
        ("open EXDEV etc/passwd".to_owned(), 1),
        (format!("open EXDEV {below}/f"), 1),
    ] {
        assert_eq!(failed.get(&line), Some(&count), "{line}: {failed:?}");
    }
}

/// Who tries the same by several calls, in turn, is counted by call.
#[test]
fn attempts_belong_to_their_call() {
    needs!();
    let watched = calls(&[
        "fails ENOENT openat AT_FDCWD missing O_RDONLY ; fails ENOENT openat2 AT_FDCWD missing O_RDONLY 0 0",
        "3x fails ENOENT openat2 AT_FDCWD missing O_RDONLY 0 0",
        "2x fails ENOENT openat AT_FDCWD missing O_RDONLY",
    ]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    let missing = |failed: &FailedUse<'_>| failed.path() == Some(folder.join("missing"));
    let mut counts: Vec<_> = receipt
        .failed_uses()
        .into_iter()
        .filter(missing)
        .map(|failed| (failed.call(), failed.count()))
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [("openat", 3), ("openat2", 4)]);
}

/// Of what has two paths both count, so that nothing hides behind what was tried before.
#[test]
fn attempts_belong_to_both_their_paths() {
    needs!();
    let watched = calls(&[
        "3x fails ENOENT rename from to1",
        "2x fails ENOENT rename from to2",
        "fails ENOENT rename from to3",
        "d=openat AT_FDCWD sub O_RDONLY|O_DIRECTORY",
        "2x fails ENOENT renameat d from AT_FDCWD to1",
        "3x fails ENOENT renameat d from d to1",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("sub")).unwrap();
    let receipt = watched.run().complete(0);
    let mut tried: Vec<_> = receipt
        .failed_uses()
        .into_iter()
        .filter(|failed| failed.operation() == "rename")
        .map(|failed| {
            let below = |path: Option<std::path::PathBuf>| {
                path.and_then(|path| path.strip_prefix(&folder).ok().map(|path| path.display().to_string()))
            };
            (below(failed.path()).unwrap(), below(failed.new_path()).unwrap(), failed.count())
        })
        .collect();
    tried.sort_unstable();
    let expected = [
        ("from", "to1", 3),
        ("from", "to2", 2),
        ("from", "to3", 1),
        ("sub/from", "sub/to1", 3),
        ("sub/from", "to1", 2),
    ];
    assert_eq!(tried, expected.map(|(from, to, count)| (from.to_owned(), to.to_owned(), count)));
}

/// A directory that takes the place of another in the kernel's memory is another.
#[test]
fn attempts_in_directories_that_come_and_go() {
    needs!();
    let script = "mkdir m && mount -t tmpfs none m && cd m && i=0
        while [ $i -lt 100 ]; do mkdir d$i; cd d$i; test -e no; test -e no; cd ..; rmdir d$i; i=$((i+1)); done
        cd .. && umount m";
    let watched = watch(["sh", "-c", script]);
    let folder = watched.folder().join("m");
    let failed = watched.run().complete(0).failed_below(&folder);
    assert_eq!(failed.len(), 100, "{failed:?}");
    assert!(failed.values().all(|count| *count == 2), "{failed:?}");
}

/// What is relative to a directory is told under the name that this has by then.
#[test]
fn attempts_in_a_directory_that_is_renamed() {
    needs!();
    let watched = calls(&[
        "mkdir a 0755 ; chdir a",
        "2x fails ENOENT stat no",
        "rename ../a ../b",
        "3x fails ENOENT stat no",
    ]);
    let folder = watched.folder();
    let failed = watched.run().complete(0).failed_below(&folder);
    assert_eq!(failed.get("stat ENOENT a/no"), Some(&2), "{failed:?}");
    assert_eq!(failed.get("stat ENOENT b/no"), Some(&3), "{failed:?}");
}

/// What a signal came between has not failed.
#[test]
fn an_interrupted_call_is_no_failure() {
    needs!("python3");
    let script = "import os, signal
class Enough(Exception): pass
count = 0
def on_alarm(*_):
    global count
    count += 1
    if count > 3:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise Enough
signal.signal(signal.SIGALRM, on_alarm)
os.mkfifo('fifo')
try:
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    os.open('fifo', os.O_RDONLY)
except Enough: pass";
    let receipt = watch(["python3", "-c", script]).run().complete(0);
    let is_fifo = |path: &std::path::Path| path.ends_with("fifo");
    let of_fifo = |failed: &FailedUse<'_>| failed.path().is_some_and(|path| is_fifo(&path));
    assert_eq!(receipt.failed_uses().into_iter().find(of_fifo).map(|failed| failed.errno()), None);
    assert!(
        receipt.changes().iter().any(|change| change.path().is_some_and(|path| is_fifo(&path))),
        "it was made"
    );
}

/// Paths as long as the kernel takes are whole; those that are longer are cut, and have their true length.
#[test]
fn paths_of_every_length() {
    needs!("python3");
    let script = "import os
for length in 4094, 4095, 4096, 4097, 9000:
    try: os.stat((('/' + 'x' * 99) * 100)[:length])
    except OSError: pass";
    let receipt = watch(["python3", "-c", script]).run().complete(0);
    let mut lengths = Vec::new();
    for failed in receipt.failed_uses() {
        let path = failed.raw_path();
        let (text, cut) = match path.get("truncated") {
            Some(_) => (path["value"].as_str().unwrap(), Some(path["length"].as_u64().unwrap())),
            None => (path.as_str().unwrap_or_default(), None),
        };
        if text.starts_with("/xxxx") {
            lengths.push((text.len(), cut, failed.errno()));
        }
    }
    lengths.sort_unstable();
    assert_eq!(
        lengths,
        [
            (4094, None, "ENOENT"),
            (4095, None, "ENOENT"),
            (4096, None, "ENAMETOOLONG"),
            (4096, Some(4097), "ENAMETOOLONG"),
            (4096, Some(9000), "ENAMETOOLONG"),
        ]
    );
}

/// Failures on a descriptor are those of its file, and reading what is not open is nobody's.
#[test]
fn failures_of_an_open_file() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD file O_RDONLY",
        "3x fails EBADF write a 10",
        "fails EINVAL ftruncate a 0",
        "d=openat AT_FDCWD . O_RDONLY|O_DIRECTORY",
        "fails EISDIR read d 10",
        "fails EBADF read 99 10",
        "3x fails ENODEV mmap d 4096 PROT_READ MAP_SHARED",
        "3x fails EBADF copy_file_range a 0 a 0 10 0",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("file"), "").unwrap();
    let receipt = watched.run().complete(0);
    let file = receipt.file(folder.join("file"));
    assert_eq!((file.operation("open"), file.operation("write")), (1, 0), "{file:?}");
    assert_eq!(file.bytes_written(), 0);
    assert_eq!(receipt.changes_below(&folder), Vec::<String>::new());
    let failed = receipt.failed_below(&folder);
    let expected = [("read EISDIR ", 1), ("truncate EINVAL file", 1), ("write EBADF file", 3)];
    assert_eq!(failed, expected.map(|(line, count)| (line.to_owned(), count)).into());
}

/// What the kernel calls files without a name is no path, and which of them it was is not told.
#[test]
fn failures_of_what_no_name_leads_to() {
    needs!();
    let watched = calls(&[
        "unshare CLONE_NEWNS ; mount null / null MS_REC|MS_PRIVATE",
        "pipe r w ; fails EINVAL ftruncate w 5",
        "socketpair SOCK_STREAM s t ; fails EINVAL ftruncate s 5",
        "m=memfd_create x 0 ; fails EINVAL ftruncate m -1",
        "mount none point tmpfs ; d=openat AT_FDCWD point/away O_WRONLY|O_CREAT 0600",
        "umount2 point MNT_DETACH ; fails EINVAL ftruncate d -1",
        "g=openat AT_FDCWD gone O_WRONLY|O_CREAT 0600 ; unlink gone ; fails EINVAL ftruncate g -1",
        "h=openat AT_FDCWD / O_RDONLY ; fails EINVAL ftruncate h 5",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("point")).unwrap();
    let receipt = watched.run().complete(0);
    let failed = receipt.failed_uses().into_iter().filter(|failed| failed.operation() == "truncate");
    let failed: Vec<_> = failed.map(|failed| (failed.path(), failed.count())).collect();
    assert_eq!(failed, [(None, 4), (Some("/".into()), 1), (Some(folder.join("gone")), 1)]);
    let nameless: Vec<_> = receipt.failed_uses().into_iter().filter(|one| one.path().is_none()).collect();
    assert_eq!(nameless[0].0["path_reason"], "not_available", "{nameless:?}");
    let with_errors = receipt.all_files().into_iter().filter(|file| file.0["errors"]["EINVAL"].is_u64());
    let mut paths: Vec<_> = with_errors.map(|file| file.path()).collect();
    paths.sort();
    assert_eq!(paths, [None, Some("/".into()), Some(folder.join("gone"))]);
}

/// What is relative to something without a name is not told as if that were the root directory, and makes no file there.
#[test]
fn attempts_relative_to_what_no_name_leads_to() {
    needs!();
    let watched = calls(&[
        "unshare CLONE_NEWNS ; mount null / null MS_REC|MS_PRIVATE",
        "pipe r w ; fails ENOTDIR openat r in_pipe O_RDONLY",
        "m=memfd_create x 0 ; fails ENOTDIR openat m ../etc/shadow O_RDONLY ; fails ENOTDIR unlinkat m in_memfd 0",
        "mount none point tmpfs ; mkdir point/sub 0700 ; d=openat AT_FDCWD point/sub O_PATH",
        "umount2 point MNT_DETACH ; fails ENOENT openat d etc/missing O_RDONLY ; mkdirat d made 0700",
        "x=openat d file O_WRONLY|O_CREAT 0600 ; renameat d file d moved ; fails EXDEV renameat d a AT_FDCWD b",
        "fchdir d ; fails ENOENT stat ../up ; mkdir here 0700",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("point")).unwrap();
    let receipt = watched.run().complete(0);
    let mut failed: Vec<_> = receipt
        .failed_uses()
        .into_iter()
        .map(|one| (one.operation(), one.path().unwrap(), one.new_path()))
        .filter(|(_, path, _)| !path.ends_with("ld.so.preload"))
        .collect();
    failed.sort();
    let new = Some(folder.join("b"));
    assert_eq!(
        failed,
        [
            ("delete", "memfd:x/in_memfd".into(), None),
            ("open", "etc/shadow".into(), None),
            ("open", "in_pipe".into(), None),
            ("open", "sub/etc/missing".into(), None),
            ("rename", "sub/a".into(), new),
            ("stat", "up".into(), None),
        ]
    );
    let changes = receipt.changes_below(&folder);
    for line in ["mkdir sub/made", "rename sub/file -> sub/moved", "chdir sub", "mkdir sub/here"] {
        assert!(changes.iter().any(|change| change == line), "{line}: {changes:?}");
    }
    let made: Vec<_> = receipt.artifacts().iter().map(|made| made.path()).collect();
    assert!(made.iter().all(|path| path.starts_with(&folder)), "{made:?}");
}

/// An empty name is no name of the working directory, and what is relative to a descriptor that is not open is told as it was
/// given. Of what a descriptor alone says the file is told.
#[test]
fn names_that_are_empty_or_relative_to_nothing() {
    needs!();
    let watched = calls(&[
        "fails ENOENT openat AT_FDCWD %00 O_RDONLY ; fails ENOENT mkdir %00 0700 ; fails ENOENT stat %00",
        "fails ENOENT rename %00 %00 ; fails ENOENT rename file %00",
        "fails EBADF openat 99 in/nothing O_RDONLY ; fails EBADF mkdirat 99 ../name 0700",
        "fails EBADF openat2 99 /slash O_RDONLY 0 RESOLVE_IN_ROOT",
        "fails EBADF renameat 99 a AT_FDCWD b ; fails EBADF renameat AT_FDCWD file 99 c",
        "fails ENOENT openat 99 /nowhere/x O_RDONLY ; fails EBADF newfstatat 99 %00 AT_EMPTY_PATH",
        "fails ENOENT mount %00 nowhere tmpfs ; fails ENOENT mount null nowhere tmpfs",
        "fails ENOENT mount dev/x nowhere tmpfs ; fails ENOENT mount dev/x file null MS_BIND",
        "f=openat AT_FDCWD file O_RDONLY ; fails ENOENT linkat f %00 AT_FDCWD missing/x AT_EMPTY_PATH",
        "setgid 65534 ; setuid 65534 ; fails EPERM fchownat f %00 0 0 AT_EMPTY_PATH",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("file"), "").unwrap();
    let receipt = watched.run().complete(0);
    let name = |path: Option<std::path::PathBuf>| {
        let short = |path: std::path::PathBuf| match path.strip_prefix(&folder) {
            Ok(below) => format!("./{}", below.display()),
            _ => path.display().to_string(),
        };
        path.map_or("none".to_owned(), short)
    };
    let mut failed: Vec<_> = receipt
        .failed_uses()
        .into_iter()
        .map(|one| format!("{} {:?} {:?}", one.operation(), name(one.path()), name(one.new_path())))
        .filter(|line| !line.contains("ld.so.preload"))
        .collect();
    failed.sort();
    let mut expected = [
        r#"open "" "none""#,
        r#"mkdir "" "none""#,
        r#"stat "" "none""#,
        r#"rename "" """#,
        r#"rename "./file" """#,
        r#"open "in/nothing" "none""#,
        r#"mkdir "../name" "none""#,
        r#"open "slash" "none""#,
        r#"rename "a" "./b""#,
        r#"rename "./file" "c""#,
        r#"open "/nowhere/x" "none""#,
        r#"stat "none" "none""#,
        r#"mount "" "./nowhere""#,
        r#"mount "none" "./nowhere""#,
        r#"mount "dev/x" "./nowhere""#,
        r#"mount "./dev/x" "./file""#,
        r#"link "./file" "./missing/x""#,
        r#"chown "./file" "none""#,
    ];
    expected.sort_unstable();
    assert_eq!(failed, expected);
    let of_mount = |failed: &FailedUse<'_>| failed.operation() == "mount" && failed.path().is_none();
    let without_source = receipt.failed_uses().into_iter().find(of_mount).unwrap();
    assert_eq!(without_source.0["path_reason"], "none");
    assert!(receipt.all_files().iter().all(|file| file.path().as_deref() != Some(&*folder)));
}

/// What is mounted may have no path but a name of its own.
#[test]
fn a_mount_that_is_refused() {
    needs!();
    let watched = calls(&[
        "setgid 65534 ; setuid 65534",
        "fails EPERM mount tmpfs point tmpfs",
        "fails EPERM mount ./tmpfs point null MS_BIND",
        "fails EPERM move_mount AT_FDCWD from AT_FDCWD point",
    ]);
    let folder = watched.folder();
    for name in ["from", "point", "tmpfs"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    let receipt = watched.run().complete(0);
    let failed = receipt.failed_uses().into_iter().filter(|failed| failed.operation() == "mount");
    let mut sources: Vec<_> = failed.filter_map(|failed| failed.path()).collect();
    sources.sort();
    let mut expected = ["tmpfs".into(), folder.join("from"), folder.join("tmpfs")];
    expected.sort();
    assert_eq!(sources, expected);
    let with_errors = receipt.all_files().into_iter().filter(|file| file.0["errors"]["EPERM"].is_u64());
    let errors: Vec<_> = with_errors.map(|file| (file.path(), file.0["errors"]["EPERM"].as_u64())).collect();
    assert_eq!(errors, [(Some(folder.join("point")), Some(3))]);
}

/// Each process has its own attempts.
#[test]
fn attempts_belong_to_their_process() {
    needs!();
    let watched = calls(&[
        "2x fails ENOENT openat AT_FDCWD missing O_RDONLY",
        "child fails ENOENT openat AT_FDCWD missing O_RDONLY",
    ]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    let mut counts: Vec<_> = receipt
        .failed_uses()
        .iter()
        .filter(|failed| failed.path() == Some(folder.join("missing")))
        .map(|failed| (failed.process(), failed.count()))
        .collect();
    counts.sort_unstable();
    let child = receipt.children(receipt.root())[0].id();
    assert_eq!(counts, [(receipt.root().id(), 2), (child, 1)]);
}

/// What is tried again is one entry, also of more names than the kernel side remembers.
#[test]
fn many_names_that_are_tried_twice() {
    needs!();
    let watched = watch([
        "sh",
        "-c",
        "for round in 1 2; do i=0; while [ $i -lt 9000 ]; do true <missing$i; i=$((i+1)); done; done 2>/dev/null; exit 0",
    ]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    let failed = receipt.failed_below(&folder);
    assert_eq!(failed.len(), 9000);
    let otherwise: Vec<_> = failed.iter().filter(|(_, count)| **count != 2).collect();
    assert!(otherwise.is_empty(), "{otherwise:?}");
    let entries = receipt.failed_uses();
    assert_eq!(
        entries.iter().filter(|entry| entry.path().is_some_and(|path| path.starts_with(&folder))).count(),
        9000
    );
}

/// A search along PATH is a failed attempt per folder, and nothing is lost among them.
#[test]
fn many_different_names_are_all_there() {
    needs!();
    let watched = watch([
        "sh",
        "-c",
        "i=0; while [ $i -lt 3000 ]; do true <missing$i; i=$((i+1)); done 2>/dev/null; exit 0",
    ]);
    let folder = watched.folder();
    let failed = watched.run().complete(0).failed_below(&folder);
    assert_eq!(failed.len(), 3000);
    assert!(failed.values().all(|count| *count == 1), "{failed:?}");
}
