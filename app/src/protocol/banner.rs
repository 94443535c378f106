//! Lines that protocols begin with: SSH's identification, SMTP's greeting and what the client answers.

use super::{MAX_HOST, Progress};

/// The longest identification line, its end included (RFC 4253, 4.2).
pub const MAX_SSH_LINE: usize = 255;
/// What a server may say before it identifies itself: OpenSSH's own banners come later, so that these are rare and short.
const MAX_SSH_PREAMBLE: usize = 1024;
/// The longest line of a reply, its end included (RFC 5321, 4.5.3.1.5). The same holds for commands.
pub const MAX_SMTP_LINE: usize = 512;

/// The identification of an SSH client or server, without the end of the line. Other lines may come before that of a
/// server.
pub fn ssh(stream: &[u8], from_server: bool) -> Progress<Vec<u8>> {
    const PREFIX: &[u8] = b"SSH-";
    let mut before = 0;
    for line in stream.split_inclusive(|byte| *byte == b'\n') {
        let ended = line.ends_with(b"\n");
        if line.starts_with(PREFIX) {
            let text = trimmed(line);
            // `SSH-2.0-`, and `SSH-1.99-` of those that speak both.
            let fits = line.len() <= MAX_SSH_LINE
                && text.get(PREFIX.len()).is_none_or(u8::is_ascii_digit)
                && text.iter().all(|byte| !byte.is_ascii_control());
            return match (fits, ended) {
                (false, _) => Progress::No,
                (true, false) => Progress::NeedsMore,
                (true, true) if text.len() > PREFIX.len() => Progress::Found(text.to_vec()),
                (true, true) => Progress::No,
            };
        }
        before += line.len();
        let may_become = !ended && PREFIX.starts_with(line);
        if may_become {
            break;
        }
        if !from_server || before > MAX_SSH_PREAMBLE || !is_text(line) {
            return Progress::No;
        }
    }
    Progress::NeedsMore
}

/// The first line of a greeting with the code 220, without the code. FTP greets by the same code.
pub fn smtp_greeting(stream: &[u8]) -> Progress<Vec<u8>> {
    line_after(stream, &[b"220 ", b"220-"])
}

/// The name that a client introduces itself by, with EHLO or HELO, or with LHLO, which LMTP has instead.
pub fn smtp_helo(stream: &[u8]) -> Progress<Vec<u8>> {
    match line_after(stream, &[b"EHLO ", b"HELO ", b"LHLO "]) {
        Progress::Found(name) => {
            let name = name.trim_ascii();
            let fits = !name.is_empty() && name.len() <= MAX_HOST;
            if fits { Progress::Found(name.to_vec()) } else { Progress::No }
        }
        other => other,
    }
}

/// The first line behind how it begins, if it does in one of some ways, whatever the case.
fn line_after(stream: &[u8], prefixes: &[&[u8]]) -> Progress<Vec<u8>> {
    let begins = |prefix: &[u8]| {
        let length = prefix.len().min(stream.len());
        stream.get(..length).zip(prefix.get(..length)).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
    };
    let Some(prefix) = prefixes.iter().find(|prefix| begins(prefix)) else { return Progress::No };
    let end = stream.iter().take(MAX_SMTP_LINE).position(|byte| *byte == b'\n');
    let line = stream.get(..end.unwrap_or(stream.len())).unwrap_or_default();
    if !is_text(line) {
        return Progress::No;
    }
    match (end, trimmed(line).get(prefix.len()..)) {
        (Some(_), Some(text)) => Progress::Found(text.to_vec()),
        (None, _) if stream.len() < MAX_SMTP_LINE => Progress::NeedsMore,
        _ => Progress::No,
    }
}

/// A line without its end.
fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether bytes are text of any encoding that has ASCII's control characters.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| !byte.is_ascii_control() || b"\t\r\n".contains(byte))
}
