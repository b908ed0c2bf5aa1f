//! Taking findings back.

use crate::document::Allowlist;
use crate::evaluation::{Action, AllowlistMatch, PolicyFinding};
use crate::pattern::Pattern;
use kedge_artifact::time::Timestamp;
use std::collections::HashMap;

/// The items of the allowlists of one mapping that have not expired.
pub struct Allowances<'a> {
    items: Vec<Item<'a>>,
    /// First item for exactly this (gate, trigger id).
    exact: HashMap<(String, &'a str), usize>,
    /// Items whose trigger id is a pattern, in order.
    patterns: Vec<(usize, String, Pattern)>,
}

struct Item<'a> {
    list: &'a Allowlist,
    id: &'a str,
}

impl<'a> Allowances<'a> {
    /// Collects the items of `lists` that are in force at `now`. Items whose expiry or pattern
    /// cannot be read are not in force: an allowance must be understood to be granted.
    #[must_use]
    pub fn new(lists: &[&'a Allowlist], now: Timestamp) -> Self {
        let mut allowances =
            Self { items: Vec::new(), exact: HashMap::new(), patterns: Vec::new() };
        for list in lists {
            for item in &list.items {
                let in_force = item
                    .expires_on
                    .as_deref()
                    .is_none_or(|text| text.parse::<Timestamp>().is_ok_and(|at| at > now));
                if !in_force {
                    continue;
                }
                let index = allowances.items.len();
                let gate = item.gate.to_ascii_lowercase();
                if is_pattern(&item.trigger_id) {
                    let Ok(pattern) = Pattern::new(&item.trigger_id) else { continue };
                    allowances.patterns.push((index, gate, pattern));
                } else {
                    allowances.exact.entry((gate, &item.trigger_id)).or_insert(index);
                }
                allowances.items.push(Item { list, id: &item.id });
            }
        }
        allowances
    }

    /// Marks the finding as allowlisted when an item matches it; the first item wins.
    pub fn apply(&self, finding: &mut PolicyFinding) {
        let gate = finding.gate.to_ascii_lowercase();
        let by_pattern = self
            .patterns
            .iter()
            .find(|(_, of_gate, pattern)| *of_gate == gate && pattern.matches(&finding.trigger_id))
            .map(|(index, _, _)| *index);
        let exact = self.exact.get(&(gate, finding.trigger_id.as_str())).copied();
        let Some(index) = by_pattern.into_iter().chain(exact).min() else { return };
        let item = &self.items[index];
        finding.allowlisted = true;
        finding.action = Action::Go;
        finding.allowlist_match = Some(AllowlistMatch {
            id: item.list.id.clone(),
            name: item.list.name.clone(),
            matched_rule_id: item.id.to_owned(),
        });
    }
}

/// Whether a trigger id of an item is a pattern.
#[must_use]
pub fn is_pattern(trigger_id: &str) -> bool {
    trigger_id.contains('*') || trigger_id.starts_with("regexp:")
}
