//! A loopback port that can be closed and opened again without losing its number.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections the kernel keeps for us until they are accepted.
const BACKLOG: u32 = 1024;

/// The port of one fake.
///
/// While it is closed, connecting is refused, yet no one else is given the number: a bound socket that never listens
/// holds it. So a dead fake's port cannot become another test's server.
#[derive(Debug)]
pub(super) struct Port {
    addr: SocketAddr,
    _holder: TcpSocket,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    listener: Option<TcpListener>,
    /// Who waits in `poll_accept`: the listener they were registered with may be gone by the time they should wake.
    waiting: Option<Waker>,
}

impl Port {
    /// Takes `port`, or one of the kernel's choosing if it is 0. Nothing listens yet.
    pub(super) fn reserve(port: u16) -> io::Result<Self> {
        let holder = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        Ok(Self {
            addr: holder.local_addr()?,
            _holder: holder,
            state: Mutex::default(),
        })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Listens; does nothing if it does already.
    pub(super) fn open(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.listener.is_none() {
            state.listener = Some(bound(self.addr)?.listen(BACKLOG)?);
            if let Some(waiting) = state.waiting.take() {
                waiting.wake();
            }
        }
        Ok(())
    }

    /// Listens no more, as of now.
    pub(super) fn close(&self) {
        self.state.lock().listener = None;
    }

    /// The next connection; pending while the port is closed.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        let mut state = self.state.lock();
        if let Some(listener) = &state.listener
            && let Poll::Ready(accepted) = listener.poll_accept(cx)
        {
            return Poll::Ready(accepted.map(|(stream, _)| stream));
        }
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn bound(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Both the holder and the listener need this to share the number, as does a port with connections in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}
