//! One row of the data against one version.

use kedge_artifact::advisory::{Affected, Range, RangeKind, Scope, Verdict};
use kedge_artifact::package::{Package, PackageDetails};
use kedge_version::{Options, Scheme, VersionError, ranges};

use crate::matchers::Lookup;

/// Where a version lies with regard to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In one of its ranges; the text says which. `fixed` is that range's end.
    Inside { range: String, fixed: Option<String> },
    /// After the fix of one of its ranges, and in none.
    Fixed,
    /// Outside.
    Outside,
}

/// Why a row could not be decided.
#[derive(Debug)]
pub(crate) enum Undecided {
    /// The package's version is not a version of the scheme.
    Version(VersionError),
    /// The row itself is broken.
    Row(String),
}

/// Places the version of `lookup`. Broken ranges beside a range that contains the version do no
/// harm; otherwise the row is undecided.
pub(crate) fn place(row: &Affected, lookup: &Lookup, options: Options) -> Result<Place, Undecided> {
    let version = lookup.version.as_str();
    if let Some(listed) = row.versions.iter().find(|listed| *listed == version) {
        return Ok(Place::Inside { range: format!("= {listed}"), fixed: None });
    }
    lookup.scheme.validate(version).map_err(Undecided::Version)?;
    // A listed text that is no version of the scheme cannot be this version.
    let same = |listed: &&String| ranges::same(lookup.scheme, version, listed).unwrap_or(false);
    if let Some(listed) = row.versions.iter().find(same) {
        return Ok(Place::Inside { range: format!("= {listed}"), fixed: None });
    }
    if row.ranges.is_empty() && row.versions.is_empty() {
        return without_versions(row);
    }
    let mut after_fix = false;
    let mut broken = None;
    for range in &row.ranges {
        match in_range(range, lookup, options) {
            Ok(Place::Inside { range, fixed }) => return Ok(Place::Inside { range, fixed }),
            Ok(Place::Fixed) => after_fix = true,
            Ok(Place::Outside) => {}
            Err(error) => broken = Some(error.to_string()),
        }
    }
    match (broken, after_fix) {
        (Some(error), _) => Err(Undecided::Row(error)),
        (None, true) => Ok(Place::Fixed),
        (None, false) => Ok(Place::Outside),
    }
}

/// A distribution that names a package and no version means every version, and so does everyone who
/// says that a package is not affected. An affected row of an OSV ecosystem says nothing that can
/// be evaluated then.
fn without_versions(row: &Affected) -> Result<Place, Undecided> {
    match (&row.scope, row.verdict) {
        (Scope::Distro { .. }, _) | (Scope::Ecosystem { .. }, Verdict::Unaffected) => {
            Ok(Place::Inside { range: "all versions".to_owned(), fixed: None })
        }
        (Scope::Ecosystem { .. }, Verdict::Affected | Verdict::UnderInvestigation) => {
            Err(Undecided::Row("it names neither a range nor a version".to_owned()))
        }
    }
}

fn in_range(range: &Range, lookup: &Lookup, options: Options) -> Result<Place, VersionError> {
    let scheme = match (range.kind, lookup.scheme) {
        // npm and Go order SemVer texts as SemVer does, and read their own spellings.
        (RangeKind::Ecosystem, own) | (RangeKind::Semver, own @ (Scheme::Npm | Scheme::Go)) => own,
        (RangeKind::Semver, _) => Scheme::Semver,
    };
    let version = lookup.version.as_str();
    let (introduced, fixed) = (range.introduced.as_deref(), range.fixed.as_deref());
    let bounds = (introduced, fixed, range.last_affected.as_deref());
    if ranges::contains_with(scheme, options, version, bounds)? {
        return Ok(Place::Inside { range: text(range), fixed: range.fixed.clone() });
    }
    match fixed {
        Some(fixed) if scheme.compare_with(version, fixed, options)?.is_ge() => Ok(Place::Fixed),
        Some(_) | None => Ok(Place::Outside),
    }
}

/// The range as people write it.
fn text(range: &Range) -> String {
    let mut parts = Vec::new();
    if let Some(introduced) = range.introduced.as_deref().filter(|version| *version != "0") {
        parts.push(format!(">= {introduced}"));
    }
    if let Some(fixed) = &range.fixed {
        parts.push(format!("< {fixed}"));
    } else if let Some(last) = &range.last_affected {
        parts.push(format!("<= {last}"));
    }
    if parts.is_empty() { "all versions".to_owned() } else { parts.join(", ") }
}

/// Whether the conditions beside the version hold. `oracle`: its default module streams carry no
/// label in the rpm.
pub(crate) fn applies(row: &Affected, package: &Package, oracle: bool) -> bool {
    architecture_fits(row, package) && module_fits(row, package, oracle)
}

fn architecture_fits(row: &Affected, package: &Package) -> bool {
    let Some(architecture) = package.architecture.as_deref() else { return true };
    let wanted = &row.qualifiers.architectures;
    let neutral = |word: &str| matches!(word, "noarch" | "all" | "any");
    wanted.is_empty()
        || neutral(architecture)
        || wanted.iter().any(|word| neutral(word) || canonical(word) == canonical(architecture))
}

/// Debian and Red Hat spell the same architectures differently.
fn canonical(architecture: &str) -> &str {
    match architecture {
        "x86_64" | "x64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i486" | "i586" | "i686" | "x86" => "i386",
        "ppc64el" => "ppc64le",
        other => other,
    }
}

/// A row's module must be a prefix of the package's label (`nodejs:16` of
/// `nodejs:16:8060020220101:ad008a3a`). A package that could say its module and says none is not
/// modular; one that cannot say matches everything.
fn module_fits(row: &Affected, package: &Package, oracle: bool) -> bool {
    let label = match &package.details {
        PackageDetails::Rpm { module, .. } => module.as_deref(),
        PackageDetails::None
        | PackageDetails::Go { .. }
        | PackageDetails::Java { .. }
        | PackageDetails::Python { .. }
        | PackageDetails::Npm { .. } => None,
    };
    match (row.qualifiers.module.as_deref(), label) {
        (None, _) | (_, None) | (Some(""), Some("")) => true,
        (Some(""), Some(_)) => false,
        (Some(_), Some("")) => oracle,
        (Some(wanted), Some(label)) => {
            label.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        }
    }
}
