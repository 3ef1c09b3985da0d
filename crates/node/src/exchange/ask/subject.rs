//! What is looked up in a view.

use std::sync::Arc;

use blindmatch_indicator::{Indicator, IndicatorType, LabelFields, ladder};
use blindmatch_psi::lookup::{Item, Items};
use blindmatch_store::collection::{CollectionName, Contents};
use blindmatch_store::row::{Origin, References, Row};
use blindmatch_store::runs::Run;

use super::AskError;
use crate::exchange::daemon::Daemon;

/// What is looked up in a view.
pub enum Subject {
    /// The rows of a collection, as it is now.
    Collection(Asking),
    /// Indicators that somebody asks about.
    Indicators(Vec<Indicator>),
    /// Items as an earlier run asked for them, whose indicators are no longer known.
    Items(Vec<Item>),
}

/// A collection that asks.
#[derive(Clone)]
pub struct Asking {
    /// What it consists of now.
    pub contents: Contents,
    /// Of customers only the rows that came with imports after so many are asked for, or, in a sweep,
    /// before all others. What is known of this epoch is looked up, whenever it came.
    pub after: Option<u32>,
    /// Whether customers that did not change since they were asked for are asked for again.
    pub sweep: bool,
}

impl Asking {
    /// A collection of which everything is asked for that is not known of this epoch.
    #[must_use]
    pub const fn whole(contents: Contents) -> Self {
        Self {
            contents,
            after: None,
            sweep: false,
        }
    }
}

impl Asking {
    /// The same, of which everything is asked for: of customers that were asked for before, a sweep.
    pub(in crate::exchange) fn of_all(self) -> Self {
        let sweep = self.sweep || self.after.is_some();
        Self {
            after: None,
            sweep,
            ..self
        }
    }
}

impl Subject {
    /// That of an unfinished run. Its collection may have changed since: then what is there now is
    /// looked up, as far as the run paid for it.
    pub(super) fn of_run(daemon: &Daemon, run: &Arc<Run>) -> Result<Self, AskError> {
        let collections = daemon.collections();
        if let Ok(name) = run.head().collection.parse::<CollectionName>()
            && collections
                .names()
                .map_err(crate::Error::from)?
                .contains(&name)
        {
            let contents = crate::collections::contents(collections, name)?;
            return Ok(Self::Collection(Asking::whole(contents)));
        }
        Ok(Self::Items(asked(run)?))
    }

    /// Whether an indicator is looked up in views of a type at all.
    pub(crate) fn asks(indicator: &Indicator, kind: IndicatorType) -> bool {
        !parts(indicator, kind).is_empty()
    }

    /// The collection.
    pub(super) const fn collection(&self) -> Option<&Asking> {
        match self {
            Self::Collection(asking) => Some(asking),
            Self::Indicators(_) | Self::Items(_) => None,
        }
    }

    /// What of its [items](Self::items) is asked for where it is not known; nothing where that is all.
    pub(in crate::exchange) fn changed(
        &self,
        daemon: &Daemon,
        kind: IndicatorType,
    ) -> Result<Option<Vec<Item>>, AskError> {
        match self {
            Self::Collection(Asking { sweep: true, .. }) => Ok(None),
            _ => self.added(daemon, kind),
        }
    }

    /// What of its [items](Self::items) came since it was last asked for; nothing where that is all.
    pub(super) fn added(
        &self,
        daemon: &Daemon,
        kind: IndicatorType,
    ) -> Result<Option<Vec<Item>>, AskError> {
        match self {
            Self::Collection(Asking {
                contents,
                after: Some(after),
                ..
            }) => {
                let items = daemon.reading()?.ask(contents, kind, Some(*after))?;
                Ok(Some(items))
            }
            _ => Ok(None),
        }
    }

    /// What it looks up in a view of a type: each item once, ascending.
    pub(in crate::exchange) fn items(
        &self,
        daemon: &Daemon,
        kind: IndicatorType,
    ) -> Result<Vec<Item>, AskError> {
        let mut items = match self {
            Self::Collection(Asking { contents, .. }) => {
                return Ok(daemon.reading()?.ask(contents, kind, None)?);
            }
            Self::Items(items) => items.clone(),
            Self::Indicators(indicators) => {
                let parts = indicators.iter().flat_map(|one| parts(one, kind));
                parts.flat_map(|part| tokens(&part, kind)).collect()
            }
        };
        items.sort_unstable_by(|a, b| a.as_slice().cmp(b.as_slice()));
        items.dedup();
        Ok(items)
    }

    /// Hands out the rows that ask for one of `items`, which ascend, each with the place of the
    /// item among them.
    pub(super) fn holding(
        &self,
        daemon: &Daemon,
        kind: IndicatorType,
        items: &[Item],
        visit: &mut dyn FnMut(&Row<'_>, usize),
    ) -> Result<(), AskError> {
        let place = |item: &Item| {
            items
                .binary_search_by(|other| other.as_slice().cmp(item.as_slice()))
                .ok()
        };
        match self {
            Self::Collection(Asking { contents, .. }) => {
                daemon.reading()?.holding(contents, kind, items, visit)?;
            }
            Self::Items(own) => {
                for item in own {
                    if let Some(at) = place(item) {
                        visit(&bare(item), at);
                    }
                }
            }
            Self::Indicators(indicators) => {
                for indicator in indicators {
                    let mut held = Vec::new();
                    // A network between two rungs is held where each of its parts is.
                    let all = parts(indicator, kind).iter().all(|part| {
                        let before = held.len();
                        held.extend(tokens(part, kind).iter().filter_map(place));
                        held.len() > before
                    });
                    held.sort_unstable();
                    held.dedup();
                    let key = Item::new(indicator.encode().to_vec());
                    for at in held.into_iter().filter(|_| all) {
                        visit(&bare(&key), at);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The items of a run, in its order.
pub(super) fn asked(run: &Run) -> Result<Vec<Item>, AskError> {
    let mut asked = run.asked()?;
    let count = usize::try_from(asked.count()).unwrap_or(usize::MAX);
    let items = asked.read(0, count);
    // It says no more than that the rows cannot be read; looking again says why.
    items.ok_or(AskError::Session(blindmatch_psi::stop::Fault::Items))
}

/// A row of which nothing is known but its key.
pub(super) fn bare(item: &Item) -> Row<'_> {
    Row {
        key: item,
        origin: Origin {
            given: true,
            derived: false,
        },
        fields: LabelFields::default(),
        handle: None,
        since: 0,
        expires: None,
        references: References::default(),
    }
}

/// What of an indicator is looked up in a view of a type.
fn parts(indicator: &Indicator, kind: IndicatorType) -> Vec<Indicator> {
    match (kind, indicator.indicator_type()) {
        (IndicatorType::Network, IndicatorType::Network) => ladder::split(indicator).collect(),
        (IndicatorType::Network, IndicatorType::Ip) => vec![indicator.clone()],
        (kind, own) if kind == own => vec![indicator.clone()],
        _ => Vec::new(),
    }
}

fn tokens(part: &Indicator, kind: IndicatorType) -> Vec<Item> {
    let item = |indicator: &Indicator| Item::new(indicator.encode().to_vec());
    if kind == IndicatorType::Network {
        ladder::ancestors(part).map(|token| item(&token)).collect()
    } else {
        vec![item(part)]
    }
}
