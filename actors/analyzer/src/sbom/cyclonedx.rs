//! CycloneDX 1.6 JSON (cyclonedx.org, `bom-1.6.schema.json`), written and read.
//!
//! The format has no word for "this distribution package owns that language package"; it is
//! written as a dependency of the owner and, exactly, in the `kedge:package` property.

use crate::limits::SBOM_NESTING_MAX;
use crate::sbom::extras::{
    Extras, Gathered, HEADER_PROPERTY, Header, PACKAGE_PROPERTY, Stated, content_digest, json,
};
use crate::sbom::{DocumentInfo, SbomError, check_form, check_packages, licenses, malformed};
use kedge_artifact::distro::Distro;
use kedge_artifact::package::Package;
use kedge_artifact::sbom::{Sbom, TargetKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const TARGET_REF: &str = "target";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata<'a>,
    components: Vec<Component<'a>>,
    dependencies: Vec<Dependency<'a>>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    timestamp: String,
    tools: Tools<'a>,
    component: Component<'a>,
    properties: Vec<Property<'static>>,
}

#[derive(Serialize)]
struct Tools<'a> {
    components: Vec<Component<'a>>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "kebab-case")]
struct Component<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bom_ref: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<License<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property<'static>>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum License<'a> {
    License(LicenseName<'a>),
    #[serde(untagged)]
    Expression {
        expression: &'a str,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum LicenseName<'a> {
    Id(&'a str),
    Name(&'a str),
}

#[derive(Serialize)]
struct Evidence<'a> {
    occurrences: Vec<Occurrence<'a>>,
}

#[derive(Serialize)]
struct Occurrence<'a> {
    location: &'a str,
}

#[derive(Serialize)]
struct Property<'a> {
    name: &'a str,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency<'a> {
    #[serde(rename = "ref")]
    reference: &'a str,
    depends_on: Vec<&'a str>,
}

/// Writes the document.
///
/// # Panics
/// Never: plain data with string keys always becomes JSON.
#[must_use]
pub fn to_bytes(sbom: &Sbom, info: &DocumentInfo) -> Vec<u8> {
    let digest = content_digest(sbom, info);
    let serial = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, digest.as_bytes());
    let mut components: Vec<Component<'_>> = sbom.distro.iter().map(operating_system).collect();
    components.extend(sbom.packages.iter().map(component));
    let bom = Bom {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: format!("urn:uuid:{serial}"),
        version: 1,
        metadata: Metadata {
            timestamp: info.created_text(),
            tools: Tools {
                components: vec![Component {
                    kind: "application",
                    name: &sbom.generator.name,
                    version: Some(sbom.generator.version.clone()),
                    ..Component::default()
                }],
            },
            component: Component {
                kind: match sbom.target.kind {
                    TargetKind::Image => "container",
                    TargetKind::Directory => "file",
                },
                bom_ref: Some(TARGET_REF),
                name: &info.name,
                version: sbom.target.manifest.or(sbom.target.config).map(|d| d.to_string()),
                ..Component::default()
            },
            properties: vec![Property { name: HEADER_PROPERTY, value: json(&Header::of(sbom)) }],
        },
        components,
        dependencies: dependencies(sbom),
    };
    serde_json::to_vec(&bom).expect("plain data with string keys becomes JSON")
}

fn operating_system(distro: &Distro) -> Component<'_> {
    Component {
        kind: "operating-system",
        bom_ref: Some("distro"),
        name: &distro.id,
        version: (!distro.version_id.is_empty()).then(|| distro.version_id.clone()),
        description: (!distro.pretty_name.is_empty()).then_some(distro.pretty_name.as_str()),
        ..Component::default()
    }
}

fn component(package: &Package) -> Component<'_> {
    let occurrences: Vec<_> =
        package.locations.iter().map(|place| Occurrence { location: &place.path }).collect();
    Component {
        kind: "library",
        bom_ref: Some(&package.id.0),
        publisher: package.origin.as_deref(),
        name: &package.name,
        version: Some(package.version.clone()),
        description: None,
        licenses: license_choice(&package.licenses),
        purl: (!package.purl.is_empty()).then_some(package.purl.as_str()),
        evidence: (!occurrences.is_empty()).then_some(Evidence { occurrences }),
        properties: vec![Property { name: PACKAGE_PROPERTY, value: json(&Extras::of(package)) }],
    }
}

/// Either one expression, or any number of single licences; the schema allows no mixture.
fn license_choice(found: &[String]) -> Vec<License<'_>> {
    if let [one] = found
        && licenses::id(one).is_none()
        && licenses::is_expression(one)
    {
        return vec![License::Expression { expression: one }];
    }
    let named = |text| match licenses::id(text) {
        Some(id) => LicenseName::Id(id),
        None => LicenseName::Name(text),
    };
    found.iter().map(|text| License::License(named(text))).collect()
}

fn dependencies(sbom: &Sbom) -> Vec<Dependency<'_>> {
    let mut owned: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &sbom.packages {
        if let Some(owner) = &package.owned_by {
            owned.entry(&owner.0).or_default().push(&package.id.0);
        }
    }
    let all = Dependency {
        reference: TARGET_REF,
        depends_on: sbom.packages.iter().map(|package| package.id.0.as_str()).collect(),
    };
    let owners =
        owned.into_iter().map(|(reference, depends_on)| Dependency { reference, depends_on });
    std::iter::once(all).chain(owners).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BomIn {
    #[serde(default)]
    spec_version: String,
    #[serde(default)]
    metadata: Option<MetadataIn>,
    #[serde(default)]
    components: Option<Vec<ComponentIn>>,
}

#[derive(Deserialize)]
struct MetadataIn {
    #[serde(default)]
    properties: Option<Vec<PropertyIn>>,
    #[serde(default)]
    tools: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct ComponentIn {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(rename = "bom-ref", default)]
    bom_ref: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    purl: Option<String>,
    #[serde(default)]
    licenses: Option<Vec<LicenseIn>>,
    #[serde(default)]
    evidence: Option<EvidenceIn>,
    #[serde(default)]
    properties: Option<Vec<PropertyIn>>,
    #[serde(default)]
    components: Option<Vec<ComponentIn>>,
}

#[derive(Deserialize)]
struct LicenseIn {
    #[serde(default)]
    license: Option<LicenseNameIn>,
    #[serde(default)]
    expression: Option<String>,
}

#[derive(Deserialize)]
struct LicenseNameIn {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct EvidenceIn {
    #[serde(default)]
    occurrences: Option<Vec<OccurrenceIn>>,
}

#[derive(Deserialize)]
struct OccurrenceIn {
    #[serde(default)]
    location: String,
}

#[derive(Deserialize)]
struct PropertyIn {
    #[serde(default)]
    name: String,
    #[serde(default)]
    value: Option<String>,
}

fn property(properties: Option<Vec<PropertyIn>>, name: &str) -> Option<String> {
    properties?.into_iter().find(|property| property.name == name)?.value
}

/// Reads a document of CycloneDX 1.2 to 1.6, ours or another tool's. Components of other tools
/// are known by their purl; those without one are left out.
///
/// # Errors
/// Too large, malformed, of another version, or nested too deeply.
pub fn from_bytes(bytes: &[u8]) -> Result<Sbom, SbomError> {
    check_form(bytes)?;
    let bom: BomIn = serde_json::from_slice(bytes).map_err(malformed)?;
    if !["1.2", "1.3", "1.4", "1.5", "1.6"].contains(&bom.spec_version.as_str()) {
        return Err(SbomError::Version(bom.spec_version.chars().take(40).collect()));
    }
    let mut gathered = Gathered::default();
    if let Some(metadata) = bom.metadata {
        gathered.tool = tool(metadata.tools.as_ref());
        gathered.header = property(metadata.properties, HEADER_PROPERTY);
    }
    let mut left: Vec<(usize, ComponentIn)> =
        bom.components.unwrap_or_default().into_iter().map(|component| (0, component)).collect();
    let mut seen = 0;
    while let Some((depth, mut component)) = left.pop() {
        seen += 1;
        check_packages(seen)?;
        if depth > SBOM_NESTING_MAX {
            let max = SBOM_NESTING_MAX;
            return Err(SbomError::Limit { limit: "SBOM_NESTING_MAX", max });
        }
        let children = component.components.take().unwrap_or_default();
        left.extend(children.into_iter().map(|child| (depth + 1, child)));
        if component.kind == "operating-system" {
            gathered.distro = Some(distro(component));
        } else {
            gathered.packages.push(stated(component));
        }
    }
    Ok(gathered.sbom())
}

fn distro(component: ComponentIn) -> Distro {
    Distro {
        id: component.name.to_ascii_lowercase(),
        version_id: component.version.unwrap_or_default(),
        codename: String::new(),
        id_like: Vec::new(),
        pretty_name: component.description.unwrap_or_default(),
    }
}

fn stated(component: ComponentIn) -> Stated {
    let license = |license: LicenseIn| {
        license.expression.or_else(|| license.license.and_then(|name| name.id.or(name.name)))
    };
    let occurrences = component.evidence.and_then(|evidence| evidence.occurrences);
    Stated {
        id: component.bom_ref.unwrap_or_default(),
        name: component.name,
        version: component.version.unwrap_or_default(),
        purl: component.purl.unwrap_or_default(),
        licenses: component.licenses.unwrap_or_default().into_iter().filter_map(license).collect(),
        paths: occurrences.unwrap_or_default().into_iter().map(|place| place.location).collect(),
        extras: property(component.properties, PACKAGE_PROPERTY),
    }
}

/// The first tool: an object with `components` since 1.5, a list before.
fn tool(tools: Option<&serde_json::Value>) -> (String, String) {
    let first = tools.and_then(|tools| tools.get("components").unwrap_or(tools).get(0));
    let text = |key: &str| {
        let value = first.and_then(|tool| tool.get(key)).and_then(serde_json::Value::as_str);
        value.unwrap_or("").to_owned()
    };
    (text("name"), text("version"))
}
