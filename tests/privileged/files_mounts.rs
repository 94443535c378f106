//! Mounts, roots and mount namespaces: `path` is where a file is for the host's view of the process's namespace, and
//! `path_in_root` where the process sees it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::support::privilege::needs;
use crate::support::{calls, program, watch};

/// Of its own, so that nothing is left behind.
const PRIVATE: &str = "unshare CLONE_NEWNS ; mount null / null MS_REC|MS_PRIVATE";

#[test]
fn a_mount_and_its_end() {
    needs!();
    let watched = calls(&[
        PRIVATE,
        "mount none point tmpfs 0 size=1m",
        "a=openat AT_FDCWD point/file O_WRONLY|O_CREAT 0600 ; write a 3 ; close a",
        "umount2 point MNT_DETACH",
        "fails EINVAL umount2 point 0",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("point")).unwrap();
    let receipt = watched.run().complete(0);
    let mounts = receipt.changes_by("mount");
    let mount = mounts.last().unwrap();
    assert_eq!((mount.new_path(), mount.file_system()), (Some(folder.join("point")), Some("tmpfs")));
    assert_eq!(receipt.change_by("umount").path(), Some(folder.join("point")));
    assert_eq!(receipt.failed_below(&folder).get("umount EINVAL point"), Some(&1));
    let file = receipt.file(folder.join("point/file"));
    assert_eq!((file.source(), file.bytes_written()), ("kernel", 3), "{file:?}");
}

/// What may be done on a mount, and what it passes on, can be changed afterwards.
#[test]
fn attributes_of_a_mount() {
    needs!();
    let watched = calls(&[
        PRIVATE,
        "mount none point tmpfs",
        "mount_setattr AT_FDCWD point 0x8000 1 8 0x100000 32",
        "fails EROFS mkdir point/sub 0700",
        "d=openat AT_FDCWD point O_PATH ; mount_setattr d %00 AT_EMPTY_PATH 0 1 0 32 ; mkdir point/sub 0700",
        "fails EINVAL mount_setattr d sub 0 1 0 0 32",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("point")).unwrap();
    let receipt = watched.run().complete(0);
    let changes = receipt.changes_by("mount_setattr");
    let told: Vec<_> =
        changes.iter().map(|change| (change.path(), change.flags(), change.mount_attributes())).collect();
    let point = Some(folder.join("point"));
    assert_eq!(
        told,
        [
            (point.clone(), Some(0x8000), (Some(1), Some(8), Some(0x10_0000))),
            (point, Some(0x1000), (Some(0), Some(1), None)),
        ]
    );
    assert_eq!(receipt.failed_below(&folder).get("mount_setattr EINVAL point/sub"), Some(&1));
}

/// What is reached by a bind mount is where it was reached.
#[test]
fn a_bind_mount_is_a_place_of_its_own() {
    needs!();
    let watched = calls(&[
        PRIVATE,
        "mount here there null MS_BIND",
        "openat AT_FDCWD here/file O_RDONLY",
        "openat AT_FDCWD there/file O_RDONLY",
        "openat AT_FDCWD there/sub/deep O_RDONLY",
        "mkdir there/made 0700",
    ]);
    let folder = watched.folder();
    fs::create_dir_all(folder.join("here/sub")).unwrap();
    fs::create_dir(folder.join("there")).unwrap();
    fs::write(folder.join("here/file"), "").unwrap();
    fs::write(folder.join("here/sub/deep"), "").unwrap();
    let receipt = watched.run().complete(0);
    let here = receipt.file(folder.join("here/file"));
    let there = receipt.file(folder.join("there/file"));
    assert_eq!((here.device(), here.inode()), (there.device(), there.inode()), "one file under two paths");
    receipt.expect_file(folder.join("there/sub/deep"), "open 1", 0, 0);
    assert_eq!(receipt.change_by("mkdir").path(), Some(folder.join("there/made")));
}

/// The host's path and the one that the process uses.
#[test]
fn a_changed_root() {
    needs!();
    let watched = calls(&[
        "chroot jail",
        "chdir /",
        "openat AT_FDCWD /inner/file O_RDONLY",
        "mkdir /inner/made 0700",
        "mkdir ../../outside 0700",
        "fails ENOENT openat AT_FDCWD /inner/missing O_RDONLY",
    ]);
    let folder = watched.folder();
    fs::create_dir_all(folder.join("jail/inner")).unwrap();
    fs::write(folder.join("jail/inner/file"), "").unwrap();
    let receipt = watched.run().complete(0);
    let file = receipt.file(folder.join("jail/inner/file"));
    assert_eq!(file.path_in_root(), Some("/inner/file".into()), "{file:?}");
    assert_eq!(receipt.change_by("chroot").path(), Some(folder.join("jail")));
    let made: Vec<_> = receipt.changes_by("mkdir").iter().map(|change| change.path().unwrap()).collect();
    assert_eq!(made, [folder.join("jail/inner/made"), folder.join("jail/outside")], "`..` ends at the root");
    assert_eq!(receipt.failed_below(&folder).get("open ENOENT jail/inner/missing"), Some(&1));
}

/// A file outside of the root that the process still has a directory of.
#[test]
fn a_way_out_of_a_changed_root() {
    needs!();
    let watched = calls(&[
        "d=openat AT_FDCWD . O_RDONLY|O_DIRECTORY",
        "chroot jail",
        "openat d secret O_RDONLY",
        "fchdir d ; chdir sub ; openat AT_FDCWD ../escaped O_RDONLY|O_CREAT 0600 ; unlink ../escaped",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("jail")).unwrap();
    fs::create_dir(folder.join("sub")).unwrap();
    fs::write(folder.join("secret"), "").unwrap();
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join("secret"), "open 1", 0, 0);
    let outside = folder.join("escaped");
    assert_eq!(receipt.file(&outside).operation("create"), 1);
    assert_eq!(receipt.change_by("delete").path(), Some(outside));
}

#[test]
fn another_root_of_the_namespace() {
    needs!();
    let watched = calls(&[
        PRIVATE,
        "mount none jail tmpfs 0 size=1m",
        "mkdir jail/old 0700",
        "chdir jail",
        "pivot_root . old",
        "chdir /",
        "a=openat AT_FDCWD /file O_WRONLY|O_CREAT 0600 ; write a 4",
        "umount2 /old MNT_DETACH",
        "b=openat AT_FDCWD /later O_WRONLY|O_CREAT 0600 ; write b 5",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("jail")).unwrap();
    let receipt = watched.run().complete(0);
    assert_eq!(receipt.changes_by("pivot_root").len(), 1);
    // The namespace's root is the file system itself now.
    let file = receipt.file("/file");
    assert_eq!(file.bytes_written(), 4, "{file:?}");
    receipt.file("/later");
}

/// A namespace that was made before: the same names, other files.
#[test]
fn another_mount_namespace() {
    needs!("unshare", "mount");
    let script = format!(
        "mount -t tmpfs none point && echo 12345 >point/file && {} 'a=openat AT_FDCWD point/file O_RDONLY ; read a 100'",
        program("calls").display()
    );
    let watched = watch(["unshare", "-m", "sh", "-c", &script]);
    let folder = watched.folder();
    fs::create_dir(folder.join("point")).unwrap();
    fs::write(folder.join("point/file"), "the host's").unwrap();
    let host = fs::metadata(folder.join("point/file")).unwrap().dev();
    let receipt = watched.run().complete(0);
    let file = receipt.file(folder.join("point/file"));
    assert_eq!((file.bytes_read(), file.bytes_written()), (6, 6), "{file:?}");
    let device = format!("{}:{}", nix::sys::stat::major(host), nix::sys::stat::minor(host));
    assert_ne!(file.device(), device, "not the host's file of that name");
}

/// The upper file system's own inode is nobody's business: the path is in the overlay.
#[test]
fn files_of_an_overlay() {
    needs!();
    let watched = calls(&[
        PRIVATE,
        "mount none base tmpfs 0 size=4m",
        "mkdir base/lower 0755 ; mkdir base/upper 0755 ; mkdir base/work 0755 ; mkdir base/merged 0755",
        "l=openat AT_FDCWD base/lower/below O_WRONLY|O_CREAT 0600 ; write l 50 ; close l",
        "mount overlay base/merged overlay 0 lowerdir=base/lower,upperdir=base/upper,workdir=base/work",
        "a=openat AT_FDCWD base/merged/below O_RDONLY ; read a 10 ; close a",
        "b=openat AT_FDCWD base/merged/below O_RDWR ; pwrite64 b 7 0 ; read b 3",
        "c=openat AT_FDCWD base/merged/new O_WRONLY|O_CREAT 0600 ; write c 20",
        "rename base/merged/new base/merged/renamed",
        "unlink base/merged/below",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("base")).unwrap();
    let run = watched.run();
    if run.stderr.contains("ENODEV") {
        return;
    }
    let receipt = run.complete(0);
    let below = receipt.files_at(folder.join("base/merged/below"));
    let (read, written) =
        below.iter().fold((0, 0), |sum, file| (sum.0 + file.bytes_read(), sum.1 + file.bytes_written()));
    assert_eq!((read, written), (13, 7), "{below:?}");
    receipt.expect_file(folder.join("base/merged/new"), "open 1, create 1, write 1", 0, 20);
    let changes = receipt.changes_below(&folder);
    assert!(changes.contains(&"rename base/merged/new -> base/merged/renamed".to_owned()), "{changes:?}");
    assert!(changes.contains(&"delete base/merged/below".to_owned()), "{changes:?}");
    let paths = receipt.files_below(&folder);
    assert!(!paths.iter().any(|path| path.starts_with("base/upper")), "{paths:?}");
}

/// A directory that is mounted nowhere is unreachable, and its files have a path all the same.
#[test]
fn a_detached_tree() {
    needs!();
    let watched =
        calls(&[PRIVATE, "t=open_tree AT_FDCWD sub OPEN_TREE_CLONE", "a=openat t file O_RDONLY ; read a 3"]);
    let folder = watched.folder();
    fs::create_dir(folder.join("sub")).unwrap();
    fs::write(folder.join("sub/file"), "content").unwrap();
    let run = watched.run();
    let receipt = run.complete(0);
    let inode = fs::metadata(folder.join("sub/file")).unwrap().ino();
    let found: Vec<_> = receipt.files().into_iter().filter(|file| file.inode() == inode).collect();
    assert_eq!(found.len(), 1, "{:?}", receipt.files());
    assert_eq!(found[0].bytes_read(), 3);
    assert_eq!(found[0].path().unwrap().file_name().unwrap(), "file", "{found:?}");
    assert_eq!(found[0].0["unreachable"], true, "{found:?}");
    let others =
        receipt.files().into_iter().filter(|file| file.path().is_some_and(|path| path.starts_with(&folder)));
    assert!(others.into_iter().all(|file| file.0.get("unreachable").is_none()), "{:?}", receipt.files());
}
