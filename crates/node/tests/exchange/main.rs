//! Nodes of one consortium that serve each other on this machine, over TLS.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod replays;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use blindmatch_audit::checkpoint::Continuation;
use blindmatch_audit::receipt::Input;
use blindmatch_audit::record::Event;
use blindmatch_feeds::Options;
use blindmatch_indicator::{Canonicaliser, IndicatorType, PublicSuffixes};
use blindmatch_membership::{DelegationError, Digest, Name};
use blindmatch_node::demo::{Consortium, Outcome, PURPOSE};
use blindmatch_node::exchange::accept::{Accepted, Before, Expected, accept};
use blindmatch_node::exchange::ask::{Asker, Occasion, Subject};
use blindmatch_node::exchange::batch::{Batch, Watch};
use blindmatch_node::exchange::query::Query;
use blindmatch_node::exchange::view::View;
use blindmatch_node::exchange::{
    Daemon, Frames as Driven, Journal, Lost, RunKeys, SIGNER, Serving, VERSION, drive,
};
use blindmatch_node::roster::ceremony::{self, Beginning, SUFFIXES};
use blindmatch_node::{Error, Node, clock};
use blindmatch_oprf::PublicKey;
use blindmatch_oprf::additive::AuthenticatedKey;
use blindmatch_psi::agreement::{Agreement, Direction, Party, Protocol, Refusal, Role};
use blindmatch_psi::lookup::{Item, Querier, Terms, view_input};
use blindmatch_psi::publication::{Publication, QueryClass};
use blindmatch_psi::session::{
    Completion, Connection, End, Keys, Record, State, Store, UnixSeconds,
};
use blindmatch_psi::stop::{Abort, Stop};
use blindmatch_store::index::RunState;
use blindmatch_transport::message::{Answer, FileRequest, ManifestRequest, Proposal};
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{CallError, Channel, Endpoint, Frames, Limits, Server};
use bytes::Bytes;
use rand::RngExt;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;

fn suffixes() -> PublicSuffixes {
    let list = format!("public_suffix_list-{}.dat", PublicSuffixes::VERSION_1);
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/tables");
    PublicSuffixes::parse(&fs::read_to_string(tables.join(list)).unwrap()).unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn view() -> View {
    View {
        indicator_type: IndicatorType::Email,
        purpose: PURPOSE.to_owned(),
    }
}

/// A node at work.
struct Running {
    serving: Serving,
    endpoint: Endpoint,
    _server: Server,
}

/// All of them, by name.
struct World {
    place: TempDir,
    /// Seconds by which the nodes' clocks are ahead.
    ahead: Arc<AtomicU64>,
    nodes: BTreeMap<Name, Running>,
}

impl World {
    /// Nodes with these sets, of which `change` may change the policy.
    async fn new(sets: &[(&str, &str)], change: impl Fn(&str) -> String) -> Self {
        Self::of_versions(sets, change, &[]).await
    }

    /// The same, all of which take no more calls than so.
    async fn within(sets: &[(&str, &str)], limits: Limits) -> Self {
        Self::made(sets, str::to_owned, &[], limits).await
    }

    /// The same, of which some are of releases of other versions of the protocol.
    async fn of_versions(
        sets: &[(&str, &str)],
        change: impl Fn(&str) -> String,
        versions: &[(&str, u32)],
    ) -> Self {
        Self::made(sets, change, versions, Limits::default()).await
    }

    async fn made(
        sets: &[(&str, &str)],
        change: impl Fn(&str) -> String,
        versions: &[(&str, u32)],
        limits: Limits,
    ) -> Self {
        let place = tempfile::tempdir().unwrap();
        let names: Vec<_> = sets.iter().map(|(member, _)| name(member)).collect();
        let digest = Digest(*suffixes().sha256());
        let mut consortium = Consortium::found(place.path(), &names, digest).unwrap();
        let policy = change(consortium.policy());
        let canonicaliser = Canonicaliser::new(suffixes());
        let ahead = Arc::new(AtomicU64::new(0));
        let mut nodes = BTreeMap::new();
        for (member, feed) in sets {
            let ahead = Arc::clone(&ahead);
            let clock = Arc::new(move || clock::now() + ahead.load(Ordering::Relaxed));
            let member = consortium.members.remove(&name(member)).unwrap();
            let desk = member.desk(&canonicaliser).unwrap();
            let read = |canonicaliser: &Canonicaliser,
                        sink: &mut dyn FnMut(&blindmatch_feeds::Row<'_>)| {
                let options = Options::default();
                blindmatch_feeds::read(feed.as_bytes(), &options, canonicaliser, sink)
            };
            desk.import("main".parse().unwrap(), read, &mut |_| {})
                .unwrap();
            drop(desk);
            let home = member.node.disk().root().to_owned();
            fs::write(home.join("policy.toml"), &policy).unwrap();
            let daemon = Daemon::open(member.node, canonicaliser.clone(), clock);
            let own = daemon.as_ref().unwrap().id().member().as_str();
            let version = versions.iter().find(|(member, _)| *member == own);
            let version = version.map_or(VERSION, |(_, version)| *version);
            let daemon = Arc::new(daemon.unwrap().of_version(version));
            let serving = Serving::new(Arc::clone(&daemon));
            let endpoint = daemon.endpoint(limits.clone());
            member.listener.set_nonblocking(true).unwrap();
            let listener = TcpListener::from_std(member.listener).unwrap();
            let server = endpoint.serve(listener, Arc::new(serving.clone()));
            let running = Running {
                serving,
                endpoint,
                _server: server,
            };
            nodes.insert(daemon.id().member().clone(), running);
        }
        let world = Self {
            place,
            ahead,
            nodes,
        };
        // Everybody meets everybody.
        for Running {
            serving, endpoint, ..
        } in world.nodes.values()
        {
            assert!(serving.gather(endpoint).await.unwrap());
        }
        world
    }

    fn node(&self, member: &str) -> &Running {
        self.nodes.get(&name(member)).unwrap()
    }

    /// Publishes at one node, and has its ledger cosigned.
    async fn publish(&self, member: &str) -> Vec<View> {
        let Running {
            serving, endpoint, ..
        } = self.node(member);
        let daemon = serving.daemon();
        let published = tokio::task::spawn_blocking(move || daemon.publish());
        let published = published.await.unwrap().unwrap();
        assert!(serving.gather(endpoint).await.unwrap());
        published
    }

    async fn dial(&self, from: &str, to: &str) -> Channel {
        let channel = self.node(from).endpoint.dial(&name(to)).await.unwrap();
        let greeting = self.node(from).serving.daemon().greeting().unwrap();
        channel.hello(greeting).await.unwrap();
        channel
    }

    /// The publication of `to`, as `from` accepts it.
    async fn manifest(&self, channel: &Channel, from: &str, to: &str) -> Accepted {
        let request = ManifestRequest {
            view: view().to_string(),
            checkpoint: Bytes::new(),
        };
        let given = channel.manifest(request).await.unwrap();
        let (asking, answering) = (self.daemon(from), self.daemon(to));
        let known = asking.directory().known();
        let witnesses = blindmatch_membership::Witnesses::of(
            &known.roster,
            &known.delegations,
            &name(to),
            asking.now(),
        );
        let expected = Expected {
            consortium: "demo",
            responder: &answering.id().to_string(),
            view: &view(),
            ledger: &asking.ledger_keys_of(&name(to)),
            quorum: &witnesses.quorum().unwrap(),
        };
        accept(
            &given.manifest,
            &given.proof,
            &Continuation::Kept(given.consistency),
            &expected,
            &Before::default(),
            asking.now(),
        )
        .unwrap()
    }

    fn daemon(&self, member: &str) -> Arc<Daemon> {
        self.node(member).serving.daemon()
    }

    /// The roster behind the first, without a member.
    fn roster_without(&self, member: &str) -> Vec<u8> {
        self.next_roster(|roster| {
            ceremony::remove(roster, &[name(member)]).unwrap();
        })
    }

    /// The roster behind the first, which `change` changes before it is signed.
    fn next_roster(&self, change: impl Fn(&Path)) -> Vec<u8> {
        let office = self.place.path().join("administrators");
        let (first, second) = (office.join("roster.txt"), office.join("roster-2.txt"));
        let now = clock::now();
        let terms = ceremony::Terms {
            in_force: (now, now + 60 * 86_400),
            witness_quorum: None,
            tables: BTreeMap::from([(name(SUFFIXES), Digest(*suffixes().sha256()))]),
            exclusions: BTreeMap::new(),
        };
        let after = Beginning::After {
            roster: &first,
            advance: None,
        };
        ceremony::begin(after, terms, &second).unwrap();
        change(&second);
        let key = office.join("ada.key");
        ceremony::sign(&second, &key, Some(&first)).unwrap();
        fs::read(second).unwrap()
    }

    fn asker(&self, member: &str) -> Asker {
        let Running {
            serving, endpoint, ..
        } = self.node(member);
        Asker::new(serving.daemon(), endpoint.clone())
    }

    /// What a member's batch comes to, by peer and type, without what is not served.
    async fn batch(&self, member: &str) -> BTreeMap<(String, IndicatorType), Outcome> {
        let watch: Watch = Arc::new(|_| {});
        let pairs = self.asker(member).batch(&Batch::default(), &watch).await;
        let pairs = pairs.unwrap().into_iter();
        let pairs = pairs.filter(|pair| pair.outcome.is_served());
        pairs
            .map(|pair| {
                let about = (pair.responder.to_string(), pair.indicator_type);
                (about, pair.outcome)
            })
            .collect()
    }

    /// Ends a node and begins it again from its home.
    async fn restart(&mut self, member: &str) {
        let Running {
            serving,
            endpoint,
            _server: server,
        } = self.nodes.remove(&name(member)).unwrap();
        let daemon = serving.daemon();
        let home = daemon.node().disk().root().to_owned();
        let address = daemon.node().config().node.address.to_string();
        let ledger = Arc::downgrade(daemon.ledger());
        server.drain(Duration::from_secs(1)).await;
        drop((serving, endpoint, daemon));
        while ledger.strong_count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let node = Node::open(&home).unwrap();
        let canonicaliser = Canonicaliser::new(suffixes());
        let daemon = Daemon::open(node, canonicaliser, Arc::new(clock::now)).unwrap();
        let endpoint = daemon.endpoint(Limits::default());
        let serving = Serving::new(Arc::new(daemon));
        let listener = TcpListener::bind(address).await.unwrap();
        let server = endpoint.serve(listener, Arc::new(serving.clone()));
        assert!(serving.gather(&endpoint).await.unwrap());
        let running = Running {
            serving,
            endpoint,
            _server: server,
        };
        self.nodes.insert(name(member), running);
    }

    fn debits(&self, member: &str) -> Vec<u64> {
        let log = self.daemon(member).ledger().log();
        let records = log.records(0..u64::MAX).map(Result::unwrap);
        let debits = records.filter_map(|(_, record)| match record.event {
            Event::Debit { amount, .. } => Some(amount.count()),
            _ => None,
        });
        debits.collect()
    }
}

/// A querier with its records in memory.
struct Asking {
    agreement: Agreement,
    accepted: Accepted,
    items: Vec<Item>,
    journal: Arc<Memory>,
    /// Every frame that it sent, on whichever connection.
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A connection that breaks when it has brought so many frames, and why it did.
struct Breaking {
    frames: Frames,
    brought: usize,
    left: usize,
    error: Option<CallError>,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Driven for Breaking {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), Lost> {
        if self.left == 0 && self.brought > 0 {
            self.error = Some(CallError::Failed(Kind::Unavailable.into()));
            return Err(Lost);
        }
        self.sent.lock().unwrap().push(frame.clone());
        Driven::send(&mut self.frames, frame).await
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Lost> {
        let unavailable = CallError::Failed(Kind::Unavailable.into());
        if self.left == 0 {
            self.error = Some(unavailable);
            return Err(Lost);
        }
        match self.frames.receive().await {
            Ok(Some(frame)) => {
                self.brought += 1;
                self.left -= 1;
                Ok(frame.into())
            }
            Ok(None) => {
                self.error = Some(unavailable);
                Err(Lost)
            }
            Err(error) => {
                self.error = Some(error);
                Err(Lost)
            }
        }
    }
}

#[derive(Default)]
struct Memory(Mutex<Vec<Record>>);

impl Journal for Memory {
    fn store(&self, store: Store) -> Completion {
        let (record, completion) = store.stored();
        self.0.lock().unwrap().push(record);
        completion
    }
}

impl World {
    fn proposal(&self, from: &str, to: &str, accepted: &Accepted, items: u64) -> Agreement {
        let party = |member: &str, nonce| Party {
            identity: self.daemon(member).id().to_string().into(),
            nonce,
        };
        let class = QueryClass::holding(items.max(1)).unwrap().items();
        Agreement {
            consortium: b"demo".to_vec(),
            roster: self.daemon(from).directory().known().roster.number,
            protocol: Protocol::Lookup,
            parties: [party(from, rand::rng().random()), party(to, [0; 32])],
            directions: vec![Direction {
                querier: Role::First,
                view: view().to_string().into(),
                indicator_type: b"email".to_vec(),
                canonicalisation: accepted.manifest.canonicalisation,
                purpose: PURPOSE.into(),
                querier_input: Input {
                    commitment: rand::rng().random(),
                    class,
                },
                responder_input: view_input(&accepted.manifest),
                payment_key: Vec::new(),
                setup: [0; 32],
            }],
        }
    }

    async fn agree(
        &self,
        channel: &Channel,
        from: &str,
        to: &str,
        emails: &[&str],
    ) -> Result<Asking, Refusal> {
        let accepted = self.manifest(channel, from, to).await;
        let canonicaliser = Canonicaliser::new(suffixes());
        let items = emails.iter().map(|email| {
            let email = canonicaliser.parse(IndicatorType::Email, email).unwrap();
            Item::new(email.encode().to_vec())
        });
        let items: Vec<_> = items.collect();
        let proposal = self.proposal(from, to, &accepted, items.len() as u64);
        let answer = channel.propose(Proposal(proposal.encode().into())).await;
        match answer.unwrap() {
            Answer::Refusal(refusal) => Err(Refusal::decode(&refusal).unwrap()),
            Answer::Agreement(agreed) => {
                let agreement = Agreement::decode(&agreed).unwrap();
                assert!(agreement.completes(&proposal));
                Ok(Asking {
                    agreement,
                    accepted,
                    items,
                    journal: Arc::default(),
                    sent: Arc::default(),
                })
            }
        }
    }

    /// One connection of a run; gives how it ended and the items that were found.
    async fn ask(
        &self,
        channel: &Channel,
        from: &str,
        asking: &Asking,
    ) -> Result<(End, BTreeSet<u64>), CallError> {
        self.ask_until(channel, from, asking, usize::MAX).await
    }

    /// The same on a connection that breaks when it has brought so many frames.
    async fn ask_until(
        &self,
        channel: &Channel,
        from: &str,
        asking: &Asking,
        left: usize,
    ) -> Result<(End, BTreeSet<u64>), CallError> {
        let daemon = self.daemon(from);
        let manifest = &asking.accepted.manifest;
        let direction = asking.agreement.directions.first().unwrap();
        let run = asking.agreement.run_id(direction);
        let frames = channel.run(run.0).await?;
        let until = UnixSeconds(manifest.expires);
        let terms = Terms::new(&asking.agreement, direction, manifest, until).unwrap();
        let connection = Connection {
            exporter: *frames.exporter(),
            signer: SIGNER,
            peer: daemon.receipt_key(channel.peer()).unwrap(),
        };
        let key = PublicKey::from_bytes(&manifest.public_key).unwrap();
        let key = Arc::new(AuthenticatedKey::vouch(key));
        let records = asking.journal.0.lock().unwrap().clone();
        let querier = Querier::new(terms, connection, key, asking.items.clone(), records);
        let mut querier = querier.unwrap();
        let keys: Arc<dyn Keys + Send + Sync> = Arc::new(RunKeys {
            signer: daemon.receipts().clone(),
            evaluation: None,
        });
        let journal: Arc<dyn Journal> = asking.journal.clone();
        let now = || UnixSeconds(clock::now());
        let mut breaking = Breaking {
            frames,
            brought: 0,
            left,
            error: None,
            sent: Arc::clone(&asking.sent),
        };
        let ended = drive(&mut querier, &mut breaking, &keys, &journal, &now).await;
        let Ok(end) = ended else {
            return Err(breaking.error.unwrap());
        };
        breaking.frames.finish().await?;
        if end != End::Concluded {
            return Ok((end, BTreeSet::new()));
        }
        let file = channel.file(FileRequest {
            view: view().to_string(),
            sequence: manifest.edition.sequence(),
            since: None,
            offset: 0,
        });
        let file = file.await?.collect(1 << 24).await?.to_vec();
        let publication = Publication::verify(file, manifest.edition, manifest.root).unwrap();
        let records = asking.journal.0.lock().unwrap();
        let states = records.iter().filter_map(|record| match record {
            Record::State(state) => Some(state),
            _ => None,
        });
        let states: Vec<&State> = states.collect();
        let concluded = querier.concluded().unwrap();
        let matches = concluded.matches(states, manifest, &publication).unwrap();
        assert!(matches.unopened.is_empty());
        let found = matches.found.iter().map(|found| found.item).collect();
        Ok((end, found))
    }
}

const SETS: [(&str, &str); 3] = [
    ("a", "one@evil.example.com\ntwo@evil.example.com\n"),
    ("b", "two@evil.example.com\nthree@evil.example.com\n"),
    ("c", "four@evil.example.com\n"),
];
const ASKED: [&str; 3] = [
    "one@evil.example.com",
    "two@evil.example.com",
    "three@evil.example.com",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_accepted_asked_and_charged_once() {
    let world = World::new(&SETS, str::to_owned).await;
    let published = world.publish("b").await;
    assert!(published.contains(&view()), "{published:?}");
    // Nothing is published twice, and nobody cosigns in vain.
    assert_eq!(world.publish("b").await, []);
    let channel = world.dial("a", "b").await;
    let views = channel.views().await.unwrap().0;
    assert_eq!(views.len(), published.len());

    let asking = world.agree(&channel, "a", "b", &ASKED).await.unwrap();
    let ended = world.ask(&channel, "a", &asking).await.unwrap();
    assert_eq!(ended, (End::Concluded, BTreeSet::from([1, 2])));
    assert_eq!(world.debits("b"), [8]);
    assert_eq!(world.daemon("b").runs().unfinished(), []);
    assert_eq!(world.daemon("b").runs().ended().unwrap().len(), 1);
    // A run that is over is none any more.
    let refused = world.ask(&channel, "a", &asking).await.unwrap_err();
    assert!(
        matches!(&refused, CallError::Refused(problem) if problem.kind == Kind::NotFound),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_refuses_by_its_rule() {
    let change = |policy: &str| policy.replace("minimum_set_size = 1\n", "minimum_set_size = 3\n");
    let world = World::new(&SETS, change).await;
    world.publish("b").await;
    let channel = world.dial("a", "b").await;
    let refused = world.agree(&channel, "a", "b", &ASKED).await;
    let refusal = refused.err().unwrap();
    assert!(refusal.rule.contains("set_too_small"), "{}", refusal.rule);
    assert_eq!(world.daemon("b").runs().unfinished(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_only_its_members() {
    let world = World::new(&SETS, str::to_owned).await;
    world.publish("b").await;
    let channel = world.dial("a", "b").await;
    let asking = world.agree(&channel, "a", "b", &ASKED).await.unwrap();
    // The proposal of another is none.
    let other = world.dial("c", "b").await;
    let proposal = world.proposal("a", "b", &asking.accepted, 1);
    let refused = other.propose(Proposal(proposal.encode().into())).await;
    let malformed =
        matches!(refused, Err(CallError::Refused(problem)) if problem.kind == Kind::Malformed);
    assert!(malformed);
    let refused = world.ask(&other, "c", &asking).await.unwrap_err();
    assert!(
        matches!(&refused, CallError::Refused(problem) if problem.kind == Kind::NotFound),
        "{refused}"
    );
    assert_eq!(world.debits("b"), [0_u64; 0]);
    let (end, _) = world.ask(&channel, "a", &asking).await.unwrap();
    assert_eq!(end, End::Concluded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_spent_evaluates_nothing_more() {
    // Two runs are agreed on while there is enough for either: the debit decides.
    let change = |policy: &str| {
        policy.replace(
            "minimum_set_size = 1\n",
            "minimum_set_size = 1\nbudget = { day = 8, epoch = 8 }\n",
        )
    };
    let world = World::new(&SETS, change).await;
    world.publish("b").await;
    let channel = world.dial("a", "b").await;
    let first = world.agree(&channel, "a", "b", &ASKED).await.unwrap();
    let second = world.agree(&channel, "a", "b", &ASKED).await.unwrap();
    let (end, _) = world.ask(&channel, "a", &first).await.unwrap();
    assert_eq!(end, End::Concluded);
    let (end, _) = world.ask(&channel, "a", &second).await.unwrap();
    assert_eq!(end, End::Stopped(Stop::PeerAborted(Abort::Budget)));
    assert_eq!(world.debits("b"), [8]);
    let refusal = world.agree(&channel, "a", "b", &ASKED).await.err().unwrap();
    assert!(refusal.rule.contains("budget"), "{}", refusal.rule);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_were_only_agreed_to_keep_nobody_out() {
    let world = World::new(&SETS, str::to_owned).await;
    world.publish("b").await;
    let channel = world.dial("a", "b").await;
    let accepted = world.manifest(&channel, "a", "b").await;
    let charged = world.agree(&channel, "a", "b", &ASKED).await.unwrap();
    let broken = world.ask_until(&channel, "a", &charged, 2).await;
    assert!(broken.is_err());
    assert_eq!(world.debits("b"), [8]);
    // As somebody who dies before he has stored what was agreed, night after night.
    for _ in 0..70 {
        let proposal = world.proposal("a", "b", &accepted, 1);
        let answer = channel.propose(Proposal(proposal.encode().into())).await;
        assert!(matches!(answer, Ok(Answer::Agreement(_))), "{answer:?}");
    }
    let b = world.daemon("b");
    assert_eq!(b.runs().unfinished().len(), 64);
    // What was charged stays, and nothing of this counts as broken off.
    let channel = world.dial("a", "b").await;
    let (end, _) = world.ask(&channel, "a", &charged).await.unwrap();
    assert_eq!(end, End::Concluded);
    let aborts = b.facts(|facts| facts.unreceipted_in_a_row("a"));
    assert_eq!(aborts.unwrap(), 0);
    world.ahead.store(30 * 86_400, Ordering::Relaxed);
    assert_eq!(b.tidy(b.now()).unwrap().runs, 63);
    let aborts = b.facts(|facts| facts.unreceipted_in_a_row("a"));
    assert_eq!(aborts.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cut_anywhere_is_resumed_and_charged_once() {
    let world = World::new(&SETS, str::to_owned).await;
    world.publish("b").await;
    let asking = {
        let channel = world.dial("a", "b").await;
        world.agree(&channel, "a", "b", &ASKED).await.unwrap()
    };
    let mut frames = 0;
    let found = loop {
        // Each on a connection of its own; the counter of attachments goes on.
        let channel = world.dial("a", "b").await;
        match world.ask_until(&channel, "a", &asking, frames).await {
            Ok((end, found)) => {
                assert_eq!(end, End::Concluded);
                break found;
            }
            Err(_) => frames += 1,
        }
    };
    assert!(frames > 1, "it broke {frames} times");
    assert_eq!(found, BTreeSet::from([1, 2]));
    assert_eq!(world.debits("b"), [8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_nobody_went_on_with_ends_with_its_epoch() {
    let world = World::new(&SETS, str::to_owned).await;
    world.publish("b").await;
    let channel = world.dial("a", "b").await;
    let asking = world.agree(&channel, "a", "b", &ASKED).await.unwrap();
    let broken = world.ask_until(&channel, "a", &asking, 2).await;
    assert!(broken.is_err());
    // One in which nothing was said ends too, and nobody is told that it was.
    let unsaid = world.agree(&channel, "a", "b", &ASKED).await.unwrap();
    let b = world.daemon("b");
    assert_eq!(b.tidy(b.now()).unwrap().runs, 0);
    assert_eq!(b.runs().unfinished().len(), 2);
    // Its view is rotated, and for a day it could be gone on with.
    b.rotate(&view()).unwrap();
    let Running {
        serving, endpoint, ..
    } = world.node("b");
    assert!(serving.gather(endpoint).await.unwrap());
    world.ahead.store(80_000, Ordering::Relaxed);
    assert_eq!(b.tidy(b.now()).unwrap().runs, 0);
    world.ahead.store(86_400, Ordering::Relaxed);
    let first = b.tidy(b.now()).unwrap();
    assert_eq!((first.closed, first.runs), (1, 2));
    assert_eq!(b.runs().unfinished(), []);
    let [run, unsaid] = [&asking, &unsaid].map(|asking| {
        let direction = asking.agreement.directions.first().unwrap();
        asking.agreement.run_id(direction)
    });
    let state = b.facts(|facts| facts.run(&run.0)).unwrap().unwrap().0;
    assert_eq!(state, RunState::Unreceipted);
    assert!(b.facts(|facts| facts.run(&unsaid.0)).unwrap().is_none());
    assert_eq!(b.runs().ended().unwrap(), [run]);
    // On another connection, since the certificate was of the day before.
    let channel = world.dial("a", "b").await;
    let refused = world.ask(&channel, "a", &asking).await.unwrap_err();
    assert!(
        matches!(&refused, CallError::Refused(problem) if problem.kind == Kind::NotFound),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_removed_is_cut_off_and_what_it_could_ask_is_rotated() {
    const SOON: Duration = Duration::from_secs(5);
    let many = (0..40_000).map(|number| format!("user{number}@evil.example.com\n"));
    let many: String = many.collect();
    let (a, c) = ("user1@evil.example.com\n", "user2@evil.example.com\n");
    let world = World::new(&[("a", a), ("b", &many), ("c", c)], str::to_owned).await;
    world.publish("b").await;
    let b = world.daemon("b");
    let keys: Vec<_> = b.views().own().iter().map(|own| own.id()).collect();
    let files = b.node().disk().root().join("keys/files");
    assert!(keys.iter().all(|id| files.join(id.to_string()).exists()));

    // A run under way, and a download of which some has come.
    let channel = world.dial("a", "b").await;
    let asking = world.agree(&channel, "a", "b", &[a.trim()]).await.unwrap();
    let direction = asking.agreement.directions.first().unwrap();
    let mut frames = channel
        .run(asking.agreement.run_id(direction).0)
        .await
        .unwrap();
    let mut download = channel
        .file(FileRequest {
            view: view().to_string(),
            sequence: asking.accepted.manifest.edition.sequence(),
            since: None,
            offset: 0,
        })
        .await
        .unwrap();
    assert!(download.next().await.unwrap().is_some());
    assert_eq!(b.runs().unfinished().len(), 1);
    // Who is still a member has met both.
    let to_a = world.dial("c", "a").await;

    let roster = world.roster_without("a");
    assert!(b.take_roster(&roster).unwrap());
    assert!(!b.take_roster(&roster).unwrap(), "it is no news any more");
    let cut = timeout(SOON, async {
        let run = frames.receive().await;
        let file = loop {
            match download.next().await {
                Ok(Some(_)) => {}
                ended => break ended,
            }
        };
        (run, file)
    });
    let (run, file) = cut.await.unwrap();
    assert!(run.is_err() && file.is_err(), "{run:?} {:?}", file.is_err());
    let asker = world.asker("a");
    let refused = asker.reach(&name("b")).await.unwrap_err();
    assert!(
        matches!(refused.outcome(), Outcome::Refused(why) if why.contains("does not have us")),
        "{refused}"
    );

    // What is due survives the process that learnt it.
    let rotating = Arc::clone(&b);
    let rotated = tokio::task::spawn_blocking(move || rotating.rotate_for_gone());
    let rotated = rotated.await.unwrap().unwrap().unwrap();
    assert_eq!(rotated.gone, BTreeSet::from([name("a")]));
    assert!(rotated.views.contains(&view()));
    assert!(!keys.iter().any(|id| files.join(id.to_string()).exists()));
    assert_eq!(b.runs().unfinished(), []);
    assert_eq!(b.own_epoch(&view()).unwrap().domain().epoch, 2);
    assert_eq!(b.rotate_for_gone().unwrap(), None);

    // The others take the roster by greeting, and go on.
    let c = world.asker("c");
    let channel = c.reach(&name("b")).await.unwrap();
    assert_eq!(world.daemon("c").directory().known().roster.number, 2);
    assert!(timeout(SOON, to_a.views()).await.unwrap().is_err());
    let closed = async {
        while !to_a.is_closed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, closed).await.unwrap();
    let gone = c
        .ask(
            &to_a,
            &view(),
            Subject::Indicators(Vec::new()),
            &Occasion::default(),
        )
        .await
        .unwrap_err();
    assert!(
        matches!(gone.outcome(), Outcome::Refused(why) if why.contains("no member any more")),
        "{gone}"
    );
    let Running {
        serving, endpoint, ..
    } = world.node("b");
    assert!(serving.gather(endpoint).await.unwrap());
    let email = Canonicaliser::new(suffixes());
    let email = email
        .parse(IndicatorType::Email, "user2@evil.example.com")
        .unwrap();
    let answered = c
        .ask(
            &channel,
            &view(),
            Subject::Indicators(vec![email]),
            &Occasion::default(),
        )
        .await
        .unwrap();
    assert_eq!(answered.found.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbouring_versions_speak_and_others_say_so() {
    // A rolling upgrade: one that is done, one to come, and one that was forgotten for a release.
    let versions = [("a", 3), ("b", 2), ("c", 1)];
    let world = World::of_versions(&SETS, str::to_owned, &versions).await;
    for member in ["a", "b", "c"] {
        world.publish(member).await;
    }
    let email = |peer: &str| (peer.to_owned(), IndicatorType::Email);
    let from_a = world.batch("a").await;
    assert_eq!(from_a.get(&email("b")), Some(&Outcome::Done));
    let says = |outcome: Option<&Outcome>, words: &str| {
        let Some(Outcome::Failed(why)) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(why.contains(words), "{why}");
    };
    says(from_a.get(&email("c")), "we speak 2 and 3, the peer 1;");
    let from_b = world.batch("b").await;
    assert_eq!(from_b.get(&email("a")), Some(&Outcome::Done));
    assert_eq!(from_b.get(&email("c")), Some(&Outcome::Done));
    let from_c = world.batch("c").await;
    assert_eq!(from_c.get(&email("b")), Some(&Outcome::Done));
    says(from_c.get(&email("a")), "we speak 1, the peer 2 and 3;");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_in_another_canonical_form_stops_that_type_alone() {
    let (a, b, c) = (
        "one@evil.example.com\n9.9.9.9\n",
        "one@evil.example.com\n9.9.9.9\n8.8.4.4\n",
        "four@evil.example.com\n",
    );
    let world = World::new(&[("a", a), ("b", b), ("c", c)], str::to_owned).await;
    let roster = world.next_roster(|file| {
        // By two more than any release has.
        let text = fs::read_to_string(file).unwrap();
        let named = format!(
            "canonicalisation: email {}\n",
            IndicatorType::Email.canonicalisation_version()
        );
        assert!(text.contains(&named), "{text}");
        let version = IndicatorType::Email.canonicalisation_version() + 2;
        let raised = format!("canonicalisation: email {version}\n");
        fs::write(file, text.replace(&named, &raised)).unwrap();
    });
    for member in ["a", "b", "c"] {
        assert!(world.daemon(member).take_roster(&roster).unwrap());
    }
    world.publish("b").await;
    let pairs = world.batch("a").await;
    let of = |kind| pairs.get(&("b".to_owned(), kind));
    assert_eq!(of(IndicatorType::Ip), Some(&Outcome::Done));
    assert!(
        matches!(of(IndicatorType::Email), Some(Outcome::Refused(why)) if why.contains("canonical")),
        "{:?}",
        of(IndicatorType::Email)
    );
    let canonicaliser = Canonicaliser::new(suffixes());
    let one = |kind, value| canonicaliser.parse(kind, value).unwrap();
    let query = Query {
        indicators: vec![
            one(IndicatorType::Ip, "9.9.9.9"),
            one(IndicatorType::Email, "one@evil.example.com"),
        ],
        peers: BTreeSet::from([name("b")]),
        purpose: None,
        occasion: Occasion::default(),
    };
    let answers = world.asker("a").query(query).await.unwrap();
    let of = |kind| {
        answers
            .iter()
            .find(|answer| answer.indicator_type == kind)
            .unwrap()
    };
    assert_eq!(of(IndicatorType::Ip).outcome, Outcome::Done);
    assert_eq!(of(IndicatorType::Ip).found.len(), 1);
    assert!(
        matches!(&of(IndicatorType::Email).outcome, Outcome::Refused(why) if why.contains("canonical")),
        "{:?}",
        of(IndicatorType::Email).outcome
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_is_cut_off_also_by_a_node_whose_own_keys_have_expired() {
    const DAY: u64 = 86_400;
    let world = World::new(&SETS, str::to_owned).await;
    let roster = world.place.path().join("administrators/roster-2.txt");
    world.roster_without("a");
    world.ahead.store(20 * DAY, Ordering::Relaxed);
    let a = world.daemon("a");
    let renewed = a
        .node()
        .rotate(Some(a.ledger()), None, 30, false, &mut rand::rng());
    renewed.unwrap();
    world.node("a").serving.read_again().unwrap();
    let channel = world.dial("a", "b").await;
    world.ahead.store(31 * DAY, Ordering::Relaxed);
    let greeting = || world.daemon("a").greeting().unwrap();
    channel.hello(greeting()).await.unwrap();

    let b = world.daemon("b");
    b.node().install_roster(b.ledger(), &roster).unwrap();
    let read = world.node("b").serving.read_again();
    assert!(matches!(
        read,
        Err(Error::NotListed(DelegationError::Expired))
    ));
    let cut = async { while channel.hello(greeting()).await.is_ok() {} };
    timeout(Duration::from_secs(5), cut).await.unwrap();
}

/// A batch of more calls than a peer takes at once waits, and leaves nothing out.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_beyond_the_rate_of_calls_goes_slower() {
    let limits = Limits {
        rate: 4,
        burst: 20,
        ..Limits::default()
    };
    let world = World::within(&SETS, limits).await;
    let published = world.publish("b").await;
    // Somebody has used up what there is.
    let channel = world.dial("a", "b").await;
    let mut busy = false;
    for _ in 0..40 {
        let refused = channel.views().await;
        busy |= matches!(refused, Err(CallError::Refused(problem)) if problem.kind == Kind::Busy);
    }
    assert!(busy, "nothing was beyond the limits");
    let outcomes = world.batch("a").await;
    let of_b = outcomes.iter().filter(|((peer, _), _)| peer == "b");
    let of_b: Vec<_> = of_b.collect();
    assert!(!of_b.is_empty() && of_b.len() <= published.len());
    assert!(
        of_b.iter().all(|(_, outcome)| **outcome == Outcome::Done),
        "{of_b:?}"
    );
}
