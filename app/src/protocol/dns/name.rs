//! Domain names.

use std::fmt;

use domain::base::{ParsedName, name::ToLabelIter};

/// A domain name, as it was sent: labels are bytes, and may hold any of them, dots included.
///
/// Two names are equal if their bytes are. DNS itself takes the cases of a letter for the same (RFC 4343), see
/// [`Name::to_lowercase`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Each label behind its length, without the empty one of the root.
    labels: Box<[u8]>,
}

impl Name {
    pub fn is_root(&self) -> bool {
        self.labels.is_empty()
    }

    /// From the leaf to the root, which is left out.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.labels;
        std::iter::from_fn(move || {
            let (length, behind) = rest.split_first()?;
            let (label, behind) = behind.split_at_checked(usize::from(*length))?;
            rest = behind;
            Some(label)
        })
    }

    #[must_use]
    pub fn to_lowercase(&self) -> Self {
        // A length is below 64, where there are no letters.
        Self { labels: self.labels.to_ascii_lowercase().into() }
    }
}

impl<Octets: AsRef<[u8]>> From<&ParsedName<Octets>> for Name {
    fn from(name: &ParsedName<Octets>) -> Self {
        let mut labels = Vec::with_capacity(usize::from(name.compose_len()));
        for label in name.iter().map(AsRef::<[u8]>::as_ref).filter(|label| !label.is_empty()) {
            // A label of the wire has 63 bytes at most.
            labels.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
            labels.extend_from_slice(label);
        }
        Self { labels: labels.into() }
    }
}

/// As in zone files (RFC 1035, 5.1; RFC 4343, 2.1), without the last dot unless it is the whole name: `\.` is a dot within
/// a label, `\032` a space.
impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return formatter.write_str(".");
        }
        for (at, label) in self.labels().enumerate() {
            if at > 0 {
                formatter.write_str(".")?;
            }
            for byte in label {
                match byte {
                    b'.' | b'\\' => write!(formatter, "\\{}", char::from(*byte))?,
                    0x21..=0x7E => write!(formatter, "{}", char::from(*byte))?,
                    _ => write!(formatter, "\\{byte:03}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{self}\"")
    }
}
