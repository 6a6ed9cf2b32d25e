//! The processor features a library was compiled for beyond what every processor of its architecture has.
//!
//! A library built with `target-cpu=native` on one machine ends the process of another with SIGILL, at whatever
//! call first uses what is not there. So its manifest says what it uses, and a host looks before it opens it.

use super::export::{join, length};

macro_rules! features {
    ($detected:ident: $($name:tt),* $(,)?) => {
        /// Each feature this crate is being compiled for, with a space after it.
        const PARTS: &[&str] = &[$(if cfg!(target_feature = $name) { concat!($name, " ") } else { "" }),*];

        /// Whether this machine's processor has a feature. One that nobody has heard of it has not.
        pub fn has(feature: &str) -> bool {
            match feature {
                $($name => std::arch::$detected!($name),)*
                _ => false,
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
features! {
    is_x86_feature_detected:
    "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "lzcnt", "movbe", "aes", "pclmulqdq", "sha", "rdrand", "f16c", "fma",
    "bmi1", "bmi2", "adx", "avx", "avx2", "vaes", "vpclmulqdq", "gfni",
    "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512ifma", "avx512vbmi", "avx512vbmi2",
    "avx512vnni", "avx512bitalg", "avx512vpopcntdq",
}

#[cfg(target_arch = "aarch64")]
features! {
    is_aarch64_feature_detected:
    "aes", "sha2", "sha3", "crc", "lse", "rdm", "rcpc", "dotprod", "fp16", "fhm", "i8mm", "bf16", "sve", "sve2",
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod unknown {
    pub(super) const PARTS: &[&str] = &[];

    /// Nothing is known of this architecture's features, and no manifest for it names any.
    pub fn has(_feature: &str) -> bool {
        false
    }
}
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use unknown::PARTS;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use unknown::has;

const TEXT: [u8; length(PARTS)] = join(PARTS);

/// What this crate, and with it the plugin, is being compiled for: names with spaces between them.
pub const COMPILED_FOR: &str = match std::str::from_utf8(&TEXT) {
    Ok(text) => text,
    // Parts of text joined are text.
    Err(_) => "",
};

#[cfg(test)]
mod tests {
    use super::{COMPILED_FOR, has};

    #[test]
    fn this_machine_runs_this_test() {
        for feature in COMPILED_FOR.split_whitespace() {
            assert!(has(feature), "{feature}");
        }
    }

    #[test]
    fn a_feature_that_nobody_has_heard_of_is_not_there() {
        assert!(!has("telepathy"));
    }
}
