#![expect(clippy::unwrap_used, reason = "a failed preparation is a failed test")]

mod sample;

use std::{fs, path::Path};

use super::{read::tests::facts_of, *};
use sample::hashed;

const PATIENCE: Duration = Duration::from_secs(10);

fn exec(at: BootNs, image: &Path, script: Option<&Path>) -> Event {
    let executed = |path: &Path| sample::file(path, Some(facts_of(path)));
    sample::exec(at, executed(image), script.map(executed))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.unwrap() })
}

#[test]
fn image_and_script_are_hashed_and_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let mut hasher = Hasher::new();
    hasher.observe(&exec(5, Path::new("/bin/sh"), Some(&script)));
    assert_eq!(hasher.outstanding(), 2);
    let mut answers = block_on(async { [hashed(hasher.next().await), hashed(hasher.next().await)] });
    answers.sort_by_key(|answer| answer.size_bytes);
    assert_eq!(answers[0].role, ExecutableRole::Script);
    assert_eq!(answers[0].size_bytes, Some(10));
    assert!(answers.iter().all(|answer| answer.exec_at == 5 && answer.sha256.is_ok()));
    assert_eq!(hasher.outstanding(), 0);

    // The digest of the same file is there at once, even if it cannot be read any more.
    let again = exec(9, Path::new("/bin/sh"), Some(&script));
    fs::remove_file(&script).unwrap();
    hasher.observe(&again);
    assert_eq!(hasher.answers.len(), 2);
    let answers: Vec<_> = hasher.finish(Duration::ZERO).into_iter().map(hashed).collect();
    assert!(answers.iter().all(|answer| answer.exec_at == 9 && answer.sha256.is_ok()));
}

#[test]
fn the_surest_way_to_a_file_comes_first() {
    let mut file = sample::file(Path::new("/jail/a"), Some(facts_of(Path::new("/bin/sh"))));
    file.path.in_root = Some(b"/a".to_vec());
    let place = || Place {
        pids: Pids { process: Some(7), parent: Some(5) },
        foreign: false,
        namespace: None,
        filename: Some(b"./a"),
    };
    let in_root = |pid| Candidate::InRoot(pid, b"/a".to_vec());
    let path = || Candidate::Path(b"/jail/a".to_vec());
    let image = candidates(ExecutableRole::Image, &file, place());
    assert_eq!(image, [Candidate::Exe(7), in_root(7), path(), in_root(5)]);
    let by_descriptor = Place { filename: Some(b"/dev/fd/3"), ..place() };
    let script = candidates(ExecutableRole::Script, &file, by_descriptor);
    let (descriptor, any) = (Candidate::Descriptor(7, 3), Candidate::AnyDescriptor(7));
    assert_eq!(script, [descriptor, in_root(7), path(), in_root(5), any.clone()]);
    let namespace = Lent::Taken(keep::Kept::new(fs::File::open("/proc/self/ns/mnt").unwrap()));
    let elsewhere = Place { foreign: true, namespace: Some(namespace.clone()), ..place() };
    let image = candidates(ExecutableRole::Image, &file, elsewhere);
    assert_eq!(image[4], Candidate::InNamespace(namespace, b"/jail/a".to_vec()));
    // Of a memfd only the process is left.
    file.path.unreachable = true;
    assert_eq!(candidates(ExecutableRole::Script, &file, place()), [any]);
    file.path.unreachable = false;
    // Where any file would be believed, the parent's may be another one, and so may another namespace's.
    file.facts = None;
    assert_eq!(candidates(ExecutableRole::Script, &file, place()), [in_root(7), path()]);
    let elsewhere = Place { foreign: true, ..place() };
    assert_eq!(candidates(ExecutableRole::Script, &file, elsewhere), [in_root(7)]);
    file.path.path = Observed::Truncated { value: b"/cut".to_vec(), length: 5000 };
    assert_eq!(candidates(ExecutableRole::Script, &file, place()), []);
}

#[test]
fn descriptors_are_found_in_file_names() {
    assert_eq!(descriptor_in(b"/dev/fd/12"), Some(12));
    assert_eq!(descriptor_in(b"/proc/self/fd/0"), Some(0));
    for other in ["/dev/fd/", "/dev/fd/3/below", "/dev/fd/x", "/bin/sh", "3"] {
        assert_eq!(descriptor_in(other.as_bytes()), None, "{other}");
    }
}

#[test]
fn many_execs_of_one_file_are_one_job() {
    let mut hasher = Hasher::new();
    let event = exec(1, Path::new("/bin/sh"), None);
    for _ in 0..100 {
        hasher.observe(&event);
    }
    assert_eq!(hasher.next_job, 1);
    let answers = hasher.finish(PATIENCE);
    assert_eq!(answers.len(), 100);
    assert!(answers.into_iter().all(|answer| hashed(answer).sha256.is_ok()));
}

#[test]
fn what_is_gone_says_so_for_each_exec() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("program");
    fs::write(&path, "abc").unwrap();
    let event = exec(1, &path, None);
    fs::remove_file(&path).unwrap();
    // The reading process is not needed: the kernel remembers that the name is gone.
    let mut hasher = Hasher::with_reader("/bin/false".into());
    hasher.observe(&event);
    hasher.observe(&event);
    let answers: Vec<_> = hasher.finish(PATIENCE).into_iter().map(|answer| hashed(answer).sha256).collect();
    assert_eq!(answers, [Err(Unreadable::Gone); 2]);
}

#[test]
fn what_is_still_outstanding_at_the_end_timed_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("program");
    fs::write(&path, vec![1; 64 << 20]).unwrap();
    let mut hasher = Hasher::new();
    hasher.observe(&exec(1, &path, None));
    hasher.observe(&exec(2, &path, None));
    let answers: Vec<_> = hasher.finish(Duration::ZERO).into_iter().map(hashed).collect();
    assert_eq!(answers.len(), 2);
    for answer in answers {
        assert_eq!((answer.sha256, answer.size_bytes), (Err(Unreadable::TimedOut), None));
    }
}

#[test]
fn next_can_be_cancelled() {
    let mut hasher = Hasher::new();
    hasher.observe(&exec(1, Path::new("/bin/sh"), None));
    block_on(async {
        for _ in 0..10 {
            let soon = tokio::time::timeout(Duration::from_micros(10), hasher.next());
            if soon.await.is_ok() {
                return;
            }
        }
        hasher.next().await;
    });
    assert_eq!(hasher.outstanding(), 0);
}

#[test]
fn a_file_known_by_name_only_is_left_to_the_reading_process() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let mut event = exec(1, Path::new("/bin/sh"), Some(&script));
    if let EventKind::Exec(exec) = &mut event.kind {
        exec.script.as_mut().unwrap().facts = None;
    }
    // Whether its file system may hang is not known. The program here is not one that reads.
    let mut hasher = Hasher::with_reader("/bin/false".into());
    hasher.observe(&event);
    let answers: Vec<_> = hasher.finish(PATIENCE).into_iter().map(hashed).collect();
    let script = answers.iter().find(|answer| answer.role == ExecutableRole::Script).unwrap();
    assert_eq!(script.sha256, Err(Unreadable::Io(libc::EPIPE)));
}

/// Not a test of correctness: `cargo test --release -- --ignored --nocapture speed`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("program");
    fs::write(&path, vec![1; 512 << 20]).unwrap();
    let event = exec(1, &path, None);
    let began = Instant::now();
    let mut hasher = Hasher::new();
    hasher.observe(&event);
    assert!(hashed(hasher.finish(PATIENCE).remove(0)).sha256.is_ok());
    let seconds = began.elapsed().as_secs_f64();
    assert!(seconds < 0.0, "{:.2} GB/s", 0.512 * 1.048_576 / seconds);
}
