//! How long a model stays in memory after its last request.

use std::time::Duration;

use serde_json::Value;

use crate::reply::Refusal;

/// A parsed `keep_alive`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeepAlive {
    For(Duration),
    Forever,
}

impl KeepAlive {
    /// Until the last request ends.
    pub(super) const UNLOAD: Self = Self::For(Duration::ZERO);

    /// Reads a number of seconds or a Go duration; negative means forever.
    pub(super) fn read(value: &Value) -> Result<Option<Self>, Refusal> {
        match value {
            Value::Null => Ok(None),
            Value::Number(seconds) => {
                let seconds = Duration::try_from_secs_f64(seconds.as_f64().unwrap_or_default());
                Ok(Some(seconds.map_or(Self::Forever, Self::For)))
            }
            Value::String(text) => go_duration(text).map(Some),
            other => Err(Refusal::bad(format!("Unsupported type: '{}'", go_type(other)))),
        }
    }
}

fn go_duration(text: &str) -> Result<KeepAlive, Refusal> {
    let (negative, length) = text
        .strip_prefix('-')
        .map_or((false, text), |length| (true, length));
    let length = match length {
        "0" => Ok(Duration::ZERO),
        length if length.ends_with(|c: char| c.is_ascii_digit()) => {
            return Err(Refusal::bad(format!("time: missing unit in duration \"{text}\"")));
        }
        length => humantime::parse_duration(length),
    };
    match length {
        Ok(_) if negative => Ok(KeepAlive::Forever),
        Ok(length) => Ok(KeepAlive::For(length)),
        Err(_) => Err(Refusal::bad(format!("time: invalid duration \"{text}\""))),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Array(_) => "[]interface {}",
        _ => "map[string]interface {}",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_seconds_and_strings_are_go_durations() {
        for (value, expected) in [
            (json!(90), KeepAlive::For(Duration::from_secs(90))),
            (json!(0.5), KeepAlive::For(Duration::from_millis(500))),
            (json!(0), KeepAlive::UNLOAD),
            (json!("0"), KeepAlive::UNLOAD),
            (json!(-1), KeepAlive::Forever),
            (json!("-1m"), KeepAlive::Forever),
            (json!("1h30m"), KeepAlive::For(Duration::from_secs(5400))),
            (json!("300ms"), KeepAlive::For(Duration::from_millis(300))),
        ] {
            assert_eq!(KeepAlive::read(&value), Ok(Some(expected)), "{value}");
        }
        assert_eq!(KeepAlive::read(&Value::Null), Ok(None));
    }

    #[test]
    fn anything_else_is_refused() {
        for value in [json!("10"), json!("soon"), json!(true), json!([])] {
            assert!(KeepAlive::read(&value).is_err(), "{value}");
        }
    }
}
