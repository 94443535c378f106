//! io_uring: the same facts as for plain calls, from requests that make no call of their own.

use std::fs;

use crate::support::privilege::needs;
use crate::support::watch::Watch;
use crate::support::{program, watch};

fn uring(sqpoll: bool, steps: &[&str]) -> Watch {
    let mut words = command![program("uring")];
    if sqpoll {
        words.push("sqpoll".into());
    }
    words.extend(steps.iter().map(Into::into));
    watch(words)
}

/// O_RDWR | O_CREAT.
const CREATE: &str = "0102 0644";

fn reads_and_writes(sqpoll: bool) {
    let create = format!("a=openat new {CREATE}");
    let watched = uring(
        sqpoll,
        &[
            &create,
            "write a 100",
            "close a",
            "b=openat old 0 0",
            "read b 10",
            "read b 500",
            "fails ENOENT openat missing 0 0",
            "fails ENOENT openat2 /nowhere/../below 0x10",
        ],
    );
    let folder = watched.folder();
    fs::write(folder.join("old"), [b'x'; 50]).unwrap();
    let Some(receipt) = watched.run().complete_if_supported() else { return };
    receipt.expect_file(folder.join("new"), "open 1, create 1, write 1", 0, 100);
    receipt.expect_file(folder.join("old"), "open 1, read 2", 50, 0);
    assert_eq!(receipt.file(folder.join("old")).source(), "kernel");
    let failed = receipt.failed_below(&folder);
    assert_eq!(failed.get("open ENOENT missing"), Some(&1));
    // The working directory stands for the root.
    assert_eq!(failed.get("open ENOENT below"), Some(&1), "{failed:?}");
    receipt.artifact(folder.join("new")).expect_content(&[b'x'; 100]);
    assert_eq!(receipt.file(folder.join("new")).processes(), [receipt.root().id()]);
}

#[test]
fn what_is_read_and_written() {
    needs!();
    reads_and_writes(false);
}

/// A thread of the kernel's submits the requests; they are the process's all the same.
#[test]
fn what_a_kernel_thread_submits() {
    needs!();
    reads_and_writes(true);
}

#[test]
fn changes() {
    needs!();
    for sqpoll in [false, true] {
        let watched = uring(
            sqpoll,
            &[
                "mkdirat made 0755",
                "linkat file hard",
                "symlinkat text link",
                "renameat file sub//../moved",
                "unlinkat hard 0",
                "unlinkat made 0x200",
                "fails ENOENT unlinkat missing 0",
            ],
        );
        let folder = watched.folder();
        fs::create_dir(folder.join("sub")).unwrap();
        fs::write(folder.join("file"), "content").unwrap();
        let Some(receipt) = watched.run().complete_if_supported() else { return };
        let expected = [
            "mkdir made",
            "link file -> hard",
            "symlink link",
            "rename file -> moved",
            "delete hard",
            "rmdir made",
        ];
        assert_eq!(receipt.changes_below(&folder), expected);
        assert_eq!(receipt.failed_below(&folder).get("delete ENOENT missing"), Some(&1));
        for change in receipt.changes() {
            assert_eq!(change.source(), "argument", "{change:?}");
            assert_eq!(change.process(), receipt.root().id());
        }
    }
}

/// What is refused before it is a request has no names that could be told; it is counted.
#[test]
fn requests_that_are_refused_at_once() {
    needs!();
    let steps =
        ["fails EINVAL openat one 0 0 1", "fails EINVAL openat two 0 0 1", "fails ENOENT openat three 0 0"];
    let watched = uring(false, &steps);
    let folder = watched.folder();
    let Some(receipt) = watched.run().complete_if_supported() else { return };
    assert_eq!(receipt.failed_below(&folder).get("open ENOENT three"), Some(&1));
    assert_eq!(receipt.failed_below(&folder).len(), 1);
    let spots = receipt.at("/observation/blind_spots").to_string();
    assert!(spots.contains("io_uring:openat 2"), "{spots}");
}

/// Which file a read or a write that failed was to move bytes of is not told; that there was one is.
#[test]
fn reads_and_writes_that_fail() {
    needs!();
    let steps = [
        "d=openat sub 0 0",
        "fails EISDIR read d 10",
        "fails EISDIR read d 10",
        "f=openat file 0 0",
        "fails EBADF write f 10",
    ];
    let watched = uring(false, &steps);
    let folder = watched.folder();
    fs::create_dir(folder.join("sub")).unwrap();
    fs::write(folder.join("file"), "content").unwrap();
    let Some(receipt) = watched.run().complete_if_supported() else { return };
    let spots = receipt.at("/observation/blind_spots").to_string();
    assert!(spots.contains("io_uring:read 2") && spots.contains("io_uring:write 1"), "{spots}");
}

/// A request may ask for no completion: that it was made is known, and how it ended is not.
#[test]
fn completions_that_are_skipped() {
    needs!();
    let create = format!("a=openat file {CREATE}");
    let watched =
        uring(false, &[&create, "skip write a 100", "skip mkdirat made 0755", "skip unlinkat gone 0"]);
    let folder = watched.folder();
    fs::write(folder.join("gone"), "").unwrap();
    let Some(receipt) = watched.run().complete_if_supported() else { return };
    let changes = receipt.changes();
    for line in ["mkdir made", "delete gone"] {
        let change = changes.iter().find(|change| change.line(&folder) == line);
        let change = change.unwrap_or_else(|| panic!("no {line} in {changes:?}"));
        assert!(change.has_no_result(), "{change:?}");
    }
    let file = receipt.file(folder.join("file"));
    assert_eq!(file.operation("write"), 1, "{file:?}");
}

/// A registered file has no descriptor that a call would name.
#[test]
fn registered_files() {
    needs!();
    let create = format!("a=openat file {CREATE}");
    let watched = uring(false, &[&create, "register a", "fixed write 0 30", "close a", "fixed write 0 5"]);
    let folder = watched.folder();
    let Some(receipt) = watched.run().complete_if_supported() else { return };
    let file = receipt.file(folder.join("file"));
    assert_eq!((file.bytes_written(), file.operation("write")), (35, 2), "{file:?}");
}
