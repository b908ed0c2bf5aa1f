//! What stands before every handler: room for the request, who asks, whether they may, and the
//! media type of what they send. Works on the row of the table of routes, so that no handler can
//! forget it.

use crate::Server;
use crate::error::Failure;
use crate::limits::{AUTHORIZATION_BYTES_MAX, PROBES_MAX, UPLOAD_TIMEOUT, WAIT_MARGIN};
use crate::observe::RouteLabel;
use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kedge_api::routes::{Access, Body, Route};
use kedge_app::error::AppError;
use kedge_app::identity::{Identity, Need};
use kedge_model::tokens::AccountName;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Header that names the account to act in, and our own name for it.
const ACCOUNT_HEADERS: [&str; 2] = ["x-anchore-account", "x-kedge-account"];

/// The server and the row that a guard stands for.
#[derive(Clone)]
pub(crate) struct Post {
    server: Server,
    route: &'static Route,
    /// Room of its own, for open routes that are not cheap.
    own_room: Option<Arc<Semaphore>>,
}

impl Post {
    pub(crate) fn new(server: Server, route: &'static Route) -> Self {
        let probe = matches!(route.operation_id, "metrics" | "readyz");
        let own_room = probe.then(|| Arc::new(Semaphore::new(PROBES_MAX)));
        Self { server, route, own_room }
    }
}

/// Lets a request through to its handler, or answers it.
pub(crate) async fn guard(State(post): State<Post>, request: Request, next: Next) -> Response {
    let label = RouteLabel(post.route.path);
    let mut response = match pass(&post, request, next).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    };
    response.extensions_mut().insert(label);
    response
}

async fn pass(post: &Post, request: Request, next: Next) -> Result<Response, Failure> {
    if post.route.access == Access::Open {
        let place = post.own_room.as_ref().map(|room| room.try_acquire()).transpose();
        let _place = place.map_err(|_| Failure::Overloaded)?;
        let answer = tokio::time::timeout(patience(post), next.run(request)).await;
        return answer.map_err(|_| Failure::Timeout);
    }
    // Before the credentials are looked at: checking them is the most expensive part.
    let _room = post.server.room.try_acquire().map_err(|_| Failure::Overloaded)?;
    let work = async {
        let (mut parts, body) = request.into_parts();
        let who = identify(&post.server, &parts).await?;
        // Of the account that the user belongs to: acting in others' does not take their room.
        let _place = post.server.shares.take(&who.home).ok_or(Failure::Overloaded)?;
        let need = need(post.route, &who, &mut parts).await?;
        post.server.app.authorize(&who, &need)?;
        check_media_type(post.route, &parts.headers)?;
        tracing::Span::current().record("account", who.account.0.as_str());
        tracing::Span::current().record("user", who.user.as_str());
        parts.extensions.insert(who);
        Ok(next.run(Request::from_parts(parts, body)).await)
    };
    match tokio::time::timeout(patience(post), work).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::Timeout),
    }
}

fn patience(post: &Post) -> Duration {
    let ordinary = Duration::from_secs(post.server.options.request_timeout_s);
    match post.route.operation_id {
        "post_system_feeds" => {
            let wait = u64::from(post.server.app.options().feed_sync_wait_s);
            ordinary.max(Duration::from_secs(wait) + WAIT_MARGIN)
        }
        "upload_system_feed" | "import_feeds" => ordinary.max(UPLOAD_TIMEOUT),
        _ => ordinary,
    }
}

async fn identify(server: &Server, parts: &Parts) -> Result<Identity, Failure> {
    let (user, password) =
        credentials(&parts.headers).ok_or(Failure::App(AppError::Unauthenticated))?;
    let who = server.app.authenticate(&user, &password, source(parts)).await?;
    match account_header(&parts.headers)? {
        Some(account) => Ok(server.app.switch_account(who, account)?),
        None => Ok(who),
    }
}

/// Where the connection comes from, when the server tells.
fn source(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
}

/// User name and password of HTTP basic authentication (RFC 7617, UTF-8).
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    if value.len() > AUTHORIZATION_BYTES_MAX {
        return None;
    }
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn account_header(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let Some(value) = ACCOUNT_HEADERS.iter().find_map(|name| headers.get(*name)) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok("") => Ok(None),
        Ok(account) => Ok(Some(account)),
        Err(_) => Err(Failure::Malformed("x-anchore-account is not plain text".to_owned())),
    }
}

async fn need(route: &'static Route, who: &Identity, parts: &mut Parts) -> Result<Need, Failure> {
    match route.access {
        Access::Open | Access::AnyUser => Ok(Need::Any),
        Access::InAccount(action) => Ok(Need::In(who.account.clone(), action)),
        Access::InSystem(action) => Ok(Need::System(action)),
        Access::InPathAccount(action) => {
            let malformed = || Failure::Malformed("path: account_name is missing".to_owned());
            let params =
                RawPathParams::from_request_parts(parts, &()).await.map_err(|_| malformed())?;
            let named = params.iter().find(|(name, _)| *name == "account_name");
            let (_, account) = named.ok_or_else(malformed)?;
            Ok(Need::In(AccountName(account.to_owned()), action))
        }
    }
}

/// The essence of the media type, without parameters.
fn check_media_type(route: &Route, headers: &HeaderMap) -> Result<(), Failure> {
    let wanted = match route.request {
        Body::Json(_) | Body::List(_) | Body::StringList | Body::JsonString | Body::JsonObject => {
            "application/json"
        }
        Body::Upload => "multipart/form-data",
        Body::Bytes(media) => media,
        Body::Empty => return Ok(()),
    };
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(Failure::MediaType { wanted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with(value: &str) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        credentials(&headers)
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn basic_credentials() {
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(with(&basic("bob:secret")), pair("bob", "secret"));
        assert_eq!(with(&basic("bob:a:b:c")), pair("bob", "a:b:c"));
        assert_eq!(with(&basic("bob:")), pair("bob", ""));
        assert_eq!(with(&basic("bob:pä")), pair("bob", "pä"));
        assert_eq!(with(&basic("bob:secret").replace("Basic", "bAsIc")), pair("bob", "secret"));
        for bad in ["", "Basic", "Basic %%%", "Bearer abc", &basic("bob"), "Basic /w=="] {
            assert_eq!(with(bad), None, "{bad}");
        }
        assert_eq!(with(&basic(&format!("bob:{}", "x".repeat(AUTHORIZATION_BYTES_MAX)))), None);
    }

    #[test]
    fn media_types() {
        let route = kedge_api::routes::by_operation("add_image").unwrap();
        let check = |text: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(text) = text {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(text));
            }
            check_media_type(route, &headers).is_ok()
        };
        assert!(check(Some("application/json")));
        assert!(check(Some("Application/JSON; charset=utf-8")));
        for bad in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
            assert!(!check(Some(bad)), "{bad}");
        }
        assert!(!check(None), "a browser sends such a request to any site without asking");
    }
}
