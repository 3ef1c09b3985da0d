//! What the exchange found, and where that is not what it has to find.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use blindmatch_indicator::IndicatorType;
use blindmatch_membership::Name;
use blindmatch_policy::Protocol;
use blindmatch_store::collection::CollectionName;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::Expected;

/// The key of a row of a collection: type code ‖ canonicalisation version ‖ canonical bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Zeroize, ZeroizeOnDrop)]
pub struct RowKey(Vec<u8>);

/// What the exchange came to, all of it.
#[derive(Debug)]
pub struct Exchanged {
    /// Every run of the batch, by querier, responder, collection and type.
    pub pairs: Vec<PairResult>,
    /// What else was done, in its order: a query, the receipts.
    pub steps: Vec<Step>,
}

/// What one member's collection came to at another member, for one type.
#[derive(Clone, Debug)]
pub struct PairResult {
    /// Who asked.
    pub querier: Name,
    /// Who was asked.
    pub responder: Name,
    /// Whose rows were asked for: a collection of the querier.
    pub collection: CollectionName,
    /// The type of the view that was asked.
    pub indicator_type: IndicatorType,
    /// The id of the purpose.
    pub purpose: String,
    /// By which protocol.
    pub protocol: Protocol,
    /// How it ended.
    pub outcome: Outcome,
    /// Rows of the collection that were asked for; ladder tokens and padding do not count.
    pub items: u64,
    /// Items that the responder evaluated for it: tokens of a ladder count, padding does not, nor
    /// does what was known of this epoch already.
    pub asked: u64,
    /// What that was charged: the items, padded.
    pub charged: u64,
    /// Items of customers that did not change and were not asked for, of which nothing is known in
    /// this epoch.
    pub left_out: u64,
    /// How much of a collection of customers is known in this epoch; nothing of another collection, or
    /// where nothing was answered.
    pub covered: Option<Covered>,
    /// Whether the run has a receipt that both sides signed.
    pub receipted: bool,
    /// The rows of the collection that the responder holds too.
    pub found: BTreeSet<RowKey>,
    /// So many more it holds that were left alone, being more than the policy has opened of one run.
    pub unopened: u64,
    /// Those of them that the run before did not find.
    pub fresh: u64,
    /// Rows that the run before found and this one did not; 0 where not all was asked for.
    pub gone: u64,
    /// Rows that both found and of which the responder says something else now.
    pub changed: u64,
    /// How long it took.
    pub took: Duration,
    /// Bytes on the wire, both ways, the publication included where it was fetched for this run.
    pub bytes: u64,
}

/// How much of a collection a peer was asked for in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Items of which it is known whether the peer holds them.
    pub known: u64,
    /// All.
    pub items: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Whole: what was asked for and not found is not held.
    Done,
    /// The responder serves no such view to us: its policy does not, or it has nothing to serve.
    NotServed,
    /// The responder serves nothing at all to us: its policy does not, or it has published nothing.
    Nothing,
    /// A policy refuses, whosever it is; why.
    Refused(String),
    /// A budget does not cover it; which.
    Budget(String),
    /// The responder is not reached, or not any more; why.
    Unreachable(String),
    /// The responder's publication is not here yet; so many bytes it has.
    Preparing(u64),
    /// It broke off; why.
    Failed(String),
}

/// Something that the demonstration does besides the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is called.
    pub name: &'static str,
    /// Whether it came out as it has to.
    pub ok: bool,
    /// What came of it, in a line.
    pub said: String,
}

/// Where the exchange did not find what it has to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Who asked.
    pub querier: Name,
    /// Who was asked.
    pub responder: Name,
    /// The type.
    pub indicator_type: IndicatorType,
    /// How many rows it has to find.
    pub expected: usize,
    /// How many of them it did not find.
    pub missing: usize,
    /// How many it found that it must not find.
    pub surplus: usize,
    /// How the run ended; nothing where there was none.
    pub outcome: Option<Outcome>,
}

/// Compares what was found with what has to be.
///
/// A run that was refused or broke off differs where it has something to find, and so does one
/// that never was.
#[must_use]
pub fn differences(expected: &Expected, pairs: &[PairResult]) -> Vec<Difference> {
    let mut open: BTreeMap<_, _> = expected.iter().collect();
    let mut differences = Vec::new();
    let nothing = BTreeSet::new();
    for pair in pairs {
        let of = (&pair.querier, &pair.responder, pair.indicator_type);
        let wanted = open.remove(&of).or_else(|| expected.of(of));
        let wanted = wanted.unwrap_or(&nothing);
        differences.extend(difference(of, wanted, Some(pair)));
    }
    // What is left nobody asked for.
    let never = open
        .into_iter()
        .filter_map(|(of, wanted)| difference(of, wanted, None));
    differences.extend(never);
    differences
}

fn difference(
    (querier, responder, indicator_type): (&Name, &Name, IndicatorType),
    wanted: &BTreeSet<RowKey>,
    pair: Option<&PairResult>,
) -> Option<Difference> {
    let nothing = BTreeSet::new();
    let found = pair.map_or(&nothing, |pair| &pair.found);
    (wanted != found).then(|| Difference {
        querier: querier.clone(),
        responder: responder.clone(),
        indicator_type,
        expected: wanted.len(),
        missing: wanted.difference(found).count(),
        surplus: found.difference(wanted).count(),
        outcome: pair.map(|pair| pair.outcome.clone()),
    })
}

impl RowKey {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The type of the indicator, where its code is known.
    #[must_use]
    pub fn indicator_type(&self) -> Option<IndicatorType> {
        IndicatorType::from_code(*self.0.first()?)
    }
}

impl From<&[u8]> for RowKey {
    fn from(key: &[u8]) -> Self {
        Self(key.to_vec())
    }
}

impl fmt::Debug for RowKey {
    /// Prints the type and never the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.indicator_type().map_or("unknown", IndicatorType::name);
        write!(f, "RowKey({kind}, <redacted>)")
    }
}

impl Outcome {
    /// The name, as in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotServed => "not_served",
            Self::Nothing => "nothing_served",
            Self::Refused(_) => "refused",
            Self::Budget(_) => "budget",
            Self::Unreachable(_) => "unreachable",
            Self::Preparing(_) => "preparing",
            Self::Failed(_) => "failed",
        }
    }

    /// Why it is not done.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Done => None,
            Self::Nothing => Some(
                "the peer serves us nothing: its policy allows us nothing, or it has published nothing; \
                 tell its operator"
                    .to_owned(),
            ),
            Self::NotServed => Some("the peer serves us no such view".to_owned()),
            Self::Refused(reason)
            | Self::Budget(reason)
            | Self::Unreachable(reason)
            | Self::Failed(reason) => Some(reason.clone()),
            // Rounded up: a megabyte at least.
            Self::Preparing(bytes) => Some(format!(
                "its publication is being fetched, {} MB",
                bytes.div_ceil(1_000_000)
            )),
        }
    }

    /// Whether the peer serves us what was asked for.
    #[must_use]
    pub const fn is_served(&self) -> bool {
        !matches!(self, Self::NotServed | Self::Nothing)
    }

    /// Whether it ended otherwise than it has to on a good day: a rule that refuses is no failure.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        !matches!(
            self,
            Self::Done | Self::NotServed | Self::Nothing | Self::Refused(_)
        )
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            querier,
            responder,
            indicator_type,
            expected,
            missing,
            surplus,
            outcome,
        } = self;
        write!(
            f,
            "{querier} at {responder}, {indicator_type}: of {expected} to find, {missing} missing"
        )?;
        if *surplus > 0 {
            write!(f, ", and {surplus} found that are none")?;
        }
        match outcome {
            None => f.write_str(" (nobody asked)"),
            Some(Outcome::Done) => Ok(()),
            Some(outcome) => {
                let reason = outcome.reason().unwrap_or_default();
                write!(f, " ({}: {reason})", outcome.name())
            }
        }
    }
}
