//! One layer on two threads: the first inflates and hashes the blob, the second hashes and walks
//! the tar. For the layers that are left when there are more cores than layers; the result is
//! the same as [`read_layer`]'s.

use crate::limits::PIPELINE_CHUNKS;
use kedge_analyzer::image::decode::{Decoder, Encoding, decode};
use kedge_analyzer::image::layer::{
    Expected, LayerError, LayerFacts, LayerWalk, Limits, read_layer,
};
use kedge_analyzer::limits::CHUNK_BYTES;
use kedge_artifact::digest::Digest;
use kedge_artifact::problem::Problem;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// What there is to read.
pub(crate) struct Job {
    pub(crate) reader: Box<dyn Read + Send>,
    pub(crate) encoding: Encoding,
    pub(crate) expected: Expected,
    pub(crate) limits: Limits,
}

impl Job {
    /// Reads the layer on this thread.
    pub(crate) fn read(self) -> Result<LayerFacts, LayerError> {
        read_layer(self.reader, self.encoding, &self.expected, &self.limits)
    }
}

/// What the first stage ends with.
struct Inflated {
    blob: (Digest, u64),
    encoding: Encoding,
}

/// The first thread's half.
pub(crate) struct Inflate {
    job: Job,
    chunks: SyncSender<Vec<u8>>,
    spent: Receiver<Vec<u8>>,
    given_up: Arc<AtomicBool>,
}

/// The second thread's half.
pub(crate) struct Walk {
    chunks: Receiver<Vec<u8>>,
    spent: Sender<Vec<u8>>,
    given_up: Arc<AtomicBool>,
    expected_diff_id: Option<Digest>,
    limits: Limits,
}

/// What the first half gives; joined with the second's by [`join`].
pub(crate) struct InflateEnd {
    result: Result<Inflated, LayerError>,
    stated: Encoding,
}

/// Splits a job into its two halves.
pub(crate) fn split(job: Job) -> (Inflate, Walk) {
    let (chunks, incoming) = sync_channel(PIPELINE_CHUNKS);
    let (returned, spent) = channel();
    let given_up = Arc::new(AtomicBool::new(false));
    let walk = Walk {
        chunks: incoming,
        spent: returned,
        given_up: given_up.clone(),
        expected_diff_id: job.expected.diff_id,
        limits: job.limits.clone(),
    };
    (Inflate { job, chunks, spent, given_up }, walk)
}

impl Inflate {
    /// Runs the first stage.
    pub(crate) fn run(self) -> InflateEnd {
        let Self { job, chunks, spent, given_up } = self;
        let stated = job.encoding;
        let result = decode(job.reader, job.encoding, &job.expected, &job.limits)
            .and_then(|decoder| inflate(decoder, &chunks, &spent, &given_up));
        InflateEnd { result, stated }
    }
}

fn inflate(
    mut decoder: Decoder<Box<dyn Read + Send>>,
    chunks: &SyncSender<Vec<u8>>,
    spent: &Receiver<Vec<u8>>,
    given_up: &AtomicBool,
) -> Result<Inflated, LayerError> {
    loop {
        // Buffers go round, so that their pages are not mapped anew for every chunk.
        let mut chunk = spent.try_recv().unwrap_or_default();
        chunk.resize(CHUNK_BYTES, 0);
        let count = fill(&mut decoder, &mut chunk)?;
        if count == 0 {
            break;
        }
        chunk.truncate(count);
        // The walk stopped: on nonsense in the tar, whose cause the digest tells, or for good.
        if chunks.send(chunk).is_err() {
            if given_up.load(Ordering::Relaxed) {
                let blob = decoder.blob().unwrap_or((Digest::from_bytes([0; 32]), 0));
                return Ok(Inflated { blob, encoding: decoder.encoding() });
            }
            break;
        }
    }
    let blob = decoder.verify()?;
    Ok(Inflated { blob, encoding: decoder.encoding() })
}

fn fill(decoder: &mut impl Read, chunk: &mut [u8]) -> Result<usize, LayerError> {
    let mut count = 0;
    while count < chunk.len() {
        match decoder.read(&mut chunk[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(LayerError::from_io(error)),
        }
    }
    Ok(count)
}

impl Walk {
    /// Runs the second stage.
    pub(crate) fn run(self) -> Result<LayerFacts, LayerError> {
        let mut walk = LayerWalk::new(&self.limits);
        for chunk in &self.chunks {
            if let Err(error) = walk.feed(&chunk) {
                let nonsense =
                    matches!(error, LayerError::Tar { .. } | LayerError::TarTruncated { .. });
                self.given_up.store(!nonsense, Ordering::Relaxed);
                return Err(error);
            }
            // The first stage may be gone already.
            let _ = self.spent.send(chunk);
        }
        walk.finish(self.expected_diff_id)
    }
}

/// Joins what the two threads found. The first stage's error says more: a walk that was cut off
/// only knows that the tar ended.
pub(crate) fn join(
    inflated: InflateEnd,
    walked: Result<LayerFacts, LayerError>,
) -> Result<LayerFacts, LayerError> {
    let Inflated { blob: (digest, size), encoding } = inflated.result?;
    let mut facts = walked?;
    facts.blob = Some(digest);
    facts.blob_size = size;
    let stated = inflated.stated;
    if stated != Encoding::Detect && stated != encoding && facts.tar_size > 0 {
        // The same words as the one-thread reader's, so that the SBOM does not depend on cores.
        facts.problems.push(Problem::info(
            "layer_encoding_differs",
            digest.to_string(),
            format!("media type says {}, the bytes are {}", stated.as_str(), encoding.as_str()),
        ));
        facts.problems.sort();
    }
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn tar(size: usize) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let body: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
        for name in ["etc/os-release", "var/lib/big"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(body.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append_data(&mut header, name, body.as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn job(blob: &[u8], encoding: Encoding, expected: &Expected) -> Job {
        let reader = Box::new(io::Cursor::new(blob.to_vec()));
        Job { reader, encoding, expected: expected.clone(), limits: Limits::default() }
    }

    fn both(blob: &[u8], encoding: Encoding, expected: &Expected) -> Result<LayerFacts, String> {
        let plain = job(blob, encoding, expected).read().map_err(|error| error.to_string());
        let (inflate, walk) = split(job(blob, encoding, expected));
        let first = std::thread::spawn(move || inflate.run());
        let walked = walk.run();
        let piped = join(first.join().unwrap(), walked).map_err(|error| error.to_string());
        assert_eq!(plain, piped);
        piped
    }

    #[test]
    fn two_threads_come_to_the_same_as_one() {
        let tar = tar(3_000_000);
        let blob = gzip(&tar);
        let expected = Expected {
            digest: Some(Digest::of(&blob)),
            size: Some(blob.len() as u64),
            diff_id: Some(Digest::of(&tar)),
        };
        let facts = both(&blob, Encoding::Gzip, &expected).unwrap();
        assert_eq!(facts.blob, expected.digest);
        assert_eq!(facts.tar_size, tar.len() as u64);
        // A wrong media type is told in the same words.
        let facts = both(&blob, Encoding::Zstd, &expected).unwrap();
        assert!(facts.problems.iter().any(|p| p.code == "layer_encoding_differs"));
    }

    #[test]
    fn errors_are_the_same_too() {
        let tar = tar(1_000_000);
        let blob = gzip(&tar);
        let good = Expected { digest: Some(Digest::of(&blob)), size: None, diff_id: None };
        let wrong = Expected { digest: Some(Digest::of(b"")), ..Expected::default() };
        assert!(both(&blob, Encoding::Gzip, &wrong).unwrap_err().contains("has digest"));
        let diff = Expected { diff_id: Some(Digest::of(b"")), ..good };
        assert!(both(&blob, Encoding::Gzip, &diff).unwrap_err().contains("diff id"));
        let any = Expected::default();
        assert!(
            both(&blob[..blob.len() / 2], Encoding::Gzip, &any).unwrap_err().contains("truncated")
        );
        let nonsense = gzip(&vec![7; 5_000_000]);
        assert!(both(&nonsense, Encoding::Gzip, &any).unwrap_err().contains("malformed"));
        // Nonsense because of damage in transit is called damage.
        assert!(both(&nonsense, Encoding::Gzip, &wrong).unwrap_err().contains("has digest"));
        let size = Expected { size: Some(5), ..Expected::default() };
        assert!(both(&blob, Encoding::Gzip, &size).unwrap_err().contains("descriptor says 5"));
    }
}
