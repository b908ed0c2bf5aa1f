//! Gate `dockerfile`: the given dockerfile, or the one derived from the image's history.

use super::{CannotEvaluate, Check, Gate, Param, RestsOn, Rule, Sink, State, Trigger, Validator};
use crate::facts::DockerfileMode;
use crate::limits::DOCKERFILE_LINES_MAX;
use crate::params::{TextValue, text_check};

const INSTRUCTIONS: &[&str] = &[
    "ADD",
    "ARG",
    "COPY",
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "USER",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "VOLUME",
    "WORKDIR",
];

const CHECKS: &[&str] = &["=", "!=", "exists", "not_exists", "like", "not_like", "in", "not_in"];

const LIST_KINDS: &[&str] = &["allowlist", "denylist"];

const ACTUAL_ONLY: Param = Param {
    name: "actual_dockerfile_only",
    description: "Only judge a dockerfile that was given with the image; false when absent.",
    example: "true",
    required: false,
    validator: Validator::Boolean,
};

const LIST_KIND: Param = Param {
    name: "type",
    description: "Whether the list names what is allowed or what is denied.",
    example: "denylist",
    required: true,
    validator: Validator::Words(LIST_KINDS),
};

/// The gate.
pub const GATE: Gate = Gate {
    name: "dockerfile",
    description: "Judges the instructions of the dockerfile.",
    state: State::Active,
    triggers: &[
        Trigger {
            name: "instruction",
            description: "Fires for each line of the instruction that passes the check.",
            params: &[
                Param {
                    name: "instruction",
                    description: "Instruction to look at.",
                    example: "FROM",
                    required: true,
                    validator: Validator::Words(INSTRUCTIONS),
                },
                Param {
                    name: "check",
                    description: "How the line is compared with the value.",
                    example: "=",
                    required: true,
                    validator: Validator::Words(CHECKS),
                },
                Param {
                    name: "value",
                    description: "Value to compare with.",
                    example: "scratch",
                    required: false,
                    validator: Validator::Text,
                },
                ACTUAL_ONLY,
            ],
            rests_on: RestsOn::Nothing,
            check: Check::Run(instruction),
        },
        Trigger {
            name: "effective_user",
            description: "Fires when the user that the image runs as is not allowed.",
            params: &[
                Param {
                    name: "users",
                    description: "User names.",
                    example: "root,docker",
                    required: true,
                    validator: Validator::List,
                },
                LIST_KIND,
            ],
            rests_on: RestsOn::Nothing,
            check: Check::Run(effective_user),
        },
        Trigger {
            name: "exposed_ports",
            description: "Fires for each exposed port that is not allowed; port 0 means any port.",
            params: &[
                Param {
                    name: "ports",
                    description: "Port numbers.",
                    example: "80,8080",
                    required: true,
                    validator: Validator::Numbers,
                },
                LIST_KIND,
                ACTUAL_ONLY,
            ],
            rests_on: RestsOn::Nothing,
            check: Check::Run(exposed_ports),
        },
        Trigger {
            name: "no_dockerfile_provided",
            description: "Fires when no dockerfile was given with the image.",
            params: &[],
            rests_on: RestsOn::Nothing,
            check: Check::Run(no_dockerfile_provided),
        },
    ],
};

/// Instructions of a dockerfile with what follows them, continuation lines joined. `None` when
/// there is no dockerfile, or not the one that the rule wants.
fn lines(rule: &Rule<'_>) -> Result<Option<Vec<(String, String)>>, CannotEvaluate> {
    let Some(dockerfile) = rule.facts.dockerfile else { return Ok(None) };
    let actual_only = rule.params.flag("actual_dockerfile_only") == Some(true);
    if actual_only && dockerfile.mode == DockerfileMode::Guessed {
        return Ok(None);
    }
    if dockerfile.text.lines().count() > DOCKERFILE_LINES_MAX {
        return Err(CannotEvaluate(format!(
            "the dockerfile has more than {DOCKERFILE_LINES_MAX} lines (DOCKERFILE_LINES_MAX)"
        )));
    }
    let mut instructions = Vec::new();
    let mut open = String::new();
    for line in dockerfile.text.lines() {
        let line = line.trim();
        // Docker drops comments and empty lines also between continued lines.
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(part) = line.strip_suffix('\\') {
            open.push_str(part);
            continue;
        }
        open.push_str(line);
        push_instruction(&mut instructions, &open);
        open.clear();
    }
    push_instruction(&mut instructions, &open);
    Ok(Some(instructions))
}

fn push_instruction(instructions: &mut Vec<(String, String)>, line: &str) {
    let line = line.trim();
    let Some(word) = line.split_whitespace().next() else { return };
    instructions.push((word.to_ascii_uppercase(), line[word.len()..].trim().to_owned()));
}

fn instruction(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    let name = rule.need(rule.params.word("instruction"), "instruction")?;
    let check = rule.need(rule.params.word("check"), "check")?;
    let Some(lines) = lines(rule)? else { return Ok(()) };
    let mut matching = lines.iter().filter(|(word, _)| word == name).peekable();
    if check == "not_exists" {
        if matching.peek().is_none() {
            sink.fire(format!(
                "Dockerfile directive '{name}' not found, matching condition 'not_exists' check"
            ));
        }
        return Ok(());
    }
    let wanted = rule.params.text("value");
    if wanted.is_none() && check != "exists" {
        return Ok(());
    }
    let value = TextValue::new(check, wanted.unwrap_or("")).map_err(CannotEvaluate)?;
    for (_, line) in matching {
        if check == "exists" || text_check(check, line, &value) {
            sink.fire(format!(
                "Dockerfile directive '{name}' check '{check}' matched against '{}' for line \
                 '{line}'",
                value.text
            ));
        }
    }
    Ok(())
}

fn effective_user(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    let users = rule.params.list("users");
    let kind = rule.need(rule.params.word("type"), "type")?;
    let Some(lines) = lines(rule)? else { return Ok(()) };
    let last = lines.iter().rev().find(|(word, _)| word == "USER");
    let user = last
        .map(|(_, line)| line.trim_start_matches('[').split(']').next().unwrap_or("").trim())
        .filter(|user| !user.is_empty())
        .unwrap_or("root");
    let listed = users.contains(&user);
    if kind == LIST_KINDS[0] && !listed {
        sink.fire(format!("User {user} found as effective user, which is not on the allowed list"));
    }
    // The misspelling is the contract's: ids of findings are hashes of the text.
    if kind == LIST_KINDS[1] && listed {
        sink.fire(format!("User {user} found as effective user, which is explicity not allowed"));
    }
    Ok(())
}

/// Whether the token of an EXPOSE line covers the port: `22`, `22/tcp`, `20-25/udp`.
fn covers(token: &str, port: u64) -> bool {
    let numbers = token.split('/').next().unwrap_or("");
    match numbers.split_once('-') {
        Some((low, high)) => match (low.parse::<u64>(), high.parse::<u64>()) {
            (Ok(low), Ok(high)) => (low..=high).contains(&port),
            _ => false,
        },
        None => numbers.parse() == Ok(port),
    }
}

fn exposed_ports(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    let ports: Vec<u64> =
        rule.params.list("ports").iter().filter_map(|port| port.parse().ok()).collect();
    let denied = rule.need(rule.params.word("type"), "type")? == LIST_KINDS[1];
    let Some(lines) = lines(rule)? else { return Ok(()) };
    for (_, line) in lines.iter().filter(|(word, _)| word == "EXPOSE") {
        let tokens: Vec<&str> = line.split_whitespace().collect();
        if ports.contains(&0) {
            let list = if denied { "DENIEDPORTS" } else { "ALLOWEDPORTS" };
            if !tokens.is_empty() {
                sink.fire(format!(
                    "Dockerfile exposes network ports ({}) but policy sets {list}=0",
                    tokens.join(",")
                ));
            }
        } else if denied {
            let hits =
                ports.iter().flat_map(|port| tokens.iter().filter(|token| covers(token, *port)));
            for token in hits {
                sink.fire(format!(
                    "Dockerfile exposes port ({token}) which is in policy file DENIEDPORTS list"
                ));
            }
        } else {
            // A range or a variable is allowed only when every port of it is known to be listed.
            let allowed = |token: &&&str| {
                !token.contains('-') && ports.iter().any(|port| covers(token, *port))
            };
            for token in tokens.iter().filter(|token| !allowed(token)) {
                sink.fire(format!(
                    "Dockerfile exposes port ({token}) which is not in policy file ALLOWEDPORTS \
                     list"
                ));
            }
        }
    }
    Ok(())
}

fn no_dockerfile_provided(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    if rule.facts.dockerfile.is_none_or(|dockerfile| dockerfile.mode != DockerfileMode::Actual) {
        sink.fire("Image was not analyzed with an actual Dockerfile");
    }
    Ok(())
}
