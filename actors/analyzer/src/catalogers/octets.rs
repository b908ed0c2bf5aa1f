//! Reading numbers and slices out of untrusted bytes: every access is checked and answers `None`
//! outside. Used by the binary formats (rpm databases, zip, ELF, PE, Mach-O).

use kedge_artifact::problem::Problem;

/// Byte order of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// `length` bytes at `offset`, or `None` when they are not all there.
pub(super) fn slice(bytes: &[u8], offset: u64, length: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = usize::try_from(offset.checked_add(length)?).ok()?;
    bytes.get(start..end)
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

/// The 16-bit number at `offset`.
pub(super) fn u16_at(bytes: &[u8], offset: usize, order: Order) -> Option<u16> {
    let raw = array(bytes, offset)?;
    Some(match order {
        Order::Little => u16::from_le_bytes(raw),
        Order::Big => u16::from_be_bytes(raw),
    })
}

/// The 32-bit number at `offset`.
pub(super) fn u32_at(bytes: &[u8], offset: usize, order: Order) -> Option<u32> {
    let raw = array(bytes, offset)?;
    Some(match order {
        Order::Little => u32::from_le_bytes(raw),
        Order::Big => u32::from_be_bytes(raw),
    })
}

/// The 64-bit number at `offset`.
pub(super) fn u64_at(bytes: &[u8], offset: usize, order: Order) -> Option<u64> {
    let raw = array(bytes, offset)?;
    Some(match order {
        Order::Little => u64::from_le_bytes(raw),
        Order::Big => u64::from_be_bytes(raw),
    })
}

/// Problems kept for one file; a damaged database must not drown the report. The rest is counted.
const PROBLEMS_PER_FILE_MAX: usize = 50;

/// The problems of one file, bounded.
#[derive(Debug)]
pub(super) struct FileProblems {
    place: String,
    list: Vec<Problem>,
    left_out: usize,
}

impl FileProblems {
    /// An empty list for the file at `path` (without leading slash).
    pub(super) fn of(path: &str) -> Self {
        Self { place: format!("/{path}"), list: Vec::new(), left_out: 0 }
    }

    /// Part of the file was skipped.
    pub(super) fn degraded(&mut self, code: &str, message: impl Into<String>) {
        self.push(Problem::degraded(code, self.place.as_str(), message));
    }

    /// Nothing can be relied on for this file.
    pub(super) fn error(&mut self, code: &str, message: impl Into<String>) {
        self.push(Problem::error(code, self.place.as_str(), message));
    }

    /// Worth knowing.
    pub(super) fn info(&mut self, code: &str, message: impl Into<String>) {
        self.push(Problem::info(code, self.place.as_str(), message));
    }

    /// Adds a finished problem, whose place may be a member of the file.
    pub(super) fn push(&mut self, problem: Problem) {
        if self.list.len() < PROBLEMS_PER_FILE_MAX {
            self.list.push(problem);
            return;
        }
        // A graver problem takes the place of a lesser one.
        self.left_out += 1;
        if let Some(lesser) = self.list.iter().position(|kept| kept.severity < problem.severity) {
            self.list.remove(lesser);
            self.list.push(problem);
        }
    }

    /// The list, with one more entry when some were left out.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        if self.left_out > 0 {
            let message =
                format!("{} more problems (PROBLEMS_PER_FILE_MAX is reached)", self.left_out);
            self.list.push(Problem::degraded("problems_left_out", self.place, message));
        }
        self.list
    }
}

/// `text` cut to at most `bytes_max` bytes at a character boundary.
pub(super) fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let mut end = bytes_max;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_outside_answer_none() {
        let bytes = [1u8, 2, 3];
        assert_eq!(u16_at(&bytes, 1, Order::Big), Some(0x0203));
        assert_eq!(u16_at(&bytes, 1, Order::Little), Some(0x0302));
        assert_eq!(u16_at(&bytes, 2, Order::Big), None);
        assert_eq!(u32_at(&bytes, 0, Order::Big), None);
        assert_eq!(u64_at(&bytes, usize::MAX, Order::Big), None);
        assert_eq!(slice(&bytes, u64::MAX, 2), None);
        assert_eq!(slice(&bytes, 1, 2), Some(&bytes[1..]));
    }

    #[test]
    fn problems_are_bounded_and_counted() {
        let mut problems = FileProblems::of("a");
        for _ in 0..PROBLEMS_PER_FILE_MAX + 7 {
            problems.degraded("x", "y");
        }
        let list = problems.finish();
        assert_eq!(list.len(), PROBLEMS_PER_FILE_MAX + 1);
        assert!(list.last().unwrap().message.starts_with("7 more"));
    }

    #[test]
    fn graver_problems_displace_lesser_ones() {
        let mut problems = FileProblems::of("a");
        for _ in 0..PROBLEMS_PER_FILE_MAX {
            problems.info("small", "y");
        }
        problems.error("grave", "y");
        problems.info("late", "y");
        let list = problems.finish();
        assert_eq!(list.len(), PROBLEMS_PER_FILE_MAX + 1);
        assert!(list.iter().any(|problem| problem.code == "grave"));
        assert!(list.iter().all(|problem| problem.code != "late"));
        assert!(list.last().unwrap().message.starts_with("2 more"));
    }

    #[test]
    fn cuts_at_characters() {
        assert_eq!(cut("aé".to_owned(), 2), "a");
        assert_eq!(cut("aé".to_owned(), 3), "aé");
    }
}
