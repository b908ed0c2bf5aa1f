//! A total order in every scheme, agreement with independent implementations, and no panic on
//! hostile text.

use kedge_version::{EpochPolicy, Options, Scheme, constraint, ranges};
use proptest::prelude::*;
use std::cmp::Ordering;

/// Text shaped like versions of all schemes at once; what a scheme refuses is left out of its
/// properties.
fn version_like() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[0-9]{1,2}(\\.[0-9]{1,2}){0,3}([-_.~^+]?(a|b|rc|alpha|beta|sp|dev|post|pre|p|r|x)[0-9]{0,2}){0,2}",
        2 => "[0-2](\\.[0-2]){0,2}(-[0-2]){0,2}",
        2 => "([0-2][:!])?[0-2](\\.[0-2]){0,2}(-(0|1|alpha|b1)(\\.[0-2])?){0,2}(\\+[0-2a])?",
        1 => "[0-2](\\.[0-2]|_alpha|_p1|a|~1){0,3}(-r[0-2])?",
        1 => "[0-9a-c.~^:+-]{1,8}",
    ]
}

fn compare(scheme: Scheme, a: &str, b: &str) -> Option<Ordering> {
    // The automatic epoch policy is no order over mixed sets, by design; see `EpochPolicy`.
    let options = Options { rpm_epoch: EpochPolicy::Zero };
    scheme.compare_with(a, b, options).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn total_order(a in version_like(), b in version_like(), c in version_like()) {
        for scheme in Scheme::ALL {
            if compare(scheme, &a, &a).is_some() {
                prop_assert_eq!(compare(scheme, &a, &a), Some(Ordering::Equal));
            }
            let (Some(ab), Some(bc), Some(ac)) =
                (compare(scheme, &a, &b), compare(scheme, &b, &c), compare(scheme, &a, &c))
            else {
                continue;
            };
            prop_assert_eq!(compare(scheme, &b, &a), Some(ab.reverse()), "{} {} {}", scheme, a, b);
            if ab == bc || bc.is_eq() {
                prop_assert_eq!(ac, ab, "{}: {} {} {}", scheme, a, b, c);
            } else if ab.is_eq() {
                prop_assert_eq!(ac, bc, "{}: {} {} {}", scheme, a, b, c);
            }
        }
    }

    #[test]
    fn agrees_with_independent_implementations(a in version_like(), b in version_like()) {
        if let Some(ours) = compare(Scheme::Deb, &a, &b) {
            prop_assert_eq!(ours, deb_version::compare_versions(&a, &b), "deb {} {}", a, b);
        }
        // The oracle for rpm takes any text before a colon as epoch and cuts at the first hyphen;
        // rpm takes digits and cuts at the last.
        let plain = |text: &str| !text.contains(':') && text.matches('-').count() < 2;
        if plain(&a) && plain(&b) && let Some(ours) = compare(Scheme::Rpm, &a, &b) {
            let theirs = rpm_version::Evr::parse(&a).cmp(&rpm_version::Evr::parse(&b));
            prop_assert_eq!(ours, theirs, "rpm {} {}", a, b);
        }
        let parse = |text: &str| text.parse::<pep440_rs::Version>().ok();
        for text in [&a, &b] {
            let ours = Scheme::Pep440.validate(text).is_ok();
            prop_assert_eq!(ours, parse(text).is_some(), "pep440 grammar {}", text);
        }
        if let (Some(x), Some(y)) = (parse(&a), parse(&b)) {
            prop_assert_eq!(compare(Scheme::Pep440, &a, &b), Some(x.cmp(&y)), "pep440 {} {}", a, b);
        }
    }

    #[test]
    fn hostile_text_never_panics(a in "\\PC{0,40}", b in version_like(), range in "[<>=~^!|,x*\\[\\]() 0-9.\\PC-]{0,40}") {
        for scheme in Scheme::ALL {
            let _ = scheme.compare(&a, &b);
            let _ = ranges::contains(scheme, &b, Some(&a), Some(&b), None);
            let _ = constraint::satisfies(scheme, &b, &range);
            let _ = constraint::satisfies(scheme, &b, &a);
        }
    }
}

#[test]
fn long_and_odd_texts_are_answered() {
    let huge = "9".repeat(1_000);
    let bigger = format!("1{}", "0".repeat(1_000));
    for scheme in Scheme::ALL {
        assert_eq!(scheme.compare(&huge, &bigger), Ok(Ordering::Less), "{scheme}");
        for text in ["1".repeat(1 << 20), "1.".repeat(1 << 19), "\u{1F600}".repeat(1 << 18)] {
            assert!(scheme.validate(&text).is_err(), "{scheme}");
        }
        assert!(scheme.validate("1\u{0}2").is_err(), "{scheme}");
        assert!(scheme.validate("\u{a0}").is_err(), "{scheme}");
    }
}
