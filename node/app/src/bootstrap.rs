//! The first command of a cluster, and the way back in for an administrator without a password.

use crate::error::AppError;
use crate::passwords::{check_password, hash_password};
use kedge_actors::vault::Vault;
use kedge_artifact::digest::Digest;
use kedge_cluster::Handle;
use kedge_model::account::User;
use kedge_model::command::{Bootstrap, Command, PolicySeed};
use kedge_model::tokens::{AccountName, Caller};
use kedge_state::query;

/// The first user's name.
pub const ADMIN: &str = "admin";

/// Whether the data folder has an administrators' account.
///
/// # Errors
/// When the state cannot be read.
pub fn is_initialised(handle: &Handle) -> Result<bool, AppError> {
    let admin = AccountName::from(AccountName::ADMIN);
    Ok(handle.read(|view| query::account::get(view, &admin))?.is_some())
}

/// Initialises a new cluster. Answers the administrator's password when this call made one; it is
/// kept nowhere else.
///
/// # Errors
/// When the password breaks the rules, or the command is not accepted.
pub async fn bootstrap(
    handle: &Handle,
    vault: &Vault,
    password: Option<String>,
) -> Result<Option<String>, AppError> {
    if is_initialised(handle)? {
        return Ok(None);
    }
    let (password, made) = match password {
        Some(password) => {
            check_password(&password)?;
            (password, None)
        }
        None => {
            let made = random_password()?;
            (made.clone(), Some(made))
        }
    };
    let bootstrap = Bootstrap {
        user: ADMIN.to_owned(),
        password_hash: hash(password).await?,
        data_key: vault
            .new_account_key(&AccountName::from(AccountName::ADMIN))
            .map_err(|error| AppError::internal(error.to_string()))?,
        policy: default_seed(handle).await?,
    };
    let caller = Caller::Node(handle.identity().node);
    handle.propose(caller, Command::Bootstrap(Box::new(bootstrap))).await?;
    Ok(made)
}

/// The default policy as a seed, its document stored.
async fn default_seed(handle: &Handle) -> Result<PolicySeed, AppError> {
    let document = kedge_policy::default::default_policy();
    let bytes = crate::policies::document_bytes(&document)?;
    let blobs = handle.blobs().clone();
    let stored = tokio::task::spawn_blocking(move || blobs.put(&bytes)).await;
    let stored = stored.map_err(|error| AppError::internal(error.to_string()))?;
    let blob = stored.map_err(|error| AppError::internal(error.to_string()))?;
    Ok(PolicySeed {
        id: document.id,
        name: document.name,
        description: document.description.unwrap_or_default(),
        document: Digest::from_bytes(*blob.as_bytes()),
    })
}

/// Gives a user a new random password, on a node that serves nobody. Answers it.
///
/// # Errors
/// When there is no such user, or the command is not accepted.
pub async fn reset_password(handle: &Handle, user: &str) -> Result<String, AppError> {
    let known: Option<User> = handle.read(|view| query::account::user(view, user))?;
    if known.is_none() {
        return Err(AppError::invalid(format!("there is no user '{user}' in this data folder")));
    }
    let password = random_password()?;
    let password_hash = hash(password.clone()).await?;
    let command = Command::SetPassword { name: user.to_owned(), password_hash };
    handle.propose(Caller::Node(handle.identity().node), command).await?;
    Ok(password)
}

async fn hash(password: String) -> Result<String, AppError> {
    tokio::task::spawn_blocking(move || hash_password(&password))
        .await
        .map_err(|error| AppError::internal(error.to_string()))?
}

/// 24 characters of 32: 120 random bits, without letters that look alike.
fn random_password() -> Result<String, AppError> {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789_";
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes)
        .map_err(|error| AppError::internal(format!("no random bytes: {error}")))?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}
