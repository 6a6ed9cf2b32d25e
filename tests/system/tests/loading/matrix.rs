//! This host against plugins built for the API as it was, as it is, as it may become, and broken.

use std::sync::Arc;

use futures_util::StreamExt;
use gleitzeit::config::settings::HubSettings;
use gleitzeit::plugin::driver::ControlItem;
use gleitzeit::plugin::{Loader, Refusal};
use plugin_api::{Context, ResourceInstance};
use serde_json::{Value, json};
use system::plugins::matrix;

use crate::elf::Elf;
use crate::services::nothing;
use crate::yard::{Yard, assert_line};

const VARIANTS: [&str; 4] = ["older", "current", "newer", "broken"];

fn yard() -> Yard {
    let yard = Yard::new();
    for variant in VARIANTS {
        yard.drop_in(&format!("{variant}.so"), &Elf::of(&matrix(variant)).0);
    }
    yard
}

#[test]
fn each_variant_says_which_api_it_was_built_for() {
    let manifests = yard().scan().manifests();
    let api = |variant: &str| {
        let manifest = &manifests[&format!("matrix-{variant}")];
        manifest.build.as_ref().unwrap().api.clone()
    };
    assert_eq!(VARIANTS.map(api), ["1.0.0", "1.1.0", "1.2.0", "1.1.0"]);
}

#[tokio::test]
async fn older_current_and_newer_plugins_load_and_a_broken_one_does_not() {
    let yard = yard();
    let mut loaded = Vec::new();
    for variant in VARIANTS {
        loaded.push(yard.load(&format!("matrix-{variant}")).await.is_ok());
    }
    assert_eq!(loaded, [true, true, true, false]);
}

#[tokio::test]
async fn a_plugin_of_any_of_them_works_on_this_host() {
    let yard = yard();
    for (variant, api) in [("older", "1.0.0"), ("current", "1.1.0"), ("newer", "1.2.0")] {
        let library = yard.load(&format!("matrix-{variant}")).await.unwrap();
        let hub = library
            .hub(&HubSettings::new("matrix", variant), nothing())
            .await
            .unwrap();
        let context = Context::background("test");
        let instance = Arc::new(ResourceInstance::new("one"));
        let probe = hub.probe(context.clone(), instance).await.unwrap();
        assert_eq!(
            probe.version.as_deref(),
            Some(api),
            "a call reaches the code of {variant}"
        );
        let items: Vec<_> = hub
            .control(context, "version".to_owned(), Value::Null, None)
            .collect()
            .await;
        let items: Result<Vec<_>, _> = items.into_iter().collect();
        assert_eq!(
            items.unwrap(),
            [ControlItem::Result(json!(api))],
            "and so does a stream"
        );
        assert_eq!(hub.panics(), 0, "what {variant} cannot tell has a default");
        hub.shutdown().await;
    }
}

#[tokio::test]
async fn acceptance_does_not_depend_on_the_order() {
    let yard = yard();
    let catalogue = yard.scan();
    for order in orders() {
        let mut settings = yard.settings();
        // Another private copy is another library to the system, so that each order begins from nothing.
        settings.state_dir = yard.root().join(order.join("-"));
        let loader = Loader::new(&settings);
        for variant in order {
            let entry = catalogue.get(&format!("matrix-{variant}")).unwrap();
            let accepted = loader.load(entry).await.is_ok();
            assert_eq!(accepted, variant != "broken", "{variant} in {order:?}");
        }
    }
}

#[tokio::test]
async fn the_refusal_of_a_broken_layout_is_one_line_and_the_rest_is_for_debugging() {
    let refusal: Refusal = yard().load("matrix-broken").await.unwrap_err();
    assert_line(
        &refusal,
        "FILE: ABI differs at manifest.result: plugin has RString, host RStr<'a> (plugin API 1.1.0, host 1.1.0); set \
         gleitzeit-plugin-api = \"1.1\" in its Cargo.toml, run `cargo update` and rebuild",
    );
    let detail = refusal.detail.unwrap();
    assert!(detail.len() > 1000, "everything there is to say: {detail}");
}

/// All 24 of them.
fn orders() -> Vec<[&'static str; 4]> {
    let mut orders = Vec::new();
    for a in 0..4 {
        for b in (0..4).filter(|b| *b != a) {
            for c in (0..4).filter(|c| ![a, b].contains(c)) {
                let d = 6 - a - b - c;
                orders.push([a, b, c, d].map(|index| VARIANTS[index]));
            }
        }
    }
    assert_eq!(orders.len(), 24);
    orders
}
