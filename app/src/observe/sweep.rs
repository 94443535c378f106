//! The end of observation: drains the rings until the kernel side's own counters agree, then asks the maps for what
//! was never sent, because its process is still running or because it is only ever asked for.

use std::{io::ErrorKind, time::Duration};

use aya::maps::{Array, HashMap, MapData, MapError};
use glasshouse_common::{
    Counters, FAMILIES, Family, RareKey,
    socket::AF_UNIX,
    state,
    syscall::{ABI_COMPAT, ABI_NATIVE},
};

use super::{
    ACCESS_LIMIT, FAILED_LIMIT, FLOW_LIMIT, ObserveError, RARE_LIMIT, SCOPE_LIMIT, SOCKET_LIMIT,
    assemble::{arguments, device, files, network, syscall},
    intake::Intake,
    load::{Loaded, Plain, Settled},
    ring::{Batch, Rings},
};
use crate::{
    clock::boot_time,
    event::{
        Abi, AccessId, BootNs, CallsSoFar, Denied, Event, EventKind, FileFacts, FileOrigin, FileSeen,
        PathSource, ProcessKey, ResolvedPath, Syscall,
    },
    facts::{BlindSpot, FamilyFacts, Gap, GapKind, LimitFacts, ObservationFacts},
    syscalls::{Table, rings},
};

/// A program that runs on another CPU while it is detached finishes within microseconds.
const DRAIN_TRIES: u32 = 200;
const DRAIN_PAUSE: Duration = Duration::from_micros(100);

/// Processes whose counters are looked at while a run goes on: reading them takes some 5 ms. Of more, which ones is chance.
const LOOKED_AT: usize = 1_000;

/// Names of the families, in their order.
const FAMILY_NAMES: [&str; FAMILIES] = ["process", "syscalls", "files", "network"];

/// Reads the kernel side's maps.
pub(super) struct Sweeper {
    scope: HashMap<MapData, u32, Plain<state::Process>>,
    pool: Array<MapData, Plain<state::Counts>>,
    counts: HashMap<MapData, u64, Plain<state::Counts>>,
    rare: HashMap<MapData, Plain<RareKey>, u64>,
    accesses: Settled<u64, Plain<state::Access>>,
    sockets: HashMap<MapData, u64, Plain<state::Flow>>,
    flows: HashMap<MapData, Plain<state::FlowKey>, Plain<state::Flow>>,
    untold: Settled<u32, u64>,
    counters: Array<MapData, Plain<Counters>>,
    native: Table,
    compat: Table,
}

/// The gap that a collector which ended by itself leaves.
pub(super) fn collector_failed() -> Gap {
    Gap {
        kind: GapKind::Loss,
        code: "collector_failed".into(),
        detail:
            "the thread that empties the rings ended early; what the kernel recorded afterwards is missing"
                .into(),
    }
}

impl Sweeper {
    pub(super) fn new(loaded: &mut Loaded, native: Table, compat: Table) -> Result<Self, ObserveError> {
        Ok(Self {
            scope: loaded.hash("SCOPE")?,
            pool: loaded.array("POOL")?,
            counts: loaded.hash("COUNTS")?,
            rare: loaded.hash("RARE")?,
            accesses: loaded.settled("ACCESSES")?,
            sockets: loaded.hash("SOCKETS")?,
            flows: loaded.hash("FLOWS")?,
            untold: loaded.settled("RING_UNTOLD")?,
            counters: loaded.array(".data.counters")?,
            native,
            compat,
        })
    }

    /// Processes in scope.
    pub(super) fn alive(&self) -> usize {
        self.scope.keys().filter(Result::is_ok).count()
    }

    /// Records that found no room, of all families, but for those whose facts came later or will be asked for.
    pub(super) fn lost(&self) -> u64 {
        let counters = self.counters();
        let recovered = counters.files_late.max(counters.files_recovered) + counters.flows_recovered;
        counters.dropped.iter().sum::<u64>().saturating_sub(recovered)
    }

    fn counters(&self) -> Counters {
        self.counters.get(&0, 0).map(|Plain(counters)| counters).unwrap_or_default()
    }

    /// Drains until everything emitted has been received or counted as dropped.
    pub(super) fn drain(&self, rings: &mut Rings, intake: &mut Intake, events: &mut Vec<Event>) {
        for _ in 0..DRAIN_TRIES {
            loop {
                let mut batch = Batch::default();
                let more = rings.drain(&mut batch);
                intake.take(&batch, events);
                if !more {
                    break;
                }
            }
            let (counters, received) = (self.counters(), &intake.received);
            if (0..FAMILIES)
                .all(|family| counters.emitted[family] == received[family] + counters.dropped[family])
            {
                return;
            }
            std::thread::sleep(DRAIN_PAUSE);
        }
    }

    /// Asks the maps. Gives the processes that are still in scope. `recovered` is how many dropped records of files others than
    /// the kernel side have made up for before.
    pub(super) fn sweep(
        &self,
        loaded: &Loaded,
        intake: &Intake,
        recovered: u64,
        events: &mut Vec<Event>,
        facts: &mut ObservationFacts,
    ) -> Vec<ProcessKey> {
        let at = boot_time();
        let alive = self.sweep_scope(at, events, facts);
        self.sweep_rare(at, events, facts);
        let recovered = recovered + self.sweep_accesses(at, events, facts);
        let flows_recovered = self.sweep_flows(at, events, facts);
        let counters = self.counters();
        for (family, name) in FAMILY_NAMES.iter().enumerate() {
            facts.families.push(FamilyFacts {
                name: (*name).into(),
                emitted: counters.emitted[family],
                received: intake.received[family],
                dropped: counters.dropped[family],
                recovered: if family == Family::Files as usize {
                    counters.files_recovered + recovered
                } else if family == Family::Network as usize {
                    counters.flows_recovered + flows_recovered
                } else {
                    0
                },
            });
        }
        facts.backpressure.waits = counters.waits;
        facts.backpressure.waited_ns = counters.waited_ns;
        state_gaps(&counters, facts);
        self.state_untold(facts);
        let (undecodable, first) = intake.assembler.undecodable();
        if let Some(error) = first {
            facts.gaps.push(Gap {
                kind: GapKind::Loss,
                code: "records_undecodable".into(),
                detail: format!("{undecodable} records could not be understood; the first: {error}"),
            });
        }
        for program in &loaded.programs {
            let missed = program.stats().map_or(0, |stats| stats.missed);
            if missed > 0 && !program.probe.has_twin() {
                facts.gaps.push(Gap {
                    kind: GapKind::Loss,
                    code: "probe_missed".into(),
                    detail: format!(
                        "the kernel did not run the probe {} {missed} times because it was already running",
                        program.probe.name
                    ),
                });
            }
        }
        alive
    }

    /// What was asked for through rings and is not told.
    fn state_untold(&self, facts: &mut ObservationFacts) {
        let mut named = Vec::new();
        let read = self.untold.for_each(|opcode, count| {
            if count > 0 {
                named.push(format!("{} {count}", rings::name(opcode)));
            }
        });
        if let Err(error) = read {
            facts.gaps.push(unswept("requests through rings of which nothing is told", &error));
        }
        if !named.is_empty() {
            facts.blind_spots.push(BlindSpot {
                code: "io_uring".into(),
                detail: format!(
                    "requests through rings of which not everything is known: {}",
                    named.join(", ")
                ),
            });
        }
    }

    fn sweep_scope(
        &self,
        at: BootNs,
        events: &mut Vec<Event>,
        facts: &mut ObservationFacts,
    ) -> Vec<ProcessKey> {
        let mut alive = Vec::new();
        for entry in self.scope.iter() {
            let (tgid, Plain(process)) = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    note_unswept(&error, facts);
                    continue;
                }
            };
            let key = ProcessKey { start: process.start, tgid };
            alive.push(key);
            let totals = self.counted(tgid, &process, |error| note_unswept(error, facts));
            events.push(Event { at, process: key, tid: tgid, kind: EventKind::SyscallTotals(totals) });
        }
        alive
    }

    /// What a process in scope has made of each call.
    fn counted(
        &self,
        tgid: u32,
        process: &state::Process,
        failed: impl FnOnce(&MapError),
    ) -> Vec<(Syscall, u64)> {
        let native = match process.pool_index {
            state::NOT_POOLED => self.counts.get(&state::counts_key(tgid, ABI_NATIVE), 0),
            index => self.pool.get(&index, 0),
        };
        let mut totals = Vec::new();
        match native {
            Ok(Plain(counts)) => totals.extend(listed(&counts, Abi::Native, &self.native)),
            Err(error) => failed(&error),
        }
        if let Ok(Plain(counts)) = self.counts.get(&state::counts_key(tgid, ABI_COMPAT), 0) {
            totals.extend(listed(&counts, Abi::Compat, &self.compat));
        }
        totals
    }

    /// What was counted by now; calls that were made only if they are wanted, of [`LOOKED_AT`] processes.
    pub(super) fn calls_so_far(&self, made_wanted: bool) -> CallsSoFar {
        let mut calls = CallsSoFar::default();
        let known = if made_wanted { LOOKED_AT } else { 0 };
        for (tgid, Plain(process)) in self.scope.iter().take(known).flatten() {
            let made = self.counted(tgid, &process, |_| {});
            // The counters of a process that has left meanwhile may be another's by now.
            let is_still = self
                .scope
                .get(&tgid, 0)
                .is_ok_and(|Plain(now)| (now.start, now.pool_index) == (process.start, process.pool_index));
            if is_still && !made.is_empty() {
                calls.made.insert(ProcessKey { start: process.start, tgid }, made);
            }
        }
        for (Plain(key), count) in self.rare.iter().flatten() {
            let process = ProcessKey { start: key.start, tgid: key.tgid };
            let call = syscall(key.abi, key.number);
            if key.errno != 0 {
                let denied = Denied { call, errno: key.errno as i32, count };
                calls.denied.entry(process).or_default().push(denied);
            } else if let Some(made) = calls.made.get_mut(&process) {
                made.push((call, count));
            }
        }
        calls
    }

    /// Totals of what is done with files that were not sent. Gives how many dropped records that makes up for.
    fn sweep_accesses(&self, at: BootNs, events: &mut Vec<Event>, facts: &mut ObservationFacts) -> u64 {
        let mut recovered = 0;
        let mut unseen = 0;
        let swept = self.accesses.for_each(|access, Plain(entry)| {
            let process = ProcessKey { start: entry.start, tgid: entry.tgid };
            let kind = if entry.seen != 0 {
                recovered += u64::from(entry.dropped);
                if entry.dirty == 0 {
                    return;
                }
                files::file_totals(access, &entry.totals)
            } else {
                unseen += 1;
                // What failed is nothing without its path.
                if entry.failed != 0 {
                    return;
                }
                unnamed(access, &entry)
            };
            let at = if entry.seen != 0 { at } else { entry.sent_at };
            events.push(Event { at, process, tid: entry.tgid, kind });
        });
        if let Err(error) = swept {
            facts.gaps.push(unswept("uses of files, or some of them,", &error));
        }
        if unseen > 0 {
            facts.gaps.push(Gap {
                kind: GapKind::Loss,
                code: "paths_lost".into(),
                detail: format!(
                    "{unseen} files and failed attempts could not be named: their paths found no room"
                ),
            });
        }
        recovered
    }

    /// What is known of flows and was not sent. Gives how many dropped records that makes up for.
    fn sweep_flows(&self, at: BootNs, events: &mut Vec<Event>, facts: &mut ObservationFacts) -> u64 {
        let sockets = self.sockets.iter().map(|entry| entry.map(|(_, Plain(flow))| flow));
        let flows = self.flows.iter().map(|entry| entry.map(|(_, Plain(flow))| flow));
        let mut recovered = 0;
        for flow in sockets.chain(flows) {
            match flow {
                // Of a unix socket that was made and nothing else there is nothing to tell.
                Ok(flow) if flow.facts.family == AF_UNIX && flow.announced == 0 => {}
                Ok(flow) if flow.dirty != 0 => {
                    recovered += u64::from(flow.dropped);
                    let process = ProcessKey { start: flow.start, tgid: flow.tgid };
                    events.push(Event { at, process, tid: 0, kind: network::flow_of(&flow.facts) });
                }
                Ok(_) => {}
                Err(error) => note_unswept(&error, facts),
            }
        }
        recovered
    }

    /// Denied calls, and calls without a slot of their own.
    fn sweep_rare(&self, at: BootNs, events: &mut Vec<Event>, facts: &mut ObservationFacts) {
        for entry in self.rare.iter() {
            let (Plain(key), count) = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    note_unswept(&error, facts);
                    continue;
                }
            };
            let process = ProcessKey { start: key.start, tgid: key.tgid };
            let call = syscall(key.abi, key.number);
            let kind = if key.errno == 0 {
                EventKind::SyscallTotals(vec![(call, count)])
            } else {
                EventKind::Denied(Denied { call, errno: key.errno as i32, count })
            };
            events.push(Event { at, process, tid: key.tgid, kind });
        }
    }
}

/// A file that is known by its numbers alone.
fn unnamed(access: AccessId, entry: &state::Access) -> EventKind {
    EventKind::FileSeen(Box::new(FileSeen {
        access,
        path: ResolvedPath { source: PathSource::Kernel, ..arguments::lost() },
        asked: None,
        origin: FileOrigin::Received,
        facts: FileFacts {
            device: device(entry.device),
            inode: entry.inode,
            size: 0,
            mtime: (0, 0),
            ctime: (0, 0),
            mode: 0,
            links: 0,
            unlinked: false,
            unreachable: false,
        },
        file_system: 0,
        open_flags: 0,
        totals: files::totals(&entry.totals),
    }))
}

fn listed(counts: &state::Counts, abi: Abi, table: &Table) -> Vec<(Syscall, u64)> {
    (0u32..)
        .zip(counts.counts)
        .filter(|(_, count)| *count > 0)
        .filter_map(|(slot, count)| table.number_of_slot(slot).map(|number| (Syscall { abi, number }, count)))
        .collect()
}

fn note_unswept(error: &MapError, facts: &mut ObservationFacts) {
    // An entry that went away between two steps of the walk was reported by its own end.
    let is_gone = matches!(error, MapError::KeyNotFound)
        || matches!(error, MapError::SyscallError(error) if error.io_error.kind() == ErrorKind::NotFound);
    if !is_gone {
        facts.gaps.push(unswept("an entry", error));
    }
}

fn unswept(what: &str, error: &impl std::fmt::Display) -> Gap {
    Gap {
        kind: GapKind::Loss,
        code: "sweep_failed".into(),
        detail: format!("{what} of the kernel side's maps could not be read: {error}"),
    }
}

/// What did not fit is said.
fn state_gaps(counters: &Counters, facts: &mut ObservationFacts) {
    // Of these nothing is missing.
    for (count, (list, capacity)) in
        [(counters.accesses_single, ACCESS_LIMIT), (counters.flows_evicted, FLOW_LIMIT)]
    {
        if count > 0 {
            let total = capacity + count;
            facts.limits.push(LimitFacts { list: format!("{list} at a time"), total, kept: total });
        }
    }
    if counters.sockets_outside > 0 {
        facts.gaps.push(Gap {
            kind: GapKind::Partial,
            code: "sockets_outside_group".into(),
            detail: format!(
                "{} sockets were made outside of the command's control group, by processes that have left it: their packets \
                 are not seen, so that of datagrams the bytes are those of calls, and there are no names or other first bytes",
                counters.sockets_outside
            ),
        });
    }
    if counters.states_missed > 0 {
        facts.gaps.push(Gap {
            kind: GapKind::Loss,
            code: "states_missed".into(),
            detail: format!(
                "{} connections were at their end before they were closed, and the kernel had run no program when that came: \
                 it is told with the time at which it was found, and may lack the error",
                counters.states_missed
            ),
        });
    }
    for (count, (list, capacity), code, consequence) in [
        (counters.scope_full, SCOPE_LIMIT, "scope_full", "were started that could not be followed"),
        (counters.rare_full, RARE_LIMIT, "denied_full", "could not be counted"),
        (counters.access_full, FAILED_LIMIT, "files_full", "could not be counted"),
        (counters.sockets_full, SOCKET_LIMIT, "sockets_full", "could not be followed"),
    ] {
        if count == 0 {
            continue;
        }
        facts.limits.push(LimitFacts { list: list.into(), total: capacity + count, kept: capacity });
        facts.gaps.push(Gap {
            kind: GapKind::Partial,
            code: code.into(),
            detail: format!("{count} {list} {consequence}: the limit is {capacity}"),
        });
    }
}
