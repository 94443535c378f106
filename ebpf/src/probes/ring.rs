//! Requests made through a ring (io_uring): `io_uring_submit_req(request)`, when the kernel has copied a request and
//! its file names and not begun with it, and `io_uring_complete(ring, request, …)`, when its result is known, in the
//! process that made it or a kernel thread of it.
//!
//! Reads and writes are told at their completion, by the file that they worked on. What has a path is told twice: as a
//! request, with the names that are gone by the time it completes, and by its result.

use core::mem::offset_of;

use glasshouse_common::{
    Family, FileChangeRecord, RingRequest, RingResultRecord, flags, kind,
    layout::Offsets,
    limits::RING_OPCODES,
    operation,
    state::{FILES, SOCKETS},
    syscall::ABI_RING,
};

use super::{
    failed::has_content,
    file::{IN_ROOT, RESOLVE_IN_ROOT, base_path, made_by_open, send_base},
    network::{self, EAGAIN, ECANCELED, EINTR},
    probe,
    syscall::{Call, go_on_with},
};
use crate::{
    atomic::increment,
    emit::send,
    fds, file,
    layout::{Kernel, OFFSETS, RING_OPERATIONS, constant, offset, opaque},
    maps::{RING_REQUESTS, RING_UNTOLD, Scratch, scratch},
    path::mix,
    scope, task,
    text::{self, Owner},
};

/// `IOSQE_FIXED_FILE` of `linux/io_uring.h`: the descriptor is a place in the ring's own table.
const FIXED_FILE: u32 = 1 << 0;
/// `IOSQE_CQE_SKIP_SUCCESS` of `linux/io_uring.h`: success gives no completion.
const SKIPS_COMPLETION: u32 = 1 << 6;
/// Of a request that waits: the file goes into the ring's own table, and its descriptor is none of the process's.
const DIRECT: u32 = 1 << 31;

/// What the programs do that go on with requests, as the class of the [`Call`] that they are given: a request that has a
/// path was made.
pub(crate) const SUBMITTED: u32 = 0x100;
/// One that has a path was completed.
pub(crate) const COMPLETED: u32 = 0x101;
/// A file was used.
pub(crate) const USED: u32 = 0x102;
/// One will be, by a descriptor, and nothing more will be known of it.
pub(crate) const SKIPPED: u32 = 0x103;
/// Something was done with a socket.
pub(crate) const ON_SOCKET: u32 = 0x104;

probe!(ring_submit, "io_uring_submit_req", on_submit);
probe!(ring_complete, "io_uring_complete", on_complete);

/// What a kind of request does to files.
#[inline(always)]
unsafe fn operation_of(opcode: u32) -> u32 {
    let opcode = opaque(u64::from(opcode));
    if opcode >= RING_OPCODES as u64 {
        return 0;
    }
    core::ptr::read_volatile((&raw const RING_OPERATIONS).cast::<u32>().add(opcode as usize))
}

/// Counts a request of which no record tells.
#[inline(always)]
unsafe fn note_untold(opcode: u32) {
    if let Some(count) = RING_UNTOLD.get_ptr_mut(opcode) {
        increment(count);
    }
}

#[inline(always)]
unsafe fn on_submit(arguments: *const u64) {
    let tgid: u32 = task::load(task::current(), offset!(task_tgid));
    let Some(process) = scope::find(tgid) else { return };
    let request = if constant!(RING_SUBMIT_ARGUMENT) == 0 { *arguments } else { *arguments.add(1) };
    let request = Kernel(request);
    let opcode = u32::from(request.read_optional::<u8>(offset!(ring_opcode)));
    let skips = request.read_optional::<u32>(offset!(ring_flags)) & SKIPS_COMPLETION != 0;
    let start = (*process).start;
    let (which, word, call) = match operation_of(opcode) {
        operation::OPEN
        | operation::DELETE
        | operation::MKDIR
        | operation::RENAME
        | operation::LINK
        | operation::SYMLINK => (SUBMITTED, opcode, request.0),
        // How many bytes it moves will not be known.
        operation @ (operation::READ | operation::WRITE) if skips => {
            note_untold(opcode);
            if request.read_optional::<u32>(offset!(ring_flags)) & FIXED_FILE != 0 {
                return;
            }
            (SKIPPED, operation, request.read_optional(offset!(ring_fd)))
        }
        0 => return note_untold(opcode),
        // That it succeeds is known by what it does later.
        operation::SOCKET..=operation::ACCEPT if skips => return note_untold(opcode),
        _ => return,
    };
    let result = i64::from(skips);
    go_on_with(arguments, FILES, Call { start, word: u64::from(word), result, call, class: which, tgid });
}

/// What requests have that are told by their paths, as [`part`] takes it.
const DIR: usize = 0;
const PATH: usize = 1;
const NEW_DIR: usize = 2;
const NEW_PATH: usize = 3;
const CALL_FLAGS: usize = 4;
const MODE: usize = 5;
const SLOT: usize = 6;
const EXTRA: usize = 7;

/// For each operation the parts that its requests have: which of the offsets is each one's; [`NO_PART`] for none. A table,
/// for the verifier would look at all that is done with them for each arm of a choice.
#[unsafe(no_mangle)]
static RING_PARTS: [[u16; 8]; 16] = {
    const fn number(offset: usize) -> u16 {
        (offset / 4) as u16
    }
    macro_rules! parts {
        ($($part:ident: $offset:ident),*) => {{
            let mut parts = [NO_PART; 8];
            $(parts[$part] = number(offset_of!(Offsets, $offset));)*
            parts
        }};
    }
    let mut table = [[NO_PART; 8]; 16];
    table[operation::OPEN as usize] = parts!(
        DIR: ring_open_dir, PATH: ring_open_path, CALL_FLAGS: ring_open_flags, MODE: ring_open_mode,
        SLOT: ring_open_slot, EXTRA: ring_open_resolve
    );
    table[operation::DELETE as usize] =
        parts!(DIR: ring_unlink_dir, PATH: ring_unlink_path, CALL_FLAGS: ring_unlink_flags);
    table[operation::MKDIR as usize] =
        parts!(DIR: ring_mkdir_dir, PATH: ring_mkdir_path, MODE: ring_mkdir_mode);
    table[operation::RENAME as usize] = parts!(
        DIR: ring_rename_dir, PATH: ring_rename_path, NEW_DIR: ring_rename_new_dir,
        NEW_PATH: ring_rename_new_path, CALL_FLAGS: ring_rename_flags
    );
    table[operation::LINK as usize] = parts!(
        DIR: ring_link_dir, PATH: ring_link_path, NEW_DIR: ring_link_new_dir, NEW_PATH: ring_link_new_path,
        CALL_FLAGS: ring_link_flags
    );
    // Its first path is no more than what the link says.
    table[operation::SYMLINK as usize] =
        parts!(DIR: ring_link_new_dir, PATH: ring_link_new_path, EXTRA: ring_link_path);
    table
};

/// See [`RING_PARTS`].
const NO_PART: u16 = u16::MAX;

/// A part of a request: eight bytes from where it lies; 0 if the request or the kernel has none. A global function: the
/// verifier looks at it once, and not for each part.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn part(request: u64, operation: u32, which: u32) -> u64 {
    let index = opaque(u64::from(operation) * 8 + u64::from(which)) & 127;
    let member =
        u64::from(core::ptr::read_volatile((&raw const RING_PARTS).cast::<u16>().add(index as usize)));
    if member >= (size_of::<Offsets>() / 4) as u64 {
        return 0;
    }
    let offset = core::ptr::read_volatile((&raw const OFFSETS).cast::<u32>().add(member as usize));
    Kernel(request).read_optional(offset)
}

/// A request that has a path was made.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn submitted(
    start: u64,
    tgid: u32,
    request: u64,
    opcode: u32,
    skips: u32,
) -> i32 {
    let Some(scratch) = scratch() else { return 0 };
    let operation = operation_of(opcode);
    let part = |which: usize| part(request, operation, which as u32);
    let at = task::now();
    let owner = Owner { at, start, tgid, tid: file::tid() };
    text::set_owner(scratch, owner);
    // Of what is opened: how it is looked up.
    let is_open = opaque(u64::from(operation ^ operation::OPEN).wrapping_sub(1)) >> 63;
    let in_root = (part(EXTRA) & RESOLVE_IN_ROOT & is_open.wrapping_neg()) << 4;
    let mut bits = send_name(scratch, in_root as u32, part(DIR) as u32, part(PATH)) as u32;
    if operation == operation::RENAME || operation == operation::LINK {
        bits |= send_name(scratch, 1, part(NEW_DIR) as u32, part(NEW_PATH)) as u32;
    }
    if operation == operation::SYMLINK {
        text::kernel_string(scratch, kind::TEXT_EXTRA, Kernel(part(EXTRA)).follow(offset!(filename_name)).0);
        bits |= flags::CHANGE_EXTRA;
    }
    // The low half of an open's flags holds all that have a meaning; those of the others have no more.
    let call_flags = part(CALL_FLAGS) & 0xffff_ffff;
    let mode = part(MODE) as u16;
    let number = mix(mix(constant!(SEED), request), at) | 1;
    let is_direct = part(SLOT) as u32 != 0;
    let waiting = RingRequest {
        request: number,
        start,
        open_flags: call_flags,
        tgid,
        operation: operation | u32::from(is_direct) * DIRECT,
    };
    if skips != 0 || RING_REQUESTS.insert(&request, &waiting, 0).is_err() {
        bits |= flags::CHANGE_UNCONFIRMED;
    }
    let record = (&raw mut (*scratch).text.bytes).cast::<FileChangeRecord>();
    let size = size_of::<FileChangeRecord>() as u32;
    (*record).header = task::header(at, start, tgid, owner.tid, kind::RING_REQUEST, size);
    (*record).access = number;
    (*record).first = u64::from(mode);
    (*record).second = 0;
    (*record).call_flags = call_flags;
    (*record).operation = operation;
    (*record).flags = bits;
    (*record).call = opcode;
    (*record).abi = ABI_RING;
    send(scratch, Family::Files, u64::from(size));
    0
}

/// Sends a path of a request, the first or the second, with what it is relative to: of the first [`IN_ROOT`] may say so.
/// Returns the flags that say so.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn send_name(scratch: *mut Scratch, which: u32, dir: u32, filename: u64) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let name = Kernel(filename).follow(offset!(filename_name));
    let (first, second) = (u32::from(name.read::<u8>(0)) | which & IN_ROOT, which & 1);
    base_path(scratch, dir, first, 0);
    let base = (*scratch).file.base;
    let bits = send_base(scratch, base, first, second);
    text::kernel_string(
        scratch,
        if second != 0 { kind::TEXT_NEW_ARGUMENT } else { kind::TEXT_ARGUMENT },
        name.0,
    );
    (bits << (opaque(u64::from(second) * 2) & 31)) as i32
}

#[inline(always)]
unsafe fn on_complete(arguments: *const u64) {
    let request = Kernel(*arguments.add(1));
    if request.0 == 0 {
        return;
    }
    let result: i32 = if constant!(RING_HAS_COMPLETION) != 0 {
        Kernel(*arguments.add(2)).read_optional(offset!(ring_result))
    } else {
        *arguments.add(3) as i32
    };
    let result = i64::from(result);
    let tgid: u32 = task::load(task::current(), offset!(task_tgid));
    if RING_REQUESTS.get_ptr_mut(&request.0).is_some() {
        let call = Call { start: 0, word: 0, result, call: request.0, class: COMPLETED, tgid };
        go_on_with(arguments, FILES, call);
        return;
    }
    let Some(process) = scope::find(tgid) else { return };
    let opcode = u32::from(request.read_optional::<u8>(offset!(ring_opcode)));
    let operation = operation_of(opcode);
    let file: u64 = request.read_optional(offset!(ring_file));
    let (which, class);
    if matches!(operation, operation::READ | operation::WRITE | operation::TRUNCATE) {
        if file == 0 {
            return;
        }
        if result < 0 {
            // One that was called off, or had nothing to wait for, has not failed.
            if !matches!(-result as u64, EINTR | EAGAIN | ECANCELED) && has_content(Kernel(file), false) {
                note_untold(opcode);
            }
            return;
        }
        (which, class) = (FILES, USED);
    } else if matches!(operation, operation::SOCKET..=operation::ACCEPT) {
        // What goes into the ring's own table has no descriptor.
        let is_direct = match operation {
            operation::ACCEPT => request.read_optional::<u32>(offset!(ring_accept_slot)) != 0,
            operation::SOCKET => request.read_optional::<u32>(offset!(ring_socket_slot)) != 0,
            _ => false,
        };
        if is_direct {
            return note_untold(opcode);
        }
        (which, class) = (SOCKETS, ON_SOCKET);
    } else {
        // One with a path that was refused before it was a request, so that nobody saw its names.
        if result < 0 && matches!(operation, operation::OPEN..=operation::SYMLINK) {
            note_untold(opcode);
        }
        return;
    }
    let word = u64::from(operation) | u64::from(opcode) << 32;
    go_on_with(arguments, which, Call { start: (*process).start, word, result, call: file, class, tgid });
}

/// A request that has to do with sockets was completed; `word` has the operation and, in the upper half, the kind of the
/// request.
#[inline(always)]
pub(super) unsafe fn on_socket(start: u64, tgid: u32, word: u64, file: u64, result: i64) {
    let process = u64::from(tgid) | word << 32;
    let opcode = word >> 32;
    if network::on_ring_socket(start, process, file, result, opcode) != 0 {
        note_untold(opcode as u32);
    }
}

/// A request that has a path was completed.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn completed(
    scratch: *mut Scratch,
    request: u64,
    result: u32,
    current: u32,
) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let Some(waiting) = RING_REQUESTS.get_ptr_mut(&request) else { return 0 };
    let (number, start, tgid) = ((*waiting).request, (*waiting).start, (*waiting).tgid);
    let (operation, open_flags) = ((*waiting).operation, (*waiting).open_flags);
    let _ = RING_REQUESTS.remove(&request);
    let mut access = 0;
    let mut made = 0;
    if operation == operation::OPEN && result as i32 >= 0 && current == tgid {
        let file = fds::of_descriptor(scratch, result);
        if file.0 != 0 {
            made = made_by_open(file, open_flags);
            access = file::use_file(start, tgid, file, operation::OPEN, made, 0);
        }
    }
    if operation == operation::RENAME && result == 0 {
        file::note_move();
    }
    let record = (&raw mut (*scratch).text.bytes).cast::<RingResultRecord>();
    let size = size_of::<RingResultRecord>() as u32;
    (*record).header = task::header(task::now(), start, tgid, file::tid(), kind::RING_RESULT, size);
    (*record).request = number;
    (*record).access = access;
    (*record).result = result as i32;
    (*record).made = made as u32;
    (*record).reserved = 0;
    send(scratch, Family::Files, u64::from(size));
    0
}
