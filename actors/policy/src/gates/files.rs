//! Gate `files`.

use super::{CannotEvaluate, Check, Gate, Param, RestsOn, Rule, Sink, State, Trigger, Validator};
use kedge_artifact::image::{FileEntry, FileKind};

const MATCH_WORDS: &[&str] = &["equals", "not_equals"];

/// The gate.
pub const GATE: Gate = Gate {
    name: "files",
    description: "Judges the files of the image: names, permissions, digests.",
    state: State::Active,
    triggers: &[
        Trigger {
            name: "content_regex_match",
            description: "Fires for each file whose content matches a configured expression.",
            params: &[Param {
                name: "regex_name",
                description: "Name of the expression; all when absent.",
                example: "token",
                required: false,
                validator: Validator::Text,
            }],
            rests_on: RestsOn::Contents,
            check: Check::Never("the content of files is not searched"),
        },
        Trigger {
            name: "name_match",
            description: "Fires for each file whose path matches the expression from its start.",
            params: &[Param {
                name: "regex",
                description: "Regular expression for the whole path.",
                example: r".*\.pem",
                required: true,
                validator: Validator::Regex,
            }],
            rests_on: RestsOn::Contents,
            check: Check::Run(name_match),
        },
        Trigger {
            name: "attribute_match",
            description: "Fires when a file passes every given check.",
            params: &[
                Param {
                    name: "filename",
                    description: "Absolute path.",
                    example: "/etc/passwd",
                    required: true,
                    validator: Validator::Text,
                },
                Param {
                    name: "checksum_algorithm",
                    description: "Algorithm of the checksum.",
                    example: "sha256",
                    required: false,
                    validator: Validator::Words(&["sha256"]),
                },
                Param {
                    name: "checksum",
                    description: "Hex checksum to compare with.",
                    example: "832cd0f75b227d13aac82b1f70b7f90191a4186c151f9db50851d209c45ede11",
                    required: false,
                    validator: Validator::Text,
                },
                Param {
                    name: "checksum_match",
                    description: "How checksums are compared; equals when absent.",
                    example: "equals",
                    required: false,
                    validator: Validator::Words(MATCH_WORDS),
                },
                Param {
                    name: "mode",
                    description: "Permission bits in octal.",
                    example: "00644",
                    required: false,
                    validator: Validator::Octal,
                },
                Param {
                    name: "mode_op",
                    description: "How permission bits are compared; equals when absent.",
                    example: "equals",
                    required: false,
                    validator: Validator::Words(MATCH_WORDS),
                },
                Param {
                    name: "skip_missing",
                    description: "Stay silent when there is no such file; true when absent.",
                    example: "true",
                    required: false,
                    validator: Validator::Boolean,
                },
            ],
            rests_on: RestsOn::Contents,
            check: Check::Run(attribute_match),
        },
        Trigger {
            name: "suid_or_guid_set",
            description: "Fires for each file with the setuid or setgid bit.",
            params: &[],
            rests_on: RestsOn::Contents,
            check: Check::Run(suid_or_guid_set),
        },
    ],
};

/// Permission bits of `644`, `0644`, `0o644`.
pub(super) fn parse_mode(text: &str) -> Option<u32> {
    let digits = text.trim_start_matches("0o");
    let octal = !digits.is_empty() && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    if !octal {
        return None;
    }
    u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o7777)
}

fn files<'a>(rule: &Rule<'a>) -> Result<&'a [FileEntry], CannotEvaluate> {
    rule.facts.files.ok_or_else(|| CannotEvaluate::because("the files of the image are not known"))
}

fn name_match(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    let text = rule.need(rule.params.text("regex"), "regex")?;
    let regex = rule.need(rule.params.regex("regex"), "regex")?.map_err(CannotEvaluate)?;
    for file in files(rule)?.iter().filter(|file| regex.is_match(&file.path)) {
        sink.fire(format!(
            "Application of regex matched file found in container: file={} regexp={text}",
            file.path
        ));
    }
    Ok(())
}

fn suid_or_guid_set(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    for file in files(rule)? {
        // On directories setgid means inheritance of the group, which grants nothing.
        let program = matches!(file.kind, FileKind::File | FileKind::Hardlink);
        if program && file.mode & 0o6000 != 0 {
            sink.fire(format!(
                "SUID or SGID found set on file {}. Mode: 0o{:o}",
                file.path,
                file.mode & 0o7777
            ));
        }
    }
    Ok(())
}

fn attribute_match(rule: &Rule<'_>, sink: &mut Sink) -> Result<(), CannotEvaluate> {
    let params = &rule.params;
    let name = rule.need(params.text("filename"), "filename")?;
    let Some(file) = files(rule)?.iter().find(|file| file.path == name) else {
        if params.flag("skip_missing") == Some(false) {
            sink.fire(format!("filename={name} and skip_missing=False"));
        }
        return Ok(());
    };
    let mut message = format!("filename={name}");
    if let Some(wanted) = params.text("checksum") {
        let Some(digest) = file.sha256 else {
            return Err(CannotEvaluate(format!("the checksum of {name} is not known")));
        };
        let op = params.word("checksum_match").unwrap_or(MATCH_WORDS[0]);
        let found = digest.hex();
        if found.eq_ignore_ascii_case(wanted) != (op == MATCH_WORDS[0]) {
            return Ok(());
        }
        message.push_str(&format!(" and checksum={found} op={op} specified_checksum={wanted}"));
    }
    if let Some(text) = params.text("mode") {
        let wanted = rule.need(parse_mode(text), "mode")?;
        let op = params.word("mode_op").unwrap_or(MATCH_WORDS[0]);
        let found = file.mode & 0o7777;
        if (found == wanted) != (op == MATCH_WORDS[0]) {
            return Ok(());
        }
        message.push_str(&format!(" and mode=0o{found:o} op={op} specified_mode=0o{wanted:o}"));
    }
    sink.fire(message);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse_mode;

    #[test]
    fn modes() {
        for (text, mode) in [
            ("644", Some(0o644)),
            ("00644", Some(0o644)),
            ("0o4755", Some(0o4755)),
            ("8", None),
            ("", None),
            ("177777", None),
            ("0o", None),
        ] {
            assert_eq!(parse_mode(text), mode, "{text}");
        }
    }
}
