//! Tables for people: cut to the terminal, coloured, and safe to print.

use crate::limits::CELL_CHARS_MAX;
use comfy_table::{Attribute, Color, ContentArrangement, Row, presets};
use kedge_artifact::advisory::SeverityRank;

/// What a colour means. Colour never stands alone: the word is always there too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Critical, failed, stop.
    Bad,
    /// High.
    Severe,
    /// Medium, warn.
    Warn,
    /// Fine.
    Good,
    /// Of little weight.
    Dim,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) tone: Option<Tone>,
}

impl Cell {
    /// A plain cell.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: None }
    }

    /// A coloured cell.
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone: Some(tone) }
    }

    /// A severity: the word and its colour.
    pub(crate) fn severity(rank: SeverityRank) -> Self {
        let tone = match rank {
            SeverityRank::Critical => Tone::Bad,
            SeverityRank::High => Tone::Severe,
            SeverityRank::Medium => Tone::Warn,
            SeverityRank::Low | SeverityRank::Negligible | SeverityRank::Unknown => Tone::Dim,
        };
        Self::toned(rank.title(), tone)
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// Text from elsewhere as one line without control characters: a package name must not be able
/// to steer the terminal.
pub(crate) fn plain(text: &str) -> String {
    let visible = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() || is_direction(c) => '\u{fffd}',
        c => c,
    };
    text.chars().take(CELL_CHARS_MAX).map(visible).collect()
}

/// Marks that reorder the text around them.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A table of rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// How a table is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Lines between columns.
    pub(crate) boxes: bool,
    /// Colours.
    pub(crate) color: bool,
    /// Cut to this many columns.
    pub(crate) width: Option<u16>,
    /// With the header.
    pub(crate) header: bool,
}

impl Table {
    /// A table with these column names.
    pub(crate) fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// For people.
    pub(crate) fn text(&self, style: Style) -> String {
        let mut table = comfy_table::Table::new();
        if style.boxes {
            table.load_style(presets::UTF8_BORDERS_ONLY);
        } else {
            table.load_style(presets::NOTHING);
        }
        if style.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        match style.width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            }
            None => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        table.set_truncation_indicator("…");
        if style.header && !self.header.is_empty() {
            let names = self.header.iter();
            table.set_header(
                names.map(|n| comfy_table::Cell::new(n).add_attribute(Attribute::Bold)),
            );
        }
        for cells in &self.rows {
            let mut row = Row::from(cells.iter().map(drawn).collect::<Vec<_>>());
            row.max_height(1);
            table.add_row(row);
        }
        if !style.boxes {
            for column in table.column_iter_mut() {
                column.set_padding((0, 2));
            }
        }
        let mut text = table.trim_fmt();
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }

    /// Comma-separated values (RFC 4180).
    pub(crate) fn csv(&self, header: bool) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let names = (header && !self.header.is_empty()).then(|| self.header.clone());
        let rows = self.rows.iter().map(|row| row.iter().map(|cell| cell.text.clone()).collect());
        for record in names.into_iter().chain(rows) {
            let record: Vec<String> = record;
            writer.write_record(&record).expect("rows of one table are equally long, in memory");
        }
        let bytes = writer.into_inner().expect("memory can always be written");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A table in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let escaped = |text: &str| {
            plain(text)
                .replace('\\', "\\\\")
                .replace('|', "\\|")
                .replace('<', "&lt;")
                .replace('`', "\\`")
        };
        let mut text = line(self.header.iter().map(|name| escaped(name)).collect());
        text.push_str(&line(self.header.iter().map(|_| "---".to_owned()).collect()));
        for row in &self.rows {
            text.push_str(&line(row.iter().map(|cell| escaped(&cell.text)).collect()));
        }
        text
    }
}

fn drawn(cell: &Cell) -> comfy_table::Cell {
    let drawn = comfy_table::Cell::new(plain(&cell.text));
    match cell.tone {
        None => drawn,
        Some(Tone::Bad) => drawn.fg(Color::Red).add_attribute(Attribute::Bold),
        Some(Tone::Severe) => drawn.fg(Color::Red),
        Some(Tone::Warn) => drawn.fg(Color::Yellow),
        Some(Tone::Good) => drawn.fg(Color::Green),
        Some(Tone::Dim) => drawn.fg(Color::DarkGrey),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: Style = Style { boxes: false, color: false, width: None, header: true };

    fn sample() -> Table {
        let mut table = Table::new(&["NAME", "SEVERITY"]);
        table.row(vec!["openssl|x".into(), Cell::severity(SeverityRank::High)]);
        table.row(vec!["a-package-with-a-long-name".into(), "Low".into()]);
        table
    }

    #[test]
    fn bare_tables_have_no_lines_and_no_colours() {
        let text = sample().text(BARE);
        assert_eq!(
            text,
            "NAME                        SEVERITY\nopenssl|x                   High\n\
             a-package-with-a-long-name  Low\n"
        );
    }

    #[test]
    fn narrow_terminals_cut_with_an_ellipsis() {
        let text = sample().text(Style { width: Some(24), ..BARE });
        assert!(text.contains('…'), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 24), "{text}");
    }

    #[test]
    fn colour_comes_with_the_word() {
        let text = sample().text(Style { color: true, ..BARE });
        assert!(text.contains("\u{1b}[") && text.contains("High"), "{text:?}");
    }

    #[test]
    fn hostile_names_cannot_steer_the_terminal() {
        let mut table = Table::new(&["NAME"]);
        table.row(vec!["a\u{1b}[2Jb\nc\u{202e}d".into()]);
        let text = table.text(BARE);
        assert!(!text.contains('\u{1b}') && text.lines().count() == 2, "{text:?}");
    }

    #[test]
    fn csv_quotes_and_markdown_escapes() {
        let mut table = Table::new(&["A", "B"]);
        table.row(vec!["x,\"y\"".into(), "p|q".into()]);
        assert_eq!(table.csv(true), "A,B\n\"x,\"\"y\"\"\",p|q\n");
        assert_eq!(table.markdown(), "| A | B |\n| --- | --- |\n| x,\"y\" | p\\|q |\n");
    }
}
