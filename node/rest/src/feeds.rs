//! Vulnerability data: the contract's datasets, our drivers and generations, upload and download.

use crate::Answer;
use crate::Server;
use crate::content::unknown;
use crate::error::Failure;
use crate::extract::{Asked, Params, Who};
use crate::limits::FILE_CHUNK_BYTES;
use crate::table::Table;
use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt as _;
use kedge_api::feeds::{
    DATASETS, FeedDataRecord, FeedDriver, FeedDriverList, FeedGeneration, FeedGroupMetadata,
    FeedMetadata, FeedVersionQuery, ImportFeedsQuery, SyncFeedsQuery, SyncFeedsResponse,
    UploadFeedQuery,
};
use kedge_app::feeds::{Dataset, DriverView, FeedView, Group, SyncOutcome};
use kedge_app::identity::Identity;
use kedge_app::upload::Upload;
use kedge_artifact::time::Timestamp;
use kedge_model::feed::Generation;
use tokio_util::io::ReaderStream;

/// Version of the format of generations, as the datasets tell it.
const DATA_VERSION: &str = "1";

pub(crate) fn serve(table: Table) -> Table {
    table
        .on("get_system_feeds", get_system_feeds)
        .on("post_system_feeds", post_system_feeds)
        .on("get_system_feed", get_system_feed)
        .on("upload_system_feed", upload_system_feed)
        .on("list_feed_drivers", list_feed_drivers)
        .on("get_feed_generation", get_feed_generation)
        .on("export_feeds", export_feeds)
        .on("import_feeds", import_feeds)
}

fn group(group: Group, enabled: bool) -> FeedGroupMetadata {
    let fetched = group.fetched.map(|at| at.to_string());
    FeedGroupMetadata {
        name: group.name,
        data_service_built_at: fetched.clone(),
        enterprise_received_at: fetched.clone(),
        created_at: fetched.clone(),
        last_sync: fetched,
        record_count: group.record_count,
        enabled,
    }
}

fn feed(view: FeedView) -> FeedMetadata {
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let built = text(view.generation.as_ref().map(|generation| generation.built_at));
    let synced = text(view.last_success).filter(|_| view.generation.is_some());
    FeedMetadata {
        name: view.dataset.feed().to_owned(),
        version: Some(DATA_VERSION.to_owned()),
        created_at: built.clone(),
        updated_at: text(view.last_attempt),
        data_service_built_at: built.clone(),
        enterprise_received_at: synced.clone(),
        groups: view.groups.into_iter().map(|row| group(row, view.enabled)).collect(),
        // Imported data may say nothing about its fetching; it is complete all the same.
        last_full_sync: synced.or(built),
        enabled: view.enabled,
        dataset_name: Some(view.dataset.name().to_owned()),
        dataset_checksum: view.generation.map(|generation| generation.blob.to_string()),
    }
}

fn generation(active: &Generation, previous: Option<&Generation>) -> FeedGeneration {
    FeedGeneration {
        id: active.id.clone(),
        built_at: active.built_at.to_string(),
        record_count: active.record_count,
        size: active.bytes,
        previous: previous.map(|previous| previous.id.clone()),
    }
}

async fn get_system_feeds(
    State(server): State<Server>,
    Who(who): Who,
) -> Answer<Vec<FeedMetadata>> {
    Ok(Json(server.app.list_feeds(&who).await?.into_iter().map(feed).collect()))
}

async fn post_system_feeds(
    State(server): State<Server>,
    Who(who): Who,
    Asked(query): Asked<SyncFeedsQuery>,
) -> Answer<SyncFeedsResponse> {
    let force = query.force_sync.unwrap_or(false);
    let message = match server.app.sync_feeds(&who, force).await? {
        SyncOutcome::Done => "feeds are up to date".to_owned(),
        SyncOutcome::Running(job) => format!("feed sync job {} is still running", job.id),
    };
    Ok(Json(SyncFeedsResponse { message }))
}

async fn get_system_feed(
    State(server): State<Server>,
    Who(who): Who,
    Params(name): Params<String>,
    Asked(_): Asked<FeedVersionQuery>,
) -> Answer<FeedDataRecord> {
    if !DATASETS.contains(&name.as_str()) {
        return Err(unknown("feed", DATASETS));
    }
    let view = server.app.get_feed(&who, &name).await?;
    let received = view.last_success.map(|at| at.to_string());
    let active = view.generation.as_ref();
    let built = active.map(|generation| generation.built_at.to_string());
    Ok(Json(FeedDataRecord {
        id: active.map(|generation| generation.id.clone()).unwrap_or_default(),
        name: view.dataset.feed().to_owned(),
        dataset: name,
        data_format: "kedge-generation".to_owned(),
        checksum: active.map(|generation| generation.blob.to_string()).unwrap_or_default(),
        version: DATA_VERSION.to_owned(),
        data_service_built_at: built,
        enterprise_received_at: received,
    }))
}

/// All datasets travel in one generation, so there is one upload for all of them.
async fn upload_system_feed(
    State(server): State<Server>,
    Who(who): Who,
    Params(name): Params<String>,
    Asked(query): Asked<UploadFeedQuery>,
    request: Request,
) -> Result<StatusCode, Failure> {
    if !DATASETS.contains(&name.as_str()) {
        return Err(unknown("feed", DATASETS));
    }
    if name != Dataset::Vulnerabilities.name() {
        let text =
            format!("all data is uploaded as one file, to {}", Dataset::Vulnerabilities.name());
        return Err(Failure::Malformed(text));
    }
    if let Err(error) = query.built.parse::<Timestamp>() {
        return Err(Failure::Malformed(format!("query parameter built: {error}")));
    }
    let upload = receive_file(&server, &who, request).await?;
    server.app.import_feeds(&who, upload, Some(&query.checksum), false).await?;
    Ok(StatusCode::ACCEPTED)
}

/// The part `file` of a form.
async fn receive_file(
    server: &Server,
    who: &Identity,
    request: Request,
) -> Result<Upload, Failure> {
    let malformed = |error: axum::extract::multipart::MultipartError| {
        Failure::Malformed(format!("form: {}", error.body_text()))
    };
    let mut form = Multipart::from_request(request, server)
        .await
        .map_err(|_| Failure::MediaType { wanted: "multipart/form-data" })?;
    while let Some(mut part) = form.next_field().await.map_err(malformed)? {
        if part.name() != Some("file") {
            continue;
        }
        let mut upload = server.app.receive_feeds(who).await?;
        while let Some(piece) = part.chunk().await.map_err(malformed)? {
            upload.write(&piece).await?;
        }
        return Ok(upload);
    }
    Err(Failure::Malformed("form: the part 'file' is missing".to_owned()))
}

fn driver(view: DriverView) -> FeedDriver {
    let status = view.status;
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    FeedDriver {
        name: view.driver.name,
        description: view.driver.description,
        base_url: view.driver.base_url,
        enabled: view.driver.enabled,
        interval_s: view.interval_s,
        last_attempt: time(view.last_attempt),
        last_success: time(status.as_ref().and_then(|status| status.last_success)),
        last_error: status.as_ref().map(|s| s.error.clone()).filter(|error| !error.is_empty()),
        record_count: status.map_or(0, |status| status.record_count),
        scopes: view.scopes,
        problems: Vec::new(),
    }
}

async fn list_feed_drivers(State(server): State<Server>, Who(who): Who) -> Answer<FeedDriverList> {
    let drivers = server.app.list_feed_drivers(&who).await?;
    Ok(Json(FeedDriverList { drivers: drivers.into_iter().map(driver).collect() }))
}

async fn get_feed_generation(
    State(server): State<Server>,
    Who(who): Who,
) -> Answer<FeedGeneration> {
    let (active, previous) = server.app.feed_generation(&who).await?;
    Ok(Json(generation(&active, previous.as_ref())))
}

async fn export_feeds(State(server): State<Server>, Who(who): Who) -> Result<Response, Failure> {
    let export = server.app.export_feeds(&who).await?;
    let file = tokio::fs::File::open(&export.path).await.map_err(|error| {
        tracing::error!(%error, path = %export.path.display(), "cannot open the generation");
        Failure::Panicked
    })?;
    let body = Body::from_stream(ReaderStream::with_capacity(file, FILE_CHUNK_BYTES));
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_LENGTH, export.generation.bytes.to_string()),
        (CONTENT_DISPOSITION, "attachment; filename=\"kedge-feeds.generation\"".to_owned()),
    ];
    Ok((headers, body).into_response())
}

async fn import_feeds(
    State(server): State<Server>,
    Who(who): Who,
    Asked(query): Asked<ImportFeedsQuery>,
    request: Request,
) -> Answer<FeedGeneration> {
    let mut upload = server.app.receive_feeds(&who).await?;
    let mut pieces = request.into_body().into_data_stream();
    let broken = |_| Failure::Malformed("the body could not be read to its end".to_owned());
    while let Some(piece) = pieces.try_next().await.map_err(broken)? {
        upload.write(&piece).await?;
    }
    let force = query.force.unwrap_or(false);
    let state = server.app.import_feeds(&who, upload, None, force).await?;
    let active = state.active.as_ref().ok_or(Failure::Panicked)?;
    Ok(Json(generation(active, state.previous.as_ref())))
}
