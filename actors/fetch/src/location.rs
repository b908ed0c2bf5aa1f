//! Where documents are: an HTTP base or a folder.

use kedge_feeds::Source;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use url::Url;

/// A base below which documents are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// `https://…`, or `http://…` for mirrors that were named explicitly.
    Web(Url),
    /// A folder of this machine.
    Folder(PathBuf),
}

/// The text is neither a URL of a known scheme nor a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Not a URL.
    #[error("'{0}' is not a usable URL")]
    Url(String),
    /// A scheme that is not supported.
    #[error("scheme '{0}' is not supported: use https, http, file or a path")]
    Scheme(String),
    /// A relative path: what it means would depend on the working directory.
    #[error("'{0}' is neither a URL nor an absolute path")]
    Relative(String),
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        if !text.contains("://") {
            let path = Path::new(text);
            return match path.is_absolute() {
                true => Ok(Self::Folder(path.to_owned())),
                false => Err(LocationError::Relative(text.chars().take(200).collect())),
            };
        }
        let url = Url::parse(text).map_err(|_| LocationError::Url(redact(text)))?;
        match url.scheme() {
            "https" | "http" if url.has_host() => Ok(Self::Web(url)),
            "file" => {
                let path = url.to_file_path().map_err(|()| LocationError::Url(redact(text)))?;
                Ok(Self::Folder(path))
            }
            "https" | "http" => Err(LocationError::Url(redact(text))),
            other => Err(LocationError::Scheme(other.to_owned())),
        }
    }
}

impl fmt::Display for Location {
    /// Without user name, password and query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(url) => f.write_str(&shown(url)),
            Self::Folder(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Location {
    /// The place of `document` (a URL path) below this base. A query of the base (a token of a
    /// mirror) is kept.
    #[must_use]
    pub fn join(&self, document: &str) -> Self {
        match self {
            Self::Web(base) => {
                let mut url = base.clone();
                let path = base.path().trim_end_matches('/');
                url.set_path(&format!("{path}/{document}"));
                Self::Web(url)
            }
            Self::Folder(base) => Self::Folder(below(base, document)),
        }
    }

    /// The base of `source` in a mirror that is laid out by host and path.
    #[must_use]
    pub fn mirrored(&self, source: &Source) -> Self {
        let bare = source.base_url.trim_start_matches("https://");
        self.join(bare)
    }
}

/// The path below `base`: as spelled in the URL when that exists, else with `%20` and the like
/// decoded. Segments that climb are dropped.
fn below(base: &Path, document: &str) -> PathBuf {
    let path = |text: &str| {
        let mut path = base.to_owned();
        path.extend(text.split('/').filter(|part| !matches!(*part, "" | "." | "..")));
        path
    };
    let spelled = path(document);
    if spelled.exists() || !document.contains('%') {
        return spelled;
    }
    path(&document.replace("%20", " ").replace("%3A", ":"))
}

/// A URL for people: no credentials, no query.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs without a host, which have no credentials either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// A text that should have been a URL, without what might be credentials.
fn redact(text: &str) -> String {
    let rest = text.rsplit('@').next().unwrap_or_default();
    let rest = rest.split('?').next().unwrap_or_default();
    rest.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_folders_and_nothing_else() {
        let web: Location = "https://user:secret@mirror.example/feeds/?token=x".parse().unwrap();
        assert_eq!(web.to_string(), "https://mirror.example/feeds/");
        let joined = web.join("GitHub%20Actions/all.zip");
        assert_eq!(joined.to_string(), "https://mirror.example/feeds/GitHub%20Actions/all.zip");
        let Location::Web(url) = joined else { panic!() };
        assert_eq!(url.query(), Some("token=x"));
        let folder = Location::Folder("/srv/feeds".into());
        assert_eq!("file:///srv/feeds".parse::<Location>().unwrap(), folder);
        assert_eq!("/srv/feeds".parse::<Location>().unwrap(), folder);
        assert_eq!(
            folder.join("../../etc/passwd"),
            Location::Folder("/srv/feeds/etc/passwd".into())
        );
        for bad in ["srv/feeds", "ftp://x/y", "https://", "http://user:pw@"] {
            let error = bad.parse::<Location>().unwrap_err().to_string();
            assert!(!error.contains("pw"), "{error}");
        }
    }

    #[test]
    fn a_mirror_is_laid_out_by_host_and_path() {
        let mirror: Location = "http://127.0.0.1:8000/m".parse().unwrap();
        let alma = mirror.mirrored(Source::named("alma").unwrap()).join("a/b.tar.gz");
        let expect = "http://127.0.0.1:8000/m/github.com/AlmaLinux/osv-database/a/b.tar.gz";
        assert_eq!(alma.to_string(), expect);
    }
}
