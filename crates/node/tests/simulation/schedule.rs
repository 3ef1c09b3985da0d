//! What happens in a world, as a seed has it.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use blindmatch_indicator::IndicatorType;
use blindmatch_membership::Name;
use blindmatch_node::demo::Outcome;
use blindmatch_node::simulation::{Around, Simulated};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use tokio::runtime;
use tokio::time::sleep;

use crate::around::Time;
use crate::net::{Net, Rates};
use crate::tally::Budget;
use crate::world::{BEGIN, Checked, DAY, NUMBERS, ROOM, Template, World, view};

/// What somebody does.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Import(Name, BTreeSet<u32>),
    Publish(Name),
    Batch(Name),
    Query(Name, BTreeSet<u32>),
    Rotate(Name),
    Tidy(Name),
    /// New keys, under a new delegation.
    Renew(Name),
    BackUp(Name),
    Restore(Name),
    /// So long that epochs end by themselves, and so do delegations of who forgets to renew them.
    Month(Option<Name>),
    Stop(Name),
    Kill(Name),
    Start(Name),
    Remove(Name),
    /// All publish, and all ask.
    Night,
    Jump(u64),
    /// Somebody publishes and somebody asks while the clock is behind.
    Back(u64, Name, Name),
    Both(Box<Self>, Box<Self>),
}

/// What goes wrong meanwhile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    rates: Rates,
    doom: Option<(u64, Name)>,
    disk: Option<(u64, Name)>,
    /// How long whoever dies stays so, in milliseconds, and whether the power goes.
    rest: u64,
    power: bool,
}

/// What a world came to.
pub(crate) struct Played {
    pub(crate) trace: Vec<String>,
    pub(crate) outcome: Checked,
    /// Evaluations that were answered, and charged.
    pub(crate) evaluations: (u64, u64),
    pub(crate) kills: usize,
}

/// Plays the world of a seed.
pub(crate) fn play(template: &Rc<Template>, seed: u64) -> Played {
    let mut rng = StdRng::seed_from_u64(seed);
    let budget = *[(64, 4_096), (256, 4_096), (1 << 20, 1 << 22)]
        .choose(&mut rng)
        .unwrap();
    let budget = Budget {
        day: budget.0,
        epoch: budget.1,
    };
    let rare = (seed >= EXTENDED).then(|| StdRng::seed_from_u64(!seed));
    let types: &[_] = match seed % 4 {
        0 if rare.is_some() => &[IndicatorType::Ip, IndicatorType::Phone],
        _ => &[IndicatorType::Ip],
    };
    on_stage(template, budget, types, true, rng, async |world, rng| {
        run(world, rng, rare).await
    })
}

/// Seeds below this are of before there were rare operations and second types, and play as they did.
const EXTENDED: u64 = 100;

/// Plays a batch in which somebody dies: of an even number who asks, of an odd one who is asked, behind
/// half as many parts of calls; three nights later he is back.
pub(crate) fn play_death(template: &Rc<Template>, number: u64) -> Played {
    let rng = StdRng::seed_from_u64(number);
    let budget = Budget {
        day: 1 << 12,
        epoch: 1 << 14,
    };
    let types = &[IndicatorType::Ip];
    on_stage(template, budget, types, true, rng, async |world, rng| {
        begin(world, rng).await?;
        let [asks, asked, ..] = world.template.members.as_slice() else {
            return Err("nobody".to_owned());
        };
        let dies = if number.is_multiple_of(2) {
            asks
        } else {
            asked
        };
        world.net.doom(Some((number / 2, dies.clone())));
        world.batch(asks).await?;
        world.net.doom(None);
        world.put_right(dies, true, false).await?;
        for _ in 0..3 {
            world.act(&Op::Night).await?;
        }
        if world.up(dies).is_none() {
            world.start(dies)?;
        }
        calm(world).await
    })
}

/// Plays in a world of its own, on a thread and by a clock of its own.
pub(crate) fn on_stage(
    template: &Rc<Template>,
    budget: Budget,
    types: &'static [IndicatorType],
    is_honest: bool,
    mut rng: StdRng,
    play: impl AsyncFnOnce(&World, &mut StdRng) -> Checked,
) -> Played {
    let begin = BEGIN + rng.random_range(3_600..80_000);
    let time = Rc::new(Time::new(begin, rng.random()));
    let _simulated = Simulated::by(Rc::clone(&time) as Rc<dyn Around>);
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let net = Arc::new(Net::new(rng.random(), budget, is_honest));
    let outcome = runtime.block_on(async {
        time.start();
        let world = World::new(
            template,
            &time,
            Arc::clone(&net),
            budget,
            types,
            rng.random(),
        );
        let played = play(&world, &mut rng).await;
        world.end();
        played
    });
    let trace = net.trace();
    Played {
        kills: trace.iter().filter(|line| line.ends_with(" dies")).count(),
        evaluations: net.evaluations(),
        trace,
        outcome,
    }
}

/// Everybody is there, has something and publishes it.
async fn begin(world: &World, rng: &mut StdRng) -> Checked {
    let members = world.template.members.clone();
    for (name, first) in members.iter().zip([0, 8, 16]) {
        if !world.start(name)? {
            return Err(format!("{name} is behind"));
        }
        let set = (first..first + rng.random_range(16..40)).collect();
        world.import(name, set).await?;
    }
    for name in &members {
        // The others know each other's delegations only then.
        world.publish(name).await?;
    }
    Ok(())
}

async fn run(world: &World, rng: &mut StdRng, mut rare: Option<StdRng>) -> Checked {
    begin(world, rng).await?;
    let members = world.template.members.clone();
    for _ in 0..rng.random_range(5..12) {
        let mut op = draw(world, rng);
        if let Some(rare) = &mut rare
            && rare.random_ratio(1, 6)
        {
            op = draw_rare(world, rare);
        }
        let faults = Faults::draw(world, rng);
        world.net.say(format_args!("{op:?} {faults:?}"));
        let seed = rng.random();
        world.with_faults(&op, &faults, seed).await?;
        for name in &members {
            world.check(name)?;
        }
    }
    calm(world).await
}

/// All faults stop: everybody finds everything.
async fn calm(world: &World) -> Checked {
    world.net.say(format_args!("calm"));
    // Past whatever the clock was set back by.
    world.time.jump(DAY as i64);
    let (last, others) = world.template.members.split_last().unwrap();
    for name in &world.template.members {
        if world.up(name).is_none() && !world.start(name)? {
            return Err(format!("{name} is behind"));
        }
    }
    let removes = world.has_heard_of_removal();
    let members: Vec<Name> = if removes {
        world.bury(last).await?;
        others.to_vec()
    } else {
        world.template.members.clone()
    };
    for name in &members {
        if world.is_expiring(name, 10 * DAY) {
            world.renew(name).await?;
        }
        if removes {
            // Again, where it was cut short.
            world.remove(name).await?;
        }
    }
    for round in 0..3 {
        for name in &members {
            world.publish(name).await?;
        }
        if round > 0 {
            for name in &members {
                if world.publish(name).await? != Some(true) {
                    return Err(format!("{name} is cosigned by nobody"));
                }
            }
        }
        let mut waits = false;
        for name in &members {
            let pairs = world.batch(name).await?.ok_or("somebody died")?;
            for pair in pairs
                .iter()
                .filter(|pair| members.contains(&pair.responder))
            {
                match &pair.outcome {
                    Outcome::Done => {}
                    Outcome::Budget(_) if round < 2 => waits = true,
                    outcome if round == 0 => {
                        world.net.say(format_args!("at first: {outcome:?}"));
                        waits = true;
                    }
                    outcome => {
                        world.resumed(name, &pair.responder).await;
                        return Err(format!(
                            "{name} does not get what {} has: {outcome:?}",
                            pair.responder
                        ));
                    }
                }
            }
            world.check(name)?;
        }
        if !waits {
            return Ok(());
        }
        world.time.jump(DAY as i64);
    }
    Err("the budget of another day does not help".to_owned())
}

fn draw(world: &World, rng: &mut StdRng) -> Op {
    let one = |rng: &mut StdRng| world.template.members.choose(rng).unwrap().clone();
    let name = one(rng);
    match rng.random_range(0..32) {
        0..4 => Op::Import(name.clone(), changed(world, &name, rng)),
        4..7 => Op::Publish(name),
        7..11 => Op::Batch(name),
        11..14 => {
            let count = rng.random_range(1..5);
            Op::Query(name, (0..60).sample(rng, count).into_iter().collect())
        }
        14 => Op::Rotate(name),
        15..17 => Op::Tidy(name),
        17 => Op::Stop(name),
        18..20 => Op::Kill(name),
        20..22 => Op::Start(name),
        22 => {
            let others = &world.template.members[..2];
            Op::Remove(others.choose(rng).unwrap().clone())
        }
        23..26 => Op::Night,
        26 => Op::Jump(rng.random_range(1..3 * DAY)),
        27 => Op::Back(rng.random_range(1..7_200), name, one(rng)),
        _ => {
            let other = world
                .template
                .members
                .iter()
                .filter(|other| **other != name);
            let other = other.choose(rng).unwrap().clone();
            let first = match rng.random_range(0..3) {
                0 => Op::Query(name, (0..60).sample(rng, 3).into_iter().collect()),
                _ => Op::Batch(name),
            };
            let second = match rng.random_range(0..4) {
                0 => Op::Batch(other),
                1 => Op::Publish(other),
                2 => Op::Rotate(other),
                _ => Op::Tidy(other),
            };
            Op::Both(Box::new(first), Box::new(second))
        }
    }
}

/// What belongs to months and machines more than to nights.
fn draw_rare(world: &World, rng: &mut StdRng) -> Op {
    let name = world.template.members.choose(rng).unwrap().clone();
    let seats = world.seats.iter();
    let mut backed_up = seats.filter(|(_, seat)| seat.borrow().backup.is_some());
    match rng.random_range(0..5) {
        0 => Op::Renew(name),
        1..4 => match backed_up.next() {
            Some((lost, _)) => Op::Restore(lost.clone()),
            None => Op::BackUp(name),
        },
        // Rows are kept for 90 days.
        _ if world.days() < 40 => Op::Month(rng.random_ratio(1, 3).then_some(name)),
        _ => Op::Renew(name),
    }
}

/// Another set, as far as the next publication has room for what changed.
fn changed(world: &World, name: &Name, rng: &mut StdRng) -> BTreeSet<u32> {
    let seat = world.seat(name).borrow();
    let mut set = seat.set.clone();
    let fresh = set.difference(&seat.newest).count();
    let gone = seat.newest.difference(&set).count();
    let goes = rng.random_range(0..=ROOM.saturating_sub(gone));
    for number in set.iter().copied().sample(rng, goes) {
        if set.len() > 16 {
            set.remove(&number);
        }
    }
    let comes = rng.random_range(0..=ROOM.saturating_sub(fresh));
    // What left does not come back within the epoch.
    let new = (0..NUMBERS.min(90)).filter(|n| !seat.held.contains(n) && !seat.set.contains(n));
    set.extend(new.sample(rng, comes));
    set
}

impl Faults {
    fn draw(world: &World, rng: &mut StdRng) -> Self {
        let mut faults = Self {
            rest: rng.random_range(0..4_000),
            power: rng.random(),
            ..Self::default()
        };
        let one = |rng: &mut StdRng| world.template.members.choose(rng).unwrap().clone();
        if rng.random_ratio(1, 2) {
            faults.rates = Rates {
                lose: *[0, 5, 30, 100].choose(rng).unwrap(),
                twice: *[0, 0, 30, 200].choose(rng).unwrap(),
                delay: *[0, 50, 300].choose(rng).unwrap(),
                hang: *[0, 0, 3, 10].choose(rng).unwrap(),
                refuse: *[0, 0, 100, 400].choose(rng).unwrap(),
            };
        }
        if rng.random_ratio(1, 4) {
            faults.doom = Some((rng.random_range(0..80), one(rng)));
        }
        if rng.random_ratio(1, 3) {
            faults.disk = Some((rng.random_range(0..120), one(rng)));
        }
        faults
    }
}

impl World {
    /// Does something while things go wrong, then puts right what died.
    async fn with_faults(&self, op: &Op, faults: &Faults, seed: u64) -> Checked {
        self.net.set_rates(faults.rates);
        self.net.doom(faults.doom.clone());
        if let Some((changes, name)) = &faults.disk {
            self.seat(name).borrow().disk.stop_behind(Some(*changes));
        }
        let done = tokio::select! {
            biased;
            done = self.act(op) => done,
            never = self.put_right_whoever_dies(faults) => match never? {},
        };
        self.net.set_rates(Rates::default());
        self.net.doom(None);
        for seat in self.seats.values() {
            seat.borrow().disk.stop_behind(None);
        }
        done?;
        let mut rng = StdRng::seed_from_u64(seed);
        for name in &self.template.members {
            self.put_right(name, faults.power, rng.random_ratio(4, 5))
                .await?;
        }
        Ok(())
    }

    /// Starts again whoever is dead, or leaves him down.
    pub(crate) async fn put_right(&self, name: &Name, power: bool, starts: bool) -> Checked {
        if !self.seat(name).borrow().disk.is_dead() {
            return Ok(());
        }
        self.bury(name).await?;
        self.seat(name).borrow().disk.revive(power);
        if starts {
            self.start(name)?;
        }
        Ok(())
    }

    async fn put_right_whoever_dies(&self, faults: &Faults) -> Checked<std::convert::Infallible> {
        loop {
            sleep(Duration::from_millis(40)).await;
            for name in &self.template.members {
                if self.seat(name).borrow().disk.is_dead() {
                    sleep(Duration::from_millis(faults.rest)).await;
                    self.put_right(name, faults.power, true).await?;
                }
            }
        }
    }

    async fn act(&self, op: &Op) -> Checked {
        match op {
            Op::Import(name, set) => self.import(name, set.clone()).await,
            Op::Publish(name) => self.publish(name).await.map(drop),
            Op::Batch(name) => self.batch(name).await.map(drop),
            Op::Query(name, numbers) => self.query(name, numbers).await,
            Op::Rotate(name) => self.rotate(name).await,
            Op::Tidy(name) => self.tidy(name).await,
            Op::Renew(name) => self.renew(name).await,
            Op::BackUp(name) => self.back_up(name).await,
            Op::Restore(name) => self.restore(name).await,
            Op::Month(forgets) => {
                self.time.jump(20 * DAY as i64);
                for name in &self.template.members {
                    if forgets.as_ref() != Some(name) {
                        self.renew(name).await?;
                    }
                }
                self.time.jump(12 * DAY as i64);
                for name in &self.template.members {
                    self.tidy(name).await?;
                    self.publish(name).await?;
                }
                Ok(())
            }
            Op::Stop(name) => self.bury(name).await,
            Op::Kill(name) => {
                if self.up(name).is_some() {
                    self.net.die(name);
                }
                Ok(())
            }
            Op::Start(name) => {
                if self.up(name).is_none() {
                    self.start(name)?;
                }
                Ok(())
            }
            Op::Remove(name) => self.remove(name).await,
            Op::Night => {
                self.time.jump(DAY as i64);
                for name in &self.template.members {
                    self.publish(name).await?;
                }
                for name in &self.template.members {
                    self.batch(name).await?;
                }
                Ok(())
            }
            Op::Jump(seconds) => {
                self.time.jump(i64::try_from(*seconds).unwrap());
                Ok(())
            }
            Op::Back(seconds, one, other) => {
                let seconds = i64::try_from(*seconds).unwrap();
                self.time.jump(-seconds);
                // Whatever comes of it: nothing is to be lost by it.
                let published = self.publish(one).await;
                let asked = self.batch(other).await;
                self.time.jump(seconds);
                self.net
                    .say(format_args!("{} {}", published.is_ok(), asked.is_ok()));
                Ok(())
            }
            Op::Both(one, other) => {
                let (one, other) = tokio::join!(Box::pin(self.act(one)), Box::pin(self.act(other)));
                one.and(other)
            }
        }
    }

    /// How long it has gone on.
    fn days(&self) -> u64 {
        (self.time.now() - BEGIN) / DAY
    }

    pub(crate) async fn rotate(&self, name: &Name) -> Checked {
        let rotated = self.living(name, async |up| up.daemon().rotate(&view()).map(drop));
        let rotated = rotated.await.transpose();
        rotated.map_err(|error| format!("{name} cannot rotate: {error}"))?;
        self.publish(name).await.map(drop)
    }

    async fn tidy(&self, name: &Name) -> Checked {
        let tidied = self.living(name, async |up| {
            let daemon = up.daemon();
            daemon.tidy(daemon.now()).map(drop)
        });
        let tidied = tidied.await.transpose();
        tidied.map_err(|error| format!("{name} cannot tidy: {error}"))?;
        Ok(())
    }
}
