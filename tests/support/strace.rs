//! The ground truth: what `strace -f` says that a command did.
//!
//! The trace is read from `-o FILE`, made with `-xx` so that every string is spelled in hexadecimal and no program can
//! forge a line of it. A call counts when it is entered: an `<unfinished ...>` line counts and its `resumed` line does not.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Everything a traced command did, by pid as strace sees it.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// The first process, which strace itself started.
    pub(crate) root: u64,
    /// Every process, the first included.
    pub(crate) processes: BTreeMap<u64, Traced>,
}

/// One process.
#[derive(Debug, Default)]
pub(crate) struct Traced {
    /// The process that the kernel made its parent when it was created.
    pub(crate) parent: Option<u64>,
    /// Successful execs in order.
    pub(crate) executions: Vec<TracedExec>,
    /// `(file name, errno)` and how often.
    pub(crate) failed: BTreeMap<(String, String), u64>,
    /// Calls by name, all threads together.
    pub(crate) calls: BTreeMap<String, u64>,
    /// How it ended: `Ok` is an exit code, `Err` the name of a signal.
    pub(crate) end: Option<Result<i64, String>>,
}

/// One successful exec.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TracedExec {
    /// As the program gave it.
    pub(crate) filename: Vec<u8>,
    /// Likewise.
    pub(crate) argv: Vec<Vec<u8>>,
}

/// The words that put strace before a command; the trace goes to `file`.
pub(crate) fn words(file: &Path) -> Vec<String> {
    let file = file.to_str().expect("UTF-8").to_owned();
    ["strace", "-f", "-xx", "-s", "1000000", "-o", &file, "--"].map(str::to_owned).into()
}

/// Calls by name as `strace -f -c` counts them, for a command that strace runs alone. Its output goes to a file, as in a
/// watched run: what a program calls can depend on that.
pub(crate) fn summary(folder: &Path, command: &[String]) -> BTreeMap<String, u64> {
    let file = folder.join("summary");
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-c", "-U", "name,calls", "-o"])
        .arg(&file)
        .arg("--")
        .args(command)
        .current_dir(folder);
    let output = fs::File::create(folder.join("output")).expect("create an output file");
    strace.stdout(output).stdin(std::process::Stdio::null());
    strace.status().expect("run strace");
    fs::read_to_string(&file).expect("read the summary").lines().filter_map(summary_line).collect()
}

fn summary_line(line: &str) -> Option<(String, u64)> {
    let mut words = line.split_whitespace();
    let (name, count) = (words.next()?, words.next()?.parse().ok()?);
    (name != "total").then(|| (name.to_owned(), count))
}

/// Reads a trace.
pub(crate) fn read(file: &Path) -> Trace {
    let text = String::from_utf8(fs::read(file).expect("read the trace")).expect("-xx makes it ASCII");
    let lines: Vec<Line<'_>> = text.lines().filter_map(Line::parse).collect();
    let family = Family::of(&lines);
    let mut trace = Trace { root: lines.first().expect("a trace has lines").tid, ..Trace::default() };
    let mut unfinished: HashMap<u64, &str> = HashMap::new();
    for line in &lines {
        let pid = family.process_of(line.tid);
        let process = trace.processes.entry(pid).or_default();
        process.parent = family.parents.get(&pid).copied();
        match line.what {
            What::Call { name, arguments, result } => {
                *process.calls.entry(call_name(name)).or_default() += 1;
                match result {
                    Some(result) => process.exec(name, arguments, result),
                    None => {
                        unfinished.insert(line.tid, arguments);
                    }
                }
            }
            What::Resumed { name, result, .. } => {
                // An exec by another thread resumes under the leader's id.
                let begun = unfinished.remove(&line.tid);
                process.exec(name, begun.or(family.superseded.get(&line.tid).copied()).unwrap_or(""), result);
            }
            // Of several threads each reports its end; the last one is the process's.
            What::Exited(code) => process.end = Some(Ok(code)),
            What::Killed(signal) => process.end = Some(Err(signal.to_owned())),
            What::Superseded(_) => {}
        }
    }
    trace
}

/// One call that has come back.
#[derive(Debug)]
pub(crate) struct Call {
    /// The process of the thread that made it.
    pub(crate) process: u64,
    /// The one that made this process, where the trace shows it.
    pub(crate) parent: Option<u64>,
    /// Its name.
    pub(crate) name: String,
    /// What strace wrote of its arguments, and behind them the end of the line.
    pub(crate) arguments: String,
    /// What it wrote of the result.
    pub(crate) result: String,
}

/// Every call of a trace that came back, in the order in which they did.
pub(crate) fn calls(file: &Path) -> Vec<Call> {
    let text = String::from_utf8(fs::read(file).expect("read the trace")).expect("-xx makes it ASCII");
    let lines: Vec<Line<'_>> = text.lines().filter_map(Line::parse).collect();
    let family = Family::of(&lines);
    let mut unfinished: HashMap<u64, &str> = HashMap::new();
    let mut calls = Vec::new();
    for line in &lines {
        let (name, arguments, result) = match line.what {
            What::Call { name, arguments, result: Some(result) } => (name, arguments.to_owned(), result),
            What::Call { arguments, result: None, .. } => {
                unfinished.insert(line.tid, arguments);
                continue;
            }
            What::Resumed { name, arguments, result } => {
                let begun = unfinished.remove(&line.tid).unwrap_or("");
                (name, begun.trim_end_matches("<unfinished ...>").to_owned() + arguments, result)
            }
            What::Exited(_) | What::Killed(_) | What::Superseded(_) => continue,
        };
        let process = family.process_of(line.tid);
        calls.push(Call {
            process,
            parent: family.parents.get(&process).copied(),
            name: name.to_owned(),
            arguments,
            result: result.to_owned(),
        });
    }
    calls
}

impl Traced {
    fn exec(&mut self, name: &str, arguments: &str, result: &str) {
        let Some((filename, argv)) = exec_arguments(name, arguments) else { return };
        if result.starts_with('0') {
            self.executions.push(TracedExec { filename, argv });
        } else if let Some(errno) = result.strip_prefix("-1 ").and_then(|rest| rest.split(' ').next()) {
            let key = (String::from_utf8_lossy(&filename).into_owned(), errno.to_owned());
            *self.failed.entry(key).or_default() += 1;
        }
    }
}

/// `execve`'s file name and arguments. `execveat` is left to the tests of its own.
fn exec_arguments(name: &str, arguments: &str) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    if name != "execve" {
        return None;
    }
    let list = arguments.find('[')?;
    let end = list + arguments[list..].find(']')?;
    let filename = strings(&arguments[..list]).into_iter().next()?;
    Some((filename, strings(&arguments[list..end])))
}

/// The `"\x..."` strings of a text.
fn strings(text: &str) -> Vec<Vec<u8>> {
    text.split('"').skip(1).step_by(2).map(unescape).collect()
}

pub(crate) fn unescape(text: &str) -> Vec<u8> {
    text.split("\\x")
        .skip(1)
        .map(|digits| u8::from_str_radix(digits, 16).expect("two hexadecimal digits"))
        .collect()
}

/// strace writes an unknown number as `syscall_0x270f`, the receipt as `syscall_9999`.
fn call_name(name: &str) -> String {
    match name.strip_prefix("syscall_0x").map(|digits| u64::from_str_radix(digits, 16)) {
        Some(Ok(number)) => format!("syscall_{number}"),
        _ => name.to_owned(),
    }
}

/// Which thread belongs to which process, and which process to which parent.
#[derive(Default)]
struct Family<'a> {
    leaders: HashMap<u64, u64>,
    parents: HashMap<u64, u64>,
    superseded: HashMap<u64, &'a str>,
}

impl<'a> Family<'a> {
    fn of(lines: &[Line<'a>]) -> Self {
        let mut family = Self::default();
        let mut unfinished: HashMap<u64, &'a str> = HashMap::new();
        for line in lines {
            match line.what {
                What::Call { name, arguments, result: Some(result) } => {
                    family.created(line.tid, name, arguments, result)
                }
                What::Call { arguments, result: None, .. } => {
                    unfinished.insert(line.tid, arguments);
                }
                What::Resumed { name, result, .. } => {
                    let begun = unfinished.remove(&line.tid).unwrap_or("");
                    family.created(line.tid, name, begun, result);
                }
                What::Superseded(by) => {
                    if let Some(arguments) = unfinished.remove(&by) {
                        family.superseded.insert(line.tid, arguments);
                    }
                }
                What::Exited(_) | What::Killed(_) => {}
            }
        }
        family
    }

    fn created(&mut self, caller: u64, name: &str, arguments: &str, result: &str) {
        if !matches!(name, "fork" | "vfork" | "clone" | "clone3") {
            return;
        }
        let Some(child) = result.split(' ').next().and_then(|word| word.parse::<u64>().ok()) else { return };
        let process = self.process_of(caller);
        if arguments.contains("CLONE_THREAD") {
            self.leaders.insert(child, process);
        } else if arguments.contains("CLONE_PARENT|") {
            self.parents.extend(self.parents.get(&process).copied().map(|parent| (child, parent)));
        } else {
            self.parents.insert(child, process);
        }
    }

    fn process_of(&self, tid: u64) -> u64 {
        self.leaders.get(&tid).copied().unwrap_or(tid)
    }
}

/// One line of a trace.
#[derive(Debug)]
struct Line<'a> {
    tid: u64,
    what: What<'a>,
}

#[derive(Debug)]
enum What<'a> {
    /// A call; the result is absent while it is unfinished.
    Call {
        name: &'a str,
        arguments: &'a str,
        result: Option<&'a str>,
    },
    /// The end of an unfinished one.
    Resumed {
        name: &'a str,
        arguments: &'a str,
        result: &'a str,
    },
    Exited(i64),
    Killed(&'a str),
    /// The thread with this id took the place of the leader by an exec.
    Superseded(u64),
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (tid, rest) = line.split_once(' ')?;
        let tid = tid.parse().ok()?;
        let rest = rest.trim_start();
        let what = if let Some(rest) = rest.strip_prefix("+++ ") {
            What::ended(rest)?
        } else if let Some(rest) = rest.strip_prefix("<... ") {
            let (name, rest) = rest.split_once(" resumed>")?;
            What::Resumed { name, arguments: rest, result: result(rest).unwrap_or("?") }
        } else {
            // Signals (`---`) and remarks (`[`) have no name before a parenthesis.
            let (name, arguments) = rest.split_once('(')?;
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return None;
            }
            let unfinished =
                arguments.ends_with("<unfinished ...>") || arguments.ends_with("<unfinished ...>) = ?");
            What::Call { name, arguments, result: if unfinished { None } else { result(arguments) } }
        };
        Some(Self { tid, what })
    }
}

impl<'a> What<'a> {
    fn ended(text: &'a str) -> Option<Self> {
        if let Some(code) = text.strip_prefix("exited with ") {
            return Some(Self::Exited(code.split(' ').next()?.parse().ok()?));
        }
        if let Some(signal) = text.strip_prefix("killed by ") {
            return Some(Self::Killed(signal.split(' ').next()?));
        }
        let by = text.strip_prefix("superseded by execve in pid ")?;
        Some(Self::Superseded(by.split(' ').next()?.parse().ok()?))
    }
}

/// What follows the last `) = `, as strace aligns it with spaces.
fn result(text: &str) -> Option<&str> {
    let (_, result) = text.rsplit_once(" = ")?;
    Some(result.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Trace {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), text).expect("write it");
        read(file.path())
    }

    /// The two ways of asking strace agree, so this reading of traces can be relied on.
    #[test]
    fn reading_a_trace_counts_like_strace_itself() {
        if !crate::support::privilege::has_tool("strace") {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        for words in [&["fork"][..], &["clone_parent"], &["clone_vm"], &["fork_storm", "50", "1"]] {
            let mut command = vec![crate::support::program(words[0]).to_str().expect("UTF-8").to_owned()];
            command.extend(words[1..].iter().map(|word| (*word).to_owned()));
            let file = folder.path().join("trace");
            let traced = super::words(&file);
            let status = Command::new(&traced[0])
                .args(&traced[1..])
                .args(&command)
                .output()
                .expect("run strace")
                .status;
            assert!(status.success());
            let trace = read(&file);
            let mut seen: BTreeMap<String, u64> = BTreeMap::new();
            for (name, count) in trace.processes.values().flat_map(|process| &process.calls) {
                *seen.entry(name.clone()).or_default() += count;
            }
            seen.retain(|name, _| !matches!(name.as_str(), "exit" | "exit_group"));
            let counted =
                summary(folder.path(), &command).into_iter().map(|(name, count)| (call_name(&name), count));
            assert_eq!(seen, counted.collect(), "{words:?}");
            let ended = trace.processes.values().filter(|process| process.end.is_some()).count();
            assert_eq!(ended, trace.processes.len(), "each process ended");
        }
    }

    #[test]
    fn a_trace_is_read_thread_by_thread() {
        let trace = read_text(concat!(
            "10    execve(\"\\x2f\\x61\", [\"\\x61\", \"\"], 0x7ffd /* 3 vars */) = 0\n",
            "10    clone3({flags=CLONE_VM|CLONE_THREAD|CLONE_SYSVSEM, exit_signal=0} => {parent_tid=[11]}, 88) = 11\n",
            "11    getppid( <unfinished ...>\n",
            "10    clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD <unfinished ...>\n",
            "11    <... getppid resumed>)            = 1\n",
            "12    execve(\"\\x2f\\x62\", [\"\\x62\"], 0x1 /* 0 vars */ <unfinished ...>\n",
            "10    <... clone resumed>, child_tidptr=0x7f) = 12\n",
            "12    <... execve resumed>)             = -1 ENOENT (No such file or directory)\n",
            "12    syscall_0x270f(0, 0) = -1 ENOSYS (Function not implemented)\n",
            "12    exit_group(3)                     = ?\n",
            "12    +++ exited with 3 +++\n",
            "10    --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=12} ---\n",
            "11    +++ killed by SIGKILL +++\n",
            "10    +++ killed by SIGKILL (core dumped) +++\n",
        ));
        assert_eq!(trace.root, 10);
        assert_eq!(trace.processes.keys().copied().collect::<Vec<_>>(), [10, 12]);
        let root = &trace.processes[&10];
        assert_eq!(
            root.executions,
            [TracedExec { filename: b"/a".into(), argv: vec![b"a".into(), b"".into()] }]
        );
        assert_eq!(root.calls["getppid"], 1);
        assert_eq!(root.calls["clone"], 1);
        assert_eq!(root.end, Some(Err("SIGKILL".into())));
        let child = &trace.processes[&12];
        assert_eq!(child.parent, Some(10));
        assert_eq!(child.failed[&("/b".to_owned(), "ENOENT".to_owned())], 1);
        assert_eq!(child.calls["syscall_9999"], 1);
        assert_eq!(child.end, Some(Ok(3)));
    }
}
