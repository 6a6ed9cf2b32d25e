//! Who is next: strict classes with ageing, callers in turn within a class, first come first served within a
//! caller.
//!
//! A pure data structure; the lock around it, and what is done with who is next, are the
//! [queue](super::Queue)'s.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use plugin_api::contract::requirement::Priority;
use plugin_api::contract::time::Tick;

/// Waiters with equal hard requirements share a lane: if one of them cannot be served now, none can.
pub(super) type Lane = usize;

/// What came of offering an instance to a waiter.
#[derive(Debug)]
pub(super) enum Offer<R> {
    /// It took one.
    Taken(R),
    /// Nothing for this waiter; another of its lane may do better.
    Skipped,
    /// Nothing for anybody in its lane.
    Blocked,
}

/// Where a waiter stands, so that it can be found again.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    number: u64,
    lane: Lane,
    principal: Arc<str>,
}

impl Ticket {
    /// The lane it waits in.
    pub(super) fn lane(&self) -> Lane {
        self.lane
    }
}

/// Waiters in the order in which they are served.
#[derive(Debug)]
pub(super) struct Order<T> {
    /// Lowest class first. Within one, the caller at the front is next.
    classes: [VecDeque<Caller<T>>; Priority::ALL.len()],
    issued: u64,
    len: usize,
    /// Waiting this long lifts a waiter by one class, so that no class starves for ever.
    ageing: Duration,
    age_next: Option<Tick>,
}

/// The waiters of one caller in one class. Never without any.
#[derive(Debug)]
struct Caller<T> {
    principal: Arc<str>,
    waiting: usize,
    lanes: Vec<(Lane, VecDeque<Waiter<T>>)>,
}

/// Within a caller's lane, ordered by number.
#[derive(Debug)]
struct Waiter<T> {
    number: u64,
    since: Tick,
    class: Priority,
    payload: T,
}

/// A waiter that has left the order.
#[derive(Debug, PartialEq)]
pub(super) struct Left<T> {
    pub(super) payload: T,
    pub(super) lane: Lane,
    pub(super) since: Tick,
}

impl<T> Order<T> {
    pub(super) fn new(ageing: Duration) -> Self {
        Self {
            classes: std::array::from_fn(|_| VecDeque::new()),
            issued: 0,
            len: 0,
            ageing: ageing.max(Duration::from_millis(1)),
            age_next: None,
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a waiter behind those of its caller and class.
    pub(super) fn push(
        &mut self,
        principal: &str,
        class: Priority,
        lane: Lane,
        now: Tick,
        payload: T,
    ) -> Ticket {
        self.issued += 1;
        let number = self.issued;
        let principal = self.insert(
            class as usize,
            principal,
            lane,
            Waiter {
                number,
                since: now,
                class,
                payload,
            },
        );
        Ticket {
            number,
            lane,
            principal,
        }
    }

    fn insert(&mut self, class: usize, principal: &str, lane: Lane, waiter: Waiter<T>) -> Arc<str> {
        let callers = &mut self.classes[class];
        let at = callers
            .iter()
            .position(|caller| *caller.principal == *principal)
            .unwrap_or_else(|| {
                callers.push_back(Caller {
                    principal: principal.into(),
                    waiting: 0,
                    lanes: Vec::new(),
                });
                callers.len() - 1
            });
        let caller = &mut callers[at];
        let at = caller
            .lanes
            .iter()
            .position(|(known, _)| *known == lane)
            .unwrap_or_else(|| {
                caller.lanes.push((lane, VecDeque::new()));
                caller.lanes.len() - 1
            });
        let waiters = &mut caller.lanes[at].1;
        let behind = waiters.partition_point(|other| other.number < waiter.number);
        waiters.insert(behind, waiter);
        caller.waiting += 1;
        self.len += 1;
        caller.principal.clone()
    }

    /// Takes a waiter out, if it is still there.
    pub(super) fn remove(&mut self, ticket: &Ticket) -> Option<Left<T>> {
        let (class, at, row, index) = self.find(ticket)?;
        self.extract(class, at, row, index, false)
    }

    /// The waiter, if it is still there.
    pub(super) fn get(&self, ticket: &Ticket) -> Option<&T> {
        let (class, at, row, index) = self.find(ticket)?;
        Some(&self.classes[class][at].lanes[row].1[index].payload)
    }

    fn find(&self, ticket: &Ticket) -> Option<(usize, usize, usize, usize)> {
        for class in 0..self.classes.len() {
            let Some(at) = self.classes[class]
                .iter()
                .position(|caller| caller.principal == ticket.principal)
            else {
                continue;
            };
            let caller = &self.classes[class][at];
            let found = caller
                .lanes
                .iter()
                .position(|(lane, _)| *lane == ticket.lane)
                .and_then(|row| {
                    let waiters = &caller.lanes[row].1;
                    waiters
                        .binary_search_by_key(&ticket.number, |waiter| waiter.number)
                        .ok()
                        .map(|i| (row, i))
                });
            if let Some((row, index)) = found {
                return Some((class, at, row, index));
            }
        }
        None
    }

    /// Offers an instance to one waiter after the other, in order, until one takes it. `blocked` is remembered
    /// from call to call as long as nothing becomes free in between.
    pub(super) fn take<R>(
        &mut self,
        now: Tick,
        blocked: &mut Vec<Lane>,
        mut offer: impl FnMut(Lane, &T) -> Offer<R>,
    ) -> Option<(Left<T>, R)> {
        self.age(now);
        for class in (0..self.classes.len()).rev() {
            for at in 0..self.classes[class].len() {
                let mut skipped = Vec::new();
                while let Some((row, index)) = self.classes[class][at].next(blocked, &skipped) {
                    let caller = &self.classes[class][at];
                    let (lane, waiters) = &caller.lanes[row];
                    let waiter = &waiters[index];
                    match offer(*lane, &waiter.payload) {
                        Offer::Taken(taken) => {
                            return self
                                .extract(class, at, row, index, true)
                                .map(|left| (left, taken));
                        }
                        Offer::Skipped => skipped.push(waiter.number),
                        Offer::Blocked => blocked.push(*lane),
                    }
                }
            }
        }
        None
    }

    /// Makes room for a newcomer, if fairness says that somebody else should go: the latest waiter of the
    /// lowest class, if that is below the newcomer's, or of the caller that takes up the most room in it, if
    /// that is more than the newcomer would.
    pub(super) fn shed(&mut self, principal: &str, class: Priority) -> Option<Left<T>> {
        let lowest = self.classes.iter().position(|callers| !callers.is_empty())?;
        let callers = &self.classes[lowest];
        let (at, most) = callers
            .iter()
            .enumerate()
            .max_by_key(|(_, caller)| caller.waiting)?;
        let own = callers
            .iter()
            .find(|caller| *caller.principal == *principal)
            .map_or(0, |own| own.waiting);
        if lowest > class as usize || (lowest == class as usize && most.waiting <= own + 1) {
            return None;
        }
        let (row, _) = most
            .lanes
            .iter()
            .enumerate()
            .max_by_key(|(_, (_, waiters))| waiters.back().map(|waiter| waiter.number))?;
        let index = most.lanes[row].1.len().checked_sub(1)?;
        self.extract(lowest, at, row, index, false)
    }

    /// Every waiter, in the order in which they are served if there is one for each: callers in turn within a class.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = &T> {
        self.classes.iter().rev().flat_map(|callers| {
            let mut rounds: Vec<(usize, usize, &T)> = Vec::new();
            for (at, caller) in callers.iter().enumerate() {
                let mut waiters: Vec<_> = caller.lanes.iter().flat_map(|(_, waiters)| waiters).collect();
                waiters.sort_unstable_by_key(|waiter| waiter.number);
                let turns = waiters.into_iter().enumerate();
                rounds.extend(turns.map(|(round, waiter)| (round, at, &waiter.payload)));
            }
            rounds.sort_unstable_by_key(|(round, at, _)| (*round, *at));
            rounds.into_iter().map(|(.., payload)| payload)
        })
    }

    /// Every waiter, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Ticket, &T)> {
        self.classes.iter().flatten().flat_map(|caller| {
            caller.lanes.iter().flat_map(move |(lane, waiters)| {
                waiters.iter().map(move |waiter| {
                    let principal = caller.principal.clone();
                    (
                        Ticket {
                            number: waiter.number,
                            lane: *lane,
                            principal,
                        },
                        &waiter.payload,
                    )
                })
            })
        })
    }

    /// Removes one waiter; a caller that was `served` goes behind the others.
    fn extract(
        &mut self,
        class: usize,
        at: usize,
        row: usize,
        index: usize,
        served: bool,
    ) -> Option<Left<T>> {
        let callers = &mut self.classes[class];
        let caller = &mut callers[at];
        let (lane, waiters) = &mut caller.lanes[row];
        let lane = *lane;
        let waiter = waiters.remove(index)?;
        if waiters.is_empty() {
            caller.lanes.swap_remove(row);
        }
        caller.waiting -= 1;
        self.len -= 1;
        if caller.waiting == 0 {
            callers.remove(at);
        } else if served && let Some(caller) = callers.remove(at) {
            callers.push_back(caller);
        }
        Some(Left {
            payload: waiter.payload,
            lane,
            since: waiter.since,
        })
    }

    /// Lifts those who have waited long. Looking at everybody is not worth doing for every grant, so it is done
    /// a few times in the span that lifts by one class.
    fn age(&mut self, now: Tick) {
        if self.age_next.is_some_and(|next| now < next) {
            return;
        }
        self.age_next = Some(now.after(self.ageing / 8));
        for class in 0..self.classes.len() - 1 {
            let mut lifted = Vec::new();
            for caller in &mut self.classes[class] {
                let ageing = self.ageing;
                for (lane, waiters) in &mut caller.lanes {
                    let due = |waiter: &Waiter<T>| aged(waiter, now, ageing) > class;
                    while let Some(index) = waiters.iter().position(due) {
                        if let Some(waiter) = waiters.remove(index) {
                            caller.waiting -= 1;
                            lifted.push((caller.principal.clone(), *lane, waiter));
                        }
                    }
                }
                caller.lanes.retain(|(_, waiters)| !waiters.is_empty());
            }
            self.classes[class].retain(|caller| caller.waiting > 0);
            self.len -= lifted.len();
            for (principal, lane, waiter) in lifted {
                self.insert(aged(&waiter, now, self.ageing), &principal, lane, waiter);
            }
        }
    }
}

/// The class a waiter belongs to after its wait so far.
fn aged<T>(waiter: &Waiter<T>, now: Tick, ageing: Duration) -> usize {
    let waited = now.since(waiter.since);
    let steps = usize::try_from(waited.as_nanos() / ageing.as_nanos()).unwrap_or(usize::MAX);
    (waiter.class as usize)
        .saturating_add(steps)
        .min(Priority::ALL.len() - 1)
}

impl<T> Caller<T> {
    /// Its waiter that came first, among lanes and waiters that may still be served.
    fn next(&self, blocked: &[Lane], skipped: &[u64]) -> Option<(usize, usize)> {
        self.lanes
            .iter()
            .enumerate()
            .filter(|(_, (lane, _))| !blocked.contains(lane))
            .filter_map(|(row, (_, waiters))| {
                let index = waiters
                    .iter()
                    .position(|waiter| !skipped.contains(&waiter.number))?;
                Some((waiters[index].number, row, index))
            })
            .min()
            .map(|(_, row, index)| (row, index))
    }
}

#[cfg(test)]
mod tests;
