//! Small images, made in memory.

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::Write;

/// A blob or manifest by digest.
#[derive(Debug, Clone)]
pub struct Blob {
    /// `sha256:<hex>`.
    pub digest: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// `sha256:<hex>` of some bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Blob {
    /// A blob of these bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { digest: digest(&bytes), bytes }
    }
}

/// An image ready to be served.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its manifest.
    pub manifest: Blob,
    /// Configuration and layers.
    pub blobs: Vec<Blob>,
}

/// Builds an image layer by layer.
#[derive(Debug, Default)]
pub struct ImageBuilder {
    layers: Vec<(Blob, String)>,
    history: Vec<Value>,
}

impl ImageBuilder {
    /// An image without layers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a layer of files: path and content.
    #[must_use]
    pub fn layer(mut self, files: &[(&str, &[u8])]) -> Self {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            archive.append_data(&mut header, path, *content).unwrap();
        }
        let tar = archive.into_inner().unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&tar).unwrap();
        self.layers.push((Blob::new(gzip.finish().unwrap()), digest(&tar)));
        self.history.push(json!({"created_by": "/bin/sh -c #(nop) ADD files in /"}));
        self
    }

    /// Adds a layer of bytes as they are, whatever they are.
    #[must_use]
    pub fn raw_layer(mut self, bytes: Vec<u8>) -> Self {
        let diff_id = digest(&bytes);
        self.layers.push((Blob::new(bytes), diff_id));
        self
    }

    /// Adds a step that made no layer, for instance `EXPOSE 22`.
    #[must_use]
    pub fn step(mut self, instruction: &str) -> Self {
        let created_by = format!("/bin/sh -c #(nop)  {instruction}");
        self.history.push(json!({"created_by": created_by, "empty_layer": true}));
        self
    }

    /// The finished image.
    #[must_use]
    pub fn build(self) -> Image {
        let diff_ids: Vec<&String> = self.layers.iter().map(|(_, diff_id)| diff_id).collect();
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {"Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": self.history,
        });
        let config = Blob::new(serde_json::to_vec(&config).unwrap());
        let descriptor = |blob: &Blob, media_type: &str| json!({"mediaType": media_type, "digest": blob.digest, "size": blob.bytes.len()});
        let layer_type = "application/vnd.oci.image.layer.v1.tar+gzip";
        let layers: Vec<Value> =
            self.layers.iter().map(|(blob, _)| descriptor(blob, layer_type)).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor(&config, "application/vnd.oci.image.config.v1+json"),
            "layers": layers,
        });
        let manifest = Blob::new(serde_json::to_vec(&manifest).unwrap());
        let mut blobs: Vec<Blob> = self.layers.into_iter().map(|(blob, _)| blob).collect();
        blobs.push(config);
        Image { manifest, blobs }
    }
}

/// `etc/os-release` of Debian 12.
pub const DEBIAN_12: &str = "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n";

/// A dpkg database with these packages: name, version, source (empty for the same).
#[must_use]
pub fn dpkg_status(packages: &[(&str, &str, &str)]) -> String {
    let stanza = |(name, version, source): &(&str, &str, &str)| {
        let source = if source.is_empty() { String::new() } else { format!("Source: {source}\n") };
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n{source}Version: {version}\nMaintainer: Test <test@example.com>\nDescription: a package\n"
        )
    };
    packages.iter().map(stanza).collect::<Vec<_>>().join("\n")
}

/// A Debian image with openssl (vulnerable by [`crate::feeds`]), one clean package and a Python
/// distribution that is vulnerable too.
#[must_use]
pub fn debian() -> Image {
    let status = dpkg_status(&[("libssl3", "3.0.9-1", "openssl"), ("base-files", "12.4", "")]);
    ImageBuilder::new()
        .layer(&[
            ("etc/os-release", DEBIAN_12.as_bytes()),
            ("var/lib/dpkg/status", status.as_bytes()),
        ])
        .layer(&[(
            "usr/lib/python3/site-packages/Django-3.2.0.dist-info/METADATA",
            b"Metadata-Version: 2.1\nName: Django\nVersion: 3.2.0\nLicense: BSD-3-Clause\n",
        )])
        .step("EXPOSE 8080")
        .build()
}

/// Standard base64 with padding.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
