//! Pairs of settings of which one must not be above the other.
//!
//! Where only one of the two is written, the default of the other gives way: whoever asks for a check every five
//! minutes need not know that there is a longest interval as well. Where both are written, it is a mistake.

use crate::config::diagnostics::Mistake;
use crate::config::settings::Settings;
use crate::config::tree::{Node, Step, dotted, steps};

/// Checks and adjusts every pair.
pub(in crate::config) fn settle(settings: &mut Settings, tree: &Node, mistakes: &mut Vec<Mistake>) {
    let mut pairs = Pairs { tree, mistakes };
    let limits = &mut settings.host.limits;
    let table = steps!["host", "limits"];
    pairs.settle(
        &table,
        ("body_bytes", &mut limits.body_bytes),
        ("buffered_bytes", &mut limits.buffered_bytes),
    );
    pairs.settle(
        &table,
        ("batch_answer_bytes", &mut limits.batch_answer_bytes),
        ("buffered_answer_bytes", &mut limits.buffered_answer_bytes),
    );
    pairs.settle(
        &table,
        ("body_idle_timeout", &mut limits.body_idle_timeout),
        ("body_timeout", &mut limits.body_timeout),
    );
    for hub in &mut settings.hubs {
        let health = &mut hub.health;
        let table = steps!["hubs", &hub.name, "health"];
        pairs.settle(
            &table,
            ("interval", &mut health.interval),
            ("max_interval", &mut health.max_interval),
        );
        pairs.settle(
            &table,
            ("degraded_after", &mut health.degraded_after),
            ("unhealthy_after", &mut health.unhealthy_after),
        );
        let breaker = &mut hub.breaker;
        let table = steps!["hubs", &hub.name, "breaker"];
        pairs.settle(
            &table,
            ("recovery_timeout", &mut breaker.recovery_timeout),
            ("max_recovery_timeout", &mut breaker.max_recovery_timeout),
        );
        let timeouts = &mut hub.timeouts;
        let table = steps!["hubs", &hub.name, "timeouts"];
        pairs.settle(
            &table,
            ("first_byte", &mut timeouts.first_byte),
            ("total", &mut timeouts.total),
        );
        pairs.settle(
            &table,
            ("connect", &mut timeouts.connect),
            ("first_byte", &mut timeouts.first_byte),
        );
        pairs.settle(
            &table,
            ("idle", &mut timeouts.idle),
            ("total", &mut timeouts.total),
        );
        let warm = &mut hub.warm;
        let table = steps!["hubs", &hub.name, "warm"];
        pairs.settle(&table, ("min_idle", &mut warm.min_idle), ("max", &mut warm.max));
    }
}

struct Pairs<'a> {
    tree: &'a Node,
    mistakes: &'a mut Vec<Mistake>,
}

impl Pairs<'_> {
    fn settle<T: PartialOrd + Copy>(&mut self, table: &[Step], lower: (&str, &mut T), upper: (&str, &mut T)) {
        if *lower.1 <= *upper.1 {
            return;
        }
        let at = |key: &str| [table, &steps![key]].concat();
        let (low, high) = (at(lower.0), at(upper.0));
        match (self.tree.at(&low).is_some(), self.tree.at(&high).is_some()) {
            (_, false) => *upper.1 = *lower.1,
            (false, true) => *lower.1 = *upper.1,
            (true, true) => self.mistakes.push(
                Mistake::new(format!(
                    "`{}` must not be above `{}`",
                    dotted(&low),
                    dotted(&high)
                ))
                .at(self.tree.point_at(&low), format!("above `{}`", upper.0))
                .help(format!("lower `{}` or raise `{}`", lower.0, upper.0)),
            ),
        }
    }
}
