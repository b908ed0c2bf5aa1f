//! What the layers of one analysis may hold in memory together.
//!
//! Each layer has its own limits, but an image may have 512 of them: the sum is what fills a node.
//! What stays until the squash ends is counted against a [`Budget`]; a file body that is held only
//! while its cataloger reads it waits for its turn at a [`Gate`].

use crate::catalogers::Found;
use crate::image::layer::{FileFacts, LayerError, LayerFacts};
use crate::limits::HELD_BYTES_MAX;
use kedge_artifact::package::Package;
use kedge_artifact::problem::Problem;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an entry costs beside its text: its rows in the table, in the squash and in the list of
/// files.
const ENTRY_BYTES: usize = 224;

/// What a string costs beside its text: its pointer, length and capacity, and the allocator's own.
const STRING_BYTES: usize = 40;

/// What a package costs beside its text.
const PACKAGE_BYTES: usize = size_of::<Package>();

/// What the row of a read file costs beside what was found in it.
const FOUND_BYTES: usize = size_of::<FileFacts>();

/// Bytes that may be held, shared by all clones.
#[derive(Debug, Clone)]
pub struct Budget {
    max: u64,
    held: Arc<AtomicU64>,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(HELD_BYTES_MAX)
    }
}

impl Budget {
    /// A budget of `max` bytes of which nothing is used.
    #[must_use]
    pub fn new(max: u64) -> Self {
        Self { max, held: Arc::default() }
    }

    /// An unused budget of the same size, for another analysis.
    #[must_use]
    pub fn fresh(&self) -> Self {
        Self::new(self.max)
    }

    /// Counts bytes that stay until the analysis ends. They are estimates of memory, copies that
    /// the squash makes included.
    ///
    /// # Errors
    /// Over the budget.
    pub fn hold(&self, bytes: u64) -> Result<(), LayerError> {
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.max {
            return Err(LayerError::Limit { limit: "HELD_BYTES_MAX", max: self.max });
        }
        Ok(())
    }

    /// Counts the facts of a layer that was read earlier.
    ///
    /// # Errors
    /// As [`Budget::hold`].
    pub fn hold_facts(&self, facts: &LayerFacts) -> Result<(), LayerError> {
        let entries = facts.entries.len() * ENTRY_BYTES + 2 * facts.entries.text_bytes();
        let names: usize = facts.whiteouts.iter().chain(&facts.opaque).map(|name| text(name)).sum();
        let found: usize = facts.found.iter().map(|facts| of_found(&facts.found)).sum();
        let problems: usize = facts.problems.iter().map(of_problem).sum();
        self.hold((entries + 2 * names + found + problems) as u64)
    }
}

/// An entry whose path and link target have so many bytes. The squash and the list of files each
/// have a copy of the text at most.
pub(crate) const fn of_entry(text_bytes: usize) -> u64 {
    (ENTRY_BYTES + 2 * text_bytes) as u64
}

/// A string of so many bytes.
pub(crate) const fn of_text(bytes: usize) -> u64 {
    (STRING_BYTES + bytes) as u64
}

fn text(text: &str) -> usize {
    STRING_BYTES + text.len()
}

pub(crate) fn of_problem(problem: &Problem) -> usize {
    text(&problem.code) + text(&problem.place) + text(&problem.message)
}

/// What a cataloger found in one file.
pub(crate) fn of_found(found: &Found) -> usize {
    let packages: usize = found.packages.iter().map(of_package).sum();
    let owned = found.owned.iter().flat_map(|owned| &owned.files).map(|file| text(file));
    let licenses = found.licenses.iter().flat_map(|owned| &owned.licenses);
    // The squash works on copies of the packages.
    FOUND_BYTES + 2 * packages + owned.sum::<usize>() + licenses.map(|one| text(one)).sum::<usize>()
}

fn of_package(package: &Package) -> usize {
    let places: usize = package.locations.iter().map(|place| 64 + text(&place.path)).sum();
    let licenses: usize = package.licenses.iter().map(|license| text(license)).sum();
    let texts = [&package.name, &package.version, &package.purl].map(|one| text(one));
    let more = [&package.architecture, &package.origin].map(|one| one.as_deref().map_or(0, text));
    PACKAGE_BYTES + places + licenses + texts.iter().chain(&more).sum::<usize>()
}

/// Gives leave to hold a file body; what it returns is dropped when the body is. It may make the
/// calling thread wait, which is why it is the caller's to bring. No layer holds two bodies at a
/// time, so waiting always ends.
#[derive(Clone)]
pub struct Gate(Arc<dyn Fn(u64) -> Permit + Send + Sync>);

/// Leave to hold a body, until it is dropped.
pub type Permit = Box<dyn Any + Send>;

impl Gate {
    /// A gate by a function of the bytes that are to be held.
    #[must_use]
    pub fn new(pass: impl Fn(u64) -> Permit + Send + Sync + 'static) -> Self {
        Self(Arc::new(pass))
    }

    /// Waits for leave to hold so many bytes.
    #[must_use]
    pub fn pass(&self, bytes: u64) -> Permit {
        (self.0)(bytes)
    }
}

impl Default for Gate {
    /// Always open.
    fn default() -> Self {
        Self::new(|_| Box::new(()))
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_and_fresh_ones_do_not() {
        let budget = Budget::new(100);
        budget.hold(60).unwrap();
        let error = budget.clone().hold(41).unwrap_err();
        assert_eq!(error.to_string(), "layer goes over the limit HELD_BYTES_MAX of 100");
        budget.fresh().hold(100).unwrap();
        assert!(Budget::new(5).hold(u64::MAX).is_err());
    }
}
