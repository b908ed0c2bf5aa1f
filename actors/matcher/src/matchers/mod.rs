//! Which names a package is looked up under, where, and with which version and scheme. One file
//! per ecosystem; none of them reads advisory data.

mod apk;
mod deb;
mod gem;
mod generic;
mod go;
mod java;
mod npm;
mod os;
mod python;
mod rpm;
mod rust;

use kedge_artifact::advisory::{Level, Scope};
use kedge_artifact::finding::MatchRule;
use kedge_artifact::package::{Package, PackageKind};
use kedge_artifact::problem::Problem;
use kedge_artifact::sbom::Sbom;
use kedge_version::Scheme;

use crate::distro::Chosen;

/// What matching a package needs to know about its image.
pub(crate) struct Context<'a> {
    /// The data for its OS packages.
    pub(crate) distro: Option<&'a Chosen>,
    /// Whether the cataloger listed the Go standard library as packages of its own.
    pub(crate) has_stdlib: bool,
}

impl<'a> Context<'a> {
    pub(crate) fn new(sbom: &Sbom, distro: Option<&'a Chosen>) -> Self {
        let has_stdlib = sbom
            .packages
            .iter()
            .any(|package| package.kind == PackageKind::Go && package.name == go::STDLIB);
        Self { distro, has_stdlib }
    }

    /// The distribution's data, when the package is of its kind.
    pub(crate) fn distro_of(&self, package: &Package) -> Option<&'a Chosen> {
        self.distro.filter(|chosen| chosen.kind == package.kind)
    }
}

/// What part a lookup plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Decides.
    Base,
    /// Counts only for ids that the base does not know (RHEL's disclosures for a rebuild).
    Disclosure,
    /// Only its fixes count (EUS, ESM).
    Channel,
}

/// One question to the data.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    pub(crate) scope: Scope,
    pub(crate) name: String,
    /// Rows of other levels under the same name are about something else.
    pub(crate) level: Level,
    pub(crate) version: String,
    pub(crate) scheme: Scheme,
    pub(crate) rule: MatchRule,
    pub(crate) role: Role,
}

/// All questions for one package, and why there are fewer than expected.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) lookups: Vec<Lookup>,
    pub(crate) problems: Vec<Problem>,
}

/// Plans the lookups of a package by its kind.
pub(crate) fn plan(package: &Package, context: &Context<'_>) -> Plan {
    match package.kind {
        PackageKind::Deb => deb::plan(package, context),
        PackageKind::Apk => apk::plan(package, context),
        PackageKind::Rpm => rpm::plan(package, context),
        PackageKind::Python => python::plan(package),
        PackageKind::Npm => npm::plan(package),
        PackageKind::Java => java::plan(package),
        PackageKind::Go => go::plan(package, context),
        PackageKind::Rust => rust::plan(package),
        PackageKind::Gem => gem::plan(package),
        PackageKind::Composer | PackageKind::Nuget => generic::plan(package),
        // Nothing but NVD knows programs by their bytes; the coverage says that they are unchecked.
        PackageKind::Binary => Plan::default(),
    }
}

/// The OSV ecosystem of a language package; `None` for the others.
pub(crate) fn ecosystem(kind: PackageKind) -> Option<Scope> {
    let name = match kind {
        PackageKind::Python => "pypi",
        PackageKind::Npm => "npm",
        PackageKind::Java => "maven",
        PackageKind::Go => "go",
        PackageKind::Rust => "crates.io",
        PackageKind::Gem => "rubygems",
        PackageKind::Composer => "packagist",
        PackageKind::Nuget => "nuget",
        PackageKind::Deb | PackageKind::Apk | PackageKind::Rpm | PackageKind::Binary => {
            return None;
        }
    };
    Some(Scope::Ecosystem { name: name.to_owned() })
}

/// The one lookup of most language packages.
fn language(package: &Package, name: String, scheme: Scheme) -> Plan {
    let mut plan = Plan::default();
    if package.version.trim().is_empty() {
        plan.problems.push(without_version(package));
        return plan;
    }
    plan.lookups.extend(question(package, name, package.version.clone(), scheme));
    plan
}

fn question(package: &Package, name: String, version: String, scheme: Scheme) -> Option<Lookup> {
    Some(Lookup {
        scope: ecosystem(package.kind)?,
        name,
        level: Level::Module,
        version,
        scheme,
        rule: MatchRule::Ecosystem,
        role: Role::Base,
    })
}

fn without_version(package: &Package) -> Problem {
    Problem::degraded(
        "package_version_missing",
        place(package),
        "the package has no version, so it was not matched",
    )
}

/// How problems name a package.
pub(crate) fn place(package: &Package) -> String {
    let path = package.locations.first().map_or("", |location| location.path.as_str());
    format!("{} {}@{} {path}", package.kind, package.name, package.version).trim_end().to_owned()
}
