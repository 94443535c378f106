//! Calls that matter by themselves, in the receipt.

use super::{Clock, network::id, split, texts::Texts};
use crate::{
    event::{Action, ProcessKey, Target},
    maps::HashMap,
    names,
    receipt::schema::{CallAction, CallTarget, NotableCall, Reason, TargetKind},
    session::{CallEntry, Whom},
};

/// Builds the entries of the lists.
pub(super) struct Builder<'a, 'b> {
    pub(super) clock: Clock,
    pub(super) texts: &'a mut Texts<'b>,
    ids: &'a HashMap<ProcessKey, u64>,
}

impl<'a, 'b> Builder<'a, 'b> {
    pub(super) fn new(clock: Clock, ids: &'a HashMap<ProcessKey, u64>, texts: &'a mut Texts<'b>) -> Self {
        Self { clock, texts, ids }
    }

    /// The list.
    pub(super) fn calls(&mut self, entries: &[CallEntry]) -> Vec<NotableCall> {
        entries.iter().enumerate().map(|(index, entry)| self.call(index, entry)).collect()
    }

    fn call(&mut self, index: usize, entry: &CallEntry) -> NotableCall {
        let (process, process_reason) = self.process(entry.process);
        let pointer = || format!("/syscalls/notable/{index}/text");
        let (text, text_reason) = self.texts.optional(entry.text.as_ref(), pointer);
        NotableCall {
            id: id(index),
            process,
            process_reason,
            call: self.texts.call(entry.call),
            action: action(entry.action),
            what: entry.number.map(|number| names::call_number(entry.action, number)),
            value: entry.value,
            target: entry.target.map(|target| self.target(target, entry.whom)),
            text,
            text_reason,
            errno: entry.errno.map(|errno| self.texts.errno(errno)),
            count: entry.count,
            bytes: (entry.bytes != 0).then_some(entry.bytes),
            first_at: self.clock.timestamp(entry.first_at),
            last_at: self.clock.timestamp(entry.last_at),
        }
    }

    pub(super) fn process(&self, process: ProcessKey) -> (Option<u64>, Option<Reason>) {
        split(self.id_of(process).ok_or(Reason::Limit))
    }

    pub(super) fn id_of(&self, process: ProcessKey) -> Option<u64> {
        self.ids.get(&process).copied()
    }

    fn target(&self, target: Target, whom: Option<Whom>) -> CallTarget {
        let pid = match target {
            Target::Process(number) | Target::Thread(number) => i64::from(number),
            Target::Descriptor(number) => i64::from(number),
        };
        let (is, process) = match whom {
            Some(Whom::Itself) => (TargetKind::Itself, None),
            Some(Whom::Process(key)) => (TargetKind::Process, self.id_of(key)),
            Some(Whom::Observer) => (TargetKind::Observer, None),
            Some(Whom::Outside) => (TargetKind::Outside, None),
            Some(Whom::Group) => (TargetKind::Group, None),
            Some(Whom::Everyone) => (TargetKind::Everyone, None),
            Some(Whom::Unknown) | None => (TargetKind::Unknown, None),
        };
        CallTarget { pid, is, process }
    }
}

fn action(action: Action) -> CallAction {
    match action {
        Action::Signal => CallAction::Signal,
        Action::Trace => CallAction::Trace,
        Action::ReadMemory => CallAction::ReadMemory,
        Action::WriteMemory => CallAction::WriteMemory,
        Action::OpenProcess => CallAction::OpenProcess,
        Action::LoadModule => CallAction::LoadModule,
        Action::RemoveModule => CallAction::RemoveModule,
        Action::LoadKernel => CallAction::LoadKernel,
        Action::KernelProgram => CallAction::KernelProgram,
        Action::PerfEvent => CallAction::PerfEvent,
        Action::Rename => CallAction::Rename,
        Action::SetOption => CallAction::SetOption,
        Action::Filter => CallAction::Filter,
        Action::HandleFaults => CallAction::HandleFaults,
        Action::WatchFiles => CallAction::WatchFiles,
        Action::Reboot => CallAction::Reboot,
        Action::UsePorts => CallAction::UsePorts,
        Action::SetClock => CallAction::SetClock,
        Action::MakeRing => CallAction::MakeRing,
        Action::ReadLog => CallAction::ReadLog,
    }
}
