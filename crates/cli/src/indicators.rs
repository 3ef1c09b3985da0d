//! `blindmatch indicators …`

pub(crate) mod check;
mod report;
