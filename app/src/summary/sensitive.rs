//! Places whose reading is worth a line: keys, passwords, sessions, other people's memory.

use crate::event::last_component;

/// Where one is.
enum Place {
    /// Exactly this path.
    At(&'static str),
    /// This path and whatever is below it.
    Below(&'static str),
    /// This file or directory of anybody's home, and whatever is below it.
    Home(&'static str),
    /// This file of anybody's directory for what runs, as `/run/user/1000`.
    Runtime(&'static str),
}

use Place::{At, Below, Home, Runtime};

impl Place {
    fn has(&self, path: &[u8]) -> bool {
        match self {
            At(at) => path == at.as_bytes(),
            Below(below) => is_within(path, below.as_bytes()),
            Home(name) => in_home(path).is_some_and(|rest| is_within(rest, name.as_bytes())),
            Runtime(name) => of_somebody(path, b"/run/user/") == Some(name.as_bytes()),
        }
    }
}

/// The table; [`is_sensitive`] knows procfs and the home of root beside it.
const PLACES: [Place; 42] = [
    // Passwords and who may become whom.
    At("/etc/shadow"),
    At("/etc/shadow-"),
    At("/etc/gshadow"),
    At("/etc/gshadow-"),
    At("/etc/sudoers"),
    Below("/etc/sudoers.d"),
    At("/etc/krb5.keytab"),
    Below("/etc/ssl/private"),
    // Memory and ports of the machine.
    At("/dev/mem"),
    At("/dev/kmem"),
    At("/dev/port"),
    At("/proc/kcore"),
    // Whoever may talk to these is root.
    At("/run/docker.sock"),
    At("/var/run/docker.sock"),
    At("/run/containerd/containerd.sock"),
    At("/run/podman/podman.sock"),
    At("/run/crio/crio.sock"),
    // Tokens of a service account in a container.
    Below("/run/secrets"),
    Below("/var/run/secrets"),
    // Keys and credentials of people.
    Home(".ssh"),
    Home(".gnupg"),
    Home(".aws"),
    Home(".azure"),
    Home(".kube"),
    Home(".config/gcloud"),
    Home(".config/gh"),
    Home(".docker/config.json"),
    Home(".netrc"),
    Home(".pgpass"),
    Home(".git-credentials"),
    Home(".npmrc"),
    Home(".pypirc"),
    Home(".password-store"),
    Home(".local/share/keyrings"),
    Home(".vault-token"),
    // Profiles of browsers, with cookies and saved passwords.
    Home(".mozilla"),
    Home(".thunderbird"),
    Home(".config/google-chrome"),
    Home(".config/chromium"),
    Home(".config/BraveSoftware"),
    Home(".config/microsoft-edge"),
    Home("snap/firefox"),
];

/// Whether a path is of one of these places. `pids` are those of the processes that used it, whose own files in procfs
/// are nothing special; `is_root` tells that the command ran as root, at home in `/root`.
pub(crate) fn is_sensitive(path: &[u8], pids: &[u32], is_root: bool) -> bool {
    let listed = PLACES.iter().any(|place| place.has(path));
    listed || is_of_another(path, pids) || (!is_root && is_within(path, b"/root"))
}

fn is_within(path: &[u8], above: &[u8]) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// The path within somebody's home.
fn in_home(path: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = path.strip_prefix(b"/root/") {
        return Some(rest);
    }
    of_somebody(path, b"/home/")
}

/// The path within somebody's directory, of those that lie in one place.
fn of_somebody<'a>(path: &'a [u8], place: &[u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(place)?;
    rest.iter().position(|byte| *byte == b'/').map(|at| &rest[at + 1..])
}

/// Sockets by which others can be made to act: whoever may talk to them is root, or has somebody's keys or session.
const SOCKETS: [Place; 20] = [
    At("/run/docker.sock"),
    At("/run/containerd/containerd.sock"),
    At("/run/podman/podman.sock"),
    At("/run/crio/crio.sock"),
    At("/run/libvirt/libvirt-sock"),
    At("/run/snapd.socket"),
    At("/var/lib/lxd/unix.socket"),
    At("/var/snap/lxd/common/lxd/unix.socket"),
    At("/run/dbus/system_bus_socket"),
    At("/run/systemd/private"),
    Runtime("docker.sock"),
    Runtime("podman/podman.sock"),
    Runtime("bus"),
    Runtime("systemd/private"),
    Runtime("keyring/ssh"),
    Runtime("keyring/control"),
    Runtime("ssh-agent.socket"),
    Runtime("openssh_agent"),
    Runtime("gnupg/S.gpg-agent"),
    Home(".ssh/agent"),
];

/// Whether a unix socket's path is one of these, or that of an agent that keeps keys.
pub(super) fn is_sensitive_socket(path: &[u8]) -> bool {
    let path = if path.starts_with(b"/var/run/") { &path[4..] } else { path };
    let listed = SOCKETS.iter().any(|socket| socket.has(path));
    let name = last_component(path);
    let of_ssh = path.starts_with(b"/tmp/ssh-") && name.starts_with(b"agent.");
    let of_gpg = Home(".gnupg").has(path) && name.starts_with(b"S.gpg-agent");
    listed || of_ssh || of_gpg
}

/// Memory, environment or open files of a process in procfs that is none of these.
fn is_of_another(path: &[u8], pids: &[u32]) -> bool {
    let mut parts = path.split(|byte| *byte == b'/').skip(1);
    if parts.next() != Some(b"proc") {
        return false;
    }
    let pid = parts.next().and_then(|pid| std::str::from_utf8(pid).ok()?.parse::<u32>().ok());
    let mut rest: Vec<_> = parts.collect();
    // Of a thread: /proc/PID/task/TID/mem.
    if rest.first() == Some(&b"task".as_slice()) && rest.len() > 2 {
        rest.drain(..2);
    }
    let telling: [&[u8]; 3] = [b"mem", b"environ", b"fd"];
    let told = rest.first().is_some_and(|name| telling.contains(name));
    told && pid.is_some_and(|pid| !pids.contains(&pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets() {
        let check =
            |path: &str, expected| assert_eq!(is_sensitive_socket(path.as_bytes()), expected, "{path}");
        check("/run/docker.sock", true);
        check("/var/run/docker.sock", true);
        check("/var/run/docker.socket", false);
        check("/run/user/1000/bus", true);
        check("/run/user/1000/wayland-0", false);
        check("/run/user/bus", false);
        check("/tmp/ssh-AbCdEf/agent.123", true);
        check("/tmp/agent.123", false);
        check("/home/ann/.gnupg/S.gpg-agent.extra", true);
        check("", false);
    }

    #[test]
    fn places() {
        let check = |path: &str, expected| {
            assert_eq!(is_sensitive(path.as_bytes(), &[7], false), expected, "{path}");
        };
        check("/etc/shadow", true);
        check("/etc/shadow.conf", false);
        check("/etc/passwd", false);
        check("/home/ann/.ssh/id_ed25519", true);
        check("/home/ann/.ssh", true);
        check("/home/ann/.sshd/x", false);
        check("/home/ann/.docker/config.json", true);
        check("/home/ann/.docker/x", false);
        check("/home/.ssh/x", false);
        check("/root/x", true);
        check("/proc/7/mem", false);
        check("/proc/8/mem", true);
        check("/proc/8/task/9/environ", true);
        check("/proc/7/task/9/environ", false);
        check("/proc/8/stat", false);
        check("/proc/self/mem", false);
        assert!(!is_sensitive(b"/root/x", &[], true));
        let below_root = [b"/root/".as_slice(), b".aws/credentials"].concat();
        assert!(is_sensitive(&below_root, &[], true));
    }
}
