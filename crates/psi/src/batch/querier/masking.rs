//! The set is hashed, encoded and masked, and leaves (`spec/34-batch.md` §3).

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
};

use blindmatch_vole::{
    Decoded, Gf128, Item as Hashed, Okvs, ReceiverBin,
    okvs::ATTEMPTS,
    online::{Binned, Opening},
};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    super::{
        CHUNKS_AHEAD, Own, PIECE, Task,
        frame::{self, MASKED},
        journal::{self, Sealed},
        loading::{self, Loading},
        setup::PreparedQuerier,
        terms::Chunk,
    },
    Awaited, Base, Out, Parts, Phase,
    reading::Reading,
};
use crate::{
    batch,
    lookup::Items,
    session::{self, Outcome, Record, UnixSeconds},
    stop::{Abort, Fault, Stop},
};

/// F8 is being made and sent.
pub(super) struct Masking<I> {
    base: Base<I>,
    loading: Loading,
    /// All of them, padding included, until they are in their bins.
    items: Option<Arc<Vec<Hashed>>>,
    /// That it is these items, for a later connection.
    seal: [u8; 32],
    /// What was drawn for this attempt.
    drawn: Option<Drawn>,
    attempts: usize,
    chunks: VecDeque<Chunk>,
    current: Option<Current>,
    /// Chunks that the responder has evaluated.
    evaluated: u64,
    /// Chunks whose F8 is made.
    done: u64,
    decoded: Decoded,
    records: Records,
    flight: Flight,
}

struct Drawn {
    opening: Opening,
    okvs: Arc<Okvs>,
    binned: Option<Arc<Binned>>,
}

/// What must be durable before anything leaves.
#[derive(PartialEq, Eq)]
enum Records {
    Unasked,
    Sealing,
    Spending,
    Durable,
}

/// The chunk under way.
struct Current {
    chunk: Chunk,
    expanded: Option<VecDeque<ReceiverBin>>,
    vectors: Parts<Zeroizing<Vec<Gf128>>>,
    encoding: usize,
    masking: usize,
    masked: Parts<(Vec<u8>, Decoded)>,
    failed: bool,
}

/// F8 as it leaves, in pieces.
struct Flight {
    bytes: Vec<u8>,
    number: u64,
    hash: Sha256,
    /// The last piece, which waits for the digest to be durable.
    last: Option<Vec<u8>>,
}

impl<I: Items> Masking<I> {
    pub(super) fn begin(base: Base<I>) -> Self {
        let terms = &base.terms;
        Self {
            loading: Loading::new(terms.hasher(), base.items.count(), terms.querier_class()),
            items: None,
            seal: [0; 32],
            drawn: None,
            attempts: 0,
            chunks: terms.chunks().into(),
            current: None,
            evaluated: 0,
            done: 0,
            decoded: Decoded::with_capacity(terms.querier_class()),
            records: Records::Unasked,
            flight: Flight {
                bytes: Vec::new(),
                number: 0,
                hash: Sha256::new(),
                last: None,
            },
            base,
        }
    }

    pub(super) fn evaluated(mut self: Box<Self>, frame: &[u8]) -> Result<Phase<I>, Stop> {
        let chunk = frame::read_evaluated(&self.base.terms.run(), frame)?;
        if chunk != self.evaluated || chunk >= self.done {
            return Err(Abort::BatchNumber.into());
        }
        self.evaluated += 1;
        Ok(Phase::Masking(self))
    }

    /// Begins what can be begun.
    pub(super) fn poll(
        mut self: Box<Self>,
        now: UnixSeconds,
        rng: &mut dyn CryptoRng,
        out: &mut Out,
    ) -> Result<Phase<I>, Stop> {
        if self.records == Records::Unasked && now > self.base.terms.until() {
            return Err(Abort::EpochOver.into());
        }
        let items = &mut self.base.items;
        while let Some((task, awaited)) = self
            .loading
            .next_task(rng, |first, count| items.read(first, count))?
        {
            out.work(session::Task::Batch(task), Awaited::Loading(awaited));
        }
        if let (Some(items), None) = (&self.items, &self.drawn) {
            if self.attempts == ATTEMPTS {
                return Err(Fault::Items.into());
            }
            self.attempts += 1;
            let mut seed = [0; 16];
            rng.fill_bytes(&mut seed);
            let (shape, run) = (*self.base.terms.shape(), self.base.terms.session());
            let okvs = Arc::new(Okvs::new(shape, &run, &seed));
            let share = Gf128::random(rng);
            let task = Task::Bin {
                okvs: Arc::clone(&okvs),
                items: Arc::clone(items),
            };
            out.work(session::Task::Batch(task), Awaited::Binned);
            self.drawn = Some(Drawn {
                opening: Opening { seed, share },
                okvs,
                binned: None,
            });
        }
        self.begin_chunk(out)?;
        Ok(Phase::Masking(self))
    }

    /// Begins the next chunk, as far ahead of the responder as it may be.
    fn begin_chunk(&mut self, out: &mut Out) -> Result<(), Stop> {
        let Some((okvs, binned)) = self.drawn.as_ref().and_then(Drawn::ready) else {
            return Ok(());
        };
        let far = self.done >= self.evaluated + CHUNKS_AHEAD;
        if self.current.is_some() || self.flight.last.is_some() || far {
            return Ok(());
        }
        let Some(chunk) = self.chunks.pop_front() else {
            return Ok(());
        };
        let setup = self.base.setup.as_ref().ok_or(Fault::Terms)?;
        let expand = Task::ExpandQuerier {
            setup: Arc::clone(setup),
            chunk: chunk.clone(),
        };
        out.work(session::Task::Batch(expand), Awaited::Expanded);
        let mut current = Current::new(chunk);
        current.encode(&okvs, &binned, out);
        self.current = Some(current);
        Ok(())
    }

    pub(super) fn complete(
        mut self: Box<Self>,
        awaited: Awaited,
        outcome: Outcome,
        out: &mut Out,
    ) -> Result<Phase<I>, Stop> {
        use batch::Outcome::{Binned, Encoded, Hashed, Masked, Padded, QuerierBins};
        match (awaited, outcome) {
            (Awaited::Loading(loading::Awaited::Hashed(number)), Outcome::Batch(Hashed(items))) => {
                self.loading.hashed(number, items)
            }
            (
                Awaited::Loading(loading::Awaited::Padded),
                Outcome::Batch(Padded { items, seal }),
            ) => {
                self.seal = seal;
                self.items = Some(Arc::new(items));
            }
            (Awaited::Binned, Outcome::Batch(Binned(binned))) => self.binned(binned),
            (Awaited::Expanded, Outcome::Batch(QuerierBins(bins))) => {
                let current = self.current.as_mut().ok_or(Fault::Completion)?;
                current.expanded = Some(bins.into());
            }
            (Awaited::Encoded, Outcome::Batch(Encoded { bin, vector })) => {
                let current = self.current.as_mut().ok_or(Fault::Completion)?;
                current.encoding -= 1;
                match vector {
                    Ok(vector) => drop(current.vectors.insert(bin, vector)),
                    Err(_) => current.failed = true,
                }
            }
            (
                Awaited::Masked,
                Outcome::Batch(Masked {
                    bin,
                    masked,
                    decoded,
                }),
            ) => {
                let current = self.current.as_mut().ok_or(Fault::Completion)?;
                current.masking -= 1;
                current.masked.insert(bin, (masked, decoded));
            }
            (Awaited::SealedStored, Outcome::Stored) => {
                self.records = Records::Spending;
                let setup = self.base.terms.setup().id().0;
                out.store(Record::Spent { setup }, Awaited::SpentStored);
            }
            (Awaited::SpentStored, Outcome::Stored) => {
                self.records = Records::Durable;
                self.base.spent = true;
            }
            // Another run has used the setup.
            (Awaited::SpentStored, Outcome::Contradicted) => return Err(Abort::Spent.into()),
            (Awaited::SentStored, Outcome::Stored) => return (*self).sent(out),
            _ => return Err(Fault::Completion.into()),
        }
        self.go_on(out)?;
        Ok(Phase::Masking(self))
    }

    fn binned(&mut self, binned: Binned) {
        let overflows = self
            .drawn
            .as_ref()
            .is_none_or(|drawn| binned.overflows(&drawn.okvs));
        match &mut self.drawn {
            // Items that occur twice count once, which encoding sees to.
            Some(drawn) if !overflows || binned.repeats() => {
                drawn.binned = Some(Arc::new(binned));
            }
            _ => self.drawn = None,
        }
    }

    /// Goes on with the current chunk, once everything that was asked for has come back.
    fn go_on(&mut self, out: &mut Out) -> Result<(), Stop> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        if current.encoding > 0 || current.expanded.is_none() {
            return Ok(());
        }
        if current.failed {
            // What left cannot be taken back; what did not can be drawn anew.
            if self.records != Records::Unasked {
                return Err(Fault::Items.into());
            }
            let chunk = self.current.take().map(|current| current.chunk);
            self.chunks.extend(chunk);
            self.chunks.rotate_right(1);
            self.drawn = None;
            return Ok(());
        }
        let Some((drawn, (okvs, binned))) = self.drawn.as_ref().and_then(|drawn| {
            let ready = drawn.ready()?;
            Some((drawn, ready))
        }) else {
            return Err(Fault::Completion.into());
        };
        if self.records == Records::Unasked {
            self.records = Records::Sealing;
            self.items = None;
            let setup = self.base.setup.as_ref().ok_or(Fault::Terms)?;
            let sealed = Sealed {
                opening: drawn.opening.to_bytes(),
                items: self.seal,
                setup: PreparedQuerier::from_state(&setup.to_state())?,
            };
            let record = journal::sealed(&self.base.terms.run(), &sealed);
            out.store(record, Awaited::SealedStored);
        }
        current.mask(&okvs, &binned, out);
        if self.records != Records::Durable || !current.is_masked() {
            return Ok(());
        }
        let opening = (self.done == 0).then(|| drawn.opening.to_bytes());
        let masked = mem::take(&mut current.masked);
        self.current = None;
        self.done += 1;
        self.leave(opening, masked, out);
        self.begin_chunk(out)
    }

    /// Sends a chunk, all but the last piece of the last.
    fn leave(
        &mut self,
        opening: Option<[u8; 32]>,
        masked: Parts<(Vec<u8>, Decoded)>,
        out: &mut Out,
    ) {
        let run = self.base.terms.run();
        self.flight.bytes.extend(opening.into_iter().flatten());
        let mut rest = masked.len();
        for (bytes, decoded) in masked.into_values() {
            rest -= 1;
            self.flight.bytes.extend(bytes);
            self.decoded.append(&decoded);
            while self.flight.bytes.len() > PIECE || rest == 0 && !self.flight.bytes.is_empty() {
                let length = self.flight.bytes.len().min(PIECE);
                let left = self.flight.bytes.split_off(length);
                let piece = mem::replace(&mut self.flight.bytes, left);
                self.flight.hash.update(&piece);
                self.flight.number += 1;
                let frame = frame::piece(MASKED, &run, self.flight.number, &piece);
                let last = self.chunks.is_empty() && rest == 0 && self.flight.bytes.is_empty();
                if last {
                    let digest: [u8; 32] = self.flight.hash.clone().finalize().into();
                    self.base.sent = Some(digest);
                    out.store(journal::sent(&run, digest), Awaited::SentStored);
                    self.flight.last = Some(frame);
                } else {
                    out.send(frame);
                }
            }
        }
    }

    fn sent(mut self, out: &mut Out) -> Result<Phase<I>, Stop> {
        let last = self.flight.last.take().ok_or(Fault::Completion)?;
        let masked = self.base.sent.ok_or(Fault::Completion)?;
        out.send(last);
        let Self {
            base,
            drawn,
            decoded,
            ..
        } = self;
        let drawn = drawn.ok_or(Fault::Completion)?;
        let count = u32::try_from(base.items.count()).map_err(|_| Fault::Items)?;
        let own = Own {
            binned: drawn.binned.ok_or(Fault::Completion)?,
            decoded,
            opening: drawn.opening,
            count,
            commitment: base.commitment()?,
        };
        Reading::begin(base, masked, Some(own)).map(Phase::reading)
    }
}

impl Drawn {
    fn ready(&self) -> Option<(Arc<Okvs>, Arc<Binned>)> {
        let binned = self.binned.as_ref()?;
        Some((Arc::clone(&self.okvs), Arc::clone(binned)))
    }
}

impl Current {
    const fn new(chunk: Chunk) -> Self {
        Self {
            chunk,
            expanded: None,
            vectors: BTreeMap::new(),
            encoding: 0,
            masking: 0,
            masked: BTreeMap::new(),
            failed: false,
        }
    }

    fn encode(&mut self, okvs: &Arc<Okvs>, binned: &Arc<Binned>, out: &mut Out) {
        for bin in self.chunk.bins.clone() {
            let task = Task::Encode {
                okvs: Arc::clone(okvs),
                binned: Arc::clone(binned),
                bin,
            };
            out.work(session::Task::Batch(task), Awaited::Encoded);
            self.encoding += 1;
        }
    }

    /// Masks what is encoded and was not masked yet.
    fn mask(&mut self, okvs: &Arc<Okvs>, binned: &Arc<Binned>, out: &mut Out) {
        for part in self.expanded.iter_mut().flat_map(|bins| bins.drain(..)) {
            let Some(vector) = self.vectors.remove(&part.bin()) else {
                continue;
            };
            let task = Task::Mask {
                okvs: Arc::clone(okvs),
                binned: Arc::clone(binned),
                part,
                vector,
            };
            out.work(session::Task::Batch(task), Awaited::Masked);
            self.masking += 1;
        }
    }

    fn is_masked(&self) -> bool {
        self.masking == 0 && self.masked.len() == self.chunk.bins.len()
    }
}
