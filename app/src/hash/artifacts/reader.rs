//! The process that looks at what may hang: one that answers one request after the other, as starting one for each of
//! thousands of files on a network file system would take longer than reading them.

use std::{
    io::{self, BufRead, Write},
    path::Path,
    process::{Child, ExitCode, Stdio},
    sync::Arc,
};

use super::{
    Candidate, Content, Kind, Seen, State,
    content::{Hashing, MediaTypes},
    look::Finder,
};
use crate::{
    event::Unreadable,
    hash::{
        mounts::Mounts,
        read::Failure,
        watched::{
            self, PROGRESS, decode_digest, decode_reason, encode_hex, encode_reason, next_answer, reap, spawn,
        },
    },
};

/// The argument that makes a reading process one of these.
pub(in crate::hash) const ARGUMENT: &str = "artifacts";

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Look,
    /// Hash what was in this state.
    Hash(State),
}

/// What is answered if nothing failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Seen(Seen),
    Content(Content),
}

pub(super) struct Reader {
    process: Child,
    media_types: MediaTypes,
}

impl Reader {
    pub(super) fn start(program: &Path) -> Result<Self, Unreadable> {
        let process = spawn(program, [ARGUMENT], Stdio::piped())?;
        Ok(Self { process, media_types: MediaTypes::default() })
    }

    /// The outer failure is the process's: it hangs, or is not one that answers.
    pub(super) fn ask(
        &mut self,
        task: Task,
        candidate: &Candidate,
        progress: &mut dyn FnMut(),
    ) -> Result<Result<Answer, Unreadable>, Unreadable> {
        let broken = Unreadable::Io(libc::EPIPE);
        let (Some(input), Some(output)) = (&mut self.process.stdin, &mut self.process.stdout) else {
            return Err(broken);
        };
        // It waits for the request, which a pipe has room for.
        input.write_all(&encode_request(task, candidate)).map_err(|_| broken)?;
        decode_answer(&next_answer(output, progress)?, &mut self.media_types).ok_or(broken)
    }

    pub(super) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The end of its input ends it; if it hangs, it is left behind.
        drop(self.process.stdin.take());
        reap(&mut self.process);
    }
}

/// The work of such a process.
pub(in crate::hash) fn reader_process() -> ExitCode {
    match serve(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Answers requests until there are none.
fn serve(input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    let mut finder = Finder::watched(Arc::new(Mounts::own()));
    let mut hashing = Hashing::default();
    while let Some((task, candidate)) = read_request(input) {
        let looked = finder.look(&candidate).map_err(|failure| match failure {
            Failure::Final(reason) => reason,
            Failure::NeedsWatching => Unreadable::Io(libc::EAGAIN),
        });
        let answer = looked.and_then(|(seen, file)| match task {
            Task::Look => Ok(Answer::Seen(seen)),
            Task::Hash(before) => {
                let mut report = || drop(output.write_all(&[PROGRESS]).and_then(|()| output.flush()));
                hashing.content(&seen, file, &before, &mut report).map(Answer::Content)
            }
        });
        let mut line = encode_answer(answer);
        line.push('\n');
        output.write_all(line.as_bytes())?;
        output.flush()?;
    }
    Ok(())
}

/// `look` or `hash STATE`, the identity and the length of the path on a line, and the path.
fn encode_request(task: Task, candidate: &Candidate) -> Vec<u8> {
    let task = match task {
        Task::Look => "look".to_owned(),
        Task::Hash(state) => format!("hash {}", encode_state(&state)),
    };
    let Candidate { path, device, inode } = candidate;
    let inode = inode.map_or("-".to_owned(), |inode| inode.to_string());
    let device = device.map_or("- -".to_owned(), |(major, minor)| format!("{major} {minor}"));
    let mut request = format!("{task} {device} {inode} {}\n", path.len()).into_bytes();
    request.extend_from_slice(path);
    request
}

fn read_request(input: &mut impl BufRead) -> Option<(Task, Candidate)> {
    let mut line = String::new();
    input.read_line(&mut line).ok()?;
    let mut words = line.strip_suffix('\n')?.split(' ');
    let task = match words.next()? {
        "look" => Task::Look,
        "hash" => Task::Hash(decode_state(&mut words)?),
        _ => return None,
    };
    let device = match (words.next()?, words.next()?) {
        ("-", "-") => None,
        (major, minor) => Some((major.parse().ok()?, minor.parse().ok()?)),
    };
    let inode = match words.next()? {
        "-" => None,
        inode => Some(inode.parse().ok()?),
    };
    let mut path = vec![0; number(&mut words)?];
    input.read_exact(&mut path).ok()?;
    Some((task, Candidate { path: path.into(), device, inode }))
}

fn encode_answer(answer: Result<Answer, Unreadable>) -> String {
    let seen = match answer {
        Ok(Answer::Content(content)) => {
            return format!("content {} {}", encode_hex(&content.sha256), content.media_type);
        }
        Ok(Answer::Seen(seen)) => seen,
        Err(reason) => return encode_reason(reason),
    };
    match seen {
        Seen::Gone => "seen nothing".to_owned(),
        Seen::Other { device, inode } => format!("seen other {} {} {inode}", device.0, device.1),
        Seen::Regular(state) => format!("seen regular {}", encode_state(&state)),
        Seen::NotRegular(Kind::Symlink { target }) => format!("seen symlink {}", encode_hex(&target)),
        Seen::NotRegular(Kind::Directory) => "seen directory".to_owned(),
        Seen::NotRegular(Kind::CharacterDevice) => "seen character_device".to_owned(),
        Seen::NotRegular(Kind::BlockDevice) => "seen block_device".to_owned(),
        Seen::NotRegular(Kind::Fifo) => "seen fifo".to_owned(),
        Seen::NotRegular(Kind::Socket) => "seen socket".to_owned(),
    }
}

fn decode_answer(answer: &[u8], media_types: &mut MediaTypes) -> Option<Result<Answer, Unreadable>> {
    let answer = std::str::from_utf8(answer).ok()?;
    let mut words = answer.split(' ');
    match words.next()? {
        "content" => {
            let sha256 = decode_digest(words.next()?)?;
            Some(Ok(Answer::Content(Content { sha256, media_type: media_types.shared(words.next()?) })))
        }
        "seen" => {
            let seen = match words.next()? {
                "nothing" => Seen::Gone,
                "other" => Seen::Other {
                    device: (number(&mut words)?, number(&mut words)?),
                    inode: number(&mut words)?,
                },
                "regular" => Seen::Regular(decode_state(&mut words)?),
                "symlink" => Seen::NotRegular(Kind::Symlink { target: watched::decode_hex(words.next()?)? }),
                "directory" => Seen::NotRegular(Kind::Directory),
                "character_device" => Seen::NotRegular(Kind::CharacterDevice),
                "block_device" => Seen::NotRegular(Kind::BlockDevice),
                "fifo" => Seen::NotRegular(Kind::Fifo),
                "socket" => Seen::NotRegular(Kind::Socket),
                _ => return None,
            };
            Some(Ok(Answer::Seen(seen)))
        }
        _ => Some(Err(decode_reason(answer)?)),
    }
}

fn encode_state(state: &State) -> String {
    let State { size, mode, mtime, ctime } = state;
    format!("{size} {mode} {} {} {} {}", mtime.0, mtime.1, ctime.0, ctime.1)
}

fn decode_state<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<State> {
    Some(State {
        size: number(words)?,
        mode: number(words)?,
        mtime: (number(words)?, number(words)?),
        ctime: (number(words)?, number(words)?),
    })
}

fn number<'a, T: std::str::FromStr>(words: &mut impl Iterator<Item = &'a str>) -> Option<T> {
    words.next()?.parse().ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed preparation is a failed test")]
mod tests {
    use std::{fs, os::unix::ffi::OsStringExt};

    use proptest::prelude::*;

    use super::*;
    use crate::hash::read::tests::facts_of;

    fn state() -> impl Strategy<Value = State> {
        (any::<u64>(), 0..0o10000_u32, any::<(i64, i64)>(), any::<(i64, i64)>())
            .prop_map(|(size, mode, mtime, ctime)| State { size, mode, mtime, ctime })
    }

    fn answer() -> impl Strategy<Value = Result<Answer, Unreadable>> {
        let seen = prop_oneof![
            Just(Seen::Gone),
            any::<((u32, u32), u64)>().prop_map(|(device, inode)| Seen::Other { device, inode }),
            state().prop_map(Seen::Regular),
            any::<Vec<u8>>().prop_map(|target| Seen::NotRegular(Kind::Symlink { target })),
            Just(Seen::NotRegular(Kind::Directory)),
            Just(Seen::NotRegular(Kind::CharacterDevice)),
            Just(Seen::NotRegular(Kind::BlockDevice)),
            Just(Seen::NotRegular(Kind::Fifo)),
            Just(Seen::NotRegular(Kind::Socket)),
        ];
        prop_oneof![
            seen.prop_map(|seen| Ok(Answer::Seen(seen))),
            (any::<[u8; 32]>(), "[a-z]+/[a-z.-]+").prop_map(|(sha256, media_type)| Ok(Answer::Content(
                Content { sha256, media_type: media_type.into() }
            ))),
            any::<i32>().prop_map(|errno| Err(Unreadable::Io(errno))),
            Just(Err(Unreadable::Changed)),
            Just(Err(Unreadable::Gone)),
            Just(Err(Unreadable::NotRegular)),
        ]
    }

    proptest! {
        #[test]
        fn requests_survive_the_journey(
            path: Vec<u8>,
            device: Option<(u32, u32)>,
            inode: Option<u64>,
            task in prop_oneof![Just(Task::Look), state().prop_map(Task::Hash)],
        ) {
            let candidate = Candidate { path: path.into(), device, inode };
            let twice = [encode_request(task, &candidate), encode_request(task, &candidate)].concat();
            let mut input = twice.as_slice();
            for _ in 0..2 {
                prop_assert_eq!(read_request(&mut input), Some((task, candidate.clone())));
            }
            prop_assert_eq!(read_request(&mut input), None);
        }

        #[test]
        fn answers_survive_the_journey(answer in answer()) {
            let line = encode_answer(answer.clone());
            prop_assert!(!line.contains('\n') && !line.contains(char::from(PROGRESS)) || line.contains('/'));
            prop_assert_eq!(decode_answer(line.as_bytes(), &mut MediaTypes::default()), Some(answer));
        }

        #[test]
        fn damaged_answers_are_none_or_others(bytes: Vec<u8>) {
            decode_answer(&bytes, &mut MediaTypes::default());
        }
    }

    #[test]
    fn one_request_is_answered_after_the_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "#!/bin/sh\n").unwrap();
        let facts = facts_of(&path);
        let path = path.into_os_string().into_vec();
        let candidate = Candidate { path: path.into(), device: Some(facts.device), inode: Some(facts.inode) };
        let null = Candidate { path: b"/dev/null"[..].into(), inode: None, ..candidate.clone() };
        let ask = |requests: &[Vec<u8>]| {
            let mut output = Vec::new();
            serve(&mut requests.concat().as_slice(), &mut output).unwrap();
            let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let lines = lines.map(|line| line.strip_prefix(&[PROGRESS]).unwrap_or(line));
            lines.map(|line| decode_answer(line, &mut MediaTypes::default()).unwrap()).collect::<Vec<_>>()
        };
        let answers =
            ask(&[encode_request(Task::Look, &candidate), encode_request(Task::Look, &null), vec![0]]);
        let Ok(Answer::Seen(Seen::Regular(state))) = answers[0] else { panic!("{answers:?}") };
        assert_eq!(state.size, 10);
        assert!(matches!(answers[1], Ok(Answer::Seen(Seen::Other { .. }))));
        assert_eq!(answers.len(), 2);
        let later = State { size: 11, ..state };
        let answers = [state, later].map(|state| encode_request(Task::Hash(state), &candidate));
        let answers = ask(&answers);
        let Ok(Answer::Content(content)) = &answers[0] else { panic!("{answers:?}") };
        assert_eq!(&*content.media_type, "text/x-shellscript");
        assert_eq!(answers[1], Err(Unreadable::Changed));
    }

    #[test]
    fn a_process_that_dies_is_broken() {
        let mut reader = Reader::start(Path::new("/bin/false")).unwrap();
        let candidate = Candidate { path: b"/"[..].into(), device: Some((0, 0)), inode: None };
        assert_eq!(reader.ask(Task::Look, &candidate, &mut || {}), Err(Unreadable::Io(libc::EPIPE)));
    }
}
