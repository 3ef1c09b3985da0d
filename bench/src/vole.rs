//! `vole`: the stages of a batch run, and a whole run of two sessions.
//!
//! The stages run in one thread, one after the other, with half of both sets in common, on each
//! backend; what counts is processor time, since a machine that does something else besides makes
//! wall time mean little. `sender_vs_serial` and `receiver_vs_serial` are the sums of all stages of
//! a side on the fastest backend over those on the scalar twins; `null` where they are the same.
//!
//! The whole run is that of `psi`'s sessions, one thread a side, over channels and with records that
//! are kept in memory: no TLS and no disk. Its setup was made before and stands apart.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use blindmatch_audit::receipt::Input;
use blindmatch_oprf::{Backend, with_backend};
use blindmatch_psi::agreement::{Agreement, Direction, Party, Protocol, Role};
use blindmatch_psi::batch::setup::{SetupSession, SetupTerms};
use blindmatch_psi::batch::{LABEL_LENGTH, Labels, Querier, Responder, Terms};
use blindmatch_psi::lookup::Item;
use blindmatch_psi::session::{Connection, End, KeyId, Keys, Record, Session, Step, UnixSeconds};
use blindmatch_vole::online::{Binned, Matching};
use blindmatch_vole::setup::{receiver, sender};
use blindmatch_vole::{Decoded, Evaluations, Gf128, ItemHasher, Okvs, SenderKey, SessionId, Shape};
use ed25519_dalek::{Signer, SigningKey};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::Scale;
use crate::report::Report;

/// Seconds of processor time, by stage and side.
struct Stages {
    each: Vec<(&'static str, f64)>,
}

impl Stages {
    fn time<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let (start, busy) = (Instant::now(), processor_seconds());
        let result = work();
        let wall = start.elapsed().as_secs_f64();
        let busy = processor_seconds().zip(busy);
        self.each
            .push((name, busy.map_or(wall, |(now, then)| now - then)));
        result
    }

    /// Of all stages of the sender, of the receiver, or of both.
    fn sum(&self, side: &str) -> f64 {
        let own = self.each.iter();
        own.filter(|(name, _)| name.starts_with(side) || name.starts_with("both"))
            .map(|(_, seconds)| seconds)
            .sum()
    }
}

/// Time that this thread ran, where Linux says.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(stat.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
}

pub(crate) fn run(scale: Scale) -> anyhow::Result<Report> {
    let class = if scale == Scale::Full {
        1 << 20
    } else {
        1 << 16
    };
    let mut report = Report::new("vole");
    let fastest = Backend::detect();
    report.note(format!(
        "class {class}; the fastest backend is {}; figures are processor time of one thread",
        fastest.name()
    ));
    let stages = with_backend(fastest, || stages(class))?;
    for (name, seconds) in &stages.each {
        report.figure(name, seconds * 1e9 / f64::from(class));
    }
    let twins =
        (fastest != Backend::SERIAL).then(|| with_backend(Backend::SERIAL, || self::stages(class)));
    let twins = twins.transpose()?;
    for (name, side) in [
        ("sender_vs_serial", "sender"),
        ("receiver_vs_serial", "receiver"),
    ] {
        let ratio = twins
            .as_ref()
            .map(|twins| stages.sum(side) / twins.sum(side));
        report.ratio(name, ratio);
    }
    whole(class, &mut report)?;
    Ok(report)
}

fn stages(class: u32) -> anyhow::Result<Stages> {
    let mut stages = Stages { each: Vec::new() };
    let time = &mut stages;
    let shape = Shape::for_class(class).context("a class")?;
    let session = SessionId::new(b"stages", &shape, &[1; 32], &[2; 32]);
    let mut rng = StdRng::seed_from_u64(1);
    let whole = 0..shape.bins();
    ensure!(shape.chunks().len() == 1, "one chunk only");
    let dimensions = shape.dimensions(&whole);

    let (s, f1) = time.time("sender_f1_ns_per_item", || {
        sender::start(session, dimensions, &mut rng)
    });
    let start = receiver::start(session, dimensions);
    let (r, f2) = time.time("receiver_f2_ns_per_item", || start.receive(&f1, &mut rng))?;
    let (s, f3) = time.time("sender_f3_ns_per_item", || s.receive(&f2, &mut rng))?;
    let (r, f4) = time.time("receiver_f4_ns_per_item", || r.receive(&f3))?;
    let (s, f5) = time.time("sender_f5_ns_per_item", || s.receive(&f4, &mut rng))?;
    let (r, f6) = time.time("receiver_f6_ns_per_item", || r.receive(&f5, &mut rng))?;
    let (s, f7) = time.time("sender_f7_ns_per_item", || s.receive(&f6))?;
    let r = r.receive(&f7)?;
    let s = time.time("sender_expand_ns_per_item", || s.expand());
    let r = time.time("receiver_expand_ns_per_item", || r.expand());

    let hasher = ItemHasher::new(&[3; 32], &session);
    let hash = |from: u32| -> Vec<_> {
        let item = |n: u32| hasher.hash(&[&[1, 1], n.to_be_bytes().as_slice()].concat());
        (from..from + class).map(item).collect()
    };
    let xs = time.time("both_hash_ns_per_item", || hash(0));
    let ys = hash(class / 2);
    let (seed, vector) = time.time("receiver_encode_ns_per_item", || {
        Okvs::encode_fresh(shape, &session, &xs, &mut rng)
    })?;
    let okvs = Okvs::new(shape, &session, &seed);
    let bins = r.into_bins(&shape, whole.clone()).context("bins")?;
    let masked = time.time("receiver_mask_ns_per_item", || {
        let parts = bins.into_iter().zip(vector.chunks(shape.width()));
        parts
            .map(|(bin, part)| bin.mask(&shape, part))
            .collect::<Option<Vec<_>>>()
    });
    let (r, masked): (Vec<_>, Vec<_>) = masked.context("mask")?.into_iter().unzip();
    let bins = s.into_bins(&shape, whole).context("bins")?;
    let s = time.time("sender_unmask_ns_per_item", || {
        let parts = bins.into_iter().zip(&masked);
        parts
            .map(|(bin, part)| bin.unmask(&shape, part))
            .collect::<Option<Vec<_>>>()
    });
    let s = s.context("unmask")?;
    let order = time.time("both_partition_ns_per_item", || Binned::new(&okvs, &ys));
    let w = Gf128::random(&mut rng);
    let evaluated = time.time("sender_evaluate_ns_per_item", || {
        let each = |(bin, key): (u32, &SenderKey)| {
            let items = order.bin(bin);
            key.evaluate(&okvs, items.xs, items.vs, w)
        };
        (0..).zip(&s).map(each).collect::<Option<Vec<_>>>()
    });
    let evaluated = evaluated.context("evaluate")?;
    let tags = time.time("sender_tag_ns_per_item", || {
        let each = |(bin, u): (u32, &Evaluations)| u.tags(order.bin(bin).xs);
        (0..).zip(&evaluated).map(each).collect::<Option<Vec<_>>>()
    });
    let mut tags: Vec<u128> = tags.context("tags")?.concat();
    time.time("sender_sort_ns_per_item", || tags.sort_unstable());
    let order = Binned::new(&okvs, &xs);
    let decoded = time.time("receiver_decode_ns_per_item", || {
        let mut all = Decoded::with_capacity(xs.len());
        for (bin, key) in (0..).zip(&r) {
            all.append(&key.decode(&okvs, order.bin(bin).xs)?);
        }
        Some(all)
    });
    let decoded = decoded.context("decode")?;
    let items = order.all();
    let matching = time.time("receiver_tag_sort_ns_per_item", || {
        Matching::new(&decoded.evaluate(w), items.xs, items.places)
    });
    let mut matching = matching.context("own tags")?;
    time.time("receiver_match_ns_per_item", || {
        tags.iter().for_each(|&tag| matching.tag(tag));
    });
    ensure!(matching.hits().len() == class as usize / 2, "half matches");
    Ok(stages)
}

const SIGNER: KeyId = KeyId([1; 32]);
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

struct OneKey(SigningKey);

impl Keys for OneKey {
    fn evaluation_key(&self, _id: &KeyId) -> Option<&blindmatch_oprf::SecretKey> {
        None
    }

    fn sign(&self, _id: &KeyId, message: &[u8]) -> Option<blindmatch_audit::Signature> {
        Some(self.0.sign(message))
    }
}

/// One side with its frames, records and randomness.
struct SideOf {
    out: Sender<Vec<u8>>,
    frames: Receiver<Vec<u8>>,
    keys: OneKey,
    rng: StdRng,
    records: Vec<Record>,
    sent: u64,
}

impl SideOf {
    fn drive(&mut self, session: &mut dyn Session) -> anyhow::Result<End> {
        let mut work = VecDeque::new();
        loop {
            match session.poll(NOW, &mut self.rng) {
                Step::Send(frame) => {
                    self.sent += frame.len() as u64;
                    // A side that has ended takes no frames any more.
                    let _ = self.out.send(frame);
                }
                Step::Work(piece) => work.push_back(piece),
                Step::Store(store) => {
                    let (record, completion) = store.stored();
                    self.records.push(record);
                    session.complete(completion);
                }
                Step::Wait => match (self.frames.try_recv(), work.pop_front()) {
                    (Ok(frame), piece) => {
                        session.receive(&frame);
                        work.extend(piece);
                    }
                    (Err(_), Some(piece)) => session.complete(piece.run(&self.keys)),
                    (Err(_), None) => {
                        let wait = Duration::from_secs(120);
                        session.receive(&self.frames.recv_timeout(wait).context("the peer")?);
                    }
                },
                Step::Done(end) => return Ok(end),
            }
        }
    }
}

/// Two sessions that have concluded, with their sides, and the seconds that it took.
type Ran<Q, R> = ((Q, SideOf), (R, SideOf), f64);

/// Runs a pair of sessions, each on its own thread.
fn pair<Q: Session, R: Session>(
    mut querier: Q,
    mut responder: R,
    signing: &[SigningKey; 2],
) -> anyhow::Result<Ran<Q, R>> {
    let ((to_r, from_q), (to_q, from_r)) = (channel(), channel());
    let side = |out, frames, key: &SigningKey, seed| SideOf {
        out,
        frames,
        keys: OneKey(key.clone()),
        rng: StdRng::seed_from_u64(seed),
        records: Vec::new(),
        sent: 0,
    };
    let mut ours = side(to_r, from_r, &signing[0], 1);
    let mut theirs = side(to_q, from_q, &signing[1], 2);
    let start = Instant::now();
    let ends = thread::scope(|scope| {
        let responder = scope.spawn(|| theirs.drive(&mut responder));
        let end = ours.drive(&mut querier);
        let other = responder.join();
        (end, other)
    });
    let seconds = start.elapsed().as_secs_f64();
    let (Ok(End::Concluded), Ok(Ok(End::Concluded))) = ends else {
        anyhow::bail!("a side stopped: {ends:?}");
    };
    Ok(((querier, ours), (responder, theirs), seconds))
}

fn whole(class: u32, report: &mut Report) -> anyhow::Result<()> {
    let setup = SetupTerms {
        consortium: b"bench".to_vec(),
        querier: b"alpha".to_vec(),
        responder: b"beta".to_vec(),
        class,
        labels: Labels::None,
        querier_nonce: [1; 32],
        responder_nonce: [2; 32],
    };
    let signing = [[3; 32], [4; 32]].map(|secret| SigningKey::from_bytes(&secret));
    let (querier, responder) = (
        SetupSession::querier(setup.clone())?,
        SetupSession::responder(setup.clone())?,
    );
    let ((querier, ours), (responder, theirs), seconds) = pair(querier, responder, &signing)?;
    report.figure("setup_wall_seconds", seconds);
    report.figure("setup_bytes", (ours.sent + theirs.sent) as f64);
    let halves = querier
        .prepared_querier()
        .zip(responder.prepared_responder());
    let (our_half, their_half) = halves.context("both halves")?;

    let input = Input {
        commitment: [5; 32],
        class: class.into(),
    };
    let party = |identity: &[u8], nonce| Party {
        identity: identity.to_vec(),
        nonce,
    };
    let direction = Direction {
        querier: Role::First,
        view: b"bench".to_vec(),
        indicator_type: b"ip".to_vec(),
        canonicalisation: 1,
        purpose: b"bench".to_vec(),
        querier_input: input,
        responder_input: input,
        payment_key: Vec::new(),
        setup: setup.id().0,
    };
    let agreement = Agreement {
        consortium: setup.consortium.clone(),
        roster: 1,
        protocol: Protocol::Batch,
        parties: [party(b"alpha", [6; 32]), party(b"beta", [7; 32])],
        directions: vec![direction.clone()],
    };
    let terms = Terms::new(&agreement, &direction, &setup, NOW)?;
    let connection = |peer: &SigningKey| Connection {
        exporter: [8; 32],
        signer: SIGNER,
        peer: peer.verifying_key(),
    };
    let item = |n: u32| Item::new([&[1, 1], n.to_be_bytes().as_slice()].concat());
    let ours: Vec<Item> = (0..class).map(item).collect();
    let theirs: Vec<_> = (class / 2..class / 2 + class)
        .map(|n| (item(n), [0; LABEL_LENGTH]))
        .collect();
    let querier = Querier::new(
        terms.clone(),
        connection(&signing[1]),
        Some(our_half),
        ours,
        [],
    )?;
    let responder = Responder::new(
        terms.clone(),
        connection(&signing[0]),
        Some(their_half),
        theirs,
        [],
    )?;
    let ((querier, ours), (_, theirs), seconds) = pair(querier, responder, &signing)?;
    report.figure("run_wall_seconds", seconds);
    report.figure("run_bytes", (ours.sent + theirs.sent) as f64);
    report.figure(
        "run_bytes_per_item",
        (ours.sent + theirs.sent) as f64 / f64::from(class),
    );
    let start = Instant::now();
    let states = ours.records.iter().filter_map(|record| match record {
        Record::State(state) => Some(state),
        Record::Debit(_) | Record::Spent { .. } | Record::Receipt(_) => None,
    });
    let matches = querier
        .concluded()
        .context("a receipt")?
        .matches(&terms, states)?;
    report.figure("matches_wall_seconds", start.elapsed().as_secs_f64());
    ensure!(matches.found.len() == class as usize / 2, "half matches");
    Ok(())
}
