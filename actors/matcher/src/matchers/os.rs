//! What the three package managers have in common: a binary name, a source name, and a version
//! for each.

use kedge_artifact::advisory::Level;
use kedge_artifact::finding::MatchRule;
use kedge_artifact::package::Package;
use kedge_version::Scheme;

use super::{Context, Lookup, Plan, Role, without_version};

/// Versions to compare: rows about the binary package take the first, rows about the source
/// package the second.
pub(super) struct Versions {
    pub(super) binary: String,
    pub(super) source: String,
}

/// The versions as the package states them.
pub(super) fn versions(package: &Package) -> Versions {
    let source = package.source.as_ref().and_then(|source| source.version.as_deref());
    Versions {
        binary: package.version.clone(),
        source: source.filter(|v| !v.is_empty()).unwrap_or(&package.version).to_owned(),
    }
}

/// Asks the distribution's scopes for the binary and the source name.
pub(super) fn plan(
    package: &Package,
    context: &Context<'_>,
    scheme: Scheme,
    versions: &Versions,
) -> Plan {
    let mut plan = Plan::default();
    // Without a distribution there is nothing to ask; the coverage reports that.
    let Some(chosen) = context.distro_of(package).filter(|chosen| chosen.fetched.is_some()) else {
        return plan;
    };
    if package.version.trim().is_empty() {
        plan.problems.push(without_version(package));
        return plan;
    }
    let source_name = match &package.source {
        Some(source) if !source.name.is_empty() => source.name.as_str(),
        Some(_) | None => package.name.as_str(),
    };
    let source_rule = match source_name == package.name {
        true => MatchRule::Distro,
        false => MatchRule::DistroSource,
    };
    let scopes = [(&chosen.base, Role::Base)]
        .into_iter()
        .chain(chosen.disclosures.iter().map(|(scope, _)| (scope, Role::Disclosure)))
        .chain(chosen.channels.iter().map(|scope| (scope, Role::Channel)));
    for (scope, role) in scopes {
        let asks = [
            (package.name.as_str(), Level::Binary, &versions.binary, MatchRule::Distro),
            (source_name, Level::Source, &versions.source, source_rule),
        ];
        for (name, level, version, rule) in asks {
            let (scope, name, version) = (scope.clone(), name.to_owned(), version.clone());
            plan.lookups.push(Lookup { scope, name, level, version, scheme, rule, role });
        }
    }
    plan
}
