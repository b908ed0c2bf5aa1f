//! Executables: Go build info and cargo-auditable dependency lists, found while the bytes stream
//! by. The layer walk feeds the body of every file that [`wants`] names; a file whose first bytes
//! are not those of an ELF, PE or Mach-O program is dropped at once.
//!
//! What makes this cheap: no file is kept whole. Go build info starts with a mark at an aligned
//! offset and carries its strings behind it (Go 1.18 and later). A dependency list is a zlib
//! stream whose inflated text has a fixed beginning, so every possible start of one is tried with
//! a few bytes; the ELF section table, which comes last in the file, then confirms which one is
//! the `.dep-v0` section. Only Go programs that may be older than 1.18 are kept, up to
//! `WHOLE_FILE_BYTES_MAX`, because their build info points to other parts of the file.

mod elf;
mod golang;
mod limits;
mod rust;
mod scan;
mod sections;
#[cfg(test)]
mod tests;

use self::limits::{FILE_BYTES_MIN, HEAD_BYTES};
use self::scan::{Format, Scan};
use super::Found;

/// Raised when the output for the same input changes.
pub const VERSION: u32 = 2;

/// Whether a file may be a program: it is executable or has the name of a library, and is not
/// tiny. Decided from the tar header alone.
#[must_use]
pub fn wants(path: &str, mode: u32, size: u64) -> bool {
    if size < FILE_BYTES_MIN {
        return false;
    }
    if mode & 0o111 != 0 {
        return true;
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["so", "exe", "dll", "dylib", "node", "pyd"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
        || name.contains(".so.")
}

/// Reads one executable as it streams by.
pub struct BinaryScanner {
    path: String,
    size: u64,
    state: State,
}

enum State {
    /// The first bytes, until the headers are complete.
    Head(Vec<u8>),
    /// A program.
    Program(Box<Scan>),
    /// Something else; nothing more is looked at.
    Dropped,
}

impl BinaryScanner {
    /// A scanner for the file at `path` (without leading slash) of `size` bytes.
    #[must_use]
    pub fn new(path: &str, size: u64) -> Self {
        Self { path: path.to_owned(), size, state: State::Head(Vec::new()) }
    }

    /// Takes the next bytes of the file.
    pub fn feed(&mut self, chunk: &[u8]) {
        match &mut self.state {
            State::Dropped => {}
            State::Program(scan) => scan.feed(chunk),
            State::Head(head) => {
                let (first, rest) = chunk.split_at(chunk.len().min(HEAD_BYTES - head.len()));
                let start: [u8; 4] = std::array::from_fn(|index| {
                    let fed = head.iter().chain(first);
                    fed.copied().nth(index).unwrap_or(0)
                });
                if head.len() + first.len() >= start.len() && !Format::is_magic(start) {
                    self.state = State::Dropped;
                    return;
                }
                head.extend_from_slice(first);
                if head.len() == HEAD_BYTES {
                    let head = std::mem::take(head);
                    self.begin(&head);
                    self.feed(rest);
                }
            }
        }
    }

    fn begin(&mut self, head: &[u8]) {
        self.state = match Format::of(head) {
            Some(format) => {
                let mut scan = Box::new(Scan::new(format, head, self.size));
                scan.feed(head);
                State::Program(scan)
            }
            None => State::Dropped,
        };
    }

    /// The file is complete: what was in it.
    #[must_use]
    pub fn finish(mut self) -> Found {
        if let State::Head(head) = &mut self.state {
            let head = std::mem::take(head);
            self.begin(&head);
        }
        match self.state {
            State::Program(scan) => scan.finish(&self.path),
            State::Head(_) | State::Dropped => Found::default(),
        }
    }
}
