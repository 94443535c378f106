//! What a run leaves behind, in the receipt.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Bytes, Device, Mode, OptionalText, PathSource, Reason, Sha256, Value, is_false};

/// A file that the run made or changed and left behind.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Artifact {
    /// Where it is: the path that it was opened under, followed through renames.
    pub path: Option<Value<Bytes>>,
    /// Why `path` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_reason: Option<Reason>,
    /// Where that comes from: "argument" where a program gave the name that it has now.
    pub path_source: PathSource,
    /// Made or changed.
    pub change: ArtifactChange,
    /// Only if true: it was created under the name of another file, which the run had opened or removed there.
    #[serde(skip_serializing_if = "is_false")]
    pub replaces: bool,
    /// SHA-256 of its content at the end of the run.
    pub sha256: Option<Sha256>,
    /// Why `sha256` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256_reason: Option<Reason>,
    /// Its size in bytes.
    pub size_bytes: Option<u64>,
    /// Why `size_bytes` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes_reason: Option<Reason>,
    /// Its permissions.
    pub mode: Option<Mode>,
    /// Why `mode` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode_reason: Option<Reason>,
    /// What its content looks like; "inode/symlink" for a symbolic link.
    pub media_type: Option<Arc<str>>,
    /// Why `media_type` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type_reason: Option<Reason>,
    /// What a symbolic link points to; only of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: OptionalText,
    /// Why `target` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_reason: Option<Reason>,
    /// Device of its file system.
    pub device: Option<Device>,
    /// Why `device` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_reason: Option<Reason>,
    /// Inode number.
    pub inode: Option<u64>,
    /// Why `inode` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode_reason: Option<Reason>,
    /// Id of the process that was the last to change it.
    pub process: Option<u64>,
    /// Why `process` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_reason: Option<Reason>,
}

/// What was done to a file that is left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactChange {
    /// It was not there before.
    Created,
    /// Its content may have become another: it was written, truncated or mapped writable.
    Modified,
}
