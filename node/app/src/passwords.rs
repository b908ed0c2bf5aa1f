//! Passwords: argon2id in bounded numbers, the same work whether or not a user exists, and a
//! memory of recent successes so that basic authentication does not hash on every request.

use crate::error::{AppError, seconds};
use crate::limits::{
    LOGIN_REMEMBERED, LOGINS_REMEMBERED_MAX, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MAX,
    PASSWORD_CHARS_MIN, PASSWORD_WAIT, PASSWORDS_WAITING_MAX,
};
use crate::throttle::{Begin, InFlight, Source, Throttle};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// What stands in place of a hash when a user has no password. No password verifies against it.
pub const NO_PASSWORD: &str = "!";

/// Bytes of a salt: what the PHC string format recommends.
const SALT_BYTES: usize = 16;

/// Verified when there is no such user or no password, with the parameters of [`hash_password`].
/// The hash is random bytes, so nothing has it.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
    Zt1S0mQk2m3c5m0mJv0b5w$Yb8m2k5Qx0h1nXcJ8r6wq3pT9uVzAeLfGsDiKoRtNcM";

/// Hashes a password for storing: argon2id with 19 MiB, two passes, one lane (OWASP's second
/// profile), as a PHC string. Takes tens of milliseconds: not for a runtime thread.
///
/// # Errors
/// When the system gives no random salt.
pub fn hash_password(password: &str) -> Result<String, AppError> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt)
        .map_err(|error| AppError::internal(format!("no random bytes: {error}")))?;
    Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map(|hash: PasswordHash| hash.to_string())
        .map_err(|error| AppError::internal(format!("password hash: {error}")))
}

/// Refuses what may not become a password.
///
/// # Errors
/// When it is shorter or longer than the contract allows.
pub fn check_password(password: &str) -> Result<(), AppError> {
    let count = password.chars().take(PASSWORD_CHARS_MAX + 1).count();
    if (PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&count) {
        return Ok(());
    }
    Err(AppError::invalid(format!(
        "password must have {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"
    )))
}

fn verify(password: &[u8], stored: &str) -> bool {
    match PasswordHash::new(stored) {
        Ok(hash) => Argon2::default().verify_password(password, &hash).is_ok(),
        Err(_) => false,
    }
}

struct Remembered {
    tag: [u8; 32],
    until: Instant,
}

/// Checks passwords for one node.
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Keys the memory of successes, so that what is in it is of no use elsewhere.
    key: [u8; 32],
    remembered: Mutex<HashMap<String, Remembered>>,
    throttle: Arc<Throttle>,
}

impl Passwords {
    pub(crate) fn new() -> Result<Self, AppError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)
            .map_err(|error| AppError::internal(format!("no random bytes: {error}")))?;
        // Half of the processors: logins must not starve everything else.
        let count = std::thread::available_parallelism().map_or(1, |count| count.get() / 2).max(1);
        Ok(Self {
            permits: Arc::new(Semaphore::new(count)),
            waiting: AtomicUsize::new(0),
            key,
            remembered: Mutex::default(),
            throttle: Arc::default(),
        })
    }

    /// Whether `password` is the one whose hash is `stored` (`None`: no such user).
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`] when it is not, [`AppError::Throttled`] after too many
    /// failures, [`AppError::Busy`] when too many checks wait.
    pub(crate) async fn check(
        &self,
        user: &str,
        password: &str,
        stored: Option<&str>,
        source: Source,
    ) -> Result<(), AppError> {
        let tag = stored.map(|stored| self.tag(user, password, stored));
        let Some(flight) = self.begin(user, tag.as_ref(), source).await? else { return Ok(()) };
        let now = Instant::now();
        let right = if password.len() <= PASSWORD_BYTES_MAX {
            self.hash_matches(password, stored, flight).await?
        } else {
            flight.ended(false, now);
            false
        };
        if !right {
            return Err(AppError::Unauthenticated);
        }
        if let Some(tag) = tag {
            self.remember(user, tag, now + LOGIN_REMEMBERED);
        }
        Ok(())
    }

    /// Waits until a password may be checked. `None`: a login like this one is remembered.
    async fn begin(
        &self,
        user: &str,
        tag: Option<&[u8; 32]>,
        source: Source,
    ) -> Result<Option<InFlight>, AppError> {
        let busy = || AppError::Busy { retry_after_s: seconds(PASSWORD_WAIT) };
        let deadline = Instant::now() + PASSWORD_WAIT;
        let mut waiting = None;
        loop {
            let freed = self.throttle.freed();
            let now = Instant::now();
            if tag.is_some_and(|tag| self.is_remembered(user, tag, now)) {
                return Ok(None);
            }
            match self.throttle.begin(user, source, now) {
                Begin::Go(flight) => return Ok(Some(flight)),
                Begin::Pause(pause) => {
                    return Err(AppError::Throttled { retry_after_s: seconds(pause) });
                }
                Begin::Full => {}
            }
            if waiting.is_none() {
                waiting = Some(self.throttle.wait(source).ok_or_else(busy)?);
            }
            tokio::time::timeout_at(deadline, freed).await.map_err(|_| busy())?;
        }
    }

    /// Hashes a new password off the runtime's threads, in its turn.
    pub(crate) async fn hash(&self, password: String) -> Result<String, AppError> {
        check_password(&password)?;
        self.in_turn(move || hash_password(&password)).await?
    }

    async fn hash_matches(
        &self,
        password: &str,
        stored: Option<&str>,
        flight: InFlight,
    ) -> Result<bool, AppError> {
        let usable = stored.filter(|stored| *stored != NO_PASSWORD);
        let (password, exists) = (password.as_bytes().to_vec(), usable.is_some());
        let stored = usable.unwrap_or(NOBODY).to_owned();
        // Counted where it is checked: who hangs up before the answer has guessed all the same.
        let check = move || {
            let right = verify(&password, &stored) && exists;
            flight.ended(right, Instant::now());
            right
        };
        self.in_turn(check).await
    }

    async fn in_turn<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, AppError> {
        let busy = || AppError::Busy { retry_after_s: seconds(PASSWORD_WAIT) };
        let place = Place::take(&self.waiting).ok_or_else(busy)?;
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = match tokio::time::timeout(PASSWORD_WAIT, permit).await {
            Ok(permit) => permit.expect("the semaphore is never closed"),
            Err(_) => return Err(busy()),
        };
        drop(place);
        // The permit goes with the work: a caller that goes away must not let another one in.
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(|error| AppError::internal(format!("password check: {error}")))
    }

    fn tag(&self, user: &str, password: &str, stored: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.key);
        for part in [user, stored, password] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().into()
    }

    fn is_remembered(&self, user: &str, tag: &[u8; 32], now: Instant) -> bool {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(user).is_some_and(|known| now < known.until && known.tag.ct_eq(tag).into())
    }

    fn remember(&self, user: &str, tag: [u8; 32], until: Instant) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= LOGINS_REMEMBERED_MAX {
            let now = Instant::now();
            remembered.retain(|_, known| now < known.until);
        }
        if remembered.len() < LOGINS_REMEMBERED_MAX {
            remembered.insert(user.to_owned(), Remembered { tag, until });
        }
    }
}

/// A place in the queue of logins.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        // Dropping the place gives it back in either case.
        (before < PASSWORDS_WAITING_MAX).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{Future as _, poll_fn};
    use std::task::Poll;

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(check_password("12345").is_err());
        assert!(check_password("123456").is_ok());
        assert!(check_password(&"ä".repeat(128)).is_ok());
        assert!(check_password(&"ä".repeat(129)).is_err());
    }

    #[test]
    fn nobody_has_the_parameters_of_everybody() {
        let real = hash_password("secret").unwrap();
        let parameters = |text: &str| text.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(parameters(&real), parameters(NOBODY));
        assert!(PasswordHash::new(NOBODY).is_ok(), "the same work is done for it");
        assert!(!verify(b"", NOBODY));
    }

    #[tokio::test]
    async fn right_wrong_unknown_and_absent_passwords() {
        let passwords = Passwords::new().unwrap();
        let stored = hash_password("secret").unwrap();
        let check = |user, password, stored| passwords.check(user, password, stored, None);
        assert!(check("bob", "secret", Some(stored.as_str())).await.is_ok());
        assert!(check("bob", "secreT", Some(stored.as_str())).await.is_err());
        assert!(check("eve", "secret", None).await.is_err());
        assert!(check("amy", NO_PASSWORD, Some(NO_PASSWORD)).await.is_err());
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        assert!(check("bob", &long, Some(stored.as_str())).await.is_err());
    }

    #[tokio::test]
    async fn a_remembered_login_ends_with_its_password() {
        let passwords = Passwords::new().unwrap();
        let (old, new) = (hash_password("secret").unwrap(), hash_password("other1").unwrap());
        passwords.check("bob", "secret", Some(&old), None).await.unwrap();
        let tag = passwords.tag("bob", "secret", &old);
        assert!(passwords.is_remembered("bob", &tag, Instant::now()));
        let later = Instant::now() + LOGIN_REMEMBERED;
        assert!(!passwords.is_remembered("bob", &tag, later));
        assert!(passwords.check("bob", "secret", Some(&new), None).await.is_err());
    }

    // Time stands still, so that no pause ends while the hashes are made.
    #[tokio::test(start_paused = true)]
    async fn a_burst_of_guesses_is_slowed_and_a_burst_of_right_logins_is_not() {
        let passwords = Arc::new(Passwords::new().unwrap());
        let stored = hash_password("secret").unwrap();
        let burst = async |user: &'static str, password: &'static str, count: usize| {
            let one = || {
                let (passwords, stored) = (Arc::clone(&passwords), stored.clone());
                tokio::spawn(
                    async move { passwords.check(user, password, Some(&stored), None).await },
                )
            };
            let tasks: Vec<_> = (0..count).map(|_| one()).collect();
            let mut answers = Vec::new();
            for task in tasks {
                answers.push(task.await.unwrap());
            }
            answers
        };
        let guesses = burst("bob", "guess", 40).await;
        let wrong = |answer: &&_| matches!(answer, Err(AppError::Unauthenticated));
        let free = crate::limits::FAILURES_FREE_PAIR + crate::limits::PASSWORDS_IN_FLIGHT_PAIR;
        let wrong_count = guesses.iter().filter(wrong).count();
        assert!((1..=free as usize).contains(&wrong_count), "{guesses:?}");
        let logins = burst("amy", "secret", 20).await;
        assert!(logins.iter().all(Result::is_ok), "{logins:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_hangs_up_has_guessed_all_the_same() {
        let passwords = Passwords::new().unwrap();
        let stored = hash_password("secret").unwrap();
        let permits_count = u32::try_from(passwords.permits.available_permits()).unwrap();
        for _ in 0..=crate::limits::FAILURES_FREE_PAIR {
            let mut check = Box::pin(passwords.check("bob", "guess", Some(&stored), None));
            // Once: the hash is being made when it is dropped.
            let _ = poll_fn(|context| Poll::Ready(check.as_mut().poll(context))).await;
            drop(check);
            // The permits come back when the hash is made.
            let _ = passwords.permits.acquire_many(permits_count).await.unwrap();
        }
        let answer = passwords.check("bob", "guess", Some(&stored), None).await;
        assert!(matches!(answer, Err(AppError::Throttled { .. })), "{answer:?}");
    }

    #[tokio::test]
    async fn guessing_is_slowed_but_a_remembered_login_is_not() {
        let passwords = Passwords::new().unwrap();
        let stored = hash_password("secret").unwrap();
        passwords.check("bob", "secret", Some(&stored), None).await.unwrap();
        let mut throttled = false;
        for _ in 0..=crate::limits::FAILURES_FREE_PAIR + 1 {
            let answer = passwords.check("bob", "guess", Some(&stored), None).await;
            throttled |= matches!(answer, Err(AppError::Throttled { .. }));
        }
        assert!(throttled);
        assert!(passwords.check("bob", "secret", Some(&stored), None).await.is_ok());
    }
}
