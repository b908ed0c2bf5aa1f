//! The records of [`super::record`] as bytes, through the codec of the storage crate.

use std::io;

use kedge_storage::codec::{self, CodecError, Stored};

use super::record::{
    AppliedRecord, EntryRecord, LogIdRecord, MembershipRecord, SnapshotHeader, VoteRecord,
};
use super::{EntryOf, LogIdOf, StoredMembershipOf, VoteOf};

macro_rules! stored {
    ($($type:ty, $version:literal, $name:literal;)+) => {
        $(impl Stored for $type {
            const VERSION: u8 = $version;
            const NAME: &'static str = $name;
        })+
    };
}

stored! {
    EntryRecord, 1, "consensus entry";
    LogIdRecord, 1, "log id";
    VoteRecord, 1, "vote";
    MembershipRecord, 1, "membership";
    AppliedRecord, 1, "applied entry";
    SnapshotHeader, 1, "snapshot header";
}

// Our records hold integers, byte strings and lists; the codec can fail on none of them, except
// for size, which the entry limit excludes.
fn encode<T: Stored>(value: &T) -> Vec<u8> {
    codec::encode(value).expect("consensus records are small and encodable")
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

pub(crate) fn encode_entry(entry: EntryOf) -> Vec<u8> {
    encode(&EntryRecord::from(entry))
}

pub(crate) fn decode_entry(bytes: &[u8]) -> io::Result<EntryOf> {
    let record: EntryRecord = codec::decode(bytes).map_err(invalid)?;
    record.into_entry().map_err(invalid)
}

pub(crate) fn encode_log_id(id: LogIdOf) -> Vec<u8> {
    encode(&LogIdRecord::from(id))
}

pub(crate) fn decode_log_id(bytes: &[u8]) -> io::Result<LogIdOf> {
    codec::decode::<LogIdRecord>(bytes).map(Into::into).map_err(invalid)
}

pub(crate) fn encode_vote(vote: VoteOf) -> Vec<u8> {
    encode(&VoteRecord::from(vote))
}

pub(crate) fn decode_vote(bytes: &[u8]) -> io::Result<VoteOf> {
    codec::decode::<VoteRecord>(bytes).map(Into::into).map_err(invalid)
}

pub(crate) fn encode_applied(applied: &AppliedRecord) -> Vec<u8> {
    encode(applied)
}

pub(crate) fn decode_applied(bytes: &[u8]) -> io::Result<AppliedRecord> {
    codec::decode(bytes).map_err(invalid)
}

pub(crate) fn encode_membership(membership: &StoredMembershipOf) -> Vec<u8> {
    encode(&MembershipRecord::from(membership))
}

pub(crate) fn decode_membership(bytes: &[u8]) -> io::Result<StoredMembershipOf> {
    codec::decode::<MembershipRecord>(bytes)
        .map_err(invalid)?
        .try_into()
        .map_err(|reason: String| invalid(reason))
}

pub(crate) fn encode_header(header: &SnapshotHeader) -> Vec<u8> {
    encode(header)
}

pub(crate) fn decode_header(bytes: &[u8]) -> Result<SnapshotHeader, CodecError> {
    codec::decode(bytes)
}
