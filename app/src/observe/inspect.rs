//! Looking at the programs themselves, for `doctor`.

use super::{Ground, ObserveError, Target, kernel, load};
use crate::{facts::ProbeFacts, syscalls::Table};

/// What the kernel says of one loaded program.
#[derive(Clone, Debug)]
pub struct ProgramReport {
    /// Its name.
    pub name: &'static str,
    /// How it is attached.
    pub kind: &'static str,
    /// Instructions that the verifier looked at; 0 where the kernel does not tell (before Linux 5.16).
    pub verified_instructions: u32,
    /// eBPF instructions.
    pub instructions: u32,
    /// Bytes of machine code.
    pub machine_code_bytes: u32,
}

/// What loading everything showed.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Every probe of the plan.
    pub probes: Vec<ProbeFacts>,
    /// Every program that is loaded.
    pub programs: Vec<ProgramReport>,
}

/// Whether the kernel's type information has what is needed.
///
/// # Errors
/// When it has not; the text says what is missing.
pub fn check_types() -> Result<(), ObserveError> {
    kernel().map(|_| ())
}

/// Loads and attaches everything, observes nothing, and takes it all out again.
///
/// # Errors
/// Those of [`super::Observer::start`].
pub fn inspect() -> Result<Inspection, ObserveError> {
    let Ground { kernel, prepared } = Ground::lay()?;
    let (native, compat) = (Table::native(), Table::compat());
    // No process has the pid 0.
    let target = Target { pid: 0, pid_namespace: 0, group: None, freeze: None };
    let constants = load::Constants {
        kernel: &kernel,
        target: &target,
        loads_all: true,
        backpressure: true,
        native: &native,
        compat: &compat,
    };
    let loaded = load::Loaded::load(prepared, &constants)?;
    let programs = loaded
        .programs
        .iter()
        .map(|program| {
            let stats = program.stats().unwrap_or_default();
            ProgramReport {
                name: program.probe.name,
                kind: program.attachment.kind(),
                verified_instructions: stats.verified_instructions,
                instructions: stats.code_bytes / 8,
                machine_code_bytes: stats.machine_code_bytes,
            }
        })
        .collect();
    Ok(Inspection { probes: loaded.probes.clone(), programs })
}
