//! Every way of opening a file, and of getting one that somebody else has opened.

use std::fs;

use crate::support::privilege::needs;
use crate::support::{calls, calls_32, public_program, watch};

#[test]
fn every_call_that_opens() {
    needs!();
    let watched = calls(&[
        "open one O_RDONLY",
        "2x openat AT_FDCWD two O_RDONLY",
        "3x openat2 AT_FDCWD three O_RDONLY",
        "a=openat AT_FDCWD . O_PATH|O_DIRECTORY",
        "openat a four O_RDONLY",
        "creat five 0600",
        "open_by_handle AT_FDCWD six O_RDONLY",
    ]);
    let folder = watched.folder();
    for name in ["one", "two", "three", "four", "six"] {
        fs::write(folder.join(name), "").unwrap();
    }
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join("one"), "open 1", 0, 0);
    receipt.expect_file(folder.join("two"), "open 2", 0, 0);
    receipt.expect_file(folder.join("three"), "open 3", 0, 0);
    receipt.expect_file(folder.join("four"), "open 1", 0, 0);
    receipt.expect_file(folder.join("six"), "open 1", 0, 0);
    let five = receipt.file(folder.join("five"));
    assert_eq!((five.operation("open"), five.operation("create")), (1, 1), "{five:?}");
    for file in receipt.files() {
        assert_eq!(file.source(), "kernel", "{file:?}");
        assert_eq!(file.origin(), "opened", "{file:?}");
    }
}

/// The kernel's own facts of each file: what it is, and which.
#[test]
fn kinds_and_identities() {
    needs!();
    let watched = calls(&[
        "mknod fifo S_IFIFO|0600 0",
        "openat AT_FDCWD fifo O_RDWR|O_NONBLOCK",
        "openat AT_FDCWD . O_RDONLY|O_DIRECTORY",
        "openat AT_FDCWD /dev/zero O_RDONLY",
        "openat AT_FDCWD /proc/self/stat O_RDONLY",
        "openat AT_FDCWD plain O_RDONLY",
        "openat AT_FDCWD link O_RDONLY",
        "openat AT_FDCWD link O_PATH|O_NOFOLLOW",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("plain"), "").unwrap();
    std::os::unix::fs::symlink("plain", folder.join("link")).unwrap();
    let run = watched.run();
    let receipt = run.complete(0);
    let kind = |path: &std::path::Path| receipt.file(path).kind().to_owned();
    assert_eq!(kind(&folder.join("fifo")), "fifo");
    assert_eq!(kind(&folder), "directory");
    assert_eq!(kind("/dev/zero".as_ref()), "char_device");
    let plain = receipt.file(folder.join("plain"));
    assert_eq!(plain.kind(), "regular");
    assert_eq!(plain.operation("open"), 2, "by its name and by the link: {plain:?}");
    let facts = fs::metadata(folder.join("plain")).unwrap();
    let device = std::os::unix::fs::MetadataExt::dev(&facts);
    assert_eq!(plain.inode(), std::os::unix::fs::MetadataExt::ino(&facts));
    assert_eq!(
        plain.device(),
        format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device))
    );
    let proc: Vec<_> = receipt.files().into_iter().filter(|file| file.kind() == "proc").collect();
    assert_eq!(proc.len(), 1, "{proc:?}");
    let path = proc[0].path().unwrap();
    assert_eq!(path, std::path::PathBuf::from(format!("/proc/{}/stat", receipt.root().pid())));
}

#[test]
fn created_is_told_from_found() {
    needs!();
    let watched = calls(&[
        "openat AT_FDCWD new O_WRONLY|O_CREAT 0600",
        "2x openat AT_FDCWD new O_WRONLY|O_CREAT 0600",
        "openat AT_FDCWD old O_WRONLY|O_CREAT 0600",
        "openat AT_FDCWD alone O_WRONLY|O_CREAT|O_EXCL 0600",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("old"), "content").unwrap();
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join("new"), "open 3, create 1", 0, 0);
    receipt.expect_file(folder.join("old"), "open 1", 0, 0);
    receipt.expect_file(folder.join("alone"), "open 1, create 1", 0, 0);
    assert_eq!(receipt.changes_below(&folder), ["create new", "create alone"]);
}

#[test]
fn truncation_by_opening() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD old O_WRONLY|O_TRUNC ; write a 3",
        "openat AT_FDCWD old O_WRONLY|O_CREAT|O_TRUNC 0600",
        "openat AT_FDCWD other O_WRONLY",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("old"), "content").unwrap();
    fs::write(folder.join("other"), "content").unwrap();
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join("old"), "open 2, truncate 2, write 1", 0, 3);
    receipt.expect_file(folder.join("other"), "open 1", 0, 0);
    assert_eq!(receipt.changes_below(&folder), ["truncate old", "truncate old"]);
}

#[test]
fn files_without_a_name() {
    needs!();
    let watched = calls(&[
        "m=memfd_create secret%0aname MFD_CLOEXEC ; write m 100 ; pread64 m 40 0",
        "t=openat AT_FDCWD . O_TMPFILE|O_RDWR 0600 ; write t 30",
    ]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    let memory: Vec<_> = receipt.files().into_iter().filter(|file| file.kind() == "memfd").collect();
    assert_eq!(memory.len(), 1, "{:?}", receipt.files());
    assert_eq!((memory[0].bytes_read(), memory[0].bytes_written()), (40, 100));
    let name = memory[0].path().unwrap();
    assert!(name.to_str().unwrap().contains("secret\nname"), "{name:?}");
    let nameless: Vec<_> = receipt.files().into_iter().filter(|file| file.bytes_written() == 30).collect();
    assert_eq!(nameless.len(), 1, "{:?}", receipt.files());
    assert_eq!(nameless[0].kind(), "regular");
    assert_eq!(nameless[0].operation("open"), 1);
    assert_eq!(nameless[0].path().unwrap().parent(), Some(folder.as_path()), "{:?}", nameless[0]);
}

/// A nameless file that is given a name is an artifact under it.
#[test]
fn a_nameless_file_gets_a_name() {
    needs!();
    let watched = calls(&[
        "t=openat AT_FDCWD . O_TMPFILE|O_RDWR 0640 ; write t 30",
        "linkat t %00 AT_FDCWD named AT_EMPTY_PATH",
    ]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    assert_eq!(receipt.change_by("link").new_path(), Some(folder.join("named")));
    receipt.artifact(folder.join("named")).expect_content(&[b'x'; 30]);
}

/// Of several nameless files each gets the name that it is given by the name of its descriptor.
#[test]
fn nameless_files_get_names_by_their_descriptors() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD . O_TMPFILE|O_RDWR 0640 ; write a 30",
        "b=openat AT_FDCWD . O_TMPFILE|O_RDWR 0640 ; write b 50",
        "f=openat AT_FDCWD file O_RDONLY",
        "linkat AT_FDCWD /proc/self/fd/4 AT_FDCWD second AT_SYMLINK_FOLLOW",
        "linkat AT_FDCWD /proc/self/fd/5 AT_FDCWD hard AT_SYMLINK_FOLLOW",
        "linkat AT_FDCWD /proc/self/fd/3 AT_FDCWD first AT_SYMLINK_FOLLOW",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("file"), "content").unwrap();
    let receipt = watched.run().complete(0);
    let links = receipt.changes_by("link");
    let told: Vec<_> = links.iter().map(|link| (link.path().unwrap(), link.new_path().unwrap())).collect();
    let link = |fd: &str, name| (format!("/proc/self/fd/{fd}").into(), folder.join(name));
    assert_eq!(told, [link("4", "second"), link("5", "hard"), link("3", "first")]);
    receipt.artifact(folder.join("first")).expect_content(&[b'x'; 30]);
    receipt.artifact(folder.join("second")).expect_content(&[b'x'; 50]);
    let made: Vec<_> = receipt.artifacts().iter().map(|made| made.path()).collect();
    assert!(!made.contains(&folder.join("hard")), "nothing was written: {made:?}");
}

#[test]
fn a_descriptor_received_over_a_socket() {
    needs!();
    let watched =
        calls(&["helper r read r 10 ; read r 5", "a=openat AT_FDCWD file O_RDONLY", "read a 1 ; pass a"]);
    let folder = watched.folder();
    fs::write(folder.join("file"), [b'x'; 100]).unwrap();
    let receipt = watched.run().complete(0);
    let file = receipt.file(folder.join("file"));
    assert_eq!(file.processes().len(), 2);
    let child = receipt.children(receipt.root())[0];
    assert_eq!(file.by(child), (crate::support::files::counts_of("read 2"), 15, 0));
    assert_eq!(file.by(receipt.root()), (crate::support::files::counts_of("open 1, read 1"), 1, 0));
}

#[test]
fn a_descriptor_taken_by_pidfd_getfd() {
    needs!();
    let watched = calls(&[
        "helper r p=pidfd_open parent 0 ; t=pidfd_getfd p r 0 ; read t 10",
        "a=openat AT_FDCWD file O_RDONLY",
        "tell a",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("file"), [b'x'; 100]).unwrap();
    let receipt = watched.run().complete(0);
    let file = receipt.file(folder.join("file"));
    let child = receipt.children(receipt.root())[0];
    assert_eq!(file.by(child), (crate::support::files::counts_of("read 1"), 10, 0));
}

/// A duplicate is the same open file, whatever its number.
#[test]
fn duplicates_count_for_their_file() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD file O_RDONLY",
        "b=dup a ; read b 10",
        "dup2 a 50 ; read 50 10",
        "dup3 a 60 O_CLOEXEC ; read 60 10",
        "close a ; read 50 10",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("file"), [b'x'; 100]).unwrap();
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join("file"), "open 1, read 4", 40, 0);
}

#[test]
fn calls_of_a_32_bit_program() {
    needs!();
    let watched = calls_32(&[
        "open one O_RDONLY",
        "a=openat AT_FDCWD two O_RDWR|O_CREAT 0600 ; write a 100 ; pread64 a 10 5 ; pwrite64 a 7 50",
        "creat three 0600",
        "openat2 AT_FDCWD one O_RDONLY",
        "b=open three O_WRONLY ; sendfile64 b a 0 20 ; ftruncate64 b 5",
        "rename three four ; mkdir folder 0700 ; rmdir folder ; unlink one",
        "fails ENOENT open missing O_RDONLY",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("one"), "").unwrap();
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join("one"), "open 2", 0, 0);
    receipt.expect_file(folder.join("two"), "open 1, create 1, write 2, read 2", 30, 107);
    let three = receipt.file(folder.join("three"));
    assert_eq!((three.operation("open"), three.bytes_written()), (2, 20), "{three:?}");
    let changes = receipt.changes_below(&folder);
    let expected = ["create two", "create three", "truncate three", "rename three -> four", "mkdir folder"];
    assert_eq!(changes.iter().filter(|line| expected.contains(&line.as_str())).count(), 5, "{changes:?}");
    assert!(changes.ends_with(&["rmdir folder".into(), "delete one".into()]), "{changes:?}");
    assert_eq!(receipt.failed_below(&folder)["open ENOENT missing"], 1);
}

/// Whoever has no rights of its own opens files, too.
#[test]
fn an_ordinary_user_s_files() {
    needs!();
    let place = crate::support::watch::public_folder();
    let program = public_program(place.path(), "calls");
    let folder = crate::support::real(place.path());
    let watched = watch(command![program, "a=openat AT_FDCWD file O_RDONLY ; read a 100"])
        .options(command!["--user", "nobody", "--cwd", &folder]);
    fs::write(folder.join("file"), "content").unwrap();
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join("file"), "open 1, read 1", 7, 0);
}
