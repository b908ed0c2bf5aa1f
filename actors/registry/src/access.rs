//! How one request may reach one registry: host, credential, TLS, egress.

use std::fmt;
use zeroize::Zeroizing;

/// A password: wiped from memory when dropped, never printed.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// How to log in to a registry.
///
/// Closed on purpose: each kind needs its own exchange before the first request, and each `match`
/// must be visited when one is added. The kinds to come are AWS ECR keys (exchanged for a
/// twelve-hour password), Google JSON keys (a signed assertion exchanged for a token) and Azure
/// refresh tokens; until then their users give the provider's documented user name and password.
#[derive(Debug, Clone)]
pub enum Credential {
    /// No login; an anonymous token is fetched where the registry wants one.
    Anonymous,
    /// User name and password, sent as basic authentication or exchanged for a bearer token.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Password,
    },
}

/// Which addresses may be dialled for a request, beside public ones and the configured networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EgressRule {
    /// Nothing else.
    PublicOnly,
    /// This `host[:port]` was added by someone with the right to do so: it may resolve to a
    /// loopback, link-local, private or unique-local address. The allowance is for exactly this
    /// host and port; redirects and token servers do not inherit it. Metadata, multicast and
    /// unspecified addresses stay closed.
    ExplicitHost(String),
}

/// Whether a registry may be spoken to without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainHttp {
    /// As Docker does for its `insecure-registries`: HTTPS is tried first, and plain HTTP only
    /// when no TLS is spoken there, for a loopback host, or for a host that was added explicitly
    /// with verification turned off. A bad certificate never leads to plain HTTP.
    #[default]
    WhenInsecure,
    /// Never.
    Never,
}

/// One registry as one account may reach it.
#[derive(Debug, Clone)]
pub struct Access {
    /// Host with optional port, as in the reference (`docker.io`, `registry.example.com:5000`).
    pub host: String,
    /// Login.
    pub credential: Credential,
    /// Whether the registry's certificate is verified. Holds for the registry's own host and
    /// port; token servers and redirect targets elsewhere are always verified.
    pub tls_verify: bool,
    /// Addresses that may be dialled.
    pub egress: EgressRule,
    /// Whether plain HTTP may be used.
    pub plain_http: PlainHttp,
}

impl Access {
    /// A public registry without a login.
    #[must_use]
    pub fn anonymous(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            credential: Credential::Anonymous,
            tls_verify: true,
            egress: EgressRule::PublicOnly,
            plain_http: PlainHttp::WhenInsecure,
        }
    }

    /// The same with the host added explicitly ([`EgressRule::ExplicitHost`]).
    #[must_use]
    pub fn explicit(host: impl Into<String>) -> Self {
        let host = host.into();
        Self { egress: EgressRule::ExplicitHost(host.clone()), ..Self::anonymous(host) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_printed() {
        let password = Password::new("hunter2-canary".into());
        let access = Access {
            credential: Credential::Basic { username: "bob".into(), password },
            ..Access::anonymous("q.io")
        };
        let text = format!("{access:?} {access:#?}");
        assert!(!text.contains("canary"));
        assert!(text.contains("[secret]"));
    }
}
