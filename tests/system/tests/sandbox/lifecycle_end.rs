//! L6: an end in good order is quick, however many boxes there are.

use std::time::{Duration, Instant};

use containers::Image;
use system::host::host;

use crate::boxes::{descendants, eventually};
use crate::python::{Level, Python};

/// As many as the list has: idle, they are some 12 MB each.
const MANY: usize = 100;

#[tokio::test]
async fn l6_a_host_with_many_containers_stops_quickly() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    let config = format!(
        "[hubs.docker]\nplugin = \"docker-hub\"\nwarm = {{ min_idle = {MANY}, max = {MANY} }}\n\
         [providers.python]\nplugin = \"python-provider\"\nhubs = {{ sandboxed = \"docker\" }}\n\
         config = {{ sandboxed = {{ image = \"{}\" }} }}\n",
        Image::Plain.name()
    );
    let host = host(&config)
        .plugins(&["docker-hub", "python-provider"])
        .start()
        .await;
    let mut python = Python::of(host, Level::Sandboxed).await;
    let pid = python.host.pid();
    // What an engine has begun to remove runs no more; asked for so much at once, some never end removing.
    let held = || {
        let states =
            ["created", "running", "paused", "exited", "dead"].map(|state| format!("status={state}"));
        let label = format!("label=gleitzeit.process={pid}");
        let filters: Vec<&str> = states.iter().chain([&label]).map(String::as_str).collect();
        engine.containers(&filters).unwrap().len()
    };
    eventually(
        "the pool is filled ahead of need",
        Duration::from_secs(200),
        held,
        |held| *held >= MANY,
    )
    .await;
    let begun = Instant::now();
    python.host.signal("TERM");
    assert_eq!(python.host.ended().await, Some(0));
    let took = begun.elapsed();
    eventually("nothing is left", Duration::from_secs(10), held, |held| {
        *held == 0
    })
    .await;
    eprintln!(
        "the host with {MANY} containers ended in {took:?}, and they by {:?}",
        begun.elapsed()
    );
    // The engine alone takes some 45 ms for each, on two processors, whoever asks for it.
    assert!(took < Duration::from_secs(12), "{took:?}");
}

#[tokio::test]
async fn l6_a_host_with_processes_stops_quickly() {
    if !Level::Restricted.is_here() {
        return;
    }
    let mut python = Python::start(Level::Restricted, "").await;
    let below = descendants(python.host.pid());
    assert!(!below.is_empty());
    let begun = Instant::now();
    python.host.signal("TERM");
    assert_eq!(python.host.ended().await, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let alive = || below.iter().filter(|process| process.lives()).count();
    eventually("no process is left", Duration::from_secs(3), alive, |alive| {
        *alive == 0
    })
    .await;
}
