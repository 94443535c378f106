//! Programs that try to hide, to act through others, or to harm their observer: one technique each, and what the receipt
//! says of it. `assets/docs/EVASION.md` names each of these tests.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::privilege::needs;
use crate::support::watch::{Watch, public_folder};
use crate::support::{Receipt, calls, calls_32, program, public_program, watch};

const USER: [&str; 2] = ["--user", "65534:65534"];

/// A run of a test program by a user without rights, and where that program lies.
fn by_user(name: &str, arguments: &[&str]) -> (Watch, TempDir) {
    let folder = public_folder();
    let mut words = command![public_program(folder.path(), name)];
    words.extend(arguments.iter().map(Into::into));
    (watch(words).options(USER), folder)
}

fn receipt_by_user(name: &str, arguments: &[&str]) -> Receipt {
    let (watched, _program) = by_user(name, arguments);
    watched.run().complete(0)
}

/// Where version 2 of control groups is mounted.
fn control_groups() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 ")).expect("control groups");
    mount.split(' ').nth(4).unwrap().into()
}

/// A process outside of the run.
struct Outsider(Child);

impl Outsider {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().expect("start sleep"))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// How calls are made.

#[test]
fn requests_through_rings() {
    needs!();
    let watched = watch(command![program("uring"), "a=openat new 0102 0644", "write a 10"]);
    let folder = watched.folder();
    let Some(receipt) = watched.run().complete_if_supported() else { return };
    receipt.expect_finding("io_uring", "info");
    receipt.expect_file(folder.join("new"), "open 1, create 1, write 1", 0, 10);
}

/// What a filter answers looks like what the kernel did: that it may have is told, and the files are looked for all the same.
#[test]
fn calls_that_a_filter_answers() {
    needs!();
    let watched = watch([program("answered_calls")]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    for name in ["removed", "renamed"] {
        receipt.artifact(folder.join(name)).expect_content(b"");
        assert!(!receipt.file(folder.join(name)).transient(), "{name}");
    }
    assert_eq!(receipt.artifacts().len(), 2);
    receipt.expect_finding("answered_calls", "info");
    assert!(receipt.has_blind_spot("answered_calls"));
}

#[test]
fn calls_of_the_32_bit_table() {
    needs!();
    let receipt = watch([program("int80")]).run().complete(0);
    assert_eq!(receipt.calls("i386:getpid"), 7);
    assert_eq!(receipt.expect_finding("calls_of_32_bit", "info").count(), 7);
    let receipt = calls_32(&["fails ESRCH kill 1073741823 15", "kill self 0"]).run().complete(0);
    assert_eq!(receipt.notable_count("i386:kill"), 2);
}

#[test]
fn a_path_that_is_switched_during_the_call() {
    needs!();
    let watched = watch(command![program("flip_path"), "first.", "second", "2000"]);
    let folder = watched.folder();
    for name in ["first.", "second"] {
        fs::write(folder.join(name), name).unwrap();
    }
    let run = watched.run();
    let receipt = run.complete(0);
    for (name, said) in [("first.", "first"), ("second", "second")] {
        let opens: u64 = receipt.files_at(folder.join(name)).iter().map(|file| file.operation("open")).sum();
        assert_eq!(opens, crate::support::fact(&run.stdout, said), "{name}");
    }
}

// What is executed, and under what name.

#[test]
fn a_program_in_memory() {
    needs!();
    let receipt = receipt_by_user("memfd_exec", &["/bin/true"]);
    receipt.expect_finding("fileless_execution", "high");
    assert_eq!(receipt.executions().last().unwrap().0["fileless"], true);
}

#[test]
fn a_deleted_program() {
    needs!();
    let (watched, folder) = by_user("deleted_exec", &["true"]);
    let copy = public_program(folder.path(), "exit_code");
    fs::rename(&copy, watched.folder().join("true")).unwrap();
    fs::set_permissions(watched.folder(), fs::Permissions::from_mode(0o777)).unwrap();
    watched.run().complete(0).expect_finding("fileless_execution", "medium");
}

#[test]
fn a_program_that_removes_itself() {
    needs!();
    let folder = public_folder();
    let copy = public_program(folder.path(), "calls");
    let receipt = watch(command![&copy, format!("unlink {}", copy.display())]).run().complete(0);
    let finding = receipt.expect_finding("deletes_itself", "medium");
    assert_eq!(finding.evidence("path"), [copy.to_str().unwrap()]);
}

#[test]
fn an_exec_from_a_thread() {
    needs!();
    let target = program("exit_code");
    let receipt = watch(command![program("exec_from_thread"), &target, "0"]).run().complete(0);
    assert_eq!(receipt.processes().len(), 1);
    assert_eq!(receipt.root().executions()[1].0["from_thread"], true);
}

#[test]
fn arguments_that_are_overwritten() {
    needs!();
    let receipt = receipt_by_user("overwrite_argv", &["secret"]);
    let argv = &receipt.root().executions()[0].0["argv"];
    assert_eq!(argv[1], "secret", "those that the program was executed with");
    let (watched, _program) = by_user("calls", &["fails EPERM prctl 35 8 4096", "prctl 4 0"]);
    let receipt = watched.run().complete(0);
    receipt.expect_finding("arguments_moved", "low");
    receipt.expect_finding("not_dumpable", "low");
}

#[test]
fn names_of_kernel_threads() {
    needs!();
    let receipt = receipt_by_user("pose", &["[kworker/0:1]"]);
    let finding = receipt.expect_finding("kernel_thread_name", "high");
    assert_eq!(finding.evidence("name"), ["[kworker/0:1]"]);
    assert_eq!(receipt.root().executions()[1].0["argv"][0], "[kworker/0:1]");
    assert_eq!(receipt.notable_count("prctl"), 2);
    let by_file = ["sh", "-c", "echo '[kthreadd]' >/proc/$$/comm"];
    watch(by_file).options(USER).run().complete(0).expect_finding("kernel_thread_name", "high");
}

// Files without their names.

#[test]
fn descriptors_that_are_passed() {
    needs!();
    let watched = calls(&["helper r read r 10", "a=openat AT_FDCWD file O_RDONLY ; pass a"]);
    let folder = watched.folder();
    fs::write(folder.join("file"), [b'x'; 100]).unwrap();
    let receipt = watched.run().complete(0);
    let child = receipt.children(receipt.root())[0];
    let counts = crate::support::files::counts_of("read 1");
    assert_eq!(receipt.file(folder.join("file")).by(child), (counts, 10, 0));
}

#[test]
fn files_opened_by_handle() {
    needs!();
    let watched = calls(&["a=open_by_handle AT_FDCWD file O_RDONLY ; read a 10"]);
    let folder = watched.folder();
    fs::write(folder.join("file"), [b'x'; 100]).unwrap();
    let receipt = watched.run().complete(0);
    receipt.expect_file(folder.join("file"), "open 1, read 1", 10, 0);
    assert_eq!(receipt.calls("open_by_handle_at"), 1);
    receipt.expect_finding("opened_by_handle", "medium");
    let refused = receipt_by_user("calls", &["fails EPERM open_by_handle AT_FDCWD /bin/sh O_RDONLY"]);
    assert_eq!(refused.expect_finding("opened_by_handle", "low").count(), 1);
}

#[test]
fn writing_through_a_mapping() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD file O_RDWR ; m=mmap a 4096 PROT_READ|PROT_WRITE MAP_SHARED ; close a ; poke m 3",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("file"), [b'x'; 10]).unwrap();
    let receipt = watched.run().complete(0);
    assert_eq!(receipt.file(folder.join("file")).operation("map_writable"), 1);
    receipt.artifact(folder.join("file")).expect_content(b"pppxxxxxxx");
}

// Out of reach.

#[test]
fn leaving_the_control_group() {
    needs!();
    let group = control_groups();
    let script = format!("echo $$ >{}/cgroup.procs; true", group.display());
    let run = watch(["sh", "-c", &script]).run();
    run.expect_code(0);
    let receipt = run.receipt();
    let finding = receipt.expect_finding("control_group", "high");
    assert_eq!(finding.evidence("path"), [group.join("cgroup.procs").to_str().unwrap()]);
    assert!(receipt.has_blind_spot("control_group"));
    assert_eq!(receipt.root().at("/exit/code"), 0, "it is followed all the same");
}

#[test]
fn freezing_its_own_group() {
    needs!();
    let script = format!(
        "g={}$(sed -n 's/^0:://p' /proc/self/cgroup); for i in freeze kill procs; do echo 1 >$g/cgroup.$i; done; true",
        control_groups().display()
    );
    let receipt = watch(["sh", "-c", &script]).options(USER).run().complete(0);
    let finding = receipt.expect_finding("control_group", "medium");
    assert_eq!(finding.evidence("errno"), ["EACCES"; 3]);
    assert!(!receipt.has_blind_spot("control_group"));
}

#[test]
fn namespaces_of_its_own() {
    needs!();
    let watched = calls(&[
        "unshare CLONE_NEWNS ; mount none / null MS_REC|MS_PRIVATE null ; mount none new tmpfs 0 null",
        "mkdir new/old 0755 ; mkdir new/file 0755 ; pivot_root new new/old ; chdir / ; openat AT_FDCWD seen O_CREAT 0600",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("new")).unwrap();
    let receipt = watched.run().complete(0);
    for rule in ["new_namespaces", "mounted", "root_changed"] {
        receipt.expect_finding(rule, "low");
    }
    // Making what is there private mounts nothing.
    let mounted = receipt.expect_finding("mounted", "low");
    assert_eq!(mounted.evidence("path"), [folder.join("new").to_str().unwrap()]);
    assert_eq!(receipt.file("/seen").operation("create"), 1);
    let run = watch([program("pid_namespace")]).run();
    let receipt = run.complete(0);
    receipt.expect_finding("new_namespaces", "low");
    assert_eq!(receipt.processes().len(), 3, "they are followed by their numbers in the initial namespace");
}

#[test]
fn daemons() {
    needs!();
    let receipt = watch(command![program("daemon"), "1500"]).options(USER).run().complete(0);
    let finding = receipt.expect_finding("left_running", "low");
    assert_eq!(finding.0["process"], 3, "the grandchild: {finding:?}");
    assert!(receipt.has_blind_spot("left_running"));
}

#[test]
fn ending_right_after_the_act() {
    needs!();
    for (how, code) in [("kill", 137), ("exit", 7), ("fault", 139)] {
        let (watched, _program) = by_user("act_and_die", &["file", how]);
        let folder = watched.folder();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        let receipt = watched.run().complete(code);
        receipt.expect_file(folder.join("file"), "open 1, create 1, write 1", 0, 8);
        assert_eq!(receipt.changes_by("delete").len(), 1, "{how}");
        if how == "kill" {
            let kill = receipt.notable("kill");
            assert_eq!((&kill[0]["what"], &kill[0]["target"]["is"]), (&"SIGKILL".into(), &"itself".into()));
        }
    }
}

// Other processes.

#[test]
fn injection_into_others() {
    needs!();
    for (how, call) in [("vm", Some("process_vm_writev")), ("mem", None), ("ptrace", Some("ptrace"))] {
        let outsider = Outsider::new();
        let receipt = watch(command![program("inject"), how, outsider.pid()]).run().complete(0);
        receipt.expect_finding("process_injection", "high");
        let of_others = |entry: &&Value| entry["target"]["is"] == "outside";
        if let Some(call) = call {
            assert!(receipt.notable(call).iter().any(of_others), "{how}");
        }
        // Without rights it is refused, and told.
        let (watched, _program) = by_user("inject", &[how, &outsider.pid()]);
        let receipt = watched.run().complete(3);
        let rule = if how == "ptrace" { "process_injection" } else { "memory_read" };
        receipt.expect_finding(rule, "medium");
    }
}

#[test]
fn debugging_what_it_started() {
    needs!();
    for how in ["vm", "mem", "ptrace"] {
        let receipt = receipt_by_user("inject", &[how]);
        let worst = receipt.findings().first().map(|finding| finding.severity());
        assert_eq!(worst, Some("low"), "{how}: {:#?}", receipt.findings());
    }
    calls(&["child ptrace 0"]).run().complete(0).expect_finding("tracing", "low");
}

#[test]
fn signals_to_the_observer() {
    needs!();
    let receipt = receipt_by_user(
        "calls",
        &[
            "fails EPERM kill parent 15",
            "fails EPERM tgkill parent parent 9",
            "try rt_sigqueueinfo parent 15",
            "p=pidfd_open parent 0 ; fails EPERM pidfd_send_signal p 19 0 0",
            "fails EPERM ptrace 16 parent",
            "ptrace 0",
        ],
    );
    let finding = receipt.expect_finding("observer_attacked", "high");
    assert_eq!(finding.0["count"], 5, "{finding:#?}");
    for call in ["kill", "tgkill", "rt_sigqueueinfo", "pidfd_send_signal", "pidfd_open"] {
        assert_eq!(receipt.notable(call)[0]["target"]["is"], "observer", "{call}");
    }
    let severities: Vec<_> = receipt.findings().iter().map(|one| (one.rule(), one.severity())).collect();
    assert!(
        severities.contains(&("observer_attacked", "medium")),
        "PTRACE_TRACEME of the command: {severities:?}"
    );
}

#[test]
fn a_storm_of_calls_that_are_told() {
    needs!();
    let receipt = receipt_by_user("signal_storm", &["300000"]);
    let counts: Vec<_> =
        receipt.notable("kill").iter().map(|entry| entry["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [300_000, 300_000]);
}

// The kernel.

#[test]
fn modules_of_the_kernel() {
    needs!();
    let refused = ["try init_module 64 x", "try delete_module none 0", "try kexec_load 0 0 0 0"];
    let receipt = receipt_by_user("calls", &refused);
    receipt.expect_finding("kernel_module", "medium");
    receipt.expect_finding("kernel_replaced", "medium");
    assert_eq!(receipt.notable("delete_module")[0]["text"], "none");
    // What is no module is refused to root as well.
    let receipt = calls(&["try init_module 64 x", "try finit_module -1 x 0"]).run().complete(0);
    assert_eq!(receipt.expect_finding("kernel_module", "medium").0["count"], 2);
}

#[test]
fn programs_of_the_kernel() {
    needs!();
    let receipt = receipt_by_user(
        "calls",
        &["try bpf 5 128", "try perf_event_open 1 -1 -1 0", "fails EPERM reboot 0 0 0"],
    );
    receipt.expect_finding("kernel_program", "medium");
    assert_eq!(receipt.notable("bpf")[0]["what"], "BPF_PROG_LOAD");
    assert_eq!(receipt.notable_count("perf_event_open"), 1);
}

#[test]
fn helpers_of_the_kernel() {
    needs!();
    let open = "openat AT_FDCWD /proc/sys/kernel/core_pattern O_WRONLY";
    let receipt = receipt_by_user("calls", &[&format!("fails EACCES {open}")]);
    let finding = receipt.expect_finding("kernel_helper", "medium");
    assert_eq!(finding.evidence("path"), ["/proc/sys/kernel/core_pattern"]);
    assert!(!receipt.has_blind_spot("kernel_helper"));
    // Nothing is written.
    let receipt = calls(&[open]).run().complete(0);
    receipt.expect_finding("kernel_helper", "high");
    assert!(receipt.has_blind_spot("kernel_helper"));
}

// Work that is handed to others.

#[test]
fn daemons_that_run_containers() {
    needs!();
    let folder = public_folder();
    let path = folder.path().join("docker.sock");
    let connect =
        |expected: &str| format!("s=socket AF_UNIX SOCK_STREAM 0 ; {expected} connect s {}", path.display());
    let receipt = receipt_by_user("calls", &[&connect("fails ENOENT")]);
    receipt.expect_finding("container_daemon", "low");
    let _listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let receipt = receipt_by_user("calls", &[&connect("fails EACCES")]);
    receipt.expect_finding("container_daemon", "medium");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let receipt = receipt_by_user("calls", &[&connect("")]);
    let finding = receipt.expect_finding("container_daemon", "high");
    assert!(receipt.has_blind_spot("work_by_others"));
    assert!(finding.evidence("socket")[0].ends_with("/docker.sock"));
}

#[test]
fn message_buses() {
    needs!();
    let steps = "s=socket AF_UNIX SOCK_STREAM 0 ; try connect s /run/dbus/system_bus_socket";
    receipt_by_user("calls", &[steps]).expect_finding("message_bus", "low");
}

#[test]
fn jobs_and_services() {
    needs!();
    // In a mount namespace of its own, so that nobody runs them.
    let steps = "unshare CLONE_NEWNS ; mount none / null MS_REC|MS_PRIVATE null ; mount none /var tmpfs 0 null ; \
        mkdir /var/spool 0755 ; mkdir /var/spool/cron 0755 ; \
        a=openat AT_FDCWD /var/spool/cron/ann O_CREAT|O_WRONLY 0600 ; write a 9 ; mount none /run tmpfs 0 null ; \
        mkdir /run/systemd 0755 ; mkdir /run/systemd/system 0755 ; \
        b=openat AT_FDCWD /run/systemd/system/x.service O_CREAT|O_WRONLY 0600 ; write b 9";
    let receipt = calls(&[steps]).run().complete(0);
    assert_eq!(receipt.expect_finding("scheduled_job", "medium").evidence("path"), ["/var/spool/cron/ann"]);
    let units = receipt.expect_finding("service_unit", "medium").evidence("path");
    assert!(units.contains(&"/run/systemd/system/x.service".to_owned()), "{units:?}");
    assert!(receipt.has_blind_spot("work_by_others"));
}

/// With a factor that is known in place of a secret.
#[test]
fn names_with_the_same_hash() {
    needs!();
    let receipt = watch(command![program("alike_paths")]).run().complete(0);
    let failed = receipt.failed_uses();
    let asked: Vec<_> = failed
        .iter()
        .map(|one| (one.path().unwrap_or_default(), one.count()))
        .filter(|(path, _)| path.as_os_str().as_bytes().starts_with(b"/nowher"))
        .collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked.iter().all(|(_, count)| *count == 1), "{asked:?}");
}

/// The document tells of each test here and of no other, and of programs that these run.
#[test]
fn the_document_names_these_tests() {
    let here = include_str!("evasion.rs");
    let document = include_str!("../../assets/docs/EVASION.md");
    let rows = document.lines().filter(|line| line.starts_with('|') && line.ends_with("` |"));
    let mut named = BTreeSet::new();
    for cell in rows.filter_map(|row| row.trim_end_matches("` |").rsplit(" | ").next()) {
        let (programs, test) = cell.split_once(": `").unwrap_or_else(|| panic!("no program in {cell}"));
        assert!(named.insert(test), "{test} has two rows");
        for program in programs.split('`').skip(1).step_by(2) {
            let runs =
                [format!("\"{program}\""), format!("{program}(")].iter().any(|call| here.contains(call));
            assert!(runs, "no test runs {program}");
        }
    }
    let own = "the_document_names_these_tests";
    let tests = here.split("#[test]\nfn ").skip(1).filter_map(|text| text.split('(').next());
    assert_eq!(named, tests.filter(|name| *name != own).collect());
}
