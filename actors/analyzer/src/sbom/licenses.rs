//! Licence names as found, made into what the public formats demand.

use std::collections::BTreeMap;

/// The SPDX id, when the text is exactly one.
pub(super) fn id(text: &str) -> Option<&'static str> {
    spdx::license_id(text).filter(|id| id.name == text).map(|id| id.name)
}

/// Whether the text is an SPDX expression that needs nothing defined elsewhere.
pub(super) fn is_expression(text: &str) -> bool {
    !text.contains("Ref-") && spdx::Expression::parse(text).is_ok()
}

/// Longest readable part of a made-up reference.
const REFERENCE_BYTES_MAX: usize = 64;

/// References to licences that are not on the SPDX list, with the text they stand for.
#[derive(Debug, Default)]
pub(super) struct References(pub(super) BTreeMap<String, String>);

impl References {
    /// All licences of a package as one expression.
    pub(super) fn expression(&mut self, licenses: &[String]) -> String {
        match licenses {
            [] => "NOASSERTION".to_owned(),
            [one] => self.term(one),
            many => {
                let terms: Vec<String> = many.iter().map(|license| self.term(license)).collect();
                let wrapped = terms.iter().map(|term| match term.contains(' ') {
                    true => format!("({term})"),
                    false => term.clone(),
                });
                wrapped.collect::<Vec<_>>().join(" AND ")
            }
        }
    }

    fn term(&mut self, license: &str) -> String {
        if is_expression(license) {
            return license.to_owned();
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let readable: String = license.chars().take(REFERENCE_BYTES_MAX).map(plain).collect();
        let mut reference = format!("LicenseRef-{}", readable.trim_matches('-'));
        let taken = self.0.get(&reference).is_some_and(|text| text != license);
        if taken || reference == "LicenseRef-" {
            let digest = kedge_artifact::digest::Digest::of(license.as_bytes());
            reference = format!("{reference}-{}", digest.short()).replace("--", "-");
        }
        self.0.insert(reference.clone(), license.to_owned());
        reference
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ids_and_expressions() {
        assert_eq!(id("MIT"), Some("MIT"));
        assert_eq!(id("mit"), None);
        let mut references = References::default();
        let mut check = |licenses: &[&str], expect: &str| {
            let licenses: Vec<String> = licenses.iter().map(|l| (*l).to_owned()).collect();
            assert_eq!(references.expression(&licenses), expect);
        };
        check(&[], "NOASSERTION");
        check(&["MIT"], "MIT");
        check(&["MIT OR Apache-2.0", "ISC"], "(MIT OR Apache-2.0) AND ISC");
        check(&["GPL-2+ with exception"], "LicenseRef-GPL-2--with-exception");
        check(&["a b", "a-b"], "LicenseRef-a-b AND LicenseRef-a-b-d44362d67d92");
        check(&["LicenseRef-x"], "LicenseRef-LicenseRef-x");
    }
}
