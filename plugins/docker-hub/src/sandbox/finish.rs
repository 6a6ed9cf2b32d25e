//! From a container that was created to a box that is ready, and watched from then on.

use std::sync::Arc;
use std::time::Duration;

use bollard::container::AttachContainerResults;
use bollard::query_parameters::{AttachContainerOptionsBuilder, StartContainerOptions};
use plugin_api::ResourceInstance;
use plugin_api::contract::instance::{Endpoint, Origin};
use plugin_api::contract::workload::Workload;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::channel::{self, Line};
use super::directory::{Directory, Pinned};
use super::ending::{KILLED, how_it_ended, verdict};
use super::start::{Starter, or_dropped};
use super::unfinished::Unfinished;
use super::{Sandbox, endpoint, remove};
use crate::engine::Engine;
use crate::error::DockerError;

impl Starter {
    /// Attaches, starts, waits until it is ready, and begins to watch.
    pub(super) async fn finish(
        &self,
        engine: Arc<Engine>,
        workload: &Workload,
        mut unfinished: Unfinished,
        place: Place,
        image: &str,
        unwanted: &CancellationToken,
    ) -> Result<ResourceInstance, DockerError> {
        let began = std::time::Instant::now();
        let container = unfinished.container.clone();
        let attached = or_dropped(unwanted, attach(&engine, &container)).await?;
        let (line, own_socket) = match &place {
            Place::Shared(_) => (Line::holding(attached), None),
            Place::Own(directory) => {
                let (listener, path) = channel::listen(directory)?;
                (Line::bridging(attached, listener), Some(path))
            }
        };
        // Asked for before the start, or a box that ends at once would be waited for in vain.
        let mut verdict = verdict(&engine, &container);
        let start = engine
            .client()
            .start_container(&container, None::<StartContainerOptions>);
        let started = engine.call_within("start a container", self.config.create_timeout.0, start);
        or_dropped(unwanted, started).await?;
        let died = how_it_ended(&mut verdict, line.ended());
        let ready = async {
            match &place {
                Place::Shared(directory) => channel::await_socket(directory).await.map(Some),
                Place::Own(_) => {
                    line.spoke().await;
                    Ok(None)
                }
            }
        };
        let limit = self.config.ready_timeout.0;
        let waited = async {
            tokio::select! {
                biased;
                ready = ready => ready.map_err(|error| DockerError::StateDirectory {
                    path: container.clone(),
                    reason: error.to_string(),
                }),
                status = died => Err(DockerError::Died { status, output: line.tail().told() }),
                () = tokio::time::sleep(limit) => Err(DockerError::NotReady { limit, output: line.tail().told() }),
            }
        };
        let socket = or_dropped(unwanted, waited).await?;
        let path = socket
            .as_ref()
            .map(Pinned::path)
            .or(own_socket)
            .unwrap_or_default();
        let transport = if socket.is_some() { "socket" } else { "stdio" };
        let (Place::Shared(directory) | Place::Own(directory)) = place;
        let short: String = container.chars().take(12).collect();
        let sandbox = Arc::new(Sandbox {
            instance: short.clone(),
            container: container.clone(),
            engine: engine.clone(),
            word: Default::default(),
            account: Default::default(),
            line,
            _socket: socket,
            _directory: directory,
            watch: Default::default(),
        });
        unfinished.is_over = true;
        self.sandboxes.add(sandbox.clone());
        self.watch(&sandbox, verdict, self.lifetime(workload));

        let mut instance = ResourceInstance::new(short);
        instance.origin = Origin::Started;
        instance.endpoint = Some(Endpoint::new(endpoint(&path)));
        instance.max_concurrent = Some(1);
        instance.metadata.extend([
            ("container".to_owned(), json!(container)),
            ("engine".to_owned(), json!(engine.instance())),
            ("image".to_owned(), json!(image)),
            ("transport".to_owned(), json!(transport)),
            (
                "started_in_ms".to_owned(),
                json!(began.elapsed().as_millis() as u64),
            ),
        ]);
        Ok(instance)
    }

    /// Sees to it that the end of a box is known, and that it comes.
    fn watch(&self, sandbox: &Arc<Sandbox>, mut verdict: AbortOnDropHandle<String>, lifetime: Duration) {
        let sandboxes = self.sandboxes.clone();
        let (engine, container) = (sandbox.engine.clone(), sandbox.container.clone());
        let line_ended = sandbox.line.ended();
        let watch = tokio::spawn(async move {
            let reason = tokio::select! {
                reason = how_it_ended(&mut verdict, line_ended) => reason,
                () = tokio::time::sleep(lifetime) => {
                    format!("its lifetime of {} was over", humantime::format_duration(lifetime))
                }
            };
            // First told, so that it is this reason which is told and not that of the removal.
            if reason.starts_with(KILLED) {
                if let Some(told) = sandboxes.killed(&container, &reason) {
                    let _ = told.await;
                }
            } else {
                sandboxes.ended(&container, &reason);
            }
            // Where it lives on, because the engine let go of it, it must not.
            let _ = remove(&engine, &container).await;
        });
        *sandbox.watch.lock() = Some(AbortOnDropHandle::new(watch));
    }
}

/// Where the socket is that a provider connects to.
pub(super) enum Place {
    /// In a directory that the box shares; the box makes it.
    Shared(Directory),
    /// In one that it does not; we make it.
    Own(Directory),
}

async fn attach(engine: &Engine, container: &str) -> Result<AttachContainerResults, DockerError> {
    let options = AttachContainerOptionsBuilder::new()
        .stream(true)
        .stdin(true)
        .stdout(true)
        .stderr(true)
        .build();
    engine
        .call(
            "attach to a container",
            engine.client().attach_container(container, Some(options)),
        )
        .await
}
