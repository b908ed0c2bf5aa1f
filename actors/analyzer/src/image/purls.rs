//! Package URLs of OS packages: they name the distribution, which is known only after the squash.
//! Rules: purl-spec, types `deb`, `apk`, `rpm`.

use kedge_artifact::distro::Distro;
use kedge_artifact::package::{Package, PackageDetails, PackageKind};
use kedge_artifact::purl::{PurlParts, build};

/// The canonical purl of an OS package. `None` for other kinds and where the parts make no purl.
pub(crate) fn os_purl(package: &Package, distro: Option<&Distro>) -> Option<String> {
    let kind = match package.kind {
        PackageKind::Deb => "deb",
        PackageKind::Apk => "apk",
        PackageKind::Rpm => "rpm",
        PackageKind::Python
        | PackageKind::Npm
        | PackageKind::Java
        | PackageKind::Go
        | PackageKind::Rust
        | PackageKind::Gem
        | PackageKind::Composer
        | PackageKind::Nuget
        | PackageKind::Binary => return None,
    };
    let (epoch, version) = match package.kind == PackageKind::Rpm {
        true => rpm_epoch(&package.version),
        false => ("", package.version.as_str()),
    };
    let upstream = upstream(package);
    let distro_text = distro.map(distro_qualifier).unwrap_or_default();
    let namespace = distro.map_or("", |distro| namespace(&distro.id));
    build(&PurlParts {
        kind,
        namespace,
        name: &package.name,
        version,
        qualifiers: &[
            ("arch", package.architecture.as_deref().unwrap_or("")),
            ("distro", &distro_text),
            ("epoch", epoch),
            ("rpmmod", rpm_module(package)),
            ("upstream", &upstream),
        ],
        subpath: "",
    })
}

/// The module label of an rpm package; advisories of modular packages are told apart by it.
fn rpm_module(package: &Package) -> &str {
    match &package.details {
        PackageDetails::Rpm { module: Some(module), .. } => module,
        PackageDetails::Rpm { .. }
        | PackageDetails::None
        | PackageDetails::Go { .. }
        | PackageDetails::Java { .. }
        | PackageDetails::Python { .. }
        | PackageDetails::Npm { .. } => "",
    }
}

/// In rpm purls the epoch is a qualifier and not part of the version.
fn rpm_epoch(version: &str) -> (&str, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => (epoch, rest),
        _ => ("", version),
    }
}

/// The source package, where it says more than the package itself.
fn upstream(package: &Package) -> String {
    match &package.source {
        Some(source) => match &source.version {
            Some(version) => format!("{}@{version}", source.name),
            None if source.name != package.name => source.name.clone(),
            None => String::new(),
        },
        None => String::new(),
    }
}

/// purl-spec names vendors: Red Hat Enterprise Linux is `redhat`, not `rhel`.
fn namespace(id: &str) -> &str {
    match id {
        "rhel" => "redhat",
        "sles" | "sled" => "suse",
        "opensuse-leap" | "opensuse-tumbleweed" => "opensuse",
        "ol" => "oracle",
        "amzn" => "amazon",
        other => other,
    }
}

fn distro_qualifier(distro: &Distro) -> String {
    match (distro.version_id.as_str(), distro.codename.as_str()) {
        ("", "") => distro.id.clone(),
        ("", codename) => format!("{}-{codename}", distro.id),
        (version, _) => format!("{}-{version}", distro.id),
    }
}
