//! The configuration: colours, signs and keys, from a file that need not be there.
//!
//! ```toml
//! [theme]
//! mode = "auto"        # dark, light
//! color = "auto"       # none, 16, true
//! signs = "auto"       # unicode, ascii
//!
//! [theme.colors]       # by what they mean: "#98c379", "green" or "12"
//! changed = "#e5c07b"
//!
//! [keys]               # by the names that the keys of actions have: one key or several
//! details = ["enter", "d"]
//! ```

use std::{collections::BTreeMap, ops::Range};

use ratatui::style::Color;
use serde::Deserialize;
use toml::Spanned;

use super::{
    keys::{Entry, Key, Keymap, TABLE},
    theme::{ASCII, Depth, ROLES, Role, Shade, Signs, Theme, UNICODE},
};

/// What can be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    shade: Option<Shade>,
    depth: Option<Depth>,
    signs: Option<&'static Signs>,
    colours: BTreeMap<Role, Color>,
    /// Keys.
    pub keymap: Keymap,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ConfigError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    theme: Option<ThemeTable>,
    keys: Option<BTreeMap<Spanned<String>, Spanned<Keys>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThemeTable {
    mode: Option<Spanned<String>>,
    color: Option<Spanned<String>>,
    signs: Option<Spanned<String>>,
    colors: Option<BTreeMap<Spanned<String>, Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a key, or a list of keys")]
enum Keys {
    One(String),
    Several(Vec<String>),
}

impl Config {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let error = |span: Range<usize>, message: String| error_at(text, span.start, message);
        let file: File = toml::from_str(text)
            .map_err(|wrong| error(wrong.span().unwrap_or(0..0), wrong.message().to_owned()))?;
        let mut config = Self::default();
        if let Some(theme) = &file.theme {
            config.shade = chosen(theme.mode.as_ref(), &[("dark", Shade::Dark), ("light", Shade::Light)])
                .map_err(|(span, message)| error(span, message))?;
            let depths = [("none", Depth::None), ("16", Depth::Ansi16), ("true", Depth::TrueColor)];
            config.depth =
                chosen(theme.color.as_ref(), &depths).map_err(|(span, message)| error(span, message))?;
            config.signs = chosen(theme.signs.as_ref(), &[("unicode", &UNICODE), ("ascii", &ASCII)])
                .map_err(|(span, message)| error(span, message))?;
            for (name, value) in theme.colors.iter().flatten() {
                let role = ROLES.iter().find(|(known, _)| known == name.get_ref());
                let (_, role) = role.ok_or_else(|| {
                    let known: Vec<_> = ROLES.iter().map(|(name, _)| *name).collect();
                    error(
                        name.span(),
                        format!("there is no colour '{}'; there are {}", name.get_ref(), known.join(", ")),
                    )
                })?;
                let colour = value.get_ref().parse().map_err(|_| {
                    error(value.span(), format!("'{}' is no colour; type \"#rrggbb\", a name such as \"green\", or a number up to 255", value.get_ref()))
                })?;
                config.colours.insert(*role, colour);
            }
        }
        for (name, keys) in file.keys.iter().flatten() {
            let entry = TABLE.iter().find(|entry| setting(entry) == *name.get_ref());
            let entry = entry.ok_or_else(|| {
                let known: Vec<_> = TABLE.iter().map(setting).collect();
                error(
                    name.span(),
                    format!("there is no action '{}'; there are {}", name.get_ref(), known.join(", ")),
                )
            })?;
            let names = match keys.get_ref() {
                Keys::One(key) => std::slice::from_ref(key),
                Keys::Several(keys) => keys,
            };
            let parsed = names.iter().map(|key| key.parse()).collect::<Result<Vec<Key>, _>>();
            let parsed = parsed.map_err(|wrong| error(keys.span(), wrong.to_string()))?;
            config.keymap.bind(entry.action, &parsed).map_err(|(key, taken)| {
                let taken = TABLE.iter().find(|entry| entry.action == taken).map(setting).unwrap_or_default();
                error(
                    keys.span(),
                    format!("the key {key} is that of {taken} already; give that another one above"),
                )
            })?;
        }
        Ok(config)
    }

    /// The theme that was chosen, or what the environment tells where nothing was.
    pub fn theme(&self, variable: impl Fn(&str) -> Option<String>) -> Theme {
        let depth = self.depth.unwrap_or_else(|| Depth::detect(&variable));
        let shade = self.shade.unwrap_or_else(|| Shade::detect(&variable));
        let signs = self.signs.unwrap_or_else(|| Signs::detect(&variable));
        Theme::new(depth, shade, signs).with_colours(self.colours.clone())
    }
}

/// How the configuration calls an action: `PageUp` is `page_up`.
fn setting(entry: &Entry) -> String {
    let mut name = String::new();
    for char in entry.name.chars() {
        if char.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(char.to_ascii_lowercase());
    }
    name
}

/// The value of a name; nothing for `auto`.
fn chosen<T: Copy>(
    value: Option<&Spanned<String>>,
    known: &[(&str, T)],
) -> Result<Option<T>, (Range<usize>, String)> {
    let Some(value) = value.filter(|value| value.get_ref() != "auto") else { return Ok(None) };
    let found = known.iter().find(|(name, _)| name == value.get_ref());
    found.map(|(_, found)| Some(*found)).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        (value.span(), format!("'{}' is none of \"auto\", {}", value.get_ref(), names.join(", ")))
    })
}

fn error_at(text: &str, at: usize, message: String) -> ConfigError {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    ConfigError { line, column, message }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use proptest::prelude::*;

    use super::*;
    use crate::tui::keys::Action;

    #[test]
    fn what_is_chosen_holds() {
        let config = Config::parse(
            "[theme]\nmode = \"light\"\ncolor = \"true\"\nsigns = \"ascii\"\n[theme.colors]\nchanged = \"#010203\"\n\
             [keys]\nquit = \"ctrl-q\"\ndetails = [\"enter\", \"q\"]\n",
        );
        // Tables are read by name, so that details come before quit.
        assert!(config.unwrap_err().message.contains("quit already"));
        let config =
            Config::parse("[theme]\nsigns = \"ascii\"\ncolor = \"true\"\n[theme.colors]\nchanged = \"#010203\"\n[keys]\ndetails = [\"enter\", \"D\"]\n")
                .unwrap();
        let theme = config.theme(|_| None);
        assert_eq!((theme.depth(), theme.signs), (Depth::TrueColor, &ASCII));
        assert_eq!(theme.style(Role::Changed).fg, Some(Color::Rgb(1, 2, 3)));
        let key = KeyEvent::new(KeyCode::Char('D'), KeyModifiers::SHIFT);
        assert_eq!(config.keymap.action(key), Some(Action::Details));
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn what_is_wrong_has_a_line() {
        for (text, line, column, says) in [
            ("[theme]\nmode = \"blue\"\n", 2, 8, "\"dark\", \"light\""),
            ("[theme]\nmodes = \"dark\"\n", 2, 1, "unknown field"),
            ("\n[keys]\nquit = \"hyper-q\"\n", 3, 8, "there is no key 'hyper-q'"),
            ("[keys]\nleave = \"q\"\n", 2, 1, "there is no action 'leave'"),
            ("[keys]\nhelp = \"q\"\n", 2, 8, "that of quit already"),
            ("[theme.colors]\nlost = \"reddish\"\n", 2, 8, "is no colour"),
            ("[theme.colors]\nwon = \"red\"\n", 2, 1, "there is no colour 'won'"),
            ("[theme\n", 1, 7, ""),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text:?}: {error}");
            assert!(error.message.contains(says), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_in_a_file(text in "(\\[(theme|keys|theme.colors)\\]\n|[a-z_]{1,8} = [\"a-z0-9#\\[\\], ]{0,10}\n|.{0,10}\n){0,8}") {
            let _ = Config::parse(&text);
        }
    }
}
