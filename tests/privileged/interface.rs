//! The interface in a real terminal (tmux), over real workloads: what is on the screen, what the keys do to the command,
//! what the terminal is left like, and that the receipt and the exit code are those of a run without an interface.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use tempfile::TempDir;

use crate::support::{
    patience,
    privilege::needs,
    wait_until,
    watch::{glasshouse, public_folder},
};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A terminal of its own, with a shell line running in it.
pub(crate) struct Terminal {
    socket: String,
    folder: TempDir,
}

impl Terminal {
    /// Runs `line` in a terminal; `$GLASSHOUSE` in it is `glasshouse watch` with a receipt in the folder.
    pub(crate) fn run(size: (u16, u16), line: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let socket = format!("glasshouse-{}-{number}", std::process::id());
        let folder = public_folder();
        let path = folder.path().display();
        let script = format!(
            "cd '{path}'; unset SUDO_UID SUDO_GID SUDO_USER SUDO_COMMAND TMUX; export LANG=C.UTF-8 PS1='$ ' XDG_CONFIG_HOME='{path}'
            GLASSHOUSE='{} watch --receipt {path}/receipt.json'
            {line}
            echo \"exit code $?.\"; stty -a | grep -o '.icanon'; sleep 1000",
            glasshouse().display()
        );
        let file = folder.path().join("line.sh");
        fs::write(&file, script).unwrap();
        let this = Self { socket, folder };
        let (width, height) = (size.0.to_string(), size.1.to_string());
        let shell = format!("sh '{}'", file.display());
        this.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", &width, "-y", &height, &shell]);
        this
    }

    fn tmux(&self, words: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-u", "-L", &self.socket])
            .args(words)
            .env("LANG", "C.UTF-8")
            .output()
            .expect("run tmux");
        assert!(output.status.success(), "tmux {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until a text is on the screen.
    pub(crate) fn shows(&self, text: &str) -> String {
        let mut last = String::new();
        let until = std::time::Instant::now() + patience(20);
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(std::time::Instant::now() < until, "{text:?} is not on the screen:\n{last}");
            last = screen;
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Presses keys, as tmux calls them.
    pub(crate) fn press(&self, keys: &[&str]) {
        let mut words = vec!["send-keys"];
        words.extend(keys);
        self.tmux(&words);
    }

    /// Presses the escape key alone: with another one right behind it, it would be that one with alt.
    fn escape(&self) {
        self.press(&["Escape"]);
        std::thread::sleep(patience(1) / 5);
    }

    /// Types a text and the enter key.
    fn enter(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.press(&["Enter"]);
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn receipt_path(&self) -> PathBuf {
        self.path("receipt.json")
    }

    fn receipt(&self) -> serde_json::Value {
        wait_until("the receipt", || serde_json::from_slice(&fs::read(self.receipt_path()).ok()?).ok())
    }

    /// What runs in it: glasshouse, as long as it does.
    pub(crate) fn pid(&self) -> String {
        let pane = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", pane.trim())).unwrap();
        children.trim().to_owned()
    }

    /// Sends glasshouse a signal.
    pub(crate) fn kill(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.pid()]).status().unwrap().success());
    }

    /// The group of the command that glasshouse, a child of this terminal, runs.
    pub(crate) fn group(&self) -> PathBuf {
        let find = |above: &Path| -> Option<PathBuf> {
            let output = Command::new("find")
                .arg(above)
                .args(["-name", "glasshouse-*", "-type", "d"])
                .output()
                .ok()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let ours = format!("glasshouse-{}-", self.pid());
            text.lines().find(|line| line.contains(&ours)).map(PathBuf::from)
        };
        wait_until("the command's group", || {
            ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].iter().find_map(|above| find(Path::new(above)))
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(Command::new("tmux").args(["-L", &self.socket, "kill-server"]).output());
    }
}

fn executed(receipt: &serde_json::Value) -> Vec<String> {
    let processes = receipt["processes"].as_array().unwrap().iter();
    let executions = processes.flat_map(|process| process["executions"].as_array().unwrap());
    executions.map(|execution| execution["path"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_shell_is_watched_typed_into_frozen_and_left() {
    needs!("tmux");
    let terminal = Terminal::run((120, 40), "$GLASSHOUSE --env-values -- sh -i");
    let screen = terminal.shows("1 live, 1 in all");
    assert!(screen.contains("● running") && screen.contains("lost 0"), "{screen}");
    terminal.press(&["i"]);
    terminal.shows("typing; f12 leaves");
    terminal.enter("tty; stty size; echo marker-$((40 + 2)) in-$TERM");
    terminal.shows("marker-42 in-xterm-256color");
    terminal.shows("│/dev/pts/");
    terminal.shows("│13 118");
    terminal.enter("cat /etc/hostname /nonexistent; (exit 9)");
    terminal.press(&["F12", "2", "/"]);
    terminal.tmux(&["send-keys", "-l", "is:failed path:nonexistent"]);
    let screen = terminal.shows("! /nonexistent");
    assert!(screen.contains(" /is:failed path:nonexistent"), "{screen}");
    terminal.press(&["Enter", "Enter"]);
    terminal.shows("everything that was done with this path");
    terminal.escape();
    terminal.press(&["Space"]);
    terminal.shows("FROZEN");
    let group = terminal.group();
    let is_frozen =
        || fs::read_to_string(group.join("cgroup.events")).is_ok_and(|text| text.contains("frozen 1"));
    wait_until("the group is frozen", || is_frozen().then_some(()));
    terminal.press(&["i"]);
    terminal.enter("echo thawed-$((1 + 1))");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(!terminal.screen().contains("thawed-2"), "it is frozen");
    terminal.press(&["F12", "Space"]);
    terminal.shows("thawed-2");
    terminal.shows("● running");
    assert!(!is_frozen());
    terminal.press(&["w"]);
    terminal.shows("written so far");
    let so_far = fs::read(terminal.folder.path().join("receipt.so-far.json")).unwrap();
    let so_far: serde_json::Value = serde_json::from_slice(&so_far).unwrap();
    assert_eq!(so_far["observation"]["completeness"], "partial");
    assert!(so_far["observation"]["reasons"].to_string().contains("unfinished"), "{so_far}");
    assert!(executed(&so_far).iter().any(|path| path.ends_with("/cat")));
    terminal.press(&["i"]);
    terminal.enter("exit 7");
    terminal.shows("✗ exited 7");
    let receipt = terminal.receipt();
    assert_eq!(receipt["execution"]["outcome"]["exit_code"], 7);
    assert_eq!(receipt["observation"]["completeness"], "complete", "{}", receipt["observation"]["reasons"]);
    assert!(executed(&receipt).iter().any(|path| path.ends_with("/cat")));
    for environment in
        [&receipt["command"]["environment"], &receipt["processes"][0]["executions"][0]["environment"]]
    {
        let terms = environment.as_array().unwrap().iter().filter(|variable| variable["name"] == "TERM");
        let values: Vec<_> = terms.map(|variable| &variable["value"]).collect();
        assert_eq!(values, ["xterm-256color"], "what was given is what the kernel saw");
    }
    terminal.press(&["1", "Enter"]);
    terminal.shows("argv[0]");
    terminal.escape();
    terminal.press(&["q"]);
    let screen = terminal.shows("exit code 7.");
    assert!(screen.contains("glasshouse: exited with code 7"), "{screen}");
    terminal.shows(" icanon");
}

/// A finding is seen while the command runs: in the first line, beside the process, in a pane of its own.
#[test]
fn a_finding_is_seen_and_leads_to_its_call() {
    needs!("tmux");
    let terminal = Terminal::run((120, 40), "$GLASSHOUSE -- sh -c 'read line; kill -s TERM 1; read line'");
    let screen = terminal.shows("1 live, 1 in all");
    assert!(!screen.contains("findings") && !screen.contains("Findings"), "{screen}");
    // Nobody but root may signal the first process, and that one does not heed it.
    terminal.press(&["i"]);
    terminal.enter("go on");
    let screen = terminal.shows("⚑ findings 1");
    assert!(screen.contains("7 Findings"), "{screen}");
    terminal.press(&["F12", "7"]);
    let screen =
        terminal.shows("◆ medium signals a process outside of the run: kill SIGTERM 1, outside of the run");
    assert!(screen.lines().any(|line| line.contains("sh -c") && line.contains('◆')), "{screen}");
    terminal.press(&["Enter"]);
    terminal.shows("T1489");
    terminal.press(&["v"]);
    terminal.shows("kill SIGTERM 1 ");
    terminal.press(&["i"]);
    terminal.enter("end");
    terminal.shows("✓ exited 0");
    let receipt = terminal.receipt();
    let rules = receipt["findings"].as_array().unwrap().iter().map(|finding| &finding["rule"]);
    assert_eq!(rules.collect::<Vec<_>>(), ["signals_others"]);
    terminal.press(&["q"]);
    terminal.shows("exit code 0.");
}

/// What is recorded with an interface is what is recorded without one.
#[test]
fn events_are_recorded_beside_the_interface() {
    needs!("tmux");
    let terminal =
        Terminal::run((120, 40), "$GLASSHOUSE --events events -- sh -c 'cat /etc/hostname; exit 3'");
    terminal.shows("exited 3");
    terminal.press(&["q"]);
    terminal.shows("exit code 3.");
    let folder = terminal.folder.path();
    let rebuilt = folder.join("rebuilt.json");
    let mut rebuild = Command::new(glasshouse());
    rebuild.arg("receipt").arg(folder.join("events")).arg("--receipt").arg(&rebuilt).arg("--quiet");
    assert!(rebuild.status().unwrap().success());
    assert!(fs::read(rebuilt).unwrap() == fs::read(terminal.receipt_path()).unwrap());
}

#[test]
fn a_pipe_stays_a_pipe() {
    needs!("tmux");
    let terminal = Terminal::run(
        (100, 30),
        "echo through-the-pipe | $GLASSHOUSE -- sh -c 'cat; test -t 0 || echo no-tty'",
    );
    terminal.shows("exited 0");
    terminal.shows("│through-the-pipe");
    terminal.shows("│no-tty");
    terminal.press(&["q"]);
    terminal.shows("exit code 0.");
    let receipt = terminal.receipt();
    let files = receipt["filesystem"]["files"].as_array().unwrap();
    let bytes = files.iter().filter(|file| file["path"].as_str().unwrap_or_default().starts_with("pipe:"));
    assert_eq!(bytes.map(|file| file["bytes_read"].as_u64().unwrap()).sum::<u64>(), 17);
}

#[test]
fn without_a_terminal_there_is_no_interface_and_it_says_so_once() {
    needs!("tmux");
    let terminal =
        Terminal::run((100, 30), "TERM=dumb $GLASSHOUSE -- echo plain; $GLASSHOUSE -- echo piped | cat");
    let screen = terminal.shows("exit code 0.");
    assert!(screen.contains("plain") && screen.contains("piped"), "{screen}");
    assert_eq!(screen.matches("no interface").count(), 2, "{screen}");
}

#[test]
fn keys_can_be_chosen_and_a_wrong_choice_has_its_line() {
    needs!("tmux");
    let write = "mkdir glasshouse; printf '[keys]\\nquit = \"%s\"\\n'";
    let line = format!(
        "{write} hyper-q > glasshouse/config.toml; $GLASSHOUSE -- touch ran; echo \"exit code $?.\"; ls ran"
    );
    let screen = Terminal::run((160, 30), &line).shows("exit code 125.");
    assert!(
        screen.contains("glasshouse/config.toml: line 2, column 8: there is no key 'hyper-q'"),
        "{screen}"
    );
    let line = format!("{write} Q > glasshouse/config.toml; $GLASSHOUSE -- echo done");
    let terminal = Terminal::run((100, 30), &line);
    terminal.shows("exited 0");
    terminal.press(&["Q"]);
    terminal.shows("exit code 0.");
}

#[test]
fn full_screen_programs_have_their_keys() {
    needs!("tmux", "less");
    let terminal = Terminal::run((100, 40), "seq 1 500 > numbers; $GLASSHOUSE -- less numbers");
    terminal.shows("numbers");
    terminal.press(&["i"]);
    terminal.shows("typing");
    terminal.press(&["G"]);
    terminal.shows("500");
    terminal.press(&["?"]);
    terminal.enter("^123$");
    terminal.shows("│123 ");
    terminal.press(&["g"]);
    terminal.shows("│1 ");
    terminal.press(&["q"]);
    terminal.shows("✓ exited 0");
    terminal.press(&["q"]);
    terminal.shows("exit code 0.");
    terminal.shows(" icanon");
}

#[test]
fn quitting_while_it_runs_asks_and_ends_or_lets_run() {
    needs!("tmux");
    let terminal = Terminal::run((80, 24), "$GLASSHOUSE -- sh -c 'trap \"exit 5\" TERM; sleep 1000 & wait'");
    terminal.shows("2 live");
    terminal.press(&["q"]);
    terminal.shows("The command is still running");
    terminal.escape();
    terminal.press(&["q", "k"]);
    terminal.shows("exit code 5.");
    terminal.shows(" icanon");
    assert_eq!(terminal.receipt()["execution"]["outcome"]["exit_code"], 5);

    let terminal = Terminal::run((80, 24), "$GLASSHOUSE -- sh -c 'sleep 2; echo went-on; exit 4'");
    terminal.shows("2 live");
    terminal.press(&["q", "d"]);
    let screen = terminal.shows("exit code 4.");
    assert!(screen.contains("went-on"), "{screen}");
    assert_eq!(terminal.receipt()["execution"]["outcome"]["exit_code"], 4);
}

#[test]
fn system_calls_are_counted_while_processes_live() {
    needs!("tmux");
    let terminal =
        Terminal::run((100, 30), "$GLASSHOUSE --user 65534:65534 -- sh -c 'kill -9 1; read answer'");
    // The sign that something was denied to it is in the tree.
    let screen = terminal.shows("▲!");
    assert!(screen.contains("sh -c 'kill"), "{screen}");
    terminal.press(&["6", "/"]);
    terminal.enter("kill");
    // Made once and denied once; what was looked up in vain is beside it.
    wait_until("the call is counted", || {
        let screen = terminal.screen();
        let row = screen.lines().find(|line| line.starts_with("│ kill "))?;
        let words: Vec<_> = row.split_whitespace().collect();
        (words == ["│", "kill", "1", "denied", "1", "│"]).then_some(())
    });
    terminal.press(&["1", "Enter"]);
    let screen = terminal.shows("state");
    assert!(screen.contains("running"), "{screen}");
    terminal.press(&["End"]);
    terminal.escape();
    terminal.press(&["i"]);
    terminal.enter("answer");
    terminal.shows("exited 0");
    let receipt = terminal.receipt();
    assert_eq!(receipt["observation"]["completeness"], "complete", "{}", receipt["observation"]["reasons"]);
    assert_eq!(receipt["syscalls"]["by_name"]["kill"], 1, "what was looked at is not added");
    let denied = receipt["syscalls"]["denied"].as_array().unwrap().iter();
    let kills: Vec<_> =
        denied.filter(|denied| denied["name"] == "kill").map(|denied| &denied["count"]).collect();
    assert_eq!(kills, [1]);
}

#[test]
fn keys_are_answered_while_files_are_hashed_and_it_leaves_when_all_is_written() {
    needs!("tmux");
    // To be hashed it takes its time, on a disk no room.
    let terminal = Terminal::run((100, 30), "$GLASSHOUSE -- truncate -s 2G large");
    terminal.shows("hashing files");
    terminal.press(&["?"]);
    terminal.shows("select the row above");
    terminal.escape();
    terminal.press(&["q"]);
    let screen = terminal.shows("leaving when the receipt is written");
    assert!(screen.contains("hashing files"), "{screen}");
    terminal.shows("exit code 0.");
    terminal.shows(" icanon");
    let receipt = terminal.receipt();
    let artifact = &receipt["artifacts"][0];
    assert_eq!(artifact["size_bytes"], 2_u64 << 30, "{artifact}");
    assert_eq!(artifact["sha256"].as_str().map(str::len), Some(64), "{artifact}");
}

#[test]
fn the_terminal_is_as_it_was_whatever_happens() {
    needs!("tmux");
    // The command dies of a signal.
    let terminal = Terminal::run((80, 24), "$GLASSHOUSE -- sh -c 'sleep 1; kill -9 $$'");
    terminal.shows("killed by SIGKILL");
    terminal.press(&["q"]);
    terminal.shows("exit code 137.");
    terminal.shows(" icanon");
    // glasshouse itself is asked to end, again and again.
    let terminal = Terminal::run((80, 24), "$GLASSHOUSE -- sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000'");
    terminal.shows("3 live");
    for _ in 0..3 {
        terminal.kill("-TERM");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    terminal.shows("exit code 143.");
    terminal.shows(" icanon");
    // The terminal goes.
    let terminal = Terminal::run((80, 24), "$GLASSHOUSE -- sh -c 'sleep 1000; exit'");
    terminal.shows("2 live");
    let pid = terminal.pid();
    terminal.tmux(&["kill-server"]);
    let receipt = terminal.receipt();
    assert_eq!(receipt["execution"]["outcome"]["signal"], 1, "{}", receipt["execution"]["outcome"]);
    wait_until("glasshouse ends", || (!Path::new("/proc").join(&pid).exists()).then_some(()));
    // It is stopped, and goes on.
    let terminal = Terminal::run(
        (80, 24),
        "set -m; $GLASSHOUSE -- sleep 1000; stty -a | grep -o '.icanon'; sleep 1; fg",
    );
    terminal.shows("1 live");
    terminal.kill("-TSTP");
    terminal.shows(" icanon");
    terminal.shows("1 live");
    terminal.press(&["q", "k"]);
    terminal.shows("exit code");
}

#[test]
fn the_smallest_screen_shows_something() {
    needs!("tmux");
    let terminal = Terminal::run((40, 10), "$GLASSHOUSE -- sh -c 'echo small; sleep 1000'");
    terminal.shows("└─");
    terminal.press(&["4"]);
    terminal.shows("small");
    terminal.tmux(&["resize-window", "-x", "130", "-y", "40"]);
    terminal.shows("6 System calls");
    terminal.press(&["K", "y"]);
    terminal.shows("killed by SIGTERM");
    terminal.press(&["q"]);
    terminal.shows("exit code 143.");
}

/// Whoever ignores the signal of a terminal that goes away (`nohup`) is not left behind waiting for keys.
#[test]
fn a_terminal_that_goes_away_silently_is_noticed() {
    needs!("tmux");
    let line = "trap '' HUP; $GLASSHOUSE -- sh -c 'sleep 3; exit 5'";
    let terminal = Terminal::run((80, 24), line);
    terminal.shows("running");
    let pid = terminal.pid();
    terminal.tmux(&["kill-server"]);
    let receipt = terminal.receipt();
    assert_eq!(receipt["execution"]["outcome"]["exit_code"], 5);
    let is_gone = || !Path::new(&format!("/proc/{pid}")).exists();
    wait_until("glasshouse is gone", || is_gone().then_some(()));
}
