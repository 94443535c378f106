//! Nobody stays frozen, whatever becomes of glasshouse.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    interface::Terminal,
    support::{patience, privilege::needs, wait_until},
};

/// A command that writes all the time, frozen by the user. Its terminal goes with glasshouse, which it survives.
struct Frozen {
    terminal: Terminal,
    group: PathBuf,
}

impl Frozen {
    fn make() -> Self {
        let line = "$GLASSHOUSE -- sh -c 'trap : HUP; while :; do echo >> ticks; sleep 0.01; done'";
        let terminal = Terminal::run((100, 30), line);
        terminal.shows("running");
        let group = terminal.group();
        let frozen = Self { terminal, group };
        wait_until("it writes", || (frozen.ticks() > 0).then_some(()));
        frozen.terminal.press(&["Space"]);
        wait_until("the group is frozen", || frozen.is_frozen().then_some(()));
        let before = frozen.ticks();
        std::thread::sleep(patience(1) / 5);
        assert_eq!(frozen.ticks(), before, "it is frozen");
        frozen
    }

    fn is_frozen(&self) -> bool {
        fs::read_to_string(self.group.join("cgroup.events")).is_ok_and(|text| text.contains("frozen 1"))
    }

    fn ticks(&self) -> usize {
        fs::read(self.terminal.path("ticks")).map_or(0, |ticks| ticks.len())
    }
}

impl Drop for Frozen {
    /// Nobody else ends what a killed glasshouse has left.
    fn drop(&mut self) {
        drop(fs::write(self.group.join("cgroup.kill"), "1"));
        drop(fs::write(self.group.join("cgroup.freeze"), "0"));
        for _ in 0..100 {
            if !self.group.exists() || fs::remove_dir(&self.group).is_ok() {
                return;
            }
            std::thread::sleep(patience(1) / 100);
        }
    }
}

fn goes_on(frozen: &Frozen) {
    let before = frozen.ticks();
    wait_until("it goes on", || (frozen.ticks() > before + 3).then_some(()));
}

#[test]
fn it_goes_on_when_glasshouse_is_killed() {
    needs!("tmux");
    let frozen = Frozen::make();
    frozen.terminal.kill("-KILL");
    goes_on(&frozen);
    assert!(!frozen.is_frozen());
}

/// A signal for the whole process group leaves nobody behind who is frozen either.
#[test]
fn it_goes_on_when_all_of_glasshouse_is_killed() {
    needs!("tmux");
    let frozen = Frozen::make();
    let asked = Command::new("ps").args(["-o", "pgid=", "-p", &frozen.terminal.pid()]).output().unwrap();
    let group = String::from_utf8(asked.stdout).unwrap();
    assert!(Command::new("pkill").args(["-KILL", "-g", group.trim()]).status().unwrap().success());
    goes_on(&frozen);
}

/// Ended by a signal, glasshouse thaws before it goes.
#[test]
fn it_goes_on_when_glasshouse_is_stopped() {
    needs!("tmux");
    let frozen = Frozen::make();
    // The first is for the command, which is frozen; who insists ends the observation.
    for _ in 0..3 {
        frozen.terminal.kill("-TERM");
        std::thread::sleep(patience(1) / 10);
    }
    wait_until("nobody is frozen", || (!frozen.is_frozen()).then_some(()));
}
