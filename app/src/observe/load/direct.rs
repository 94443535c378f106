//! Reading kernel memory without calls. Since Linux 6.17 `bpf_rdonly_cast` makes of any address a pointer that may be loaded
//! from, with zero as the result where nothing can be read; it is no call when the program runs. Until then a helper reads,
//! which takes some 15 ns each time.
//!
//! The object is made for the helper, with instructions that are known here (`known_call!` of the eBPF side).

use aya_obj::{Object, generated::bpf_insn};

// Codes of instructions, `linux/bpf.h`: r = r, r = number, a call, and loads of 8, 4, 2 bytes and of one.
pub(super) const MOVE: u8 = 0xbf;
pub(super) const SET: u8 = 0xb7;
pub(super) const CALL: u8 = 0x85;
const LOAD_8: u8 = 0x79;
const LOAD_4: u8 = 0x61;
const LOAD_2: u8 = 0x69;
const LOAD_1: u8 = 0x71;
/// `BPF_FUNC_probe_read_kernel`.
const PROBE_READ_KERNEL: i32 = 113;
/// `BPF_FUNC_task_pt_regs`.
const TASK_PT_REGS: i32 = 175;
/// `BPF_PSEUDO_KFUNC_CALL`: the call is of a function of the kernel's, by the id of its type.
const KERNEL_FUNCTION: u8 = 2;

/// Makes loads of the reads. `cast` is the id of `bpf_rdonly_cast`.
pub(super) fn read_directly(object: &mut Object, cast: u32) {
    for function in object.functions.values_mut() {
        rewrite(&mut function.instructions, cast);
    }
}

fn rewrite(instructions: &mut [bpf_insn], cast: u32) {
    let make_cast = |call: &mut bpf_insn| {
        call.set_src_reg(KERNEL_FUNCTION);
        call.imm = cast.cast_signed();
    };
    for at in 0..instructions.len() {
        let rest = &mut instructions[at..];
        if let Some([first, second, third, call, last]) = rest.first_chunk_mut().filter(|read| is_read(read))
        {
            first.set_src_reg(third.src_reg());
            second.imm = 0;
            make_cast(call);
            last.set_src_reg(0);
        } else if let Some([first, second, call]) = rest.first_chunk_mut().filter(|regs| is_regs(regs)) {
            first.set_src_reg(second.src_reg());
            second.code = SET;
            second.set_src_reg(0);
            make_cast(call);
        }
    }
}

/// `r1 = task`, `r2 = address`, `call 175`: the helper has one parameter.
fn is_regs([first, second, call]: &[bpf_insn; 3]) -> bool {
    (first.code, first.dst_reg()) == (MOVE, 1)
        && (second.code, second.dst_reg()) == (MOVE, 2)
        && (call.code, call.src_reg(), call.imm) == (CALL, 0, TASK_PT_REGS)
}

/// `r1 = buffer`, `r2 = size`, `r3 = address`, `call 113`, and then `r0 = *buffer` or `r0 = buffer`, which nothing else leads to.
fn is_read([first, second, third, call, last]: &[bpf_insn; 5]) -> bool {
    let is_size = match last.code {
        LOAD_8 => second.imm == 8,
        LOAD_4 => second.imm == 4,
        LOAD_2 => second.imm == 2,
        LOAD_1 => second.imm == 1,
        MOVE => true,
        _ => false,
    };
    is_size
        && (first.code, first.dst_reg()) == (MOVE, 1)
        && (second.code, second.dst_reg()) == (SET, 2)
        && (third.code, third.dst_reg()) == (MOVE, 3)
        && (call.code, call.src_reg(), call.imm) == (CALL, 0, PROBE_READ_KERNEL)
        && (last.dst_reg(), last.src_reg(), last.off) == (0, first.src_reg(), 0)
}

#[cfg(test)]
mod tests {
    use aya_obj::Object;

    use super::*;

    fn words(instructions: &[bpf_insn]) -> Vec<(u8, u8, u8, i16, i32)> {
        let words =
            instructions.iter().map(|word| (word.code, word.dst_reg(), word.src_reg(), word.off, word.imm));
        words.collect()
    }

    /// How many instructions there are in a row that match.
    fn count<const N: usize>(object: &Object, matches: fn(&[bpf_insn; N]) -> bool) -> usize {
        let rows = object.functions.values().flat_map(|function| function.instructions.windows(N));
        rows.filter(|row| row.first_chunk().is_some_and(matches)).count()
    }

    #[test]
    fn reads_become_loads_and_nothing_else_changes() {
        let Ok(mut object) = Object::parse(super::super::OBJECT) else { panic!("the object is damaged") };
        let (reads, regs) = (count(&object, is_read), count(&object, is_regs));
        assert!(reads > 100 && regs == 1, "those of the object are known: {reads}, {regs}");
        let before: Vec<_> =
            object.functions.values().map(|function| words(&function.instructions)).collect();
        read_directly(&mut object, 4711);
        assert_eq!((count(&object, is_read), count(&object, is_regs)), (0, 0));
        let (mut calls, mut changed) = (0, 0);
        for (before, function) in before.iter().zip(object.functions.values()) {
            let after = words(&function.instructions);
            assert_eq!(before.len(), after.len());
            changed += before.iter().zip(&after).filter(|(before, after)| before != after).count();
            calls += after.iter().filter(|word| **word == (CALL, 0, KERNEL_FUNCTION, 0, 4711)).count();
        }
        assert_eq!(calls, reads + regs);
        assert!(changed <= reads * 4 + regs * 3, "{changed} instructions are others");
    }
}
