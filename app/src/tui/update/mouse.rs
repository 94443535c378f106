//! The mouse: what is clicked is selected, borders are dragged, the wheel scrolls.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::{
    super::{
        state::{App, Border, Pane},
        terminal,
        view::layout::Layout,
    },
    Effect, focus, scroll_terminal, selection_moved,
};

/// Rows of a click of the wheel.
const WHEEL: isize = 3;

pub(super) fn clicked(app: &mut App, mouse: MouseEvent) -> Vec<Effect> {
    let layout = Layout::new(app);
    let (column, row) = (mouse.column, mouse.row);
    if let Some(border) = app.dragging {
        match mouse.kind {
            MouseEventKind::Drag(_) => drag(app, &layout, border, column, row),
            _ => app.dragging = None,
        }
        return Vec::new();
    }
    if app.overlay.is_some() {
        match mouse.kind {
            MouseEventKind::ScrollUp => app.overlay_offset = app.overlay_offset.saturating_sub(3),
            MouseEventKind::ScrollDown => app.overlay_offset += 3,
            _ => {}
        }
        return Vec::new();
    }
    if mouse.kind == MouseEventKind::Down(MouseButton::Left) {
        app.dragging = layout.border(app, column, row);
        if app.dragging.is_some() {
            return Vec::new();
        }
    }
    let at = ratatui::layout::Position::new(column, row);
    let Some(group) = layout.groups.iter().find(|group| group.area.contains(at)) else { return Vec::new() };
    let inner = group.inner();
    if group.shown == Pane::Terminal
        && inner.contains(at)
        && app.typing
        && let Some(emulator) = &app.terminal
    {
        let bytes = terminal::mouse(mouse, column - inner.x, row - inner.y, emulator.input_mode());
        if !bytes.is_empty() {
            return vec![Effect::Type(bytes)];
        }
    }
    match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) if row == group.area.y => {
            if let Some(pane) = group.tab_at(column) {
                focus(app, pane);
            }
        }
        MouseEventKind::Down(MouseButton::Left) => {
            let pane = group.shown;
            app.typing = pane == Pane::Terminal && app.focus == Pane::Terminal && app.terminal.is_some();
            focus(app, pane);
            if inner.contains(at) {
                select_line(app, pane, usize::from(row - inner.y), usize::from(inner.height));
            }
        }
        MouseEventKind::ScrollUp => scroll(app, group.shown, -WHEEL, inner.height.into()),
        MouseEventKind::ScrollDown => scroll(app, group.shown, WHEEL, inner.height.into()),
        _ => {}
    }
    Vec::new()
}

fn drag(app: &mut App, layout: &Layout, border: Border, column: u16, row: u16) {
    let share = |part: u16, whole: u16| {
        u16::try_from(u32::from(part) * 100 / u32::from(whole.max(1))).unwrap_or(50).clamp(20, 80)
    };
    match border {
        Border::Middle => app.upper_share = share(row, app.size.1.saturating_sub(2)),
        Border::Left => {
            let right = layout.group(Pane::Files).map_or(app.size.0, |group| group.area.right());
            app.left_share = share(column + 1, right);
        }
    }
}

fn select_line(app: &mut App, pane: Pane, line: usize, height: usize) {
    if let Some(cursor) = app.cursor_mut(pane) {
        cursor.select(cursor.window(height).start + line);
        selection_moved(app, pane);
    }
}

fn scroll(app: &mut App, pane: Pane, by: isize, height: usize) {
    match app.cursor_mut(pane) {
        Some(cursor) => cursor.scroll(by, height),
        None => scroll_terminal(app, by),
    }
    selection_moved(app, pane);
}
