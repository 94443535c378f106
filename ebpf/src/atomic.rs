//! Atomic read-modify-write. `core::sync::atomic` offers none on this target, which has no compare-and-swap loops of
//! 8 or 16 bits; the intrinsics give the kernel's own atomic instructions.

use core::intrinsics::{
    AtomicOrdering::{AcqRel, Relaxed},
    atomic_and, atomic_or, atomic_xadd, atomic_xchg,
};

/// Adds one to a value that other CPUs add to.
#[inline(always)]
pub(crate) unsafe fn increment(value: *mut u64) {
    atomic_xadd::<u64, u64, { Relaxed }>(value, 1);
}

/// Sets bits of a value that other CPUs set bits of.
#[inline(always)]
pub(crate) unsafe fn set_bits(value: *mut u64, bits: u64) {
    atomic_or::<u64, u64, { Relaxed }>(value, bits);
}

/// Adds one and returns the sum.
#[inline(always)]
pub(crate) unsafe fn incremented(value: *mut u64) -> u64 {
    atomic_xadd::<u64, u64, { AcqRel }>(value, 1) + 1
}

/// Adds to a value that other CPUs add to.
#[inline(always)]
pub(crate) unsafe fn add(value: *mut u64, amount: u64) {
    atomic_xadd::<u64, u64, { Relaxed }>(value, amount);
}

/// The same to a value of half the size.
#[inline(always)]
pub(crate) unsafe fn add_u32(value: *mut u32, amount: u32) {
    atomic_xadd::<u32, u32, { Relaxed }>(value, amount);
}

/// Puts a value in the place of another, which it returns.
#[inline(always)]
pub(crate) unsafe fn exchange(value: *mut u64, new: u64) -> u64 {
    atomic_xchg::<u64, { AcqRel }>(value, new)
}

/// The same of half the size.
#[inline(always)]
pub(crate) unsafe fn exchange_u32(value: *mut u32, new: u32) -> u32 {
    atomic_xchg::<u32, { AcqRel }>(value, new)
}

/// Sets bits and returns what was there before.
#[inline(always)]
pub(crate) unsafe fn take_bits(value: *mut u64, bits: u64) -> u64 {
    atomic_or::<u64, u64, { AcqRel }>(value, bits)
}

/// Clears bits, after all that was written before.
#[inline(always)]
pub(crate) unsafe fn give_bits(value: *mut u64, bits: u64) {
    atomic_and::<u64, u64, { AcqRel }>(value, !bits);
}
