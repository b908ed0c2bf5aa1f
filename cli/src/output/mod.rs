//! What is written to standard output: data, in the format that was asked for. Everything else
//! goes to standard error (`ui`).

pub(crate) mod list;
pub(crate) mod table;

use crate::exit::Failure;
use crate::output::table::Style;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::str::FromStr;

/// Version of our JSON documents.
pub(crate) const API_VERSION: &str = "kedge/v1";

/// `FORMAT` or `FORMAT=FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec<F> {
    /// The format.
    pub(crate) format: F,
    /// Where to; standard output when absent.
    pub(crate) file: Option<PathBuf>,
}

impl<F: FromStr<Err = String>> FromStr for Spec<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = match text.split_once('=') {
            Some((_, "")) => return Err("there is no file name after '='".to_owned()),
            Some((format, file)) => (format, Some(PathBuf::from(file))),
            None => (text, None),
        };
        Ok(Self { format: format.parse()?, file })
    }
}

/// Reads a format by name from a table of names.
pub(crate) fn named<F: Copy>(text: &str, table: &[(&str, F)]) -> Result<F, String> {
    if let Some((_, format)) = table.iter().find(|(name, _)| *name == text) {
        return Ok(*format);
    }
    let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
    let near = names
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, text).total_cmp(&strsim::jaro_winkler(b, text)));
    let near = near.filter(|name| strsim::jaro_winkler(name, text) > 0.8);
    let guess = near.map_or_else(String::new, |name| format!("did you mean '{name}'? "));
    Err(format!("unknown format; {guess}known are {}", names.join(", ")))
}

/// Standard output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    /// Whether it is a terminal.
    pub(crate) terminal: bool,
    /// Whether to colour.
    pub(crate) color: bool,
    /// Width of the terminal.
    pub(crate) width: Option<u16>,
}

impl Out {
    /// Looks at standard output. `always` and `never` are the user's word; otherwise `NO_COLOR`,
    /// `CLICOLOR_FORCE` and the terminal decide.
    pub(crate) fn detect() -> Self {
        let stdout = std::io::stdout();
        let terminal = stdout.is_terminal();
        let color = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
        let stated = crate::environment::get("COLUMNS").and_then(|text| text.parse().ok());
        let width = terminal
            .then(|| stated.or_else(|| comfy_table::Table::new().width()).unwrap_or(80))
            .filter(|width| *width >= 20);
        Self { terminal, color, width }
    }

    /// How tables are drawn here.
    pub(crate) fn style(&self, wide: bool, header: bool, to_file: bool) -> Style {
        Style {
            boxes: self.terminal && !to_file,
            color: self.color && !to_file,
            width: if wide || to_file { None } else { self.width },
            header,
        }
    }

    /// Writes one document to where its spec says.
    pub(crate) fn write<F>(&self, spec: &Spec<F>, bytes: &[u8]) -> Result<(), Failure> {
        match &spec.file {
            Some(path) => fs::write(path, bytes).map_err(|error| Failure::file(path, &error)),
            None => self.print(bytes),
        }
    }

    /// Writes to standard output.
    pub(crate) fn print(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|e| Failure::output(&e))
    }
}

/// A value as indented JSON with a newline at the end.
pub(crate) fn pretty<T: serde::Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Failure> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(Failure::error)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Only;
    impl FromStr for Only {
        type Err = String;
        fn from_str(text: &str) -> Result<Self, String> {
            named(text, &[("table", Only)])
        }
    }

    #[test]
    fn formats_with_files() {
        let spec: Spec<Only> = "table=a=b".parse().unwrap();
        assert_eq!(spec.file, Some(PathBuf::from("a=b")));
        assert!("table=".parse::<Spec<Only>>().is_err());
        let error = "tabel".parse::<Spec<Only>>().unwrap_err();
        assert!(error.contains("did you mean 'table'"), "{error}");
        assert!(!"xyz".parse::<Spec<Only>>().unwrap_err().contains("did you mean"));
    }
}
