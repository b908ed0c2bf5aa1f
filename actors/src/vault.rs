//! Secrets of accounts: sealed on the way into the state, opened only where they are used.

use kedge_model::tokens::AccountName;
use kedge_storage::codec::{self, CodecError, Stored};
use kedge_storage::secrets::{self, AccountKey, NodeKey, Sealed, Secret, SecretError, WrappedKey};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why a secret could not be sealed or opened. Never carries the secret.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key or the sealed bytes do not fit.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The stored form cannot be read.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

#[derive(Serialize, Deserialize)]
struct StoredKey(WrappedKey);

impl Stored for StoredKey {
    const VERSION: u8 = 1;
    const NAME: &'static str = "account key";
}

#[derive(Serialize, Deserialize)]
struct StoredSecret(Sealed);

impl Stored for StoredSecret {
    const VERSION: u8 = 1;
    const NAME: &'static str = "sealed secret";
}

/// Seals and opens with the node's key. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    key: Arc<NodeKey>,
}

fn key_place(account: &AccountName) -> Vec<u8> {
    format!("account-key\0{account}").into_bytes()
}

impl Vault {
    /// A vault over the node's key.
    #[must_use]
    pub fn new(key: NodeKey) -> Self {
        Self { key: Arc::new(key) }
    }

    /// A fresh data key for an account, wrapped: fit to be stored and replicated.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn new_account_key(&self, account: &AccountName) -> Result<Vec<u8>, VaultError> {
        let wrapped = self.key.wrap(&key_place(account), &AccountKey::generate()?)?;
        Ok(codec::encode(&StoredKey(wrapped))?)
    }

    fn account_key(&self, account: &AccountName, wrapped: &[u8]) -> Result<AccountKey, VaultError> {
        let stored = codec::decode::<StoredKey>(wrapped)?;
        Ok(self.key.unwrap(&key_place(account), &stored.0)?)
    }

    /// Seals a secret for one place (`registry\0h.io/team`): it opens nowhere else.
    ///
    /// # Errors
    /// When the wrapped key is not ours, or the secret is too long.
    pub fn seal(
        &self,
        account: &AccountName,
        wrapped: &[u8],
        place: &str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let key = self.account_key(account, wrapped)?;
        let sealed = secrets::seal(&key, place.as_bytes(), plaintext)?;
        Ok(codec::encode(&StoredSecret(sealed))?)
    }

    /// Opens what [`Vault::seal`] made.
    ///
    /// # Errors
    /// When the bytes were changed or belong to another place or account.
    pub fn open(
        &self,
        account: &AccountName,
        wrapped: &[u8],
        place: &str,
        sealed: &[u8],
    ) -> Result<Secret, VaultError> {
        let key = self.account_key(account, wrapped)?;
        let stored = codec::decode::<StoredSecret>(sealed)?;
        Ok(secrets::open(&key, place.as_bytes(), &stored.0)?)
    }
}

/// The place of a registry's password.
#[must_use]
pub fn registry_place(registry: &str) -> String {
    format!("registry\0{registry}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_only_for_its_account_and_place() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::new(NodeKey::create(&dir.path().join("node.key")).unwrap());
        let (a, b) = (AccountName::from("a"), AccountName::from("b"));
        let (key_a, key_b) =
            (vault.new_account_key(&a).unwrap(), vault.new_account_key(&b).unwrap());
        let sealed = vault.seal(&a, &key_a, "registry\0h.io", b"hunter2").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        let opened = vault.open(&a, &key_a, "registry\0h.io", &sealed).unwrap();
        assert_eq!(opened.expose(), b"hunter2");
        assert!(vault.open(&a, &key_a, "registry\0evil.io", &sealed).is_err());
        assert!(vault.open(&b, &key_b, "registry\0h.io", &sealed).is_err());
        assert!(
            vault.open(&a, &key_b, "registry\0h.io", &sealed).is_err(),
            "another account's key"
        );
    }
}
