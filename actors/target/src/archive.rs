//! The table of contents of a tar file: where each member's bytes are. Members are then read in
//! place; nothing is unpacked.

use crate::error::TargetError;
use crate::limits::{ARCHIVE_LINKS_MAX, ARCHIVE_MEMBERS_MAX, ARCHIVE_META_BYTES_MAX};
use crate::spec::{SpecError, TargetSpec};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

const BLOCK: u64 = 512;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    File {
        offset: u64,
        size: u64,
    },
    /// Name of the member that it leads to.
    Link(String),
}

/// A tar file with its table of contents.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    members: HashMap<String, Member>,
}

impl Archive {
    /// Reads the headers.
    pub(crate) fn open(path: &Path) -> Result<Self, TargetError> {
        let file = open_file(path)?;
        let length = file.metadata().map_err(TargetError::file(path))?.len();
        let mut scan = Scan {
            path,
            input: BufReader::new(file),
            length,
            offset: 0,
            members: HashMap::new(),
            name: None,
            link: None,
            size: None,
        };
        while scan.next()? {}
        Ok(Self { path: path.to_owned(), members: scan.members })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// Offset and size of a member, through links that stay inside.
    fn find(&self, name: &str) -> Result<(u64, u64), TargetError> {
        let mut name = inside(&self.path, name)?;
        for _ in 0..=ARCHIVE_LINKS_MAX {
            match self.members.get(&name) {
                Some(Member::File { offset, size }) => return Ok((*offset, *size)),
                Some(Member::Link(target)) => name = target.clone(),
                None => {
                    let what = format!("it has no member '{}'", shown(&name));
                    return Err(TargetError::form(&self.path, what));
                }
            }
        }
        let what = format!("the links to '{}' do not end (ARCHIVE_LINKS_MAX)", shown(&name));
        Err(TargetError::form(&self.path, what))
    }

    pub(crate) fn size(&self, name: &str) -> Result<u64, TargetError> {
        self.find(name).map(|(_, size)| size)
    }

    /// Reads a member in place.
    pub(crate) fn reader(&self, name: &str) -> Result<Take<File>, TargetError> {
        let (offset, size) = self.find(name)?;
        let mut file = open_file(&self.path)?;
        file.seek(SeekFrom::Start(offset)).map_err(TargetError::file(&self.path))?;
        Ok(file.take(size))
    }

    /// Reads a small member whole.
    pub(crate) fn bytes(
        &self,
        name: &str,
        (limit, max): (&'static str, u64),
    ) -> Result<Vec<u8>, TargetError> {
        let mut reader = self.reader(name)?;
        if reader.limit() > max {
            let path = self.path.clone();
            return Err(TargetError::Limit { path, what: "size of a document", limit, max });
        }
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(TargetError::file(&self.path))?;
        Ok(bytes)
    }
}

/// Opens a regular file; anything else could block for ever.
pub(crate) fn open_file(path: &Path) -> Result<File, TargetError> {
    let kind = std::fs::metadata(path).map_err(TargetError::file(path))?;
    if !kind.is_file() {
        return Err(TargetError::form(path, "not a regular file"));
    }
    File::open(path).map_err(TargetError::file(path))
}

/// A member's name made plain, or why it is not one.
fn inside(path: &Path, name: &str) -> Result<String, TargetError> {
    let traversal = || TargetError::Traversal { path: path.to_owned(), name: shown(name) };
    if name.starts_with('/') || name.contains('\0') {
        return Err(traversal());
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(traversal)?;
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() { Err(traversal()) } else { Ok(parts.join("/")) }
}

fn shown(name: &str) -> String {
    name.chars().take(200).flat_map(char::escape_default).collect()
}

/// The state of the header scan.
struct Scan<'a> {
    path: &'a Path,
    input: BufReader<File>,
    length: u64,
    offset: u64,
    members: HashMap<String, Member>,
    /// From extension headers, for the next entry.
    name: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

impl Scan<'_> {
    fn damaged(&self, what: &str) -> TargetError {
        TargetError::form(self.path, format!("damaged tar archive at byte {}: {what}", self.offset))
    }

    /// Takes one header; `false` at the end.
    fn next(&mut self) -> Result<bool, TargetError> {
        if self.offset >= self.length {
            return Ok(false);
        }
        let mut header = [0_u8; BLOCK as usize];
        self.input.read_exact(&mut header).map_err(|_| self.damaged("it is cut off"))?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(false);
        }
        check_sum(&header).map_err(|what| self.damaged(what))?;
        self.offset += BLOCK;
        let size = number(&header[124..136]).ok_or_else(|| self.damaged("a size is no number"))?;
        match header[156] {
            kind @ (b'L' | b'K' | b'x') => {
                let data = self.meta(size)?;
                self.extend(kind, &data);
                return Ok(true);
            }
            b'g' => return self.skip(size).map(|()| true),
            _ => {}
        }
        let size = self.size.take().unwrap_or(size);
        let name = self.name.take().unwrap_or_else(|| header_name(&header));
        let link = self.link.take().unwrap_or_else(|| text(&header[157..257]));
        self.keep(header[156], &name, &link, size)?;
        // Links have no body, whatever their size says.
        let body = if matches!(header[156], b'1' | b'2') { 0 } else { size };
        self.skip(body)?;
        Ok(true)
    }

    fn keep(&mut self, kind: u8, name: &str, link: &str, size: u64) -> Result<(), TargetError> {
        let member = match kind {
            0 | b'0' | b'7' => Member::File { offset: self.offset, size },
            b'1' => Member::Link(inside(self.path, link)?),
            // An absolute target is outside, wherever the archive is.
            b'2' if link.starts_with('/') => Member::Link(inside(self.path, link)?),
            b'2' => {
                let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                Member::Link(inside(self.path, &format!("./{folder}/{link}"))?)
            }
            _ => return Ok(()),
        };
        if self.members.len() >= ARCHIVE_MEMBERS_MAX {
            return Err(TargetError::Limit {
                path: self.path.to_owned(),
                what: "number of members",
                limit: "ARCHIVE_MEMBERS_MAX",
                max: ARCHIVE_MEMBERS_MAX as u64,
            });
        }
        // A later member of the same name replaces the earlier one, as tar does.
        self.members.insert(inside(self.path, name)?, member);
        Ok(())
    }

    fn padded(&self, size: u64) -> Result<u64, TargetError> {
        let end =
            size.checked_next_multiple_of(BLOCK).and_then(|size| self.offset.checked_add(size));
        // The padding of the last member may be missing.
        if self.offset.checked_add(size).is_none_or(|end| end > self.length) {
            return Err(self.damaged("a member is longer than the file"));
        }
        end.ok_or_else(|| self.damaged("a size is too large"))
    }

    fn skip(&mut self, size: u64) -> Result<(), TargetError> {
        let end = self.padded(size)?;
        let by =
            i64::try_from(end - self.offset).map_err(|_| self.damaged("a size is too large"))?;
        self.input.seek_relative(by).map_err(TargetError::file(self.path))?;
        self.offset = end;
        Ok(())
    }

    fn meta(&mut self, size: u64) -> Result<Vec<u8>, TargetError> {
        if size > ARCHIVE_META_BYTES_MAX {
            return Err(TargetError::Limit {
                path: self.path.to_owned(),
                what: "size of an extension header",
                limit: "ARCHIVE_META_BYTES_MAX",
                max: ARCHIVE_META_BYTES_MAX,
            });
        }
        let end = self.padded(size)?;
        let mut data = vec![0; (end - self.offset) as usize];
        self.input.read_exact(&mut data).map_err(|_| self.damaged("it is cut off"))?;
        self.offset = end;
        data.truncate(size as usize);
        Ok(data)
    }

    fn extend(&mut self, kind: u8, data: &[u8]) {
        match kind {
            b'L' => self.name = Some(text(data)),
            b'K' => self.link = Some(text(data)),
            _ => {
                for (key, value) in pax_records(data) {
                    match key {
                        "path" => self.name = Some(value.to_owned()),
                        "linkpath" => self.link = Some(value.to_owned()),
                        "size" => self.size = value.parse().ok(),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// `length key=value\n`, the length counting itself (POSIX.1-2017, "pax Extended Header").
fn pax_records(mut data: &[u8]) -> Vec<(&str, &str)> {
    let mut records = Vec::new();
    while let Some(space) = data.iter().position(|byte| *byte == b' ') {
        let length = std::str::from_utf8(&data[..space]).ok().and_then(|text| text.parse().ok());
        let Some(record) = length.and_then(|length: usize| data.get(space + 1..length)) else {
            break;
        };
        data = &data[space + 1 + record.len()..];
        let record = std::str::from_utf8(record).ok().and_then(|text| text.strip_suffix('\n'));
        records.extend(record.and_then(|text| text.split_once('=')));
    }
    records
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// `prefix/name` of a ustar header. GNU headers use the prefix field otherwise.
fn header_name(header: &[u8; 512]) -> String {
    let name = text(&header[..100]);
    let prefix = text(&header[345..500]);
    if &header[257..263] == b"ustar\0" && !prefix.is_empty() {
        format!("{prefix}/{name}")
    } else {
        name
    }
}

/// Octal text, or base 256 with the top bit set (GNU).
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let leading = field.len() - 8;
        let zeros = field[0] == 0x80 && field[1..leading].iter().all(|byte| *byte == 0);
        let bytes: [u8; 8] = field[leading..].try_into().ok()?;
        return zeros.then(|| u64::from_be_bytes(bytes));
    }
    let digits = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

fn check_sum(header: &[u8; 512]) -> Result<(), &'static str> {
    let stated = number(&header[148..156]).ok_or("a checksum is no number")?;
    // The checksum field itself counts as spaces.
    let others = header[..148].iter().chain(&header[156..]);
    let sum: u64 = others.map(|byte| u64::from(*byte)).sum::<u64>() + 8 * u64::from(b' ');
    if sum == stated { Ok(()) } else { Err("a header's checksum is wrong") }
}

/// What kind of image archive a file is.
pub(crate) fn detect(path: &Path) -> Result<TargetSpec, SpecError> {
    let fail = |what| SpecError::File { path: path.to_owned(), what };
    let mut head = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read(&mut head));
    match (read, head) {
        (Err(_), _) => return Err(fail("it cannot be read")),
        (Ok(_), [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd]) => {
            return Err(fail("it is compressed: unpack it to a plain tar first"));
        }
        (Ok(_), _) => {}
    }
    let archive = Archive::open(path)
        .map_err(|_| fail("name it with file: to look at it as a single file"))?;
    let (path, name) = (path.to_owned(), None);
    // Newer engines write both; the OCI side knows the manifest's digest.
    if archive.has("oci-layout") && archive.has("index.json") {
        Ok(TargetSpec::OciArchive { path, name })
    } else if archive.has("manifest.json") {
        Ok(TargetSpec::DockerArchive { path, name })
    } else {
        Err(fail("it has neither index.json nor manifest.json"))
    }
}

#[cfg(test)]
mod tests;
