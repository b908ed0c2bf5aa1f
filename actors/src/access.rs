//! How an account may reach a registry: its best-fitting credential, opened for one use.

use crate::shared::Shared;
use crate::vault::{VaultError, registry_place};
use kedge_model::registry::{Registry, RegistryKind};
use kedge_model::tokens::AccountName;
use kedge_registry::{Access, Credential, EgressRule, Password, PlainHttp};
use kedge_state::query;
use kedge_state::row::StateError;

/// Why the way to a registry could not be worked out.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The stored password cannot be opened.
    #[error("the stored password for {registry} cannot be opened: {source}")]
    Vault {
        /// The entry.
        registry: String,
        /// Why.
        source: VaultError,
    },
    /// The account is gone.
    #[error("account {0} not found")]
    NoAccount(AccountName),
}

/// A registry entry that is about to be stored, with its password still in clear.
pub struct Candidate<'a> {
    /// `host[:port][/path][/*]`.
    pub registry: &'a str,
    /// How to authenticate.
    pub kind: RegistryKind,
    /// User name; empty for none.
    pub user: &'a str,
    /// Password.
    pub password: Password,
    /// Verify the TLS certificate.
    pub verify_tls: bool,
}

impl Candidate<'_> {
    /// The way to the registry with this credential.
    #[must_use]
    pub fn access(&self) -> Access {
        let host = self.registry.split('/').next().unwrap_or(self.registry);
        build(host, self.kind, self.user, self.password.clone(), self.verify_tls)
    }
}

fn build(host: &str, kind: RegistryKind, user: &str, password: Password, verify: bool) -> Access {
    let credential = match kind {
        RegistryKind::DockerV2 if user.is_empty() => Credential::Anonymous,
        RegistryKind::DockerV2 => Credential::Basic { username: user.to_owned(), password },
    };
    Access {
        host: host.to_owned(),
        credential,
        tls_verify: verify,
        // Somebody with the right to do so added this host: that opens private addresses for it.
        egress: EgressRule::ExplicitHost(host.to_owned()),
        plain_http: PlainHttp::WhenInsecure,
    }
}

/// The way of `account` to `host/repository`.
///
/// # Errors
/// When the state cannot be read or the password cannot be opened.
pub fn to_repository(
    shared: &Shared,
    account: &AccountName,
    host: &str,
    repository: &str,
) -> Result<Access, AccessError> {
    let found = shared.handle.read(|view| {
        let entry = query::registry::fitting(view, account, host, repository)?;
        Ok::<_, StateError>((entry, query::account::get(view, account)?))
    })?;
    match found {
        (_, None) => Err(AccessError::NoAccount(account.clone())),
        (None, Some(_)) => Ok(Access::anonymous(host)),
        (Some(entry), Some(owner)) => with_entry(shared, &entry, &owner.data_key),
    }
}

/// The way that a stored entry describes.
///
/// # Errors
/// When the password cannot be opened.
pub fn with_entry(
    shared: &Shared,
    entry: &Registry,
    data_key: &[u8],
) -> Result<Access, AccessError> {
    let password = if entry.sealed_password.is_empty() {
        Password::new(String::new())
    } else {
        let place = registry_place(&entry.registry);
        let opened = shared.vault.open(&entry.account, data_key, &place, &entry.sealed_password);
        let failed = |source| AccessError::Vault { registry: entry.registry.clone(), source };
        let secret = opened.map_err(failed)?;
        Password::new(secret.expose_text().unwrap_or_default().to_owned())
    };
    Ok(build(entry.host(), entry.kind, &entry.user, password, entry.verify_tls))
}
