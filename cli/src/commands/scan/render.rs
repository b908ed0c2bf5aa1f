//! The scan result for people, spreadsheets and other programs.

use super::document::{ScanDocument, fix_word, weight_word};
use super::target::Content;
use crate::exit::Failure;
use crate::output::table::{Cell, Table, Tone, plain};
use crate::output::{Out, Spec, named, pretty};
use kedge_analyzer::sbom as documents;
use kedge_artifact::advisory::SeverityRank;
use kedge_artifact::finding::{Finding, Matches};
use kedge_artifact::problem::ProblemSeverity;
use kedge_policy::{Action, Evaluation};
use std::str::FromStr;

/// Format of a scan result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScanFormat {
    Table,
    Wide,
    Json,
    JsonLines,
    Csv,
    Markdown,
    CycloneDx,
    Spdx,
    NativeSbom,
}

impl FromStr for ScanFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(
            text,
            &[
                ("table", Self::Table),
                ("wide", Self::Wide),
                ("json", Self::Json),
                ("kedge-json", Self::Json),
                ("jsonl", Self::JsonLines),
                ("csv", Self::Csv),
                ("markdown", Self::Markdown),
                ("cyclonedx-json", Self::CycloneDx),
                ("spdx-json", Self::Spdx),
                ("kedge-sbom", Self::NativeSbom),
            ],
        )
    }
}

/// Everything a scan found out.
pub(crate) struct Outcome<'a> {
    pub(crate) content: &'a Content,
    pub(crate) matches: &'a Matches,
    pub(crate) policy: Option<&'a Evaluation>,
    pub(crate) show_suppressed: bool,
}

impl Outcome<'_> {
    /// Writes the result in one format.
    pub(crate) fn write(&self, out: Out, spec: &Spec<ScanFormat>) -> Result<(), Failure> {
        let sbom = |format| documents::write(&self.content.sbom, format, &self.content.info);
        let bytes = match spec.format {
            ScanFormat::Table => self.text(out, spec, false).into_bytes(),
            ScanFormat::Wide => self.text(out, spec, true).into_bytes(),
            ScanFormat::Json => pretty(&self.document())?,
            ScanFormat::JsonLines => self.lines()?,
            ScanFormat::Csv => self.table(true).csv(true).into_bytes(),
            ScanFormat::Markdown => self.markdown().into_bytes(),
            ScanFormat::CycloneDx => sbom(documents::Format::CycloneDx),
            ScanFormat::Spdx => sbom(documents::Format::Spdx),
            ScanFormat::NativeSbom => sbom(documents::Format::Native),
        };
        out.write(spec, &bytes)
    }

    fn document(&self) -> ScanDocument {
        ScanDocument::new(self.content, self.matches, self.policy.cloned())
    }

    fn lines(&self) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        for finding in self.document().findings {
            serde_json::to_writer(&mut bytes, &finding).map_err(Failure::error)?;
            bytes.push(b'\n');
        }
        Ok(bytes)
    }

    /// One row a finding; suppressed ones follow when they are asked for.
    fn table(&self, wide: bool) -> Table {
        let mut titles = vec![
            "NAME",
            "INSTALLED",
            "FIXED IN",
            "TYPE",
            "VULNERABILITY",
            "SEVERITY",
            "EPSS",
            "RISK",
        ];
        if wide {
            titles.extend(["CVES", "SCOPE", "MATCHED", "PATH", "PURL"]);
        }
        if self.show_suppressed {
            titles.push("SUPPRESSED");
        }
        let mut table = Table::new(&titles);
        for finding in &self.matches.findings {
            let mut cells = row(finding, wide);
            if self.show_suppressed {
                cells.push("".into());
            }
            table.row(cells);
        }
        for taken_back in self.matches.suppressed.iter().filter(|_| self.show_suppressed) {
            let mut cells = row(&taken_back.finding, wide);
            cells.push(Cell::toned(taken_back.rule.clone(), Tone::Dim));
            table.row(cells);
        }
        table
    }

    fn text(&self, out: Out, spec: &Spec<ScanFormat>, wide: bool) -> String {
        let table = self.table(wide);
        let mut text = String::new();
        if !table.rows.is_empty() {
            text.push_str(&table.text(out.style(wide, true, spec.file.is_some())));
        }
        text.push_str(&self.summary());
        if let Some(policy) = self.policy {
            let style = out.style(wide, true, spec.file.is_some());
            text.push_str(&policy_text(policy, style));
        }
        text
    }

    fn markdown(&self) -> String {
        let title = plain(&self.content.name).replace('`', "'");
        let mut text = format!("## Scan of `{title}`\n\n");
        if !self.matches.findings.is_empty() {
            text.push_str(&self.table(false).markdown());
            text.push('\n');
        }
        for line in self.summary().lines() {
            text.push_str(&format!("{line}\n\n"));
        }
        text
    }

    /// The closing lines: how many of which severity, and what was not checked. "None found" is
    /// said only of what was checked.
    fn summary(&self) -> String {
        let findings = &self.matches.findings;
        let mut text = String::new();
        let unchecked = unchecked(self.matches, self.content);
        if self.content.sbom.packages.is_empty() {
            text.push_str("no packages were found, so there was nothing to check\n");
        } else if findings.is_empty() {
            let qualifier = if unchecked.is_empty() { "" } else { " in what could be checked" };
            text.push_str(&format!("no vulnerabilities found{qualifier}\n"));
        } else {
            let ranks = SeverityRank::ALL.iter().rev().filter_map(|rank| {
                let count = findings.iter().filter(|finding| finding.severity == *rank).count();
                (count > 0).then(|| format!("{count} {rank}"))
            });
            let ranks: Vec<String> = ranks.collect();
            let fixable = findings.iter().filter(|f| !f.fix.versions.is_empty()).count();
            let kev = findings.iter().filter(|finding| finding.kev.is_some()).count();
            text.push_str(&format!("{} · {fixable} with a fix", ranks.join(", ")));
            if kev > 0 {
                text.push_str(&format!(" · {kev} known to be exploited"));
            }
            text.push('\n');
        }
        let suppressed = self.matches.suppressed.len();
        if suppressed > 0 && !self.show_suppressed {
            text.push_str(&format!("{suppressed} suppressed (--show-suppressed lists them)\n"));
        }
        for line in unchecked {
            text.push_str(&format!("NOT CHECKED: {}\n", plain(&line)));
        }
        text
    }
}

/// What the result must not be relied on for.
pub(crate) fn unchecked(matches: &Matches, content: &Content) -> Vec<String> {
    let problems = matches.problems.iter().chain(&content.sbom.problems).chain(&content.notes);
    let grave = problems.filter(|problem| problem.severity == ProblemSeverity::Error);
    grave.map(|problem| format!("{} ({})", problem.message, problem.code)).collect()
}

/// Problems that leave the result usable.
pub(crate) fn remarks(matches: &Matches, content: &Content) -> Vec<String> {
    let problems = matches.problems.iter().chain(&content.sbom.problems).chain(&content.notes);
    let light = problems.filter(|problem| problem.severity == ProblemSeverity::Degraded);
    light
        .map(|problem| {
            let weight = weight_word(problem.severity);
            format!("{weight}: {}: {} ({})", problem.place, problem.message, problem.code)
        })
        .collect()
}

fn row(finding: &Finding, wide: bool) -> Vec<Cell> {
    let fixed = if finding.fix.versions.is_empty() {
        Cell::toned(fix_word(finding.fix.state).replace('_', " "), Tone::Dim)
    } else {
        finding.fix.versions.join(", ").into()
    };
    let risk = match &finding.kev {
        Some(kev) if kev.ransomware => Cell::toned("KEV ransomware", Tone::Bad),
        Some(_) => Cell::toned("KEV", Tone::Bad),
        None => "".into(),
    };
    let epss = finding.epss.map_or_else(String::new, |epss| format!("{:.1}%", epss.score * 100.0));
    let mut cells = vec![
        finding.package_name.as_str().into(),
        finding.package_version.as_str().into(),
        fixed,
        finding.package_kind.as_str().into(),
        finding.vulnerability.as_str().into(),
        Cell::severity(finding.severity),
        epss.into(),
        risk,
    ];
    if wide {
        let why = &finding.why;
        cells.extend([
            finding.cves.join(" ").into(),
            finding.scope.label().into(),
            format!("{} {} {}", why.searched_name, why.scheme, why.range).into(),
            finding.path.as_str().into(),
            finding.purl.as_str().into(),
        ]);
    }
    cells
}

/// The colour of an action.
pub(crate) fn action_cell(word: &str) -> Cell {
    let tone = match word {
        "stop" | "fail" => Tone::Bad,
        "warn" => Tone::Warn,
        _ => Tone::Good,
    };
    Cell::toned(word, tone)
}

fn policy_text(policy: &Evaluation, style: crate::output::table::Style) -> String {
    let mut table = Table::new(&["ACTION", "GATE", "TRIGGER", "CHECK", "ALLOWLIST"]);
    for finding in &policy.findings {
        let allowed = finding.allowlist_match.as_ref().map_or("", |entry| entry.name.as_str());
        table.row(vec![
            action_cell(finding.action.as_str()),
            finding.gate.as_str().into(),
            finding.trigger.as_str().into(),
            finding.message.as_str().into(),
            allowed.into(),
        ]);
    }
    let mut text = String::from("\n");
    if !table.rows.is_empty() {
        text.push_str(&table.text(style));
    }
    let verdict = if policy.passed { "pass" } else { "fail" };
    text.push_str(&format!("policy: {verdict} ({})\n", Action::as_str(policy.final_action)));
    for problem in &policy.problems {
        text.push_str(&format!(
            "policy problem: {}: {}\n",
            problem.problem_type,
            plain(&problem.details)
        ));
    }
    text
}
