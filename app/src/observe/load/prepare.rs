//! What is put into the kernel before there is a target: the object is parsed and relocated, its maps are made and its
//! types are loaded.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsStr,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use aya::maps::MapData;
use aya_obj::{
    Object,
    btf::BtfFeatures,
    generated::{BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE, bpf_map_type},
    maps::LegacyMap,
};

use super::{OBJECT, ObserveError, Ring, failed, is_refusal, no_map, not_permitted, number_for_tests, sys};
use crate::{observe::page_bytes, threads};

/// The object, with its maps and types in the kernel. What is known before there is a target.
pub(in crate::observe) struct Prepared {
    pub(super) object: Object,
    pub(super) maps: Maps,
    pub(super) types: OwnedFd,
}

/// Maps in the kernel.
#[derive(Default)]
pub(super) struct Maps {
    pub(super) plain: HashMap<String, MapData>,
    pub(super) rings: HashMap<String, Ring>,
}

impl Maps {
    fn descriptor(&self, name: &str) -> Result<RawFd, ObserveError> {
        let plain = self.plain.get(name).map(|map| map.fd().as_fd().as_raw_fd());
        let ring = || self.rings.get(name).map(|ring| ring.as_fd().as_raw_fd());
        plain.or_else(ring).ok_or_else(|| no_map(name))
    }

    fn extend(&mut self, more: Self) {
        self.plain.extend(more.plain);
        self.rings.extend(more.rings);
    }
}

impl Prepared {
    /// Parses and relocates the object, puts its types and maps into the kernel, and does `other` on a thread of its own, which
    /// then takes its share of the maps: two CPUs are busy to the end.
    pub(in crate::observe) fn new_beside<T: Send>(
        other: impl Fn() -> T + Sync,
    ) -> (Result<Self, ObserveError>, T) {
        let shared = OnceLock::new();
        let (shared_here, other) = (&shared, &other);
        std::thread::scope(|scope| {
            let beside =
                threads::spawn_beside(scope, move || (other(), shared_here.get().map(MapsToMake::make)));
            let begun = parse_object().and_then(|mut object| {
                let maps = shared.get_or_init(|| MapsToMake::of(&object));
                let numbers = relocate(&mut object)?;
                let types = load_types(&mut object)?;
                Ok((object, numbers, types, maps.make()?))
            });
            let (other, more) = match beside.map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(done)) => done,
                // The thread could not be had, or has panicked: then a map may be missing.
                _ => (other(), None),
            };
            let prepared = begun.and_then(|(mut object, numbers, types, mut maps)| {
                maps.extend(more.transpose()?.unwrap_or_default());
                name_maps(&mut object, &numbers, &maps)?;
                Ok(Self { object, maps, types })
            });
            (prepared, other)
        })
    }
}

/// Maps that have not been created yet, for several threads to take from.
struct MapsToMake {
    /// Those that take longest first.
    maps: Vec<(String, aya_obj::Map)>,
    next: AtomicUsize,
}

impl MapsToMake {
    fn of(object: &Object) -> Self {
        let mut maps: Vec<_> =
            object.maps.iter().map(|(name, map)| (name.clone(), definition(map))).collect();
        // A power of two, a page or more.
        if let Some(bytes) = number_for_tests("GLASSHOUSE_RING_BYTES") {
            let rings = maps.iter_mut().filter(|(_, map)| is_ring(map));
            rings.for_each(|(_, map)| map.set_max_entries(bytes));
        }
        if let Some(entries) = number_for_tests("GLASSHOUSE_ACCESS_ENTRIES") {
            let uses = maps.iter_mut().filter(|(name, _)| name == "ACCESSES");
            uses.for_each(|(_, map)| map.set_max_entries(entries));
        }
        // Of a hash map the kernel sets up a place for each entry, of a ring no more than pages.
        let work = |map: &aya_obj::Map| match map.key_size() {
            0 => map.max_entries() / 64,
            _ => map.max_entries(),
        };
        maps.sort_by_key(|(_, map)| std::cmp::Reverse(work(map)));
        Self { maps, next: AtomicUsize::new(0) }
    }

    /// Creates maps until none is left. Gives those that it has created.
    fn make(&self) -> Result<Maps, ObserveError> {
        let mut made = Maps::default();
        while let Some((name, map)) = self.maps.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let created = MapData::create(map.clone(), name, None).map_err(|error| match &error {
                aya::maps::MapError::CreateError { io_error, .. } if is_refusal(io_error) => {
                    not_permitted(io_error)
                }
                // It has its cause in it, and does not tell it.
                aya::maps::MapError::CreateError { io_error, .. } => {
                    failed(format!("cannot create the eBPF map {name}"), io_error)
                }
                _ => failed(format!("cannot create the eBPF map {name}"), error),
            })?;
            if is_ring(map) {
                let ring = Ring::new(created, map.max_entries() as usize, page_bytes() as usize)
                    .map_err(|error| failed(format!("cannot map the ring {name}"), error))?;
                made.rings.insert(name.clone(), ring);
            } else {
                made.plain.insert(name.clone(), created);
            }
        }
        Ok(made)
    }
}

/// A map without its values, which are hundreds of kilobytes of zeroes where they are not filled in later.
fn definition(map: &aya_obj::Map) -> aya_obj::Map {
    match map {
        aya_obj::Map::Legacy(map) => aya_obj::Map::Legacy(LegacyMap { data: Vec::new(), ..*map }),
        map @ aya_obj::Map::Btf(_) => map.clone(),
    }
}

fn is_ring(map: &aya_obj::Map) -> bool {
    map.map_type() == bpf_map_type::BPF_MAP_TYPE_RINGBUF as u32
}

/// Puts the object's own type information into the kernel.
fn load_types(object: &mut Object) -> Result<OwnedFd, ObserveError> {
    // Every kernel since 5.17 has these but the last, 64-bit enumerations, which the programs do without.
    let features = BtfFeatures::new(true, true, true, true, true, true, true, false);
    let types = object
        .fixup_and_sanitize_btf(&features)
        .map_err(|error| failed("cannot prepare the types of the eBPF object", error))?
        .ok_or_else(|| ObserveError::Failed("the eBPF object has no types".into()))?;
    sys::load_btf(&types.to_bytes()).map_err(|error| {
        if is_refusal(&error) {
            not_permitted(&error)
        } else {
            failed("the kernel refused the types of the eBPF object", error)
        }
    })
}

/// Joins each program with the functions that it calls, and has it name maps by their numbers: the places that they have in
/// what is returned. It takes as long as making them, and so does not wait for them.
pub(super) fn relocate(object: &mut Object) -> Result<Vec<String>, ObserveError> {
    let sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    let maps = std::mem::take(&mut object.maps);
    let numbered = maps.iter().zip(0..).map(|((name, map), number)| (name.as_str(), number, map));
    let relocated = object.relocate_maps(numbered, &sections).and_then(|()| object.relocate_calls(&sections));
    relocated.map_err(|error| failed("cannot relocate the eBPF object", error))?;
    // Programs have those that they call; nobody looks at the others any more.
    let programs: HashSet<_> = object.programs.values().map(aya_obj::Program::function_key).collect();
    object.functions.retain(|key, _| programs.contains(key));
    let names = maps.keys().cloned().collect();
    object.maps = maps;
    Ok(names)
}

/// Has programs name maps by their descriptors, which they have by now.
fn name_maps(object: &mut Object, numbers: &[String], maps: &Maps) -> Result<(), ObserveError> {
    let descriptors: Vec<RawFd> =
        numbers.iter().map(|name| maps.descriptor(name)).collect::<Result<_, _>>()?;
    for word in object.functions.values_mut().flat_map(|function| &mut function.instructions) {
        let names = matches!(u32::from(word.src_reg()), BPF_PSEUDO_MAP_FD | BPF_PSEUDO_MAP_VALUE);
        if word.code == LOAD_WIDE && names {
            let descriptor = usize::try_from(word.imm).ok().and_then(|number| descriptors.get(number));
            word.imm = *descriptor.ok_or_else(|| no_map(&word.imm.to_string()))?;
        }
    }
    Ok(())
}

/// Code of the instruction that loads an address of a map's (`BPF_LD | BPF_IMM | BPF_DW`).
pub(super) const LOAD_WIDE: u8 = 0x18;

/// Parses the embedded object (or the one that `GLASSHOUSE_BPF_OBJECT` names, for trying a fresh build).
fn parse_object() -> Result<Object, ObserveError> {
    let parse =
        |bytes: &[u8]| Object::parse(bytes).map_err(|error| failed("cannot read the eBPF object", error));
    match std::env::var_os("GLASSHOUSE_BPF_OBJECT") {
        Some(path) => parse(&read_object(&path)?),
        None => parse(OBJECT),
    }
}

fn read_object(path: &OsStr) -> Result<Vec<u8>, ObserveError> {
    std::fs::read(path).map_err(|error| failed(format!("cannot read {}", Path::new(path).display()), error))
}
