//! From entries to facts: names made plain, whiteouts set apart, wanted bodies handed to the
//! catalogers. Fed by the tar reader, or by whoever walks a directory tree.

use crate::catalogers::{self, Captured, Found, OwnedFiles, Selected, binary::BinaryScanner};
use crate::image::budget::{self, Budget, Gate, Permit};
use crate::image::entries::{Entry, EntryTable};
use crate::image::layer::{FileFacts, LayerError, LayerFacts, Limits};
use crate::image::links;
use crate::limits::{
    FILE_HASH_BYTES_MAX, PACKAGES_PER_LAYER_MAX, PATH_BYTES_MAX, PATH_BYTES_TOTAL_MAX, PROBLEMS_MAX,
};
use kedge_artifact::digest::Digest;
use kedge_artifact::image::FileKind;
use kedge_artifact::package::PackageKind;
use kedge_artifact::problem::Problem;
use std::collections::HashMap;

/// An entry as its source gives it.
#[derive(Debug, Clone, Copy)]
pub struct NewEntry<'a> {
    /// Path, absolute or relative, in whatever form.
    pub path: &'a [u8],
    /// Link target; looked at for links only.
    pub link: &'a [u8],
    /// What it is.
    pub kind: FileKind,
    /// Mode; only the permission bits are kept.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of content.
    pub size: u64,
    /// The body is a map of pieces and not the content; it is never read.
    pub sparse: bool,
}

/// What becomes of the body that is coming in.
enum Sink {
    None,
    Whole { row: u32, cataloger: &'static catalogers::Cataloger, bytes: Vec<u8>, _leave: Permit },
    Binary { row: u32, scanner: Box<BinaryScanner> },
}

/// Gathers the facts of one layer.
pub struct Collector {
    entries: EntryTable,
    whiteouts: Vec<String>,
    opaque: Vec<String>,
    found: Vec<FileFacts>,
    problems: Vec<Problem>,
    problems_dropped: usize,
    packages: usize,
    seen: u64,
    /// Bytes of entries' and whiteouts' text.
    text_bytes: usize,
    text_bytes_max: usize,
    entries_max: u64,
    held: Budget,
    bodies: Gate,
    /// The budget ran out where no error could be returned.
    over: Option<LayerError>,
    sink: Sink,
}

/// Capture buffers start no larger than this, whatever size a header claims.
const CAPTURE_START_BYTES: u64 = 1 << 20;

impl Collector {
    /// Starts a layer.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            entries: EntryTable::default(),
            whiteouts: Vec::new(),
            opaque: Vec::new(),
            found: Vec::new(),
            problems: Vec::new(),
            problems_dropped: 0,
            packages: 0,
            seen: 0,
            text_bytes: 0,
            // Offsets into the text are 32 bits wide.
            text_bytes_max: limits.path_bytes_max.min(PATH_BYTES_TOTAL_MAX),
            entries_max: limits.entries_max,
            held: limits.held.clone(),
            bodies: limits.bodies.clone(),
            over: None,
            sink: Sink::None,
        }
    }

    /// Takes an entry and says whether its body is wanted; if so, [`Collector::body`] and
    /// [`Collector::end_body`] must follow before the next entry.
    ///
    /// # Errors
    /// Over a limit of the layer as a whole.
    pub fn entry(&mut self, new: &NewEntry<'_>) -> Result<bool, LayerError> {
        self.sink = Sink::None;
        self.check()?;
        self.seen += 1;
        if self.seen > self.entries_max {
            return Err(LayerError::Limit { limit: "ENTRIES_MAX", max: self.entries_max });
        }
        let path = match links::plain_path(new.path) {
            Ok(path) => path,
            Err(what) => {
                self.problem(Problem::degraded("entry_skipped", shown(new.path), what));
                return Ok(false);
            }
        };
        if links::leaves_root(new.path) {
            let what = "path leads out of the root and was taken as inside it";
            self.problem(Problem::info("entry_outside_root", shown(new.path), what));
        }
        if self.whiteout(&path)? {
            return Ok(false);
        }
        let link = match self.link_text(new, &path) {
            Some(link) => link,
            None => return Ok(false),
        };
        self.count_text(path.len() + link.len())?;
        self.held.hold(budget::of_entry(path.len() + link.len()))?;
        let row = self.entries.push(&Entry {
            path: &path,
            link: &link,
            kind: new.kind,
            mode: new.mode,
            uid: new.uid,
            gid: new.gid,
            size: if new.kind == FileKind::File { new.size } else { 0 },
        });
        Ok(new.kind == FileKind::File && self.select(row, &path, new))
    }

    fn link_text(&mut self, new: &NewEntry<'_>, path: &str) -> Option<String> {
        let text = match new.kind {
            FileKind::Hardlink => links::plain_path(new.link).map(|path| path.into_owned()),
            FileKind::Symlink if new.link.len() > PATH_BYTES_MAX => {
                Err("link target is longer than PATH_BYTES_MAX")
            }
            FileKind::Symlink => Ok(links::escaped(new.link).into_owned()),
            FileKind::File | FileKind::Directory | FileKind::Special => Ok(String::new()),
        };
        match text {
            Ok(text) => Some(text),
            Err(what) => {
                self.problem(Problem::degraded("entry_skipped", format!("/{path}"), what));
                None
            }
        }
    }

    /// Text of entries and of whiteouts has one limit: a layer may consist of either.
    fn count_text(&mut self, bytes: usize) -> Result<(), LayerError> {
        self.text_bytes += bytes;
        if self.text_bytes > self.text_bytes_max {
            let max = self.text_bytes_max as u64;
            return Err(LayerError::Limit { limit: "PATH_BYTES_TOTAL_MAX", max });
        }
        Ok(())
    }

    /// Whether a body that was taken in between went over the budget of the analysis.
    ///
    /// # Errors
    /// It did.
    pub fn check(&mut self) -> Result<(), LayerError> {
        self.over.take().map_or(Ok(()), Err)
    }

    /// Whiteouts of the OCI image-spec ("Whiteouts", "Opaque Whiteout"). Other `.wh..wh.` names
    /// are bookkeeping of aufs.
    fn whiteout(&mut self, path: &str) -> Result<bool, LayerError> {
        let (directory, name) = links::split(path);
        let Some(hidden) = name.strip_prefix(".wh.") else { return Ok(false) };
        if hidden == ".wh..opq" {
            self.count_whiteout(directory.len())?;
            self.opaque.push(directory.to_owned());
        } else if hidden.is_empty() || matches!(hidden, "." | "..") {
            let what = "whiteout names nothing";
            self.problem(Problem::degraded("entry_skipped", format!("/{path}"), what));
        } else if !hidden.starts_with(".wh.") {
            self.count_whiteout(path.len())?;
            self.whiteouts.push(match directory {
                "" => hidden.to_owned(),
                // Not `format!`, which reserves up to twice the bytes.
                directory => [directory, "/", hidden].concat(),
            });
        }
        Ok(true)
    }

    fn count_whiteout(&mut self, bytes: usize) -> Result<(), LayerError> {
        self.count_text(bytes)?;
        // The squash has a copy.
        self.held.hold(2 * budget::of_text(bytes))
    }

    fn select(&mut self, row: u32, path: &str, new: &NewEntry<'_>) -> bool {
        let Some(selected) = catalogers::select(path, new.mode, new.size) else { return false };
        if new.sparse {
            let what = "sparse file was not read";
            self.problem(Problem::degraded("file_not_read", format!("/{path}"), what));
            return false;
        }
        match selected {
            Selected::Whole { cataloger, bytes_max } if new.size <= bytes_max => {
                let bytes = Vec::with_capacity(new.size.min(CAPTURE_START_BYTES) as usize);
                // A cataloger needs about as much again for what it makes of the body.
                let leave = self.bodies.pass(new.size.saturating_mul(2));
                self.sink = Sink::Whole { row, cataloger, bytes, _leave: leave };
                true
            }
            Selected::Whole { cataloger, bytes_max } => {
                let what = format!(
                    "{} bytes, the {} cataloger reads at most {bytes_max}",
                    new.size, cataloger.name
                );
                self.problem(Problem::degraded("file_too_large", format!("/{path}"), what));
                false
            }
            Selected::Binary => {
                let scanner = Box::new(BinaryScanner::new(path, new.size));
                self.sink = Sink::Binary { row, scanner };
                true
            }
        }
    }

    /// Takes the next bytes of the wanted body.
    pub fn body(&mut self, chunk: &[u8]) {
        match &mut self.sink {
            Sink::None => {}
            Sink::Whole { bytes, .. } => bytes.extend_from_slice(chunk),
            Sink::Binary { scanner, .. } => scanner.feed(chunk),
        }
    }

    /// The wanted body is complete: the cataloger reads it now.
    pub fn end_body(&mut self) {
        match std::mem::replace(&mut self.sink, Sink::None) {
            Sink::None => {}
            Sink::Whole { row, cataloger, bytes, _leave } => {
                let path = self.entries.get(row).path;
                let found = (cataloger.catalog)(Captured { path, bytes: &bytes });
                let small = bytes.len() <= FILE_HASH_BYTES_MAX;
                self.keep(row, small.then(|| Digest::of(&bytes)), found);
            }
            Sink::Binary { row, scanner } => {
                let found = scanner.finish();
                self.keep(row, None, found);
            }
        }
    }

    /// Gives the wanted body up, for instance because the file became unreadable half way; what
    /// came in so far is dropped and the file is named in the problems.
    pub fn abandon_body(&mut self, what: &str) {
        let row = match &self.sink {
            Sink::None => return,
            Sink::Whole { row, .. } | Sink::Binary { row, .. } => *row,
        };
        let place = format!("/{}", self.entries.get(row).path);
        self.problem(Problem::degraded("file_not_read", place, what));
        self.sink = Sink::None;
    }

    fn keep(&mut self, row: u32, sha256: Option<Digest>, mut found: Found) {
        for problem in std::mem::take(&mut found.problems) {
            self.problem(problem);
        }
        self.packages += found.packages.len();
        if self.packages > PACKAGES_PER_LAYER_MAX {
            let place = format!("/{}", self.entries.get(row).path);
            let what = format!(
                "layer has more than {PACKAGES_PER_LAYER_MAX} packages (PACKAGES_PER_LAYER_MAX)"
            );
            self.problem(Problem::degraded("packages_dropped", place, what));
            self.packages -= found.packages.len();
            found.packages.clear();
        }
        if found != Found::default() || sha256.is_some() {
            if let Err(error) = self.held.hold(budget::of_found(&found) as u64) {
                self.over = Some(error);
                return;
            }
            self.found.push(FileFacts { row, sha256, found });
        }
    }

    /// Notes a problem of this layer.
    pub fn problem(&mut self, problem: Problem) {
        if self.problems.len() >= PROBLEMS_MAX {
            self.problems_dropped += 1;
        } else if let Err(error) = self.held.hold(budget::of_problem(&problem) as u64) {
            self.over = Some(error);
        } else {
            self.problems.push(problem);
        }
    }

    /// Ends the layer. Digests and sizes of the result are the caller's to fill in.
    #[must_use]
    pub fn finish(mut self) -> LayerFacts {
        if self.problems_dropped > 0 {
            let what = format!("{} more problems than PROBLEMS_MAX", self.problems_dropped);
            self.problems.push(Problem::degraded("problems_dropped", "", what));
        }
        self.problems.sort();
        self.problems.dedup();
        let moved = self.entries.sort();
        let now = |row: u32| moved.get(row as usize).copied().flatten();
        self.found.retain_mut(|facts| match now(facts.row) {
            Some(row) => {
                facts.row = row;
                true
            }
            None => false,
        });
        self.found.sort_by_key(|facts| facts.row);
        drop_repeated_lists(&mut self.found, &self.entries);
        for list in [&mut self.whiteouts, &mut self.opaque] {
            list.sort();
            list.dedup();
        }
        LayerFacts {
            diff_id: None,
            blob: None,
            blob_size: 0,
            tar_size: 0,
            entries: self.entries,
            whiteouts: self.whiteouts,
            opaque: self.opaque,
            found: self.found,
            problems: self.problems,
            catalogers: catalogers::version(),
        }
    }
}

/// Debian keeps most file lists twice (`.list`, `.md5sums`); one per package and directory is
/// enough. The longer one stays.
fn drop_repeated_lists(found: &mut [FileFacts], entries: &EntryTable) {
    type Key<'a> = (&'a str, String, String);
    let key = |row: u32, owned: &OwnedFiles| -> Key<'_> {
        let (directory, _) = links::split(entries.get(row).path);
        (directory, owned.name.clone(), owned.architecture.clone())
    };
    let mut longest: HashMap<Key<'_>, usize> = HashMap::new();
    let debian = |owned: &&OwnedFiles| owned.kind == PackageKind::Deb;
    for facts in found.iter() {
        for owned in facts.found.owned.iter().filter(debian) {
            let longest = longest.entry(key(facts.row, owned)).or_default();
            *longest = owned.files.len().max(*longest);
        }
    }
    for facts in found {
        let row = facts.row;
        facts.found.owned.retain(|owned| {
            if owned.kind != PackageKind::Deb {
                return true;
            }
            // The first list of the full length takes the place; the rest find a higher number.
            match longest.get_mut(&key(row, owned)) {
                Some(files) if *files == owned.files.len() => {
                    *files = usize::MAX;
                    true
                }
                _ => false,
            }
        });
    }
}

fn shown(path: &[u8]) -> String {
    let cut = &path[..path.len().min(200)];
    links::escaped(cut).into_owned()
}
