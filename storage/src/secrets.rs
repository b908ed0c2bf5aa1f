//! Envelope encryption of what may never be readable in a store, a log or a backup: passwords and
//! tokens of registries, keys of notification targets.
//!
//! A [`NodeKey`] lives in a file of its own, outside everything that is replicated or backed up.
//! Every account has an [`AccountKey`], stored wrapped by the node key; secrets are sealed with
//! the account's key. So a new node key means rewrapping one small key per account, and deleting an
//! account's key makes all its secrets unreadable wherever copies are.
//!
//! Cipher: XChaCha20-Poly1305 with a random 24-byte nonce for every sealing. Associated data binds
//! a sealed value to its place (account, registry); it opens nowhere else.
//!
//! Nothing here logs, and no error carries a secret.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::files;
use crate::limits::SECRET_BYTES_MAX;

/// XChaCha20-Poly1305.
const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// Why a secret could not be sealed or opened.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The key that sealed this is another one.
    #[error("sealed with key {found}, this is key {expected}")]
    OtherKey {
        /// The key at hand.
        expected: KeyId,
        /// The key that sealed it.
        found: KeyId,
    },
    /// The bytes were changed, or belong to another place.
    #[error("sealed value does not open: changed, or moved from another place")]
    Rejected,
    /// The bytes are too short to be sealed.
    #[error("sealed value is cut off")]
    Truncated,
    /// A newer version of this program sealed it.
    #[error("sealed in version {found}, this program knows up to {known}")]
    NewerVersion {
        /// Version of the value.
        found: u8,
        /// Newest known version.
        known: u8,
    },
    /// The secret is over [`SECRET_BYTES_MAX`].
    #[error("secret has {bytes} bytes, SECRET_BYTES_MAX is {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
    /// The node key file is missing.
    #[error("node key {path} is missing; restore it from where it is kept safe")]
    MissingKey {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may read the node key.
    #[error(
        "node key {path} has mode {mode:04o}, others may read it; chmod 600 and replace the key"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not a node key.
    #[error("node key {path} must have {KEY_BYTES} bytes")]
    MalformedKey {
        /// The file.
        path: PathBuf,
    },
    /// A failure of the file system.
    #[error("{operation} {path}: {source}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A secret in memory: wiped when dropped, and never printed. It cannot be serialised:
///
/// ```compile_fail
/// fn needs_serialize<T: serde::Serialize>(_: T) {}
/// needs_serialize(kedge_storage::secrets::Secret::from("password".to_owned()));
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes; do not copy them further than needed.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text; `None` when they are not UTF-8.
    #[must_use]
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[secret]")
    }
}

/// Names a key without telling it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyId([u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(self.0))
    }
}

/// Something sealed with a key. May be stored and replicated.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// How it is sealed.
    pub version: u8,
    /// The key that opens it.
    pub key_id: KeyId,
    /// Random, never used twice.
    pub nonce: [u8; NONCE_BYTES],
    /// The sealed bytes and their tag.
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Sealed(key {}, {} bytes)", self.key_id, self.ciphertext.len())
    }
}

/// An account's key, sealed with a node key. May be stored and replicated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey(Sealed);

impl WrappedKey {
    /// The node key that unwraps it.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.0.key_id
    }
}

/// 32 bytes that seal and open; the part that both kinds of key share.
struct SealingKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: KeyId,
    /// Keeps values sealed by one kind of key from being taken for the other's.
    purpose: &'static [u8],
}

impl SealingKey {
    fn new(bytes: Zeroizing<[u8; KEY_BYTES]>, purpose: &'static [u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"kedge key id 1\0");
        hasher.update(&bytes[..]);
        let hash: [u8; 32] = hasher.finalize().into();
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        Self { bytes, id: KeyId(id), purpose }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.bytes))
    }

    /// Purpose and version are bound along with the caller's data.
    fn bound(&self, version: u8, aad: &[u8]) -> Vec<u8> {
        [self.purpose, &[0, version], aad].concat()
    }

    fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Sealed, SecretError> {
        if plaintext.len() > SECRET_BYTES_MAX {
            let (bytes, limit) = (plaintext.len(), SECRET_BYTES_MAX);
            return Err(SecretError::TooLarge { bytes, limit });
        }
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(SecretError::Random)?;
        let payload = Payload { msg: plaintext, aad: &self.bound(VERSION, aad) };
        let ciphertext = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .expect("far below the cipher's limit of 256 GiB");
        Ok(Sealed { version: VERSION, key_id: self.id, nonce, ciphertext })
    }

    fn open(&self, aad: &[u8], sealed: &Sealed) -> Result<Secret, SecretError> {
        if sealed.version > VERSION {
            return Err(SecretError::NewerVersion { found: sealed.version, known: VERSION });
        }
        if sealed.key_id != self.id {
            return Err(SecretError::OtherKey { expected: self.id, found: sealed.key_id });
        }
        if sealed.ciphertext.len() < TAG_BYTES {
            return Err(SecretError::Truncated);
        }
        let bytes = sealed.ciphertext.len() - TAG_BYTES;
        if bytes > SECRET_BYTES_MAX {
            return Err(SecretError::TooLarge { bytes, limit: SECRET_BYTES_MAX });
        }
        let aad = self.bound(sealed.version, aad);
        let payload = Payload { msg: &sealed.ciphertext, aad: &aad };
        self.cipher()
            .decrypt(&XNonce::from(sealed.nonce), payload)
            .map(Secret::new)
            .map_err(|_| SecretError::Rejected)
    }
}

fn random_key() -> Result<Zeroizing<[u8; KEY_BYTES]>, SecretError> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(&mut bytes[..]).map_err(SecretError::Random)?;
    Ok(bytes)
}

/// The key of one account. Only ever stored as a [`WrappedKey`].
pub struct AccountKey(SealingKey);

impl AccountKey {
    const PURPOSE: &'static [u8] = b"kedge secret";

    /// A fresh random key.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn generate() -> Result<Self, SecretError> {
        Ok(Self(SealingKey::new(random_key()?, Self::PURPOSE)))
    }

    /// Names the key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.0.id
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "AccountKey({})", self.0.id)
    }
}

/// Seals a secret of an account. `aad` says where it belongs and must be given again to open it.
///
/// # Errors
/// Over [`SECRET_BYTES_MAX`], or the system gives no random numbers.
pub fn seal(key: &AccountKey, aad: &[u8], plaintext: &[u8]) -> Result<Sealed, SecretError> {
    key.0.seal(aad, plaintext)
}

/// Opens a sealed secret.
///
/// # Errors
/// Another key, another place, changed or cut bytes, or a newer version.
pub fn open(key: &AccountKey, aad: &[u8], sealed: &Sealed) -> Result<Secret, SecretError> {
    key.0.open(aad, sealed)
}

/// The key of this node, in a file that only its owner may read.
pub struct NodeKey(SealingKey);

impl fmt::Debug for NodeKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "NodeKey({})", self.0.id)
    }
}

impl NodeKey {
    const PURPOSE: &'static [u8] = b"kedge account key";

    /// Reads the key.
    ///
    /// # Errors
    /// Missing, readable by others, of the wrong size, or a failure of the file system.
    pub fn open(path: &Path) -> Result<Self, SecretError> {
        use std::os::unix::fs::PermissionsExt;
        let fail = |source| SecretError::Io {
            operation: "can not read node key",
            path: path.to_owned(),
            source,
        };
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(SecretError::MissingKey { path: path.to_owned() });
            }
            other => other.map_err(fail)?,
        };
        let metadata = file.metadata().map_err(fail)?;
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SecretError::Exposed { path: path.to_owned(), mode });
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        if metadata.len() != KEY_BYTES as u64 {
            return Err(SecretError::MalformedKey { path: path.to_owned() });
        }
        file.read_exact(&mut bytes[..]).map_err(fail)?;
        Ok(Self(SealingKey::new(bytes, Self::PURPOSE)))
    }

    /// Reads the key, or makes one when there is none. The caller holds the lock of the data
    /// folder, so two processes cannot make two keys.
    ///
    /// # Errors
    /// As [`NodeKey::open`], without the missing file.
    pub fn open_or_create(path: &Path) -> Result<Self, SecretError> {
        match Self::open(path) {
            Err(SecretError::MissingKey { .. }) => Self::create(path),
            other => other,
        }
    }

    /// Makes a new random key in a file, replacing what is there; for the first start and for
    /// rotation (see [`rewrap`]).
    ///
    /// # Errors
    /// A failure of the file system or no random numbers.
    pub fn create(path: &Path) -> Result<Self, SecretError> {
        let bytes = random_key()?;
        files::replace_durably(path, &bytes[..], 0o600).map_err(|source| SecretError::Io {
            operation: "can not write node key",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self(SealingKey::new(bytes, Self::PURPOSE)))
    }

    /// Names the key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.0.id
    }

    /// Wraps an account's key. `aad` names the account.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn wrap(&self, aad: &[u8], key: &AccountKey) -> Result<WrappedKey, SecretError> {
        self.0.seal(aad, &key.0.bytes[..]).map(WrappedKey)
    }

    /// Unwraps an account's key.
    ///
    /// # Errors
    /// Wrapped by another key, for another account, changed, or of a newer version.
    pub fn unwrap(&self, aad: &[u8], wrapped: &WrappedKey) -> Result<AccountKey, SecretError> {
        let secret = self.0.open(aad, &wrapped.0)?;
        let exposed = secret.expose().try_into().map_err(|_| SecretError::Truncated)?;
        Ok(AccountKey(SealingKey::new(Zeroizing::new(exposed), AccountKey::PURPOSE)))
    }
}

/// Moves an account's key from one node key to another; the account's secrets stay as they are.
///
/// # Errors
/// As [`NodeKey::unwrap`] with the old key.
pub fn rewrap(
    old: &NodeKey,
    new: &NodeKey,
    aad: &[u8],
    wrapped: &WrappedKey,
) -> Result<WrappedKey, SecretError> {
    new.wrap(aad, &old.unwrap(aad, wrapped)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const PLACE: &[u8] = b"account/registry.example.org";

    fn sealed() -> (AccountKey, Sealed) {
        let key = AccountKey::generate().unwrap();
        let sealed = seal(&key, PLACE, b"hunter2").unwrap();
        (key, sealed)
    }

    #[test]
    fn sealed_secret_opens_in_its_place_only() {
        let (key, sealed) = sealed();
        assert_eq!(open(&key, PLACE, &sealed).unwrap().expose_text(), Some("hunter2"));
        let error = open(&key, b"account/other", &sealed).unwrap_err();
        assert!(matches!(error, SecretError::Rejected));
        let other = AccountKey::generate().unwrap();
        let error = open(&other, PLACE, &sealed).unwrap_err();
        assert!(matches!(error, SecretError::OtherKey { found, .. } if found == key.id()));
        // Even when the key id is forged.
        let forged = Sealed { key_id: other.id(), ..sealed };
        assert!(matches!(open(&other, PLACE, &forged), Err(SecretError::Rejected)));
    }

    #[test]
    fn changed_or_cut_bytes_do_not_open() {
        let (key, sealed) = sealed();
        for cut in 0..sealed.ciphertext.len() {
            let ciphertext = sealed.ciphertext[..cut].to_vec();
            let error = open(&key, PLACE, &Sealed { ciphertext, ..sealed.clone() }).unwrap_err();
            assert!(matches!(error, SecretError::Truncated | SecretError::Rejected), "{error}");
        }
        for at in 0..sealed.ciphertext.len() {
            let mut changed = sealed.clone();
            changed.ciphertext[at] ^= 1;
            assert!(matches!(open(&key, PLACE, &changed), Err(SecretError::Rejected)));
        }
        let mut changed = sealed.clone();
        changed.nonce[0] ^= 1;
        assert!(matches!(open(&key, PLACE, &changed), Err(SecretError::Rejected)));
        let newer = Sealed { version: 2, ..sealed };
        assert!(matches!(open(&key, PLACE, &newer), Err(SecretError::NewerVersion { .. })));
    }

    #[test]
    fn nothing_is_sealed_alike_twice_and_nothing_shows() {
        let (key, first) = sealed();
        let second = seal(&key, PLACE, b"hunter2").unwrap();
        assert_ne!(first.nonce, second.nonce);
        assert_ne!(first.ciphertext, second.ciphertext);
        let secret = Secret::from("hunter2".to_owned());
        assert_eq!(format!("{secret} {secret:?}"), "[secret] [secret]");
        let shown = format!("{first:?} {key:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains(&hex::encode(&key.0.bytes[..])), "{shown}");
        let error = seal(&key, PLACE, &vec![0; SECRET_BYTES_MAX + 1]).unwrap_err();
        assert!(error.to_string().contains("SECRET_BYTES_MAX"));
    }

    #[test]
    fn rotation_rewraps_and_old_secrets_open() {
        let dir = tempfile::tempdir().unwrap();
        let old = NodeKey::open_or_create(&dir.path().join("node.key")).unwrap();
        let (key, sealed) = sealed();
        let wrapped = old.wrap(b"account", &key).unwrap();
        let new = NodeKey::create(&dir.path().join("next.key")).unwrap();
        let rewrapped = rewrap(&old, &new, b"account", &wrapped).unwrap();
        assert_eq!(rewrapped.key_id(), new.id());
        let unwrapped = new.unwrap(b"account", &rewrapped).unwrap();
        assert_eq!(unwrapped.id(), key.id());
        assert_eq!(open(&unwrapped, PLACE, &sealed).unwrap().expose(), b"hunter2");
        assert!(matches!(new.unwrap(b"account", &wrapped), Err(SecretError::OtherKey { .. })));
        assert!(matches!(old.unwrap(b"other", &wrapped), Err(SecretError::Rejected)));
    }

    #[test]
    fn node_key_file_is_private_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.key");
        assert!(matches!(NodeKey::open(&path), Err(SecretError::MissingKey { .. })));
        let created = NodeKey::open_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(NodeKey::open_or_create(&path).unwrap().id(), created.id());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = NodeKey::open_or_create(&path).unwrap_err();
        assert!(error.to_string().contains("0640"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, [0; 31]).unwrap();
        assert!(matches!(NodeKey::open_or_create(&path), Err(SecretError::MalformedKey { .. })));
    }

    /// What is stored today must open tomorrow.
    #[test]
    fn golden_sealed_value() {
        let key = AccountKey(SealingKey::new(Zeroizing::new([7; 32]), AccountKey::PURPOSE));
        assert_eq!(key.id().to_string(), "91c002eceada3fe3");
        let cipher = hex::decode("d6078cfe19d84bf8637dfe492d041b2563aeafda668f98").unwrap();
        let sealed = Sealed { version: 1, key_id: key.id(), nonce: [9; 24], ciphertext: cipher };
        assert_eq!(open(&key, PLACE, &sealed).unwrap().expose(), b"hunter2");
    }
}
