//! DNS messages: of name servers, of mDNS (RFC 6762) and of LLMNR (RFC 4795), over UDP or TCP.
//!
//! mDNS uses the same format in its own way, which is left to whoever asks: a query carries the answers that its
//! sender knows already, a response has no question, and the upper bit of a question's class asks for an answer to
//! the sender alone.

mod name;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::borrow::Cow;

// `domain` reads a message piece by piece and keeps labels as bytes, so that a question is known however broken the rest
// is. `simple-dns` refuses messages of unknown types as a whole; `hickory-proto` brings the tables of Unicode along.
use domain::{
    base::{
        Message as Octets, ParsedName, ParsedRecord, Rtype,
        iana::{Class, OptRcode},
    },
    rdata::{A, Aaaa, Cname, Dname, Mx, Ns, Ptr, Srv},
};

pub use name::Name;

/// Questions kept of one message. Name servers answer one; mDNS asks for a dozen services at a time.
pub const MAX_QUESTIONS: usize = 32;
/// Answers kept of one message. More than this fit into 64 KiB only, and a compressed name can take 20 times its bytes.
pub const MAX_ANSWERS: usize = 256;
/// The bit of a class that mDNS asks for a unicast response by, or flushes a cache.
pub const MDNS_CLASS_BIT: u16 = 0x8000;

const HEADER: usize = 12;
/// The highest code that fits into the 12 bits of EDNS.
const MAX_RCODE: u16 = 0xFFF;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: u16,
    pub is_response: bool,
    pub opcode: u8,
    /// The sender says that not all found room.
    pub truncated: bool,
    /// With the upper bits that EDNS adds. See [`rcode_name`].
    pub rcode: u16,
    pub questions: Vec<Question>,
    /// The answer section only: neither authorities nor what was added for convenience.
    pub answers: Vec<Answer>,
    /// The message is not what its header says: it ends too early, goes on behind its end, or has records that cannot
    /// be read. What could be read is here.
    pub malformed: bool,
    /// There were more questions or answers than are kept.
    pub cut: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub name: Name,
    /// See [`kind_name`].
    pub kind: u16,
    /// As it was sent, with mDNS's [`MDNS_CLASS_BIT`].
    pub class: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub name: Name,
    /// See [`kind_name`].
    pub kind: u16,
    /// In seconds.
    pub ttl: u32,
    pub data: Data,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Of A and AAAA.
    Address(IpAddr),
    /// The target of CNAME, DNAME, PTR, NS, MX and SRV.
    Name(Name),
    /// Anything else, of which the length in bytes is kept.
    Other(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    #[error("a DNS message has {HEADER} bytes at least, and this one {0}")]
    Short(usize),
    #[error("neither a question nor an answer can be read")]
    Unreadable,
}

/// Reads a message, without the length that precedes it on TCP.
///
/// # Errors
///
/// If there is no header, or not one of the questions and answers that it announces can be read.
pub fn parse(bytes: &[u8]) -> Result<Message, DnsError> {
    let octets = Octets::from_slice(bytes).map_err(|_| DnsError::Short(bytes.len()))?;
    let header = octets.header();
    let mut message = Message {
        id: header.id(),
        is_response: header.qr(),
        opcode: header.opcode().to_int(),
        truncated: header.tc(),
        rcode: u16::from(header.rcode().to_int()),
        questions: Vec::new(),
        answers: Vec::new(),
        malformed: false,
        cut: false,
    };
    if read(octets, &mut message).is_none_or(|end| end != bytes.len()) {
        message.malformed = true;
    }
    let announced = octets.header_counts().qdcount() > 0 || octets.header_counts().ancount() > 0;
    if announced && message.questions.is_empty() && message.answers.is_empty() {
        return Err(DnsError::Unreadable);
    }
    Ok(message)
}

/// Reads the sections, and returns where the last one ends. Stops at what cannot be read.
fn read(octets: &Octets<[u8]>, message: &mut Message) -> Option<usize> {
    let mut questions = octets.question();
    for question in questions.by_ref() {
        let question = question.ok()?;
        if message.questions.len() == MAX_QUESTIONS {
            message.cut = true;
            break;
        }
        message.questions.push(Question {
            name: Name::from(question.qname()),
            kind: question.qtype().to_int(),
            class: question.qclass().to_int(),
        });
    }
    let mut section = questions.next_section().ok()?;
    for record in section.by_ref() {
        let record = record.ok()?;
        if message.answers.len() == MAX_ANSWERS {
            message.cut = true;
            break;
        }
        let data = data(&record).unwrap_or_else(|| {
            message.malformed = true;
            Data::Other(record.rdlen())
        });
        message.answers.push(Answer {
            name: Name::from(&record.owner()),
            kind: record.rtype().to_int(),
            ttl: record.ttl().as_secs(),
            data,
        });
    }
    let mut additional = section.next_section().ok()??.next_section().ok()??;
    for record in additional.by_ref() {
        let record = record.ok()?;
        if record.rtype() == Rtype::OPT {
            // RFC 6891, 6.1.3: the uppermost byte of what is the TTL elsewhere extends the code upwards.
            let [extended, ..] = record.ttl().as_secs().to_be_bytes();
            message.rcode = message.rcode & 0xF | u16::from(extended) << 4;
        }
    }
    Some(additional.pos())
}

/// What of a record is kept. Nothing if its type is one that is read and its data are not of that type.
fn data(record: &ParsedRecord<'_, [u8]>) -> Option<Data> {
    /// Reads the data as those of one type.
    macro_rules! read {
        ($type:ty) => {
            record.to_record::<$type>().ok()??.into_data()
        };
    }
    if record.class().to_int() & !MDNS_CLASS_BIT != Class::IN.to_int() {
        return Some(Data::Other(record.rdlen()));
    }
    Some(match record.rtype() {
        Rtype::A => Data::Address(Ipv4Addr::from(read!(A).addr().octets()).into()),
        Rtype::AAAA => Data::Address(Ipv6Addr::from(read!(Aaaa).addr().octets()).into()),
        Rtype::CNAME => Data::Name(read!(Cname<ParsedName<_>>).cname().into()),
        Rtype::DNAME => Data::Name(read!(Dname<ParsedName<_>>).dname().into()),
        Rtype::PTR => Data::Name(read!(Ptr<ParsedName<_>>).ptrdname().into()),
        Rtype::NS => Data::Name(read!(Ns<ParsedName<_>>).nsdname().into()),
        Rtype::MX => Data::Name(read!(Mx<ParsedName<_>>).exchange().into()),
        Rtype::SRV => Data::Name(read!(Srv<ParsedName<_>>).target().into()),
        _ => Data::Other(record.rdlen()),
    })
}

/// Whether bytes that were sent to a port of no known meaning are a message to or from a name server.
///
/// It takes a complete message with one question of a known type, flags that go together, a name as hosts and services
/// have them, and nothing behind the end. What mDNS allows beyond that is not asked for here: it has its own port.
pub fn looks_like(bytes: &[u8]) -> bool {
    let Ok(octets) = Octets::from_slice(bytes) else { return false };
    let (header, counts) = (octets.header(), octets.header_counts());
    // The cheap part first: of arbitrary bytes next to none come past the counts.
    if counts.qdcount() != 1 || header.opcode().to_int() != 0 || header.z() {
        return false;
    }
    let consistent = if header.qr() {
        OptRcode::from_rcode(header.rcode()).to_mnemonic_str().is_some()
    } else {
        let records = [counts.ancount(), counts.nscount()];
        !header.aa() && !header.tc() && !header.ra() && header.rcode().to_int() == 0 && records == [0, 0]
            // EDNS and a signature.
            && counts.arcount() <= 2
    };
    if !consistent {
        return false;
    }
    let Ok(message) = parse(bytes) else { return false };
    let [question] = message.questions.as_slice() else { return false };
    let kind = Rtype::from_int(question.kind);
    let name_fits = if question.name.is_root() {
        matches!(kind, Rtype::NS | Rtype::DNSKEY)
    } else {
        question.name.labels().all(|label| {
            label == b"*" || label.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
        })
    };
    let class_fits = [Class::IN, Class::CH, Class::ANY].map(Class::to_int).contains(&question.class);
    !message.malformed && name_fits && class_fits && kind.to_mnemonic_str().is_some()
}

/// Splits the first message off a stream (RFC 1035, 4.2.2: each has its length in two bytes before it). Gives the
/// message and what follows, or nothing if it is not there as a whole yet.
pub fn split(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = stream.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// `A`, `HTTPS`; by RFC 3597 `TYPE65280` for what has no name.
pub fn kind_name(kind: u16) -> Cow<'static, str> {
    Rtype::from_int(kind).to_mnemonic_str().map_or_else(|| format!("TYPE{kind}").into(), Cow::from)
}

/// `NOERROR`, `NXDOMAIN`; `RCODE12` for what has no name.
pub fn rcode_name(rcode: u16) -> Cow<'static, str> {
    // The crate's own check of the range refuses what is in it.
    let name = (rcode <= MAX_RCODE).then(|| OptRcode::masked_from_int(rcode).to_mnemonic_str()).flatten();
    name.map_or_else(|| format!("RCODE{rcode}").into(), Cow::from)
}
