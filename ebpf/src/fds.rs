//! The table of descriptors of the task that runs.

use crate::{
    file::Found,
    layout::{Block, Kernel, Words, forget, offset},
    maps::Scratch,
    task,
};

/// Descriptors of the table that a process begins with: `NR_OPEN_DEFAULT` of `linux/fdtable.h`.
const OWN_FDS: u64 = 64;
/// Words of `struct files_struct` up to the table in use, on the kernels seen.
const FILES_WORDS: usize = 5;

/// The open file of a descriptor of the task that runs; null if there is none. Read by plain addresses: for each load
/// of a pointer whose type it knows the verifier looks through all types of the kernel, milliseconds each.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn file_of(scratch: *mut Scratch, fd: u32) -> u64 {
    if scratch.is_null() {
        return 0;
    }
    let address = task::current_address().follow(offset!(task_files));
    let mut words = Words::<FILES_WORDS>::uninit();
    let files = Block::read(address, words.as_mut_ptr());
    (*scratch).file.shared = u64::from(files.get_or_read::<u32>(offset!(files_count)) > 1);
    let table = Kernel(files.get_or_read(offset!(files_fdt)));
    let mut descriptors = forget(OWN_FDS) as u32;
    let mut array = address.member(offset!(files_own_fds)).0;
    if table != address.member(offset!(files_own)) {
        let mut words = Words::<2>::uninit();
        let table = Block::read(table, words.as_mut_ptr());
        descriptors = table.get(offset!(fdt_max_fds));
        array = table.get(offset!(fdt_fd));
    }
    (*scratch).file.descriptors = descriptors;
    if fd >= descriptors {
        return 0;
    }
    Kernel(array + u64::from(fd) * 8).follow(0).0
}

/// See [`file_of`].
#[inline(always)]
pub(crate) unsafe fn of_descriptor(scratch: *mut Scratch, fd: u32) -> Kernel {
    Kernel(file_of(scratch, fd))
}

/// Whether other tasks can exchange the descriptors of the task that runs, as [`of_descriptor`] has just found.
#[inline(always)]
pub(crate) unsafe fn descriptors_are_shared(found: *const Found) -> bool {
    (*found).shared != 0
}
