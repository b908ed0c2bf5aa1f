//! One HTTP request on one connection: TLS, address rules, and what went wrong as a value.
//!
//! Four HTTP clients, so that four pools: a connection that one account's explicit allowance or
//! switched-off verification opened is never reused for a request without it.

use crate::egress::{GuardedResolver, Refused, Rules};
use crate::error::Error;
use crate::limits::HEADERS_MAX;
use crate::options::Options;
use http::HeaderMap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::Instant;
use url::{Host, Url};

/// Which of the four clients a request goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Route {
    /// The target is a host that was added explicitly.
    pub(crate) explicit: bool,
    /// The certificate is verified.
    pub(crate) verify: bool,
}

/// What kind of failure a request had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// The address rules.
    Egress,
    /// The certificate is not trusted or not for this host.
    Certificate,
    /// TLS was not spoken, or not in a way that we accept.
    Tls,
    /// No connection, or it broke off.
    Connection,
    /// Silence.
    Timeout,
    /// Not HTTP, or headers over the limits.
    Malformed,
}

/// Why a request had no answer.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) what: String,
}

/// `host` or `host:port` of a URL, for messages. Nothing else of a URL is ever shown: paths and
/// queries of redirects carry signatures.
pub(crate) fn label(url: &Url) -> String {
    let host = url.host_str().unwrap_or("");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl Fault {
    pub(crate) fn into_error(self, url: &Url) -> Error {
        let (host, what) = (label(url), self.what);
        match self.kind {
            FaultKind::Egress => Error::EgressRefused { host, what },
            FaultKind::Certificate | FaultKind::Tls => Error::TlsFailed { host, what },
            FaultKind::Connection => Error::Unreachable { host, what },
            FaultKind::Timeout => Error::Timeout { host, what },
            FaultKind::Malformed => Error::NotARegistry { host, what },
        }
    }

    /// Reads the failure out of the chain of sources. The texts are those of the innermost known
    /// error; the HTTP client's own would repeat the URL.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        let fault = |kind, what: String| Self { kind, what };
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        let mut io_text = None;
        while let Some(current) = next {
            if let Some(refused) = current.downcast_ref::<Refused>() {
                return fault(FaultKind::Egress, refused.to_string());
            }
            if let Some(tls) = current.downcast_ref::<rustls::Error>() {
                return Self::of_tls(tls);
            }
            if let Some(http) = current.downcast_ref::<hyper::Error>()
                && http.is_parse()
            {
                let what = "malformed http, or headers over the limit (HEADERS_MAX)";
                return fault(FaultKind::Malformed, what.into());
            }
            next = current.source();
            if let Some(io) = current.downcast_ref::<std::io::Error>() {
                io_text = Some(io.to_string());
                // The source of a wrapping io::Error skips what it wraps.
                next = io.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
            }
        }
        if error.is_timeout() {
            return fault(FaultKind::Timeout, "the connection was silent for too long".into());
        }
        let what = io_text.unwrap_or_else(|| "the connection broke off".into());
        fault(FaultKind::Connection, what)
    }

    fn of_tls(error: &rustls::Error) -> Self {
        let kind = if matches!(error, rustls::Error::InvalidCertificate(_)) {
            FaultKind::Certificate
        } else {
            FaultKind::Tls
        };
        let mut what = if let rustls::Error::InvalidCertificate(certificate) = error {
            distrust(certificate)
        } else {
            error.to_string()
        };
        what.truncate(what.floor_char_boundary(300));
        Self { kind, what }
    }
}

/// What is wrong with a certificate, in words for people who set up registries.
fn distrust(error: &rustls::CertificateError) -> String {
    use rustls::CertificateError as Wrong;
    if matches!(error, Wrong::UnknownIssuer) {
        return "its certificate is signed by an unknown authority".into();
    }
    if matches!(error, Wrong::Other(_)) {
        return "its certificate is self-signed or not one for servers".into();
    }
    format!("its certificate is not trusted: {error}")
}

/// The HTTP clients.
pub(crate) struct Transport {
    /// Indexed by `explicit` and `verify`.
    clients: [[reqwest::Client; 2]; 2],
    rules: [Rules; 2],
}

impl Transport {
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        let networks: Arc<[_]> = options.allowed_networks.clone().into();
        let rules = [false, true].map(|explicit| Rules { networks: networks.clone(), explicit });
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verified = verified_tls(&provider, options)?;
        let unverified = unverified_tls(&provider)?;
        let build = |rules: &Rules, tls: &ClientConfig| {
            reqwest::Client::builder()
                .user_agent(&options.user_agent)
                .tls_backend_preconfigured(tls.clone())
                .dns_resolver(GuardedResolver(rules.clone()))
                // A proxy would connect for us, past the address rules; none is taken from the
                // environment.
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                // Blobs are verified as they lie in the registry, not as decoded.
                .no_gzip()
                .http1_only()
                .http1_max_headers(HEADERS_MAX)
                .connect_timeout(options.connect_timeout)
                .read_timeout(options.read_timeout)
                .tcp_nodelay(true)
                .build()
                .map_err(|error| Error::Setup(error.to_string()))
        };
        let pair = |rules: &Rules| Ok([build(rules, &unverified)?, build(rules, &verified)?]);
        Ok(Self { clients: [pair(&rules[0])?, pair(&rules[1])?], rules })
    }

    /// Sends one GET and gives the answer's head; redirects are not followed.
    pub(crate) async fn get(
        &self,
        route: Route,
        url: &Url,
        headers: HeaderMap,
        deadline: Instant,
    ) -> Result<reqwest::Response, Fault> {
        // Literal addresses are not looked up, so the resolver does not see them.
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        if let Some(address) = literal {
            let checked = self.rules[usize::from(route.explicit)].check(address);
            checked
                .map_err(|refused| Fault { kind: FaultKind::Egress, what: refused.to_string() })?;
        }
        let client = &self.clients[usize::from(route.explicit)][usize::from(route.verify)];
        let sent = client.get(url.clone()).headers(headers).send();
        match tokio::time::timeout_at(deadline, sent).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(Fault::of(&error)),
            Err(_) => {
                Err(Fault { kind: FaultKind::Timeout, what: "the operation's time is over".into() })
            }
        }
    }
}

fn builder(
    provider: &Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Setup(error.to_string()))
}

fn verified_tls(provider: &Arc<CryptoProvider>, options: &Options) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for der in &options.extra_roots {
        roots
            .add(CertificateDer::from(der.clone()))
            .map_err(|error| Error::Setup(format!("additional root certificate: {error}")))?;
    }
    let mut tls = builder(provider)?.with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

fn unverified_tls(provider: &Arc<CryptoProvider>) -> Result<ClientConfig, Error> {
    let verifier = Arc::new(AnyCertificate(provider.clone()));
    let mut tls = builder(provider)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

/// For registries whose verification was turned off: takes any certificate, but still wants the
/// handshake signed by its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
