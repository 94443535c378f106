//! Numbers, texts, lists, and values that could not be observed.

use core::net::IpAddr;
use std::{borrow::Cow, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{
    Serializer,
    ser::{SerializeMap as _, SerializeSeq as _},
};
use serde_json::Value;

use super::{Entry, Field, Malformed, Written, member, object, put, write_tagged};
use crate::{
    event::{Observed, Unreadable},
    hex::{bytes_of_hex, hex},
};

macro_rules! numbers {
    ($($type:ty, $write:ident, $as:ident;)*) => {$(
        impl Field for $type {
            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.$write(*self)
            }

            fn read(value: Value) -> Result<Self, Malformed> {
                if value.is_null() {
                    return Ok(0);
                }
                let number = value.$as().and_then(|number| number.try_into().ok());
                number.ok_or(Malformed::new(concat!("expected a number of the kind ", stringify!($type))))
            }

            fn is_absent(&self) -> bool {
                *self == 0
            }
        }
    )*};
}

numbers! {
    u8, serialize_u8, as_u64;
    u16, serialize_u16, as_u64;
    u32, serialize_u32, as_u64;
    u64, serialize_u64, as_u64;
    i32, serialize_i32, as_i64;
    i64, serialize_i64, as_i64;
}

impl Entry for u16 {}

impl Field for bool {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*self)
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        match value {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(flag),
            _ => Err(Malformed::new("expected true or false")),
        }
    }

    fn is_absent(&self) -> bool {
        !self
    }
}

impl Field for String {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        match value {
            Value::String(text) => Ok(text),
            _ => Err(Malformed::new("expected a string")),
        }
    }
}

impl Entry for String {}

impl Field for Cow<'static, str> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        String::read(value).map(Cow::Owned)
    }
}

impl Field for Arc<str> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        String::read(value).map(Self::from)
    }
}

fn write_text<S: Serializer>(text: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    match str::from_utf8(text) {
        Ok(text) => serializer.serialize_str(text),
        Err(_) => write_tagged(serializer, "base64", &BASE64_STANDARD.encode(text)),
    }
}

/// A text: any bytes.
impl Field for Vec<u8> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_text(self, serializer)
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        match value {
            Value::String(text) => Ok(text.into_bytes()),
            Value::Object(mut object) if object.len() == 1 => {
                let encoded: String = member(&mut object, "base64")?;
                BASE64_STANDARD.decode(encoded).map_err(|_| Malformed::new("expected base64"))
            }
            _ => Err(Malformed::new("expected a text")),
        }
    }
}

impl Entry for Vec<u8> {}

impl Field for Arc<[u8]> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_text(self, serializer)
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        Vec::<u8>::read(value).map(Self::from)
    }
}

/// A digest.
impl Field for [u8; 32] {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(self))
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        let digits = value.as_str().and_then(|text| bytes_of_hex(text.as_bytes()));
        digits.ok_or(Malformed::new("expected 64 hexadecimal digits"))
    }
}

impl<T: Field> Field for Option<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(value) => value.write(serializer),
            None => serializer.serialize_unit(),
        }
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        if value.is_null() { Ok(None) } else { T::read(value).map(Some) }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Field> Field for Box<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).write(serializer)
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        T::read(value).map(Self::new)
    }
}

fn write_list<S: Serializer, T: Entry>(list: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let mut entries = serializer.serialize_seq(Some(list.len()))?;
    for entry in list {
        entries.serialize_element(&Written(entry))?;
    }
    entries.end()
}

impl<T: Entry> Field for Vec<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_list(self, serializer)
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        match value {
            Value::Null => Ok(Self::new()),
            Value::Array(entries) => entries.into_iter().map(T::read).collect(),
            _ => Err(Malformed::new("expected a list")),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl Field for Arc<[Vec<u8>]> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_list(self, serializer)
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        Vec::<Vec<u8>>::read(value).map(Self::from)
    }
}

/// Two things side by side: a list of two.
impl<A: Field, B: Field> Field for (A, B) {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_seq(Some(2))?;
        pair.serialize_element(&Written(&self.0))?;
        pair.serialize_element(&Written(&self.1))?;
        pair.end()
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        let Value::Array(pair) = value else { return Err(Malformed::new("expected a list of two")) };
        let [one, other] =
            <[Value; 2]>::try_from(pair).map_err(|_| Malformed::new("expected a list of two"))?;
        Ok((A::read(one)?, B::read(other)?))
    }
}

impl<A: Field, B: Field> Entry for (A, B) {}

impl Field for IpAddr {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        let address = value.as_str().and_then(|text| text.parse().ok());
        address.ok_or(Malformed::new("expected an IPv4 or IPv6 address"))
    }
}

impl Field for Unreadable {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (name, errno) = match self {
            Self::Lost => ("lost", 0),
            Self::Fault(errno) => ("fault", *errno),
            Self::NotAvailable => ("not_available", 0),
            Self::Absent => ("absent", 0),
            Self::Gone => ("gone", 0),
            Self::Changed => ("changed", 0),
            Self::NotRegular => ("not_regular", 0),
            Self::Io(errno) => ("io_error", *errno),
            Self::TimedOut => ("timed_out", 0),
            Self::Ended => ("ended", 0),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("unreadable", name)?;
        put(&mut map, "errno", &errno)?;
        map.end()
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        let mut object = object(value)?;
        let (name, errno): (String, i32) =
            (member(&mut object, "unreadable")?, member(&mut object, "errno")?);
        Ok(match name.as_str() {
            "lost" => Self::Lost,
            "fault" => Self::Fault(errno),
            "not_available" => Self::NotAvailable,
            "absent" => Self::Absent,
            "gone" => Self::Gone,
            "changed" => Self::Changed,
            "not_regular" => Self::NotRegular,
            "io_error" => Self::Io(errno),
            "timed_out" => Self::TimedOut,
            "ended" => Self::Ended,
            _ => return Err(Malformed::new("expected a reason that there is")),
        })
    }
}

/// What a value is that could not be observed.
fn unreadable(value: &Value) -> bool {
    value.get("unreadable").is_some()
}

impl<T: Field> Field for Observed<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Complete(value) => value.write(serializer),
            Self::Truncated { value, length } => {
                let mut map = serializer.serialize_map(Some(3))?;
                map.serialize_entry("value", &Written(value))?;
                map.serialize_entry("truncated", &true)?;
                map.serialize_entry("length", length)?;
                map.end()
            }
            Self::Unreadable(why) => why.write(serializer),
        }
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        if unreadable(&value) {
            return Unreadable::read(value).map(Self::Unreadable);
        }
        match value {
            Value::Object(mut object) if object.contains_key("truncated") => Ok(Self::Truncated {
                value: member(&mut object, "value")?,
                length: member(&mut object, "length")?,
            }),
            value => T::read(value).map(Self::Complete),
        }
    }
}

impl<T: Field> Field for Result<T, Unreadable> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Ok(value) => value.write(serializer),
            Err(why) => why.write(serializer),
        }
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        if unreadable(&value) { Unreadable::read(value).map(Err) } else { T::read(value).map(Ok) }
    }
}
