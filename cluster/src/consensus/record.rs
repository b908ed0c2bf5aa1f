//! What the engine's types look like on disk.
//!
//! These are our own types, so that a change of the engine's types in a later release cannot
//! change files that exist. Only conversions live here.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    CommandBytes, EntryOf, LogIdOf, MembershipOf, PayloadOf, PeerAddress, StoredMembershipOf,
    VoteOf,
};

/// Why stored bytes do not describe something the engine accepts.
pub(crate) type Refused = String;

/// A position in the log and who wrote it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct LogIdRecord {
    /// Term of the leader that wrote it.
    pub(crate) term: u64,
    /// That leader.
    pub(crate) node: u64,
    /// Position.
    pub(crate) index: u64,
}

impl From<LogIdOf> for LogIdRecord {
    fn from(id: LogIdOf) -> Self {
        Self { term: id.leader_id.term, node: id.leader_id.node_id, index: id.index }
    }
}

impl From<LogIdRecord> for LogIdOf {
    fn from(record: LogIdRecord) -> Self {
        let leader = super::LeaderIdOf { term: record.term, node_id: record.node };
        Self::new(leader, record.index)
    }
}

/// A vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VoteRecord {
    term: u64,
    node: u64,
    committed: bool,
}

impl From<VoteOf> for VoteRecord {
    fn from(vote: VoteOf) -> Self {
        let leader = vote.leader_id;
        Self { term: leader.term, node: leader.node_id, committed: vote.committed }
    }
}

impl From<VoteRecord> for VoteOf {
    fn from(record: VoteRecord) -> Self {
        let leader_id = super::LeaderIdOf { term: record.term, node_id: record.node };
        Self { leader_id, committed: record.committed }
    }
}

/// Who takes part: one set of voters, or two while it changes; the other nodes are learners.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MembersRecord {
    voters: Vec<Vec<u64>>,
    nodes: Vec<(u64, String)>,
}

impl From<&MembershipOf> for MembersRecord {
    fn from(members: &MembershipOf) -> Self {
        let voters = members.get_joint_config();
        Self {
            voters: voters.iter().map(|set| set.iter().copied().collect()).collect(),
            nodes: members.nodes().map(|(id, peer)| (*id, peer.address.clone())).collect(),
        }
    }
}

impl TryFrom<MembersRecord> for MembershipOf {
    type Error = Refused;

    fn try_from(record: MembersRecord) -> Result<Self, Refused> {
        // The engine's constructor refuses the membership of a node that knows none yet.
        if record.voters.is_empty() && record.nodes.is_empty() {
            return Ok(Self::default());
        }
        let voters = record.voters.into_iter().map(BTreeSet::from_iter).collect();
        let nodes: BTreeMap<u64, PeerAddress> =
            record.nodes.into_iter().map(|(id, address)| (id, PeerAddress { address })).collect();
        Self::new(voters, nodes).map_err(|error| error.to_string())
    }
}

/// The membership in effect and the entry that set it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MembershipRecord {
    at: Option<LogIdRecord>,
    members: MembersRecord,
}

impl From<&StoredMembershipOf> for MembershipRecord {
    fn from(stored: &StoredMembershipOf) -> Self {
        Self { at: stored.log_id().map(Into::into), members: stored.membership().into() }
    }
}

impl TryFrom<MembershipRecord> for StoredMembershipOf {
    type Error = Refused;

    fn try_from(record: MembershipRecord) -> Result<Self, Refused> {
        Ok(Self::new(record.at.map(Into::into), record.members.try_into()?))
    }
}

/// What an entry carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum PayloadRecord {
    Blank,
    Command(Vec<u8>),
    Members(MembersRecord),
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryRecord {
    id: LogIdRecord,
    payload: PayloadRecord,
}

impl From<EntryOf> for EntryRecord {
    fn from(entry: EntryOf) -> Self {
        let payload = match entry.payload {
            PayloadOf::Blank => PayloadRecord::Blank,
            PayloadOf::Normal(command) => PayloadRecord::Command(command.0),
            PayloadOf::Membership(members) => PayloadRecord::Members((&members).into()),
        };
        Self { id: entry.log_id.into(), payload }
    }
}

impl EntryRecord {
    /// The engine's entry.
    pub(crate) fn into_entry(self) -> Result<EntryOf, Refused> {
        let payload = match self.payload {
            PayloadRecord::Blank => PayloadOf::Blank,
            PayloadRecord::Command(bytes) => PayloadOf::Normal(CommandBytes(bytes)),
            PayloadRecord::Members(members) => PayloadOf::Membership(members.try_into()?),
        };
        Ok(EntryOf { log_id: self.id.into(), payload })
    }
}

/// How far the state machine is, stored with every entry it applies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AppliedRecord {
    /// The entry applied last.
    pub(crate) id: LogIdRecord,
    /// Rolling digest over everything applied up to it.
    pub(crate) digest: [u8; 32],
}

/// The beginning of a snapshot file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotHeader {
    /// Id of the cluster; a file of another cluster is refused.
    pub(crate) cluster: [u8; 16],
    /// How far the state in the file is; `None` for the state before the first entry.
    pub(crate) applied: Option<AppliedRecord>,
    /// The membership in effect there.
    pub(crate) membership: MembershipRecord,
    /// The builder's clock, milliseconds since 1970; only for people.
    pub(crate) created_ms: i64,
}

impl SnapshotHeader {
    /// Index of the last entry in the snapshot.
    pub(crate) fn index(&self) -> Option<u64> {
        self.applied.map(|applied| applied.id.index)
    }
}
