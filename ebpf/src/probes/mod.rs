//! One file per kernel concern. Each probe exists twice, as `tp_btf` and as `raw_tp`: user space loads the first
//! where the kernel takes it, it is cheaper, and the second elsewhere. Both get the tracepoint's arguments as an
//! array of words.

mod descriptor;
mod exec;
mod exit;
mod failed;
mod file;
mod fork;
pub(crate) mod network;
mod network_failed;
mod packet;
mod ring;
mod sock;
pub(crate) mod syscall;

/// Defines both kinds of a probe: `probe!(name, "tracepoint", body)`.
macro_rules! probe {
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
use probe;
