//! Maps that are read many entries at a time: one at a time would be two system calls for each, a microsecond and
//! more.

use std::{io, marker::PhantomData, mem::MaybeUninit, os::fd::AsFd as _};

use aya::maps::MapData;

use super::sys;

/// Entries at a time, at first. Those that share a place in the map's table come together or not at all.
const ENTRIES: usize = 1_024;

/// A hash map or an array that nothing is added to or removed from any more.
pub(in crate::observe) struct Settled<K, V> {
    map: MapData,
    entries: PhantomData<(K, V)>,
}

impl<K: aya::Pod, V: aya::Pod> Settled<K, V> {
    /// `map` has keys and values of these types.
    pub(super) fn new(map: MapData) -> Self {
        Self { map, entries: PhantomData }
    }

    /// Looks at every entry.
    ///
    /// # Errors
    /// The kernel's answer; those that come after it were not looked at.
    pub(in crate::observe) fn for_each(&self, mut look: impl FnMut(K, V)) -> io::Result<()> {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let mut entries = ENTRIES;
        let mut position = None;
        loop {
            keys.resize(entries, MaybeUninit::<K>::uninit());
            values.resize(entries, MaybeUninit::<V>::uninit());
            let batch = match sys::lookup_batch(self.map.fd().as_fd(), position, &mut keys, &mut values) {
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                    entries *= 2;
                    continue;
                }
                batch => batch?,
            };
            for (key, value) in keys.iter().zip(&values).take(batch.entries) {
                // SAFETY: the kernel has filled in so many of both, and every bit pattern is a value.
                look(unsafe { key.assume_init() }, unsafe { value.assume_init() });
            }
            match batch.next {
                Some(next) => position = Some(next),
                None => return Ok(()),
            }
        }
    }
}
