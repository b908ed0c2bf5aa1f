//! Why a command was refused: a closed table of codes, part of the replicated answer.

use serde::{Deserialize, Serialize};

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    /// Stable code.
    pub code: RejectionCode,
    /// For people: lower case, no full stop, except where the contract fixes the text.
    pub message: String,
}

impl Rejection {
    /// A refusal with its text.
    #[must_use]
    pub fn new(code: RejectionCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $status:literal;)+) => {
        /// Every code with which a command can be refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum RejectionCode {
            $($(#[doc = $doc])+ $name,)+
        }

        impl RejectionCode {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The code in answers and documents.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The HTTP status it is answered with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// What it means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)+ }
            }
        }
    };
}

codes! {
    /// The caller may not do this.
    Forbidden = "forbidden", 403;
    /// The account is disabled or being deleted.
    AccountNotEnabled = "account_not_enabled", 403;
    /// No such account.
    AccountNotFound = "account_not_found", 404;
    /// An account of that name exists or existed.
    AccountExists = "account_exists", 409;
    /// The account cannot go to that state from its present one.
    AccountState = "account_state", 400;
    /// No such user.
    UserNotFound = "user_not_found", 404;
    /// A user of that name exists in some account.
    UserExists = "user_exists", 400;
    /// Users cannot delete themselves.
    UserSelf = "user_self", 400;
    /// No such registry entry.
    RegistryNotFound = "registry_not_found", 404;
    /// That registry entry exists.
    RegistryExists = "registry_exists", 409;
    /// No such image.
    ImageNotFound = "image_not_found", 404;
    /// The image is being analysed.
    ImageBusy = "image_busy", 409;
    /// The image exists and the request needs force.
    ImageExists = "image_exists", 400;
    /// No such policy.
    PolicyNotFound = "policy_not_found", 404;
    /// A policy of that id exists.
    PolicyExists = "policy_exists", 409;
    /// The active policy cannot be removed or deactivated.
    PolicyActive = "policy_active", 500;
    /// No such job.
    JobNotFound = "job_not_found", 404;
    /// The job is not in a state that allows this.
    JobState = "job_state", 409;
    /// The lease was lost: another worker holds the job or held it since.
    LeaseLost = "lease_lost", 409;
    /// No such event.
    EventNotFound = "event_not_found", 404;
    /// A feed sync is running already.
    FeedSyncRunning = "feed_sync_running", 409;
    /// A limit of the state was reached; the text names it.
    Limit = "limit", 400;
    /// A field of the command is malformed.
    Invalid = "invalid", 400;
    /// The cluster was initialised before.
    Initialised = "initialised", 409;
}
