//! Rows of a pane as text that can be taken away.

use serde_json::{Map, Value};

use super::{
    state::{
        App, Pane, World, describe, findings,
        network::{Entry, Row},
    },
    text::clean_observed,
};
use crate::{event::BootNs, syscalls};

/// A row by columns.
type Record = Vec<(&'static str, String)>;

fn seconds(world: World<'_>, at: BootNs) -> String {
    let ns = at.saturating_sub(world.progress.started_at);
    format!("{}.{:06}", ns / 1_000_000_000, ns / 1_000 % 1_000_000)
}

/// The rows of the focused pane.
fn records(app: &App, world: World<'_>) -> Vec<Record> {
    match app.focus {
        Pane::Processes => app.tree.ids().iter().filter_map(|node| process(world, node.key)).collect(),
        Pane::Files => app.files.ids().iter().filter_map(|id| file(world, *id)).collect(),
        Pane::Network => app.network.ids().iter().map(|row| network(app, world, *row)).collect(),
        Pane::Timeline => app.moments.ids().iter().filter_map(|number| moment(app, world, *number)).collect(),
        Pane::Syscalls => app.calls.ids().iter().map(|call| call_record(app, *call)).collect(),
        Pane::Findings => app.findings.ids().iter().filter_map(|row| finding(app, world, *row)).collect(),
        Pane::Terminal => {
            let contents = app.terminal.as_ref().map(super::terminal::Emulator::contents).unwrap_or_default();
            contents.lines().map(|line| vec![("line", line.to_owned())]).collect()
        }
    }
}

fn process(world: World<'_>, key: crate::event::ProcessKey) -> Option<Record> {
    let process = world.session.process(key)?;
    Some(vec![
        ("pid", key.tgid.to_string()),
        ("parent_pid", process.parent.map(|parent| parent.tgid.to_string()).unwrap_or_default()),
        ("command", describe::command_line(world.session, key, process)),
        ("exit", describe::ended(process).unwrap_or_default()),
        ("started_s", seconds(world, process.started_at)),
        ("ended_s", process.ended.as_ref().map(|ended| seconds(world, ended.at)).unwrap_or_default()),
    ])
}

fn file(world: World<'_>, id: crate::session::FileRowId) -> Option<Record> {
    let row = world.session.file_rows().get(id)?;
    let (read, written) = row.bytes();
    Some(vec![
        ("path", clean_observed(&row.path)),
        ("new_path", row.new_path.as_ref().map(clean_observed).unwrap_or_default()),
        ("done", describe::verb(&row).into_owned()),
        ("bytes_read", read.to_string()),
        ("bytes_written", written.to_string()),
        ("pid", row.process.tgid.to_string()),
        ("process", describe::name(world.session, row.process).into_owned()),
        ("first_s", seconds(world, row.first_at)),
    ])
}

fn network(app: &App, world: World<'_>, row: Row) -> Record {
    let view = app.connections.as_ref();
    let entry = view.and_then(|view| row.entry(view));
    let process = entry.and_then(Entry::process);
    let (sent, received) = view.map_or((0, 0), |view| row.bytes(view));
    let result = match entry {
        Some(Entry::Connection(one)) => describe::result(one.result),
        _ => "",
    };
    vec![
        ("kind", format!("{:?}", row.kind).to_lowercase()),
        ("what", entry.map(|entry| describe::entry(entry, app.theme.signs)).unwrap_or_default()),
        ("result", result.to_owned()),
        ("bytes_sent", sent.to_string()),
        ("bytes_received", received.to_string()),
        ("pid", process.map(|process| process.tgid.to_string()).unwrap_or_default()),
        ("process", process.map(|key| describe::name(world.session, key).into_owned()).unwrap_or_default()),
        ("at_s", seconds(world, row.at)),
    ]
}

fn moment(app: &App, world: World<'_>, number: u64) -> Option<Record> {
    let moment = app.timeline.get(number)?;
    Some(vec![
        ("at_s", seconds(world, moment.at)),
        ("pid", moment.process.tgid.to_string()),
        ("process", describe::name(world.session, moment.process).into_owned()),
        ("what", describe::moment(world.session, moment).1),
    ])
}

fn call_record(app: &App, call: crate::event::Syscall) -> Record {
    let counts = app.call_counts.get(&call).copied().unwrap_or_default();
    vec![
        ("call", syscalls::name(call)),
        ("count", counts.count.to_string()),
        ("denied", counts.denied.to_string()),
    ]
}

fn finding(app: &App, world: World<'_>, row: findings::Row) -> Option<Record> {
    let one = app.found.get(row)?;
    let evidence: Vec<_> =
        one.evidence.iter().map(|evidence| app.found.evidence(world.session, evidence)).collect();
    Some(vec![
        ("severity", describe::severity(one.severity).to_owned()),
        ("rule", one.rule.id.to_owned()),
        ("title", one.rule.title.to_owned()),
        ("attack", one.rule.attack.join(" ")),
        ("count", one.count.to_string()),
        ("pid", one.process.tgid.to_string()),
        ("process", describe::name(world.session, one.process).into_owned()),
        ("first_s", seconds(world, one.first_at)),
        ("evidence", evidence.join("; ")),
    ])
}

/// As a list of objects.
pub(super) fn json(app: &App, world: World<'_>) -> Vec<u8> {
    let object = |record: Record| {
        let fields = record.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value)));
        Value::Object(fields.collect::<Map<_, _>>())
    };
    let list = Value::Array(records(app, world).into_iter().map(object).collect());
    let mut text = format!("{list:#}").into_bytes();
    text.push(b'\n');
    text
}

/// As comma-separated values (RFC 4180), names first.
pub(super) fn csv(app: &App, world: World<'_>) -> Vec<u8> {
    let records = records(app, world);
    let mut text = String::new();
    let mut put = |fields: &mut dyn Iterator<Item = &str>| {
        for (at, field) in fields.enumerate() {
            if at > 0 {
                text.push(',');
            }
            if field.contains([',', '"', '\n', '\r']) {
                text.push_str(&format!("\"{}\"", field.replace('"', "\"\"")));
            } else {
                text.push_str(field);
            }
        }
        text.push_str("\r\n");
    };
    if let Some(first) = records.first() {
        put(&mut first.iter().map(|(name, _)| *name));
    }
    for record in &records {
        put(&mut record.iter().map(|(_, value)| value.as_str()));
    }
    text.into_bytes()
}

/// The selected row, as a line.
pub(super) fn selected(app: &App, world: World<'_>) -> Option<String> {
    let record = match app.focus {
        Pane::Processes => process(world, app.selected_process()?)?,
        Pane::Files => file(world, app.files.selected()?)?,
        Pane::Network => network(app, world, app.network.selected()?),
        Pane::Timeline => moment(app, world, app.moments.selected()?)?,
        Pane::Syscalls => call_record(app, app.calls.selected()?),
        Pane::Findings => finding(app, world, app.findings.selected()?)?,
        Pane::Terminal => return app.terminal.as_ref().map(super::terminal::Emulator::contents),
    };
    let fields: Vec<_> =
        record.into_iter().map(|(_, value)| value).filter(|value| !value.is_empty()).collect();
    Some(fields.join("\t"))
}
