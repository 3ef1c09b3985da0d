//! Who learns from a set no more than how many of some candidates are in it, and asks again and again.

/// What an attacker of sizes is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// As many candidates as can be, whether members or not.
    Decided,
    /// Members.
    Members,
}

/// What an attacker is certain of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gained {
    /// Candidates of which it knows whether they are members.
    pub certain: usize,
    /// Those of them that are.
    pub members: usize,
}

/// Candidates that stand side by side, and how many of them are members.
struct Segment {
    first: usize,
    count: usize,
    members: usize,
}

/// The attack of Guo, Han, Liu, Wang, Shi, Hei and Wang, "Birds of a Feather Flock Together" (USENIX
/// Security 2022), in its adaptive form: halve the segment that promises most, learn its other half by
/// subtraction. `size` tells how many of `count` candidates from the first on are members, or nothing
/// when nobody answers any more.
pub fn infer(
    count: usize,
    aim: Aim,
    size: &mut dyn FnMut(usize, usize) -> Option<usize>,
) -> Gained {
    let mut gained = Gained::default();
    let Some(members) = size(0, count) else {
        return gained;
    };
    let mut open = vec![Segment {
        first: 0,
        count,
        members,
    }];
    loop {
        open.retain(|segment| {
            let decided = segment.members == 0 || segment.members == segment.count;
            if decided {
                gained.certain += segment.count;
                gained.members += segment.members;
            }
            !decided
        });
        let promising = open.iter().enumerate();
        let best = promising.max_by_key(|(_, segment)| match aim {
            // The share furthest from a half, and of these the largest segment.
            Aim::Decided => {
                let rare = segment.members.min(segment.count - segment.members);
                (segment.count * 1_000 / rare, segment.count)
            }
            // The largest share of members.
            Aim::Members => (segment.members * 1_000 / segment.count, segment.count),
        });
        let Some(best) = best.map(|(at, _)| at) else {
            return gained;
        };
        let segment = open.swap_remove(best);
        let half = segment.count / 2;
        let Some(left) = size(segment.first, half) else {
            return gained;
        };
        open.push(Segment {
            first: segment.first,
            count: half,
            members: left,
        });
        open.push(Segment {
            first: segment.first + half,
            count: segment.count - half,
            members: segment.members - left,
        });
    }
}
