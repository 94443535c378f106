//! System calls that have to do with files, when they return: opens, uses of descriptors, changes by path or by
//! descriptor, and attempts that failed. Which argument of a call means what is data that user space fills in
//! ([`FileCall`]).
//!
//! The functions that are not inlined are global ones: the verifier looks at each once, and not at every call. They
//! take numbers: the start and the id of the process, the call's word, its result, and its number with its ABI in the
//! upper half; none that they do not use, for the compiler then passes what the verifier refuses. The call's arguments are
//! in the scratch memory by then.

use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_probe_read_user_str, bpf_strtoul};
use glasshouse_common::{
    Family, FileChangeRecord, flags, kind, operation,
    socket::AF_UNIX,
    syscall::{FileCall, NO_ARGUMENT, TABLE_LEN},
};

use super::{ERESTARTSYS, descriptor, failed, name::other_name};
use crate::{
    emit::send,
    fds,
    file::{self, CREATED, Found, NOTHING, TRUNCATED},
    layout::{Kernel, entry, forget, offset, opaque},
    maps::Scratch,
    path::{self, PathRef},
    task,
    text::{self, Owner},
};

/// `EAGAIN`, `EINVAL`, `EFBIG` and `ENOSPC` of `asm-generic/errno-base.h`.
const EAGAIN: i64 = 11;
const EINVAL: i64 = 22;
const EFBIG: i64 = 27;
const ENOSPC: i64 = 28;
/// `ERANGE`, `ENODATA`, `EOPNOTSUPP`, `EDQUOT` of `asm-generic/errno.h`.
const ERANGE: i64 = 34;
const ENODATA: i64 = 61;
const EOPNOTSUPP: i64 = 95;
const EDQUOT: i64 = 122;
/// `AT_FDCWD` of `linux/fcntl.h`.
const AT_FDCWD: i32 = -100;
/// `O_CREAT`, `O_TRUNC`, `O_TMPFILE` without `O_DIRECTORY`, of `asm-generic/fcntl.h`.
const O_CREAT: u64 = 0o100;
const O_TRUNC: u64 = 0o1000;
const O_TMPFILE: u64 = 0o20_000_000;
/// `FMODE_CREATED` of `linux/fs.h`: opening made the file.
const FMODE_CREATED: u32 = 0x10_0000;
/// The word of a call.
#[inline(always)]
pub(crate) unsafe fn word(abi: u32, number: u32) -> FileCall {
    // One beyond the table has no class by which it would have a word.
    let index = u64::from(abi) * TABLE_LEN as u64 + (u64::from(number) & (TABLE_LEN as u64 - 1));
    FileCall(entry!(FILE_CALLS: u64, index))
}

/// The argument that `call` has at `shift`; 0 if it has none.
#[inline(always)]
pub(super) unsafe fn argument(found: *const Found, call: FileCall, shift: u32) -> u64 {
    *(&raw const (*found).arguments).cast::<u64>().add((opaque(call.0 >> shift) & 15) as usize)
}

/// Makes a path of the second argument, the address of a socket: of one in the file system, which begins behind its
/// family. Returns whether it is one.
#[inline(always)]
unsafe fn take_address(scratch: *mut Scratch) -> bool {
    let address = &raw mut (*scratch).file.arguments[1];
    let is_path = user_word(*address) as u16 == AF_UNIX && user_byte(*address + 2) != 0;
    *address += 2;
    is_path
}

/// A call of class `CLASS_FILE` returns.
#[inline(always)]
pub(crate) unsafe fn on_call(scratch: *mut Scratch) {
    let noted = &raw const (*scratch).call;
    let (word, result) = (FileCall((*noted).word), (*noted).result);
    if word.0 & FileCall::SOCKET_ADDRESS != 0 && !take_address(scratch) {
        return;
    }
    match word.operation() {
        // A signal came in between, and the call begins again, or has not failed by anything that it asked for.
        _ if result <= -ERESTARTSYS => {}
        // It is no symbolic link, which many programs ask of every directory on their way.
        operation::READLINK if result == -EINVAL => {}
        // There is nothing yet, or no room: it was asked not to wait for that.
        operation::READ | operation::WRITE if result == -EAGAIN => {}
        // Of two files it is not known which one has failed, unless there is no room in the one that is written.
        operation::TRANSFER if result < 0 && !matches!(-result, ENOSPC | EFBIG | EDQUOT) => {}
        // It has no such attribute, or more than there was room for: every `ls -l` asks.
        operation::GETXATTR | operation::LISTXATTR if matches!(-result, ENODATA | EOPNOTSUPP | ERANGE) => {}
        _ if result < 0 => {
            if word.argument(FileCall::PATH) != NO_ARGUMENT
                || operation::concerns_file(word.operation()) && word.argument(FileCall::FD) != NO_ARGUMENT
            {
                failed::failed(scratch);
            }
        }
        _ if word.0 & FileCall::FAILURES != 0 => {}
        operation::OPEN => {
            opened(scratch);
        }
        operation::READ
        | operation::WRITE
        | operation::READ_DIRECTORY
        | operation::TRANSFER
        | operation::MAP
        | operation::PROTECT
        | operation::SUBMIT => {
            descriptor::used(scratch);
        }
        _ => {
            changed(scratch);
        }
    }
}

/// A file was opened.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn opened(scratch: *mut Scratch) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let noted = &raw const (*scratch).call;
    let (start, tgid, word, call) = ((*noted).start, (*noted).tgid, FileCall((*noted).word), (*noted).call);
    let file = fds::of_descriptor(scratch, (*noted).result as u32);
    if file.0 == 0 {
        return 0;
    }
    let found = &raw mut (*scratch).file;
    let mut open_flags = argument(found, word, FileCall::FLAGS);
    let mut mode = argument(found, word, FileCall::FIRST);
    if word.0 & FileCall::FLAGS_IN_MEMORY != 0 {
        let how = open_flags;
        open_flags = user_word(how);
        mode = user_word(how + 8);
    }
    let open_flags = forget(open_flags);
    let implied = if word.0 & FileCall::CREAT != 0 { O_CREAT | O_TRUNC } else { 0 };
    let has_path = word.argument(FileCall::PATH) != NO_ARGUMENT;
    let made = if word.0 & FileCall::MAKES != 0 {
        CREATED
    } else if has_path {
        made_by_open(file, open_flags | implied)
    } else {
        // An existing file: it may have been made by another's opening it.
        0
    };
    let made = forget(made);
    let mut asked = forget(0);
    if has_path && fds::descriptors_are_shared(found) {
        let name = argument(found, word, FileCall::PATH);
        (*found).asked = name;
        asked = other_name(scratch, name, file.member(offset!(file_path)).read(offset!(path_dentry)));
    }
    let operation = if word.0 & FileCall::RECEIVES != 0 { NOTHING } else { operation::OPEN };
    let key = file::use_file(start, tgid, file, operation, made, asked);
    if made != 0 {
        let operation = if made == CREATED { operation::CREATE } else { operation::TRUNCATE };
        (*scratch).text.owner = Owner { at: task::now(), start, tgid, tid: file::tid() };
        send_change(
            scratch,
            Change { operation, access: key, first: mode, second: 0, call_flags: open_flags, bits: 0 },
            call,
        );
    }
    0
}

/// Whether opening made the file, or cut it to nothing.
#[inline(always)]
pub(super) unsafe fn made_by_open(file: Kernel, open_flags: u64) -> u64 {
    if open_flags & (O_CREAT | O_TRUNC | O_TMPFILE) == 0 {
        0
    } else if open_flags & O_TMPFILE != 0 || file.read::<u32>(offset!(file_mode)) & FMODE_CREATED != 0 {
        CREATED
    } else if open_flags & O_TRUNC != 0 {
        TRUNCATED
    } else {
        0
    }
}

/// A word in the memory of the task that runs; 0 if there is none.
#[inline(always)]
unsafe fn user_word(address: u64) -> u64 {
    let mut value = 0_u64;
    bpf_probe_read_user((&raw mut value).cast(), 8, address as *const _);
    value
}

/// The same, or half of one if there is no more.
#[inline(always)]
unsafe fn user_number(address: u64) -> u64 {
    let mut value = 0_u64;
    if bpf_probe_read_user((&raw mut value).cast(), 8, address as *const _) < 0 {
        bpf_probe_read_user((&raw mut value).cast(), 4, address as *const _);
    }
    value
}

/// The first byte of a string there.
#[inline(always)]
unsafe fn user_byte(address: u64) -> u8 {
    let mut value = 0_u8;
    if address != 0 {
        bpf_probe_read_user((&raw mut value).cast(), 1, address as *const _);
    }
    value
}

/// What a record of a change says beside its header.
#[derive(Clone, Copy)]
struct Change {
    operation: u32,
    access: u64,
    first: u64,
    second: u64,
    call_flags: u64,
    bits: u32,
}

/// Sends a change by the owner of the texts that came before.
#[inline(always)]
unsafe fn send_change(scratch: *mut Scratch, change: Change, call: u64) {
    let text = &raw mut (*scratch).text;
    let record = (&raw mut (*text).bytes).cast::<FileChangeRecord>();
    let size = size_of::<FileChangeRecord>() as u32;
    let owner = &raw const (*text).owner;
    (*record).header =
        task::header((*owner).at, (*owner).start, (*owner).tgid, (*owner).tid, kind::FILE_CHANGE, size);
    (*record).access = change.access;
    (*record).first = change.first;
    (*record).second = change.second;
    (*record).call_flags = change.call_flags;
    (*record).operation = change.operation;
    (*record).flags = change.bits;
    (*record).call = call as u32;
    (*record).abi = (call >> 32) as u32;
    send(scratch, Family::Files, u64::from(size));
}

/// A call that changes something succeeded.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn changed(scratch: *mut Scratch) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let noted = &raw const (*scratch).call;
    let (start, tgid, word, call) = ((*noted).start, (*noted).tgid, FileCall((*noted).word), (*noted).call);
    let found = &raw const (*scratch).file;
    let operation = word.operation();
    (*scratch).text.owner = Owner { at: task::now(), start, tgid, tid: file::tid() };
    let mut bits = 0;
    let mut access = forget(0);
    if operation == operation::CHDIR || operation == operation::CHROOT {
        // Where it has led to is a fact.
        let fs = task::current_address().follow(offset!(task_fs));
        let member = if operation == operation::CHDIR { offset!(fs_pwd) } else { offset!(fs_root) };
        text::path(scratch, kind::TEXT_BASE, PathRef::at(fs.member(member)));
        bits |= flags::CHANGE_BASE | flags::CHANGE_RESOLVED;
    } else if word.argument(FileCall::PATH) != NO_ARGUMENT
        && user_byte(argument(found, word, FileCall::PATH)) != 0
    {
        if operation == operation::LINK {
            access = use_named(scratch, start, tgid, argument(found, word, FileCall::PATH));
        }
        bits |= send_argument(scratch, word.0, 0) as u32;
    } else {
        // By descriptor: its own argument, or the directory's with an empty path.
        let has_fd = word.argument(FileCall::FD) != NO_ARGUMENT;
        let shift = if has_fd { FileCall::FD } else { FileCall::BASE };
        if word.argument(shift) != NO_ARGUMENT {
            let fd = argument(found, word, shift) as u32;
            let used = if operation == operation::TRUNCATE { operation::TRUNCATE } else { NOTHING };
            access = file::use_descriptor(scratch, start, tgid, fd, used, 0);
        }
    }
    let mut bits = forget(u64::from(bits)) as u32;
    if word.argument(FileCall::NEW_PATH) != NO_ARGUMENT {
        bits |= send_argument(scratch, word.0, 1) as u32;
    }
    if word.argument(FileCall::TEXT) != NO_ARGUMENT {
        text::user_string(scratch, kind::TEXT_EXTRA, argument(found, word, FileCall::TEXT));
        bits |= flags::CHANGE_EXTRA;
    }
    let mut change = Change {
        operation,
        access,
        first: argument(found, word, FileCall::FIRST),
        second: argument(found, word, FileCall::SECOND),
        call_flags: argument(found, word, FileCall::FLAGS),
        bits,
    };
    if word.0 & FileCall::NUMBERS_IN_MEMORY != 0 {
        let numbers = change.first;
        change.first = user_number(numbers);
        change.second = user_word(numbers + 8);
        change.call_flags = change.call_flags & 0xffff_ffff | user_word(numbers + 16) << 32;
    }
    send_change(scratch, change, call);
    if matches!(operation, operation::RENAME | operation::MOUNT | operation::UMOUNT | operation::PIVOT_ROOT) {
        file::note_move();
    }
    0
}

/// In the place of a path's first byte: it is relative to its directory whatever it begins with ([`RESOLVE_IN_ROOT`]).
pub(super) const IN_ROOT: u32 = 1 << 8;
/// `RESOLVE_IN_ROOT` of `linux/openat2.h`.
pub(super) const RESOLVE_IN_ROOT: u64 = 0x10;

/// Uses the file of the descriptor that a path names in procfs, which is how a file gets its first name. Returns the number of
/// the use; 0 if it is no such path.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn use_named(scratch: *mut Scratch, start: u64, tgid: u32, address: u64) -> u64 {
    if scratch.is_null() {
        return 0;
    }
    // In two words that overlap, and its length.
    const OWN: (u64, u64) = (u64::from_le_bytes(*b"/proc/se"), u64::from_le_bytes(*b"self/fd/"));
    const LENGTH: usize = 14;
    let name = text::aside(&raw mut (*scratch).text);
    let taken = bpf_probe_read_user_str(name.cast(), 32, address as *const _);
    let mut fd = 0_u64;
    let digits = bpf_strtoul(name.add(LENGTH).cast(), 12, 10, &raw mut fd);
    let differs = |at: usize, word: u64| core::ptr::read_unaligned(name.add(at).cast::<u64>()) ^ word;
    // No more than the number, and its NUL.
    if opaque(differs(0, OWN.0) | differs(6, OWN.1) | (digits + LENGTH as i64 + 1 - taken) as u64) != 0 {
        return 0;
    }
    file::use_descriptor(scratch, start, tgid, fd as u32, NOTHING, 0)
}

/// Finds the directory that the path of a call is relative to, by the path's first byte. Puts it into the scratch memory.
/// Returns the first byte, or [`IN_ROOT`].
#[inline(always)]
pub(super) unsafe fn find_base(scratch: *mut Scratch, word: FileCall, first: u8) -> u32 {
    let found = &raw const (*scratch).file;
    let has_none = word.argument(FileCall::BASE) == NO_ARGUMENT;
    let fd = if has_none { AT_FDCWD as u32 } else { argument(found, word, FileCall::BASE) as u32 };
    // The flags of openat2 are the first of three words.
    let has_how = word.0 >> FileCall::FLAGS_IN_MEMORY.trailing_zeros() & 1;
    let how = argument(found, word, FileCall::FLAGS) & opaque(has_how).wrapping_neg();
    base_path(scratch, fd, u32::from(first), how) as u32
}

/// The directory that a path is relative to, for one that begins with `first`, is put into the scratch memory. Returns the
/// first byte, or [`IN_ROOT`] if a `struct open_how` says so, whose address in the memory of the task is `how`; 0 if there is
/// none. A global function: the verifier looks at it once.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn base_path(scratch: *mut Scratch, fd: u32, first: u32, how: u64) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let mut resolve = forget(0);
    if how != 0 {
        resolve = user_word(how + 16);
    }
    const { assert!(RESOLVE_IN_ROOT << 4 == IN_ROOT as u64) };
    let first = opaque((resolve & RESOLVE_IN_ROOT) << 4 | u64::from(first)) as u32;
    let path = if fd == AT_FDCWD as u32 || first == u32::from(b'/') {
        let fs = task::current_address().follow(offset!(task_fs));
        fs.member(if first == u32::from(b'/') { offset!(fs_root) } else { offset!(fs_pwd) })
    } else {
        fds::of_descriptor(scratch, fd).member(offset!(file_path))
    };
    (*scratch).file.base = PathRef::at(path);
    first as i32
}

/// Sends what a path argument is relative to, if it is not the root of the mount namespace. Returns the argument's flags.
#[inline(always)]
pub(super) unsafe fn send_base(scratch: *mut Scratch, base: PathRef, first: u32, second: u32) -> u32 {
    const { assert!(flags::CHANGE_IN_ROOT == IN_ROOT << 3) };
    let bits = flags::CHANGE_ARGUMENT | (first & IN_ROOT) << 3;
    if base.dentry == 0 {
        return bits | flags::CHANGE_BASE | flags::CHANGE_NO_BASE;
    }
    if first == u32::from(b'/') && path::is_namespace_root(base) {
        return bits;
    }
    text::path(scratch, if second != 0 { kind::TEXT_NEW_BASE } else { kind::TEXT_BASE }, base);
    bits | flags::CHANGE_BASE
}

/// The word of a call in which the arguments of its first path are those of the first or the second: these are so much
/// further in the word.
#[inline(always)]
pub(super) fn nth_path(word: u64, second: u32) -> FileCall {
    FileCall(word >> (opaque(u64::from(second) * u64::from(FileCall::NEW_PATH - FileCall::PATH)) & 63))
}

/// Sends a path argument of a call, the first or the second, with what it is relative to. Returns the flags that say so.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn send_argument(scratch: *mut Scratch, word: u64, second: u32) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let found = &raw mut (*scratch).file;
    let word = nth_path(word, second);
    let address = argument(found, word, FileCall::PATH);
    let first = find_base(scratch, word, user_byte(address));
    let base = (*found).base;
    let bits = send_base(scratch, base, first, second);
    text::user_string(
        scratch,
        if second != 0 { kind::TEXT_NEW_ARGUMENT } else { kind::TEXT_ARGUMENT },
        address,
    );
    (bits << (opaque(u64::from(second) * 2) & 31)) as i32
}
