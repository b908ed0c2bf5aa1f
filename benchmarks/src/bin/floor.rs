//! `floor`: the least that any scanner of a cold image has to do. Each layer of an OCI layout is
//! inflated once, its blob and its tar are hashed with sha256 and compared with what the image says,
//! two layers at a time, and nothing else. Time this process to know what a scan is measured against.

use std::collections::VecDeque;
use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail};
use flate2::bufread::MultiGzDecoder;
use kedge_benchmarks::layout::{self, Compression, LayerBlob};
use sha2::{Digest, Sha256};

/// Layers in work at once: one for each core of the machine that the targets are written for.
const WORKERS: usize = 2;
/// Bytes read or inflated at a time.
const CHUNK_BYTES: usize = 256 * 1024;

fn main() -> Result<()> {
    let folder = env::args().nth(1).context("usage: floor OCI_LAYOUT_DIR")?;
    let layers = layout::layers(Path::new(&folder))?;
    let count = layers.len();
    let queue = Mutex::new(VecDeque::from(layers));
    let results = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(|| work(&queue))).collect();
        workers
            .into_iter()
            .map(|it| it.join().expect("a worker does not panic"))
            .collect::<Vec<_>>()
    });
    let mut raw_bytes = 0;
    for result in results {
        raw_bytes += result?;
    }
    writeln!(io::stdout(), "{count} layers, {raw_bytes} bytes of tar")?;
    Ok(())
}

fn work(queue: &Mutex<VecDeque<LayerBlob>>) -> Result<u64> {
    let mut raw_bytes = 0;
    loop {
        let next = queue.lock().expect("no worker panics with the lock held").pop_front();
        let Some(layer) = next else { return Ok(raw_bytes) };
        raw_bytes += check(&layer).with_context(|| format!("layer {}", layer.digest))?;
    }
}

fn check(layer: &LayerBlob) -> Result<u64> {
    let blob = Hashing { inner: File::open(&layer.path)?, hash: Sha256::new() };
    let blob = io::BufReader::with_capacity(CHUNK_BYTES, blob);
    let (raw_bytes, diff_id, mut blob) = match layer.compression {
        Compression::Gzip => {
            let mut decoder = MultiGzDecoder::new(blob);
            let (raw_bytes, diff_id) = drain(&mut decoder)?;
            (raw_bytes, diff_id, decoder.into_inner())
        }
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(blob)?;
            let (raw_bytes, diff_id) = drain(&mut decoder)?;
            (raw_bytes, diff_id, decoder.finish())
        }
        Compression::Plain => {
            let mut blob = blob;
            let (raw_bytes, diff_id) = drain(&mut blob)?;
            (raw_bytes, diff_id, blob)
        }
    };
    drain(&mut blob)?;
    let digest = format!("sha256:{}", hex::encode(blob.into_inner().hash.finalize()));
    if digest != layer.digest {
        bail!("the blob's digest is {digest}");
    }
    if diff_id != layer.diff_id {
        bail!("the tar's digest is {diff_id}, the image says {}", layer.diff_id);
    }
    Ok(raw_bytes)
}

/// Reads to the end; returns how many bytes there were and their sha256.
fn drain(reader: &mut dyn Read) -> Result<(u64, String)> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let (mut byte_count, mut hash) = (0, Sha256::new());
    loop {
        let length = reader.read(&mut buffer)?;
        if length == 0 {
            return Ok((byte_count, format!("sha256:{}", hex::encode(hash.finalize()))));
        }
        byte_count += length as u64;
        hash.update(&buffer[..length]);
    }
}

struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }
}
