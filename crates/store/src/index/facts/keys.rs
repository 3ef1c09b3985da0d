//! The keys and values of the facts: a tag, then parts that are fixed or carry their length.

use blindmatch_audit::{receipt::Side, record::Signal};

use super::{Restored, RunState, Stopped, Witnessed};

/// A value as bytes.
pub(super) trait Keyed: Sized {
    fn encode(&self) -> Vec<u8>;
    fn decode(bytes: &[u8]) -> Option<Self>;
}

pub(super) fn day(view: &str, peer: &str, day: u64) -> Vec<u8> {
    [&[1], &*name(view), &name(peer), &day.to_be_bytes()].concat()
}

pub(super) fn epoch(view: &str, peer: &str, epoch: u64) -> Vec<u8> {
    [&[2], &*name(view), &name(peer), &epoch.to_be_bytes()].concat()
}

pub(super) fn all(view: &str, epoch: u64) -> Vec<u8> {
    [&[3], &*name(view), &epoch.to_be_bytes()].concat()
}

pub(super) fn debit(run: &[u8; 32], batch: u64, digest: &[u8; 32]) -> Vec<u8> {
    [&[4], run.as_slice(), &batch.to_be_bytes(), digest].concat()
}

pub(super) fn run(run: &[u8; 32]) -> Vec<u8> {
    [&[5], run.as_slice()].concat()
}

pub(super) fn publication(view: &str) -> Vec<u8> {
    [&[6], &*name(view)].concat()
}

pub(super) fn last_epoch(view: &str) -> Vec<u8> {
    [&[7], &*name(view)].concat()
}

pub(super) fn witnessed(ledger: &str) -> Vec<u8> {
    [&[8], &*name(ledger)].concat()
}

pub(super) fn restored() -> Vec<u8> {
    vec![9]
}

pub(super) fn opened(view: &str, epoch: u64) -> Vec<u8> {
    [&[10], &*name(view), &epoch.to_be_bytes()].concat()
}

pub(super) fn peer_of(run: &[u8; 32]) -> Vec<u8> {
    [&[11], run.as_slice()].concat()
}

pub(super) fn unreceipted(peer: &str) -> Vec<u8> {
    [&[12], &*name(peer)].concat()
}

pub(super) fn publication_before(view: &str) -> Vec<u8> {
    [&[13], &*name(view)].concat()
}

pub(super) fn closed(view: &str) -> Vec<u8> {
    [&[14], &*name(view)].concat()
}

pub(super) fn equivocation(peer: &str) -> Vec<u8> {
    [&[20], &*name(peer)].concat()
}

pub(super) fn charged(run: &[u8; 32]) -> Vec<u8> {
    [&[15], run.as_slice()].concat()
}

/// Runs that charged a peer for a view on a day.
pub(super) fn runs(view: &str, peer: &str, day: u64) -> Vec<u8> {
    [&[21], &*name(view), &name(peer), &day.to_be_bytes()].concat()
}

/// The gravest that was recorded on a day of what a peer asks of a view, or this node of it.
pub(super) fn probing(side: Side, view: &str, peer: &str, day: u64) -> Vec<u8> {
    let side = side.code();
    [&[22, side], &*name(view), &name(peer), &day.to_be_bytes()].concat()
}

/// The newest record that stops a peer at a view.
pub(super) fn stopped(view: &str, peer: &str) -> Vec<u8> {
    [&[23], &*name(view), &name(peer)].concat()
}

/// Until when an operator vouches for a peer, and the record that says so.
pub(super) fn vouched(peer: &str) -> Vec<u8> {
    [&[24], &*name(peer)].concat()
}

/// What this node asked of a view of a peer in an epoch.
pub(super) fn asked(view: &str, peer: &str, epoch: u64) -> Vec<u8> {
    [&[25], &*name(view), &name(peer), &epoch.to_be_bytes()].concat()
}

/// View, peer and epoch of what a peer was charged, or this node asked.
pub(super) fn revealed(key: &[u8]) -> Option<(Side, &str, &str, u64)> {
    let (&tag, key) = key.split_first()?;
    let side = match tag {
        2 => Side::Responder,
        25 => Side::Querier,
        _ => return None,
    };
    let (view, rest) = read_name(key)?;
    let (peer, epoch) = read_name(rest)?;
    Some((side, view, peer, u64::decode(epoch)?))
}

/// What a key says about the views that may have charged a peer.
pub(super) enum Subject<'k> {
    /// The peer was charged for the view in the epoch.
    Charged { view: &'k str, epoch: u64 },
    /// The value is the view's last epoch.
    LastEpoch { view: &'k str },
}

pub(super) fn subject<'k>(key: &'k [u8], peer: &str) -> Option<Subject<'k>> {
    let (&tag, key) = key.split_first()?;
    match tag {
        2 => {
            let (view, rest) = read_name(key)?;
            let (charged, epoch) = read_name(rest)?;
            let epoch = u64::decode(epoch)?;
            (charged == peer).then_some(Subject::Charged { view, epoch })
        }
        7 => Some(Subject::LastEpoch {
            view: read_name(key)?.0,
        }),
        _ => None,
    }
}

fn read_name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (name, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((str::from_utf8(name).ok()?, rest))
}

/// Names have at most 255 bytes.
fn name(name: &str) -> Vec<u8> {
    let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), name.as_bytes()].concat()
}

impl Keyed for u64 {
    fn encode(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl Keyed for String {
    fn encode(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        str::from_utf8(bytes).ok().map(str::to_owned)
    }
}

impl Keyed for (u64, bool) {
    fn encode(&self) -> Vec<u8> {
        [&self.0.to_be_bytes()[..], &[self.1.into()]].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (number, &[flag]) = bytes.split_first_chunk()? else {
            return None;
        };
        (flag <= 1).then_some((u64::from_be_bytes(*number), flag == 1))
    }
}

impl Keyed for (RunState, u64) {
    fn encode(&self) -> Vec<u8> {
        let state = match self.0 {
            RunState::Agreed => 0,
            RunState::Concluded => 1,
            RunState::Unreceipted => 2,
            RunState::OpenedLate => 3,
        };
        [&[state], &self.1.to_be_bytes()[..]].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (state, number) = bytes.split_first()?;
        let state = match state {
            0 => RunState::Agreed,
            1 => RunState::Concluded,
            2 => RunState::Unreceipted,
            3 => RunState::OpenedLate,
            _ => return None,
        };
        Some((state, u64::decode(number)?))
    }
}

impl Keyed for Witnessed {
    fn encode(&self) -> Vec<u8> {
        let numbers = [self.incarnation, self.size].map(u64::to_be_bytes);
        [numbers.as_flattened(), &self.root].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (incarnation, bytes) = bytes.split_first_chunk()?;
        let (size, root) = bytes.split_first_chunk()?;
        Some(Self {
            incarnation: u64::from_be_bytes(*incarnation),
            size: u64::from_be_bytes(*size),
            root: root.try_into().ok()?,
        })
    }
}

impl Keyed for Restored {
    fn encode(&self) -> Vec<u8> {
        let numbers = [self.record, self.time, self.incarnation];
        numbers.map(u64::to_be_bytes).concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (record, bytes) = bytes.split_first_chunk()?;
        let (time, incarnation) = bytes.split_first_chunk()?;
        Some(Self {
            record: u64::from_be_bytes(*record),
            time: u64::from_be_bytes(*time),
            incarnation: u64::decode(incarnation)?,
        })
    }
}

impl Keyed for (u64, u64) {
    fn encode(&self) -> Vec<u8> {
        [self.0, self.1].map(u64::to_be_bytes).concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (first, second) = bytes.split_first_chunk()?;
        Some((u64::from_be_bytes(*first), u64::decode(second)?))
    }
}

impl Keyed for Stopped {
    fn encode(&self) -> Vec<u8> {
        let numbers = [self.record, self.counted, self.limit].map(u64::to_be_bytes);
        [numbers.as_flattened(), &[self.signal.code()]].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (record, bytes) = bytes.split_first_chunk()?;
        let (counted, bytes) = bytes.split_first_chunk()?;
        let (limit, &[code]) = bytes.split_first_chunk()? else {
            return None;
        };
        let mut signals = Signal::ALL.into_iter();
        Some(Self {
            record: u64::from_be_bytes(*record),
            signal: signals.find(|signal| signal.code() == code)?,
            counted: u64::from_be_bytes(*counted),
            limit: u64::from_be_bytes(*limit),
        })
    }
}
