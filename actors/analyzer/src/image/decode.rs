//! The first stage of a layer: blob bytes in, tar bytes out, the blob's digest and size checked
//! against its descriptor on the way.

use crate::image::layer::{Expected, LayerError, Limits};
use crate::limits::CHUNK_BYTES;
use flate2::bufread::MultiGzDecoder;
use kedge_artifact::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead, Read};

/// How a layer blob is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// gzip, one or many members (RFC 1952).
    Gzip,
    /// zstd, one or many frames (RFC 8878).
    Zstd,
    /// Not compressed.
    Plain,
    /// Not stated by the source: the first bytes decide.
    Detect,
}

impl Encoding {
    /// The encoding that a layer's media type names; `None` when it is not a layer we can read.
    #[must_use]
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        if !media_type.contains(".layer.") && !media_type.contains(".rootfs.") {
            return None;
        }
        match media_type.rsplit_once(['+', '.']).map(|(_, suffix)| suffix) {
            Some("gzip") => Some(Self::Gzip),
            Some("zstd") => Some(Self::Zstd),
            Some("tar") => Some(Self::Plain),
            _ => None,
        }
    }

    /// The name used in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Plain => "plain tar",
            Self::Detect => "detected",
        }
    }
}

/// What the first bytes of a blob say. Magic numbers: RFC 1952, RFC 8878 (frames and skippable
/// frames), and the file formats of those that are refused by name.
fn sniff(head: &[u8]) -> Result<Encoding, &'static str> {
    match head {
        [0x1f, 0x8b, ..] => Ok(Encoding::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Encoding::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err("xz"),
        [b'B', b'Z', b'h', ..] => Err("bzip2"),
        [0x04, 0x22, 0x4d, 0x18, ..] => Err("lz4"),
        [0x5d, 0, 0, ..] => Err("lzma"),
        _ => Ok(Encoding::Plain),
    }
}

/// The compressed side: counts and hashes each byte as it comes from the source.
struct Source<R> {
    inner: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    hasher: Sha256,
    read: u64,
    bytes_max: u64,
    size: Option<u64>,
    /// The error that ended the source, kept typed because the inflaters only pass kinds on.
    failed: Option<LayerError>,
}

impl<R: Read> Source<R> {
    fn refill(&mut self) -> Result<(), LayerError> {
        self.start = 0;
        self.end = loop {
            match self.inner.read(&mut self.buffer) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(LayerError::Read(error)),
            }
        };
        self.hasher.update(&self.buffer[..self.end]);
        self.read += self.end as u64;
        if let Some(expected) = self.size
            && self.read > expected
        {
            return Err(LayerError::BlobSize { expected, found: self.read });
        }
        if self.read > self.bytes_max {
            return Err(LayerError::Limit { limit: "BLOB_BYTES_MAX", max: self.bytes_max });
        }
        Ok(())
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(out.len());
        out[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end
            && let Err(error) = self.refill()
        {
            self.start = 0;
            self.end = 0;
            self.failed = Some(error);
            return Err(io::Error::other("layer source failed"));
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }
}

enum Inflate<R: Read> {
    Gzip(Box<MultiGzDecoder<Source<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Source<R>>>),
    Plain(Box<Source<R>>),
}

/// Reads the tar bytes of a layer blob. At the end of the stream the blob's size and digest have
/// been compared with what was expected. Errors are [`LayerError`]s inside `io::Error`; take them
/// out with [`LayerError::from_io`].
pub struct Decoder<R: Read> {
    inflate: Inflate<R>,
    encoding: Encoding,
    digest: Option<Digest>,
    size: Option<u64>,
    inflated: u64,
    limits: Limits,
    blob: Option<(Digest, u64)>,
}

/// Starts reading a layer blob. The first bytes decide the encoding (as container runtimes do);
/// [`Decoder::encoding`] tells what it was.
///
/// # Errors
/// When the source fails at once, or the blob is compressed in a way that no layer may be.
pub fn decode<R: Read>(
    reader: R,
    encoding: Encoding,
    expected: &Expected,
    limits: &Limits,
) -> Result<Decoder<R>, LayerError> {
    let mut source = Source {
        inner: reader,
        buffer: vec![0; CHUNK_BYTES].into_boxed_slice(),
        start: 0,
        end: 0,
        hasher: Sha256::new(),
        read: 0,
        bytes_max: limits.blob_bytes_max,
        size: expected.size,
        failed: None,
    };
    let found = first_bytes(&mut source, encoding)?;
    let inflate = match found {
        Encoding::Gzip => Inflate::Gzip(Box::new(MultiGzDecoder::new(source))),
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(source)
                .map_err(|error| corrupt(Encoding::Zstd, &error))?;
            decoder
                .window_log_max(crate::limits::ZSTD_WINDOW_LOG_MAX)
                .map_err(|error| corrupt(Encoding::Zstd, &error))?;
            Inflate::Zstd(Box::new(decoder))
        }
        Encoding::Plain | Encoding::Detect => Inflate::Plain(Box::new(source)),
    };
    Ok(Decoder {
        inflate,
        encoding: found,
        digest: expected.digest,
        size: expected.size,
        inflated: 0,
        limits: limits.clone(),
        blob: None,
    })
}

/// Looks at the first bytes without consuming them. A source that hands out fewer than six bytes
/// at first is asked again, so that a slow socket does not change the answer.
fn first_bytes<R: Read>(source: &mut Source<R>, stated: Encoding) -> Result<Encoding, LayerError> {
    let mut head = [0_u8; 6];
    let mut held = 0;
    while held < head.len() {
        match source.inner.read(&mut head[held..]) {
            Ok(0) => break,
            Ok(count) => held += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(LayerError::Read(error)),
        }
    }
    source.buffer[..held].copy_from_slice(&head[..held]);
    source.end = held;
    source.hasher.update(&head[..held]);
    source.read = held as u64;
    if held == 0 {
        return Ok(Encoding::Plain);
    }
    sniff(&head[..held]).map_err(|found| LayerError::Compression {
        stated: stated.as_str(),
        found: found.to_owned(),
    })
}

fn corrupt(encoding: Encoding, error: &io::Error) -> LayerError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return LayerError::Truncated { encoding: encoding.as_str() };
    }
    LayerError::Corrupt { encoding: encoding.as_str(), message: error.to_string() }
}

impl<R: Read> Decoder<R> {
    /// The encoding that the bytes have, whatever the descriptor said.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Digest and size of the blob; `None` before the end was reached.
    #[must_use]
    pub const fn blob(&self) -> Option<(Digest, u64)> {
        self.blob
    }

    fn source(&mut self) -> &mut Source<R> {
        match &mut self.inflate {
            Inflate::Gzip(decoder) => decoder.get_mut(),
            Inflate::Zstd(decoder) => decoder.get_mut(),
            Inflate::Plain(source) => source,
        }
    }

    /// Reads the rest of the blob without inflating it and compares size and digest. Used at the
    /// end, and after an error, so that damage in transit is called by its name and not "bad tar".
    ///
    /// # Errors
    /// Size or digest differ, or the source failed.
    pub fn verify(&mut self) -> Result<(Digest, u64), LayerError> {
        if let Some(blob) = self.blob {
            return Ok(blob);
        }
        let (expected_digest, expected_size) = (self.digest, self.size);
        let source = self.source();
        if let Some(error) = source.failed.take() {
            return Err(error);
        }
        loop {
            source.refill()?;
            if source.end == 0 {
                break;
            }
        }
        let size = source.read;
        let digest = Digest::from_bytes(std::mem::take(&mut source.hasher).finalize().into());
        if let Some(expected) = expected_size
            && expected != size
        {
            return Err(LayerError::BlobSize { expected, found: size });
        }
        if let Some(expected) = expected_digest
            && expected != digest
        {
            return Err(LayerError::BlobDigest { expected, found: digest });
        }
        self.blob = Some((digest, size));
        Ok((digest, size))
    }

    fn next_bytes(&mut self, out: &mut [u8]) -> Result<usize, LayerError> {
        let read = match &mut self.inflate {
            Inflate::Gzip(decoder) => decoder.read(out),
            Inflate::Zstd(decoder) => decoder.read(out),
            Inflate::Plain(source) => source.read(out),
        };
        match read {
            Ok(0) => self.verify().map(|_| 0),
            Ok(count) => self.count(count),
            Err(error) => {
                self.verify()?;
                Err(corrupt(self.encoding, &error))
            }
        }
    }

    fn count(&mut self, count: usize) -> Result<usize, LayerError> {
        self.inflated += count as u64;
        let (inflated, max) = (self.inflated, self.limits.tar_bytes_max);
        if inflated > max {
            return Err(LayerError::Limit { limit: "TAR_BYTES_MAX", max });
        }
        let ratio_max = self.limits.ratio_max;
        if inflated > self.limits.ratio_floor_bytes
            && inflated / ratio_max > self.source().read.max(1)
        {
            return Err(LayerError::Limit { limit: "RATIO_MAX", max: ratio_max });
        }
        Ok(count)
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        self.next_bytes(out).map_err(io::Error::from)
    }
}
