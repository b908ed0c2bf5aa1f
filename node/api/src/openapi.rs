//! The OpenAPI 3.1 document, generated from the table of routes and the types.

use crate::error::{ApiError, ProblemDocument};
use crate::routes::{Access, Auth, Body, Method, Route, all, schema};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The document as committed and served.
pub const OPENAPI_JSON: &str = include_str!("../openapi.json");

/// Properties that may be `null`. The contract sends every other missing value by leaving it out,
/// so the `null` that an optional field would otherwise have in its schema is taken away.
const NULLABLE: &[(&str, &str)] = &[
    ("FilesContent", "linkdest"),
    ("FilesContent", "sha256"),
    ("GateSpec", "superseded_by"),
    ("TriggerSpec", "superseded_by"),
    ("TriggerParamSpec", "superseded_by"),
    ("TriggerParamSpec", "example"),
    ("PolicyEvaluationFinding", "allowlist_match"),
    ("PolicyEvaluationFinding", "inherited_from_base"),
    ("PolicyEvaluationResult", "comparison_image_digest"),
    ("PolicyEvaluationResult", "matched_allowlisted_images_rule"),
    ("PolicyEvaluationResult", "matched_denylisted_images_rule"),
    ("PolicyEvaluationResult", "matched_mapping_rule"),
];

/// Generates the document.
#[must_use]
pub fn document() -> Value {
    let mut schemas = Vec::new();
    schema::<ApiError>(&mut schemas);
    schema::<ProblemDocument>(&mut schemas);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in all() {
        let operation = operation(route, &mut schemas);
        paths.entry(route.path).or_default().insert(method_key(route.method), operation);
    }
    let components: BTreeMap<String, Value> =
        schemas.into_iter().map(|(name, schema)| (name, to_value(&schema))).collect();
    let components: BTreeMap<&String, Value> = components
        .iter()
        .map(|(name, schema)| (name, without_null(name, schema.clone())))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "kedge",
            "description": "Container image security: inventory, vulnerabilities, policy. Paths \
                            under /v2 follow the Anchore Enterprise v2 API; paths under \
                            /kedge/v1 are kedge's own.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}
        },
        "servers": [{"url": "/"}],
        "security": [{"basic": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}
        }
    })
}

fn to_value<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("an OpenAPI part has only text keys")
}

fn method_key(method: Method) -> String {
    method.as_str().to_ascii_lowercase()
}

type Schemas = Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>;

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let mut operation = Map::new();
    operation.insert("operationId".into(), json!(route.operation_id));
    operation.insert("summary".into(), json!(route.summary));
    operation.insert("tags".into(), json!([tag(route.path)]));
    operation.insert("x-anchore-authz-action".into(), json!(route.action().unwrap_or("None")));
    if route.auth() == Auth::None {
        operation.insert("security".into(), json!([]));
    }
    let parameters = parameters(route);
    if !parameters.is_empty() {
        operation.insert("parameters".into(), Value::Array(parameters));
    }
    if let Some(content) = content(&route.request, schemas) {
        operation.insert("requestBody".into(), json!({"required": true, "content": content}));
    }
    let mut success = Map::new();
    success.insert("description".into(), json!("success"));
    if let Some(content) = content(&route.response, schemas) {
        success.insert("content".into(), content);
    }
    let mut responses = Map::new();
    responses.insert(route.status.to_string(), Value::Object(success));
    if route.auth() == Auth::Basic {
        responses.insert("401".into(), json!({"description": "credentials are missing or wrong"}));
    }
    responses.insert("default".into(), failure(route));
    operation.insert("responses".into(), Value::Object(responses));
    Value::Object(operation)
}

/// Ours answer problem documents; the contract's answer its own error body from handlers and
/// problem documents from the router.
fn failure(route: &Route) -> Value {
    let problem = json!({"schema": {"$ref": "#/components/schemas/ProblemDocument"}});
    let mut content = Map::new();
    content.insert("application/problem+json".into(), problem);
    if !route.path.starts_with("/kedge/") {
        let error = json!({"schema": {"$ref": "#/components/schemas/ApiError"}});
        content.insert("application/json".into(), error);
    }
    json!({"description": "failure", "content": content})
}

fn tag(path: &str) -> &str {
    let rest = path.strip_prefix("/v2/").or_else(|| path.strip_prefix("/kedge/v1/"));
    rest.and_then(|rest| rest.split('/').next()).unwrap_or("root")
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut parameters: Vec<Value> = route
        .path_params()
        .map(|name| {
            json!({"name": name, "in": "path", "required": true, "schema": path_schema(name)})
        })
        .collect();
    if let Some(params) = route.params {
        for parameter in params() {
            let mut value = to_value(&parameter);
            if let Some(schema) = value.get_mut("schema") {
                strip_null(schema);
            }
            parameters.push(value);
        }
    }
    if matches!(route.access, Access::InAccount(_)) {
        parameters.push(json!({
            "name": "x-anchore-account", "in": "header", "required": false,
            "description": "account to act in", "schema": {"type": "string"}
        }));
    }
    parameters
}

fn path_schema(name: &str) -> Value {
    match name {
        "image_digest" => json!({"type": "string", "pattern": "^sha256:[a-fA-F0-9]{64}$"}),
        "vuln_type" => {
            json!({"type": "string", "enum": crate::vulnerabilities::VULNERABILITY_TYPES})
        }
        "feed" => json!({"type": "string", "enum": crate::feeds::DATASETS}),
        _ => json!({"type": "string"}),
    }
}

fn content(body: &Body, schemas: &mut Schemas) -> Option<Value> {
    let reference = |name: String| json!({"$ref": format!("#/components/schemas/{name}")});
    let text = json!({"type": "string"});
    let (media, schema) = match body {
        Body::Empty => return None,
        Body::Json(schema) => ("application/json", reference(schema(schemas))),
        Body::List(schema) => {
            ("application/json", json!({"type": "array", "items": reference(schema(schemas))}))
        }
        Body::StringList => ("application/json", json!({"type": "array", "items": text})),
        Body::JsonString => ("application/json", text),
        Body::JsonObject => ("application/json", json!({"type": "object"})),
        Body::Bytes(media) => (*media, text),
        Body::Upload => (
            "multipart/form-data",
            json!({
                "type": "object", "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}}
            }),
        ),
    };
    let mut content = Map::new();
    content.insert(media.to_owned(), json!({"schema": schema}));
    Some(Value::Object(content))
}

/// Takes `null` out of the properties of the schema `name`, except those in [`NULLABLE`].
fn without_null(name: &str, mut schema: Value) -> Value {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return schema;
    };
    for (property, schema) in properties {
        if !NULLABLE.contains(&(name, property.as_str())) {
            strip_null(schema);
        }
    }
    schema
}

fn strip_null(schema: &mut Value) {
    if let Some(types) = schema.get_mut("type").filter(|types| types.is_array()) {
        let kept: Vec<Value> =
            types.as_array().into_iter().flatten().filter(|t| **t != "null").cloned().collect();
        if let [only] = kept.as_slice() {
            *types = only.clone();
        }
    }
    let Some(choices) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let kept: Vec<Value> =
        choices.iter().filter(|c| c.get("type") != Some(&json!("null"))).cloned().collect();
    if kept.len() < choices.len()
        && let [only] = kept.as_slice()
    {
        *schema = only.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Run with `UPDATE_OPENAPI=1` to write the file.
    #[test]
    fn the_committed_document_is_the_generated_one() {
        let mut text = serde_json::to_string_pretty(&document()).unwrap();
        text.push('\n');
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
            std::fs::write(path, &text).unwrap();
            return;
        }
        assert!(
            text == OPENAPI_JSON,
            "node/api/openapi.json is out of date: UPDATE_OPENAPI=1 cargo test -p kedge-api"
        );
    }

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(target)) = map.get("$ref") {
                    found.push(target.clone());
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_reference_resolves() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100);
        for target in found {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }

    #[test]
    fn only_the_listed_properties_may_be_null() {
        let document = document();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            for (property, schema) in schema["properties"].as_object().into_iter().flatten() {
                let listed = NULLABLE.contains(&(name.as_str(), property.as_str()));
                assert_eq!(schema.to_string().contains("\"null\""), listed, "{name}.{property}");
            }
        }
    }

    #[test]
    fn passwords_appear_in_requests_only() {
        let document = document();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            let secret = schema.to_string().contains("\"password\"") && name != "CredentialKind";
            let request = name.ends_with("Request");
            assert!(!secret || request, "{name}");
        }
    }
}
