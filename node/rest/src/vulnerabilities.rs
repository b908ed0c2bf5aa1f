//! Vulnerabilities in the contract's shape: complete items, missing text as `None`.

use crate::Answer;
use crate::Server;
use crate::content::unknown;
use crate::error::Failure;
use crate::extract::{Asked, Params, Who};
use crate::large::large;
use crate::table::Table;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use kedge_api::vulnerabilities::{
    BaseImageProblem, CvssKind, CvssScores, ImagePackageVulnerability,
    ImagePackageVulnerabilityResponse, NvdDataObject, PackageEpss, VULNERABILITY_TYPES,
    VendorDataObject, VulnerabilitiesQuery,
};
use kedge_api::{NONE_TEXT, text_or_none};
use kedge_app::content::type_word;
use kedge_app::vulnerabilities::{
    Chosen, Class, Scores, Selection, cvss2_scores, cvss3_scores, is_nvd,
};
use kedge_artifact::advisory::{FixState, Severity};
use kedge_artifact::finding::Finding;

/// The feed's name in the contract; clients group by it.
const FEED: &str = "vulnerabilities";

pub(crate) fn serve(table: Table) -> Table {
    table
        .on("get_image_vulnerability_types", get_image_vulnerability_types)
        .on("get_image_vulnerabilities_by_digest", get_image_vulnerabilities_by_digest)
}

async fn get_image_vulnerability_types(
    State(server): State<Server>,
    Who(who): Who,
    Params(digest): Params<String>,
) -> Answer<Vec<&'static str>> {
    server.app.get_image(&who, &digest).await?;
    Ok(Json(VULNERABILITY_TYPES.to_vec()))
}

fn scores(scores: Option<Scores>) -> CvssScores {
    scores.map_or_else(CvssScores::default, |scores| CvssScores {
        base_score: scores.base,
        exploitability_score: scores.exploitability,
        impact_score: scores.impact,
    })
}

fn epss(finding: &Finding) -> Option<PackageEpss> {
    let epss = finding.epss.as_ref()?;
    Some(PackageEpss { epss: epss.score, percentile: epss.percentile })
}

fn nvd(finding: &Finding) -> Vec<NvdDataObject> {
    let mine: Vec<&Severity> = finding.severities.iter().filter(|s| is_nvd(s)).collect();
    if mine.is_empty() {
        return Vec::new();
    }
    let id = finding.cves.first().unwrap_or(&finding.vulnerability).clone();
    vec![NvdDataObject {
        id,
        description: None,
        kind: Some(CvssKind::Primary),
        source: Some("nvd".to_owned()),
        cvss_v2: scores(mine.iter().find_map(|severity| cvss2_scores(severity))),
        cvss_v3: scores(mine.iter().find_map(|severity| cvss3_scores(severity))),
        is_kev: Some(finding.kev.is_some()),
        epss: epss(finding),
    }]
}

/// One entry for each source that gives scores.
fn vendor(finding: &Finding) -> Vec<VendorDataObject> {
    let mut entries: Vec<VendorDataObject> = Vec::new();
    for severity in finding.severities.iter().filter(|severity| !is_nvd(severity)) {
        let (second, third) = (cvss2_scores(severity), cvss3_scores(severity));
        if second.is_none() && third.is_none() {
            continue;
        }
        let source = Some(severity.source.clone());
        let known = entries.iter().position(|entry| entry.source == source);
        let index = known.unwrap_or_else(|| {
            entries.push(VendorDataObject {
                id: finding.vulnerability.clone(),
                kind: Some(CvssKind::Secondary),
                source,
                cvss_v2: CvssScores::default(),
                cvss_v3: CvssScores::default(),
            });
            entries.len() - 1
        });
        let entry = &mut entries[index];
        if second.is_some() {
            entry.cvss_v2 = scores(second);
        }
        if third.is_some() {
            entry.cvss_v3 = scores(third);
        }
    }
    entries
}

fn vulnerability(finding: &Finding, chosen: Chosen, described: bool) -> ImagePackageVulnerability {
    let description = || {
        let text = if finding.details.is_empty() { &finding.summary } else { &finding.details };
        text_or_none(text)
    };
    ImagePackageVulnerability {
        vuln: finding.vulnerability.clone(),
        description: described.then(description),
        fix: text_or_none(&finding.fix.versions.join(", ")),
        severity: finding.severity.title().to_owned(),
        package: format!("{}-{}", finding.package_name, finding.package_version),
        url: text_or_none(finding.references.first().map_or("", |link| &link.url)),
        feed: FEED.to_owned(),
        feed_group: finding.scope.label(),
        package_name: finding.package_name.clone(),
        package_version: finding.package_version.clone(),
        package_type: type_word(finding.package_kind).to_owned(),
        package_cpe: NONE_TEXT.to_owned(),
        package_path: text_or_none(&finding.path),
        purl: finding.purl.clone(),
        will_not_fix: finding.fix.state == FixState::WontFix,
        nvd_data: nvd(finding),
        vendor_data: vendor(finding),
        detected_at: chosen.detected_at.to_string(),
        fix_observed_at: finding.fix.available.map(|at| at.to_string()),
        suggested_fix_version: finding.fix.versions.first().cloned(),
        is_kev: finding.kev.is_some(),
        epss: epss(finding).into_iter().collect(),
        inherited_from_base: chosen.inherited,
    }
}

async fn get_image_vulnerabilities_by_digest(
    State(server): State<Server>,
    Who(who): Who,
    Params((digest, vuln_type)): Params<(String, String)>,
    Asked(query): Asked<VulnerabilitiesQuery>,
) -> Result<Response, Failure> {
    let class = Class::parse(&vuln_type)
        .ok_or_else(|| unknown("vulnerability type", VULNERABILITY_TYPES))?;
    let base = query.base_digest;
    let vendor_only = query.vendor_only.unwrap_or(true);
    let selection = Selection { class, vendor_only, base: base.clone() };
    let report = server.app.vulnerabilities(&who, &digest, &selection).await?;
    let described = query.include_vuln_description.unwrap_or(false);
    let problem = |details: String| {
        vec![BaseImageProblem { problem_type: "base_image_not_usable".to_owned(), details }]
    };
    let response = move || {
        let findings = &report.matches.findings;
        let item = |chosen: &Chosen| vulnerability(&findings[chosen.index], *chosen, described);
        Ok(ImagePackageVulnerabilityResponse {
            image_digest: report.image.digest.to_string(),
            base_digest: base,
            vulnerability_type: vuln_type,
            extended_support: None,
            vulnerabilities: report.chosen.iter().map(item).collect(),
            base_image_problems: report.base_problem.map(problem),
        })
    };
    large(response).await
}
