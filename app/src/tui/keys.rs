//! One table of what can be done and by which keys: it is what keys do, what the footer hints at and what help lists.

use std::{fmt, str::FromStr};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

macro_rules! actions {
    ($($group:literal: $($action:ident, [$($key:literal),*], $hint:literal, $help:literal;)*)*) => {
        /// What a key does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action { $($(#[doc = $help] $action,)*)* }

        /// Every action, by group.
        pub const TABLE: &[Entry] = &[
            $($(Entry {
                action: Action::$action,
                name: stringify!($action),
                group: $group,
                keys: &[$($key),*],
                hint: $hint,
                help: $help,
            },)*)*
        ];
    };
}

/// A line of the table.
#[derive(Debug)]
pub struct Entry {
    /// What it does.
    pub action: Action,
    /// How the configuration calls it.
    pub name: &'static str,
    /// What it belongs to.
    pub group: &'static str,
    /// Its keys, unless others were chosen.
    pub keys: &'static [&'static str],
    /// The same in a word.
    pub hint: &'static str,
    /// The same in a line.
    pub help: &'static str,
}

actions! {
    "Moving":
        Up, ["up", "k"], "up", "select the row above";
        Down, ["down", "j"], "down", "select the row below";
        PageUp, ["pgup", "ctrl-u"], "page up", "a page up";
        PageDown, ["pgdn", "ctrl-d"], "page down", "a page down";
        Top, ["home", "g"], "top", "the first row";
        Bottom, ["end", "G"], "bottom", "the last row";
        Collapse, ["left", "h"], "close", "close the branch, or go to the parent";
        Expand, ["right", "l"], "open", "open the branch, or go to the first child";
        Follow, ["f"], "follow", "follow the newest row";
    "Panes":
        NextPane, ["tab"], "pane", "the next pane";
        PreviousPane, ["backtab"], "pane before", "the pane before";
        Processes, ["1"], "processes", "the process tree";
        Files, ["2"], "files", "the files";
        Network, ["3"], "network", "the network";
        Terminal, ["4"], "terminal", "the command's terminal";
        Timeline, ["5"], "timeline", "what happened, in order";
        Syscalls, ["6"], "system calls", "the system calls";
        Findings, ["7"], "findings", "what the rules find";
        Zoom, ["z"], "zoom", "give the pane all the room, or take it back";
        Type, ["i"], "type", "type into the command's terminal";
        LeaveTerminal, ["f12", "ctrl-]"], "leave", "stop typing into the command's terminal";
    "Looking closer":
        Details, ["enter"], "details", "all that is known of the selected row";
        Ancestors, ["b"], "ancestors", "the chain of processes that led to the selected one";
        Scope, ["p"], "scope", "other panes show: everything, the selected process, its subtree";
        Touched, ["t"], "who", "processes that used what is selected";
        Evidence, ["v"], "evidence", "go to the file, call or process that a finding is about";
        Clear, ["x", "esc"], "clear", "take back what narrows: overlay, filter, scope, window";
    "Finding":
        Filter, ["/"], "filter", "narrow the pane: words, proc: path: op: port: host: user: call: severity: is:";
        NextMatch, ["n"], "next", "the next row that the last filter matches";
        PreviousMatch, ["N"], "previous", "the one before";
        Sort, ["s"], "sort", "sort by the next column";
        SortReverse, ["S"], "reverse", "sort the other way round";
        ChangesOnly, ["o"], "changes", "only what changed something";
        WindowFrom, ["["], "from", "from the time of the selected row on";
        WindowTo, ["]"], "until", "until the time of the selected row";
    "The command":
        Freeze, ["space"], "freeze", "freeze the command and all it started, or let it go on";
        Kill, ["K"], "end it", "end the command and all it started; asks first";
    "Taking away":
        WriteReceipt, ["w"], "write", "write the receipt as it is by now to a file";
        Copy, ["y"], "copy", "copy the selected row";
        Export, ["e"], "export", "write the rows of the pane to a file, as JSON or CSV";
    "glasshouse":
        Help, ["?", "f1"], "help", "this list";
        Quit, ["q", "ctrl-c"], "quit", "leave; asks while the command runs";
}

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// Names of keys that are no characters.
const NAMES: &[(&str, KeyCode)] = &[
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("space", KeyCode::Char(' ')),
];

impl Key {
    /// The key that was pressed. What a terminal tells of the shift key is in the character already.
    pub fn of(event: KeyEvent) -> Self {
        let told = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        match event.code {
            // Terminals cannot tell these from their neighbours by other means.
            KeyCode::Char('5') if told == KeyModifiers::CONTROL => {
                Self { code: KeyCode::Char(']'), modifiers: KeyModifiers::CONTROL }
            }
            code => Self { code, modifiers: told },
        }
    }
}

#[cfg(test)]
impl From<Key> for KeyEvent {
    fn from(key: Key) -> Self {
        Self::new(key.code, key.modifiers)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            out.write_str("ctrl-")?;
        }
        if self.modifiers.contains(KeyModifiers::ALT) {
            out.write_str("alt-")?;
        }
        match (NAMES.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => out.write_str(name),
            (None, KeyCode::Char(char)) => write!(out, "{char}"),
            (None, KeyCode::F(number)) => write!(out, "f{number}"),
            (None, other) => write!(out, "{other:?}"),
        }
    }
}

/// A text that names no key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no key '{0}'; keys are single characters, up, enter, space, f1 … f12, ctrl-x, alt-x")]
pub struct KeyError(String);

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let error = || KeyError(text.to_owned());
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        while let Some((name, modifier)) = [("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT)]
            .into_iter()
            .find(|(name, _)| rest.len() > name.len() && rest.starts_with(name))
        {
            modifiers |= modifier;
            rest = &rest[name.len()..];
        }
        if let Some((_, code)) = NAMES.iter().find(|(name, _)| *name == rest) {
            return Ok(Self { code: *code, modifiers });
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.as_str()) {
            (Some(char), "") => KeyCode::Char(char),
            (Some('f'), number) => {
                let number = number.parse().ok().filter(|number| (1..=12).contains(number));
                KeyCode::F(number.ok_or_else(error)?)
            }
            _ => return Err(error()),
        };
        Ok(Self { code, modifiers })
    }
}

/// Which key does what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap(Vec<(Key, Action)>);

impl Default for Keymap {
    fn default() -> Self {
        let keys = TABLE.iter().flat_map(|entry| entry.keys.iter().map(|key| (key.parse(), entry.action)));
        Self(keys.filter_map(|(key, action)| Some((key.ok()?, action))).collect())
    }
}

impl Keymap {
    /// What a key does.
    pub fn action(&self, event: KeyEvent) -> Option<Action> {
        let pressed = Key::of(event);
        self.0.iter().find(|(key, _)| *key == pressed).map(|(_, action)| *action)
    }

    /// The keys of an action.
    pub fn keys_of(&self, action: Action) -> impl Iterator<Item = Key> {
        self.0.iter().filter(move |(_, known)| *known == action).map(|(key, _)| *key)
    }

    /// The first key of an action, as it is shown.
    pub fn shown(&self, action: Action) -> String {
        self.keys_of(action).next().map_or_else(String::new, |key| key.to_string())
    }

    /// Gives an action other keys than it had.
    ///
    /// # Errors
    /// The action that has one of them already.
    pub fn bind(&mut self, action: Action, keys: &[Key]) -> Result<(), (Key, Action)> {
        let taken = self.0.iter().find(|(key, known)| *known != action && keys.contains(key));
        if let Some(taken) = taken {
            return Err(*taken);
        }
        self.0.retain(|(_, known)| *known != action);
        self.0.extend(keys.iter().map(|key| (*key, action)));
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        text.parse().unwrap()
    }

    #[test]
    fn the_table_is_sound() {
        let map = Keymap::default();
        let all: Vec<_> = TABLE.iter().flat_map(|entry| entry.keys).collect();
        assert_eq!(map.0.len(), all.len(), "every key of the table is one");
        for (at, (key, _)) in map.0.iter().enumerate() {
            assert!(map.0[..at].iter().all(|(other, _)| other != key), "{key} does two things");
        }
    }

    #[test]
    fn keys_have_names() {
        for name in
            ["a", "G", "?", "ctrl-d", "alt-x", "space", "pgdn", "f12", "ctrl-alt-x", "-", "ctrl--", "é"]
        {
            assert_eq!(key(name).to_string(), name);
        }
        for wrong in ["", "f13", "f0", "ctrl-", "enterr", "hyper-x"] {
            assert!(wrong.parse::<Key>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_shift_key_is_in_the_character() {
        let event = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(Keymap::default().action(event), Some(Action::Bottom));
        // What terminals send for ctrl-].
        let event = KeyEvent::new(KeyCode::Char('5'), KeyModifiers::CONTROL);
        assert_eq!(Keymap::default().action(event), Some(Action::LeaveTerminal));
    }

    #[test]
    fn a_key_does_one_thing() {
        let mut map = Keymap::default();
        assert_eq!(map.bind(Action::Details, &[key("q")]), Err((key("q"), Action::Quit)));
        assert_eq!(map.bind(Action::Details, &[key("d")]), Ok(()));
        assert_eq!(map.shown(Action::Details), "d");
        assert_eq!(map.action(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)), None);
    }
}
