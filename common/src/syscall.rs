//! How system calls are classed and counted.
//!
//! User space fills one word per number and ABI: the slot of its counter and the class of what the kernel side has
//! to do when it returns. One eBPF object thereby serves every architecture.

/// The kernel's native ABI.
pub const ABI_NATIVE: u32 = 0;
/// The 32-bit compatibility ABI (`int 0x80` and 32-bit `sysenter` on x86).
pub const ABI_COMPAT: u32 = 1;

/// Requests made through a ring: the number is their opcode (`IORING_OP_*`). Only in records, never of a call.
pub const ABI_RING: u32 = 2;
/// Number of ABIs.
pub const ABIS: usize = 2;

/// Numbers below this have a word in the table.
pub const TABLE_LEN: usize = 512;
/// Counters per process and ABI. Chosen so that the map value, with its bookkeeping, stays within 4 KiB.
pub const SLOTS: usize = 448;
/// 64-bit words of the bitmap that says which slots are in use.
pub const SLOT_WORDS: usize = SLOTS / 64;

/// Word of a number that has no slot of its own.
pub const NO_SLOT: u32 = 0xffff;
/// Mask of the slot in a table word.
pub const SLOT_MASK: u32 = 0xffff;
/// Shift of the class in a table word.
pub const CLASS_SHIFT: u32 = 16;

/// Nothing beyond counting.
pub const CLASS_NONE: u32 = 0;
/// `execve`: counted when the new image is in place; a failure is recorded.
pub const CLASS_EXECVE: u32 = 1;
/// `execveat`: likewise.
pub const CLASS_EXECVEAT: u32 = 2;
/// Returns twice; the child's return, always 0, is not counted.
pub const CLASS_CLONE: u32 = 3;
/// Never returns; counted when the thread ends.
pub const CLASS_EXIT: u32 = 4;
/// Success can change credentials or namespaces.
pub const CLASS_CREDENTIALS: u32 = 5;
/// Has to do with files: what exactly the call's [`FileCall`] says.
pub const CLASS_FILE: u32 = 6;

/// Has to do with sockets; what exactly the call's [`FileCall`] says.
pub const CLASS_SOCKET: u32 = 7;

/// Matters by itself, whatever became of it: told with its arguments. Which of them its [`ToldCall`] says.
pub const CLASS_TOLD: u32 = 8;

/// `ioctl`: only the requests by which flags of an inode are set are more than counted.
pub const CLASS_IOCTL: u32 = 9;

/// `FS_IOC_SETFLAGS` of `linux/fs.h`, where `long` has 64 bits.
pub const FS_IOC_SETFLAGS: u32 = 0x4008_6602;
/// The same where it has 32.
pub const FS_IOC32_SETFLAGS: u32 = 0x4004_6602;
/// `FS_IOC_FSSETXATTR` there, with flags of its own.
pub const FS_IOC_FSSETXATTR: u32 = 0x401c_5820;

/// What is told of a call that matters by itself: one word, in the place of the [`FileCall`] that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldCall(pub u64);

impl ToldCall {
    /// Shift of the argument that is the number of a process or thread, 4 bits; [`NO_ARGUMENT`] if none is.
    pub const TARGET: u32 = 8;
    /// The same of a descriptor of a process.
    pub const DESCRIPTOR: u32 = 12;
    /// The same of the address of a text.
    pub const TEXT: u32 = 16;
    /// The result is a number of bytes.
    pub const BYTES: u64 = 1 << 20;
    /// `prctl`: only some options are told, those of [`PRCTL_TOLD`] and [`PR_SET_PTRACER`]; what those of
    /// [`PRCTL_CREDENTIALS`] have changed is told as calls of [`CLASS_CREDENTIALS`] tell it.
    pub const OPTIONS: u64 = 1 << 21;

    /// A call of which nothing but that it was made is told so far.
    pub const NOTHING: Self =
        Self(NO_ARGUMENT << Self::TARGET | NO_ARGUMENT << Self::DESCRIPTOR | NO_ARGUMENT << Self::TEXT);

    /// The same, with an argument whose value is told: calls that differ in it are told apart. At most the first six.
    #[must_use]
    pub const fn keeping(self, argument: u64) -> Self {
        Self(self.0 | 1 << argument)
    }

    /// The same, with an argument that is something.
    #[must_use]
    pub const fn with(self, shift: u32, argument: u64) -> Self {
        Self(self.0 & !(0xf << shift) | argument << shift)
    }

    /// The same, with a mark.
    #[must_use]
    pub const fn marked(self, mark: u64) -> Self {
        Self(self.0 | mark)
    }

    /// Whether the value of an argument is told.
    pub const fn keeps(self, argument: u64) -> bool {
        self.0 >> argument & 1 != 0
    }

    /// Which argument it is; [`NO_ARGUMENT`] if none is.
    pub const fn argument(self, shift: u32) -> u64 {
        self.0 >> shift & 0xf
    }
}

/// `PR_SET_NAME` of `linux/prctl.h`: its second argument is a text.
pub const PR_SET_NAME: u64 = 15;
/// `PR_SET_MM`: says where the arguments lie that others see, among other things.
pub const PR_SET_MM: u64 = 35;
/// `PR_SET_PTRACER` (`Yama` in ASCII): lets another process trace this one.
pub const PR_SET_PTRACER: u64 = 0x5961_6d61;
/// Options of `prctl` that are told, a bit for each number: programs use the others for much that says nothing.
/// Beside the above these are `PR_SET_DUMPABLE`, by which a process closes its files in procfs, `PR_SET_SECCOMP`,
/// `PR_SET_CHILD_SUBREAPER` and `PR_SET_SYSCALL_USER_DISPATCH`.
pub const PRCTL_TOLD: u64 = 1 << 4 | 1 << PR_SET_NAME | 1 << 22 | 1 << PR_SET_MM | 1 << 36 | 1 << 59;

/// Options of `prctl` whose success can change credentials, a bit for each number: `PR_SET_KEEPCAPS`, `PR_CAPBSET_DROP`,
/// `PR_SET_SECUREBITS` and `PR_CAP_AMBIENT`.
pub const PRCTL_CREDENTIALS: u64 = 1 << 8 | 1 << 24 | 1 << 28 | 1 << 47;
const _: () = assert!(PRCTL_TOLD & PRCTL_CREDENTIALS == 0);

/// What a call does to files, and which of its arguments say so: one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCall(pub u64);

/// No such argument.
pub const NO_ARGUMENT: u64 = 15;

impl FileCall {
    /// Shift of the operation's code, 8 bits.
    pub const OPERATION: u32 = 0;
    /// Shift of the argument that is the descriptor acted on; each argument has 4 bits.
    pub const FD: u32 = 8;
    /// Directory descriptor of the first path; without one it is relative to the working directory.
    pub const BASE: u32 = 12;
    /// First path.
    pub const PATH: u32 = 16;
    /// Directory descriptor of the second path.
    pub const NEW_BASE: u32 = 20;
    /// Second path.
    pub const NEW_PATH: u32 = 24;
    /// Flags.
    pub const FLAGS: u32 = 28;
    /// First number.
    pub const FIRST: u32 = 32;
    /// Second number; of a transfer, the descriptor that is written to.
    pub const SECOND: u32 = 36;
    /// A text that is no path.
    pub const TEXT: u32 = 40;
    /// The flags are the first word of a structure that the argument points to.
    pub const FLAGS_IN_MEMORY: u64 = 1 << 44;
    /// Opening implies `O_CREAT | O_TRUNC`.
    pub const CREAT: u64 = 1 << 45;
    /// Opening always makes a file.
    pub const MAKES: u64 = 1 << 46;
    /// Only failures are of interest.
    pub const FAILURES: u64 = 1 << 47;
    /// The descriptor is another process's, and the file was not opened by this one.
    pub const RECEIVES: u64 = 1 << 48;
    /// The path lies within the address of a socket, if that is one of the file system.
    pub const SOCKET_ADDRESS: u64 = 1 << 49;
    /// The result is a number of messages, and not of bytes.
    pub const COUNTS_MESSAGES: u64 = 1 << 50;

    /// The numbers are the first words of a structure that the first points to. Half of a third one goes along with the
    /// flags, in their upper half.
    pub const NUMBERS_IN_MEMORY: u64 = 1 << 51;

    /// A call that is of no interest.
    pub const NONE: Self = Self(0);

    /// A call without arguments of interest so far.
    pub const fn new(operation: u32) -> Self {
        Self(operation as u64 | 0xf_ffff_ffff << Self::FD)
    }

    /// The same, with an argument.
    #[must_use]
    pub const fn with(self, shift: u32, argument: u64) -> Self {
        Self(self.0 & !(0xf << shift) | argument << shift)
    }

    /// The same, with a mark.
    #[must_use]
    pub const fn marked(self, mark: u64) -> Self {
        Self(self.0 | mark)
    }

    /// The operation.
    pub const fn operation(self) -> u32 {
        self.0 as u32 & 0xff
    }

    /// Which argument it is; [`NO_ARGUMENT`] if the call has none.
    pub const fn argument(self, shift: u32) -> u64 {
        self.0 >> shift & 0xf
    }
}
