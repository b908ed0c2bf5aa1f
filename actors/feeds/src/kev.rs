//! CISA's catalogue of known exploited vulnerabilities.
//!
//! Format: <https://www.cisa.gov/known-exploited-vulnerabilities-catalog>, JSON.

use crate::json::{self, null_default};
use crate::parse::{Item, Output, ParseError, ReadSeek};
use crate::{limits, text};
use kedge_artifact::advisory::Kev;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Catalogue<'a> {
    #[serde(borrow)]
    vulnerabilities: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "cveID")]
    cve: String,
    date_added: String,
    #[serde(default, deserialize_with = "null_default")]
    due_date: String,
    #[serde(default, deserialize_with = "null_default")]
    required_action: String,
    #[serde(default, deserialize_with = "null_default")]
    known_ransomware_campaign_use: String,
}

/// Reads the catalogue.
pub(crate) fn parse(input: &mut dyn ReadSeek, out: &mut Output<'_>) -> Result<(), ParseError> {
    let bytes = json::read_all(input, limits::SMALL_DOCUMENT_BYTES, "SMALL_DOCUMENT_BYTES")?;
    let catalogue: Catalogue<'_> = serde_json::from_slice(&bytes)?;
    if catalogue.vulnerabilities.len() > limits::KEV_ENTRIES {
        return Err(ParseError::Limit { name: "KEV_ENTRIES", limit: limits::KEV_ENTRIES as u64 });
    }
    for (index, raw) in catalogue.vulnerabilities.iter().enumerate() {
        let place = format!("entry {index}");
        match entry(raw) {
            Ok((cve, entry)) => out.item(Item::Kev { cve, entry }),
            Err(message) => out.skip("kev_entry_unusable", &place, message),
        }
    }
    Ok(())
}

fn entry(raw: &RawValue) -> Result<(String, Kev), String> {
    let entry: Entry = json::part(raw).map_err(|error| error.to_string())?;
    if !text::is_cve(&entry.cve) {
        return Err("cveID is not a CVE id".into());
    }
    let kev = Kev {
        added: entry.date_added.parse().map_err(|error| format!("dateAdded: {error}"))?,
        due: entry.due_date.parse().ok(),
        ransomware: entry.known_ransomware_campaign_use.eq_ignore_ascii_case("known"),
        action: text::line(&entry.required_action, limits::SUMMARY_CHARS),
    };
    Ok((entry.cve, kev))
}
