//! What another thread can exchange while a call runs, and what many threads do at once.

use std::{fs, path::PathBuf};

use crate::support::privilege::needs;
use crate::support::{fact, program, slowness, watch};

/// The path is a string in the program's memory: what was opened is not what it says afterwards.
#[test]
fn a_path_that_is_switched_during_the_call() {
    needs!();
    let (first, second) = ("a".repeat(120), "b".repeat(120));
    let watched = watch(command![program("flip_path"), &first, &second, "5000"]);
    let folder = watched.folder();
    fs::write(folder.join(&first), "").unwrap();
    fs::write(folder.join(&second), "").unwrap();
    let run = watched.run();
    let receipt = run.complete(0);
    let opens = |name: &str| -> (u64, u64) {
        let entries = receipt.files_at(folder.join(name));
        let sum = |source: &str| {
            entries.iter().filter(|file| file.source() == source).map(|file| file.operation("open")).sum()
        };
        (sum("kernel"), sum("raced"))
    };
    for (name, fact_name) in [(&first, "first"), (&second, "second")] {
        let (kernel, raced) = opens(name);
        assert_eq!(kernel + raced, fact(&run.stdout, fact_name), "{name}");
    }
    // Nothing else was opened; the names mixed of both lead nowhere. On a busy machine one of them may never have its turn.
    let ours = receipt.files_below(&folder);
    let opened = ["first", "second"].iter().filter(|name| fact(&run.stdout, name) > 0).count();
    assert_eq!(ours.len(), opened, "{ours:?}");
    let failed: u64 = receipt
        .failed_uses()
        .iter()
        .filter(|failed| failed.operation() == "open" && failed.errno() == "ENOENT")
        .map(|failed| failed.count())
        .sum();
    assert!(failed >= fact(&run.stdout, "missing"), "{failed} failures; {}", run.stdout);
}

/// The descriptor leads to another file by the time it is looked at: such an open is told as it was, or marked.
#[test]
fn a_descriptor_that_is_replaced() {
    needs!();
    let opens = 20_000;
    let watched = watch(command![program("swap_descriptor"), "first", "second", opens.to_string()]);
    let folder = watched.folder();
    fs::write(folder.join("first"), "").unwrap();
    fs::write(folder.join("second"), "").unwrap();
    let receipt = watched.run().complete(0);
    let (mut truthful, mut marked) = (0, 0);
    for file in receipt.files_at(folder.join("first")) {
        truthful += file.operation("open");
    }
    for file in receipt.files() {
        if file.source() == "raced" && file.path() != Some(folder.join("first")) {
            marked += file.operation("open");
            let asked = file.asked().and_then(|path| path.file_name().map(ToOwned::to_owned));
            assert_eq!(asked.as_deref(), Some("first".as_ref()), "{file:?}");
        }
    }
    assert_eq!(truthful + marked, opens, "{:?}", receipt.files());
    let wrong: u64 = receipt
        .files_at(folder.join("second"))
        .iter()
        .filter(|file| file.source() != "raced")
        .map(|file| file.operation("open"))
        .sum();
    assert_eq!(wrong, 1, "opened once, whatever the other thread did");
}

/// Threads that share the table of descriptors; what each of them opened is the process's.
#[test]
fn many_threads_count_exactly() {
    needs!();
    let mut words = command![program("open_threads"), "8", "500"];
    words.extend((0..5).map(|n| format!("file{n}").into()));
    let watched = watch(words);
    let folder = watched.folder();
    for n in 0..5 {
        fs::write(folder.join(format!("file{n}")), "content").unwrap();
    }
    let receipt = watched.run().complete(0);
    for n in 0..5 {
        let entries = receipt.files_at(folder.join(format!("file{n}")));
        let opens: u64 = entries.iter().map(|file| file.operation("open")).sum();
        let reads: u64 = entries.iter().map(|file| file.operation("read")).sum();
        let bytes: u64 = entries.iter().map(|file| file.bytes_read()).sum();
        assert_eq!((opens, reads, bytes), (4000, 4000, 12_000), "{entries:?}");
        assert!(entries.iter().all(|file| file.source() != "argument"), "{entries:?}");
    }
}

/// Many processes that use the same files at once, each with its own share.
#[test]
fn many_processes_count_exactly() {
    needs!();
    let one = format!("{} 2 300 shared", program("open_threads").display());
    let script = format!("for i in 1 2 3 4 5 6; do {one} & done; wait");
    let watched = watch(["sh", "-c", &script]);
    let folder = watched.folder();
    fs::write(folder.join("shared"), "content").unwrap();
    let receipt = watched.run().complete(0);
    let entries = receipt.files_at(folder.join("shared"));
    let opens: u64 = entries.iter().map(|file| file.operation("open")).sum();
    let bytes: u64 = entries.iter().map(|file| file.bytes_read()).sum();
    assert_eq!((opens, bytes), (3600, 10_800), "{entries:?}");
    for child in receipt.children(receipt.root()) {
        let mine: u64 = entries
            .iter()
            .filter(|file| file.processes().contains(&child.id()))
            .map(|file| file.by(child).0.get("open").copied().unwrap_or(0))
            .sum();
        assert_eq!(mine, 600, "{child:?}");
    }
}

/// A storm of opens of ever new files loses nothing that is not said.
#[test]
fn a_storm_of_files_is_complete() {
    needs!();
    let watched = watch(command![program("files_loop"), "files", "5000", "40000", "2"]);
    let folder = watched.folder();
    fs::create_dir(folder.join("files")).unwrap();
    for n in 0..5000 {
        fs::write(folder.join(format!("files/{n}")), "content").unwrap();
    }
    let receipt = watched.run().complete(0);
    let (mut opens, mut bytes, mut paths) = (0, 0, std::collections::BTreeSet::new());
    for file in receipt.files() {
        if let Some(path) = file.path().filter(|path| path.starts_with(folder.join("files"))) {
            opens += file.operation("open");
            bytes += file.bytes_read();
            paths.insert(path);
        }
    }
    assert_eq!((opens, bytes, paths.len()), (40_000, 280_000, 5000));
}

/// The end of a process tells of no more uses than fit into a moment; the others are fetched, and make room for those of the
/// next processes.
#[test]
fn processes_that_use_many_files() {
    needs!();
    const FILES: u64 = 17_000;
    // More uses in all than the kernel side keeps at a time, where the machine is no slow one.
    let processes = if slowness() > 1.0 { 2 } else { 20 };
    let script = format!("for i in $(seq {processes}); do \"$0\" files {FILES} {FILES} 1; done");
    let watched = watch(command!["sh", "-c", script, program("files_loop")]);
    let folder = watched.folder();
    fs::create_dir(folder.join("files")).unwrap();
    for n in 0..FILES {
        fs::write(folder.join(format!("files/{n}")), "content").unwrap();
    }
    let receipt = watched.run().complete(0);
    let (mut opens, mut reads, mut bytes, mut paths) = (0, 0, 0, 0);
    let is_there = |path: PathBuf| path.starts_with(folder.join("files"));
    for file in receipt.files().iter().filter(|file| file.path().is_some_and(is_there)) {
        opens += file.operation("open");
        reads += file.operation("read");
        bytes += file.bytes_read();
        paths += 1;
    }
    let all = FILES * processes;
    assert_eq!((opens, reads, bytes, paths), (all, all, 7 * all, FILES));
    let reached = receipt.at("/observation/limits").to_string();
    assert!(!reached.contains("uses of files"), "{reached}");
}
