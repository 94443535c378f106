//! How much was read and written, to the byte, by every call that can.

use std::fs;

use crate::support::privilege::needs;
use crate::support::{calls, program, watch};

#[test]
fn every_call_that_reads() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD file O_RDONLY",
        "read a 10",
        "pread64 a 20 100",
        "readv a 30,1",
        "preadv a 40,2 7",
        "preadv2 a 50,3 -1 0",
        "preadv2 a 60,4 9 0",
        "lseek a 990 SEEK_SET ; read a 500 ; read a 500",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("file"), [b'x'; 1000]).unwrap();
    let receipt = watched.run().complete(0);
    let read = 10 + 20 + 31 + 42 + 53 + 64 + 10;
    receipt.expect_file(folder.join("file"), "open 1, read 8", read, 0);
}

#[test]
fn every_call_that_writes() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD file O_WRONLY|O_CREAT 0600",
        "write a 10",
        "pwrite64 a 20 100",
        "writev a 30,1",
        "pwritev a 40,2 7",
        "pwritev2 a 50,3 -1 0",
        "pwritev2 a 60,4 9 0",
        "write a 0",
    ]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    let file = receipt.file(folder.join("file"));
    assert_eq!(file.bytes_written(), 10 + 20 + 31 + 42 + 53 + 64, "{file:?}");
    assert!([6, 7].contains(&file.operation("write")), "writing nothing may count: {file:?}");
    assert_eq!(file.bytes_read(), 0);
}

/// Bytes that the kernel moves are read from one file and written to the other.
#[test]
fn what_the_kernel_copies() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD from O_RDONLY",
        "b=openat AT_FDCWD sent O_WRONLY|O_CREAT 0600 ; sendfile b a 0 100 ; sendfile b a null 50",
        "c=openat AT_FDCWD copied O_WRONLY|O_CREAT 0600 ; copy_file_range a 0 c 0 300 0",
        "pipe r w ; splice a 0 w null 70 0",
        "d=openat AT_FDCWD spliced O_WRONLY|O_CREAT 0600 ; splice r null d 0 70 0",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("from"), [b'x'; 1000]).unwrap();
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join("from"), "open 1, read 4", 100 + 50 + 300 + 70, 0);
    receipt.expect_file(folder.join("sent"), "open 1, create 1, write 2", 0, 150);
    receipt.expect_file(folder.join("copied"), "open 1, create 1, write 1", 0, 300);
    receipt.expect_file(folder.join("spliced"), "open 1, create 1, write 1", 0, 70);
}

#[test]
fn directory_entries() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD . O_RDONLY|O_DIRECTORY",
        "2x getdents64 a 32768",
        "b=openat AT_FDCWD . O_RDONLY|O_DIRECTORY ; getdents b 32768",
    ]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    let entry = receipt.file(&folder);
    assert_eq!((entry.operation("open"), entry.operation("read_directory")), (2, 3), "{entry:?}");
    assert_eq!(entry.bytes_read(), 0, "names are no content: {entry:?}");
}

#[test]
fn mappings() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD shared O_RDWR ; x=mmap a 4096 PROT_READ|PROT_WRITE MAP_SHARED ; poke x 10",
        "b=openat AT_FDCWD private O_RDWR ; x=mmap b 4096 PROT_READ|PROT_WRITE MAP_PRIVATE ; poke x 10",
        "c=openat AT_FDCWD code O_RDONLY ; mmap c 4096 PROT_READ|PROT_EXEC MAP_PRIVATE",
        "d=openat AT_FDCWD read O_RDONLY ; mmap d 4096 PROT_READ MAP_SHARED",
    ]);
    let folder = watched.folder();
    for name in ["shared", "private", "code", "read"] {
        fs::write(folder.join(name), [b'x'; 4096]).unwrap();
    }
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join("shared"), "open 1, map_writable 1", 0, 0);
    receipt.expect_file(folder.join("private"), "open 1", 0, 0);
    receipt.expect_file(folder.join("code"), "open 1, map_executable 1", 0, 0);
    receipt.expect_file(folder.join("read"), "open 1", 0, 0);
    let mut changed = [b'x'; 4096];
    changed[..10].fill(b'p');
    let artifact = receipt.artifact(folder.join("shared"));
    assert_eq!(artifact.expect_content(&changed).change(), "modified");
    let others: Vec<_> = receipt.artifacts().iter().map(|artifact| artifact.path()).collect();
    assert_eq!(others, [folder.join("shared")], "nothing else was changed");
}

/// What a mapping may do can be changed after it was made, without the file being named again.
#[test]
fn a_mapping_that_is_made_writable_later() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD file O_RDWR ; x=mmap a 4096 PROT_READ MAP_SHARED ; close a",
        "mprotect x 4096 PROT_READ|PROT_WRITE ; poke x 10",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("file"), [b'x'; 4096]).unwrap();
    let receipt = watched.run().complete(0);
    let mut changed = [b'x'; 4096];
    changed[..10].fill(b'p');
    assert_eq!(receipt.artifact(folder.join("file")).expect_content(&changed).change(), "modified");
}

/// Requests that a call hands over in a batch.
#[test]
fn what_is_submitted() {
    needs!();
    let watched = watch(command![program("aio"), "file"]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    let file = receipt.file(folder.join("file"));
    assert_eq!((file.bytes_read(), file.bytes_written()), (40, 100), "{file:?}");
    assert_eq!(receipt.artifact(folder.join("file")).0["size_bytes"].as_u64(), Some(100));
}

/// Both processes' reads of one open file, each for itself.
#[test]
fn a_fork_shares_the_descriptor() {
    needs!();
    let watched =
        calls(&["a=openat AT_FDCWD file O_RDWR ; read a 10", "child read a 20 ; write a 5", "read a 40"]);
    let folder = watched.folder();
    fs::write(folder.join("file"), [b'x'; 1000]).unwrap();
    let receipt = watched.run().complete(0);
    let file = receipt.file(folder.join("file"));
    assert_eq!((file.bytes_read(), file.bytes_written()), (70, 5), "{file:?}");
    let child = receipt.children(receipt.root())[0];
    let counts = crate::support::files::counts_of;
    assert_eq!(file.by(receipt.root()), (counts("open 1, read 2"), 50, 0));
    assert_eq!(file.by(child), (counts("read 1, write 1"), 20, 5));
}

/// What the command was given is reported as such, when it is used.
#[test]
fn redirections_are_inherited() {
    needs!();
    let watched = watch(["sh", "-c", "head -c 5 >/dev/null; echo 123456789"]);
    let folder = watched.folder();
    fs::write(folder.join("input"), "0123456789").unwrap();
    let run = watched.after("exec <input >output 5</dev/zero").run();
    let receipt = run.complete(0);
    let input = receipt.file(folder.join("input"));
    assert_eq!(input.origin(), "inherited", "{input:?}");
    assert!(input.bytes_read() >= 5, "{input:?}");
    assert_eq!(input.operation("open"), 0, "{input:?}");
    let output = receipt.file(folder.join("output"));
    assert_eq!(output.origin(), "inherited", "{output:?}");
    assert_eq!(output.bytes_written(), 10, "{output:?}");
}

/// What is closed by the exec is nothing that the command was given.
#[test]
fn descriptors_that_an_exec_closes_are_not_reported() {
    needs!("python3");
    let script = "import os, sys; d = os.open('private', os.O_RDONLY | os.O_CLOEXEC); \
                  e = os.open('given', os.O_RDONLY); os.set_inheritable(e, True); os.dup2(e, 7); \
                  os.execvp(sys.argv[1], sys.argv[1:])";
    let watched = calls(&["read 7 3"]).under(["python3", "-c", script]);
    let folder = watched.folder();
    fs::write(folder.join("private"), "12345").unwrap();
    fs::write(folder.join("given"), "12345").unwrap();
    let receipt = watched.run().complete(0);
    assert_eq!(receipt.files_at(folder.join("private")).len(), 0);
    let given = receipt.file(folder.join("given"));
    assert_eq!((given.origin(), given.bytes_read()), ("inherited", 3), "{given:?}");
}

/// A million small reads are one entry with their sum.
#[test]
fn many_small_reads_add_up() {
    needs!();
    let watched =
        calls(&["a=openat AT_FDCWD file O_RDWR", "200000x pread64 a 7 0", "100000x pwrite64 a 3 0"]);
    let folder = watched.folder();
    fs::write(folder.join("file"), "0123456789").unwrap();
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join("file"), "open 1, read 200000, write 100000", 1_400_000, 300_000);
}
