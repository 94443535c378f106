//! The execution receipt: what was observed of one run, as one JSON document.
//!
//! [`from_session`] makes it from the session's state and the facts of the run, without input, output or a clock;
//! [`write`](mod@write) puts it where the workload can neither redirect nor prevent it.

pub(crate) mod from_session;
pub mod schema;
mod time;
pub mod write;

pub use from_session::{ReceiptOptions, from_session};
pub use schema::Receipt;
