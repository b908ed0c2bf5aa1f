//! Accounts.

use crate::App;
use crate::error::AppError;
use crate::identity::{Identity, Need};
use crate::text::{check_account_name, check_email};
use kedge_cluster::Handle;
use kedge_model::account::{Account, AccountState};
use kedge_model::command::{Command, CreateAccount, PolicySeed, Response};
use kedge_model::rejection::{Rejection, RejectionCode};
use kedge_model::tokens::AccountName;
use kedge_policy::default::default_policy;
use kedge_state::query;

fn account_not_found() -> AppError {
    // The contract fixes this text.
    Rejection::new(RejectionCode::AccountNotFound, "Account not found").into()
}

fn account_of(response: Response) -> Result<Account, AppError> {
    let Response::Account(account) = response else {
        return Err(AppError::unexpected("an account"));
    };
    Ok(*account)
}

impl App {
    fn new_data_key(&self, account: &AccountName) -> Result<Vec<u8>, AppError> {
        self.system()
            .vault()
            .new_account_key(account)
            .map_err(|error| AppError::internal(error.to_string()))
    }

    async fn default_policy_seed(&self) -> Result<PolicySeed, AppError> {
        let document = default_policy();
        let bytes = crate::policies::document_bytes(&document)?;
        Ok(PolicySeed {
            id: document.id,
            name: document.name,
            description: document.description.unwrap_or_default(),
            document: self.system().put_blob(bytes).await?,
        })
    }

    /// The account that the request acts in.
    ///
    /// # Errors
    /// 403 without the permission.
    pub async fn own_account(&self, who: &Identity) -> Result<Account, AppError> {
        self.get_account(who, &who.account.0).await
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// 403 without the permission.
    pub async fn list_accounts(
        &self,
        who: &Identity,
        state: Option<AccountState>,
    ) -> Result<Vec<Account>, AppError> {
        self.allow_system(who, "listAccounts")?;
        let list = |handle: &Handle| handle.read(query::account::list);
        let mut accounts = self.read_blocking(list).await?;
        accounts.retain(|account| state.is_none_or(|state| account.state == state));
        Ok(accounts)
    }

    /// One account.
    ///
    /// # Errors
    /// 403 without the permission, 404 when it does not exist.
    pub async fn get_account(&self, who: &Identity, name: &str) -> Result<Account, AppError> {
        let name = AccountName(name.to_owned());
        self.authorize(who, &Need::In(name.clone(), "getAccount"))?;
        self.existing_account(&name).await
    }

    pub(crate) async fn existing_account(&self, name: &AccountName) -> Result<Account, AppError> {
        let found = self.handle().read_linearizable(|view| query::account::get(view, name));
        found.await??.ok_or_else(account_not_found)
    }

    /// Makes an account with the default policy, active.
    ///
    /// # Errors
    /// 400 for a bad or reserved name or address, 403, 409 when it exists or existed.
    pub async fn create_account(
        &self,
        who: &Identity,
        name: &str,
        email: Option<&str>,
    ) -> Result<Account, AppError> {
        self.allow_system(who, "createAccount")?;
        check_account_name(name)?;
        let email = email.filter(|email| !email.is_empty());
        email.map_or(Ok(()), check_email)?;
        let name = AccountName(name.to_owned());
        let command = CreateAccount {
            data_key: self.new_data_key(&name)?,
            policy: self.default_policy_seed().await?,
            email: email.unwrap_or_default().to_owned(),
            name,
        };
        account_of(self.propose(who.caller(), Command::CreateAccount(Box::new(command))).await?)
    }

    /// Changes the e-mail address; absent leaves it.
    ///
    /// # Errors
    /// 400 for a bad address, 403, 404.
    pub async fn update_account(
        &self,
        who: &Identity,
        name: &str,
        email: Option<&str>,
    ) -> Result<Account, AppError> {
        self.allow_system(who, "updateAccount")?;
        let account = AccountName(name.to_owned());
        let Some(email) = email else { return self.existing_account(&account).await };
        if !email.is_empty() {
            check_email(email)?;
        }
        let command = Command::UpdateAccount { account, email: email.to_owned() };
        account_of(self.propose(who.caller(), command).await?)
    }

    /// Enables or disables an account.
    ///
    /// # Errors
    /// 400 when it cannot go there (deleting has its own call), 403, 404.
    pub async fn set_account_state(
        &self,
        who: &Identity,
        name: &str,
        state: AccountState,
    ) -> Result<Account, AppError> {
        self.allow_system(who, "updateAccount")?;
        if state == AccountState::Deleting {
            return Err(AppError::invalid(
                "state must be enabled or disabled; an account is deleted with DELETE",
            ));
        }
        let command = Command::SetAccountState { account: AccountName(name.to_owned()), state };
        account_of(self.propose(who.caller(), command).await?)
    }

    /// Begins to delete a disabled account and everything in it.
    ///
    /// # Errors
    /// 400 when it is not disabled, 403, 404.
    pub async fn delete_account(&self, who: &Identity, name: &str) -> Result<(), AppError> {
        self.allow_system(who, "deleteAccount")?;
        let (account, state) = (AccountName(name.to_owned()), AccountState::Deleting);
        self.propose(who.caller(), Command::SetAccountState { account, state }).await?;
        Ok(())
    }
}
