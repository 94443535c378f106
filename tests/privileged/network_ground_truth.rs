//! Real programs and their connections: what strace saw of a run against what the receipt of that same run says.
//!
//! glasshouse watches strace, which traces the command: the pids, the ports and the order are the same, and every fact can
//! be compared. strace's own process is left out.
//!
//! Exceptions, each for a reason:
//! - an attempt whose outcome its program never asked for has none in the trace;
//! - strace names the ends of a socket where the kernel tells it (`tcp_diag`); elsewhere only what calls say is compared;
//! - what a program does not read before it closes has arrived all the same: the receipt may say more bytes received.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use crate::support::differences::Differences;
use crate::support::namespaces::SSH;
use crate::support::network_trace::{self, Counts, NetworkTrace};
use crate::support::privilege::needs;
use crate::support::{Namespace, Receipt, watch};

/// Runs a shell script in a namespace, watched and traced at once, and compares.
#[track_caller]
fn agree(place: &Namespace, script: &str) {
    let outside = crate::support::watch::public_folder();
    let log = crate::support::real(outside.path()).join("trace");
    let mut words = network_trace::words(&log);
    words.extend(["sh", "-c", script].map(OsString::from));
    let run = watch(words).env("HOME", outside.path()).within(place).run();
    let receipt = run.complete(0);
    let trace = network_trace::read(&log);
    let seen = trace.attempts.len() + trace.peers.len() + trace.listening.len();
    assert!(seen > 0, "strace saw nothing: {}", run.stderr);
    compare(&trace, &receipt);
}

/// Facts that only one side has, in words.
#[track_caller]
fn compare(trace: &NetworkTrace, receipt: &Receipt) {
    let seen = Seen::of(receipt, trace);
    let mut differences = Differences::default();
    differences.counts("attempts", &trace.attempts, &seen.attempts);
    differences.sets("peers", &trace.peers, &seen.peers);
    if !trace.is_blind {
        differences.counts("accepted", &trace.accepted, &seen.accepted);
        differences.sets("listening", &trace.listening, &seen.listening);
    }
    for (ends, (sent, received)) in &trace.bytes {
        let (out, into) = seen.bytes.get(ends).copied().unwrap_or((0, 0));
        if out != *sent || into < *received {
            differences.add(format!(
                "bytes of {ends}: {sent}, {received} in the trace, {out}, {into} in the receipt"
            ));
        }
    }
    differences.expect_none();
}

/// The receipt in the words of a trace.
#[derive(Default)]
struct Seen {
    attempts: Counts,
    accepted: Counts,
    peers: BTreeSet<(u64, String)>,
    listening: BTreeSet<(u64, String)>,
    bytes: BTreeMap<String, (u64, u64)>,
}

impl Seen {
    /// Of the processes of the trace: strace, and what it tries out with children of its own, are left out.
    fn of(receipt: &Receipt, trace: &NetworkTrace) -> Self {
        let traced: BTreeMap<u64, u64> = receipt
            .processes()
            .iter()
            .filter(|process| trace.processes.contains(&process.namespace_pid()))
            .map(|process| (process.id(), process.namespace_pid()))
            .collect();
        let pid_of = |process: Option<u64>| process.and_then(|id| traced.get(&id).copied());
        let mut seen = Self::default();
        for one in receipt.connections() {
            let (protocol, local, remote) = (one.protocol(), one.local(), one.remote());
            let (sent, received) = seen.bytes.entry(format!("{protocol} {local} {remote}")).or_default();
            *sent += one.bytes_sent();
            *received += one.bytes_received();
            let Some(pid) = pid_of(one.process()) else { continue };
            match (protocol, one.direction()) {
                ("tcp", "inbound") => {
                    *seen.accepted.entry((pid, format!("tcp {local} {remote}"))).or_default() += 1;
                }
                ("tcp", _) => {
                    let result = match one.result() {
                        "established" | "reset" if !one.0["established_at"].is_null() => "established",
                        _ => one.error(),
                    };
                    let line = format!("tcp {remote}");
                    if !trace.unknown.contains(&(pid, line.clone())) {
                        *seen.attempts.entry((pid, format!("{line} {result}"))).or_default() += 1;
                    }
                }
                // Whom it only heard from it has not called.
                ("udp", "outbound") => {
                    seen.peers.insert((pid, format!("udp {remote}")));
                }
                // Nor has one that answers, but it sent.
                ("udp", _) if one.bytes_sent() > 0 => {
                    seen.peers.insert((pid, format!("udp {remote}")));
                }
                _ => {}
            }
        }
        for failed in receipt.failed_sockets() {
            let Some(pid) = pid_of(failed.0["process"].as_u64()) else { continue };
            if failed.operation() == "connect" {
                let protocol =
                    if failed.0["path"].is_null() { failed.0["protocol"].as_str() } else { Some("unix") };
                let line = format!("{} {} {}", protocol.unwrap_or("none"), failed.address(), failed.errno());
                *seen.attempts.entry((pid, line)).or_default() += failed.count();
            }
        }
        for listener in receipt.listeners() {
            if let (Some(pid), "listening") = (pid_of(listener.process()), listener.state()) {
                let local = crate::support::network::endpoint(&listener.0["local"]);
                seen.listening.insert((pid, format!("tcp {local}")));
            }
        }
        seen
    }
}

/// A namespace with a web server.
fn with_web() -> Namespace {
    let mut place = Namespace::new();
    let serve = "import http.server\nclass H(http.server.BaseHTTPRequestHandler):\n def do_GET(self):\n  n = int(self.path.strip('/') or 10)\n  \
                 self.send_response(200)\n  self.send_header('Content-Length', str(n))\n  self.end_headers()\n  self.wfile.write(b'x' * n)\n\
                 http.server.ThreadingHTTPServer(('127.0.0.1', 8000), H).serve_forever()";
    place.serve(&["python3", "-c", serve], "tcp", 8000);
    place
}

#[test]
fn curl_downloads() {
    needs!("strace", "curl", "python3", "ip", "nsenter");
    let urls = "http://127.0.0.1:8000/1000000 http://127.0.0.1:8000/5";
    agree(
        &with_web(),
        &format!("curl -s {urls} >out; curl -s http://127.0.0.1:8001/; curl -s 'http://[::1]:8000/'; true"),
    );
}

#[test]
fn wget_downloads() {
    needs!("strace", "wget", "python3", "ip", "nsenter");
    agree(
        &with_web(),
        "wget -q -O out http://localhost:8000/70000; wget -q -t 1 -O out http://127.0.0.1:8002/; true",
    );
}

#[test]
fn python_serves_and_asks() {
    needs!("strace", "python3", "ip", "nsenter");
    let script = "import socket, threading, os\ns = socket.create_server(('127.0.0.1', 9000))\ndef serve():\n for i in range(4):\n  \
                  c, _ = s.accept()\n  c.sendall(c.recv(100, socket.MSG_WAITALL) * (i + 1))\n  c.close()\n\
                  t = threading.Thread(target=serve)\nt.start()\nfor i in range(3):\n c = socket.create_connection(('127.0.0.1', 9000))\n \
                  c.sendall(b'x' * 100)\n while c.recv(4096): pass\n c.close()\n\
                  if os.fork() == 0:\n c = socket.create_connection(('127.0.0.1', 9000))\n c.sendall(b'x' * 100)\n while c.recv(4096): pass\n os._exit(0)\n\
                  os.wait()\nt.join()\nu = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nu.bind(('127.0.0.1', 9001))\n\
                  v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nv.connect(('127.0.0.1', 9001))\n\
                  for i in range(50):\n v.send(b'x' * i * 100)\n m, a = u.recvfrom(9000)\n u.sendto(m[:7], a)\n v.recv(10)\n";
    let place = Namespace::new();
    let executable = "$(python3 -c 'import sys; print(sys.executable)')";
    agree(&place, &format!("cat >p.py <<'EOF'\n{script}EOF\n{executable} p.py"));
}

#[test]
fn nc_talks_to_nc() {
    needs!("strace", "nc", "ip", "nsenter");
    let script = "nc -N -l 127.0.0.1 9000 >received </dev/null & sleep 1; head -c 200000 /dev/zero | nc -N 127.0.0.1 9000; wait; \
                  nc -z 127.0.0.1 9001; nc -u -w 1 127.0.0.1 9002 </dev/null; true";
    agree(&Namespace::new(), script);
}

#[test]
fn socat_relays() {
    needs!("strace", "socat", "ip", "nsenter");
    let script = "socat TCP-LISTEN:9000,bind=127.0.0.1,reuseaddr,fork SYSTEM:'wc -c' & a=$!; sleep 1; \
                  for i in 1 2 3; do head -c 5000$i /dev/zero | socat - TCP:127.0.0.1:9000,shut-down; done; \
                  echo x | socat - UDP:127.0.0.1:9001; socat -u /dev/null TCP6:[::1]:9002; kill $a; wait; true";
    agree(&Namespace::new(), script);
}

#[test]
fn openssl_fetches() {
    needs!("strace", "openssl", "ip", "nsenter");
    let mut place = Namespace::new();
    place.serve_tls();
    agree(
        &place,
        "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | openssl s_client -connect 127.0.0.1:4433 -servername a.example -quiet >out; true",
    );
}

#[test]
fn ssh_is_turned_away() {
    needs!("strace", "ssh", "sshd", "ssh-keygen", "ip", "nsenter");
    let mut place = Namespace::new();
    place.serve_ssh();
    agree(&place, &format!("{SSH} -p 2222 nobody@127.0.0.1 true; {SSH} -p 2223 nobody@127.0.0.1 true; true"));
}

#[test]
fn dig_asks() {
    needs!("strace", "dig", "dnsmasq", "ip", "nsenter");
    let mut place = Namespace::new();
    place.serve_names(&["--address=/example/127.0.0.10"]);
    agree(&place, "dig +tries=1 a.example; dig +tcp +tries=1 b.example; getent ahosts c.example; true");
}

#[test]
fn perl_asks() {
    needs!("strace", "perl", "python3", "ip", "nsenter");
    let script = "use Socket; for my $port (8000, 8001) { socket(my $s, PF_INET, SOCK_STREAM, 0); \
                  if (connect($s, sockaddr_in($port, inet_aton(\"127.0.0.1\")))) { syswrite($s, \"GET /3000 HTTP/1.0\\r\\n\\r\\n\"); \
                  while (sysread($s, my $b, 1000)) {} } close($s); }";
    agree(&with_web(), &format!("perl -e '{script}'"));
}

#[test]
fn node_fetches() {
    needs!("strace", "node", "python3", "ip", "nsenter");
    let script = "const http = require('http'); http.get('http://127.0.0.1:8000/200000', r => r.resume()); \
                  http.get('http://127.0.0.1:8001/', r => r.resume()).on('error', () => {});";
    agree(&with_web(), &format!("node -e \"{script}\""));
}

#[test]
fn git_clones_over_http() {
    needs!("strace", "git", "python3", "ip", "nsenter");
    let folder = crate::support::watch::public_folder();
    let path = folder.path().to_str().unwrap();
    let mut place = Namespace::new();
    place.run(&format!(
        "cd {path}; git init -q origin; cd origin; seq 1 5000 >numbers; git add .; \
         git -c user.name=a -c user.email=a@b commit -q -m one; git update-server-info"
    ));
    place.serve(
        &["python3", "-m", "http.server", "--directory", path, "--bind", "127.0.0.1", "8000"],
        "tcp",
        8000,
    );
    agree(&place, "git clone -q http://127.0.0.1:8000/origin/.git copy; true");
}
