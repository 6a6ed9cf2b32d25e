//! The two signals the balancer reads: recent error rate and recent latency, each one atomic word.
//!
//! A word holds a value (an `f32` in the lower half) and when it was last changed (steps of 2^26 ns, or 67 ms, in
//! the upper half, good for nine years). So a reader never sees the value of one update with the time of
//! another, and decay with time costs a subtraction and a few shifts, no exponential.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::contract::time::Tick;

const STEP_SHIFT: u32 = 26;

#[derive(Clone, Copy)]
struct Word {
    value: f32,
    step: u32,
}

impl Word {
    fn pack(self) -> u64 {
        u64::from(self.step) << 32 | u64::from(self.value.to_bits())
    }

    fn unpack(word: u64) -> Self {
        Self {
            value: f32::from_bits(word as u32),
            step: (word >> 32) as u32,
        }
    }

    /// Steps from the last change until `now`.
    fn age(self, now: u32) -> u32 {
        now.saturating_sub(self.step)
    }
}

fn step(now: Tick) -> u32 {
    u32::try_from(now.as_nanos() >> STEP_SHIFT).unwrap_or(u32::MAX)
}

/// What is left of 1 after `age` steps at a half-life of 2^`half_life` steps: halved for each whole half-life,
/// and on a straight line within one.
#[inline]
fn decay(age: u32, half_life: u32) -> f32 {
    let halvings = age >> half_life;
    if halvings >= 24 {
        return 0.0;
    }
    let rest = (age & ((1 << half_life) - 1)) as f32 / (1u32 << half_life) as f32;
    (1.0 - 0.5 * rest) / (1u32 << halvings) as f32
}

fn update(cell: &AtomicU64, change: impl Fn(Word) -> Word) {
    let mut word = cell.load(Ordering::Relaxed);
    loop {
        let next = change(Word::unpack(word)).pack();
        match cell.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return,
            Err(current) => word = current,
        }
    }
}

/// The share of recent requests that an instance failed, 0 to 1.
///
/// Each request moves it a quarter of the way (so about the last seven count), and without requests it halves
/// every 8.6 s (2^33 ns): an instance that failed is left alone for a while and then tried again.
#[derive(Debug, Default)]
pub struct ErrorRate {
    word: AtomicU64,
}

const ERROR_WEIGHT: f32 = 0.25;
/// 2^7 steps of 2^26 ns.
const ERROR_HALF_LIFE: u32 = 7;

impl ErrorRate {
    /// Zero.
    pub const fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
        }
    }

    /// Counts a request that the instance failed, or did not.
    #[inline]
    pub fn record(&self, failed: bool, now: Tick) {
        // The usual case writes nothing.
        if !failed && self.word.load(Ordering::Relaxed) as u32 == 0 {
            return;
        }
        let (step, sample) = (step(now), if failed { 1.0 } else { 0.0 });
        update(&self.word, |old| {
            let value = old.value * decay(old.age(step), ERROR_HALF_LIFE);
            let next = value + (sample - value) * ERROR_WEIGHT;
            Word {
                value: if next < 0.001 { 0.0 } else { next },
                step: step.max(old.step),
            }
        });
    }

    /// The rate as of now.
    #[inline]
    pub fn get(&self, now: Tick) -> f32 {
        let word = Word::unpack(self.word.load(Ordering::Relaxed));
        if word.value == 0.0 {
            return 0.0;
        }
        word.value * decay(word.age(step(now)), ERROR_HALF_LIFE)
    }
}

/// Latency that rises at once and falls slowly: a slower sample is taken as it is, a faster one moves it an
/// eighth of the way (so a peak is forgotten after about twenty).
///
/// Without samples it halves every 34 s (2^35 ns), but never below an eighth, or a long silence would make any
/// instance look infinitely fast and draw a flood before its first answer. After 9 min (2^39 ns) it counts as
/// unknown, so that even one that was very slow once is tried again.
#[derive(Debug, Default)]
pub struct PeakEwma {
    /// Seconds; zero is no sample yet.
    word: AtomicU64,
}

const LATENCY_WEIGHT: f32 = 0.125;
/// 2^9 steps of 2^26 ns.
const LATENCY_HALF_LIFE: u32 = 9;
const LATENCY_FLOOR: f32 = 0.125;
/// 2^13 steps of 2^26 ns.
const LATENCY_STALE: u32 = 1 << 13;
const SHORTEST: f32 = 1e-6;

impl PeakEwma {
    /// No sample yet.
    pub const fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
        }
    }

    /// Learns from a request that was answered.
    #[inline]
    pub fn record(&self, latency: Duration, now: Tick) {
        let (step, sample) = (step(now), latency.as_secs_f32().max(SHORTEST));
        update(&self.word, |old| {
            let stale = old.value == 0.0 || old.age(step) >= LATENCY_STALE;
            Word {
                value: match sample {
                    sample if stale || sample >= old.value => sample,
                    sample => old.value + (sample - old.value) * LATENCY_WEIGHT,
                },
                step: step.max(old.step),
            }
        });
    }

    /// Seconds as of now; `None` before the first sample, and when the last is stale.
    #[inline]
    pub fn get(&self, now: Tick) -> Option<f32> {
        let word = Word::unpack(self.word.load(Ordering::Relaxed));
        let age = word.age(step(now));
        if word.value == 0.0 || age >= LATENCY_STALE {
            return None;
        }
        Some(word.value * decay(age, LATENCY_HALF_LIFE).max(LATENCY_FLOOR))
    }
}
