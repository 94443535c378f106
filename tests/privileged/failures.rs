//! Every failure is a clear message, an exit code, and a receipt.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use crate::support::privilege::needs;
use crate::support::watch::{bare, public_folder};
use crate::support::{Receipt, Run, program, public_program, watch};

/// The command was not run, and the receipt says why.
#[track_caller]
fn expect_not_started(run: &Run, code: i32, status: &str) {
    run.expect_code(code);
    let receipt = run.receipt();
    receipt.expect_outcome(status, None, None);
    assert!(!receipt.text("/execution/outcome/error").is_empty());
    assert_eq!(receipt.processes().len(), 0);
    assert!(!run.stderr.trim().is_empty(), "a message");
}

#[test]
fn a_missing_command_is_127() {
    needs!();
    for name in ["/nonexistent/command", "no-such-command-anywhere", "./missing", ""] {
        let run = watch([name]).run();
        expect_not_started(&run, 127, "failed_to_start");
        let named = if name.is_empty() { "the command is empty" } else { name.trim_start_matches("./") };
        assert!(run.stderr.contains(named), "{}", run.stderr);
    }
}

/// A closed descriptor stays closed; it does not become /dev/null, which takes everything.
#[test]
fn what_the_caller_has_closed_the_command_finds_closed() {
    needs!();
    for (redirection, closed) in [("<&-", "0"), (">&-", "1"), ("2>&-", "2")] {
        let run = watch(["sh", "-c", "test -e /proc/$$/fd/$1 && exit 1; exit 7", "sh", closed])
            .after(&format!("exec {redirection}"))
            .run();
        run.complete(7);
    }
    let run = watch(["/bin/echo", "hi"]).after("exec >&-").run();
    run.complete(1);
    let folder = public_folder();
    let marker = folder.path().join("marker");
    let run = watch(command!["touch", &marker]).receipt_at(Path::new("-")).after("exec >&-").run();
    run.expect_code(125);
    assert!(run.stderr.contains("standard output is closed"), "{}", run.stderr);
    assert!(!marker.exists(), "nothing was run");
}

#[test]
fn a_command_that_cannot_be_executed_is_126() {
    needs!();
    for name in ["./plain", "./garbage", "./folder", "./plain/below"] {
        let watched = watch([name]);
        let folder = watched.folder();
        fs::create_dir(folder.join("folder")).unwrap();
        for (file, mode) in [("plain", 0o644), ("garbage", 0o755)] {
            fs::write(folder.join(file), "neither a program nor a script\n").unwrap();
            fs::set_permissions(folder.join(file), fs::Permissions::from_mode(mode)).unwrap();
        }
        let run = watched.run();
        // What lies below a file does not exist; shells differ about it.
        let code = if name == "./plain/below" {
            run.status.code().filter(|code| *code == 127).unwrap_or(126)
        } else {
            126
        };
        expect_not_started(&run, code, "failed_to_start");
        assert!(run.stderr.contains(name.trim_start_matches("./")), "{}", run.stderr);
    }
}

#[test]
fn without_privilege_nothing_is_run() {
    needs!("setpriv");
    let folder = public_folder();
    std::os::unix::fs::chown(folder.path(), Some(65534), Some(65534)).unwrap();
    let binary = folder.path().join("glasshouse");
    crate::support::programs::copy_executable(&crate::support::watch::glasshouse(), &binary);
    let marker = folder.path().join("marker");
    let run = watch(command!["touch", &marker])
        .binary(&binary)
        .under(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .receipt_at(&folder.path().join("receipt.json"))
        .run();
    assert!(!marker.exists(), "it was run unobserved");
    expect_not_started(&run, 125, "observer_failed");
    assert!(run.stderr.contains("sudo"), "what to type: {}", run.stderr);
}

#[test]
fn a_kernel_without_btf_is_named() {
    needs!("unshare", "mount");
    let watched =
        watch(["touch", "marker"]).under(["unshare", "-m"]).after("mount -t tmpfs none /sys/kernel/btf");
    let folder = watched.folder();
    let run = watched.run();
    assert!(!folder.join("marker").exists(), "it was run unobserved");
    expect_not_started(&run, 125, "observer_failed");
    assert!(run.stderr.to_lowercase().contains("btf"), "{}", run.stderr);
}

/// Shell words that hide every cgroup v2 hierarchy from those in this mount namespace.
const UNMOUNT_CGROUP2: &str =
    "for m in $(awk '/ - cgroup2 /{print $5}' /proc/self/mountinfo); do umount -l $m; done";

#[test]
fn without_cgroup_v2_it_goes_on_and_says_so() {
    needs!("unshare", "mount", "awk");
    let read_only = "for m in $(awk '/ - cgroup2 /{print $5}' /proc/self/mountinfo); do mount -o remount,bind,ro $m; done";
    let covered = "mount -t tmpfs none /sys/fs/cgroup";
    for preparation in [UNMOUNT_CGROUP2, read_only, covered] {
        let run = watch(command![program("fork")]).under(["unshare", "-m"]).after(preparation).run();
        run.expect_code(0);
        let receipt = run.receipt();
        assert_eq!(receipt.text("/observation/completeness"), "partial", "{preparation}");
        assert!(receipt.reasons().iter().any(|code| code.contains("cgroup")), "{:?}", receipt.reasons());
        assert_eq!(receipt.processes().len(), 2, "nothing else is missing");
        assert!(run.stderr.contains("cgroup"), "{}", run.stderr);
    }
}

#[test]
fn a_receipt_that_cannot_be_written_is_refused_before_the_start() {
    needs!();
    for path in ["/nonexistent/folder/receipt.json", "/proc/receipt.json", "/"] {
        let watched = watch(["touch", "marker"]).receipt_at(Path::new(path));
        let folder = watched.folder();
        let run = watched.run();
        run.expect_code(125);
        assert!(!folder.join("marker").exists(), "{path}: the command was started");
        let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
        assert!(run.stderr.contains(folder.to_str().unwrap()), "{}", run.stderr);
    }
}

#[test]
fn a_read_only_folder_is_refused_before_the_start() {
    needs!("unshare", "mount");
    let folder = public_folder();
    let place = folder.path().join("place");
    fs::create_dir(&place).unwrap();
    let preparation = format!("mount -t tmpfs -o ro none {}", place.display());
    let watched = watch(["touch", "marker"])
        .under(["unshare", "-m"])
        .after(&preparation)
        .receipt_at(&place.join("receipt.json"));
    let own = watched.folder();
    let run = watched.run();
    run.expect_code(125);
    assert!(!own.join("marker").exists());
}

/// The disk is full when the receipt is written: it goes elsewhere, and the message says where.
#[test]
fn a_full_disk_does_not_cost_the_receipt() {
    needs!("unshare", "mount", "dd");
    let folder = public_folder();
    let (place, elsewhere) = (folder.path().join("place"), folder.path().join("elsewhere"));
    fs::create_dir(&place).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    let preparation = format!("mount -t tmpfs -o size=64k none {}", place.display());
    let fill = format!("dd if=/dev/zero of={}/fill bs=4k 2>/dev/null; exit 3", place.display());
    let run = watch(["sh", "-c", &fill])
        .under(["unshare", "-m"])
        .after(&preparation)
        .env("TMPDIR", &elsewhere)
        .receipt_at(&place.join("receipt.json"))
        .run();
    let files: Vec<_> = fs::read_dir(&elsewhere).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}; stderr: {}", run.stderr);
    assert!(run.stderr.contains(files[0].to_str().unwrap()), "{}", run.stderr);
    assert_eq!(fs::metadata(&files[0]).unwrap().mode() & 0o7777, 0o600);
    let receipt = Receipt::parse(&fs::read(&files[0]).unwrap());
    receipt.expect_complete();
    receipt.expect_outcome("exited", Some(3), None);
    run.expect_code(3);
}

/// The soft limit is the command's, and glasshouse takes what it may. Where that is too little, it says what it is.
#[test]
fn few_descriptors_are_named_as_what_they_are() {
    needs!("bash");
    let limits = |output: &str| {
        output.lines().filter(|line| line.starts_with("limit ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let preparation = "ulimit -S -n 40; ulimit -S -f 100";
    let folder = public_folder();
    let script = format!("{preparation}; exec \"$0\"");
    let program = program("inherited");
    let alone = bare(folder.path(), [OsStr::new("bash"), "-c".as_ref(), script.as_ref(), program.as_ref()]);
    let script = format!("{preparation}; exec \"$@\"");
    let run = watch([&program]).under(["bash", "-c", &script, "bash"]).run();
    run.complete(0);
    let alone = limits(&String::from_utf8(alone.stdout).unwrap());
    assert_eq!(limits(&run.stdout), alone);
    assert!(alone.iter().any(|limit| limit.starts_with("limit 7 40 ")), "{alone:?}");

    for most in ["20", "30", "40", "50", "60"] {
        let script = format!("ulimit -n {most}; exec \"$@\"");
        let run = watch(["true"]).under(["bash", "-c", &script, "bash"]).run();
        run.expect_code(125);
        assert!(run.stderr.contains(most) && run.stderr.contains("ulimit -n 1024"), "{most}: {}", run.stderr);
        assert!(!run.stderr.contains("Linux 5.17"), "{}", run.stderr);
    }
}

/// Whether it is there that user cannot know, and no `chmod +x` helps.
#[test]
fn a_directory_that_the_user_may_not_look_into_is_named() {
    needs!();
    let folder = public_folder();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let run = watch([closed.join("below/missing")]).options(["--user", "nobody"]).run();
    expect_not_started(&run, 126, "failed_to_start");
    let named = format!("may not look into '{}'", closed.display());
    assert!(run.stderr.contains(&named) && !run.stderr.contains("chmod"), "{}", run.stderr);
}

#[test]
fn a_timeout_is_124() {
    needs!();
    let run = watch(["sh", "-c", "sleep 100 & sleep 100"]).options(["--timeout", "1s"]).run();
    let receipt = run.complete(124);
    assert_eq!(receipt.text("/execution/outcome/status"), "timed_out");
    assert!(run.elapsed >= Duration::from_secs(1));
    assert!(
        receipt.processes().iter().all(|process| process.at("/still_running") == false),
        "{:?}",
        receipt.processes()
    );
    let signals: Vec<_> = receipt.processes().iter().map(crate::support::Process::exit_signal).collect();
    assert_eq!(signals, [Some(15); 3]);
}

#[test]
fn what_ignores_the_timeout_is_killed_five_seconds_later() {
    needs!();
    let run = watch(command![program("ignore_term"), "60000"]).options(["--timeout", "500ms"]).run();
    let receipt = run.complete(124);
    assert_eq!(receipt.root().exit_signal(), Some(9));
    let duration = receipt.root().at("/duration_ms").as_f64().unwrap();
    assert!(duration >= 5400.0, "{duration} ms");
}

#[test]
fn a_timeout_that_is_not_reached_changes_nothing() {
    needs!();
    let run = watch(command![program("exit_code"), "3"]).options(["--timeout", "100s"]).run();
    run.complete(3).expect_outcome("exited", Some(3), None);
}

/// A descendant that outlives the root does not make the run one that timed out.
#[test]
fn a_timeout_is_about_the_root() {
    needs!();
    let run = watch(["sh", "-c", "sleep 3 >/dev/null 2>&1 & exit 4"]).options(["--timeout", "2s"]).run();
    run.complete(4).expect_outcome("exited", Some(4), None);
}

#[test]
fn wrong_options_are_125_and_run_nothing() {
    needs!();
    for options in [
        vec!["--user", "no-such-user"],
        vec!["--cwd", "/nonexistent/folder"],
        vec!["--timeout", "soon"],
        vec!["--redact", "("],
        vec!["--env", "NO_EQUALS_SIGN"],
        vec!["--no-such-option"],
    ] {
        let watched = watch(["touch", "marker"]).options(options.clone());
        let folder = watched.folder();
        let run = watched.run();
        run.expect_code(125);
        assert!(!folder.join("marker").exists(), "{options:?}");
        assert!(run.stderr.contains(options.get(1).unwrap_or(&options[0])), "{options:?}: {}", run.stderr);
    }
}

#[test]
fn cwd_is_where_the_command_starts() {
    needs!();
    let folder = public_folder();
    let target = public_program(folder.path(), "exit_code");
    let place = target.parent().unwrap();
    let run = watch(["pwd"]).options(command!["--cwd", place]).run();
    let receipt = run.complete(0);
    assert_eq!(run.stdout.trim(), place.to_str().unwrap());
    assert_eq!(receipt.text("/command/cwd"), place.to_str().unwrap());
    assert_eq!(receipt.root().execution().0["cwd"], place.to_str().unwrap());
    assert!(run.receipt_path.exists(), "the receipt stays where the caller is");
}
