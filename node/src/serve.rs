//! Accepting connections, bounded: a flood of idle sockets must not take the file descriptors that
//! the log needs.

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt as _;

/// Connections at a time. A process may usually have 1 024 files open; the stores need some 100.
const CONNECTIONS_MAX: usize = 600;
/// A client gets this long to send the head of a request, on a fresh connection or an idle one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Pause after the system refused a connection, for instance for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Open connections get this long to finish once the node stops.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until told to stop, then lets open connections finish for a while.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    loop {
        let next = tokio::select! {
            next = accept(&listener, &room) => next,
            // The sender is gone only when the node is.
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        match next {
            Ok((stream, peer, place)) => {
                spawn(&graceful, router.clone(), stream, peer, place);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections are still open, closing them");
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    // Waiting here leaves further clients in the system's own queue.
    let place = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Small answers should not wait for more.
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}

fn spawn(
    graceful: &GracefulShutdown,
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
) {
    let service = router.map_request(move |mut request: axum::http::Request<_>| {
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        request
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD_TIMEOUT);
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    let watched = graceful.watch(connection);
    tokio::spawn(async move {
        // How a client breaks off is its own business.
        if let Err(error) = watched.await {
            tracing::debug!(%peer, error, "connection ended");
        }
        drop(place);
    });
}
