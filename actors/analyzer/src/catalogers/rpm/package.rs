//! One header turned into a package and its file list.

use super::header::{Header, HeaderError, tag};
use super::limits::{
    FILES_PER_PACKAGE_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, PATH_OVERHEAD_BYTES, TEXT_BYTES_MAX,
};
use crate::catalogers::OwnedFiles;
use crate::catalogers::octets::cut;
use kedge_artifact::package::{Package, PackageDetails, PackageId, PackageKind, SourcePackage};
use kedge_artifact::purl::{self, PurlParts};

/// The tags of one package, from a header or from a manifest line.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) release: String,
    pub(super) epoch: Option<u32>,
    pub(super) architecture: String,
    pub(super) source_rpm: String,
    pub(super) license: String,
    pub(super) vendor: String,
    pub(super) size: Option<u64>,
    /// Empty: not modular. `None`: the source cannot tell, as a manifest line cannot.
    pub(super) module: Option<String>,
}

/// What one header holds.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) package: Package,
    pub(super) owned: Option<OwnedFiles>,
    /// A file list that could not be used; the package itself is good.
    pub(super) files_error: Option<HeaderError>,
}

/// Reads one header blob. `None` for an imported public key, which rpm keeps as a package named
/// `gpg-pubkey`. `path_bytes_left` is what the file lists of this database may still take.
pub(super) fn from_header(
    blob: &[u8],
    path_bytes_left: &mut usize,
) -> Result<Option<Installed>, HeaderError> {
    let header = Header::parse(blob)?;
    let name = required(&header, tag::NAME, "name")?;
    if name == "gpg-pubkey" {
        return Ok(None);
    }
    let text = |tag| {
        header.text(tag).filter(|text| text != "(none)").map(|text| cut(text, TEXT_BYTES_MAX))
    };
    let facts = Facts {
        version: required(&header, tag::VERSION, "version")?,
        release: required(&header, tag::RELEASE, "release")?,
        epoch: header.u32(tag::EPOCH, 0),
        architecture: text(tag::ARCH).unwrap_or_default(),
        source_rpm: text(tag::SOURCERPM).unwrap_or_default(),
        license: text(tag::LICENSE).unwrap_or_default(),
        vendor: text(tag::VENDOR).unwrap_or_default(),
        size: header.u64(tag::LONGSIZE).or_else(|| header.u32(tag::SIZE, 0).map(u64::from)),
        // rpm writes the tag for modular packages only, so a header without it says "not modular".
        module: Some(text(tag::MODULARITYLABEL).unwrap_or_default()),
        name,
    };
    let (files, files_error) = match files(&header, &facts.name, path_bytes_left) {
        Ok(files) => (files, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let owned = (!files.is_empty()).then(|| OwnedFiles {
        kind: PackageKind::Rpm,
        name: facts.name.clone(),
        architecture: facts.architecture.clone(),
        files,
    });
    Ok(Some(Installed { package: package(facts), owned, files_error }))
}

fn required(header: &Header<'_>, tag: u32, what: &'static str) -> Result<String, HeaderError> {
    header
        .text(tag)
        .filter(|text| !text.is_empty() && text.len() <= NAME_BYTES_MAX)
        .ok_or(HeaderError::Missing(what))
}

/// The package of these facts. The purl has neither namespace nor `distro` qualifier: see the
/// header of [`super`].
pub(super) fn package(facts: Facts) -> Package {
    let bare = format!("{}-{}", facts.version, facts.release);
    let epoch = facts.epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
    let version = if epoch.is_empty() { bare.clone() } else { format!("{epoch}:{bare}") };
    let purl = purl::build(&PurlParts {
        kind: "rpm",
        name: &facts.name,
        version: &bare,
        qualifiers: &[
            ("arch", &facts.architecture),
            ("epoch", &epoch),
            ("rpmmod", facts.module.as_deref().unwrap_or_default()),
            ("upstream", &facts.source_rpm),
        ],
        ..PurlParts::default()
    });
    Package {
        id: PackageId(String::new()),
        purl: purl.unwrap_or_default(),
        kind: PackageKind::Rpm,
        architecture: Some(facts.architecture).filter(|arch| !arch.is_empty()),
        source: source(&facts.source_rpm, &version),
        licenses: Some(facts.license).filter(|text| !text.is_empty()).into_iter().collect(),
        locations: Vec::new(),
        owned_by: None,
        size: facts.size,
        origin: Some(facts.vendor.clone()).filter(|vendor| !vendor.is_empty()),
        details: PackageDetails::Rpm {
            epoch: facts.epoch,
            module: facts.module,
            vendor: facts.vendor,
        },
        name: facts.name,
        version,
    }
}

/// `name-version-release.src.rpm` taken apart from its end. The file name has no epoch, so the
/// version of a package with an epoch always differs from it and is kept as it is: comparing it
/// must not treat the missing epoch as 0 (matching rule 5).
fn source(source_rpm: &str, version: &str) -> Option<SourcePackage> {
    let stem = source_rpm.strip_suffix(".rpm")?;
    let (stem, _arch) = stem.rsplit_once('.')?;
    let (rest, source_release) = stem.rsplit_once('-')?;
    let (name, source_version) = rest.rsplit_once('-')?;
    if name.is_empty() {
        return None;
    }
    let source_version = format!("{source_version}-{source_release}");
    let version = Some(source_version).filter(|text| text != version);
    Some(SourcePackage { name: name.to_owned(), version })
}

/// The paths of BASENAMES, DIRNAMES and DIRINDEXES, or of OLDFILENAMES (rpm 3).
fn files(
    header: &Header<'_>,
    package: &str,
    bytes_left: &mut usize,
) -> Result<Vec<String>, HeaderError> {
    let wrong = |reason| HeaderError::Files { package: package.to_owned(), reason };
    let names = header.count(tag::BASENAMES);
    let mut files = Vec::new();
    if names == 0 {
        for path in header.strings(tag::OLDFILENAMES) {
            files.push(joined(b"", path, bytes_left).map_err(wrong)?);
        }
        return Ok(files);
    }
    if header.count(tag::DIRINDEXES) != names {
        return Err(wrong("file names and directory indexes differ in number"));
    }
    // Every directory has a file, so there are no more of them.
    if names > FILES_PER_PACKAGE_MAX || header.count(tag::DIRNAMES) > names {
        return Err(wrong(
            "it has more files than FILES_PER_PACKAGE_MAX, or directories than files",
        ));
    }
    let directories: Vec<&[u8]> = header.strings(tag::DIRNAMES).collect();
    for (index, name) in header.strings(tag::BASENAMES).enumerate() {
        let directory = header
            .u32(tag::DIRINDEXES, index)
            .and_then(|at| directories.get(usize::try_from(at).ok()?));
        let directory = directory.ok_or_else(|| wrong("a directory index points outside"))?;
        files.push(joined(directory, name, bytes_left).map_err(wrong)?);
    }
    if files.len() != names {
        return Err(wrong("file names end early"));
    }
    Ok(files)
}

fn joined(directory: &[u8], name: &[u8], bytes_left: &mut usize) -> Result<String, &'static str> {
    let length = directory.len() + name.len();
    if length > PATH_BYTES_MAX {
        return Err("a path is over PATH_BYTES_MAX");
    }
    let path = String::from_utf8_lossy(directory) + String::from_utf8_lossy(name);
    *bytes_left = bytes_left
        .checked_sub(path.len() + PATH_OVERHEAD_BYTES)
        .ok_or("PATH_BYTES_TOTAL_MAX is reached")?;
    Ok(path.trim_start_matches('/').to_owned())
}
