//! The types of events that the product records, for `GET /v2/event-types`. The state machine
//! writes them; this table says what they mean.

/// One type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventType {
    /// `category.subcategory.name`; the subcategory may hold dots.
    pub kind: &'static str,
    /// What it means.
    pub message: &'static str,
    /// What it is about.
    pub resource: &'static str,
}

const fn event(kind: &'static str, resource: &'static str, message: &'static str) -> EventType {
    EventType { kind, message, resource }
}

/// Every type, sorted.
pub const EVENT_TYPES: &[EventType] = &[
    event("system.account.deleting", "account", "An account is being deleted"),
    event("system.feeds.sync.completed", "feeds", "New vulnerability data is in use"),
    event("system.feeds.sync.failed", "feeds", "A feed sync was given up"),
    event(
        "system.image_analysis.policy_engine_load_failed",
        "image_digest",
        "The evaluation of an image was given up",
    ),
    event(
        "user.checks.tag.policy_evaluation.update",
        "image_tag",
        "The policy evaluation of a tag has another outcome",
    ),
    event("user.image.analysis.completed", "image_digest", "An image was analyzed"),
    event("user.image.analysis.failed", "image_digest", "The analysis of an image was given up"),
    event("user.image.deleted", "image_digest", "An image was deleted"),
    event(
        "user.policy.active.content_change",
        "policy",
        "The content of the active policy changed",
    ),
    event("user.policy.active.updated", "policy", "Another policy was activated"),
];

/// What the first part of a type means.
#[must_use]
pub fn category_description(category: &str) -> &'static str {
    match category {
        "user" => "Events about the resources of users",
        "system" => "Events about the system itself",
        _ => "",
    }
}

impl EventType {
    /// First part, middle parts, last part.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &'static str, &'static str) {
        let (category, rest) = self.kind.split_once('.').unwrap_or((self.kind, ""));
        let (middle, name) = rest.rsplit_once('.').unwrap_or(("", rest));
        (category, middle, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_three_parts_each() {
        assert!(EVENT_TYPES.is_sorted_by(|a, b| a.kind < b.kind));
        for kind in EVENT_TYPES {
            let (category, middle, name) = kind.parts();
            assert!(!category_description(category).is_empty(), "{}", kind.kind);
            assert!(!name.is_empty(), "{}", kind.kind);
            let _ = middle;
        }
        assert_eq!(
            event("a.b.c.d", "", "").parts(),
            ("a", "b.c", "d"),
            "the middle keeps its dots"
        );
    }
}
