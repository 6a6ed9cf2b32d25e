//! What a provider's decision costs through the ABI, against the same code linked statically.
//!
//! `abi` is the shipped library, found by `GLEITZEIT_BENCH_PLUGINS` (a directory), verified, staged and opened as the
//! host does it. `static` is the same crate linked into this program and called as an ordinary trait method: no
//! encoding, no shim, no containment of panics.
//!
//! `cargo xtask bench --only micro`

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use criterion::{Criterion, Throughput};
use gleitzeit::config::settings::{HostSettings, HubBinding, ProviderSettings};
use gleitzeit::plugin::driver::ProviderDriver;
use gleitzeit::plugin::{Catalogue, Loader};
use llm_provider::{Config, LlmProvider};
use plugin_api::Provider;
use plugin_api::provider::{Entry, Request};
use plugin_api::testing::TestHost;

/// A chat of so many bytes, most of them in its last message, as they are.
fn chat(bytes: usize) -> String {
    let body = |text: &str| {
        format!(r#"{{"model":"llama3.2","stream":true,"messages":[{{"role":"user","content":"{text}"}}]}}"#)
    };
    let missing = bytes.saturating_sub(body("").len());
    body(&"word ".repeat(missing / 5))
}

fn request(body: &str) -> Request<'_> {
    let entry = Entry::Route {
        id: "openai-chat",
        method: "POST",
        path: "/v1/chat/completions",
        query: None,
    };
    Request {
        entry,
        headers: &[],
        body: body.as_bytes(),
    }
}

/// The shipped library, as the host runs it.
async fn loaded(state: PathBuf) -> anyhow::Result<Arc<dyn ProviderDriver>> {
    let plugins = std::env::var_os("GLEITZEIT_BENCH_PLUGINS").context(
        "GLEITZEIT_BENCH_PLUGINS names no directory of built plugins; `cargo xtask bench --only micro` does",
    )?;
    let catalogue = Catalogue::scan(&[PathBuf::from(plugins)]);
    let entry = catalogue
        .get("llm-provider")
        .with_context(|| format!("no llm-provider: {:?}", catalogue.refusals()))?;
    let loader = Loader::new(&HostSettings {
        state_dir: state,
        ..HostSettings::default()
    });
    let library = loader.load(entry).await.map_err(|refusal| anyhow!("{refusal}"))?;
    let settings = ProviderSettings {
        name: "llm".to_owned(),
        plugin: "llm-provider".to_owned(),
        hubs: HubBinding::ByManifest,
        config: serde_json::Map::new(),
    };
    library
        .provider(&settings, Arc::new(TestHost::new()))
        .await
        .map_err(|refusal| anyhow!("{refusal}"))
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let state = tempfile::tempdir()?;
    let across = runtime.block_on(loaded(state.path().to_owned()))?;
    let here = LlmProvider::new(Config::default(), TestHost::new().handle()).map_err(|error| {
        anyhow!(
            "the provider refuses its defaults: {}",
            plugin_api::Error::from(error)
        )
    })?;

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("decide");
    for bytes in [100, 4 << 10, 64 << 10] {
        let body = chat(bytes);
        let request = request(&body);
        let (a, b) = (
            across.decide(&request)?,
            here.decide(&request).map_err(plugin_api::Error::from)?,
        );
        anyhow::ensure!(a == b, "the two decide differently: {a:?}, {b:?}");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("static_{bytes}"), |bencher| {
            bencher.iter(|| here.decide(black_box(&request)));
        });
        group.bench_function(format!("abi_{bytes}"), |bencher| {
            bencher.iter(|| across.decide(black_box(&request)));
        });
    }
    group.finish();
    criterion.final_summary();
    runtime.block_on(across.shutdown());
    Ok(())
}
