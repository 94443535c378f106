//! A pseudo-terminal, for what only a terminal does: Ctrl-C.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::openpty;

/// The keyboard's end of a terminal.
pub(crate) struct Keyboard(File);

impl Keyboard {
    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &[u8]) {
        self.0.write_all(keys).expect("press keys");
    }
}

/// A new terminal: the keyboard, and the end that a program gets.
pub(crate) fn terminal() -> (Keyboard, OwnedFd) {
    let pair = openpty(None, None).expect("open a pseudo-terminal");
    for end in [&pair.master, &pair.slave] {
        // Other tests start programs at the same time; none of them may hold this terminal open.
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).expect("close it on exec");
    }
    (Keyboard(File::from(pair.master)), pair.slave)
}
