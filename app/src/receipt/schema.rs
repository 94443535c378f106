//! The receipt's types.

/// The receipt.
#[derive(Clone, Debug)]
pub struct Receipt {}
