//! What is to be started, resolved: arguments, environment, working directory, user.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use super::{Identity, pty::ChildTerminal};

/// A command that is ready to be started.
#[derive(Clone, Debug)]
pub struct Command {
    /// The command and its arguments; never empty.
    pub argv: Vec<OsString>,
    /// `NAME=value` strings.
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
        let mut environment: Vec<_> = env::vars_os().collect();
        identity.adapt(&mut environment);
        for (name, value) in overrides {
            set(&mut environment, name, value.clone());
        }
        Self {
            argv,
            environment: environment.into_iter().map(|(name, value)| joined(name, &value)).collect(),
            directory: directory.map_or_else(|| own.clone(), |directory| own.join(directory)),
            changes_directory: directory.is_some(),
            identity,
            terminal: None,
        }
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
        self.environment.iter().find_map(|entry| {
            let value = entry.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            Some(OsStr::from_bytes(value))
        })
    }
}

/// Sets a variable where it stands, or adds it at the end.
pub(super) fn set(environment: &mut Vec<(OsString, OsString)>, name: &OsStr, value: OsString) {
    match environment.iter_mut().find(|(present, _)| present == name) {
        Some(entry) => entry.1 = value,
        None => environment.push((name.to_owned(), value)),
    }
}

fn joined(name: OsString, value: &OsStr) -> OsString {
    let mut entry = name.into_vec();
    entry.push(b'=');
    entry.extend_from_slice(value.as_bytes());
    OsString::from_vec(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_directory_is_absolute() {
        let command = Command::new(vec!["x".into()], &[], Some(Path::new("sub")), Identity::unchanged());
        assert!(command.directory.is_absolute() && command.directory.ends_with("sub"));
        assert!(command.changes_directory);
        assert_eq!(command.absolute(OsStr::new("./x/./y")), command.directory.join("x/y"));
        assert_eq!(command.absolute(OsStr::new("/a/../b")), Path::new("/a/../b"));
    }
}
