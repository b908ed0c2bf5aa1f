//! OSV events as ranges.
//!
//! The OSV schema says that events are to be sorted by version before they are read. Nearly all
//! records list them in order already; only those that do not alternate are sorted here.

use crate::limits;
use kedge_artifact::advisory::{Range, RangeKind, Scope};
use kedge_version::{EpochPolicy, Options, Scheme};
use std::cmp::Ordering;

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    Introduced(&'a str),
    Fixed(&'a str),
    LastAffected(&'a str),
}

impl<'a> Event<'a> {
    pub(crate) fn version(self) -> &'a str {
        match self {
            Self::Introduced(v) | Self::Fixed(v) | Self::LastAffected(v) => v,
        }
    }

    /// At the same version a fix ends the older range before the next one begins, and a last
    /// affected version ends the range that begins there.
    fn weight(self) -> u8 {
        match self {
            Self::Fixed(_) => 0,
            Self::Introduced(_) => 1,
            Self::LastAffected(_) => 2,
        }
    }

    fn opens(self) -> bool {
        matches!(self, Self::Introduced(_))
    }
}

/// The order of versions in a scope.
pub(crate) fn scheme(scope: &Scope, kind: RangeKind) -> Scheme {
    match scope {
        Scope::Distro { id, .. } => match id.as_str() {
            "debian" | "ubuntu" => Scheme::Deb,
            "alpine" => Scheme::Apk,
            _ => Scheme::Rpm,
        },
        Scope::Ecosystem { name } => match (name.as_str(), kind) {
            ("npm", _) => Scheme::Npm,
            ("go", _) => Scheme::Go,
            ("pypi", RangeKind::Ecosystem) => Scheme::Pep440,
            ("maven", RangeKind::Ecosystem) => Scheme::Maven,
            ("rubygems", RangeKind::Ecosystem) => Scheme::Gem,
            ("crates.io" | "hex" | "pub" | "swifturl", _) | (_, RangeKind::Semver) => {
                Scheme::Semver
            }
            (_, RangeKind::Ecosystem) => Scheme::Fuzzy,
        },
    }
}

/// The ranges that `events` describe. The flag is true when the events were out of order and
/// could not be sorted, so that the result may be wrong.
pub(crate) fn of_events(
    scheme: Scheme,
    kind: RangeKind,
    events: &[Event<'_>],
) -> (Vec<Range>, bool) {
    let mut events = events.to_vec();
    let mut unsure = false;
    let alternating =
        events.iter().enumerate().all(|(index, event)| event.opens() == (index % 2 == 0));
    if !alternating {
        unsure = !sort(scheme, &mut events);
    }
    let mut ranges = Vec::new();
    let mut open: Option<&str> = None;
    for (index, event) in events.iter().enumerate() {
        let begin = match (event, open) {
            (Event::Introduced(version), None) => {
                open = Some(version);
                continue;
            }
            (Event::Introduced(_), Some(_)) => continue,
            // A fix without any introduction before it ends a range from the beginning.
            (Event::Fixed(_) | Event::LastAffected(_), None) if index == 0 => "0",
            (Event::Fixed(_) | Event::LastAffected(_), None) => continue,
            (Event::Fixed(_) | Event::LastAffected(_), Some(begin)) => begin,
        };
        open = None;
        ranges.push(closed(kind, begin, *event));
    }
    if let Some(begin) = open {
        let introduced = begin_of(begin);
        ranges.push(Range { kind, introduced, fixed: None, last_affected: None });
    }
    ranges.truncate(limits::RANGES);
    (ranges, unsure)
}

fn begin_of(version: &str) -> Option<String> {
    (version != "0").then(|| version.to_owned())
}

fn closed(kind: RangeKind, begin: &str, end: Event<'_>) -> Range {
    let (fixed, last_affected) = match end {
        Event::Fixed(version) => (Some(version.to_owned()), None),
        Event::LastAffected(version) => (None, Some(version.to_owned())),
        Event::Introduced(_) => (None, None),
    };
    Range { kind, introduced: begin_of(begin), fixed, last_affected }
}

/// Sorts by version; false, and nothing moved, when a version is none of the scheme. Only versions
/// that are all valid have an order at all: `sort_by` panics when it meets a contradiction.
fn sort(scheme: Scheme, events: &mut [Event<'_>]) -> bool {
    // `0` is OSV's word for the beginning, not a version.
    let valid =
        |event: &Event<'_>| event.version() == "0" || scheme.validate(event.version()).is_ok();
    if !events.iter().all(valid) {
        return false;
    }
    // The policy that is right for matching is no order over versions with and without epochs.
    let options = Options { rpm_epoch: EpochPolicy::Zero };
    events.sort_by(|a, b| {
        let order = match (a.version() == "0", b.version() == "0") {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // All are valid, so this cannot fail; equal is consistent if it ever did for all.
            (false, false) => {
                scheme.compare_with(a.version(), b.version(), options).unwrap_or(Ordering::Equal)
            }
        };
        order.then(a.weight().cmp(&b.weight()))
    });
    true
}

#[cfg(test)]
mod tests {
    use super::Event::{Fixed, Introduced, LastAffected};
    use super::*;

    fn check(events: &[Event<'_>], expect: &[(Option<&str>, Option<&str>, Option<&str>)]) {
        let (found, unsure) = of_events(Scheme::Semver, RangeKind::Semver, events);
        let found: Vec<_> = found
            .iter()
            .map(|r| (r.introduced.as_deref(), r.fixed.as_deref(), r.last_affected.as_deref()))
            .collect();
        assert_eq!(found, expect, "{events:?}");
        assert!(!unsure);
    }

    #[test]
    fn events_in_order_and_out_of_order() {
        check(&[Introduced("0"), Fixed("1.2.0")], &[(None, Some("1.2.0"), None)]);
        check(&[Introduced("1.0.0")], &[(Some("1.0.0"), None, None)]);
        check(
            &[Introduced("1.0.0"), LastAffected("1.4.0")],
            &[(Some("1.0.0"), None, Some("1.4.0"))],
        );
        check(
            &[Introduced("0"), Introduced("2.0.0"), Fixed("2.1.0"), Fixed("1.9.0")],
            &[(None, Some("1.9.0"), None), (Some("2.0.0"), Some("2.1.0"), None)],
        );
        check(&[Fixed("1.0.0"), Introduced("0")], &[(None, Some("1.0.0"), None)]);
        check(&[Introduced("0"), Fixed("1.0.0"), Fixed("2.0.0")], &[(None, Some("1.0.0"), None)]);
        check(&[Fixed("3.0.0")], &[(None, Some("3.0.0"), None)]);
        check(&[], &[]);
    }

    #[test]
    fn what_cannot_be_sorted_is_said() {
        let events = [Introduced("1.0.0"), Introduced("no version"), Fixed("2.0.0")];
        let (ranges, unsure) = of_events(Scheme::Semver, RangeKind::Semver, &events);
        assert!(unsure);
        // In the order of the document.
        assert_eq!((ranges.len(), ranges[0].introduced.as_deref()), (1, Some("1.0.0")));
        assert_eq!(ranges[0].fixed.as_deref(), Some("2.0.0"));
    }

    /// Versions that only texts can order, among many that their scheme orders differently, and
    /// rpm versions with and without epochs, form circles on which `sort_by` panics.
    #[test]
    fn many_events_without_one_order_do_no_harm() {
        let dirty: Vec<String> =
            (0..60).flat_map(|n| [format!("{}.0.0", 60 - n), format!("{n}x!{}", n % 7)]).collect();
        let events: Vec<Event<'_>> = dirty.iter().map(|version| Introduced(version)).collect();
        let (ranges, unsure) = of_events(Scheme::Semver, RangeKind::Semver, &events);
        assert!(unsure);
        assert_eq!((ranges.len(), ranges[0].introduced.as_deref()), (1, Some("60.0.0")));

        let mixed: Vec<String> = (0..60)
            .flat_map(|n| [format!("1:{}-1", n % 9), format!("{n}-1"), format!("0:{}-1", 70 - n)])
            .collect();
        let events: Vec<Event<'_>> = mixed.iter().map(|version| Introduced(version)).collect();
        let (ranges, unsure) = of_events(Scheme::Rpm, RangeKind::Ecosystem, &events);
        assert!(!unsure);
        assert_eq!((ranges.len(), ranges[0].introduced.as_deref()), (1, Some("0-1")));
    }
}
