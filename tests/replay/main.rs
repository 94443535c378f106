//! Recordings of real runs, from the kernel side's records to the receipt, without a kernel.
//!
//! `tests/recordings/NAME.records` replayed gives `tests/replay/NAME.json`; with `BLESS=1` in the environment the
//! latter is written instead. Records number system calls as x86_64 does.

#![cfg(target_arch = "x86_64")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use glasshouse::{
    observe::decode::family,
    observe::replay::{Recording, RecordingError, RecordingHeader},
};
use glasshouse_common::{Family, Header};
use replayed::receipt_of;
use serde_json::Value;
use zerocopy::FromBytes;

#[path = "../support/replayed.rs"]
mod replayed;

const NAMES: [&str; 4] = ["pipeline", "python", "scripts", "network"];

fn path(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests").join(of)
}

fn recording(name: &str) -> Vec<u8> {
    fs::read(path(&format!("recordings/{name}.records"))).unwrap()
}

/// The receipt that a recording gives.
fn replayed(recording: Recording<'_>) -> Value {
    serde_json::from_slice(&receipt_of(recording)).unwrap()
}

/// The records.
fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while let Ok((header, _)) = Header::read_from_prefix(bytes) {
        let (record, rest) = bytes.split_at(header.size as usize);
        records.push(record);
        bytes = rest;
    }
    records
}

#[test]
fn recordings_give_their_receipts() {
    for name in NAMES {
        let bytes = recording(name);
        let recording = Recording::parse(&bytes).unwrap();
        let replay = recording.replay();
        assert_eq!((replay.undecodable, replay.first_error), (0, None), "{name}");
        let receipt = serde_json::to_string_pretty(&replayed(recording)).unwrap() + "\n";
        let expected = path(&format!("replay/{name}.json"));
        if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
            fs::write(&expected, &receipt).unwrap();
        }
        assert!(
            fs::read_to_string(&expected).unwrap_or_default() == receipt,
            "{} is not what {name} gives; BLESS=1 cargo test --test replay rewrites it",
            expected.display()
        );
    }
}

/// What is left of a recording that ends early is still a receipt, and the processes that it lacks the end of say so.
#[test]
fn a_recording_may_be_cut_at_any_byte() {
    for name in NAMES {
        let bytes = recording(name);
        let start = size_of::<RecordingHeader>();
        for end in 0..start {
            let expected = if end == 0 { RecordingError::NotARecording } else { RecordingError::Short(end) };
            assert_eq!(Recording::parse(&bytes[..end]).unwrap_err(), expected, "{name}");
        }
        let mut boundaries = vec![start];
        for record in records(&bytes[start..]) {
            boundaries.push(boundaries.last().unwrap() + record.len());
        }
        // Of the cuts within a record some are enough: 11 has no factor in common with the sizes of its fields.
        let mut ends: Vec<_> = (start..bytes.len()).step_by(11).chain(boundaries.iter().copied()).collect();
        ends.sort_unstable();
        let mut at_most = 0;
        for end in ends {
            let replay = Recording::parse(&bytes[..end]).unwrap().replay();
            let whole = boundaries.contains(&end);
            assert_eq!(replay.undecodable, u64::from(!whole), "{name} cut at {end}");
            assert!(replay.events.len() >= at_most, "{name} cut at {end}");
            at_most = replay.events.len();
        }
        let cuts = boundaries.iter().flat_map(|end| [*end, end + 1, end + 33]);
        for end in cuts.filter(|end| *end < bytes.len()) {
            let receipt = replayed(Recording::parse(&bytes[..end]).unwrap());
            let unended = receipt["processes"].as_array().unwrap().iter();
            let unended = unended.filter(|process| process["ended_at"].is_null()).count();
            let reasons = receipt["observation"]["reasons"].as_array().unwrap();
            let said = reasons.iter().any(|reason| reason["code"] == "process_end_missing");
            assert_eq!(said, unended > 0, "{name} cut at {end}");
        }
    }
}

/// Only the order within a ring is one in which things happened.
#[test]
fn the_order_between_the_rings_does_not_matter() {
    for name in NAMES {
        let bytes = recording(name);
        let recorded = Recording::parse(&bytes).unwrap();
        let expected = replayed(recorded);
        let (activity, process): (Vec<_>, Vec<_>) =
            records(recorded.records).into_iter().partition(|record| family(record) == Family::Files);
        assert!(!activity.is_empty() && !process.is_empty());
        // So many records of the one ring before each of the other.
        for (first, second) in [(&process, &activity), (&activity, &process)] {
            for step in [1, 2, 7, usize::MAX] {
                let mut rest = second.iter();
                let mut order = Vec::new();
                for chunk in first.chunks(step.min(first.len())) {
                    order.extend(chunk.iter().chain(rest.next()));
                }
                order.extend(rest);
                assert_eq!(order.len(), first.len() + second.len());
                let records: Vec<u8> =
                    order.into_iter().flat_map(|record: &&[u8]| record.iter().copied()).collect();
                let receipt = replayed(Recording { records: &records, ..recorded });
                assert!(receipt == expected, "{name}: {step} at a time");
            }
        }
    }
}
