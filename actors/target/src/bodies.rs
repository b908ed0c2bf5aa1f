//! Turns at holding file bodies in memory.

use kedge_analyzer::image::budget::{Gate, Permit};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that are held, and who waits for some of them to be given back.
struct Bodies {
    max: u64,
    held: Mutex<u64>,
    freed: Condvar,
}

/// Leave to hold; given back on drop.
struct Leave {
    bodies: Arc<Bodies>,
    bytes: u64,
}

impl Bodies {
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        *self.bodies.lock() -= self.bytes;
        self.bodies.freed.notify_all();
    }
}

/// A gate through which at most `max` bytes go at one time; what is larger goes alone. Threads
/// wait at it until others, which hold leave and never wait for more, give theirs back.
pub(crate) fn gate(max: u64) -> Gate {
    let bodies = Arc::new(Bodies { max, held: Mutex::new(0), freed: Condvar::new() });
    Gate::new(move |bytes| -> Permit {
        let bytes = bytes.min(bodies.max);
        let mut held = bodies.lock();
        while *held + bytes > bodies.max {
            held = bodies.freed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        *held += bytes;
        drop(held);
        Box::new(Leave { bodies: bodies.clone(), bytes })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    #[test]
    fn threads_never_hold_more_than_there_is() {
        let gate = gate(10);
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for wanted in [3, 4, 6, 10, 99] {
                let (gate, now, most) = (&gate, &now, &most);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let leave = gate.pass(wanted);
                        let bytes = wanted.min(10);
                        most.fetch_max(now.fetch_add(bytes, SeqCst) + bytes, SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(bytes, SeqCst);
                        drop(leave);
                    }
                });
            }
        });
        assert!((1..=10).contains(&most.load(SeqCst)));
    }
}
