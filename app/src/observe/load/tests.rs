#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use aya_obj::{
    Object,
    generated::{BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, bpf_insn},
};

use super::{
    OBJECT,
    direct::{CALL, MOVE},
    prepare::{LOAD_WIDE, relocate},
};

/// Code of the instruction that adds a number, of `linux/bpf.h`.
const ADD: u8 = 0x07;
/// Classes of instructions that take an address: those that load, and those that store.
const LOAD: u8 = 1;
const STORES: [u8; 2] = [2, 3];
/// The register that has the address of the frame.
const FRAME: u8 = 10;

/// Since Linux 6.13 a program that calls no other may be given a stack per CPU, which it would share with the run that comes
/// in the middle of it: see `NOWHERE` of the eBPF side.
#[test]
fn what_runs_in_the_middle_of_itself_calls_other_programs() {
    const TAIL_CALL: i32 = 12;
    let object = Object::parse(OBJECT).unwrap();
    for name in ["sock_state_change", "sock_state_change_raw"] {
        let function = &object.functions[&object.programs[name].function_key()];
        let calls = function
            .instructions
            .iter()
            .any(|word| (word.code, word.src_reg(), word.imm) == (CALL, 0, TAIL_CALL));
        assert!(calls, "{name}");
    }
}

/// The functions of a program, by where they begin: with the bytes of their frame, and those that they call or have called.
fn functions(program: &[bpf_insn]) -> Vec<(usize, u32, BTreeSet<usize>)> {
    let target = |at: usize| {
        let word = &program[at];
        let calls = word.code == CALL && u32::from(word.src_reg()) == BPF_PSEUDO_CALL
            || word.code == LOAD_WIDE && u32::from(word.src_reg()) == BPF_PSEUDO_FUNC;
        calls.then(|| (at as i64 + 1 + i64::from(word.imm)) as usize)
    };
    let begins: BTreeSet<usize> = (0..program.len()).filter_map(target).chain([0]).collect();
    let ends = begins.iter().copied().skip(1).chain([program.len()]);
    let of = |(begin, end): (usize, usize)| {
        let deepest = (begin..end).filter_map(|at| {
            let word = &program[at];
            let before = &program[at.saturating_sub(1)];
            let stores = STORES.contains(&(word.code & 7)) && word.dst_reg() == FRAME;
            let loads = word.code & 7 == LOAD && word.src_reg() == FRAME;
            let is_address = word.code == ADD
                && (before.code, before.src_reg(), before.dst_reg()) == (MOVE, FRAME, word.dst_reg());
            if stores || loads {
                Some(-i32::from(word.off))
            } else if is_address {
                Some(-word.imm)
            } else {
                None
            }
        });
        (begin, deepest.max().unwrap_or(0).max(0) as u32, (begin..end).filter_map(target).collect())
    };
    begins.iter().copied().zip(ends).map(of).collect()
}

/// Bytes of stack that a function takes with all that it calls, as Linux 6.1 adds them up, and the deepest chain of frames.
fn stack(functions: &[(usize, u32, BTreeSet<usize>)], begin: usize) -> (u32, u32) {
    let (_, bytes, calls) = functions.iter().find(|(at, ..)| *at == begin).unwrap();
    let below: Vec<_> = calls.iter().map(|called| stack(functions, *called)).collect();
    let deepest = below.iter().map(|(bytes, _)| *bytes).max().unwrap_or(0);
    let frames = below.iter().map(|(_, frames)| *frames).max().unwrap_or(0);
    (bytes.max(&1).next_multiple_of(32) + deepest, frames + 1)
}

#[test]
fn no_chain_of_calls_takes_more_stack_than_the_oldest_kernels_give() {
    let mut object = Object::parse(OBJECT).unwrap();
    relocate(&mut object).unwrap();
    let mut deepest = 0;
    for (name, program) in &object.programs {
        let functions = functions(&object.functions[&program.function_key()].instructions);
        let (bytes, frames) = stack(&functions, 0);
        assert!(bytes <= 512 && frames <= 8, "{name} takes {bytes} bytes in {frames} frames");
        deepest = deepest.max(bytes);
    }
    // The chain from a use of a file to what is told of it: it was looked at.
    assert!(deepest >= 256, "{deepest}");
}
