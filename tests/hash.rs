//! Hashing files that hang: a FUSE server that takes requests and answers none of them.

#![expect(clippy::unwrap_used, reason = "a failed preparation is a failed test")]

#[path = "../app/src/hash/tests/sample.rs"]
mod sample;

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use glasshouse::{
    event::{self, Event, ExecutableHashed, FileFacts, Unreadable},
    hash::Hasher,
};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

const DEVICE: &str = "/dev/fuse";

/// `FUSE_INIT` of include/uapi/linux/fuse.h.
const INIT: u32 = 26;

/// A mounted file system that hangs on whatever is asked of it.
struct Hanging {
    directory: tempfile::TempDir,
    device: (u32, u32),
}

impl Hanging {
    fn mount() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let channel = File::options().read(true).write(true).open(DEVICE).unwrap();
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", channel.as_raw_fd());
        mount(Some("fuse"), directory.path(), Some("fuse"), MsFlags::MS_NODEV, Some(options.as_str()))
            .unwrap();
        thread::spawn(move || serve(channel));
        let device = device_of(directory.path());
        Self { directory, device }
    }

    fn file(&self, name: &str) -> (PathBuf, FileFacts) {
        (self.directory.path().join(name), facts(self.device))
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        // Aborting the connection ends whoever still waits for an answer.
        let minor = self.device.1;
        let control = Path::new("/sys/fs/fuse/connections");
        let _ = mount(Some("fusectl"), control, Some("fusectl"), MsFlags::empty(), None::<&str>);
        let _ = fs::write(control.join(minor.to_string()).join("abort"), "1");
        let _ = umount2(self.directory.path(), MntFlags::MNT_DETACH);
    }
}

/// Answers the greeting, takes everything else, and keeps it.
fn serve(mut channel: File) {
    let mut request = vec![0; 1 << 20];
    while let Ok(length) = channel.read(&mut request) {
        let word = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
        if length < 40 || word(4) != INIT {
            continue;
        }
        let mut answer = Vec::new();
        answer.extend(80_u32.to_ne_bytes()); // length: header (16) and fuse_init_out (64)
        answer.extend(0_u32.to_ne_bytes()); // error
        answer.extend(&request[8..16]); // unique
        answer.extend([7_u32, 31, 0, 0].map(u32::to_ne_bytes).concat()); // version, read-ahead, flags
        answer.extend([0_u32, 4096, 1].map(u32::to_ne_bytes).concat()); // background, max_write, time_gran
        answer.resize(80, 0);
        channel.write_all(&answer).unwrap();
    }
}

fn device_of(mount_point: &Path) -> (u32, u32) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = table.lines().find(|line| line.split(' ').nth(4) == mount_point.to_str()).unwrap();
    let (major, minor) = line.split(' ').nth(2).unwrap().split_once(':').unwrap();
    (major.parse().unwrap(), minor.parse().unwrap())
}

fn facts(device: (u32, u32)) -> FileFacts {
    FileFacts {
        device,
        inode: 2,
        size: 10,
        mtime: (1, 0),
        ctime: (1, 0),
        mode: 0o100_755,
        links: 1,
        unlinked: false,
        unreachable: false,
    }
}

fn exec(at: u64, path: &Path, facts: Option<FileFacts>) -> Event {
    sample::exec(at, sample::file(path, facts), None)
}

fn answers(events: Vec<Event>) -> Vec<ExecutableHashed> {
    let mut answers: Vec<_> = events.into_iter().map(sample::hashed).collect();
    answers.sort_by_key(|answer| answer.exec_at);
    answers
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn can_mount() -> bool {
    let possible = nix::unistd::geteuid().is_root() && Path::new(DEVICE).exists();
    if !possible {
        let required = std::env::var_os("GLASSHOUSE_PRIVILEGED").is_some_and(|value| value == "require");
        assert!(
            !required || !Path::new(DEVICE).exists(),
            "mounting takes root, and GLASSHOUSE_PRIVILEGED=require"
        );
        eprintln!("skipped: mounting a FUSE file system takes root and {DEVICE}");
    }
    possible
}

fn hasher() -> Hasher {
    Hasher::with_reader(env!("CARGO_BIN_EXE_glasshouse").into())
}

#[test]
fn a_file_that_hangs_hangs_neither_glasshouse_nor_other_files() {
    if !can_mount() {
        return;
    }
    let hanging = Hanging::mount();
    let mut hasher = hasher();
    let began = Instant::now();
    // More of them than there are threads.
    for number in 0..20 {
        let (path, mut facts) = hanging.file(&format!("program{number}"));
        facts.inode += number;
        hasher.observe(&exec(number, &path, Some(facts)));
    }
    // A script that is known by its name only may be anywhere; it is read by another process, too.
    let shell = fs::canonicalize("/bin/sh").unwrap();
    hasher.observe(&exec(100, &shell, None));
    let answers = answers(hasher.finish(Duration::from_secs(10)));
    assert!(began.elapsed() < Duration::from_secs(12), "took {:?}", began.elapsed());
    assert_eq!(answers.len(), 21);
    for answer in &answers[..20] {
        assert_eq!(answer.sha256, Err(Unreadable::TimedOut), "{answer:?}");
    }
    assert_eq!(answers[20].size_bytes, Some(fs::metadata(&shell).unwrap().len()));
}

#[test]
fn a_file_known_by_name_only_is_hashed_by_the_reading_process() {
    let shell = fs::canonicalize("/bin/sh").unwrap();
    let mut hasher = hasher();
    hasher.observe(&exec(1, &shell, None));
    hasher.observe(&exec(2, Path::new("/dev/null"), None));
    hasher.observe(&exec(3, Path::new("/no/such/file"), None));
    let answers = answers(hasher.finish(Duration::from_secs(10)));
    assert_eq!(answers[0].size_bytes, Some(fs::metadata(&shell).unwrap().len()));
    assert_eq!(answers[1].sha256, Err(Unreadable::NotRegular));
    assert_eq!(answers[2].sha256, Err(Unreadable::Gone));
}
