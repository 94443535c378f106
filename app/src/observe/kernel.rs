//! What the running kernel is like: offsets of structure members, ids of tracepoints, and whether that suffices.

use aya::util::KernelVersion;
use glasshouse_common::layout::{ABSENT, OFFSETS, Offsets};

use super::{ObserveError, btf::Btf, plan::PROBES};
use crate::maps::HashSet;

/// Members that some supported kernels or architectures lack, and that the programs do without; as with those of rings,
/// `ring_…`.
const OPTIONAL: &[&str] = &[
    "task_ti_status",
    "regs_compat_arg0",
    "regs_compat_arg1",
    "regs_compat_arg2",
    "regs_compat_arg3",
    "regs_compat_arg4",
    "regs_compat_arg5",
    "bprm_fdpath",
    "file_task_work",
];

/// `TS_COMPAT` of `arch/x86/include/asm/thread_info.h`, in `thread_info.status`.
#[cfg(target_arch = "x86_64")]
const COMPAT_BIT: u32 = 0x0002;
/// `_TIF_32BIT` of `arch/arm64/include/asm/thread_info.h`, in `thread_info.flags`.
#[cfg(target_arch = "aarch64")]
const COMPAT_BIT: u32 = 1 << 22;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const COMPAT_BIT: u32 = 0;

/// A tracepoint that this kernel has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tracepoint {
    /// Its name here.
    pub(super) name: &'static str,
    /// Id of its type.
    pub(super) id: u32,
    /// How many arguments it has.
    pub(super) arguments: u32,
}

/// What the programs and the loader need of the kernel's type information.
#[derive(Debug)]
pub(super) struct Kernel {
    /// Offsets, [`ABSENT`] where a member does not exist.
    pub(super) offsets: Offsets,
    /// For each probe of the plan: its tracepoint.
    pub(super) tracepoints: Vec<Option<Tracepoint>>,
    /// Bit that marks a 32-bit call.
    pub(super) compat_bit: u32,
    /// Id of the function [`CAST`], where it takes any address.
    pub(super) cast: Option<u32>,
}

/// Makes an address a pointer that may be loaded from; since Linux 6.17 also one of no type.
const CAST: &str = "bpf_rdonly_cast";

impl Kernel {
    /// Reads type information.
    pub(super) fn from_btf(bytes: &[u8]) -> Result<Self, ObserveError> {
        // Ten thousand structures are asked about, and SipHash would take a third of all the time.
        let wanted: HashSet<&[u8]> = OFFSETS.iter().map(|(_, structure, _)| structure.as_bytes()).collect();
        let is_structure = |name: &[u8]| wanted.contains(name);
        let is_tracepoint = |name: &[u8]| {
            name.strip_prefix(b"btf_trace_").is_some_and(|name| {
                PROBES.iter().any(|probe| probe.tracepoints().iter().any(|known| known.as_bytes() == name))
            })
        };
        let takes_any = KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(6, 17, 0));
        let btf = Btf::index(bytes, is_structure, is_tracepoint, takes_any.then_some(CAST))
            .map_err(|error| ObserveError::Unsupported(format!("/sys/kernel/btf/vmlinux: {error}")))?;

        let mut found = Vec::with_capacity(OFFSETS.len());
        let mut missing = Vec::new();
        for (name, structure, paths) in OFFSETS {
            let offset = paths.iter().find_map(|path| btf.offset(structure, path));
            if offset.is_none() && !OPTIONAL.contains(name) && !name.starts_with("ring_") {
                missing.push(format!("{structure}.{}", paths[0]));
            }
            found.push(offset.unwrap_or(ABSENT));
        }
        if !missing.is_empty() {
            return Err(ObserveError::Unsupported(format!(
                "this kernel's type information lacks {}; glasshouse needs Linux 5.17 or later",
                missing.join(", ")
            )));
        }
        let offsets = zerocopy::FromBytes::read_from_bytes(zerocopy::IntoBytes::as_bytes(found.as_slice()))
            .unwrap_or(Offsets::ABSENT);
        let tracepoint = |name: &'static str| {
            let id = btf.typedef(&format!("btf_trace_{name}"))?;
            Some(Tracepoint { name, id, arguments: btf.parameters(id)?.checked_sub(1)? })
        };
        let tracepoints: Vec<_> =
            PROBES.iter().map(|probe| probe.tracepoints().iter().copied().find_map(tracepoint)).collect();
        Ok(Self { offsets, tracepoints, compat_bit: COMPAT_BIT, cast: btf.function() })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_running_kernel_has_what_is_needed() {
        let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else { return };
        let kernel = Kernel::from_btf(&bytes).unwrap();
        assert_ne!(kernel.offsets.task_tgid, ABSENT);
        assert_ne!(kernel.offsets.file_path, ABSENT);
        assert!(kernel.tracepoints.iter().filter(|tracepoint| tracepoint.is_some()).count() >= 4);
    }

    #[test]
    fn a_kernel_that_lacks_members_is_named_as_such() {
        let empty = [0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let error = Kernel::from_btf(&empty).unwrap_err().to_string();
        assert!(error.contains("task_struct.tgid"), "{error}");
        assert!(error.contains("5.17"), "{error}");
    }
}
