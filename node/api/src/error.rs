//! Error bodies. A client tells "this server has no such route" from "the handler said no" by
//! whether `detail` is a string or an object, so the two shapes are kept apart by type.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Body of an error that a handler of `/v2` answers: the union of the shapes that clients read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiError {
    /// For people.
    pub message: String,
    /// HTTP status.
    pub httpcode: u16,
    /// HTTP status again, under the name that newer clients read.
    pub code: u16,
    /// Class of the error, for instance `NotFound`.
    pub error_type: String,
    /// Always an object; has `error_codes` and whatever else the handler tells.
    pub detail: ErrorDetail,
    /// Id of the request, as in the `Anchore-Request-Id` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchore_request_id: Option<String>,
}

/// What an [`ApiError`] tells beside its message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// Stable codes, see [`ERROR_CODES`].
    #[serde(default)]
    pub error_codes: Vec<String>,
    /// Further members, for instance `validation_details` of a refused policy.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub more: Map<String, Value>,
}

impl ApiError {
    /// An error without codes.
    #[must_use]
    pub fn new(status: u16, error_type: &str, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            httpcode: status,
            code: status,
            error_type: error_type.to_owned(),
            detail: ErrorDetail::default(),
            anchore_request_id: None,
        }
    }

    /// Adds a stable code.
    #[must_use]
    pub fn with_code(mut self, code: &str) -> Self {
        self.detail.error_codes.push(code.to_owned());
        self
    }

    /// Adds a member to `detail`.
    #[must_use]
    pub fn with_detail(mut self, name: &str, value: Value) -> Self {
        self.detail.more.insert(name.to_owned(), value);
        self
    }

    /// Sets the request id.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.anchore_request_id = Some(id.into());
        self
    }
}

/// RFC 9457 problem document: router errors and malformed requests everywhere, and every error of
/// `/kedge/v1`. Its `detail` is a string.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemDocument {
    /// URI of the kind of problem; `about:blank` when the title says it all.
    #[serde(rename = "type")]
    pub kind: String,
    /// Short name, the reason phrase of the status.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// For people.
    pub detail: String,
    /// Stable machine-readable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Same text as `detail`, for clients that look for a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl ProblemDocument {
    /// A problem without code and message.
    #[must_use]
    pub fn new(status: u16, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            code: None,
            message: None,
            request_id: None,
        }
    }

    /// The path is not in the table of routes. The text is what agents compare with.
    #[must_use]
    pub fn unknown_route() -> Self {
        Self::new(
            404,
            "Not Found",
            "The requested URL was not found on the server. If you entered the URL manually \
             please check your spelling and try again.",
        )
    }

    /// The path exists, the method does not.
    #[must_use]
    pub fn unknown_method() -> Self {
        Self::new(405, "Method Not Allowed", "Method Not Allowed")
    }

    /// The request does not have the form the route asks for.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let mut problem = Self::new(400, "Bad Request", detail.clone());
        problem.message = Some(detail);
        problem
    }

    /// Sets the stable code.
    #[must_use]
    pub fn with_code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    /// Sets the request id.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }
}

/// One entry of `GET /v2/system/error-codes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnchoreErrorCode {
    /// The code.
    pub name: String,
    /// What it means.
    pub description: String,
}

/// Every code that `detail.error_codes` may hold, with its meaning.
pub const ERROR_CODES: &[(&str, &str)] = &[
    ("REGISTRY_PERMISSION_DENIED", "the registry refused the credentials or the access"),
    ("REGISTRY_IMAGE_NOT_FOUND", "the registry has no such image"),
    ("REGISTRY_NOT_ACCESSIBLE", "the registry could not be reached"),
    ("REGISTRY_NOT_SUPPORTED", "the registry answered in a way that is not supported"),
    ("SKOPEO_UNKNOWN_ERROR", "the image could not be fetched for another reason"),
    ("FEED_SYNC_ALREADY_IN_PROGRESS", "a feed sync is running; only one runs at a time"),
    ("OSARCH_MISMATCH", "the image has no manifest for the wanted operating system and CPU"),
    ("UNKNOWN", "an error without a code of its own"),
];

/// [`ERROR_CODES`] as the contract's body.
#[must_use]
pub fn error_codes() -> Vec<AnchoreErrorCode> {
    ERROR_CODES
        .iter()
        .map(|(name, description)| AnchoreErrorCode {
            name: (*name).to_owned(),
            description: (*description).to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn handler_errors_carry_both_families_of_names() {
        let error = ApiError::new(404, "NotFound", "registry not found in DB")
            .with_code("REGISTRY_IMAGE_NOT_FOUND")
            .with_detail("registry", json!("q.io"))
            .with_request_id("r-1");
        assert_eq!(
            serde_json::to_value(&error).unwrap(),
            json!({
                "message": "registry not found in DB", "httpcode": 404, "code": 404,
                "error_type": "NotFound", "anchore_request_id": "r-1",
                "detail": {"error_codes": ["REGISTRY_IMAGE_NOT_FOUND"], "registry": "q.io"}
            })
        );
    }

    #[test]
    fn an_error_without_codes_still_has_the_list() {
        let value = serde_json::to_value(ApiError::new(404, "NotFound", "x")).unwrap();
        assert_eq!(value["detail"], json!({"error_codes": []}));
        assert!(value.get("anchore_request_id").is_none());
    }

    #[test]
    fn router_problems_have_a_string_detail() {
        let value = serde_json::to_value(ProblemDocument::unknown_route()).unwrap();
        assert_eq!(value["type"], "about:blank");
        assert_eq!(value["status"], 404);
        assert!(value["detail"].as_str().unwrap().starts_with("The requested URL was not found"));
        assert_eq!(value.as_object().unwrap().len(), 4);
    }
}
