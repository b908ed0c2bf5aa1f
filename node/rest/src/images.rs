//! Images: submission, listing, deletion.

use crate::Answer;
use crate::Server;
use crate::error::Failure;
use crate::extract::{Asked, JsonBody, Params, Who};
use crate::large::large;
use crate::table::Table;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use kedge_api::images::{
    AddImageQuery, AnalysisStatus, AnchoreImage, AnchoreImageList, DeleteImageQuery,
    DeleteImageResponse, DeleteImagesQuery, DeleteStatus, DockerfileMode, ImageAnalysisRequest,
    ImageAncestor, ImageContent, ImageContentMetadata, ImageDetail, ImageSource, ImageStatus,
    ImageStatusFilter, ListImagesQuery,
};
use kedge_app::images::{Deletion, DeletionOutcome, ImageFilter, ImageView, NewImage, Source};
use kedge_model::image::{AnalysisState, Image, TagSeen};

pub(crate) fn serve(table: Table) -> Table {
    table
        .on("list_images", list_images)
        .on("add_image", add_image)
        .on("delete_images_async", delete_images_async)
        .on("get_image", get_image)
        .on("delete_image", delete_image)
        .on("get_image_ancestors", get_image_ancestors)
}

const fn analysis_status(state: AnalysisState) -> AnalysisStatus {
    match state {
        AnalysisState::NotAnalyzed => AnalysisStatus::NotAnalyzed,
        AnalysisState::Analyzing => AnalysisStatus::Analyzing,
        AnalysisState::Analyzed => AnalysisStatus::Analyzed,
        AnalysisState::Failed => AnalysisStatus::AnalysisFailed,
    }
}

const fn analysis_state(status: AnalysisStatus) -> AnalysisState {
    match status {
        AnalysisStatus::NotAnalyzed => AnalysisState::NotAnalyzed,
        AnalysisStatus::Analyzing => AnalysisState::Analyzing,
        AnalysisStatus::Analyzed => AnalysisState::Analyzed,
        AnalysisStatus::AnalysisFailed => AnalysisState::Failed,
    }
}

fn content(image: &Image) -> Option<ImageContent> {
    let result = image.result.as_ref()?;
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let mode = match image.dockerfile {
        Some(_) => DockerfileMode::Actual,
        None => DockerfileMode::Guessed,
    };
    Some(ImageContent {
        metadata: ImageContentMetadata {
            arch: text(&image.platform.architecture),
            distro: text(&result.distro),
            distro_version: text(&result.distro_version),
            extended_support: None,
            dockerfile_mode: Some(mode),
            image_size: Some(result.size_bytes),
            layer_count: Some(u64::from(result.layer_count)),
        },
    })
}

fn detail(image: &Image, seen: &TagSeen, dockerfile: Option<&String>) -> ImageDetail {
    ImageDetail {
        full_tag: seen.full_tag(),
        full_digest: format!("{}/{}@{}", seen.registry, seen.repository, image.digest),
        account_name: image.account.0.clone(),
        image_id: image.image_id.map(|id| id.hex()).unwrap_or_default(),
        registry: seen.registry.clone(),
        repo: seen.repository.clone(),
        tag: seen.tag.clone(),
        image_digest: image.digest.to_string(),
        dockerfile: dockerfile.cloned(),
        tag_detected_at: seen.detected_at.to_string(),
        created_at: image.created_at.to_string(),
        last_updated: image.last_updated.to_string(),
    }
}

fn anchore_image(view: ImageView) -> AnchoreImage {
    let image = &view.image;
    let details = view.tags.iter().map(|seen| detail(image, seen, view.dockerfile.as_ref()));
    AnchoreImage {
        image_digest: image.digest.to_string(),
        parent_digest: image.parent_digest.to_string(),
        account_name: image.account.0.clone(),
        image_status: ImageStatus::Active,
        analysis_status: analysis_status(image.analysis),
        analysis_status_detail: None,
        image_content: content(image),
        image_detail: details.collect(),
        annotations: image.annotations.iter().cloned().collect(),
        created_at: image.created_at.to_string(),
        last_updated: image.last_updated.to_string(),
    }
}

fn new_image(body: ImageAnalysisRequest, force: bool) -> Result<NewImage, Failure> {
    let bad = |text: &str| Failure::Malformed(text.to_owned());
    if body.image_type.as_deref().is_some_and(|kind| kind != "docker") {
        return Err(bad("'image_type' must be docker"));
    }
    let given = body.source.ok_or_else(|| bad("'source' is a required property"))?;
    let (source, dockerfile) = match given {
        ImageSource { tag: Some(tag), digest: None, archive: None, import: None } => {
            (Source::Tag { pull_string: tag.pull_string }, tag.dockerfile)
        }
        ImageSource { tag: None, digest: Some(digest), archive: None, import: None } => {
            let source = Source::Digest {
                pull_string: digest.pull_string,
                tag: digest.tag,
                created_at: digest.creation_timestamp_override,
            };
            (source, digest.dockerfile)
        }
        ImageSource { tag: None, digest: None, archive: None, import: None } => {
            return Err(bad("'source' must have one of tag, digest"));
        }
        ImageSource { tag: None, digest: None, .. } => {
            return Err(bad("sources 'archive' and 'import' are not supported, use tag or digest"));
        }
        ImageSource { .. } => {
            return Err(bad("only one of the properties of 'source' may be set"));
        }
    };
    let annotations = body.annotations.unwrap_or_default().into_iter().collect();
    Ok(NewImage { source, dockerfile, annotations, force })
}

async fn list_images(
    State(server): State<Server>,
    Who(who): Who,
    Asked(query): Asked<ListImagesQuery>,
) -> Result<Response, Failure> {
    let filter = ImageFilter {
        image_id: query.image_id,
        history: query.history.unwrap_or(false),
        full_tag: query.full_tag,
        deleting: query.image_status == Some(ImageStatusFilter::Deleting),
        analysis: query.analysis_status.map(analysis_state),
        analyzed_since: query.analyzed_since,
    };
    let views = server.app.list_images(&who, &filter).await?;
    let items = move || views.into_iter().map(anchore_image).collect();
    large(move || Ok(AnchoreImageList { items: items() })).await
}

async fn add_image(
    State(server): State<Server>,
    Who(who): Who,
    Asked(query): Asked<AddImageQuery>,
    JsonBody(body): JsonBody<ImageAnalysisRequest>,
) -> Answer<AnchoreImage> {
    let new = new_image(body, query.force.unwrap_or(false))?;
    Ok(Json(anchore_image(server.app.add_image(&who, &new).await?)))
}

fn deletion(deletion: Deletion) -> DeleteImageResponse {
    let (status, detail) = match deletion.outcome {
        DeletionOutcome::NotFound => (DeleteStatus::NotFound, None),
        DeletionOutcome::Deleting => (DeleteStatus::Deleting, None),
        DeletionOutcome::Failed(reason) => (DeleteStatus::DeleteFailed, Some(reason)),
    };
    DeleteImageResponse { image_digest: deletion.digest, status, detail }
}

async fn delete_images_async(
    State(server): State<Server>,
    Who(who): Who,
    Asked(query): Asked<DeleteImagesQuery>,
) -> Answer<Vec<DeleteImageResponse>> {
    let force = query.force.unwrap_or(false);
    let deletions = server.app.delete_images(&who, &query.image_digests, force).await?;
    Ok(Json(deletions.into_iter().map(deletion).collect()))
}

async fn get_image(
    State(server): State<Server>,
    Who(who): Who,
    Params(digest): Params<String>,
) -> Answer<AnchoreImage> {
    Ok(Json(anchore_image(server.app.get_image(&who, &digest).await?)))
}

async fn delete_image(
    State(server): State<Server>,
    Who(who): Who,
    Params(digest): Params<String>,
    Asked(query): Asked<DeleteImageQuery>,
) -> Answer<DeleteImageResponse> {
    let force = query.force.unwrap_or(false);
    let deletions = server.app.delete_images(&who, std::slice::from_ref(&digest), force).await?;
    let none = Deletion { digest, outcome: DeletionOutcome::NotFound };
    Ok(Json(deletion(deletions.into_iter().next().unwrap_or(none))))
}

/// Which images another one was built on is not known yet; clients take an empty list.
async fn get_image_ancestors(
    State(server): State<Server>,
    Who(who): Who,
    Params(digest): Params<String>,
) -> Answer<Vec<ImageAncestor>> {
    server.app.get_image(&who, &digest).await?;
    Ok(Json(Vec::new()))
}
