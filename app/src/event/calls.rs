//! Calls that matter by themselves.

use super::{AccessId, AccessTotals, Observed, Syscall};

/// Calls that are alike were made for the first time; how often is in their totals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Number of these calls, by which later totals are told.
    pub access: AccessId,
    /// Totals so far: `failures` says how often, whatever became of them, and `bytes_written` how many bytes were moved.
    pub totals: AccessTotals,
    /// The call.
    pub call: Syscall,
    /// What it does.
    pub action: Action,
    /// What exactly: the signal, the request of `ptrace`, the command of `bpf`, the option of `prctl`.
    pub number: Option<u64>,
    /// Its second number: flags, a length, the value of an option.
    pub value: Option<u64>,
    /// Whom it is about.
    pub target: Option<Target>,
    /// A name that it was given.
    pub text: Option<Observed<Vec<u8>>>,
    /// What the first of them returned; a negative errno if they failed.
    pub result: i64,
}

impl Called {
    /// Positive errno, if they failed.
    pub fn errno(&self) -> Option<i32> {
        i32::try_from(self.result).ok().filter(|result| *result < 0).map(|result| -result)
    }
}

/// What a call that matters by itself does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Sends a signal.
    Signal,
    /// Traces a process (`ptrace`).
    Trace,
    /// Reads the memory of a process.
    ReadMemory,
    /// Writes to the memory of a process.
    WriteMemory,
    /// Opens a descriptor of a process.
    OpenProcess,
    /// Loads a module into the kernel.
    LoadModule,
    /// Takes one out of it.
    RemoveModule,
    /// Loads another kernel.
    LoadKernel,
    /// Loads or changes programs and maps of the kernel (`bpf`).
    KernelProgram,
    /// Counts or samples events of processes or CPUs.
    PerfEvent,
    /// Changes the name of a thread.
    Rename,
    /// Sets another option of a process (`prctl`).
    SetOption,
    /// Filters system calls.
    Filter,
    /// Handles page faults in user space.
    HandleFaults,
    /// Watches what others do with files.
    WatchFiles,
    /// Restarts or stops the machine.
    Reboot,
    /// Uses the machine's ports.
    UsePorts,
    /// Sets the clock.
    SetClock,
    /// Makes a ring for requests (`io_uring`).
    MakeRing,
    /// Reads or clears the kernel's log.
    ReadLog,
}

/// Whom a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// A number as the caller's pid namespace has it: a process, 0 or less for groups.
    Process(i32),
    /// The same, but of a thread.
    Thread(i32),
    /// A process in the initial pid namespace, that a descriptor led to.
    Descriptor(u32),
}
