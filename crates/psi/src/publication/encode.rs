//! Writes a file from its entries in order (`spec/32 §5`).

use std::io::{self, Read, Write};

use super::{
    block::{self, Entry},
    error::FileError,
    form::Edition,
    label::SEALED_LENGTH,
    merkle::{Hash, Tree},
    rice::GROUP,
    scratch::Scratch,
    tag::Tag,
};

/// Writes header and labels at once; index and bodies, a sixth of the file, wait in scratch runs
/// until all labels are written.
pub(super) struct Encoder<'a, S: Scratch, W: Write> {
    scratch: &'a S,
    file: W,
    index: S::Writer,
    bodies: S::Writer,
    bodies_length: u64,
    edition: Edition,
    salt: [u8; 32],
    tree: Tree,
    block: Vec<Entry>,
    labels: Vec<u8>,
    blocks: u64,
    after: Option<Tag>,
}

impl<'a, S: Scratch, W: Write> Encoder<'a, S, W> {
    pub(super) fn new(
        edition: Edition,
        salt: [u8; 32],
        scratch: &'a S,
        mut file: W,
    ) -> Result<Self, FileError> {
        let header = edition.header(&salt);
        file.write_all(&header)?;
        let mut tree = Tree::default();
        tree.push(block::header_leaf(&header));
        Ok(Self {
            scratch,
            file,
            index: scratch.create()?,
            bodies: scratch.create()?,
            bodies_length: 0,
            edition,
            salt,
            tree,
            block: Vec::with_capacity(GROUP),
            labels: Vec::with_capacity(GROUP * SEALED_LENGTH),
            blocks: 0,
            after: None,
        })
    }

    /// Appends an entry behind all before it.
    pub(super) fn push(&mut self, entry: Entry) -> Result<(), FileError> {
        if self.after.is_some_and(|after| after >= entry.tag) {
            return Err(FileError::Order);
        }
        if !self.edition.tag_length.holds(entry.tag) {
            return Err(FileError::Range);
        }
        self.after = Some(entry.tag);
        self.labels.extend_from_slice(&entry.sealed.0);
        self.block.push(entry);
        if self.block.len() == GROUP {
            self.end_block()?;
        }
        Ok(())
    }

    /// The root, once the last entry of the class is in.
    pub(super) fn finish(mut self) -> Result<Hash, FileError> {
        let padding = self.edition.bodies_length().checked_sub(self.bodies_length);
        let (Some(padding), true) = (padding, self.blocks == self.edition.blocks()) else {
            return Err(FileError::Length);
        };
        for run in [self.index, self.bodies] {
            let run = self.scratch.finish(run)?;
            io::copy(&mut self.scratch.open(&run)?, &mut self.file)?;
        }
        io::copy(&mut io::repeat(0).take(padding), &mut self.file)?;
        self.file.flush()?;
        Ok(self.tree.finish().0)
    }

    fn end_block(&mut self) -> Result<(), FileError> {
        let Some(first) = self.block.first().map(|entry| entry.tag) else {
            return Ok(());
        };
        let body = block::encode(&self.block, &self.edition)?;
        self.bodies_length += body.len() as u64;
        self.bodies.write_all(&body)?;
        let tag = first.0.to_be_bytes();
        let (_, stored) = tag.split_at(tag.len() - self.edition.tag_length.bytes());
        self.index.write_all(stored)?;
        self.index.write_all(&self.bodies_length.to_be_bytes())?;
        self.file.write_all(&self.labels)?;
        self.tree.push(block::leaf(
            &self.salt,
            self.blocks,
            first,
            &body,
            &self.labels,
        ));
        self.blocks += 1;
        self.block.clear();
        self.labels.clear();
        Ok(())
    }
}
