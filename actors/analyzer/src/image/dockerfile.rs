//! A guess at the Dockerfile of an image, from the history in its configuration.
//!
//! The classic builder writes `/bin/sh -c <command>` for `RUN` and `/bin/sh -c #(nop) <line>` for
//! everything else; BuildKit writes the instruction itself and `# buildkit` at the end.

use crate::image::manifest::HistoryEntry;

/// The Dockerfile, one instruction per line, starting with `FROM scratch`: what the base image
/// was cannot be seen in the history. Ends in a newline.
#[must_use]
pub fn guess(history: &[HistoryEntry]) -> String {
    let mut out = String::from("FROM scratch\n");
    for entry in history {
        if let Some(line) = instruction(&entry.created_by) {
            out.push_str(&line);
            out.push('\n');
        }
    }
    out
}

const INSTRUCTIONS: [&str; 17] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

fn instruction(created_by: &str) -> Option<String> {
    let text = created_by.trim();
    let text = text.strip_suffix("# buildkit").unwrap_or(text).trim();
    if text.is_empty() {
        return None;
    }
    if let Some(line) = without_shell(text).and_then(|rest| rest.strip_prefix("#(nop)")) {
        return Some(one_line(line));
    }
    // `|2 A=1 B=2 /bin/sh -c command`: build arguments in front of the shell.
    if text.starts_with('|') {
        return Some(format!("RUN {}", one_line(after_arguments(text))));
    }
    if let Some(command) = without_shell(text) {
        return Some(format!("RUN {}", one_line(command)));
    }
    let word = text.split_ascii_whitespace().next().unwrap_or("");
    if !INSTRUCTIONS.contains(&word) {
        // Other builders (kaniko, ko, bazel) write what they like.
        return Some(format!("# {}", one_line(text)));
    }
    let rest = text[word.len()..].trim_start();
    if word != "RUN" {
        return Some(one_line(text));
    }
    let command = if rest.starts_with('|') { after_arguments(rest) } else { rest };
    Some(format!("RUN {}", one_line(without_shell(command).unwrap_or(command))))
}

fn without_shell(text: &str) -> Option<&str> {
    text.strip_prefix("/bin/sh -c").map(str::trim_start)
}

fn after_arguments(text: &str) -> &str {
    text.split_once("/bin/sh -c").map_or(text, |(_, command)| command.trim_start())
}

/// Several lines become one, continued as Dockerfiles do.
fn one_line(text: &str) -> String {
    text.trim().lines().map(str::trim_end).collect::<Vec<_>>().join(" \\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(created_by: &str, expect: &str) {
        let entry = HistoryEntry { created_by: created_by.into(), ..HistoryEntry::default() };
        assert_eq!(guess(&[entry]), format!("FROM scratch\n{expect}"));
    }

    #[test]
    fn classic_and_buildkit_forms() {
        check("/bin/sh -c #(nop) ADD file:abc in / ", "ADD file:abc in /\n");
        check("/bin/sh -c #(nop)  CMD [\"bash\"]", "CMD [\"bash\"]\n");
        check("/bin/sh -c apt-get update", "RUN apt-get update\n");
        check("|1 A=1 /bin/sh -c make", "RUN make\n");
        check("RUN /bin/sh -c apk add curl # buildkit", "RUN apk add curl\n");
        check("RUN |2 A=1 B=2 /bin/sh -c make all # buildkit", "RUN make all\n");
        check("RUN [\"/app\"] # buildkit", "RUN [\"/app\"]\n");
        check("COPY /app /app # buildkit", "COPY /app /app\n");
        check("ENV A=b", "ENV A=b\n");
        check("bazel build ...", "# bazel build ...\n");
        check("", "");
        check("RUN /bin/sh -c a\n  b # buildkit", "RUN a \\\n  b\n");
    }

    #[test]
    fn no_history() {
        assert_eq!(guess(&[]), "FROM scratch\n");
    }
}
