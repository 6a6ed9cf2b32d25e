//! Messages: from the bytes of a body to requests.

use bytes::Bytes;
use plugin_api::{Error, ErrorCode, Fault};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What a body holds.
#[derive(Debug)]
pub(super) enum Payload {
    Single(Message),
    Batch(Vec<Message>),
}

/// One entry, each judged by itself: a bad one spoils none of its neighbours.
#[derive(Debug)]
pub(super) enum Message {
    Request(Request),
    Invalid { id: Id, error: Error },
}

/// A request, or a notification where `id` is `None`.
#[derive(Debug)]
pub(super) struct Request {
    pub id: Option<Id>,
    pub method: String,
    /// As they came; empty where there are none. Shares memory with the body.
    pub params: Bytes,
    /// Our extension: the result as events, or not.
    pub stream: Option<bool>,
}

/// An id as it came: a string, a number or null, repeated to the digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Id(Bytes);

impl Id {
    /// The id of a failure whose request is not known.
    pub(super) const NULL: Id = Id(Bytes::from_static(b"null"));

    /// For writing it into an answer.
    pub(super) fn raw(&self) -> &RawValue {
        // Made from a RawValue or from `null`, so it is one.
        serde_json::from_slice(&self.0).unwrap_or(RawValue::NULL)
    }
}

/// An entry as it is written. Every member raw: what is wrong with it is said in our own words.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(default, borrow, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    stream: Option<&'a RawValue>,
}

/// Tells `null` from absent, which a plain `Option` does not: a request with the id `null` is no notification.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a body.
///
/// # Errors
/// Not UTF-8, nested too deeply or with too many entries (found before anything is parsed), or not JSON.
pub(super) fn parse(body: &Bytes, depth: usize, batch: usize) -> Result<Payload, Error> {
    let text = str::from_utf8(body).map_err(|error| {
        malformed(format!(
            "the body is not UTF-8 from byte {} on",
            error.valid_up_to()
        ))
    })?;
    let entries = check_shape(text, depth)?;
    if entries > batch && text.trim_ascii_start().starts_with('[') {
        let message = format!("a batch may have {batch} requests, this one has {entries}");
        return Err(Error::new(ErrorCode::TOO_LARGE, Fault::Client, message));
    }
    let whole: &RawValue =
        serde_json::from_str(text).map_err(|error| malformed(format!("the body is not JSON: {error}")))?;
    if !whole.get().starts_with('[') {
        return Ok(Payload::Single(judge(body, whole)));
    }
    let entries: Vec<&RawValue> =
        serde_json::from_str(whole.get()).map_err(|error| malformed(error.to_string()))?;
    Ok(Payload::Batch(
        entries.into_iter().map(|entry| judge(body, entry)).collect(),
    ))
}

fn judge(body: &Bytes, entry: &RawValue) -> Message {
    if !entry.get().starts_with('{') {
        return unknown("a request is an object".to_owned());
    }
    let written: Written<'_> = match serde_json::from_str(entry.get()) {
        Ok(written) => written,
        Err(error) => return unknown(format!("this is not a request: {error}")),
    };
    let id = match written.id.map(RawValue::get) {
        None => None,
        Some(id) if !id.starts_with(['{', '[', 't', 'f']) => Some(Id(body.slice_ref(id.as_bytes()))),
        Some(_) => return unknown("an `id` is a string, a number or null".to_owned()),
    };
    match read(body, &written, id.clone()) {
        Ok(request) => Message::Request(request),
        // Also where there is no id: who sent nonsense must not go without a word.
        Err(error) => Message::Invalid {
            id: id.unwrap_or(Id::NULL),
            error,
        },
    }
}

fn read(body: &Bytes, written: &Written<'_>, id: Option<Id>) -> Result<Request, Error> {
    if written.jsonrpc.map(RawValue::get) != Some(r#""2.0""#) {
        return Err(invalid("`jsonrpc` must be \"2.0\""));
    }
    let method = written.method.ok_or_else(|| invalid("there is no `method`"))?;
    let method = serde_json::from_str(method.get()).map_err(|_| invalid("`method` must be a string"))?;
    let params = match written.params.map(RawValue::get) {
        // Null is not legal, but some clients write it for "none", and it can mean nothing else.
        None | Some("null") => Bytes::new(),
        Some(params) if params.starts_with(['{', '[']) => body.slice_ref(params.as_bytes()),
        Some(_) => return Err(invalid("`params` must be an object or an array")),
    };
    let stream = match written.stream.map(RawValue::get) {
        None | Some("null") => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(invalid("`stream` must be true or false")),
    };
    Ok(Request {
        id,
        method,
        params,
        stream,
    })
}

fn unknown(message: String) -> Message {
    Message::Invalid {
        id: Id::NULL,
        error: invalid(message),
    }
}

/// Counts brackets outside strings, without recursion and before anything is built from them; returns how many
/// entries the outermost one has.
fn check_shape(text: &str, limit: usize) -> Result<usize, Error> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    let mut entries = 1;
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return Err(Error::new(
                        ErrorCode::TOO_LARGE,
                        Fault::Client,
                        format!("the body is nested more than {limit} deep"),
                    )
                    .status(400));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => entries += 1,
            _ => {}
        }
    }
    Ok(entries)
}

fn malformed(message: String) -> Error {
    Error::new(ErrorCode::PARSE_ERROR, Fault::Client, message)
}

/// JSON that is no request.
pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::INVALID_REQUEST, Fault::Client, message)
}

#[cfg(test)]
mod tests;
