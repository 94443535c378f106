#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;
use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget as _};

use super::*;

fn fed(rows: u16, columns: u16, bytes: &[u8]) -> Emulator {
    let mut emulator = Emulator::new(rows, columns);
    emulator.feed(bytes);
    emulator
}

#[test]
fn questions_are_answered() {
    for (asked, answer) in [
        ("\x1b[c", "\x1b[?62;22c"),
        ("\x1b[>c", "\x1b[>1;10;0c"),
        ("\x1b[5n", "\x1b[0n"),
        ("ab\r\nc\x1b[6n", "\x1b[2;2R"),
        ("\x1b[?2026$p", "\x1b[?2026;0$y"),
        ("\x1b[18t", "\x1b[8;5;20t"),
    ] {
        let mut emulator = fed(5, 20, asked.as_bytes());
        assert_eq!(String::from_utf8(emulator.take_replies()).unwrap(), answer, "{asked:?}");
        assert_eq!(emulator.take_replies(), b"");
    }
    let mut emulator = fed(5, 20, &b"\x1b[6n".repeat(100_000));
    assert!(emulator.take_replies().len() <= 4096);
}

#[test]
fn keys_are_those_of_xterm() {
    let plain = InputMode::default();
    let application = InputMode { application_cursor: true, ..plain };
    let (none, shift, alt, control) =
        (KeyModifiers::NONE, KeyModifiers::SHIFT, KeyModifiers::ALT, KeyModifiers::CONTROL);
    for (code, modifiers, mode, bytes) in [
        (KeyCode::Up, none, plain, "\x1b[A"),
        (KeyCode::Up, none, application, "\x1bOA"),
        (KeyCode::Up, control, application, "\x1b[1;5A"),
        (KeyCode::Left, alt | shift, plain, "\x1b[1;4D"),
        (KeyCode::Delete, none, plain, "\x1b[3~"),
        (KeyCode::PageDown, shift, plain, "\x1b[6;2~"),
        (KeyCode::F(1), none, plain, "\x1bOP"),
        (KeyCode::F(2), shift, plain, "\x1b[1;2Q"),
        (KeyCode::F(5), none, plain, "\x1b[15~"),
        (KeyCode::F(12), control, plain, "\x1b[24;5~"),
        (KeyCode::Char('c'), control, plain, "\x03"),
        (KeyCode::Char('x'), alt, plain, "\x1bx"),
        (KeyCode::Char('5'), control, plain, "\x1d"),
        (KeyCode::Char('é'), none, plain, "é"),
        (KeyCode::Enter, none, plain, "\r"),
        (KeyCode::Backspace, none, plain, "\x7f"),
        (KeyCode::BackTab, shift, plain, "\x1b[Z"),
        (KeyCode::Esc, none, plain, "\x1b"),
    ] {
        let typed = key(KeyEvent::new(code, modifiers), mode);
        assert_eq!(String::from_utf8(typed).unwrap(), bytes, "{code:?} {modifiers:?}");
    }
}

#[test]
fn a_paste_cannot_end_itself() {
    let mode = InputMode { bracketed_paste: true, ..InputMode::default() };
    assert_eq!(paste("a\nb\x1b[201~rm", mode), b"\x1b[200~a\rb[201~rm\x1b[201~");
    assert_eq!(paste("a\r\nb", InputMode::default()), b"a\rb");
}

#[test]
fn the_mouse_is_told_to_who_asks() {
    let kind = MouseEventKind::Down(MouseButton::Left);
    let event = MouseEvent { kind, column: 9, row: 9, modifiers: KeyModifiers::NONE };
    assert_eq!(mouse(event, 1, 2, InputMode::default()), b"");
    let mode = fed(5, 20, b"\x1b[?1000h\x1b[?1006h").input_mode();
    assert_eq!(mouse(event, 1, 2, mode), b"\x1b[<0;2;3M");
    let mode = fed(5, 20, b"\x1b[?1000h").input_mode();
    assert_eq!(mouse(event, 1, 2, mode), b"\x1b[M \"#");
}

#[test]
fn a_screen_is_clipped_to_its_place() {
    let emulator = fed(2, 10, "ab漢字\r\nx".as_bytes());
    let mut buffer = Buffer::with_lines(["......", "......", "......"]);
    Screen::new(&emulator, true).render(Rect::new(1, 0, 3, 2), &mut buffer);
    let line =
        |row: u16| -> String { (0..6).map(|column| buffer[(column, row)].symbol().to_owned()).collect() };
    assert_eq!(line(0), ".ab ..");
    assert_eq!(line(1), ".x  ..");
    assert_eq!(line(2), "......");
}

proptest! {
    #[test]
    fn nothing_that_is_written_does_harm(
        parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..60), 1_u16..40, 1_u16..40), 1..6)
    ) {
        let mut emulator = Emulator::new(24, 80);
        for (bytes, rows, columns) in parts {
            emulator.feed(b"\x1b[");
            emulator.feed(&bytes);
            emulator.resize(rows, columns);
            emulator.feed(&bytes);
            emulator.scroll(5);
            let mut buffer = Buffer::empty(Rect::new(0, 0, 50, 50));
            Screen::new(&emulator, true).render(Rect::new(0, 0, 50, 50), &mut buffer);
        }
    }
}
