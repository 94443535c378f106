//! Names that are hard to write down, and places that are hard to name.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use crate::support::privilege::needs;
use crate::support::{calls, watch};

/// A name in the words of `calls`: every byte by its number.
fn spelled(name: &[u8]) -> String {
    name.iter().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn any_bytes_are_kept() {
    needs!();
    let mut names: Vec<Vec<u8>> = vec![
        b"line\nbreak".into(),
        b"\x1b]0;title\x07\x1b[2J".into(),
        b"not \xff\xfe UTF-8 \xc3".into(),
        b" ".into(),
        b"quote\"back\\slash".into(),
        "umlaut \u{fc} \u{202e}right".into(),
        b"(deleted)".into(),
        vec![b'n'; 255],
        vec![0x80; 255],
    ];
    names.push((1..=255u8).filter(|byte| *byte != b'/').collect());
    let steps: Vec<_> = names
        .iter()
        .map(|name| format!("a=openat AT_FDCWD {} O_WRONLY|O_CREAT 0600 ; write a 4", spelled(name)))
        .collect();
    let watched = calls(&steps);
    let folder = watched.folder();
    let run = watched.run();
    let receipt = run.complete(0);
    for name in &names {
        let path = folder.join(OsStr::from_bytes(name));
        receipt.expect_file(&path, "open 1, create 1, write 1", 0, 4);
        receipt.artifact(&path).expect_content(b"xxxx");
    }
    let control = run.stderr.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(control, None, "{:?}", run.stderr);
}

#[test]
fn any_bytes_are_kept_in_changes_and_failures() {
    needs!();
    let name = b"a\nb\x1b[2J\xff".as_slice();
    let spelled = spelled(name);
    let steps =
        [format!("mkdir {spelled} 0700"), format!("fails ENOENT openat AT_FDCWD {spelled}/x O_RDONLY")];
    let watched = calls(&[&steps[0], &steps[1]]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    let path = folder.join(OsStr::from_bytes(name));
    assert_eq!(receipt.change_by("mkdir").path(), Some(path.clone()));
    assert!(receipt.failed_uses().iter().any(|failed| failed.path() == Some(path.join("x"))));
}

/// Deeper than any path that a call takes: it can only be reached step by step.
#[test]
fn a_path_beyond_path_max() {
    needs!();
    let name = "d".repeat(200);
    let down = format!("30x mkdir {name} 0700 ; chdir {name}");
    let watched =
        calls(&[&down, "a=openat AT_FDCWD file O_WRONLY|O_CREAT 0600 ; write a 5", "mkdir leaf 0700"]);
    let folder = watched.folder();
    let run = watched.run();
    run.expect_code(0);
    let receipt = run.receipt();
    let file: Vec<_> = receipt.files().into_iter().filter(|file| file.bytes_written() == 5).collect();
    assert_eq!(file.len(), 1, "{:?}", receipt.files());
    let length = folder.as_os_str().len() + 30 * 201 + "/file".len();
    expect_whole_or_cut(&file[0].0["path"], length, "/file");
    let leaf = receipt.changes_by("mkdir").into_iter().last().unwrap();
    expect_whole_or_cut(&leaf.0["path"], length, "/leaf");
}

/// The whole of a path, or the end of it with its true length.
#[track_caller]
fn expect_whole_or_cut(path: &serde_json::Value, length: usize, end: &str) {
    let text = path.as_str().or(path["value"].as_str()).unwrap_or_else(|| panic!("{path}"));
    assert!(text.ends_with(end), "{path}");
    if path.is_string() {
        assert_eq!(text.len(), length);
        return;
    }
    assert_eq!(path["truncated"], true, "{path}");
    assert_eq!(path["length"].as_u64(), Some(length as u64), "{path}");
}

/// 126 folders deep, and every component as long as it can be.
#[test]
fn long_components() {
    needs!();
    let name = "c".repeat(255);
    let long = [name.as_str(); 14].join("/");
    let watched = calls(&[&format!("a=openat AT_FDCWD {long}/file O_RDONLY ; read a 2")]);
    let folder = watched.folder();
    fs::create_dir_all(folder.join(&long)).unwrap();
    fs::write(folder.join(&long).join("file"), "content").unwrap();
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join(&long).join("file"), "open 1, read 1", 2, 0);
}

/// The working directory has no name any more.
#[test]
fn a_deleted_working_directory() {
    needs!();
    let watched = calls(&[
        "chdir gone",
        "a=openat AT_FDCWD file O_RDWR",
        "unlink file",
        "rmdir ../gone",
        "read a 3",
        "fails ENOENT openat AT_FDCWD new O_WRONLY|O_CREAT 0600",
        "openat AT_FDCWD . O_RDONLY|O_DIRECTORY",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("gone")).unwrap();
    fs::write(folder.join("gone/file"), "content").unwrap();
    let receipt = watched.run().complete(0);
    let file = receipt.file(folder.join("gone/file"));
    assert_eq!((file.bytes_read(), file.operation("open")), (3, 1), "{file:?}");
    let deleted: Vec<_> = receipt.changes_below(&folder);
    assert_eq!(deleted, ["chdir gone", "delete gone/file", "rmdir gone"]);
    let again: Vec<_> = receipt.files().into_iter().filter(|file| file.kind() == "directory").collect();
    assert_eq!(again.len(), 1, "{:?}", receipt.files());
    assert_eq!(receipt.failed_uses().len(), 1, "{:?}", receipt.failed_uses());
}

/// The kernel says what is really opened, whatever it was called.
#[test]
fn aliases_of_one_file() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD file O_RDONLY",
        "dup2 a 20",
        "openat AT_FDCWD /proc/self/fd/20 O_RDONLY",
        "openat AT_FDCWD /dev/fd/20 O_RDONLY",
        "openat AT_FDCWD /proc/self/cwd/file O_RDONLY",
        "openat AT_FDCWD /proc/thread-self/root/proc/self/cwd/file O_RDONLY",
        "openat AT_FDCWD link O_RDONLY",
        "openat AT_FDCWD folder/file O_RDONLY",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("file"), "").unwrap();
    std::os::unix::fs::symlink("file", folder.join("link")).unwrap();
    std::os::unix::fs::symlink(".", folder.join("folder")).unwrap();
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join("file"), "open 7", 0, 0);
    assert_eq!(receipt.files_below(&folder).len(), 1, "{:?}", receipt.files());
}

#[test]
fn hard_links_are_two_paths_of_one_inode() {
    needs!();
    let watched = calls(&["openat AT_FDCWD one O_RDONLY", "a=openat AT_FDCWD two O_RDONLY ; read a 3"]);
    let folder = watched.folder();
    fs::write(folder.join("one"), "content").unwrap();
    fs::hard_link(folder.join("one"), folder.join("two")).unwrap();
    let inode = fs::metadata(folder.join("one")).unwrap().ino();
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join("one"), "open 1", 0, 0);
    receipt.expect_file(folder.join("two"), "open 1, read 1", 3, 0);
    assert_eq!(receipt.file(folder.join("one")).inode(), inode);
    assert_eq!(receipt.file(folder.join("two")).inode(), inode);
}

/// Each open is reported under the path of its time; what is read of a file that a process has open under several paths
/// counts for one of them.
#[test]
fn renamed_between_two_opens() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD dir/one O_RDONLY ; read a 1",
        "rename dir/one dir/two",
        "b=openat AT_FDCWD dir/two O_RDONLY ; read b 2",
        "rename dir moved",
        "c=openat AT_FDCWD moved/two O_RDONLY ; read c 3",
        "read a 1",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("dir")).unwrap();
    fs::write(folder.join("dir/one"), "content").unwrap();
    let receipt = watched.run().complete(0);
    let reads = |name: &str| receipt.file(folder.join(name)).bytes_read();
    assert_eq!(receipt.file(folder.join("dir/one")).operation("open"), 1);
    assert_eq!(receipt.file(folder.join("dir/two")).operation("open"), 1);
    assert_eq!(receipt.file(folder.join("moved/two")).operation("open"), 1);
    assert_eq!(reads("dir/one") + reads("dir/two") + reads("moved/two"), 7);
    assert_eq!(receipt.changes_below(&folder), ["rename dir/one -> dir/two", "rename dir -> moved"]);
}

/// A new file under an old name is another file.
#[test]
fn one_name_and_two_files() {
    needs!();
    let watched = calls(&[
        "k=openat AT_FDCWD name O_RDONLY",
        "unlink name",
        "a=openat AT_FDCWD name O_WRONLY|O_CREAT 0600 ; write a 9",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("name"), "content").unwrap();
    let old = fs::metadata(folder.join("name")).unwrap().ino();
    let receipt = watched.run().complete(0);
    let entries = receipt.files_at(folder.join("name"));
    assert_eq!(entries.len(), 2, "{entries:?}");
    let written: Vec<_> = entries.iter().filter(|file| file.bytes_written() == 9).collect();
    assert_eq!(written.len(), 1);
    assert_ne!(written[0].inode(), old);
}

/// Text of a program's that would be a lie: `..` behind a symbolic link.
#[test]
fn a_parent_behind_a_link() {
    needs!();
    let watched = calls(&["a=openat AT_FDCWD link/../file O_RDONLY ; read a 1"]);
    let folder = watched.folder();
    fs::create_dir_all(folder.join("far/away")).unwrap();
    fs::write(folder.join("far/file"), "far").unwrap();
    fs::write(folder.join("file"), "near").unwrap();
    std::os::unix::fs::symlink("far/away", folder.join("link")).unwrap();
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join("far/file"), "open 1, read 1", 1, 0);
    assert_eq!(receipt.files_at(folder.join("file")).len(), 0);
}

/// The names of 2,000 files in one run, to the last one.
#[test]
fn many_files_are_all_there() {
    needs!();
    let watched = watch(["sh", "-c", "i=0; while [ $i -lt 2000 ]; do echo $i >made$i; i=$((i+1)); done"]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    for n in 0..2000 {
        let length = n.to_string().len() as u64 + 1;
        receipt.expect_file(folder.join(format!("made{n}")), "open 1, create 1, write 1", 0, length);
    }
}
