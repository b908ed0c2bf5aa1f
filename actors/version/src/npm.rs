//! npm versions and node-semver's range grammar (docs of the `semver` npm package, "Ranges").
//!
//! Hyphen ranges, x-ranges, `~`, `^`, `||`, and, as advisories write them, commas between
//! comparators and `==`.

use std::cmp::Ordering;

use crate::limits::COMPARATORS_MAX;
use crate::semver::Semver;
use crate::text::{check_range, increment, is_number};
use crate::{Scheme, VersionError, constraint};

/// Orders two npm versions, read leniently.
///
/// # Errors
/// Empty or over-long text, or text that does not start with a number.
pub fn compare(a: &str, b: &str) -> Result<Ordering, VersionError> {
    Ok(Semver::parse(Scheme::Npm, a)?.order(&Semver::parse(Scheme::Npm, b)?))
}

/// Whether pre-releases may satisfy a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prereleases {
    /// node-semver's rule for installing: only when a comparator of the same alternative names a
    /// pre-release of the same major.minor.patch.
    SameTuple,
    /// They lie where their order puts them. Right for advisories, which must not miss them.
    Include,
}

/// True when `version` lies in `range`.
///
/// # Errors
/// When either text cannot be read, or the range is over a limit.
pub fn satisfies(
    version: &str,
    range: &str,
    prereleases: Prereleases,
) -> Result<bool, VersionError> {
    let version = Semver::parse(Scheme::Npm, version)?;
    Ok(parse_range(range, prereleases)?
        .iter()
        .any(|alternative| holds(alternative, &version, prereleases)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
}

#[derive(Debug)]
struct Comparator {
    operator: Operator,
    core: [String; 3],
    pre: Vec<String>,
}

impl Comparator {
    fn view(&self) -> Semver<'_> {
        Semver {
            core: self.core.iter().map(String::as_str).collect(),
            pre: self.pre.iter().map(String::as_str).collect(),
        }
    }

    fn accepts(&self, version: &Semver<'_>) -> bool {
        let order = version.order(&self.view());
        match self.operator {
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Equal => order.is_eq(),
        }
    }
}

fn holds(alternative: &[Comparator], version: &Semver<'_>, prereleases: Prereleases) -> bool {
    if !alternative.iter().all(|comparator| comparator.accepts(version)) {
        return false;
    }
    match prereleases {
        Prereleases::Include => true,
        Prereleases::SameTuple => {
            version.pre.is_empty()
                || alternative.iter().any(|comparator| {
                    !comparator.pre.is_empty() && version.order_core(&comparator.view()).is_eq()
                })
        }
    }
}

fn parse_range(
    range: &str,
    prereleases: Prereleases,
) -> Result<Vec<Vec<Comparator>>, VersionError> {
    let range = check_range(Scheme::Npm, range)?;
    let mut alternatives = Vec::new();
    for text in range.split("||") {
        if alternatives.len() >= COMPARATORS_MAX {
            return Err(VersionError::range(
                Scheme::Npm,
                range,
                "more alternatives than the limit COMPARATORS_MAX",
            ));
        }
        let mut comparators = Vec::new();
        let low_pre = match prereleases {
            Prereleases::SameTuple => "",
            Prereleases::Include => "0",
        };
        if let Some((from, to)) = text.split_once(" - ") {
            let (from, to) = (Partial::parse(range, from)?, Partial::parse(range, to)?);
            from.lower(low_pre, &mut comparators);
            to.upper_inclusive(&mut comparators);
        } else {
            for (operator, version) in constraint::comparators(Scheme::Npm, text)? {
                let partial = Partial::parse(range, version)?;
                partial
                    .expand(operator, low_pre, &mut comparators)
                    .ok_or_else(|| VersionError::range(Scheme::Npm, range, "unknown operator"))?;
            }
        }
        alternatives.push(comparators);
    }
    Ok(alternatives)
}

/// `1`, `1.2`, `1.2.3-pre`, `1.x`, `*`: leading numbers, the rest wild.
struct Partial {
    numbers: Vec<String>,
    pre: Vec<String>,
}

impl Partial {
    fn parse(range: &str, text: &str) -> Result<Self, VersionError> {
        let bad = |reason| VersionError::range(Scheme::Npm, range, reason);
        let text = text.trim().trim_start_matches(['v', 'V', '=']).trim();
        let mut numbers = Vec::new();
        let mut wild = text.is_empty();
        for part in text.split(['-', '+']).next().unwrap_or("").split('.') {
            if matches!(part, "x" | "X" | "*") {
                wild = true;
                break;
            }
            if !is_number(part) {
                break;
            }
            numbers.push(part.to_owned());
        }
        if wild && numbers.len() < 3 {
            return Ok(Self { numbers, pre: Vec::new() });
        }
        let version = Semver::parse(Scheme::Npm, text).map_err(|_| bad("not a version"))?;
        if version.core.len() > 3 {
            return Err(bad("more than three numbers"));
        }
        Ok(Self {
            numbers: version.core.into_iter().map(str::to_owned).collect(),
            pre: version.pre.into_iter().map(str::to_owned).collect(),
        })
    }

    fn number(&self, index: usize) -> String {
        self.numbers.get(index).cloned().unwrap_or_else(|| "0".to_owned())
    }

    fn is_full(&self) -> bool {
        self.numbers.len() >= 3
    }

    /// The smallest version that the partial stands for.
    fn start(&self, operator: Operator, low_pre: &str) -> Comparator {
        let pre = match self.is_full() {
            true => self.pre.clone(),
            false if low_pre.is_empty() => Vec::new(),
            false => vec![low_pre.to_owned()],
        };
        Comparator { operator, core: [self.number(0), self.number(1), self.number(2)], pre }
    }

    /// The version after every one that shares the first `kept` numbers, as `X.Y.Z-0`.
    fn after(&self, kept: usize, operator: Operator, pre: &[&str]) -> Comparator {
        let mut core = ["0", "0", "0"].map(str::to_owned);
        for (index, slot) in core.iter_mut().enumerate().take(kept) {
            *slot = self.number(index);
        }
        if let Some(last) = core.get_mut(kept.saturating_sub(1)) {
            *last = increment(last);
        }
        Comparator { operator, core, pre: pre.iter().map(|part| (*part).to_owned()).collect() }
    }

    fn lower(&self, low_pre: &str, out: &mut Vec<Comparator>) {
        if !self.numbers.is_empty() {
            out.push(self.start(Operator::GreaterOrEqual, low_pre));
        }
    }

    fn upper_inclusive(&self, out: &mut Vec<Comparator>) {
        match self.numbers.len() {
            0 => {}
            1 | 2 => out.push(self.after(self.numbers.len(), Operator::Less, &["0"])),
            _ => out.push(self.start(Operator::LessOrEqual, "")),
        }
    }

    /// Desugars one comparator; `None` for an operator the grammar does not have.
    fn expand(&self, operator: &str, low_pre: &str, out: &mut Vec<Comparator>) -> Option<()> {
        let known = self.numbers.len();
        match operator {
            "" | "=" | "==" => match known {
                0 => {}
                1 | 2 => {
                    self.lower(low_pre, out);
                    out.push(self.after(known, Operator::Less, &["0"]));
                }
                _ => out.push(self.start(Operator::Equal, "")),
            },
            "~" | "~>" if known == 0 => {}
            "~" | "~>" => {
                self.lower(low_pre, out);
                out.push(self.after(known.min(2), Operator::Less, &["0"]));
            }
            "^" if known == 0 => {}
            "^" => {
                self.lower(low_pre, out);
                out.push(self.after(self.caret_kept(), Operator::Less, &["0"]));
            }
            // `>*` and `<*` match nothing.
            "<" | ">" if known == 0 => out.push(Comparator {
                operator: Operator::Less,
                core: ["0", "0", "0"].map(str::to_owned),
                pre: vec!["0".to_owned()],
            }),
            "<=" | ">=" if known == 0 => {}
            "<" if self.is_full() => out.push(self.start(Operator::Less, "")),
            "<" => out.push(self.start(Operator::Less, "0")),
            ">=" => self.lower(low_pre, out),
            "<=" => self.upper_inclusive(out),
            ">" if self.is_full() => out.push(self.start(Operator::Greater, "")),
            ">" => {
                let pre: &[&str] = if low_pre.is_empty() { &[] } else { &["0"] };
                out.push(self.after(known, Operator::GreaterOrEqual, pre));
            }
            _ => return None,
        }
        Some(())
    }

    /// How many leading numbers a caret keeps: up to and with the first that is not zero.
    fn caret_kept(&self) -> usize {
        let zero = |number: &String| crate::text::is_zero(number);
        match self.numbers.iter().position(|number| !zero(number)) {
            Some(index) => index + 1,
            None => self.numbers.len(),
        }
    }
}
