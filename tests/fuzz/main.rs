//! Whatever comes from a workload, from a file or from whoever types, broken in every way: it is refused or read, and
//! nothing panics, hangs or grows without a bound.
//!
//! Each target begins with the files of `corpus/TARGET`, changes them, and goes on for a second, or for as many as
//! `GLASSHOUSE_FUZZ_SECONDS` says. An input that fails is made as small as it gets, and printed as a Rust byte string: put
//! it into the corpus.

#![cfg(target_arch = "x86_64")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "how much was tried is what a run is about")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    test_runner::{Config, TestError, TestRunner},
};

#[path = "../support/replayed.rs"]
mod replayed;
mod targets;

/// Inputs between two looks at the clock.
const ROUND: u32 = 64;
/// The longest time that one input may take: a thousand times what any of them does.
const LONGEST: Duration = Duration::from_secs(20);

/// A change of an input. Places are fractions of its length.
#[derive(Clone, Debug)]
enum Change {
    /// A byte becomes another.
    Set(Index, u8),
    /// Bytes are put in between.
    Insert(Index, Vec<u8>),
    /// Bytes are taken out.
    Remove(Index, Index),
    /// Bytes are there once more.
    Repeat(Index, Index),
    /// A number becomes another, in either order of its bytes.
    Number(Index, u32, bool),
    /// The rest is cut off.
    Cut(Index),
    /// The rest is that of another file of the corpus.
    Splice(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    let number = prop_oneof![
        Just(0),
        Just(1),
        Just(0x7f),
        Just(0xff),
        Just(0xffff),
        Just(0x7fff_ffff),
        Just(u32::MAX),
        any::<u32>(),
        0_u32..300
    ];
    prop_oneof![
        4 => (place(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        2 => (place(), vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (place(), place()).prop_map(|(from, to)| Change::Remove(from, to)),
        1 => (place(), place()).prop_map(|(from, to)| Change::Repeat(from, to)),
        3 => (place(), number, any::<bool>()).prop_map(|(at, number, big)| Change::Number(at, number, big)),
        1 => place().prop_map(Change::Cut),
        1 => (place(), place(), place()).prop_map(|(at, other, from)| Change::Splice(at, other, from)),
    ]
}

impl Change {
    fn apply(&self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        // A place may be the end.
        let place = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
        match self {
            Self::Set(at, byte) => {
                let at = place(at, input);
                if let Some(old) = input.get_mut(at) {
                    *old = *byte;
                }
            }
            Self::Insert(at, bytes) => {
                let at = place(at, input);
                input.splice(at..at, bytes.iter().copied());
            }
            Self::Remove(from, to) => {
                let (from, to) = (place(from, input), place(to, input));
                input.drain(from.min(to)..from.max(to));
            }
            Self::Repeat(from, to) => {
                let (from, to) = (place(from, input), place(to, input));
                let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 4_096));
                let bytes = input[from..to].to_vec();
                input.splice(to..to, bytes);
            }
            Self::Number(at, number, big) => {
                let at = place(at, input);
                let bytes = if *big { number.to_be_bytes() } else { number.to_le_bytes() };
                for (old, new) in input[at..].iter_mut().zip(bytes) {
                    *old = new;
                }
            }
            Self::Cut(at) => input.truncate(place(at, input)),
            Self::Splice(at, other, from) => {
                let other = other.get(corpus);
                input.truncate(place(at, input));
                input.extend(&other[place(from, other)..]);
            }
        }
    }
}

/// The files of a folder of the corpus.
fn corpus(folder: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(tests(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn tests(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests").join(of)
}

/// Gives changed inputs to a target until the time is over.
fn fuzz(corpus: &[Vec<u8>], target: impl Fn(&[u8])) {
    assert!(!corpus.is_empty());
    for input in corpus {
        target(input);
    }
    let seconds = std::env::var("GLASSHOUSE_FUZZ_SECONDS").map_or(1, |text| text.parse().unwrap());
    let until = Instant::now() + Duration::from_secs(seconds);
    let config = Config { cases: ROUND, failure_persistence: None, ..Config::default() };
    let strategy = (any::<Index>(), vec(change(), 1..8));
    let changed = |(of, changes): &(Index, Vec<Change>)| {
        let mut input = of.get(corpus).clone();
        changes.iter().for_each(|change| change.apply(&mut input, corpus));
        input
    };
    let mut inputs: u64 = 0;
    while Instant::now() < until {
        // A runner counts on: a new one for each round.
        let outcome = TestRunner::new(config.clone()).run(&strategy, |how| {
            let begun = Instant::now();
            target(&changed(&how));
            prop_assert!(begun.elapsed() < LONGEST, "it took {:?}", begun.elapsed());
            Ok(())
        });
        if let Err(TestError::Fail(reason, how)) = outcome {
            panic!("{reason}: b\"{}\"", changed(&how).escape_ascii());
        }
        outcome.unwrap();
        inputs += u64::from(ROUND);
    }
    println!("{inputs} inputs in {seconds} s");
}
