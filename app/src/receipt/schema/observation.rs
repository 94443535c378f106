//! How well a run was observed, in the receipt.

use schemars::JsonSchema;
use serde::Serialize;

use super::Milliseconds;

/// How well the run was observed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Observation {
    /// Whether anything is missing; `reasons` says what.
    pub completeness: Completeness,
    /// Everything that is missing; empty for a complete receipt.
    pub reasons: Vec<Gap>,
    /// The probes of the plan.
    pub probes: Vec<Probe>,
    /// Records, by family: emitted = received + dropped.
    pub families: Vec<Family>,
    /// Delays that observation imposed on the command.
    pub backpressure: Backpressure,
    /// Every list that has a cap, with how many entries there were and how many were kept.
    pub limits: Vec<Limit>,
    /// What this observation could not have seen.
    pub blind_spots: Vec<BlindSpot>,
}

/// Whether anything is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Completeness {
    /// Nothing is.
    Complete,
    /// Facts are.
    Lossy,
    /// No facts are, but a probe, a scope or a section is.
    Partial,
}

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gap {
    /// Stable code: "records_dropped", "accounting_mismatch", "list_capped", …
    pub code: String,
    /// What it makes of the receipt.
    pub kind: GapKind,
    /// The same in words, with numbers.
    pub detail: String,
}

/// What a gap makes of the receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapKind {
    /// Facts are missing: lossy.
    Loss,
    /// A probe, a scope or a section is missing: partial.
    Partial,
}

/// One probe of the plan.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Probe {
    /// Its name.
    pub name: String,
    /// How it is attached: "tp_btf", "raw_tp", …
    pub kind: String,
    /// Whether it is.
    pub attached: bool,
    /// Why it is not; null when it is.
    pub reason: Option<String>,
}

/// Loss accounting of one family of records.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Records that the kernel side wanted to send.
    pub emitted: u64,
    /// Records that arrived.
    pub received: u64,
    /// Records that found no room.
    pub dropped: u64,
    /// Dropped records whose facts the final sweep recovered: not a loss.
    pub recovered: u64,
}

/// Delays that observation imposed on the command.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Backpressure {
    /// Bounded waits in the kernel.
    pub waits: u64,
    /// Their total, milliseconds.
    pub waited_ms: Milliseconds,
    /// How often the command was frozen.
    pub freezes: u64,
    /// The total of that, milliseconds.
    pub frozen_ms: Milliseconds,
}

/// A list that has a cap.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Limit {
    /// Name of the list.
    pub list: String,
    /// How many entries there were, at least.
    pub total: u64,
    /// How many were kept.
    pub kept: u64,
}

/// Something that this observation could not have seen.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BlindSpot {
    /// Stable code.
    pub code: String,
    /// The same in words.
    pub detail: String,
}
