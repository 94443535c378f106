//! Names of system calls (to be replaced).

use crate::event::{Abi, Syscall};

/// The name of a call.
pub fn name(call: Syscall) -> String {
    match call.abi {
        Abi::Native => format!("syscall_{}", call.number),
        Abi::Compat => format!("i386:syscall_{}", call.number),
    }
}
