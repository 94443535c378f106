//! What takes the place of what may not be known, in every text of an event.

use std::{mem::take, ops::Range, sync::Arc};

use sha2::{Digest as _, Sha256};

use super::redact::{Matches, Redactor};
use crate::{
    event::{
        ChangeTarget, DnsRecordValue, EventKind, Exec, ExecutedFile, FileChanged, Observed, ResolvedPath,
        Said, SocketAddress,
        marks::{self, HASHED, Part},
    },
    hex::hex_digits,
    maps::HashMap,
};

/// Bytes of removed parts that are told apart. Further ones have the number 0, and where a file has one in its path, it is
/// not looked for at the end.
const KNOWN_BYTES: usize = 16 * 1024 * 1024;

/// Removes.
#[derive(Debug)]
pub(super) struct Removal {
    env_values: bool,
    redactor: Option<Redactor>,
    /// What was removed, with its number from 1.
    numbers: HashMap<Arc<[u8]>, u64>,
    removed: Vec<Arc<[u8]>>,
    bytes: usize,
    /// The last environment, and what became of it: that of the next exec is mostly the same allocation.
    last: Option<[Arc<[Vec<u8>]>; 2]>,
}

impl Removal {
    pub(super) fn new(env_values: bool, redactor: Option<Redactor>) -> Self {
        Self { env_values, redactor, numbers: HashMap::default(), removed: Vec::new(), bytes: 0, last: None }
    }

    /// Removes from all texts of an event.
    pub(super) fn remove(&mut self, kind: &mut EventKind) {
        if let EventKind::Exec(exec) = kind {
            self.environment_of(exec);
        }
        if self.redactor.is_none() {
            return;
        }
        match kind {
            EventKind::Fork(fork) => self.text(&mut fork.comm),
            EventKind::Exec(exec) => self.exec(exec),
            EventKind::ExecFailed(failed) => self.observed_path(&mut failed.filename),
            EventKind::Exit(exit) => self.text(&mut exit.comm),
            EventKind::FileSeen(seen) => {
                self.path(&mut seen.path);
                seen.asked.iter_mut().for_each(|asked| self.observed_path(asked));
            }
            EventKind::FileChanged(changed) => self.changed(changed),
            EventKind::FileFailed(failed) => {
                self.path(&mut failed.path);
                failed.new_path.iter_mut().for_each(|path| self.path(path));
            }
            EventKind::UnixSocket(unix) => {
                unix.name.iter_mut().for_each(|name| self.path_text(name));
                unix.path.iter_mut().for_each(|path| self.path(path));
            }
            EventKind::SocketFailed(failed) => {
                if let Some(SocketAddress::Unix(name)) = &mut failed.address {
                    self.observed_path(name);
                }
            }
            EventKind::Dns(message) => {
                message.questions.iter_mut().for_each(|question| self.text(&mut question.name));
                for answer in &mut message.answers {
                    self.text(&mut answer.name);
                    if let DnsRecordValue::Name(name) = &mut answer.value {
                        self.text(name);
                    }
                }
            }
            EventKind::Said(said) => self.said(said),
            EventKind::Called(called) => called.text.iter_mut().for_each(|text| self.observed(text)),
            EventKind::Credentials(_)
            | EventKind::SyscallTotals(_)
            | EventKind::Denied(_)
            | EventKind::ExecutableHashed(_)
            | EventKind::FileTotals(_)
            | EventKind::Flow(_)
            | EventKind::SocketUsed(_)
            | EventKind::Payload(_) => {}
        }
    }

    fn exec(&mut self, exec: &mut Exec) {
        self.file(&mut exec.image);
        exec.script.iter_mut().for_each(|script| self.file(script));
        self.observed_path(&mut exec.filename);
        if let Observed::Complete(argv) | Observed::Truncated { value: argv, .. } = &mut exec.argv {
            argv.iter_mut().for_each(|argument| self.argument(argument));
        }
        self.path(&mut exec.cwd);
        self.text(&mut exec.comm);
    }

    fn changed(&mut self, changed: &mut FileChanged) {
        if let ChangeTarget::Path(path) = &mut changed.target {
            self.path(path);
        }
        changed.new_path.iter_mut().for_each(|path| self.path(path));
        changed.text.iter_mut().for_each(|text| self.observed(text));
    }

    fn said(&mut self, said: &mut Said) {
        let Said { flow: _, tls, http, ssh_sent, ssh_received, smtp_greeting, smtp_helo } = said;
        for text in [ssh_sent, ssh_received, smtp_greeting, smtp_helo].into_iter().flatten() {
            self.text(text);
        }
        if let Some(tls) = tls {
            tls.sni.iter_mut().chain(&mut tls.alpn).chain(&mut tls.ja4).for_each(|text| self.text(text));
        }
        if let Some(http) = http {
            self.text(&mut http.method);
            http.target.iter_mut().for_each(|target| self.observed_path(target));
            http.host.iter_mut().for_each(|host| self.text(host));
        }
    }

    fn file(&mut self, file: &mut ExecutedFile) {
        self.path(&mut file.path);
    }

    fn path(&mut self, path: &mut ResolvedPath) {
        self.observed_path(&mut path.path);
        path.in_root.iter_mut().for_each(|path| self.path_text(path));
    }

    fn observed_path(&mut self, text: &mut Observed<Vec<u8>>) {
        if let Observed::Complete(text) | Observed::Truncated { value: text, .. } = text {
            self.path_text(text);
        }
    }

    fn observed(&mut self, text: &mut Observed<Vec<u8>>) {
        if let Observed::Complete(text) | Observed::Truncated { value: text, .. } = text {
            self.text(text);
        }
    }

    /// Removes what matches from an argument, of which there may be only the beginning.
    fn argument(&mut self, text: &mut Vec<u8>) {
        let (known, cut) = marks::without_cut(text);
        text.truncate(known.len());
        self.text(text);
        if let Some(cut) = cut {
            marks::put_cut(text, cut);
        }
    }

    /// Removes what matches from a text.
    pub(super) fn text(&mut self, text: &mut Vec<u8>) {
        let matches = self.matches(text);
        self.replace(text, &matches);
    }

    /// Removes what matches from a path, component by component: what lies below what remains known.
    pub(super) fn path_text(&mut self, text: &mut Vec<u8>) {
        let matches = self.matches(text);
        let mut within = Vec::with_capacity(matches.len());
        for Range { mut start, end } in matches {
            for component in text[start..end].split(|byte| *byte == b'/') {
                within.push(start..start + component.len());
                start += component.len() + 1;
            }
        }
        within.retain(|range| !range.is_empty());
        self.replace(text, &within);
    }

    /// What matches, and what looks like a mark and is none.
    fn matches(&self, text: &[u8]) -> Vec<Range<usize>> {
        let Some(redactor) = &self.redactor else { return Vec::new() };
        if marks::find(text).is_some() {
            return std::iter::once(0..text.len()).collect();
        }
        redactor.matches(text)
    }

    fn replace(&mut self, text: &mut Vec<u8>, matches: &[Range<usize>]) {
        if matches.is_empty() {
            return;
        }
        let whole = take(text);
        let mut at = 0;
        for found in matches {
            text.extend_from_slice(&whole[at..found.start]);
            marks::put_removed(text, self.number(&whole[found.clone()]));
            at = found.end;
        }
        text.extend_from_slice(&whole[at..]);
    }

    fn number(&mut self, removed: &[u8]) -> u64 {
        if let Some(number) = self.numbers.get(removed) {
            return *number;
        }
        if self.bytes.saturating_add(removed.len()) > KNOWN_BYTES {
            return 0;
        }
        self.bytes += removed.len();
        let removed: Arc<[u8]> = Arc::from(removed);
        self.removed.push(Arc::clone(&removed));
        let number = self.removed.len() as u64;
        self.numbers.insert(removed, number);
        number
    }

    /// The text as it was, for whoever must find the file of a path; `None` if that is not known any more.
    pub(super) fn original(&self, text: &Arc<[u8]>) -> Option<Arc<[u8]>> {
        if self.removed.is_empty() || marks::find(text).is_none() {
            return Some(Arc::clone(text));
        }
        let mut original = Vec::with_capacity(text.len());
        for part in marks::parts(text) {
            match part {
                Part::Known(known) => original.extend_from_slice(known),
                Part::Removed(number) => {
                    let index = usize::try_from(number).ok()?.checked_sub(1)?;
                    original.extend_from_slice(self.removed.get(index)?);
                }
            }
        }
        Some(Arc::from(original))
    }

    fn environment_of(&mut self, exec: &mut Exec) {
        let (Observed::Complete(strings) | Observed::Truncated { value: strings, .. }) =
            &mut exec.environment
        else {
            return;
        };
        if self.env_values && self.redactor.is_none() {
            return;
        }
        if let Some([last, became]) = &self.last
            && Arc::ptr_eq(last, strings)
        {
            *strings = Arc::clone(became);
            return;
        }
        let became: Arc<[Vec<u8>]> = self.environment(strings).into();
        self.last = Some([std::mem::replace(strings, Arc::clone(&became)), became]);
    }

    /// What may be known of environment strings.
    pub(super) fn environment(&mut self, strings: &[Vec<u8>]) -> Vec<Vec<u8>> {
        strings.iter().map(|string| self.variable(string)).collect()
    }

    fn variable(&mut self, string: &[u8]) -> Vec<u8> {
        let (string, cut) = marks::without_cut(string);
        let mut shown = string.to_vec();
        self.remove_from_variable(&mut shown, cut.is_none());
        if let Some(cut) = cut {
            marks::put_cut(&mut shown, cut);
        }
        shown
    }

    fn remove_from_variable(&mut self, shown: &mut Vec<u8>, is_whole: bool) {
        let matches = self.redactor.as_ref().map_or(Matches::None, |redactor| redactor.variable(shown));
        if let Matches::Name(ranges) = &matches {
            self.replace(shown, ranges);
            return;
        }
        let Some(equals) = shown.iter().position(|byte| *byte == b'=') else { return };
        match matches {
            Matches::Value(ranges) if self.env_values => self.replace(shown, &ranges),
            _ if self.env_values => {}
            matches => {
                let value = shown.split_off(equals + 1);
                if matches != Matches::None {
                    // A hash tells a value that can be guessed.
                    shown.extend_from_slice(HASHED);
                    marks::put_removed(shown, self.number(&value));
                } else if is_whole {
                    shown.extend_from_slice(HASHED);
                    shown.extend_from_slice(&hex_digits::<32, 64>(&Sha256::digest(&value).into()));
                }
            }
        }
    }
}
