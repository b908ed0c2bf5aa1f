//! Which mapping and which list entry applies to an image.

use crate::document::{ImageRef, ImageRefKind, ImageSelectionRule, MappingRule};
use crate::facts::ImageFacts;
use crate::pattern::Pattern;
use kedge_artifact::reference::DEFAULT_REGISTRY;

/// The first mapping that matches.
#[must_use]
pub fn choose<'a>(mappings: &'a [MappingRule], facts: &ImageFacts<'_>) -> Option<&'a MappingRule> {
    mappings.iter().find(|rule| selects(&rule.registry, &rule.repository, &rule.image, facts))
}

/// The first entry of a list of images that matches.
#[must_use]
pub fn listed<'a>(
    rules: &'a [ImageSelectionRule],
    facts: &ImageFacts<'_>,
) -> Option<&'a ImageSelectionRule> {
    rules.iter().find(|rule| selects(&rule.registry, &rule.repository, &rule.image, facts))
}

fn selects(registry: &str, repository: &str, image: &ImageRef, facts: &ImageFacts<'_>) -> bool {
    // `dockerhub` is an old name of Docker Hub that references still use.
    let registry = if registry == "dockerhub" { DEFAULT_REGISTRY } else { registry };
    let matches = |pattern: &str, text: &str| {
        // Validation refuses patterns that do not compile; one that slips through selects nothing.
        Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(text))
    };
    if !matches(registry, facts.registry) || !matches(repository, facts.repository) {
        return false;
    }
    match image.kind {
        ImageRefKind::Tag => matches(&image.value, facts.tag),
        ImageRefKind::Digest => image.value == facts.digest.to_string(),
        ImageRefKind::Id => facts.image_id.is_some_and(|id| {
            let hex = id.hex();
            image.value.strip_prefix("sha256:").unwrap_or(&image.value) == hex
        }),
    }
}
