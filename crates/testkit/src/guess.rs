//! Somebody who looks at what two worlds show, and says which is which.

/// What was seen in one of two worlds: which, and numbers that describe it, as many each time.
pub type Seen = (bool, Vec<u64>);

/// Values of a number are told apart into so many groups.
const GROUPS: usize = 16;

/// How many of how many a guesser gets right that has learnt from the first half of what was seen, and is
/// shown the second.
///
/// It weighs by each number how much more often its like was seen in the one world than in the other
/// (naive Bayes); numbers that differ much count as alike where they lie between the same sixteenths of
/// what was seen.
#[must_use]
pub fn guessed(seen: &[Seen]) -> (usize, usize) {
    let (learning, shown) = seen.split_at(seen.len() / 2);
    let features = seen.first().map_or(0, |(_, numbers)| numbers.len());
    let learnt: Vec<_> = (0..features).map(|at| learn(learning, at)).collect();
    let right = shown.iter().filter(|(world, numbers)| {
        let weights = numbers.iter().zip(&learnt);
        let sum: f64 = weights
            .map(|(number, (edges, weights))| weights[group(edges, *number)])
            .sum();
        (sum > 0.0) == *world
    });
    (right.count(), shown.len())
}

/// Whether so many right ones are what somebody gets who throws a coin, but once in 100,000 times.
#[must_use]
pub fn is_chance((right, of): (usize, usize)) -> bool {
    let (right, of) = (right as f64, of as f64);
    (right - of / 2.0).abs() <= 4.5 * of.sqrt() / 2.0
}

/// The edges between groups of a number, and what each group says for the second world.
fn learn(seen: &[Seen], at: usize) -> (Vec<u64>, Vec<f64>) {
    let mut numbers: Vec<_> = seen.iter().map(|(_, numbers)| numbers[at]).collect();
    numbers.sort_unstable();
    let mut edges: Vec<_> = (1..GROUPS)
        .map(|part| numbers[numbers.len() * part / GROUPS])
        .collect();
    edges.dedup();
    let mut counts = vec![[1.0_f64; 2]; edges.len() + 1];
    for (world, numbers) in seen {
        counts[group(&edges, numbers[at])][usize::from(*world)] += 1.0;
    }
    let all = |world: usize| counts.iter().map(|count| count[world]).sum::<f64>();
    let (first, second) = (all(0), all(1));
    let weights = counts
        .iter()
        .map(|[one, other]| (other / second).ln() - (one / first).ln());
    (edges, weights.collect())
}

fn group(edges: &[u64], number: u64) -> usize {
    edges.partition_point(|edge| *edge <= number)
}
