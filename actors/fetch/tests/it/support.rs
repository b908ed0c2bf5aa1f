//! A mirror folder, and small things around it.

use kedge_artifact::advisory::Scope;
use kedge_artifact::time::Timestamp;
use kedge_feeds::dataset::Dataset;
use kedge_fetch::{DriverState, Location, Options, SyncOutcome, open_file, sync};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const PYPI: &str = "osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip";
pub(crate) const TRACKER: &str = "security-tracker.debian.org/tracker/data/json";
pub(crate) const KEV: &str =
    "www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json";

pub(crate) fn testdata(name: &str) -> Vec<u8> {
    let path = format!("{}/../feeds/testdata/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn osv_zip(names: &[&str]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for name in names {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(format!("{name}.json"), options).unwrap();
        writer.write_all(&testdata(&format!("osv/{name}.json"))).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A folder for mirror, cache and output.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A place whose mirror has something for every driver but rocky.
    pub(crate) fn with_mirror() -> Self {
        let place = Self::new();
        place.put(PYPI, &osv_zip(&["PYSEC-2030-1", "PYSEC-2030-2"]));
        place.put("vuln.go.dev/vulndb.zip", &osv_zip(&["GO-2030-0001"]));
        place.put("secdb.alpinelinux.org/v3.19/main.json", &testdata("secdb-main.json"));
        place.put(TRACKER, &testdata("debian.json"));
        let alma = "github.com/AlmaLinux/osv-database/advisories/almalinux8/ALSA-2030_100.json";
        place.put(alma, &testdata("osv/ALSA-2030_100.json"));
        place.put(KEV, &testdata("kev.json"));
        place.put("epss.cyentia.com/epss_scores-current.csv.gz", &testdata("epss.csv"));
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path("mirror").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path("mirror").join(name)).unwrap();
    }

    pub(crate) fn options(&self, now: i64) -> Options {
        let output = self.path(&format!("out-{now}.kdb"));
        let mut options = Options::new(self.path("cache"), output, Timestamp(now));
        options.mirror = Some(Location::Folder(self.path("mirror")));
        options.disabled.insert("rocky".into());
        options.pause_ms = 1;
        options
    }
}

pub(crate) async fn run(options: &Options, previous: Option<&Path>) -> SyncOutcome {
    let previous = previous.map(|path| Arc::new(open_file(path).unwrap()));
    sync(options, previous, Arc::new(|_| {})).await.unwrap()
}

pub(crate) fn opened(outcome: &SyncOutcome) -> Dataset {
    open_file(outcome.file.as_ref().unwrap()).unwrap()
}

pub(crate) fn state<'a>(outcome: &'a SyncOutcome, driver: &str) -> &'a DriverState {
    &outcome.drivers.iter().find(|result| result.driver == driver).unwrap().state
}

pub(crate) fn reason(outcome: &SyncOutcome, driver: &str) -> String {
    match state(outcome, driver) {
        DriverState::Failed { reason } => reason.clone(),
        other => panic!("{driver} is {other:?}"),
    }
}

pub(crate) fn distro(id: &str, version: &str) -> Scope {
    Scope::Distro { id: id.into(), version: version.into(), channel: String::new() }
}

pub(crate) fn ecosystem(name: &str) -> Scope {
    Scope::Ecosystem { name: name.into() }
}
