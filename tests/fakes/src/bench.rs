//! A back end that costs as little as possible, to measure what stands in front of it.
//!
//! The faithful fakes write down, count and pace; a benchmark would measure that too. This one answers canned bytes from
//! several threads of its own: a fixed object to a chat, or a fixed number of small chunks if the request says
//! `"stream":true`, in the dialect of the path, and what the usual health checks ask for.

use std::{
    io,
    net::SocketAddr,
    thread::{self, JoinHandle},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

mod canned;

use canned::Canned;

/// How many bytes the answer to a chat has that is not streamed.
pub const ANSWER_BYTES: usize = 354;

/// A running bench back end. Dropping it stops its threads and closes its connections.
#[derive(Debug)]
pub struct BenchServer {
    addr: SocketAddr,
    stop: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

/// Describes a [`BenchServer`].
#[derive(Debug, Clone)]
pub struct BenchServerBuilder {
    port: u16,
    threads: usize,
    chunks: usize,
    chunk_delay: Duration,
}

impl BenchServer {
    /// Begins a description: two threads, streams of 100 chunks, no delay, a port of the kernel's choosing.
    pub fn builder() -> BenchServerBuilder {
        BenchServerBuilder {
            port: 0,
            threads: 2,
            chunks: 100,
            chunk_delay: Duration::ZERO,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl BenchServerBuilder {
    /// Listens on this port.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Serves from this many threads; connections are dealt to them in turn.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// How many tokens a stream has.
    pub fn chunks(mut self, chunks: usize) -> Self {
        self.chunks = chunks;
        self
    }

    /// How long each chunk after the first takes.
    pub fn chunk_delay(mut self, delay: Duration) -> Self {
        self.chunk_delay = delay;
        self
    }

    /// Starts the threads. It may be called outside any runtime.
    pub fn start(self) -> io::Result<BenchServer> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", self.port))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let canned = Canned::new(self.chunks, self.chunk_delay);
        let stop = CancellationToken::new();
        let mut threads = Vec::new();
        let mut workers = Vec::new();
        for _ in 0..self.threads {
            let (deal, dealt) = mpsc::unbounded_channel();
            workers.push(deal);
            let (canned, stop) = (canned.clone(), stop.clone());
            threads.push(on_a_thread(async move {
                stop.run_until_cancelled(serve(dealt, canned)).await;
            })?);
        }
        let accepting = stop.clone();
        threads.push(on_a_thread(async move {
            accepting.run_until_cancelled(accept(listener, workers)).await;
        })?);
        Ok(BenchServer { addr, stop, threads })
    }
}

impl Drop for BenchServer {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            // A thread that panicked has printed why; there is nothing to add.
            let _ = thread.join();
        }
    }
}

/// Runs `work` on a thread with a runtime of its own: what a thread serves never moves to another.
fn on_a_thread(work: impl Future<Output = ()> + Send + 'static) -> io::Result<JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name("bench".to_owned())
        .spawn(move || runtime.block_on(work))
}

/// Deals connections to the workers in turn, where the kernel's own dealing by hash could leave one idle.
async fn accept(listener: std::net::TcpListener, workers: Vec<mpsc::UnboundedSender<std::net::TcpStream>>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    for worker in workers.iter().cycle() {
        if let Ok((stream, _)) = listener.accept().await
            && let Ok(stream) = stream.into_std()
        {
            // A worker that is gone takes its share of connections with it.
            let _ = worker.send(stream);
        }
    }
}

async fn serve(mut dealt: mpsc::UnboundedReceiver<std::net::TcpStream>, canned: Canned) {
    while let Some(stream) = dealt.recv().await {
        let Ok(stream) = TcpStream::from_std(stream) else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let canned = canned.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| canned.clone().answer(request));
            // A client that leaves is none of the benchmark's business.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
