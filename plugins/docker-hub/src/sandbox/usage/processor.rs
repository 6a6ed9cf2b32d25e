//! Processor use: the difference between two looks, for engines tell only what was used since the start.

use std::time::Instant;

use bollard::models::ContainerCpuStats;
use parking_lot::Mutex;

/// How much processor time was used at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// By the container, in nanoseconds.
    used: u64,
    /// By all of the machine, in nanoseconds, where the engine tells.
    machine: Option<u64>,
    /// Processors of the machine.
    processors: u64,
    at: Instant,
}

impl Sample {
    /// Reads one; `None` where the engine does not tell, as of what does not run.
    pub(super) fn of(stats: &ContainerCpuStats, at: Instant) -> Option<Self> {
        let usage = stats.cpu_usage.as_ref()?;
        // Of engines that do not tell how many there are, but tell of each.
        let each = || usage.percpu_usage.as_ref().map_or(0, |each| each.len() as u64);
        let processors = stats.online_cpus.map(u64::from).filter(|online| *online > 0);
        Some(Self {
            used: usage.total_usage.filter(|used| *used > 0)?,
            machine: stats.system_cpu_usage.filter(|used| *used > 0),
            processors: processors.unwrap_or_else(each),
            at,
        })
    }

    /// What was used since another, in percent of one processor; `None` where no time has passed, or it began anew.
    pub(super) fn percent_since(&self, before: &Self) -> Option<f64> {
        let used = self.used.checked_sub(before.used)? as f64;
        let machine = self
            .machine
            .zip(before.machine)
            .and_then(|(now, then)| now.checked_sub(then))
            .filter(|passed| *passed > 0 && self.processors > 0);
        // As the engines' own command lines reckon, so that both say the same; else by our clock.
        let passed = match machine {
            Some(machine) => machine as f64 / self.processors as f64,
            None => self.at.duration_since(before.at).as_nanos() as f64,
        };
        (passed > 0.0).then(|| 100.0 * used / passed)
    }
}

/// The last look at one container.
#[derive(Debug, Default)]
pub(super) struct Meter {
    last: Mutex<Option<Sample>>,
}

impl Meter {
    /// Processor use since the look before this one; `None` at the first.
    pub(super) fn percent(&self, now: Option<Sample>) -> Option<f64> {
        let now = now?;
        let before = self.last.lock().replace(now)?;
        now.percent_since(&before)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bollard::models::ContainerCpuUsage;

    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    fn sample(used: u64, machine: Option<u64>, at: Instant) -> Option<Sample> {
        let stats = ContainerCpuStats {
            cpu_usage: Some(ContainerCpuUsage {
                total_usage: Some(used * MILLISECOND),
                ..ContainerCpuUsage::default()
            }),
            system_cpu_usage: machine.map(|machine| machine * MILLISECOND),
            online_cpus: Some(4),
            ..ContainerCpuStats::default()
        };
        Sample::of(&stats, at)
    }

    #[test]
    fn one_busy_processor_of_four_is_a_hundred_percent() {
        let (meter, began) = (Meter::default(), Instant::now());
        assert_eq!(
            meter.percent(sample(500, Some(10_000), began)),
            None,
            "the first look"
        );
        // A second later four processors have had four seconds.
        assert_eq!(meter.percent(sample(1500, Some(14_000), began)), Some(100.0));
        assert_eq!(meter.percent(sample(1500, Some(18_000), began)), Some(0.0));
        assert_eq!(meter.percent(sample(1750, Some(22_000), began)), Some(25.0));
    }

    #[test]
    fn without_the_machines_own_account_our_clock_will_do() {
        let (meter, began) = (Meter::default(), Instant::now());
        meter.percent(sample(500, None, began));
        let later = began + Duration::from_secs(2);
        assert_eq!(meter.percent(sample(1500, None, later)), Some(50.0));
    }

    #[test]
    fn what_cannot_be_told_is_not_told() {
        let (meter, began) = (Meter::default(), Instant::now());
        meter.percent(sample(500, Some(10_000), began));
        // It was started anew.
        assert_eq!(meter.percent(sample(100, Some(14_000), began)), None);
        // The same moment twice.
        assert_eq!(meter.percent(sample(100, Some(14_000), began)), None);
        // It does not run any more.
        assert_eq!(meter.percent(sample(0, Some(18_000), began)), None);
        assert_eq!(Sample::of(&ContainerCpuStats::default(), began).map(|_| ()), None);
    }
}
