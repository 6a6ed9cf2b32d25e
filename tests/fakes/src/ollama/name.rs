//! Model names: `[host/][namespace/]model[:tag]`.

const HOST: &str = "registry.ollama.ai";
const NAMESPACE: &str = "library";
const TAG: &str = "latest";

/// A model's name with every part said. Names are the same if they differ in case only, or in parts left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    host: String,
    namespace: String,
    model: String,
    tag: String,
}

impl Name {
    /// Reads a name; `None` if it is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (path, tag) = match text.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, tag),
            _ => (text, TAG),
        };
        let mut parts = path.rsplitn(3, '/');
        let model = parts.next()?;
        let namespace = parts.next().unwrap_or(NAMESPACE);
        let host = parts.next().unwrap_or(HOST);
        let valid =
            [model, namespace, tag].iter().all(|part| is_part(part, 80, "")) && is_part(host, 350, ":");
        valid.then(|| Self {
            host: host.into(),
            namespace: namespace.into(),
            model: model.into(),
            tag: tag.into(),
        })
    }

    /// Whether both name the same model.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.full().eq_ignore_ascii_case(&other.full())
    }

    /// Every part, as some errors print it.
    pub(super) fn full(&self) -> String {
        format!("{}/{}/{}:{}", self.host, self.namespace, self.model, self.tag)
    }

    /// As listings print it: defaults left out, the tag always said.
    pub(super) fn short(&self) -> String {
        match (
            self.host.eq_ignore_ascii_case(HOST),
            self.namespace.eq_ignore_ascii_case(NAMESPACE),
        ) {
            (true, true) => format!("{}:{}", self.model, self.tag),
            (true, false) => format!("{}/{}:{}", self.namespace, self.model, self.tag),
            (false, _) => self.full(),
        }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }
}

fn is_part(part: &str, longest: usize, extra: &str) -> bool {
    let first = part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    first
        && part.len() <= longest
        && part
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c) || extra.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn parts_left_out_are_the_usual_ones() {
        for text in [
            "m",
            "m:latest",
            "library/m",
            "registry.ollama.ai/library/M:latest",
            "https://registry.ollama.ai/library/m",
        ] {
            assert!(name(text).is(&name("m")), "{text}");
        }
        assert!(!name("m:8b").is(&name("m")));
        assert!(!name("me/m").is(&name("m")));
    }

    #[test]
    fn the_short_form_leaves_the_usual_parts_out_and_keeps_the_spelling() {
        assert_eq!(name("Llama3.2").short(), "Llama3.2:latest");
        assert_eq!(name("me/m:8b").short(), "me/m:8b");
        assert_eq!(name("host:5000/me/m").short(), "host:5000/me/m:latest");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", ":", "a b", "m:", "/m", "a/b/c/d/", "m\n", &"x".repeat(81)] {
            assert!(Name::parse(text).is_none(), "{text:?}");
        }
    }
}
