//! Offsets within kernel structures, found by user space in the running kernel's BTF and passed as one constant.

/// Declares the structure of offsets together with the table that says where each is to be found.
macro_rules! offsets {
    ($($(#[$meta:meta])* $field:ident = $structure:literal . $($path:literal)|+;)*) => {
        /// Byte offsets. [`ABSENT`] marks a member that this kernel does not have.
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        #[cfg_attr(feature = "user", derive(zerocopy::IntoBytes, zerocopy::FromBytes, zerocopy::Immutable))]
        pub struct Offsets {
            $($(#[$meta])* pub $field: u32,)*
        }

        impl Offsets {
            /// All members absent.
            pub const ABSENT: Self = Self { $($field: ABSENT,)* };
        }

        /// For each offset: its name here, the structure, and the member's path, in order of preference where
        /// kernel versions differ.
        pub const OFFSETS: &[(&str, &str, &[&str])] = &[$((stringify!($field), $structure, &[$($path),+]),)*];
    };
}

/// Number that stands for the first of the offsets in instructions, the next one for the second, until the loader puts the
/// offsets there. Like no other number that programs have use for.
pub const OFFSET_MARK: i32 = 0x6f66_0000;

/// Value of an offset whose member does not exist.
pub const ABSENT: u32 = u32::MAX;

offsets! {
    /// Flags with `TS_COMPAT` (x86).
    task_ti_status = "task_struct"."thread_info.status";
    /// Address space.
    task_mm = "task_struct"."mm";
    /// Wait status of the thread.
    task_exit_code = "task_struct"."exit_code";
    /// Thread id.
    task_pid = "task_struct"."pid";
    /// Thread group id.
    task_tgid = "task_struct"."tgid";
    /// Parent at birth, until it is re-parented.
    task_real_parent = "task_struct"."real_parent";
    /// Leader of the thread group.
    task_group_leader = "task_struct"."group_leader";
    /// The task's `struct pid`.
    task_thread_pid = "task_struct"."thread_pid";
    /// Link in `signal_struct.thread_head`.
    task_thread_node = "task_struct"."thread_node";
    /// User CPU time.
    task_utime = "task_struct"."utime";
    /// System CPU time.
    task_stime = "task_struct"."stime";
    /// Precise CPU time.
    task_runtime = "task_struct"."se.sum_exec_runtime";
    /// Start of the task on the boot clock (`real_start_time` before 5.5).
    task_start_boottime = "task_struct"."start_boottime";
    /// Effective credentials.
    task_cred = "task_struct"."cred";
    /// Name.
    task_comm = "task_struct"."comm";
    /// Root and working directory.
    task_fs = "task_struct"."fs";
    /// Namespaces.
    task_nsproxy = "task_struct"."nsproxy";
    /// Open files.
    task_files = "task_struct"."files";
    /// Shared by the threads of a process.
    task_signal = "task_struct"."signal";
    /// Work to be done before the return to user mode.
    task_works = "task_struct"."task_works";

    /// Head of the list of threads.
    signal_thread_head = "signal_struct"."thread_head";
    /// `SIGNAL_*` flags.
    signal_flags = "signal_struct"."flags";
    /// Wait status of the group.
    signal_group_exit_code = "signal_struct"."group_exit_code";
    /// User CPU time of threads that are gone.
    signal_utime = "signal_struct"."utime";
    /// System CPU time of threads that are gone.
    signal_stime = "signal_struct"."stime";
    /// Precise CPU time of threads that are gone.
    signal_runtime = "signal_struct"."sum_sched_runtime";
    /// Peak resident set, pages.
    signal_maxrss = "signal_struct"."maxrss";

    /// Depth of the innermost pid namespace.
    pid_level = "pid"."level";
    /// One `upid` per level.
    pid_numbers = "pid"."numbers";
    /// Id in that namespace.
    upid_nr = "upid"."nr";
    /// The namespace.
    upid_ns = "upid"."ns";
    /// Common part of a pid namespace.
    pid_ns_inum = "pid_namespace"."ns.inum";

    /// Real user id.
    cred_uid = "cred"."uid";
    /// Real group id.
    cred_gid = "cred"."gid";
    /// Saved user id.
    cred_suid = "cred"."suid";
    /// Saved group id.
    cred_sgid = "cred"."sgid";
    /// Effective user id.
    cred_euid = "cred"."euid";
    /// Effective group id.
    cred_egid = "cred"."egid";
    /// File-system user id.
    cred_fsuid = "cred"."fsuid";
    /// File-system group id.
    cred_fsgid = "cred"."fsgid";
    /// `SECBIT_*`.
    cred_securebits = "cred"."securebits";
    /// Capabilities kept over an exec of a file that has them too.
    cred_inheritable = "cred"."cap_inheritable";
    /// Capabilities it may use.
    cred_permitted = "cred"."cap_permitted";
    /// Capabilities in use.
    cred_effective = "cred"."cap_effective";
    /// Bounding set.
    cred_bounding = "cred"."cap_bset";
    /// Ambient set.
    cred_ambient = "cred"."cap_ambient";
    /// User namespace.
    cred_user_ns = "cred"."user_ns";
    /// Inode number of a user namespace.
    user_ns_inum = "user_namespace"."ns.inum";

    /// UTS namespace.
    nsproxy_uts = "nsproxy"."uts_ns";
    /// IPC namespace.
    nsproxy_ipc = "nsproxy"."ipc_ns";
    /// Mount namespace.
    nsproxy_mnt = "nsproxy"."mnt_ns";
    /// Pid namespace for children.
    nsproxy_pid = "nsproxy"."pid_ns_for_children";
    /// Network namespace.
    nsproxy_net = "nsproxy"."net_ns";
    /// Cgroup namespace.
    nsproxy_cgroup = "nsproxy"."cgroup_ns";
    /// Inode number of a UTS namespace.
    uts_ns_inum = "uts_namespace"."ns.inum";
    /// Inode number of an IPC namespace.
    ipc_ns_inum = "ipc_namespace"."ns.inum";
    /// Inode number of a mount namespace.
    mnt_ns_inum = "mnt_namespace"."ns.inum";
    /// Number by which namespaces are in order; 0 of one that belongs to descriptors alone.
    mnt_ns_number = "mnt_namespace"."seq" | "ns.ns_id";
    /// Inode number of a network namespace.
    net_ns_inum = "net"."ns.inum";
    /// Inode number of a cgroup namespace.
    cgroup_ns_inum = "cgroup_namespace"."ns.inum";

    /// Start of the argument strings.
    mm_arg_start = "mm_struct"."arg_start";
    /// End of the argument strings.
    mm_arg_end = "mm_struct"."arg_end";
    /// Start of the environment strings.
    mm_env_start = "mm_struct"."env_start";
    /// End of the environment strings.
    mm_env_end = "mm_struct"."env_end";
    /// The loaded image.
    mm_exe_file = "mm_struct"."exe_file";

    /// File of a mapping.
    vma_file = "vm_area_struct"."vm_file";
    /// `VM_*` flags.
    vma_flags = "vm_area_struct"."vm_flags";

    /// Number of arguments.
    bprm_argc = "linux_binprm"."argc";
    /// Number of environment strings.
    bprm_envc = "linux_binprm"."envc";
    /// The file name given to exec.
    bprm_filename = "linux_binprm"."filename";
    /// The file name of the image; differs from `filename` where a script named an interpreter.
    bprm_interp = "linux_binprm"."interp";
    /// `/dev/fd/N…` of an execveat with a descriptor.
    bprm_fdpath = "linux_binprm"."fdpath";
    /// `linux_binprm.have_execfd`: a bit, the first of its word.
    bprm_have_execfd = "linux_binprm"."have_execfd";
    /// `linux_binprm.execfd`.
    bprm_execfd = "linux_binprm"."execfd";

    /// Root directory of the process.
    fs_root = "fs_struct"."root";
    /// Working directory of the process.
    fs_pwd = "fs_struct"."pwd";
    /// The mount of a path.
    path_mnt = "path"."mnt";
    /// The dentry of a path.
    path_dentry = "path"."dentry";
    /// A file's path.
    file_path = "file"."f_path";
    /// A file's inode.
    file_inode = "file"."f_inode";
    /// Flags it was opened with.
    file_flags = "file"."f_flags";
    /// `FMODE_*` flags.
    file_mode = "file"."f_mode";
    /// The callback by which the last reference is put.
    file_task_work = "file"."f_task_work" | "f_rcuhead" | "f_u.fu_rcuhead";
    /// Next of a task work.
    work_next = "callback_head"."next";

    /// Tasks that share the table of open files.
    files_count = "files_struct"."count.counter";
    /// The table in use.
    files_fdt = "files_struct"."fdt";
    /// The one that it begins with, which suffices for most.
    files_own = "files_struct"."fdtab";
    /// The array of that.
    files_own_fds = "files_struct"."fd_array";
    /// Length of the table.
    fdt_max_fds = "fdtable"."max_fds";
    /// The table: an array of files.
    fdt_fd = "fdtable"."fd";

    /// Parent directory.
    dentry_parent = "dentry"."d_parent";
    /// Name.
    dentry_name = "dentry"."d_name.name";
    /// Length of the name without its NUL.
    dentry_name_length = "dentry"."d_name.len";
    /// Hash of the name and of the parent directory's address, in one word with its length.
    dentry_name_hash = "dentry"."d_name.hash_len";
    /// Hash chain; its back link is null when the dentry is unlinked.
    dentry_hash_pprev = "dentry"."d_hash.pprev";
    /// What it names.
    dentry_inode = "dentry"."d_inode";
    /// Parent mount.
    mount_parent = "mount"."mnt_parent";
    /// Where it is mounted.
    mount_mountpoint = "mount"."mnt_mountpoint";
    /// The part that paths point to.
    mount_mnt = "mount"."mnt";
    /// The namespace it belongs to.
    mount_ns = "mount"."mnt_ns";
    /// Root of the mounted tree.
    vfsmount_root = "vfsmount"."mnt_root";

    /// Type and permissions.
    inode_mode = "inode"."i_mode";
    /// Number.
    inode_ino = "inode"."i_ino";
    /// Size.
    inode_size = "inode"."i_size";
    /// Link count.
    inode_nlink = "inode"."i_nlink";
    /// What the file system keeps of it; of a descriptor of a process the process, since Linux 6.9.
    inode_private = "inode"."i_private";
    /// Superblock.
    inode_sb = "inode"."i_sb";
    /// Seconds of the modification time.
    inode_mtime_s = "inode"."i_mtime_sec" | "__i_mtime.tv_sec" | "i_mtime.tv_sec";
    /// Nanoseconds of the modification time.
    inode_mtime_ns = "inode"."i_mtime_nsec" | "__i_mtime.tv_nsec" | "i_mtime.tv_nsec";
    /// Seconds of the change time.
    inode_ctime_s = "inode"."i_ctime_sec" | "__i_ctime.tv_sec" | "i_ctime.tv_sec";
    /// Nanoseconds of the change time, with a flag in bit 31.
    inode_ctime_ns = "inode"."i_ctime_nsec" | "__i_ctime.tv_nsec" | "i_ctime.tv_nsec";
    /// Magic number of the file system.
    sb_magic = "super_block"."s_magic";
    /// Device.
    sb_dev = "super_block"."s_dev";

    /// What a file of a socket belongs to.
    file_private = "file"."private_data";
    /// The protocol's part of a socket.
    socket_sock = "socket"."sk";
    /// Number of a socket's inode, which lies behind the socket.
    socket_inode = "socket_alloc"."vfs_inode.i_ino";
    /// `AF_*`.
    sock_family = "sock"."__sk_common.skc_family";
    /// State of TCP and SCTP.
    sock_state = "sock"."__sk_common.skc_state";
    /// The peer's IPv4 address.
    sock_daddr = "sock"."__sk_common.skc_daddr";
    /// Local IPv4 address.
    sock_rcv_saddr = "sock"."__sk_common.skc_rcv_saddr";
    /// The peer's port, in the order of the network.
    sock_dport = "sock"."__sk_common.skc_dport";
    /// Local port.
    sock_num = "sock"."__sk_common.skc_num";
    /// The peer's IPv6 address.
    sock_v6_daddr = "sock"."__sk_common.skc_v6_daddr";
    /// Local IPv6 address.
    sock_v6_rcv_saddr = "sock"."__sk_common.skc_v6_rcv_saddr";
    /// Network namespace.
    sock_net = "sock"."__sk_common.skc_net.net";
    /// A number that no other socket has; 0 until somebody asks for it.
    sock_cookie = "sock"."__sk_common.skc_cookie.counter";
    /// `SOCK_*` flags by number.
    sock_flags = "sock"."__sk_common.skc_flags";
    /// Error to be told to the process.
    sock_error = "sock"."sk_err";
    /// The process's part of the socket; none while nobody has it, or any more.
    sock_socket = "sock"."sk_socket";
    /// `IPPROTO_*`.
    sock_protocol = "sock"."sk_protocol";
    /// `SOCK_*`.
    sock_type = "sock"."sk_type";
    /// Connections that may wait to be accepted.
    sock_backlog = "sock"."sk_max_ack_backlog";
    /// Process that the peer belongs to, of a unix socket.
    sock_peer_pid = "sock"."sk_peer_pid";
    /// Control group of whoever made it.
    sock_group = "sock"."sk_cgrp_data.cgroup";
    /// Local port in the order of the network, also when it has been given back.
    inet_sport = "inet_sock"."inet_sport";
    /// Segments sent.
    tcp_segs_out = "tcp_sock"."segs_out";
    /// Segments received.
    tcp_segs_in = "tcp_sock"."segs_in";
    /// Bytes of payload sent, repeated ones too.
    tcp_bytes_sent = "tcp_sock"."bytes_sent";
    /// Bytes of payload that were repeated.
    tcp_bytes_retrans = "tcp_sock"."bytes_retrans";
    /// Bytes received in order, and one for the end of the stream.
    tcp_bytes_received = "tcp_sock"."bytes_received";
    /// Address of a unix socket.
    unix_address = "unix_sock"."addr";
    /// The file of that address.
    unix_path = "unix_sock"."path";
    /// What a unix socket is connected to.
    unix_peer = "unix_sock"."peer";
    /// Bytes of an address, its family included.
    address_length = "unix_address"."len";
    /// The address.
    address_name = "unix_address"."name";
    /// The socket of a packet.
    skb_sock = "sk_buff"."sk";
    /// Start of the network header in a packet's buffer.
    skb_network_header = "sk_buff"."network_header";
    /// Start of the transport header.
    skb_transport_header = "sk_buff"."transport_header";
    /// Depth of a control group.
    cgroup_level = "cgroup"."level";
    /// Its ancestors by depth, itself included: the groups, or before Linux 6.0 their numbers.
    cgroup_ancestors = "cgroup"."ancestors" | "ancestor_ids";
    /// Its node in the file system.
    cgroup_node = "cgroup"."kn";
    /// Number of a node.
    node_id = "kernfs_node"."id";
    /// Control groups of a task.
    task_cgroups = "task_struct"."cgroups";
    /// The one of version 2.
    cgroups_default = "css_set"."dfl_cgrp";

    /// Kind of a request made through a ring.
    ring_opcode = "io_kiocb"."opcode";
    /// Descriptor of the file that it is to work on, until it has the file.
    ring_fd = "io_kiocb"."cqe.fd";
    /// Flags of the request; the lowest are those of its submission (`IOSQE_*`).
    ring_flags = "io_kiocb"."flags";
    /// The file it works on.
    ring_file = "io_kiocb"."file";
    /// Result in a completion.
    ring_result = "io_uring_cqe"."res";
    /// Of an open: directory descriptor, path, flags, mode.
    ring_open_dir = "io_open"."dfd";
    /// See `ring_open_dir`.
    ring_open_path = "io_open"."filename";
    /// See `ring_open_dir`.
    ring_open_flags = "io_open"."how.flags";
    /// See `ring_open_dir`.
    ring_open_mode = "io_open"."how.mode";
    /// See `ring_open_dir`.
    ring_open_resolve = "io_open"."how.resolve";
    /// Of an open: place in the ring's own table of files, from 1; 0 for a descriptor of the process.
    ring_open_slot = "io_open"."file_slot";
    /// Of an unlink: directory descriptor, path, flags.
    ring_unlink_dir = "io_unlink"."dfd";
    /// See `ring_unlink_dir`.
    ring_unlink_path = "io_unlink"."filename";
    /// See `ring_unlink_dir`.
    ring_unlink_flags = "io_unlink"."flags";
    /// Of a mkdir: directory descriptor, path, mode.
    ring_mkdir_dir = "io_mkdir"."dfd";
    /// See `ring_mkdir_dir`.
    ring_mkdir_path = "io_mkdir"."filename";
    /// See `ring_mkdir_dir`.
    ring_mkdir_mode = "io_mkdir"."mode";
    /// Of a rename: both directory descriptors, both paths, flags.
    ring_rename_dir = "io_rename"."old_dfd";
    /// See `ring_rename_dir`.
    ring_rename_path = "io_rename"."oldpath";
    /// See `ring_rename_dir`.
    ring_rename_new_dir = "io_rename"."new_dfd";
    /// See `ring_rename_dir`.
    ring_rename_new_path = "io_rename"."newpath";
    /// See `ring_rename_dir`.
    ring_rename_flags = "io_rename"."flags";
    /// Of a link, symbolic or not: both directory descriptors, both paths, flags.
    ring_link_dir = "io_link"."old_dfd";
    /// See `ring_link_dir`.
    ring_link_path = "io_link"."oldpath";
    /// See `ring_link_dir`.
    ring_link_new_dir = "io_link"."new_dfd";
    /// See `ring_link_dir`.
    ring_link_new_path = "io_link"."newpath";
    /// See `ring_link_dir`.
    ring_link_flags = "io_link"."flags";
    /// Of an accept: place in the ring's own table of files, from 1; 0 for a descriptor of the process.
    ring_accept_slot = "io_accept"."file_slot";
    /// The same of a socket that is made.
    ring_socket_slot = "io_socket"."file_slot";
    /// The kernel's copy of a path.
    filename_name = "filename"."name";

    /// Number of the system call on entry (x86: `orig_ax`; arm64: `syscallno`).
    regs_number = "pt_regs"."orig_ax" | "syscallno";
    // In the order of the arguments: the kernel side takes them by number.
    /// First argument of a native call.
    regs_arg0 = "pt_regs"."di" | "orig_x0";
    /// Second.
    regs_arg1 = "pt_regs"."si" | "regs[1]";
    /// Third.
    regs_arg2 = "pt_regs"."dx" | "regs[2]";
    /// Fourth.
    regs_arg3 = "pt_regs"."r10" | "regs[3]";
    /// Fifth.
    regs_arg4 = "pt_regs"."r8" | "regs[4]";
    /// Sixth.
    regs_arg5 = "pt_regs"."r9" | "regs[5]";
    /// First argument of a compat call.
    regs_compat_arg0 = "pt_regs"."bx" | "orig_x0";
    /// Second.
    regs_compat_arg1 = "pt_regs"."cx" | "regs[1]";
    /// Third.
    regs_compat_arg2 = "pt_regs"."dx" | "regs[2]";
    /// Fourth.
    regs_compat_arg3 = "pt_regs"."si" | "regs[3]";
    /// Fifth.
    regs_compat_arg4 = "pt_regs"."di" | "regs[4]";
    /// Sixth.
    regs_compat_arg5 = "pt_regs"."bp" | "regs[5]";
}
