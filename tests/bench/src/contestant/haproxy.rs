//! HAProxy: the floor to respect.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::workload::Dialect;

pub(super) fn prepare(
    addr: SocketAddr,
    back_ends: [SocketAddr; 2],
    dialect: Dialect,
    directory: &Path,
) -> anyhow::Result<Command> {
    let file = directory.join("haproxy.cfg");
    std::fs::write(&file, config(addr, back_ends, dialect))?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&file);
    Ok(command)
}

/// Connections to back ends are shared by all clients (`http-reuse always`), which is the fastest it can do. Without
/// `http-no-delay` it would keep small chunks back for up to 200 ms, which nobody who streams would accept.
fn config(addr: SocketAddr, [a, b]: [SocketAddr; 2], dialect: Dialect) -> String {
    let probe = dialect.probe();
    format!(
        r"global
    nbthread 2
    maxconn 4096
defaults
    mode http
    option http-no-delay
    timeout connect 3s
    timeout client 60s
    timeout server 60s
frontend clients
    bind {addr}
    default_backend back_ends
backend back_ends
    balance leastconn
    http-reuse always
    option httpchk GET {probe}
    server a {a} check
    server b {b} check
"
    )
}
