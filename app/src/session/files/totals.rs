//! Totals of uses, in as few bytes as most need.

use crate::event::{AccessTotals, BootNs, FileOperation};

/// Totals whose counts fit into 32 bits: nearly all do, and there may be a million of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct SmallTotals {
    opens: u32,
    creates: u32,
    truncates: u32,
    reads: u32,
    writes: u32,
    directory_reads: u32,
    executable_maps: u32,
    writable_maps: u32,
    bytes_read: u64,
    bytes_written: u64,
    last_at: BootNs,
}

impl SmallTotals {
    /// `None` where a count does not fit. Failures are kept elsewhere.
    pub(super) fn new(totals: &AccessTotals) -> Option<Self> {
        let small = |count: u64| u32::try_from(count).ok();
        Some(Self {
            opens: small(totals.opens)?,
            creates: small(totals.creates)?,
            truncates: small(totals.truncates)?,
            reads: small(totals.reads)?,
            writes: small(totals.writes)?,
            directory_reads: small(totals.directory_reads)?,
            executable_maps: small(totals.executable_maps)?,
            writable_maps: small(totals.writable_maps)?,
            bytes_read: totals.bytes_read,
            bytes_written: totals.bytes_written,
            last_at: totals.last_at,
        })
    }

    pub(super) fn totals(&self) -> AccessTotals {
        AccessTotals {
            opens: self.opens.into(),
            creates: self.creates.into(),
            truncates: self.truncates.into(),
            reads: self.reads.into(),
            writes: self.writes.into(),
            directory_reads: self.directory_reads.into(),
            executable_maps: self.executable_maps.into(),
            writable_maps: self.writable_maps.into(),
            failures: 0,
            bytes_read: self.bytes_read,
            bytes_written: self.bytes_written,
            last_at: self.last_at,
        }
    }
}

/// Joins totals of two uses, or of one use at two times, field by field.
pub(super) fn join(one: &AccessTotals, other: &AccessTotals, with: fn(u64, u64) -> u64) -> AccessTotals {
    AccessTotals {
        opens: with(one.opens, other.opens),
        creates: with(one.creates, other.creates),
        truncates: with(one.truncates, other.truncates),
        reads: with(one.reads, other.reads),
        writes: with(one.writes, other.writes),
        directory_reads: with(one.directory_reads, other.directory_reads),
        executable_maps: with(one.executable_maps, other.executable_maps),
        writable_maps: with(one.writable_maps, other.writable_maps),
        failures: with(one.failures, other.failures),
        bytes_read: with(one.bytes_read, other.bytes_read),
        bytes_written: with(one.bytes_written, other.bytes_written),
        last_at: one.last_at.max(other.last_at),
    }
}

/// What totals of one use, which only ever grow, are after another report of them.
pub(super) fn later(one: &AccessTotals, other: &AccessTotals) -> AccessTotals {
    join(one, other, u64::max)
}

/// The operations that totals count.
pub(super) fn operations(totals: &AccessTotals) -> [(FileOperation, u64); 8] {
    [
        (FileOperation::Open, totals.opens),
        (FileOperation::Create, totals.creates),
        (FileOperation::Truncate, totals.truncates),
        (FileOperation::Read, totals.reads),
        (FileOperation::Write, totals.writes),
        (FileOperation::ReadDirectory, totals.directory_reads),
        (FileOperation::MapExecutable, totals.executable_maps),
        (FileOperation::MapWritable, totals.writable_maps),
    ]
}

/// Whether the content may have become another.
pub(super) fn changes_content(totals: &AccessTotals) -> bool {
    totals.creates > 0 || totals.truncates > 0 || totals.writes > 0 || totals.writable_maps > 0
}
