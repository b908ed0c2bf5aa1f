//! Images made in memory, and the places to put them.

use kedge_analyzer::image::layer::LayerFacts;
use kedge_artifact::digest::Digest;
use kedge_registry::{Access, Client, Options};
use kedge_target::{
    AnalyzeOptions, ImageSource, LayerCache, NoCache, OciLayoutSource, RegistrySource,
    TargetAnalysis, TargetError, analyze, quiet,
};
use std::collections::HashMap;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const GZIP_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const ZSTD_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// A tar of regular files.
pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, body) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *body).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub(crate) const OS_RELEASE: &[u8] =
    b"ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n";
pub(crate) const STATUS: &[u8] = b"Package: zlib1g\nStatus: install ok installed\n\
    Source: zlib\nVersion: 1:1.2.13.dfsg-1\nArchitecture: amd64\nMaintainer: A <a@example.org>\n\n";
pub(crate) const METADATA: &[u8] =
    b"Metadata-Version: 2.1\nName: example-tool\nVersion: 3.1.4\nLicense: MIT\n\nText\n";

/// The tars of the image that most tests use: a base and an application, of unequal length.
pub(crate) fn layers() -> Vec<Vec<u8>> {
    let ballast: Vec<u8> = (0..900_000_u32).map(|index| (index * 31 / 7) as u8).collect();
    vec![
        tar(&[
            ("etc/os-release", OS_RELEASE),
            ("var/lib/dpkg/status", STATUS),
            ("usr/share/ballast", &ballast),
        ]),
        tar(&[("usr/lib/python3/dist-packages/example_tool-3.1.4.dist-info/METADATA", METADATA)]),
    ]
}

/// Blobs by digest, and one root document.
#[derive(Default, Clone)]
pub(crate) struct Store {
    pub(crate) blobs: HashMap<Digest, Vec<u8>>,
}

/// A document or blob of a [`Store`].
#[derive(Clone)]
pub(crate) struct Put {
    pub(crate) digest: Digest,
    pub(crate) size: usize,
    pub(crate) media_type: String,
}

impl Put {
    pub(crate) fn json(&self) -> String {
        let Self { digest, size, media_type } = self;
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
    }

    pub(crate) fn json_for(&self, os: &str, architecture: &str) -> String {
        let plain = self.json();
        let open = plain.trim_end_matches('}');
        format!(r#"{open},"platform":{{"os":"{os}","architecture":"{architecture}"}}}}"#)
    }
}

impl Store {
    pub(crate) fn put(&mut self, bytes: &[u8], media_type: &str) -> Put {
        let digest = Digest::of(bytes);
        self.blobs.insert(digest, bytes.to_vec());
        Put { digest, size: bytes.len(), media_type: media_type.to_owned() }
    }

    /// A configuration with the diff ids of `tars`.
    pub(crate) fn config(tars: &[Vec<u8>], architecture: &str) -> String {
        let ids: Vec<String> = tars.iter().map(|tar| format!("\"{}\"", Digest::of(tar))).collect();
        format!(
            r#"{{"os":"linux","architecture":"{architecture}","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            ids.join(",")
        )
    }

    /// An image: the first layer gzip, the others zstd.
    pub(crate) fn image(&mut self, tars: &[Vec<u8>], architecture: &str) -> Put {
        let config = Self::config(tars, architecture);
        self.image_with(tars, &config)
    }

    pub(crate) fn image_with(&mut self, tars: &[Vec<u8>], config: &str) -> Put {
        let config = self.put(config.as_bytes(), "application/vnd.oci.image.config.v1+json");
        let layers: Vec<String> = tars
            .iter()
            .enumerate()
            .map(|(index, tar)| match index {
                0 => self.put(&gzip(tar), GZIP_LAYER).json(),
                _ => self.put(&zstd::encode_all(tar.as_slice(), 1).unwrap(), ZSTD_LAYER).json(),
            })
            .collect();
        self.manifest(&config, &layers)
    }

    pub(crate) fn manifest(&mut self, config: &Put, layers: &[String]) -> Put {
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{}]}}"#,
            config.json(),
            layers.join(",")
        );
        self.put(manifest.as_bytes(), OCI_MANIFEST)
    }

    pub(crate) fn index(&mut self, children: &[String]) -> Put {
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#,
            children.join(",")
        );
        self.put(index.as_bytes(), OCI_INDEX)
    }

    fn files(&self, roots: &[String]) -> Vec<(String, Vec<u8>)> {
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, roots.join(","));
        let mut files = vec![
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            ("index.json".to_owned(), index.into_bytes()),
        ];
        for (digest, bytes) in &self.blobs {
            files.push((format!("blobs/sha256/{}", digest.hex()), bytes.clone()));
        }
        files
    }

    /// Writes an OCI layout.
    pub(crate) fn layout(&self, at: &Path, roots: &[String]) -> PathBuf {
        std::fs::create_dir_all(at.join("blobs/sha256")).unwrap();
        for (name, bytes) in self.files(roots) {
            std::fs::write(at.join(name), bytes).unwrap();
        }
        at.to_owned()
    }

    /// Writes an OCI archive.
    pub(crate) fn archive(&self, at: &Path, roots: &[String]) -> PathBuf {
        let files = self.files(roots);
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        std::fs::write(at, tar(&files)).unwrap();
        at.to_owned()
    }

    /// Serves the store as the repository `team/app` with one tag `v1`.
    pub(crate) async fn serve(&self, root: &Put) -> (String, Arc<Mutex<Vec<String>>>) {
        use axum::extract::{Request, State};
        use axum::http::StatusCode;
        use axum::response::IntoResponse as _;
        type Served = Arc<(Store, Put, Arc<Mutex<Vec<String>>>)>;
        async fn answer(
            State(served): State<Served>,
            request: Request,
        ) -> axum::response::Response {
            let path = request.uri().path().to_owned();
            served.2.lock().unwrap().push(path.clone());
            let name = path.rsplit('/').next().unwrap_or("");
            let digest = if name == "v1" { Some(served.1.digest) } else { name.parse().ok() };
            match digest.and_then(|digest| served.0.blobs.get(&digest)) {
                _ if path == "/v2/" => "{}".into_response(),
                Some(bytes) => bytes.clone().into_response(),
                None => StatusCode::NOT_FOUND.into_response(),
            }
        }
        let log = Arc::new(Mutex::new(Vec::new()));
        let served: Served = Arc::new((self.clone(), root.clone(), log.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let router = axum::Router::new().fallback(answer).with_state(served);
        tokio::spawn(async move { axum::serve(listener, router).await });
        (host, log)
    }
}

pub(crate) fn registry_source(host: &str) -> RegistrySource {
    let client = Client::new(Options::default()).unwrap();
    let reference = format!("{host}/team/app:v1").parse().unwrap();
    RegistrySource::new(client, Access::explicit(host), reference)
}

pub(crate) fn options(permits: usize) -> AnalyzeOptions {
    AnalyzeOptions { permits: NonZeroUsize::new(permits).unwrap(), ..AnalyzeOptions::default() }
}

pub(crate) async fn run(source: impl ImageSource + 'static) -> Result<TargetAnalysis, TargetError> {
    analyze(Arc::new(source), Arc::new(NoCache), options(2), quiet()).await
}

/// Analyses a layout in a temporary folder.
pub(crate) async fn run_layout(store: &Store, root: &Put) -> Result<TargetAnalysis, TargetError> {
    let folder = tempfile::tempdir().unwrap();
    let path = store.layout(folder.path(), &[root.json()]);
    run(OciLayoutSource::new(path, None)).await
}

pub(crate) fn sbom_bytes(analysis: &TargetAnalysis) -> Vec<u8> {
    serde_json::to_vec(&analysis.analysis.sbom).unwrap()
}

pub(crate) fn package_names(analysis: &TargetAnalysis) -> Vec<String> {
    let mut names: Vec<String> =
        analysis.analysis.sbom.packages.iter().map(|package| package.name.clone()).collect();
    names.sort();
    names
}

/// A cache in memory that counts.
#[derive(Default)]
pub(crate) struct MemoryCache(pub(crate) Mutex<HashMap<(Digest, String), LayerFacts>>);

impl LayerCache for MemoryCache {
    fn get(&self, diff_id: &Digest, catalogers: &str) -> Option<LayerFacts> {
        self.0.lock().unwrap().get(&(*diff_id, catalogers.to_owned())).cloned()
    }

    fn put(&self, diff_id: &Digest, catalogers: &str, facts: &LayerFacts) {
        self.0.lock().unwrap().insert((*diff_id, catalogers.to_owned()), facts.clone());
    }
}
