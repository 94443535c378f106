//! A reader of the running kernel's type information (BTF), for the few structures that are wanted.
//!
//! One pass over the type section finds them and notes where each type begins; members are then resolved from
//! there. General BTF libraries build every one of some 130,000 types first, which takes longer than everything
//! else that happens before the command runs.
//!
//! Format: `Documentation/bpf/btf.rst` of the kernel.

use std::collections::HashMap;

const MAGIC: u16 = 0xeb9f;
const KIND_POINTER: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNCTION: u32 = 12;
const KIND_FUNCTION_PROTOTYPE: u32 = 13;
const KIND_TYPE_TAG: u32 = 18;
/// Anonymous members nest a few levels deep; more than this is damage.
const MAX_DEPTH: u32 = 16;

/// What is wrong with the type information.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    /// It is not BTF, or is cut short.
    #[error("the kernel's type information is damaged at byte {0}")]
    Damaged(usize),
    /// It has a kind of type that this reader does not know the size of.
    #[error("the kernel's type information has a kind {0}, which is not known")]
    UnknownKind(u32),
}

/// Type information, indexed.
pub struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Where each type begins within `types`; ids begin with 1.
    begins: Vec<u32>,
    /// Ids of the wanted structures and typedefs.
    structures: HashMap<&'a [u8], u32>,
    typedefs: HashMap<&'a [u8], u32>,
    /// That of the wanted function.
    function: Option<u32>,
}

fn word(bytes: &[u8], at: usize) -> Result<u32, BtfError> {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).ok_or(BtfError::Damaged(at))?;
    Ok(u32::from_ne_bytes(word))
}

fn text(strings: &[u8], at: u32) -> &[u8] {
    let rest = strings.get(at as usize..).unwrap_or_default();
    rest.split(|byte| *byte == 0).next().unwrap_or_default()
}

impl<'a> Btf<'a> {
    /// Indexes `bytes`, noting the ids of the structures and typedefs that the two functions want, and of one function.
    ///
    /// # Errors
    /// When the bytes are not BTF.
    pub fn index(
        bytes: &'a [u8],
        want_structure: impl Fn(&[u8]) -> bool,
        want_typedef: impl Fn(&[u8]) -> bool,
        wanted_function: Option<&str>,
    ) -> Result<Self, BtfError> {
        if bytes.get(..2).map(|magic| magic == MAGIC.to_ne_bytes()) != Some(true) {
            return Err(BtfError::Damaged(0));
        }
        let header = word(bytes, 4)? as usize;
        let section = |offset: usize| -> Result<&'a [u8], BtfError> {
            let start = header + word(bytes, offset)? as usize;
            let length = word(bytes, offset + 4)? as usize;
            bytes.get(start..start + length).ok_or(BtfError::Damaged(offset))
        };
        let (types, strings) = (section(8)?, section(16)?);
        let mut begins = Vec::with_capacity(types.len() / 24);
        let (mut structures, mut typedefs) = (HashMap::new(), HashMap::new());
        // There are sixty thousand functions, and a name occurs once: its place is found faster than each is compared.
        let find = |name: &str| memchr::memmem::find(strings, &[b"\0", name.as_bytes(), b"\0"].concat());
        let name_at = wanted_function.and_then(find).map(|at| at as u32 + 1);
        let mut function = None;
        let mut at = 0;
        begins.push(0);
        while at < types.len() {
            let info = word(types, at + 4)?;
            let kind = (info >> 24) & 0x1f;
            let id = begins.len() as u32;
            begins.push(at as u32);
            // Forward declarations and typedefs share names with structures; the kind tells them apart.
            if kind == KIND_STRUCT || kind == KIND_TYPEDEF {
                let name = text_quick(strings, word(types, at)?);
                if kind == KIND_STRUCT && want_structure(name) {
                    structures.entry(text(strings, word(types, at)?)).or_insert(id);
                } else if kind == KIND_TYPEDEF && want_typedef(name) {
                    typedefs.entry(text(strings, word(types, at)?)).or_insert(id);
                }
            }
            if kind == KIND_FUNCTION && Some(word(types, at)?) == name_at {
                function = Some(id);
            }
            at += 12 + trailing(kind, (info & 0xffff) as usize)?;
        }
        Ok(Self { types, strings, begins, structures, typedefs, function })
    }

    /// Id of a typedef that was wanted.
    pub fn typedef(&self, name: &str) -> Option<u32> {
        self.typedefs.get(name.as_bytes()).copied()
    }

    /// Id of the function that was wanted.
    pub fn function(&self) -> Option<u32> {
        self.function
    }

    /// How many parameters the function has that a typedef of a pointer to a function leads to.
    pub fn parameters(&self, typedef: u32) -> Option<u32> {
        let (_, info, function) = self.words(self.plain(typedef)?)?;
        if (info >> 24) & 0x1f != KIND_POINTER {
            return None;
        }
        let (_, info, _) = self.words(self.plain(function)?)?;
        ((info >> 24) & 0x1f == KIND_FUNCTION_PROTOTYPE).then_some(info & 0xffff)
    }

    /// Whether a wanted structure exists.
    pub fn has_structure(&self, name: &str) -> bool {
        self.structures.contains_key(name.as_bytes())
    }

    /// Byte offset of a member of a wanted structure. `path` descends by dots, and into arrays by `[index]`; anonymous
    /// members are looked into.
    pub fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        let mut id = *self.structures.get(structure.as_bytes())?;
        let mut bits = 0;
        for step in path.split('.') {
            let (name, index) = match step.split_once('[') {
                Some((name, index)) => (name, Some(index.strip_suffix(']')?.parse::<u32>().ok()?)),
                None => (step, None),
            };
            let (offset, member) = self.member(self.plain(id)?, name.as_bytes(), 0)?;
            bits += offset;
            id = member;
            if let Some(index) = index {
                let (at, info, _) = self.words(self.plain(id)?)?;
                if (info >> 24) & 0x1f != KIND_ARRAY {
                    return None;
                }
                id = word(self.types, at + 12).ok()?;
                let (_, _, bytes) = self.words(self.plain(id)?)?;
                bits += index.checked_mul(bytes)?.checked_mul(8)?;
            }
        }
        Some(bits / 8)
    }

    fn words(&self, id: u32) -> Option<(usize, u32, u32)> {
        let at = *self.begins.get(id as usize).filter(|_| id != 0)? as usize;
        Some((at, word(self.types, at + 4).ok()?, word(self.types, at + 8).ok()?))
    }

    /// Looks through typedefs and qualifiers.
    fn plain(&self, mut id: u32) -> Option<u32> {
        for _ in 0..MAX_DEPTH {
            let (_, info, target) = self.words(id)?;
            match (info >> 24) & 0x1f {
                KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | KIND_TYPE_TAG => id = target,
                _ => return Some(id),
            }
        }
        None
    }

    /// Bit offset and type of a member.
    fn member(&self, id: u32, name: &[u8], depth: u32) -> Option<(u32, u32)> {
        let (at, info, _) = self.words(id)?;
        if depth > MAX_DEPTH || !matches!((info >> 24) & 0x1f, KIND_STRUCT | KIND_UNION) {
            return None;
        }
        let has_bitfields = info >> 31 == 1;
        for index in 0..(info & 0xffff) as usize {
            let entry = at + 12 + index * 12;
            let member_name = text(self.strings, word(self.types, entry).ok()?);
            let member_type = word(self.types, entry + 4).ok()?;
            let mut offset = word(self.types, entry + 8).ok()?;
            if has_bitfields {
                offset &= 0x00ff_ffff;
            }
            if member_name == name {
                return Some((offset, member_type));
            }
            if member_name.is_empty()
                && let Some((inner, found)) =
                    self.plain(member_type).and_then(|id| self.member(id, name, depth + 1))
            {
                return Some((offset + inner, found));
            }
        }
        None
    }
}

/// A name cut at 64 bytes, for comparing: the strings of all structures need not be scanned to their ends.
fn text_quick(strings: &[u8], at: u32) -> &[u8] {
    let at = (at as usize).min(strings.len());
    let rest = &strings[at..(at + 64).min(strings.len())];
    rest.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Bytes that follow the twelve that each type has.
fn trailing(kind: u32, count: usize) -> Result<usize, BtfError> {
    Ok(match kind {
        1 | 14 | 17 => 4,
        3 => 12,
        KIND_STRUCT | KIND_UNION | 15 | 19 => 12 * count,
        6 | 13 => 8 * count,
        2 | 7..=12 | 16 | 18 => 0,
        other => return Err(BtfError::UnknownKind(other)),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// Builds BTF from types and strings.
    fn build(types: &[u8], strings: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(MAGIC.to_ne_bytes());
        bytes.extend([1, 0]);
        for word in [24, 0, types.len() as u32, types.len() as u32, strings.len() as u32] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(types);
        bytes.extend(strings);
        bytes
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    const STRINGS: &[u8] = b"\0file\0f_path\0f_mode\0path_t\0mnt\0";

    fn sample() -> Vec<u8> {
        // 1: int; 2: struct file { int f_mode; union { path_t f_path } }; 3: anonymous union; 4: path_t -> 5;
        // 5: anonymous struct { int; int mnt }
        build(
            &words(&[
                0,
                1 << 24,
                4,
                32, //
                1,
                KIND_STRUCT << 24 | 2,
                16,
                13,
                1,
                0,
                0,
                3,
                64, //
                0,
                KIND_UNION << 24 | 1,
                8,
                6,
                4,
                0, //
                20,
                KIND_TYPEDEF << 24,
                5, //
                0,
                KIND_STRUCT << 24 | 2,
                8,
                13,
                1,
                0,
                27,
                1,
                32,
            ]),
            STRINGS,
        )
    }

    #[test]
    fn members_of_anonymous_members_are_found() {
        let bytes = sample();
        let btf = Btf::index(&bytes, |name| name == b"file", |name| name == b"path_t", None).unwrap();
        assert_eq!(btf.offset("file", "f_mode"), Some(0));
        assert_eq!(btf.offset("file", "f_path"), Some(8));
        assert_eq!(btf.offset("file", "f_path.mnt"), Some(12));
        assert_eq!(btf.offset("file", "f_path.f_none"), None);
        assert_eq!(btf.offset("file", "f_mode.mnt"), None);
        assert_eq!(btf.offset("inode", "i_ino"), None);
        assert_eq!(btf.typedef("path_t"), Some(4));
    }

    #[test]
    fn damage_is_an_error_at_every_length() {
        let bytes = sample();
        for length in 0..bytes.len() {
            let cut = Btf::index(&bytes[..length], |_| true, |_| true, Some("mnt"));
            assert!(cut.is_err(), "{length} of {}", bytes.len());
        }
        assert!(Btf::index(b"not type information", |_| true, |_| true, Some("mnt")).is_err());
    }

    #[test]
    fn the_running_kernel_agrees_with_itself() {
        let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else { return };
        let btf = Btf::index(&bytes, |name| name == b"task_struct", |_| false, Some("schedule")).unwrap();
        let (pid, tgid) =
            (btf.offset("task_struct", "pid").unwrap(), btf.offset("task_struct", "tgid").unwrap());
        assert_eq!(tgid, pid + 4);
        assert!(btf.offset("task_struct", "thread_info.flags").unwrap() < pid);
        assert!(btf.function().is_some());
        let none = Btf::index(&bytes, |_| false, |_| false, Some("no_such_function")).unwrap();
        assert_eq!(none.function(), None);
    }
}
