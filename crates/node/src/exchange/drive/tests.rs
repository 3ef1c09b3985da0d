#![expect(clippy::unwrap_used, reason = "tests")]

use std::mem;
use std::sync::Mutex;

use blindmatch_psi::lookup::{Querier, Responder};
use blindmatch_psi::session::Record;
use blindmatch_psi::stop::{Abort, Stop};
use blindmatch_testkit::Keyring;
use blindmatch_testkit::world::{NOW, World, items};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// One end of a connection in memory, which breaks when it has carried so many frames.
struct Pipe {
    outgoing: Sender<Vec<u8>>,
    incoming: Receiver<Vec<u8>>,
    left: usize,
}

impl Frames for Pipe {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), Lost> {
        self.left = self.left.checked_sub(1).ok_or(Lost)?;
        // Where the other end is gone, what it said before says why.
        let _ = self.outgoing.send(frame).await;
        Ok(())
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Lost> {
        self.incoming.recv().await.ok_or(Lost)
    }
}

fn pipes(frames: usize) -> (Pipe, Pipe) {
    let (to, from) = (channel(1), channel(1));
    let pipe = |outgoing, incoming| Pipe {
        outgoing,
        incoming,
        left: frames,
    };
    (pipe(to.0, from.1), pipe(from.0, to.1))
}

/// Records in memory, and a budget that covers everything or nothing.
#[derive(Default)]
struct Memory {
    records: Mutex<Vec<Record>>,
    broke: bool,
}

impl Journal for Memory {
    fn store(&self, store: Store) -> Completion {
        let mut records = self.records.lock().unwrap();
        if records
            .iter()
            .any(|earlier| store.record().contradicts(earlier))
        {
            return store.contradicted();
        }
        if self.broke && matches!(store.record(), Record::Debit(_)) {
            return store.refused();
        }
        let (record, completion) = store.stored();
        if !(matches!(record, Record::Debit(_)) && records.contains(&record)) {
            records.push(record);
        }
        completion
    }
}

/// Two nodes with one run between them.
struct Two {
    world: World,
    keys: [Arc<dyn Keys + Send + Sync>; 2],
    journals: [Arc<Memory>; 2],
    connections: u8,
}

impl Two {
    fn new(broke: bool) -> Self {
        let mut world = World::new(7, 10_240);
        let keys =
            |host: &mut Keyring| -> Arc<dyn Keys + Send + Sync> { Arc::new(mem::take(host)) };
        let keys = [
            keys(&mut world.querier.keys),
            keys(&mut world.responder.keys),
        ];
        let memory = |broke| {
            Arc::new(Memory {
                broke,
                ..Memory::default()
            })
        };
        Self {
            world,
            keys,
            journals: [memory(false), memory(broke)],
            connections: 0,
        }
    }

    /// Runs both sides on a new connection, which breaks after so many frames of one of them.
    async fn connect(&mut self, frames: usize) -> [Result<End, Lost>; 2] {
        self.connections += 1;
        let records = self
            .journals
            .each_ref()
            .map(|j| j.records.lock().unwrap().clone());
        [self.world.querier.journal, self.world.responder.journal] = records;
        let asked = items((0..9_000).map(|n| format!("item {n}")));
        let mut querier: Querier<_> = self.world.querier_session(self.connections, asked).unwrap();
        let mut responder: Responder = self.world.responder_session(self.connections).unwrap();
        let (mut left, mut right) = pipes(frames);
        let journals = self
            .journals
            .clone()
            .map(|journal| journal as Arc<dyn Journal>);
        let now = || UnixSeconds(NOW);
        let querier = async {
            let ended = drive(&mut querier, &mut left, &self.keys[0], &journals[0], &now).await;
            drop(left);
            ended
        };
        let responder = async {
            let ended = drive(
                &mut responder,
                &mut right,
                &self.keys[1],
                &journals[1],
                &now,
            )
            .await;
            drop(right);
            ended
        };
        tokio::join!(querier, responder).into()
    }
}

#[tokio::test]
async fn a_run_goes_on_over_connections_that_break() {
    let mut two = Two::new(false);
    let mut frames = 0;
    let ends = loop {
        let ends = two.connect(frames).await;
        if ends.iter().all(Result::is_ok) {
            break ends;
        }
        frames += 1;
    };
    assert_eq!(ends, [Ok(End::Concluded); 2]);
    assert!(two.connections > 4, "it broke at every place");
    let records = two.journals[1].records.lock().unwrap();
    let debits = records.iter().filter_map(|record| match record {
        Record::Debit(debit) => Some(debit.evaluations),
        _ => None,
    });
    assert_eq!(debits.sum::<u64>(), 10_240, "each batch is charged once");
}

#[tokio::test]
async fn a_budget_that_is_spent_ends_both_sides() {
    let mut two = Two::new(true);
    let ends = two.connect(100).await;
    let stopped = |stop| Ok(End::Stopped(stop));
    let abort = Abort::Budget;
    assert_eq!(
        ends,
        [
            stopped(Stop::PeerAborted(abort)),
            stopped(Stop::Abort(abort))
        ]
    );
}
