//! What is inside an image: packages, files, metadata, SBOM documents.

use crate::Answer;
use crate::Server;
use crate::error::Failure;
use crate::extract::{Params, Who};
use crate::large::large;
use crate::table::Table;
use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kedge_api::content::{
    CONTENT_TYPES, ContentCount, ContentFilesResponse, ContentJavaPackageResponse,
    ContentMalwareResponse, ContentPackageResponse, FilesContent, ImageContentSummary,
    JavaPackageContent, LicenseReviewItem, LicenseReviewPackage, LicenseReviewPackageLicense,
    LicenseReviewResponse, LicenseSource, METADATA_TYPES, MetadataResponse, PackageContent,
};
use kedge_app::content::{Metadata, kinds_of, type_word};
use kedge_app::sboms::SbomFormat;
use kedge_artifact::image::{FileEntry, FileKind};
use kedge_artifact::package::{Package, PackageDetails, PackageKind};

pub(crate) fn serve(table: Table) -> Table {
    table
        .on("list_image_content", list_image_content)
        .on("get_image_content_summary", get_image_content_summary)
        .on("get_image_content_by_type_files", get_image_content_by_type_files)
        .on("get_image_content_by_type_malware", get_image_content_by_type_malware)
        .on("get_image_content_by_type_java_package", get_image_content_by_type_java_package)
        .on("get_image_content_by_type_license", get_image_content_by_type_license)
        .on("get_image_content_by_type", get_image_content_by_type)
        .on("list_image_metadata", list_image_metadata)
        .on("get_image_metadata_by_type", get_image_metadata_by_type)
        .on("get_image_sbom_native_json", get_image_sbom_native_json)
        .on("get_image_sbom_cyclonedx_json", get_image_sbom_cyclonedx_json)
        .on("get_image_sbom_spdx_json", get_image_sbom_spdx_json)
}

/// What the contract's reports say where a package's data does not.
const NOT_AVAILABLE: &str = "N/A";

fn or_not_available(text: &str) -> String {
    if text.is_empty() { NOT_AVAILABLE.to_owned() } else { text.to_owned() }
}

fn path(package: &Package) -> String {
    package.locations.first().map(|location| location.path.clone()).unwrap_or_default()
}

async fn list_image_content(
    State(server): State<Server>,
    Who(who): Who,
    Params(digest): Params<String>,
) -> Answer<&'static [&'static str]> {
    server.app.get_image(&who, &digest).await?;
    Ok(Json(CONTENT_TYPES))
}

fn display_name(content_type: &str) -> &str {
    match content_type {
        "os" => "Operating system packages",
        "files" => "Files",
        "npm" => "Node modules",
        "gem" => "Ruby gems",
        "python" => "Python packages",
        "java" => "Java archives",
        "binary" => "Binaries",
        "go" => "Go modules",
        "rust" => "Rust crates",
        "nuget" => ".NET packages",
        "composer" => "PHP packages",
        other => other,
    }
}

async fn get_image_content_summary(
    State(server): State<Server>,
    Who(who): Who,
    Params(digest): Params<String>,
) -> Answer<ImageContentSummary> {
    let image = server.app.image_with_content(&who, &digest).await?;
    let result = image.result.as_ref();
    let count = |content_type: &str| -> u64 {
        let Some(result) = result else { return 0 };
        match kinds_of(content_type) {
            Some(kinds) => {
                let counts = result.package_counts.iter();
                counts.filter(|(kind, _)| kinds.contains(kind)).map(|(_, n)| u64::from(*n)).sum()
            }
            None if content_type == "files" => result.file_count,
            None => 0,
        }
    };
    let items = CONTENT_TYPES
        .iter()
        .map(|content_type| ContentCount {
            content_type: (*content_type).to_owned(),
            display_name: display_name(content_type).to_owned(),
            count: count(content_type),
        })
        .filter(|row| row.count > 0);
    Ok(Json(ImageContentSummary { items: items.collect() }))
}

fn file(entry: FileEntry) -> FilesContent {
    let kind = match entry.kind {
        FileKind::File => "file",
        FileKind::Directory => "dir",
        FileKind::Symlink => "slink",
        FileKind::Hardlink => "hlink",
        FileKind::Special => "special",
    };
    FilesContent {
        filename: entry.path,
        gid: entry.gid,
        linkdest: Some(entry.link).filter(|link| !link.is_empty()),
        mode: format!("{:#o}", entry.mode),
        sha256: entry.sha256.map(|digest| digest.hex()),
        size: entry.size,
        kind: kind.to_owned(),
        uid: entry.uid,
    }
}

async fn get_image_content_by_type_files(
    State(server): State<Server>,
    Who(who): Who,
    Params(digest): Params<String>,
) -> Result<Response, Failure> {
    let (digest, files) = server.app.files(&who, &digest).await?;
    let response = move || ContentFilesResponse {
        image_digest: digest.to_string(),
        content_type: "files".to_owned(),
        content: files.into_iter().map(file).collect(),
    };
    large(move || Ok(response())).await
}

/// No scanner runs, so there is nothing to list: clients read an empty list as "not scanned".
async fn get_image_content_by_type_malware(
    State(server): State<Server>,
    Who(who): Who,
    Params(digest): Params<String>,
) -> Answer<ContentMalwareResponse> {
    let image = server.app.image_with_content(&who, &digest).await?;
    Ok(Json(ContentMalwareResponse {
        image_digest: image.digest.to_string(),
        content_type: "malware".to_owned(),
        content: Vec::new(),
    }))
}

fn java(package: &Package) -> JavaPackageContent {
    let (mut implementation, mut specification, mut maven) = ("", "", "");
    let mut maker = package.origin.as_deref().unwrap_or_default();
    if let PackageDetails::Java { group, implementation_version, specification_version, .. } =
        &package.details
    {
        implementation = implementation_version;
        specification = specification_version;
        if let Some(group) = group {
            (maven, maker) = (&package.version, group);
        }
    }
    JavaPackageContent {
        package: package.name.clone(),
        version: package.version.clone(),
        implementation_version: or_not_available(implementation),
        specification_version: or_not_available(specification),
        maven_version: or_not_available(maven),
        location: path(package),
        kind: "java-jar".to_owned(),
        origin: or_not_available(maker),
        licenses: package.licenses.clone(),
        cpes: Vec::new(),
        purl: package.purl.clone(),
    }
}

async fn get_image_content_by_type_java_package(
    State(server): State<Server>,
    Who(who): Who,
    Params(digest): Params<String>,
) -> Result<Response, Failure> {
    let inventory = server.app.inventory(&who, &digest).await?;
    let response = move || {
        let packages = inventory.sbom.packages.iter();
        ContentJavaPackageResponse {
            image_digest: inventory.image.digest.to_string(),
            content_type: "java".to_owned(),
            content: packages.filter(|found| found.kind == PackageKind::Java).map(java).collect(),
        }
    };
    large(move || Ok(response())).await
}

async fn get_image_content_by_type_license(
    State(server): State<Server>,
    Who(who): Who,
    Params(digest): Params<String>,
) -> Result<Response, Failure> {
    let inventory = server.app.inventory(&who, &digest).await?;
    large(move || Ok(license_review(&inventory.sbom.packages))).await
}

fn license_review(packages: &[Package]) -> LicenseReviewResponse {
    let license = |name: &String| LicenseReviewPackageLicense {
        license_id: name.clone(),
        license_name: name.clone(),
        source: LicenseSource::Sbom,
        ..Default::default()
    };
    let item = |package: &Package| LicenseReviewItem {
        package: LicenseReviewPackage {
            name: package.name.clone(),
            version: package.version.clone(),
            kind: type_word(package.kind).to_owned(),
            purl: package.purl.clone(),
        },
        licenses: package.licenses.iter().map(license).collect(),
    };
    LicenseReviewResponse { items: packages.iter().map(item).collect() }
}

fn package(found: &Package) -> PackageContent {
    // The only member is the ecosystem's own facts, under the ecosystem's name; a package without
    // such facts is written as a plain word.
    let facts = serde_json::to_value(&found.details).ok();
    let metadata = facts.and_then(|value| {
        value.as_object()?.iter().next().map(|(name, facts)| (name.clone(), facts.clone()))
    });
    let (metadata_type, metadata) = metadata.unzip();
    PackageContent {
        package: found.name.clone(),
        version: found.version.clone(),
        size: found.size.map_or_else(|| NOT_AVAILABLE.to_owned(), |size| size.to_string()),
        kind: type_word(found.kind).to_owned(),
        origin: or_not_available(found.origin.as_deref().unwrap_or_default()),
        licenses: found.licenses.clone(),
        location: path(found),
        cpes: Vec::new(),
        metadata_type,
        metadata,
        purl: found.purl.clone(),
    }
}

async fn get_image_content_by_type(
    State(server): State<Server>,
    Who(who): Who,
    Params((digest, content_type)): Params<(String, String)>,
) -> Result<Response, Failure> {
    let kinds = kinds_of(&content_type).ok_or_else(|| unknown("content type", CONTENT_TYPES))?;
    let inventory = server.app.inventory(&who, &digest).await?;
    let response = move || {
        let packages = inventory.sbom.packages.iter();
        let content = packages.filter(|found| kinds.contains(&found.kind)).map(package).collect();
        let image_digest = inventory.image.digest.to_string();
        ContentPackageResponse { image_digest, content_type, content }
    };
    large(move || Ok(response())).await
}

pub(crate) fn unknown(what: &str, known: &[&str]) -> Failure {
    Failure::Malformed(format!("path: unknown {what}, it must be one of {}", known.join(", ")))
}

async fn list_image_metadata(
    State(server): State<Server>,
    Who(who): Who,
    Params(digest): Params<String>,
) -> Answer<&'static [&'static str]> {
    server.app.get_image(&who, &digest).await?;
    Ok(Json(METADATA_TYPES))
}

async fn get_image_metadata_by_type(
    State(server): State<Server>,
    Who(who): Who,
    Params((digest, metadata_type)): Params<(String, String)>,
) -> Answer<MetadataResponse> {
    let what =
        Metadata::parse(&metadata_type).ok_or_else(|| unknown("metadata type", METADATA_TYPES))?;
    let (digest, bytes) = server.app.metadata(&who, &digest, what).await?;
    let image_digest = digest.to_string();
    Ok(Json(MetadataResponse { image_digest, metadata_type, metadata: STANDARD.encode(bytes) }))
}

async fn sbom(
    server: Server,
    Who(who): Who,
    digest: &str,
    format: SbomFormat,
) -> Result<Response, Failure> {
    let bytes = server.app.sbom_document(&who, digest, format).await?;
    Ok(([(CONTENT_TYPE, "application/json")], bytes).into_response())
}

async fn get_image_sbom_native_json(
    State(server): State<Server>,
    who: Who,
    Params(digest): Params<String>,
) -> Result<Response, Failure> {
    sbom(server, who, &digest, SbomFormat::Native).await
}

async fn get_image_sbom_cyclonedx_json(
    State(server): State<Server>,
    who: Who,
    Params(digest): Params<String>,
) -> Result<Response, Failure> {
    sbom(server, who, &digest, SbomFormat::CycloneDx).await
}

async fn get_image_sbom_spdx_json(
    State(server): State<Server>,
    who: Who,
    Params(digest): Params<String>,
) -> Result<Response, Failure> {
    sbom(server, who, &digest, SbomFormat::Spdx).await
}
