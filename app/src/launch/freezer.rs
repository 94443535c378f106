//! The freezer of a control group (`cgroup.freeze`), for everybody who wants the workload frozen: it is while one of them
//! does.
//!
//! Frozen it stays when whoever froze it is gone, and glasshouse can be killed at any moment. So before the first time
//! glasshouse starts itself once more under another name: a process that holds `cgroup.freeze` and the end of a pipe, and
//! thaws when the pipe's other end is closed, which the kernel does whatever glasshouse dies of. Without it nothing is
//! frozen.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Name (`argv[0]`) under which glasshouse runs as the process that thaws.
const NAME: &str = "glasshouse-thawer";

/// Who wants the workload frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The user.
    User = 1,
    /// The observation, which has more to do than it can.
    Observation = 2,
}

/// The freezer of one group. Dropping it thaws.
#[derive(Debug)]
pub struct Freezer(Mutex<State>);

#[derive(Debug)]
struct State {
    file: File,
    /// [`Wish`]es that are open, a bit for each.
    wishes: u8,
    /// What thaws when glasshouse is gone.
    thawer: Option<Child>,
    /// The group is about to go: nothing is frozen any more.
    closed: bool,
}

impl Freezer {
    /// That of the group whose directory is `group`.
    ///
    /// # Errors
    /// The kernel's, when there is none.
    pub fn of(group: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(group.join("cgroup.freeze"))?;
        Ok(Self(Mutex::new(State { file, wishes: 0, thawer: None, closed: false })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a wish, or of its end, and does what the wishes then are.
    ///
    /// # Errors
    /// The kernel's; and nothing is frozen if nobody could be had to thaw it.
    pub fn set(&self, wish: Wish, frozen: bool) -> io::Result<()> {
        let mut state = self.state();
        let wishes = if frozen { state.wishes | wish as u8 } else { state.wishes & !(wish as u8) };
        if (wishes != 0) != (state.wishes != 0) {
            if wishes != 0 {
                state.guard()?;
            }
            state.write(wishes != 0)?;
        }
        state.wishes = wishes;
        Ok(())
    }

    /// Thaws, for good.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.wishes = 0;
        if let Some(mut thawer) = state.thawer.take() {
            // It thaws now, and is gone.
            drop(thawer.stdin.take());
            let _ = thawer.wait();
        }
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    fn write(&mut self, frozen: bool) -> io::Result<()> {
        self.file.write_all(if frozen { b"1" } else { b"0" })
    }

    /// Sees to it that there is somebody who thaws.
    fn guard(&mut self) -> io::Result<()> {
        if self.closed {
            return Err(io::Error::other("the run is about to end"));
        }
        if let Some(thawer) = &mut self.thawer
            && thawer.try_wait()?.is_none()
        {
            return Ok(());
        }
        let thawer = Command::new("/proc/self/exe")
            .arg0(NAME)
            .env_clear()
            .current_dir("/")
            // Neither the terminal's signals nor those for glasshouse's group are meant for it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(self.file.try_clone()?)
            .stderr(Stdio::null())
            .spawn()?;
        self.thawer = Some(thawer);
        Ok(())
    }
}

/// Runs the process that thaws, if that is what this one is.
pub fn thawing_process() -> Option<ExitCode> {
    if std::env::args_os().next()? != NAME {
        return None;
    }
    // Nothing is ever written to the pipe: this returns when it is closed.
    let _ = io::stdin().lock().read(&mut [0]);
    let thawed = io::stdout().write_all(b"0").and_then(|()| io::stdout().flush());
    Some(if thawed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn it_is_frozen_while_somebody_wants_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cgroup.freeze");
        std::fs::write(&path, "").unwrap();
        let written = || std::fs::read_to_string(&path).unwrap();
        let freezer = Freezer::of(folder.path()).unwrap();
        // Whoever thaws need not be this program here.
        freezer.state().thawer = Some(Command::new("cat").stdin(Stdio::piped()).spawn().unwrap());
        freezer.set(Wish::User, true).unwrap();
        freezer.set(Wish::Observation, true).unwrap();
        freezer.set(Wish::User, false).unwrap();
        freezer.set(Wish::User, false).unwrap();
        assert_eq!(written(), "1");
        freezer.set(Wish::Observation, false).unwrap();
        assert_eq!(written(), "10");
        freezer.close();
        assert!(freezer.set(Wish::User, true).is_err(), "what goes away is not frozen any more");
        assert_eq!(written(), "10");
    }
}
