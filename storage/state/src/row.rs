//! Rows: which type lives under which key, and how it is read and written.

use kedge_model::account::{Account, User};
use kedge_model::command::Outcome;
use kedge_model::evaluation::Evaluation;
use kedge_model::event::EventRecord;
use kedge_model::feed::FeedState;
use kedge_model::image::{Image, Tag};
use kedge_model::job::Job;
use kedge_model::policy::Policy;
use kedge_model::registry::Registry;
use kedge_storage::codec::{self, CodecError, Stored};
use kedge_storage::keyspaces::{Key, Keyspace};
use kedge_storage::kv::{KvError, Txn, View, prefix_end};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A failure to read or write rows. Not a rejection: the store or its content is broken, and
/// going on would spread it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StateError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] KvError),
    /// A row cannot be read or written.
    #[error("row of {keyspace:?}: {source}")]
    Row {
        /// Where it is.
        keyspace: Keyspace,
        /// What the codec said.
        source: CodecError,
    },
}

/// The answer to a request, kept so that asking again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// What was answered.
    pub outcome: Outcome,
}

/// A type that is stored as a row.
pub trait Row: Serialize + DeserializeOwned {
    /// Where its rows live.
    const KEYSPACE: Keyspace;
    /// Version of the encoding; raised with any change of the type's fields.
    const VERSION: u8;
    /// For error messages.
    const NAME: &'static str;
}

macro_rules! rows {
    ($($type:ty => $keyspace:ident, $version:literal, $name:literal;)+) => {
        $(impl Row for $type {
            const KEYSPACE: Keyspace = Keyspace::$keyspace;
            const VERSION: u8 = $version;
            const NAME: &'static str = $name;
        })+
    };
}

rows! {
    Account => Accounts, 1, "account";
    User => Users, 1, "user";
    Registry => Registries, 1, "registry";
    Image => Images, 1, "image";
    Tag => Tags, 1, "tag";
    Job => Jobs, 1, "job";
    Policy => Policies, 1, "policy";
    Evaluation => Evaluations, 1, "evaluation";
    EventRecord => Events, 1, "event";
    FeedState => Feeds, 1, "feed state";
    Answered => Requests, 1, "request";
}

#[derive(Deserialize)]
struct Read<R>(R);

/// Writing borrows, so that no row is cloned to be stored.
#[derive(Serialize)]
struct Written<'a, R>(&'a R);

impl<R: Row> Serialize for Read<R> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written(&self.0).serialize(serializer)
    }
}

impl<R: Row> Stored for Read<R> {
    const VERSION: u8 = R::VERSION;
    const NAME: &'static str = R::NAME;
}

fn decode<R: Row>(bytes: &[u8]) -> Result<R, StateError> {
    codec::decode::<Read<R>>(bytes)
        .map(|read| read.0)
        .map_err(|source| StateError::Row { keyspace: R::KEYSPACE, source })
}

/// The row under `key`, which must be of the type's keyspace.
///
/// # Errors
/// When the store fails or the row cannot be read.
pub fn get<R: Row>(view: &dyn View, key: Key) -> Result<Option<R>, StateError> {
    view.get(&key.build())?.map(|bytes| decode(&bytes)).transpose()
}

/// Writes a row.
///
/// # Errors
/// When the row is over a limit of the codec or the store.
pub fn put<R: Row + Clone>(txn: &mut Txn<'_>, key: Key, row: &R) -> Result<(), StateError> {
    let bytes = codec::encode(&Read(row.clone()))
        .map_err(|source| StateError::Row { keyspace: R::KEYSPACE, source })?;
    txn.put(key.build(), bytes)?;
    Ok(())
}

/// Removes a row or an index entry; a missing one is no error.
///
/// # Errors
/// When the key is over its limit.
pub fn delete(txn: &mut Txn<'_>, key: Key) -> Result<(), StateError> {
    Ok(txn.delete(key.build())?)
}

/// Writes an index entry: a key without a value.
///
/// # Errors
/// When the key is over its limit.
pub fn mark(txn: &mut Txn<'_>, key: Key) -> Result<(), StateError> {
    Ok(txn.put(key.build(), Vec::new())?)
}

/// A counter's value; 0 when it was never written.
///
/// # Errors
/// When the store fails.
pub fn counter(view: &dyn View, key: Key) -> Result<u64, StateError> {
    let bytes = view.get(&key.build())?;
    let bytes: Option<[u8; 8]> = bytes.and_then(|bytes| bytes.try_into().ok());
    Ok(bytes.map_or(0, u64::from_be_bytes))
}

/// Sets a counter.
///
/// # Errors
/// When the key is over its limit.
pub fn set_counter(txn: &mut Txn<'_>, key: Key, value: u64) -> Result<(), StateError> {
    Ok(txn.put(key.build(), value.to_be_bytes().to_vec())?)
}

/// A page of rows: those whose keys begin with `prefix` and come after `after`, at most `limit`.
/// Answers the rows with their keys.
///
/// # Errors
/// When the store fails or a row cannot be read.
pub fn page<R: Row>(
    view: &dyn View,
    prefix: Key,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<(Vec<u8>, R)>, StateError> {
    let prefix = prefix.build();
    let end = prefix_end(&prefix);
    // The smallest key after `after` is `after` with a zero byte.
    let start = after.map_or_else(|| prefix.clone(), |key| [key, &[0]].concat());
    let found = view.range(&start, end.as_deref(), false, limit)?;
    found.into_iter().map(|(key, bytes)| Ok((key, decode(&bytes)?))).collect()
}

/// All rows whose keys begin with `prefix`, read page by page.
///
/// # Errors
/// When the store fails or a row cannot be read.
pub fn all<R: Row>(view: &dyn View, prefix: &Key) -> Result<Vec<R>, StateError> {
    let mut rows = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let found = page::<R>(view, prefix.clone(), after.as_deref(), PAGE)?;
        let full = found.len() == PAGE;
        after = found.last().map(|(key, _)| key.clone());
        rows.extend(found.into_iter().map(|(_, row)| row));
        if !full {
            return Ok(rows);
        }
    }
}

/// All keys that begin with `prefix`, at most `limit`.
///
/// # Errors
/// When the store fails.
pub fn keys(view: &dyn View, prefix: &Key, limit: usize) -> Result<Vec<Vec<u8>>, StateError> {
    let page = view.prefix(&prefix.clone().build(), limit)?;
    Ok(page.into_iter().map(|(key, _)| key).collect())
}

/// Rows read from the store at a time.
const PAGE: usize = 512;

/// Where each entity's rows are.
pub mod at {
    use super::{Key, Keyspace};
    use kedge_artifact::digest::Digest;
    use kedge_artifact::time::Timestamp;
    use kedge_model::job::{Job, JobKind};
    use kedge_model::tokens::{AccountName, JobId};

    /// An account.
    #[must_use]
    pub fn account(name: &AccountName) -> Key {
        Key::new(Keyspace::Accounts).text(&name.0)
    }
    /// A user.
    #[must_use]
    pub fn user(name: &str) -> Key {
        Key::new(Keyspace::Users).text(name)
    }
    /// Index: users of an account.
    #[must_use]
    pub fn users_of(account: &AccountName) -> Key {
        Key::new(Keyspace::UsersByAccount).text(&account.0)
    }
    /// Registries of an account.
    #[must_use]
    pub fn registries(account: &AccountName) -> Key {
        Key::new(Keyspace::Registries).text(&account.0)
    }
    /// A registry entry.
    #[must_use]
    pub fn registry(account: &AccountName, registry: &str) -> Key {
        registries(account).text(registry)
    }
    /// Images of an account.
    #[must_use]
    pub fn images(account: &AccountName) -> Key {
        Key::new(Keyspace::Images).text(&account.0)
    }
    /// An image.
    #[must_use]
    pub fn image(account: &AccountName, digest: &Digest) -> Key {
        images(account).fixed(digest.as_bytes())
    }
    /// Index: images by image id.
    #[must_use]
    pub fn image_by_id(account: &AccountName, id: &Digest, digest: &Digest) -> Key {
        images_by_id(account, id).fixed(digest.as_bytes())
    }
    /// Index: images with one image id.
    #[must_use]
    pub fn images_by_id(account: &AccountName, id: &Digest) -> Key {
        Key::new(Keyspace::ImagesById).text(&account.0).fixed(id.as_bytes())
    }
    /// Tags of an account.
    #[must_use]
    pub fn tags(account: &AccountName) -> Key {
        Key::new(Keyspace::Tags).text(&account.0)
    }
    /// A tag.
    #[must_use]
    pub fn tag(account: &AccountName, registry: &str, repository: &str, tag: &str) -> Key {
        tags(account).text(registry).text(repository).text(tag)
    }
    /// A job.
    #[must_use]
    pub fn job(id: JobId) -> Key {
        Key::new(Keyspace::Jobs).number(id.0)
    }
    /// Index: jobs of a kind that wait.
    #[must_use]
    pub fn jobs_ready(kind: JobKind) -> Key {
        Key::new(Keyspace::JobsReady).byte(kind.key_byte())
    }
    /// Index: one job that waits.
    #[must_use]
    pub fn job_ready(job: &Job) -> Key {
        jobs_ready(job.task.kind())
            .byte(job.priority.key_byte())
            .signed(job.not_before.0)
            .number(job.id.0)
    }
    /// Index: one job that is held.
    #[must_use]
    pub fn job_leased(until: Timestamp, id: JobId) -> Key {
        Key::new(Keyspace::JobsLeased).signed(until.0).number(id.0)
    }
    /// Index: jobs of an image.
    #[must_use]
    pub fn jobs_of_image(account: &AccountName, digest: &Digest) -> Key {
        Key::new(Keyspace::JobsByImage).text(&account.0).fixed(digest.as_bytes())
    }
    /// Index: one job that ended.
    #[must_use]
    pub fn job_ended(at: Timestamp, id: JobId) -> Key {
        Key::new(Keyspace::JobsEnded).signed(at.0).number(id.0)
    }
    /// Policies of an account.
    #[must_use]
    pub fn policies(account: &AccountName) -> Key {
        Key::new(Keyspace::Policies).text(&account.0)
    }
    /// A policy.
    #[must_use]
    pub fn policy(account: &AccountName, id: &str) -> Key {
        policies(account).text(id)
    }
    /// Which policy is active.
    #[must_use]
    pub fn policy_active(account: &AccountName) -> Key {
        Key::new(Keyspace::PolicyActive).text(&account.0)
    }
    /// Evaluations of an image.
    #[must_use]
    pub fn evaluations_of(account: &AccountName, digest: &Digest) -> Key {
        Key::new(Keyspace::Evaluations).text(&account.0).fixed(digest.as_bytes())
    }
    /// Evaluations of an image under a tag and a policy, newest first.
    #[must_use]
    pub fn evaluations(account: &AccountName, digest: &Digest, tag: &str, policy: &str) -> Key {
        evaluations_of(account, digest).text(tag).text(policy)
    }
    /// Events of an account, newest first.
    #[must_use]
    pub fn events(account: &AccountName) -> Key {
        Key::new(Keyspace::Events).text(&account.0)
    }
    /// The feed state.
    #[must_use]
    pub fn feeds() -> Key {
        Key::new(Keyspace::Feeds)
    }
    /// A counter.
    #[must_use]
    pub fn counter(name: &str, account: &AccountName) -> Key {
        Key::new(Keyspace::Counters).text(name).text(&account.0)
    }
}
