//! Clients: `wrk` for short answers, our own for streams, and a crowd that counts who was served.

pub(crate) mod crowd;
pub(crate) mod streams;
pub(crate) mod wrk;
