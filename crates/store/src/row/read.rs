//! Reads rows of a sealed file, in order or from any key on.

use std::io::{Read, Seek};
use std::ops::Range;

use blindmatch_indicator::{Label, LabelFields};
use zeroize::Zeroizing;

use super::write::{
    DERIVED, FIELDS, GIVEN, HANDLE, IS_ROW, REFERENCES, SAME_DATES, SAME_LENGTH, TRAILER, day,
};
use super::{MAX_REFERENCES, Origin, References, Row};
use crate::sealed::{SealedError, SealedReader};

/// No key is longer: a URL of 8,000 bytes, type and version.
const LONGEST_KEY: usize = 8_002;

/// Rows of a sealed file, one at a time: [`advance`](Self::advance), then [`row`](Self::row).
pub struct RowReader<R> {
    sealed: SealedReader<R>,
    /// Blocks of rows; behind them stands the index.
    blocks: u64,
    /// First keys of the blocks, once they were asked for.
    index: Option<Vec<Zeroizing<Vec<u8>>>>,
    /// The block that is being read, and where in it the next row stands.
    block: u64,
    at: usize,
    is_row: bool,
    key: Zeroizing<Vec<u8>>,
    attributes: Attributes,
}

impl<R: Read + Seek> RowReader<R> {
    /// Reads the rows of `sealed` from the first on.
    ///
    /// # Errors
    ///
    /// A [`SealedError`], as everywhere here.
    pub fn new(mut sealed: SealedReader<R>) -> Result<Self, SealedError> {
        let last = sealed.blocks() - 1;
        let trailer = sealed.block(last)?.last_chunk::<TRAILER>();
        let blocks = trailer
            .map(|trailer| u64::from_be_bytes(*trailer))
            .filter(|&blocks| blocks <= last)
            .ok_or(SealedError::Damaged { block: last })?;
        Ok(Self {
            sealed,
            blocks,
            index: None,
            block: 0,
            at: 0,
            is_row: false,
            key: Zeroizing::new(Vec::with_capacity(LONGEST_KEY)),
            attributes: Attributes::default(),
        })
    }

    /// The row to which the reader has come: none before the first `advance` and behind the last
    /// row.
    #[must_use]
    pub fn row(&self) -> Option<Row<'_>> {
        self.is_row
            .then(|| self.attributes.row(&self.key, self.sealed.opened()))
    }

    /// Goes to the next row, and tells whether there is one.
    ///
    /// # Errors
    ///
    /// A [`SealedError`]; there is no row then.
    pub fn advance(&mut self) -> Result<bool, SealedError> {
        self.is_row = false;
        while self.block < self.blocks {
            let block = self.sealed.block(self.block)?;
            let mut rest = Bytes {
                block,
                at: self.at,
                number: self.block,
            };
            match rest.first() {
                None | Some(0) => {
                    self.block += 1;
                    self.at = 0;
                    self.key.clear();
                    self.attributes.dates = (0, 0);
                }
                Some(head) => {
                    rest.at += 1;
                    read_key(head, &mut rest, &mut self.key)?;
                    self.attributes = Attributes::read(head, &mut rest, self.attributes.dates)?;
                    self.at = rest.at;
                    self.is_row = true;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Goes forward to the first row whose key is `key` or greater, and tells whether there is one.
    /// Blocks between are not read.
    ///
    /// # Errors
    ///
    /// A [`SealedError`]; there is no row then.
    pub fn advance_to(&mut self, key: &[u8]) -> Result<bool, SealedError> {
        if self.is_row && self.key.as_slice() >= key {
            return Ok(true);
        }
        let holds = self.block_of(key)?;
        if holds > self.block {
            self.block = holds;
            self.at = 0;
            self.key.clear();
            self.attributes.dates = (0, 0);
        }
        while self.advance()? {
            if self.key.as_slice() >= key {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The last block that does not begin behind `key`.
    fn block_of(&mut self, key: &[u8]) -> Result<u64, SealedError> {
        let index = match self.index.take() {
            Some(index) => index,
            None => self.read_index()?,
        };
        let behind = index.partition_point(|first| first.as_slice() <= key);
        self.index = Some(index);
        Ok(behind.saturating_sub(1) as u64)
    }

    fn read_index(&mut self) -> Result<Vec<Zeroizing<Vec<u8>>>, SealedError> {
        let mut bytes = Zeroizing::new(Vec::new());
        for number in self.blocks..self.sealed.blocks() {
            bytes.extend_from_slice(self.sealed.block(number)?);
        }
        let mut rest = Bytes {
            block: &bytes,
            at: 0,
            number: self.blocks,
        };
        let mut index = Vec::new();
        for _ in 0..self.blocks {
            let length = rest.length(LONGEST_KEY)?;
            index.push(Zeroizing::new(rest.take(length)?.to_vec()));
        }
        Ok(index)
    }
}

/// Reads the key of the row whose first byte is `head`; `key` is that of the row before in the
/// same block, and becomes its own.
fn read_key(head: u8, rest: &mut Bytes<'_>, key: &mut Vec<u8>) -> Result<(), SealedError> {
    let shared = rest.length(key.len())?;
    let own = if head & SAME_LENGTH != 0 {
        key.len() - shared
    } else {
        rest.length(LONGEST_KEY.saturating_sub(shared))?
    };
    let own = rest.take(own)?;
    key.truncate(shared);
    key.extend_from_slice(own);
    Ok(())
}

/// All of a row but its key.
#[derive(Default)]
pub(crate) struct Attributes {
    dates: (u32, u32),
    origin: Origin,
    fields: LabelFields,
    handle: Option<[u8; 16]>,
    /// Where they stand in the bytes that were read.
    references: Range<usize>,
    total: u32,
}

impl Attributes {
    /// Those of a row that says nothing else.
    pub(crate) fn of_origin(origin: Origin) -> Self {
        Self {
            origin,
            ..Self::default()
        }
    }

    /// The whole row, which was read from `bytes`.
    pub(crate) fn row<'a>(&self, key: &'a [u8], bytes: &'a [u8]) -> Row<'a> {
        Row {
            key,
            origin: self.origin,
            fields: self.fields,
            handle: self.handle,
            since: self.dates.0,
            expires: day(self.dates.1),
            references: References {
                encoded: bytes.get(self.references.clone()).unwrap_or_default(),
                total: self.total,
            },
        }
    }

    /// Reads what `rest` stands at, behind the first byte and the key; `dates` are those of the
    /// row before in the same block.
    pub(crate) fn read(
        head: u8,
        rest: &mut Bytes<'_>,
        mut dates: (u32, u32),
    ) -> Result<Self, SealedError> {
        let has = |flag| head & flag != 0;
        if !has(IS_ROW) {
            return Err(rest.damaged());
        }
        if !has(SAME_DATES) {
            dates = (rest.number()?, rest.number()?);
        }
        let mut fields = LabelFields::default();
        if has(FIELDS) {
            let mut label = [0; Label::LENGTH];
            let coded = rest.take(Label::LENGTH - 16)?;
            label
                .iter_mut()
                .skip(16)
                .zip(coded)
                .for_each(|(to, from)| *to = *from);
            fields = Label::decode(&label).map_err(|_| rest.damaged())?.fields;
        }
        let handle = if has(HANDLE) {
            let handle = rest.take(16)?;
            Some(handle.try_into().map_err(|_| rest.damaged())?)
        } else {
            None
        };
        let (mut references, mut total) = (0..0, 0);
        if has(REFERENCES) {
            total = rest.number()?;
            let length = rest.length(MAX_REFERENCES * (2 + super::LONGEST_REFERENCE))?;
            references = rest.at..rest.at + length;
            rest.take(length)?;
        }
        Ok(Self {
            dates,
            origin: Origin {
                given: has(GIVEN),
                derived: has(DERIVED),
            },
            fields,
            handle,
            references,
            total,
        })
    }
}

/// A block being read.
pub(crate) struct Bytes<'a> {
    pub(crate) block: &'a [u8],
    pub(crate) at: usize,
    pub(crate) number: u64,
}

impl<'a> Bytes<'a> {
    pub(crate) fn first(&self) -> Option<u8> {
        self.block.get(self.at).copied()
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], SealedError> {
        let taken = self.block.get(self.at..self.at + length);
        self.at += length;
        taken.ok_or_else(|| self.damaged())
    }

    fn number(&mut self) -> Result<u32, SealedError> {
        let mut number = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.first().ok_or_else(|| self.damaged())?;
            self.at += 1;
            number |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.damaged())
    }

    fn length(&mut self, limit: usize) -> Result<usize, SealedError> {
        let length = self.number()?;
        usize::try_from(length)
            .ok()
            .filter(|&length| length <= limit)
            .ok_or_else(|| self.damaged())
    }

    pub(crate) fn damaged(&self) -> SealedError {
        SealedError::Damaged { block: self.number }
    }
}
