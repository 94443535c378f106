//! What is given changed inputs.

use std::time::Duration;

use glasshouse::{
    observe::{
        decode::next_record,
        replay::{Recording, RecordingHeader},
    },
    protocol::{Recogniser, Sender, banner, dns, http, tls},
    receipt::from_session,
    recording::rebuild,
    tui::{
        config::Config,
        filter::{Condition, Field, Filter, Filterable},
        terminal::{Emulator, Screen},
        text,
    },
};
use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget as _};

use super::{corpus, fuzz, replayed::receipt_of};

/// Bytes of a recording that are changed at once: a receipt of them takes a millisecond.
const PIECE: usize = 4 * 1024;

/// Pieces of recordings of real runs, each with a header, from one record to another.
fn recordings() -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    for recording in corpus("recordings") {
        let (header, mut rest) = recording.split_at(size_of::<RecordingHeader>());
        while !rest.is_empty() {
            let start = rest;
            while start.len() - rest.len() < PIECE && next_record(&mut rest).is_some() {}
            pieces.push([header, &start[..start.len() - rest.len()]].concat());
        }
    }
    pieces
}

/// Records of the kernel side: from bytes to a receipt.
#[test]
fn records() {
    fuzz(&recordings(), |input| {
        if let Ok(recording) = Recording::parse(input) {
            receipt_of(recording);
        }
    });
}

/// Recordings of events: from bytes to a session, or an error that says something.
#[test]
fn recordings_of_events() {
    fuzz(&corpus("fuzz/corpus/events"), |input| match rebuild(input) {
        Ok(rebuilt) => {
            let remains = rebuilt.session.remains();
            let receipt = from_session(&rebuilt.session, remains, rebuilt.facts, &rebuilt.options);
            receipt.write_json(&mut Vec::new()).unwrap();
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    });
}

#[test]
fn dns_messages() {
    fuzz(&corpus("fuzz/corpus/dns"), |input| {
        dns::looks_like(input);
        if let Ok(message) = dns::parse(input) {
            assert!(message.answers.len() <= input.len());
        }
        let mut stream = input;
        while let Some((message, rest)) = dns::split(stream) {
            assert!(message.len() + rest.len() < stream.len());
            stream = rest;
        }
    });
}

/// The beginnings of connections, in one piece and in many, in order and not.
#[test]
fn beginnings_of_streams() {
    fuzz(&corpus("fuzz/corpus/streams"), |input| {
        tls::client_hello(input);
        tls::unfinished(input);
        http::request(input);
        http::unfinished(input);
        banner::ssh(input, true);
        banner::ssh(input, false);
        banner::smtp_greeting(input);
        banner::smtp_helo(input);
        let size = 1 + usize::from(input.first().copied().unwrap_or_default());
        let pieces: Vec<(u32, &[u8])> =
            input.chunks(size).enumerate().map(|(index, piece)| ((index * size) as u32, piece)).collect();
        for is_dns_port in [false, true] {
            let mut forward = Recogniser::new(is_dns_port);
            let mut backward = Recogniser::without_roles(is_dns_port);
            for (sequence, piece) in &pieces {
                forward.feed(Sender::Client, *sequence, piece, piece.len());
                forward.feed(Sender::Server, sequence.wrapping_sub(7), piece, piece.len() * 2);
            }
            for (sequence, piece) in pieces.iter().rev() {
                backward.feed(Sender::Server, *sequence, piece, piece.len());
            }
            forward.take_dns();
            backward.into_recognised();
        }
    });
}

/// A row that has a value of every field.
struct Row;

impl Filterable for Row {
    fn values(&self, _field: Field, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        visit(b"/usr/bin/curl") || visit(b"\xff\n")
    }

    fn is(&self, _condition: Condition) -> bool {
        true
    }
}

#[test]
fn filters() {
    fuzz(&corpus("fuzz/corpus/filter"), |input| {
        let typed = String::from_utf8_lossy(input);
        match Filter::parse(&typed) {
            Ok(filter) => drop(filter.matches(&Row)),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
}

#[test]
fn configurations() {
    fuzz(&corpus("fuzz/corpus/config"), |input| {
        let written = String::from_utf8_lossy(input);
        match Config::parse(&written) {
            Ok(config) => drop(config.theme(|_| None)),
            Err(error) => assert!(error.to_string().contains("line "), "{error}"),
        }
    });
}

/// What the command writes to its terminal, and names that it chooses.
#[test]
fn terminals() {
    fuzz(&corpus("fuzz/corpus/terminal"), |input| {
        let mut emulator = Emulator::new(6, 20);
        let (first, second) = input.split_at(input.len() / 2);
        emulator.feed(first);
        emulator.resize(3, 40);
        emulator.feed(second);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 44, 8));
        Screen::new(&emulator, true).render(Rect::new(1, 1, 40, 3), &mut buffer);
        for cell in buffer.content() {
            assert!(!cell.symbol().chars().any(char::is_control), "{:?}", cell.symbol());
        }
        assert!(emulator.take_replies().len() <= 4_096);
        let cleaned = text::clean(input);
        assert!(!cleaned.chars().any(char::is_control), "{cleaned:?}");
        text::shorten_middle(&cleaned, 17, "…");
    });
}

/// The harness itself notices.
#[test]
#[should_panic(expected = "found it")]
fn something_that_fails_is_found() {
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        fuzz(&[b"hello".to_vec()], |input| assert!(input.len() < 9, "found it"));
    }
}
