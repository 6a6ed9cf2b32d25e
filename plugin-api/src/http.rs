//! What a hub of HTTP servers needs and no such hub should write again: a client, base URLs, keys.
//!
//! Behind the feature `http`, so that a plugin for something else does without it. Every call is bounded in
//! time and in size, follows no redirect and uses no proxy: a probe must see the server itself, as the host's
//! forwarder does.
//!
//! ```
//! use plugin_api::contract::instance::Endpoint;
//! use plugin_api::http::{Client, HttpError, Method};
//!
//! # async fn probe() -> Result<(), HttpError> {
//! let client = Client::new("my-hub/1.0")?;
//! let endpoint = Endpoint::new("http://gpu1:8000");
//! let version: serde_json::Value = client.call(Method::GET, &endpoint, "/version").json().await?;
//! # Ok(())
//! # }
//! ```

mod access;
mod answer;
mod base_url;
mod call;
mod client;
mod error;

pub use access::{Access, AccessError};
pub use answer::Lines;
pub use base_url::{BaseUrl, BaseUrlError};
pub use call::Call;
pub use client::Client;
pub use error::HttpError;
pub use reqwest::Method;

#[cfg(test)]
mod tests;
