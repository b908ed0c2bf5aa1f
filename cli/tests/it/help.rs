//! Help that teaches, and the code for a wrong command line.

use crate::run::{Home, check_golden};

#[test]
fn help_texts() {
    let home = Home::new();
    for (name, arguments) in [
        ("kedgectl.txt", &["--help"][..]),
        ("scan.txt", &["scan", "--help"]),
        ("sbom-generate.txt", &["sbom", "generate", "--help"]),
        ("db.txt", &["db", "--help"]),
        ("image.txt", &["image", "--help"]),
        ("image-add.txt", &["image", "add", "--help"]),
        ("registry-add.txt", &["registry", "add", "--help"]),
        ("exit-codes.txt", &["help", "exit-codes"]),
        ("environment.txt", &["help", "environment"]),
        ("formats.txt", &["help", "formats"]),
        ("targets.txt", &["help", "targets"]),
    ] {
        let run = home.ok(arguments);
        assert_eq!(run.stderr, "", "{name}");
        check_golden(name, &run.stdout);
    }
}

#[test]
fn help_of_a_command_is_the_command_s_help() {
    let home = Home::new();
    assert!(home.ok(&["help", "image", "add"]).stdout.contains("--dockerfile"));
    assert!(home.ok(&["version"]).stdout.contains("kedgectl "));
    assert!(home.ok(&["completion", "bash"]).stdout.contains("complete"));
}

#[test]
fn a_wrong_command_line_is_64_and_never_2() {
    let home = Home::new();
    for arguments in [
        &[][..],
        &["scn", "alpine"],
        &["scan"],
        &["scan", "x", "--no-such-flag"],
        &["scan", "x", "--fail-on", "terrible"],
        &["scan", "x", "-o", "tabel"],
        &["scan", "x", "--max-db-age", "soon"],
        &["scan", "x", "--platform", "linux"],
        &["scan", "docker:alpine"],
        &["scan", "Bad Reference"],
        &["help", "nothing"],
        &["image", "delete"],
        &["image", "add", "app:1", "--timeout", "1x"],
        &["--url", "not-a-url", "image", "list"],
        &["--url", "http://bob:canary@x", "image", "list"],
        &["db", "search"],
    ] {
        let run = home.run(arguments);
        assert_eq!(run.code, 64, "{arguments:?}: {run:?}");
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(!run.stderr.is_empty() && !run.stderr.contains("canary"), "{run:?}");
    }
    assert!(home.run(&["scan", "x", "-o", "tabel"]).stderr.contains("did you mean 'table'"));
}
