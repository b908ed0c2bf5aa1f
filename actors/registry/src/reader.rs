//! A blob for threads that read: the bridge from the asynchronous stream to [`std::io::Read`].

use crate::blob::BlobStream;
use crate::error::Error;
use crate::limits::READER_CHUNKS;
use bytes::{Buf, Bytes};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// The half that downloads. It must be driven (awaited or spawned) while the [`BlobReader`] is
/// read on another thread; when it is dropped early, the reader fails at once instead of waiting.
pub struct Pump(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

/// The half that is read, on a thread that may block. The end of file comes only after length and
/// digest were checked. A download's [`Error`] is inside the [`io::Error`]; so is its absence
/// when the pump was dropped.
pub struct BlobReader {
    chunks: mpsc::Receiver<Result<Bytes, Error>>,
    current: Bytes,
    ended: bool,
}

impl BlobStream {
    /// Splits into the two halves, joined by a bounded queue.
    #[must_use]
    pub fn into_reader(self) -> (BlobReader, Pump) {
        let (sender, chunks) = mpsc::channel(READER_CHUNKS);
        let pump = Pump(Box::pin(pump(self, sender)));
        (BlobReader { chunks, current: Bytes::new(), ended: false }, pump)
    }
}

async fn pump(mut stream: BlobStream, sender: mpsc::Sender<Result<Bytes, Error>>) {
    loop {
        let next = tokio::select! {
            next = stream.chunk() => next,
            () = sender.closed() => return,
        };
        let (message, last) = match next {
            Ok(Some(chunk)) => (Ok(chunk), false),
            // An empty chunk is the checked end; a queue that just closes is not one.
            Ok(None) => (Ok(Bytes::new()), true),
            Err(error) => (Err(error), true),
        };
        if sender.send(message).await.is_err() || last {
            return;
        }
    }
}

impl io::Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.ended || buffer.is_empty() {
                return Ok(0);
            }
            match self.chunks.blocking_recv() {
                Some(Ok(chunk)) => {
                    self.ended = chunk.is_empty();
                    self.current = chunk;
                }
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => {
                    let what = "the download was cancelled";
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, what));
                }
            }
        }
        let count = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
