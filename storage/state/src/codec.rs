//! Entries of the log as bytes.

use kedge_model::command::Entry;
use kedge_storage::codec::{self, CodecError, Stored};
use serde::{Deserialize, Serialize};

/// An [`Entry`] under the storage codec. A change of any command is a new version.
#[derive(Serialize, Deserialize)]
struct StoredEntry(Entry);

impl Stored for StoredEntry {
    const VERSION: u8 = 1;
    const NAME: &'static str = "log entry";
}

/// Encodes an entry for the log.
///
/// # Errors
/// When the codec refuses it (a limit).
pub fn encode_entry(entry: &Entry) -> Result<Vec<u8>, CodecError> {
    codec::encode(&StoredEntry(entry.clone()))
}

/// Reads an entry of the log.
///
/// # Errors
/// When the bytes are corrupt or were written by a newer version.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, CodecError> {
    codec::decode::<StoredEntry>(bytes).map(|stored| stored.0)
}
