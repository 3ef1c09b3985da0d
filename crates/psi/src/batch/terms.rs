//! What both sides of one batch run know.

use blindmatch_audit::{
    codec::Writer,
    receipt::{Input, Receipt},
};
use blindmatch_vole::{
    Dimensions, ItemHasher, SessionId, Shape,
    online::{AnswerForm, TagCode},
    parameters::{MAX_CLASS, MIN_CLASS},
};
use sha2::{Digest, Sha256};

use super::setup::SetupTerms;
use crate::{
    agreement::{Agreement, Direction, Protocol, RunId},
    publication::{self, QueryClass},
    session::{Debit, UnixSeconds},
    stop::Fault,
    transcript::Transcript,
};

const SALT: &str = "blindmatch batch salt v1";
const DEBIT: &str = "blindmatch batch debit v1";

/// The bytes of a label, where there are labels.
pub const LABEL_LENGTH: usize = publication::LABEL_LENGTH;

/// Whether a responder's items have labels. It is part of the setup's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Labels {
    /// None.
    None,
    /// One of [`LABEL_LENGTH`] bytes each.
    Sealed,
}

impl Labels {
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::None => 0,
            Self::Sealed => LABEL_LENGTH,
        }
    }
}

/// The smallest size class of a set of so many items: {4, 5, 6, 7}·2^k, from 1,024 to 2^26.
#[must_use]
pub fn class_holding(items: u64) -> Option<u32> {
    let class = QueryClass::holding(items.max(MIN_CLASS.into()))?.items();
    u32::try_from(class)
        .ok()
        .filter(|class| *class <= MAX_CLASS)
}

/// What both sides of one batch run know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    run: RunId,
    setup: SetupTerms,
    querier_input: Input,
    responder_input: Input,
    shape: Shape,
    form: AnswerForm,
    salt: [u8; 32],
    until: UnixSeconds,
}

impl Terms {
    /// The terms of the run in `direction` of an agreement, over the setup that it names. No new
    /// run is begun after `until`.
    ///
    /// # Errors
    ///
    /// [`Fault::Terms`] where the agreement is about another protocol, another setup, other
    /// parties or another class than the setup, the number of items of either side is not a size
    /// class, or a nonce is missing.
    pub fn new(
        agreement: &Agreement,
        direction: &Direction,
        setup: &SetupTerms,
        until: UnixSeconds,
    ) -> Result<Self, Fault> {
        let querier = &agreement.party(direction.querier).identity;
        let responder = &agreement.party(direction.querier.other()).identity;
        let class =
            |input: &Input| class_holding(input.class).filter(|c| u64::from(*c) == input.class);
        let (ours, theirs) = class(&direction.querier_input)
            .zip(class(&direction.responder_input))
            .ok_or(Fault::Terms)?;
        let agreed = agreement.protocol == Protocol::Batch
            && agreement.directions.contains(direction)
            && agreement.parties.iter().all(|party| party.nonce != [0; 32])
            && direction.setup == setup.id().0
            && agreement.consortium == setup.consortium
            && *querier == setup.querier
            && *responder == setup.responder
            && ours == setup.class;
        let form = TagCode::new(theirs).map(|tags| AnswerForm {
            tags,
            label: setup.labels.bytes(),
        });
        let (shape, form) = Shape::for_class(ours).zip(form).ok_or(Fault::Terms)?;
        if !agreed {
            return Err(Fault::Terms);
        }
        let salt = Writer::new(SALT)
            .bytes(&agreement.consortium)
            .u32(direction.canonicalisation)
            .finish();
        Ok(Self {
            run: agreement.run_id(direction),
            setup: setup.clone(),
            querier_input: direction.querier_input,
            responder_input: direction.responder_input,
            shape,
            form,
            salt: Sha256::digest(salt).into(),
            until,
        })
    }

    /// The run's id.
    #[must_use]
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// What the budget is charged: twice the querier's class, since a cheat could program
    /// somewhat less than that (`spec/33 §14`).
    #[must_use]
    pub const fn evaluations(&self) -> u64 {
        2 * self.querier_input.class
    }

    pub(crate) const fn setup(&self) -> &SetupTerms {
        &self.setup
    }

    pub(crate) const fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(crate) const fn form(&self) -> AnswerForm {
        self.form
    }

    pub(crate) const fn labels(&self) -> Labels {
        self.setup.labels
    }

    pub(crate) const fn until(&self) -> UnixSeconds {
        self.until
    }

    /// The places in the querier's set, padding included.
    pub(crate) const fn querier_class(&self) -> usize {
        self.shape.class() as usize
    }

    /// The places in the responder's set, padding included.
    pub(crate) const fn responder_class(&self) -> usize {
        self.form.tags.count() as usize
    }

    /// What the online flights are bound to.
    pub(crate) const fn session(&self) -> SessionId {
        SessionId::from_bytes(self.run.0)
    }

    pub(crate) fn hasher(&self) -> ItemHasher {
        ItemHasher::new(&self.salt, &self.session())
    }

    /// The parts of F8, one for each setup of a chunk: which bins, and how many bytes.
    pub(crate) fn chunks(&self) -> Vec<Chunk> {
        let chunk = |(number, bins)| Chunk {
            number,
            dimensions: self.shape.dimensions(&bins),
            bins,
        };
        (0..).zip(self.shape.chunks()).map(chunk).collect()
    }

    /// The charge of the run, tied to what its first frame brings.
    pub(crate) fn debit(&self, opening: &[u8; 32]) -> Debit {
        let digest = Writer::new(DEBIT)
            .fixed(&self.run.0)
            .fixed(&self.setup.id().0)
            .fixed(opening)
            .finish();
        Debit {
            batch: 1,
            digest: Sha256::digest(digest).into(),
            evaluations: self.evaluations(),
        }
    }

    /// The receipt of the whole run.
    pub(crate) fn receipt(&self, transcript: &Transcript) -> Receipt {
        Receipt {
            run: self.run.0,
            querier: self.setup.querier.clone(),
            responder: self.setup.responder.clone(),
            querier_input: self.querier_input,
            responder_input: self.responder_input,
            transcript: transcript.digest(),
        }
    }
}

/// The bins of one setup of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) number: usize,
    pub(crate) bins: std::ops::Range<u32>,
    pub(crate) dimensions: Dimensions,
}
