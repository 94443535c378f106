//! Each successful exec: which file, with which arguments, where and how; and each failed one.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::privilege::{find_tool, needs, skip};
use crate::support::receipt::{bytes, list};
use crate::support::watch::public_folder;
use crate::support::{Execution, Receipt, fact, program, public_program, real, sha256, slowness, watch};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_file_is_named_found_and_hashed() {
    needs!();
    let target = program("exit_code");
    let watched = watch(command![&target, "0"]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    let execution = receipt.root().execution();
    assert_eq!(execution.path(), text(&target));
    assert_eq!(execution.0["path_source"], "kernel");
    assert_eq!(execution.filename(), text(&target).as_bytes());
    assert_eq!(execution.argv_text(), [text(&target), "0"]);
    assert_eq!(execution.0["argv_source"], "kernel");
    assert_eq!(execution.0["argv_count"], 2);
    assert_eq!(execution.0["argv_bytes"].as_u64(), Some(text(&target).len() as u64 + 1 + 2));
    assert_eq!(execution.0["call"], "execve");
    assert_eq!(execution.0["cwd"], text(&folder));
    assert_eq!(execution.0["fileless"], false);
    assert_eq!(execution.0["from_thread"], false);
    assert!(execution.0["interpreter"].is_null());
    execution.expect_sha256(&fs::read(&target).unwrap());
    let facts = fs::metadata(&target).unwrap();
    assert_eq!(execution.0["inode"].as_u64(), Some(facts.ino()));
    let device = format!("{}:{}", nix::sys::stat::major(facts.dev()), nix::sys::stat::minor(facts.dev()));
    assert_eq!(execution.0["device"], device.as_str());
    let command = receipt.at("/command");
    assert_eq!(command["argv"][0], text(&target));
    assert_eq!(command["cwd"], text(&folder));
    assert_eq!(command["executable"]["path"], text(&target));
    assert_eq!(command["executable"]["sha256"], sha256(&fs::read(&target).unwrap()).as_str());
}

#[test]
fn a_name_is_looked_up_in_path_by_glasshouse_itself() {
    needs!();
    let receipt = watch(["true"]).run().complete(0);
    let root = receipt.root();
    assert_eq!(root.failed_executions(), [], "the search is the launcher's, not the command's");
    assert_eq!(root.execution().argv_text(), ["true"]);
    assert_eq!(receipt.at("/command/argv"), &serde_json::json!(["true"]));
    assert!(root.execution().path().ends_with("/true") || root.execution().path().contains("coreutils"));
}

/// The kernel's path is where the file is; the file name is what was asked for.
#[test]
fn symbolic_links_and_relative_names_are_resolved() {
    needs!();
    let watched = watch(["sh", "-c", "cd below && ../link; ./../below/../link; exec ./link2"]);
    let folder = watched.folder();
    fs::create_dir(folder.join("below")).unwrap();
    let target = public_program(&folder, "exit_code");
    symlink("exit_code", folder.join("link")).unwrap();
    symlink("../link", folder.join("below/link2")).unwrap();
    let receipt = watched.run().complete(0);
    let mut executions: Vec<_> = receipt.executions();
    executions.retain(|execution| execution.path() == text(&target));
    assert_eq!(executions.len(), 3);
    let names: Vec<_> =
        executions.iter().map(|execution| String::from_utf8(execution.filename()).unwrap()).collect();
    assert_eq!(names, ["./link2", "../link", "./../below/../link"], "the root's own comes first");
    assert!(executions.iter().all(|execution| execution.0["cwd"] == text(&folder.join("below"))));
    let arguments = executions[1].argv_text();
    assert_eq!(arguments, ["../link"]);
}

#[test]
fn each_generation_of_a_process_is_kept() {
    needs!();
    let receipt = watch(command![program("exec_chain"), "50"]).run().complete(0);
    assert_eq!(receipt.processes().len(), 1);
    let executions = receipt.root().executions();
    let numbers: Vec<_> = executions.iter().map(|execution| execution.argv_text()[1].clone()).collect();
    assert_eq!(numbers, (0..=50).rev().map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(executions[1..].iter().all(|execution| execution.filename() == b"/proc/self/exe"));
    assert!(executions.iter().all(|execution| execution.path() == text(&program("exec_chain"))));
    assert!(executions.iter().map(|execution| execution.0["at"].as_str().unwrap()).is_sorted());
    assert_eq!(receipt.calls("execve"), 51);
}

#[test]
fn a_storm_of_execs_is_complete() {
    needs!();
    let target = program("exit_code");
    let receipt = watch(command![program("exec_storm"), "2000", &target]).run().complete(0);
    let children = receipt.children(receipt.root());
    assert_eq!(children.len(), 2000);
    assert!(children.iter().all(|child| child.execution().path() == text(&target)));
    assert!(children.iter().all(|child| child.exit_code() == Some(0)));
    let content = fs::read(&target).unwrap();
    for child in children {
        child.execution().expect_sha256(&content);
    }
}

#[test]
fn an_exec_by_another_thread_keeps_the_process() {
    needs!();
    let target = program("exit_code");
    let run = watch(command![program("exec_from_thread"), &target, "7"]).run();
    let receipt = run.complete(7);
    assert_eq!(receipt.processes().len(), 1);
    assert_eq!(receipt.root().namespace_pid(), fact(&run.stdout, "leader"));
    let executions = receipt.root().executions();
    assert_eq!(executions.len(), 2);
    assert_eq!(executions[0].0["from_thread"], false);
    assert_eq!(executions[1].0["from_thread"], true);
    assert_eq!(executions[1].path(), text(&target));
    assert_eq!(receipt.root().calls("execve"), 2);
}

#[test]
fn execveat_is_followed_to_the_file() {
    needs!();
    let target = program("exit_code");
    let folder = target.parent().unwrap();
    for command in [
        command![program("execveat_fd"), &target, "3"],
        command![program("execveat_dir"), folder, "exit_code", "3"],
    ] {
        let receipt = watch(command).run().complete(3);
        let execution = receipt.root().executions()[1];
        assert_eq!(execution.path(), text(&target));
        assert_eq!(execution.0["call"], "execveat");
        assert!(execution.filename().starts_with(b"/dev/fd/"), "the kernel's own name for it");
        assert_eq!(execution.0["fileless"], false);
        execution.expect_sha256(&fs::read(&target).unwrap());
    }
}

#[test]
fn a_program_in_memory_is_fileless() {
    needs!();
    let target = program("exit_code");
    let receipt = watch(command![program("memfd_exec"), &target, "3"]).run().complete(3);
    let execution = receipt.root().executions()[1];
    assert_eq!(execution.0["fileless"], true);
    assert!(execution.path().contains("memfd:in memory"), "{}", execution.path());
    assert_eq!(execution.argv_text()[1], "3");
    execution.expect_sha256_or_reason(&fs::read(&target).unwrap());
    assert_eq!(execution.0["sha256"].is_string(), execution.0["sha256_may_be_of_later"] == true);
    assert!(receipt.root().executions()[0].0["sha256_may_be_of_later"].is_null());
}

/// Nothing but its own process leads to it: whoever lives for a moment is found there.
#[test]
fn a_program_in_memory_is_hashed_while_it_runs() {
    needs!();
    let sleep = real(&find_tool("sleep").unwrap());
    let receipt = watch(command![program("memfd_exec"), &sleep, a_moment()]).run().complete(0);
    let execution = receipt.root().executions()[1];
    assert_eq!(execution.0["fileless"], true);
    execution.expect_sha256(&fs::read(&sleep).unwrap());
}

/// The last process of a mount namespace takes its mounts along. Here others were seen there before it, and it belongs to
/// a user namespace in which nothing can be mounted that somebody would miss.
#[test]
fn a_program_on_a_private_mount_is_hashed_although_all_is_gone() {
    needs!("unshare", "mount");
    // A namespace is held for a quarter of a second after each exec that was seen in it.
    const STEPS: &str = "sleep 0.1 && sleep 0.1 && sleep 0.1 && sleep 0.1";
    let target = program("exit_code");
    let script = format!(
        "mount -t tmpfs none private && cp {} private/copy && {STEPS} && exec private/copy 3",
        target.display()
    );
    let run = |options| {
        let watched = watch(["unshare", options, "sh", "-c", &script]);
        let folder = watched.folder();
        fs::create_dir(folder.join("private")).unwrap();
        let receipt = watched.run().complete(3);
        let executions = receipt.root().executions();
        let last = executions.last().unwrap();
        assert_eq!(last.path(), text(&folder.join("private/copy")));
        last.0.clone()
    };
    let content = fs::read(&target).unwrap();
    if is_allowed_user_namespaces() {
        Execution(&run("-Urm")).expect_sha256(&content);
    }
    // Not held: it could have a device mounted.
    Execution(&run("-m")).expect_sha256_or_reason(&content);
}

fn is_allowed_user_namespaces() -> bool {
    Command::new("unshare").args(["-Urm", "true"]).status().unwrap().success()
}

/// Seconds in which glasshouse has a look at what is executed, wherever it runs.
fn a_moment() -> String {
    (0.3 * slowness()).min(3.0).to_string()
}

/// A namespace of one process that ends at once: whether it was looked at in time is a matter of luck.
#[test]
fn a_program_on_a_mount_of_its_own_is_hashed_or_explained() {
    needs!();
    let target = program("exit_code");
    let sleep = real(&find_tool("sleep").unwrap());
    let folder = public_folder();
    let folder = real(folder.path());
    let run = |command: &Path, word: &str, code| {
        let command = command![program("private_exec"), &folder, command, word];
        let receipt = watch(command).run().complete(code);
        let execution = receipt.root().executions()[1].0.clone();
        assert_eq!(Execution(&execution).path(), text(&folder.join("copy")));
        execution
    };
    Execution(&run(&target, "3", 3)).expect_sha256_or_reason(&fs::read(&target).unwrap());
    Execution(&run(&sleep, &a_moment(), 0)).expect_sha256(&fs::read(&sleep).unwrap());
}

/// What is mounted in a private namespace can be had back when its processes have ended, and what is copied into one when
/// it is unmounted where it came from.
#[test]
fn a_device_on_a_private_mount_is_not_kept_busy() {
    needs!("unshare", "mount", "losetup", "mkfs.ext4");
    // Without loop devices there is nothing to see.
    let script = "truncate -s 8M image && mkfs.ext4 -qF image && loop=$(losetup -f --show image) || exit 0
        mkdir private; code=0
        for again in 1 2 3 4 5 6; do
            unshare -m sh -c \"mount $loop private && sleep 0.05\" && mkfs.ext4 -qF $loop || code=$?
        done
        unshare -m sh -c \"mount --make-rprivate / && mount $loop private && unshare -Urm true
            umount private && mkfs.ext4 -qF $loop\" || code=$?
        losetup -d $loop; exit $code";
    watch(["sh", "-c", script]).run().complete(0);
}

/// A program is read while its mount can be unmounted, which is what follows in many a script: it is busy
/// for the moment between finding the file and cloning the mount only, which is hit rarely.
#[test]
fn a_mount_is_not_kept_busy_by_reading_a_program() {
    needs!("mount", "umount");
    let sleep = real(&find_tool("sleep").unwrap());
    let script = format!(
        "mkdir m; busy=0; for again in $(seq 40); do mount -t tmpfs none m && cp {} m/p && truncate -s 9M m/p && m/p 0 \
        && umount m || {{ busy=$((busy + 1)); umount -l m; }}; done; test $busy -le 3",
        sleep.display()
    );
    watch(["sh", "-c", &script]).run().complete(0);
}

/// What is on a device that the workload has mounted is not read: a device is at rest when it has been unmounted.
#[test]
fn a_device_that_was_mounted_meanwhile_is_left_alone() {
    needs!("unshare", "mount", "umount", "losetup", "mkfs.ext4");
    let target = program("exit_code");
    let script = format!(
        "truncate -s 32M image && mkfs.ext4 -qF image && loop=$(losetup -f --show image) || exit 0
        mkdir m; code=0
        for again in 1 2 3 4 5 6; do
            mount $loop m && cp {} m/p && truncate -s 9M m/p && m/p 0 && umount m && mkfs.ext4 -qF $loop || code=$?
        done
        losetup -d $loop; exit $code",
        target.display()
    );
    // Not seen by others: a namespace that is made elsewhere meanwhile would have a copy of the mount.
    watch(["sh", "-c", &script]).under(["unshare", "-m"]).run().complete(0);
}

#[test]
fn a_deleted_program_is_fileless() {
    needs!();
    let watched = watch(command![program("deleted_exec"), "./exit_code", "3"]);
    let target = public_program(&watched.folder(), "exit_code");
    let receipt = watched.run().complete(3);
    let execution = receipt.root().executions()[1];
    assert_eq!(execution.0["fileless"], true);
    assert_eq!(execution.0["unlinked"], true);
    assert_eq!(execution.path(), text(&target), "a flag, not a suffix");
    execution.expect_sha256_or_reason(&fs::read(program("exit_code")).unwrap());
}

#[test]
fn arguments_below_the_cap_are_exact() {
    needs!();
    let size = 128 * 1024;
    let receipt =
        watch(command![program("big_argv"), size.to_string(), program("set_ids_same")]).run().complete(0);
    let execution = receipt.root().executions()[1];
    let argv = execution.argv();
    assert_eq!(argv.iter().map(|argument| argument.len() + 1).sum::<usize>(), size);
    assert_eq!(execution.0["argv_bytes"].as_u64(), Some(size as u64));
    assert_eq!(execution.0["argv_count"].as_u64(), Some(argv.len() as u64));
    for (index, argument) in argv.iter().enumerate().skip(1) {
        let number = format!("{index}:");
        assert!(argument.starts_with(number.as_bytes()));
        let letter = b'a' + u8::try_from(index % 26).unwrap();
        assert!(argument[number.len()..].iter().all(|byte| *byte == letter));
    }
}

/// Beyond the cap the receipt keeps the beginning and says how much there was.
#[test]
fn arguments_beyond_the_cap_are_said_to_be_cut() {
    needs!();
    for size in [300_000_u64, 1_000_000] {
        let receipt =
            watch(command![program("big_argv"), size.to_string(), program("set_ids_same")]).run().complete(0);
        let execution = receipt.root().executions()[1];
        let name = text(&program("set_ids_same")).len() as u64 + 1;
        let count = 1 + (size - name).div_ceil(1000);
        assert_eq!(execution.0["argv_bytes"].as_u64(), Some(size));
        assert_eq!(execution.0["argv_count"].as_u64(), Some(count));
        let argv = &execution.0["argv"];
        if argv.is_array() {
            assert_eq!(execution.argv().iter().map(|argument| argument.len() as u64 + 1).sum::<u64>(), size);
            continue;
        }
        assert_eq!(argv["truncated"], true);
        assert_eq!(argv["length"].as_u64(), Some(count));
        let kept: Vec<Vec<u8>> = list(&argv["value"]).iter().map(|argument| beginning(argument).0).collect();
        let sum: usize = kept.iter().map(|argument| argument.len() + 1).sum();
        assert!(sum as u64 >= 128 * 1024, "{sum} bytes kept");
        for (index, argument) in kept.iter().enumerate().skip(1) {
            let number = format!("{index}:");
            let common = number.len().min(argument.len());
            assert_eq!(&argument[..common], &number.as_bytes()[..common], "the beginning, in order");
        }
    }
}

/// Of the argument and of the variable in which the kernel side stops there is a part: it says so, and no hash of it stands
/// for the value.
#[test]
fn what_is_cut_in_the_middle_is_said_to_be() {
    needs!();
    let whole = "x".repeat(131_000);
    // Two fit into 256 KiB, and the third one is cut. Its length is known if there is no other behind it.
    for (count, length) in [("3", Some(131_000)), ("5", None)] {
        let command = command![program("cut_strings"), count, "131000", program("exit_code")];
        let receipt = watch(command.clone()).run().complete(0);
        let execution = receipt.root().executions()[1];
        // Where nothing but the end of the last one is missing, the list is whole.
        let entries = |all: &serde_json::Value| list(all.get("value").unwrap_or(all)).to_vec();
        let arguments = entries(&execution.0["argv"]);
        assert_eq!(execution.0["argv"].is_array(), length.is_some());
        assert_eq!(arguments.len(), 4);
        assert_eq!([&arguments[1], &arguments[2]], [&whole, &whole]);
        let is_cut = |text: &serde_json::Value| {
            assert_eq!([&text["truncated_reason"], &text["truncated"]], [&json!("limit"), &json!(true)]);
            assert_eq!(text["length"].as_u64(), length);
            assert_eq!(text["length_reason"].as_str(), if length.is_none() { Some("unknown") } else { None });
            let part = text["value"].as_str().unwrap();
            assert!(part.len() < whole.len() && whole.starts_with(part), "{} bytes", part.len());
        };
        is_cut(&arguments[3]);
        let variable = |execution: &Execution<'_>, name: &str| {
            let variables = entries(&execution.0["environment"]);
            variables.iter().find(|variable| variable["name"] == name).unwrap().clone()
        };
        for name in ["V0", "V1"] {
            assert_eq!(variable(&execution, name)["value_sha256"], sha256(whole.as_bytes()));
        }
        let cut = variable(&execution, "V2");
        assert_eq!([&cut["value_sha256"], &cut["value_sha256_reason"]], [&json!(null), &json!("limit")]);
        assert_eq!(cut["value_length"].as_u64(), length);

        let receipt = watch(command).options(["--env-values"]).run().complete(0);
        let execution = receipt.root().executions()[1];
        assert_eq!(variable(&execution, "V1")["value"], whole);
        is_cut(&variable(&execution, "V2")["value"]);
    }
}

/// What there is of a text, and whether that is all of it.
fn beginning(value: &serde_json::Value) -> (Vec<u8>, bool) {
    match value.get("truncated") {
        Some(_) => (bytes(&value["value"]), false),
        None => (bytes(value), true),
    }
}

#[test]
fn arguments_are_exact_bytes() {
    needs!();
    let cases: [(&str, &[&[u8]]); 3] = [
        (
            "bytes",
            &[
                b"line\nbreak",
                b"\x1b]0;owned\x07\x1b[2J",
                b"not utf-8: \xff\xfe",
                b"tab\tquote\"backslash\\",
                "\u{20ac}".as_bytes(),
            ],
        ),
        ("empty", &[b"", b"", b"between", b""]),
        // Since Linux 5.18 an empty list becomes one empty string.
        ("none", &[b""]),
    ];
    for (mode, expected) in cases {
        let receipt = watch(command![program("odd_argv"), mode, program("rename")]).run().receipt();
        receipt.expect_complete();
        let execution = receipt.root().executions()[1];
        assert_eq!(execution.argv(), expected, "{mode}");
        assert_eq!(execution.0["argv_count"].as_u64(), Some(expected.len() as u64));
        let length: usize = expected.iter().map(|argument| argument.len() + 1).sum();
        assert_eq!(execution.0["argv_bytes"].as_u64(), Some(length as u64));
    }
}

/// What a program writes over its own arguments later is a claim.
#[test]
fn arguments_are_those_of_the_exec() {
    needs!();
    let receipt = watch(command![program("overwrite_argv"), "true", "story"]).run().complete(0);
    assert_eq!(receipt.root().execution().argv_text()[1..], ["true", "story"]);
}

#[test]
fn the_environment_is_hashed_or_kept() {
    needs!();
    let command = command![program("odd_env"), program("exit_code")];
    let receipt = watch(command.clone()).run().complete(0);
    let execution = receipt.root().executions()[1];
    assert_eq!(execution.0["environment_count"], 8);
    let hashes = |name: &str| {
        execution
            .variables(name)
            .iter()
            .map(|v| v["value_sha256"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(hashes("TWICE"), [sha256(b"1"), sha256(b"2")]);
    assert_eq!(hashes("EQUALS"), [sha256(b"a=b=c")]);
    assert_eq!(hashes("EMPTY"), [sha256(b"")]);
    assert_eq!(hashes("BYTES"), [sha256(b"\xff\n")]);
    assert_eq!(execution.variables("NO_EQUALS_SIGN").len(), 1);
    assert!(execution.variables("EQUALS")[0].get("value").is_none(), "values are kept on demand only");

    let receipt = watch(command).options(["--env-values"]).run().complete(0);
    let execution = receipt.root().executions()[1];
    assert_eq!(execution.variables("EQUALS")[0]["value"], "a=b=c");
    assert_eq!(execution.variables("EMPTY")[0]["value"], "");
    assert_eq!(bytes(&execution.variables("BYTES")[0]["value"]), b"\xff\n");
}

/// The command gets glasshouse's own environment, what is no variable included, and the receipt says what it got.
#[test]
fn the_command_s_environment_is_the_caller_s_byte_for_byte() {
    needs!();
    let environment = |output: &[u8]| {
        let lines =
            output.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"env ")).map(<[u8]>::to_vec);
        lines.collect::<Vec<_>>()
    };
    let bare = Command::new(program("odd_env")).arg(program("inherited")).output().unwrap();
    let run = watch([program("inherited")]).under([program("odd_env")]).options(["--env-values"]).run();
    let receipt = run.complete(0);
    let watched = fs::read(run.folder().join("stdout")).unwrap();
    assert_eq!(environment(&watched), environment(&bare.stdout));
    assert!(environment(&watched).len() >= 8);
    let names = |list: &serde_json::Value| {
        let names =
            list.as_array().unwrap().iter().map(|variable| variable["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let expected = ["TWICE", "TWICE", "NO_EQUALS_SIGN", "", "", "EMPTY", "EQUALS", "BYTES"];
    assert_eq!(names(receipt.at("/command/environment")), expected);
    assert_eq!(names(&receipt.root().execution().0["environment"]), expected);

    let command = watch([program("inherited")]).under([program("odd_env")]).options(["--env", "TWICE=3"]);
    let run = command.run();
    run.complete(0);
    let twice: Vec<_> = run.stdout.lines().filter(|line| line.starts_with("env TWICE")).collect();
    assert_eq!(twice, ["env TWICE=3"], "whichever a program takes");
}

#[test]
fn the_command_s_environment_is_given_by_the_caller() {
    needs!();
    let receipt =
        watch(["true"]).env("GLASS_A", "1").options(["--env", "GLASS_B=2", "--env-values"]).run().complete(0);
    for (name, value) in [("GLASS_A", "1"), ("GLASS_B", "2")] {
        assert_eq!(receipt.root().execution().variables(name)[0]["value"], value);
        let command = list(receipt.at("/command/environment"));
        assert_eq!(command.iter().find(|variable| variable["name"] == name).unwrap()["value"], value);
    }
}

#[test]
fn a_search_in_path_is_failed_executions() {
    needs!();
    let run = watch(command![
        program("path_search"),
        "/nonexistent/a:/nonexistent/b:/etc/passwd:/usr/bin:/bin",
        "true"
    ])
    .run();
    let receipt = run.complete(0);
    assert_eq!(receipt.processes().len(), 1);
    let expected = [
        ("/nonexistent/a/true", "ENOENT"),
        ("/nonexistent/b/true", "ENOENT"),
        ("/etc/passwd/true", "ENOTDIR"),
    ];
    let expected: Vec<_> = expected.map(|(name, errno)| (name.to_owned(), errno.to_owned(), 1)).into();
    assert_eq!(receipt.root().failed_executions(), expected);
    assert_eq!(receipt.root().executions().len(), 2);
    assert_eq!(receipt.calls("execve"), 5, "failures are calls too");
    let failed = &receipt.root().at("/failed_executions")[0];
    assert_eq!(failed["path_source"], "argument");
    assert_eq!(failed["call"], "execve");
}

#[test]
fn failures_are_counted_by_name_and_errno() {
    needs!();
    let watched = watch(command![
        program("exec_errors"),
        "./plain",
        "./garbage",
        "./missing",
        "./plain/x",
        "./missing",
        "./missing"
    ]);
    let folder = watched.folder();
    for (name, mode) in [("plain", 0o644), ("garbage", 0o755)] {
        fs::write(folder.join(name), "neither a program nor a script\n").unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let run = watched.run();
    assert_eq!(run.stdout, "EACCES ENOEXEC ENOENT ENOTDIR ENOENT ENOENT\n");
    let receipt = run.complete(0);
    let expected = [
        ("./plain", "EACCES", 1),
        ("./garbage", "ENOEXEC", 1),
        ("./missing", "ENOENT", 3),
        ("./plain/x", "ENOTDIR", 1),
    ];
    let expected: Vec<_> =
        expected.map(|(name, errno, count)| (name.to_owned(), errno.to_owned(), count)).into();
    assert_eq!(receipt.root().failed_executions(), expected);
    let denied = receipt.denied_to(receipt.root());
    assert_eq!(denied, [("execve".to_owned(), "EACCES".to_owned(), 1)].into());
}

#[test]
fn a_name_that_could_not_be_read_is_not_empty() {
    needs!();
    let receipt = watch([program("exec_bad_pointer")]).run().complete(0);
    let failed = list(receipt.root().at("/failed_executions"));
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|failed| failed["errno"] == "EFAULT"));
    assert!(failed[0]["filename"].is_null() && failed[0]["filename_reason"].is_string(), "{}", failed[0]);
    assert_eq!(failed[1]["filename"], "/bin/true");
}

#[test]
fn a_changed_root_is_told_by_two_paths() {
    needs!("chroot");
    let folder = public_folder();
    let folder = real(folder.path());
    fs::create_dir(folder.join("below")).unwrap();
    let target = public_program(&folder, "exit_code");
    let receipt = watch(command!["chroot", &folder, "/exit_code", "3"]).run().complete(3);
    let execution = receipt.root().executions()[1];
    assert_eq!(execution.path(), text(&target));
    assert_eq!(execution.0["path_in_root"], "/exit_code");
    execution.expect_sha256(&fs::read(&target).unwrap());
}

/// Mounts are crossed: the path is the one by which the process reached the file.
#[test]
fn a_bind_mount_is_part_of_the_path() {
    needs!("unshare", "mount");
    let watched = watch(["unshare", "-m", "sh", "-c", "mount --bind a b && b/exit_code 3"]);
    let folder = watched.folder();
    fs::create_dir(folder.join("a")).unwrap();
    fs::create_dir(folder.join("b")).unwrap();
    let target = public_program(&folder.join("a"), "exit_code");
    let run = watched.run();
    let receipt = run.complete(3);
    let last = *receipt.executions().last().unwrap();
    assert_eq!(last.path(), text(&folder.join("b/exit_code")));
    assert_eq!(last.0["inode"].as_u64(), Some(fs::metadata(&target).unwrap().ino()));
    // The mount is the command's own: what has ended may not be reachable any more.
    last.expect_sha256_or_reason(&fs::read(&target).unwrap());
}

/// A path close to PATH_MAX, with a component close to NAME_MAX.
#[test]
fn a_long_path_is_complete() {
    needs!();
    let folder = public_folder();
    let mut path = real(folder.path()).join("n".repeat(255));
    while path.as_os_str().len() < 4096 - 120 {
        path.push("d".repeat(90));
    }
    fs::create_dir_all(&path).unwrap();
    let target = public_program(&path, "exit_code");
    let receipt = watch(command![&target, "3"]).run().complete(3);
    assert_eq!(receipt.root().execution().path(), text(&target));
    receipt.root().execution().expect_sha256(&fs::read(&target).unwrap());
}

/// A path that no system call could name at once: the end of it, said to be cut, or a reason.
#[test]
fn a_path_beyond_the_limit_is_said_to_be_cut() {
    needs!();
    let folder = public_folder();
    let step = format!("{}/{}", "x".repeat(200), "y".repeat(200));
    let script = format!(
        "set -e; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do mkdir -p {step}; cd -P {step}; done; cp {} here; ./here 3",
        program("exit_code").display()
    );
    let run = watch(command!["sh", "-c", script]).options(command!["--cwd", folder.path()]).run();
    if run.status.code() != Some(3) {
        return skip("this shell cannot go so deep");
    }
    let receipt = run.complete(3);
    let here: Vec<_> = receipt.executions().into_iter().filter(|e| e.0["filename"] == "./here").collect();
    assert_eq!(here.len(), 1);
    for execution in here {
        let path = &execution.0["path"];
        if path.is_null() {
            assert!(execution.0["path_reason"].is_string(), "{}", execution.0);
            continue;
        }
        let (kept, whole) = beginning(path);
        assert!(!whole, "{path}");
        assert!(kept.ends_with(b"/here"), "{path}");
        assert!(path["length"].as_u64().unwrap() > 15 * 402, "{path}");
    }
}

/// A file that is replaced between two runs of it: no run is given the other's hash.
#[test]
fn a_hash_is_of_what_was_run() {
    needs!();
    let (first, second) = (program("exit_code"), program("fork"));
    let script = format!("cp {} x && ./x 0; cp {} x && ./x; exit 5", first.display(), second.display());
    let receipt: Receipt = watch(["sh", "-c", &script]).run().complete(5);
    let runs: Vec<_> =
        receipt.executions().into_iter().filter(|execution| execution.0["filename"] == "./x").collect();
    assert_eq!(runs.len(), 2);
    runs[0].expect_sha256_or_reason(&fs::read(first).unwrap());
    runs[1].expect_sha256_or_reason(&fs::read(second).unwrap());
}

/// Fifty files that are run once each and deleted at once: whatever could not be hashed says why.
#[test]
fn short_lived_files_are_hashed_or_explained() {
    needs!();
    let target = program("exit_code");
    let script = format!(
        "i=0; while [ $i -lt 50 ]; do cp {} x$i; ./x$i 0; rm x$i; i=$((i + 1)); done",
        target.display()
    );
    let receipt = watch(["sh", "-c", &script]).run().complete(0);
    let content = fs::read(&target).unwrap();
    let runs: Vec<_> = receipt
        .executions()
        .into_iter()
        .filter(|execution| execution.filename().starts_with(b"./x"))
        .collect();
    assert_eq!(runs.len(), 50);
    for run in &runs {
        run.expect_sha256_or_reason(&content);
    }
    // Of so many one at least is looked at in time, where the machine is no slow one.
    let hashed = runs.iter().filter(|run| run.0["sha256"].is_string()).count();
    assert!(hashed > 0 || slowness() > 1.0);
}

#[test]
fn command_words_may_be_any_bytes() {
    needs!();
    use std::os::unix::ffi::OsStringExt;
    let odd = OsString::from_vec(b"\xff \n\x1b[31m".into());
    let receipt = watch(vec!["true".into(), odd.clone()]).run().complete(0);
    assert_eq!(bytes(&receipt.at("/command/argv")[1]), odd.into_vec());
}

/// A program that the kernel begins to load and then cannot: a segment is larger in the file than in memory.
fn broken_program(folder: &Path) -> PathBuf {
    let mut content = fs::read(program("exit_code")).unwrap();
    let number = |at: usize, bytes: usize| {
        content[at..at + bytes].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    let (first, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let loaded = (0..count).map(|index| first + index * size).find(|at| number(*at, 4) == 1).unwrap();
    content[loaded + 40..loaded + 48].copy_from_slice(&1_u64.to_le_bytes());
    let path = folder.join("broken");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The old image is gone when the new one turns out to be unusable: the kernel kills the process, and the file name is where
/// only the kernel had it.
#[test]
fn an_exec_that_fails_without_a_way_back_is_told() {
    needs!();
    let (as_root, as_child) = (watch(["./broken"]), watch(["sh", "-c", "./broken; exit 6"]));
    broken_program(&as_root.folder());
    broken_program(&as_child.folder());
    let receipt = as_child.run().complete(6);
    let probes = receipt.at("/observation/probes").as_array().unwrap();
    if !probes.iter().any(|probe| probe["name"] == "prepare_exec" && probe["attached"] == true) {
        return skip("the kernel tells of an exec when it has succeeded");
    }
    let expected = [("./broken".to_owned(), "EINVAL".to_owned(), 1)];
    let child = receipt.children(receipt.root())[0];
    assert_eq!(child.failed_executions(), expected);
    assert_eq!(child.exit_signal(), Some(11));

    let run = as_root.run();
    let receipt = run.complete(128 + 11);
    assert_eq!(receipt.processes().len(), 1);
    let root = receipt.root();
    assert_eq!(root.failed_executions(), expected);
    assert_eq!(root.executions().len(), 0);
    assert_eq!(root.exit_signal(), Some(11));
    assert_eq!(root.at("/credentials/uid"), 0);
    assert_eq!(root.namespace_pid(), root.pid());
    assert_eq!(root.at("/parent_id_reason"), "outside_scope");
    assert!(root.text("/started_at") <= root.text("/failed_executions/0/first_at"));
}
