//! Making a box of a workload, step by step, so that whatever happens in between nothing is left.
//!
//! The steps run in a task of their own. Dropping the caller's future only tells it so: a request to create a container
//! that was sent cannot be taken back, so the task waits for the answer and removes what it says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptionsBuilder, InspectContainerOptions};
use plugin_api::contract::workload::Workload;
use plugin_api::owner::Owner;
use plugin_api::{Host, ResourceInstance};
use tokio_util::sync::CancellationToken;

use super::admit;
use super::directory::{Directories, Directory};
use super::finish::Place;
use super::label;
use super::plan::{self, Channel, Circumstances};
use super::unfinished::{Unfinished, random_name};
use super::{Sandboxes, verify};
use crate::config::{Config, Transport};
use crate::engine::{Engine, Report};
use crate::error::DockerError;
use crate::image::{self, Image};

/// How many names are tried, where those before are taken.
const NAMES: usize = 3;

/// Makes boxes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Starter {
    pub(crate) config: Arc<Config>,
    pub(crate) host: Host,
    pub(crate) owner: Arc<Owner>,
    pub(crate) directories: Arc<Directories>,
    pub(crate) sandboxes: Arc<Sandboxes>,
}

impl Starter {
    /// Starts a workload on an engine, and returns when it is ready. Dropping the future leaves nothing.
    pub(crate) async fn start(
        &self,
        engine: Arc<Engine>,
        workload: Arc<Workload>,
    ) -> Result<ResourceInstance, DockerError> {
        let unwanted = CancellationToken::new();
        let _dropped = unwanted.clone().drop_guard();
        let starter = self.clone();
        let work = tokio::spawn(async move { starter.run(engine, &workload, &unwanted).await });
        match work.await {
            Ok(started) => started,
            Err(error) => {
                Err(plugin_api::Error::plugin(format!("starting a box came to nothing: {error}")).into())
            }
        }
    }

    async fn run(
        self,
        engine: Arc<Engine>,
        workload: &Workload,
        unwanted: &CancellationToken,
    ) -> Result<ResourceInstance, DockerError> {
        let before = async {
            let report = engine.report().await?;
            let name = workload.image.as_ref().or(self.config.image.as_ref());
            let name = name.ok_or_else(|| {
                DockerError::Refused("it names no image, and the hub has no default".to_owned())
            })?;
            let image = image::ensure(&engine, &self.host, &self.config, name).await?;
            Ok((report, name.clone(), image))
        };
        let (report, image_name, image) = or_dropped(unwanted, before).await?;
        let directory = self.directories.new_directory(&random_name())?;
        let shared = self.shares(&engine, &report, workload);
        if shared {
            match self
                .create(&engine, &report, workload, &image, Some(&directory))
                .await
            {
                Err(DockerError::Answer { status, message, .. })
                    if status < 500
                        && is_about_a_directory(&message)
                        && self.config.transport == Transport::Auto =>
                {
                    tracing::info!(
                        engine = engine.instance(),
                        message,
                        "directories of this machine are not the engine's: boxes are spoken to over standard input and output"
                    );
                    engine.does_not_share_directories();
                }
                created => {
                    return self
                        .finish(
                            engine,
                            workload,
                            created?,
                            Place::Shared(directory),
                            &image_name,
                            unwanted,
                        )
                        .await;
                }
            }
        }
        let created = self.create(&engine, &report, workload, &image, None).await?;
        self.finish(
            engine,
            workload,
            created,
            Place::Own(directory),
            &image_name,
            unwanted,
        )
        .await
    }

    /// Whether the box is spoken to over a socket in a shared directory.
    ///
    /// For that process 1 must be a user that may write to a directory which nobody else may, and that is the host's
    /// own user or root. SELinux would want the directory relabelled.
    fn shares(&self, engine: &Engine, report: &Report, workload: &Workload) -> bool {
        let is_root = workload
            .user
            .as_deref()
            .and_then(admit::ids)
            .is_some_and(|(user, _)| user == 0);
        let same_user = report.rootless || rustix::process::geteuid().is_root();
        match self.config.transport {
            Transport::Socket => true,
            Transport::Stdio => false,
            Transport::Auto => {
                engine.shares_directories()
                    && is_root
                    && same_user
                    && !report.user_namespaces
                    && !report.selinux
            }
        }
    }

    /// Creates the container, and holds what was made against what was asked for.
    async fn create(
        &self,
        engine: &Arc<Engine>,
        report: &Report,
        workload: &Workload,
        image: &Image,
        directory: Option<&Directory>,
    ) -> Result<Unfinished, DockerError> {
        if let Some(directory) = directory
            && rustix::process::geteuid().is_root()
            && let Some((user, group)) = workload.user.as_deref().and_then(admit::ids)
        {
            directory.give_to(user, group)?;
        }
        let circumstances = Circumstances {
            report,
            on_this_machine: engine.is_on_this_machine(),
            swapless: engine.is_on_this_machine() && is_swapless(),
            limits: &self.config.limits,
            image_id: &image.id,
            image: &image.config,
            channel: directory.map_or(Channel::Stdio, |directory| Channel::Directory(directory.path())),
            labels: self.labels(workload),
        };
        let body = plan::body(workload, circumstances)?;
        let mut attempts = 1;
        loop {
            let name = format!("gleitzeit-{}", random_name());
            let mut body = body.clone();
            let unfinished = Unfinished::new(engine, &name, &self.owner, &mut body);
            match self.ask(unfinished, name, body).await {
                // Somebody else's has the name.
                Err(DockerError::Answer { status: 409, .. }) if attempts < NAMES => attempts += 1,
                asked => return asked,
            }
        }
    }

    async fn ask(
        &self,
        mut unfinished: Unfinished,
        name: String,
        body: ContainerCreateBody,
    ) -> Result<Unfinished, DockerError> {
        let engine = unfinished.engine.clone();
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let asked = engine.client().create_container(Some(options), body.clone());
        match engine
            .call_within("create a container", self.config.create_timeout.0, asked)
            .await
        {
            Ok(created) => unfinished.container = created.id,
            // It said no, so there is nothing to remove.
            Err(error @ DockerError::Answer { .. }) => {
                unfinished.is_over = true;
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        let look = engine
            .client()
            .inspect_container(&unfinished.container, None::<InspectContainerOptions>);
        let made = engine.call("look at a container", look).await?;
        if let Some(difference) = verify::difference(&body, &made) {
            return Err(DockerError::Different {
                engine: engine.url().to_owned(),
                difference,
            });
        }
        Ok(unfinished)
    }

    fn labels(&self, workload: &Workload) -> HashMap<String, String> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let mut labels = label::of(&self.owner);
        labels.insert(label::KIND.to_owned(), label::SANDBOX.to_owned());
        labels.insert(label::CREATED.to_owned(), now.to_string());
        labels.insert(
            label::DEADLINE.to_owned(),
            (now + self.lifetime(workload).as_secs()).to_string(),
        );
        labels
    }

    pub(super) fn lifetime(&self, workload: &Workload) -> Duration {
        let wanted = workload.lifetime_seconds.map(Duration::from_secs);
        wanted.map_or(self.config.max_lifetime.0, |wanted| {
            wanted.min(self.config.max_lifetime.0)
        })
    }
}

/// Waits for a step, unless the whole is not wanted any more.
pub(super) async fn or_dropped<T>(
    unwanted: &CancellationToken,
    step: impl Future<Output = Result<T, DockerError>>,
) -> Result<T, DockerError> {
    tokio::select! {
        biased;
        () = unwanted.cancelled() => Err(DockerError::Refused("nobody waits for it any more".to_owned())),
        done = step => done,
    }
}

/// Engines that are somewhere else say so in these words.
fn is_about_a_directory(message: &str) -> bool {
    [
        "bind source path does not exist",
        "mounts denied",
        "not shared",
        "statfs",
    ]
    .iter()
    .any(|text| message.contains(text))
}

/// Whether this machine has no swap.
fn is_swapless() -> bool {
    std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() <= 1)
}
