//! The reading end of a ring buffer (`Documentation/bpf/ringbuf.rst` of the kernel).
//!
//! Mapped piece by piece, when records come to lie there: all of a ring are thousands of pages, which takes the kernel
//! milliseconds at the start and at the end of each run, and most runs send little.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    ptr, slice,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
};

use aya::maps::MapData;
use glasshouse_common::limits::{
    ACTIVITY_RING_BYTES, NETWORK_RING_BYTES, PACKET_BYTES, PROCESS_RING_BYTES, TEXT_CHUNK,
};

/// Bytes of a ring that are mapped at once: a few dozen pages, and no more pieces than a long run soon has mapped.
const PIECE: usize = 256 * 1024;
/// Bytes behind a piece that are mapped with it, so that each record lies in one: more than the longest has. The kernel
/// lets the end of a ring be followed by its beginning.
const OVERLAP: usize = 64 * 1024;
const _: () = assert!(
    TEXT_CHUNK as usize * 2 <= OVERLAP
        && PACKET_BYTES <= TEXT_CHUNK
        && (ACTIVITY_RING_BYTES as usize).is_multiple_of(PIECE)
        && (NETWORK_RING_BYTES as usize).is_multiple_of(PIECE)
        && (PROCESS_RING_BYTES as usize).is_multiple_of(PIECE)
);

/// `BPF_RINGBUF_BUSY_BIT`, `BPF_RINGBUF_DISCARD_BIT` and `BPF_RINGBUF_HDR_SZ` of `linux/bpf.h`.
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const HEADER: usize = 8;

/// A mapping of some of a ring's pages.
struct Mapping {
    address: *mut libc::c_void,
    length: usize,
}

impl Mapping {
    fn new(ring: BorrowedFd<'_>, offset: usize, length: usize, protection: i32) -> io::Result<Self> {
        // SAFETY: a new shared mapping, wherever there is room, of a descriptor that is open. The result is checked.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                protection,
                libc::MAP_SHARED,
                ring.as_raw_fd(),
                offset as libc::off_t,
            )
        };
        if address == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(Self { address, length })
        }
    }

    /// The position that the page begins with.
    fn position(&self) -> &AtomicUsize {
        // SAFETY: the mapping lives as long as `self`, is a page long at least and aligned as such; the kernel accesses
        // this word atomically, too.
        unsafe { &*self.address.cast::<AtomicUsize>() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this mapping was made by `new`, and no reference into it outlives `self`.
        unsafe { libc::munmap(self.address, self.length) };
    }
}

// SAFETY: mappings belong to the process, and not to a thread.
unsafe impl Send for Mapping {}
// SAFETY: by a shared reference nothing is accessed but the position, and that atomically.
unsafe impl Sync for Mapping {}

/// A ring buffer, of which this is the only reader.
pub(crate) struct Ring {
    map: MapData,
    /// How far it was read, and how far written, in bytes since the beginning.
    consumer: Mapping,
    producer: Mapping,
    pieces: Vec<Option<Mapping>>,
    /// Bytes of a piece: [`PIECE`], or a ring that is shorter as a whole.
    piece: usize,
    page: usize,
    /// What `producer` said last.
    written: usize,
}

impl Ring {
    /// Takes a ring that is `bytes` long, of pages of `page` bytes.
    ///
    /// # Errors
    /// When it cannot be mapped.
    pub(super) fn new(map: MapData, bytes: usize, page: usize) -> io::Result<Self> {
        let fd = map.fd().as_fd();
        let consumer = Mapping::new(fd, 0, page, libc::PROT_READ | libc::PROT_WRITE)?;
        let producer = Mapping::new(fd, page, page, libc::PROT_READ)?;
        let piece = PIECE.min(bytes);
        let pieces = (0..bytes / piece).map(|_| None).collect();
        Ok(Self { map, consumer, producer, pieces, piece, page, written: 0 })
    }

    /// Gives the next record to `take`, if there is one. Returns whether there was.
    ///
    /// # Errors
    /// When where it lies cannot be mapped.
    pub(crate) fn next(&mut self, take: impl FnOnce(&[u8])) -> io::Result<bool> {
        loop {
            let read = self.consumer.position().load(Ordering::Relaxed);
            if read == self.written {
                self.written = self.producer.position().load(Ordering::Acquire);
                if read == self.written {
                    return Ok(false);
                }
            }
            let (piece, offset) = self.piece(read)?;
            // SAFETY: within the mapping, since `offset` is less than the length of a piece; aligned, as all records begin at a multiple of 8;
            // the kernel accesses this word atomically, too.
            let header = unsafe { &*piece.address.byte_add(offset).cast::<AtomicU32>() };
            let header = header.load(Ordering::Acquire);
            if header & BUSY != 0 {
                return Ok(false);
            }
            let length = (header & !DISCARDED) as usize;
            let next = read + (length + HEADER).next_multiple_of(8);
            if header & DISCARDED != 0 {
                self.consumer.position().store(next, Ordering::SeqCst);
                continue;
            }
            if length + HEADER > OVERLAP {
                let text = format!("a record of {length} bytes: the limit is {}", OVERLAP - HEADER);
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            // SAFETY: the record lies within the mapping, which goes on for OVERLAP bytes behind the piece that its header is
            // in. Nobody writes to it before the consumer's position has passed it, which is below.
            let record =
                unsafe { slice::from_raw_parts(piece.address.byte_add(offset + HEADER).cast(), length) };
            take(record);
            self.consumer.position().store(next, Ordering::SeqCst);
            return Ok(true);
        }
    }

    /// The piece that a position lies in, mapped if it has not been yet, and where in it.
    fn piece(&mut self, position: usize) -> io::Result<(&Mapping, usize)> {
        let (bytes, count) = (self.piece, self.pieces.len());
        let number = position / bytes % count;
        let piece = match &mut self.pieces[number] {
            Some(piece) => piece,
            empty => {
                // Behind the pages of both positions.
                let offset = 2 * self.page + number * bytes;
                // The kernel has all of it there twice, one behind the other; no record is longer than that.
                let length = (bytes + OVERLAP).min((2 * count - number) * bytes);
                let mapped = Mapping::new(self.map.fd().as_fd(), offset, length, libc::PROT_READ)?;
                empty.insert(mapped)
            }
        };
        Ok((piece, position % bytes))
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.fd().as_fd()
    }
}
