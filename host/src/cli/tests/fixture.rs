//! A host that says what it is told to, and a terminal that keeps what is printed.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::cli::{Exit, Terminal, run};

/// A host that answers each method as it is told. Ends when dropped.
pub(super) struct FakeHost {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<Vec<(String, Answer)>>,
    asked: Mutex<Vec<Asked>>,
}

/// What was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) body: Value,
    pub(super) headers: HeaderMap,
}

#[derive(Clone)]
enum Answer {
    Result(Value),
    Error(Value),
    /// A body of server-sent events, as it stands.
    Events(String),
    /// Anything else: status, content type, body.
    Raw(u16, &'static str, String),
}

/// A host that knows no method yet.
pub(super) fn host() -> FakeHost {
    let shared = Arc::new(Shared::default());
    let app = Router::new()
        .route("/rpc", post(answer))
        .route("/events", get(follow))
        .with_state(shared.clone());
    let (stop, stopped) = oneshot::channel();
    let (bound, address) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            bound.send(listener.local_addr().unwrap()).unwrap();
            tokio::select! {
                served = axum::serve(listener, app).into_future() => served.unwrap(),
                _ = stopped => {}
            }
        });
    });
    FakeHost {
        address: address.recv().unwrap(),
        shared,
        stop: Some(stop),
        thread: Some(thread),
    }
}

/// Answers as the method `/events`, with the query as its parameters.
async fn follow(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let body = json!({ "method": "/events", "params": query });
    answer(State(shared), headers, body.to_string().into()).await
}

async fn answer(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    shared.asked.lock().push(Asked {
        body: body.clone(),
        headers,
    });
    let method = body["method"].as_str().unwrap();
    let answers = shared.answers.lock();
    let found = answers
        .iter()
        .find(|(name, _)| name == method)
        .map(|(_, answer)| answer.clone());
    match found {
        Some(Answer::Result(result)) => json!({ "jsonrpc": "2.0", "id": 1, "result": result })
            .to_string()
            .into_response(),
        Some(Answer::Error(error)) => json!({ "jsonrpc": "2.0", "id": 1, "error": error })
            .to_string()
            .into_response(),
        Some(Answer::Events(events)) => ([("content-type", "text/event-stream")], events).into_response(),
        Some(Answer::Raw(status, content_type, body)) => {
            let status = axum::http::StatusCode::from_u16(status).unwrap();
            (status, [("content-type", content_type)], body).into_response()
        }
        None => {
            let error = json!({ "code": -32601, "message": format!("there is no method `{method}`"), "data": { "fault": "client" } });
            json!({ "jsonrpc": "2.0", "id": 1, "error": error })
                .to_string()
                .into_response()
        }
    }
}

impl FakeHost {
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn result(self, method: &str, result: Value) -> Self {
        self.answer(method, Answer::Result(result))
    }

    pub(super) fn error(self, method: &str, code: i32, message: &str, data: Value) -> Self {
        self.answer(
            method,
            Answer::Error(json!({ "code": code, "message": message, "data": data })),
        )
    }

    /// Streams these items, and then the usual result.
    pub(super) fn items(self, method: &str, items: &[Value]) -> Self {
        let mut events = String::from(": alive\r\n\r\n");
        for item in items {
            let message =
                json!({ "jsonrpc": "2.0", "method": "stream/item", "params": { "id": 1, "item": item } });
            events += &format!("data: {message}\n\n");
        }
        events += "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}\n\n";
        self.events(method, &events)
    }

    pub(super) fn events(self, method: &str, events: &str) -> Self {
        self.answer(method, Answer::Events(events.to_owned()))
    }

    pub(super) fn raw(self, method: &str, status: u16, content_type: &'static str, body: &str) -> Self {
        self.answer(method, Answer::Raw(status, content_type, body.to_owned()))
    }

    fn answer(self, method: &str, answer: Answer) -> Self {
        self.shared.answers.lock().push((method.to_owned(), answer));
        self
    }

    /// Runs a command line against this host.
    pub(super) fn run(&self, arguments: &[&str]) -> Ran {
        let url = self.url();
        let mut all = vec!["--url", &url];
        all.extend(arguments);
        command(&all)
    }

    /// The last thing that was asked.
    pub(super) fn asked(&self) -> Asked {
        self.shared.asked.lock().last().cloned().unwrap()
    }
}

impl Drop for FakeHost {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) exit: Exit,
    pub(super) out: String,
    pub(super) err: String,
}

impl Ran {
    /// Fails unless it ended like this, and shows what it said.
    #[track_caller]
    pub(super) fn ended(self, exit: Exit) -> Self {
        assert_eq!(self.exit, exit, "{}\n{}", self.out, self.err);
        self
    }

    /// The result as JSON.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Runs a command line.
pub(super) fn command(arguments: &[&str]) -> Ran {
    let out = Buffer::default();
    let ran = command_to(Box::new(out.clone()), arguments);
    Ran {
        out: out.text(),
        ..ran
    }
}

/// Runs a command line whose results go elsewhere.
pub(super) fn command_to(out: Box<dyn Write + Send>, arguments: &[&str]) -> Ran {
    let err = Buffer::default();
    let mut terminal = Terminal::to(out, Box::new(err.clone()));
    let arguments = std::iter::once("gleitzeit")
        .chain(arguments.iter().copied())
        .map(Into::into);
    let exit = run(arguments, &mut terminal);
    Ran {
        exit,
        out: String::new(),
        err: err.text(),
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
