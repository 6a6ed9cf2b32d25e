use futures_util::future::BoxFuture;
use plugin_api::Context;
use plugin_api::manifest::{ProviderManifest, Route};
use plugin_api::provider::Rendered;
use serde_json::json;

use super::*;
use crate::dispatch::Table;
use crate::manager::ProviderEntry;
use crate::plugin::driver::ProviderDriver;

/// A provider that renders failures and otherwise hangs.
struct Renders(ProviderManifest);

impl ProviderDriver for Renders {
    fn manifest(&self) -> &ProviderManifest {
        &self.0
    }
    fn decide(&self, _: &Request<'_>) -> Result<Decision, Error> {
        Ok(Decision::Work)
    }
    fn work(&self, _: Context, _: OwnedRequest) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(std::future::pending())
    }
    fn render_error(&self, _: &str, phase: Phase, error: &Error) -> Rendered {
        Rendered::json(
            500,
            &json!({ "code": error.code, "streaming": phase == Phase::Streaming }),
        )
    }
    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn entry() -> Arc<RouteEntry> {
    let route: Route = serde_json::from_value(json!({ "methods": ["GET"], "path": "/x" })).unwrap();
    let mut manifest = ProviderManifest::default();
    manifest.routes.insert("x".into(), route);
    let driver = Arc::new(Renders(manifest));
    let provider = ProviderEntry::new(
        "p".into(),
        "p".into(),
        "1".into(),
        driver,
        Vec::new(),
        Default::default(),
    );
    let table = Table::default().add(&Arc::new(provider)).unwrap();
    match table.find(&http::Method::GET, "/x") {
        crate::dispatch::Found::Route(entry) => entry,
        _ => panic!("no route"),
    }
}

/// What a client gets of a provider's stream.
async fn heard(pieces: ByteStream, stop: &CancellationToken) -> Vec<String> {
    let told = told(entry(), pieces, stop.clone());
    told.map(|piece| String::from_utf8(piece.unwrap().to_vec()).unwrap())
        .collect()
        .await
}

fn first() -> Result<Bytes, Error> {
    Ok(Bytes::from_static(b"first"))
}

#[tokio::test]
async fn a_failure_is_the_last_frame() {
    let broken = Err(Error::plugin("oops"));
    let pieces = stream::iter([first(), broken, first()]).boxed();
    assert_eq!(
        heard(pieces, &CancellationToken::new()).await,
        ["first", r#"{"code":-30010,"streaming":true}"#]
    );
}

#[tokio::test]
async fn the_hosts_end_is_said_in_the_dialect_even_by_a_provider_that_does_not_listen() {
    let stop = CancellationToken::new();
    let pieces = stream::iter([first()]).chain(stream::pending()).boxed();
    let (heard, ()) = tokio::join!(heard(pieces, &stop), async { stop.cancel() });
    assert_eq!(heard, ["first", r#"{"code":-31002,"streaming":true}"#]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_keeps_nobody_past_his_deadline() {
    let dispatcher = Dispatcher::new(Arc::default());
    let caller = Caller {
        deadline: Some(std::time::SystemTime::now() + Duration::from_secs(5)),
        ..Caller::host("r")
    };
    let (parts, ()) = http::Request::new(()).into_parts();
    let begun = tokio::time::Instant::now();
    let (response, _) = dispatcher.serve(&entry(), caller, parts, Bytes::new()).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let Body::Full(body) = response.into_body() else {
        panic!("no body")
    };
    assert_eq!(
        body,
        json!({ "code": ErrorCode::TIMEOUT, "streaming": false }).to_string()
    );
}
