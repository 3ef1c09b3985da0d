//! Which changes fit into a publication (`spec/32 §6.3`).

use super::{
    changes::Newest,
    epoch::Current,
    error::PublishError,
    item::{self, Item},
    join::{Group, Join, REMOVAL},
    roll::Status,
    scratch::{Scratch, Stored},
    sort::{Sorted, Sorter},
};

/// What goes out and what comes in, D of each.
pub(super) struct Plan {
    pub(super) items_out: u64,
    pub(super) items_in: u64,
    pub(super) dummies_out: u64,
    pub(super) dummies_in: u64,
    /// Removals below this order go out.
    removals_end: u64,
    /// Additions below this order come in.
    additions_end: u64,
}

/// A change by the order that it was handed in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// An item to take out.
    Removal(u64),
    /// An item to put in.
    Addition(u64),
}

/// A change that was handed in and is not in the publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which one.
    pub change: Change,
    /// What it waits for.
    pub wait: Wait,
}

/// What a change waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For room: the next publication may have it.
    NextPublication,
    /// For the next epoch: the item is in the view, so that this would only change its label, or
    /// it left in this epoch.
    NextEpoch,
    /// For nothing: an item to take out that is not in the view, or a repetition.
    Nothing,
}

impl Plan {
    /// Counts what can be changed, in a pass over the roll and its publication's tags, and lets those that
    /// wait longest in.
    pub(super) fn make<S: Scratch>(
        before: &Current,
        newest: &Newest<'_, impl Stored>,
        removals: &mut Sorted<'_, S, REMOVAL>,
        additions: &mut Sorted<'_, S, { item::RECORD }>,
        scratch: &S,
        working_set: usize,
    ) -> Result<Self, PublishError> {
        let mut removable = Sorter::<S, 8>::new(scratch, working_set)?;
        let mut addable = Sorter::<S, 8>::new(scratch, working_set)?;
        let tags = newest.publication.tags();
        let mut join = Join::new(before, newest.roll, tags, removals, additions)?;
        while let Some(group) = join.next(&mut |_| {})? {
            if let Some(order) = removable_order(&group) {
                removable.push(&order.to_be_bytes())?;
            }
            if let Some(order) = addable_order(&group) {
                addable.push(&order.to_be_bytes())?;
            }
        }
        let churn = before.edition.class.churn();
        let (items_out, removals_end) = longest_waiting(removable, churn)?;
        let (items_in, additions_end) = longest_waiting(addable, churn)?;
        Ok(Self {
            items_out,
            items_in,
            dummies_out: churn - items_out,
            dummies_in: churn - items_in,
            removals_end,
            additions_end,
        })
    }

    /// Whether the item of this tag goes out.
    pub(super) fn takes_out<E>(&self, group: &Group<E>) -> bool {
        removable_order(group).is_some_and(|order| order < self.removals_end)
    }

    /// The item or dummy of this tag that comes in.
    pub(super) fn brings<'a, E>(
        &self,
        group: &'a Group<E>,
    ) -> Result<Option<&'a Item>, PublishError> {
        match &group.addition {
            Some(dummy) if dummy.order().is_none() => match group.status {
                None => Ok(Some(dummy)),
                Some(_) => Err(PublishError::Collision),
            },
            addition => {
                let comes_in = addable_order(group).is_some_and(|order| order < self.additions_end);
                Ok(addition.as_ref().filter(|_| comes_in))
            }
        }
    }

    /// What the changes of this tag wait for that this publication does not have.
    pub(super) fn waiting<E>(&self, group: &Group<E>) -> [Option<Waiting>; 2] {
        let removal = group.removal.and_then(|order| {
            let wait = match removable_order(group) {
                None => Wait::Nothing,
                Some(order) if order < self.removals_end => return None,
                Some(_) => Wait::NextPublication,
            };
            let change = Change::Removal(order);
            Some(Waiting { change, wait })
        });
        let addition = group
            .addition
            .as_ref()
            .and_then(Item::order)
            .and_then(|order| {
                let wait = match addable_order(group) {
                    None => Wait::NextEpoch,
                    Some(order) if order < self.additions_end => return None,
                    Some(_) => Wait::NextPublication,
                };
                let change = Change::Addition(order);
                Some(Waiting { change, wait })
            });
        [removal, addition]
    }
}

/// The order of a removal of an item that is in the view.
fn removable_order<E>(group: &Group<E>) -> Option<u64> {
    group.removal.filter(|_| group.status == Some(Status::Item))
}

/// The order of an addition of an item that the epoch has not seen.
fn addable_order<E>(group: &Group<E>) -> Option<u64> {
    let order = group.addition.as_ref().and_then(Item::order);
    order.filter(|_| group.status.is_none())
}

/// How many there are, at most `room`, and the order behind the last of them. Were two of one order,
/// one more than there is room for could be let in.
fn longest_waiting<S: Scratch>(
    orders: Sorter<'_, S, 8>,
    room: u64,
) -> Result<(u64, u64), PublishError> {
    let (mut count, mut end) = (0, 0);
    let mut merge = orders.finish()?.merge()?;
    while let Some(order) = merge.next()? {
        let order = u64::from_be_bytes(*order);
        if order < end {
            return Err(PublishError::Order);
        }
        if count == room {
            break;
        }
        count += 1;
        end = order + 1;
    }
    Ok((count, end))
}
