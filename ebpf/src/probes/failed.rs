//! Attempts that failed: what was tried, on which path, with which error, and how often.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user_str};
use glasshouse_common::{
    Family, FileFailedRecord, flags, kind,
    limits::{ACCESS_INTERVAL_NS, PATH_BYTES},
    operation,
    syscall::{FileCall, NO_ARGUMENT},
};

use super::{
    file::{argument, find_base, nth_path, send_argument, send_base},
    name::hash_bytes,
};
use crate::{
    emit::send,
    entries, fds,
    file::{self, Found},
    layout::{Kernel, offset, opaque, zero},
    maps::Scratch,
    path::{PathRef, mix},
    task,
    text::{self, Owner},
    totals,
};

/// A call that takes a path, or that changes a file by its descriptor, failed. It is told by itself, which spares an entry in a
/// large map; only when it is made again, or could not be told, equal attempts are counted in one entry.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn failed(scratch: *mut Scratch) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let noted = &raw const (*scratch).call;
    let (start, tgid, word) = ((*noted).start, (*noted).tgid, FileCall((*noted).word));
    let (result, call) = ((*noted).result, (*noted).call);
    let found = &raw mut (*scratch).file;
    let mut hash = zero();
    (*found).length = 0;
    if word.argument(FileCall::PATH) == NO_ARGUMENT {
        // By descriptor: the file itself.
        let operation = word.operation();
        let shift = if operation == operation::TRANSFER { FileCall::SECOND } else { FileCall::FD };
        let file = fds::of_descriptor(scratch, argument(found, word, shift) as u32);
        if file.0 == 0 || operation::is_of_content(operation) && !has_content(file, result == -EIO) {
            return 0;
        }
        (*found).base = PathRef::at(file.member(offset!(file_path)));
        hash = identity((*found).base, 1);
    } else {
        if word.argument(FileCall::NEW_PATH) != NO_ARGUMENT {
            hash = hash_path(scratch, word.0, 1);
        }
        hash = mix(hash, hash_path(scratch, word.0, 0));
    }
    let errno = -result as u32;
    let what = word.operation() << 16 | errno & 0xffff;
    let now = task::now();
    // What one call tried is not counted as another's.
    let key = entries::begin_failure(found, start, tgid, mix(hash, call), what, now);
    // Most are made once. What is too long for a path is told each time, for its end is not known.
    let is_known = (*found).length < u64::from(PATH_BYTES) && entries::was_told(key);
    let entry = if is_known { entries::find_or_make(key) } else { None };
    let Some(entry) = entry else {
        let new = &raw mut (*found).new;
        entries::count_one(new, now);
        let lost = announce_failure(scratch, 0, word.0, errno, call);
        entries::clear_totals(new);
        if lost != 0 {
            count_untold(key, now, lost as u32);
        }
        return 0;
    };
    totals::count_failure(entry, now);
    if (*entry).seen == 0 {
        let new = &raw mut (*found).new;
        entries::take_first(entry, new);
        let lost = announce_failure(scratch, key, word.0, errno, call);
        entries::clear_totals(new);
        totals::sent(entry, lost as u64, now);
    } else if now > (*entry).sent_at + ACCESS_INTERVAL_NS {
        file::send_totals(scratch, key, now);
    }
    0
}

/// `EIO` of `asm-generic/errno-base.h`.
const EIO: i64 = 5;
/// Types of files (as `S_IFMT` of `linux/stat.h` has them, by 12 bits to the right) that have content, which pipes, sockets and
/// what has no type only pass on: devices of either kind, directories, regular files.
const HAVE_CONTENT: u64 = 1 << 2 | 1 << 6 | 1 << 4 | 1 << 8;

/// Whether a file is one of these. A terminal that was hung up gives EIO, where there is nothing more.
#[inline(always)]
pub(super) unsafe fn has_content(file: Kernel, is_io: bool) -> bool {
    let mode: u16 = file.follow(offset!(file_inode)).read(offset!(inode_mode));
    let types = HAVE_CONTENT & !(u64::from(is_io) << 2);
    opaque(types >> (mode >> 12)) & 1 != 0
}

/// Reads a path argument, the first or the second, to where texts lie aside. Returns a hash of it and of what it is relative
/// to, which is in the scratch memory then, with the path's length and first byte.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn hash_path(scratch: *mut Scratch, word: u64, second: u32) -> u64 {
    if scratch.is_null() {
        return 0;
    }
    let found = &raw mut (*scratch).file;
    let word = nth_path(word, second);
    let own = text::aside(&raw mut (*scratch).text);
    *own = 0;
    let name = argument(found, word, FileCall::PATH);
    let taken = bpf_probe_read_user_str(own.cast(), PATH_BYTES, name as *const _) as u64;
    let hash = hash_bytes(scratch, taken);
    let first = find_base(scratch, word, *own);
    (*found).first = u64::from(first);
    // What went wrong has no length.
    (*found).length = if taken > u64::from(PATH_BYTES) { 0 } else { taken };
    mix(hash, identity((*found).base, u64::from(first != u32::from(b'/'))))
}

/// What tells a directory or a file from another that the same dentry was, or will be; with `by_name` 1 also from itself
/// once anything was renamed.
#[inline(always)]
unsafe fn identity(path: PathRef, by_name: u64) -> u64 {
    let dentry = Kernel(path.dentry);
    let inode: u64 = dentry.follow(offset!(dentry_inode)).read(offset!(inode_ino));
    mix(mix(inode, dentry.read(offset!(dentry_name_hash))), file::moves() * by_name)
}

/// Counts an attempt that found no room when it was to be told: in an entry, of which there is a record later.
#[inline(always)]
unsafe fn count_untold(key: u64, now: u64, lost: u32) {
    let Some(entry) = entries::find_or_make(key) else {
        entries::note_full();
        return;
    };
    totals::count_failure(entry, now);
    totals::not_sent(entry, lost);
}

/// Whether the path argument that was read last can follow the record. One that had to be cut is sent apart, for that is
/// said of texts only.
#[inline(always)]
unsafe fn is_whole(found: *const Found) -> bool {
    (*found).length > 1 && (*found).length < u64::from(PATH_BYTES)
}

/// Sends the first record of attempts that fail alike, which are in the scratch memory, with their paths. The key is 0 of one
/// by itself. Returns how many of its records found no room.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn announce_failure(
    scratch: *mut Scratch,
    key: u64,
    word: u64,
    errno: u32,
    call: u64,
) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let entry = &raw const (*scratch).file.new;
    let word = FileCall(word);
    let (text, found) = (&raw mut (*scratch).text, &raw const (*scratch).file);
    let lost = (*text).lost;
    (*text).owner =
        Owner { at: (*entry).sent_at, start: (*entry).start, tgid: (*entry).tgid, tid: file::tid() };
    let mut bits = flags::CHANGE_BASE | flags::CHANGE_RESOLVED;
    if word.argument(FileCall::PATH) == NO_ARGUMENT {
        text::path(scratch, kind::TEXT_BASE, (*scratch).file.base);
        // It may have waited for long.
        let may_be_another = (*found).shared & u64::from(operation::is_of_content(word.operation()));
        bits |= may_be_another as u32 * flags::FAILED_RACED;
    } else if word.argument(FileCall::NEW_PATH) == NO_ARGUMENT && is_whole(found) {
        bits = send_base(scratch, (*found).base, (*found).first as u32, 0) | flags::CHANGE_FOLLOWS;
    } else {
        bits = send_argument(scratch, word.0, 0) as u32;
    }
    if word.argument(FileCall::NEW_PATH) != NO_ARGUMENT {
        bits |= send_argument(scratch, word.0, 1) as u32;
    }
    bits |= (argument(found, word, FileCall::FLAGS) as u32) << flags::CALL_FLAGS;
    let record = (&raw mut (*text).bytes).cast::<FileFailedRecord>();
    let owner = &raw const (*text).owner;
    let size = size_of::<FileFailedRecord>() as u32;
    (*record).header =
        task::header((*owner).at, (*owner).start, (*owner).tgid, (*owner).tid, kind::FILE_FAILED, size);
    (*record).access = key;
    totals::copy_totals(entry, &raw mut (*record).totals);
    (*record).operation = word.operation();
    (*record).errno = errno;
    (*record).flags = bits;
    (*record).call = call as u32;
    (*record).abi = (call >> 32) as u32;
    (*record).length = 0;
    let mut size = u64::from(size);
    if bits & flags::CHANGE_FOLLOWS != 0 {
        // As it was read when it was hashed, without its NUL.
        let length = opaque((*found).length.wrapping_sub(1)) & 0xfff;
        let to = (&raw mut (*text).bytes).cast::<u8>().add(size_of::<FileFailedRecord>());
        bpf_probe_read_kernel(to.cast(), length as u32, text::aside(text).cast());
        (*record).length = length as u32;
        size += length;
        (*record).header.size = size as u32;
    }
    send(scratch, Family::Files, size);
    ((*text).lost - lost) as i32
}
