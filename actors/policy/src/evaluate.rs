//! From a document and facts to a verdict.

use crate::allowlist::Allowances;
use crate::document::{Allowlist, ArtifactType, MappingRule, PolicyDocument, PolicyRule, RuleSet};
use crate::evaluation::{Action, Evaluation, EvaluationProblem, FinalReason, PolicyFinding};
use crate::facts::ImageFacts;
use crate::gates::{CannotEvaluate, Check, Gate, RestsOn, Rule, Sink, Trigger, find};
use crate::limits::PROBLEMS_MAX;
use crate::mapping::{choose, listed};
use crate::params::Params;
use crate::validate::validate;
use kedge_artifact::problem::{Problem, ProblemSeverity};
use kedge_artifact::time::Timestamp;
use md5::{Digest as _, Md5};

/// Trigger id of a finding that says that its rule could not be evaluated.
pub const EVALUATION_ERROR: &str = "evaluation_error";

/// Judges an image. Never fails: a document that cannot be used stops the image and the problems
/// say why; a rule that cannot be evaluated is a finding and a problem.
#[must_use]
pub fn evaluate(policy: &PolicyDocument, facts: &ImageFacts<'_>, now: Timestamp) -> Evaluation {
    let mut problems = Vec::new();
    for problem in validate(policy) {
        let details = format!("{}: {}", problem.place, problem.message);
        problems.push(if problem.warning {
            EvaluationProblem::warn(&problem.class, details)
        } else {
            EvaluationProblem::error(&problem.class, details)
        });
    }
    if policy.mappings.is_empty() {
        let details = "the policy has no mappings, so it applies to no image";
        problems.push(EvaluationProblem::error("NoMappingsError", details));
    }
    let usable = problems.iter().all(|p| p.severity == crate::evaluation::ProblemSeverity::Warn);
    let mapping = usable.then(|| choose(&policy.mappings, facts)).flatten();
    let mut run = Run { facts, now, findings: Vec::new(), problems };
    let policy_action = match mapping {
        _ if !usable => Action::Stop,
        None => {
            run.problems.push(EvaluationProblem::warn(
                "NoMatchedMappingWarning",
                format!(
                    "No mapping rule matched the given tag {} for the bundle",
                    facts.full_tag()
                ),
            ));
            Action::Go
        }
        Some(mapping) => run.mapping(policy, mapping),
    };
    run.data_problems();
    let (findings, problems) = run.finish();
    let denied = if usable { listed(&policy.denylisted_images, facts) } else { None };
    let allowed = if usable { listed(&policy.allowlisted_images, facts) } else { None };
    let (final_action, final_action_reason) = match (denied, allowed) {
        (Some(_), _) => (Action::Stop, FinalReason::Denylisted),
        (None, Some(_)) => (Action::Go, FinalReason::Allowlisted),
        (None, None) => (policy_action, FinalReason::PolicyEvaluation),
    };
    Evaluation {
        passed: final_action.passes(),
        final_action,
        final_action_reason,
        policy_action,
        findings,
        problems,
        matched_mapping_rule: mapping.cloned(),
        matched_allowlisted_images_rule: allowed.cloned(),
        matched_denylisted_images_rule: denied.cloned(),
        evaluated_at: now,
    }
}

/// The id of a finding whose trigger gives none.
#[must_use]
pub fn message_id(gate: &str, trigger: &str, message: &str) -> String {
    let mut hash = Md5::new();
    hash.update(gate.as_bytes());
    hash.update(trigger.as_bytes());
    hash.update(message.as_bytes());
    hex::encode(hash.finalize())
}

struct Run<'a> {
    facts: &'a ImageFacts<'a>,
    now: Timestamp,
    findings: Vec<PolicyFinding>,
    problems: Vec<EvaluationProblem>,
}

impl Run<'_> {
    /// Runs every rule of the mapping's rule sets and gives the worst action that counts.
    fn mapping(&mut self, policy: &PolicyDocument, mapping: &MappingRule) -> Action {
        for id in &mapping.rule_set_ids {
            let Some(set) = policy.rule_sets.iter().find(|set| set.id == *id) else { continue };
            match set.artifact_type {
                ArtifactType::Image => {
                    set.rules.iter().for_each(|rule| self.rule(set, rule));
                }
                ArtifactType::Source => self.problems.push(EvaluationProblem::error(
                    "RuleSetNotApplicableError",
                    format!("rule set '{}' is for source repositories, not for images", set.id),
                )),
            }
        }
        let lists: Vec<&Allowlist> = mapping
            .allowlist_ids
            .iter()
            .filter_map(|id| policy.allowlists.iter().find(|list| list.id == *id))
            .collect();
        let allowances = Allowances::new(&lists, self.now);
        self.findings.iter_mut().for_each(|finding| allowances.apply(finding));
        let counting = self.findings.iter().filter(|finding| !finding.allowlisted);
        counting.map(|finding| finding.action).max().unwrap_or_default()
    }

    fn rule(&mut self, set: &RuleSet, rule: &PolicyRule) {
        // Validation has found all three.
        let Some(gate) = find(&rule.gate) else { return };
        let Some(trigger) = gate.trigger(&rule.trigger) else { return };
        let Some(action) = Action::parse(&rule.action) else { return };
        let mut sink = Sink::default();
        let outcome = match trigger.check {
            Check::Never(lacks) => Err(CannotEvaluate::because(lacks)),
            Check::Run(check) => {
                let params = Params::new(rule, trigger);
                check(&Rule { facts: self.facts, now: self.now, params }, &mut sink)
            }
        };
        let place = Place { set, rule, gate, trigger };
        for (id, message) in sink.findings {
            let id = id.unwrap_or_else(|| message_id(gate.name, trigger.name, &message));
            self.findings.push(place.finding(id, message, action));
        }
        if sink.dropped > 0 {
            let details = format!(
                "{}: {} more findings are not listed (FINDINGS_PER_RULE_MAX)",
                place.name(),
                sink.dropped
            );
            self.problems.push(EvaluationProblem::warn("TooManyFindingsWarning", details));
        }
        match outcome {
            Err(CannotEvaluate(reason)) => {
                self.failed(&place, format!("cannot be evaluated: {reason}"));
            }
            Ok(()) => {
                if let Some(gap) = self.gap(trigger.rests_on) {
                    self.failed(&place, format!("cannot be evaluated completely: {gap}"));
                }
            }
        }
    }

    fn failed(&mut self, place: &Place<'_>, message: String) {
        let details = format!("{}: {message}", place.name());
        self.problems.push(EvaluationProblem::error("RuleEvaluationError", details));
        self.findings.push(place.finding(EVALUATION_ERROR.to_owned(), message, Action::Warn));
    }

    /// Why the answer of a trigger is incomplete, when it is.
    fn gap(&self, rests_on: RestsOn) -> Option<String> {
        let contents = self.facts.sbom.problems.iter();
        let advisories = self.facts.matches.iter().flat_map(|matches| &matches.problems);
        let grave: Vec<&Problem> = match rests_on {
            RestsOn::Nothing => return None,
            RestsOn::Contents => contents.filter(|p| is_grave(p)).collect(),
            RestsOn::Advisories => contents.chain(advisories).filter(|p| is_grave(p)).collect(),
        };
        match grave.as_slice() {
            [] => None,
            [only] => Some(describe(only)),
            [first, rest @ ..] => Some(format!("{} (and {} more)", describe(first), rest.len())),
        }
    }

    /// What analysis and matching could not do is a problem of every evaluation of the image.
    fn data_problems(&mut self) {
        let analysis = self.facts.sbom.problems.iter().map(|p| ("Analysis", p));
        let matching = self.facts.matches.into_iter().flat_map(|m| &m.problems);
        for (part, problem) in analysis.chain(matching.map(|p| ("Matching", p))) {
            let details = describe(problem);
            match problem.severity {
                ProblemSeverity::Info => {}
                ProblemSeverity::Degraded => self
                    .problems
                    .push(EvaluationProblem::warn(&format!("{part}DegradedWarning"), details)),
                ProblemSeverity::Error => self
                    .problems
                    .push(EvaluationProblem::error(&format!("{part}IncompleteError"), details)),
            }
        }
    }

    fn finish(mut self) -> (Vec<PolicyFinding>, Vec<EvaluationProblem>) {
        let total = self.problems.len();
        if total > PROBLEMS_MAX {
            // Errors first, so that none of them is the one that is cut.
            self.problems.sort_by_key(|problem| problem.severity);
            self.problems.truncate(PROBLEMS_MAX);
            let details = format!("{} more problems (PROBLEMS_MAX)", total - PROBLEMS_MAX);
            self.problems.push(EvaluationProblem::warn("TooManyProblemsWarning", details));
        }
        (self.findings, self.problems)
    }
}

fn is_grave(problem: &Problem) -> bool {
    problem.severity == ProblemSeverity::Error
}

fn describe(problem: &Problem) -> String {
    match problem.place.as_str() {
        "" => format!("{}: {}", problem.code, problem.message),
        place => format!("{}: {place}: {}", problem.code, problem.message),
    }
}

/// Where in the document a finding comes from.
struct Place<'a> {
    set: &'a RuleSet,
    rule: &'a PolicyRule,
    gate: &'static Gate,
    trigger: &'static Trigger,
}

impl Place<'_> {
    fn name(&self) -> String {
        format!(
            "rule '{}' of rule set '{}' ({}/{})",
            self.rule.id, self.set.id, self.gate.name, self.trigger.name
        )
    }

    fn finding(&self, trigger_id: String, message: String, action: Action) -> PolicyFinding {
        PolicyFinding {
            trigger_id,
            gate: self.gate.name.to_owned(),
            trigger: self.trigger.name.to_owned(),
            message,
            action,
            policy_id: self.set.id.clone(),
            recommendation: self.rule.recommendation.clone().unwrap_or_default(),
            rule_id: self.rule.id.clone(),
            allowlisted: false,
            allowlist_match: None,
        }
    }
}
