//! A control group of the workload's own, below the caller's, so that the caller's limits still apply.
//!
//! It serves to signal everything at once and carries the network programs; what is observed is decided elsewhere.
//! Where it cannot be had, glasshouse goes on without and says so.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            ffi::{OsStrExt as _, OsStringExt as _},
            fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
        },
    },
    path::{Component, Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{self, Signal},
    unistd::Pid,
};

use super::{Freezer, quoted, signals::SignalNumber};

/// How long survivors are moved and the group is tried to be removed. Moving one takes microseconds after the first
/// (10 ms); only a fork bomb or a task that is stuck in the kernel can come near it.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(3);

/// Attempts that find a fresh name. Names carry a pid and 32 random bits.
const NAME_ATTEMPTS: u32 = 4;

/// The workload's control group. Dropping it moves survivors back and removes it.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    /// Where survivors go: the group that glasshouse itself is in.
    callers: PathBuf,
    directory: File,
    freezer: Arc<Freezer>,
    removed: bool,
}

impl Cgroup {
    /// Creates a group below the caller's.
    ///
    /// # Errors
    /// In words, why there is none: no cgroup v2 hierarchy, or no permission.
    pub fn create() -> Result<Self, String> {
        let read = |path: &str| fs::read(path).map_err(|error| format!("cannot read {path}: {error}"));
        let own = own_group(&read("/proc/self/cgroup")?).ok_or("this kernel has no cgroup v2 hierarchy")?;
        let callers = callers_directories(&read("/proc/self/mountinfo")?, &own);
        let Some(first) = callers.first() else {
            return Err(
                "the cgroup v2 hierarchy is not mounted; type: mount -t cgroup2 none DIRECTORY".into()
            );
        };
        let mut refusal = String::new();
        for callers in &callers {
            match Self::create_below(callers) {
                Ok(group) => return Ok(group),
                Err(error) if refusal.is_empty() => {
                    refusal = format!("cannot create a group in {}: {error}", quoted(first));
                }
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    fn create_below(callers: &Path) -> io::Result<Self> {
        remove_stale(callers);
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for _ in 0..NAME_ATTEMPTS {
            let path = callers.join(name_of(std::process::id(), pid_namespace(), random()?));
            match fs::DirBuilder::new().mode(0o755).create(&path) {
                Ok(()) => {
                    let opened = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(&path);
                    let directory = opened.inspect_err(|_| drop(fs::remove_dir(&path)))?;
                    // A directory that is no cgroup would take everything and do nothing, and has no freezer.
                    let freezer = Freezer::of(&path).inspect_err(|_| drop(fs::remove_dir(&path)))?;
                    let (callers, freezer) = (callers.to_owned(), Arc::new(freezer));
                    return Ok(Self { path, callers, directory, freezer, removed: false });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its directory.
    pub fn directory(&self) -> Option<OwnedFd> {
        self.directory.try_clone().ok().map(OwnedFd::from)
    }

    /// Moves a process into it. Costs 10 ms or more (`cgroup_threadgroup_rwsem`); a child that begins life in the
    /// group does not.
    pub fn add(&self, pid: u32) -> io::Result<()> {
        add_to(&self.path, pid)
    }

    /// There is a process in it or in a group below it.
    pub fn is_populated(&self) -> bool {
        is_populated(&self.path)
    }

    /// Sends a signal to every process in it and below it; says whether `pid` was among them, and the first of what
    /// went wrong: somebody who may not be signalled keeps nobody else from it. SIGKILL reaches those too that are
    /// just being forked.
    pub fn kill(&self, signal: SignalNumber, pid: u32) -> (bool, io::Result<()>) {
        if signal == Signal::SIGKILL.into() && fs::write(self.path.join("cgroup.kill"), "1").is_ok() {
            return (false, Ok(()));
        }
        let mut seen = false;
        let mut failure = None;
        for group in groups_below(&self.path) {
            let members = members(&group).unwrap_or_else(|error| {
                failure.get_or_insert(error);
                Vec::new()
            });
            for member in members {
                seen |= member == pid;
                // SAFETY: a plain system call with numbers.
                match Errno::result(unsafe { libc::kill(member.cast_signed(), signal.0) }) {
                    Ok(_) | Err(Errno::ESRCH) => {}
                    Err(errno) => drop(failure.get_or_insert_with(|| errno.into())),
                }
            }
        }
        (seen, failure.map_or(Ok(()), Err))
    }

    /// What freezes every process in it and below it.
    pub fn freezer(&self) -> &Arc<Freezer> {
        &self.freezer
    }

    /// Moves survivors, also those of nested groups, to the caller's group, until there are none; then removes the
    /// groups, deepest first. Does nothing the second time.
    ///
    /// # Errors
    /// The group could not be emptied or removed in time.
    pub fn remove(&mut self) -> io::Result<()> {
        if self.removed {
            return Ok(());
        }
        // What is frozen cannot go on outside either.
        self.freezer.close();
        let until = Instant::now() + REMOVAL_PATIENCE;
        loop {
            let outcome = self.try_remove();
            match outcome {
                Ok(()) => {
                    self.removed = true;
                    return Ok(());
                }
                Err(error) if Instant::now() >= until => {
                    return Err(io::Error::new(
                        error.kind(),
                        format!("cannot remove the control group {}: {error}", quoted(&self.path)),
                    ));
                }
                // A task that is just ending, or one that forked behind our back.
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn try_remove(&self) -> io::Result<()> {
        let mut groups = groups_below(&self.path);
        for group in &groups {
            for pid in members(group)? {
                self.move_back(pid)?;
            }
        }
        // Parents come before their children in the list.
        groups.reverse();
        for group in &groups {
            match fs::remove_dir(group) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// To the caller's group, or to the nearest one above it that is left.
    fn move_back(&self, pid: u32) -> io::Result<()> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for group in self.callers.ancestors() {
            match add_to(group, pid) {
                Ok(()) => return Ok(()),
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(()),
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => {
                    last = error
                }
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

impl AsFd for Cgroup {
    /// The directory, as `CLONE_INTO_CGROUP` wants it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Whoever wanted to know about a failure has called `remove`.
        drop(self.remove());
    }
}

fn is_populated(group: &Path) -> bool {
    fs::read(group.join("cgroup.events"))
        .is_ok_and(|events| events.split(|&byte| byte == b'\n').any(|line| line == b"populated 1"))
}

fn add_to(group: &Path, pid: u32) -> io::Result<()> {
    OpenOptions::new().write(true).open(group.join("cgroup.procs"))?.write_all(pid.to_string().as_bytes())
}

/// The processes of one group. A threaded group lists none: its processes stand in the group at the root of its
/// domain, which is ours or one below it.
fn members(group: &Path) -> io::Result<Vec<u32>> {
    let list = match fs::read_to_string(group.join("cgroup.procs")) {
        Ok(list) => list,
        Err(error)
            if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOENT | libc::ENODEV)) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    // 0 stands for a process of a pid namespace that we do not see into.
    Ok(list.lines().filter_map(|line| line.parse().ok()).filter(|&pid| pid != 0).collect())
}

/// A group and all groups below it, parents before their children.
fn groups_below(group: &Path) -> Vec<PathBuf> {
    let mut groups = vec![group.to_owned()];
    let mut next = 0;
    while let Some(group) = groups.get(next) {
        next += 1;
        let Ok(entries) = fs::read_dir(group) else { continue };
        let below = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        groups.extend(below.map(|entry| entry.path()).collect::<Vec<_>>());
    }
    groups
}

/// Inode number of glasshouse's own pid namespace, in which its pid is its name.
fn pid_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
}

fn name_of(pid: u32, namespace: u64, random: u32) -> String {
    format!("glasshouse-{pid}-{namespace:x}-{random:08x}")
}

/// Removes the groups of those glasshouses that were killed before they could do it, once nobody is in them any more:
/// the kernel removes no other. Whoever lives, or has got the pid of one who does not, keeps his; so does one of another
/// pid namespace, of whom it cannot be told from here.
fn remove_stale(callers: &Path) {
    let Ok(entries) = fs::read_dir(callers) else { return };
    let namespace = pid_namespace();
    for entry in entries.flatten() {
        let Some(pid) = maker(&entry.file_name(), namespace) else { continue };
        let group = entry.path();
        if signal::kill(pid, None) == Err(Errno::ESRCH) && !is_populated(&group) {
            // Nested ones first.
            groups_below(&group).iter().rev().for_each(|group| drop(fs::remove_dir(group)));
        }
    }
}

/// Whose group of this pid namespace this is, from the name that [`name_of`] gives.
fn maker(name: &OsStr, namespace: u64) -> Option<Pid> {
    let (pid, rest) = name.to_str()?.strip_prefix("glasshouse-")?.split_once('-')?;
    let (made_in, random) = rest.split_once('-')?;
    let is_ours = random.len() == 8
        && random.bytes().all(|byte| byte.is_ascii_hexdigit())
        && u64::from_str_radix(made_in, 16) == Ok(namespace);
    pid.parse().ok().filter(|&pid: &i32| is_ours && pid > 0).map(Pid::from_raw)
}

/// The path in the cgroup v2 hierarchy, from `/proc/self/cgroup` (cgroups(7)): the line with hierarchy id 0.
fn own_group(lines: &[u8]) -> Option<PathBuf> {
    let line = lines.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    Some(PathBuf::from(OsStr::from_bytes(line)))
}

/// Directories in which the group `own` is mounted, from `/proc/self/mountinfo` (proc_pid_mountinfo(5)). A mount may
/// show the hierarchy from some group on only; `own` must be below that one.
fn callers_directories(mountinfo: &[u8], own: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in mountinfo.split(|&byte| byte == b'\n') {
        let fields: Vec<_> = line.split(|&byte| byte == b' ').collect();
        // mount id, parent id, device, root, mount point, options, optional fields…, "-", type, source, options
        let (Some(root), Some(point)) = (fields.get(3), fields.get(4)) else { continue };
        let kind = fields.iter().skip(6).skip_while(|field| **field != b"-").nth(1);
        if kind != Some(&b"cgroup2".as_slice()) {
            continue;
        }
        let Ok(below) = own.strip_prefix(unescaped(root)) else { continue };
        // `..`: outside of the root of our cgroup namespace.
        if below.components().all(|part| matches!(part, Component::Normal(_))) {
            // Through the components: joining nothing would leave a slash at the end.
            found.push(unescaped(point).join(below).components().collect());
        }
    }
    found
}

/// Undoes the `\ooo` of mountinfo.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let octal =
            after.get(..3).filter(|digits| first == b'\\' && digits.iter().all(|d| (b'0'..b'8').contains(d)));
        if let Some(digits) = octal {
            bytes.push(
                digits.iter().fold(0_u8, |value, digit| value.wrapping_mul(8).wrapping_add(digit - b'0')),
            );
            rest = after.get(3..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

fn random() -> io::Result<u32> {
    let mut bytes = [0; 4];
    // SAFETY: the buffer is valid for writes of its length.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if got == 4 { Ok(u32::from_ne_bytes(bytes)) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::process::{Child, Command};

    use super::*;

    const HYBRID: &[u8] = b"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n\
        41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw,relatime shared:3 master:1 - cgroup2 cgroup2 rw\n";

    #[test]
    fn finds_the_callers_group_wherever_it_is_mounted() {
        let directories = |mountinfo: &[u8], own: &str| callers_directories(mountinfo, Path::new(own));
        assert_eq!(directories(HYBRID, "/a/b"), [Path::new("/sys/fs/cgroup/uni fied/a/b")]);
        assert_eq!(directories(HYBRID, "/"), [Path::new("/sys/fs/cgroup/uni fied")]);
        assert_eq!(directories(HYBRID, "/../x"), [] as [&Path; 0]);
        let container = b"9 8 0:9 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(directories(container, "/docker/1/x"), [Path::new("/sys/fs/cgroup/x")]);
        assert_eq!(directories(container, "/docker/12"), [] as [&Path; 0]);
        assert_eq!(directories(b"\n1 2\n", "/"), [] as [&Path; 0]);
    }

    #[test]
    fn reads_the_version_2_line_only() {
        assert_eq!(own_group(b"4:memory:/m\n0::/x y\n").unwrap(), Path::new("/x y"));
        assert_eq!(own_group(b"4:memory:/m\n"), None);
    }

    #[test]
    fn groups_of_others_are_not_taken_for_ours() {
        assert_eq!(maker(OsStr::new("glasshouse-12-f-0123abcd"), 15), Some(Pid::from_raw(12)));
        for name in
            ["glasshouse-12", "glasshouse-x-f-0123abcd", "glasshouse-12-e-0123abcd", "glasshouse-12-my.slice"]
        {
            assert_eq!(maker(OsStr::new(name), 15), None, "{name}");
        }
    }

    #[test]
    fn what_a_killed_one_left_is_removed_once_it_is_empty() {
        let Some(group) = group() else { return };
        let callers = group.path().parent().unwrap();
        let mut dead = Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        let left = |pid: u32, random: u32| {
            let path = callers.join(name_of(pid, pid_namespace(), random));
            fs::create_dir_all(path.join("nested")).unwrap();
            path
        };
        let empty = left(dead.id(), 1);
        let populated = left(dead.id(), 2);
        let living = left(std::process::id(), 3);
        let mut inhabitant = sleeper();
        add_to(&populated, inhabitant.id()).unwrap();
        remove_stale(callers);
        assert!(!empty.exists() && populated.join("nested").exists() && living.exists());
        inhabitant.kill().unwrap();
        inhabitant.wait().unwrap();
        remove_stale(callers);
        assert!(!populated.exists());
        for path in groups_below(&living).iter().rev() {
            fs::remove_dir(path).unwrap();
        }
    }

    /// A group, where the user who runs the tests may make one.
    fn group() -> Option<Cgroup> {
        match Cgroup::create() {
            Ok(group) => Some(group),
            Err(reason) => {
                assert!(!nix::unistd::geteuid().is_root(), "{reason}");
                None
            }
        }
    }

    fn sleeper() -> Child {
        Command::new("sleep").arg("100").spawn().unwrap()
    }

    #[test]
    fn survivors_of_nested_groups_are_moved_back() {
        let Some(mut group) = group() else { return };
        let (mut one, mut two) = (sleeper(), sleeper());
        let nested = group.path().join("nested/deeper");
        fs::create_dir_all(&nested).unwrap();
        group.add(one.id()).unwrap();
        add_to(&nested, two.id()).unwrap();
        assert!(group.is_populated());
        group.remove().unwrap();
        assert!(!group.path().exists());
        group.remove().unwrap();
        for child in [&mut one, &mut two] {
            let list = fs::read(format!("/proc/{}/cgroup", child.id())).unwrap();
            assert_eq!(own_group(&list), own_group(&fs::read("/proc/self/cgroup").unwrap()));
            assert!(child.try_wait().unwrap().is_none(), "it still runs");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn signals_reach_nested_groups() {
        use std::os::unix::process::ExitStatusExt as _;
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            let Some(group) = group() else { return };
            let (mut one, mut two) = (sleeper(), sleeper());
            let nested = group.path().join("nested");
            fs::create_dir(&nested).unwrap();
            group.add(one.id()).unwrap();
            add_to(&nested, two.id()).unwrap();
            let (seen, sent) = group.kill(signal.into(), two.id());
            sent.unwrap();
            assert_eq!(seen, signal == Signal::SIGTERM);
            assert_eq!(one.wait().unwrap().signal(), Some(signal as i32));
            assert_eq!(two.wait().unwrap().signal(), Some(signal as i32));
            let path = group.path().to_owned();
            drop(group);
            assert!(!path.exists());
        }
    }
}
