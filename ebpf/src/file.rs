//! What processes do with files: one entry per process and file, under the path that it was opened by. Uses are counted
//! in the entry; a record goes out when the file is first seen, with its path, and then at most every
//! [`ACCESS_INTERVAL_NS`], always with the totals: one that is lost changes nothing, and what is not sent by the end of
//! the process is sent then.

use core::mem::offset_of;

use aya_ebpf::helpers::generated::{bpf_get_current_pid_tgid, bpf_probe_read_kernel};
use glasshouse_common::{
    Family, FileRecord, FileTotalsRecord, flags, kind,
    limits::{ACCESS_INTERVAL_NS, PATH_BYTES},
    operation,
    state::Access,
};

use crate::{
    atomic::increment,
    emit::send,
    entries::{begin, clear_totals, is_same, key_of, make_entry, not_zero},
    fds,
    layout::{Block, Kernel, Words, offset, opaque},
    maps::{ACCESSES, COUNTERS, MOVED, MOVES, Scratch, scratch},
    path::{self, PathRef, mix},
    socket, task,
    text::{self, Owner},
    totals::{copy_totals, count, sent},
};

/// Operation of a use that counts nothing: the file is to be known.
pub(crate) const NOTHING: u32 = 0;
/// The same, when observation starts.
pub(crate) const INHERITED: u32 = 0xff;
/// Bits of an open's amount.
pub(crate) const CREATED: u64 = 1;
/// The file was cut to nothing.
pub(crate) const TRUNCATED: u64 = 2;

/// What is being found out about a call. Too large for the stack.
#[repr(C)]
pub(crate) struct Found {
    /// What identifies an entry, and an entry that is being made.
    pub(crate) new: Access,
    /// Arguments of the call, by their numbers. Those that no call has are 0.
    pub(crate) arguments: [u64; 16],
    /// Address of the name that was asked for, in the memory of the task that runs.
    pub(crate) asked: u64,
    /// The directory that a path is relative to.
    pub(crate) base: PathRef,
    /// Of texts that are hashed or compared: the hash, or whether they differ; where it goes on, bytes that are left.
    pub(crate) hash: u64,
    pub(crate) at: u64,
    pub(crate) left: u64,
    /// Of a path argument that was read: its bytes with its NUL, its first byte.
    pub(crate) length: u64,
    pub(crate) first: u64,
    /// The registers of the call.
    pub(crate) regs: [u64; 21],
    /// Of the inode that facts are told of, what is needed of it on the kernels seen.
    pub(crate) inode: [u64; 24],
    /// Its superblock.
    pub(crate) superblock: u64,
    /// `f_flags` of the file that was identified last.
    open_flags: u64,
    /// Whether other tasks can exchange the descriptors of the task that runs.
    pub(crate) shared: u64,
    /// How many descriptors its table has room for.
    pub(crate) descriptors: u32,
    /// There is no room for the entry that is being made.
    is_single: u64,
    /// Whether the file that was identified is a socket.
    is_socket: u64,
    /// Of an address that was read: what makes its socket, see `probes::network`. Of a file that is a socket, for the program
    /// for sockets: the protocol's part of it, the process and the operation by which it was used, and the amount.
    pub(crate) socket: u64,
    pub(crate) used_by: u64,
    pub(crate) used_amount: u64,
    /// When the path of a unix socket was sent that is about to be told of; 0 if none was.
    pub(crate) path_at: u64,
    /// Bytes of the address, which lies aside, that one is about to be told to have sent to; 0 if it is told by its own name.
    pub(crate) sent_to: u64,
}

/// Words of `struct inode` up to its number, on the kernels seen.
const INODE_WORDS: usize = 10;
/// Words of `struct file` up to its path, on the kernels seen.
const FILE_WORDS: usize = 12;

/// Notes that paths may have changed.
#[inline(always)]
pub(crate) unsafe fn note_move() {
    increment(&raw mut MOVES);
}

/// A use by the task that runs, of a descriptor.
#[inline(always)]
pub(crate) unsafe fn use_descriptor(
    scratch: *mut Scratch,
    start: u64,
    tgid: u32,
    fd: u32,
    operation: u32,
    amount: u64,
) -> u64 {
    let file = fds::of_descriptor(scratch, fd);
    if file.0 == 0 {
        return 0;
    }
    use_file(start, tgid, file, operation, amount, 0)
}

/// What [`use_known`] returns of a socket of which there is more to find out.
pub(crate) const IS_SOCKET: i32 = 2;

/// A read or a write of a descriptor by the task that runs: counted, and 1 returned, if its file is known already.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn use_known(
    start: u64,
    tgid: u32,
    fd: u32,
    operation: u32,
    amount: u64,
) -> i32 {
    let Some(scratch) = scratch() else { return 0 };
    let file = fds::of_descriptor(scratch, fd);
    if file.0 == 0 {
        return 1;
    }
    let mut key = identify(scratch, start, tgid, file.0, 0);
    if (*scratch).file.is_socket != 0 {
        return if socket::known(start, tgid, socket::of_file(file).0).is_some() { 1 } else { IS_SOCKET };
    }
    let Some(entry) = known(scratch, &mut key, file.0, operation) else { return 0 };
    count_known(scratch, entry, key, operation, amount, task::now());
    1
}

/// Counts a use of a file that was told before, and tells of it if that is due.
#[inline(always)]
unsafe fn count_known(
    scratch: *mut Scratch,
    entry: *mut Access,
    key: u64,
    operation: u32,
    amount: u64,
    now: u64,
) {
    count(entry, operation, amount, now);
    if now > (*entry).sent_at + ACCESS_INTERVAL_NS {
        send_totals(scratch, key, now);
    }
}

/// A use of an open file, if it is no socket; if it is, that is noted. `asked` is not 0 if it bears another name than the one asked for, whose address is in the
/// scratch memory then. Returns the entry's key; 0 if there is none.
#[inline(always)]
pub(crate) unsafe fn use_file(
    start: u64,
    tgid: u32,
    file: Kernel,
    operation: u32,
    amount: u64,
    asked: u64,
) -> u64 {
    touch(start, u64::from(tgid) | u64::from(operation) << 32, file.0, amount, asked)
}

/// Puts what identifies the entry of a file into the scratch memory. Returns its key.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn identify(scratch: *mut Scratch, start: u64, tgid: u32, file: u64, asked: u64) -> u64 {
    if scratch.is_null() {
        return 0;
    }
    let new = &raw mut (*scratch).file.new;
    let mut words = Words::<FILE_WORDS>::uninit();
    let file = Block::read(Kernel(file), words.as_mut_ptr());
    let words = (&raw mut (*scratch).file.inode).cast::<[u64; INODE_WORDS]>();
    let inode = Block::read(Kernel(file.get_or_read(offset!(file_inode))), words);
    (*scratch).file.is_socket = u64::from(socket::is_mode(inode.get(offset!(inode_mode))));
    let inode: u64 = inode.get(offset!(inode_ino));
    (*new).start = start;
    (*new).tgid = tgid;
    (*new).dentry = file.get_or_read(offset!(file_path) + offset!(path_dentry));
    (*new).mnt = file.get_or_read(offset!(file_path) + offset!(path_mnt));
    (*new).inode = inode ^ asked;
    (*scratch).file.open_flags = u64::from(file.get_or_read::<u32>(offset!(file_flags)));
    key_of(new)
}

/// A global function: the verifier looks at it once, and not at every call.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn touch(start: u64, process: u64, file: u64, amount: u64, asked: u64) -> u64 {
    let operation = (process >> 32) as u32;
    let Some(scratch) = scratch() else { return 0 };
    let mut key = identify(scratch, start, process as u32, file, asked);
    let found = &raw mut (*scratch).file;
    if (*found).is_socket != 0 {
        (*found).socket = socket::of_file(Kernel(file)).0;
        (*found).used_by = process;
        (*found).used_amount = amount;
        return 0;
    }
    let now = task::now();
    let Some(entry) = known(scratch, &mut key, file, operation) else {
        key = settle(scratch, file, u32::from(operation == operation::OPEN), now);
        if key != 0 {
            use_settled(key, file, operation, amount, asked);
        }
        return key;
    };
    count_known(scratch, entry, key, operation, amount, now);
    key
}

/// Renames and mounts so far.
#[inline(always)]
pub(crate) unsafe fn moves() -> u64 {
    core::ptr::read_volatile(&raw const MOVES)
}

/// The entry of what was just identified, and its key, unless there is more to find out.
#[inline(always)]
unsafe fn known(scratch: *mut Scratch, key: &mut u64, file: u64, operation: u32) -> Option<*mut Access> {
    let new = &raw const (*scratch).file.new;
    let base = ACCESSES.get_ptr_mut(&*key)?;
    if !is_same(base, new) {
        return None;
    }
    if operation == operation::OPEN {
        let name_hash: u64 = Kernel((*new).dentry).read(offset!(dentry_name_hash));
        if (*base).name_hash != name_hash || (*base).moves != moves() as u32 {
            return None;
        }
    }
    let mut entry = base;
    if (*base).moved_to != 0 {
        // What was opened before belongs to the path that it was opened under.
        if operation == operation::OPEN {
            *key = (*base).moved_to;
            note_moved(file, *key);
        } else if let Some(known) = MOVED.get_ptr(&file) {
            *key = *known;
        }
        entry = ACCESSES.get_ptr_mut(&*key)?;
    }
    if (*entry).seen == 0 { None } else { Some(entry) }
}

/// Notes which entry an open file belongs to, once there are several of its dentry.
#[inline(always)]
unsafe fn note_moved(file: u64, key: u64) {
    // On the stack: a constant would lie among those that user space fills in.
    let (file, key) = (opaque(file), opaque(key));
    let _ = MOVED.insert(&file, &key, 0);
}

/// What takes longer: the file that was just identified is new to the process, or may be so under its present path, or
/// could not be announced before. Returns the key of its entry; 0 if there is none. Its path has been walked then, and the
/// time is in the scratch memory.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn settle(scratch: *mut Scratch, file: u64, is_open: u32, now: u64) -> u64 {
    if scratch.is_null() {
        return 0;
    }
    let new = &raw mut (*scratch).file.new;
    let mut key = key_of(new);
    let moves = moves() as u32;
    path::walk(scratch, PathRef { mnt: (*new).mnt, dentry: (*new).dentry });
    let place = (*scratch).walk.place;
    (*scratch).file.is_single = 0;
    begin(new, now);
    (*new).name_hash = (*scratch).walk.name_hash;
    (*new).place = place;
    (*new).moves = moves;
    // Nearly always it is new: without looking for it again.
    if make_entry(key) != 0 {
        return key;
    }
    let base = match ACCESSES.get_ptr_mut(&key) {
        Some(base) if is_same(base, new) => base,
        _ => return single(scratch, key, now),
    };
    if (*base).place != place {
        key = not_zero(mix(key, place));
        if make_entry(key) == 0 && ACCESSES.get_ptr(&key).is_none() {
            return single(scratch, key, now);
        }
        (*base).moved_to = key;
    } else if (*base).moved_to != 0 {
        (*base).moved_to = key;
    }
    if is_open != 0 && (*base).moved_to != 0 {
        note_moved(file, key);
    }
    (*base).name_hash = (*new).name_hash;
    (*base).moves = moves;
    key
}

/// There is no room for an entry: each use is one by itself then, and told. Returns a number that no other has.
#[inline(always)]
unsafe fn single(scratch: *mut Scratch, key: u64, now: u64) -> u64 {
    increment(&raw mut COUNTERS.accesses_single);
    (*scratch).file.is_single = 1;
    not_zero(mix(mix(key, now), u64::from(tid())))
}

/// The thread that runs.
#[inline(always)]
pub(crate) fn tid() -> u32 {
    unsafe { bpf_get_current_pid_tgid() as u32 }
}

/// Counts a use of a file that has just been settled, and sends the path that was walked, with what the kernel says of the
/// file.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn use_settled(key: u64, file: u64, operation: u32, amount: u64, asked: u64) -> i32 {
    let Some(scratch) = scratch() else { return 0 };
    let is_single = (*scratch).file.is_single != 0;
    let found = if is_single { Some(&raw mut (*scratch).file.new) } else { ACCESSES.get_ptr_mut(&key) };
    let Some(entry) = found else { return 0 };
    let now = (*scratch).file.new.sent_at;
    count(entry, operation, amount, now);
    if (*entry).seen != 0 {
        if now > (*entry).sent_at + ACCESS_INTERVAL_NS {
            send_totals(scratch, key, now);
        }
        return 0;
    }
    let (walk, text) = (&raw const (*scratch).walk, &raw mut (*scratch).text);
    let lost = (*text).lost;
    if asked != 0 {
        (*text).owner =
            Owner { at: (*entry).sent_at, start: (*entry).start, tgid: (*entry).tgid, tid: tid() };
        text::user_string(scratch, kind::TEXT_ARGUMENT, (*scratch).file.asked);
    }
    let length = opaque((*walk).length);
    if length > u64::from(PATH_BYTES) + 255 {
        return 0;
    }
    let record = (&raw mut (*text).bytes).cast::<FileRecord>();
    let size = length + size_of::<FileRecord>() as u64;
    core::ptr::write_volatile(&raw mut (*entry).dirty, 0);
    (*record).header =
        task::header((*entry).sent_at, (*entry).start, (*entry).tgid, tid(), kind::FILE, size as u32);
    (*record).access = key;
    path::file_facts(scratch, Kernel(file), offset_of!(FileRecord, facts));
    copy_totals(entry, &raw mut (*record).totals);
    (*entry).device = (*record).facts.device;
    (*record).magic = Kernel((*scratch).file.superblock).read(offset!(sb_magic));
    (*record).open_flags = (*scratch).file.open_flags as u32;
    (*record).origin = match operation {
        operation::OPEN => flags::ORIGIN_OPENED,
        INHERITED => flags::ORIGIN_INHERITED,
        _ => flags::ORIGIN_RECEIVED,
    };
    (*record).flags = if asked == 0 { 0 } else { flags::FILE_RACED };
    (*record).path_flags = (*walk).flags;
    (*record).length = length as u32;
    (*record).total = (*walk).total as u32;
    (*record).in_root = (*walk).in_root;
    (*record).reserved = 0;
    let path = (&raw mut (*text).bytes).cast::<u8>().add(size_of::<FileRecord>());
    bpf_probe_read_kernel(path.cast(), length as u32, (&raw const (*walk).bytes).cast());
    send(scratch, Family::Files, size);
    if is_single {
        clear_totals(entry);
        (*entry).dirty = 0;
        return 0;
    }
    let lost = (*text).lost - lost;
    sent(entry, lost, now);
    0
}

/// Sends an entry's totals. Returns whether there was room.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn send_totals(scratch: *mut Scratch, key: u64, now: u64) -> i32 {
    if scratch.is_null() {
        return 1;
    }
    let Some(entry) = ACCESSES.get_ptr_mut(&key) else { return 1 };
    let record = (&raw mut (*scratch).text.bytes).cast::<FileTotalsRecord>();
    let size = size_of::<FileTotalsRecord>() as u32;
    (*record).header = task::header(now, (*entry).start, (*entry).tgid, tid(), kind::FILE_TOTALS, size);
    (*record).access = key;
    // What is added from here on makes it dirty again.
    core::ptr::write_volatile(&raw mut (*entry).dirty, 0);
    copy_totals(entry, &raw mut (*record).totals);
    let is_sent = send(scratch, Family::Files, u64::from(size));
    if !is_sent {
        increment(&raw mut COUNTERS.files_late);
    }
    sent(entry, u64::from(!is_sent), now);
    i32::from(is_sent)
}
