//! Boxes that no engine has, for tests of what is made of an engine's words; and such tests.

use std::sync::Arc;
use std::time::Duration;

use plugin_api::contract::instance::InstanceSettings;
use plugin_api::owner::Owner;
use plugin_api::testing::{Event, TestHost};

use super::channel::Line;
use super::directory::Directories;
use super::{MANY, Sandbox, Sandboxes};
use crate::engine::{Engines, address};

/// A box that does nothing, and those there are: it alone.
pub(crate) struct Idle {
    pub(crate) host: TestHost,
    pub(crate) boxes: Arc<Sandboxes>,
    /// Where its directory is.
    state: tempfile::TempDir,
}

impl Idle {
    /// The container of the box.
    pub(crate) const CONTAINER: &str = "cccccccccccccccc";

    /// No box yet.
    pub(crate) fn soon() -> Self {
        let host = TestHost::new();
        Self {
            boxes: Arc::new(Sandboxes::new(host.handle())),
            host,
            state: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn new() -> Self {
        let idle = Self::soon();
        idle.begin();
        idle
    }

    /// The box is there.
    pub(crate) fn begin(&self) {
        let settings = InstanceSettings {
            url: "unix:///nowhere".to_owned(),
            ..InstanceSettings::default()
        };
        let engine = address::adopt(settings).unwrap();
        let engine = Engines::default().of(&engine, Duration::from_secs(1)).unwrap();
        let directories = Directories::new(Some(self.state.path().join("state")), Owner::this());
        self.boxes.add(Arc::new(Sandbox {
            instance: "box".to_owned(),
            container: Self::CONTAINER.to_owned(),
            engine,
            word: Default::default(),
            account: Default::default(),
            line: Line::idle(),
            _socket: None,
            _directory: directories.new_directory("box").unwrap(),
            watch: Default::default(),
        }));
    }

    /// Waits until the host is told of its end, and why.
    pub(crate) async fn lost(&self) -> String {
        let told = |host: &TestHost| {
            host.events().into_iter().find_map(|event| match event {
                Event::Lost { reason, .. } => Some(reason),
                _ => None,
            })
        };
        self.host
            .until("the box to be lost", |host| told(host).is_some())
            .await;
        told(&self.host).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn memory_that_ran_out_before_a_container_was_a_box_is_not_forgotten() {
    let idle = Idle::soon();
    idle.boxes.out_of_memory(Idle::CONTAINER);
    idle.begin();
    assert_eq!(idle.boxes.of("box").unwrap().ooms(), 1);
    idle.boxes.killed(Idle::CONTAINER, "exit code 137");
    let lost = idle.lost().await;
    assert!(lost.contains("(out of memory; exit code 137)"), "{lost}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_for_ever_of_containers_that_are_no_boxes() {
    let idle = Idle::new();
    drop(idle.boxes.killed(Idle::CONTAINER, "exit code 137"));
    idle.boxes.removed(Idle::CONTAINER);
    idle.lost().await;
    assert!(idle.boxes.known.lock().ending.is_empty());
    for number in 0..10 * MANY {
        idle.boxes.out_of_memory(&number.to_string());
    }
    assert_eq!(idle.boxes.known.lock().early.len(), MANY);
}
