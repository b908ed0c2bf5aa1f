//! Reading requests: path, query, body, caller. Every mistake is answered with the place it is at.

use crate::Server;
use crate::error::Failure;
use crate::limits::{ECHO_CHARS_MAX, JSON_BODY_BYTES_MAX, POLICY_BODY_BYTES_MAX, QUERY_BYTES_MAX};
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::Uri;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use bytes::Bytes;
use kedge_app::error::AppError;
use kedge_app::identity::Identity;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// Who asks; the guard put it there.
pub(crate) struct Who(pub(crate) Identity);

impl FromRequestParts<Server> for Who {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Server) -> Result<Self, Failure> {
        // Only routes without authentication have none, and their handlers ask for none.
        let identity = parts.extensions.get::<Identity>().cloned();
        identity.map(Self).ok_or(Failure::App(AppError::Unauthenticated))
    }
}

/// Path parameters, decoded once.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Server> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Self, Failure> {
        match Path::<T>::from_request_parts(parts, server).await {
            Ok(Path(params)) => Ok(Self(params)),
            Err(error) => Err(Failure::Malformed(cut(&format!("path: {error}")))),
        }
    }
}

/// Query parameters. A repeated key is a list, as is one value with commas; an empty value is none.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Server> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Server) -> Result<Self, Failure> {
        read_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn read_query<T: DeserializeOwned>(query: &str) -> Result<T, Failure> {
    if query.len() > QUERY_BYTES_MAX {
        let text = format!("the query has over {QUERY_BYTES_MAX} bytes (QUERY_BYTES_MAX)");
        return Err(Failure::Malformed(text));
    }
    let mut merged: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if value.is_empty() {
            continue;
        }
        let text = merged.entry(key.into_owned()).or_default();
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&value);
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&merged).finish();
    let uri: Uri = format!("/?{query}")
        .parse()
        .map_err(|error| Failure::Malformed(cut(&format!("query: {error}"))))?;
    match Query::<T>::try_from_uri(&uri) {
        Ok(Query(asked)) => Ok(asked),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            Err(Failure::Malformed(query_mistake(&reason)))
        }
    }
}

/// The contract's words for a missing parameter; the reader's own for the rest.
fn query_mistake(reason: &str) -> String {
    match missing_field(reason) {
        Some(name) => format!("Missing query parameter '{name}'"),
        None => cut(&format!("query parameter {reason}")),
    }
}

fn missing_field(reason: &str) -> Option<&str> {
    reason.split_once("missing field `")?.1.split_once('`').map(|(name, _)| name)
}

fn cut(text: &str) -> String {
    text.chars().take(ECHO_CHARS_MAX).collect()
}

async fn read_body(request: Request, limit: usize, name: &'static str) -> Result<Bytes, Failure> {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit as u64) {
        return Err(Failure::TooLarge { limit, name });
    }
    let body: Body = request.into_body();
    match to_bytes(body, limit).await {
        Ok(bytes) => Ok(bytes),
        Err(error) => {
            let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
            while let Some(cause) = source {
                // The limiting body gives this text and no type of its own to downcast to.
                if cause.to_string() == "length limit exceeded" {
                    return Err(Failure::TooLarge { limit, name });
                }
                source = cause.source();
            }
            Err(Failure::Malformed("the body could not be read to its end".to_owned()))
        }
    }
}

/// A JSON body of a type.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Serialize> FromRequest<Server> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Server) -> Result<Self, Failure> {
        let bytes = read_body(request, JSON_BODY_BYTES_MAX, "JSON_BODY_BYTES_MAX").await?;
        let body: T = parse_json(&bytes)?;
        check_objects(&bytes, &body)?;
        Ok(Self(body))
    }
}

/// Refuses arrays in the place of objects: the reader would take their elements for properties.
fn check_objects<T: Serialize>(bytes: &[u8], body: &T) -> Result<(), Failure> {
    let unreadable = |error: serde_json::Error| Failure::Malformed(cut(&error.to_string()));
    let sent: Value = serde_json::from_slice(bytes).map_err(unreadable)?;
    let read = serde_json::to_value(body).map_err(unreadable)?;
    match array_for_object(&sent, &read) {
        None => Ok(()),
        Some(place) => {
            let place = place.trim_start_matches('.');
            let place = if place.is_empty() { "." } else { place };
            Err(Failure::Malformed(json_mistake(
                place,
                "invalid type: sequence, expected an object",
            )))
        }
    }
}

/// The place of the first array that was read as an object. Both values come from the reader, whose
/// depth is bounded.
fn array_for_object(sent: &Value, read: &Value) -> Option<String> {
    match (sent, read) {
        (Value::Array(_), Value::Object(_)) => Some(String::new()),
        (Value::Object(sent), Value::Object(read)) => sent.iter().find_map(|(key, value)| {
            array_for_object(value, read.get(key)?).map(|place| format!(".{key}{place}"))
        }),
        _ => None,
    }
}

/// The bytes of a body that holds a policy document.
pub(crate) struct PolicyBody(pub(crate) Bytes);

impl FromRequest<Server> for PolicyBody {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Server) -> Result<Self, Failure> {
        read_body(request, POLICY_BODY_BYTES_MAX, "POLICY_BODY_BYTES_MAX").await.map(Self)
    }
}

/// Reads a JSON document; a mistake is told with its place.
pub(crate) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = error.path().to_string();
        Failure::Malformed(json_mistake(&place, &error.inner().to_string()))
    })?;
    reader.end().map_err(|error| Failure::Malformed(json_mistake(".", &error.to_string())))?;
    Ok(value)
}

/// The contract's words for a missing property; the reader's own for the rest.
fn json_mistake(place: &str, reason: &str) -> String {
    let root = place == ".";
    let text = match (missing_field(reason), root) {
        (Some(name), true) => format!("'{name}' is a required property"),
        (Some(name), false) => format!("'{name}' is a required property - '{place}'"),
        (None, true) => format!("body: {reason}"),
        (None, false) => format!("body at '{place}': {reason}"),
    };
    cut(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kedge_api::events::ListEventsQuery;
    use kedge_api::images::{DeleteImagesQuery, ImageAnalysisRequest, ListImagesQuery};
    use kedge_api::policies::PolicyUpdateRequest;

    fn mistake<T: DeserializeOwned>(result: Result<T, Failure>) -> String {
        match result {
            Err(Failure::Malformed(text)) => text,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("it was read"),
        }
    }

    #[test]
    fn mistakes_in_bodies_are_told_with_their_place() {
        let read = |text: &str| mistake(parse_json::<ImageAnalysisRequest>(text.as_bytes()));
        assert_eq!(
            read(r#"{"source":{"tag":{}}}"#),
            "'pull_string' is a required property - 'source.tag'"
        );
        let text = read(r#"{"source":{"tag":{"pull_string":7}}}"#);
        assert!(text.contains("source.tag.pull_string") && text.contains("expected a string"));
        assert!(read(r#"{"sourec":{}}"#).contains("sourec"));
        assert!(read("{").starts_with("body"));
        assert!(read("").contains("EOF"));
        assert!(read("{} x").contains("trailing"));
        assert!(read(&"[".repeat(10_000)).len() <= ECHO_CHARS_MAX);
        assert!(read(&format!(r#"{{"{}":1}}"#, "x".repeat(5_000))).len() <= ECHO_CHARS_MAX);
    }

    #[test]
    fn arrays_are_no_objects() {
        let check = |text: &str| {
            let body: ImageAnalysisRequest = parse_json(text.as_bytes()).unwrap();
            check_objects(text.as_bytes(), &body)
        };
        assert!(check(r#"{"source":{"tag":{"pull_string":"a"}}}"#).is_ok());
        assert!(mistake(check("[]")).contains("expected an object"));
        let text = mistake(check(r#"{"source":{"tag":["a"]}}"#));
        assert!(text.contains("'source.tag'"), "{text}");
    }

    #[test]
    fn a_policy_inside_a_record_is_taken_as_it_is() {
        let text = r#"{"policy_id":"a","active":true,"policy":{ "id" : "a" }}"#;
        let read = parse_json::<PolicyUpdateRequest>(text.as_bytes()).unwrap();
        assert_eq!(read.policy.unwrap().get(), r#"{ "id" : "a" }"#);
    }

    #[test]
    fn queries_as_clients_write_them() {
        let read = |text: &str| read_query::<ListImagesQuery>(text).unwrap();
        assert_eq!(read("history=True").history, Some(true));
        assert_eq!(read("history=0&full_tag=").full_tag, None);
        assert_eq!(read("full_tag=q.io%2Fa%3A1").full_tag.as_deref(), Some("q.io/a:1"));
        assert_eq!(read("unknown=1"), ListImagesQuery::default());
        let read = |text: &str| read_query::<DeleteImagesQuery>(text).unwrap().image_digests;
        assert_eq!(read("image_digests=a,b"), ["a", "b"]);
        assert_eq!(read("image_digests=a&image_digests=b"), ["a", "b"]);
    }

    #[test]
    fn mistakes_in_queries_name_the_parameter() {
        let text = mistake(read_query::<DeleteImagesQuery>(""));
        assert_eq!(text, "Missing query parameter 'image_digests'");
        let text = mistake(read_query::<ListEventsQuery>("limit=many"));
        assert!(text.contains("limit"), "{text}");
        let text = mistake(read_query::<ListImagesQuery>("history=perhaps"));
        assert!(text.contains("history") && text.contains("boolean"), "{text}");
        let long = format!("full_tag={}", "x".repeat(QUERY_BYTES_MAX));
        assert!(mistake(read_query::<ListImagesQuery>(&long)).contains("QUERY_BYTES_MAX"));
    }
}
