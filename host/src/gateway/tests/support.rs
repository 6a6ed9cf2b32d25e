//! A gateway with a fake behind it, and clients that speak bytes.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use plugin_api::Error;
use plugin_api::contract::requirement::Priority;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::fake::{Fake, Seen};
use crate::config::settings::{HostSettings, KeySettings, Limits, SecretSource};
use crate::gateway::Gateway;
use crate::gateway::site::Site;

/// Nothing here takes long; what takes this long hangs.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

pub(super) const USER: &str = "user-key-0123456789";
pub(super) const ADMIN: &str = "admin-key-0123456789";

/// Settings of a test: any port, one network thread, and the given limits.
pub(super) fn settings(limits: Limits) -> HostSettings {
    HostSettings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        network_threads: 1,
        shutdown_timeout: Duration::from_secs(10),
        limits,
        ..HostSettings::default()
    }
}

/// A gateway with default limits.
pub(super) async fn gateway() -> Server {
    Server::start(settings(Limits::default())).await
}

/// A gateway with these limits.
pub(super) async fn gateway_with(limits: Limits) -> Server {
    Server::start(settings(limits)).await
}

/// A gateway that wants keys: [`USER`], one request at a time, and [`ADMIN`].
pub(super) async fn gateway_with_keys() -> Server {
    gateway_with_keys_and(Limits::default()).await
}

/// The same, with these limits.
pub(super) async fn gateway_with_keys_and(limits: Limits) -> Server {
    let key = |name: &str, secret: &str, admin, max_concurrent| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{secret}").unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        file.as_file().set_permissions(private).unwrap();
        let settings = KeySettings {
            name: name.into(),
            source: SecretSource::File(file.path().into()),
            admin,
            max_priority: Priority::Normal,
            max_concurrent,
        };
        (settings, file)
    };
    let (user, _user) = key("user", USER, false, Some(1));
    let (admin, _admin) = key("admin", ADMIN, true, None);
    let mut settings = settings(limits);
    settings.keys = vec![user, admin];
    Server::start(settings).await
}

/// A running gateway.
pub(super) struct Server {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    site: Arc<Site<Fake>>,
    stop: CancellationToken,
    run: JoinHandle<Result<usize, Error>>,
}

impl Server {
    pub(super) async fn start(settings: HostSettings) -> Self {
        Self::start_tuned(settings, Duration::from_secs(15)).await
    }

    /// With event streams that say so often that they are alive.
    pub(super) async fn start_tuned(settings: HostSettings, keep_alive: Duration) -> Self {
        let seen = Arc::<Seen>::default();
        let fake = Fake(seen.clone());
        let mut gateway = Gateway::bind(&settings, fake.clone(), Arc::new(fake))
            .await
            .unwrap();
        gateway.keep_alive_every(keep_alive);
        let stop = CancellationToken::new();
        Self {
            address: gateway.local_addr(),
            seen,
            site: gateway.site().clone(),
            run: tokio::spawn(gateway.run(stop.clone())),
            stop,
        }
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Client {
        Client::over(TcpStream::connect(self.address).await.unwrap())
    }

    /// One request on a connection of its own.
    pub(super) async fn ask(&self, request: &str) -> Response {
        let mut client = self.connect().await;
        client.send(request).await;
        client.response().await
    }

    /// As [`ask`](Self::ask), for requests made on the spot.
    pub(super) async fn ask_owned(&self, request: String) -> Response {
        self.ask(&request).await
    }

    /// One JSON-RPC request, its answer as JSON.
    pub(super) async fn rpc(&self, body: Value) -> Value {
        self.ask(&rpc_request("", &body.to_string())).await.json()
    }

    /// Requests in flight, as the gateway counts them.
    pub(super) fn in_flight(&self) -> usize {
        self.site.slots.taken()
    }

    /// Connections open, as the gateway counts them.
    pub(super) fn open(&self) -> u64 {
        self.site.metrics.open()
    }

    /// Connections open on each network thread.
    pub(super) fn open_by_thread(&self) -> Vec<u64> {
        self.site.metrics.open_by_thread()
    }

    /// Nothing is left of what came before, and the gateway answers as ever.
    pub(super) async fn is_unharmed(&self) {
        eventually("nothing is in flight", || self.in_flight() == 0).await;
        eventually("nothing runs behind", || self.seen.running() == 0).await;
        eventually("no body is held", || self.site.budget.used() == 0).await;
        eventually("no answer is held", || self.held_answers() == 0).await;
        eventually("no connection is left", || self.open() == 0).await;
        let response = self
            .ask("GET /hello HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await;
        assert_eq!((response.status, response.body.as_str()), (200, "hello"));
    }

    /// Bytes of bodies held.
    pub(super) fn held(&self) -> u64 {
        self.site.budget.used()
    }

    /// Bytes of answers held.
    pub(super) fn held_answers(&self) -> u64 {
        self.site.answers.used()
    }

    /// Bytes read from clients.
    pub(super) fn received(&self) -> u64 {
        self.site.metrics.received()
    }

    /// Heads that did not come in time.
    pub(super) fn slow_heads(&self) -> u64 {
        self.site
            .metrics
            .slow_heads
            .load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Whether it takes no new work any more.
    pub(super) fn is_closing(&self) -> bool {
        self.site.closing.is_cancelled()
    }

    /// Drops it where it stands.
    pub(super) fn abort(&self) {
        self.run.abort();
    }

    /// Tells it to stop, and does not wait.
    pub(super) fn tell_to_stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it has stopped; how many requests it cancelled.
    pub(super) async fn stopped(self) -> usize {
        timeout(DEADLINE, self.run)
            .await
            .expect("it stops")
            .unwrap()
            .unwrap()
    }
}

/// A request to `/rpc` with these further header lines.
pub(super) fn rpc_request(headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST /rpc HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

/// Waits for a condition.
pub(super) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(timeout(DEADLINE, waiting).await.is_ok(), "never: {what}");
}

/// A client that speaks bytes.
pub(super) struct Client {
    pub stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub(super) fn over(stream: TcpStream) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(DEADLINE, self.stream.write_all(bytes.as_ref()))
            .await
            .expect("it is read")
            .unwrap();
    }

    /// Sends as much as is taken; that the other side closes meanwhile is no failure.
    pub(super) async fn pour(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = timeout(DEADLINE, self.stream.write_all(bytes.as_ref()))
            .await
            .expect("it is read or refused");
    }

    /// Reads until a condition on all that was read and not taken holds, or the end.
    pub(super) async fn until(&mut self, enough: impl Fn(&[u8]) -> bool) -> bool {
        let mut chunk = [0; 4096];
        while !enough(&self.read) {
            let bytes = timeout(DEADLINE, self.stream.read(&mut chunk))
                .await
                .expect("an answer");
            match bytes {
                Ok(0) | Err(_) => return false,
                Ok(bytes) => self.read.extend_from_slice(&chunk[..bytes]),
            }
        }
        true
    }

    /// What was read so far.
    pub(super) fn take_text(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    /// Everything until the other side closes.
    pub(super) async fn rest(&mut self) -> String {
        self.until(|_| false).await;
        self.take_text()
    }

    /// One response with a `content-length`, or without a body.
    pub(super) async fn response(&mut self) -> Response {
        let complete = |read: &[u8]| find(read, b"\r\n\r\n").is_some();
        assert!(
            self.until(complete).await,
            "closed without an answer: {:?}",
            self.read
        );
        let end = find(&self.read, b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: HashMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        assert!(
            self.until(|read| read.len() >= length).await,
            "the body broke off after {head}"
        );
        let body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Response {
            status,
            headers,
            body,
        }
    }

    /// Whether the other side has closed, or does so now.
    pub(super) async fn is_closed(&mut self) -> bool {
        !self.until(|read| !read.is_empty()).await
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A response.
#[derive(Debug)]
pub(super) struct Response {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Response {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The message of a failure of our own.
    pub(super) fn message(&self) -> String {
        self.json()["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A JSON-RPC request.
pub(super) fn call(id: impl Into<Value>, method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method })
}
