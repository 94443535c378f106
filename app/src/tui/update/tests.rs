#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;

use super::*;
use crate::{
    event::{Abi, CallsSoFar, Denied, Syscall},
    runner::Stage,
    session::samples,
    tui::{
        keys::Key,
        samples::Sample,
        state::{Scope, describe, details},
    },
};

/// Presses keys, given by their names, and makes the lists as the interface would; gives what is to be done.
fn press(sample: &mut Sample, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for key in keys.split(' ') {
        let key: Key = key.parse().unwrap();
        effects.extend(input(sample, Input::Key(key.into())));
    }
    effects
}

fn input(sample: &mut Sample, input: Input) -> Vec<Effect> {
    let world = World { session: &sample.session, progress: &sample.progress };
    let effects = update(&mut sample.app, input, world);
    if sample.app.is_stale() {
        sample.app.refresh(world);
    }
    effects
}

fn small() -> Sample {
    Sample::small((120, 40))
}

fn shown(sample: &Sample, pane: Pane) -> (u64, u64) {
    sample.app.counts(pane, sample.world())
}

#[test]
fn what_is_counted_is_seen_before_it_is_reported() {
    let mut sample = small();
    press(&mut sample, "6");
    let (sh, tar) = (samples::key(1_000_000_000, 4242), samples::key(4_000_000_000, 4250));
    let call = |number| Syscall { abi: Abi::Native, number };
    let rows = |sample: &Sample| {
        let counts = sample.app.call_counts.iter();
        counts.map(|(call, counts)| (call.number, counts.count, counts.denied)).collect::<Vec<_>>()
    };
    assert_eq!(rows(&sample), [(1, 40, 0), (2, 12, 0), (3, 0, 2)]);
    let mut calls = CallsSoFar::default();
    calls.made.insert(sh, vec![(call(1), 5), (call(9), 1)]);
    calls.denied.insert(sh, vec![Denied { call: call(9), errno: libc::EPERM, count: 1 }]);
    // What a process has reported is not counted again.
    calls.denied.insert(tar, vec![Denied { call: call(3), errno: libc::EPERM, count: 2 }]);
    assert!(sample.app.counted(calls.clone()) && !sample.app.counted(calls), "the same is nothing new");
    sample.refresh();
    assert_eq!(rows(&sample), [(1, 45, 0), (2, 12, 0), (3, 0, 2), (9, 1, 1)]);
    assert_eq!(sample.app.calls.selected(), Some(call(1)));
    let mut calls = CallsSoFar::default();
    calls.made.insert(sh, vec![(call(1), 5), (call(9), 100)]);
    calls.denied.insert(sh, vec![Denied { call: call(9), errno: libc::EPERM, count: 1 }]);
    sample.app.counted(calls);
    sample.refresh();
    assert_eq!(sample.app.calls.selected(), Some(call(9)), "the largest is looked at, whichever it is");
    press(&mut sample, "1 / i s : d e n i e d enter");
    let shown: Vec<_> = sample.app.tree.ids().iter().map(|node| node.key.tgid).collect();
    assert_eq!(shown, [4242, 4250]);
    sample.take(13_000_000_000, sh, samples::totals(&[(1, 7)]));
    sample.refresh();
    assert_eq!(
        rows(&sample),
        [(1, 47, 0), (2, 12, 0), (3, 0, 2), (9, 0, 1)],
        "the end of a process says all"
    );
}

#[test]
fn rows_are_found_without_narrowing() {
    let mut sample = small();
    press(&mut sample, "2 n");
    assert_eq!(sample.app.notice.as_deref(), Some("nothing was looked for in this pane; / does"));
    // Taken back it is still what is looked for.
    press(&mut sample, "/ t m p esc");
    assert_eq!(shown(&sample, Pane::Files), (6, 6));
    let mut at = |keys| {
        press(&mut sample, keys);
        (sample.app.files.position(), sample.app.notice.clone().unwrap_or_default())
    };
    assert_eq!(at("g n"), (1, "/tmp".into()));
    assert_eq!(at("n"), (3, "/tmp".into()));
    assert_eq!(at("n"), (1, "/tmp, from the top on".into()));
    assert_eq!(at("N"), (3, "/tmp, from the bottom on".into()));
    assert_eq!(at("/ s h a d esc n n"), (5, "no other row matches /shad".into()));
    assert_eq!(at("/ n o n e esc n"), (0, "no row matches /none".into()));
    // Other panes have looked for something else.
    assert_eq!(at("5 / m o t d esc g n 2"), (0, String::new()));
    let moment = sample.app.timeline.get(sample.app.moments.selected().unwrap()).unwrap();
    assert!(describe::moment(&sample.session, moment).1.contains("/etc/motd"));
    press(&mut sample, "1 / t a r esc n");
    assert_eq!(sample.app.selected_process().unwrap().tgid, 4250);
    press(&mut sample, "4 n");
    assert!(sample.app.notice.is_some());
}

#[test]
fn while_the_receipt_is_written_one_can_look_and_leave() {
    let mut sample = small();
    sample.progress.stage = Stage::Writing;
    assert_eq!(press(&mut sample, "space"), []);
    assert_eq!(sample.app.notice.as_deref(), Some("there is nothing left to freeze"));
    assert_eq!(press(&mut sample, "K enter esc q"), [Effect::Ask(Request::Leave)]);
}

#[test]
fn panes_are_reached_by_number_and_in_turn() {
    let mut sample = small();
    for (keys, focus, lower) in [
        ("2", Pane::Files, Pane::Terminal),
        ("5", Pane::Timeline, Pane::Timeline),
        ("tab", Pane::Syscalls, Pane::Syscalls),
        ("tab", Pane::Processes, Pane::Syscalls),
        ("backtab", Pane::Syscalls, Pane::Syscalls),
        ("1", Pane::Processes, Pane::Syscalls),
    ] {
        press(&mut sample, keys);
        assert_eq!((sample.app.focus, sample.app.lower), (focus, lower), "{keys}");
    }
}

#[test]
fn what_is_selected_narrows_the_other_panes() {
    let mut sample = small();
    assert_eq!(shown(&sample, Pane::Files), (6, 6));
    press(&mut sample, "1 down p");
    assert_eq!(sample.app.scope, Scope::Process);
    assert_eq!(sample.app.selected_process().unwrap().tgid, 4243);
    assert_eq!(shown(&sample, Pane::Files), (2, 6), "curl's own");
    assert_eq!(shown(&sample, Pane::Network).0, 1);
    press(&mut sample, "down");
    assert_eq!(shown(&sample, Pane::Files), (1, 6), "tar's own");
    press(&mut sample, "up up p");
    assert_eq!(sample.app.scope, Scope::Subtree);
    assert_eq!(shown(&sample, Pane::Files), (6, 6));
    press(&mut sample, "p");
    assert_eq!((sample.app.scope, &sample.app.scoped), (Scope::All, &None));
}

#[test]
fn a_branch_is_closed_and_opened() {
    let mut sample = small();
    assert_eq!(sample.app.tree.ids().len(), 3);
    press(&mut sample, "left");
    assert_eq!(sample.app.tree.ids().len(), 1);
    press(&mut sample, "right");
    assert_eq!(sample.app.tree.ids().len(), 3);
    press(&mut sample, "right");
    assert_eq!(sample.app.selected_process().unwrap().tgid, 4243);
    press(&mut sample, "left");
    assert_eq!(sample.app.selected_process().unwrap().tgid, 4242);
}

#[test]
fn a_filter_narrows_while_it_is_typed() {
    let mut sample = small();
    press(&mut sample, "2 / i s : d e n i e d");
    assert_eq!(shown(&sample, Pane::Files), (1, 6));
    press(&mut sample, "enter");
    assert_eq!((sample.app.input.is_none(), sample.app.filter_text(Pane::Files)), (true, "is:denied"));
    press(&mut sample, "esc");
    assert_eq!(shown(&sample, Pane::Files), (6, 6));
    press(&mut sample, "/ z z : y");
    assert_eq!(shown(&sample, Pane::Files).0, 0, "what made sense last is kept: zz");
    press(&mut sample, "enter");
    assert!(sample.app.input.is_some(), "what makes no sense is not taken");
    assert!(sample.app.notice.as_ref().unwrap().contains("no field zz"));
    press(&mut sample, "esc");
    assert_eq!((sample.app.input.is_none(), shown(&sample, Pane::Files).0), (true, 6));
}

#[test]
fn a_filter_of_processes_shows_what_leads_to_them() {
    let mut sample = small();
    press(&mut sample, "/ t a r enter");
    let rows: Vec<_> = sample.app.tree.ids().iter().map(|node| (node.key.tgid, node.only_leads)).collect();
    assert_eq!(rows, [(4242, true), (4250, false)]);
}

#[test]
fn who_used_a_file_is_shown() {
    let mut sample = small();
    press(&mut sample, "2 / t m p . x enter t");
    assert_eq!(sample.app.focus, Pane::Processes);
    let rows: Vec<_> = sample.app.tree.ids().iter().map(|node| node.key.tgid).collect();
    assert_eq!(rows, [4242, 4243], "made by curl, removed by bash");
    press(&mut sample, "esc");
    assert_eq!(sample.app.tree.ids().len(), 3);
}

#[test]
fn only_changes_are_left_and_only_those_of_a_time() {
    let mut sample = small();
    press(&mut sample, "o");
    assert_eq!(shown(&sample, Pane::Files).0, 4, "two made, one removed, one renamed");
    press(&mut sample, "o 5 end [");
    assert_eq!(shown(&sample, Pane::Timeline).0, 1, "from the last one on");
    press(&mut sample, "esc");
    assert!(shown(&sample, Pane::Timeline).0 > 10);
}

#[test]
fn sorting_goes_through_the_columns() {
    let mut sample = small();
    press(&mut sample, "2 s");
    let rows = sample.session.file_rows();
    let paths: Vec<_> = sample
        .app
        .files
        .ids()
        .iter()
        .map(|id| rows.get(*id).unwrap().path.value().unwrap().to_vec())
        .collect();
    assert!(paths.is_sorted());
    press(&mut sample, "S");
    let first = sample.app.files.ids()[0];
    assert!(sample.session.file_rows().get(first).unwrap().path.value().unwrap().starts_with(b"/tmp"));
}

#[test]
fn freezing_is_asked_of_the_runner() {
    let mut sample = small();
    assert_eq!(press(&mut sample, "space"), [Effect::Ask(Request::Freeze(true))]);
    sample.progress.stage = Stage::Frozen;
    assert_eq!(press(&mut sample, "space"), [Effect::Ask(Request::Freeze(false))]);
    sample.progress.stage = Stage::Finished;
    assert_eq!(press(&mut sample, "space"), []);
    assert!(sample.app.notice.is_some());
}

#[test]
fn the_end_and_leaving_are_asked_about() {
    let mut sample = small();
    assert_eq!(press(&mut sample, "K"), []);
    assert_eq!(press(&mut sample, "n"), []);
    assert_eq!(press(&mut sample, "y"), [Effect::Ask(Request::End)]);
    assert_eq!(press(&mut sample, "q esc"), []);
    assert_eq!(press(&mut sample, "q d"), [Effect::Ask(Request::Detach)]);
    assert_eq!(press(&mut sample, "ctrl-c k"), [Effect::Ask(Request::End), Effect::Ask(Request::Leave)]);
    sample.progress.stage = Stage::Finished;
    assert_eq!(press(&mut sample, "q"), [Effect::Ask(Request::Leave)]);
}

#[test]
fn keys_go_to_the_command_until_the_chord() {
    let mut sample = small();
    assert_eq!(press(&mut sample, "i q ctrl-c"), [Effect::Type(b"q".into()), Effect::Type(b"\x03".into())]);
    assert!(sample.app.typing && sample.app.overlay.is_none());
    assert_eq!(press(&mut sample, "f12"), []);
    assert!(!sample.app.typing);
    let pasted = input(&mut sample, Input::Paste("x".into()));
    assert_eq!(pasted, [], "nobody is typed to");
}

#[test]
fn details_tell_everything_and_can_be_scrolled() {
    let mut sample = small();
    press(&mut sample, "down enter");
    let lines = details::selected(&sample.app, sample.world());
    let has = |name: &str, value: &str| {
        lines.iter().any(|(one, other)| one.trim() == name && other.contains(value))
    };
    for (name, value) in [
        ("process", "4243 curl"),
        ("parent", "4242"),
        ("exit", "0"),
        ("argv[0]", "curl"),
        ("create", "/tmp/tmp.x9Q"),
        ("established", "93.184.216.34:443"),
    ] {
        assert!(has(name, value), "{name} {value}: {lines:#?}");
    }
    press(&mut sample, "down down");
    assert!(sample.app.overlay_offset <= lines.len());
    press(&mut sample, "esc");
    assert_eq!((&sample.app.overlay, sample.app.overlay_offset), (&None, 0));
}

#[test]
fn rows_are_taken_away() {
    let mut sample = small();
    let copied = press(&mut sample, "2 y");
    assert!(matches!(&copied[..], [Effect::Copy(text)] if text.contains("ca-certificates.crt")));
    let csv = press(&mut sample, "e c");
    let [Effect::Export { extension: "csv", content }] = &csv[..] else { panic!("{csv:?}") };
    let text = String::from_utf8(content.clone()).unwrap();
    assert_eq!(text.lines().count(), 7);
    assert!(text.starts_with("path,new_path,done,"));
    let json = press(&mut sample, "1 e j");
    let [Effect::Export { extension: "json", content }] = &json[..] else { panic!("{json:?}") };
    let list: serde_json::Value = serde_json::from_slice(content).unwrap();
    assert_eq!(list[1]["pid"], "4243");
}

#[test]
fn the_mouse_selects_scrolls_and_drags() {
    let mut sample = small();
    let mut at = |kind, column, row| {
        let mouse = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        input(&mut sample, Input::Mouse(mouse));
        (sample.app.focus, sample.app.selected_process().map(|key| key.tgid), sample.app.left_share)
    };
    let down = MouseEventKind::Down(MouseButton::Left);
    assert_eq!(at(down, 5, 4).1, Some(4250));
    assert_eq!(at(down, 80, 3).0, Pane::Files);
    let border = 59;
    at(down, border, 5);
    let (_, _, share) = at(MouseEventKind::Drag(MouseButton::Left), 80, 5);
    assert!(share > 60, "{share}");
    at(MouseEventKind::Up(MouseButton::Left), 80, 5);
    at(MouseEventKind::ScrollDown, 5, 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever is pressed at whatever size: it is drawn.
    #[test]
    fn any_keys_at_any_size(
        keys in prop::collection::vec("[ -~]|enter|esc|tab|up|down|left|right|end|space|f12|backspace", 0..40),
        columns in 1_u16..140,
        rows in 1_u16..60,
    ) {
        let mut sample = Sample::small((120, 40));
        input(&mut sample, Input::Resize(columns, rows));
        for key in keys {
            if key.parse::<Key>().is_ok() && !key.trim().is_empty() {
                press(&mut sample, &key);
            }
            let area = ratatui::layout::Rect::new(0, 0, columns, rows);
            let mut buffer = ratatui::buffer::Buffer::empty(area);
            crate::tui::view::draw(&sample.app, sample.world(), &mut buffer);
        }
    }
}

/// Rules of the rows of findings.
fn rules(sample: &Sample) -> Vec<&'static str> {
    let rows = sample.app.findings.ids().iter();
    rows.map(|row| sample.app.found.get(*row).unwrap().rule.id).collect()
}

#[test]
fn findings_are_a_pane_when_there_are_any() {
    let mut sample = small();
    press(&mut sample, "6 tab");
    assert_eq!(sample.app.focus, Pane::Processes, "there are none");
    press(&mut sample, "7");
    assert_eq!((sample.app.focus, sample.app.lower), (Pane::Findings, Pane::Findings));
    assert_eq!(press(&mut sample, "enter esc v t"), []);
    assert!(sample.app.notice.as_ref().unwrap().contains("a finding first"));
    let mut sample = Sample::found((120, 40));
    press(&mut sample, "6 tab");
    assert_eq!(sample.app.focus, Pane::Findings);
    press(&mut sample, "tab backtab");
    assert_eq!(sample.app.focus, Pane::Findings);
    assert_eq!(rules(&sample), ["observer_attacked", "scheduled_job", "signals_others", "io_uring"]);
    assert_eq!(sample.app.found.serious(), 3);
}

#[test]
fn findings_are_narrowed_and_sorted() {
    let mut sample = Sample::found((120, 40));
    for (filter, expected) in [
        ("s e v e r i t y : h i g h", &["observer_attacked"][..]),
        ("p r o c : t a r", &["observer_attacked", "signals_others"]),
        ("p a t h : c r o n", &["scheduled_job"]),
        ("i s : f a i l e d", &["observer_attacked"]),
        ("c a l l : g l a s s h o u s e", &["observer_attacked"]),
        ("o p : r i n g", &["io_uring"]),
        ("s i g t e r m", &["observer_attacked", "signals_others"]),
    ] {
        press(&mut sample, &format!("/ {filter} enter"));
        assert_eq!(rules(&sample), expected, "{filter}");
        press(&mut sample, "esc");
    }
    press(&mut sample, "s");
    assert_eq!(rules(&sample)[0], "scheduled_job", "the first in time");
    press(&mut sample, "S");
    assert_eq!(rules(&sample)[3], "scheduled_job");
    press(&mut sample, "1 end p");
    assert_eq!(sample.app.selected_process().unwrap().tgid, 4250);
    assert_eq!(shown(&sample, Pane::Findings), (2, 4), "tar's own");
}

#[test]
fn a_finding_leads_to_what_it_is_about() {
    let mut sample = Sample::found((120, 40));
    press(&mut sample, "v");
    assert_eq!(sample.app.focus, Pane::Timeline);
    let moment = *sample.app.timeline.get(sample.app.moments.selected().unwrap()).unwrap();
    assert!(describe::moment(&sample.session, &moment).1.ends_with("SIGTERM 90 EPERM"));
    press(&mut sample, "7 down enter");
    assert!(sample.app.page.iter().any(|(name, value)| name == "ATT&CK" && value.contains("T1053.003")));
    assert!(sample.app.page.iter().any(|(name, value)| name == "  file" && value == "/etc/cron.d/tool"));
    press(&mut sample, "v");
    assert_eq!((sample.app.focus, &sample.app.overlay), (Pane::Files, &None));
    let row = sample.session.file_rows().get(sample.app.files.selected().unwrap()).unwrap();
    assert_eq!(row.path.value().unwrap().to_vec(), b"/etc/cron.d/tool");
    press(&mut sample, "7 t");
    assert_eq!(sample.app.focus, Pane::Processes);
    let rows: Vec<_> = sample.app.tree.ids().iter().map(|node| node.key.tgid).collect();
    assert_eq!(rows, [4242]);
    press(&mut sample, "enter");
    let page = &sample.app.page;
    assert!(
        page.iter().any(|(name, value)| name == "  medium" && value == "leaves a job for at or cron"),
        "{page:?}"
    );
    let effects = press(&mut sample, "esc 7 e c");
    let [Effect::Export { content, .. }] = &effects[..] else { panic!("{effects:?}") };
    let text = String::from_utf8_lossy(content);
    assert!(text.starts_with("severity,rule,title,attack,count,pid,process,first_s,evidence\r\n"), "{text}");
    assert!(text.contains("high,observer_attacked,") && text.contains("SIGTERM glasshouse EPERM"), "{text}");
}

/// Lists that are made anew in parts are the same in the end, whatever the user chooses meanwhile.
#[test]
fn lists_are_made_in_parts() {
    let mut sample = Sample::large((120, 40), 10_000);
    for keys in ["2 s", "s", "s", "S", "/ p a t h : 7 enter", "p", "o", "esc 1 down p"] {
        let pressed: Vec<Key> = keys.split(' ').map(|key| key.parse().unwrap()).collect();
        let world = World { session: &sample.session, progress: &sample.progress };
        let mut steps = 0;
        for key in &pressed {
            update(&mut sample.app, Input::Key((*key).into()), world);
            // The next key comes in the middle of it.
            sample.app.renew(world, &mut || true);
        }
        while !sample.app.renew(world, &mut || true) {
            steps += 1;
        }
        assert!(steps > 1, "{keys}");
        let in_parts =
            (sample.app.files.ids().to_vec(), sample.app.tree.ids().len(), sample.app.scoped.clone());
        sample.app.is_stale = true;
        sample.app.refresh(world);
        let at_once =
            (sample.app.files.ids().to_vec(), sample.app.tree.ids().len(), sample.app.scoped.clone());
        assert_eq!(in_parts, at_once, "{keys}");
    }
}
