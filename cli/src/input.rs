//! Files, standard input and passwords.

use crate::environment;
use crate::exit::Failure;
use crate::limits::{DOCUMENT_BYTES_MAX, PASSWORD_BYTES_MAX};
use crate::ui::Ui;
use kedge_api::users::Secret;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads a document from a file, or from standard input for `-`.
pub(crate) fn document(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        return limited(std::io::stdin().lock(), "standard input");
    }
    let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    limited(file, &path.display().to_string())
}

fn limited(reader: impl Read, place: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = reader.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::error(format!("{place}: {error}")))?;
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        let limit =
            format!("{place} is over the limit DOCUMENT_BYTES_MAX of {DOCUMENT_BYTES_MAX} bytes");
        return Err(Failure::error(limit));
    }
    Ok(bytes)
}

/// A password: from standard input when asked for, else from the environment, else by a question
/// on a terminal. Never from a flag: other users of the machine see flags.
pub(crate) fn password(
    ui: Ui,
    from_stdin: bool,
    variables: &[&str],
    question: &str,
) -> Result<Option<Secret>, Failure> {
    if from_stdin {
        return stdin_password().map(Some);
    }
    if let Some(text) = environment::first(variables) {
        return Ok(Some(Secret::new(text)));
    }
    if !ui.interactive {
        return Ok(None);
    }
    let text = rpassword::prompt_password(format!("{question}: "))
        .map_err(|error| Failure::error(format!("password: {error}")))?;
    Ok(Some(Secret::new(text)))
}

/// The whole of standard input without the line end.
fn stdin_password() -> Result<Secret, Failure> {
    let mut text = String::new();
    let mut stdin = std::io::stdin().lock().take(PASSWORD_BYTES_MAX + 1);
    stdin.read_to_string(&mut text).map_err(|_| {
        Failure::error("the password on standard input cannot be read as UTF-8 text")
    })?;
    if text.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(Failure::error("the password is over the limit PASSWORD_BYTES_MAX"));
    }
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Failure::usage("there is no password on standard input"));
    }
    Ok(Secret::new(text))
}

/// A password that must be there.
pub(crate) fn required_password(
    ui: Ui,
    from_stdin: bool,
    variables: &[&str],
    question: &str,
) -> Result<Secret, Failure> {
    password(ui, from_stdin, variables, question)?.ok_or_else(|| {
        let hint = format!("pass it with --password-stdin or set {}", variables[0]);
        Failure::usage(format!("{question}: no password was given")).hint(hint)
    })
}
