//! Damaged samples: bits turned over, ends cut off, parts of one put into another. The same ones each time.
//!
//! `GLASSHOUSE_MUTATIONS` says how many; a few hundred thousand take some seconds in an optimized build.

use std::env;

use super::{
    super::{
        MAX_DNS_MESSAGES, MAX_HOST, Recogniser, Sender, banner,
        dns::{self, MAX_ANSWERS, MAX_QUESTIONS},
        http::{self, MAX_TARGET},
        tls::{self, MAX_OFFERED},
    },
    samples,
};

/// Enough to find what is wrong with nearly every damage, without being felt in a debug build.
const MUTATIONS: u64 = 4_000;

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }
}

fn damage(random: &mut Random, samples: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = samples[random.below(samples.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(7) {
            0 => bytes.truncate(at),
            1 => {
                let other = &samples[random.below(samples.len())];
                let (from, to) = (random.below(other.len()), random.below(other.len()));
                let part = other.get(from..to).unwrap_or(&other[from..]).to_vec();
                bytes.splice(at..at, part);
            }
            2 => {
                bytes.drain(at..(at + random.below(8)).min(bytes.len()));
            }
            3 if !bytes.is_empty() => bytes[at] = [0, 1, 0x3F, 0x7F, 0x80, 0xC0, 0xFF][random.below(7)],
            4 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            _ if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            _ => {}
        }
    }
    bytes
}

fn look(bytes: &[u8], random: &mut Random) {
    if let Ok(message) = dns::parse(bytes) {
        assert!(message.questions.len() <= MAX_QUESTIONS && message.answers.len() <= MAX_ANSWERS);
        assert!(message.questions.iter().all(|question| question.name.to_string().len() <= 4 * 255));
    }
    if dns::looks_like(bytes) {
        assert!(!dns::parse(bytes).unwrap().malformed);
    }
    if let Some(hello) = tls::client_hello(bytes).found().or_else(|| tls::unfinished(bytes)) {
        assert!(hello.sni.is_none_or(|name| name.len() <= MAX_HOST));
        assert!(hello.alpn.len() <= MAX_OFFERED && hello.versions.len() <= MAX_OFFERED);
        assert!(hello.ja4.is_none_or(|fingerprint| fingerprint.len() == 36));
    }
    if let Some(request) = http::request(bytes).found().or_else(|| http::unfinished(bytes)) {
        assert!(request.target.len() <= MAX_TARGET && request.host.is_none_or(|host| host.len() <= MAX_HOST));
    }
    let _ = (banner::ssh(bytes, true), banner::smtp_greeting(bytes), banner::smtp_helo(bytes));

    let flags = random.next();
    let is_dns_port = flags & 1 == 0;
    let mut recogniser =
        if flags & 2 == 0 { Recogniser::new(is_dns_port) } else { Recogniser::without_roles(is_dns_port) };
    let mut at = 0;
    while at < bytes.len() {
        let to = (at + 1 + random.below(400)).min(bytes.len());
        let sender = if random.below(20) == 0 { Sender::Server } else { Sender::Client };
        let unseen = if random.below(20) == 0 { 9 } else { 0 };
        recogniser.feed(sender, u32::MAX - 50 + at as u32 % 50, &bytes[at..to], to - at + unseen);
        at = to;
    }
    assert!(recogniser.recognised().dns.len() <= MAX_DNS_MESSAGES);
}

#[test]
fn damaged_samples() {
    let count = env::var("GLASSHOUSE_MUTATIONS").map_or(MUTATIONS, |count| count.parse().unwrap());
    let samples: Vec<_> =
        samples::STREAMS.iter().chain(&samples::MESSAGES).map(|sample| samples::bytes(sample)).collect();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for _ in 0..count {
        let bytes = damage(&mut random, &samples);
        look(&bytes, &mut random);
    }
}
