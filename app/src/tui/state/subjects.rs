//! Rows as filters ask for them.

use super::{
    describe,
    findings::Found,
    network::{Entry, Row},
    timeline::{Moment, What},
};
use crate::{
    event::{Endpoint, ProcessKey, Syscall},
    session::{ConnectionResult, Done, Fact, FileRow, Finding, NetworkView, Session, TextRef},
    syscalls,
    tui::{
        filter::{Condition, Field, Filterable},
        theme::ASCII,
    },
};

/// `visit` of a number.
fn number(value: impl Into<u64>, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    let mut digits = [0; 20];
    let mut begins = digits.len();
    let mut left = value.into();
    loop {
        begins -= 1;
        digits[begins] = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        if left == 0 {
            return visit(&digits[begins..]);
        }
    }
}

fn text(text: &TextRef<'_>, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    text.value().is_some_and(|text| visit(text))
}

/// Of whoever did it: name, pid and user.
fn of_process(
    session: &Session,
    key: ProcessKey,
    field: Field,
    visit: &mut dyn FnMut(&[u8]) -> bool,
) -> bool {
    let process = session.process(key);
    let any = field == Field::Text;
    let name = || process.and_then(|process| process.name).map(|name| session.texts().bytes_of(name));
    let uid = || process.and_then(|process| process.credentials.as_ref()).map(|known| known.uid);
    ((any || field == Field::Process) && name().is_some_and(&mut *visit))
        || (field == Field::Pid && number(key.tgid, visit))
        || (field == Field::User && uid().is_some_and(|uid| number(uid, visit)))
}

/// A process, and whether something was denied to it.
pub(super) struct ProcessSubject<'a>(pub(super) &'a Session, pub(super) ProcessKey, pub(super) bool);

impl Filterable for ProcessSubject<'_> {
    fn values(&self, field: Field, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let Self(session, key, _) = *self;
        if of_process(session, key, field, visit) {
            return true;
        }
        let Some(process) = session.process(key) else { return false };
        let texts = session.texts();
        let any = field == Field::Text;
        if any && number(key.tgid, visit) {
            return true;
        }
        process.executions.iter().any(|execution| {
            let arguments = execution.argv.value().map_or(&[][..], |argv| texts.list(*argv));
            let path = execution.named_file().path.path;
            ((any || field == Field::Process)
                && arguments.iter().any(|argument| visit(texts.bytes_of(*argument))))
                || ((any || field == Field::Path)
                    && path.value().is_some_and(|path| visit(texts.bytes_of(*path))))
        })
    }

    fn is(&self, condition: Condition) -> bool {
        let Some(process) = self.0.process(self.1) else { return false };
        match condition {
            Condition::Denied => self.2,
            Condition::Failed => {
                describe::ended_well(process) == Some(false) || !process.failed_executions.is_empty()
            }
            Condition::Changed => !process.credential_changes.is_empty(),
            Condition::Live => process.ended.is_none(),
            Condition::Ended => process.ended.is_some(),
        }
    }
}

/// What was done with a file.
pub(super) struct FileSubject<'a>(pub(super) &'a Session, pub(super) FileRow<'a>);

impl Filterable for FileSubject<'_> {
    fn values(&self, field: Field, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let Self(session, row) = self;
        let any = field == Field::Text;
        ((any || field == Field::Path)
            && (text(&row.path, visit) || row.new_path.as_ref().is_some_and(|path| text(path, visit))))
            || ((any || field == Field::Operation)
                && describe::operations(row).iter().any(|(name, _)| visit(name.as_bytes())))
            || (any && matches!(row.done, Done::Failed { .. }) && visit(describe::verb(row).as_bytes()))
            || of_process(session, row.process, field, visit)
            || match row.done {
                Done::Changed { call, .. } | Done::Failed { call, .. } if field == Field::Call => {
                    visit(syscalls::name(call).as_bytes())
                }
                _ => false,
            }
    }

    fn is(&self, condition: Condition) -> bool {
        let errno = match self.1.done {
            Done::Failed { errno, .. } => Some(errno),
            _ => None,
        };
        let is_live = || self.0.process(self.1.process).is_some_and(|process| process.ended.is_none());
        match condition {
            Condition::Denied => errno.is_some_and(describe::is_denial),
            Condition::Failed => errno.is_some(),
            Condition::Changed => self.1.changes(),
            Condition::Live => is_live(),
            Condition::Ended => !is_live(),
        }
    }
}

/// A row of the network.
pub(super) struct NetworkSubject<'a> {
    session: &'a Session,
    entry: Entry<'a>,
}

impl<'a> NetworkSubject<'a> {
    /// Nothing of a row that is not there any more.
    pub(super) fn new(session: &'a Session, view: &'a NetworkView, row: Row) -> Option<Self> {
        Some(Self { session, entry: row.entry(view)? })
    }

    fn ends(&self) -> [Option<Endpoint>; 2] {
        match self.entry {
            Entry::Connection(one) => [one.local, one.remote],
            Entry::Listener(one) => [one.local, None],
            Entry::Question(one) => [one.server, None],
            Entry::Failure(one) => [one.address, None],
            Entry::Unix(_) => [None; 2],
        }
    }

    fn hostname(&self) -> Option<&[u8]> {
        let name = match self.entry {
            Entry::Connection(one) => one.hostname.as_ref().map(|(name, _)| name),
            Entry::Question(one) => Some(&one.query),
            _ => None,
        };
        name.and_then(|name| name.value()).map(|name| &**name)
    }

    fn words(&self) -> String {
        match self.entry {
            Entry::Connection(one) => {
                format!("{} {} connect", describe::protocol(one), describe::result(one.result))
            }
            Entry::Listener(one) => format!("{} listen", describe::listener(one)),
            entry => describe::entry(entry, &ASCII),
        }
    }
}

impl Filterable for NetworkSubject<'_> {
    fn values(&self, field: Field, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let any = field == Field::Text;
        let ends = || self.ends().into_iter().flatten();
        (field == Field::Port && ends().filter_map(|end| end.port).any(|port| number(port, visit)))
            || ((any || field == Field::Address)
                && ends().any(|end| visit(describe::endpoint(end).as_bytes())))
            || ((any || field == Field::Host) && self.hostname().is_some_and(&mut *visit))
            || ((any || matches!(field, Field::Operation | Field::Path)) && visit(self.words().as_bytes()))
            || self.entry.process().is_some_and(|process| of_process(self.session, process, field, visit))
    }

    fn is(&self, condition: Condition) -> bool {
        let is_open = match self.entry {
            Entry::Connection(one) => one.closed_at.is_none(),
            Entry::Listener(one) => one.closed_at.is_none(),
            _ => false,
        };
        match (condition, self.entry) {
            (Condition::Denied, Entry::Failure(one)) => describe::is_denial(one.errno),
            (Condition::Failed, Entry::Failure(_)) => true,
            (Condition::Failed, Entry::Connection(one)) => describe::is_failure(one.result),
            (Condition::Changed, Entry::Connection(one)) => one.result == ConnectionResult::Established,
            (Condition::Live, _) => is_open,
            (Condition::Ended, _) => !is_open,
            (Condition::Denied | Condition::Failed | Condition::Changed, _) => false,
        }
    }
}

/// A moment.
pub(super) struct MomentSubject<'a>(pub(super) &'a Session, pub(super) Moment);

impl Filterable for MomentSubject<'_> {
    fn values(&self, field: Field, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let Self(session, moment) = self;
        let end = match moment.what {
            What::Listens(end)
            | What::Connected(_, end)
            | What::NotConnected(end, _)
            | What::SocketFailed(Some(end), _) => Some(end),
            _ => None,
        };
        match field {
            Field::Port => end.and_then(|end| end.port).is_some_and(|port| number(port, visit)),
            Field::Address => end.is_some_and(|end| visit(describe::endpoint(end).as_bytes())),
            Field::Text | Field::Path | Field::Operation | Field::Call | Field::Host
                if visit(describe::moment(session, moment).1.as_bytes()) =>
            {
                true
            }
            _ => of_process(session, moment.process, field, visit),
        }
    }

    fn is(&self, condition: Condition) -> bool {
        let rows = self.0.file_rows();
        let changes = |id: Option<_>| id.and_then(|id| rows.get(id)).is_some_and(|row| row.changes());
        let errno = match self.1.what {
            What::ExecFailed(errno)
            | What::Denied(_, errno)
            | What::NotConnected(_, errno)
            | What::SocketFailed(_, errno) => Some(errno),
            What::Called(access) => self.0.call(access).and_then(|call| call.errno),
            What::Failed(id) => rows.get(id).and_then(|row| match row.done {
                Done::Failed { errno, .. } => Some(errno),
                _ => None,
            }),
            _ => None,
        };
        match condition {
            Condition::Denied => errno.is_some_and(describe::is_denial),
            Condition::Failed => errno.is_some(),
            Condition::Changed => match self.1.what {
                What::Used(id) => changes(rows.of_access(id)),
                What::Changed(number) => changes(Some(crate::session::FileRowId::Change(number))),
                What::Credentials(_) => true,
                _ => false,
            },
            Condition::Live | Condition::Ended => false,
        }
    }
}

/// A system call: which, and how often it was denied.
pub(super) struct CallSubject(pub(super) Syscall, pub(super) u64);

impl Filterable for CallSubject {
    fn values(&self, field: Field, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        matches!(field, Field::Text | Field::Call | Field::Operation)
            && visit(syscalls::name(self.0).as_bytes())
    }

    fn is(&self, condition: Condition) -> bool {
        matches!(condition, Condition::Denied | Condition::Failed) && self.1 > 0
    }
}

/// A finding, and the others.
pub(super) struct FindingSubject<'a>(pub(super) &'a Session, pub(super) &'a Found, pub(super) &'a Finding);

impl Filterable for FindingSubject<'_> {
    fn values(&self, field: Field, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let Self(session, found, one) = self;
        let any = field == Field::Text;
        let is_of = |fact: &Fact| match fact {
            Fact::Path(_) | Fact::Socket(_) => any || field == Field::Path,
            Fact::Call(_) => any || field == Field::Call,
            Fact::Name(_) | Fact::Process(_) => any,
        };
        ((any || field == Field::Severity) && visit(describe::severity(one.severity).as_bytes()))
            || ((any || field == Field::Operation)
                && (visit(one.rule.title.as_bytes()) || visit(one.rule.id.as_bytes())))
            || one
                .evidence
                .iter()
                .any(|evidence| is_of(&evidence.fact) && visit(found.evidence(session, evidence).as_bytes()))
            || of_process(session, one.process, field, visit)
    }

    fn is(&self, condition: Condition) -> bool {
        let Self(session, _, one) = self;
        let is_live = || session.process(one.process).is_some_and(|process| process.ended.is_none());
        match condition {
            Condition::Denied => {
                one.evidence.iter().any(|evidence| evidence.errno.is_some_and(describe::is_denial))
            }
            Condition::Failed => !one.succeeded,
            Condition::Changed => one.succeeded,
            Condition::Live => is_live(),
            Condition::Ended => !is_live(),
        }
    }
}
