use super::{
    super::{
        Progress,
        http::{MAX_TARGET, Request, Version, request, unfinished},
    },
    grows_consistently, samples,
};

/// Method, target, version and host.
fn told(request: &Request) -> (&str, &str, Option<Version>, Option<&str>) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    (&request.method, text(&request.target), request.version, request.host.as_deref().map(text))
}

#[track_caller]
fn check(stream: &[u8], expected: (&str, &str, Option<Version>, Option<&str>)) {
    let found = request(stream).found().unwrap();
    assert_eq!(told(&found), expected);
    grows_consistently(stream, request);
}

#[test]
fn real_clients() {
    let v11 = Some(Version::Http11);
    check(&samples::bytes(samples::HTTP), ("GET", "/index.html?q=1", v11, Some("www.example.com")));
    check(&samples::bytes(samples::HTTP_PROXY), ("GET", "http://example.net/path", v11, Some("example.net")));
    check(
        &samples::bytes(samples::HTTP_CONNECT),
        ("CONNECT", "example.net:443", v11, Some("example.net:443")),
    );
    check(&samples::bytes(samples::HTTP2), ("PRI", "", Some(Version::Http2), None));
}

#[test]
fn hosts() {
    let v11 = Some(Version::Http11);
    check(b"GET / HTTP/1.0\r\n\r\n", ("GET", "/", Some(Version::Http10), None));
    check(b"\r\nPOST /a HTTP/1.1\nhOsT:\t a.example:8080 \n\n", ("POST", "/a", v11, Some("a.example:8080")));
    check(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", ("GET", "/", v11, Some("a")));
    // A field that is broken hides no other.
    check(b"GET / HTTP/1.1\r\nb roken\r\n folded\r\nHost: a\r\n\r\n", ("GET", "/", v11, Some("a")));
    check(b"GET / HTTP/1.1\r\nHost:\r\n\r\n", ("GET", "/", v11, None));
    check(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", ("OPTIONS", "*", v11, Some("a")));
    // The target's host counts, without who asks.
    let stream = b"GET http://user:secret@a.example:80?x=http://b/ HTTP/1.1\r\nHost: c\r\n\r\n";
    check(stream, ("GET", "http://user:secret@a.example:80?x=http://b/", v11, Some("a.example:80")));
    check(b"GET /x?u=http://b/ HTTP/1.1\r\nHost: c\r\n\r\n", ("GET", "/x?u=http://b/", v11, Some("c")));
    let long = [b"GET / HTTP/1.1\r\nHost: ".to_vec(), vec![b'a'; 600], b"\r\n\r\n".to_vec()].concat();
    check(&long, ("GET", "/", v11, None));
}

#[test]
fn what_is_no_request() {
    for stream in [
        &b"\x16\x03\x01"[..],
        b"SSH-2.0-x\r\n",
        b"EHLO x\r\n",
        b"GET / RTSP/1.0\r\n",
        b"GET /\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b" GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nXX",
        b"GET /\x1b[2J HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\r\n\r\n\r\n",
    ] {
        assert_eq!(request(stream), Progress::No, "{}", stream.escape_ascii());
        grows_consistently(stream, request);
    }
    assert_eq!(request(&samples::bytes(samples::GIT)), Progress::No);
    assert_eq!(request(&[b'A'; 33]), Progress::No);
}

#[test]
fn long_targets() {
    let target = [&b"/"[..], &vec![b'a'; MAX_TARGET]].concat();
    let stream = [&b"GET "[..], &target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let found = request(&stream).found().unwrap();
    assert_eq!((found.target.len(), found.target_truncated), (MAX_TARGET, true));
    assert_eq!(found.host.as_deref(), Some(&b"a"[..]));
    // The end was not seen.
    let found = unfinished(&stream[..100]).unwrap();
    assert_eq!((found.target.len(), found.target_truncated, found.version), (96, true, None));
}

#[test]
fn unfinished_requests() {
    let check = |stream: &str, expected: Option<(&str, &str, Option<Version>, Option<&str>)>| {
        assert_eq!(unfinished(stream.as_bytes()).as_ref().map(told), expected, "{stream}");
    };
    let v11 = Some(Version::Http11);
    check("GET / HTTP/1.1\r\nAccept: x\r\nHost: a.exam", Some(("GET", "/", v11, None)));
    check("GET / HTTP/1.1\r\nHost: a\r\nCookie: ", Some(("GET", "/", v11, Some("a"))));
    check("GET http://a.exam", Some(("GET", "http://a.exam", None, None)));
    check("GET http://a.example/", Some(("GET", "http://a.example/", None, Some("a.example"))));
    check("CONNECT a.exam", Some(("CONNECT", "a.exam", None, None)));
    check("CONNECT a:443 HTT", Some(("CONNECT", "a:443", None, Some("a:443"))));
    check("GET /", Some(("GET", "/", None, None)));
    check("FETCH /", None);
    check("GET x", None);
    check("GET", None);
    check("", None);
}
