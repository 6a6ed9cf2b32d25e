//! Names of models and images, compared the way registries compare them.
//!
//! `[registry/][namespace/]name[:tag]`: case does not matter, the namespace `library` and the tag `latest` are
//! implied. So `Llama3.2`, `llama3.2:latest` and `library/llama3.2` name the same thing.

use std::borrow::Cow;

/// The one spelling under which equal references compare equal.
///
/// Borrows when the name is already in that spelling, because this runs for every request.
pub fn normalise(name: &str) -> Cow<'_, str> {
    let bare = name.trim();
    let bare = bare.strip_prefix("library/").unwrap_or(bare);
    let last = bare.rsplit('/').next().unwrap_or(bare);
    let tagged = last.contains(':');
    let lower = !bare.bytes().any(|byte| byte.is_ascii_uppercase());
    match (tagged, lower) {
        (true, true) => Cow::Borrowed(bare),
        (true, false) => Cow::Owned(lower_case(bare)),
        (false, true) => Cow::Owned(format!("{bare}:latest")),
        (false, false) => Cow::Owned(lower_case(bare) + ":latest"),
    }
}

fn lower_case(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    text.strip_prefix("library/").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn all_spellings_of_a_name_are_one() {
        for spelling in ["m", "M", "m:latest", "M:Latest", "library/m", "Library/M", " m "] {
            assert_eq!(normalise(spelling), "m:latest", "{spelling}");
        }
    }

    #[test]
    fn a_tag_or_a_namespace_makes_another_name() {
        assert_eq!(normalise("m:7b"), "m:7b");
        assert_eq!(normalise("me/m"), "me/m:latest");
        assert_eq!(normalise("host:5000/m"), "host:5000/m:latest");
    }

    #[test]
    fn a_normal_name_is_not_copied() {
        assert!(matches!(normalise("m:latest"), std::borrow::Cow::Borrowed(_)));
    }
}
