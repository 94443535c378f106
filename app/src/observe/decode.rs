//! From bytes to records. Pure; bytes of any content and length give records or an error, never a panic.

use glasshouse_common::{
    CallRecord, CredentialsRecord, ExecFailedRecord, ExecRecord, ExitRecord, Family, FileChangeRecord,
    FileFailedRecord, FileRecord, FileTotalsRecord, FlowRecord, ForkRecord, Header, LeftRecord, PacketRecord,
    RingResultRecord, SocketFailedRecord, SocketUsedRecord, SyscallCount, SyscallsRecord, TextRecord,
    UnixRecord, kind,
};
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// A record of the kernel side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Record<'a> {
    /// A new process.
    Fork(ForkRecord),
    /// A new image.
    Exec(ExecRecord),
    /// A piece of text that belongs to a record still to come.
    Text(TextRecord, &'a [u8]),
    /// A failed exec.
    ExecFailed(ExecFailedRecord),
    /// The end of a process.
    Exit(ExitRecord),
    /// A call that can change credentials.
    Credentials(CredentialsRecord),
    /// Credentials of the root before its first exec.
    RootCredentials(CredentialsRecord),
    /// System-call counts.
    Syscalls(SyscallsRecord, SyscallCounts<'a>),
    /// First use of a file, with the components of its path.
    File(FileRecord, &'a [u8]),
    /// Totals of the uses of a file.
    FileTotals(FileTotalsRecord),
    /// Uses of files that a process has left.
    Left(LeftRecord),
    /// A change of a file.
    FileChange(FileChangeRecord),
    /// A failed attempt, with its path argument if that follows.
    FileFailed(FileFailedRecord, &'a [u8]),
    /// A request through a ring.
    RingRequest(FileChangeRecord),
    /// What became of one.
    RingResult(RingResultRecord),
    /// What a socket and a peer exchange.
    Flow(FlowRecord),
    /// A further process uses a socket.
    SocketUsed(SocketUsedRecord),
    /// A unix socket was given a name, connected, accepted or used.
    UnixSocket(UnixRecord),
    /// A call on a socket failed.
    SocketFailed(SocketFailedRecord),
    /// The beginning of a packet's payload.
    Packet(PacketRecord, &'a [u8]),
    /// A call that matters by itself.
    Call(CallRecord),
}

/// Entries of a [`SyscallsRecord`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SyscallCounts<'a>(&'a [u8]);

impl Iterator for SyscallCounts<'_> {
    type Item = SyscallCount;

    fn next(&mut self) -> Option<SyscallCount> {
        let (entry, rest) = SyscallCount::read_from_prefix(self.0).ok()?;
        self.0 = rest;
        Some(entry)
    }
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Fewer bytes than the record needs.
    #[error("a record of kind {kind} is {size} bytes long, which is too short")]
    Short {
        /// Its kind; 0 if not even that could be read.
        kind: u32,
        /// Bytes that there were.
        size: usize,
    },
    /// Nothing of this kind is known.
    #[error("a record has the unknown kind {0}")]
    UnknownKind(u32),
}

/// The family that a record is accounted for in; of what is none, that of processes.
pub fn family(bytes: &[u8]) -> Family {
    let kind = Header::read_from_prefix(bytes).map_or(0, |(header, _)| header.kind);
    let text = match kind {
        kind::TEXT => TextRecord::read_from_prefix(bytes).map_or(0, |(record, _)| record.text),
        _ => 0,
    };
    kind::family(kind, text)
}

/// Takes the first record off `bytes`. What cannot be understood is stepped over by its stated size, as far as that
/// can be believed.
pub fn next_record<'a>(bytes: &mut &'a [u8]) -> Option<Result<Record<'a>, DecodeError>> {
    if bytes.is_empty() {
        return None;
    }
    let Ok((header, _)) = Header::read_from_prefix(bytes) else {
        let size = bytes.len();
        *bytes = &[];
        return Some(Err(DecodeError::Short { kind: 0, size }));
    };
    let size = (header.size as usize).clamp(size_of::<Header>(), bytes.len());
    let short = (header.size as usize) != size;
    let (record, rest) = bytes.split_at(size);
    *bytes = rest;
    if short {
        return Some(Err(DecodeError::Short { kind: header.kind, size }));
    }
    Some(decode(&header, record))
}

fn fixed<T: FromBytes + KnownLayout + Immutable>(
    header: &Header,
    bytes: &[u8],
) -> Result<(T, usize), DecodeError> {
    T::read_from_prefix(bytes)
        .map(|(record, rest)| (record, bytes.len() - rest.len()))
        .map_err(|_| DecodeError::Short { kind: header.kind, size: bytes.len() })
}

/// The variable part of a record: `length` bytes behind its fixed part.
fn tail<'a>(header: &Header, bytes: &'a [u8], at: usize, length: usize) -> Result<&'a [u8], DecodeError> {
    at.checked_add(length)
        .and_then(|end| bytes.get(at..end))
        .ok_or(DecodeError::Short { kind: header.kind, size: bytes.len() })
}

fn decode<'a>(header: &Header, bytes: &'a [u8]) -> Result<Record<'a>, DecodeError> {
    Ok(match header.kind {
        kind::FORK => Record::Fork(fixed(header, bytes)?.0),
        kind::EXEC => Record::Exec(fixed(header, bytes)?.0),
        kind::EXEC_FAILED => Record::ExecFailed(fixed(header, bytes)?.0),
        kind::EXIT => Record::Exit(fixed(header, bytes)?.0),
        kind::CREDENTIALS => Record::Credentials(fixed(header, bytes)?.0),
        kind::ROOT_CREDENTIALS => Record::RootCredentials(fixed(header, bytes)?.0),
        kind::TEXT => {
            let (record, at): (TextRecord, _) = fixed(header, bytes)?;
            Record::Text(record, tail(header, bytes, at, record.length as usize)?)
        }
        kind::SYSCALLS => {
            let (record, at): (SyscallsRecord, _) = fixed(header, bytes)?;
            let length = (record.count as usize).saturating_mul(size_of::<SyscallCount>());
            Record::Syscalls(record, SyscallCounts(tail(header, bytes, at, length)?))
        }
        kind::FILE => {
            let (record, at): (FileRecord, _) = fixed(header, bytes)?;
            Record::File(record, tail(header, bytes, at, record.length as usize)?)
        }
        kind::FILE_TOTALS => Record::FileTotals(fixed(header, bytes)?.0),
        kind::LEFT => Record::Left(fixed(header, bytes)?.0),
        kind::FILE_CHANGE => Record::FileChange(fixed(header, bytes)?.0),
        kind::FILE_FAILED => {
            let (record, at): (FileFailedRecord, _) = fixed(header, bytes)?;
            Record::FileFailed(record, tail(header, bytes, at, record.length as usize)?)
        }
        kind::RING_REQUEST => Record::RingRequest(fixed(header, bytes)?.0),
        kind::RING_RESULT => Record::RingResult(fixed(header, bytes)?.0),
        kind::FLOW => Record::Flow(fixed(header, bytes)?.0),
        kind::SOCKET_USED => Record::SocketUsed(fixed(header, bytes)?.0),
        kind::UNIX_SOCKET => Record::UnixSocket(fixed(header, bytes)?.0),
        kind::CALL => Record::Call(fixed(header, bytes)?.0),
        kind::SOCKET_FAILED => Record::SocketFailed(fixed(header, bytes)?.0),
        kind::PACKET => {
            let (record, at): (PacketRecord, _) = fixed(header, bytes)?;
            Record::Packet(record, tail(header, bytes, at, record.length as usize)?)
        }
        other => return Err(DecodeError::UnknownKind(other)),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;
    use zerocopy::IntoBytes;

    use super::*;

    #[test]
    fn a_text_is_read_with_its_bytes_and_the_next_record_follows() {
        let mut text = TextRecord { length: 3, text: kind::TEXT_CWD, ..TextRecord::default() };
        text.header.kind = kind::TEXT;
        text.header.size = (size_of::<TextRecord>() + 3) as u32;
        let mut exit = ExitRecord { status: 256, ..ExitRecord::default() };
        exit.header.kind = kind::EXIT;
        exit.header.size = size_of::<ExitRecord>() as u32;
        let bytes = [text.as_bytes(), b"a/b", exit.as_bytes()].concat();
        let mut rest = bytes.as_slice();
        assert_eq!(next_record(&mut rest), Some(Ok(Record::Text(text, b"a/b"))));
        assert_eq!(next_record(&mut rest), Some(Ok(Record::Exit(exit))));
        assert_eq!(next_record(&mut rest), None);
    }

    #[test]
    fn a_length_beyond_the_record_is_an_error() {
        let mut text = TextRecord { length: u32::MAX, ..TextRecord::default() };
        text.header.kind = kind::TEXT;
        text.header.size = size_of::<TextRecord>() as u32;
        let mut rest = text.as_bytes();
        assert!(next_record(&mut rest).unwrap().is_err());
        assert_eq!(next_record(&mut rest), None);
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..2048), kind in 0u32..24, size in 0u32..600) {
            let mut bytes = bytes;
            if bytes.len() >= size_of::<Header>() {
                bytes[24..28].copy_from_slice(&kind.to_ne_bytes());
                bytes[28..32].copy_from_slice(&size.to_ne_bytes());
            }
            let mut rest = bytes.as_slice();
            let mut steps = 0;
            while let Some(record) = next_record(&mut rest) {
                if let Ok(Record::Syscalls(_, counts)) = record {
                    prop_assert!(counts.count() <= bytes.len());
                }
                steps += 1;
                prop_assert!(steps <= bytes.len());
            }
        }
    }
}
