//! Calls that matter by themselves: signals, tracing, the memory of others, modules, programs for the kernel. What was
//! asked for, of whom, with which result, and how often.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user_str};
use glasshouse_common::{
    CallRecord, Family, kind,
    limits::{ACCESS_INTERVAL_NS, CALL_TEXT_BYTES},
    operation,
    syscall::{NO_ARGUMENT, PR_SET_NAME, PR_SET_PTRACER, PRCTL_CREDENTIALS, PRCTL_TOLD, ToldCall},
};

use super::{file::word, name::hash_bytes, syscall::tell_credentials};
use crate::{
    emit::send,
    entries, fds,
    file::{self, Found},
    layout::{forget, launder, offset, opaque, zero},
    maps::Scratch,
    path::{PathRef, mix_chosen},
    task, text, totals,
};

/// `EPERM` and `ESRCH` of `asm-generic/errno-base.h`.
const EPERM: i64 = 1;
const ESRCH: i64 = 3;

/// A call of class `CLASS_TOLD` returns, its arguments in the scratch memory. Calls that are alike are counted in one
/// entry, as attempts are that fail alike.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn told(
    scratch: *mut Scratch,
    start: u64,
    tgid: u64,
    result: i64,
    call: u64,
) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let found = &raw mut (*scratch).file;
    let mut what = ToldCall(forget(word((call >> 32) as u32, call as u32).0));
    if what.0 & ToldCall::OPTIONS != 0 {
        let option = (*found).arguments[0] & 0xffff_ffff;
        if option != PR_SET_PTRACER && (option > 63 || PRCTL_TOLD >> (option & 63) & 1 == 0) {
            if result >= 0 && option <= 63 && PRCTL_CREDENTIALS >> (option & 63) & 1 != 0 {
                tell_credentials(scratch, start, tgid as u32, call);
            }
            return 0;
        }
        if option == PR_SET_NAME {
            what = ToldCall(what.0 & !(1 << 1)).with(ToldCall::TEXT, 1);
        }
    }
    what = ToldCall(forget(what.0));
    let errno = forget(if result < 0 { -result as u64 } else { 0 }) as i64;
    (*found).asked = zero();
    if what.argument(ToldCall::DESCRIPTOR) != NO_ARGUMENT && (errno == 0 || errno == EPERM) {
        process_of(scratch, argument(found, what, ToldCall::DESCRIPTOR) as u32);
    }
    (*found).length = zero();
    if what.argument(ToldCall::TEXT) != NO_ARGUMENT {
        let own = text::aside(&raw mut (*scratch).text);
        let from = argument(found, what, ToldCall::TEXT);
        (*found).length = bpf_probe_read_user_str(own.cast(), CALL_TEXT_BYTES, from as *const _) as u64;
    }
    let mut kept = what.0;
    if errno == ESRCH {
        // Who tries all numbers of processes that there are not must not fill the map with them.
        kept &= !(1 << what.argument(ToldCall::TARGET));
    }
    let hash = keep_arguments(scratch, kept, call);
    (*found).base = PathRef { mnt: zero(), dentry: zero() };
    let now = task::now();
    let failed = operation::CALL << 16 | errno as u32 & 0xffff;
    let key = entries::begin_failure(found, start, tgid as u32, hash, failed, now);
    let bytes = if what.0 & ToldCall::BYTES != 0 && result > 0 { result as u64 } else { 0 };
    let has_text = u64::from(what.argument(ToldCall::TEXT) != NO_ARGUMENT);
    let Some(entry) = entries::find_or_make(key) else {
        // There is no room to count it: it is told by itself.
        let new = &raw mut (*found).new;
        entries::count_one(new, now);
        (*new).totals.bytes_written = bytes;
        if announce_call(scratch, entries::number_of_one(key, now), result, call, has_text) != 0 {
            entries::note_full();
        }
        return 0;
    };
    totals::count_call(entry, bytes, now);
    if (*entry).seen == 0 {
        entries::take_first(entry, &raw mut (*found).new);
        let lost = announce_call(scratch, key, result, call, has_text);
        totals::sent(entry, lost as u64, now);
    } else if now > (*entry).sent_at + ACCESS_INTERVAL_NS {
        file::send_totals(scratch, key, now);
    }
    0
}

/// The argument that `call` has at `shift`; 0 if it has none.
#[inline(always)]
unsafe fn argument(found: *const Found, call: ToldCall, shift: u32) -> u64 {
    *(&raw const (*found).arguments).cast::<u64>().add((launder((call.0 >> shift) as u32) & 15) as usize)
}

/// Leaves of the arguments those that are told: not where something lies in memory, which differs from call to call.
/// Returns a hash of what makes calls alike.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn keep_arguments(scratch: *mut Scratch, kept: u64, call: u64) -> u64 {
    if scratch.is_null() {
        return 0;
    }
    let found = &raw mut (*scratch).file;
    let arguments = &raw mut (*found).arguments;
    (*arguments)[0] &= mask(kept, 0);
    (*arguments)[1] &= mask(kept, 1);
    (*arguments)[2] &= mask(kept, 2);
    (*arguments)[3] &= mask(kept, 3);
    (*arguments)[4] &= mask(kept, 4);
    (*arguments)[5] &= mask(kept, 5);
    let mut hash = mix_chosen(hash_bytes(scratch, (*found).length), call);
    hash = mix_chosen(hash, (*found).asked);
    hash = mix_chosen(hash, (*arguments)[0]);
    hash = mix_chosen(hash, (*arguments)[1]);
    hash = mix_chosen(hash, (*arguments)[2]);
    hash = mix_chosen(hash, (*arguments)[3]);
    hash = mix_chosen(hash, (*arguments)[4]);
    mix_chosen(hash, (*arguments)[5])
}

/// The lower half if an argument is kept, else nothing: without a choice, of which the verifier would follow both. The kernel
/// does not look at the upper half of these numbers either, where a program could make each call another one.
#[inline(always)]
fn mask(kept: u64, argument: u32) -> u64 {
    (opaque(kept) >> argument & 1).wrapping_neg() & 0xffff_ffff
}

/// Puts the process that a descriptor leads to, as the initial pid namespace numbers it, into the scratch memory.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn process_of(scratch: *mut Scratch, fd: u32) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let opened = fds::of_descriptor(scratch, fd);
    let mut pid = opened.follow(offset!(file_inode)).follow(offset!(inode_private));
    if pid.0 == 0 {
        // Before Linux 6.9 all such descriptors shared one inode.
        pid = opened.follow(offset!(file_private));
    }
    (*scratch).file.asked = u64::from(pid.read::<u32>(offset!(pid_numbers) + offset!(upid_nr)));
    0
}

/// Sends the first record of calls that are alike, which are in the scratch memory, and leaves no totals there. Returns how
/// many of its records found no room.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn announce_call(
    scratch: *mut Scratch,
    key: u64,
    result: i64,
    call: u64,
    has_text: u64,
) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let (text, found) = (&raw mut (*scratch).text, &raw const (*scratch).file);
    let entry = &raw mut (*scratch).file.new;
    let lost = (*text).lost;
    let record = (&raw mut (*text).bytes).cast::<CallRecord>();
    let size = size_of::<CallRecord>() as u32;
    (*record).header =
        task::header((*entry).sent_at, (*entry).start, (*entry).tgid, file::tid(), kind::CALL, size);
    (*record).access = key;
    totals::copy_totals(entry, &raw mut (*record).totals);
    entries::clear_totals(entry);
    let arguments = (&raw mut (*record).arguments).cast();
    bpf_probe_read_kernel(arguments, 48, (&raw const (*found).arguments).cast());
    (*record).result = result;
    (*record).target = (*found).asked as u32;
    (*record).call = call as u32;
    (*record).abi = (call >> 32) as u32;
    (*record).has_text = has_text as u32;
    (*record).text_errno = zero() as u32;
    (*record).length = zero() as u32;
    let length = (*found).length as i64;
    if length < 0 {
        (*record).text_errno = -length as u32;
    } else if length > 0 {
        // The helper counts the NUL.
        (*record).length = length as u32 - 1;
    }
    bpf_probe_read_kernel((&raw mut (*record).text).cast(), CALL_TEXT_BYTES, text::aside(text).cast());
    send(scratch, Family::Files, u64::from(size));
    ((*text).lost - lost) as i32
}
