//! Real programs in the emulated terminal: what a user would see of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env,
    ffi::OsString,
    fs,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind};
use nix::{
    poll::{PollFd, PollFlags, poll},
    sys::signal::Signal,
};

use super::super::*;
use crate::{
    backend::contract::alone,
    launch::{
        Command, Identity, Pty, RunningChild,
        pty::{Read, tests::started},
    },
};

/// Much longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program, and the terminal that it runs in.
struct Program {
    pty: Pty,
    emulator: Emulator,
    child: RunningChild,
}

impl Program {
    /// Nothing where it is not installed.
    fn start(words: &[&str]) -> Option<Self> {
        let installed = env::split_paths(&env::var_os("PATH")?).any(|folder| folder.join(words[0]).exists());
        if !installed {
            return None;
        }
        let pty = Pty::for_streams(24, 80, [true; 3]).unwrap();
        let overrides = [("TERM", "xterm-256color"), ("LC_ALL", "C.UTF-8"), ("PS1", "$ ")]
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let argv = words.iter().map(OsString::from).collect();
        let command = Command::new(argv, &overrides, None, Identity::unchanged());
        let child = started(&pty, command);
        Some(Self { pty, emulator: Emulator::new(24, 80), child })
    }

    /// Waits until the screen is as wanted.
    fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let screen = self.emulator.contents();
            if wanted(&screen) {
                return screen;
            }
            assert!(Instant::now() < until, "it is not on the screen:\n{screen}");
            let mut buffer = [0; 4096];
            match self.pty.read(&mut buffer).unwrap() {
                Read::Bytes(bytes) => {
                    self.emulator.feed(&buffer[..bytes]);
                    let replies = self.emulator.take_replies();
                    assert_eq!(self.pty.write(&replies).unwrap(), replies.len());
                }
                Read::Nothing => {
                    poll(&mut [PollFd::new(self.pty.as_fd(), PollFlags::POLLIN)], 100_u16).unwrap();
                }
                Read::Closed => assert!(wanted(&self.emulator.contents()), "it has ended:\n{screen}"),
            }
        }
    }

    fn shows(&mut self, text: &str) -> String {
        self.until(|screen| screen.contains(text))
    }

    fn line(&self, row: usize) -> String {
        self.emulator.contents().lines().nth(row).unwrap_or_default().to_owned()
    }

    fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        let bytes = key(KeyEvent::new(code, modifiers), self.emulator.input_mode());
        assert_eq!(self.pty.write(&bytes).unwrap(), bytes.len());
    }

    fn enter(&mut self, text: &str) {
        text.chars().for_each(|char| self.press(KeyCode::Char(char), KeyModifiers::NONE));
        self.press(KeyCode::Enter, KeyModifiers::NONE);
    }

    fn resize(&mut self, rows: u16, columns: u16) {
        self.emulator.resize(rows, columns);
        self.pty.resize(rows, columns).unwrap();
    }

    fn ends(mut self) -> Option<i32> {
        self.child.wait().unwrap().code
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.signal(Signal::SIGKILL));
        drop(self.child.wait());
    }
}

/// A file whose lines say which they are.
fn numbered() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines: String = (1..=500).map(|line| format!("this is line {line}\n")).collect();
    fs::write(file.path(), lines).unwrap();
    file
}

#[test]
fn an_editor_edits() {
    let _alone = alone();
    let file = numbered();
    let path = file.path().to_str().unwrap();
    let vi = ["vim.tiny", "vim", "vi"].into_iter().find_map(|vi| {
        // Without what the user has set up, and with all that it draws.
        Program::start(&[vi, "-u", "NONE", "-N", "--cmd", "set ruler showmode", path])
    });
    let Some(mut vim) = vi else { return };
    // Its message sometimes takes the ruler away until the cursor moves.
    vim.until(|screen| screen.starts_with("this is line 1\n") && screen.contains("500L"));
    assert!(vim.emulator.input_mode().alternate_screen);
    vim.press(KeyCode::Char('G'), KeyModifiers::NONE);
    vim.shows("this is line 500");
    vim.press(KeyCode::PageUp, KeyModifiers::NONE);
    vim.press(KeyCode::PageUp, KeyModifiers::NONE);
    vim.until(|screen| !screen.contains("this is line 500"));
    vim.enter(":1");
    vim.until(|screen| screen.starts_with("this is line 1\n"));
    for _ in 0..3 {
        vim.press(KeyCode::Down, KeyModifiers::NONE);
    }
    vim.press(KeyCode::End, KeyModifiers::NONE);
    vim.shows("4,14");
    vim.press(KeyCode::Char('a'), KeyModifiers::NONE);
    vim.shows("-- INSERT --");
    let pasted = paste(" and ärger, 漢字", vim.emulator.input_mode());
    assert_eq!(vim.pty.write(&pasted).unwrap(), pasted.len());
    vim.shows("this is line 4 and ärger, 漢字");
    vim.press(KeyCode::Esc, KeyModifiers::NONE);
    vim.until(|screen| !screen.contains("INSERT"));
    vim.resize(10, 40);
    vim.until(|screen| screen.lines().count() == 10 && screen.lines().nth(9).unwrap().contains("4,"));
    vim.enter(":wq");
    assert_eq!(vim.ends(), Some(0));
    assert!(
        fs::read_to_string(file.path())
            .unwrap()
            .contains("\nthis is line 4 and ärger, 漢字\nthis is line 5\n")
    );
}

#[test]
fn a_pager_pages() {
    let _alone = alone();
    let file = numbered();
    let Some(mut less) = Program::start(&["less", file.path().to_str().unwrap()]) else { return };
    less.shows("this is line 23\n");
    // By the wheel.
    let wheel =
        MouseEvent { kind: MouseEventKind::ScrollDown, column: 0, row: 0, modifiers: KeyModifiers::NONE };
    let bytes = mouse(wheel, 0, 0, less.emulator.input_mode());
    less.pty.write(&bytes).unwrap();
    less.until(|screen| screen.starts_with("this is line 4\n"));
    less.enter("/line 321$");
    less.until(|screen| screen.starts_with("this is line 321\n"));
    // Backwards the lines are inserted at the top.
    less.press(KeyCode::Up, KeyModifiers::NONE);
    less.until(|screen| screen.starts_with("this is line 320\nthis is line 321\n"));
    less.press(KeyCode::End, KeyModifiers::NONE);
    less.shows("this is line 500");
    less.press(KeyCode::Home, KeyModifiers::NONE);
    less.until(|screen| screen.starts_with("this is line 1\n"));
    less.resize(5, 20);
    // It does not see the signal of the new size where that comes right before it waits for a key.
    less.press(KeyCode::Char('r'), KeyModifiers::NONE);
    less.until(|screen| screen.starts_with("this is line 1\n") && !screen.contains("line 5\n"));
    less.press(KeyCode::Char('q'), KeyModifiers::NONE);
    assert_eq!(less.ends(), Some(0));
}

#[test]
fn a_monitor_draws() {
    let _alone = alone();
    if let Some(mut htop) = Program::start(&["htop"]) {
        htop.until(|screen| screen.contains("PID") && screen.contains("F10Quit"));
        assert_ne!(htop.emulator.input_mode().mouse, MouseMode::Off);
        assert_eq!(htop.emulator.input_mode().mouse_encoding, MouseEncoding::Sgr);
        htop.press(KeyCode::F(1), KeyModifiers::NONE);
        htop.shows("Process state:");
        htop.press(KeyCode::Char(' '), KeyModifiers::NONE);
        htop.shows("F10Quit");
        htop.press(KeyCode::F(10), KeyModifiers::NONE);
        assert_eq!(htop.ends(), Some(0));
    }
    if let Some(mut top) = Program::start(&["top"]) {
        top.until(|screen| screen.contains("PID USER") && screen.contains("load average"));
        top.press(KeyCode::Char('q'), KeyModifiers::NONE);
        assert_eq!(top.ends(), Some(0));
    }
}

#[test]
fn a_dialog_has_its_box() {
    let _alone = alone();
    let Some(mut dialog) = Program::start(&["dialog", "--yesno", "Enable it?", "7", "30"]) else { return };
    let screen = dialog
        .until(|screen| screen.contains("Enable it?") && screen.contains("< No") && screen.contains('┘'));
    assert!(screen.contains("┌────────────────────────────┐"), "{screen}");
    dialog.press(KeyCode::Right, KeyModifiers::NONE);
    dialog.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(dialog.ends(), Some(1), "no");
}

/// The shell waits for a line. What is typed before is not the line editor's, but the terminal's.
fn is_prompt(screen: &str) -> bool {
    screen.trim_end().lines().last() == Some("$")
}

#[test]
fn a_shell_edits_its_line() {
    let _alone = alone();
    let Some(mut bash) = Program::start(&["bash", "--norc", "--noprofile", "-i"]) else { return };
    bash.until(is_prompt);
    bash.enter("stty size; tty");
    bash.until(|screen| screen.contains("24 80\n/dev/pts/") && is_prompt(screen));
    // A word goes in where the cursor is, and a line comes back.
    "echo  end".chars().for_each(|char| bash.press(KeyCode::Char(char), KeyModifiers::NONE));
    for _ in 0..4 {
        bash.press(KeyCode::Left, KeyModifiers::NONE);
    }
    "two".chars().for_each(|char| bash.press(KeyCode::Char(char), KeyModifiers::NONE));
    bash.press(KeyCode::Char('a'), KeyModifiers::CONTROL);
    bash.press(KeyCode::Char('f'), KeyModifiers::ALT);
    bash.enter(" one");
    bash.until(|screen| screen.contains("\none two end\n") && is_prompt(screen));
    bash.enter("clear");
    bash.until(|screen| !screen.contains("one two") && is_prompt(screen));
    bash.press(KeyCode::Up, KeyModifiers::NONE);
    bash.press(KeyCode::Up, KeyModifiers::NONE);
    bash.shows("$ echo one two end");
    bash.press(KeyCode::Char('u'), KeyModifiers::CONTROL);
    bash.until(is_prompt);
    // A line longer than the screen is wide.
    bash.enter(&format!("echo {}-$((40 + 2))", "x".repeat(100)));
    bash.until(|screen| screen.contains(&format!("\n{}-42\n", "x".repeat(100))) && is_prompt(screen));
    bash.enter("clear; seq 100");
    bash.until(|screen| screen.contains("\n100\n") && is_prompt(screen));
    bash.resize(6, 30);
    bash.enter("stty size");
    let screen = bash.until(|screen| screen.contains("\n6 30\n") && is_prompt(screen));
    assert!(screen.contains("\n100\n") && bash.line(5).starts_with("$"), "{screen}");
    bash.enter("exit 3");
    assert_eq!(bash.ends(), Some(3));
}
