//! From what is selected to what it has to do with.

use super::{focus, selection_moved};
use crate::{
    session::{Fact, FileRowId},
    tui::state::{App, Pane, Touched, World, describe, details, timeline::What},
};

/// Which processes used what is selected.
pub(super) fn touched(app: &mut App, world: World<'_>) {
    let found = match app.focus {
        Pane::Files => app.files.selected().and_then(|id| {
            let what = world.session.file_rows().get(id).map(|row| describe::file_path(&row))?;
            let processes = details::same_path(world, id).iter().map(|row| row.process).collect();
            Some(Touched { what, processes })
        }),
        Pane::Network => app.network.selected().and_then(|row| {
            let view = app.connections.as_ref()?;
            let processes = row.processes(view).into_iter().collect();
            let what = describe::entry(row.entry(view)?, app.theme.signs);
            Some(Touched { what, processes })
        }),
        Pane::Findings => app.findings.selected().and_then(|row| {
            let one = app.found.get(row)?;
            Some(Touched { what: one.rule.id.into(), processes: [one.process].into_iter().collect() })
        }),
        _ => None,
    };
    match found {
        Some(found) => {
            app.touched = Some(found);
            app.is_stale = true;
            focus(app, Pane::Processes);
        }
        None => app.say("select a file, a connection or a finding first"),
    }
}

/// Goes to the first thing that the selected finding is about and that is in a list.
pub(super) fn evidence(app: &mut App, world: World<'_>) {
    let Some(one) = app.findings.selected().and_then(|row| app.found.get(row)) else {
        app.say("select a finding first");
        return;
    };
    let process = one.process;
    let files = world.session.file_rows();
    let place = one.evidence.iter().find_map(|evidence| match &evidence.fact {
        Fact::Path(path) => {
            let is_it = |id: &FileRowId| {
                files.get(*id).is_some_and(|row| {
                    row.process == process && row.path.value().is_some_and(|known| **known == **path)
                })
            };
            Some((Pane::Files, app.files.ids().iter().position(is_it)?))
        }
        Fact::Call(position) => {
            let call = app.found.calls.get(*position)?;
            let is_it = |number: &u64| {
                app.timeline.get(*number).is_some_and(|moment| {
                    (moment.at, moment.process) == (call.first_at, call.process)
                        && matches!(moment.what, What::Called(_))
                })
            };
            Some((Pane::Timeline, app.moments.ids().iter().position(is_it)?))
        }
        Fact::Socket(_) | Fact::Name(_) | Fact::Process(_) => None,
    });
    let of_process = || app.tree.ids().iter().position(|node| node.key == process);
    match place.or_else(|| Some((Pane::Processes, of_process()?))) {
        Some((pane, position)) => {
            focus(app, pane);
            if let Some(cursor) = app.cursor_mut(pane) {
                cursor.select(position);
            }
            selection_moved(app, pane);
        }
        None => app.say("what it is about is in no list; esc takes back what narrows them"),
    }
}
