//! Debian's security tracker (`tracker/data/json`): source package to CVE to releases.
//!
//! Format: <https://security-tracker.debian.org>, seen in its JSON export. Every row is about a
//! source package of one release. `TEMP-` ids are kept: they are issues without a CVE.

use crate::json::{self, null_default};
use crate::parse::{Output, ParseError, ReadSeek};
use crate::{limits, severity, text};
use kedge_artifact::advisory::{
    Advisory, Affected, Fix, FixState, Level, Link, Qualifiers, Range, RangeKind, Scope, Severity,
    Verdict, Vulnerability, VulnerabilityStatus,
};
use kedge_artifact::problem::Problem;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// Releases by codename (<https://wiki.debian.org/DebianReleases>).
const RELEASES: [(&str, &str); 14] = [
    ("woody", "3.0"),
    ("sarge", "3.1"),
    ("etch", "4"),
    ("lenny", "5"),
    ("squeeze", "6"),
    ("wheezy", "7"),
    ("jessie", "8"),
    ("stretch", "9"),
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("sid", "sid"),
];

#[derive(Deserialize)]
struct Issue {
    #[serde(default, deserialize_with = "null_default")]
    description: String,
    #[serde(default, deserialize_with = "null_default")]
    releases: BTreeMap<String, State>,
}

#[derive(Deserialize)]
struct State {
    status: String,
    #[serde(default, deserialize_with = "null_default")]
    fixed_version: String,
    #[serde(default, deserialize_with = "null_default")]
    urgency: String,
    nodsa: Option<String>,
    nodsa_reason: Option<String>,
}

/// Reads the tracker's export, one package at a time.
pub(crate) fn parse(
    driver: &str,
    input: &mut dyn ReadSeek,
    out: &mut Output<'_>,
) -> Result<(), ParseError> {
    let mut unknown: BTreeSet<String> = BTreeSet::new();
    json::each_entry(input, limits::STREAM_DOCUMENT_BYTES, &mut |package, raw| {
        if !text::is_word(package, limits::NAME_CHARS) {
            out.skip("debian_package_unusable", "", "a package name is empty or too long");
            return;
        }
        let issues: BTreeMap<String, Box<RawValue>> = match json::part(raw) {
            Ok(issues) => issues,
            Err(error) => return out.skip("debian_package_unusable", package, error),
        };
        for (id, raw) in issues {
            let place = format!("{package} {id}");
            match issue(driver, package, &id, &raw, &mut unknown) {
                Ok(Some(advisory)) => out.advisory(advisory),
                Ok(None) => {}
                Err(message) => out.skip("debian_issue_unusable", &place, message),
            }
        }
    })?;
    for codename in unknown {
        let message = "rows of an unknown release are left out";
        out.problems.push(Problem::degraded("debian_release_unknown", codename, message));
    }
    Ok(())
}

fn issue(
    driver: &str,
    package: &str,
    id: &str,
    raw: &RawValue,
    unknown: &mut BTreeSet<String>,
) -> Result<Option<Advisory>, String> {
    let issue: Issue = json::part(raw).map_err(|error| error.to_string())?;
    if !text::is_id(id) {
        return Err("its id is not one".into());
    }
    let mut affected = Vec::new();
    let mut rating: Option<Severity> = None;
    for (codename, state) in &issue.releases {
        let Some((_, release)) = RELEASES.iter().find(|(name, _)| name == codename) else {
            if unknown.len() < limits::PROBLEMS {
                unknown.insert(text::line(codename, 40));
            }
            continue;
        };
        affected.extend(row(package, release, state)?);
        let said = severity::word(&state.urgency, "debian");
        if said.as_ref().map(|s| s.rank) > rating.as_ref().map(|s| s.rank) {
            rating = said;
        }
    }
    if affected.is_empty() {
        return Ok(None);
    }
    let url = format!("https://security-tracker.debian.org/tracker/{id}");
    let vulnerability = Vulnerability {
        id: id.to_owned(),
        driver: driver.into(),
        aliases: Vec::new(),
        upstream: Vec::new(),
        status: VulnerabilityStatus::Active,
        published: None,
        modified: None,
        withdrawn: None,
        summary: String::new(),
        details: text::cut(&issue.description, limits::DETAILS_CHARS),
        cwes: Vec::new(),
        references: vec![Link { url, kind: "ADVISORY".into() }],
        severities: rating.into_iter().collect(),
    };
    Ok(Some(Advisory { vulnerability, affected }))
}

/// The row of one release; `None` when the tracker has not decided.
fn row(package: &str, release: &str, state: &State) -> Result<Option<Affected>, String> {
    let fixed = state.fixed_version.as_str();
    if fixed.len() > limits::VERSION_CHARS || fixed.chars().any(char::is_control) {
        return Err("its fixed version is too long or not printable".into());
    }
    let (verdict, fixed, fix) = match (state.status.as_str(), fixed) {
        // The tracker's way to say that this release never had the flaw.
        ("resolved" | "open", "0") => (Verdict::Unaffected, None, Fix::default()),
        ("resolved", "") => return Err("resolved without a version".into()),
        ("resolved", version) => {
            let versions = vec![version.to_owned()];
            let fix = Fix { state: FixState::Fixed, versions, ..Fix::default() };
            (Verdict::Affected, Some(version.to_owned()), fix)
        }
        ("open", _) => {
            let fix = Fix { state: unfixed(state), ..Fix::default() };
            (Verdict::Affected, None, fix)
        }
        ("undetermined", _) => return Ok(None),
        (other, _) => return Err(format!("unknown status '{}'", text::line(other, 40))),
    };
    let ranges = match verdict {
        Verdict::Affected => {
            vec![Range { kind: RangeKind::Ecosystem, introduced: None, fixed, last_affected: None }]
        }
        Verdict::Unaffected | Verdict::UnderInvestigation => Vec::new(),
    };
    Ok(Some(Affected {
        scope: Scope::Distro {
            id: "debian".into(),
            version: release.into(),
            channel: String::new(),
        },
        package: package.to_owned(),
        level: Level::Source,
        verdict,
        ranges,
        versions: Vec::new(),
        qualifiers: Qualifiers::default(),
        fix,
    }))
}

/// Why an open issue has no fix: `ignored` and end of life are final, the other `no-dsa` reasons
/// put it off to a point release.
fn unfixed(state: &State) -> FixState {
    let nodsa = state.nodsa.is_some() || state.nodsa_reason.is_some();
    match (state.nodsa_reason.as_deref(), state.urgency.as_str()) {
        (Some("ignored"), _) | (_, "end-of-life") => FixState::WontFix,
        _ if nodsa => FixState::Deferred,
        _ => FixState::NotFixed,
    }
}
