//! What is to be started, resolved: arguments, environment, working directory, user.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use super::{Identity, inherited, pty::ChildTerminal};

/// How terminfo calls the terminal that an interface emulates: it does what xterm does, in 256 colours. Every system
/// has the entry.
const TERMINAL_NAME: &str = "xterm-256color";

/// A command that is ready to be started.
#[derive(Clone, Debug)]
pub struct Command {
    /// The command and its arguments; never empty.
    pub argv: Vec<OsString>,
    /// `NAME=value` strings, and whatever else stands among those of the caller.
    pub environment: Vec<OsString>,
    /// Where it starts, absolute.
    pub directory: PathBuf,
    /// That is not where glasshouse itself is.
    pub changes_directory: bool,
    /// Who it runs as.
    pub identity: Identity,
    /// A terminal of its own; else it has glasshouse's.
    pub terminal: Option<ChildTerminal>,
}

impl Command {
    /// Resolves a command against this process: its environment with `overrides` on top, and its working directory
    /// unless `directory` is given.
    pub fn new(
        argv: Vec<OsString>,
        overrides: &[(OsString, OsString)],
        directory: Option<&Path>,
        identity: Identity,
    ) -> Self {
        let own = env::current_dir().unwrap_or_default();
        let mut environment = inherited::environment();
        identity.adapt(&mut environment);
        for (name, value) in overrides {
            set(&mut environment, name, value);
        }
        Self {
            argv,
            environment,
            directory: directory.map_or_else(|| own.clone(), |directory| own.join(directory)),
            changes_directory: directory.is_some(),
            identity,
            terminal: None,
        }
    }

    /// Gives it a terminal of its own. `TERM` is then the name of that terminal, not of glasshouse's, unless `overrides`
    /// have it.
    pub fn give_terminal(&mut self, terminal: ChildTerminal, overrides: &[(OsString, OsString)]) {
        self.terminal = Some(terminal);
        if overrides.iter().any(|(name, _)| name == "TERM") {
            return;
        }
        set(&mut self.environment, OsStr::new("TERM"), OsStr::new(TERMINAL_NAME));
    }

    /// The command's name as it was typed.
    pub fn name(&self) -> &OsStr {
        self.argv.first().map_or(OsStr::new(""), |name| name)
    }

    /// Where `path` leads from its directory; `.` goes, `..` stays, for it may follow a symbolic link.
    pub(super) fn absolute(&self, path: &OsStr) -> PathBuf {
        self.directory.join(path).components().collect()
    }

    /// The value of a variable of its environment.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.environment.iter().find_map(|entry| value_of(entry, OsStr::new(name)))
    }
}

/// Sets a variable where it stands first, or adds it at the end. Further ones of its name go: programs differ in which one
/// they take.
pub(super) fn set(environment: &mut Vec<OsString>, name: &OsStr, value: &OsStr) {
    let entry = OsString::from_vec([name.as_bytes(), b"=", value.as_bytes()].concat());
    let Some(first) = environment.iter().position(|present| value_of(present, name).is_some()) else {
        environment.push(entry);
        return;
    };
    let mut at = 0;
    environment.retain_mut(|present| {
        let stays = at <= first || value_of(present, name).is_none();
        if at == first {
            present.clone_from(&entry);
        }
        at += 1;
        stays
    });
}

/// The value that an environment string gives to this variable.
pub(super) fn value_of<'a>(entry: &'a OsStr, name: &OsStr) -> Option<&'a OsStr> {
    let value = entry.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    Some(OsStr::from_bytes(value))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::launch::Pty;

    #[test]
    fn overrides_replace_and_add() {
        let overrides = [("PATH".into(), "/nowhere".into()), ("NEW_ONE".into(), "a=b".into())];
        let command = Command::new(vec!["x".into()], &overrides, None, Identity::unchanged());
        assert_eq!(command.variable("PATH"), Some(OsStr::new("/nowhere")));
        assert_eq!(command.variable("NEW_ONE"), Some(OsStr::new("a=b")));
        assert_eq!(command.variable("NEW"), None);
        let paths = command.environment.iter().filter(|entry| entry.as_bytes().starts_with(b"PATH=")).count();
        assert_eq!(paths, 1);
    }

    #[test]
    fn what_is_no_variable_stays_as_it_is() {
        let strings = |texts: &[&str]| texts.iter().map(OsString::from).collect::<Vec<_>>();
        let mut environment = strings(&["NO", "=weird", "", "NO=1", "N=2", "NO=3", "NO"]);
        set(&mut environment, OsStr::new("NO"), OsStr::new("4"));
        assert_eq!(environment, strings(&["NO", "=weird", "", "NO=4", "N=2", "NO"]));
        set(&mut environment, OsStr::new("weird"), OsStr::new(""));
        assert_eq!(environment.last(), Some(&"weird=".into()));
    }

    #[test]
    fn a_terminal_of_its_own_has_its_name() {
        let pty = Pty::for_streams(24, 80, [true; 3]).unwrap();
        let terms = |overrides: &[(OsString, OsString)], gives: bool| {
            let mut command = Command::new(vec!["x".into()], overrides, None, Identity::unchanged());
            let inherited = command.variable("TERM").map(OsStr::to_owned);
            if gives {
                command.give_terminal(pty.terminal(), overrides);
            }
            let count =
                command.environment.iter().filter(|entry| entry.as_bytes().starts_with(b"TERM=")).count();
            (inherited, command.variable("TERM").map(OsStr::to_owned), count)
        };
        let chosen = [("TERM".into(), "vt220".into())];
        assert_eq!(terms(&chosen, true), (Some("vt220".into()), Some("vt220".into()), 1));
        let (inherited, given, count) = terms(&[], true);
        assert_eq!((given, count), (Some("xterm-256color".into()), 1));
        assert_eq!(terms(&[], false).1, inherited, "without a terminal of its own nothing is set");
    }

    #[test]
    fn the_directory_is_absolute() {
        let command = Command::new(vec!["x".into()], &[], Some(Path::new("sub")), Identity::unchanged());
        assert!(command.directory.is_absolute() && command.directory.ends_with("sub"));
        assert!(command.changes_directory);
        assert_eq!(command.absolute(OsStr::new("./x/./y")), command.directory.join("x/y"));
        assert_eq!(command.absolute(OsStr::new("/a/../b")), Path::new("/a/../b"));
    }
}
