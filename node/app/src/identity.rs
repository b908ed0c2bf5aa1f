//! Who asks, in which account, and whether they may.

use crate::App;
use crate::error::AppError;
use crate::limits::NAME_BYTES_MAX;
use crate::throttle::network;
use kedge_model::account::{AccountState, User};
use kedge_model::rejection::{Rejection, RejectionCode};
use kedge_model::tokens::{AccountName, Caller};
use kedge_state::{access, query};
use std::net::IpAddr;

/// An authenticated user and the account the request acts in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User name.
    pub user: String,
    /// The account the user belongs to.
    pub home: AccountName,
    /// The account the request acts in.
    pub account: AccountName,
}

impl Identity {
    pub(crate) fn caller(&self) -> Caller {
        Caller::User { user: self.user.clone(), account: self.account.clone() }
    }
}

/// The permission that something needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Being somebody.
    Any,
    /// The action in this account.
    In(AccountName, &'static str),
    /// The action in the domain `system`.
    System(&'static str),
}

fn forbidden(domain: &str, action: &str) -> AppError {
    // The contract fixes how this text begins; agents match it.
    let text =
        format!("Not authorized. Requires permissions: domain={domain} action={action} target=*");
    Rejection::new(RejectionCode::Forbidden, text).into()
}

fn not_enabled(account: &AccountName) -> AppError {
    let text = format!("Not authorized. Account {account} not enabled.");
    Rejection::new(RejectionCode::AccountNotEnabled, text).into()
}

impl App {
    /// Who has this name and password. `source` is where the request came from, when known: it
    /// keeps one who guesses from slowing down others.
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`] for an unknown user and for a wrong password alike; a 403 when
    /// the user's own account is not enabled (told only to who knows the password).
    pub async fn authenticate(
        &self,
        user: &str,
        password: &str,
        source: Option<IpAddr>,
    ) -> Result<Identity, AppError> {
        // A longer name cannot exist; it is cut so that it costs the same and no memory.
        let name: String = user.chars().take(NAME_BYTES_MAX + 1).collect();
        let found: Option<User> = self.handle().read(|view| query::account::user(view, &name))?;
        let stored = found.as_ref().map(|user| user.password_hash.as_str());
        self.inner.passwords.check(&name, password, stored, source.map(network)).await?;
        let user = found.ok_or(AppError::Unauthenticated)?;
        let account = self.handle().read(|view| query::account::get(view, &user.account))?;
        if account.is_none_or(|account| account.state != AccountState::Enabled) {
            return Err(not_enabled(&user.account));
        }
        Ok(Identity { user: user.name, home: user.account.clone(), account: user.account })
    }

    /// The same user acting in another account (`x-anchore-account`). Members of the account
    /// `admin` may act in any account; others where they hold a role, and are not told whether
    /// another account exists.
    ///
    /// # Errors
    /// 404 "User account not found" for members of `admin`, 403 for others.
    pub fn switch_account(&self, who: Identity, account: &str) -> Result<Identity, AppError> {
        let account = AccountName(account.to_owned());
        if account == who.home {
            return Ok(Identity { account, ..who });
        }
        if who.home.is_admin() {
            let exists = self.handle().read(|view| query::account::get(view, &account))?;
            if exists.is_none() {
                return Err(AppError::not_found("account_not_found", "User account not found"));
            }
            return Ok(Identity { account, ..who });
        }
        let user = self.handle().read(|view| query::account::user(view, &who.user))?;
        let granted = user.is_some_and(|user| user.roles.iter().any(|g| g.account == account));
        if !granted {
            let shown: String = account.0.chars().take(NAME_BYTES_MAX).collect();
            return Err(forbidden(&shown, "getAccount"));
        }
        Ok(Identity { account, ..who })
    }

    /// Whether `who` may do what needs this permission.
    ///
    /// # Errors
    /// 403 when not.
    pub fn authorize(&self, who: &Identity, need: &Need) -> Result<(), AppError> {
        match need {
            Need::Any => self.check_enabled(who),
            Need::In(account, action) => self.check_in(who, account, action),
            Need::System(action) if access::is_system_action(action) => {
                let admin = AccountName::from(AccountName::ADMIN);
                self.check_in(who, &admin, action)
            }
            Need::System(_) if who.home.is_admin() => self.check_enabled(who),
            Need::System(action) => Err(forbidden("system", action)),
        }
    }

    /// The usual case: an action in the account that the request acts in.
    pub(crate) fn allow(&self, who: &Identity, action: &'static str) -> Result<(), AppError> {
        self.check_in(who, &who.account, action)
    }

    pub(crate) fn allow_system(
        &self,
        who: &Identity,
        action: &'static str,
    ) -> Result<(), AppError> {
        self.authorize(who, &Need::System(action))
    }

    fn check_in(
        &self,
        who: &Identity,
        account: &AccountName,
        action: &'static str,
    ) -> Result<(), AppError> {
        let caller = who.caller();
        match self.handle().read(|view| access::check(view, &caller, account, action))? {
            Ok(()) => Ok(()),
            Err(rejection) if rejection.code == RejectionCode::UserNotFound => {
                Err(AppError::Unauthenticated)
            }
            Err(rejection) => Err(rejection.into()),
        }
    }

    fn check_enabled(&self, who: &Identity) -> Result<(), AppError> {
        let accounts = [&who.home, &who.account];
        for account in accounts {
            if who.home.is_admin() && account != &who.home {
                continue;
            }
            let row = self.handle().read(|view| query::account::get(view, account))?;
            if row.is_none_or(|row| row.state != AccountState::Enabled) {
                return Err(not_enabled(account));
            }
        }
        Ok(())
    }
}
