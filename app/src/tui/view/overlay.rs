//! What covers the panes.

use ratatui::{buffer::Buffer, layout::Rect, style::Style, text::Span};

use super::{line, popup};
use crate::tui::{
    keys::{Action, TABLE},
    state::{App, Overlay, details},
    text,
    theme::Role,
};

/// Draws the overlay, if there is one.
pub(super) fn draw(app: &App, buffer: &mut Buffer) {
    let Some(overlay) = &app.overlay else { return };
    match overlay {
        Overlay::Help | Overlay::Details | Overlay::Ancestors => {
            if let Some(page) = Page::new(app) {
                page.draw(app, buffer);
            }
        }
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

/// Lines with names in a column, that can be scrolled.
struct Page {
    title: &'static str,
    size: (u16, u16),
    /// Cells of the names, and of what is between them and the values.
    names: usize,
    gap: usize,
    names_are: Role,
    rows: Vec<Line>,
}

/// A name, a value, and whether the name is a heading.
struct Line {
    name: String,
    value: String,
    is_heading: bool,
}

/// How many lines the overlay has, and how many of them are on the screen at once.
pub(in crate::tui) fn extent(app: &App) -> (usize, usize) {
    Page::new(app).map_or((0, 0), |page| (page.rows.len(), page.height().into()))
}

impl Page {
    /// Nothing where the overlay is a question.
    fn new(app: &App) -> Option<Self> {
        let width = app.size.0.saturating_sub(4).min(130).max(app.size.0.min(40));
        let height = app.size.1.saturating_sub(2).max(6);
        let title = match app.overlay.as_ref()? {
            Overlay::Help => return Some(Self::help(app, (width.min(90), height))),
            Overlay::Details => "Details",
            Overlay::Ancestors => "Ancestors",
            Overlay::ConfirmEnd | Overlay::ConfirmQuit | Overlay::ChooseFormat => return None,
        };
        let inner = usize::from(width.saturating_sub(2));
        let names = app.page.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| text::width(name));
        let names = names.max().unwrap_or(0).min(inner / 2);
        let rows = wrapped(&app.page, inner.saturating_sub(names + 3));
        Some(Self { title, size: (width, height), names, gap: 2, names_are: Role::Muted, rows })
    }

    fn help(app: &App, size: (u16, u16)) -> Self {
        let mut rows = Vec::new();
        let mut group = "";
        for entry in TABLE {
            if entry.group != group {
                group = entry.group;
                rows.push(Line { name: group.to_owned(), value: String::new(), is_heading: true });
            }
            let keys: Vec<_> = app.keymap.keys_of(entry.action).map(|key| key.to_string()).collect();
            rows.push(Line { name: keys.join(", "), value: entry.help.to_owned(), is_heading: false });
        }
        let names = rows.iter().filter(|line| !line.is_heading).map(|line| text::width(&line.name));
        // Wide enough that the column stands apart whatever the keys are.
        let names = names.max().unwrap_or(0).max(14);
        Self { title: "Keys", size, names, gap: 1, names_are: Role::Key, rows }
    }

    fn height(&self) -> u16 {
        self.size.1.saturating_sub(2)
    }

    fn draw(&self, app: &App, buffer: &mut Buffer) {
        let inner = popup(app, self.size.0, self.size.1, self.title, buffer);
        let offset = app.overlay_offset.min(self.rows.len().saturating_sub(inner.height.into()));
        let gap = " ".repeat(self.gap);
        for (row, Line { name, value, is_heading }) in (0..inner.height).zip(self.rows.iter().skip(offset)) {
            let area = Rect::new(inner.x, inner.y + row, inner.width, 1);
            let (role, cells) =
                if *is_heading { (Role::Accent, inner.width.into()) } else { (self.names_are, self.names) };
            let name = text::shorten_end(name, cells, app.theme.signs.ellipsis);
            let left = vec![
                Span::styled(format!(" {}{gap}", text::pad(&name, self.names)), app.theme.style(role)),
                Span::styled(value.clone(), app.theme.style(Role::Text)),
            ];
            line(left, Vec::new(), Style::new(), area, buffer);
        }
        scroll_hint(app, self.rows.len(), offset, inner, buffer);
    }
}

/// Long values go on below.
fn wrapped(lines: &[details::Line], room: usize) -> Vec<Line> {
    let room = room.max(8);
    let mut rows = Vec::new();
    for (name, value) in lines {
        let mut name = name.clone();
        let mut rest = value.as_str();
        if rest.is_empty() {
            rows.push(Line { name, value: String::new(), is_heading: true });
            continue;
        }
        while !rest.is_empty() {
            let part = text::shorten_end(rest, room, "");
            // A character wider than the room still has to go somewhere.
            let taken =
                if part.is_empty() { rest.chars().next().map_or(1, char::len_utf8) } else { part.len() };
            let value = rest[..taken].to_owned();
            rows.push(Line { name: std::mem::take(&mut name), value, is_heading: false });
            rest = &rest[taken..];
        }
    }
    rows
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
