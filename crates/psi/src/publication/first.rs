//! The first publication of an epoch: all items at once (`spec/32 §6.2`).

use std::io::Write;

use rand_core::CryptoRng;

use super::{
    block::Entry,
    class::SetClass,
    dummy::DummySeed,
    encode::Encoder,
    epoch::{Current, Epoch, Reservation},
    error::PublishError,
    form::Edition,
    item::{self, Item},
    label::{LABEL_LENGTH, LabelSeal},
    merkle::Hash,
    roll::{RollWriter, Status},
    scratch::Scratch,
    sort::{SMALLEST_WORKING_SET, Sorter},
    tag::TagLength,
};

/// Takes the items of a view in any order and publishes them.
///
/// Memory follows the working set, not the view: what exceeds it waits in scratch runs.
pub struct FirstPublication<'a, S: Scratch> {
    scratch: &'a S,
    working_set: usize,
    items: Sorter<'a, S, { item::RECORD }>,
    handed_in: u64,
}

/// What was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Which publication the file holds.
    pub edition: Edition,
    /// Its root, for the manifest.
    pub root: Hash,
    /// Distinct items in the view now.
    pub items: u64,
    /// Items that were handed in more than once; the first of each went in.
    pub duplicates: u64,
}

impl<'a, S: Scratch> FirstPublication<'a, S> {
    /// Sorts within a working set of so many bytes, 256 KiB at least.
    ///
    /// # Errors
    ///
    /// [`PublishError::WorkingSet`].
    pub fn new(scratch: &'a S, working_set: usize) -> Result<Self, PublishError> {
        if working_set < SMALLEST_WORKING_SET {
            return Err(PublishError::WorkingSet);
        }
        Ok(Self {
            scratch,
            working_set,
            items: Sorter::new(scratch, working_set)?,
            handed_in: 0,
        })
    }

    /// Hands in one item, by its OPRF output, and its label.
    ///
    /// # Errors
    ///
    /// [`PublishError::Io`].
    pub fn push(
        &mut self,
        output: &[u8; 64],
        label: &[u8; LABEL_LENGTH],
    ) -> Result<(), PublishError> {
        self.items
            .push(&Item::record(output, self.handed_in, label))?;
        self.handed_in += 1;
        Ok(())
    }

    /// Writes the file, and the roll that the next publication needs.
    ///
    /// The new state, the file and the roll must be durable before the manifest is signed. After
    /// an error what was written is void, and so is the sequence number.
    ///
    /// # Errors
    ///
    /// [`PublishError::AlreadyPublished`], [`PublishError::OtherEpoch`],
    /// [`PublishError::SequenceUsed`], [`PublishError::EpochFull`],
    /// [`PublishError::SetTooLarge`], [`PublishError::Budget`], [`PublishError::SameTag`],
    /// [`PublishError::Collision`], [`PublishError::Io`].
    pub fn publish(
        self,
        epoch: &mut Epoch,
        reservation: Reservation,
        seed: &DummySeed,
        random: &mut impl CryptoRng,
        file: impl Write,
        roll: impl Write,
    ) -> Result<Published, PublishError> {
        if epoch.current.is_some() {
            return Err(PublishError::AlreadyPublished);
        }
        let sequence = epoch.seal_under(reservation)?;
        let mut sorted = self.items.finish()?;

        // The class depends on the distinct items, and the tag length on the class: a pass of
        // its own.
        let items = item::count_distinct(&mut sorted)?;
        let class = SetClass::holding(items)?;
        let edition = Edition {
            class,
            tag_length: TagLength::for_budget(epoch.queries, class)?,
            first_sequence: sequence,
            sequence,
        };
        let dummies = class.entries() - items;
        sorted.append(Item::dummies(
            seed,
            sequence,
            dummies,
            self.scratch,
            self.working_set,
        )?);

        let seal = LabelSeal::new(&epoch.domain, sequence);
        let mut salt = [0; 32];
        random.fill_bytes(&mut salt);
        let mut encoder = Encoder::new(edition, salt, self.scratch, file)?;
        let mut roll = RollWriter::new(roll);
        let mut before: Option<Item> = None;
        let mut merge = sorted.merge()?;
        while let Some(record) = merge.next()? {
            let item = Item::read(record);
            let tag = edition.tag_length.tag(&item.output);
            if let Some(before) = &before
                && edition.tag_length.tag(&before.output) == tag
            {
                item.check_repeats(before)?;
                continue;
            }
            let status = item.order().map_or(Status::Dummy, |_| Status::Item);
            roll.push(tag, status)?;
            encoder.push(Entry {
                tag,
                age: 0,
                sealed: item.seal(&seal),
            })?;
            before = Some(item);
        }
        let root = encoder.finish()?;
        let (roll_length, roll_digest) = roll.finish()?;
        epoch.published(Current {
            edition,
            root,
            items,
            first_dummies: dummies,
            roll_length,
            roll_digest,
        });
        Ok(Published {
            edition,
            root,
            items,
            duplicates: self.handed_in - items,
        })
    }
}
