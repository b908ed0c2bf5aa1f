//! The one entrance of all parsers.

use crate::source::{Format, Source};
use crate::text::Problems;
use crate::{alpine, debian, epss, kev, limits, osv};
use kedge_artifact::advisory::{Advisory, Epss, Kev};
use kedge_artifact::problem::Problem;
use std::io::{Read, Seek};

/// Input of a parser: archives need to be seekable.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// One thing that a feed says.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// An advisory with its rows.
    Advisory(Box<Advisory>),
    /// An entry of the catalogue of exploited vulnerabilities.
    Kev {
        /// CVE id.
        cve: String,
        /// The entry.
        entry: Kev,
    },
    /// The exploit prediction of a CVE.
    Epss {
        /// CVE id.
        cve: String,
        /// The scores.
        entry: Epss,
    },
}

/// What came of parsing one document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Items given to the sink.
    pub items: usize,
    /// Records that could not be used; each is a problem.
    pub skipped: usize,
    /// What was wrong or left out, bounded by [`limits::PROBLEMS`].
    pub problems: Vec<Problem>,
}

/// The document as a whole is unusable. What the sink got before is to be thrown away.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Reading failed, or the data ended early.
    #[error("document cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Not an archive of a known kind, or a damaged one.
    #[error("archive is damaged or of unknown kind: {0}")]
    Archive(String),
    /// Not the JSON that the driver expects.
    #[error("document is not the expected JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Not the text that the driver expects.
    #[error("document is not in the expected format: {0}")]
    Format(String),
    /// Over a limit.
    #[error("document is over the limit {name} of {limit}")]
    Limit {
        /// Name of the constant in `limits.rs`.
        name: &'static str,
        /// Its value.
        limit: u64,
    },
    /// Too many records cannot be read: the format has changed or the data is damaged.
    #[error("{skipped} of {total} records cannot be used, for instance: {example}")]
    TooManyBad {
        /// Records that cannot be used.
        skipped: usize,
        /// All records.
        total: usize,
        /// The first problem.
        example: String,
    },
}

/// What a parser writes to.
pub(crate) struct Output<'a> {
    pub(crate) sink: &'a mut dyn FnMut(Item),
    pub(crate) problems: Problems,
    pub(crate) items: usize,
    pub(crate) skipped: usize,
    first: String,
}

impl Output<'_> {
    /// Gives one item on.
    pub(crate) fn item(&mut self, item: Item) {
        self.items += 1;
        (self.sink)(item);
    }

    /// Gives one advisory on.
    pub(crate) fn advisory(&mut self, advisory: Advisory) {
        self.item(Item::Advisory(Box::new(advisory)));
    }

    /// A record was left out because it cannot be used.
    pub(crate) fn skip(&mut self, code: &str, place: &str, message: impl std::fmt::Display) {
        self.skipped += 1;
        if self.first.is_empty() {
            self.first = format!("{place}: {message}");
        }
        self.problems.push(Problem::degraded(code, place, message.to_string()));
    }
}

/// Reads one document of `source` and gives what it says to `sink`, in the document's order.
///
/// # Errors
/// When the document as a whole cannot be used; the caller then keeps the driver's older data.
pub fn parse(
    source: &Source,
    document: &str,
    input: &mut dyn ReadSeek,
    sink: &mut dyn FnMut(Item),
) -> Result<Report, ParseError> {
    let mut out =
        Output { sink, problems: Problems::default(), items: 0, skipped: 0, first: String::new() };
    match source.format {
        Format::Osv => osv::parse(source.name, input, &mut out)?,
        Format::Secdb => alpine::parse(source.name, document, input, &mut out)?,
        Format::DebianTracker => debian::parse(source.name, input, &mut out)?,
        Format::Kev => kev::parse(input, &mut out)?,
        Format::Epss => epss::parse(input, &mut out)?,
    }
    let total = out.items + out.skipped;
    if out.skipped * 100 > total * limits::BAD_RECORDS_PERCENT {
        return Err(ParseError::TooManyBad {
            skipped: out.skipped,
            total,
            example: crate::text::line(&out.first, 300),
        });
    }
    Ok(Report { items: out.items, skipped: out.skipped, problems: out.problems.finish() })
}
