//! Draws what the state says. Looks at everything and changes nothing; only rows on the screen are formatted.

mod header;
pub mod layout;
pub(super) mod overlay;
mod rows;
#[cfg(test)]
mod tests;

use layout::{Group, Layout};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    symbols::border,
    text::{Line, Span},
    widgets::{Block, Clear, Widget as _},
};

use super::{
    state::{App, Pane, Scope, World, describe},
    terminal::Screen,
    text,
    theme::{Depth, Role},
};

/// Draws everything; gives back where the cursor is to be.
pub fn draw(app: &App, world: World<'_>, buffer: &mut Buffer) -> Option<Position> {
    let layout = Layout::new(app);
    header::header(app, world, layout.header, buffer);
    let mut cursor = None;
    for group in &layout.groups {
        cursor = draw_group(app, world, group, buffer).or(cursor);
    }
    let typed = header::footer(app, layout.footer, buffer);
    overlay::draw(app, buffer);
    if app.overlay.is_some() { None } else { typed.or(cursor) }
}

const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

fn frame(app: &App, focused: bool) -> Block<'static> {
    let style = app.theme.style(if focused { Role::Focus } else { Role::Border });
    let set = if app.theme.signs.has_lines { border::PLAIN } else { ASCII_BORDER };
    Block::bordered().border_set(set).border_style(style)
}

fn draw_group(app: &App, world: World<'_>, group: &Group, buffer: &mut Buffer) -> Option<Position> {
    let focused = group.shown == app.focus;
    let inner = group.inner();
    let room = usize::from(group.area.width.saturating_sub(2));
    let (tabs, counts) = (title(app, group, focused), counts(app, world, group.shown));
    let left = tabs.width();
    let mut block = frame(app, focused).title_top(tabs);
    let narrowing = narrowing(app, world, group.shown);
    let free = room.saturating_sub(left + text::width(&counts) + 1);
    let narrowing = text::shorten_end(&narrowing, free, app.theme.signs.ellipsis).into_owned();
    if room > left + text::width(&counts) {
        let right = Line::from(vec![
            Span::styled(narrowing, app.theme.style(Role::Accent)),
            Span::styled(counts, app.theme.style(Role::Muted)),
        ]);
        block = block.title_top(right.right_aligned());
    }
    block.render(group.area, buffer);
    if inner.is_empty() {
        return None;
    }
    if group.shown == Pane::Terminal {
        return terminal(app, inner, buffer);
    }
    rows::draw(app, world, group.shown, focused, inner, buffer);
    None
}

/// The name of the pane, or the tabs.
fn title(app: &App, group: &Group, focused: bool) -> Line<'static> {
    let name_style = app.theme.style(if focused { Role::Accent } else { Role::Title });
    let muted = app.theme.style(Role::Muted);
    let mut spans = vec![Span::raw(" ")];
    for (pane, _, label) in group.labels() {
        if spans.len() > 1 {
            spans.push(Span::styled(format!(" {} ", app.theme.signs.line), app.theme.style(Role::Border)));
        }
        match label.strip_suffix(pane.name()) {
            Some(number) if pane == group.shown => {
                spans.push(Span::styled(number.to_owned(), muted));
                spans.push(Span::styled(pane.name(), name_style));
            }
            _ => spans.push(Span::styled(label, muted)),
        }
    }
    spans.push(Span::raw(" "));
    Line::from(spans)
}

/// What narrows a pane, in words.
fn narrowing(app: &App, world: World<'_>, pane: Pane) -> String {
    let mut parts = Vec::new();
    if pane == Pane::Processes {
        if let Some(touched) = &app.touched {
            parts.push(format!("used {}", touched.what));
        }
    } else if pane != Pane::Terminal
        && let Some(key) = app.selected_process()
    {
        let name = describe::name(world.session, key);
        match app.scope {
            Scope::All => {}
            Scope::Process => parts.push(format!("of {} {name}", key.tgid)),
            Scope::Subtree => parts.push(format!("subtree of {} {name}", key.tgid)),
        }
    }
    let is_timed = !matches!(pane, Pane::Processes | Pane::Terminal | Pane::Syscalls);
    if is_timed && app.changes_only && pane != Pane::Findings {
        parts.push("changes".into());
    }
    if is_timed && app.window != (None, None) {
        let clock = |at: Option<u64>| {
            at.map(|at| text::clock(at.saturating_sub(world.progress.started_at))).unwrap_or_default()
        };
        parts.push(format!("{}..{}", clock(app.window.0), clock(app.window.1)));
    }
    let filter = app.filter_text(pane);
    if !filter.is_empty() {
        parts.push(format!("/{filter}"));
    }
    let (sort, reverse, follow) =
        app.cursor(pane).map_or((0, false, false), |cursor| (cursor.sort, cursor.reverse, cursor.follow));
    // Of system calls the largest counts come first unless they are asked for last.
    let reverse = reverse != (pane == Pane::Syscalls);
    if sort > 0 || reverse {
        let name = pane.sorts().get(sort).copied().unwrap_or_default();
        parts.push(format!("by {name}{}", if reverse { " reversed" } else { "" }));
    }
    if follow {
        parts.push("following".into());
    }
    let mut text = parts.join(" ");
    if !text.is_empty() {
        text = format!(" {text} ");
    }
    text
}

fn counts(app: &App, world: World<'_>, pane: Pane) -> String {
    match pane {
        Pane::Terminal => {
            let scrolled = app.terminal.as_ref().map_or(0, |terminal| terminal.scrolled());
            match (scrolled, app.typing) {
                (0, true) => {
                    format!(" typing; {} leaves ", app.keymap.shown(super::keys::Action::LeaveTerminal))
                }
                (0, false) => String::new(),
                (lines, _) => format!(" {lines} lines back "),
            }
        }
        Pane::Processes => {
            let (shown, all) = app.counts(pane, world);
            let live = world.session.live_count();
            if shown == all {
                format!(" {} live, {} in all ", text::count(live), text::count(all))
            } else {
                format!(" {} of {} ", text::count(shown), text::count(all))
            }
        }
        _ => {
            let (shown, all) = app.counts(pane, world);
            if shown == all {
                format!(" {} ", text::count(all))
            } else {
                format!(" {} of {} ", text::count(shown), text::count(all))
            }
        }
    }
}

fn terminal(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let Some(emulator) = &app.terminal else {
        let message = "The command's standard streams are no terminal; what it writes goes where they lead.";
        rows::note(app, message, area, buffer);
        return None;
    };
    let screen = Screen::new(emulator, app.theme.depth() != Depth::None);
    let cursor = screen.cursor(area).filter(|_| app.typing);
    screen.render(area, buffer);
    cursor
}

/// A box in the middle of the screen, emptied.
fn popup(app: &App, width: u16, height: u16, title: &str, buffer: &mut Buffer) -> Rect {
    let screen = buffer.area;
    let (width, height) = (width.min(screen.width), height.min(screen.height));
    let area = Rect::new(
        screen.x + (screen.width - width) / 2,
        screen.y + (screen.height - height) / 2,
        width,
        height,
    );
    Clear.render(area, buffer);
    let title = Span::styled(format!(" {title} "), app.theme.style(Role::Accent));
    let block = frame(app, true).title_top(Line::from(title));
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}

/// Writes spans into a line, those of the right at its end; the left ones get what is left.
fn line(left: Vec<Span<'_>>, right: Vec<Span<'_>>, style: Style, area: Rect, buffer: &mut Buffer) {
    let area = area.intersection(buffer.area);
    if area.is_empty() {
        return;
    }
    buffer.set_style(area, style);
    let of_right: usize = right.iter().map(Span::width).sum();
    let room = usize::from(area.width).saturating_sub(of_right);
    let room = u16::try_from(room).unwrap_or(area.width);
    buffer.set_line(area.x, area.y, &Line::from(left), room);
    buffer.set_line(area.x + room, area.y, &Line::from(right), area.width - room);
    // What is selected keeps its background under every span.
    if let Some(background) = style.bg {
        buffer.set_style(area, Style::new().bg(background));
    }
    buffer.set_style(area, Style::new().add_modifier(style.add_modifier));
}
