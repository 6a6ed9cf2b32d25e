//! The network of the box: its own loopback, and nothing else.

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

use crate::Refusal;
use crate::refusal::While;

/// The loopback of a new network namespace has this number, always.
const LOOPBACK: i32 = 1;

/// Raises the loopback device, so that programs which talk to themselves work.
pub(super) fn raise_loopback() -> Result<(), Refusal> {
    const WHAT: &str = "raising the loopback device";
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None, // NETLINK_ROUTE is protocol 0
    )
    .during(WHAT)?;
    send(&socket, &request(), SendFlags::empty()).during(WHAT)?;
    let mut answer = [0; 512];
    let (length, _) = recv(&socket, &mut answer[..], RecvFlags::empty()).during(WHAT)?;
    // An answer of type NLMSG_ERROR holds the error, 0 for none, right after its header.
    match answer[..length].get(16..20) {
        Some([0, 0, 0, 0]) => Ok(()),
        code => Err(Refusal::new(WHAT, format!("the kernel answered {code:?}"))),
    }
}

/// `RTM_NEWLINK` with an acknowledgement wanted: this device, up.
fn request() -> Vec<u8> {
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_AND_ACK: u16 = 1 | 4;
    const UP: u32 = 1;
    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(REQUEST_AND_ACK.to_ne_bytes());
    message.extend(1_u32.to_ne_bytes()); // sequence
    message.extend(0_u32.to_ne_bytes()); // to the kernel
    message.extend([0, 0, 0, 0]); // any family, any type
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    message.extend(UP.to_ne_bytes()); // which flags change
    message
}
