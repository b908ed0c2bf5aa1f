//! Who this node is: the cluster it belongs to and its number in it.
//!
//! The file is written once, before the log exists, and never changed: a node that lost its log
//! must come back under another number, because the old one may have promised a vote that nobody
//! remembers.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use kedge_model::tokens::NodeId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

const FILE: &str = "identity.json";
const FORMAT: u32 = 1;
/// The file has two short fields; anything larger is not ours.
const FILE_BYTES_MAX: u64 = 4 * 1024;

/// The node that starts a cluster. Others get theirs from the log index of their join, which is
/// always greater.
const FIRST_NODE: NodeId = NodeId(1);

/// A node's place in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The cluster, a random number drawn when it was started.
    pub cluster: ClusterId,
    /// This node.
    pub node: NodeId,
}

/// Identifies a cluster; shown as 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClusterId(pub [u8; 16]);

impl std::fmt::Display for ClusterId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&hex::encode(self.0))
    }
}

/// Why a node does not know who it is.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The file is damaged.
    #[error("identity file {path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A newer version of this program wrote the file.
    #[error("identity file {path} has format {found}, this version knows up to {known}")]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Newest known format.
        known: u32,
    },
    /// There is a log or state, but no identity: whose they are cannot be guessed.
    #[error("identity file {path} is missing, but the folder holds a node's data")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("no random bytes for a new cluster id: {0}")]
    Random(getrandom::Error),
    /// A failure of the file system.
    #[error("{operation} identity file {path}: {source}")]
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    cluster: String,
    node: u64,
}

#[derive(Deserialize)]
struct StoredFormat {
    format: u32,
}

/// Reads the identity in a data folder; draws a new one when the folder is new.
///
/// # Errors
/// See [`IdentityError`].
pub(crate) fn load_or_create(root: &Path, is_new: bool) -> Result<Identity, IdentityError> {
    let path = root.join(FILE);
    let io = |operation| {
        let path = path.clone();
        move |source| IdentityError::Io { operation, path, source }
    };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_new => {
            return create(root, &path);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(IdentityError::Missing { path });
        }
        Err(error) => return Err(io("opening")(error)),
    };
    let mut text = String::new();
    match file.take(FILE_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => parse(&path, &text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(IdentityError::Damaged { path, reason: "it is not text".to_owned() })
        }
        Err(error) => Err(io("reading")(error)),
    }
}

fn parse(path: &Path, text: &str) -> Result<Identity, IdentityError> {
    let damaged = |reason: String| IdentityError::Damaged { path: path.to_owned(), reason };
    let StoredFormat { format } =
        serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    if format > FORMAT {
        let (path, known) = (path.to_owned(), FORMAT);
        return Err(IdentityError::NewerFormat { path, found: format, known });
    }
    let stored: Stored = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    let mut cluster = [0; 16];
    hex::decode_to_slice(&stored.cluster, &mut cluster)
        .map_err(|_| damaged("cluster must be 32 hex digits".to_owned()))?;
    if stored.node == 0 {
        return Err(damaged("node must not be 0".to_owned()));
    }
    Ok(Identity { cluster: ClusterId(cluster), node: NodeId(stored.node) })
}

fn create(root: &Path, path: &Path) -> Result<Identity, IdentityError> {
    let mut cluster = [0; 16];
    getrandom::fill(&mut cluster).map_err(IdentityError::Random)?;
    let identity = Identity { cluster: ClusterId(cluster), node: FIRST_NODE };
    let stored =
        Stored { format: FORMAT, cluster: identity.cluster.to_string(), node: identity.node.0 };
    let text = serde_json::to_string(&stored).expect("two strings and a number are JSON");
    let temporary = root.join("identity.json.tmp");
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(root)?.sync_all()
    });
    let path = path.to_owned();
    written.map_err(|source| IdentityError::Io { operation: "writing", path, source })?;
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_drawn_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = load_or_create(dir.path(), true).unwrap();
        assert_eq!(first.node, NodeId(1));
        assert_eq!(load_or_create(dir.path(), false).unwrap(), first);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(load_or_create(other.path(), true).unwrap().cluster, first.cluster);
    }

    #[test]
    fn data_without_identity_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = load_or_create(dir.path(), false).unwrap_err();
        assert!(matches!(error, IdentityError::Missing { .. }), "{error}");
    }

    #[test]
    fn bad_files_are_named() {
        let cluster = "00112233445566778899aabbccddeeff";
        let check = |text: &str, expect: &str| {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(FILE), text).unwrap();
            let error = load_or_create(dir.path(), true).unwrap_err().to_string();
            assert!(error.contains(expect) && error.contains(FILE), "{text}: {error}");
        };
        check("", "damaged");
        check("{\"format\":1}", "damaged");
        check(&format!("{{\"format\":1,\"cluster\":\"{cluster}\",\"node\":0}}"), "node");
        check("{\"format\":1,\"cluster\":\"00\",\"node\":1}", "32 hex digits");
        check("{\"format\":2,\"era\":\"later\"}", "has format 2");
        let extra = format!("{{\"format\":1,\"cluster\":\"{cluster}\",\"node\":1,\"x\":1}}");
        check(&extra, "unknown field");
        check(&"x".repeat(100_000), "damaged");
    }
}
