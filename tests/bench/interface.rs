//! What the interface costs: taking in events, making its lists anew, answering a key, drawing; with 10,000 processes,
//! 100,000 files and 20,000 connections.
//!
//! `cargo bench -p glasshouse --bench interface`. Of each part the median and the longest of many rounds are told.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for whoever measures")]

use std::time::{Duration, Instant};

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use glasshouse::{
    event::{
        AccessTotals, Credentials, Direction, Endpoint, Event, EventKind, Flow, FlowTotals, Fork, ProcessKey,
        SocketOrigin, TcpState,
    },
    runner::Progress,
    session::Session,
    tui::{
        keys::Keymap,
        state::{App, World},
        theme::{Depth, Shade, Theme, UNICODE},
        update::update,
        view::draw,
    },
};
use ratatui::{buffer::Buffer, layout::Rect};

#[path = "support/file.rs"]
mod file;

const PROCESSES: u32 = 10_000;
const FILES_EACH: u64 = 10;
const CONNECTIONS: u64 = 20_000;
const SIZE: (u16, u16) = (200, 60);
const ROUNDS: usize = 50;

fn key(number: u32) -> ProcessKey {
    ProcessKey { start: 1_000 + u64::from(number), tgid: 1_000 + number }
}

fn event(at: u64, process: ProcessKey, kind: EventKind) -> Event {
    Event { at, process, tid: process.tgid, kind }
}

fn fork(number: u32) -> Event {
    let parent = key((number / 8).min(number.saturating_sub(1)));
    let fork = Fork {
        child: key(number),
        parent,
        namespace_pid: number,
        pid_namespace: 1,
        clone_flags: 0,
        credentials: Credentials::default(),
        comm: format!("cc1-{}", number % 50).into_bytes(),
    };
    event(key(number).start, parent, EventKind::Fork(fork))
}

fn file(number: u64, process: ProcessKey) -> Event {
    let path = format!("/usr/src/linux/drivers/net/ethernet/vendor-{}/file-{number}.c", number % 97);
    let totals = AccessTotals { opens: 1, reads: 2, bytes_read: number, ..AccessTotals::default() };
    let seen = file::seen(number + 1, path, number, totals);
    event(process.start + number, process, EventKind::FileSeen(Box::new(seen)))
}

fn connection(number: u64, process: ProcessKey) -> Event {
    let end = |address: [u8; 4], port| Some(Endpoint { address: address.into(), port: Some(port) });
    let at = process.start + number;
    let flow = Flow {
        flow: number + 1,
        socket: number + 1,
        listener: None,
        inode: None,
        family: 2,
        kind: 1,
        protocol: 6,
        local: end([10, 0, 0, 1], u16::try_from(number % 60_000).unwrap()),
        remote: end([10, 0, (number / 250 % 250) as u8, (number % 250) as u8], 443),
        direction: Some(Direction::Outbound),
        origin: Some(SocketOrigin::Created),
        state: Some(TcpState::Established),
        entered: vec![(TcpState::Established, at)],
        error: None,
        network_namespace: 1,
        backlog: None,
        totals: FlowTotals { bytes_sent: number, first_at: at, last_at: at, ..FlowTotals::default() },
        ended: false,
        resumed: false,
        absolute: true,
        by_calls: false,
        bound: false,
        listens: false,
        connected: true,
    };
    event(at, process, EventKind::Flow(Box::new(flow)))
}

fn events() -> Vec<Event> {
    let mut events: Vec<Event> = (1..PROCESSES).map(fork).collect();
    for number in 0..u64::from(PROCESSES) * FILES_EACH {
        events.push(file(number, key(u32::try_from(number / FILES_EACH).unwrap())));
    }
    events
        .extend((0..CONNECTIONS).map(|number| connection(number, key(u32::try_from(number % 100).unwrap()))));
    events
}

fn told(part: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    println!("{:>12.1?} {:>12.1?}  {part}", times[times.len() / 2], times[times.len() - 1]);
}

fn main() {
    let events = events();
    let theme = Theme::new(Depth::TrueColor, Shade::Dark, &UNICODE);
    let (mut session, mut app) = (Session::new(), App::new(Keymap::default(), theme, SIZE, None));
    let began = Instant::now();
    events.iter().for_each(|event| session.apply(event));
    let applied = began.elapsed();
    let began = Instant::now();
    events.iter().for_each(|event| app.observe(event, &session, event.at));
    let observed = began.elapsed();
    let progress = Progress { started_at: 1_000, now: 1_000_000, ..Progress::default() };
    let world = World { session: &session, progress: &progress };
    let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
    println!("{} events: {applied:.1?} by the session, {observed:.1?} by the interface", events.len());
    println!("{:>12} {:>12}", "median", "longest");
    let time = |work: &mut dyn FnMut()| {
        let began = Instant::now();
        work();
        began.elapsed()
    };
    told("all lists anew", (0..10).map(|_| time(&mut || app.refresh(world))).collect());
    // What is done at a time, before keys are looked at again.
    let parts = |work: &mut dyn FnMut() -> bool| {
        let mut times = Vec::new();
        while times.len() < 10_000 {
            let mut done = false;
            times.push(time(&mut || done = work()));
            if done {
                break;
            }
        }
        times
    };
    app.files.sort = 1;
    told("the same in parts, files by their paths", parts(&mut || app.renew(world, &mut || true)));
    app.files.sort = 0;
    app.refresh(world);
    told("findings", (0..10).map(|_| time(&mut || _ = app.look(world, &mut || false))).collect());
    told("the same in parts", parts(&mut || app.look(world, &mut || true)));
    let press = |app: &mut App, code| {
        let key = Input::Key(KeyEvent::new(code, KeyModifiers::NONE));
        update(app, key, world);
        if app.is_stale() {
            app.refresh(world);
        }
    };
    for (part, keys) in [
        ("a row down, and drawn", [KeyCode::Down, KeyCode::Down]),
        ("a page down, and drawn", [KeyCode::PageDown, KeyCode::PageDown]),
        ("another pane, and drawn", [KeyCode::Tab, KeyCode::Tab]),
        ("a branch closed or opened, and drawn", [KeyCode::Char('1'), KeyCode::Left]),
        ("another scope, and drawn", [KeyCode::Char('p'), KeyCode::Char('p')]),
        ("sorted by another column, and drawn", [KeyCode::Char('2'), KeyCode::Char('s')]),
    ] {
        let times = (0..ROUNDS).map(|round| {
            time(&mut || {
                press(&mut app, keys[round % 2]);
                draw(&app, world, &mut buffer);
            })
        });
        told(part, times.collect());
    }
    let rows = |_| Some(usize::from(SIZE.1));
    told("rates measured", (0..ROUNDS).map(|_| time(&mut || app.measure(world, rows))).collect());
    told("drawn", (0..ROUNDS).map(|_| time(&mut || _ = draw(&app, world, &mut buffer))).collect());
}
