//! Everything that changes a file or a name, with the paths made absolute.

use std::fs;

use crate::support::privilege::needs;
use crate::support::{calls, calls_32, program, watch, watch::Watch};

#[test]
fn names_made_and_removed() {
    needs!();
    let watched = calls(&[
        "mkdir one 0750",
        "mkdirat AT_FDCWD two 0700",
        "d=openat AT_FDCWD one O_PATH",
        "mkdirat d inner 0711",
        "mknod fifo S_IFIFO|0640 0",
        "mknodat d plain S_IFREG|0600 0",
        "symlink text link",
        "symlinkat %2e%2e/text d link",
        "link file hard",
        "linkat AT_FDCWD file d hard 0",
        "unlink file",
        "unlinkat d hard 0",
        "unlinkat d inner AT_REMOVEDIR",
        "rmdir two",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("file"), "content").unwrap();
    let receipt = watched.run().complete(0);
    let changes: Vec<_> =
        receipt.changes_below(&folder).into_iter().filter(|line| !line.starts_with("symlink")).collect();
    assert_eq!(
        changes,
        [
            "mkdir one",
            "mkdir two",
            "mkdir one/inner",
            "mknod fifo",
            "mknod one/plain",
            "link file -> hard",
            "link file -> one/hard",
            "delete file",
            "delete one/hard",
            "rmdir one/inner",
            "rmdir two",
        ]
    );
    let links = receipt.changes_by("symlink");
    assert_eq!(links.len(), 2);
    assert_eq!((links[0].target(), links[1].target()), (Some("text".into()), Some("../text".into())));
    let at: Vec<_> = links.iter().map(|link| link.path().unwrap()).collect();
    assert_eq!(at, [folder.join("link"), folder.join("one/link")]);
    for change in receipt.changes() {
        assert_eq!(change.process(), receipt.root().id());
    }
}

#[test]
fn renames() {
    needs!();
    let watched = calls(&[
        "d=openat AT_FDCWD sub O_PATH",
        "rename a b",
        "renameat AT_FDCWD b d c",
        "renameat2 d c AT_FDCWD e RENAME_NOREPLACE",
        "renameat2 AT_FDCWD e AT_FDCWD f RENAME_EXCHANGE",
        "fails EEXIST renameat2 AT_FDCWD e AT_FDCWD f RENAME_NOREPLACE",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("sub")).unwrap();
    fs::write(folder.join("a"), "a").unwrap();
    fs::write(folder.join("f"), "f").unwrap();
    let receipt = watched.run().complete(0);
    let expected = ["rename a -> b", "rename b -> sub/c", "rename sub/c -> e", "rename e -> f"];
    assert_eq!(receipt.changes_below(&folder), expected);
    let flags: Vec<_> = receipt.changes().iter().map(|change| change.flags().unwrap_or(0)).collect();
    assert_eq!(flags, [0, 0, 1, 2]);
    let failed = receipt.failed_below(&folder);
    assert_eq!(failed["rename EEXIST e"], 1, "{failed:?}");
}

#[test]
fn lengths() {
    needs!();
    let watched =
        calls(&["truncate file 10", "a=openat AT_FDCWD file O_RDWR ; ftruncate a 20", "fallocate a 0 0 100"]);
    let folder = watched.folder();
    fs::write(folder.join("file"), "content").unwrap();
    let receipt = watched.run().complete(0);
    let cuts = receipt.changes_by("truncate");
    assert!(cuts.len() >= 2, "{:?}", receipt.changes());
    assert_eq!(cuts[0].length(), Some(10), "{cuts:?}");
    assert_eq!(cuts[1].length(), Some(20), "{cuts:?}");
    for cut in cuts {
        assert_eq!(cut.path(), Some(folder.join("file")));
    }
    assert_eq!(receipt.artifact(folder.join("file")).change(), "modified");
}

#[test]
fn permissions() {
    needs!();
    let watched = calls(&[
        "chmod a 0601",
        "b=openat AT_FDCWD b O_RDONLY ; fchmod b 0602",
        "d=openat AT_FDCWD sub O_PATH ; fchmodat d c 04603",
        "chmod sub 0755",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("sub")).unwrap();
    for name in ["a", "b", "sub/c"] {
        fs::write(folder.join(name), "").unwrap();
    }
    let receipt = watched.run().complete(0);
    assert_eq!(receipt.changes_below(&folder), ["chmod a", "chmod b", "chmod sub/c", "chmod sub"]);
    let modes: Vec<_> = receipt.changes().iter().map(|change| change.mode().unwrap()).collect();
    assert_eq!(modes, [0o601, 0o602, 0o4603, 0o755]);
    assert_eq!(receipt.changes()[1].source(), "kernel", "by its descriptor");
}

/// fchmodat2 came with Linux 6.6.
#[test]
fn permissions_by_the_newest_call() {
    needs!();
    let watched = calls(&["fchmodat2 AT_FDCWD a 0604 0"]);
    let folder = watched.folder();
    fs::write(folder.join("a"), "").unwrap();
    let run = watched.run();
    if run.stderr.contains("ENOSYS") {
        return;
    }
    let receipt = run.complete(0);
    assert_eq!(receipt.changes_below(&folder), ["chmod a"]);
    assert_eq!(receipt.change_by("chmod").mode(), Some(0o604));
}

#[test]
fn owners() {
    needs!();
    let watched = calls(&[
        "chown a 11 12",
        "lchown link 13 14",
        "b=openat AT_FDCWD b O_RDONLY ; fchown b 15 -1",
        "fchownat AT_FDCWD a -1 16 AT_SYMLINK_NOFOLLOW",
        "fchownat b %00 17 18 AT_EMPTY_PATH",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("a"), "").unwrap();
    fs::write(folder.join("b"), "").unwrap();
    std::os::unix::fs::symlink("a", folder.join("link")).unwrap();
    let receipt = watched.run().complete(0);
    assert_eq!(receipt.changes_below(&folder), ["chown a", "chown link", "chown b", "chown a", "chown b"]);
    let ids: Vec<_> = receipt.changes().iter().map(|change| change.ids()).collect();
    let expected = [
        (Some(11), Some(12)),
        (Some(13), Some(14)),
        (Some(15), None),
        (None, Some(16)),
        (Some(17), Some(18)),
    ];
    assert_eq!(ids, expected);
}

#[test]
fn times() {
    needs!();
    let watched = calls(&[
        "utime a zero",
        "utimes a zero",
        "futimesat AT_FDCWD a zero",
        "utimensat AT_FDCWD a zero 0",
        "b=openat AT_FDCWD b O_RDONLY ; utimensat b null null 0",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("a"), "").unwrap();
    fs::write(folder.join("b"), "").unwrap();
    let receipt = watched.run().complete(0);
    let expected = ["utimens a", "utimens a", "utimens a", "utimens a", "utimens b"];
    assert_eq!(receipt.changes_below(&folder), expected);
}

#[test]
fn extended_attributes() {
    needs!();
    let watched = calls(&[
        "setxattr a user.one value 0",
        "lsetxattr a user.two value 0",
        "b=openat AT_FDCWD b O_RDONLY ; fsetxattr b user.three value 0",
        "removexattr a user.one",
        "lremovexattr a user.two",
        "fremovexattr b user.three",
        "fails ENODATA removexattr a user.one",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("a"), "").unwrap();
    fs::write(folder.join("b"), "").unwrap();
    let run = watched.run();
    if run.stderr.contains("ENOTSUP") || run.stderr.contains("EOPNOTSUPP") {
        return;
    }
    let receipt = run.complete(0);
    let expected =
        ["setxattr a", "setxattr a", "setxattr b", "removexattr a", "removexattr a", "removexattr b"];
    assert_eq!(receipt.changes_below(&folder), expected);
    for (change, name) in receipt.changes().iter().zip(["user.one", "user.two", "user.three"]) {
        assert_eq!(change.attribute(), Some(name));
    }
}

/// Paths come out absolute, without `.`, `..` and double slashes.
#[test]
fn paths_are_normalised() {
    needs!();
    let watched = calls(&[
        "mkdir sub//./x/../made 0700",
        "chdir sub",
        "mkdir ..//by-parent 0700",
        "d=openat AT_FDCWD made O_PATH",
        "mkdirat d ../../by-descriptor 0700",
        "unlink .././/file",
        "mkdir ./trailing/ 0700",
        "rename ../../../../../../../../../../../../proc/self/cwd/made moved",
    ]);
    let folder = watched.folder();
    fs::create_dir_all(folder.join("sub/x")).unwrap();
    fs::write(folder.join("file"), "").unwrap();
    let receipt = watched.run().complete(0);
    let changes = receipt.changes_below(&folder);
    let made: Vec<_> = changes.iter().filter(|line| !line.starts_with("chdir")).collect();
    assert_eq!(
        made[..5],
        ["mkdir sub/made", "mkdir by-parent", "mkdir by-descriptor", "delete file", "mkdir sub/trailing"]
    );
    assert_eq!(receipt.change_by("rename").new_path(), Some(folder.join("sub/moved")));
}

#[test]
fn where_a_process_is() {
    needs!();
    let watched =
        calls(&["chdir sub", "d=openat AT_FDCWD / O_PATH ; fchdir d", "fails ENOENT chdir missing"]);
    let folder = watched.folder();
    fs::create_dir(folder.join("sub")).unwrap();
    let receipt = watched.run().complete(0);
    let moves: Vec<_> = receipt.changes_by("chdir").iter().map(|change| change.path().unwrap()).collect();
    assert_eq!(moves, [folder.join("sub"), "/".into()]);
}

/// A socket's name in the file system is made by binding it.
#[test]
fn a_socket_is_given_a_name() {
    needs!();
    let watched = watch([program("bind_name")]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    assert!(receipt.changes_below(&folder).contains(&"mknod name".to_owned()), "{:?}", receipt.changes());
}

/// An attempt that failed is no change.
#[test]
fn failures_are_no_changes() {
    needs!();
    let watched = calls(&[
        "fails EEXIST mkdir sub 0700",
        "fails ENOENT unlink missing",
        "fails ENOTEMPTY rmdir sub",
        "fails EISDIR unlink sub",
        "fails ENOENT rename missing other",
        "fails EEXIST symlink text sub",
        "fails ENOENT chmod missing 0600",
        "fails ENOENT truncate missing 0",
        "fails ENOENT link missing other",
    ]);
    let folder = watched.folder();
    fs::create_dir_all(folder.join("sub/inner")).unwrap();
    let receipt = watched.run().complete(0);
    assert_eq!(receipt.changes_below(&folder), Vec::<String>::new());
    let failed = receipt.failed_below(&folder);
    for line in [
        "mkdir EEXIST sub",
        "delete ENOENT missing",
        "rmdir ENOTEMPTY sub",
        "delete EISDIR sub",
        "rename ENOENT missing",
        "symlink EEXIST sub",
        "chmod ENOENT missing",
        "truncate ENOENT missing",
        "link ENOENT missing",
    ] {
        assert_eq!(failed.get(line), Some(&1), "{line}: {failed:?}");
    }
}

/// That nobody may change a file: by the requests of ioctl, and by the call that came later.
#[test]
fn flags_of_an_inode() {
    needs!();
    sets_flags(calls, "0x40086602");
    sets_flags(calls_32, "0x40046602");
}

#[track_caller]
fn sets_flags(calls: fn(&[String]) -> Watch, request: &str) {
    let watched = calls(&[
        format!("a=openat AT_FDCWD file O_RDONLY ; try ioctl a {request} 0x80010"),
        "try unlink file ; try ioctl a 0x80086601 0 ; try ioctl a 0x80046601 0".to_owned(),
        "try ioctl a 0x401c5820 0x10 ; try file_setattr AT_FDCWD file 0 0 0 24 0".to_owned(),
        format!("try ioctl a {request} 0x80000 ; setgid 65534 ; setuid 65534"),
        format!("try ioctl a {request} 0x80010"),
    ]);
    let folder = watched.folder();
    fs::write(folder.join("file"), "").unwrap();
    let receipt = watched.run().complete(0);
    let failed = receipt.failed_below(&folder);
    // Not every file system has these flags.
    if ["ENOTTY", "EOPNOTSUPP"].iter().any(|errno| failed.contains_key(&format!("chattr {errno} file"))) {
        return;
    }
    assert_eq!(failed.get("delete EPERM file"), Some(&1), "the kernel has taken it: {failed:?}");
    assert_eq!(failed.get("chattr EPERM file"), Some(&1), "{failed:?}");
    let mut told = Vec::new();
    let changes = receipt.changes_by("chattr");
    for change in &changes {
        assert_eq!(change.path(), Some(folder.join("file")));
        told.push((change.call().trim_start_matches("i386:"), change.inode_flags(), change.flags()));
    }
    let mut expected = vec![
        ("ioctl", (Some(0x80010), None), None),
        ("ioctl", (None, Some(0x10)), None),
        ("file_setattr", (None, Some(0)), Some(0)),
        ("ioctl", (Some(0x80000), None), None),
    ];
    // Not every kernel has it.
    expected.retain(|(call, ..)| *call == "ioctl" || !failed.contains_key("chattr ENOSYS file"));
    assert_eq!(told, expected);
}
