//! Cards and bank accounts (`spec/10-indicators.md` §4.11 to §4.13).

pub(crate) mod card;
pub(crate) mod iban;
pub(crate) mod pan;

pub use pan::PaymentKey;
