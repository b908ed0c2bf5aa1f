//! The squash: facts of all layers to one SBOM. Facts are a few thousand keys; no tree of files
//! is built.

use crate::catalogers::{self, distro};
use crate::image::databases::{APK_DATABASES, DPKG_STATUS, Databases};
use crate::image::layer::LayerFacts;
use crate::image::purls::os_purl;
use crate::image::stack::{Place, Stack, Visible};
use crate::limits::{LAYERS_MAX, LICENSES_MAX, LOCATIONS_MAX, PATH_BYTES_MAX, PROBLEMS_MAX};
use kedge_artifact::digest::Digest;
use kedge_artifact::distro::Distro;
use kedge_artifact::image::{FileEntry, FileKind, Layer, Platform};
use kedge_artifact::package::{Location, Package, PackageId, PackageKind};
use kedge_artifact::problem::Problem;
use kedge_artifact::sbom::{Generator, SBOM_SCHEMA, Sbom, Target, TargetKind};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What is known of a target beside its layers.
#[derive(Debug, Clone)]
pub struct ImageInfo {
    /// Image or directory.
    pub kind: TargetKind,
    /// Digest of the manifest.
    pub manifest: Option<Digest>,
    /// Digest of the configuration.
    pub config: Option<Digest>,
    /// Platform.
    pub platform: Option<Platform>,
}

/// What the squash shall give.
#[derive(Debug, Clone)]
pub struct SquashOptions {
    /// Whether [`Analysis::files`] is filled; it costs some 200 bytes per file.
    pub files: bool,
}

impl Default for SquashOptions {
    fn default() -> Self {
        Self { files: true }
    }
}

/// What is inside an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Packages, distribution, problems.
    pub sbom: Sbom,
    /// The squashed file list, sorted by path; empty when not asked for.
    pub files: Vec<FileEntry>,
}

/// The stack cannot be squashed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SquashError {
    /// More layers than any runtime mounts.
    #[error("image has {0} layers, over the limit LAYERS_MAX of {LAYERS_MAX}")]
    Layers(usize),
    /// The caller does not want the result any more.
    #[error("the squash was stopped")]
    Stopped,
}

/// Joins the layers, lowest first, into one result. The same layers give the same bytes on every
/// machine, in whatever order they were read.
///
/// # Errors
/// More layers than [`LAYERS_MAX`].
pub fn squash(
    image: &ImageInfo,
    layers: &[Arc<LayerFacts>],
    options: &SquashOptions,
) -> Result<Analysis, SquashError> {
    squash_while(image, layers, options, &|| true)
}

/// As [`squash`], and gives up soon after `going_on` begins to say no.
///
/// # Errors
/// As [`squash`]; [`SquashError::Stopped`] when it gave up.
pub fn squash_while(
    image: &ImageInfo,
    layers: &[Arc<LayerFacts>],
    options: &SquashOptions,
    going_on: &dyn Fn() -> bool,
) -> Result<Analysis, SquashError> {
    if layers.len() > LAYERS_MAX {
        return Err(SquashError::Layers(layers.len()));
    }
    let going = || if going_on() { Ok(()) } else { Err(SquashError::Stopped) };
    let stack = Stack::build(layers, going_on);
    going()?;
    let mut squash = Squash { stack, layers, problems: Vec::new() };
    squash.problems = squash.stack.take_problems();
    squash.keep_layer_problems();
    let distro = squash.distro();
    let packages = squash.packages(distro.as_ref(), going_on);
    going()?;
    squash.state_gaps(&packages);
    let files = if options.files { squash.files() } else { Vec::new() };
    let sbom = Sbom {
        schema: SBOM_SCHEMA,
        generator: Generator { name: "kedge".into(), version: catalogers::version() },
        target: Target {
            kind: image.kind,
            manifest: image.manifest,
            config: image.config,
            platform: image.platform.clone(),
            layers: layers.iter().filter_map(|layer| layer_row(layer)).collect(),
        },
        distro,
        packages,
        problems: squash.sorted_problems(),
    };
    Ok(Analysis { sbom, files })
}

fn layer_row(layer: &LayerFacts) -> Option<Layer> {
    Some(Layer { diff_id: layer.diff_id?, blob: layer.blob, size: layer.blob_size })
}

struct Squash<'a> {
    stack: Stack<'a>,
    layers: &'a [Arc<LayerFacts>],
    problems: Vec<Problem>,
}

/// A package as one file states it, on its way to be merged with others.
struct Sighting {
    package: Package,
    /// Path of the file, without leading slash.
    path: String,
}

/// (kind, name, version, architecture, id of the owner and where a crate is from).
type Key = (PackageKind, String, String, String, String);

impl<'a> Squash<'a> {
    /// Problems of files that a later layer replaced or deleted concern nobody any more.
    fn keep_layer_problems(&mut self) {
        for (index, layer) in self.layers.iter().enumerate() {
            for problem in &layer.problems {
                let place = problem.place.trim_start_matches('/');
                let path = place.split('!').next().unwrap_or(place);
                let in_layer = layer.entries.find(path).is_some();
                let visible = self.stack.find(path);
                if !in_layer || visible.is_some_and(|seen| usize::from(seen.place.0) == index) {
                    self.problems.push(problem.clone());
                }
            }
        }
    }

    fn sorted_problems(mut self) -> Vec<Problem> {
        self.problems.sort();
        self.problems.dedup();
        if self.problems.len() > PROBLEMS_MAX {
            let what = format!("{} more than PROBLEMS_MAX", self.problems.len() - PROBLEMS_MAX);
            self.problems.truncate(PROBLEMS_MAX);
            self.problems.push(Problem::degraded("problems_dropped", "", what));
            self.problems.sort();
        }
        self.problems
    }

    fn distro(&self) -> Option<Distro> {
        distro::PRECEDENCE.iter().find_map(|path| {
            let visible = self.stack.open(path)?;
            self.stack.facts(visible.place)?.found.distro.clone()
        })
    }

    /// Incomplete when `going_on` says no.
    fn packages(&mut self, distro: Option<&Distro>, going_on: &dyn Fn() -> bool) -> Vec<Package> {
        let databases = Databases::of(&self.stack);
        let (os, others) = self.sightings(&databases);
        let mut merged: BTreeMap<Key, Package> = BTreeMap::new();
        for mut sighting in os {
            sighting.package.purl =
                os_purl(&sighting.package, distro).unwrap_or(sighting.package.purl);
            if sighting.package.kind == PackageKind::Deb {
                self.add_copyright(&mut sighting.package);
            }
            add(&mut merged, sighting.package, None);
        }
        let owners = self.owners(&merged, &others, &databases, going_on);
        for sighting in others {
            let owner = owners.get(&sighting.path).cloned();
            add(&mut merged, sighting.package, owner);
        }
        let mut packages: Vec<Package> = merged.into_values().collect();
        for package in &mut packages {
            self.finish_package(package);
        }
        packages.sort_by(|a, b| {
            (a.kind, &a.name, &a.version, &a.id).cmp(&(b.kind, &b.name, &b.version, &b.id))
        });
        packages
    }

    fn finish_package(&mut self, package: &mut Package) {
        package.locations.sort_by(|a, b| a.path.cmp(&b.path));
        package.locations.dedup();
        if package.locations.len() > LOCATIONS_MAX {
            let what = format!(
                "{} of {} locations are listed (LOCATIONS_MAX)",
                LOCATIONS_MAX,
                package.locations.len()
            );
            let place = format!("{} {}", package.name, package.version);
            self.problems.push(Problem::info("locations_cut", place, what));
            package.locations.truncate(LOCATIONS_MAX);
        }
        package.licenses.truncate(LICENSES_MAX);
    }

    /// All packages of visible files: those of package managers first, then the rest.
    fn sightings(&mut self, databases: &Databases) -> (Vec<Sighting>, Vec<Sighting>) {
        let mut os = Vec::new();
        let mut others = Vec::new();
        let mut elsewhere = Vec::new();
        for visible in self.stack.visible() {
            let Some(facts) = self.stack.facts(visible.place) else { continue };
            if facts.found.packages.is_empty() || self.is_second_name(visible) {
                continue;
            }
            let captured = self.layers_path(visible.place);
            let mut history = History::default();
            let mut foreign = false;
            for package in &facts.found.packages {
                if package.kind.is_os() && !databases.holds(package.kind, &visible.path) {
                    foreign = true;
                    continue;
                }
                let mut package = package.clone();
                let place = match package.kind.is_os() {
                    true => history.origin(self, visible, &package),
                    false => visible.place,
                };
                self.locate(&mut package, visible, captured, place);
                let path = visible.path.to_string();
                let sighting = Sighting { package, path };
                if sighting.package.kind.is_os() { &mut os } else { &mut others }.push(sighting);
            }
            if foreign {
                elsewhere.push(visible.path.to_string());
            }
        }
        for path in elsewhere {
            let what = "package database of another root was left out";
            self.problems.push(Problem::info(
                "package_database_elsewhere",
                format!("/{path}"),
                what,
            ));
        }
        (os, others)
    }

    /// A hard link beside a visible target adds a name and no program, unless a later layer put
    /// something else in the target's place. For metadata files each name is a place of its own,
    /// as in package stores that link every file.
    fn is_second_name(&self, visible: &Visible<'_>) -> bool {
        let entry = self.stack.entry(visible.place);
        if entry.kind != FileKind::Hardlink {
            return false;
        }
        let binary = matches!(
            catalogers::select(entry.path, entry.mode, 1),
            Some(catalogers::Selected::Binary) | None
        );
        let content = self.stack.content(visible.place);
        let target = self.stack.open(entry.link);
        binary && target.is_some_and(|target| self.stack.content(target.place) == content)
    }

    /// The path under which the cataloger saw the content of an entry.
    fn layers_path(&self, place: Place) -> &'a str {
        let entry = self.stack.entry(place);
        if entry.kind == FileKind::Hardlink { entry.link } else { entry.path }
    }

    fn locate(&self, package: &mut Package, visible: &Visible<'_>, captured: &str, place: Place) {
        let layer = self.layers[usize::from(place.0)].diff_id;
        let here = format!("/{}", visible.path);
        if package.locations.is_empty() {
            package.locations.push(Location { path: here, layer });
            return;
        }
        for location in &mut package.locations {
            let path = location.path.trim_start_matches('/');
            // Archive members follow the path of the archive, which may have another name here.
            location.path = match path.strip_prefix(captured) {
                Some(member) if member.is_empty() || member.starts_with('!') => {
                    format!("{here}{member}")
                }
                _ if path.starts_with('!') => format!("{here}{path}"),
                _ => format!("{here}!{path}"),
            };
            location.layer = layer;
        }
    }

    /// Debian states licences in `/usr/share/doc/<package>/copyright`, often through a link from
    /// one package's directory to another's.
    fn add_copyright(&self, package: &mut Package) {
        let path = format!("usr/share/doc/{}/copyright", package.name);
        let facts = self.stack.open(&path).and_then(|seen| self.stack.facts(seen.place));
        let stated = facts.iter().flat_map(|facts| &facts.found.licenses);
        for license in stated.flat_map(|owned| &owned.licenses) {
            if !package.licenses.contains(license) {
                package.licenses.push(license.clone());
            }
        }
    }

    /// Which OS package owns each file that is evidence of another package.
    fn owners(
        &self,
        os: &BTreeMap<Key, Package>,
        others: &[Sighting],
        databases: &Databases,
        going_on: &dyn Fn() -> bool,
    ) -> HashMap<String, PackageId> {
        let evidence: HashSet<&str> = others.iter().map(|seen| seen.path.as_str()).collect();
        let mut ids: HashMap<(PackageKind, &str, &str), &PackageId> = HashMap::new();
        for package in os.values() {
            let arch = package.architecture.as_deref().unwrap_or("");
            ids.insert((package.kind, &package.name, arch), &package.id);
            ids.entry((package.kind, &package.name, "")).or_insert(&package.id);
        }
        let mut owners: HashMap<String, PackageId> = HashMap::new();
        if evidence.is_empty() {
            return owners;
        }
        for visible in self.stack.visible() {
            let Some(facts) = self.stack.facts(visible.place) else { continue };
            if !facts.found.owned.is_empty() && !going_on() {
                break;
            }
            for owned in &facts.found.owned {
                if !databases.lists(owned.kind, &visible.path) {
                    continue;
                }
                let id = ids.get(&(owned.kind, owned.name.as_str(), owned.architecture.as_str()));
                let Some(id) = id else { continue };
                for file in &owned.files {
                    if let Some(path) = self.owned_evidence(file, &evidence) {
                        owners.entry(path).or_insert_with(|| (*id).clone());
                    }
                }
            }
        }
        owners
    }

    /// File lists name files as they were packed (`/lib/x`); the image may hold them behind a
    /// link (`/usr/lib/x`).
    fn owned_evidence(&self, file: &str, evidence: &HashSet<&str>) -> Option<String> {
        let file = file.trim_start_matches('/');
        if file.len() > PATH_BYTES_MAX {
            return None;
        }
        if evidence.contains(file) {
            return Some(file.to_owned());
        }
        let resolved = self.stack.resolve_parent(file)?;
        evidence.contains(resolved.as_ref()).then(|| resolved.into_owned())
    }

    /// Says aloud what is missing, so that nothing is called clean because it was not seen.
    fn state_gaps(&mut self, packages: &[Package]) {
        if self.stack.visible().is_empty() {
            self.problems.push(Problem::info("image_empty", "", "the image has no files"));
        }
        for path in [DPKG_STATUS].into_iter().chain(APK_DATABASES) {
            let Some(visible) = self.stack.open(path) else { continue };
            let entry = self.stack.entry(visible.place);
            let what = match entry.kind {
                FileKind::File | FileKind::Hardlink => {
                    let size = entry.size > 0 || entry.kind == FileKind::Hardlink;
                    if !size || self.stack.facts(visible.place).is_some() {
                        continue;
                    }
                    "package database was not read"
                }
                FileKind::Directory | FileKind::Symlink | FileKind::Special => {
                    "package database is not a regular file"
                }
            };
            self.problems.push(Problem::degraded(
                "package_database_not_read",
                format!("/{path}"),
                what,
            ));
        }
        if !packages.iter().any(|package| package.kind.is_os()) {
            self.problems.push(Problem::info("no_os_packages", "", "no OS packages found"));
        }
    }

    fn files(&self) -> Vec<FileEntry> {
        let rows = self.stack.visible().iter().filter(|visible| !visible.path.is_empty());
        rows.map(|visible| {
            let entry = self.stack.entry(visible.place);
            FileEntry {
                path: format!("/{}", visible.path),
                kind: entry.kind,
                mode: entry.mode,
                uid: entry.uid,
                gid: entry.gid,
                size: entry.size,
                link: match entry.kind {
                    FileKind::Hardlink => format!("/{}", entry.link),
                    FileKind::Symlink => entry.link.to_owned(),
                    FileKind::File | FileKind::Directory | FileKind::Special => String::new(),
                },
                sha256: self.stack.facts(visible.place).and_then(|facts| facts.sha256),
            }
        })
        .collect()
    }
}

/// Earlier versions of one package database, to tell which layer brought a package: the database
/// as a whole always comes from the last layer that installed anything.
#[derive(Default)]
struct History<'a> {
    /// From the upper to the lower layers, without the visible one.
    versions: Option<Vec<(Place, HashSet<PackageName<'a>>)>>,
}

type PackageName<'a> = (&'a str, &'a str, Option<&'a str>);

fn package_name(package: &Package) -> PackageName<'_> {
    (&package.name, &package.version, package.architecture.as_deref())
}

impl<'a> History<'a> {
    /// The lowest layer since which the package is in every version of the database.
    fn origin(&mut self, squash: &Squash<'a>, visible: &Visible<'_>, package: &Package) -> Place {
        let versions = self.versions.get_or_insert_with(|| older(squash, visible));
        let held = versions.iter().take_while(|(_, names)| names.contains(&package_name(package)));
        held.last().map_or(visible.place, |(place, _)| *place)
    }
}

fn older<'a>(squash: &Squash<'a>, visible: &Visible<'_>) -> Vec<(Place, HashSet<PackageName<'a>>)> {
    let mut versions = Vec::new();
    let path = visible.path.as_ref();
    for index in (0..visible.place.0).rev() {
        let layer: &'a LayerFacts = &squash.layers[usize::from(index)];
        if let Some(row) = layer.entries.find(path) {
            let Ok(at) = layer.found.binary_search_by_key(&row, |facts| facts.row) else { break };
            let names = layer.found[at].found.packages.iter().map(package_name).collect();
            versions.push(((index, row), names));
        }
        if layer.whiteouts.binary_search_by(|hidden| hidden.as_str().cmp(path)).is_ok() {
            break;
        }
    }
    versions
}

fn add(merged: &mut BTreeMap<Key, Package>, mut package: Package, owner: Option<PackageId>) {
    let arch = package.architecture.clone().unwrap_or_default();
    let mut owner_text = owner.as_ref().map(|id| id.0.clone()).unwrap_or_default();
    // A crate of crates.io and one of the same name from elsewhere are two packages.
    if let (PackageKind::Rust, Some(origin)) = (package.kind, &package.origin) {
        owner_text.push('@');
        owner_text.push_str(origin);
    }
    package.id =
        PackageId::derive(package.kind, &package.name, &package.version, &arch, &owner_text);
    package.owned_by = owner;
    let key = (package.kind, package.name.clone(), package.version.clone(), arch, owner_text);
    match merged.get_mut(&key) {
        None => {
            merged.insert(key, package);
        }
        Some(kept) => {
            kept.locations.append(&mut package.locations);
            for license in package.licenses {
                if !kept.licenses.contains(&license) {
                    kept.licenses.push(license);
                }
            }
        }
    }
}
