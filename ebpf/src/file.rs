//! What processes do with files: one entry per process and file, under the path that it was opened by. Uses are counted
//! in the entry; a record goes out when the file is first seen, with its path, and then at most every
//! [`ACCESS_INTERVAL_NS`], always with the totals: one that is lost changes nothing, and what is not sent by the end of
//! the process is sent then.
//!
//! Entries are found by a hash of what identifies them, and hold it, so that a collision is noticed. Those of a process
//! form a list, by which its end finds them.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::generated::{bpf_get_current_pid_tgid, bpf_loop, bpf_probe_read_kernel},
};
use glasshouse_common::{
    AccessTotals, Family, FileRecord, FileTotalsRecord, flags, kind,
    limits::{ACCESS_ENTRIES, ACCESS_INTERVAL_NS, INHERITED_FDS, PATH_BYTES},
    operation,
    state::{Access, Process},
};

use crate::{
    atomic::{add, add_u32, exchange, exchange_u32, increment},
    emit::{counters, files_dropped, send},
    layout::{Kernel, constant, offset, opaque},
    maps::{ACCESSES, FILE, MOVES, TEXT, WALK},
    path::{self, PathRef, mix},
    scope, task,
    text::{self, Owner},
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
pub(crate) struct Scratch {
    /// An entry that is being made.
    pub(crate) new: Access,
    /// Address of the name that was asked for, in the memory of the task that runs.
    pub(crate) asked: u64,
    /// Of failed attempts: hash of the argument so far, address of the next word, bytes that are left.
    pub(crate) hash: u64,
    pub(crate) at: u64,
    pub(crate) left: u64,
}

/// The open file of a descriptor of the task that runs; null if there is none. Read through the helper: for each load
/// of a pointer whose type it knows the verifier looks through all types of the kernel, milliseconds each.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn file_of(fd: u32) -> u64 {
    let table = task::current_address().follow(offset!(task_files)).follow(offset!(files_fdt));
    if fd >= table.read::<u32>(offset!(fdt_max_fds)) {
        return 0;
    }
    let array = table.follow(offset!(fdt_fd));
    Kernel(array.0 + u64::from(fd) * 8).follow(0).0
}

/// See [`file_of`].
#[inline(always)]
pub(crate) unsafe fn of_descriptor(fd: u32) -> Kernel {
    Kernel(file_of(fd))
}

/// Whether other tasks can exchange the descriptors of the task that runs.
#[inline(always)]
pub(crate) unsafe fn descriptors_are_shared() -> bool {
    task::current_address().follow(offset!(task_files)).read::<u32>(offset!(files_count)) > 1
}

/// Renames and mounts so far.
#[inline(always)]
unsafe fn moves() -> u64 {
    MOVES.get_ptr(0).map_or(0, |moves| core::ptr::read_volatile(moves))
}

/// Notes that paths may have changed.
#[inline(always)]
pub(crate) unsafe fn note_move() {
    if let Some(moves) = MOVES.get_ptr_mut(0) {
        increment(moves);
    }
}

/// A use by the task that runs, of a descriptor.
#[inline(always)]
pub(crate) unsafe fn use_descriptor(start: u64, tgid: u32, fd: u32, operation: u32, amount: u64) -> u64 {
    let file = of_descriptor(fd);
    if file.0 == 0 {
        return 0;
    }
    use_file(start, tgid, file, operation, amount, 0)
}

/// A use of an open file. `asked` is not 0 if it bears another name than the one asked for, whose address is in the
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

/// What identifies an entry.
#[derive(Clone, Copy)]
struct Identity {
    start: u64,
    tgid: u32,
    path: PathRef,
    inode: u64,
}

impl Identity {
    #[inline(always)]
    fn of(start: u64, tgid: u32, file: Kernel, asked: u64) -> Self {
        let inode: u64 = file.follow(offset!(file_inode)).read(offset!(inode_ino));
        Self { start, tgid, path: PathRef::at(file.member(offset!(file_path))), inode: inode ^ asked }
    }

    #[inline(always)]
    fn key(self) -> u64 {
        let mut key = mix(constant!(SEED) ^ self.start, u64::from(self.tgid));
        key = mix(key, self.path.dentry);
        key = mix(key, self.path.mnt);
        not_zero(mix(key, self.inode))
    }

    #[inline(always)]
    unsafe fn is_of(self, entry: *const Access) -> bool {
        (*entry).start == self.start
            && (*entry).tgid == self.tgid
            && (*entry).dentry == self.path.dentry
            && (*entry).mnt == self.path.mnt
            && (*entry).inode == self.inode
    }
}

#[inline(always)]
fn not_zero(key: u64) -> u64 {
    if key == 0 { 1 } else { key }
}

/// A global function: the verifier looks at it once, and not at every call.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn touch(start: u64, process: u64, file: u64, amount: u64, asked: u64) -> u64 {
    let operation = (process >> 32) as u32;
    let identity = Identity::of(start, process as u32, Kernel(file), asked);
    let mut key = identity.key();
    let Some(base) = ACCESSES.get_ptr_mut(&key) else { return settle(start, process, file, amount, asked) };
    if !identity.is_of(base) {
        return settle(start, process, file, amount, asked);
    }
    if operation == operation::OPEN {
        let name_hash: u64 = Kernel(identity.path.dentry).read(offset!(dentry_name_hash));
        if (*base).name_hash != name_hash || (*base).moves != moves() {
            return settle(start, process, file, amount, asked);
        }
    }
    let mut entry = base;
    if (*base).moved_to != 0 {
        key = (*base).moved_to;
        entry = match ACCESSES.get_ptr_mut(&key) {
            Some(entry) => entry,
            None => return settle(start, process, file, amount, asked),
        };
    }
    if (*entry).seen == 0 {
        return settle(start, process, file, amount, asked);
    }
    let now = task::now();
    count(entry, operation, amount, now);
    if now - (*entry).sent_at > ACCESS_INTERVAL_NS {
        send_totals(key, now);
    }
    key
}

/// Adds a use to the totals.
#[inline(always)]
unsafe fn count(entry: *mut Access, operation: u32, amount: u64, now: u64) {
    let totals = &raw mut (*entry).totals;
    match operation {
        operation::READ => {
            increment(&raw mut (*totals).reads);
            add(&raw mut (*totals).bytes_read, amount);
        }
        operation::WRITE => {
            increment(&raw mut (*totals).writes);
            add(&raw mut (*totals).bytes_written, amount);
        }
        operation::OPEN => {
            increment(&raw mut (*totals).opens);
            if amount & CREATED != 0 {
                increment(&raw mut (*totals).creates);
            }
            if amount & TRUNCATED != 0 {
                increment(&raw mut (*totals).truncates);
            }
        }
        operation::TRUNCATE => increment(&raw mut (*totals).truncates),
        operation::READ_DIRECTORY => increment(&raw mut (*totals).directory_reads),
        operation::MAP_EXECUTABLE => increment(&raw mut (*totals).executable_maps),
        operation::MAP_WRITABLE => increment(&raw mut (*totals).writable_maps),
        _ => return,
    }
    (*totals).last_at = now;
    core::ptr::write_volatile(&raw mut (*entry).dirty, 1);
}

/// Copies the totals into a record. A plain assignment becomes a loop over bytes.
#[inline(always)]
pub(crate) unsafe fn copy_totals(entry: *const Access, to: *mut AccessTotals) {
    let from = &raw const (*entry).totals;
    bpf_probe_read_kernel(to.cast(), size_of::<AccessTotals>() as u32, from.cast());
}

/// Adds a failed attempt.
#[inline(always)]
pub(crate) unsafe fn count_failure(entry: *mut Access, now: u64) {
    increment(&raw mut (*entry).totals.failures);
    (*entry).totals.last_at = now;
    core::ptr::write_volatile(&raw mut (*entry).dirty, 1);
}

/// What takes longer: the file is new to the process, or may be so under its present path, or could not be announced
/// before.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn settle(start: u64, process: u64, file: u64, amount: u64, asked: u64) -> u64 {
    let (Some(walk), Some(scratch)) = (WALK.get_ptr_mut(0), FILE.get_ptr_mut(0)) else { return 0 };
    let operation = (process >> 32) as u32;
    let tgid = process as u32;
    let file = Kernel(file);
    let identity = Identity::of(start, tgid, file, asked);
    let now = task::now();
    let moves = moves();
    let root = PathRef::at(task::current_address().follow(offset!(task_fs)).member(offset!(fs_root)));
    path::walk(identity.path.mnt, identity.path.dentry, root.mnt, root.dentry);
    let place = (*walk).place;

    let mut key = identity.key();
    let new = &raw mut (*scratch).new;
    begin(new, identity, now);
    (*new).name_hash = Kernel(identity.path.dentry).read(offset!(dentry_name_hash));
    (*new).place = place;
    (*new).moves = moves;
    (*new).device = file.follow(offset!(file_inode)).follow(offset!(inode_sb)).read(offset!(sb_dev));
    let Some(base) = find_or_make(key, new) else { return 0 };
    if !identity.is_of(base) {
        note_full();
        return 0;
    }
    let mut entry = base;
    if (*base).place == place {
        (*base).moved_to = 0;
    } else {
        key = not_zero(mix(key, place));
        entry = match find_or_make(key, new) {
            Some(entry) => entry,
            None => return 0,
        };
        (*base).moved_to = key;
    }
    (*base).name_hash = (*new).name_hash;
    (*base).moves = moves;
    count(entry, operation, amount, now);
    if (*entry).seen == 0 {
        let origin = match operation {
            operation::OPEN => flags::ORIGIN_OPENED,
            INHERITED => flags::ORIGIN_INHERITED,
            _ => flags::ORIGIN_RECEIVED,
        };
        announce(key, file.0, origin, asked);
    }
    key
}

/// The key of attempts that fail alike.
#[inline(always)]
pub(crate) fn failure_key(start: u64, tgid: u32, base: PathRef, hash: u64, what: u32) -> u64 {
    not_zero(mix(Identity { start, tgid, path: base, inode: hash }.key(), u64::from(what)))
}

/// Fills in an entry of attempts that fail alike.
#[inline(always)]
pub(crate) unsafe fn begin_failure(
    new: *mut Access,
    start: u64,
    tgid: u32,
    base: PathRef,
    hash: u64,
    what: u32,
    now: u64,
) {
    begin(new, Identity { start, tgid, path: base, inode: hash }, now);
    (*new).failed = what;
}

/// Begins an entry. Its totals are never anything but 0 here.
#[inline(always)]
unsafe fn begin(new: *mut Access, identity: Identity, now: u64) {
    (*new).start = identity.start;
    (*new).dentry = identity.path.dentry;
    (*new).mnt = identity.path.mnt;
    (*new).inode = identity.inode;
    (*new).name_hash = 0;
    (*new).place = 0;
    (*new).moves = 0;
    (*new).sent_at = now;
    (*new).first_at = now;
    (*new).tgid = identity.tgid;
    (*new).device = 0;
    (*new).failed = 0;
}

/// The entry, made like `new` if there is none.
#[inline(always)]
pub(crate) unsafe fn find_or_make(key: u64, new: *const Access) -> Option<*mut Access> {
    if let Some(entry) = ACCESSES.get_ptr_mut(&key) {
        return Some(entry);
    }
    let made = ACCESSES.insert(&key, &*new, u64::from(BPF_NOEXIST)).is_ok();
    let entry = ACCESSES.get_ptr_mut(&key);
    match entry {
        // Of two threads one has made it, and that one puts it into the list.
        Some(entry) if made => {
            if let Some(process) = scope::find((*new).tgid) {
                (*entry).next = exchange(&raw mut (*process).accesses, key);
            }
        }
        Some(_) => {}
        None => note_full(),
    }
    entry
}

#[inline(always)]
unsafe fn note_full() {
    if let Some(counters) = counters() {
        (*counters).access_full += 1;
    }
}

/// The thread that runs.
#[inline(always)]
pub(crate) fn tid() -> u32 {
    unsafe { bpf_get_current_pid_tgid() as u32 }
}

/// Notes how many of the records that an entry has just sent found no room.
#[inline(always)]
pub(crate) unsafe fn sent(entry: *mut Access, dropped: u64, now: u64) {
    if dropped == 0 {
        (*entry).sent_at = now;
        let dropped = exchange_u32(&raw mut (*entry).dropped, 0);
        if let Some(counters) = counters() {
            (*counters).files_recovered += u64::from(dropped);
        }
    } else {
        core::ptr::write_volatile(&raw mut (*entry).dirty, 1);
        add_u32(&raw mut (*entry).dropped, dropped as u32);
    }
}

/// Sends the path that was just walked, with what the kernel says of the file.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn announce(key: u64, file: u64, origin: u32, asked: u64) -> i32 {
    let (Some(walk), Some(scratch)) = (WALK.get_ptr_mut(0), FILE.get_ptr_mut(0)) else { return 0 };
    let (Some(entry), Some(text)) = (ACCESSES.get_ptr_mut(&key), TEXT.get_ptr_mut(0)) else { return 0 };
    let file = Kernel(file);
    let (start, tgid, tid, at) = ((*entry).start, (*entry).tgid, tid(), (*entry).first_at);
    let dropped = files_dropped();
    if asked != 0 {
        text::set_owner(Owner { at, start, tgid, tid });
        text::user_string(kind::TEXT_ARGUMENT, (*scratch).asked);
    }
    let length = opaque((*walk).length);
    if length > u64::from(PATH_BYTES) + 255 {
        return 0;
    }
    let record = (&raw mut (*text).bytes).cast::<FileRecord>();
    let size = length + size_of::<FileRecord>() as u64;
    core::ptr::write_volatile(&raw mut (*entry).dirty, 0);
    (*record).header = task::header(at, start, tgid, tid, kind::FILE, size as u32);
    (*record).access = key;
    path::file_facts(file, core::mem::offset_of!(FileRecord, facts));
    copy_totals(entry, &raw mut (*record).totals);
    (*record).magic = file.follow(offset!(file_inode)).follow(offset!(inode_sb)).read(offset!(sb_magic));
    (*record).open_flags = file.read(offset!(file_flags));
    (*record).origin = origin;
    (*record).flags = if asked == 0 { 0 } else { flags::FILE_RACED };
    (*record).path_flags = (*walk).flags;
    (*record).length = length as u32;
    (*record).total = (*walk).total as u32;
    (*record).in_root = (*walk).in_root;
    (*record).reserved = 0;
    let path = (&raw mut (*text).bytes).cast::<u8>().add(size_of::<FileRecord>());
    bpf_probe_read_kernel(path.cast(), length as u32, (&raw const (*walk).bytes).cast());
    send(Family::Files, size);
    let dropped = files_dropped() - dropped;
    if dropped == 0 {
        (*entry).seen = 1;
    }
    sent(entry, dropped, task::now());
    0
}

/// Sends an entry's totals. Returns whether there was room.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn send_totals(key: u64, now: u64) -> i32 {
    let (Some(entry), Some(text)) = (ACCESSES.get_ptr_mut(&key), TEXT.get_ptr_mut(0)) else { return 1 };
    let record = (&raw mut (*text).bytes).cast::<FileTotalsRecord>();
    let size = size_of::<FileTotalsRecord>() as u32;
    (*record).header = task::header(now, (*entry).start, (*entry).tgid, tid(), kind::FILE_TOTALS, size);
    (*record).access = key;
    // What is added from here on makes it dirty again.
    core::ptr::write_volatile(&raw mut (*entry).dirty, 0);
    copy_totals(entry, &raw mut (*record).totals);
    let is_sent = send(Family::Files, u64::from(size));
    sent(entry, u64::from(!is_sent), now);
    i32::from(is_sent)
}

/// Sends what has not been sent of the entries of a process that has ended, and removes them. One that finds no room
/// stays, for the sweep at the end of observation.
#[inline(always)]
pub(crate) unsafe fn end_process(process: *const Process) {
    let Some(walk) = WALK.get_ptr_mut(0) else { return };
    (*walk).cursor = (*process).accesses;
    if (*walk).cursor != 0 {
        (*walk).found = task::now();
        bpf_loop(ACCESS_ENTRIES, end_entry as *mut c_void, core::ptr::null_mut(), 0);
    }
}

unsafe extern "C" fn end_entry(_index: u32, _context: *mut c_void) -> i64 {
    let Some(walk) = WALK.get_ptr_mut(0) else { return 1 };
    let key = (*walk).cursor;
    let Some(entry) = ACCESSES.get_ptr_mut(&key) else { return 1 };
    (*walk).cursor = (*entry).next;
    if (*entry).seen != 0 && ((*entry).dirty == 0 || send_totals(key, (*walk).found) != 0) {
        let _ = ACCESSES.remove(&key);
    }
    i64::from((*walk).cursor == 0)
}

/// Announces the files that the root has open when observation starts.
#[inline(always)]
pub(crate) unsafe fn announce_inherited(start: u64, tgid: u32) {
    text::set_owner(Owner { at: 0, start, tgid, tid: 0 });
    bpf_loop(INHERITED_FDS, announce_fd as *mut c_void, core::ptr::null_mut(), 0);
}

unsafe extern "C" fn announce_fd(index: u32, _context: *mut c_void) -> i64 {
    let Some(text) = TEXT.get_ptr_mut(0) else { return 1 };
    let owner = (*text).owner;
    use_descriptor(owner.start, owner.tgid, index, INHERITED, 0);
    0
}
