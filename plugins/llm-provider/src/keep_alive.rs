//! How long a model is asked to stay in memory, as far as that is asking for its end.

use serde_json::Value;

/// Whether a request with this `keep_alive` that says nothing else is there to take the model out of memory. Anything
/// below a second is as good as nothing: servers would load the model only to drop it.
pub(crate) fn unloads(keep_alive: &Value) -> bool {
    let seconds = match keep_alive {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => seconds(text),
        _ => None,
    };
    // A negative one keeps it for ever.
    seconds.is_some_and(|seconds| (0.0..1.0).contains(&seconds))
}

/// Seconds of a duration as servers take it, such as `1m30s`, `250ms` or `0`. `None` is theirs to refuse.
fn seconds(text: &str) -> Option<f64> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" || rest == "-0" {
        return Some(0.0);
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        total += number
            * match &rest[..unit] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::unloads;

    #[test]
    fn nothing_in_any_spelling_is_nothing() {
        for none in [
            json!(0),
            json!(0.0),
            json!("0"),
            json!("0s"),
            json!("0m0s"),
            json!("5ms"),
            json!(0.2),
        ] {
            assert!(unloads(&none), "{none}");
        }
        let others = [
            json!(-1),
            json!(300),
            json!("5m"),
            json!("-1m"),
            json!("1m0s"),
            json!("1.5s"),
            json!(null),
            json!(""),
            json!("soon"),
            json!("5"),
            json!("."),
            json!("é"),
        ];
        for some in others {
            assert!(!unloads(&some), "{some}");
        }
    }
}
