//! The provider: what it knows, and which request means what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plugin_api::contract::requirement::Requirement;
use plugin_api::provider::{OwnedEntry, OwnedRequest, Reply};
use plugin_api::{Context, Error, ErrorCode, Fault, Host, Provider};

use crate::config::Config;
use crate::connections::Connections;
use crate::level::Level;
use crate::methods;
use crate::profile::Profiles;
use crate::runner::Hello;
use crate::sessions::Sessions;

/// Speaks to users about Python.
#[derive(Debug)]
pub struct PythonProvider {
    pub(crate) shared: Arc<Shared>,
}

/// What runs need, also those that go on when their request has ended.
#[derive(Debug)]
pub(crate) struct Shared {
    pub host: Host,
    pub profiles: Profiles,
    pub connections: Connections,
    pub sessions: Arc<Sessions>,
    /// The roles that hubs have for us, once they are known.
    roles: Mutex<BTreeSet<String>>,
    /// What runners have said of themselves, by profile.
    seen: Mutex<BTreeMap<String, Hello>>,
}

impl Provider for PythonProvider {
    type Config = Config;
    type Error = Error;

    fn new(config: Config, host: Host) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            host,
            profiles: Profiles::new(&config)?,
            connections: Connections::default(),
            sessions: Arc::new(Sessions::new(config.sessions)),
            roles: Mutex::default(),
            seen: Mutex::default(),
        });
        tokio::spawn(warm_up(shared.clone()));
        Ok(Self { shared })
    }

    async fn work(self: Arc<Self>, context: Context, request: OwnedRequest) -> Result<Reply, Error> {
        match &request.entry {
            OwnedEntry::Method { name, stream } => {
                methods::work(&self.shared, &context, name, *stream, &request.body).await
            }
            OwnedEntry::Route { path, .. } => Err(Error::unsupported(format!("`{path}`"))),
        }
    }
}

impl Shared {
    /// The roles that hubs have for us, asked of the host.
    pub(crate) async fn roles(&self, context: &Context) -> Result<BTreeSet<String>, Error> {
        let bindings = self.host.bindings(context).await?;
        let roles: BTreeSet<String> = bindings.into_iter().flat_map(|binding| binding.roles).collect();
        *self.known_roles() = roles.clone();
        Ok(roles)
    }

    fn known_roles(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a level can be had at all. There is no other level in its place. What is missing is asked for again: a
    /// hub may come later.
    ///
    /// # Errors
    /// No hub has its role.
    pub(crate) async fn require(&self, context: &Context, level: Level) -> Result<(), Error> {
        if self.known_roles().contains(level.name()) || self.roles(context).await?.contains(level.name()) {
            return Ok(());
        }
        let message = format!("no hub runs code of the level `{level}`");
        let hint = format!(
            "configure a hub that provides `{}`, and bind it: hubs = {{ {level} = \"its name\" }}",
            level.resource()
        );
        Err(Error::new(ErrorCode::NOT_AVAILABLE, Fault::Host, message).hint(hint))
    }

    /// Remembers what a runner has said of itself.
    pub(crate) fn seen(&self, profile: &str, hello: &Hello) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.get(profile) != Some(hello) {
            seen.insert(profile.to_owned(), hello.clone());
        }
    }

    /// What the runners of a profile have said of themselves.
    pub(crate) fn hello(&self, profile: &str) -> Option<Hello> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(profile).cloned()
    }
}

/// Has boxes started ahead for the profile that requests mean which name none, and for every level that has one.
async fn warm_up(shared: Arc<Shared>) {
    let context = Context::background("python-warm-up");
    let Ok(roles) = shared.roles(&context).await else {
        return; // retired before it was in service
    };
    let levels = Level::ALL.map(|(_, name)| shared.profiles.find(Some(name), None));
    for profile in levels.into_iter().filter_map(Result::ok) {
        if roles.contains(profile.level.name()) {
            shared.host.warm(&Requirement {
                role: Some(profile.level.name().to_owned()),
                specification: Some(profile.specification.clone()),
                max_uses: Some(profile.table.uses),
                ..Requirement::default()
            });
        }
    }
}
