//! Which of the package databases in an image are its own.

use crate::image::links::split;
use crate::image::stack::Stack;
use kedge_artifact::package::PackageKind;

/// Where the package databases of a running system are. One under another root (a chroot inside
/// the image) does not say what is installed in this image.
const DPKG_DIRECTORY: &str = "var/lib/dpkg";
pub(crate) const APK_DATABASES: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];
pub(crate) const DPKG_STATUS: &str = "var/lib/dpkg/status";

/// Where this image's own package databases are, links followed.
pub(crate) struct Databases {
    dpkg_directory: String,
    dpkg_lists: String,
    dpkg_status: Option<String>,
    apk: Vec<String>,
}

impl Databases {
    /// Finds them in the squashed stack.
    pub(crate) fn of(stack: &Stack<'_>) -> Self {
        let directory = stack.resolve_parent(DPKG_STATUS).unwrap_or_default();
        let list = format!("{DPKG_DIRECTORY}/info/any.list");
        let lists = stack.resolve_parent(&list).unwrap_or_default();
        let opened = |path: &str| stack.open(path).map(|seen| seen.path.to_string());
        Self {
            dpkg_directory: split(&directory).0.to_owned(),
            dpkg_lists: split(&lists).0.to_owned(),
            dpkg_status: opened(DPKG_STATUS),
            apk: APK_DATABASES.iter().filter_map(|path| opened(path)).collect(),
        }
    }

    /// Whether a file at `path` may say which files a package of this image owns.
    pub(crate) fn lists(&self, kind: PackageKind, path: &str) -> bool {
        let beside = kind == PackageKind::Deb && split(path).0 == self.dpkg_lists;
        beside || self.holds(kind, path)
    }

    /// Whether a file at `path` may say what is installed.
    pub(crate) fn holds(&self, kind: PackageKind, path: &str) -> bool {
        match kind {
            PackageKind::Deb => {
                let (directory, _) = split(path);
                directory == self.dpkg_directory
                    || directory.strip_suffix("/status.d") == Some(self.dpkg_directory.as_str())
                    || directory.strip_prefix(DPKG_DIRECTORY) == Some("/status.d")
                    || self.dpkg_status.as_deref() == Some(path)
            }
            PackageKind::Apk => self.apk.iter().any(|known| known == path),
            // The rpm cataloger knows its places; their links lead from one to the other.
            PackageKind::Rpm
            | PackageKind::Python
            | PackageKind::Npm
            | PackageKind::Java
            | PackageKind::Go
            | PackageKind::Rust
            | PackageKind::Gem
            | PackageKind::Composer
            | PackageKind::Nuget
            | PackageKind::Binary => true,
        }
    }
}
