//! What a responder remembers of a view's epoch between two publications (`spec/32 §6`).

use std::sync::Arc;

use blindmatch_audit::codec::{DecodeError, Reader, Writer};

use super::{
    domain::Domain,
    error::PublishError,
    form::{Edition, PUBLICATIONS, SEQUENCES},
    merkle::Hash,
};

const CONTEXT: &str = "blindmatch epoch state v2";

/// The responder's state of one view in one epoch.
///
/// Neither `Clone` nor to be decoded twice: it knows which sequence numbers have sealed.
#[derive(Debug)]
pub struct Epoch {
    pub(super) domain: Domain,
    pub(super) queries: u64,
    /// The next sequence number to reserve.
    next: u64,
    /// The lowest sequence number that may still seal.
    unsealed: u64,
    publications: u8,
    pub(super) current: Option<Current>,
    /// Shared with what is made for this epoch, and with nothing else.
    identity: Arc<()>,
}

/// The publication that the next one starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Current {
    pub(super) edition: Edition,
    pub(super) root: Hash,
    pub(super) items: u64,
    /// Those dummies of the epoch's first publication that are still there.
    pub(super) first_dummies: u64,
    pub(super) roll_length: u64,
    pub(super) roll_digest: Hash,
}

/// A sequence number that is reserved but not yet on disk.
#[derive(Debug)]
#[must_use = "store the state, then call `stored`"]
pub struct Reserving {
    state: Vec<u8>,
    reservation: Reservation,
}

/// The right to seal once under a sequence number, in the publication of the [`Epoch`] that
/// reserved it.
#[derive(Debug)]
pub struct Reservation {
    sequence: u64,
    epoch: Arc<()>,
}

impl Epoch {
    /// Begins an epoch of a view.
    ///
    /// `queries` is the most that all queriers together may ask in the epoch;
    /// `next` must be above every sequence number of the view's earlier epochs.
    ///
    /// # Errors
    ///
    /// [`PublishError::Domain`].
    pub fn begin(domain: Domain, queries: u64, next: u64) -> Result<Self, PublishError> {
        if !domain.is_writable() {
            return Err(PublishError::Domain);
        }
        Ok(Self {
            domain,
            queries,
            next,
            unsealed: next,
            publications: 0,
            current: None,
            identity: Arc::default(),
        })
    }

    /// Reserves the next sequence number.
    ///
    /// # Errors
    ///
    /// [`PublishError::EpochFull`] after 32 publications, or 64 sequence numbers from the first
    /// publication's on. Of numbers that are reserved ahead of it, more may lie beyond; they seal
    /// nothing.
    pub fn reserve(&mut self) -> Result<Reserving, PublishError> {
        let sequence = self.next;
        self.check_room(sequence)?;
        self.next = sequence.checked_add(1).ok_or(PublishError::EpochFull)?;
        Ok(Reserving {
            state: self.encode(),
            reservation: Reservation {
                sequence,
                epoch: Arc::clone(&self.identity),
            },
        })
    }

    /// The lowest sequence number that the next epoch may begin with.
    #[must_use]
    pub const fn next_number(&self) -> u64 {
        self.next
    }

    /// The edition of the newest publication, if there is one.
    #[must_use]
    pub fn edition(&self) -> Option<Edition> {
        self.current.map(|current| current.edition)
    }

    /// The root of the newest publication, if there is one.
    #[must_use]
    pub fn root(&self) -> Option<Hash> {
        self.current.map(|current| current.root)
    }

    /// The state as bytes; they hold no secret, but say how many items there are.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(CONTEXT);
        self.domain.write(&mut writer);
        writer
            .u64(self.queries)
            .u64(self.next)
            .u8(self.publications)
            .u8(self.current.is_some().into());
        if let Some(current) = &self.current {
            current.edition.write(&mut writer);
            writer
                .fixed(&current.root)
                .u64(current.items)
                .u64(current.first_dummies)
                .u64(current.roll_length)
                .fixed(&current.roll_digest);
        }
        writer.finish()
    }

    /// Reads the state back after a restart.
    ///
    /// Every sequence number that was reserved by then counts as used: nobody knows what the
    /// process before had sealed when it ended.
    ///
    /// # Errors
    ///
    /// [`PublishError::State`].
    pub fn decode(state: &[u8]) -> Result<Self, PublishError> {
        Self::read(state).map_err(PublishError::State)
    }

    /// What this value and what is made for it are told from another epoch's by.
    pub(super) const fn identity(&self) -> &Arc<()> {
        &self.identity
    }

    /// Takes a reservation up; what fails from here on has used the sequence number.
    pub(super) fn seal_under(&mut self, reservation: Reservation) -> Result<u64, PublishError> {
        let Reservation { sequence, epoch } = reservation;
        if !Arc::ptr_eq(&epoch, &self.identity) {
            return Err(PublishError::OtherEpoch);
        }
        if sequence < self.unsealed {
            return Err(PublishError::SequenceUsed);
        }
        self.check_room(sequence)?;
        self.unsealed = sequence + 1;
        Ok(sequence)
    }

    /// Whether one more publication may be made, under this sequence number.
    fn check_room(&self, sequence: u64) -> Result<(), PublishError> {
        let first = self
            .current
            .map_or(sequence, |current| current.edition.first_sequence);
        if self.publications >= PUBLICATIONS || sequence - first >= SEQUENCES {
            Err(PublishError::EpochFull)
        } else {
            Ok(())
        }
    }

    pub(super) fn published(&mut self, current: Current) {
        self.publications += 1;
        self.current = Some(current);
    }

    fn read(state: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(CONTEXT, state)?;
        let domain = Domain::read(&mut reader)?;
        let queries = reader.u64()?;
        let next = reader.u64()?;
        let publications = reader.u8()?;
        let current = match reader.u8()? {
            0 => None,
            1 => Some(Current {
                edition: Edition::read(&mut reader)?,
                root: reader.fixed()?,
                items: reader.u64()?,
                first_dummies: reader.u64()?,
                roll_length: reader.u64()?,
                roll_digest: reader.fixed()?,
            }),
            _ => return Err(DecodeError::Field),
        };
        reader.finish()?;
        let consistent = match &current {
            None => publications == 0,
            Some(Current {
                edition,
                items,
                first_dummies,
                ..
            }) => {
                let left = PUBLICATIONS.checked_sub(publications);
                let leave = left.map(|left| u64::from(left) * edition.class.churn());
                let entries = items.checked_add(*first_dummies);
                publications > 0
                    && leave.is_some_and(|leave| leave <= *first_dummies)
                    && entries.is_some_and(|entries| entries <= edition.class.entries())
                    && edition.sequence < next
            }
        };
        if consistent {
            Ok(Self {
                domain,
                queries,
                next,
                unsealed: next,
                publications,
                current,
                identity: Arc::default(),
            })
        } else {
            Err(DecodeError::Field)
        }
    }
}

impl Reserving {
    /// The state to store durably.
    #[must_use]
    pub fn state(&self) -> &[u8] {
        &self.state
    }

    /// The reservation, once the state is on disk.
    #[must_use]
    pub fn stored(self) -> Reservation {
        self.reservation
    }
}

impl Reservation {
    /// The sequence number.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }
}
