//! A plugin that ends the process while it is being started: a few times, and then never again.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use gleitzeit::config::settings::{HostSettings, HubSettings};
use gleitzeit::plugin::{Catalogue, Loader, Refusal};
use serde_json::json;
use system::plugins::plugin;

use crate::elf::Elf;
use crate::services::nothing;
use crate::yard::{Yard, assert_line};

/// Tells the test, run again as a process of its own, where to find its plugin and its state.
const VICTIM: &str = "GLEITZEIT_TEST_VICTIM";

const TEST: &str = "crashing::a_plugin_that_ends_the_host_is_quarantined_until_it_is_replaced";

/// Builds a hub whose constructor aborts.
async fn start(plugins: PathBuf, state: PathBuf, how: &str) -> Result<(), Refusal> {
    let settings = HostSettings {
        state_dir: state,
        ..HostSettings::default()
    };
    let catalogue = Catalogue::scan(&[plugins]);
    let entry = catalogue.get("zoo-misbehaves").unwrap();
    let library = Loader::new(&settings).load(entry).await?;
    let mut hub = HubSettings::new("x", "zoo-misbehaves");
    hub.config.insert("trouble".to_owned(), json!({ "new": how }));
    library.hub(&hub, nothing()).await.map(drop)
}

#[tokio::test]
async fn a_plugin_that_ends_the_host_is_quarantined_until_it_is_replaced() {
    if let Some(root) = std::env::var_os(VICTIM).map(PathBuf::from) {
        let refusal = start(root.join("plugins.d"), root.join("state"), "abort").await;
        panic!("the process did not end: {refusal:?}");
    }
    let yard = Yard::new();
    let misbehaves = Elf::of(&plugin("zoo-misbehaves"));
    let path = yard.drop_in("a.so", &misbehaves.0);
    let marker = yard.state().join("zoo-misbehaves.x.starting");

    for crash in 1..=3 {
        let ended = Command::new(std::env::current_exe().unwrap())
            .args([TEST, "--exact", "--nocapture"])
            .env(VICTIM, yard.root())
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
        assert_eq!(
            ended.status.signal(),
            Some(6),
            "crash {crash}: {:?} {text}",
            ended.status
        );
        assert!(marker.exists(), "crash {crash} is remembered");
    }

    let refusal = start(yard.plugins(), yard.state(), "fail").await.unwrap_err();
    assert_eq!(refusal.path, path);
    assert_line(
        &refusal,
        &format!(
            "FILE: quarantined: this host did not survive its start 3 times in a row; install another build of \
             it, or remove {}",
            marker.display()
        ),
    );

    yard.drop_in("a.so", &misbehaves.edit_manifest("0.1.0", "0.1.1").0);
    let refusal = start(yard.plugins(), yard.state(), "fail").await.unwrap_err();
    assert!(
        refusal.to_string().contains("failed on purpose in new"),
        "another build: {refusal}"
    );
    assert!(!marker.exists(), "and it came back");
}
