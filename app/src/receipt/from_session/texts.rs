//! Texts on their way into the receipt: shared with the session where nothing is removed from them.

use std::{borrow::Cow, sync::Arc};

use super::{ReceiptOptions, split};
use crate::{
    event::{
        Observed, Syscall,
        marks::{self, Cut, HASHED},
    },
    hex::bytes_of_hex,
    maps::HashMap,
    names,
    receipt::schema::{
        self, Bytes, EnvironmentPointer, EnvironmentVariable, Listed, OptionalText, Reason, Redaction, True,
        Value,
    },
    session::{ListId, TextId, Texts as Kept},
    syscalls,
};

/// Variables of environments that are written again although an equal environment stands earlier. Nearly all processes
/// of a run have the same one: in a short receipt every execution has its own to read, and a long one, past a megabyte
/// of repetitions, refers to the first.
const REPEATED_VARIABLES: usize = 8_192;

/// Arguments as they stand in the receipt.
pub(super) type Arguments = Arc<[Listed]>;

/// An environment as it stands in the receipt.
pub(super) type Environment = Arc<[Arc<EnvironmentVariable>]>;

/// Texts, with what was made of them so far and what was removed.
pub(super) struct Texts<'a> {
    kept: &'a Kept,
    env_values: bool,
    redacts: bool,
    /// Names of calls and of errors.
    calls: HashMap<Syscall, Arc<str>>,
    errors: HashMap<i32, Arc<str>>,
    /// Argument lists.
    arguments: HashMap<ListId, ArgumentList>,
    /// Environment strings.
    variables: HashMap<TextId, Variable>,
    /// Where an environment was given first.
    environments: HashMap<Observed<ListId>, EnvironmentPointer>,
    /// Variables of environments that were given before.
    repeated: usize,
    /// What was removed so far.
    pub(super) redactions: Vec<Redaction>,
}

/// Arguments, and the places in the list of those that were redacted.
#[derive(Clone)]
struct ArgumentList {
    shown: Arguments,
    redacted: Arc<[String]>,
}

/// A variable, and the field of it that was redacted.
#[derive(Clone)]
struct Variable {
    shown: Arc<EnvironmentVariable>,
    redacted: Option<&'static str>,
}

/// An environment, or where an equal one stands.
pub(super) enum Given {
    /// It stands here.
    Here(Value<Environment>),
    /// An equal one stands there.
    There(EnvironmentPointer),
}

impl<'a> Texts<'a> {
    pub(super) fn new(kept: &'a Kept, options: &ReceiptOptions) -> Self {
        Self {
            kept,
            env_values: options.env_values,
            redacts: options.redacts,
            calls: HashMap::default(),
            errors: HashMap::default(),
            arguments: HashMap::default(),
            variables: HashMap::default(),
            environments: HashMap::default(),
            repeated: 0,
            redactions: Vec::new(),
        }
    }

    /// A text that is not the session's.
    pub(super) fn redacted(&mut self, text: &[u8], pointer: impl FnOnce() -> String) -> Bytes {
        match self.without_marks(text) {
            Some(redacted) => {
                self.removed(pointer());
                redacted
            }
            None => Bytes::from(text),
        }
    }

    /// A text of the session.
    pub(super) fn text(&mut self, id: TextId, pointer: impl FnOnce() -> String) -> Bytes {
        self.shared_text(&self.kept.text(id), pointer)
    }

    fn shared_text(&mut self, text: &Arc<[u8]>, pointer: impl FnOnce() -> String) -> Bytes {
        match self.without_marks(text) {
            Some(redacted) => {
                self.removed(pointer());
                redacted
            }
            None => Bytes(Arc::clone(text)),
        }
    }

    /// A text as it is shown, if parts of it were removed.
    fn without_marks(&self, text: &[u8]) -> Option<Bytes> {
        let shown = self.redacts.then(|| marks::shown(text));
        shown.filter(|shown| matches!(shown, Cow::Owned(_))).map(|shown| Bytes(Arc::from(shown)))
    }

    /// A text of the session, as far as it was observed. `pointer` leads to the field.
    pub(super) fn observed(
        &mut self,
        text: Observed<TextId>,
        pointer: impl FnOnce() -> String,
    ) -> (Option<Value<Bytes>>, Option<Reason>) {
        split(match text {
            Observed::Complete(id) => Ok(Value::Whole(self.text(id, pointer))),
            Observed::Truncated { value, length } => {
                let value = self.text(value, || pointer() + "/value");
                Ok(Value::Truncated { value, truncated: True, length })
            }
            Observed::Unreadable(why) => Err(why.into()),
        })
    }

    /// Name of a call.
    pub(super) fn call(&mut self, call: Syscall) -> Arc<str> {
        Arc::clone(self.calls.entry(call).or_insert_with(|| Arc::from(syscalls::name(call))))
    }

    /// Name of an error.
    pub(super) fn errno(&mut self, errno: i32) -> Arc<str> {
        Arc::clone(self.errors.entry(errno).or_insert_with(|| names::errno(errno).into()))
    }

    /// A text that is shared with the session, as far as it was observed. `pointer` leads to the field.
    pub(super) fn shared(
        &mut self,
        text: &Observed<Arc<[u8]>>,
        pointer: impl FnOnce() -> String,
    ) -> (Option<Value<Bytes>>, Option<Reason>) {
        split(match text {
            Observed::Complete(text) => Ok(Value::Whole(self.shared_text(text, pointer))),
            Observed::Truncated { value, length } => {
                let value = self.shared_text(value, || pointer() + "/value");
                Ok(Value::Truncated { value, truncated: True, length: *length })
            }
            Observed::Unreadable(why) => Err((*why).into()),
        })
    }

    /// A text that not every entry has, and the reason why it is null where an entry has it.
    pub(super) fn optional(
        &mut self,
        text: Option<&Observed<Arc<[u8]>>>,
        pointer: impl FnOnce() -> String,
    ) -> (OptionalText, Option<Reason>) {
        let Some(text) = text else { return (None, None) };
        let (text, reason) = self.shared(text, pointer);
        (Some(text.map(Box::new)), reason)
    }

    /// Arguments of the command itself.
    pub(super) fn command_argv(&mut self, argv: &[Vec<u8>]) -> Vec<Bytes> {
        let one = |(index, text): (usize, &Vec<u8>)| self.redacted(text, || format!("/command/argv/{index}"));
        argv.iter().enumerate().map(one).collect()
    }

    /// Environment of the command itself.
    pub(super) fn command_environment(&mut self, environment: &[Vec<u8>]) -> Vec<EnvironmentVariable> {
        let mut shown = Vec::with_capacity(environment.len());
        for (index, string) in environment.iter().enumerate() {
            let (variable, redacted) = self.variable(string);
            if let Some(field) = redacted {
                self.removed(format!("/command/environment/{index}/{field}"));
            }
            shown.push(variable);
        }
        shown
    }

    /// Arguments of an exec. `pointer` leads to the list.
    pub(super) fn arguments(
        &mut self,
        argv: Observed<ListId>,
        pointer: impl Fn() -> String,
    ) -> (Option<Value<Arguments>>, Option<Reason>) {
        let (id, length) = match argv {
            Observed::Complete(id) => (id, None),
            Observed::Truncated { value, length } => (value, Some(length)),
            Observed::Unreadable(why) => return (None, Some(why.into())),
        };
        let ArgumentList { shown, redacted } = self.argument_list(id);
        let inner = if length.is_some() { "/value" } else { "" };
        for place in redacted.iter() {
            self.removed(format!("{}{inner}/{place}", pointer()));
        }
        (Some(whole_or_truncated(shown, length)), None)
    }

    fn argument_list(&mut self, id: ListId) -> ArgumentList {
        if let Some(made) = self.arguments.get(&id) {
            return made.clone();
        }
        let mut redacted = Vec::new();
        let mut list = Vec::new();
        for (index, text) in self.kept.list(id).iter().enumerate() {
            let text = self.kept.text(*text);
            let (known, cut) = marks::without_cut(&text);
            let shown = match self.without_marks(known) {
                Some(text) => {
                    redacted.push(if cut.is_some() { format!("{index}/value") } else { index.to_string() });
                    text
                }
                None if cut.is_some() => Bytes::from(known),
                None => Bytes(text),
            };
            list.push(listed(shown, cut));
        }
        let made = ArgumentList { shown: Arc::from(list), redacted: Arc::from(redacted) };
        self.arguments.insert(id, made.clone());
        made
    }

    /// Environment of an exec that stands `here`.
    pub(super) fn environment(
        &mut self,
        environment: Observed<ListId>,
        here: EnvironmentPointer,
    ) -> Result<Given, Reason> {
        let (id, length) = match environment {
            Observed::Complete(id) => (id, None),
            Observed::Truncated { value, length } => (value, Some(length)),
            Observed::Unreadable(why) => return Err(why.into()),
        };
        let kept = self.kept;
        if let Some(first) = self.environments.get(&environment) {
            self.repeated += kept.list(id).len();
            if self.repeated > REPEATED_VARIABLES {
                return Ok(Given::There(*first));
            }
        } else {
            self.environments.insert(environment, here);
        }
        let inner = if length.is_some() { "/value" } else { "" };
        let mut list = Vec::with_capacity(kept.list(id).len());
        for (index, text) in kept.list(id).iter().enumerate() {
            let Variable { shown, redacted } = self.shared_variable(*text);
            if let Some(field) = redacted {
                self.removed(format!("{here}{inner}/{index}/{field}"));
            }
            list.push(shown);
        }
        Ok(Given::Here(whole_or_truncated(Arc::from(list), length)))
    }

    fn shared_variable(&mut self, id: TextId) -> Variable {
        if let Some(made) = self.variables.get(&id) {
            return made.clone();
        }
        let (shown, redacted) = self.variable(&self.kept.text(id));
        let made = Variable { shown: Arc::new(shown), redacted };
        self.variables.insert(id, made.clone());
        made
    }

    /// An environment string, and the name of the field that something was removed from.
    fn variable(&self, string: &[u8]) -> (EnvironmentVariable, Option<&'static str>) {
        let (string, cut) = marks::without_cut(string);
        let equals = string.iter().position(|byte| *byte == b'=');
        let (name, value) = match (equals, cut) {
            (Some(at), _) => (&string[..at], Ok(&string[at + 1..])),
            (None, None) => (string, Err(Reason::None)),
            // There may be one behind it.
            (None, Some(cut)) => (string, Err(cut.why.into())),
        };
        let of_value = cut.filter(|_| value.is_ok()).map(|cut| Cut {
            length: cut.length.and_then(|length| length.checked_sub(name.len() as u64 + 1)),
            ..cut
        });
        let shown =
            |text| self.without_marks(text).map_or_else(|| (Bytes::from(text), false), |it| (it, true));
        let (name, name_redacted) = shown(name);
        let name = listed(name, cut.filter(|_| of_value.is_none()));
        let (variable, value_redacted) = if self.env_values {
            let (value, value_reason) = split(value.map(shown));
            let (value, redacted) = value.unzip();
            let value = value.map(|value| listed(value, of_value));
            let redacted = redacted == Some(true);
            let place = if of_value.is_some() { "value/value" } else { "value" };
            (EnvironmentVariable::Kept { name, value, value_reason }, redacted.then_some(place))
        } else {
            let hash = |value: &[u8]| match of_value {
                // That of a part would be that of another value.
                Some(cut) if value.is_empty() => Err(cut.why.into()),
                _ => hash(value),
            };
            let (value_sha256, value_sha256_reason) = split(value.and_then(hash));
            let redacted = value_sha256_reason == Some(Reason::Redacted);
            let value_length = of_value.and_then(|cut| cut.length);
            let variable =
                EnvironmentVariable::Hashed { name, value_sha256, value_sha256_reason, value_length };
            (variable, redacted.then_some("value_sha256"))
        };
        let of_name = if cut.is_some() && of_value.is_none() { "name/value" } else { "name" };
        (variable, name_redacted.then_some(of_name).or(value_redacted))
    }

    fn removed(&mut self, pointer: String) {
        self.redactions.push(Redaction { pointer, method: "pattern" });
    }
}

/// A text of a list, which may be only the beginning of one.
fn listed(value: Bytes, cut: Option<Cut>) -> Listed {
    match cut {
        None => Listed::Whole(value),
        Some(Cut { why, length }) => Listed::Cut {
            value,
            truncated: True,
            truncated_reason: why.into(),
            length,
            length_reason: length.is_none().then_some(Reason::Unknown),
        },
    }
}

/// The hash that stands for a value.
fn hash(value: &[u8]) -> Result<schema::Sha256, Reason> {
    let mark = value.strip_prefix(HASHED).ok_or(Reason::Unknown)?;
    bytes_of_hex(mark).map(schema::Sha256).ok_or(Reason::Redacted)
}

fn whole_or_truncated<T>(value: T, length: Option<u64>) -> Value<T> {
    match length {
        Some(length) => Value::Truncated { value, truncated: True, length },
        None => Value::Whole(value),
    }
}
