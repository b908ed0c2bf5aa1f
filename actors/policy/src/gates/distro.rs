//! Gate `distro`.

use super::{CannotEvaluate, Check, Gate, Param, RestsOn, Rule, Sink, State, Trigger, Validator};
use crate::params::{COMPARISONS, Comparison, order};

/// The gate.
pub const GATE: Gate = Gate {
    name: "distro",
    description: "Judges the Linux distribution of the image.",
    state: State::Active,
    triggers: &[Trigger {
        name: "deny",
        description: "Fires when the image is of the given distribution and version.",
        params: &[
            Param {
                name: "distro",
                description: "Distribution, as the ID of its os-release file.",
                example: "debian",
                required: true,
                validator: Validator::Text,
            },
            Param {
                name: "version",
                description: "Version to compare with; any version when absent.",
                example: "11",
                required: false,
                validator: Validator::Text,
            },
            Param {
                name: "check",
                description: "How the image's version compares with the given one; = when absent.",
                example: "<",
                required: false,
                validator: Validator::Words(COMPARISONS),
            },
        ],
        rests_on: RestsOn::Contents,
        check: Check::Run(deny),
    }],
};

fn deny(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    let wanted = rule.need(rule.params.text("distro"), "distro")?;
    let Some(distro) = &rule.facts.sbom.distro else {
        return Err(CannotEvaluate::because("the distribution of the image is not known"));
    };
    if !distro.id.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let check = rule.params.comparison("check").unwrap_or(Comparison::Equal);
    let word = rule.params.word("check").unwrap_or("=");
    match rule.params.text("version") {
        None => sink.fire(format!("Image distro '{}' is denied", distro.id)),
        Some(version) if distro.version_id.is_empty() => {
            return Err(CannotEvaluate::because(format!(
                "{} names no version to compare with '{version}'",
                distro.id
            )));
        }
        Some(version) if check.holds(order(&distro.version_id, version)) => sink.fire(format!(
            "Image distro '{}' version '{}' is denied: check '{word}' against '{version}'",
            distro.id, distro.version_id
        )),
        Some(_) => {}
    }
    Ok(())
}
