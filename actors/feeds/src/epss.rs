//! FIRST's exploit prediction scores.
//!
//! Format: <https://www.first.org/epss/data_stats>: CSV in gzip, a comment line with model and
//! date, a header line, then `cve,epss,percentile`. No field is ever quoted.

use crate::parse::{Item, Output, ParseError, ReadSeek};
use crate::{limits, text};
use flate2::read::MultiGzDecoder;
use kedge_artifact::advisory::Epss;
use kedge_artifact::time::Timestamp;
use std::io::{BufRead, BufReader, Read, SeekFrom};

/// Reads the table, compressed or not.
pub(crate) fn parse(input: &mut dyn ReadSeek, out: &mut Output<'_>) -> Result<(), ParseError> {
    let mut magic = [0u8; 2];
    input.read_exact(&mut magic)?;
    input.seek(SeekFrom::Start(0))?;
    if magic == [0x1f, 0x8b] {
        let mut lines = BufReader::new(MultiGzDecoder::new(BufReader::new(input)));
        table(&mut lines, out)
    } else {
        table(&mut BufReader::new(input), out)
    }
}

fn table(lines: &mut dyn BufRead, out: &mut Output<'_>) -> Result<(), ParseError> {
    let first = next_line(lines)?.unwrap_or_default();
    let date = first
        .strip_prefix('#')
        .and_then(|line| line.split(',').find_map(|part| part.strip_prefix("score_date:")))
        .and_then(|date| date.trim().replace("+0000", "Z").parse::<Timestamp>().ok())
        .ok_or_else(|| ParseError::Format("the first line has no score_date".into()))?;
    if next_line(lines)?.as_deref() != Some("cve,epss,percentile") {
        return Err(ParseError::Format("the header is not 'cve,epss,percentile'".into()));
    }
    let mut number = 2;
    while let Some(line) = next_line(lines)? {
        number += 1;
        if number > limits::EPSS_ROWS {
            return Err(ParseError::Limit { name: "EPSS_ROWS", limit: limits::EPSS_ROWS as u64 });
        }
        if line.is_empty() {
            continue;
        }
        match row(&line, date) {
            Some(item) => out.item(item),
            None => {
                out.skip("epss_row_unusable", &format!("line {number}"), "not cve,epss,percentile")
            }
        }
    }
    Ok(())
}

fn row(line: &str, date: Timestamp) -> Option<Item> {
    let mut fields = line.split(',');
    let cve = fields.next().filter(|cve| text::is_cve(cve))?.to_owned();
    let mut share = || {
        let value: f64 = fields.next()?.parse().ok()?;
        (0.0..=1.0).contains(&value).then_some(value)
    };
    let entry = Epss { score: share()?, percentile: share()?, date };
    fields.next().is_none().then_some(Item::Epss { cve, entry })
}

/// The next line without its end; an overlong one is an error, before it fills memory.
fn next_line(lines: &mut dyn BufRead) -> Result<Option<String>, ParseError> {
    let mut bytes = Vec::new();
    lines.take(limits::LINE_BYTES).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.len() as u64 == limits::LINE_BYTES && bytes.last() != Some(&b'\n') {
        return Err(ParseError::Limit { name: "LINE_BYTES", limit: limits::LINE_BYTES });
    }
    let text =
        String::from_utf8(bytes).map_err(|_| ParseError::Format("a line is not UTF-8".into()))?;
    Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
}
