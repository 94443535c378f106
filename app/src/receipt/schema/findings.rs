//! Findings, in the receipt.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Bytes, Reason, Timestamp};

/// Something that programs do to hide, to outlive the run or to act through others. Facts seen together, and no verdict.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Finding {
    /// Stable name of the rule: "kernel_module", "left_cgroup", …
    pub rule: &'static str,
    /// The same in words.
    pub title: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Techniques of MITRE ATT&CK.
    pub attack: &'static [&'static str],
    /// Id of the process that did it.
    pub process: Option<u64>,
    /// Why `process` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_reason: Option<Reason>,
    /// The facts, the first ones; `count` may be larger.
    pub evidence: Vec<Evidence>,
    /// The first.
    pub first_at: Timestamp,
    /// How often.
    pub count: u64,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Ordinary programs do it, too.
    Low,
    /// Few ordinary programs do it, or it was tried in vain.
    Medium,
    /// It changes others, the kernel or what observes.
    High,
}

/// A fact that a finding rests on: one of these fields.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Evidence {
    /// A path, as in `filesystem`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Bytes>,
    /// A unix address, as in `network.unix_sockets` or `network.failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<Bytes>,
    /// A name of a process or thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Bytes>,
    /// Id of an entry of `syscalls.notable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
    /// Id of a process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<u64>,
    /// Name of the error, where it was tried in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<Arc<str>>,
}
