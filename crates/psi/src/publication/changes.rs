//! Later publications of an epoch: some entries out, as many in (`spec/32 §6.3`).

use std::{io::Write, sync::Arc};

use rand_core::CryptoRng;

use super::{
    block::Entry,
    difference::DifferenceWriter,
    dummy::DummySeed,
    encode::Encoder,
    epoch::{Current, Epoch, Reservation},
    error::{FileError, PublishError},
    first::Published,
    form::Edition,
    item::{self, Item},
    join::{self, Group, Join, REMOVAL},
    label::{LABEL_LENGTH, LabelSeal},
    plan::{Plan, Wait, Waiting},
    read::Publication,
    roll::{RollWriter, Status},
    scratch::{Scratch, Stored},
    sort::Sorter,
    tag::TagLength,
};

/// Takes the changes of a view and publishes those that fit, the longest waiting first.
///
/// They are handed in in any sequence. Each has an order, below `u64::MAX` and of no other change
/// of its kind: the lower it is, the longer the change has waited.
pub struct Changes<'a, S: Scratch> {
    scratch: &'a S,
    epoch: Arc<()>,
    /// Of each sort.
    working_set: usize,
    tag_length: TagLength,
    removals: Sorter<'a, S, REMOVAL>,
    additions: Sorter<'a, S, { item::RECORD }>,
}

/// The newest publication, as it was written.
pub struct Newest<'a, F> {
    /// Its file.
    pub publication: &'a Publication<F>,
    /// Its roll.
    pub roll: &'a dyn Stored,
}

/// Where a publication goes.
pub struct Outputs<'a> {
    /// The whole file, for queriers that have no earlier one.
    pub file: &'a mut dyn Write,
    /// The difference from the publication before.
    pub difference: &'a mut dyn Write,
    /// The roll, which stays at home.
    pub roll: &'a mut dyn Write,
}

impl<'a, S: Scratch> Changes<'a, S> {
    /// Sorts within a working set of so many bytes, 256 KiB at least.
    ///
    /// # Errors
    ///
    /// [`PublishError::NotPublished`], [`PublishError::WorkingSet`].
    pub fn new(epoch: &Epoch, scratch: &'a S, working_set: usize) -> Result<Self, PublishError> {
        let before = epoch.current.ok_or(PublishError::NotPublished)?;
        // At most four sorts or merges are open at a time.
        let working_set = working_set / 4;
        Ok(Self {
            scratch,
            epoch: Arc::clone(epoch.identity()),
            working_set,
            tag_length: before.edition.tag_length,
            removals: Sorter::new(scratch, working_set)?,
            additions: Sorter::new(scratch, working_set)?,
        })
    }

    /// Hands in an item to take out, by its OPRF output.
    ///
    /// # Errors
    ///
    /// [`PublishError::Order`], [`PublishError::Io`].
    pub fn remove(&mut self, order: u64, output: &[u8; 64]) -> Result<(), PublishError> {
        let tag = self.tag_length.tag(output);
        self.removals.push(&join::removal(tag, checked(order)?))
    }

    /// Hands in an item to put in, by its OPRF output, and its label.
    ///
    /// # Errors
    ///
    /// [`PublishError::Order`], [`PublishError::Io`].
    pub fn add(
        &mut self,
        order: u64,
        output: &[u8; 64],
        label: &[u8; LABEL_LENGTH],
    ) -> Result<(), PublishError> {
        self.additions
            .push(&Item::record(output, checked(order)?, label))
    }

    /// Publishes: D entries out and D in, whatever was handed in.
    ///
    /// `waiting` is told every change that is not in the new publication. The new state, the
    /// file and the roll must be durable before the manifest is signed. After an error what was
    /// written is void, and so is the sequence number.
    ///
    /// # Errors
    ///
    /// [`PublishError::NotPublished`], [`PublishError::OtherEpoch`],
    /// [`PublishError::SequenceUsed`], [`PublishError::EpochFull`], [`PublishError::Roll`],
    /// [`PublishError::Order`], [`PublishError::SameTag`], [`PublishError::Collision`], [`PublishError::File`],
    /// [`PublishError::Io`].
    #[expect(clippy::too_many_arguments, reason = "each comes from another owner")]
    pub fn publish(
        self,
        epoch: &mut Epoch,
        reservation: Reservation,
        seed: &DummySeed,
        random: &mut impl CryptoRng,
        newest: &Newest<'_, impl Stored>,
        outputs: Outputs<'_>,
        waiting: &mut dyn FnMut(Waiting),
    ) -> Result<Published, PublishError> {
        if !Arc::ptr_eq(&self.epoch, epoch.identity()) {
            return Err(PublishError::OtherEpoch);
        }
        let before = epoch.current.ok_or(PublishError::NotPublished)?;
        let publication = newest.publication;
        if *publication.edition() != before.edition || *publication.root() != before.root {
            return Err(PublishError::File(FileError::Succession));
        }
        let sequence = epoch.seal_under(reservation)?;
        let edition = Edition {
            sequence,
            ..before.edition
        };
        let scratch = self.scratch;
        let mut removals = self.removals.finish()?;
        let mut additions = self.additions.finish()?;
        let plan = Plan::make(
            &before,
            newest,
            &mut removals,
            &mut additions,
            scratch,
            self.working_set,
        )?;
        // More than the state says there is: it is not the state of this roll.
        let items = before.items.checked_sub(plan.items_out);
        let items = items.ok_or(PublishError::Roll)? + plan.items_in;
        let first_dummies = before.first_dummies.checked_sub(plan.dummies_out);
        let first_dummies = first_dummies.ok_or(PublishError::Roll)?;
        additions.append(Item::dummies(
            seed,
            sequence,
            plan.dummies_in,
            scratch,
            self.working_set,
        )?);

        let mut salt = [0; 32];
        random.fill_bytes(&mut salt);
        let from = before.edition.sequence;
        let mut succession = Succession {
            index: 0,
            age: edition.age(),
            seal: LabelSeal::new(&epoch.domain, sequence),
            dummies_wanted: plan.dummies_out,
            dummies_left: before.first_dummies,
            file: Encoder::new(edition, salt, scratch, outputs.file)?,
            difference: DifferenceWriter::new(edition, from, &salt, scratch, outputs.difference)?,
            roll: RollWriter::new(outputs.roll),
        };
        let entries = publication.entries();
        let mut join = Join::new(&before, newest.roll, entries, &mut removals, &mut additions)?;
        let mut duplicates = 0;
        while let Some(group) = join.next(&mut |change| {
            duplicates += 1;
            let wait = Wait::Nothing;
            waiting(Waiting { change, wait });
        })? {
            plan.waiting(&group)
                .into_iter()
                .flatten()
                .for_each(&mut *waiting);
            succession.take(&group, &plan, random)?;
        }

        let root = succession.file.finish()?;
        succession.difference.finish()?;
        let (roll_length, roll_digest) = succession.roll.finish()?;
        epoch.published(Current {
            edition,
            root,
            items,
            first_dummies,
            roll_length,
            roll_digest,
        });
        Ok(Published {
            edition,
            root,
            items,
            duplicates,
        })
    }
}

/// A publication on its way from the one before.
struct Succession<'a, 'o, S: Scratch> {
    /// The index of the next entry.
    index: u64,
    age: u8,
    seal: LabelSeal,
    /// Of the first publication's dummies from here on so many go out.
    dummies_wanted: u64,
    dummies_left: u64,
    file: Encoder<'a, S, &'o mut dyn Write>,
    difference: DifferenceWriter<'a, S, &'o mut dyn Write>,
    roll: RollWriter<&'o mut dyn Write>,
}

impl<S: Scratch> Succession<'_, '_, S> {
    fn take(
        &mut self,
        group: &Group<Entry>,
        plan: &Plan,
        random: &mut impl CryptoRng,
    ) -> Result<(), PublishError> {
        match (group.entry, group.status) {
            (Some(entry), Some(Status::Dummy)) => {
                // Were later dummies to leave as well, how fast each publication's entries
                // become fewer would tell how many of them are items (`spec/32 §10`).
                let out = entry.age == 0 && self.choose(random);
                self.carry(entry, Status::Dummy, out)?;
            }
            (Some(entry), _) => self.carry(entry, Status::Item, plan.takes_out(group))?,
            (None, Some(_)) => self.roll.push(group.tag, Status::Left)?,
            (None, None) => {}
        }
        if let Some(item) = plan.brings(group)? {
            let sealed = item.seal(&self.seal);
            self.difference.add(group.tag, &sealed)?;
            self.file.push(Entry {
                tag: group.tag,
                age: self.age,
                sealed,
            })?;
            let status = item.order().map_or(Status::Dummy, |_| Status::Item);
            self.roll.push(group.tag, status)?;
        }
        Ok(())
    }

    /// Takes an entry of the publication before over, or out.
    fn carry(&mut self, entry: Entry, status: Status, out: bool) -> Result<(), PublishError> {
        if out {
            self.difference.remove(self.index)?;
            self.roll.push(entry.tag, Status::Left)?;
        } else {
            self.file.push(entry)?;
            self.roll.push(entry.tag, status)?;
        }
        self.index += 1;
        Ok(())
    }

    /// Whether the next such dummy goes out: every choice of as many as must is equally likely.
    fn choose(&mut self, random: &mut impl CryptoRng) -> bool {
        let out = below(random, self.dummies_left) < self.dummies_wanted;
        self.dummies_left = self.dummies_left.saturating_sub(1);
        self.dummies_wanted -= u64::from(out);
        out
    }
}

/// An order that a change may have: the last is that of dummies.
fn checked(order: u64) -> Result<u64, PublishError> {
    if order == u64::MAX {
        return Err(PublishError::Order);
    }
    Ok(order)
}

/// A number below `limit`, each equally likely; 0 for a limit of 0.
fn below(random: &mut impl CryptoRng, limit: u64) -> u64 {
    // The largest multiple of the limit; numbers from it on would favour small remainders.
    let fair = u64::MAX - u64::MAX.checked_rem(limit).unwrap_or(0);
    loop {
        let drawn = random.next_u64();
        if drawn < fair {
            return drawn.checked_rem(limit).unwrap_or(0);
        }
    }
}
