//! What glasshouse was given by its caller and Rust's runtime or `main` changes, noted before that: SIGPIPE and SIGXFSZ,
//! which they ignore, and closed standard descriptors, on which it opens /dev/null.
//!
//! With file capabilities (`AT_SECURE`) the C library has opened something there before anybody can look.

use std::{
    ffi::{CStr, OsStr, OsString, c_char, c_int},
    os::unix::ffi::OsStrExt as _,
    sync::atomic::{AtomicBool, Ordering},
};

static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);

static FILE_SIZE_IGNORED: AtomicBool = AtomicBool::new(false);

/// The signals that the C library keeps for itself (SIGCANCEL and SIGSETXID): its own `posix_spawn` leaves them ignored,
/// and starting a thread changes that. Nothing but the system call tells or sets what becomes of them.
const INTERNAL: [c_int; 2] = [32, 33];

static INTERNAL_IGNORED: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];

/// The kernel's own `struct sigaction`.
#[repr(C)]
struct KernelAction {
    handler: libc::sighandler_t,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// By descriptor: standard input, output and error.
static CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

/// SIGPIPE was ignored.
pub(super) fn pipe_was_ignored() -> bool {
    PIPE_IGNORED.load(Ordering::Relaxed)
}

/// SIGXFSZ was ignored.
pub(super) fn file_size_was_ignored() -> bool {
    FILE_SIZE_IGNORED.load(Ordering::Relaxed)
}

/// Makes the C library's own signals ignored again, those that were. Only makes system calls.
pub(super) fn restore_internal_signals() {
    for (signal, _) in
        INTERNAL.iter().zip(&INTERNAL_IGNORED).filter(|(_, ignored)| ignored.load(Ordering::Relaxed))
    {
        let ignore = KernelAction { handler: libc::SIG_IGN, flags: 0, restorer: 0, mask: 0 };
        // SAFETY: the kernel reads one action of the size that it knows, 8 bytes of mask included.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                *signal,
                &raw const ignore,
                std::ptr::null::<KernelAction>(),
                8,
            );
        }
    }
}

/// Those of the standard descriptors that were closed. What is on them now is the runtime's, and nobody else's.
pub(super) fn closed_descriptors() -> [Option<c_int>; 3] {
    [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO].map(|fd| was_closed(fd).then_some(fd))
}

// SAFETY: the C library has it under this name and of this type (environ(7)).
unsafe extern "C" {
    /// The C library's array of environment strings, which NULL ends.
    #[link_name = "environ"]
    static ENVIRONMENT: *const *const c_char;
}

/// The environment, string by string: the standard library leaves out what is no variable.
pub(super) fn environment() -> Vec<OsString> {
    let mut strings = Vec::new();
    // SAFETY: nothing in this program changes its environment, so that the array and its strings are those which the
    // process was given. Each pointer up to NULL leads to a string that ends with NUL.
    unsafe {
        let mut at = ENVIRONMENT;
        while !at.is_null() && !(*at).is_null() {
            strings.push(OsStr::from_bytes(CStr::from_ptr(*at).to_bytes()).to_owned());
            at = at.add(1);
        }
    }
    strings
}

/// Standard output was closed: what is written there goes nowhere, without an error.
pub(crate) fn stdout_was_closed() -> bool {
    was_closed(libc::STDOUT_FILENO)
}

fn was_closed(descriptor: c_int) -> bool {
    (0..).zip(&CLOSED).any(|(number, closed)| number == descriptor && closed.load(Ordering::Relaxed))
}

extern "C" fn note() {
    // SAFETY: zeroed is a valid `sigaction`; the calls only read present state, the one of them into a local.
    unsafe {
        for (signal, ignored) in [(libc::SIGPIPE, &PIPE_IGNORED), (libc::SIGXFSZ, &FILE_SIZE_IGNORED)] {
            let mut present: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, std::ptr::null(), &raw mut present) == 0 {
                ignored.store(present.sa_sigaction == libc::SIG_IGN, Ordering::Relaxed);
            }
        }
        for (signal, ignored) in INTERNAL.iter().zip(&INTERNAL_IGNORED) {
            let mut present = KernelAction { handler: libc::SIG_DFL, flags: 0, restorer: 0, mask: 0 };
            libc::syscall(
                libc::SYS_rt_sigaction,
                *signal,
                std::ptr::null::<KernelAction>(),
                &raw mut present,
                8,
            );
            ignored.store(present.handler == libc::SIG_IGN, Ordering::Relaxed);
        }
        for (descriptor, closed) in (0..).zip(&CLOSED) {
            // EBADF is all that F_GETFD can fail with.
            closed.store(libc::fcntl(descriptor, libc::F_GETFD) == -1, Ordering::Relaxed);
        }
    }
}

// SAFETY: the functions listed in this section are called once by the C runtime, before `main` and in its only
// thread; ours is async-signal-safe and uses nothing of Rust's runtime.
#[unsafe(link_section = ".init_array")]
#[used]
static NOTE: extern "C" fn() = note;
