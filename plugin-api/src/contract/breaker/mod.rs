//! The circuit breaker: stops sending requests to an instance that fails them, and finds out carefully when
//! it has recovered.
//!
//! ```text
//!            failures in a row, or error rate
//!   closed ───────────────────────────────────▶ open
//!     ▲                                       │    ▲
//!     │ successes in a row       time is up   ▼    │ one failure
//!     └─────────────────────────────────── half-open
//! ```
//!
//! Only failures of the instance itself count ([`Outcome::is_instance_failure`]). A client's mistake, a
//! cancellation and back-pressure change nothing and, in half-open, give their slot back: otherwise three
//! clients that hang up would leave the breaker half-open for ever, as they did in the Python system.
//!
//! A request that was let through before the breaker changed state says nothing about the state after it, so
//! each [`Permit`] remembers the state's generation and a late one is ignored.
//!
//! There is no lock. The whole state is one atomic word (`machine.rs` packs it), replaced by compare-and-swap;
//! the sliding window is a ring of atomic words (`window.rs`). In the closed state [`Breaker::permits`] is one
//! relaxed load, and a success writes the window's bucket and nothing else.

mod machine;
mod policy;
mod window;

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::outcome::Outcome;
use super::time::Tick;
use machine::{Machine, State};
pub use policy::BreakerPolicy;
use window::Window;

/// The breaker of one instance. Shared by reference between all threads; no method blocks.
#[derive(Debug)]
#[repr(C, align(64))] // what every request touches is the first cache line
pub struct Breaker {
    /// The state machine, packed. Every change goes through one compare-and-swap.
    word: AtomicU64,
    /// Outcomes of late. Written in the closed state only, emptied when it opens.
    window: Window,
    policy: BreakerPolicy,
}

/// Leave to send one request. Hand it back with [`Breaker::settle`], whatever became of the request: a trial
/// that is dropped instead keeps its slot. Cannot be copied, so it cannot be settled twice.
#[must_use = "settle it, or a half-open slot is lost"]
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    generation: u16,
    trial: bool,
}

impl Permit {
    /// Whether the request is one of the few that find out if the instance has recovered.
    pub fn is_trial(&self) -> bool {
        self.trial
    }
}

/// A change of state, returned as a value so that the caller publishes it when it holds no lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    /// It opened.
    Opened {
        /// When trials begin.
        until: Tick,
    },
    /// Its time is up, and the first trial is on its way.
    HalfOpened,
    /// The instance has recovered.
    Closed,
}

/// What [`Breaker::admit`] answers when it lets a request through.
#[derive(Debug, PartialEq, Eq)]
pub struct Admission {
    /// To be settled once the request has ended.
    pub permit: Permit,
    /// [`Transition::HalfOpened`] where this request is the first trial.
    pub transition: Option<Transition>,
}

/// The three states by name, for status and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Requests pass.
    Closed,
    /// None pass.
    Open,
    /// A few pass, to find out.
    HalfOpen,
}

impl BreakerState {
    /// Its name in status, events and metrics.
    pub fn name(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half_open",
        }
    }
}

/// A breaker's state at one moment, for people.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BreakerStatus {
    /// Which of the three.
    pub state: BreakerState,
    /// Failures in a row, while closed.
    pub consecutive_failures: u32,
    /// Successful trials, while half-open.
    pub successes: u32,
    /// Trials on their way, while half-open.
    pub trials: u32,
    /// Milliseconds until trials begin, while open.
    pub retry_in_ms: Option<u64>,
    /// How often in a row it opened without closing in between.
    pub openings: u32,
    /// Requests in the sliding window.
    pub window_requests: u32,
    /// Failures among them.
    pub window_failures: u32,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(policy: BreakerPolicy) -> Self {
        let policy = policy.within_bounds();
        Self {
            word: AtomicU64::new(Machine::CLOSED.pack()),
            window: Window::new(policy.window),
            policy,
        }
    }

    /// Whether a request would be let through now. A hint for choosing; [`admit`](Self::admit) decides.
    #[inline]
    pub fn permits(&self, now: Tick) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        Machine::is_closed(word) || Machine::unpack(word).permits(&self.policy, now)
    }

    /// Lets a request through, or not. The permit has to be settled.
    #[inline]
    pub fn admit(&self, now: Tick) -> Option<Admission> {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let machine = Machine::unpack(word);
            let (next, trial) = machine.admit(&self.policy, now)?;
            let replaced = next.pack();
            if replaced == word {
                return Some(Admission {
                    permit: next.permit(trial),
                    transition: None,
                });
            }
            match self
                .word
                .compare_exchange_weak(word, replaced, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => {
                    return Some(Admission {
                        permit: next.permit(trial),
                        transition: machine.transition_to(next),
                    });
                }
                Err(current) => word = current,
            }
        }
    }

    /// Takes a permit back and learns from how the request went.
    ///
    /// `jitter` is a random number from 0 to 1, used if the breaker opens, so that breakers which opened
    /// together do not try again together.
    #[inline]
    pub fn settle(&self, permit: Permit, outcome: Outcome, now: Tick, jitter: f64) -> Option<Transition> {
        let mut word = self.word.load(Ordering::Acquire);
        if Machine::unpack(word).generation != permit.generation {
            return None;
        }
        let failed = outcome.is_instance_failure();
        let too_many = match outcome {
            Outcome::Success if !permit.trial => {
                self.window.record(now, false);
                false
            }
            _ if failed && !permit.trial => {
                self.window.record(now, true);
                self.window.rate_exceeded(now, &self.policy)
            }
            _ => false,
        };
        loop {
            let machine = Machine::unpack(word);
            if machine.generation != permit.generation {
                return None;
            }
            let next = match outcome {
                Outcome::Success => machine.succeeded(&self.policy),
                _ if failed => machine.failed(&self.policy, too_many, now, jitter),
                _ => machine.given_back(),
            };
            let replaced = next.pack();
            if replaced == word {
                return None;
            }
            match self
                .word
                .compare_exchange_weak(word, replaced, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => {
                    let transition = machine.transition_to(next);
                    if matches!(transition, Some(Transition::Opened { .. })) {
                        self.window.clear();
                    }
                    return transition;
                }
                Err(current) => word = current,
            }
        }
    }

    /// Closes it at once and forgets what it saw: for an operator who knows better. Permits still out are
    /// ignored when they come back.
    pub fn reset(&self) -> Option<Transition> {
        self.window.clear();
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let machine = Machine::unpack(word);
            let next = machine.reset();
            match self
                .word
                .compare_exchange_weak(word, next.pack(), Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return machine.transition_to(next),
                Err(current) => word = current,
            }
        }
    }

    /// Its state. Open stays open until a request is let through, even after its time is up.
    pub fn state(&self) -> BreakerState {
        Machine::unpack(self.word.load(Ordering::Relaxed)).name()
    }

    /// When trials begin, while it is open.
    pub fn retry_at(&self) -> Option<Tick> {
        match Machine::unpack(self.word.load(Ordering::Relaxed)).state {
            State::Open { until } => Some(until),
            _ => None,
        }
    }

    /// Everything about it at one moment.
    pub fn status(&self, now: Tick) -> BreakerStatus {
        let machine = Machine::unpack(self.word.load(Ordering::Relaxed));
        let (window_requests, window_failures) = self.window.totals(now);
        let mut status = BreakerStatus {
            state: machine.name(),
            consecutive_failures: 0,
            successes: 0,
            trials: 0,
            retry_in_ms: None,
            openings: u32::from(machine.openings),
            window_requests,
            window_failures,
        };
        match machine.state {
            State::Closed { failures } => status.consecutive_failures = failures,
            State::Open { until } => status.retry_in_ms = Some(until.since(now).as_millis() as u64),
            State::HalfOpen { trials, successes } => {
                status.trials = trials;
                status.successes = successes;
            }
        }
        status
    }
}

#[cfg(test)]
mod tests;
