//! A directory tree, or one file, seen as a single layer.
//!
//! Links are recorded and never followed, so nothing outside the tree is read. File systems that
//! the kernel makes up are left out at the root of a running system.

use crate::error::TargetError;
use crate::limits::DIRECTORY_DEPTH_MAX;
use crate::source::{Cancel, Image, ImageSource, LayerInput, LayerSource};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kedge_analyzer::image::collect::{Collector, NewEntry};
use kedge_analyzer::image::decode::Encoding;
use kedge_analyzer::image::layer::{LayerError, LayerFacts, Limits};
use kedge_analyzer::limits::CHUNK_BYTES;
use kedge_artifact::image::{FileKind, Platform};
use kedge_artifact::problem::Problem;
use kedge_artifact::sbom::TargetKind;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Made up by the kernel; reading them has no end and no meaning.
const NOT_FILES: [&str; 3] = ["/proc", "/sys", "/dev"];

/// A directory tree or a single file.
pub struct DirectorySource {
    path: PathBuf,
}

impl DirectorySource {
    /// Names a directory, or one file; nothing is read yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl ImageSource for DirectorySource {
    fn image<'a>(
        &'a self,
        _platform: Option<&'a Platform>,
    ) -> BoxFuture<'a, Result<Image, TargetError>> {
        let found = std::fs::metadata(&self.path).map_err(TargetError::file(&self.path));
        let image = found.map(|_| Image {
            kind: TargetKind::Directory,
            manifest: None,
            index: None,
            config: None,
            image_config: None,
            platform: None,
            layers: vec![LayerSource {
                place: self.path.display().to_string(),
                blob: None,
                size: 0,
                encoding: Encoding::Plain,
                diff_id: None,
            }],
            notes: Vec::new(),
        });
        async { image }.boxed()
    }

    fn open_layer<'a>(
        &'a self,
        _layer: &'a LayerSource,
    ) -> BoxFuture<'a, Result<LayerInput, TargetError>> {
        let path = self.path.clone();
        let walk = move |cancel: &Cancel, limits: &Limits| walk(&path, cancel, limits);
        async { Ok(LayerInput::Walk(Box::new(walk))) }.boxed()
    }
}

struct Walker<'a> {
    root: &'a Path,
    cancel: &'a Cancel,
    collector: Collector,
    buffer: Vec<u8>,
}

fn walk(root: &Path, cancel: &Cancel, limits: &Limits) -> Result<LayerFacts, TargetError> {
    let found = std::fs::metadata(root).map_err(TargetError::file(root))?;
    let mut walker = Walker {
        root: if found.is_dir() { root } else { root.parent().unwrap_or(root) },
        cancel,
        collector: Collector::new(limits),
        buffer: vec![0; CHUNK_BYTES],
    };
    if found.is_dir() {
        walker.tree()?;
    } else {
        // A single file may be named through a link; what it leads to is meant.
        walker.entry(root, &found)?;
    }
    let over = |error| TargetError::layer(0, &root.display().to_string(), error);
    walker.collector.check().map_err(over)?;
    Ok(walker.collector.finish())
}

impl Walker<'_> {
    /// All directories, in sorted order so that a cut-off at a limit is always the same.
    fn tree(&mut self) -> Result<(), TargetError> {
        let mut open = vec![(self.root.to_owned(), 0)];
        while let Some((directory, depth)) = open.pop() {
            let mut children = match self.children(&directory) {
                Ok(children) => children,
                Err(error) if depth == 0 => return Err(TargetError::file(&directory)(error)),
                Err(error) => {
                    self.unreadable(&directory, &error);
                    continue;
                }
            };
            children.sort();
            for child in children {
                if NOT_FILES.iter().any(|made_up| child == Path::new(made_up)) {
                    continue;
                }
                let is_directory = self.child(&child)?;
                if is_directory && depth >= DIRECTORY_DEPTH_MAX {
                    let what = format!("deeper than {DIRECTORY_DEPTH_MAX} (DIRECTORY_DEPTH_MAX)");
                    let place = self.shown(&child);
                    self.collector.problem(Problem::degraded("directory_skipped", place, what));
                } else if is_directory {
                    open.push((child, depth + 1));
                }
            }
        }
        Ok(())
    }

    fn children(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        std::fs::read_dir(directory)?.map(|child| child.map(|child| child.path())).collect()
    }

    /// Takes one child; whether it is a directory.
    fn child(&mut self, path: &Path) -> Result<bool, TargetError> {
        if self.cancel.is_set() {
            return Err(TargetError::Cancelled);
        }
        match std::fs::symlink_metadata(path) {
            Ok(found) => {
                self.entry(path, &found)?;
                Ok(found.is_dir())
            }
            Err(error) => {
                self.unreadable(path, &error);
                Ok(false)
            }
        }
    }

    fn entry(&mut self, path: &Path, found: &Metadata) -> Result<(), TargetError> {
        let inside = path.strip_prefix(self.root).unwrap_or(path);
        let link = if found.is_symlink() {
            std::fs::read_link(path).unwrap_or_default()
        } else {
            PathBuf::new()
        };
        let wanted = self.collector.entry(&NewEntry {
            path: inside.as_os_str().as_bytes(),
            link: link.as_os_str().as_bytes(),
            kind: kind(found),
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
            size: found.len(),
            sparse: false,
        });
        let fail = |source: LayerError| TargetError::layer(0, &path.display().to_string(), source);
        if wanted.map_err(fail)? {
            match self.body(path, found) {
                Ok(()) => self.collector.end_body(),
                Err(_) if self.cancel.is_set() => return Err(TargetError::Cancelled),
                Err(error) => self.collector.abandon_body(&error.to_string()),
            }
        }
        Ok(())
    }

    fn body(&mut self, path: &Path, found: &Metadata) -> io::Result<()> {
        let file = File::open(path)?;
        let opened = file.metadata()?;
        // Somebody may have put a link in the file's place since it was looked at.
        if (opened.dev(), opened.ino()) != (found.dev(), found.ino()) {
            return Err(io::Error::other("the file changed while it was read"));
        }
        let mut left = file.take(found.len());
        loop {
            if self.cancel.is_set() {
                return Err(io::Error::other("cancelled"));
            }
            match left.read(&mut self.buffer)? {
                0 if left.limit() > 0 => {
                    return Err(io::Error::other("the file became shorter while it was read"));
                }
                0 => return Ok(()),
                count => self.collector.body(&self.buffer[..count]),
            }
        }
    }

    fn shown(&self, path: &Path) -> String {
        let inside = path.strip_prefix(self.root).unwrap_or(path);
        format!("/{}", inside.display()).escape_debug().collect()
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let place = self.shown(path);
        self.collector.problem(Problem::degraded("file_not_read", place, error.to_string()));
    }
}

fn kind(found: &Metadata) -> FileKind {
    let kind = found.file_type();
    if kind.is_file() {
        FileKind::File
    } else if kind.is_dir() {
        FileKind::Directory
    } else if kind.is_symlink() {
        FileKind::Symlink
    } else {
        FileKind::Special
    }
}
