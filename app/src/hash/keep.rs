//! What is kept of a process that may be gone before its files are hashed: the file itself, and its mount namespace.
//!
//! Both are descriptors, taken when the exec is seen, and both keep something mounted: nobody may notice that.
//!
//! A file that is named (`O_PATH`) keeps its mount from being unmounted. So it is held only on mounts that glasshouse
//! keeps mounted anyhow, as it stands on them, and on the kernel's own for what exists in memory alone.
//!
//! A mount namespace lives as long as one is held, and with it the file systems that are mounted there: that way a file
//! is still found on mounts that no living process sees. A device would stay busy, and be written to after it was
//! unmounted for all that anybody can see. So a namespace is held for a moment only, only if it belongs to a user
//! namespace in which no device can be mounted, and only as long as everything that is mounted there lives in memory or
//! is what glasshouse itself stands on.

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
    mounts::{self, MountTable, Mounts, OwnMounts},
    read::{self, Request},
};
use crate::{
    event::Namespaces,
    launch::{readable_owned, user_namespace_of},
};

/// How long a namespace is held after the last exec in it: what is executed in one often follows within moments. What
/// is in its memory file systems takes up memory as long.
const HOLD_FOR: Duration = Duration::from_millis(250);

/// Namespaces that are known at a time; the one not used for longest makes room.
const NAMESPACES: usize = 16;

/// Inode number of the initial user namespace (`PROC_USER_INIT_INO`, include/linux/proc_ns.h), wherever glasshouse is:
/// devices are mounted by its privileged processes, and by no others.
const INITIAL_USER_NAMESPACE: u32 = 0xEFFF_FFFD;

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
    /// What was mounted before the command began.
    at_first: Mounts,
    /// Readable when a table of a namespace that is held has changed.
    changes: Option<Epoll>,
    /// The same in the event loop, which remembers what it was told even if nobody waits at the moment.
    told: Option<AsyncFd<OwnedFd>>,
    namespaces: Vec<Namespace>,
}

impl Keeper {
    pub(super) fn new() -> Self {
        Self {
            own: fs::metadata("/proc/self/ns/mnt").map_or(0, |namespace| namespace.ino()),
            own_mounts: None,
            at_first: Mounts::own(),
            changes: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).ok(),
            told: None,
            namespaces: Vec::new(),
        }
    }

    /// Whether a mount namespace is known to be another one than glasshouse's.
    pub(super) fn is_foreign(&self, namespace: u32) -> bool {
        namespace != 0 && self.own != 0 && u64::from(namespace) != self.own
    }

    /// Takes note that a process is in these namespaces, and holds the mount namespace for a moment if it is another one
    /// that can be held unnoticed.
    pub(super) fn enter(&mut self, namespaces: &Namespaces, pid: Option<u32>) {
        let namespace = namespaces.mnt;
        if !self.is_foreign(namespace) || !is_harmless_user_namespace(namespaces.user) {
            return;
        }
        let now = Instant::now();
        if let Some(known) = self.namespaces.iter_mut().find(|known| known.inode == namespace) {
            known.used = now;
            return;
        }
        let Some(pid) = pid else { return };
        let Some(opened) = open_namespace(pid, namespace) else { return };
        let Some(mut mounts) = MountTable::of(pid) else { return };
        let own = self.own_mounts.get_or_insert_with(OwnMounts::new).current();
        let watched = self.changes.as_ref().is_some_and(|changes| mounts.watch(changes).is_ok());
        // Read after the watch has begun: what is mounted in between is told.
        let harmless = watched && mounts.read().is_nothing_to_miss_beside(own);
        let held = harmless.then_some(Held { namespace: opened, mounts });
        self.remember(Namespace { inode: namespace, held, used: now });
    }

    fn remember(&mut self, namespace: Namespace) {
        if self.namespaces.len() >= NAMESPACES
            && let Some(oldest) = (0..NAMESPACES).min_by_key(|index| self.namespaces[*index].used)
        {
            self.namespaces.swap_remove(oldest);
        }
        self.namespaces.push(namespace);
    }

    /// A mount namespace that is held, for a file to be found in it. Requests may wait for long: they do not hold it.
    pub(super) fn namespace(&self, namespace: u32) -> Option<Lent> {
        let known = self.namespaces.iter().find(|known| known.inode == namespace);
        known.and_then(|known| Some(Lent::ByKeeper(Arc::downgrade(&known.held.as_ref()?.namespace.0))))
    }

    /// Whether a file on this device can be read without anybody missing the device meanwhile. `pids` are processes that
    /// may know it if glasshouse does not.
    pub(super) fn may_read(&mut self, device: (u32, u32), pids: impl IntoIterator<Item = u32>) -> bool {
        let own = self.own_mounts.get_or_insert_with(OwnMounts::new).current();
        let told = own.is_free_beside(device, &self.at_first);
        let told = told.or_else(|| {
            pids.into_iter().find_map(|pid| Mounts::of(pid).is_free_beside(device, &self.at_first))
        });
        told.unwrap_or(true)
    }

    /// The file of a request, if it is on a mount that cannot be unmounted, of a file system that cannot hang.
    pub(super) fn file(&mut self, request: &Request) -> Option<Kept> {
        let device = request.facts.as_ref()?.device;
        let own = self.own_mounts.get_or_insert_with(OwnMounts::new).current();
        // Nothing is opened that is on another device for certain.
        if !own.is_local(device) || !mounts::stood_on().iter().any(|id| own.device(*id) == Some(device)) {
            return None;
        }
        read::locate(request, own, mounts::stood_on()).map(Kept::new)
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
        let own = self.own_mounts.get_or_insert_with(OwnMounts::new).current();
        for known in &mut self.namespaces {
            let harmless = |held: &mut Held| held.mounts.read().is_nothing_to_miss_beside(own);
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
}

/// Whether devices cannot be mounted by who has privileges in this user namespace alone.
fn is_harmless_user_namespace(inode: u32) -> bool {
    inode != 0 && inode != INITIAL_USER_NAMESPACE
}

/// The mount namespace of a process, if it is this one and belongs to a harmless user namespace: a process may be in one
/// that belongs to another than its own. Nothing but procfs is asked.
fn open_namespace(pid: u32, namespace: u32) -> Option<Kept> {
    let file = File::open(format!("/proc/{pid}/ns/mnt")).ok()?;
    let inode = file.metadata().ok()?.ino();
    let owner = File::from(user_namespace_of(&file).ok()?).metadata().ok()?.ino();
    let harmless = u32::try_from(owner).is_ok_and(is_harmless_user_namespace);
    (inode == u64::from(namespace) && harmless).then(|| Kept::new(file))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed preparation is a failed test")]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn own() -> u32 {
        fs::metadata("/proc/self/ns/mnt").unwrap().ino() as u32
    }

    fn namespaces(user: u32, mnt: u32) -> Namespaces {
        Namespaces { user, mnt, ..Namespaces::default() }
    }

    /// Some user namespace, for all that its number tells.
    const OTHER: u32 = 5;

    #[test]
    fn the_own_namespace_needs_no_holding() {
        let mut keeper = Keeper::new();
        keeper.enter(&namespaces(OTHER, own()), Some(std::process::id()));
        assert_eq!(keeper.expires(), None);
        assert_eq!(keeper.namespace(own()), None);
    }

    #[test]
    fn a_namespace_in_which_devices_can_be_mounted_is_not_held() {
        let own_user = fs::metadata("/proc/self/ns/user").unwrap().ino() as u32;
        // As if glasshouse were in another one.
        let mut keeper = Keeper { own: 1, ..Keeper::new() };
        for user in [0, INITIAL_USER_NAMESPACE] {
            keeper.enter(&namespaces(user, own()), Some(std::process::id()));
            assert_eq!(keeper.expires(), None);
        }
        if own_user == INITIAL_USER_NAMESPACE {
            // A process that has a user namespace of its own, and is in a mount namespace that does not belong to it.
            keeper.enter(&namespaces(OTHER, own()), Some(std::process::id()));
            assert_eq!(keeper.expires(), None);
        }
    }

    #[test]
    fn a_namespace_is_held_for_a_moment() {
        let held = Held {
            namespace: Kept::new(File::open("/proc/self/ns/mnt").unwrap()),
            mounts: MountTable::of(std::process::id()).unwrap(),
        };
        let mut keeper = Keeper { own: 1, ..Keeper::new() };
        keeper.remember(Namespace { inode: own(), held: Some(held), used: Instant::now() });
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
        keeper.enter(&namespaces(OTHER, 2), Some(std::process::id()));
        assert_eq!(keeper.expires(), None);
        assert_eq!(keeper.namespace(2), None);
        assert!(!keeper.is_foreign(0), "unknown");
    }

    #[test]
    fn the_namespace_not_used_for_longest_makes_room() {
        let mut keeper = Keeper { own: 1, ..Keeper::new() };
        let early = Instant::now() - Duration::from_millis(500);
        let namespace = |inode, used| Namespace { inode, held: None, used };
        for number in 0..NAMESPACES as u32 {
            keeper.remember(namespace(10 + number, early + Duration::from_millis(u64::from(number))));
        }
        keeper.enter(&namespaces(OTHER, 10), None);
        keeper.remember(namespace(9, Instant::now()));
        let known: Vec<_> = keeper.namespaces.iter().map(|known| known.inode).collect();
        assert_eq!(known.len(), NAMESPACES);
        assert!(known.contains(&10) && known.contains(&9) && !known.contains(&11));
    }

    #[test]
    fn a_file_is_held_only_on_mounts_that_stay() {
        let directory = tempfile::tempdir_in(".").unwrap();
        let path = directory.path().join("program");
        fs::write(&path, "abc").unwrap();
        let facts = Some(read::tests::facts_of(&path));
        let candidates =
            vec![read::Candidate::Path(fs::canonicalize(&path).unwrap().into_os_string().into_vec())];
        let request = Request { candidates, facts };
        let mut keeper = Keeper::new();
        assert!(keeper.file(&request).is_some());
        assert!(read::locate(&request, &Mounts::own(), &[]).is_none());
    }
}
