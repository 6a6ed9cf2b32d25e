//! Servers that nobody configured: on this machine's usual ports, and behind names that resolve to many addresses.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use plugin_api::ResourceInstance;
use plugin_api::contract::instance::{Endpoint, Origin};
use plugin_api::host::InstanceView;
use plugin_api::http::{BaseUrl, Client, HttpError};

use crate::address::DIALECTS;
use crate::api::Server;
use crate::config::Config;
use crate::error::OllamaError;

/// How long a candidate may take to answer. All are asked at once, so this is also how long a look takes at most.
const LIMIT: Duration = Duration::from_secs(2);

/// How many are asked at once.
const AT_ONCE: usize = 64;

/// Where to look.
#[derive(Debug)]
pub(crate) struct Discovery {
    /// Host and port of each place; the host as the operator wrote it.
    places: Vec<(String, u16)>,
    names: Vec<(String, u16)>,
}

/// An address that may be a server's.
#[derive(Debug)]
struct Candidate {
    authority: String,
    address: SocketAddr,
    /// The name it was resolved from.
    dns: Option<String>,
}

impl Discovery {
    pub(crate) fn new(config: &Config) -> Result<Self, OllamaError> {
        let places = config
            .hosts
            .iter()
            .flat_map(|host| config.ports.iter().map(|port| (host.clone(), *port)));
        let names = config.dns.iter().map(|name| {
            let (host, port) = name
                .rsplit_once(':')
                .ok_or_else(|| OllamaError::Dns(name.clone()))?;
            let port = port.parse().ok().filter(|port| *port != 0);
            match port.filter(|_| !host.is_empty()) {
                Some(port) => Ok((host.to_owned(), port)),
                None => Err(OllamaError::Dns(name.clone())),
            }
        });
        Ok(Self {
            places: if config.auto_discover {
                places.collect()
            } else {
                Vec::new()
            },
            names: names.collect::<Result<_, _>>()?,
        })
    }

    /// Whether there is anywhere to look.
    pub(crate) fn is_idle(&self) -> bool {
        self.places.is_empty() && self.names.is_empty()
    }

    /// The servers there are, without those that the engine has by other ways (`known`) and those of our own (`own`).
    ///
    /// One that was found before and does not answer in time is still there: whether it is well is for its probes to
    /// say. One that refuses to connect, or is something else now, is gone.
    pub(crate) async fn look(
        &self,
        client: &Client,
        known: &[InstanceView],
        own: &[SocketAddr],
    ) -> Vec<ResourceInstance> {
        let (found_before, by_other_ways): (Vec<_>, Vec<_>) = known
            .iter()
            .map(|view| &view.instance)
            .partition(|instance| instance.origin == Origin::Discovered);
        let mut taken: HashSet<SocketAddr> =
            join_all(by_other_ways.iter().map(|instance| addresses_of(instance)))
                .await
                .into_iter()
                .flatten()
                .map(one_spelling)
                .collect();
        taken.extend(own.iter().copied().map(one_spelling));

        let (candidates, kept) = self.candidates(&found_before).await;
        let mut seen = HashSet::new();
        let candidates = candidates.into_iter().filter(|candidate| {
            !taken.contains(&one_spelling(candidate.address)) && seen.insert(candidate.address)
        });
        let mut found: Vec<_> = stream::iter(candidates)
            .map(|candidate| async move {
                let instance = candidate.instance();
                is_there(client, &instance, &found_before_ids(known))
                    .await
                    .then_some(instance)
            })
            .buffered(AT_ONCE)
            .filter_map(|instance| async { instance })
            .collect()
            .await;
        found.extend(kept);
        found
    }

    /// The addresses to ask, and the instances to keep unasked because their name does not resolve at the moment.
    async fn candidates(
        &self,
        found_before: &[&ResourceInstance],
    ) -> (Vec<Candidate>, Vec<ResourceInstance>) {
        let of_places = join_all(self.places.iter().map(|(host, port)| async move {
            let address = resolve(host, *port)
                .await
                .unwrap_or_default()
                .into_iter()
                .next()?;
            let authority = if host.contains(':') && !host.starts_with('[') {
                format!("[{host}]:{port}")
            } else {
                format!("{host}:{port}")
            };
            Some(Candidate {
                authority,
                address,
                dns: None,
            })
        }))
        .await;
        let of_names = join_all(
            self.names
                .iter()
                .map(|(name, port)| async move { (name, resolve(name, *port).await) }),
        )
        .await;

        let mut candidates: Vec<_> = of_places.into_iter().flatten().collect();
        let mut kept = Vec::new();
        for (name, addresses) in of_names {
            match addresses {
                Some(addresses) => candidates.extend(addresses.into_iter().map(|address| Candidate {
                    authority: address.to_string(),
                    address,
                    dns: Some(name.clone()),
                })),
                None => {
                    tracing::warn!(name, "the name does not resolve; instances found by it are kept");
                    let by_it = |instance: &&&ResourceInstance| {
                        instance.metadata.get(DNS).and_then(|value| value.as_str()) == Some(name)
                    };
                    kept.extend(
                        found_before
                            .iter()
                            .filter(by_it)
                            .map(|instance| (*instance).clone()),
                    );
                }
            }
        }
        (candidates, kept)
    }
}

/// The metadata that says by which name an instance was found.
const DNS: &str = "dns";

impl Candidate {
    fn instance(&self) -> ResourceInstance {
        let mut instance = ResourceInstance::new(&self.authority);
        instance.endpoint = Some(Endpoint::new(format!("http://{}", self.authority)));
        instance.dialects = DIALECTS.map(str::to_owned).into();
        instance.origin = Origin::Discovered;
        instance.tags.insert("discovered".to_owned());
        if is_ours(self.address.ip()) {
            instance.tags.insert("local".to_owned());
        }
        if let Some(name) = &self.dns {
            instance.metadata.insert(DNS.to_owned(), name.clone().into());
        }
        instance
    }
}

fn found_before_ids(known: &[InstanceView]) -> HashSet<&str> {
    let found = known
        .iter()
        .filter(|view| view.instance.origin == Origin::Discovered);
    found.map(|view| view.instance.id.as_str()).collect()
}

async fn is_there(client: &Client, instance: &ResourceInstance, found_before: &HashSet<&str>) -> bool {
    let Ok(server) = Server::of(client, instance) else {
        return false;
    };
    match tokio::time::timeout(LIMIT, server.version()).await {
        Ok(Ok(_)) => true,
        Ok(Err(HttpError::TimedOut { .. } | HttpError::Broken { .. })) | Err(_) => {
            found_before.contains(instance.id.as_str())
        }
        Ok(Err(error)) => {
            tracing::trace!(instance = instance.id, %error, "no Ollama there");
            false
        }
    }
}

/// Where the instance is, as far as its name resolves now.
async fn addresses_of(instance: &ResourceInstance) -> Vec<SocketAddr> {
    let url = instance
        .endpoint
        .as_ref()
        .and_then(|endpoint| BaseUrl::parse(&endpoint.url).ok());
    match url {
        Some(url) => resolve(url.host(), url.port()).await.unwrap_or_default(),
        None => Vec::new(),
    }
}

async fn resolve(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::time::timeout(LIMIT, tokio::net::lookup_host((host, port))).await;
    found.ok()?.ok().map(Iterator::collect)
}

/// All addresses of this machine are one: a server that listens on all of them is still one server.
fn one_spelling(address: SocketAddr) -> SocketAddr {
    let ip = address.ip().to_canonical();
    SocketAddr::new(
        if is_ours(ip) {
            Ipv4Addr::LOCALHOST.into()
        } else {
            ip
        },
        address.port(),
    )
}

/// Whether the address is this machine's: only such a one can be bound to.
fn is_ours(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}
