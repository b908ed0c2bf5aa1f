//! The node and the cluster as a whole: status, services, readiness, counts, the policy language.

use crate::App;
use crate::error::AppError;
use crate::identity::{Identity, Need};
use crate::limits::STATISTICS_REUSED;
use kedge_artifact::time::Timestamp;
use kedge_model::image::AnalysisState;
use kedge_model::job::{JobKind, JobState};
use kedge_model::tokens::NodeId;
use kedge_state::query;
use serde_json::Value;
use std::sync::Arc;
use tokio::time::Instant;

/// Where a node stands in the consensus.
pub type ConsensusMetrics = kedge_cluster::Metrics;

/// How one node stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Which.
    pub node: NodeId,
    /// Where clients reach it.
    pub base_url: String,
    /// Whether it takes requests that change something.
    pub available: bool,
    /// Whether it works on something.
    pub busy: bool,
    /// What is wrong; empty when nothing is.
    pub message: String,
}

/// One condition of being ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// Whether it is met.
    pub ok: bool,
    /// More about it.
    pub text: String,
}

/// Counts over the whole state. At most a few seconds old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// Jobs by kind and state.
    pub jobs: Vec<(JobKind, JobState, u64)>,
    /// Images by state.
    pub images: Vec<(AnalysisState, u64)>,
    /// Drivers with the time of their last success.
    pub feeds: Vec<(String, Option<Timestamp>)>,
    /// Bytes of all blobs.
    pub blob_bytes: u64,
}

/// The policy language, as the contract describes it.
#[must_use]
pub fn policy_spec() -> Value {
    kedge_policy::spec::spec(false)
}

impl App {
    /// Where the node stands in the cluster.
    #[must_use]
    pub fn consensus(&self) -> ConsensusMetrics {
        self.handle().metrics()
    }

    /// The conditions of being ready, each with its outcome.
    #[must_use]
    pub fn readiness(&self) -> Vec<Check> {
        let metrics = self.consensus();
        let state = self.handle().read(query::feed::state);
        let store = match &state {
            Ok(_) => String::new(),
            Err(_) => "the state cannot be read".to_owned(),
        };
        let leader = metrics.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string());
        let draining = self.is_draining();
        let check = |name, ok, text| Check { name, ok, text };
        vec![
            check("store", state.is_ok(), store),
            check("leader", metrics.leader.is_some(), leader),
            check("disk", !metrics.is_disk_low, String::new()),
            check("draining", !draining, draining.to_string()),
        ]
    }

    /// How this node stands.
    #[must_use]
    pub fn node_status(&self) -> NodeStatus {
        let failed: Vec<&str> = self
            .readiness()
            .into_iter()
            .filter(|check| !check.ok)
            .map(|check| check.name)
            .collect();
        NodeStatus {
            node: self.system().node(),
            base_url: self.options().base_url.clone(),
            available: failed.is_empty(),
            busy: self.consensus().proposals_in_flight_count > 0,
            message: failed.join(", "),
        }
    }

    /// The same, for who may know.
    ///
    /// # Errors
    /// 403 when the account is not enabled.
    pub fn status(&self, who: &Identity) -> Result<NodeStatus, AppError> {
        self.authorize(who, &Need::Any)?;
        Ok(self.node_status())
    }

    /// The nodes, for the list of services.
    ///
    /// # Errors
    /// 403 without the permission.
    pub fn nodes(&self, who: &Identity, action: &'static str) -> Result<Vec<NodeStatus>, AppError> {
        self.allow(who, action)?;
        Ok(vec![self.node_status()])
    }

    /// Forgets a service of a node that is gone.
    ///
    /// # Errors
    /// 403, 404 for an unknown one, 409 for a living one.
    pub fn delete_service(
        &self,
        who: &Identity,
        known_services: &[&str],
        service: &str,
        host: &str,
    ) -> Result<(), AppError> {
        self.allow_system(who, "deleteService")?;
        if !known_services.contains(&service) || host != self.system().node().to_string() {
            return Err(AppError::not_found("service_not_found", "service not found"));
        }
        // The contract fixes this text. A node that answers is active.
        Err(AppError::refused(409, "service_active", "cannot delete an active service"))
    }

    /// The policy language.
    ///
    /// # Errors
    /// 403 when the account is not enabled.
    pub fn policy_spec(&self, who: &Identity) -> Result<Value, AppError> {
        self.authorize(who, &Need::Any)?;
        Ok(policy_spec())
    }

    /// Counts for the metrics. They walk the state, so they are made at most every few seconds, by
    /// one caller; others wait for it.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn statistics(&self) -> Result<Arc<Statistics>, AppError> {
        let mut counted = Arc::clone(&self.inner.counted).lock_owned().await;
        if let Some((at, known)) = &*counted
            && at.elapsed() < STATISTICS_REUSED
        {
            return Ok(Arc::clone(known));
        }
        let app = self.clone();
        // The lock goes with the work: a scraper that hangs up must not let another walk begin.
        crate::blocking(move || {
            let statistics = Arc::new(app.count()?);
            *counted = Some((Instant::now(), Arc::clone(&statistics)));
            Ok(statistics)
        })
        .await?
    }

    fn count(&self) -> Result<Statistics, AppError> {
        let jobs = self.handle().read(query::job::list)?;
        let mut counts = Vec::new();
        for kind in JobKind::ALL {
            for state in JobState::ALL {
                let fits = jobs.iter().filter(|job| job.task.kind() == kind && job.state == state);
                counts.push((kind, state, fits.count() as u64));
            }
        }
        let feeds = self.handle().read(query::feed::state)?;
        Ok(Statistics {
            jobs: counts,
            images: self.handle().read(query::image::counts)?,
            feeds: feeds.drivers.into_iter().map(|row| (row.name, row.last_success)).collect(),
            blob_bytes: self.handle().blobs().total_bytes(),
        })
    }
}
