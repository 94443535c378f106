//! What a run with very many files costs the observer: memory and time from its events to the receipt.
//!
//! `cargo bench -p glasshouse --bench files -- FILES PROCESSES`; 100,000 files made by one process if nothing is said.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for whoever measures")]

use std::{env, fs, io, time::Instant};

use glasshouse::{
    event::*,
    receipt::{ReceiptOptions, from_session},
    session::Session,
    summary,
};

#[path = "support/file.rs"]
mod file;
#[path = "../support/run_facts.rs"]
mod run_facts;

use run_facts::facts;

fn main() {
    let numbers: Vec<u64> = env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (files, processes) = (*numbers.first().unwrap_or(&100_000), *numbers.get(1).unwrap_or(&1));
    let begun = memory("VmRSS");
    let start = Instant::now();
    let mut session = Session::new();
    for process in 0..processes {
        for file in 0..files {
            events(process, file, processes == 1).iter().for_each(|event| session.apply(event));
        }
    }
    session.observation_ended(&[]);
    let applied = start.elapsed();
    let kept = memory("VmRSS") - begun;
    let start = Instant::now();
    let remains = session.remains();
    let left = remains.left_behind.len();
    let entries = session.files_with(&remains).entries.len();
    let viewed = start.elapsed();
    let start = Instant::now();
    let receipt = from_session(&session, remains, facts(), &ReceiptOptions::default());
    let made = start.elapsed();
    let peak = memory("VmHWM") - begun;
    let start = Instant::now();
    let mut out = Counted(0);
    receipt.write_json(&mut io::BufWriter::new(&mut out)).unwrap();
    let written = start.elapsed();
    let start = Instant::now();
    summary::write(&mut io::sink(), &receipt, None).unwrap();
    println!("{files} files, {processes} processes: {entries} entries, {left} left behind");
    println!("applied in {applied:?}, {kept} KiB; put together in {viewed:?}");
    println!(
        "receipt made in {made:?}, {} bytes written in {written:?}, summary in {:?}",
        out.0,
        start.elapsed()
    );
    println!("peak {} KiB above the start, {peak} before anything is written", memory("VmHWM") - begun);
}

/// A file that is made, written and read; of several processes each but the first reads only.
fn events(process: u64, file: u64, create: bool) -> Vec<Event> {
    let key = ProcessKey { start: 10 + process, tgid: 100 + process as u32 };
    let access = process << 32 | file;
    let at = access + 1_000;
    let path = format!("/home/somebody/src/project/target/debug/deps/{}/file-{file:08x}.rs", file / 500);
    let totals = AccessTotals { opens: 1, reads: 2, bytes_read: 100, last_at: at, ..AccessTotals::default() };
    let seen = file::seen(access, path, file, totals);
    let event = |kind| Event { at, process: key, tid: key.tgid, kind };
    let mut events = vec![event(EventKind::FileSeen(Box::new(seen)))];
    if create {
        let totals = AccessTotals { creates: 1, writes: 1 + file % 7, bytes_written: file, ..totals };
        events.push(event(EventKind::FileChanged(Box::new(FileChanged {
            operation: FileOperation::Create,
            target: ChangeTarget::Access(access),
            new_path: None,
            text: None,
            detail: ChangeDetail { mode: Some(0o644), ..ChangeDetail::default() },
            call: Syscall { abi: Abi::Native, number: 257 },
            unconfirmed: None,
        }))));
        events.push(event(EventKind::FileTotals(FileTotals { access, totals })));
    }
    events
}

/// A field of `/proc/self/status`, KiB.
fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Counts what is written.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
