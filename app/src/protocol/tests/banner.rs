use super::{
    super::{
        Progress,
        banner::{smtp_greeting, smtp_helo, ssh},
    },
    grows_consistently, samples,
};

#[track_caller]
fn check(stream: &[u8], look: impl Fn(&[u8]) -> Progress<Vec<u8>>, expected: Option<&[u8]>) {
    assert_eq!(look(stream), expected.map_or(Progress::No, |text| Progress::Found(text.to_vec())));
    grows_consistently(stream, look);
}

#[test]
fn ssh_identifications() {
    let client = |stream: &[u8]| ssh(stream, false);
    let server = |stream: &[u8]| ssh(stream, true);
    let real = samples::bytes(samples::SSH);
    assert!(real.starts_with(b"SSH-2.0-OpenSSH_"));
    check(&real, client, Some(&real[..real.len() - 2]));
    check(b"SSH-1.99-old\n\0\0\0\x0c", client, Some(b"SSH-1.99-old"));
    check(b"Authorized use only.\r\n\r\nSSH-2.0-x a comment\r\n", server, Some(b"SSH-2.0-x a comment"));
    check(b"Authorized use only.\r\nSSH-2.0-x\r\n", client, None);
    check(b"SSH-2.0-\x1b[2J\r\n", client, None);
    check(b"SSH-\r\n", client, None);
    check(b"SSH-x\r\n", client, None);
    check(&[&b"SSH-2.0-"[..], &[b'x'; 260]].concat(), client, None);
    check(&b"many lines\n".repeat(100), server, None);
    check(b"\x16\x03\x01", server, None);
    assert_eq!(ssh(b"SSH-2.0-half", true), Progress::NeedsMore);
}

#[test]
fn smtp_lines() {
    check(&samples::bytes(samples::SMTP_CLIENT), smtp_helo, Some(b"client.example"));
    check(b"helo  [192.0.2.1] \n", smtp_helo, Some(b"[192.0.2.1]"));
    check(b"EHLO \r\n", smtp_helo, None);
    check(b"EHLO\r\n", smtp_helo, None);
    check(b"EHLO a\0b\r\n", smtp_helo, None);
    check(b"220 mail.example ESMTP ready\r\n", smtp_greeting, Some(b"mail.example ESMTP ready"));
    check(b"220-mail.example ESMTP\r\n220 ready\r\n", smtp_greeting, Some(b"mail.example ESMTP"));
    check(b"554 no\r\n", smtp_greeting, None);
    check(&[&b"220 "[..], &[b'x'; 600]].concat(), smtp_greeting, None);
    assert_eq!(smtp_greeting(b"22"), Progress::NeedsMore);
    assert_eq!(smtp_greeting(b""), Progress::NeedsMore);
}
