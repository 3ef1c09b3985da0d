//! What is made of a run that has its receipt: outputs to keep, and what the peer holds too.

use std::collections::BTreeMap;

use blindmatch_audit::VerifyingKey;
use blindmatch_audit::receipt::{Side, SignedReceipt};
use blindmatch_indicator::{IndicatorType, Label};
use blindmatch_membership::Name;
use blindmatch_policy::{Protocol, concern_of_misses};
use blindmatch_psi::agreement::Protocol as Agreed;
use blindmatch_psi::batch;
use blindmatch_psi::lookup::{Concluded, Item, MatchError, find};
use blindmatch_psi::session::Record;
use blindmatch_psi::stop::Fault;
use blindmatch_store::runs::{Match, Run};
use blindmatch_store::views::PeerEpoch;
use tracing::warn;
use zeroize::Zeroizing;

use super::subject::asked;
use super::{About, AskError, Finding, Going, Subject, whole};
use crate::demo::RowKey;
use crate::error::Error;
use crate::exchange::daemon::Daemon;
use crate::exchange::publish::DAY;
use crate::exchange::view::View;

/// An OPRF output.
type Output = Zeroizing<[u8; 64]>;

/// An item that the peer holds, with its label where that opened.
pub(super) type Held = BTreeMap<u64, Option<[u8; Label::LENGTH]>>;

/// What a run came to.
pub(super) struct Ended {
    pub(super) found: Vec<Finding>,
    /// So many matches the policy has left alone.
    pub(super) unopened: u64,
}

/// What a run looks up, as its plan found it.
pub(super) struct LookedUp {
    /// All of it, ascending: what was known, and what the run asked for.
    pub(super) items: Vec<Item>,
    /// The outputs of what was known, in the same order.
    pub(super) known: Outputs,
}

impl LookedUp {
    /// How many items it is.
    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.items.len()).unwrap_or(u64::MAX)
    }
}

/// Outputs in some order. They do not move as they become more: nothing of them stays behind unwiped.
#[derive(Default)]
pub(super) struct Outputs(Vec<Zeroizing<Vec<[u8; 64]>>>);

/// So many outputs stand together.
const TOGETHER: usize = 1 << 12;

impl Outputs {
    pub(super) fn push(&mut self, output: &[u8; 64]) {
        match self.0.last_mut().filter(|last| last.len() < TOGETHER) {
            Some(last) => last.push(*output),
            None => {
                let mut next = Zeroizing::new(Vec::with_capacity(TOGETHER));
                next.push(*output);
                self.0.push(next);
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8; 64]> {
        self.0.iter().flat_map(|together| together.iter())
    }
}

/// What is made of a run.
pub(super) struct Finished {
    pub(super) ended: Ended,
    /// The number of the outputs that are remembered, and are to be kept.
    pub(super) outputs: Option<u64>,
}

/// So many outputs, one batch of them, are kept behind the answer.
const FEW: usize = 4_096;

/// Looks up all that was paid for, and ends the run with what was found; it is to be [settled](settle).
///
/// Outputs are kept before what would resume the run is destroyed: one that a crash leaves unended ends
/// the next time, of one that has ended they are [kept then](keep_left), and nothing of it is asked for
/// again.
pub(super) fn finish(
    daemon: &Daemon,
    going: &Going,
    subject: &Subject,
    looked_up: Option<LookedUp>,
    concluded: Option<batch::Concluded>,
    late: bool,
) -> Result<Finished, AskError> {
    let run = &going.run;
    let About::Publication { epoch, accepted } = &going.about else {
        return Ok(Finished {
            ended: whole::finish(daemon, run, subject, concluded, late)?,
            outputs: None,
        });
    };
    let manifest = &accepted.manifest;
    let view = str::from_utf8(&manifest.domain.view).ok();
    let view: Option<View> = view.and_then(|view| view.parse().ok());
    let kind = view.ok_or(AskError::Session(Fault::Terms))?.indicator_type;

    let asked = asked(run)?;
    let answered = outputs(daemon, run, asked.len())?;
    let outputs = if asked.len() <= FEW {
        let items = asked.iter().map(|item| item.as_slice());
        Some(epoch.remember(items.zip(answered.iter().cloned())))
    } else {
        keep(epoch, &asked, &answered)?;
        None
    };

    let publication = epoch.publication(accepted)?;
    let (items, matches) = match looked_up {
        // An item that the run did not ask for was known; both ascend.
        Some(LookedUp { items, known }) => {
            let mut answered = asked.iter().zip(&answered).peekable();
            let mut known = known.iter();
            let outputs = (0..).zip(&items).filter_map(|(place, item)| {
                let asked = answered.next_if(|(asked, _)| *asked == item);
                let output = asked.map(|(_, output)| &**output);
                Some((place, output.or_else(|| known.next())?))
            });
            let matches = find(outputs, &manifest.domain, &publication);
            (items, matches)
        }
        None => {
            let items = subject.items(daemon, kind)?;
            let mut cached = epoch.cached()?;
            let (mut places, mut known) = (Vec::new(), Outputs::default());
            for (place, item) in (0..).zip(&items) {
                if let Some(output) = cached.find(item)? {
                    places.push(place);
                    known.push(&output);
                }
            }
            let outputs = places.into_iter().zip(known.iter());
            let matches = find(outputs, &manifest.domain, &publication);
            (items, matches)
        }
    };
    let matches = matches.map_err(|error| AskError::Matches(MatchError::File(error)))?;
    let found = matches.found.iter();
    let found = found.map(|found| (found.item, Some(*found.label.as_bytes())));
    let unopened = matches.unopened.iter().map(|place| (*place, None));
    let held: Held = unopened.chain(found).collect();

    Ok(Finished {
        ended: end(daemon, run, kind, subject, &items, &held, late)?,
        outputs,
    })
}

/// Does what nobody waits for: makes the results visible, keeps the outputs, then destroys what would
/// resume the run.
pub(super) fn settle(daemon: &Daemon, going: &Going, outputs: Option<u64>) -> Result<(), AskError> {
    let mut rng = rand::rng();
    going.run.show(&mut rng)?;
    if let (About::Publication { epoch, .. }, Some(number)) = (&going.about, outputs) {
        let kept = epoch.keep_remembered(number, &mut rng);
        // Nothing is kept of an epoch that was destroyed meanwhile.
        let peers = daemon.views().peers();
        if peers.iter().any(|held| held.id() == epoch.id()) {
            kept?;
        }
    }
    Ok(going.run.settle(&mut rng)?)
}

/// Settles the runs that had ended when a process died.
///
/// # Errors
///
/// Those of the home.
pub(in crate::exchange) fn keep_left(daemon: &Daemon) -> Result<(), Error> {
    for run in daemon.runs().left() {
        if let Some(Going {
            about: About::Publication { epoch, .. },
            ..
        }) = Going::of(daemon, &run)
            && run.head().side == Side::Querier
        {
            let kept = asked(&run).and_then(|asked| {
                let answered = outputs(daemon, &run, asked.len())?;
                keep(&epoch, &asked, &answered)
            });
            // Without a receipt, or without the key of who signed it, none of them is used.
            if let Err(AskError::Node(error)) = kept {
                return Err(error);
            }
        }
        run.settle(&mut rand::rng())?;
    }
    Ok(())
}

/// Keeps the outputs of what was asked.
fn keep(epoch: &PeerEpoch, asked: &[Item], answered: &[Output]) -> Result<(), AskError> {
    let mut rng = rand::rng();
    let mut fresh = epoch.cache(&mut rng)?;
    for (item, output) in asked.iter().zip(answered) {
        fresh.push(item, output)?;
    }
    Ok(epoch.keep(fresh, &mut rng)?)
}

/// The outputs of all items of a run, in their order.
fn outputs(daemon: &Daemon, run: &Run, count: usize) -> Result<Vec<Output>, AskError> {
    let signed = run.receipt()?;
    let signed = signed.ok_or(AskError::Matches(MatchError::Incomplete))?;
    let peer = run.head().peer.as_str();
    let concluded = restore(daemon, &signed, peer)?;
    let mut outputs = BTreeMap::new();
    for record in run.records()? {
        if let Record::State(state) = record? {
            let found = concluded.outputs(&state).map_err(AskError::Session)?;
            outputs.extend(found.map(|(place, output)| (place, Output::new(*output))));
        }
    }
    let whole = outputs.len() == count && outputs.keys().copied().eq((0..).take(count));
    if !whole {
        return Err(AskError::Matches(MatchError::Incomplete));
    }
    Ok(outputs.into_values().collect())
}

/// The run of a receipt, by any keys that both sides may have signed with.
fn restore(daemon: &Daemon, signed: &SignedReceipt, peer: &str) -> Result<Concluded, AskError> {
    let mut refused = AskError::Session(Fault::UnknownKey);
    for (own, key) in receipt_keys(daemon, peer)? {
        match Concluded::restore(signed.clone(), &own, &key) {
            Ok(concluded) => return Ok(concluded),
            Err(error) => refused = AskError::Receipt(error),
        }
    }
    Err(refused)
}

/// Keys of ours, each with one of a peer's, by which a receipt may be signed. What was signed stays so
/// behind new keys of either side, and behind the end of its delegation. Reads the disk.
pub(super) fn receipt_keys(
    daemon: &Daemon,
    peer: &str,
) -> Result<Vec<(VerifyingKey, VerifyingKey)>, AskError> {
    let peer: Result<Name, _> = peer.parse();
    let peer = peer.map_err(|_| AskError::Session(Fault::UnknownKey))?;
    let own = daemon.node().delegations()?;
    let known = daemon.directory().known();
    let its = || known.delegations.known(&peer);
    let pairs = own.iter().rev().flat_map(|own| {
        let own = own.keys.receipts;
        its().map(move |its| (own, its.keys.receipts))
    });
    Ok(pairs.collect())
}

/// Of what is held no more than the policy has opened of one run (`spec/50-policy.md` §8): whichever come
/// first, which says nothing of those that do not.
fn opened(
    daemon: &Daemon,
    run: &Run,
    kind: IndicatorType,
    asked: usize,
    held: &Held,
) -> (Held, u64) {
    let head = run.head();
    let view: Option<View> = head.view().and_then(|view| view.as_str().parse().ok());
    let protocol = if head.agreement.protocol == Agreed::Batch {
        Protocol::Batch
    } else {
        Protocol::Lookup
    };
    let asked = u64::try_from(asked).unwrap_or(u64::MAX);
    let most = view.and_then(|view| {
        let policy = daemon.policy();
        let rule = policy.rule_asking(head.peer.as_str(), kind, &view.purpose, protocol);
        rule.and_then(|rule| rule.most_matches(asked))
    });
    let most = most.map_or(usize::MAX, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    });
    let left = held.len().saturating_sub(most);
    if left > 0 {
        warn!(
            peer = head.peer.as_str(),
            left,
            next = "see maximum_matches and maximum_match_percent: blindmatch policy check",
            "matches of a run beyond what the policy has opened are left alone"
        );
    }
    let opened = held.iter().take(most).map(|(at, label)| (*at, *label));
    (opened.collect(), u64::try_from(left).unwrap_or(u64::MAX))
}

/// Ends a run with the rows of what is held; it is to be [settled](Run::settle).
pub(super) fn end(
    daemon: &Daemon,
    run: &Run,
    kind: IndicatorType,
    subject: &Subject,
    items: &[Item],
    held: &Held,
    late: bool,
) -> Result<Ended, AskError> {
    let mut rng = rand::rng();
    let place = |at: &u64| usize::try_from(*at).ok();
    let (held, unopened) = &opened(daemon, run, kind, items.len(), held);
    let of_held = held.keys().filter_map(place).filter_map(|at| items.get(at));
    let of_held: Vec<Item> = of_held.cloned().collect();
    let labels: Vec<_> = held.values().copied().collect();
    // As long as an indicator of the type is.
    let days = u64::from(daemon.node().config().keep_days(kind));
    let expires = Some(daemon.now().saturating_add(days * DAY));
    let mut results = run.results(expires, &mut rng)?;
    let (mut found, mut failed) = (Vec::new(), None);
    subject.holding(daemon, kind, &of_held, &mut |row, at| {
        if let Some(label) = labels.get(at) {
            found.push(Finding {
                row: RowKey::from(row.key),
                // One that this program does not read is none of a match.
                label: label.and_then(|label| Label::decode(&label).ok()),
            });
            let (row, label) = (*row, label.as_ref());
            if let Err(error) = results.push(&Match { row, label }) {
                failed.get_or_insert(error);
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(blindmatch_store::runs::RunError::from(error).into());
    }
    let matched = u64::try_from(of_held.len()).unwrap_or(u64::MAX);
    let asked = u64::try_from(items.len()).unwrap_or(u64::MAX);
    if let Some(concern) = concern_of_misses(daemon.policy(), kind, asked, matched + unopened)
        && let Some(view) = run
            .head()
            .view()
            .and_then(|view| view.as_str().parse().ok())
    {
        let peer = run.head().peer.as_str();
        daemon.record_probing(Side::Querier, peer, &view, concern)?;
    }
    // How many were found does not show in how many leaves there are, as long as it is no more than
    // was looked for.
    results.pad(u64::try_from(items.len()).unwrap_or(u64::MAX));
    if late {
        run.open_late(results, &mut rng)?;
    } else {
        run.conclude_ahead(Some(results), &mut rng)?;
    }
    Ok(Ended {
        found,
        unopened: *unopened,
    })
}
