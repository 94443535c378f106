#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::{
    fs,
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
};

use sha2::{Digest, Sha256};

use super::*;

fn commit(target: ReceiptTarget, content: &str) -> Result<Written, WriteError> {
    target.commit_with(None, &|out| out.write_all(content.as_bytes()))
}

fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_receipt_is_written_with_its_hash() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("receipt.json");
    let target = ReceiptTarget::open(&path).unwrap();
    assert!(entries(directory.path()).is_empty(), "the command would see a file of ours");
    let written = commit(target, "content").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"content");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
    assert_eq!(written.sha256, <[u8; 32]>::from(Sha256::digest("content")));
    assert_eq!((written.size_bytes, written.path, written.fallback_reason), (7, Some(path), None));
    assert_eq!(entries(directory.path()), ["receipt.json"]);
}

#[test]
fn a_long_receipt_is_written_in_its_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("receipt.json");
    let target = ReceiptTarget::open(&path).unwrap();
    let lines: Vec<String> = (0..100_000).map(|line| format!("line {line}\n")).collect();
    let write = |out: &mut dyn Write| lines.iter().try_for_each(|line| out.write_all(line.as_bytes()));
    let written = target.commit_with(None, &write).unwrap();
    let content = lines.concat();
    assert_eq!(fs::read_to_string(&path).unwrap(), content);
    assert_eq!(written.sha256, <[u8; 32]>::from(Sha256::digest(&content)));
    assert_eq!(written.size_bytes, content.len() as u64);
}

#[test]
fn an_older_receipt_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("receipt.json");
    fs::write(&path, "older").unwrap();
    let before = fs::metadata(&path).unwrap().ino();
    commit(ReceiptTarget::open(&path).unwrap(), "newer").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"newer");
    assert_ne!(fs::metadata(&path).unwrap().ino(), before);
}

#[test]
fn a_link_is_replaced_and_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let (path, victim) = (directory.path().join("receipt.json"), directory.path().join("victim"));
    fs::write(&victim, "untouched").unwrap();
    let target = ReceiptTarget::open(&path).unwrap();
    symlink(&victim, &path).unwrap();
    let written = commit(target, "content").unwrap();
    assert_eq!(written.fallback_reason, None);
    assert_eq!(fs::read(&victim).unwrap(), b"untouched");
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
}

#[test]
fn an_abandoned_target_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    drop(ReceiptTarget::open(&directory.path().join("receipt.json")).unwrap());
    assert!(entries(directory.path()).is_empty());
}

/// A receipt that had to go to the temporary directory.
#[track_caller]
fn fallen_back(written: &Written, why: &str) {
    let path = written.path.clone().unwrap();
    assert!(written.fallback_reason.as_ref().unwrap().contains(why), "{:?}", written.fallback_reason);
    assert_eq!(path.parent(), Some(env::temp_dir().as_path()));
    assert!(path.file_name().unwrap().to_str().unwrap().starts_with("glasshouse-receipt-"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::read(&path).unwrap(), b"content");
    fs::remove_file(path).unwrap();
}

#[test]
fn a_directory_that_has_gone() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let target = ReceiptTarget::open(&inner.join("receipt.json")).unwrap();
    fs::remove_dir(&inner).unwrap();
    fallen_back(&commit(target, "content").unwrap(), "No such file or directory");
}

#[test]
fn a_directory_that_was_swapped() {
    let directory = tempfile::tempdir().unwrap();
    let (inner, moved) = (directory.path().join("inner"), directory.path().join("moved"));
    fs::create_dir(&inner).unwrap();
    let target = ReceiptTarget::open(&inner.join("receipt.json")).unwrap();
    fs::rename(&inner, &moved).unwrap();
    symlink("/etc", &inner).unwrap();
    fallen_back(&commit(target, "content").unwrap(), "moved or replaced");
    assert!(!Path::new("/etc/receipt.json").exists());
}

#[test]
fn a_destination_that_became_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("receipt.json");
    let target = ReceiptTarget::open(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fallen_back(&commit(target, "content").unwrap(), "directory");
    assert_eq!(entries(directory.path()), ["receipt.json"]);
}

#[test]
fn a_write_that_fails_half_way() {
    let directory = tempfile::tempdir().unwrap();
    let target = ReceiptTarget::open(&directory.path().join("receipt.json")).unwrap();
    let attempts = std::cell::Cell::new(0);
    let write = |out: &mut dyn Write| {
        attempts.set(attempts.get() + 1);
        if attempts.get() == 1 {
            out.write_all(&[b'x'; 2_000_000])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        out.write_all(b"content")
    };
    let written = target.commit_with(None, &write).unwrap();
    fallen_back(&written, "no storage space");
    assert!(entries(directory.path()).is_empty());
}

#[test]
fn targets_that_are_refused_before_the_command_starts() {
    let directory = tempfile::tempdir().unwrap();
    let check = |path: &Path, expected: &str| {
        let error = ReceiptTarget::open(path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("--receipt"), "{error}");
    };
    check(directory.path(), "which is a directory");
    check(&directory.path().join("new/"), "which is a directory");
    check(Path::new(""), "which is a directory");
    check(Path::new(".."), "which is a directory");
    check(&directory.path().join("none/receipt.json"), "No such file or directory");
    check(Path::new("/dev/null"), "in /dev");
    check(Path::new("/proc/receipt.json"), "no receipt can be written to the directory '/proc'");
    let pipe = directory.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    check(&pipe, "not a regular file");
}

#[test]
fn a_relative_path_is_reported_absolute() {
    let target = ReceiptTarget::open(Path::new("receipt-of-a-test.json")).unwrap();
    let Target::File(place) = &target.0 else { unreachable!() };
    assert!(place.path.is_absolute());
    assert!(place.path.ends_with("receipt-of-a-test.json"));
}

#[test]
fn the_owner_is_set_where_that_is_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("receipt.json");
    let target = ReceiptTarget::open(&path).unwrap();
    let written = target.commit_with(Some((65_534, 65_534)), &|out| out.write_all(b"content")).unwrap();
    let owner = fs::metadata(&path).unwrap().uid();
    if nix::unistd::geteuid().is_root() {
        assert_eq!((owner, written.owner_reason), (65_534, None));
    } else {
        assert!(written.owner_reason.unwrap().contains("65534"));
    }
}
