//! Commands that look at files only: `check`, `schema`, `plugin`, `doctor`.

use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use super::fixture::{Ran, command, host};
use crate::cli::Exit;

/// A directory with a `plugins.toml` and an empty directory for plugins.
struct Files {
    directory: TempDir,
}

fn files(text: &str) -> Files {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("plugins.toml"), text).unwrap();
    std::fs::create_dir(directory.path().join("plugins.d")).unwrap();
    Files { directory }
}

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let file = self.path("plugins.toml");
        let mut all = vec!["--config", file.to_str().unwrap()];
        all.extend(arguments);
        command(&all)
    }
}

/// A `[host]` that listens where nobody else does.
fn free_port() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("[host]\nlisten = \"{address}\"\n")
}

#[test]
fn check_says_that_a_right_file_is_right() {
    let ran = files("[host]").run(&["check"]).ended(Exit::Ok);
    assert!(
        ran.out.ends_with("plugins.toml is right: 0 hubs, 0 providers\n"),
        "{}",
        ran.out
    );
}

#[test]
fn check_shows_every_mistake_and_ends_with_the_code_for_that() {
    let wrong = files("[host]\nlistn = 1\n[hubs.x]\nstrategy = 'y'");
    let ran = wrong.run(&["check"]).ended(Exit::Usage);
    assert!(
        ran.err.contains("plugins.toml:2:1") && ran.err.contains("did you mean `listen`?"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("plugins.toml:4:12"), "{}", ran.err);
    assert!(ran.err.contains("there is no plugin `x-hub`"), "{}", ran.err);
    assert!(ran.err.ends_with("3 mistakes\n"), "{}", ran.err);
    assert!(ran.out.is_empty());
}

#[test]
fn scripts_get_the_mistakes_as_json() {
    let ran = files("[host]\nlistn = 1")
        .run(&["check", "--json"])
        .ended(Exit::Usage);
    let error: Value = serde_json::from_str(&ran.err).unwrap();
    let mistake = &error["error"]["mistakes"][0];
    assert_eq!(mistake["line"], 2);
    assert_eq!(mistake["column"], 1);
    assert_eq!(mistake["help"], "did you mean `listen`?");
}

#[test]
fn flags_are_checked_with_the_file() {
    let ran = files("[host]")
        .run(&["--set", "host.autolod=true", "check"])
        .ended(Exit::Usage);
    assert!(ran.err.contains("--set host.autolod=true"), "{}", ran.err);
}

#[test]
fn check_says_why_a_plugin_was_refused() {
    let files = files("[host]");
    std::fs::write(files.path("plugins.d/broken.so"), "not a library").unwrap();
    let ran = files.run(&["check"]).ended(Exit::Ok);
    assert!(ran.err.contains("broken.so"), "{}", ran.err);
    let ran = files.run(&["plugin", "list"]).ended(Exit::Ok);
    assert!(
        ran.out.contains("broken.so") && ran.out.contains("rejected"),
        "{}",
        ran.out
    );
    let broken = files.path("plugins.d/broken.so");
    let ran = files
        .run(&["plugin", "inspect", broken.to_str().unwrap()])
        .ended(Exit::Failed);
    assert!(ran.err.contains("broken.so"), "{}", ran.err);
}

#[test]
fn the_schema_is_json_and_names_every_table() {
    let schema = files("broken").run(&["schema"]).ended(Exit::Ok).json();
    for table in ["host", "hubs", "providers", "secrets"] {
        assert!(schema["properties"][table].is_object(), "{table}");
    }
}

#[test]
fn clients_find_the_host_where_the_file_says_it_listens() {
    let host = host().result("manager/status", serde_json::json!({ "version": "here" }));
    let address = host.url().replace("http://", "");
    let files = files(&format!("[host]\nlisten = \"{address}\""));
    assert!(files.run(&["status"]).ended(Exit::Ok).out.contains("here"));
}

#[test]
fn doctor_says_what_is_missing_and_how_to_mend_it() {
    let files = files(&free_port());
    let ran = files.run(&["doctor"]).ended(Exit::Failed);
    assert!(ran.out.contains("is free"), "{}", ran.out);
    assert!(ran.out.contains("bad   plugins"), "{}", ran.out);
    assert!(ran.out.contains("mend: put .so files into"), "{}", ran.out);
    assert!(!ran.out.contains("bad   settings"), "{}", ran.out);
}

#[test]
fn doctor_tells_a_running_host_from_another_program() {
    let host = host().result("manager/status", serde_json::json!({}));
    let address = host.url().replace("http://", "");
    let findings = files(&format!("[host]\nlisten = \"{address}\""))
        .run(&["doctor", "--json"])
        .json();
    assert_eq!(finding(&findings, "listen")["verdict"], "good");
    let host = super::fixture::host().raw("manager/status", 404, "text/html", "no");
    let address = host.url().replace("http://", "");
    let findings = files(&format!("[host]\nlisten = \"{address}\""))
        .run(&["doctor", "--json"])
        .json();
    assert_eq!(finding(&findings, "listen")["verdict"], "bad");
}

#[test]
fn doctor_goes_on_where_the_settings_are_wrong() {
    let text = free_port() + "autolod = true\n";
    let findings = files(&text).run(&["doctor", "--json"]).ended(Exit::Failed).json();
    assert_eq!(finding(&findings, "settings")["verdict"], "bad");
    assert_eq!(finding(&findings, "clock")["verdict"], "good");
}

fn finding<'a>(findings: &'a Value, what: &str) -> &'a Value {
    findings
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["what"] == what)
        .unwrap()
}

#[test]
fn serve_starts_nothing_where_the_settings_are_wrong() {
    let ran = files("[host]\nautolod = true")
        .run(&["--log", "off", "serve"])
        .ended(Exit::Usage);
    assert!(ran.err.contains("did you mean `autoload`?"), "{}", ran.err);
    assert!(ran.out.is_empty());
}

#[test]
fn serve_says_that_its_address_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ran = files(&format!("[host]\nlisten = \"{address}\"")).run(&["--log", "off", "serve"]);
    assert_ne!(ran.exit, Exit::Ok);
    assert!(ran.err.contains(&address.to_string()), "{}", ran.err);
}

#[test]
fn serve_says_what_is_wrong_with_a_log_filter() {
    files("[host]")
        .run(&["--log", "a=b=c", "serve"])
        .ended(Exit::Usage);
}
