//! Policies: the record is a row, the document a blob. Documents are stored as the engine reads
//! them back, so that one document has one digest however it was written.

use crate::App;
use crate::error::AppError;
use crate::identity::Identity;
use crate::limits::POLICY_LIST_BYTES_MAX;
use kedge_cluster::Handle;
use kedge_model::command::{Command, PolicySeed, PutPolicy, Response};
use kedge_model::limits::POLICY_ID_BYTES_MAX;
use kedge_model::policy::Policy;
use kedge_model::rejection::{Rejection, RejectionCode};
use kedge_policy::PolicyDocument;
use kedge_policy::validate::ValidationProblem;
use kedge_state::query;
use serde_json::Value;

/// A policy, with its document when that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyView {
    /// The record.
    pub policy: Policy,
    /// JSON bytes of the document.
    pub document: Option<Vec<u8>>,
}

pub(crate) fn policy_not_found(text: &str) -> AppError {
    Rejection::new(RejectionCode::PolicyNotFound, text).into()
}

/// The stored form of a document.
pub(crate) fn document_bytes(document: &PolicyDocument) -> Result<Vec<u8>, AppError> {
    serde_json::to_vec(document)
        .map_err(|error| AppError::internal(format!("policy document: {error}")))
}

/// Reads and checks a document.
///
/// # Errors
/// 400 with every mistake in `validation_details`.
pub fn read_document(json: &[u8]) -> Result<PolicyDocument, AppError> {
    match kedge_policy::parse(json) {
        Ok((mut document, _warnings)) => {
            if document.id.len() > POLICY_ID_BYTES_MAX {
                let text =
                    format!("id: it has over {POLICY_ID_BYTES_MAX} bytes (POLICY_ID_BYTES_MAX)");
                return Err(not_valid(vec![Value::String(text)]));
            }
            for rule in document.rule_sets.iter_mut().flat_map(|set| &mut set.rules) {
                rule.action.make_ascii_uppercase();
            }
            Ok(document)
        }
        Err(problems) => {
            // Older clients print texts, so each is one; newer ones find the place at its start.
            let detail = |problem: &ValidationProblem| Value::String(problem.to_string());
            Err(not_valid(problems.iter().map(detail).collect()))
        }
    }
}

fn not_valid(details: Vec<Value>) -> AppError {
    AppError::refused(400, "policy_invalid", "Policy failed validation")
        .with_detail("validation_details", Value::Array(details))
}

/// Counts the bytes of documents that are answered together.
#[derive(Default)]
struct Budget(usize);

impl Budget {
    fn spend(&mut self, document: &[u8]) -> Result<(), AppError> {
        self.0 = self.0.saturating_add(document.len());
        if self.0 <= POLICY_LIST_BYTES_MAX {
            return Ok(());
        }
        let text = format!(
            "the documents have over {POLICY_LIST_BYTES_MAX} bytes (POLICY_LIST_BYTES_MAX); list \
             without detail and read them one by one"
        );
        Err(AppError::refused(413, "limit", text))
    }
}

async fn seed(app: &App, document: PolicyDocument) -> Result<PolicySeed, AppError> {
    let bytes = document_bytes(&document)?;
    Ok(PolicySeed {
        id: document.id,
        name: document.name,
        description: document.description.unwrap_or_default(),
        document: app.system().put_blob(bytes).await?,
    })
}

fn policy_of(response: Response) -> Result<Policy, AppError> {
    let Response::Policy(policy) = response else { return Err(AppError::unexpected("a policy")) };
    Ok(*policy)
}

/// A change of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyChange {
    /// The id in the body.
    pub policy_id: String,
    /// The new document; the old one stays when absent.
    pub document: Option<Vec<u8>>,
    /// Make it the active one. False is refused for the active one.
    pub active: bool,
}

impl App {
    /// Policies of the account, by id.
    ///
    /// # Errors
    /// 403 without the permission, 413 when the documents are too large together.
    pub async fn list_policies(
        &self,
        who: &Identity,
        with_documents: bool,
    ) -> Result<Vec<PolicyView>, AppError> {
        self.allow(who, "listPolicies")?;
        let account = who.account.clone();
        let list = move |handle: &Handle| handle.read(|view| query::policy::list(view, &account));
        let (mut views, mut budget) = (Vec::new(), Budget::default());
        for policy in self.read_blocking(list).await? {
            let view = self.policy_view(policy, with_documents).await?;
            budget.spend(view.document.as_deref().unwrap_or_default())?;
            views.push(view);
        }
        Ok(views)
    }

    async fn policy_view(
        &self,
        policy: Policy,
        with_document: bool,
    ) -> Result<PolicyView, AppError> {
        let document = match with_document {
            true => Some(self.system().get_blob(policy.document).await?),
            false => None,
        };
        Ok(PolicyView { policy, document })
    }

    async fn stored_policy(&self, who: &Identity, id: &str) -> Result<Option<Policy>, AppError> {
        let found =
            self.handle().read_linearizable(|view| query::policy::get(view, &who.account, id));
        Ok(found.await??)
    }

    /// One policy.
    ///
    /// # Errors
    /// 403, 404.
    pub async fn get_policy(
        &self,
        who: &Identity,
        id: &str,
        with_document: bool,
    ) -> Result<PolicyView, AppError> {
        self.allow(who, "getPolicy")?;
        let found = self.stored_policy(who, id).await?;
        let policy = found.ok_or_else(|| policy_not_found("policy not found"))?;
        self.policy_view(policy, with_document).await
    }

    /// Adds a policy, inactive.
    ///
    /// # Errors
    /// 400 with every mistake of the document, 403, 409 when the id is taken.
    pub async fn add_policy(&self, who: &Identity, json: &[u8]) -> Result<PolicyView, AppError> {
        self.allow(who, "createPolicy")?;
        let document = read_document(json)?;
        let command = PutPolicy {
            account: who.account.clone(),
            policy: seed(self, document).await?,
            create: true,
            active: None,
        };
        self.put_policy(who, command).await
    }

    async fn put_policy(&self, who: &Identity, put: PutPolicy) -> Result<PolicyView, AppError> {
        let answer = self.propose(who.caller(), Command::PutPolicy(Box::new(put))).await?;
        self.policy_view(policy_of(answer)?, true).await
    }

    /// Changes or activates a policy.
    ///
    /// # Errors
    /// 400 with every mistake of the document, 403, 404, and 500 with the contract's texts for
    /// another id than the path's and for deactivating the active policy.
    pub async fn update_policy(
        &self,
        who: &Identity,
        id: &str,
        change: PolicyChange,
    ) -> Result<PolicyView, AppError> {
        self.allow(who, "updatePolicy")?;
        if change.policy_id != id {
            return Err(other_id(id, &change.policy_id));
        }
        let Some(stored) = self.stored_policy(who, id).await? else {
            // The contract fixes this text.
            return Err(policy_not_found("Existing policyId not found to update"));
        };
        let policy = match &change.document {
            Some(json) => {
                let document = read_document(json)?;
                if document.id != id {
                    return Err(other_id(id, &document.id));
                }
                seed(self, document).await?
            }
            None => PolicySeed {
                id: stored.id,
                name: stored.name,
                description: stored.description,
                document: stored.document,
            },
        };
        let (account, active) = (who.account.clone(), Some(change.active));
        self.put_policy(who, PutPolicy { account, policy, create: false, active }).await
    }

    /// Removes a policy.
    ///
    /// # Errors
    /// 403, 404, 500 with the contract's text for the active one.
    pub async fn delete_policy(&self, who: &Identity, id: &str) -> Result<(), AppError> {
        self.allow(who, "deletePolicy")?;
        let (account, id) = (who.account.clone(), id.to_owned());
        self.propose(who.caller(), Command::DeletePolicy { account, id }).await?;
        Ok(())
    }
}

fn other_id(route: &str, payload: &str) -> AppError {
    let cut = |text: &str| text.chars().take(100).collect::<String>();
    // The contract fixes text and status.
    let text = format!(
        "policyId in route is different from policyId in payload: {} != {}",
        cut(route),
        cut(payload)
    );
    AppError::refused(500, "policy_id_mismatch", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policy_is_read_back_as_it_is_stored() {
        let bytes = document_bytes(&kedge_policy::default::default_policy()).unwrap();
        let again = document_bytes(&read_document(&bytes).unwrap()).unwrap();
        assert_eq!(bytes, again);
    }

    #[test]
    fn every_mistake_is_told() {
        let error = read_document(br#"{"id":"a"}"#).unwrap_err();
        assert_eq!((error.status(), error.code()), (400, "policy_invalid"));
        assert_eq!(error.to_string(), "Policy failed validation");
        let details = error.detail();
        assert!(!details["validation_details"].as_array().unwrap().is_empty());
    }

    #[test]
    fn ids_are_bounded() {
        let with_id = |id: String| {
            let mut document = kedge_policy::default::default_policy();
            document.id = id;
            read_document(&document_bytes(&document).unwrap())
        };
        assert!(with_id("x".repeat(POLICY_ID_BYTES_MAX)).is_ok());
        let error = with_id("x".repeat(POLICY_ID_BYTES_MAX + 1)).unwrap_err();
        assert_eq!((error.status(), error.code()), (400, "policy_invalid"));
        let detail = error.detail()["validation_details"][0].as_str().unwrap().to_owned();
        assert!(detail.contains("POLICY_ID_BYTES_MAX"), "{detail}");
    }

    #[test]
    fn documents_answered_together_are_bounded() {
        let document = vec![0; POLICY_LIST_BYTES_MAX / 4];
        let mut budget = Budget::default();
        for _ in 0..4 {
            budget.spend(&document).unwrap();
        }
        budget.spend(b"").unwrap();
        let error = budget.spend(b"x").unwrap_err();
        assert_eq!((error.status(), error.code()), (413, "limit"));
        assert!(error.to_string().contains("POLICY_LIST_BYTES_MAX"));
    }

    #[test]
    fn actions_are_stored_in_upper_case() {
        let mut document = kedge_policy::default::default_policy();
        document.rule_sets[0].rules[0].action = "wArN".into();
        let read = read_document(&document_bytes(&document).unwrap()).unwrap();
        assert_eq!(read.rule_sets[0].rules[0].action, "WARN");
    }
}
