//! Gate `packages`: packages of the distribution's package manager.

use super::{CannotEvaluate, Check, Gate, Param, RestsOn, Rule, Sink, State, Trigger, Validator};
use kedge_artifact::package::{Package, PackageKind};
use kedge_version::Scheme;

const NAME: Param = Param {
    name: "name",
    description: "Name of the package.",
    example: "libssl",
    required: true,
    validator: Validator::Text,
};

/// The gate.
pub const GATE: Gate = Gate {
    name: "packages",
    description: "Judges the packages of the distribution.",
    state: State::Active,
    triggers: &[
        Trigger {
            name: "required_package",
            description: "Fires when the package is absent or not at the wanted version.",
            params: &[
                NAME,
                Param {
                    name: "version",
                    description: "Wanted version; any when absent.",
                    example: "1.10.3rc3",
                    required: false,
                    validator: Validator::Text,
                },
                Param {
                    name: "version_match_type",
                    description: "Whether the version is exact or the least; exact when absent.",
                    example: "exact",
                    required: false,
                    validator: Validator::Words(&["exact", "minimum"]),
                },
            ],
            rests_on: RestsOn::Contents,
            check: Check::Run(required_package),
        },
        Trigger {
            name: "verify",
            description: "Fires for each file that differs from the package database.",
            params: &[
                Param {
                    name: "only_packages",
                    description: "Packages to look at; all when absent.",
                    example: "libssl,openssl",
                    required: false,
                    validator: Validator::List,
                },
                Param {
                    name: "only_directories",
                    description: "Directories to look at; all when absent.",
                    example: "/usr,/var/lib",
                    required: false,
                    validator: Validator::List,
                },
                Param {
                    name: "check",
                    description: "Which differences count; all when absent.",
                    example: "changed",
                    required: false,
                    validator: Validator::Words(&["changed", "missing"]),
                },
            ],
            rests_on: RestsOn::Contents,
            check: Check::Never("the file lists of packages are not kept"),
        },
        Trigger {
            name: "denylist",
            description: "Fires when the package is installed.",
            params: &[
                NAME,
                Param {
                    name: "version",
                    description: "Only at this version.",
                    example: "2.0.1",
                    required: false,
                    validator: Validator::Text,
                },
            ],
            rests_on: RestsOn::Contents,
            check: Check::Run(denylist),
        },
    ],
};

fn named<'a>(rule: &Rule<'a>, name: &str) -> Vec<&'a Package> {
    let packages = rule.facts.sbom.packages.iter();
    packages.filter(|package| package.kind.is_os() && package.name == name).collect()
}

fn scheme(kind: PackageKind) -> Option<Scheme> {
    match kind {
        PackageKind::Deb => Some(Scheme::Deb),
        PackageKind::Apk => Some(Scheme::Apk),
        PackageKind::Rpm => Some(Scheme::Rpm),
        PackageKind::Python
        | PackageKind::Npm
        | PackageKind::Java
        | PackageKind::Go
        | PackageKind::Rust
        | PackageKind::Gem
        | PackageKind::Composer
        | PackageKind::Nuget
        | PackageKind::Binary => None,
    }
}

fn required_package(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    let name = rule.need(rule.params.text("name"), "name")?;
    let wanted = rule.params.text("version");
    let installed = named(rule, name);
    let Some(first) = installed.first() else {
        let version = wanted.map(|version| format!(",{version}")).unwrap_or_default();
        sink.fire(format!(
            "Required input package ({name}{version}) is not present in container image"
        ));
        return Ok(());
    };
    let Some(wanted) = wanted else { return Ok(()) };
    let minimum = rule.params.word("version_match_type") == Some("minimum");
    for package in &installed {
        if package.version == wanted {
            return Ok(());
        }
        if let (true, Some(scheme)) = (minimum, scheme(package.kind)) {
            let order = scheme.compare(&package.version, wanted).map_err(|error| {
                CannotEvaluate(format!("versions of {name} cannot be compared: {error}"))
            })?;
            if order.is_ge() {
                return Ok(());
            }
        }
    }
    // The contract's text names the package, not the version, at the end of the first message.
    sink.fire(if minimum {
        format!(
            "Required min-version input package ({name}) is present ({}), but is lower version \
             than what is specified in policy ({wanted})",
            first.version
        )
    } else {
        format!(
            "Required input package ({name}) is present ({}), but not at the version specified \
             in policy ({name})",
            first.version
        )
    });
    Ok(())
}

fn denylist(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    let name = rule.need(rule.params.text("name"), "name")?;
    let installed = named(rule, name);
    match rule.params.text("version") {
        None if !installed.is_empty() => sink.fire(format!("Package is blacklisted: {name}")),
        Some(version) if installed.iter().any(|package| package.version == version) => {
            sink.fire(format!("Package is blacklisted: {name}-{version}"));
        }
        None | Some(_) => {}
    }
    Ok(())
}
