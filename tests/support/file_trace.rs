//! What a trace says of files: opens, failed opens, changes and bytes, process by process.
//!
//! Paths of descriptors are strace's own annotations (`-y`), and those of names the arguments made absolute, as the
//! receipt makes them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use super::strace::{self, Call};

/// By process, as strace counts pids, and something else.
pub(crate) type Counts<K> = BTreeMap<(u64, K), u64>;

/// What strace saw.
#[derive(Debug, Default)]
pub(crate) struct FileTrace {
    /// The processes that it saw.
    pub(crate) processes: BTreeSet<u64>,
    /// Opens of each path.
    pub(crate) opens: Counts<PathBuf>,
    /// `open ENOENT path` of what failed.
    pub(crate) failed: Counts<String>,
    /// `rename a -> b`, and how often.
    pub(crate) changes: Counts<String>,
    /// Bytes read of each path.
    pub(crate) read: Counts<PathBuf>,
    /// Bytes written to each path.
    pub(crate) written: Counts<PathBuf>,
}

/// The words that put strace before a command; the trace goes to `file`.
pub(crate) fn words(file: &Path) -> Vec<OsString> {
    let words = [
        "strace",
        "-f",
        "-y",
        "-xx",
        "-s",
        "512",
        "-e",
        "trace=%file,%desc,%process",
        "-e",
        "signal=none",
        "-o",
    ];
    let mut words: Vec<OsString> = words.map(Into::into).into();
    words.extend([file.into(), "--".into()]);
    words
}

/// Reads a trace of a command that was started in `folder`.
pub(crate) fn read(file: &Path, folder: &Path) -> FileTrace {
    let mut reading =
        Reading { trace: FileTrace::default(), directories: HashMap::new(), start: folder.into() };
    for call in strace::calls(file) {
        reading.call(&call);
    }
    reading.trace
}

struct Reading {
    trace: FileTrace,
    directories: HashMap<u64, PathBuf>,
    start: PathBuf,
}

impl Reading {
    fn call(&mut self, call: &Call) {
        let process = call.process;
        self.trace.processes.insert(process);
        if !self.directories.contains_key(&process) {
            let inherited =
                call.parent.and_then(|parent| self.directories.get(&parent)).unwrap_or(&self.start);
            self.directories.insert(process, inherited.clone());
        }
        let arguments = split(&call.arguments);
        let Some(outcome) = Outcome::of(&call.result) else { return };
        let name = call.name.as_str();
        if matches!(name, "open" | "openat" | "openat2" | "creat") {
            return self.open(call, &arguments, &outcome);
        }
        let Outcome::Success(value, _) = outcome else { return self.failure(call, &arguments, &outcome) };
        match name {
            "chdir" => {
                let path = self.path(process, None, arguments[0]);
                self.directories.insert(process, path);
            }
            "fchdir" => {
                self.directories.extend(annotation(arguments[0]).map(|path| (process, path)));
            }
            "read" | "pread64" | "readv" | "preadv" | "preadv2" => {
                self.bytes(process, arguments[0], value, true)
            }
            "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" => {
                self.bytes(process, arguments[0], value, false)
            }
            "copy_file_range" | "splice" => {
                self.bytes(process, arguments[0], value, true);
                self.bytes(process, arguments[2], value, false);
            }
            "sendfile" => {
                self.bytes(process, arguments[1], value, true);
                self.bytes(process, arguments[0], value, false);
            }
            _ => {
                if let Some(line) = self.change(process, name, &arguments) {
                    *self.trace.changes.entry((process, line)).or_default() += 1;
                }
            }
        }
    }

    fn open(&mut self, call: &Call, arguments: &[&str], outcome: &Outcome) {
        let by_name = matches!(call.name.as_str(), "open" | "creat");
        let (directory, name) =
            if by_name { (None, arguments[0]) } else { (Some(arguments[0]), arguments[1]) };
        match outcome {
            Outcome::Success(_, path) => {
                let Some(path) = path else { return };
                *self.trace.opens.entry((call.process, path.clone())).or_default() += 1;
            }
            Outcome::Failure(errno) => {
                let path = self.path(call.process, directory, name);
                self.failed(call.process, "open", errno, &path);
            }
        }
    }

    /// A question or a change that was answered with an error, by its first path.
    fn failure(&mut self, call: &Call, arguments: &[&str], outcome: &Outcome) {
        let Outcome::Failure(errno) = outcome else { return };
        let (operation, at) = match call.name.as_str() {
            "stat" | "lstat" | "statfs" => ("stat", 0),
            "newfstatat" | "statx" => ("stat", 1),
            "access" => ("access", 0),
            "faccessat" | "faccessat2" => ("access", 1),
            "readlink" => ("readlink", 0),
            "readlinkat" => ("readlink", 1),
            "mkdir" => ("mkdir", 0),
            "mkdirat" => ("mkdir", 1),
            "unlink" => ("delete", 0),
            "rename" => ("rename", 0),
            "renameat" | "renameat2" => ("rename", 1),
            "link" => ("link", 0),
            "linkat" => ("link", 1),
            "chdir" => ("chdir", 0),
            "rmdir" => ("rmdir", 0),
            "getxattr" | "lgetxattr" => ("getxattr", 0),
            "listxattr" | "llistxattr" => ("listxattr", 0),
            "inotify_add_watch" => ("watch", 1),
            "name_to_handle_at" => ("stat", 1),
            _ => return,
        };
        if string(arguments[at]).is_none_or(|name| name.as_os_str().is_empty()) {
            return;
        }
        // That something is no symbolic link or has no such attribute is an answer, and no failure.
        let is_answer = match operation {
            "readlink" => errno == "EINVAL",
            "getxattr" | "listxattr" => ["ENODATA", "EOPNOTSUPP", "ERANGE"].contains(&errno.as_str()),
            _ => false,
        };
        if is_answer {
            return;
        }
        let directory = (at == 1 && operation != "watch").then(|| arguments[0]);
        let path = self.path(call.process, directory, arguments[at]);
        self.failed(call.process, operation, errno, &path);
    }

    fn failed(&mut self, process: u64, operation: &str, errno: &str, path: &Path) {
        let line = format!("{operation} {errno} {}", path.display());
        *self.trace.failed.entry((process, line)).or_default() += 1;
    }

    fn bytes(&mut self, process: u64, descriptor: &str, count: u64, read: bool) {
        let Some(path) = annotation(descriptor) else { return };
        let counts = if read { &mut self.trace.read } else { &mut self.trace.written };
        *counts.entry((process, path)).or_default() += count;
    }

    /// The absolute path of a name; `directory` is the argument it is relative to.
    fn path(&mut self, process: u64, directory: Option<&str>, name: &str) -> PathBuf {
        let named = directory.and_then(annotation);
        if let (Some(named), Some(true)) = (&named, directory.map(|text| text.starts_with("AT_FDCWD"))) {
            self.directories.insert(process, named.clone());
        }
        let base = named.unwrap_or_else(|| self.directories[&process].clone());
        normal(&base.join(string(name).unwrap_or_default()))
    }

    fn change(&mut self, process: u64, name: &str, arguments: &[&str]) -> Option<String> {
        let mut at = |directory: Option<usize>, name: usize| {
            self.path(process, directory.map(|index| arguments[index]), arguments[name])
        };
        let (operation, path, new) = match name {
            "mkdir" => ("mkdir", at(None, 0), None),
            "mkdirat" => ("mkdir", at(Some(0), 1), None),
            "rmdir" => ("rmdir", at(None, 0), None),
            "unlink" => ("delete", at(None, 0), None),
            "unlinkat" if arguments[2].contains("AT_REMOVEDIR") => ("rmdir", at(Some(0), 1), None),
            "unlinkat" => ("delete", at(Some(0), 1), None),
            "rename" => ("rename", at(None, 0), Some(at(None, 1))),
            "renameat" | "renameat2" => ("rename", at(Some(0), 1), Some(at(Some(2), 3))),
            "link" => ("link", at(None, 0), Some(at(None, 1))),
            "linkat" => ("link", at(Some(0), 1), Some(at(Some(2), 3))),
            "symlink" => ("symlink", at(None, 1), None),
            "symlinkat" => ("symlink", at(Some(1), 2), None),
            "chmod" => ("chmod", at(None, 0), None),
            "fchmodat" | "fchmodat2" => ("chmod", at(Some(0), 1), None),
            "fchmod" => ("chmod", annotation(arguments[0])?, None),
            "chown" | "lchown" => ("chown", at(None, 0), None),
            "fchownat" => ("chown", at(Some(0), 1), None),
            "fchown" => ("chown", annotation(arguments[0])?, None),
            "utimensat" if string(arguments[1]).is_none() => ("utimens", annotation(arguments[0])?, None),
            "utimensat" => ("utimens", at(Some(0), 1), None),
            "utime" | "utimes" => ("utimens", at(None, 0), None),
            "truncate" => ("truncate", at(None, 0), None),
            "ftruncate" => ("truncate", annotation(arguments[0])?, None),
            _ => return None,
        };
        Some(line(operation, &path, new.as_deref()))
    }
}

/// `rename a -> b`.
pub(crate) fn line(operation: &str, path: &Path, new: Option<&Path>) -> String {
    match new {
        Some(new) => format!("{operation} {} -> {}", path.display(), new.display()),
        None => format!("{operation} {}", path.display()),
    }
}

enum Outcome {
    Success(u64, Option<PathBuf>),
    Failure(String),
}

impl Outcome {
    /// None for a call that will be made again, or whose result is not known.
    fn of(result: &str) -> Option<Self> {
        if let Some(rest) = result.strip_prefix("-1 ") {
            return Some(Self::Failure(rest.split(' ').next()?.to_owned()));
        }
        let digits = result.find(|c: char| !c.is_ascii_digit()).unwrap_or(result.len());
        Some(Self::Success(result[..digits].parse().ok()?, annotation(result)))
    }
}

/// The path between the angle brackets, where it is one and not deleted.
fn annotation(text: &str) -> Option<PathBuf> {
    let inside = &text[text.find('<')? + 1..text.find('>')?];
    let path = strace::unescape(inside.strip_suffix("(deleted)").unwrap_or(inside));
    path.starts_with(b"/").then(|| PathBuf::from(OsString::from_vec(path)))
}

/// The string of an argument.
fn string(text: &str) -> Option<PathBuf> {
    let inside = text.strip_prefix('"')?;
    let inside = &inside[..inside.find('"')?];
    Some(PathBuf::from(OsString::from_vec(strace::unescape(inside))))
}

/// Arguments as strace separates them; those in braces and brackets stay together.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0i32, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth -= 1,
            b',' if depth <= 0 => {
                parts.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    parts.resize(parts.len().max(8), "");
    parts
}

/// Without `.`, `..` and double slashes.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_process_by_process() {
        let text = concat!(
            "10 execve(\"\\x2f\\x61\", [\"\\x61\"], 0x7ffd /* 3 vars */) = 0\n",
            "10 openat(AT_FDCWD<\\x2f\\x77>, \"\\x66\", O_RDWR|O_CREAT, 0666) = 3<\\x2f\\x77\\x2f\\x66>\n",
            "10 read(3<\\x2f\\x77\\x2f\\x66>,  <unfinished ...>\n",
            "10 <... read resumed>\"\\x61\", 10) = 1\n",
            "10 clone(child_stack=NULL, flags=SIGCHLD) = 11\n",
            "11 chdir(\"\\x73\\x2f\\x2e\") = 0\n",
            "11 unlink(\"\\x2e\\x2e\\x2f\\x66\") = 0\n",
            "11 open(\"\\x67\", O_RDONLY) = -1 ENOENT (No such file or directory)\n",
            "11 renameat2(AT_FDCWD<\\x2f\\x77\\x2f\\x73>, \"\\x61\", 4<\\x2f\\x76>, \"\\x62\", 0) = 0\n",
            "11 read(3<\\x2f\\x77\\x2f\\x66>(deleted), \"\", 10) = 0\n",
        );
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("write it");
        let trace = read(file.path(), Path::new("/w"));
        assert_eq!(trace.opens, [((10, "/w/f".into()), 1)].into());
        assert_eq!(trace.failed, [((11, "open ENOENT /w/s/g".to_owned()), 1)].into());
        let changes = [((11, "delete /w/f".to_owned()), 1), ((11, "rename /w/s/a -> /v/b".to_owned()), 1)];
        assert_eq!(trace.changes, changes.into());
        assert_eq!(trace.read[&(10, "/w/f".into())], 1);
    }
}
