//! The way taken where the kernel refuses typed tracepoints: every probe of a tracepoint as `raw_tp`, and the same facts.

use crate::support::privilege::needs;
use crate::support::{Receipt, calls};

/// The names of the probes that are attached in one way.
fn attached_as<'a>(receipt: &'a Receipt, kind: &str) -> Vec<&'a str> {
    let probes = receipt.at("/observation/probes").as_array().unwrap().iter();
    let attached = probes.filter(|probe| probe["attached"] == true && probe["kind"] == kind);
    attached.map(|probe| probe["name"].as_str().unwrap()).collect()
}

/// What two runs of one command have in common, connection by connection. States are none of it: an untyped probe gives a
/// socket no number, and one that was asked for by a peer is found only when it has been accepted.
fn connections(receipt: &Receipt) -> Vec<String> {
    let connections = receipt.connections().into_iter();
    let mut facts: Vec<_> = connections
        .map(|side| {
            let (protocol, direction, origin) = (side.protocol(), side.direction(), side.origin());
            format!("{protocol} {direction} {origin} {} {:?}", side.result(), side.bytes())
        })
        .collect();
    facts.sort_unstable();
    facts
}

#[test]
fn raw_tracepoints_tell_the_same() {
    needs!();
    let run = |environment: &[(&str, &str)]| {
        let run = calls(&[
            "l=socket AF_INET SOCK_STREAM 0 ; bind l 127.0.0.1:0 ; listen l 5 ; p=port l",
            "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; a=accept4 l ; send c hello",
            "receive_all a 5 ; close c ; receive_all a -1 ; close a",
        ]);
        environment.iter().fold(run, |run, (name, value)| run.env(*name, *value)).run().complete(0)
    };
    let (typed, raw) = (run(&[]), run(&[("GLASSHOUSE_RAW_TP", "1")]));
    assert_eq!(attached_as(&typed, "tp_btf"), ["sock_state_change", "sock_state", "sock_state_again"]);
    assert_eq!(attached_as(&raw, "tp_btf"), [""; 0]);
    assert!(attached_as(&raw, "raw_tp").contains(&"sock_state"));
    let told = connections(&typed);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told, connections(&raw));
}
