//! What covers the panes.

use ratatui::{buffer::Buffer, layout::Rect, style::Style, text::Span};

use super::{line, popup};
use crate::tui::{
    keys::{Action, TABLE},
    state::{App, Overlay, World, details},
    text,
    theme::Role,
};

/// Draws the overlay, if there is one.
pub(super) fn draw(app: &App, world: World<'_>, buffer: &mut Buffer) {
    let Some(overlay) = &app.overlay else { return };
    match overlay {
        Overlay::Help => help(app, buffer),
        Overlay::Details => lines(app, "Details", &details::selected(app, world), buffer),
        Overlay::Ancestors => lines(app, "Ancestors", &details::ancestors(app, world), buffer),
        Overlay::ConfirmEnd => question(
            app,
            "End the command?",
            &["Everything that it started gets SIGTERM, and", "SIGKILL two seconds later."],
            &[("y", "end it"), ("esc", "let it run")],
            buffer,
        ),
        Overlay::ConfirmQuit => question(
            app,
            "The command is still running",
            &["The receipt is written when it has ended."],
            &[("d", "leave; it runs on, observed"), ("k", "end it and leave"), ("esc", "stay")],
            buffer,
        ),
        Overlay::ChooseFormat => question(
            app,
            "Write the rows of this pane",
            &["To a new file in the receipt's directory."],
            &[("j", "as JSON"), ("c", "as CSV"), ("esc", "not at all")],
            buffer,
        ),
    }
}

fn wide(app: &App) -> (u16, u16) {
    (app.size.0.saturating_sub(4).min(130).max(app.size.0.min(40)), app.size.1.saturating_sub(2).max(6))
}

/// Lines with their names in a column.
fn lines(app: &App, title: &str, lines: &[details::Line], buffer: &mut Buffer) {
    let (width, height) = wide(app);
    let inner = popup(app, width, height, title, buffer);
    let names = lines.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| text::width(name)).max();
    let names = names.unwrap_or(0).min(usize::from(inner.width) / 2);
    let rows: Vec<_> = wrapped(lines, names, usize::from(inner.width).saturating_sub(names + 3));
    let offset = offset(app, rows.len(), inner.height);
    for (row, (name, value, is_heading)) in (0..inner.height).zip(rows.iter().skip(offset)) {
        let area = Rect::new(inner.x, inner.y + row, inner.width, 1);
        let style = if *is_heading { Role::Accent } else { Role::Muted };
        let name = text::shorten_end(
            name,
            if *is_heading { inner.width.into() } else { names },
            app.theme.signs.ellipsis,
        );
        let left = vec![
            Span::styled(format!(" {}  ", text::pad(&name, names)), app.theme.style(style)),
            Span::styled(value.clone(), app.theme.style(Role::Text)),
        ];
        line(left, Vec::new(), Style::new(), area, buffer);
    }
    scroll_hint(app, rows.len(), offset, inner, buffer);
}

/// Long values go on below.
fn wrapped(lines: &[details::Line], _names: usize, room: usize) -> Vec<(String, String, bool)> {
    let room = room.max(8);
    let mut rows = Vec::new();
    for (name, value) in lines {
        let mut rest = value.as_str();
        let mut name = name.clone();
        if rest.is_empty() {
            rows.push((name, String::new(), true));
            continue;
        }
        while !rest.is_empty() {
            let part = text::shorten_end(rest, room, "").into_owned();
            // A character wider than the room still has to go somewhere.
            let taken =
                if part.is_empty() { rest.chars().next().map_or(1, char::len_utf8) } else { part.len() };
            rows.push((std::mem::take(&mut name), rest[..taken].to_owned(), false));
            rest = &rest[taken..];
        }
    }
    rows
}

fn offset(app: &App, rows: usize, height: u16) -> usize {
    app.overlay_offset.min(rows.saturating_sub(height.into()))
}

fn scroll_hint(app: &App, rows: usize, offset: usize, inner: Rect, buffer: &mut Buffer) {
    let below = rows.saturating_sub(offset + usize::from(inner.height));
    if offset + below == 0 {
        return;
    }
    let words = format!(" {} of {rows} ", (offset + usize::from(inner.height)).min(rows));
    let width = u16::try_from(words.len()).unwrap_or(0).min(inner.width);
    let area = Rect::new(inner.right() - width, inner.bottom(), width, 1);
    line(vec![Span::styled(words, app.theme.style(Role::Muted))], Vec::new(), Style::new(), area, buffer);
}

fn help(app: &App, buffer: &mut Buffer) {
    let mut rows: Vec<(String, String, bool)> = Vec::new();
    let mut group = "";
    for entry in TABLE {
        if entry.group != group {
            group = entry.group;
            rows.push((group.to_owned(), String::new(), true));
        }
        let keys: Vec<_> = app.keymap.keys_of(entry.action).map(|key| key.to_string()).collect();
        rows.push((keys.join(", "), entry.help.to_owned(), false));
    }
    let (width, height) = wide(app);
    let inner = popup(app, width.min(90), height, "Keys", buffer);
    let offset = offset(app, rows.len(), inner.height);
    for (row, (keys, help, is_heading)) in (0..inner.height).zip(rows.iter().skip(offset)) {
        let area = Rect::new(inner.x, inner.y + row, inner.width, 1);
        let role = if *is_heading { Role::Accent } else { Role::Key };
        let left = vec![
            Span::styled(format!(" {} ", text::pad(keys, 14)), app.theme.style(role)),
            Span::styled(help.clone(), app.theme.style(Role::Text)),
        ];
        line(left, Vec::new(), Style::new(), area, buffer);
    }
    scroll_hint(app, rows.len(), offset, inner, buffer);
}

fn question(app: &App, title: &str, words: &[&str], answers: &[(&str, &str)], buffer: &mut Buffer) {
    let height = u16::try_from(words.len() + answers.len() + 3).unwrap_or(8);
    let inner = popup(app, 52, height, title, buffer);
    let mut row = inner.y;
    let mut put = |spans: Vec<Span<'_>>, buffer: &mut Buffer| {
        if row < inner.bottom() {
            line(spans, Vec::new(), Style::new(), Rect::new(inner.x, row, inner.width, 1), buffer);
            row += 1;
        }
    };
    for word in words {
        put(vec![Span::raw(format!(" {word}"))], buffer);
    }
    put(Vec::new(), buffer);
    for (key, what) in answers {
        let key = if *key == "esc" {
            app.keymap.keys_of(Action::Clear).last().map_or("esc".into(), |key| key.to_string())
        } else {
            (*key).to_owned()
        };
        put(
            vec![
                Span::styled(format!(" {}", text::pad(&key, 5)), app.theme.style(Role::Key)),
                Span::raw((*what).to_owned()),
            ],
            buffer,
        );
    }
}
