//! Reads roll, removals and additions side by side in the order of their tags.

use std::io::Read;

use super::{
    epoch::Current,
    error::{FileError, PublishError},
    item::{self, Item},
    plan::Change,
    roll::{Recorded, RollReader, Status, Tagged},
    scratch::{Scratch, Stored},
    sort::{Merge, Sorted},
    tag::{Tag, TagLength},
};

/// Tag and order of an item to take out.
pub(super) const REMOVAL: usize = 16 + 8;

/// Everything about one tag.
pub(super) struct Group<E> {
    pub(super) tag: Tag,
    /// What the roll says, if it knows the tag.
    pub(super) status: Option<Status>,
    /// The entry of the newest publication, if it has the tag.
    pub(super) entry: Option<E>,
    /// The order of the first removal.
    pub(super) removal: Option<u64>,
    /// The first item or dummy to put in.
    pub(super) addition: Option<Item>,
}

/// The three streams.
pub(super) struct Join<'a, R: Read, E, T> {
    tag_length: TagLength,
    roll: RollReader<'a, T>,
    recorded: Option<Recorded<E>>,
    removals: Merge<R, REMOVAL>,
    removal: Option<(Tag, u64)>,
    additions: Merge<R, { item::RECORD }>,
    addition: Option<(Tag, Item)>,
}

impl<'a, R: Read, E: Tagged, T: Iterator<Item = Result<E, FileError>>> Join<'a, R, E, T> {
    /// Beside the roll `entries` are those of its publication.
    pub(super) fn new<S: Scratch<Reader = R>>(
        before: &Current,
        roll: &'a dyn Stored,
        entries: T,
        removals: &mut Sorted<'_, S, REMOVAL>,
        additions: &mut Sorted<'_, S, { item::RECORD }>,
    ) -> Result<Self, PublishError> {
        let mut join = Self {
            tag_length: before.edition.tag_length,
            roll: RollReader::new(roll, entries, *before)?,
            recorded: None,
            removals: removals.merge()?,
            removal: None,
            additions: additions.merge()?,
            addition: None,
        };
        join.recorded = join.roll.read()?;
        join.next_removal()?;
        join.next_addition()?;
        Ok(join)
    }

    /// What is known about the next tag; repetitions of a change are told apart.
    pub(super) fn next(
        &mut self,
        repeated: &mut dyn FnMut(Change),
    ) -> Result<Option<Group<E>>, PublishError> {
        let heads = [
            self.recorded.as_ref().map(|recorded| recorded.tag),
            self.removal.map(|(tag, _)| tag),
            self.addition.as_ref().map(|(tag, _)| *tag),
        ];
        let Some(tag) = heads.into_iter().flatten().min() else {
            return Ok(None);
        };
        let mut group = Group {
            tag,
            status: None,
            entry: None,
            removal: None,
            addition: None,
        };
        if let Some(recorded) = self.recorded.take_if(|recorded| recorded.tag == tag) {
            group.status = Some(recorded.status);
            group.entry = recorded.entry;
            self.recorded = self.roll.read()?;
        }
        while let Some((_, order)) = self.removal.take_if(|(removal, _)| *removal == tag) {
            if group.removal.is_none() {
                group.removal = Some(order);
            } else {
                repeated(Change::Removal(order));
            }
            self.next_removal()?;
        }
        while let Some((_, item)) = self.addition.take_if(|(addition, _)| *addition == tag) {
            if let Some(first) = &group.addition {
                item.check_repeats(first)?;
                item.order().map(Change::Addition).map(&mut *repeated);
            } else {
                group.addition = Some(item);
            }
            self.next_addition()?;
        }
        Ok(Some(group))
    }

    fn next_removal(&mut self) -> Result<(), PublishError> {
        self.removal = self.removals.next()?.map(|record| {
            let mut bytes = record.iter().copied();
            let mut next = || bytes.next().unwrap_or(0);
            let tag = u128::from_be_bytes(std::array::from_fn(|_| next()));
            (
                Tag(tag),
                u64::from_be_bytes(std::array::from_fn(|_| next())),
            )
        });
        Ok(())
    }

    fn next_addition(&mut self) -> Result<(), PublishError> {
        self.addition = self.additions.next()?.map(|record| {
            let item = Item::read(record);
            (self.tag_length.tag(&item.output), item)
        });
        Ok(())
    }
}

/// The record of a removal, which [`Join`] reads.
pub(super) fn removal(tag: Tag, order: u64) -> [u8; REMOVAL] {
    let mut bytes = tag.0.to_be_bytes().into_iter().chain(order.to_be_bytes());
    std::array::from_fn(|_| bytes.next().unwrap_or(0))
}
