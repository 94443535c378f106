//! What a receipt says of files: the only place of the tests that knows the names of these sections.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::receipt::{Receipt, bytes, list, number};
use super::{Process, program, watch};

/// A run of `calls`: the program that makes the system calls it is told and no others. Its sequences are explained in
/// `tests/programs/calls.h`.
pub(crate) fn calls(sequences: &[impl AsRef<OsStr>]) -> super::watch::Watch {
    calls_of("calls", sequences)
}

/// The same by the 32-bit program.
pub(crate) fn calls_32(sequences: &[impl AsRef<OsStr>]) -> super::watch::Watch {
    calls_of("calls_32", sequences)
}

fn calls_of(name: &str, sequences: &[impl AsRef<OsStr>]) -> super::watch::Watch {
    let mut words = vec![program(name).into_os_string()];
    words.extend(sequences.iter().map(Into::into));
    watch(words)
}

impl Receipt {
    /// Every file that was opened or used by its descriptor, and that the command was not given.
    pub(crate) fn files(&self) -> Vec<FileUse<'_>> {
        let ours = |file: &FileUse<'_>| file.origin() != "inherited" && !file.uses().is_empty();
        self.all_files().into_iter().filter(ours).collect()
    }

    /// Every entry of `filesystem.files`.
    #[track_caller]
    pub(crate) fn all_files(&self) -> Vec<FileUse<'_>> {
        list(self.at("/filesystem/files")).iter().map(FileUse).collect()
    }

    /// Those of them under this path, inherited ones, too.
    #[track_caller]
    pub(crate) fn files_at(&self, path: impl AsRef<Path>) -> Vec<FileUse<'_>> {
        let path = path.as_ref();
        let ours = |file: &FileUse<'_>| file.path().as_deref() == Some(path) && !file.uses().is_empty();
        self.all_files().into_iter().filter(ours).collect()
    }

    /// The only one under this path.
    #[track_caller]
    pub(crate) fn file(&self, path: impl AsRef<Path>) -> FileUse<'_> {
        let found = self.files_at(&path);
        assert_eq!(
            found.len(),
            1,
            "entries of {}; there are {:#?}",
            path.as_ref().display(),
            self.all_files()
        );
        found[0]
    }

    /// Checks one file of the run: its uses (`open 1, read 3`), and the bytes read and written.
    #[track_caller]
    pub(crate) fn expect_file(&self, path: impl AsRef<Path>, operations: &str, read: u64, written: u64) {
        let file = self.file(path);
        assert_eq!(file.uses(), counts_of(operations), "uses of {file:?}");
        assert_eq!((file.bytes_read(), file.bytes_written()), (read, written), "bytes of {file:?}");
    }

    /// Paths below a folder that were used, from there on, sorted.
    #[track_caller]
    pub(crate) fn files_below(&self, folder: &Path) -> BTreeSet<PathBuf> {
        self.files()
            .iter()
            .filter_map(FileUse::path)
            .filter_map(|path| path.strip_prefix(folder).ok().map(Path::to_owned))
            .collect()
    }

    /// All changes, in the order of the receipt.
    #[track_caller]
    pub(crate) fn changes(&self) -> Vec<Change<'_>> {
        list(self.at("/filesystem/changes")).iter().map(Change).collect()
    }

    /// Changes as text, `rename a -> b`, with the paths that are below a folder from there on.
    #[track_caller]
    pub(crate) fn changes_below(&self, folder: &Path) -> Vec<String> {
        self.changes().iter().map(|change| change.line(folder)).collect()
    }

    /// The changes of one operation.
    #[track_caller]
    pub(crate) fn changes_by(&self, operation: &str) -> Vec<Change<'_>> {
        self.changes().into_iter().filter(|change| change.operation() == operation).collect()
    }

    /// The only change of an operation.
    #[track_caller]
    pub(crate) fn change_by(&self, operation: &str) -> Change<'_> {
        let found = self.changes_by(operation);
        assert_eq!(found.len(), 1, "{operation}; there are {:#?}", self.changes());
        found[0]
    }

    /// All failed attempts.
    #[track_caller]
    pub(crate) fn failed_uses(&self) -> Vec<FailedUse<'_>> {
        list(self.at("/filesystem/failed")).iter().map(FailedUse).collect()
    }

    /// `operation errno path` and how often, for the paths below a folder, from there on.
    #[track_caller]
    pub(crate) fn failed_below(&self, folder: &Path) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        for failed in self.failed_uses() {
            let path = failed.path().unwrap_or_default();
            if let Ok(rest) = path.strip_prefix(folder) {
                let line = format!("{} {} {}", failed.operation(), failed.errno(), rest.display());
                *found.entry(line).or_default() += failed.count();
            }
        }
        found
    }

    /// All artifacts.
    #[track_caller]
    pub(crate) fn artifacts(&self) -> Vec<Artifact<'_>> {
        list(self.at("/artifacts")).iter().map(Artifact).collect()
    }

    /// The only artifact of this path.
    #[track_caller]
    pub(crate) fn artifact(&self, path: impl AsRef<Path>) -> Artifact<'_> {
        let path = path.as_ref();
        let found: Vec<_> = self.artifacts().into_iter().filter(|artifact| artifact.path() == path).collect();
        assert_eq!(found.len(), 1, "{}; there are {:#?}", path.display(), self.artifacts());
        found[0]
    }

    /// What must hold of these sections whatever was watched.
    #[track_caller]
    pub(crate) fn check_files(&self) {
        if !self.at("/filesystem/files").is_array() {
            return;
        }
        let (mut read, mut written) = (0, 0);
        for file in self.all_files() {
            file.check();
            if file.kind() == "regular" {
                read += file.bytes_read();
                written += file.bytes_written();
            }
        }
        assert_eq!(number(self.at("/filesystem/bytes_read")), read, "the sum of all regular files");
        assert_eq!(number(self.at("/filesystem/bytes_written")), written, "the sum of all regular files");
        let times: Vec<_> = self.changes().iter().map(|change| change.0["at"].to_string()).collect();
        assert!(times.is_sorted(), "changes are in the order of their times: {times:?}");
        for change in self.changes() {
            self.with_id(number(&change.0["process"]));
        }
        for failed in self.failed_uses() {
            assert!(failed.count() > 0, "{failed:?}");
            self.with_id(number(&failed.0["process"]));
        }
        for artifact in self.artifacts() {
            artifact.check();
        }
    }
}

/// `open 1, read 3` as counts.
#[track_caller]
pub(crate) fn counts_of(text: &str) -> BTreeMap<String, u64> {
    let words = text.split(", ").filter(|part| !part.is_empty()).map(|part| part.split_once(' '));
    words
        .map(|pair| pair.map(|(name, count)| (name.to_owned(), count.parse().expect("a count"))))
        .collect::<Option<_>>()
        .expect("a name and a count")
}

fn path_of(value: &Value) -> Option<PathBuf> {
    match value {
        Value::String(_) => Some(PathBuf::from(OsStr::from_bytes(&bytes(value)))),
        Value::Object(object) if object.contains_key("base64") => {
            Some(PathBuf::from(OsStr::from_bytes(&bytes(value))))
        }
        _ => None,
    }
}

/// Permissions: a number, or the text `0644`.
fn mode_of(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => u32::from_str_radix(text, 8).ok(),
        other => u32::try_from(other.as_u64()?).ok().map(|mode| mode & 0o7777),
    }
}

/// `(uses, bytes read, bytes written)`.
pub(crate) type Share = (BTreeMap<String, u64>, u64, u64);

/// An entry of `filesystem.files`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileUse<'a>(pub(crate) &'a Value);

impl<'a> FileUse<'a> {
    /// Its path, where it is complete.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        path_of(&self.0["path"])
    }

    /// As the process sees it, where that is another one.
    pub(crate) fn path_in_root(&self) -> Option<PathBuf> {
        path_of(&self.0["path_in_root"])
    }

    /// The name that was asked for, where another one was found.
    pub(crate) fn asked(&self) -> Option<PathBuf> {
        path_of(&self.0["asked"])
    }

    pub(crate) fn source(&self) -> &'a str {
        self.0["path_source"].as_str().unwrap_or("none")
    }

    pub(crate) fn kind(&self) -> &'a str {
        self.0["kind"].as_str().unwrap_or("none")
    }

    /// How its processes came to have it; the receipt leaves out that somebody opened it.
    pub(crate) fn origin(&self) -> &'a str {
        self.0["origin"].as_str().unwrap_or("opened")
    }

    pub(crate) fn device(&self) -> &'a str {
        self.0["device"].as_str().unwrap_or("none")
    }

    #[track_caller]
    pub(crate) fn inode(&self) -> u64 {
        number(&self.0["inode"])
    }

    pub(crate) fn transient(&self) -> bool {
        self.0["transient"].as_bool() == Some(true)
    }

    #[track_caller]
    pub(crate) fn operations(&self) -> BTreeMap<String, u64> {
        let operations = self.0["operations"].as_object().expect("operations");
        operations.iter().map(|(name, count)| (name.clone(), number(count))).collect()
    }

    /// Operations by opening or by a descriptor, without executions and changes of names or attributes.
    #[track_caller]
    pub(crate) fn uses(&self) -> BTreeMap<String, u64> {
        const USES: [&str; 8] = [
            "open",
            "create",
            "truncate",
            "read",
            "write",
            "read_directory",
            "map_executable",
            "map_writable",
        ];
        let mut operations = self.operations();
        operations.retain(|name, _| USES.contains(&name.as_str()));
        operations
    }

    pub(crate) fn operation(&self, name: &str) -> u64 {
        self.operations().get(name).copied().unwrap_or(0)
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.0["bytes_read"].as_u64().unwrap_or(0)
    }

    pub(crate) fn bytes_written(&self) -> u64 {
        self.0["bytes_written"].as_u64().unwrap_or(0)
    }

    #[track_caller]
    pub(crate) fn processes(&self) -> Vec<u64> {
        list(&self.0["processes"]).iter().map(number).collect()
    }

    /// What one of its processes did.
    #[track_caller]
    pub(crate) fn by(&self, process: Process<'_>) -> Share {
        let shares = self.shares();
        let share = shares.into_iter().find(|(id, _)| *id == process.id());
        share.unwrap_or_else(|| panic!("no share of {process:?} in {self:?}")).1
    }

    /// What each process did, as far as it did anything.
    #[track_caller]
    pub(crate) fn shares(&self) -> Vec<(u64, Share)> {
        if let &[process] = self.processes().as_slice() {
            return vec![(process, (self.uses(), self.bytes_read(), self.bytes_written()))];
        }
        let shares = self.0["by_process"].as_array().map_or(&[][..], Vec::as_slice);
        assert!(!shares.is_empty() || self.operations().is_empty(), "nobody knows who did it: {self:?}");
        let share = |share: FileUse<'_>| (share.uses(), share.bytes_read(), share.bytes_written());
        shares.iter().map(|entry| (number(&entry["process"]), share(FileUse(entry)))).collect()
    }

    #[track_caller]
    fn check(&self) {
        const KINDS: [&str; 14] = [
            "regular",
            "directory",
            "char_device",
            "block_device",
            "fifo",
            "socket",
            "proc",
            "kernel",
            "namespace",
            "memfd",
            "anonymous",
            "symlink",
            "unknown",
            "none",
        ];
        assert!(KINDS.contains(&self.kind()), "{self:?}");
        assert!(["kernel", "argument", "raced"].contains(&self.source()), "{self:?}");
        assert!(
            self.operations().values().all(|count| *count > 0),
            "only what happened is counted: {self:?}"
        );
        let processes = self.processes();
        let failed = self.0["errors"].as_object().is_some_and(|errors| !errors.is_empty());
        assert!(failed || !processes.is_empty(), "somebody used it: {self:?}");
        assert!(processes.is_sorted_by(|a, b| a < b), "processes are sorted and there once: {self:?}");
        let shares = self.0["by_process"].as_array().map_or(&[][..], Vec::as_slice);
        if shares.is_empty() {
            return;
        }
        let ids: Vec<_> = shares.iter().map(|share| number(&share["process"])).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "shares are in the order of their processes: {self:?}");
        assert!(ids.iter().all(|id| processes.contains(id)), "a share of one of its processes: {self:?}");
        let mut operations = BTreeMap::new();
        let (mut read, mut written) = (0, 0);
        for share in shares.iter().map(FileUse) {
            for (name, count) in share.operations() {
                *operations.entry(name).or_insert(0) += count;
            }
            read += share.bytes_read();
            written += share.bytes_written();
        }
        assert_eq!(operations, self.operations(), "the totals are the sums of the processes: {self:?}");
        assert_eq!((read, written), (self.bytes_read(), self.bytes_written()), "likewise: {self:?}");
    }
}

/// An entry of `filesystem.changes`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a>(pub(crate) &'a Value);

impl<'a> Change<'a> {
    #[track_caller]
    pub(crate) fn operation(&self) -> &'a str {
        self.0["operation"].as_str().expect("changes[].operation")
    }

    pub(crate) fn path(&self) -> Option<PathBuf> {
        path_of(&self.0["path"])
    }

    pub(crate) fn new_path(&self) -> Option<PathBuf> {
        path_of(&self.0["new_path"])
    }

    pub(crate) fn source(&self) -> &'a str {
        self.0["path_source"].as_str().unwrap_or("none")
    }

    #[track_caller]
    pub(crate) fn process(&self) -> u64 {
        number(&self.0["process"])
    }

    /// Name of the call.
    pub(crate) fn call(&self) -> &'a str {
        self.0["call"].as_str().unwrap_or("none")
    }

    /// Flags of the call.
    pub(crate) fn flags(&self) -> Option<u64> {
        self.0["flags"].as_u64()
    }

    /// Permissions that were asked for.
    pub(crate) fn mode(&self) -> Option<u32> {
        mode_of(&self.0["mode"])
    }

    /// New owner and new group.
    pub(crate) fn ids(&self) -> (Option<u64>, Option<u64>) {
        (self.0["uid"].as_u64(), self.0["gid"].as_u64())
    }

    /// New length.
    pub(crate) fn length(&self) -> Option<u64> {
        self.0["length_bytes"].as_u64()
    }

    /// What a symbolic link points to.
    pub(crate) fn target(&self) -> Option<PathBuf> {
        path_of(&self.0["target"])
    }

    /// Name of an extended attribute.
    pub(crate) fn attribute(&self) -> Option<&'a str> {
        self.0["attribute"].as_str()
    }

    /// New flags of an inode, as `FS_IOC_SETFLAGS` has them, and as `FS_IOC_FSSETXATTR` has.
    pub(crate) fn inode_flags(&self) -> (Option<u64>, Option<u64>) {
        (self.0["inode_flags"].as_u64(), self.0["extended_flags"].as_u64())
    }

    /// Attributes of a mount that were set and taken away, and how it propagates now.
    pub(crate) fn mount_attributes(&self) -> (Option<u64>, Option<u64>, Option<u64>) {
        let number = |field: &str| self.0[field].as_u64();
        (number("attributes_set"), number("attributes_cleared"), number("propagation"))
    }

    /// Type of a mounted file system.
    pub(crate) fn file_system(&self) -> Option<&'a str> {
        self.0["file_system"].as_str()
    }

    /// Nobody knows how it ended, and the receipt says so.
    pub(crate) fn has_no_result(&self) -> bool {
        self.0["result"].is_null() && self.0["result_reason"].is_string()
    }

    /// `rename a -> b`, paths below a folder from there on.
    pub(crate) fn line(&self, folder: &Path) -> String {
        let short = |path: Option<PathBuf>| {
            let path = path?;
            Some(path.strip_prefix(folder).map_or(path.clone(), Path::to_owned).display().to_string())
        };
        let mut line = self.operation().to_owned();
        line.extend(short(self.path()).map(|path| format!(" {path}")));
        line.extend(short(self.new_path()).map(|path| format!(" -> {path}")));
        line
    }
}

/// An entry of `filesystem.failed`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailedUse<'a>(pub(crate) &'a Value);

impl<'a> FailedUse<'a> {
    pub(crate) fn path(&self) -> Option<PathBuf> {
        path_of(&self.0["path"])
    }

    #[track_caller]
    pub(crate) fn operation(&self) -> &'a str {
        self.0["operation"].as_str().expect("failed[].operation")
    }

    /// The path as it is in the receipt.
    pub(crate) fn raw_path(&self) -> &'a Value {
        &self.0["path"]
    }

    pub(crate) fn new_path(&self) -> Option<PathBuf> {
        path_of(&self.0["new_path"])
    }

    #[track_caller]
    pub(crate) fn call(&self) -> &'a str {
        self.0["call"].as_str().expect("failed[].call")
    }

    #[track_caller]
    pub(crate) fn errno(&self) -> &'a str {
        self.0["errno"].as_str().expect("failed[].errno")
    }

    #[track_caller]
    pub(crate) fn count(&self) -> u64 {
        number(&self.0["count"])
    }

    #[track_caller]
    pub(crate) fn process(&self) -> u64 {
        number(&self.0["process"])
    }
}

/// An entry of `artifacts`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Artifact<'a>(pub(crate) &'a Value);

impl<'a> Artifact<'a> {
    #[track_caller]
    pub(crate) fn path(&self) -> PathBuf {
        path_of(&self.0["path"]).expect("artifacts[].path")
    }

    pub(crate) fn change(&self) -> &'a str {
        self.0["change"].as_str().unwrap_or("none")
    }

    pub(crate) fn media_type(&self) -> &'a str {
        self.0["media_type"].as_str().unwrap_or("none")
    }

    /// Its permissions.
    #[track_caller]
    pub(crate) fn mode(&self) -> u32 {
        mode_of(&self.0["mode"]).expect("artifacts[].mode")
    }

    /// What a symbolic link points to.
    pub(crate) fn target(&self) -> Option<PathBuf> {
        path_of(&self.0["target"])
    }

    /// Its hash and size are those of these bytes.
    #[track_caller]
    pub(crate) fn expect_content(&self, content: &[u8]) -> &Self {
        assert_eq!(self.0["sha256"].as_str(), Some(super::sha256(content).as_str()), "{}", self.0);
        assert_eq!(self.0["size_bytes"].as_u64(), Some(content.len() as u64), "{}", self.0);
        self
    }

    /// There is no hash, and a reason.
    #[track_caller]
    pub(crate) fn expect_no_hash(&self) -> &'a str {
        assert!(self.0["sha256"].is_null(), "{}", self.0);
        self.0["sha256_reason"].as_str().unwrap_or_else(|| panic!("why it has no hash: {}", self.0))
    }

    #[track_caller]
    fn check(&self) {
        assert!(["created", "modified"].contains(&self.change()), "{self:?}");
        if self.0["sha256"].is_null() {
            self.expect_no_hash();
        }
        number(&self.0["process"]);
    }
}
