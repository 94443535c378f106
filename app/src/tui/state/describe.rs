//! What is known, in words and signs: the same for the screen, for filters and for what is taken away.

use std::borrow::Cow;

use crate::{
    event::{BootNs, Direction, Endpoint, FileOperation, Observed, ProcessKey, Target},
    names,
    protocol::dns,
    session::{
        CallEntry, Connection, ConnectionResult, DnsEntry, DnsValue, Done, FileRow, Listener, Process,
        Session, Severity, SocketFailure, UnixEntry, Whom,
    },
    summary, syscalls,
    tui::{
        state::{
            network::Entry,
            timeline::{Moment, What},
        },
        text::{clean, clean_listed, clean_observed},
        theme::{Role, Signs},
    },
};

/// A sign and the role of its colour.
pub type Mark = (fn(&Signs) -> &'static str, Role);

/// A process by name: `curl`, or `pid 42` where no name is known.
pub fn name(session: &Session, key: ProcessKey) -> Cow<'_, str> {
    let name = session.process(key).and_then(|process| process.name);
    match name {
        Some(name) => clean(session.texts().bytes_of(name)),
        None if key == ProcessKey::NOBODY => Cow::Borrowed("unknown"),
        None => Cow::Owned(format!("pid {}", key.tgid)),
    }
}

/// A process by its arguments, those with blanks in quotes; by its name where they are not known.
pub fn command_line(session: &Session, key: ProcessKey, process: &Process) -> String {
    let argv = process.executions.last().and_then(|execution| execution.argv.value());
    let Some(argv) = argv else { return name(session, key).into_owned() };
    let mut line = String::new();
    for (at, argument) in session.texts().list(*argv).iter().enumerate() {
        let argument = clean_listed(session.texts().bytes_of(*argument));
        if at > 0 {
            line.push(' ');
        }
        if argument.is_empty() || argument.contains([' ', '"', '\'']) {
            line.push('\'');
            line.push_str(&argument);
            line.push('\'');
        } else {
            line.push_str(&argument);
        }
        // More cannot be seen at once; the details have it all.
        if line.len() > 1_000 {
            break;
        }
    }
    line
}

/// How a process ended: `0`, `1`, `SIGKILL`.
pub fn ended(process: &Process) -> Option<String> {
    let ended = process.ended.as_ref()?;
    Some(match (ended.code, ended.signal) {
        (_, Some(signal)) => names::signal(signal.into()),
        (Some(code), None) => code.to_string(),
        (None, None) => "?".into(),
    })
}

/// It ended by itself and said that it went well; nothing of one that did not end yet.
pub fn ended_well(process: &Process) -> Option<bool> {
    process.ended.as_ref().map(|ended| ended.signal.is_none() && ended.code == Some(0))
}

/// The kernel said that it is not allowed.
pub fn is_denial(errno: i32) -> bool {
    matches!(errno, libc::EACCES | libc::EPERM)
}

/// How long it ran, or has run by `now`, ns.
pub fn ran(process: &Process, now: BootNs) -> u64 {
    let until = process.ended.as_ref().map_or(now, |ended| ended.at);
    until.saturating_sub(process.started_at)
}

/// Operations of a row, each with how often.
pub fn operations(row: &FileRow<'_>) -> Vec<(&'static str, u64)> {
    match &row.done {
        Done::Used { totals, .. } => {
            let counts = [
                (FileOperation::Create, totals.creates),
                (FileOperation::Open, totals.opens),
                (FileOperation::Read, totals.reads),
                (FileOperation::Write, totals.writes),
                (FileOperation::Truncate, totals.truncates),
                (FileOperation::ReadDirectory, totals.directory_reads),
                (FileOperation::MapExecutable, totals.executable_maps),
                (FileOperation::MapWritable, totals.writable_maps),
            ];
            let made = counts.into_iter().filter(|(_, count)| *count > 0);
            made.map(|(done, count)| (names::file_operation(done), count)).collect()
        }
        Done::Changed { operation: done, .. } => vec![(names::file_operation(*done), 1)],
        Done::Failed { operation: tried, count, .. } => vec![(names::file_operation(*tried), *count)],
    }
}

/// The sign of a row of files.
pub fn file_mark(row: &FileRow<'_>) -> Mark {
    match &row.done {
        Done::Failed { .. } => (|signs| signs.failed, Role::Failed),
        Done::Changed { operation, .. } => match operation {
            FileOperation::Delete | FileOperation::RemoveDirectory | FileOperation::Unmount => {
                (|signs| signs.removed, Role::Removed)
            }
            FileOperation::Create
            | FileOperation::MakeDirectory
            | FileOperation::Symlink
            | FileOperation::Link
            | FileOperation::MakeNode
            | FileOperation::Mount => (|signs| signs.created, Role::Changed),
            FileOperation::ChangeDirectory => (|signs| signs.read, Role::Muted),
            _ => (|signs| signs.modified, Role::Changed),
        },
        Done::Used { totals, .. } if totals.creates > 0 => (|signs| signs.created, Role::Changed),
        Done::Used { .. } if row.changes() => (|signs| signs.modified, Role::Changed),
        Done::Used { totals, .. } if totals.executable_maps > 0 => (|signs| signs.executed, Role::Muted),
        Done::Used { .. } => (|signs| signs.read, Role::Muted),
    }
}

/// The path of a row, and where it leads.
pub fn file_path(row: &FileRow<'_>) -> String {
    let path = clean_observed(&row.path);
    match &row.new_path {
        Some(new) => format!("{path} -> {}", clean_observed(new)),
        None => path,
    }
}

/// Keys, passwords and their like are in it.
pub fn is_secret(session: &Session, process: ProcessKey, path: &Observed<impl AsRef<[u8]>>) -> bool {
    let credentials = session.process(process).and_then(|process| process.credentials.as_ref());
    let is_root = credentials.is_none_or(|credentials| credentials.uid == 0);
    path.value().is_some_and(|path| summary::is_sensitive(path.as_ref(), &[process.tgid], is_root))
}

/// `[::1]:80`, `10.0.0.1:443`, or the address alone.
pub fn endpoint(end: Endpoint) -> String {
    let address = end.address.to_canonical();
    match (address, end.port) {
        (_, None) => address.to_string(),
        (core::net::IpAddr::V6(_), Some(port)) => format!("[{address}]:{port}"),
        (core::net::IpAddr::V4(_), Some(port)) => format!("{address}:{port}"),
    }
}

/// What came of a connection.
pub fn result(result: ConnectionResult) -> &'static str {
    match result {
        ConnectionResult::Established => "established",
        ConnectionResult::Refused => "refused",
        ConnectionResult::Unreachable => "unreachable",
        ConnectionResult::TimedOut => "timed out",
        ConnectionResult::Reset => "reset",
        ConnectionResult::InProgress => "in progress",
        ConnectionResult::Abandoned => "abandoned",
        ConnectionResult::Failed => "failed",
        ConnectionResult::Answered => "answered",
        ConnectionResult::Unanswered => "unanswered",
        ConnectionResult::Received => "received",
        ConnectionResult::Unused => "unused",
    }
}

/// It came to nothing.
pub fn is_failure(result: ConnectionResult) -> bool {
    matches!(
        result,
        ConnectionResult::Refused
            | ConnectionResult::Unreachable
            | ConnectionResult::TimedOut
            | ConnectionResult::Reset
            | ConnectionResult::Failed
    )
}

/// Who a connection is with: by name, else by address.
pub fn peer(connection: &Connection) -> String {
    let port = connection.remote.and_then(|remote| remote.port);
    match (&connection.hostname, connection.remote) {
        (Some((name, _)), _) => {
            port.map_or_else(|| clean_observed(name), |port| format!("{}:{port}", clean_observed(name)))
        }
        (None, Some(remote)) => endpoint(remote),
        (None, None) => "nobody".into(),
    }
}

/// What its first bytes said, or its transport.
pub fn protocol(connection: &Connection) -> String {
    let told = connection.told.as_deref();
    let known = told.and_then(|told| {
        let known = [
            (told.tls.is_some(), "tls"),
            (told.http.is_some(), "http"),
            (told.ssh.is_some(), "ssh"),
            (told.smtp.is_some(), "smtp"),
        ];
        known.into_iter().find(|(is, _)| *is).map(|(_, name)| name)
    });
    known.map_or_else(|| names::ip_protocol(connection.protocol).into_owned(), str::to_owned)
}

/// The sign of a connection.
pub fn connection_mark(connection: &Connection) -> Mark {
    match connection.direction {
        _ if is_failure(connection.result) => (|signs| signs.bad, Role::Failed),
        Some(Direction::Inbound) => (|signs| signs.incoming, Role::Network),
        _ => (|signs| signs.out, Role::Network),
    }
}

/// A listener: `tcp 0.0.0.0:80`.
pub fn listener(listener: &Listener) -> String {
    let at = listener.local.map_or_else(|| "nowhere".into(), endpoint);
    format!("{at} {}", names::ip_protocol(listener.protocol))
}

/// A question: `A example.com → 192.0.2.1, …`.
pub fn question(entry: &DnsEntry, signs: &Signs) -> String {
    let asked = format!("{} {}", dns::kind_name(entry.kind), clean_observed(&entry.query));
    let answers: Vec<_> = entry
        .answers
        .iter()
        .filter_map(|answer| match &answer.value {
            DnsValue::Address(address) => Some(address.to_string()),
            DnsValue::Name(name) => Some(clean_observed(name)),
            _ => None,
        })
        .take(3)
        .collect();
    let answer = match entry.rcode {
        None => "no answer".into(),
        Some(0) if answers.is_empty() => "nothing".into(),
        Some(0) => answers.join(", "),
        Some(code) => response(code),
    };
    format!("{asked} {} {answer}", signs.out)
}

fn response(code: u16) -> String {
    let known = [
        (1, "format error"),
        (2, "server failure"),
        (3, "no such name"),
        (4, "not implemented"),
        (5, "refused"),
    ];
    let known = known.iter().find(|(number, _)| *number == code);
    known.map_or_else(|| format!("code {code}"), |(_, name)| (*name).to_owned())
}

/// A unix socket by its name.
pub fn unix(entry: &UnixEntry) -> String {
    let name = match (&entry.path, &entry.name) {
        (Some((path, _)), _) => clean_observed(path),
        (None, Some(name)) => match name.value().map(|name| &**name) {
            Some([0, rest @ ..]) => format!("@{}", clean(rest)),
            _ => clean_observed(name),
        },
        (None, None) => "a socket without a name".into(),
    };
    format!("unix {name}")
}

/// A failed call.
pub fn socket_failure(failure: &SocketFailure) -> String {
    let to = match (failure.address, &failure.path) {
        (Some(address), _) => endpoint(address),
        (None, Some(path)) => clean_observed(path),
        (None, None) => names::address_family(failure.family).into_owned(),
    };
    format!("{to} {}", syscalls::name(failure.call))
}

/// A call that matters by itself: `kill SIGTERM 42 sh`.
pub fn call(session: &Session, entry: &CallEntry) -> String {
    let mut words = vec![syscalls::name(entry.call).to_string()];
    words.extend(entry.number.map(|number| names::call_number(entry.action, number).into_owned()));
    words.extend(entry.target.map(|target| match entry.whom {
        Some(Whom::Itself) => "itself".into(),
        Some(Whom::Process(key)) => format!("{} {}", key.tgid, name(session, key)),
        Some(Whom::Observer) => "glasshouse".into(),
        Some(Whom::Outside) => format!("{}, outside of the run", number_of(target)),
        Some(Whom::Group) => "a group".into(),
        Some(Whom::Everyone) => "everyone".into(),
        Some(Whom::Unknown) | None => number_of(target),
    }));
    words.extend(entry.text.as_ref().map(clean_observed));
    words.extend(entry.errno.map(names::errno));
    words.join(" ")
}

fn number_of(target: Target) -> String {
    match target {
        Target::Process(number) | Target::Thread(number) => number.to_string(),
        Target::Descriptor(number) => number.to_string(),
    }
}

fn call_mark(entry: &CallEntry) -> Mark {
    match entry.errno {
        Some(_) => (|signs| signs.failed, Role::Failed),
        None => (|signs| signs.dot, Role::Accent),
    }
}

/// How much a finding matters, in a word.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
    }
}

/// The sign of how much a finding matters.
pub fn severity_mark(severity: Severity) -> Mark {
    match severity {
        Severity::Info => (|signs| signs.info, Role::Muted),
        Severity::Low => (|signs| signs.low, Role::Changed),
        Severity::Medium => (|signs| signs.medium, Role::Secret),
        Severity::High => (|signs| signs.high, Role::Failed),
    }
}

/// A row of the network in words.
pub fn entry(entry: Entry<'_>, signs: &Signs) -> String {
    match entry {
        Entry::Connection(one) => peer(one),
        Entry::Listener(one) => listener(one),
        Entry::Question(one) => question(one, signs),
        Entry::Failure(one) => socket_failure(one),
        Entry::Unix(one) => unix(one),
    }
}

/// A moment: its sign, and what happened.
pub fn moment(session: &Session, moment: &Moment) -> (Mark, String) {
    let rows = session.file_rows();
    let row = |id| rows.of_access(id).and_then(|id| rows.get(id));
    let gone = || ((|signs: &Signs| signs.dot) as fn(&Signs) -> &'static str, Role::Muted);
    match moment.what {
        What::Forked(child) => (
            (|signs| signs.branch, Role::Muted),
            format!("started pid {} {}", child.tgid, name(session, child)),
        ),
        What::Executed => {
            let process = session.process(moment.process);
            let line = process.map(|process| execution(session, moment, process)).unwrap_or_default();
            ((|signs| signs.executed, Role::Live), format!("exec {line}"))
        }
        What::ExecFailed(errno) => {
            ((|signs| signs.failed, Role::Failed), format!("exec failed: {}", names::errno(errno)))
        }
        What::Ended => {
            let process = session.process(moment.process);
            let how = process.and_then(ended).unwrap_or_else(|| "?".into());
            let mark: Mark = match process.and_then(ended_well) {
                Some(true) => (|signs| signs.ok, Role::Finished),
                _ => (|signs| signs.bad, Role::Failed),
            };
            (mark, format!("exit {how}"))
        }
        What::Credentials(call) => {
            ((|signs| signs.secret, Role::Secret), format!("{} succeeded", syscalls::name(call)))
        }
        What::Denied(call, errno) => (
            (|signs| signs.failed, Role::Failed),
            format!("{} {}", syscalls::name(call), names::errno(errno)),
        ),
        What::Used(id) => described(row(id), gone()),
        What::Failed(id) => described(rows.get(id), gone()),
        What::Changed(number) => described(rows.get(crate::session::FileRowId::Change(number)), gone()),
        What::Called(access) => match session.call(access) {
            Some(entry) => (call_mark(entry), call(session, entry)),
            None => (gone(), "a call beyond the limit of what is kept".into()),
        },
        What::Listens(at) => ((|signs| signs.listen, Role::Network), format!("listens on {}", endpoint(at))),
        What::Connected(Direction::Outbound, to) => ((|signs| signs.out, Role::Network), endpoint(to)),
        What::Connected(Direction::Inbound, from) => {
            ((|signs| signs.incoming, Role::Network), format!("from {}", endpoint(from)))
        }
        What::NotConnected(to, errno) => {
            ((|signs| signs.bad, Role::Failed), format!("{} {}", endpoint(to), names::errno(errno)))
        }
        What::SocketFailed(to, errno) => {
            let to = to.map_or_else(|| "a socket".into(), endpoint);
            ((|signs| signs.bad, Role::Failed), format!("{to} {}", names::errno(errno)))
        }
    }
}

fn described(row: Option<FileRow<'_>>, gone: Mark) -> (Mark, String) {
    match row {
        Some(row) => (file_mark(&row), format!("{} {}", verb(&row), file_path(&row))),
        None => (gone, "a file beyond the limit of what is kept".into()),
    }
}

/// What was done, in the word of the receipt that says most; of a failure with its errno.
pub fn verb(row: &FileRow<'_>) -> Cow<'static, str> {
    let done = match &row.done {
        Done::Used { totals, .. } if totals.creates > 0 => FileOperation::Create,
        Done::Used { .. } if row.changes() => FileOperation::Write,
        Done::Used { totals, .. } if totals.executable_maps > 0 => FileOperation::MapExecutable,
        Done::Used { totals, .. } if totals.directory_reads > 0 => FileOperation::ReadDirectory,
        Done::Used { totals, .. } if totals.reads > 0 => FileOperation::Read,
        Done::Used { .. } => FileOperation::Open,
        Done::Changed { operation, .. } => *operation,
        Done::Failed { operation, errno, .. } => {
            return format!("{} {}", names::file_operation(*operation), names::errno(*errno)).into();
        }
    };
    names::file_operation(done).into()
}

fn execution(session: &Session, moment: &Moment, process: &Process) -> String {
    let execution = process.executions.iter().find(|execution| execution.at == moment.at);
    let argv = execution.and_then(|execution| execution.argv.value());
    let Some(argv) = argv else { return name(session, moment.process).into_owned() };
    let arguments: Vec<_> = session
        .texts()
        .list(*argv)
        .iter()
        .take(20)
        .map(|id| clean_listed(session.texts().bytes_of(*id)))
        .collect();
    arguments.join(" ")
}
