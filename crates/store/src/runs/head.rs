//! What a run is about: the first thing that is stored of it.

use blindmatch_audit::{
    codec::{DecodeError, Reader, Writer},
    receipt::Side,
    record::Name,
};
use blindmatch_psi::agreement::{Agreement, Direction, RunId};

const CONTEXT: &str = "blindmatch run head v1";
/// The most bytes of an agreement: names of 255 bytes, twice two directions.
const MAX_AGREEMENT: usize = 16 << 10;
/// The most bytes of a text of the operator's.
pub const MAX_TEXT: usize = 255;

/// What a run is about, and what resuming it takes besides its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Our side.
    pub side: Side,
    /// The other side, as the ledger names it.
    pub peer: Name,
    /// What was agreed.
    pub agreement: Agreement,
    /// Which of its directions this run is.
    pub direction: u8,
    /// The epoch of the view.
    pub epoch: u64,
    /// The last second in which the view's key may be used, since 1970.
    pub until: u64,
    /// When it was agreed, in seconds since 1970.
    pub began: u64,
    /// The collection that is asked with or served; empty where the items came from elsewhere.
    pub collection: String,
    /// How many imports the collection had seen by then: with what came after them it has not asked
    /// yet.
    pub imports: u32,
    /// The case that the items are of; may be empty.
    pub case: String,
    /// Who asks; may be empty.
    pub operator: String,
}

impl Head {
    /// The direction that the run is.
    #[must_use]
    pub fn direction(&self) -> Option<&Direction> {
        self.agreement.directions.get(usize::from(self.direction))
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        Some(self.agreement.run_id(self.direction()?))
    }

    /// The view, as the ledger names it.
    #[must_use]
    pub fn view(&self) -> Option<Name> {
        let view = str::from_utf8(&self.direction()?.view).ok()?;
        Name::new(view).ok()
    }

    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(CONTEXT);
        writer
            .u8(self.side.code())
            .bytes(self.peer.as_str().as_bytes())
            .bytes(&self.agreement.encode())
            .u8(self.direction)
            .u64(self.epoch)
            .u64(self.until)
            .u64(self.began)
            .u32(self.imports);
        for text in [&self.collection, &self.case, &self.operator] {
            writer.bytes(text.as_bytes());
        }
        writer.finish()
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]; [`DecodeError::Field`] also where the agreement has no such direction, or
    /// one whose view is no name.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(CONTEXT, bytes)?;
        let side = Side::from_code(reader.u8()?)?;
        let peer = Name::new(&text(&mut reader)?)?;
        let agreement = Agreement::decode(reader.bytes(MAX_AGREEMENT)?)?;
        let direction = reader.u8()?;
        let (epoch, until, began) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let imports = reader.u32()?;
        let head = Self {
            side,
            peer,
            agreement,
            direction,
            epoch,
            until,
            began,
            collection: text(&mut reader)?,
            imports,
            case: text(&mut reader)?,
            operator: text(&mut reader)?,
        };
        reader.finish()?;
        head.view().map(|_| head).ok_or(DecodeError::Field)
    }

    /// Whether [`decode`](Self::decode) reads what [`encode`](Self::encode) writes.
    pub(super) fn is_readable(&self) -> bool {
        Self::decode(&self.encode()).as_ref() == Ok(self)
    }
}

fn text(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let bytes = reader.bytes(MAX_TEXT)?;
    let text = str::from_utf8(bytes).map_err(|_| DecodeError::Field)?;
    Ok(text.to_owned())
}
