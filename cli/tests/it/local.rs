//! Local commands: no server, no network.

use crate::fixtures;
use crate::run::Home;
use std::fs;

fn scanned() -> Home {
    let home = Home::with_database();
    fixtures::docker_archive(&home.path("app.tar"));
    fixtures::oci_layout(&home.path("layout"));
    fixtures::directory(&home.path("tree"));
    home
}

#[test]
fn a_scan_lists_what_is_vulnerable_and_why() {
    let home = scanned();
    let run = home.ok(&["scan", "docker-archive:app.tar"]);
    for text in ["CVE-2030-0001", "CVE-2030-0002", "PYSEC-2030-1", "Critical", "3.0.11-1", "KEV"] {
        assert!(run.stdout.contains(text), "{text}: {}", run.stdout);
    }
    assert!(!run.stdout.contains("CVE-2030-0003"), "{}", run.stdout);
    assert!(!run.stdout.contains('\u{1b}') && !run.stdout.contains('│'), "{}", run.stdout);
    assert!(
        run.stderr.contains("Catalogued packages: 2 packages [deb 1, python 1]"),
        "{}",
        run.stderr
    );
    let document = home.ok(&["scan", "app.tar", "-o", "json", "-q"]).json();
    assert_eq!(document["kind"], "ScanResult");
    assert_eq!(document["target"]["distro"], "debian:12");
    assert_eq!(document["sbom"]["packageCount"], 2);
    assert!(document["sbom"]["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(document["generation"].as_str().unwrap().len(), 64);
    let findings = document["findings"].as_array().unwrap();
    let openssl = findings.iter().find(|f| f["vulnerability"] == "CVE-2030-0001").unwrap();
    assert_eq!(openssl["why"]["rule"], "distro_source");
    assert_eq!(openssl["why"]["searched_name"], "openssl");
    assert_eq!(openssl["package"]["name"], "libssl3");
}

#[test]
fn equal_content_gives_equal_bytes_from_everywhere() {
    let home = scanned();
    let first = home.ok(&["scan", "app.tar", "-q", "-o", "json"]).stdout;
    assert_eq!(first, home.ok(&["scan", "app.tar", "-q", "-o", "kedge-json"]).stdout);
    let layout = home.ok(&["scan", "oci:layout", "-q", "-o", "json"]).json();
    let archive: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(layout["findings"], archive["findings"]);
    assert_eq!(layout["target"]["imageId"], archive["target"]["imageId"]);
}

#[test]
fn gates_fail_with_2() {
    let home = scanned();
    let code = |flags: &[&str]| {
        let arguments: Vec<&str> = ["scan", "app.tar", "-q"].iter().chain(flags).copied().collect();
        home.run(&arguments).code
    };
    assert_eq!(code(&[]), 0);
    assert_eq!(code(&["--fail-on", "high"]), 2);
    assert_eq!(code(&["--fail-on", "CRITICAL"]), 2);
    assert_eq!(code(&["--fail-on-kev"]), 2);
    assert_eq!(code(&["--fail-on-policy"]), 2);
    let fixed = home.ok(&["scan", "app.tar", "--only-fixed", "-o", "json"]).json();
    assert_eq!(fixed["findings"].as_array().unwrap().len(), 2);
    assert_eq!(fixed["suppressed"][0]["rule"], "not_fixed");
    let states = ["scan", "app.tar", "--ignore-states", "fixed", "--fail-on", "high", "-q"];
    assert_eq!(home.run(&states).code, 0);
    let shown = home.ok(&["scan", "app.tar", "--only-fixed", "--show-suppressed"]).stdout;
    assert!(shown.contains("not_fixed") && shown.contains("CVE-2030-0002"), "{shown}");
}

#[test]
fn what_was_not_checked_is_said_and_does_not_pass_a_gate() {
    let home = scanned();
    fs::remove_dir_all(home.path("tree/var")).unwrap();
    fs::remove_dir_all(home.path("tree/usr")).unwrap();
    let run = home.ok(&["scan", "dir:tree"]);
    assert!(run.stdout.contains("no vulnerabilities found in what could be checked"), "{run:?}");
    assert!(run.stdout.contains("NOT CHECKED: no advisory data for npm"), "{run:?}");
    let gate = home.run(&["scan", "dir:tree", "--fail-on", "high"]);
    assert_eq!(gate.code, 1, "{gate:?}");
    assert!(gate.stderr.contains("[scan_incomplete]"), "{gate:?}");
    home.ok(&["scan", "dir:tree", "--fail-on", "high", "--allow-incomplete"]);
    let document = home.ok(&["scan", "dir:tree", "-o", "json"]).json();
    assert_eq!(document["problems"][0]["code"], "advisory_data_missing");
    fs::create_dir(home.path("empty")).unwrap();
    let empty = home.ok(&["scan", "dir:empty"]).stdout;
    assert_eq!(empty, "no packages were found, so there was nothing to check\n");
}

#[test]
fn sboms_travel_through_formats_and_pipes() {
    let home = scanned();
    let native = home.ok(&["sbom", "generate", "app.tar"]).stdout;
    assert_eq!(native, home.ok(&["sbom", "generate", "app.tar", "-o", "json"]).stdout);
    let piped = home.run_with(&["scan", "-", "-o", "json", "-q"], native.as_bytes());
    assert_eq!(piped.code, 0, "{piped:?}");
    let direct = home.ok(&["scan", "app.tar", "-o", "json", "-q"]).json();
    assert_eq!(piped.json()["findings"], direct["findings"]);
    let both = [
        "sbom",
        "generate",
        "app.tar",
        "-o",
        "cyclonedx-json=a.cdx.json",
        "-o",
        "spdx-json=a.spdx.json",
    ];
    assert_eq!(home.ok(&both).stdout, "");
    for file in ["a.cdx.json", "a.spdx.json"] {
        let found = home.ok(&["scan", file, "-o", "csv"]).stdout;
        assert!(found.contains("CVE-2030-0001") && found.contains("PYSEC-2030-1"), "{found}");
    }
    let converted = home.ok(&["sbom", "convert", "a.cdx.json", "-o", "spdx-json"]).json();
    assert_eq!(converted["spdxVersion"], "SPDX-2.3");
    fs::write(home.path("old.json"), &native).unwrap();
    fs::write(home.path("new.json"), native.replace("3.2.0", "3.2.9")).unwrap();
    assert_eq!(home.ok(&["sbom", "diff", "old.json", "old.json"]).stdout, "no difference\n");
    let diff = home.run(&["sbom", "diff", "old.json", "new.json", "--fail-on-change"]);
    assert_eq!(diff.code, 2, "{diff:?}");
    assert!(diff.stdout.contains("changed") && diff.stdout.contains("3.2.9"), "{diff:?}");
}

#[test]
fn bad_input_is_named() {
    let home = scanned();
    fs::write(home.path("cut.tar"), &fs::read(home.path("app.tar")).unwrap()[..700]).unwrap();
    fs::write(home.path("text.txt"), "hello").unwrap();
    fs::write(home.path("wrong.json"), "{\"a\":1}").unwrap();
    fs::write(home.path("policy.json"), "{\"id\":\"x\",\"nmae\":\"y\"}").unwrap();
    let check = |arguments: &[&str], code: i32, text: &str| {
        let run = home.run(arguments);
        assert_eq!(run.code, code, "{arguments:?}: {run:?}");
        assert!(run.stderr.contains(text), "{arguments:?}: {run:?}");
        assert_eq!(run.stdout, "", "{arguments:?}");
    };
    check(&["scan", "./gone"], 3, "does not exist");
    check(&["scan", "sbom:gone.json"], 3, "does not exist");
    check(&["scan", "docker-archive:app.tar:other:9"], 3, "no image 'other:9'");
    check(&["scan", "docker-archive:cut.tar"], 1, "cut.tar");
    check(&["scan", "./text.txt"], 1, "neither an oci archive nor a docker archive");
    check(&["scan", "wrong.json"], 1, "[sbom_unreadable]");
    check(&["scan", "app.tar", "--policy", "policy.json"], 1, "[policy_invalid]");
    check(&["scan", "app.tar", "--policy", "gone.json"], 3, "gone.json");
    check(&["scan", "127.0.0.1:1/app:1"], 6, "[registry_unreachable]");
    check(&["policy", "lint", "policy.json"], 1, "nmae");
    check(&["explain", "CVE-1-1", "--in", "wrong.json"], 1, "not a scan result");
    check(&["scan", "app.tar", "--max-db-age", "0s", "-o", "json=out.json"], 1, "[database_stale]");
    assert_eq!(home.run(&["policy", "init"]).code, 0);
}

#[test]
fn a_policy_from_a_file_judges() {
    let home = scanned();
    let policy = home.ok(&["policy", "init"]).stdout;
    fs::write(home.path("policy.json"), policy).unwrap();
    home.ok(&["policy", "lint", "policy.json"]);
    let run = home.run(&["scan", "app.tar", "--policy", "policy.json", "--fail-on-policy"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stdout.contains("policy: fail (stop)"), "{run:?}");
    let spec = home.ok(&["policy", "spec", "vulnerabilities", "--local", "-o", "name"]).stdout;
    assert!(spec.lines().all(|line| line == "vulnerabilities") && !spec.is_empty());
}

#[test]
fn the_database_is_kept_exported_and_imported() {
    let home = Home::new();
    let none = home.run(&["db", "status"]);
    assert_eq!(none.code, 1, "{none:?}");
    assert!(none.stderr.contains("[database_missing]") && none.stderr.contains("db update"));
    assert!(!home.path(".cache").exists(), "looking must not create folders");
    fixtures::mirror(&home.path("mirror"));
    home.ok(&["db", "update", "--mirror", "mirror"]);
    let status = home.ok(&["db", "status", "-o", "json"]).json();
    let groups: Vec<&str> =
        status["items"].as_array().unwrap().iter().map(|g| g["group"].as_str().unwrap()).collect();
    assert!(groups.contains(&"debian:12") && groups.contains(&"pypi"), "{groups:?}");
    assert_eq!(home.run(&["db", "check", "--mirror", "mirror"]).code, 0);
    home.ok(&["db", "export", "old.kdb"]);
    fixtures::advisory(&home.path("mirror"), "PYSEC-2030-2", "flask");
    assert_eq!(home.run(&["db", "check", "--mirror", "mirror"]).code, 100);
    assert_eq!(home.run(&["db", "search", "--pkg", "flask"]).code, 3);
    home.ok(&["db", "update", "--mirror", "mirror"]);
    assert!(home.ok(&["db", "search", "--pkg", "flask"]).stdout.contains("PYSEC-2030-2"));
    assert!(home.ok(&["db", "search", "cve-2030-0100"]).stdout.contains(">= 3.0, < 3.2.5"));
    let older = home.run(&["db", "import", "old.kdb"]);
    assert_eq!(older.code, 1, "{older:?}");
    assert!(older.stderr.contains("older"), "{older:?}");
    home.ok(&["db", "import", "old.kdb", "--force"]);
    let mut damaged = fs::read(home.path("old.kdb")).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(home.path("bad.kdb"), damaged).unwrap();
    assert_eq!(home.run(&["db", "import", "bad.kdb", "--force"]).code, 1);
    assert_eq!(home.run(&["db", "import", "gone.kdb"]).code, 3);
    let absent = home.run(&["db", "update", "--mirror", "tree"]);
    assert_eq!(absent.code, 3, "{absent:?}");
    assert_eq!(home.run(&["db", "update", "--driver", "nvdd"]).code, 64);
    assert_eq!(home.run(&["db", "update", "--offline"]).code, 64);
    assert!(home.ok(&["db", "providers", "-o", "name"]).stdout.contains("debian"));
}

#[test]
fn explain_tells_the_chain_of_reasoning() {
    let home = scanned();
    home.ok(&["scan", "app.tar", "--only-fixed", "-o", "json=result.json"]);
    let found = home.ok(&["explain", "CVE-2030-0001", "--in", "result.json"]).stdout;
    assert!(
        found.contains("openssl in debian:12") && found.contains("3.0.9-1 by deb rules"),
        "{found}"
    );
    let suppressed = home.ok(&["explain", "CVE-2030-0002", "--in", "result.json"]).stdout;
    assert!(suppressed.contains("not_fixed"), "{suppressed}");
    let other = home.run(&["explain", "CVE-2030-0003", "--in", "result.json"]);
    assert_eq!(other.code, 3);
    assert!(other.stderr.contains("none fits a package"), "{other:?}");
}

#[test]
fn output_is_for_terminals_only_where_there_is_one() {
    let home = scanned();
    let forced = home.ok(&["scan", "app.tar", "--color", "always"]).stdout;
    assert!(forced.contains("\u{1b}[") && forced.contains("Critical"), "{forced}");
    let mut quiet = Home::with_database();
    fixtures::docker_archive(&quiet.path("app.tar"));
    quiet.set("CLICOLOR_FORCE", "1");
    assert!(quiet.ok(&["scan", "app.tar"]).stdout.contains("\u{1b}["));
    quiet.set("NO_COLOR", "1");
    assert!(!quiet.ok(&["scan", "app.tar"]).stdout.contains("\u{1b}["));
    let events = home.ok(&["scan", "app.tar", "--progress", "json", "-o", "csv"]).stderr;
    for line in events.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["event"].is_string(), "{line}");
    }
    assert_eq!(home.ok(&["scan", "app.tar", "-q"]).stderr, "");
}
