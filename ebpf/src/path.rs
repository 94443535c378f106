//! Paths as the kernel has them: the dentry chain of a file or directory, walked across mounts to the root of the
//! mount namespace. Components go out leaf first; user space reverses them.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_kernel_str};
use glasshouse_common::{
    FileFacts, flags,
    limits::{COMPONENT_BYTES, PATH_BYTES, PATH_STEPS},
};

use crate::{
    layout::{Block, Kernel, Words, constant, offset, opaque, zero},
    maps::{Scratch, scratch},
    task,
};

/// State of a walk. It lives in a map: a loop's state on the stack would make the verifier follow every iteration.
#[repr(C)]
pub(crate) struct Walk {
    dentry: u64,
    mnt: u64,
    /// Root of the mount that the walk is in.
    mnt_root: u64,
    root_dentry: u64,
    root_mnt: u64,
    /// Bytes of components so far.
    pub(crate) length: u64,
    /// Bytes of all components, kept or not.
    pub(crate) total: u64,
    /// Bytes of components when the process's root was met.
    pub(crate) in_root: u32,
    /// `PATH_*` and `TEXT_*` flags.
    pub(crate) flags: u32,
    /// Task works looked at; see `probes::exec`.
    pub(crate) cursor: u64,
    /// What was found there.
    pub(crate) found: u64,
    /// Hash of all names.
    pub(crate) place: u64,
    /// Hash of the first name and its directory, as the kernel has it.
    pub(crate) name_hash: u64,
    /// Component names, each ended by NUL.
    pub(crate) bytes: [u8; (PATH_BYTES + COMPONENT_BYTES) as usize],
}

/// `struct path`, as far as it is needed.
#[derive(Clone, Copy)]
pub(crate) struct PathRef {
    pub(crate) mnt: u64,
    pub(crate) dentry: u64,
}

impl PathRef {
    /// Reads an embedded `struct path`.
    #[inline(always)]
    pub(crate) unsafe fn at(path: Kernel) -> Self {
        let mut words = Words::<2>::uninit();
        let path = Block::read(path, words.as_mut_ptr());
        Self { mnt: path.get(offset!(path_mnt)), dentry: path.get(offset!(path_dentry)) }
    }
}

/// What words are multiplied with: the odd number next to 2⁶⁴ divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes a word that the workload has chosen into a hash. The second factor is a secret: with one that is known, two words
/// can be chosen for which two others leave the same hash, whatever it began with.
#[inline(always)]
pub(crate) fn mix_chosen(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(FACTOR);
    let keyed = (product ^ product >> 32).wrapping_mul(constant!(SEED) | 1);
    keyed ^ keyed >> 29
}

/// Mixes a word of the kernel's into a hash.
#[inline(always)]
pub(crate) fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(FACTOR);
    product ^ product >> 29
}

#[inline(always)]
fn is_unlinked(dentry: Kernel) -> bool {
    dentry.read::<u64>(offset!(dentry_hash_pprev)) == 0 && dentry.follow(offset!(dentry_parent)) != dentry
}

/// A mount that is in no namespace has a null or an error pointer there; one that a process has only by descriptor is in a
/// namespace of its own, which has no number.
#[inline(always)]
unsafe fn is_detached(mount: Kernel) -> bool {
    has_namespace(mount.0) == 0
}

/// A global function: the verifier looks at it once, and not at every call.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn has_namespace(mount: u64) -> i32 {
    let namespace = Kernel(mount).follow(offset!(mount_ns));
    if namespace.0 == 0 || namespace.0 >= -4095i64 as u64 {
        return 0;
    }
    i32::from(namespace.read::<u64>(offset!(mnt_ns_number)) != 0)
}

/// Words of `struct mount` up to the root of what is mounted, on the kernels seen.
const MOUNT_WORDS: usize = 6;

/// Whether a path is the root of a mount namespace, to which a mount that belongs to none does not lead.
#[inline(always)]
pub(crate) unsafe fn is_namespace_root(path: PathRef) -> bool {
    is_topmost(path.mnt, path.dentry) != 0
}

/// A global function: the verifier looks at it once, and not at every call.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn is_topmost(mnt: u64, dentry: u64) -> i32 {
    let mount = Kernel(mnt - u64::from(offset!(mount_mnt)));
    let root = offset!(mount_mnt) + offset!(vfsmount_root);
    let mut words = Words::<MOUNT_WORDS>::uninit();
    let block = Block::read(mount, words.as_mut_ptr());
    if dentry != block.get_or_read::<u64>(root) {
        return 0;
    }
    let parent = Kernel(block.get_or_read(offset!(mount_parent)));
    if parent == mount {
        return i32::from(!is_detached(mount));
    }
    // What most systems run on is mounted over the file system that the kernel began with.
    let mountpoint: u64 = block.get_or_read(offset!(mount_mountpoint));
    let block = Block::read(parent, words.as_mut_ptr());
    let is_first = block.get_or_read::<u64>(offset!(mount_parent)) == parent.0;
    i32::from(is_first && mountpoint == block.get_or_read(root) && !is_detached(parent))
}

/// Walks a path as the task that runs sees it. The result is in the scratch memory.
#[inline(always)]
pub(crate) unsafe fn walk(scratch: *mut Scratch, path: PathRef) {
    walk_path(scratch, path.mnt, path.dentry);
}

/// A global function: the verifier looks at it once, and not at every call.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn walk_path(scratch: *mut Scratch, mnt: u64, dentry: u64) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let walk = &raw mut (*scratch).walk;
    let root = PathRef::at(task::current_address().follow(offset!(task_fs)).member(offset!(fs_root)));
    (*walk).dentry = dentry;
    (*walk).mnt = mnt;
    (*walk).mnt_root = Kernel(mnt).read(offset!(vfsmount_root));
    (*walk).root_dentry = root.dentry;
    (*walk).root_mnt = root.mnt;
    (*walk).length = zero();
    (*walk).total = zero();
    (*walk).place = zero();
    (*walk).in_root = u32::MAX;
    (*walk).flags = 0;
    let steps = bpf_loop(PATH_STEPS, step as *mut c_void, core::ptr::null_mut(), 0);
    if steps >= i64::from(PATH_STEPS) {
        (*walk).flags |= u32::from(flags::TEXT_TRUNCATED);
    }
    0
}

/// Words of `struct dentry` up to its name, on the kernels seen.
const DENTRY_WORDS: usize = 6;

/// Takes the name of the current dentry, if there is room. Returns whether the walk can go on.
#[inline(always)]
unsafe fn take_name(walk: *mut Walk, dentry: Block<DENTRY_WORDS>) -> bool {
    (*walk).place = mix((*walk).place, dentry.get(offset!(dentry_name_hash)));
    let at = (*walk).length;
    if at >= u64::from(PATH_BYTES) {
        // What does not fit is counted, so that the true length is known.
        (*walk).flags |= u32::from(flags::TEXT_TRUNCATED);
        (*walk).total += u64::from(dentry.get::<u32>(offset!(dentry_name_length))) + 1;
        return true;
    }
    let name = dentry.follow(offset!(dentry_name));
    let to = (&raw mut (*walk).bytes).cast::<u8>().add(at as usize);
    let taken = bpf_probe_read_kernel_str(to.cast(), COMPONENT_BYTES, name.0 as *const _);
    if taken <= 0 {
        (*walk).flags |= u32::from(flags::TEXT_UNREADABLE);
        return false;
    }
    (*walk).length = at + taken as u64;
    (*walk).total += taken as u64;
    true
}

/// One step: to the parent directory, or from the root of a mount to where it is mounted. Returns 1 to stop.
unsafe extern "C" fn step(index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let walk = &raw mut (*scratch).walk;
    let dentry = Kernel((*walk).dentry);
    let mnt = Kernel((*walk).mnt);
    if dentry.0 == (*walk).root_dentry && mnt.0 == (*walk).root_mnt && (*walk).in_root == u32::MAX {
        (*walk).in_root = (*walk).length as u32;
    }
    let mut words = Words::<DENTRY_WORDS>::uninit();
    let block = Block::read(dentry, words.as_mut_ptr());
    let parent = block.follow(offset!(dentry_parent));
    if index == 0 {
        (*walk).name_hash = block.get(offset!(dentry_name_hash));
        if block.get::<u64>(offset!(dentry_hash_pprev)) == 0 && parent != dentry {
            (*walk).flags = flags::PATH_UNLINKED as u32;
        }
    }
    if dentry.0 == (*walk).mnt_root {
        let mount = Kernel(mnt.0 - u64::from(offset!(mount_mnt)));
        let parent = mount.follow(offset!(mount_parent));
        if parent == mount {
            if is_detached(mount) {
                (*walk).flags |= u32::from(flags::PATH_UNREACHABLE);
            }
            return 1;
        }
        (*walk).dentry = mount.read(offset!(mount_mountpoint));
        let mnt = parent.member(offset!(mount_mnt));
        (*walk).mnt = mnt.0;
        (*walk).mnt_root = mnt.read(offset!(vfsmount_root));
        return 0;
    }
    if parent == dentry {
        // A root that is not its mount's: a memfd, a pipe, a disconnected handle. Its own name is all there is.
        (*walk).flags |= u32::from(flags::PATH_UNREACHABLE);
        take_name(walk, block);
        return 1;
    }
    if !take_name(walk, block) {
        return 1;
    }
    (*walk).dentry = parent.0;
    0
}

/// What the kernel says of the file at `file`, written into the record under construction, `at` bytes into it; zeroes
/// throughout when that is null.
#[inline(always)]
pub(crate) unsafe fn file_facts(scratch: *mut Scratch, file: Kernel, at: usize) {
    write_facts(scratch, file.0, at as u64);
}

/// A global function: the verifier looks at it once, and not at every call.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn write_facts(scratch: *mut Scratch, file: u64, at: u64) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let to =
        (&raw mut (*scratch).text.bytes).cast::<u8>().add((opaque(at) & 0xff) as usize).cast::<FileFacts>();
    let file = Kernel(file);
    let inode = file.follow(offset!(file_inode));
    let path = PathRef::at(file.member(offset!(file_path)));
    // At once, and not on the stack, of which little is left here.
    let words = &raw mut (*scratch).file.inode;
    let inode = Block::read(inode, words);
    (*to).inode = inode.get(offset!(inode_ino));
    (*to).size = inode.get(offset!(inode_size));
    (*to).mtime_s = inode.get(offset!(inode_mtime_s));
    (*to).mtime_ns = inode.get(offset!(inode_mtime_ns));
    (*to).ctime_s = inode.get(offset!(inode_ctime_s));
    (*to).ctime_ns = inode.get(offset!(inode_ctime_ns));
    let superblock: u64 = inode.get(offset!(inode_sb));
    (*scratch).file.superblock = superblock;
    (*to).device = Kernel(superblock).read(offset!(sb_dev));
    (*to).mode = u32::from(inode.get::<u16>(offset!(inode_mode)));
    let links: u32 = inode.get(offset!(inode_nlink));
    (*to).links = links;
    let mut bits = 0;
    if file.0 != 0 {
        bits = flags::FILE_PRESENT;
        if links == 0 || is_unlinked(Kernel(path.dentry)) {
            bits |= flags::FILE_UNLINKED;
        }
        if is_detached(Kernel(path.mnt - u64::from(offset!(mount_mnt)))) {
            bits |= flags::FILE_UNREACHABLE;
        }
    }
    (*to).flags = bits;
    0
}
