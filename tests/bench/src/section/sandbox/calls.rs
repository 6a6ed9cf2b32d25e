//! A client that keeps its connection, so that what is measured is the work and not the greeting.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A connection to the host.
pub(super) struct Caller(BufReader<TcpStream>);

impl Caller {
    /// Connects.
    pub(super) async fn connect(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await.context("cannot reach the host")?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Calls a method and returns its result.
    pub(super) async fn call(&mut self, method: &str, params: &Value) -> anyhow::Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let mut answer = self.exchange(&body).await?;
        ensure!(answer.get("error").is_none(), "{method}: {answer}");
        Ok(answer["result"].take())
    }

    async fn exchange(&mut self, body: &str) -> anyhow::Result<Value> {
        let request = format!(
            "POST /rpc HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.write_all(request.as_bytes()).await?;
        let mut length = None;
        loop {
            let mut line = String::new();
            ensure!(self.0.read_line(&mut line).await? > 0, "the host hung up");
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse()?);
            }
        }
        let Some(length) = length else {
            bail!("an answer of unknown length")
        };
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        Ok(serde_json::from_slice(&body)?)
    }
}

/// So many callers at once, each asking again as soon as it is answered: the time of every answer but its first, in
/// milliseconds.
pub(super) async fn crowd(
    to: SocketAddr,
    callers: usize,
    lasting: Duration,
    method: &str,
    params: &Value,
    answer: &str,
) -> anyhow::Result<Vec<f64>> {
    let one = async || {
        let mut caller = Caller::connect(to).await?;
        // What has to be started is started; that is measured elsewhere, once.
        caller.call(method, params).await?;
        let begun = Instant::now();
        let mut times = Vec::new();
        while begun.elapsed() < lasting {
            let asked = Instant::now();
            let result = caller.call(method, params).await?;
            times.push(asked.elapsed().as_secs_f64() * 1e3);
            ensure!(result["stdout"] == answer, "{method}: {result}");
        }
        anyhow::Ok(times)
    };
    Ok(try_join_all((0..callers).map(|_| one())).await?.concat())
}
