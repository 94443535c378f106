//! Rows as filters ask for them.

use super::{
    describe,
    network::{Kind, Row},
    timeline::{Moment, What},
};
use crate::{
    event::{Endpoint, ProcessKey, Syscall},
    session::{ConnectionResult, Done, FileRow, NetworkView, Session, TextRef},
    syscalls,
    tui::{
        filter::{Condition, Field, Filterable},
        theme::Signs,
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

/// A process.
pub(super) struct ProcessSubject<'a>(pub(super) &'a Session, pub(super) ProcessKey);

impl Filterable for ProcessSubject<'_> {
    fn values(&self, field: Field, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let Self(session, key) = *self;
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
            Condition::Denied => !process.denied.is_empty(),
            Condition::Failed => {
                let ended = process.ended.as_ref();
                ended.is_some_and(|ended| ended.signal.is_some() || ended.code.is_some_and(|code| code != 0))
                    || !process.failed_executions.is_empty()
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
            Condition::Denied => matches!(errno, Some(libc::EACCES | libc::EPERM)),
            Condition::Failed => errno.is_some(),
            Condition::Changed => self.1.changes(),
            Condition::Live => is_live(),
            Condition::Ended => !is_live(),
        }
    }
}

/// A row of the network.
pub(super) struct NetworkSubject<'a>(pub(super) &'a Session, pub(super) &'a NetworkView, pub(super) Row);

impl NetworkSubject<'_> {
    fn ends(&self) -> [Option<Endpoint>; 2] {
        let Self(_, view, row) = self;
        match row.kind {
            Kind::Connection => {
                view.connections.get(row.position).map_or([None; 2], |one| [one.local, one.remote])
            }
            Kind::Listener => [view.listeners.get(row.position).and_then(|one| one.local), None],
            Kind::Question => [view.dns.get(row.position).and_then(|one| one.server), None],
            Kind::Failure => [view.failed.get(row.position).and_then(|one| one.address), None],
            Kind::Unix => [None; 2],
        }
    }

    fn words(&self) -> String {
        let Self(_, view, row) = self;
        let at = row.position;
        let words = match row.kind {
            Kind::Connection => view
                .connections
                .get(at)
                .map(|one| format!("{} {} connect", describe::protocol(one), describe::result(one.result))),
            Kind::Listener => view.listeners.get(at).map(|one| format!("{} listen", describe::listener(one))),
            Kind::Question => view.dns.get(at).map(|one| describe::question(one, &crate::tui::theme::ASCII)),
            Kind::Failure => view.failed.get(at).map(describe::socket_failure),
            Kind::Unix => view.unix_sockets.get(at).map(describe::unix),
        };
        words.unwrap_or_default()
    }
}

impl Filterable for NetworkSubject<'_> {
    fn values(&self, field: Field, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let Self(session, view, row) = self;
        let any = field == Field::Text;
        let ends = || self.ends().into_iter().flatten();
        let hostname = || match row.kind {
            Kind::Connection => {
                let one = view.connections.get(row.position)?;
                one.hostname.as_ref().and_then(|(name, _)| name.value()).map(|name| &**name)
            }
            Kind::Question => view.dns.get(row.position)?.query.value().map(|name| &**name),
            _ => None,
        };
        (field == Field::Port && ends().filter_map(|end| end.port).any(|port| number(port, visit)))
            || ((any || field == Field::Address)
                && ends().any(|end| visit(describe::endpoint(end).as_bytes())))
            || ((any || field == Field::Host) && hostname().is_some_and(&mut *visit))
            || ((any || matches!(field, Field::Operation | Field::Path)) && visit(self.words().as_bytes()))
            || row.process(view).is_some_and(|process| of_process(session, process, field, visit))
    }

    fn is(&self, condition: Condition) -> bool {
        let Self(_, view, row) = self;
        let connection = Some(row)
            .filter(|row| row.kind == Kind::Connection)
            .and_then(|row| view.connections.get(row.position));
        let failure =
            Some(row).filter(|row| row.kind == Kind::Failure).and_then(|row| view.failed.get(row.position));
        let is_open = match row.kind {
            Kind::Connection => connection.is_some_and(|one| one.closed_at.is_none()),
            Kind::Listener => view.listeners.get(row.position).is_some_and(|one| one.closed_at.is_none()),
            _ => false,
        };
        match condition {
            Condition::Denied => failure.is_some_and(|one| matches!(one.errno, libc::EACCES | libc::EPERM)),
            Condition::Failed => {
                failure.is_some() || connection.is_some_and(|one| describe::is_failure(one.result))
            }
            Condition::Changed => connection.is_some_and(|one| one.result == ConnectionResult::Established),
            Condition::Live => is_open,
            Condition::Ended => !is_open,
        }
    }
}

/// A moment.
pub(super) struct MomentSubject<'a>(pub(super) &'a Session, pub(super) Moment, pub(super) &'a Signs);

impl Filterable for MomentSubject<'_> {
    fn values(&self, field: Field, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let Self(session, moment, signs) = self;
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
                if visit(describe::moment(session, moment, signs).1.as_bytes()) =>
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
            What::Failed(id) => {
                rows.of_access(id).and_then(|id| rows.get(id)).and_then(|row| match row.done {
                    Done::Failed { errno, .. } => Some(errno),
                    _ => None,
                })
            }
            _ => None,
        };
        match condition {
            Condition::Denied => matches!(errno, Some(libc::EACCES | libc::EPERM)),
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
