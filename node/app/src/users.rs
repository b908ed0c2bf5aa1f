//! Users and their passwords.

use crate::App;
use crate::error::AppError;
use crate::identity::{Identity, Need};
use crate::passwords::NO_PASSWORD;
use crate::text::check_user_name;
use kedge_cluster::Handle;
use kedge_model::account::User;
use kedge_model::command::{Command, Response};
use kedge_model::rejection::{Rejection, RejectionCode};
use kedge_model::tokens::AccountName;
use kedge_state::query;
use kedge_state::row::StateError;

/// A user to be made.
pub struct NewUser {
    /// Its name.
    pub name: String,
    /// Its password; must be there.
    pub password: Option<String>,
    /// Whether the identity would come from an identity provider.
    pub external: bool,
}

fn user_not_found() -> AppError {
    Rejection::new(RejectionCode::UserNotFound, "User not found").into()
}

fn user_of(response: Response) -> Result<User, AppError> {
    let Response::User(user) = response else { return Err(AppError::unexpected("a user")) };
    Ok(*user)
}

/// Whether the user has a password.
#[must_use]
pub fn has_password(user: &User) -> bool {
    user.password_hash != NO_PASSWORD
}

impl App {
    /// The calling user.
    ///
    /// # Errors
    /// 401 when the user was deleted meanwhile.
    pub async fn own_user(&self, who: &Identity) -> Result<User, AppError> {
        let found = self.handle().read_linearizable(|view| query::account::user(view, &who.user));
        found.await??.ok_or(AppError::Unauthenticated)
    }

    /// Changes the caller's own password.
    ///
    /// # Errors
    /// 400 when it breaks the rules.
    pub async fn set_own_password(
        &self,
        who: &Identity,
        password: String,
    ) -> Result<User, AppError> {
        self.authorize(who, &Need::Any)?;
        let password_hash = self.inner.passwords.hash(password).await?;
        let command = Command::SetPassword { name: who.user.clone(), password_hash };
        user_of(self.propose(who.caller(), command).await?)
    }

    /// Users of all accounts, by name.
    ///
    /// # Errors
    /// 403 without the permission.
    pub async fn list_all_users(&self, who: &Identity) -> Result<Vec<User>, AppError> {
        self.allow_system(who, "listAllUsers")?;
        self.read_blocking(|handle| handle.read(query::account::all_users)).await
    }

    /// Users of an account, by name.
    ///
    /// # Errors
    /// 403, 404 when there is no such account.
    pub async fn list_users(&self, who: &Identity, account: &str) -> Result<Vec<User>, AppError> {
        let account = AccountName(account.to_owned());
        self.authorize(who, &Need::In(account.clone(), "listUsers"))?;
        self.existing_account(&account).await?;
        let list = move |handle: &Handle| handle.read(|view| query::account::users(view, &account));
        self.read_blocking(list).await
    }

    /// Users who hold a role in an account, by name.
    ///
    /// # Errors
    /// 403, 404 when there is no such account.
    pub async fn list_users_with_roles(
        &self,
        who: &Identity,
        account: &str,
    ) -> Result<Vec<User>, AppError> {
        let account = AccountName(account.to_owned());
        self.authorize(who, &Need::In(account.clone(), "listAccountUsersWithRoles"))?;
        self.existing_account(&account).await?;
        let users = self.read_blocking(move |handle| {
            let mut users = handle.read(query::account::all_users)?;
            for user in &mut users {
                // What somebody may do elsewhere is not this account's business.
                user.roles.retain(|grant| grant.account == account);
            }
            users.retain(|user| !user.roles.is_empty());
            Ok::<_, StateError>(users)
        });
        users.await
    }

    async fn user_in(&self, account: &AccountName, name: &str) -> Result<User, AppError> {
        let found = self.handle().read_linearizable(|view| query::account::user(view, name));
        found.await??.filter(|user| user.account == *account).ok_or_else(user_not_found)
    }

    /// One user of an account.
    ///
    /// # Errors
    /// 403, 404.
    pub async fn get_user(
        &self,
        who: &Identity,
        account: &str,
        name: &str,
    ) -> Result<User, AppError> {
        let account = AccountName(account.to_owned());
        self.authorize(who, &Need::In(account.clone(), "getUser"))?;
        self.user_in(&account, name).await
    }

    /// Makes a user, who then fully controls the account.
    ///
    /// # Errors
    /// 400 for a bad name or password or an existing name, 403, 404 when there is no such account.
    pub async fn create_user(
        &self,
        who: &Identity,
        account: &str,
        user: NewUser,
    ) -> Result<User, AppError> {
        let account = AccountName(account.to_owned());
        self.authorize(who, &Need::In(account.clone(), "createUser"))?;
        check_user_name(&user.name)?;
        if user.external {
            let text = "users of identity providers are not supported; user_type must be native";
            return Err(AppError::refused(501, "not_implemented", text));
        }
        let Some(password) = user.password else {
            return Err(AppError::invalid("'password' is a required property"));
        };
        // Asked first: hashing for a name that is taken would be wasted work.
        let taken = self.handle().read(|view| query::account::user(view, &user.name))?;
        if taken.is_some() {
            self.existing_account(&account).await?;
            return Err(Rejection::new(RejectionCode::UserExists, "User already exists").into());
        }
        let password_hash = self.inner.passwords.hash(password).await?;
        let command = Command::CreateUser { account, name: user.name, password_hash };
        user_of(self.propose(who.caller(), command).await?)
    }

    /// Removes a user.
    ///
    /// # Errors
    /// 400 for oneself, 403, 404.
    pub async fn delete_user(
        &self,
        who: &Identity,
        account: &str,
        name: &str,
    ) -> Result<(), AppError> {
        let account = AccountName(account.to_owned());
        self.authorize(who, &Need::In(account.clone(), "deleteUser"))?;
        let command = Command::DeleteUser { account, name: name.to_owned() };
        self.propose(who.caller(), command).await?;
        Ok(())
    }

    /// Sets a user's password.
    ///
    /// # Errors
    /// 400 when it breaks the rules, 403, 404.
    pub async fn set_password(
        &self,
        who: &Identity,
        account: &str,
        name: &str,
        password: String,
    ) -> Result<User, AppError> {
        let account = AccountName(account.to_owned());
        self.authorize(who, &Need::In(account.clone(), "updateUser"))?;
        self.user_in(&account, name).await?;
        let password_hash = self.inner.passwords.hash(password).await?;
        let command = Command::SetPassword { name: name.to_owned(), password_hash };
        user_of(self.propose(who.caller(), command).await?)
    }

    /// Takes a user's password away; nobody can log in as that user until another is set.
    ///
    /// # Errors
    /// 400 for one's own, 403, 404.
    pub async fn remove_password(
        &self,
        who: &Identity,
        account: &str,
        name: &str,
    ) -> Result<(), AppError> {
        let account = AccountName(account.to_owned());
        self.authorize(who, &Need::In(account.clone(), "updateUser"))?;
        if name == who.user {
            // The contract fixes this text.
            let text = "Conflict, cannot delete the credential used to authenticate this request";
            return Err(AppError::invalid(text));
        }
        self.user_in(&account, name).await?;
        let (name, password_hash) = (name.to_owned(), NO_PASSWORD.to_owned());
        self.propose(who.caller(), Command::SetPassword { name, password_hash }).await?;
        Ok(())
    }
}
