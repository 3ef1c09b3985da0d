//! Members who want more answers than they have budget for: runs side by side, streams side by side
//! on one run, other elements in the place of those that were charged, answers that are thrown away,
//! runs and names of each other, for they work together, with responders that are killed and clocks that
//! jump between.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use blindmatch_audit::SigningKey;
use blindmatch_audit::receipt::Input;
use blindmatch_indicator::IndicatorType;
use blindmatch_membership::Name;
use blindmatch_node::demo::PURPOSE;
use blindmatch_node::exchange::{Daemon, Frames, Journal, Lost, RunKeys, SIGNER, drive};
use blindmatch_oprf::PublicKey;
use blindmatch_oprf::additive::AuthenticatedKey;
use blindmatch_psi::agreement::{Agreement, Direction, Party, Protocol, Role, RunId};
use blindmatch_psi::lookup::{Connection, Item, Querier, Terms, view_input};
use blindmatch_psi::publication::Manifest;
use blindmatch_psi::session::{Completion, Keys, Record, Store, UnixSeconds};
use blindmatch_transport::Channel;
use blindmatch_transport::message::{Answer, ManifestRequest, Proposal};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::net::Rates;
use crate::schedule::{Played, on_stage};
use crate::tally::{Budget, Tally};
use crate::world::{Checked, DAY, Template, World, view};

/// A run that was agreed to, by whoever forgets what he likes of it.
struct Run {
    agreement: Agreement,
    manifest: Manifest,
    id: RunId,
    attacker: Name,
    items: Vec<Item>,
    /// Everything that any session of it kept.
    kept: Arc<Memory>,
}

/// Keeps nothing durably, and never refuses.
#[derive(Default)]
struct Memory(Mutex<Vec<Record>>);

impl Journal for Memory {
    fn store(&self, store: Store) -> Completion {
        let (record, completion) = store.stored();
        self.0.lock().unwrap().push(record);
        completion
    }
}

/// Frames that end behind so many.
struct Short<F> {
    frames: F,
    left: usize,
}

impl<F: Frames> Frames for Short<F> {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), Lost> {
        self.left = self.left.checked_sub(1).ok_or(Lost)?;
        self.frames.send(frame).await
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Lost> {
        self.left = self.left.checked_sub(1).ok_or(Lost)?;
        self.frames.receive().await
    }
}

/// Plays the attackers of a seed.
pub(crate) fn play(template: &Rc<Template>, seed: u64) -> Played {
    let mut rng = StdRng::seed_from_u64(seed);
    let budget = Budget {
        day: *[16, 24, 64].choose(&mut rng).unwrap(),
        epoch: *[64, 96, 160].choose(&mut rng).unwrap(),
    };
    on_stage(template, budget, TYPES, false, rng, async |world, rng| {
        attack(world, rng).await
    })
}

const TYPES: &[IndicatorType] = &[IndicatorType::Ip];
/// The least that a run is charged.
const LEAST: u64 = 8;

/// Plays members who share out a dictionary among themselves, each of which asks until it is refused:
/// they get what each of them may get, and nothing for being many.
pub(crate) fn play_dictionary(template: &Rc<Template>, seed: u64) -> Played {
    let mut rng = StdRng::seed_from_u64(seed);
    let days = rng.random_range(1..4);
    let day = LEAST * rng.random_range(1..4);
    let budget = Budget {
        day,
        epoch: days * day,
    };
    on_stage(template, budget, TYPES, false, rng, async |world, rng| {
        share_out(world, budget, rng).await
    })
}

async fn share_out(world: &World, budget: Budget, rng: &mut StdRng) -> Checked {
    let members = world.template.members.clone();
    let [victim, colluders @ ..] = members.as_slice() else {
        return Err("nobody".to_owned());
    };
    for name in &members {
        world.start(name)?;
    }
    world.import(victim, (0..20).collect()).await?;
    let many = u64::try_from(colluders.len()).unwrap();
    let (of_day, of_epoch) = (many * budget.day, many * budget.epoch);
    let is = |what: &str, found: u64, expected: u64| {
        if found == expected {
            return Ok(());
        }
        Err(format!("{what}: {found}, and not {expected}"))
    };
    // Twice as many guesses as they may make: nobody guesses what another did.
    let mut guesses = items(4 * of_epoch, rng);
    for day in 0..2 * (budget.epoch / budget.day) {
        world.publish(victim).await?;
        let mut asking: Vec<&Name> = colluders.iter().collect();
        while !asking.is_empty() {
            let at = rng.random_range(0..asking.len());
            match propose(world, asking[at], victim, LEAST, rng).await {
                Some(mut run) => {
                    // What all peers together may ask is what the manifest says.
                    is("the publication's budget", run.manifest.queries, of_epoch)?;
                    run.items = guesses.split_off(guesses.len() - run.items.len());
                    stream(world, victim, vec![(&run, Plan::HONEST)], rng).await;
                }
                None => _ = asking.swap_remove(at),
            }
        }
        world.check(victim)?;
        let charged = world.net.tallied(victim, Tally::total);
        is("charged", charged, of_epoch.min(of_day * (day + 1)))?;
        is("answered", world.net.evaluations().0, charged)?;
        world.time.jump(DAY as i64);
    }
    // Of a new epoch they get no more on a day than of the one before.
    world.rotate(victim).await?;
    let before = world.net.tallied(victim, Tally::total);
    let mut runs = Vec::new();
    for colluder in colluders {
        while let Some(run) = propose(world, colluder, victim, LEAST, rng).await {
            stream(world, victim, vec![(&run, Plan::HONEST)], rng).await;
            runs.push(run);
        }
    }
    // Nor by going on with what was charged, nor by each other's runs.
    again(world, victim, &runs, rng).await;
    world.check(victim)?;
    let charged = world.net.tallied(victim, Tally::total) - before;
    is("charged in the next epoch", charged, of_day)
}

async fn attack(world: &World, rng: &mut StdRng) -> Checked {
    let members = world.template.members.clone();
    let [victim, attackers @ ..] = members.as_slice() else {
        return Err("nobody".to_owned());
    };
    for name in &members {
        world.start(name)?;
    }
    world.import(victim, (0..20).collect()).await?;
    world.publish(victim).await?;
    let mut runs = Vec::new();
    for _ in 0..rng.random_range(6..20) {
        let attacker = attackers.choose(rng).unwrap();
        world.net.set_rates(Rates {
            lose: *[0, 0, 20, 100].choose(rng).unwrap(),
            twice: *[0, 0, 100].choose(rng).unwrap(),
            delay: *[0, 100].choose(rng).unwrap(),
            ..Rates::default()
        });
        match rng.random_range(0..12) {
            // As many runs as are agreed to while nothing of them is charged, all at once.
            0..4 => {
                let before = runs.len();
                for _ in 0..rng.random_range(1..6) {
                    let attacker = attackers.choose(rng).unwrap();
                    let class = *[8, 8, 10, 16, 24].choose(rng).unwrap();
                    runs.extend(propose_somehow(world, attacker, victim, class, rng).await);
                }
                let fresh = runs.iter().skip(before);
                let plans = fresh.map(|run| {
                    (
                        run,
                        Plan {
                            is_same: true,
                            by_another: false,
                            ..Plan::draw(rng)
                        },
                    )
                });
                stream(world, victim, plans.collect(), rng).await;
            }
            4..6 => {
                let class = *[8, 10, 16, 24].choose(rng).unwrap();
                runs.extend(propose_somehow(world, attacker, victim, class, rng).await);
            }
            6..10 => again(world, victim, &runs, rng).await,
            10 => {
                let disk = Arc::clone(&world.seat(victim).borrow().disk);
                let power = rng.random();
                if rng.random() {
                    world.net.die(victim);
                } else {
                    disk.stop_behind(Some(rng.random_range(0..8)));
                    again(world, victim, &runs, rng).await;
                    disk.stop_behind(None);
                }
                world.put_right(victim, power, true).await?;
            }
            _ => match rng.random_range(0..4) {
                0 => {
                    let seconds = rng.random_range(1..50_000);
                    world.time.jump(-seconds);
                    again(world, victim, &runs, rng).await;
                    world.time.jump(seconds);
                }
                1 => world.time.jump(rng.random_range(1..50_000)),
                2 => {
                    world.time.jump(DAY as i64);
                    world.publish(victim).await?;
                }
                _ => world.rotate(victim).await?,
            },
        }
        world.check(victim)?;
    }
    Ok(())
}

/// Proposes a run to the victim.
async fn propose(
    world: &World,
    attacker: &Name,
    victim: &Name,
    class: u64,
    rng: &mut StdRng,
) -> Option<Run> {
    propose_as(world, attacker, attacker, victim, class, rng).await
}

/// The same, at times by the name of another.
async fn propose_somehow(
    world: &World,
    attacker: &Name,
    victim: &Name,
    class: u64,
    rng: &mut StdRng,
) -> Option<Run> {
    let named = match rng.random_ratio(1, 10) {
        true => world.template.members.choose(rng).unwrap(),
        false => attacker,
    };
    propose_as(world, attacker, named, victim, class, rng).await
}

async fn propose_as(
    world: &World,
    attacker: &Name,
    named: &Name,
    victim: &Name,
    class: u64,
    rng: &mut StdRng,
) -> Option<Run> {
    let channel = reach(world, attacker, victim).await?;
    let request = ManifestRequest {
        view: view().to_string(),
        checkpoint: Bytes::new(),
    };
    let answer = channel.manifest(request).await.ok()?;
    let manifest = Manifest::decode(&answer.manifest).ok()?;
    let own = Party {
        identity: world.up(named)?.daemon().id().to_string().into_bytes(),
        nonce: rand::random(),
    };
    let other = Party {
        identity: channel.peer().id().to_string().into_bytes(),
        nonce: [0; 32],
    };
    let direction = Direction {
        querier: Role::First,
        view: view().to_string().into_bytes(),
        indicator_type: b"ip".to_vec(),
        canonicalisation: manifest.canonicalisation,
        purpose: PURPOSE.as_bytes().to_vec(),
        querier_input: Input {
            commitment: rand::random(),
            class,
        },
        responder_input: view_input(&manifest),
        payment_key: Vec::new(),
        setup: [0; 32],
    };
    let proposal = Agreement {
        consortium: manifest.domain.consortium.clone(),
        roster: 1,
        protocol: Protocol::Lookup,
        parties: [own, other],
        directions: vec![direction],
    };
    let proposed = Proposal(Bytes::from(proposal.encode()));
    let Ok(Answer::Agreement(agreed)) = channel.propose(proposed).await else {
        world.net.say(format_args!("{attacker} is refused {class}"));
        return None;
    };
    if named != attacker {
        let wrong = format!("{victim} agreed to what {attacker} proposed as {named}");
        world.net.blame(wrong);
    }
    let agreement = Agreement::decode(&agreed).unwrap();
    Some(Run {
        id: agreement.run_id(&agreement.directions[0]),
        agreement,
        manifest,
        attacker: attacker.clone(),
        items: items(class, rng),
        kept: Arc::default(),
    })
}

fn items(class: u64, rng: &mut StdRng) -> Vec<Item> {
    let item = |_| Item::new(rng.random::<[u8; 16]>().to_vec());
    let items: BTreeSet<Vec<u8>> = (0..class).map(item).map(|item| item.to_vec()).collect();
    items.into_iter().map(Item::new).collect()
}

async fn reach(world: &World, attacker: &Name, victim: &Name) -> Option<Channel> {
    let up = world.up(attacker)?;
    let channel = up.endpoint.dial(victim).await.ok()?;
    let greeting = up.daemon().greeting().unwrap();
    let answer = channel.hello(greeting).await.ok()?;
    for delegation in answer.delegations {
        let _ = up
            .daemon()
            .directory()
            .adopt(&delegation, up.daemon().now());
    }
    Some(channel)
}

/// How a stream of a run goes.
#[derive(Clone, Copy)]
struct Plan {
    /// With the elements of the run, or with others.
    is_same: bool,
    /// As if it had begun before.
    remembers: bool,
    /// The stream ends behind so many frames.
    left: usize,
    /// It is opened by another of them, with all that the one has whose run it is.
    by_another: bool,
}

impl Plan {
    const HONEST: Self = Self {
        is_same: true,
        remembers: true,
        left: 1_000,
        by_another: false,
    };

    fn draw(rng: &mut StdRng) -> Self {
        Self {
            is_same: rng.random_ratio(2, 5),
            remembers: rng.random(),
            left: *[1, 2, 3, 4, 1_000, 1_000, 1_000].choose(rng).unwrap(),
            by_another: rng.random_ratio(1, 6),
        }
    }
}

/// Opens streams side by side of runs that there were before.
async fn again(world: &World, victim: &Name, runs: &[Run], rng: &mut StdRng) {
    let count = rng.random_range(1..5);
    let chosen = (0..count).filter_map(|_| Some((runs.choose(rng)?, Plan::draw(rng))));
    stream(world, victim, chosen.collect(), rng).await;
}

/// Opens these streams side by side.
async fn stream(world: &World, victim: &Name, runs: Vec<(&Run, Plan)>, rng: &mut StdRng) {
    let mut streams = JoinSet::new();
    for (run, plan) in runs {
        let opens = match plan.by_another {
            true => world.template.members[1..].choose(rng).unwrap(),
            false => &run.attacker,
        };
        let Some(channel) = reach(world, opens, victim).await else {
            continue;
        };
        let daemon = world.up(&run.attacker).unwrap().daemon();
        let class = run.agreement.directions[0].querier_input.class;
        let items = if plan.is_same {
            run.items.clone()
        } else {
            items(class, rng)
        };
        let records = if plan.is_same && plan.remembers {
            run.kept.0.lock().unwrap().clone()
        } else {
            Vec::new()
        };
        let Some(session) = Session::new(run, daemon, channel, items, records).await else {
            continue;
        };
        let kept = Arc::clone(&run.kept);
        streams.spawn(async move { session.drive(kept, plan.left).await });
    }
    // Whoever waits for ever gets nothing.
    let _ = timeout(Duration::from_secs(3_600), streams.join_all()).await;
}

/// A session on its stream.
struct Session {
    querier: Querier<Vec<Item>>,
    frames: blindmatch_transport::Frames,
    signer: Arc<SigningKey>,
    now: u64,
}

impl Session {
    async fn new(
        run: &Run,
        daemon: Arc<Daemon>,
        channel: Channel,
        items: Vec<Item>,
        records: Vec<Record>,
    ) -> Option<Self> {
        let frames = channel.run(run.id.0).await.ok()?;
        let connection = Connection {
            exporter: *frames.exporter(),
            signer: SIGNER,
            peer: daemon.receipt_key(channel.peer())?,
        };
        let until = UnixSeconds(u64::MAX);
        let direction = &run.agreement.directions[0];
        let terms = Terms::new(&run.agreement, direction, &run.manifest, until).unwrap();
        let key = PublicKey::from_bytes(&run.manifest.public_key).unwrap();
        let key = Arc::new(AuthenticatedKey::vouch(key));
        Some(Self {
            querier: Querier::new(terms, connection, key, items, records).ok()?,
            frames,
            signer: daemon.receipts().clone(),
            now: daemon.now(),
        })
    }

    async fn drive(mut self, kept: Arc<Memory>, left: usize) {
        let keys: Arc<dyn Keys + Send + Sync> = Arc::new(RunKeys {
            signer: self.signer,
            evaluation: None,
        });
        let journal: Arc<dyn Journal> = kept;
        let now = self.now;
        let now = move || UnixSeconds(now);
        let mut frames = Short {
            frames: self.frames,
            left,
        };
        let _ = drive(&mut self.querier, &mut frames, &keys, &journal, &now).await;
    }
}
