//! Keys, pasted text and the mouse as bytes that a program reads from its terminal, as xterm sends them
//! (<https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>).

use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::{InputMode, MouseEncoding, MouseMode};

/// Lines that a click of the wheel moves in a full-screen program that does not want the mouse.
const WHEEL: usize = 3;

/// The bytes of a key; none where it has none.
pub fn key(event: KeyEvent, mode: InputMode) -> Vec<u8> {
    if event.kind == KeyEventKind::Release {
        return Vec::new();
    }
    let modifiers = event.modifiers;
    let plain =
        modifiers & (KeyModifiers::SHIFT | KeyModifiers::ALT | KeyModifiers::CONTROL) == KeyModifiers::NONE;
    let number = number(modifiers);
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
        KeyCode::F(key @ 1..=4) => {
            let letter = char::from(b'P' + (key - 1));
            if plain {
                format!("\x1bO{letter}").into_bytes()
            } else {
                format!("\x1b[1;{number}{letter}").into_bytes()
            }
        }
        KeyCode::F(key @ 5..=12) => tilde([15, 17, 18, 19, 20, 21, 23, 24][usize::from(key - 5)]),
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

/// 1 + shift 1 + alt 2 + control 4.
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

/// Pasted text: what ends a paste, or does more than to be typed, cannot come from inside of it. It is what xterm does
/// unless it is told to allow control characters (`allowPasteControls`).
pub fn paste(text: &str, mode: InputMode) -> Vec<u8> {
    let text = text.replace("\r\n", "\r").replace('\n', "\r");
    let text = text.replace(|char: char| char.is_control() && !matches!(char, '\r' | '\t'), "");
    if mode.bracketed_paste { format!("\x1b[200~{text}\x1b[201~").into_bytes() } else { text.into_bytes() }
}

/// A mouse event at a cell of the program's screen, both from 0; none where the program does not want it. The wheel is
/// arrow keys in a full-screen program that does not want the mouse, as xterm does it (`alternateScroll`).
pub fn mouse(event: MouseEvent, column: u16, row: u16, mode: InputMode) -> Vec<u8> {
    if mode.mouse == MouseMode::Off {
        let arrow = match event.kind {
            MouseEventKind::ScrollUp if mode.alternate_screen => KeyCode::Up,
            MouseEventKind::ScrollDown if mode.alternate_screen => KeyCode::Down,
            _ => return Vec::new(),
        };
        return key(KeyEvent::new(arrow, KeyModifiers::NONE), mode).repeat(WHEEL);
    }
    // xterm's numbers: 0 to 2 a button, 3 none, 32 more in movement, 64 and up the wheel.
    let (code, needs) = match event.kind {
        MouseEventKind::Down(pressed) => (button(pressed), MouseMode::Presses),
        MouseEventKind::Up(pressed) => (button(pressed), MouseMode::Buttons),
        MouseEventKind::Drag(pressed) => (32 + button(pressed), MouseMode::Drags),
        MouseEventKind::Moved => (32 + 3, MouseMode::Moves),
        MouseEventKind::ScrollUp => (64, MouseMode::Buttons),
        MouseEventKind::ScrollDown => (65, MouseMode::Buttons),
        MouseEventKind::ScrollLeft => (66, MouseMode::Buttons),
        MouseEventKind::ScrollRight => (67, MouseMode::Buttons),
    };
    if mode.mouse < needs {
        return Vec::new();
    }
    let modifiers = if mode.mouse == MouseMode::Presses { KeyModifiers::NONE } else { event.modifiers };
    let with = 4 * u8::from(modifiers.contains(KeyModifiers::SHIFT))
        + 8 * u8::from(modifiers.contains(KeyModifiers::ALT))
        + 16 * u8::from(modifiers.contains(KeyModifiers::CONTROL));
    let is_released = matches!(event.kind, MouseEventKind::Up(_));
    if mode.mouse_encoding == MouseEncoding::Sgr {
        let last = if is_released { 'm' } else { 'M' };
        let (column, row) = (u32::from(column) + 1, u32::from(row) + 1);
        return format!("\x1b[<{};{column};{row}{last}", code + with).into_bytes();
    }
    // Which button was released cannot be said.
    let code = if is_released { 3 } else { code } + with;
    let limit = if mode.mouse_encoding == MouseEncoding::Characters { 2015 } else { 223 };
    if column.max(row) >= limit {
        return Vec::new();
    }
    let mut bytes = b"\x1b[M".to_vec();
    for number in [u16::from(code), column + 1, row + 1] {
        match (mode.mouse_encoding, u8::try_from(number + 32)) {
            (MouseEncoding::Bytes, Ok(byte)) => bytes.push(byte),
            _ => {
                let char = char::from_u32(u32::from(number) + 32).unwrap_or(' ');
                bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    bytes
}

fn button(button: MouseButton) -> u8 {
    match button {
        MouseButton::Left => 0,
        MouseButton::Middle => 1,
        MouseButton::Right => 2,
    }
}
