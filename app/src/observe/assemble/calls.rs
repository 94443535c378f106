//! Events about calls that matter by themselves.

use glasshouse_common::{
    CallRecord,
    syscall::{PR_SET_NAME, PR_SET_PTRACER},
};
use zerocopy::IntoBytes as _;

use super::{files::totals, syscall};
use crate::{
    event::{Action, Called, EventKind, Observed, Target, Unreadable},
    syscalls::told,
};

/// The event of a record; `None` if its call is none of these, which only forged records have.
pub(super) fn called(record: &CallRecord) -> Option<EventKind> {
    let call = syscall(record.abi, record.call);
    let told = told::of(call)?;
    let argument = |letter| told.position(letter).and_then(|at| record.arguments.get(at)).copied();
    let number = argument('n');
    // What is told is of 32 bits, and signed where it is the number of a process.
    let process = argument('t').map(|number| Target::Process(number as i32));
    let thread = argument('T').map(|number| Target::Thread(number as i32));
    let descriptor = (record.target != 0).then_some(Target::Descriptor(record.target));
    let mut called = Called {
        access: record.access,
        totals: totals(&record.totals),
        call,
        action: told.action,
        number,
        value: argument('v'),
        // The number of a process that there is not is not told.
        target: process.or(thread).or(descriptor).filter(|_| record.result != -i64::from(libc::ESRCH)),
        text: (record.has_text != 0).then(|| text(record)),
        result: record.result,
    };
    if called.action == Action::SetOption {
        match called.number {
            Some(PR_SET_NAME) => (called.action, called.number, called.value) = (Action::Rename, None, None),
            Some(PR_SET_PTRACER) => called.target = called.value.map(|pid| Target::Process(pid as i32)),
            _ => {}
        }
    }
    Some(EventKind::Called(Box::new(called)))
}

fn text(record: &CallRecord) -> Observed<Vec<u8>> {
    if record.text_errno != 0 {
        return Observed::Unreadable(Unreadable::Fault(record.text_errno as i32));
    }
    let bytes = record.text.as_bytes();
    Observed::Complete(bytes.get(..record.length as usize).unwrap_or(bytes).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Abi, syscalls::Table};

    fn of(name: &str, arguments: [u64; 6]) -> CallRecord {
        let call = Table::native().number(name).unwrap_or_else(|| panic!("no {name}"));
        CallRecord { call, arguments, ..CallRecord::default() }
    }

    fn event(record: &CallRecord) -> Called {
        let Some(EventKind::Called(called)) = called(record) else { panic!("no event of {record:?}") };
        *called
    }

    #[test]
    fn arguments_have_their_meanings() {
        let kill = event(&CallRecord { result: -1, ..of("kill", [0xffff_ffff, 9, 0, 0, 0, 0]) });
        assert_eq!(kill.action, Action::Signal);
        assert_eq!((kill.number, kill.target, kill.errno()), (Some(9), Some(Target::Process(-1)), Some(1)));
        let by_descriptor = event(&CallRecord { target: 70, ..of("pidfd_send_signal", [0, 15, 0, 0, 0, 0]) });
        assert_eq!((by_descriptor.number, by_descriptor.target), (Some(15), Some(Target::Descriptor(70))));
        assert_eq!(called(&of("getppid", [0; 6])), None);
        assert_eq!(called(&CallRecord { abi: 2, ..CallRecord::default() }), None, "{:?}", Abi::Ring);
    }

    #[test]
    fn a_name_is_told_as_far_as_it_could_be_read() {
        let mut record = of("prctl", [PR_SET_NAME, 0, 0, 0, 0, 0]);
        (record.has_text, record.length) = (1, 3);
        record.text[0] = u64::from_ne_bytes(*b"[k]\0\0\0\0\0");
        let renamed = event(&record);
        assert_eq!((renamed.action, renamed.number), (Action::Rename, None));
        assert_eq!(renamed.text, Some(Observed::Complete(b"[k]".to_vec())));
        record.text_errno = 14;
        assert_eq!(event(&record).text, Some(Observed::Unreadable(Unreadable::Fault(14))));
    }
}
