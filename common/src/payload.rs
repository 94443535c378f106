//! The records themselves. All times are nanoseconds of `CLOCK_BOOTTIME` unless a field says otherwise.

use crate::header::Header;

record! {
    /// Credentials and namespaces of a task, from `task->cred`, `task->nsproxy` and `task->thread_pid`. User and
    /// group ids are those of the initial user namespace.
    Credentials, 104, {
        /// Inheritable, permitted, effective, bounding and ambient capability sets, bit n for capability n.
        inheritable: u64,
        /// See `inheritable`.
        permitted: u64,
        /// See `inheritable`.
        effective: u64,
        /// See `inheritable`.
        bounding: u64,
        /// See `inheritable`.
        ambient: u64,
        /// Real, saved, effective and file-system user id.
        uid: u32,
        /// Real group id.
        gid: u32,
        /// Saved user id.
        suid: u32,
        /// Saved group id.
        sgid: u32,
        /// Effective user id.
        euid: u32,
        /// Effective group id.
        egid: u32,
        /// File-system user id.
        fsuid: u32,
        /// File-system group id.
        fsgid: u32,
        /// Inode numbers (as `/proc/PID/ns/*` shows them) of the namespaces: user.
        user_ns: u32,
        /// Mount namespace.
        mnt_ns: u32,
        /// Pid namespace that children are created in.
        pid_ns_for_children: u32,
        /// Network namespace.
        net_ns: u32,
        /// UTS namespace.
        uts_ns: u32,
        /// IPC namespace.
        ipc_ns: u32,
        /// Cgroup namespace.
        cgroup_ns: u32,
        /// `securebits`.
        securebits: u32,
    }
}

record! {
    /// What the kernel says of one file: superblock device, inode, and whether a name still leads to it.
    FileFacts, 56, {
        /// Inode number.
        inode: u64,
        /// Size in bytes.
        size: u64,
        /// Seconds of the modification time.
        mtime_s: i64,
        /// Seconds of the change time, which nobody can set back.
        ctime_s: i64,
        /// Nanoseconds of the modification time.
        mtime_ns: u32,
        /// Nanoseconds of the change time. Since Linux 6.13 bit 31 of the kernel's field is a flag
        /// (`I_CTIME_QUERIED`): whoever reads this masks it.
        ctime_ns: u32,
        /// Device of the superblock, in the kernel's own encoding: major in the upper 12 bits, minor in the lower 20.
        device: u32,
        /// `FILE_*` flags.
        flags: u32,
        /// `i_mode`.
        mode: u32,
        /// Link count.
        links: u32,
    }
}

record! {
    /// One state of one file.
    FileId, 32, {
        /// Inode number.
        inode: u64,
        /// Seconds of the change time.
        ctime_s: i64,
        /// Size in bytes.
        size: u64,
        /// Nanoseconds of the change time.
        ctime_ns: u32,
        /// Device of the superblock.
        device: u32,
    }
}

record! {
    /// [`crate::kind::FORK`]. The header names the process that made the call.
    ForkRecord, 208, {
        /// Common header.
        header: Header,
        /// `start_boottime` of the new process.
        child_start: u64,
        /// `start_boottime` of the process that the kernel made its parent.
        parent_start: u64,
        /// The flags of the clone.
        clone_flags: u64,
        /// Thread group id of the new process.
        child_tgid: u32,
        /// Its id in its innermost pid namespace.
        child_ns_pid: u32,
        /// Thread group id of the process that the kernel made its parent (not the caller, with `CLONE_PARENT`).
        parent_tgid: u32,
        /// Zero.
        reserved: u32,
        /// The child's credentials.
        credentials: Credentials,
        /// The child's name (`comm`), NUL-padded.
        comm: [u8; 16],
        /// Inode number of the child's innermost pid namespace.
        child_pid_ns: u32,
        /// Depth of that namespace; 0 is the initial one.
        child_ns_level: u32,
        /// Zero.
        reserved2: u64,
    }
}

record! {
    /// [`crate::kind::EXEC`]: a new image is in place and has not run yet.
    ExecRecord, 312, {
        /// Common header. Texts of this exec carry the same `at`, `tgid` and `start`.
        header: Header,
        /// The loaded image (`mm->exe_file`).
        image: FileFacts,
        /// The file named by the caller, where that was a script whose first line named the image.
        script: FileFacts,
        /// Credentials after the exec.
        credentials: Credentials,
        /// `start_boottime` of the parent (`real_parent`).
        parent_start: u64,
        /// Thread group id of the parent.
        parent_tgid: u32,
        /// Thread id of the caller before the exec.
        old_tid: u32,
        /// Process id in the innermost pid namespace.
        ns_pid: u32,
        /// Number of arguments, as the kernel counted them.
        argc: u32,
        /// Number of environment strings, as the kernel counted them.
        envc: u32,
        /// `EXEC_*` flags.
        flags: u32,
        /// Number of the system call, in the caller's ABI.
        call: u32,
        /// ABI of that call: one of [`crate::syscall`]'s `ABI_*`.
        abi: u32,
        /// The name (`comm`) after the exec, NUL-padded.
        comm: [u8; 16],
        /// Inode number of the innermost pid namespace.
        pid_ns: u32,
        /// Depth of that namespace.
        ns_level: u32,
    }
}

record! {
    /// [`crate::kind::TEXT`], followed by `length` bytes.
    TextRecord, 56, {
        /// Common header; `at` is that of the record that the text belongs to.
        header: Header,
        /// Where this piece begins within the whole text, bytes.
        offset: u32,
        /// Bytes that follow.
        length: u32,
        /// Length of the whole text where it is known, even if not all of it is sent; else `offset + length`.
        total: u32,
        /// For paths: how many of the bytes lead from the leaf to the process's own root directory;
        /// `u32::MAX` if the walk did not meet it.
        in_root: u32,
        /// One of [`crate::kind`]'s `TEXT_*`.
        text: u16,
        /// `TEXT_*` and `PATH_*` flags.
        flags: u16,
        /// Errno of an unreadable text, positive.
        errno: u32,
    }
}

record! {
    /// [`crate::kind::EXEC_FAILED`].
    ExecFailedRecord, 56, {
        /// Common header.
        header: Header,
        /// Positive errno.
        errno: u32,
        /// Number of the system call, in the caller's ABI.
        call: u32,
        /// ABI of that call.
        abi: u32,
        /// The directory descriptor of `execveat`; `AT_FDCWD` (−100) otherwise.
        dirfd: i32,
        /// Flags of `execveat`.
        at_flags: u32,
        /// `EXEC_FAILED_*` flags.
        flags: u32,
    }
}

record! {
    /// [`crate::kind::EXIT`].
    ExitRecord, 88, {
        /// Common header.
        header: Header,
        /// User CPU time as accounted by tick, ns; of all threads, living and dead.
        user_ns: u64,
        /// System CPU time as accounted by tick, ns.
        system_ns: u64,
        /// Precise CPU time of both kinds, ns (`sum_exec_runtime`).
        runtime_ns: u64,
        /// Peak resident set, pages.
        max_rss_pages: u64,
        /// Wait status as `waitpid` gives it: exit code in bits 8–15, signal in bits 0–6, core flag in bit 7.
        status: u32,
        /// Threads started over the life of the process, the first not counted.
        threads_started: u32,
        /// The name (`comm`) of the thread that ended last, NUL-padded.
        comm: [u8; 16],
    }
}

record! {
    /// [`crate::kind::CREDENTIALS`].
    CredentialsRecord, 152, {
        /// Common header.
        header: Header,
        /// State after the call, of the calling thread.
        credentials: Credentials,
        /// Number of the system call.
        call: u32,
        /// ABI of that call.
        abi: u32,
        /// Its first argument; of [`crate::kind::ROOT_CREDENTIALS`] the id in the innermost pid namespace and, in the upper
        /// half, the inode number of that.
        argument: u64,
    }
}

record! {
    /// [`crate::kind::SYSCALLS`], followed by `count` [`SyscallCount`]s.
    SyscallsRecord, 40, {
        /// Common header.
        header: Header,
        /// Number of entries that follow.
        count: u32,
        /// `SYSCALLS_*` flags.
        flags: u32,
    }
}

record! {
    /// One system call and how often it returned.
    SyscallCount, 16, {
        /// How often.
        count: u64,
        /// Slot of the call in the table that user space filled in.
        slot: u32,
        /// Zero.
        reserved: u32,
    }
}

record! {
    /// Key of the map of rare system-call facts: denied calls, and calls with numbers outside of the table.
    RareKey, 24, {
        /// `start_boottime` of the process.
        start: u64,
        /// Thread group id.
        tgid: u32,
        /// Number of the call.
        number: u32,
        /// ABI of the call.
        abi: u32,
        /// Positive errno of a denied call; 0 for a count of calls.
        errno: u32,
    }
}

record! {
    /// What one process has done with one file: totals.
    AccessTotals, 96, {
        /// Times opened.
        opens: u64,
        /// Times made by opening.
        creates: u64,
        /// Times truncated.
        truncates: u64,
        /// Calls that read.
        reads: u64,
        /// Calls that wrote.
        writes: u64,
        /// Calls that read directory entries.
        directory_reads: u64,
        /// Executable maps.
        executable_maps: u64,
        /// Shared writable maps.
        writable_maps: u64,
        /// Failed attempts, or calls that matter by themselves.
        failures: u64,
        /// Bytes read.
        bytes_read: u64,
        /// Bytes written.
        bytes_written: u64,
        /// The last of these.
        last_at: u64,
    }
}

record! {
    /// [`crate::kind::FILE`], followed by `length` bytes of components, leaf first, each ended by NUL.
    FileRecord, 232, {
        /// Common header.
        header: Header,
        /// Number of this use.
        access: u64,
        /// The file.
        facts: FileFacts,
        /// Totals so far.
        totals: AccessTotals,
        /// Magic number of its file system.
        magic: u64,
        /// `f_flags`.
        open_flags: u32,
        /// One of `ORIGIN_*`.
        origin: u32,
        /// `FILE_RACED`.
        flags: u32,
        /// `PATH_*` and `TEXT_*` flags of the path.
        path_flags: u32,
        /// Bytes that follow.
        length: u32,
        /// Bytes of all components, kept or not.
        total: u32,
        /// How many of the bytes lead from the leaf to the process's own root directory; `u32::MAX` if it was not met.
        in_root: u32,
        /// Zero.
        reserved: u32,
    }
}

record! {
    /// [`crate::kind::FILE_TOTALS`].
    FileTotalsRecord, 136, {
        /// Common header.
        header: Header,
        /// Number of the use.
        access: u64,
        /// Totals so far.
        totals: AccessTotals,
    }
}

record! {
    /// [`crate::kind::LEFT`].
    LeftRecord, 40, {
        /// Common header.
        header: Header,
        /// Number of the use that is the first of those that are left; each names the next one.
        first: u64,
    }
}

record! {
    /// [`crate::kind::FILE_CHANGE`].
    FileChangeRecord, 80, {
        /// Common header.
        header: Header,
        /// Number of the use that the changed file has; 0 if paths say what was changed. With a path: of the file that it leads
        /// to by the name of a descriptor.
        access: u64,
        /// First number of the call beside its flags: a mode, an owner, a length.
        first: u64,
        /// Second: a group, a device.
        second: u64,
        /// Flags of the call.
        call_flags: u64,
        /// One of [`crate::operation`].
        operation: u32,
        /// `CHANGE_*` flags.
        flags: u32,
        /// Number of the system call.
        call: u32,
        /// ABI of that call.
        abi: u32,
    }
}

record! {
    /// [`crate::kind::FILE_FAILED`], followed by `length` bytes.
    FileFailedRecord, 160, {
        /// Common header.
        header: Header,
        /// Number of these attempts; 0 of one by itself.
        access: u64,
        /// Totals so far.
        totals: AccessTotals,
        /// One of [`crate::operation`].
        operation: u32,
        /// Positive errno.
        errno: u32,
        /// `CHANGE_*` flags.
        flags: u32,
        /// Number of the system call.
        call: u32,
        /// ABI of that call.
        abi: u32,
        /// Bytes that follow, of the first path argument.
        length: u32,
    }
}

record! {
    /// [`crate::kind::CALL`]. Calls that are alike (process, call, arguments that are told, target, error) are told once,
    /// with the number of their totals: as of what fails, `failures` says how often, and `bytes_written` sums results
    /// that are bytes.
    CallRecord, 280, {
        /// Common header.
        header: Header,
        /// Number of these calls.
        access: u64,
        /// Totals so far.
        totals: AccessTotals,
        /// The lower 32 bits of those arguments that are told, by their positions; of the others 0.
        arguments: [u64; 6],
        /// What the first of them returned.
        result: i64,
        /// Process in the initial pid namespace that a descriptor of a process led to; 0 if none did.
        target: u32,
        /// Number of the system call.
        call: u32,
        /// ABI of that call.
        abi: u32,
        /// Bytes of the text, its NUL not included.
        length: u32,
        /// A text argument, NUL-padded.
        text: [u64; 8],
        /// 1 if the call has a text.
        has_text: u32,
        /// Errno of an unreadable text, positive.
        text_errno: u32,
    }
}

record! {
    /// [`crate::kind::RING_RESULT`].
    RingResultRecord, 64, {
        /// Common header.
        header: Header,
        /// Number of the request.
        request: u64,
        /// Number of the use of the file that was opened; 0 if none was, or if it is not known.
        access: u64,
        /// What the completion says: a descriptor, 0, or a negative errno.
        result: i32,
        /// Bits: 1 if opening made the file, 2 if it cut it to nothing.
        made: u32,
        /// Zero.
        reserved: u64,
    }
}

record! {
    /// A request made through a ring that waits for its completion; by the address of the request.
    RingRequest, 32, {
        /// Its number.
        request: u64,
        /// `start_boottime` of the process.
        start: u64,
        /// Flags of an open.
        open_flags: u64,
        /// Thread group id.
        tgid: u32,
        /// One of [`crate::operation`].
        operation: u32,
    }
}
