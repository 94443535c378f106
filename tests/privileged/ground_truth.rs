//! Real programs: what `strace -f` saw against what the receipt says, process by process.
//!
//! "Inside": glasshouse watches strace, which traces the command: one run, the same pids, and every fact can be
//! compared exactly. "Beside": one run under strace and one under glasshouse, compared in what does not vary.
//!
//! Exceptions, each for a reason:
//! - the calls of the traced command's first process are not compared: strace's own child made some of them;
//! - a thread that `exit_group` catches on its way into a call has made it for the kernel, but strace may not have been
//!   told: a process with threads may have one more call for each;
//! - a script's argv is the kernel's in the receipt and the caller's in the trace: they are compared from the script on.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::privilege::needs;
use crate::support::strace::{self, Trace, Traced, TracedExec};
use crate::support::watch::Watch;
use crate::support::{Execution, Process, Receipt, program, watch};

/// A command, and what prepares the folder it runs in.
struct Case {
    script: String,
    prepare: fn(&Path),
    code: i32,
}

fn make() -> Case {
    fn prepare(folder: &Path) {
        let mut makefile = "all: program\nobjects = ".to_owned();
        for n in 0..8 {
            let source = format!("int f{n}(int x) {{ return x + {n}; }}\n");
            fs::write(folder.join(format!("f{n}.c")), source).unwrap();
            makefile.push_str(&format!("f{n}.o "));
        }
        fs::write(folder.join("main.c"), "int f0(int); int main(void) { return f0(0); }\n").unwrap();
        makefile.push_str(
            "main.o\nprogram: $(objects)\n\tgcc -o $@ $(objects)\n%.o: %.c\n\tgcc -O1 -c -o $@ $<\n",
        );
        fs::write(folder.join("Makefile"), makefile).unwrap();
    }
    Case { script: "make -s -j2 && ./program".to_owned(), prepare, code: 0 }
}

fn git_clone() -> Case {
    fn prepare(folder: &Path) {
        fs::create_dir(folder.join("origin")).unwrap();
        fs::write(folder.join("origin/file"), "content\n").unwrap();
        let script = "git init -q && git add file && git -c user.name=a -c user.email=a@b commit -q -m one";
        let status = Command::new("sh")
            .args(["-c", script])
            .current_dir(folder.join("origin"))
            .env("HOME", folder)
            .status();
        assert!(status.unwrap().success(), "make a repository");
    }
    Case {
        script: "export HOME=$PWD; rm -rf copy; git clone -q --no-local origin copy; exit $?".to_owned(),
        prepare,
        code: 0,
    }
}

fn pipeline() -> Case {
    let script =
        "ls / | sort | uniq -c | (cat; exit 2) | wc -l; grep -q root /etc/passwd && nosuchcommand; exit 3";
    Case { script: script.to_owned(), prepare: |_| {}, code: 3 }
}

fn compileall() -> Case {
    fn prepare(folder: &Path) {
        fs::create_dir(folder.join("package")).unwrap();
        for n in 0..12 {
            fs::write(folder.join(format!("package/m{n}.py")), format!("def f(x):\n    return x + {n}\n"))
                .unwrap();
        }
    }
    Case { script: "python3 -m compileall -q -f package; exit $?".to_owned(), prepare, code: 0 }
}

fn compileall_in_parallel() -> Case {
    Case { script: "python3 -m compileall -q -f -j 2 package; exit $?".to_owned(), ..compileall() }
}

fn xargs() -> Case {
    let script = "seq 1 20 | xargs -P2 -n1 sh -c 'exit $(($0 % 2))'; exit $?";
    Case { script: script.to_owned(), prepare: |_| {}, code: 123 }
}

fn npm() -> Case {
    Case { script: "npm --version >/dev/null; exit $?".to_owned(), prepare: |_| {}, code: 0 }
}

fn fork_heavy() -> Case {
    let script =
        "i=0; while [ $i -lt 60 ]; do (exit $((i % 5))); x=$(echo $i | cat); i=$((i + 1)); done; exit 4";
    Case { script: script.to_owned(), prepare: |_| {}, code: 4 }
}

fn programs() -> Case {
    let words: Vec<_> = [
        "threads 4 200",
        "fork",
        "clone_parent",
        "clone_vm",
        "orphan",
        "vfork_many 5",
        "signal_loop 50",
        "thread_exit_group",
        "leader_exits 20",
    ]
    .map(|line| {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        format!("{} {rest}", program(name).display())
    })
    .into();
    let target = program("exit_code");
    let by_thread = format!("{} {} 1", program("exec_from_thread").display(), target.display());
    Case { script: format!("{}; {by_thread}; exit 6", words.join("; ")), prepare: |_| {}, code: 6 }
}

fn shell(case: &Case) -> Vec<OsString> {
    command!["sh", "-c", &case.script]
}

fn prepared(case: &Case, command: impl FnOnce(&Path) -> Vec<OsString>) -> (Watch, PathBuf) {
    let place = crate::support::watch::public_folder().keep();
    (case.prepare)(&place);
    let watched = watch(command(&place)).options(command!["--cwd", &place]);
    (watched, place)
}

fn inside(case: &Case) {
    let (watched, place) = prepared(case, |place| {
        let mut command: Vec<OsString> =
            strace::words(&place.join("trace")).into_iter().map(Into::into).collect();
        command.extend(shell(case));
        command
    });
    let receipt = watched.run().complete(case.code);
    let trace = strace::read(&place.join("trace"));
    expect_agreement(&receipt, &trace);
    fs::remove_dir_all(place).unwrap();
}

#[track_caller]
fn expect_agreement(receipt: &Receipt, trace: &Trace) {
    for (pid, traced) in &trace.processes {
        let process = receipt.with_pid(*pid);
        if let Some(parent) = traced.parent {
            let parent = receipt.with_pid(parent);
            assert_eq!(process.parent_id(), Some(parent.id()), "the parent of {process:?}");
        }
        expect_executions(process, &traced.executions);
        let failed: BTreeMap<_, _> = process
            .failed_executions()
            .into_iter()
            .map(|(name, errno, count)| ((name, errno), count))
            .collect();
        assert_eq!(failed, traced.failed, "failed execs of {process:?}");
        match &traced.end {
            Some(Ok(code)) => assert_eq!(process.exit_code(), Some(*code), "the end of {process:?}"),
            Some(Err(signal)) => {
                assert_eq!(process.at("/exit/signal_name"), signal, "the end of {process:?}")
            }
            None => panic!("the trace has no end of {process:?}"),
        }
        if *pid != trace.root {
            expect_calls(process, traced);
        }
    }
    // strace tries out a few things with children of its own before it starts.
    for process in receipt.processes() {
        let known = trace.processes.contains_key(&process.namespace_pid());
        let strace_itself = process.id() == receipt.root().id()
            || process.parent_id() == Some(receipt.root().id()) && process.executions().is_empty();
        assert!(known || strace_itself, "{process:?} is in the receipt and not in the trace");
    }
}

#[track_caller]
fn expect_executions(process: Process<'_>, traced: &[TracedExec]) {
    let executions = process.executions();
    assert_eq!(executions.len(), traced.len(), "executions of {process:?}: {traced:?}");
    for (execution, traced) in executions.into_iter().zip(traced) {
        assert_eq!(execution.filename(), traced.filename, "of {process:?}");
        expect_argv(execution, traced);
        let name = Path::new(std::str::from_utf8(&traced.filename).unwrap());
        if let (true, Ok(real)) = (name.is_absolute(), fs::canonicalize(name)) {
            assert_eq!(execution.path(), real.to_str().unwrap());
        }
    }
}

/// For a script the kernel put the interpreter's arguments in place of the caller's first one; the rest is the caller's.
#[track_caller]
fn expect_argv(execution: Execution<'_>, traced: &TracedExec) {
    let mut argv = execution.argv();
    let mut expected = traced.argv.clone();
    if !execution.0["interpreter"].is_null() {
        let script =
            argv.iter().position(|argument| *argument == traced.filename).expect("the script is an argument");
        argv.drain(..=script);
        expected.remove(0);
    }
    assert_eq!(argv, expected, "arguments of {}", execution.0["path"]);
}

#[track_caller]
fn expect_calls(process: Process<'_>, traced: &Traced) {
    let seen = process.calls_by_name();
    let threads = process.at("/resources/threads_started").as_u64().unwrap_or(0);
    if threads == 0 {
        assert_eq!(seen, traced.calls, "calls of {process:?}");
        return;
    }
    let mut surplus = 0;
    for name in seen.keys().chain(traced.calls.keys()) {
        let (seen, traced) =
            (seen.get(name).copied().unwrap_or(0), traced.calls.get(name).copied().unwrap_or(0));
        assert!(seen >= traced, "{name}: {seen} in the receipt, {traced} in the trace, of {process:?}");
        surplus += seen - traced;
    }
    assert!(surplus <= 2 * threads, "{surplus} calls too many for {threads} threads of {process:?}");
}

/// What does not vary between two runs: how many processes, how they end, and what they execute.
#[derive(Debug, Default, PartialEq, Eq)]
struct Unvarying {
    ends: BTreeMap<String, u64>,
    files: BTreeMap<Vec<u8>, u64>,
}

fn beside(case: &Case) {
    let (watched, place) = prepared(case, |_| shell(case));
    let receipt = watched.run().complete(case.code);
    let mut seen = Unvarying::default();
    for process in receipt.processes() {
        let end = process
            .exit_code()
            .map_or_else(|| process.text("/exit/signal_name").to_owned(), |code| code.to_string());
        *seen.ends.entry(end).or_default() += 1;
        for execution in process.executions() {
            *seen.files.entry(execution.filename()).or_default() += 1;
        }
    }
    fs::remove_dir_all(&place).unwrap();

    // A thread that is killed in the middle of making another one leaves strace with one of unknown origin and end.
    let trace = (0..3)
        .map(|_| traced_alone(case, &place))
        .find(|trace| trace.processes.values().all(|traced| traced.end.is_some()));
    let trace = trace.expect("a trace with all ends");
    let mut expected = Unvarying::default();
    for traced in trace.processes.values() {
        let end = match traced.end.as_ref().expect("an end") {
            Ok(code) => code.to_string(),
            Err(signal) => signal.clone(),
        };
        *expected.ends.entry(end).or_default() += 1;
        for execution in &traced.executions {
            *expected.files.entry(execution.filename.clone()).or_default() += 1;
        }
    }
    assert_eq!(expected, seen);
}

/// What strace alone says of it.
fn traced_alone(case: &Case, place: &Path) -> strace::Trace {
    fs::create_dir(place).unwrap();
    (case.prepare)(place);
    let file = place.join("trace");
    let words = strace::words(&file);
    let status = Command::new(&words[0])
        .args(&words[1..])
        .args(shell(case))
        .current_dir(place)
        .output()
        .unwrap()
        .status;
    assert_eq!(status.code(), Some(case.code));
    let trace = strace::read(&file);
    fs::remove_dir_all(place).unwrap();
    trace
}

macro_rules! agreement {
    ($($name:ident needs [$($tool:expr),*];)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn inside_agree_exactly() {
                needs!("strace" $(, $tool)*);
                inside(&super::$name());
            }

            #[test]
            fn beside_agree() {
                needs!("strace" $(, $tool)*);
                beside(&super::$name());
            }
        }
    )*};
}

agreement! {
    make needs ["make", "gcc"];
    git_clone needs ["git"];
    pipeline needs [];
    compileall needs ["python3"];
    compileall_in_parallel needs ["python3"];
    xargs needs ["xargs"];
    npm needs ["npm"];
    fork_heavy needs [];
    programs needs [];
}
