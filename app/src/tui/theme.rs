//! Colours and signs by what they mean. No meaning is carried by a colour alone.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};

/// What a part of the screen means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Ordinary text.
    Text,
    /// What matters less.
    Muted,
    /// The border of a pane.
    Border,
    /// The border of the pane that has the keys.
    Focus,
    /// What the eye is led to.
    Accent,
    /// Made or modified.
    Changed,
    /// Removed.
    Removed,
    /// Failed or denied.
    Failed,
    /// Of the network.
    Network,
    /// Sensitive.
    Secret,
    /// Alive.
    Live,
    /// Over.
    Finished,
    /// Frozen.
    Frozen,
    /// Something was lost: always loud.
    Lost,
    /// The selected row of the pane that has the keys.
    Selection,
    /// The selected row of another pane.
    SelectionElsewhere,
    /// The name of a pane.
    Title,
    /// The first line.
    Header,
    /// A key in a hint.
    Key,
}

/// Roles by the names that the configuration has for them.
pub const ROLES: &[(&str, Role)] = &[
    ("text", Role::Text),
    ("muted", Role::Muted),
    ("border", Role::Border),
    ("focus", Role::Focus),
    ("accent", Role::Accent),
    ("changed", Role::Changed),
    ("removed", Role::Removed),
    ("failed", Role::Failed),
    ("network", Role::Network),
    ("secret", Role::Secret),
    ("live", Role::Live),
    ("finished", Role::Finished),
    ("frozen", Role::Frozen),
    ("lost", Role::Lost),
    ("selection", Role::Selection),
    ("selection_elsewhere", Role::SelectionElsewhere),
    ("title", Role::Title),
    ("header", Role::Header),
    ("key", Role::Key),
];

/// How many colours there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// None: `NO_COLOR`, or a terminal without.
    None,
    /// The 16 that every terminal has in its own palette.
    Ansi16,
    /// 16 million.
    TrueColor,
}

/// The terminal's background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shade {
    /// Dark.
    Dark,
    /// Light.
    Light,
}

/// Styles by role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theme {
    depth: Depth,
    shade: Shade,
    /// Colours that were chosen.
    chosen: BTreeMap<Role, Color>,
    /// Signs.
    pub signs: &'static Signs,
}

/// Signs that stand beside colours.
#[derive(Debug, PartialEq, Eq)]
pub struct Signs {
    /// Made.
    pub created: &'static str,
    /// Modified.
    pub modified: &'static str,
    /// Removed.
    pub removed: &'static str,
    /// Failed.
    pub failed: &'static str,
    /// Read.
    pub read: &'static str,
    /// Executed, or mapped to be.
    pub executed: &'static str,
    /// From here to there.
    pub out: &'static str,
    /// From there to here.
    pub incoming: &'static str,
    /// A question.
    pub ask: &'static str,
    /// A listener.
    pub listen: &'static str,
    /// A unix socket.
    pub local: &'static str,
    /// Went well.
    pub ok: &'static str,
    /// Did not.
    pub bad: &'static str,
    /// Sensitive.
    pub secret: &'static str,
    /// Running.
    pub live: &'static str,
    /// Frozen.
    pub frozen: &'static str,
    /// Opened branch.
    pub open: &'static str,
    /// Closed branch.
    pub closed: &'static str,
    /// Cut text.
    pub ellipsis: &'static str,
    /// Line of a tree that goes on below.
    pub line: &'static str,
    /// A branch.
    pub branch: &'static str,
    /// The last branch.
    pub corner: &'static str,
    /// From the branch to the name.
    pub dash: &'static str,
    /// It used the network.
    pub network: &'static str,
    /// It changed files.
    pub files: &'static str,
    /// A finding that is worth knowing.
    pub info: &'static str,
    /// Of low severity.
    pub low: &'static str,
    /// Of medium severity.
    pub medium: &'static str,
    /// Of high severity.
    pub high: &'static str,
    /// Sent.
    pub up: &'static str,
    /// Received.
    pub down: &'static str,
    /// Between parts of a line.
    pub dot: &'static str,
    /// Levels of activity.
    pub spark: [&'static str; 8],
    /// Borders of panes are drawn with lines.
    pub has_lines: bool,
}

/// For terminals of today.
pub const UNICODE: Signs = Signs {
    created: "+",
    modified: "~",
    removed: "-",
    failed: "!",
    read: "r",
    executed: "x",
    out: "→",
    incoming: "←",
    ask: "?",
    listen: "◇",
    local: "⌁",
    ok: "✓",
    bad: "✗",
    secret: "▲",
    live: "●",
    frozen: "❄",
    open: "▾",
    closed: "▸",
    ellipsis: "…",
    line: "│",
    branch: "├",
    corner: "└",
    dash: "─",
    network: "⇄",
    files: "▤",
    info: "○",
    low: "◌",
    medium: "◆",
    high: "⚑",
    up: "↑",
    down: "↓",
    dot: "·",
    spark: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    has_lines: true,
};

/// For all others.
pub const ASCII: Signs = Signs {
    created: "+",
    modified: "~",
    removed: "-",
    failed: "!",
    read: "r",
    executed: "x",
    out: ">",
    incoming: "<",
    ask: "?",
    listen: "L",
    local: "u",
    ok: "ok",
    bad: "X",
    secret: "^",
    live: "*",
    frozen: "#",
    open: "v",
    closed: ">",
    ellipsis: "~",
    line: "|",
    branch: "|",
    corner: "`",
    dash: "-",
    network: "N",
    files: "F",
    info: "i",
    low: "l",
    medium: "M",
    high: "H",
    up: "^",
    down: "v",
    dot: "-",
    spark: [" ", ".", ".", ":", ":", "+", "#", "#"],
    has_lines: false,
};

impl Depth {
    /// From the environment: `NO_COLOR`, `COLORTERM`, `TERM`.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let is = |name: &str, what: &[&str]| {
            variable(name).is_some_and(|value| what.iter().any(|what| value.contains(what)))
        };
        if variable("NO_COLOR").is_some_and(|value| !value.is_empty())
            || is("TERM", &["mono", "vt100", "vt220"])
        {
            Self::None
        } else if is("COLORTERM", &["truecolor", "24bit"]) || is("TERM", &["direct", "kitty", "alacritty"]) {
            Self::TrueColor
        } else {
            Self::Ansi16
        }
    }
}

impl Shade {
    /// From `COLORFGBG`, which some terminals set; most backgrounds are dark.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let background = variable("COLORFGBG").and_then(|value| value.rsplit(';').next()?.parse::<u8>().ok());
        match background {
            Some(7 | 15) => Self::Light,
            _ => Self::Dark,
        }
    }
}

impl Signs {
    /// Those that the locale has, as the C library decides on it.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> &'static Self {
        let set = |name: &&str| variable(name).is_some_and(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find(set).and_then(&variable);
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") { &UNICODE } else { &ASCII }
    }
}

impl Theme {
    /// A theme for a terminal.
    pub fn new(depth: Depth, shade: Shade, signs: &'static Signs) -> Self {
        Self { depth, shade, chosen: BTreeMap::new(), signs }
    }

    /// The same with other colours, where there are colours.
    pub fn with_colours(self, chosen: BTreeMap<Role, Color>) -> Self {
        Self { chosen, ..self }
    }

    /// The terminal's background is light.
    pub fn is_light(&self) -> bool {
        self.shade == Shade::Light
    }

    /// How many colours there are.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// The style of a role.
    pub fn style(&self, role: Role) -> Style {
        let style = Style::new();
        let style = match self.depth {
            Depth::None => style,
            Depth::Ansi16 | Depth::TrueColor => {
                let (foreground, background) = self.colours(role);
                let foreground = self.chosen.get(&role).copied().or(foreground);
                Style { fg: foreground, bg: background, ..style }
            }
        };
        style.add_modifier(self.modifier(role))
    }

    fn modifier(&self, role: Role) -> Modifier {
        match role {
            Role::Accent | Role::Header | Role::Focus | Role::Key => Modifier::BOLD,
            Role::Lost => Modifier::BOLD.union(Modifier::REVERSED),
            Role::Selection if self.depth != Depth::TrueColor => Modifier::REVERSED,
            Role::SelectionElsewhere if self.depth != Depth::TrueColor => Modifier::UNDERLINED,
            Role::Muted | Role::Border | Role::Finished if self.depth == Depth::None => Modifier::DIM,
            Role::Failed | Role::Secret if self.depth == Depth::None => Modifier::BOLD,
            _ => Modifier::empty(),
        }
    }

    fn colours(&self, role: Role) -> (Option<Color>, Option<Color>) {
        if self.depth == Depth::TrueColor { self.true_colours(role) } else { (self.ansi(role), None) }
    }

    fn ansi(&self, role: Role) -> Option<Color> {
        Some(match role {
            Role::Text | Role::Header | Role::Title | Role::Selection | Role::SelectionElsewhere => {
                return None;
            }
            Role::Muted | Role::Border | Role::Finished => Color::DarkGray,
            Role::Focus | Role::Accent | Role::Key => match self.shade {
                Shade::Dark => Color::Cyan,
                Shade::Light => Color::Blue,
            },
            Role::Changed => match self.shade {
                Shade::Dark => Color::Yellow,
                Shade::Light => Color::Magenta,
            },
            Role::Removed | Role::Secret => Color::Magenta,
            Role::Failed | Role::Lost => Color::Red,
            Role::Network | Role::Frozen => Color::Blue,
            Role::Live => Color::Green,
        })
    }

    fn true_colours(&self, role: Role) -> (Option<Color>, Option<Color>) {
        let dark = self.shade == Shade::Dark;
        let of = |on_dark: u32, on_light: u32| Some(Color::from_u32(if dark { on_dark } else { on_light }));
        let foreground = match role {
            Role::Text | Role::Selection | Role::SelectionElsewhere => None,
            Role::Header => of(0x00e6_e9ef, 0x001c_1f26),
            Role::Title => of(0x00c2_c8d2, 0x0033_3842),
            Role::Muted => of(0x007d_8593, 0x006b_7280),
            Role::Border => of(0x003d_4350, 0x00b8_bec9),
            Role::Finished => of(0x008b_93a1, 0x007a_818d),
            Role::Focus | Role::Accent | Role::Key => of(0x007f_c8e8, 0x000b_689c),
            Role::Changed => of(0x00e5_c07b, 0x008a_5c00),
            Role::Removed => of(0x00d1_9ae0, 0x008b_3aa0),
            Role::Failed => of(0x00f0_7f88, 0x00b3_261e),
            Role::Network => of(0x0082_aaff, 0x002a_52be),
            Role::Secret => of(0x00f5_a970, 0x00a8_4b00),
            Role::Live => of(0x0098_c379, 0x002f_7d32),
            Role::Frozen => of(0x009c_dcfe, 0x0000_6fa8),
            Role::Lost => of(0x00ff_5c66, 0x00c6_101a),
        };
        let background = match role {
            Role::Selection => of(0x002d_3a4d, 0x00cf_e3f5),
            Role::SelectionElsewhere => of(0x0022_2833, 0x00e8_ecf1),
            _ => None,
        };
        (foreground, background)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_environment_decides() {
        assert_eq!(Depth::detect(from(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")])), Depth::None);
        assert_eq!(Depth::detect(from(&[("NO_COLOR", ""), ("COLORTERM", "truecolor")])), Depth::TrueColor);
        assert_eq!(Depth::detect(from(&[("TERM", "xterm-256color")])), Depth::Ansi16);
        assert_eq!(Shade::detect(from(&[("COLORFGBG", "0;15")])), Shade::Light);
        assert_eq!(Shade::detect(from(&[])), Shade::Dark);
        assert_eq!(Signs::detect(from(&[("LANG", "C.UTF-8")])), &UNICODE);
        assert_eq!(Signs::detect(from(&[("LC_ALL", "C"), ("LANG", "C.UTF-8")])), &ASCII);
        assert_eq!(Signs::detect(from(&[])), &ASCII);
    }

    #[test]
    fn without_colours_what_matters_still_differs() {
        let theme = Theme::new(Depth::None, Shade::Dark, &ASCII);
        let text = theme.style(Role::Text);
        for role in
            [Role::Lost, Role::Failed, Role::Selection, Role::SelectionElsewhere, Role::Muted, Role::Focus]
        {
            assert_ne!(theme.style(role), text, "{role:?}");
            assert_eq!((theme.style(role).fg, theme.style(role).bg), (None, None));
        }
    }
}
