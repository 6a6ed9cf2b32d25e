//! The parts of a run.

mod failures;
mod hanging;
mod memory;
mod micro;
mod pace;
mod sandbox;
mod short;
mod startup;
mod streams;
mod turns;

use std::io::{IsTerminal, Write};

use anyhow::Context;

use crate::machine::Machine;
use crate::options::{Options, Part};
use crate::report::{self, Found};

/// Runs what is wanted; each table is printed when it is ready.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let machine = Machine::look(options.wants_gateways())?;
    println!("{}", machine.markdown());
    let mut all = Vec::new();
    if options.wants(Part::Startup) {
        show(&mut all, startup::run(options).await.context("start-up")?);
    }
    // What is short comes first, so that a run which is interrupted leaves something of everything.
    if options.wants(Part::Memory) {
        show(&mut all, memory::run(options).await.context("memory")?);
    }
    for part in [Part::Sick, Part::Dead]
        .into_iter()
        .filter(|part| options.wants(*part))
    {
        show(
            &mut all,
            failures::run(part, options).await.context("a failing back end")?,
        );
    }
    if options.wants(Part::Hanging) {
        show(
            &mut all,
            hanging::run(options).await.context("a hanging back end")?,
        );
    }
    if options.wants(Part::Sandbox) && !options.without_host {
        show(&mut all, sandbox::run(options).await.context("sandboxes")?);
    }
    if options.wants(Part::Micro) && !options.without_host {
        show(&mut all, micro::run(options).context("micro-benchmarks")?);
    }
    if options.wants(Part::Short) {
        show(&mut all, short::run(options).await.context("short answers")?);
    }
    if options.wants(Part::Streams) {
        show(&mut all, streams::run(options).await.context("streams")?);
    }
    if options.wants(Part::Pace) {
        show(&mut all, pace::run(options).await.context("paced streams")?);
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report::json(serde_json::to_value(&machine)?, all))?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn show(all: &mut Vec<Found>, found: Vec<Found>) {
    for found in found {
        println!("{}", found.markdown());
        all.push(found);
    }
}

/// Says what is going on, on one line that the next one replaces.
fn progress(what: &str) {
    let mut out = std::io::stderr();
    if !out.is_terminal() {
        return;
    }
    // Whoever closed standard error does not want to know.
    let _ = write!(out, "\r\x1b[2K{what}\r").and_then(|()| out.flush());
}
