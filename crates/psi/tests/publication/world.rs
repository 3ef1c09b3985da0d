//! A responder with everything in memory, and what the tests hand in.

use std::convert::Infallible;

use blindmatch_psi::publication::{
    Changes, Domain, DummySeed, Epoch, FirstPublication, InMemory, LABEL_LENGTH, Newest, Outputs,
    Publication, PublishError, Published, Reservation, SMALLEST_WORKING_SET, Waiting, apply,
};
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha512};

pub(crate) const QUERIES: u64 = 1 << 23;
pub(crate) const WORKING_SET: usize = SMALLEST_WORKING_SET;

pub(crate) type Output = [u8; 64];

/// SHA-512 of a name and a number, in the place of an OPRF output.
pub(crate) fn output(name: &str, number: u64) -> Output {
    Sha512::new()
        .chain_update(name)
        .chain_update(number.to_be_bytes())
        .finalize()
        .into()
}

pub(crate) fn item(number: u64) -> Output {
    output("item", number)
}

pub(crate) fn label(number: u64) -> [u8; LABEL_LENGTH] {
    *output("label", number).first_chunk().unwrap()
}

pub(crate) fn domain() -> Domain {
    Domain {
        consortium: b"consortium".into(),
        responder: b"responder".into(),
        view: b"view".into(),
        indicator_type: b"ip".into(),
        epoch: 7,
    }
}

/// SHA-512 in counter mode: the same numbers in every run.
pub(crate) struct Scripted {
    counter: u64,
    left: Vec<u8>,
}

impl Scripted {
    pub(crate) fn new() -> Self {
        Self {
            counter: 0,
            left: Vec::new(),
        }
    }
}

impl TryRng for Scripted {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        while self.left.len() < bytes.len() {
            self.left.extend(output("random", self.counter));
            self.counter += 1;
        }
        let rest = self.left.split_off(bytes.len());
        bytes.copy_from_slice(&self.left);
        self.left = rest;
        Ok(())
    }
}

impl TryCryptoRng for Scripted {}

/// One view of a responder after its newest publication.
pub(crate) struct Responder {
    pub(crate) epoch: Epoch,
    pub(crate) seed: DummySeed,
    pub(crate) random: Scripted,
    pub(crate) file: Vec<u8>,
    pub(crate) roll: Vec<u8>,
    pub(crate) published: Published,
}

/// A later publication.
pub(crate) struct Step {
    pub(crate) published: Published,
    pub(crate) difference: Vec<u8>,
    pub(crate) waiting: Vec<Waiting>,
}

impl Responder {
    pub(crate) fn publish(numbers: impl IntoIterator<Item = u64>) -> Self {
        Self::publish_labelled(
            numbers
                .into_iter()
                .map(|number| (item(number), label(number))),
        )
    }

    pub(crate) fn publish_labelled(
        items: impl IntoIterator<Item = (Output, [u8; LABEL_LENGTH])>,
    ) -> Self {
        let mut epoch = Epoch::begin(domain(), QUERIES, 100).unwrap();
        let reservation = epoch.reserve().unwrap().stored();
        Self::begin_under(epoch, reservation, items)
    }

    pub(crate) fn begin_under(
        epoch: Epoch,
        reservation: Reservation,
        items: impl IntoIterator<Item = (Output, [u8; LABEL_LENGTH])>,
    ) -> Self {
        let seed = DummySeed::new([3; 32]);
        Self::begin_by(epoch, reservation, seed, Scripted::new(), items)
    }

    /// One of many, each with a seed and a stream of random numbers of its own.
    pub(crate) fn begin_as(
        seed: DummySeed,
        stream: u64,
        items: impl IntoIterator<Item = (Output, [u8; LABEL_LENGTH])>,
    ) -> Self {
        let mut epoch = Epoch::begin(domain(), QUERIES, 100).unwrap();
        let reservation = epoch.reserve().unwrap().stored();
        let random = Scripted {
            counter: stream << 32,
            left: Vec::new(),
        };
        Self::begin_by(epoch, reservation, seed, random, items)
    }

    fn begin_by(
        mut epoch: Epoch,
        reservation: Reservation,
        seed: DummySeed,
        mut random: Scripted,
        items: impl IntoIterator<Item = (Output, [u8; LABEL_LENGTH])>,
    ) -> Self {
        let mut first = FirstPublication::new(&InMemory, WORKING_SET).unwrap();
        for (output, label) in items {
            first.push(&output, &label).unwrap();
        }
        let (mut file, mut roll) = (Vec::new(), Vec::new());
        let published = first
            .publish(
                &mut epoch,
                reservation,
                &seed,
                &mut random,
                &mut file,
                &mut roll,
            )
            .unwrap();
        Self {
            epoch,
            seed,
            random,
            file,
            roll,
            published,
        }
    }

    pub(crate) fn publication(&self) -> Publication<&[u8]> {
        let Published { edition, root, .. } = self.published;
        Publication::verify(self.file.as_slice(), edition, root).unwrap()
    }

    pub(crate) fn change(
        &mut self,
        removals: &[Output],
        additions: &[(Output, [u8; LABEL_LENGTH])],
    ) -> Result<Step, PublishError> {
        let reservation = self.epoch.reserve()?.stored();
        self.change_under(reservation, removals, additions)
    }

    pub(crate) fn change_under(
        &mut self,
        reservation: Reservation,
        removals: &[Output],
        additions: &[(Output, [u8; LABEL_LENGTH])],
    ) -> Result<Step, PublishError> {
        let mut changes = Changes::new(&self.epoch, &InMemory, WORKING_SET)?;
        for (order, output) in (0..).zip(removals) {
            changes.remove(order, output)?;
        }
        for (order, (output, label)) in (0..).zip(additions) {
            changes.add(order, output, label)?;
        }
        let Published { edition, root, .. } = self.published;
        let publication = Publication::verify(self.file.as_slice(), edition, root).unwrap();
        let (mut file, mut difference, mut roll) = (Vec::new(), Vec::new(), Vec::new());
        let mut waiting = Vec::new();
        let published = changes.publish(
            &mut self.epoch,
            reservation,
            &self.seed,
            &mut self.random,
            &Newest {
                publication: &publication,
                roll: &self.roll,
            },
            Outputs {
                file: &mut file,
                difference: &mut difference,
                roll: &mut roll,
            },
            &mut |change| waiting.push(change),
        )?;

        // What a querier makes of the difference is what the responder wrote.
        let mut applied = Vec::new();
        apply(
            &publication,
            &difference,
            published.edition,
            &published.root,
            &InMemory,
            &mut applied,
        )
        .unwrap();
        assert_eq!(applied, file);
        (self.file, self.roll, self.published) = (file, roll, published);
        Ok(Step {
            published,
            difference,
            waiting,
        })
    }
}
