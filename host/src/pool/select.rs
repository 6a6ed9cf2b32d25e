//! Selecting instances for a verb: all, some by name, those with a tag, so many.

use std::collections::HashSet;
use std::sync::Arc;

use plugin_api::Error;
use plugin_api::contract::balance::{Ask, Choice, Reach, choose};
use plugin_api::contract::reference::normalise;
use plugin_api::contract::requirement::Strategy;
use plugin_api::host::Selection;

use super::core::Core;
use super::slot::{Phase, Slot};

impl Core {
    /// The instances that a selection names, among those that hold the capability if one is given. Whether they are
    /// well plays no part, except where the balancer is to choose: a verb on a dead instance should fail visibly
    /// instead of leaving it out.
    pub(super) fn select(
        &self,
        selection: &Selection,
        capability: Option<&str>,
    ) -> Result<Vec<Arc<Slot>>, Error> {
        let snapshot = self.registry.load();
        let name = capability.map(normalise);
        let holders = name.as_ref().map(|name| snapshot.capabilities.get(name.as_ref()));
        let fits = |slot: &Slot| match holders {
            None => true,
            Some(None) => false,
            Some(Some(holders)) => holders.has(slot.place),
        };
        let everyone = || {
            snapshot
                .everyone
                .slots()
                .iter()
                .filter(|slot| fits(slot) && matches!(slot.condition.lock().phase, Phase::Serving))
        };
        Ok(match selection {
            Selection::All => everyone().cloned().collect(),
            Selection::Tag(tag) => {
                let Some(tagged) = snapshot.tagged(tag) else {
                    return Err(Error::not_found(format!(
                        "no instance of the hub `{}` carries the tag `{tag}`",
                        self.settings.name
                    )));
                };
                everyone()
                    .filter(|slot| tagged.contains(slot.place))
                    .cloned()
                    .collect()
            }
            Selection::Instances(ids) => {
                let named: Result<Vec<_>, _> = ids.iter().map(|id| self.named(id)).collect();
                named?.into_iter().filter(|slot| fits(slot)).collect()
            }
            Selection::Count(count) => self.least_loaded(*count as usize, &fits),
        })
    }

    /// The slot of this id.
    pub(super) fn named(&self, id: &str) -> Result<Arc<Slot>, Error> {
        self.registry.find(id).ok_or_else(|| {
            let known: Vec<_> = self
                .registry
                .all()
                .iter()
                .take(20)
                .map(|slot| slot.id.to_string())
                .collect();
            Error::not_found(format!("the hub `{}` has no instance `{id}`", self.settings.name))
                .hint(format!("it has {}", known.join(", ")))
        })
    }

    fn least_loaded(&self, count: usize, fits: &dyn Fn(&Slot) -> bool) -> Vec<Arc<Slot>> {
        let snapshot = self.registry.load();
        let group = &snapshot.everyone;
        let now = self.clock.now();
        let mut chosen: HashSet<usize> = HashSet::new();
        let mut slots = Vec::new();
        while slots.len() < count {
            let candidates = |index: usize| {
                let slot = &group.slots()[index];
                // A verb takes none of the places that requests take, so a full instance will do.
                let view =
                    slot.view(Reach::Ready, false, now)
                        .map(|view| plugin_api::contract::balance::View {
                            capacity: None,
                            ..view
                        });
                view.filter(|_| !chosen.contains(&index) && fits(slot))
            };
            let ask = Ask {
                turn: self.turn(),
                ..Ask::default()
            };
            match choose(Strategy::LeastLoaded, group.roster(), &candidates, &ask) {
                Choice::Take(index) => {
                    chosen.insert(index);
                    slots.push(group.slots()[index].clone());
                }
                Choice::Wait | Choice::Nothing => break,
            }
        }
        slots
    }
}
