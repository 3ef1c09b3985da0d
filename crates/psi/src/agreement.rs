//! What both sides of a run agree on, as the same canonical bytes (`spec/30-session.md` §2).
//!
//! The first party proposes, each side checks its own policy, and the second party answers with
//! the completed agreement or with a [`Refusal`]. The rules themselves are the caller's: here,
//! identities, views, types and purposes are opaque names.

use std::fmt;

use blindmatch_audit::{
    codec::{DecodeError, Reader, Writer},
    receipt::Input,
};
use sha2::{Digest, Sha256};

/// The most bytes of an identity or of any other name in an agreement.
pub const MAX_NAME: usize = 255;

const AGREEMENT: &str = "blindmatch agreement v1";
const REFUSAL: &str = "blindmatch refusal v1";
const RUN: &str = "blindmatch run v1";

/// What an [`Input`] is while its owner has not named it.
const UNNAMED: Input = Input {
    commitment: [0; 32],
    class: 0,
};

/// The id of a run: a hash of the agreement, both sides and both nonces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub [u8; 32]);

/// A protocol with its profile. A run uses the one agreed on, never another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// OPRF against a published view, in the verifiable mode of RFC 9497.
    Lookup,
    /// VOLE-based balanced PSI in the malicious-secure profile.
    Batch,
}

/// One of the two that agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Who it is; 1 to [`MAX_NAME`] bytes.
    pub identity: Vec<u8>,
    /// 32 fresh random bytes; zero in a proposal's second party.
    pub nonce: [u8; 32],
}

/// Who of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The party that proposed.
    First,
    /// The party that answered.
    Second,
}

/// One run: one querier, one view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Direction {
    /// Who asks; the other responds.
    pub querier: Role,
    /// The responder's view.
    pub view: Vec<u8>,
    /// The type of the indicators.
    pub indicator_type: Vec<u8>,
    /// The version of that type's canonicalisation.
    pub canonicalisation: u32,
    /// What the run is for.
    pub purpose: Vec<u8>,
    /// What the querier puts in: a salted commitment to its items and their size class.
    pub querier_input: Input,
    /// What the responder puts in: in lookup the manifest's digest, in batch a salted commitment
    /// to its snapshot, and the set's size class.
    pub responder_input: Input,
    /// The id of the payment key; empty where none matters.
    pub payment_key: Vec<u8>,
    /// The id of the part prepared ahead of time; zero where the protocol has none.
    pub setup: [u8; 32],
}

/// Everything that both sides agree on before a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The consortium.
    pub consortium: Vec<u8>,
    /// The number of its roster in force.
    pub roster: u64,
    /// How the sets are intersected.
    pub protocol: Protocol,
    /// The party that proposed and the one that answered.
    pub parties: [Party; 2],
    /// One run or two with the roles swapped, in the order in which they are made.
    pub directions: Vec<Direction>,
}

/// A side's word that a proposal breaks one of its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The SHA-256 hash of the proposal's bytes.
    pub proposal: [u8; 32],
    /// Which rule refused, and what to do: text for the operators of both sides.
    pub rule: String,
}

impl Agreement {
    /// The canonical bytes: of a proposal, or what both agreed on.
    ///
    /// # Panics
    ///
    /// On a name of more than 4 GiB.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(AGREEMENT);
        let (protocol, profile) = self.protocol.names();
        writer
            .bytes(&self.consortium)
            .u64(self.roster)
            .bytes(protocol)
            .bytes(profile);
        for party in &self.parties {
            writer.bytes(&party.identity).fixed(&party.nonce);
        }
        // `decode` holds it to two, and no more agree with what it gives.
        writer.u8(u8::try_from(self.directions.len()).unwrap_or(u8::MAX));
        for direction in &self.directions {
            direction.write(&mut writer);
        }
        writer.finish()
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]; [`DecodeError::Field`] also for an empty identity, two equal ones, an
    /// unknown protocol, and any number of directions but one or two opposite ones.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(AGREEMENT, bytes)?;
        let consortium = name(&mut reader)?;
        let roster = reader.u64()?;
        let protocol = Protocol::from_names(reader.bytes(MAX_NAME)?, reader.bytes(MAX_NAME)?)?;
        let parties = [Party::read(&mut reader)?, Party::read(&mut reader)?];
        let count = reader.u8()?;
        if !(1..=2).contains(&count) {
            return Err(DecodeError::Field);
        }
        let directions = (0..count)
            .map(|_| Direction::read(&mut reader))
            .collect::<Result<Vec<_>, _>>()?;
        reader.finish()?;
        let [first, second] = &parties;
        let opposite = match directions.as_slice() {
            [there, back] => there.querier != back.querier,
            _ => true,
        };
        if first.identity == second.identity || !opposite {
            return Err(DecodeError::Field);
        }
        Ok(Self {
            consortium,
            roster,
            protocol,
            parties,
            directions,
        })
    }

    /// Whether this answers `proposal`: the same, but for what the second party names, i.e. its
    /// nonce and those of its inputs that the proposal left unnamed.
    #[must_use]
    pub fn completes(&self, proposal: &Self) -> bool {
        let mut completed = proposal.clone();
        completed.parties[1].nonce = self.parties[1].nonce;
        for (direction, own) in completed.directions.iter_mut().zip(&self.directions) {
            let (input, named) = match direction.querier {
                Role::First => (&mut direction.responder_input, own.responder_input),
                Role::Second => (&mut direction.querier_input, own.querier_input),
            };
            if *input == UNNAMED {
                *input = named;
            }
        }
        completed == *self && self.parties[1].nonce != [0; 32]
    }

    /// The party in this role.
    #[must_use]
    pub const fn party(&self, role: Role) -> &Party {
        let [first, second] = &self.parties;
        match role {
            Role::First => first,
            Role::Second => second,
        }
    }

    /// The id of the run in `direction`:
    /// `SHA-256(agreed bytes, querier, responder, querier's nonce, responder's nonce)`.
    ///
    /// # Panics
    ///
    /// As [`Self::encode`].
    #[must_use]
    pub fn run_id(&self, direction: &Direction) -> RunId {
        let querier = self.party(direction.querier);
        let responder = self.party(direction.querier.other());
        let bytes = Writer::new(RUN)
            .bytes(&self.encode())
            .bytes(&querier.identity)
            .bytes(&responder.identity)
            .fixed(&querier.nonce)
            .fixed(&responder.nonce)
            .finish();
        RunId(Sha256::digest(bytes).into())
    }
}

impl Direction {
    fn write(&self, writer: &mut Writer) {
        writer
            .u8(self.querier.code())
            .bytes(&self.view)
            .bytes(&self.indicator_type)
            .u32(self.canonicalisation)
            .bytes(&self.purpose);
        for input in [&self.querier_input, &self.responder_input] {
            writer.fixed(&input.commitment).u64(input.class);
        }
        writer.bytes(&self.payment_key).fixed(&self.setup);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            querier: Role::from_code(reader.u8()?)?,
            view: name(reader)?,
            indicator_type: name(reader)?,
            canonicalisation: reader.u32()?,
            purpose: name(reader)?,
            querier_input: input(reader)?,
            responder_input: input(reader)?,
            payment_key: name(reader)?,
            setup: reader.fixed()?,
        })
    }
}

impl Party {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let identity = name(reader)?;
        if identity.is_empty() {
            return Err(DecodeError::Field);
        }
        Ok(Self {
            identity,
            nonce: reader.fixed()?,
        })
    }
}

impl Role {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }

    const fn from_code(code: u8) -> Result<Self, DecodeError> {
        match code {
            0 => Ok(Self::First),
            1 => Ok(Self::Second),
            _ => Err(DecodeError::Field),
        }
    }
}

impl Protocol {
    /// The names of the protocol and its profile.
    const fn names(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Lookup => (b"lookup", b"voprf-ristretto255-sha512"),
            Self::Batch => (b"batch", b"rr22-malicious-128"),
        }
    }

    fn from_names(protocol: &[u8], profile: &[u8]) -> Result<Self, DecodeError> {
        [Self::Lookup, Self::Batch]
            .into_iter()
            .find(|known| known.names() == (protocol, profile))
            .ok_or(DecodeError::Field)
    }
}

impl Refusal {
    /// A refusal of `proposal` for `rule`, of which as many whole characters are told as
    /// [`MAX_NAME`] bytes hold.
    ///
    /// # Panics
    ///
    /// As [`Agreement::encode`].
    #[must_use]
    pub fn new(proposal: &Agreement, rule: &str) -> Self {
        let (told, _) = rule.split_at(rule.floor_char_boundary(MAX_NAME));
        Self {
            proposal: Sha256::digest(proposal.encode()).into(),
            rule: told.to_owned(),
        }
    }

    /// What the operators of both sides can quote of it.
    #[must_use]
    pub const fn reference(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.proposal;
        [a, b, c, d, e, f, g, h]
    }

    /// The canonical bytes.
    ///
    /// # Panics
    ///
    /// On a rule of more than 4 GiB.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::new(REFUSAL)
            .fixed(&self.proposal)
            .bytes(self.rule.as_bytes())
            .finish()
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]; [`DecodeError::Field`] also for a rule that is not UTF-8.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(REFUSAL, bytes)?;
        let refusal = Self {
            proposal: reader.fixed()?,
            rule: String::from_utf8(name(&mut reader)?).map_err(|_| DecodeError::Field)?,
        };
        reader.finish()?;
        Ok(refusal)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunId(")?;
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

fn name(reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    reader.bytes(MAX_NAME).map(<[u8]>::to_vec)
}

fn input(reader: &mut Reader<'_>) -> Result<Input, DecodeError> {
    Ok(Input {
        commitment: reader.fixed()?,
        class: reader.u64()?,
    })
}

#[cfg(test)]
mod tests;
