//! Real programs and their files: what strace saw of a run against what the receipt of that same run says.
//!
//! glasshouse watches strace, which traces the command: the pids, the temporary names and the order are the same, and
//! every fact can be compared. strace's own process is left out.
//!
//! Exceptions, each for a reason:
//! - strace names a descriptor by where its file is now, the receipt by where it was opened: bytes are compared for files
//!   that were never renamed;
//! - of a deleted file strace has no name that could be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::differences::Differences;
use crate::support::file_trace::{self, FileTrace, line};
use crate::support::privilege::needs;
use crate::support::{Receipt, watch};

/// Runs a shell script in a folder that another one has prepared, watched and traced at once, and compares.
#[track_caller]
fn agree(prepare: &str, script: &str) {
    let outside = crate::support::watch::public_folder();
    let log = crate::support::real(outside.path()).join("trace");
    let mut words = file_trace::words(&log);
    words.extend(["sh", "-c", script].map(OsString::from));
    let watched = watch(words).env("HOME", outside.path());
    let folder = watched.folder();
    let prepared = Command::new("sh")
        .args(["-ec", prepare])
        .current_dir(&folder)
        .env("HOME", outside.path())
        .output()
        .unwrap();
    assert!(prepared.status.success(), "{}", String::from_utf8_lossy(&prepared.stderr));
    let run = watched.run();
    let receipt = run.complete(0);
    let trace = file_trace::read(&log, &folder);
    assert!(!trace.opens.is_empty(), "strace saw nothing");
    compare(&trace, &receipt);
}

/// Facts that only one side has, in words.
#[track_caller]
fn compare(trace: &FileTrace, receipt: &Receipt) {
    let seen = Seen::of(receipt, trace);
    let mut differences = Differences::default();
    differences.counts("opens", &trace.opens, &seen.opens);
    differences.counts("failed attempts", &trace.failed, &seen.failed);
    differences.counts("changes", &trace.changes, &seen.changes);
    let renamed: BTreeSet<_> = receipt
        .changes_by("rename")
        .iter()
        .flat_map(|change| [change.path(), change.new_path()])
        .flatten()
        .collect();
    let steady = |counts: &BTreeMap<(u64, PathBuf), u64>| -> BTreeMap<(u64, PathBuf), u64> {
        let moved = |path: &Path| path.ancestors().any(|folder| renamed.contains(folder));
        counts
            .iter()
            .filter(|((_, path), count)| **count > 0 && !moved(path) && !path.starts_with("/dev"))
            .map(|(key, count)| (key.clone(), *count))
            .collect()
    };
    differences.counts("bytes read", &steady(&trace.read), &steady(&seen.read));
    differences.counts("bytes written", &steady(&trace.written), &steady(&seen.written));
    // Whatever the names: all that each process read and wrote.
    let totals = |counts: &BTreeMap<(u64, PathBuf), u64>| -> BTreeMap<u64, u64> {
        let mut totals = BTreeMap::new();
        for ((process, path), count) in counts {
            if *count > 0 && !path.starts_with("/dev") {
                *totals.entry(*process).or_default() += count;
            }
        }
        totals
    };
    differences.counts("bytes read in all", &totals(&trace.read), &totals(&seen.read));
    differences.counts("bytes written in all", &totals(&trace.written), &totals(&seen.written));
    differences.expect_none();
}

/// The operations whose failures are compared.
const ASKED: [&str; 13] = [
    "open",
    "stat",
    "access",
    "readlink",
    "mkdir",
    "delete",
    "rename",
    "link",
    "chdir",
    "rmdir",
    "getxattr",
    "listxattr",
    "watch",
];

/// The receipt in the words of a trace.
struct Seen {
    opens: file_trace::Counts<PathBuf>,
    failed: file_trace::Counts<String>,
    changes: file_trace::Counts<String>,
    read: file_trace::Counts<PathBuf>,
    written: file_trace::Counts<PathBuf>,
}

impl Seen {
    /// Of the processes of the trace: strace, and what it tries out with children of its own, are left out.
    fn of(receipt: &Receipt, trace: &FileTrace) -> Self {
        let traced: BTreeMap<u64, u64> = receipt
            .processes()
            .iter()
            .filter(|process| trace.processes.contains(&process.namespace_pid()))
            .map(|process| (process.id(), process.namespace_pid()))
            .collect();
        let mut seen = Self {
            opens: BTreeMap::new(),
            failed: BTreeMap::new(),
            changes: BTreeMap::new(),
            read: BTreeMap::new(),
            written: BTreeMap::new(),
        };
        for file in receipt.all_files() {
            let Some(path) = file.path().filter(|path| path.is_absolute()) else { continue };
            for (id, (uses, read, written)) in file.shares() {
                let Some(pid) = traced.get(&id) else { continue };
                let opens = uses.get("open").copied().unwrap_or(0);
                for (counts, count) in
                    [(&mut seen.opens, opens), (&mut seen.read, read), (&mut seen.written, written)]
                {
                    if count > 0 {
                        *counts.entry((*pid, path.clone())).or_default() += count;
                    }
                }
            }
        }
        for failed in receipt.failed_uses() {
            let (Some(pid), Some(path)) = (traced.get(&failed.process()), failed.path()) else { continue };
            if ASKED.contains(&failed.operation()) {
                let line = format!("{} {} {}", failed.operation(), failed.errno(), path.display());
                *seen.failed.entry((*pid, line)).or_default() += failed.count();
            }
        }
        let compared: BTreeSet<_> =
            ["mkdir", "rmdir", "delete", "rename", "link", "symlink", "chmod", "chown", "utimens"].into();
        for change in receipt.changes() {
            let (Some(pid), Some(path)) = (traced.get(&change.process()), change.path()) else { continue };
            // What opening truncates, strace does not tell from what it found empty.
            let by_itself = ["truncate", "ftruncate"].contains(&change.call());
            if compared.contains(change.operation()) || by_itself {
                let line = line(change.operation(), &path, change.new_path().as_deref());
                *seen.changes.entry((*pid, line)).or_default() += 1;
            }
        }
        seen
    }
}

const TREE: &str = "mkdir -p tree/a/b tree/c; for i in $(seq 1 60); do seq 1 $i >tree/a/f$i; seq 1 50 >tree/a/b/g$i; done; \
                    ln -s ../a/f1 tree/c/link; ln tree/a/f2 tree/c/hard";

#[test]
fn tar_unpacks() {
    needs!("strace", "tar");
    agree(&format!("{TREE}; tar cf tree.tar tree; rm -r tree"), "tar xf tree.tar");
}

#[test]
fn tar_packs() {
    needs!("strace", "tar", "gzip");
    agree(TREE, "tar czf tree.tgz tree");
}

#[test]
fn git_clones() {
    needs!("strace", "git");
    let prepare = format!(
        "{TREE}; git init -q origin; mv tree origin; cd origin; git add .; \
         git -c user.name=a -c user.email=a@b commit -q -m one"
    );
    agree(
        &prepare,
        "git clone -q --no-local origin copy && cd copy && git log >../log && git status >>../log",
    );
}

#[test]
fn gcc_compiles() {
    needs!("strace", "gcc");
    let prepare = "printf '#include <stdio.h>\\nint main(void) { return puts(\"x\") < 0; }\\n' >a.c";
    agree(prepare, "gcc -O1 -o a a.c && ./a >out");
}

#[test]
fn python_imports() {
    needs!("strace", "python3");
    let prepare = "mkdir package; for i in 1 2 3; do echo 'import json, decimal' >package/m$i.py; done; touch package/__init__.py; \
                   echo 'import package.m1, package.m2, package.m3, sqlite3, tempfile; open(\"out\", \"w\").write(\"x\" * 100000)' >main.py; \
                   python3 -c 'import sys; print(sys.executable)' >executable";
    agree(prepare, "$(cat executable) main.py");
}

#[test]
fn find_and_grep() {
    needs!("strace", "find", "xargs");
    agree(TREE, "find tree -type f -print0 | xargs -0 -n 25 -P 2 grep -l 40 >found; true");
}

#[test]
fn cp_copies() {
    needs!("strace");
    agree(TREE, "cp -rp tree other");
}

#[test]
fn sed_rewrites() {
    needs!("strace", "sed");
    agree(TREE, "sed -i s/1/one/ tree/a/f*");
}

#[test]
fn rm_removes() {
    needs!("strace");
    agree(TREE, "rm -rf tree");
}

#[test]
fn sort_spills() {
    needs!("strace", "sort");
    agree(
        "seq 1 200000 | sed 's/$/ some words that make the line longer/' >input",
        "sort -S 1M -T . -r input -o output",
    );
}

#[test]
fn dpkg_unpacks() {
    needs!("strace", "dpkg-deb");
    let prepare = format!(
        "{TREE}; mkdir tree/DEBIAN; printf 'Package: x\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@b>\\nDescription: x\\n' \
         >tree/DEBIAN/control; dpkg-deb -b tree x.deb >&2; rm -r tree"
    );
    agree(&prepare, "dpkg-deb -x x.deb out");
}

#[test]
fn unzip_unpacks() {
    needs!("strace", "unzip", "python3");
    agree(&format!("{TREE}; python3 -m zipfile -c x.zip tree; rm -r tree"), "unzip -q x.zip");
}

#[test]
fn make_builds() {
    needs!("strace", "make", "gcc");
    let prepare = "for i in 1 2 3 4; do echo \"int f$i(void) { return $i; }\" >f$i.c; done; \
                   printf 'all: f1.o f2.o f3.o f4.o\\n\\tar rc lib.a f1.o f2.o f3.o f4.o\\n%%.o: %%.c\\n\\tgcc -c -o $@ $<\\n' >Makefile";
    agree(prepare, "make -s -j2");
}

#[test]
fn node_runs() {
    needs!("strace", "node");
    let script = "const fs = require('fs'); fs.mkdirSync('a/b', {recursive: true}); \
                  for (let i = 0; i < 20; i++) fs.writeFileSync('a/b/' + i, 'x'.repeat(i)); \
                  fs.readdirSync('a/b').forEach(f => fs.readFileSync('a/b/' + f)); \
                  fs.renameSync('a/b/1', 'a/one'); fs.rmSync('a/b', {recursive: true})";
    agree(&format!("echo \"{script}\" >main.js"), "node main.js");
}
