//! As whom the command runs, and whose the receipt is.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::privilege::{find_tool, needs};
use crate::support::watch::{bare, glasshouse, public_folder};
use crate::support::{Run, program, public_program, real, watch};

/// `nobody`, who exists everywhere.
const NOBODY: u32 = 65534;
const WHO: &str = "echo $(id -u) $(id -g) $(id -G) $HOME $USER $LOGNAME";

/// A folder that belongs to nobody.
fn nobodys_folder() -> TempDir {
    let folder = public_folder();
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    folder
}

fn home_of_nobody() -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with("nobody:")).expect("nobody in /etc/passwd");
    line.split(':').nth(5).unwrap().to_owned()
}

#[track_caller]
fn expect_nobody(run: &Run) {
    let receipt = run.complete(0);
    let expected = format!("{NOBODY} {NOBODY} {NOBODY} {} nobody nobody\n", home_of_nobody());
    assert_eq!(run.stdout, expected);
    let user = receipt.at("/command/user");
    assert_eq!((user["uid"].as_u64(), user["gid"].as_u64()), (Some(65534), Some(65534)));
    assert_eq!(user["name"], "nobody");
    assert_eq!(receipt.root().at("/credentials/uid").as_u64(), Some(65534), "from its first exec on");
    assert_eq!(receipt.root().at("/credentials/capabilities/permitted"), "0000000000000000");
    assert_eq!(receipt.root().at("/credential_changes").as_array().unwrap().len(), 0);
}

#[test]
fn under_sudo_the_command_runs_as_the_invoking_user() {
    needs!();
    let folder = nobodys_folder();
    let sudo = watch(["sh", "-c", WHO])
        .env("SUDO_UID", "65534")
        .env("SUDO_GID", "65534")
        .env("SUDO_USER", "nobody")
        .env("USER", "root")
        .env("LOGNAME", "root")
        .env("HOME", "/root");
    let run = sudo.receipt_at(&folder.path().join("receipt.json")).run();
    expect_nobody(&run);
    let facts = fs::metadata(&run.receipt_path).unwrap();
    assert_eq!((facts.uid(), facts.gid()), (NOBODY, NOBODY), "the receipt belongs to who asked for it");
}

#[test]
fn user_overrides() {
    needs!();
    let folder = nobodys_folder();
    let run = watch(["sh", "-c", WHO])
        .options(["--user", "nobody"])
        .receipt_at(&folder.path().join("receipt.json"))
        .run();
    expect_nobody(&run);
}

#[test]
fn user_root_overrides_sudo() {
    needs!();
    let sudo =
        watch(["id", "-u"]).env("SUDO_UID", "65534").env("SUDO_GID", "65534").env("SUDO_USER", "nobody");
    let run = sudo.options(["--user", "root"]).run();
    run.complete(0);
    assert_eq!(run.stdout, "0\n");
}

/// Who typed sudo is not guessed: least of all to be root.
#[test]
fn what_sudo_says_must_be_a_number() {
    needs!();
    for (uid, gid, variable) in [("abc", "65534", "SUDO_UID"), ("65534", "", "SUDO_GID")] {
        let run = watch(["id", "-u"]).env("SUDO_UID", uid).env("SUDO_GID", gid).run();
        run.expect_code(125);
        assert_eq!(run.stdout, "", "nothing was run");
        let message = format!("{variable} is not a number; name the user with --user NAME");
        assert!(run.stderr.contains(&message), "{}", run.stderr);
    }
}

#[test]
fn root_stays_root() {
    needs!();
    let run = watch(["id", "-u"]).run();
    let receipt = run.complete(0);
    assert_eq!(run.stdout, "0\n");
    assert_eq!(receipt.at("/command/user/uid").as_u64(), Some(0));
    assert_eq!(fs::metadata(&run.receipt_path).unwrap().uid(), 0);
}

/// Nothing that a program can look at tells it that it is watched.
#[test]
fn the_command_inherits_what_it_would_without_glasshouse() {
    needs!();
    let watched = watch([program("inherited")]);
    let expected = bare(
        &watched.folder(),
        [
            "env",
            "-u",
            "SUDO_UID",
            "-u",
            "SUDO_GID",
            "-u",
            "SUDO_USER",
            "-u",
            "SUDO_COMMAND",
            "-u",
            "LD_LIBRARY_PATH",
        ]
        .map(Into::into)
        .into_iter()
        .chain([program("inherited").into_os_string()]),
    );
    let run = watched.run();
    run.complete(0);
    let difference = |one: &str, other: &str| {
        let known: Vec<_> = other.lines().collect();
        one.lines()
            .filter(|line| !known.contains(line) && !line.starts_with("env _="))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let expected = String::from_utf8_lossy(&expected.stdout);
    assert_eq!(difference(&run.stdout, &expected), [""; 0], "only with glasshouse");
    assert_eq!(difference(&expected, &run.stdout), [""; 0], "only without");
}

/// Limits that glasshouse might have to raise for itself are not passed on.
#[test]
fn limits_are_passed_on_as_they_were() {
    needs!("prlimit");
    let run =
        watch([program("inherited")]).under(["prlimit", "--nofile=100:200", "--memlock=65536:131072"]).run();
    run.complete(0);
    assert!(run.stdout.contains("limit 7 100 200\n"), "RLIMIT_NOFILE: {}", run.stdout);
    assert!(run.stdout.contains("limit 8 65536 131072\n"), "RLIMIT_MEMLOCK: {}", run.stdout);
}

/// A copy of glasshouse that has capabilities by setcap, in a folder of nobody's.
fn capable_copy(folder: &Path, capabilities: &str) -> PathBuf {
    let copy = real(folder).join("glasshouse");
    crate::support::programs::copy_executable(&glasshouse(), &copy);
    let setcap = find_tool("setcap").unwrap();
    let output = Command::new(setcap).arg(format!("{capabilities}+ep")).arg(&copy).output().unwrap();
    assert!(output.status.success(), "setcap: {}", String::from_utf8_lossy(&output.stderr));
    copy
}

const AS_NOBODY: [&str; 6] =
    ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--"];

/// The least that `watch` needs to observe everything that this user's command does, as the documentation says.
const MINIMAL: &str = "cap_bpf,cap_perfmon";

#[test]
fn the_minimal_capabilities_are_enough_and_reach_no_child() {
    needs!("setcap", "setpriv");
    let folder = nobodys_folder();
    let binary = capable_copy(folder.path(), MINIMAL);
    let target = public_program(folder.path(), "inherited");
    let run = watch([target])
        .binary(&binary)
        .under(AS_NOBODY)
        .receipt_at(&folder.path().join("receipt.json"))
        .run();
    run.expect_code(0);
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        let line = run.stdout.lines().find(|line| line.starts_with(set)).unwrap();
        assert!(line.ends_with("0000000000000000"), "{line}");
    }
    let receipt = run.receipt();
    assert_eq!(receipt.root().at("/credentials/capabilities/permitted"), "0000000000000000");
    // A user without a cgroup of his own cannot make one: that, and what comes of it, may be missing, and nothing else.
    let missing = ["cgroup_unavailable", "packets_unseen"];
    assert!(receipt.reasons().iter().all(|code| missing.contains(&code.as_str())), "{:?}", receipt.reasons());
    assert_eq!(fs::metadata(&run.receipt_path).unwrap().uid(), NOBODY);
}

/// Without a cgroup it is the observation that knows whom the timeout is for.
#[test]
fn a_timeout_ends_descendants_without_a_cgroup() {
    needs!("setcap", "setpriv");
    let folder = nobodys_folder();
    let binary = capable_copy(folder.path(), MINIMAL);
    // One is stopped, one ignores SIGTERM, and the root does not wait for them.
    let script = "sh -c 'kill -STOP $$' & sh -c 'trap \"\" TERM; exec sleep 100' & sleep 100";
    let run = watch(["sh", "-c", script])
        .options(["--timeout", "1s"])
        .binary(&binary)
        .under(AS_NOBODY)
        .receipt_at(&folder.path().join("receipt.json"))
        .run();
    run.expect_code(124);
    let receipt = run.receipt();
    assert!(receipt.processes().len() >= 4);
    for process in receipt.processes() {
        assert_eq!(process.at("/still_running"), false, "{:?}", process.pid());
    }
}

/// Each of them is needed: without one, glasshouse says so and runs nothing.
#[test]
fn less_than_the_minimal_capabilities_is_refused() {
    needs!("setcap", "setpriv");
    for capability in MINIMAL.split(',') {
        let folder = nobodys_folder();
        let rest: Vec<_> = MINIMAL.split(',').filter(|other| *other != capability).collect();
        let binary = capable_copy(folder.path(), &rest.join(","));
        let marker = folder.path().join("marker");
        let run = watch(command!["touch", &marker])
            .binary(&binary)
            .under(AS_NOBODY)
            .receipt_at(&folder.path().join("receipt.json"))
            .run();
        run.expect_code(125);
        assert!(!marker.exists(), "without {capability}: something was run unobserved");
        assert!(
            run.stderr.contains("setcap") || run.stderr.contains("sudo"),
            "without {capability}: {}",
            run.stderr
        );
    }
}

/// All capabilities in the file, none in the child.
#[test]
fn many_capabilities_reach_no_child_either() {
    needs!("setcap", "setpriv");
    let folder = nobodys_folder();
    let binary = capable_copy(
        folder.path(),
        "cap_bpf,cap_perfmon,cap_sys_admin,cap_setuid,cap_setgid,cap_sys_ptrace,cap_dac_override",
    );
    let target = public_program(folder.path(), "inherited");
    let run = watch([target])
        .binary(&binary)
        .under(AS_NOBODY)
        .receipt_at(&folder.path().join("receipt.json"))
        .run();
    run.expect_code(0);
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        let line = run.stdout.lines().find(|line| line.starts_with(set)).unwrap();
        assert!(line.ends_with("0000000000000000"), "{line}");
    }
    assert!(run.stdout.contains("Uid:\t65534\t65534\t65534\t65534"), "{}", run.stdout);
}
