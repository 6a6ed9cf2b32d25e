//! Verbs that make containers: `create` for the operator to keep, `run` for one command.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountBindOptions, MountType, PortBinding,
    RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, StartContainerOptions,
};
use futures_util::StreamExt as _;
use plugin_api::Error;
use serde_json::{Value, json};

use super::Call;
use super::arguments::{Create, Run};
use super::inside::Output;
use super::lifecycle::exit_code;
use crate::config::Config;
use crate::error::DockerError;
use crate::image;
use crate::sandbox::admit::{host_path, is_name, is_plain};
use crate::sandbox::label::{self, CREATED, DEADLINE, KIND};
use crate::sandbox::unfinished::Unfinished;
use crate::sandbox::unfinished::random_name;
use crate::sandbox::{remove, seccomp};

pub(super) async fn create(mut call: Call<'_>) -> Result<Value, Error> {
    let create: Create = call.read()?;
    let (mut container, name) = make(&call, &create, label::OPERATOR, None).await?;
    container.is_over = true;
    Ok(json!({ "container": container.container, "name": name, "status": "created" }))
}

pub(super) async fn run(mut call: Call<'_>) -> Result<Value, Error> {
    let Run {
        create,
        detach,
        timeout,
        output_bytes,
    } = call.read()?;
    let engine = call.engine.clone();
    let start_limit = call.hub.config().create_timeout.0;
    if detach {
        let (mut container, name) = make(&call, &create, label::OPERATOR, None).await?;
        let start = engine
            .client()
            .start_container(&container.container, None::<StartContainerOptions>);
        engine
            .call_within("start a container", start_limit, start)
            .await?;
        container.is_over = true;
        return Ok(json!({ "container": container.container, "name": name, "status": "started" }));
    }
    // Removed when this ends, however that comes about: the container is dropped.
    let (mut container, _) = make(&call, &create, label::RUN, Some(timeout)).await?;
    let id = container.container.clone();
    let options = AttachContainerOptionsBuilder::new()
        .stream(true)
        .stdout(true)
        .stderr(true)
        .build();
    let attached = engine
        .call(
            "attach to a container",
            engine.client().attach_container(&id, Some(options)),
        )
        .await?;
    let mut pieces = attached.output;
    let mut output = Output::new(Some(call.progress), output_bytes);
    let start = engine
        .client()
        .start_container(&id, None::<StartContainerOptions>);
    engine
        .call_within("start a container", start_limit, start)
        .await?;
    let work = async {
        while let Some(Ok(piece)) = pieces.next().await {
            output.take(piece);
        }
        exit_code(&engine, &id, "not-running").await
    };
    let ended = tokio::time::timeout(Duration::from_secs(u64::from(timeout)), work).await;
    if remove(&engine, &id).await.is_ok() {
        container.is_over = true;
    }
    let mut result = output.into_object();
    match ended {
        Ok(code) => result["exit_code"] = json!(code?),
        Err(_) => result["timed_out"] = json!(true),
    }
    Ok(result)
}

async fn make(
    call: &Call<'_>,
    create: &Create,
    kind: &str,
    lifetime: Option<u32>,
) -> Result<(Unfinished, String), Error> {
    let name = create
        .name
        .clone()
        .unwrap_or_else(|| format!("gleitzeit-{}", random_name()));
    let image = image::ensure(&call.engine, call.hub.host(), call.hub.config(), &create.image).await?;
    let is_podman = call.engine.report().await?.is_podman();
    let mut body = body(call, create, &image.id, kind, &name, lifetime, is_podman)?;
    let mut container = Unfinished::new(&call.engine, &name, call.hub.owner(), &mut body);
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let limit = call.hub.config().create_timeout.0;
    let asked = call.engine.client().create_container(Some(options), body);
    match call.engine.call_within("create a container", limit, asked).await {
        Ok(created) => container.container = created.id,
        Err(error) => {
            // It said no: then one of this name is another's.
            container.is_over = matches!(error, DockerError::Answer { .. });
            return Err(error.into());
        }
    }
    Ok((container, name))
}

fn refused(what: &str) -> Error {
    DockerError::Refused(what.to_owned()).into()
}

fn body(
    call: &Call<'_>,
    create: &Create,
    image: &str,
    kind: &str,
    name: &str,
    lifetime: Option<u32>,
    is_podman: bool,
) -> Result<ContainerCreateBody, Error> {
    if !is_name(name) || !is_name(&create.network) || create.network == "host" {
        return Err(refused(
            "the name of the container or of its network is none, or is the machine's own network",
        ));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let mut labels: HashMap<String, String> = create.labels.clone().into_iter().collect();
    labels.extend(label::of(call.hub.owner()));
    labels.insert(KIND.to_owned(), kind.to_owned());
    labels.insert(CREATED.to_owned(), now.to_string());
    let lifetime = lifetime.map(u64::from).or(create.lifetime_seconds);
    if let Some(lifetime) = lifetime {
        labels.insert(DEADLINE.to_owned(), now.saturating_add(lifetime).to_string());
    }
    let environment = create
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    Ok(ContainerCreateBody {
        image: Some(image.to_owned()),
        cmd: (!create.command.is_empty()).then(|| create.command.clone()),
        env: Some(environment.collect()),
        user: create.user.clone(),
        working_dir: create.working_directory.clone(),
        tty: Some(false),
        labels: Some(labels),
        exposed_ports: Some(create.ports.values().map(|port| with_protocol(port)).collect()),
        host_config: Some(host(create, call.hub.config(), is_podman)?),
        ..ContainerCreateBody::default()
    })
}

/// Never privileged, never the machine's own namespaces or devices, never its root file system: with these one owns the
/// machine, whoever one is.
fn host(create: &Create, config: &Config, is_podman: bool) -> Result<HostConfig, Error> {
    let memory = i64::try_from(create.memory_bytes).unwrap_or(i64::MAX);
    // Podman takes filters by the names of files on its own machine only, and has one of its own.
    let filter = (!is_podman).then(|| format!("seccomp={}", seccomp::of_no_box()));
    let restart = match create.restart.as_str() {
        "always" => RestartPolicyNameEnum::ALWAYS,
        "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
        "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
        _ => RestartPolicyNameEnum::NO,
    };
    let logs =
        [("max-size", "10m"), ("max-file", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(HostConfig {
        memory: Some(memory),
        memory_swap: Some(memory),
        nano_cpus: Some((create.cpus * 1e9).round() as i64),
        pids_limit: Some(i64::from(create.processes)),
        network_mode: Some(create.network.clone()),
        port_bindings: Some(ports(create)?),
        mounts: Some(mounts(create, config)?),
        readonly_rootfs: Some(create.read_only),
        runtime: create.runtime.clone(),
        init: Some(true),
        auto_remove: Some(create.auto_remove),
        restart_policy: Some(RestartPolicy {
            name: Some(restart),
            maximum_retry_count: None,
        }),
        security_opt: Some(
            [Some("no-new-privileges:true".to_owned()), filter]
                .into_iter()
                .flatten()
                .collect(),
        ),
        // Engines keep all there is unless told otherwise.
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(logs.into()),
        }),
        ..HostConfig::default()
    })
}

fn with_protocol(port: &str) -> String {
    if port.contains('/') {
        port.to_owned()
    } else {
        format!("{port}/tcp")
    }
}

/// On loopback, unless an address is said.
fn ports(create: &Create) -> Result<HashMap<String, Option<Vec<PortBinding>>>, Error> {
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for (outside, inside) in &create.ports {
        let (address, port) = outside.rsplit_once(':').unwrap_or(("127.0.0.1", outside));
        if port.parse::<u16>().is_err() {
            return Err(refused(&format!("`{outside}` is no port")));
        }
        let binding = PortBinding {
            host_ip: Some(address.trim_start_matches('[').trim_end_matches(']').to_owned()),
            host_port: Some(port.to_owned()),
        };
        bindings
            .entry(with_protocol(inside))
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    Ok(bindings)
}

fn mounts(create: &Create, config: &Config) -> Result<Vec<Mount>, Error> {
    let mount = |typ, source: &str, target: &str, read_only| Mount {
        typ: Some(typ),
        source: Some(source.to_owned()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        // What is mounted below it would stay writable on engines before 25.0.
        bind_options: (typ == MountType::BIND).then(|| MountBindOptions {
            non_recursive: Some(true),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    };
    let mut mounts = Vec::new();
    for (volume, target) in &create.volumes {
        if !is_name(volume) || !is_plain(target) {
            return Err(refused(&format!(
                "`{volume}` at `{target}` is no volume with a name; directories of the machine are `readable` only"
            )));
        }
        mounts.push(mount(MountType::VOLUME, volume, target, false));
    }
    for (source, target) in &create.readable {
        let source = host_path(config, source)?.display().to_string();
        if !is_plain(target) {
            return Err(refused(&format!("`{target}` is no absolute path")));
        }
        mounts.push(mount(MountType::BIND, &source, target, true));
    }
    Ok(mounts)
}
