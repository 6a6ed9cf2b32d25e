//! Servers that behave like the real ones, and fail on command.
//!
//! A gateway is only as good as what it does when the machines behind it misbehave, so its tests need machines that
//! misbehave exactly when told to, and are faithful to the header and the error text the rest of the time.
//!
//! - [`ollama::FakeOllama`] answers like an Ollama server: names, residency, streams, pulls and both of its dialects.
//! - [`openai::FakeOpenai`] answers like any OpenAI-compatible server, with a key if one is set.
//! - [`bench::BenchServer`] answers canned bytes as fast as it can, to measure what stands in front of it.
//!
//! The first two share one [`FakeServer`]: what it heard, how many requests are in flight, and how to make it fail
//! ([`Fault`]), die and come back. Everything listens on loopback, on a port of the kernel's choosing unless told
//! otherwise, and runs on the runtime of the test that started it, so that a paused clock governs the fakes too.
//!
//! ```
//! use fakes::{Fault, client, ollama::FakeOllama};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let fake = FakeOllama::builder().model("llama3.2").tokens(["Hel", "lo"]).start().await?;
//! fake.fail_next(1, Fault::Busy);
//!
//! let chat = serde_json::json!({"model": "llama3.2", "messages": [{"role": "user", "content": "hi"}]});
//! assert_eq!(client::post(&fake.url_of("/api/chat"), &chat).await?.status, 503);
//! assert_eq!(client::post(&fake.url_of("/api/chat"), &chat).await?.status, 200);
//! assert_eq!(fake.requests().len(), 2);
//! # Ok(())
//! # }
//! ```

pub mod bench;
pub mod client;
mod control;
mod fault;
mod fields;
pub mod ollama;
pub mod openai;
mod reply;
mod script;
mod server;
mod stamp;
mod vectors;

pub use fault::Fault;
pub use server::{Ending, FakeServer, Recorded};
