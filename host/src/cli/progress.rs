//! Progress bars, one per instance.

use std::cell::RefCell;
use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::table::one_line;

/// Progress bars, one per instance, drawn on standard error. They are gone when this is dropped.
pub(super) struct Bars {
    all: MultiProgress,
    by_instance: RefCell<BTreeMap<String, ProgressBar>>,
}

impl Bars {
    /// None drawn yet; none ever if nobody sees them.
    pub(super) fn new(visible: bool) -> Self {
        let target = if visible {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            all: MultiProgress::with_draw_target(target),
            by_instance: RefCell::default(),
        }
    }

    /// Draws a report: by convention `{"status": text, "completed": n, "total": n}`, the numbers in bytes.
    pub(super) fn update(&self, instance: &str, progress: &Value) {
        let mut bars = self.by_instance.borrow_mut();
        let bar = bars.entry(instance.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new(0));
            bar.set_prefix(one_line(instance));
            bar
        });
        let total = progress["total"].as_u64().filter(|total| *total > 0);
        let template = match total {
            Some(_) => "{prefix}  {msg:30!}  {bar:30}  {bytes}/{total_bytes}  {bytes_per_sec}  {eta}",
            None => "{prefix}  {msg:30!}  {spinner}  {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_length(total.unwrap_or_default());
        bar.set_position(progress["completed"].as_u64().unwrap_or_default());
        bar.set_message(one_line(progress["status"].as_str().unwrap_or_default()));
        bar.tick();
    }

    /// Does something that writes to the terminal, with the bars out of the way.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.all.suspend(write)
    }

    /// Takes them away, before the result is printed.
    pub(super) fn clear(&self) {
        for bar in self.by_instance.borrow().values() {
            bar.finish_and_clear();
        }
        // A terminal that cannot be cleared shows the bars a little longer.
        let _ = self.all.clear();
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.clear();
    }
}
