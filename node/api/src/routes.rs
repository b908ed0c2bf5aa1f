//! The table of routes: what exists, who may call it, what goes in and out.
//!
//! The server builds its router, its authorisation and its metrics labels from it and the OpenAPI
//! document is generated from it, so that none of them can name a route the others do not have.

use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

/// HTTP method of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

impl Method {
    /// Upper-case word, as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// How the caller proves who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// HTTP basic.
    Basic,
}

/// Who may call a route. A permission is the pair of a domain and an action of the contract
/// (`x-anchore-authz-action`); members of the account `admin` hold every permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without credentials.
    Open,
    /// Any authenticated user.
    AnyUser,
    /// Holders of the action in the account the request acts in.
    InAccount(&'static str),
    /// Holders of the action in the account that the path names (`{account_name}`).
    InPathAccount(&'static str),
    /// Holders of the action in the domain `system`.
    InSystem(&'static str),
}

/// Adds the schemas a body needs and gives the reference to it.
pub type SchemaFn = fn(&mut Vec<(String, RefOr<Schema>)>) -> String;

/// Gives the query parameters of a route.
pub type ParamsFn = fn() -> Vec<Parameter>;

/// A request or response body.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    /// None.
    Empty,
    /// One JSON document of a type.
    Json(SchemaFn),
    /// A bare JSON array of a type.
    List(SchemaFn),
    /// A bare JSON array of strings.
    StringList,
    /// A JSON string.
    JsonString,
    /// A JSON object without a fixed schema here (an SBOM in its own format).
    JsonObject,
    /// Bytes of a media type.
    Bytes(&'static str),
    /// `multipart/form-data` with one part `file`.
    Upload,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Method.
    pub method: Method,
    /// Path with the prefix; parameters in braces.
    pub path: &'static str,
    /// Name of the operation and of its handler; the contract's where it has one.
    pub operation_id: &'static str,
    /// One line for the documentation.
    pub summary: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Query parameters.
    pub params: Option<ParamsFn>,
    /// Request body.
    pub request: Body,
    /// Status of success.
    pub status: u16,
    /// Response body of success.
    pub response: Body,
    /// Whether the last path parameter may contain slashes. It is decoded once.
    pub tail: bool,
}

impl Route {
    const fn new(method: Method, path: &'static str, operation_id: &'static str) -> Self {
        Self {
            method,
            path,
            operation_id,
            summary: "",
            access: Access::AnyUser,
            params: None,
            request: Body::Empty,
            status: 200,
            response: Body::Empty,
            tail: false,
        }
    }

    pub(crate) const fn get(path: &'static str, operation_id: &'static str) -> Self {
        Self::new(Method::Get, path, operation_id)
    }

    pub(crate) const fn post(path: &'static str, operation_id: &'static str) -> Self {
        Self::new(Method::Post, path, operation_id)
    }

    pub(crate) const fn put(path: &'static str, operation_id: &'static str) -> Self {
        Self::new(Method::Put, path, operation_id)
    }

    pub(crate) const fn delete(path: &'static str, operation_id: &'static str) -> Self {
        Self::new(Method::Delete, path, operation_id)
    }

    pub(crate) const fn about(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    pub(crate) const fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    pub(crate) const fn params(mut self, params: ParamsFn) -> Self {
        self.params = Some(params);
        self
    }

    pub(crate) const fn takes(mut self, body: Body) -> Self {
        self.request = body;
        self
    }

    pub(crate) const fn gives(mut self, body: Body) -> Self {
        self.response = body;
        self
    }

    pub(crate) const fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) const fn tail(mut self) -> Self {
        self.tail = true;
        self
    }

    /// How the caller proves who they are.
    #[must_use]
    pub const fn auth(&self) -> Auth {
        match self.access {
            Access::Open => Auth::None,
            Access::AnyUser
            | Access::InAccount(_)
            | Access::InPathAccount(_)
            | Access::InSystem(_) => Auth::Basic,
        }
    }

    /// The action of the permission that the route needs, if it needs one.
    #[must_use]
    pub const fn action(&self) -> Option<&'static str> {
        match self.access {
            Access::Open | Access::AnyUser => None,
            Access::InAccount(action)
            | Access::InPathAccount(action)
            | Access::InSystem(action) => Some(action),
        }
    }

    /// The path as a router pattern: a tail parameter is written `{*name}`.
    #[must_use]
    pub fn pattern(&self) -> String {
        match self.path.rfind('{') {
            Some(at) if self.tail => format!("{}{{*{}", &self.path[..at], &self.path[at + 1..]),
            _ => self.path.to_owned(),
        }
    }

    /// Names of the path parameters, in order.
    pub fn path_params(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

/// For [`Body::Json`] and [`Body::List`].
pub(crate) fn schema<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) -> String {
    T::schemas(schemas);
    let name = T::name().into_owned();
    schemas.push((name.clone(), T::schema()));
    name
}

/// For [`Route::params`].
pub(crate) fn query<T: IntoParams>() -> Vec<Parameter> {
    T::into_params(|| Some(ParameterIn::Query))
}

/// The table, in groups by resource.
pub const ROUTES: &[&[Route]] = &[
    crate::system::ROUTES,
    crate::accounts::ROUTES,
    crate::users::ROUTES,
    crate::registries::ROUTES,
    crate::images::ROUTES,
    crate::content::ROUTES,
    crate::vulnerabilities::ROUTES,
    crate::checks::ROUTES,
    crate::policies::ROUTES,
    crate::feeds::ROUTES,
    crate::events::ROUTES,
    crate::jobs::ROUTES,
    crate::findings::ROUTES,
];

/// Every route.
pub fn all() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().flat_map(|group| group.iter())
}

/// The route with this operation id.
#[must_use]
pub fn by_operation(operation_id: &str) -> Option<&'static Route> {
    all().find(|route| route.operation_id == operation_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn operation_ids_and_method_paths_are_unique() {
        let ids: BTreeSet<_> = all().map(|route| route.operation_id).collect();
        assert_eq!(ids.len(), all().count());
        let places: BTreeSet<_> = all().map(|route| (route.method, route.path)).collect();
        assert_eq!(places.len(), all().count());
    }

    #[test]
    fn only_the_listed_routes_are_open() {
        let open: Vec<_> =
            all().filter(|route| route.auth() == Auth::None).map(|route| route.path).collect();
        assert_eq!(
            open,
            [
                "/",
                "/v2",
                "/health",
                "/v2/health",
                "/version",
                "/v2/version",
                "/swagger.json",
                "/v2/openapi.json",
                "/livez",
                "/readyz",
                "/metrics"
            ]
        );
    }

    #[test]
    fn routes_below_an_account_are_judged_in_it_or_in_the_system() {
        for route in all().filter(|route| route.path.contains("{account_name}")) {
            assert!(
                matches!(route.access, Access::InPathAccount(_) | Access::InSystem(_)),
                "{}",
                route.path
            );
        }
        for route in all() {
            if let Access::InPathAccount(_) = route.access {
                assert!(route.path.contains("{account_name}"), "{}", route.path);
            }
        }
    }

    #[test]
    fn changes_need_a_permission() {
        // A user may always change their own password; everything else needs an action.
        for route in all().filter(|route| route.method != Method::Get) {
            let own = route.path == "/v2/user/credentials";
            assert!(own || route.action().is_some(), "{} {}", route.method.as_str(), route.path);
        }
    }

    #[test]
    fn tail_parameters_become_router_tails() {
        let route = by_operation("get_registry").unwrap();
        assert_eq!(route.pattern(), "/v2/registries/{*registry}");
        assert_eq!(by_operation("get_image").unwrap().pattern(), "/v2/images/{image_digest}");
        assert_eq!(
            by_operation("get_account_user").unwrap().path_params().collect::<Vec<_>>(),
            ["account_name", "username"]
        );
    }
}
