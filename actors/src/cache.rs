//! Derived results on disk: layer facts and matches. Everything here may be deleted at any time;
//! it is rebuilt from what it was derived from. Not replicated, not backed up.

use crate::limits::CACHE_BYTES_MAX;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A folder of derived results. An entry is one file: the sha256 of its content, then the content
/// (zstd). Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Opens or makes the folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir = dir.into();
        fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, key: &str) -> PathBuf {
        let name = hex(&Sha256::digest(key.as_bytes()));
        self.dir.join(&name[..2]).join(name)
    }

    /// The entry under `key`; `None` when there is none or it is damaged, which is the same.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        let path = self.path(key);
        let stored = fs::read(&path).ok()?;
        let (sum, packed) = stored.split_first_chunk::<32>()?;
        if Sha256::digest(packed).as_slice() != sum {
            tracing::warn!(path = %path.display(), "cache entry is damaged, dropping it");
            let _ = fs::remove_file(&path);
            return None;
        }
        // Used now: the least recently used go first.
        if let Ok(file) = fs::File::options().write(true).open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        let digest = kedge_artifact::digest::Digest::from_bytes(*sum);
        crate::shared::decompress(digest, packed).ok()
    }

    /// Keeps an entry. A failure is logged and otherwise of no consequence.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        if let Err(error) = self.try_put(key, bytes) {
            tracing::warn!(%error, dir = %self.dir.display(), "cannot write to the cache");
        }
    }

    fn try_put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(key);
        let parent = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(parent)?;
        let packed = crate::shared::compress(bytes);
        // Unique name: two writers of one key must not write into one file.
        let mut nonce = [0_u8; 8];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let temporary = parent.join(format!("tmp-{}", hex(&nonce)));
        let written = fs::File::create(&temporary).and_then(|mut file| {
            file.write_all(&Sha256::digest(&packed))?;
            file.write_all(&packed)
        });
        // No sync: what a power cut damages fails its checksum and is made again.
        match written.and_then(|()| fs::rename(&temporary, &path)) {
            Ok(()) => Ok(()),
            Err(error) => {
                let _ = fs::remove_file(&temporary);
                Err(error)
            }
        }
    }

    /// Removes the least recently used entries until the rest is within the limit, and what
    /// unfinished writes left behind. Answers how many files went.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn shrink(&self) -> io::Result<u64> {
        self.shrink_to(CACHE_BYTES_MAX)
    }

    fn shrink_to(&self, bytes_max: u64) -> io::Result<u64> {
        let mut files = Vec::new();
        let mut removed = 0;
        for folder in fs::read_dir(&self.dir)? {
            let folder = folder?;
            // Other folders here have owners of their own.
            let ours = folder.file_name().len() == 2;
            if !ours || !folder.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                let file = file?;
                let Ok(metadata) = file.metadata() else { continue };
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                let name = file.file_name();
                let unfinished = name.to_string_lossy().starts_with("tmp-");
                let age = SystemTime::now().duration_since(used).unwrap_or_default();
                if unfinished && age > crate::limits::COLLECT_AGE_MIN {
                    removed += u64::from(fs::remove_file(file.path()).is_ok());
                } else if !unfinished {
                    files.push((used, metadata.len(), file.path()));
                }
            }
        }
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        files.sort();
        for (_, bytes, path) in files {
            if total <= bytes_max {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total -= bytes;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_damage_is_a_miss() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        assert_eq!(cache.get("a"), None);
        cache.put("a", b"content");
        assert_eq!(cache.get("a").as_deref(), Some(&b"content"[..]));
        let path = cache.path("a");
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(cache.get("a"), None);
        assert!(!path.exists(), "the damaged entry is gone");
    }

    #[test]
    fn the_least_recently_used_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let noise: Vec<u8> = (0..4_000_u32).flat_map(|n| Sha256::digest(n.to_be_bytes())).collect();
        for (age, key) in [(300, "old"), (200, "mid"), (100, "new")] {
            cache.put(key, &noise);
            let file = fs::File::options().write(true).open(cache.path(key)).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age)).unwrap();
        }
        let one = fs::metadata(cache.path("new")).unwrap().len();
        std::fs::create_dir(dir.path().join("feeds")).unwrap();
        std::fs::write(dir.path().join("feeds/raw"), &noise).unwrap();
        assert_eq!(cache.shrink_to(2 * one).unwrap(), 1);
        assert!(dir.path().join("feeds/raw").exists(), "not a result");
        assert!(!cache.path("old").exists() && cache.path("mid").exists());
    }
}
