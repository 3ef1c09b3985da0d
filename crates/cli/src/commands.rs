//! The commands: each turns its arguments into a call of `node` and prints what came of it.

pub(crate) mod at_work;
pub(crate) mod backup;
pub(crate) mod batch;
pub(crate) mod card;
pub(crate) mod collections;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod epoch;
pub(crate) mod evidence;
pub(crate) mod exclusions;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod label;
pub(crate) mod ledger;
pub(crate) mod manual;
pub(crate) mod matches;
pub(crate) mod notify;
pub(crate) mod payment;
pub(crate) mod policy;
pub(crate) mod query;
pub(crate) mod roster;
pub(crate) mod serve;
pub(crate) mod status;
