//! F8 comes in, is evaluated bin by bin, and the answer is made and stored (`spec/34-batch.md`
//! §3).

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
};

use blindmatch_vole::{
    Gf128, Item as Hashed, Okvs, SenderBin,
    online::{Answer, Answers, Binned, Opening, Pieces},
};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    super::{
        CHUNKS_AHEAD, PIECE, Task, WINDOW,
        frame::{self, MASKED},
        items::LabelledItems,
        journal,
        loading::{self, Loading},
        setup::PreparedResponder,
        terms::{Chunk, LABEL_LENGTH, Labels},
        work::Evaluate,
    },
    Awaited, Base, Out, Phase,
    answering::Answering,
};
use crate::{
    batch,
    session::{self, Outcome, Record, UnixSeconds},
    stop::{Abort, Fault, Stop},
};

/// F8 is being taken and evaluated.
pub(super) struct Serving<I> {
    base: Base<I>,
    setup: Arc<PreparedResponder>,
    loading: Loading,
    /// By the places of the items.
    labels: Vec<[u8; LABEL_LENGTH]>,
    /// All of them, padding included, until they are in their bins.
    items: Option<Arc<Vec<Hashed>>>,
    /// What the first piece brought.
    opened: Option<Opened>,
    arriving: Arriving,
    chunks: Vec<Chunk>,
    /// Chunks whose VOLE was asked for.
    expanding: usize,
    /// Chunks that are evaluated.
    evaluated: usize,
    /// Bins of the chunk under way that are evaluated.
    bins_done: usize,
    /// The VOLE of each bin that was expanded and not used.
    parts: BTreeMap<u32, SenderBin>,
    /// The A + P of each bin that has arrived and was not evaluated.
    masked: BTreeMap<u32, Vec<u8>>,
    answers: Option<Answers>,
    storing: Option<Storing>,
}

struct Opened {
    okvs: Arc<Okvs>,
    /// w.
    share: Gf128,
    /// Whether the charge and the spent setup are durable.
    durable: bool,
    /// Whether the items are being sorted into bins.
    binning: bool,
    binned: Option<Arc<Binned>>,
    labels: Option<Arc<Vec<[u8; LABEL_LENGTH]>>>,
}

/// F8 as it arrives.
struct Arriving {
    /// The number of the last piece.
    number: u64,
    /// The chunk that is arriving, and how many bytes of it are missing.
    chunk: usize,
    missing: usize,
    bytes: Vec<u8>,
    /// The bin that is arriving.
    bin: u32,
    hash: Sha256,
}

/// The answer is being stored.
struct Storing {
    answer: Arc<Answer>,
    pieces: Pieces,
    number: u64,
    unsaved: usize,
    hash: Sha256,
    /// Whether all pieces were handed out.
    complete: bool,
}

impl<I: LabelledItems> Serving<I> {
    pub(super) fn begin(base: Base<I>) -> Result<Self, Stop> {
        let terms = &base.terms;
        let setup = base.setup.as_ref().ok_or(Fault::Terms)?;
        let chunks = terms.chunks();
        Ok(Self {
            setup: Arc::clone(setup),
            loading: Loading::new(terms.hasher(), base.items.count(), terms.responder_class()),
            labels: Vec::new(),
            items: None,
            opened: None,
            arriving: Arriving {
                number: 0,
                chunk: 0,
                missing: chunk_bytes(&chunks, 0),
                bytes: Vec::new(),
                bin: 0,
                hash: Sha256::new(),
            },
            chunks,
            expanding: 0,
            evaluated: 0,
            bins_done: 0,
            parts: BTreeMap::new(),
            masked: BTreeMap::new(),
            answers: Some(Answers::new(terms.form())),
            storing: None,
            base,
        })
    }

    pub(super) fn piece(
        mut self: Box<Self>,
        frame: &[u8],
        out: &mut Out,
    ) -> Result<Phase<I>, Stop> {
        let (number, bytes) = frame::read_piece(MASKED, &self.base.terms.run(), frame)?;
        let arriving = &mut self.arriving;
        if number != arriving.number + 1 || arriving.missing == 0 {
            return Err(Abort::BatchNumber.into());
        }
        if bytes.len() != arriving.missing.min(PIECE) {
            return Err(Abort::BatchSize.into());
        }
        if arriving.chunk as u64 >= self.evaluated as u64 + CHUNKS_AHEAD {
            return Err(Abort::Window.into());
        }
        arriving.number = number;
        arriving.missing -= bytes.len();
        arriving.hash.update(bytes);
        let mut rest = bytes;
        if number == 1 {
            let (opening, masked) = bytes.split_first_chunk().ok_or(Abort::Malformed)?;
            rest = masked;
            self.opened(opening, out);
        }
        self.arriving.bytes.extend(rest);
        let width = 16 * self.base.terms.shape().width();
        while self.arriving.bytes.len() >= width {
            let left = self.arriving.bytes.split_off(width);
            let bin = mem::replace(&mut self.arriving.bytes, left);
            self.masked.insert(self.arriving.bin, bin);
            self.arriving.bin += 1;
        }
        if self.arriving.missing == 0 {
            self.arriving.chunk += 1;
            self.arriving.missing = chunk_bytes(&self.chunks, self.arriving.chunk);
        }
        self.evaluate(out)?;
        Ok(Phase::Serving(self))
    }

    /// The first piece: the run is charged, and the setup spent, before anything else.
    fn opened(&mut self, bytes: &[u8; Opening::BYTES], out: &mut Out) {
        let terms = &self.base.terms;
        let opening = Opening::from_bytes(bytes);
        out.store(Record::Debit(terms.debit(bytes)), Awaited::DebitStored);
        let okvs = Okvs::new(*terms.shape(), &terms.session(), &opening.seed);
        self.opened = Some(Opened {
            okvs: Arc::new(okvs),
            share: opening.share + self.setup.share().share(),
            durable: false,
            binning: false,
            binned: None,
            labels: None,
        });
    }

    /// Begins what can be begun.
    pub(super) fn poll(
        mut self: Box<Self>,
        now: UnixSeconds,
        rng: &mut dyn CryptoRng,
        out: &mut Out,
    ) -> Result<Phase<I>, Stop> {
        if self.opened.is_none() && now > self.base.terms.until() {
            return Err(Abort::EpochOver.into());
        }
        let labels = match self.base.terms.labels() {
            Labels::None => None,
            Labels::Sealed => Some(&mut self.labels),
        };
        let items = &mut self.base.items;
        let mut labels = labels;
        let mut read = |first, count| {
            let (items, own): (Vec<_>, Vec<_>) = items.read(first, count)?.into_iter().unzip();
            if let Some(labels) = &mut labels {
                labels.extend(own);
            }
            Some(items)
        };
        while let Some((task, awaited)) = self.loading.next_task(rng, &mut read)? {
            out.work(session::Task::Batch(task), Awaited::Loading(awaited));
        }
        // Two chunks of the VOLE at most are in memory.
        while self.expanding < self.chunks.len() && self.expanding < self.evaluated + 2 {
            let Some(chunk) = self.chunks.get(self.expanding) else {
                break;
            };
            let task = Task::ExpandResponder {
                setup: Arc::clone(&self.setup),
                chunk: chunk.clone(),
            };
            out.work(session::Task::Batch(task), Awaited::Expanded);
            self.expanding += 1;
        }
        if self.evaluated == self.chunks.len()
            && let Some(answers) = self.answers.take()
        {
            let mut seed = Zeroizing::new([0; 32]);
            rng.fill_bytes(&mut *seed);
            let binned = self
                .opened
                .as_ref()
                .and_then(|opened| opened.binned.clone());
            let task = Task::Finish {
                answers,
                binned: binned.ok_or(Fault::Completion)?,
                seed,
            };
            out.work(session::Task::Batch(task), Awaited::Finished);
        }
        self.store_next(out);
        Ok(Phase::Serving(self))
    }

    pub(super) fn complete(
        mut self: Box<Self>,
        awaited: Awaited,
        outcome: Outcome,
        out: &mut Out,
    ) -> Result<Phase<I>, Stop> {
        use batch::Outcome::{Binned, Evaluated, Finished, Hashed, Padded, ResponderBins};
        match (awaited, outcome) {
            (Awaited::Loading(loading::Awaited::Hashed(number)), Outcome::Batch(Hashed(items))) => {
                self.loading.hashed(number, items)
            }
            (Awaited::Loading(loading::Awaited::Padded), Outcome::Batch(Padded { items, .. })) => {
                self.items = Some(Arc::new(items));
            }
            (Awaited::Expanded, Outcome::Batch(ResponderBins(parts))) => {
                let parts = parts.into_iter().map(|part| (part.bin(), part));
                self.parts.extend(parts);
            }
            (Awaited::DebitStored, Outcome::Refused) => return Err(Abort::Budget.into()),
            // Another connection of this run was charged for another F8.
            (Awaited::DebitStored, Outcome::Contradicted) => return Err(Abort::Transcript.into()),
            (Awaited::DebitStored, Outcome::Stored) => {
                let setup = self.base.terms.setup().id().0;
                out.store(Record::Spent { setup }, Awaited::SpentStored);
            }
            // Another run has used the setup, or another connection of this one.
            (Awaited::SpentStored, Outcome::Contradicted) => return Err(Abort::Spent.into()),
            (Awaited::SpentStored, Outcome::Stored) => {
                self.base.spent = true;
                let opened = self.opened.as_mut().ok_or(Fault::Completion)?;
                opened.durable = true;
            }
            (Awaited::Binned, Outcome::Batch(Binned(binned))) => {
                let opened = self.opened.as_mut().ok_or(Fault::Completion)?;
                opened.binned = Some(Arc::new(binned));
            }
            (Awaited::Evaluated, Outcome::Batch(Evaluated { bin, tags, sealed })) => {
                self.evaluated(bin, &tags, &sealed, out)?;
            }
            (Awaited::Finished, Outcome::Batch(Finished(answer))) => {
                let answer = Arc::new(answer);
                self.storing = Some(Storing {
                    pieces: Arc::clone(&answer).pieces(self.setup.share(), PIECE),
                    answer,
                    number: 0,
                    unsaved: 0,
                    hash: Sha256::new(),
                    complete: false,
                });
            }
            (Awaited::PieceStored, Outcome::Stored) => {
                let storing = self.storing.as_mut().ok_or(Fault::Completion)?;
                storing.unsaved -= 1;
            }
            (Awaited::AnsweredStored, Outcome::Stored) => return (*self).answer(),
            _ => return Err(Fault::Completion.into()),
        }
        self.evaluate(out)?;
        Ok(Phase::Serving(self))
    }

    /// Begins to evaluate what has arrived, once it was charged.
    fn evaluate(&mut self, out: &mut Out) -> Result<(), Stop> {
        let Some(opened) = &mut self.opened else {
            return Ok(());
        };
        if !opened.durable {
            return Ok(());
        }
        if !opened.binning
            && let Some(items) = self.items.take()
        {
            opened.binning = true;
            if self.base.terms.labels() == Labels::Sealed {
                opened.labels = Some(Arc::new(mem::take(&mut self.labels)));
            }
            let task = Task::Bin {
                okvs: Arc::clone(&opened.okvs),
                items,
            };
            out.work(session::Task::Batch(task), Awaited::Binned);
        }
        let Some(binned) = &opened.binned else {
            return Ok(());
        };
        let ready: VecDeque<u32> = self
            .masked
            .keys()
            .filter(|bin| self.parts.contains_key(bin))
            .copied()
            .collect();
        for bin in ready {
            if let Some((part, masked)) = self.parts.remove(&bin).zip(self.masked.remove(&bin)) {
                let task = Task::Evaluate(Evaluate {
                    okvs: Arc::clone(&opened.okvs),
                    binned: Arc::clone(binned),
                    part,
                    masked,
                    share: opened.share,
                    labels: opened.labels.clone(),
                });
                out.work(session::Task::Batch(task), Awaited::Evaluated);
            }
        }
        Ok(())
    }

    fn evaluated(
        &mut self,
        bin: u32,
        tags: &[u128],
        sealed: &[u8],
        out: &mut Out,
    ) -> Result<(), Stop> {
        let binned = self
            .opened
            .as_ref()
            .and_then(|opened| opened.binned.as_ref());
        let items = binned.ok_or(Fault::Completion)?.bin(bin);
        let added = self
            .answers
            .as_mut()
            .and_then(|answers| answers.add(items.places, tags, sealed));
        added.ok_or(Fault::Completion)?;
        // Bins of two chunks may be under way; a chunk is done when as many are as it has.
        self.bins_done += 1;
        while let Some(chunk) = self.chunks.get(self.evaluated)
            && self.bins_done >= chunk.bins.len()
        {
            self.bins_done -= chunk.bins.len();
            let number = self.evaluated as u64;
            self.evaluated += 1;
            if self.evaluated < self.chunks.len() {
                out.send(frame::evaluated(&self.base.terms.run(), number));
            }
        }
        Ok(())
    }

    /// Stores more of the answer; nothing of it leaves before all of it is stored.
    fn store_next(&mut self, out: &mut Out) {
        let run = self.base.terms.run();
        let Some(storing) = &mut self.storing else {
            return;
        };
        while !storing.complete && storing.unsaved < WINDOW {
            let Some(piece) = storing.pieces.next() else {
                storing.complete = true;
                break;
            };
            storing.number += 1;
            storing.unsaved += 1;
            storing.hash.update(&piece);
            let record = journal::piece(&run, storing.number, &piece);
            out.store(record, Awaited::PieceStored);
        }
        if storing.complete && storing.unsaved == 0 && self.base.transcript.len() == 0 {
            let masked: [u8; 32] = self.arriving.hash.clone().finalize().into();
            let answer: [u8; 32] = storing.hash.clone().finalize().into();
            self.base.transcript.absorb(&[&masked, &answer]);
            let record = journal::answered(&run, self.base.transcript.digest());
            out.store(record, Awaited::AnsweredStored);
        }
    }

    fn answer(self) -> Result<Phase<I>, Stop> {
        let Self {
            base,
            storing,
            setup,
            ..
        } = self;
        let storing = storing.ok_or(Fault::Completion)?;
        let pieces = storing.answer.pieces(setup.share(), PIECE);
        Ok(Phase::Answering(Box::new(Answering::made(base, pieces))))
    }
}

/// The bytes of F8 that cover a chunk, the opening in front of the first; zero beyond the last.
fn chunk_bytes(chunks: &[Chunk], number: usize) -> usize {
    let opening = if number == 0 { Opening::BYTES } else { 0 };
    let entries = chunks.get(number).map(|chunk| chunk.dimensions.entries());
    entries.map_or(0, |entries| opening + 16 * entries)
}
