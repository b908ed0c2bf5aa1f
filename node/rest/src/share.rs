//! Shares of the room for requests: one tenant with slow requests must not take all of it.

use kedge_model::tokens::AccountName;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many requests of each account are being worked on. Accounts without any have no entry, so
/// there are never more entries than requests.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    max: usize,
    held: Arc<Mutex<HashMap<AccountName, usize>>>,
}

/// A place in the share of an account, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shares: Shares,
    account: AccountName,
}

impl Shares {
    /// Every account may have this many requests at a time, at least one.
    pub(crate) fn new(max: usize) -> Self {
        Self { max: max.max(1), held: Arc::default() }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<AccountName, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a request of the account; `None` when its share is used up.
    pub(crate) fn take(&self, account: &AccountName) -> Option<Place> {
        let mut held = self.held();
        let count = held.entry(account.clone()).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        drop(held);
        Some(Place { shares: self.clone(), account: account.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.shares.held();
        if let Some(count) = held.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_do_not_take_each_others_share() {
        let shares = Shares::new(2);
        let (one, two) = (AccountName::from("one"), AccountName::from("two"));
        let places = [shares.take(&one), shares.take(&one)];
        assert!(places.iter().all(Option::is_some));
        assert!(shares.take(&one).is_none());
        assert!(shares.take(&two).is_some());
        drop(places);
        assert!(shares.held().is_empty(), "idle accounts take no memory");
        assert!(shares.take(&one).is_some());
        assert!(Shares::new(0).take(&one).is_some(), "a small room does not shut everybody out");
    }
}
