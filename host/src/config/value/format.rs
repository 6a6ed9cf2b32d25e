//! The formats of text values: each has a name in the JSON Schema, a check, and an example for messages.
//!
//! Plugins may use the same names in their manifests and get the same checks for their own settings.

use std::borrow::Cow;
use std::net::SocketAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{duration, size};

/// One format.
#[derive(Debug)]
pub struct Format {
    /// Its name in a JSON Schema.
    pub name: &'static str,
    /// What it is, with its article, for messages.
    pub what: &'static str,
    /// A value that fits, as it is written in the file.
    pub example: &'static str,
    /// Says why a text does not fit.
    pub check: fn(&str) -> Result<(), String>,
}

/// All formats.
pub const FORMATS: &[Format] = &[
    Format {
        name: "human-duration",
        what: "a duration",
        example: "\"30s\"",
        check: |text| duration::parse(text).map(drop),
    },
    Format {
        name: "human-duration-positive",
        what: "a duration",
        example: "\"30s\"",
        check: |text| match duration::parse(text) {
            Ok(duration) if duration.is_zero() => Err("must be longer than zero".to_owned()),
            other => other.map(drop),
        },
    },
    Format {
        name: "byte-size",
        what: "a size",
        example: "\"32MiB\"",
        check: |text| size::parse(text).map(drop),
    },
    Format {
        name: "socket-address",
        what: "an address with a port",
        example: "\"127.0.0.1:7433\"",
        check: |text| {
            text.parse::<SocketAddr>()
                .map(drop)
                .map_err(|error| error.to_string())
        },
    },
    Format {
        name: "http-url",
        what: "a server's base URL",
        example: "\"http://gpu1:11434\"",
        check: http_url,
    },
    Format {
        name: "resource-url",
        what: "a server's base URL",
        example: "\"http://gpu1:11434\"",
        check: resource_url,
    },
];

/// The format of this name.
pub fn named(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

fn http_url(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|error| error.to_string())?;
    check_scheme(url.scheme(), &[])?;
    base_url(&url)
}

/// Any scheme, because it is for a hub's manifest to say which it knows ([`check_scheme`]); but a scheme there must be,
/// and what is written without one (`gpu1:11434`) looks like one to a parser.
fn resource_url(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|error| error.to_string())?;
    if !text.contains("://") {
        check_scheme(url.scheme(), &[])?;
    }
    base_url(&url)
}

/// Whether a hub knows URLs of a scheme: all know HTTP, and those more that its manifest lists.
pub(in crate::config) fn check_scheme(scheme: &str, known: &[String]) -> Result<(), String> {
    if matches!(scheme, "http" | "https") || known.iter().any(|known| known == scheme) {
        return Ok(());
    }
    Err(match known {
        [] => format!("`{scheme}` is neither http nor https"),
        known => format!("`{scheme}` is none of http, https, {}", known.join(", ")),
    })
}

fn base_url(url: &url::Url) -> Result<(), String> {
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a base URL has no `?` and no `#`".to_owned());
    }
    Ok(())
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $format:literal) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format })
            }
        }
    };
}

text!(
    /// The schema of a duration that may be zero.
    DurationText, "human-duration"
);
text!(
    /// The schema of a duration longer than zero.
    PositiveDuration, "human-duration-positive"
);
text!(
    /// The schema of an address to listen on.
    AddressText, "socket-address"
);

/// The schema of a size: text with a unit, or a number of bytes.
#[derive(Debug)]
pub struct SizeText;

impl JsonSchema for SizeText {
    fn schema_name() -> Cow<'static, str> {
        "SizeText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "format": "byte-size", "minimum": 0 })
    }
}
