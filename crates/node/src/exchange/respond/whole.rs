//! Runs of batch, by the side that serves: the whole of a view against the whole of the peer's set
//! (`spec/34-batch.md` §3).

use std::sync::Arc;

use blindmatch_audit::receipt::Side;
use blindmatch_audit::record::Salted;
use blindmatch_indicator::Label;
use blindmatch_membership::MemberId;
use blindmatch_policy::Protocol;
use blindmatch_psi::agreement::{Agreement, Direction, RunId};
use blindmatch_psi::batch::setup::{PreparedResponder, SetupTerms};
use blindmatch_psi::batch::{LABEL_LENGTH, Responder, Terms, class_holding};
use blindmatch_psi::lookup::Item;
use blindmatch_psi::session::{Record, Session, UnixSeconds};
use blindmatch_store::runs::Run;
use blindmatch_transport::Peer;
use blindmatch_transport::message::Answer;
use blindmatch_transport::problem::Kind;
use blindmatch_wire::Problem;
use rand::RngExt;

use super::propose::{Against, Agreed, make_room};
use super::served::{Served, about, connection, unlike};
use super::{Serving, fault, internal};
use crate::error::Error;
use crate::exchange::ask::commit;
use crate::exchange::daemon::Daemon;
use crate::exchange::publish::DAY;
use crate::exchange::view::View;

/// What a salt of a commitment is derived for.
const SALTS: &str = "blindmatch salts of served sets v1";

/// What is served of a view, ascending.
type Set = Vec<(Item, [u8; LABEL_LENGTH])>;

impl Serving {
    /// Answers the proposal of a run of batch: agrees, durably, or says which rule refuses. Blocks.
    pub(super) fn answer_whole(
        &self,
        peer: &MemberId,
        proposal: &Agreement,
        direction: &Direction,
        view: &View,
    ) -> Result<Answer, Problem> {
        let daemon = self.daemon();
        let setup = daemon.setup_for(peer, direction).ok_or(Kind::NotFound)?;
        // What is served is of the version that this node writes, and no other.
        let version = view.indicator_type.canonicalisation_version();
        if direction.canonicalisation != u32::from(version) {
            return Err(Kind::Version.into());
        }
        // Charges count for the epoch of the view, by whichever protocol.
        let epoch = daemon.own_epoch(view).ok_or(Kind::NotNow)?;
        let newest = epoch.publications().first().cloned();
        let manifest = newest.ok_or(Kind::NotNow)?.manifest;
        // Before the work that it is to read a set.
        make_room(&daemon, peer.member())?;
        let set = daemon.set(view).map_err(internal)?;
        let size = u64::try_from(set.len()).unwrap_or(u64::MAX);
        let class = class_holding(size).ok_or_else(unlike)?;
        let against = Against {
            epoch: &epoch,
            protocol: Protocol::Batch,
            size,
        };
        let grant = match self.decide(&daemon, peer, proposal, direction, view, against)? {
            Ok(grant) => grant,
            Err(refused) => return Ok(refused),
        };
        let mut agreement = proposal.clone();
        let [_, own] = &mut agreement.parties;
        own.nonce = rand::rng().random();
        let nonce = own.nonce;
        for direction in &mut agreement.directions {
            direction.responder_input.commitment = daemon.commitment(&nonce, &set);
            direction.responder_input.class = class.into();
        }
        let until = grant.min(manifest.expires);
        let agreed = Agreed {
            peer: peer.member(),
            agreement,
            epoch: epoch.domain().epoch,
            until: until.min(daemon.now().saturating_add(DAY)),
            setup: Some(&setup),
        };
        self.begin(&daemon, agreed)
    }

    /// The session of such a run, on the connection of this exporter. Blocks.
    pub(super) fn serve_whole(
        &self,
        run: Arc<Run>,
        peer: &Peer,
        exporter: [u8; 32],
    ) -> Result<(Box<dyn Session>, Served), Problem> {
        let daemon = self.daemon();
        let head = run.head();
        let (direction, view) = about(head)?;
        let epochs = daemon.own_epochs(&view).into_iter();
        let mut of_run = epochs.filter(|epoch| epoch.domain().epoch == head.epoch);
        let epoch = of_run.next().ok_or(Kind::EpochOver)?;
        if daemon.now() >= head.until {
            return Err(Kind::EpochOver.into());
        }
        let newest = epoch.publications().first().cloned();
        let total = newest.ok_or(Kind::NotNow)?.manifest.queries;
        let budget = self.budget(peer.member(), &view, Protocol::Batch);
        let budget = budget.ok_or(Kind::NotAllowed)?;

        let records: Result<Vec<Record>, _> = run.records().map_err(internal)?.collect();
        let records = records.map_err(internal)?;
        let spent = |record: &Record| matches!(record, Record::Spent { .. });
        let (half, set) = if records.iter().any(spent) {
            (None, Set::new())
        } else {
            let id = RunId(direction.setup);
            let half = daemon.runs().setups().half(&id).map_err(internal)?;
            let half = half.ok_or(Kind::EpochOver)?;
            let half = PreparedResponder::from_state(&half).map_err(|error| fault(&error))?;
            let set = daemon.set(&view).map_err(internal)?;
            let [_, own] = &head.agreement.parties;
            // An import came between: what was agreed on is no longer here.
            if daemon.commitment(&own.nonce, &set) != direction.responder_input.commitment {
                return Err(Kind::EpochOver.into());
            }
            (Some(half), set)
        };
        let setup = run.setup().ok_or_else(unlike)?;
        let until = UnixSeconds(head.until);
        let terms = Terms::new(&head.agreement, direction, setup, until);
        let terms = terms.map_err(|error| fault(&error))?;
        let connection = connection(&daemon, peer, exporter)?;
        let session = Responder::new(terms, connection, half, set, records);
        let session = session.map_err(|error| fault(&error))?;
        let served = Served::new(self, run, None, budget, total);
        Ok((Box::new(session), served))
    }
}

impl Daemon {
    /// The setup that a direction names, where it is here and may be used for it.
    fn setup_for(&self, peer: &MemberId, direction: &Direction) -> Option<SetupTerms> {
        let all = self.runs().setups().all();
        let kept = all.get(&RunId(direction.setup))?;
        let fits = kept.side == Side::Responder
            && kept.terms.querier == peer.to_string().as_bytes()
            && kept.terms.responder == self.id().to_string().as_bytes()
            && u64::from(kept.terms.class) == direction.querier_input.class;
        fits.then(|| kept.terms.clone())
    }

    /// What the collections have for a view now.
    fn set(&self, view: &View) -> Result<Set, Error> {
        let mut set = Set::new();
        let evidence = self.policy().evidence(view.indicator_type);
        let take = |key: &[u8], label: &Label| {
            set.push((Item::new(key.to_vec()), label.encode()));
            Ok::<_, Error>(())
        };
        self.reading()?.serve(view.indicator_type, evidence, take)?;
        Ok(set)
    }

    /// The commitment to a set in the run that has this nonce of ours. Its salt is derived from that,
    /// so that it can be opened as long as the set is known.
    fn commitment(&self, nonce: &[u8; 32], set: &Set) -> [u8; 32] {
        let key = self.node().home().storage_key().derive(SALTS);
        let salt = Salted::new(&key, nonce);
        commit(&salt.0, set.iter().map(|(item, _)| item)).0
    }
}
