//! The word that memory ran out in a box: it comes another way than that of the box's end, before it or a little after.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How long one waits for it once the engine has removed the box, and so has hardly anything left to say.
const AFTER_REMOVAL: Duration = Duration::from_millis(300);

/// How long one waits for it where the engine is slow to remove the box, or nobody hears that it has.
const AT_MOST: Duration = Duration::from_secs(2);

/// A box that is killed so soon after memory had run out in it was killed for that.
const COINCIDENCE: Duration = Duration::from_secs(2);

/// What an engine has said of a box.
#[derive(Debug)]
pub(super) struct Word {
    said: watch::Sender<Said>,
}

#[derive(Debug, Default)]
struct Said {
    /// How often memory ran out.
    ooms: u64,
    /// When it last did.
    last_oom: Option<Instant>,
    is_removed: bool,
}

impl Default for Word {
    fn default() -> Self {
        Self {
            said: watch::channel(Said::default()).0,
        }
    }
}

impl Word {
    /// Memory ran out at this time.
    pub(super) fn out_of_memory(&self, at: Instant) {
        self.said.send_modify(|said| {
            said.ooms += 1;
            said.last_oom = said.last_oom.max(Some(at));
        });
    }

    /// The engine has the box no more.
    pub(super) fn removed(&self) {
        self.said.send_modify(|said| said.is_removed = true);
    }

    /// How often memory ran out.
    pub(super) fn ooms(&self) -> u64 {
        self.said.borrow().ooms
    }

    /// Whether the box, which has just been killed, was so for want of memory; waits for the word where it may still come.
    pub(super) async fn is_memory(&self) -> bool {
        let killed = Instant::now();
        let is_it = |said: &Said| said.last_oom.is_some_and(|last| last + COINCIDENCE > killed);
        let mut said = self.said.subscribe();
        let waiting = async {
            // The sender is borrowed, hence there.
            let _ = said.wait_for(|said| is_it(said) || said.is_removed).await;
            let _ = tokio::time::timeout(AFTER_REMOVAL, said.wait_for(is_it)).await;
        };
        let _ = tokio::time::timeout(AT_MOST, waiting).await;
        is_it(&self.said.borrow())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it was memory, and how long that took to be known, where this is said so long after the end.
    async fn known(says: impl AsyncFnOnce(&Word), word: &Word) -> (bool, Duration) {
        let begun = Instant::now();
        let was = async {
            let was = word.is_memory().await;
            (was, begun.elapsed())
        };
        let (known, ()) = tokio::join!(was, says(word));
        known
    }

    async fn pass(milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }

    /// Simulated clocks go by whole milliseconds.
    fn about(took: Duration, milliseconds: u64) -> bool {
        let expected = Duration::from_millis(milliseconds);
        took >= expected && took < expected + Duration::from_millis(10)
    }

    #[tokio::test(start_paused = true)]
    async fn the_word_is_taken_whenever_it_comes_and_then_at_once() {
        let word = Word::default();
        word.out_of_memory(Instant::now());
        let (was, took) = known(async |_| {}, &word).await;
        assert!(was && about(took, 0), "{took:?}");

        let late = async |word: &Word| {
            pass(1500).await;
            word.out_of_memory(Instant::now());
        };
        let (was, took) = known(late, &Word::default()).await;
        assert!(was && about(took, 1500), "{took:?}");

        let after_removal = async |word: &Word| {
            word.removed();
            pass(200).await;
            word.out_of_memory(Instant::now());
        };
        let (was, took) = known(after_removal, &Word::default()).await;
        assert!(was && about(took, 200), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_word_that_does_not_come_is_not_waited_for_long() {
        let (was, took) = known(async |word| word.removed(), &Word::default()).await;
        assert!(!was && about(took, 300), "{took:?}");
        let (was, took) = known(async |_| {}, &Word::default()).await;
        assert!(!was && about(took, 2000), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn memory_that_ran_out_long_before_is_no_reason() {
        let word = Word::default();
        word.out_of_memory(Instant::now());
        pass(3000).await;
        let (was, _) = known(async |word| word.removed(), &word).await;
        assert!(!was);
        assert_eq!(word.ooms(), 1);
    }
}
