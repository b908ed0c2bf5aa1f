//! Rust crates. Only those of crates.io are looked up there: a crate of the same name and version
//! from a workspace, a Git repository or a company's registry is other code.

use kedge_artifact::package::Package;
use kedge_artifact::problem::Problem;
use kedge_version::Scheme;

use super::{Plan, language, place};

pub(super) fn plan(package: &Package) -> Plan {
    // cargo-auditable's word for where a crate came from, which the cataloger keeps as its origin.
    // Without one it is taken for the registry that nearly all crates come from.
    match package.origin.as_deref() {
        Some(origin @ ("local" | "git" | "registry")) => Plan {
            lookups: Vec::new(),
            problems: vec![Problem::info(
                "crate_not_from_crates_io",
                place(package),
                format!("its source is '{origin}' and not crates.io, so it was not matched"),
            )],
        },
        Some(_) | None => language(package, package.name.clone(), Scheme::Semver),
    }
}
