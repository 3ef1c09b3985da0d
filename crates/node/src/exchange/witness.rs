//! Cosigning for others, and asking others to cosign (`spec/42-ledger.md` §6).

use std::slice;
use std::sync::Arc;

use blindmatch_audit::checkpoint::{
    Checkpoint, Continuation, Origin, SignedCheckpoint, ledger_name, witness_name,
};
use blindmatch_audit::cosignature::{Quorum, WitnessKey, cosign};
use blindmatch_audit::note::{KeyName, NoteKey, SignatureLine};
use blindmatch_audit::record::{Event, Name as RecordName};
use blindmatch_audit::witness::{Refusal, Request, decide};
use blindmatch_membership::{Name, Witnesses};
use blindmatch_transport::message::Cosigned;
use blindmatch_transport::{Endpoint, Witness};
use bytes::Bytes;
use tokio::task::JoinSet;
use tracing::warn;

use super::daemon::{Daemon, lock};
use super::footing::{Footing, shown};
use super::peers;
use super::respond::Serving;
use super::work::blocking;
use crate::error::Error;
use crate::ledger::shown::Shown;

/// The status of a cosignature.
const OK: u16 = 200;
/// The status of a fault of the witness's own.
const INTERNAL: u16 = 500;
/// Another size than the one that the request begins from.
const CONFLICT: u16 = 409;
/// A ledger that does not go on from what was cosigned last.
const INCONSISTENT: u16 = 422;
/// How often witnesses are asked where they show what is lost.
const ROUNDS: u32 = 3;

impl Serving {
    /// Has the newest checkpoint cosigned by every witness that can be reached, and keeps it once
    /// enough have; says whether they have. Calls the witnesses, or uses the streams that they
    /// opened. Whether the ledger is the newest there is shows by what they answer.
    ///
    /// What a witness cosigned of an earlier incarnation and is lost is recorded so first, since it
    /// cosigns nothing before.
    ///
    /// # Errors
    ///
    /// [`Error::Ledger`].
    pub async fn gather(&self, endpoint: &Endpoint) -> Result<bool, Error> {
        let mut lost = Vec::new();
        if matches!(self.footing(), Footing::Behind(_)) {
            // What goes on from here is another ledger than the one that they know.
            return Ok(false);
        }
        for _ in 0..ROUNDS {
            let daemon = self.daemon();
            let named = blocking(move || daemon.name_lost(&lost));
            named.await.unwrap_or(Ok(()))?;
            let Asked {
                cosigned,
                answered,
                lost: unnamed,
                shown,
            } = self.ask_all(endpoint).await;
            if let Some(shown) = shown {
                self.falls_behind(shown);
                return Ok(false);
            }
            if answered {
                self.is_borne_out();
            }
            if unnamed.is_empty() {
                let daemon = self.daemon();
                let kept = blocking(move || daemon.keep(&cosigned));
                return kept.await.unwrap_or(Ok(false));
            }
            lost = unnamed;
        }
        Ok(false)
    }

    /// Asks all witnesses at once.
    async fn ask_all(&self, endpoint: &Endpoint) -> Asked {
        let daemon = self.daemon();
        let head = daemon.ledger().log().head().clone();
        let (mut asked, witnesses) = (JoinSet::new(), daemon.witnesses().keys);
        // Where a newer roster has none, there is nobody left to say anything.
        let nobody = witnesses.is_empty();
        for member in witnesses.into_keys() {
            let (serving, endpoint, head) = (self.clone(), endpoint.clone(), head.clone());
            asked.spawn(async move {
                let witness = serving.reach(&endpoint, &member).await?;
                // Its delegation may have become known by that.
                let one = serving.daemon().witness(&member)?;
                ask(&serving.daemon(), &member, &witness, &head, &one).await
            });
        }
        let mut all = Asked {
            cosigned: head,
            answered: nobody,
            lost: Vec::new(),
            shown: None,
        };
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Some(Answer::Cosigned(answer))) => {
                    all.answered = true;
                    for line in answer.signatures() {
                        // One too many is none of the first hundred.
                        let _ = all.cosigned.add(line);
                    }
                }
                Ok(Some(Answer::Lost(state))) => all.lost.push(state),
                Ok(Some(Answer::Shown(shown))) => all.shown = Some(shown),
                Ok(None) | Err(_) => {}
            }
        }
        all
    }

    /// The stream on which a member can be asked: a new one, or else one that it opened.
    async fn reach(&self, endpoint: &Endpoint, member: &Name) -> Option<Witness> {
        match endpoint.dial(member).await {
            Ok(channel) => {
                // Rosters travel by this. To cosign, nobody has to speak more than C2SP.
                let _ = peers::greet(&self.daemon(), &channel).await;
                channel.witness(Arc::new(self.clone())).await.ok()
            }
            Err(_) => lock(self.witnesses()).get(member).cloned(),
        }
    }

    /// Answers a request to cosign. Blocks.
    pub(super) fn decide_cosigning(&self, body: &[u8]) -> Cosigned {
        // One at a time, of whichever ledger.
        let _deciding = lock(self.witnessing());
        let answered = self.daemon().cosign(body);
        answered.unwrap_or_else(|_| Cosigned {
            status: INTERNAL,
            body: Bytes::new(),
        })
    }
}

impl Daemon {
    /// Records states of earlier incarnations as lost that are neither here nor named; passes over
    /// all others.
    pub(super) fn name_lost(&self, states: &[Checkpoint]) -> Result<(), Error> {
        let _one = lock(self.naming());
        for state in states {
            let log = self.ledger().log();
            let lost = state.origin.ledger == log.origin().ledger
                && state.origin.incarnation < log.incarnation()
                && log.names(state).is_none()
                && log.continuation_at(state, log.size())?.is_none();
            if lost {
                self.ledger().name_lost(slice::from_ref(state))?;
            }
        }
        Ok(())
    }

    /// Keeps a checkpoint once enough have cosigned it; says whether they have.
    fn keep(&self, cosigned: &SignedCheckpoint) -> Result<bool, Error> {
        self.keep_delegations()?;
        let quorum = self.witnesses().quorum();
        let enough = quorum.is_ok_and(|quorum| quorum.verify(cosigned).is_ok());
        if enough {
            self.ledger().keep_cosigned(cosigned)?;
        }
        Ok(enough)
    }

    /// Whether the checkpoint that was cosigned last, if any was, has enough cosignatures by keys that count
    /// now: peers accept none whose witnesses' delegations have ended since.
    ///
    /// # Errors
    ///
    /// [`Error::Ledger`].
    pub fn is_vouched_for(&self) -> Result<bool, Error> {
        let Some(cosigned) = self.ledger().log().cosigned()? else {
            return Ok(true);
        };
        let quorum = self.witnesses().quorum();
        Ok(quorum.is_ok_and(|quorum| quorum.verify(&cosigned).is_ok()))
    }

    fn cosign(&self, body: &[u8]) -> Result<Cosigned, Error> {
        let request = match Request::parse(body) {
            Ok(request) => request,
            Err(refusal) => return Ok(refused(refusal, None)),
        };
        let ledger = &request.checkpoint.unverified().origin.ledger;
        let last = self.facts(|facts| facts.witnessed(ledger.as_str()))?;
        let last = last.map(|last| Checkpoint {
            origin: Origin {
                ledger: ledger.clone(),
                incarnation: last.incarnation,
            },
            size: last.size,
            root: last.root,
        });
        let checkpoint = match decide(last.as_ref(), &self.ledgers(), &request) {
            Ok(checkpoint) => checkpoint,
            Err(refusal) => {
                let present = request.checkpoint.unverified();
                let other = last.filter(|last| last.origin != present.origin);
                let mut answer = refused(refusal, other.as_ref());
                if let Some(kept) = self.kept_beyond(present, refusal) {
                    let before = String::from_utf8_lossy(&answer.body);
                    let before = if before.is_empty() {
                        before
                    } else {
                        before + "\n"
                    };
                    answer.body = (before.into_owned() + &kept.to_string()).into();
                }
                return Ok(answer);
            }
        };
        // The key that signed it may have become known by this call.
        self.keep_delegations()?;
        if last.as_ref() != Some(&checkpoint) {
            let origin = RecordName::new(&checkpoint.origin.to_string());
            self.ledger().append(vec![Event::Witnessed {
                origin: origin.map_err(Error::Record)?,
                size: checkpoint.size,
                root: checkpoint.root,
            }])?;
        }
        let name = self.witness_name()?;
        let line = cosign(&checkpoint, &name, self.checkpoints(), self.now());
        let line = line.ok_or(Error::Clock)?;
        self.keep_witnessed(&request.checkpoint, &line)?;
        Ok(Cosigned {
            status: OK,
            body: line.to_string().into(),
        })
    }

    /// Keeps what is cosigned, for its owner should that lose its home: with the owner's signatures and
    /// this one, and no others.
    fn keep_witnessed(&self, given: &SignedCheckpoint, own: &SignatureLine) -> Result<(), Error> {
        let checkpoint = given.unverified();
        let Some(owner) = self.owner_of(&checkpoint.origin.ledger) else {
            return Ok(());
        };
        let name = checkpoint.origin.key_name();
        let owners = given.signatures().iter().filter(|line| line.name == name);
        let lines: String = owners.chain([own]).map(ToString::to_string).collect();
        let signed = SignedCheckpoint::parse(format!("{checkpoint}\n{lines}").as_bytes());
        // It is as long as what was read, at most.
        signed.map_or(Ok(()), |signed| self.node().keep_witnessed(&owner, &signed))
    }

    /// What an owner signed and this node cosigned, where the checkpoint that it asks about does not
    /// reach to there, or goes on from something else: it may not know it any more, and believes
    /// nothing but its own signature.
    fn kept_beyond(&self, present: &Checkpoint, refusal: Refusal) -> Option<SignedCheckpoint> {
        let owner = self.owner_of(&present.origin.ledger)?;
        let kept = self.node().kept_witnessed(&owner).ok()??;
        let place = |of: &Checkpoint| (of.origin.incarnation, of.size);
        let beyond = match refusal {
            Refusal::Conflict { .. } => place(kept.unverified()) > place(present),
            Refusal::Inconsistent(_) => true,
            _ => false,
        };
        beyond.then_some(kept)
    }

    /// The member of a ledger of this name.
    fn owner_of(&self, ledger: &KeyName) -> Option<Name> {
        let known = self.directory().known();
        let consortium = known.roster.consortium.as_str();
        let is_owner = |member: &&Name| {
            let named = ledger_name(consortium, member.as_str());
            named.is_ok_and(|named| named == *ledger)
        };
        known.roster.members.keys().find(is_owner).cloned()
    }

    /// The witnesses of this node's ledger.
    #[must_use]
    pub fn witnesses(&self) -> Witnesses {
        let known = self.directory().known();
        let own = self.id().member();
        Witnesses::of(&known.roster, &known.delegations, own, self.now())
    }

    /// One of them, whose cosignature is to be verified.
    fn witness(&self, member: &Name) -> Option<Quorum> {
        let Witnesses {
            consortium,
            mut keys,
            ..
        } = self.witnesses();
        let name = witness_name(consortium.as_str(), member.as_str()).ok()?;
        let keys = keys.remove(member)?.into_iter();
        let keys = keys.map(|key| WitnessKey::new(name.clone(), key)).collect();
        Quorum::new(keys, 1).ok()
    }

    fn witness_name(&self) -> Result<KeyName, Error> {
        let (consortium, member) = (self.id().consortium(), self.id().member());
        witness_name(consortium.as_str(), member.as_str()).map_err(Error::Name)
    }

    /// The keys of all peers' ledgers.
    fn ledgers(&self) -> Vec<NoteKey> {
        let known = self.directory().known();
        let peers = known.roster.members.keys();
        let peers = peers.filter(|peer| *peer != self.id().member());
        peers.flat_map(|peer| self.ledger_keys_of(peer)).collect()
    }

    /// The keys that a member's ledger may be signed with now.
    #[must_use]
    pub fn ledger_keys_of(&self, member: &Name) -> Vec<NoteKey> {
        let known = self.directory().known();
        let Ok(name) = ledger_name(known.roster.consortium.as_str(), member.as_str()) else {
            return Vec::new();
        };
        let in_force = known
            .delegations
            .in_force(&known.roster, member, self.now());
        in_force
            .map(|one| NoteKey::new(name.clone(), one.keys.checkpoints))
            .collect()
    }
}

/// What a witness answers to a request to cosign.
enum Answer {
    /// The checkpoint with its cosignature.
    Cosigned(SignedCheckpoint),
    /// What it cosigned last, which is neither here nor named as lost.
    Lost(Checkpoint),
    /// What it cosigned, by which this ledger is not the newest.
    Shown(Shown),
}

/// What all witnesses answered.
struct Asked {
    /// The newest checkpoint with their cosignatures.
    cosigned: SignedCheckpoint,
    /// Whether one of them cosigned it, or there is none.
    answered: bool,
    /// What they cosigned last that it does not go on from yet.
    lost: Vec<Checkpoint>,
    /// What one of them showed by which it is not the newest.
    shown: Option<Shown>,
}

/// What a witness cosigned last.
enum Last {
    /// So many records of this incarnation, 0 for never.
    Size(u64),
    /// A state of another one.
    State(Checkpoint),
}

/// Asks one witness, from what it cosigned last.
async fn ask(
    daemon: &Arc<Daemon>,
    member: &Name,
    witness: &Witness,
    head: &SignedCheckpoint,
    one: &Quorum,
) -> Option<Answer> {
    let mut last = Last::Size(0);
    // What it cosigned last shows in its first answer; in between it may cosign a later head.
    for _ in 0..3 {
        let request = match request(daemon, head, last).await? {
            Ok(request) => request,
            Err(lost) => return Some(Answer::Lost(lost)),
        };
        let answer = witness.ask(request.to_string().into()).await.ok()?;
        let body = str::from_utf8(&answer.body).ok()?;
        last = match answer.status {
            OK => {
                let signed = format!("{}\n{body}", head.unverified());
                let signed = SignedCheckpoint::parse(signed.as_bytes()).ok()?;
                let cosigned = one.verify(&signed).is_ok();
                return cosigned.then_some(Answer::Cosigned(signed));
            }
            CONFLICT => {
                let (last, note) = match body.split_once("\n\n") {
                    Some((last, note)) => (format!("{last}\n"), note),
                    None => (body.to_owned(), ""),
                };
                if let Some(shown) = shown(daemon, member, note).await {
                    return Some(Answer::Shown(shown));
                }
                let present = head.unverified();
                let (last, is_other) = match last.trim_end().parse() {
                    Ok(size) => (Last::Size(size), size > daemon.ledger().log().size()),
                    Err(_) => {
                        let state = Checkpoint::parse(&last).ok()?;
                        let is_other = state.origin.incarnation >= present.origin.incarnation;
                        (Last::State(state), is_other)
                    }
                };
                if is_other {
                    warn_of_another(member);
                    return None;
                }
                last
            }
            INCONSISTENT => {
                let shown = shown(daemon, member, body).await;
                if shown.is_none() {
                    warn_of_another(member);
                }
                return shown.map(Answer::Shown);
            }
            _ => return None,
        };
    }
    None
}

/// A witness has what this ledger does not go on from, and shows nothing that a key known here signed:
/// that stops nobody, but its operator has to know.
fn warn_of_another(witness: &Name) {
    warn!(
        %witness,
        next = "was a backup restored twice? see: blindmatch restore --help",
        "does not cosign: it has cosigned another ledger of this member, in the place of this one"
    );
}

/// The request from what the witness cosigned last, or that where it is lost and not yet named.
async fn request(
    daemon: &Daemon,
    head: &SignedCheckpoint,
    last: Last,
) -> Option<Result<Request, Checkpoint>> {
    let (log, checkpoint) = (daemon.ledger().log(), head.clone());
    let made = blocking(move || {
        let present = checkpoint.unverified();
        let (old, incarnation, how) = match last {
            Last::Size(size) => {
                let proof = match size {
                    0 => Vec::new(),
                    size => log.consistency_proof(size, present.size).ok()?,
                };
                let how = Continuation::Kept(proof);
                (size, present.origin.incarnation, how)
            }
            Last::State(state) => match log.continuation_at(&state, present.size).ok()? {
                Some(how) => (state.size, state.origin.incarnation, how),
                None => return Some(Err(state)),
            },
        };
        Some(Ok(Request {
            old,
            incarnation,
            how,
            checkpoint,
        }))
    });
    made.await.ok()?
}

/// With the size that was cosigned last, or with the checkpoint where that is of another
/// incarnation.
fn refused(refusal: Refusal, other: Option<&Checkpoint>) -> Cosigned {
    let body = match (refusal, other) {
        (Refusal::Conflict { .. }, Some(other)) => other.to_string(),
        (Refusal::Conflict { size, .. }, None) => format!("{size}\n"),
        _ => String::new(),
    };
    Cosigned {
        status: refusal.status(),
        body: body.into(),
    }
}
