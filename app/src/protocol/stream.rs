//! The beginning of one direction of a TCP stream, put together from its packets.

use std::ops::Range;

/// How far into a stream is looked, in bytes. A ClientHello with post-quantum keys has 2 KiB, the head of a request rarely 8.
pub const MAX_BYTES: usize = 16 * 1024;
/// Separate pieces that are held. More gaps than this are not left by a network that loses packets.
pub const MAX_PIECES: usize = 32;

/// Pieces of a stream, of which the contiguous first ones are its beginning. What came first stays where pieces overlap.
///
/// It is the same for every order of the pieces, unless they contradict each other or leave more than [`MAX_PIECES`]
/// gaps. It holds as many bytes as it may look at, at most.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// The sequence number that offsets count from.
    origin: Option<u32>,
    /// Where the beginning is, as an offset. Without a known start it is where the lowest piece is.
    start: i64,
    start_known: bool,
    /// Bytes that may be looked at yet.
    limit: usize,
    /// Ordered, with gaps between them.
    pieces: Vec<Piece>,
    /// The offsets behind which bytes of a packet were not seen.
    cuts: Vec<i64>,
}

#[derive(Clone, Debug)]
struct Piece {
    offset: i64,
    bytes: Vec<u8>,
}

impl Piece {
    fn end(&self) -> i64 {
        self.offset + length(&self.bytes)
    }
}

/// A slice's length as an offset.
fn length(bytes: &[u8]) -> i64 {
    // Packets and what is held are far shorter than 2^63.
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

impl Default for Beginning {
    fn default() -> Self {
        Self::new(MAX_BYTES)
    }
}

impl Beginning {
    /// Of a stream whose first sequence number is not known: it begins with the lowest that comes by.
    pub fn new(limit: usize) -> Self {
        Self { origin: None, start: 0, start_known: false, limit, pieces: Vec::new(), cuts: Vec::new() }
    }

    /// States the sequence number of the first byte, which is the one after that of the SYN. What was taken before
    /// it is dropped.
    pub fn starts_at(&mut self, sequence: u32) {
        if self.start_known {
            return;
        }
        let offset = self.offset(sequence);
        self.begin_at(offset);
    }

    /// Whether the first sequence number is known.
    pub fn start_known(&self) -> bool {
        self.start_known
    }

    /// Takes what was seen of a packet's payload: `bytes` of `total`, which is more if the packet was cut.
    pub fn take(&mut self, sequence: u32, bytes: &[u8], total: usize) {
        // Packets without payload are sent from before the stream as well.
        if bytes.is_empty() && total == 0 {
            return;
        }
        let offset = self.offset(sequence);
        if !self.start_known && (self.pieces.is_empty() && self.cuts.is_empty() || offset < self.start) {
            self.start = offset;
        }
        self.insert(offset, bytes);
        let cut = offset + length(bytes);
        let counts = total > bytes.len() && (self.start..self.end()).contains(&cut);
        if counts && self.cuts.len() < MAX_PIECES && !self.cuts.contains(&cut) {
            self.cuts.push(cut);
        }
    }

    /// What there is of the stream without a gap.
    pub fn prefix(&self) -> &[u8] {
        match self.pieces.first() {
            Some(piece) if piece.offset == self.start => &piece.bytes,
            _ => &[],
        }
    }

    /// Whether the prefix ends where a packet was cut: unless the packet comes again in other pieces, it gets no longer.
    pub fn ends_at_cut(&self) -> bool {
        self.cuts.contains(&(self.start + length(self.prefix())))
    }

    /// Whether the prefix is as long as it may get.
    pub fn is_full(&self) -> bool {
        self.prefix().len() >= self.limit
    }

    /// Lets the stream begin some bytes further on, seen or not. As many less are looked at.
    pub fn skip(&mut self, count: usize) {
        self.limit = self.limit.saturating_sub(count);
        self.begin_at(self.start.saturating_add(i64::try_from(count).unwrap_or(i64::MAX)));
    }

    /// Drops what is before the start.
    fn begin_at(&mut self, start: i64) {
        self.start = start;
        self.start_known = true;
        self.cuts.retain(|cut| *cut >= start);
        let window = start..self.end();
        let mut pieces = Vec::new();
        for piece in std::mem::take(&mut self.pieces) {
            append(&mut pieces, &window, piece.offset, &piece.bytes);
        }
        self.pieces = pieces;
    }

    /// Sequence numbers wrap: the nearer way around counts.
    fn offset(&mut self, sequence: u32) -> i64 {
        let origin = *self.origin.get_or_insert(sequence);
        // The two halves of the circle are the two signs.
        i64::from(sequence.wrapping_sub(origin).cast_signed())
    }

    fn end(&self) -> i64 {
        self.start.saturating_add(i64::try_from(self.limit).unwrap_or(i64::MAX))
    }

    /// Puts bytes where nothing is yet, within the limits.
    fn insert(&mut self, offset: i64, bytes: &[u8]) {
        let window = self.start..self.end();
        let end = offset + length(bytes);
        let new = |from: i64, to: i64| {
            let [from, to] = [from, to].map(|at| usize::try_from(at - offset).unwrap_or(0).min(bytes.len()));
            bytes.get(from..to).unwrap_or_default()
        };
        if let [only] = self.pieces.as_mut_slice()
            && window.start == only.offset
            && offset <= only.end()
        {
            // The usual case: the next packet in order.
            let room = usize::try_from(window.end - only.end()).unwrap_or(0);
            let next = new(only.end(), end);
            only.bytes.extend_from_slice(next.get(..room).unwrap_or(next));
            return;
        }
        let mut pieces = Vec::new();
        let mut at = offset;
        for piece in std::mem::take(&mut self.pieces) {
            append(&mut pieces, &window, at, new(at, piece.offset));
            append(&mut pieces, &window, piece.offset, &piece.bytes);
            at = at.max(piece.end());
        }
        append(&mut pieces, &window, at, new(at, end));
        // The last ones are the least likely to be reached.
        pieces.truncate(MAX_PIECES);
        self.pieces = pieces;
    }
}

/// Puts what of bytes lies in a window behind the pieces that are there, as one of its own only if there is a gap.
fn append(pieces: &mut Vec<Piece>, window: &Range<i64>, offset: i64, bytes: &[u8]) {
    let within = |at: i64| usize::try_from(at - offset).unwrap_or(0).min(bytes.len());
    let bytes = bytes.get(within(window.start)..within(window.end)).unwrap_or_default();
    let offset = offset.max(window.start);
    if bytes.is_empty() {
        return;
    }
    match pieces.last_mut() {
        Some(last) if last.end() == offset => last.bytes.extend_from_slice(bytes),
        _ => pieces.push(Piece { offset, bytes: bytes.to_vec() }),
    }
}
