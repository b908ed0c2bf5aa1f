//! Alpine and Wolfi packages: secdb names the origin (source) package; its version is the
//! package's own, because one build makes all of them.

use kedge_artifact::package::Package;
use kedge_version::Scheme;

use super::{Context, Plan, os};

pub(super) fn plan(package: &Package, context: &Context<'_>) -> Plan {
    os::plan(package, context, Scheme::Apk, &os::versions(package))
}
