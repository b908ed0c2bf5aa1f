//! Gate `always`.

use super::{Check, Gate, RestsOn, Rule, Sink, State, Trigger};

/// The gate.
pub const GATE: Gate = Gate {
    name: "always",
    description: "Fires without any condition, to try out mappings and allowlists.",
    state: State::Active,
    triggers: &[Trigger {
        name: "always",
        description: "Fires always.",
        params: &[],
        rests_on: RestsOn::Nothing,
        check: Check::Run(|_: &Rule<'_>, sink: &mut Sink| {
            sink.fire_as("always", "Unconditional trigger match");
            Ok(())
        }),
    }],
};
