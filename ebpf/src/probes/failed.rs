//! Attempts that failed: what was tried, on which path, with which error, and how often.

use aya_ebpf::helpers::generated::bpf_probe_read_user_str;
use glasshouse_common::{
    Family, FileFailedRecord, flags, kind,
    limits::{ACCESS_INTERVAL_NS, PATH_BYTES},
    syscall::{FileCall, NO_ARGUMENT},
};

use super::file::{argument, find_base, hash_bytes, send_argument};
use crate::{
    emit::send,
    file,
    layout::offset,
    maps::{ACCESSES, scratch},
    path::PathRef,
    task,
    text::{self, Owner},
    totals,
};

/// A call that takes a path, or that changes a file by its descriptor, failed. Equal attempts are counted in one entry.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn failed(start: u64, process: u64, word: u64, result: i64, call: u64) -> i32 {
    let (tgid, word) = (process as u32, FileCall(word));
    let Some(scratch) = scratch() else { return 0 };
    let found = &raw mut (*scratch).file;
    let mut hash = 0;
    if word.argument(FileCall::PATH) == NO_ARGUMENT {
        // By descriptor: the file itself.
        let file = file::of_descriptor(argument(found, word, FileCall::FD) as u32);
        if file.0 == 0 {
            return 0;
        }
        (*found).base = PathRef::at(file.member(offset!(file_path)));
    } else {
        let own = (&raw mut (*scratch).walk.bytes).cast::<u8>();
        let name = argument(found, word, FileCall::PATH);
        hash = hash_bytes(bpf_probe_read_user_str(own.cast(), PATH_BYTES, name as *const _) as u64);
        find_base(found, word, FileCall::BASE, *own);
    }
    let errno = -result as u32;
    let what = word.operation() << 16 | errno & 0xffff;
    let now = task::now();
    let key = file::begin_failure(found, start, tgid, hash, what, now);
    let Some(entry) = file::find_or_make(key) else { return 0 };
    totals::count_failure(entry, now);
    if (*entry).seen == 0 {
        announce_failure(key, word.0, errno, call);
    } else if now - (*entry).sent_at > ACCESS_INTERVAL_NS {
        file::send_totals(key, now);
    }
    0
}

/// Sends the first record of attempts that fail alike, with their paths.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn announce_failure(key: u64, word: u64, errno: u32, call: u64) -> i32 {
    let (Some(entry), Some(scratch)) = (ACCESSES.get_ptr_mut(&key), scratch()) else { return 0 };
    let word = FileCall(word);
    let text = &raw mut (*scratch).text;
    let lost = (*text).lost;
    (*text).owner =
        Owner { at: (*entry).first_at, start: (*entry).start, tgid: (*entry).tgid, tid: file::tid() };
    let mut bits = flags::CHANGE_BASE | flags::CHANGE_RESOLVED;
    if word.argument(FileCall::PATH) == NO_ARGUMENT {
        text::path(kind::TEXT_BASE, (*scratch).file.base);
    } else {
        bits = send_argument(word.0, 0) as u32;
    }
    if word.argument(FileCall::NEW_PATH) != NO_ARGUMENT {
        bits |= send_argument(word.0, 1) as u32;
    }
    let record = (&raw mut (*text).bytes).cast::<FileFailedRecord>();
    let owner = &raw const (*text).owner;
    let size = size_of::<FileFailedRecord>() as u32;
    core::ptr::write_volatile(&raw mut (*entry).dirty, 0);
    (*record).header =
        task::header((*owner).at, (*owner).start, (*owner).tgid, (*owner).tid, kind::FILE_FAILED, size);
    (*record).access = key;
    totals::copy_totals(entry, &raw mut (*record).totals);
    (*record).operation = word.operation();
    (*record).errno = errno;
    (*record).flags = bits;
    (*record).call = call as u32;
    (*record).abi = (call >> 32) as u32;
    (*record).reserved = 0;
    send(Family::Files, u64::from(size));
    file::sent(entry, (*text).lost - lost, task::now());
    0
}
