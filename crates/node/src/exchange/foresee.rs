//! What a batch would ask, cost and reveal, without asking anybody.

use blindmatch_indicator::IndicatorType;
use blindmatch_membership::Name;
use blindmatch_policy::Request;
use blindmatch_psi::publication::QueryClass;
use blindmatch_store::collection::CollectionName;
use blindmatch_store::views::PeerEpoch;

use super::ask::{AskError, Subject, allow, open, payment_key, request};
use super::batch::{Batch, Wanted, wanted};
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
    /// Items that would be asked for, tokens of a ladder included: those that are not known of the
    /// epoch that was accepted last.
    pub ask: u64,
    /// The same, padded: what the peer learns of their number, and what its budget is charged.
    pub charged: u64,
    /// Items of customers that did not change and would not be asked for.
    pub left_out: u64,
    /// The bytes of the publication that was accepted last; nothing where none is in force, and the
    /// peer alone knows how many there are to fetch.
    pub publication: Option<u64>,
    /// [`Outcome::Done`], or why our own policy would refuse it.
    pub outcome: Outcome,
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
                match self.foresee_one(&peer, wanted) {
                    Ok(one) => foreseen.push(one),
                    Err(AskError::Node(error)) => return Err(error),
                    // Nothing else reads the home alone.
                    Err(_) => {}
                }
            }
        }
        Ok(foreseen)
    }

    fn foresee_one(&self, peer: &Name, wanted: Wanted) -> Result<Foreseen, AskError> {
        let Wanted {
            view, asking, rows, ..
        } = wanted;
        let kind = view.indicator_type;
        let known = self.directory().known();
        let responder = known.roster.member_id(peer).map(|peer| peer.to_string());
        let responder = responder.unwrap_or_default();
        let in_force = |epoch: &PeerEpoch| {
            let newest = epoch.publications().into_iter().next();
            newest.filter(|newest| {
                let manifest = &newest.manifest;
                manifest.domain.responder == responder.as_bytes()
                    && manifest.domain.view == view.to_string().as_bytes()
                    && self.now() < manifest.expires
            })
        };
        let epochs = self.views().peers().into_iter();
        let accepted = epochs.filter_map(|epoch| in_force(&epoch).map(|newest| (epoch, newest)));
        let accepted = accepted.max_by_key(|(epoch, _)| epoch.domain().epoch);

        let sweep = asking.sweep;
        let collection = asking.contents.name.clone();
        let subject = Subject::Collection(asking);
        let count = |items: usize| u64::try_from(items).unwrap_or(u64::MAX);
        let (ask, left_out) = match &accepted {
            Some((epoch, _)) => {
                let open = open(self, epoch, kind, &subject)?;
                (count(open.left.len()), open.left_out)
            }
            None => {
                let all = count(subject.items(self, kind)?.len());
                let changed = subject.changed(self, kind)?;
                let ask = changed.map_or(all, |changed| count(changed.len()));
                (ask, all.saturating_sub(ask))
            }
        };
        let class = QueryClass::holding(ask.max(1)).ok_or(AskError::TooMuch)?;
        let payment_key = payment_key(self, kind);
        let request = Request {
            query_class: class.items(),
            sweep,
            ..request(peer.as_str(), &view, &payment_key, known.roster.number)
        };
        let allowed = allow(self, &known.roster, &request);
        Ok(Foreseen {
            peer: peer.clone(),
            collection,
            indicator_type: kind,
            purpose: view.purpose.clone(),
            items: rows,
            ask,
            charged: class.items(),
            left_out,
            publication: accepted.map(|(_, newest)| newest.manifest.edition.file_length()),
            outcome: allowed.map_or_else(|error| error.outcome(), |()| Outcome::Done),
        })
    }
}
