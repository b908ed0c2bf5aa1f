//! Counts of requests, and the gauges that are read when somebody scrapes.

use kedge_app::App;
use kedge_app::system::Statistics;
use kedge_model::image::AnalysisState;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::time::Duration;

/// The media type of what [`Metrics::scrape`] writes.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Status(u16);

impl EncodeLabelValue for Status {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&u64::from(self.0), encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: &'static str,
    method: &'static str,
    status: Status,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Timed {
    route: &'static str,
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    kind: &'static str,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ImageLabels {
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FeedLabels {
    feed: String,
}

#[derive(Default)]
struct Consensus {
    term: Gauge,
    is_leader: Gauge,
    last_index: Gauge,
    commit_index: Gauge,
    applied_index: Gauge,
    snapshot_index: Gauge,
    log_bytes: Gauge,
    in_flight: Gauge,
    disk_low: Gauge,
}

struct Inner {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Timed, Histogram>,
    jobs: Family<JobLabels, Gauge>,
    images: Family<ImageLabels, Gauge>,
    feed_age: Family<FeedLabels, Gauge>,
    blob_bytes: Gauge,
    consensus: Consensus,
}

/// The metrics of a node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    inner: Arc<Inner>,
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Metrics {
    /// Adds the metrics of requests, state and consensus to a registry in which other parts of the
    /// node (`System::register_metrics`) have put theirs. Its prefix should be `kedge`.
    pub(crate) fn new(mut registry: Registry) -> Self {
        let requests = Family::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        // 1 ms to about 33 s.
        let durations = Family::<Timed, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.001, 2.0, 16))
        });
        let help = "Time to answer a request";
        let seconds = Unit::Seconds;
        registry.register_with_unit("http_request_duration", help, seconds, durations.clone());
        let (jobs, images, feed_age) = (Family::default(), Family::default(), Family::default());
        registry.register("jobs", "Jobs by kind and state", jobs.clone());
        registry.register("images", "Images by analysis status", images.clone());
        let help = "Time since the data of a feed was last known to be current";
        registry.register_with_unit("feed_age", help, Unit::Seconds, feed_age.clone());
        let blob_bytes = Gauge::default();
        let help = "Bytes of all blobs of this node";
        registry.register_with_unit("blob_store", help, Unit::Bytes, blob_bytes.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", build);
        let consensus = Consensus::default();
        consensus.register(&mut registry);
        let inner =
            Inner { registry, requests, durations, jobs, images, feed_age, blob_bytes, consensus };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn answered(
        &self,
        route: &'static str,
        method: &'static str,
        status: u16,
        elapsed: Duration,
    ) {
        let labels = Answered { route, method, status: Status(status) };
        self.inner.requests.get_or_create(&labels).inc();
        let labels = Timed { route, method };
        self.inner.durations.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }

    /// Everything as OpenMetrics text. What cannot be read is left as it was and logged.
    pub(crate) async fn scrape(&self, app: &App) -> String {
        self.inner.consensus.read(&app.consensus());
        match app.statistics().await {
            Ok(statistics) => self.read(app, &statistics),
            Err(error) => tracing::warn!(%error, "the state cannot be counted"),
        }
        let mut text = String::new();
        if encode(&mut text, &self.inner.registry).is_err() {
            tracing::error!("the metrics cannot be written");
        }
        text
    }

    fn read(&self, app: &App, statistics: &Statistics) {
        for (kind, state, count) in &statistics.jobs {
            let labels = JobLabels { kind: kind.as_str(), state: state.as_str() };
            self.inner.jobs.get_or_create(&labels).set(whole(*count));
        }
        for (state, count) in &statistics.images {
            let labels = ImageLabels { status: AnalysisState::as_str(*state) };
            self.inner.images.get_or_create(&labels).set(whole(*count));
        }
        let now = app.system().now();
        for (feed, last_success) in &statistics.feeds {
            if let Some(at) = last_success {
                let labels = FeedLabels { feed: feed.clone() };
                self.inner.feed_age.get_or_create(&labels).set((now.0 - at.0) / 1_000);
            }
        }
        self.inner.blob_bytes.set(whole(statistics.blob_bytes));
    }
}

impl Consensus {
    fn register(&self, registry: &mut Registry) {
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| {
            registry.register(name, help, gauge.clone());
        };
        gauge("raft_term", "Term of the consensus", &self.term);
        gauge("raft_is_leader", "Whether this node leads", &self.is_leader);
        gauge("raft_last_index", "End of this node's log", &self.last_index);
        gauge("raft_commit_index", "End of what a majority has", &self.commit_index);
        gauge("raft_applied_index", "End of what is in the state", &self.applied_index);
        gauge("raft_snapshot_index", "End of the newest snapshot", &self.snapshot_index);
        gauge("raft_log_bytes", "Bytes of the log on disk", &self.log_bytes);
        gauge("raft_proposals_in_flight", "Commands waiting for commit", &self.in_flight);
        gauge("disk_low", "Whether commands are refused for want of disk", &self.disk_low);
    }

    fn read(&self, metrics: &kedge_app::system::ConsensusMetrics) {
        let index = |index: Option<u64>| whole(index.unwrap_or(0));
        self.term.set(whole(metrics.term));
        self.is_leader.set(i64::from(metrics.is_leader));
        self.last_index.set(index(metrics.last_index));
        self.commit_index.set(index(metrics.committed_index));
        self.applied_index.set(index(metrics.applied_index));
        self.snapshot_index.set(index(metrics.snapshot_index));
        self.log_bytes.set(whole(metrics.log_bytes));
        self.in_flight.set(whole(metrics.proposals_in_flight_count as u64));
        self.disk_low.set(i64::from(metrics.is_disk_low));
    }
}
