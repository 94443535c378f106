//! The pictures in the README: a recorded run, replayed and drawn by the real interface.
//!
//! `BLESS=1 cargo test --test demo` renders them anew; without it they are compared. The run is that of `install.sh`,
//! recorded by `glasshouse watch --record-records tests/recordings/install.records`.

#![cfg(target_arch = "x86_64")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod svg;

use std::{fs, path::PathBuf};

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use glasshouse::{
    disclosure::Disclosure,
    event::EventKind,
    observe::replay::Recording,
    runner::{Progress, Stage},
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

const SIZE: (u16, u16) = (124, 34);

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The run as the interface shows it when it is over and some keys have been pressed.
fn picture(keys: &[KeyCode]) -> String {
    let bytes = fs::read(root().join("tests/recordings/install.records")).unwrap();
    let replayed = Recording::parse(&bytes).unwrap().replay();
    let theme = Theme::new(Depth::TrueColor, Shade::Dark, &UNICODE);
    let (mut session, mut app) = (Session::new(), App::new(Keymap::default(), theme, SIZE, None));
    app.users.insert(65_534, "nobody".into());
    let mut progress = Progress { stage: Stage::Finished, ..Progress::default() };
    for event in &Disclosure::default().pass_all(replayed.events) {
        session.apply(event);
        app.observe(event, &session, event.at);
        progress.now = progress.now.max(event.at);
        if matches!(&event.kind, EventKind::Exec(exec) if exec.is_root) {
            progress.started_at = event.at;
        }
    }
    progress.finished_at = Some(progress.now);
    progress.outcome = Some("exited 0".into());
    progress.succeeded = true;
    progress.receipt = Some(Ok((Some("receipt.json".into()), "5c2f7a90".into())));
    let world = World { session: &session, progress: &progress };
    app.look(world, &mut || false);
    app.refresh(world);
    for key in keys {
        update(&mut app, Input::Key(KeyEvent::new(*key, KeyModifiers::NONE)), world);
        app.refresh(world);
    }
    let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
    draw(&app, world, &mut buffer);
    svg::svg(&buffer)
}

fn check(name: &str, keys: &[KeyCode]) {
    let path = root().join("assets").join(name);
    let now = picture(keys);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, now).unwrap();
        return;
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        known == now,
        "{} is not what is drawn now; type: BLESS=1 cargo test --test demo",
        path.display()
    );
}

#[test]
fn the_panes() {
    let char = KeyCode::Char;
    // Of the files, what was changed and what was refused.
    let mut keys = vec![char('2'), char('/')];
    keys.extend("is:changed|denied".chars().map(char));
    keys.extend([KeyCode::Enter, char('1'), KeyCode::Down]);
    check("demo.svg", &keys);
}

#[test]
fn the_details() {
    check("demo-details.svg", &[KeyCode::Down, KeyCode::Enter]);
}
