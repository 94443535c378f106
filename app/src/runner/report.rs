//! The end of a run: facts, receipt, summary.

use std::{
    io::{self, Write},
    os::unix::ffi::OsStrExt as _,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest as _, Sha256};

use super::{End, Interface, Run, Stage, say};
use crate::{
    disclosure::Disclosure,
    event::{Observed, ResolvedPath, Unreadable},
    facts::{
        ArtifactFacts, ArtifactState, BlindSpot, CommandFacts, ExecutionFacts, GapKind, HostFacts,
        PresentArtifact, RunFacts, ToolFacts, UserFacts,
    },
    hash::artifacts::{self, Candidate, Found, hash_artifacts},
    host,
    launch::{Command, EXIT_FAILED, boot_time, identity::user_name},
    observe,
    options::WatchOptions,
    receipt::{
        self, ReceiptOptions,
        write::{ReceiptTarget, Written},
    },
    recording::Header,
    session::LeftBehind,
    summary,
    timings::Timings,
};

/// What became of the receipt.
pub(super) struct Reported {
    pub(super) exit_code: u8,
    /// What is said at the end.
    pub(super) summary: Vec<u8>,
    pub(super) written: Option<Written>,
    /// Why it was not written.
    pub(super) failure: Option<String>,
}

impl Run {
    /// Writes the receipt.
    pub(super) fn report(
        &mut self,
        options: &WatchOptions,
        command: &Command,
        owner: (u32, u32),
        end: &End,
        target: ReceiptTarget,
        interface: &mut impl Interface,
    ) -> Reported {
        self.finish_so_far(interface);
        let mut exit_code = end.exit_code;
        let mut failure = None;
        let mut facts = self.facts(command, end);
        let disclosure = std::mem::take(&mut self.disclosure);
        let chroot = self.chroot.take();
        let remains;
        (remains, facts.artifacts) = self.meanwhile(Stage::Hashing, interface, |session| {
            let remains = session.remains();
            let artifacts =
                artifacts(&remains.left_behind, &disclosure, chroot.as_deref(), options.artifact_limit);
            (remains, artifacts)
        });
        self.disclosure = disclosure;
        self.timings.mark("artifacts");
        if let Some(recording) = self.recording.take() {
            let gap = recording.finish(&facts, owner);
            if let Some(gap) = gap.as_ref().filter(|_| options.quiet) {
                say(&gap.detail);
            }
            facts.observation.gaps.extend(gap);
            self.timings.mark("recording");
        }
        let how = texts(options);
        let (receipt, committed) = self.meanwhile(Stage::Writing, interface, |session| {
            let receipt = receipt::from_session(session, remains, facts, &how);
            let committed = target.commit(&receipt, Some(owner));
            (receipt, committed)
        });
        let written = match committed {
            Ok(written) => {
                if let Some(message) = written.displaced() {
                    say(&message);
                }
                Some(written)
            }
            Err(error) => {
                say(&error.to_string());
                failure = Some(error.to_string());
                exit_code = EXIT_FAILED;
                None
            }
        };
        self.timings.mark("receipt");
        let mut text = Vec::new();
        // Writing to memory does not fail.
        if !options.quiet {
            drop(summary::write(&mut text, &receipt, written.as_ref()));
        }
        if options.timings {
            drop(write_timings(&mut text, &self.timings));
        }
        Reported { exit_code, summary: text, written, failure }
    }

    /// What is known before the run begins.
    pub(super) fn header(&mut self, options: &WatchOptions, command: &Command) -> Header {
        let ReceiptOptions { env_values, redacts } = texts(options);
        Header {
            receipt_id: self.receipt_id.clone(),
            tool: self.tool().clone(),
            observer_pid: std::process::id(),
            boot_to_unix_ns: self.boot_to_unix_ns,
            env_values,
            redacts,
            command: self.command_facts(command),
            host: self.host().clone(),
            backend: self.metadata.backend.into(),
            isolation: self.metadata.isolation.into(),
            blind_spots: blind_spots(command.identity.uid).into_iter().collect(),
        }
    }

    /// Finds out what takes time and does not depend on what the command does.
    pub(super) fn look_around(&mut self) {
        self.host();
        self.tool();
    }

    fn host(&mut self) -> &HostFacts {
        self.host.get_or_insert_with(host::facts)
    }

    fn tool(&mut self) -> &ToolFacts {
        self.tool.get_or_insert_with(tool)
    }

    fn command_facts(&mut self, command: &Command) -> CommandFacts {
        let identity = &command.identity;
        self.disclosure.command(CommandFacts {
            argv: command.argv.iter().map(|argument| argument.as_bytes().to_vec()).collect(),
            cwd: command.directory.as_os_str().as_bytes().to_vec(),
            user: UserFacts {
                uid: identity.uid,
                gid: identity.gid,
                name: identity.name.clone().or_else(|| user_name(identity.uid)),
            },
            executable: self.executable.clone(),
            environment: command.environment.iter().map(|entry| entry.as_bytes().to_vec()).collect(),
        })
    }

    pub(super) fn facts(&mut self, command: &Command, end: &End) -> RunFacts {
        let now = boot_time();
        let finished_at = self.finished_at.unwrap_or(now);
        if self.observation.is_none() && self.gaps.is_empty() && self.finished_at.is_some() {
            let detail = "observation did not begin, and nothing was run".into();
            self.misses(GapKind::Partial, "not_observed", detail);
        }
        let mut observation = self.observation.clone().unwrap_or_default();
        for gap in self.gaps.iter().chain(&self.metadata.gaps) {
            // The observation may have noticed by itself.
            if observation.gaps.iter().all(|known| known.code != gap.code) {
                observation.gaps.push(gap.clone());
            }
        }
        if self.root_pid.is_some() {
            observation.blind_spots.extend(blind_spots(command.identity.uid));
        }
        let mut outcome = end.outcome.clone();
        outcome.error = outcome.error.map(|error| self.disclosure.message(&error));
        RunFacts {
            receipt_id: self.receipt_id.clone(),
            tool: self.tool().clone(),
            command: self.command_facts(command),
            host: self.host().clone(),
            execution: ExecutionFacts {
                backend: self.metadata.backend.into(),
                isolation: self.metadata.isolation.into(),
                root_pid: self.root_pid,
                started_at: self.started_at.unwrap_or(finished_at),
                finished_at,
                outcome,
                resources: self.resources,
            },
            observation,
            artifacts: Vec::new(),
            boot_to_unix_ns: self.boot_to_unix_ns,
        }
    }
}

fn tool() -> ToolFacts {
    ToolFacts {
        name: "glasshouse".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        bpf_object_sha256: Sha256::digest(observe::OBJECT).into(),
    }
}

/// Looks at what the run should have left behind. What is not there any more is nothing that was left behind.
/// Paths begin at the root of the mount namespace, and those that do not lead through `chroot` lead nowhere from here.
fn artifacts(
    left: &[LeftBehind],
    disclosure: &Disclosure,
    chroot: Option<&[u8]>,
    limit_bytes: u64,
) -> Vec<ArtifactFacts> {
    let mut candidates = Vec::with_capacity(left.len());
    let mut known = Vec::with_capacity(left.len());
    for left in left {
        // A path that is not known as a whole leads elsewhere.
        if let Observed::Complete(path) = &left.path
            && let Some(original) = disclosure.original(path)
        {
            let (device, inode) = left.identity.unzip();
            let Some(here) = seen_from(chroot, &original) else {
                known.push((path, left.identity, false));
                continue;
            };
            candidates.push(Candidate { path: here, device, inode });
            known.push((path, left.identity, true));
        }
    }
    let mut found =
        hash_artifacts(candidates, &artifacts::Options { limit_bytes, ..Default::default() }).into_iter();
    let mut facts = Vec::with_capacity(known.len());
    for (path, identity, is_looked_at) in known {
        let found = if is_looked_at { found.next() } else { None };
        let state = match found {
            None => ArtifactState::Unreadable(Unreadable::NotAvailable),
            // The mount that it was on is not there, or only in another namespace, and it is neither.
            Some(Found::Other { device, .. }) if identity.is_some_and(|(known, _)| known != device) => {
                ArtifactState::Gone
            }
            Some(found) => artifact_state(found),
        };
        facts.push(ArtifactFacts { path: Arc::clone(path), identity, state });
    }
    facts
}

/// The directory below which a process sees this path, if it sees another than the kernel has.
pub(super) fn chroot(path: &ResolvedPath) -> Option<Vec<u8>> {
    let (Observed::Complete(whole), Some(inside)) = (&path.path, &path.in_root) else { return None };
    let above = if inside == b"/" { Some(whole.as_slice()) } else { whole.strip_suffix(inside.as_slice()) };
    above.map(<[u8]>::to_vec)
}

/// The path of a file for whoever has this root directory; `None` where none leads there.
fn seen_from(chroot: Option<&[u8]>, path: &Arc<[u8]>) -> Option<Arc<[u8]>> {
    let Some(chroot) = chroot else { return Some(Arc::clone(path)) };
    path.strip_prefix(chroot).filter(|inside| inside.starts_with(b"/")).map(Arc::from)
}

/// How the receipt is to read the texts that `options` let pass.
pub(super) fn texts(options: &WatchOptions) -> ReceiptOptions {
    ReceiptOptions { env_values: options.env_values, redacts: options.redactor.is_some() }
}

fn artifact_state(found: Found) -> ArtifactState {
    match found {
        Found::Gone => ArtifactState::Gone,
        Found::Other { .. } => ArtifactState::Replaced,
        Found::NotRegular(_) => ArtifactState::NotRegular,
        Found::Present(present) => ArtifactState::Present(PresentArtifact {
            size_bytes: present.size_bytes,
            mode: present.mode,
            sha256: present.sha256,
            media_type: present.media_type,
        }),
        Found::OverLimit { size_bytes, mode } => ArtifactState::OverLimit { size_bytes, mode },
        Found::Unreadable(reason) => ArtifactState::Unreadable(reason),
    }
}

/// What a command that runs as `uid` could have hidden or changed.
fn blind_spots(uid: u32) -> Option<BlindSpot> {
    let (code, detail) = if uid == 0 {
        ("root", "the command ran as root, and root can defeat what observes it")
    } else if uid == nix::unistd::getuid().as_raw() {
        (
            "same_user",
            "the command ran as the user of glasshouse itself, whose processes and files it can change",
        )
    } else {
        return None;
    };
    Some(BlindSpot { code: code.into(), detail: detail.into() })
}

/// What to add to a boot time to get nanoseconds of the Unix epoch.
pub(super) fn boot_to_unix_ns() -> i64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let boot = boot_time();
    i64::try_from(unix).unwrap_or_default().saturating_sub_unsigned(boot)
}

fn write_timings(out: &mut dyn Write, timings: &Timings) -> io::Result<()> {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    writeln!(out, "timings, ms:")?;
    for (phase, time) in timings.phases() {
        writeln!(out, "{:>10.3}  {phase}", milliseconds(*time))?;
    }
    let total = timings.phases().iter().map(|(_, time)| *time).sum();
    writeln!(out, "{:>10.3}  all of it", milliseconds(total))
}
