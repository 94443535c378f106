//! System calls that have to do with files, when they return: opens, uses of descriptors, changes by path or by
//! descriptor, and attempts that failed. Which argument of a call means what is data that user space fills in
//! ([`FileCall`]).
//!
//! The functions that are not inlined are global ones: the verifier looks at each once, and not at every call. They
//! take numbers: the start and the id of the process, the call's word, its result, and its number with its ABI in the
//! upper half; none that they do not use, for the compiler then passes what the verifier refuses. The call's arguments are
//! in the scratch memory by then.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{
    bpf_loop, bpf_probe_read_kernel, bpf_probe_read_user, bpf_probe_read_user_str, bpf_strtoul,
};
use glasshouse_common::{
    Family, FileChangeRecord, flags, kind,
    limits::{COMPONENT_BYTES, PATH_BYTES},
    operation,
    socket::AF_UNIX,
    syscall::{FileCall, NO_ARGUMENT, TABLE_LEN},
};

use super::{ERESTARTSYS, descriptor, failed};
use crate::{
    emit::send,
    fds,
    file::{self, CREATED, Found, NOTHING, TRUNCATED},
    layout::{Block, Kernel, Words, constant, entry, forget, offset, opaque},
    maps::{Scratch, scratch},
    path::{self, PathRef, mix_chosen},
    task,
    text::{self, Owner},
};

/// `EINVAL` of `asm-generic/errno-base.h`.
const EINVAL: i64 = 22;
/// `ERANGE`, `ENODATA`, `EOPNOTSUPP` of `asm-generic/errno.h`.
const ERANGE: i64 = 34;
const ENODATA: i64 = 61;
const EOPNOTSUPP: i64 = 95;
/// `AT_FDCWD` of `linux/fcntl.h`.
const AT_FDCWD: i32 = -100;
/// `O_CREAT`, `O_TRUNC`, `O_TMPFILE` without `O_DIRECTORY`, of `asm-generic/fcntl.h`.
const O_CREAT: u64 = 0o100;
const O_TRUNC: u64 = 0o1000;
const O_TMPFILE: u64 = 0o20_000_000;
/// `FMODE_CREATED` of `linux/fs.h`: opening made the file.
const FMODE_CREATED: u32 = 0x10_0000;
/// Bytes of the end of a name by which names are told apart.
const TAIL_BYTES: u64 = 64;

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
unsafe fn take_address() -> bool {
    let Some(scratch) = scratch() else { return false };
    let address = &raw mut (*scratch).file.arguments[1];
    let is_path = user_word(*address) as u16 == AF_UNIX && user_byte(*address + 2) != 0;
    *address += 2;
    is_path
}

/// A call of class `CLASS_FILE` returns.
#[inline(always)]
pub(crate) unsafe fn on_call(start: u64, tgid: u32, word: FileCall, result: i64, call: u64) {
    let process = u64::from(tgid);
    if word.0 & FileCall::SOCKET_ADDRESS != 0 && !take_address() {
        return;
    }
    match word.operation() {
        // A signal came in between, and the call begins again, or has not failed by anything that it asked for.
        _ if result <= -ERESTARTSYS => {}
        // It is no symbolic link, which many programs ask of every directory on their way.
        operation::READLINK if result == -EINVAL => {}
        // It has no such attribute, or more than there was room for: every `ls -l` asks.
        operation::GETXATTR | operation::LISTXATTR if matches!(-result, ENODATA | EOPNOTSUPP | ERANGE) => {}
        _ if result < 0 => {
            if word.argument(FileCall::PATH) != NO_ARGUMENT
                || operation::concerns_file(word.operation()) && word.argument(FileCall::FD) != NO_ARGUMENT
            {
                failed::failed(start, process, word.0, result, call);
            }
        }
        _ if word.0 & FileCall::FAILURES != 0 => {}
        operation::OPEN => {
            opened(start, process, word.0, result, call);
        }
        operation::READ
        | operation::WRITE
        | operation::READ_DIRECTORY
        | operation::TRANSFER
        | operation::MAP
        | operation::PROTECT
        | operation::SUBMIT => {
            descriptor::used(start, process, word.0, result);
        }
        _ => {
            changed(start, process, word.0, call);
        }
    }
}

/// A file was opened.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn opened(start: u64, process: u64, word: u64, result: i64, call: u64) -> i32 {
    let (tgid, word) = (process as u32, FileCall(word));
    let file = fds::of_descriptor(result as u32);
    if file.0 == 0 {
        return 0;
    }
    let Some(scratch) = scratch() else { return 0 };
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
        asked = other_name(name, file.member(offset!(file_path)).read(offset!(path_dentry)));
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

/// Whether the last component of the name at `address` is another than that of the dentry: 0 if not, or if it cannot be
/// told, as for `.` and `..`; else a hash of the name's end.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn other_name(address: u64, dentry: u64) -> u64 {
    let Some(scratch) = scratch() else { return 0 };
    let (found, asked) = (&raw mut (*scratch).file, (&raw mut (*scratch).text.bytes).cast::<u8>());
    let taken = bpf_probe_read_user_str(asked.cast(), PATH_BYTES, address as *const _);
    if taken < 2 {
        return 0;
    }
    // With a slash before it, and without one at its end.
    let byte = |at: u64| *asked.add((opaque(at) & 0xfff) as usize);
    let mut end = opaque(taken as u64 - 1) & 0xfff;
    end = opaque(end - u64::from(byte(end.wrapping_sub(1)) == b'/')) & 0xfff;
    let mut words = Words::<2>::uninit();
    let name = Block::read(Kernel(dentry).member(offset!(dentry_name_hash)), words.as_mut_ptr());
    let length = u64::from(name.get::<u32>(offset!(dentry_name_length) - offset!(dentry_name_hash)));
    if length <= end
        && length < 256
        && (length == end || byte(end.wrapping_sub(length).wrapping_sub(1)) == b'/')
    {
        let own = (&raw mut (*scratch).walk.bytes).cast();
        let name: u64 = name.get(offset!(dentry_name) - offset!(dentry_name_hash));
        bpf_probe_read_kernel(own, (opaque(length) & 0xff) as u32, name as *const _);
        (*found).hash = 0;
        (*found).at = end.wrapping_sub(length);
        (*found).left = length;
        bpf_loop(COMPONENT_BYTES / 8, compare_word as *mut c_void, core::ptr::null_mut(), 0);
        if (*found).hash == 0 {
            return 0;
        }
    }
    if end == 0 || byte(end.wrapping_sub(1)) == b'/' || ends_in_dots(asked, end) {
        return 0;
    }
    let tail = if end > TAIL_BYTES { TAIL_BYTES } else { end };
    let from = asked.add((opaque(end.wrapping_sub(tail)) & 0xfff) as usize);
    let to = text::aside(&raw mut (*scratch).text);
    bpf_probe_read_kernel(to.cast(), (opaque(tail) & 0x7f) as u32, from.cast());
    hash_bytes(tail) | 1
}

/// Compares a word of the name that was asked for with one of the dentry's.
unsafe extern "C" fn compare_word(index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let found = &raw mut (*scratch).file;
    let (at, left) = (opaque((*found).at) & 0xfff, (*found).left);
    let asked = (&raw const (*scratch).text.bytes).cast::<u8>().add(at as usize).cast::<u64>();
    let own =
        (&raw const (*scratch).walk.bytes).cast::<u8>().add((opaque(u64::from(index) * 8) & 0xf8) as usize);
    let mut differs = core::ptr::read_unaligned(asked) ^ core::ptr::read(own.cast::<u64>());
    if left < 8 {
        differs &= (1 << (left * 8)) - 1;
    }
    (*found).hash = differs;
    (*found).at = at + 8;
    (*found).left = left.wrapping_sub(8);
    i64::from(left <= 8 || differs != 0)
}

/// Whether the last component of a name is `.` or `..`.
#[inline(always)]
unsafe fn ends_in_dots(name: *const u8, end: u64) -> bool {
    let byte = |back: u64| *name.add((opaque(end.wrapping_sub(back)) & 0xfff) as usize);
    if byte(1) != b'.' {
        return false;
    }
    end == 1 || byte(2) == b'/' || byte(2) == b'.' && (end == 2 || byte(3) == b'/')
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
    send(Family::Files, u64::from(size));
}

/// A call that changes something succeeded.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn changed(start: u64, process: u64, word: u64, call: u64) -> i32 {
    let (tgid, word) = (process as u32, FileCall(word));
    let Some(scratch) = scratch() else { return 0 };
    let found = &raw const (*scratch).file;
    let operation = word.operation();
    (*scratch).text.owner = Owner { at: task::now(), start, tgid, tid: file::tid() };
    let mut bits = 0;
    let mut access = forget(0);
    if operation == operation::CHDIR || operation == operation::CHROOT {
        // Where it has led to is a fact.
        let fs = task::current_address().follow(offset!(task_fs));
        let member = if operation == operation::CHDIR { offset!(fs_pwd) } else { offset!(fs_root) };
        text::path(kind::TEXT_BASE, PathRef::at(fs.member(member)));
        bits |= flags::CHANGE_BASE | flags::CHANGE_RESOLVED;
    } else if word.argument(FileCall::PATH) != NO_ARGUMENT
        && user_byte(argument(found, word, FileCall::PATH)) != 0
    {
        if operation == operation::LINK {
            access = use_named(start, tgid, argument(found, word, FileCall::PATH));
        }
        bits |= send_argument(word.0, 0) as u32;
    } else {
        // By descriptor: its own argument, or the directory's with an empty path.
        let has_fd = word.argument(FileCall::FD) != NO_ARGUMENT;
        let shift = if has_fd { FileCall::FD } else { FileCall::BASE };
        if word.argument(shift) != NO_ARGUMENT {
            let fd = argument(found, word, shift) as u32;
            let used = if operation == operation::TRUNCATE { operation::TRUNCATE } else { NOTHING };
            access = file::use_descriptor(start, tgid, fd, used, 0);
        }
    }
    let mut bits = forget(u64::from(bits)) as u32;
    if word.argument(FileCall::NEW_PATH) != NO_ARGUMENT {
        bits |= send_argument(word.0, 1) as u32;
    }
    if word.argument(FileCall::TEXT) != NO_ARGUMENT {
        text::user_string(kind::TEXT_EXTRA, argument(found, word, FileCall::TEXT));
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
unsafe extern "C" fn use_named(start: u64, tgid: u32, address: u64) -> u64 {
    // In two words that overlap, and its length.
    const OWN: (u64, u64) = (u64::from_le_bytes(*b"/proc/se"), u64::from_le_bytes(*b"self/fd/"));
    const LENGTH: usize = 14;
    let Some(scratch) = scratch() else { return 0 };
    let name = text::aside(&raw mut (*scratch).text);
    let taken = bpf_probe_read_user_str(name.cast(), 32, address as *const _);
    let mut fd = 0_u64;
    let digits = bpf_strtoul(name.add(LENGTH).cast(), 12, 10, &raw mut fd);
    let differs = |at: usize, word: u64| core::ptr::read_unaligned(name.add(at).cast::<u64>()) ^ word;
    // No more than the number, and its NUL.
    if opaque(differs(0, OWN.0) | differs(6, OWN.1) | (digits + LENGTH as i64 + 1 - taken) as u64) != 0 {
        return 0;
    }
    file::use_descriptor(start, tgid, fd as u32, NOTHING, 0)
}

/// Finds the directory that the path of a call is relative to, by the path's first byte. Puts it into the scratch memory.
/// Returns the first byte, or [`IN_ROOT`].
#[inline(always)]
pub(super) unsafe fn find_base(found: *mut Found, word: FileCall, first: u8) -> u32 {
    let has_none = word.argument(FileCall::BASE) == NO_ARGUMENT;
    let fd = if has_none { AT_FDCWD as u32 } else { argument(found, word, FileCall::BASE) as u32 };
    // The flags of openat2 are the first of three words.
    let has_how = word.0 >> FileCall::FLAGS_IN_MEMORY.trailing_zeros() & 1;
    let how = argument(found, word, FileCall::FLAGS) & opaque(has_how).wrapping_neg();
    base_path(fd, u32::from(first), how) as u32
}

/// The directory that a path is relative to, for one that begins with `first`, is put into the scratch memory. Returns the
/// first byte, or [`IN_ROOT`] if a `struct open_how` says so, whose address in the memory of the task is `how`; 0 if there is
/// none. A global function: the verifier looks at it once.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn base_path(fd: u32, first: u32, how: u64) -> i32 {
    let Some(scratch) = scratch() else { return 0 };
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
        fds::of_descriptor(fd).member(offset!(file_path))
    };
    (*scratch).file.base = PathRef::at(path);
    first as i32
}

/// Sends what a path argument is relative to, if it is not the root of the mount namespace. Returns the argument's flags.
#[inline(always)]
pub(super) unsafe fn send_base(base: PathRef, first: u32, second: u32) -> u32 {
    const { assert!(flags::CHANGE_IN_ROOT == IN_ROOT << 3) };
    let bits = flags::CHANGE_ARGUMENT | (first & IN_ROOT) << 3;
    if base.dentry == 0 {
        return bits | flags::CHANGE_BASE | flags::CHANGE_NO_BASE;
    }
    if first == u32::from(b'/') && path::is_namespace_root(base) {
        return bits;
    }
    text::path(if second != 0 { kind::TEXT_NEW_BASE } else { kind::TEXT_BASE }, base);
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
pub(super) unsafe extern "C" fn send_argument(word: u64, second: u32) -> i32 {
    let Some(scratch) = scratch() else { return 0 };
    let found = &raw mut (*scratch).file;
    let word = nth_path(word, second);
    let address = argument(found, word, FileCall::PATH);
    let first = find_base(found, word, user_byte(address));
    let base = (*found).base;
    let bits = send_base(base, first, second);
    text::user_string(if second != 0 { kind::TEXT_NEW_ARGUMENT } else { kind::TEXT_ARGUMENT }, address);
    (bits << (opaque(u64::from(second) * 2) & 31)) as i32
}

/// A hash of so many bytes of what lies aside. What is no length has one of its own.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn hash_bytes(length: u64) -> u64 {
    let Some(scratch) = scratch() else { return 0 };
    let found = &raw mut (*scratch).file;
    (*found).hash = mix_chosen(constant!(SEED), length);
    (*found).left = length;
    if length as i64 > 0 {
        bpf_loop(PATH_BYTES / 8, hash_word as *mut c_void, core::ptr::null_mut(), 0);
    }
    (*found).hash
}

unsafe extern "C" fn hash_word(index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let found = &raw mut (*scratch).file;
    let at = opaque(u64::from(index) * 8) & 0xff8;
    let left = (*found).left;
    let mut word = *text::aside(&raw mut (*scratch).text).add(at as usize).cast::<u64>();
    if left < 8 {
        word &= (1 << (left * 8)) - 1;
    }
    (*found).hash = mix_chosen((*found).hash, word);
    (*found).left = left.wrapping_sub(8);
    i64::from(left <= 8)
}
