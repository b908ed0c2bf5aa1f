//! The stack of layers as the container sees it: which entry of which layer is visible at each
//! path. Rules: OCI image-spec, `layer.md` ("Applying Changesets", "Whiteouts").

use crate::catalogers;
use crate::image::entries::Entry;
use crate::image::layer::{FileFacts, LayerFacts};
use crate::image::links::{self, Symlinks, split};
use crate::image::names::PathMap;
use crate::limits::LINK_HOPS_MAX;
use kedge_artifact::image::FileKind;
use kedge_artifact::problem::Problem;
use std::borrow::Cow;
use std::collections::HashMap;
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
    going_on: &'a dyn Fn() -> bool,
}

/// Entries between two looks at whether the result is still wanted.
const ENTRIES_BETWEEN_LOOKS: usize = 1024;

impl<'a> Stack<'a> {
    /// Applies the layers one over the other, lowest first. When `going_on` says no, the rest is
    /// left out and the stack is good for nothing.
    pub(crate) fn build(layers: &'a [Arc<LayerFacts>], going_on: &'a dyn Fn() -> bool) -> Self {
        let mut stack = Self {
            layers,
            visible: Vec::new(),
            links: Symlinks::default(),
            facts: HashMap::new(),
            aliases: HashMap::new(),
            problems: Vec::new(),
            going_on,
        };
        for (index, layer) in layers.iter().enumerate() {
            if !going_on() {
                break;
            }
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

    /// The entry whose content a place shows, hard links followed.
    pub(crate) fn content(&self, place: Place) -> Place {
        self.aliases.get(&place).copied().unwrap_or(place)
    }

    /// What was found in the content at a place, hard links followed.
    pub(crate) fn facts(&self, place: Place) -> Option<&'a FileFacts> {
        self.facts.get(&self.content(place)).copied()
    }

    fn apply(&mut self, index: u16, layer: &'a LayerFacts) {
        let mut hidden = Hidden::default();
        for path in &layer.whiteouts {
            if let Some(path) = links::resolve_parent(path, &self.links) {
                hidden.paths.insert(path.into_owned().into(), ());
            }
        }
        for path in &layer.opaque {
            if let Some(path) = links::resolve(path, &self.links) {
                hidden.below.insert(path.into_owned().into(), ());
            }
        }
        self.overlay_links(layer, &hidden);
        let upper = self.placed(index, layer);
        let lower = std::mem::take(&mut self.visible);
        self.visible = merge(lower, upper, &mut hidden, self.layers);
        let mut links = Symlinks::default();
        for visible in &self.visible {
            let entry = self.entry(visible.place);
            if entry.kind == FileKind::Symlink {
                links.insert(visible.path.clone(), entry.link);
            }
        }
        self.links = links;
        self.alias_hard_links(index, layer);
    }

    /// The links that are in force while this layer is unpacked.
    fn overlay_links(&mut self, layer: &'a LayerFacts, hidden: &Hidden) {
        self.links.retain(|path| !hidden.hides(path));
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
            if row % ENTRIES_BETWEEN_LOOKS == 0 && !(self.going_on)() {
                break;
            }
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
            if row % ENTRIES_BETWEEN_LOOKS == 0 && !(self.going_on)() {
                break;
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
    paths: PathMap<'static, ()>,
    /// What stays and loses its lower content.
    below: PathMap<'static, ()>,
}

impl Hidden {
    fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.below.is_empty()
    }

    /// Whether what is right below `directory` is hidden.
    fn hides_below(&self, directory: &str) -> bool {
        self.paths.holds_on_way_to(directory)
            || self.below.holds_on_way_to(directory)
            || self.below.contains("")
    }

    /// Whether the lower entry at `path` is hidden.
    fn hides(&self, path: &str) -> bool {
        self.paths.contains(path) || self.hides_below(split(path).0)
    }
}

/// Whether anything of the sorted `visible` is below `path`.
fn holds_children(visible: &[Visible<'_>], path: &str) -> bool {
    // `path` followed by a slash sorts right before what is below it.
    let below = |other: &str| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
    let order = |other: &[u8]| {
        let shared = other.len().min(path.len());
        let begun = other[..shared].cmp(&path.as_bytes()[..shared]);
        begun.then_with(|| other.get(shared).cmp(&Some(&b'/')))
    };
    let first = visible.partition_point(|visible| order(visible.path.as_bytes()).is_lt());
    visible.get(first).is_some_and(|visible| below(&visible.path))
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
    // A directory that becomes anything else loses what was in it, whether or not a lower layer
    // has an entry for the directory itself.
    for new in upper.iter().filter(|new| kind(new) != FileKind::Directory) {
        if holds_children(&lower, &new.path) {
            hidden.below.insert(new.path.to_string().into(), ());
        }
    }
    let mut out = Vec::with_capacity(lower.len() + upper.len());
    let mut upper = upper.into_iter().peekable();
    let mut last_parent: Option<(String, bool)> = None;
    for old in lower {
        while let Some(new) = upper.next_if(|new| new.path < old.path) {
            out.push(new);
        }
        if let Some(new) = upper.next_if(|new| new.path == old.path) {
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
        if !below_hidden && !hidden.paths.contains(&old.path) {
            out.push(old);
        }
    }
    out.extend(upper);
    out
}
