//! Distributions of durations.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use histogram::{AtomicHistogram, Bucket, Config, Histogram};
use serde::{Serialize, Serializer};

/// Buckets are 1/32 wide relative to their value; as their middle is reported, a percentile is off by at most
/// 1/64, or 1.6 %. Microseconds up to 2^32 are 71 minutes, more than the longest request may last; anything
/// longer counts as that. 896 buckets, so 7 KB; one more bit would halve the error and double the memory.
const CONFIG: Config = match Config::new(5, 32) {
    Ok(config) => config,
    Err(_) => panic!("five bits of grouping fit thirty-two of value"),
};

const LONGEST: u64 = (1 << 32) - 2;

/// So many durations are kept beside the histogram before they are put in.
const STAGED: usize = 8;

/// Durations, recorded by any thread without a lock. Takes memory with the first eight only, because most
/// instances of a large fleet are idle.
///
/// A histogram is larger than a page, so in a fleet of thousands each recording would miss the cache and the
/// translation of its address as well: three times the cost of everything else that a request is counted by. So
/// durations are first put in one of a few places beside the other counters, and moved eight at a time.
#[derive(Debug, Default)]
#[repr(C)]
pub struct LatencyHistogram {
    /// Microseconds and one; zero is a free place. Whoever swaps a number out must put it into the buckets.
    staged: [AtomicU32; STAGED],
    /// Microseconds of all that are in the buckets.
    sum: AtomicU64,
    buckets: OnceLock<AtomicHistogram>,
}

impl LatencyHistogram {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a duration.
    #[inline]
    pub fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros())
            .unwrap_or(LONGEST)
            .min(LONGEST);
        let marked = micros as u32 + 1;
        for place in &self.staged {
            if place.load(Ordering::Relaxed) == 0
                && place
                    .compare_exchange(0, marked, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            {
                return;
            }
        }
        self.put(micros);
        self.settle();
    }

    /// Moves what is staged into the buckets.
    #[cold]
    fn settle(&self) {
        for place in &self.staged {
            if let Some(micros) = place.swap(0, Ordering::Relaxed).checked_sub(1) {
                self.put(u64::from(micros));
            }
        }
    }

    fn put(&self, micros: u64) {
        let buckets = self.buckets.get_or_init(|| AtomicHistogram::with_config(&CONFIG));
        // Fails for values out of range only, and that is cut off above.
        let _ = buckets.increment(micros);
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// What it holds now. Recordings made meanwhile may be in it or not.
    pub fn snapshot(&self) -> LatencySnapshot {
        self.settle();
        LatencySnapshot {
            sum: self.sum.load(Ordering::Relaxed),
            buckets: self.buckets.get().map(AtomicHistogram::load),
        }
    }
}

/// A distribution of durations at a moment. Serialises as its [`LatencySummary`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LatencySnapshot {
    sum: u64,
    buckets: Option<Histogram>,
}

/// A distribution in a few numbers, in milliseconds. All zero where nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct LatencySummary {
    /// How many.
    pub count: u64,
    /// Their exact mean.
    pub mean_ms: f64,
    /// Half took no longer.
    pub p50_ms: f64,
    /// 95 of 100 took no longer.
    pub p95_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
    /// None took longer.
    pub max_ms: f64,
}

impl LatencySnapshot {
    /// Adds another distribution, bucket by bucket, so that nothing is lost: percentiles of the sum are those
    /// of all recordings.
    pub fn merge(&mut self, other: &LatencySnapshot) {
        self.sum = self.sum.wrapping_add(other.sum);
        match (&mut self.buckets, &other.buckets) {
            (_, None) => {}
            (Some(own), Some(others)) => {
                // Fails for unequal configurations, of which there is one, and beyond 2^64 recordings.
                let _ = own.checked_add_assign(others);
            }
            (own @ None, Some(others)) => *own = Some(others.clone()),
        }
    }

    /// What was recorded since an earlier snapshot of the same histogram: the recent distribution, for the
    /// price of keeping a snapshot. Where `earlier` is of something else, everything is recent.
    pub fn since(&self, earlier: &LatencySnapshot) -> LatencySnapshot {
        let difference = match (&self.buckets, &earlier.buckets) {
            (Some(own), Some(before)) => own.checked_sub(before).ok(),
            _ => None,
        };
        match difference {
            Some(buckets) => LatencySnapshot {
                sum: self.sum.saturating_sub(earlier.sum),
                buckets: Some(buckets),
            },
            None => self.clone(),
        }
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.counts().iter().sum()
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum)
    }

    /// How many took no longer than `bound`, to the nearest bucket: for cumulative exports. Never falls as the
    /// bound rises.
    pub fn count_within(&self, bound: Duration) -> u64 {
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        self.buckets
            .iter()
            .flat_map(Histogram::iter)
            .take_while(|bucket| middle(bucket) <= micros as f64)
            .map(|bucket| bucket.count())
            .sum()
    }

    /// The duration that this share (0 to 1) did not exceed. `None` where nothing was recorded.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let bucket = self
            .buckets
            .as_ref()?
            .quantile_bucket(share.clamp(0.0, 1.0))
            .ok()??;
        Some(Duration::from_nanos((middle(&bucket) * 1e3) as u64))
    }

    /// The usual numbers.
    pub fn summary(&self) -> LatencySummary {
        let count = self.count();
        if count == 0 {
            return LatencySummary::default();
        }
        let millis = |share| {
            self.quantile(share)
                .map_or(0.0, |value| value.as_secs_f64() * 1e3)
        };
        LatencySummary {
            count,
            mean_ms: self.sum as f64 / count as f64 / 1e3,
            p50_ms: millis(0.5),
            p95_ms: millis(0.95),
            p99_ms: millis(0.99),
            max_ms: millis(1.0),
        }
    }

    fn counts(&self) -> &[u64] {
        self.buckets.as_ref().map_or(&[], |buckets| buckets.as_slice())
    }
}

fn middle(bucket: &Bucket) -> f64 {
    (bucket.start() as f64 + bucket.end() as f64) / 2.0
}

impl Serialize for LatencySnapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.summary().serialize(serializer)
    }
}
