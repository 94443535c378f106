//! Network namespaces of a test's own: where it may take port 53, have several hosts, and lose packets.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::wait_until;
use super::watch::Watch;

/// The words of a client of [`Namespace::serve_ssh`], which asks nobody and remembers nothing.
pub(crate) const SSH: &str = "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=no \
                              -o UserKnownHostsFile=/dev/null";

/// A network and a mount namespace that last as long as this, with whatever was started in them.
pub(crate) struct Namespace {
    holder: Child,
    servers: Vec<Child>,
    files: tempfile::TempDir,
}

impl Namespace {
    /// One with the loopback interface.
    pub(crate) fn new() -> Self {
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-ec", "ip link set lo up; echo ready; exec sleep 1000000"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("run unshare");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().expect("it is piped")).read_line(&mut line).expect("read");
        assert_eq!(line, "ready\n", "a network namespace with ip(8)");
        Self { holder, servers: Vec::new(), files: super::watch::public_folder() }
    }

    /// A second one, that a pair of interfaces connects with this one: 10.77.0.1 here, 10.77.0.2 there, IPv6 likewise.
    /// None where this kernel has no such interfaces.
    pub(crate) fn neighbour(&self) -> Option<Self> {
        let other = Self::new();
        let pid = other.holder.id();
        let script = format!("ip link add v0 type veth peer name v1 && ip link set v1 netns {pid}");
        if !self.command(&["sh", "-c", &script]).output().expect("run nsenter").status.success() {
            return None;
        }
        self.run("ip addr add 10.77.0.1/24 dev v0; ip addr add fd77::1/64 dev v0 nodad; ip link set v0 up");
        other.run("ip addr add 10.77.0.2/24 dev v1; ip addr add fd77::2/64 dev v1 nodad; ip link set v1 up");
        Some(other)
    }

    /// The words that put a command into the namespaces.
    fn words(&self) -> Vec<OsString> {
        let pid = self.holder.id().to_string();
        ["nsenter", "--target", &pid, "--net", "--mount", "--"].map(OsString::from).into()
    }

    fn command(&self, words: &[&str]) -> Command {
        let all = self.words();
        let mut command = Command::new(&all[0]);
        command.args(&all[1..]).args(words).stdin(Stdio::null());
        command
    }

    /// Runs a shell script to its end; what it wrote.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> String {
        let output = self.command(&["sh", "-ec", script]).output().expect("run nsenter");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts a server and waits until somebody listens on its port: `tcp` or `udp`.
    #[track_caller]
    pub(crate) fn serve(&mut self, words: &[&str], protocol: &str, port: u16) {
        let log = std::fs::File::create(self.files.path().join("log")).expect("create a log");
        let child = self.command(words).stdout(Stdio::null()).stderr(log).process_group(0).spawn();
        self.servers.push(child.unwrap_or_else(|error| panic!("{words:?}: {error}")));
        let listed = ["", "6"].map(|suffix| format!("/proc/{}/net/{protocol}{suffix}", self.holder.id()));
        let (state, port) = (if protocol == "tcp" { "0A" } else { "07" }, format!(":{port:04X}"));
        let bound = |line: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            words.len() > 3 && words[1].ends_with(&port) && words[3] == state
        };
        wait_until(&format!("{words:?} to listen"), || {
            let texts = listed.iter().map(|path| std::fs::read_to_string(path).unwrap_or_default());
            texts.collect::<String>().lines().any(bound).then_some(())
        });
    }

    /// dnsmasq, which is given these further words and is asked for every name in here.
    #[track_caller]
    pub(crate) fn serve_names(&mut self, names: &[&str]) {
        let words = [
            "dnsmasq",
            "--keep-in-foreground",
            "--no-resolv",
            "--no-hosts",
            "--conf-file=/dev/null",
            "--user=root",
            "--pid-file",
            "--listen-address=127.0.0.1",
            "--bind-interfaces",
        ];
        self.serve(&[&words, names].concat(), "udp", 53);
        self.resolve_by("127.0.0.1");
    }

    /// A TLS server of openssl at port 4433.
    #[track_caller]
    pub(crate) fn serve_tls(&mut self) {
        let [key, cert] = ["key", "cert"].map(|name| self.files.path().join(name).display().to_string());
        self.run(&format!(
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {cert} -days 2 -subj /CN=x 2>&1"
        ));
        let words = ["openssl", "s_server", "-accept", "4433", "-key", &key, "-cert", &cert, "-www"];
        self.serve(&words, "tcp", 4433);
    }

    /// sshd at port 2222, where nobody can log in.
    #[track_caller]
    pub(crate) fn serve_ssh(&mut self) {
        let key = self.files.path().join("host").display().to_string();
        let sshd = super::privilege::find_tool("sshd").expect("sshd").display().to_string();
        self.run(&format!("ssh-keygen -q -t ed25519 -N '' -f {key}; mkdir -p /run/sshd"));
        let words = [&sshd, "-D", "-e", "-f", "/dev/null", "-h", &key, "-p", "2222", "-o", "UsePAM=no"];
        self.serve(&words, "tcp", 2222);
    }

    /// Resolvers in here ask this server for names, and no file.
    fn resolve_by(&self, server: &str) {
        let place = super::real(self.files.path());
        let mut file = std::fs::File::create(place.join("resolv.conf")).expect("create resolv.conf");
        writeln!(file, "nameserver {server}\noptions timeout:1 attempts:1").expect("write it");
        std::fs::write(place.join("nsswitch.conf"), "hosts: files dns\n").expect("write nsswitch.conf");
        for name in ["resolv.conf", "nsswitch.conf"] {
            self.run(&format!("touch /etc/{name}; mount --bind {}/{name} /etc/{name}", place.display()));
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        for child in self.servers.iter_mut().chain([&mut self.holder]) {
            let _ = killpg(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), Signal::SIGKILL);
            let _ = child.wait();
        }
    }
}

impl Watch {
    /// Runs glasshouse and its command in these namespaces.
    pub(crate) fn within(self, namespace: &Namespace) -> Self {
        let enter = format!("cd {}", self.folder().display());
        self.under(namespace.words()).after(&enter)
    }

    /// Runs glasshouse in a network namespace of its own, with the loopback interface and whatever else is prepared.
    pub(crate) fn alone(self, preparation: &str) -> Self {
        self.under(["unshare", "--net"]).after(&format!("ip link set lo up {preparation}"))
    }
}
