//! A candidate at one moment.

/// Capacity assumed for an instance that has no limit, so that loads can be compared. Twice what Ollama runs in
/// parallel by default, far below what a batching server takes: such a one should be given its limit.
pub const NOMINAL_CAPACITY: u32 = 8;

/// How close at hand what the request asks for is. Ordered: later is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Reach {
    /// Not there, but the candidate could fetch it (pull a model).
    Absent,
    /// There, but must be brought in first (a model on disk).
    Stored,
    /// Usable, but not in the shape the request prefers, so that it would be brought in again.
    Loaded,
    /// Usable at once. Also for requests that ask for nothing in particular.
    #[default]
    Ready,
}

impl Reach {
    /// All, best first.
    pub(super) const DESCENDING: [Reach; 4] = [Reach::Ready, Reach::Loaded, Reach::Stored, Reach::Absent];
}

/// An eligible candidate, as it is now. Filled from a few atomics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Requests in flight.
    pub in_flight: u32,
    /// How many it takes at once, at least one; `None` is without limit.
    pub capacity: Option<u32>,
    /// Used after healthy ones.
    pub degraded: bool,
    /// How close at hand what is asked for is.
    pub reach: Reach,
    /// Share of recent requests that it failed, 0 to 1.
    pub error_rate: f32,
    /// Peak-EWMA latency in seconds; `None` before the first sample, or when the last is stale.
    pub latency: Option<f32>,
    /// [`Ask::turn`](super::Ask::turn) of the last request it was given; 0 before the first.
    pub last_turn: u64,
}

impl Default for View {
    fn default() -> Self {
        Self {
            in_flight: 0,
            capacity: None,
            degraded: false,
            reach: Reach::Ready,
            error_rate: 0.0,
            latency: None,
            last_turn: 0,
        }
    }
}

impl View {
    /// Whether one more request fits.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.capacity.is_none_or(|capacity| self.in_flight < capacity)
    }

    /// Its capacity, or the one assumed.
    #[inline]
    pub(super) fn slots(&self) -> u32 {
        self.capacity.unwrap_or(NOMINAL_CAPACITY).max(1)
    }

    /// Healthy, and has what is asked for.
    #[inline]
    pub(super) fn is_first_class(&self) -> bool {
        !self.degraded && self.reach != Reach::Absent
    }

    /// 0 is best: first class, then degraded, then absent.
    #[inline]
    pub(super) fn class(&self) -> u8 {
        u8::from(self.reach == Reach::Absent) << 1 | u8::from(self.degraded)
    }

    /// The recent error rate, whatever was put there.
    #[inline]
    pub(super) fn errors(&self) -> f32 {
        if self.error_rate > 0.0 {
            self.error_rate.min(1.0)
        } else {
            0.0
        }
    }
}

/// How many classes there are.
pub(super) const CLASSES: usize = 4;
