//! Calls that matter by themselves, and which of their arguments are told.

use glasshouse_common::syscall::ToldCall;

use super::bare_name;
use crate::event::{Action, Syscall};

/// One of these calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What it does.
    pub action: Action,
    /// One letter per argument: t the number of a process and T that of a thread, d a descriptor of a process, n and v
    /// numbers, s a text; - is not told.
    letters: &'static str,
    marks: u64,
}

impl Told {
    /// Which argument has a letter.
    pub fn position(&self, letter: char) -> Option<usize> {
        self.letters.find(letter)
    }

    /// The same for the kernel side.
    pub(super) fn word(self) -> ToldCall {
        (0..).zip(self.letters.chars()).fold(ToldCall::NOTHING.marked(self.marks), |word, (at, letter)| {
            match letter {
                't' | 'T' => word.keeping(at).with(ToldCall::TARGET, at),
                'd' => word.with(ToldCall::DESCRIPTOR, at),
                'n' | 'v' => word.keeping(at),
                's' => word.with(ToldCall::TEXT, at),
                _ => word,
            }
        })
    }
}

/// What is told of a call, if it is one of these.
pub fn of(call: Syscall) -> Option<Told> {
    bare_name(call.abi, call.number).and_then(by_name)
}

/// The same, by the name without its ABI's prefix.
pub(super) fn by_name(name: &str) -> Option<Told> {
    use Action as Does;
    let (action, letters, marks) = match name {
        "kill" | "rt_sigqueueinfo" => (Does::Signal, "tn", 0),
        "tkill" => (Does::Signal, "Tn", 0),
        // Not the thread: a runtime that signals its own many threads does so all the time.
        "tgkill" | "rt_tgsigqueueinfo" => (Does::Signal, "t-n", 0),
        "pidfd_send_signal" => (Does::Signal, "dn", 0),
        "ptrace" => (Does::Trace, "nt", 0),
        "process_vm_readv" => (Does::ReadMemory, "t", ToldCall::BYTES),
        "process_vm_writev" => (Does::WriteMemory, "t", ToldCall::BYTES),
        "pidfd_open" => (Does::OpenProcess, "tv", 0),
        "init_module" => (Does::LoadModule, "-v", 0),
        "finit_module" => (Does::LoadModule, "--v", 0),
        "delete_module" => (Does::RemoveModule, "sv", 0),
        "kexec_load" | "kexec_file_load" => (Does::LoadKernel, "", 0),
        "bpf" => (Does::KernelProgram, "n", 0),
        "perf_event_open" => (Does::PerfEvent, "-t", 0),
        "prctl" => (Does::SetOption, "nv", ToldCall::OPTIONS),
        "seccomp" => (Does::Filter, "nv", 0),
        "userfaultfd" => (Does::HandleFaults, "v", 0),
        "fanotify_init" => (Does::WatchFiles, "v", 0),
        "reboot" => (Does::Reboot, "--n", 0),
        "iopl" | "ioperm" => (Does::UsePorts, "v", 0),
        "settimeofday" | "stime" => (Does::SetClock, "", 0),
        "clock_settime" | "clock_settime64" => (Does::SetClock, "n", 0),
        "io_uring_setup" => (Does::MakeRing, "v", 0),
        "syslog" => (Does::ReadLog, "n", 0),
        _ => return None,
    };
    Some(Told { action, letters, marks })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use glasshouse_common::syscall::NO_ARGUMENT;

    use super::*;

    #[test]
    fn what_is_told_of_a_call() {
        let ptrace = by_name("ptrace").unwrap();
        assert_eq!(
            (ptrace.position('n'), ptrace.position('t'), ptrace.position('s')),
            (Some(0), Some(1), None)
        );
        let word = ptrace.word();
        assert_eq!([0, 1, 2, 3].map(|at| word.keeps(at)), [true, true, false, false]);
        assert_eq!((word.argument(ToldCall::TARGET), word.argument(ToldCall::TEXT)), (1, NO_ARGUMENT));
        let by_descriptor = by_name("pidfd_send_signal").unwrap().word();
        assert!(!by_descriptor.keeps(0), "the number of a descriptor says nothing");
        assert_eq!(by_descriptor.argument(ToldCall::DESCRIPTOR), 0);
        assert_eq!(by_name("getppid"), None);
    }
}
