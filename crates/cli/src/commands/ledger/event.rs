//! What a record of a ledger says, as people and scripts read it.

use blindmatch_node::audit::receipt::Side;
use blindmatch_node::audit::record::Event;
use serde_json::{Value, json};

use crate::output::hex;

/// The kind of an event, in the words of `spec/42-ledger.md` §2, and its fields. All of them are
/// fit to be shown: what could be guessed stands in a record as a salted digest.
pub(super) fn kind_and_fields(event: &Event) -> (&'static str, Value) {
    match event {
        Event::Filler => ("filler", json!({})),
        Event::Incarnation { number, size, root } => (
            "incarnation",
            json!({ "number": number, "size": size, "root": hex(root) }),
        ),
        Event::Roster { number, digest } => (
            "roster_accepted",
            json!({ "number": number, "digest": hex(digest) }),
        ),
        Event::Delegation { member, digest } => (
            "delegation_accepted",
            json!({ "member": member.as_str(), "digest": hex(digest) }),
        ),
        Event::Policy { policy, config } => (
            "policy_in_force",
            json!({ "policy": hex(&policy.0), "configuration": hex(&config.0) }),
        ),
        Event::EpochOpened { view, epoch, key } => (
            "epoch_opened",
            json!({ "view": view.as_str(), "epoch": epoch, "key": hex(key) }),
        ),
        Event::EpochClosed { view, epoch } => (
            "epoch_closed",
            json!({ "view": view.as_str(), "epoch": epoch }),
        ),
        Event::Publication {
            view,
            sequence,
            manifest,
            root,
            class,
        } => (
            "publication",
            json!({
                "view": view.as_str(),
                "sequence": sequence,
                "manifest": hex(manifest),
                "root": hex(root),
                "class": class.count(),
            }),
        ),
        Event::Debit {
            peer,
            view,
            epoch,
            run,
            batch,
            digest,
            amount,
        } => (
            "debit",
            json!({
                "peer": peer.as_str(),
                "view": view.as_str(),
                "epoch": epoch,
                "run": hex(run),
                "batch": batch,
                "digest": hex(digest),
                "class": amount.count(),
            }),
        ),
        Event::RunAgreed {
            run,
            peer,
            side,
            agreement,
        } => (
            "run_agreed",
            json!({
                "run": hex(run),
                "peer": peer.as_str(),
                "side": name_of(*side),
                "agreement": hex(agreement),
            }),
        ),
        Event::RunConcluded { run, receipt } => (
            "run_concluded",
            json!({ "run": hex(run), "receipt": hex(&receipt.0) }),
        ),
        Event::RunUnreceipted { run } => ("run_without_receipt", json!({ "run": hex(run) })),
        Event::RunOpenedLate { run } => ("results_opened_late", json!({ "run": hex(run) })),
        Event::Results { run, root } => ("results", json!({ "run": hex(run), "root": hex(root) })),
        Event::VoleSpent { setup, run } => (
            "vole_spent",
            json!({ "setup": hex(setup), "run": hex(run) }),
        ),
        Event::ReleaseProposed {
            release,
            content,
            basis,
            operator,
        } => (
            "release_proposed",
            json!({
                "release": hex(release),
                "content": hex(&content.0),
                "basis": basis.as_str(),
                "operator": operator.as_str(),
            }),
        ),
        Event::ReleaseApproved { release, operator } => (
            "release_approved",
            json!({ "release": hex(release), "operator": operator.as_str() }),
        ),
        Event::ReleaseRevoked { release, operator } => (
            "release_revoked",
            json!({ "release": hex(release), "operator": operator.as_str() }),
        ),
        Event::Consent {
            release,
            peer,
            digest,
        } => (
            "consent",
            json!({ "release": hex(release), "peer": peer.as_str(), "digest": hex(digest) }),
        ),
        Event::LiaisonSync { reader, read } => (
            "liaison_sync",
            json!({ "reader": reader.as_str(), "read": hex(&read.0) }),
        ),
        Event::Witnessed { origin, size, root } => (
            "witnessed",
            json!({ "origin": origin.as_str(), "size": size, "root": hex(root) }),
        ),
        Event::Override { operator, what } => (
            "override",
            json!({ "operator": operator.as_str(), "what": hex(&what.0) }),
        ),
        Event::Lost {
            incarnation,
            size,
            root,
        } => (
            "lost",
            json!({ "incarnation": incarnation, "size": size, "root": hex(root) }),
        ),
        Event::Equivocation {
            peer,
            accepted,
            shown,
        } => (
            "equivocation",
            json!({ "peer": peer.as_str(), "accepted": hex(accepted), "shown": hex(shown) }),
        ),
        Event::Readmitted { peer, operator } => (
            "readmitted",
            json!({ "peer": peer.as_str(), "operator": operator.as_str() }),
        ),
        Event::Asked {
            run,
            peer,
            view,
            epoch,
            items,
        } => (
            "asked",
            json!({
                "run": hex(run),
                "peer": peer.as_str(),
                "view": view.as_str(),
                "epoch": epoch,
                "class": items.count(),
            }),
        ),
        Event::Probing {
            peer,
            view,
            side,
            level,
            signal,
            counted,
            limit,
        } => (
            "probing",
            json!({
                "peer": peer.as_str(),
                "view": view.as_str(),
                "side": name_of(*side),
                "level": level.name(),
                "signal": signal.name(),
                "counted": counted,
                "limit": limit,
            }),
        ),
        Event::Vouched {
            peer,
            operator,
            until,
            why,
        } => (
            "vouched",
            json!({
                "peer": peer.as_str(),
                "operator": operator.as_str(),
                "until": until,
                "why": why.as_str(),
            }),
        ),
        Event::Decision {
            decision,
            content,
            operator,
        } => (
            "decision",
            json!({
                "decision": hex(decision),
                "content": hex(&content.0),
                "operator": operator.as_str(),
            }),
        ),
        Event::MessageDue {
            message,
            peer,
            view,
            content,
        } => (
            "message_due",
            json!({
                "message": hex(message),
                "peer": peer.as_str(),
                "view": view.as_str(),
                "content": hex(&content.0),
            }),
        ),
        Event::MessageDelivered { message, peer } => (
            "message_delivered",
            json!({ "message": hex(message), "peer": peer.as_str() }),
        ),
        Event::MessageReceived {
            message,
            peer,
            content,
        } => (
            "message_received",
            json!({
                "message": hex(message),
                "peer": peer.as_str(),
                "content": hex(&content.0),
            }),
        ),
        // Of a later version of the format; such a record does not decode.
        _ => ("unknown", json!({})),
    }
}

const fn name_of(side: Side) -> &'static str {
    match side {
        Side::Querier => "querier",
        Side::Responder => "responder",
    }
}
