//! `kedgectl image`: images of a node.

mod add;
mod content;
mod verdict;
mod vulnerabilities;

use crate::Session;
use crate::client::{Client, Query, put};
use crate::exit::{Exit, Failure};
use crate::output::list::{Column, ListOutput, column, wide};
use crate::output::table::{Cell, Tone};
use crate::text;
use clap::{Args, Subcommand, ValueEnum};
use kedge_api::images::{
    AnalysisStatus, AnchoreImage, AnchoreImageList, DeleteImageResponse, DeleteStatus,
};
use kedge_artifact::digest::Digest;
use kedge_artifact::reference::Reference;

const EXAMPLES: &str = "\
Examples:
  kedgectl image add registry.example.com/app:1 --wait
  kedgectl image list --status analyzed
  kedgectl image vuln registry.example.com/app:1 --fail-on high
  kedgectl image check registry.example.com/app:1 --detail --gate
  kedgectl image sbom registry.example.com/app:1 -o cyclonedx-json=app.cdx.json
  kedgectl image list -o name | xargs -n1 kedgectl image vuln

IMAGE is a reference (registry/repository:tag) or a digest (sha256:…).";

/// Add images to a node and look at what is known about them
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum ImageCommand {
    /// Submit an image for analysis
    #[command(after_help = EXAMPLES)]
    Add(add::AddArgs),
    /// Wait until an image is analysed
    Wait(add::WaitArgs),
    /// List images
    List(ListArgs),
    /// Show an image
    Get(GetArgs),
    /// List an image's vulnerabilities
    #[command(alias = "vulnerabilities", after_help = EXAMPLES)]
    Vuln(vulnerabilities::VulnArgs),
    /// List what is inside an image: packages by type, or files
    Content(content::ContentArgs),
    /// Judge an image by a policy
    #[command(after_help = EXAMPLES)]
    Check(verdict::CheckArgs),
    /// Write an image's SBOM
    Sbom(content::SbomArgs),
    /// Show manifest, history or dockerfile
    Metadata(content::MetadataArgs),
    /// Delete images and everything known about them
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only images in this state
    #[arg(long, value_name = "STATUS")]
    status: Option<Status>,
    /// Only images of this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Also digests that a tag pointed to before
    #[arg(long)]
    history: bool,
    #[command(flatten)]
    output: ListOutput,
}

/// Analysis status as a flag value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Status {
    /// Waiting
    #[value(alias = "not_analyzed")]
    NotAnalyzed,
    /// Running
    Analyzing,
    /// Done
    Analyzed,
    /// Given up
    #[value(alias = "analysis_failed")]
    AnalysisFailed,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Self::NotAnalyzed => AnalysisStatus::NotAnalyzed.as_str(),
            Self::Analyzing => AnalysisStatus::Analyzing.as_str(),
            Self::Analyzed => AnalysisStatus::Analyzed.as_str(),
            Self::AnalysisFailed => AnalysisStatus::AnalysisFailed.as_str(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Reference or digest
    image: String,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// References or digests
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Also when tags or subscriptions still need it
    #[arg(long)]
    force: bool,
}

/// Runs the area.
pub(crate) async fn run(session: &Session, command: ImageCommand) -> Result<Exit, Failure> {
    match command {
        ImageCommand::Add(args) => add::add(session, args).await,
        ImageCommand::Wait(args) => add::wait(session, args).await,
        ImageCommand::List(args) => list(session, args).await,
        ImageCommand::Get(args) => {
            let client = session.client()?;
            let image = find(&client, &args.image).await?;
            show(session, &args.output, &image)?;
            Ok(Exit::Ok)
        }
        ImageCommand::Vuln(args) => vulnerabilities::run(session, args).await,
        ImageCommand::Content(args) => content::content(session, args).await,
        ImageCommand::Check(args) => verdict::run(session, args).await,
        ImageCommand::Sbom(args) => content::sbom(session, args).await,
        ImageCommand::Metadata(args) => content::metadata(session, args).await,
        ImageCommand::Delete(args) => delete(session, args).await,
    }
}

/// What a person named: a digest, or a reference.
enum Named {
    Digest(String),
    Tag(String),
}

fn parse(text: &str) -> Result<Named, Failure> {
    if let Ok(digest) = text.parse::<Digest>() {
        return Ok(Named::Digest(digest.to_string()));
    }
    let reference: Reference = text.parse().map_err(Failure::usage)?;
    Ok(match (&reference.digest, &reference.tag) {
        (Some(digest), _) => Named::Digest(digest.to_string()),
        (None, Some(tag)) => Named::Tag(format!("{}:{tag}", reference.name())),
        (None, None) => Named::Tag(reference.name()),
    })
}

/// The image of a reference or digest.
async fn find(client: &Client, text: &str) -> Result<AnchoreImage, Failure> {
    let hint = format!("add it with 'kedgectl image add {text}'");
    let missing = || Failure::not_found(format!("the node has no image {text}")).hint(hint.clone());
    match parse(text)? {
        Named::Digest(digest) => {
            let image = client.get(&["v2", "images", &digest], Vec::new()).await;
            image.map_err(|failure| {
                let missing = failure.exit == Exit::NotFound && failure.hint.is_none();
                if missing { failure.hint(hint.clone()) } else { failure }
            })
        }
        Named::Tag(tag) => {
            let mut query = Query::new();
            put(&mut query, "full_tag", Some(&tag));
            let list: AnchoreImageList = client.get(&["v2", "images"], query).await?;
            list.items.into_iter().next().ok_or_else(missing)
        }
    }
}

/// The digest of a reference or digest; a digest is not looked up.
async fn digest(client: &Client, text: &str) -> Result<String, Failure> {
    match parse(text)? {
        Named::Digest(digest) => Ok(digest),
        Named::Tag(_) => Ok(find(client, text).await?.image_digest),
    }
}

fn status_cell(status: AnalysisStatus) -> Cell {
    let tone = match status {
        AnalysisStatus::Analyzed => Tone::Good,
        AnalysisStatus::AnalysisFailed => Tone::Bad,
        AnalysisStatus::Analyzing | AnalysisStatus::NotAnalyzed => Tone::Warn,
    };
    Cell::toned(status.as_str(), tone)
}

fn tag(image: &AnchoreImage) -> String {
    image.image_detail.first().map(|detail| detail.full_tag.clone()).unwrap_or_default()
}

fn distro(image: &AnchoreImage) -> String {
    let metadata = image.image_content.as_ref().map(|content| &content.metadata);
    let part = |text: Option<&String>| text.cloned().unwrap_or_default();
    metadata
        .map(|m| format!("{} {}", part(m.distro.as_ref()), part(m.distro_version.as_ref())))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

async fn list(session: &Session, args: ListArgs) -> Result<Exit, Failure> {
    let mut query = Query::new();
    put(&mut query, "analysis_status", args.status.map(Status::word));
    let tag = args.tag.as_deref().map(|tag| match parse(tag)? {
        Named::Tag(tag) => Ok(tag),
        Named::Digest(_) => Err(Failure::usage("--tag needs a tag, not a digest")),
    });
    put(&mut query, "full_tag", tag.transpose()?);
    put(&mut query, "history", args.history.then_some(true));
    let list: AnchoreImageList = session.client()?.get(&["v2", "images"], query).await?;
    args.output.list(session.out, "ImageList", &list.items, &columns())?;
    Ok(Exit::Ok)
}

/// The digest is the second column for people, but the name of an image for scripts is its tag,
/// which every command takes.
fn columns() -> [Column<AnchoreImage>; 8] {
    [
        column("TAG", |image| {
            let tag = tag(image);
            if tag.is_empty() { image.image_digest.as_str().into() } else { tag.into() }
        }),
        column("DIGEST", |image| text::short_digest(&image.image_digest).into()),
        column("STATUS", |image| status_cell(image.analysis_status)),
        column("DISTRO", |image| distro(image).into()),
        column("ADDED", |image| text::ago_text(&image.created_at).into()),
        wide("IMAGE DIGEST", |image| image.image_digest.as_str().into()),
        wide("IMAGE ID", |image| {
            image.image_detail.first().map(|d| d.image_id.clone()).unwrap_or_default().into()
        }),
        wide("OTHER TAGS", |image| {
            let tags: Vec<&str> =
                image.image_detail.iter().skip(1).map(|d| d.full_tag.as_str()).collect();
            tags.join(" ").into()
        }),
    ]
}

fn show(session: &Session, output: &ListOutput, image: &AnchoreImage) -> Result<(), Failure> {
    let tags: Vec<&str> = image.image_detail.iter().map(|d| d.full_tag.as_str()).collect();
    let metadata = image.image_content.as_ref().map(|content| content.metadata.clone());
    let metadata = metadata.unwrap_or_default();
    let annotations: Vec<String> =
        image.annotations.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let id = image.image_detail.first().map(|d| d.image_id.clone()).unwrap_or_default();
    let facts = vec![
        ("digest", image.image_digest.as_str().into()),
        ("tags", tags.join(", ").into()),
        ("status", status_cell(image.analysis_status)),
        ("image id", id.into()),
        ("distro", distro(image).into()),
        ("architecture", metadata.arch.unwrap_or_default().into()),
        ("size", metadata.image_size.map(text::bytes).unwrap_or_default().into()),
        ("layers", metadata.layer_count.map(|n| n.to_string()).unwrap_or_default().into()),
        ("annotations", annotations.join(", ").into()),
        ("account", image.account_name.as_str().into()),
        ("added", format!("{} ({})", text::ago_text(&image.created_at), image.created_at).into()),
    ];
    output.object(session.out, "Image", image, facts)
}

async fn delete(session: &Session, args: DeleteArgs) -> Result<Exit, Failure> {
    let client = session.client()?;
    let mut digests = Vec::new();
    for image in &args.images {
        digests.push((image, digest(&client, image).await?));
    }
    session.confirm(&format!("delete {}?", text::count(digests.len(), "image")))?;
    let mut refused = Vec::new();
    for (image, digest) in digests {
        let mut query = Query::new();
        put(&mut query, "force", args.force.then_some(true));
        let answer = client.delete(&["v2", "images", &digest], query).await?;
        let answer: DeleteImageResponse =
            serde_json::from_slice(&answer).map_err(Failure::error)?;
        match answer.status {
            DeleteStatus::Deleting => session.ui.note(&format!("{image} is deleted")),
            DeleteStatus::NotFound => {
                return Err(Failure::not_found(format!("the node has no image {image}")));
            }
            DeleteStatus::DeleteFailed => {
                refused.push(format!("{image}: {}", answer.detail.unwrap_or_default()));
            }
        }
    }
    if refused.is_empty() {
        return Ok(Exit::Ok);
    }
    Err(Failure::error(format!("not deleted: {}", refused.join("; "))).hint("--force may help"))
}
