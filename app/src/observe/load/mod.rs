//! Loading and attaching the eBPF object: the only user of bpf(2).
//!
//! The object is parsed and relocated by `aya-obj`; maps are `aya`'s. Programs are loaded by the thin layer in
//! [`sys`], because `aya`'s own loader begins by parsing all of the kernel's type information.

mod batch;
mod direct;
mod offsets;
mod prepare;
mod ring;
mod sys;
#[cfg(test)]
mod tests;
mod vmlinux;

use std::{
    borrow::Cow,
    collections::HashMap,
    ffi::CString,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{AtomicUsize, Ordering},
};

use aya::maps::{Array, HashMap as BpfHashMap, Map, MapData};
use aya_obj::{EbpfSectionKind, Object};
use glasshouse_common::{Counters, RareKey, layout::ABSENT, limits, state, syscall::TABLE_LEN};
use zerocopy::IntoBytes;

pub(super) use batch::Settled;
pub(super) use prepare::Prepared;
pub(super) use ring::Ring;
pub(super) use sys::{Attachment, ProgramStats};
pub(super) use vmlinux::{VMLINUX, Vmlinux};

use prepare::Maps;

use super::{
    ObserveError, Target,
    kernel::{Kernel, Tracepoint},
    plan::{Hook, PROBES, Probe},
};
use crate::{facts::ProbeFacts, syscalls::Table, threads};

/// The eBPF object, rebuilt from `ebpf/` by `ebpf/build`.
pub static OBJECT: &[u8] = aligned_object();

/// ELF structures are read in place and want their alignment.
const fn aligned_object() -> &'static [u8] {
    #[repr(align(8))]
    struct Aligned<T: ?Sized>(T);
    static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!("../../../../assets/glasshouse.bpf.o"));
    &ALIGNED.0
}

/// Set in the environment, no probe is typed, as on a kernel that refuses `tp_btf`: for trying that way.
const ONLY_RAW: &str = "GLASSHOUSE_RAW_TP";

/// What to type in front of the binary's path, to give it what observation takes.
pub const SETCAP: &str =
    "sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search,cap_net_admin+ep";

/// Bytes of the verifier's words that an error quotes.
const LOG_TAIL: usize = 1_500;

/// A map value or key that is read as plain bytes.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Plain<T>(pub(super) T);

// SAFETY: these are repr(C) structures of integers without padding, for which every bit pattern is a value.
unsafe impl aya::Pod for Plain<state::Process> {}
// SAFETY: as above.
unsafe impl aya::Pod for Plain<state::Counts> {}
// SAFETY: as above.
unsafe impl aya::Pod for Plain<RareKey> {}
// SAFETY: as above.
unsafe impl aya::Pod for Plain<state::Access> {}
// SAFETY: as above.
unsafe impl aya::Pod for Plain<Counters> {}
// SAFETY: as above.
unsafe impl aya::Pod for Plain<state::Flow> {}
// SAFETY: as above.
unsafe impl aya::Pod for Plain<state::FlowKey> {}

/// A program in the kernel.
pub(super) struct Program {
    pub(super) probe: Probe,
    pub(super) attachment: Attachment,
    fd: OwnedFd,
}

impl Program {
    pub(super) fn stats(&self) -> io::Result<ProgramStats> {
        sys::program_stats(self.fd.as_fd())
    }
}

/// Everything that lies in the kernel. Dropping it takes it out.
pub(super) struct Loaded {
    pub(super) programs: Vec<Program>,
    pub(super) probes: Vec<ProbeFacts>,
    /// In the order in which they were attached, but that of [`Probe::counts`](super::plan::Probe::counts) is the last.
    links: Vec<OwnedFd>,
    maps: Maps,
}

/// What the programs are told before they are loaded.
pub(super) struct Constants<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) target: &'a Target,
    /// Programs of control groups are loaded even if there is none that they could be attached to.
    pub(super) loads_all: bool,
    /// Whoever fills a ring waits for room.
    pub(super) backpressure: bool,
    pub(super) native: &'a Table,
    pub(super) compat: &'a Table,
}

fn failed(what: impl std::fmt::Display, error: impl std::fmt::Display) -> ObserveError {
    ObserveError::Failed(format!("{what}: {error}"))
}

fn no_map(name: &str) -> ObserveError {
    ObserveError::Failed(format!("the eBPF object has no map {name}"))
}

fn unusable(name: &str, error: impl std::fmt::Display) -> ObserveError {
    failed(format!("cannot use the map {name}"), error)
}

fn as_hash<K: aya::Pod, V: aya::Pod>(
    name: &str,
    map: MapData,
) -> Result<BpfHashMap<MapData, K, V>, ObserveError> {
    BpfHashMap::try_from(Map::HashMap(map)).map_err(|error| unusable(name, error))
}

/// A number that an environment variable has, for measuring and for trying what limits do.
fn number_for_tests(name: &str) -> Option<u32> {
    std::env::var(name).ok()?.parse().ok()
}

fn patch(object: &mut Object, constants: &Constants<'_>) -> Result<(), ObserveError> {
    let slot = |table: &Table| {
        table.slot_of(crate::syscalls::SIGRETURN).unwrap_or(glasshouse_common::syscall::NO_SLOT)
    };
    let Constants { kernel, target, native, compat, .. } = constants;
    let compat_bit = if kernel.offsets.task_ti_status == ABSENT { 0 } else { kernel.compat_bit };
    let slots = [native, compat].map(|table| slot(table));
    let words = [native.words, compat.words];
    let file_calls = [native.file_calls, compat.file_calls];
    let number = |table: &Table, name| table.number(name).unwrap_or(u32::MAX);
    let execs = [native, compat].map(|table| ["execve", "execveat"].map(|name| number(table, name)));
    let namespace = target.pid_namespace as u32;
    let has_group = u32::from(target.group.is_some());
    let longest_wait = || number_for_tests("GLASSHOUSE_WAIT_NS").unwrap_or(limits::WAIT_NS);
    let wait_ns = if constants.backpressure { longest_wait() } else { 0 };
    let unseen_state = number_for_tests("GLASSHOUSE_UNSEEN_STATE").unwrap_or(u32::MAX);
    let seed = random();
    let arguments = |name: &str| {
        let probe = PROBES.iter().position(|probe| probe.name == name);
        probe.and_then(|probe| kernel.tracepoints[probe]).map_or(0, |tracepoint| tracepoint.arguments)
    };
    // Linux 5.17 and 5.18 have the ring before the request; since Linux 6.13 there is the completion itself.
    let ring_submit = u32::from(arguments("ring_submit") > 2);
    let ring_completion = u32::from(arguments("ring_complete") < 4);
    let ring_operations = crate::syscalls::rings::operations();
    const _: () = assert!(TABLE_LEN == 512);
    let globals = HashMap::from([
        ("OFFSETS", (kernel.offsets.as_bytes(), true)),
        ("RING_OPERATIONS", (ring_operations.as_bytes(), true)),
        ("RING_SUBMIT_ARGUMENT", (ring_submit.as_bytes(), true)),
        ("RING_HAS_COMPLETION", (ring_completion.as_bytes(), true)),
        ("CALLS", (words.as_bytes(), true)),
        ("FILE_CALLS", (file_calls.as_bytes(), true)),
        ("SEED", (seed.as_bytes(), true)),
        ("SIGRETURN_SLOTS", (slots.as_bytes(), true)),
        ("EXEC_CALLS", (execs.as_bytes(), true)),
        ("COMPAT_BIT", (compat_bit.as_bytes(), true)),
        ("WAIT_NS", (wait_ns.as_bytes(), true)),
        ("UNSEEN_STATE", (unseen_state.as_bytes(), true)),
        ("HAS_GROUP", (has_group.as_bytes(), true)),
        ("ROOT_PID", (target.pid.as_bytes(), true)),
        ("ROOT_PID_NAMESPACE", (namespace.as_bytes(), true)),
    ]);
    object
        .patch_map_data(globals)
        .map_err(|error| failed("cannot fill in the constants of the eBPF object", error))
}

/// A number that the workload does not know.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}

/// Puts the constants into the kernel.
fn fill_in(object: &Object, maps: &HashMap<String, MapData>) -> Result<(), ObserveError> {
    let constants = object.maps.iter().filter(|(_, map)| map.section_kind() == EbpfSectionKind::Rodata);
    for (name, map) in constants {
        let Some(created) = maps.get(name) else { continue };
        sys::set_only_value(created.fd().as_fd(), map.data())
            .and_then(|()| sys::freeze(created.fd().as_fd()))
            .map_err(|error| failed(format!("cannot fill in the eBPF map {name}"), error))?;
    }
    Ok(())
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES))
}

fn not_permitted(error: &io::Error) -> ObserveError {
    ObserveError::NotPermitted(format!(
        "this user may not load eBPF programs ({error}); run it with sudo, or give the binary what it needs: \
         {SETCAP} {}",
        std::env::current_exe().unwrap_or_else(|_| "glasshouse".into()).display()
    ))
}

fn load_one(
    object: &Object,
    btf: &OwnedFd,
    name: &str,
    attachment: Attachment,
    log: Option<&mut [u8]>,
) -> io::Result<OwnedFd> {
    let missing =
        || io::Error::new(io::ErrorKind::NotFound, format!("the eBPF object has no program {name}"));
    let program = object.programs.get(name).ok_or_else(missing)?;
    let function = object.functions.get(&program.function_key()).ok_or_else(missing)?;
    sys::load_program(name, attachment, function, btf.as_fd(), &program.license, log)
}

/// A probe that could not be installed: in which way it was tried, and the kernel's answer.
type Refusal = (Attachment, io::Error);

/// Name of a probe's program in the object.
fn program_name(probe: Probe, attachment: Attachment) -> Cow<'static, str> {
    match attachment {
        Attachment::RawTp if probe.typed => format!("{}_raw", probe.name).into(),
        _ => probe.name.into(),
    }
}

/// Loads one probe, a typed one in the way that tells most of those that this kernel takes.
fn load_probe(
    object: &Object,
    btf: &OwnedFd,
    probe: Probe,
    tracepoint: Option<Tracepoint>,
    constants: &Constants<'_>,
) -> Result<Program, Refusal> {
    if let Hook::Group(hook) = probe.hook {
        let attachment = Attachment::Group(hook);
        // Without a group it could not be attached to anything.
        let loaded = if constants.target.group.is_some() || constants.loads_all {
            load_one(object, btf, probe.name, attachment, None)
        } else {
            Err(io::Error::from(io::ErrorKind::NotFound))
        };
        return match loaded {
            Ok(fd) => Ok(Program { probe, attachment, fd }),
            Err(error) => Err((attachment, error)),
        };
    }
    let only_raw = std::env::var_os(ONLY_RAW).is_some();
    let typed = tracepoint.filter(|_| probe.typed && !only_raw).map(|known| Attachment::TpBtf(known.id));
    let mut first_refusal = None;
    for attachment in typed.into_iter().chain([Attachment::RawTp]) {
        match load_one(object, btf, &program_name(probe, attachment), attachment, None) {
            Ok(fd) => return Ok(Program { probe, attachment, fd }),
            Err(error) => {
                first_refusal.get_or_insert((attachment, error));
            }
        }
    }
    Err(first_refusal.unwrap_or((Attachment::RawTp, io::Error::from(io::ErrorKind::NotFound))))
}

/// Attaches a program to the probe's tracepoint, puts it among those that go on with another, or attaches it to the control
/// group, if there is one: else it was loaded to be looked at.
fn attach(
    program: Program,
    tracepoint: Option<Tracepoint>,
    group: Option<&OwnedFd>,
    maps: &Maps,
) -> Result<(Program, Vec<OwnedFd>), Refusal> {
    let links = match (program.probe.hook, program.attachment, group) {
        (Hook::GoingOn(_, map, number), ..) => match maps.plain.get(map) {
            Some(map) => sys::set_program(map.fd().as_fd(), number, program.fd.as_fd()).map(|()| Vec::new()),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        },
        (_, Attachment::Group(hook), Some(group)) => {
            sys::attach_to_group(program.fd.as_fd(), hook, group.as_fd())
        }
        (_, Attachment::Group(_), None) => Ok(Vec::new()),
        (_, attachment, _) => {
            let name = tracepoint.map_or(program.probe.place(), |known| known.name);
            let name = CString::new(name).unwrap_or_default();
            sys::attach(program.fd.as_fd(), attachment, &name).map(|link| vec![link])
        }
    };
    match links {
        Ok(links) => Ok((program, links)),
        Err(error) => Err((program.attachment, error)),
    }
}

/// What attaches a program, and the how manieth it was to be attached.
type Links = (usize, Vec<OwnedFd>);

/// Loads and attaches every probe of the plan. The verifier takes nearly all of the time that it takes: two threads take
/// the programs in turn, the longest first. Nothing is in scope meanwhile, so that it does not matter which one runs first.
fn load_probes(
    object: &Object,
    btf: &OwnedFd,
    maps: &Maps,
    constants: &Constants<'_>,
) -> Vec<Result<(Program, Links), Refusal>> {
    let tracepoints = &constants.kernel.tracepoints;
    let group = constants.target.group.as_ref();
    let length = |probe: &Probe| {
        let program = object.programs.get(probe.name);
        let function = program.and_then(|program| object.functions.get(&program.function_key()));
        function.map_or(0, |function| function.instructions.len())
    };
    let mut order: Vec<usize> = (0..PROBES.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(length(&PROBES[*index])));
    let (next, attached) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut loaded = Vec::new();
        while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let tracepoint = tracepoints[*index];
            let program = load_probe(object, btf, PROBES[*index], tracepoint, constants);
            let program = program.and_then(|program| attach(program, tracepoint, group, maps));
            let order = attached.fetch_add(1, Ordering::Relaxed);
            loaded.push((*index, program.map(|(program, links)| (program, (order, links)))));
        }
        loaded
    };
    let mut loaded = std::thread::scope(|scope| {
        let beside = threads::spawn_beside(scope, work);
        let mut loaded = work();
        loaded.extend(beside.ok().and_then(|thread| thread.join().ok()).unwrap_or_default());
        loaded
    });
    loaded.sort_by_key(|(index, _)| *index);
    loaded.into_iter().map(|(_, program)| program).collect()
}

/// The end of what the verifier had to say about a program that it refused.
fn verifier_words(object: &Object, btf: &OwnedFd, probe: Probe, attachment: Attachment) -> String {
    let name = program_name(probe, attachment);
    let mut log = vec![0; 4 << 20];
    if load_one(object, btf, &name, attachment, Some(&mut log)).is_ok() {
        return String::new();
    }
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[end.saturating_sub(LOG_TAIL)..end]).trim().to_owned()
}

impl Loaded {
    /// Puts everything into the kernel. When this returns, every probe runs.
    pub(super) fn load(prepared: Prepared, constants: &Constants<'_>) -> Result<Self, ObserveError> {
        let Prepared { mut object, maps, types: btf } = prepared;
        patch(&mut object, constants)?;
        fill_in(&object, &maps.plain)?;
        offsets::put(&mut object, &constants.kernel.offsets);
        if let Some(cast) = constants.kernel.cast {
            direct::read_directly(&mut object, cast);
        }
        let object = &object;
        let mut loaded = Self { programs: Vec::new(), probes: Vec::new(), links: Vec::new(), maps };
        let programs = load_probes(object, &btf, &loaded.maps, constants);
        let mut links = Vec::new();
        for (probe, attached) in PROBES.iter().zip(programs) {
            let (kind, reason) = match attached {
                Ok((program, attached_links)) => {
                    let kind = program.attachment.kind();
                    loaded.programs.push(program);
                    links.push((probe.counts, attached_links));
                    (kind, None)
                }
                Err((attachment, error)) if probe.required => {
                    let words = verifier_words(object, &btf, *probe, attachment);
                    if is_refusal(&error) && words.is_empty() {
                        return Err(not_permitted(&error));
                    }
                    return Err(ObserveError::Unsupported(format!(
                        "the kernel does not take the probe {} ({error}); glasshouse needs Linux 5.17 or later: {words}",
                        probe.name
                    )));
                }
                Err((_, error)) if error.raw_os_error() == Some(libc::EMFILE) => {
                    return Err(failed(format!("cannot load the probe {}", probe.name), error));
                }
                Err((attachment, error)) => {
                    let reason = match attachment {
                        Attachment::Group(_) if constants.target.group.is_none() && !constants.loads_all => {
                            "the command has no control group of its own".into()
                        }
                        Attachment::Group(_) if constants.loads_all => {
                            let words = verifier_words(object, &btf, *probe, attachment);
                            format!("this kernel does not take it ({error}): {words}")
                        }
                        Attachment::Group(_) => format!("the control group does not take it ({error})"),
                        _ => format!("this kernel does not have the tracepoint {} ({error})", probe.place()),
                    };
                    (attachment.kind(), Some(reason))
                }
            };
            loaded.probes.push(ProbeFacts {
                name: probe.name.into(),
                kind: kind.into(),
                attached: reason.is_none(),
                reason,
            });
        }
        links.sort_by_key(|(counts, (order, _))| (*counts, *order));
        loaded.links = links.into_iter().flat_map(|(_, (_, links))| links).collect();
        Ok(loaded)
    }

    /// Takes the programs off their tracepoints. Records already in the rings stay there.
    pub(super) fn detach(&mut self) {
        // The last one first. What counts calls is the last, so that of a process that was counted as created the creation is
        // told. And of two on one tracepoint the kernel waits for whoever is in the first, for 15 ms, when that goes
        // and leaves the other.
        while self.links.pop().is_some() {}
    }

    fn take(&mut self, name: &str) -> Result<MapData, ObserveError> {
        self.maps.plain.remove(name).ok_or_else(|| no_map(name))
    }

    /// Takes a ring buffer.
    pub(super) fn ring(&mut self, name: &str) -> Result<Ring, ObserveError> {
        self.maps
            .rings
            .remove(name)
            .ok_or_else(|| ObserveError::Failed(format!("the eBPF object has no ring {name}")))
    }

    /// Takes a hash map.
    pub(super) fn hash<K: aya::Pod, V: aya::Pod>(
        &mut self,
        name: &str,
    ) -> Result<BpfHashMap<MapData, K, V>, ObserveError> {
        as_hash(name, self.take(name)?)
    }

    /// Another handle of a hash map that is still to be taken.
    pub(super) fn same_hash<K: aya::Pod, V: aya::Pod>(
        &self,
        name: &str,
    ) -> Result<BpfHashMap<MapData, K, V>, ObserveError> {
        let map = self.maps.plain.get(name).ok_or_else(|| no_map(name))?;
        let copy = map.fd().as_fd().try_clone_to_owned().map_err(|error| unusable(name, error))?;
        as_hash(name, MapData::from_fd(copy).map_err(|error| unusable(name, error))?)
    }

    /// Takes a hash map or an array that is read when nothing changes it any more.
    pub(super) fn settled<K: aya::Pod, V: aya::Pod>(
        &mut self,
        name: &str,
    ) -> Result<Settled<K, V>, ObserveError> {
        self.take(name).map(Settled::new)
    }

    /// Takes an array.
    pub(super) fn array<V: aya::Pod>(&mut self, name: &str) -> Result<Array<MapData, V>, ObserveError> {
        let map = self.take(name)?;
        Array::try_from(Map::Array(map)).map_err(|error| unusable(name, error))
    }
}
