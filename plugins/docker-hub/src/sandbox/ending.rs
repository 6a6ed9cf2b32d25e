//! How a box has ended.

use std::time::Duration;

use bollard::query_parameters::WaitContainerOptionsBuilder;
use futures_util::StreamExt as _;
use tokio_util::task::AbortOnDropHandle;

use crate::engine::Engine;

/// How long after a box has ended one waits for the engine to say how.
const VERDICT: Duration = Duration::from_millis(500);

/// How a container ends, in words.
pub(super) fn verdict(engine: &Engine, container: &str) -> AbortOnDropHandle<String> {
    let options = WaitContainerOptionsBuilder::new().condition("next-exit").build();
    let client = engine.client().clone();
    let container = container.to_owned();
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut answers = Box::pin(client.wait_container(&container, Some(options)));
        match answers.next().await {
            Some(Ok(answer)) => status(answer.status_code),
            // The client makes an error of every code but zero.
            Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => status(code),
            // The engine is gone, or was asked too late. The attached stream tells the one, and events the other.
            Some(Err(_)) | None => std::future::pending().await,
        }
    }))
}

/// Waits until a container has ended, by what the engine says or by the end of its output.
pub(super) async fn how_it_ended(
    verdict: &mut AbortOnDropHandle<String>,
    line_ended: impl Future<Output = ()>,
) -> String {
    tokio::select! {
        status = &mut *verdict => status.unwrap_or_default(),
        () = line_ended => match tokio::time::timeout(VERDICT, verdict).await {
            Ok(Ok(status)) => status,
            _ => "the engine let go of it".to_owned(),
        },
    }
}

/// How the words for an end begin that somebody, or the kernel, forced.
pub(super) const KILLED: &str = "exit code 137";

fn status(code: i64) -> String {
    match code {
        137 => format!("{KILLED}: killed"),
        code => format!("exit code {code}"),
    }
}
