//! Package names in one spelling per ecosystem, at writing and at lookup alike.

use kedge_artifact::advisory::Scope;

/// The package name as the dataset keys it. PyPI by PEP 503 (runs of `-`, `_`, `.` become one `-`,
/// lower case); NuGet, Packagist, Hex, Pub and GitHub Actions ignore case; Swift URLs lose scheme
/// and `.git`; every other ecosystem and all distributions are taken as written.
#[must_use]
pub fn normalize_package(scope: &Scope, name: &str) -> String {
    let Scope::Ecosystem { name: ecosystem } = scope else { return name.to_owned() };
    match ecosystem.as_str() {
        "pypi" => pep503(name),
        "nuget" | "packagist" | "hex" | "pub" | "github actions" => name.to_lowercase(),
        "swifturl" => {
            let bare = name.trim_start_matches("https://").trim_start_matches("http://");
            bare.trim_end_matches(".git").to_lowercase()
        }
        _ => name.to_owned(),
    }
}

fn pep503(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut separator = false;
    for c in name.chars() {
        if matches!(c, '-' | '_' | '.') {
            separator = true;
            continue;
        }
        if separator {
            out.push('-');
            separator = false;
        }
        out.extend(c.to_lowercase());
    }
    if separator {
        out.push('-');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_per_ecosystem() {
        let check = |ecosystem: &str, name: &str, expect: &str| {
            let scope = Scope::Ecosystem { name: ecosystem.into() };
            assert_eq!(normalize_package(&scope, name), expect, "{ecosystem} {name}");
        };
        check("pypi", "Zope.Interface__X", "zope-interface-x");
        check("npm", "@Scope/Name", "@Scope/Name");
        check("nuget", "Newtonsoft.Json", "newtonsoft.json");
        check("packagist", "Symfony/Http-Kernel", "symfony/http-kernel");
        check("swifturl", "https://github.com/Apple/swift-nio.git", "github.com/apple/swift-nio");
        check("maven", "Org:Art", "Org:Art");
    }
}
