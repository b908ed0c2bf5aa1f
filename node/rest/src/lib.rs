//! The REST interface: `/v2` as the contract has it and `/kedge/v1` of our own, over the use cases
//! of `kedge-app`.
//!
//! A request passes, in this order: `observe` (id, span, counts, last resort), routing by the table
//! of `kedge-api`, `guard` (room, caller, permission, media type), and a handler, which converts
//! between the words of the interface and those of the product and does nothing else. Only this
//! crate names axum. It must not know stores, clusters or actors.

pub mod limits;
mod options;

pub use options::Options;

mod context;
mod error;
mod extract;
mod guard;
mod large;
mod metrics;
mod observe;
mod share;
mod table;

mod accounts;
mod checks;
mod content;
mod events;
mod feeds;
mod findings;
mod images;
mod jobs;
mod policies;
mod registries;
mod system;
mod users;
mod vulnerabilities;

use crate::limits::ACCOUNT_SHARE;
use crate::metrics::Metrics;
use crate::share::Shares;
use crate::table::Table;
use axum::Router;
use axum::middleware::from_fn_with_state;
use kedge_app::App;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

/// What every handler holds.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) metrics: Metrics,
    pub(crate) options: Options,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) shares: Shares,
}

/// The interface as a service. `registry` holds the metrics of the other parts of the node and
/// should have the prefix `kedge`.
///
/// To slow down password guessing by its source, serve it with
/// `into_make_service_with_connect_info::<SocketAddr>()`.
///
/// # Panics
/// When the table of routes and the handlers do not name the same operations: a mistake in the
/// program, found by its tests.
pub fn router(app: App, registry: Registry, options: &Options) -> Router {
    let (metrics, options) = (Metrics::new(registry), options.clone());
    let room = Arc::new(Semaphore::new(options.requests_max.min(Semaphore::MAX_PERMITS)));
    let shares = Shares::new(options.requests_max / ACCOUNT_SHARE);
    let server = Server { app, metrics, options, room, shares };
    let api = match build(server.clone()) {
        Ok(api) => api,
        Err(mistakes) => panic!("routes and handlers differ: {}", mistakes.join("; ")),
    };
    // Routing must see the path as it is cleaned here, so the cleaning is outside of the router.
    let cleaned = api.map_request(observe::tolerate_slashes);
    Router::new().fallback_service(cleaned).layer(from_fn_with_state(server, observe::observe))
}

fn build(server: Server) -> Result<Router, Vec<String>> {
    let table = Table::new(server);
    let table = system::serve(table);
    let table = accounts::serve(table);
    let table = users::serve(table);
    let table = registries::serve(table);
    let table = images::serve(table);
    let table = content::serve(table);
    let table = vulnerabilities::serve(table);
    let table = checks::serve(table);
    let table = policies::serve(table);
    let table = feeds::serve(table);
    let table = events::serve(table);
    let table = jobs::serve(table);
    findings::serve(table).finish()
}

/// What a handler answers.
type Answer<T> = Result<axum::Json<T>, error::Failure>;
