//! What has a name.

use super::names;
use crate::{
    event::{
        Action, Direction, DnsTransport, ExecutableRole, FileOperation, FileOrigin, HttpVersion, PathSource,
        SocketOperation, SocketOrigin, TcpState, Unconfirmed,
    },
    facts::{GapKind, OutcomeStatus},
};

names! {
    Action {
        Signal = "signal",
        Trace = "trace",
        ReadMemory = "read_memory",
        WriteMemory = "write_memory",
        OpenProcess = "open_process",
        LoadModule = "load_module",
        RemoveModule = "remove_module",
        LoadKernel = "load_kernel",
        KernelProgram = "kernel_program",
        PerfEvent = "perf_event",
        Rename = "rename",
        SetOption = "set_option",
        Filter = "filter",
        HandleFaults = "handle_faults",
        WatchFiles = "watch_files",
        Reboot = "reboot",
        UsePorts = "use_ports",
        SetClock = "set_clock",
        MakeRing = "make_ring",
        ReadLog = "read_log",
    }
    PathSource { Kernel = "kernel", Argument = "argument", Raced = "raced" }
    ExecutableRole { Image = "image", Script = "script" }
    FileOrigin { Opened = "opened", Inherited = "inherited", Received = "received" }
    FileOperation {
        Open = "open",
        Create = "create",
        Truncate = "truncate",
        Read = "read",
        Write = "write",
        ReadDirectory = "read_directory",
        MapExecutable = "map_executable",
        MapWritable = "map_writable",
        Execute = "execute",
        Delete = "delete",
        RemoveDirectory = "remove_directory",
        MakeDirectory = "make_directory",
        Rename = "rename",
        Link = "link",
        Symlink = "symlink",
        ChangeMode = "change_mode",
        ChangeOwner = "change_owner",
        ChangeTimes = "change_times",
        SetAttribute = "set_attribute",
        RemoveAttribute = "remove_attribute",
        MakeNode = "make_node",
        Mount = "mount",
        Unmount = "unmount",
        ChangeDirectory = "change_directory",
        ChangeRoot = "change_root",
        PivotRoot = "pivot_root",
        Stat = "stat",
        CheckAccess = "check_access",
        ReadLink = "read_link",
        GetAttribute = "get_attribute",
        ListAttributes = "list_attributes",
        Watch = "watch",
        Quota = "quota",
        Account = "account",
        StartSwap = "start_swap",
        StopSwap = "stop_swap",
        SetFlags = "set_flags",
        SetMountAttributes = "set_mount_attributes",
    }
    Unconfirmed { NoCompletion = "no_completion", Ended = "ended" }
    Direction { Outbound = "outbound", Inbound = "inbound" }
    SocketOrigin { Created = "created", Accepted = "accepted", Inherited = "inherited", Received = "received" }
    SocketOperation {
        Create = "create",
        CreatePair = "create_pair",
        Connect = "connect",
        Bind = "bind",
        Listen = "listen",
        Accept = "accept",
        Send = "send",
        Receive = "receive",
        Use = "use",
    }
    TcpState {
        Established = "established",
        SynSent = "syn_sent",
        SynReceived = "syn_received",
        FinWait1 = "fin_wait_1",
        FinWait2 = "fin_wait_2",
        TimeWait = "time_wait",
        Close = "close",
        CloseWait = "close_wait",
        LastAck = "last_ack",
        Listen = "listen",
        Closing = "closing",
        NewSynReceived = "new_syn_received",
    }
    DnsTransport { Udp = "udp", Tcp = "tcp", Mdns = "mdns", Llmnr = "llmnr" }
    HttpVersion { Http10 = "1.0", Http11 = "1.1", Http2 = "2" }
    OutcomeStatus {
        Exited = "exited",
        Signaled = "signaled",
        FailedToStart = "failed_to_start",
        TimedOut = "timed_out",
        Interrupted = "interrupted",
        ObserverFailed = "observer_failed",
    }
    GapKind { Loss = "loss", Partial = "partial" }
}
