//! Every screen as it is drawn, text and styles. After a change that is meant: `BLESS=1 cargo test -p glasshouse view`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fmt::Write as _, fs, path::PathBuf};

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::*;
use crate::{
    runner::Stage,
    tui::{
        samples::{Sample, filter},
        state::Overlay,
        theme::{ASCII, Depth},
    },
};

const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];

fn drawn(sample: &Sample) -> Buffer {
    let (width, height) = sample.app.size;
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    draw(&sample.app, sample.world(), &mut buffer);
    buffer
}

/// The text, and below it a letter for the style of each cell, and what the letters mean.
fn snapshot(buffer: &Buffer) -> String {
    let mut styles: Vec<Style> = Vec::new();
    let (mut text, mut letters) = (String::new(), String::new());
    for row in 0..buffer.area.height {
        let (mut line, mut marks) = (String::new(), String::new());
        for column in 0..buffer.area.width {
            let cell = &buffer[(column, row)];
            line.push_str(cell.symbol());
            let style = cell.style();
            let known = styles.iter().position(|known| *known == style).unwrap_or_else(|| {
                styles.push(style);
                styles.len() - 1
            });
            let letter = u32::try_from(known).ok().and_then(|known| char::from_u32(u32::from('a') + known));
            marks.push(letter.unwrap());
        }
        writeln!(text, "{}", line.trim_end()).unwrap();
        writeln!(letters, "{}", marks.trim_end_matches('a')).unwrap();
    }
    let mut all = format!("{text}\n{letters}\n");
    for (letter, style) in ('a'..).zip(styles) {
        let colour = |colour: Option<_>| {
            colour.map_or_else(String::new, |colour: ratatui::style::Color| colour.to_string())
        };
        writeln!(all, "{letter}: {} on {} {:?}", colour(style.fg), colour(style.bg), style.add_modifier)
            .unwrap();
    }
    all
}

fn check(name: &str, sample: &Sample) {
    let (width, height) = sample.app.size;
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/tui/view/snapshots")
        .join(format!("{name}-{width}x{height}.txt"));
    let now = snapshot(&drawn(sample));
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, now).unwrap();
        return;
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    assert!(known == now, "{} differs; it is now:\n{now}", path.display());
}

#[test]
fn screens() {
    for size in SIZES {
        check("empty", &Sample::empty(size));
        check("small", &Sample::small(size));
        check("lossy", &Sample::lossy(size));
        check("flowing-files", &Sample::flowing(size, Pane::Files));
        check("flowing-network", &Sample::flowing(size, Pane::Network));
        let mut nothing_found = Sample::small(size);
        (nothing_found.app.focus, nothing_found.app.lower) = (Pane::Findings, Pane::Findings);
        check("findings-none", &nothing_found);
        check("findings", &Sample::found(size));
        check("finished", &Sample::finished(size));
        let mut large = Sample::large(size, 10_000);
        large.app.tree.select(5_000);
        large.app.files.select(20_000);
        check("large", &large);
    }
}

#[test]
fn overlays() {
    for size in SIZES {
        for (name, overlay) in [
            ("help", Overlay::Help),
            ("details", Overlay::Details),
            ("ancestors", Overlay::Ancestors),
            ("confirm-end", Overlay::ConfirmEnd),
            ("confirm-quit", Overlay::ConfirmQuit),
            ("choose-format", Overlay::ChooseFormat),
        ] {
            let mut sample = Sample::small(size);
            sample.app.tree.select(1);
            sample.open(overlay);
            check(name, &sample);
        }
        let mut sample = Sample::found(size);
        sample.open(Overlay::Details);
        check("finding-details", &sample);
    }
}

#[test]
fn what_takes_its_time_at_the_end_is_said() {
    for (stage, words) in [
        (Stage::Concluding, "taking in the last events"),
        (Stage::Hashing, "hashing files"),
        (Stage::Writing, "writing the receipt"),
    ] {
        let mut sample = Sample::small((60, 16));
        sample.progress.stage = stage;
        let text = snapshot(&drawn(&sample));
        assert!(text.lines().next().unwrap().contains(words), "{text}");
    }
}

#[test]
fn without_colours_and_unicode() {
    let mut sample = Sample::with((80, 24), Depth::None, &ASCII);
    check("plain-empty", &sample);
    let coloured = Sample::small((80, 24));
    sample.session = coloured.session;
    sample.app.timeline = coloured.app.timeline;
    sample.app.activity = coloured.app.activity;
    sample.refresh();
    let buffer = drawn(&sample);
    for cell in buffer.content() {
        assert!(cell.symbol().is_ascii(), "{:?}", cell.symbol());
        assert_eq!((cell.fg, cell.bg), (ratatui::style::Color::Reset, ratatui::style::Color::Reset));
    }
    check("plain", &sample);
}

#[test]
fn a_filter_that_is_typed_and_what_narrows_are_seen() {
    let mut sample = Sample::small((120, 40));
    sample.app.focus = Pane::Files;
    sample.app.files.filter = filter("path:tmp");
    sample.app.files.filter_text = "path:tmp".into();
    sample.app.input = Some("path:tmp".into());
    sample.app.scope = Scope::Subtree;
    sample.refresh();
    check("narrowed", &sample);
}

#[test]
fn a_hostile_name_stays_in_its_cell() {
    let mut sample = Sample::small((80, 24));
    let process = crate::session::samples::key(1_000_000_000, 4242);
    let name = "/tmp/\u{1b}[2J\u{202e}evil\n漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字";
    let read = crate::session::samples::read(1);
    sample.take(1, process, crate::session::samples::seen(99, name, 99, read));
    sample.app.focus = Pane::Files;
    sample.app.upper = Pane::Files;
    sample.app.files.select(0);
    sample.refresh();
    let buffer = drawn(&sample);
    for cell in buffer.content() {
        assert!(cell.symbol().chars().all(|char| !char.is_control() && char != '\u{202e}'));
    }
    check("hostile", &sample);
}

/// What matters is whole in the first line; how many events there are makes room for it.
#[test]
fn the_first_line_cuts_nothing_that_matters() {
    for size in SIZES {
        let mut sample = Sample::found(size);
        sample.progress.stage = Stage::Finished;
        sample.progress.finished_at = Some(15_000_000_000);
        sample.progress.outcome = Some("killed by SIGKILL".into());
        let buffer = drawn(&sample);
        let first: String = (0..size.0).map(|column| buffer[(column, 0)].symbol()).collect();
        for words in [" killed by SIGKILL 00:", ".0 ", " lost 0 ", " findings 3 "] {
            assert!(first.contains(words), "{words:?} is not in {first:?}");
        }
    }
}
