//! OSV records (schema 1.7, <https://ossf.github.io/osv-schema/>): osv.dev, vuln.go.dev,
//! AlmaLinux and Rocky Linux.
//!
//! Git ranges say nothing about package versions and are left out.

use crate::archive;
use crate::ecosystem::{self, Place};
use crate::json::null_default;
use crate::parse::{Output, ParseError, ReadSeek};
use crate::ranges::{self, Event};
use crate::{limits, module, names, severity, text};
use kedge_artifact::advisory::{
    Advisory, Affected, Fix, FixState, GoImport, Link, Qualifiers, Range, RangeKind, Scope,
    Severity, Verdict, Vulnerability, VulnerabilityStatus,
};
use kedge_artifact::problem::Problem;
use kedge_artifact::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Prefixes of errata: one erratum fixes several CVEs, so those are not aliases of each other.
const ERRATA: [&str; 10] =
    ["ALSA-", "ALBA-", "ALEA-", "RLSA-", "RXSA-", "RHSA-", "RLBA-", "USN-", "DSA-", "DLA-"];

#[derive(Deserialize)]
struct Record {
    id: String,
    #[serde(default, deserialize_with = "null_default")]
    published: String,
    #[serde(default, deserialize_with = "null_default")]
    modified: String,
    #[serde(default, deserialize_with = "null_default")]
    withdrawn: String,
    #[serde(default, deserialize_with = "null_default")]
    aliases: Vec<String>,
    #[serde(default, deserialize_with = "null_default")]
    upstream: Vec<String>,
    #[serde(default, deserialize_with = "null_default")]
    related: Vec<String>,
    #[serde(default, deserialize_with = "null_default")]
    summary: String,
    #[serde(default, deserialize_with = "null_default")]
    details: String,
    #[serde(default, deserialize_with = "null_default")]
    severity: Vec<Score>,
    #[serde(default, deserialize_with = "null_default")]
    affected: Vec<Entry>,
    #[serde(default, deserialize_with = "null_default")]
    references: Vec<Reference>,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Deserialize)]
struct Score {
    #[serde(default, deserialize_with = "null_default")]
    score: String,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default, rename = "type", deserialize_with = "null_default")]
    kind: String,
    #[serde(default, deserialize_with = "null_default")]
    url: String,
}

#[derive(Deserialize)]
struct Entry {
    package: Option<Name>,
    #[serde(default, deserialize_with = "null_default")]
    severity: Vec<Score>,
    #[serde(default, deserialize_with = "null_default")]
    ranges: Vec<EventRange>,
    #[serde(default, deserialize_with = "null_default")]
    versions: Vec<String>,
    #[serde(default)]
    ecosystem_specific: Value,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Deserialize)]
struct Name {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct EventRange {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "null_default")]
    events: Vec<RawEvent>,
}

#[derive(Deserialize)]
struct RawEvent {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
}

/// Reads an archive of OSV records.
pub(crate) fn parse(
    driver: &str,
    input: &mut dyn ReadSeek,
    out: &mut Output<'_>,
) -> Result<(), ParseError> {
    let mut unsupported: BTreeMap<String, usize> = BTreeMap::new();
    archive::each_record(input, out, &mut |name, bytes, out| match record(
        driver,
        name,
        bytes,
        out,
        &mut unsupported,
    ) {
        Ok(advisory) => out.advisory(advisory),
        Err(message) => out.skip("osv_record_unusable", name, message),
    })?;
    for (ecosystem, rows) in unsupported {
        let message = format!("{rows} rows of ecosystem '{ecosystem}' are left out: not supported");
        out.problems.push(Problem::info("osv_ecosystem_unsupported", ecosystem, message));
    }
    Ok(())
}

fn record(
    driver: &str,
    file: &str,
    bytes: &[u8],
    out: &mut Output<'_>,
    unsupported: &mut BTreeMap<String, usize>,
) -> Result<Advisory, String> {
    let record: Record = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if !text::is_id(&record.id) {
        return Err("its id is not one".into());
    }
    let withdrawn = withdrawn(&record)?;
    let source = &publisher(driver, &record.id);
    let mut severities = severities(&record, source);
    let modules = module::of_summary(&record.summary);
    let mut affected = Vec::new();
    for entry in &record.affected {
        let Some(package) = &entry.package else { continue };
        let Some(place) = ecosystem::place(&package.ecosystem) else {
            let known = unsupported.len() < limits::PROBLEMS;
            if known || unsupported.contains_key(&package.ecosystem) {
                *unsupported.entry(text::line(&package.ecosystem, 80)).or_default() += 1;
            }
            continue;
        };
        entry_severities(entry, source, &mut severities);
        let built = rows(entry, &package.name, &place, &modules)?;
        if built.unsure {
            let message = format!("events of {} cannot be put in order", package.name);
            out.problems.push(Problem::degraded("osv_events_unordered", file, message));
        }
        affected.extend(built.rows);
        if affected.len() > limits::ROWS {
            return Err(format!("over the limit ROWS of {}", limits::ROWS));
        }
    }
    severities.truncate(limits::SEVERITIES);
    let vulnerability = vulnerability(driver, &record, withdrawn, severities);
    Ok(Advisory { vulnerability, affected })
}

/// Who speaks: osv.dev collects databases that are known by the prefix of their ids (`GHSA-`,
/// `PYSEC-`, `RUSTSEC-`); the other drivers speak for themselves.
fn publisher(driver: &str, id: &str) -> String {
    match id.split_once('-') {
        Some((prefix, _)) if driver == "osv" => prefix.to_ascii_lowercase(),
        Some(_) | None => driver.to_owned(),
    }
}

/// When the record was taken back. A time that cannot be read still means that it was.
fn withdrawn(record: &Record) -> Result<Option<Timestamp>, String> {
    if record.withdrawn.is_empty() {
        return Ok(None);
    }
    record.withdrawn.parse().map(Some).map_err(|error| format!("withdrawn: {error}"))
}

fn vulnerability(
    driver: &str,
    record: &Record,
    withdrawn: Option<Timestamp>,
    severities: Vec<Severity>,
) -> Vulnerability {
    let erratum = ERRATA.iter().any(|prefix| record.id.starts_with(prefix));
    let mut aliases = ids(&record.aliases);
    let mut upstream = ids(&record.upstream);
    if erratum {
        let (cves, others) = aliases.into_iter().partition(|id| text::is_cve(id));
        aliases = others;
        let related = ids(&record.related).into_iter().filter(|id| text::is_cve(id));
        let more: Vec<String> = Vec::into_iter(cves).chain(related).collect();
        for id in more {
            if !upstream.contains(&id) {
                upstream.push(id);
            }
        }
    }
    aliases.retain(|id| *id != record.id);
    Vulnerability {
        id: record.id.clone(),
        driver: driver.into(),
        aliases,
        upstream,
        status: VulnerabilityStatus::Active,
        published: record.published.parse().ok(),
        modified: record.modified.parse().ok(),
        withdrawn,
        summary: text::line(&record.summary, limits::SUMMARY_CHARS),
        details: text::cut(&record.details, limits::DETAILS_CHARS),
        cwes: strings(&record.database_specific["cwe_ids"], limits::CWES),
        references: links(&record.references),
        severities,
    }
}

/// The ids that are ids, once each, in their order.
fn ids(given: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for id in given.iter().map(|id| id.trim()).take(limits::IDS) {
        if text::is_id(id) && !out.iter().any(|known| known == id) {
            out.push(id.to_owned());
        }
    }
    out
}

fn links(given: &[Reference]) -> Vec<Link> {
    let usable = |reference: &&Reference| {
        let url = &reference.url;
        (url.starts_with("https://") || url.starts_with("http://"))
            && text::is_word(url, limits::URL_CHARS)
    };
    given
        .iter()
        .filter(usable)
        .take(limits::LINKS)
        .map(|r| Link { url: r.url.clone(), kind: text::line(&r.kind, 20) })
        .collect()
}

fn strings(value: &Value, count: usize) -> Vec<String> {
    let Some(list) = value.as_array() else { return Vec::new() };
    let words = list.iter().filter_map(Value::as_str);
    words
        .filter(|word| text::is_word(word, limits::NAME_CHARS))
        .take(count)
        .map(Into::into)
        .collect()
}

/// The record's own statements: vectors, GitHub's word, and the first word of an erratum's summary.
fn severities(record: &Record, source: &str) -> Vec<Severity> {
    let mut found: Vec<Severity> = Vec::new();
    let word = record.database_specific["severity"].as_str().unwrap_or_default();
    found.extend(severity::word(word, source));
    if ERRATA.iter().any(|prefix| record.id.starts_with(prefix))
        && let Some((word, _)) = record.summary.split_once(':')
        && !word.contains(' ')
    {
        found.extend(severity::word(word, source));
    }
    for score in record.severity.iter().take(limits::SEVERITIES) {
        // Ubuntu gives a word in place of a vector.
        found.extend(
            severity::vector(&score.score, source).or_else(|| severity::word(&score.score, source)),
        );
    }
    found
}

/// Statements that stand at one package: OSV's own field, and RustSec's.
fn entry_severities(entry: &Entry, source: &str, found: &mut Vec<Severity>) {
    let scores = entry.severity.iter().map(|score| score.score.as_str());
    let rustsec = entry.database_specific["cvss"].as_str();
    let mut add = |statement: Option<Severity>| {
        let Some(statement) = statement else { return };
        if found.len() < limits::SEVERITIES && !found.contains(&statement) {
            found.push(statement);
        }
    };
    for vector in scores.chain(rustsec) {
        add(severity::vector(vector, source));
    }
    // RustSec also tells of crates that nobody maintains: worth showing, not worth an alarm.
    if matches!(entry.database_specific["informational"].as_str(), Some("unmaintained" | "notice"))
    {
        add(severity::word("informational", source));
    }
}

struct Rows {
    rows: Vec<Affected>,
    unsure: bool,
}

fn rows(entry: &Entry, name: &str, place: &Place, modules: &[String]) -> Result<Rows, String> {
    if !text::is_word(name, limits::NAME_CHARS) {
        return Err("a package name is empty, too long or not printable".into());
    }
    let mut ranges: Vec<Range> = Vec::new();
    let mut unsure = false;
    for given in &entry.ranges {
        let kind = match given.kind.as_str() {
            "SEMVER" => RangeKind::Semver,
            "ECOSYSTEM" => RangeKind::Ecosystem,
            _ => continue,
        };
        let events = events(&given.events)?;
        let scheme = ranges::scheme(&place.scope, kind);
        let (more, doubtful) = ranges::of_events(scheme, kind, &events);
        ranges.extend(more);
        unsure |= doubtful;
    }
    let too_many = ranges.len() > limits::RANGES || entry.versions.len() > limits::VERSIONS;
    if too_many || !entry.versions.iter().all(|v| text::is_word(v, limits::VERSION_CHARS)) {
        return Err(format!("ranges or versions of {name} are over a limit or not printable"));
    }
    if ranges.is_empty() && entry.versions.is_empty() {
        return Ok(Rows { rows: Vec::new(), unsure });
    }
    let fix = fix(&ranges);
    let modules = match (&place.scope, fix.versions.first()) {
        (Scope::Distro { id, .. }, Some(version)) if id == "almalinux" || id == "rocky" => {
            module::qualifiers(modules, version)
        }
        (Scope::Distro { .. } | Scope::Ecosystem { .. }, _) => vec![None],
    };
    let row = |module: Option<String>| Affected {
        scope: place.scope.clone(),
        package: names::normalize_package(&place.scope, name),
        level: place.level,
        verdict: Verdict::Affected,
        ranges: ranges.clone(),
        versions: entry.versions.clone(),
        qualifiers: Qualifiers {
            architectures: Vec::new(),
            module,
            imports: imports(&entry.ecosystem_specific),
        },
        fix: fix.clone(),
    };
    Ok(Rows { rows: modules.into_iter().map(row).collect(), unsure })
}

fn events(given: &[RawEvent]) -> Result<Vec<Event<'_>>, String> {
    if given.len() > limits::RANGES {
        return Err(format!("over the limit RANGES of {}", limits::RANGES));
    }
    let mut events = Vec::with_capacity(given.len());
    for event in given {
        let parts = [
            event.introduced.as_deref().map(Event::Introduced),
            event.fixed.as_deref().map(Event::Fixed),
            event.last_affected.as_deref().map(Event::LastAffected),
        ];
        events.extend(parts.into_iter().flatten());
    }
    if events.iter().any(|event| !text::is_word(event.version(), limits::VERSION_CHARS)) {
        return Err("a version is empty, too long or not printable".into());
    }
    Ok(events)
}

/// What can be said about a fix: the versions that end ranges; none where a range stays open.
fn fix(ranges: &[Range]) -> Fix {
    let mut versions: Vec<String> = Vec::new();
    for fixed in ranges.iter().filter_map(|range| range.fixed.as_ref()) {
        if !versions.contains(fixed) {
            versions.push(fixed.clone());
        }
    }
    let open = ranges.iter().any(|range| range.fixed.is_none() && range.last_affected.is_none());
    let state = match (versions.is_empty(), open) {
        (false, _) => FixState::Fixed,
        (true, true) => FixState::NotFixed,
        (true, false) => FixState::Unknown,
    };
    Fix { state, versions, ..Fix::default() }
}

/// Go's packages and symbols (vuln.go.dev, "ecosystem_specific.imports").
fn imports(specific: &Value) -> Vec<GoImport> {
    let Some(list) = specific["imports"].as_array() else { return Vec::new() };
    let import = |value: &Value| {
        let path = value["path"].as_str().filter(|path| text::is_word(path, limits::NAME_CHARS))?;
        let symbols = strings(&value["symbols"], limits::IMPORTS);
        Some(GoImport { path: path.into(), symbols })
    };
    // A list that is cut would hide packages, so an oversized one counts as "the whole module".
    if list.len() > limits::IMPORTS {
        return Vec::new();
    }
    list.iter().filter_map(import).collect()
}
