//! A node in this process, and a client for it.

use kedge::boot::Node;
use kedge::config::Config;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Longest wait for a condition; reaching it is a failed test.
const PATIENCE: Duration = Duration::from_secs(60);

/// Password of the first administrator in tests.
pub const PASSWORD: &str = "test-password-1";

/// A node with a data folder of its own and a feed mirror in a folder.
pub struct TestNode {
    node: Option<Node>,
    config: Config,
    dir: TempDir,
    /// The administrator's client.
    pub admin: Client,
}

impl TestNode {
    /// Starts a node whose feeds come from a fresh folder made by [`crate::feeds::write`].
    pub async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let mirror = dir.path().join("mirror");
        crate::feeds::write(&mirror);
        let mut config = Config {
            data_dir: dir.path().join("data"),
            listen: "127.0.0.1:0".into(),
            ..Config::default()
        };
        config.store.disk_reserve_mib = 1;
        config.work.feeds.mirror = mirror.display().to_string();
        config.work.feeds.interval_hours = 0;
        let node = Node::start(&config, Some(PASSWORD.to_owned())).await.unwrap();
        let admin = Client::new(&node, "admin", PASSWORD);
        Self { node: Some(node), config, dir, admin }
    }

    /// The data folder.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    /// A path outside the data folder that lives as long as the node.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The administrator's client for another node on the same folder.
    #[must_use]
    pub fn client_of(&self, node: &Node) -> Client {
        Client::new(node, "admin", PASSWORD)
    }

    /// The running node.
    #[must_use]
    pub fn node(&self) -> &Node {
        self.node.as_ref().unwrap()
    }

    /// A client for another user.
    #[must_use]
    pub fn client(&self, user: &str, password: &str) -> Client {
        Client::new(self.node(), user, password)
    }

    /// Stops the node cleanly; the data folder stays.
    pub async fn stop(&mut self) {
        if let Some(node) = self.node.take() {
            node.stop().await.unwrap();
        }
    }

    /// Stops and starts it again on the same folder.
    pub async fn restart(&mut self) {
        self.stop().await;
        let node = Node::start(&self.config, None).await.unwrap();
        self.admin = Client::new(&node, "admin", PASSWORD);
        self.node = Some(node);
    }

    /// Fetches the feeds and waits until they are in use.
    pub async fn sync_feeds(&self) {
        let answer = self.admin.call(Method::POST, "/v2/system/feeds", None).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }

    /// Adds an image and waits for the end of its analysis; answers the image.
    pub async fn analyse(&self, pull_string: &str) -> Value {
        let body = serde_json::json!({"source": {"tag": {"pull_string": pull_string}}});
        let answer = self.admin.post("/v2/images", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let digest = answer.json()["image_digest"].as_str().unwrap().to_owned();
        self.wait_analysed(&digest).await
    }

    /// Waits until an image is analysed or has failed; answers it.
    pub async fn wait_analysed(&self, digest: &str) -> Value {
        let path = format!("/v2/images/{digest}");
        self.admin
            .until(&path, |image| {
                matches!(image["analysis_status"].as_str(), Some("analyzed" | "analysis_failed"))
            })
            .await
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: reqwest::header::HeaderMap,
    /// Body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// A client with a login.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    login: Option<(String, String)>,
    account: Option<String>,
}

impl Client {
    fn new(node: &Node, user: &str, password: &str) -> Self {
        let base = format!("http://{}", node.address());
        let login = Some((user.to_owned(), password.to_owned()));
        Self { http: reqwest::Client::new(), base, login, account: None }
    }

    /// The same client, acting in an account.
    #[must_use]
    pub fn acting_in(&self, account: &str) -> Self {
        Self { account: Some(account.to_owned()), ..self.clone() }
    }

    /// The same client without a login.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Self { login: None, ..self.clone() }
    }

    /// The base URL.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Any request.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, Some(password));
        }
        if let Some(account) = &self.account {
            request = request.header("x-anchore-account", account);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Repeats a request until its answer meets the condition; answers it.
    pub async fn until_answer<F: Future<Output = Answer>>(
        &self,
        ask: impl Fn(Self) -> F,
        met: impl Fn(&Answer) -> bool,
    ) -> Answer {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        let wait = async {
            loop {
                tick.tick().await;
                let answer = ask(self.clone()).await;
                if met(&answer) {
                    return answer;
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| panic!("the answer did not become what was waited for"))
    }

    /// Asks again and again until the answer meets the condition; answers it.
    pub async fn until(&self, path: &str, met: impl Fn(&Value) -> bool) -> Value {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        let wait = async {
            loop {
                tick.tick().await;
                let answer = self.get(path).await;
                if answer.status == StatusCode::OK {
                    let value = answer.json();
                    if met(&value) {
                        return value;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| panic!("{path} did not become what was waited for"))
    }
}
