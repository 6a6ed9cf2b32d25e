//! Pictures: base64 or data URIs, and nothing that would make us read a file or fetch a page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::LlmError;

/// The base64 of a picture, without what a data URI puts before it.
pub(super) fn base64(picture: &str) -> Result<&str, LlmError> {
    let data = match picture.strip_prefix("data:") {
        Some(uri) => uri
            .split_once(";base64,")
            .map(|(_, data)| data)
            .ok_or_else(refused)?,
        None => picture,
    };
    // All of it, because the beginning of a path may well look like base64.
    if data.is_empty() || STANDARD.decode(data).is_err() {
        return Err(refused());
    }
    Ok(data)
}

/// The picture as a data URI. The kind is read from its first bytes, as base64 shows them.
pub(super) fn data_uri(picture: &str) -> Result<String, LlmError> {
    let data = base64(picture)?;
    let kind = match data {
        _ if data.starts_with("/9j/") => "jpeg",
        _ if data.starts_with("UklGR") => "webp",
        _ if data.starts_with("R0lGOD") => "gif",
        _ => "png",
    };
    Ok(format!("data:image/{kind};base64,{data}"))
}

fn refused() -> LlmError {
    LlmError::Invalid(
        "an image must be base64 or a data URI with base64; paths and links are not read".into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_and_data_uris_are_taken() {
        assert_eq!(base64("aGVsbG8=").unwrap(), "aGVsbG8=");
        assert_eq!(base64("data:image/png;base64,aGVsbG8=").unwrap(), "aGVsbG8=");
        assert_eq!(data_uri("/9j/4AAQ").unwrap(), "data:image/jpeg;base64,/9j/4AAQ");
    }

    #[test]
    fn paths_and_links_are_never_read() {
        for picture in [
            "/etc/passwd",
            "http://host/x.png",
            "file:///etc/passwd",
            "data:,x",
            "",
            "ü",
        ] {
            assert!(base64(picture).is_err(), "{picture}");
        }
    }
}
