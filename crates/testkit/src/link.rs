//! What happens to frames between two sessions.

use std::collections::VecDeque;

use blindmatch_audit::receipt::Side;
use rand::RngExt;

use crate::{Scripted, scripted};

/// Sees every frame and says what arrives in its place.
pub trait Link {
    /// The frames that arrive instead of this one, in order.
    fn carry(&mut self, from: Side, frame: Vec<u8>) -> Vec<Vec<u8>>;

    /// The frames that arrive although nobody sends any more, with their senders.
    fn quiet(&mut self) -> Vec<(Side, Vec<u8>)> {
        Vec::new()
    }
}

/// Carries everything as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faithful;

impl Link for Faithful {
    fn carry(&mut self, _from: Side, frame: Vec<u8>) -> Vec<Vec<u8>> {
        vec![frame]
    }
}

/// Carries everything and keeps a copy.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    /// The frames so far, with their senders.
    pub frames: Vec<(Side, Vec<u8>)>,
}

impl Recorder {
    /// Who sent how many bytes, frame by frame.
    #[must_use]
    pub fn lengths(&self) -> Vec<(Side, usize)> {
        let lengths = self.frames.iter().map(|(from, frame)| (*from, frame.len()));
        lengths.collect()
    }

    /// The frames of one side.
    #[must_use]
    pub fn sent_by(&self, side: Side) -> Vec<Vec<u8>> {
        let sent = self.frames.iter().filter(|(from, _)| *from == side);
        sent.map(|(_, frame)| frame.clone()).collect()
    }
}

impl Link for Recorder {
    fn carry(&mut self, from: Side, frame: Vec<u8>) -> Vec<Vec<u8>> {
        self.frames.push((from, frame.clone()));
        vec![frame]
    }
}

/// Plays a malicious peer: changes one side's frame at one step and carries all others.
pub struct Interceptor<F> {
    side: Side,
    step: usize,
    change: F,
    seen: usize,
}

impl<F: FnMut(Vec<u8>) -> Vec<Vec<u8>>> Interceptor<F> {
    /// Changes the frame number `step`, from 0, of `side`.
    pub const fn new(side: Side, step: usize, change: F) -> Self {
        Self {
            side,
            step,
            change,
            seen: 0,
        }
    }

    /// Whether the frame to change has come by.
    pub const fn acted(&self) -> bool {
        self.seen > self.step
    }
}

impl<F: FnMut(Vec<u8>) -> Vec<Vec<u8>>> Link for Interceptor<F> {
    fn carry(&mut self, from: Side, frame: Vec<u8>) -> Vec<Vec<u8>> {
        if from != self.side {
            return vec![frame];
        }
        self.seen += 1;
        if self.seen == self.step + 1 {
            (self.change)(frame)
        } else {
            vec![frame]
        }
    }
}

/// How often something happens to a frame, in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// It is lost.
    pub drop: u32,
    /// It arrives twice.
    pub duplicate: u32,
    /// It arrives behind the next one of its side.
    pub reorder: u32,
    /// It arrives without its end.
    pub truncate: u32,
    /// One of its bits is flipped.
    pub flip: u32,
}

/// A link on which things go wrong, as a seed has it.
///
/// A test that panics while it holds one prints the seed.
pub struct Faulty {
    seed: u64,
    rng: Scripted,
    rates: Rates,
    held: VecDeque<(Side, Vec<u8>)>,
    /// How many frames something happened to.
    pub faults: usize,
}

impl Faulty {
    /// The link of a seed.
    #[must_use]
    pub fn new(seed: u64, rates: Rates) -> Self {
        Self {
            seed,
            rng: scripted(seed),
            rates,
            held: VecDeque::new(),
            faults: 0,
        }
    }

    fn happens(&mut self, rate: u32) -> bool {
        let happens = self.rng.random_range(0..1000) < rate;
        self.faults += usize::from(happens);
        happens
    }
}

impl Link for Faulty {
    fn carry(&mut self, from: Side, mut frame: Vec<u8>) -> Vec<Vec<u8>> {
        let rates = self.rates;
        if self.happens(rates.drop) {
            return Vec::new();
        }
        if self.happens(rates.truncate) {
            frame.truncate(self.rng.random_range(0..frame.len()));
        }
        if !frame.is_empty() && self.happens(rates.flip) {
            let index = self.rng.random_range(0..frame.len());
            frame[index] ^= 1 << self.rng.random_range(0..8);
        }
        if self.happens(rates.reorder) {
            self.held.push_back((from, frame));
            return Vec::new();
        }
        let mut arriving = vec![frame];
        if self.happens(rates.duplicate) {
            arriving.extend_from_within(..);
        }
        // Those held of this side come behind this one.
        let (own, others) = self.held.drain(..).partition(|(side, _)| *side == from);
        self.held = others;
        let own: VecDeque<_> = own;
        arriving.extend(own.into_iter().map(|(_, frame)| frame));
        arriving
    }

    fn quiet(&mut self) -> Vec<(Side, Vec<u8>)> {
        self.held.drain(..).collect()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the faulty link's seed: {}", self.seed);
        }
    }
}
