//! Which user the command runs as.
//!
//! Under sudo that is the user who typed it: observing needs root, the workload does not. `--user` says otherwise.
//! Plain root stays root.

use std::{
    env,
    ffi::{CString, OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    str::FromStr,
};

use nix::unistd::{self, Gid, Group, Uid, User, getgrouplist};

use super::{
    LaunchError,
    command::{set, value_of},
    quoted,
};

/// `--user NAME|UID[:GROUP]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSpec {
    user: String,
    group: Option<String>,
}

impl FromStr for UserSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        if user.is_empty() || group.is_some_and(str::is_empty) {
            return Err("expected NAME, UID, NAME:GROUP or UID:GROUP".into());
        }
        Ok(Self { user: user.into(), group: group.map(Into::into) })
    }
}

/// Who the command runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Login name, where it had to be looked up anyway.
    pub name: Option<String>,
    /// What has to be done to become that user; absent when the command runs as glasshouse was started.
    pub(super) switch: Option<Switch>,
    /// The command must not have the capabilities of glasshouse.
    pub(super) drops_capabilities: bool,
}

/// What has to be done to become another user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Switch {
    /// Supplementary groups; absent when they are to stay.
    pub(super) groups: Option<Vec<libc::gid_t>>,
    home: Option<OsString>,
    shell: Option<OsString>,
}

/// Who started glasshouse.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective user id.
    pub euid: u32,
    /// The user who typed `sudo`, unless that was root.
    pub sudo: Option<SudoUser>,
    /// Why it cannot be told who typed `sudo`, though somebody did. Nothing may run as root for that.
    pub unclear: Option<String>,
}

/// The user who typed `sudo`, as sudo says in the environment.
#[derive(Clone, Debug)]
pub struct SudoUser {
    /// `SUDO_UID`.
    pub uid: u32,
    /// `SUDO_GID`.
    pub gid: u32,
    /// `SUDO_USER`.
    pub name: Option<String>,
}

impl Caller {
    /// The caller of this process.
    pub fn current() -> Self {
        let euid = unistd::geteuid();
        let sudo = if euid.is_root() { SudoUser::from_variables(|name| env::var_os(name)) } else { Ok(None) };
        let (sudo, unclear) = match sudo {
            Ok(sudo) => (sudo, None),
            Err(reason) => (None, Some(reason)),
        };
        Self {
            uid: unistd::getuid().as_raw(),
            gid: unistd::getgid().as_raw(),
            euid: euid.as_raw(),
            sudo,
            unclear,
        }
    }

    /// The person who asked: the invoking user under sudo.
    pub fn owner(&self) -> (u32, u32) {
        self.sudo.as_ref().map_or((self.uid, self.gid), |sudo| (sudo.uid, sudo.gid))
    }

    fn is_plain_root(&self) -> bool {
        self.uid == 0 && self.euid == 0
    }
}

impl SudoUser {
    /// Reads sudo's variables. The error says which of them makes no sense.
    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Self>, String> {
        let number = |name: &str, value: OsString| {
            let number = value.to_str().and_then(|text| text.parse().ok());
            // (uid_t)-1 means "leave as it is" to the setuid calls: it would stay root.
            number
                .filter(|&id: &u32| id != u32::MAX)
                .ok_or_else(|| format!("{name} is not a number; name the user with --user NAME"))
        };
        let Some(uid) = variable("SUDO_UID") else { return Ok(None) };
        let uid = number("SUDO_UID", uid)?;
        if uid == 0 {
            return Ok(None);
        }
        let gid = variable("SUDO_GID")
            .ok_or("SUDO_UID is set but SUDO_GID is not; name the user with --user NAME:GROUP")?;
        let gid = number("SUDO_GID", gid)?;
        let name = variable("SUDO_USER").and_then(|name| name.into_string().ok());
        Ok(Some(Self { uid, gid, name }))
    }
}

impl Identity {
    /// As glasshouse was started, with no privilege of glasshouse's own.
    pub fn unchanged() -> Self {
        Self::of(&Caller::current())
    }

    fn of(caller: &Caller) -> Self {
        let plain = caller.is_plain_root();
        // A set-user-ID glasshouse is not meant to be, but its root must not reach the command either.
        let foreign = caller.euid != caller.uid;
        Self {
            uid: caller.uid,
            gid: caller.gid,
            name: None,
            switch: foreign.then_some(Switch { groups: None, home: None, shell: None }),
            drops_capabilities: !plain,
        }
    }

    /// Who the command of `caller` runs as when `spec` was asked for.
    ///
    /// # Errors
    /// [`LaunchError::Refused`]: an unknown user or group, or somebody who may not become another user.
    pub fn resolve(spec: Option<&UserSpec>, caller: &Caller) -> Result<Self, LaunchError> {
        match (spec, &caller.sudo, &caller.unclear) {
            (Some(spec), ..) => Self::asked_for(spec, caller),
            (None, Some(sudo), _) => Self::invoker(sudo),
            (None, None, Some(reason)) => Err(LaunchError::Refused(reason.clone())),
            (None, None, None) => Ok(Self::of(caller)),
        }
    }

    fn asked_for(spec: &UserSpec, caller: &Caller) -> Result<Self, LaunchError> {
        let (uid, entry) = lookup_user(&spec.user)?;
        let gid = match (&spec.group, &entry) {
            (Some(group), _) => lookup_group(group)?,
            (None, Some(user)) => user.gid.as_raw(),
            (None, None) if uid == caller.uid => caller.gid,
            (None, None) => {
                return Err(LaunchError::Refused(format!(
                    "user id {uid} has no entry in the user database, so its group is unknown; type: --user {uid}:{uid}"
                )));
            }
        };
        if !caller.is_plain_root() {
            if (uid, gid) == (caller.uid, caller.gid) {
                return Ok(Self::of(caller));
            }
            return Err(LaunchError::Refused(format!(
                "only root may run the command as another user ({}); type: sudo glasshouse watch --user …",
                quoted(&spec.user)
            )));
        }
        Self::switched(uid, gid, entry, None)
    }

    fn invoker(sudo: &SudoUser) -> Result<Self, LaunchError> {
        let entry = User::from_uid(Uid::from_raw(sudo.uid)).ok().flatten();
        Self::switched(sudo.uid, sudo.gid, entry, sudo.name.clone())
    }

    fn switched(
        uid: u32,
        gid: u32,
        entry: Option<User>,
        fallback_name: Option<String>,
    ) -> Result<Self, LaunchError> {
        let groups = match &entry {
            Some(user) => supplementary_groups(&user.name, gid)?,
            None => vec![gid],
        };
        let (home, shell) = match &entry {
            Some(user) => (Some(user.dir.clone().into()), Some(user.shell.clone().into())),
            None => (None, None),
        };
        Ok(Self {
            uid,
            gid,
            name: entry.map(|user| user.name).or(fallback_name),
            switch: Some(Switch { groups: Some(groups), home, shell }),
            drops_capabilities: uid != 0,
        })
    }

    /// The permissions of a file, by themselves, let it be executed, or looked into if it is a directory.
    pub(super) fn may_execute(&self, uid: u32, gid: u32, mode: u32) -> bool {
        let groups = self.switch.as_ref().and_then(|switch| switch.groups.as_deref()).unwrap_or_default();
        let bits = if uid == self.uid {
            0o100
        } else if gid == self.gid || groups.contains(&gid) {
            0o010
        } else {
            0o001
        };
        self.uid == 0 || mode & bits != 0
    }

    /// Makes the environment of glasshouse that of the user: sudo's own variables go, the user's come back.
    pub(super) fn adapt(&self, environment: &mut Vec<OsString>) {
        let Some(Switch { groups: Some(_), home, shell }) = &self.switch else { return };
        // Root's home is no home for a user who has none.
        environment.retain(|entry| {
            !entry.as_bytes().starts_with(b"SUDO_") && value_of(entry, OsStr::new("HOME")).is_none()
        });
        let name = self.name.as_ref().map(OsString::from);
        for (variable, value) in [("HOME", home), ("SHELL", shell), ("USER", &name), ("LOGNAME", &name)] {
            if let Some(value) = value {
                set(environment, OsStr::new(variable), value);
            }
        }
    }
}

/// The login name of a user id, where the user database has one.
pub fn user_name(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

/// A name, or a number that need not be in the database. Names come first, as in `chown`.
fn lookup_user(text: &str) -> Result<(u32, Option<User>), LaunchError> {
    let failed = |error: nix::errno::Errno| {
        LaunchError::Refused(format!("cannot look up user {}: {}", quoted(text), super::reason(error)))
    };
    if let Some(user) = User::from_name(text).map_err(failed)? {
        return Ok((user.uid.as_raw(), Some(user)));
    }
    match text.parse::<u32>() {
        // (uid_t)-1 means "leave as it is" to the setuid calls.
        Ok(uid) if uid != u32::MAX => Ok((uid, User::from_uid(Uid::from_raw(uid)).map_err(failed)?)),
        _ => Err(LaunchError::Refused(format!(
            "unknown user {}; to see who there is, type: getent passwd",
            quoted(text)
        ))),
    }
}

fn lookup_group(text: &str) -> Result<u32, LaunchError> {
    match Group::from_name(text) {
        Ok(Some(group)) => return Ok(group.gid.as_raw()),
        Ok(None) => {}
        Err(error) => {
            return Err(LaunchError::Refused(format!(
                "cannot look up group {}: {}",
                quoted(text),
                super::reason(error)
            )));
        }
    }
    match text.parse::<u32>() {
        Ok(gid) if gid != u32::MAX => Ok(gid),
        _ => Err(LaunchError::Refused(format!(
            "unknown group {}; to see which there are, type: getent group",
            quoted(text)
        ))),
    }
}

fn supplementary_groups(name: &str, gid: u32) -> Result<Vec<libc::gid_t>, LaunchError> {
    let groups = CString::new(name).ok().map(|name| getgrouplist(&name, Gid::from_raw(gid)));
    match groups {
        Some(Ok(groups)) => Ok(groups.into_iter().map(Gid::as_raw).collect()),
        _ => Err(LaunchError::Refused(format!("cannot look up the groups of user {}", quoted(name)))),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn caller(uid: u32, euid: u32, sudo: Option<u32>) -> Caller {
        let sudo = sudo.map(|uid| SudoUser { uid, gid: uid, name: Some("somebody".into()) });
        Caller { uid, gid: uid, euid, sudo, unclear: None }
    }

    fn spec(text: &str) -> UserSpec {
        text.parse().unwrap()
    }

    #[test]
    fn user_specifications() {
        assert_eq!(spec("a"), UserSpec { user: "a".into(), group: None });
        assert_eq!(spec("1:b"), UserSpec { user: "1".into(), group: Some("b".into()) });
        for bad in ["", ":", "a:", ":b"] {
            assert!(bad.parse::<UserSpec>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn plain_root_stays_root_with_its_capabilities() {
        let identity = Identity::resolve(None, &caller(0, 0, None)).unwrap();
        assert_eq!((identity.uid, identity.switch, identity.drops_capabilities), (0, None, false));
    }

    #[test]
    fn a_user_keeps_nothing_of_the_observer() {
        let identity = Identity::resolve(None, &caller(1000, 1000, None)).unwrap();
        assert_eq!((identity.uid, identity.switch, identity.drops_capabilities), (1000, None, true));
        let identity = Identity::resolve(None, &caller(1000, 0, None)).unwrap();
        assert_eq!(identity.uid, 1000);
        assert!(identity.switch.is_some() && identity.drops_capabilities);
    }

    #[test]
    fn under_sudo_it_is_the_invoking_user() {
        let caller = caller(0, 0, Some(4_000_000));
        let identity = Identity::resolve(None, &caller).unwrap();
        assert_eq!((identity.uid, identity.gid), (4_000_000, 4_000_000));
        assert_eq!(identity.name.as_deref(), Some("somebody"));
        assert!(identity.drops_capabilities);
        assert_eq!(caller.owner(), (4_000_000, 4_000_000));
        let mut environment: Vec<OsString> =
            ["SUDO_UID=1", "", "USER=root", "HOMELESS", "HOME=/root"].map(Into::into).into();
        identity.adapt(&mut environment);
        assert_eq!(environment, ["", "USER=somebody", "HOMELESS", "LOGNAME=somebody"]);
    }

    #[test]
    fn what_sudo_says_must_make_sense() {
        let read = |uid: Option<&str>, gid: Option<&str>| {
            SudoUser::from_variables(|name| match name {
                "SUDO_UID" => uid.map(Into::into),
                "SUDO_GID" => gid.map(Into::into),
                _ => None,
            })
            .map(|sudo| sudo.map(|sudo| (sudo.uid, sudo.gid)))
        };
        assert_eq!(read(Some("7"), Some("8")), Ok(Some((7, 8))));
        assert_eq!(read(Some("0"), Some("0")), Ok(None));
        assert_eq!(read(None, None), Ok(None));
        for (uid, gid, named) in [
            ("abc", Some("8"), "SUDO_UID is not a number"),
            ("", Some("8"), "SUDO_UID is not a number"),
            ("4294967295", Some("8"), "SUDO_UID is not a number"),
            ("7", Some("x"), "SUDO_GID is not a number"),
            ("7", None, "SUDO_GID is not"),
        ] {
            let reason = read(Some(uid), gid).unwrap_err();
            assert!(reason.contains(named) && reason.contains("--user NAME"), "{reason}");
        }
        let mut root = caller(0, 0, None);
        root.unclear = Some("why".into());
        assert_eq!(Identity::resolve(None, &root), Err(LaunchError::Refused("why".into())));
        assert_eq!(Identity::resolve(Some(&spec("root")), &root).unwrap().uid, 0);
    }

    #[test]
    fn asking_for_a_user_overrides_sudo() {
        let caller = caller(0, 0, Some(4_000_000));
        let identity = Identity::resolve(Some(&spec("root")), &caller).unwrap();
        assert_eq!((identity.uid, identity.gid, identity.drops_capabilities), (0, 0, false));
        assert_eq!(caller.owner(), (4_000_000, 4_000_000));
        let mut environment = vec!["HOME=/home/somebody".into()];
        identity.adapt(&mut environment);
        assert!(environment.contains(&"HOME=/root".into()));
        let identity = Identity::resolve(Some(&spec("nobody:12345")), &caller).unwrap();
        assert_eq!(identity.gid, 12345);
    }

    #[test]
    fn permissions_are_those_of_owner_group_or_others() {
        let identity = Identity::resolve(Some(&spec("12345:678")), &caller(0, 0, None)).unwrap();
        for (uid, gid, mode, may) in [
            (12345, 1, 0o100, true),
            (12345, 678, 0o011, false),
            (1, 678, 0o010, true),
            (1, 678, 0o101, false),
            (1, 1, 0o001, true),
            (0, 0, 0o700, false),
        ] {
            assert_eq!(identity.may_execute(uid, gid, mode), may, "{uid} {gid} {mode:o}");
        }
        assert!(Identity::resolve(None, &caller(0, 0, None)).unwrap().may_execute(1, 1, 0));
    }

    #[test]
    fn refusals_say_what_to_type() {
        let root = caller(0, 0, None);
        fn refused(text: &str, caller: &Caller) -> String {
            Identity::resolve(Some(&spec(text)), caller).unwrap_err().to_string()
        }
        assert!(refused("no-such-user", &root).contains("getent passwd"));
        assert!(refused("root:no-such-group", &root).contains("getent group"));
        assert!(refused("4000000", &root).contains("--user 4000000:4000000"));
        assert!(refused("root", &caller(1000, 1000, None)).contains("sudo"));
        assert!(refused("4294967295", &root).contains("unknown user"));
    }
}
