//! System-call numbers: their names, and the table by which the kernel side counts and classes them.
//!
//! The numbers come from the `syscalls` crate, which knows every call up to Linux 6.18 (`file_setattr`, 469). A
//! number that it does not know is reported as `syscall_N`, never as another call.

mod files;
pub mod rings;
pub mod told;

use glasshouse_common::{
    operation,
    syscall::{
        CLASS_CLONE, CLASS_CREDENTIALS, CLASS_EXECVE, CLASS_EXECVEAT, CLASS_EXIT, CLASS_FILE, CLASS_IOCTL,
        CLASS_NONE, CLASS_SHIFT, CLASS_SOCKET, CLASS_TOLD, FileCall, NO_SLOT, SLOTS, TABLE_LEN,
    },
};

use crate::event::{Abi, Syscall};

#[cfg(target_arch = "aarch64")]
use syscalls::{aarch64::Sysno as NativeCall, arm::Sysno as CompatCall};
#[cfg(target_arch = "x86_64")]
use syscalls::{x86::Sysno as CompatCall, x86_64::Sysno as NativeCall};

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!(
    "glasshouse knows the system calls of x86_64 and aarch64 only: add this architecture's to syscalls.rs"
);

/// What stands before the names of the compat ABI's calls.
#[cfg(target_arch = "x86_64")]
pub const COMPAT_PREFIX: &str = "i386:";
/// What stands before the names of the compat ABI's calls.
#[cfg(target_arch = "aarch64")]
pub const COMPAT_PREFIX: &str = "arm:";

/// Returns from signal handlers. Their number is gone from the registers by then: the kernel overwrites it with −1 so
/// that no system call is restarted (`restore_sigcontext` on x86, `forget_syscall` on arm64), and the kernel side
/// counts them in the slot of this name. A 32-bit `sigreturn` cannot be told from `rt_sigreturn` by then; both are
/// named by the latter, which is what 32-bit libraries use.
pub const SIGRETURN: &str = "rt_sigreturn";

/// Calls that have a number and never an implementation: all that any kernel since 5.17 does is to return ENOSYS
/// (`sys_ni_syscall`). They have no counter of their own in the kernel, as the numbers of i386 outnumber the counters;
/// like unknown numbers they are counted one by one, in a map.
const NEVER_IMPLEMENTED: [&str; 21] = [
    "_sysctl",
    "afs_syscall",
    "bdflush",
    "break",
    "create_module",
    "ftime",
    "get_kernel_syms",
    "getpmsg",
    "gtty",
    "lock",
    "mpx",
    "nfsservctl",
    "prof",
    "profil",
    "putpmsg",
    "query_module",
    "security",
    "stty",
    "tuxcall",
    "ulimit",
    "vserver",
];

/// The name of a call as the receipt has it: `openat`, `i386:openat`; `syscall_N` for a number that is not known.
pub fn name(call: Syscall) -> String {
    let prefix = match call.abi {
        Abi::Native => "",
        Abi::Compat => COMPAT_PREFIX,
        Abi::Ring => return rings::name(call.number),
    };
    match bare_name(call.abi, call.number) {
        Some(name) => format!("{prefix}{name}"),
        // The kernel takes the number as a signed one.
        None => format!("{prefix}syscall_{}", call.number as i32),
    }
}

fn bare_name(abi: Abi, number: u32) -> Option<&'static str> {
    let index = number as usize;
    match abi {
        Abi::Native => NativeCall::new(index).map(|call| call.name()),
        // The crate leaves out a name that is a keyword of Rust.
        #[cfg(target_arch = "x86_64")]
        Abi::Compat if number == 17 => Some("break"),
        Abi::Compat => CompatCall::new(index).map(|call| call.name()),
        Abi::Ring => None,
    }
}

/// One ABI's system calls, as the kernel side needs them.
#[derive(Clone, Debug)]
pub struct Table {
    /// By number: the slot of its counter, and its class shifted by [`CLASS_SHIFT`].
    pub words: [u32; TABLE_LEN],
    /// By number: what it does to files ([`FileCall`]), or what is told of it
    /// ([`ToldCall`](glasshouse_common::syscall::ToldCall)).
    pub file_calls: [u64; TABLE_LEN],
    abi: Abi,
    /// The number that each slot counts.
    slots: Vec<u32>,
}

impl Table {
    /// The kernel's own ABI.
    pub fn native() -> Self {
        Self::of(Abi::Native)
    }

    /// The 32-bit compatibility ABI.
    pub fn compat() -> Self {
        Self::of(Abi::Compat)
    }

    fn of(abi: Abi) -> Self {
        let mut words = [NO_SLOT; TABLE_LEN];
        let mut file_calls = [FileCall::NONE.0; TABLE_LEN];
        let mut slots = Vec::with_capacity(SLOTS);
        for (number, (word, file_call)) in (0u32..).zip(words.iter_mut().zip(&mut file_calls)) {
            let Some(name) = bare_name(abi, number) else { continue };
            // Should a later version of the crate know more calls than there are counters, the last ones lose theirs
            // and are still counted one by one. A test says so before that happens.
            let slot = if NEVER_IMPLEMENTED.contains(&name) || slots.len() == SLOTS {
                NO_SLOT
            } else {
                slots.push(number);
                slots.len() as u32 - 1
            };
            *file_call = file_call_of(abi, name).0;
            let operation = FileCall(*file_call).operation();
            let told = told::by_name(name);
            let class = match operation {
                _ if told.is_some() => CLASS_TOLD,
                0 => class(name),
                operation::SOCKET..=operation::SOCKET_CALL => CLASS_SOCKET,
                // It gives a socket a name, which may be a file's.
                _ if name == "bind" => CLASS_SOCKET,
                _ if name == "ioctl" => CLASS_IOCTL,
                _ => CLASS_FILE,
            };
            if let Some(told) = told {
                *file_call = told.word().0;
            }
            *word = slot | class << CLASS_SHIFT;
        }
        Self { words, file_calls, abi, slots }
    }

    /// The number that a slot counts.
    pub fn number_of_slot(&self, slot: u32) -> Option<u32> {
        self.slots.get(slot as usize).copied()
    }

    /// The number of a call, by its bare name.
    pub fn number(&self, name: &str) -> Option<u32> {
        (0..TABLE_LEN as u32).find(|number| bare_name(self.abi, *number) == Some(name))
    }

    /// The slot of a call, by its bare name: of `rt_sigreturn`, where returns from signal handlers are counted.
    pub fn slot_of(&self, name: &str) -> Option<u32> {
        let number = self.number(name)?;
        self.slots.iter().position(|counted| *counted == number).map(|slot| slot as u32)
    }
}

fn file_call_of(abi: Abi, name: &str) -> FileCall {
    match (abi, name) {
        // The oldest one of i386 takes a structure of arguments; libraries have not used it for twenty years.
        #[cfg(target_arch = "x86_64")]
        (Abi::Compat, "mmap") => FileCall::NONE,
        // What is watched for takes two registers of 32 bits.
        (Abi::Compat, "fanotify_mark") => files::call(name).with(FileCall::BASE, 4).with(FileCall::PATH, 5),
        _ => files::call(name),
    }
}

/// What the kernel side has to do when a call returns.
fn class(name: &str) -> u32 {
    match name {
        "execve" => CLASS_EXECVE,
        "execveat" => CLASS_EXECVEAT,
        "fork" | "vfork" | "clone" | "clone3" => CLASS_CLONE,
        "exit" | "exit_group" => CLASS_EXIT,
        // And some options of `prctl`, which is told for others.
        "setuid" | "setgid" | "setreuid" | "setregid" | "setresuid" | "setresgid" | "setfsuid"
        | "setfsgid" | "setgroups" | "setuid32" | "setgid32" | "setreuid32" | "setregid32"
        | "setresuid32" | "setresgid32" | "setfsuid32" | "setfsgid32" | "setgroups32" | "capset"
        | "setns" | "unshare" => CLASS_CREDENTIALS,
        _ => CLASS_NONE,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed look-up is a failed test")]
mod tests {
    use std::collections::HashSet;

    use glasshouse_common::syscall::{NO_ARGUMENT, SLOT_MASK};

    use super::*;

    fn call(abi: Abi, number: u32) -> Syscall {
        Syscall { abi, number }
    }

    #[test]
    fn unknown_numbers_keep_their_number() {
        assert_eq!(name(call(Abi::Native, 9999)), "syscall_9999");
        assert_eq!(name(call(Abi::Compat, 9999)), format!("{COMPAT_PREFIX}syscall_9999"));
        // x32 calls carry bit 30: they are none of the native ABI's.
        assert_eq!(name(call(Abi::Native, 0x4000_0001)), "syscall_1073741825");
    }

    #[test]
    fn a_negative_number_is_shown_as_such() {
        assert_eq!(name(call(Abi::Native, u32::MAX)), "syscall_-1");
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn names_of_this_architecture() {
        for (number, expected) in
            [(0, "read"), (59, "execve"), (257, "openat"), (322, "execveat"), (469, "file_setattr")]
        {
            assert_eq!(name(call(Abi::Native, number)), expected);
            assert_eq!(Table::native().number(expected), Some(number));
        }
        for (number, expected) in
            [(1, "i386:exit"), (11, "i386:execve"), (17, "i386:break"), (295, "i386:openat")]
        {
            assert_eq!(name(call(Abi::Compat, number)), expected);
        }
        assert_eq!(name(call(Abi::Native, 337)), "syscall_337");
    }

    #[test]
    fn slots_and_numbers_are_one_to_one() {
        for table in [Table::native(), Table::compat()] {
            let mut seen = HashSet::new();
            for (number, word) in (0u32..).zip(table.words) {
                let slot = word & SLOT_MASK;
                if slot == NO_SLOT {
                    continue;
                }
                assert!((slot as usize) < SLOTS);
                assert!(seen.insert(slot), "slot {slot} counts two calls");
                assert_eq!(table.number_of_slot(slot), Some(number));
            }
            assert_eq!(seen.len(), table.slots.len());
            assert_eq!(table.number_of_slot(table.slots.len() as u32), None);
        }
    }

    #[test]
    fn every_implemented_call_has_a_slot() {
        for table in [Table::native(), Table::compat()] {
            for (number, word) in (0u32..).zip(table.words) {
                let Some(name) = bare_name(table.abi, number) else {
                    assert_eq!(word, NO_SLOT);
                    continue;
                };
                let counted = word & SLOT_MASK != NO_SLOT;
                assert_eq!(counted, !NEVER_IMPLEMENTED.contains(&name), "{name}");
            }
        }
    }

    #[test]
    fn the_calls_that_are_more_than_counted() {
        for table in [Table::native(), Table::compat()] {
            let class_of = |name: &str| table.words[table.number(name).unwrap() as usize] >> CLASS_SHIFT;
            assert_eq!(class_of("execve"), CLASS_EXECVE);
            assert_eq!(class_of("execveat"), CLASS_EXECVEAT);
            assert_eq!(class_of("clone3"), CLASS_CLONE);
            assert_eq!(class_of("exit"), CLASS_EXIT);
            assert_eq!(class_of("exit_group"), CLASS_EXIT);
            assert_eq!(class_of("setns"), CLASS_CREDENTIALS);
            assert_eq!(class_of("setresuid"), CLASS_CREDENTIALS);
            assert_eq!(class_of("getpid"), CLASS_NONE);
            let slot = table.slot_of(SIGRETURN).unwrap();
            assert_eq!(table.number_of_slot(slot), table.number(SIGRETURN));
        }
        let compat = Table::compat();
        let setuid32 = compat.number("setuid32").unwrap() as usize;
        assert_eq!(compat.words[setuid32] >> CLASS_SHIFT, CLASS_CREDENTIALS);
    }

    /// The calls that strace counts among those that take a file's name (`%file`) and later ones that do, but for execs.
    #[test]
    fn every_call_that_takes_a_path_is_known() {
        let take_paths = [
            "access",
            "acct",
            "chdir",
            "chmod",
            "chown",
            "chown32",
            "chroot",
            "creat",
            "faccessat",
            "faccessat2",
            "fanotify_mark",
            "fchmodat",
            "fchmodat2",
            "fchownat",
            "file_getattr",
            "file_setattr",
            "fspick",
            "fstatat64",
            "futimesat",
            "getxattr",
            "getxattrat",
            "inotify_add_watch",
            "lchown",
            "lchown32",
            "lgetxattr",
            "link",
            "linkat",
            "listxattr",
            "listxattrat",
            "llistxattr",
            "lremovexattr",
            "lsetxattr",
            "lstat",
            "lstat64",
            "mkdir",
            "mkdirat",
            "mknod",
            "mknodat",
            "mount",
            "mount_setattr",
            "move_mount",
            "name_to_handle_at",
            "newfstatat",
            "oldlstat",
            "oldstat",
            "open",
            "open_tree",
            "open_tree_attr",
            "openat",
            "openat2",
            "pivot_root",
            "quotactl",
            "readlink",
            "readlinkat",
            "removexattr",
            "removexattrat",
            "rename",
            "renameat",
            "renameat2",
            "rmdir",
            "setxattr",
            "setxattrat",
            "stat",
            "stat64",
            "statfs",
            "statfs64",
            "statx",
            "swapoff",
            "swapon",
            "symlink",
            "symlinkat",
            "truncate",
            "truncate64",
            "umount",
            "umount2",
            "unlink",
            "unlinkat",
            "uselib",
            "utime",
            "utimensat",
            "utimensat_time64",
            "utimes",
        ];
        for table in [Table::native(), Table::compat()] {
            for name in take_paths {
                let Some(number) = table.number(name) else { continue };
                let word = FileCall(table.file_calls[number as usize]);
                assert_ne!(word.argument(FileCall::PATH), NO_ARGUMENT, "{name}");
            }
        }
        let compat = Table::compat();
        let watch = FileCall(compat.file_calls[compat.number("fanotify_mark").unwrap() as usize]);
        assert_eq!((watch.argument(FileCall::BASE), watch.argument(FileCall::PATH)), (4, 5));
    }

    #[test]
    fn a_call_without_implementation_has_a_name_and_no_slot() {
        for table in [Table::native(), Table::compat()] {
            if table.number("nfsservctl").is_some() {
                assert_eq!(table.slot_of("nfsservctl"), None);
            }
        }
    }
}
