//! What the log says of plugins: each step with the same fields, each panic with its place.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{LazyLock, Mutex, PoisonError};

use gleitzeit::config::settings::HubSettings;
use serde_json::json;
use system::plugins::plugin;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::elf::Elf;
use crate::services::nothing;
use crate::yard::Yard;

/// An event as it was logged.
#[derive(Debug, Clone)]
struct Line {
    level: Level,
    target: String,
    fields: BTreeMap<String, String>,
}

impl Line {
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// Every event of this process, whichever test and thread it is from.
static LINES: LazyLock<Mutex<Vec<Line>>> = LazyLock::new(|| {
    let subscriber = tracing_subscriber::registry().with(Collect);
    tracing::subscriber::set_global_default(subscriber).expect("no other subscriber");
    Mutex::default()
});

struct Collect;

struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: Subscriber> Layer<S> for Collect {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let line = Line {
            level: *event.metadata().level(),
            target: event.metadata().target().to_owned(),
            fields: fields.0,
        };
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

fn begin() {
    LazyLock::force(&LINES);
}

fn lines(wanted: impl Fn(&Line) -> bool) -> Vec<Line> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().filter(|line| wanted(line)).cloned().collect()
}

/// The steps of the file at this path.
fn steps(path: &std::path::Path) -> Vec<Line> {
    let path = path.display().to_string();
    lines(|line| {
        line.target == "gleitzeit::plugin" && line.field("path") == path && !line.field("state").is_empty()
    })
}

const FIELDS: [&str; 7] = ["hash", "message", "path", "plugin", "reason", "state", "version"];

#[tokio::test]
async fn every_step_is_logged_with_the_same_fields() {
    begin();
    let yard = Yard::new();
    let path = yard.drop_in("a.so", &Elf::of(&plugin("zoo-good")).0);
    let library = yard.load("zoo-good").await.unwrap();
    let steps = steps(&path);
    let states: Vec<_> = steps.iter().map(|line| line.field("state")).collect();
    assert_eq!(states, ["discovered", "verified", "staged", "loaded"]);
    for line in &steps {
        assert_eq!(line.fields.keys().collect::<Vec<_>>(), FIELDS);
    }
    assert_eq!(steps[3].field("plugin"), "zoo-good");
    assert_eq!(steps[3].field("version"), "0.1.0");
    assert_eq!(steps[3].field("hash"), library.hash().to_string());
}

#[tokio::test]
async fn a_rejection_is_logged_once_with_its_reason() {
    begin();
    let yard = Yard::new();
    let path = yard.drop_in("a.so", &Elf::of(&plugin("zoo-undefined")).0);
    yard.load("zoo-undefined").await.unwrap_err();
    let rejected: Vec<_> = steps(&path)
        .into_iter()
        .filter(|line| line.field("state") == "rejected")
        .collect();
    assert_eq!(rejected.len(), 1, "{rejected:?}");
    assert_eq!(rejected[0].level, Level::WARN);
    assert_eq!(rejected[0].fields.keys().collect::<Vec<_>>(), FIELDS);
    assert_eq!(
        rejected[0].field("reason"),
        "undefined symbol: gleitzeit_zoo_nobody_defines_this"
    );
    assert_eq!(rejected[0].field("plugin"), "zoo-undefined");
}

#[tokio::test]
async fn what_is_passed_over_is_not_worth_a_line_above_debug() {
    begin();
    let yard = Yard::new();
    for name in ["libgood.so.tmp", ".libgood.so", "libgood.so~"] {
        yard.drop_in(name, b"half-finished");
    }
    yard.scan();
    let root = yard.root().display().to_string();
    let loud = lines(|line| line.level < Level::DEBUG && format!("{line:?}").contains(&root));
    assert!(loud.is_empty(), "{loud:?}");
}

#[tokio::test]
async fn an_event_of_a_plugin_appears_once_with_its_id_and_its_components_name() {
    begin();
    let yard = Yard::new();
    yard.drop_in("a.so", &Elf::of(&plugin("zoo-good")).0);
    let library = yard.load("zoo-good").await.unwrap();
    library
        .hub(&HubSettings::new("heard", "zoo-good"), nothing())
        .await
        .unwrap();
    let heard = lines(|line| line.target == "plugin" && line.field("component") == "heard");
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0].field("message"), "an echo hub begins");
    assert_eq!(heard[0].field("plugin"), "zoo-good");
    assert_eq!(heard[0].field("source"), "zoo_good::hub");
    assert_eq!(heard[0].level, Level::INFO);
}

#[tokio::test]
async fn a_panic_is_logged_with_its_place_and_its_plugin() {
    begin();
    let yard = Yard::new();
    yard.drop_in("a.so", &Elf::of(&plugin("zoo-misbehaves")).0);
    let library = yard.load("zoo-misbehaves").await.unwrap();
    let mut settings = HubSettings::new("panicking", "zoo-misbehaves");
    settings
        .config
        .insert("trouble".to_owned(), json!({ "new": "panic" }));
    library.hub(&settings, nothing()).await.err().unwrap();
    let panics = lines(|line| line.field("component") == "panicking" && line.level == Level::ERROR);
    assert_eq!(panics.len(), 1, "{panics:?}");
    assert_eq!(panics[0].field("message"), "on purpose in new");
    assert_eq!(panics[0].field("plugin"), "zoo-misbehaves");
    assert!(panics[0].field("location").contains("trouble.rs:"), "{panics:?}");
}
