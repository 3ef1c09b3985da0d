//! The CPU work of a batch run, each piece with its input (`spec/34-batch.md` §3).

use std::sync::Arc;

use blindmatch_vole::{
    Decoded, Draws, Gf128, Item as Hashed, ItemHasher, Okvs, OkvsError, ReceiverBin, SenderBin,
    online::{Answer, Answers, Binned, seal},
};
use zeroize::Zeroizing;

use super::{
    own::seal_of,
    setup::{Next, PreparedQuerier, PreparedResponder, Step},
    terms::{Chunk, LABEL_LENGTH},
};
use crate::{
    lookup::Item,
    stop::{Abort, Fault, Stop},
};

pub(crate) enum Task {
    /// A flight of a setup.
    Setup(Box<Step>),
    /// Hash some items.
    Hash {
        hasher: Arc<ItemHasher>,
        items: Vec<Item>,
    },
    /// Fill a set up to its class with items that nobody has.
    Pad {
        items: Vec<Hashed>,
        class: usize,
        seed: Zeroizing<[u8; 32]>,
    },
    /// Sort a set into the bins of a seed.
    Bin {
        okvs: Arc<Okvs>,
        items: Arc<Vec<Hashed>>,
    },
    /// Querier: the VOLE of a chunk, by its bins.
    ExpandQuerier {
        setup: Arc<PreparedQuerier>,
        chunk: Chunk,
    },
    /// Querier: P of one bin.
    Encode {
        okvs: Arc<Okvs>,
        binned: Arc<Binned>,
        bin: u32,
    },
    /// Querier: A + P of one bin, and what its own items decode to.
    Mask {
        okvs: Arc<Okvs>,
        binned: Arc<Binned>,
        part: ReceiverBin,
        vector: Zeroizing<Vec<Gf128>>,
    },
    /// Responder: the VOLE of a chunk, by its bins.
    ExpandResponder {
        setup: Arc<PreparedResponder>,
        chunk: Chunk,
    },
    /// Responder: the tags and sealed labels of one bin.
    Evaluate(Evaluate),
    /// Responder: the answer.
    Finish {
        answers: Answers,
        binned: Arc<Binned>,
        seed: Zeroizing<[u8; 32]>,
    },
}

pub(crate) struct Evaluate {
    pub(crate) okvs: Arc<Okvs>,
    pub(crate) binned: Arc<Binned>,
    pub(crate) part: SenderBin,
    pub(crate) masked: Vec<u8>,
    /// w.
    pub(crate) share: Gf128,
    /// By the places of the items; `None` where the run has none.
    pub(crate) labels: Option<Arc<Vec<[u8; LABEL_LENGTH]>>>,
}

pub(crate) enum Outcome {
    Setup(Box<Next>),
    Hashed(Vec<Hashed>),
    Padded {
        items: Vec<Hashed>,
        /// A key, and the sum of the items under it.
        seal: [u8; 32],
    },
    Binned(Binned),
    QuerierBins(Vec<ReceiverBin>),
    Encoded {
        bin: u32,
        vector: Result<Zeroizing<Vec<Gf128>>, OkvsError>,
    },
    Masked {
        bin: u32,
        masked: Vec<u8>,
        decoded: Decoded,
    },
    ResponderBins(Vec<SenderBin>),
    Evaluated {
        bin: u32,
        tags: Vec<u128>,
        sealed: Vec<u8>,
    },
    Finished(Answer),
}

impl Task {
    pub(crate) fn elements(&self) -> usize {
        match self {
            Self::Setup(_) => 1,
            Self::Hash { items, .. } => items.len(),
            Self::Pad { items, class, .. } => class.saturating_sub(items.len()),
            Self::Bin { items, .. } => items.len(),
            Self::ExpandQuerier { chunk, .. } | Self::ExpandResponder { chunk, .. } => {
                chunk.dimensions.entries()
            }
            Self::Encode { binned, bin, .. } => binned.bin(*bin).xs.len(),
            Self::Mask { binned, part, .. } => binned.bin(part.bin()).xs.len(),
            Self::Evaluate(task) => task.binned.bin(task.part.bin()).xs.len(),
            Self::Finish { binned, .. } => binned.all().xs.len(),
        }
    }

    pub(crate) fn run(self) -> Result<Outcome, Stop> {
        Ok(match self {
            Self::Setup(step) => Outcome::Setup(Box::new(step.run()?)),
            Self::Hash { hasher, items } => {
                Outcome::Hashed(items.iter().map(|item| hasher.hash(item)).collect())
            }
            Self::Pad {
                mut items,
                class,
                seed,
            } => {
                let mut rng = Draws::new(&*seed);
                let seal = seal_of(&items, Gf128::random(&mut rng));
                // There is room: `Loading` saw to it.
                while items.len() < class {
                    let (x, v) = (Gf128::random(&mut rng), Gf128::random(&mut rng));
                    items.push(Hashed::new(x, v));
                }
                Outcome::Padded { items, seal }
            }
            Self::Bin { okvs, items } => Outcome::Binned(Binned::new(&okvs, &items)),
            Self::ExpandQuerier { setup, chunk } => {
                let shape = setup.terms().checked()?.0;
                let vole = setup.expand(&chunk).ok_or(Fault::Journal)?;
                let bins = vole.into_bins(&shape, chunk.bins);
                Outcome::QuerierBins(bins.ok_or(Fault::Journal)?)
            }
            Self::Encode { okvs, binned, bin } => Outcome::Encoded {
                bin,
                vector: binned.bin(bin).encode(&okvs),
            },
            Self::Mask {
                okvs,
                binned,
                part,
                vector,
            } => {
                let bin = part.bin();
                let (key, masked) = part.mask(okvs.shape(), &vector).ok_or(Fault::Journal)?;
                let decoded = key.decode(&okvs, binned.bin(bin).xs);
                Outcome::Masked {
                    bin,
                    masked,
                    decoded: decoded.ok_or(Fault::Journal)?,
                }
            }
            Self::ExpandResponder { setup, chunk } => {
                let shape = setup.terms().checked()?.0;
                let vole = setup.expand(&chunk).ok_or(Fault::Journal)?;
                let bins = vole.into_bins(&shape, chunk.bins);
                Outcome::ResponderBins(bins.ok_or(Fault::Journal)?)
            }
            Self::Evaluate(task) => task.run()?,
            Self::Finish {
                answers,
                binned,
                seed,
            } => {
                let mut rng = Draws::new(&*seed);
                let answer = answers.finish(&mut rng, |pairs| binned.are_equal(pairs));
                Outcome::Finished(answer.map_err(|_| Fault::Items)?)
            }
        })
    }
}

impl Evaluate {
    fn run(self) -> Result<Outcome, Stop> {
        let bin = self.part.bin();
        let items = self.binned.bin(bin);
        let key = self.part.unmask(self.okvs.shape(), &self.masked);
        let key = key.ok_or(Abort::Malformed)?;
        let evaluations = key.evaluate(&self.okvs, items.xs, items.vs, self.share);
        let evaluations = evaluations.ok_or(Fault::Items)?;
        let tags = evaluations.tags(items.xs).ok_or(Fault::Items)?;
        let mut sealed = Vec::new();
        if let Some(labels) = &self.labels {
            for (at, (&x, &place)) in items.xs.iter().zip(items.places).enumerate() {
                let key = evaluations.label_key(at, x).ok_or(Fault::Items)?;
                // Padding has a label too.
                let label = labels.get(place as usize).unwrap_or(&[0; LABEL_LENGTH]);
                seal(&key, label, &mut sealed);
            }
        }
        Ok(Outcome::Evaluated { bin, tags, sealed })
    }
}
