//! System calls that have to do with files, when they return: opens, uses of descriptors, changes by path or by
//! descriptor, and attempts that failed. Which argument of a call means what is data that user space fills in
//! ([`FileCall`]).
//!
//! The functions that are not inlined are global ones: the verifier looks at each once, and not at every call. They
//! take the same five numbers: the start and the id of the process, the call's word, its result, and its number with
//! its ABI in the upper half.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{
    bpf_loop, bpf_probe_read_kernel, bpf_probe_read_user, bpf_probe_read_user_str,
};
use glasshouse_common::{
    Family, FileChangeRecord, FileFailedRecord, flags, kind,
    limits::{ACCESS_INTERVAL_NS, PATH_BYTES},
    operation,
    state::Access,
    syscall::{ABI_NATIVE, FileCall, NO_ARGUMENT, TABLE_LEN},
};

use crate::{
    emit::{files_dropped, send},
    file::{self, CREATED, NOTHING, TRUNCATED},
    layout::{COMPAT_FILE_CALLS, Kernel, NATIVE_FILE_CALLS, OFFSETS, offset, opaque},
    maps::{ACCESSES, FILE, TEXT, WALK},
    path::{self, PathRef, mix},
    task,
    text::{self, Owner},
};

/// `AT_FDCWD` of `linux/fcntl.h`.
const AT_FDCWD: i32 = -100;
/// `O_TRUNC`, `O_TMPFILE` without `O_DIRECTORY`, of `asm-generic/fcntl.h`.
const O_TRUNC: u64 = 0o1000;
const O_TMPFILE: u64 = 0o20_000_000;
/// `FMODE_CREATED` of `linux/fs.h`: opening made the file.
const FMODE_CREATED: u32 = 0x10_0000;
/// `PROT_WRITE`, `PROT_EXEC`, `MAP_SHARED` (as a bit also of `MAP_SHARED_VALIDATE`), `MAP_ANONYMOUS` of `asm-generic/mman*.h`.
const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;
const MAP_SHARED: u64 = 1;
const MAP_ANONYMOUS: u64 = 0x20;
/// Bytes of the end of a name by which names are told apart.
const TAIL_BYTES: u64 = 64;

/// The word of a call.
#[inline(always)]
pub(crate) unsafe fn word(abi: u32, number: u32) -> FileCall {
    let number = opaque(u64::from(number));
    if number >= TABLE_LEN as u64 {
        return FileCall::NONE;
    }
    let table = if abi == ABI_NATIVE { &raw const NATIVE_FILE_CALLS } else { &raw const COMPAT_FILE_CALLS };
    FileCall(core::ptr::read_volatile(table.cast::<u64>().add(number as usize)))
}

/// The arguments of the call that the running task returns from.
#[derive(Clone, Copy)]
struct Arguments {
    regs: Kernel,
    is_native: bool,
}

impl Arguments {
    #[inline(always)]
    unsafe fn of(call: u64) -> Self {
        let regs = task::address_of(task::current_regs() as u64);
        Self { regs, is_native: (call >> 32) as u32 == ABI_NATIVE }
    }

    /// The argument with this number.
    #[inline(always)]
    unsafe fn get(self, index: u64) -> u64 {
        let index = opaque(index);
        if index > 5 {
            return 0;
        }
        let first =
            if self.is_native { &raw const OFFSETS.regs_arg0 } else { &raw const OFFSETS.regs_compat_arg0 };
        let offset = core::ptr::read_volatile(first.add(index as usize));
        let value: u64 = self.regs.read(offset);
        if self.is_native { value } else { value & 0xffff_ffff }
    }

    /// The argument that `call` has at `shift`; 0 if it has none.
    #[inline(always)]
    unsafe fn of_call(self, call: FileCall, shift: u32) -> u64 {
        self.get(call.argument(shift))
    }
}

/// A call of class `CLASS_FILE` returns.
#[inline(always)]
pub(crate) unsafe fn on_call(start: u64, tgid: u32, word: FileCall, result: i64, number: u32, abi: u32) {
    let call = u64::from(number) | u64::from(abi) << 32;
    let process = u64::from(tgid);
    match word.operation() {
        _ if result < 0 => {
            if word.argument(FileCall::PATH) != NO_ARGUMENT {
                failed(start, process, word.0, result, call);
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
        | operation::MAP => {
            used(start, process, word.0, result, call);
        }
        _ => {
            changed(start, process, word.0, result, call);
        }
    }
}

/// A descriptor was used.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn used(start: u64, process: u64, word: u64, result: i64, call: u64) -> i32 {
    let (tgid, word) = (process as u32, FileCall(word));
    let arguments = Arguments::of(call);
    let fd = arguments.of_call(word, FileCall::FD) as u32;
    let bytes = result as u64;
    match word.operation() {
        operation::TRANSFER => {
            file::use_descriptor(start, tgid, fd, operation::READ, bytes);
            let to = arguments.of_call(word, FileCall::SECOND) as u32;
            file::use_descriptor(start, tgid, to, operation::WRITE, bytes);
        }
        operation::MAP => {
            let (protection, map_flags) =
                (arguments.of_call(word, FileCall::FIRST), arguments.of_call(word, FileCall::FLAGS));
            if map_flags & MAP_ANONYMOUS != 0 {
                return 0;
            }
            if protection & PROT_EXEC != 0 {
                file::use_descriptor(start, tgid, fd, operation::MAP_EXECUTABLE, 0);
            }
            if protection & PROT_WRITE != 0 && map_flags & MAP_SHARED != 0 {
                file::use_descriptor(start, tgid, fd, operation::MAP_WRITABLE, 0);
            }
        }
        operation => {
            file::use_descriptor(start, tgid, fd, operation, bytes);
        }
    }
    0
}

/// A file was opened.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn opened(start: u64, process: u64, word: u64, result: i64, call: u64) -> i32 {
    let (tgid, word) = (process as u32, FileCall(word));
    let file = file::of_descriptor(result as u32);
    if file.0 == 0 {
        return 0;
    }
    let arguments = Arguments::of(call);
    let mut open_flags = arguments.of_call(word, FileCall::FLAGS);
    let mut mode = arguments.of_call(word, FileCall::FIRST);
    if word.0 & FileCall::FLAGS_IN_MEMORY != 0 {
        let how = open_flags;
        open_flags = user_word(how);
        mode = user_word(how + 8);
    }
    if word.0 & FileCall::CREAT != 0 {
        open_flags |= O_TRUNC;
    }
    let made = if word.0 & FileCall::MAKES != 0 {
        CREATED
    } else if word.argument(FileCall::PATH) == NO_ARGUMENT {
        // An existing file: it may have been made by another's opening it.
        0
    } else {
        made_by_open(file, open_flags)
    };
    let mut asked = 0;
    if word.argument(FileCall::PATH) != NO_ARGUMENT && file::descriptors_are_shared() {
        let name = arguments.of_call(word, FileCall::PATH);
        let dentry: u64 = file.member(offset!(file_path)).read(offset!(path_dentry));
        asked = other_name(name, dentry);
        if let Some(scratch) = FILE.get_ptr_mut(0) {
            (*scratch).asked = name;
        }
    }
    let key = file::use_file(start, tgid, file, operation::OPEN, made, asked);
    if made != 0 {
        let operation = if made == CREATED { operation::CREATE } else { operation::TRUNCATE };
        let tid = file::tid();
        let owner = Owner { at: task::now(), start, tgid, tid };
        send_change(
            owner,
            Change { operation, access: key, first: mode, second: 0, call_flags: open_flags, bits: 0 },
            call,
        );
    }
    0
}

/// Whether opening made the file, or cut it to nothing.
#[inline(always)]
pub(super) unsafe fn made_by_open(file: Kernel, open_flags: u64) -> u64 {
    if file.read::<u32>(offset!(file_mode)) & FMODE_CREATED != 0 || open_flags & O_TMPFILE != 0 {
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
    let (Some(walk), Some(text)) = (WALK.get_ptr_mut(0), TEXT.get_ptr_mut(0)) else { return 0 };
    let asked = (&raw mut (*text).bytes).cast::<u8>();
    let taken = bpf_probe_read_user_str(asked.cast(), PATH_BYTES, address as *const _);
    if taken < 2 {
        return 0;
    }
    let byte = |at: u64| *asked.add((opaque(at) & 0xfff) as usize);
    // Without a slash at its end.
    let mut end = opaque(taken as u64 - 1) & 0xfff;
    if byte(end.wrapping_sub(1)) == b'/' {
        end = end.wrapping_sub(1);
    }
    if end == 0 || byte(end.wrapping_sub(1)) == b'/' || ends_in_dots(asked, end) {
        return 0;
    }
    let bytes = (&raw mut (*walk).bytes).cast::<u8>();
    let length = u64::from(Kernel(dentry).read::<u32>(offset!(dentry_name_length)));
    if length <= end
        && length < 256
        && (length == end || byte(end.wrapping_sub(length).wrapping_sub(1)) == b'/')
    {
        let from = asked.add((opaque(end.wrapping_sub(length)) & 0xfff) as usize);
        let bounded = (opaque(length) & 0xff) as u32;
        bpf_probe_read_kernel(bytes.cast(), bounded, from.cast());
        let there = hash(length);
        bpf_probe_read_kernel(
            bytes.cast(),
            bounded,
            Kernel(dentry).follow(offset!(dentry_name)).0 as *const _,
        );
        if hash(length) == there {
            return 0;
        }
    }
    let tail = if end > TAIL_BYTES { TAIL_BYTES } else { end };
    let from = asked.add((opaque(end.wrapping_sub(tail)) & 0xfff) as usize);
    bpf_probe_read_kernel(bytes.cast(), (opaque(tail) & 0x7f) as u32, from.cast());
    hash(tail) | 1
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

#[inline(always)]
unsafe fn send_change(owner: Owner, change: Change, call: u64) {
    let Some(text) = TEXT.get_ptr_mut(0) else { return };
    let record = (&raw mut (*text).bytes).cast::<FileChangeRecord>();
    let size = size_of::<FileChangeRecord>() as u32;
    *record = FileChangeRecord {
        header: task::header(owner.at, owner.start, owner.tgid, owner.tid, kind::FILE_CHANGE, size),
        access: change.access,
        first: change.first,
        second: change.second,
        call_flags: change.call_flags,
        operation: change.operation,
        flags: change.bits,
        call: call as u32,
        abi: (call >> 32) as u32,
    };
    send(Family::Files, u64::from(size));
}

/// A call that changes something succeeded.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn changed(start: u64, process: u64, word: u64, _result: i64, call: u64) -> i32 {
    let (tgid, word) = (process as u32, FileCall(word));
    let arguments = Arguments::of(call);
    let operation = word.operation();
    let owner = Owner { at: task::now(), start, tgid, tid: file::tid() };
    text::set_owner(owner);
    let mut bits = 0;
    let mut access = 0;
    let path = arguments.of_call(word, FileCall::PATH);
    if operation == operation::CHDIR || operation == operation::CHROOT {
        // Where it has led to is a fact.
        let fs = task::current_address().follow(offset!(task_fs));
        let root = PathRef::at(fs.member(offset!(fs_root)));
        let now = if operation == operation::CHDIR { PathRef::at(fs.member(offset!(fs_pwd))) } else { root };
        text::path(kind::TEXT_BASE, now, root);
        bits |= flags::CHANGE_BASE | flags::CHANGE_RESOLVED;
    } else if word.argument(FileCall::PATH) != NO_ARGUMENT && user_byte(path) != 0 {
        bits |= send_argument(0, base_of(arguments, word, FileCall::BASE), path) as u32;
    } else {
        // By descriptor: its own argument, or the directory's with an empty path.
        let has_fd = word.argument(FileCall::FD) != NO_ARGUMENT;
        let shift = if has_fd { FileCall::FD } else { FileCall::BASE };
        if word.argument(shift) != NO_ARGUMENT {
            let fd = arguments.of_call(word, shift) as u32;
            let used = if operation == operation::TRUNCATE { operation::TRUNCATE } else { NOTHING };
            access = file::use_descriptor(start, tgid, fd, used, 0);
        }
    }
    if word.argument(FileCall::NEW_PATH) != NO_ARGUMENT {
        let path = arguments.of_call(word, FileCall::NEW_PATH);
        bits |= send_argument(1, base_of(arguments, word, FileCall::NEW_BASE), path) as u32;
    }
    if word.argument(FileCall::TEXT) != NO_ARGUMENT {
        text::user_string(kind::TEXT_EXTRA, arguments.of_call(word, FileCall::TEXT));
        bits |= flags::CHANGE_EXTRA;
    }
    let change = Change {
        operation,
        access,
        first: arguments.of_call(word, FileCall::FIRST),
        second: arguments.of_call(word, FileCall::SECOND),
        call_flags: arguments.of_call(word, FileCall::FLAGS),
        bits,
    };
    send_change(owner, change, call);
    if matches!(operation, operation::RENAME | operation::MOUNT | operation::UMOUNT | operation::PIVOT_ROOT) {
        file::note_move();
    }
    0
}

/// The directory descriptor of a path; `AT_FDCWD` for a call that has none.
#[inline(always)]
unsafe fn base_of(arguments: Arguments, word: FileCall, shift: u32) -> u32 {
    if word.argument(shift) == NO_ARGUMENT { AT_FDCWD as u32 } else { arguments.of_call(word, shift) as u32 }
}

/// The directory that a path is relative to, for one that begins with `first`.
#[inline(always)]
pub(super) unsafe fn base_path(fd: u32, first: u8) -> PathRef {
    let fs = task::current_address().follow(offset!(task_fs));
    if first == b'/' {
        PathRef::at(fs.member(offset!(fs_root)))
    } else if fd == AT_FDCWD as u32 {
        PathRef::at(fs.member(offset!(fs_pwd)))
    } else {
        PathRef::at(file::of_descriptor(fd).member(offset!(file_path)))
    }
}

/// Sends a path argument, the first or the second, with what it is relative to. Returns the flags that say so.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn send_argument(second: u32, fd: u32, address: u64) -> i32 {
    let first = user_byte(address);
    let base = base_path(fd, first);
    let mut bits = flags::CHANGE_ARGUMENT;
    let is_second = second != 0;
    if first != b'/' || !path::is_namespace_root(base) {
        bits |= flags::CHANGE_BASE;
        let root = PathRef::at(task::current_address().follow(offset!(task_fs)).member(offset!(fs_root)));
        text::path(if is_second { kind::TEXT_NEW_BASE } else { kind::TEXT_BASE }, base, root);
    }
    text::user_string(if is_second { kind::TEXT_NEW_ARGUMENT } else { kind::TEXT_ARGUMENT }, address);
    if is_second {
        bits = bits << 2;
    }
    bits as i32
}

/// A call that takes a path failed. Equal attempts are counted in one entry.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn failed(start: u64, process: u64, word: u64, result: i64, call: u64) -> i32 {
    let (tgid, word) = (process as u32, FileCall(word));
    let Some(scratch) = FILE.get_ptr_mut(0) else { return 0 };
    let arguments = Arguments::of(call);
    let address = arguments.of_call(word, FileCall::PATH);
    let fd = base_of(arguments, word, FileCall::BASE);
    let base = base_path(fd, user_byte(address));
    let errno = -result as u32;
    let what = word.operation() << 16 | errno & 0xffff;
    let hash = string_hash(address);
    let now = task::now();
    let key = file::failure_key(start, tgid, base, hash, what);
    if let Some(entry) = ACCESSES.get_ptr_mut(&key) {
        if (*entry).seen != 0 {
            file::count_failure(entry, now);
            if now - (*entry).sent_at > ACCESS_INTERVAL_NS {
                file::send_totals(key, now);
            }
            return 0;
        }
    }
    let new = &raw mut (*scratch).new;
    file::begin_failure(new, start, tgid, base, hash, what, now);
    let Some(entry) = file::find_or_make(key, new) else { return 0 };
    file::count_failure(entry, now);

    let owner = Owner { at: (*entry).first_at, start, tgid, tid: file::tid() };
    text::set_owner(owner);
    let dropped = files_dropped();
    let mut bits = send_argument(0, fd, address) as u32;
    if word.argument(FileCall::NEW_PATH) != NO_ARGUMENT {
        let path = arguments.of_call(word, FileCall::NEW_PATH);
        bits |= send_argument(1, base_of(arguments, word, FileCall::NEW_BASE), path) as u32;
    }
    announce_failure(key, errno, word.operation(), bits, call);
    let dropped = files_dropped() - dropped;
    let Some(entry) = ACCESSES.get_ptr_mut(&key) else { return 0 };
    if dropped == 0 {
        (*entry).seen = 1;
    }
    file::sent(entry, dropped, now);
    0
}

#[inline(always)]
unsafe fn announce_failure(key: u64, errno: u32, operation: u32, bits: u32, call: u64) {
    let (Some(entry), Some(text)) = (ACCESSES.get_ptr_mut(&key), TEXT.get_ptr_mut(0)) else { return };
    let entry: *mut Access = entry;
    let owner = (*text).owner;
    let record = (&raw mut (*text).bytes).cast::<FileFailedRecord>();
    let size = size_of::<FileFailedRecord>() as u32;
    core::ptr::write_volatile(&raw mut (*entry).dirty, 0);
    (*record).header = task::header(owner.at, owner.start, owner.tgid, owner.tid, kind::FILE_FAILED, size);
    (*record).access = key;
    file::copy_totals(entry, &raw mut (*record).totals);
    (*record).operation = operation;
    (*record).errno = errno;
    (*record).flags = bits;
    (*record).call = call as u32;
    (*record).abi = (call >> 32) as u32;
    (*record).reserved = 0;
    send(Family::Files, u64::from(size));
}

/// A hash of a string in the memory of the task that runs.
#[inline(always)]
unsafe fn string_hash(address: u64) -> u64 {
    let Some(walk) = WALK.get_ptr_mut(0) else { return 0 };
    let bytes = (&raw mut (*walk).bytes).cast::<u8>();
    let taken = bpf_probe_read_user_str(bytes.cast(), PATH_BYTES, address as *const _);
    if taken <= 0 { taken as u64 } else { hash(taken as u64) }
}

/// A hash of the bytes at the beginning of the walk's buffer.
#[inline(always)]
unsafe fn hash(length: u64) -> u64 {
    let Some(scratch) = FILE.get_ptr_mut(0) else { return 0 };
    (*scratch).hash = length;
    (*scratch).at = 0;
    (*scratch).left = length;
    if length != 0 {
        bpf_loop(PATH_BYTES / 8, hash_word as *mut c_void, core::ptr::null_mut(), 0);
    }
    (*scratch).hash
}

unsafe extern "C" fn hash_word(_index: u32, _context: *mut c_void) -> i64 {
    let (Some(scratch), Some(walk)) = (FILE.get_ptr_mut(0), WALK.get_ptr_mut(0)) else { return 1 };
    let (at, left) = (opaque((*scratch).at) & 0xff8, (*scratch).left);
    let mut word = *(&raw const (*walk).bytes).cast::<u8>().add(at as usize).cast::<u64>();
    if left < 8 {
        word &= (1 << (left * 8)) - 1;
    }
    (*scratch).hash = mix((*scratch).hash, word);
    (*scratch).at = at + 8;
    (*scratch).left = left.wrapping_sub(8);
    i64::from(left <= 8)
}
