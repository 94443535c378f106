//! The eBPF programs of glasshouse: what the kernel side sees, counts and sends.
//!
//! One file per kernel concern below `probes`; everything they share is beside this file. Nothing here knows a
//! kernel constant that BTF can give: offsets, tables and the identity of the root are constants that user space
//! fills in before the programs are loaded ([`layout`]).
#![no_std]
#![no_main]
#![feature(asm_experimental_arch, core_intrinsics)]
#![expect(internal_features, reason = "the stable atomics do not exist on this target")]
#![expect(
    unsafe_op_in_unsafe_fn,
    reason = "every function here handles raw kernel memory; its contract is in its documentation"
)]
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "the verifier proves each memory access of these programs when they are loaded"
)]
#![expect(clippy::missing_safety_doc, reason = "see above")]

mod atomic;
mod emit;
mod entries;
mod fds;
mod file;
mod flow;
mod held;
mod layout;
mod maps;
mod path;
mod probes;
mod scope;
mod socket;
mod task;
mod text;
mod totals;

/// The kernel lets GPL programs alone use most of the helpers.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: nothing here can panic; the verifier would refuse a program that reaches this.
    unsafe { core::hint::unreachable_unchecked() }
}
