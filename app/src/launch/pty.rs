//! A terminal of the command's own: a pseudo-terminal whose other side an interface has.

use std::{
    io::{self, IsTerminal as _},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
    sync::{Arc, Mutex, PoisonError},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    pty::{grantpt, posix_openpt, unlockpt},
    sys::termios::{SetArg, tcgetattr, tcsetattr},
    unistd::{Uid, fchown, read, write},
};

use super::leader::Leader;

#[cfg(test)]
pub(crate) mod tests;

/// Which of the standard descriptors the terminal is for.
type Streams = [bool; 3];

/// The side that glasshouse has.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    terminal: ChildTerminal,
}

/// The side that the command gets: its controlling terminal, and those of its standard streams that are terminals of
/// glasshouse.
#[derive(Clone, Debug)]
pub struct ChildTerminal {
    side: Arc<Mutex<Side>>,
    streams: Streams,
}

#[derive(Debug)]
enum Side {
    /// Nobody has it yet.
    Free(OwnedFd),
    /// The command has it, in a session that is led until this goes. It is closed here, so that its end can be seen.
    Taken { _leader: Leader },
    /// There is no other side any more.
    Gone,
}

/// What there was to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes.
    Bytes(usize),
    /// Nothing by now.
    Nothing,
    /// Nobody has the other side any more.
    Closed,
}

impl Pty {
    /// Makes one of so many rows and columns, set up as the terminal that glasshouse has is.
    ///
    /// # Errors
    /// The kernel's: there is no /dev/ptmx, or there are too many terminals.
    pub fn open(rows: u16, columns: u16) -> io::Result<Self> {
        let streams = [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()];
        Self::for_streams(rows, columns, streams)
    }

    /// Makes one for these standard streams of the command; the others stay what they are.
    pub(crate) fn for_streams(rows: u16, columns: u16, streams: Streams) -> io::Result<Self> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let master = posix_openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let wanted = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        // By its name another file system could be reached than the one that the master is of.
        // SAFETY: takes plain flags, and gives a new descriptor or -1.
        let slave = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, wanted.bits()) };
        let slave = Errno::result(slave)?;
        // SAFETY: the descriptor is new, and nobody else's.
        let slave = unsafe { OwnedFd::from_raw_fd(slave) };
        let own = [io::stdin().as_fd(), io::stdout().as_fd(), io::stderr().as_fd()]
            .into_iter()
            .find_map(|descriptor| tcgetattr(descriptor).ok());
        if let Some(settings) = own {
            tcsetattr(&slave, SetArg::TCSANOW, &settings)?;
        }
        // SAFETY: a PtyMaster is such a descriptor, and gives it away here.
        let master = unsafe { OwnedFd::from_raw_fd(std::os::fd::IntoRawFd::into_raw_fd(master)) };
        let terminal = ChildTerminal { side: Arc::new(Mutex::new(Side::Free(slave))), streams };
        let pty = Self { master, terminal };
        pty.resize(rows, columns)?;
        Ok(pty)
    }

    /// Some standard stream of the command is to be it.
    pub fn is_for_somebody(&self) -> bool {
        self.terminal.streams.contains(&true)
    }

    /// What the command is to be given.
    pub fn terminal(&self) -> ChildTerminal {
        self.terminal.clone()
    }

    /// Tells the command how large its terminal is by now.
    ///
    /// # Errors
    /// `ioctl(2)`'s.
    pub fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        let size = libc::winsize { ws_row: rows.max(1), ws_col: columns.max(1), ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: reads a winsize, which lives until the call returns.
        Errno::result(unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) })?;
        Ok(())
    }

    /// Reads what the command wrote; does not block.
    ///
    /// # Errors
    /// `read(2)`'s.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<Read> {
        match read(&self.master, buffer) {
            Ok(0) | Err(Errno::EIO) => Ok(Read::Closed),
            Ok(bytes) => Ok(Read::Bytes(bytes)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(Read::Nothing),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Types; gives back how many bytes the terminal had room for.
    ///
    /// # Errors
    /// `write(2)`'s.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match write(&self.master, bytes) {
            Ok(written) => Ok(written),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // The session's leader goes before the terminal does: else its end would be that of who has the keyboard.
        *self.terminal.lock() = Side::Gone;
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}

impl ChildTerminal {
    /// Gives it to whoever the command runs as. What cannot be given stays usable by its descriptors.
    pub(super) fn give_to(&self, uid: u32) {
        if let Side::Free(slave) = &*self.lock() {
            let _ = fchown(slave, Some(Uid::from_raw(uid)), None);
        }
    }

    /// The descriptor, and which of the standard ones it is for.
    pub(super) fn plan(&self) -> Option<(RawFd, Streams)> {
        match &*self.lock() {
            Side::Free(slave) => Some((slave.as_raw_fd(), self.streams)),
            Side::Taken { .. } | Side::Gone => None,
        }
    }

    /// The command has it.
    pub(super) fn is_taken(&self, leader: Leader) {
        *self.lock() = Side::Taken { _leader: leader };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Side> {
        self.side.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
