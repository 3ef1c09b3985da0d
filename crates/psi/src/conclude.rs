//! The receipt at the end of a run, on either side of any protocol (`spec/30-session.md` §7).

use std::mem;

use blindmatch_audit::{
    Signature,
    receipt::{Receipt, Side, SignedReceipt},
};

use crate::{
    agreement::RunId,
    frame::{countersignature, read_countersignature, read_receipt, receipt},
    session::{self, Connection, Outbox, Outcome, Record},
    stop::{Abort, Fault, Stop},
};

/// What a completion was asked for.
pub(crate) enum Awaited {
    Signed,
    BesideStored,
    Stored,
    CountersignedStored,
}

/// The querier's: its own signature, then the responder's.
pub(crate) struct Concluding {
    run: RunId,
    connection: Connection,
    receipt: Receipt,
    /// What is to be durable before the signature is, and may be at once with it.
    beside: Option<Record>,
    step: Signing,
}

enum Signing {
    Own,
    StoringOwn(Signature),
    AwaitingTheirs(Signature),
    StoringTheirs(Box<SignedReceipt>),
}

/// Where the querier is after a completion.
pub(crate) enum Conclusion {
    Pending(Box<Concluding>),
    Concluded(Box<SignedReceipt>),
}

impl Concluding {
    pub(crate) fn begin<A: From<Awaited>>(
        run: RunId,
        connection: Connection,
        receipt: Receipt,
        beside: Option<Record>,
        out: &mut Outbox<A>,
    ) -> Self {
        let sign = session::Task::Sign {
            key: connection.signer,
            message: receipt.signing_bytes(Side::Querier),
        };
        out.work(sign, Awaited::Signed.into());
        Self {
            run,
            connection,
            receipt,
            beside,
            step: Signing::Own,
        }
    }

    pub(crate) fn complete<A: From<Awaited>>(
        mut self,
        awaited: Awaited,
        outcome: Outcome,
        out: &mut Outbox<A>,
    ) -> Result<Conclusion, Stop> {
        let step = mem::replace(&mut self.step, Signing::Own);
        self.step = match (step, awaited, outcome) {
            (Signing::Own, Awaited::Signed, Outcome::Signed(signature)) => {
                if let Some(beside) = self.beside.take() {
                    out.store(beside, Awaited::BesideStored.into());
                }
                let record = Record::Receipt(Box::new(self.signed(signature, None)));
                out.store(record, Awaited::Stored.into());
                Signing::StoringOwn(signature)
            }
            // Records become durable in their order: the receipt says that this one has.
            (step, Awaited::BesideStored, Outcome::Stored) => step,
            (Signing::StoringOwn(signature), Awaited::Stored, Outcome::Stored) => {
                out.send(receipt(&self.receipt, &signature));
                Signing::AwaitingTheirs(signature)
            }
            (Signing::StoringTheirs(signed), Awaited::CountersignedStored, Outcome::Stored) => {
                return Ok(Conclusion::Concluded(signed));
            }
            (Signing::StoringOwn(_), Awaited::Stored, Outcome::Contradicted) => {
                return Err(Fault::Journal.into());
            }
            _ => return Err(Fault::Completion.into()),
        };
        Ok(Conclusion::Pending(Box::new(self)))
    }

    pub(crate) fn countersigned<A: From<Awaited>>(
        mut self,
        frame: &[u8],
        out: &mut Outbox<A>,
    ) -> Result<Self, Stop> {
        let Signing::AwaitingTheirs(own) = self.step else {
            return Err(Abort::UnexpectedFrame.into());
        };
        let theirs = read_countersignature(&self.run, frame)?;
        self.receipt
            .verify(Side::Responder, &self.connection.peer, &theirs)
            .map_err(|_| Abort::Signature)?;
        let signed = Box::new(self.signed(own, Some(theirs)));
        out.store(
            Record::Receipt(signed.clone()),
            Awaited::CountersignedStored.into(),
        );
        self.step = Signing::StoringTheirs(signed);
        Ok(self)
    }

    fn signed(&self, querier: Signature, responder: Option<Signature>) -> SignedReceipt {
        SignedReceipt {
            receipt: self.receipt.clone(),
            querier,
            responder,
        }
    }
}

/// The responder's: the querier's receipt holds; its own signature is made and stored.
pub(crate) struct Countersigning {
    run: RunId,
    signed: Box<SignedReceipt>,
}

/// Where the responder is after a completion.
pub(crate) enum Countersigned {
    Pending(Countersigning),
    Concluded(Box<SignedReceipt>),
}

impl Countersigning {
    /// Takes the querier's receipt frame, whose receipt must be ours.
    pub(crate) fn begin<A: From<Awaited>>(
        run: &RunId,
        connection: &Connection,
        own: Receipt,
        frame: &[u8],
        out: &mut Outbox<A>,
    ) -> Result<Self, Stop> {
        let (receipt, signature) = read_receipt(run, frame)?;
        if receipt != own {
            return Err(Abort::Receipt.into());
        }
        receipt
            .verify(Side::Querier, &connection.peer, &signature)
            .map_err(|_| Abort::Signature)?;
        let sign = session::Task::Sign {
            key: connection.signer,
            message: receipt.signing_bytes(Side::Responder),
        };
        out.work(sign, Awaited::Signed.into());
        Ok(Self {
            run: *run,
            signed: Box::new(SignedReceipt {
                receipt,
                querier: signature,
                responder: None,
            }),
        })
    }

    pub(crate) fn complete<A: From<Awaited>>(
        mut self,
        awaited: Awaited,
        outcome: Outcome,
        out: &mut Outbox<A>,
    ) -> Result<Countersigned, Stop> {
        match (awaited, outcome) {
            (Awaited::Signed, Outcome::Signed(signature)) => {
                self.signed.responder = Some(signature);
                let record = Record::Receipt(self.signed.clone());
                out.store(record, Awaited::Stored.into());
                Ok(Countersigned::Pending(self))
            }
            (Awaited::Stored, Outcome::Stored) => {
                let own = self.signed.responder.ok_or(Fault::Completion)?;
                out.send(countersignature(&self.run, &own));
                Ok(Countersigned::Concluded(self.signed))
            }
            // Another connection of this run signed another receipt.
            (Awaited::Stored, Outcome::Contradicted) => Err(Abort::Transcript.into()),
            _ => Err(Fault::Completion.into()),
        }
    }
}
