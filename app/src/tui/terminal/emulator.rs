//! A screen made of what a program wrote.

use std::num::NonZeroU16;

use vt100::{Callbacks, MouseProtocolEncoding, MouseProtocolMode, Parser};

use super::dialect::{Dialect, Interpreter};

/// Lines that can be scrolled back to: at 200 columns some 6 MiB.
const SCROLLBACK: usize = 1_000;
/// Answers that wait to be typed; a program that asks without end and never reads is not answered for ever.
const MAX_REPLIES: usize = 4_096;

/// A terminal, as far as programs can tell.
///
/// The screen is that of the crate vt100, which keeps little for each cell whatever a program writes into it; what
/// programs written for xterm say beyond what that knows goes through a [`Dialect`].
pub struct Emulator {
    reader: vte::Parser,
    dialect: Dialect,
    parser: Parser<Answers>,
}

/// What a program expects of its keyboard and mouse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputMode {
    /// Arrow keys are those of an application (DECCKM).
    pub application_cursor: bool,
    /// Pasted text is put into brackets (2004).
    pub bracketed_paste: bool,
    /// What is told of the mouse.
    pub mouse: MouseMode,
    /// How.
    pub mouse_encoding: MouseEncoding,
    /// The screen is a full-screen program's, which has nothing to scroll back to.
    pub alternate_screen: bool,
}

/// What is told of the mouse; each more than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MouseMode {
    /// Nothing.
    #[default]
    Off,
    /// Buttons that are pressed (9, as X10 did).
    Presses,
    /// And released (1000).
    Buttons,
    /// And movement with a pressed button (1002).
    Drags,
    /// Every movement (1003).
    Moves,
}

/// How the mouse is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MouseEncoding {
    /// A byte each for button, column and row.
    #[default]
    Bytes,
    /// A character each (1005).
    Characters,
    /// Numbers (1006).
    Sgr,
}

/// Answers what a program asks its terminal.
#[derive(Default)]
pub(super) struct Answers {
    replies: Vec<u8>,
}

impl Answers {
    pub(super) fn reply(&mut self, bytes: &[u8]) {
        if self.replies.len() + bytes.len() <= MAX_REPLIES {
            self.replies.extend_from_slice(bytes);
        }
    }
}

impl Callbacks for Answers {
    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        first: Option<u8>,
        second: Option<u8>,
        parameters: &[&[u16]],
        last: char,
    ) {
        let parameter =
            |at: usize| parameters.get(at).and_then(|values| values.first()).copied().unwrap_or(0);
        match (first, second, last) {
            // Device attributes: a VT220 with colours.
            (None, None, 'c') if parameter(0) == 0 => self.reply(b"\x1b[?62;22c"),
            (Some(b'>'), None, 'c') => self.reply(b"\x1b[>1;10;0c"),
            // Status, and where the cursor is.
            (None, None, 'n') if parameter(0) == 5 => self.reply(b"\x1b[0n"),
            (None | Some(b'?'), None, 'n') if parameter(0) == 6 => {
                let (row, column) = screen.cursor_position();
                // Behind the last column it still is in it.
                let column = column.min(screen.size().1.get() - 1);
                let mark = if first.is_some() { "?" } else { "" };
                self.reply(format!("\x1b[{mark}{};{}R", row + 1, column + 1).as_bytes());
            }
            // Size in cells.
            (None, None, 't') if parameter(0) == 18 => {
                let (rows, columns) = screen.size();
                self.reply(format!("\x1b[8;{rows};{columns}t").as_bytes());
            }
            _ => {}
        }
    }
}

fn size(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).unwrap_or(NonZeroU16::MIN)
}

impl Emulator {
    /// An empty screen.
    pub fn new(rows: u16, columns: u16) -> Self {
        let parser = Parser::new_with_callbacks(size(rows), size(columns), SCROLLBACK, Answers::default());
        Self { reader: vte::Parser::new(), dialect: Dialect::default(), parser }
    }

    /// Says that its background is light to programs that ask; else it is dark.
    pub fn set_light(&mut self, is_light: bool) {
        self.dialect.set_light(is_light);
    }

    /// Takes in what the program wrote.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut interpreter = Interpreter { dialect: &mut self.dialect, screen: &mut self.parser };
        self.reader.advance(&mut interpreter, bytes);
        interpreter.flush();
    }

    /// What is to be typed in answer.
    pub fn take_replies(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.parser.callbacks_mut().replies)
    }

    /// Gives the screen another size.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        self.parser.set_size(size(rows), size(columns));
    }

    /// Rows and columns.
    pub fn size(&self) -> (u16, u16) {
        let (rows, columns) = self.parser.screen().size();
        (rows.get(), columns.get())
    }

    /// Scrolls: positive is towards older lines.
    pub fn scroll(&mut self, lines: i32) {
        let screen = self.parser.screen_mut();
        let now = screen.scrollback();
        let by = lines.unsigned_abs() as usize;
        let to = if lines > 0 { now.saturating_add(by) } else { now.saturating_sub(by) };
        screen.set_scrollback(to);
    }

    /// Lines that are scrolled back.
    pub fn scrolled(&self) -> usize {
        self.parser.screen().scrollback()
    }

    /// What the program expects of keys and mouse.
    pub fn input_mode(&self) -> InputMode {
        let screen = self.parser.screen();
        InputMode {
            application_cursor: screen.application_cursor(),
            bracketed_paste: screen.bracketed_paste(),
            mouse: match screen.mouse_protocol_mode() {
                MouseProtocolMode::None => MouseMode::Off,
                MouseProtocolMode::Press => MouseMode::Presses,
                MouseProtocolMode::PressRelease => MouseMode::Buttons,
                MouseProtocolMode::ButtonMotion => MouseMode::Drags,
                MouseProtocolMode::AnyMotion => MouseMode::Moves,
            },
            mouse_encoding: match screen.mouse_protocol_encoding() {
                MouseProtocolEncoding::Default => MouseEncoding::Bytes,
                MouseProtocolEncoding::Utf8 => MouseEncoding::Characters,
                MouseProtocolEncoding::Sgr => MouseEncoding::Sgr,
            },
            alternate_screen: screen.alternate_screen(),
        }
    }

    /// The screen as text, a line each.
    pub fn contents(&self) -> String {
        self.parser.screen().contents()
    }

    pub(super) fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Emulator").field("size", &self.size()).finish_non_exhaustive()
    }
}
