#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;
use crate::{
    event::{Observed, marks},
    session::samples::*,
};

fn disclosure(patterns: &[&str], env_values: bool) -> Disclosure {
    let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    Disclosure::new(env_values, Some(Redactor::new(&patterns).unwrap()))
}

fn environment(disclosure: &mut Disclosure, string: &str) -> String {
    String::from_utf8(disclosure.removal.environment(&[string.into()]).remove(0)).unwrap()
}

/// Whether a text is anywhere in events.
fn has(events: &[Event], text: &str) -> bool {
    let bytes = format!("{:?}", text.as_bytes());
    format!("{events:?}").contains(bytes.trim_matches(['[', ']']))
}

#[test]
fn a_value_is_hashed_unless_values_are_kept() {
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let mut hashing = Disclosure::default();
    assert_eq!(environment(&mut hashing, "TOKEN=abc"), format!("TOKEN=\0sha256:{ABC}"));
    assert_eq!(environment(&mut hashing, "no equals sign"), "no equals sign");
    let mut keeping = Disclosure::new(true, None);
    assert_eq!(environment(&mut keeping, "TOKEN=abc"), "TOKEN=abc");
    let mut removing = disclosure(&["abc"], false);
    assert_eq!(environment(&mut removing, "TOKEN=1abc"), "TOKEN=\0sha256:\0[redacted#1]");
    assert_eq!(environment(&mut removing, "an abc"), "an \0[redacted#2]");
    let mut removing = disclosure(&["abc"], true);
    assert_eq!(environment(&mut removing, "TOKEN=1abc"), "TOKEN=1\0[redacted#1]");
}

#[test]
fn an_environment_that_is_shared_stays_shared() {
    let mut disclosure = Disclosure::default();
    let one = event(1, key(1, 1), EventKind::Exec(Box::new(exec("cc", key(1, 1), 0))));
    let out = disclosure.pass_all([one.clone(), one]);
    let environment = |event: &Event| match &event.kind {
        EventKind::Exec(exec) => exec.environment.value().cloned().unwrap(),
        other => panic!("{other:?}"),
    };
    assert!(Arc::ptr_eq(&environment(&out[0]), &environment(&out[1])));
    assert!(has(&out, "TOKEN=") && !has(&out, "TOKEN=abc"));
}

/// Parts that were the same can be told from others, and a path keeps its slashes, so that names are followed as before.
#[test]
fn a_path_is_removed_component_by_component() {
    let mut disclosure = disclosure(&["a/s3cret", "s3cret-."], false);
    let first = disclosure.path(b"/srv/a/s3cret/x");
    assert_eq!(first, b"/srv/\0[redacted#1]/\0[redacted#2]/x");
    assert_eq!(disclosure.path(b"/srv/s3cret-1"), b"/srv/\0[redacted#3]");
    assert_eq!(disclosure.path(b"/srv/s3cret-2"), b"/srv/\0[redacted#4]");
    assert_eq!(disclosure.path(b"/srv/s3cret-1"), b"/srv/\0[redacted#3]");
    assert_eq!(&*disclosure.original(&first.into()).unwrap(), b"/srv/a/s3cret/x");
    assert_eq!(&*disclosure.original(&b"/srv/x"[..].into()).unwrap(), b"/srv/x");
}

#[test]
fn what_looks_like_a_mark_is_removed() {
    let mut disclosure = disclosure(&["s3cret"], false);
    let forged = unix_socket(1, crate::event::SocketOperation::Bind, Some(b"\0[redacted#7]"));
    let out = disclosure.pass_all([event(1, key(1, 1), unix(forged))]);
    let EventKind::UnixSocket(unix) = &out[0].kind else { panic!("{out:?}") };
    assert_eq!(unix.name.as_deref(), Some(b"\0[redacted#1]".as_slice()));
}

/// A request as it is sent: what it asks for is let through, and nothing else of it.
#[test]
fn payloads_go_no_further() {
    let to = tcp(1, 1, "10.0.0.2", 30);
    let request =
        b"POST /login?s3cret=1 HTTP/1.1\r\nHost: s3cret.example\r\nCookie: id=hunter2\r\n\r\nuser=me";
    for (mut disclosure, hidden) in
        [(Disclosure::default(), "hunter2"), (disclosure(&["s3cret"], false), "s3cret")]
    {
        let events =
            [flow(to.clone()), payload(&to, true, 5, request)].map(|kind| event(30, key(1, 1), kind));
        let out = disclosure.pass_all(events);
        let EventKind::Said(said) = &out[1].kind else { panic!("{out:?}") };
        let http = said.http.as_ref().unwrap();
        let target = http.target.as_ref().and_then(Observed::value).unwrap();
        assert!(marks::shown(target).ends_with(b"=1"));
        assert!(has(&out, "POST") && !has(&out, hidden) && !has(&out, "user=me"), "{out:?}");
    }
}

proptest! {
    #[test]
    fn nothing_that_matches_is_left_in_any_event(run in runs()) {
        let mut disclosure = disclosure(&["srv", "TOKEN", "/bin/.*", "sh"], true);
        for events in [run.process_ring, run.file_ring, run.network_ring, run.anywhere] {
            let out = disclosure.pass_all(events);
            for pattern in ["srv", "TOKEN=abc", "/bin/"] {
                prop_assert!(!has(&out, pattern), "{pattern}: {out:?}");
            }
        }
    }
}
