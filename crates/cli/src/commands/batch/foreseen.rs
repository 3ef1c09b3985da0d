//! What a batch would do.

use blindmatch_node::exchange;
use serde::Serialize;

use crate::output::{Report, Side, Table, grouped};

#[derive(Serialize)]
pub(super) struct Foreseen {
    pairs: Vec<Pair>,
}

#[derive(Serialize)]
struct Pair {
    responder: String,
    collection: String,
    r#type: &'static str,
    purpose: String,
    status: &'static str,
    reason: Option<String>,
    /// Rows of the collection that ask for something of this type.
    items: u64,
    /// Items that would be asked for, at most.
    ask: u64,
    /// What the peer learns of how many they are, and charges.
    charged: u64,
    /// What the peer was asked already in this epoch, as classes, and what it will have been.
    revealed_before: u64,
    revealed_after: u64,
    /// How many nights that takes, by a day's budget as our own policy has it.
    nights: u64,
    /// Items of customers that did not change and would not be asked for.
    left_out: u64,
    /// What may have to be fetched; nothing where only the peer knows.
    fetch_bytes: Option<u64>,
    /// The one that is estimated to take less.
    protocol: &'static str,
    lookup: Estimate,
    /// Nothing where the sets or our own policy rule it out.
    batch: Option<Estimate>,
}

#[derive(Serialize)]
struct Estimate {
    seconds: f64,
    bytes: u64,
    charged: u64,
}

impl From<exchange::Estimate> for Estimate {
    fn from(estimate: exchange::Estimate) -> Self {
        Self {
            seconds: estimate.time.as_secs_f64(),
            bytes: estimate.bytes,
            charged: estimate.charge,
        }
    }
}

impl Estimate {
    fn shown(&self) -> String {
        let megabytes = grouped(self.bytes.div_ceil(1_000_000));
        format!("{:.1} s, {megabytes} MB", self.seconds)
    }
}

impl Foreseen {
    pub(super) fn of(pairs: &[exchange::Foreseen]) -> Self {
        let pairs = pairs.iter().map(|pair| Pair {
            responder: pair.peer.to_string(),
            collection: pair.collection.to_string(),
            r#type: pair.indicator_type.name(),
            purpose: pair.purpose.clone(),
            status: match pair.outcome.name() {
                "done" => "allowed",
                name => name,
            },
            reason: pair.outcome.reason(),
            items: pair.items,
            ask: pair.ask,
            charged: pair.charged,
            revealed_before: pair.asked,
            revealed_after: pair.asked.saturating_add(pair.class()),
            nights: pair.nights,
            left_out: pair.left_out,
            fetch_bytes: pair.publication,
            protocol: pair.protocol.name(),
            lookup: pair.lookup.into(),
            batch: pair.batch.map(Into::into),
        });
        Self {
            pairs: pairs.collect(),
        }
    }
}

impl Report for Foreseen {
    fn table(&self) -> String {
        if self.pairs.is_empty() {
            return "nobody would be asked for anything".to_owned();
        }
        let mut table = Table::headed(&[
            ("peer", Side::Left),
            ("collection", Side::Left),
            ("type", Side::Left),
            ("purpose", Side::Left),
            ("rows", Side::Right),
            ("ask", Side::Right),
            ("charged", Side::Right),
            ("so far", Side::Right),
            ("then", Side::Right),
            ("fetch", Side::Right),
            ("by", Side::Left),
            ("lookup", Side::Right),
            ("batch", Side::Right),
            ("", Side::Left),
        ]);
        for pair in &self.pairs {
            let fetch = pair.fetch_bytes.map(|bytes| {
                // Rounded up: a megabyte at least.
                format!("<= {} MB", grouped(bytes.div_ceil(1_000_000)))
            });
            let mut note = pair.reason.clone().unwrap_or_default();
            if note.is_empty() && pair.nights > 1 {
                note = format!("about {} nights", grouped(pair.nights));
            }
            if note.is_empty() && pair.left_out > 0 {
                note = format!("{} unchanged are not asked for", grouped(pair.left_out));
            }
            table.row(&[
                &pair.responder,
                &pair.collection,
                pair.r#type,
                &pair.purpose,
                &grouped(pair.items),
                &grouped(pair.ask),
                &grouped(pair.charged),
                &grouped(pair.revealed_before),
                &grouped(pair.revealed_after),
                fetch.as_deref().unwrap_or("not known"),
                pair.protocol,
                &pair.lookup.shown(),
                &pair
                    .batch
                    .as_ref()
                    .map_or_else(String::new, Estimate::shown),
                &note,
            ]);
        }
        format!(
            "{}\nNobody was contacted. Of each line the peer learns the type, the purpose, and how \
             many are asked for rounded up to the number charged, or in batch to half of it; not \
             which, and not what matches. \"so far\" and \"then\" are these numbers of the peer's present epoch, \
             added up, before and after. A peer may refuse, or serve no such view, or not by batch. \
             Times and bytes of lookup and batch are estimates, for a link of 100 Mbit/s.\n",
            table.render()
        )
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.pairs.iter().collect()
    }
}
