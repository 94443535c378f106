//! Rules about calls that matter by themselves.

use std::sync::Arc;

use super::{
    Fact, Found, Hit, Rule, Session,
    Severity::{self, High, Info, Low, Medium},
    kin::Kin,
    processes::is_kernel_name,
    rules::*,
};
use crate::{
    event::Action,
    session::{CallEntry, Whom},
};

/// The request of ptrace (`linux/ptrace.h`) by which a process has its parent trace it.
const TRACEME: u64 = 0;
/// Those by which a process is taken control of.
const ATTACH: [u64; 2] = [16, 0x4206];
/// Those that write to it: text, data, registers.
const WRITE: [u64; 6] = [4, 5, 6, 13, 15, 0x4205];
/// Commands of bpf (`linux/bpf.h`) that put a program into the kernel or in place: `BPF_PROG_LOAD`, `BPF_PROG_ATTACH`,
/// `BPF_RAW_TRACEPOINT_OPEN`, `BPF_LINK_CREATE`.
const PLACES_PROGRAM: [u64; 4] = [5, 8, 17, 28];
/// Options of prctl.
const SET_DUMPABLE: u64 = 4;
const SET_MM: u64 = 35;

pub(super) fn look(session: &Session, index: usize, entry: &CallEntry, kin: &mut Kin, found: &mut Found) {
    let answers = entry.has_calls_answered().then_some((&CALLS_ANSWERED, Info));
    for (rule, severity) in judge(session, entry, kin).into_iter().chain(answers) {
        let fact = match entry.text.as_ref().and_then(|text| text.value()) {
            Some(name) if entry.action == Action::Rename => Fact::Name(Arc::clone(name)),
            _ => Fact::Call(index),
        };
        found.add(Hit {
            rule,
            severity,
            process: entry.process,
            fact,
            errno: entry.errno,
            at: entry.first_at,
            count: entry.count,
        });
    }
}

/// Less, if it was tried in vain.
fn unless_refused(entry: &CallEntry, done: Severity, refused: Severity) -> Severity {
    if entry.errno.is_none() { done } else { refused }
}

fn judge(session: &Session, entry: &CallEntry, kin: &mut Kin) -> Option<(&'static Rule, Severity)> {
    let number = entry.number.unwrap_or_default();
    if entry.whom == Some(Whom::Observer) {
        // To ask whether it is there, or for a descriptor of it, does nothing to it yet.
        let asks = entry.action == Action::OpenProcess || entry.action == Action::Signal && number == 0;
        return Some((&OBSERVER, if asks { Low } else { High }));
    }
    if entry.action == Action::Trace && number == TRACEME && session.root() == Some(entry.process) {
        // Its parent is glasshouse, which must not become its tracer: it would stop for good at its next signal.
        return Some((&OBSERVER, Medium));
    }
    Some(match entry.action {
        Action::LoadModule | Action::RemoveModule => (&KERNEL_MODULE, unless_refused(entry, High, Medium)),
        Action::LoadKernel => (&KERNEL_REPLACED, unless_refused(entry, High, Medium)),
        Action::KernelProgram if PLACES_PROGRAM.contains(&number) => {
            (&KERNEL_PROGRAM, unless_refused(entry, High, Medium))
        }
        Action::KernelProgram => (&KERNEL_PROGRAM, Low),
        Action::Signal if number == 0 => return None,
        Action::Signal => match entry.whom {
            Some(Whom::Everyone) => (&SIGNALS_ALL, Medium),
            Some(Whom::Outside) => (&SIGNALS_OTHERS, unless_refused(entry, Medium, Low)),
            _ => return None,
        },
        Action::Trace if ATTACH.contains(&number) || WRITE.contains(&number) => {
            (&INJECTION, control(session, entry, kin)?)
        }
        Action::Trace => (&TRACING, Low),
        Action::WriteMemory => (&INJECTION, control(session, entry, kin)?),
        Action::ReadMemory => match entry.whom {
            Some(Whom::Outside) => (&MEMORY_READ, Medium),
            Some(Whom::Itself) | None => return None,
            _ => (&MEMORY_READ, Low),
        },
        Action::Rename => {
            let name = entry.text.as_ref().and_then(|text| text.value())?;
            (&KERNEL_NAME, if is_kernel_name(name) { High } else { return None })
        }
        Action::SetOption if number == SET_MM => (&ARGUMENTS_MOVED, unless_refused(entry, Medium, Low)),
        Action::SetOption if number == SET_DUMPABLE && entry.value == Some(0) => (&NOT_DUMPABLE, Low),
        Action::MakeRing => (&RING, Info),
        Action::Reboot => (&REBOOT, unless_refused(entry, High, Medium)),
        Action::UsePorts => (&PORTS, Medium),
        Action::SetClock => (&CLOCK, unless_refused(entry, Medium, Low)),
        Action::SetOption
        | Action::OpenProcess
        | Action::PerfEvent
        | Action::Filter
        | Action::HandleFaults
        | Action::WatchFiles
        | Action::ReadLog => return None,
    })
}

/// How much it matters whom a process takes control of.
fn control(session: &Session, entry: &CallEntry, kin: &mut Kin) -> Option<Severity> {
    Some(match entry.whom? {
        Whom::Itself => return None,
        // A debugger and what it debugs.
        Whom::Process(target) if kin.is_descendant(session, target, entry.process) => Low,
        Whom::Outside => unless_refused(entry, High, Medium),
        // Whoever writes by ptrace has attached before, which says more of whom.
        Whom::Unknown
            if entry.action == Action::Trace && WRITE.contains(&entry.number.unwrap_or_default()) =>
        {
            Low
        }
        _ => Medium,
    })
}
