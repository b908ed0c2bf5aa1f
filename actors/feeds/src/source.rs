//! The table of feed drivers. A driver is a row here and, when its format is new, a parser.

/// One feed driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Its name, used in settings, reports and records.
    pub name: &'static str,
    /// What it brings, for people.
    pub description: &'static str,
    /// SPDX id of the data's licence, or a plain word where there is none.
    pub licence: &'static str,
    /// Who is to be named when the data is passed on.
    pub attribution: &'static str,
    /// Where the upstream serves it: URL without a slash at the end.
    pub base_url: &'static str,
    /// What to fetch below the base.
    pub documents: Documents,
    /// How documents are read.
    pub format: Format,
    /// Minutes between two fetches by default.
    pub interval_minutes: u32,
    /// Largest accepted document, in bytes.
    pub document_bytes_max: u64,
    /// Whether upstream drops releases that are out of support, so that their last rows are kept.
    pub keeps_retired: bool,
}

/// The documents of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Documents {
    /// Known paths. At least one must exist; a mirror may leave others out.
    Listed(&'static [Document]),
    /// The landing page names release folders; see [`crate::release_documents`].
    AlpineReleases,
}

/// One document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    /// Path below the base, as in a URL.
    pub path: &'static str,
    /// The language ecosystem that the document is complete for; `None` when the rows themselves
    /// say what is covered (distributions).
    pub ecosystem: Option<&'static str>,
    /// For a plain folder of JSON records: the folder that replaces the archive.
    pub folder: Option<&'static str>,
}

/// The format of a driver's documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Archive of OSV records.
    Osv,
    /// Alpine secdb JSON.
    Secdb,
    /// Debian security tracker JSON.
    DebianTracker,
    /// CISA catalogue.
    Kev,
    /// FIRST scores, CSV in gzip.
    Epss,
}

const fn archive(
    path: &'static str,
    ecosystem: Option<&'static str>,
    folder: Option<&'static str>,
) -> Document {
    Document { path, ecosystem, folder }
}

const OSV_BASE: &str = "https://osv-vulnerabilities.storage.googleapis.com";

/// Go comes from `govulndb`, the origin of those records, with symbols and without the copies.
const OSV_DOCUMENTS: &[Document] = &[
    archive("PyPI/all.zip", Some("pypi"), Some("PyPI")),
    archive("npm/all.zip", Some("npm"), Some("npm")),
    archive("Maven/all.zip", Some("maven"), Some("Maven")),
    archive("crates.io/all.zip", Some("crates.io"), Some("crates.io")),
    archive("RubyGems/all.zip", Some("rubygems"), Some("RubyGems")),
    archive("NuGet/all.zip", Some("nuget"), Some("NuGet")),
    archive("Packagist/all.zip", Some("packagist"), Some("Packagist")),
    archive("Hex/all.zip", Some("hex"), Some("Hex")),
    archive("Pub/all.zip", Some("pub"), Some("Pub")),
    archive("SwiftURL/all.zip", Some("swifturl"), Some("SwiftURL")),
    archive("CRAN/all.zip", Some("cran"), Some("CRAN")),
    archive("GitHub%20Actions/all.zip", Some("github actions"), Some("GitHub Actions")),
];

/// Every driver, in the order in which a generation holds them.
pub const SOURCES: &[Source] = &[
    Source {
        name: "osv",
        description: "language packages (PyPI, npm, Maven, crates.io, RubyGems, NuGet, ...) from osv.dev",
        licence: "CC-BY-4.0",
        attribution: "OSV.dev and its sources: GitHub Advisory Database, PyPA, RustSec and others",
        base_url: OSV_BASE,
        documents: Documents::Listed(OSV_DOCUMENTS),
        format: Format::Osv,
        interval_minutes: 360,
        document_bytes_max: 4 << 30,
        keeps_retired: false,
    },
    Source {
        name: "govulndb",
        description: "Go modules, standard library and toolchain, with symbols",
        licence: "CC-BY-4.0",
        attribution: "Go vulnerability database",
        base_url: "https://vuln.go.dev",
        documents: Documents::Listed(&[archive("vulndb.zip", Some("go"), Some("ID"))]),
        format: Format::Osv,
        interval_minutes: 360,
        document_bytes_max: 512 << 20,
        keeps_retired: false,
    },
    Source {
        name: "alpine",
        description: "Alpine Linux fixed and rejected issues per release",
        licence: "NOASSERTION",
        attribution: "Alpine Linux security team",
        base_url: "https://secdb.alpinelinux.org",
        documents: Documents::AlpineReleases,
        format: Format::Secdb,
        interval_minutes: 360,
        document_bytes_max: crate::limits::SMALL_DOCUMENT_BYTES,
        keeps_retired: true,
    },
    Source {
        name: "debian",
        description: "Debian security tracker, all supported releases",
        licence: "NOASSERTION",
        attribution: "Debian security team",
        base_url: "https://security-tracker.debian.org",
        documents: Documents::Listed(&[archive("tracker/data/json", None, None)]),
        format: Format::DebianTracker,
        interval_minutes: 360,
        document_bytes_max: crate::limits::STREAM_DOCUMENT_BYTES,
        keeps_retired: true,
    },
    Source {
        name: "alma",
        description: "AlmaLinux errata",
        licence: "MIT",
        attribution: "AlmaLinux OS Foundation",
        base_url: "https://github.com/AlmaLinux/osv-database",
        documents: Documents::Listed(&[archive(
            "archive/refs/heads/master.tar.gz",
            None,
            Some("advisories"),
        )]),
        format: Format::Osv,
        interval_minutes: 720,
        document_bytes_max: 1 << 30,
        keeps_retired: true,
    },
    Source {
        name: "rocky",
        description: "Rocky Linux errata, from osv.dev",
        licence: "CC-BY-4.0",
        attribution: "Rocky Enterprise Software Foundation, through OSV.dev",
        base_url: OSV_BASE,
        documents: Documents::Listed(&[archive(
            "Rocky%20Linux/all.zip",
            None,
            Some("Rocky Linux"),
        )]),
        format: Format::Osv,
        interval_minutes: 720,
        document_bytes_max: 1 << 30,
        keeps_retired: true,
    },
    Source {
        name: "kev",
        description: "vulnerabilities known to be exploited",
        licence: "CC0-1.0",
        attribution: "CISA",
        base_url: "https://www.cisa.gov",
        documents: Documents::Listed(&[archive(
            "sites/default/files/feeds/known_exploited_vulnerabilities.json",
            None,
            None,
        )]),
        format: Format::Kev,
        interval_minutes: 360,
        document_bytes_max: crate::limits::SMALL_DOCUMENT_BYTES,
        keeps_retired: false,
    },
    Source {
        name: "epss",
        description: "probability of exploitation in the next 30 days",
        licence: "NOASSERTION",
        attribution: "EPSS by FIRST.org",
        base_url: "https://epss.cyentia.com",
        documents: Documents::Listed(&[archive("epss_scores-current.csv.gz", None, None)]),
        format: Format::Epss,
        interval_minutes: 1440,
        document_bytes_max: 256 << 20,
        keeps_retired: false,
    },
];

impl Source {
    /// The driver of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SOURCES.iter().find(|source| source.name == name)
    }

    /// The language ecosystem that `document` is complete for.
    #[must_use]
    pub fn ecosystem_of(&self, document: &str) -> Option<&'static str> {
        match self.documents {
            Documents::Listed(list) => list.iter().find(|d| d.path == document)?.ecosystem,
            Documents::AlpineReleases => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_paths_stay_below_the_base() {
        let names: BTreeSet<&str> = SOURCES.iter().map(|source| source.name).collect();
        assert_eq!(names.len(), SOURCES.len());
        for source in SOURCES {
            assert!(source.base_url.starts_with("https://"), "{}", source.name);
            assert!(!source.base_url.ends_with('/'), "{}", source.name);
            let Documents::Listed(list) = source.documents else { continue };
            for document in list {
                assert!(!document.path.starts_with('/') && !document.path.contains(".."));
            }
        }
        assert_eq!(Source::named("govulndb").unwrap().ecosystem_of("vulndb.zip"), Some("go"));
    }
}
