//! Archives of JSON records: zip, tar, and tar in gzip. The kind is told by the first bytes.
//!
//! Nothing is unpacked to disk: member names are only used to tell records from other files and
//! to say where a problem was, so a name with `../` can do no harm.

use crate::limits;
use crate::parse::{Output, ParseError, ReadSeek};
use flate2::read::MultiGzDecoder;
use std::io::{BufReader, Read, SeekFrom};

/// Length of a tar header and of its padding unit.
const TAR_BLOCK: usize = 512;

/// Calls `visit` with name and bytes of every JSON record of an archive. Folders named `index`
/// hold listings, not records (vuln.go.dev).
pub(crate) fn each_record(
    input: &mut dyn ReadSeek,
    out: &mut Output<'_>,
    visit: &mut dyn FnMut(&str, &[u8], &mut Output<'_>),
) -> Result<(), ParseError> {
    let mut start = [0u8; TAR_BLOCK];
    let length = read_up_to(input, &mut start)?;
    input.seek(SeekFrom::Start(0))?;
    let start = &start[..length];
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        return zip_records(input, out, visit);
    }
    if start.starts_with(&[0x1f, 0x8b]) {
        return tar_records(&mut MultiGzDecoder::new(BufReader::new(input)), out, visit);
    }
    if start.get(257..262) == Some(b"ustar") {
        return tar_records(&mut BufReader::new(input), out, visit);
    }
    // A single record is a collection of one.
    if start.trim_ascii_start().starts_with(b"{") {
        let bytes = crate::json::read_all(input, limits::RECORD_BYTES, "RECORD_BYTES")?;
        visit("", &bytes, out);
        return Ok(());
    }
    Err(ParseError::Archive("neither zip, tar, tar.gz nor a JSON record".into()))
}

fn is_record(name: &str) -> bool {
    let mut folders = name.split('/').rev().skip(1);
    name.ends_with(".json") && !folders.any(|folder| folder == "index")
}

fn over(name: &'static str, limit: u64) -> ParseError {
    ParseError::Limit { name, limit }
}

fn zip_records(
    input: &mut dyn ReadSeek,
    out: &mut Output<'_>,
    visit: &mut dyn FnMut(&str, &[u8], &mut Output<'_>),
) -> Result<(), ParseError> {
    let damaged = |error: zip::result::ZipError| ParseError::Archive(error.to_string());
    let mut archive = zip::ZipArchive::new(BufReader::new(input)).map_err(damaged)?;
    if archive.len() > limits::ARCHIVE_RECORDS {
        return Err(over("ARCHIVE_RECORDS", limits::ARCHIVE_RECORDS as u64));
    }
    let mut budget = limits::ARCHIVE_BYTES;
    let mut bytes = Vec::new();
    for index in 0..archive.len() {
        let member = match archive.by_index(index) {
            Ok(member) => member,
            Err(error) => {
                out.skip("archive_member_unreadable", &format!("member {index}"), error);
                continue;
            }
        };
        let name = String::from_utf8_lossy(member.name_raw()).into_owned();
        if !is_record(&name) {
            continue;
        }
        bytes.clear();
        let read = member.take(limits::RECORD_BYTES + 1).read_to_end(&mut bytes);
        budget = budget
            .checked_sub(bytes.len() as u64)
            .ok_or(over("ARCHIVE_BYTES", limits::ARCHIVE_BYTES))?;
        match read {
            Err(error) => out.skip("archive_member_unreadable", &name, error),
            Ok(_) if bytes.len() as u64 > limits::RECORD_BYTES => {
                out.skip("record_too_large", &name, "over the limit RECORD_BYTES");
            }
            Ok(_) => visit(&name, &bytes, out),
        }
    }
    Ok(())
}

/// Reads POSIX ustar and GNU archives. Long names (pax, GNU) are not needed: a member under a
/// long name is taken by its content.
fn tar_records(
    input: &mut dyn Read,
    out: &mut Output<'_>,
    visit: &mut dyn FnMut(&str, &[u8], &mut Output<'_>),
) -> Result<(), ParseError> {
    let mut input = input.take(limits::ARCHIVE_BYTES);
    let mut bytes = Vec::new();
    let mut long_name = false;
    let mut members = 0;
    while let Some(member) = tar_header(&mut input)? {
        members += 1;
        if members > limits::ARCHIVE_RECORDS {
            return Err(over("ARCHIVE_RECORDS", limits::ARCHIVE_RECORDS as u64));
        }
        bytes.clear();
        let kept = member.size.min(limits::RECORD_BYTES + 1);
        (&mut input).take(kept).read_to_end(&mut bytes)?;
        let padded = member.size.div_ceil(TAR_BLOCK as u64) * TAR_BLOCK as u64;
        skip_bytes(&mut input, padded - bytes.len() as u64)?;
        match member.kind {
            b'0' | 0 => {
                let json = long_name && bytes.trim_ascii_start().starts_with(b"{");
                long_name = false;
                if !json && !is_record(&member.name) {
                    continue;
                }
            }
            b'L' | b'x' => {
                long_name = true;
                continue;
            }
            // Folders, links and the archive's comment.
            _ => continue,
        }
        if member.size > limits::RECORD_BYTES {
            out.skip("record_too_large", &member.name, "over the limit RECORD_BYTES");
        } else {
            visit(&member.name, &bytes, out);
        }
    }
    // To the end, so that gzip's own checksum is compared.
    std::io::copy(&mut input, &mut std::io::sink())?;
    if input.limit() == 0 {
        return Err(over("ARCHIVE_BYTES", limits::ARCHIVE_BYTES));
    }
    Ok(())
}

struct Member {
    name: String,
    size: u64,
    kind: u8,
}

/// The next header; `None` at the end of the archive.
fn tar_header(input: &mut dyn Read) -> Result<Option<Member>, ParseError> {
    let mut header = [0u8; TAR_BLOCK];
    let length = read_up_to(input, &mut header)?;
    if length == 0 || header.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let broken = |what: &str| ParseError::Archive(format!("tar header with a bad {what}"));
    if length < TAR_BLOCK {
        return Err(ParseError::Archive("tar archive is cut".into()));
    }
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(index, byte)| if (148..156).contains(&index) { 32 } else { u64::from(*byte) })
        .sum();
    if octal(&header[148..156]) != Some(sum) {
        return Err(broken("checksum"));
    }
    let size = octal(&header[124..136]).ok_or_else(|| broken("size"))?;
    if size > limits::ARCHIVE_BYTES {
        return Err(over("ARCHIVE_BYTES", limits::ARCHIVE_BYTES));
    }
    let text = |field: &[u8]| {
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        String::from_utf8_lossy(&field[..end]).into_owned()
    };
    let (name, prefix) = (text(&header[..100]), text(&header[345..500]));
    let posix = header[257..263] == *b"ustar\0";
    let name = if posix && !prefix.is_empty() { format!("{prefix}/{name}") } else { name };
    Ok(Some(Member { name, size, kind: header[156] }))
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
}

fn skip_bytes(input: &mut dyn Read, count: u64) -> Result<(), ParseError> {
    if std::io::copy(&mut input.take(count), &mut std::io::sink())? < count {
        return Err(ParseError::Archive("tar archive is cut".into()));
    }
    Ok(())
}

fn read_up_to(input: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match input.read(&mut buffer[length..])? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}
