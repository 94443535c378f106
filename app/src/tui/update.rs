//! The only place that changes the state: a key, a click or a paste, and what is to be done about it.

mod leads;
mod mouse;
#[cfg(test)]
mod tests;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{
    export,
    filter::Filter,
    keys::Action,
    state::{App, Overlay, Pane, Scope, World},
    terminal,
    view::{layout::Layout, overlay},
};
use crate::runner::{Request, Stage};

/// Something that the state cannot do by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the runner.
    Ask(Request),
    /// Type into the command's terminal.
    Type(Vec<u8>),
    /// Put a text into the clipboard.
    Copy(String),
    /// Write a new file.
    Export {
        /// The end of its name.
        extension: &'static str,
        /// Its content.
        content: Vec<u8>,
    },
}

/// Takes in what the user did.
pub fn update(app: &mut App, input: Input, world: World<'_>) -> Vec<Effect> {
    match input {
        Input::Key(key) if key.kind != KeyEventKind::Release => key_pressed(app, key, world),
        Input::Mouse(mouse) => mouse::clicked(app, mouse),
        Input::Paste(text) => pasted(app, &text),
        Input::Resize(columns, rows) => {
            app.size = (columns, rows);
            reveal(app);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn key_pressed(app: &mut App, key: KeyEvent, world: World<'_>) -> Vec<Effect> {
    app.notice = None;
    if app.typing {
        if app.keymap.action(key) == Some(Action::LeaveTerminal) {
            app.typing = false;
            return Vec::new();
        }
        let Some(emulator) = &mut app.terminal else { return Vec::new() };
        if emulator.scrolled() > 0 {
            emulator.scroll(i32::MIN + 1);
        }
        return vec![Effect::Type(terminal::key(key, emulator.input_mode()))];
    }
    if app.input.is_some() {
        filter_key(app, key);
        return Vec::new();
    }
    let action = app.keymap.action(key);
    if let Some(overlay) = app.overlay.clone() {
        return overlay_key(app, &overlay, key, action, world);
    }
    let effects = action.map(|action| act(app, action, world)).unwrap_or_default();
    reveal(app);
    effects
}

/// Makes the selection of every pane visible.
fn reveal(app: &mut App) {
    let layout = Layout::new(app);
    for pane in Pane::ALL {
        if let Some(cursor) = app.cursor_mut(pane) {
            cursor.reveal(layout.height(pane));
        }
    }
}

fn filter_key(app: &mut App, key: KeyEvent) {
    let Some(input) = &mut app.input else { return };
    match key.code {
        KeyCode::Esc => {
            app.input = None;
            set_filter(app, String::new());
        }
        KeyCode::Enter => match Filter::parse(input) {
            Ok(_) => app.input = None,
            Err(error) => app.notice = Some(error.message),
        },
        KeyCode::Backspace => {
            input.pop();
            let text = input.clone();
            set_filter(app, text);
        }
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => {
            input.clear();
            set_filter(app, String::new());
        }
        KeyCode::Char(char) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
            input.push(char);
            let text = input.clone();
            set_filter(app, text);
        }
        _ => {}
    }
}

/// Narrows the focused pane, as far as the text makes sense.
fn set_filter(app: &mut App, text: String) {
    let Ok(filter) = Filter::parse(&text) else { return };
    let Some(cursor) = app.cursor_mut(app.focus) else { return };
    if !filter.is_empty() {
        (cursor.last_filter, cursor.last_text) = (filter.clone(), text.clone());
    }
    (cursor.filter, cursor.filter_text) = (filter, text);
    app.is_stale = true;
}

fn overlay_key(
    app: &mut App,
    overlay: &Overlay,
    key: KeyEvent,
    action: Option<Action>,
    world: World<'_>,
) -> Vec<Effect> {
    let close = |app: &mut App| {
        app.overlay = None;
        app.overlay_offset = 0;
        app.page = Vec::new();
    };
    if action == Some(Action::Clear) {
        close(app);
        return Vec::new();
    }
    let answer = match key.code {
        KeyCode::Char(char) if key.modifiers.difference(KeyModifiers::SHIFT).is_empty() => Some(char),
        _ => None,
    };
    match (overlay, answer) {
        (Overlay::ConfirmEnd, Some('y')) => {
            close(app);
            return vec![Effect::Ask(Request::End)];
        }
        (Overlay::ConfirmQuit, Some('d')) => {
            close(app);
            return vec![Effect::Ask(Request::Detach)];
        }
        (Overlay::ConfirmQuit, Some('k')) => {
            close(app);
            return vec![Effect::Ask(Request::End), Effect::Ask(Request::Leave)];
        }
        (Overlay::ChooseFormat, Some('j')) => {
            close(app);
            return vec![Effect::Export { extension: "json", content: export::json(app, world) }];
        }
        (Overlay::ChooseFormat, Some('c')) => {
            close(app);
            return vec![Effect::Export { extension: "csv", content: export::csv(app, world) }];
        }
        (Overlay::ConfirmEnd | Overlay::ConfirmQuit | Overlay::ChooseFormat, _) => return Vec::new(),
        (Overlay::Help | Overlay::Details | Overlay::Ancestors, _) => {}
    }
    let (lines, page) = overlay::extent(app);
    let offset = app.overlay_offset;
    let last = lines.saturating_sub(page);
    match action {
        Some(Action::Up) => app.overlay_offset = offset.min(last).saturating_sub(1),
        Some(Action::Down) => app.overlay_offset = (offset + 1).min(last),
        Some(Action::PageUp) => app.overlay_offset = offset.min(last).saturating_sub(page),
        Some(Action::PageDown | Action::Freeze) => app.overlay_offset = (offset + page).min(last),
        Some(Action::Top) => app.overlay_offset = 0,
        Some(Action::Bottom) => app.overlay_offset = last,
        Some(Action::Details | Action::Quit | Action::Help | Action::Ancestors) => close(app),
        Some(Action::Evidence) if app.focus == Pane::Findings => {
            close(app);
            leads::evidence(app, world);
        }
        Some(Action::Copy) => {
            let text: Vec<_> = app.page.iter().map(|(name, value)| format!("{name}\t{value}")).collect();
            return vec![Effect::Copy(text.join("\n"))];
        }
        _ => {}
    }
    Vec::new()
}

/// Moves the selection of the focused pane.
fn step(app: &mut App, by: isize) {
    match app.cursor_mut(app.focus) {
        Some(cursor) => cursor.step(by),
        None => scroll_terminal(app, by),
    }
    selection_moved(app, app.focus);
}

/// Selects the next row that the last filter matches, or the one before.
fn find(app: &mut App, world: World<'_>, forward: bool) {
    let Some(cursor) = app.cursor(app.focus).filter(|cursor| !cursor.last_filter.is_empty()) else {
        app.say("nothing was looked for in this pane; / does");
        return;
    };
    let (before, text) = (cursor.position(), cursor.last_text.clone());
    let Some(found) = app.find(world, forward) else {
        app.say(format!("no row matches /{text}"));
        return;
    };
    if let Some(cursor) = app.cursor_mut(app.focus) {
        cursor.select(found);
    }
    if found == before {
        app.say(format!("no other row matches /{text}"));
    } else if (found > before) != forward {
        app.say(format!("/{text}, from the {} on", if forward { "top" } else { "bottom" }));
    } else {
        app.say(format!("/{text}"));
    }
    selection_moved(app, app.focus);
}

fn scroll_terminal(app: &mut App, by: isize) {
    if let Some(terminal) = &mut app.terminal {
        terminal.scroll(i32::try_from(-by).unwrap_or(0));
    }
}

/// What other panes show hangs on the selected process.
fn selection_moved(app: &mut App, pane: Pane) {
    app.is_stale |= pane == Pane::Processes && app.scope != Scope::All;
}

fn act(app: &mut App, action: Action, world: World<'_>) -> Vec<Effect> {
    let page = isize::try_from(Layout::new(app).height(app.focus)).unwrap_or(1);
    match action {
        Action::Up => step(app, -1),
        Action::Down => step(app, 1),
        Action::PageUp => step(app, -page),
        Action::PageDown => step(app, page),
        Action::Top => step(app, -(1 << 30)),
        Action::Bottom => step(app, 1 << 30),
        Action::Collapse => collapse(app, world),
        Action::Expand => expand(app),
        Action::Follow => follow(app),
        Action::NextPane => turn(app, 1),
        Action::PreviousPane => turn(app, Pane::ALL.len() - 1),
        Action::Processes => focus(app, Pane::Processes),
        Action::Files => focus(app, Pane::Files),
        Action::Network => focus(app, Pane::Network),
        Action::Terminal => focus(app, Pane::Terminal),
        Action::Timeline => focus(app, Pane::Timeline),
        Action::Syscalls => focus(app, Pane::Syscalls),
        Action::Findings => focus(app, Pane::Findings),
        Action::Zoom => app.zoomed = !app.zoomed,
        Action::Type => {
            if app.terminal.is_some() {
                focus(app, Pane::Terminal);
                app.typing = true;
            } else {
                app.say("the command has no terminal: its standard streams lead elsewhere");
            }
        }
        Action::LeaveTerminal => {}
        Action::Details => app.open(Overlay::Details, world),
        Action::Ancestors => app.open(Overlay::Ancestors, world),
        Action::Scope => {
            app.scope = match app.scope {
                Scope::All => Scope::Process,
                Scope::Process => Scope::Subtree,
                Scope::Subtree => Scope::All,
            };
            if let Some(key) = app.process_in_focus(world.session).filter(|_| app.focus != Pane::Processes)
                && app.scope == Scope::Process
            {
                select_process(app, key);
            }
            app.is_stale = true;
        }
        Action::Touched => leads::touched(app, world),
        Action::Evidence => leads::evidence(app, world),
        Action::Clear => clear(app),
        Action::Filter => {
            if app.focus == Pane::Terminal {
                app.say("the terminal cannot be filtered; tab leads to another pane");
            } else {
                app.input = Some(app.filter_text(app.focus).to_owned());
            }
        }
        Action::NextMatch => find(app, world, true),
        Action::PreviousMatch => find(app, world, false),
        Action::Sort => sort(app, false),
        Action::SortReverse => sort(app, true),
        Action::ChangesOnly => {
            app.changes_only = !app.changes_only;
            app.is_stale = true;
        }
        Action::WindowFrom => window(app, world, true),
        Action::WindowTo => window(app, world, false),
        Action::Freeze => match world.progress.stage {
            Stage::Running => return vec![Effect::Ask(Request::Freeze(true))],
            Stage::Frozen => return vec![Effect::Ask(Request::Freeze(false))],
            _ => app.say("there is nothing left to freeze"),
        },
        Action::Kill => match world.progress.stage {
            stage if stage.is_over() => app.say("the command has ended already"),
            _ => app.open(Overlay::ConfirmEnd, world),
        },
        Action::WriteReceipt => return vec![Effect::Ask(Request::WriteReceipt)],
        Action::Copy => return export::selected(app, world).map(Effect::Copy).into_iter().collect(),
        Action::Export => app.open(Overlay::ChooseFormat, world),
        Action::Help => app.open(Overlay::Help, world),
        Action::Quit => match world.progress.stage {
            stage if stage.is_over() => return vec![Effect::Ask(Request::Leave)],
            _ => app.open(Overlay::ConfirmQuit, world),
        },
    }
    Vec::new()
}

fn focus(app: &mut App, pane: Pane) {
    app.focus = pane;
    // What is not seen is not made.
    app.is_stale |= pane == Pane::Syscalls && app.lower != pane;
    if pane.is_lower() {
        app.lower = pane;
    } else {
        app.upper = pane;
    }
}

fn turn(app: &mut App, by: usize) {
    let at = Pane::ALL.iter().position(|pane| *pane == app.focus).unwrap_or(0);
    let steps = (1..=Pane::ALL.len()).map(|step| Pane::ALL[(at + step * by) % Pane::ALL.len()]);
    if let Some(pane) = steps.into_iter().find(|pane| app.offers(*pane)) {
        focus(app, pane);
    }
}

fn select_process(app: &mut App, key: crate::event::ProcessKey) {
    let found = app.tree.ids().iter().position(|node| node.key == key);
    if let Some(found) = found {
        app.tree.select(found);
    }
}

fn collapse(app: &mut App, world: World<'_>) {
    let Some(node) = app.tree.selected().filter(|_| app.focus == Pane::Processes) else { return };
    if node.has_children && app.collapsed.insert(node.key) {
        app.is_stale = true;
    } else if let Some(parent) = world.session.process(node.key).and_then(|process| process.parent) {
        select_process(app, parent);
    }
}

fn expand(app: &mut App) {
    let Some(node) = app.tree.selected().filter(|_| app.focus == Pane::Processes) else { return };
    if app.collapsed.remove(&node.key) {
        app.is_stale = true;
    } else if node.has_children {
        step(app, 1);
    }
}

fn follow(app: &mut App) {
    match app.cursor_mut(app.focus) {
        Some(cursor) => cursor.toggle_follow(),
        None => {
            if let Some(terminal) = &mut app.terminal {
                terminal.scroll(i32::MIN + 1);
            }
        }
    }
}

fn sort(app: &mut App, reverse: bool) {
    let columns = app.focus.sorts().len();
    let Some(cursor) = app.cursor_mut(app.focus) else { return };
    if reverse {
        cursor.reverse = !cursor.reverse;
    } else {
        cursor.sort = (cursor.sort + 1) % columns;
    }
    app.is_stale = true;
}

/// Takes back what narrows, the last thing first.
fn clear(app: &mut App) {
    if !app.filter_text(app.focus).is_empty() {
        set_filter(app, String::new());
    } else if app.touched.is_some() {
        app.touched = None;
    } else if app.window != (None, None) {
        app.window = (None, None);
    } else if app.changes_only {
        app.changes_only = false;
    } else if app.scope != Scope::All {
        app.scope = Scope::All;
    } else if app.zoomed {
        app.zoomed = false;
    }
    app.is_stale = true;
}

fn window(app: &mut App, world: World<'_>, from: bool) {
    let Some(at) = app.time_in_focus(world.session) else {
        app.say("select a row with a time first");
        return;
    };
    if from {
        app.window.0 = Some(at);
    } else {
        app.window.1 = Some(at);
    }
    app.is_stale = true;
}

fn pasted(app: &mut App, text: &str) -> Vec<Effect> {
    if let Some(input) = &mut app.input {
        input.push_str(text.lines().next().unwrap_or_default());
        let text = input.clone();
        set_filter(app, text);
    } else if app.typing
        && let Some(emulator) = &app.terminal
    {
        return vec![Effect::Type(terminal::paste(text, emulator.input_mode()))];
    }
    Vec::new()
}
