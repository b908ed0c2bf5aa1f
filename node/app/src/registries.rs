//! Registries and the credentials for them. Passwords are write-only: they arrive here in clear,
//! leave sealed, and no answer holds them.

use crate::App;
use crate::error::{AppError, contract_code};
use crate::identity::Identity;
use crate::limits::{REGISTRY_PASSWORD_BYTES_MAX, REGISTRY_SEGMENTS_MAX};
use kedge_actors::access::Candidate;
use kedge_actors::fault::Fault;
use kedge_actors::vault::registry_place;
use kedge_cluster::Handle;
use kedge_model::command::{Command, PutRegistry, Response};
use kedge_model::limits::REGISTRY_BYTES_MAX;
use kedge_model::registry::{Registry, RegistryKind};
use kedge_model::rejection::{Rejection, RejectionCode};
use kedge_state::query;

/// A registry entry as a client sends it. No `Debug`: it holds a password.
#[derive(Default)]
pub struct RegistryInput {
    /// `host[:port][/path][/*]`.
    pub registry: Option<String>,
    /// For people; the registry itself when absent.
    pub name: Option<String>,
    /// User name.
    pub user: Option<String>,
    /// Password. Absent in an update: the stored one stays.
    pub password: Option<String>,
    /// `docker_v2` when absent.
    pub kind: Option<String>,
    /// Verify TLS certificates; true when absent.
    pub verify_tls: Option<bool>,
}

/// Checks a registry string and gives its canonical form: the host in lower case, the historic
/// names of Docker Hub as `docker.io`.
///
/// # Errors
/// With the contract's text where it has one.
pub fn check_registry_name(text: &str) -> Result<String, AppError> {
    let conflict = |message: &str| Err(AppError::refused(409, "registry_name", message));
    if text.ends_with('/') {
        return conflict("input registry name cannot end with trailing '/' characters");
    }
    if text.contains("://") {
        return conflict(
            "input registry name must start with a hostname/ip, without URI schema (http://, https://)",
        );
    }
    if text.len() > REGISTRY_BYTES_MAX {
        return Err(AppError::invalid(format!(
            "input registry name has over {REGISTRY_BYTES_MAX} bytes (REGISTRY_BYTES_MAX)"
        )));
    }
    let mut segments = text.split('/');
    let host = canonical_host(segments.next().unwrap_or_default());
    if !host_has_form(&host) {
        return Err(AppError::invalid(format!(
            "input registry name must start with a host and an optional port, not '{}'",
            shown(&host)
        )));
    }
    let path: Vec<&str> = segments.collect();
    if path.len() > REGISTRY_SEGMENTS_MAX {
        return Err(AppError::invalid(format!(
            "input registry name has over {REGISTRY_SEGMENTS_MAX} segments (REGISTRY_SEGMENTS_MAX)"
        )));
    }
    for (index, segment) in path.iter().enumerate() {
        let last = index + 1 == path.len();
        if segment.contains('*') && !(*segment == "*" && last) {
            return Err(AppError::invalid(
                "a wildcard '*' is allowed only alone after the last '/' of a registry name",
            ));
        }
        if *segment != "*" && !segment_has_form(segment) {
            return Err(AppError::invalid(format!(
                "'{}' in the registry name is not a part of a repository name",
                shown(segment)
            )));
        }
    }
    Ok(std::iter::once(host.as_str()).chain(path).collect::<Vec<_>>().join("/"))
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

fn canonical_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        _ => host,
    }
}

fn host_has_form(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        let port = port.strip_prefix(':').unwrap_or("1");
        return address.parse::<std::net::Ipv6Addr>().is_ok()
            && port.parse::<u16>().is_ok_and(|port| port > 0);
    }
    let (name, port) = host.split_once(':').unwrap_or((host, "1"));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    port.parse::<u16>().is_ok_and(|port| port > 0) && name.split('.').all(label)
}

fn segment_has_form(segment: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    edge(segment.bytes().next())
        && edge(segment.bytes().last())
        && segment
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

fn kind_of(input: &RegistryInput) -> Result<RegistryKind, AppError> {
    let Some(name) = input.kind.as_deref().filter(|kind| !kind.is_empty()) else {
        return Ok(RegistryKind::DockerV2);
    };
    RegistryKind::parse(name).ok_or_else(|| {
        let text = format!("registry type '{}' is not supported, only docker_v2 is", shown(name));
        AppError::invalid(text).with_codes(&["REGISTRY_NOT_SUPPORTED"])
    })
}

fn cannot_ping(fault: &Fault) -> AppError {
    // What is broken here is not the registry's fault and must not be told as if it were.
    if fault.status == 500 {
        return fault.clone().into();
    }
    // The contract fixes how this text begins.
    let text = format!(
        "cannot ping supplied registry with supplied credentials - exception: {}",
        fault.message
    );
    let error = AppError::refused(406, "registry_not_validated", text)
        .with_detail("code", fault.code.clone().into());
    match contract_code(&fault.code) {
        Some(code) => error.with_codes(&[code]),
        None => error,
    }
}

fn registry_not_found(text: &'static str) -> AppError {
    Rejection::new(RejectionCode::RegistryNotFound, text).into()
}

fn registry_of(response: Response) -> Result<Registry, AppError> {
    let Response::Registry(registry) = response else {
        return Err(AppError::unexpected("a registry"));
    };
    Ok(*registry)
}

impl App {
    /// Registries of the account, by name.
    ///
    /// # Errors
    /// 403 without the permission.
    pub async fn list_registries(&self, who: &Identity) -> Result<Vec<Registry>, AppError> {
        self.allow(who, "listRegistries")?;
        let account = who.account.clone();
        let list = move |handle: &Handle| handle.read(|view| query::registry::list(view, &account));
        self.read_blocking(list).await
    }

    /// One registry.
    ///
    /// # Errors
    /// 403, 404.
    pub async fn get_registry(&self, who: &Identity, name: &str) -> Result<Registry, AppError> {
        self.allow(who, "getRegistry")?;
        self.stored_registry(who, name)
            .await?
            .ok_or_else(|| registry_not_found("registry not found in DB"))
    }

    async fn stored_registry(
        &self,
        who: &Identity,
        name: &str,
    ) -> Result<Option<Registry>, AppError> {
        // A name that could not have been stored is not there.
        let Ok(name) = check_registry_name(name) else { return Ok(None) };
        let found =
            self.handle().read_linearizable(|view| query::registry::get(view, &who.account, &name));
        Ok(found.await??)
    }

    async fn sealed(
        &self,
        who: &Identity,
        registry: &str,
        password: &str,
    ) -> Result<Vec<u8>, AppError> {
        if password.is_empty() {
            return Ok(Vec::new());
        }
        if password.len() > REGISTRY_PASSWORD_BYTES_MAX {
            return Err(AppError::invalid(format!(
                "registry_pass has over {REGISTRY_PASSWORD_BYTES_MAX} bytes (REGISTRY_PASSWORD_BYTES_MAX)"
            )));
        }
        let account = self.existing_account(&who.account).await?;
        let place = registry_place(registry);
        self.system()
            .vault()
            .seal(&who.account, &account.data_key, &place, password.as_bytes())
            .map_err(|error| AppError::internal(error.to_string()))
    }

    async fn check_candidate(&self, entry: &PutRegistry, password: &str) -> Result<(), AppError> {
        let candidate = Candidate {
            registry: &entry.registry,
            kind: entry.kind,
            user: &entry.user,
            password: password.to_owned().into(),
            verify_tls: entry.verify_tls,
        };
        self.system().check_registry(&candidate).await.map_err(|fault| cannot_ping(&fault))
    }

    /// Adds a registry. With `validate` its credentials are tried first.
    ///
    /// # Errors
    /// 400 and 409 for a bad name, 403, 406 when the credentials do not work, 409 when it exists.
    pub async fn create_registry(
        &self,
        who: &Identity,
        input: RegistryInput,
        validate: bool,
    ) -> Result<Registry, AppError> {
        self.allow(who, "createRegistry")?;
        let Some(registry) = input.registry.as_deref().filter(|name| !name.is_empty()) else {
            return Err(AppError::invalid("'registry' is a required property"));
        };
        let registry = check_registry_name(registry)?;
        let kind = kind_of(&input)?;
        if self.stored_registry(who, &registry).await?.is_some() {
            // The contract fixes this text; a client goes on with an update when it reads it.
            let text = "registry already exists in DB";
            return Err(Rejection::new(RejectionCode::RegistryExists, text).into());
        }
        let password = input.password.unwrap_or_default();
        let sealed = self.sealed(who, &registry, &password).await?;
        let entry = PutRegistry {
            account: who.account.clone(),
            name: input.name.filter(|name| !name.is_empty()).unwrap_or_else(|| registry.clone()),
            kind,
            user: input.user.unwrap_or_default(),
            sealed_password: Some(sealed),
            verify_tls: input.verify_tls.unwrap_or(true),
            create: true,
            registry,
        };
        if validate {
            self.check_candidate(&entry, &password).await?;
        }
        registry_of(self.propose(who.caller(), Command::PutRegistry(Box::new(entry))).await?)
    }

    /// Replaces a registry; an absent password keeps the stored one. With `validate` the
    /// credentials are tried first, and the old entry stays when they do not work.
    ///
    /// # Errors
    /// 403, 404, 406 when the credentials do not work, 409 when the body names another registry.
    pub async fn update_registry(
        &self,
        who: &Identity,
        name: &str,
        input: RegistryInput,
        validate: bool,
    ) -> Result<Registry, AppError> {
        self.allow(who, "updateRegistry")?;
        let Some(stored) = self.stored_registry(who, name).await? else {
            return Err(registry_not_found("could not find existing registry to update"));
        };
        let same = |body: &str| check_registry_name(body).is_ok_and(|body| body == stored.registry);
        if input.registry.as_deref().is_some_and(|body| !same(body)) {
            let text = "registry name in path does not equal registry name in body";
            return Err(AppError::refused(409, "registry_name", text));
        }
        let kind = kind_of(&input)?;
        let mut entry = PutRegistry {
            account: who.account.clone(),
            registry: stored.registry.clone(),
            name: input.name.filter(|name| !name.is_empty()).unwrap_or(stored.name.clone()),
            kind,
            user: input.user.unwrap_or_else(|| stored.user.clone()),
            sealed_password: None,
            verify_tls: input.verify_tls.unwrap_or(stored.verify_tls),
            create: false,
        };
        if let Some(password) = input.password {
            entry.sealed_password = Some(self.sealed(who, &stored.registry, &password).await?);
            if validate {
                self.check_candidate(&entry, &password).await?;
            }
        } else if validate {
            let changed =
                Registry { kind, user: entry.user.clone(), verify_tls: entry.verify_tls, ..stored };
            let checked = self.system().check_stored_registry(&changed).await;
            checked.map_err(|fault| cannot_ping(&fault))?;
        }
        registry_of(self.propose(who.caller(), Command::PutRegistry(Box::new(entry))).await?)
    }

    /// Removes a registry; its images stay.
    ///
    /// # Errors
    /// 403, 404.
    pub async fn delete_registry(&self, who: &Identity, name: &str) -> Result<(), AppError> {
        self.allow(who, "deleteRegistry")?;
        let registry = check_registry_name(name)
            .map_err(|_| registry_not_found("registry not found in DB"))?;
        let account = who.account.clone();
        self.propose(who.caller(), Command::DeleteRegistry { account, registry }).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names() {
        for (text, expect) in [
            ("docker.io", "docker.io"),
            ("Index.Docker.IO/library", "docker.io/library"),
            ("registry.example.com:5000", "registry.example.com:5000"),
            ("127.0.0.1:5000/team/*", "127.0.0.1:5000/team/*"),
            ("localhost/*", "localhost/*"),
            ("core.harbor.domain/library/alpine", "core.harbor.domain/library/alpine"),
            ("[::1]:5000/a", "[::1]:5000/a"),
        ] {
            assert_eq!(check_registry_name(text).unwrap(), expect);
        }
    }

    #[test]
    fn bad_names_and_their_texts() {
        for (text, status, part) in [
            ("q.io/", 409, "cannot end with trailing '/'"),
            ("https://q.io", 409, "without URI schema"),
            ("http://q.io/", 409, "trailing"),
            ("", 400, "host"),
            ("q.io/ente*", 400, "wildcard"),
            ("q.io/*/a", 400, "wildcard"),
            ("*", 400, "host"),
            ("q.io//a", 400, "not a part"),
            ("q.io/../a", 400, "not a part"),
            ("q.io:0", 400, "host"),
            ("q.io:99999", 400, "host"),
            ("user@q.io", 400, "host"),
            ("q.io/A", 400, "not a part"),
            ("q.io/a\0b", 400, "not a part"),
            ("[::1", 400, "host"),
        ] {
            let error = check_registry_name(text).unwrap_err();
            assert_eq!(error.status(), status, "{text}: {error}");
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
        let long = format!("q.io/{}", "a".repeat(REGISTRY_BYTES_MAX));
        assert!(check_registry_name(&long).unwrap_err().to_string().contains("REGISTRY_BYTES_MAX"));
        let deep = format!("q.io{}", "/a".repeat(REGISTRY_SEGMENTS_MAX + 1));
        assert!(check_registry_name(&deep).unwrap_err().to_string().contains("SEGMENTS_MAX"));
    }

    #[test]
    fn a_failed_check_says_the_contracts_words() {
        let error = cannot_ping(&Fault::lasting("registry_auth_failed", 401, "q.io refused"));
        assert_eq!(error.status(), 406);
        assert_eq!(
            error.to_string(),
            "cannot ping supplied registry with supplied credentials - exception: q.io refused"
        );
        assert_eq!(error.error_codes(), ["REGISTRY_PERMISSION_DENIED"]);
        let inside = cannot_ping(&Fault::lasting("state_unreadable", 500, "/data"));
        assert_eq!((inside.status(), inside.to_string().as_str()), (500, "internal error"));
    }

    #[test]
    fn unknown_kinds_are_refused() {
        let of =
            |kind: &str| kind_of(&RegistryInput { kind: Some(kind.into()), ..Default::default() });
        assert_eq!(of("docker_v2").unwrap(), RegistryKind::DockerV2);
        assert_eq!(of("").unwrap(), RegistryKind::DockerV2);
        assert!(of("awsecr").unwrap_err().to_string().contains("awsecr"));
    }
}
