//! The delegations that a node knows of its peers (`spec/41-membership.md` §6.3).

use std::collections::BTreeMap;

use blindmatch_audit::{
    VerifyingKey,
    codec::{DecodeError, Reader, Writer},
};

use crate::{
    delegation::{Delegation, DelegationError, MAX_DELEGATION},
    roster::Roster,
    values::{MAX_NAME, Name},
};

const CONTEXT: &str = "blindmatch delegations v1";

/// The most delegations that are kept of one member: with one more, the lowest is revoked.
pub const MAX_DELEGATIONS: usize = 8;

/// The most members that may ever have been known.
const MAX_KNOWN: usize = 1 << 16;

/// What is known of all members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delegations(BTreeMap<Name, Known>);

/// What is known of one member under its present identity.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    identity: VerifyingKey,
    /// Outlives the delegation that said so, which may expire before what it revoked.
    first_valid: u64,
    /// Ascending by number.
    delegations: Vec<Delegation>,
}

impl Delegations {
    /// Takes a delegation that came from anybody, at `now` in seconds of Unix time; says whether
    /// it is new.
    ///
    /// Forgets those of this member that have expired.
    ///
    /// # Errors
    ///
    /// [`DelegationError`]; nothing has changed then.
    pub fn accept(
        &mut self,
        roster: &Roster,
        delegation: &[u8],
        now: u64,
    ) -> Result<bool, DelegationError> {
        if let Some(held) = self.held(delegation) {
            return held.check(roster, now).map(|_| false);
        }
        let delegation = Delegation::read(delegation)?;
        delegation.check(roster, now)?;
        let known = self.0.get(&delegation.member);
        let known = known.filter(|known| known.identity == delegation.identity);
        let first_valid = known.map_or(1, |known| known.first_valid);
        let twin = known
            .iter()
            .flat_map(|known| &known.delegations)
            .find(|held| held.number == delegation.number);
        if let Some(twin) = twin {
            return if twin.digest() == delegation.digest() {
                Ok(false)
            } else {
                Err(DelegationError::Fork {
                    number: delegation.number,
                })
            };
        }
        if delegation.number < first_valid {
            return Err(DelegationError::Revoked);
        }
        let mut next = known.cloned().unwrap_or_else(|| Known {
            identity: delegation.identity,
            first_valid,
            delegations: Vec::new(),
        });
        next.first_valid = first_valid.max(delegation.first_valid);
        let name = delegation.member.clone();
        next.insert(delegation, now);
        self.0.insert(name, next);
        Ok(true)
    }

    /// Those of a member that are in force by `roster` at a time, the newest first.
    pub fn in_force<'a>(
        &'a self,
        roster: &'a Roster,
        member: &Name,
        at: u64,
    ) -> impl Iterator<Item = &'a Delegation> {
        self.known(member)
            .filter(move |delegation| delegation.check(roster, at).is_ok())
    }

    /// Those of a member that are not revoked, in force or not, the newest first.
    pub fn known(&self, member: &Name) -> impl Iterator<Item = &Delegation> {
        let known = self.0.get(member).into_iter();
        known.flat_map(|known| known.delegations.iter().rev())
    }

    /// The one of these bytes, whose signatures held when it was taken: greetings repeat it.
    fn held(&self, delegation: &[u8]) -> Option<&Delegation> {
        let mut all = self.0.values().flat_map(|known| &known.delegations);
        all.find(|held| held.to_string().as_bytes() == delegation)
    }

    /// The canonical encoding (`spec/41-membership.md` §6.4).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(CONTEXT);
        writer.u32(count(self.0.len()));
        for (name, known) in &self.0 {
            writer
                .bytes(name.as_str().as_bytes())
                .fixed(known.identity.as_bytes())
                .u64(known.first_valid)
                .u32(count(known.delegations.len()));
            for delegation in &known.delegations {
                writer.bytes(delegation.to_string().as_bytes());
            }
        }
        writer.finish()
    }

    /// Reads the canonical encoding; the signatures have to hold.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(CONTEXT, bytes)?;
        let mut members: BTreeMap<Name, Known> = BTreeMap::new();
        for _ in 0..limited(reader.u32()?, MAX_KNOWN)? {
            let name = str::from_utf8(reader.bytes(MAX_NAME)?).map_err(|_| DecodeError::Field)?;
            let name: Name = name.parse().map_err(|_| DecodeError::Field)?;
            let known = Known::read(&name, &mut reader)?;
            if members
                .last_key_value()
                .is_some_and(|(last, _)| *last >= name)
            {
                return Err(DecodeError::Field);
            }
            members.insert(name, known);
        }
        reader.finish()?;
        Ok(Self(members))
    }
}

impl Known {
    /// Puts a delegation in its place and lets go of what is revoked, expired, or one too many.
    fn insert(&mut self, delegation: Delegation, now: u64) {
        let at = self
            .delegations
            .partition_point(|held| held.number < delegation.number);
        self.delegations.insert(at, delegation);
        let first_valid = self.first_valid;
        self.delegations
            .retain(|held| held.number >= first_valid && now < held.expires);
        while self.delegations.len() > MAX_DELEGATIONS {
            self.first_valid = self.delegations.remove(0).number.saturating_add(1);
        }
    }

    fn read(name: &Name, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let identity = reader.fixed()?;
        let identity = VerifyingKey::from_bytes(&identity).map_err(|_| DecodeError::Field)?;
        let first_valid = reader.u64()?;
        let mut delegations: Vec<Delegation> = Vec::new();
        for _ in 0..limited(reader.u32()?, MAX_DELEGATIONS)? {
            let delegation = reader.bytes(MAX_DELEGATION)?;
            let delegation = Delegation::read(delegation).map_err(|_| DecodeError::Field)?;
            let least = delegations
                .last()
                .map_or(first_valid, |last| last.number.saturating_add(1));
            let belongs = delegation.member == *name && delegation.identity == identity;
            if !belongs || delegation.number < least || delegation.first_valid > first_valid {
                return Err(DecodeError::Field);
            }
            delegations.push(delegation);
        }
        Ok(Self {
            identity,
            first_valid,
            delegations,
        })
    }
}

fn limited(count: u32, limit: usize) -> Result<usize, DecodeError> {
    let count = usize::try_from(count).map_err(|_| DecodeError::TooLong)?;
    if count > limit {
        Err(DecodeError::TooLong)
    } else {
        Ok(count)
    }
}

/// Saturates, where the limit on reading is far below.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
