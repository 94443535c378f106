//! The first line and the last.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::Span,
};

use super::line;
use crate::{
    runner::Stage,
    tui::{
        filter::Filter,
        keys::Action,
        state::{App, Pane, World, describe},
        text,
        theme::Role,
    },
};

/// Cells from which on it is also said that nothing was found.
const VERY_WIDE: u16 = 140;

/// State, time, command, how much happens, what was lost, where the receipt is.
pub(super) fn header(app: &App, world: World<'_>, area: Rect, buffer: &mut Buffer) {
    let progress = world.progress;
    let theme = &app.theme;
    let until = progress.finished_at.unwrap_or(progress.now);
    let elapsed = text::clock(until.saturating_sub(progress.started_at));
    let signs = theme.signs;
    let (sign, role, state) = match progress.stage {
        Stage::Running => (signs.live, Role::Live, "running".to_owned()),
        Stage::Frozen => (signs.frozen, Role::Frozen, "FROZEN".to_owned()),
        Stage::Ending => (signs.live, Role::Failed, "being ended".to_owned()),
        Stage::Concluding => (signs.live, Role::Accent, "taking in the last events".to_owned()),
        Stage::Hashing => (signs.live, Role::Accent, "hashing files".to_owned()),
        Stage::Writing => (signs.live, Role::Accent, "writing the receipt".to_owned()),
        Stage::Finished => {
            let outcome = progress.outcome.clone().unwrap_or_else(|| "ended".into());
            let well = progress.succeeded;
            let sign = if well { signs.ok } else { signs.bad };
            (sign, if well { Role::Finished } else { Role::Failed }, outcome)
        }
    };
    let wide = area.width >= 110;
    let mut left = vec![Span::raw(" ")];
    left.push(Span::styled(format!("{sign} {state} {elapsed}"), theme.style(role)));
    let mut right = Vec::new();
    if area.width >= 60 {
        right.push(Span::styled(
            format!("  {} events", text::short_count(app.activity.events)),
            theme.style(Role::Muted),
        ));
    }
    if wide {
        right.push(Span::styled(format!("  {}", sparkline(app)), theme.style(Role::Accent)));
    }
    if area.width >= 60 {
        let rate = format!("{}/s", text::short_count(app.activity.rate()));
        right.push(Span::styled(format!("  {}", text::pad_left(&rate, 6)), theme.style(Role::Muted)));
    }
    // What can be done without where all the rest does not fit.
    let mut spare = right.len();
    right.push(Span::raw("  "));
    let lost_role = if progress.lost > 0 { Role::Lost } else { Role::Muted };
    right.push(Span::styled(format!("lost {}", text::short_count(progress.lost)), theme.style(lost_role)));
    let serious = app.found.serious();
    if serious > 0 {
        let words = format!("  {} findings {}", signs.high, text::short_count(serious as u64));
        right.push(Span::styled(words, theme.style(Role::Failed)));
    } else if area.width >= VERY_WIDE {
        right.push(Span::styled("  findings 0", theme.style(Role::Muted)));
    }
    if wide {
        let (words, role) = match &progress.receipt {
            None => ("no receipt yet".to_owned(), Role::Muted),
            Some(Ok((Some(path), sha256))) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                let name = text::clean(std::os::unix::ffi::OsStrExt::as_bytes(name)).into_owned();
                (format!("{} {name} sha256 {}", signs.out, sha256.get(..8).unwrap_or(sha256)), Role::Text)
            }
            Some(Ok((None, _))) => (format!("{} standard output", signs.out), Role::Text),
            Some(Err(_)) => ("no receipt".to_owned(), Role::Lost),
        };
        right.push(Span::styled(format!("  {words}"), theme.style(role)));
    }
    right.push(Span::raw(" "));
    let name = Span::styled("glasshouse  ", theme.style(Role::Header));
    let width = |spans: &[Span<'_>]| -> usize { spans.iter().map(Span::width).sum() };
    while spare > 0 && width(&left) + width(&right) > area.width.into() {
        spare -= 1;
        right.remove(spare);
    }
    if width(&left) + width(&right) + name.width() <= area.width.into() {
        left.insert(1, name);
    }
    let used = width(&left) + width(&right);
    let room = usize::from(area.width).saturating_sub(used + 3);
    if room > 8
        && let Some(root) = world.session.root()
        && let Some(process) = world.session.process(root)
    {
        // What was asked for, not what the root became.
        let first = process.executions.first().and_then(|execution| execution.argv.value());
        let words = first.map(|argv| {
            let texts = world.session.texts();
            texts.list(*argv).iter().map(|id| text::clean(texts.bytes_of(*id))).collect::<Vec<_>>().join(" ")
        });
        let command = words.unwrap_or_else(|| describe::name(world.session, root).into_owned());
        left.push(Span::raw("   "));
        left.push(Span::raw(text::shorten_end(&command, room, signs.ellipsis).into_owned()));
    }
    line(left, right, theme.style(Role::Text), area, buffer);
}

fn sparkline(app: &App) -> String {
    let columns: Vec<u32> = app.activity.columns().collect();
    let highest = columns.iter().copied().max().unwrap_or(0).max(1);
    columns
        .iter()
        .map(|count| {
            // By its root, so that little is still something beside much.
            let share = (f64::from(*count) / f64::from(highest)).sqrt();
            match count {
                0 => " ",
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 7")]
                _ => app.theme.signs.spark[((share * 7.0).round() as usize).min(7)],
            }
        })
        .collect()
}

/// What is being typed, what there is to say, or what can be done. Gives where the cursor is while a filter is typed.
pub(super) fn footer(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let theme = &app.theme;
    if let Some(input) = &app.input {
        let shown = text::clean(input.as_bytes()).into_owned();
        let error = Filter::parse(input).err().map(|error| error.message);
        let hint = error.clone().unwrap_or_else(|| {
            "words, -not, proc: pid: path: op: port: host: addr: user: call: severity: is:denied|failed|changed|live|ended".into()
        });
        let role = if error.is_some() { Role::Failed } else { Role::Muted };
        let column = area.x + 2 + u16::try_from(text::width(&shown)).unwrap_or(area.width);
        let left = vec![
            Span::styled(" /", theme.style(Role::Key)),
            Span::raw(shown),
            Span::styled(format!("   {hint}"), theme.style(role)),
        ];
        line(left, Vec::new(), theme.style(Role::Text), area, buffer);
        return Some(Position::new(column.min(area.right().saturating_sub(1)), area.y));
    }
    if let Some(notice) = &app.notice {
        let left = vec![Span::raw(" "), Span::styled(notice.clone(), theme.style(Role::Accent))];
        line(left, Vec::new(), theme.style(Role::Text), area, buffer);
        return None;
    }
    let mut left = vec![Span::raw(" ")];
    let mut room = usize::from(area.width).saturating_sub(2);
    for action in hints(app) {
        let Some(entry) = super::super::keys::TABLE.iter().find(|entry| entry.action == *action) else {
            continue;
        };
        let key = app.keymap.shown(*action);
        let taken = text::width(&key) + entry.hint.len() + 3;
        if key.is_empty() || taken > room {
            continue;
        }
        room -= taken;
        left.push(Span::styled(key, theme.style(Role::Key)));
        left.push(Span::styled(format!(" {}  ", entry.hint), theme.style(Role::Muted)));
    }
    line(left, Vec::new(), theme.style(Role::Text), area, buffer);
    None
}

/// What is worth a hint, most useful first.
fn hints(app: &App) -> &'static [Action] {
    if app.typing {
        return &[Action::LeaveTerminal];
    }
    match app.focus {
        Pane::Terminal => &[
            Action::Type,
            Action::NextPane,
            Action::Zoom,
            Action::Freeze,
            Action::Kill,
            Action::Help,
            Action::Quit,
        ],
        Pane::Files | Pane::Network => &[
            Action::Details,
            Action::Filter,
            Action::Touched,
            Action::Sort,
            Action::ChangesOnly,
            Action::NextPane,
            Action::Freeze,
            Action::Clear,
            Action::Help,
            Action::Quit,
        ],
        Pane::Findings => &[
            Action::Details,
            Action::Evidence,
            Action::Filter,
            Action::Touched,
            Action::Sort,
            Action::NextPane,
            Action::Clear,
            Action::Help,
            Action::Quit,
        ],
        _ => &[
            Action::Details,
            Action::Filter,
            Action::Scope,
            Action::NextPane,
            Action::Freeze,
            Action::Type,
            Action::Follow,
            Action::Clear,
            Action::Help,
            Action::Quit,
        ],
    }
}
