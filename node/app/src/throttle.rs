//! Slowing down whoever guesses passwords, without locking anybody out for long.
//!
//! Three counts: a user from one source, a user from everywhere, a source for everybody. Only the
//! first leads to long pauses, because strangers can run up the other two; a source from which the
//! user logged in lately is exempt from the second.

use crate::limits::{
    FAILURE_PAUSE_MAX_PAIR, FAILURE_PAUSE_MAX_WIDE, FAILURE_PAUSE_MIN, FAILURE_ROWS_MAX,
    FAILURES_FREE_PAIR, FAILURES_FREE_SOURCE, FAILURES_FREE_USER, FAILURES_REMEMBERED,
    SOURCE_KNOWN,
};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Where a login comes from, when the face knows.
pub(crate) type Source = Option<IpAddr>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Count {
    Pair(String, Source),
    User(String),
    Source(Source),
}

#[derive(Debug, Clone, Copy)]
struct Row {
    failures: u32,
    last: Instant,
    until: Instant,
}

#[derive(Debug, Default)]
struct Tables {
    failures: HashMap<Count, Row>,
    known: HashMap<(String, Source), Instant>,
}

/// The counts of one node.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Tables>);

impl Count {
    fn free(&self) -> u32 {
        match self {
            Self::Pair(..) => FAILURES_FREE_PAIR,
            Self::User(_) => FAILURES_FREE_USER,
            Self::Source(_) => FAILURES_FREE_SOURCE,
        }
    }

    fn pause_max(&self) -> Duration {
        match self {
            Self::Pair(..) => FAILURE_PAUSE_MAX_PAIR,
            Self::User(_) | Self::Source(_) => FAILURE_PAUSE_MAX_WIDE,
        }
    }
}

fn counts(user: &str, source: Source) -> [Count; 3] {
    let user = user.to_owned();
    [Count::Pair(user.clone(), source), Count::User(user), Count::Source(source)]
}

/// Makes room for one more entry: the one touched longest ago goes.
fn make_room<K: Clone + Eq + Hash, V>(table: &mut HashMap<K, V>, touched: impl Fn(&V) -> Instant) {
    if table.len() < FAILURE_ROWS_MAX {
        return;
    }
    let oldest = table.iter().min_by_key(|(_, value)| touched(value)).map(|(key, _)| key.clone());
    if let Some(oldest) = oldest {
        table.remove(&oldest);
    }
}

impl Throttle {
    fn tables(&self) -> std::sync::MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long this login must still wait; `None` when it may go on.
    pub(crate) fn pause(&self, user: &str, source: Source, now: Instant) -> Option<Duration> {
        let tables = self.tables();
        let known = tables
            .known
            .get(&(user.to_owned(), source))
            .is_some_and(|at| now.duration_since(*at) < SOURCE_KNOWN);
        counts(user, source)
            .iter()
            .filter(|count| !(known && matches!(count, Count::User(_))))
            .filter_map(|count| tables.failures.get(count))
            .map(|row| row.until.saturating_duration_since(now))
            .max()
            .filter(|pause| !pause.is_zero())
    }

    /// A wrong password.
    pub(crate) fn failed(&self, user: &str, source: Source, now: Instant) {
        let mut tables = self.tables();
        for count in counts(user, source) {
            if !tables.failures.contains_key(&count) {
                make_room(&mut tables.failures, |row| row.last);
            }
            let fresh = Row { failures: 0, last: now, until: now };
            let row = tables.failures.entry(count.clone()).or_insert(fresh);
            if now.duration_since(row.last) > FAILURES_REMEMBERED {
                *row = fresh;
            }
            row.failures = row.failures.saturating_add(1);
            row.last = now;
            if let Some(over) = row.failures.checked_sub(count.free() + 1) {
                let pause = FAILURE_PAUSE_MIN.saturating_mul(1 << over.min(16));
                row.until = now + pause.min(count.pause_max());
            }
        }
    }

    /// A right password: this source is the user's.
    pub(crate) fn succeeded(&self, user: &str, source: Source, now: Instant) {
        let mut tables = self.tables();
        tables.failures.remove(&Count::Pair(user.to_owned(), source));
        let key = (user.to_owned(), source);
        if !tables.known.contains_key(&key) {
            make_room(&mut tables.known, |at| *at);
        }
        tables.known.insert(key, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> Source {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    #[test]
    fn guessing_from_one_source_gets_slower_and_slower() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..FAILURES_FREE_PAIR {
            throttle.failed("bob", ip(1), now);
            assert_eq!(throttle.pause("bob", ip(1), now), None);
        }
        throttle.failed("bob", ip(1), now);
        assert_eq!(throttle.pause("bob", ip(1), now), Some(FAILURE_PAUSE_MIN));
        throttle.failed("bob", ip(1), now);
        assert_eq!(throttle.pause("bob", ip(1), now), Some(FAILURE_PAUSE_MIN * 2));
        assert_eq!(throttle.pause("bob", ip(2), now), None, "another source is not slowed");
        assert_eq!(throttle.pause("eve", ip(1), now), None, "another user is not slowed");
        for _ in 0..40 {
            throttle.failed("bob", ip(1), now);
        }
        assert_eq!(throttle.pause("bob", ip(1), now), Some(FAILURE_PAUSE_MAX_PAIR));
        let later = now + FAILURE_PAUSE_MAX_PAIR;
        assert_eq!(throttle.pause("bob", ip(1), later), None, "nobody is locked out for good");
    }

    #[test]
    fn a_known_source_is_not_slowed_by_strangers() {
        let throttle = Throttle::default();
        let now = Instant::now();
        throttle.succeeded("bob", ip(9), now);
        for number in 0..=200 {
            throttle.failed("bob", ip(100 + number % 50), now);
        }
        assert_eq!(throttle.pause("bob", ip(9), now), None);
        assert_eq!(throttle.pause("bob", ip(8), now), Some(FAILURE_PAUSE_MAX_WIDE));
    }

    #[test]
    fn failures_are_forgotten_and_a_success_clears_them() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..10 {
            throttle.failed("bob", ip(1), now);
        }
        throttle.succeeded("bob", ip(1), now);
        assert_eq!(throttle.pause("bob", ip(1), now), None);
        for _ in 0..10 {
            throttle.failed("bob", ip(1), now);
        }
        let later = now + FAILURES_REMEMBERED + Duration::from_secs(1);
        throttle.failed("bob", ip(1), later);
        assert_eq!(throttle.pause("bob", ip(1), later), None);
    }

    #[test]
    fn the_table_is_bounded() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for number in 0..FAILURE_ROWS_MAX + 500 {
            throttle.failed(&format!("user-{number}"), None, now);
        }
        assert!(throttle.tables().failures.len() <= FAILURE_ROWS_MAX);
    }
}
