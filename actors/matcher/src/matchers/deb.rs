//! Debian packages: mostly matched through the source package and its version.

use kedge_artifact::package::Package;
use kedge_version::Scheme;

use super::{Context, Plan, os};

pub(super) fn plan(package: &Package, context: &Context<'_>) -> Plan {
    os::plan(package, context, Scheme::Deb, &os::versions(package))
}
