//! Settings of the actors.

use serde::{Deserialize, Serialize};

/// How a node works. Field names are the keys of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Analyses at a time; 0 means one for each CPU, at most 4.
    pub analyzer_count: u32,
    /// Memory for analyses in MiB; bounds `analyzer_count`.
    pub analyzer_memory_mib: u64,
    /// Layers of one image read at a time.
    pub layers_at_a_time: u32,
    /// Networks (`10.0.0.0/8`) that image registries may be in without being added explicitly.
    pub allowed_networks: Vec<String>,
    /// Feeds.
    pub feeds: FeedOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            analyzer_count: 0,
            analyzer_memory_mib: 1_024,
            layers_at_a_time: 2,
            allowed_networks: Vec::new(),
            feeds: FeedOptions::default(),
        }
    }
}

/// Where vulnerability data comes from and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeedOptions {
    /// Hours between syncs; 0 turns the timer off.
    pub interval_hours: u32,
    /// A mirror laid out by host and path: a folder or a URL. Empty: every feed from its source.
    pub mirror: String,
    /// Base URL or folder of single drivers, by driver name; goes before `mirror`.
    pub base: std::collections::BTreeMap<String, String>,
    /// Drivers that are off.
    pub disabled: Vec<String>,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            interval_hours: 6,
            mirror: String::new(),
            base: std::collections::BTreeMap::new(),
            disabled: Vec::new(),
        }
    }
}

impl Options {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// The key that is wrong, and what is wrong with it.
    pub fn check(&self) -> Result<(), (String, String)> {
        for text in &self.allowed_networks {
            if let Err(error) = text.parse::<kedge_registry::Network>() {
                return Err(("allowed_networks".into(), error.to_string()));
            }
        }
        let places = [&self.feeds.mirror].into_iter().filter(|mirror| !mirror.is_empty());
        for place in places.chain(self.feeds.base.values()) {
            if let Err(error) = place.parse::<kedge_fetch::Location>() {
                return Err(("feeds".into(), error.to_string()));
            }
        }
        let known: Vec<&str> = kedge_feeds::SOURCES.iter().map(|source| source.name).collect();
        let named = self.feeds.base.keys().chain(&self.feeds.disabled);
        for name in named {
            if !known.contains(&name.as_str()) {
                let text = format!("no feed driver '{name}', only: {}", known.join(", "));
                return Err(("feeds".into(), text));
            }
        }
        Ok(())
    }
}
