//! What the exchange has to find, computed in the clear from the collections of all members.
//!
//! It knows nothing of the exchange, and of the ladder only which blocks a network is served as
//! (`spec/10 §4.2`): networks are compared as ranges of addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use blindmatch_indicator::{Canonicaliser, Day, IndicatorType};
use blindmatch_membership::Name;
use blindmatch_store::collection::CollectionError;
use blindmatch_store::merge::Rows;

use super::{Consortium, Member, RowKey};
use crate::clock;
use crate::error::Error;

/// The lengths of the blocks that networks are served as.
const RUNGS_V4: [u8; 5] = [16, 20, 22, 24, 32];
const RUNGS_V6: [u8; 6] = [32, 40, 48, 56, 64, 128];

/// Which rows of each member's collection each other member holds too, by type.
#[derive(Debug, Default)]
pub struct Expected(BTreeMap<(Name, Name, IndicatorType), BTreeSet<RowKey>>);

/// An indicator to ask all others for, of which it is known who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who asks.
    pub querier: Name,
    /// What for: a row of the querier's own collection.
    pub row: RowKey,
    /// Who holds it.
    pub holders: BTreeSet<Name>,
}

/// The rows of a member, by type.
type Plain = BTreeMap<IndicatorType, BTreeSet<RowKey>>;

impl Expected {
    /// Reads the collections of all members, each with its own keys, and compares them. Rows that
    /// imports left out are not there on either side.
    ///
    /// # Errors
    ///
    /// [`Error::Collection`] and those of keys.
    pub fn of_all(consortium: &Consortium, canonicaliser: &Canonicaliser) -> Result<Self, Error> {
        let mut sets = BTreeMap::new();
        for (name, member) in &consortium.members {
            sets.insert(name, read(member)?);
        }
        let mut expected = BTreeMap::new();
        for (responder, theirs) in &sets {
            let networks = theirs.get(&IndicatorType::Network);
            let networks = Networks::new(networks.into_iter().flatten());
            for (querier, ours) in sets.iter().filter(|(querier, _)| *querier != responder) {
                for kind in IndicatorType::ALL {
                    let common = if kind == IndicatorType::Network {
                        networks.around(ours, canonicaliser)
                    } else {
                        equal(ours, theirs, kind)
                    };
                    if !common.is_empty() {
                        let of = ((*querier).clone(), (*responder).clone(), kind);
                        expected.insert(of, common);
                    }
                }
            }
        }
        Ok(Self(expected))
    }

    /// All that is to be found, by querier, responder and type. What has nothing to find is absent.
    pub fn iter(&self) -> impl Iterator<Item = ((&Name, &Name, IndicatorType), &BTreeSet<RowKey>)> {
        self.0
            .iter()
            .map(|((querier, responder, kind), rows)| ((querier, responder, *kind), rows))
    }

    /// What a querier has to find at a responder; nothing where that is nothing.
    #[must_use]
    pub fn of(
        &self,
        (querier, responder, kind): (&Name, &Name, IndicatorType),
    ) -> Option<&BTreeSet<RowKey>> {
        self.0.get(&(querier.clone(), responder.clone(), kind))
    }

    /// How much that is.
    #[must_use]
    pub fn count(&self, querier: &Name, responder: &Name, kind: IndicatorType) -> usize {
        let rows = self.of((querier, responder, kind));
        rows.map_or(0, BTreeSet::len)
    }

    /// A question whose answer is known: about an indicator that as many members hold as any. Not
    /// about networks, where holders need not hold the row itself.
    #[must_use]
    pub fn question(&self) -> Option<Question> {
        let equal = || {
            self.iter()
                .filter(|((.., kind), _)| *kind != IndicatorType::Network)
        };
        let mut best: Option<Question> = None;
        for ((querier, _, kind), rows) in equal() {
            let of_querier = || equal().filter(move |(of, _)| of.0 == querier && of.2 == kind);
            let held = |row: &RowKey| of_querier().filter(|(_, rows)| rows.contains(row)).count();
            let Some(row) = rows.iter().max_by_key(|row| held(row)) else {
                continue;
            };
            if best
                .as_ref()
                .is_none_or(|best| best.holders.len() < held(row))
            {
                let holders = of_querier().filter(|(_, rows)| rows.contains(row));
                best = Some(Question {
                    querier: querier.clone(),
                    row: row.clone(),
                    holders: holders.map(|(of, _)| of.1.clone()).collect(),
                });
            }
        }
        best
    }
}

fn read(member: &Member) -> Result<Plain, Error> {
    let mut plain = Plain::new();
    let Some(contents) = member.contents()? else {
        return Ok(plain);
    };
    let failed = |error| Error::Collection(contents.name.clone(), error);
    let now = i64::try_from(clock::now()).unwrap_or(i64::MAX);
    let today = Day::from_unix_seconds(now).ok_or_else(|| failed(CollectionError::Clock))?;
    let collections = member.node.collections()?;
    let mut rows = collections.rows(&contents, today).map_err(failed)?;
    while rows.advance().map_err(|error| failed(error.into()))? {
        let Some(row) = rows.row() else { break };
        let Some(kind) = row.indicator_type() else {
            continue;
        };
        // Blocks into which an import split a network are no networks of the member.
        if kind != IndicatorType::Network || row.origin.given {
            plain.entry(kind).or_default().insert(row.key.into());
        }
    }
    Ok(plain)
}

fn equal(ours: &Plain, theirs: &Plain, kind: IndicatorType) -> BTreeSet<RowKey> {
    match (ours.get(&kind), theirs.get(&kind)) {
        (Some(ours), Some(theirs)) => ours.intersection(theirs).cloned().collect(),
        _ => BTreeSet::new(),
    }
}

/// A block of addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Block {
    is_v6: bool,
    first: u128,
    length: u8,
}

/// Blocks of which none lies inside another, ascending.
struct Networks(Vec<Block>);

impl Networks {
    fn new<'a>(rows: impl Iterator<Item = &'a RowKey>) -> Self {
        let mut all: Vec<_> = rows.filter_map(Block::of).collect();
        // Of those that begin together, the widest first.
        all.sort_by_key(|block| (block.is_v6, block.first, block.length));
        let mut outer: Vec<Block> = Vec::new();
        for block in all {
            if !outer.last().is_some_and(|last| last.holds(block)) {
                outer.push(block);
            }
        }
        Self(outer)
    }

    /// The addresses and networks among `rows` that lie inside one of these. A network between two
    /// rungs counts as its blocks do, all of them.
    fn around(&self, rows: &Plain, canonicaliser: &Canonicaliser) -> BTreeSet<RowKey> {
        let kinds = [IndicatorType::Ip, IndicatorType::Network];
        let rows = kinds.iter().filter_map(|kind| rows.get(kind)).flatten();
        let inside = |row: &&RowKey| {
            Block::of(row).is_some_and(|block| {
                let mut parts = block.parts();
                parts.all(|part| self.hold(part) || !part.is_global(canonicaliser))
            })
        };
        rows.filter(inside).cloned().collect()
    }

    fn hold(&self, block: Block) -> bool {
        let begin = |other: &Block| (other.is_v6, other.first) <= (block.is_v6, block.first);
        let behind = self.0.partition_point(begin);
        let before = behind.checked_sub(1).and_then(|at| self.0.get(at));
        before.is_some_and(|other| other.holds(block))
    }
}

impl Block {
    /// That of an `ip` or a `network`.
    fn of(row: &RowKey) -> Option<Self> {
        let bytes = row.as_bytes().get(2..)?;
        let (length, address) = match row.indicator_type()? {
            IndicatorType::Ip => (u8::try_from(bytes.len()).ok()? * 8, bytes),
            IndicatorType::Network => bytes.split_first().map(|(length, rest)| (*length, rest))?,
            _ => return None,
        };
        let first = address
            .iter()
            .fold(0, |bits, byte| bits << 8 | u128::from(*byte));
        let is_v6 = address.len() == 16;
        Some(Self {
            is_v6,
            first,
            length,
        })
    }

    const fn width(self) -> u8 {
        if self.is_v6 { 128 } else { 32 }
    }

    /// How many addresses a block of this length has, less one.
    fn behind(self, length: u8) -> u128 {
        let host = u32::from(self.width().saturating_sub(length));
        1_u128.unbounded_shl(host).wrapping_sub(1)
    }

    fn holds(self, other: Self) -> bool {
        let last = |block: Self| block.first | block.behind(block.length);
        self.is_v6 == other.is_v6 && self.first <= other.first && last(other) <= last(self)
    }

    /// The blocks of the next rung that make it up.
    fn parts(self) -> impl Iterator<Item = Self> {
        let rungs = if self.is_v6 {
            &RUNGS_V6[..]
        } else {
            &RUNGS_V4[..]
        };
        let next = rungs.iter().find(|rung| **rung >= self.length);
        let length = next.copied().unwrap_or(self.length);
        let step = self.behind(length) + 1;
        (0..1_u128 << (length - self.length)).map(move |i| Self {
            first: self.first + i * step,
            length,
            ..self
        })
    }

    /// Whether anybody can hold or ask for it.
    fn is_global(self, canonicaliser: &Canonicaliser) -> bool {
        let text = match u32::try_from(self.first) {
            Ok(v4) if !self.is_v6 => format!("{}/{}", Ipv4Addr::from(v4), self.length),
            _ => format!("{}/{}", Ipv6Addr::from(self.first), self.length),
        };
        canonicaliser.parse(IndicatorType::Network, &text).is_ok()
    }
}

#[cfg(test)]
mod tests;
