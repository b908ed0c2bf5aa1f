//! Cutting and checking of text from feeds.

use crate::limits;
use kedge_artifact::problem::{Problem, ProblemSeverity};

/// The text, at most `chars` characters long; cut with `…` when longer. Control characters other
/// than line ends and tabs are dropped, because the text reaches terminals.
pub(crate) fn cut(text: &str, chars: usize) -> String {
    let clean = |c: &char| !c.is_control() || *c == '\n' || *c == '\t';
    let mut out: String = text.trim().chars().filter(clean).take(chars).collect();
    if text.trim().chars().filter(clean).nth(chars).is_some() {
        out.pop();
        out.push('…');
    }
    out
}

/// One line: line ends become blanks.
pub(crate) fn line(text: &str, chars: usize) -> String {
    cut(&text.split_whitespace().collect::<Vec<_>>().join(" "), chars)
}

/// Whether the text may be an advisory id: it becomes a key and is printed everywhere.
pub(crate) fn is_id(text: &str) -> bool {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    first
        && text.len() >= 3
        && text.len() <= limits::ID_CHARS
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ".:_-+/".contains(c))
}

/// Whether the text may be a version or a package name: not empty, within `chars`, printable.
pub(crate) fn is_word(text: &str, chars: usize) -> bool {
    !text.is_empty() && text.len() <= chars && !text.chars().any(char::is_control)
}

/// `CVE-YYYY-N…` in this very form.
pub(crate) fn is_cve(id: &str) -> bool {
    cve_key(id).is_some()
}

/// A CVE id as a number: the year in the upper 16 bits, the number below. `None` for other ids.
pub(crate) fn cve_key(id: &str) -> Option<u64> {
    let (year, number) = id.strip_prefix("CVE-")?.split_once('-')?;
    let digits = |s: &str, len: std::ops::RangeInclusive<usize>| {
        len.contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit())
    };
    if !digits(year, 4..=4) || !digits(number, 4..=12) {
        return None;
    }
    // A number with a needless leading zero would share the key of another id.
    if number.len() > 4 && number.starts_with('0') {
        return None;
    }
    Some(year.parse::<u64>().ok()? << 48 | number.parse::<u64>().ok()?)
}

/// Collects problems up to a limit and counts the rest.
#[derive(Default)]
pub(crate) struct Problems {
    kept: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// Adds one.
    pub(crate) fn push(&mut self, mut problem: Problem) {
        if self.kept.len() >= limits::PROBLEMS {
            self.more += 1;
            return;
        }
        problem.place = line(&problem.place, 300);
        problem.message = line(&problem.message, 500);
        self.kept.push(problem);
    }

    /// All that were kept, and one that counts the others.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        if self.more > 0 {
            let severity = ProblemSeverity::Degraded;
            self.kept.push(Problem {
                code: "more_problems".into(),
                severity,
                place: String::new(),
                message: format!("{} further problems are not listed", self.more),
            });
        }
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_by_characters_and_drops_control_codes() {
        assert_eq!(cut("añb\u{1b}[31m", 10), "añb[31m");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(line("a\r\n  b", 10), "a b");
    }

    #[test]
    fn cve_keys_are_exact() {
        assert_eq!(cve_key("CVE-2024-0001"), Some(2024 << 48 | 1));
        assert!(cve_key("CVE-2024-1234567").unwrap() > cve_key("CVE-2024-9999").unwrap());
        for bad in ["CVE-2024-1", "CVE-24-0001", "cve-2024-0001", "CVE-2024-000x", "CVE-2024-00001"]
        {
            assert_eq!(cve_key(bad), None, "{bad}");
        }
    }

    #[test]
    fn problems_are_bounded() {
        let mut problems = Problems::default();
        for _ in 0..limits::PROBLEMS + 7 {
            problems.push(Problem::degraded("x", "", ""));
        }
        let all = problems.finish();
        assert_eq!(all.len(), limits::PROBLEMS + 1);
        assert!(all[limits::PROBLEMS].message.starts_with("7 further"));
    }
}
