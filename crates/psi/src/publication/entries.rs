//! Streams a file's entries, or their tags, from which the next publication is made.

use super::{
    block::{self, Entry},
    error::FileError,
    read::{Block, Publication},
    rice::GROUP,
    scratch::Stored,
    tag::Tag,
};

impl<F: Stored> Publication<F> {
    /// Every entry in order.
    pub(super) fn entries(&self) -> Entries<'_, F> {
        Entries {
            publication: self,
            block: Block::default(),
            next: 0,
            within: 0,
        }
    }

    /// The tag of every entry in order; labels are not read.
    pub(super) fn tags(&self) -> impl Iterator<Item = Result<Tag, FileError>> {
        let mut block = Block::default();
        let blocks = (0..self.edition().blocks()).map(move |number| {
            self.read_block(self.place(number)?, &mut block)?;
            Ok(std::mem::take(&mut block.tags))
        });
        blocks.flat_map(|tags: Result<Vec<u128>, FileError>| {
            let (tags, error) = match tags {
                Ok(tags) => (tags, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            tags.into_iter().map(|tag| Ok(Tag(tag))).chain(error)
        })
    }
}

/// Iterates over a file's entries.
pub(super) struct Entries<'a, F> {
    publication: &'a Publication<F>,
    block: Block,
    next: u64,
    /// Of `next` what is beyond the beginning of its block.
    within: usize,
}

impl<F: Stored> Entries<'_, F> {
    fn read(&mut self) -> Result<Option<Entry>, FileError> {
        if self.next == self.publication.edition().class.entries() {
            return Ok(None);
        }
        let within = self.within;
        if within == 0 {
            let number = self.next / GROUP as u64;
            let place = self.publication.place(number)?;
            self.publication.read_block(place, &mut self.block)?;
            self.publication.read_labels(number, &mut self.block)?;
        }
        self.next += 1;
        self.within = (within + 1) % GROUP;
        let block = &self.block;
        let tag = block.tags.get(within).copied().ok_or(FileError::Code)?;
        Ok(Some(Entry {
            tag: Tag(tag),
            age: block.ages.get(within).copied().ok_or(FileError::Code)?,
            sealed: block::label(&block.labels, within).ok_or(FileError::Length)?,
        }))
    }
}

impl<F: Stored> Iterator for Entries<'_, F> {
    type Item = Result<Entry, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
