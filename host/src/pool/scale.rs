//! Scaling: how many of a hub's `start` entries are kept started.
//!
//! Each entry is a post with a specification of its own; no two resources are ever started by the same one, so none
//! takes another's name or port. Fewer means that some posts are given up, those with the least to do first, and that
//! what stands there finishes what it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use plugin_api::{Error, ErrorCode, Fault};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Pool;
use super::core::Core;
use super::events::kind;
use super::refusal::Refusal;
use super::slot::Slot;

/// A resource that is to be kept started.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) number: usize,
    pub(super) specification: Value,
    /// Where it stands at the moment.
    slot: Mutex<Option<Arc<Slot>>>,
    given_up: CancellationToken,
    /// Nothing of it is left.
    over: AtomicBool,
}

impl Post {
    pub(super) fn stands_at(&self, slot: &Arc<Slot>) {
        *self.slot.lock() = Some(slot.clone());
    }

    /// Resolves when it is not wanted any more. Cancel safe.
    pub(super) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }

    fn in_flight(&self) -> u32 {
        let slot = self.slot.lock();
        slot.as_ref().map_or(0, |slot| slot.gate.read().in_flight)
    }
}

/// Every specification there is, and who stands where.
#[derive(Debug)]
pub(super) struct Posts {
    specifications: Vec<Value>,
    /// By number; `None` where nobody stands or nobody has.
    posts: Vec<Option<Arc<Post>>>,
}

impl Posts {
    pub(super) fn new(specifications: &[Value]) -> Self {
        Self {
            specifications: specifications.to_vec(),
            posts: vec![None; specifications.len()],
        }
    }

    fn kept(&self) -> impl Iterator<Item = &Arc<Post>> {
        let posts = self.posts.iter().flatten();
        posts.filter(|post| !post.given_up.is_cancelled() && !post.over.load(Ordering::SeqCst))
    }

    /// Numbers where nobody stands and nobody is still leaving.
    fn free(&self) -> Vec<usize> {
        let over =
            |post: &Option<Arc<Post>>| post.as_ref().is_none_or(|post| post.over.load(Ordering::SeqCst));
        let numbers = self.posts.iter().enumerate();
        numbers
            .filter(|(_, post)| over(post))
            .map(|(number, _)| number)
            .collect()
    }
}

/// What scaling does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scaled {
    /// How many are kept started from now on.
    pub started: usize,
    /// How many of them are started now.
    pub starting: usize,
    /// How many finish what they have, and are stopped.
    pub stopping: usize,
}

impl Pool {
    /// How many resources the hub keeps started.
    pub fn started(&self) -> usize {
        self.core.posts.lock().kept().count()
    }

    /// How many it could keep started: one for each specification it has.
    pub fn startable(&self) -> usize {
        self.core.posts.lock().specifications.len()
    }

    /// Keeps so many started from now on. `further` specifications are added to those of the configuration first.
    ///
    /// # Errors
    /// There are fewer specifications than that, some of them are still being stopped, or the hub is stopping; then
    /// nothing has changed.
    pub fn set_started(&self, count: usize, further: Vec<Value>) -> Result<Scaled, Error> {
        let core = &self.core;
        if core.is_closed() {
            return Err(Refusal::Closed.into());
        }
        {
            let mut posts = core.posts.lock();
            let room = posts.kept().count() + posts.free().len() + further.len();
            if count > room {
                let known = posts.specifications.len() + further.len();
                let message = format!(
                    "`{}` knows how to start {known}, and {count} are wanted",
                    self.name()
                );
                let error = Error::new(ErrorCode::INVALID_PARAMS, Fault::Client, message);
                return Err(match count > known {
                    true => error.hint("say how: add to `start`, each with a name and a port of its own"),
                    false => error.hint("some are still being stopped: try again when they are gone"),
                });
            }
            posts.posts.extend(further.iter().map(|_| None));
            posts.specifications.extend(further);
        }
        let scaled = core.scale(count);
        core.emit(kind::HUB_SCALED, None, json!({ "started": scaled }));
        Ok(scaled)
    }
}

impl Core {
    /// Keeps so many started, as far as there are specifications for them.
    pub(super) fn scale(self: &Arc<Self>, count: usize) -> Scaled {
        let (mut starting, mut stopping) = (Vec::new(), 0);
        let started = {
            let mut posts = self.posts.lock();
            let mut kept: Vec<_> = posts.kept().cloned().collect();
            // The idle go first, and of those the youngest.
            kept.sort_by_key(|post| (post.in_flight(), std::cmp::Reverse(post.number)));
            for post in kept.iter().take(kept.len().saturating_sub(count)) {
                post.given_up.cancel();
                stopping += 1;
            }
            let missing = count.saturating_sub(kept.len());
            for number in posts.free().into_iter().take(missing) {
                let post = Arc::new(Post {
                    number,
                    specification: posts.specifications[number].clone(),
                    slot: Mutex::default(),
                    given_up: CancellationToken::new(),
                    over: AtomicBool::new(false),
                });
                posts.posts[number] = Some(post.clone());
                starting.push(post);
            }
            posts.kept().count()
        };
        let scaled = Scaled {
            started,
            starting: starting.len(),
            stopping,
        };
        for post in starting {
            let core = self.clone();
            let keeping = async move {
                core.keep_started(post.clone()).await;
                post.over.store(true, Ordering::SeqCst);
            };
            self.starters.spawn_on(keeping, &self.runtime);
        }
        scaled
    }
}
