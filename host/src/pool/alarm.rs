//! The alarm: one timer for everything in a pool that ends by itself (rests, open breakers, deferred listings).

use parking_lot::Mutex;
use plugin_api::contract::time::Tick;
use tokio::sync::Notify;

use super::clock::Clock;

/// The next moment at which something ends by itself. Set from any thread; one task waits for it.
///
/// It remembers the earliest moment only: whoever is woken looks at everything and sets it anew. That is
/// simpler than a heap of timers, and troubles are few.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    at: Mutex<Option<Tick>>,
    changed: Notify,
}

impl Alarm {
    /// Rings at `at` at the latest.
    pub(super) fn set(&self, at: Tick) {
        let mut next = self.at.lock();
        if next.is_none_or(|next| at < next) {
            *next = Some(at);
            drop(next);
            self.changed.notify_one();
        }
    }

    /// Resolves when it rings, and forgets that moment. Cancel safe.
    pub(super) async fn ring(&self, clock: Clock) {
        loop {
            let next = *self.at.lock();
            match next {
                Some(at) if at <= clock.now() => {
                    let mut next = self.at.lock();
                    if *next == Some(at) {
                        *next = None;
                    }
                    return;
                }
                Some(at) => {
                    tokio::select! {
                        () = clock.sleep_until(at) => {}
                        () = self.changed.notified() => {}
                    }
                }
                None => self.changed.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Alarm, Clock};

    #[tokio::test(start_paused = true)]
    async fn the_earliest_moment_counts_whichever_was_set_first() {
        let (alarm, clock) = (Arc::new(Alarm::default()), Clock::simulated());
        let start = clock.now();
        alarm.set(start.after(Duration::from_secs(10)));
        let waiting = tokio::spawn({
            let alarm = alarm.clone();
            async move {
                alarm.ring(clock).await;
                clock.now().since(start)
            }
        });
        tokio::task::yield_now().await;
        alarm.set(start.after(Duration::from_secs(3)));
        alarm.set(start.after(Duration::from_secs(30)));
        let waited = waiting.await.unwrap();
        assert!(
            waited >= Duration::from_secs(3) && waited < Duration::from_secs(4),
            "{waited:?}"
        );
    }
}
