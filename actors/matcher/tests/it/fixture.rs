//! An advisory source over vectors, and short ways to write rows and packages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kedge_artifact::advisory::*;
use kedge_artifact::distro::Distro;
use kedge_artifact::finding::{Finding, Matches};
use kedge_artifact::package::*;
use kedge_artifact::sbom::*;
use kedge_artifact::time::Timestamp;
use kedge_matcher::{MatchOptions, find_matches};

/// `debian:12`, `ubuntu:22.04+esm`, `npm`.
pub(crate) fn scope(label: &str) -> Scope {
    match label.split_once(':') {
        None => Scope::Ecosystem { name: label.into() },
        Some((id, rest)) => {
            let (version, channel) = rest.split_once('+').unwrap_or((rest, ""));
            Scope::Distro { id: id.into(), version: version.into(), channel: channel.into() }
        }
    }
}

#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) record: Vulnerability,
    pub(crate) row: Affected,
}

/// A row that affects all versions of a package. Level: binary for rpm distributions but Rocky,
/// source for the others, module for ecosystems.
pub(crate) fn row(scope_label: &str, package: &str, id: &str) -> Row {
    let level = match scope_label.split_once(':').map(|(id, _)| id) {
        None => Level::Module,
        Some("almalinux" | "rhel" | "oracle" | "amazon" | "sles") => Level::Binary,
        Some(_) => Level::Source,
    };
    let record = Vulnerability {
        id: id.into(),
        driver: "test".into(),
        aliases: Vec::new(),
        upstream: Vec::new(),
        status: VulnerabilityStatus::Active,
        published: Some(Timestamp(1)),
        modified: None,
        withdrawn: None,
        summary: format!("summary of {id}"),
        details: String::new(),
        cwes: Vec::new(),
        references: Vec::new(),
        severities: Vec::new(),
    };
    let row = Affected {
        scope: scope(scope_label),
        package: package.into(),
        level,
        verdict: Verdict::Affected,
        ranges: Vec::new(),
        versions: Vec::new(),
        qualifiers: Qualifiers::default(),
        fix: Fix::default(),
    };
    Row { record, row }.range(None, None, None)
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

impl Row {
    fn with(mut self, change: impl FnOnce(&mut Vulnerability, &mut Affected)) -> Self {
        change(&mut self.record, &mut self.row);
        self
    }

    /// Replaces the ranges.
    pub(crate) fn range(self, from: Option<&str>, fixed: Option<&str>, last: Option<&str>) -> Self {
        self.with(|_, row| row.ranges.clear()).or_range(from, fixed, last)
    }

    pub(crate) fn or_range(
        self,
        from: Option<&str>,
        fixed: Option<&str>,
        last: Option<&str>,
    ) -> Self {
        self.with(|_, row| {
            row.ranges.push(Range {
                kind: RangeKind::Ecosystem,
                introduced: from.map(str::to_owned),
                fixed: fixed.map(str::to_owned),
                last_affected: last.map(str::to_owned),
            });
        })
    }

    pub(crate) fn fixed(self, version: &str) -> Self {
        self.range(None, Some(version), None).with(|_, row| {
            row.fix.state = FixState::Fixed;
            row.fix.versions = vec![version.to_owned()];
        })
    }

    pub(crate) fn versions(self, versions: &[&str]) -> Self {
        self.with(|_, row| {
            row.ranges.clear();
            row.versions = owned(versions);
        })
    }

    pub(crate) fn aliases(self, ids: &[&str]) -> Self {
        self.with(|record, _| record.aliases = owned(ids))
    }

    pub(crate) fn upstream(self, ids: &[&str]) -> Self {
        self.with(|record, _| record.upstream = owned(ids))
    }

    pub(crate) fn verdict(self, verdict: Verdict) -> Self {
        self.with(|_, row| row.verdict = verdict)
    }

    pub(crate) fn unaffected(self) -> Self {
        self.verdict(Verdict::Unaffected)
    }

    pub(crate) fn level(self, level: Level) -> Self {
        self.with(|_, row| row.level = level)
    }

    pub(crate) fn module(self, module: &str) -> Self {
        self.with(|_, row| row.qualifiers.module = Some(module.into()))
    }

    pub(crate) fn architecture(self, architecture: &str) -> Self {
        self.with(|_, row| row.qualifiers.architectures = vec![architecture.into()])
    }

    pub(crate) fn state(self, state: FixState) -> Self {
        self.with(|_, row| row.fix.state = state)
    }

    pub(crate) fn withdrawn(self) -> Self {
        self.with(|record, _| record.withdrawn = Some(Timestamp(2)))
    }

    pub(crate) fn status(self, status: VulnerabilityStatus) -> Self {
        self.with(|record, _| record.status = status)
    }

    pub(crate) fn severity(self, scheme: SeverityScheme, rank: SeverityRank, source: &str) -> Self {
        self.with(|record, _| {
            record.severities.push(Severity {
                scheme,
                value: rank.as_str().into(),
                source: source.into(),
                score: None,
                rank,
            });
        })
    }

    pub(crate) fn edit(self, change: impl FnOnce(&mut Vulnerability, &mut Affected)) -> Self {
        self.with(change)
    }
}

#[derive(Default)]
pub(crate) struct Feed {
    pub(crate) rows: Vec<Row>,
    pub(crate) covered: BTreeSet<Scope>,
    pub(crate) epss: BTreeMap<String, f64>,
    pub(crate) kev: BTreeSet<String>,
    pub(crate) broken: bool,
}

/// Covers the scopes of its rows.
pub(crate) fn feed(rows: Vec<Row>) -> Feed {
    let covered = rows.iter().map(|row| row.row.scope.clone()).collect();
    Feed { rows, covered, ..Feed::default() }
}

impl Feed {
    pub(crate) fn covering(mut self, labels: &[&str]) -> Self {
        self.covered.extend(labels.iter().map(|label| scope(label)));
        self
    }
}

impl AdvisorySource for Feed {
    fn generation(&self) -> String {
        "test-generation".into()
    }

    fn candidates(&self, scope: &Scope, package: &str) -> Result<Vec<Candidate>, SourceError> {
        if self.broken {
            return Err(SourceError("disk gone".into()));
        }
        let wanted = |row: &&Row| row.row.scope == *scope && row.row.package == package;
        let candidate = |row: &Row| Candidate {
            vulnerability: Arc::new(row.record.clone()),
            affected: row.row.clone(),
        };
        Ok(self.rows.iter().filter(wanted).map(candidate).collect())
    }

    fn coverage(&self, scope: &Scope) -> Option<Timestamp> {
        self.covered.contains(scope).then_some(Timestamp(1_000))
    }

    fn by_id(&self, id: &str) -> Result<Vec<Advisory>, SourceError> {
        let named =
            |row: &&Row| row.record.id == id || row.record.aliases.iter().any(|alias| alias == id);
        let advisory = |row: &Row| Advisory {
            vulnerability: row.record.clone(),
            affected: vec![row.row.clone()],
        };
        Ok(self.rows.iter().filter(named).map(advisory).collect())
    }

    fn epss(&self, cve: &str) -> Option<Epss> {
        self.epss.get(cve).map(|score| Epss {
            score: *score,
            percentile: *score,
            date: Timestamp(1_000),
        })
    }

    fn kev(&self, cve: &str) -> Option<Kev> {
        self.kev.contains(cve).then(|| Kev {
            added: Timestamp(1_000),
            due: None,
            ransomware: false,
            action: "update".into(),
        })
    }
}

/// A package with its name as id.
pub(crate) fn package(kind: PackageKind, name: &str, version: &str) -> Package {
    Package {
        id: PackageId(name.into()),
        name: name.into(),
        version: version.into(),
        kind,
        purl: format!("pkg:{kind}/{name}@{version}"),
        architecture: None,
        source: None,
        licenses: Vec::new(),
        locations: vec![Location { path: format!("/where/{name}"), layer: None }],
        owned_by: None,
        size: None,
        origin: None,
        details: PackageDetails::None,
    }
}

pub(crate) fn source(mut package: Package, name: &str, version: Option<&str>) -> Package {
    let version = version.map(str::to_owned);
    package.source = Some(SourcePackage { name: name.into(), version });
    package
}

pub(crate) fn owned_by(mut package: Package, owner: &str) -> Package {
    package.owned_by = Some(PackageId(owner.into()));
    package
}

pub(crate) fn distro(id: &str, version: &str) -> Option<Distro> {
    Some(Distro { id: id.into(), version_id: version.into(), ..Distro::default() })
}

pub(crate) fn sbom(distro: Option<Distro>, packages: Vec<Package>) -> Sbom {
    Sbom {
        schema: SBOM_SCHEMA,
        generator: Generator { name: "kedge".into(), version: "test".into() },
        target: Target {
            kind: TargetKind::Directory,
            manifest: None,
            config: None,
            platform: None,
            layers: Vec::new(),
        },
        distro,
        packages,
        problems: Vec::new(),
    }
}

/// Matches with default options.
pub(crate) fn matches(distro: Option<Distro>, packages: Vec<Package>, feed: &Feed) -> Matches {
    find_matches(&sbom(distro, packages), feed, &MatchOptions::default())
}

/// `id package` of every finding, in order.
pub(crate) fn found(matches: &Matches) -> Vec<String> {
    let line = |f: &Finding| format!("{} {}", f.vulnerability, f.package_name);
    matches.findings.iter().map(line).collect()
}

/// `rule id package` of everything suppressed, in order.
pub(crate) fn suppressed(matches: &Matches) -> Vec<String> {
    matches
        .suppressed
        .iter()
        .map(|s| format!("{} {} {}", s.rule, s.finding.vulnerability, s.finding.package_name))
        .collect()
}

/// Codes of all problems, in order.
pub(crate) fn codes(matches: &Matches) -> Vec<&str> {
    matches.problems.iter().map(|problem| problem.code.as_str()).collect()
}
