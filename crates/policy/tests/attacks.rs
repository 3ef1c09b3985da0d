//! Attacks on what a policy allows, played day by day against `decide`: what they gain, with the rules
//! of `spec/50-policy.md` §7 and §8 and without. `--nocapture` prints the figures.

use blindmatch_indicator::IndicatorType;
use blindmatch_policy::{
    Activity, Charged, Concern, Direction, LARGEST_OF_DAYS, LedgerFacts, Level, Policy, Protocol,
    Refusal, Request, Role, RosterFacts, SLOW_OF_DAYS, WEEK_DAYS, concern, decide,
};
use blindmatch_testkit::sizes::{Aim, infer};

/// 2026-11-22T12:00:00Z.
const NOW: u64 = 1_795_348_800;
const EPOCH_DAYS: usize = 28;

const ROSTER: RosterFacts<'static> = RosterFacts {
    number: 7,
    not_before: 0,
    expires: u64::MAX,
    own_role: Role::Provider,
    peer_role: Some(Role::Provider),
    canonicalisation: 1,
    own_canonicalisation: 1,
    peer_canonicalisation: 1,
    payment_key: &[],
};

/// No signal is ever of any level but a warning, and a day may have any number of runs.
const UNDETECTED: &str = "\
[probe.growth]\nslow = 1_000_000\nstop = 1_000_000\n\
[probe.week]\nslow = 701\nstop = 701\n\
[probe.runs]\nslow = 65_536\nstop = 65_536\n";

fn policy(more: &str, rule: &str) -> Policy {
    let text = format!(
        "{more}\n[purpose.abuse]\ntext = \"x\"\n[legal_basis.law]\ntext = \"x\"\n\
         valid_until = 9000-01-01\n[[allow]]\npeers = [\"mallory\"]\ntypes = [\"ip\", \"email\"]\n\
         directions = [\"serve\"]\npurposes = [\"abuse\"]\nprotocols = [\"lookup\"]\n\
         legal_basis = \"law\"\n{rule}\n"
    );
    Policy::parse(&text).unwrap_or_else(|faults| panic!("{}", faults[0]))
}

/// A responder's ledger about one peer and one view, by days.
struct Responder {
    policy: Policy,
    kind: IndicatorType,
    /// Evaluations and runs of each day, the last is today.
    days: Vec<(u64, u64)>,
    /// The gravest level of each day.
    levels: Vec<Option<Level>>,
    stopped: Option<Concern>,
}

impl Responder {
    fn new(policy: Policy, kind: IndicatorType) -> Self {
        Self {
            policy,
            kind,
            days: vec![(0, 0)],
            levels: vec![None],
            stopped: None,
        }
    }

    fn next_day(&mut self) {
        self.days.push((0, 0));
        self.levels.push(None);
    }

    fn ledger(&self) -> LedgerFacts {
        let (today, before) = self.days.split_last().expect("today");
        let back = |count: u64| {
            let count = usize::try_from(count).expect("few");
            before.iter().rev().take(count).map(|(asked, _)| *asked)
        };
        let epoch = (self.days.len() - 1) / EPOCH_DAYS * EPOCH_DAYS;
        let slow = usize::try_from(SLOW_OF_DAYS - 1).expect("few");
        let levels = self.levels.iter().rev().skip(1).take(slow);
        LedgerFacts {
            charged: Charged {
                day: today.0,
                epoch: self.days[epoch..].iter().map(|(asked, _)| asked).sum(),
            },
            one_sided_aborts: 0,
            activity: Activity {
                runs: today.1,
                week: back(WEEK_DAYS - 1).sum(),
                largest: back(LARGEST_OF_DAYS).max().unwrap_or(0),
                days: back(LARGEST_OF_DAYS).filter(|asked| *asked > 0).count() as u64,
                slowed: levels.filter(|level| **level >= Some(Level::Slow)).count() as u64,
                stopped: self.stopped,
                vouched: 0,
            },
        }
    }

    /// What a run of so many items is answered.
    fn ask(&mut self, query_class: u64) -> Result<(), Refusal> {
        let request = Request {
            peer: "mallory",
            direction: Direction::Serve,
            indicator_type: self.kind,
            canonicalisation: 1,
            purpose: "abuse",
            protocol: Protocol::Lookup,
            roster: 7,
            query_class,
            set_size: 1_000_000,
            sweep: false,
            payment_key: &[],
        };
        let ledger = self.ledger();
        let now = NOW + 86_400 * self.days.len() as u64;
        let rule = self.policy.rule_for(&request).expect("a rule");
        let budget = self.policy.budget(rule, self.kind);
        if let Some(found) = concern(&self.policy, budget, &request, &ledger, now) {
            let level = self.levels.last_mut().expect("today");
            *level = (*level).max(Some(found.level));
            if found.level == Level::Stop {
                self.stopped = Some(found);
            }
        }
        decide(&ROSTER, &self.policy, &request, &ledger, now)?;
        let today = self.days.last_mut().expect("today");
        today.0 += query_class;
        today.1 += 1;
        Ok(())
    }

    fn answered(&self) -> u64 {
        self.days.iter().map(|(asked, _)| asked).sum()
    }
}

/// Asks for as much as there is, in runs as large as are answered; `fits` says what it dares.
fn greedy(responder: &mut Responder, mut fits: impl FnMut(&Responder, u64) -> bool) {
    for power in (3..=20).rev() {
        let class = 1 << power;
        while responder.days.last().is_some_and(|day| day.1 < 200)
            && fits(responder, class)
            && responder.ask(class).is_ok()
        {}
        if responder.stopped.is_some() {
            return;
        }
    }
}

#[test]
fn a_prober_of_a_dense_range_is_stopped_after_a_stated_number_of_answers() {
    let kind = IndicatorType::Ip;
    let year = 364;
    let mut gained = Vec::new();
    for more in [UNDETECTED, ""] {
        let mut responder = Responder::new(policy(more, "runs_a_day = 65_536"), kind);
        for _ in 0..year {
            greedy(&mut responder, |_, _| true);
            if responder.stopped.is_some() {
                break;
            }
            responder.next_day();
        }
        gained.push((responder.answered(), responder.days.len()));
        let stopped = responder.stopped.map(|concern| concern.to_string());
        println!(
            "a dense IPv4 range, {} probe detection: {} answers in {} days, {} of all of IPv4 in \
             10,000; stopped: {}",
            if more.is_empty() { "with" } else { "without" },
            responder.answered(),
            responder.days.len(),
            (responder.answered() * 10_000) >> 32,
            stopped.as_deref().unwrap_or("never"),
        );
        assert_eq!(stopped.is_some(), more.is_empty());
    }
    // Without, the epoch's budget alone: 13 epochs of a year.
    assert_eq!(gained[0].0, 13 << 23);
    // With it, two days less one query and an eighth of a third: what spec/50 §7 states.
    let (answers, days) = gained[1];
    assert!(answers <= 4_456_448, "{answers}");
    assert_eq!(days, 4);

    // Nothing is answered from then on, on whatever day, in however small a run.
    let mut responder = Responder::new(policy("", ""), kind);
    for _ in 0..4 {
        greedy(&mut responder, |_, _| true);
        responder.next_day();
    }
    let answered = responder.answered();
    for _ in 0..400 {
        responder.next_day();
        assert!(matches!(responder.ask(8), Err(Refusal::Probing(_))));
    }
    assert_eq!(responder.answered(), answered);
}

/// One that knows the levels and stays below them: what detection does not hold back, the budget does.
#[test]
fn a_patient_prober_gets_no_more_than_the_budget() {
    let kind = IndicatorType::Ip;
    let mut responder = Responder::new(policy("", ""), kind);
    let dares = |responder: &Responder, class: u64| {
        let ledger = responder.ledger();
        let week = ledger.activity.week + ledger.charged.day + class;
        // Below twice the day's budget in a week.
        week < 2 << 21
    };
    for _ in 0..364 {
        greedy(&mut responder, dares);
        assert_eq!(responder.stopped, None);
        responder.next_day();
    }
    let answered = responder.answered();
    println!("a patient prober of IPv4: {answered} answers in 52 weeks, below every level");
    // The epoch's budget is a week's worth of four days: it binds, and not the detection.
    assert!(answered <= 13 << 23, "{answered}");
    assert!(answered > 12 << 23, "{answered}");
}

/// What an honest member does: one sweep in each epoch, then what changed, and queries by its analysts.
#[test]
fn honest_members_are_not_slowed() {
    for (kind, sweep, nightly) in [
        (IndicatorType::Ip, 1 << 20, 20_480),
        (IndicatorType::Ip, 3 << 19, 57_344),
        (IndicatorType::Email, 1 << 23, 65_536),
        (IndicatorType::Email, 4_096, 8),
    ] {
        let mut responder = Responder::new(policy("", ""), kind);
        for day in 0..3 * EPOCH_DAYS {
            if day % EPOCH_DAYS == 0 {
                responder.ask(sweep).expect("the sweep");
            } else {
                responder.ask(nightly).expect("the night");
                for _ in 0..40 {
                    responder.ask(8).expect("a query");
                }
            }
            let level = responder.levels.last().copied().flatten();
            assert!(level < Some(Level::Slow), "{kind} day {day}: {level:?}");
            responder.next_day();
        }
    }
}

/// A set that tells how many of what is asked are in it, and nothing else, as often as the policy has it.
struct Sizes {
    members: Vec<bool>,
    responder: Responder,
    /// How many runs were answered.
    runs: usize,
    /// Days that the attacker has.
    days: usize,
}

impl Sizes {
    /// The size of the intersection with these candidates and padding that is nobody's; nothing when the
    /// attacker has no more days.
    fn size(&mut self, first: usize, count: usize) -> Option<usize> {
        while self.responder.ask(1_024).is_err() {
            if self.responder.days.len() >= self.days {
                return None;
            }
            self.responder.next_day();
        }
        self.runs += 1;
        let asked = self.members.iter().skip(first).take(count);
        Some(asked.filter(|member| **member).count())
    }
}

#[test]
fn the_intersection_size_attack_gains_less_the_fewer_runs_there_are() {
    const CANDIDATES: usize = 1_024;
    const TRIALS: u64 = 20;
    // Where the rule has so many runs a day, and the attacker so many days.
    let cases = [
        ("no caps, a day", "runs_a_day = 65_536", UNDETECTED, 1),
        (
            "135 runs, as in the paper",
            "runs_a_day = 135",
            UNDETECTED,
            1,
        ),
        ("24 runs a day, a day", "runs_a_day = 24", "", 1),
        ("one run a night, an epoch", "runs_a_day = 1", "", 28),
    ];
    let mut gains = Vec::new();
    let both = [Aim::Decided, Aim::Members];
    let cases = cases
        .into_iter()
        .flat_map(|case| both.map(|aim| (case, aim)));
    for ((name, rule, more, days), aim) in cases {
        let (mut certain, mut found, mut runs) = (0, 0, 0);
        for seed in 1..=TRIALS {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let members = (0..CANDIDATES).map(|_| {
                // xorshift64; one of 16 is a member.
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % 16 == 0
            });
            let mut sizes = Sizes {
                members: members.collect(),
                responder: Responder::new(policy(more, rule), IndicatorType::Email),
                runs: 0,
                days,
            };
            let gained = infer(CANDIDATES, aim, &mut |first, count| {
                sizes.size(first, count)
            });
            certain += gained.certain;
            found += gained.members;
            runs += sizes.runs;
            // A run tells one of CANDIDATES + 1 sizes: 11 bits at most.
            assert!(gained.members <= sizes.runs * 11);
        }
        let trials = usize::try_from(TRIALS).expect("few");
        println!(
            "intersection sizes, {name}, after {}: of {CANDIDATES} candidates {} decided, {} members \
             found, in {} runs",
            match aim {
                Aim::Decided => "all",
                Aim::Members => "members",
            },
            certain / trials,
            found / trials,
            runs / trials
        );
        gains.push((certain / trials, found / trials, runs / trials));
    }
    let [all, _, _, paper, day, day_members, nights, nights_members] = gains.as_slice() else {
        panic!("four cases of two aims");
    };
    assert_eq!(all.0, CANDIDATES, "without caps all is known");
    assert_eq!((paper.2, day.2, nights.2), (135, 24, 28));
    // As many as in the paper, without the caps; with them less than an eighth of the members, and a
    // quarter of the candidates.
    assert!((15..40).contains(&paper.1), "{paper:?}");
    for capped in [day, day_members, nights, nights_members] {
        assert!(capped.1 * 8 < all.1 && capped.0 * 4 < all.0, "{capped:?}");
    }
}
