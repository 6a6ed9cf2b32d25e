//! The version of the plugin interface, which both sides state and compare.

/// The version this crate speaks.
///
/// It is the crate's own version, except under the features of the compatibility matrix, where the crate plays
/// its predecessor or its successor.
pub const API_VERSION: &str = if cfg!(feature = "matrix-older") {
    "1.0.0"
} else if cfg!(feature = "matrix-newer") {
    "1.2.0"
} else {
    env!("CARGO_PKG_VERSION")
};
