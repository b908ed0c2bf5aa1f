//! The policy language as data, for editors and `policy describe`.

use crate::gates::{EOL_GATES, GATES, State, Validator};
use serde_json::{Value, json};

/// The body of `GET /v2/system/policy-spec`: a list of gates. Gates that are gone are listed only
/// with `all`.
#[must_use]
pub fn spec(all: bool) -> Value {
    let mut gates: Vec<Value> = GATES.iter().map(gate).collect();
    if all {
        gates.extend(EOL_GATES.iter().map(|(name, instead)| {
            json!({
                "name": name, "description": "No longer available.",
                "supported_artifact_type": "image", "state": "eol", "superseded_by": instead,
                "triggers": []
            })
        }));
    }
    Value::Array(gates)
}

fn gate(gate: &crate::gates::Gate) -> Value {
    let state = match gate.state {
        State::Active => "active",
        State::Deprecated => "deprecated",
    };
    let triggers: Vec<Value> = gate
        .triggers
        .iter()
        .map(|trigger| {
            let parameters: Vec<Value> = trigger.params.iter().map(param).collect();
            json!({
                "name": trigger.name, "description": trigger.description, "state": state,
                "superseded_by": null, "parameters": parameters
            })
        })
        .collect();
    json!({
        "name": gate.name, "description": gate.description, "supported_artifact_type": "image",
        "state": state, "superseded_by": null, "triggers": triggers
    })
}

fn param(param: &crate::gates::Param) -> Value {
    let mut validator = json!({"type": param.validator.kind()});
    match param.validator {
        Validator::Words(words) => validator["enum"] = json!(words),
        Validator::Integer(least) => validator["minimum"] = json!(least),
        Validator::Linked(name) => validator["discriminator"] = json!(name),
        Validator::Text
        | Validator::Boolean
        | Validator::Float
        | Validator::List
        | Validator::Numbers
        | Validator::Regex
        | Validator::Octal => {}
    }
    json!({
        "name": param.name, "description": param.description, "example": param.example,
        "required": param.required, "state": "active", "superseded_by": null,
        "validator": validator
    })
}
