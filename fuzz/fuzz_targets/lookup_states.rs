#![no_main]
//! What a side stored of a run: any bytes resume it or are refused.

use std::cell::LazyCell;
use std::sync::Arc;

use blindmatch_audit::codec::Writer;
use blindmatch_psi::lookup::{Querier, Responder};
use blindmatch_psi::session::{Debit, Record, Session, State};
use blindmatch_testkit::scripted;
use blindmatch_testkit::world::{VIEW_KEY, World, items};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Stored {
    Attached(Vec<u8>),
    Blinds(Vec<u8>),
    Outputs(Vec<u8>),
    Answered(Vec<u8>),
    Raw(Vec<u8>),
    Debit(u64, [u8; 32], u64),
}

thread_local! {
    static WORLD: LazyCell<World> = LazyCell::new(|| World::new(1, 8));
}

fuzz_target!(|stored: Vec<Stored>| {
    WORLD.with(|world| {
        let run = world.terms().run();
        let records = stored.iter().map(|stored| {
            let (context, rest) = match stored {
                Stored::Attached(rest) => ("blindmatch attached state v1", rest),
                Stored::Blinds(rest) => ("blindmatch lookup blinds state v1", rest),
                Stored::Outputs(rest) => ("blindmatch lookup outputs state v1", rest),
                Stored::Answered(rest) => ("blindmatch lookup answered state v1", rest),
                Stored::Raw(bytes) => return Record::State(State::from(bytes.clone())),
                Stored::Debit(batch, digest, evaluations) => {
                    return Record::Debit(Debit {
                        batch: *batch,
                        digest: *digest,
                        evaluations: *evaluations,
                    });
                }
            };
            let bytes = Writer::new(context).fixed(&run.0).fixed(rest).finish();
            Record::State(State::from(bytes))
        });
        let records: Vec<Record> = records.collect();
        let (now, mut rng) = (world.clock.now(), scripted(1));
        let key = Arc::clone(&world.view_key);
        let connection = world.querier_connection(1);
        let querier = Querier::new(
            world.terms(),
            connection,
            key,
            items(["a"]),
            records.clone(),
        );
        if let Ok(mut session) = querier {
            session.poll(now, &mut rng);
        }
        let connection = world.responder_connection(1);
        let responder = Responder::new(world.terms(), connection, VIEW_KEY, records);
        if let Ok(mut session) = responder {
            session.poll(now, &mut rng);
        }
    });
});
