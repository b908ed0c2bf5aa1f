//! What keeps one bad document from spoiling a generation.

use crate::limits::{SHRUNK_PERCENT, SHRUNK_RECORDS_MIN};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why a document cannot be all there is now, judged by the number of records it had. `forced`
/// believes everything but an empty document.
pub(crate) fn shrunk(old: u64, new: u64, forced: bool) -> Option<String> {
    if new == 0 && old > 0 {
        return Some(format!("document is empty, it had {old} records"));
    }
    let few = new.saturating_mul(100) < old.saturating_mul(SHRUNK_PERCENT);
    (!forced && old >= SHRUNK_RECORDS_MIN && few).then(|| {
        format!(
            "document shrank from {old} to {new} records, below the limit SHRUNK_PERCENT of \
             {SHRUNK_PERCENT} %"
        )
    })
}

/// Runs a parser so that a mistake in it costs one document and not the synchronisation of all.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // What the parser wrote to is thrown away after a panic, so nobody sees it half done.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("internal error: {}", text.unwrap_or("the parser stopped"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_the_documents_failure() {
        assert_eq!(guarded(|| 7), Ok(7));
        let lost: Result<(), String> = guarded(|| panic!("order {} of {}", 1, 2));
        assert_eq!(lost.unwrap_err(), "internal error: order 1 of 2");
        let lost: Result<(), String> = guarded(|| panic!("no total order"));
        assert_eq!(lost.unwrap_err(), "internal error: no total order");
    }

    #[test]
    fn only_large_documents_are_judged_by_their_share() {
        assert_eq!(shrunk(0, 0, false), None);
        assert!(shrunk(1, 0, true).is_some(), "an empty document is never believed");
        assert_eq!(shrunk(19, 1, false), None);
        assert!(shrunk(20, 9, false).unwrap().contains("from 20 to 9"));
        assert_eq!(shrunk(20, 10, false), None);
        assert_eq!(shrunk(20, 9, true), None);
        assert_eq!(shrunk(20, 2_000, false), None);
    }
}
