//! Slowing down whoever guesses passwords, without locking anybody out for long.
//!
//! Three counts: a user from one source, a user from everywhere, a source for everybody. Only the
//! first leads to long pauses, because strangers can run up the other two; a source from which the
//! user logged in lately is exempt from the second.
//!
//! A password in flight is no failure yet, so how many may be is bounded too, in the same lock:
//! otherwise a burst would be let through before the first of it is counted.

use crate::limits::{
    FAILURE_PAUSE_MAX_PAIR, FAILURE_PAUSE_MAX_WIDE, FAILURE_PAUSE_MIN, FAILURE_ROWS_MAX,
    FAILURES_FREE_PAIR, FAILURES_FREE_SOURCE, FAILURES_FREE_USER, FAILURES_REMEMBERED,
    PASSWORDS_IN_FLIGHT_PAIR, PASSWORDS_IN_FLIGHT_SOURCE, PASSWORDS_WAITING_SOURCE, SOURCE_KNOWN,
};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

/// Where a login comes from, when the face knows.
pub(crate) type Source = Option<IpAddr>;

/// The part of an address that one who guesses cannot change at will: of IPv6 the first 64 bits,
/// because a single machine is given all addresses behind them (RFC 4291, section 2.5.4).
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let host = u128::from(u64::MAX);
            Ipv6Addr::from_bits(address.to_bits() & !host).into()
        }
    }
}

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
    pairs: InUse<(String, Source)>,
    sources: InUse<Source>,
    waiting: InUse<Source>,
}

/// How often each key is in use. Keys that are not have no entry.
#[derive(Debug)]
struct InUse<K>(HashMap<K, u32>);

impl<K> Default for InUse<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> InUse<K> {
    fn has_room(&self, key: &K, max: u32) -> bool {
        self.0.get(key).is_none_or(|count| *count < max)
    }

    fn take(&mut self, key: K) {
        *self.0.entry(key).or_default() += 1;
    }

    fn give_back(&mut self, key: &K) {
        if let Some(count) = self.0.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(key);
            }
        }
    }
}

/// The counts of one node.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    tables: Mutex<Tables>,
    freed: Notify,
}

/// Whether a password may be checked now.
#[derive(Debug)]
pub(crate) enum Begin {
    /// Yes.
    Go(InFlight),
    /// Not before this has passed.
    Pause(Duration),
    /// Not before an earlier one is checked; see [`Throttle::freed`].
    Full,
}

/// A password being checked. It is in flight until this is dropped, so it goes where the work goes.
#[derive(Debug)]
pub(crate) struct InFlight {
    throttle: Arc<Throttle>,
    user: String,
    source: Source,
}

impl InFlight {
    /// The password was right or wrong. Counted before it stops being in flight.
    pub(crate) fn ended(self, right: bool, now: Instant) {
        if right {
            self.throttle.succeeded(&self.user, self.source, now);
        } else {
            self.throttle.failed(&self.user, self.source, now);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut tables = self.throttle.tables();
        tables.sources.give_back(&self.source);
        tables.pairs.give_back(&(std::mem::take(&mut self.user), self.source));
        drop(tables);
        self.throttle.freed.notify_waiters();
    }
}

/// A login that waits for another one of its source.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    throttle: &'a Throttle,
    source: Source,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.throttle.tables().waiting.give_back(&self.source);
    }
}

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

impl Tables {
    /// How long this login must still wait; `None` when it may go on.
    fn pause(&self, user: &str, source: Source, now: Instant) -> Option<Duration> {
        let known = self
            .known
            .get(&(user.to_owned(), source))
            .is_some_and(|at| now.duration_since(*at) < SOURCE_KNOWN);
        counts(user, source)
            .iter()
            .filter(|count| !(known && matches!(count, Count::User(_))))
            .filter_map(|count| self.failures.get(count))
            .map(|row| row.until.saturating_duration_since(now))
            .max()
            .filter(|pause| !pause.is_zero())
    }
}

impl Throttle {
    fn tables(&self) -> std::sync::MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the check of a password, if it may begin now.
    pub(crate) fn begin(self: &Arc<Self>, user: &str, source: Source, now: Instant) -> Begin {
        let mut tables = self.tables();
        if let Some(pause) = tables.pause(user, source, now) {
            return Begin::Pause(pause);
        }
        let pair = (user.to_owned(), source);
        if !tables.sources.has_room(&source, PASSWORDS_IN_FLIGHT_SOURCE)
            || !tables.pairs.has_room(&pair, PASSWORDS_IN_FLIGHT_PAIR)
        {
            return Begin::Full;
        }
        tables.sources.take(source);
        tables.pairs.take(pair);
        drop(tables);
        Begin::Go(InFlight { throttle: Arc::clone(self), user: user.to_owned(), source })
    }

    /// Takes a place among the logins of a source that wait; `None` when too many do.
    pub(crate) fn wait(&self, source: Source) -> Option<Waiting<'_>> {
        let mut tables = self.tables();
        if !tables.waiting.has_room(&source, PASSWORDS_WAITING_SOURCE) {
            return None;
        }
        tables.waiting.take(source);
        Some(Waiting { throttle: self, source })
    }

    /// Ends when a password stops being in flight. Made (not awaited) before [`Throttle::begin`],
    /// it misses none.
    pub(crate) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    /// A wrong password.
    fn failed(&self, user: &str, source: Source, now: Instant) {
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
    fn succeeded(&self, user: &str, source: Source, now: Instant) {
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

    impl Throttle {
        fn pause(&self, user: &str, source: Source, now: Instant) -> Option<Duration> {
            self.tables().pause(user, source, now)
        }
    }

    #[test]
    fn a_burst_is_not_let_through_before_its_failures_count() {
        let throttle = Arc::new(Throttle::default());
        let now = Instant::now();
        let mut flights = Vec::new();
        for _ in 0..100 {
            match throttle.begin("bob", ip(1), now) {
                Begin::Go(flight) => flights.push(flight),
                Begin::Full => {}
                Begin::Pause(_) => panic!("nothing failed yet"),
            }
        }
        assert_eq!(flights.len(), PASSWORDS_IN_FLIGHT_PAIR as usize);
        let mut checked = 0;
        for _ in 0..100 {
            if let Some(flight) = flights.pop() {
                flight.ended(false, now);
                checked += 1;
            }
            if let Begin::Go(flight) = throttle.begin("bob", ip(1), now) {
                flights.push(flight);
            }
        }
        // What was in flight when the pause began is checked, nothing beyond it.
        assert!(checked <= FAILURES_FREE_PAIR + PASSWORDS_IN_FLIGHT_PAIR, "{checked}");
        assert!(matches!(throttle.begin("bob", ip(1), now), Begin::Pause(_)));
    }

    #[test]
    fn one_source_has_a_share_and_leaves_nothing_behind() {
        let throttle = Arc::new(Throttle::default());
        let now = Instant::now();
        let begin = |number: u32, source| throttle.begin(&format!("user-{number}"), source, now);
        let flights: Vec<Begin> = (0..50).map(|number| begin(number, ip(1))).collect();
        let going = flights.iter().filter(|begun| matches!(begun, Begin::Go(_))).count();
        assert_eq!(going, PASSWORDS_IN_FLIGHT_SOURCE as usize);
        assert!(matches!(begin(1, ip(2)), Begin::Go(_)), "others are not kept waiting");
        let waiting: Vec<_> = (0..PASSWORDS_WAITING_SOURCE).map(|_| throttle.wait(ip(1))).collect();
        assert!(waiting.iter().all(Option::is_some) && throttle.wait(ip(1)).is_none());
        assert!(throttle.wait(ip(2)).is_some());
        drop((flights, waiting));
        let tables = throttle.tables();
        assert!(tables.pairs.0.is_empty() && tables.sources.0.is_empty());
        assert!(tables.waiting.0.is_empty());
    }

    #[test]
    fn all_addresses_of_one_machine_are_one_source() {
        let same = |one: &str, other: &str| {
            network(one.parse().unwrap()) == network(other.parse().unwrap())
        };
        assert!(same("2001:db8:0:1::1", "2001:db8:0:1:ffff::"));
        assert!(!same("2001:db8:0:1::1", "2001:db8:0:2::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!same("10.0.0.1", "10.0.0.2"));
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
