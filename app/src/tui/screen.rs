//! glasshouse's own terminal: taken, and given back whatever happens.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal as _, Stdout, Write as _},
    os::fd::AsFd as _,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::{
    cursor::Show,
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ratatui::{Terminal, backend::CrosstermBackend};

/// Bytes of a drawing that are written at once.
const BUFFER: usize = 64 * 1024;

/// The screen is taken.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// What is drawn on.
pub type Canvas = Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// Why there can be no interface, if there can be none.
///
/// # Errors
/// The reason, to be said once.
pub fn usable() -> Result<(), &'static str> {
    if !io::stdout().is_terminal() {
        return Err("standard output is no terminal");
    }
    match std::env::var("TERM").as_deref() {
        Err(_) | Ok("" | "dumb") => return Err("TERM says that the terminal cannot show it"),
        Ok(_) => {}
    }
    if !io::stdin().is_terminal() && File::open("/dev/tty").is_err() {
        return Err("there is no terminal to read keys from");
    }
    match crossterm::terminal::size() {
        Ok((columns, rows)) if columns > 0 && rows > 0 => Ok(()),
        _ => Err("the terminal does not tell its size"),
    }
}

/// Takes the screen.
///
/// # Errors
/// The terminal's; it is as it was then.
pub fn take() -> io::Result<Canvas> {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
    });
    TAKEN.store(true, Ordering::SeqCst);
    let taken = enter()
        .and_then(|()| Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(BUFFER, io::stdout()))));
    taken.inspect_err(|_| give_back())
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste)
}

/// Lets go of what is drawn on, also where the terminal is gone.
pub fn release(mut canvas: Canvas) {
    if canvas.show_cursor().is_err() {
        // Dropped, it would say on a standard error that is gone as well that it could not show the cursor.
        std::mem::forget(canvas);
    }
}

/// Whether the terminal is gone. A SIGHUP that says so may be ignored (`nohup`), or come while nobody listens.
pub fn is_gone() -> bool {
    let stdout = io::stdout();
    let mut polled = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR;
    poll(&mut polled, PollTimeout::ZERO).is_ok()
        && polled[0].revents().is_some_and(|events| events.intersects(gone))
}

/// The terminal is gone: whoever still waits for keys shall wait, and not read again and again that there are none.
pub fn hung_up() {
    if let Ok((nothing, writer)) = nix::unistd::pipe() {
        // As long as the other end is open, nothing ever comes.
        std::mem::forget(writer);
        let _ = nix::unistd::dup2_stdin(nothing);
    }
}

/// Gives the screen back; does nothing the second time.
pub fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // There is nothing else to be done for a terminal that takes nothing any more.
        drop(execute!(io::stdout(), DisableBracketedPaste, DisableMouseCapture, LeaveAlternateScreen, Show));
        drop(disable_raw_mode());
        drop(io::stdout().flush());
    }
}
