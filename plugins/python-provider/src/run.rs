//! One run on a box that is held for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use plugin_api::contract::error::Retry;
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::workload::OUT_OF_MEMORY;
use plugin_api::host::Lease;
use plugin_api::{Context, Error, ErrorCode, Fault};
use tokio::time::Instant;

use crate::plan::Plan;
use crate::provider::Shared;
use crate::report::{Collected, Place};
use crate::runner::{Bad, Connection, End, Frame, Kind, Lost};

/// How much longer than its own deadline a run may take to be cleaned up after: files, directories, the wipe.
const MARGIN: Duration = Duration::from_secs(20);
/// Past its deadline a runner has something to say at least so often, if only that it is there. One whose box stands
/// still (`docker pause`, a frozen control group) has not.
const PROMPT: Duration = Duration::from_secs(4);
/// How long a run that nobody wants any more may take to end cleanly.
const PARTING: Duration = Duration::from_secs(2);
/// How long the hub may take to hear why a box has ended, and how often it is asked.
const HEARSAY: Duration = Duration::from_millis(2500);
const LOOK: Duration = Duration::from_millis(20);
/// So many boxes are tried that turn out to be dead before anything was sent to them.
const ATTEMPTS: usize = 3;

/// A run. Dropped before its end, it is cancelled, and its box is given back only once it is proven clean.
pub(crate) struct Running {
    shared: Arc<Shared>,
    held: Option<Held>,
    run: u32,
    until: Instant,
    /// Until when a word of the runner is awaited, if only an answer to the question whether it is there.
    word: Instant,
    asked: bool,
    /// How many more bytes a run within its limits can send.
    budget: u64,
    /// How many more files.
    files: u32,
    pub place: Place,
}

/// A box and the line to the runner in it.
pub(crate) struct Held {
    pub lease: Lease,
    pub connection: Connection,
}

/// What a run says next.
#[derive(Debug)]
pub(crate) enum Said {
    Out(Bytes),
    Err(Bytes),
    Image(Bytes),
    Result(Bytes),
    Made(String, Bytes),
    End(End),
}

impl Running {
    /// Leases a box and sends it the run.
    ///
    /// # Errors
    /// No box is to be had. What the code does later is never an error.
    pub(crate) async fn start(
        shared: &Arc<Shared>,
        context: &Context,
        plan: &Plan,
        kind: &str,
    ) -> Result<Self, Error> {
        let requirement = plan.requirement();
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            let lease = shared.host.lease(context, &requirement).await?;
            let instance = lease.instance();
            match shared.connections.take(instance).await {
                Ok(connection) => {
                    shared.seen(&plan.profile.name, connection.hello());
                    match Self::send(shared, context, plan, kind, Held { lease, connection }).await {
                        Ok(running) => return Ok(running),
                        Err(lost) => failure = Some(lost),
                    }
                }
                Err(lost) => {
                    lease.finish(Outcome::ConnectFailed);
                    failure = Some(lost);
                }
            }
        }
        let why = failure.map_or_else(String::new, |lost| lost.to_string());
        Err(Error::instance(ErrorCode::CONNECTION_FAILED, why)
            .hint("the image needs a Python of 3.8 or later; the hub's status shows how its boxes fare"))
    }

    /// Sends a run to a box that is held already.
    pub(crate) async fn send(
        shared: &Arc<Shared>,
        context: &Context,
        plan: &Plan,
        kind: &str,
        mut held: Held,
    ) -> Result<Self, Lost> {
        let time = plan.time(context);
        let (control, job) = plan.messages(kind, time);
        let run = match held
            .connection
            .send(&control, &job, &plan.files, &plan.stdin)
            .await
        {
            Ok(run) => run,
            Err(lost) => {
                held.lease.finish(Outcome::ConnectFailed);
                return Err(lost);
            }
        };
        let grant = held.lease.grant();
        let place = Place {
            level: plan.profile.level.name(),
            profile: plan.profile.name.clone(),
            instance: grant.instance.id.clone(),
            uses: grant.uses,
            queued: grant.queued,
        };
        let table = &plan.table;
        let most = 2 * table.output + table.result + 3 * table.files_size;
        Ok(Self {
            shared: shared.clone(),
            held: Some(held),
            run,
            until: Instant::now() + time + MARGIN,
            word: Instant::now() + time + PROMPT,
            asked: false,
            budget: most + u64::from(table.files) * 4200 + (1 << 20),
            files: table.files,
            place,
        })
    }

    /// What it says next. The last thing is its end, whatever happens to the box. Cancel safe.
    pub(crate) async fn next(&mut self) -> Said {
        let run = self.run;
        loop {
            let Some(held) = self.held.as_mut() else {
                return Said::End(lost("its end has been told already"));
            };
            let until = self.until.min(self.word);
            let (outcome, why) = match tokio::time::timeout_at(until, held.connection.frame()).await {
                Err(_) if self.asked || self.until <= Instant::now() => (Outcome::TimedOut, Lost::Silent),
                Err(_) => match tokio::time::timeout(PROMPT, held.connection.ping(run)).await {
                    Ok(Ok(())) => {
                        (self.asked, self.word) = (true, Instant::now() + PROMPT);
                        continue;
                    }
                    Ok(Err(lost)) => (Outcome::StreamBroken, lost),
                    // It does not even read: a job larger than what the socket holds lies there still.
                    Err(_) => (Outcome::TimedOut, Lost::Silent),
                },
                Ok(Err(lost @ Lost::Nonsense(_))) => (Outcome::ServerError, lost),
                Ok(Err(lost)) => (Outcome::StreamBroken, lost),
                Ok(Ok(frame)) => {
                    self.asked = false;
                    self.word = self.word.max(Instant::now() + PROMPT);
                    if frame.kind == Kind::Pong {
                        continue;
                    }
                    match self.understand(frame, run) {
                        Ok(said) => return said,
                        Err(bad) => (Outcome::ServerError, bad.into()),
                    }
                }
            };
            let fate = match outcome {
                Outcome::StreamBroken => self.fate().await,
                _ => None,
            };
            if let Some(held) = self.held.take() {
                held.lease.finish(outcome);
            }
            return Said::End(fate.map_or_else(|| lost(&why.to_string()), |fate| ended(&fate)));
        }
    }

    /// What the hub says of the end of the box, which it may hear of a little later than this connection. Asked for while
    /// the box is held, because nobody remembers it afterwards.
    async fn fate(&self) -> Option<String> {
        let id = self.held.as_ref()?.lease.instance().id.clone();
        let context = Context::background("python-fate");
        let asking = async {
            loop {
                let views = self.shared.host.instances(&context).await.ok()?;
                let view = views.into_iter().find(|view| view.instance.id == id)?;
                if view.state == "failed" {
                    return view.reason;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(HEARSAY, asking).await.ok()?
    }

    fn understand(&mut self, frame: Frame, run: u32) -> Result<Said, Bad> {
        if frame.run != run {
            return Err(Bad::Protocol);
        }
        let size = frame.payload.len() as u64;
        self.budget = self
            .budget
            .checked_sub(size)
            .ok_or(Bad::Size(frame.payload.len()))?;
        Ok(match frame.kind {
            Kind::Out => Said::Out(frame.payload),
            Kind::Err => Said::Err(frame.payload),
            Kind::Image => Said::Image(frame.payload),
            Kind::Result => Said::Result(frame.payload),
            Kind::Made => {
                let (name, contents) = crate::runner::named(frame.payload)?;
                // A caller may save it under this name. No runner says such a one, unless code speaks in its place.
                let left = self
                    .files
                    .checked_sub(1)
                    .filter(|_| crate::files::is_below(&name));
                self.files = left.ok_or(Bad::Protocol)?;
                Said::Made(name, contents)
            }
            Kind::End => {
                let read = serde_json::from_slice(&frame.payload);
                Said::End(read.map_err(|error| Bad::Json(error.to_string()))?)
            }
            _ => return Err(Bad::Protocol),
        })
    }

    /// Everything it says, up to its end.
    ///
    /// # Errors
    /// Nobody wants to know any more.
    pub(crate) async fn all(&mut self, context: &Context) -> Result<(Collected, End), Error> {
        let mut collected = Collected::default();
        loop {
            let said = tokio::select! {
                said = self.next() => said,
                () = context.cancelled() => return Err(cancelled()),
            };
            match said {
                Said::Out(piece) => collected.stdout.extend_from_slice(&piece),
                Said::Err(piece) => collected.stderr.extend_from_slice(&piece),
                Said::Image(png) => collected.images.push(png),
                Said::Result(json) => collected.result = Some(json),
                Said::Made(name, contents) => collected.files.push((name, contents)),
                Said::End(end) => return Ok((collected, end)),
            }
        }
    }

    /// After the end: the box is given back, or, where a session goes on in it, kept.
    pub(crate) fn settle(mut self, end: &End) -> Option<Held> {
        let held = self.held.take()?;
        if end.session && end.clean {
            return Some(held);
        }
        give_back(&self.shared, held, end);
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (Some(held), Ok(runtime)) = (self.held.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        runtime.spawn(part(self.shared.clone(), held, self.run));
    }
}

/// Ends a run that nobody waits for.
async fn part(shared: Arc<Shared>, mut held: Held, run: u32) {
    let parting = async {
        held.connection.cancel(run).await?;
        loop {
            let frame = held.connection.frame().await?;
            if frame.kind == Kind::End && frame.run == run {
                let read = serde_json::from_slice::<End>(&frame.payload);
                return read.map_err(|error| Lost::Nonsense(Bad::Json(error.to_string())));
            }
        }
    };
    match tokio::time::timeout(PARTING, parting).await {
        // A session may have outlived the word: then it is not over, and its box is nobody else's.
        Ok(Ok(end)) if !end.session => give_back(&shared, held, &end),
        _ => held.lease.finish(Outcome::Cancelled),
    }
}

fn give_back(shared: &Shared, held: Held, end: &End) {
    if end.clean {
        shared.connections.put(&held.lease.instance().id, held.connection);
        held.lease.finish(Outcome::Success);
    } else {
        let why = end.unclean.as_deref().unwrap_or("it did not say why");
        tracing::warn!(
            instance = held.lease.instance().id,
            why,
            "a box that is not clean is thrown away"
        );
        held.lease.finish(Outcome::ServerError);
    }
}

/// The end of a run whose box has ended, for the reason that its hub gave.
fn ended(fate: &str) -> End {
    if !fate.contains(OUT_OF_MEMORY) {
        return lost(fate);
    }
    End {
        outcome: "oom".into(),
        error: Some("the memory was used up, and the box with it".into()),
        ..End::default()
    }
}

fn lost(why: &str) -> End {
    End {
        outcome: "infrastructure".into(),
        error: Some(format!(
            "{why}; the code may have run in part, and can be sent again"
        )),
        ..End::default()
    }
}

pub(crate) fn cancelled() -> Error {
    Error::new(
        ErrorCode::CANCELLED,
        Fault::Client,
        "the caller no longer wants the result",
    )
    .retry(Retry::Never)
}
