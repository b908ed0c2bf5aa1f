//! `kedgectl help TOPIC`.

use crate::cli::Cli;
use crate::environment;
use crate::exit::{Exit, Failure};
use clap::CommandFactory;

const FORMATS: &str = "\
Formats: -o FORMAT writes to standard output, -o FORMAT=FILE to a file; repeat for several at once.

Lists and objects of a node, and of 'db'
  table          for people; cut to the terminal (default)
  wide           all columns, not cut
  json           one document with apiVersion, kind and items
  jsonl          one item a line
  csv, markdown  all columns
  name           the first column only, one a line, for xargs

Scans
  table, wide, csv, markdown
  json           everything: findings with the reason of each match, what was suppressed and by
                 which rule, what was checked against which data, problems (also: kedge-json)
  jsonl          one finding a line
  cyclonedx-json, spdx-json, kedge-sbom   the SBOM of the target, without findings

SBOMs
  kedge-json     our own; the same bytes for the same content on every machine
  cyclonedx-json CycloneDX 1.6
  spdx-json      SPDX 2.3
  table          for people
";

const TARGETS: &str = "\
Targets of 'scan' and 'sbom generate':

  REF                    image in a registry: alpine:3.20, registry.example.com:5000/app@sha256:…
  registry:REF           the same, also when a file of that name exists
  docker-archive:FILE    made by 'docker save' or 'podman save'; FILE:NAME chooses one of several
  oci-archive:FILE       OCI layout in a tar; FILE:NAME chooses one of several
  oci:DIR                OCI layout in a folder; DIR:NAME chooses one of several
  dir:DIR, rootfs:DIR    a directory tree
  file:FILE              one file
  sbom:FILE              an SBOM: kedge, CycloneDX or SPDX JSON
  -                      an SBOM on standard input

Without a scheme an existing path is looked at to tell what it is; anything else is an image.
Registry logins: KEDGE_REGISTRY_AUTH_USERNAME and _PASSWORD, else the files of docker and podman;
the entry with the longest matching repository path counts.
Container engines are not used: save the image to an archive, or push it to a registry.
";

/// Writes the help of a topic or command.
pub(crate) fn help(words: &[String]) -> Result<String, Failure> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["exit-codes"] => Ok(exit_codes()),
        ["environment"] => Ok(environment()),
        ["formats"] => Ok(FORMATS.to_owned()),
        ["targets"] => Ok(TARGETS.to_owned()),
        words => command(words),
    }
}

fn exit_codes() -> String {
    let lines =
        Exit::TABLE.iter().map(|(exit, meaning)| format!("  {:>3}  {meaning}\n", exit.code()));
    format!("Exit codes:\n\n{}", lines.collect::<String>())
}

fn environment() -> String {
    let lines =
        environment::TABLE.iter().map(|(name, meaning)| format!("  {name:<30} {meaning}\n"));
    format!(
        "Environment variables. Flags win over variables, variables over saved contexts.\n\n{}",
        lines.collect::<String>()
    )
}

fn command(words: &[&str]) -> Result<String, Failure> {
    let mut root = Cli::command();
    root.build();
    let mut found = &mut root;
    for word in words {
        found = found.find_subcommand_mut(word).ok_or_else(|| {
            Failure::usage(format!("there is no command or topic '{word}'"))
                .hint("topics are exit-codes, environment, formats and targets")
        })?;
    }
    Ok(found.render_long_help().to_string())
}
