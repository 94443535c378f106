//! Maps and sets for keys that a workload chooses, which are looked up for every record, and for other hot places.
//!
//! With the standard library's SipHash the observer took an eighth more instructions. The hash used here is no
//! cryptographic one, but its seeds are as random as those of the standard library, and neither a hash nor an order that
//! depends on one is ever shown: which keys collide cannot be known.

use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use foldhash::{SharedSeed, fast::FoldHasher};

/// A map.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, Seeded>;
/// A set.
pub(crate) type HashSet<T> = std::collections::HashSet<T, Seeded>;
/// A map in the order of insertion.
pub(crate) type IndexMap<K, V> = indexmap::IndexMap<K, V, Seeded>;
/// A set in the order of insertion.
pub(crate) type IndexSet<T> = indexmap::IndexSet<T, Seeded>;

/// Makes the hashers of one map or set.
#[derive(Clone, Copy, Debug)]
pub struct Seeded(u64);

/// The part of the seeds that is the same everywhere.
static SHARED: LazyLock<SharedSeed> = LazyLock::new(|| SharedSeed::from_u64(random()));

/// What the standard library seeds its own maps with.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

impl Default for Seeded {
    fn default() -> Self {
        Self(random())
    }
}

impl BuildHasher for Seeded {
    type Hasher = FoldHasher<'static>;

    fn build_hasher(&self) -> Self::Hasher {
        FoldHasher::with_seed(self.0, &SHARED)
    }
}
