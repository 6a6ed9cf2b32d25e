//! Taking: all of what is wanted, or nothing, without ever waiting for one while another is held.
//!
//! Everything is tried at once. What is missing is waited for alone, with nothing else in hand; once it is there, the
//! others are tried again, and if one of them is missing now, all are let go and that one is waited for. So two
//! requests that want the same things can never wait for each other. Trying takes turns, so that of any number of
//! requests which are in each other's way the last to try finds that the others have let go.

use std::time::Duration;

use parking_lot::Mutex;
use plugin_api::{Context, Error, ErrorCode, Fault, Retry};
use tokio::time::{Instant, sleep, timeout_at};

use super::want::Want;
use crate::manager::{Asking, Held};
use crate::pool::{Asker, Lease, Pool, Preparation, Refusal, Reservation, Reserver, Tried};

/// Between two rounds, doubling…
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// …up to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// One resource, taken. Let go it leaves no trace: it was never used.
#[derive(Debug)]
pub(super) struct Taken {
    lease: Option<Lease>,
    pub(super) reservation: Option<Reservation>,
    pool: Pool,
    /// It is a resource of a warm pool.
    warm: bool,
}

impl Taken {
    fn new(lease: Lease, pool: Pool, want: &Want) -> Self {
        Self {
            lease: Some(lease),
            reservation: None,
            pool,
            warm: want.requirement.specification.is_some(),
        }
    }

    /// Whether it is a resource of a warm pool.
    pub(super) fn is_warm(&self) -> bool {
        self.warm
    }

    /// The lease and whatever keeps others away.
    pub(super) fn keep(mut self) -> (Option<Lease>, Option<Reservation>, Pool) {
        (self.lease.take(), self.reservation.take(), self.pool.clone())
    }

    fn reserve(&mut self, by: &Reserver) -> bool {
        let reserve = |lease: &Lease| lease.reserve(by.clone());
        self.reservation = self.lease.as_ref().and_then(reserve);
        self.reservation.is_some()
    }

    /// Brings in what the resource is to be able to do.
    async fn prepare(&self, want: &Want, context: &Context) -> Result<(), Error> {
        match &self.lease {
            Some(lease) => self.pool.prepare(lease, &want.requirement, context.clone()).await,
            None => Ok(()),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            match self.warm {
                // Nobody has used it, so it is as good as before.
                true => lease.unused(),
                false => drop(lease.hold()),
            }
        }
    }
}

/// Why one was not to be had at once.
enum Miss {
    /// It may be, later.
    Busy,
    /// It will not.
    Refused(Error),
}

/// Who takes, until when, and in whose name.
pub(super) struct Taker<'a> {
    pub(super) turn: &'a Mutex<()>,
    /// Who it is, and why nobody else gets what is exclusive.
    pub(super) by: &'a Reserver,
    pub(super) deadline: Instant,
    pub(super) context: &'a Context,
}

impl Taker<'_> {
    /// Takes all of it, in the order of `wants`. Cancel safe: what was taken is let go.
    ///
    /// # Errors
    /// One of them cannot be had, or not all were free before the deadline.
    pub(super) async fn take(&self, wants: &[Want]) -> Result<Vec<Taken>, Error> {
        let mut pause = FIRST_PAUSE;
        let mut first: Option<(usize, Taken)> = None;
        let taken = loop {
            let missing = match self.try_all(wants, first.take()) {
                Ok(taken) => break taken,
                Err((missing, Miss::Refused(error))) => return Err(wants[missing].explain(error)),
                Err((missing, Miss::Busy)) => missing,
            };
            let want = &wants[missing];
            if Instant::now() >= self.deadline {
                return Err(self.too_late(want, wants.len()));
            }
            match timeout_at(self.deadline, self.wait_for(want)).await {
                Ok(Ok(taken)) => first = taken.map(|taken| (missing, taken)),
                Ok(Err(error)) => return Err(want.explain(error)),
                Err(_) => return Err(self.too_late(want, wants.len())),
            }
            if first.is_none() || wants.len() > 1 {
                sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        // Bounded by the hub's own time limits: the deadline is for waiting until it is free, and it is.
        for (taken, want) in taken.iter().zip(wants) {
            let prepared = taken.prepare(want, self.context).await;
            prepared.map_err(|error| want.explain(error))?;
        }
        Ok(taken)
    }

    /// Everything at once, `first` being there already. On a miss all of it is let go.
    fn try_all(&self, wants: &[Want], first: Option<(usize, Taken)>) -> Result<Vec<Taken>, (usize, Miss)> {
        let _turn = self.turn.lock();
        let (at, mut first) = match first {
            Some((at, taken)) => (at, Some(taken)),
            None => (usize::MAX, None),
        };
        let mut all = Vec::with_capacity(wants.len());
        for (index, want) in wants.iter().enumerate() {
            let taken = match (index == at).then(|| first.take()).flatten() {
                Some(taken) => taken,
                None => self.try_one(want).map_err(|miss| (index, miss))?,
            };
            all.push(taken);
        }
        Ok(all)
    }

    fn try_one(&self, want: &Want) -> Result<Taken, Miss> {
        let asker = Asker {
            principal: &self.by.principal,
        };
        let mut fetching = None;
        let mut busy = false;
        let mut refusal: Option<Refusal> = None;
        for pool in &want.pools {
            match pool.try_acquire(&want.requirement, &asker, &Tried::NONE) {
                Ok(lease) => {
                    let fetches = matches!(lease.preparation(), Some(Preparation::Absent));
                    let mut taken = Taken::new(lease, pool.clone(), want);
                    let sole = !want.exclusive
                        || (taken.reserve(self.by)
                            && taken.reservation.as_ref().is_some_and(Reservation::is_sole));
                    match (sole, fetches) {
                        (false, _) => busy = true,
                        (true, true) => fetching = fetching.or(Some(taken)),
                        (true, false) => return Ok(taken),
                    }
                }
                Err(Refusal::AllBusy) => busy = true,
                Err(other) => {
                    let says_more = matches!(refusal, None | Some(Refusal::Unknown { .. }));
                    refusal = if says_more { Some(other) } else { refusal };
                }
            }
        }
        match (fetching, busy, refusal) {
            (Some(taken), false, _) => Ok(taken),
            (_, true, _) => Err(Miss::Busy),
            (None, false, Some(refusal)) => Err(Miss::Refused(refusal.into())),
            (None, false, None) => Err(Miss::Refused(Error::not_found("there is no hub for it"))),
        }
    }

    /// Waits for one, with nothing else in hand. `None`: somebody else was quicker, try again.
    async fn wait_for(&self, want: &Want) -> Result<Option<Taken>, Error> {
        let asking = Asking {
            requirement: &want.requirement,
            asker: Asker {
                principal: &self.by.principal,
            },
            tried: &Tried::NONE,
            // Ours ends all of it, with the words for all of it.
            deadline: None,
        };
        let Held { lease, pool } = asking.from(&want.pools).await?;
        let mut taken = Taken::new(lease, pool, want);
        if !want.exclusive {
            return Ok(Some(taken));
        }
        // Another that waits for the same waits for us to leave as well.
        if !taken.reserve(self.by) {
            return Ok(None);
        }
        if let Some(reservation) = &taken.reservation {
            reservation.sole().await;
        }
        Ok(Some(taken))
    }

    fn too_late(&self, want: &Want, wanted: usize) -> Error {
        let what = match wanted {
            1 => "it did not become free in time".to_owned(),
            many => {
                format!("not all {many} resources became free together in time; this one was missing last")
            }
        };
        want.explain(
            Error::new(ErrorCode::RESOURCE_EXHAUSTED, Fault::Host, what)
                .retry(Retry::Now)
                .hint(
                    "`gleitzeit status` shows who has them; ask for a longer `timeout`, or add an instance",
                ),
        )
    }
}
