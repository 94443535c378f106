//! How what is recorded looks as JSON, field by field: written by serde's serializer, and read from its values.
//!
//! What a reader may leave out a writer leaves out: numbers that are zero, flags that are not set, lists that are empty and
//! what there is none of. Texts are as in the receipt.

mod events;
mod facts;
mod named;
mod network;
mod values;

use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap},
};
use serde_json::{Map, Value};

pub(super) use events::{kind_of, write_kind};

/// Something that has a form in a recording.
pub(super) trait Field: Sized {
    /// Writes it.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads it; null stands for what was left out.
    fn read(value: Value) -> Result<Self, Malformed>;

    /// It is what null stands for, and may be left out.
    fn is_absent(&self) -> bool {
        false
    }
}

/// What lists are made of: everything but bytes, a list of which is a text.
pub(super) trait Entry: Field {}

/// Something as serde writes it.
pub(super) struct Written<'a, T>(pub(super) &'a T);

impl<T: Field> Serialize for Written<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

/// Why a value cannot be read: what is wrong, and in which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    field: String,
    wrong: &'static str,
}

impl Malformed {
    /// Something is wrong with a value itself.
    pub(super) fn new(wrong: &'static str) -> Self {
        Self { field: String::new(), wrong }
    }

    fn within(mut self, field: &str) -> Self {
        let separator = if self.field.is_empty() { "" } else { "." };
        self.field.insert_str(0, separator);
        self.field.insert_str(0, field);
        self
    }
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.field.as_str() {
            "" => formatter.write_str(self.wrong),
            field => write!(formatter, "{field}: {}", self.wrong),
        }
    }
}

/// The members of an object.
pub(super) type Object = Map<String, Value>;

/// The members, if it is one.
pub(super) fn object(value: Value) -> Result<Object, Malformed> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Malformed::new("expected an object")),
    }
}

/// One member, taken out.
pub(super) fn member<T: Field>(object: &mut Object, name: &str) -> Result<T, Malformed> {
    T::read(object.remove(name).unwrap_or(Value::Null)).map_err(|malformed| malformed.within(name))
}

/// Adds a member, unless it may be left out.
pub(super) fn put<M: SerializeMap>(map: &mut M, name: &str, field: &impl Field) -> Result<(), M::Error> {
    if field.is_absent() { Ok(()) } else { map.serialize_entry(name, &Written(field)) }
}

/// Types whose form is an object of their fields.
macro_rules! objects {
    ($($type:ty { $($name:ident),* $(,)? })*) => {$(
        impl $crate::recording::fields::Field for $type {
            fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap as _;
                let mut map = serializer.serialize_map(None)?;
                $($crate::recording::fields::put(&mut map, stringify!($name), &self.$name)?;)*
                map.end()
            }

            fn read(value: serde_json::Value) -> Result<Self, $crate::recording::fields::Malformed> {
                let mut object = $crate::recording::fields::object(value)?;
                Ok(Self { $($name: $crate::recording::fields::member(&mut object, stringify!($name))?),* })
            }
        }

        impl $crate::recording::fields::Entry for $type {}
    )*};
}

/// Types whose form is one of some names.
macro_rules! names {
    ($($type:ty { $($variant:ident = $name:literal),* $(,)? })*) => {$(
        impl $crate::recording::fields::Field for $type {
            fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(match self { $(Self::$variant => $name),* })
            }

            fn read(value: serde_json::Value) -> Result<Self, $crate::recording::fields::Malformed> {
                match value.as_str() {
                    $(Some($name) => Ok(Self::$variant),)*
                    _ => Err($crate::recording::fields::Malformed::new("expected one of the names that there are")),
                }
            }
        }
    )*};
}

pub(in crate::recording) use {names, objects};

/// A type whose form is an object with one member, by which it is told what it is.
fn write_tagged<S: Serializer>(serializer: S, tag: &str, field: &impl Field) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(tag, &Written(field))?;
    map.end()
}

/// The one member of an object.
fn tagged(value: Value) -> Result<(String, Value), Malformed> {
    let mut members = object(value)?.into_iter();
    match (members.next(), members.next()) {
        (Some(member), None) => Ok(member),
        _ => Err(Malformed::new("expected an object with one member")),
    }
}

/// What must never be written.
fn refuse<S: Serializer>(why: &str) -> Result<S::Ok, S::Error> {
    Err(S::Error::custom(why))
}
