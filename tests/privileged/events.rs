//! `--events`, and the receipt that is made of it again.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::support::{
    Receipt, Run,
    privilege::needs,
    program,
    receipt::list,
    slowness, watch,
    watch::{glasshouse, public_folder},
};

/// `glasshouse receipt EVENTS` in a folder of its own; gives back what it wrote as well.
fn rebuild(events: &Path) -> (Output, Vec<u8>) {
    let folder = public_folder();
    let receipt = folder.path().join("rebuilt.json");
    let mut command = Command::new(glasshouse());
    command.arg("receipt").arg(events).arg("--receipt").arg(&receipt);
    let output = command.stdin(Stdio::null()).output().unwrap();
    (output, fs::read(&receipt).unwrap_or_default())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The receipt that was rebuilt of a recording that is whole: it is the one that was written.
#[track_caller]
fn expect_the_same(run: &Run) -> Receipt {
    let (output, rebuilt) = rebuild(&run.folder().join("events"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let written = fs::read(&run.receipt_path).unwrap();
    assert!(
        rebuilt == written,
        "the receipts differ:\n{}\n{}",
        String::from_utf8_lossy(&rebuilt),
        String::from_utf8_lossy(&written)
    );
    Receipt::parse(&rebuilt)
}

#[track_caller]
fn recorded(command: impl IntoIterator<Item = impl Into<OsString>>, options: &[&str]) -> Run {
    watch(command).options(["--events", "events"]).options(options.iter().copied()).run()
}

#[test]
fn a_pipeline_gives_its_receipt_again() {
    needs!();
    let run = recorded(["sh", "-c", "ls -l /etc | sort | head -3; rm -f x; echo x >x; mv x y; exit 3"], &[]);
    run.complete(3);
    let receipt = expect_the_same(&run);
    assert!(list(receipt.at("/artifacts")).iter().any(|artifact| artifact["sha256"].is_string()));
}

#[test]
fn a_program_in_python_gives_its_receipt_again() {
    needs!("python3");
    let script =
        "mkdir p; for i in 1 2 3 4 5 6; do echo 'x = 1' >p/m$i.py; done; python3 -m compileall -q -j 2 p";
    let run = recorded(["sh", "-c", script], &["--env-values"]);
    run.complete(0);
    expect_the_same(&run);
}

#[test]
fn a_program_on_the_network_gives_its_receipt_again() {
    needs!("python3");
    let script = "import socket, threading
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname())
client.sendall(b'GET /hidden/s3cret?token=hunter2 HTTP/1.1\\r\\nHost: www.s3cret.example\\r\\nCookie: id=hunter2\\r\\n\\r\\nbody-hunter2')
peer, _ = server.accept()
print(peer.recv(1000))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.sendto(b'\\0\\7\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\3www\\6s3cret\\7example\\0\\0\\1\\0\\1', ('127.0.0.1', 53))
";
    for options in [&[][..], &["--redact", "s3cret"]] {
        let run = recorded(["python3", "-c", script], options);
        run.expect_code(0);
        let receipt = expect_the_same(&run);
        let said = receipt.at("/network/connections").to_string();
        assert!(said.contains("GET"), "{said}");
        assert!(!list(receipt.at("/network/dns")).is_empty());
        let text = String::from_utf8_lossy(&fs::read(run.folder().join("events")).unwrap()).into_owned();
        // The script itself is an argument.
        let said: String = text.lines().filter(|line| !line.contains("\"exec\"")).skip(1).collect();
        assert!(!said.contains("id=hunter2") && !said.contains("body-hunter2"));
        assert_eq!(text.contains("s3cret"), options.is_empty());
    }
}

#[test]
fn hostile_names_give_their_receipt_again() {
    needs!();
    let script = "d=$(printf 'a\\377\\n\"\\\\\\033]0;x'); mkdir \"$d\"; echo x >\"$d/\\$(printf '\\001')\"; ln -s '{\"base64\":1}' l; \
                  rm -f nul; mv l \"$d/[redacted#1]\"; exit 0";
    for options in [&[][..], &["--redact", "redacted"], &["--redact", "(?-u)\\xff", "--env-values"]] {
        let run = recorded(["sh", "-c", script], options);
        run.complete(0);
        expect_the_same(&run);
    }
}

/// However it ends there is a recording, and it has the end.
#[test]
fn every_end_is_recorded() {
    needs!();
    for (command, options, code) in [
        (vec!["/nonexistent/command"], vec![], 127),
        (vec!["/"], vec![], 126),
        (vec!["sleep", "100"], vec!["--timeout", "300ms"], 124),
        (vec!["sh", "-c", "kill -9 $$"], vec![], 137),
        (vec!["true"], vec!["--user", "no-such-user"], 125),
        (vec!["sh", "-c", "sleep 1 >/dev/null 2>&1 & exit 4"], vec![], 4),
    ] {
        let run = recorded(command.clone(), &options);
        run.expect_code(code);
        let receipt = expect_the_same(&run);
        assert!(!receipt.reasons().contains(&"recording_cut".to_owned()), "{command:?}");
    }
}

/// The last 200 ms may be missing when glasshouse is killed, and nothing before.
#[test]
fn a_killed_observer_leaves_what_had_happened() {
    needs!();
    let seconds = 3.0 * slowness().max(1.0);
    let script = format!("echo x >early; /bin/true; echo ready; sleep {seconds}; echo late");
    let running = watch(["sh", "-c", &script]).options(["--events", "events"]).start();
    running.wait_for_output("ready");
    std::thread::sleep(Duration::from_millis(200).mul_f64(slowness().max(1.0)));
    running.signal(Signal::SIGKILL);
    let run = running.finish();
    let (output, rebuilt) = rebuild(&run.folder().join("events"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("the recording ends behind line"), "{}", stderr(&output));
    let receipt = Receipt::parse(&rebuilt);
    receipt.expect_outcome("observer_failed", None, None);
    assert_eq!(receipt.text("/observation/completeness"), "lossy");
    assert!(receipt.reasons().contains(&"recording_cut".to_owned()), "{:?}", receipt.reasons());
    let files = receipt.at("/filesystem/files").to_string();
    assert!(files.contains("/early"), "{files}");
    let executed: Vec<_> = receipt.executions().iter().map(|execution| execution.path().to_owned()).collect();
    assert!(executed.iter().any(|path| path.ends_with("/true")), "{executed:?}");
    assert!(executed.iter().any(|path| path.ends_with("/sleep")), "{executed:?}");
    assert!(!fs::read(&run.receipt_path).is_ok_and(|bytes| !bytes.is_empty()), "there is no other receipt");
}

/// A recording has no more than the receipt: no values of variables, and nothing that a pattern matches.
#[test]
fn secrets_are_not_recorded() {
    needs!();
    let script = "echo x >hunter-file; /bin/true hunter-argument; mv hunter-file hunter-other; nonexistent-hunter; exit 0";
    for options in [&["--redact", "hunter"][..], &["--redact", "hunter", "--env-values"]] {
        let run = watch(["sh", "-c", script])
            .env("PASSWORD", "my-hunter2")
            .options(["--events", "events"])
            .options(options.iter().copied())
            .run();
        run.complete(0);
        let events = fs::read(run.folder().join("events")).unwrap();
        let has = |text: &[u8]| events.windows(text.len()).any(|window| window == text);
        assert!(has(b"PASSWORD") && !has(b"hunter"), "{}", String::from_utf8_lossy(&events));
        assert!(!has(crate::support::sha256(b"my-hunter2").as_bytes()));
        let receipt = expect_the_same(&run);
        assert!(!list(receipt.at("/redactions")).is_empty());
        // What is redacted is found all the same.
        let artifacts = list(receipt.at("/artifacts"));
        let other =
            artifacts.iter().find(|artifact| artifact["path"].to_string().contains("/[redacted]-other"));
        assert!(other.is_some_and(|artifact| artifact["sha256"].is_string()), "{artifacts:?}");
    }
    let run = watch(["true"]).env("PASSWORD", "hunter2").options(["--events", "events"]).run();
    run.complete(0);
    let events = fs::read_to_string(run.folder().join("events")).unwrap();
    assert!(events.contains("PASSWORD") && !events.contains("hunter2"));
    assert!(events.contains(&crate::support::sha256(b"hunter2")));
}

#[test]
fn it_belongs_to_the_user_of_the_command_and_to_nobody_else() {
    needs!();
    let run = recorded(["true"], &["--user", "65534:65534"]);
    run.expect_code(0);
    let metadata = fs::metadata(run.folder().join("events")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (65_534, 65_534, 0o600));
    expect_the_same(&run);
}

#[test]
fn what_is_in_the_way_is_left_alone_and_nothing_is_run() {
    needs!();
    let outside = public_folder();
    let victim = outside.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    for (path, hint) in [
        ("taken", "name a file that does not exist yet"),
        ("link", "name a file that does not exist yet"),
        ("dangling", "name a file that does not exist yet"),
        ("none/events", "--events PATH"),
        ("/proc/events", "--events PATH"),
        ("-", "does not exist yet"),
        ("receipt.json", "the receipt goes there"),
    ] {
        let watched = watch(["touch", "it-ran"]).options(["--events", path]);
        let folder = watched.folder();
        fs::write(folder.join("taken"), "mine").unwrap();
        symlink(&victim, folder.join("link")).unwrap();
        symlink(outside.path().join("new"), folder.join("dangling")).unwrap();
        // Of which "receipt.json" here is the default's name.
        let run =
            if path == "receipt.json" { watched.receipt_at(Path::new("receipt.json")) } else { watched }
                .run();
        run.expect_code(125);
        assert!(run.stderr.contains(hint), "{path}: {}", run.stderr);
        assert!(!folder.join("it-ran").exists(), "{path}");
        assert_eq!(fs::read(folder.join("taken")).unwrap(), b"mine");
    }
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

/// The disk is full in the middle: the run goes on, says so, and the recording is one that was cut.
#[test]
fn a_full_disk_does_not_cost_the_run() {
    needs!("unshare", "mount", "dd");
    let folder = public_folder();
    let place = folder.path().join("place");
    fs::create_dir(&place).unwrap();
    let preparation = format!("mount -t tmpfs -o size=128k none {}", place.display());
    let script = format!(
        "dd if=/dev/zero of={0}/fill bs=4k 2>/dev/null; i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done; \
         cp {0}/events kept; exit 3",
        place.display()
    );
    let run = watch(["sh", "-c", &script])
        .under(["unshare", "-m"])
        .after(&preparation)
        .options(command!["--events", place.join("events")])
        .run();
    run.expect_code(3);
    let receipt = run.receipt();
    assert_eq!(receipt.text("/observation/completeness"), "partial", "{:?}", receipt.reasons());
    assert!(receipt.reasons().contains(&"recording_failed".to_owned()), "{:?}", receipt.reasons());
    assert_eq!(receipt.processes().len(), 103, "the receipt itself has all");
    assert_eq!(run.stderr.matches("the recording ").count(), 1, "{}", run.stderr);
    let (output, rebuilt) = rebuild(&run.folder().join("kept"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(Receipt::parse(&rebuilt).reasons().contains(&"recording_cut".to_owned()));
}

/// The command can take the file away, and not put another in its place unnoticed.
#[test]
fn a_recording_that_was_replaced_is_said() {
    needs!();
    let run = recorded(["sh", "-c", "mv events kept; echo forged >events; exit 3"], &[]);
    run.expect_code(3);
    let receipt = run.receipt();
    assert!(receipt.reasons().contains(&"recording_failed".to_owned()), "{:?}", receipt.reasons());
    assert!(run.stderr.contains("removed, moved or replaced"), "{}", run.stderr);
}

/// A storm of events is recorded whole: who writes them makes the run wait, and leaves nothing out.
#[test]
fn a_storm_is_recorded_whole() {
    needs!();
    let run = recorded(command![program("fork_storm"), "2000", "2"], &[]);
    let receipt = run.complete(0);
    assert_eq!(receipt.processes().len(), 2001);
    assert!(!expect_the_same(&run).reasons().contains(&"recording_cut".to_owned()));
}
