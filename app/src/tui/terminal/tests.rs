#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod programs;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Style},
    widgets::Widget as _,
};

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
        ("\x1b[?7$p\x1b[?7l\x1b[?7$p", "\x1b[?7;1$y\x1b[?7;2$y"),
        (
            "\x1b[?1006;1002;2004h\x1b[?1002$p\x1b[?1000$p\x1b[?2004$p",
            "\x1b[?1002;1$y\x1b[?1000;2$y\x1b[?2004;1$y",
        ),
        ("\x1b[4h\x1b[4$p", "\x1b[4;1$y"),
        ("\x1b[?1049h\x1b[?1049$p\x1b[?25$p", "\x1b[?1049;1$y\x1b[?25;1$y"),
        ("\x1b]10;?\x07", "\x1b]10;rgb:ffff/ffff/ffff\x07"),
        ("\x1b]11;?\x1b\\", "\x1b]11;rgb:0000/0000/0000\x1b\\"),
        // The size, as it is found out where nobody tells it; and the end of a full line.
        ("\x1b[999;999H\x1b[6n", "\x1b[5;20R"),
        ("12345678901234567890\x1b[6n", "\x1b[1;20R"),
        ("\x1b[18t", "\x1b[8;5;20t"),
    ] {
        let mut emulator = fed(5, 20, asked.as_bytes());
        assert_eq!(String::from_utf8(emulator.take_replies()).unwrap(), answer, "{asked:?}");
        assert_eq!(emulator.take_replies(), b"");
    }
    let mut emulator = Emulator::new(5, 20);
    emulator.set_light(true);
    // Whatever resets the terminal does not change what it looks like.
    emulator.feed(b"\x1bc\x1b[!p\x1b]11;?\x07");
    assert_eq!(emulator.take_replies(), b"\x1b]11;rgb:ffff/ffff/ffff\x07");
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
    assert_eq!(paste("\ta\x03\x7f\u{9b}b", mode), b"\x1b[200~\tab\x1b[201~");
    assert_eq!(paste("a\x04\x1b[Ab", InputMode::default()), b"a[Ab");
    assert_eq!(paste("a\r\nb", InputMode::default()), b"a\rb");
}

#[test]
fn the_mouse_is_told_to_who_asks() {
    let kind = MouseEventKind::Down(MouseButton::Left);
    let event = MouseEvent { kind, column: 90, row: 90, modifiers: KeyModifiers::NONE };
    let of = |kind| MouseEvent { kind, ..event };
    let up = of(MouseEventKind::Up(MouseButton::Right));
    let drag = of(MouseEventKind::Drag(MouseButton::Middle));
    let moved = of(MouseEventKind::Moved);
    let wheel = of(MouseEventKind::ScrollDown);
    for (set, event, told) in [
        ("", event, ""),
        ("", wheel, ""),
        ("\x1b[?1049h", event, ""),
        ("\x1b[?1049h", wheel, "\x1b[B\x1b[B\x1b[B"),
        ("\x1b[?1049h\x1b[?1h", wheel, "\x1bOB\x1bOB\x1bOB"),
        ("\x1b[?9h", event, "\x1b[M \"#"),
        ("\x1b[?9h", up, ""),
        ("\x1b[?1000h", event, "\x1b[M \"#"),
        ("\x1b[?1000h", up, "\x1b[M#\"#"),
        ("\x1b[?1000h", drag, ""),
        ("\x1b[?1000h", wheel, "\x1b[Ma\"#"),
        ("\x1b[?1000;1006h", event, "\x1b[<0;2;3M"),
        ("\x1b[?1000;1006h", up, "\x1b[<2;2;3m"),
        ("\x1b[?1002;1006h", drag, "\x1b[<33;2;3M"),
        ("\x1b[?1002;1006h", moved, ""),
        ("\x1b[?1003;1006h", moved, "\x1b[<35;2;3M"),
        ("\x1b[?1003;1006h\x1b[?1003l", moved, ""),
    ] {
        let mode = fed(5, 20, set.as_bytes()).input_mode();
        assert_eq!(String::from_utf8(mouse(event, 1, 2, mode)).unwrap(), told, "{set:?} {event:?}");
    }
    let held = MouseEvent { modifiers: KeyModifiers::CONTROL | KeyModifiers::SHIFT, ..event };
    let sgr = fed(5, 20, b"\x1b[?1000;1006h").input_mode();
    assert_eq!(mouse(held, 300, 2, sgr), b"\x1b[<20;301;3M");
    // What does not fit into a byte, or a character, is not told.
    let mut mode = fed(5, 20, b"\x1b[?1000h").input_mode();
    assert_eq!(mouse(event, 222, 0, mode), b"\x1b[M \xff!");
    assert_eq!(mouse(event, 223, 0, mode), b"");
    mode.mouse_encoding = MouseEncoding::Characters;
    assert_eq!(mouse(event, 223, 0, mode), "\x1b[M \u{100}!".as_bytes());
    assert_eq!(mouse(event, 2015, 0, mode), b"");
}

#[test]
fn what_programs_for_xterm_say_is_understood() {
    for (written, shown) in [
        // Line drawing, as dialog does it, and by shifting out.
        ("\x1b(0lqk\x1b(Blqk", "┌─┐lqk"),
        ("\x1b)0x\x0ex\x0fx", "x│x"),
        ("\x1b(0\x1b7\x1b(B\x1b8x", "│"),
        ("\x1b(0\x1bcx", "x"),
        // Inserting, and not wrapping.
        ("abc\x1b[4h\x1b[2Gx\x1b[4ly", "axyc"),
        ("\x1b[?7l123456789012", "1234567892"),
        ("\x1b[?7l123456789\u{6f22}", "12345678\u{6f22}"),
        ("12345678\x1b[?7l\u{6f22}\x1b[?7h9", "12345678\u{6f22}9"),
        // Where the cursor goes.
        ("a\x1bDb\x1bEc", "a\n b\nc"),
        ("\x1b[2;3Ha\x1b[s\x1b[Hb\x1b[uc", "b\n  ac"),
        ("a\x1b[2ab\x1b[ec", "a  b\n    c"),
        ("\x1b[I|\x1b[Z-", "        -"),
        ("ab\x1b[?1048h\x1b[2;1Hx\x1b[?1048lc", "abc\nx"),
        ("main\x1b[?1047hother\x1b[?1047l", "main"),
        // Titles, links, and strings for others leave nothing.
        ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1bP$qm\x1b\\c\x1b_Gx\x1b\\d", "abcd"),
        ("-\x1b[9999b", "-----------"),
        ("\x1b[4h\x1b[?7l\x1b(0\x1b[2;2H\x1b[!px", "\n x"),
    ] {
        let emulator = fed(4, 10, written.as_bytes());
        let contents = emulator.contents();
        assert_eq!(contents.trim_end(), shown.trim_end(), "{written:?}");
        // However what was written is cut.
        let mut emulator = Emulator::new(4, 10);
        for byte in written.as_bytes() {
            emulator.feed(&[*byte]);
        }
        assert_eq!(emulator.contents(), contents, "{written:?}");
    }
}

/// Both made vt100 0.18 panic.
#[test]
fn a_picture_at_the_border_does_no_harm() {
    assert_eq!(fed(2, 1, "☁\u{fe0f}".as_bytes()).contents().trim_end(), "☁");
    let mut emulator = fed(4, 7, "\x1b[2;6H☁\u{fe0f}👩\u{200d}👩".as_bytes());
    emulator.resize(1, 1);
    emulator.feed("👩".as_bytes());
}

#[test]
fn colours_are_understood_in_every_form() {
    for (written, style) in [
        ("\x1b[1;31;44m", Style::new().fg(Color::Indexed(1)).bg(Color::Indexed(4)).bold()),
        ("\x1b[38;2;1;2;3m", Style::new().fg(Color::Rgb(1, 2, 3))),
        ("\x1b[38:2::1:2:3m", Style::new().fg(Color::Rgb(1, 2, 3))),
        ("\x1b[48:2:1:2:3m", Style::new().bg(Color::Rgb(1, 2, 3))),
        ("\x1b[48;5;200m", Style::new().bg(Color::Indexed(200))),
        ("\x1b[38:5:200m", Style::new().fg(Color::Indexed(200))),
        ("\x1b[4:3m", Style::new().underlined()),
        ("\x1b[4m\x1b[4:0m", Style::new()),
        ("\x1b[21m", Style::new().underlined()),
        ("\x1b[3;58;2;1;0;7m", Style::new().italic()),
        ("\x1b[3;58;5;7;7m", Style::new().italic().reversed()),
        ("\x1b[3m\x1b[58:2::1:2:3m", Style::new().italic()),
        ("\x1b[2;3;7m\x1b[m", Style::new()),
        ("\x1b[91;2m", Style::new().fg(Color::Indexed(9)).dim()),
    ] {
        let emulator = fed(1, 5, format!("{written}x").as_bytes());
        let mut buffer = Buffer::empty(Rect::new(0, 0, 5, 1));
        Screen::new(&emulator, true).render(buffer.area, &mut buffer);
        let mut cell = Buffer::empty(Rect::new(0, 0, 1, 1));
        cell[(0, 0)].set_symbol("x").set_style(Style::reset()).set_style(style);
        assert_eq!(buffer[(0, 0)], cell[(0, 0)], "{written:?}");
        Screen::new(&emulator, false).render(buffer.area, &mut buffer);
        assert_eq!((buffer[(0, 0)].fg, buffer[(0, 0)].bg), (Color::Reset, Color::Reset));
    }
}

#[test]
fn what_went_by_can_be_scrolled_back_to() {
    let lines: String = (0..2_000).map(|line| format!("line {line}\r\n")).collect();
    let mut emulator = fed(5, 20, lines.as_bytes());
    emulator.scroll(3);
    assert_eq!(emulator.scrolled(), 3);
    assert!(emulator.contents().starts_with("line 1993\n"), "{}", emulator.contents());
    assert_eq!(Screen::new(&emulator, true).cursor(Rect::new(0, 0, 20, 5)), None, "it is not in sight");
    emulator.scroll(i32::MAX);
    assert_eq!(emulator.scrolled(), 1_000, "the oldest are gone");
    emulator.scroll(i32::MIN);
    assert_eq!(emulator.scrolled(), 0);
    // A smaller pane keeps the line that the cursor is in, and a larger one brings the others back.
    emulator.feed(b"$ ");
    emulator.resize(2, 20);
    assert_eq!(emulator.contents(), "line 1999\n$ ");
    emulator.resize(5, 20);
    assert_eq!(emulator.contents(), "line 1996\nline 1997\nline 1998\nline 1999\n$ ");
}

#[test]
fn the_cursor_is_where_it_is_seen() {
    let area = Rect::new(3, 4, 10, 2);
    let at = |bytes: &[u8]| Screen::new(&fed(2, 10, bytes), true).cursor(area).map(|at| (at.x, at.y));
    assert_eq!(at(b"ab"), Some((5, 4)));
    assert_eq!(at(b"\r\n1234567890"), Some((12, 5)), "behind the last column it is in it");
    assert_eq!(at(b"\x1b[?25l"), None);
    let emulator = fed(2, 30, b"\x1b[20G");
    assert_eq!(Screen::new(&emulator, true).cursor(area), None, "that column is not shown");
}

#[test]
fn what_has_no_end_is_not_kept() {
    for endless in ["\x1b]0;", "\x1b]8;;", "\x1bP", "\x1b_", "\x1b[", "e"] {
        let mut emulator = fed(24, 80, endless.as_bytes());
        for _ in 0..10 {
            emulator.feed("\u{301}".repeat(10_000).as_bytes());
        }
        assert!(emulator.contents().len() < 50, "{endless:?}");
    }
    // Nor does it take long to be told to do something very often.
    let begin = std::time::Instant::now();
    fed(50, 200, &b"x\x1b[65535b\x1b[65535I\x1b[65535S\x1b[65535L\x1b[65535@".repeat(500));
    assert!(begin.elapsed() < std::time::Duration::from_secs(10), "{:?}", begin.elapsed());
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

/// Anything, much of it what a terminal would act on.
fn written() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![4 => 0_u16..12, 1 => Just(999), 1 => Just(u16::MAX)];
    let numbers = prop::collection::vec((number, prop::sample::select(vec![";", ":", ""])), 0..4);
    let sequence = (prop::sample::select(vec!["", "?", ">", "!", "?$", " "]), numbers, 0x40_u8..0x7f)
        .prop_map(|(mark, numbers, last)| {
            let (first, middle) = mark.split_at(usize::from(mark.starts_with(['?', '>'])));
            let numbers: String = numbers.iter().map(|(number, by)| format!("{number}{by}")).collect();
            format!("\x1b[{first}{numbers}{middle}{}", char::from(last)).into_bytes()
        });
    let modes = prop::sample::select(vec![1, 4, 6, 7, 25, 47, 1000, 1047, 1048, 1049, 2004]);
    let mode = (prop::sample::select(vec!["", "?"]), modes, any::<bool>()).prop_map(|(mark, mode, set)| {
        format!("\x1b[{mark}{mode}{}", if set { 'h' } else { 'l' }).into_bytes()
    });
    let text = prop::sample::select(vec![
        "a",
        "漢",
        "e\u{301}",
        "☁\u{fe0f}",
        "\u{200d}",
        "👩‍👩‍👧",
        "\t",
        "\r",
        "\n",
        "\x08",
        "0123456789",
    ]);
    let other = (prop::sample::select(vec!["", "(", ")", "#"]), 0x30_u8..0x7f)
        .prop_map(|(mark, last)| format!("\x1b{mark}{}", char::from(last)).into_bytes());
    let part = prop_oneof![
        6 => text.prop_map(|text| text.as_bytes().to_vec()),
        6 => sequence,
        2 => mode,
        1 => other,
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn nothing_that_is_written_does_harm(
        parts in prop::collection::vec((written(), 0_u16..12, 0_u16..12), 1..6)
    ) {
        let mut emulator = Emulator::new(4, 7);
        for (bytes, rows, columns) in parts {
            emulator.feed(&bytes);
            emulator.resize(rows, columns);
            prop_assert_eq!(emulator.size(), (rows.max(1), columns.max(1)));
            emulator.feed(&bytes);
            emulator.scroll(5);
            let area = Rect::new(2, 2, 8, 8);
            let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 12));
            let screen = Screen::new(&emulator, true);
            screen.render(area, &mut buffer);
            prop_assert!(screen.cursor(area).is_none_or(|at| area.contains(at)));
            for at in buffer.area.positions().filter(|at| !area.contains(*at)) {
                prop_assert_eq!(buffer[at].symbol(), " ");
            }
            emulator.scroll(-5);
            prop_assert!(emulator.take_replies().len() <= 4096);
        }
    }
}
