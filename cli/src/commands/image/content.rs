//! `image content`, `image sbom`, `image metadata`.

use super::digest;
use crate::Session;
use crate::exit::{Exit, Failure};
use crate::output::list::{ListOutput, column, wide};
use crate::output::table::Cell;
use crate::output::{Spec, named};
use base64::Engine;
use clap::Args;
use kedge_api::content::{
    ContentCount, ContentFilesResponse, ContentJavaPackageResponse, ContentPackageResponse,
    FilesContent, ImageContentSummary, JavaPackageContent, LicenseReviewItem,
    LicenseReviewResponse, MetadataResponse, PackageContent,
};
use std::str::FromStr;

#[derive(Debug, Args)]
pub(crate) struct ContentArgs {
    /// Reference or digest
    image: String,
    /// os, files, npm, python, java, go, rust, gem, licenses, …; a summary when absent
    #[arg(value_name = "TYPE")]
    kind: Option<String>,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct SbomArgs {
    /// Reference or digest
    image: String,
    /// Format: kedge-json, cyclonedx-json, spdx-json; FORMAT=FILE writes a file. Repeatable
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT[=FILE]",
        default_value = "kedge-json"
    )]
    output: Vec<Spec<SbomFormat>>,
}

/// Format of an SBOM of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SbomFormat {
    Native,
    CycloneDx,
    Spdx,
}

impl SbomFormat {
    const fn path(self) -> &'static str {
        match self {
            Self::Native => "native-json",
            Self::CycloneDx => "cyclonedx-json",
            Self::Spdx => "spdx-json",
        }
    }
}

impl FromStr for SbomFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(
            text,
            &[
                ("kedge-json", Self::Native),
                ("json", Self::Native),
                ("native-json", Self::Native),
                ("cyclonedx-json", Self::CycloneDx),
                ("spdx-json", Self::Spdx),
            ],
        )
    }
}

#[derive(Debug, Args)]
pub(crate) struct MetadataArgs {
    /// Reference or digest
    image: String,
    /// manifest, docker_history or dockerfile; the list of types when absent
    #[arg(value_name = "TYPE")]
    kind: Option<String>,
}

/// Lists content.
pub(crate) async fn content(session: &Session, args: ContentArgs) -> Result<Exit, Failure> {
    let client = session.client()?;
    let digest = digest(&client, &args.image).await?;
    let place = |last| ["v2", "images", &digest, "content", last].map(str::to_owned);
    let stage = session.ui.stage("Fetching content");
    let (out, output) = (session.out, &args.output);
    let kind = args.kind.as_deref().unwrap_or_default();
    let path = place(kind);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match kind {
        "" => {
            let place = ["v2", "images", &digest, "content-summary"];
            let answer: ImageContentSummary = client.get(&place, Vec::new()).await?;
            drop(stage);
            let columns = [
                column("TYPE", |row: &ContentCount| row.content_type.as_str().into()),
                column("COUNT", |row: &ContentCount| row.count.to_string().into()),
                column("NAME", |row: &ContentCount| row.display_name.as_str().into()),
            ];
            output.list(out, "ContentSummary", &answer.items, &columns)?;
        }
        "files" => {
            let answer: ContentFilesResponse = client.get(&path, Vec::new()).await?;
            drop(stage);
            output.list(out, "FileList", &answer.content, &file_columns())?;
        }
        "java" => {
            let answer: ContentJavaPackageResponse = client.get(&path, Vec::new()).await?;
            drop(stage);
            let columns = [
                column("NAME", |row: &JavaPackageContent| row.package.as_str().into()),
                column("VERSION", |row: &JavaPackageContent| row.version.as_str().into()),
                column("TYPE", |row: &JavaPackageContent| row.kind.as_str().into()),
                column("PATH", |row: &JavaPackageContent| row.location.as_str().into()),
                wide("ORIGIN", |row: &JavaPackageContent| row.origin.as_str().into()),
                wide("PURL", |row: &JavaPackageContent| row.purl.as_str().into()),
            ];
            output.list(out, "PackageList", &answer.content, &columns)?;
        }
        "licenses" => {
            let answer: LicenseReviewResponse = client.get(&path, Vec::new()).await?;
            drop(stage);
            let columns = [
                column("NAME", |row: &LicenseReviewItem| row.package.name.as_str().into()),
                column("VERSION", |row: &LicenseReviewItem| row.package.version.as_str().into()),
                column("LICENSES", |row: &LicenseReviewItem| {
                    let ids: Vec<&str> =
                        row.licenses.iter().map(|l| l.license_id.as_str()).collect();
                    ids.join(", ").into()
                }),
            ];
            output.list(out, "LicenseList", &answer.items, &columns)?;
        }
        _ => {
            let answer: ContentPackageResponse = client.get(&path, Vec::new()).await?;
            drop(stage);
            let columns = [
                column("NAME", |row: &PackageContent| row.package.as_str().into()),
                column("VERSION", |row: &PackageContent| row.version.as_str().into()),
                column("TYPE", |row: &PackageContent| row.kind.as_str().into()),
                column("LICENSES", |row: &PackageContent| row.licenses.join(", ").into()),
                wide("PATH", |row: &PackageContent| row.location.as_str().into()),
                wide("PURL", |row: &PackageContent| row.purl.as_str().into()),
            ];
            output.list(out, "PackageList", &answer.content, &columns)?;
        }
    }
    Ok(Exit::Ok)
}

fn file_columns() -> [crate::output::list::Column<FilesContent>; 7] {
    [
        column("PATH", |row| row.filename.as_str().into()),
        column("TYPE", |row| row.kind.as_str().into()),
        column("MODE", |row| row.mode.as_str().into()),
        column("SIZE", |row| row.size.to_string().into()),
        column("OWNER", |row| Cell::new(format!("{}:{}", row.uid, row.gid))),
        wide("LINK", |row| row.linkdest.clone().unwrap_or_default().into()),
        wide("SHA256", |row| row.sha256.clone().unwrap_or_default().into()),
    ]
}

/// Writes the bytes as the node has them.
pub(crate) async fn sbom(session: &Session, args: SbomArgs) -> Result<Exit, Failure> {
    let client = session.client()?;
    let digest = digest(&client, &args.image).await?;
    for spec in &args.output {
        let place = ["v2", "images", &digest, "sboms", spec.format.path()];
        let bytes = client.bytes(&place).await?;
        session.out.write(spec, &bytes)?;
    }
    Ok(Exit::Ok)
}

/// Writes decoded metadata.
pub(crate) async fn metadata(session: &Session, args: MetadataArgs) -> Result<Exit, Failure> {
    let client = session.client()?;
    let digest = digest(&client, &args.image).await?;
    let Some(kind) = &args.kind else {
        let kinds: Vec<String> =
            client.get(&["v2", "images", &digest, "metadata"], Vec::new()).await?;
        session.out.print(format!("{}\n", kinds.join("\n")).as_bytes())?;
        return Ok(Exit::Ok);
    };
    let place = ["v2", "images", &digest, "metadata", kind];
    let answer: MetadataResponse = client.get(&place, Vec::new()).await?;
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(&answer.metadata).map_err(|error| {
            Failure::error(format!("the node sent metadata that is not base64: {error}"))
        })?;
    session.out.print(&bytes)?;
    Ok(Exit::Ok)
}
