//! Files that another program interprets: `path` is the script, `interpreter` the loaded image, `argv` the kernel's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::privilege::{find_tool, needs, skip};
use crate::support::{Execution, program, real, sha256, slowness, watch};

fn script(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[track_caller]
fn expect_interpreter(execution: Execution<'_>, program: &Path) {
    let program = real(program);
    let interpreter = &execution.0["interpreter"];
    assert_eq!(interpreter["path"], program.to_str().unwrap(), "{interpreter}");
    assert_eq!(interpreter["path_source"], "kernel");
    assert_eq!(interpreter["sha256"], sha256(&fs::read(&program).unwrap()).as_str());
}

#[test]
fn a_script_is_the_path_and_its_interpreter_the_image() {
    needs!();
    let watched = watch(["./script", "first", "second"]);
    let folder = watched.folder();
    let content = "#!/bin/sh -e\nexit 3\n";
    let path = script(&folder, "script", content);
    let receipt = watched.run().complete(3);
    let execution = receipt.root().execution();
    assert_eq!(execution.path(), path);
    expect_interpreter(execution, Path::new("/bin/sh"));
    assert_eq!(execution.argv_text(), ["/bin/sh", "-e", "./script", "first", "second"]);
    assert_eq!(execution.filename(), b"./script");
    execution.expect_sha256(content.as_bytes());
    assert_eq!(receipt.root().text("/name"), "script");
}

/// A script whose interpreter is a script itself.
#[test]
fn nested_scripts_lead_to_the_image() {
    needs!();
    let watched = watch(["./outer", "word"]);
    let folder = watched.folder();
    let inner = script(&folder, "inner", "#!/bin/sh\nexit 4\n");
    let content = format!("#!{inner} arg\n");
    let outer = script(&folder, "outer", &content);
    let receipt = watched.run().complete(4);
    let execution = receipt.root().execution();
    assert_eq!(execution.path(), outer);
    expect_interpreter(execution, Path::new("/bin/sh"));
    assert_eq!(execution.argv_text(), ["/bin/sh", &inner, "arg", "./outer", "word"]);
    execution.expect_sha256(content.as_bytes());
}

/// `env` execs the program it finds: two generations of one process.
#[test]
fn env_in_the_first_line_is_a_generation_of_its_own() {
    needs!();
    let watched = watch(["./script"]);
    let path = script(&watched.folder(), "script", "#!/usr/bin/env sh\nexit 5\n");
    let receipt = watched.run().complete(5);
    assert_eq!(receipt.processes().len(), 1);
    let executions = receipt.root().executions();
    assert_eq!(executions.len(), 2);
    assert_eq!(executions[0].path(), path);
    expect_interpreter(executions[0], Path::new("/usr/bin/env"));
    assert_eq!(executions[1].path(), real(&find_tool("sh").unwrap()).to_str().unwrap());
    assert!(executions[1].0["interpreter"].is_null());
    assert_eq!(executions[1].argv_text(), ["sh", "./script"]);
}

#[test]
fn a_script_run_from_a_child_is_the_child_s() {
    needs!();
    let watched = watch(["sh", "-c", "./script; exit 6"]);
    let path = script(&watched.folder(), "script", "#!/bin/sh\n/bin/true\nexit 7\n");
    let receipt = watched.run().complete(6);
    let child = receipt.children(receipt.root())[0];
    assert_eq!(child.execution().path(), path);
    assert_eq!(child.exit_code(), Some(7));
    assert_eq!(receipt.children(child).len(), 1);
}

/// The kernel says ENOENT of the interpreter; the name that it was asked for is the script's.
#[test]
fn a_script_without_its_interpreter_is_a_failed_execution() {
    needs!();
    let watched = watch(["sh", "-c", "./script; exit 8"]);
    script(&watched.folder(), "script", "#!/nonexistent/interpreter\n");
    let receipt = watched.run().complete(8);
    let child = receipt.children(receipt.root())[0];
    assert_eq!(child.failed_executions(), [("./script".to_owned(), "ENOENT".to_owned(), 1)]);
    assert_eq!(child.executions().len(), 0);
    assert_eq!(child.exit_code(), Some(127));
}

/// A script that rewrites itself while it runs: the hash is of what was there, or absent.
#[test]
fn a_script_that_replaces_itself_is_not_given_another_s_hash() {
    needs!();
    let watched = watch(["./script"]);
    let folder = watched.folder();
    let content =
        "#!/bin/sh\nprintf '#!/bin/sh\\n# innocent\\n' >new; chmod 755 new; mv new script; exit 9\n";
    script(&folder, "script", content);
    let receipt = watched.run().complete(9);
    receipt.root().execution().expect_sha256_or_reason(content.as_bytes());
}

/// A script that exists in memory only is read through its process, which has it open.
#[test]
fn a_script_in_memory_is_fileless_and_hashed() {
    needs!();
    let watched = watch(command![program("memfd_script"), "./script"]);
    let content = "#!/bin/sh\nsleep 0.3\nexit 3\n";
    script(&watched.folder(), "script", content);
    let receipt = watched.run().complete(3);
    let execution = receipt.root().executions()[1];
    assert_eq!(execution.0["fileless"], true);
    expect_interpreter(execution, Path::new("/bin/sh"));
    execution.expect_sha256(content.as_bytes());
}

/// Works of the task that are none of a file: the kernel's timer adds them while it is in the call, and what lies before them
/// in memory may look like an executed file.
#[test]
fn a_script_is_itself_however_long_the_kernel_takes_to_run_it() {
    needs!();
    // Each has a quarter of a megabyte of arguments to tell of, all at the same moment.
    let count = if slowness() > 1.0 { 40 } else { 200 };
    let watched = watch(command![program("slow_exec"), count.to_string(), "./script"]);
    let content = "#!/bin/sh\nexit 0\n";
    let path = script(&watched.folder(), "script", content);
    let receipt = watched.run().complete(0);
    let children = receipt.children(receipt.root());
    assert_eq!(children.len(), count);
    for child in children {
        assert_eq!(child.execution().path(), path);
        child.execution().expect_sha256(content.as_bytes());
    }
}

/// With the flag `O` of binfmt_misc, as emulators have it, the interpreter is given the file as a descriptor.
#[test]
fn a_file_that_is_left_to_its_interpreter_is_the_path() {
    needs!("unshare", "mount");
    let interpreter = program("exit_code");
    let register = format!(
        "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc &&
            echo ':kept:M::KEPT::{}:O' >/proc/sys/fs/binfmt_misc/register || exit 77; exec",
        interpreter.display()
    );
    let content = "KEPT by its interpreter";
    let run = |name: &str| {
        let watched = watch(["unshare", "-Urm", "sh", "-c", &format!("{register} ./{name}")]);
        let folder = watched.folder();
        let paths = (script(&folder, "kept", content), script(&folder, "outer", "#!./kept\n"));
        (watched.run(), paths)
    };
    let (plain, (kept, _)) = run("kept");
    if plain.status.code() == Some(77) {
        return skip("no binfmt_misc of one's own before Linux 6.7");
    }
    let receipt = plain.complete(0);
    let execution = *receipt.root().executions().last().unwrap();
    assert_eq!(execution.path(), kept);
    assert_eq!(execution.0["path_source"], "kernel");
    assert_eq!(execution.argv_text(), [interpreter.to_str().unwrap(), "./kept"]);
    expect_interpreter(execution, &interpreter);
    execution.expect_sha256(content.as_bytes());

    // Of a script whose interpreter is such a file the kernel does not say which file it is.
    let (nested, (_, outer)) = run("outer");
    let receipt = nested.complete(0);
    let execution = *receipt.root().executions().last().unwrap();
    assert_eq!(execution.path(), outer);
    assert_eq!(execution.0["path_source"], "argument");
    expect_interpreter(execution, &interpreter);
}
