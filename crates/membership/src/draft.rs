//! What a roster says, while an administrator still changes it.

use std::{collections::BTreeMap, fmt};

use crate::{
    member::{Card, Member},
    roster::{KeySet, Roster, WitnessQuorum},
    values::{Digest, Name},
};

/// The content of a roster. [`Roster::new`] checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The name of the consortium.
    pub consortium: Name,
    /// Which roster it is, from 1.
    pub number: u64,
    /// The digest of the roster before, which only number 1 lacks.
    pub previous: Option<Digest>,
    /// When it comes into force, in seconds of Unix time.
    pub not_before: u64,
    /// When it is no longer in force, in seconds of Unix time.
    pub expires: u64,
    /// The keys that sign rosters.
    pub keys: KeySet,
    /// The keys that can replace them when they are lost.
    pub next_keys: KeySet,
    /// How many witnesses cosign.
    pub witness_quorum: WitnessQuorum,
    /// The version in force of each type of indicator, by the frozen name of the type.
    pub canonicalisation: BTreeMap<String, u8>,
    /// The tables that canonicalisation uses, e.g. the public suffix list.
    pub tables: BTreeMap<Name, Digest>,
    /// The lists of values that are left out of sets.
    pub exclusions: BTreeMap<Name, Digest>,
    /// The members.
    pub members: BTreeMap<Name, Member>,
}

/// Why a draft cannot be changed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DraftError {
    /// There is a member of this name already.
    MemberExists,
    /// There is no member of this name.
    NoMember,
}

impl Draft {
    /// The first roster of a consortium, without members, tables or exclusions.
    #[must_use]
    pub const fn first(
        consortium: Name,
        (not_before, expires): (u64, u64),
        keys: KeySet,
        next_keys: KeySet,
    ) -> Self {
        Self {
            consortium,
            number: 1,
            previous: None,
            not_before,
            expires,
            keys,
            next_keys,
            witness_quorum: WitnessQuorum::MoreThanHalf,
            canonicalisation: BTreeMap::new(),
            tables: BTreeMap::new(),
            exclusions: BTreeMap::new(),
            members: BTreeMap::new(),
        }
    }

    /// The roster behind `roster`, in force between these times, otherwise the same.
    #[must_use]
    pub fn after(roster: &Roster, (not_before, expires): (u64, u64)) -> Self {
        Self {
            // A roster of the last number there is has no successor: number 0 is refused.
            number: roster.number.wrapping_add(1),
            previous: Some(roster.digest()),
            not_before,
            expires,
            ..Self::clone(roster)
        }
    }

    /// Adds the member of this card.
    ///
    /// # Errors
    ///
    /// [`DraftError::MemberExists`].
    pub fn add(&mut self, card: &Card, witness: bool) -> Result<(), DraftError> {
        if self.members.contains_key(&card.member().name) {
            return Err(DraftError::MemberExists);
        }
        self.put(card, witness);
        Ok(())
    }

    /// Puts this card, with a new key or address, in the place of the one that its member has.
    ///
    /// # Errors
    ///
    /// [`DraftError::NoMember`].
    pub fn replace(&mut self, card: &Card) -> Result<(), DraftError> {
        let member = self.members.get(&card.member().name);
        let witness = member.ok_or(DraftError::NoMember)?.witness;
        self.put(card, witness);
        Ok(())
    }

    /// Removes a member.
    ///
    /// # Errors
    ///
    /// [`DraftError::NoMember`].
    pub fn remove(&mut self, name: &Name) -> Result<Member, DraftError> {
        self.members.remove(name).ok_or(DraftError::NoMember)
    }

    /// Says whether a member is a witness.
    ///
    /// # Errors
    ///
    /// [`DraftError::NoMember`].
    pub fn set_witness(&mut self, name: &Name, witness: bool) -> Result<(), DraftError> {
        let member = self.members.get_mut(name).ok_or(DraftError::NoMember)?;
        member.witness = witness;
        Ok(())
    }

    /// Lowers a quorum that the witnesses there are cannot reach: to all of those that a witness's own
    /// ledger has. Gives the one before where it did.
    pub fn lower_quorum(&mut self) -> Option<WitnessQuorum> {
        let witnesses = self.members.values().filter(|member| member.witness);
        let others = witnesses.count().saturating_sub(1);
        match self.witness_quorum {
            WitnessQuorum::Exactly(quorum) if quorum > others => {
                let lowered = match others {
                    0 => WitnessQuorum::MoreThanHalf,
                    others => WitnessQuorum::Exactly(others),
                };
                Some(std::mem::replace(&mut self.witness_quorum, lowered))
            }
            _ => None,
        }
    }

    /// Lets the next keys take the place of the keys, with new next keys behind them.
    pub fn advance_keys(&mut self, next_keys: KeySet) {
        self.keys = std::mem::replace(&mut self.next_keys, next_keys);
    }

    fn put(&mut self, card: &Card, witness: bool) {
        let member = Member {
            witness,
            ..card.member().clone()
        };
        self.members.insert(member.name.clone(), member);
    }
}

impl fmt::Display for DraftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MemberExists => "the roster has a member of this name already",
            Self::NoMember => "the roster has no member of this name",
        })
    }
}

impl std::error::Error for DraftError {}
