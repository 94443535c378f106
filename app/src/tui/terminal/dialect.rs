//! What programs written for xterm say and the screen (vt100) does not know, in words that it does know: line drawing,
//! inserting, lines that do not wrap, some ways to move the cursor and to colour, and questions about all of that.
//!
//! Titles and links are read and not kept, and of one without an end nothing is read beyond what there is room for.

use unicode_width::UnicodeWidthChar as _;
use vt100::{MouseProtocolEncoding, MouseProtocolMode, Parser};
use vte::{Params, Perform};

use super::emulator::Answers;

/// Of a text without end the parser keeps 1 KiB, in itself; with its feature `std` it would keep all of it.
const _: () = assert!(size_of::<vte::Parser>() > 1024, "vte is built with std");

/// The variation selector that makes a narrow character before it a wide picture (UTS #51).
const EMOJI: char = '\u{fe0f}';

/// What the program has set of what the screen does not know.
#[derive(Clone, Debug, Default)]
pub(super) struct Dialect {
    charset: Charset,
    saved: Charset,
    /// IRM: what stands right of a character moves on.
    inserts: bool,
    /// Not DECAWM: the last column is written again and again.
    stays_in_line: bool,
    /// The background is light.
    is_light: bool,
    /// Words for the screen that it has not been told yet.
    words: Vec<u8>,
}

/// The two sets of characters that can be switched between.
#[derive(Clone, Copy, Debug, Default)]
struct Charset {
    draws_lines: [bool; 2],
    second: bool,
}

impl Charset {
    fn draws_lines(self) -> bool {
        self.draws_lines[usize::from(self.second)]
    }
}

impl Dialect {
    /// What to answer to who asks for the background.
    pub(super) fn set_light(&mut self, is_light: bool) {
        self.is_light = is_light;
    }
}

/// Tells a screen what it reads.
pub(super) struct Interpreter<'a> {
    pub(super) dialect: &'a mut Dialect,
    pub(super) screen: &'a mut Parser<Answers>,
}

impl Interpreter<'_> {
    /// Says everything that is not said yet.
    pub(super) fn flush(&mut self) {
        self.screen.process(&self.dialect.words);
        self.dialect.words.clear();
    }

    fn say(&mut self, words: impl AsRef<[u8]>) {
        self.dialect.words.extend_from_slice(words.as_ref());
    }

    /// Row and column of the cursor by now; behind the last column when the next character wraps.
    fn cursor(&mut self) -> (u16, u16) {
        self.flush();
        self.screen.screen().cursor_position()
    }

    fn columns(&self) -> u16 {
        self.screen.screen().size().1.get()
    }

    fn answer(&mut self, answer: &str) {
        self.flush();
        self.screen.callbacks_mut().reply(answer.as_bytes());
    }

    /// Makes room for a character that does not go where the screen would put it.
    fn make_room(&mut self, width: u16) {
        let (_, column) = self.cursor();
        let columns = self.columns();
        let is_beyond = column.saturating_add(width) > columns;
        if self.dialect.stays_in_line && is_beyond {
            self.say(format!("\x1b[{}G", columns.saturating_sub(width).saturating_add(1)));
        } else if self.dialect.inserts && !is_beyond {
            self.say(format!("\x1b[{width}@"));
        }
    }

    fn set_modes(&mut self, private: bool, params: &Params, set: bool) {
        for param in params {
            match (private, param) {
                (false, [4]) => self.dialect.inserts = set,
                (true, [7]) => self.dialect.stays_in_line = !set,
                (true, [1047]) if set => self.say("\x1b[?47h"),
                // Who comes back finds it empty.
                (true, [1047]) if self.is_alternate() => self.say("\x1b[2J\x1b[?47l"),
                (true, [1048]) => self.say(if set { "\x1b7" } else { "\x1b8" }),
                // One at a time, for the order counts.
                (true, [number, ..]) => self.say(format!("\x1b[?{number}{}", if set { 'h' } else { 'l' })),
                _ => {}
            }
        }
    }

    fn is_alternate(&mut self) -> bool {
        self.flush();
        self.screen.screen().alternate_screen()
    }

    /// DECRQM: 1 is set, 2 is reset, 0 is not known.
    fn answer_mode(&mut self, private: bool, number: u16) {
        self.flush();
        let screen = self.screen.screen();
        let (mouse, encoding) = (screen.mouse_protocol_mode(), screen.mouse_protocol_encoding());
        let is_set = match (private, number) {
            (false, 4) => Some(self.dialect.inserts),
            (true, 1) => Some(screen.application_cursor()),
            (true, 7) => Some(!self.dialect.stays_in_line),
            (true, 9) => Some(mouse == MouseProtocolMode::Press),
            (true, 25) => Some(!screen.hide_cursor()),
            (true, 47 | 1047 | 1049) => Some(screen.alternate_screen()),
            (true, 1000) => Some(mouse == MouseProtocolMode::PressRelease),
            (true, 1002) => Some(mouse == MouseProtocolMode::ButtonMotion),
            (true, 1003) => Some(mouse == MouseProtocolMode::AnyMotion),
            (true, 1005) => Some(encoding == MouseProtocolEncoding::Utf8),
            (true, 1006) => Some(encoding == MouseProtocolEncoding::Sgr),
            (true, 2004) => Some(screen.bracketed_paste()),
            _ => None,
        };
        let value = is_set.map_or(0, |is_set| if is_set { 1 } else { 2 });
        let mark = if private { "?" } else { "" };
        self.answer(&format!("\x1b[{mark}{number};{value}$y"));
    }

    /// SGR in the forms that the screen knows.
    fn colour(&mut self, params: &Params) {
        let mut words = Vec::new();
        let mut params = params.iter();
        while let Some(param) = params.next() {
            match *param {
                // The form of ISO 8613-6 names a colour space, which is always the same.
                [which @ (38 | 48), 2, _, red, green, blue, ..] => {
                    words.push(format!("{which}:2:{red}:{green}:{blue}"));
                }
                [38 | 48, ..] | [_] if param != [58] => {
                    // A line below twice is a line below.
                    let known = if param == [21] { &[4] } else { param };
                    words.push(joined(known, ":"));
                }
                // Lines below have no shapes.
                [4, shape, ..] => words.push(if shape == 0 { "24".into() } else { "4".into() }),
                // Nor colours; the numbers of one are no commands.
                [58] => match params.next() {
                    Some([2]) => drop(params.by_ref().take(3).count()),
                    Some([5]) => drop(params.next()),
                    _ => {}
                },
                _ => {}
            }
        }
        if !words.is_empty() {
            self.say(format!("\x1b[{}m", words.join(";")));
        }
    }

    /// DECSTR: what `reset` and `tput init` begin with. The cursor stays.
    fn reset_softly(&mut self) {
        let is_light = self.dialect.is_light;
        let (row, column) = self.cursor();
        *self.dialect = Dialect { is_light, ..Dialect::default() };
        self.say("\x1b[?25h\x1b[?1l\x1b>\x1b[m\x1b[?6l\x1b[r");
        self.say(format!("\x1b[{};{}H", row + 1, column + 1));
    }
}

impl Perform for Interpreter<'_> {
    fn print(&mut self, char: char) {
        // Without it what stands before it stays as wide as it is. The screen would move it to the next line where
        // there is no room, and vt100 panics where that goes wrong.
        if char == EMOJI {
            return;
        }
        let char = if self.dialect.charset.draws_lines() { drawn(char) } else { char };
        if self.dialect.inserts || self.dialect.stays_in_line {
            let width = char.width().and_then(|width| u16::try_from(width).ok()).unwrap_or(0);
            if width > 0 {
                self.make_room(width);
            }
        }
        self.say(char.encode_utf8(&mut [0; 4]));
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            0x0e => self.dialect.charset.second = true,
            0x0f => self.dialect.charset.second = false,
            _ => self.say([byte]),
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _: bool, byte: u8) {
        match (intermediates, byte) {
            ([b'('], _) => self.dialect.charset.draws_lines[0] = byte == b'0',
            ([b')'], _) => self.dialect.charset.draws_lines[1] = byte == b'0',
            ([], b'D') => self.say("\n"),
            ([], b'E') => self.say("\r\n"),
            ([], _) => {
                match byte {
                    b'7' => self.dialect.saved = self.dialect.charset,
                    b'8' => self.dialect.charset = self.dialect.saved,
                    b'c' => {
                        self.flush();
                        *self.dialect = Dialect { is_light: self.dialect.is_light, ..Dialect::default() };
                    }
                    _ => {}
                }
                self.say([0x1b, byte]);
            }
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], _: bool, last: char) {
        let first = params.iter().next().and_then(|param| param.first()).copied().unwrap_or(0);
        match (intermediates, last) {
            ([], 'm') => self.colour(params),
            ([], 'h' | 'l') => self.set_modes(false, params, last == 'h'),
            ([b'?'], 'h' | 'l') => self.set_modes(true, params, last == 'h'),
            ([b'$'], 'p') => self.answer_mode(false, first),
            ([b'?', b'$'], 'p') => self.answer_mode(true, first),
            ([b'!'], 'p') => self.reset_softly(),
            ([], 's') if first == 0 => self.esc_dispatch(&[], false, b'7'),
            ([], 'u') => self.esc_dispatch(&[], false, b'8'),
            ([], 'a') => self.say(format!("\x1b[{first}C")),
            ([], 'e') => self.say(format!("\x1b[{first}B")),
            // Nobody repeats beyond the line; to do as often as can be asked for would take very long.
            ([], 'b') => self.say(format!("\x1b[{}b", first.clamp(1, self.columns()))),
            ([], 'I') => self.say("\t".repeat(first.clamp(1, self.columns().div_ceil(8)).into())),
            ([], 'Z') => {
                let (_, column) = self.cursor();
                let stop = column.div_ceil(8).saturating_sub(first.max(1)).saturating_mul(8);
                self.say(format!("\x1b[{}G", stop.saturating_add(1)));
            }
            _ => {
                let (marks, middles): (Vec<u8>, Vec<u8>) =
                    intermediates.iter().partition(|byte| (b'<'..=b'?').contains(*byte));
                let all: Vec<_> = params.iter().map(|param| joined(param, ":")).collect();
                self.say("\x1b[");
                self.say(marks);
                self.say(all.join(";"));
                self.say(middles);
                self.say(last.encode_utf8(&mut [0; 4]));
            }
        }
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], by_bell: bool) {
        let (which, is_light) = match params {
            [b"10", b"?"] => ("10", !self.dialect.is_light),
            [b"11", b"?"] => ("11", self.dialect.is_light),
            _ => return,
        };
        let colour = if is_light { "ffff/ffff/ffff" } else { "0000/0000/0000" };
        let end = if by_bell { "\x07" } else { "\x1b\\" };
        self.answer(&format!("\x1b]{which};rgb:{colour}{end}"));
    }
}

fn joined(numbers: &[u16], by: &str) -> String {
    numbers.iter().map(u16::to_string).collect::<Vec<_>>().join(by)
}

/// What a character is in the DEC Special Graphics character set (VT220 Programmer Reference, table 2-4).
fn drawn(char: char) -> char {
    const DRAWN: [char; 31] = [
        '◆', '▒', '␉', '␌', '␍', '␊', '°', '±', '␤', '␋', '┘', '┐', '┌', '└', '┼', '⎺', '⎻', '─', '⎼', '⎽',
        '├', '┤', '┴', '┬', '│', '≤', '≥', 'π', '≠', '£', '·',
    ];
    let at = usize::try_from(u32::from(char)).ok().and_then(|code| code.checked_sub(0x60));
    at.and_then(|at| DRAWN.get(at)).copied().unwrap_or(char)
}
