//! Which of several statements about severity decides.

use kedge_artifact::advisory::{Severity, SeverityRank, SeverityScheme};

/// Orders statements: a vendor's word first, then CVSS 4.0, 3.1, 3.0, 2.0; within one scheme NVD
/// last; statements that rate nothing at the end. Equal ones keep the order of the records.
/// Returns the rank of the first.
pub(crate) fn decide(severities: &mut Vec<Severity>) -> SeverityRank {
    let mut seen: Vec<Severity> = Vec::new();
    severities.retain(|severity| {
        let new = !seen.contains(severity);
        if new {
            seen.push(severity.clone());
        }
        new
    });
    severities.sort_by_key(|severity| {
        let unrated = rank(severity) == SeverityRank::Unknown;
        (unrated, preference(severity.scheme), severity.source.eq_ignore_ascii_case("nvd"))
    });
    severities.first().map_or(SeverityRank::Unknown, rank)
}

/// The rank of one statement.
pub(crate) fn rank(severity: &Severity) -> SeverityRank {
    match (severity.rank, severity.score) {
        (SeverityRank::Unknown, Some(score)) => SeverityRank::of_score(score),
        (rank, _) => rank,
    }
}

fn preference(scheme: SeverityScheme) -> u8 {
    match scheme {
        SeverityScheme::Word => 0,
        SeverityScheme::Cvss40 => 1,
        SeverityScheme::Cvss31 => 2,
        SeverityScheme::Cvss30 => 3,
        SeverityScheme::Cvss2 => 4,
    }
}
