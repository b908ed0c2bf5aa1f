//! What changed between two SBOMs.

use kedge_artifact::package::{Package, PackageKind};
use kedge_artifact::sbom::Sbom;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A package, as far as a comparison names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Named {
    /// Ecosystem.
    pub kind: PackageKind,
    /// Name.
    pub name: String,
    /// Architecture; empty where there is none.
    pub architecture: String,
}

/// A package that one side has and the other has not, under any version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneSided {
    /// Which package.
    pub package: Named,
    /// Its versions, sorted as text.
    pub versions: Vec<String>,
}

/// A package that both sides have in different versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Which package.
    pub package: Named,
    /// Versions that only the old side has.
    pub from: Vec<String>,
    /// Versions that only the new side has.
    pub to: Vec<String>,
}

/// The difference, each list sorted by kind, name, architecture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SbomDiff {
    /// In the new one only.
    pub added: Vec<OneSided>,
    /// In the old one only.
    pub removed: Vec<OneSided>,
    /// In both, with other versions.
    pub changed: Vec<Changed>,
}

impl SbomDiff {
    /// Whether there is no difference.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

type Versions<'a> = BTreeMap<Named, BTreeSet<&'a str>>;

fn versions(sbom: &Sbom) -> Versions<'_> {
    let mut out = Versions::new();
    for package in &sbom.packages {
        out.entry(named(package)).or_default().insert(&package.version);
    }
    out
}

fn named(package: &Package) -> Named {
    Named {
        kind: package.kind,
        name: package.name.clone(),
        architecture: package.architecture.clone().unwrap_or_default(),
    }
}

/// Compares two SBOMs by package, not by place: a module that moved is no difference.
#[must_use]
pub fn diff(old: &Sbom, new: &Sbom) -> SbomDiff {
    let (old, new) = (versions(old), versions(new));
    let owned = |set: &BTreeSet<&str>| set.iter().map(|version| (*version).to_owned()).collect();
    let only = |here: &Versions<'_>, there: &Versions<'_>| {
        let rows = here.iter().filter(|(package, _)| !there.contains_key(package));
        rows.map(|(package, set)| OneSided { package: package.clone(), versions: owned(set) })
            .collect()
    };
    let changed = old.iter().filter_map(|(package, from)| {
        let to = new.get(package)?;
        let without = |a: &BTreeSet<&str>, b: &BTreeSet<&str>| {
            a.difference(b).map(|version| (*version).to_owned()).collect()
        };
        (from != to).then(|| Changed {
            package: package.clone(),
            from: without(from, to),
            to: without(to, from),
        })
    });
    SbomDiff { added: only(&new, &old), removed: only(&old, &new), changed: changed.collect() }
}
