//! Brings the state what happens, and does what it asks for: keys, the command's terminal, drawing, the clock.

use std::{
    collections::VecDeque,
    fs::OpenOptions,
    future::ready,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use base64::Engine as _;
use crossterm::event::{Event as Input, EventStream};
use nix::sys::signal::{Signal, raise};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

use super::{
    config::Config,
    keys::Keymap,
    pace::Pace,
    screen::{self, Canvas},
    state::{App, Overlay, Pane, World},
    terminal::Emulator,
    theme::Theme,
    update::{Effect, update},
    view::{self, layout::Layout},
    wait::{can_read, can_write, next_input, sleep_until, stopped},
};
use crate::{
    event::{CallsSoFar, Event, EventKind},
    launch::{
        Pty, boot_time,
        identity::user_name,
        priority::{self, First},
        pty::{ChildTerminal, Read},
    },
    runner::{Interface, Progress, Request, Stage},
    session::Session,
};

/// Bytes of the command's output that are looked at before keys are looked at again.
const OUTPUT: usize = 64 * 1024;
/// Bytes for the command that wait because it does not read; what is typed beyond is not taken.
const MAX_TYPED: usize = 64 * 1024;

/// How long lists are made anew, and findings looked for, before keys are looked at again.
const SLICE: Duration = Duration::from_millis(5);
/// How often it is looked whether the terminal is still there.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The interface of a run.
pub struct Live {
    app: App,
    pty: Pty,
    canvas: Option<Canvas>,
    input: Option<EventStream>,
    stops: Option<SignalStream>,
    /// What the user did and is not dealt with.
    inputs: VecDeque<Input>,
    /// What the runner is to do.
    requests: VecDeque<Request>,
    /// What the command is to read.
    typed: Vec<u8>,
    /// The command's terminal has something to read.
    has_output: bool,
    /// Nobody has the command's terminal any more.
    closed: bool,
    /// Glasshouse is to stop, as others of its process group.
    stop: bool,
    pace: Pace,
    stage: Stage,
    /// Calls that were made were counted the last time, and not only those that were denied.
    counts_made: bool,
    count_asked_at: Instant,
    finished: bool,
    /// When it is looked whether the terminal is still there.
    look_at: Instant,
    /// Directory that exports go to.
    directory: PathBuf,
}

impl Live {
    /// For a terminal that is [`screen::usable`]. Exports go to `directory`.
    ///
    /// # Errors
    /// There is no pseudo-terminal to be had.
    pub fn new(keymap: Keymap, theme: Theme, directory: PathBuf) -> io::Result<Self> {
        let (columns, rows) = crossterm::terminal::size()?;
        let mut app = App::new(keymap, theme, (columns, rows), Some(Emulator::new(24, 80)));
        let (rows, columns) = terminal_size(&app);
        let pty = Pty::open(rows, columns)?;
        if pty.is_for_somebody() {
            let mut emulator = Emulator::new(rows, columns);
            emulator.set_light(app.theme.is_light());
            app.terminal = Some(emulator);
        } else {
            app.terminal = None;
            app.lower = Pane::Timeline;
        }
        Ok(Self {
            app,
            pty,
            canvas: None,
            input: None,
            stops: None,
            inputs: VecDeque::new(),
            requests: VecDeque::new(),
            typed: Vec::new(),
            has_output: false,
            closed: false,
            stop: false,
            pace: Pace::new(Instant::now()),
            stage: Stage::default(),
            counts_made: false,
            count_asked_at: Instant::now(),
            finished: false,
            look_at: Instant::now() + LOOK_EVERY,
            directory,
        })
    }

    /// As the configuration and the environment say.
    ///
    /// # Errors
    /// There is no pseudo-terminal to be had.
    pub fn for_this_terminal(config: Config, directory: PathBuf) -> io::Result<Self> {
        let theme = config.theme(|name| std::env::var(name).ok());
        Self::new(config.keymap, theme, directory)
    }

    /// Reads what the command wrote, as much as is good at once.
    fn take_output(&mut self) {
        let mut buffer = [0; 8 * 1024];
        let mut taken = 0;
        while taken < OUTPUT {
            match self.pty.read(&mut buffer) {
                Ok(Read::Bytes(bytes)) => {
                    taken += bytes;
                    let bytes = &buffer[..bytes];
                    if let (Some(emulator), Some(_)) = (&mut self.app.terminal, &self.canvas) {
                        emulator.feed(bytes);
                        // Who asks without end and never reads gets no more answers.
                        let replies = emulator.take_replies();
                        self.queue(&replies);
                        self.pace.dirty();
                    } else {
                        // Without the screen it is as if there was no terminal in between.
                        drop(io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()));
                    }
                }
                Ok(Read::Nothing) => break,
                Ok(Read::Closed) | Err(_) => {
                    self.closed = true;
                    break;
                }
            }
        }
    }

    /// Has something typed as soon as there is room for it; says whether it will be.
    fn queue(&mut self, bytes: &[u8]) -> bool {
        let has_room = self.typed.len() + bytes.len() <= MAX_TYPED;
        if has_room {
            self.typed.extend_from_slice(bytes);
        }
        has_room
    }

    fn type_out(&mut self) {
        if self.typed.is_empty() {
            return;
        }
        match self.pty.write(&self.typed) {
            Ok(written) => drop(self.typed.drain(..written)),
            Err(_) => self.typed.clear(),
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Ask(request) => self.requests.push_back(request),
            Effect::Type(bytes) if self.closed => {
                if !bytes.is_empty() {
                    self.app.typing = false;
                    self.app.say("nobody has this terminal any more");
                }
            }
            Effect::Type(bytes) => {
                if !self.queue(&bytes) {
                    self.app.say("the command does not read what is typed");
                }
            }
            Effect::Copy(text) => {
                let encoded = base64::engine::general_purpose::STANDARD.encode(&text);
                // The terminal puts it into the clipboard (OSC 52), over any distance.
                let mut out = io::stdout();
                let told = write!(out, "\x1b]52;c;{encoded}\x07").and_then(|()| out.flush());
                match told {
                    Ok(()) => self.app.say(format!("copied {} characters", text.chars().count())),
                    Err(error) => self.app.say(format!("cannot copy: {error}")),
                }
            }
            Effect::Export { extension, content } => {
                let message = self.export(extension, &content);
                self.app.say(message);
            }
        }
    }

    /// Writes a file that was not there before.
    fn export(&self, extension: &str, content: &[u8]) -> String {
        let pane = self.app.focus.name().to_lowercase().replace(' ', "-");
        for number in 1..1000 {
            let path = self.directory.join(format!("glasshouse-{pane}-{number}.{extension}"));
            let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            match opened.and_then(|mut file| file.write_all(content)) {
                Ok(()) => return format!("written: {}", path.display()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return format!("cannot write {}: {error}", path.display()),
            }
        }
        "there are a thousand such files already".into()
    }

    /// Makes the lists anew, and looks for findings, as far as that is due and for as long as keys can wait.
    fn work(&mut self, world: World<'_>) {
        let began = Instant::now();
        let mut is_time = move || began.elapsed() >= SLICE;
        if self.app.is_stale() || self.pace.refreshes(began) {
            let done = self.app.renew(world, &mut is_time);
            self.pace.refreshed(began.elapsed(), done, Instant::now());
            if !done {
                return;
            }
        }
        let began = Instant::now();
        if self.pace.searches(began, self.finished) {
            let done = self.app.look(world, &mut is_time);
            self.pace.searched(began.elapsed(), done, Instant::now());
        }
    }

    fn draw(&mut self, world: World<'_>) {
        let now = Instant::now();
        if let Some(canvas) = &mut self.canvas {
            drop(canvas.autoresize());
            let area = canvas.get_frame().area();
            self.app.size = (area.width, area.height);
        }
        self.app.activity.advance(world.progress.now);
        let layout = Layout::new(&self.app);
        self.app.measure(world, |pane| layout.group(pane).map(|group| group.inner().height.into()));
        let Some(canvas) = &mut self.canvas else { return };
        let app = &self.app;
        // A terminal that takes nothing any more is no reason to end the observation.
        let drawn = canvas.draw(|frame| {
            if let Some(cursor) = view::draw(app, world, frame.buffer_mut()) {
                frame.set_cursor_position(cursor);
            }
        });
        drop(drawn);
        self.pace.drawn(now);
    }

    /// Asks for what nobody reports while it happens, as far as it is on the screen.
    fn ask_for_counts(&mut self, stage: Stage) {
        if self.canvas.is_none() || stage.is_over() {
            return;
        }
        let layout = Layout::new(&self.app);
        let made = layout.group(Pane::Syscalls).is_some() || self.app.overlay == Some(Overlay::Details);
        let is_wanted = made || layout.group(Pane::Processes).is_some();
        // Who opens the pane need not wait for its turn.
        if is_wanted && (self.pace.counts(Instant::now()) || (made && !self.counts_made)) {
            self.counts_made = made;
            self.count_asked_at = Instant::now();
            self.requests.push_back(Request::Count { made });
        }
    }

    /// Gives the command's terminal the size of its pane.
    fn fit_terminal(&mut self) {
        let (rows, columns) = terminal_size(&self.app);
        if let Some(emulator) = &mut self.app.terminal
            && emulator.size() != (rows, columns)
        {
            emulator.resize(rows, columns);
            drop(self.pty.resize(rows, columns));
        }
    }

    /// Stops as its process group does, and goes on with the screen as it was.
    fn suspend(&mut self) {
        self.stop = false;
        let had_screen = self.canvas.is_some();
        if let Some(canvas) = self.canvas.take() {
            screen::release(canvas);
            screen::give_back();
        }
        // It cannot be refused.
        let _ = raise(Signal::SIGSTOP);
        if had_screen {
            self.canvas = screen::take().ok();
            self.pace.dirty();
            if let Ok((columns, rows)) = crossterm::terminal::size() {
                self.app.size = (columns, rows);
            }
        }
    }
}

/// Rows and columns of the pane of the terminal; of the last one that it had where it is not shown.
fn terminal_size(app: &App) -> (u16, u16) {
    let layout = Layout::new(app);
    match (layout.group(Pane::Terminal), &app.terminal) {
        (Some(group), _) => (group.inner().height.max(1), group.inner().width.max(1)),
        (None, Some(emulator)) => emulator.size(),
        (None, None) => (24, 80),
    }
}

impl Interface for Live {
    fn terminal(&self) -> Option<ChildTerminal> {
        self.app.terminal.is_some().then(|| self.pty.terminal())
    }

    fn enter(&mut self) {
        if self.canvas.is_none() {
            match screen::take() {
                Ok(canvas) => self.canvas = Some(canvas),
                Err(error) => {
                    // The run goes on, and its output is passed on.
                    let message = format!("glasshouse: the interface cannot have the terminal: {error}");
                    drop(writeln!(io::stderr(), "{message}"));
                    return;
                }
            }
        }
        // Keys are waited for by a thread that the stream starts.
        self.input = Some(priority::run_first_with(First::Interface, EventStream::new));
        self.stops = signal(SignalKind::from_raw(libc::SIGTSTP)).ok();
    }

    fn has_screen(&self) -> bool {
        self.canvas.is_some()
    }

    fn observed(&mut self, event: &Event, session: &Session) {
        if self.canvas.is_none() {
            return;
        }
        let uid = match &event.kind {
            EventKind::Exec(exec) => Some(exec.credentials.euid),
            EventKind::Credentials(call) => Some(call.credentials.euid),
            _ => None,
        };
        if let Some(uid) = uid.filter(|uid| !self.app.users.contains_key(uid) && self.app.users.len() < 1_000)
        {
            self.app.users.insert(uid, user_name(uid).unwrap_or_else(|| uid.to_string()));
        }
        self.pace.changed();
        // What glasshouse reads itself is nothing that happened.
        if !matches!(event.kind, EventKind::ExecutableHashed(_)) {
            self.app.observe(event, session, boot_time());
        }
    }

    async fn ready(&mut self) {
        if !self.requests.is_empty() || !self.inputs.is_empty() || self.has_output || self.stop {
            return;
        }
        let has_screen = self.canvas.is_some();
        let next_frame = self.pace.next(!self.finished).filter(|_| has_screen);
        let pty = (!self.closed).then_some(&self.pty);
        let wants_to_type = !self.typed.is_empty();
        tokio::select! {
            biased;
            input = next_input(&mut self.input) => self.inputs.extend(input),
            () = stopped(&mut self.stops) => self.stop = true,
            () = can_read(pty) => self.has_output = true,
            () = ready(()), if self.pace.is_under_way() => {}
            () = can_write(pty), if wants_to_type => {}
            () = sleep_until(next_frame) => self.pace.dirty(),
            () = sleep_until(has_screen.then_some(self.look_at)) => {}
        }
    }

    fn turn(&mut self, session: &Session, progress: &Progress) -> Option<Request> {
        if self.stop {
            self.suspend();
        }
        if self.canvas.is_some() && self.look_at <= Instant::now() {
            self.look_at = Instant::now() + LOOK_EVERY;
            if screen::is_gone() {
                self.hung_up();
            }
        }
        if self.canvas.is_none() && progress.stage == Stage::Finished {
            // There is nobody left to see anything.
            return Some(Request::Leave);
        }
        let has_ended = progress.stage == Stage::Finished && !self.finished;
        if std::mem::take(&mut self.has_output) || has_ended {
            self.take_output();
        }
        self.finished |= has_ended;
        // Keys go back to the interface when nobody reads them any more.
        self.app.typing &= !self.closed;
        if progress.stage != self.stage {
            // It may be long until the next one.
            self.stage = progress.stage;
            self.pace.asked();
        }
        let world = World { session, progress };
        while let Some(input) = self.inputs.pop_front() {
            // A choice is made among what is on the screen, so the lists need not be newer than that.
            for effect in update(&mut self.app, input, world) {
                self.perform(effect);
            }
            self.pace.asked();
        }
        self.type_out();
        self.fit_terminal();
        if self.canvas.is_some() {
            if self.pace.is_under_way() || self.pace.draws(Instant::now()) {
                self.work(world);
            }
            if self.pace.draws(Instant::now()) {
                self.draw(world);
            }
        }
        self.ask_for_counts(progress.stage);
        self.requests.pop_front()
    }

    fn counted(&mut self, calls: CallsSoFar) {
        self.pace.counted(self.count_asked_at, Instant::now());
        if self.app.counted(calls) {
            self.pace.changed();
        }
    }

    fn message(&mut self, message: &str) {
        self.app.say(message);
        self.pace.dirty();
    }

    fn hung_up(&mut self) {
        screen::hung_up();
        self.leave();
    }

    fn leave(&mut self) {
        if let Some(canvas) = self.canvas.take() {
            screen::release(canvas);
            screen::give_back();
            self.input = None;
        } else if !self.closed {
            // What the command wrote last.
            self.take_output();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.leave();
    }
}
