//! Kinds of records and of the texts that accompany them.

/// A process was created: [`crate::ForkRecord`].
pub const FORK: u32 = 1;
/// A process image was replaced: [`crate::ExecRecord`]; its texts were sent before it.
pub const EXEC: u32 = 2;
/// A piece of text that belongs to a record still to come: [`crate::TextRecord`].
pub const TEXT: u32 = 3;
/// An `execve` or `execveat` failed: [`crate::ExecFailedRecord`]; its texts were sent before it.
pub const EXEC_FAILED: u32 = 4;
/// The last thread of a process ended: [`crate::ExitRecord`].
pub const EXIT: u32 = 5;
/// A call that can change credentials or namespaces succeeded: [`crate::CredentialsRecord`].
pub const CREDENTIALS: u32 = 6;
/// The credentials with which the root is about to execute its first image: [`crate::CredentialsRecord`], whose call
/// is not known yet.
pub const ROOT_CREDENTIALS: u32 = 8;
/// System-call counts of a process that has ended: [`crate::SyscallsRecord`].
pub const SYSCALLS: u32 = 7;
/// A process used a file for the first time: [`crate::FileRecord`] and the path's components.
pub const FILE: u32 = 9;
/// Totals of what a process has done with a file, or of attempts that failed: [`crate::FileTotalsRecord`].
pub const FILE_TOTALS: u32 = 10;
/// A change of a file: [`crate::FileChangeRecord`]; its texts were sent before it.
pub const FILE_CHANGE: u32 = 11;
/// An attempt failed for the first time: [`crate::FileFailedRecord`]; its texts were sent before it.
pub const FILE_FAILED: u32 = 12;
/// A request to change something was made through a ring: [`crate::FileChangeRecord`], whose `access` is the number of
/// the request; its texts were sent before it.
pub const RING_REQUEST: u32 = 13;
/// Such a request was completed: [`crate::RingResultRecord`].
pub const RING_RESULT: u32 = 14;
/// What a socket and one peer exchange: [`crate::FlowRecord`].
pub const FLOW: u32 = 15;
/// A further process uses a socket: [`crate::SocketUsedRecord`].
pub const SOCKET_USED: u32 = 16;
/// A unix socket was given a name, connected, accepted or used, or has sent to a name: [`crate::UnixRecord`]; its texts were
/// sent before it.
pub const UNIX_SOCKET: u32 = 17;
/// A call on a socket failed for the first time: [`crate::SocketFailedRecord`].
pub const SOCKET_FAILED: u32 = 18;
/// The beginning of a packet's payload: [`crate::PacketRecord`] and the bytes.
pub const PACKET: u32 = 19;
/// A call that matters by itself was made for the first time: [`crate::CallRecord`].
pub const CALL: u32 = 20;
/// A process has ended and used more files than could be told of at once: [`crate::LeftRecord`].
pub const LEFT: u32 = 21;

/// The argument strings, each ended by NUL, as they lie in the new image.
pub const TEXT_ARGV: u16 = 1;
/// The environment strings, each ended by NUL, as they lie in the new image.
pub const TEXT_ENV: u16 = 2;
/// Path of the loaded image, as components, leaf first, each ended by NUL.
pub const TEXT_IMAGE_PATH: u16 = 3;
/// Path of the script that named the loaded image as its interpreter, as components, leaf first, each ended by NUL.
pub const TEXT_SCRIPT_PATH: u16 = 4;
/// The file name given to exec, as the kernel copied it, where that was not sent before (or, of a failed exec, as the caller's
/// memory has it).
pub const TEXT_FILENAME: u16 = 5;
/// Path of the working directory, as components, leaf first, each ended by NUL.
pub const TEXT_CWD: u16 = 6;
/// Path of the directory that the first path argument of a call is relative to, as components, leaf first, each ended
/// by NUL: the working directory, that of a descriptor, or the root directory.
pub const TEXT_BASE: u16 = 7;
/// The first path argument, as the caller's memory had it when the call returned.
pub const TEXT_ARGUMENT: u16 = 8;
/// What the second path argument is relative to.
pub const TEXT_NEW_BASE: u16 = 9;
/// The second path argument.
pub const TEXT_NEW_ARGUMENT: u16 = 10;
/// A text argument that is no path: what a symbolic link points to, the name of an attribute.
pub const TEXT_EXTRA: u16 = 11;
/// The path that a unix socket's address leads to, as components, leaf first, each ended by NUL.
pub const TEXT_SOCKET_PATH: u16 = 12;
/// The file name given to exec, as the kernel copied it, before it is known whether the exec succeeds: of the next
/// [`EXEC`] or [`EXEC_FAILED`] of the process whose flags say so.
pub const TEXT_PREPARED: u16 = 13;

/// The family that records of a kind are accounted for in.
pub const fn family(kind: u32, text: u16) -> crate::Family {
    match kind {
        SYSCALLS => crate::Family::Syscalls,
        // What fails, and calls that matter by themselves, have totals as files have, and come by the same way.
        FILE | FILE_TOTALS | FILE_CHANGE | FILE_FAILED | RING_REQUEST | RING_RESULT | SOCKET_FAILED
        | CALL | LEFT => crate::Family::Files,
        FLOW | SOCKET_USED | UNIX_SOCKET | PACKET => crate::Family::Network,
        TEXT if text == TEXT_SOCKET_PATH => crate::Family::Network,
        TEXT if text == TEXT_PREPARED => crate::Family::Process,
        TEXT if text >= TEXT_BASE => crate::Family::Files,
        _ => crate::Family::Process,
    }
}
