//! The manifest: it can be read, and what it says makes sense.

use std::collections::BTreeMap;

use serde_json::Value;

use super::report::Report;
use crate::manifest::{DefaultSelection, HubManifest, Manifest, ProviderManifest};

/// Checks the text and gives back what it says, if it can be read.
pub(super) fn check(text: &str, report: &mut Report) -> Option<Manifest> {
    const READ: &str = "the manifest can be read";
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            report.failed(READ, error);
            return None;
        }
    };
    let manifest: Manifest = match table.clone().try_into() {
        Ok(manifest) => manifest,
        Err(error) => {
            report.failed(READ, error);
            return None;
        }
    };
    report.check(READ, []);
    report.check(
        "the manifest has no key that nobody knows",
        unknown_keys(&table, &manifest),
    );
    report.check("the id is lower case, digits and dashes", bad_id(&manifest.id));
    report.check(
        "the version is a semantic version",
        semver::Version::parse(&manifest.version)
            .err()
            .map(|error| format!("{:?}: {error}", manifest.version)),
    );
    report.check(
        "the [build] table is left to `export_plugin!`",
        table.contains_key("build").then(|| "remove [build]".to_owned()),
    );
    if let Some(hub) = &manifest.hub {
        hub_makes_sense(hub, report);
    }
    if let Some(provider) = &manifest.provider {
        provider_makes_sense(provider, report);
    }
    Some(manifest)
}

/// Keys that were written and did not come back. Schemas and defaults are open, and come back whole.
fn unknown_keys(table: &toml::Table, manifest: &Manifest) -> Vec<String> {
    let mut unknown = Vec::new();
    match (serde_json::to_value(table), serde_json::to_value(manifest)) {
        (Ok(written), Ok(understood)) => missing(&written, &understood, String::new(), &mut unknown),
        (Err(error), _) | (_, Err(error)) => unknown.push(error.to_string()),
    }
    unknown
}

fn missing(written: &Value, understood: &Value, path: String, unknown: &mut Vec<String>) {
    let Value::Object(written) = written else { return };
    for (key, value) in written {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match understood.get(key) {
            Some(understood) => missing(value, understood, path, unknown),
            None => unknown.push(format!("`{path}`")),
        }
    }
}

fn bad_id(id: &str) -> Option<String> {
    let good = id.starts_with(|first: char| first.is_ascii_lowercase())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    (!good).then(|| format!("{id:?}"))
}

/// Why this is no JSON Schema; nothing, where there is none.
fn bad_schema(place: &str, schema: &Value) -> Option<String> {
    if schema.is_null() {
        return None;
    }
    let error = jsonschema::validator_for(schema).err()?;
    Some(format!("{place}: {error}"))
}

fn hub_makes_sense(hub: &HubManifest, report: &mut Report) {
    let schemas = [
        ("hub.config", &hub.config),
        ("hub.instance_config", &hub.instance_config),
    ];
    let start = hub.start.as_ref().map(|start| ("hub.start", start));
    let mut bad: Vec<_> = schemas
        .into_iter()
        .chain(start)
        .filter_map(|(place, schema)| bad_schema(place, schema))
        .collect();
    let mut verbs = Vec::new();
    for (name, verb) in &hub.verbs {
        bad.extend(bad_schema(
            &format!("hub.verbs.{name}.arguments"),
            &verb.arguments,
        ));
        if verb.description.trim().is_empty() {
            verbs.push(format!("`{name}` has no description"));
        }
        match &verb.positional {
            Some(argument) if verb.arguments["properties"].get(argument).is_none() => {
                verbs.push(format!(
                    "the positional `{argument}` of `{name}` is none of its arguments"
                ));
            }
            None if verb.default_selection == DefaultSelection::Holders => {
                verbs.push(format!(
                    "`{name}` selects holders, and has no positional that says of what"
                ));
            }
            _ => {}
        }
    }
    report.check("every schema in the manifest is a JSON Schema", bad);
    report.check("every verb makes sense", verbs);
    report.check(
        "the hub says what it provides",
        hub.provides.is_empty().then(|| "`provides` is empty".to_owned()),
    );
}

fn provider_makes_sense(provider: &ProviderManifest, report: &mut Report) {
    let mut bad: Vec<_> = bad_schema("provider.config", &provider.config)
        .into_iter()
        .collect();
    let mut methods = Vec::new();
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, method) in &provider.methods {
        bad.extend(bad_schema(
            &format!("provider.methods.{name}.params"),
            &method.params,
        ));
        bad.extend(bad_schema(
            &format!("provider.methods.{name}.result"),
            &method.result,
        ));
        if !name.contains('/') {
            methods.push(format!("`{name}` is not of the form `protocol/verb`"));
        }
        for spelling in std::iter::once(name).chain(&method.aliases) {
            if let Some(other) = names.insert(spelling, name) {
                methods.push(format!("`{spelling}` stands for both `{other}` and `{name}`"));
            }
        }
    }
    report.check("every schema in the manifest is a JSON Schema", bad);
    report.check("every method has names of its own", methods);
    report.check(
        "the provider names its protocol",
        provider
            .protocol
            .is_empty()
            .then(|| "`protocol` is empty".to_owned()),
    );
    let routes = provider.routes.iter().flat_map(|(id, route)| {
        let mut problems = Vec::new();
        if !route.path.starts_with('/') || route.path.matches('{').count() != route.path.matches('}').count()
        {
            problems.push(format!("`{id}`: the path {:?}", route.path));
        }
        if route.methods.is_empty() {
            problems.push(format!("`{id}` answers no HTTP method"));
        }
        let upper = |method: &String| method.bytes().all(|byte| byte.is_ascii_uppercase());
        problems.extend(
            route
                .methods
                .iter()
                .filter(|method| !upper(method))
                .map(|method| format!("`{id}`: the HTTP method {method:?} is not upper case")),
        );
        let lower = |header: &String| !header.bytes().any(|byte| byte.is_ascii_uppercase());
        problems.extend(
            route
                .headers
                .iter()
                .filter(|header| !lower(header))
                .map(|header| format!("`{id}`: the header {header:?} is not lower case")),
        );
        problems
    });
    report.check("every route makes sense", routes.collect::<Vec<_>>());
    let pointers = provider.relays.iter().flat_map(|(name, relay)| {
        let places = relay
            .meaningful
            .iter()
            .chain(&relay.failure)
            .chain(&relay.done)
            .chain(&relay.model);
        places
            .filter(|place| !place.starts_with('/'))
            .map(|place| format!("`{name}`: {place:?} is no JSON pointer"))
            .collect::<Vec<_>>()
    });
    report.check(
        "every relay's places are JSON pointers",
        pointers.collect::<Vec<_>>(),
    );
}
