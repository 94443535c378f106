//! The execution receipt: what was observed of one run, as one JSON document.

mod from_session;
mod redact;
pub mod schema;
pub mod write;

pub use from_session::{ReceiptOptions, from_session};
pub use redact::{RedactError, Redactor};
pub use schema::Receipt;
