//! Finds a querier's items in a publication (`spec/32 §8`).

use std::ops::Range;

use super::{
    error::FileError,
    label::{SEALED_LENGTH, SealedLabel},
    read::{Block, Publication},
    rice::GROUP,
    scratch::Stored,
    tag::{Tag, first_bits},
};

/// So many entries are compared before a block is searched by halves.
const NEAR: usize = 8;

/// An item that both sides hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The place of the query, from 0.
    pub query: u64,
    /// The place of the entry in the publication, from 0.
    pub entry: u64,
    /// The sequence number of the publication that brought the entry, which its label's key and
    /// associated data need.
    pub sequence: u64,
    /// The label, which the query's own output opens ([`super::LabelSeal`]).
    pub sealed: SealedLabel,
}

impl<F: Stored> Publication<F> {
    /// Looks up queries by their outputs, in ascending order, in one pass over those blocks that
    /// can hold them.
    ///
    /// # Errors
    ///
    /// [`FileError::Unsorted`]; otherwise what has happened to the file since it was verified.
    pub fn lookup<'q>(
        &self,
        queries: impl IntoIterator<Item = &'q [u8; 64]>,
        found: impl FnMut(Match),
    ) -> Result<(), FileError> {
        self.lookup_within(queries.into_iter().map(first_bits), found)
    }

    /// The same by the [first bits](first_bits) of the outputs.
    pub(crate) fn lookup_within(
        &self,
        queries: impl IntoIterator<Item = u128>,
        mut found: impl FnMut(Match),
    ) -> Result<(), FileError> {
        let mut block = Block::default();
        // The block that was looked into last, whether it was read, and how far.
        let (mut number, mut read, mut within) = (0, false, 0);
        let mut before = 0;
        for (query, first) in (0..).zip(queries) {
            if before > first {
                return Err(FileError::Unsorted);
            }
            before = first;
            let tag = self.edition().tag_length.tag_within(first);
            // Of one block no more is read than the block.
            let is_within = block.tags.last().is_some_and(|last| tag.0 <= *last);
            if !is_within {
                let holding = self.last_block_from(number, tag)?;
                if holding != number || !read {
                    (number, read, within) = (holding, true, 0);
                    self.read_block(self.place(number)?, &mut block)?;
                }
            }
            // Where queries are as many as entries, the next one stands beside the last.
            let rest = block.tags.get(within..).unwrap_or_default();
            let near = rest.iter().take(NEAR).position(|next| *next >= tag.0);
            within += near.unwrap_or_else(|| rest.partition_point(|next| *next < tag.0));
            if block.tags.get(within) == Some(&tag.0) {
                let entry = number * GROUP as u64 + within as u64;
                let age = block.ages.get(within).copied().ok_or(FileError::Code)?;
                found(Match {
                    query,
                    entry,
                    sequence: self.edition().first_sequence + u64::from(age),
                    sealed: self.label(entry)?,
                });
            }
        }
        Ok(())
    }

    /// Looks one item up by its output.
    ///
    /// # Errors
    ///
    /// As [`lookup`](Self::lookup).
    pub fn find(&self, output: &[u8; 64]) -> Result<Option<Match>, FileError> {
        let mut found = None;
        self.lookup([output], |entry| found = Some(entry))?;
        Ok(found)
    }

    /// The last block from `from` on whose first tag is at most `tag`; `from` if there is none.
    fn last_block_from(&self, from: u64, tag: Tag) -> Result<u64, FileError> {
        // Ever longer steps, as the next query is likely near; then halves.
        let blocks = self.edition().blocks();
        let mut step = 1;
        let mut open = Range {
            start: from,
            end: from + 1,
        };
        while open.end < blocks && self.index(open.end)?.0 <= tag {
            step *= 2;
            open = open.end..(open.end + step).min(blocks);
        }
        while open.end - open.start > 1 {
            let middle = open.start.midpoint(open.end);
            if self.index(middle)?.0 <= tag {
                open.start = middle;
            } else {
                open.end = middle;
            }
        }
        Ok(open.start)
    }

    fn label(&self, entry: u64) -> Result<SealedLabel, FileError> {
        let mut sealed = [0; SEALED_LENGTH];
        let at = self.edition().labels_at() + entry * SEALED_LENGTH as u64;
        self.file.read_at(at, &mut sealed)?;
        Ok(SealedLabel(sealed))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{
        super::{
            block::Entry,
            class::SetClass,
            domain::Domain,
            encode::Encoder,
            form::Edition,
            label::{BadLabel, LabelSeal},
            scratch::InMemory,
            tag::TagLength,
        },
        *,
    };

    #[test]
    fn a_planted_bad_label_is_a_match_without_a_label() {
        let class = SetClass::holding(0).unwrap();
        let length = TagLength::for_budget(1 << 23, class).unwrap();
        let edition = Edition::new(class, length, 1, 1).unwrap();
        let domain = Domain {
            consortium: b"c".into(),
            responder: b"r".into(),
            view: b"v".into(),
            indicator_type: b"ip".into(),
            epoch: 1,
        };
        let seal = LabelSeal::new(&domain, 1);
        let output = |number: u64| {
            let mut output = [0; 64];
            for (to, from) in output.iter_mut().zip((number << 50).to_be_bytes()) {
                *to = from;
            }
            output
        };
        let mut file = Vec::new();
        let mut encoder = Encoder::new(edition, [0; 32], &InMemory, &mut file).unwrap();
        for number in 0..class.entries() {
            // Number 300 gets the label of number 301: well sealed, but for another item.
            let sealed_for = if number == 300 { 301 } else { number };
            encoder
                .push(Entry {
                    tag: length.tag(&output(number)),
                    age: 0,
                    sealed: seal.seal(&output(sealed_for), &[1; 24]),
                })
                .unwrap();
        }
        let root = encoder.finish().unwrap();
        let publication = Publication::verify(file, edition, root).unwrap();
        let opened = |number| {
            let found = publication.find(&output(number)).unwrap().unwrap();
            assert_eq!(found.entry, number);
            let seal = LabelSeal::new(&domain, found.sequence);
            let label = seal.open(&output(number), &found.sealed);
            label.map(|label| *label.as_bytes())
        };
        assert_eq!(opened(299), Ok([1; 24]));
        assert_eq!(opened(300), Err(BadLabel));
        assert_eq!(opened(301), Ok([1; 24]));
    }
}
