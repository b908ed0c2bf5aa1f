//! Tag lists, page by page (distribution specification, "Listing Tags").

use crate::client::pull_scope;
use crate::error::Error;
use crate::limits::{TAG_PAGE_BYTES_MAX, TAG_PAGE_COUNT, TAG_PAGES_MAX, TAGS_MAX};
use crate::session::{Ask, Session, same_origin};
use http::HeaderMap;
use http::header::LINK;
use tokio::time::Instant;
use url::Url;

#[derive(serde::Deserialize)]
struct Page {
    /// Some registries write `null` for a repository without tags.
    tags: Option<Vec<String>>,
}

pub(crate) async fn list(
    session: &Session,
    repository: &str,
    deadline: Instant,
) -> Result<Vec<String>, Error> {
    let mut url = session.url(&format!("/v2/{repository}/tags/list"));
    url.set_query(Some(&format!("n={TAG_PAGE_COUNT}")));
    let mut ask = Ask {
        url,
        scope: pull_scope(repository),
        accept: "application/json",
        offset: 0,
        roams: false,
        subject: repository.to_owned(),
    };
    let over = |limit: usize, name| Error::TooLarge {
        host: session.host(),
        what: format!("the tag list of {repository}"),
        limit: limit as u64,
        name,
    };
    let mut tags = Vec::new();
    for _ in 0..TAG_PAGES_MAX {
        let limit = (TAG_PAGE_BYTES_MAX, "TAG_PAGE_BYTES_MAX");
        let (headers, body) = session.fetch_body(&ask, limit, deadline).await?;
        let page: Page = serde_json::from_slice(&body).map_err(|_| Error::NotARegistry {
            host: session.host(),
            what: "no tag list".into(),
        })?;
        tags.extend(page.tags.unwrap_or_default());
        if tags.len() > TAGS_MAX {
            return Err(over(TAGS_MAX, "TAGS_MAX"));
        }
        let Some(next) = next_page(&headers, &ask.url) else { return Ok(tags) };
        if !same_origin(&next, &session.base) {
            let what = "its tag list goes on at another host".into();
            return Err(Error::RedirectRefused { host: session.host(), what });
        }
        ask.url = next;
    }
    Err(over(TAG_PAGES_MAX, "TAG_PAGES_MAX"))
}

/// The target of `Link: <…>; rel="next"` (RFC 8288).
fn next_page(headers: &HeaderMap, current: &Url) -> Option<Url> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(|value| {
        let (target, params) = value.trim().strip_prefix('<')?.split_once('>')?;
        let next = params.split(';').any(|param| {
            param.trim().strip_prefix("rel=").is_some_and(|rel| rel.trim_matches('"') == "next")
        });
        if next { current.join(target).ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found() {
        let check = |link: &str, expect: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(LINK, link.parse().unwrap());
            let current = Url::parse("https://q.io/v2/a/tags/list?n=2").unwrap();
            let next = next_page(&headers, &current).map(String::from);
            assert_eq!(next.as_deref(), expect, "{link}");
        };
        let next = Some("https://q.io/v2/a/tags/list?last=b&n=2");
        check(r#"</v2/a/tags/list?last=b&n=2>; rel="next""#, next);
        check("</v2/a/tags/list?last=b&n=2>;rel=next", next);
        check(r#"</x>; rel="prev""#, None);
        check("nonsense", None);
    }
}
