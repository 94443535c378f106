//! Constants that user space fills in from the running kernel before the programs are loaded, and reading with them.
//!
//! They lie in read-only data, which the loader freezes: the verifier then knows their values, and drops what a
//! kernel does not have.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use glasshouse_common::{
    layout::{ABSENT, Offsets},
    limits::RING_OPCODES,
    syscall::{FileCall, NO_SLOT, TABLE_LEN},
};

/// Offsets of structure members.
#[unsafe(no_mangle)]
pub(crate) static OFFSETS: Offsets = Offsets::ABSENT;

/// Slot and class of each native system call.
#[unsafe(no_mangle)]
pub(crate) static NATIVE_CALLS: [u32; TABLE_LEN] = [NO_SLOT; TABLE_LEN];

/// Slot and class of each 32-bit system call.
#[unsafe(no_mangle)]
pub(crate) static COMPAT_CALLS: [u32; TABLE_LEN] = [NO_SLOT; TABLE_LEN];

/// What each native system call does to files.
#[unsafe(no_mangle)]
pub(crate) static NATIVE_FILE_CALLS: [FileCall; TABLE_LEN] = [FileCall::NONE; TABLE_LEN];

/// The same of each 32-bit one.
#[unsafe(no_mangle)]
pub(crate) static COMPAT_FILE_CALLS: [FileCall; TABLE_LEN] = [FileCall::NONE; TABLE_LEN];

/// What each kind of request through a ring does to files: one of [`glasshouse_common::operation`].
#[unsafe(no_mangle)]
pub(crate) static RING_OPERATIONS: [u32; RING_OPCODES] = [0; RING_OPCODES];

/// Which argument of `io_uring_submit_req` the request is, and whether `io_uring_complete` has a completion (1) or the
/// result itself (0).
#[unsafe(no_mangle)]
pub(crate) static RING_SUBMIT_ARGUMENT: u32 = 0x5eed_0000;

/// See [`RING_SUBMIT_ARGUMENT`].
#[unsafe(no_mangle)]
pub(crate) static RING_HAS_COMPLETION: u32 = 0x5eed_0001;

/// A random number, so that nobody can choose files whose keys collide. Its value here is like that of no other
/// constant: the linker makes equal ones one, and what is filled in would be filled in for both.
#[unsafe(no_mangle)]
pub(crate) static SEED: u64 = 0x5eed_5eed_5eed_5eed;

/// Slot of native `rt_sigreturn`, whose number is gone when it returns.
#[unsafe(no_mangle)]
pub(crate) static NATIVE_SIGRETURN_SLOT: u32 = NO_SLOT;

/// Slot of the 32-bit one.
#[unsafe(no_mangle)]
pub(crate) static COMPAT_SIGRETURN_SLOT: u32 = NO_SLOT;

/// Numbers of the exec calls, by ABI.
#[unsafe(no_mangle)]
pub(crate) static NATIVE_EXECVE: u32 = u32::MAX;

/// See [`NATIVE_EXECVE`].
#[unsafe(no_mangle)]
pub(crate) static NATIVE_EXECVEAT: u32 = u32::MAX;

/// See [`NATIVE_EXECVE`].
#[unsafe(no_mangle)]
pub(crate) static COMPAT_EXECVE: u32 = u32::MAX;

/// See [`NATIVE_EXECVE`].
#[unsafe(no_mangle)]
pub(crate) static COMPAT_EXECVEAT: u32 = u32::MAX;

/// Bit of `thread_info` that marks a 32-bit call; 0 where there are none.
#[unsafe(no_mangle)]
pub(crate) static COMPAT_BIT: u32 = 0;

/// Pid of the root in its innermost pid namespace.
#[unsafe(no_mangle)]
pub(crate) static ROOT_PID: u32 = 0;

/// Inode number of that namespace.
#[unsafe(no_mangle)]
pub(crate) static ROOT_PID_NAMESPACE: u32 = 0;

/// Reads a constant that user space fills in. Volatile: the value compiled in is not the value at run time.
macro_rules! constant {
    ($name:ident) => {
        unsafe { core::ptr::read_volatile(&raw const $crate::layout::$name) }
    };
}
pub(crate) use constant;

/// Offset of a structure member on the running kernel.
macro_rules! offset {
    ($field:ident) => {
        unsafe { core::ptr::read_volatile(&raw const $crate::layout::OFFSETS.$field) }
    };
}
pub(crate) use offset;

/// An address in the kernel. Reading at any address is safe: the helper checks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernel(pub(crate) u64);

impl Kernel {
    /// Reads `T` at `offset`; the zero value when the member is absent or the address is bad (the helper then writes
    /// zeroes).
    #[inline(always)]
    pub(crate) fn read<T: Copy + Default>(self, offset: u32) -> T {
        if offset == ABSENT {
            return T::default();
        }
        let mut value = core::mem::MaybeUninit::<T>::uninit();
        unsafe {
            bpf_probe_read_kernel(
                value.as_mut_ptr().cast(),
                size_of::<T>() as u32,
                (self.0 + u64::from(offset)) as *const _,
            );
            value.assume_init()
        }
    }

    /// Reads bytes at `offset` to where they belong, without a copy in between.
    #[inline(always)]
    pub(crate) unsafe fn read_to<const N: usize>(self, offset: u32, to: *mut [u8; N]) {
        bpf_probe_read_kernel(to.cast(), N as u32, (self.0 + u64::from(offset)) as *const _);
    }

    /// Follows a pointer member.
    #[inline(always)]
    pub(crate) fn follow(self, offset: u32) -> Self {
        Self(self.read::<u64>(offset))
    }

    /// Address of a member that is embedded.
    #[inline(always)]
    pub(crate) fn member(self, offset: u32) -> Self {
        Self(self.0 + u64::from(offset))
    }
}

/// The first words of a structure, read at once: the helper's call costs more than the bytes do. A member that lies
/// beyond them on some kernel is read by itself.
pub(crate) struct Block<'a, const WORDS: usize> {
    words: &'a Words<WORDS>,
    of: Kernel,
}

/// Where a [`Block`] is read to.
pub(crate) type Words<const WORDS: usize> = core::mem::MaybeUninit<[u64; WORDS]>;

impl<'a, const WORDS: usize> Block<'a, WORDS> {
    /// Reads the first words of what lies at an address.
    #[inline(always)]
    pub(crate) fn read(of: Kernel, words: &'a mut Words<WORDS>) -> Self {
        let size = size_of::<[u64; WORDS]>() as u32;
        unsafe { bpf_probe_read_kernel(words.as_mut_ptr().cast(), size, of.0 as *const _) };
        Self { words, of }
    }

    /// The member at `offset`.
    #[inline(always)]
    pub(crate) fn get<T: Copy + Default>(&self, offset: u32) -> T {
        if offset as usize > size_of::<[u64; WORDS]>() - size_of::<T>() {
            return self.of.read(offset);
        }
        // The compiler of the kernel has aligned it.
        unsafe { core::ptr::read_volatile(self.words.as_ptr().cast::<u8>().add(offset as usize).cast()) }
    }

    /// A capability set. Before Linux 6.3 it was two words of 32 bits, and aligned as such.
    #[inline(always)]
    pub(crate) fn capabilities(&self, offset: u32) -> u64 {
        u64::from(self.get::<u32>(offset)) | u64::from(self.get::<u32>(offset + 4)) << 32
    }

    /// Follows a pointer member.
    #[inline(always)]
    pub(crate) fn follow(&self, offset: u32) -> Kernel {
        Kernel(self.get(offset))
    }
}

/// A value that the compiler knows nothing of, so that it keeps the bounds checks that it could prove and the
/// verifier cannot.
#[inline(always)]
pub(crate) fn opaque(mut value: u64) -> u64 {
    unsafe { core::arch::asm!("/* {0} */", inout(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}
