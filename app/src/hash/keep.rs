//! What is kept of a process that may be gone before its files are hashed: the file itself, and its mount namespace.
//!
//! Both are descriptors that only name something (`O_PATH`), taken when the exec is seen. A mount namespace lives as
//! long as one is held: that way a file is still found on mounts that no living process sees. It would also keep busy
//! what is mounted there, so it is held for a moment only, and let go of as soon as something is mounted there that
//! somebody could want back: a block device, for instance.

use std::{
    fs::{self, File},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollTimeout};
use tokio::io::unix::AsyncFd;

use super::{
    mounts::{MountTable, Mounts, OwnMounts},
    read::{self, Request, open_proc},
};
use crate::launch::readable_owned;

/// How long a namespace is held after the last exec in it: what is executed in one often follows within moments.
const HOLD_FOR: Duration = Duration::from_secs(1);

/// Namespaces that are known at a time; the one not used for longest makes room.
const NAMESPACES: usize = 64;

/// A descriptor that several requests share.
#[derive(Clone, Debug)]
pub(super) struct Kept(Arc<File>);

impl Kept {
    pub(super) fn new(file: File) -> Self {
        Self(Arc::new(file))
    }

    pub(super) fn file(&self) -> &File {
        &self.0
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_raw_fd() == other.0.as_raw_fd()
    }
}

impl Eq for Kept {}

/// A mount namespace that is held by somebody else, who may let go of it.
#[derive(Clone, Debug)]
pub(super) enum Lent {
    ByKeeper(Weak<File>),
    /// By nobody: the process that looks into it has only this to do.
    Taken(Kept),
}

impl Lent {
    /// Nothing if it is not held any more.
    pub(super) fn kept(&self) -> Option<Kept> {
        match self {
            Self::ByKeeper(file) => file.upgrade().map(Kept),
            Self::Taken(kept) => Some(kept.clone()),
        }
    }
}

impl PartialEq for Lent {
    fn eq(&self, other: &Self) -> bool {
        self.kept() == other.kept()
    }
}

impl Eq for Lent {}

/// A mount namespace that something was executed in.
struct Namespace {
    inode: u32,
    /// Absent where holding it could be noticed.
    held: Option<Held>,
    used: Instant,
}

struct Held {
    namespace: Kept,
    /// Its mount table, which tells when it changes.
    mounts: MountTable,
}

pub(super) struct Keeper {
    /// Inode number of glasshouse's own mount namespace.
    own: u64,
    own_mounts: Option<OwnMounts>,
    /// Readable when a table of a namespace that is held has changed.
    changes: Option<Epoll>,
    /// The same in the event loop, which remembers what it was told even if nobody waits at the moment.
    told: Option<AsyncFd<OwnedFd>>,
    /// What was mounted when the first exec was seen.
    at_first: Mounts,
    namespaces: Vec<Namespace>,
}

impl Keeper {
    pub(super) fn new() -> Self {
        Self {
            own: fs::metadata("/proc/self/ns/mnt").map_or(0, |namespace| namespace.ino()),
            own_mounts: None,
            changes: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).ok(),
            told: None,
            at_first: Mounts::default(),
            namespaces: Vec::new(),
        }
    }

    /// Whether a mount namespace is known to be another one than glasshouse's.
    pub(super) fn is_foreign(&self, namespace: u32) -> bool {
        namespace != 0 && self.own != 0 && u64::from(namespace) != self.own
    }

    /// Takes note that a process is in a mount namespace, and holds that one for a moment if it is another one.
    pub(super) fn enter(&mut self, namespace: u32, pid: Option<u32>) {
        if !self.is_foreign(namespace) {
            return;
        }
        let now = Instant::now();
        if let Some(known) = self.namespaces.iter_mut().find(|known| known.inode == namespace) {
            known.used = now;
            return;
        }
        let Some(pid) = pid else { return };
        let (Some(opened), Some(mut mounts)) = (open_namespace(pid, namespace), MountTable::of(pid)) else {
            return;
        };
        self.own_mounts();
        let watched = self.changes.as_ref().is_some_and(|changes| mounts.watch(changes).is_ok());
        // Read after the watch has begun: what is mounted in between is told.
        let harmless = watched && mounts.read().is_nothing_to_miss_beside(&self.at_first);
        let held = harmless.then_some(Held { namespace: opened, mounts });
        if self.namespaces.len() >= NAMESPACES
            && let Some(oldest) = (0..NAMESPACES).min_by_key(|index| self.namespaces[*index].used)
        {
            self.namespaces.swap_remove(oldest);
        }
        self.namespaces.push(Namespace { inode: namespace, held, used: now });
    }

    /// A mount namespace that is held, for a file to be found in it. Requests may wait for long: they do not hold it.
    pub(super) fn namespace(&self, namespace: u32) -> Option<Lent> {
        let known = self.namespaces.iter().find(|known| known.inode == namespace);
        known.and_then(|known| Some(Lent::ByKeeper(Arc::downgrade(&known.held.as_ref()?.namespace.0))))
    }

    /// The file of a request, if its file system is one that cannot hang.
    pub(super) fn file(&mut self, request: &Request) -> Option<Kept> {
        let facts = request.facts.as_ref()?;
        let own = self.own_mounts();
        if !own.is_local(facts.device) {
            return None;
        }
        read::locate(request, own).map(Kept::new)
    }

    /// Waits for a reason to let go of something, and does so; for ever if nothing is held. Cancel safe.
    pub(super) async fn attend(&mut self) {
        let Some(expires) = self.expires() else { return std::future::pending().await };
        if self.told.is_none() {
            let changes = self.changes.as_ref().and_then(|changes| changes.0.try_clone().ok());
            self.told = changes.and_then(|changes| readable_owned(changes).ok());
        }
        let told = async {
            match &self.told {
                Some(told) => drop(told.readable().await.map(|mut ready| ready.clear_ready())),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep_until(expires.into()) => {}
            () = told => {}
        }
        self.look_again();
        self.expire(Instant::now());
    }

    /// Lets go of the namespaces whose mounts have become such that holding them could be noticed.
    fn look_again(&mut self) {
        if let Some(changes) = &self.changes {
            // Whichever it is of, each table is looked at.
            let _ = changes.wait(&mut [EpollEvent::empty(); NAMESPACES], EpollTimeout::ZERO);
        }
        for known in &mut self.namespaces {
            let harmless = |held: &mut Held| held.mounts.read().is_nothing_to_miss_beside(&self.at_first);
            if known.held.as_mut().is_some_and(|held| !harmless(held)) {
                known.held = None;
            }
        }
    }

    fn expires(&self) -> Option<Instant> {
        self.namespaces.iter().map(|known| known.used + HOLD_FOR).min()
    }

    fn expire(&mut self, now: Instant) {
        self.namespaces.retain(|known| known.used + HOLD_FOR > now);
    }

    fn own_mounts(&mut self) -> &Mounts {
        let at_first = &mut self.at_first;
        let own = self.own_mounts.get_or_insert_with(|| {
            *at_first = Mounts::own();
            OwnMounts::new()
        });
        own.current()
    }
}

/// The mount namespace of a process, if it is this one. Nothing but procfs is asked.
fn open_namespace(pid: u32, namespace: u32) -> Option<Kept> {
    let file = open_proc(&format!("/proc/{pid}/ns/mnt")).ok()?;
    let inode = file.metadata().ok()?.ino();
    (inode == u64::from(namespace)).then(|| Kept::new(file))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed preparation is a failed test")]
mod tests {
    use super::*;

    fn own() -> u32 {
        fs::metadata("/proc/self/ns/mnt").unwrap().ino() as u32
    }

    #[test]
    fn the_own_namespace_needs_no_holding() {
        let mut keeper = Keeper::new();
        keeper.enter(own(), Some(std::process::id()));
        assert_eq!(keeper.expires(), None);
        assert_eq!(keeper.namespace(own()), None);
    }

    #[test]
    fn a_namespace_is_held_for_a_moment() {
        let pid = std::process::id();
        // As if glasshouse were in another one.
        let mut keeper = Keeper { own: 1, ..Keeper::new() };
        keeper.enter(own(), Some(pid));
        assert!(keeper.namespace(own()).is_some(), "the process is not needed any more");
        let expires = keeper.expires().unwrap();
        keeper.expire(expires - Duration::from_millis(1));
        assert!(keeper.namespace(own()).is_some());
        keeper.expire(expires);
        assert_eq!(keeper.namespace(own()), None);
        assert_eq!(keeper.expires(), None);
    }

    #[test]
    fn a_process_in_another_namespace_by_now_leads_nowhere() {
        let mut keeper = Keeper { own: 1, ..Keeper::new() };
        keeper.enter(2, Some(std::process::id()));
        assert_eq!(keeper.expires(), None);
        assert_eq!(keeper.namespace(2), None);
        assert!(!keeper.is_foreign(0), "unknown");
    }

    #[test]
    fn the_namespace_not_used_for_longest_makes_room() {
        let mut keeper = Keeper { own: 1, ..Keeper::new() };
        let early = Instant::now() - Duration::from_millis(500);
        keeper.namespaces = (0..NAMESPACES as u32)
            .map(|number| Namespace {
                inode: 10 + number,
                held: None,
                used: early + Duration::from_millis(u64::from(number)),
            })
            .collect();
        keeper.enter(10, None);
        keeper.enter(own(), Some(std::process::id()));
        let known: Vec<_> = keeper.namespaces.iter().map(|known| known.inode).collect();
        assert_eq!(known.len(), NAMESPACES);
        assert!(known.contains(&10) && known.contains(&own()) && !known.contains(&11));
    }
}
