//! System calls: `sys_exit(regs, result)`. Arguments are still in the registers, the result is known, and it costs
//! half of what entry and exit together would.

use aya_ebpf::EbpfContext;
use glasshouse_common::{
    CredentialsRecord, ExecFailedRecord, Family, kind, operation,
    state::{FILES, NEW_IMAGE, SOCKETS, TASKS},
    syscall::{
        ABI_NATIVE, CLASS_CLONE, CLASS_CREDENTIALS, CLASS_EXECVE, CLASS_EXECVEAT, CLASS_EXIT, CLASS_FILE,
        CLASS_NONE, CLASS_SHIFT, CLASS_SOCKET, FileCall, NO_SLOT, SLOT_MASK, TABLE_LEN,
    },
};

use super::{file, network, probe};
use crate::{
    emit::{send, wait_for_room},
    file::{tid, use_known},
    held::announce_inherited,
    layout::{Kernel, constant, entry, offset, opaque},
    maps::{SYS_EXIT, Scratch, scratch},
    scope, socket, task, text,
};

/// `EPERM` and `EACCES` of `asm-generic/errno-base.h`.
const EPERM: i64 = 1;
const EACCES: i64 = 13;
/// `ENOSYS`.
const ENOSYS: i64 = 38;
/// `AT_FDCWD` of `linux/fcntl.h`.
const AT_FDCWD: i32 = -100;

probe!(sys_exit, sys_exit_raw, "sys_exit", on_sys_exit);

/// The word of a number in its table.
#[inline(always)]
pub(crate) unsafe fn word(abi: u32, number: u32) -> u32 {
    let number = opaque(u64::from(number));
    if number >= TABLE_LEN as u64 {
        return NO_SLOT;
    }
    entry!(CALLS: u32, u64::from(abi) * TABLE_LEN as u64 + number)
}

/// A saved register: a direct load where the verifier knows the type, else through the helper.
#[inline(always)]
unsafe fn register<const BTF: bool>(regs: *const u8, offset: u32) -> u64 {
    if BTF { task::load(regs, offset) } else { Kernel(regs as u64).read(offset) }
}

#[inline(always)]
unsafe fn on_sys_exit<const BTF: bool>(arguments: *const u64) {
    let current = task::current();
    let tgid: u32 = task::load(current, offset!(task_tgid));
    let Some(process) = scope::find(tgid) else { return };
    let regs = *arguments as *const u8;
    let mut result = *arguments.add(1) as i64;
    let number = register::<BTF>(regs, offset!(regs_number)) as u32;
    let abi = task::abi(current);

    let mut word = word(abi, number);
    if number == u32::MAX && result != -ENOSYS {
        // The frame that it restored has no number; a call of −1 by itself would have returned ENOSYS.
        word = entry!(SIGRETURN_SLOTS: u32, u64::from(abi));
        result = 0;
    }
    let class = word >> CLASS_SHIFT;
    word &= SLOT_MASK;
    let call =
        if class == CLASS_FILE || class == CLASS_SOCKET { file::word(abi, number) } else { FileCall::NONE };
    let start = (*process).start;
    let mut is_done = class == CLASS_NONE
        || class == CLASS_EXIT
        || class == CLASS_CLONE
        || result >= 0 && call.0 & FileCall::FAILURES != 0;
    if result >= 0 && abi == ABI_NATIVE {
        // Nearly always the first argument, and mostly the whole of what happens: without a detour.
        let fd = register::<BTF>(regs, offset!(regs_arg0)) as u32;
        let operation = call.operation();
        if matches!(operation, operation::READ | operation::WRITE) {
            is_done = use_known(start, tgid, fd, operation, result as u64) != 0;
        } else if matches!(operation, operation::SEND | operation::RECEIVE) {
            is_done = socket::is_known(start, tgid, fd) != 0;
        }
    }
    // The first never returns, the child's return of the second is none of its calls, and an exec was counted when the new
    // image was in place: the number is not the call's by now.
    let is_uncounted =
        class == CLASS_EXIT || result == 0 && matches!(class, CLASS_CLONE | CLASS_EXECVE | CLASS_EXECVEAT);
    if !is_uncounted {
        scope::count(process, tgid, abi, number, word);
    }
    if result == -EPERM || result == -EACCES {
        scope::count_rare(tgid, abi, number, -result as u32);
    }
    if !is_done && let Some(scratch) = scratch() {
        let noted = &raw mut (*scratch).call;
        (*noted).start = start;
        (*noted).word = call.0;
        (*noted).result = result;
        (*noted).call = u64::from(number) | u64::from(abi) << 32;
        (*noted).class = class;
        (*noted).tgid = tgid;
        go_on(
            arguments,
            if class == CLASS_FILE {
                FILES
            } else if class == CLASS_SOCKET {
                SOCKETS
            } else {
                TASKS
            },
        );
    }
    wait_for_room();
}

/// A call that has more to it, as the first program notes it for those that go on with it: the kernel takes a time to load
/// a program that grows with the square of its length.
#[repr(C)]
pub(crate) struct Call {
    start: u64,
    word: u64,
    result: i64,
    /// Its number, and its ABI in the upper half.
    call: u64,
    class: u32,
    tgid: u32,
}

/// Goes on with another program, and does not come back.
#[inline(always)]
unsafe fn go_on(arguments: *const u64, which: u32) {
    struct Context(*mut core::ffi::c_void);
    impl EbpfContext for Context {
        fn as_ptr(&self) -> *mut core::ffi::c_void {
            self.0
        }
    }
    SYS_EXIT.tail_call(&Context(arguments.cast_mut().cast()), which);
}

probe!(sys_exit_files, sys_exit_files_raw, "sys_exit", on_files);
probe!(sys_exit_sockets, sys_exit_sockets_raw, "sys_exit", on_sockets);
probe!(sys_exit_tasks, sys_exit_tasks_raw, "sys_exit", on_tasks);

/// What the first program has noted, with the call's arguments in the scratch memory.
#[inline(always)]
unsafe fn noted() -> Option<(*mut Scratch, *const Call)> {
    let scratch = scratch()?;
    let noted = &raw const (*scratch).call;
    keep_arguments(scratch, ((*noted).call >> 32) as u32);
    Some((scratch, noted))
}

#[inline(always)]
unsafe fn on_files<const BTF: bool>(_arguments: *const u64) {
    of_files();
    wait_for_room();
}

#[inline(always)]
unsafe fn of_files() {
    let Some((_, noted)) = noted() else { return };
    let (start, tgid) = ((*noted).start, (*noted).tgid);
    if (*noted).class == CLASS_FILE || (*noted).class == CLASS_SOCKET {
        file::on_call(start, tgid, FileCall((*noted).word), (*noted).result, (*noted).call);
    } else {
        // An exec: observation starts.
        announce_inherited(start, tgid);
    }
}

#[inline(always)]
unsafe fn on_sockets<const BTF: bool>(arguments: *const u64) {
    of_sockets(arguments);
    wait_for_room();
}

#[inline(always)]
unsafe fn of_sockets(arguments: *const u64) {
    let Some((_, noted)) = noted() else { return };
    let word = (*noted).word;
    network::on_socket_call((*noted).start, u64::from((*noted).tgid), word, (*noted).result, (*noted).call);
    if FileCall(word).operation() == operation::MKNOD {
        go_on(arguments, FILES);
    }
}

#[inline(always)]
unsafe fn on_tasks<const BTF: bool>(arguments: *const u64) {
    of_tasks(arguments);
    wait_for_room();
}

#[inline(always)]
unsafe fn of_tasks(arguments: *const u64) {
    let Some((scratch, noted)) = noted() else { return };
    let (start, tgid, result, class) = ((*noted).start, (*noted).tgid, (*noted).result, (*noted).class);
    let (number, abi) = ((*noted).call as u32, ((*noted).call >> 32) as u32);
    let owner = &raw mut (*scratch).text.owner;
    (*owner).at = task::now();
    (*owner).start = start;
    (*owner).tgid = tgid;
    (*owner).tid = tid();
    if class == CLASS_CREDENTIALS {
        if result >= 0 {
            on_credentials(scratch, abi, number);
        }
    } else if result != 0 {
        on_exec_failed(scratch, abi, number, class, result);
    } else if let Some(process) = scope::find(tgid)
        && (*process).is_new_root == NEW_IMAGE
    {
        (*process).is_new_root = 0;
        go_on(arguments, FILES);
    }
}

/// Puts the arguments of the call into the scratch memory.
#[inline(always)]
unsafe fn keep_arguments(scratch: *mut Scratch, abi: u32) {
    let regs = task::current_regs();
    let arguments = &raw mut (*scratch).file.arguments;
    if abi == ABI_NATIVE {
        (*arguments)[0] = task::load(regs, offset!(regs_arg0));
        (*arguments)[1] = task::load(regs, offset!(regs_arg1));
        (*arguments)[2] = task::load(regs, offset!(regs_arg2));
        (*arguments)[3] = task::load(regs, offset!(regs_arg3));
        (*arguments)[4] = task::load(regs, offset!(regs_arg4));
        (*arguments)[5] = task::load(regs, offset!(regs_arg5));
    } else if constant!(COMPAT_BIT) != 0 {
        (*arguments)[0] = task::load::<u64>(regs, offset!(regs_compat_arg0)) & 0xffff_ffff;
        (*arguments)[1] = task::load::<u64>(regs, offset!(regs_compat_arg1)) & 0xffff_ffff;
        (*arguments)[2] = task::load::<u64>(regs, offset!(regs_compat_arg2)) & 0xffff_ffff;
        (*arguments)[3] = task::load::<u64>(regs, offset!(regs_compat_arg3)) & 0xffff_ffff;
        (*arguments)[4] = task::load::<u64>(regs, offset!(regs_compat_arg4)) & 0xffff_ffff;
        (*arguments)[5] = task::load::<u64>(regs, offset!(regs_compat_arg5)) & 0xffff_ffff;
    }
}

#[inline(always)]
unsafe fn on_exec_failed(scratch: *mut Scratch, abi: u32, number: u32, class: u32, result: i64) {
    let (text, arguments) = (&raw mut (*scratch).text, &raw const (*scratch).file.arguments);
    let is_at = class == CLASS_EXECVEAT;
    text::user_string(kind::TEXT_FILENAME, if is_at { (*arguments)[1] } else { (*arguments)[0] });
    let record = (&raw mut (*text).bytes).cast::<ExecFailedRecord>();
    let size = size_of::<ExecFailedRecord>() as u32;
    let owner = &raw const (*text).owner;
    (*record).header =
        task::header((*owner).at, (*owner).start, (*owner).tgid, (*owner).tid, kind::EXEC_FAILED, size);
    (*record).errno = -result as u32;
    (*record).call = number;
    (*record).abi = abi;
    (*record).dirfd = if is_at { (*arguments)[0] as i32 } else { AT_FDCWD };
    (*record).at_flags = if is_at { (*arguments)[4] as u32 } else { 0 };
    (*record).reserved = 0;
    send(Family::Process, u64::from(size));
}

#[inline(always)]
unsafe fn on_credentials(scratch: *mut Scratch, abi: u32, number: u32) {
    let text = &raw mut (*scratch).text;
    let record = (&raw mut (*text).bytes).cast::<CredentialsRecord>();
    let size = size_of::<CredentialsRecord>() as u32;
    let owner = &raw const (*text).owner;
    (*record).header =
        task::header((*owner).at, (*owner).start, (*owner).tgid, (*owner).tid, kind::CREDENTIALS, size);
    task::credentials(task::current_address(), core::mem::offset_of!(CredentialsRecord, credentials));
    (*record).call = number;
    (*record).abi = abi;
    (*record).argument = (*scratch).file.arguments[0];
    send(Family::Process, u64::from(size));
}
