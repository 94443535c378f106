//! Sockets that lead to no network: unix, netlink, packet, vsock and others.

use serde_json::Value;

use crate::support::privilege::needs;
use crate::support::watch::{Watch, public_folder};
use crate::support::{Namespace, Receipt, calls, calls_32, real, watch};

#[test]
fn a_path_and_its_peer() {
    needs!();
    let outside = public_folder();
    let path = real(outside.path()).join("server.sock").display().to_string();
    let sequences = [
        format!("l=socket AF_UNIX SOCK_STREAM 0 ; bind l {path} ; listen l 5"),
        format!(
            "start c=socket AF_UNIX SOCK_STREAM 0 ; connect c {path} ; send c abc ; recvfrom c 10 ; close c"
        ),
        "a=accept4 l ; recvfrom a 10 ; send a de ; close a ; wait".to_owned(),
    ];
    let run = calls(&sequences).run();
    let receipt = run.complete(0);
    let (root, child) = (receipt.root(), receipt.children(receipt.root())[0]);
    let sockets = receipt.unix_named(&path);
    let with = |operation: &str| sockets.iter().find(|one| one.operation(operation) > 0).copied();
    let listener = with("listen").unwrap_or_else(|| panic!("{sockets:#?}"));
    assert_eq!((listener.process(), listener.operation("bind")), (root.id(), 1), "{listener:?}");
    let client = with("connect").unwrap_or_else(|| panic!("{sockets:#?}"));
    assert_eq!((client.process(), client.peer_process()), (child.id(), Some(root.id())), "{client:?}");
    assert_eq!((client.0["name_is"].as_str(), listener.0["name_is"].as_str()), (Some("peer"), Some("own")));
    let every = receipt.unix_sockets();
    let accepted = every.iter().find(|one| one.0["origin"] == "accepted");
    let accepted = accepted.unwrap_or_else(|| panic!("{every:#?}"));
    assert_eq!((accepted.process(), accepted.0["listener"].as_u64()), (root.id(), listener.0["id"].as_u64()));
    assert_eq!(client.0["path"], path.as_str(), "{client:?}");
}

#[test]
fn abstract_names_and_pairs() {
    needs!();
    let receipt = calls(&[
        "l=socket AF_UNIX SOCK_SEQPACKET 0 ; bind l @glasshouse%00test ; listen l 5",
        "c=socket AF_UNIX SOCK_SEQPACKET 0 ; connect c @glasshouse%00test ; a=accept4 l ; send c abc ; recvfrom a 10",
        "socketpair SOCK_DGRAM x y ; send x abc ; recvfrom y 10",
        "d=socket AF_UNIX SOCK_DGRAM 0 ; bind d unnamed",
    ])
    .run()
    .complete(0);
    let sockets = receipt.unix_sockets();
    let named: Vec<_> = sockets.iter().filter(|one| one.name().starts_with("@glasshouse")).collect();
    assert!(named.iter().any(|one| one.operation("listen") == 1), "{sockets:#?}");
    assert!(named.iter().any(|one| one.operation("connect") == 1), "{sockets:#?}");
    assert!(named.iter().all(|one| one.0["socket_type"] == "seqpacket"), "{named:#?}");
    assert!(sockets.iter().any(|one| one.operation("pair") > 0), "{sockets:#?}");
    let automatic = sockets.iter().find(|one| one.0["socket_type"] == "dgram" && one.operation("bind") == 1);
    assert!(
        automatic.is_some_and(|one| one.name().starts_with('@')),
        "it got a name by itself: {sockets:#?}"
    );
}

/// The socket of a service with which a command could do anything, by whichever name it is reached.
#[test]
fn the_socket_of_a_service() {
    needs!("python3", "nsenter", "ip");
    let mut place = Namespace::new();
    place.run("mount -t tmpfs none /run; mkdir /run/elsewhere; ln -s /run/docker.sock /run/elsewhere/link");
    let serve = "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('/run/docker.sock')\ns.listen()\n\
                 t = socket.create_server(('127.0.0.1', 1))\nwhile True: s.accept()[0].close()";
    place.serve(&["python3", "-c", serve], "tcp", 1);
    let receipt = calls(&[
        "a=socket AF_UNIX SOCK_STREAM 0 ; connect a /run/docker.sock ; close a",
        "b=socket AF_UNIX SOCK_STREAM 0 ; connect b /run/elsewhere/link ; close b",
        "c=socket AF_UNIX SOCK_STREAM 0 ; fails ENOENT connect c /run/missing.sock",
        "c=socket AF_UNIX SOCK_DGRAM 0 ; fails EPROTOTYPE connect c /run/docker.sock",
    ])
    .within(&place)
    .run()
    .complete(0);
    let sockets = receipt.unix_sockets();
    let there: Vec<_> = sockets.iter().filter(|one| one.0["path"] == "/run/docker.sock").collect();
    let connects: u64 = there.iter().map(|one| one.operation("connect")).sum();
    assert_eq!(connects, 2, "by its own name and by a link: {sockets:#?}");
    assert!(there.iter().all(|one| one.0["peer_pid"].as_u64().is_some_and(|pid| pid > 1)), "{there:#?}");
    assert!(there.iter().all(|one| one.peer_process().is_none()), "it is not observed: {there:#?}");
    assert_eq!(
        sockets.len(),
        there.len(),
        "of those that nothing became of there is nothing to tell: {sockets:#?}"
    );
    assert_eq!(receipt.failed_socket("connect ENOENT /run/missing.sock"), 1);
    assert_eq!(receipt.failed_socket("connect EPROTOTYPE /run/docker.sock"), 1);
}

/// Datagrams that are sent to names, without being connected to them: by every call that sends.
fn datagrams_by_name(calls: impl Fn(&[String]) -> Watch, old: &str) {
    let outside = public_folder();
    let there = real(outside.path()).join("there.sock").display().to_string();
    let watched = calls(
        &[
            &format!("l=socket AF_UNIX SOCK_DGRAM 0 ; bind l ./docker.sock ; m=socket AF_UNIX SOCK_DGRAM 0 ; bind m {there}"),
            "n=socket AF_UNIX SOCK_DGRAM 0 ; bind n @glasshouse%00sent",
            "d=socket AF_UNIX SOCK_DGRAM 0 ; bind d ./dead ; close d ; s=socket AF_UNIX SOCK_STREAM 0 ; bind s ./stream",
            "c=socket AF_UNIX SOCK_DGRAM 0",
            "3x OLD sendto c 7 0 ./docker.sock",
            &format!("OLD sendmsg c {there} 10,20 0 ; OLD sendmmsg c @glasshouse%00sent,{there} 1,2,3 0"),
            "f=socket AF_UNIX SOCK_DGRAM 0 ; fails ENOENT OLD sendto f 1 0 ./missing",
            "fails ECONNREFUSED OLD sendmsg f ./dead 1 0 ; fails EPROTOTYPE OLD sendmmsg f ./stream 1,1 0",
            "fails ENOTCONN OLD sendmmsg f null 1 0",
        ]
        .map(|sequence| sequence.replace("OLD ", old)),
    );
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    let path = |name: &str| folder.join(name).display().to_string();
    let sockets = receipt.unix_sockets();
    let sent: Vec<_> = sockets.iter().filter(|one| one.operation("send") > 0).collect();
    let told: Vec<_> = sent.iter().map(|one| (one.name(), one.0["path"].as_str())).collect();
    let expected = [
        ("./docker.sock".to_owned(), Some(path("docker.sock"))),
        (there.clone(), Some(there)),
        ("@glasshouse\0sent".to_owned(), None),
    ];
    assert_eq!(told, expected.each_ref().map(|(name, path)| (name.clone(), path.as_deref())), "{sockets:#?}");
    for one in &sent {
        assert_eq!(
            (&one.0["name_is"], &one.0["name_source"]),
            (&"peer".into(), &"argument".into()),
            "{one:?}"
        );
        assert_eq!((one.process(), one.operation("send")), (receipt.root().id(), 1), "told once: {one:?}");
    }
    assert_eq!(sent[0].0["path_source"], "argument");
    let bytes: Vec<_> = sent.iter().map(|one| one.0["bytes_sent"].as_u64()).collect();
    assert_eq!(bytes, [Some(57), Some(0), Some(0)], "of the socket, with its first name");
    assert_eq!(
        sockets.len(),
        3 + 5,
        "of those that nothing became of there is nothing to tell: {sockets:#?}"
    );
    assert!(sockets.iter().all(|one| one.operation("send") > 0 || one.0.get("name_source").is_none()));
    for failed in ["ENOENT ./missing", "ECONNREFUSED ./dead", "EPROTOTYPE ./stream", "ENOTCONN"] {
        assert_eq!(receipt.failed_socket(&format!("send {failed}")), 1, "{:#?}", receipt.failed_sockets());
    }
    receipt.expect_finding("container_daemon", "high");
}

#[test]
fn datagrams_to_names() {
    needs!();
    datagrams_by_name(calls, "");
}

#[test]
fn datagrams_to_names_of_a_32_bit_program() {
    needs!("gcc");
    for old in ["", "old "] {
        datagrams_by_name(calls_32, old);
    }
}

/// A destination is told once, however often something is sent there, and many are.
#[test]
fn many_datagrams_to_many_names() {
    needs!("python3");
    let script = "
import socket
there = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(200)]
for number, one in enumerate(there): one.bind('\\0glasshouse %d' % number)
c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for _ in range(50):
    for number, one in enumerate(there): c.sendto(b'abc', '\\0glasshouse %d' % number); one.recv(3)
";
    let receipt = watch(["python3", "-c", script]).run().complete(0);
    let sockets = receipt.unix_sockets();
    let sent: Vec<_> = sockets.iter().filter(|one| one.operation("send") > 0).collect();
    assert_eq!(sent.len(), 200);
    assert!(sent.iter().all(|one| one.operation("send") == 1 && one.0["name_is"] == "peer"), "{sent:#?}");
    assert_eq!(sent[0].0["bytes_sent"], 50 * 200 * 3);
}

/// A service that has no room for one more.
#[test]
fn a_full_backlog() {
    needs!();
    let receipt = calls(&[
        "l=socket AF_UNIX SOCK_STREAM 0 ; bind l ./full ; listen l 0 ; a=socket AF_UNIX SOCK_STREAM 0 ; connect a ./full",
        "b=socket AF_UNIX SOCK_STREAM|SOCK_NONBLOCK 0",
        "3x fails EAGAIN connect b ./full",
        "fails EAGAIN recvfrom a 1 MSG_DONTWAIT",
    ])
    .run()
    .complete(0);
    assert_eq!(receipt.failed_socket("connect EAGAIN ./full"), 3, "{:#?}", receipt.failed_sockets());
    assert_eq!(receipt.failed_sockets().len(), 1, "{:#?}", receipt.failed_sockets());
}

/// The only other socket of this family and protocol.
#[track_caller]
fn other<'a>(receipt: &'a Receipt, family: &str, protocol: Option<u64>) -> &'a Value {
    let all = receipt.other_sockets();
    let ours =
        |one: &&&Value| one["family"] == family && protocol.is_none_or(|number| one["protocol"] == number);
    let found: Vec<_> = all.iter().filter(ours).collect();
    assert_eq!(found.len(), 1, "{family}; there are {all:#?}");
    found[0]
}

#[test]
fn netlink_and_packet() {
    needs!();
    // RTM_GETLINK for all, 20 bytes.
    let dump = "%14%00%00%00%12%00%01%03%01%00%00%00%00%00%00%00%11%00%00%00";
    let receipt = calls(&[
        "n=socket AF_NETLINK SOCK_RAW NETLINK_ROUTE ; bind n netlink:0:0",
        &format!("send_to n {dump} 0 netlink:0:0 ; recvfrom n 60000"),
        "2x g=socket AF_NETLINK SOCK_RAW NETLINK_GENERIC ; close g",
        "needs q=socket AF_PACKET SOCK_RAW 768",
        "fails EPROTONOSUPPORT socket AF_NETLINK SOCK_RAW 99",
    ])
    .run()
    .complete(0);
    let route = other(&receipt, "netlink", Some(0));
    assert_eq!(
        (route["protocol_name"].as_str(), route["count"].as_u64()),
        (Some("route"), Some(1)),
        "{route}"
    );
    assert_eq!(route["process"].as_u64(), Some(receipt.root().id()));
    let generic = other(&receipt, "netlink", Some(16));
    assert_eq!((generic["protocol_name"].as_str(), generic["count"].as_u64()), (Some("generic"), Some(2)));
    assert_eq!(other(&receipt, "packet", None)["socket_type"], "raw");
    assert_eq!(receipt.failed_socket("socket EPROTONOSUPPORT"), 1, "{:#?}", receipt.failed_sockets());
}

/// A family that this kernel lacks is an attempt that failed, by its name all the same.
#[test]
fn families_that_a_kernel_may_lack() {
    needs!();
    for (step, family) in [
        ("socket AF_VSOCK SOCK_STREAM 0", "vsock"),
        ("socket AF_ALG SOCK_SEQPACKET 0", "alg"),
        ("socket AF_BLUETOOTH SOCK_RAW 1", "bluetooth"),
        ("socket 9 SOCK_DGRAM 0", "af_9"),
    ] {
        let receipt = calls(&[&format!("try v={step}")]).run().complete(0);
        let made = receipt.other_sockets().iter().filter(|one| one["family"] == family).count();
        let failed: Vec<_> = receipt.failed_sockets();
        let tried =
            failed.iter().filter(|one| one.operation() == "socket" && one.0["family"] == family).count();
        assert_eq!(made + tried, 1, "{family}: {:#?} {failed:#?}", receipt.other_sockets());
    }
}
