//! What the records of a run cost the observer, from the bytes of the rings to the receipt.
//!
//! `cargo bench -p glasshouse --bench records -- RECORDING [ROUNDS [RECEIPT]]`, where `glasshouse watch --record-records
//! RECORDING` made the recording. Of each part the shortest of several rounds is told, as what else runs on the machine only
//! makes it longer; one round is what a profiler that counts instructions is to be given. The receipt goes to a file where one is named, to be compared.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for whoever measures")]

use std::{
    env, fs,
    time::{Duration, Instant},
};

use glasshouse::{
    disclosure::Disclosure,
    observe::{assemble::Assembler, decode::next_record, replay::Recording},
    receipt::{ReceiptOptions, from_session},
    session::Session,
    syscalls::Table,
};

#[path = "../support/run_facts.rs"]
mod run_facts;

use run_facts::facts;

/// Bytes of the batches in which an observation takes records.
const BATCH_BYTES: usize = 256 * 1024;
/// What a round consists of.
const PARTS: [&str; 5] = ["assembled", "applied", "remains", "receipt made", "receipt written"];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let Some(path) = arguments.first() else {
        println!("no recording is named, so nothing is measured");
        return;
    };
    let bytes = fs::read(path).unwrap();
    let records = Recording::parse(&bytes).unwrap().records;
    let rounds = arguments.get(1).map_or(1, |rounds| rounds.parse().unwrap());
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); PARTS.len()];
    let mut written = 0;
    for _ in 0..rounds {
        let mut receipt = Vec::new();
        let round = round(records, &mut receipt);
        written = receipt.len();
        if let Some(path) = arguments.get(2) {
            fs::write(path, &receipt).unwrap();
        }
        times.iter_mut().zip(round).for_each(|(times, time)| times.push(time));
    }
    println!("{} bytes of records, {written} of the receipt, {rounds} rounds", records.len());
    let mut sum = Duration::ZERO;
    for (part, times) in PARTS.iter().zip(&times) {
        let time = times.iter().min().copied().unwrap_or_default();
        sum += time;
        println!("{time:>12.1?}  {part}");
    }
    println!("{sum:>12.1?}  all of it");
}

/// One round: how long each part took.
fn round(records: &[u8], out: &mut Vec<u8>) -> [Duration; PARTS.len()] {
    let (mut session, mut disclosure) = (Session::new(), Disclosure::default());
    let mut assembler = Assembler::new(Table::native(), Table::compat(), 4096);
    let (mut assembled, mut applied) = (Duration::ZERO, Duration::ZERO);
    for batch in batches(records) {
        let start = Instant::now();
        let mut events = Vec::new();
        assembler.events(batch, &mut events);
        assembled += start.elapsed();
        let start = Instant::now();
        disclosure.pass_all(events).iter().for_each(|event| session.apply(event));
        applied += start.elapsed();
    }
    session.observation_ended(&[]);
    let start = Instant::now();
    let remains = session.remains();
    let remained = start.elapsed();
    let start = Instant::now();
    let receipt = from_session(&session, remains, facts(), &ReceiptOptions::default());
    let made = start.elapsed();
    let start = Instant::now();
    receipt.write_json(out).unwrap();
    [assembled, applied, remained, made, start.elapsed()]
}

/// The records as they are taken, each batch whole ones.
fn batches(records: &[u8]) -> Vec<&[u8]> {
    let mut batches = Vec::new();
    let (mut start, mut rest) = (records, records);
    while next_record(&mut rest).is_some() {
        let length = start.len() - rest.len();
        if length >= BATCH_BYTES || rest.is_empty() {
            batches.push(&start[..length]);
            start = rest;
        }
    }
    batches
}
