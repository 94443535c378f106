//! Draws a screen.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::{Color, Modifier, Style},
    widgets::Widget,
};

use super::Emulator;

/// A screen to be drawn, as far as it fits.
#[derive(Clone, Copy, Debug)]
pub struct Screen<'a> {
    emulator: &'a Emulator,
    colours: bool,
}

impl<'a> Screen<'a> {
    /// With or without colours.
    pub fn new(emulator: &'a Emulator, colours: bool) -> Self {
        Self { emulator, colours }
    }

    /// Where the cursor is, if it is to be seen.
    pub fn cursor(&self, area: Rect) -> Option<Position> {
        let screen = self.emulator.screen();
        if screen.hide_cursor() || screen.scrollback() > 0 {
            return None;
        }
        let (row, column) = screen.cursor_position();
        // Behind the last column it still is in it.
        let column = column.min(screen.size().1.get() - 1);
        let at = Position::new(area.x.saturating_add(column), area.y.saturating_add(row));
        area.contains(at).then_some(at)
    }
}

impl Widget for Screen<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let screen = self.emulator.screen();
        let area = area.intersection(buffer.area);
        for row in 0..area.height {
            for column in 0..area.width {
                let Some(cell) = screen.cell(row, column) else { continue };
                let Some(target) = buffer.cell_mut((area.x + column, area.y + row)) else { continue };
                // A wide character at the border would stand in what is beside it.
                let fits = !cell.is_wide() || column + 1 < area.width;
                if cell.is_wide_continuation() {
                    continue;
                }
                let text = if fits && cell.has_contents() { cell.contents() } else { " " };
                target.set_symbol(text).set_style(style(cell, self.colours));
            }
        }
    }
}

fn style(cell: &vt100::Cell, colours: bool) -> Style {
    let mut style = Style::reset();
    if colours {
        style = style.fg(colour(cell.fgcolor())).bg(colour(cell.bgcolor()));
    }
    for (is, modifier) in [
        (cell.bold(), Modifier::BOLD),
        (cell.dim(), Modifier::DIM),
        (cell.italic(), Modifier::ITALIC),
        (cell.underline(), Modifier::UNDERLINED),
        (cell.inverse(), Modifier::REVERSED),
    ] {
        if is {
            style = style.add_modifier(modifier);
        }
    }
    style
}

fn colour(colour: vt100::Color) -> Color {
    match colour {
        vt100::Color::Default => Color::Reset,
        vt100::Color::Idx(index) => Color::Indexed(index),
        vt100::Color::Rgb(red, green, blue) => Color::Rgb(red, green, blue),
    }
}
