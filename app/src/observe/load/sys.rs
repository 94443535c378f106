//! The few operations of bpf(2) that `aya` offers only behind its own loader, which parses all of the kernel's type
//! information first.

use std::{
    ffi::CStr,
    io,
    mem::{MaybeUninit, size_of, zeroed},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use crate::observe::plan::GroupHook;
use aya_obj::{
    Function,
    generated::{
        bpf_attach_type::{
            self, BPF_CGROUP_INET_EGRESS, BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_SOCK_CREATE,
            BPF_CGROUP_INET_SOCK_RELEASE, BPF_TRACE_RAW_TP,
        },
        bpf_attr, bpf_cmd, bpf_func_info, bpf_prog_info,
        bpf_prog_type::{
            self, BPF_PROG_TYPE_CGROUP_SKB, BPF_PROG_TYPE_CGROUP_SOCK, BPF_PROG_TYPE_RAW_TRACEPOINT,
            BPF_PROG_TYPE_TRACING,
        },
    },
};

/// How a program is attached to its tracepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attachment {
    /// By the tracepoint's type, with this id in the kernel's type information.
    TpBtf(u32),
    /// By the tracepoint's name.
    RawTp,
    /// To a control group.
    Group(GroupHook),
}

/// Which type of program sees what happens in a control group, and how the kernel numbers that. A program for packets may be
/// attached to either way, as long as it lets all of them pass: it is loaded for the first.
fn group_types(hook: GroupHook) -> (bpf_prog_type, &'static [bpf_attach_type]) {
    match hook {
        GroupHook::SocketCreate => (BPF_PROG_TYPE_CGROUP_SOCK, &[BPF_CGROUP_INET_SOCK_CREATE]),
        GroupHook::SocketRelease => (BPF_PROG_TYPE_CGROUP_SOCK, &[BPF_CGROUP_INET_SOCK_RELEASE]),
        GroupHook::Packets => (BPF_PROG_TYPE_CGROUP_SKB, &[BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS]),
    }
}

impl Attachment {
    /// The name of the kind, as receipts give it.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::TpBtf(_) => "tp_btf",
            Self::RawTp => "raw_tp",
            Self::Group(_) => "cgroup",
        }
    }
}

fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i64> {
    // SAFETY: `attr` is a whole, zero-initialised bpf_attr; every pointer put in it by the callers below outlives
    // the call.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command as u32, attr as *mut bpf_attr, size_of::<bpf_attr>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn empty_attr() -> bpf_attr {
    // SAFETY: bpf_attr is a union of plain integers, for which all zeroes is a value; the kernel asks for unused
    // bytes to be zero.
    unsafe { zeroed() }
}

fn owned(result: i64) -> OwnedFd {
    // SAFETY: the kernel has just returned this descriptor to us alone.
    unsafe { OwnedFd::from_raw_fd(result as i32) }
}

/// The object's own type information in the kernel, which wants it for functions that are called back.
pub(crate) fn load_btf(btf: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = empty_attr();
    // SAFETY: writing this member of a zeroed union of integers; it is the one that BPF_BTF_LOAD reads.
    let load = unsafe { &mut attr.__bindgen_anon_7 };
    load.btf = btf.as_ptr() as u64;
    load.btf_size = btf.len() as u32;
    bpf(bpf_cmd::BPF_BTF_LOAD, &mut attr).map(owned)
}

/// Loads a program. With `log`, the verifier's words are put there.
pub(crate) fn load_program(
    name: &str,
    attachment: Attachment,
    function: &Function,
    btf: BorrowedFd<'_>,
    license: &CStr,
    log: Option<&mut [u8]>,
) -> io::Result<OwnedFd> {
    let mut attr = empty_attr();
    // SAFETY: writing this member of a zeroed union of integers; it is the one that BPF_PROG_LOAD reads.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    for (to, from) in load.prog_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from as _;
    }
    load.insns = function.instructions.as_ptr() as u64;
    load.insn_cnt = function.instructions.len() as u32;
    let functions = &function.func_info.func_info;
    load.prog_btf_fd = btf.as_raw_fd() as u32;
    load.func_info = functions.as_ptr() as u64;
    load.func_info_cnt = functions.len() as u32;
    load.func_info_rec_size = size_of::<bpf_func_info>() as u32;
    load.license = license.as_ptr() as u64;
    match attachment {
        Attachment::TpBtf(id) => {
            load.prog_type = BPF_PROG_TYPE_TRACING as u32;
            load.expected_attach_type = BPF_TRACE_RAW_TP as u32;
            load.attach_btf_id = id;
        }
        Attachment::RawTp => load.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT as u32,
        Attachment::Group(hook) => {
            let (program, attach) = group_types(hook);
            load.prog_type = program as u32;
            load.expected_attach_type = attach[0] as u32;
        }
    }
    if let Some(log) = log {
        load.log_level = 1;
        load.log_size = log.len() as u32;
        load.log_buf = log.as_mut_ptr() as u64;
    }
    bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr).map(owned)
}

/// Attaches a program; closing the result detaches it.
pub(crate) fn attach(
    program: BorrowedFd<'_>,
    attachment: Attachment,
    tracepoint: &CStr,
) -> io::Result<OwnedFd> {
    let mut attr = empty_attr();
    attr.raw_tracepoint.prog_fd = program.as_raw_fd() as u32;
    if attachment == Attachment::RawTp {
        attr.raw_tracepoint.name = tracepoint.as_ptr() as u64;
    }
    bpf(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr).map(owned)
}

/// Attaches a program to a control group, beside those of others; closing the result detaches it.
pub(crate) fn attach_to_group(
    program: BorrowedFd<'_>,
    hook: GroupHook,
    group: BorrowedFd<'_>,
) -> io::Result<Vec<OwnedFd>> {
    let attach = |kind: &bpf_attach_type| {
        let mut attr = empty_attr();
        // SAFETY: writing this member of a zeroed union of integers; it is the one that BPF_LINK_CREATE reads.
        let link = unsafe { &mut attr.link_create };
        link.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
        link.__bindgen_anon_2.target_fd = group.as_raw_fd() as u32;
        link.attach_type = *kind as u32;
        bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).map(owned)
    };
    group_types(hook).1.iter().map(attach).collect()
}

/// What [`lookup_batch`] found.
pub(super) struct Found {
    /// How many entries.
    pub(super) entries: usize,
    /// Where to go on; nowhere, if those were the last.
    pub(super) next: Option<u32>,
}

/// Reads entries of a hash map, as many as there is room for, from a position that an earlier call has given.
pub(super) fn lookup_batch<K: aya::Pod, V: aya::Pod>(
    map: BorrowedFd<'_>,
    position: Option<u32>,
    keys: &mut [MaybeUninit<K>],
    values: &mut [MaybeUninit<V>],
) -> io::Result<Found> {
    let (from, mut next) = (position.unwrap_or_default(), 0_u32);
    let mut attr = empty_attr();
    // SAFETY: writing this member of a zeroed union of integers; it is the one that BPF_MAP_LOOKUP_BATCH reads.
    let batch = unsafe { &mut attr.batch };
    batch.in_batch = if position.is_some() { &raw const from as u64 } else { 0 };
    batch.out_batch = &raw mut next as u64;
    batch.keys = keys.as_mut_ptr() as u64;
    batch.values = values.as_mut_ptr() as u64;
    batch.count = keys.len().min(values.len()) as u32;
    batch.map_fd = map.as_raw_fd() as u32;
    let is_last = match bpf(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut attr) {
        Ok(_) => false,
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
        Err(error) => return Err(error),
    };
    // SAFETY: as above; the kernel has put the number of entries there.
    let entries = unsafe { attr.batch }.count as usize;
    Ok(Found { entries, next: (!is_last).then_some(next) })
}

/// Freezes a map: user space can no longer write to it, and the verifier takes its values as constants.
pub(crate) fn freeze(map: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = empty_attr();
    attr.__bindgen_anon_2.map_fd = map.as_raw_fd() as u32;
    bpf(bpf_cmd::BPF_MAP_FREEZE, &mut attr).map(|_| ())
}

/// Sets the one value of a one-entry array map.
pub(crate) fn set_only_value(map: BorrowedFd<'_>, value: &[u8]) -> io::Result<()> {
    set_value(map, 0, value)
}

/// Puts a program into an array of programs.
pub(crate) fn set_program(map: BorrowedFd<'_>, key: u32, program: BorrowedFd<'_>) -> io::Result<()> {
    set_value(map, key, &program.as_raw_fd().to_ne_bytes())
}

/// Sets a value of an array map, which must be as long as those are.
fn set_value(map: BorrowedFd<'_>, key: u32, value: &[u8]) -> io::Result<()> {
    let mut attr = empty_attr();
    // SAFETY: writing this member of a zeroed union of integers; it is the one that BPF_MAP_UPDATE_ELEM reads.
    let element = unsafe { &mut attr.__bindgen_anon_2 };
    element.map_fd = map.as_raw_fd() as u32;
    element.key = &raw const key as u64;
    element.__bindgen_anon_1.value = value.as_ptr() as u64;
    bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr).map(|_| ())
}

/// What the kernel says of a loaded program.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProgramStats {
    /// Instructions that the verifier looked at (0 before Linux 5.16).
    pub(crate) verified_instructions: u32,
    /// Bytes of machine code.
    pub(crate) machine_code_bytes: u32,
    /// Bytes of eBPF code.
    pub(crate) code_bytes: u32,
    /// Times the program was not run because it, or another run of it on the same CPU, was running already.
    pub(crate) missed: u64,
}

/// Asks the kernel about a loaded program.
pub(crate) fn program_stats(program: BorrowedFd<'_>) -> io::Result<ProgramStats> {
    // SAFETY: a structure of plain integers, for which all zeroes is a value.
    let mut info: bpf_prog_info = unsafe { zeroed() };
    let mut attr = empty_attr();
    attr.info.bpf_fd = program.as_raw_fd() as u32;
    attr.info.info_len = size_of::<bpf_prog_info>() as u32;
    attr.info.info = &raw mut info as u64;
    bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(ProgramStats {
        verified_instructions: info.verified_insns,
        machine_code_bytes: info.jited_prog_len,
        code_bytes: info.xlated_prog_len,
        missed: info.recursion_misses,
    })
}
