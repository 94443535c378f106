//! Hashing by the real reading process, and files that hang: a FUSE server that takes requests and answers none of them.

#![expect(clippy::unwrap_used, reason = "a failed preparation is a failed test")]

#[path = "../app/src/hash/tests/sample.rs"]
mod sample;

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::{
        fd::AsRawFd,
        unix::{
            ffi::OsStrExt,
            fs::{MetadataExt, symlink},
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use glasshouse::{
    event::{self, Event, ExecutableHashed, FileFacts, Unreadable},
    hash::{
        Hasher,
        artifacts::{Candidate, Found, Kind, Options, hash_artifacts},
    },
};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use sha2::Digest as _;

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
    assert_eq!(answers[20].sha256, Ok(digest_of(&shell)));
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
    assert_eq!(answers[0].sha256, Ok(digest_of(&shell)));
    assert_eq!(answers[1].sha256, Err(Unreadable::NotRegular));
    assert_eq!(answers[2].sha256, Err(Unreadable::Gone));
}

fn artifact(path: &Path, device: (u32, u32)) -> Candidate {
    Candidate { path: path.as_os_str().as_bytes().into(), device: Some(device), inode: None }
}

fn options() -> Options {
    Options { reader: env!("CARGO_BIN_EXE_glasshouse").into(), ..Options::default() }
}

fn digest_of(path: &Path) -> [u8; 32] {
    sha2::Sha256::digest(fs::read(path).unwrap()).into()
}

fn is_hashed(found: &Found, content: &str) -> bool {
    let digest: [u8; 32] = sha2::Sha256::digest(content).into();
    matches!(found, Found::Present(present) if present.sha256 == Ok(digest))
}

#[test]
fn artifacts_that_hang_are_given_up_and_the_others_hashed() {
    if !can_mount() {
        return;
    }
    let hanging = Hanging::mount();
    let directory = tempfile::tempdir().unwrap();
    let mut candidates = Vec::new();
    for number in 0..100 {
        let path = directory.path().join(number.to_string());
        fs::write(&path, "content").unwrap();
        candidates.push(artifact(&path, device_of_file(&path)));
        candidates.push(artifact(&hanging.file(&format!("file {number}")).0, hanging.device));
    }
    let began = Instant::now();
    let found = hash_artifacts(candidates.to_vec(), &options());
    assert!(began.elapsed() < Duration::from_secs(20), "took {:?}", began.elapsed());
    for pair in found.chunks(2) {
        assert!(is_hashed(&pair[0], "content"), "{:?}", pair[0]);
        assert_eq!(pair[1], Found::Unreadable(Unreadable::TimedOut));
    }
}

#[test]
fn artifacts_on_mounts_are_hashed() {
    if !can_mount() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("below");
    fs::create_dir(&below).unwrap();
    mount(Some("none"), &below, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    let device = device_of(&below);
    fs::write(below.join("file"), "content").unwrap();
    fs::write(below.join("covered"), "covered").unwrap();
    let cover = directory.path().join("cover");
    fs::write(&cover, "cover").unwrap();
    mount(Some(&cover), &below.join("covered"), None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    let candidates = [
        artifact(&below.join("file"), device),
        artifact(&below.join("covered"), device),
        artifact(&below.join("covered"), device_of_file(&cover)),
        artifact(&below, device),
    ];
    let found = hash_artifacts(candidates.to_vec(), &options());
    umount2(&below.join("covered"), MntFlags::MNT_DETACH).unwrap();
    umount2(&below, MntFlags::MNT_DETACH).unwrap();
    assert!(is_hashed(&found[0], "content"), "{:?}", found[0]);
    assert!(matches!(found[1], Found::Other { .. }), "{:?}", found[1]);
    assert!(is_hashed(&found[2], "cover"), "{:?}", found[2]);
    assert_eq!(found[3], Found::NotRegular(Kind::Directory));
}

/// Links that nobody has followed yet are followed without the reading process, and paths in procfs found by them.
#[test]
fn new_links_are_followed() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    let thread = format!("/proc/{}/task/{}", std::process::id(), nix::unistd::gettid());
    symlink(thread, &link).unwrap();
    let procfs = device_of(Path::new("/proc"));
    let candidates = ["comm", "fd", "root", "no such file"].map(|name| artifact(&link.join(name), procfs));
    let found = hash_artifacts(candidates.to_vec(), &Options { reader: "/bin/false".into(), ..options() });
    // The size that procfs gives is none.
    let Found::Present(comm) = &found[0] else { panic!("{found:?}") };
    assert_eq!((comm.sha256, comm.changed_while_hashed), (Err(Unreadable::Changed), true));
    assert_eq!(found[1], Found::NotRegular(Kind::Directory));
    assert!(matches!(&found[2], Found::NotRegular(Kind::Symlink { target }) if target == b"/"));
    assert_eq!(found[3], Found::Gone);
}

#[test]
fn glasshouse_is_the_reading_process_of_artifacts() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_glasshouse"))
        .arg0("glasshouse-file-reader")
        .arg("artifacts")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(b"look 0 0 - 5\n/nonelook 0 0 - 5\n/none").unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, b"seen nothing\nseen nothing\n");
}

fn device_of_file(path: &Path) -> (u32, u32) {
    let device = fs::metadata(path).unwrap().dev();
    (libc::major(device), libc::minor(device))
}
