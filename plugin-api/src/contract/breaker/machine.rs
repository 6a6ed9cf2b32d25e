//! The breaker's state machine: a plain value with one function per transition, and how it fits in a word.

use super::{BreakerPolicy, BreakerState, Permit, Transition};
use crate::contract::time::Tick;

/// The state, and what outlives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) state: State,
    /// Openings in a row without closing in between: the exponent of the back-off. Stops at 63.
    pub(super) openings: u8,
    /// Goes up by one with each change of state, so that a late permit is known. Wraps after 65 536 changes,
    /// each pair of which takes at least one recovery time.
    pub(super) generation: u16,
}

/// What the breaker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Closed { failures: u32 },
    Open { until: Tick },
    HalfOpen { trials: u32, successes: u32 },
}

impl Machine {
    pub(super) const CLOSED: Machine = Machine {
        state: State::Closed { failures: 0 },
        openings: 0,
        generation: 0,
    };

    pub(super) fn permits(self, policy: &BreakerPolicy, now: Tick) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until } => now >= until,
            State::HalfOpen { trials, .. } => trials < policy.half_open_requests,
        }
    }

    /// A request asks to pass. The flag says whether it is a trial.
    pub(super) fn admit(self, policy: &BreakerPolicy, now: Tick) -> Option<(Machine, bool)> {
        if !self.permits(policy, now) {
            return None;
        }
        Some(match self.state {
            State::Closed { .. } => (self, false),
            State::Open { .. } => (
                self.enter(State::HalfOpen {
                    trials: 1,
                    successes: 0,
                }),
                true,
            ),
            State::HalfOpen { trials, successes } => (
                self.stay(State::HalfOpen {
                    trials: trials + 1,
                    successes,
                }),
                true,
            ),
        })
    }

    /// A request of this generation succeeded.
    pub(super) fn succeeded(self, policy: &BreakerPolicy) -> Machine {
        match self.state {
            State::Closed { .. } => self.stay(State::Closed { failures: 0 }),
            State::Open { .. } => self,
            State::HalfOpen { trials, successes } => {
                let successes = successes + 1;
                if successes >= policy.success_threshold {
                    self.reset()
                } else {
                    self.stay(State::HalfOpen {
                        trials: trials.saturating_sub(1),
                        successes,
                    })
                }
            }
        }
    }

    /// A request of this generation failed, and that was the instance's doing.
    pub(super) fn failed(self, policy: &BreakerPolicy, rate: bool, now: Tick, jitter: f64) -> Machine {
        match self.state {
            State::Closed { failures } => {
                let failures = failures.saturating_add(1);
                if rate || failures >= policy.failure_threshold {
                    self.open(policy, 0, now, jitter)
                } else {
                    self.stay(State::Closed { failures })
                }
            }
            State::Open { .. } => self,
            State::HalfOpen { .. } => self.open(policy, self.openings, now, jitter),
        }
    }

    /// A request of this generation ended without saying anything about the instance.
    pub(super) fn given_back(self) -> Machine {
        match self.state {
            State::HalfOpen { trials, successes } => self.stay(State::HalfOpen {
                trials: trials.saturating_sub(1),
                successes,
            }),
            _ => self,
        }
    }

    /// Closed and innocent.
    pub(super) fn reset(self) -> Machine {
        Machine {
            openings: 0,
            ..self.enter(State::Closed { failures: 0 })
        }
    }

    fn open(self, policy: &BreakerPolicy, earlier: u8, now: Tick, jitter: f64) -> Machine {
        let until = now.after(policy.open_for(earlier, jitter));
        Machine {
            openings: earlier.saturating_add(1).min(OPENINGS_MAX),
            ..self.enter(State::Open {
                until: decode_time(encode_time(until)),
            })
        }
    }

    fn enter(self, state: State) -> Machine {
        Machine {
            state,
            generation: self.generation.wrapping_add(1),
            ..self
        }
    }

    fn stay(self, state: State) -> Machine {
        Machine { state, ..self }
    }

    pub(super) fn permit(self, trial: bool) -> Permit {
        Permit {
            generation: self.generation,
            trial,
        }
    }

    pub(super) fn name(self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// What to tell the world about the step from here to `next`.
    pub(super) fn transition_to(self, next: Machine) -> Option<Transition> {
        if self.name() == next.name() {
            return None;
        }
        Some(match next.state {
            State::Closed { .. } => Transition::Closed,
            State::Open { until } => Transition::Opened { until },
            State::HalfOpen { .. } => Transition::HalfOpened,
        })
    }
}

// The word, from the top: two bits of state, six of openings, sixteen of generation, forty of the state's own.
// Closed keeps its failures there; open its time in steps of 2^20 ns (1.05 ms, so 36 years), rounded up, for
// an instance must not be tried early; half-open two counters of twenty bits.
const STATE_SHIFT: u32 = 62;
const OPENINGS_SHIFT: u32 = 56;
const OPENINGS_MAX: u8 = 63;
const GENERATION_SHIFT: u32 = 40;
const OWN: u64 = (1 << GENERATION_SHIFT) - 1;
const COUNTER_SHIFT: u32 = 20;
const COUNTER: u64 = (1 << COUNTER_SHIFT) - 1;
const TIME_SHIFT: u32 = 20;

const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const HALF_OPEN: u64 = 2;

fn encode_time(at: Tick) -> u64 {
    (at.as_nanos().div_ceil(1 << TIME_SHIFT)).min(OWN)
}

fn decode_time(steps: u64) -> Tick {
    if steps == OWN {
        return Tick::from_nanos(u64::MAX);
    }
    Tick::from_nanos(steps << TIME_SHIFT)
}

impl Machine {
    /// Whether the word is that of a closed breaker, without unpacking the rest.
    #[inline]
    pub(super) fn is_closed(word: u64) -> bool {
        word >> STATE_SHIFT == CLOSED
    }

    #[inline]
    pub(super) fn pack(self) -> u64 {
        let (state, own) = match self.state {
            State::Closed { failures } => (CLOSED, u64::from(failures)),
            State::Open { until } => (OPEN, encode_time(until)),
            State::HalfOpen { trials, successes } => {
                let trials = u64::from(trials).min(COUNTER);
                let successes = u64::from(successes).min(COUNTER);
                (HALF_OPEN, trials << COUNTER_SHIFT | successes)
            }
        };
        state << STATE_SHIFT
            | u64::from(self.openings.min(OPENINGS_MAX)) << OPENINGS_SHIFT
            | u64::from(self.generation) << GENERATION_SHIFT
            | own
    }

    #[inline]
    pub(super) fn unpack(word: u64) -> Machine {
        let own = word & OWN;
        Machine {
            state: match word >> STATE_SHIFT {
                CLOSED => State::Closed { failures: own as u32 },
                OPEN => State::Open {
                    until: decode_time(own),
                },
                _ => State::HalfOpen {
                    trials: (own >> COUNTER_SHIFT) as u32,
                    successes: (own & COUNTER) as u32,
                },
            },
            openings: (word >> OPENINGS_SHIFT) as u8 & OPENINGS_MAX,
            generation: (word >> GENERATION_SHIFT) as u16,
        }
    }
}
