//! The rows of each pane.

use ratatui::{buffer::Buffer, layout::Rect, style::Style, text::Span};

use super::line;
use crate::{
    event::ProcessKey,
    names,
    session::{Done, FileRow, FileRowId},
    syscalls,
    tui::{
        state::{
            App, Pane, World, describe, findings,
            list::List,
            network::{Entry, Row},
            rates::Flowing,
            tree::Node,
        },
        text,
        theme::Role,
    },
};

/// Cells from which on rows have rates, in the place of their totals.
const RATES: u16 = 40;
/// Cells from which on there is room for both: a file has one total, a connection two.
const BOTH_OF_FILE: u16 = 66;
const BOTH_OF_CONNECTION: u16 = 76;

/// Draws the rows of a pane that fit.
pub(super) fn draw(app: &App, world: World<'_>, pane: Pane, focused: bool, area: Rect, buffer: &mut Buffer) {
    let selection = if focused { Role::Selection } else { Role::SelectionElsewhere };
    let selection = app.theme.style(selection);
    match pane {
        Pane::Processes => {
            each(&app.tree, area, selection, |node, style, area| {
                process(app, world, node, style, area, buffer)
            });
        }
        Pane::Files => {
            each(&app.files, area, selection, |id, style, area| file(app, world, id, style, area, buffer));
        }
        Pane::Network => {
            each(&app.network, area, selection, |row, style, area| {
                network(app, world, row, style, area, buffer)
            });
        }
        Pane::Timeline => {
            each(&app.moments, area, selection, |number, style, area| {
                moment(app, world, number, style, area, buffer);
            });
        }
        Pane::Syscalls => {
            each(&app.calls, area, selection, |call, style, area| {
                let counts = app.call_counts.get(&call).copied().unwrap_or_default();
                let mut right = Vec::new();
                if counts.denied > 0 {
                    let denied = format!("{} denied  ", text::count(counts.denied));
                    right.push(Span::styled(denied, app.theme.style(Role::Failed)));
                }
                right.push(Span::raw(text::pad_left(&text::count(counts.count), 12)));
                right.push(Span::raw(" "));
                line(vec![Span::raw(format!(" {}", syscalls::name(call)))], right, style, area, buffer);
            });
        }
        Pane::Findings => {
            each(&app.findings, area, selection, |row, style, area| {
                finding(app, world, row, style, area, buffer);
            });
        }
        Pane::Terminal => {}
    }
    let (shown, all) = app.counts(pane, world);
    if shown == 0 {
        note(app, nothing(pane, all > 0), area, buffer);
    }
}

/// Calls `draw` with each row on the screen, its style and its place.
fn each<Id: Copy + PartialEq>(
    list: &List<Id>,
    area: Rect,
    selection: Style,
    mut draw: impl FnMut(Id, Style, Rect),
) {
    let height = area.height.into();
    let first = list.window(height).start;
    for (line, id) in (0..).zip(list.on_screen(height)) {
        let style = if first + usize::from(line) == list.position() { selection } else { Style::new() };
        draw(*id, style, Rect::new(area.x, area.y + line, area.width, 1));
    }
}

/// Why a pane is empty.
fn nothing(pane: Pane, is_narrowed: bool) -> &'static str {
    if is_narrowed {
        return "Nothing is left by what narrows this pane; esc takes it back.";
    }
    match pane {
        Pane::Processes => "The command has not been executed yet.",
        Pane::Files => "No file was opened, changed or tried by now.",
        Pane::Network => "No connection was attempted, nothing listens and no name was asked for by now.",
        Pane::Timeline => "Nothing happened by now.",
        Pane::Syscalls => "No system call was counted by now.",
        Pane::Findings => "The rules found nothing by now.",
        Pane::Terminal => "",
    }
}

/// A text in place of rows.
pub(super) fn note(app: &App, words: &str, area: Rect, buffer: &mut Buffer) {
    let mut left = words;
    for row in 0..area.height {
        let room = usize::from(area.width).saturating_sub(2);
        if left.is_empty() || room == 0 {
            return;
        }
        let end =
            if left.len() <= room { left.len() } else { left[..room].rfind(' ').map_or(room, |at| at + 1) };
        let part = Span::styled(format!(" {}", left[..end].trim_end()), app.theme.style(Role::Muted));
        line(vec![part], Vec::new(), Style::new(), Rect::new(area.x, area.y + row, area.width, 1), buffer);
        left = &left[end..];
    }
}

fn process(app: &App, world: World<'_>, node: Node, style: Style, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let signs = theme.signs;
    let Some(process) = world.session.process(node.key) else { return };
    let is_live = process.ended.is_none();
    let mut lines = String::new();
    for depth in 1..node.depth {
        lines.push_str(if node.lines >> depth & 1 == 1 { signs.line } else { " " });
        lines.push(' ');
    }
    if node.depth > 0 {
        lines.push_str(if node.last { signs.corner } else { signs.branch });
    }
    let marker = match (node.has_children, app.collapsed.contains(&node.key)) {
        (true, true) => signs.closed,
        (true, false) => signs.open,
        (false, _) if node.depth > 0 => signs.dash,
        (false, _) => " ",
    };
    lines.push_str(marker);
    lines.push(' ');
    let dim = theme.style(Role::Finished);
    let words = if node.only_leads {
        theme.style(Role::Muted)
    } else if is_live {
        theme.style(Role::Text)
    } else {
        dim
    };
    let badges = app.activity.of(node.key);
    let mut marks = Vec::new();
    if badges.secrets > 0 {
        marks.push(Span::styled(signs.secret, theme.style(Role::Secret)));
    }
    if app.has_denied(node.key) {
        marks.push(Span::styled(signs.failed, theme.style(Role::Failed)));
    }
    if badges.changes {
        marks.push(Span::styled(signs.files, theme.style(Role::Changed)));
    }
    if badges.sockets > 0 {
        marks.push(Span::styled(signs.network, theme.style(Role::Network)));
    }
    if let Some(worst) = app.found.worst_of(node.key) {
        let (sign, role) = describe::severity_mark(worst);
        marks.push(Span::styled(sign(signs), theme.style(role)));
    }
    let width: usize = marks.iter().map(Span::width).sum();
    let mut right = vec![Span::raw(" ".repeat(5_usize.saturating_sub(width).max(1)))];
    right.append(&mut marks);
    if area.width >= 50 {
        let uid = process.credentials.as_ref().map(|known| known.euid);
        let user = uid.map(|uid| app.user(uid)).unwrap_or_default();
        right.push(Span::styled(text::pad_left(&text::shorten_end(&user, 8, signs.ellipsis), 9), dim));
    }
    let end = match (describe::ended(process), world.session.is_still_running(process)) {
        (Some(_), _) if describe::ended_well(process) == Some(true) => {
            (signs.ok.to_owned(), theme.style(Role::Finished))
        }
        (Some(how), _) => {
            (format!("{}{}", signs.bad, how.trim_start_matches("SIG")), theme.style(Role::Failed))
        }
        (None, true) => (signs.live.to_owned(), theme.style(Role::Live)),
        (None, false) => ("?".to_owned(), theme.style(Role::Lost)),
    };
    right.push(Span::styled(text::pad_left(&text::shorten_end(&end.0, 7, signs.ellipsis), 8), end.1));
    let ran = text::lasted(describe::ran(process, world.progress.finished_at.unwrap_or(world.progress.now)));
    right.push(Span::styled(text::pad_left(&ran, 7), dim));
    right.push(Span::raw(" "));
    let of_right: usize = right.iter().map(Span::width).sum();
    let pid = format!("{} ", node.key.tgid);
    let room = usize::from(area.width).saturating_sub(of_right + text::width(&lines) + pid.len());
    let command = describe::command_line(world.session, node.key, process);
    let left = vec![
        Span::styled(lines, theme.style(Role::Muted)),
        Span::styled(pid, dim),
        Span::styled(text::shorten_end(&command, room, signs.ellipsis).into_owned(), words),
    ];
    line(left, right, style, area, buffer);
}

/// Name of a process in a column of its own.
fn by(app: &App, world: World<'_>, process: Option<ProcessKey>, cells: usize) -> Span<'static> {
    let name = process.map(|process| describe::name(world.session, process)).unwrap_or_default();
    let name = text::shorten_end(&name, cells, app.theme.signs.ellipsis).into_owned();
    Span::styled(format!(" {}", text::pad(&name, cells)), app.theme.style(Role::Finished))
}

/// When, since the start.
fn when(app: &App, world: World<'_>, at: u64) -> Span<'static> {
    let clock = text::clock(at.saturating_sub(world.progress.started_at));
    Span::styled(format!("{} ", text::pad_left(&clock, 8)), app.theme.style(Role::Muted))
}

fn file(app: &App, world: World<'_>, id: FileRowId, style: Style, area: Rect, buffer: &mut Buffer) {
    let Some(row) = world.session.file_rows().get(id) else { return };
    let theme = &app.theme;
    let (sign, role) = describe::file_mark(&row);
    let is_secret = describe::is_secret(world.session, row.process, &row.path);
    let mut right = Vec::new();
    if is_secret {
        right.push(Span::styled(format!(" {}", theme.signs.secret), theme.style(Role::Secret)));
    }
    let rate = rate(app, Flowing::File(id), area);
    let is_tight = rate.is_some() && area.width < BOTH_OF_FILE;
    if let Some((rate, _)) = rate {
        let cells = if is_tight { 10 } else { 12 };
        right.push(Span::styled(text::pad_left(&rate, cells), theme.style(Role::Live)));
    }
    if !is_tight {
        right.push(size_or_errno(app, &row));
    }
    right.push(by(app, world, Some(row.process), if area.width >= 50 { 10 } else { 6 }));
    if area.width >= 60 {
        right.push(when(app, world, row.first_at));
    }
    let of_right: usize = right.iter().map(Span::width).sum();
    let room = usize::from(area.width).saturating_sub(of_right + 3);
    let path = describe::file_path(&row);
    let words = if is_secret { theme.style(Role::Secret) } else { theme.style(Role::Text) };
    let left = vec![
        Span::styled(format!(" {} ", sign(theme.signs)), theme.style(role)),
        Span::styled(text::shorten_middle(&path, room, theme.signs.ellipsis).into_owned(), words),
    ];
    line(left, right, style, area, buffer);
}

/// How fast bytes go through a row, and whether most of them go the second way; nothing while it is quiet, and where there
/// is no room for it.
fn rate(app: &App, what: Flowing, area: Rect) -> Option<(String, bool)> {
    let [first, second] = app.rates.of(what);
    let bytes = first.saturating_add(second);
    (bytes > 0 && area.width >= RATES).then(|| (format!("{}/s", text::size(bytes)), second > first))
}

fn size_or_errno(app: &App, row: &FileRow<'_>) -> Span<'static> {
    let theme = &app.theme;
    match &row.done {
        Done::Failed { errno, .. } => {
            Span::styled(text::pad_left(&names::errno(*errno), 10), theme.style(Role::Failed))
        }
        Done::Changed { operation, .. } => {
            Span::styled(text::pad_left(names::file_operation(*operation), 10), theme.style(Role::Muted))
        }
        Done::Used { .. } => {
            let (read, written) = row.bytes();
            let bytes = read.saturating_add(written);
            let shown = if bytes == 0 { String::new() } else { text::size(bytes) };
            Span::styled(text::pad_left(&shown, 10), theme.style(Role::Text))
        }
    }
}

fn network(app: &App, world: World<'_>, row: Row, style: Style, area: Rect, buffer: &mut Buffer) {
    let Some(view) = &app.connections else { return };
    let theme = &app.theme;
    let signs = theme.signs;
    let Some(entry) = row.entry(view) else { return };
    let mut right = Vec::new();
    let (mark, words): (describe::Mark, String) = match entry {
        Entry::Connection(one) => {
            let mut words = describe::peer(one);
            if one.hostname.is_some()
                && area.width >= 70
                && let Some(remote) = one.remote
            {
                words.push_str(&format!("  {}", remote.address));
            }
            words.push_str(&format!("  {}", describe::protocol(one)));
            if describe::is_failure(one.result) {
                right.push(Span::styled(
                    format!(" {}", describe::result(one.result)),
                    theme.style(Role::Failed),
                ));
            } else {
                let rate = rate(app, Flowing::Network(row.kind, row.at), area);
                let is_tight = rate.is_some() && area.width < BOTH_OF_CONNECTION;
                if let Some((rate, is_second)) = rate {
                    let sign = if is_second { signs.down } else { signs.up };
                    right.push(Span::styled(format!(" {sign}{rate}"), theme.style(Role::Live)));
                }
                if !is_tight {
                    let (sent, received) = row.bytes(view);
                    let words =
                        format!(" {}{} {}{}", signs.up, text::size(sent), signs.down, text::size(received));
                    right.push(Span::styled(words, theme.style(Role::Text)));
                }
            }
            (describe::connection_mark(one), words)
        }
        Entry::Listener(one) => {
            let what = if one.listens { "listens" } else { "bound" };
            right.push(Span::styled(format!(" {what}, {} accepted", one.accepted), theme.style(Role::Muted)));
            (((|signs| signs.listen), Role::Network), describe::listener(one))
        }
        Entry::Question(one) => {
            if let (Some(asked), Some(answered)) = (one.asked_at, one.answered_at) {
                let took = text::lasted(answered.saturating_sub(asked));
                right.push(Span::styled(format!(" {took}"), theme.style(Role::Muted)));
            }
            let role = if one.rcode == Some(0) { Role::Network } else { Role::Failed };
            (((|signs| signs.ask), role), describe::question(one, signs))
        }
        Entry::Failure(one) => {
            let errno = names::errno(one.errno);
            right.push(Span::styled(format!(" {errno}"), theme.style(Role::Failed)));
            (((|signs| signs.bad), Role::Failed), describe::socket_failure(one))
        }
        Entry::Unix(one) => (((|signs| signs.local), Role::Muted), describe::unix(one)),
    };
    right.push(by(app, world, row.process(view), if area.width >= 50 { 10 } else { 6 }));
    if area.width >= 60 {
        right.push(when(app, world, row.at));
    }
    let of_right: usize = right.iter().map(Span::width).sum();
    let room = usize::from(area.width).saturating_sub(of_right + 3);
    let left = vec![
        Span::styled(format!(" {} ", mark.0(signs)), theme.style(mark.1)),
        Span::raw(text::shorten_end(&words, room, signs.ellipsis).into_owned()),
    ];
    line(left, right, style, area, buffer);
}

fn moment(app: &App, world: World<'_>, number: u64, style: Style, area: Rect, buffer: &mut Buffer) {
    let Some(moment) = app.timeline.get(number) else { return };
    let theme = &app.theme;
    let ((sign, role), words) = describe::moment(world.session, moment);
    let name = by(app, world, Some(moment.process), 10);
    let room = usize::from(area.width).saturating_sub(9 + name.width() + 4);
    let words = text::shorten_middle(&words, room, theme.signs.ellipsis).into_owned();
    let left = vec![
        when(app, world, moment.at),
        name,
        Span::styled(format!(" {} ", sign(theme.signs)), theme.style(role)),
        Span::raw(words),
    ];
    line(left, Vec::new(), style, area, buffer);
}

fn finding(app: &App, world: World<'_>, row: findings::Row, style: Style, area: Rect, buffer: &mut Buffer) {
    let Some(one) = app.found.get(row) else { return };
    let theme = &app.theme;
    let signs = theme.signs;
    let (sign, role) = describe::severity_mark(one.severity);
    let mut right = Vec::new();
    if one.count > 1 {
        right.push(Span::styled(format!(" {} times", text::count(one.count)), theme.style(Role::Muted)));
    }
    if !one.succeeded {
        right.push(Span::styled(format!(" {} in vain", signs.bad), theme.style(Role::Muted)));
    }
    right.push(by(app, world, Some(one.process), if area.width >= 50 { 10 } else { 6 }));
    if area.width >= 60 {
        right.push(when(app, world, one.first_at));
    }
    let of_right: usize = right.iter().map(Span::width).sum();
    let severity = format!(" {} {} ", sign(signs), text::pad(describe::severity(one.severity), 6));
    let room = usize::from(area.width).saturating_sub(of_right + text::width(&severity));
    let mut words = one.rule.title.to_owned();
    if let Some(first) = one.evidence.first() {
        words.push_str(": ");
        words.push_str(&app.found.evidence(world.session, first));
    }
    let left = vec![
        Span::styled(severity, theme.style(role)),
        Span::raw(text::shorten_end(&words, room, signs.ellipsis).into_owned()),
    ];
    line(left, right, style, area, buffer);
}
