//! The programs of `tests/programs`, compiled when a test first asks for them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Absolute path of a test program.
pub(crate) fn program(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("GLASSHOUSE_TEST_PROGRAMS") {
        return real(&PathBuf::from(folder).join(name));
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/programs/build");
    let output = Command::new(build).arg(&folder).arg(name).output().expect("run tests/programs/build");
    assert!(output.status.success(), "cannot build {name}: {}", String::from_utf8_lossy(&output.stderr));
    real(&folder.join(name))
}

/// A copy of a test program that every user can run.
pub(crate) fn public_program(folder: &Path, name: &str) -> PathBuf {
    let copy = real(folder).join(name);
    copy_executable(&program(name), &copy);
    copy
}

/// Copies a program for every user to run. By another process: a child that some other test starts meanwhile would
/// inherit the descriptor that is open for writing, and the copy could not be executed until that child is gone.
pub(crate) fn copy_executable(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().expect("run cp");
    assert!(status.success(), "cannot copy {}", from.display());
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).expect("set the mode of the copy");
}

/// The path without symbolic links, as the kernel resolves it.
pub(crate) fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
