//! Waiting with a limit that costs nothing where nothing is waited for, and hardly anything where little is.
//!
//! A timer of its own for every request would be set and taken away thousands of times a second without ever ringing,
//! and setting one that rings before all others wakes the thread by a system call. So timers are kept: one that rings
//! too early for whoever has it now is set anew then, which happens a few times a second and not for every request.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, Sleep, sleep_until};

/// How many timers a thread keeps.
const KEPT: usize = 256;

/// A timer and the runtime that it belongs to.
type Timer = (Id, Pin<Box<Sleep>>);

thread_local! {
    /// Timers that nobody has. Never borrowed while anything else runs.
    static RESTING: RefCell<Vec<Timer>> = const { RefCell::new(Vec::new()) };
}

/// The outcome of `work`, or `None` if it is not there when `due` says. `due` is asked once it turns out that there is
/// something to wait for. What is late is not dropped but left to the caller.
pub(crate) async fn within<F>(mut work: Pin<&mut F>, due: impl FnOnce() -> Instant) -> Option<F::Output>
where
    F: Future,
{
    let mut due = Some(due);
    let mut alarm: Option<Alarm> = None;
    std::future::poll_fn(move |context| {
        if let Poll::Ready(outcome) = work.as_mut().poll(context) {
            return Poll::Ready(Some(outcome));
        }
        if let Some(due) = due.take() {
            alarm = Some(Alarm::set(due()));
        }
        match &mut alarm {
            Some(alarm) => alarm.poll(context).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}

/// A timer in use; it is kept when this is dropped.
struct Alarm {
    due: Instant,
    timer: Option<Timer>,
}

impl Alarm {
    fn set(due: Instant) -> Self {
        let runtime = Handle::current().id();
        let kept = RESTING.with_borrow_mut(Vec::pop);
        // One of another runtime (tests have several on a thread) may have ended with it.
        let timer = match kept.filter(|(owner, _)| *owner == runtime) {
            Some((_, mut sleep)) => {
                if sleep.is_elapsed() || sleep.deadline() > due {
                    sleep.as_mut().reset(due);
                }
                sleep
            }
            None => Box::pin(sleep_until(due)),
        };
        Self {
            due,
            timer: Some((runtime, timer)),
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some((_, sleep)) = &mut self.timer else {
            return Poll::Ready(());
        };
        while sleep.as_mut().poll(context).is_ready() {
            if sleep.deadline() >= self.due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(self.due);
        }
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let Some(timer) = self.timer.take() else { return };
        // At the end of a thread there is nothing to keep it in.
        let _ = RESTING.try_with(|resting| {
            let mut resting = resting.borrow_mut();
            if resting.len() < KEPT {
                resting.push(timer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::time::Duration;

    use super::*;

    async fn waits(millis: u64) -> Duration {
        let begun = Instant::now();
        let limit = Duration::from_millis(millis);
        assert_eq!(within(pin!(pending::<()>()), || begun + limit).await, None);
        begun.elapsed()
    }

    #[tokio::test]
    async fn what_is_there_is_not_waited_for() {
        let due = || panic!("nobody has to know");
        assert_eq!(within(pin!(ready(7)), due).await, Some(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_kept_to_whatever_the_timer_was_set_to_before() {
        for millis in [250, 60_000, 100, 100, 5, 3_000] {
            let quick = pin!(tokio::time::sleep(Duration::from_millis(2)));
            let due = Instant::now() + Duration::from_millis(millis);
            assert_eq!(within(quick, || due).await, Some(()));
            let waited = waits(millis).await;
            let late = waited.saturating_sub(Duration::from_millis(millis));
            assert!(
                waited >= Duration::from_millis(millis) && late < Duration::from_millis(2),
                "{waited:?}"
            );
        }
    }

    #[test]
    fn a_timer_does_not_outlive_its_runtime() {
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            runtime.block_on(async { assert!(waits(1).await >= Duration::from_millis(1)) });
        }
    }
}
