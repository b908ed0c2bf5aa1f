//! What a person typed as the target of a scan.

use kedge_artifact::reference::{Reference, ReferenceError};
use std::fmt;
use std::path::{Path, PathBuf};

/// A target, not yet opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetSpec {
    /// `registry:REFERENCE`, or any text that is neither a scheme nor an existing path.
    Registry(Reference),
    /// `oci:DIR[:NAME]`, `oci-dir:DIR[:NAME]`: an OCI layout; the name is the annotation
    /// `org.opencontainers.image.ref.name` in its `index.json`.
    OciDir {
        /// Directory with `oci-layout`.
        path: PathBuf,
        /// Which image, when there are several.
        name: Option<String>,
    },
    /// `oci-archive:FILE[:NAME]`: the same in a tar file.
    OciArchive {
        /// The tar file.
        path: PathBuf,
        /// Which image, when there are several.
        name: Option<String>,
    },
    /// `docker-archive:FILE[:NAME]`: what `docker save` writes.
    DockerArchive {
        /// The tar file.
        path: PathBuf,
        /// Which image (a repository tag), when there are several.
        name: Option<String>,
    },
    /// `dir:PATH`, `rootfs:PATH`: a directory tree.
    Directory(PathBuf),
    /// `file:PATH`: one file.
    File(PathBuf),
}

/// Why a text is not a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Nothing after the scheme, or nothing at all.
    #[error("the target '{0}' names nothing")]
    Empty(String),
    /// A scheme that needs a container engine.
    #[error(
        "'{0}:' needs a container engine, which is not used; save the image to an archive or push it to a registry"
    )]
    Engine(String),
    /// A scheme that is not for content.
    #[error("'{0}:' is not a target that can be read here")]
    Scheme(String),
    /// The path does not exist.
    #[error("{0} does not exist")]
    Missing(PathBuf),
    /// Not a path, and not an image reference either.
    #[error("'{text}' is neither an existing path nor an image reference: {source}")]
    Reference {
        /// What was typed.
        text: String,
        /// What is wrong with it as a reference.
        source: ReferenceError,
    },
    /// A file of no known form.
    #[error("{path} is neither an oci archive nor a docker archive; {what}")]
    File {
        /// Path.
        path: PathBuf,
        /// What to do.
        what: &'static str,
    },
}

const SCHEMES_ELSEWHERE: [&str; 4] = ["sbom", "purl", "pkg", "cpes"];

impl TargetSpec {
    /// Reads a target: by its scheme, else an existing path by what it holds, else an image
    /// reference. Looks at the file system to tell.
    ///
    /// # Errors
    /// [`SpecError`].
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let Some((scheme, rest)) = text.split_once(':') else { return Self::detect(text) };
        let known = matches!(
            scheme,
            "registry"
                | "oci"
                | "oci-dir"
                | "oci-archive"
                | "docker-archive"
                | "dir"
                | "rootfs"
                | "file"
                | "docker"
                | "podman"
                | "containerd"
        ) || SCHEMES_ELSEWHERE.contains(&scheme);
        if !known {
            return Self::detect(text);
        }
        if rest.is_empty() {
            return Err(SpecError::Empty(text.to_owned()));
        }
        match scheme {
            "registry" => reference(rest),
            "oci" | "oci-dir" => {
                let (path, name) = split_name(rest)?;
                Ok(Self::OciDir { path, name })
            }
            "oci-archive" => {
                let (path, name) = split_name(rest)?;
                Ok(Self::OciArchive { path, name })
            }
            "docker-archive" => {
                let (path, name) = split_name(rest)?;
                Ok(Self::DockerArchive { path, name })
            }
            "dir" | "rootfs" => existing(rest).map(Self::Directory),
            "file" => existing(rest).map(Self::File),
            "docker" | "podman" | "containerd" => Err(SpecError::Engine(scheme.to_owned())),
            _ => Err(SpecError::Scheme(scheme.to_owned())),
        }
    }

    fn detect(text: &str) -> Result<Self, SpecError> {
        if text.is_empty() {
            return Err(SpecError::Empty(String::new()));
        }
        let path = Path::new(text);
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => Ok(if path.join("oci-layout").is_file() {
                Self::OciDir { path: path.to_owned(), name: None }
            } else {
                Self::Directory(path.to_owned())
            }),
            Ok(_) => crate::archive::detect(path),
            // Things that look like paths are not asked for at a registry.
            Err(_) if text.starts_with(['/', '.', '~']) => Err(SpecError::Missing(path.to_owned())),
            Err(_) => reference(text),
        }
    }
}

fn reference(text: &str) -> Result<TargetSpec, SpecError> {
    text.parse()
        .map(TargetSpec::Registry)
        .map_err(|source| SpecError::Reference { text: text.to_owned(), source })
}

fn existing(text: &str) -> Result<PathBuf, SpecError> {
    let path = PathBuf::from(text);
    if path.exists() { Ok(path) } else { Err(SpecError::Missing(path)) }
}

/// `PATH[:NAME]`. The whole text first, because paths may have colons; then the shortest path
/// that exists, because names may have them too.
fn split_name(text: &str) -> Result<(PathBuf, Option<String>), SpecError> {
    if let Ok(path) = existing(text) {
        return Ok((path, None));
    }
    for (at, _) in text.match_indices(':') {
        if let (Ok(path), name) = (existing(&text[..at]), &text[at + 1..])
            && !name.is_empty()
        {
            return Ok((path, Some(name.to_owned())));
        }
    }
    Err(SpecError::Missing(PathBuf::from(text)))
}

impl fmt::Display for TargetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, path, name) = match self {
            Self::Registry(reference) => return write!(f, "registry:{reference}"),
            Self::OciDir { path, name } => ("oci", path, name.as_deref()),
            Self::OciArchive { path, name } => ("oci-archive", path, name.as_deref()),
            Self::DockerArchive { path, name } => ("docker-archive", path, name.as_deref()),
            Self::Directory(path) => ("dir", path, None),
            Self::File(path) => ("file", path, None),
        };
        write!(f, "{scheme}:{}", path.display())?;
        name.map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_and_detection() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap().to_owned();
        std::fs::create_dir(folder.path().join("layout")).unwrap();
        std::fs::write(folder.path().join("layout/oci-layout"), "{}").unwrap();
        std::fs::write(folder.path().join("plain.txt"), "text").unwrap();
        let check = |text: &str, expect: &str| {
            assert_eq!(TargetSpec::parse(text).unwrap().to_string(), expect, "{text}");
        };
        check("alpine", "registry:docker.io/library/alpine:latest");
        check("localhost:5000/a:1", "registry:localhost:5000/a:1");
        check("registry:q.io/a", "registry:q.io/a:latest");
        check(&root, &format!("dir:{root}"));
        check(&format!("dir:{root}"), &format!("dir:{root}"));
        check(&format!("rootfs:{root}"), &format!("dir:{root}"));
        check(&format!("{root}/layout"), &format!("oci:{root}/layout"));
        check(&format!("oci-dir:{root}/layout:v1:x"), &format!("oci:{root}/layout:v1:x"));
        check(&format!("file:{root}/plain.txt"), &format!("file:{root}/plain.txt"));
    }

    #[test]
    fn what_is_no_target_says_why() {
        let check = |text: &str, expect: &str| {
            let error = TargetSpec::parse(text).unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
        };
        check("", "names nothing");
        check("dir:", "names nothing");
        check("docker:alpine", "container engine");
        check("sbom:x.json", "not a target");
        check("./gone", "does not exist");
        check("oci:/gone/layout:v1", "does not exist");
        check("Bad Reference", "neither an existing path nor an image reference");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello").unwrap();
        check(file.path().to_str().unwrap(), "neither an oci archive nor a docker archive");
    }
}
