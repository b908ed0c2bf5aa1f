//! Logging in: what a challenge is answered with, and who may be told a password.

use crate::access::{Credential, Password};
use crate::challenge::Challenge;
use crate::error::Error;
use crate::limits::{
    TOKEN_ANSWER_BYTES_MAX, TOKEN_BYTES_MAX, TOKEN_LEEWAY, TOKEN_LIFE_DEFAULT, TOKEN_LIFE_MAX,
    TOKENS_MAX,
};
use crate::retry::parse_retry_after;
use crate::session::{Session, read_body};
use crate::transport::label;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

/// Token servers on another host than their registry, by provider documentation.
/// Exact names: suffix rules have sent passwords to look-alike hosts.
const REALMS: [(&str, &str); 2] =
    [("registry-1.docker.io", "auth.docker.io"), ("registry.gitlab.com", "gitlab.com")];

/// What a remembered login is for: registry, rules, credential and scope, hashed. Two accounts
/// share an entry only when everything they would send is equal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct TokenKey([u8; 32]);

/// Answers to challenges, in memory only.
#[derive(Default)]
pub(crate) struct TokenCache(Mutex<HashMap<TokenKey, (HeaderValue, Instant)>>);

impl TokenCache {
    fn entries(&self) -> MutexGuard<'_, HashMap<TokenKey, (HeaderValue, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: &TokenKey) -> Option<HeaderValue> {
        let entries = self.entries();
        let (header, until) = entries.get(key)?;
        (*until > Instant::now()).then(|| header.clone())
    }

    pub(crate) fn forget(&self, key: &TokenKey) {
        self.entries().remove(key);
    }

    pub(crate) fn remember(&self, key: TokenKey, header: HeaderValue, until: Instant) {
        let mut entries = self.entries();
        if entries.len() >= TOKENS_MAX {
            let now = Instant::now();
            entries.retain(|_, (_, until)| *until > now);
        }
        if entries.len() >= TOKENS_MAX {
            let mut ends: Vec<Instant> = entries.values().map(|(_, until)| *until).collect();
            ends.sort_unstable();
            let middle = ends[ends.len() / 2];
            entries.retain(|_, (_, until)| *until > middle);
        }
        entries.insert(key, (header, until));
    }
}

impl Session {
    pub(crate) fn token_key(&self, scope: &str) -> TokenKey {
        let route = self.route(&self.base);
        let (username, password) = match &self.access.credential {
            Credential::Anonymous => ("", ""),
            Credential::Basic { username, password } => (username.as_str(), password.expose()),
        };
        let mut hasher = Sha256::new();
        hasher.update([u8::from(route.explicit), u8::from(route.verify)]);
        for part in [self.base.as_str(), scope, username, password] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        TokenKey(hasher.finalize().into())
    }

    /// How a refused login is told, without the login.
    pub(crate) fn refusal(&self) -> String {
        match &self.access.credential {
            Credential::Anonymous => "anonymous access is not allowed".into(),
            Credential::Basic { username, .. } => {
                format!("the credential of user '{}' was refused", printable(username))
            }
        }
    }

    fn auth_failed(&self, what: impl Into<String>) -> Error {
        Error::AuthFailed { host: self.host(), what: what.into() }
    }

    /// The `Authorization` header for a challenge, and until when it is good.
    pub(crate) async fn answer(
        &self,
        challenges: &[Challenge],
        scope: &str,
        deadline: Instant,
    ) -> Result<(HeaderValue, Instant), Error> {
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service } => Some((realm, service)),
            Challenge::Basic => None,
        });
        if let Some((realm, service)) = bearer {
            return self.fetch_token(realm, service, scope, deadline).await;
        }
        match &self.access.credential {
            Credential::Basic { username, password } if challenges.contains(&Challenge::Basic) => {
                let header = basic(username, password)
                    .ok_or_else(|| self.auth_failed("the credential cannot be put in a header"))?;
                Ok((header, Instant::now() + TOKEN_LIFE_MAX))
            }
            Credential::Anonymous => Err(self.auth_failed(self.refusal())),
            Credential::Basic { .. } => {
                Err(self.auth_failed("it offers neither basic nor bearer authentication"))
            }
        }
    }

    /// The token server's address, when it is one that may be asked at all.
    fn realm_url(&self, realm: &str) -> Result<Url, Error> {
        let mut url = Url::parse(realm)
            .map_err(|_| self.auth_failed("the address of its token server is malformed"))?;
        match url.scheme() {
            "https" => {}
            "http" if self.base.scheme() == "http" => {}
            _ => return Err(self.auth_failed("its token server does not speak https")),
        }
        if !url.username().is_empty() || url.password().is_some() || url.host().is_none() {
            return Err(self.auth_failed("the address of its token server is malformed"));
        }
        url.set_fragment(None);
        Ok(url)
    }

    fn realm_is_trusted(&self, realm: &Url) -> bool {
        let (Some(registry), Some(realm)) = (self.base.host_str(), realm.host_str()) else {
            return false;
        };
        let named = self.access.host.split(':').next().unwrap_or("");
        registry == realm
            || REALMS.contains(&(registry, realm))
            || self.shared.options.trusted_realms.iter().any(|(trusting, trusted)| {
                (trusting == registry || trusting == named) && trusted == realm
            })
    }

    /// Asks the token server (distribution specification, "Token Authentication"). The scope is
    /// ours, never the challenge's: a registry must not use our login to have a token made out
    /// for other repositories.
    async fn fetch_token(
        &self,
        realm: &str,
        service: &str,
        scope: &str,
        deadline: Instant,
    ) -> Result<(HeaderValue, Instant), Error> {
        let mut url = self.realm_url(realm)?;
        if !service.is_empty() {
            url.query_pairs_mut().append_pair("service", service);
        }
        if !scope.is_empty() {
            url.query_pairs_mut().append_pair("scope", scope);
        }
        let mut headers = HeaderMap::new();
        if let Credential::Basic { username, password } = &self.access.credential {
            if !self.realm_is_trusted(&url) {
                let (registry, realm) = (self.host(), label(&url));
                return Err(Error::RealmRefused { registry, realm });
            }
            url.query_pairs_mut().append_pair("account", username);
            let header = basic(username, password)
                .ok_or_else(|| self.auth_failed("the credential cannot be put in a header"))?;
            headers.insert(AUTHORIZATION, header);
        }
        let sent = self.shared.transport.get(self.route(&url), &url, headers, deadline).await;
        let response = sent.map_err(|fault| fault.into_error(&url))?;
        let host = label(&url);
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(parse_retry_after);
        match response.status().as_u16() {
            200 => {}
            429 => return Err(Error::RateLimited { host, retry_after }),
            status @ 500..=599 => return Err(Error::Unavailable { host, status, retry_after }),
            400 | 401 | 403 => {
                let what = format!("{} at token server {host}", self.refusal());
                return Err(self.auth_failed(what));
            }
            status => {
                let what = format!("token server {host} answered with status {status}");
                return Err(self.auth_failed(what));
            }
        }
        let limit = (TOKEN_ANSWER_BYTES_MAX, "TOKEN_ANSWER_BYTES_MAX");
        let body = Zeroizing::new(read_body(response, &url, limit, deadline).await?.to_vec());
        let (token, life) = read_token(&body)
            .ok_or_else(|| self.auth_failed(format!("token server {host} gave no token")))?;
        Ok((token, Instant::now() + life))
    }
}

fn basic(username: &str, password: &Password) -> Option<HeaderValue> {
    // A colon in the user name would move the border to the password (RFC 7617, 2).
    if username.contains(':') {
        return None;
    }
    let pair = Zeroizing::new(format!("{username}:{}", password.expose()));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    secret_header(&text)
}

fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Token and life of a token server's answer.
fn read_token(body: &[u8]) -> Option<(HeaderValue, Duration)> {
    #[derive(serde::Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
        expires_in: Option<serde_json::Value>,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let token = answer.token.filter(|token| !token.is_empty()).or(answer.access_token)?;
    let token = Zeroizing::new(token);
    let plain = |b: u8| b.is_ascii_graphic();
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.bytes().all(plain) {
        return None;
    }
    let named = answer.expires_in.and_then(|value| value.as_u64()).map(Duration::from_secs);
    // The specification's least is 60 seconds; some servers say less or nothing.
    let life = named.unwrap_or(TOKEN_LIFE_DEFAULT).min(TOKEN_LIFE_MAX);
    let header = secret_header(&Zeroizing::new(format!("Bearer {}", token.as_str())))?;
    Some((header, life.saturating_sub(TOKEN_LEEWAY)))
}

/// User names come from people; control characters do not go into messages.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

impl std::fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenCache({} entries)", self.entries().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_answers_are_read() {
        let check = |body: &str, expect: Option<(&str, u64)>| {
            let got = read_token(body.as_bytes());
            let got = got.as_ref().map(|(h, life)| (h.to_str().unwrap(), life.as_secs()));
            assert_eq!(got, expect, "{body}");
        };
        check(r#"{"token":"t"}"#, Some(("Bearer t", 50)));
        check(r#"{"access_token":"a","expires_in":300}"#, Some(("Bearer a", 290)));
        check(r#"{"token":"","access_token":"a","expires_in":"x"}"#, Some(("Bearer a", 50)));
        check(r#"{"token":"t","expires_in":99999999999}"#, Some(("Bearer t", 3590)));
        check(r#"{"token":"t","expires_in":-5}"#, Some(("Bearer t", 50)));
        check(r#"{"token":"t\r\nX-Evil: 1"}"#, None);
        check(r#"{"token":""}"#, None);
        check("{}", None);
        check("<html>", None);
        check(&format!(r#"{{"token":"{}"}}"#, "x".repeat(TOKEN_BYTES_MAX + 1)), None);
    }

    #[test]
    fn a_user_name_with_a_colon_is_not_sent() {
        assert!(basic("a:b", &Password::new("c".into())).is_none());
        let header = basic("bob", &Password::new("s3cret".into())).unwrap();
        assert_eq!(header, "Basic Ym9iOnMzY3JldA==");
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn the_cache_is_bounded() {
        let cache = TokenCache::default();
        let header = HeaderValue::from_static("x");
        let now = Instant::now();
        for index in 0..=TOKENS_MAX as u64 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&index.to_le_bytes());
            let until = now + Duration::from_secs(3600 + index);
            cache.remember(TokenKey(key), header.clone(), until);
        }
        let count = cache.entries().len();
        assert!(count <= TOKENS_MAX && count > TOKENS_MAX / 4, "{count}");
        let mut last = [0; 32];
        last[..8].copy_from_slice(&(TOKENS_MAX as u64).to_le_bytes());
        assert!(cache.get(&TokenKey(last)).is_some());
    }
}
