//! What the first bytes of a connection say: TLS, HTTP, SSH, SMTP.

use crate::support::namespaces::SSH;
use crate::support::network::Connection;
use crate::support::privilege::needs;
use crate::support::wire::{JA4, client_hello, percent};
use crate::support::{Namespace, Receipt, calls, watch};

const LISTEN: &str = "l=socket AF_INET SOCK_STREAM 0 ; bind l 127.0.0.1:0 ; listen l 5 ; p=port l ; print p ; \
                      c=socket AF_INET SOCK_STREAM 0 ; setsockopt c IPPROTO_TCP TCP_NODELAY 1 ; connect c 127.0.0.1:p ; \
                      a=accept4 l";

/// One connection through which these pieces go, each in a packet of its own; those that begin with `<` come back.
fn exchange(pieces: &[&[u8]]) -> (Receipt, String) {
    let mut steps = vec![LISTEN.to_owned()];
    for piece in pieces {
        let (from, to, bytes) = match piece.strip_prefix(b"<") {
            Some(rest) => ("a", "c", rest),
            None => ("c", "a", *piece),
        };
        steps.push(format!("send {from} {} ; receive_all {to} {}", percent(bytes), bytes.len()));
    }
    steps.push("close c ; recvfrom a 1 ; close a".to_owned());
    let run = calls(&steps).run();
    let receipt = run.complete(0);
    (receipt, run.address("127.0.0.1"))
}

#[track_caller]
fn expect_hello(connection: Connection<'_>) {
    let tls = &connection.0["tls"];
    assert_eq!(tls["sni"], "secret.example.org", "{connection:?}");
    assert_eq!(tls["alpn"], serde_json::json!(["h2", "http/1.1"]), "{connection:?}");
    assert_eq!(tls["versions"], serde_json::json!(["TLS 1.3", "TLS 1.2"]), "{connection:?}");
    assert_eq!(tls["ja4"], JA4, "{connection:?}");
}

#[test]
fn a_client_hello_in_one_packet() {
    needs!();
    let (receipt, there) = exchange(&[&client_hello("secret.example.org", &["h2", "http/1.1"])]);
    let client = receipt.outbound(&there);
    expect_hello(client);
    assert_eq!(client.hostname(), "secret.example.org sni");
    expect_hello(receipt.inbound(&there));
}

#[test]
fn a_client_hello_in_several_packets() {
    needs!();
    let hello = client_hello("secret.example.org", &["h2", "http/1.1"]);
    for pieces in [
        vec![&hello[..1], &hello[1..]],
        vec![&hello[..5], &hello[5..100], &hello[100..]],
        hello.chunks(hello.len() / 7).collect(),
    ] {
        let (receipt, there) = exchange(&pieces);
        expect_hello(receipt.outbound(&there));
    }
}

#[test]
fn an_http_request() {
    needs!();
    let request = b"POST /path?query=1 HTTP/1.1\r\nAccept: */*\r\nhost: web.example.org:8080\r\n\r\nbody";
    for pieces in [vec![&request[..]], vec![&request[..3], &request[3..40], &request[40..]]] {
        let (receipt, there) = exchange(&pieces);
        let client = receipt.outbound(&there);
        let http = &client.0["http"];
        assert_eq!(http["method"], "POST", "{client:?}");
        assert_eq!(http["target"], "/path?query=1", "{client:?}");
        assert!(http["host"].as_str().is_some_and(|host| host.starts_with("web.example.org")), "{client:?}");
        assert!(http["version"].as_str().is_some_and(|version| version.ends_with("1.1")), "{client:?}");
        assert_eq!(client.hostname(), "web.example.org http");
    }
}

#[test]
fn banners() {
    needs!();
    let (receipt, there) = exchange(&[b"<SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", b"SSH-2.0-client_1.0\r\n"]);
    let ssh = &receipt.outbound(&there).0["ssh"];
    assert!(ssh["server"].as_str().is_some_and(|text| text.contains("OpenSSH_9.2p1 Debian-2")), "{ssh}");
    assert!(ssh["client"].as_str().is_some_and(|text| text.contains("client_1.0")), "{ssh}");
    for greeting in [&b"EHLO client.example.net\r\n"[..], b"ehlo client.example.net\r\n"] {
        let (receipt, there) =
            exchange(&[b"<220 mail.example.org ESMTP ready\r\n", greeting, b"<250 ok\r\n"]);
        let smtp = &receipt.outbound(&there).0["smtp"];
        assert!(
            smtp["greeting"].as_str().is_some_and(|text| text.contains("mail.example.org ESMTP")),
            "{smtp}"
        );
        assert!(smtp["helo"].as_str().is_some_and(|text| text.contains("client.example.net")), "{smtp}");
    }
}

/// What is none of these says nothing, and neither does what comes later.
#[test]
fn other_payloads() {
    needs!();
    let late = [&[0xffu8; 5000][..], &client_hello("late.example", &["h2"])].concat();
    for payload in [&b"GETTING somewhere\r\n"[..], &[0u8; 600], b"\x16\x03", &late] {
        let (receipt, there) = exchange(&[payload]);
        let client = receipt.outbound(&there);
        assert_eq!(client.hostname(), "none", "{client:?}");
        for name in ["tls", "http", "ssh", "smtp"] {
            assert!(client.0[name].is_null(), "{client:?}");
        }
    }
}

#[test]
fn openssl_talks_to_openssl() {
    needs!("openssl", "ip", "nsenter");
    let mut place = Namespace::new();
    place.serve_tls();
    let script = "echo | openssl s_client -connect 127.0.0.1:4433 -servername one.example.org -alpn h2,http/1.1 >&2; \
                  echo | openssl s_client -connect 127.0.0.1:4433 -servername two.example.org -tls1_2 >&2; true";
    let receipt = watch(["sh", "-c", script]).within(&place).run().complete(0);
    let by = |name: &str| receipt.one(name, |one| one.hostname() == format!("{name} sni"));
    let (one, two) = (by("one.example.org"), by("two.example.org"));
    assert_eq!(one.0["tls"]["alpn"], serde_json::json!(["h2", "http/1.1"]));
    assert_eq!(one.0["tls"]["versions"][0], "TLS 1.3");
    assert_eq!(two.0["tls"]["versions"], serde_json::json!(["TLS 1.2"]));
    assert!(one.0["tls"]["ja4"].as_str().unwrap().starts_with("t13d"), "{one:?}");
    assert!(two.0["tls"]["ja4"].as_str().unwrap().starts_with("t12d"), "{two:?}");
}

#[test]
fn ssh_talks_to_sshd() {
    needs!("ssh", "sshd", "ssh-keygen", "ip", "nsenter");
    let mut place = Namespace::new();
    place.serve_ssh();
    let script = format!("{SSH} -p 2222 nobody@127.0.0.1 true; true");
    let receipt = watch(["sh", "-c", &script]).within(&place).run().complete(0);
    let connection = receipt.one("ssh", |one| one.remote() == "127.0.0.1:2222");
    for side in ["client", "server"] {
        let banner = connection.0["ssh"][side].as_str();
        assert!(banner.is_some_and(|text| text.contains("OpenSSH")), "{side}: {connection:?}");
    }
}
