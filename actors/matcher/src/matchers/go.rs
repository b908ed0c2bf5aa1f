//! Go modules in binaries, and the standard library that their toolchain brought.
//!
//! The main module of a binary built from a checkout has no release: `(devel)`, or a pseudo
//! version on no tag. Matching it would match every advisory of the project.

use kedge_artifact::package::{Package, PackageDetails};
use kedge_artifact::problem::Problem;
use kedge_version::{Scheme, go};

use super::{Context, Plan, language, place, question};

/// What the Go vulnerability database calls the standard library.
pub(super) const STDLIB: &str = "stdlib";

pub(super) fn plan(package: &Package, context: &Context<'_>) -> Plan {
    let (main, toolchain) = match &package.details {
        PackageDetails::Go { main, toolchain, .. } => (*main, toolchain.as_str()),
        PackageDetails::None
        | PackageDetails::Rpm { .. }
        | PackageDetails::Java { .. }
        | PackageDetails::Python { .. }
        | PackageDetails::Npm { .. } => (false, ""),
    };
    let mut plan = if main && has_no_release(&package.version) {
        Plan {
            lookups: Vec::new(),
            problems: vec![Problem::info(
                "go_main_module_without_release",
                place(package),
                "the main module was built without a release version and was not matched",
            )],
        }
    } else {
        language(package, package.name.clone(), Scheme::Go)
    };
    if main && !toolchain.is_empty() && !context.has_stdlib {
        let version = toolchain.to_owned();
        plan.lookups.extend(question(package, STDLIB.to_owned(), version, Scheme::Go));
    }
    plan
}

fn has_no_release(version: &str) -> bool {
    matches!(version.trim(), "" | "(devel)" | "devel") || go::is_untagged_pseudo(version)
}
