//! A screen as a picture: text in the reader's own monospaced font, held to the grid by its length.

use std::fmt::Write as _;

use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};
use unicode_width::UnicodeWidthStr as _;

const CELL: (f32, f32) = (8.4, 17.0);
const MARGIN: f32 = 14.0;
const BACKGROUND: &str = "#14161b";
const FOREGROUND: &str = "#d7dae0";

/// A run of cells of one style.
struct Run {
    column: usize,
    cells: usize,
    text: String,
    style: (Color, Color, Modifier),
}

/// The picture.
pub(crate) fn svg(buffer: &Buffer) -> String {
    let (columns, rows) = (buffer.area.width, buffer.area.height);
    let (width, height) =
        (f32::from(columns) * CELL.0 + 2.0 * MARGIN, f32::from(rows) * CELL.1 + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\" aria-label=\"the interface of glasshouse\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n\
         <g font-family=\"'DejaVu Sans Mono', ui-monospace, Menlo, Consolas, monospace\" font-size=\"14\" \
         xml:space=\"preserve\">\n"
    );
    for row in 0..rows {
        for run in runs(buffer, row) {
            draw(&mut out, row, &run);
        }
    }
    out.push_str("</g>\n</svg>\n");
    out
}

fn style(cell: &Cell) -> (Color, Color, Modifier) {
    let (foreground, background) =
        if cell.modifier.contains(Modifier::REVERSED) { (cell.bg, cell.fg) } else { (cell.fg, cell.bg) };
    (foreground, background, cell.modifier)
}

fn runs(buffer: &Buffer, row: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut column = 0;
    while column < buffer.area.width {
        let cell = &buffer[(column, row)];
        let (text, style) = (cell.symbol(), style(cell));
        let cells = text.width().max(1);
        // What fonts draw at other widths than one cell stands alone.
        let joins = text.is_ascii();
        match runs.last_mut() {
            Some(last) if last.style == style && joins && last.text.is_ascii() => {
                last.text.push_str(text);
                last.cells += cells;
            }
            _ => runs.push(Run { column: column.into(), cells, text: text.to_owned(), style }),
        }
        column += u16::try_from(cells).unwrap_or(1);
    }
    runs
}

#[expect(clippy::cast_precision_loss, reason = "a screen has a few hundred columns")]
fn draw(out: &mut String, row: u16, run: &Run) {
    let x = MARGIN + run.column as f32 * CELL.0;
    let y = MARGIN + f32::from(row) * CELL.1;
    let width = run.cells as f32 * CELL.0;
    let (foreground, background, modifier) = run.style;
    if background != Color::Reset {
        let fill = hex(background, BACKGROUND);
        // A little wider, so that no line shows between neighbours.
        let line = format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{}\" fill=\"{fill}\"/>",
            width + 0.3,
            CELL.1
        );
        writeln!(out, "{line}").unwrap();
    }
    if run.text.trim().is_empty() {
        return;
    }
    let weight = if modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let text = run.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{weight}>{text}</text>",
        y + 13.0,
        hex(foreground, FOREGROUND)
    )
    .unwrap();
}

fn hex(colour: Color, default: &str) -> String {
    match colour {
        Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
        _ => default.to_owned(),
    }
}
