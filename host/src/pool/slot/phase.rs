//! The state of an instance as people see it, from everything that bears on it.

use plugin_api::contract::health::{Health, HealthMonitor};
use serde::Serialize;

use crate::pool::gate::Closed;

/// What the engine is doing with the instance, besides looking at its health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pool) enum Phase {
    /// Using it.
    Serving,
    /// The hub is starting it.
    Starting,
    /// The hub is stopping it.
    Stopping,
    /// The hub has stopped it.
    Stopped,
    /// The hub could not take or start it; why.
    Failed(String),
}

/// An instance's state, by the names that people see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not probed successfully yet, or being started.
    Starting,
    /// Well.
    Healthy,
    /// Used, after healthy ones.
    Degraded,
    /// Its probes fail.
    Unhealthy,
    /// Finishes what it has, takes nothing new.
    Draining,
    /// Being stopped.
    Stopping,
    /// Stopped.
    Stopped,
    /// Could not be taken over or started.
    Failed,
}

impl State {
    /// All states, in the order of a life.
    pub const ALL: [State; 8] = [
        State::Starting,
        State::Healthy,
        State::Degraded,
        State::Unhealthy,
        State::Draining,
        State::Stopping,
        State::Stopped,
        State::Failed,
    ];

    /// Its name in status, events and metrics.
    pub fn name(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Healthy => "healthy",
            State::Degraded => "degraded",
            State::Unhealthy => "unhealthy",
            State::Draining => "draining",
            State::Stopping => "stopping",
            State::Stopped => "stopped",
            State::Failed => "failed",
        }
    }
}

/// Everything that decides about an instance and changes seldom. Behind the slot's own lock.
#[derive(Debug)]
pub(in crate::pool) struct Condition {
    pub(in crate::pool) health: HealthMonitor,
    pub(in crate::pool) phase: Phase,
    /// A probe has succeeded at least once.
    pub(in crate::pool) known: bool,
    /// The operator wants it drained.
    pub(in crate::pool) cordoned: bool,
    /// It takes no more requests and goes once it is empty.
    pub(in crate::pool) leaving: Option<Leaving>,
    /// Counts starts, so that a probe of what was there before is not taken for one of what is there now.
    pub(in crate::pool) life: u32,
}

/// Why an instance goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) enum Leaving {
    /// It was discovered once, and is not found any more.
    Vanished,
    /// Its hub is stopping.
    HubStops,
    /// Its hub is to keep fewer started.
    NotWanted,
}

impl Condition {
    /// The state that follows from it.
    pub(in crate::pool) fn state(&self) -> State {
        match self.phase {
            Phase::Starting => State::Starting,
            Phase::Stopping => State::Stopping,
            Phase::Stopped => State::Stopped,
            Phase::Failed(_) => State::Failed,
            Phase::Serving if self.cordoned || self.leaving.is_some() => State::Draining,
            Phase::Serving if self.health.is_misconfigured() => State::Unhealthy,
            Phase::Serving => match self.health.health() {
                Health::Starting => State::Starting,
                Health::Healthy => State::Healthy,
                Health::Degraded => State::Degraded,
                Health::Unhealthy => State::Unhealthy,
            },
        }
    }

    /// What of it keeps requests out: each reason with whether it holds.
    pub(in crate::pool) fn closures(&self) -> [(Closed, bool); 5] {
        let health = self.health.health();
        let serving = self.phase == Phase::Serving;
        [
            (
                Closed::STARTING,
                self.phase == Phase::Starting || (serving && health == Health::Starting),
            ),
            (Closed::UNHEALTHY, health == Health::Unhealthy),
            (Closed::DRAINING, self.cordoned || self.leaving.is_some()),
            (Closed::MISCONFIGURED, self.health.is_misconfigured()),
            (Closed::STOPPED, !serving && self.phase != Phase::Starting),
        ]
    }

    /// Why it is not simply well, for a person.
    pub(in crate::pool) fn reason(&self) -> Option<String> {
        match &self.phase {
            Phase::Failed(reason) => Some(reason.clone()),
            Phase::Starting => Some("being started".into()),
            Phase::Stopping => Some("being stopped".into()),
            Phase::Stopped => Some("stopped".into()),
            Phase::Serving if self.leaving == Some(Leaving::HubStops) => Some("the hub is stopping".into()),
            Phase::Serving if self.leaving == Some(Leaving::NotWanted) => {
                Some("fewer are to be kept started".into())
            }
            Phase::Serving if self.leaving.is_some() => Some("it is not found any more".into()),
            Phase::Serving if self.cordoned => Some("an operator asked for it".into()),
            Phase::Serving if self.health.health() == Health::Starting && self.health.failures() == 0 => {
                Some("its first probe has not ended yet".into())
            }
            Phase::Serving => self.health.reason().map(str::to_owned),
        }
    }
}
