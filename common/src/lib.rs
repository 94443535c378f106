//! The ABI between the eBPF programs and user space.
//!
//! Every structure is `repr(C)`, has no implicit padding and is checked for its size at compile time, so that the
//! two sides, built by two compilers, cannot disagree. User space (feature `user`) reads the structures from bytes
//! with `zerocopy`; nothing is ever transmuted into an enum: kinds and codes travel as integers.
#![no_std]
#![warn(missing_docs)]

/// Declares a record of the ABI: `repr(C)`, copyable, checked for its size, readable from bytes in user space.
macro_rules! record {
    ($(#[$meta:meta])* $name:ident, $size:expr, { $($(#[$fmeta:meta])* $field:ident: $ty:ty,)* }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "user", derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout))]
        pub struct $name {
            $($(#[$fmeta])* pub $field: $ty,)*
        }
        const _: () = assert!(core::mem::size_of::<$name>() == $size);
    };
}

pub mod counters;
pub mod flags;
pub mod header;
pub mod kind;
pub mod layout;
pub mod limits;
pub mod network;
pub mod operation;
pub mod payload;
pub mod socket;
pub mod state;
pub mod syscall;

pub use counters::{Counters, FAMILIES, Family};
pub use header::Header;
pub use network::*;
pub use payload::*;
