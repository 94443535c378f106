//! From the kernel to [`Event`]s: the probe plan, loading and attaching, the ring buffers, decoding.
//!
//! The only part that knows eBPF. It never imports the session, the receipt or the interface. In the order in which
//! an event travels: [`plan`] and `kernel` say what is attached and with which offsets, `load` puts it into the
//! kernel, `ring` drains what it sends, `intake` has [`decode`] and [`assemble`] make events of it, `remains` fetches
//! what was too much to be sent when a process ended, `sweep` asks at the end for what was not sent. `record` writes
//! down what was sent, and [`replay`] reads it again.

pub mod assemble;
pub mod btf;
pub mod decode;
pub mod inspect;
mod intake;
mod kernel;
mod load;
pub mod plan;
mod pressure;
mod record;
mod remains;
pub mod replay;
mod ring;
mod sweep;

use std::{os::fd::OwnedFd, path::Path, sync::Arc, thread::JoinHandle, time::Duration};

use nix::sys::resource::{Resource, getrlimit};

use crate::{
    event::{CallsSoFar, Event, ProcessKey},
    facts::{Gap, GapKind, ObservationFacts, ProbeFacts},
    syscalls::Table,
    threads,
    timings::Timings,
};

use assemble::Assembler;
use glasshouse_common::{FAMILIES, limits};
use intake::Intake;
use kernel::Kernel;
use load::{Constants, Loaded, Prepared, VMLINUX, Vmlinux};
pub use load::{OBJECT, SETCAP};
use plan::PROBES;
pub use pressure::Freeze;
use pressure::{Freezes, Pressure};
use record::Recorder;
use remains::Remains;
use ring::{Collector, Rings};
use sweep::Sweeper;

/// What is to be observed: a process that is held until observation is in place. Its successful exec is where
/// observation starts.
#[derive(Debug)]
pub struct Target {
    /// Its pid, as glasshouse sees it.
    pub pid: u32,
    /// Inode number of the pid namespace of which `pid` is a number (`/proc/self/ns/pid`).
    pub pid_namespace: u64,
    /// The directory of a control group of version 2 that it is in, and nobody else.
    pub group: Option<OwnedFd>,
    /// What freezes it, and all that it starts, where that can be had.
    pub freeze: Option<Freeze>,
}

/// How it is to be observed.
#[derive(Clone, Copy, Debug)]
pub struct Manner<'a> {
    /// The records go to this new file as well.
    pub recording: Option<&'a Path>,
    /// No event waits longer than that to be given out, also while little happens.
    pub patience: Option<Duration>,
    /// The workload is slowed down rather than that anything is lost.
    pub backpressure: bool,
}

/// Observation in progress.
pub struct Observer {
    loaded: Loaded,
    collector: Collector,
    intake: Intake,
    remains: Remains,
    sweeper: Sweeper,
    freezes: Arc<Freezes>,
    /// An empty batch that the next events are put into: fresh memory costs more than what is done with it.
    spare: Vec<Event>,
}

/// What is left when observation has ended.
pub struct Finished {
    /// Events that had not been taken yet, then those of the final sweep.
    pub events: Vec<Event>,
    /// How well it went.
    pub facts: ObservationFacts,
    /// Processes that were in scope and alive when observation ended.
    pub alive: Vec<ProcessKey>,
}

/// Why observation could not begin. The text says what is missing and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The user may not load eBPF programs.
    #[error("{0}")]
    NotPermitted(String),
    /// The kernel lacks something that is needed.
    #[error("{0}")]
    Unsupported(String),
    /// Something else failed.
    #[error("{0}")]
    Failed(String),
}

impl ObserveError {
    /// Whatever was being done: that there are too few descriptors is no matter of the kernel's, and has a remedy.
    fn explained(self) -> Self {
        let too_many = std::io::Error::from_raw_os_error(libc::EMFILE).to_string();
        if !self.to_string().contains(&too_many) {
            return self;
        }
        Self::Failed(format!(
            "observing takes about a hundred open files, and no more than {} are allowed; type: ulimit -n 1024",
            getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft)
        ))
    }
}

/// Events of a batch whose memory is kept for the next one: as many as a usual batch of records gives.
const SPARE_EVENTS: usize = 4_096;

/// Names of the rings.
const RINGS: [&str; ring::RINGS] = ["PROCESS_RING", "ACTIVITY_RING", "NETWORK_RING"];

/// What an observation needs and what does not depend on its target: made on a thread of its own, while the command is
/// being prepared.
pub struct Groundwork(std::io::Result<JoinHandle<Result<Ground, ObserveError>>>);

struct Ground {
    kernel: Kernel,
    prepared: Prepared,
}

impl Ground {
    /// Reads the kernel's types, and beside that has the maps made.
    fn lay() -> Result<Self, ObserveError> {
        let (prepared, kernel) = Prepared::new_beside(kernel);
        Ok(Self { kernel: kernel?, prepared: prepared? })
    }
}

impl Groundwork {
    /// Begins it.
    pub fn begin() -> Self {
        let thread = threads::spawn("groundwork", Ground::lay);
        threads::let_begin();
        Self(thread)
    }

    fn finish(self) -> Result<Ground, ObserveError> {
        match self.0.map(JoinHandle::join) {
            Ok(Ok(ground)) => ground,
            // The thread could not be had, or has panicked.
            _ => Ground::lay(),
        }
    }
}

/// The running kernel's type information.
fn kernel() -> Result<Kernel, ObserveError> {
    let bytes = Vmlinux::open(Path::new(VMLINUX)).map_err(|error| {
        ObserveError::Unsupported(format!(
            "this kernel shows no type information at {VMLINUX} ({error}); glasshouse needs Linux 5.17 or later, \
             built with CONFIG_DEBUG_INFO_BTF"
        ))
    })?;
    Kernel::from_btf(&bytes)
}

impl Observer {
    /// Loads and attaches everything. When this returns, nothing the target does after its exec goes unseen.
    ///
    /// # Errors
    /// When the kernel or the user's privileges do not allow it, or the file cannot be made.
    pub fn start(
        groundwork: Groundwork,
        target: Target,
        manner: Manner<'_>,
        timings: &mut Timings,
    ) -> Result<Self, ObserveError> {
        Self::begin(groundwork, target, manner, timings).map_err(ObserveError::explained)
    }

    fn begin(
        groundwork: Groundwork,
        mut target: Target,
        manner: Manner<'_>,
        timings: &mut Timings,
    ) -> Result<Self, ObserveError> {
        let page_bytes = page_bytes();
        let recorder = manner.recording.map(|path| Recorder::create(path, page_bytes)).transpose()?;
        let Ground { kernel, prepared } = groundwork.finish()?;
        timings.mark("kernel types and maps");
        let (native, compat) = (Table::native(), Table::compat());
        let constants = Constants {
            kernel: &kernel,
            target: &target,
            loads_all: false,
            backpressure: manner.backpressure,
            native: &native,
            compat: &compat,
        };
        let mut loaded = Loaded::load(prepared, &constants)?;
        timings.mark("load and attach");
        let rings = Rings::new([loaded.ring(RINGS[0])?, loaded.ring(RINGS[1])?, loaded.ring(RINGS[2])?]);
        let remains = Remains::new(loaded.same_hash("ACCESSES")?);
        let sweeper = Sweeper::new(&mut loaded, native.clone(), compat.clone())?;
        let pressure = Pressure::new(target.freeze.take().filter(|_| manner.backpressure));
        let freezes = pressure.freezes();
        let collector = Collector::start(rings, pressure, manner.patience)
            .map_err(|error| ObserveError::Failed(format!("cannot start the collector: {error}")))?;
        let assembler = Assembler::new(native, compat, page_bytes);
        let intake = Intake { assembler, recorder, received: [0; FAMILIES] };
        timings.mark("map rings, start collector");
        Ok(Self { loaded, collector, intake, remains, sweeper, freezes, spare: Vec::new() })
    }

    /// The next batch of events, in the order in which the kernel recorded them (per ring). `None` when the
    /// collector has failed. Cancel safe.
    pub async fn next(&mut self) -> Option<Vec<Event>> {
        let batch = tokio::select! {
            batch = self.collector.next() => batch?,
            fetched = self.remains.next() => return Some(fetched),
        };
        let mut events = std::mem::take(&mut self.spare);
        self.intake.take(&batch, &mut events);
        self.collector.take_back(batch);
        for left in self.intake.assembler.take_left() {
            self.remains.fetch(left);
        }
        Some(events)
    }

    /// Takes back a batch that was looked at: its memory is used again, unless it was an unusually long one.
    pub fn take_back(&mut self, mut events: Vec<Event>) {
        events.clear();
        if events.capacity() <= SPARE_EVENTS {
            self.spare = events;
        }
    }

    /// How many processes are in scope and alive now.
    pub fn alive(&self) -> usize {
        self.sweeper.alive()
    }

    /// Records that the kernel side could not send by now, and whose facts nothing will bring.
    pub fn lost(&self) -> u64 {
        self.sweeper.lost()
    }

    /// System calls as they were counted by now, those that were made only if they are wanted.
    pub fn calls_so_far(&self, made_wanted: bool) -> CallsSoFar {
        self.sweeper.calls_so_far(made_wanted)
    }

    /// Detaches, drains and sweeps.
    pub fn finish(mut self, timings: &mut Timings) -> Finished {
        self.loaded.detach();
        timings.mark("detach");
        let mut events = Vec::new();
        let mut facts =
            ObservationFacts { probes: std::mem::take(&mut self.loaded.probes), ..Default::default() };
        match self.collector.stop() {
            Some((mut rings, batches)) => {
                for batch in batches {
                    self.intake.take(&batch, &mut events);
                }
                self.sweeper.drain(&mut rings, &mut self.intake, &mut events);
                if rings.has_failed {
                    facts.gaps.push(sweep::collector_failed());
                }
            }
            None => facts.gaps.push(sweep::collector_failed()),
        }
        timings.mark("drain");
        let recovered = self.remains.stop(&mut events);
        events.extend(self.intake.assembler.unfinished());
        facts.gaps.extend(packets_unseen(&facts.probes));
        facts.gaps.extend(self.intake.recorder.as_ref().and_then(Recorder::gap));
        (facts.backpressure.freezes, facts.backpressure.frozen_ns) = self.freezes.so_far();
        let alive = self.sweeper.sweep(&self.loaded, &self.intake, recovered, &mut events, &mut facts);
        timings.mark("sweep");
        Finished { events, facts, alive }
    }
}

/// What is missing where packets are not seen.
fn packets_unseen(probes: &[ProbeFacts]) -> Option<Gap> {
    let of_group = |name: &str| {
        PROBES.iter().any(|probe| probe.name == name && matches!(probe.hook, plan::Hook::Group(_)))
    };
    let unseen = probes.iter().find(|probe| of_group(&probe.name) && !probe.attached)?;
    Some(Gap {
        kind: GapKind::Partial,
        code: "packets_unseen".into(),
        detail: format!(
            "packets are not seen ({}): of datagrams the bytes are those of system calls and packets are not counted, and \
             there are no DNS messages, server names or other first bytes",
            unseen.reason.as_deref().unwrap_or("no probe")
        ),
    })
}

fn page_bytes() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().map_or(4096, |bytes| bytes as u64)
}

/// Limits of the kernel side that a receipt states when they were reached.
const SCOPE_LIMIT: (&str, u64) = ("processes in scope", limits::SCOPE_ENTRIES as u64);
const RARE_LIMIT: (&str, u64) = ("denied system calls", limits::RARE_ENTRIES as u64);
const SOCKET_LIMIT: (&str, u64) = ("sockets", limits::SOCKET_ENTRIES as u64);
const ACCESS_LIMIT: (&str, u64) = ("uses of files", limits::ACCESS_ENTRIES as u64);
const FAILED_LIMIT: (&str, u64) = ("failed attempts and calls", limits::ACCESS_ENTRIES as u64);
const FLOW_LIMIT: (&str, u64) =
    ("sockets and their peers", (limits::SOCKET_ENTRIES + limits::FLOW_ENTRIES) as u64);
