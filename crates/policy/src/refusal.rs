//! Why a request is refused, in words for the operators of both sides.

use std::fmt;

use crate::policy::Policy;
use crate::probe::Concern;
use crate::words::{Grouped, moment};
use crate::{Direction, Request, RosterFacts};

/// Why a request is refused. It names rules by their number and holds no text, so it can label a
/// metric, a record and a test alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The roster does not hold yet.
    RosterNotYetValid,
    /// The roster has expired.
    RosterExpired,
    /// The proposal names another roster than the one in force here.
    RosterNumber {
        /// The number in force here.
        own: u64,
        /// The number that the proposal names.
        named: u64,
    },
    /// The roster does not have the peer.
    NotEnrolled,
    /// One of the two is a liaison, who neither asks nor serves.
    Liaison(Whose),
    /// No rule is about this peer, type, direction, purpose and protocol together.
    NoRule {
        /// The rule about this peer that comes nearest; nothing where none is about it.
        nearest: Option<NearMiss>,
    },
    /// The rule does not allow to ask what did not change.
    Sweep {
        /// The rule's number.
        rule: usize,
    },
    /// The legal basis of the rule has expired.
    LegalBasisExpired {
        /// The rule's number.
        rule: usize,
    },
    /// Somebody does not have the version of the type's canonicalisation.
    Canonicalisation {
        /// Who.
        whose: Whose,
        /// The newest version there; the one before would do too.
        newest: u32,
        /// The version that the proposal names.
        named: u32,
    },
    /// The type needs the consortium's payment key, and we hold none.
    PaymentKeyMissing,
    /// The proposal names another payment key than ours.
    PaymentKeyDiffers,
    /// The proposal names a payment key for a type that has none.
    PaymentKeyUncalledFor,
    /// The querier's input is not padded to a size class.
    NotASizeClass {
        /// What the proposal names.
        items: u64,
    },
    /// The responder's set is smaller than the rule allows.
    SetTooSmall {
        /// The rule's number.
        rule: usize,
        /// Its size.
        size: u64,
    },
    /// The peer took evaluations and did not sign, too often in a row.
    Suspended {
        /// How often.
        aborts: u32,
    },
    /// What the peer asks looks like probing, and no operator vouches for it.
    Probing(Concern),
    /// The view has had all runs of the day.
    RunsADay {
        /// The rule's number.
        rule: usize,
        /// How many it may have.
        runs: u64,
    },
    /// The day's budget does not cover the run.
    DayBudget {
        /// What the run costs.
        charge: u64,
        /// What is left today.
        left: u64,
    },
    /// The epoch's budget does not cover the run.
    EpochBudget {
        /// What the run costs.
        charge: u64,
        /// What is left in this epoch.
        left: u64,
    },
}

/// Whose fact it is that refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The roster's.
    Roster,
    /// Our own.
    Own,
    /// The peer's.
    Peer,
}

/// A rule about the peer that does not quite fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// The rule's number.
    pub rule: usize,
    /// In what it does not fit.
    pub misses: Misses,
}

/// In what a rule is not about a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Misses {
    /// In the peer.
    pub peer: bool,
    /// In the type.
    pub indicator_type: bool,
    /// In the direction.
    pub direction: bool,
    /// In the purpose.
    pub purpose: bool,
    /// In the protocol.
    pub protocol: bool,
}

/// Who has to do something about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Our operator.
    Own,
    /// The peer's operator.
    Peer,
    /// The administrator of the consortium, who issues rosters.
    Administrator,
    /// Nobody: it passes with time.
    Time,
}

/// A refusal in words: what is the case, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// What is the case.
    pub what: String,
    /// What to do next.
    pub next: String,
    /// Who has to do it.
    pub actor: Actor,
}

impl Refusal {
    /// A fixed name, for metrics, JSON and tests.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::RosterNotYetValid => "roster_not_yet_valid",
            Self::RosterExpired => "roster_expired",
            Self::RosterNumber { .. } => "roster_number",
            Self::NotEnrolled => "not_enrolled",
            Self::Liaison(_) => "liaison",
            Self::NoRule { .. } => "no_rule",
            Self::Sweep { .. } => "sweep",
            Self::LegalBasisExpired { .. } => "legal_basis_expired",
            Self::Canonicalisation { .. } => "canonicalisation",
            Self::PaymentKeyMissing => "payment_key_missing",
            Self::PaymentKeyDiffers => "payment_key_differs",
            Self::PaymentKeyUncalledFor => "payment_key_uncalled_for",
            Self::NotASizeClass { .. } => "not_a_size_class",
            Self::SetTooSmall { .. } => "set_too_small",
            Self::Suspended { .. } => "suspended",
            Self::Probing(_) => "probing",
            Self::RunsADay { .. } => "runs_a_day",
            Self::DayBudget { .. } => "day_budget",
            Self::EpochBudget { .. } => "epoch_budget",
        }
    }

    /// Whether a budget refuses, which ends a command with another exit code than a rule.
    #[must_use]
    pub const fn is_budget(self) -> bool {
        matches!(
            self,
            Self::RunsADay { .. } | Self::DayBudget { .. } | Self::EpochBudget { .. }
        )
    }

    /// Who has to do something about it.
    #[must_use]
    pub const fn actor(self, direction: Direction) -> Actor {
        match self {
            Self::RosterNotYetValid
            | Self::RunsADay { .. }
            | Self::DayBudget { .. }
            | Self::EpochBudget { .. } => Actor::Time,
            Self::RosterExpired | Self::NotEnrolled => Actor::Administrator,
            Self::RosterNumber { own, named } => {
                if own < named {
                    Actor::Own
                } else {
                    Actor::Peer
                }
            }
            Self::Canonicalisation { whose, .. } => match whose {
                Whose::Roster => Actor::Administrator,
                Whose::Own => Actor::Own,
                Whose::Peer => Actor::Peer,
            },
            Self::SetTooSmall { .. } | Self::NotASizeClass { .. } => {
                // The set is the responder's, the query the querier's.
                let own_set = matches!(direction, Direction::Serve);
                if own_set == matches!(self, Self::SetTooSmall { .. }) {
                    Actor::Own
                } else {
                    Actor::Peer
                }
            }
            Self::PaymentKeyDiffers | Self::PaymentKeyUncalledFor => Actor::Peer,
            Self::Liaison(_)
            | Self::NoRule { .. }
            | Self::Sweep { .. }
            | Self::LegalBasisExpired { .. }
            | Self::PaymentKeyMissing
            | Self::Suspended { .. }
            | Self::Probing(_) => Actor::Own,
        }
    }

    /// What the peer is told: the rule that refuses and no more of our policy than that, at most
    /// 255 bytes (`spec/30-session.md` §2).
    #[must_use]
    pub fn for_peer(self) -> String {
        let code = self.code();
        match self {
            Self::NoRule { nearest } => match nearest {
                Some(near) => format!("{code}: not allowed with this {}", near.misses),
                None => format!("{code}: not allowed with this peer"),
            },
            Self::RosterNumber { own, .. } => format!("{code}: roster {own} is in force here"),
            Self::Canonicalisation { whose, newest, .. } => {
                format!("{code}: the newest version of {whose} is {newest}")
            }
            // How many of how many would tell a prober how to stay below.
            Self::Probing(_) => format!("{code}: until our operator vouches for yours"),
            Self::RunsADay { runs, .. } => format!("{code}: {runs} runs until midnight UTC"),
            Self::DayBudget { charge, left } => {
                format!("{code}: {left} of {charge} evaluations are left until midnight UTC")
            }
            Self::EpochBudget { charge, left } => {
                format!("{code}: {left} of {charge} evaluations are left until the next epoch")
            }
            _ => code.to_owned(),
        }
    }

    /// How many evaluations are left to one who was told this for a budget.
    #[must_use]
    pub fn left_by(told: &str) -> Option<u64> {
        let (code, rest) = told.split_once(": ")?;
        let (left, _) = rest.split_once(" of ")?;
        let is_budget = ["day_budget", "epoch_budget"].contains(&code);
        left.parse().ok().filter(|_| is_budget)
    }

    /// Whether one who was told this has to wait for the next epoch.
    #[must_use]
    pub fn is_of_epoch(told: &str) -> bool {
        told.starts_with("epoch_budget: ")
    }

    /// The refusal in words for our own operator, with what to do next.
    #[must_use]
    pub fn explain(
        self,
        roster: &RosterFacts<'_>,
        policy: &Policy,
        request: &Request<'_>,
    ) -> Explained {
        Explained {
            what: self.what(roster, policy, request),
            next: self.next(policy, request),
            actor: self.actor(request.direction),
        }
    }

    fn what(self, roster: &RosterFacts<'_>, policy: &Policy, request: &Request<'_>) -> String {
        let peer = request.peer;
        let indicator_type = request.indicator_type;
        match self {
            Self::RosterNotYetValid => format!(
                "roster {} does not hold before {}",
                roster.number,
                moment(roster.not_before)
            ),
            Self::RosterExpired => format!(
                "roster {} expired at {}",
                roster.number,
                moment(roster.expires)
            ),
            Self::RosterNumber { own, named } => {
                format!("the proposal names roster {named}, and roster {own} is in force here")
            }
            Self::NotEnrolled => format!("roster {} has no member {peer}", roster.number),
            Self::Liaison(Whose::Own) => {
                "this node is a liaison's, and a liaison neither asks nor serves".to_owned()
            }
            Self::Liaison(_) => format!("{peer} is a liaison, who neither asks nor serves"),
            Self::NoRule { nearest: None } => format!("no rule is about {peer}"),
            Self::NoRule {
                nearest: Some(near),
            } => format!(
                "no rule allows this; {} comes nearest and does not name the {}",
                place(policy, near.rule),
                near.misses.described(request)
            ),
            Self::Sweep { rule } => {
                let budget = policy.rules().iter().find(|own| own.number == rule);
                let day = budget.map_or(0, |rule| policy.budget(rule, indicator_type).day);
                let nights = request.query_class.div_ceil(day.max(1));
                format!(
                    "{} does not allow a sweep, which asks for rows that did not change; this one asks for \
                     up to {} items, which takes {} at a budget of {} a day",
                    place(policy, rule),
                    Grouped(request.query_class),
                    if nights == 1 {
                        "one night".to_owned()
                    } else {
                        format!("about {} nights", Grouped(nights))
                    },
                    Grouped(day)
                )
            }
            Self::LegalBasisExpired { rule } => {
                let basis = policy
                    .rules()
                    .iter()
                    .find(|own| own.number == rule)
                    .and_then(|rule| policy.legal_basis(rule));
                match basis {
                    Some(basis) => format!(
                        "the legal basis `{}` of {} expired at {}",
                        basis.id,
                        place(policy, rule),
                        moment(basis.expires)
                    ),
                    None => format!("{} has no legal basis", place(policy, rule)),
                }
            }
            Self::Canonicalisation {
                whose,
                newest,
                named,
            } => format!(
                "the proposal names version {named} of the canonicalisation of {indicator_type}, \
                 and the newest of {whose} is {newest}"
            ),
            Self::PaymentKeyMissing => format!("{indicator_type} needs the payment key"),
            Self::PaymentKeyDiffers => {
                format!("{peer} names another payment key than the one installed here")
            }
            Self::PaymentKeyUncalledFor => {
                format!("the proposal names a payment key, and {indicator_type} has none")
            }
            Self::NotASizeClass { items } => format!(
                "{} is no size class of a {} query",
                Grouped(items),
                request.protocol.name()
            ),
            Self::SetTooSmall { rule, size } => {
                let minimum = policy.rules().iter().find(|own| own.number == rule);
                format!(
                    "{} wants a set of at least {} items, and {} has {}",
                    place(policy, rule),
                    Grouped(minimum.map_or(0, |rule| rule.minimum_set_size)),
                    match request.direction {
                        Direction::Ask => "the peer's",
                        Direction::Serve => "ours",
                    },
                    Grouped(size)
                )
            }
            Self::Suspended { aborts } => format!(
                "{peer} took answers and did not sign {aborts} times in a row, which suspends it"
            ),
            Self::Probing(concern) => {
                format!("what {peer} asks of {indicator_type} looks like probing: {concern}")
            }
            Self::RunsADay { rule, runs } => format!(
                "{} allows {} runs a day with {peer} for {indicator_type}, and today had as many",
                place(policy, rule),
                Grouped(runs)
            ),
            Self::DayBudget { charge, left } => format!(
                "the run costs {} evaluations, and {} are left of {peer}'s today",
                Grouped(charge),
                Grouped(left)
            ),
            Self::EpochBudget { charge, left } => format!(
                "the run costs {} evaluations, and {} are left of {peer}'s in this epoch",
                Grouped(charge),
                Grouped(left)
            ),
        }
    }

    fn next(self, policy: &Policy, request: &Request<'_>) -> String {
        let peer = request.peer;
        let (indicator_type, purpose) = (request.indicator_type, request.purpose);
        match self {
            Self::RosterNotYetValid => {
                "check the clock of this machine; if it is right, wait".to_owned()
            }
            Self::RosterExpired => "ask the administrator for a newer roster, then run \
                 `blindmatch roster install ROSTER`"
                .to_owned(),
            Self::RosterNumber { own, named } if own < named => {
                "install the newer roster: `blindmatch roster install ROSTER`".to_owned()
            }
            Self::RosterNumber { .. } => {
                format!(
                    "{peer} has to install the newer roster; nodes pass it on when they connect"
                )
            }
            Self::NotEnrolled => format!(
                "check the name with `blindmatch roster show`; if it is right, the administrator \
                 has to add {peer}"
            ),
            Self::Liaison(_) => {
                "nothing: a liaison asks no member, and no member asks it".to_owned()
            }
            Self::NoRule { nearest: None } => format!(
                "if this is wanted, add an [[allow]] with peers = [\"{peer}\"], then run \
                 `blindmatch policy check`"
            ),
            Self::NoRule {
                nearest: Some(near),
            } => format!(
                "if this is wanted, add it to {} or write a rule of its own, then run \
                 `blindmatch policy explain --peer {peer} --type {indicator_type} --purpose \
                 {purpose}`",
                place(policy, near.rule)
            ),
            Self::Sweep { rule } => format!(
                "ask for new and changed rows only, or set sweep = true in {}",
                place(policy, rule)
            ),
            Self::LegalBasisExpired { .. } => {
                "counsel renews it: set its valid_until, or name another in the rule".to_owned()
            }
            Self::Canonicalisation { whose, .. } => match whose {
                Whose::Roster => {
                    format!(
                        "the administrator has to issue a roster with this version of {indicator_type}"
                    )
                }
                Whose::Own => "install a newer blindmatch here".to_owned(),
                Whose::Peer => format!("{peer} has to install a newer blindmatch"),
            },
            Self::PaymentKeyMissing => "run `blindmatch keys payment install --from MEMBER FILE` with the key that a member \
                 wrapped for this one"
                .to_owned(),
            Self::PaymentKeyDiffers => {
                "compare the key's id with the custodians of both; the older of the two is \
                 replaced with `blindmatch keys payment install --from MEMBER --replace FILE`"
                    .to_owned()
            }
            Self::PaymentKeyUncalledFor => {
                "this is a fault of the node that proposed; report it".to_owned()
            }
            Self::NotASizeClass { .. } => {
                "pad the query to {4, 5, 6, 7}·2^k items; a node of ours does".to_owned()
            }
            Self::SetTooSmall { rule, .. } => format!(
                "wait until {} has grown, or lower minimum_set_size in {}",
                match request.direction {
                    Direction::Ask => "the peer's set",
                    Direction::Serve => "the collection",
                },
                place(policy, rule)
            ),
            Self::Suspended { .. } => format!(
                "talk to the operator of {peer}; then: `blindmatch policy override --peer {peer} --days 7 \
                 --why TICKET`"
            ),
            Self::Probing(_) => format!(
                "talk to the operator of {peer}; if it is meant: `blindmatch policy override --peer {peer} \
                 --days 7 --why TICKET`, or raise the levels under [probe]"
            ),
            Self::RunsADay { rule, .. } => format!(
                "wait until midnight UTC, or raise runs_a_day in {}",
                place(policy, rule)
            ),
            Self::DayBudget { .. } => {
                "wait until midnight UTC, ask for less, or raise the budget".to_owned()
            }
            Self::EpochBudget { .. } => {
                "wait for the next epoch, ask for less, or raise the budget".to_owned()
            }
        }
    }
}

impl Misses {
    /// In how many things.
    #[must_use]
    pub fn count(self) -> usize {
        self.named().count()
    }

    /// The names of the things.
    pub fn named(self) -> impl Iterator<Item = &'static str> {
        [
            (self.peer, "peer"),
            (self.indicator_type, "type"),
            (self.direction, "direction"),
            (self.purpose, "purpose"),
            (self.protocol, "protocol"),
        ]
        .into_iter()
        .filter_map(|(misses, name)| misses.then_some(name))
    }

    /// The things with what the request has there.
    fn described(self, request: &Request<'_>) -> String {
        let value = |name| match name {
            "type" => request.indicator_type.name(),
            "direction" => request.direction.name(),
            "purpose" => request.purpose,
            "protocol" => request.protocol.name(),
            _ => request.peer,
        };
        let parts: Vec<_> = self
            .named()
            .map(|name| format!("{name} {}", value(name)))
            .collect();
        parts.join(", ")
    }
}

impl fmt::Display for Misses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.named()
            .enumerate()
            .try_for_each(|(at, name)| write!(f, "{}{name}", if at == 0 { "" } else { ", " }))
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Roster => "the roster",
            Self::Own => "this node",
            Self::Peer => "the peer",
        })
    }
}

impl Actor {
    /// The name, for JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own_operator",
            Self::Peer => "peer_operator",
            Self::Administrator => "administrator",
            Self::Time => "time",
        }
    }
}

/// A rule, with its line in the file.
fn place(policy: &Policy, number: usize) -> String {
    let rule = policy.rules().iter().find(|rule| rule.number == number);
    match rule {
        Some(rule) => format!("rule {number} (line {})", rule.line),
        None => format!("rule {number}"),
    }
}
