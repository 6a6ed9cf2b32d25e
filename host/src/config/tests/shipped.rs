//! The `plugins.toml` that ships.

use std::path::Path;

use crate::config::{self, Sources, schema};

fn shipped() -> String {
    std::fs::read_to_string(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins.toml"))).unwrap()
}

#[test]
fn it_is_right_as_it_is() {
    let sources = Sources {
        path: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins.toml").into()),
        ..Sources::default()
    };
    if let Err(mistakes) = config::load(&sources) {
        panic!("{mistakes}");
    }
}

#[test]
fn it_explains_every_key_there_is() {
    let text = shipped();
    let schema = schema::of_file();
    let mut missing = Vec::new();
    keys(schema, &mut |key| {
        let written = |line: &str| {
            let line = line.trim_start_matches(['#', ' ']);
            line.split('=')
                .next()
                .is_some_and(|start| start.trim() == key || start.contains(key))
        };
        if !text
            .lines()
            .any(|line| written(line) || line.contains(&format!("{key} =")))
        {
            missing.push(key.to_owned());
        }
    });
    assert!(missing.is_empty(), "plugins.toml does not mention {missing:?}");
}

#[test]
fn the_defaults_it_shows_are_the_defaults() {
    // Every commented-out `key = value` of its [host] part is the default; taking the comments away changes nothing.
    let text = shipped();
    let host = text.split("\n[hubs.").next().unwrap();
    let uncommented: String = host
        .lines()
        .filter_map(|line| match line.strip_prefix("#: ") {
            Some(default) => Some(format!("{default}\n")),
            None => (!line.starts_with('#')).then(|| format!("{line}\n")),
        })
        .collect();
    let settings = super::fixture::file(uncommented).load_alone().unwrap();
    let plain = super::fixture::file("[host]").load_alone().unwrap();
    assert_eq!(settings.host.limits, plain.host.limits);
    assert_eq!(settings.host.shutdown_timeout, plain.host.shutdown_timeout);
    assert_eq!(settings.host.construct_timeout, plain.host.construct_timeout);
    assert_eq!(settings.host.plugin_threads, plain.host.plugin_threads);
    assert_eq!(settings.host.listen, plain.host.listen);
}

fn keys(schema: &serde_json::Value, see: &mut impl FnMut(&str)) {
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "host" | "hubs" | "providers" | "secrets") {
            see(key);
        }
        keys(inner, see);
        keys(&inner["additionalProperties"], see);
        keys(&inner["items"], see);
    }
}
