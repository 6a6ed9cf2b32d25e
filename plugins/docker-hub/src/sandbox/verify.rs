//! Whether the engine made what it was asked to: engines leave out silently what they do not know or cannot do.

use bollard::models::{ContainerCreateBody, ContainerInspectResponse, HostConfig};
use serde_json::{Value, json};

/// What differs from what was asked for, the first of it; `None` where the container is as strong as it should be.
pub(crate) fn difference(wanted: &ContainerCreateBody, found: &ContainerInspectResponse) -> Option<String> {
    let (Some(host), Some(found_host)) = (&wanted.host_config, &found.host_config) else {
        return Some("it does not say what it made".to_owned());
    };
    limits(host, found_host)
        .or_else(|| openings(found_host))
        .or_else(|| process(wanted, found))
        .or_else(|| mounts(host, found))
}

/// Everything that was asked for is there.
fn limits(wanted: &HostConfig, found: &HostConfig) -> Option<String> {
    let (wanted, found) = (json!(wanted), json!(found));
    let fields = wanted.as_object()?;
    fields.iter().find_map(|(field, wanted)| {
        let found = found.get(field).unwrap_or(&Value::Null);
        let (wanted, found) = (plain(field, wanted), plain(field, found));
        (wanted != found).then(|| format!("{field} is {}, not {}", short(&found), short(&wanted)))
    })
}

/// A value as it can be compared: engines sort, rename and fill in.
fn plain(field: &str, value: &Value) -> Value {
    match (field, value) {
        (_, Value::Array(items)) if items.is_empty() => Value::Null,
        (_, Value::Object(fields)) if fields.is_empty() => Value::Null,
        ("CapAdd" | "CapDrop", Value::Array(items)) => {
            let names = items.iter().filter_map(Value::as_str);
            sorted(names.map(|name| name.trim_start_matches("CAP_").into()).collect())
        }
        ("SecurityOpt", Value::Array(items)) => {
            let options = items.iter().filter_map(Value::as_str);
            sorted(
                options
                    .map(|option| {
                        option
                            .replacen("no-new-privileges:true", "no-new-privileges", 1)
                            .into()
                    })
                    .collect(),
            )
        }
        ("Ulimits", Value::Array(items)) => sorted(items.clone()),
        ("Tmpfs", Value::Object(places)) => {
            let split = |options: &Value| {
                let options = options.as_str().unwrap_or_default().split(',');
                sorted(options.map(Value::from).collect())
            };
            places
                .iter()
                .map(|(place, options)| (place.clone(), split(options)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        ("Mounts", Value::Array(items)) => {
            let of = |mount: &Value| {
                json!([
                    mount["Type"],
                    mount["Source"],
                    mount["Target"],
                    mount["ReadOnly"] == true,
                    mount["BindOptions"]["NonRecursive"] == true
                ])
            };
            sorted(items.iter().map(of).collect())
        }
        ("LogConfig", log) => log["Type"].clone(),
        ("DeviceRequests", Value::Array(items)) => {
            let of = |request: &Value| {
                let ids = plain("", &request["DeviceIDs"]);
                json!([request["Count"], ids, request["Capabilities"]])
            };
            items.iter().map(of).collect()
        }
        (_, value) => value.clone(),
    }
}

fn sorted(mut items: Vec<Value>) -> Value {
    items.sort_by_cached_key(Value::to_string);
    items.into()
}

/// Nothing is open that was not asked for.
fn openings(found: &HostConfig) -> Option<String> {
    let is = |field: &Option<String>, value: &str| field.as_deref() == Some(value);
    let some = |field: &Option<Vec<String>>| field.as_ref().is_some_and(|items| !items.is_empty());
    let options = found.security_opt.iter().flatten();
    let open = [
        (found.privileged != Some(false), "it is privileged"),
        (is(&found.pid_mode, "host"), "it sees the machine's processes"),
        (is(&found.uts_mode, "host"), "it shares the machine's name"),
        (is(&found.userns_mode, "host"), "it shares the machine's users"),
        (is(&found.ipc_mode, "host"), "it shares the machine's memory"),
        (is(&found.network_mode, "host"), "it shares the machine's network"),
        (
            found.oom_kill_disable == Some(true),
            "it is not ended when memory runs out",
        ),
        (
            found.devices.as_ref().is_some_and(|devices| !devices.is_empty()),
            "it has devices",
        ),
        (some(&found.device_cgroup_rules), "it has rules for devices"),
        (
            some(&found.binds),
            "it has directories bound that nobody asked for",
        ),
        (some(&found.volumes_from), "it has volumes of others"),
        (some(&found.group_add), "it is in further groups"),
        (
            found.masked_paths.as_ref().is_some_and(Vec::is_empty),
            "nothing of /proc is hidden",
        ),
        (
            found.readonly_paths.as_ref().is_some_and(Vec::is_empty),
            "all of /proc is writable",
        ),
        (
            options.clone().any(|option| option.contains("unconfined")),
            "it is not confined",
        ),
    ];
    open.iter()
        .find(|(is_open, _)| *is_open)
        .map(|(_, what)| (*what).to_owned())
}

/// The process is the one that was asked for, as the user that was asked for.
fn process(wanted: &ContainerCreateBody, found: &ContainerInspectResponse) -> Option<String> {
    let config = found.config.as_ref();
    let (wanted, found) = (json!(wanted), json!(config));
    const SAME: [&str; 9] = [
        "User",
        "Tty",
        "OpenStdin",
        "StdinOnce",
        "Entrypoint",
        "Cmd",
        "WorkingDir",
        "Image",
        "Healthcheck",
    ];
    for field in SAME {
        let (wanted, found) = (plain(field, &wanted[field]), plain(field, &found[field]));
        if wanted != found {
            return Some(format!("{field} is {}, not {}", short(&found), short(&wanted)));
        }
    }
    let variables = |value: &Value| -> Vec<String> {
        let items = value["Env"].as_array().into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let asked = variables(&wanted);
    let unasked = variables(&found).into_iter().find(|variable| {
        !asked.contains(variable) && !variable.starts_with("PATH=") && variable.contains('=')
    });
    unasked.map(|variable| {
        let name = variable.split('=').next().unwrap_or_default();
        format!("it has the variable {name}, which nobody asked for")
    })
}

/// What is mounted was asked for; an image's own volumes are on the engine's disk.
fn mounts(wanted: &HostConfig, found: &ContainerInspectResponse) -> Option<String> {
    let binds = wanted
        .mounts
        .iter()
        .flatten()
        .filter_map(|mount| mount.target.as_deref());
    let scratch = wanted.tmpfs.iter().flatten().map(|(path, _)| path.as_str());
    let asked: Vec<&str> = binds.chain(scratch).collect();
    let mut places = found
        .mounts
        .iter()
        .flatten()
        .filter_map(|mount| mount.destination.as_deref());
    places
        .find(|place| !asked.contains(place))
        .map(|place| format!("something is mounted at {place} that nobody asked for"))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
