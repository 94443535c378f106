//! The command's own terminal: what it wrote as a screen, and keys as what it expects to read.

mod dialect;
mod emulator;
mod encode;
#[cfg(test)]
mod tests;
mod widget;

pub use emulator::{Emulator, InputMode, MouseEncoding, MouseMode};
pub use encode::{key, mouse, paste};
pub use widget::Screen;
