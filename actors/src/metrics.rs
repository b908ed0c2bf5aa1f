//! What the actors count. Labels come from closed enums only.

use kedge_model::job::JobKind;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Actor {
    actor: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Verdict {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Feed {
    feed: String,
}

/// Counters of the actors. Clones share the values.
#[derive(Debug, Clone)]
pub struct Metrics {
    restarts: Family<Actor, Counter>,
    job_seconds: Family<Ended, Histogram>,
    evaluations: Family<Verdict, Counter>,
    layers_cached: Counter,
    feed_success: Family<Feed, Gauge>,
    feed_records: Family<Feed, Gauge>,
    collected: Counter,
    registries_up: Gauge,
    registries_down: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            restarts: Family::default(),
            job_seconds: Family::new_with_constructor(|| {
                // 50 ms to about 27 min.
                Histogram::new(exponential_buckets(0.05, 2.0, 16))
            }),
            evaluations: Family::default(),
            layers_cached: Counter::default(),
            feed_success: Family::default(),
            feed_records: Family::default(),
            collected: Counter::default(),
            registries_up: Gauge::default(),
            registries_down: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Makes the values visible under their public names (`kedge_` is the registry's prefix).
    pub fn register(&self, registry: &mut Registry) {
        let help = "Times an actor was restarted by its supervisor";
        registry.register("actor_restarts", help, self.restarts.clone());
        let help = "Duration of one attempt of a job";
        registry.register_with_unit("job_duration", help, Unit::Seconds, self.job_seconds.clone());
        let help = "Policy evaluations by verdict";
        registry.register("policy_evaluations", help, self.evaluations.clone());
        let help = "Layers whose result came from the cache instead of the registry";
        registry.register("layers_cached", help, self.layers_cached.clone());
        let help = "When the data of a feed was last fetched or found unchanged, in Unix time";
        registry.register_with_unit(
            "feed_last_success_timestamp",
            help,
            Unit::Seconds,
            self.feed_success.clone(),
        );
        let help = "Records of a feed in the active generation";
        registry.register("feed_records", help, self.feed_records.clone());
        let help = "Unreferenced blobs removed";
        registry.register("blobs_collected", help, self.collected.clone());
        let help = "Registry credentials whose last check succeeded";
        registry.register("registries_up", help, self.registries_up.clone());
        let help = "Registry credentials whose last check failed";
        registry.register("registries_down", help, self.registries_down.clone());
    }

    pub(crate) fn actor_restarted(&self, actor: &'static str) {
        self.restarts.get_or_create(&Actor { actor }).inc();
    }

    pub(crate) fn job_ended(&self, kind: JobKind, outcome: &'static str, elapsed: Duration) {
        let labels = Ended { kind: kind.as_str(), outcome };
        self.job_seconds.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }

    pub(crate) fn evaluated(&self, result: &'static str) {
        self.evaluations.get_or_create(&Verdict { result }).inc();
    }

    pub(crate) fn layer_cached(&self) {
        self.layers_cached.inc();
    }

    pub(crate) fn feed(&self, feed: &str, seconds: i64, records: u64) {
        let labels = Feed { feed: feed.to_owned() };
        self.feed_success.get_or_create(&labels).set(seconds);
        self.feed_records.get_or_create(&labels).set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    pub(crate) fn blobs_collected(&self, count: u64) {
        self.collected.inc_by(count);
    }

    pub(crate) fn registries(&self, up: usize, down: usize) {
        self.registries_up.set(i64::try_from(up).unwrap_or(i64::MAX));
        self.registries_down.set(i64::try_from(down).unwrap_or(i64::MAX));
    }
}
