//! Where a command may be: the search of `execvp(3)`, made before the fork.
//!
//! The child tries the candidates in turn with `execve` itself, so that what counts is what the kernel says to the
//! user that the command runs as, not what a look from outside would have guessed.

use std::{
    ffi::{CString, OsStr},
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _},
    },
    path::Path,
};

use nix::errno::Errno;

use super::{Command, Identity, LaunchError, quoted, reason};

/// Where `execvp` searches when there is no `PATH` (glibc's `confstr(_CS_PATH)`).
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// The file names that `name` may stand for, in the order in which they are to be tried.
pub(super) fn candidates(name: &OsStr, path: Option<&OsStr>) -> Result<Vec<CString>, LaunchError> {
    let bytes = name.as_bytes();
    let names: Vec<Vec<u8>> = if bytes.is_empty() {
        Vec::new()
    } else if bytes.contains(&b'/') {
        vec![bytes.to_vec()]
    } else {
        let path = path.map_or(DEFAULT_PATH, OsStr::as_bytes);
        // An empty entry is the working directory.
        path.split(|&byte| byte == b':')
            .map(|entry| if entry.is_empty() { bytes.to_vec() } else { [entry, b"/", bytes].concat() })
            .collect()
    };
    names
        .into_iter()
        .map(|name| {
            CString::new(name)
                .map_err(|_| LaunchError::Refused("the command name contains a NUL byte".into()))
        })
        .collect()
}

/// After this errno of one candidate the search goes on, as in `execvp`: the file is not there, or may not be used
/// while another one may.
pub(super) fn search_goes_on(errno: i32) -> bool {
    matches!(
        errno,
        libc::ENOENT | libc::ENOTDIR | libc::EACCES | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT
    )
}

/// What a failed search means. `errno` is what decided it: EACCES if any candidate gave that, else the last one;
/// `at` is the candidate it came from.
pub(super) fn failure(command: &Command, candidates: &[CString], at: usize, errno: i32) -> LaunchError {
    let name = command.name();
    let absolute = |candidate: &CString| command.absolute(OsStr::from_bytes(candidate.to_bytes()));
    let searched = !name.as_bytes().contains(&b'/');
    let path = match errno {
        // ENOENT for a file that is there is about its interpreter.
        libc::ENOENT | libc::ENOTDIR => candidates.iter().map(absolute).find(|path| is_executable_file(path)),
        // A directory of PATH that the user may not look into says nothing about the command.
        libc::EACCES if searched => candidates.iter().map(absolute).find(|path| path.exists()),
        _ => candidates.get(at).map(absolute),
    };
    let Some(path) = path else { return not_found(name) };
    let why = match errno {
        libc::ENOENT | libc::ENOTDIR => match script_interpreter(&path) {
            Some(interpreter) => format!(
                "its interpreter {} is missing; check its first line, or name the interpreter: INTERPRETER FILE",
                quoted(interpreter)
            ),
            None => "the program loader it asks for is missing (built for another system?)".into(),
        },
        libc::ENOEXEC => format!(
            "neither a program for this machine nor a script with a '#!' line; for a shell script type: sh {}",
            quoted(name)
        ),
        libc::EACCES if path.is_dir() => "is a directory".into(),
        libc::EACCES => denied(&path, &command.identity),
        _ => reason(Errno::from_raw(errno)),
    };
    let message = format!("cannot execute {}: {why}", quoted(&path));
    LaunchError::NotExecutable { message, path: path.into_os_string().into_encoded_bytes() }
}

/// What EACCES is about, as far as can be told from here.
fn denied(path: &Path, identity: &Identity) -> String {
    let closed = path.ancestors().skip(1).filter(|directory| {
        fs::metadata(directory)
            .is_ok_and(|facts| !identity.may_execute(facts.uid(), facts.gid(), facts.mode()))
    });
    // The outermost keeps from all that is below it.
    if let Some(directory) = closed.last() {
        let user = identity.name.clone().unwrap_or_else(|| identity.uid.to_string());
        return format!(
            "permission denied; the user {} may not look into {}, type: --user with another user",
            quoted(user),
            quoted(directory)
        );
    }
    if fs::metadata(path).is_ok_and(|facts| facts.permissions().mode() & 0o111 == 0) {
        return format!("permission denied; if it should be executable, type: chmod +x {}", quoted(path));
    }
    "permission denied; check who may execute it, and look into the directories that it is in, with: namei -l"
        .into()
}

fn not_found(name: &OsStr) -> LaunchError {
    LaunchError::NotFound(if name.is_empty() {
        "the command is empty; type: glasshouse watch -- COMMAND".into()
    } else if name.as_bytes().contains(&b'/') {
        format!("{}: no such file; check the path and the working directory (--cwd)", quoted(name))
    } else {
        format!(
            "{}: command not found in PATH; check the spelling, or give its path: ./{}",
            quoted(name),
            name.to_string_lossy().escape_debug()
        )
    })
}

fn is_executable_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

/// The interpreter in the `#!` line of a file.
fn script_interpreter(path: &Path) -> Option<std::ffi::OsString> {
    use std::io::Read as _;
    // BINPRM_BUF_SIZE of include/uapi/linux/binfmts.h: the kernel looks no further either.
    let mut start = [0; 256];
    let length = fs::File::open(path).ok()?.read(&mut start).ok()?;
    let line = start[..length].strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let interpreter = line.trim_ascii().split(u8::is_ascii_whitespace).next()?;
    Some(OsStr::from_bytes(interpreter).to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn names(name: &str, path: Option<&str>) -> Vec<String> {
        let found = candidates(OsStr::new(name), path.map(OsStr::new)).unwrap();
        found.iter().map(|name| name.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn searches_as_execvp_does() {
        assert_eq!(names("ls", Some("/a:/b")), ["/a/ls", "/b/ls"]);
        assert_eq!(names("ls", None), ["/bin/ls", "/usr/bin/ls"]);
        assert_eq!(names("ls", Some(":/b:")), ["ls", "/b/ls", "ls"]);
        assert_eq!(names("./ls", Some("/a:/b")), ["./ls"]);
        assert_eq!(names("", Some("/a")), [""; 0]);
    }

    #[test]
    fn an_empty_name_is_called_that() {
        assert!(not_found(OsStr::new("")).to_string().contains("is empty"));
        assert!(not_found(OsStr::new("x")).to_string().contains("'x'"));
    }
}
