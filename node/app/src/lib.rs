//! What the product can do, one file a resource: authorise, validate, then propose or query.
//!
//! Every face of the node (REST now; the adapters and the console later) calls these use cases and
//! adds only its own words. Nothing here knows HTTP: a refusal carries the number of the status it
//! means because the contract counts in those numbers, and that is all.
//!
//! Reads of what a client may just have written are linearizable ([`kedge_cluster::Handle`]'s
//! `read_linearizable`); credentials, permissions and statistics are read from this node's state,
//! which may lag behind the cluster's by the time of a replication.

pub mod limits;
pub mod options;

pub mod error;
pub mod identity;
pub mod passwords;
mod throttle;

pub mod accounts;
pub mod bootstrap;
pub mod checks;
pub mod content;
pub mod event_types;
pub mod events;
pub mod feeds;
pub mod images;
pub mod jobs;
pub mod policies;
pub mod registries;
pub mod sboms;
pub mod system;
pub mod upload;
pub mod users;
pub mod vulnerabilities;

mod text;

use crate::error::AppError;
use crate::limits::{LISTS_READ_MAX, UPLOADS_MAX};
use crate::options::Options;
use crate::passwords::Passwords;
use crate::system::Statistics;
use kedge_actors::system::System;
use kedge_artifact::image::Platform;
use kedge_cluster::Handle;
use kedge_model::command::{Command, Response};
use kedge_model::tokens::Caller;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

/// The use cases of one node. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

/// The last counts and when they were made.
type Counted = Option<(Instant, Arc<Statistics>)>;

struct Inner {
    system: System,
    options: Options,
    platform: Platform,
    passwords: Passwords,
    draining: AtomicBool,
    /// Held by whoever counts.
    counted: Arc<Mutex<Counted>>,
    uploads: Arc<Semaphore>,
    lists: Arc<Semaphore>,
}

impl App {
    /// The use cases over a running system.
    ///
    /// # Errors
    /// When an option is malformed or the operating system gives no random bytes.
    pub fn new(system: System, options: Options) -> Result<Self, AppError> {
        let platform = options.platform()?;
        let inner = Inner {
            system,
            options,
            platform,
            passwords: Passwords::new()?,
            draining: AtomicBool::new(false),
            counted: Arc::default(),
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
            lists: Arc::new(Semaphore::new(LISTS_READ_MAX)),
        };
        let app = Self { inner: Arc::new(inner) };
        app.forget_uploads();
        Ok(app)
    }

    /// The running system.
    #[must_use]
    pub fn system(&self) -> &System {
        &self.inner.system
    }

    /// The settings.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// From now on the node says that it is not ready, so that load balancers turn away before it
    /// stops.
    pub fn drain(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
    }

    /// Whether [`App::drain`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::Relaxed)
    }

    fn handle(&self) -> &Handle {
        self.inner.system.handle()
    }

    async fn propose(&self, caller: Caller, command: Command) -> Result<Response, AppError> {
        Ok(self.handle().propose(caller, command).await?)
    }

    /// A linearizable read of a list: rows are decoded one by one, and a thread of the runtime must
    /// not be kept that long. In bounded numbers.
    async fn read_blocking<R, E>(
        &self,
        read: impl FnOnce(&Handle) -> Result<R, E> + Send + 'static,
    ) -> Result<R, AppError>
    where
        R: Send + 'static,
        E: Into<AppError> + Send + 'static,
    {
        let permit = Arc::clone(&self.inner.lists).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        // From here on the state of this node has everything acknowledged before.
        self.handle().read_linearizable(|_| ()).await?;
        let handle = self.handle().clone();
        // The permit goes with the work: a caller that goes away must not let another one in.
        blocking(move || {
            let _permit = permit;
            read(&handle)
        })
        .await?
        .map_err(Into::into)
    }
}

/// Work that takes a processor for long, off the threads of the runtime.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, AppError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| AppError::internal(format!("a use case: {error}")))
}
