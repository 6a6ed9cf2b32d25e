//! Bytes across the boundary without a copy, where their owner allows it.

use abi_stable::std_types::RVec;
use bytes::Bytes;

/// Bytes that the other side allocated; their own destructor frees them.
pub fn received(bytes: RVec<u8>) -> Bytes {
    struct Received(RVec<u8>);
    impl AsRef<[u8]> for Received {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    if bytes.is_empty() {
        return Bytes::new();
    }
    Bytes::from_owner(Received(bytes))
}

/// Bytes for the other side; copied only if somebody else holds them too.
pub fn sent(bytes: Bytes) -> RVec<u8> {
    Vec::from(bytes).into()
}
