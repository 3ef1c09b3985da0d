//! A member that wants more answers than its budget has, of a node that serves as a process.
//!
//! It has its own keys and keeps to no rule: several connections at once, each of which begins runs,
//! breaks off, comes back with other elements, with all records or without, and on two connections at
//! once, while the node is killed between debit and answer and starts again. What the ledger says was
//! charged is within the budget, and what was answered was charged. The long tier:
//!
//! ```text
//! cargo test -p blindmatch-cli --test node -- --ignored --exact --nocapture \
//!     budgets::nobody_gets_more_answers_than_budgeted_long
//! ```
//!
//! `BLINDMATCH_SCHEDULES` and `BLINDMATCH_SEED` change its numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use blindmatch_node::audit::codec::Reader;
use blindmatch_node::audit::receipt::Input;
use blindmatch_node::audit::record::Event;
use blindmatch_node::exchange::{Daemon, Frames as Driven, Journal, Lost, RunKeys, SIGNER, drive};
use blindmatch_node::membership::Name;
use blindmatch_node::{Node, NodeFiles, clock};
use blindmatch_oprf::PublicKey;
use blindmatch_oprf::additive::AuthenticatedKey;
use blindmatch_psi::agreement::{Agreement, Direction, Party, Protocol, Role};
use blindmatch_psi::lookup::{Connection, Item, Querier, Terms, view_input};
use blindmatch_psi::publication::Manifest;
use blindmatch_psi::session::{Completion, Keys, Record, Store, UnixSeconds};
use blindmatch_testkit::crash::{number, seeded};
use blindmatch_transport::message::{Answer, Proposal};
use blindmatch_transport::{Channel, Endpoint, Frames, Limits};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::asking::{addresses, policy};
use crate::network::{MOST, Network, Serving};
use crate::peers::canonicaliser;
use crate::place::Test;

const ATTACKER: &str = "acme";
const RESPONDER: &str = "bolt";
const VIEW: &str = "abuse/ip/abuse-prevention";
/// What the budget is raised by for each schedule.
const RAISE: u64 = 96;
/// Attackers at once.
const HANDS: usize = 3;

/// A batch of elements that was answered: run, number, and the frame that asked.
type Asked = ([u8; 32], u64, Vec<u8>);

/// Elements of each batch that was answered, however often.
type Answered = Arc<Mutex<BTreeMap<Asked, u64>>>;

/// One of the attackers, all of which have the member's keys.
#[derive(Clone)]
struct Hand {
    daemon: Arc<Daemon>,
    endpoint: Endpoint,
    manifest: Manifest,
    responder: Name,
    answered: Answered,
}

/// What a run has stored.
#[derive(Default)]
struct Memory(Mutex<Vec<Record>>);

/// Keeps of a connection only that it was, so that the counter goes on.
struct Forgetful(Arc<Memory>);

/// A connection that breaks when it has brought so many frames, and counts answers.
struct Watched {
    frames: Frames,
    left: usize,
    asked: BTreeMap<u64, Vec<u8>>,
    answered: Answered,
}

/// With what a hand comes back.
#[derive(Clone, Copy, Debug)]
enum Return {
    /// As the protocol says.
    AsItWas,
    /// With the counter of connections alone, and other elements.
    Changed,
    /// As if it had never been there.
    Anew,
}

impl Driven for Watched {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), Lost> {
        if let Some((_, batch, _)) = read("blindmatch lookup batch v1", &frame) {
            self.asked.insert(batch, frame.clone());
        }
        Driven::send(&mut self.frames, frame).await
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Lost> {
        if self.left == 0 {
            return Err(Lost);
        }
        self.left -= 1;
        let frame = Driven::receive(&mut self.frames).await?;
        if let Some((run, batch, elements)) = read("blindmatch lookup answer v1", &frame) {
            let asked = self.asked.get(&batch).cloned().unwrap_or_default();
            let mut answered = self.answered.lock().unwrap();
            answered.insert((run, batch, asked), elements);
        }
        Ok(frame)
    }
}

/// Run, number and how many elements, of a frame that begins so (`spec/31 §3`).
fn read(context: &'static str, frame: &[u8]) -> Option<([u8; 32], u64, u64)> {
    let mut reader = Reader::new(context, frame).ok()?;
    let (run, batch, elements) = (reader.fixed().ok()?, reader.u64().ok()?, reader.u32().ok()?);
    Some((run, batch, elements.into()))
}

impl Journal for Memory {
    fn store(&self, store: Store) -> Completion {
        let (record, completion) = store.stored();
        self.0.lock().unwrap().push(record);
        completion
    }
}

impl Journal for Forgetful {
    fn store(&self, store: Store) -> Completion {
        let (record, completion) = store.stored();
        if is_attached(&record) {
            self.0.0.lock().unwrap().push(record);
        }
        completion
    }
}

/// Whether this says that a connection was begun.
fn is_attached(record: &Record) -> bool {
    let Record::State(state) = record else {
        return false;
    };
    Reader::new("blindmatch attached state v1", state.as_bytes()).is_ok()
}

impl Hand {
    async fn dial(&self) -> Result<Channel, Box<dyn Error + Send + Sync>> {
        let channel = self.endpoint.dial(&self.responder).await?;
        let greeting = self.daemon.greeting().map_err(|error| error.to_string())?;
        channel.hello(greeting).await?;
        Ok(channel)
    }

    fn proposal(&self, class: u64) -> Agreement {
        let responder = self.manifest.domain.responder.clone();
        let party = |identity, nonce| Party { identity, nonce };
        Agreement {
            consortium: b"demo".to_vec(),
            roster: self.daemon.directory().known().roster.number,
            protocol: Protocol::Lookup,
            parties: [
                party(self.daemon.id().to_string().into(), rand::rng().random()),
                party(responder, [0; 32]),
            ],
            directions: vec![Direction {
                querier: Role::First,
                view: VIEW.into(),
                indicator_type: b"ip".to_vec(),
                canonicalisation: self.manifest.canonicalisation,
                purpose: b"abuse-prevention".to_vec(),
                querier_input: Input {
                    commitment: rand::rng().random(),
                    class,
                },
                responder_input: view_input(&self.manifest),
                payment_key: Vec::new(),
                setup: [0; 32],
            }],
        }
    }

    /// Begins runs until the budget refuses them again and again, and asks each as often as it likes.
    async fn attack(self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let begin = Instant::now();
        let mut refused = 0;
        while refused < 3 && begin.elapsed() < MOST {
            let class = if rng.random() { 8 } else { 24 };
            let proposal = self.proposal(class);
            let proposed = async {
                let channel = self.dial().await?;
                Ok::<_, Box<dyn Error + Send + Sync>>(
                    channel.propose(Proposal(proposal.encode().into())).await?,
                )
            };
            match proposed.await {
                Ok(Answer::Agreement(agreed)) => {
                    if let Ok(agreement) = Agreement::decode(&agreed) {
                        self.exploit(&agreement, class, &mut rng).await;
                    }
                }
                // What is too much may leave room for less, and what another hand was about to be charged may be
                // lost with the process that was about to charge it.
                Ok(Answer::Refusal(_)) => {
                    refused += u32::from(class == 8);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                // It is dead at the moment.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// One run, on several connections.
    async fn exploit(&self, agreement: &Agreement, class: u64, rng: &mut StdRng) {
        let items = |rng: &mut StdRng| -> Vec<Item> {
            let fresh = BTreeSet::from_iter((0..class).map(|_| rng.random::<[u8; 16]>()));
            fresh.iter().map(|item| Item::new(item.to_vec())).collect()
        };
        let first = items(rng);
        let records = Arc::new(Memory::default());
        for _ in 0..rng.random_range(2..6) {
            let mut together = JoinSet::new();
            for _ in 0..rng.random_range(1..3) {
                let how = match rng.random_range(0..4) {
                    0 | 1 => Return::AsItWas,
                    2 => Return::Changed,
                    _ => Return::Anew,
                };
                let asked = match how {
                    Return::AsItWas => first.clone(),
                    _ => items(rng),
                };
                let left = rng.random_range(0..6);
                let (hand, agreement) = (self.clone(), agreement.clone());
                let records = Arc::clone(&records);
                together.spawn(async move {
                    // Whatever comes of it.
                    let _ = hand.connect(&agreement, asked, &records, how, left).await;
                });
            }
            together.join_all().await;
        }
    }

    async fn connect(
        &self,
        agreement: &Agreement,
        items: Vec<Item>,
        records: &Arc<Memory>,
        how: Return,
        left: usize,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let channel = self.dial().await?;
        let direction = agreement.directions.first().ok_or("no direction")?;
        let until = UnixSeconds(self.manifest.expires);
        let terms = Terms::new(agreement, direction, &self.manifest, until);
        let terms = terms.map_err(|fault| fault.to_string())?;
        let frames = channel.run(agreement.run_id(direction).0).await?;
        let connection = Connection {
            exporter: *frames.exporter(),
            signer: SIGNER,
            peer: self.daemon.receipt_key(channel.peer()).ok_or("no key")?,
        };
        let key = PublicKey::from_bytes(&self.manifest.public_key).map_err(|_| "a key")?;
        let key = Arc::new(AuthenticatedKey::vouch(key));
        let mut kept = records.0.lock().unwrap().clone();
        let journal: Arc<dyn Journal> = match how {
            Return::AsItWas => Arc::clone(records) as Arc<dyn Journal>,
            Return::Changed | Return::Anew => Arc::new(Forgetful(Arc::clone(records))),
        };
        match how {
            Return::AsItWas => {}
            Return::Changed => kept.retain(is_attached),
            Return::Anew => kept.clear(),
        }
        let session = Querier::new(terms, connection, key, items, kept);
        let mut session = session.map_err(|fault| fault.to_string())?;
        let keys: Arc<dyn Keys + Send + Sync> = Arc::new(RunKeys {
            signer: self.daemon.receipts().clone(),
            evaluation: None,
        });
        let mut watched = Watched {
            frames,
            left,
            asked: BTreeMap::new(),
            answered: Arc::clone(&self.answered),
        };
        let now = || UnixSeconds(clock::now());
        let _ = drive(&mut session, &mut watched, &keys, &journal, &now).await;
        Ok(())
    }
}

/// Members of which two are asked by nobody, so that the responder publishes, and the attacker's home,
/// which no process has open.
struct World {
    net: Network,
    responder: Option<Serving>,
    _witnesses: [Serving; 2],
    attacker: Hand,
    budget: u64,
}

impl World {
    fn new(runtime: &Runtime) -> Result<Self, Box<dyn Error>> {
        let net = Network::of(&[ATTACKER, RESPONDER, "core", "dune"])?;
        for member in ["core", "dune", ATTACKER] {
            let policy = policy(&["ip"], &["ip"], "");
            fs::write(net.home(member).join("policy.toml"), policy)?;
        }
        allow(&net, RAISE)?;
        net.place.write("held.txt", addresses(0..200))?;
        let import = "import --collection held --kind abuse held.txt";
        net.place.ok(&net.line(RESPONDER, import))?;
        let witnesses = [net.serve("core")?, net.serve("dune")?];
        let responder = net.serve(RESPONDER)?;
        // As an honest member it gets the publication first, and knows who is who.
        net.place.write("asked.txt", addresses(190..194))?;
        let import = "import --collection asked --kind abuse asked.txt";
        net.place.ok(&net.line(ATTACKER, import))?;
        let begin = Instant::now();
        // Until it is published and cosigned, nothing of it is served, or not now.
        loop {
            let batch = net.place.run(&net.line(ATTACKER, "batch --output json"))?;
            let batch: serde_json::Value = serde_json::from_slice(&batch.stdout)?;
            let mut pairs = batch["pairs"].as_array().into_iter().flatten();
            if pairs.any(|pair| pair["responder"] == RESPONDER && pair["status"] == "done") {
                break;
            }
            assert!(begin.elapsed() < MOST, "nothing is published");
            std::thread::sleep(Duration::from_millis(100));
        }
        let node = Node::open(&net.home(ATTACKER))?;
        let daemon = Arc::new(Daemon::open(node, canonicaliser()?, Arc::new(clock::now))?);
        let accepted = daemon.views().peers().into_iter().find_map(|epoch| {
            let of_view = epoch.domain().view == VIEW.as_bytes();
            epoch.publications().into_iter().next().filter(|_| of_view)
        });
        let _entered = runtime.enter();
        Ok(Self {
            responder: Some(responder),
            _witnesses: witnesses,
            attacker: Hand {
                endpoint: daemon.endpoint(Limits::default()),
                daemon,
                manifest: accepted.ok_or("no publication")?.manifest,
                responder: RESPONDER.parse().map_err(|_| "a name")?,
                answered: Answered::default(),
            },
            budget: RAISE,
            net,
        })
    }

    /// The elements that the responder charged for.
    fn charged(&self) -> Result<u64, Box<dyn Error>> {
        let log = NodeFiles::read(&self.net.home(RESPONDER))?.log()?.0;
        let mut charged = 0;
        for record in log.records(0..log.size()) {
            if let Event::Debit { amount, .. } = record?.1.event {
                charged += amount.count();
            }
        }
        Ok(charged)
    }

    fn answered(&self) -> u64 {
        let answered = self.attacker.answered.lock().unwrap();
        answered.values().sum()
    }

    /// Attacks until the budget is spent, while the responder dies so often.
    fn schedule(&mut self, runtime: &Runtime, kills: u32, rng: &mut StdRng) -> Test {
        let mut hands = JoinSet::new();
        for _ in 0..HANDS {
            hands.spawn_on(
                self.attacker.clone().attack(rng.next_u64()),
                runtime.handle(),
            );
        }
        for _ in 0..kills {
            std::thread::sleep(Duration::from_millis(rng.random_range(0..250)));
            self.restart()?;
        }
        runtime.block_on(async { while hands.join_next().await.is_some() {} });
        let (charged, answered) = (self.charged()?, self.answered());
        // What an honest batch asked before.
        let answered = answered + 8;
        if charged > self.budget || answered > charged {
            let budget = self.budget;
            return Err(format!("{answered} answered, {charged} charged of {budget}").into());
        }
        if charged + 8 <= self.budget {
            return Err(format!("only {charged} charged of {}", self.budget).into());
        }
        // What was charged and never answered is given to nobody else.
        self.budget += RAISE;
        allow(&self.net, self.budget)?;
        self.restart()
    }

    fn restart(&mut self) -> Test {
        if let Some(mut responder) = self.responder.take() {
            responder.child.kill()?;
            responder.child.wait()?;
        }
        self.responder = Some(self.net.serve(RESPONDER)?);
        Ok(())
    }
}

/// The responder's policy with this budget.
fn allow(net: &Network, budget: u64) -> Test {
    let added = format!("budget = {{ day = {budget}, epoch = {budget} }}\n");
    let policy = policy(&["ip"], &["ip"], &added);
    Ok(fs::write(net.home(RESPONDER).join("policy.toml"), policy)?)
}

fn attack(wanted: u64) -> Test {
    /// Runs that stay unfinished take the places of others.
    const SCHEDULES_OF_A_NETWORK: u64 = 2;
    let (seed, mut rng) = seeded();
    let runtime = Runtime::new()?;
    let (mut schedules, mut kills, mut answered) = (0, 0, 0);
    while schedules < wanted {
        let mut world = World::new(&runtime)?;
        for _ in 0..SCHEDULES_OF_A_NETWORK.min(wanted - schedules) {
            schedules += 1;
            let dies = rng.random_range(0..6);
            kills += dies;
            let held = world.schedule(&runtime, dies, &mut rng);
            held.map_err(|error| format!("seed {seed}, schedule {schedules}: {error}"))?;
        }
        answered += world.answered();
    }
    println!("{schedules} schedules, {kills} kills, {answered} elements answered; seed {seed}");
    Ok(())
}

#[test]
fn nobody_gets_more_answers_than_budgeted() -> Test {
    attack(2)
}

#[test]
#[ignore = "minutes; the command stands at the head of this file"]
fn nobody_gets_more_answers_than_budgeted_long() -> Test {
    attack(number("SCHEDULES", 50))
}
