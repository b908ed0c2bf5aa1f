//! Ecosystems of OSV without rules of their own: Packagist and NuGet. Both ignore case in names
//! and order versions as lenient SemVer, NuGet with a fourth number.

use kedge_artifact::package::Package;
use kedge_version::Scheme;

use super::{Plan, language};

pub(super) fn plan(package: &Package) -> Plan {
    language(package, package.name.to_lowercase(), Scheme::Semver)
}
