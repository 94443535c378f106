//! One run of `glasshouse watch`, bounded in time, in a fresh folder of its own.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::receipt::Receipt;
use super::{patience, wait_until};

/// The binary under test.
pub(crate) fn glasshouse() -> PathBuf {
    std::env::var_os("GLASSHOUSE_BIN")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_glasshouse")), PathBuf::from)
}

/// A folder that every user can enter.
pub(crate) fn public_folder() -> TempDir {
    let folder =
        tempfile::Builder::new().prefix("glasshouse-test-").tempdir().expect("make a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("open it to everybody");
    folder
}

/// A run to be made. stdout and stderr go to files, so that nothing that outlives the run can hold it up.
pub(crate) struct Watch {
    folder: TempDir,
    binary: PathBuf,
    wrapper: Vec<OsString>,
    options: Vec<OsString>,
    command: Vec<OsString>,
    environment: Vec<(OsString, Option<OsString>)>,
    receipt: Option<PathBuf>,
    group: bool,
    terminal: Option<std::os::fd::OwnedFd>,
}

/// `glasshouse watch --no-tui -- COMMAND…`
pub(crate) fn watch<A: Into<OsString>>(command: impl IntoIterator<Item = A>) -> Watch {
    Watch {
        folder: public_folder(),
        binary: glasshouse(),
        wrapper: Vec::new(),
        options: Vec::new(),
        command: command.into_iter().map(Into::into).collect(),
        // A test started through sudo must not look like a glasshouse started through sudo, and cargo's search path for
        // libraries is none of the command's.
        environment: ["SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_COMMAND", "LD_LIBRARY_PATH"]
            .map(|name| (name.into(), None))
            .into(),
        receipt: None,
        group: true,
        terminal: None,
    }
}

impl Watch {
    /// Adds options of `watch`.
    pub(crate) fn options<A: Into<OsString>>(mut self, options: impl IntoIterator<Item = A>) -> Self {
        self.options.extend(options.into_iter().map(Into::into));
        self
    }

    /// Runs glasshouse under another program: `unshare -m`, say.
    pub(crate) fn under<A: Into<OsString>>(mut self, wrapper: impl IntoIterator<Item = A>) -> Self {
        self.wrapper.extend(wrapper.into_iter().map(Into::into));
        self
    }

    /// Runs glasshouse by a shell that first prepares something: `PREPARATION && exec glasshouse …`.
    pub(crate) fn after(self, preparation: &str) -> Self {
        let script = format!("{preparation} && exec \"$@\"");
        self.under(["sh", "-c", &script, "sh"])
    }

    /// Adds to glasshouse's environment.
    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), Some(value.into())));
        self
    }

    /// Takes another binary.
    pub(crate) fn binary(mut self, binary: &Path) -> Self {
        self.binary = binary.to_owned();
        self
    }

    /// Writes the receipt elsewhere than to `receipt.json` in the folder.
    pub(crate) fn receipt_at(mut self, path: &Path) -> Self {
        self.receipt = Some(path.to_owned());
        self
    }

    /// Gives glasshouse this terminal as its controlling one, and as its stdin.
    pub(crate) fn on_terminal(mut self, terminal: std::os::fd::OwnedFd) -> Self {
        self.terminal = Some(terminal);
        // The wrapper becomes the leader of a new session, which a leader of a group cannot.
        self.group = false;
        self.under(["setsid", "--ctty"])
    }

    /// The folder that the run will have as its working directory.
    pub(crate) fn folder(&self) -> PathBuf {
        super::real(self.folder.path())
    }

    /// Starts it.
    pub(crate) fn start(self) -> Running {
        let folder = self.folder();
        let receipt = self.receipt.clone().unwrap_or_else(|| folder.join("receipt.json"));
        let mut words = self.wrapper;
        words.push(self.binary.clone().into());
        words.extend(["watch", "--no-tui", "--receipt"].map(Into::into));
        words.push(receipt.clone().into());
        words.extend(self.options);
        words.push("--".into());
        words.extend(self.command);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(&folder);
        command.stdin(self.terminal.map_or_else(Stdio::null, Stdio::from));
        command.stdout(file(&folder, "stdout")).stderr(file(&folder, "stderr"));
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if self.group {
            command.process_group(0);
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {words:?}: {error}"));
        let folder = Rc::new(self.folder);
        Running { folder, child: Some(child), receipt, words, group: self.group, started: Instant::now() }
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Run {
        self.start().finish()
    }
}

fn file(folder: &Path, name: &str) -> fs::File {
    fs::File::create(folder.join(name)).expect("create an output file")
}

/// A run that goes on.
pub(crate) struct Running {
    folder: Rc<TempDir>,
    child: Option<Child>,
    receipt: PathBuf,
    words: Vec<OsString>,
    group: bool,
    started: Instant,
}

impl Running {
    /// Pid of what was started: glasshouse, unless it runs under a wrapper that does not exec it.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.as_ref().expect("it runs").id()).expect("a pid")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("signal glasshouse");
    }

    /// Waits until the workload has written this to its stdout.
    pub(crate) fn wait_for_output(&self, text: &str) -> String {
        let path = self.folder.path().join("stdout");
        wait_until(&format!("{text:?} on stdout of {:?}", self.words), || {
            let output = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
            output.contains(text).then_some(output)
        })
    }

    /// Waits for its end; kills it and fails the test when that takes too long.
    pub(crate) fn finish(mut self) -> Run {
        let mut child = self.child.take().expect("it runs");
        let deadline = Instant::now() + patience(60);
        let status = loop {
            if let Some(status) = child.try_wait().expect("wait for glasshouse") {
                break status;
            }
            if Instant::now() >= deadline {
                let stacks = wait_channels(child.id());
                stop(&mut child, self.group);
                let stderr = fs::read(self.folder.path().join("stderr")).unwrap_or_default();
                panic!(
                    "{:?} did not end; {stacks}; stderr: {}",
                    self.words,
                    String::from_utf8_lossy(&stderr)
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let elapsed = self.started.elapsed();
        let text = |name| {
            let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (stdout, stderr) = (text("stdout"), text("stderr"));
        Run {
            status,
            stdout,
            stderr,
            receipt_path: self.receipt.clone(),
            elapsed,
            folder: Rc::clone(&self.folder),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            stop(&mut child, self.group);
        }
    }
}

fn stop(child: &mut Child, group: bool) {
    if group {
        let _ = killpg(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), Signal::SIGKILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Where a process that does not end is stuck, as far as /proc tells.
fn wait_channels(pid: u32) -> String {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    format!("it waits in {:?}, system call {:?}", read("wchan"), read("syscall").trim())
}

/// With what the programs of `tests/programs` exit where the kernel lacks what they were to use.
const UNSUPPORTED: i32 = 77;

/// A run that has ended.
pub(crate) struct Run {
    /// How glasshouse ended.
    pub(crate) status: ExitStatus,
    /// What came out on stdout.
    pub(crate) stdout: String,
    /// What came out on stderr.
    pub(crate) stderr: String,
    /// Where the receipt should be.
    pub(crate) receipt_path: PathBuf,
    /// From start to end.
    pub(crate) elapsed: Duration,
    folder: Rc<TempDir>,
}

impl Run {
    /// Its working directory.
    pub(crate) fn folder(&self) -> PathBuf {
        super::real(self.folder.path())
    }

    /// Fails unless glasshouse exited with this code.
    #[track_caller]
    pub(crate) fn expect_code(&self, code: i32) -> &Self {
        let signal = self.status.signal();
        assert_eq!(self.status.code(), Some(code), "exit code (signal {signal:?}); stderr:\n{}", self.stderr);
        self
    }

    /// The receipt, checked for what must hold for every receipt.
    #[track_caller]
    pub(crate) fn receipt(&self) -> Receipt {
        let bytes = fs::read(&self.receipt_path).unwrap_or_else(|error| {
            panic!("{}: {error}; stderr:\n{}", self.receipt_path.display(), self.stderr)
        });
        Receipt::parse(&bytes)
    }

    /// The receipt of a run that exited with this code and of which nothing is missing.
    #[track_caller]
    pub(crate) fn complete(&self, code: i32) -> Receipt {
        self.expect_code(code);
        let receipt = self.receipt();
        receipt.expect_complete();
        receipt
    }

    /// The receipt of a program that succeeded, unless it said that this kernel lacks what it was to use.
    #[track_caller]
    pub(crate) fn complete_if_supported(&self) -> Option<Receipt> {
        if self.status.code() == Some(UNSUPPORTED) {
            super::privilege::skip("this kernel lacks what it was to use");
            return None;
        }
        Some(self.complete(0))
    }
}

/// Runs a command without glasshouse, in this folder; panics when it cannot be started.
pub(crate) fn bare<A: AsRef<OsStr>>(
    folder: &Path,
    command: impl IntoIterator<Item = A>,
) -> std::process::Output {
    let mut words = command.into_iter();
    let first = words.next().expect("a command");
    let mut command = Command::new(&first);
    command.args(words).current_dir(folder).stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("{}: {error}", first.as_ref().display()))
}
