//! Hashing in a process of its own, for files on file systems that may hang: FUSE, network file systems, whatever is
//! mounted out of sight.
//!
//! A thread would not do. Once a FUSE server has taken a request and does not answer it, the thread that waits for
//! the answer cannot be killed (`request_wait_answer` in the kernel's fs/fuse/dev.c ends in an uninterruptible wait),
//! and a process with such a thread cannot exit. So glasshouse runs itself again under another name, watches the
//! pipe between them, and leaves that process behind if it stops making progress.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::{
            ffi::{OsStrExt, OsStringExt},
            process::CommandExt,
        },
    },
    path::Path,
    process::{Child, ChildStdout, Command, ExitCode, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{
    artifacts,
    keep::{Kept, Lent},
    mounts::Mounts,
    read::{self, Candidate, Failure, Hashed, Mode, Request},
};
use crate::event::{FileFacts, Unreadable};

/// Name (`argv[0]`) under which glasshouse runs as the reading process.
const NAME: &str = "glasshouse-file-reader";

/// A reading process that makes no progress for this long is given up. Network file systems answer within a fraction
/// of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a reading process that has answered, or was killed, is given to end before it is left to init.
const REAP_WITHIN: Duration = Duration::from_millis(50);

/// Reading processes that may be left hanging before files on file systems that can hang are not tried any more.
const HANGING: u32 = 8;

/// How many of them may hang on one device.
const HANGING_ON_ONE: u32 = 2;

/// The longest answer: a symbolic link's target of `PATH_MAX` bytes in hexadecimal, and a word or two.
const ANSWER_BYTES: usize = 2 * 4096 + 64;

/// Sent for each piece that was hashed, before the answer.
pub(super) const PROGRESS: u8 = b'.';

/// Hashes in a process of its own, which is `program` run under a name that [`reader_process`] knows.
pub(super) fn hash(
    program: &Path,
    request: &Request,
    progress: &mut dyn FnMut(),
) -> Result<Hashed, Unreadable> {
    let broken = Unreadable::Io(libc::EPIPE);
    // Namespaces stay while the process may ask for them.
    let request = request.taken();
    let mut child = spawn(program, encode(&request), Stdio::null())?;
    let answer = child.stdout.as_mut().map_or(Err(broken), |output| next_answer(output, progress));
    let result = answer.and_then(|answer| decode_answer(&answer).unwrap_or(Err(broken)));
    if result.is_err() {
        // It may have ended by itself; then there is nothing to kill.
        let _ = child.kill();
    }
    reap(&mut child);
    result
}

/// Starts a reading process.
pub(super) fn spawn(
    program: &Path,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    input: Stdio,
) -> Result<Child, Unreadable> {
    let child = Command::new(program)
        .arg0(NAME)
        .args(arguments)
        .env_clear()
        .current_dir("/")
        // The terminal's signals are not meant for it.
        .process_group(0)
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    child.map_err(|error| Unreadable::Io(error.raw_os_error().unwrap_or(libc::EAGAIN)))
}

/// Reads what the process reports until there is a line, which is the answer to what it was last asked.
pub(super) fn next_answer(
    output: &mut ChildStdout,
    progress: &mut dyn FnMut(),
) -> Result<Vec<u8>, Unreadable> {
    let broken = Unreadable::Io(libc::EPIPE);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let timeout = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(output.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) => return Err(Unreadable::TimedOut),
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(Unreadable::Io(errno as i32)),
        }
        let length = match output.read(&mut buffer) {
            Ok(0) => return Err(broken),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(broken),
        };
        for byte in &buffer[..length] {
            match *byte {
                PROGRESS if answer.is_empty() => progress(),
                b'\n' => return Ok(answer),
                byte if answer.len() < ANSWER_BYTES => answer.push(byte),
                _ => return Err(broken),
            }
        }
    }
}

/// Takes the process's exit status, if it ends. Closing its files can hang as reading them can.
pub(super) fn reap(child: &mut Child) {
    let deadline = Instant::now() + REAP_WITHIN;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
}

/// The reading processes that were left hanging, by device (of a file of unknown device: `None`).
#[derive(Default)]
pub(super) struct Hanging(Mutex<HashMap<Option<(u32, u32)>, u32>>);

impl Hanging {
    pub(super) fn add(&self, device: Option<(u32, u32)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(device).or_default() += 1;
    }

    /// There are so many that files on this device are not tried any more.
    pub(super) fn is_given_up(&self, device: Option<(u32, u32)>) -> bool {
        let hanging = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hanging.get(&device).is_some_and(|count| *count >= HANGING_ON_ONE)
            || hanging.values().sum::<u32>() >= HANGING
    }
}

/// To be called first thing in `main`: does the work of a reading process if this is one.
pub fn reader_process() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    if arguments.next()? != NAME {
        return None;
    }
    let mut arguments = arguments.peekable();
    if arguments.peek().is_some_and(|first| first == artifacts::READER) {
        return Some(artifacts::reader_process());
    }
    let mut output = io::stdout().lock();
    let Some(request) = decode(arguments) else { return Some(ExitCode::FAILURE) };
    let mut report = |_: &[u8]| {
        let _ = output.write_all(&[PROGRESS]).and_then(|()| output.flush());
    };
    let result = read::hash(&request, Mode::Watched, &Mounts::own(), &mut report);
    let written = output.write_all(&encode_answer(result)).and_then(|()| output.flush());
    Some(if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn encode(request: &Request) -> Vec<OsString> {
    let facts = request.facts.map_or("-".to_owned(), |facts| {
        format!(
            "{}:{}:{}:{}:{}:{}:{}:{}",
            facts.device.0,
            facts.device.1,
            facts.inode,
            facts.size,
            facts.mtime.0,
            facts.mtime.1,
            facts.ctime.0,
            facts.ctime.1
        )
    });
    let candidates = request.candidates.iter().filter_map(|candidate| {
        Some(match candidate {
            // A file that was found does not need another process to be read.
            Candidate::Held(_) => return None,
            Candidate::Exe(pid) => format!("exe:{pid}").into(),
            Candidate::InRoot(pid, path) => with_path(format!("root:{pid}:"), path),
            Candidate::Path(path) => with_path("path:".to_owned(), path),
            Candidate::Descriptor(pid, number) => format!("fd:{pid}:{number}").into(),
            Candidate::AnyDescriptor(pid) => format!("fds:{pid}").into(),
            // Descriptors are not inherited; this one is taken from its owner.
            Candidate::InNamespace(namespace, path) => {
                let number = namespace.kept()?.file().as_raw_fd();
                let owner = std::process::id();
                with_path(format!("namespace:{owner}:{number}:"), path)
            }
        })
    });
    std::iter::once(facts.into()).chain(candidates).collect()
}

fn with_path(prefix: String, path: &[u8]) -> OsString {
    let mut bytes = prefix.into_bytes();
    bytes.extend_from_slice(path);
    OsString::from_vec(bytes)
}

fn decode(mut arguments: impl Iterator<Item = OsString>) -> Option<Request> {
    let facts = arguments.next()?;
    let facts = if facts == "-" { None } else { Some(decode_facts(&facts)?) };
    let candidates =
        arguments.map(|argument| decode_candidate(argument.as_bytes())).collect::<Option<_>>()?;
    Some(Request { candidates, facts })
}

/// Only what the file is compared with.
fn decode_facts(text: &OsStr) -> Option<FileFacts> {
    let mut numbers = text.to_str()?.split(':').map(|number| number.parse::<i128>().ok());
    let mut next = || numbers.next().flatten();
    Some(FileFacts {
        device: (next()?.try_into().ok()?, next()?.try_into().ok()?),
        inode: next()?.try_into().ok()?,
        size: next()?.try_into().ok()?,
        mtime: (next()?.try_into().ok()?, next()?.try_into().ok()?),
        ctime: (next()?.try_into().ok()?, next()?.try_into().ok()?),
        mode: 0,
        links: 0,
        unlinked: false,
        unreachable: false,
    })
}

fn decode_candidate(argument: &[u8]) -> Option<Candidate> {
    let (kind, rest) = split(argument)?;
    Some(match kind {
        b"path" => Candidate::Path(rest.to_vec()),
        b"exe" => Candidate::Exe(number(rest)?),
        b"root" => {
            let (pid, path) = split(rest)?;
            Candidate::InRoot(number(pid)?, path.to_vec())
        }
        b"fd" => {
            let (pid, descriptor) = split(rest)?;
            Candidate::Descriptor(number(pid)?, number(descriptor)?)
        }
        b"fds" => Candidate::AnyDescriptor(number(rest)?),
        b"namespace" => {
            let (owner, rest) = split(rest)?;
            let (descriptor, path) = split(rest)?;
            let place = format!("/proc/{}/fd/{}", number(owner)?, number(descriptor)?);
            Candidate::InNamespace(Lent::Taken(Kept::new(File::open(place).ok()?)), path.to_vec())
        }
        _ => return None,
    })
}

fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    Some((&text[..colon], &text[colon + 1..]))
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// `ok SIZE HEX` or `CODE NUMBER`, and a newline.
fn encode_answer(result: Result<Hashed, Failure>) -> Vec<u8> {
    let mut text = match result {
        Ok(hashed) => format!("ok {} {}", hashed.size, encode_hex(&hashed.sha256)),
        Err(Failure::Final(reason)) => encode_reason(reason),
        Err(Failure::NeedsWatching) => encode_reason(Unreadable::Gone),
    };
    text.push('\n');
    text.into_bytes()
}

fn decode_answer(answer: &[u8]) -> Option<Result<Hashed, Unreadable>> {
    let answer = std::str::from_utf8(answer).ok()?;
    let Some(hashed) = answer.strip_prefix("ok ") else { return Some(Err(decode_reason(answer)?)) };
    let (size, hex) = hashed.split_once(' ')?;
    Some(Ok(Hashed { sha256: decode_digest(hex)?, size: size.parse().ok()? }))
}

pub(super) fn encode_reason(reason: Unreadable) -> String {
    match reason {
        Unreadable::Io(errno) => format!("io {errno}"),
        Unreadable::Changed => "changed".to_owned(),
        Unreadable::NotRegular => "not_regular".to_owned(),
        _ => "gone".to_owned(),
    }
}

pub(super) fn decode_reason(text: &str) -> Option<Unreadable> {
    Some(match text {
        "changed" => Unreadable::Changed,
        "not_regular" => Unreadable::NotRegular,
        "gone" => Unreadable::Gone,
        _ => Unreadable::Io(text.strip_prefix("io ")?.parse().ok()?),
    })
}

pub(super) fn encode_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

pub(super) fn decode_digest(text: &str) -> Option<[u8; 32]> {
    decode_hex(text)?.try_into().ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed preparation is a failed test")]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn request() -> Request {
        Request {
            candidates: vec![
                Candidate::Exe(7),
                Candidate::InRoot(7, b"/a:b\xff".to_vec()),
                Candidate::Path(b"/x y".to_vec()),
                Candidate::Descriptor(7, 3),
                Candidate::AnyDescriptor(7),
            ],
            facts: Some(FileFacts {
                device: (253, 1),
                inode: u64::MAX,
                size: 12,
                mtime: (-1, 5),
                ctime: (1 << 40, 999_999_999),
                mode: 0,
                links: 0,
                unlinked: false,
                unreachable: false,
            }),
        }
    }

    #[test]
    fn requests_and_answers_survive_the_journey() {
        assert_eq!(decode(encode(&request()).into_iter()), Some(request()));
        let unknown = Request { facts: None, ..request() };
        assert_eq!(decode(encode(&unknown).into_iter()), Some(unknown));

        let hashed = Hashed { sha256: std::array::from_fn(|index| index as u8 * 8), size: 1 << 40 };
        let mut results = vec![Ok(hashed)];
        results.extend(
            [Unreadable::Io(13), Unreadable::Changed, Unreadable::NotRegular, Unreadable::Gone].map(Err),
        );
        for result in results {
            let sent = encode_answer(result.map_err(Failure::Final));
            assert_eq!(decode_answer(sent.strip_suffix(b"\n").unwrap()), Some(result));
        }
    }

    #[test]
    fn damaged_answers_are_none() {
        for answer in ["", "ok", "ok 1 00", "ok x 00", "io", "io x", "what"] {
            assert_eq!(decode_answer(answer.as_bytes()), None, "{answer}");
        }
    }

    /// A program that stands in for the reading process.
    fn stand_in(directory: &Path, script: &str) -> std::path::PathBuf {
        let path = directory.join("reader");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_process_that_hangs_is_given_up_and_one_that_dies_too() {
        let directory = tempfile::tempdir().unwrap();
        let began = Instant::now();
        let hanging = stand_in(directory.path(), "printf ...; exec /bin/sleep 60");
        let mut pieces = 0;
        assert_eq!(hash(&hanging, &request(), &mut || pieces += 1), Err(Unreadable::TimedOut));
        assert_eq!(pieces, 3);
        assert!(began.elapsed() < PATIENCE + Duration::from_secs(2));

        let dying = stand_in(directory.path(), "exit 1");
        assert_eq!(hash(&dying, &request(), &mut || {}), Err(Unreadable::Io(libc::EPIPE)));
        let chatty = stand_in(directory.path(), "exec cat /dev/zero");
        assert_eq!(hash(&chatty, &request(), &mut || {}), Err(Unreadable::Io(libc::EPIPE)));
    }

    #[test]
    fn an_answer_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let answering = stand_in(directory.path(), "printf '..not_regular\\n'");
        assert_eq!(hash(&answering, &request(), &mut || {}), Err(Unreadable::NotRegular));
    }
}
