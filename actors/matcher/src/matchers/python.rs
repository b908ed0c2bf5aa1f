//! Python distributions, by their normalised name (PEP 503).

use kedge_artifact::package::Package;
use kedge_version::Scheme;

use super::{Plan, language};

pub(super) fn plan(package: &Package) -> Plan {
    language(package, normalize(&package.name), Scheme::Pep440)
}

fn normalize(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.extend(c.to_lowercase()),
        }
    }
    out
}
