//! The bytes of a record (`spec/42 §2`).

use super::{Class, Event, Level, Name, Record, Salted, Signal};
use crate::{
    codec::{DecodeError, Reader, Writer},
    receipt::Side,
};

const RECORD: &str = "blindmatch ledger record v1";

pub(super) fn encode(record: &Record) -> Vec<u8> {
    let mut writer = Writer::new(RECORD);
    writer.u64(record.time).fixed(&record.nonce);
    write(&mut writer, &record.event);
    writer.finish()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
    let mut reader = Reader::new(RECORD, bytes)?;
    let record = Record {
        time: reader.u64()?,
        nonce: reader.fixed()?,
        event: read(&mut reader)?,
    };
    reader.finish()?;
    Ok(record)
}

fn write(writer: &mut Writer, event: &Event) {
    match event {
        Event::Filler => writer.u8(0),
        Event::Incarnation { number, size, root } => {
            writer.u8(1).u64(*number).u64(*size).fixed(root)
        }
        Event::Roster { number, digest } => writer.u8(2).u64(*number).fixed(digest),
        Event::Delegation { member, digest } => name(writer.u8(3), member).fixed(digest),
        Event::Policy { policy, config } => writer.u8(4).fixed(&policy.0).fixed(&config.0),
        Event::EpochOpened { view, epoch, key } => name(writer.u8(5), view).u64(*epoch).fixed(key),
        Event::EpochClosed { view, epoch } => name(writer.u8(6), view).u64(*epoch),
        Event::Publication {
            view,
            sequence,
            manifest,
            root,
            class,
        } => name(writer.u8(7), view)
            .u64(*sequence)
            .fixed(manifest)
            .fixed(root)
            .u64(class.count()),
        Event::Debit {
            peer,
            view,
            epoch,
            run,
            batch,
            digest,
            amount,
        } => name(name(writer.u8(8), peer), view)
            .u64(*epoch)
            .fixed(run)
            .u64(*batch)
            .fixed(digest)
            .u64(amount.count()),
        Event::RunAgreed {
            run,
            peer,
            side,
            agreement,
        } => name(writer.u8(9).fixed(run), peer)
            .u8(side.code())
            .fixed(agreement),
        Event::RunConcluded { run, receipt } => writer.u8(10).fixed(run).fixed(&receipt.0),
        Event::RunUnreceipted { run } => writer.u8(11).fixed(run),
        Event::RunOpenedLate { run } => writer.u8(12).fixed(run),
        Event::Results { run, root } => writer.u8(13).fixed(run).fixed(root),
        Event::VoleSpent { setup, run } => writer.u8(14).fixed(setup).fixed(run),
        Event::ReleaseProposed {
            release,
            content,
            basis,
            operator,
        } => {
            writer.u8(15).fixed(release).fixed(&content.0);
            name(name(writer, basis), operator)
        }
        Event::ReleaseApproved { release, operator } => {
            name(writer.u8(16).fixed(release), operator)
        }
        Event::ReleaseRevoked { release, operator } => name(writer.u8(17).fixed(release), operator),
        Event::Consent {
            release,
            peer,
            digest,
        } => name(writer.u8(18).fixed(release), peer).fixed(digest),
        Event::LiaisonSync { reader, read } => name(writer.u8(19), reader).fixed(&read.0),
        Event::Witnessed { origin, size, root } => {
            name(writer.u8(20), origin).u64(*size).fixed(root)
        }
        Event::Override { operator, what } => name(writer.u8(21), operator).fixed(&what.0),
        Event::Lost {
            incarnation,
            size,
            root,
        } => writer.u8(22).u64(*incarnation).u64(*size).fixed(root),
        Event::Equivocation {
            peer,
            accepted,
            shown,
        } => name(writer.u8(23), peer).fixed(accepted).fixed(shown),
        Event::Readmitted { peer, operator } => name(name(writer.u8(24), peer), operator),
        Event::Asked {
            run,
            peer,
            view,
            epoch,
            items,
        } => name(name(writer.u8(25).fixed(run), peer), view)
            .u64(*epoch)
            .u64(items.count()),
        Event::Probing {
            peer,
            view,
            side,
            level,
            signal,
            counted,
            limit,
        } => name(name(writer.u8(26), peer), view)
            .u8(side.code())
            .u8(level.code())
            .u8(signal.code())
            .u64(*counted)
            .u64(*limit),
        Event::Vouched {
            peer,
            operator,
            until,
            why,
        } => {
            name(name(writer.u8(27), peer), operator).u64(*until);
            name(writer, why)
        }
        Event::Decision {
            decision,
            content,
            operator,
        } => name(writer.u8(28).fixed(decision).fixed(&content.0), operator),
        Event::MessageDue {
            message,
            peer,
            view,
            content,
        } => name(name(writer.u8(29).fixed(message), peer), view).fixed(&content.0),
        Event::MessageDelivered { message, peer } => name(writer.u8(30).fixed(message), peer),
        Event::MessageReceived {
            message,
            peer,
            content,
        } => name(writer.u8(31).fixed(message), peer).fixed(&content.0),
    };
}

fn read(reader: &mut Reader<'_>) -> Result<Event, DecodeError> {
    // Fields are read in the order in which they are written here.
    Ok(match reader.u8()? {
        0 => Event::Filler,
        1 => Event::Incarnation {
            number: incarnation(reader)?,
            size: reader.u64()?,
            root: reader.fixed()?,
        },
        2 => Event::Roster {
            number: reader.u64()?,
            digest: reader.fixed()?,
        },
        3 => Event::Delegation {
            member: Name::read(reader)?,
            digest: reader.fixed()?,
        },
        4 => Event::Policy {
            policy: salted(reader)?,
            config: salted(reader)?,
        },
        5 => Event::EpochOpened {
            view: Name::read(reader)?,
            epoch: reader.u64()?,
            key: reader.fixed()?,
        },
        6 => Event::EpochClosed {
            view: Name::read(reader)?,
            epoch: reader.u64()?,
        },
        7 => Event::Publication {
            view: Name::read(reader)?,
            sequence: reader.u64()?,
            manifest: reader.fixed()?,
            root: reader.fixed()?,
            class: Class::read(reader)?,
        },
        8 => Event::Debit {
            peer: Name::read(reader)?,
            view: Name::read(reader)?,
            epoch: reader.u64()?,
            run: reader.fixed()?,
            batch: reader.u64()?,
            digest: reader.fixed()?,
            amount: Class::read(reader)?,
        },
        9 => Event::RunAgreed {
            run: reader.fixed()?,
            peer: Name::read(reader)?,
            side: Side::from_code(reader.u8()?)?,
            agreement: reader.fixed()?,
        },
        10 => Event::RunConcluded {
            run: reader.fixed()?,
            receipt: salted(reader)?,
        },
        11 => Event::RunUnreceipted {
            run: reader.fixed()?,
        },
        12 => Event::RunOpenedLate {
            run: reader.fixed()?,
        },
        13 => Event::Results {
            run: reader.fixed()?,
            root: reader.fixed()?,
        },
        14 => Event::VoleSpent {
            setup: reader.fixed()?,
            run: reader.fixed()?,
        },
        15 => Event::ReleaseProposed {
            release: reader.fixed()?,
            content: salted(reader)?,
            basis: Name::read(reader)?,
            operator: Name::read(reader)?,
        },
        16 => Event::ReleaseApproved {
            release: reader.fixed()?,
            operator: Name::read(reader)?,
        },
        17 => Event::ReleaseRevoked {
            release: reader.fixed()?,
            operator: Name::read(reader)?,
        },
        18 => Event::Consent {
            release: reader.fixed()?,
            peer: Name::read(reader)?,
            digest: reader.fixed()?,
        },
        19 => Event::LiaisonSync {
            reader: Name::read(reader)?,
            read: salted(reader)?,
        },
        20 => Event::Witnessed {
            origin: Name::read(reader)?,
            size: reader.u64()?,
            root: reader.fixed()?,
        },
        21 => Event::Override {
            operator: Name::read(reader)?,
            what: salted(reader)?,
        },
        22 => Event::Lost {
            incarnation: incarnation(reader)?,
            size: reader.u64()?,
            root: reader.fixed()?,
        },
        23 => Event::Equivocation {
            peer: Name::read(reader)?,
            accepted: reader.fixed()?,
            shown: reader.fixed()?,
        },
        24 => Event::Readmitted {
            peer: Name::read(reader)?,
            operator: Name::read(reader)?,
        },
        25 => Event::Asked {
            run: reader.fixed()?,
            peer: Name::read(reader)?,
            view: Name::read(reader)?,
            epoch: reader.u64()?,
            items: Class::read(reader)?,
        },
        26 => Event::Probing {
            peer: Name::read(reader)?,
            view: Name::read(reader)?,
            side: Side::from_code(reader.u8()?)?,
            level: Level::from_code(reader.u8()?)?,
            signal: Signal::from_code(reader.u8()?)?,
            counted: reader.u64()?,
            limit: reader.u64()?,
        },
        27 => Event::Vouched {
            peer: Name::read(reader)?,
            operator: Name::read(reader)?,
            until: reader.u64()?,
            why: Name::read(reader)?,
        },
        28 => Event::Decision {
            decision: reader.fixed()?,
            content: salted(reader)?,
            operator: Name::read(reader)?,
        },
        29 => Event::MessageDue {
            message: reader.fixed()?,
            peer: Name::read(reader)?,
            view: Name::read(reader)?,
            content: salted(reader)?,
        },
        30 => Event::MessageDelivered {
            message: reader.fixed()?,
            peer: Name::read(reader)?,
        },
        31 => Event::MessageReceived {
            message: reader.fixed()?,
            peer: Name::read(reader)?,
            content: salted(reader)?,
        },
        _ => return Err(DecodeError::Field),
    })
}

fn name<'w>(writer: &'w mut Writer, name: &Name) -> &'w mut Writer {
    writer.bytes(name.as_str().as_bytes())
}

/// Incarnations are numbered from 1.
fn incarnation(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    match reader.u64()? {
        0 => Err(DecodeError::Field),
        number => Ok(number),
    }
}

fn salted(reader: &mut Reader<'_>) -> Result<Salted, DecodeError> {
    reader.fixed().map(Salted)
}
