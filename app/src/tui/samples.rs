//! Runs to be looked at by tests.

use super::{
    filter::Filter,
    keys::Keymap,
    state::{App, Overlay, Pane, World},
    terminal::Emulator,
    theme::{Depth, Shade, Signs, Theme, UNICODE},
    view::layout::Layout,
};
use crate::{
    event::{
        Action, BootNs, Endpoint, Event, EventKind, Exit, FileOperation, Flow, ProcessKey, Target, TcpState,
    },
    runner::{Progress, Stage},
    session::{
        Session,
        samples::{
            called, change, change_to, create, denied, event, exec, exit, file_failed, file_totals, fork,
            key, made, read, seen, tcp, totals, wrote,
        },
    },
};

const SECOND: BootNs = 1_000_000_000;

/// A session and an app that saw the same events.
pub(super) struct Sample {
    pub(super) session: Session,
    pub(super) app: App,
    pub(super) progress: Progress,
}

impl Sample {
    /// Nothing has happened.
    pub(super) fn empty(size: (u16, u16)) -> Self {
        Self::with(size, Depth::TrueColor, &UNICODE)
    }

    pub(super) fn with(size: (u16, u16), depth: Depth, signs: &'static Signs) -> Self {
        let theme = Theme::new(depth, Shade::Dark, signs);
        let mut app = App::new(Keymap::default(), theme, size, Some(Emulator::new(10, 60)));
        app.users.insert(0, "root".into());
        let progress = Progress { started_at: SECOND, now: 13 * SECOND + 400_000_000, ..Progress::default() };
        Self { session: Session::new(), app, progress }
    }

    pub(super) fn world(&self) -> World<'_> {
        World { session: &self.session, progress: &self.progress }
    }

    pub(super) fn take(&mut self, at: BootNs, process: ProcessKey, kind: EventKind) {
        let event: Event = event(at, process, kind);
        self.session.apply(&event);
        self.app.observe(&event, &self.session, at);
    }

    pub(super) fn refresh(&mut self) {
        let world = World { session: &self.session, progress: &self.progress };
        self.app.look(world, &mut || false);
        self.app.refresh(world);
    }

    pub(super) fn open(&mut self, overlay: Overlay) {
        let world = World { session: &self.session, progress: &self.progress };
        self.app.open(overlay, world);
    }

    /// An installer: a script that downloads, unpacks and is refused something.
    pub(super) fn small(size: (u16, u16)) -> Self {
        let mut sample = Self::empty(size);
        sample.install();
        sample.refresh();
        sample
    }

    fn install(&mut self) {
        let (above, sh, curl, tar) =
            (key(1, 1), key(SECOND, 4242), key(2 * SECOND, 4243), key(4 * SECOND, 4250));
        let mut first = exec("bash", above, 0);
        first.is_root = true;
        self.take(SECOND, sh, EventKind::Exec(Box::new(first)));
        self.take(2 * SECOND, sh, fork(curl, sh, 0));
        self.take(2 * SECOND + 1, curl, EventKind::Exec(Box::new(exec("curl", sh, 0))));
        self.take(2 * SECOND + 2, curl, seen(1, "/etc/ssl/certs/ca-certificates.crt", 7, read(219_000)));
        self.take(2 * SECOND + 3, curl, connection(5, "93.184.216.34", 443, 4_299_162));
        self.take(3 * SECOND, curl, seen(2, "/tmp/tmp.x9Q", 8, made(4_299_162)));
        self.take(3 * SECOND, curl, create(2));
        self.take(3 * SECOND + 5, curl, totals(&[(1, 40), (2, 12)]));
        self.take(3 * SECOND + 9, curl, ended("curl", 0));
        self.take(4 * SECOND, sh, fork(tar, sh, 0));
        self.take(4 * SECOND + 1, tar, EventKind::Exec(Box::new(exec("tar", sh, 0))));
        self.take(4 * SECOND + 2, tar, seen(3, "/opt/tool/bin/tool", 9, made(8_112_000)));
        self.take(4 * SECOND + 3, tar, denied(3, libc::EPERM, 2));
        self.take(4 * SECOND + 9, tar, ended("tar", 2));
        self.take(5 * SECOND, sh, change(FileOperation::Delete, "/tmp/tmp.x9Q"));
        self.take(5 * SECOND + 1, sh, change_to(FileOperation::Rename, "/etc/motd", "/etc/motd.old", 0));
        self.take(8 * SECOND, sh, file_failed(4, FileOperation::Open, "/etc/shadow", libc::EACCES, 1));
        self.take(9 * SECOND, sh, refused(6, "10.0.0.8", 22));
        if let Some(terminal) = &mut self.app.terminal {
            terminal.feed(b"Installing tool 1.4.2\r\nEnable the service now? [Y/n] ");
        }
    }

    /// The same, and what the rules are about; the pane of findings is open.
    pub(super) fn found(size: (u16, u16)) -> Self {
        let mut sample = Self::small(size);
        let (sh, tar) = (key(SECOND, 4242), key(4 * SECOND, 4250));
        let call = |access, number, target, result| {
            called(access, Action::Signal, Some(number), Some(Target::Process(target)), result)
        };
        sample.session.observed_by(90);
        sample.take(10 * SECOND, sh, seen(20, "/etc/cron.d/tool", 20, made(80)));
        sample.take(10 * SECOND, sh, create(20));
        sample.take(11 * SECOND, tar, call(21, 15, 90, -i64::from(libc::EPERM)));
        sample.take(12 * SECOND, tar, call(22, 15, 1, 0));
        sample.take(12 * SECOND, sh, called(23, Action::MakeRing, None, None, 3));
        (sample.app.focus, sample.app.lower) = (Pane::Findings, Pane::Findings);
        sample.refresh();
        sample
    }

    /// The installer with a pane in focus, a moment later, while something is written and something is received.
    pub(super) fn flowing(size: (u16, u16), pane: Pane) -> Self {
        let mut sample = Self::small(size);
        (sample.app.focus, sample.app.upper) = (pane, pane);
        let sh = key(SECOND, 4242);
        sample.take(10 * SECOND, sh, seen(9, "/var/log/install.log", 19, wrote(70_000)));
        sample.take(10 * SECOND, sh, connection(15, "203.0.113.7", 443, 1_000));
        sample.refresh();
        sample.measure();
        sample.progress.now += SECOND;
        let now = sample.progress.now;
        sample.take(now, sh, file_totals(9, wrote(500_000)));
        sample.take(now, sh, connection(15, "203.0.113.7", 443, 9_876_543));
        sample.refresh();
        sample.measure();
        sample
    }

    /// Looks at the rows on the screen, as before they are drawn.
    fn measure(&mut self) {
        let world = World { session: &self.session, progress: &self.progress };
        let layout = Layout::new(&self.app);
        self.app.measure(world, |pane| layout.group(pane).map(|group| group.inner().height.into()));
    }

    /// The same, over, with a loss.
    pub(super) fn finished(size: (u16, u16)) -> Self {
        let mut sample = Self::small(size);
        sample.take(15 * SECOND, key(SECOND, 4242), ended("bash", 0));
        sample.progress.stage = Stage::Finished;
        sample.progress.finished_at = Some(15 * SECOND);
        sample.progress.outcome = Some("exited 0".into());
        sample.progress.succeeded = true;
        sample.progress.receipt = Some(Ok((Some("/home/me/receipt.json".into()), "ab".repeat(32))));
        sample.app.say("exited 0; receipt in /home/me/receipt.json");
        sample.refresh();
        sample
    }

    /// The same, with records that were lost.
    pub(super) fn lossy(size: (u16, u16)) -> Self {
        let mut sample = Self::small(size);
        sample.progress.lost = 1_234;
        sample
    }

    /// So many processes, each with some files.
    pub(super) fn large(size: (u16, u16), processes: u32) -> Self {
        let mut sample = Self::empty(size);
        let above = key(1, 1);
        let root = key(SECOND, 100);
        let mut first = exec("make", above, 0);
        first.is_root = true;
        sample.take(SECOND, root, EventKind::Exec(Box::new(first)));
        let mut parent = root;
        for number in 0..processes {
            let at = SECOND + u64::from(number) * 1_000_000;
            let child = key(at, 1000 + number);
            sample.take(at, parent, fork(child, parent, 0));
            sample.take(at + 1, child, EventKind::Exec(Box::new(exec("cc1", parent, 0))));
            for file in 0..3 {
                let access = u64::from(number) * 3 + file + 1;
                let name = format!("/usr/src/linux/drivers/net/file-{number}-{file}.c");
                sample.take(at + 2 + file, child, seen(access, &name, access, read(1000 + access)));
            }
            if number % 7 == 0 {
                parent = child;
            } else {
                sample.take(at + 500, child, ended("cc1", u8::from(number % 11 == 0)));
            }
            if number % 50 == 49 {
                parent = root;
            }
        }
        sample.refresh();
        sample
    }
}

/// The end of a process of this name.
fn ended(name: &str, code: u8) -> EventKind {
    match exit(code) {
        EventKind::Exit(exit) => EventKind::Exit(Exit { comm: name.as_bytes().to_vec(), ..exit }),
        other => other,
    }
}

/// A filter that makes sense.
pub(super) fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_default()
}

fn flow(number: u64, address: &str, port: u16, at: BootNs) -> Flow {
    let remote = address.parse().ok().map(|address| Endpoint { address, port: Some(port) });
    Flow { remote, ..tcp(number, number, address, at) }
}

fn connection(number: u64, address: &str, port: u16, bytes: u64) -> EventKind {
    let asked_at = 2 * SECOND + number;
    let mut flow = flow(number, address, port, asked_at);
    flow.state = Some(TcpState::Established);
    flow.entered = vec![(TcpState::Established, asked_at + 1)];
    flow.totals.bytes_sent = 1_229;
    flow.totals.bytes_received = bytes;
    EventKind::Flow(Box::new(flow))
}

fn refused(number: u64, address: &str, port: u16) -> EventKind {
    let at = 9 * SECOND;
    let mut flow = flow(number, address, port, at);
    flow.state = Some(TcpState::Close);
    flow.entered = vec![(TcpState::SynSent, at), (TcpState::Close, at)];
    flow.error = Some(libc::ECONNREFUSED);
    flow.ended = true;
    EventKind::Flow(Box::new(flow))
}
