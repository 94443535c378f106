#![expect(clippy::unwrap_used, reason = "a failed preparation is a failed test")]

use std::{
    fs,
    io::Write,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::Path,
    time::Instant,
};

use nix::{sys::stat::Mode as Permissions, unistd::mkfifo};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::{super::read::tests::facts_of, content::Hashing, look::Finder, *};

/// A file that the observer saw at this path.
fn seen_at(path: &Path) -> Candidate {
    let facts = facts_of(path);
    Candidate {
        path: path.as_os_str().as_bytes().into(),
        device: Some(facts.device),
        inode: Some(facts.inode),
    }
}

fn options() -> Options {
    // The reading process is not needed for files of an ordinary file system.
    Options { reader: "/bin/false".into(), ..Options::default() }
}

fn present(found: &Found) -> &Present {
    match found {
        Found::Present(present) => present,
        other => panic!("not present: {other:?}"),
    }
}

#[test]
fn files_are_hashed_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let contents: Vec<_> = (0..300).map(|number| format!("file {number}\n").repeat(number)).collect();
    let mut candidates = Vec::new();
    for (number, content) in contents.iter().enumerate() {
        let folder = directory.path().join(format!("folder {}", number % 90));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(number.to_string());
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        candidates.push(seen_at(&path));
    }
    let found = hash_artifacts(candidates.clone(), &options());
    assert_eq!(found.len(), 300);
    for (found, content) in found.iter().zip(&contents) {
        let present = present(found);
        assert_eq!(present.sha256, Ok(Sha256::digest(content).into()));
        assert_eq!((present.size_bytes, present.mode), (content.len() as u64, 0o640));
        assert!(!present.changed_while_hashed);
        let expected = if content.is_empty() { "application/x-empty" } else { "text/plain" };
        assert_eq!(present.media_type.as_deref(), Some(expected));
    }
    assert_eq!(hash_artifacts(Vec::new(), &options()), []);
}

#[test]
fn what_is_not_there_any_more_is_told_from_what_is_there_instead() {
    let directory = tempfile::tempdir().unwrap();
    let [gone, moved, replaced] = ["gone", "moved", "replaced"].map(|name| directory.path().join(name));
    for path in [&gone, &moved, &replaced] {
        fs::write(path, "content").unwrap();
    }
    let candidates = [&gone, &moved, &replaced].map(|path| seen_at(path));
    let other = directory.path().join("other");
    fs::write(&other, "other").unwrap();
    let facts = facts_of(&other);
    fs::remove_file(&gone).unwrap();
    fs::remove_file(&moved).unwrap();
    fs::create_dir(&moved).unwrap();
    fs::rename(&other, &replaced).unwrap();
    let found = hash_artifacts(candidates.to_vec(), &options());
    assert_eq!(found[0], Found::Gone);
    // The inode may have been used again for the directory.
    let directory = Found::Other { device: facts.device, inode: facts_of(&moved).inode };
    assert!(found[1] == directory || found[1] == Found::NotRegular(Kind::Directory), "{:?}", found[1]);
    assert_eq!(found[2], Found::Other { device: facts.device, inode: facts.inode });

    // Where it was not known which file it was, it is whatever is there.
    let unknown = Candidate { inode: None, ..candidates[2].clone() };
    let elsewhere = Candidate { device: Some((0, 0)), ..unknown.clone() };
    let odd =
        [b"".as_slice(), b"relative", b"/"].map(|path| Candidate { path: path.into(), ..elsewhere.clone() });
    let found = hash_artifacts([&[unknown, elsewhere], odd.as_slice()].concat(), &options());
    assert_eq!(present(&found[0]).sha256, Ok(Sha256::digest("other").into()));
    assert_eq!(found[1], Found::Other { device: facts.device, inode: facts.inode });
    assert_eq!(found[2..4], [Found::Gone, Found::Gone]);
    assert!(matches!(found[4], Found::Other { .. }));
}

#[test]
fn only_regular_files_are_opened() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    mkfifo(&at("fifo"), Permissions::S_IRUSR).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    symlink("somewhere\n/else", at("link")).unwrap();
    let mut candidates: Vec<_> = ["fifo", "socket", "folder"].iter().map(|name| seen_at(&at(name))).collect();
    candidates.push(seen_at(Path::new("/dev/null")));
    let link =
        Candidate { path: at("link").as_os_str().as_bytes().into(), inode: None, ..candidates[0].clone() };
    candidates.push(link);
    let began = Instant::now();
    let found = hash_artifacts(candidates.clone(), &options());
    assert!(began.elapsed() < Duration::from_secs(1));
    let link = Kind::Symlink { target: b"somewhere\n/else".to_vec() };
    let kinds = [Kind::Fifo, Kind::Socket, Kind::Directory, Kind::CharacterDevice, link];
    assert_eq!(found, kinds.map(Found::NotRegular));
    drop(socket);
}

#[test]
fn a_folder_that_became_a_link_leads_to_the_same_file_or_to_another() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("out")).unwrap();
    fs::create_dir(at("decoy")).unwrap();
    fs::write(at("out/file"), "content").unwrap();
    fs::write(at("decoy/file"), "secret").unwrap();
    let candidate = seen_at(&at("out/file"));
    fs::rename(at("out"), at("out-1")).unwrap();
    symlink("out-1", at("out")).unwrap();
    let same = hash_artifacts(vec![candidate.clone()], &options());
    assert_eq!(present(&same[0]).sha256, Ok(Sha256::digest("content").into()));
    symlink("round", at("round")).unwrap();
    let round = Candidate { path: at("round/file").as_os_str().as_bytes().into(), ..candidate.clone() };
    assert_eq!(hash_artifacts(vec![round], &options()), [Found::Gone]);
    fs::remove_file(at("out")).unwrap();
    symlink("decoy", at("out")).unwrap();
    let other = hash_artifacts(vec![candidate], &options());
    assert!(matches!(other[0], Found::Other { .. }), "{:?}", other[0]);
}

#[test]
fn the_limit_is_used_up_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let mut candidates = Vec::new();
    for (number, size) in [600, 500, 400, 1, 0].into_iter().enumerate() {
        let path = directory.path().join(number.to_string());
        fs::write(&path, vec![7; size]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        candidates.push(seen_at(&path));
    }
    for _ in 0..10 {
        let found = hash_artifacts(candidates.clone(), &Options { limit_bytes: 1000, ..options() });
        assert_eq!(found[1], Found::OverLimit { size_bytes: 500, mode: 0o600 });
        assert_eq!(found[3], Found::OverLimit { size_bytes: 1, mode: 0o600 });
        for index in [0, 2, 4] {
            assert!(present(&found[index]).sha256.is_ok());
        }
    }
}

#[test]
fn a_file_that_changes_has_no_digest() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, vec![7; 1 << 20]).unwrap();
    let mut finder = Finder::new(Arc::new(Mounts::own()));
    let (seen, file) = finder.look(&seen_at(&path)).unwrap();
    let Seen::Regular(before) = seen else { panic!("{seen:?}") };
    let append = || fs::File::options().append(true).open(&path).unwrap().write_all(b"more").unwrap();
    let content = Hashing::default().content(&seen, file, &before, &mut || append());
    assert_eq!(content, Err(Unreadable::Changed), "while it is read");
    let (seen, file) = finder.look(&seen_at(&path)).unwrap();
    let content = Hashing::default().content(&seen, file, &before, &mut || {});
    assert_eq!(content, Err(Unreadable::Changed), "before it is read");
    let gone = Hashing::default().content(&Seen::Gone, None, &before, &mut || {});
    assert_eq!(gone, Err(Unreadable::Gone));

    let (Found::Present(mut present), _) = first_answer(Ok(Seen::Regular(before))) else { panic!() };
    present.complete(content);
    assert!(present.changed_while_hashed && present.sha256 == Err(Unreadable::Changed));
}

/// A program that stands in for the reading process.
fn stand_in(directory: &Path, script: &str) -> PathBuf {
    let path = directory.join("reader");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Nothing is local where no mounts are known: another process has to look, and this one hangs.
#[test]
fn what_hangs_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "content").unwrap();
    let candidates = vec![seen_at(&path); 100];
    let reader = stand_in(directory.path(), "exec /bin/sleep 60");
    let began = Instant::now();
    let options = Options { reader, ..Options::default() };
    let found = hash_on(Mounts::default(), candidates.clone(), &options);
    assert!(began.elapsed() < Duration::from_secs(20), "took {:?}", began.elapsed());
    assert!(found.iter().all(|found| *found == Found::Unreadable(Unreadable::TimedOut)));

    let reader = stand_in(directory.path(), "while read -r request; do echo seen nothing; done");
    let found = hash_on(Mounts::default(), candidates[..1].to_vec(), &Options { reader, ..options });
    assert_eq!(found, [Found::Gone]);
}

#[test]
fn without_progress_it_ends_after_the_patience() {
    let own = Arc::new(Mounts::own());
    let worker = || Worker::new("/bin/false".into(), Arc::clone(&own), Arc::default());
    let patience = Duration::from_millis(200);
    let work = |_: &mut Worker, index: usize, _: &mut dyn FnMut()| {
        if index == 1 {
            std::thread::sleep(Duration::from_secs(5));
        }
        index
    };
    let began = Instant::now();
    let results = for_each(2, worker, work, patience);
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(results, [Some(0), None]);
}

proptest! {
    #[test]
    fn the_limit_is_kept_and_no_file_is_left_out_that_has_room(
        sizes in prop::collection::vec(prop::option::of(0..100_u64), 0..50),
        limit in 0..2000_u64,
    ) {
        let state = |size| State { size, mode: 0, mtime: (0, 0), ctime: (0, 0) };
        let seen = sizes.iter().map(|size| Some(Ok(size.map_or(Seen::Gone, |size| Seen::Regular(state(size))))));
        let (found, within) = within_limit(seen, limit);
        let mut left = limit;
        let mut next = within.iter().peekable();
        for (index, size) in sizes.iter().enumerate() {
            let taken = next.next_if(|(taken, _)| *taken as usize == index).is_some();
            prop_assert_eq!(taken, size.is_some_and(|size| size <= left));
            let over = matches!(found[index], Found::OverLimit { .. });
            prop_assert_eq!(over, size.is_some() && !taken);
            left -= if taken { size.unwrap() } else { 0 };
        }
        prop_assert!(next.next().is_none());
    }
}

/// Not a test of correctness: `cargo test --release -- --ignored --nocapture speed_of_artifacts`.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement says what it measured")]
fn speed_of_artifacts() {
    let directory = tempfile::tempdir().unwrap();
    let (device, mut candidates) = (Some(facts_of(directory.path()).device), Vec::new());
    for folder in 0..1000 {
        let folder = directory.path().join(format!("some folder {folder}"));
        fs::create_dir(&folder).unwrap();
        for file in 0..100 {
            let path = folder.join(format!("a file of no great name {file}.o"));
            fs::write(&path, format!("{file}\n").repeat(300)).unwrap();
            let inode = Some(std::os::unix::fs::MetadataExt::ino(&fs::metadata(&path).unwrap()));
            candidates.push(Candidate { path: path.as_os_str().as_bytes().into(), device, inode });
        }
    }
    for _ in 0..3 {
        let began = Instant::now();
        let found = hash_artifacts(candidates.clone(), &options());
        let took = began.elapsed();
        assert!(found.iter().all(|found| present(found).sha256.is_ok()));
        eprintln!("{} files in {took:?}", found.len());
    }
}
