//! Events of an account.

use crate::App;
use crate::error::AppError;
use crate::identity::Identity;
use crate::limits::EVENTS_PAGE_MAX;
use crate::text::time;
use kedge_artifact::time::Timestamp;
use kedge_model::command::{Command, Response};
use kedge_model::event::{EventLevel, EventRecord};
use kedge_model::limits::PAGE_ROWS_MAX;
use kedge_model::rejection::{Rejection, RejectionCode};
use kedge_policy::pattern::wildcard;
use kedge_state::query;
use kedge_state::row::StateError;

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only of this service.
    pub service: Option<String>,
    /// Only of this node.
    pub node: Option<String>,
    /// Only types with this prefix; `*` stands for any text.
    pub kind: Option<String>,
    /// Only about this type of resource.
    pub resource_kind: Option<String>,
    /// Only about this resource.
    pub resource_id: Option<String>,
    /// `INFO` or `ERROR`, in any case.
    pub level: Option<String>,
    /// Only after this RFC 3339 time.
    pub since: Option<String>,
    /// Only before this RFC 3339 time.
    pub before: Option<String>,
}

/// A page of events, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// The events.
    pub events: Vec<EventRecord>,
    /// Which page, from 1.
    pub page: u32,
    /// Whether there are more.
    pub more: bool,
}

fn event_not_found() -> AppError {
    Rejection::new(RejectionCode::EventNotFound, "event not found").into()
}

/// A filter, read.
struct Wanted {
    filter: EventFilter,
    level: Option<EventLevel>,
    since: Option<Timestamp>,
    before: Option<Timestamp>,
}

impl Wanted {
    fn read(filter: EventFilter) -> Result<Self, AppError> {
        let level = filter.level.as_deref().map(|word| {
            [EventLevel::Info, EventLevel::Error]
                .into_iter()
                .find(|level| level.as_str().eq_ignore_ascii_case(word))
                .ok_or_else(|| AppError::invalid("level must be INFO or ERROR"))
        });
        let read_time = |name: &'static str, text: &Option<String>| {
            text.as_deref().map(|text| time(name, text)).transpose()
        };
        let since = read_time("since", &filter.since)?;
        let before = read_time("before", &filter.before)?;
        Ok(Self { level: level.transpose()?, since, before, filter })
    }

    fn keeps(&self, event: &EventRecord) -> bool {
        let is = |wanted: &Option<String>, text: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == text)
        };
        let kind = self.filter.kind.as_deref();
        is(&self.filter.service, &event.service)
            && is(&self.filter.node, &event.node.to_string())
            && kind.is_none_or(|kind| wildcard(&format!("{kind}*"), &event.kind))
            && is(&self.filter.resource_kind, &event.resource_kind)
            && is(&self.filter.resource_id, &event.resource_id)
            && self.level.is_none_or(|level| event.level == level)
            && self.since.is_none_or(|since| event.at > since)
            && self.before.is_none_or(|before| event.at < before)
    }
}

fn cut_page(events: Vec<EventRecord>, page: Option<u32>, limit: Option<u32>) -> EventPage {
    let page = page.unwrap_or(1).max(1);
    let limit = limit.map_or(EVENTS_PAGE_MAX, |limit| limit as usize).clamp(1, EVENTS_PAGE_MAX);
    let start = (page as usize - 1).saturating_mul(limit);
    let more = events.len() > start.saturating_add(limit);
    EventPage { events: events.into_iter().skip(start).take(limit).collect(), page, more }
}

impl App {
    /// Events of the account, newest first.
    ///
    /// # Errors
    /// 400 for a malformed filter, 403.
    pub async fn list_events(
        &self,
        who: &Identity,
        filter: EventFilter,
        page: Option<u32>,
        limit: Option<u32>,
    ) -> Result<EventPage, AppError> {
        self.allow(who, "listEvents")?;
        let wanted = Wanted::read(filter)?;
        Ok(cut_page(self.wanted_events(who, wanted).await?, page, limit))
    }

    async fn wanted_events(
        &self,
        who: &Identity,
        wanted: Wanted,
    ) -> Result<Vec<EventRecord>, AppError> {
        let account = who.account.clone();
        let events = self.read_blocking(move |handle| {
            let mut events = handle.read(|view| query::event::list(view, &account))?;
            events.retain(|event| wanted.keeps(event));
            Ok::<_, StateError>(events)
        });
        events.await
    }

    /// One event.
    ///
    /// # Errors
    /// 403, 404.
    pub async fn get_event(&self, who: &Identity, id: &str) -> Result<EventRecord, AppError> {
        self.allow(who, "getEvent")?;
        let found =
            self.handle().read_linearizable(|view| query::event::get(view, &who.account, id));
        found.await??.ok_or_else(event_not_found)
    }

    /// Removes one event.
    ///
    /// # Errors
    /// 403, 404.
    pub async fn delete_event(&self, who: &Identity, id: &str) -> Result<(), AppError> {
        self.allow(who, "deleteEvents")?;
        match self.remove_events(who, vec![id.to_owned()]).await?.is_empty() {
            true => Err(event_not_found()),
            false => Ok(()),
        }
    }

    /// Removes the events that fit, and answers their ids.
    ///
    /// # Errors
    /// 400 for a malformed filter, 403.
    pub async fn delete_events(
        &self,
        who: &Identity,
        filter: EventFilter,
    ) -> Result<Vec<String>, AppError> {
        self.allow(who, "deleteEvents")?;
        let wanted = Wanted::read(filter)?;
        let events = self.wanted_events(who, wanted).await?;
        let ids: Vec<String> = events.into_iter().map(|event| event.id).collect();
        let mut removed = Vec::with_capacity(ids.len());
        for batch in ids.chunks(PAGE_ROWS_MAX) {
            removed.extend(self.remove_events(who, batch.to_vec()).await?);
        }
        Ok(removed)
    }

    async fn remove_events(
        &self,
        who: &Identity,
        ids: Vec<String>,
    ) -> Result<Vec<String>, AppError> {
        let command = Command::DeleteEvents { account: who.account.clone(), ids };
        let answer = self.propose(who.caller(), command).await?;
        let Response::Removed(ids) = answer else {
            return Err(AppError::unexpected("removed events"));
        };
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kedge_model::tokens::NodeId;

    fn event(number: i64, kind: &str, level: EventLevel) -> EventRecord {
        EventRecord {
            id: format!("{number:016x}"),
            at: Timestamp(number * 1000),
            account: "a".into(),
            kind: kind.into(),
            level,
            resource_kind: "image_digest".into(),
            resource_id: "x".into(),
            message: String::new(),
            details: Vec::new(),
            service: "analyzer".into(),
            node: NodeId(1),
        }
    }

    fn kept(filter: EventFilter) -> Vec<i64> {
        let wanted = Wanted::read(filter).unwrap();
        [
            event(1, "user.image.analysis.completed", EventLevel::Info),
            event(2, "user.image.analysis.failed", EventLevel::Error),
            event(3, "system.feeds.sync.completed", EventLevel::Info),
        ]
        .iter()
        .filter(|event| wanted.keeps(event))
        .map(|event| event.at.0 / 1000)
        .collect()
    }

    #[test]
    fn filters() {
        assert_eq!(kept(EventFilter::default()), [1, 2, 3]);
        let with = |change: fn(&mut EventFilter)| {
            let mut filter = EventFilter::default();
            change(&mut filter);
            kept(filter)
        };
        assert_eq!(with(|f| f.kind = Some("user.image.".into())), [1, 2]);
        assert_eq!(with(|f| f.kind = Some("*.completed".into())), [1, 3]);
        assert_eq!(with(|f| f.level = Some("ERROR".into())), [2]);
        assert_eq!(with(|f| f.since = Some("1970-01-01T00:00:01Z".into())), [2, 3]);
        assert_eq!(with(|f| f.before = Some("1970-01-01T00:00:02Z".into())), [1]);
        assert_eq!(with(|f| f.node = Some("node-1".into())), [1, 2, 3]);
        assert_eq!(with(|f| f.node = Some("node-2".into())), [0; 0]);
        assert_eq!(with(|f| f.service = Some("catalog".into())), [0; 0]);
        let bad = EventFilter { level: Some("WARN".into()), ..Default::default() };
        assert!(Wanted::read(bad).is_err());
    }

    #[test]
    fn pages_are_bounded_and_say_whether_there_is_more() {
        let events = |count| (0..count).map(|n| event(n, "a.b.c", EventLevel::Info)).collect();
        let page = cut_page(events(250), None, None);
        assert_eq!((page.events.len(), page.page, page.more), (100, 1, true));
        let page = cut_page(events(250), Some(3), Some(1_000_000));
        assert_eq!((page.events.len(), page.more), (50, false));
        let page = cut_page(events(250), Some(u32::MAX), Some(0));
        assert_eq!((page.events.len(), page.more), (0, false));
        assert!(!cut_page(events(100), Some(0), None).more);
    }
}
