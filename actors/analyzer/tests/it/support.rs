//! Builders of tars, blobs and images.

use flate2::Compression;
use flate2::write::GzEncoder;
use kedge_analyzer::image::decode::Encoding;
use kedge_analyzer::image::layer::{Expected, LayerFacts, Limits, read_layer};
use kedge_analyzer::image::tree::{Analysis, ImageInfo, SquashOptions, squash};
use kedge_artifact::digest::Digest;
use kedge_artifact::package::Package;
use kedge_artifact::sbom::TargetKind;
use std::io::Write;
use std::sync::Arc;

/// Writes raw tar headers, so that every lie can be told.
#[derive(Default, Clone)]
pub(crate) struct TarBytes(pub(crate) Vec<u8>);

pub(crate) struct Raw<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) flag: u8,
    pub(crate) mode: u32,
    pub(crate) link: &'a [u8],
    pub(crate) size: u64,
}

impl TarBytes {
    pub(crate) fn header(&mut self, raw: &Raw<'_>) -> &mut Self {
        let mut block = [0_u8; 512];
        block[..raw.name.len().min(100)].copy_from_slice(&raw.name[..raw.name.len().min(100)]);
        block[100..108].copy_from_slice(format!("{:07o}\0", raw.mode).as_bytes());
        block[108..116].copy_from_slice(b"0000000\0");
        block[116..124].copy_from_slice(b"0000000\0");
        if raw.size >> 33 == 0 {
            block[124..136].copy_from_slice(format!("{:011o}\0", raw.size).as_bytes());
        } else {
            block[124] = 0x80;
            block[128..136].copy_from_slice(&raw.size.to_be_bytes());
        }
        block[136..148].copy_from_slice(b"00000000000\0");
        block[156] = raw.flag;
        block[157..157 + raw.link.len().min(100)]
            .copy_from_slice(&raw.link[..raw.link.len().min(100)]);
        block[257..265].copy_from_slice(b"ustar\x0000");
        self.seal(block)
    }

    pub(crate) fn seal(&mut self, mut block: [u8; 512]) -> &mut Self {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&block);
        self
    }

    pub(crate) fn body(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn entry(&mut self, name: &str, flag: u8, mode: u32, link: &str, bytes: &[u8]) -> &mut Self {
        if name.len() > 100 {
            self.meta(b'L', format!("{name}\0").as_bytes());
        }
        if link.len() > 100 {
            self.meta(b'K', format!("{link}\0").as_bytes());
        }
        let size = bytes.len() as u64;
        self.header(&Raw { name: name.as_bytes(), flag, mode, link: link.as_bytes(), size });
        self.body(bytes)
    }

    pub(crate) fn meta(&mut self, flag: u8, bytes: &[u8]) -> &mut Self {
        let size = bytes.len() as u64;
        self.header(&Raw { name: b"meta", flag, mode: 0, link: b"", size });
        self.body(bytes)
    }

    pub(crate) fn pax(&mut self, records: &[(&str, &str)]) -> &mut Self {
        let mut text = String::new();
        for (key, value) in records {
            let rest = format!(" {key}={value}\n");
            let digits = (rest.len() + 2).to_string().len();
            let mut length = rest.len() + digits;
            if length.to_string().len() > digits {
                length += 1;
            }
            text.push_str(&format!("{length}{rest}"));
        }
        self.meta(b'x', text.as_bytes())
    }

    pub(crate) fn file(&mut self, name: &str, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.entry(name, b'0', 0o644, "", bytes.as_ref())
    }

    pub(crate) fn dir(&mut self, name: &str) -> &mut Self {
        self.entry(name, b'5', 0o755, "", b"")
    }

    pub(crate) fn symlink(&mut self, name: &str, target: &str) -> &mut Self {
        self.entry(name, b'2', 0o777, target, b"")
    }

    pub(crate) fn hardlink(&mut self, name: &str, target: &str) -> &mut Self {
        self.entry(name, b'1', 0o644, target, b"")
    }

    pub(crate) fn special(&mut self, name: &str, flag: u8) -> &mut Self {
        self.entry(name, flag, 0o600, "", b"")
    }

    pub(crate) fn whiteout(&mut self, path: &str) -> &mut Self {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let separator = if directory.is_empty() { "" } else { "/" };
        self.file(&format!("{directory}{separator}.wh.{name}"), b"")
    }

    pub(crate) fn opaque(&mut self, directory: &str) -> &mut Self {
        self.file(&format!("{directory}/.wh..wh..opq"), b"")
    }

    pub(crate) fn end(&self) -> Vec<u8> {
        let mut bytes = self.0.clone();
        bytes.extend_from_slice(&[0; 1024]);
        bytes
    }

    /// The facts of this tar as an uncompressed layer.
    pub(crate) fn facts(&self) -> Arc<LayerFacts> {
        Arc::new(read_plain(&self.end()).unwrap())
    }
}

pub(crate) fn tar() -> TarBytes {
    TarBytes::default()
}

pub(crate) fn read_plain(
    bytes: &[u8],
) -> Result<LayerFacts, kedge_analyzer::image::layer::LayerError> {
    read_layer(bytes, Encoding::Plain, &Expected::default(), &Limits::default())
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn expected(blob: &[u8], tar: &[u8]) -> Expected {
    Expected {
        digest: Some(Digest::of(blob)),
        size: Some(blob.len() as u64),
        diff_id: Some(Digest::of(tar)),
    }
}

pub(crate) fn image() -> ImageInfo {
    ImageInfo { kind: TargetKind::Image, manifest: None, config: None, platform: None }
}

pub(crate) fn squashed(layers: &[&TarBytes]) -> Analysis {
    let layers: Vec<_> = layers.iter().map(|layer| layer.facts()).collect();
    squash(&image(), &layers, &SquashOptions::default()).unwrap()
}

/// `kind name version` of each package.
pub(crate) fn names(analysis: &Analysis) -> Vec<String> {
    let row = |p: &Package| format!("{} {} {}", p.kind, p.name, p.version);
    analysis.sbom.packages.iter().map(row).collect()
}

pub(crate) fn paths(analysis: &Analysis) -> Vec<&str> {
    analysis.files.iter().map(|file| file.path.as_str()).collect()
}

pub(crate) fn codes(analysis: &Analysis) -> Vec<&str> {
    analysis.sbom.problems.iter().map(|problem| problem.code.as_str()).collect()
}

pub(crate) fn module(name: &str, version: &str) -> String {
    format!(r#"{{"name":"{name}","version":"{version}","license":"MIT"}}"#)
}

pub(crate) fn deb(name: &str, version: &str) -> String {
    format!(
        "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n\
         Version: {version}\n\n"
    )
}

pub(crate) const DEBIAN: &str = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12\"\n";
