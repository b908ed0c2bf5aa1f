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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::consensus::record::LogIdRecord;
    use crate::consensus::{CommandBytes, MembershipOf, PayloadOf, PeerAddress};

    fn log_id() -> LogIdOf {
        LogIdRecord { term: 2, node: 3, index: 300 }.into()
    }

    fn members() -> MembershipOf {
        let peer = |port: u16| PeerAddress { address: format!("h:{port}") };
        let nodes = BTreeMap::from([(1, peer(1)), (2, peer(2)), (9, peer(9))]);
        let voters = vec![BTreeSet::from([1]), BTreeSet::from([1, 2])];
        MembershipOf::new(voters, nodes).unwrap()
    }

    fn check_entry(payload: PayloadOf, golden: &str) {
        let entry = EntryOf { log_id: log_id(), payload };
        let bytes = encode_entry(entry.clone());
        assert_eq!(hex::encode(&bytes), golden.replace(' ', ""));
        assert_eq!(decode_entry(&bytes).unwrap(), entry);
        for cut in 0..bytes.len() {
            assert!(decode_entry(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    // Format byte, version, term, node, index (over 250: three bytes), kind, content.
    #[test]
    fn entries_version_1_are_pinned() {
        check_entry(PayloadOf::Blank, "01 01 02 03 fb2c01 00");
        check_entry(PayloadOf::Normal(CommandBytes(vec![7, 8])), "01 01 02 03 fb2c01 01 02 0708");
        let membership = "02 01 01 02 01 02 03 01 03 683a31 02 03 683a32 09 03 683a39";
        let golden = format!("01 01 02 03 fb2c01 02 {membership}");
        check_entry(PayloadOf::Membership(members()), &golden);
    }

    #[test]
    fn votes_and_positions_version_1_are_pinned() {
        let vote = VoteOf { leader_id: log_id().leader_id, committed: true };
        assert_eq!(hex::encode(encode_vote(vote)), "0101020301");
        assert_eq!(decode_vote(&encode_vote(vote)).unwrap(), vote);
        assert_eq!(hex::encode(encode_log_id(log_id())), "01010203fb2c01");
        assert_eq!(decode_log_id(&encode_log_id(log_id())).unwrap(), log_id());
        let applied = AppliedRecord { id: log_id().into(), digest: [5; 32] };
        let golden = format!("01010203fb2c01{}", "05".repeat(32));
        assert_eq!(hex::encode(encode_applied(&applied)), golden);
        assert_eq!(decode_applied(&encode_applied(&applied)).unwrap(), applied);
    }

    #[test]
    fn memberships_read_back() {
        for stored in
            [StoredMembershipOf::default(), StoredMembershipOf::new(Some(log_id()), members())]
        {
            assert_eq!(decode_membership(&encode_membership(&stored)).unwrap(), stored);
        }
    }

    #[test]
    fn a_voter_that_is_no_node_is_refused() {
        // Voters [[5]], nodes [(1, "")].
        let error = decode_membership(&[1, 1, 0, 1, 1, 5, 1, 1, 0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
