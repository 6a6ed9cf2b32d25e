//! What the system's loader says, as a reason.
//!
//! It says it in prose only. The phrases are those of glibc; what is not recognised is passed on as it is.

use std::error::Error;

use crate::plugin::refusal::Reason;

/// The reason in a loader's error.
pub(super) fn reason(error: &libloading::Error) -> Reason {
    // The error itself says only "dlopen failed".
    let text = error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string);
    reason_in(&text)
}

fn reason_in(text: &str) -> Reason {
    if let Some((_, symbol)) = text.split_once("undefined symbol: ") {
        return Reason::UndefinedSymbol {
            symbol: symbol.to_owned(),
        };
    }
    if let Some((_, rest)) = text.split_once("version `")
        && let Some((version, _)) = rest.split_once("' not found")
    {
        return Reason::OldSystem {
            version: version.to_owned(),
        };
    }
    if let Some((library, _)) = text.split_once(": cannot open shared object file") {
        return Reason::MissingLibrary {
            library: library.to_owned(),
        };
    }
    // The loader begins with the path of our copy, which tells an operator nothing.
    let error = match text.split_once(".so: ") {
        Some((_, rest)) => rest,
        None => text,
    };
    Reason::Open {
        error: error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Reason, reason_in};

    #[test]
    fn a_symbol_that_nobody_defines_is_named() {
        let text = "/state/generations/ab.so: undefined symbol: frobnicate";
        let symbol = "frobnicate".to_owned();
        assert_eq!(reason_in(text), Reason::UndefinedSymbol { symbol });
    }

    #[test]
    fn a_newer_c_library_is_named() {
        let text = "/lib/libc.so.6: version `GLIBC_2.99' not found (required by /state/generations/ab.so)";
        let version = "GLIBC_2.99".to_owned();
        assert_eq!(reason_in(text), Reason::OldSystem { version });
    }

    #[test]
    fn a_library_that_is_not_here_is_named() {
        let text = "libcuda.so.1: cannot open shared object file: No such file or directory";
        let library = "libcuda.so.1".to_owned();
        assert_eq!(reason_in(text), Reason::MissingLibrary { library });
    }

    #[test]
    fn anything_else_is_passed_on_without_our_own_path() {
        let text = "/state/generations/ab.so: cannot allocate memory in static TLS block";
        let error = "cannot allocate memory in static TLS block".to_owned();
        assert_eq!(reason_in(text), Reason::Open { error });
    }
}
