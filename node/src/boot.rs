//! Bringing a node up, part by part, and taking it down again in the other order.

use crate::config::Config;
use crate::serve;
use anyhow::{Context, Result, bail};
use kedge_actors::system::{Parts, System};
use kedge_actors::vault::Vault;
use kedge_app::App;
use kedge_app::bootstrap;
use kedge_app::passwords::check_password;
use kedge_cluster::{Engine, Handle};
use kedge_storage::secrets::NodeKey;
use prometheus_client::registry::Registry;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use kedge_app::bootstrap::ADMIN;

/// Open connections get this long to finish once the node stops.
const CONNECTION_GRACE: Duration = Duration::from_secs(15);
/// How long the first election may take: there is one voter, so this is generous.
const ELECTION_PATIENCE: Duration = Duration::from_secs(30);

/// A running node.
pub struct Node {
    address: SocketAddr,
    first_password: Option<String>,
    handle: Handle,
    system: System,
    app: App,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Node {
    /// Starts a node. `password` sets the first administrator's password; without it a random one
    /// is made. It matters only when the data folder is new.
    ///
    /// # Errors
    /// When any part cannot start: nothing is left running.
    pub async fn start(config: &Config, password: Option<String>) -> Result<Self> {
        if let Some(password) = &password {
            check_password(password)
                .map_err(|error| anyhow::anyhow!("KEDGE_ADMIN_PASSWORD: {error}"))?;
        }
        install_crypto();
        // Bound before the store is opened: an occupied port must not cost a recovery.
        let listener = TcpListener::bind(config.listen_address()?)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        let handle = open_cluster(config).await?;
        let started = finish_start(config, password, handle.clone(), listener, address).await;
        if started.is_err() {
            // The first error is the one to show.
            let _ = handle.shutdown().await;
        }
        started
    }

    /// The address it serves on; the port is known even when the settings said 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The administrator's password, when this start made one. Shown once, kept nowhere.
    #[must_use]
    pub fn first_password(&self) -> Option<&str> {
        self.first_password.as_deref()
    }

    /// The cluster.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits until the node cannot go on, and says why.
    pub async fn fatal(&mut self) -> String {
        tokio::select! {
            reason = self.handle.fatal() => reason,
            reason = self.system.fatal() => reason,
            ended = &mut self.server => match ended {
                Ok(()) => "the server ended".to_owned(),
                Err(error) => format!("the server ended: {error}"),
            },
        }
    }

    /// Stops: no new requests, running ones and running jobs get a grace period, then the store
    /// is closed cleanly.
    ///
    /// # Errors
    /// When the store could not be closed; what was acknowledged is on disk all the same.
    pub async fn stop(mut self) -> Result<()> {
        self.app.drain();
        self.stop.send_replace(true);
        let served = tokio::time::timeout(CONNECTION_GRACE, &mut self.server).await;
        if served.is_err() {
            tracing::warn!("connections are still open, closing them");
            self.server.abort();
        }
        self.system.stop().await;
        self.handle.shutdown().await.context("closing the store")
    }
}

/// One TLS provider for the whole process.
fn install_crypto() {
    // Installed already by an earlier node of this process: the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn open_cluster(config: &Config) -> Result<Handle> {
    let mut options = kedge_cluster::Options::new(&config.data_dir);
    options.engine = Engine::Sled { cache_bytes: config.store.cache_mib << 20 };
    options.disk_reserve_bytes = config.store.disk_reserve_mib << 20;
    options.snapshot_every_entries = config.store.snapshot_every_entries;
    let handle = kedge_cluster::start(options)
        .await
        .with_context(|| format!("cannot open the data folder {}", config.data_dir.display()))?;
    let led = handle.wait_for(|metrics| metrics.is_leader);
    match tokio::time::timeout(ELECTION_PATIENCE, led).await {
        Ok(led) => led?,
        Err(_) => bail!("no leader was elected within {} s", ELECTION_PATIENCE.as_secs()),
    }
    Ok(handle)
}

async fn finish_start(
    config: &Config,
    password: Option<String>,
    handle: Handle,
    listener: TcpListener,
    address: SocketAddr,
) -> Result<Node> {
    let vault = open_vault(&handle)?;
    let first_password = bootstrap::bootstrap(&handle, &vault, password).await?;
    let cache_dir = handle.data_dir().cache();
    let system = System::start(Parts {
        handle: handle.clone(),
        clock: kedge_cluster::options::system_clock(),
        vault,
        options: config.work.clone(),
        cache_dir,
    })
    .await?;
    let mut options = config.app.clone();
    options.feed_interval_s = u64::from(config.work.feeds.interval_hours) * 3_600;
    if options.base_url == kedge_app::options::Options::default().base_url {
        options.base_url = format!("http://{address}");
    }
    let app = App::new(system.clone(), options)?;
    let mut metrics = Registry::with_prefix("kedge");
    system.register_metrics(&mut metrics);
    let router = kedge_rest::router(app.clone(), metrics, &config.rest);
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(serve::serve(listener, router, stopped));
    Ok(Node { address, first_password, handle, system, app, stop, server })
}

fn open_vault(handle: &Handle) -> Result<Vault> {
    let path = handle.data_dir().keys().join("node.key");
    let key = if bootstrap::is_initialised(handle)? {
        // A new key beside old secrets would make them unreadable without a word.
        NodeKey::open(&path)
    } else {
        NodeKey::open_or_create(&path)
    };
    Ok(Vault::new(key.context("cannot open the node key")?))
}

/// Sets a user's password in a data folder that no node is using.
///
/// # Errors
/// When the folder is in use or damaged, or there is no such user.
pub async fn reset_password(config: &Config, user: &str) -> Result<String> {
    let handle = open_cluster(config).await?;
    let outcome = bootstrap::reset_password(&handle, user).await;
    handle.shutdown().await.context("closing the store")?;
    Ok(outcome?)
}
