//! What the public formats have no field for, and what a purl alone tells of a package.

use kedge_artifact::digest::Digest;
use kedge_artifact::distro::Distro;
use kedge_artifact::package::{
    Location, Package, PackageDetails, PackageId, PackageKind, SourcePackage,
};
use kedge_artifact::sbom::{Generator, SBOM_SCHEMA, Sbom, Target, TargetKind};
use packageurl::PackageUrl;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::str::FromStr;

/// Name of the property or annotation that carries [`Extras`].
pub(super) const PACKAGE_PROPERTY: &str = "kedge:package";
/// Name of the property or annotation that carries [`Header`].
pub(super) const HEADER_PROPERTY: &str = "kedge:sbom";

/// A package without what the formats have fields for. Written as JSON text, so that a document
/// of ours read back is the SBOM it was made from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Extras {
    kind: PackageKind,
    architecture: Option<String>,
    source: Option<SourcePackage>,
    licenses: Vec<String>,
    locations: Vec<Location>,
    owned_by: Option<PackageId>,
    size: Option<u64>,
    origin: Option<String>,
    details: PackageDetails,
}

/// An SBOM without its packages.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Header {
    generator: Generator,
    target: Target,
    distro: Option<Distro>,
    problems: Vec<kedge_artifact::problem::Problem>,
}

pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data with string keys becomes JSON")
}

impl Extras {
    pub(super) fn of(package: &Package) -> Self {
        Self {
            kind: package.kind,
            architecture: package.architecture.clone(),
            source: package.source.clone(),
            licenses: package.licenses.clone(),
            locations: package.locations.clone(),
            owned_by: package.owned_by.clone(),
            size: package.size,
            origin: package.origin.clone(),
            details: package.details.clone(),
        }
    }

    fn package(self, id: String, name: String, version: String, purl: String) -> Package {
        Package {
            id: PackageId(id),
            name,
            version,
            kind: self.kind,
            purl,
            architecture: self.architecture,
            source: self.source,
            licenses: self.licenses,
            locations: self.locations,
            owned_by: self.owned_by,
            size: self.size,
            origin: self.origin,
            details: self.details,
        }
    }
}

impl Header {
    pub(super) fn of(sbom: &Sbom) -> Self {
        Self {
            generator: sbom.generator.clone(),
            target: sbom.target.clone(),
            distro: sbom.distro.clone(),
            problems: sbom.problems.clone(),
        }
    }
}

/// A package of a document, whoever wrote it.
#[derive(Debug, Default)]
pub(super) struct Stated {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) purl: String,
    pub(super) licenses: Vec<String>,
    pub(super) paths: Vec<String>,
    /// JSON of [`Extras`], when we wrote it.
    pub(super) extras: Option<String>,
}

/// Gathers what a reader finds into an [`Sbom`].
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) packages: Vec<Stated>,
    /// JSON of [`Header`], when we wrote it.
    pub(super) header: Option<String>,
    /// Distribution, from a component that names it.
    pub(super) distro: Option<Distro>,
    /// Tool name and version.
    pub(super) tool: (String, String),
}

impl Gathered {
    pub(super) fn sbom(self) -> Sbom {
        let mut from_purl = None;
        let mut packages: Vec<Package> = Vec::with_capacity(self.packages.len());
        for stated in self.packages {
            packages.extend(package(stated, &mut from_purl));
        }
        // Ids in foreign documents may repeat; ours are derived from the content.
        packages.sort_by(|a, b| {
            (a.kind, &a.name, &a.version, &a.id).cmp(&(b.kind, &b.name, &b.version, &b.id))
        });
        packages.dedup_by(|next, kept| {
            let same = next.id == kept.id;
            if same {
                kept.locations.append(&mut next.locations);
                kept.locations.sort();
                kept.locations.dedup();
            }
            same
        });
        let ids: HashSet<PackageId> = packages.iter().map(|package| package.id.clone()).collect();
        for package in &mut packages {
            package.owned_by = package.owned_by.take().filter(|owner| ids.contains(owner));
        }
        let header = self.header.and_then(|text| serde_json::from_str::<Header>(&text).ok());
        let header = header.unwrap_or_else(|| Header {
            generator: Generator { name: self.tool.0, version: self.tool.1 },
            target: Target {
                kind: TargetKind::Image,
                manifest: None,
                config: None,
                platform: None,
                layers: Vec::new(),
            },
            distro: self.distro.or(from_purl),
            problems: Vec::new(),
        });
        Sbom {
            schema: SBOM_SCHEMA,
            generator: header.generator,
            target: header.target,
            distro: header.distro,
            packages,
            problems: header.problems,
        }
    }
}

fn package(stated: Stated, distro: &mut Option<Distro>) -> Option<Package> {
    if let Some(extras) = &stated.extras
        && let Ok(extras) = serde_json::from_str::<Extras>(extras)
    {
        return Some(extras.package(stated.id, stated.name, stated.version, stated.purl));
    }
    let mut package = from_purl(&stated.purl, distro)?;
    if package.version.is_empty() {
        package.version = stated.version;
    }
    package.licenses = stated.licenses;
    package.locations =
        stated.paths.into_iter().map(|path| Location { path, layer: None }).collect();
    let arch = package.architecture.as_deref().unwrap_or("");
    package.id = PackageId::derive(package.kind, &package.name, &package.version, arch, "");
    Some(package)
}

fn kind_of(purl_type: &str) -> Option<PackageKind> {
    Some(match purl_type {
        "deb" => PackageKind::Deb,
        "apk" => PackageKind::Apk,
        "rpm" => PackageKind::Rpm,
        "pypi" => PackageKind::Python,
        "npm" => PackageKind::Npm,
        "maven" => PackageKind::Java,
        "golang" => PackageKind::Go,
        "cargo" => PackageKind::Rust,
        "gem" => PackageKind::Gem,
        "composer" => PackageKind::Composer,
        "nuget" => PackageKind::Nuget,
        "generic" => PackageKind::Binary,
        _ => return None,
    })
}

/// The package that a purl names. `None` for purls that are malformed or of no kind we know.
pub(super) fn from_purl(text: &str, distro: &mut Option<Distro>) -> Option<Package> {
    let purl = PackageUrl::from_str(text).ok()?;
    let kind = kind_of(purl.ty())?;
    let namespace = purl.namespace().unwrap_or("");
    let qualifier =
        |key: &str| purl.qualifiers().get(key).map(|value| value.to_string()).unwrap_or_default();
    let mut version = purl.version().unwrap_or("").to_owned();
    let epoch = qualifier("epoch");
    if kind == PackageKind::Rpm && !epoch.is_empty() && epoch != "0" {
        version = format!("{epoch}:{version}");
    }
    if distro.is_none() {
        *distro = distro_of(&qualifier("distro"));
    }
    Some(Package {
        id: PackageId(String::new()),
        name: full_name(kind, namespace, purl.name(), purl.subpath()),
        version,
        kind,
        purl: purl.to_string(),
        architecture: Some(qualifier("arch")).filter(|arch| !arch.is_empty()),
        source: source_of(kind, purl.name(), &qualifier("upstream")),
        licenses: Vec::new(),
        locations: Vec::new(),
        owned_by: None,
        size: None,
        origin: None,
        details: details_of(kind, namespace, purl.name(), &epoch),
    })
}

fn full_name(kind: PackageKind, namespace: &str, name: &str, subpath: Option<&str>) -> String {
    if kind.is_os() || namespace.is_empty() {
        return name.to_owned();
    }
    match kind {
        PackageKind::Java => format!("{namespace}:{name}"),
        // Some tools put the tail of a module path (`/v2`) into the subpath.
        PackageKind::Go => match subpath {
            Some(tail) => format!("{namespace}/{name}/{tail}"),
            None => format!("{namespace}/{name}"),
        },
        PackageKind::Deb
        | PackageKind::Apk
        | PackageKind::Rpm
        | PackageKind::Python
        | PackageKind::Npm
        | PackageKind::Rust
        | PackageKind::Gem
        | PackageKind::Composer
        | PackageKind::Nuget
        | PackageKind::Binary => format!("{namespace}/{name}"),
    }
}

/// `name`, `name@version`, or for rpm the file name of the source package.
fn source_of(kind: PackageKind, name: &str, upstream: &str) -> Option<SourcePackage> {
    if !kind.is_os() {
        return None;
    }
    if upstream.is_empty() {
        return (kind != PackageKind::Rpm)
            .then(|| SourcePackage { name: name.to_owned(), version: None });
    }
    if let Some(stem) = upstream.strip_suffix(".src.rpm") {
        let mut parts = stem.rsplitn(3, '-');
        let (release, version) = (parts.next()?, parts.next()?);
        let name = parts.next()?.to_owned();
        return Some(SourcePackage { name, version: Some(format!("{version}-{release}")) });
    }
    let (name, version) = match upstream.split_once('@') {
        Some((name, version)) => (name, Some(version.to_owned())),
        None => (upstream, None),
    };
    Some(SourcePackage { name: name.to_owned(), version })
}

fn details_of(kind: PackageKind, namespace: &str, name: &str, epoch: &str) -> PackageDetails {
    match kind {
        PackageKind::Rpm => {
            PackageDetails::Rpm { epoch: epoch.parse().ok(), module: None, vendor: String::new() }
        }
        PackageKind::Java => PackageDetails::Java {
            group: (!namespace.is_empty()).then(|| namespace.to_owned()),
            artifact: name.to_owned(),
            implementation_version: String::new(),
            specification_version: String::new(),
            sha1: String::new(),
        },
        PackageKind::Go => {
            PackageDetails::Go { main: false, toolchain: String::new(), sum: String::new() }
        }
        PackageKind::Python => PackageDetails::Python { top_level: Vec::new() },
        PackageKind::Npm => PackageDetails::Npm { homepage: String::new() },
        PackageKind::Deb
        | PackageKind::Apk
        | PackageKind::Rust
        | PackageKind::Gem
        | PackageKind::Composer
        | PackageKind::Nuget
        | PackageKind::Binary => PackageDetails::None,
    }
}

/// `debian-12`, `opensuse-leap-15.5`, `debian-trixie`.
fn distro_of(qualifier: &str) -> Option<Distro> {
    let (id, version) = qualifier.rsplit_once('-')?;
    let numbered = version.starts_with(|c: char| c.is_ascii_digit());
    Some(Distro {
        id: id.to_owned(),
        version_id: if numbered { version.to_owned() } else { String::new() },
        codename: if numbered { String::new() } else { version.to_owned() },
        id_like: Vec::new(),
        pretty_name: format!("{id} {version}"),
    })
}

/// Digest of everything that goes into a document; the source of its serial number or namespace.
pub(super) fn content_digest(sbom: &Sbom, info: &super::DocumentInfo) -> Digest {
    let mut bytes = super::native::to_bytes(sbom);
    bytes.extend_from_slice(format!("\0{}\0{}", info.name, info.created_text()).as_bytes());
    Digest::of(&bytes)
}
