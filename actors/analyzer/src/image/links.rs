//! Names in images: made plain, and resolved through symbolic links in memory. No name of an
//! archive ever reaches a file system.

use crate::image::names::{PathHash, PathMap};
use crate::limits::{LINK_HOPS_MAX, PATH_BYTES_MAX, PATH_DEPTH_MAX};
use std::borrow::Cow;

/// The path without leading slash, empty, `.` and `..` components; `..` never leaves the root.
/// Bytes that are no UTF-8 are written `\xNN`.
pub(crate) fn plain_path(path: &[u8]) -> Result<Cow<'_, str>, &'static str> {
    if path.len() > PATH_BYTES_MAX {
        return Err("path is longer than PATH_BYTES_MAX");
    }
    if path.contains(&0) {
        return Err("path contains NUL");
    }
    let plain = match escaped(path) {
        Cow::Borrowed(text) => plain(text),
        Cow::Owned(text) => Cow::Owned(plain(&text).into_owned()),
    };
    if plain.bytes().filter(|byte| *byte == b'/').count() >= PATH_DEPTH_MAX {
        return Err("path has more components than PATH_DEPTH_MAX");
    }
    Ok(plain)
}

fn plain(text: &str) -> Cow<'_, str> {
    let trimmed = text.strip_prefix("./").unwrap_or(text).trim_matches('/');
    let is_plain = |component: &str| !matches!(component, "" | "." | "..");
    if trimmed.split('/').all(is_plain) {
        return Cow::Borrowed(trimmed);
    }
    let mut components: Vec<&str> = Vec::new();
    for component in trimmed.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                components.pop();
            }
            name => components.push(name),
        }
    }
    Cow::Owned(components.join("/"))
}

/// Whether the components of the path climb above where it starts.
pub(crate) fn leaves_root(path: &[u8]) -> bool {
    let mut depth = 0_i64;
    if !path.windows(2).any(|pair| pair == b"..") {
        return false;
    }
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

/// Text of bytes that should be UTF-8; others are written `\xNN`, so that two names never become
/// one.
pub(crate) fn escaped(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(out)
}

/// Symbolic links by path, with their raw targets.
pub(crate) type Symlinks<'a> = PathMap<'a, &'a str>;

/// The directory part and the name.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Resolves the directory part of `path`, as an unpacker does before it makes the last component.
/// `None` when the links go round or on for longer than Linux follows them.
pub(crate) fn resolve_parent<'p>(path: &'p str, links: &Symlinks<'_>) -> Option<Cow<'p, str>> {
    let (parent, name) = split(path);
    if !links.holds_on_way_to(parent) {
        return Some(Cow::Borrowed(path));
    }
    let parent = resolve(parent, links)?;
    Some(Cow::Owned(if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") }))
}

/// Resolves all components of `path`, as opening the file does.
pub(crate) fn resolve<'p>(path: &'p str, links: &Symlinks<'_>) -> Option<Cow<'p, str>> {
    if !links.holds_on_way_to(path) {
        return Some(Cow::Borrowed(path));
    }
    let mut hops = 0;
    let mut done = String::new();
    // One per component of `done`, the root first.
    let mut hashes = vec![PathHash::root()];
    let mut left: Vec<&str> = path.rsplit('/').collect();
    while let Some(component) = left.pop() {
        match component {
            "" | "." => continue,
            ".." => {
                done.truncate(done.rfind('/').unwrap_or(0));
                hashes.truncate(hashes.len().saturating_sub(1).max(1));
                continue;
            }
            _ => {}
        }
        let parent_bytes = done.len();
        if !done.is_empty() {
            done.push('/');
        }
        done.push_str(component);
        let hash = hashes.last().unwrap_or(&PathHash::root()).child(component);
        let Some(target) = links.get(&done, &hash) else {
            hashes.push(hash);
            if done.len() > PATH_BYTES_MAX {
                return None;
            }
            continue;
        };
        hops += 1;
        if hops > LINK_HOPS_MAX {
            return None;
        }
        if target.starts_with('/') {
            done.clear();
            hashes.truncate(1);
        } else {
            done.truncate(parent_bytes);
        }
        left.extend(target.rsplit('/'));
    }
    Some(Cow::Owned(done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_plain() {
        let check = |raw: &[u8], plain: &str| assert_eq!(plain_path(raw).unwrap(), plain);
        check(b"./usr/bin/x", "usr/bin/x");
        check(b"/etc/passwd", "etc/passwd");
        check(b"../../etc/passwd", "etc/passwd");
        check(b"a/./b//c/../d/", "a/b/d");
        check(b"./", "");
        check(b"...", "...");
        check(b"a\\b", "a\\b");
        check(b"a\xff/b", "a\\xff/b");
        assert!(plain_path(b"a\0b").is_err());
        assert!(plain_path(&[b'a'; 5000]).is_err());
        let deep = |components: usize| plain_path("d/".repeat(components).as_bytes()).is_ok();
        assert!(deep(PATH_DEPTH_MAX) && !deep(PATH_DEPTH_MAX + 1));
        assert!(leaves_root(b"../x") && leaves_root(b"a/../../x") && !leaves_root(b"a/../x"));
        assert!(!leaves_root(b"..x"));
    }

    #[test]
    fn links_are_followed_inside_the_root_only() {
        let mut links = Symlinks::default();
        for (path, target) in [
            ("lib", "usr/lib"),
            ("var/lib/dpkg", "/data/../db"),
            ("up", "../../../etc"),
            ("loop", "pool"),
            ("pool", "loop"),
            ("self", "."),
            ("out", "deep/../../../usr/./lib"),
        ] {
            links.insert(Cow::Borrowed(path), target);
        }
        let check = |path: &str, to: Option<&str>| assert_eq!(resolve(path, &links).as_deref(), to);
        check("lib/apk/db", Some("usr/lib/apk/db"));
        check("var/lib/dpkg/status", Some("db/status"));
        check("up/os-release", Some("etc/os-release"));
        check("loop/x", None);
        check("self/self/self/lib", Some("usr/lib"));
        check("plain/path", Some("plain/path"));
        check("out/apk", Some("usr/lib/apk"));
        assert_eq!(resolve_parent("lib", &links).as_deref(), Some("lib"));
        assert_eq!(resolve_parent("self/lib", &links).as_deref(), Some("lib"));
    }
}
