//! Users, groups, capabilities and namespaces: at the start, and each change.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::Value;

use crate::support::privilege::needs;
use crate::support::receipt::list;
use crate::support::watch::public_folder;
use crate::support::{Process, Run, fact, program, public_program, watch};

/// The changes of a process: the call, and the credentials after it.
fn changes(process: Process<'_>) -> Vec<(String, Value)> {
    let list = process.at("/credential_changes").as_array().expect("a list");
    list.iter()
        .map(|change| (change["call"].as_str().unwrap().to_owned(), change["credentials"].clone()))
        .collect()
}

fn ids(credentials: &Value) -> [u64; 6] {
    ["uid", "euid", "suid", "gid", "egid", "sgid"].map(|name| credentials[name].as_u64().expect("an id"))
}

/// The command itself may be a program that changes its user: where the kernel tells (Linux 6.10), what it began with
/// is kept apart from what the exec made of it.
#[test]
fn a_set_user_id_command_shows_what_it_gained() {
    needs!();
    let folder = public_folder();
    let copy = public_program(folder.path(), "exit_code");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755)).unwrap();
    let run = watch(command![&copy, "0"]).options(["--user", "65534:65534"]).run();
    let receipt = run.complete(0);
    let root = receipt.root();
    let probes = receipt.at("/observation/probes").as_array().unwrap();
    let told = probes.iter().any(|probe| probe["name"] == "prepare_exec" && probe["attached"] == true);
    let gained = changes(root);
    if told {
        assert_eq!(ids(root.at("/credentials"))[..2], [65534, 65534]);
        assert_eq!(gained.len(), 1);
        assert_eq!(gained[0].0, "execve");
        assert_eq!(ids(&gained[0].1)[..2], [65534, 0]);
    } else {
        assert_eq!(ids(root.at("/credentials"))[..2], [65534, 0]);
    }
}

/// Who observes a command that can defeat its observer says so.
#[test]
fn a_command_with_power_over_its_observer_is_a_blind_spot() {
    needs!();
    let spots = |run: Run| run.complete(0).at("/observation/blind_spots").clone();
    assert_eq!(spots(watch(["true"]).run())[0]["code"], "root");
    assert_eq!(spots(watch(["true"]).options(["--user", "65534:65534"]).run()), Value::Array(Vec::new()));
}

#[test]
fn the_start_is_what_proc_says() {
    needs!();
    let run = watch(["cat", "/proc/self/status"]).run();
    let receipt = run.complete(0);
    let credentials = receipt.root().at("/credentials");
    let line = |name: &str| {
        let line = run.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        line.unwrap_or_else(|| panic!("no {name} in /proc/self/status"))
    };
    for (name, field) in [
        ("Eff", "effective"),
        ("Prm", "permitted"),
        ("Inh", "inheritable"),
        ("Bnd", "bounding"),
        ("Amb", "ambient"),
    ] {
        assert_eq!(credentials["capabilities"][field], line(&format!("Cap{name}")), "{field}");
    }
    let [uid, euid, suid, gid, egid, sgid] = ids(credentials);
    assert!(line("Uid").starts_with(&format!("{uid}\t{euid}\t{suid}")));
    assert!(line("Gid").starts_with(&format!("{gid}\t{egid}\t{sgid}")));
    for (name, link) in [
        ("user", "user"),
        ("mnt", "mnt"),
        ("pid_for_children", "pid"),
        ("net", "net"),
        ("uts", "uts"),
        ("ipc", "ipc"),
        ("cgroup", "cgroup"),
    ] {
        let inode = fs::metadata(format!("/proc/self/ns/{link}")).unwrap().ino();
        assert_eq!(credentials["namespaces"][name].as_u64(), Some(inode), "{name}");
    }
    assert_eq!(changes(receipt.root()), []);
}

#[test]
fn each_call_of_the_setuid_family_is_a_change() {
    needs!();
    let receipt = watch([program("set_ids")]).run().complete(0);
    let changes = changes(receipt.root());
    let seen: Vec<_> = changes.iter().map(|(call, credentials)| (call.as_str(), ids(credentials))).collect();
    let expected = [
        // uid, euid, suid, gid, egid, sgid
        ("setregid", [0, 0, 0, 12, 13, 13]),
        ("setresgid", [0, 0, 0, 14, 15, 16]),
        ("setgid", [0, 0, 0, 65534, 65534, 65534]),
        ("setreuid", [22, 0, 0, 65534, 65534, 65534]),
        ("setresuid", [23, 0, 24, 65534, 65534, 65534]),
        ("setuid", [65534, 65534, 65534, 65534, 65534, 65534]),
    ];
    assert_eq!(seen, expected);
    let last = &changes[5].1["capabilities"];
    assert_eq!(last["effective"], "0000000000000000");
    assert_eq!(last["permitted"], "0000000000000000");
    assert_ne!(last["bounding"], "0000000000000000");
    assert_eq!(ids(receipt.root().at("/credentials")), [0; 6], "the start stays what it was");
    let times: Vec<_> = receipt
        .root()
        .at("/credential_changes")
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["at"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted());
}

#[test]
fn a_call_that_changes_nothing_is_no_change() {
    needs!();
    let receipt = watch([program("set_ids_same")]).run().complete(0);
    assert_eq!(changes(receipt.root()), []);
}

#[test]
fn children_start_with_what_their_parent_became() {
    needs!();
    let folder = public_folder();
    let folder = folder.path();
    let forker = public_program(folder, "fork");
    let receipt = watch(command![program("drop_and_exec"), "65534", forker]).run().complete(0);
    let child = receipt.children(receipt.root())[0];
    assert_eq!(ids(child.at("/credentials")), [65534; 6]);
    assert_eq!(child.at("/credentials/capabilities/effective"), "0000000000000000");
    assert_eq!(changes(child), []);
    assert_eq!(changes(receipt.root()).len(), 2);
}

#[test]
fn capset_is_a_change() {
    needs!();
    let run = watch([program("capset")]).run();
    let receipt = run.complete(0);
    let changes = changes(receipt.root());
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].0, "capset");
    let printed = run.stdout.trim().strip_prefix("effective=").unwrap();
    assert_eq!(changes[0].1["capabilities"]["effective"], printed);
    assert_eq!(changes[0].1["capabilities"]["permitted"], printed);
}

/// The sets and bits that only `prctl` changes are told when it does, and not with the next exec.
#[test]
fn what_prctl_changes_is_a_change() {
    needs!();
    let receipt = watch([program("change_caps")]).run().complete(0);
    let begun = receipt.root().at("/credentials").clone();
    let set = |credentials: &Value, name: &str| {
        u64::from_str_radix(credentials["capabilities"][name].as_str().unwrap(), 16).unwrap()
    };
    let changes = changes(receipt.root());
    let calls: Vec<_> = changes.iter().map(|(call, _)| call.as_str()).collect();
    assert_eq!(calls, ["prctl", "capset", "prctl", "prctl", "prctl"]);
    let net_raw = 1 << 13;
    assert_eq!(set(&begun, "bounding") & net_raw, net_raw);
    assert_eq!(set(&changes[0].1, "bounding"), set(&begun, "bounding") & !net_raw);
    assert_eq!([1, 2].map(|at| set(&changes[at].1, "ambient")), [0, 1]);
    // SECBIT_KEEP_CAPS, then SECBIT_NOROOT.
    let bits: Vec<_> =
        changes[2..].iter().map(|(_, credentials)| credentials["securebits"].as_u64()).collect();
    assert_eq!(bits, [Some(0), Some(1 << 4), Some(1)]);
}

#[test]
fn leaving_a_namespace_and_coming_back_are_changes() {
    needs!();
    let run = watch([program("setns")]).run();
    let receipt = run.complete(0);
    let seen: Vec<_> = changes(receipt.root())
        .into_iter()
        .map(|(call, credentials)| (call, credentials["namespaces"]["uts"].as_u64().unwrap()))
        .collect();
    let expected =
        [("unshare".to_owned(), fact(&run.stdout, "away")), ("setns".to_owned(), fact(&run.stdout, "home"))];
    assert_eq!(seen, expected);
}

fn unshared(kinds: &[&str]) -> (Run, Vec<(String, Value)>) {
    let mut command = command![program("unshare_each")];
    command.extend(kinds.iter().map(std::ffi::OsString::from));
    let run = watch(command).run();
    let changes = changes(run.complete(0).root());
    (run, changes)
}

#[test]
fn each_kind_of_namespace_is_told() {
    needs!();
    let kinds = ["mnt", "uts", "ipc", "net", "cgroup"];
    let (run, changes) = unshared(&kinds);
    assert_eq!(changes.len(), kinds.len());
    for (kind, (call, credentials)) in kinds.iter().zip(changes) {
        assert_eq!(call, "unshare");
        assert_eq!(credentials["namespaces"][kind].as_u64(), Some(fact(&run.stdout, kind)), "{kind}");
    }
}

#[test]
fn a_user_namespace_changes_capabilities_and_no_uid() {
    needs!();
    let (run, changes) = unshared(&["user"]);
    assert_eq!(changes.len(), 1);
    let (call, credentials) = &changes[0];
    assert_eq!(call, "unshare");
    assert_eq!(credentials["namespaces"]["user"].as_u64(), Some(fact(&run.stdout, "user")));
    assert_eq!(ids(credentials), [0; 6], "as the initial namespace counts");
}

#[test]
fn a_setuid_program_changes_its_caller_s_credentials() {
    needs!();
    let folder = public_folder();
    let folder = folder.path();
    if nosuid(folder) {
        return;
    }
    let program_path = public_program(folder, "exit_code");
    fs::set_permissions(&program_path, fs::Permissions::from_mode(0o4755)).unwrap();
    let script = format!("{} 3; exit 4", program_path.display());
    let receipt = watch(["sh", "-c", &script]).options(["--user", "nobody"]).run().complete(4);
    let child = receipt.children(receipt.root())[0];
    assert_eq!(child.at("/credentials/euid").as_u64(), Some(65534), "as it was forked");
    let changes = changes(child);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].0, "execve");
    assert_eq!(ids(&changes[0].1), [65534, 0, 0, 65534, 65534, 65534]);
}

fn nosuid(folder: &std::path::Path) -> bool {
    let flags = nix::sys::statvfs::statvfs(folder).expect("statvfs").flags();
    flags.contains(nix::sys::statvfs::FsFlags::ST_NOSUID)
}

/// Credentials and namespaces are each thread's own: what one thread changes is not taken back by what another one changes.
#[test]
fn a_change_is_that_of_its_thread() {
    needs!();
    let run = watch([program("thread_namespaces")]).run();
    let receipt = run.complete(0);
    let root = receipt.root();
    let threads: Vec<_> =
        list(root.at("/credential_changes")).iter().map(|change| change["thread"].as_u64()).collect();
    assert_eq!(threads, [Some(fact(&run.stdout, "thread")), None]);
    let begun = root.at("/credentials").clone();
    let [by_thread, by_first] = &changes(root)[..] else { panic!("two changes") };
    for (name, of_thread, of_first) in [("uts", false, true), ("ipc", true, false)] {
        assert_eq!(by_thread.1["namespaces"][name] == begun["namespaces"][name], of_thread, "{name}");
        assert_eq!(by_first.1["namespaces"][name] == begun["namespaces"][name], of_first, "{name}");
    }
}
