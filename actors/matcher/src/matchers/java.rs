//! Java archives, by `group:artifact`. Without a group there is no safe name: the same artefact
//! name exists under many groups, so that is reported instead of guessed.

use kedge_artifact::package::{Package, PackageDetails};
use kedge_artifact::problem::Problem;
use kedge_version::Scheme;

use super::{Plan, language, place};

pub(super) fn plan(package: &Package) -> Plan {
    match coordinates(package) {
        Some(name) => language(package, name, Scheme::Maven),
        None => Plan {
            lookups: Vec::new(),
            problems: vec![Problem::degraded(
                "java_group_unknown",
                place(package),
                "the archive does not tell its group id, so it was not matched",
            )],
        },
    }
}

fn coordinates(package: &Package) -> Option<String> {
    if package.name.contains(':') {
        return Some(package.name.clone());
    }
    match &package.details {
        PackageDetails::Java { group: Some(group), artifact, .. } if !group.is_empty() => {
            Some(format!("{group}:{artifact}"))
        }
        PackageDetails::Java { .. }
        | PackageDetails::None
        | PackageDetails::Rpm { .. }
        | PackageDetails::Go { .. }
        | PackageDetails::Python { .. }
        | PackageDetails::Npm { .. } => None,
    }
}
