//! RPM modules of AlmaLinux and Rocky errata.
//!
//! The errata name the module only in the summary line (`Important: nodejs:16 security update`,
//! `Moderate: virt:rhel and virt-devel:rhel …`); whether a row is modular shows in the release of
//! its version (`.module_el8.8.0+…`, Rocky `.module+el8…`).

/// The modules that a summary names.
pub(crate) fn of_summary(summary: &str) -> Vec<String> {
    let mut found = Vec::new();
    for word in summary.split([' ', ',']) {
        let Some((name, stream)) = word.split_once(':') else { continue };
        let ok = |text: &str| {
            !text.is_empty()
                && text.len() <= 64
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        if ok(name) && ok(stream) && !found.contains(&word.to_owned()) {
            found.push(word.to_owned());
        }
    }
    found.truncate(8);
    found
}

/// The module qualifiers of a row that is fixed in `version`: one row per returned value. A
/// summary may hold `name:version` that is no module at all (`edk2:2022…`), so the version
/// decides.
pub(crate) fn qualifiers(modules: &[String], version: &str) -> Vec<Option<String>> {
    let modular = version.contains(".module_") || version.contains(".module+");
    match (modular, modules) {
        (false, _) => vec![Some(String::new())],
        (true, []) => vec![None],
        (true, some) => some.iter().cloned().map(Some).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_from_the_summary_and_count_only_for_modular_builds() {
        let check = |summary: &str, version: &str, expect: &[Option<&str>]| {
            let found = qualifiers(&of_summary(summary), version);
            let found: Vec<Option<&str>> = found.iter().map(Option::as_deref).collect();
            assert_eq!(found, expect, "{summary}");
        };
        let modular = "1:16.20.2-2.module_el8.8.0+3614+204d6f43";
        check("Important: nodejs:16 security, bug fix", modular, &[Some("nodejs:16")]);
        let two = "Moderate: virt:rhel and virt-devel:rhel security update";
        check(two, modular, &[Some("virt:rhel"), Some("virt-devel:rhel")]);
        check("Important: 389-ds security update", modular, &[None]);
        check("Moderate: edk2:20220126git security update", "2022-3.el9", &[Some("")]);
        check("Low: zlib security update", "1.2-3.el9", &[Some("")]);
        check("x: php:7.4", "7.4.30-1.module+el8.7.0+1+2", &[Some("php:7.4")]);
    }
}
