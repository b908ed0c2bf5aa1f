//! Lists and single objects in every list format.

use crate::exit::Failure;
use crate::output::table::{Cell, Table};
use crate::output::{API_VERSION, Out, Spec, named, pretty};
use clap::Args;
use serde::Serialize;
use std::str::FromStr;

/// Format of a list or object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Wide,
    Json,
    JsonLines,
    Csv,
    Markdown,
    Name,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(
            text,
            &[
                ("table", Self::Table),
                ("wide", Self::Wide),
                ("json", Self::Json),
                ("jsonl", Self::JsonLines),
                ("csv", Self::Csv),
                ("markdown", Self::Markdown),
                ("name", Self::Name),
            ],
        )
    }
}

/// Flags of every command that answers a list or an object.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListOutput {
    /// Format: table, wide, json, jsonl, csv, markdown, name; FORMAT=FILE writes a file. Repeatable
    #[arg(short = 'o', long = "output", value_name = "FORMAT[=FILE]")]
    output: Vec<Spec<Format>>,
    /// Leave out the line with the column names
    #[arg(long)]
    no_header: bool,
}

/// One column.
pub(crate) struct Column<T> {
    /// Title, upper case.
    pub(crate) title: &'static str,
    /// Only in `wide`, `csv` and `markdown`.
    pub(crate) wide: bool,
    /// The cell of an item.
    pub(crate) cell: fn(&T) -> Cell,
}

/// A column of every format.
pub(crate) const fn column<T>(title: &'static str, cell: fn(&T) -> Cell) -> Column<T> {
    Column { title, wide: false, cell }
}

/// A column of the wide formats.
pub(crate) const fn wide<T>(title: &'static str, cell: fn(&T) -> Cell) -> Column<T> {
    Column { title, wide: true, cell }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a, T> {
    api_version: &'static str,
    kind: &'a str,
    items: &'a [T],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Single<'a, T> {
    api_version: &'static str,
    kind: &'a str,
    #[serde(flatten)]
    item: &'a T,
}

impl ListOutput {
    fn specs(&self) -> Vec<Spec<Format>> {
        if self.output.is_empty() {
            return vec![Spec { format: Format::Table, file: None }];
        }
        self.output.clone()
    }

    /// Writes items. `kind` names the JSON document; the first column is the name.
    pub(crate) fn list<T: Serialize>(
        &self,
        out: Out,
        kind: &str,
        items: &[T],
        columns: &[Column<T>],
    ) -> Result<(), Failure> {
        for spec in self.specs() {
            let bytes = self.render(out, &spec, kind, items, columns)?;
            out.write(&spec, &bytes)?;
        }
        Ok(())
    }

    fn render<T: Serialize>(
        &self,
        out: Out,
        spec: &Spec<Format>,
        kind: &str,
        items: &[T],
        columns: &[Column<T>],
    ) -> Result<Vec<u8>, Failure> {
        let table = |all: bool| {
            let chosen: Vec<_> = columns.iter().filter(|column| all || !column.wide).collect();
            let titles: Vec<&str> = chosen.iter().map(|column| column.title).collect();
            let mut table = Table::new(&titles);
            for item in items {
                table.row(chosen.iter().map(|column| (column.cell)(item)).collect());
            }
            table
        };
        let style = |wide| out.style(wide, !self.no_header, spec.file.is_some());
        Ok(match spec.format {
            Format::Table => table(false).text(style(false)).into_bytes(),
            Format::Wide => table(true).text(style(true)).into_bytes(),
            Format::Json => pretty(&Document { api_version: API_VERSION, kind, items })?,
            Format::JsonLines => lines(items)?,
            Format::Csv => table(true).csv(!self.no_header).into_bytes(),
            Format::Markdown => table(true).markdown().into_bytes(),
            Format::Name => {
                names(items.iter().filter_map(|item| Some((columns.first()?.cell)(item))))
            }
        })
    }

    /// Writes one object: as facts for people, whole in JSON. The first fact is the name.
    pub(crate) fn object<T: Serialize>(
        &self,
        out: Out,
        kind: &str,
        item: &T,
        facts: Vec<(&str, Cell)>,
    ) -> Result<(), Failure> {
        for spec in self.specs() {
            let mut table = Table::new(&["FACT", "VALUE"]);
            for (name, cell) in &facts {
                table.row(vec![(*name).into(), cell.clone()]);
            }
            let style = out.style(spec.format == Format::Wide, false, spec.file.is_some());
            let bytes = match spec.format {
                Format::Table | Format::Wide => table.text(style).into_bytes(),
                Format::Json => pretty(&Single { api_version: API_VERSION, kind, item })?,
                Format::JsonLines => lines(std::slice::from_ref(item))?,
                Format::Csv => table.csv(!self.no_header).into_bytes(),
                Format::Markdown => table.markdown().into_bytes(),
                Format::Name => names(facts.iter().take(1).map(|(_, cell)| cell.clone())),
            };
            out.write(&spec, &bytes)?;
        }
        Ok(())
    }
}

fn lines<T: Serialize>(items: &[T]) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    for item in items {
        serde_json::to_writer(&mut bytes, item).map_err(Failure::error)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

fn names(cells: impl Iterator<Item = Cell>) -> Vec<u8> {
    let mut text = String::new();
    for cell in cells {
        text.push_str(&super::table::plain(&cell.text));
        text.push('\n');
    }
    text.into_bytes()
}
