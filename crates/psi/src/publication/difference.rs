//! Differences: what leads from one publication to the next (`spec/32 §7`).

use std::io::{self, Read, Write};

use blindmatch_audit::codec::Writer;

use super::{
    block::Entry,
    encode::Encoder,
    error::FileError,
    form::{Edition, rice_parameter},
    label::{SEALED_LENGTH, SealedLabel},
    merkle::Hash,
    read::{Publication, check_zeros},
    rice::{self, GROUP, LONGEST_GROUP},
    scratch::{Scratch, Stored},
    tag::Tag,
};

const HEADER: &str = "blindmatch difference v1";
const HEADER_LENGTH: usize = 90;

/// D of 256·D entries leave: log2 of the quotient.
const REMOVALS_K: u32 = 8;

impl Edition {
    /// The length in bytes of a difference that leads to this edition, the same for every one of
    /// the class and tag length.
    #[must_use]
    pub const fn difference_length(&self) -> u64 {
        self.additions_at() + self.additions_length()
    }

    const fn removals_at(&self) -> u64 {
        HEADER_LENGTH as u64 + self.class.churn() * SEALED_LENGTH as u64
    }

    const fn removals_length(&self) -> u64 {
        let churn = self.class.churn();
        // The quotients add up to at most entries/2^8.
        rice::longest(churn, churn, REMOVALS_K, churn.div_ceil(GROUP as u64))
    }

    const fn additions_at(&self) -> u64 {
        self.removals_at() + self.removals_length()
    }

    const fn additions_length(&self) -> u64 {
        let churn = self.class.churn();
        let quotients = churn.next_power_of_two() - 1;
        let groups = churn.div_ceil(GROUP as u64);
        rice::longest(churn, quotients, self.additions_k(), groups)
    }

    const fn additions_k(&self) -> u32 {
        let churn = self.class.churn();
        rice_parameter(self.tag_length, churn.next_power_of_two().trailing_zeros())
    }

    fn difference_header(&self, from: u64, salt: &[u8; 32]) -> Vec<u8> {
        let mut writer = Writer::new(HEADER);
        self.write(&mut writer);
        writer.u64(from).fixed(salt).finish()
    }
}

/// Writes a difference: labels at once, the two coded lists when they are complete.
pub(super) struct DifferenceWriter<'a, S: Scratch, W: Write> {
    scratch: &'a S,
    difference: W,
    edition: Edition,
    removals: GroupWriter<S>,
    additions: GroupWriter<S>,
}

impl<'a, S: Scratch, W: Write> DifferenceWriter<'a, S, W> {
    pub(super) fn new(
        edition: Edition,
        from: u64,
        salt: &[u8; 32],
        scratch: &'a S,
        mut difference: W,
    ) -> Result<Self, FileError> {
        difference.write_all(&edition.difference_header(from, salt))?;
        Ok(Self {
            scratch,
            difference,
            edition,
            removals: GroupWriter::new(scratch, REMOVALS_K)?,
            additions: GroupWriter::new(scratch, edition.additions_k())?,
        })
    }

    /// Takes out an entry, by its index in the publication before.
    pub(super) fn remove(&mut self, index: u64) -> Result<(), FileError> {
        self.removals.push(index.into())
    }

    /// Puts in an entry.
    pub(super) fn add(&mut self, tag: Tag, sealed: &SealedLabel) -> Result<(), FileError> {
        self.difference.write_all(&sealed.0)?;
        self.additions.push(tag.0)
    }

    pub(super) fn finish(mut self) -> Result<(), FileError> {
        let (removals, additions) = (
            self.edition.removals_length(),
            self.edition.additions_length(),
        );
        let churn = self.edition.class.churn();
        for (list, length) in [(self.removals, removals), (self.additions, additions)] {
            if list.numbers != churn {
                return Err(FileError::Length);
            }
            let (run, written) = list.finish(self.scratch)?;
            let padding = length.checked_sub(written).ok_or(FileError::Length)?;
            io::copy(&mut self.scratch.open(&run)?, &mut self.difference)?;
            io::copy(&mut io::repeat(0).take(padding), &mut self.difference)?;
        }
        Ok(self.difference.flush()?)
    }
}

/// Makes the file of a publication from the one before it and the difference.
///
/// The file is that of the responder, byte for byte, or there is an error: what was written is
/// void then.
///
/// # Errors
///
/// A [`FileError`] that names the first offence found, [`FileError::Root`] if only the root shows
/// one.
pub fn apply<F: Stored, S: Scratch>(
    current: &Publication<F>,
    difference: &impl Stored,
    edition: Edition,
    root: &Hash,
    scratch: &S,
    file: impl Write,
) -> Result<(), FileError> {
    let salt = check_header(current.edition(), difference, &edition)?;
    let mut removals = GroupReader::new(
        difference,
        edition.removals_at(),
        edition.removals_length(),
        edition.class.churn(),
        REMOVALS_K,
        edition.class.entries().into(),
    );
    let mut additions = GroupReader::new(
        difference,
        edition.additions_at(),
        edition.additions_length(),
        edition.class.churn(),
        edition.additions_k(),
        edition.tag_limit(),
    );
    let mut label_at = HEADER_LENGTH as u64;
    let mut bring = |tag| {
        let mut sealed = [0; SEALED_LENGTH];
        difference.read_at(label_at, &mut sealed)?;
        label_at += SEALED_LENGTH as u64;
        Ok::<_, FileError>(Entry {
            tag: Tag(tag),
            age: edition.age(),
            sealed: SealedLabel(sealed),
        })
    };

    let mut encoder = Encoder::new(edition, salt, scratch, file)?;
    let mut removal = removals.read()?;
    let mut addition = additions.read()?;
    for (index, entry) in (0_u128..).zip(current.entries()) {
        let entry = entry?;
        while let Some(tag) = addition.filter(|tag| *tag < entry.tag.0) {
            encoder.push(bring(tag)?)?;
            addition = additions.read()?;
        }
        if addition == Some(entry.tag.0) {
            // Even where this very difference takes it out: what left does not return.
            return Err(FileError::Present);
        }
        if removal == Some(index) {
            removal = removals.read()?;
        } else {
            encoder.push(entry)?;
        }
    }
    while let Some(tag) = addition {
        encoder.push(bring(tag)?)?;
        addition = additions.read()?;
    }
    if encoder.finish()? == *root {
        Ok(())
    } else {
        Err(FileError::Root)
    }
}

/// The salt of the file that a difference leads to.
fn check_header(
    from: &Edition,
    difference: &impl Stored,
    to: &Edition,
) -> Result<[u8; 32], FileError> {
    let same_epoch = Edition {
        sequence: from.sequence,
        ..*to
    };
    if *from != same_epoch || to.sequence <= from.sequence {
        return Err(FileError::Succession);
    }
    if difference.length()? != to.difference_length() {
        return Err(FileError::Length);
    }
    let mut header = [0; HEADER_LENGTH];
    difference.read_at(0, &mut header)?;
    let salt = *header.last_chunk().ok_or(FileError::Header)?;
    if to.difference_header(from.sequence, &salt) == header {
        Ok(salt)
    } else {
        Err(FileError::Header)
    }
}

/// Codes ascending numbers in groups of 256.
struct GroupWriter<S: Scratch> {
    run: S::Writer,
    k: u32,
    group: Vec<u128>,
    after: Option<u128>,
    numbers: u64,
    written: u64,
}

impl<S: Scratch> GroupWriter<S> {
    fn new(scratch: &S, k: u32) -> Result<Self, FileError> {
        Ok(Self {
            run: scratch.create()?,
            k,
            group: Vec::with_capacity(GROUP),
            after: None,
            numbers: 0,
            written: 0,
        })
    }

    fn push(&mut self, number: u128) -> Result<(), FileError> {
        self.numbers += 1;
        self.group.push(number);
        if self.group.len() == GROUP {
            self.end_group()?;
        }
        Ok(())
    }

    fn finish(mut self, scratch: &S) -> Result<(S::Run, u64), FileError> {
        self.end_group()?;
        Ok((scratch.finish(self.run)?, self.written))
    }

    fn end_group(&mut self) -> Result<(), FileError> {
        let coded = rice::write(self.group.iter().copied(), self.after, self.k)?;
        self.run.write_all(&coded)?;
        self.written += coded.len() as u64;
        self.after = self.group.last().copied().or(self.after);
        self.group.clear();
        Ok(())
    }
}

/// Reads what a [`GroupWriter`] wrote into a section that zeros fill up.
struct GroupReader<'a, F> {
    section: &'a F,
    at: u64,
    end: u64,
    left: u64,
    k: u32,
    limit: u128,
    after: Option<u128>,
    coded: Vec<u8>,
    group: Vec<u128>,
    within: usize,
}

impl<'a, F: Stored> GroupReader<'a, F> {
    fn new(section: &'a F, at: u64, length: u64, numbers: u64, k: u32, limit: u128) -> Self {
        Self {
            section,
            at,
            end: at + length,
            left: numbers,
            k,
            limit,
            after: None,
            coded: Vec::new(),
            group: Vec::with_capacity(GROUP),
            within: 0,
        }
    }

    /// The next number; none at the end, behind which nothing but zeros may follow.
    fn read(&mut self) -> Result<Option<u128>, FileError> {
        if self.within == self.group.len() {
            if self.left == 0 {
                check_zeros(self.section, self.at, self.end)?;
                return Ok(None);
            }
            self.read_group()?;
        }
        let number = self.group.get(self.within).copied();
        self.within += 1;
        Ok(number)
    }

    fn read_group(&mut self) -> Result<(), FileError> {
        let rest = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        self.coded.resize(rest.min(LONGEST_GROUP), 0);
        self.section.read_at(self.at, &mut self.coded)?;
        let count = usize::try_from(self.left).map_or(GROUP, |left| left.min(GROUP));
        self.group.clear();
        self.within = 0;
        let length = rice::read(
            &self.coded,
            count,
            self.after,
            self.k,
            self.limit,
            &mut self.group,
        )?;
        self.after = self.group.last().copied();
        self.at += length as u64;
        self.left -= count as u64;
        Ok(())
    }
}
