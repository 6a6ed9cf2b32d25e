//! Pulls that fail are not tried again at once: somebody has to do something first, and asking does not make that faster.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The pause after a first failure, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(10 * 60));

/// Above so many images, those that nothing is known of are forgotten.
const MANY: usize = 64;

/// The images of one engine that were pulled, or are being pulled. The lock is never held across an await.
#[derive(Debug, Default)]
pub(crate) struct Pulls {
    by_image: Mutex<HashMap<String, Arc<Gate>>>,
}

/// One image.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Held while it is being pulled, so that nobody else does the same; and what came of it last if that was nothing.
    pub(super) failure: tokio::sync::Mutex<Option<Failure>>,
    /// How many pulls have ended well: whoever finds more than before has waited for one.
    successes: AtomicU64,
}

impl Gate {
    pub(super) fn successes(&self) -> u64 {
        self.successes.load(Ordering::Acquire)
    }

    pub(super) fn succeeded(&self) {
        self.successes.fetch_add(1, Ordering::Release);
    }
}

/// A pull that came to nothing.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    reason: String,
    /// How many in a row.
    times: u32,
    until: Instant,
}

impl Pulls {
    pub(super) fn gate(&self, image: &str) -> Arc<Gate> {
        let mut images = self.by_image.lock();
        if images.len() >= MANY {
            images.retain(|_, gate| gate.failure.try_lock().map_or(true, |failure| failure.is_some()));
        }
        images.entry(image.to_owned()).or_default().clone()
    }

    /// The next one who needs it tries at once: somebody says that things have changed.
    pub(crate) fn forgive(&self, image: &str) {
        self.by_image.lock().remove(image);
    }
}

impl Failure {
    /// The next one in a row.
    pub(super) fn new(before: Option<&Self>, reason: String) -> Self {
        let times = before.map_or(1, |before| before.times.saturating_add(1));
        let pause = PAUSE
            .0
            .saturating_mul(1_u32.checked_shl(times - 1).unwrap_or(u32::MAX));
        Self {
            reason,
            times,
            until: Instant::now() + pause.min(PAUSE.1),
        }
    }

    pub(super) fn is_first(&self) -> bool {
        self.times == 1
    }

    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// How long it still has to be waited; zero once it may be tried again.
    pub(super) fn rest(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_failure_in_a_row_rests_twice_as_long_up_to_ten_minutes() {
        let mut last: Option<Failure> = None;
        let mut rests = Vec::new();
        for _ in 0..8 {
            let next = Failure::new(last.as_ref(), "no such host".to_owned());
            rests.push(next.rest().as_secs());
            last = Some(next);
        }
        assert_eq!(rests, [10, 20, 40, 80, 160, 320, 600, 600]);
        tokio::time::advance(Duration::from_secs(601)).await;
        assert_eq!(last.unwrap().rest(), Duration::ZERO);
    }

    #[tokio::test]
    async fn what_rests_is_not_forgotten_for_want_of_room() {
        let pulls = Pulls::default();
        *pulls.gate("resting").failure.lock().await = Some(Failure::new(None, String::new()));
        for number in 0..10 * MANY {
            pulls.gate(&number.to_string());
        }
        assert!(pulls.gate("resting").failure.lock().await.is_some());
        assert!(pulls.by_image.lock().len() <= MANY + 1);
    }
}
