//! Where no cgroup can be had, system calls alone tell of the network, and the receipt says what is missing.

use crate::support::privilege::needs;
use crate::support::{calls, fact};

const NO_CGROUP: &str =
    "for m in $(awk '/ - cgroup2 /{print $5}' /proc/self/mountinfo); do umount -l $m; done";

#[test]
fn calls_tell_of_connections() {
    needs!("unshare", "umount");
    let run = calls(&[
        "l=socket AF_INET SOCK_STREAM 0 ; bind l 127.0.0.1:0 ; listen l 5 ; p=port l ; print p",
        "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; a=accept4 l ; send_all c 5000 700 ; receive_all a 5000 ; \
         send a abc ; recvfrom c 3 ; close c ; recvfrom a 1 ; close a",
        "r=socket AF_INET SOCK_STREAM 0 ; fails ECONNREFUSED connect r 127.0.0.1:1",
        "u=socket AF_INET SOCK_DGRAM 0 ; sendto u 77 0 127.0.0.1:9 ; sendmsg u 127.0.0.1:10 10,20 0",
        "m=socket AF_INET SOCK_DGRAM 0 ; bind m 127.0.0.1:0 ; o=port m ; print o",
        "d=socket AF_INET SOCK_DGRAM 0 ; connect d 127.0.0.1:o ; q=port d ; print q ; send d abc ; connect d unspec",
        "h=socket AF_INET SOCK_DGRAM 0 ; bind h 127.0.0.1:q ; sendto d 5 0 127.0.0.1:o ; r=port d ; print r",
    ])
    .under(["unshare", "--mount"])
    .after(NO_CGROUP)
    .run();
    run.expect_code(0);
    let receipt = run.receipt();
    assert!(receipt.reasons().iter().any(|code| code.contains("cgroup")), "{:?}", receipt.reasons());
    let reasons = receipt.at("/observation/reasons").to_string();
    assert!(reasons.contains("network") || reasons.contains("packets"), "what is lost: {reasons}");
    let there = run.address("127.0.0.1");
    let (client, server) = (receipt.outbound(&there), receipt.inbound(&there));
    assert_eq!((client.result(), server.result()), ("established", "established"));
    assert_eq!((client.bytes(), server.bytes()), ((5000, 3), (3, 5000)));
    assert_eq!(client.process(), Some(receipt.root().id()));
    assert_eq!(receipt.attempt("127.0.0.1:1"), ("refused".into(), "ECONNREFUSED".into()));
    for (remote, bytes) in [("127.0.0.1:9", 77), ("127.0.0.1:10", 30)] {
        let one = receipt.one(remote, |one| one.remote() == remote);
        assert_eq!(one.bytes_sent(), bytes, "{one:?}");
        assert!(one.0["packets_sent"].is_null(), "nobody counts them: {one:?}");
    }
    for (port, bytes) in [("q", 3), ("r", 5)] {
        let own = format!(":{}", fact(&run.stdout, port));
        let there = format!("127.0.0.1:{}", fact(&run.stdout, "o"));
        let one = receipt.one(&own, |one| one.remote() == there && one.local().ends_with(&own));
        assert_eq!(one.bytes_sent(), bytes, "{one:?}");
    }
    assert_eq!(receipt.listener(&there).accepted(), 1);
}
