//! Dropping an analysis stops what works for it.

use crate::fixture::{Store, gzip, layers, options, registry_source};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kedge_artifact::image::Platform;
use kedge_target::{
    Image, ImageSource, LayerInput, LayerSource, LayerStream, NoCache, Progress, TargetError,
    analyze,
};
use std::io::Read;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Passes another source on and tells when its readers are dropped by the reading thread.
struct Tattling<S> {
    inner: S,
    dropped: mpsc::UnboundedSender<()>,
    endless: bool,
}

struct Reader {
    inner: Box<dyn Read + Send>,
    dropped: mpsc::UnboundedSender<()>,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(buffer)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.dropped.send(());
    }
}

impl<S: ImageSource> ImageSource for Tattling<S> {
    fn image<'a>(
        &'a self,
        platform: Option<&'a Platform>,
    ) -> BoxFuture<'a, Result<Image, TargetError>> {
        self.inner.image(platform)
    }

    fn open_layer<'a>(
        &'a self,
        layer: &'a LayerSource,
    ) -> BoxFuture<'a, Result<LayerInput, TargetError>> {
        async move {
            let input = self.inner.open_layer(layer).await?;
            let LayerInput::Stream(LayerStream { reader, pump }) = input else { unreachable!() };
            let dropped = self.dropped.clone();
            let inner: Box<dyn Read + Send> =
                if self.endless { Box::new(std::io::repeat(0)) } else { reader };
            let reader = Box::new(Reader { inner, dropped });
            Ok(LayerInput::Stream(LayerStream { reader, pump }))
        }
        .boxed()
    }
}

/// Starts an analysis, drops it once a layer is being read, and waits for the thread to end.
async fn cancel(source: impl ImageSource + 'static, mut dropped: mpsc::UnboundedReceiver<()>) {
    let (started, mut begun) = mpsc::unbounded_channel();
    let sink = Arc::new(move |step| {
        if matches!(step, Progress::LayerStarted { .. }) {
            let _ = started.send(());
        }
    });
    let running = tokio::spawn(analyze(Arc::new(source), Arc::new(NoCache), options(2), sink));
    begun.recv().await.unwrap();
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    // The sender lives in the reader and in the source; both are gone when the thread has ended.
    while dropped.recv().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_never_comes_to_an_end_is_stopped() {
    let mut store = Store::default();
    // The blob says to be long, and the reader never ends.
    let tars = layers();
    let config = store.put(
        Store::config(&tars[..1], "amd64").as_bytes(),
        "application/vnd.oci.image.config.v1+json",
    );
    let mut layer = store.put(&gzip(&tars[0]), "application/vnd.oci.image.layer.v1.tar");
    layer.size = usize::MAX >> 2;
    let image = store.manifest(&config, &[layer.json()]);
    let folder = tempfile::tempdir().unwrap();
    let path = store.layout(folder.path(), &[image.json()]);
    let (sender, dropped) = mpsc::unbounded_channel();
    let inner = kedge_target::OciLayoutSource::new(path, None);
    cancel(Tattling { inner, dropped: sender, endless: true }, dropped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_waits_for_the_network_is_stopped() {
    let mut store = Store::default();
    let image = store.image(&layers(), "amd64");
    let (host, _) = store.serve(&image).await;
    // In front of it a door that lets documents through and holds layers back.
    let (door, _held) = door(host, &store).await;
    let (sender, dropped) = mpsc::unbounded_channel();
    let inner = registry_source(&door);
    cancel(Tattling { inner, dropped: sender, endless: false }, dropped).await;
}

/// Serves the store, but of blobs over 1000 bytes only the first half, and never hangs up.
async fn door(upstream: String, store: &Store) -> (String, tokio::task::JoinHandle<()>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let large: Vec<(String, usize)> = store
        .blobs
        .iter()
        .filter(|(_, bytes)| bytes.len() > 1000)
        .map(|(digest, bytes)| (digest.to_string(), bytes.len()))
        .collect();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (upstream, large) = (upstream.clone(), large.clone());
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let count = client.read(&mut head).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&head[..count]).into_owned();
                let held = large.iter().find(|(digest, _)| text.contains(digest));
                if let Some((_, size)) = held {
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
                    let _ = client.write_all(answer.as_bytes()).await;
                    // Ends when the client hangs up.
                    let _ = client.read(&mut head).await;
                } else if let (true, Ok(mut server)) =
                    (head[0] == b'G', tokio::net::TcpStream::connect(upstream).await)
                {
                    let _ = server.write_all(&head[..count]).await;
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    (host, serving)
}
