//! Severity words and CVSS vectors in one scale.

use crate::text;
use kedge_artifact::advisory::{Severity, SeverityRank, SeverityScheme};
use std::str::FromStr;

/// Longest CVSS vector worth reading: a full v4 vector has about 240 characters.
const VECTOR_CHARS: usize = 512;

/// The rank of a vendor's word, in any case: Red Hat's and AlmaLinux's `Important`/`Moderate`,
/// GitHub's `MODERATE`, Debian's and Ubuntu's `unimportant`/`negligible`. Debian marks ratings
/// taken from NVD with `**`.
pub(crate) fn rank_of_word(word: &str) -> SeverityRank {
    match word.trim().trim_end_matches('*').to_ascii_lowercase().as_str() {
        "critical" => SeverityRank::Critical,
        "high" | "important" => SeverityRank::High,
        "medium" | "moderate" => SeverityRank::Medium,
        "low" | "minor" => SeverityRank::Low,
        "negligible" | "unimportant" | "informational" | "none" => SeverityRank::Negligible,
        _ => SeverityRank::Unknown,
    }
}

/// A statement by a word; `None` for words that do not rate anything (`not yet assigned`).
pub(crate) fn word(word: &str, source: &str) -> Option<Severity> {
    let rank = rank_of_word(word);
    (rank != SeverityRank::Unknown).then(|| Severity {
        scheme: SeverityScheme::Word,
        value: text::line(word, 40),
        source: source.into(),
        score: None,
        rank,
    })
}

/// A statement by a CVSS vector; `None` when it cannot be read and scored.
pub(crate) fn vector(vector: &str, source: &str) -> Option<Severity> {
    let vector = vector.trim();
    if vector.len() > VECTOR_CHARS {
        return None;
    }
    let parsed = cvss::Cvss::from_str(vector.trim_end_matches('/')).ok()?;
    let scheme = if vector.starts_with("CVSS:4.0") {
        SeverityScheme::Cvss40
    } else if vector.starts_with("CVSS:3.1") {
        SeverityScheme::Cvss31
    } else if vector.starts_with("CVSS:3.0") {
        SeverityScheme::Cvss30
    } else {
        SeverityScheme::Cvss2
    };
    let score = parsed.score();
    let rank = match scheme {
        // NVD's ranges for CVSS 2 have no "critical": 7.0 to 10.0 is high.
        SeverityScheme::Cvss2 => SeverityRank::of_score(score.min(8.9)),
        SeverityScheme::Word
        | SeverityScheme::Cvss30
        | SeverityScheme::Cvss31
        | SeverityScheme::Cvss40 => SeverityRank::of_score(score),
    };
    Some(Severity {
        scheme,
        value: vector.into(),
        source: source.into(),
        score: Some((score * 10.0).round() / 10.0),
        rank,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_every_vendor() {
        let check = |text: &str, rank: SeverityRank| assert_eq!(rank_of_word(text), rank, "{text}");
        check("Important", SeverityRank::High);
        check("MODERATE", SeverityRank::Medium);
        check("high**", SeverityRank::High);
        check("unimportant", SeverityRank::Negligible);
        check("not yet assigned", SeverityRank::Unknown);
        assert!(word("end-of-life", "debian").is_none());
    }

    #[test]
    fn vectors_of_every_version() {
        let check = |text: &str, scheme, score: f64, rank| {
            let found = vector(text, "t").unwrap();
            assert_eq!((found.scheme, found.score, found.rank), (scheme, Some(score), rank));
        };
        let v31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
        check(v31, SeverityScheme::Cvss31, 9.8, SeverityRank::Critical);
        let v2 = "AV:N/AC:L/Au:N/C:C/I:C/A:C";
        check(v2, SeverityScheme::Cvss2, 10.0, SeverityRank::High);
        let v4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N";
        check(v4, SeverityScheme::Cvss40, 9.3, SeverityRank::Critical);
        for bad in ["", "CVSS:3.1/AV:X", "CVSS:9.9/AV:N", &"A".repeat(9000)] {
            assert!(vector(bad, "t").is_none(), "{bad:.20}");
        }
    }
}
