//! What the user sees of a run, and has chosen to see. The facts are the session's; here are the choices, and lists of
//! what they leave.

pub mod activity;
mod calls;
pub mod describe;
pub mod details;
mod files;
mod find;
pub mod findings;
pub mod list;
pub mod network;
pub mod rates;
mod refresh;
mod subjects;
pub mod timeline;
pub mod tree;

use std::{collections::BTreeMap, fmt};

use activity::Activity;
use findings::Found;
use list::{Cursor, List};
use rates::Rates;
use refresh::Renewal;
use timeline::Timeline;

use super::{keys::Keymap, terminal::Emulator, theme::Theme};
use crate::{
    event::{BootNs, CallsSoFar, Event, EventKind, FileTotals, ProcessKey, Syscall},
    maps::HashSet,
    runner::Progress,
    session::{FileRowId, NetworkView, Search, Session},
};

/// What there is to look at: the facts, and how far the run is.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The facts.
    pub session: &'a Session,
    /// How far the run is.
    pub progress: &'a Progress,
}

/// A pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pane {
    /// The process tree.
    Processes,
    /// Files.
    Files,
    /// The network.
    Network,
    /// The command's terminal.
    Terminal,
    /// What happened, in order.
    Timeline,
    /// System calls.
    Syscalls,
    /// What the rules find.
    Findings,
}

impl Pane {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Processes,
        Self::Files,
        Self::Network,
        Self::Terminal,
        Self::Timeline,
        Self::Syscalls,
        Self::Findings,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Processes => "Processes",
            Self::Files => "Files",
            Self::Network => "Network",
            Self::Terminal => "Terminal",
            Self::Timeline => "Timeline",
            Self::Syscalls => "System calls",
            Self::Findings => "Findings",
        }
    }

    /// It belongs to the lower half of the screen.
    pub fn is_lower(self) -> bool {
        matches!(self, Self::Terminal | Self::Timeline | Self::Syscalls | Self::Findings)
    }

    /// Columns that it can be sorted by.
    pub fn sorts(self) -> &'static [&'static str] {
        match self {
            Self::Processes => &tree::SORTS,
            Self::Files => &["time", "path", "bytes", "last use"],
            Self::Network => &["kind", "time", "bytes"],
            Self::Terminal => &[""],
            Self::Timeline => &["time"],
            Self::Syscalls => &["count", "name", "denied"],
            Self::Findings => &findings::SORTS,
        }
    }
}

/// Whose rows the other panes show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    #[default]
    All,
    /// Those of the selected process.
    Process,
    /// Those of the selected process and its descendants.
    Subtree,
}

/// Something that covers the panes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// What keys do.
    Help,
    /// All that is known of the selected row.
    Details,
    /// The processes that led to the selected one.
    Ancestors,
    /// Whether the command is to be ended.
    ConfirmEnd,
    /// How to leave while the command runs.
    ConfirmQuit,
    /// In which form to write the rows.
    ChooseFormat,
}

/// What processes are shown because they used something.
#[derive(Clone, Debug)]
pub struct Touched {
    /// What they used.
    pub what: String,
    /// They.
    pub processes: HashSet<ProcessKey>,
}

/// How often a system call was made and denied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCount {
    /// Made.
    pub count: u64,
    /// Denied.
    pub denied: u64,
}

/// Everything that the interface remembers.
pub struct App {
    /// Keys.
    pub keymap: Keymap,
    /// Colours and signs.
    pub theme: Theme,
    /// Columns and rows of the screen.
    pub size: (u16, u16),
    /// The pane that has the keys.
    pub focus: Pane,
    /// The pane of the upper half, where there is room for one.
    pub upper: Pane,
    /// The pane of the lower half.
    pub lower: Pane,
    /// The focused pane has all the room.
    pub zoomed: bool,
    /// Share of the upper half, per cent.
    pub upper_share: u16,
    /// Share of the processes in it, per cent.
    pub left_share: u16,
    /// A border is being dragged.
    pub dragging: Option<Border>,
    /// Keys go to the command.
    pub typing: bool,
    /// What covers the panes.
    pub overlay: Option<Overlay>,
    /// What the overlay tells, as of the last time that the lists were made.
    pub page: Vec<details::Line>,
    /// Lines that the overlay is scrolled by.
    pub overlay_offset: usize,
    /// A filter is being typed.
    pub input: Option<String>,
    /// The last thing that there was to say.
    pub notice: Option<String>,
    /// Whose rows other panes show.
    pub scope: Scope,
    /// Processes that used something.
    pub touched: Option<Touched>,
    /// From when and until when rows are shown.
    pub window: (Option<BootNs>, Option<BootNs>),
    /// Only what changed something is shown.
    pub changes_only: bool,
    /// Rows of the tree.
    pub tree: List<tree::Node>,
    /// Branches that are closed.
    pub collapsed: HashSet<ProcessKey>,
    /// Rows of files.
    pub files: List<FileRowId>,
    /// Rows of the network.
    pub network: List<network::Row>,
    /// What these rows are of.
    pub connections: Option<NetworkView>,
    /// Rows of the timeline.
    pub moments: List<u64>,
    /// What happened.
    pub timeline: Timeline,
    /// Rows of system calls.
    pub calls: List<Syscall>,
    /// Their counts.
    pub call_counts: BTreeMap<Syscall, CallCount>,
    /// Rows of findings.
    pub findings: List<findings::Row>,
    /// What these rows are of.
    pub found: Found,
    /// System calls that are not reported yet.
    calls_so_far: CallsSoFar,
    /// How much happens.
    pub activity: Activity,
    /// How fast bytes go through the rows on the screen.
    pub rates: Rates,
    /// The command's terminal.
    pub terminal: Option<Emulator>,
    /// Whose rows are shown, if not everybody's.
    pub scoped: Option<HashSet<ProcessKey>>,
    /// Names of users by their numbers.
    pub users: BTreeMap<u32, String>,
    /// A search for findings that is under way.
    search: Option<Search>,
    /// Lists that are being made anew.
    renewal: Option<Renewal>,
    /// Rows of files, also those that are not shown.
    files_all: u64,
    /// How many rows of files were looked at.
    files_seen: [u32; 3],
    /// How many moments were.
    moments_seen: u64,
    /// Lists are older than the user's choices.
    pub(super) is_stale: bool,
}

impl fmt::Debug for App {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("App")
            .field("focus", &self.focus)
            .field("overlay", &self.overlay)
            .finish_non_exhaustive()
    }
}

/// A border that can be dragged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// Between the halves.
    Middle,
    /// Between processes and what is beside them.
    Left,
}

impl App {
    /// Nothing chosen yet. `terminal` is the command's, if it has one.
    pub fn new(keymap: Keymap, theme: Theme, size: (u16, u16), terminal: Option<Emulator>) -> Self {
        let lower = if terminal.is_some() { Pane::Terminal } else { Pane::Timeline };
        let mut moments = List::default();
        moments.toggle_follow();
        let mut calls = List::default();
        calls.reverse = true;
        Self {
            keymap,
            theme,
            size,
            focus: Pane::Processes,
            upper: Pane::Processes,
            lower,
            zoomed: false,
            upper_share: 60,
            left_share: 50,
            dragging: None,
            typing: false,
            overlay: None,
            page: Vec::new(),
            overlay_offset: 0,
            input: None,
            notice: None,
            scope: Scope::All,
            touched: None,
            window: (None, None),
            changes_only: false,
            tree: List::default(),
            collapsed: HashSet::default(),
            files: List::default(),
            network: List::default(),
            connections: None,
            moments,
            timeline: Timeline::default(),
            calls,
            call_counts: BTreeMap::new(),
            findings: List::default(),
            found: Found::default(),
            calls_so_far: CallsSoFar::default(),
            activity: Activity::default(),
            rates: Rates::default(),
            terminal,
            scoped: None,
            users: BTreeMap::new(),
            search: None,
            renewal: None,
            files_all: 0,
            files_seen: [0; 3],
            moments_seen: 0,
            is_stale: true,
        }
    }

    /// Takes in an event that the session has taken in.
    pub fn observe(&mut self, event: &Event, session: &Session, now: BootNs) {
        let is_secret = match &event.kind {
            EventKind::FileSeen(seen) => describe::is_secret(session, event.process, &seen.path.path),
            EventKind::FileFailed(failed) => describe::is_secret(session, event.process, &failed.path.path),
            _ => false,
        };
        let rows = session.file_rows();
        let is_change = match &event.kind {
            EventKind::FileChanged(_) => {
                let last = rows.counts()[1].checked_sub(1).map(FileRowId::Change);
                last.and_then(|id| rows.get(id)).is_some_and(|row| row.changes())
            }
            EventKind::FileTotals(FileTotals { access, .. }) => {
                rows.of_access(*access).and_then(|id| rows.get(id)).is_some_and(|row| row.changes())
            }
            EventKind::FileSeen(seen) => {
                rows.of_access(seen.access).and_then(|id| rows.get(id)).is_some_and(|row| row.changes())
            }
            _ => false,
        };
        self.activity.count(event, now, is_secret, is_change);
        self.timeline.observe(event, rows);
    }

    /// Name of a user, or the number.
    pub fn user(&self, uid: u32) -> String {
        self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }

    /// Shows a message.
    pub fn say(&mut self, message: impl Into<String>) {
        self.notice = Some(message.into());
    }

    /// The process that is selected.
    pub fn selected_process(&self) -> Option<ProcessKey> {
        self.tree.selected().map(|node| node.key)
    }

    /// The process of the selected row of the focused pane.
    pub fn process_in_focus(&self, session: &Session) -> Option<ProcessKey> {
        match self.focus {
            Pane::Files => session.file_rows().get(self.files.selected()?).map(|row| row.process),
            Pane::Network => self.network.selected()?.process(self.connections.as_ref()?),
            Pane::Timeline => self.timeline.get(self.moments.selected()?).map(|moment| moment.process),
            Pane::Findings => self.found.get(self.findings.selected()?).map(|one| one.process),
            Pane::Processes | Pane::Terminal | Pane::Syscalls => self.selected_process(),
        }
    }

    /// When what the selected row of the focused pane tells of happened.
    pub fn time_in_focus(&self, session: &Session) -> Option<BootNs> {
        match self.focus {
            Pane::Files => session.file_rows().get(self.files.selected()?).map(|row| row.first_at),
            Pane::Network => self.network.selected().map(|row| row.at),
            Pane::Timeline => self.timeline.get(self.moments.selected()?).map(|moment| moment.at),
            Pane::Processes => session.process(self.selected_process()?).map(|process| process.started_at),
            Pane::Findings => self.found.get(self.findings.selected()?).map(|one| one.first_at),
            Pane::Terminal | Pane::Syscalls => None,
        }
    }

    /// A pane is among those that can be turned to: findings are when there are any, or when they were asked for.
    pub fn offers(&self, pane: Pane) -> bool {
        pane != Pane::Findings || !self.found.findings.list.is_empty() || self.lower == pane
    }

    /// What is chosen of the rows of a pane; a terminal has none.
    pub fn cursor(&self, pane: Pane) -> Option<&Cursor> {
        match pane {
            Pane::Processes => Some(&self.tree),
            Pane::Files => Some(&self.files),
            Pane::Network => Some(&self.network),
            Pane::Timeline => Some(&self.moments),
            Pane::Syscalls => Some(&self.calls),
            Pane::Findings => Some(&self.findings),
            Pane::Terminal => None,
        }
    }

    /// The same, to choose otherwise.
    pub fn cursor_mut(&mut self, pane: Pane) -> Option<&mut Cursor> {
        match pane {
            Pane::Processes => Some(&mut self.tree),
            Pane::Files => Some(&mut self.files),
            Pane::Network => Some(&mut self.network),
            Pane::Timeline => Some(&mut self.moments),
            Pane::Syscalls => Some(&mut self.calls),
            Pane::Findings => Some(&mut self.findings),
            Pane::Terminal => None,
        }
    }

    /// The text of the filter of a pane.
    pub fn filter_text(&self, pane: Pane) -> &str {
        self.cursor(pane).map_or("", |cursor| &cursor.filter_text)
    }
}
