//! Plugin code that may never come back, on a thread that nobody waits for.
//!
//! Opening a library runs its constructors, and building a component runs its author's. Neither can be stopped
//! from outside, so neither may hold a thread that the host needs: a runtime's blocking threads are joined at
//! its end, these are not.

use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::refusal::Reason;

/// The longest name that the system keeps of a thread.
const MAX_THREAD_NAME: usize = 15;

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// It did not come back in time. Its thread lives on; what it returns later is dropped there.
    Late,
    /// It panicked on our side of the boundary.
    Panicked,
    /// The system gives us no more threads.
    NoThread(String),
}

impl NoAnswer {
    /// The same as the reason of a refusal.
    pub(super) fn reason(self, doing: &str, limit: Duration) -> Reason {
        let doing = doing.to_owned();
        match self {
            NoAnswer::Late => Reason::Stuck { doing, limit },
            NoAnswer::Panicked => Reason::Panicked {
                doing,
                message: "in the host's own code; the backtrace is in the log".to_owned(),
            },
            NoAnswer::NoThread(error) => Reason::NoThread { error },
        }
    }
}

/// Runs something on a thread of its own and waits for it so long.
///
/// Cancel safe in the way that matters here: dropping the future leaves the work to end by itself.
pub(super) async fn run<T: Send + 'static>(
    name: &str,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NoAnswer> {
    let (answer, answered) = oneshot::channel();
    let mut name = format!("new-{name}");
    name.truncate(MAX_THREAD_NAME);
    thread::Builder::new()
        .name(name)
        .spawn(move || {
            // Nobody may be listening any more; then the answer is dropped here.
            let _ = answer.send(work());
        })
        .map_err(|error| NoAnswer::NoThread(error.to_string()))?;
    match tokio::time::timeout(limit, answered).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(NoAnswer::Panicked),
        Err(_) => Err(NoAnswer::Late),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{NoAnswer, run};

    const SOON: Duration = Duration::from_millis(20);
    const LATER: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn an_answer_in_time_is_passed_on() {
        assert_eq!(run("quick", LATER, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_never_ends_is_left_alone() {
        let never = || loop {
            std::thread::park();
        };
        assert_eq!(run::<()>("stuck", SOON, never).await, Err(NoAnswer::Late));
    }

    #[tokio::test]
    async fn a_panic_is_no_answer() {
        assert_eq!(
            run::<()>("panics", LATER, || panic!("on purpose")).await,
            Err(NoAnswer::Panicked)
        );
    }
}
