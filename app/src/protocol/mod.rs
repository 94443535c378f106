//! What the first bytes of a connection, and DNS messages, say.
//!
//! Whoever watches a connection sees addresses. The names are in what is sent: in a TLS ClientHello, in the head of an
//! HTTP request, in the answers of a name server. This part finds them in bytes that it is given, and keeps nothing
//! else of those. The bytes are the workload's own and may be anything: every parser here returns for any input, in
//! time and memory that the input's length bounds.

pub mod banner;
pub mod dns;
pub mod http;
mod recogniser;
pub mod stream;
pub mod tls;

pub use recogniser::{MAX_DNS_BYTES, MAX_DNS_MESSAGES, Recognised, Recogniser, Sender, Smtp, Ssh};

/// What the beginning of a stream turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// So far it may be one; more bytes will tell.
    NeedsMore,
    Found(T),
    /// It is none, and no more bytes will make it one.
    No,
}

impl<T> Progress<T> {
    pub fn found(self) -> Option<T> {
        match self {
            Progress::Found(found) => Some(found),
            Progress::NeedsMore | Progress::No => None,
        }
    }
}

/// The longest host name that is kept, in bytes: twice the 253 that DNS allows, for names in UTF-8. What is longer
/// names no host, and is taken for absent.
pub const MAX_HOST: usize = 512;

#[cfg(test)]
mod tests;
