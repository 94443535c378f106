//! System calls: `sys_exit(regs, result)`. Arguments are still in the registers, the result is known, and it costs
//! half of what entry and exit together would.

use glasshouse_common::{
    CredentialsRecord, ExecFailedRecord, Family, kind, operation,
    state::{FILES, NEW_IMAGE, SOCKETS},
    syscall::{
        ABI_NATIVE, CLASS_CLONE, CLASS_CREDENTIALS, CLASS_EXECVE, CLASS_EXECVEAT, CLASS_EXIT, CLASS_FILE,
        CLASS_IOCTL, CLASS_NONE, CLASS_SHIFT, CLASS_SOCKET, CLASS_TOLD, FS_IOC_FSSETXATTR, FS_IOC_SETFLAGS,
        FS_IOC32_SETFLAGS, FileCall, NO_SLOT, SLOT_MASK, TABLE_LEN,
    },
};

use super::{ERESTARTSYS, call, descriptor, exec, file, fork, go_on, network, probe, ring};
use crate::{
    emit::{send, wait_for_room},
    file::{IS_SOCKET, tid, use_descriptor, use_file, use_known},
    held::{announce_inherited, announce_sockets},
    layout::{Block, Kernel, constant, entry, forget, launder, offset, opaque, zero},
    maps::{GOING_ON, Scratch, scratch},
    scope, socket, task,
    text::{self, Owner},
};

/// `EPERM` and `EACCES` of `asm-generic/errno-base.h`.
const EPERM: i64 = 1;
const EACCES: i64 = 13;
/// `ENOSYS`.
const ENOSYS: i64 = 38;
/// `AT_FDCWD` of `linux/fcntl.h`.
const AT_FDCWD: i32 = -100;

probe!(sys_exit, "sys_exit", on_sys_exit);

/// The word of a number in its table.
#[inline(always)]
pub(crate) unsafe fn word(abi: u32, number: u32) -> u32 {
    let number = opaque(u64::from(number));
    if number >= TABLE_LEN as u64 {
        return NO_SLOT;
    }
    entry!(CALLS: u32, u64::from(abi) * TABLE_LEN as u64 + number)
}

#[inline(always)]
unsafe fn on_sys_exit(arguments: *const u64) {
    let current = task::current();
    let tgid: u32 = task::load(current, offset!(task_tgid));
    let Some(own) = scope::own(tgid) else { return };
    // Those that the tracepoint gives, as a pointer that the verifier trusts.
    let regs = task::regs(current, *arguments);
    let mut result = *arguments.add(1) as i64;
    let number = task::load::<u64>(regs, offset!(regs_number)) as u32;
    let abi = task::abi(current);

    let mut word = word(abi, number);
    if number == u32::MAX && result != -ENOSYS {
        // The frame that it restored has no number; a call of −1 by itself would have returned ENOSYS.
        word = entry!(SIGRETURN_SLOTS: u32, u64::from(abi));
        result = 0;
    }
    // From here on sets and arithmetic say what choices could, of which the verifier would look at each combination.
    let (word, number, result) = (launder(word), launder(number), forget(result as u64) as i64);
    let class = word >> CLASS_SHIFT;
    let word = word & SLOT_MASK;
    let start = own.start;
    // The first never returns, the child's return of the second is none of its calls, and an exec was counted when the new
    // image was in place: the number is not the call's by now.
    let is_zero = 1 ^ opaque(result as u64 | (result as u64).wrapping_neg()) >> 63;
    if is_in(class, 1 << CLASS_EXIT) | is_in(class, RETURNS_IN_ANOTHER) & is_zero == 0 {
        scope::count(own.pool_index, tgid, abi, number, word);
    }
    let errno = opaque((result as u64).wrapping_neg());
    if errno < 64 && (DENIED >> errno) & 1 != 0 {
        scope::count_rare(tgid, abi, number, errno as u32);
    }
    let mut class = class;
    if is_in(class, DONE) != 0 {
        if class != CLASS_IOCTL || sets_flags(regs, abi) == 0 {
            return;
        }
        class = CLASS_FILE;
    }
    let class = launder(class);
    let abi = launder(forget(u64::from(abi)) as u32);

    let call = FileCall(file::word(abi, number).0 & is_in(class, TAKES_WORD).wrapping_neg());
    let has_failed = opaque(result as u64 >> 63);
    let mut known = forget(0);
    // Nearly always the first argument, and mostly the whole of what happens: without a detour.
    let operation = call.operation();
    let fd = task::load::<u64>(regs, offset!(regs_arg0)) as u32;
    let is_plain = opaque((1 ^ has_failed) & (1 ^ u64::from(abi)));
    const { assert!(ABI_NATIVE == 0) };
    if is_plain & is_in(operation, READS_OR_WRITES) != 0 {
        known = use_known(start, tgid, fd, operation, result as u64) as u64;
    } else if is_plain & is_in(operation, SENDS_OR_RECEIVES) != 0 {
        known = socket::is_known(start, tgid, fd) as u64;
    }
    let has_no_more = (1 ^ has_failed) & call.0 >> FileCall::FAILURES.trailing_zeros();
    if (known | has_no_more) & 1 == 0 {
        const { assert!(FILES == 0 && SOCKETS == 1 && IS_SOCKET == 2) };
        let which = is_in(class, 1 << CLASS_SOCKET) | known >> 1;
        let number = u64::from(number) | u64::from(abi) << 32;
        let call = Call { start, word: call.0, result, call: number, class, tgid };
        go_on_with(arguments, which as u32, call);
    }
    wait_for_room();
}

/// 1 if a call of `ioctl` sets flags of an inode, which its second argument says, else 0.
#[inline(always)]
unsafe fn sets_flags(regs: *const u8, abi: u32) -> u64 {
    let native = task::load::<u64>(regs, offset!(regs_arg1));
    let compat = task::load::<u64>(regs, offset!(regs_compat_arg1));
    let request = (native ^ (native ^ compat) & u64::from(abi).wrapping_neg()) & 0xffff_ffff;
    // Below zero by one is what is equal.
    let differs = |known: u32| opaque((request ^ u64::from(known)).wrapping_sub(1));
    (differs(FS_IOC_SETFLAGS) | differs(FS_IOC32_SETFLAGS) | differs(FS_IOC_FSSETXATTR)) >> 63
}

/// Classes of calls that have a word in the table of what they do.
const TAKES_WORD: u64 = 1 << CLASS_FILE | 1 << CLASS_SOCKET;
/// Classes of calls to which there is no more than that they were made, but for some requests of `ioctl`.
const DONE: u64 = 1 << CLASS_NONE | 1 << CLASS_EXIT | 1 << CLASS_CLONE | 1 << CLASS_IOCTL;
/// Classes of calls that return 0 in another process, or in another image, than the one that made them.
const RETURNS_IN_ANOTHER: u64 = 1 << CLASS_CLONE | 1 << CLASS_EXECVE | 1 << CLASS_EXECVEAT;
/// Operations.
const READS_OR_WRITES: u64 = 1 << operation::READ | 1 << operation::WRITE;
const SENDS_OR_RECEIVES: u64 = 1 << operation::SEND | 1 << operation::RECEIVE;
/// Errors of calls that were denied.
const DENIED: u64 = 1 << EPERM | 1 << EACCES;

/// 1 if a number below 64 is in a set, else 0.
#[inline(always)]
fn is_in(number: u32, set: u64) -> u64 {
    opaque(set >> (opaque(u64::from(number)) & 63)) & 1
}

/// A call that has more to it, as the first program notes it for those that go on with it: what is needed after several
/// kinds of events need be loaded only once then. Also a request through a ring, see [`ring`].
#[repr(C)]
pub(crate) struct Call {
    pub(crate) start: u64,
    pub(crate) word: u64,
    pub(crate) result: i64,
    /// Its number, and its ABI in the upper half.
    pub(crate) call: u64,
    pub(crate) class: u32,
    pub(crate) tgid: u32,
}

impl Call {
    /// What is told apart by its class alone.
    #[inline(always)]
    pub(crate) fn of(class: u32, tgid: u32) -> Self {
        Self { start: zero(), word: zero(), result: zero() as i64, call: zero(), class, tgid }
    }
}

/// The class of a use of a file that has turned out to be a socket.
const SOCKET_USED: u32 = 0x200;

/// Goes on with another program, which is told what to go on with, and does not come back.
#[inline(always)]
pub(super) unsafe fn go_on_with(arguments: *const u64, which: u32, call: Call) {
    if let Some(scratch) = scratch() {
        (*scratch).call = call;
        go_on(arguments, &GOING_ON, which);
    }
}

probe!(sys_exit_files, "sys_exit", on_files);
probe!(sys_exit_sockets, "sys_exit", on_sockets);

// Tasks are with files, of which those that they begin with and execute are told: two programs would be longer.
#[inline(always)]
unsafe fn on_files(arguments: *const u64) {
    let Some(scratch) = scratch() else { return };
    let noted = &raw const (*scratch).call;
    match (*noted).class {
        exec::PREPARES => _ = exec::prepares(scratch, (*noted).tgid, *arguments.add(1)),
        exec::EXECUTES => {
            _ = exec::executes(scratch, (*noted).tgid, *arguments.add(1) as u32, *arguments.add(2));
        }
        fork::FORKS => _ = fork::forks(scratch, (*noted).tgid, *arguments, *arguments.add(1)),
        _ => {
            of_files(arguments, scratch);
            end_of_call(scratch);
        }
    }
}

/// Where a task has come to the end of its call, and not in the middle of something, it waits for room.
#[inline(always)]
unsafe fn end_of_call(scratch: *const Scratch) {
    const { assert!(CLASS_IOCTL < ring::SUBMITTED) };
    if (*scratch).call.class <= CLASS_IOCTL {
        wait_for_room();
    }
}

#[inline(always)]
unsafe fn of_files(arguments: *const u64, scratch: *mut Scratch) {
    let noted = &raw mut (*scratch).call;
    let (start, tgid, word) = ((*noted).start, (*noted).tgid, (*noted).word);
    let (result, call) = ((*noted).result, (*noted).call);
    (*scratch).file.socket = 0;
    match (*noted).class {
        CLASS_FILE | CLASS_SOCKET => {
            keep_arguments(arguments, scratch);
            file::on_call(scratch);
        }
        ring::SUBMITTED => _ = ring::submitted(start, tgid, call, word as u32, result as u32),
        ring::COMPLETED => _ = ring::completed(scratch, call, result as u32, tgid),
        ring::USED => _ = use_file(start, tgid, Kernel(call), word as u32, result as u64, 0),
        ring::SKIPPED => _ = use_descriptor(scratch, start, tgid, call as u32, word as u32, 0),
        _ => of_task(arguments, scratch),
    }
    if (*scratch).file.socket != 0 {
        // Of several descriptors all are looked at again.
        if !matches!((*noted).class, CLASS_EXECVE | CLASS_EXECVEAT)
            && FileCall(word).operation() != operation::SUBMIT
        {
            (*noted).class = SOCKET_USED;
        }
        go_on(arguments, &GOING_ON, SOCKETS);
    }
}

#[inline(always)]
unsafe fn on_sockets(arguments: *const u64) {
    let Some(scratch) = scratch() else { return };
    of_sockets(arguments, scratch);
    end_of_call(scratch);
}

#[inline(always)]
unsafe fn of_sockets(arguments: *const u64, scratch: *mut Scratch) {
    let noted = &raw const (*scratch).call;
    let (start, tgid, word) = ((*noted).start, (*noted).tgid, (*noted).word);
    let (result, call) = ((*noted).result, (*noted).call);
    match (*noted).class {
        CLASS_FILE | CLASS_SOCKET => {
            keep_arguments(arguments, scratch);
            if FileCall(word).operation() == operation::SUBMIT {
                descriptor::submit_to_sockets(scratch, start, tgid, FileCall(word), result);
                return;
            }
            network::on_socket_call(scratch);
            if FileCall(word).operation() == operation::MKNOD {
                go_on(arguments, &GOING_ON, FILES);
            }
        }
        SOCKET_USED => {
            let found = &raw const (*scratch).file;
            _ = socket::use_socket(scratch, start, (*found).used_by, (*found).socket, (*found).used_amount);
        }
        ring::ON_SOCKET => ring::on_socket(start, tgid, word, call, result),
        _ => announce_sockets(scratch, start, tgid),
    }
}

/// A call that has to do with what a task is.
#[inline(always)]
unsafe fn of_task(arguments: *const u64, scratch: *mut Scratch) {
    keep_arguments(arguments, scratch);
    let noted = &raw const (*scratch).call;
    let (start, tgid, result) = ((*noted).start, (*noted).tgid, (*noted).result);
    let call = (*noted).call;
    match (*noted).class {
        CLASS_TOLD => _ = call::told(scratch, start, u64::from(tgid), result, call),
        CLASS_CREDENTIALS => {
            if result >= 0 {
                tell_credentials(scratch, start, tgid, call);
            }
        }
        class if result != 0 => {
            if result > -ERESTARTSYS {
                on_exec_failed(scratch, start, tgid, class, result);
            }
        }
        // A new image begins with empty registers. Here there is none: it was only asked whether the file may be executed
        // (`AT_EXECVE_CHECK`, Linux 6.14).
        _ if (*scratch).file.arguments[1] != 0 => {
            scope::count_call(tgid, (call >> 32) as u32, call as u32);
        }
        _ => {
            if let Some(process) = scope::find(tgid)
                && (*process).is_new_root == NEW_IMAGE
            {
                // Observation starts.
                (*process).is_new_root = 0;
                announce_inherited(scratch, start, tgid);
            }
        }
    }
}

/// Puts the arguments of the call that returns into the scratch memory.
#[inline(always)]
unsafe fn keep_arguments(arguments: *const u64, scratch: *mut Scratch) {
    let found = &raw mut (*scratch).file;
    // At once: a helper takes longer for its call than for bytes.
    let regs = Block::read(Kernel(*arguments), &raw mut (*found).regs);
    let kept = &raw mut (*found).arguments;
    if (*scratch).call.call >> 32 == u64::from(ABI_NATIVE) {
        (*kept)[0] = regs.get(offset!(regs_arg0));
        (*kept)[1] = regs.get(offset!(regs_arg1));
        (*kept)[2] = regs.get(offset!(regs_arg2));
        (*kept)[3] = regs.get(offset!(regs_arg3));
        (*kept)[4] = regs.get(offset!(regs_arg4));
        (*kept)[5] = regs.get(offset!(regs_arg5));
    } else if constant!(COMPAT_BIT) != 0 {
        (*kept)[0] = regs.get::<u64>(offset!(regs_compat_arg0)) & 0xffff_ffff;
        (*kept)[1] = regs.get::<u64>(offset!(regs_compat_arg1)) & 0xffff_ffff;
        (*kept)[2] = regs.get::<u64>(offset!(regs_compat_arg2)) & 0xffff_ffff;
        (*kept)[3] = regs.get::<u64>(offset!(regs_compat_arg3)) & 0xffff_ffff;
        (*kept)[4] = regs.get::<u64>(offset!(regs_compat_arg4)) & 0xffff_ffff;
        (*kept)[5] = regs.get::<u64>(offset!(regs_compat_arg5)) & 0xffff_ffff;
    }
}

#[inline(always)]
unsafe fn on_exec_failed(scratch: *mut Scratch, start: u64, tgid: u32, class: u32, result: i64) {
    let (text, arguments) = (&raw mut (*scratch).text, &raw const (*scratch).file.arguments);
    let owner = Owner { at: task::now(), start, tgid, tid: tid() };
    text::set_owner(scratch, owner);
    let is_at = class == CLASS_EXECVEAT;
    let bits = exec::failed_flags(tgid) as u32;
    if bits == 0 {
        text::user_string(
            scratch,
            kind::TEXT_FILENAME,
            if is_at { (*arguments)[1] } else { (*arguments)[0] },
        );
    }
    let record = (&raw mut (*text).bytes).cast::<ExecFailedRecord>();
    let size = size_of::<ExecFailedRecord>() as u32;
    (*record).header = task::header(owner.at, start, tgid, owner.tid, kind::EXEC_FAILED, size);
    (*record).errno = -result as u32;
    (*record).call = (*scratch).call.call as u32;
    (*record).abi = ((*scratch).call.call >> 32) as u32;
    (*record).dirfd = if is_at { (*arguments)[0] as i32 } else { AT_FDCWD };
    (*record).at_flags = if is_at { (*arguments)[4] as u32 } else { 0 };
    (*record).flags = bits;
    send(scratch, Family::Process, u64::from(size));
}

/// Tells of the credentials that a call has left.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn tell_credentials(
    scratch: *mut Scratch,
    start: u64,
    tgid: u32,
    call: u64,
) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let record = (&raw mut (*scratch).text.bytes).cast::<CredentialsRecord>();
    let size = size_of::<CredentialsRecord>() as u32;
    (*record).header = task::header(task::now(), start, tgid, tid(), kind::CREDENTIALS, size);
    task::credentials(
        scratch,
        task::current_address(),
        core::mem::offset_of!(CredentialsRecord, credentials),
    );
    (*record).call = call as u32;
    (*record).abi = (call >> 32) as u32;
    (*record).argument = (*scratch).file.arguments[0];
    send(scratch, Family::Process, u64::from(size));
    0
}
