//! A port that nobody uses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Context;

/// A loopback address on which nobody listens now. The kernel does not hand the same port out again soon, which is
/// as good as it gets for servers that cannot tell which port they chose.
pub(crate) fn free() -> anyhow::Result<SocketAddr> {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
    Ok(probe.local_addr()?)
}
