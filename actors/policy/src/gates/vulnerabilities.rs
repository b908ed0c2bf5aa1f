//! Gate `vulnerabilities`.

use super::{CannotEvaluate, Check, Gate, Param, RestsOn, Rule, Sink, State, Trigger, Validator};
use crate::cvss3::sub_scores;
use crate::params::{COMPARISONS, Comparison, Params};
use kedge_artifact::advisory::{FixState, SeverityRank, SeverityScheme};
use kedge_artifact::finding::{Coverage, Finding, Matches};
use kedge_artifact::package::PackageKind;
use kedge_artifact::time::Timestamp;
use regex::Regex;

const SEVERITIES: &[&str] = &["unknown", "negligible", "low", "medium", "high", "critical"];

const fn optional(
    name: &'static str,
    description: &'static str,
    example: &'static str,
    validator: Validator,
) -> Param {
    Param { name, description, example, required: false, validator }
}

const fn score(name: &'static str, description: &'static str) -> Param {
    optional(name, description, "7.5", Validator::Float)
}

const fn score_comparison(name: &'static str) -> Param {
    let description = "How the score is compared; >= when absent.";
    optional(name, description, ">=", Validator::Words(COMPARISONS))
}

const VENDOR_ONLY: Param = optional(
    "vendor_only",
    "Leave out what the vendor says will not be fixed; true when absent.",
    "true",
    Validator::Boolean,
);

/// The gate.
pub const GATE: Gate = Gate {
    name: "vulnerabilities",
    description: "Judges known vulnerabilities and the data they come from.",
    state: State::Active,
    triggers: &[
        Trigger {
            name: "package",
            description: "Fires for each vulnerability of a package that passes every check.",
            params: PACKAGE_PARAMS,
            rests_on: RestsOn::Advisories,
            check: Check::Run(package),
        },
        Trigger {
            name: "denylist",
            description: "Fires when the image has one of the vulnerabilities.",
            params: &[
                Param {
                    name: "vulnerability_ids",
                    description: "Ids of vulnerabilities.",
                    example: "CVE-2019-1234",
                    required: true,
                    validator: Validator::List,
                },
                VENDOR_ONLY,
            ],
            rests_on: RestsOn::Advisories,
            check: Check::Run(denylist),
        },
        Trigger {
            name: "stale_feed_data",
            description: "Fires when the advisory data of the image's distribution is old.",
            params: &[Param {
                name: "max_days_since_sync",
                description: "Days that the data may be old.",
                example: "10",
                required: true,
                validator: Validator::Integer(0),
            }],
            rests_on: RestsOn::Nothing,
            check: Check::Run(stale_feed_data),
        },
        Trigger {
            name: "vulnerability_data_unavailable",
            description: "Fires when there is no advisory data for the image's distribution.",
            params: &[],
            rests_on: RestsOn::Nothing,
            check: Check::Run(vulnerability_data_unavailable),
        },
        Trigger {
            name: "kev_list",
            description: "Fires for each vulnerability that is known to be exploited.",
            params: &[],
            rests_on: RestsOn::Advisories,
            check: Check::Run(kev_list),
        },
    ],
};

const PACKAGE_PARAMS: &[Param] = &[
    Param {
        name: "package_type",
        description: "Packages of the distribution, all others, or both.",
        example: "all",
        required: true,
        validator: Validator::Words(&["all", "os", "non-os"]),
    },
    optional(
        "severity_comparison",
        "How the severity is compared; > when absent.",
        ">",
        Validator::Words(COMPARISONS),
    ),
    optional(
        "severity",
        "Severity to compare with; unknown when absent.",
        "high",
        Validator::Words(SEVERITIES),
    ),
    score("cvss_v3_base_score", "CVSS 3 base score by NVD to compare with."),
    score_comparison("cvss_v3_base_score_comparison"),
    score("cvss_v3_exploitability_score", "CVSS 3 exploitability score by NVD to compare with."),
    score_comparison("cvss_v3_exploitability_score_comparison"),
    score("cvss_v3_impact_score", "CVSS 3 impact score by NVD to compare with."),
    score_comparison("cvss_v3_impact_score_comparison"),
    optional(
        "fix_available",
        "Only vulnerabilities that have, or have not, a fixed version.",
        "true",
        Validator::Boolean,
    ),
    VENDOR_ONLY,
    optional(
        "max_days_since_creation",
        "Days that the vulnerability may have been known in this image.",
        "7",
        Validator::Integer(0),
    ),
    optional(
        "max_days_since_fix",
        "Days that the fix may have been available; only with fix_available=true.",
        "30",
        Validator::Integer(0),
    ),
    score("vendor_cvss_v3_base_score", "CVSS 3 base score by the vendor to compare with."),
    score_comparison("vendor_cvss_v3_base_score_comparison"),
    score(
        "vendor_cvss_v3_exploitability_score",
        "CVSS 3 exploitability score by the vendor to compare with.",
    ),
    score_comparison("vendor_cvss_v3_exploitability_score_comparison"),
    score("vendor_cvss_v3_impact_score", "CVSS 3 impact score by the vendor to compare with."),
    score_comparison("vendor_cvss_v3_impact_score_comparison"),
    optional(
        "package_path_exclude",
        "Leave out packages, other than the distribution's, at matching paths.",
        ".*/test/.*",
        Validator::Regex,
    ),
];

/// Word of the contract for a kind of package.
#[must_use]
pub const fn package_type(kind: PackageKind) -> &'static str {
    match kind {
        PackageKind::Deb => "dpkg",
        PackageKind::Apk => "APKG",
        PackageKind::Rpm => "rpm",
        PackageKind::Python => "python",
        PackageKind::Npm => "npm",
        PackageKind::Java => "java",
        PackageKind::Go => "go",
        PackageKind::Rust => "rust",
        PackageKind::Gem => "gem",
        PackageKind::Composer => "composer",
        PackageKind::Nuget => "nuget",
        PackageKind::Binary => "binary",
    }
}

/// The id of a finding of this gate, `CVE-2019-1234+openssl`: distribution packages by name, Java
/// and Ruby by the last part of their path, Node by the part before, others by name and version.
#[must_use]
pub fn trigger_id(finding: &Finding) -> String {
    let mut parts = finding.path.rsplit('/').filter(|part| !part.is_empty());
    let from_path = match finding.package_kind {
        PackageKind::Deb | PackageKind::Apk | PackageKind::Rpm => {
            Some(finding.package_name.as_str())
        }
        PackageKind::Java | PackageKind::Gem => parts.next(),
        PackageKind::Npm => parts.nth(1),
        PackageKind::Python
        | PackageKind::Go
        | PackageKind::Rust
        | PackageKind::Composer
        | PackageKind::Nuget
        | PackageKind::Binary => None,
    };
    match from_path {
        Some(name) => format!("{}+{name}", finding.vulnerability),
        None => format!(
            "{}+{}-{}",
            finding.vulnerability, finding.package_name, finding.package_version
        ),
    }
}

fn matches<'a>(rule: &Rule<'a>) -> Result<&'a Matches, CannotEvaluate> {
    rule.facts
        .matches
        .ok_or_else(|| CannotEvaluate::because("the image has not been matched with advisories"))
}

/// Whether the rule leaves the finding out because the vendor will not fix it.
fn left_out(rule: &Rule<'_>, finding: &Finding) -> bool {
    rule.params.flag("vendor_only").unwrap_or(true) && finding.fix.state == FixState::WontFix
}

/// The three kinds of CVSS 3 scores.
#[derive(Clone, Copy)]
enum Score {
    Base,
    Exploitability,
    Impact,
}

/// A condition on a score, with the part of the message that tells of it.
struct ScoreCondition {
    name: &'static str,
    comparison_name: &'static str,
    by_nvd: bool,
    score: Score,
}

const fn condition(
    name: &'static str,
    comparison_name: &'static str,
    by_nvd: bool,
    score: Score,
) -> ScoreCondition {
    ScoreCondition { name, comparison_name, by_nvd, score }
}

const NVD_SCORES: [ScoreCondition; 3] = [
    condition("cvss_v3_base_score", "cvss_v3_base_score_comparison", true, Score::Base),
    condition(
        "cvss_v3_exploitability_score",
        "cvss_v3_exploitability_score_comparison",
        true,
        Score::Exploitability,
    ),
    condition("cvss_v3_impact_score", "cvss_v3_impact_score_comparison", true, Score::Impact),
];

const VENDOR_SCORES: [ScoreCondition; 3] = [
    condition(
        "vendor_cvss_v3_base_score",
        "vendor_cvss_v3_base_score_comparison",
        false,
        Score::Base,
    ),
    condition(
        "vendor_cvss_v3_exploitability_score",
        "vendor_cvss_v3_exploitability_score_comparison",
        false,
        Score::Exploitability,
    ),
    condition(
        "vendor_cvss_v3_impact_score",
        "vendor_cvss_v3_impact_score_comparison",
        false,
        Score::Impact,
    ),
];

/// The highest score of this kind, -1 when there is none.
fn highest(finding: &Finding, by_nvd: bool, kind: Score) -> f64 {
    finding
        .severities
        .iter()
        .filter(|severity| (severity.source == "nvd") == by_nvd)
        .filter_map(|severity| match severity.scheme {
            SeverityScheme::Cvss30 | SeverityScheme::Cvss31 => match kind {
                Score::Base => severity.score,
                Score::Exploitability => sub_scores(&severity.value).map(|scores| scores.0),
                Score::Impact => sub_scores(&severity.value).map(|scores| scores.1),
            },
            SeverityScheme::Word | SeverityScheme::Cvss2 | SeverityScheme::Cvss40 => None,
        })
        .fold(-1.0, f64::max)
}

/// The message part of the conditions that the rule sets, or `None` when one does not hold.
fn score_notes(
    params: &Params<'_>,
    finding: &Finding,
    conditions: &[ScoreCondition],
) -> Option<String> {
    let mut notes = String::new();
    for condition in conditions {
        let Some(limit) = params.float(condition.name) else { continue };
        let found = highest(finding, condition.by_nvd, condition.score);
        let comparison =
            params.comparison(condition.comparison_name).unwrap_or(Comparison::GreaterOrEqual);
        if !comparison.holds(found.total_cmp(&limit)) {
            return None;
        }
        notes.push_str(&format!("({}={found:?})", condition.name));
    }
    Some(notes)
}

/// What a `package` rule asks for, read once.
struct Wanted {
    os: bool,
    non_os: bool,
    comparison: Comparison,
    severity: SeverityRank,
    fix_available: Option<bool>,
    days_since_creation: Option<i64>,
    days_since_fix: Option<i64>,
    exclude: Option<Regex>,
}

impl Wanted {
    fn read(rule: &Rule<'_>) -> Result<Self, CannotEvaluate> {
        let params = &rule.params;
        let class = rule.need(params.word("package_type"), "package_type")?;
        let fix_available = params.flag("fix_available");
        Ok(Self {
            os: class != "non-os",
            non_os: class != "os",
            comparison: params.comparison("severity_comparison").unwrap_or(Comparison::Greater),
            severity: params.word("severity").and_then(SeverityRank::parse).unwrap_or_default(),
            fix_available,
            days_since_creation: params.integer("max_days_since_creation"),
            days_since_fix: params
                .integer("max_days_since_fix")
                .filter(|_| fix_available == Some(true)),
            exclude: params.regex("package_path_exclude").transpose().map_err(CannotEvaluate)?,
        })
    }

    /// Everything but scores and ages.
    fn fits(&self, finding: &Finding) -> bool {
        let os = finding.package_kind.is_os();
        let excluded =
            || !os && self.exclude.as_ref().is_some_and(|exclude| exclude.is_match(&finding.path));
        let fixed = !finding.fix.versions.is_empty();
        (if os { self.os } else { self.non_os })
            && self.comparison.holds(finding.severity.cmp(&self.severity))
            && self.fix_available.is_none_or(|wanted| wanted == fixed)
            && !excluded()
    }
}

/// Whether `since` is more than `days` days before the time of the evaluation.
fn older(rule: &Rule<'_>, since: Timestamp, days: i64) -> bool {
    const DAY_MS: i64 = 86_400_000;
    rule.now.0.saturating_sub(since.0) > days.saturating_mul(DAY_MS)
}

fn package(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    let wanted = Wanted::read(rule)?;
    let ages = wanted.days_since_creation.is_some() || wanted.days_since_fix.is_some();
    let first_seen = rule.facts.first_seen;
    if ages && first_seen.is_none() {
        return Err(CannotEvaluate::because(
            "it is not known since when the image has its vulnerabilities",
        ));
    }
    for finding in &matches(rule)?.findings {
        if !wanted.fits(finding) || left_out(rule, finding) {
            continue;
        }
        let key = (finding.vulnerability.clone(), finding.package.clone());
        let detected = first_seen.and_then(|seen| seen.get(&key).copied()).unwrap_or(rule.now);
        let mut created = String::new();
        if let Some(days) = wanted.days_since_creation {
            if !older(rule, detected, days) {
                continue;
            }
            let day: String = detected.to_string().chars().take(10).collect();
            created = format!("(max_days_since_creation={day})");
        }
        // Without a date from the feed the fix counts as known since the vulnerability is.
        let fix_since = finding.fix.available.unwrap_or(detected);
        if wanted.days_since_fix.is_some_and(|days| !older(rule, fix_since, days)) {
            continue;
        }
        let Some(nvd) = score_notes(&rule.params, finding, &NVD_SCORES) else { continue };
        let Some(vendor) = score_notes(&rule.params, finding, &VENDOR_SCORES) else { continue };
        sink.fire_as(trigger_id(finding), message(finding, &format!("{nvd}{created}{vendor}")));
    }
    Ok(())
}

fn message(finding: &Finding, notes: &str) -> String {
    let os = finding.package_kind.is_os();
    let fixed = match finding.fix.versions.as_slice() {
        [] => String::new(),
        versions => format!("(fixed in: {})", versions.join(", ")),
    };
    format!(
        "{} Vulnerability found in {} package type ({}) - {} {fixed}{notes}({} - {})",
        finding.severity.as_str().to_ascii_uppercase(),
        if os { "os" } else { "non-os" },
        package_type(finding.package_kind),
        if os { &finding.package_name } else { &finding.path },
        finding.vulnerability,
        finding.references.first().map_or("None", |link| link.url.as_str()),
    )
}

fn denylist(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    let findings = &matches(rule)?.findings;
    let names = |finding: &Finding, id: &str| {
        let others = finding.aliases.iter().chain(&finding.cves);
        std::iter::once(&finding.vulnerability).chain(others).any(|n| n.eq_ignore_ascii_case(id))
    };
    let mut detected: Vec<&str> = rule
        .params
        .list("vulnerability_ids")
        .into_iter()
        .filter(|id| findings.iter().any(|f| names(f, id) && !left_out(rule, f)))
        .collect();
    detected.sort_unstable();
    detected.dedup();
    if !detected.is_empty() {
        sink.fire(format!("Blacklisted vulnerabilities detected: ['{}']", detected.join("', '")));
    }
    Ok(())
}

fn kev_list(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    for finding in matches(rule)?.findings.iter().filter(|finding| finding.kev.is_some()) {
        sink.fire_as(
            trigger_id(finding),
            format!(
                "{} in package {} is in the catalogue of known exploited vulnerabilities",
                finding.vulnerability, finding.package_name
            ),
        );
    }
    Ok(())
}

/// The distribution's scopes among those that were checked. Scopes of distributions have a
/// version after a colon; those of language ecosystems have none.
fn distro_coverage<'a>(rule: &Rule<'a>) -> Result<Option<Vec<&'a Coverage>>, CannotEvaluate> {
    if !rule.facts.sbom.packages.iter().any(|package| package.kind.is_os()) {
        return Ok(None);
    }
    let coverage = &matches(rule)?.coverage;
    Ok(Some(coverage.iter().filter(|part| part.scope.contains(':')).collect()))
}

fn stale_feed_data(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    let days = rule.need(rule.params.integer("max_days_since_sync"), "max_days_since_sync")?;
    let Some(scopes) = distro_coverage(rule)? else { return Ok(()) };
    let fresh = |part: &&Coverage| part.fetched.is_some_and(|at| !older(rule, at, days));
    if scopes.is_empty() || !scopes.iter().all(fresh) {
        sink.fire(format!(
            "The vulnerability feed for this image distro is older than MAXAGE ({days}) days"
        ));
    }
    Ok(())
}

fn vulnerability_data_unavailable(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    let Some(scopes) = distro_coverage(rule)? else { return Ok(()) };
    let without: Vec<&str> = scopes
        .iter()
        .filter(|part| part.fetched.is_none())
        .map(|part| part.scope.as_str())
        .collect();
    let distro = rule.facts.sbom.distro.as_ref();
    let namespaces = if scopes.is_empty() {
        vec![distro.map_or_else(|| "unknown".to_owned(), |distro| distro.label())]
    } else {
        without.into_iter().map(str::to_owned).collect()
    };
    for namespace in namespaces {
        sink.fire(format!(
            "Distro-specific feed data not found for distro namespace: {namespace}. Cannot perform \
             CVE scan OS/distro packages"
        ));
    }
    Ok(())
}
