//! The road to the other peers.
//!
//! A cluster of one voter has none, so every call here answers "unreachable", which the engine
//! treats as a peer that is down. The RPC of a larger cluster takes the place of [`NoRoute`]
//! behind the same factory; nothing else in this crate changes for it.

use std::future::Future;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use thiserror::Error;

use super::{PeerAddress, SnapshotOf, TypeConfig, VoteOf};
use crate::consensus::snapshot::SnapshotFile;

/// There is no way to a peer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("peer {node} at '{address}' cannot be reached: this node has no peer connections")]
pub(crate) struct NoRouteError {
    node: u64,
    address: String,
}

/// Makes one connection per peer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network;

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = NoRoute;

    async fn new_client(&mut self, target: u64, node: &PeerAddress) -> NoRoute {
        NoRoute { error: NoRouteError { node: target, address: node.address.clone() } }
    }
}

/// The connection to a peer that cannot be reached.
#[derive(Debug)]
pub(crate) struct NoRoute {
    error: NoRouteError,
}

impl NoRoute {
    fn unreachable(&self) -> Unreachable<TypeConfig> {
        Unreachable::new(&self.error)
    }
}

impl RaftNetworkV2<TypeConfig> for NoRoute {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(self.unreachable().into())
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(self.unreachable().into())
    }

    // The engine's default grants every pre-vote; an unreachable peer must not.
    async fn pre_vote(
        &mut self,
        _request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(self.unreachable().into())
    }

    async fn full_snapshot(
        &mut self,
        _vote: VoteOf,
        _snapshot: SnapshotOf,
        _cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Err(self.unreachable().into())
    }
}
