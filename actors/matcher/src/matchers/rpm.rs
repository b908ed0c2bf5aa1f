//! RPM packages. A binary package without an epoch has epoch 0 by definition of rpm; the name of a
//! source rpm never carries one, so there it stays missing and is not compared.

use kedge_artifact::package::{Package, PackageDetails};
use kedge_version::{Scheme, rpm};
use packageurl::PackageUrl;

use super::{Context, Plan, os};

pub(super) fn plan(package: &Package, context: &Context<'_>) -> Plan {
    let mut versions = os::versions(package);
    versions.binary = with_epoch(package);
    os::plan(package, context, Scheme::Rpm, &versions)
}

fn with_epoch(package: &Package) -> String {
    if package.version.trim().is_empty() || rpm::epoch(&package.version).is_some() {
        return package.version.clone();
    }
    let epoch = header_epoch(package).or_else(|| purl_epoch(&package.purl)).unwrap_or(0);
    format!("{epoch}:{}", package.version)
}

fn header_epoch(package: &Package) -> Option<u32> {
    match package.details {
        PackageDetails::Rpm { epoch, .. } => epoch,
        PackageDetails::None
        | PackageDetails::Go { .. }
        | PackageDetails::Java { .. }
        | PackageDetails::Python { .. }
        | PackageDetails::Npm { .. } => None,
    }
}

/// `pkg:rpm/…?epoch=1`, where imported SBOMs keep it.
fn purl_epoch(purl: &str) -> Option<u32> {
    purl.parse::<PackageUrl<'_>>().ok()?.qualifiers().get("epoch")?.parse().ok()
}
