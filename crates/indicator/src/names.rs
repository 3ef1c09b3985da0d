//! Names that people and their machines go by (`spec/10-indicators.md` §4.3 to §4.10).

pub(crate) mod account;
pub(crate) mod domain;
pub(crate) mod email;
mod fictitious;
pub(crate) mod phone;
pub(crate) mod url;

use crate::Refusal;

/// Refuses C0 and C1 controls. Some of the standards below drop them in silence, so that one
/// value would have several spellings in a feed.
fn refuse_controls(text: &str) -> Result<(), Refusal> {
    if text.chars().any(char::is_control) {
        Err(Refusal::ControlCharacter)
    } else {
        Ok(())
    }
}

/// Text of canonical bytes that are their own text.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}
