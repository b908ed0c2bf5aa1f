//! The streaming search through one program. Bytes come once and in order; what a hit needs is
//! copied out, nothing else is kept.
//!
//! A possible start is judged only when `LOOK_AHEAD_BYTES` after it are there. The unjudged end of
//! each chunk is carried over and joined with the beginning of the next.

use super::elf::Elf;
use super::golang::{self, BuildInfo, Form, Inline};
use super::limits::{
    AUDIT_CANDIDATES_MAX, AUDIT_JSON_BYTES_MAX, AUDIT_STREAMS_MAX, AUDIT_TRIALS_MAX,
    GO_INFO_BYTES_MAX, LOOK_AHEAD_BYTES, WHOLE_FILE_BYTES_MAX,
};
use super::rust::{self, Inflated, Inflater};
use super::sections::{mach_o_audit_section, pe_audit_section};
use crate::catalogers::Found;
use crate::catalogers::octets::{FileProblems, Order, u32_at};
use memchr::memmem;
use std::ops::Range;

/// What kind of program it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Format {
    Elf(Elf),
    Pe,
    MachO,
    /// Several Mach-O programs in one file; only Go build info is looked for.
    MachOFat,
}

/// A fat Mach-O shares its magic with Java classes, where the next number is the class file
/// version, 45 or more.
const FAT_ARCHITECTURES_MAX: u32 = 30;

impl Format {
    /// Whether a program may start with these bytes.
    pub(super) fn is_magic(start: [u8; 4]) -> bool {
        let mach_o =
            matches!(start[..], [0xcf | 0xce, 0xfa, 0xed, 0xfe] | [0xfe, 0xed, 0xfa, 0xcf | 0xce]);
        &start == b"\x7fELF"
            || start.starts_with(b"MZ")
            || start == [0xca, 0xfe, 0xba, 0xbe]
            || mach_o
    }

    /// The format of a file that starts with `head`.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let start: [u8; 4] = head.get(..4)?.try_into().ok()?;
        if !Self::is_magic(start) {
            return None;
        }
        if let Some(elf) = Elf::parse(head) {
            return Some(Self::Elf(elf));
        }
        if start.starts_with(b"MZ") {
            let header = u32_at(head, 0x3c, Order::Little)? as usize;
            return head.get(header..)?.starts_with(b"PE\0\0").then_some(Self::Pe);
        }
        if start == [0xca, 0xfe, 0xba, 0xbe] {
            let count = u32_at(head, 4, Order::Big)?;
            return (count <= FAT_ARCHITECTURES_MAX).then_some(Self::MachOFat);
        }
        (start != *b"\x7fELF").then_some(Self::MachO)
    }
}

/// A range of the file that is wanted, known beforehand.
struct RangeCapture {
    range: Range<u64>,
    bytes: Vec<u8>,
}

impl RangeCapture {
    fn new(range: Range<u64>) -> Self {
        Self { range, bytes: Vec::new() }
    }

    fn offer(&mut self, base: u64, bytes: &[u8]) {
        let next = self.range.start + self.bytes.len() as u64;
        if let Some(new) = part(base, bytes, next) {
            let left = usize::try_from(self.range.end.saturating_sub(next)).unwrap_or(usize::MAX);
            self.bytes.extend_from_slice(&new[..new.len().min(left)]);
        }
    }

    fn complete(self) -> Option<Vec<u8>> {
        (self.bytes.len() as u64 == self.range.end - self.range.start).then_some(self.bytes)
    }
}

/// The bytes from file offset `next` on, when `bytes` (at offset `base`) has it.
fn part(base: u64, bytes: &[u8], next: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(next.checked_sub(base)?).ok()?..).filter(|part| !part.is_empty())
}

/// Bytes from a mark on, until they are enough.
struct Growing {
    next: u64,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Go {
    info: Option<Growing>,
    list: Option<Growing>,
    pointers: Option<Form>,
    found: Option<BuildInfo>,
    list_found: Option<String>,
    trouble: Option<&'static str>,
}

struct Audit {
    /// Whether streams are hunted for (ELF) or the section is known beforehand.
    hunting: bool,
    inflater: Inflater,
    /// Start of the stream that is being inflated, and the next byte it takes.
    active: Option<(u64, u64)>,
    /// Offset, compressed length and JSON of complete streams.
    candidates: Vec<(u64, u64, Vec<u8>)>,
    trials: usize,
    streams: usize,
    trouble: Option<&'static str>,
}

/// One program on its way through.
pub(super) struct Scan {
    format: Format,
    /// Offset of the next byte that is fed.
    position: u64,
    carry: Vec<u8>,
    whole: Option<Vec<u8>>,
    section_table: Option<RangeCapture>,
    audit_section: Option<RangeCapture>,
    go: Go,
    audit: Audit,
}

impl Scan {
    pub(super) fn new(format: Format, head: &[u8], size: u64) -> Self {
        let (section_table, audit_section) = match format {
            Format::Elf(elf) => {
                let table =
                    elf.section_table().and_then(|(at, bytes)| Some(at..at.checked_add(bytes)?));
                (table, None)
            }
            Format::Pe => (None, pe_audit_section(head)),
            Format::MachO => (None, mach_o_audit_section(head)),
            Format::MachOFat => (None, None),
        };
        let is_elf = matches!(format, Format::Elf(_));
        let keep_whole = is_elf && size <= WHOLE_FILE_BYTES_MAX && has_go_note(head);
        let fits = |range: &Range<u64>| range.end - range.start <= AUDIT_JSON_BYTES_MAX as u64;
        Self {
            format,
            position: 0,
            carry: Vec::new(),
            whole: keep_whole.then(Vec::new),
            section_table: section_table.map(RangeCapture::new),
            audit_section: audit_section.filter(fits).map(RangeCapture::new),
            go: Go::default(),
            audit: Audit {
                hunting: is_elf,
                inflater: Inflater::new(),
                active: None,
                candidates: Vec::new(),
                trials: 0,
                streams: 0,
                trouble: None,
            },
        }
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, chunk: &[u8]) {
        for capture in [&mut self.section_table, &mut self.audit_section].into_iter().flatten() {
            capture.offer(self.position, chunk);
        }
        self.keep_whole(chunk);
        self.offer(self.position, chunk);
        let carry_base = self.position - self.carry.len() as u64;
        let chunk_base = self.position;
        self.position += chunk.len() as u64;
        if chunk.len() < LOOK_AHEAD_BYTES {
            self.carry.extend_from_slice(chunk);
            if self.carry.len() >= 2 * LOOK_AHEAD_BYTES {
                let mut window = std::mem::take(&mut self.carry);
                let judged = window.len() - LOOK_AHEAD_BYTES;
                self.search(carry_base, &window, judged);
                window.drain(..judged);
                self.carry = window;
            }
            return;
        }
        let mut seam = std::mem::take(&mut self.carry);
        let judged = seam.len();
        seam.extend_from_slice(&chunk[..LOOK_AHEAD_BYTES]);
        self.search(carry_base, &seam, judged);
        // Hits of the seam go on in the chunk.
        self.offer(chunk_base, chunk);
        let judged = chunk.len() - LOOK_AHEAD_BYTES;
        self.search(chunk_base, chunk, judged);
        seam.clear();
        seam.extend_from_slice(&chunk[judged..]);
        self.carry = seam;
    }

    fn keep_whole(&mut self, chunk: &[u8]) {
        if let Some(whole) = &mut self.whole {
            whole.extend_from_slice(chunk);
            if whole.len() as u64 > WHOLE_FILE_BYTES_MAX {
                self.whole = None;
            }
        }
    }

    /// Looks for starts among the first `judged` bytes of `window`, which lies at offset `base`.
    fn search(&mut self, base: u64, window: &[u8], judged: usize) {
        if judged == 0 {
            return;
        }
        self.search_go(base, window, judged);
        if self.audit.hunting {
            self.audit.search(base, window, judged);
        }
    }

    fn search_go(&mut self, base: u64, window: &[u8], judged: usize) {
        if self.go.found.is_some() {
            return;
        }
        let within = |mark: &[u8]| &window[..window.len().min(judged + mark.len() - 1)];
        for at in memmem::find_iter(within(golang::MAGIC), golang::MAGIC) {
            let offset = base + at as u64;
            let aligned = offset.is_multiple_of(golang::ALIGN);
            if !aligned || self.go.info.is_some() || self.go.found.is_some() {
                continue;
            }
            match golang::form(&window[at..]) {
                None => {}
                Some(form @ Form::Pointers { .. }) => {
                    self.go.pointers.get_or_insert(form);
                }
                Some(Form::Inline) => {
                    self.go.info = Some(Growing { next: offset, bytes: Vec::new() });
                    self.go.offer_info(base, window);
                }
            }
        }
        if self.go.found.is_some() {
            self.whole = None;
        }
        if self.go.list.is_none() && self.go.list_found.is_none() {
            let mark = golang::LIST_START;
            if let Some(at) = memmem::find(within(mark), mark) {
                self.go.list = Some(Growing { next: base + at as u64, bytes: Vec::new() });
                self.go.offer_list(base, window);
            }
        }
    }

    /// Gives new bytes to everything that is under way.
    fn offer(&mut self, base: u64, bytes: &[u8]) {
        self.go.offer_info(base, bytes);
        self.go.offer_list(base, bytes);
        self.audit.offer(base, bytes);
        if self.go.found.is_some() {
            self.whole = None;
        }
    }

    /// The file is complete.
    pub(super) fn finish(mut self, path: &str) -> Found {
        let window = std::mem::take(&mut self.carry);
        self.search(self.position - window.len() as u64, &window, window.len());
        let mut problems = FileProblems::of(path);
        let mut found = Found::default();
        if let Some(info) = self.go_info(&mut problems) {
            found.packages.extend(golang::packages(&info, &mut problems));
        }
        if let Some(json) = self.audit_json(&mut problems) {
            found.packages.extend(rust::packages(&json, &mut problems));
        }
        found.problems = problems.finish();
        found
    }

    fn go_info(&mut self, problems: &mut FileProblems) -> Option<BuildInfo> {
        if let Some(info) = self.go.found.take() {
            return Some(info);
        }
        if self.go.info.is_some() {
            problems.degraded("go_buildinfo_malformed", "go build info: it is cut");
        } else if let Some(reason) = self.go.trouble {
            problems.degraded("go_buildinfo_malformed", format!("go build info: {reason}"));
        }
        if let (Some(form), Format::Elf(elf), Some(file)) =
            (self.go.pointers, self.format, &self.whole)
            && let Some(info) = golang::through_pointers(&elf, file, form)
        {
            return Some(info);
        }
        let list = self.go.list_found.take();
        if self.go.pointers.is_some() || list.is_some() {
            problems.degraded(
                "go_toolchain_unknown",
                "the go version stands behind pointers that were not followed: the program is \
                 over WHOLE_FILE_BYTES_MAX, has no build id, is no elf file, or is damaged",
            );
        }
        list.map(|list| BuildInfo { toolchain: String::new(), list })
    }

    fn audit_json(&mut self, problems: &mut FileProblems) -> Option<Vec<u8>> {
        if let Some(section) = self.audit_section.take() {
            let json = section.complete().ok_or("the dependency list is cut");
            return match json.and_then(|bytes| rust::inflate(&bytes)) {
                Ok(json) => Some(json),
                Err(reason) => {
                    problems.degraded("rust_audit_malformed", reason);
                    None
                }
            };
        }
        let Format::Elf(elf) = self.format else { return None };
        let table = self.section_table.take().and_then(RangeCapture::complete);
        let mut candidates = std::mem::take(&mut self.audit.candidates);
        let real = match &table {
            Some(table) => candidates
                .iter()
                .position(|(offset, length, _)| elf.has_section(table, *offset, *length)),
            // Without section headers the shape of the data has to do.
            None => (!candidates.is_empty()).then_some(0),
        };
        if let Some(index) = real {
            return Some(candidates.swap_remove(index).2);
        }
        let trouble =
            self.audit.active.map(|_| "the dependency list is cut").or(self.audit.trouble);
        if let Some(reason) = trouble {
            problems.degraded("rust_audit_malformed", reason);
        } else if !candidates.is_empty() {
            let message = "it holds a dependency list that is not a section of its own";
            problems.info("rust_audit_unconfirmed", message);
        }
        None
    }
}

impl Go {
    fn offer_info(&mut self, base: u64, bytes: &[u8]) {
        let Some(info) = &mut self.info else { return };
        let Some(new) = part(base, bytes, info.next) else { return };
        info.bytes.extend_from_slice(new);
        info.next += new.len() as u64;
        match golang::inline(&info.bytes) {
            Inline::More => {}
            Inline::Bad(reason) => {
                self.trouble = Some(reason);
                self.info = None;
            }
            Inline::Done(found) => {
                self.found = Some(found);
                self.info = None;
                self.list = None;
            }
        }
    }

    fn offer_list(&mut self, base: u64, bytes: &[u8]) {
        let Some(list) = &mut self.list else { return };
        let Some(new) = part(base, bytes, list.next) else { return };
        // The end mark may lie across two pieces.
        let from = list.bytes.len().saturating_sub(golang::LIST_END.len());
        list.bytes.extend_from_slice(new);
        list.next += new.len() as u64;
        if let Some(at) = memmem::find(&list.bytes[from..], golang::LIST_END) {
            list.bytes.truncate(from + at + golang::LIST_END.len());
            self.list_found = Some(golang::unmarked(&list.bytes)).filter(|list| !list.is_empty());
            self.list = None;
        } else if list.bytes.len() > GO_INFO_BYTES_MAX {
            self.list = None;
        }
    }
}

impl Audit {
    fn search(&mut self, base: u64, window: &[u8], judged: usize) {
        for at in memchr::memchr_iter(0x78, &window[..judged]) {
            let start = &window[at..window.len().min(at + LOOK_AHEAD_BYTES)];
            if !rust::may_start(start) || self.active.is_some() {
                continue;
            }
            self.trials += 1;
            if self.trials > AUDIT_TRIALS_MAX {
                self.hunting = false;
                return;
            }
            if !self.inflater.begins(start) {
                continue;
            }
            self.streams += 1;
            if self.streams > AUDIT_STREAMS_MAX || self.candidates.len() == AUDIT_CANDIDATES_MAX {
                self.trouble = Some("AUDIT_STREAMS_MAX or AUDIT_CANDIDATES_MAX is reached");
                self.hunting = false;
                return;
            }
            let offset = base + at as u64;
            self.active = Some((offset, offset));
            self.offer(base, window);
        }
    }

    fn offer(&mut self, base: u64, bytes: &[u8]) {
        let Some((start, next)) = self.active else { return };
        let Some(new) = part(base, bytes, next) else { return };
        match self.inflater.feed(new, AUDIT_JSON_BYTES_MAX) {
            Inflated::More => self.active = Some((start, next + new.len() as u64)),
            Inflated::Bad(reason) => {
                self.trouble = Some(reason);
                self.active = None;
            }
            Inflated::Done(length) => {
                self.candidates.push((start, length, self.inflater.take_json()));
                self.active = None;
            }
        }
    }
}

/// Whether the program carries Go's build id note (name `Go`, type 4), which Go's own linker
/// writes right behind the program headers.
fn has_go_note(head: &[u8]) -> bool {
    memmem::find_iter(head, b"Go\0\0").any(|at| {
        let words = |order| {
            let word = |back: usize| u32_at(head, at.checked_sub(back)?, order);
            (word(12), word(4)) == (Some(4), Some(4))
        };
        words(Order::Little) || words(Order::Big)
    })
}
