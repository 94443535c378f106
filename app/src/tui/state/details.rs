//! All that is known of one thing, as lines.

mod findings;
mod network;

use super::{App, Pane, World, describe};
use crate::{
    event::{BootNs, Credentials, Observed, ProcessKey},
    hex::hex,
    names,
    session::{Done, Execution, FileRowId, Hashed, KeptFile, Process, Session},
    syscalls,
    tui::text::{clean_listed, clean_observed, clock, count, lasted, size},
};

/// A line: what it is about, and what it says. A line without a value is a heading.
pub type Line = (String, String);

/// Most lines that one thing gets; what is beyond is in the receipt.
const MAX_LINES: usize = 5_000;

fn heading(name: &str) -> Line {
    (name.to_owned(), String::new())
}

fn said(name: &str, value: impl Into<String>) -> Line {
    (name.to_owned(), value.into())
}

/// What is known of the selected row of the focused pane.
pub fn selected(app: &App, world: World<'_>) -> Vec<Line> {
    let mut lines = match app.focus {
        Pane::Files => app.files.selected().map(|id| file(world, id)),
        Pane::Network => app.network.selected().and_then(|row| network::row(app, world, row)),
        Pane::Findings => app.findings.selected().and_then(|row| findings::row(app, world, row)),
        Pane::Timeline => app.moments.selected().and_then(|number| {
            let moment = app.timeline.get(number)?;
            let mut lines = vec![
                said("what", describe::moment(world.session, moment).1),
                said("at", at(world, moment.at)),
            ];
            lines.push(heading(""));
            lines.extend(process(app, world, moment.process));
            Some(lines)
        }),
        Pane::Processes | Pane::Terminal => app.selected_process().map(|key| process(app, world, key)),
        Pane::Syscalls => app.calls.selected().map(|call| {
            let counts = app.call_counts.get(&call).copied().unwrap_or_default();
            let mut lines = vec![
                said("call", syscalls::name(call)),
                said("made", count(counts.count)),
                said("denied", count(counts.denied)),
                heading("by process"),
            ];
            for (key, process) in world.session.processes() {
                if let Some((_, made)) = app.made(key, process).iter().find(|(known, _)| *known == call) {
                    lines.push(said(
                        &format!("  {} {}", key.tgid, describe::name(world.session, key)),
                        count(*made),
                    ));
                }
            }
            lines
        }),
    }
    .unwrap_or_default();
    if lines.len() > MAX_LINES {
        let more = lines.len() - MAX_LINES;
        lines.truncate(MAX_LINES);
        lines.push(said("…", format!("{more} more lines; the receipt has them")));
    }
    lines
}

/// When, since the start.
fn at(world: World<'_>, at: BootNs) -> String {
    format!("{} after the start", clock(at.saturating_sub(world.progress.started_at)))
}

fn whom(session: &Session, key: ProcessKey) -> String {
    format!("{} {}", key.tgid, describe::name(session, key))
}

/// A process: what it executed, as whom, what it did, how it ended.
fn process(app: &App, world: World<'_>, key: ProcessKey) -> Vec<Line> {
    let session = world.session;
    let Some(process) = session.process(key) else {
        return vec![said("process", format!("{}, of which nothing else is known", key.tgid))];
    };
    let mut lines = vec![said("process", whom(session, key))];
    if let Some(inner) = process.namespace_pid.filter(|inner| *inner != key.tgid) {
        lines.push(said("pid in its namespace", inner.to_string()));
    }
    if let Some(parent) = process.parent {
        lines.push(said("parent", whom(session, parent)));
    }
    if let Some(creator) = process.created_by.filter(|creator| Some(*creator) != process.parent) {
        lines.push(said("created by", whom(session, creator)));
    }
    lines.push(said("started", at(world, process.started_at)));
    match &process.ended {
        Some(ended) => {
            lines.push(said("ended", at(world, ended.at)));
            let core = if ended.core_dumped { ", core dumped" } else { "" };
            lines.push(said("exit", format!("{}{core}", describe::ended(process).unwrap_or_default())));
            lines.push(said(
                "CPU",
                format!("user {}, system {}", lasted(ended.user_ns), lasted(ended.system_ns)),
            ));
            lines.push(said("peak memory", size(ended.max_rss_bytes)));
            if ended.threads_started > 0 {
                lines.push(said("threads", (ended.threads_started + 1).to_string()));
            }
        }
        None if session.is_still_running(process) => lines.push(said("state", "running")),
        None => lines.push(said("state", "its end was not seen")),
    }
    if let Some(known) = &process.credentials {
        lines.extend(credentials(app, known));
    }
    for change in &process.credential_changes {
        lines.push(heading(&format!("changed by {}, {}", syscalls::name(change.call), at(world, change.at))));
        lines.extend(credentials(app, &change.credentials));
    }
    for execution in &process.executions {
        lines.push(heading(""));
        lines.extend(executed(world, execution));
    }
    findings::of_process(app, world, key, &mut lines);
    failed_and_counted(app, world, key, &mut lines);
    files_of(world, key, &mut lines);
    network::of_process(app, key, &mut lines);
    environment(session, process, &mut lines);
    lines
}

fn credentials(app: &App, known: &Credentials) -> Vec<Line> {
    let mut lines = vec![said(
        "user",
        if known.uid == known.euid {
            format!("{} ({})", app.user(known.uid), known.uid)
        } else {
            format!(
                "{} ({}), effective {} ({})",
                app.user(known.uid),
                known.uid,
                app.user(known.euid),
                known.euid
            )
        },
    )];
    lines.push(said(
        "group",
        if known.gid == known.egid {
            known.gid.to_string()
        } else {
            format!("{}, effective {}", known.gid, known.egid)
        },
    ));
    lines.push(said(
        "capabilities",
        if known.effective == 0 { "none".into() } else { format!("{:#x}", known.effective) },
    ));
    lines
}

fn executed(world: World<'_>, execution: &Execution) -> Vec<Line> {
    let session = world.session;
    let texts = session.texts();
    let mut lines = vec![heading(&format!("executed {}", at(world, execution.at)))];
    if let Some(script) = &execution.script {
        lines.extend(executed_file(session, "script", script, execution.script_hash.as_deref()));
        lines.extend(executed_file(
            session,
            "interpreter",
            &execution.image,
            execution.image_hash.as_deref(),
        ));
    } else {
        lines.extend(executed_file(session, "file", &execution.image, execution.image_hash.as_deref()));
    }
    lines.push(said("in", clean_observed(&execution.cwd.path.map(|path| texts.bytes_of(path)))));
    match execution.argv.value() {
        Some(argv) => {
            for (number, argument) in texts.list(*argv).iter().enumerate() {
                lines.push(said(&format!("argv[{number}]"), clean_listed(texts.bytes_of(*argument))));
            }
            if let Observed::Truncated { length, .. } = execution.argv {
                lines.push(said("argv", format!("{length} arguments; the others were not kept")));
            }
        }
        None => lines.push(said("argv", clean_observed(&execution.argv.map(|_| b"")))),
    }
    lines
}

fn executed_file(session: &Session, name: &str, file: &KeptFile, hash: Option<&Hashed>) -> Vec<Line> {
    let path = clean_observed(&file.path.path.map(|path| session.texts().bytes_of(path)));
    let path = if file.fileless() { format!("{path} (no name leads to it)") } else { path };
    let mut lines = vec![said(name, path)];
    if let Some(facts) = &file.facts {
        lines.push(said("  mode", format!("{:04o}, {}", facts.mode & 0o7777, size(facts.size))));
    }
    match hash.map(|hash| hash.sha256) {
        Some(Ok(digest)) => lines.push(said("  sha256", hex(&digest))),
        Some(Err(why)) => lines.push(said("  sha256", clean_observed::<&[u8]>(&Observed::Unreadable(why)))),
        None => lines.push(said("  sha256", "not yet")),
    }
    lines
}

fn failed_and_counted(app: &App, world: World<'_>, key: ProcessKey, lines: &mut Vec<Line>) {
    let Some(process) = world.session.process(key) else { return };
    let texts = world.session.texts();
    if !process.failed_executions.is_empty() {
        lines.push(heading("executions that failed"));
    }
    for failed in &process.failed_executions {
        let name = clean_observed(&failed.filename.map(|name| texts.bytes_of(name)));
        lines.push(said(&format!("  {}", names::errno(failed.errno)), format!("{name} ×{}", failed.count)));
    }
    let denied = app.denied(key, process);
    if !denied.is_empty() {
        lines.push(heading("denied"));
    }
    for denied in denied {
        let call = syscalls::name(denied.call);
        lines.push(said(&format!("  {call}"), format!("{} ×{}", names::errno(denied.errno), denied.count)));
    }
    let made = app.made(key, process);
    if !made.is_empty() {
        let total = made.iter().fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
        lines.push(heading(&format!("system calls, {} in all", count(total))));
        let mut counts: Vec<_> = made.iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        lines.extend(
            counts.iter().map(|(call, made)| said(&format!("  {}", syscalls::name(*call)), count(*made))),
        );
    }
}

fn files_of(world: World<'_>, key: ProcessKey, lines: &mut Vec<Line>) {
    let rows = world.session.file_rows();
    let own: Vec<_> = rows.ids_of(key).collect();
    if !own.is_empty() {
        lines.push(heading(&format!("files, {} in all", count(own.len() as u64))));
    }
    for row in own.iter().take(MAX_LINES).filter_map(|id| rows.get(*id)) {
        lines.push(said(&format!("  {}", describe::verb(&row)), describe::file_path(&row)));
    }
}

/// Names alone: values may be secrets, and a screen is seen by others.
fn environment(session: &Session, process: &Process, lines: &mut Vec<Line>) {
    let Some(last) = process.executions.last() else { return };
    let Some(strings) = last.environment.value() else { return };
    let texts = session.texts();
    let strings = texts.list(*strings);
    lines.push(heading(&format!("environment, {} variables (values are not shown)", strings.len())));
    for string in strings {
        let bytes = texts.bytes_of(*string);
        let name = bytes.split(|byte| *byte == b'=').next().unwrap_or(bytes);
        lines.push(said("", clean_listed(name)));
    }
}

/// A use of a file, and everybody else's uses of the same path.
fn file(world: World<'_>, id: FileRowId) -> Vec<Line> {
    let session = world.session;
    let rows = session.file_rows();
    let Some(row) = rows.get(id) else { return Vec::new() };
    let mut lines = vec![said("path", clean_observed(&row.path))];
    if let Some(new) = &row.new_path {
        lines.push(said("to", clean_observed(new)));
    }
    lines.push(said("path is from", format!("{:?}", row.source).to_lowercase()));
    lines.push(said("process", whom(session, row.process)));
    lines.push(said("first", at(world, row.first_at)));
    lines.push(said("last", at(world, row.last_at)));
    match &row.done {
        Done::Used { origin, kind, device, inode, .. } => {
            lines.push(said("origin", format!("{origin:?}").to_lowercase()));
            lines.push(said("kind", format!("{kind:?}").to_lowercase()));
            lines.push(said("device, inode", format!("{}:{}, {inode}", device.0, device.1)));
            for (name, times) in describe::operations(&row) {
                lines.push(said(&format!("  {name}"), count(times)));
            }
            let (read, written) = row.bytes();
            lines.push(said("bytes read", count(read)));
            lines.push(said("bytes written", count(written)));
        }
        Done::Changed { call, .. } => {
            lines.push(said("change", describe::verb(&row)));
            lines.push(said("call", syscalls::name(*call)));
        }
        Done::Failed { call, count: times, .. } => {
            lines.push(said("failed", describe::verb(&row)));
            lines.push(said("call", syscalls::name(*call)));
            lines.push(said("times", count(*times)));
        }
    }
    lines.push(heading("everything that was done with this path"));
    for other in same_path(world, id) {
        lines.push(said(
            &format!("  {}", whom(session, other.process)),
            format!("{} {}", describe::verb(&other), at(world, other.first_at)),
        ));
    }
    lines
}

/// Rows of the same path.
pub fn same_path<'a>(world: World<'a>, id: FileRowId) -> Vec<crate::session::FileRow<'a>> {
    let rows = world.session.file_rows();
    let Some(wanted) = rows.get(id).and_then(|row| row.path.value().copied()) else { return Vec::new() };
    let is_same = |row: &crate::session::FileRow<'_>| {
        row.path.value() == Some(&wanted) || row.new_path.is_some_and(|path| path.value() == Some(&wanted))
    };
    rows.ids().filter_map(|id| rows.get(id)).filter(is_same).collect()
}

/// The chain of processes that led to one, the eldest first.
pub fn ancestors(app: &App, world: World<'_>) -> Vec<Line> {
    let Some(key) = app.process_in_focus(world.session) else { return Vec::new() };
    let mut chain = super::tree::ancestors(world.session, key);
    chain.reverse();
    let mut lines = Vec::new();
    for (depth, (key, process)) in chain.into_iter().enumerate() {
        let line = describe::command_line(world.session, key, process);
        lines.push(said(&format!("{}{}", "  ".repeat(depth.min(20)), key.tgid), line));
        if let Some(execution) = process.executions.last() {
            let path = execution.named_file().path.path.map(|path| world.session.texts().bytes_of(path));
            lines.push(said("", format!("{}{}", "  ".repeat(depth.min(20)), clean_observed(&path))));
        }
    }
    lines
}
