//! Offsets of kernel structures in the place of the numbers that stand for them in the object's instructions
//! (`offset!` of the eBPF side): to load each from a map would take the verifier three times as long, and the program a load.

use aya_obj::{Object, generated::bpf_insn};
use glasshouse_common::layout::{OFFSET_MARK, Offsets};
use zerocopy::IntoBytes as _;

use super::direct::SET;

/// The same as [`SET`], which extends a number by its sign, by zeroes.
const SET_HALF: u8 = 0xb4;

/// Puts them there.
pub(super) fn put(object: &mut Object, offsets: &Offsets) {
    let (offsets, _) = offsets.as_bytes().as_chunks();
    for word in object.functions.values_mut().flat_map(|function| &mut function.instructions) {
        if let Some(offset) = number(word).and_then(|number| offsets.get(number)) {
            word.code = SET_HALF;
            word.imm = i32::from_ne_bytes(*offset);
        }
    }
}

/// Which of the offsets an instruction sets a register to.
fn number(word: &bpf_insn) -> Option<usize> {
    let number = word.imm.checked_sub(OFFSET_MARK).filter(|_| word.code == SET)?;
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use glasshouse_common::layout::OFFSETS;

    use super::*;

    #[test]
    fn every_mark_is_that_of_an_offset() {
        let Ok(mut object) = Object::parse(super::super::OBJECT) else { panic!("the object is damaged") };
        let numbers = |object: &Object| -> Vec<usize> {
            let words = object.functions.values().flat_map(|function| &function.instructions);
            words.filter_map(number).filter(|number| *number < 1 << 16).collect()
        };
        let before = numbers(&object);
        assert!(before.len() > 150 && before.iter().all(|number| *number < OFFSETS.len()), "{before:?}");
        put(&mut object, &Offsets::ABSENT);
        assert!(numbers(&object).is_empty());
    }
}
