//! Every trigger, fired and silent, with the exact messages.

use crate::common::{Image, at, file, image, policy, rule};
use kedge_artifact::image::FileKind;
use kedge_artifact::problem::Problem;
use kedge_policy::gates::GATES;
use kedge_policy::{Action, DockerfileMode};
use std::collections::BTreeSet;

/// (gate, trigger, parameters, messages).
type Case = (&'static str, &'static str, &'static str, &'static [&'static str]);

const OPENSSL: &str = "HIGH Vulnerability found in os package type (dpkg) - openssl (fixed in: 1.1)(CVE-2026-1 - https://v.example/CVE-2026-1)";
const LODASH: &str = "MEDIUM Vulnerability found in non-os package type (npm) - /app/node_modules/lodash/package.json (GHSA-aaaa - https://v.example/GHSA-aaaa)";
const JAR: &str = "LOW Vulnerability found in non-os package type (java) - /app/lib/b-1.0.jar (CVE-2026-4 - https://v.example/CVE-2026-4)";
const PASSWD_SUM: &str = "4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2";

const CASES: &[Case] = &[
    ("always", "always", "", &["Unconditional trigger match"]),
    // dockerfile
    (
        "dockerfile",
        "instruction",
        "instruction=HEALTHCHECK;check=not_exists",
        &["Dockerfile directive 'HEALTHCHECK' not found, matching condition 'not_exists' check"],
    ),
    ("dockerfile", "instruction", "instruction=FROM;check=not_exists", &[]),
    (
        "dockerfile",
        "instruction",
        "instruction=from;check=in;value=debian:11, debian:12",
        &[
            "Dockerfile directive 'FROM' check 'in' matched against 'debian:11, debian:12' for line 'debian:12'",
        ],
    ),
    (
        "dockerfile",
        "instruction",
        "instruction=RUN;check=like;value=apt",
        &[
            "Dockerfile directive 'RUN' check 'like' matched against 'apt' for line 'apt-get update && true'",
        ],
    ),
    ("dockerfile", "instruction", "instruction=RUN;check=like;value=get", &[]),
    (
        "dockerfile",
        "instruction",
        "instruction=USER;check=exists",
        &["Dockerfile directive 'USER' check 'exists' matched against '' for line 'app'"],
    ),
    ("dockerfile", "instruction", "instruction=USER;check=!=", &[]),
    (
        "dockerfile",
        "effective_user",
        "users=root,docker;type=allowlist",
        &["User app found as effective user, which is not on the allowed list"],
    ),
    (
        "dockerfile",
        "effective_user",
        "users=app;type=blacklist",
        &["User app found as effective user, which is explicity not allowed"],
    ),
    ("dockerfile", "effective_user", "users=root;type=denylist", &[]),
    (
        "dockerfile",
        "exposed_ports",
        "ports=22,443;type=denylist",
        &["Dockerfile exposes port (22/tcp) which is in policy file DENIEDPORTS list"],
    ),
    (
        "dockerfile",
        "exposed_ports",
        "ports=22;type=whitelist",
        &["Dockerfile exposes port (80) which is not in policy file ALLOWEDPORTS list"],
    ),
    (
        "dockerfile",
        "exposed_ports",
        "ports=0;type=denylist",
        &["Dockerfile exposes network ports (22/tcp,80) but policy sets DENIEDPORTS=0"],
    ),
    ("dockerfile", "no_dockerfile_provided", "", &[]),
    // files
    (
        "files",
        "name_match",
        "regex=/etc/.*",
        &["Application of regex matched file found in container: file=/etc/passwd regexp=/etc/.*"],
    ),
    ("files", "name_match", "regex=passwd", &[]),
    (
        "files",
        "suid_or_guid_set",
        "",
        &["SUID or SGID found set on file /usr/bin/sudo. Mode: 0o4755"],
    ),
    (
        "files",
        "attribute_match",
        "filename=/etc/passwd;mode=00644",
        &["filename=/etc/passwd and mode=0o644 op=equals specified_mode=0o644"],
    ),
    ("files", "attribute_match", "filename=/etc/passwd;mode=644;mode_op=not_equals", &[]),
    (
        "files",
        "attribute_match",
        "filename=/etc/passwd;checksum=4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2",
        &[
            "filename=/etc/passwd and checksum=4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2 op=equals specified_checksum=4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2",
        ],
    ),
    ("files", "attribute_match", "filename=/gone;mode=644", &[]),
    (
        "files",
        "attribute_match",
        "filename=/gone;skip_missing=false",
        &["filename=/gone and skip_missing=False"],
    ),
    // packages
    (
        "packages",
        "required_package",
        "name=bash",
        &["Required input package (bash) is not present in container image"],
    ),
    (
        "packages",
        "required_package",
        "name=bash;version=5",
        &["Required input package (bash,5) is not present in container image"],
    ),
    // A Node package does not satisfy a rule about distribution packages.
    (
        "packages",
        "required_package",
        "name=lodash",
        &["Required input package (lodash) is not present in container image"],
    ),
    ("packages", "required_package", "name=openssl;version=3.0.11-1~deb12u2", &[]),
    (
        "packages",
        "required_package",
        "name=openssl;version=3.0.11-1",
        &[
            "Required input package (openssl) is present (3.0.11-1~deb12u2), but not at the version specified in policy (openssl)",
        ],
    ),
    ("packages", "required_package", "name=openssl;version=3.0.9;version_match_type=minimum", &[]),
    (
        "packages",
        "required_package",
        "name=openssl;version=3.0.11-1;version_match_type=minimum",
        &[
            "Required min-version input package (openssl) is present (3.0.11-1~deb12u2), but is lower version than what is specified in policy (3.0.11-1)",
        ],
    ),
    ("packages", "denylist", "name=openssl", &["Package is blacklisted: openssl"]),
    ("packages", "denylist", "name=openssl;version=1", &[]),
    (
        "packages",
        "denylist",
        "name=openssl;version=3.0.11-1~deb12u2",
        &["Package is blacklisted: openssl-3.0.11-1~deb12u2"],
    ),
    // vulnerabilities
    ("vulnerabilities", "package", "package_type=os", &[OPENSSL]),
    (
        "vulnerabilities",
        "package",
        "package_type=os;vendor_only=false;severity=critical;severity_comparison==",
        &[
            "CRITICAL Vulnerability found in os package type (dpkg) - zlib1g (CVE-2026-2 - https://v.example/CVE-2026-2)",
        ],
    ),
    (
        "vulnerabilities",
        "package",
        "package_type=all;severity_comparison=>=;severity=Medium",
        &[OPENSSL, LODASH],
    ),
    (
        "vulnerabilities",
        "package",
        "package_type=non-os;severity=low;severity_comparison==;package_path_exclude=/usr",
        &[JAR],
    ),
    ("vulnerabilities", "package", "package_type=all;fix_available=true", &[OPENSSL]),
    (
        "vulnerabilities",
        "package",
        "package_type=all;fix_available=false;severity=medium;severity_comparison=>=",
        &[LODASH],
    ),
    (
        "vulnerabilities",
        "package",
        "package_type=all;cvss_v3_base_score=9;cvss_v3_exploitability_score=4;cvss_v3_exploitability_score_comparison=<;cvss_v3_impact_score=5.9",
        &[
            "HIGH Vulnerability found in os package type (dpkg) - openssl (fixed in: 1.1)(cvss_v3_base_score=9.8)(cvss_v3_exploitability_score=3.9)(cvss_v3_impact_score=5.9)(CVE-2026-1 - https://v.example/CVE-2026-1)",
        ],
    ),
    (
        "vulnerabilities",
        "package",
        "package_type=os;vendor_cvss_v3_base_score=0;vendor_cvss_v3_base_score_comparison=<",
        &[
            "HIGH Vulnerability found in os package type (dpkg) - openssl (fixed in: 1.1)(vendor_cvss_v3_base_score=-1.0)(CVE-2026-1 - https://v.example/CVE-2026-1)",
        ],
    ),
    (
        "vulnerabilities",
        "package",
        "package_type=all;max_days_since_creation=30",
        &[
            "HIGH Vulnerability found in os package type (dpkg) - openssl (fixed in: 1.1)(max_days_since_creation=2026-05-01)(CVE-2026-1 - https://v.example/CVE-2026-1)",
        ],
    ),
    ("vulnerabilities", "package", "package_type=all;max_days_since_creation=60", &[]),
    (
        "vulnerabilities",
        "package",
        "package_type=all;fix_available=true;max_days_since_fix=10",
        &[OPENSSL],
    ),
    (
        "vulnerabilities",
        "package",
        "package_type=all;fix_available=true;max_days_since_fix=20",
        &[],
    ),
    (
        "vulnerabilities",
        "denylist",
        "vulnerability_ids=CVE-2026-4,CVE-2026-1,CVE-9999-1",
        &["Blacklisted vulnerabilities detected: ['CVE-2026-1', 'CVE-2026-4']"],
    ),
    ("vulnerabilities", "denylist", "vulnerability_ids=CVE-2026-2", &[]),
    (
        "vulnerabilities",
        "blacklist",
        "vulnerability_ids=CVE-2026-2;vendor_only=false",
        &["Blacklisted vulnerabilities detected: ['CVE-2026-2']"],
    ),
    (
        "vulnerabilities",
        "stale_feed_data",
        "max_days_since_sync=2",
        &["The vulnerability feed for this image distro is older than MAXAGE (2) days"],
    ),
    ("vulnerabilities", "stale_feed_data", "max_days_since_sync=4", &[]),
    ("vulnerabilities", "vulnerability_data_unavailable", "", &[]),
    (
        "vulnerabilities",
        "kev_list",
        "",
        &["CVE-2026-1 in package openssl is in the catalogue of known exploited vulnerabilities"],
    ),
    // metadata
    (
        "metadata",
        "attribute",
        "attribute=size;check=>;value=2mb",
        &[
            "Attribute check for attribute: 'size' check: '>' check_value: '2mb' matched image value: '3145728'",
        ],
    ),
    ("metadata", "attribute", "attribute=size;check=>;value=3mb", &[]),
    (
        "metadata",
        "attribute",
        "attribute=distro_version;check=>;value=9",
        &[
            "Attribute check for attribute: 'distro_version' check: '>' check_value: '9' matched image value: '12'",
        ],
    ),
    (
        "metadata",
        "attribute",
        "attribute=like_distro;check=in;value=linux,rhel",
        &[
            "Attribute check for attribute: 'like_distro' check: 'in' check_value: 'linux,rhel' matched image value: 'gnu,linux'",
        ],
    ),
    ("metadata", "attribute", "attribute=like_distro;check=not_in;value=linux", &[]),
    (
        "metadata",
        "attribute",
        "attribute=architecture;check=not_like;value=arm",
        &[
            "Attribute check for attribute: 'architecture' check: 'not_like' check_value: 'arm' matched image value: 'amd64'",
        ],
    ),
    (
        "metadata",
        "attribute",
        "attribute=os_type;check=exists",
        &[
            "Attribute check for attribute: 'os_type' check: 'exists' check_value: 'None' matched image value: 'linux'",
        ],
    ),
    ("metadata", "attribute", "attribute=distro;check=not_exists", &[]),
    (
        "metadata",
        "attribute",
        "attribute=layer_count;check=in;value=4,5",
        &[
            "Attribute check for attribute: 'layer_count' check: 'in' check_value: '4,5' matched image value: '5'",
        ],
    ),
    // distro
    ("distro", "deny", "distro=debian", &["Image distro 'debian' is denied"]),
    (
        "distro",
        "deny",
        "distro=debian;version=13;check=<",
        &["Image distro 'debian' version '12' is denied: check '<' against '13'"],
    ),
    ("distro", "deny", "distro=debian;version=9;check=<", &[]),
    ("distro", "deny", "distro=alpine", &[]),
];

fn messages(image: &Image, gate: &str, trigger: &str, params: &str) -> Vec<String> {
    let evaluation = image.judge(&policy(&[rule("r", gate, trigger, "STOP", params)]));
    evaluation.findings.into_iter().map(|finding| finding.message).collect()
}

#[test]
fn triggers_give_exactly_these_messages() {
    let image = image();
    for (gate, trigger, params, expect) in CASES {
        assert_eq!(messages(&image, gate, trigger, params), *expect, "{gate}/{trigger} {params}");
    }
    assert_eq!(image.files.unwrap()[0].sha256.unwrap().hex(), PASSWD_SUM);
}

#[test]
fn every_trigger_that_runs_has_a_case() {
    let covered: BTreeSet<(&str, &str)> = CASES.iter().map(|case| (case.0, case.1)).collect();
    let image = image();
    for gate in GATES {
        for trigger in gate.triggers {
            let params = trigger.params.iter();
            let params: Vec<String> =
                params.map(|param| format!("{}={}", param.name, param.example)).collect();
            let document = policy(&[rule("r", gate.name, trigger.name, "STOP", &params.join(";"))]);
            let evaluation = image.judge(&document);
            let unevaluated = evaluation
                .findings
                .iter()
                .any(|f| f.trigger_id == "evaluation_error" && f.action == Action::Warn);
            // Either the trigger is tested above or it says that it cannot be evaluated.
            let name = (gate.name, trigger.name);
            assert_ne!(covered.contains(&name), unevaluated, "{name:?}");
            assert_eq!(evaluation.problems.is_empty(), !unevaluated, "{name:?}");
        }
    }
}

#[test]
fn ids_are_hashes_of_the_text_or_given_by_the_trigger() {
    let image = image();
    let ids = |gate: &str, trigger: &str, params: &str| -> Vec<String> {
        let evaluation = image.judge(&policy(&[rule("r", gate, trigger, "WARN", params)]));
        evaluation.findings.into_iter().map(|finding| finding.trigger_id).collect()
    };
    // printf 'dockerfileinstructionDockerfile directive …' | md5sum
    assert_eq!(
        ids("dockerfile", "instruction", "instruction=HEALTHCHECK;check=not_exists"),
        ["41cb7cdf04850e33a11f80c42bf660b3"]
    );
    assert_eq!(ids("always", "always", ""), ["always"]);
    assert_eq!(
        ids("vulnerabilities", "package", "package_type=all"),
        ["CVE-2026-1+openssl", "GHSA-aaaa+lodash", "CVE-2026-4+b-1.0.jar", "CVE-2026-5+jinja2-1.0"]
    );
}

#[test]
fn a_guessed_dockerfile_is_told_from_an_actual_one() {
    let mut image = image();
    let text = "FROM x\nEXPOSE 22\n".to_owned();
    image.dockerfile = Some((text, DockerfileMode::Guessed));
    let ports = "ports=22;type=denylist";
    assert_eq!(messages(&image, "dockerfile", "exposed_ports", ports).len(), 1);
    let actual = format!("{ports};actual_dockerfile_only=true");
    assert!(messages(&image, "dockerfile", "exposed_ports", &actual).is_empty());
    let none = ["Image was not analyzed with an actual Dockerfile"];
    assert_eq!(messages(&image, "dockerfile", "no_dockerfile_provided", ""), none);
    // Nobody is root by default without a USER line.
    let root = ["User root found as effective user, which is explicity not allowed"];
    assert_eq!(messages(&image, "dockerfile", "effective_user", "users=root;type=denylist"), root);
    image.dockerfile = None;
    assert!(messages(&image, "dockerfile", "exposed_ports", ports).is_empty());
    assert_eq!(messages(&image, "dockerfile", "no_dockerfile_provided", ""), none);
}

#[test]
fn port_ranges_and_variables_do_not_slip_through() {
    let mut image = image();
    let text = "EXPOSE 20-25/tcp $PORT\n".to_owned();
    image.dockerfile = Some((text, DockerfileMode::Actual));
    let denied = messages(&image, "dockerfile", "exposed_ports", "ports=22;type=denylist");
    assert_eq!(denied.len(), 1);
    assert!(denied[0].contains("(20-25/tcp)"));
    let allowed = messages(&image, "dockerfile", "exposed_ports", "ports=22;type=allowlist");
    assert_eq!(allowed.len(), 2);
}

#[test]
fn setgid_directories_are_not_programs() {
    let mut image = image();
    let mut directory = file("/var/mail", 0o2775, None);
    directory.kind = FileKind::Directory;
    image.files = Some(vec![directory]);
    assert!(messages(&image, "files", "suid_or_guid_set", "").is_empty());
}

#[test]
fn missing_distro_data_fires() {
    let mut image = image();
    let matches = image.matches.as_mut().unwrap();
    matches.coverage[0].fetched = None;
    let expect = [
        "Distro-specific feed data not found for distro namespace: debian:12. Cannot perform CVE \
         scan OS/distro packages",
    ];
    let unavailable = "vulnerability_data_unavailable";
    assert_eq!(messages(&image, "vulnerabilities", unavailable, ""), expect);
    let stale = "max_days_since_sync=4";
    assert_eq!(messages(&image, "vulnerabilities", "stale_feed_data", stale).len(), 1);
    image.matches.as_mut().unwrap().coverage.clear();
    assert_eq!(messages(&image, "vulnerabilities", unavailable, ""), expect);
    assert_eq!(messages(&image, "vulnerabilities", "stale_feed_data", stale).len(), 1);
    // An image without distribution packages needs no data about any.
    image.sbom.packages.retain(|package| !package.kind.is_os());
    assert!(messages(&image, "vulnerabilities", unavailable, "").is_empty());
}

#[test]
fn unknown_facts_are_never_taken_for_clean() {
    let mut image = image();
    image.files = None;
    image.matches = None;
    image.first_seen = None;
    image.size = None;
    image.sbom.distro = None;
    for (gate, trigger, params) in [
        ("files", "name_match", "regex=.*"),
        ("files", "suid_or_guid_set", ""),
        ("files", "attribute_match", "filename=/a"),
        ("vulnerabilities", "package", "package_type=all"),
        ("vulnerabilities", "package", "package_type=all;max_days_since_creation=1"),
        ("vulnerabilities", "denylist", "vulnerability_ids=CVE-1-1"),
        ("vulnerabilities", "stale_feed_data", "max_days_since_sync=1"),
        ("vulnerabilities", "vulnerability_data_unavailable", ""),
        ("vulnerabilities", "kev_list", ""),
        ("metadata", "attribute", "attribute=size;check=>;value=1"),
        ("metadata", "attribute", "attribute=layer_count;check=="),
        ("distro", "deny", "distro=debian"),
    ] {
        let evaluation = image.judge(&policy(&[rule("r", gate, trigger, "STOP", params)]));
        let finding = &evaluation.findings[0];
        assert_eq!(finding.trigger_id, "evaluation_error", "{gate}/{trigger}");
        assert!(finding.message.starts_with("cannot be evaluated: "), "{}", finding.message);
        assert_eq!(evaluation.final_action, Action::Warn);
        assert_eq!(evaluation.problems[0].problem_type, "RuleEvaluationError");
    }
}

#[test]
fn an_incomplete_analysis_shows_in_rules_that_rest_on_it() {
    let mut image = image();
    let place = "/var/lib/rpm/rpmdb.sqlite";
    image.sbom.problems = vec![Problem::error("rpm_database_corrupt", place, "page 3 is missing")];
    let rules = [
        rule("a", "packages", "denylist", "STOP", "name=absent"),
        rule("b", "dockerfile", "no_dockerfile_provided", "STOP", ""),
    ];
    let evaluation = image.judge(&policy(&rules));
    assert_eq!(evaluation.findings.len(), 1);
    assert_eq!(evaluation.findings[0].rule_id, "a");
    assert!(evaluation.findings[0].message.contains("rpm_database_corrupt"));
    assert_eq!(evaluation.final_action, Action::Warn);
    let types: Vec<&str> = evaluation.problems.iter().map(|p| p.problem_type.as_str()).collect();
    assert_eq!(types, ["RuleEvaluationError", "AnalysisIncompleteError"]);
    assert!(evaluation.problems[1].details.contains("page 3 is missing"));
    assert_eq!(at(crate::common::NOW), evaluation.evaluated_at);
}
