//! Sets of paths that are asked "is this path, or a directory on the way to it, one of you?".
//!
//! Hashing each prefix of a path anew takes the square of its length, which a layer of deep names
//! turns into minutes. Here one pass over the path gives the hashes of all its prefixes; only
//! where one is known is the prefix itself looked up.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

/// Values by path.
#[derive(Debug, Clone)]
pub(crate) struct PathMap<'a, V> {
    values: HashMap<Cow<'a, str>, V>,
    /// How many keys have this [`PathHash`]: a sieve before `values`, never the answer.
    hashes: HashMap<u64, u32>,
}

/// The hash of a path that grows by components.
#[derive(Debug, Clone)]
pub(crate) struct PathHash(DefaultHasher);

impl PathHash {
    /// That of the root.
    pub(crate) fn root() -> Self {
        Self(DefaultHasher::new())
    }

    /// That of the path with one more component.
    pub(crate) fn child(&self, component: &str) -> Self {
        let mut hasher = self.0.clone();
        hasher.write(component.as_bytes());
        hasher.write(b"/");
        Self(hasher)
    }

    fn of(path: &str) -> Self {
        let components = path.split('/').filter(|_| !path.is_empty());
        components.fold(Self::root(), |hash, component| hash.child(component))
    }

    fn value(&self) -> u64 {
        self.0.finish()
    }
}

impl<V> Default for PathMap<'_, V> {
    fn default() -> Self {
        Self { values: HashMap::new(), hashes: HashMap::new() }
    }
}

impl<'a, V> PathMap<'a, V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(crate) fn insert(&mut self, path: Cow<'a, str>, value: V) {
        let hash = PathHash::of(&path).value();
        if self.values.insert(path, value).is_none() {
            *self.hashes.entry(hash).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, path: &str) {
        if self.values.remove(path).is_some() {
            forget(&mut self.hashes, path);
        }
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        let hashes = &mut self.hashes;
        self.values.retain(|path, _| {
            let stays = keep(path);
            if !stays {
                forget(hashes, path);
            }
            stays
        });
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        self.values.contains_key(path)
    }

    /// The value at `path`, whose hash the caller has.
    pub(crate) fn get(&self, path: &str, hash: &PathHash) -> Option<&V> {
        self.hashes.contains_key(&hash.value()).then(|| self.values.get(path)).flatten()
    }

    /// Whether `path` or a directory above it, other than the root, is a key. Takes time in
    /// proportion to the length of `path`.
    pub(crate) fn holds_on_way_to(&self, path: &str) -> bool {
        if self.is_empty() || path.is_empty() {
            return false;
        }
        let mut hash = PathHash::root();
        let mut end = 0;
        path.split('/').any(|component| {
            hash = hash.child(component);
            let prefix = &path[..end + component.len()];
            end = prefix.len() + 1;
            self.get(prefix, &hash).is_some()
        })
    }
}

fn forget(hashes: &mut HashMap<u64, u32>, path: &str) {
    let hash = PathHash::of(path).value();
    match hashes.get_mut(&hash) {
        Some(count) if *count > 1 => *count -= 1,
        Some(_) => {
            hashes.remove(&hash);
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_on_the_way_are_found_and_forgotten() {
        let mut map = PathMap::default();
        for path in ["usr/lib", "a", "a/b/c"] {
            map.insert(Cow::Borrowed(path), path.len());
        }
        map.insert(Cow::Borrowed("a"), 9);
        for (path, held) in [
            ("usr/lib", true),
            ("usr/lib/x/y", true),
            ("usr/lib64/x", false),
            ("usr", false),
            ("a/b", true),
            ("", false),
            ("b/a", false),
        ] {
            assert_eq!(map.holds_on_way_to(path), held, "{path}");
        }
        assert_eq!(map.get("a", &PathHash::root().child("a")), Some(&9));
        map.remove("a");
        map.remove("never");
        assert!(!map.holds_on_way_to("a/b") && map.holds_on_way_to("a/b/c/d"));
        map.retain(|path| path == "a");
        assert!(map.is_empty() && map.hashes.is_empty());
    }
}
