//! Constants that user space fills in from the running kernel before the programs are loaded, and reading with them.
//!
//! They lie in read-only data, which the loader freezes, or in the instructions themselves: the verifier then knows their
//! values, and drops what a kernel does not have.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use glasshouse_common::{
    layout::{ABSENT, Offsets},
    limits::RING_OPCODES,
    syscall::{ABIS, FileCall, NO_SLOT, TABLE_LEN},
};

/// Offsets of structure members, for where which one is known no earlier than when a program runs. See [`offset`].
#[unsafe(no_mangle)]
pub(crate) static OFFSETS: Offsets = Offsets::ABSENT;

// What differs by ABI is an array by its number: to choose would make the verifier look at all that follows for each.

/// Slot and class of each system call, by ABI.
#[unsafe(no_mangle)]
pub(crate) static CALLS: [[u32; TABLE_LEN]; ABIS] = [[NO_SLOT; TABLE_LEN]; ABIS];

/// What each system call does to files, by ABI.
#[unsafe(no_mangle)]
pub(crate) static FILE_CALLS: [[FileCall; TABLE_LEN]; ABIS] = [[FileCall::NONE; TABLE_LEN]; ABIS];

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

/// Slot of `rt_sigreturn`, whose number is gone when it returns, by ABI.
#[unsafe(no_mangle)]
pub(crate) static SIGRETURN_SLOTS: [u32; ABIS] = [NO_SLOT; ABIS];

/// Numbers of execve and execveat, by ABI.
#[unsafe(no_mangle)]
pub(crate) static EXEC_CALLS: [[u32; 2]; ABIS] = [[u32::MAX; 2]; ABIS];

/// Bit of `thread_info` that marks a 32-bit call; 0 where there are none.
#[unsafe(no_mangle)]
pub(crate) static COMPAT_BIT: u32 = 0;

/// 1 if the workload has a control group of its own.
#[unsafe(no_mangle)]
pub(crate) static HAS_GROUP: u32 = 0x5eed_0002;

/// How long a task may wait for room in a ring, nanoseconds; 0 if it may not.
#[unsafe(no_mangle)]
pub(crate) static WAIT_NS: u32 = 0x5eed_0003;

/// A state whose coming nobody sees, for tests; none, if there is no such state.
#[unsafe(no_mangle)]
pub(crate) static UNSEEN_STATE: u32 = 0x5eed_0004;

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

/// An entry of a constant table, 0 beyond its end.
macro_rules! entry {
    ($table:ident: $type:ty, $index:expr) => {{
        let index = $crate::layout::opaque($index);
        if index < (size_of_val(&$crate::layout::$table) / size_of::<$type>()) as u64 {
            core::ptr::read_volatile((&raw const $crate::layout::$table).cast::<$type>().add(index as usize))
        } else {
            0
        }
    }};
}
pub(crate) use entry;

/// Offset of a structure member on the running kernel, which the loader puts into the instruction.
macro_rules! offset {
    ($field:ident) => {{
        use glasshouse_common::layout::{OFFSET_MARK, Offsets};
        const NUMBER: i32 = OFFSET_MARK + (core::mem::offset_of!(Offsets, $field) / 4) as i32;
        unsafe {
            let offset: u64;
            core::arch::asm!(
                "{0} = {1}",
                out(reg) offset,
                const NUMBER,
                options(nomem, nostack, preserves_flags)
            );
            core::hint::assert_unchecked(offset <= u32::MAX as u64);
            offset as u32
        }
    }};
}
pub(crate) use offset;

/// Calls a helper by exactly these instructions; gives what they leave in `r0`. The loader knows them: where the kernel takes it,
/// it makes of them loads without a call.
macro_rules! known_call {
    ($($line:literal),+; $($operands:tt)+) => {{
        let value: u64;
        core::arch::asm!(
            $($line,)+
            $($operands)+,
            out("r0") value,
            out("r1") _,
            out("r2") _,
            out("r3") _,
            out("r4") _,
            out("r5") _,
        );
        value
    }};
}
pub(crate) use known_call;

/// Reads bytes in the kernel with the helper, and gives what the last instruction does.
macro_rules! probe_read {
    ($size:expr, $address:expr, $to:expr, $last:literal) => {
        known_call!(
            "r1 = {to}", "r2 = {size}", "r3 = {address}", "call 113", $last;
            size = const $size, to = in(reg) $to, address = in(reg) $address
        )
    };
}

/// An address in the kernel. Reading at any address is safe: it is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernel(pub(crate) u64);

impl Kernel {
    /// Reads `T` at `offset`, where every kernel has that member; the zero value when the address is bad (the helper
    /// then writes zeroes).
    #[inline(always)]
    pub(crate) fn read<T: Copy>(self, offset: u32) -> T {
        let address = self.0 + u64::from(offset);
        let mut value = core::mem::MaybeUninit::<T>::uninit();
        unsafe {
            let to = value.as_mut_ptr();
            match size_of::<T>() {
                8 => core::mem::transmute_copy(&probe_read!(8, address, to, "r0 = *(u64 *)({to} + 0)")),
                4 => core::mem::transmute_copy(
                    &(probe_read!(4, address, to, "r0 = *(u32 *)({to} + 0)") as u32),
                ),
                2 => core::mem::transmute_copy(
                    &(probe_read!(2, address, to, "r0 = *(u16 *)({to} + 0)") as u16),
                ),
                1 => {
                    core::mem::transmute_copy(&(probe_read!(1, address, to, "r0 = *(u8 *)({to} + 0)") as u8))
                }
                size => {
                    bpf_probe_read_kernel(to.cast(), size as u32, address as *const _);
                    value.assume_init()
                }
            }
        }
    }

    /// The same of a member that some kernels lack: the zero value there. Apart from [`read`](Self::read), because the
    /// verifier takes what is dead out of a program piece by piece, and moves the whole of it each time.
    #[inline(always)]
    pub(crate) fn read_optional<T: Copy + Default>(self, offset: u32) -> T {
        if offset == ABSENT { T::default() } else { self.read(offset) }
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

/// The first words of a structure, read at once: the helper's call costs more than the bytes do.
#[derive(Clone, Copy)]
pub(crate) struct Block<const WORDS: usize> {
    /// Where they are.
    words: *const u8,
    of: Kernel,
}

/// Where a [`Block`] is read to.
pub(crate) type Words<const WORDS: usize> = core::mem::MaybeUninit<[u64; WORDS]>;

impl<const WORDS: usize> Block<WORDS> {
    /// Reads the first words of what lies at an address; zeroes if nothing does. The words must be there as long as this is.
    #[inline(always)]
    pub(crate) unsafe fn read(of: Kernel, words: *mut [u64; WORDS]) -> Self {
        let words = probe_read!(WORDS * 8, of.0, words, "r0 = {to}") as *const u8;
        Self { words, of }
    }

    /// The member at `offset`, or that itself if it lies beyond those words on some kernel.
    #[inline(always)]
    pub(crate) unsafe fn get_or_read<T: Copy>(self, offset: u32) -> T {
        if offset as usize > size_of::<[u64; WORDS]>() - size_of::<T>() {
            return self.of.read(offset);
        }
        self.get(offset)
    }

    /// The member at `offset`. The verifier refuses the program on a kernel where it lies beyond those words.
    #[inline(always)]
    pub(crate) unsafe fn get<T: Copy>(self, offset: u32) -> T {
        // The compiler of the kernel has aligned it.
        core::ptr::read_volatile(self.words.add(offset as usize).cast())
    }

    /// A capability set. Before Linux 6.3 it was two words of 32 bits, and aligned as such.
    #[inline(always)]
    pub(crate) unsafe fn capabilities(self, offset: u32) -> u64 {
        u64::from(self.get::<u32>(offset)) | u64::from(self.get::<u32>(offset + 4)) << 32
    }

    /// Follows a pointer member.
    #[inline(always)]
    pub(crate) unsafe fn follow(self, offset: u32) -> Kernel {
        Kernel(self.get(offset))
    }
}

/// Zero, for members that lie side by side: of zeroes that it knows the compiler makes a loop over their bytes, which the
/// verifier goes through byte by byte, and each run again.
#[inline(always)]
pub(crate) fn zero() -> u64 {
    opaque(0)
}

/// The same value, of which the verifier knows nothing any more: in whichever way it has come about, it looks once at what
/// follows.
#[inline(always)]
pub(crate) fn forget(value: u64) -> u64 {
    value | unsafe { core::ptr::read_volatile(&raw const NOTHING) }
}

/// The same of a number by which something is found: that it is within bounds the verifier follows back to where it has come
/// from, and with [`forget`] still tells those ways apart. From half a word of the stack there is no way back, except for what it
/// knows to be zero, which [`forget`] changes.
#[inline(always)]
pub(crate) fn launder(value: u32) -> u32 {
    let mut word = Words::<1>::uninit();
    // Else the compiler would make room for this half alone, and maybe where a word begins.
    let word = opaque(word.as_mut_ptr() as u64) as *mut u32;
    let half = unsafe { word.add(1) };
    unsafe { half.write_volatile(value) };
    unsafe { half.read_volatile() }
}

/// Zero, as nobody can know who does not see that it is never written.
#[unsafe(no_mangle)]
static mut NOTHING: u64 = 0;

/// A value that the compiler knows nothing of, so that it keeps the bounds checks that it could prove and the
/// verifier cannot.
#[inline(always)]
pub(crate) fn opaque(mut value: u64) -> u64 {
    unsafe { core::arch::asm!("/* {0} */", inout(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}
