//! The rules: what each is called, and which techniques of MITRE ATT&CK it is about.

/// A rule. What it looks at is where its hits are made.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable name.
    pub id: &'static str,
    /// What was seen, in words.
    pub title: &'static str,
    /// Techniques of MITRE ATT&CK.
    pub attack: &'static [&'static str],
    /// What such a run may have done unseen, if it succeeded: a code, and the same in words.
    pub blind_spot: Option<(&'static str, &'static str)>,
}

/// Declares the rules, and the list of them.
macro_rules! rules {
    ($($(#[$meta:meta])* $name:ident = $id:literal, $title:literal, [$($attack:literal),*], $blind:expr;)*) => {
        $(
            $(#[$meta])*
            pub(super) static $name: Rule =
                Rule { id: $id, title: $title, attack: &[$($attack),*], blind_spot: $blind };
        )*

        /// All of them.
        pub static RULES: &[&Rule] = &[$(&$name),*];
    };
}

/// What is done by others is not the command's, as far as the kernel knows.
const BY_OTHERS: Option<(&str, &str)> = Some((
    "work_by_others",
    "the command talked to services, or left jobs for them: what they do for it is done by processes that are none of its",
));
/// The kernel starts these itself.
const BY_KERNEL: Option<(&str, &str)> = Some((
    "kernel_helper",
    "the command changed which program the kernel starts, or for what: such a program is none of the command's processes",
));
/// What runs in the kernel can change what is seen.
const IN_KERNEL: Option<(&str, &str)> = Some((
    "kernel_code",
    "the command put code into the kernel, which can do anything unseen, and change what is seen",
));
/// What has left the group is not paused and ended with it.
const OUT_OF_GROUP: Option<(&str, &str)> = Some((
    "control_group",
    "the command changed control groups: packets of what has left its own are not seen, and freezing does not reach it",
));

/// Nobody looks at what goes on longer than the observation.
const AFTERWARDS: Option<(&str, &str)> = Some((
    "left_running",
    "processes of the command went on when the observation ended: what they did afterwards was not seen",
));

/// The kernel side sees what calls return, and not who answered them.
const ANSWERED: Option<(&str, &str)> = Some((
    "answered_calls",
    "processes of the command were under filters or tracers of its own that can answer system calls in the kernel's place: what \
     such a call is told to have done need not have happened",
));

rules! {
    /// A module was loaded or taken out, or that was tried.
    KERNEL_MODULE = "kernel_module", "loads or removes a kernel module", ["T1547.006", "T1014"], IN_KERNEL;
    /// Another kernel was put in place.
    KERNEL_REPLACED = "kernel_replaced", "loads another kernel", ["T1014"], IN_KERNEL;
    /// `bpf()` loaded or attached a program, or changed what there is.
    KERNEL_PROGRAM = "kernel_program", "uses programs or maps of the kernel (bpf)", ["T1014"], IN_KERNEL;
    /// glasshouse was signalled, traced, or its memory used.
    OBSERVER = "observer_attacked", "acts on the process that observes it", ["T1562.001"], None;
    /// `kill(-1)`.
    SIGNALS_ALL = "signals_everyone", "signals every process that it may", ["T1489"], None;
    /// A signal other than 0 to a process that is none of the run's.
    SIGNALS_OTHERS = "signals_others", "signals a process outside of the run", ["T1489"], None;
    /// Attaching by ptrace, writing through it, `process_vm_writev`, `/proc/PID/mem`.
    INJECTION = "process_injection", "writes to another process or takes control of it", ["T1055.008", "T1055.009"], None;
    /// `process_vm_readv`, `/proc/PID/mem`.
    MEMORY_READ = "memory_read", "reads the memory of another process", ["T1003.007"], None;
    /// `PTRACE_TRACEME`, and requests of whoever traces what it has started.
    TRACING = "tracing", "traces what it has started, or lets itself be traced", ["T1622"], None;
    /// A name in brackets, or of a kernel thread, by prctl, argv[0] or at the end.
    KERNEL_NAME = "kernel_thread_name", "calls itself like a thread of the kernel", ["T1036.004"], None;
    /// `PR_SET_MM`: where others read arguments and environment.
    ARGUMENTS_MOVED = "arguments_moved", "changes which arguments others see of it", ["T1036.011"], None;
    /// `PR_SET_DUMPABLE` with 0.
    NOT_DUMPABLE = "not_dumpable", "closes its files in procfs to others of its user", ["T1622"], None;
    /// A filter of seccomp was put in place, or another process's calls or their results were changed by ptrace.
    CALLS_ANSWERED = "answered_calls", "can have system calls answered in the kernel's place", [], ANSWERED;
    /// A ring was made. What is asked for through it is told as calls are, but for what `observation.blind_spots` names.
    RING = "io_uring", "makes requests through rings (io_uring)", [], None;
    /// `open_by_handle_at`, which needs rights over all files and asks no directory on the way.
    OPENED_BY_HANDLE = "opened_by_handle", "opens files by handle, past names and directories", ["T1611"], None;
    /// Calls of the table of 32-bit programs, which filters made for the other one take for other calls.
    CALLS_32 = "calls_of_32_bit", "makes calls of the 32-bit table", [], None;
    /// Restarting or stopping the machine.
    REBOOT = "reboot", "restarts or stops the machine", ["T1529"], None;
    /// Ports of the machine.
    PORTS = "hardware_ports", "uses the machine's ports", ["T1014"], None;
    /// The clock.
    CLOCK = "clock_set", "sets the clock", ["T1070.006"], None;
    /// core_pattern, modprobe, binfmt_misc, uevent_helper, release_agent and their like were written.
    KERNEL_HELPER = "kernel_helper", "changes which program the kernel starts", ["T1611", "T1546"], BY_KERNEL;
    /// cgroup.procs, cgroup.freeze, cgroup.kill and their like were written.
    CONTROL_GROUP = "control_group", "changes control groups, which hold processes together", ["T1562.001"], OUT_OF_GROUP;
    /// Jobs of at and cron.
    SCHEDULED_JOB = "scheduled_job", "leaves a job for at or cron", ["T1053.002", "T1053.003"], BY_OTHERS;
    /// Units of systemd, scripts of init.
    SERVICE_UNIT = "service_unit", "leaves a service or timer", ["T1543.002", "T1053.006"], BY_OTHERS;
    /// `/etc/ld.so.preload`.
    PRELOAD = "loader_preload", "has a library loaded into every program", ["T1574.006"], BY_OTHERS;
    /// A socket of a daemon that runs containers or machines for others.
    CONTAINER_DAEMON = "container_daemon", "talks to a daemon that runs what it is told, with its rights", ["T1610", "T1611"], BY_OTHERS;
    /// D-Bus, systemd.
    MESSAGE_BUS = "message_bus", "talks to services over a message bus", ["T1559"], BY_OTHERS;
    /// An executed file that has no name: a memfd, a deleted file.
    FILELESS = "fileless_execution", "executes a file that has no name", ["T1620"], None;
    /// A process removed the file that it was executed from.
    SELF_DELETED = "deletes_itself", "removes the file that it runs from", ["T1070.004"], None;
    /// User, mount, pid and network namespaces.
    NAMESPACES = "new_namespaces", "enters namespaces of its own", [], None;
    /// chroot, pivot_root.
    ROOT_CHANGED = "root_changed", "changes its root directory", [], None;
    /// Mounts.
    MOUNTED = "mounted", "mounts file systems", [], None;
    /// It was alive when the command had ended.
    LEFT_RUNNING = "left_running", "goes on after the command has ended", [], AFTERWARDS;
}
