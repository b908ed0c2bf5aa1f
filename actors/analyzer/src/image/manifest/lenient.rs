//! From what registries serve to what `oci-spec` reads.
//!
//! The types of `oci-spec` (0.10) ask for all that the specification calls required, and refuse a
//! document for a field that nobody needs. Images in use lack `schemaVersion`, a descriptor's
//! `mediaType`, `rootfs` or half of a platform, and say `null` where Go's encoder had an empty
//! slice. So a document is first brought into form: only the fields of a [`Shape`] are kept, what
//! is `null` counts as absent, and what is needed and absent becomes empty.
//!
//! Nothing else of the document is ever held in memory, and lists are cut off above their limit,
//! so a hostile document costs no more than a fixed multiple of its bytes. A field said twice is
//! refused: other readers would see the other one.

use super::ManifestError;
use kedge_artifact::digest::Digest;
use serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde_json::{Map, Value};
use std::fmt;

/// What is kept of a value.
pub(super) enum Shape {
    /// A text.
    Text,
    /// An unsigned number.
    Number,
    /// True or false.
    Flag,
    /// This text, whatever the document says.
    Fixed(&'static str),
    /// A list. Of more elements than the number, that many and one are kept.
    List(&'static Shape, usize),
    /// An object with the known ones of its fields.
    Object(&'static [Field]),
    /// Any names with texts.
    Texts,
    /// Any names; their values (Go's `struct{}`) become empty objects.
    Names,
}

/// A known field of an object.
pub(super) struct Field {
    name: &'static str,
    shape: Shape,
    needed: bool,
}

/// A field that becomes empty when it is absent.
pub(super) const fn needed(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, needed: true }
}

/// A field that may be absent.
pub(super) const fn optional(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, needed: false }
}

impl Shape {
    fn empty(&self) -> Value {
        match self {
            Self::Text => Value::from(""),
            Self::Number => Value::from(0),
            Self::Flag => Value::from(false),
            Self::Fixed(text) => Value::from(*text),
            Self::List(..) => Value::Array(Vec::new()),
            Self::Object(fields) => {
                let needed = fields.iter().filter(|field| field.needed);
                needed.map(|field| (field.name.to_owned(), field.shape.empty())).collect()
            }
            Self::Texts | Self::Names => Value::Object(Map::new()),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Text | Self::Fixed(_) => "a string",
            Self::Number => "an unsigned number",
            Self::Flag => "true or false",
            Self::List(..) => "a list",
            Self::Object(_) | Self::Texts | Self::Names => "an object",
        }
    }
}

/// Reads a document.
///
/// # Errors
/// Not JSON, a kept field of another kind than its shape, or one said twice.
pub(super) fn read(bytes: &[u8], shape: &'static Shape) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Keep(shape).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value.unwrap_or_else(|| shape.empty()))
}

/// Checks the digest of a descriptor, and writes it in the only form that `oci-spec` takes. One of
/// another algorithm stays: what the document is gets said before what it cannot do.
///
/// # Errors
/// [`ManifestError::Digest`].
pub(super) fn check_digest(
    descriptor: &mut Value,
    document: &'static str,
) -> Result<(), ManifestError> {
    let Some(Value::String(text)) = descriptor.get_mut("digest") else { return Ok(()) };
    match text.parse::<Digest>() {
        Ok(digest) => *text = digest.to_string(),
        Err(_) if oci_spec::image::Digest::try_from(text.as_str()).is_ok() => {}
        Err(source) => return Err(ManifestError::Digest { document, source }),
    }
    Ok(())
}

/// Reads one value; `None` is `null`.
struct Keep(&'static Shape);

impl<'de> DeserializeSeed<'de> for Keep {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            Shape::Fixed(_) => {
                deserializer.deserialize_ignored_any(IgnoredAny)?;
                Ok(Some(self.0.empty()))
            }
            Shape::Text
            | Shape::Number
            | Shape::Flag
            | Shape::List(..)
            | Shape::Object(_)
            | Shape::Texts
            | Shape::Names => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Keep {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if matches!(self.0, Shape::Text) {
            return Ok(Some(Value::from(text)));
        }
        Err(E::invalid_type(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        if matches!(self.0, Shape::Number) {
            return Ok(Some(Value::from(number)));
        }
        Err(E::invalid_type(Unexpected::Unsigned(number), &self))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        if matches!(self.0, Shape::Flag) {
            return Ok(Some(Value::from(flag)));
        }
        Err(E::invalid_type(Unexpected::Bool(flag), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Shape::List(element, count_max) = self.0 else {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        };
        let mut kept = Vec::new();
        while kept.len() <= *count_max {
            let Some(value) = list.next_element_seed(Keep(element))? else { break };
            kept.push(value.unwrap_or_default());
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Some(Value::Array(kept)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let kept = match self.0 {
            Shape::Object(fields) => object(fields, map)?,
            Shape::Texts => texts(map)?,
            Shape::Names => names(map)?,
            Shape::Text | Shape::Number | Shape::Flag | Shape::Fixed(_) | Shape::List(..) => {
                return Err(A::Error::invalid_type(Unexpected::Map, &self));
            }
        };
        Ok(Some(Value::Object(kept)))
    }
}

fn object<'de, A: MapAccess<'de>>(
    fields: &'static [Field],
    mut map: A,
) -> Result<Map<String, Value>, A::Error> {
    let mut kept = Map::new();
    while let Some(name) = map.next_key::<String>()? {
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            map.next_value::<IgnoredAny>()?;
            continue;
        };
        let value = map.next_value_seed(Keep(&field.shape))?.unwrap_or_default();
        if kept.insert(name, value).is_some() {
            return Err(A::Error::duplicate_field(field.name));
        }
    }
    kept.retain(|_, value| !value.is_null());
    for field in fields.iter().filter(|field| field.needed) {
        kept.entry(field.name).or_insert_with(|| field.shape.empty());
    }
    Ok(kept)
}

fn texts<'de, A: MapAccess<'de>>(mut map: A) -> Result<Map<String, Value>, A::Error> {
    let mut kept = Map::new();
    while let Some(name) = map.next_key::<String>()? {
        if let Some(text) = map.next_value_seed(Keep(&Shape::Text))? {
            kept.insert(name, text);
        }
    }
    Ok(kept)
}

fn names<'de, A: MapAccess<'de>>(mut map: A) -> Result<Map<String, Value>, A::Error> {
    let mut kept = Map::new();
    while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
        kept.insert(name, Value::Object(Map::new()));
    }
    Ok(kept)
}
