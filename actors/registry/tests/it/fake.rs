//! A registry in this process that answers with any bytes it is told to, so that it can lie about
//! lengths, break off, and send headers that no HTTP library would.

use kedge_artifact::digest::Digest;
use kedge_registry::{Access, Client, Credential, Descriptor, Options};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Planted wherever a password goes; must come out nowhere.
pub(crate) const CANARY: &str = "canary-7f3a-password";

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Path with query.
    pub(crate) path: String,
    /// All header lines, lower case.
    pub(crate) head: String,
}

impl Seen {
    pub(crate) fn authorization(&self) -> Option<&str> {
        self.header("authorization")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// What goes back.
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    /// Repeats the last bytes until the client hangs up.
    pub(crate) endless: bool,
    /// Sends nothing more and keeps the connection.
    pub(crate) held: bool,
}

impl Reply {
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), endless: false, held: false }
    }

    pub(crate) fn held(bytes: &str) -> Self {
        Self { held: true, ..Self::raw(bytes) }
    }

    pub(crate) fn new(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut text = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        Self::raw([text.as_bytes(), body].concat())
    }

    pub(crate) fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::new(200, &[], body)
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::new(307, &[("Location", to)], "")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, &[], r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#)
    }
}

/// A running fake.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

type Handler = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

impl Fake {
    /// Speaks plain HTTP on `127.0.0.1`.
    pub(crate) async fn http(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start("127.0.0.1:0", None, Arc::new(handler)).await
    }

    /// The same on another loopback address.
    pub(crate) async fn http_at(
        ip: &str,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(&format!("{ip}:0"), None, Arc::new(handler)).await
    }

    /// Speaks TLS with a certificate of its own for `127.0.0.1`; gives the certificate (DER).
    pub(crate) async fn https(
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> (Self, Vec<u8>) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let fake = Self::start("127.0.0.1:0", Some(acceptor), Arc::new(handler)).await;
        (fake, certificate.to_vec())
    }

    async fn start(at: &str, tls: Option<TlsAcceptor>, handler: Handler) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (handler, log, tls) = (handler.clone(), log.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(socket, handler, log).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(socket).await {
                                serve(stream, handler, log).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Requests so far, without the probes for the scheme (bare, unauthenticated `/v2/`).
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.header("accept") != Some("*/*")).cloned().collect()
    }

    /// Requests so far, all of them.
    /// Requests so far, the probes too.
    pub(crate) fn seen_with_probes(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn seen_all(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// An access with this host added explicitly.
    pub(crate) fn access(&self) -> Access {
        Access::explicit(self.host())
    }

    /// The same with user `bob` and the canary as password.
    pub(crate) fn access_as_bob(&self) -> Access {
        let password = CANARY.to_owned().into();
        let credential = Credential::Basic { username: "bob".into(), password };
        Access { credential, ..self.access() }
    }

    pub(crate) fn reference(&self, rest: &str) -> kedge_artifact::reference::Reference {
        format!("{}/{rest}", self.host()).parse().unwrap()
    }
}

async fn serve<S>(mut stream: S, handler: Handler, log: Arc<Mutex<Vec<Seen>>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        // 0x16 starts a TLS handshake: not for us.
        if !matches!(stream.read(&mut byte).await, Ok(1)) || (head.is_empty() && byte[0] == 0x16) {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or("").to_owned();
    let seen = Seen { path, head };
    log.lock().unwrap().push(seen.clone());
    let reply = handler(&seen);
    let mut going = stream.write_all(&reply.bytes).await.is_ok();
    while going && reply.endless {
        going = stream.write_all(&[b'x'; 8192]).await.is_ok();
    }
    if reply.held {
        // Ends when the client hangs up.
        let _ = stream.read(&mut byte).await;
    }
    let _ = stream.shutdown().await;
}

/// Options that wait little.
pub(crate) fn options() -> Options {
    Options {
        retry_base: Duration::from_millis(1),
        operation_deadline: Duration::from_secs(20),
        blob_deadline: Duration::from_secs(20),
        ..Options::default()
    }
}

/// The same with all loopback addresses configured as allowed.
pub(crate) fn open_options() -> Options {
    Options { allowed_networks: vec!["127.0.0.0/8".parse().unwrap()], ..options() }
}

pub(crate) fn client() -> Client {
    Client::new(options()).unwrap()
}

pub(crate) fn open_client() -> Client {
    Client::new(open_options()).unwrap()
}

pub(crate) const MANIFEST: &str = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;

pub(crate) fn descriptor(content: &[u8]) -> Descriptor {
    let media_type = "application/vnd.oci.image.layer.v1.tar+gzip".into();
    Descriptor { digest: Digest::of(content), size: content.len() as u64, media_type }
}

/// A deterministic blob that is no run of one byte.
pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + index / 251) as u8).collect()
}
