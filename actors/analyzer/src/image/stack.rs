//! The stack of layers as the container sees it: which entry of which layer is visible at each
//! path. Rules: OCI image-spec, `layer.md` ("Applying Changesets", "Whiteouts").

use crate::catalogers;
use crate::image::entries::Entry;
use crate::image::layer::{FileFacts, LayerFacts};
use crate::image::links::{self, Symlinks, split};
use crate::limits::LINK_HOPS_MAX;
use kedge_artifact::image::FileKind;
use kedge_artifact::problem::Problem;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Layer and row of an entry.
pub(crate) type Place = (u16, u32);

/// One path of the squashed image.
#[derive(Debug, Clone)]
pub(crate) struct Visible<'a> {
    /// Where the entry ends up, links in its directory part resolved.
    pub(crate) path: Cow<'a, str>,
    /// Which entry it is.
    pub(crate) place: Place,
}

/// See the module.
pub(crate) struct Stack<'a> {
    layers: &'a [Arc<LayerFacts>],
    visible: Vec<Visible<'a>>,
    links: Symlinks<'a>,
    facts: HashMap<Place, &'a FileFacts>,
    /// Hard links to the entry whose content they share.
    aliases: HashMap<Place, Place>,
    problems: Vec<Problem>,
}

impl<'a> Stack<'a> {
    /// Applies the layers one over the other, lowest first.
    pub(crate) fn build(layers: &'a [Arc<LayerFacts>]) -> Self {
        let mut stack = Self {
            layers,
            visible: Vec::new(),
            links: Symlinks::new(),
            facts: HashMap::new(),
            aliases: HashMap::new(),
            problems: Vec::new(),
        };
        for (index, layer) in layers.iter().enumerate() {
            let index = u16::try_from(index).expect("bounded by LAYERS_MAX");
            for facts in &layer.found {
                stack.facts.insert((index, facts.row), facts);
            }
            stack.apply(index, layer);
        }
        stack
    }

    /// Visible entries in path order.
    pub(crate) fn visible(&self) -> &[Visible<'a>] {
        &self.visible
    }

    /// What was wrong with links.
    pub(crate) fn take_problems(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.problems)
    }

    /// The visible entry at exactly this path.
    pub(crate) fn find(&self, path: &str) -> Option<&Visible<'a>> {
        find(&self.visible, path)
    }

    /// The visible entry that opening `path` gives.
    pub(crate) fn open(&self, path: &str) -> Option<&Visible<'a>> {
        self.find(&links::resolve(path, &self.links)?)
    }

    /// Where a path leads, links in its directory part followed.
    pub(crate) fn resolve_parent<'p>(&self, path: &'p str) -> Option<Cow<'p, str>> {
        links::resolve_parent(path, &self.links)
    }

    /// The entry at a place.
    pub(crate) fn entry(&self, place: Place) -> Entry<'a> {
        self.layers[place.0 as usize].entries.get(place.1)
    }

    /// What was found in the content at a place, hard links followed.
    pub(crate) fn facts(&self, place: Place) -> Option<&'a FileFacts> {
        let place = self.aliases.get(&place).copied().unwrap_or(place);
        self.facts.get(&place).copied()
    }

    fn apply(&mut self, index: u16, layer: &'a LayerFacts) {
        let mut hidden = Hidden::default();
        for path in &layer.whiteouts {
            if let Some(path) = links::resolve_parent(path, &self.links) {
                hidden.paths.insert(path.into_owned());
            }
        }
        for path in &layer.opaque {
            if let Some(path) = links::resolve(path, &self.links) {
                hidden.below.insert(path.into_owned());
            }
        }
        self.overlay_links(layer, &hidden);
        let upper = self.placed(index, layer);
        let lower = std::mem::take(&mut self.visible);
        self.visible = merge(lower, upper, &mut hidden, self.layers);
        self.links = self
            .visible
            .iter()
            .filter_map(|visible| {
                let entry = self.entry(visible.place);
                (entry.kind == FileKind::Symlink).then(|| (visible.path.clone(), entry.link))
            })
            .collect();
        self.alias_hard_links(index, layer);
    }

    /// The links that are in force while this layer is unpacked.
    fn overlay_links(&mut self, layer: &'a LayerFacts, hidden: &Hidden) {
        self.links.retain(|path, _| !hidden.paths.contains(path.as_ref()));
        for entry in layer.entries.iter() {
            if entry.kind == FileKind::Symlink {
                self.links.insert(Cow::Borrowed(entry.path), entry.link);
            } else if !self.links.is_empty() {
                self.links.remove(entry.path);
            }
        }
    }

    /// The layer's entries where they end up, sorted, one per path.
    fn placed(&mut self, index: u16, layer: &'a LayerFacts) -> Vec<Visible<'a>> {
        let mut out: Vec<Visible<'a>> = Vec::with_capacity(layer.entries.len());
        let mut moved = false;
        let mut unmoved_parent: Option<&str> = None;
        for (row, entry) in layer.entries.iter().enumerate() {
            let place = (index, row as u32);
            let (parent, _) = split(entry.path);
            if unmoved_parent == Some(parent) {
                out.push(Visible { path: Cow::Borrowed(entry.path), place });
                continue;
            }
            match links::resolve_parent(entry.path, &self.links) {
                Some(Cow::Borrowed(path)) => {
                    unmoved_parent = Some(parent);
                    out.push(Visible { path: Cow::Borrowed(path), place });
                }
                Some(Cow::Owned(path)) => {
                    moved = true;
                    self.check_moved(&entry, &path);
                    out.push(Visible { path: Cow::Owned(path), place });
                }
                None => self.problems.push(Problem::degraded(
                    "link_cycle",
                    format!("/{}", entry.path),
                    format!("more than {LINK_HOPS_MAX} symbolic links (LINK_HOPS_MAX) on the way"),
                )),
            }
        }
        if moved {
            out.sort_by(|a, b| a.path.cmp(&b.path));
            // What was written through a link wins over what stood there: it came by another name.
            out.dedup_by(|next, kept| {
                let same = next.path == kept.path;
                if same && matches!(next.path, Cow::Owned(_)) {
                    *kept = next.clone();
                }
                same
            });
        }
        out
    }

    /// Layers are read before it is known where links lead; a file that is wanted only under the
    /// name it ends up with was not read.
    fn check_moved(&mut self, entry: &Entry<'_>, path: &str) {
        let wanted = |path: &str| catalogers::select(path, entry.mode, entry.size).is_some();
        if entry.kind == FileKind::File && wanted(path) && !wanted(entry.path) {
            self.problems.push(Problem::degraded(
                "file_not_read",
                format!("/{path}"),
                format!("it came as /{} through a symbolic link", entry.path),
            ));
        }
    }

    fn alias_hard_links(&mut self, index: u16, layer: &LayerFacts) {
        for (row, entry) in layer.entries.iter().enumerate() {
            if entry.kind != FileKind::Hardlink {
                continue;
            }
            let place = (index, row as u32);
            match self.content_of(entry.link) {
                Some(content) => {
                    if self.is_unread(&entry, content) {
                        self.problems.push(Problem::degraded(
                            "link_target_not_read",
                            format!("/{}", entry.path),
                            "hard link to a file whose own name no cataloger knows",
                        ));
                    }
                    self.aliases.insert(place, content);
                }
                None if catalogers::select(entry.path, entry.mode, 1).is_some() => {
                    self.problems.push(Problem::degraded(
                        "link_target_missing",
                        format!("/{}", entry.path),
                        "hard link to a file that is not in the image",
                    ));
                }
                None => {}
            }
        }
    }

    /// Whether the link's name asks for a reading that the target's name did not get.
    fn is_unread(&self, link: &Entry<'_>, content: Place) -> bool {
        let target = self.entry(content);
        let wanted = catalogers::select(link.path, link.mode, target.size).is_some();
        wanted && catalogers::select(target.path, target.mode, target.size).is_none()
    }

    /// The regular file behind a chain of hard links.
    fn content_of(&self, path: &str) -> Option<Place> {
        let mut path = Cow::Borrowed(path);
        for _ in 0..LINK_HOPS_MAX {
            let visible = self.find(&links::resolve_parent(&path, &self.links)?)?;
            let entry = self.entry(visible.place);
            match entry.kind {
                FileKind::File => return Some(visible.place),
                FileKind::Hardlink => {
                    if let Some(content) = self.aliases.get(&visible.place) {
                        return Some(*content);
                    }
                    path = Cow::Owned(entry.link.to_owned());
                }
                FileKind::Directory | FileKind::Symlink | FileKind::Special => return None,
            }
        }
        None
    }
}

fn find<'v, 'a>(visible: &'v [Visible<'a>], path: &str) -> Option<&'v Visible<'a>> {
    let index = visible.binary_search_by(|visible| visible.path.as_ref().cmp(path)).ok()?;
    visible.get(index)
}

/// What a layer takes away from the layers below it.
#[derive(Default)]
struct Hidden {
    /// Paths deleted with all below them.
    paths: HashSet<String>,
    /// Directories that stay and lose their lower content.
    below: HashSet<String>,
}

impl Hidden {
    fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.below.is_empty()
    }

    /// Whether anything below `directory` is hidden.
    fn hides_below(&self, directory: &str) -> bool {
        let hides = |prefix: &str| self.paths.contains(prefix) || self.below.contains(prefix);
        let slashes = directory.match_indices('/').map(|(at, _)| &directory[..at]);
        slashes.chain([directory]).any(hides) || self.below.contains("")
    }
}

/// Lays the sorted `upper` over the sorted `lower`.
fn merge<'a>(
    lower: Vec<Visible<'a>>,
    upper: Vec<Visible<'a>>,
    hidden: &mut Hidden,
    layers: &[Arc<LayerFacts>],
) -> Vec<Visible<'a>> {
    if lower.is_empty() {
        return upper;
    }
    let kind =
        |visible: &Visible<'_>| layers[visible.place.0 as usize].entries.get(visible.place.1).kind;
    let mut out = Vec::with_capacity(lower.len() + upper.len());
    let mut upper = upper.into_iter().peekable();
    let mut last_parent: Option<(String, bool)> = None;
    for old in lower {
        while let Some(new) = upper.next_if(|new| new.path < old.path) {
            out.push(new);
        }
        if let Some(new) = upper.next_if(|new| new.path == old.path) {
            // A directory that becomes anything else loses what was in it. Its content sorts
            // after it, so it is still to come here.
            if kind(&old) == FileKind::Directory && kind(&new) != FileKind::Directory {
                hidden.below.insert(old.path.to_string());
                last_parent = None;
            }
            out.push(new);
            continue;
        }
        if hidden.is_empty() {
            out.push(old);
            continue;
        }
        let (parent, _) = split(&old.path);
        let below_hidden = match &last_parent {
            Some((seen, hides)) if seen == parent => *hides,
            _ => {
                let hides = hidden.hides_below(parent);
                last_parent = Some((parent.to_owned(), hides));
                hides
            }
        };
        if !below_hidden && !hidden.paths.contains(old.path.as_ref()) {
            out.push(old);
        }
    }
    out.extend(upper);
    out
}
