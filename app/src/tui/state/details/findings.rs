//! Findings, and calls that matter by themselves, as lines.

use super::{Line, at, heading, process, said, whom};
use crate::{
    event::ProcessKey,
    session::Fact,
    tui::{
        state::{App, World, describe, findings::Row},
        text::count,
    },
};

/// A finding: its rule, all of its evidence, and the process.
pub(super) fn row(app: &App, world: World<'_>, row: Row) -> Option<Vec<Line>> {
    let one = app.found.get(row)?;
    let mut lines = vec![
        said("finding", one.rule.title),
        said("severity", describe::severity(one.severity)),
        said("rule", one.rule.id),
    ];
    if !one.rule.attack.is_empty() {
        lines.push(said("ATT&CK", one.rule.attack.join(", ")));
    }
    lines.push(said("process", whom(world.session, one.process)));
    lines.push(said("first", at(world, one.first_at)));
    lines.push(said("times", count(one.count)));
    if !one.succeeded {
        lines.push(said("outcome", "tried in vain"));
    } else if let Some((_, unseen)) = one.rule.blind_spot {
        lines.push(said("unseen", unseen));
    }
    lines.push(heading("evidence"));
    for evidence in &one.evidence {
        let kind = match evidence.fact {
            Fact::Path(_) => "file",
            Fact::Socket(_) => "socket",
            Fact::Name(_) => "name",
            Fact::Call(_) => "call",
            Fact::Process(_) => "process",
        };
        lines.push(said(&format!("  {kind}"), app.found.evidence(world.session, evidence)));
    }
    lines.push(heading(""));
    lines.extend(process(app, world, one.process));
    Some(lines)
}

/// What was found of a process, and the calls that it made.
pub(super) fn of_process(app: &App, world: World<'_>, key: ProcessKey, lines: &mut Vec<Line>) {
    let mut found = app.found.findings.list.iter().filter(|one| one.process == key).peekable();
    if found.peek().is_some() {
        lines.push(heading("findings"));
    }
    lines.extend(found.map(|one| said(&format!("  {}", describe::severity(one.severity)), one.rule.title)));
    let mut calls = app.found.calls.iter().filter(|call| call.process == key).peekable();
    if calls.peek().is_some() {
        lines.push(heading("calls that matter by themselves"));
    }
    lines.extend(
        calls.map(|call| said(&format!("  {}", count(call.count)), describe::call(world.session, call))),
    );
}
