//! System calls: `sys_exit(regs, result)`. Arguments are still in the registers, the result is known, and it costs
//! half of what entry and exit together would.

use glasshouse_common::{
    CredentialsRecord, ExecFailedRecord, Family, kind, operation,
    state::{NEW_IMAGE, Process},
    syscall::{
        ABI_NATIVE, CLASS_CLONE, CLASS_CREDENTIALS, CLASS_EXECVE, CLASS_EXECVEAT, CLASS_EXIT, CLASS_FILE,
        CLASS_NONE, CLASS_SHIFT, NO_SLOT, SLOT_MASK, TABLE_LEN,
    },
};

use super::{file, probe};
use crate::{
    emit::send,
    file::{announce_inherited, use_descriptor},
    layout::{COMPAT_CALLS, Kernel, NATIVE_CALLS, constant, offset, opaque},
    maps::TEXT,
    scope, task,
    text::{self, Owner},
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
    let table = if abi == ABI_NATIVE { &raw const NATIVE_CALLS } else { &raw const COMPAT_CALLS };
    core::ptr::read_volatile(table.cast::<u32>().add(number as usize))
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
    let result = *arguments.add(1) as i64;
    let number = register::<BTF>(regs, offset!(regs_number)) as u32;
    let abi = task::abi(current);

    let mut word = word(abi, number);
    if number == u32::MAX && result != -ENOSYS {
        // The frame that it restored has no number; a call of −1 by itself would have returned ENOSYS.
        let slot = if abi == ABI_NATIVE {
            constant!(NATIVE_SIGRETURN_SLOT)
        } else {
            constant!(COMPAT_SIGRETURN_SLOT)
        };
        scope::count(process, tgid, abi, number, slot);
        return;
    }
    let class = word >> CLASS_SHIFT;
    if class == CLASS_FILE {
        let call = file::word(abi, number);
        let start = (*process).start;
        let operation = call.operation();
        if result >= 0 && matches!(operation, operation::READ | operation::WRITE) && abi == ABI_NATIVE {
            // Nearly always the first argument, and mostly the whole of what happens: without a detour.
            let fd = register::<BTF>(regs, offset!(regs_arg0)) as u32;
            use_descriptor(start, tgid, fd, operation, result as u64);
        } else {
            file::on_call(start, tgid, call, result, number, abi);
        }
        word &= SLOT_MASK;
    } else if class != CLASS_NONE {
        if class == CLASS_CLONE && result == 0 {
            return;
        }
        if class == CLASS_EXIT {
            return;
        }
        if class == CLASS_EXECVE || class == CLASS_EXECVEAT {
            // Success was counted when the new image was in place; the number is not the call's by now.
            if result == 0 {
                if (*process).is_new_root == NEW_IMAGE {
                    (*process).is_new_root = 0;
                    announce_inherited((*process).start, tgid);
                }
                return;
            }
            on_exec_failed::<BTF>(process, current, regs, abi, number, class, result);
        }
        if class == CLASS_CREDENTIALS && result >= 0 {
            on_credentials::<BTF>(process, current, regs, abi, number);
        }
        word &= SLOT_MASK;
    }
    scope::count(process, tgid, abi, number, word);
    if result == -EPERM || result == -EACCES {
        scope::count_rare(tgid, abi, number, -result as u32);
    }
}

#[inline(always)]
unsafe fn on_exec_failed<const BTF: bool>(
    process: *mut Process,
    current: *const u8,
    regs: *const u8,
    abi: u32,
    number: u32,
    class: u32,
    result: i64,
) {
    let tgid: u32 = task::load(current, offset!(task_tgid));
    let tid: u32 = task::load(current, offset!(task_pid));
    let owner = Owner { at: task::now(), start: (*process).start, tgid, tid };
    let (first, second, fifth) = if abi == ABI_NATIVE {
        (
            register::<BTF>(regs, offset!(regs_arg0)),
            register::<BTF>(regs, offset!(regs_arg1)),
            register::<BTF>(regs, offset!(regs_arg4)),
        )
    } else {
        (
            register::<BTF>(regs, offset!(regs_compat_arg0)) & 0xffff_ffff,
            register::<BTF>(regs, offset!(regs_compat_arg1)) & 0xffff_ffff,
            register::<BTF>(regs, offset!(regs_compat_arg4)),
        )
    };
    let (dirfd, filename, at_flags) =
        if class == CLASS_EXECVEAT { (first as i32, second, fifth as u32) } else { (AT_FDCWD, first, 0) };
    text::set_owner(owner);
    text::user_string(kind::TEXT_FILENAME, filename);
    let Some(scratch) = TEXT.get_ptr_mut(0) else { return };
    let record = (&raw mut (*scratch).bytes).cast::<ExecFailedRecord>();
    let size = size_of::<ExecFailedRecord>() as u32;
    *record = ExecFailedRecord {
        header: task::header(owner.at, owner.start, tgid, tid, kind::EXEC_FAILED, size),
        errno: -result as u32,
        call: number,
        abi,
        dirfd,
        at_flags,
        reserved: 0,
    };
    send(Family::Process, u64::from(size));
}

#[inline(always)]
unsafe fn on_credentials<const BTF: bool>(
    process: *mut Process,
    current: *const u8,
    regs: *const u8,
    abi: u32,
    number: u32,
) {
    let tgid: u32 = task::load(current, offset!(task_tgid));
    let tid: u32 = task::load(current, offset!(task_pid));
    let Some(scratch) = TEXT.get_ptr_mut(0) else { return };
    let record = (&raw mut (*scratch).bytes).cast::<CredentialsRecord>();
    let size = size_of::<CredentialsRecord>() as u32;
    (*record).header = task::header(task::now(), (*process).start, tgid, tid, kind::CREDENTIALS, size);
    task::credentials(task::current_address(), core::mem::offset_of!(CredentialsRecord, credentials));
    (*record).call = number;
    (*record).abi = abi;
    (*record).argument = if abi == ABI_NATIVE {
        register::<BTF>(regs, offset!(regs_arg0))
    } else {
        register::<BTF>(regs, offset!(regs_compat_arg0)) & 0xffff_ffff
    };
    send(Family::Process, u64::from(size));
}
