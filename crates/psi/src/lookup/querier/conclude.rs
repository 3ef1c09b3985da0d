//! Our signature under the receipt, then theirs (`spec/30-session.md` §7).

use std::mem;

use blindmatch_audit::{
    Signature,
    receipt::{Receipt, Side, SignedReceipt},
};

use super::{super::Connection, Awaited, Out, Phase};
use crate::{
    agreement::RunId,
    frame::{read_countersignature, receipt},
    session::{self, Outcome, Record},
    stop::{Abort, Fault, Stop},
};

/// Our signature, then theirs.
pub(super) struct Concluding {
    run: RunId,
    connection: Connection,
    receipt: Receipt,
    step: Signing,
}

enum Signing {
    Own,
    StoringOwn(Signature),
    AwaitingTheirs(Signature),
    StoringTheirs(Box<SignedReceipt>),
}

impl Concluding {
    pub(super) fn begin(
        run: RunId,
        connection: Connection,
        receipt: Receipt,
        out: &mut Out,
    ) -> Self {
        let sign = session::Task::Sign {
            key: connection.signer,
            message: receipt.signing_bytes(Side::Querier),
        };
        out.work(sign, Awaited::ReceiptSigned);
        Self {
            run,
            connection,
            receipt,
            step: Signing::Own,
        }
    }

    pub(super) fn complete<I>(
        mut self,
        awaited: Awaited,
        outcome: Outcome,
        out: &mut Out,
    ) -> Result<Phase<I>, Stop> {
        let step = mem::replace(&mut self.step, Signing::Own);
        self.step = match (step, awaited, outcome) {
            (Signing::Own, Awaited::ReceiptSigned, Outcome::Signed(signature)) => {
                let record = Record::Receipt(Box::new(self.signed(signature, None)));
                out.store(record, Awaited::ReceiptStored);
                Signing::StoringOwn(signature)
            }
            (Signing::StoringOwn(signature), Awaited::ReceiptStored, Outcome::Stored) => {
                out.send(receipt(&self.receipt, &signature));
                Signing::AwaitingTheirs(signature)
            }
            (Signing::StoringTheirs(signed), Awaited::CountersignedStored, Outcome::Stored) => {
                return Ok(Phase::Concluded(signed));
            }
            (Signing::StoringOwn(_), Awaited::ReceiptStored, Outcome::Contradicted) => {
                return Err(Fault::Journal.into());
            }
            _ => return Err(Fault::Completion.into()),
        };
        Ok(Phase::Concluding(Box::new(self)))
    }

    pub(super) fn countersigned<I>(
        mut self,
        frame: &[u8],
        out: &mut Out,
    ) -> Result<Phase<I>, Stop> {
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
            Awaited::CountersignedStored,
        );
        self.step = Signing::StoringTheirs(signed);
        Ok(Phase::Concluding(Box::new(self)))
    }

    fn signed(&self, querier: Signature, responder: Option<Signature>) -> SignedReceipt {
        SignedReceipt {
            receipt: self.receipt.clone(),
            querier,
            responder,
        }
    }
}
