//! Images: submission, listing, deletion.

use crate::App;
use crate::error::AppError;
use crate::identity::Identity;
use crate::limits::{ANNOTATIONS_MAX, DELETE_IMAGES_MAX, DOCKERFILE_BYTES_MAX};
use crate::text::time;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kedge_actors::lookup::ResolvedImage;
use kedge_artifact::digest::Digest;
use kedge_artifact::reference::Reference;
use kedge_artifact::time::Timestamp;
use kedge_model::command::{AddImage, Command, Response};
use kedge_model::image::{AnalysisState, Image, Tag, TagSeen};
use kedge_model::rejection::{Rejection, RejectionCode};
use kedge_state::query;
use kedge_state::row::StateError;
use std::collections::HashSet;

/// Where a submitted image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// What a tag points to now.
    Tag {
        /// Reference with a tag.
        pull_string: String,
    },
    /// A digest, recorded under a tag.
    Digest {
        /// Reference with a digest.
        pull_string: String,
        /// Reference with the tag.
        tag: String,
        /// RFC 3339 time from which the tag counts as pointing here.
        created_at: Option<String>,
    },
}

/// A submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImage {
    /// Where the image is.
    pub source: Source,
    /// Base64 text of the dockerfile.
    pub dockerfile: Option<String>,
    /// Keys to set; without a value they are removed.
    pub annotations: Vec<(String, Option<String>)>,
    /// Analyse again.
    pub force: bool,
}

/// Which images to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFilter {
    /// Only with this image id.
    pub image_id: Option<String>,
    /// Also what a tag pointed to before.
    pub history: bool,
    /// Only of this tag.
    pub full_tag: Option<String>,
    /// Only those being removed; there are none, because removal is immediate here.
    pub deleting: bool,
    /// Only in this state.
    pub analysis: Option<AnalysisState>,
    /// Only analysed at or after this RFC 3339 time.
    pub analyzed_since: Option<String>,
}

/// An image with the names to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageView {
    /// The image.
    pub image: Image,
    /// Names, the most wanted first.
    pub tags: Vec<TagSeen>,
    /// Base64 text of the dockerfile the user gave, where one image is asked for.
    pub dockerfile: Option<String>,
}

/// What became of one deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// As it was asked for.
    pub digest: String,
    /// What happened.
    pub outcome: DeletionOutcome,
}

/// See [`Deletion`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeletionOutcome {
    /// No such image.
    NotFound,
    /// Gone or going.
    Deleting,
    /// Refused, for this reason.
    Failed(String),
}

pub(crate) fn image_not_found() -> AppError {
    Rejection::new(RejectionCode::ImageNotFound, "image not found in DB").into()
}

/// Reads a reference of a request.
fn reference(name: &str, text: &str) -> Result<Reference, AppError> {
    text.parse().map_err(|error| AppError::invalid(format!("{name}: {error}")))
}

/// A submission, read and checked: what to resolve and under which tag to record it.
#[derive(Debug, PartialEq, Eq)]
struct Checked {
    reference: Reference,
    tag: String,
    digest: Option<Digest>,
    created_at: Option<Timestamp>,
    dockerfile: Option<Vec<u8>>,
    annotations: Vec<(String, String)>,
}

fn check(new: &NewImage) -> Result<Checked, AppError> {
    let (reference, tag, created_at) = match &new.source {
        Source::Tag { pull_string } => by_tag(pull_string)?,
        Source::Digest { pull_string, tag, created_at } => {
            let (reference, tag) = by_digest(pull_string, tag)?;
            // The contract fixes this text.
            let bad = |_| AppError::invalid("Invalid formatted date");
            let at = created_at.as_deref().map(|text| time("date", text)).transpose();
            (reference, tag, at.map_err(bad)?)
        }
    };
    if new.annotations.len() > ANNOTATIONS_MAX {
        return Err(AppError::invalid(format!(
            "the request has over {ANNOTATIONS_MAX} annotations (ANNOTATIONS_MAX)"
        )));
    }
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
    Ok(Checked {
        digest: reference.digest,
        reference,
        tag,
        created_at,
        dockerfile: new.dockerfile.as_deref().map(decode_dockerfile).transpose()?,
        annotations: new.annotations.iter().map(|(key, v)| (key.clone(), value(v))).collect(),
    })
}

type Named = (Reference, String, Option<Timestamp>);

fn by_tag(pull_string: &str) -> Result<Named, AppError> {
    let reference = reference("pull_string", pull_string)?;
    match (&reference.tag, reference.digest) {
        (Some(tag), None) => {
            let tag = tag.clone();
            Ok((reference, tag, None))
        }
        (_, Some(_)) | (None, None) => Err(AppError::invalid(
            "pull_string of source.tag must not hold a digest; use source.digest with a tag",
        )),
    }
}

fn by_digest(pull_string: &str, tag: &str) -> Result<(Reference, String), AppError> {
    let image = reference("pull_string", pull_string)?;
    if image.digest.is_none() {
        return Err(AppError::invalid("pull_string of source.digest must hold a digest"));
    }
    let named = reference("tag", tag)?;
    if named.name() != image.name() {
        return Err(AppError::invalid(format!(
            "tag names {}, pull_string names {}",
            named.name(),
            image.name()
        )));
    }
    match (named.tag, named.digest) {
        (Some(tag), None) => Ok((Reference { tag: None, ..image }, tag)),
        (_, Some(_)) | (None, None) => Err(AppError::invalid("tag must hold a tag, no digest")),
    }
}

fn decode_dockerfile(text: &str) -> Result<Vec<u8>, AppError> {
    if text.len() / 4 * 3 > DOCKERFILE_BYTES_MAX {
        return Err(AppError::invalid(format!(
            "dockerfile has over {DOCKERFILE_BYTES_MAX} bytes (DOCKERFILE_BYTES_MAX)"
        )));
    }
    let bytes = STANDARD.decode(text).map_err(|_| {
        AppError::invalid("dockerfile must be base64 text matching ^[a-zA-Z0-9+/=]+$")
    })?;
    if bytes.is_empty() || std::str::from_utf8(&bytes).is_err() {
        return Err(AppError::invalid("dockerfile must be base64 of UTF-8 text"));
    }
    Ok(bytes)
}

fn image_of(response: Response) -> Result<Image, AppError> {
    let Response::Image(image) = response else { return Err(AppError::unexpected("an image")) };
    Ok(*image)
}

/// Bytes of a megabyte as the contract counts image sizes.
const MB: u64 = 1 << 20;

impl App {
    /// Submits an image for analysis. The registry is asked what the reference means now.
    ///
    /// # Errors
    /// 400 with the contract's texts, 403, and what the registry says.
    pub async fn add_image(&self, who: &Identity, new: &NewImage) -> Result<ImageView, AppError> {
        self.allow(who, "createImage")?;
        let checked = check(new)?;
        let platform = &self.inner.platform;
        let resolved =
            self.system().resolve_image(&who.account, &checked.reference, platform).await?;
        self.check_size(&resolved)?;
        let known = self
            .handle()
            .read_linearizable(|view| query::image::get(view, &who.account, &resolved.digest))
            .await??;
        if new.force && checked.digest.is_some() && known.is_none() {
            // The contract fixes this text.
            let text = "image digest must already exist to force re-analyze using tag+digest";
            return Err(AppError::invalid(text));
        }
        let dockerfile = match &checked.dockerfile {
            Some(bytes) => Some(self.system().put_blob(bytes.clone()).await?),
            None => None,
        };
        let command = AddImage {
            account: who.account.clone(),
            digest: resolved.digest,
            parent_digest: checked.digest.unwrap_or(resolved.parent_digest),
            image_id: Some(resolved.image_id),
            registry: checked.reference.registry.clone(),
            repository: checked.reference.repository.clone(),
            tag: checked.tag.clone(),
            platform: resolved.platform,
            annotations: checked.annotations,
            dockerfile,
            force: new.force,
            created_at: checked.created_at,
        };
        let answer = self.propose(who.caller(), Command::AddImage(Box::new(command))).await?;
        let image = image_of(answer)?;
        let mut tags = image.tags.clone();
        // The name that was asked for comes first.
        tags.sort_by_key(|seen| {
            seen.tag != checked.tag
                || seen.repository != checked.reference.repository
                || seen.registry != checked.reference.registry
        });
        Ok(ImageView { image, tags, dockerfile: None })
    }

    fn check_size(&self, resolved: &ResolvedImage) -> Result<(), AppError> {
        let max_mb = self.options().image_compressed_mb_max;
        if max_mb == 0 || resolved.size_bytes <= max_mb.saturating_mul(MB) {
            return Ok(());
        }
        // The contract fixes text and details.
        let text = "Image size is too large based on max size specified in the configuration";
        let size = resolved.size_bytes.div_ceil(MB).to_string();
        Err(AppError::refused(400, "image_too_large", text)
            .with_detail("requested_image_compressed_size_mb", size.into())
            .with_detail("max_compressed_image_size_mb", max_mb.to_string().into()))
    }

    /// Images of the account, newest first. Without `history` only what each tag points to now.
    ///
    /// # Errors
    /// 400 for a malformed filter, 403, 404 when no image has the tag or id that was asked for.
    pub async fn list_images(
        &self,
        who: &Identity,
        filter: &ImageFilter,
    ) -> Result<Vec<ImageView>, AppError> {
        self.allow(who, "listImages")?;
        let wanted = Wanted::read(filter)?;
        let account = who.account.clone();
        let views = self.read_blocking(move |handle| {
            let (images, tags) = handle.read(|view| {
                let images = query::image::list(view, &account)?;
                Ok::<_, StateError>((images, query::image::tags(view, &account)?))
            })?;
            let mut views = wanted.select(images, &tags);
            if views.is_empty() && wanted.is_particular() {
                // Clients look at the status to learn that they must submit the image.
                return Err(AppError::not_found("image_not_found", "image data not found in DB"));
            }
            views.retain(|view| wanted.keeps(&view.image));
            Ok(views)
        });
        views.await
    }

    /// One image, with the dockerfile that was given for it.
    ///
    /// # Errors
    /// 403, 404.
    pub async fn get_image(&self, who: &Identity, digest: &str) -> Result<ImageView, AppError> {
        let image = self.existing_image(who, digest, "getImage").await?;
        let dockerfile = match image.dockerfile {
            Some(blob) => Some(STANDARD.encode(self.system().get_blob(blob).await?)),
            None => None,
        };
        Ok(ImageView { tags: image.tags.clone(), image, dockerfile })
    }

    /// The image of the account with this digest, for who holds `action`.
    pub(crate) async fn existing_image(
        &self,
        who: &Identity,
        digest: &str,
        action: &'static str,
    ) -> Result<Image, AppError> {
        self.allow(who, action)?;
        let digest = read_digest(digest)?;
        let found =
            self.handle().read_linearizable(|view| query::image::get(view, &who.account, &digest));
        found.await??.ok_or_else(image_not_found)
    }

    /// The same, when its analysis has a result.
    pub(crate) async fn analyzed_image(
        &self,
        who: &Identity,
        digest: &str,
        action: &'static str,
    ) -> Result<Image, AppError> {
        let image = self.existing_image(who, digest, action).await?;
        if image.result.is_some() {
            return Ok(image);
        }
        // Clients read the state out of this text.
        let text = format!("image is not analyzed - analysis_status: {}", image.analysis.as_str());
        let error = AppError::not_found("image_not_analyzed", text);
        Err(match &image.failure {
            Some(failure) => error.with_detail("failure", failure.message.clone().into()),
            None => error,
        })
    }

    /// Removes images with everything known about them, one by one. Answers for each.
    ///
    /// # Errors
    /// 400 for too many, 403, or when the cluster takes no commands.
    pub async fn delete_images(
        &self,
        who: &Identity,
        digests: &[String],
        force: bool,
    ) -> Result<Vec<Deletion>, AppError> {
        self.allow(who, "deleteImage")?;
        if digests.len() > DELETE_IMAGES_MAX {
            return Err(AppError::invalid(format!(
                "over {DELETE_IMAGES_MAX} images in one request (DELETE_IMAGES_MAX)"
            )));
        }
        let mut deletions = Vec::with_capacity(digests.len());
        for digest in digests {
            deletions.push(self.delete_one(who, digest, force).await?);
        }
        Ok(deletions)
    }

    async fn delete_one(
        &self,
        who: &Identity,
        text: &str,
        force: bool,
    ) -> Result<Deletion, AppError> {
        let deletion = |outcome| Deletion { digest: text.to_owned(), outcome };
        let Ok(digest) = text.parse::<Digest>() else {
            return Ok(deletion(DeletionOutcome::NotFound));
        };
        let command = Command::DeleteImage { account: who.account.clone(), digest, force };
        match self.propose(who.caller(), command).await {
            Ok(_) => Ok(deletion(DeletionOutcome::Deleting)),
            Err(AppError::Rejected(rejection))
                if rejection.code == RejectionCode::ImageNotFound =>
            {
                Ok(deletion(DeletionOutcome::NotFound))
            }
            Err(AppError::Rejected(rejection)) if rejection.code == RejectionCode::ImageBusy => {
                Ok(deletion(DeletionOutcome::Failed(rejection.message)))
            }
            Err(error) => Err(error),
        }
    }
}

/// Reads the digest of a path.
pub(crate) fn read_digest(text: &str) -> Result<Digest, AppError> {
    text.parse().map_err(|error| AppError::invalid(format!("image_digest: {error}")))
}

/// A filter, read.
struct Wanted {
    tag: Option<(String, String, String)>,
    image_id: Option<Digest>,
    history: bool,
    deleting: bool,
    analysis: Option<AnalysisState>,
    since: Option<Timestamp>,
}

impl Wanted {
    fn read(filter: &ImageFilter) -> Result<Self, AppError> {
        let tag = match &filter.full_tag {
            None => None,
            Some(text) => {
                let named = reference("full_tag", text)?;
                let tag = named.tag.filter(|_| named.digest.is_none());
                let tag = tag.ok_or_else(|| AppError::invalid("full_tag must hold a tag"))?;
                Some((named.registry, named.repository, tag))
            }
        };
        let image_id = filter.image_id.as_deref().map(|id| {
            let hex = id.strip_prefix("sha256:").unwrap_or(id);
            format!("sha256:{hex}").parse().map_err(|_| {
                AppError::invalid("image_id must be the 64 hex digits of the image configuration")
            })
        });
        let since = filter.analyzed_since.as_deref().map(|text| time("analyzed_since", text));
        Ok(Self {
            tag,
            image_id: image_id.transpose()?,
            history: filter.history,
            deleting: filter.deleting,
            analysis: filter.analysis,
            since: since.transpose()?,
        })
    }

    /// Whether a certain image is looked for.
    fn is_particular(&self) -> bool {
        self.tag.is_some() || self.image_id.is_some()
    }

    /// The images that have the wanted name and id, newest first.
    fn select(&self, images: Vec<Image>, tags: &[Tag]) -> Vec<ImageView> {
        let current: HashSet<(&str, &str, &str, Digest)> = tags
            .iter()
            .filter_map(|tag| {
                let (newest, _) = tag.history.first()?;
                Some((&*tag.registry, &*tag.repository, &*tag.tag, *newest))
            })
            .collect();
        let mut views: Vec<ImageView> = images
            .into_iter()
            .filter(|image| self.image_id.is_none_or(|id| image.image_id == Some(id)))
            .filter_map(|image| {
                let points = |seen: &TagSeen| {
                    let key = (&*seen.registry, &*seen.repository, &*seen.tag, image.digest);
                    self.history || current.contains(&key)
                };
                let named = |seen: &TagSeen| {
                    self.tag.as_ref().is_none_or(|(registry, repository, tag)| {
                        seen.registry == *registry
                            && seen.repository == *repository
                            && seen.tag == *tag
                    })
                };
                let tags: Vec<TagSeen> =
                    image.tags.iter().filter(|seen| points(seen) && named(seen)).cloned().collect();
                (!tags.is_empty()).then_some(ImageView { image, tags, dockerfile: None })
            })
            .collect();
        views.sort_by(|a, b| {
            (b.image.created_at, b.image.digest).cmp(&(a.image.created_at, a.image.digest))
        });
        views
    }

    fn keeps(&self, image: &Image) -> bool {
        !self.deleting
            && self.analysis.is_none_or(|state| image.analysis == state)
            && self.since.is_none_or(|since| image.analyzed_at.is_some_and(|at| at >= since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kedge_artifact::image::Platform;

    fn digest(number: u8) -> Digest {
        Digest::from_bytes([number; 32])
    }

    fn seen(repository: &str, tag: &str) -> TagSeen {
        TagSeen {
            registry: "q.io".into(),
            repository: repository.into(),
            tag: tag.into(),
            detected_at: Timestamp(0),
        }
    }

    fn image(number: u8, tags: Vec<TagSeen>) -> Image {
        Image {
            account: "a".into(),
            digest: digest(number),
            parent_digest: digest(number),
            image_id: Some(digest(number + 100)),
            tags,
            analysis: AnalysisState::Analyzed,
            created_at: Timestamp(i64::from(number)),
            last_updated: Timestamp(0),
            analyzed_at: Some(Timestamp(i64::from(number) * 1000)),
            annotations: Vec::new(),
            dockerfile: None,
            platform: Platform::default(),
            result: None,
            failure: None,
        }
    }

    fn tag(repository: &str, name: &str, history: &[u8]) -> Tag {
        Tag {
            registry: "q.io".into(),
            repository: repository.into(),
            tag: name.into(),
            history: history.iter().map(|n| (digest(*n), Timestamp(0))).collect(),
        }
    }

    fn select(filter: &ImageFilter) -> Vec<u8> {
        let images = vec![
            image(1, vec![seen("app", "1")]),
            image(2, vec![seen("app", "1"), seen("app", "2")]),
            image(3, vec![seen("web", "1")]),
        ];
        let tags = [tag("app", "1", &[2, 1]), tag("app", "2", &[2]), tag("web", "1", &[3])];
        let wanted = Wanted::read(filter).unwrap();
        let views = wanted.select(images, &tags);
        views
            .into_iter()
            .filter(|view| wanted.keeps(&view.image))
            .map(|view| view.image.digest.as_bytes()[0])
            .collect()
    }

    #[test]
    fn a_tag_names_its_newest_image_unless_history_is_asked_for() {
        assert_eq!(select(&ImageFilter::default()), [3, 2]);
        let history = ImageFilter { history: true, ..Default::default() };
        assert_eq!(select(&history), [3, 2, 1]);
        let full_tag = Some("q.io/app:1".to_owned());
        assert_eq!(select(&ImageFilter { full_tag: full_tag.clone(), ..Default::default() }), [2]);
        assert_eq!(select(&ImageFilter { full_tag, history: true, ..Default::default() }), [2, 1]);
    }

    #[test]
    fn other_filters() {
        let id = Some(digest(103).hex());
        assert_eq!(select(&ImageFilter { image_id: id, ..Default::default() }), [3]);
        let since = Some("1970-01-01T00:00:03Z".to_owned());
        assert_eq!(select(&ImageFilter { analyzed_since: since, ..Default::default() }), [3]);
        let failed = Some(AnalysisState::Failed);
        assert!(select(&ImageFilter { analysis: failed, ..Default::default() }).is_empty());
        assert!(select(&ImageFilter { deleting: true, ..Default::default() }).is_empty());
        for bad in ["q.io/app@sha256:0", "", "UPPER"] {
            let filter = ImageFilter { full_tag: Some(bad.into()), ..Default::default() };
            assert!(Wanted::read(&filter).is_err(), "{bad}");
        }
    }

    fn by(source: Source) -> Result<Checked, AppError> {
        check(&NewImage { source, dockerfile: None, annotations: Vec::new(), force: false })
    }

    fn sha() -> String {
        digest(7).to_string()
    }

    #[test]
    fn references_are_completed() {
        let checked = by(Source::Tag { pull_string: "alpine".into() }).unwrap();
        assert_eq!(checked.reference.to_string(), "docker.io/library/alpine:latest");
        assert_eq!(checked.tag, "latest");
        let source = Source::Digest {
            pull_string: format!("q.io/app@{}", sha()),
            tag: "q.io/app:1".into(),
            created_at: Some("2024-05-01T10:00:00Z".into()),
        };
        let checked = by(source).unwrap();
        assert_eq!((checked.tag.as_str(), checked.digest), ("1", Some(digest(7))));
        assert!(checked.created_at.is_some());
    }

    #[test]
    fn sources_that_do_not_fit_are_refused() {
        let digest_source = |pull: &str, tag: &str, at: Option<&str>| Source::Digest {
            pull_string: pull.into(),
            tag: tag.into(),
            created_at: at.map(str::to_owned),
        };
        let full = format!("q.io/app@{}", sha());
        for (source, part) in [
            (Source::Tag { pull_string: full.clone() }, "source.digest"),
            (Source::Tag { pull_string: "https://q.io/a".into() }, "scheme"),
            (Source::Tag { pull_string: String::new() }, "pull_string"),
            (digest_source("q.io/app:1", "q.io/app:1", None), "must hold a digest"),
            (digest_source(&full, "q.io/other:1", None), "names"),
            (digest_source(&full, &full, None), "no digest"),
            (digest_source(&full, "q.io/app:1", Some("soon")), "Invalid formatted date"),
        ] {
            let error = by(source.clone()).unwrap_err();
            assert!(error.to_string().contains(part), "{source:?}: {error}");
            assert_eq!(error.status(), 400);
        }
    }

    #[test]
    fn dockerfiles_are_base64_text_of_bounded_size() {
        assert_eq!(decode_dockerfile("RlJPTSBh").unwrap(), b"FROM a");
        for bad in ["", "RlJ", "RlJP\n", "/w=="] {
            assert!(decode_dockerfile(bad).is_err(), "{bad}");
        }
        let large = STANDARD.encode("x".repeat(DOCKERFILE_BYTES_MAX + 8));
        assert!(decode_dockerfile(&large).unwrap_err().to_string().contains("BYTES_MAX"));
    }

    #[test]
    fn an_annotation_without_a_value_is_removed() {
        let new = NewImage {
            source: Source::Tag { pull_string: "a".into() },
            dockerfile: None,
            annotations: vec![("k".into(), Some("v".into())), ("gone".into(), None)],
            force: false,
        };
        let expect = [("k".to_owned(), "v".to_owned()), ("gone".to_owned(), "null".to_owned())];
        assert_eq!(check(&new).unwrap().annotations, expect);
    }
}
