//! One file per kernel concern. Probes get the tracepoint's arguments as an array of words (`raw_tp`). Those that need
//! what the kernel does only with arguments whose types it knows exist twice, as `tp_btf` and as `raw_tp`: user space
//! loads the first where the kernel takes it, and the second elsewhere.

use aya_ebpf::{EbpfContext, maps::ProgramArray};

use crate::layout::forget;

mod call;
mod descriptor;
mod exec;
mod exit;
mod failed;
mod file;
mod fork;
mod name;
pub(crate) mod network;
mod network_failed;
pub(crate) mod network_unix;
mod packet;
mod ring;
mod sock;
pub(crate) mod syscall;

/// `ERESTARTSYS` of `linux/errno.h`, the first of the errors that the kernel keeps to itself: what a signal has interrupted, and
/// what begins again.
const ERESTARTSYS: i64 = 512;

/// Goes on with another program, and does not come back.
#[inline(always)]
unsafe fn go_on(arguments: *const u64, programs: &ProgramArray, which: u32) {
    struct Context(*mut core::ffi::c_void);
    impl EbpfContext for Context {
        fn as_ptr(&self) -> *mut core::ffi::c_void {
            self.0
        }
    }
    // One that the verifier knew would be a jump, which the kernel patches when the other program comes, on all CPUs.
    let which = forget(u64::from(which)) as u32;
    programs.tail_call(&Context(arguments.cast_mut().cast()), which);
}

/// Defines a probe: `probe!(name, "tracepoint", body)`.
macro_rules! probe {
    ($name:ident, $tracepoint:literal, $body:ident) => {
        #[unsafe(no_mangle)]
        #[unsafe(link_section = concat!("raw_tp/", $tracepoint))]
        unsafe extern "C" fn $name(arguments: *const u64) -> i32 {
            $body(arguments);
            0
        }
    };
}
use probe;

/// Defines both kinds of a probe: `typed_probe!(name, raw name, "tracepoint", body)`.
macro_rules! typed_probe {
    ($btf:ident, $raw:ident, $tracepoint:literal, $body:ident) => {
        #[unsafe(no_mangle)]
        #[unsafe(link_section = concat!("tp_btf/", $tracepoint))]
        unsafe extern "C" fn $btf(arguments: *const u64) -> i32 {
            $body::<true>(arguments);
            0
        }

        #[unsafe(no_mangle)]
        #[unsafe(link_section = concat!("raw_tp/", $tracepoint))]
        unsafe extern "C" fn $raw(arguments: *const u64) -> i32 {
            $body::<false>(arguments);
            0
        }
    };
}
use typed_probe;
