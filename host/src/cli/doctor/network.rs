//! The address to listen on, and whether the configured instances can be reached.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::timeout;

use super::Finding;
use crate::cli::Global;
use crate::cli::global::reachable;
use crate::config::Settings;

/// A peer that does not accept within this is not there.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the address is free, or a host runs there already.
pub(super) async fn listen(global: &Global, listen: SocketAddr) -> Finding {
    const WHAT: &str = "listen";
    match TcpListener::bind(listen).await {
        Ok(_) => Finding::good(WHAT, format!("{listen} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            if is_host(global, reachable(listen)).await {
                return Finding::good(WHAT, format!("a host runs at {listen}"));
            }
            Finding::bad(
                WHAT,
                format!("another program listens on {listen}"),
                format!(
                    "`ss -ltnp 'sport = :{}'` shows which; or set host.listen",
                    listen.port()
                ),
            )
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Finding::bad(
            WHAT,
            format!("{listen} is not allowed: {error}"),
            "take a port from 1024 on, or give the host CAP_NET_BIND_SERVICE",
        ),
        Err(error) => Finding::bad(
            WHAT,
            format!("{listen}: {error}"),
            "set host.listen to an address of this machine",
        ),
    }
}

async fn is_host(global: &Global, address: SocketAddr) -> bool {
    let here = Global {
        url: Some(format!("http://{address}")),
        ..global.clone()
    };
    let Ok(client) = crate::cli::client::Client::new(&here) else {
        return false;
    };
    let answer = timeout(PATIENCE, client.call("manager/status", serde_json::json!({}))).await;
    // One that refuses to talk to us is a host as well.
    answer.is_ok_and(|answer| answer.map_or_else(|failure| failure.error.is_some(), |_| true))
}

/// Whether each configured instance accepts a connection. Those that hubs find by themselves are found when the
/// host runs.
pub(super) async fn instances(settings: &Settings) -> Vec<Finding> {
    let configured = settings.hubs.iter().flat_map(|hub| {
        hub.instances.iter().map(|instance| {
            let what = format!("hub {}", hub.name);
            reach(what, instance.url.clone())
        })
    });
    join_all(configured).await
}

async fn reach(what: String, url: String) -> Finding {
    let parsed = url::Url::parse(&url).ok();
    let target = parsed
        .as_ref()
        .and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    let Some((host, port)) = target else {
        return Finding::bad(what, format!("{url} has no host"), "correct its `url`");
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let connect = async {
        let mut last = std::io::Error::new(ErrorKind::NotFound, "the name has no address");
        for address in lookup_host((host, port)).await? {
            match TcpStream::connect(address).await {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    let mend = format!("start the server, or look at what is between: curl -v {url}");
    match timeout(PATIENCE, connect).await {
        Ok(Ok(())) => Finding::good(what, format!("{url} accepts connections")),
        Ok(Err(error)) => Finding::warning(what, format!("{url} cannot be reached: {error}"), mend),
        Err(_) => Finding::warning(what, format!("{url} does not answer within 3 s"), mend),
    }
}
