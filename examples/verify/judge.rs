//! The verifier of this project as the other side of `tests/test_mutations.py`: reads requests, one
//! JSON object a line, judges the file in each, and answers `{"refused": null}` or with the reason
//! in the words of the verifier in Python, and what it has to say of it.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, BufReader, Write};

use anyhow::Context;
use base64ct::{Base64, Encoding};
use blindmatch_audit::{
    VerifyingKey,
    checkpoint::{CheckpointError, SignedCheckpoint, SuccessionError},
    commitment::Opening,
    cosignature::{Quorum, QuorumError, WitnessKey},
    note::{NoteError, NoteKey},
    proof::{RecordProof, RecordProofError},
    receipt::{ReceiptError, SignedReceipt},
    record::Record,
    replay::ReplayError,
    witness::{self, Refusal, Request},
};
use blindmatch_membership::{
    Card, Delegation, DelegationError, ReadError, RosterError, SignedRoster, Trust,
};
use blindmatch_node::ledger::exported::{self, ExportedError};
use serde::Deserialize;

/// What is to be judged, and by what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    what: What,
    /// In base64, as all bytes here.
    file: String,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    witnesses: Vec<String>,
    quorum: Option<usize>,
    /// Checkpoints of the ledger, or the one that a request to cosign goes on from.
    #[serde(default)]
    known: Vec<String>,
    /// A roster that is held, or that a delegation is held against.
    roster: Option<String>,
    /// Twelve words.
    fingerprint: Option<String>,
    #[serde(default)]
    at: u64,
    row: Option<String>,
    root: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    Record,
    Ledger,
    Proof,
    Checkpoint,
    Consistency,
    Roster,
    Delegation,
    Card,
    Receipt,
    Opening,
}

/// Why a file is refused: the word for it, and a sentence.
type Refused = (&'static str, String);

fn main() -> anyhow::Result<()> {
    let mut answers = io::stdout().lock();
    for line in BufReader::new(io::stdin()).lines() {
        let question: Question = serde_json::from_str(&line?)?;
        let refused = judge(&question)?.err();
        let (refused, detail) = refused.unzip();
        let answer = serde_json::json!({ "refused": refused, "detail": detail });
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

/// Fails where the question itself is none.
fn judge(question: &Question) -> anyhow::Result<Result<(), Refused>> {
    let file = unbase64(&question.file)?;
    Ok(match question.what {
        What::Record => Record::decode(&file)
            .map(drop)
            .map_err(|error| ("malformed", error.to_string())),
        What::Ledger => {
            let (keys, quorum) = (question.keys()?, question.quorum()?);
            let mut known = Vec::new();
            for checkpoint in &question.known {
                let signed = SignedCheckpoint::parse(&unbase64(checkpoint)?)?;
                known.push(signed.unverified().clone());
            }
            let verified = exported::verify(&mut file.as_slice(), &keys, &quorum, known);
            verified.map(drop).map_err(exported_ledger)
        }
        What::Proof => {
            let (keys, quorum) = (question.keys()?, question.quorum()?);
            let proof = RecordProof::parse(&file);
            let verified = proof.and_then(|proof| proof.verify(&keys, &quorum));
            verified.map(drop).map_err(proof_of_record)
        }
        What::Checkpoint => {
            let (keys, quorum) = (question.keys()?, question.quorum()?);
            SignedCheckpoint::parse(&file)
                .and_then(|signed| signed.verify_by(&keys).map(drop).map(|()| signed))
                .map_err(checkpoint)
                .and_then(|signed| quorum.verify(&signed).map(drop).map_err(cosigned))
        }
        What::Consistency => {
            let keys = question.keys()?;
            let last = question.known.first().context("no known checkpoint")?;
            let last = SignedCheckpoint::parse(&unbase64(last)?)?;
            let request = Request::parse(&file);
            let decided =
                request.and_then(|asked| witness::decide(Some(last.unverified()), &keys, &asked));
            decided.map(drop).map_err(request_to_cosign)
        }
        What::Roster => {
            let mut trust = Trust::default();
            if let Some(held) = &question.roster {
                let held = SignedRoster::read(&unbase64(held)?)?;
                trust.confirm(held.roster().fingerprint());
                let at = held.roster().not_before;
                match trust.accept(held.to_string().as_bytes(), at)? {
                    blindmatch_membership::Acceptance::New(accepted) => trust = accepted.trust,
                    blindmatch_membership::Acceptance::AlreadyHeld => {}
                }
            }
            if let Some(words) = &question.fingerprint {
                trust.confirm(words.parse()?);
            }
            trust.accept(&file, question.at).map(drop).map_err(roster)
        }
        What::Delegation => {
            let held = question.roster.as_ref().context("no roster")?;
            let held = SignedRoster::read(&unbase64(held)?)?;
            let read = Delegation::read(&file).map_err(DelegationError::from);
            let checked = read.and_then(|read| read.check(held.roster(), question.at).map(drop));
            checked.map_err(delegation)
        }
        What::Card => Card::read(&file).map(drop).map_err(text),
        What::Receipt => {
            let keys: Vec<VerifyingKey> = question
                .keys
                .iter()
                .map(|key| Ok(VerifyingKey::try_from(unbase64(key)?.as_slice())?))
                .collect::<anyhow::Result<_>>()?;
            let [querier, responder] = keys.as_slice() else {
                anyhow::bail!("a receipt has two keys");
            };
            match SignedReceipt::decode(&file) {
                Ok(signed) => signed.verify(querier, responder).map_err(receipt),
                Err(error) => Err(("malformed", error.to_string())),
            }
        }
        What::Opening => {
            let row = unbase64(question.row.as_ref().context("no row")?)?;
            let root = unbase64(question.root.as_ref().context("no root")?)?;
            let root = root.as_slice().try_into().context("a root has 32 bytes")?;
            match Opening::decode(&file) {
                Ok(opening) => opening
                    .verify(&row, &root)
                    .map_err(|error| ("inclusion", error.to_string())),
                Err(error) => Err(("malformed", error.to_string())),
            }
        }
    })
}

impl Question {
    fn keys(&self) -> anyhow::Result<Vec<NoteKey>> {
        Ok(self
            .keys
            .iter()
            .map(|key| NoteKey::parse(key))
            .collect::<Result<_, _>>()?)
    }

    fn quorum(&self) -> anyhow::Result<Quorum> {
        let keys = self.witnesses.iter().map(|key| WitnessKey::parse(key));
        let keys = keys.collect::<Result<_, _>>()?;
        Ok(match self.quorum {
            Some(needed) => Quorum::new(keys, needed)?,
            None => Quorum::majority(keys)?,
        })
    }
}

fn unbase64(text: &str) -> anyhow::Result<Vec<u8>> {
    Base64::decode_vec(text).map_err(|_| anyhow::anyhow!("no base64"))
}

fn note(error: NoteError) -> Refused {
    let word = match error {
        NoteError::Unsigned => "unsigned",
        NoteError::Signature => "signature",
        _ => "malformed",
    };
    (word, error.to_string())
}

fn checkpoint(error: CheckpointError) -> Refused {
    match error {
        CheckpointError::Note(error) => note(error),
        CheckpointError::OtherLedger => ("other ledger", error.to_string()),
        _ => ("malformed", error.to_string()),
    }
}

fn cosigned(error: QuorumError) -> Refused {
    let word = match error {
        QuorumError::Cosignature => "signature",
        _ => "quorum",
    };
    (word, error.to_string())
}

fn proof_of_record(error: RecordProofError) -> Refused {
    match error {
        RecordProofError::Checkpoint(error) => checkpoint(error),
        RecordProofError::Quorum(error) => cosigned(error),
        RecordProofError::Path(_) => ("inclusion", error.to_string()),
        _ => ("malformed", error.to_string()),
    }
}

fn exported_ledger(error: ExportedError) -> Refused {
    let said = error.to_string();
    let word = match error {
        ExportedError::Checkpoint(error) => return checkpoint(error),
        ExportedError::Quorum(error) => return cosigned(error),
        ExportedError::Known(_, SuccessionError::Superseded { .. }) => "superseded",
        ExportedError::Known(_, SuccessionError::Rollback { .. }) => "rollback",
        ExportedError::Known(..) | ExportedError::Replay(ReplayError::Fork { .. }) => "fork",
        ExportedError::Replay(ReplayError::Missing { .. }) => "gap",
        ExportedError::Replay(ReplayError::Repeated(_)) => "repeated",
        ExportedError::Replay(ReplayError::Record(..)) => "record",
        ExportedError::Replay(ReplayError::Time(_)) => "time",
        ExportedError::Replay(ReplayError::Incarnation(_)) => "incarnation",
        ExportedError::Replay(ReplayError::Unnamed { .. }) => "unnamed",
        _ => "malformed",
    };
    (word, said)
}

fn request_to_cosign(error: Refusal) -> Refused {
    let word = match error {
        Refusal::Malformed => "malformed",
        Refusal::Untrusted => "untrusted",
        Refusal::UnknownLedger => "other ledger",
        Refusal::Conflict { .. } => "other",
        Refusal::Inconsistent(_) => "inconsistent",
        _ => "another reason",
    };
    (word, error.to_string())
}

fn text(error: ReadError) -> Refused {
    match error {
        ReadError::Note(error) => note(error),
        ReadError::Line(error) => ("malformed", error.to_string()),
        _ => ("malformed", String::new()),
    }
}

fn roster(error: RosterError) -> Refused {
    let said = error.to_string();
    let word = match error {
        RosterError::Read(error) => return text(error),
        RosterError::OtherConsortium => "other consortium",
        RosterError::NotTrusted => "not trusted",
        RosterError::OtherFingerprint { .. } => "other fingerprint",
        RosterError::Older { .. } => "older",
        RosterError::Fork { .. } => "fork",
        RosterError::TooFewSignatures { .. } => "too few signatures",
        RosterError::Gap { .. } => "gap",
        RosterError::NotYetValid => "not yet valid",
        RosterError::Expired => "expired",
        _ => "another reason",
    };
    (word, said)
}

fn delegation(error: DelegationError) -> Refused {
    let said = error.to_string();
    let word = match error {
        // Of several signatures the first that is missing or wrong is named, in no said order.
        DelegationError::Read(ReadError::Note(NoteError::Unsigned | NoteError::Signature)) => {
            "untrusted"
        }
        DelegationError::Read(error) => return text(error),
        DelegationError::OtherConsortium => "other consortium",
        DelegationError::UnknownMember => "unknown member",
        DelegationError::OtherIdentity => "other identity",
        DelegationError::NotYetValid => "not yet valid",
        DelegationError::Expired => "expired",
        _ => "another reason",
    };
    (word, said)
}

fn receipt(error: ReceiptError) -> Refused {
    let word = match error {
        ReceiptError::Uncountersigned => "unsigned",
        _ => "signature",
    };
    (word, error.to_string())
}
