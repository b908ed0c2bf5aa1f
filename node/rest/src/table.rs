//! Joins the table of routes with the handlers. Both must name the same operations.

use crate::Server;
use crate::error::Failure;
use crate::guard::{Post, guard};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, on};
use kedge_api::routes::{Method, all, by_operation};
use std::collections::BTreeSet;

/// Paths beside the table under which an operation is served too.
const ALIASES: &[(&str, &str)] = &[("/openapi.json", "get_openapi"), ("/healthz", "livez")];

/// A router being built.
pub(crate) struct Table {
    server: Server,
    router: Router<Server>,
    served: BTreeSet<&'static str>,
    mistakes: Vec<String>,
}

const fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Delete => MethodFilter::DELETE,
    }
}

impl Table {
    pub(crate) fn new(server: Server) -> Self {
        let (router, served) = (Router::new(), BTreeSet::new());
        Self { server, router, served, mistakes: Vec::new() }
    }

    /// Serves an operation of the table with a handler.
    pub(crate) fn on<H, T>(mut self, operation: &'static str, handler: H) -> Self
    where
        H: Handler<T, Server>,
        T: 'static,
    {
        let Some(route) = by_operation(operation) else {
            self.mistakes.push(format!("handler {operation} has no row"));
            return self;
        };
        if !self.served.insert(operation) {
            self.mistakes.push(format!("operation {operation} has two handlers"));
            return self;
        }
        let post = Post::new(self.server.clone(), route);
        let aliases = ALIASES.iter().filter(|(_, of)| *of == operation).map(|(path, _)| *path);
        let paths = std::iter::once(route.pattern()).chain(aliases.map(str::to_owned));
        for path in paths {
            // `route_layer`: a wrong method is a wrong method, whoever asks.
            let guarded = on(filter(route.method), handler.clone())
                .route_layer(from_fn_with_state(post.clone(), guard));
            self.router = self.router.route(&path, guarded);
        }
        self
    }

    /// The router, or what does not fit together.
    pub(crate) fn finish(mut self) -> Result<Router, Vec<String>> {
        for route in all().filter(|route| !self.served.contains(route.operation_id)) {
            self.mistakes.push(format!("operation {} has no handler", route.operation_id));
        }
        if !self.mistakes.is_empty() {
            return Err(self.mistakes);
        }
        let router = self
            .router
            .fallback(|| async { Failure::UnknownRoute })
            .method_not_allowed_fallback(|| async { Failure::UnknownMethod })
            // Every body has its own bound where it is read.
            .layer(DefaultBodyLimit::disable());
        Ok(router.with_state(self.server))
    }
}
