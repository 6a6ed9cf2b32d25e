//! Health: what repeated probes say about an instance, and when to look again.
//!
//! The rules are the Python system's, which were right (degraded at two failures in a row, unhealthy at three,
//! one success restores), with its holes closed: a probe that raised or hung left the status as it was for
//! ever; here a panic and a time-out are failures like any other. Every dead instance was probed, and
//! restarted, at full pace; here the dead are probed ever more rarely.
//!
//! An instance that has never answered stays [`Health::Starting`] rather than becoming degraded, since degraded
//! ones are used.

mod policy;

use std::time::Duration;

use serde::Serialize;

use super::time::Tick;
pub use policy::HealthPolicy;

/// How an instance is, judged by its probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// No probe has succeeded yet. Not used.
    #[default]
    Starting,
    /// Used.
    Healthy,
    /// Says so itself, or has failed a few probes: used after healthy ones.
    Degraded,
    /// Not used.
    Unhealthy,
}

impl Health {
    /// Its name in status, events and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Health::Starting => "starting",
            Health::Healthy => "healthy",
            Health::Degraded => "degraded",
            Health::Unhealthy => "unhealthy",
        }
    }

    /// Whether requests may be sent to it, as far as health goes.
    pub fn usable(self) -> bool {
        matches!(self, Health::Healthy | Health::Degraded)
    }
}

/// How one probe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// The instance is well.
    Healthy,
    /// It answered, but is not at its best; why.
    Degraded(String),
    /// It did not answer as it should; what happened.
    Failed(String),
    /// The probe did not end within this time.
    TimedOut(Duration),
    /// The plugin's probe panicked: we know nothing good of the instance.
    Panicked(String),
    /// It refused our credentials: a failure, and not one that time heals.
    Misconfigured(String),
}

/// A change of status, returned as a value so that the caller publishes it when it holds no lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthChange {
    /// What it was.
    pub old: Health,
    /// What it is.
    pub new: Health,
    /// Why, for a person; empty where it is simply well.
    pub reason: String,
}

/// The health of one instance. Not synchronised: only its probe loop changes it, and publishes [`health`]
/// where others read.
///
/// [`health`]: HealthMonitor::health
#[derive(Debug, Clone, PartialEq)]
pub struct HealthMonitor {
    policy: HealthPolicy,
    health: Health,
    failures: u32,
    reason: Option<String>,
    misconfigured: Option<String>,
    last_probe: Option<Tick>,
    next_probe: Tick,
}

impl HealthMonitor {
    /// An instance nobody has looked at; its first probe is due at once.
    pub fn new(policy: HealthPolicy, now: Tick) -> Self {
        Self {
            policy: policy.within_bounds(),
            health: Health::Starting,
            failures: 0,
            reason: None,
            misconfigured: None,
            last_probe: None,
            next_probe: now,
        }
    }

    /// Learns from a probe that ended now, and sets when the next is due. `jitter` is a random number from 0 to
    /// 1, so that instances which were registered together are not probed together for ever.
    pub fn observe(&mut self, observation: Observation, now: Tick, jitter: f64) -> Option<HealthChange> {
        let old = self.health;
        match observation {
            Observation::Healthy => self.succeeded(Health::Healthy, None),
            Observation::Degraded(reason) => self.succeeded(Health::Degraded, Some(reason)),
            Observation::Failed(reason) => self.failed(reason),
            Observation::TimedOut(limit) => {
                self.failed(format!("the probe did not end within {} ms", limit.as_millis()))
            }
            Observation::Panicked(what) => self.failed(format!("the probe panicked: {what}")),
            Observation::Misconfigured(reason) => {
                self.misconfigured = Some(reason.clone());
                self.failed(reason);
            }
        }
        self.last_probe = Some(now);
        self.next_probe = now.after(self.policy.delay(self.failures, jitter));
        self.change_from(old)
    }

    /// Requests were refused for our credentials: it is not to be used until a probe succeeds.
    pub fn misconfigured(&mut self, reason: impl Into<String>) {
        self.misconfigured = Some(reason.into());
    }

    /// Asks for a probe now, as an operator or a request that failed to connect may.
    pub fn probe_at(&mut self, when: Tick) {
        self.next_probe = self.next_probe.min(when);
    }

    fn succeeded(&mut self, health: Health, reason: Option<String>) {
        self.health = health;
        self.failures = 0;
        self.reason = reason;
        self.misconfigured = None;
    }

    fn failed(&mut self, reason: String) {
        self.failures = self.failures.saturating_add(1);
        self.reason = Some(reason);
        self.health = match self.health {
            _ if self.failures >= self.policy.unhealthy_after => Health::Unhealthy,
            Health::Healthy if self.failures >= self.policy.degraded_after => Health::Degraded,
            same => same,
        };
    }

    fn change_from(&self, old: Health) -> Option<HealthChange> {
        (old != self.health).then(|| HealthChange {
            old,
            new: self.health,
            reason: self.reason.clone().unwrap_or_default(),
        })
    }

    /// How it is.
    pub fn health(&self) -> Health {
        self.health
    }

    /// Failed probes in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Why it is not well, or what the last probe failed with.
    pub fn reason(&self) -> Option<&str> {
        self.misconfigured.as_deref().or(self.reason.as_deref())
    }

    /// Whether it refuses our credentials, so that only the operator can help.
    pub fn is_misconfigured(&self) -> bool {
        self.misconfigured.is_some()
    }

    /// Whether requests may be sent to it, as far as its probes say.
    pub fn usable(&self) -> bool {
        self.health.usable() && self.misconfigured.is_none()
    }

    /// When the last probe ended.
    pub fn last_probe(&self) -> Option<Tick> {
        self.last_probe
    }

    /// When the next probe is due.
    pub fn next_probe(&self) -> Tick {
        self.next_probe
    }
}

#[cfg(test)]
mod tests;
