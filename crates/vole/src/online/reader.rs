//! The receiver's side of F9: all that it checks, none of which depends on its items.

use std::fmt;

use super::{AnswerForm, TagError, TagReader};
use crate::{Gf128, SessionId, verify_share};

/// What is wrong with F9: the sender's doing, and the same whatever the receiver's items are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// More bytes than F9 has, or fewer.
    Length,
    /// The share is not what the sender committed to in F1.
    Commitment,
    /// The list of tags.
    Tags(TagError),
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("the answer has a wrong length"),
            Self::Commitment => f.write_str("the share is not the committed one"),
            Self::Tags(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AnswerError {}

/// A part of an answer.
pub enum Part<'a> {
    /// A tag, with w_S beside it.
    Tag {
        /// w_S.
        share: Gf128,
        /// The tag.
        tag: u128,
    },
    /// A sealed label, in the order of the tags; it may be opened in its place.
    Label(&'a mut [u8]),
}

/// Reads F9 from its bytes as they arrive.
pub struct AnswerReader {
    form: AnswerForm,
    session: SessionId,
    commitment: [u8; 32],
    head: Vec<u8>,
    share: Option<Gf128>,
    tags: TagReader,
    /// The sealed label that is not whole yet.
    label: Vec<u8>,
    /// Bytes of F9 that have not arrived.
    missing: usize,
}

impl AnswerReader {
    /// For the answer of a sender that committed to its share in F1 of the setup with this id,
    /// that of all chunks.
    pub fn new(form: AnswerForm, session: SessionId, commitment: [u8; 32]) -> Self {
        Self {
            form,
            session,
            commitment,
            head: Vec::with_capacity(AnswerForm::HEAD),
            share: None,
            tags: TagReader::new(form.tags),
            label: Vec::with_capacity(form.sealed()),
            missing: form.bytes(),
        }
    }

    /// w_S, once it has arrived and was verified.
    pub const fn share(&self) -> Option<Gf128> {
        self.share
    }

    /// Takes the next bytes and hands out what they complete, in order.
    ///
    /// # Errors
    /// [`AnswerError`]. After one nothing of the answer may be used.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Part<'_>),
    ) -> Result<(), AnswerError> {
        let left = self.missing.checked_sub(bytes.len());
        self.missing = left.ok_or(AnswerError::Length)?;
        let rest = self.read_head(bytes)?;
        let Some(share) = self.share else {
            return Ok(());
        };
        let (tags, mut labels) = rest.split_at(rest.len().min(self.tags.missing()));
        self.tags
            .feed(tags, |tag| each(Part::Tag { share, tag }))
            .map_err(AnswerError::Tags)?;
        while !labels.is_empty() {
            let wanted = self.form.sealed().saturating_sub(self.label.len());
            let (part, rest) = labels.split_at(wanted.min(labels.len()));
            labels = rest;
            self.label.extend(part);
            if self.label.len() == self.form.sealed() {
                each(Part::Label(&mut self.label));
                self.label.clear();
            }
        }
        Ok(())
    }

    /// Says that nothing more comes.
    ///
    /// # Errors
    /// [`AnswerError::Length`] where something is missing.
    pub const fn finish(&self) -> Result<(), AnswerError> {
        match self.missing {
            0 => Ok(()),
            _ => Err(AnswerError::Length),
        }
    }

    /// Takes what belongs to the head and verifies it when it is whole; gives what is behind it.
    fn read_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], AnswerError> {
        let (head, rest) = bytes.split_at(bytes.len().min(AnswerForm::HEAD - self.head.len()));
        self.head.extend(head);
        if self.share.is_none()
            && let Some(opened) = self.head.first_chunk()
            && self.head.len() == AnswerForm::HEAD
        {
            let share = verify_share(&self.session, &self.commitment, opened);
            self.share = Some(share.ok_or(AnswerError::Commitment)?);
        }
        Ok(rest)
    }
}
