//! Keys, pasted text and the mouse as bytes that a program reads from its terminal, as xterm sends them
//! (<https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>).

use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::InputMode;

/// The bytes of a key; none where it has none.
pub fn key(event: KeyEvent, mode: InputMode) -> Vec<u8> {
    if event.kind == KeyEventKind::Release {
        return Vec::new();
    }
    let modifiers = event.modifiers;
    let plain =
        modifiers & (KeyModifiers::SHIFT | KeyModifiers::ALT | KeyModifiers::CONTROL) == KeyModifiers::NONE;
    // xterm: 1 + shift 1 + alt 2 + control 4.
    let number = 1
        + u8::from(modifiers.contains(KeyModifiers::SHIFT))
        + 2 * u8::from(modifiers.contains(KeyModifiers::ALT))
        + 4 * u8::from(modifiers.contains(KeyModifiers::CONTROL));
    let letter = |letter: char| match (plain, mode.application_cursor) {
        (true, true) => format!("\x1bO{letter}").into_bytes(),
        (true, false) => format!("\x1b[{letter}").into_bytes(),
        (false, _) => format!("\x1b[1;{number}{letter}").into_bytes(),
    };
    let tilde = |code: u8| {
        if plain {
            format!("\x1b[{code}~").into_bytes()
        } else {
            format!("\x1b[{code};{number}~").into_bytes()
        }
    };
    let with_alt = |bytes: &[u8]| {
        let mut all = Vec::with_capacity(bytes.len() + 1);
        if modifiers.contains(KeyModifiers::ALT) {
            all.push(0x1b);
        }
        all.extend_from_slice(bytes);
        all
    };
    match event.code {
        KeyCode::Up => letter('A'),
        KeyCode::Down => letter('B'),
        KeyCode::Right => letter('C'),
        KeyCode::Left => letter('D'),
        KeyCode::Home => letter('H'),
        KeyCode::End => letter('F'),
        KeyCode::Insert => tilde(2),
        KeyCode::Delete => tilde(3),
        KeyCode::PageUp => tilde(5),
        KeyCode::PageDown => tilde(6),
        KeyCode::F(number @ 1..=4) => {
            let letter = char::from(b'P' + (number - 1));
            if plain {
                format!("\x1bO{letter}").into_bytes()
            } else {
                format!("\x1b[1;{}{letter}", self::number(modifiers)).into_bytes()
            }
        }
        KeyCode::F(number @ 5..=12) => tilde([15, 17, 18, 19, 20, 21, 23, 24][usize::from(number - 5)]),
        KeyCode::Enter => with_alt(b"\r"),
        KeyCode::Tab => with_alt(b"\t"),
        KeyCode::BackTab => b"\x1b[Z".to_vec(),
        KeyCode::Backspace if modifiers.contains(KeyModifiers::CONTROL) => with_alt(b"\x08"),
        KeyCode::Backspace => with_alt(b"\x7f"),
        KeyCode::Esc => with_alt(b"\x1b"),
        KeyCode::Null => with_alt(b"\0"),
        KeyCode::Char(char) if modifiers.contains(KeyModifiers::CONTROL) => match control(char) {
            Some(byte) => with_alt(&[byte]),
            None => with_alt(char.encode_utf8(&mut [0; 4]).as_bytes()),
        },
        KeyCode::Char(char) => with_alt(char.encode_utf8(&mut [0; 4]).as_bytes()),
        _ => Vec::new(),
    }
}

fn number(modifiers: KeyModifiers) -> u8 {
    1 + u8::from(modifiers.contains(KeyModifiers::SHIFT))
        + 2 * u8::from(modifiers.contains(KeyModifiers::ALT))
        + 4 * u8::from(modifiers.contains(KeyModifiers::CONTROL))
}

/// The control character of a key.
fn control(char: char) -> Option<u8> {
    match char.to_ascii_lowercase() {
        letter @ 'a'..='z' => Some(letter as u8 & 0x1f),
        ' ' | '@' | '2' => Some(0),
        '[' | '3' => Some(0x1b),
        '\\' | '4' => Some(0x1c),
        ']' | '5' => Some(0x1d),
        '^' | '6' => Some(0x1e),
        '_' | '7' | '/' => Some(0x1f),
        '8' | '?' => Some(0x7f),
        _ => None,
    }
}

/// Pasted text: what ends a paste cannot come from inside of it.
pub fn paste(text: &str, mode: InputMode) -> Vec<u8> {
    let text = text.replace("\r\n", "\r").replace('\n', "\r");
    if !mode.bracketed_paste {
        return text.into_bytes();
    }
    let text = text.replace('\x1b', "");
    format!("\x1b[200~{text}\x1b[201~").into_bytes()
}

/// A mouse event at a cell of the program's screen, both from 0; none where the program does not want it.
pub fn mouse(event: MouseEvent, column: u16, row: u16, mode: InputMode) -> Vec<u8> {
    if !mode.mouse_buttons {
        return Vec::new();
    }
    let button = |button: MouseButton| match button {
        MouseButton::Left => 0,
        MouseButton::Middle => 1,
        MouseButton::Right => 2,
    };
    let (code, released) = match event.kind {
        MouseEventKind::Down(pressed) => (button(pressed), false),
        MouseEventKind::Up(pressed) => (button(pressed), true),
        MouseEventKind::Drag(pressed) if mode.mouse_drags => (32 + button(pressed), false),
        MouseEventKind::ScrollUp => (64, false),
        MouseEventKind::ScrollDown => (65, false),
        _ => return Vec::new(),
    };
    if mode.mouse_sgr {
        let last = if released { 'm' } else { 'M' };
        return format!("\x1b[<{code};{};{}{last}", column + 1, row + 1).into_bytes();
    }
    let cell = |cell: u16| u8::try_from(cell.saturating_add(33)).unwrap_or(u8::MAX);
    vec![0x1b, b'[', b'M', 32 + if released { 3 } else { code }, cell(column), cell(row)]
}
