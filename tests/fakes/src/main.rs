//! `fake-server`: the fakes as a process, for tests in other languages and for benchmarks.
//!
//! Prints one line, `listening on http://127.0.0.1:PORT`, when it accepts connections, and serves until it is
//! interrupted or terminated. `POST /__fault` commands faults, such as `{"fault": {"cut_after": 3}}` with, at will,
//! `"path"`, `"next"` (so many requests), `"spare_probes"` and `"for"` (`"2s"`, then it heals); `{}` heals.
//! `{"fault": "refuse"}` resets the connection it came on with all the others. `GET /__requests` tells what was heard.

use std::{io::Write, time::Duration};

use clap::{Args, Parser, Subcommand};
use fakes::{
    bench::BenchServer,
    ollama::{FakeModel, FakeOllama},
    openai::FakeOpenai,
};
use tokio::signal::unix::{SignalKind, signal};

/// A fake model server.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// An Ollama server.
    Ollama(Ollama),
    /// An OpenAI-compatible server.
    Openai(Openai),
    /// A fast back end with canned answers.
    Bench(Bench),
}

/// What every faithful fake is told.
#[derive(Debug, Args)]
struct Common {
    /// The port on 127.0.0.1; 0 is one of the kernel's choosing.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Chat models it serves.
    #[arg(long, value_delimiter = ',', default_value = "llama3.2")]
    models: Vec<String>,
    /// What it says; every word is a token.
    #[arg(long)]
    say: Option<String>,
    /// Says so many numbered words instead.
    #[arg(long, conflicts_with = "say")]
    words: Option<usize>,
    /// Begins every answer with this.
    #[arg(long)]
    signed: Option<String>,
    /// How long the first token takes.
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    first_token_delay: Duration,
    /// How long each further token takes.
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    token_delay: Duration,
}

#[derive(Debug, Args)]
struct Ollama {
    #[command(flatten)]
    common: Common,
    /// Embedding models it serves.
    #[arg(long, value_delimiter = ',')]
    embedders: Vec<String>,
    /// Models it serves that see images.
    #[arg(long, value_delimiter = ',')]
    vision: Vec<String>,
    /// Models it can pull.
    #[arg(long, value_delimiter = ',')]
    pullable: Vec<String>,
    /// How long each line of a pull's progress takes.
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    progress_delay: Duration,
    /// How long it takes to load a model.
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    load_time: Duration,
    /// How many requests it answers at once; the rest wait.
    #[arg(long)]
    parallel: Option<usize>,
    /// How many models it keeps in memory.
    #[arg(long)]
    max_loaded: Option<usize>,
    /// Refuses public names in the Host header, as a server on loopback does.
    #[arg(long)]
    check_host: bool,
}

#[derive(Debug, Args)]
struct Openai {
    #[command(flatten)]
    common: Common,
    /// The key that clients have to bear.
    #[arg(long)]
    key: Option<String>,
    /// Where the API lies.
    #[arg(long, default_value = "/v1")]
    prefix: String,
}

#[derive(Debug, Args)]
struct Bench {
    /// The port on 127.0.0.1; 0 is one of the kernel's choosing.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Threads to serve from.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Tokens of a stream.
    #[arg(long, default_value_t = 100)]
    chunks: usize,
    /// How long each token after the first takes.
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    chunk_delay: Duration,
}

/// Applies what every faithful fake is told; the builders are alike, but of different types.
macro_rules! commonly {
    ($builder:expr, $common:expr) => {{
        let common = $common;
        let mut builder = $builder
            .port(common.port)
            .first_token_delay(common.first_token_delay)
            .token_delay(common.token_delay)
            .controlled_over_http();
        if let Some(text) = &common.say {
            builder = builder.tokens(text.split_inclusive(' '));
        }
        if let Some(words) = common.words {
            builder = builder.tokens((0..words).map(|word| format!("{word} ")));
        }
        if let Some(name) = &common.signed {
            builder = builder.signed(name);
        }
        builder
    }};
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Caught from the beginning, so that who reads the line may stop us at once.
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let stopped = async {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    };
    match Cli::parse().kind {
        Kind::Ollama(options) => {
            let server = ollama(&options).start().await?;
            announce(&server.url())?;
            stopped.await;
        }
        Kind::Openai(options) => {
            let server = openai(&options).start().await?;
            announce(&server.url())?;
            stopped.await;
        }
        Kind::Bench(options) => {
            let server = BenchServer::builder()
                .port(options.port)
                .threads(options.threads)
                .chunks(options.chunks)
                .chunk_delay(options.chunk_delay)
                .start()?;
            announce(&server.url())?;
            stopped.await;
        }
    }
    Ok(())
}

fn ollama(options: &Ollama) -> fakes::ollama::FakeOllamaBuilder {
    let mut builder = commonly!(FakeOllama::builder(), &options.common)
        .progress_delay(options.progress_delay)
        .load_time(options.load_time);
    for name in &options.common.models {
        builder = builder.model(name.as_str());
    }
    for name in &options.embedders {
        builder = builder.model(FakeModel::new(name).embedding(16));
    }
    for name in &options.vision {
        builder = builder.model(FakeModel::new(name).vision());
    }
    for name in &options.pullable {
        builder = builder.pullable(name.as_str());
    }
    if let Some(requests) = options.parallel {
        builder = builder.parallel(requests);
    }
    if let Some(models) = options.max_loaded {
        builder = builder.max_loaded(models);
    }
    if options.check_host {
        builder.checking_host()
    } else {
        builder
    }
}

fn openai(options: &Openai) -> fakes::openai::FakeOpenaiBuilder {
    let mut builder = commonly!(FakeOpenai::builder(), &options.common).prefix(&options.prefix);
    for id in &options.common.models {
        builder = builder.model(id);
    }
    match &options.key {
        Some(key) => builder.key(key),
        None => builder,
    }
}

/// Says where the server listens, which whoever started it waits for.
fn announce(url: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "listening on {url}")?;
    out.flush()
}
