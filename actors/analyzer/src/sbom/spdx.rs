//! SPDX 2.3 JSON (spdx.github.io/spdx-spec/v2.3), written and read.

use crate::sbom::extras::{
    Extras, Gathered, HEADER_PROPERTY, Header, PACKAGE_PROPERTY, Stated, content_digest, json,
};
use crate::sbom::licenses::References;
use crate::sbom::{DocumentInfo, SbomError, check_form, check_packages, malformed};
use kedge_artifact::package::Package;
use kedge_artifact::sbom::Sbom;
use serde::{Deserialize, Serialize};

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const TARGET: &str = "SPDXRef-target";
const NO_ASSERTION: &str = "NOASSERTION";
const PACKAGE_PREFIX: &str = "SPDXRef-Package-";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: &'a str,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<SpdxPackage<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    has_extracted_licensing_infos: Vec<ExtractedLicense>,
    relationships: Vec<Relationship>,
    annotations: Vec<Annotation>,
}

#[derive(Serialize)]
struct CreationInfo {
    created: String,
    creators: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpdxPackage<'a> {
    #[serde(rename = "SPDXID")]
    id: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<String>,
    download_location: &'static str,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_info: Option<String>,
    license_concluded: &'static str,
    license_declared: String,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_package_purpose: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Annotation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef<'a> {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExtractedLicense {
    license_id: String,
    extracted_text: String,
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotation {
    annotation_date: String,
    annotation_type: &'static str,
    annotator: &'static str,
    comment: String,
}

fn annotation(info: &DocumentInfo, name: &str, value: &str) -> Annotation {
    Annotation {
        annotation_date: info.created_text(),
        annotation_type: "OTHER",
        annotator: "Tool: kedge",
        comment: format!("{name}={value}"),
    }
}

/// Writes the document.
///
/// # Panics
/// Never: plain data with string keys always becomes JSON.
#[must_use]
pub fn to_bytes(sbom: &Sbom, info: &DocumentInfo) -> Vec<u8> {
    let digest = content_digest(sbom, info);
    let mut references = References::default();
    let mut packages = vec![target(sbom, info)];
    packages.extend(sbom.packages.iter().map(|found| package(found, info, &mut references)));
    let extracted = references.0.into_iter().map(|(license_id, text)| ExtractedLicense {
        license_id,
        extracted_text: text.clone(),
        name: text,
    });
    let document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: &info.name,
        document_namespace: format!("https://github.com/kedge-sec/kedge/spdx/{}", digest.hex()),
        creation_info: CreationInfo {
            created: info.created_text(),
            creators: vec![format!("Tool: {}-{}", sbom.generator.name, sbom.generator.version)],
        },
        packages,
        has_extracted_licensing_infos: extracted.collect(),
        relationships: relationships(sbom),
        annotations: vec![annotation(info, HEADER_PROPERTY, &json(&Header::of(sbom)))],
    };
    serde_json::to_vec(&document).expect("plain data with string keys becomes JSON")
}

fn target<'a>(sbom: &Sbom, info: &'a DocumentInfo) -> SpdxPackage<'a> {
    SpdxPackage {
        id: TARGET.to_owned(),
        name: &info.name,
        version_info: sbom.target.manifest.or(sbom.target.config).map(|d| d.to_string()),
        download_location: NO_ASSERTION,
        files_analyzed: false,
        source_info: None,
        license_concluded: NO_ASSERTION,
        license_declared: NO_ASSERTION.to_owned(),
        copyright_text: NO_ASSERTION,
        primary_package_purpose: Some(match sbom.target.kind {
            kedge_artifact::sbom::TargetKind::Image => "CONTAINER",
            kedge_artifact::sbom::TargetKind::Directory => "FILE",
        }),
        external_refs: Vec::new(),
        annotations: Vec::new(),
    }
}

fn package<'a>(
    package: &'a Package,
    info: &DocumentInfo,
    references: &mut References,
) -> SpdxPackage<'a> {
    let paths: Vec<&str> = package.locations.iter().map(|place| place.path.as_str()).collect();
    let purl = (!package.purl.is_empty()).then_some(ExternalRef {
        reference_category: "PACKAGE-MANAGER",
        reference_type: "purl",
        reference_locator: &package.purl,
    });
    SpdxPackage {
        id: format!("{PACKAGE_PREFIX}{}", package.id),
        name: &package.name,
        version_info: Some(package.version.clone()),
        download_location: NO_ASSERTION,
        files_analyzed: false,
        source_info: (!paths.is_empty()).then(|| format!("found in {}", paths.join(", "))),
        license_concluded: NO_ASSERTION,
        license_declared: references.expression(&package.licenses),
        copyright_text: NO_ASSERTION,
        primary_package_purpose: None,
        external_refs: purl.into_iter().collect(),
        annotations: vec![annotation(info, PACKAGE_PROPERTY, &json(&Extras::of(package)))],
    }
}

fn relationships(sbom: &Sbom) -> Vec<Relationship> {
    let relation = |from: String, relationship_type, to: String| Relationship {
        spdx_element_id: from,
        relationship_type,
        related_spdx_element: to,
    };
    let reference = |id: &str| format!("{PACKAGE_PREFIX}{id}");
    let mut out = vec![relation(DOCUMENT.to_owned(), "DESCRIBES", TARGET.to_owned())];
    for package in &sbom.packages {
        out.push(relation(TARGET.to_owned(), "CONTAINS", reference(&package.id.0)));
    }
    for package in &sbom.packages {
        if let Some(owner) = &package.owned_by {
            out.push(relation(reference(&owner.0), "CONTAINS", reference(&package.id.0)));
        }
    }
    out
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentIn {
    #[serde(default)]
    spdx_version: String,
    #[serde(default)]
    creation_info: Option<CreationInfoIn>,
    #[serde(default)]
    packages: Option<Vec<PackageIn>>,
    #[serde(default)]
    annotations: Option<Vec<AnnotationIn>>,
}

#[derive(Deserialize)]
struct CreationInfoIn {
    #[serde(default)]
    creators: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PackageIn {
    #[serde(rename = "SPDXID", default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version_info: Option<String>,
    #[serde(default)]
    license_declared: Option<String>,
    #[serde(default)]
    external_refs: Option<Vec<ExternalRefIn>>,
    #[serde(default)]
    annotations: Option<Vec<AnnotationIn>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRefIn {
    #[serde(default)]
    reference_type: String,
    #[serde(default)]
    reference_locator: String,
}

#[derive(Deserialize)]
struct AnnotationIn {
    #[serde(default)]
    comment: String,
}

fn annotated(annotations: Option<Vec<AnnotationIn>>, name: &str) -> Option<String> {
    let own = |annotation: &AnnotationIn| {
        let value = annotation.comment.strip_prefix(name)?.strip_prefix('=')?;
        Some(value.to_owned())
    };
    annotations?.iter().find_map(own)
}

/// Reads a document of SPDX 2.2 or 2.3, ours or another tool's. Packages of other tools are known
/// by their purl; those without one are left out. Relationships are not followed, so cycles and
/// dangling references in them do no harm.
///
/// # Errors
/// Too large, malformed, or of another version.
pub fn from_bytes(bytes: &[u8]) -> Result<Sbom, SbomError> {
    check_form(bytes)?;
    let document: DocumentIn = serde_json::from_slice(bytes).map_err(malformed)?;
    if !["SPDX-2.2", "SPDX-2.3"].contains(&document.spdx_version.as_str()) {
        return Err(SbomError::Version(document.spdx_version.chars().take(40).collect()));
    }
    let packages = document.packages.unwrap_or_default();
    check_packages(packages.len())?;
    let creators = document.creation_info.and_then(|info| info.creators).unwrap_or_default();
    let tool = creators.iter().find_map(|creator| creator.strip_prefix("Tool: ")).unwrap_or("");
    let (name, version) = tool.split_once('-').unwrap_or((tool, ""));
    let described = packages.into_iter().filter(|package| package.id != TARGET);
    let gathered = Gathered {
        packages: described.map(stated).collect(),
        header: annotated(document.annotations, HEADER_PROPERTY),
        distro: None,
        tool: (name.to_owned(), version.to_owned()),
    };
    Ok(gathered.sbom())
}

fn stated(package: PackageIn) -> Stated {
    let external_refs = package.external_refs.unwrap_or_default();
    let purl = external_refs.into_iter().find(|reference| reference.reference_type == "purl");
    let known = |license: &String| license != NO_ASSERTION && license != "NONE";
    Stated {
        id: package.id.strip_prefix(PACKAGE_PREFIX).unwrap_or(&package.id).to_owned(),
        name: package.name,
        version: package.version_info.unwrap_or_default(),
        purl: purl.map(|reference| reference.reference_locator).unwrap_or_default(),
        licenses: package.license_declared.into_iter().filter(known).collect(),
        paths: Vec::new(),
        extras: annotated(package.annotations, PACKAGE_PROPERTY),
    }
}
