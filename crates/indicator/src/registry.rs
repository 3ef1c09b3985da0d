//! Numbers that a registry hands out to organisations (`spec/10-indicators.md` §4.19, §4.20).

pub(crate) mod asn;
pub(crate) mod lei;
