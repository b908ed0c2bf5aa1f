//! Who may do what: the roles of the contract, checked in `app` for a good message and again when
//! a command is applied, so that no face of the product can forget it.

use crate::row::{self, StateError, at};
use kedge_model::account::{Account, AccountState, Role, User};
use kedge_model::rejection::{Rejection, RejectionCode};
use kedge_model::tokens::{AccountName, Caller};
use kedge_storage::kv::View;

/// Whether `role` contains `action` (api.md 1.3; names are the contract's).
#[must_use]
pub fn role_permits(role: Role, action: &str) -> bool {
    const READ_ONLY: &[&str] = &[
        "listImages",
        "getImage",
        "listPolicies",
        "getPolicy",
        "listSubscriptions",
        "getSubscription",
        "listRegistries",
        "getRegistry",
        "getImageEvaluation",
        "listFeeds",
        "listServices",
        "getService",
        "listEvents",
        "getEvent",
        "getAccount",
        "listJobs",
        "getJob",
    ];
    const WRITE: &[&str] = &[
        "createImage",
        "createPolicy",
        "createRegistry",
        "createRepository",
        "createSubscription",
        "deleteEvents",
        "deleteImage",
        "deletePolicy",
        "deleteRegistry",
        "deleteSubscription",
        "importImage",
        "updatePolicy",
        "updateRegistry",
        "updateSubscription",
        "updateJob",
    ];
    const USERS: &[&str] = &[
        "listUsers",
        "getUser",
        "createUser",
        "updateUser",
        "deleteUser",
        "listRoles",
        "getRole",
        "listRoleMembers",
        "createRoleMember",
        "deleteRoleMember",
        "listAccountUsersWithRoles",
    ];
    const POLICY_EDITOR: &[&str] = &[
        "listImages",
        "listSubscriptions",
        "listPolicies",
        "getImage",
        "getPolicy",
        "getImageEvaluation",
        "createPolicy",
        "updatePolicy",
        "deletePolicy",
    ];
    const IMAGE_ANALYZER: &[&str] = &[
        "listImages",
        "getImage",
        "createImage",
        "getImageEvaluation",
        "listEvents",
        "getEvent",
        "listSubscriptions",
        "getSubscription",
        "listJobs",
        "getJob",
    ];
    match role {
        Role::FullControl => {
            READ_ONLY.contains(&action) || WRITE.contains(&action) || USERS.contains(&action)
        }
        Role::AccountUserAdmin => USERS.contains(&action),
        Role::ReadWrite => READ_ONLY.contains(&action) || WRITE.contains(&action),
        Role::ReadOnly => READ_ONLY.contains(&action),
        Role::PolicyEditor => POLICY_EDITOR.contains(&action),
        Role::ImageAnalyzer => IMAGE_ANALYZER.contains(&action),
    }
}

/// Actions on the whole system: only members of the administrators' account.
#[must_use]
pub fn is_system_action(action: &str) -> bool {
    const SYSTEM: &[&str] = &[
        "listAccounts",
        "createAccount",
        "updateAccount",
        "deleteAccount",
        "listAllUsers",
        "updateFeeds",
        "getSystemConfig",
        "updateSystemConfig",
        "deleteService",
        "updateLoggingLevel",
        "manageJobs",
    ];
    SYSTEM.contains(&action)
}

fn forbidden(account: &AccountName, action: &str) -> Rejection {
    let domain = if is_system_action(action) { "system" } else { account.0.as_str() };
    // The contract fixes how this text begins; clients match it.
    let text =
        format!("Not authorized. Requires permissions: domain={domain} action={action} target=*");
    Rejection::new(RejectionCode::Forbidden, text)
}

fn not_enabled(account: &AccountName) -> Rejection {
    let text = format!("Not authorized. Account {account} not enabled.");
    Rejection::new(RejectionCode::AccountNotEnabled, text)
}

/// Whether `caller` may do `action` in `account`.
///
/// # Errors
/// When the store fails. The inner result is the answer.
pub fn check(
    view: &dyn View,
    caller: &Caller,
    account: &AccountName,
    action: &str,
) -> Result<Result<(), Rejection>, StateError> {
    let user = match caller {
        // Only the binary itself makes such callers; no outside request can.
        Caller::Node(_) => return Ok(Ok(())),
        Caller::User { user, .. } => user,
    };
    let Some(user) = row::get::<User>(view, at::user(user))? else {
        return Ok(Err(Rejection::new(RejectionCode::UserNotFound, "user not found")));
    };
    let own = row::get::<Account>(view, at::account(&user.account))?;
    if own.is_none_or(|own| own.state != AccountState::Enabled) {
        return Ok(Err(not_enabled(&user.account)));
    }
    if user.account.is_admin() {
        return Ok(Ok(()));
    }
    let granted = !is_system_action(action)
        && user
            .roles
            .iter()
            .any(|grant| grant.account == *account && role_permits(grant.role, action));
    if !granted {
        return Ok(Err(forbidden(account, action)));
    }
    match row::get::<Account>(view, at::account(account))? {
        Some(acting) if acting.state == AccountState::Enabled => Ok(Ok(())),
        _ => Ok(Err(not_enabled(account))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_hold_what_the_contract_says() {
        let holds = |role, action| role_permits(role, action);
        assert!(holds(Role::ReadOnly, "getImage"));
        assert!(!holds(Role::ReadOnly, "createImage"));
        assert!(holds(Role::ReadWrite, "deleteRegistry"));
        assert!(!holds(Role::ReadWrite, "createUser"));
        assert!(holds(Role::AccountUserAdmin, "createUser"));
        assert!(!holds(Role::AccountUserAdmin, "getImage"));
        assert!(holds(Role::ImageAnalyzer, "createImage"));
        assert!(!holds(Role::ImageAnalyzer, "deleteImage"));
        assert!(holds(Role::PolicyEditor, "updatePolicy"));
        assert!(!holds(Role::PolicyEditor, "createRegistry"));
        for role in Role::ALL {
            assert!(!holds(role, "createAccount"), "{role:?} must not touch the system");
            assert!(!holds(role, "updateFeeds"), "{role:?} must not touch the system");
        }
    }
}
