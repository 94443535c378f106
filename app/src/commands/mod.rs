//! To come.

pub mod schema;
