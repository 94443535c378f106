//! New images: `sched_process_exec(task, old_pid, bprm)`, when the new image is in place and has not run yet, and
//! `sched_prepare_exec(task, bprm)` (Linux 6.10), when the number of the call is still known.

use core::ffi::c_void;

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::generated::bpf_loop};
use glasshouse_common::{
    CredentialsRecord, ExecRecord, Family, FileFacts, FileId, flags, kind,
    limits::{ARGV_BYTES, ENV_BYTES, TASK_WORKS},
    state::{ADOPTED, FILES, NEW_IMAGE, Process},
    syscall::ABI_NATIVE,
};

use super::{
    probe,
    syscall::{Call, go_on_with},
};
use crate::{
    emit::send_and_wake,
    fds,
    file::tid,
    layout::{Kernel, constant, entry, forget, offset, opaque, zero},
    maps::{EXECUTED, ROOT_SEEN, Scratch, scratch},
    path::{self, PathRef},
    scope, socket, task,
    text::{self, Owner},
};

/// `__FMODE_EXEC` of `linux/fs.h`: set in `f_flags` of the files that the kernel opens to execute them, and never of
/// those that user space opens.
const FMODE_EXEC: u32 = 0x20;
/// `S_IFMT` and `S_IFREG` of `linux/stat.h`.
const S_IFMT: u16 = 0o170_000;
const S_IFREG: u16 = 0o100_000;

probe!(prepare_exec, "sched_prepare_exec", on_prepare_exec);
probe!(exec, "sched_process_exec", on_exec);

/// What the program for files and tasks goes on with, as the class of the [`Call`] that it is given: an exec that is being prepared.
pub(crate) const PREPARES: u32 = 0x300;
/// A new image.
pub(crate) const EXECUTES: u32 = 0x301;

#[inline(always)]
unsafe fn on_prepare_exec(arguments: *const u64) {
    go_on_if_own(arguments, PREPARES);
}

#[inline(always)]
unsafe fn on_exec(arguments: *const u64) {
    go_on_if_own(arguments, EXECUTES);
}

/// Goes on with what a process in scope does, or may be the root that does it.
#[inline(always)]
unsafe fn go_on_if_own(arguments: *const u64, class: u32) {
    let tgid: u32 = task::load(task::current(), offset!(task_tgid));
    if scope::find(tgid).is_some() || core::ptr::read_volatile(&raw const ROOT_SEEN) == 0 {
        go_on_with(arguments, FILES, Call::of(class, tgid));
    }
}

/// Notes the number of the call, which the kernel overwrites when it sets up the new image's personality, and tells the file
/// name, which may be nowhere any more if the image cannot be loaded: from here on there is no way back.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn prepares(scratch: *mut Scratch, tgid: u32, bprm: u64) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let current = task::current();
    let adopted = adopt_root(tgid);
    let Some(process) = scope::find(tgid) else { return 0 };
    if adopted != 0 {
        // The image may be one that changes its user, or that cannot be loaded: what it began with is said before that.
        send_root_credentials(scratch, process, current, tgid);
    }
    text::set_owner(scratch, Owner { at: task::now(), start: (*process).start, tgid, tid: tid() });
    let named = text::kernel_string(scratch, kind::TEXT_PREPARED, Kernel(bprm).read(offset!(bprm_filename)));
    (*process).exec_named = named as u16;
    let number: u64 = task::load(task::current_regs(), offset!(regs_number));
    (*process).exec_task = task::current_address().0 as u32;
    (*process).exec_call = number as u32 + 1;
    (*process).exec_abi = task::abi(current) as u16;
    0
}

#[inline(always)]
unsafe fn send_root_credentials(scratch: *mut Scratch, root: *mut Process, current: *const u8, tgid: u32) {
    let record = (&raw mut (*scratch).text.bytes).cast::<CredentialsRecord>();
    let size = size_of::<CredentialsRecord>() as u32;
    let tid: u32 = task::load(current, offset!(task_pid));
    (*record).header = task::header(task::now(), (*root).start, tgid, tid, kind::ROOT_CREDENTIALS, size);
    task::credentials(
        scratch,
        task::current_address(),
        core::mem::offset_of!(CredentialsRecord, credentials),
    );
    (*record).call = zero() as u32;
    (*record).abi = zero() as u32;
    (*record).argument = u64::from(constant!(ROOT_PID_NAMESPACE)) << 32 | u64::from(constant!(ROOT_PID));
    send_and_wake(scratch, Family::Process, u64::from(size), false);
}

/// Puts the process of the task that runs in scope, if it is the root and has not been yet. It is recognised by its pid in its
/// own namespace, so that this works within a container. Returns whether it is.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn adopt_root(tgid: u32) -> i32 {
    let seen = &raw mut ROOT_SEEN;
    if core::ptr::read_volatile(seen) != 0 {
        return 0;
    }
    let current = task::current_address();
    let (pid, namespace, _) = task::namespace_pid(current);
    if pid != constant!(ROOT_PID) || namespace != constant!(ROOT_PID_NAMESPACE) {
        return 0;
    }
    core::ptr::write_volatile(seen, 1);
    if constant!(HAS_GROUP) != 0 {
        socket::note_group(current);
    }
    i32::from(scope::add(tgid, task::start(current), ABI_NATIVE, true))
}

/// The flags of the exec that fails, which say whether it was prepared.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn failed_flags(tgid: u32) -> i32 {
    let Some(process) = scope::find(tgid) else { return 0 };
    if (*process).exec_call == 0 || (*process).exec_task != task::current_address().0 as u32 {
        return 0;
    }
    (flags::EXEC_FAILED_LATE | u32::from((*process).exec_named) * flags::EXEC_FAILED_NAMED) as i32
}

/// Tells of a new image.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn executes(scratch: *mut Scratch, tgid: u32, old_tid: u32, bprm: u64) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let trusted = task::current();
    let current = task::current_address();
    adopt_root(tgid);
    let Some(process) = scope::find(tgid) else { return 0 };
    let root = (*process).is_new_root == ADOPTED;
    let bprm = Kernel(bprm);
    let tid: u32 = task::load(trusted, offset!(task_pid));
    let at = task::now();
    let owner = Owner { at, start: (*process).start, tgid, tid };
    text::set_owner(scratch, owner);
    let mm = current.follow(offset!(task_mm));
    let image = mm.follow(offset!(mm_exe_file));
    let fs = current.follow(offset!(task_fs));
    let filename: u64 = bprm.read(offset!(bprm_filename));

    text::user_bytes(
        scratch,
        kind::TEXT_ARGV,
        mm.read(offset!(mm_arg_start)),
        mm.read(offset!(mm_arg_end)),
        ARGV_BYTES,
    );
    text::user_bytes(
        scratch,
        kind::TEXT_ENV,
        mm.read(offset!(mm_env_start)),
        mm.read(offset!(mm_env_end)),
        ENV_BYTES,
    );
    text::path(scratch, kind::TEXT_IMAGE_PATH, PathRef::at(image.member(offset!(file_path))));
    text::path(scratch, kind::TEXT_CWD, PathRef::at(fs.member(offset!(fs_pwd))));
    // Read again below: the verifier would follow what it learns here.
    let named = &raw mut (*process).exec_named;
    if core::ptr::read_volatile(named) == 0 {
        text::kernel_string(scratch, kind::TEXT_FILENAME, filename);
    }

    let mut bits = u32::from(core::ptr::read_volatile(named)) * flags::EXEC_NAMED;
    (*process).exec_named = 0;
    let mut script = Kernel(0);
    if bprm.read::<u64>(offset!(bprm_interp)) != filename {
        let kept = u32::from(bprm.read::<u8>(offset!(bprm_have_execfd))) & 1;
        bits |= flags::EXEC_INTERPRETED | kept * flags::EXEC_KEPT;
        script = Kernel(interpreted(scratch, bprm.0, kept));
        if script.0 != 0 {
            text::path(scratch, kind::TEXT_SCRIPT_PATH, PathRef::at(script.member(offset!(file_path))));
        }
    }
    if root {
        bits |= flags::EXEC_ROOT;
    }
    if old_tid != tid {
        bits |= flags::EXEC_FROM_THREAD;
    }
    let (bits, script) = (forget(u64::from(bits)) as u32, Kernel(forget(script.0)));

    let (abi, number) = if (*process).exec_call != 0 {
        (u32::from((*process).exec_abi), (*process).exec_call - 1)
    } else {
        infer_call(process, bprm)
    };
    let (abi, number) = (forget(u64::from(abi)) as u32, forget(u64::from(number)) as u32);
    (*process).exec_call = 0;
    // The kernel has set the new image's ABI by now.
    (*process).image_abi = task::abi(trusted);
    scope::count_call(tgid, abi, number);

    let record = (&raw mut (*scratch).text.bytes).cast::<ExecRecord>();
    let size = size_of::<ExecRecord>() as u32;
    (*record).header = task::header(at, owner.start, tgid, tid, kind::EXEC, size);
    path::file_facts(scratch, image, core::mem::offset_of!(ExecRecord, image));
    path::file_facts(scratch, script, core::mem::offset_of!(ExecRecord, script));
    task::credentials(scratch, current, core::mem::offset_of!(ExecRecord, credentials));
    let parent = current.follow(offset!(task_real_parent));
    (*record).parent_start = task::start(parent);
    (*record).parent_tgid = parent.read(offset!(task_tgid));
    (*record).old_tid = old_tid;
    (*record).argc = bprm.read(offset!(bprm_argc));
    (*record).envc = bprm.read(offset!(bprm_envc));
    (*record).flags = bits;
    (*record).call = number;
    (*record).abi = abi;
    current.read_to(offset!(task_comm), &raw mut (*record).comm);
    let (pid, namespace, level) = task::namespace_pid(current);
    (*record).ns_pid = pid;
    (*record).pid_ns = namespace;
    (*record).ns_level = level;
    let mut new = is_new(scratch, core::mem::offset_of!(ExecRecord, image) as u32);
    if script.0 != 0 {
        new |= is_new(scratch, core::mem::offset_of!(ExecRecord, script) as u32);
    }
    send_and_wake(scratch, Family::Process, u64::from(size), new != 0);
    // The files that it has open are told when the call returns.
    (*process).is_new_root = u32::from(root) * NEW_IMAGE;
    0
}

/// Whether the file has not been executed lately. It may be gone a moment after it has run: user space, which is to
/// hash it, does not sleep on. Its facts lie in the record under construction, `at` bytes into it.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn is_new(scratch: *mut Scratch, at: u32) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let at = (opaque(u64::from(at)) & 0xff) as usize;
    let facts = (&raw const (*scratch).text.bytes).cast::<u8>().add(at).cast::<FileFacts>();
    let id = FileId {
        inode: (*facts).inode,
        ctime_s: (*facts).ctime_s,
        size: (*facts).size,
        ctime_ns: (*facts).ctime_ns,
        device: (*facts).device,
    };
    let nothing = opaque(0);
    i32::from(EXECUTED.insert(&id, &nothing, u64::from(BPF_NOEXIST)).is_ok())
}

/// Without `sched_prepare_exec`, and for the root, which was not in scope by then: the caller's ABI is that of its
/// image (the launcher's is native), and an `execveat` that was given a descriptor has left its mark.
#[inline(always)]
unsafe fn infer_call(process: *mut Process, bprm: Kernel) -> (u32, u32) {
    let at_descriptor = bprm.read_optional::<u64>(offset!(bprm_fdpath)) != 0;
    let abi = (*process).image_abi;
    (abi, entry!(EXEC_CALLS: u32, u64::from(abi) * 2 + u64::from(at_descriptor)))
}

/// The file that the new image interprets, null if it is not known. With the flags `O` and `C` of binfmt_misc the kernel has kept
/// it as a descriptor, and by now nobody else has the table of these.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn interpreted(scratch: *mut Scratch, bprm: u64, kept: u32) -> u64 {
    if scratch.is_null() {
        return 0;
    }
    if kept != 0 {
        return fds::of_descriptor(scratch, Kernel(bprm).read(offset!(bprm_execfd))).0;
    }
    find_script(scratch, task::current_address()).0
}

/// The kernel has put its last reference to the script by now, but a file is closed only on the return to user
/// mode: until then it waits among the task's works. They are in order, latest first, and the script was the first
/// executed file that this call put, so it is the last of them in the list. Not all works are files: the timer's lie in
/// the task.
#[inline(always)]
unsafe fn find_script(scratch: *mut Scratch, current: Kernel) -> Kernel {
    let walk = &raw mut (*scratch).walk;
    (*walk).cursor = current.read(offset!(task_works));
    (*walk).found = 0;
    bpf_loop(TASK_WORKS, look_at_work as *mut c_void, core::ptr::null_mut(), 0);
    // The list was longer than what was looked at: what was found may not be the last.
    if (*walk).cursor != 0 {
        return Kernel(0);
    }
    Kernel((*walk).found)
}

/// Whether what lies there is a file that the kernel opened to execute it: what else lies there may look like one by its
/// flags, even by its inode, but does not agree with itself.
#[inline(always)]
unsafe fn is_executed(file: Kernel) -> bool {
    if file.read::<u32>(offset!(file_flags)) & FMODE_EXEC == 0 {
        return false;
    }
    let inode = file.follow(offset!(file_inode));
    let dentry = PathRef::at(file.member(offset!(file_path))).dentry;
    inode.read::<u16>(offset!(inode_mode)) & S_IFMT == S_IFREG
        && Kernel(dentry).follow(offset!(dentry_inode)) == inode
}

unsafe extern "C" fn look_at_work(_index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let walk = &raw mut (*scratch).walk;
    let work = Kernel((*walk).cursor);
    if work.0 == 0 {
        return 1;
    }
    let file = Kernel(work.0 - u64::from(offset!(file_task_work)));
    if is_executed(file) {
        (*walk).found = file.0;
    }
    (*walk).cursor = work.read(offset!(work_next));
    0
}
