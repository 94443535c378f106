//! Uses of open files: reading, writing, mapping, and what makes a mapping something else.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_find_vma, bpf_get_current_task_btf, bpf_loop, bpf_probe_read_user};
use glasshouse_common::{operation, syscall::FileCall};

use super::{file::argument, network::socket_at};
use crate::{
    fds,
    file::{self, Found, NOTHING},
    layout::{Kernel, Words, offset, zero},
    maps::{Scratch, scratch},
    socket::use_socket,
    task,
    text::{Owner, set_owner},
};

/// `PROT_WRITE`, `PROT_EXEC`, `MAP_SHARED` (as a bit also of `MAP_SHARED_VALIDATE`), `MAP_ANONYMOUS` of `asm-generic/mman*.h`.
const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;
const MAP_SHARED: u64 = 1;
const MAP_ANONYMOUS: u64 = 0x20;
/// `VM_SHARED` of `linux/mm.h`.
const VM_SHARED: u64 = 8;
/// `IOCB_CMD_PREAD`, `IOCB_CMD_PWRITE` and the same of several buffers, of `linux/aio_abi.h`.
const PREAD: u64 = 0;
const PWRITE: u64 = 1;
const PREADV: u64 = 7;
const PWRITEV: u64 = 8;
/// Requests of one io_submit that are looked at.
const REQUESTS: u32 = 1_024;

/// A descriptor was used, or a mapping.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn used(scratch: *mut Scratch) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let noted = &raw const (*scratch).call;
    let (start, tgid, word, result) = ((*noted).start, (*noted).tgid, (*noted).word, (*noted).result);
    let word = FileCall(word);
    let found = &raw mut (*scratch).file;
    let fd = argument(found, word, FileCall::FD) as u32;
    let bytes = result as u64;
    match word.operation() {
        operation::TRANSFER => {
            let to = argument(found, word, FileCall::SECOND) as u32;
            file::use_descriptor(scratch, start, tgid, fd, operation::READ, bytes);
            file::use_descriptor(scratch, start, tgid, to, operation::WRITE, bytes);
        }
        operation::MAP => {
            let map_flags = argument(found, word, FileCall::FLAGS);
            if map_flags & MAP_ANONYMOUS == 0 {
                let file = fds::of_descriptor(scratch, fd);
                mapped(start, tgid, file.0, argument(found, word, FileCall::FIRST), map_flags & MAP_SHARED);
            }
        }
        operation::PROTECT => {
            let protection = argument(found, word, FileCall::FIRST);
            if protection & (PROT_WRITE | PROT_EXEC) != 0 {
                let file = mapped_file(scratch, argument(found, word, FileCall::SECOND));
                mapped(start, tgid, file.0, protection, (*found).hash & VM_SHARED);
            }
        }
        operation::SUBMIT => {
            begin_requests(scratch, start, tgid, word, result);
            bpf_loop(REQUESTS, submit_one as *mut c_void, core::ptr::null_mut(), 0);
        }
        operation => {
            file::use_descriptor(scratch, start, tgid, fd, operation, bytes);
        }
    }
    0
}

/// A file is mapped by now, or has become so in another way.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn mapped(start: u64, tgid: u32, file: u64, protection: u64, is_shared: u64) -> i32 {
    if file == 0 {
        return 0;
    }
    if protection & PROT_EXEC != 0 {
        file::use_file(start, tgid, Kernel(file), operation::MAP_EXECUTABLE, 0, 0);
    }
    if protection & PROT_WRITE != 0 && is_shared != 0 {
        file::use_file(start, tgid, Kernel(file), operation::MAP_WRITABLE, 0, 0);
    }
    0
}

/// The file that is mapped at an address of the task that runs; null if there is none. The flags of the mapping are in
/// `hash` then.
#[inline(always)]
unsafe fn mapped_file(scratch: *mut Scratch, address: u64) -> Kernel {
    let found = &raw mut (*scratch).file;
    (*found).at = zero();
    (*found).hash = zero();
    let task = bpf_get_current_task_btf();
    bpf_find_vma(task, address, look_at_mapping as *mut c_void, core::ptr::null_mut(), 0);
    Kernel((*found).at)
}

unsafe extern "C" fn look_at_mapping(_task: u64, mapping: u64, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 0 };
    let mapping = task::address_of(scratch, mapping);
    let found = &raw mut (*scratch).file;
    (*found).at = mapping.read(offset!(vma_file));
    (*found).hash = mapping.read(offset!(vma_flags));
    0
}

/// Begins with the requests of an io_submit.
#[inline(always)]
unsafe fn begin_requests(scratch: *mut Scratch, start: u64, tgid: u32, word: FileCall, result: i64) {
    let found = &raw mut (*scratch).file;
    set_owner(scratch, Owner { at: zero(), start, tgid, tid: 0 });
    (*found).left = result as u64;
    (*found).at = argument(found, word, FileCall::FIRST);
}

/// The same requests again, for those of sockets.
#[inline(always)]
pub(super) unsafe fn submit_to_sockets(
    scratch: *mut Scratch,
    start: u64,
    tgid: u32,
    word: FileCall,
    result: i64,
) {
    begin_requests(scratch, start, tgid, word, result);
    bpf_loop(REQUESTS, submit_one_to_socket as *mut c_void, core::ptr::null_mut(), 0);
}

/// A request of an io_submit: what it asks for, as its result is known only later.
struct Request {
    operation: u32,
    fd: u32,
    length: u64,
}

/// The next request of an io_submit; `None` after the last.
#[inline(always)]
unsafe fn next_request(found: *mut Found) -> Option<Request> {
    if (*found).left == 0 {
        return None;
    }
    // `struct iocb` of `linux/aio_abi.h`: the operation at byte 16, the descriptor at 20, the length at 32.
    // Where nothing can be read the helper writes zeroes.
    let mut request = Words::<5>::uninit();
    let mut address = 0_u64;
    bpf_probe_read_user((&raw mut address).cast(), 8, (*found).at as *const _);
    bpf_probe_read_user(request.as_mut_ptr().cast(), 40, address as *const _);
    let request = request.assume_init_ref();
    (*found).left = (*found).left.wrapping_sub(1);
    (*found).at += 8;
    let fd = (request[2] >> 32) as u32;
    // Where there are several buffers, their lengths lie further on; that they were asked for is told.
    let (operation, length) = match request[2] & 0xffff {
        PREAD => (operation::READ, request[4]),
        PWRITE => (operation::WRITE, request[4]),
        PREADV => (operation::READ, 0),
        PWRITEV => (operation::WRITE, 0),
        _ => (NOTHING, 0),
    };
    Some(Request { operation, fd, length })
}

unsafe extern "C" fn submit_one(_index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let owner = (*scratch).text.owner;
    let Some(request) = next_request(&raw mut (*scratch).file) else { return 1 };
    if request.operation != NOTHING {
        file::use_descriptor(scratch, owner.start, owner.tgid, request.fd, request.operation, request.length);
    }
    0
}

unsafe extern "C" fn submit_one_to_socket(_index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let owner = (*scratch).text.owner;
    let Some(request) = next_request(&raw mut (*scratch).file) else { return 1 };
    if request.operation != NOTHING {
        let process = u64::from(owner.tgid) | u64::from(request.operation) << 32;
        use_socket(scratch, owner.start, process, socket_at(scratch, request.fd), request.length);
    }
    0
}
