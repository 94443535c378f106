//! Where panes are. A pure function of the screen's size and the user's choices, so that the mouse finds what was drawn.

use ratatui::layout::Rect;

use crate::tui::state::{App, Border, Pane};

/// From this width on processes, files and network stand beside each other.
const WIDE: u16 = 100;
/// From this width on the terminal has a column of its own.
const VERY_WIDE: u16 = 200;
/// From this height on there are two halves.
const TALL: u16 = 20;

/// A frame with tabs, of which one is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What it can show.
    pub tabs: Vec<Pane>,
    /// What it shows.
    pub shown: Pane,
    /// Where it is, border included.
    pub area: Rect,
}

impl Group {
    /// The tabs as they are written, each with the column where it begins. Where not all names fit, those of the others
    /// are cut to their numbers.
    pub fn labels(&self) -> Vec<(Pane, u16, String)> {
        let names: usize = self.tabs.iter().map(|pane| pane.name().len() + 5).sum();
        let is_tight = names > usize::from(self.area.width.saturating_sub(2));
        let mut begins: u16 = 2;
        let mut labels = Vec::with_capacity(self.tabs.len());
        for pane in &self.tabs {
            let number = Pane::ALL.iter().position(|other| other == pane).map_or(0, |at| at + 1);
            let label = if is_tight && *pane != self.shown {
                number.to_string()
            } else {
                format!("{number} {}", pane.name())
            };
            let cells = u16::try_from(label.len()).unwrap_or(u16::MAX);
            labels.push((*pane, begins, label));
            // A line with blanks around it is between them.
            begins = begins.saturating_add(cells).saturating_add(3);
        }
        labels
    }

    /// The tab whose name is at a column of the screen.
    pub fn tab_at(&self, column: u16) -> Option<Pane> {
        let column = column.checked_sub(self.area.x)?;
        let is_at = |(_, begins, label): &(Pane, u16, String)| {
            column.checked_sub(*begins).is_some_and(|within| usize::from(within) < label.len())
        };
        self.labels().into_iter().find(is_at).map(|(pane, ..)| pane)
    }

    /// Where its rows are.
    pub fn inner(&self) -> Rect {
        let Rect { x, y, width, height } = self.area;
        Rect::new(x + 1.min(width), y + 1.min(height), width.saturating_sub(2), height.saturating_sub(2))
    }
}

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The first line.
    pub header: Rect,
    /// The panes.
    pub groups: Vec<Group>,
    /// The last line.
    pub footer: Rect,
}

impl Layout {
    /// For what the app is now.
    pub fn new(app: &App) -> Self {
        let (width, height) = app.size;
        let screen = Rect::new(0, 0, width, height);
        let (header, rest) = rows(screen, height.min(1));
        let (main, footer) = rows(rest, rest.height.saturating_sub(1));
        Self { header, groups: groups(app, main), footer }
    }

    /// The frame that shows a pane.
    pub fn group(&self, pane: Pane) -> Option<&Group> {
        self.groups.iter().find(|group| group.shown == pane)
    }

    /// Rows that a pane has room for.
    pub fn height(&self, pane: Pane) -> usize {
        self.group(pane).map_or(1, |group| group.inner().height.into())
    }

    /// The border at a cell that can be dragged.
    pub fn border(&self, app: &App, column: u16, row: u16) -> Option<Border> {
        if app.zoomed || self.groups.len() < 2 {
            return None;
        }
        let lower = self.groups.last()?;
        let processes = self.group(Pane::Processes)?;
        let is_side = processes.area.right() <= column + 1
            && column <= processes.area.right()
            && processes.area.right() < app.size.0
            && row > processes.area.y
            && row + 1 < processes.area.bottom();
        if is_side {
            return Some(Border::Left);
        }
        // The tabs are there to be clicked.
        (row + 1 == lower.area.y || (row == lower.area.y && column > lower.area.x + 40))
            .then_some(Border::Middle)
    }
}

/// The upper so many rows of an area, and the others. A solver of constraints takes longer than all else that is drawn.
fn rows(area: Rect, upper: u16) -> (Rect, Rect) {
    let Rect { x, y, width, height } = area;
    (Rect::new(x, y, width, upper), Rect::new(x, y + upper, width, height - upper))
}

/// The left so many columns of an area, and the others.
fn columns(area: Rect, left: u16) -> (Rect, Rect) {
    let Rect { x, y, width, height } = area;
    (Rect::new(x, y, left, height), Rect::new(x + left, y, width - left, height))
}

/// So many of `whole` parts of a length, rounded.
fn part(length: u16, parts: u16, whole: u16) -> u16 {
    let [length, parts, whole] = [length, parts, whole].map(u32::from);
    u16::try_from((length * parts + whole / 2) / whole).unwrap_or(u16::MAX)
}

/// Those panes that can be turned to.
fn offered(app: &App, panes: &[Pane]) -> Vec<Pane> {
    panes.iter().copied().filter(|pane| app.offers(*pane)).collect()
}

fn groups(app: &App, main: Rect) -> Vec<Group> {
    let one = |pane: Pane, area| Group { tabs: vec![pane], shown: pane, area };
    if app.zoomed || app.size.1 < TALL {
        return vec![Group { tabs: offered(app, &Pane::ALL), shown: app.focus, area: main }];
    }
    let upper_tabs = [Pane::Processes, Pane::Files, Pane::Network];
    let lower_tabs = offered(app, &[Pane::Terminal, Pane::Timeline, Pane::Syscalls, Pane::Findings]);
    let share = app.upper_share.clamp(20, 80);
    let (upper, lower) = rows(main, part(main.height, share, 100));
    if app.size.0 < WIDE {
        return vec![
            Group { tabs: upper_tabs.to_vec(), shown: app.upper, area: upper },
            Group { tabs: lower_tabs, shown: app.lower, area: lower },
        ];
    }
    let left_share = app.left_share.clamp(20, 80);
    let has_column = app.size.0 >= VERY_WIDE && app.terminal.is_some();
    let (upper, terminal) = if has_column {
        let (rest, column) = columns(upper, part(upper.width, 2, 3));
        (rest, Some(column))
    } else {
        (upper, None)
    };
    let (left, right) = columns(upper, part(upper.width, left_share, 100));
    let (files, network) = rows(right, part(right.height, 60, 100));
    let mut groups = vec![one(Pane::Processes, left), one(Pane::Files, files), one(Pane::Network, network)];
    let mut below = lower_tabs;
    let mut shown = app.lower;
    if let Some(column) = terminal {
        groups.push(one(Pane::Terminal, column));
        below.retain(|pane| *pane != Pane::Terminal);
        if shown == Pane::Terminal {
            shown = Pane::Timeline;
        }
    }
    groups.push(Group { tabs: below, shown, area: lower });
    groups
}
