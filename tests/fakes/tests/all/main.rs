//! The fakes, seen from outside: what a test that relies on them may rely on.

#![allow(
    clippy::unwrap_used,
    reason = "helpers outside a test function fail its test all the same"
)]

mod bench;
mod control;
mod faults;
mod lifecycle;
mod ollama_compat;
mod ollama_inventory;
mod ollama_native;
mod ollama_pull;
mod ollama_residency;
mod openai;

use fakes::ollama::{FakeModel, FakeOllama};
use serde_json::{Value, json};

/// A server with one chat model that says "Hel", "lo".
async fn greeter() -> FakeOllama {
    FakeOllama::builder()
        .model("llama3.2")
        .tokens(["Hel", "lo"])
        .start()
        .await
        .unwrap()
}

/// A chat with that model, changed as told.
fn chat(changes: Value) -> Value {
    merged(
        json!({"model": "llama3.2", "messages": [{"role": "user", "content": "why is it so?"}]}),
        changes,
    )
}

/// `base` with the fields of `changes`.
fn merged(mut base: Value, changes: Value) -> Value {
    let fields = base.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    base
}

/// An embedding model of eight dimensions.
fn embedder() -> FakeModel {
    FakeModel::new("nomic-embed-text").embedding(8)
}
