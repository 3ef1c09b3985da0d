//! `blindmatch indicators …`

pub(crate) mod check;
