//! How structured values become bytes, on disk and in log entries. The only caller of bincode.
//!
//! `[format byte][type version][payload]`. The format byte says how the payload is encoded, the
//! version which struct it holds. bincode is positional and does not describe itself, so any
//! change of a stored struct is a new version, and the old struct stays in the code for
//! [`Stored::migrate`]. Types stored here must not use serde attributes that depend on a
//! self-describing format (`untagged`, `flatten`, `skip_serializing_if`, `default`).

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::limits::DECODE_BYTES_MAX;

/// bincode 2, standard configuration: little-endian, variable-length integers.
const FORMAT_BINCODE_2: u8 = 1;

/// Why a value could not be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The value was written by a newer version of this program.
    #[error("{name} has version {found}, this program knows up to {known}")]
    NewerVersion {
        /// Name of the type.
        name: &'static str,
        /// Version in the bytes.
        found: u8,
        /// Newest known version.
        known: u8,
    },
    /// The value uses an encoding that a newer version of this program introduced.
    #[error("{name} is encoded in format {found}, this program knows up to {known}")]
    NewerFormat {
        /// Name of the type.
        name: &'static str,
        /// Format in the bytes.
        found: u8,
        /// Newest known format.
        known: u8,
    },
    /// The value has an old version for which there is no migration any more.
    #[error("{name} has version {found}, which can not be migrated to {known}")]
    RetiredVersion {
        /// Name of the type.
        name: &'static str,
        /// Version in the bytes.
        found: u8,
        /// The current version.
        known: u8,
    },
    /// The bytes are not a value of this type.
    #[error("{name} is corrupt: {reason}")]
    Corrupt {
        /// Name of the type.
        name: &'static str,
        /// What is wrong; never the content.
        reason: String,
    },
    /// The value is over [`DECODE_BYTES_MAX`].
    #[error("{name} has {bytes} bytes, DECODE_BYTES_MAX is {limit}")]
    TooLarge {
        /// Name of the type.
        name: &'static str,
        /// Size of the value.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The type cannot be encoded, which is a mistake in the program.
    #[error("{name} can not be encoded: {reason}")]
    Encode {
        /// Name of the type.
        name: &'static str,
        /// What the encoder said.
        reason: String,
    },
}

/// A type that is kept in bytes.
pub trait Stored: Serialize + DeserializeOwned {
    /// Version of the struct as it is now, from 1.
    const VERSION: u8;
    /// Name for error messages.
    const NAME: &'static str;

    /// Turns the payload of an older version into the type as it is now; usually
    /// [`decode_payload`] of the old struct and a conversion.
    ///
    /// # Errors
    /// The payload is corrupt, or (the default) there is no migration.
    fn migrate(version: u8, payload: &[u8]) -> Result<Self, CodecError> {
        let _ = payload;
        Err(CodecError::RetiredVersion { name: Self::NAME, found: version, known: Self::VERSION })
    }
}

/// Encodes a value with its format and version.
///
/// # Errors
/// Over [`DECODE_BYTES_MAX`] (it could not be read back), or a type that bincode cannot hold.
pub fn encode<T: Stored>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = vec![FORMAT_BINCODE_2, T::VERSION];
    bincode::serde::encode_into_std_write(value, &mut bytes, bincode::config::standard())
        .map_err(|error| CodecError::Encode { name: T::NAME, reason: error.to_string() })?;
    check_size(T::NAME, bytes.len())?;
    Ok(bytes)
}

/// Decodes a value, migrating it if it is older than the type.
///
/// # Errors
/// Newer, too old, corrupt, trailing bytes, or over [`DECODE_BYTES_MAX`].
pub fn decode<T: Stored>(bytes: &[u8]) -> Result<T, CodecError> {
    check_size(T::NAME, bytes.len())?;
    let corrupt = |reason: &str| CodecError::Corrupt { name: T::NAME, reason: reason.to_owned() };
    let [format, version, payload @ ..] = bytes else {
        return Err(corrupt("shorter than its two leading bytes"));
    };
    match (*format, *version) {
        (0, _) => Err(corrupt("format 0 is never written")),
        (_, 0) => Err(corrupt("version 0 is never written")),
        (found, _) if found > FORMAT_BINCODE_2 => {
            Err(CodecError::NewerFormat { name: T::NAME, found, known: FORMAT_BINCODE_2 })
        }
        (_, found) if found > T::VERSION => {
            Err(CodecError::NewerVersion { name: T::NAME, found, known: T::VERSION })
        }
        (_, found) if found < T::VERSION => T::migrate(found, payload),
        (..) => decode_payload(T::NAME, payload),
    }
}

/// Decodes the payload alone, as a struct of an old version; for [`Stored::migrate`].
///
/// # Errors
/// The bytes are not such a struct, or more bytes follow.
pub fn decode_payload<T: DeserializeOwned>(
    name: &'static str,
    payload: &[u8],
) -> Result<T, CodecError> {
    check_size(name, payload.len())?;
    // The limit also bounds what a length field may make the decoder allocate.
    let config = bincode::config::standard().with_limit::<DECODE_BYTES_MAX>();
    let (value, read) = bincode::serde::decode_from_slice(payload, config)
        .map_err(|error| CodecError::Corrupt { name, reason: error.to_string() })?;
    match payload.len() - read {
        0 => Ok(value),
        left => Err(CodecError::Corrupt { name, reason: format!("{left} bytes too many") }),
    }
}

fn check_size(name: &'static str, bytes: usize) -> Result<(), CodecError> {
    if bytes > DECODE_BYTES_MAX {
        return Err(CodecError::TooLarge { name, bytes, limit: DECODE_BYTES_MAX });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct BoxV1 {
        name: String,
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct BoxV2 {
        name: String,
        weight_grams: u32,
    }

    /// The third shape of a stored type; the first two are migrated through a chain.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Crate {
        name: String,
        weight_grams: u64,
        labels: Vec<(String, Option<i64>)>,
    }

    impl From<BoxV1> for BoxV2 {
        fn from(old: BoxV1) -> Self {
            Self { name: old.name, weight_grams: 0 }
        }
    }

    impl From<BoxV2> for Crate {
        fn from(old: BoxV2) -> Self {
            Self { name: old.name, weight_grams: old.weight_grams.into(), labels: Vec::new() }
        }
    }

    impl Stored for Crate {
        const VERSION: u8 = 3;
        const NAME: &'static str = "crate";

        fn migrate(version: u8, payload: &[u8]) -> Result<Self, CodecError> {
            match version {
                1 => Ok(BoxV2::from(decode_payload::<BoxV1>("crate 1", payload)?).into()),
                2 => Ok(decode_payload::<BoxV2>("crate 2", payload)?.into()),
                found => Err(CodecError::RetiredVersion { name: Self::NAME, found, known: 3 }),
            }
        }
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Plain(u16);

    impl Stored for Plain {
        const VERSION: u8 = 2;
        const NAME: &'static str = "plain";
    }

    fn sample() -> Crate {
        let labels = vec![("red".to_owned(), Some(-2)), (String::new(), None)];
        Crate { name: "ab".to_owned(), weight_grams: 300, labels }
    }

    /// The bytes on disk. If this test fails the format has changed, and stores cannot be read.
    #[test]
    fn golden_bytes() {
        let bytes = encode(&sample()).unwrap();
        assert_eq!(hex::encode(&bytes), "0103026162fb2c010203726564010300".to_owned() + "00");
        assert_eq!(decode::<Crate>(&bytes), Ok(sample()));
        assert_eq!(hex::encode(encode(&Plain(7)).unwrap()), "010207");
    }

    #[test]
    fn old_versions_are_migrated() {
        let old = |weight_grams| Crate { name: "ab".to_owned(), weight_grams, labels: vec![] };
        assert_eq!(decode::<Crate>(&hex::decode("0101026162").unwrap()), Ok(old(0)));
        assert_eq!(decode::<Crate>(&hex::decode("0102026162fb2c01").unwrap()), Ok(old(300)));
        let error = decode::<Plain>(&[1, 1, 7]).unwrap_err();
        assert_eq!(error, CodecError::RetiredVersion { name: "plain", found: 1, known: 2 });
    }

    #[test]
    fn newer_is_told_from_corrupt() {
        let newer = CodecError::NewerVersion { name: "plain", found: 3, known: 2 };
        assert_eq!(decode::<Plain>(&[1, 3, 7]), Err(newer));
        let newer = CodecError::NewerFormat { name: "plain", found: 2, known: 1 };
        assert_eq!(decode::<Plain>(&[2, 2, 7]), Err(newer));
        for bad in [&[][..], &[1], &[1, 2], &[0, 2, 7], &[1, 0, 7], &[1, 2, 7, 7]] {
            let error = decode::<Plain>(bad).unwrap_err();
            assert!(matches!(error, CodecError::Corrupt { name: "plain", .. }), "{bad:?}: {error}");
        }
    }

    #[test]
    fn lying_length_does_not_allocate() {
        // A text that claims 2^60 bytes, and one over the limit that claims to be just there.
        let mut bytes = vec![1, 3, 0xfd];
        bytes.extend((1_u64 << 60).to_le_bytes());
        assert!(matches!(decode::<Crate>(&bytes), Err(CodecError::Corrupt { .. })));
        let bytes = vec![0; DECODE_BYTES_MAX + 1];
        assert!(matches!(decode::<Crate>(&bytes), Err(CodecError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn values_come_back(name: String, weight_grams: u64, label: String, value: Option<i64>) {
            let value = Crate { name, weight_grams, labels: vec![(label, value)] };
            prop_assert_eq!(decode::<Crate>(&encode(&value).unwrap()), Ok(value));
        }

        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode::<Crate>(&bytes);
        }

        #[test]
        fn cut_values_are_corrupt(cut in 0_usize..17) {
            let bytes = encode(&sample()).unwrap();
            prop_assert!(decode::<Crate>(&bytes[..cut.min(bytes.len() - 1)]).is_err());
        }
    }
}
