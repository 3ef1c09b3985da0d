//! Sets for a demonstration: invented indicators of three providers, with known overlaps.
//!
//! Names are of `.example` (RFC 2606); addresses, numbers and wallets are random and may be
//! somebody's. Which values there are depends on a seed, how many and who shares them does not.

mod values;

use std::collections::{BTreeSet, HashSet};

use blindmatch_indicator::{Canonicaliser, Indicator, IndicatorType};
use blindmatch_store::moment::Moment;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The providers, by name.
pub const PROVIDERS: [&str; 3] = ["cloud", "hosting", "payments"];

/// So many addresses of each provider lie inside networks of each other one.
pub const INSIDE: usize = 24;

/// How many values of a type there are.
struct Plan {
    kind: IndicatorType,
    /// That one provider has, for each.
    alone: usize,
    /// That two have, for each two.
    two: usize,
    /// That all three have.
    all: usize,
}

const fn plan(kind: IndicatorType, alone: usize, two: usize, all: usize) -> Plan {
    Plan {
        kind,
        alone,
        two,
        all,
    }
}

const PLANS: [Plan; 10] = [
    plan(IndicatorType::Account, 420, 31, 9),
    plan(IndicatorType::Email, 760, 58, 17),
    plan(IndicatorType::Ip, 1_150, 83, 26),
    plan(IndicatorType::Network, 48, 6, 2),
    plan(IndicatorType::Domain, 380, 27, 8),
    plan(IndicatorType::Url, 240, 14, 5),
    plan(IndicatorType::Phone, 310, 22, 7),
    plan(IndicatorType::Btc, 130, 12, 3),
    plan(IndicatorType::Eth, 210, 19, 6),
    plan(IndicatorType::Iban, 150, 11, 4),
];

/// One type of one provider: a feed to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedSet {
    /// Whose it is: one of [`PROVIDERS`].
    pub provider: &'static str,
    /// The type of every value.
    pub indicator_type: IndicatorType,
    /// CSV with the columns TYPE, `id` and `seen`.
    pub csv: String,
}

/// The sets of all providers, from a seed; values were seen in the months before `now`.
#[must_use]
pub fn generate(canonicaliser: &Canonicaliser, seed: u64, now: u64) -> Vec<GeneratedSet> {
    let mut draw = Draw {
        canonicaliser,
        rng: StdRng::seed_from_u64(seed),
        drawn: HashSet::new(),
    };
    let mut sets = Vec::new();
    let mut planted = Vec::new();
    // Networks first: some addresses lie in them, and no others.
    let mut plans: Vec<_> = PLANS.iter().collect();
    plans.sort_by_key(|plan| plan.kind != IndicatorType::Network);
    for plan in plans {
        let mut values = draw.shared(plan);
        if plan.kind == IndicatorType::Network {
            planted = draw.inside(&values, plan.alone);
        }
        if plan.kind == IndicatorType::Ip {
            for (own, inside) in values.iter_mut().zip(&planted) {
                own.extend(inside.iter().cloned());
            }
        }
        for (provider, own) in PROVIDERS.into_iter().zip(values) {
            sets.push(GeneratedSet {
                provider,
                indicator_type: plan.kind,
                csv: draw.csv(provider, plan.kind, own, now),
            });
        }
    }
    sets
}

/// How many values of a type any provider finds at any other.
#[must_use]
pub fn overlap(kind: IndicatorType) -> usize {
    use IndicatorType::{Domain, Email, EmailFolded, Network, RegistrableDomain, Url, UrlHost};
    // What follows from a value is shared as the value is.
    let source = match kind {
        EmailFolded => Email,
        RegistrableDomain => Domain,
        UrlHost => Url,
        kind => kind,
    };
    let plan = PLANS.iter().find(|plan| plan.kind == source);
    let same = plan.map_or(0, |plan| plan.two + plan.all);
    same + if kind == Network { INSIDE } else { 0 }
}

struct Draw<'c> {
    canonicaliser: &'c Canonicaliser,
    rng: StdRng,
    drawn: HashSet<Indicator>,
}

impl Draw<'_> {
    /// The values of each provider, those that it has alone first.
    fn shared(&mut self, plan: &Plan) -> [Vec<String>; 3] {
        let mut own = [(); 3].map(|()| self.several(plan.kind, plan.alone));
        for without in 0..own.len() {
            let two = self.several(plan.kind, plan.two);
            let others = own.iter_mut().enumerate();
            for (_, own) in others.filter(|(of, _)| *of != without) {
                own.extend(two.iter().cloned());
            }
        }
        let all = self.several(plan.kind, plan.all);
        for own in &mut own {
            own.extend(all.iter().cloned());
        }
        own
    }

    /// So many new values.
    fn several(&mut self, kind: IndicatorType, count: usize) -> Vec<String> {
        (0..count).map(|_| self.new_value(kind)).collect()
    }

    /// A value that is valid and was not drawn before.
    fn new_value(&mut self, kind: IndicatorType) -> String {
        loop {
            let text = values::draw(kind, &mut self.rng);
            if self.keep(kind, &text) {
                return text;
            }
        }
    }

    fn keep(&mut self, kind: IndicatorType, text: &str) -> bool {
        let parsed = self.canonicaliser.parse(kind, text);
        parsed.is_ok_and(|indicator| self.drawn.insert(indicator))
    }

    /// Addresses for each provider inside networks that another one has alone, the first so many of
    /// its own.
    fn inside(&mut self, networks: &[Vec<String>; 3], alone: usize) -> Vec<Vec<String>> {
        let mut inside = vec![Vec::new(); networks.len()];
        for (of, networks) in networks.iter().enumerate() {
            for (querier, addresses) in inside.iter_mut().enumerate() {
                if querier == of {
                    continue;
                }
                let mut open = INSIDE;
                while open > 0 {
                    let at = self.rng.random_range(0..alone);
                    let network = networks.get(at).map_or("", String::as_str);
                    let address = values::address_in(network, &mut self.rng);
                    if let Some(address) = address
                        && self.keep(IndicatorType::Ip, &address)
                    {
                        addresses.push(address);
                        open -= 1;
                    }
                }
            }
        }
        inside
    }

    fn csv(&mut self, provider: &str, kind: IndicatorType, own: Vec<String>, now: u64) -> String {
        // In no order, and so are the sources of real members.
        let mixed: BTreeSet<_> = own
            .into_iter()
            .map(|value| (self.rng.random::<u64>(), value))
            .collect();
        let mut csv = format!("{kind},id,seen\n");
        for (number, (_, value)) in mixed.into_iter().enumerate() {
            let ago = self.rng.random_range(0..200) * 86_400;
            let seen = Moment(now.saturating_sub(ago)).to_string();
            let seen = seen.split('T').next().unwrap_or_default();
            csv.push_str(&format!("{value},{provider}-{kind}-{number:05},{seen}\n"));
        }
        csv
    }
}

#[cfg(test)]
mod tests;
