//! One checked identifier.

use std::fmt;

use zeroize::Zeroizing;

use crate::IndicatorType;
use crate::bytes::CanonicalBytes;
use crate::canonicaliser;

/// One typed identifier in canonical form.
///
/// Holding one proves that [`Canonicaliser`](crate::Canonicaliser) checked it. It is somebody's
/// personal data: `Debug` prints the type alone, there is no `Display`, and the bytes are wiped
/// on drop.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Indicator {
    indicator_type: IndicatorType,
    bytes: CanonicalBytes,
}

impl Indicator {
    pub(crate) fn from_canonical(indicator_type: IndicatorType, bytes: CanonicalBytes) -> Self {
        Self {
            indicator_type,
            bytes,
        }
    }

    /// The type.
    #[must_use]
    pub fn indicator_type(&self) -> IndicatorType {
        self.indicator_type
    }

    /// The canonical bytes, without type code and version.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// Type code ‖ canonicalisation version ‖ canonical bytes: the input of the OPRF
    /// (`spec/10-indicators.md` §1).
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut encoded = Zeroizing::new(Vec::with_capacity(2 + self.as_bytes().len()));
        encoded.extend(self.prefix());
        encoded.extend_from_slice(self.as_bytes());
        encoded
    }

    /// The first two bytes of [`Self::encode`].
    #[must_use]
    pub fn prefix(&self) -> [u8; 2] {
        [
            self.indicator_type.code(),
            self.indicator_type.canonicalisation_version(),
        ]
    }

    /// The text form, for the owner's eyes. Parsing it gives the same indicator, except for a
    /// `pan`, whose text is its keyed hash.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        canonicaliser::text(self.indicator_type, self.as_bytes())
    }
}

impl fmt::Debug for Indicator {
    /// Prints the type and never the value: an indicator must not reach a log or a panic text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Indicator({}, <redacted>)", self.indicator_type)
    }
}
