//! Ruby gems.

use kedge_artifact::package::Package;
use kedge_version::Scheme;

use super::{Plan, language};

pub(super) fn plan(package: &Package) -> Plan {
    language(package, package.name.clone(), Scheme::Gem)
}
