//! Rules that take a match back. What they take back is kept, with the rule's code.

use kedge_artifact::finding::MatchRule;
use kedge_artifact::package::{Package, PackageKind};

use crate::dedupe::Draft;
use crate::distro::Chosen;
use crate::examine::Examined;
use crate::ids::{self, Ids};

/// What the rules look at.
pub(crate) struct Judge<'a> {
    /// The package.
    pub(crate) package: &'a Package,
    /// What the data says about it.
    pub(crate) examined: &'a Examined,
    /// The OS package that owns its files, with what the data says about that one.
    pub(crate) owner: Option<(&'a Package, &'a Examined)>,
    /// The distribution's data.
    pub(crate) distro: Option<&'a Chosen>,
}

impl Judge<'_> {
    /// The code of the rule that takes the match back, and a sentence for people.
    pub(crate) fn suppress(&self, draft: &Draft) -> Option<(&'static str, String)> {
        let (package, examined) = (self.package, self.examined);
        if settles(&examined.not_affected, draft) {
            let reason = format!("the vendor says that {} is not affected", package.name);
            return Some(("not_affected", reason));
        }
        if draft.undecided {
            let reason = "the vendor has not decided yet whether it is affected".to_owned();
            return Some(("under_investigation", reason));
        }
        if settles(&examined.channel_fixed, draft) {
            let reason = "fixed by a subscribed support channel".to_owned();
            return Some(("fixed_in_channel", reason));
        }
        if is_kernel_headers(package) && draft.finding.why.rule == MatchRule::DistroSource {
            let reason = "headers of the kernel contain none of its code".to_owned();
            return Some(("kernel_headers", reason));
        }
        self.by_owner(draft)
    }

    /// Language packages that an OS package brought: the distribution patches them without
    /// changing the version that the language's own feed compares.
    fn by_owner(&self, draft: &Draft) -> Option<(&'static str, String)> {
        let package = self.package;
        let (owner, verdicts) = self.owner?;
        let distro = self.distro?;
        if !may_speak(owner, package, distro) {
            return None;
        }
        let label = distro.base.label();
        if settles(&verdicts.not_affected, draft) {
            let reason =
                format!("{label} says that {}, which owns it, is not affected", owner.name);
            return Some(("not_affected", reason));
        }
        if distro.complete && versions_agree(&package.version, &owner.version) {
            let reason = format!("part of {} {}, which {label} judges", owner.name, owner.version);
            return Some(("owned_by_os_package", reason));
        }
        if settles(&verdicts.fixed, draft) {
            let reason = format!("{label} fixed it in {} {}", owner.name, owner.version);
            return Some(("fixed_by_os_package", reason));
        }
        None
    }
}

/// Whether what the distribution says of `owner` can take a match of `package` back.
pub(crate) fn may_speak(owner: &Package, package: &Package, distro: &Chosen) -> bool {
    distro.fetched.is_some() && !package.kind.is_os() && owner.kind == distro.kind
}

fn settles(about: &Ids, draft: &Draft) -> bool {
    let cves: Ids = draft.finding.cves.iter().cloned().collect();
    ids::settles(about, &draft.same, &cves)
}

/// Packages built from the kernel's source that carry no kernel.
fn is_kernel_headers(package: &Package) -> bool {
    let name = package.name.as_str();
    match package.kind {
        PackageKind::Rpm => name == "kernel-headers",
        PackageKind::Deb => {
            name == "linux-libc-dev"
                || name.starts_with("linux-kbuild-")
                || (name.starts_with("linux-") && name.contains("headers-"))
        }
        PackageKind::Apk => name == "linux-headers",
        PackageKind::Python
        | PackageKind::Npm
        | PackageKind::Java
        | PackageKind::Go
        | PackageKind::Rust
        | PackageKind::Gem
        | PackageKind::Composer
        | PackageKind::Nuget
        | PackageKind::Binary => false,
    }
}

/// Whether an OS package is a build of that version of the language package: one version is the
/// beginning of the other, at a boundary (`2.28.1` of `1:2.28.1+dfsg-1`).
fn versions_agree(language: &str, os: &str) -> bool {
    let upstream = os.split_once(':').map_or(os, |(_, rest)| rest);
    let begins = |long: &str, short: &str| {
        !short.is_empty()
            && long
                .strip_prefix(short)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    // Debian writes a pre-release with a tilde that upstream does not have.
    let (upstream, language) = (upstream.replace('~', ""), language.replace('~', ""));
    let bare = upstream.rsplit_once('-').map_or(upstream.as_str(), |(version, _)| version);
    begins(&upstream, &language) || begins(&language, bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_one_upstream_agree() {
        for (language, os) in [
            ("2.28.1", "2.28.1+dfsg-1"),
            ("2.28.1", "1:2.28.1-1ubuntu2"),
            ("1.0rc1", "1.0~rc1-1"),
            ("1.26.5", "1.26.5-r1"),
            ("2.3.0", "2.3-4"),
        ] {
            assert!(versions_agree(language, os), "{language} {os}");
        }
        for (language, os) in [("2.28.1", "2.28.10-1"), ("6.1.0", "18.19.0-1"), ("", "1.0-1")] {
            assert!(!versions_agree(language, os), "{language} {os}");
        }
    }
}
