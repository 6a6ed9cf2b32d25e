//! The table of methods and routes: who answers what.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use jsonschema::Validator;
use plugin_api::manifest;
use plugin_api::{Error, ErrorCode, Fault};

use crate::manager::ProviderEntry;
use crate::misfit::misfits;

/// The longest name that could be a mistyped method.
const LONGEST_NAME: usize = 128;

/// One route of a provider.
pub struct RouteEntry {
    /// Whose it is.
    pub provider: Arc<ProviderEntry>,
    /// Its id in the manifest.
    pub id: String,
    /// What the manifest says of it.
    pub route: manifest::Route,
    methods: Vec<Method>,
}

/// One method of a provider.
pub struct MethodEntry {
    /// Whose it is.
    pub provider: Arc<ProviderEntry>,
    /// Its name in the manifest.
    pub name: String,
    /// What the manifest says of it.
    pub method: manifest::Method,
    /// Its parameters' schema, ready to check them. `None` where it has none.
    validator: Option<Validator>,
}

/// What a path leads to.
pub enum Found {
    /// A route that takes the method.
    Route(Arc<RouteEntry>),
    /// Routes, but none that takes the method.
    WrongMethod(Arc<RouteEntry>),
    /// Nothing.
    Nothing,
}

/// The table of methods and routes. Immutable; a change makes a new one.
#[derive(Default, Clone)]
pub struct Table {
    routes: matchit::Router<Vec<Arc<RouteEntry>>>,
    /// The same one after the other, which the router cannot tell.
    listed: Vec<Arc<RouteEntry>>,
    /// By name and by alias.
    methods: HashMap<String, Arc<MethodEntry>>,
}

impl Table {
    /// Adds everything a provider offers, or nothing.
    ///
    /// # Errors
    /// A path or a name is taken, or the manifest is wrong; the message names both sides.
    pub fn add(&self, provider: &Arc<ProviderEntry>) -> Result<Self, Error> {
        let mut table = self.clone();
        let said = provider.driver.manifest();
        let mut by_path: HashMap<&str, Vec<Arc<RouteEntry>>> = HashMap::new();
        for (id, route) in &said.routes {
            by_path
                .entry(&route.path)
                .or_default()
                .push(Arc::new(RouteEntry::new(provider, id, route)?));
        }
        for (path, entries) in by_path {
            if let Ok(taken) = table.routes.at(path)
                && taken.params.is_empty()
            {
                let owner = taken
                    .value
                    .first()
                    .map_or("", |entry| entry.provider.name.as_str());
                return Err(conflict(format!(
                    "the path {path} is served by the provider `{owner}` already"
                )));
            }
            table.listed.extend(entries.iter().cloned());
            table
                .routes
                .insert(path, entries)
                .map_err(|error| conflict(format!("the path {path}: {error}")))?;
        }
        for (name, method) in &said.methods {
            let entry = Arc::new(MethodEntry::new(provider, name, method)?);
            for name in std::iter::once(name).chain(&method.aliases) {
                if let Some(taken) = table.methods.insert(name.clone(), entry.clone()) {
                    let owner = &taken.provider.name;
                    return Err(conflict(format!(
                        "the method {name} is served by the provider `{owner}` already"
                    )));
                }
            }
        }
        Ok(table)
    }

    /// Who answers at a path.
    pub fn find(&self, method: &Method, path: &str) -> Found {
        let Ok(matched) = self.routes.at(path) else {
            return Found::Nothing;
        };
        match matched.value.iter().find(|entry| entry.methods.contains(method)) {
            Some(entry) => Found::Route(entry.clone()),
            None => matched
                .value
                .first()
                .map_or(Found::Nothing, |entry| Found::WrongMethod(entry.clone())),
        }
    }

    /// Who answers a method.
    ///
    /// # Errors
    /// Nobody does; the message offers the nearest names.
    pub fn method(&self, name: &str) -> Result<&Arc<MethodEntry>, Error> {
        self.methods.get(name).ok_or_else(|| {
            let shown: String = name.chars().take(LONGEST_NAME).collect();
            let message = format!("there is no method `{shown}`");
            let error = Error::new(ErrorCode::METHOD_NOT_FOUND, Fault::Client, message);
            // Nobody mistypes at such length, and comparing costs time on a thread that carries bytes.
            if name.len() > LONGEST_NAME {
                return error.hint("`gleitzeit methods` lists them all");
            }
            let nearest = self
                .methods
                .keys()
                .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
            match nearest {
                Some(nearest) => error.hint(format!(
                    "did you mean `{nearest}`? `gleitzeit methods` lists them all"
                )),
                None => error.hint("no provider is serving; see `gleitzeit plugin list`"),
            }
        })
    }

    /// Every route, for lists.
    pub fn routes(&self) -> serde_json::Value {
        let entry = |entry: &Arc<RouteEntry>| {
            serde_json::json!({
                "provider": entry.provider.name,
                "methods": entry.route.methods,
                "path": entry.route.path,
                "admin": entry.route.admin,
            })
        };
        self.listed.iter().map(entry).collect()
    }

    /// Every method once, in order of name.
    pub fn methods(&self) -> Vec<&Arc<MethodEntry>> {
        let mut methods: Vec<_> = self
            .methods
            .iter()
            .filter(|(name, entry)| **name == entry.name)
            .map(|(_, entry)| entry)
            .collect();
        methods.sort_by(|a, b| a.name.cmp(&b.name));
        methods
    }
}

impl RouteEntry {
    fn new(provider: &Arc<ProviderEntry>, id: &str, route: &manifest::Route) -> Result<Self, Error> {
        let methods = route
            .methods
            .iter()
            .map(|name| Method::from_bytes(name.as_bytes()))
            .collect::<Result<_, _>>();
        Ok(Self {
            provider: provider.clone(),
            id: id.to_owned(),
            route: route.clone(),
            methods: methods
                .map_err(|_| conflict(format!("the route `{id}` names an impossible HTTP method")))?,
        })
    }

    /// The methods it takes, as `Allow` lists them.
    pub fn allow(&self) -> String {
        self.route.methods.join(", ")
    }
}

impl MethodEntry {
    fn new(provider: &Arc<ProviderEntry>, name: &str, method: &manifest::Method) -> Result<Self, Error> {
        let validator = (!method.params.is_null())
            .then(|| jsonschema::validator_for(&method.params))
            .transpose()
            .map_err(|error| conflict(format!("the schema of {name} is broken: {error}")))?;
        Ok(Self {
            provider: provider.clone(),
            name: name.to_owned(),
            method: method.clone(),
            validator,
        })
    }

    /// Checks parameters against the schema.
    ///
    /// # Errors
    /// `INVALID_PARAMS` with every mistake at once, each with its place.
    pub fn check(&self, params: &serde_json::Value) -> Result<(), Error> {
        let Some(validator) = &self.validator else {
            return Ok(());
        };
        let mistakes = misfits(validator, params);
        if mistakes.is_empty() {
            return Ok(());
        }
        Err(Error::invalid(format!("{}: {}", self.name, mistakes.join("; ")))
            .detail("mistakes", mistakes)
            .hint(format!("`gleitzeit methods {}` shows its parameters", self.name)))
    }
}

fn conflict(message: String) -> Error {
    Error::new(ErrorCode::CONFIGURATION, Fault::Plugin, message)
}
