//! What a batch would ask, cost and reveal, without asking anybody.

use blindmatch_indicator::IndicatorType;
use blindmatch_membership::Name;
use blindmatch_policy::{Protocol, Request};
use blindmatch_store::collection::CollectionName;

use super::ask::{AskError, allow, payment_key, request};
use super::batch::{Batch, Wanted, wanted};
use super::choose::Estimate;
use super::daemon::Daemon;
use crate::demo::Outcome;
use crate::error::Error;

/// What one collection would ask of one view of a peer.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// Who would be asked.
    pub peer: Name,
    /// Whose rows would be asked for.
    pub collection: CollectionName,
    /// The type of the view.
    pub indicator_type: IndicatorType,
    /// The id of the purpose.
    pub purpose: String,
    /// Rows of the collection that ask for something of this type.
    pub items: u64,
    /// By which protocol, unless the peer does not go along, or its set is of another size than it is
    /// thought to be.
    pub protocol: Protocol,
    /// What a lookup would cost.
    pub lookup: Estimate,
    /// What batch would cost; nothing where the sets or our own policy rule it out.
    pub batch: Option<Estimate>,
    /// Items that would be asked for, tokens of a ladder included: of lookup those that are not known
    /// of the epoch that was accepted last.
    pub ask: u64,
    /// What the peer's budget is charged: the same, padded, of which the peer learns, in batch twice
    /// as much.
    pub charged: u64,
    /// What the peer was asked of the epoch that was accepted last, in items of classes: what it knows of
    /// how many there are.
    pub asked: u64,
    /// How many nights that takes by a day's budget as our own policy has it: the peer's may be another.
    pub nights: u64,
    /// Items of customers that did not change and would not be asked for.
    pub left_out: u64,
    /// The bytes of the publication that was accepted last; nothing where none is in force, and the
    /// peer alone knows how many there are to fetch.
    pub publication: Option<u64>,
    /// [`Outcome::Done`], or why our own policy would refuse it.
    pub outcome: Outcome,
}

impl Foreseen {
    /// What the peer learns of how many items are asked for.
    #[must_use]
    pub const fn class(&self) -> u64 {
        match self.protocol {
            Protocol::Lookup => self.charged,
            Protocol::Batch => self.charged / 2,
        }
    }
}

impl Daemon {
    /// Foresees a batch. Reads the disk, and contacts nobody: a peer may refuse, and an epoch may
    /// have ended since it was last asked.
    ///
    /// # Errors
    ///
    /// Those of [`Asker::batch`](super::ask::Asker::batch).
    pub fn foresee(&self, batch: &Batch) -> Result<Vec<Foreseen>, Error> {
        let mut foreseen = Vec::new();
        for (peer, of_peer) in wanted(self, batch)? {
            for wanted in of_peer {
                match self.foresee_one(&peer, wanted, batch.protocol) {
                    Ok(one) => foreseen.push(one),
                    Err(AskError::Node(error)) => return Err(error),
                    // Nothing else reads the home alone.
                    Err(_) => {}
                }
            }
        }
        Ok(foreseen)
    }

    fn foresee_one(
        &self,
        peer: &Name,
        wanted: Wanted,
        forced: Option<Protocol>,
    ) -> Result<Foreseen, AskError> {
        let Wanted {
            view, asking, rows, ..
        } = wanted;
        let kind = view.indicator_type;
        let known = self.directory().known();
        let accepted = self.accepted(peer, &view);
        let outlook = self.outlook(peer, &view, &asking)?;
        let may = forced == Some(Protocol::Batch) || self.may_ask_whole(peer, &view, &asking);
        let (lookup, batch) = (outlook.lookup(), outlook.batch().filter(|_| may));
        let protocol = match (forced, &batch) {
            (Some(forced), _) => forced,
            (None, Some(_)) => outlook.choice(),
            (None, None) => Protocol::Lookup,
        };
        let (asking, ask, left_out, charged) = match protocol {
            Protocol::Lookup => (asking, outlook.ask, outlook.left_out, lookup.charge),
            Protocol::Batch => {
                let charge = batch.ok_or(AskError::TooMuch)?.charge;
                (asking.of_all(), outlook.all, 0, charge)
            }
        };
        let payment_key = payment_key(self, kind);
        let request = Request {
            protocol,
            query_class: match protocol {
                Protocol::Lookup => charged,
                Protocol::Batch => charged / 2,
            },
            sweep: asking.sweep,
            ..request(peer.as_str(), &view, &payment_key, known.roster.number)
        };
        let allowed = allow(self, &known.roster, &request);
        let name = view.to_string();
        let epoch = accepted.as_ref().map(|(epoch, _)| epoch.domain().epoch);
        let asked = match epoch {
            Some(epoch) => self.facts(|facts| facts.asked(&name, peer.as_str(), epoch))?,
            None => 0,
        };
        let rule = self.policy().rule_for(&request);
        let day = rule.map_or(0, |rule| self.policy().budget(rule, kind).day);
        Ok(Foreseen {
            peer: peer.clone(),
            collection: asking.contents.name,
            indicator_type: kind,
            purpose: view.purpose.clone(),
            items: rows,
            protocol,
            lookup,
            batch,
            ask,
            charged,
            asked,
            nights: charged.div_ceil(day.max(1)),
            left_out,
            publication: accepted.map(|(_, newest)| newest.manifest.edition.file_length()),
            outcome: allowed.map_or_else(|error| error.outcome(), |()| Outcome::Done),
        })
    }
}
