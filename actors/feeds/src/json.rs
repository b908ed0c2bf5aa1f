//! JSON that is read leniently where feeds are careless, and as a stream where it is large.

use crate::parse::ParseError;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::fmt;
use std::io::{BufReader, Read};

/// `null` reads as the type's default.
pub(crate) fn null_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// All bytes of `input`, when there are no more than `limit`.
pub(crate) fn read_all(
    input: &mut dyn Read,
    limit: u64,
    name: &'static str,
) -> Result<Vec<u8>, ParseError> {
    let mut bytes = Vec::new();
    input.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ParseError::Limit { name, limit });
    }
    Ok(bytes)
}

/// The value of an undecided part of a document, or why it is not one.
pub(crate) fn part<T: DeserializeOwned>(raw: &RawValue) -> Result<T, serde_json::Error> {
    serde_json::from_str(raw.get())
}

/// Reads a JSON object entry by entry; only one entry's text is in memory at a time. An entry
/// that occurs twice is given twice.
pub(crate) fn each_entry(
    input: &mut dyn Read,
    limit: u64,
    visit: &mut dyn FnMut(&str, &RawValue),
) -> Result<(), ParseError> {
    let mut limited = input.take(limit);
    let mut deserializer = serde_json::Deserializer::from_reader(BufReader::new(&mut limited));
    let result = Entries { visit }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    drop(deserializer);
    if result.is_err() && limited.limit() == 0 {
        return Err(ParseError::Limit { name: "STREAM_DOCUMENT_BYTES", limit });
    }
    Ok(result?)
}

struct Entries<'a> {
    visit: &'a mut dyn FnMut(&str, &RawValue),
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let value: Box<RawValue> = map.next_value()?;
            (self.visit)(&key, &value);
        }
        Ok(())
    }
}
