//! Vulnerabilities of an image: what the matcher found, chosen as the contract chooses.

use crate::App;
use crate::error::AppError;
use crate::identity::Identity;
use kedge_artifact::advisory::{FixState, Severity, SeverityScheme};
use kedge_artifact::finding::{Finding, Matches};
use kedge_artifact::time::Timestamp;
use kedge_model::image::Image;
use std::collections::HashSet;
use std::sync::Arc;

/// Which packages a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Of the distribution.
    Os,
    /// Everything else.
    NonOs,
    /// All.
    All,
}

impl Class {
    /// The contract's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "os" => Some(Self::Os),
            "non-os" => Some(Self::NonOs),
            "all" => Some(Self::All),
            _ => None,
        }
    }

    fn contains(self, finding: &Finding) -> bool {
        match self {
            Self::Os => finding.package_kind.is_os(),
            Self::NonOs => !finding.package_kind.is_os(),
            Self::All => true,
        }
    }
}

/// What to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Which packages.
    pub class: Class,
    /// Leave out what the vendor will not fix.
    pub vendor_only: bool,
    /// Digest of a base image to compare with.
    pub base: Option<String>,
}

/// The chosen findings of an image.
pub struct Report {
    /// The image.
    pub image: Image,
    /// Everything the matcher said.
    pub matches: Arc<Matches>,
    /// The chosen ones, in the matcher's order.
    pub chosen: Vec<Chosen>,
    /// Why the base image could not be compared with.
    pub base_problem: Option<String>,
}

/// One chosen finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// Where it is in [`Matches::findings`].
    pub index: usize,
    /// Found in the base image too.
    pub inherited: bool,
    /// When it can first have been found here: when the image was analysed or the vulnerability
    /// published, whichever came later.
    pub detected_at: Timestamp,
}

/// Scores of one CVSS vector, rounded to one decimal as they are published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Base score.
    pub base: f64,
    /// Exploitability sub-score.
    pub exploitability: f64,
    /// Impact sub-score.
    pub impact: f64,
}

/// The CVSS 2 scores that a statement carries.
#[must_use]
pub fn cvss2_scores(severity: &Severity) -> Option<Scores> {
    if severity.scheme != SeverityScheme::Cvss2 {
        return None;
    }
    let vector: cvss::v2::Vector = severity.value.parse().ok()?;
    let base = severity.score.unwrap_or_else(|| vector.score().value());
    let (exploitability, impact) = (vector.exploitability().value(), vector.impact().value());
    Some(rounded(base, exploitability, impact))
}

/// The CVSS 3 scores that a statement carries.
#[must_use]
pub fn cvss3_scores(severity: &Severity) -> Option<Scores> {
    match severity.scheme {
        SeverityScheme::Cvss30 | SeverityScheme::Cvss31 => {}
        SeverityScheme::Word | SeverityScheme::Cvss2 | SeverityScheme::Cvss40 => return None,
    }
    let vector: cvss::v3::Vector = severity.value.parse().ok()?;
    // The library reads a vector without its base metrics and scores it 0.
    let given = |metric: &&str| severity.value.split('/').any(|part| part.starts_with(*metric));
    if !["AV:", "AC:", "PR:", "UI:", "S:", "C:", "I:", "A:"].iter().all(given) {
        return None;
    }
    let base = severity.score.unwrap_or_else(|| vector.base_score().value());
    // What NVD publishes as impact is made of the library's (CVSS 3.1 specification, section 7.1).
    let loss = vector.impact().value();
    let impact = if severity.value.contains("/S:C") {
        7.52 * (loss - 0.029) - 3.25 * (loss - 0.02).powi(15)
    } else {
        6.42 * loss
    };
    Some(rounded(base, vector.exploitability().value(), impact))
}

fn rounded(base: f64, exploitability: f64, impact: f64) -> Scores {
    let round = |score: f64| (score.max(0.0) * 10.0).round() / 10.0;
    Scores { base: round(base), exploitability: round(exploitability), impact: round(impact) }
}

/// Whether a statement comes from NVD.
#[must_use]
pub fn is_nvd(severity: &Severity) -> bool {
    severity.source.eq_ignore_ascii_case("nvd")
}

type Mark<'a> = (&'a str, &'a str, &'a str);

fn mark(finding: &Finding) -> Mark<'_> {
    (&finding.vulnerability, &finding.package_name, &finding.package_version)
}

fn choose(image: &Image, matches: &Matches, base: &Matches, selection: &Selection) -> Vec<Chosen> {
    let inherited: HashSet<Mark<'_>> = base.findings.iter().map(mark).collect();
    let analyzed = image.analyzed_at.unwrap_or(image.created_at);
    let findings = matches.findings.iter().enumerate();
    findings
        .filter(|(_, finding)| selection.class.contains(finding))
        .filter(|(_, finding)| !(selection.vendor_only && finding.fix.state == FixState::WontFix))
        .map(|(index, finding)| Chosen {
            index,
            inherited: inherited.contains(&mark(finding)),
            detected_at: finding.published.map_or(analyzed, |published| published.max(analyzed)),
        })
        .collect()
}

impl App {
    /// The vulnerabilities of an image against the advisory data in use.
    ///
    /// # Errors
    /// 403, 404 when the image does not exist or is not analysed.
    pub async fn vulnerabilities(
        &self,
        who: &Identity,
        digest: &str,
        selection: &Selection,
    ) -> Result<Report, AppError> {
        let image = self.analyzed_image(who, digest, "getImage").await?;
        let matches = self.system().matches(&image).await?;
        let (base, base_problem) = match &selection.base {
            None => (Arc::default(), None),
            Some(base) => match self.base_matches(who, base).await {
                Ok(base) => (base, None),
                Err(error) if error.status() < 500 => (Arc::default(), Some(error.to_string())),
                Err(error) => return Err(error),
            },
        };
        let selection = selection.clone();
        crate::blocking(move || {
            let chosen = choose(&image, &matches, &base, &selection);
            Report { image, matches, chosen, base_problem }
        })
        .await
    }

    async fn base_matches(&self, who: &Identity, base: &str) -> Result<Arc<Matches>, AppError> {
        let image = self.analyzed_image(who, base, "getImage").await?;
        Ok(self.system().matches(&image).await?)
    }

    /// Everything the matcher says about an image, with reasons, and the problems of the SBOM.
    ///
    /// # Errors
    /// 403, 404 when the image does not exist or is not analysed.
    pub async fn findings(
        &self,
        who: &Identity,
        digest: &str,
    ) -> Result<(crate::content::Inventory, Arc<Matches>), AppError> {
        let inventory = self.inventory(who, digest).await?;
        let matches = self.system().matches(&inventory.image).await?;
        Ok((inventory, matches))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kedge_artifact::advisory::SeverityRank;

    fn severity(scheme: SeverityScheme, value: &str, score: Option<f64>) -> Severity {
        let (value, source) = (value.to_owned(), "NVD".to_owned());
        Severity { scheme, value, source, score, rank: SeverityRank::Critical }
    }

    #[test]
    fn published_scores() {
        // CVE-2021-44228 and CVE-2014-0160 as NVD publishes them.
        let log4shell = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H";
        let scores = cvss3_scores(&severity(SeverityScheme::Cvss31, log4shell, None)).unwrap();
        assert_eq!(scores, Scores { base: 10.0, exploitability: 3.9, impact: 6.0 });
        let heartbleed = severity(SeverityScheme::Cvss2, "AV:N/AC:L/Au:N/C:P/I:N/A:N", Some(5.0));
        let scores = cvss2_scores(&heartbleed).unwrap();
        assert_eq!(scores, Scores { base: 5.0, exploitability: 10.0, impact: 2.9 });
        assert!(is_nvd(&heartbleed));
    }

    #[test]
    fn broken_vectors_have_no_scores() {
        for value in ["", "CVSS:3.1", "AV:X", "high"] {
            assert_eq!(cvss3_scores(&severity(SeverityScheme::Cvss31, value, None)), None);
            assert_eq!(cvss2_scores(&severity(SeverityScheme::Cvss2, value, None)), None);
        }
        assert_eq!(cvss3_scores(&severity(SeverityScheme::Word, "high", None)), None);
    }
}
