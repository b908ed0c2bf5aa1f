//! `kedgectl sbom`: making, converting and comparing SBOMs. No server.

use crate::Session;
use crate::commands::scan::target::{self, TargetFlags};
use crate::exit::{Exit, Failure};
use crate::output::table::{Cell, Table, Tone};
use crate::output::{API_VERSION, Spec, named, pretty};
use clap::{Args, Subcommand};
use kedge_analyzer::sbom::diff::{SbomDiff, diff};
use kedge_analyzer::sbom::{DocumentInfo, Format, write};
use kedge_artifact::problem::ProblemSeverity;
use kedge_artifact::sbom::Sbom;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

const EXAMPLES: &str = "\
Examples:
  kedgectl sbom generate alpine:3.20 -o cyclonedx-json=app.cdx.json
  kedgectl sbom generate dir:. -o table
  kedgectl sbom convert app.cdx.json -o spdx-json
  kedgectl sbom diff old.json new.json";

/// Make, convert and compare SBOMs, without a server
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum SbomCommand {
    /// List what is inside a target
    #[command(after_help = EXAMPLES)]
    Generate(GenerateArgs),
    /// Write an SBOM in another format
    Convert(ConvertArgs),
    /// Show the packages that differ between two SBOMs
    Diff(DiffArgs),
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// Image reference, path or SCHEME:PLACE (kedgectl help targets)
    target: String,
    /// Format: kedge-json, cyclonedx-json, spdx-json, table; FORMAT=FILE writes a file. Repeatable
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT[=FILE]",
        default_value = "kedge-json"
    )]
    output: Vec<Spec<SbomFormat>>,
    /// Name of the target in the document
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    flags: TargetFlags,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// SBOM in kedge, CycloneDX or SPDX JSON; - for standard input
    file: PathBuf,
    /// Format: kedge-json, cyclonedx-json, spdx-json, table; FORMAT=FILE writes a file. Repeatable
    #[arg(short = 'o', long = "output", value_name = "FORMAT[=FILE]", required = true)]
    output: Vec<Spec<SbomFormat>>,
    /// Name of what the document describes; the file's name when absent
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The older SBOM
    old: PathBuf,
    /// The newer SBOM
    new: PathBuf,
    /// Format: table, wide, json, csv, markdown; FORMAT=FILE writes a file. Repeatable
    #[arg(short = 'o', long = "output", value_name = "FORMAT[=FILE]", default_value = "table")]
    output: Vec<Spec<DiffFormat>>,
    /// Exit with 2 when there is a difference
    #[arg(long)]
    fail_on_change: bool,
}

/// Format of an SBOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SbomFormat {
    Document(Format),
    Table,
}

impl FromStr for SbomFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(
            text,
            &[
                ("kedge-json", Self::Document(Format::Native)),
                ("json", Self::Document(Format::Native)),
                ("cyclonedx-json", Self::Document(Format::CycloneDx)),
                ("spdx-json", Self::Document(Format::Spdx)),
                ("table", Self::Table),
            ],
        )
    }
}

/// Format of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiffFormat {
    Table,
    Wide,
    Json,
    Csv,
    Markdown,
}

impl FromStr for DiffFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(
            text,
            &[
                ("table", Self::Table),
                ("wide", Self::Wide),
                ("json", Self::Json),
                ("csv", Self::Csv),
                ("markdown", Self::Markdown),
            ],
        )
    }
}

/// Runs the area.
pub(crate) async fn run(session: &Session, command: SbomCommand) -> Result<Exit, Failure> {
    match command {
        SbomCommand::Generate(args) => generate(session, args).await,
        SbomCommand::Convert(args) => convert(session, &args),
        SbomCommand::Diff(args) => compare(session, &args),
    }
}

async fn generate(session: &Session, args: GenerateArgs) -> Result<Exit, Failure> {
    let mut content = target::open(session.ui, target::locate(&args.target)?, &args.flags).await?;
    if let Some(name) = args.name {
        content.info.name = name;
    }
    for problem in content.sbom.problems.iter().chain(&content.notes) {
        if problem.severity != ProblemSeverity::Info {
            session.ui.warn(&format!("{}: {} ({})", problem.place, problem.message, problem.code));
        }
    }
    emit(session, &content.sbom, &content.info, &args.output)?;
    Ok(Exit::Ok)
}

fn convert(session: &Session, args: &ConvertArgs) -> Result<Exit, Failure> {
    let sbom = target::read_sbom(&args.file)?;
    let name = args.name.clone().unwrap_or_else(|| args.file.display().to_string());
    emit(session, &sbom, &DocumentInfo { name, created: None }, &args.output)?;
    Ok(Exit::Ok)
}

fn emit(
    session: &Session,
    sbom: &Sbom,
    info: &DocumentInfo,
    specs: &[Spec<SbomFormat>],
) -> Result<(), Failure> {
    for spec in specs {
        let bytes = match spec.format {
            SbomFormat::Document(format) => write(sbom, format, info),
            SbomFormat::Table => {
                let style = session.out.style(false, true, spec.file.is_some());
                table(sbom).text(style).into_bytes()
            }
        };
        session.out.write(spec, &bytes)?;
    }
    Ok(())
}

fn table(sbom: &Sbom) -> Table {
    let mut table = Table::new(&["NAME", "VERSION", "TYPE", "LICENSES", "PATH"]);
    for package in &sbom.packages {
        let path = package.locations.first().map_or("", |location| location.path.as_str());
        table.row(vec![
            package.name.as_str().into(),
            package.version.as_str().into(),
            package.kind.as_str().into(),
            package.licenses.join(", ").into(),
            path.into(),
        ]);
    }
    table
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DiffDocument<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    diff: &'a SbomDiff,
}

fn compare(session: &Session, args: &DiffArgs) -> Result<Exit, Failure> {
    if args.old == Path::new("-") && args.new == Path::new("-") {
        return Err(Failure::usage("only one of the two can come from standard input"));
    }
    let (old, new) = (target::read_sbom(&args.old)?, target::read_sbom(&args.new)?);
    let diff = diff(&old, &new);
    let rows = diff_table(&diff);
    for spec in &args.output {
        let style = |wide| session.out.style(wide, true, spec.file.is_some());
        let bytes = match spec.format {
            DiffFormat::Table | DiffFormat::Wide if diff.is_empty() => b"no difference\n".to_vec(),
            DiffFormat::Table => rows.text(style(false)).into_bytes(),
            DiffFormat::Wide => rows.text(style(true)).into_bytes(),
            DiffFormat::Json => {
                pretty(&DiffDocument { api_version: API_VERSION, kind: "SbomDiff", diff: &diff })?
            }
            DiffFormat::Csv => rows.csv(true).into_bytes(),
            DiffFormat::Markdown => rows.markdown().into_bytes(),
        };
        session.out.write(spec, &bytes)?;
    }
    let failed = args.fail_on_change && !diff.is_empty();
    Ok(if failed { Exit::GateFailed } else { Exit::Ok })
}

fn diff_table(diff: &SbomDiff) -> Table {
    let mut table = Table::new(&["CHANGE", "NAME", "TYPE", "FROM", "TO"]);
    for change in &diff.changed {
        table.row(vec![
            Cell::toned("changed", Tone::Warn),
            change.package.name.as_str().into(),
            change.package.kind.as_str().into(),
            change.from.join(", ").into(),
            change.to.join(", ").into(),
        ]);
    }
    for added in &diff.added {
        table.row(vec![
            Cell::toned("added", Tone::Good),
            added.package.name.as_str().into(),
            added.package.kind.as_str().into(),
            "".into(),
            added.versions.join(", ").into(),
        ]);
    }
    for removed in &diff.removed {
        table.row(vec![
            Cell::toned("removed", Tone::Bad),
            removed.package.name.as_str().into(),
            removed.package.kind.as_str().into(),
            removed.versions.join(", ").into(),
            "".into(),
        ]);
    }
    table
}
