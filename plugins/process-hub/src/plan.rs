//! What a workload means on this machine: limits filled in, and refused what a process cannot be given.

use std::collections::BTreeSet;

use confine::Belt;
use confine::cgroup::{Limits, Report};
use plugin_api::contract::workload::{Isolation, LEAST_CPUS, Workload};

use crate::config::{Config, Enforcement};
use crate::error::ProcessError;

/// A workload with everything said, and how its limits are enforced.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// The workload, with every limit.
    pub(crate) workload: Workload,
    /// What control groups enforce.
    pub(crate) limits: Limits,
    /// What they do not.
    pub(crate) belts: BTreeSet<Belt>,
}

impl Plan {
    /// # Errors
    /// The workload cannot be honoured in full. It is never weakened.
    pub(crate) fn of(mut workload: Workload, config: &Config, groups: &Report) -> Result<Self, ProcessError> {
        refuse_what_is_none_of_ours(&workload, config)?;
        fill_in(&mut workload, config);
        let limits = &workload.limits;
        let mut plan = Self {
            limits: Limits {
                memory: limits.memory_bytes.filter(|_| groups.memory.is_some()),
                cpus: limits.cpus.filter(|_| groups.processors.is_some()),
                processes: limits.processes.filter(|_| groups.processes.is_some()),
            },
            belts: BTreeSet::new(),
            workload,
        };
        plan.make_do(config, groups)?;
        Ok(plan)
    }

    /// Chooses weaker means for what no control group limits, where the operator allows them.
    fn make_do(&mut self, config: &Config, groups: &Report) -> Result<(), ProcessError> {
        let is_boxed = self.workload.isolation == Isolation::System;
        let may = |allowed: Enforcement| !is_boxed || allowed == Enforcement::BestEffort;
        let reason = || match &groups.obstacle {
            Some(obstacle) => format!(" ({obstacle})"),
            None => String::new(),
        };
        let lacks = [
            (
                self.limits.memory.is_none(),
                Belt::Memory,
                "memory",
                may(config.memory),
                "memory",
            ),
            (
                self.limits.cpus.is_none(),
                Belt::Processors,
                "processor time",
                may(config.processors),
                "processors",
            ),
            // The kernel's own limit on processes is as hard; it counts each identity of a box by itself.
            (
                self.limits.processes.is_none(),
                Belt::Processes,
                "processes",
                true,
                "",
            ),
        ];
        for (lacks, belt, what, may, setting) in lacks {
            if lacks && !may {
                return Err(ProcessError::Unlimited {
                    what,
                    reason: reason(),
                    setting,
                });
            }
            if lacks {
                self.belts.insert(belt);
            }
        }
        Ok(())
    }
}

fn refuse_what_is_none_of_ours(workload: &Workload, config: &Config) -> Result<(), ProcessError> {
    let refuse = |what: &str, hint: &'static str| {
        Err(ProcessError::Unfit {
            what: what.to_owned(),
            hint,
        })
    };
    const CONTAINERS: &str = "use a hub that provides containers for it";
    match workload.isolation {
        Isolation::Container => return refuse("this hub starts processes, not containers", CONTAINERS),
        Isolation::None if !config.allow_unconfined => {
            return refuse(
                "processes without isolation are not allowed here",
                "say `allow_unconfined = true` in this hub's config, if you trust whoever may call with your files",
            );
        }
        Isolation::None | Isolation::System => {}
    }
    if workload.image.is_some() {
        return refuse("a process of this machine has no image", CONTAINERS);
    }
    if workload.runtime.is_some() {
        return refuse("a process of this machine has no container runtime", CONTAINERS);
    }
    if !workload.gpus.is_empty() {
        return refuse("this hub gives no graphics processors", CONTAINERS);
    }
    if let Some(cpus) = workload.limits.cpus
        && !(cpus.is_finite() && cpus >= LEAST_CPUS)
    {
        return refuse(
            &format!(
                "it is to have {cpus} processors; {LEAST_CPUS} is the least that a process can be held to"
            ),
            "such as 0.5 or 2",
        );
    }
    if let Some(name) = confine::surplus_capability(workload) {
        return refuse(
            &format!(
                "it is to keep the capability {name}, which opens parts of the kernel through which boxes are left; a \
                 process may keep {}",
                confine::CAPABILITIES.join(", ")
            ),
            "leave it out, or use a hub that provides containers for it",
        );
    }
    Ok(())
}

fn fill_in(workload: &mut Workload, config: &Config) {
    let defaults = &config.limits;
    let limits = &mut workload.limits;
    limits.memory_bytes.get_or_insert(defaults.memory.0);
    limits.cpus.get_or_insert(defaults.cpus);
    limits.processes.get_or_insert(defaults.processes);
    limits.open_files.get_or_insert(defaults.open_files);
    limits.file_bytes.get_or_insert(defaults.file.0);
    limits.shared_memory_bytes.get_or_insert(defaults.shared_memory.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed() -> Workload {
        Workload {
            isolation: Isolation::System,
            command: vec!["python3".into()],
            ..Workload::default()
        }
    }

    fn every_controller() -> Report {
        Report {
            memory: Some("/m".into()),
            processes: Some("/p".into()),
            processors: Some("/c".into()),
            ..Report::default()
        }
    }

    #[test]
    fn what_a_workload_does_not_say_is_the_operators_word() {
        let config = Config::default();
        let plan = Plan::of(boxed(), &config, &every_controller()).unwrap();
        assert_eq!(plan.limits.memory, Some(256 << 20));
        assert_eq!(plan.workload.limits.open_files, Some(256));
        assert!(plan.belts.is_empty());
    }

    #[test]
    fn a_limit_that_cannot_be_enforced_is_refused_unless_best_effort_will_do() {
        let none = Report::default();
        let refused = Plan::of(boxed(), &Config::default(), &none).unwrap_err();
        assert!(matches!(refused, ProcessError::Unlimited { what: "memory", .. }));
        let config = Config {
            memory: Enforcement::BestEffort,
            ..Config::default()
        };
        let refused = Plan::of(boxed(), &config, &none).unwrap_err();
        assert!(matches!(
            refused,
            ProcessError::Unlimited {
                setting: "processors",
                ..
            }
        ));
        let config = Config {
            processors: Enforcement::BestEffort,
            ..config
        };
        let plan = Plan::of(boxed(), &config, &none).unwrap();
        assert_eq!(
            plan.belts,
            BTreeSet::from([Belt::Memory, Belt::Processors, Belt::Processes])
        );
    }

    #[test]
    fn nothing_is_taken_for_what_it_is_not() {
        let config = Config::default();
        let refused = |change: fn(&mut Workload)| {
            let mut workload = boxed();
            change(&mut workload);
            Plan::of(workload, &config, &every_controller())
                .unwrap_err()
                .to_string()
        };
        assert!(refused(|workload| workload.isolation = Isolation::Container).contains("not containers"));
        assert!(refused(|workload| workload.isolation = Isolation::None).contains("not allowed"));
        assert!(refused(|workload| workload.image = Some("debian".into())).contains("image"));
        assert!(refused(|workload| workload.runtime = Some("runsc".into())).contains("runtime"));
        assert!(refused(|workload| workload.gpus = vec!["all".into()]).contains("graphics"));
        for cpus in [f64::NAN, 0.0001, 0.0, -1.0] {
            let mut workload = boxed();
            workload.limits.cpus = Some(cpus);
            let refused = Plan::of(workload, &config, &every_controller()).unwrap_err();
            assert!(refused.to_string().contains("0.01 is the least"), "{refused}");
        }
    }

    #[test]
    fn only_what_a_supervisor_needs_of_roots_rights_is_kept() {
        let config = Config::default();
        let planned = |names: &[&str]| {
            let workload = Workload {
                capabilities: names.iter().map(|name| (*name).to_owned()).collect(),
                ..boxed()
            };
            Plan::of(workload, &config, &every_controller())
        };
        planned(&["KILL", "SETGID", "SETUID"]).unwrap();
        for name in [
            "SYS_ADMIN",
            "SYS_PTRACE",
            "SYS_MODULE",
            "NET_ADMIN",
            "NET_RAW",
            "MKNOD",
            "BPF",
            "DAC_OVERRIDE",
            "CHOWN",
            "NO_SUCH",
        ] {
            let refused = planned(&["KILL", name]).unwrap_err();
            assert!(
                refused.to_string().contains(&format!("the capability {name}")),
                "{refused}"
            );
        }
    }
}
