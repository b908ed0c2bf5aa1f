//! All documents of a driver, from wherever they are.

use crate::cache::{Note, RawCache};
use crate::folder;
use crate::http::{FetchError, Http};
use crate::location::Location;
use crate::options::{Options, Progress, Stage};
use futures::StreamExt;
use kedge_feeds::source::Documents;
use kedge_feeds::{Source, release_documents};
use std::path::Path;

/// A callback for people who wait.
pub(crate) type Report = dyn Fn(Progress) + Send + Sync;

/// One document of a driver after fetching.
pub(crate) struct Fetched {
    pub(crate) document: String,
    pub(crate) location: String,
    /// `None`: there is no such document.
    pub(crate) result: Result<Option<Note>, String>,
}

/// All documents of a driver, or why they are not even known.
pub(crate) type DriverInput = Result<Vec<Fetched>, String>;

/// One document to fetch.
struct Wanted {
    document: String,
    folder: Option<&'static str>,
}

/// Fetches what `source` consists of.
pub(crate) async fn fetch(
    options: &Options,
    http: &Http,
    cache: &RawCache,
    source: &'static Source,
    report: &Report,
) -> DriverInput {
    let base = options.base(source);
    let wanted = match source.documents {
        Documents::Listed(list) => {
            let wanted = |d: &kedge_feeds::source::Document| Wanted {
                document: d.path.to_owned(),
                folder: d.folder,
            };
            list.iter().map(wanted).collect()
        }
        Documents::AlpineReleases => releases(http, &base).await.map_err(|e| e.to_string())?,
    };
    let one = |wanted: Wanted| {
        let base = base.clone();
        async move {
            let document = wanted.document.clone();
            report(Progress { driver: source.name, document, stage: Stage::Fetching });
            let location = base.join(&wanted.document);
            let result =
                document_of(http, cache, source, (&base, &location), &wanted, report).await;
            Fetched {
                document: wanted.document,
                location: location.to_string(),
                result: result.map_err(|error| error.to_string()),
            }
        }
    };
    let fetches: Vec<_> = wanted.into_iter().map(one).collect();
    Ok(futures::stream::iter(fetches).buffered(crate::limits::PARALLEL).collect().await)
}

async fn document_of(
    http: &Http,
    cache: &RawCache,
    source: &'static Source,
    (base, location): (&Location, &Location),
    wanted: &Wanted,
    report: &Report,
) -> Result<Option<Note>, FetchError> {
    let limit = source.document_bytes_max;
    let path = match location {
        Location::Web(url) => {
            let received = |bytes| {
                let document = wanted.document.clone();
                report(Progress {
                    driver: source.name,
                    document,
                    stage: Stage::Received { bytes },
                });
            };
            return http.fetch(cache, url, limit, &received).await;
        }
        Location::Folder(path) => path.clone(),
    };
    let records = match (base, wanted.folder) {
        (Location::Folder(base), Some(folder)) => Some(base.join(folder)),
        (Location::Folder(_) | Location::Web(_), _) => None,
    };
    let place = location.to_string();
    let cache = cache.clone();
    let work =
        tokio::task::spawn_blocking(move || from_folder(&cache, &path, records.as_deref(), limit));
    let result = work.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    result.map_err(|source| FetchError::File { place, source })
}

/// The file, or else the folder of JSON records that stands for it.
fn from_folder(
    cache: &RawCache,
    path: &Path,
    records: Option<&Path>,
    limit: u64,
) -> std::io::Result<Option<Note>> {
    match (folder::fetch(cache, path, limit)?, records) {
        (None, Some(records)) => folder::pack(cache, records, limit),
        (found, _) => Ok(found),
    }
}

/// The release documents that a landing page or a folder names.
async fn releases(http: &Http, base: &Location) -> Result<Vec<Wanted>, FetchError> {
    let landing = match base {
        Location::Folder(path) => folder::landing(path)
            .map_err(|source| FetchError::File { place: base.to_string(), source })?,
        Location::Web(_) => {
            let mut page = None;
            for name in ["", "index.html"] {
                let Location::Web(url) = base.join(name) else { continue };
                page = http.page(&url).await?;
                if page.is_some() {
                    break;
                }
            }
            page.unwrap_or_default()
        }
    };
    let wanted = |document| Wanted { document, folder: None };
    Ok(release_documents(&landing).into_iter().map(wanted).collect())
}
