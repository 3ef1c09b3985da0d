//! The sender's side of F9: tags and labels in the order of the tags, padded to the class.

use std::fmt;
use std::sync::Arc;

use rand_core::CryptoRng;

use super::{AnswerForm, TagWriter, Tagged};
use crate::{Gf128, SenderShare};

/// Two items of the sender have one tag: 2^64 of work can bring that about. The run must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EqualTags;

impl fmt::Display for EqualTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two items have one tag")
    }
}

impl std::error::Error for EqualTags {}

/// Collects what F9 is made of, in any order.
pub struct Answers {
    form: AnswerForm,
    tagged: Vec<Tagged>,
    /// Sealed labels in the order in which they came.
    sealed: Vec<u8>,
}

impl Answers {
    /// Nothing yet.
    pub fn new(form: AnswerForm) -> Self {
        Self {
            form,
            tagged: Vec::with_capacity(form.tags.count() as usize),
            sealed: Vec::with_capacity(form.tags.count() as usize * form.sealed()),
        }
    }

    /// Adds some items: the place of each among the sender's, its tag, and the sealed labels one
    /// behind the other.
    ///
    /// # Errors
    /// Beyond the class, or with other than one sealed label each, gives `None`.
    pub fn add(&mut self, places: &[u32], tags: &[u128], sealed: &[u8]) -> Option<()> {
        let fits = places.len() == tags.len()
            && sealed.len() == tags.len() * self.form.sealed()
            && self.tagged.len() + tags.len() <= self.form.tags.count() as usize;
        fits.then_some(())?;
        let next = u32::try_from(self.tagged.len()).ok()?;
        self.tagged.extend(
            (next..)
                .zip(places.iter().zip(tags))
                .map(|(at, (&place, &tag))| Tagged::new(tag, place, at)),
        );
        self.sealed.extend(sealed);
        Some(())
    }

    /// Sorts, drops all but the first of what occurs several times, which `same` says of pairs of
    /// places, and fills up to the class with random strings, which look like tags and labels of
    /// items that the receiver does not have.
    ///
    /// # Errors
    /// [`EqualTags`].
    pub fn finish(
        mut self,
        rng: &mut (impl CryptoRng + ?Sized),
        same: impl FnOnce(&[(u32, u32)]) -> bool,
    ) -> Result<Answer, EqualTags> {
        self.tagged.sort_unstable();
        let mut pairs = Vec::new();
        self.tagged.dedup_by(|later, earlier| {
            let one = later.tag() == earlier.tag();
            if one {
                pairs.push((earlier.place, later.place));
            }
            one
        });
        let mut equal = !pairs.is_empty() && !same(&pairs);
        let missing = (self.form.tags.count() as usize).saturating_sub(self.tagged.len());
        if missing > 0 {
            let sealed = self.form.sealed();
            for _ in 0..missing {
                let start = self.sealed.len();
                let at = start.checked_div(sealed).unwrap_or_default();
                self.sealed.resize(start + sealed, 0);
                rng.fill_bytes(self.sealed.get_mut(start..).unwrap_or_default());
                let tag = Gf128::random(rng).to_bits();
                let at = u32::try_from(at).unwrap_or(u32::MAX);
                self.tagged.push(Tagged::new(tag, u32::MAX, at));
            }
            self.tagged.sort_unstable();
            equal |= self
                .tagged
                .windows(2)
                .any(|pair| matches!(pair, [a, b] if a.tag() == b.tag()));
        }
        if equal {
            return Err(EqualTags);
        }
        Ok(Answer {
            form: self.form,
            tagged: self.tagged,
            sealed: self.sealed,
        })
    }
}

/// F9 but for the share, ready to be sent as often as it is asked for.
pub struct Answer {
    form: AnswerForm,
    tagged: Vec<Tagged>,
    sealed: Vec<u8>,
}

impl Answer {
    /// The bytes of F9 in pieces of `piece` bytes, the last what remains. To be made only when all
    /// of F8 has arrived: it begins with the share.
    pub fn pieces(self: Arc<Self>, share: &SenderShare, piece: usize) -> Pieces {
        Pieces {
            piece: piece.max(1),
            ready: share.open().to_vec(),
            writer: Some(TagWriter::new(self.form.tags)),
            next: 0,
            answer: self,
        }
    }
}

/// The bytes of F9 in pieces.
pub struct Pieces {
    answer: Arc<Answer>,
    piece: usize,
    /// What was made and not handed out.
    ready: Vec<u8>,
    /// `None` once all tags are written.
    writer: Option<TagWriter>,
    /// The next tag, then the next label.
    next: usize,
}

impl Iterator for Pieces {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        while self.ready.len() < self.piece && self.make() {}
        let rest = self.ready.split_off(self.piece.min(self.ready.len()));
        let piece = std::mem::replace(&mut self.ready, rest);
        (!piece.is_empty()).then_some(piece)
    }
}

impl Pieces {
    /// Makes some more, if there is more.
    fn make(&mut self) -> bool {
        const AT_ONCE: usize = 1024;
        let Answer {
            form,
            tagged,
            sealed,
        } = &*self.answer;
        let some = tagged.iter().skip(self.next).take(AT_ONCE);
        self.next += some.len();
        if let Some(mut writer) = self.writer.take() {
            // They ascend, and are as many as the class has: `Answers::finish` saw to it.
            let written = some.clone().all(|tagged| writer.push(tagged.tag()).is_ok());
            debug_assert!(written, "an answer has ascending tags");
            self.ready.extend(writer.take());
            if self.next < tagged.len() {
                self.writer = Some(writer);
            } else {
                self.ready.extend(writer.finish().unwrap_or_default());
                self.next = 0;
            }
            return true;
        }
        let length = form.sealed();
        for tagged in some.clone() {
            let start = tagged.at as usize * length;
            self.ready
                .extend(sealed.get(start..start + length).unwrap_or_default());
        }
        length > 0 && some.len() > 0
    }
}
